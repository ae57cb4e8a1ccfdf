"""Messages keep their shape: every change that would break a reader is found, additions pass."""

from decimal import Decimal
from importlib import import_module
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from shared.contracts.message import Message, Value
from shared.contracts.values import Money
from tests.contracts import golden

KINDS = golden.messages()


def test_every_message_has_its_golden_file_and_every_file_its_message() -> None:
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == set(KINDS), (
        "a planned change? python -m tests.contracts.golden"
    )


@pytest.mark.parametrize("key", KINDS)
def test_the_shape_is_as_agreed(key: str) -> None:
    assert golden.broken(golden.load(key), KINDS[key]) == []


def test_what_was_added_is_agreed_too() -> None:
    """A field that is in no golden file could be taken away again without anybody noticing."""
    stale = [key for key, kind in KINDS.items() if golden.load(key) != golden.golden(kind)]
    assert stale == [], "python -m tests.contracts.golden"


@pytest.mark.parametrize("key", KINDS)
def test_the_agreed_example_is_read_and_written_as_it_was(key: str) -> None:
    kept = golden.load(key)["example"]
    written = KINDS[key].model_validate(kept).model_dump(mode="json")
    assert kept == _only(kept, written)


def _only(kept: object, written: object) -> object:
    """`written` without what was added since."""
    if isinstance(kept, dict) and isinstance(written, dict):
        return {name: _only(value, written[name]) for name, value in kept.items() if name in written}
    if isinstance(kept, list) and isinstance(written, list) and len(kept) == len(written):
        return [_only(one, other) for one, other in zip(kept, written, strict=True)]
    return written


@pytest.mark.parametrize("key", KINDS)
def test_a_message_survives_the_journey_and_can_be_hashed(key: str) -> None:
    message = golden.example(KINDS[key])
    again = KINDS[key].model_validate_json(message.model_dump_json())
    assert again == message
    assert hash(again) == hash(message)
    assert isinstance(message, Message)
    assert message.subject
    assert message.owner in {"order", "inventory", "fulfilment", "billing", "backoffice"}


@pytest.mark.parametrize("key", KINDS)
def test_a_message_says_what_it_is(key: str) -> None:
    kind = KINDS[key]
    assert (kind.__dict__.get("__doc__") or "").strip(), f"{kind.__name__} has no docstring of its own"
    owner, _, rest = key.partition(".")
    assert getattr(import_module(f"shared.contracts.{owner}"), kind.__name__) is kind
    assert rest.rpartition(".v")[2].isdigit()


@pytest.mark.parametrize("key", KINDS)
def test_a_message_with_more_fields_than_we_know_is_read(key: str) -> None:
    kept = golden.load(key)["example"]
    assert KINDS[key].model_validate({**kept, "of_tomorrow": 1}) == KINDS[key].model_validate(kept)


def test_an_example_is_the_same_on_every_run() -> None:
    for kind in KINDS.values():
        assert golden.example(kind) == golden.example(kind)
        assert golden.golden(kind) == golden.golden(kind)


# The gate bites


class Part(Value):
    sku: str
    quantity: Annotated[int, Field(ge=0, le=10)]


class Agreed(Value):
    name: Annotated[str, Field(max_length=20)]
    amount: Money = Decimal(0)
    state: Literal["open", "done"] = "open"
    note: str | None = None
    parts: Annotated[tuple[Part, ...], Field(max_length=5)] = ()
    whole: Part | None = None


def kept(kind: type[BaseModel]) -> dict[str, golden.Shape]:
    return {"sent": golden.shape(kind, "serialization"), "accepted": golden.shape(kind, "validation")}


def test_the_same_shape_passes() -> None:
    assert golden.broken(kept(Agreed), Agreed) == []
    assert {"parts[].sku", "parts[].quantity", "whole.sku"} <= kept(Agreed)["sent"].keys()


def test_additions_pass() -> None:
    class Extra(Value):
        needed_inside: int

    class Added(Agreed):
        more: int = 0
        extra: Extra | None = None
        extras: tuple[Extra, ...] = ()

    assert golden.broken(kept(Agreed), Added) == []


def test_a_wider_bound_and_a_field_no_longer_required_pass() -> None:
    class WiderPart(Part):
        quantity: Annotated[int, Field(ge=-1, le=99)]

    class Wider(Agreed):
        name: Annotated[str, Field(max_length=40)] = ""
        parts: Annotated[tuple[WiderPart, ...], Field(max_length=50)] = ()

    assert golden.broken(kept(Agreed), Wider) == []
    assert set(golden.broken(kept(Wider), Agreed)) == {
        "name is required now",
        "name: maxLength is tighter, 40 before and 20 now",
        "parts: maxItems is tighter, 50 before and 5 now",
        "parts[].quantity: maximum is tighter, 99 before and 10 now",
        "parts[].quantity: minimum is tighter, -1 before and 0 now",
    }


class Renamed(Value):
    title: Annotated[str, Field(max_length=20)]
    amount: Money = Decimal(0)
    state: Literal["open", "done"] = "open"
    note: str | None = None
    parts: Annotated[tuple[Part, ...], Field(max_length=5)] = ()
    whole: Part | None = None


class NewRequired(Agreed):
    needed: int


class RequiredNow(Agreed):
    note: str | None


class OtherType(Agreed):
    name: int  # type: ignore[assignment]


class MoneyAsNumber(Agreed):
    amount: float = 0  # type: ignore[assignment]


class NotNullAnyMore(Agreed):
    note: str = ""


class FewerStates(Agreed):
    state: Literal["open"] = "open"


class MoreStates(Agreed):
    state: Literal["open", "done", "lost"] = "open"  # type: ignore[assignment]


class OnePart(Agreed):
    parts: Part | None = None  # type: ignore[assignment]


class BiggerPart(Part):
    colour: str


class NewRequiredInside(Agreed):
    parts: Annotated[tuple[BiggerPart, ...], Field(max_length=5)] = ()


class OtherPart(Value):
    sku: int
    quantity: Annotated[int, Field(ge=0, le=10)]


class OtherTypeInside(Agreed):
    whole: OtherPart | None = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (Renamed, "name is gone"),
        (Renamed, "title is new and required"),
        (NewRequired, "needed is new and required"),
        (RequiredNow, "note is required now"),
        (OtherType, "name: type was string and is integer"),
        (MoneyAsNumber, "amount: type was string and is number"),
        (NotNullAnyMore, "note: type was None and is string"),
        (FewerStates, "state: const was None and is open"),
        (MoreStates, "state: enum was ['open', 'done'] and is ['open', 'done', 'lost']"),
        (OnePart, "parts: it is a list on one side only"),
        (OnePart, "parts[].sku is gone"),
        (NewRequiredInside, "parts[].colour is new and required"),
        (OtherTypeInside, "whole.sku: type was string and is integer"),
    ],
)
def test_a_change_that_breaks_readers_is_found(changed: type[BaseModel], reason: str) -> None:
    assert reason in golden.broken(kept(Agreed), changed)


def test_files_are_written_one_field_a_line() -> None:
    text = golden.text_of(golden.load("order.cancel_order.v1"))
    assert '  "lines[].quantity": {' in text
    assert text == golden.path_of("order.cancel_order.v1").read_text()
