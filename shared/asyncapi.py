"""The AsyncAPI 3 document of a service, made by FastStream from typed subscribers and publishers; no broker is needed.

A message on the wire is a batch of CloudEvents of one type, so that is what each payload is.
"""

import sys
import warnings
from collections.abc import Iterable
from typing import Any

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.schemas.queue import QueueType
from faststream.specification import AsyncAPI

from shared.contracts.message import Command, Event, Internal, Message
from shared.messaging.decision import Handlers
from shared.messaging.envelope import CONTENT_TYPE, Envelope
from shared.messaging.topology import Names

CORRELATION = "$message.payload#/0/correlationid"


def asyncapi_of(service: str, handlers: Handlers, sends: Iterable[type[Message]] | None = None) -> dict[str, Any]:
    """What a service reads and sends. Its events and the commands that its modules name are sent, unless told else."""
    names = Names()
    exchange = RabbitExchange(names.exchange, type=ExchangeType.TOPIC, durable=True)
    broker = RabbitBroker("amqp://localhost:5672/")
    kept: list[Any] = []  # the broker itself refers to them weakly, and in no order
    reads = _sorted(kind for kind in handlers if not issubclass(kind, Internal))
    for kind in reads:
        queue = RabbitQueue(names.queue(service), queue_type=QueueType.QUORUM, durable=True, routing_key=kind.key)
        subscriber = broker.subscriber(queue, exchange=exchange, title=kind.key, description=_says(kind))
        kept.append(subscriber(_reader_of(kind)))
    for kind in _sorted(sent_by(service) if sends is None else sends):
        publisher = broker.publisher(
            exchange=exchange,
            routing_key=kind.key,
            title=f"{kind.key}.sent" if kind in reads else kind.key,
            description=_says(kind),
            schema=list[Envelope[kind]],  # type: ignore[valid-type]
            persist=True,
            mandatory=issubclass(kind, Command),
        )
        kept.append(publisher)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # two channels of one name would overwrite each other with a warning only
        factory = AsyncAPI(
            broker,
            title=f"Comptoir {service}",
            version="1",
            description=f"Messages that {service} reads and sends. Each is a batch of CloudEvents 1.0 of one type. "
            "`send` is what it says, `receive` what it obeys or hears; docs/bus.md says how others take part.",
        )
        document: dict[str, Any] = factory.to_specification().to_jsonable()
    document["defaultContentType"] = CONTENT_TYPE
    for message in document["components"]["messages"].values():
        message["contentType"] = CONTENT_TYPE
        message["correlationId"] = {"location": CORRELATION}
    valid: dict[str, Any] = _with_valid_names(document)
    for section in (valid, valid["components"]):
        for name in ("channels", "operations", "messages", "schemas"):
            if name in section:
                section[name] = dict(sorted(section[name].items()))
    return valid


def sent_by(service: str) -> set[type[Message]]:
    """The events that a service owns, and the commands of others that its modules name: why else would they."""
    events = {kind for kind in Message.registry.values() if issubclass(kind, Event) and _owner(kind) == service}
    rooms = [module for name, module in sys.modules.items() if name.startswith(f"services.{service}.")]
    named = {thing for room in rooms for thing in vars(room).values() if isinstance(thing, type)}
    commands = {
        kind
        for kind in named
        if issubclass(kind, Command) and not issubclass(kind, Internal) and kind.key and _owner(kind) != service
    }
    return events | commands


def _reader_of(kind: type[Message]) -> Any:
    async def read(batch: Any) -> None:
        """Never called: FastStream takes the type of the payload from it."""

    read.__annotations__ = {"batch": list[Envelope[kind]], "return": None}  # type: ignore[valid-type]
    read.__name__ = kind.__name__
    return read


def _sorted(kinds: Iterable[type[Message]]) -> list[type[Message]]:
    return sorted(set(kinds), key=lambda kind: kind.key)


def _owner(kind: type[Message]) -> str:
    return kind.key.partition(".")[0]


def _says(kind: type[Message]) -> str:
    return " ".join((kind.__doc__ or "").split())


def _with_valid_names(value: Any) -> Any:
    """FastStream puts colons into names of components, which AsyncAPI 3 does not allow."""
    if isinstance(value, dict):
        return {
            _valid(name) if name.endswith(("Message", "Payload")) else name: (
                _valid(item) if name == "$ref" else _with_valid_names(item)
            )
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_with_valid_names(item) for item in value]
    return value


def _valid(name: str) -> str:
    return name.replace(":", ".")
