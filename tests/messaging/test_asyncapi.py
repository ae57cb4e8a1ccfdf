"""The AsyncAPI document of each service: complete, by the rules of version 3, with every reference resolved."""

import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from shared.asyncapi import asyncapi_of, sent_by
from shared.contracts.inventory import ReserveStock
from shared.contracts.message import Internal
from shared.messaging.decision import Handlers
from shared.messaging.envelope import write
from shared.messaging.topology import SERVICES
from tests.messaging import depot
from tests.messaging.depot import Clock, Moved, Put, event

NAME = re.compile(r"[a-zA-Z0-9.\-_]+")


def handlers_of(service: str) -> Handlers:
    handlers: Handlers = import_module(f"services.{service}.handlers").HANDLERS
    return handlers


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(service: str) -> dict[str, Any]:
    made = asyncapi_of(service, handlers_of(service))
    round_trip: dict[str, Any] = json.loads(json.dumps(made))
    return round_trip


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def test_every_message_that_a_service_handles_is_received_and_its_own_events_are_sent(
    document: dict[str, Any], service: str
) -> None:
    operations = document["operations"]
    received = {document["channels"][name]["address"] for name, o in operations.items() if o["action"] == "receive"}
    sent = {document["channels"][name]["address"] for name, o in operations.items() if o["action"] == "send"}
    assert received == {kind.key for kind in handlers_of(service) if not issubclass(kind, Internal)}
    assert sent == {kind.key for kind in sent_by(service)}
    assert sent


def test_the_commands_that_a_service_sends_are_found_in_its_modules() -> None:
    handlers_of("order")
    assert ReserveStock in sent_by("order")
    assert ReserveStock not in sent_by("inventory")


def test_every_reference_is_resolved_and_every_name_is_allowed(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.\d+\.\d+", document["asyncapi"])
    assert set(document) <= {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }
    assert document["info"]["title"]
    assert document["info"]["version"]
    for reference in references(document):
        assert resolved(document, reference) is not None, reference
    for section in document["components"].values():
        for name in section:
            assert NAME.fullmatch(name), name
    for channel in document["channels"].values():
        assert channel["address"]
        assert channel["messages"]
        assert channel["description"], channel["address"]
    for name, operation in document["operations"].items():
        assert operation["action"] in ("send", "receive")
        channel = resolved(document, operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{operation['channel']['$ref']}/messages/"), name
            assert resolved(document, message["$ref"]) in channel["messages"].values()
    for message in document["components"]["messages"].values():
        payload = resolved(document, message["payload"]["$ref"])
        jsonschema.Draft7Validator.check_schema(payload)
        assert payload["type"] == "array"


def test_what_we_really_send_fits_the_document() -> None:
    document = asyncapi_of("depot", depot.HANDLERS)
    for kind, message in (("depot.put.v1", Put(box="a", add=1)), ("depot.moved.v1", Moved(box="a", amount=1))):
        channel = document["channels"][kind]
        (reference,) = channel["messages"].values()
        payload = resolved(document, resolved(document, reference["$ref"])["payload"]["$ref"])
        schema = {**payload, "components": document["components"]}
        body = json.loads(f"[{write(event(Clock(), message))}]")
        validator = jsonschema.Draft202012Validator(schema)
        validator.validate(body)
        body[0]["data"]["box"] = 7
        assert not validator.is_valid(body), "the document says something"
    operation = document["operations"]["depot.moved.v1"]
    assert operation["bindings"]["amqp"]["deliveryMode"] == 2


def test_the_document_is_the_same_every_time(service: str) -> None:
    first, second = (json.dumps(asyncapi_of(service, handlers_of(service))) for _ in range(2))
    assert first == second
