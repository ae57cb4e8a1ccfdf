"""What the read tables come to does not depend on the order in which statements come in, or on how often."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backoffice.domain import PAUSES, Policy, moment, waited
from services.backoffice.handlers import HANDLERS
from services.backoffice.rows import Backorder, Entry, Money, Order, Return, Shipment, StockSaid
from shared.contracts.backoffice import Heard, LookAgain, LookAtOrder, OrderSeen, OrderSummary, Waiting
from shared.contracts.billing import PaymentAuthorised, PaymentCaptured, PaymentPending
from shared.contracts.fulfilment import (
    ReturnExpected,
    ReturnLine,
    ReturnReceived,
    ShipmentDispatched,
    ShipmentLine,
    ShipmentPlanned,
)
from shared.contracts.inventory import LineStock, Promise, StockBackordered, StockReserved
from shared.contracts.message import Message, Statement
from shared.contracts.order import LineProgress, OrderConfirmed, OrderPlaced
from shared.messaging.decision import Call, Context, Effect, Row, Timer, decide_alone, key_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORDER, SHIPMENT, RETURN = UUID(int=1), UUID(int=2), UUID(int=3)
LINES = (LineProgress(line_no=1, sku="mug", ordered=3, reserved=3),)


def said() -> list[Statement]:
    """What everybody says in the life of one order, the oldest first."""
    order: dict[str, Any] = {"order_id": ORDER, "number": "C-1", "lines": LINES}
    shipment: dict[str, Any] = {"order_id": ORDER, "shipment_id": SHIPMENT, "warehouse": "north"}
    planned = (ShipmentLine(line_no=1, sku="mug", planned=3),)
    back: dict[str, Any] = {"order_id": ORDER, "return_id": RETURN, "shipment_id": SHIPMENT, "warehouse": "north"}
    late = (LineStock(line_no=1, backordered=2, promised_on=date(2026, 3, 9)),)
    kept = (Promise(line_no=1, warehouse="north", reserved=3),)
    return [
        OrderPlaced(**order, version=1, status="awaiting_stock"),
        StockBackordered(order_id=ORDER, version=1, answers=1, lines=late),
        StockReserved(order_id=ORDER, version=2, answers=1, promises=kept),
        PaymentPending(order_id=ORDER, version=1, answers=1, state="pending"),
        PaymentAuthorised(order_id=ORDER, version=2, answers=1, state="ok", secured=Decimal("45.38")),
        OrderConfirmed(**order, version=4, status="in_fulfilment"),
        ShipmentPlanned(**shipment, version=1, state="planned", lines=planned),
        ShipmentDispatched(**shipment, version=4, state="dispatched", lines=planned, tracking="T1", dispatched_at=NOW),
        PaymentCaptured(order_id=ORDER, version=3, answers=1, state="ok", captured=Decimal("45.38"), settled=True),
        ReturnExpected(**back, version=1, state="expected", lines=(ReturnLine(line_no=1, sku="mug", expected=1),)),
        ReturnReceived(
            **back, version=2, state="received", lines=(ReturnLine(line_no=1, sku="mug", expected=1, received=1),)
        ),
    ]  # fmt: skip


class Desk:
    """The real handlers on rows in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[type[Row], Any], Row] = {}
        self.effects: list[Effect] = []

    def take(self, m: Message, id: int, at: datetime = NOW) -> list[Effect]:
        told = at + timedelta(minutes=id)
        ctx = Context(at, lambda: UUID(int=0), Policy(), UUID(int=id), "", told, None)
        effects, _ = decide_alone(HANDLERS[type(m)], m, self.rows.values(), ctx)
        for effect in effects:
            if isinstance(effect, Row):
                self.rows[type(effect), key_of(effect)] = effect
        self.effects += effects
        return effects

    @property
    def order(self) -> Order:
        found = self.rows[Order, (ORDER,)]
        assert isinstance(found, Order)
        return found

    def kept(self) -> dict[tuple[type[Row], Any], Row]:
        return self.rows


def after(order: Iterable[int]) -> Desk:
    """What comes of these statements, by their place in `said`."""
    desk, statements = Desk(), said()
    for i in order:
        desk.take(statements[i], 100 + i)
    return desk


def seen(revision: int = 1, **heard: int) -> OrderSummary:
    known = {"order": 4, "stock": 2, "money": 3, str(SHIPMENT): 4, str(RETURN): 2}
    return OrderSummary(
        order_id=ORDER,
        revision=revision,
        heard=tuple(Heard(thing=thing, version=version) for thing, version in {**known, **heard}.items()),
        number="C-1",
        placed_at=NOW,
        status="shipped",
        currency="EUR",
        gross=Decimal("45.38"),
        due=Decimal("45.38"),
        why="Shipment 1 from north is on its way to the customer.",
        waits=(Waiting(who="carrier", why="Shipment 1 is on its way.", until=date(2026, 3, 5)),),
    )


ORDERS = st.lists(st.integers(0, len(said()) - 1), max_size=40).map(lambda more: [*more, *range(len(said()))])


@given(first=ORDERS.flatmap(st.permutations), second=ORDERS.flatmap(st.permutations))
@settings(max_examples=200, deadline=None)
def test_duplicates_and_reordering_change_nothing(first: Sequence[int], second: Sequence[int]) -> None:
    assert after(first).kept() == after(second).kept()


