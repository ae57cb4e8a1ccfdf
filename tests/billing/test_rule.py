"""The one rule, row by row: true, false and the boundary of each guard."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.billing.domain.rows import Account, Hold
from services.billing.domain.rule import next_operation, secured, settled, should_hold, state, wanted
from tests.billing.book import ORDER, money


def account(method: str = "card", left: str = "0", **given: Any) -> Account:
    """An account with one authorisation; amounts as text."""
    values = {k: v if isinstance(v, bool | int) or k == "blocked" else money(v) for k, v in given.items()}
    hold = Hold(1, "ref-1", money(left), values.get("captured", money(0)), values.get("refunded", money(0)))
    start = Account(ORDER, answers=1, operations=1, method=method, currency="EUR", holds=(hold,))
    return replace(start, **values)


def wish(a: Account) -> tuple[str, Decimal] | None:
    found = next_operation(a)
    return (found.kind, found.amount) if found else None


@pytest.mark.parametrize(
    ("given", "then"),
    [
        # authorise the rest: authorised < due - invoiced + owed
        ({"due": "40"}, ("authorise", 40)),
        ({"due": "40", "left": "39.99"}, ("authorise", Decimal("0.01"))),
        ({"due": "40", "left": "40"}, None),
        ({"due": "40", "left": "50"}, None),  # SC-22: the authorisation stays, less is captured
        ({"due": "40", "invoiced": "15"}, ("authorise", 40)),  # expired: the open part and the owed part
        # less held than invoiced, and authorised: capture
        ({"due": "40", "left": "40", "invoiced": "15"}, ("capture", 15)),
        ({"due": "40", "left": "40", "invoiced": "15", "captured": "14.99"}, ("capture", Decimal("0.01"))),
        ({"due": "40", "left": "25", "invoiced": "15", "captured": "15"}, None),
        ({"due": "40", "left": "10", "invoiced": "40"}, ("capture", 10)),  # never above what is held for us
        # authorised and nothing due or owed: void
        ({"due": "0", "left": "40"}, ("void", 40)),
        ({"due": "0.01", "left": "40"}, None),
        ({"due": "15", "left": "25", "invoiced": "15", "captured": "15"}, ("void", 25)),
        ({"due": "15", "left": "25", "invoiced": "15", "captured": "14"}, ("capture", 1)),
        # more held than invoiced less credited: refund
        ({"due": "15", "invoiced": "15", "captured": "15", "credited": "5"}, ("refund", 5)),
        ({"due": "15", "invoiced": "15", "captured": "15", "credited": "5", "refunded": "5"}, None),
        ({"due": "15", "invoiced": "15", "captured": "10", "credited": "5"}, None),
        # nothing beside another operation, before the first ask, after a decline, or while blocked
        ({"due": "40", "running": 1}, None),
        ({"due": "40", "answers": 0}, None),
        ({"due": "40", "declined": True}, None),
        ({"due": "40", "left": "40", "invoiced": "15", "blocked": "capture"}, None),
        ({"due": "0", "left": "40", "declined": True}, ("void", 40)),
    ],
)
def test_card(given: dict[str, Any], then: tuple[str, Decimal] | None) -> None:
    assert wish(account(**given)) == then


@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({"due": "40"}, None),  # waits for money
        ({"due": "40", "captured": "40"}, None),
        ({"due": "40", "captured": "40.01"}, ("refund", Decimal("0.01"))),
        ({"due": "0", "captured": "40"}, ("refund", 40)),
        ({"due": "40", "captured": "40", "invoiced": "40", "credited": "10"}, ("refund", 10)),
        ({"due": "40", "captured": "40", "invoiced": "40", "credited": "10", "refunded": "10"}, None),
        ({"due": "0", "captured": "40", "answers": 0}, None),
    ],
)
def test_bank_transfer(given: dict[str, Any], then: tuple[str, Decimal] | None) -> None:
    assert wish(account("bank_transfer", **given)) == then


@pytest.mark.parametrize("method", ["cash_on_delivery", "terms"])
@pytest.mark.parametrize(
    ("given", "then"),
    [
        ({"due": "40", "invoiced": "40"}, None),  # the carrier or the customer owes
        ({"due": "40", "invoiced": "40", "captured": "40"}, None),
        ({"due": "40", "invoiced": "40", "captured": "40", "credited": "1"}, ("refund", 1)),
    ],
)
def test_paid_afterwards(method: str, given: dict[str, Any], then: tuple[str, Decimal] | None) -> None:
    assert wish(account(method, **given)) == then


def test_secured_card_is_invoiced_and_authorised_less_owed() -> None:
    assert secured(account(due="40", left="25", invoiced="15", captured="15")) == 40
    assert secured(account(due="40", left="25", invoiced="15", captured="10")) == 35
    assert secured(account(due="40", left="40", invoiced="15")) == 40


def test_money_in_a_running_void_or_refund_secures_nothing() -> None:
    assert secured(account(due="40", left="40", voiding="40", running=1)) == 0
    assert secured(account("bank_transfer", due="40", captured="50", refunding="50", running=1)) == 0


def test_secured_by_the_other_methods() -> None:
    assert secured(account("bank_transfer", due="40", captured="40", refunded="10", credited="10")) == 40
    assert secured(account("cash_on_delivery", due="40")) == 40
    assert secured(account("terms", due="40", granted="30")) == 30


def test_state_is_unknown_then_ok_then_declined_then_pending() -> None:
    assert state(account(due="40", left="40", unknown=True, running=1)) == "unknown"
    assert state(account(due="40", left="40", declined=True)) == "ok"
    assert state(account(due="40", left="39", declined=True)) == "declined"
    assert state(account(due="40", left="39")) == "pending"


def test_settled_means_nothing_in_flight_no_wish_and_nothing_with_the_carrier() -> None:
    done = account(due="15", invoiced="15", captured="15")
    assert settled(done)
    assert not settled(replace(done, running=1))
    assert not settled(replace(done, answers=0))
    assert not settled(replace(done, captured=money("14.99")))
    assert not settled(replace(done, custody=money(1), method="cash_on_delivery"))
    assert not settled(account(due="15", invoiced="15", captured="15", left="5")), "the rest is to be voided"


def test_a_refund_goes_back_the_way_the_money_came_then_is_paid_out() -> None:
    holds = (Hold(1, "a", money(0), captured=money(10)), Hold(2, "b", money(0), captured=money(5), refunded=money(5)))
    a = replace(account(captured="20", refunded="5"), holds=holds, credited=money(0))
    first = wanted(a)
    assert first
    assert (first.amount, first.hold) == (10, holds[0])
    rest = wanted(replace(a, refunded=money(15), holds=(replace(holds[0], refunded=money(10)), holds[1])))
    assert rest
    assert (rest.amount, rest.hold) == (5, None)


def test_a_prepaid_order_is_never_refunded_below_what_is_invoiced() -> None:
    assert should_hold(account("bank_transfer", due="10", invoiced="15")) == 15
