"""Messages on their way: CloudEvents 1.0 envelopes, packed into JSON batches of one type.

A packet is the unit of transport: the outbox row, the AMQP message and the inbox key are one and the same packet.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from shared.contracts.message import Message, text_of

M = TypeVar("M", bound=Message)

CONTENT_TYPE = "application/cloudevents-batch+json"
MAX_EVENTS = 64
MAX_PACKET_BYTES = 128 * 1024
MAX_EVENT_BYTES = 1024 * 1024
"""A single event may be as large as this (an order of 1,000 lines is about 250 KiB); larger ones are never sent."""


@dataclass(slots=True)
class Envelope(Generic[M]):
    """One CloudEvent. `correlationid` stays the same along a saga; `causationid` is the event that led to it.

    Treated as immutable; a plain dataclass because some twenty are made per order.
    """

    id: UUID
    source: str
    type: str
    time: datetime
    data: M
    specversion: Literal["1.0"] = "1.0"
    subject: str = ""
    correlationid: str = ""
    causationid: UUID | None = None
    traceparent: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Packet:
    """1 to 64 events of one type, never repacked."""

    id: UUID
    key: str
    count: int
    body: str


class Unreadable(ValueError):
    """Bytes that are no packet of a type that we know. They are parked as they are."""


class TooLarge(ValueError):
    """An event that no broker should carry."""


def envelope(
    message: Message,
    *,
    id: UUID,
    source: str,
    now: datetime,
    cause: "Envelope[Any] | None" = None,
    actor: str = "",
    correlation: str = "",
    traceparent: str = "",
) -> Envelope[Any]:
    """A new envelope; what is known of its cause is passed on."""
    return Envelope(
        id=id,
        source=source,
        type=message.key,
        time=now,
        data=message,
        subject=message.subject,
        correlationid=cause.correlationid if cause else correlation or str(id),
        causationid=cause.id if cause else None,
        traceparent=cause.traceparent if cause else traceparent,
        actor=actor or (cause.actor if cause else ""),
    )


def write(e: Envelope[Any]) -> str:
    """The envelope as JSON text around its message's JSON; cheaper than dumping the whole model."""
    text = (
        f'{{"specversion":"1.0","id":"{e.id}","source":{_quoted(e.source)},"type":"{e.type}",'
        f'"time":"{_iso(e.time)}","datacontenttype":"application/json"'
    )
    if e.subject:
        text += f',"subject":{_quoted(e.subject)}'
    if e.correlationid:
        text += f',"correlationid":{_quoted(e.correlationid)}'
    if e.causationid:
        text += f',"causationid":"{text_of(e.causationid)}"'
    if e.traceparent:
        text += f',"traceparent":{_quoted(e.traceparent)}'
    if e.actor:
        text += f',"actor":{_quoted(e.actor)}'
    version = e.data.__dict__.get("version")  # hasattr would be a slow miss on most messages
    if version is not None:  # None: of an act on whatever version there is
        text += f',"version":{version}'
    return f'{text},"data":{e.data.model_dump_json()}}}'


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return json.dumps(text)


@lru_cache(maxsize=64)
def _iso(time: datetime) -> str:
    """All events of a unit of work have one time."""
    return time.isoformat()


@cache
def adapter(kind: type[Message]) -> TypeAdapter[list[Envelope[Any]]]:
    return TypeAdapter(list[Envelope[kind]])  # type: ignore[valid-type]


def read(key: str, body: bytes | str) -> list[Envelope[Any]]:
    """All events of a packet in one validation. Raises Unreadable, with the reason for people."""
    kind = Message.registry.get(key)
    if kind is None:
        known = [k for k in Message.registry if k.rpartition(".v")[0] == key.rpartition(".v")[0]]
        what = f"version of {known[0]}" if known else "message type"
        raise Unreadable(f"unsupported {what}: {key or '(none)'}")
    try:
        events = adapter(kind).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{key}: {first['msg']}{' at ' + where if where else ''}") from error
    if not events:
        raise Unreadable(f"{key}: an empty batch")
    if wrong := {event.type for event in events if event.type != key}:
        raise Unreadable(f"{key}: holds events of type {', '.join(sorted(wrong))}")
    return events


def read_one(text: str) -> Envelope[Any]:
    """One stored envelope (a timer, a call, a parked message). Raises Unreadable like `read`."""
    return read(_type_in(text), f"[{text}]")[0]


def read_some(key: str, body: bytes | str) -> tuple[list[Envelope[Any]], list[tuple[str, Unreadable]]]:
    """The events of a packet that can be read, and each other's text with what is wrong with it.

    For a packet that `read` refused: one event that a newer sender wrote must not hold back its neighbours.
    """
    if key not in Message.registry:
        return [], []
    try:
        items = json.loads(body)
    except (ValueError, RecursionError):
        return [], []
    if not isinstance(items, list):
        return [], []
    good: list[Envelope[Any]] = []
    bad: list[tuple[str, Unreadable]] = []
    for item in items:
        text = json.dumps(item)
        try:
            good += read(key, f"[{text}]")
        except Unreadable as error:
            bad.append((text, error))
    return good, bad


def read_parked(key: str, body: str) -> list[Envelope[Any]]:
    """The events of a parked message: one stored envelope, or a whole packet that could not be read when it came."""
    if body.lstrip().startswith("["):
        return read(key, body)
    return [read_one(body)]


def _type_in(text: str) -> str:
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from error
    return str(stored.get("type", "")) if isinstance(stored, dict) else ""


def size_of(text: str) -> int:
    """Bytes of a text on the wire; nearly all of ours is ASCII, and then this costs nothing."""
    return len(text) if text.isascii() else len(text.encode())


def pack(written: Iterable[tuple[str, str]], new_id: Callable[[], UUID]) -> Iterator[Packet]:
    """Packets of (type, text), bounded in count and bytes; a single event may exceed the packet bound."""
    open_: dict[str, tuple[list[str], int]] = {}
    for key, text in written:
        size = size_of(text)
        texts, total = open_.get(key, ([], 0))
        if texts and (len(texts) == MAX_EVENTS or total + size > MAX_PACKET_BYTES):
            yield Packet(new_id(), key, len(texts), f"[{','.join(texts)}]")
            texts, total = [], 0
        texts.append(text)
        open_[key] = (texts, total + size)
    for key, (texts, _) in open_.items():
        yield Packet(new_id(), key, len(texts), f"[{','.join(texts)}]")