def test_the_newest_statement_of_each_thing_is_kept() -> None:
    rows = after(reversed(range(len(said())))).kept()
    money, shipment = rows[Money, (ORDER,)], rows[Shipment, (ORDER, SHIPMENT)]
    back = rows[Return, (ORDER, RETURN)]
    assert isinstance(money, Money)
    assert isinstance(shipment, Shipment)
    assert isinstance(back, Return)
    assert (money.version, money.captured, money.settled) == (3, Decimal("45.38"), True)
    assert (shipment.state, shipment.tracking, shipment.pieces) == ("dispatched", "T1", 3)
    assert (back.state, back.received) == ("received", 1)
    assert len([1 for kind, _ in rows if kind is Entry]) == len(said())


STOCK = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8)


@given(counts=STOCK, order=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_what_waited_is_the_same_in_whatever_order_it_was_said(counts: list[tuple[int, int]], order: Any) -> None:
    """Pieces that wait (line 7) and are promised by version; every piece is in the end promised, lost or waiting."""
    told: list[Statement] = [
        StockBackordered(
            order_id=ORDER,
            version=version,
            answers=1,
            promises=(Promise(line_no=7, warehouse="north", reserved=kept),),
            lines=(LineStock(line_no=7, backordered=late),),
        )
        for version, (late, kept) in enumerate(counts, 1)
    ]
    desk = Desk()
    for i in order.sample([*range(len(told)), *range(len(told))], 2 * len(told)):
        desk.take(told[i], i)
    rows = [row for row in desk.rows.values() if isinstance(row, Backorder)]
    if not any(late for late, _ in counts):
        assert rows == []
        return
    (row,) = rows
    assert row.pieces == row.promised + row.lost + row.waiting
    assert row.waiting == counts[-1][0]
    first = next(i for i, (late, _) in enumerate(counts) if late)
    assert row.since == NOW + timedelta(minutes=first)
    minutes = sum(late > 0 for late, _ in counts[: len(counts) if not row.waiting else _last_start(counts)])
    assert row.waited_s == 60 * minutes


def _last_start(counts: list[tuple[int, int]]) -> int:
    """From where on something waits until the end."""
    return max([i + 1 for i, (late, _) in enumerate(counts) if not late], default=0)


def test_what_was_cancelled_while_it_waited_is_lost_and_the_rest_is_not() -> None:
    """Five wait; two are promised, of three that wait one is cancelled; the last two go with the whole order."""
    said = [
        StockSaid(ORDER, version, NOW + timedelta(hours=version), lines)
        for version, lines in enumerate([((1, 5, 0), (2, 0, 4)), ((1, 3, 2), (2, 0, 4)), ((1, 2, 2), (2, 0, 4)), ()], 1)
    ]
    assert list(waited(ORDER, said)) == [Backorder(ORDER, 1, NOW + timedelta(hours=1), 5, 2, 3, 0, 3 * 3600)]


def test_a_statement_has_the_order_looked_at_once_however_many_follow() -> None:
    desk = after(range(len(said())))
    assert [e.message for e in desk.effects if isinstance(e, Call)] == [LookAtOrder(order_id=ORDER)]
    assert desk.order.looking


def test_an_answer_that_knows_all_that_was_said_ends_the_looking() -> None:
    desk = after(range(len(said())))
    effects = desk.take(OrderSeen(order_id=ORDER, order=seen()), 1)
    assert not [e for e in effects if isinstance(e, Timer)]
    assert not desk.order.looking
    assert (desk.order.status, desk.order.who, desk.order.number) == ("shipped", "carrier", "C-1")
    assert desk.order.until == datetime(2026, 3, 5, 23, 59, 59, tzinfo=UTC)


def test_an_answer_that_is_behind_is_kept_and_the_order_looked_at_again_ever_later() -> None:
    desk = after(range(len(said())))
    for pause in PAUSES[:3]:
        effects = desk.take(OrderSeen(order_id=ORDER, order=seen(money=2)), 1)
        timers = [e for e in effects if isinstance(e, Timer)]
        assert [(t.due_at, t.message) for t in timers] == [(NOW + pause, LookAgain(order_id=ORDER))]
        assert desk.order.looking
        assert desk.order.status == "shipped"
        assert [type(e) for e in desk.take(LookAgain(order_id=ORDER), 2)] == [Order, Call]
    desk.take(OrderSeen(order_id=ORDER, order=seen(revision=2)), 1)
    assert (desk.order.looking, desk.order.tries) == (False, 0)


@pytest.mark.parametrize("answer", [None, seen(revision=3)])
def test_no_answer_and_an_older_one_change_nothing_of_what_is_shown(answer: OrderSummary | None) -> None:
    desk = after(range(len(said())))
    desk.take(OrderSeen(order_id=ORDER, order=seen(revision=5)), 1)
    shown = desk.order
    desk.take(OrderSeen(order_id=ORDER, order=answer), 1)
    assert desk.order.seen == shown.seen == 5
    assert desk.order.why == shown.why


def test_a_day_lasts_until_its_end_and_a_moment_is_a_moment() -> None:
    assert moment(None) is None
    assert moment(NOW) == NOW
    assert moment(date(2026, 3, 2)) == datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
