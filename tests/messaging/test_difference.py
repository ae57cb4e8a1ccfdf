"""A parked message says in a sentence what is wrong, and field by field what was agreed and what came."""

import json
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.order import NewLine, PlaceOrder
from shared.messaging.difference import cause_of, compare
from shared.messaging.envelope import Unreadable, envelope, read_parked, write
from tests.messaging.depot import Clock

KEY = PlaceOrder.key


def placing() -> dict[str, Any]:
    line = NewLine(sku="mug", quantity=2)
    message = PlaceOrder(order_id=uuid4(), lines=(line,))
    made: dict[str, Any] = json.loads(write(envelope(message, id=uuid4(), source="/shop", now=Clock().now())))
    return made


def difference(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    compared = compare(KEY, json.dumps(event))
    try:
        read_parked(KEY, json.dumps(event))
    except Unreadable:
        assert not compared.readable
    else:
        assert compared.readable
    return [(one.field, one.verdict, one.came) for one in compared.differences]


def test_a_message_that_keeps_to_the_contract_differs_in_nothing() -> None:
    assert difference(placing()) == []


def test_a_missing_field_is_named_with_what_was_agreed() -> None:
    event = placing()
    del event["data"]["lines"][0]["sku"]
    assert difference(event) == [("data.lines.0.sku", "missing", "")]
    (one,) = compare(KEY, json.dumps(event)).differences
    assert one.agreed == "text, at least 1 characters, at most 64 characters"


def test_a_field_of_another_type_is_shown_as_it_came() -> None:
    event = placing()
    event["data"]["lines"][0]["quantity"] = "1,240"
    assert difference(event) == [("data.lines.0.quantity", "wrong", '"1,240"')]
    (one,) = compare(KEY, json.dumps(event)).differences
    assert one.agreed.startswith("whole number, more than 0 (")


def test_an_unknown_field_is_named_and_does_no_harm() -> None:
    event = placing()
    event["data"]["ship_to"]["planet"] = "Mars"
    event["data"]["lines"][0]["colour"] = "red"
    assert difference(event) == [
        ("data.ship_to.planet", "unknown", '"Mars"'),
        ("data.lines.0.colour", "unknown", '"red"'),
    ]


def test_the_envelope_is_compared_as_well() -> None:
    event = placing()
    del event["time"]
    event["type"] = "order.place_order.v9"
    assert [field for field, _, _ in difference(event | {"type": KEY})] == ["time"]
    assert ("type", "wrong", '"order.place_order.v9"') in [
        (one.field, one.verdict, one.came) for one in compare(KEY, json.dumps([event])).differences
    ]


def test_a_version_that_is_not_known_says_which_is() -> None:
    compared = compare("order.place_order.v9", json.dumps([placing()]))
    assert compared.known_versions == (KEY,)
    (one,) = compared.differences
    assert (one.verdict, one.agreed, one.came) == ("unknown", KEY, '"order.place_order.v9"')
    (other,) = compare("nobody.knows.v1", "[{}]").differences
    assert other.agreed == "a message that this service knows"


@pytest.mark.parametrize("body", ["garbage", "[" * 100_000, "", "\\xff"])
def test_what_is_not_even_json_is_said_so(body: str) -> None:
    compared = compare(KEY, body)
    assert not compared.readable
    assert compared.differences[0].agreed == "JSON"


@pytest.mark.parametrize("body", ["[]", "{}", "[1, null]", '"text"', '{"data": {"lines": {"0": 1}}}'])
def test_json_of_another_shape_is_never_called_readable(body: str) -> None:
    assert not compare(KEY, body).readable


def test_a_packet_full_of_faults_is_told_in_part() -> None:
    assert len(compare(KEY, json.dumps([{}] * 64)).differences) == 50


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Missing: no Progress 7", "It speaks of something that is not here: no Progress 7. It was tried 5 times."),
        ("Impossible: shipped 3 of 2", "It states what cannot be true: shipped 3 of 2."),
        ("Unreadable: x.v1: Field required at 0.id", "Its text is not what was agreed: x.v1: Field required at 0.id."),
        ("CheckViolationError: ck_stock", "The database refused what came of it, to protect the data: ck_stock."),
        ("KeyError: 'a'", "Deciding it failed, which is a fault of ours: KeyError: 'a'."),
    ],
)
def test_the_cause_is_a_sentence(reason: str, said: str) -> None:
    cause, advice = cause_of(reason, 5)
    assert cause == said
    assert advice.endswith(".")
