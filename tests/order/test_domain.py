"""Decisions of the order service, each run alone on given rows: what is stored, sent, armed and answered."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import get_args

import pytest

from services.order import rows as kinds_of_rows
from services.order import tables
from services.order.handlers import HANDLERS
from services.order.quantities import Impossible
from services.order.rows import Header, History
from services.order.store import BOOKS
from shared.contracts.billing import AuthorisePayment, PaymentAuthorised, RefundStatement, WriteOffStatement
from shared.contracts.fulfilment import ShipmentDelivered, ShipmentDispatched, ShipmentRejected
from shared.contracts.inventory import ReserveStock, StockBackordered, StockReserved
from shared.contracts.message import Command, Message, Statement
from shared.contracts.order import (
    AcceptDate,
    AnswerDue,
    ConsentDue,
    OrderExpired,
    OrderStatement,
    OrderStatus,
    PayByDue,
    RefusalDue,
)
from shared.messaging.decision import Missing, Row, Timer
from tests.order.book import Book, placed
from tests.order.builders import LATER, NOW, ORDER, cancel, hold, money, of, release, shipment, stock

# Facts


def test_a_fact_writes_only_what_changed() -> None:
    book = placed()
    book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__))
    assert [type(effect).__name__ for effect in book.effects] == ["Stock"], "the status stays: one row"
    assert book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__)) == []
    book.do(PaymentAuthorised(**money(1, "30.25").__dict__))
    assert sorted(type(effect).__name__ for effect in book.effects) == [
        "History", "Money", "OrderConfirmed", "PlanShipment", "Progress", "Shipment", "Timer",
    ]  # fmt: skip
    assert book.only(Timer) == Timer(f"pay_by:{ORDER}", None)


def test_versions_of_the_history_have_no_hole_and_fold_to_the_status_i7() -> None:
    book = placed()
    for m in (
        StockReserved(**stock(1, (1, "north", 2)).__dict__),
        PaymentAuthorised(**money(1, "30.25").__dict__),
        hold("check"),
        release("check"),
    ):
        book.do(m)
    order = book.order
    book.do(ShipmentDispatched(**shipment(order, 1, "dispatched", version=4).__dict__))
    book.do(ShipmentDelivered(**shipment(order, 1, "delivered", version=5).__dict__))
    entries = sorted(book.rows(History), key=lambda row: row.version)
    assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
    for earlier, later in pairwise(entries):
        assert earlier.after == later.before
    assert entries[-1].after == book.order.progress.status == "delivered"


def test_a_fact_of_an_unknown_order_is_tried_later_and_a_false_one_is_parked() -> None:
    with pytest.raises(Missing):
        Book().do(StockReserved(**stock(1).__dict__))
    with pytest.raises(Impossible):
        placed().do(StockReserved(**stock(9).__dict__))


def test_completion_ends_every_timer() -> None:
    book = placed()
    book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__))
    book.do(PaymentAuthorised(**money(1, "30.25").__dict__))
    order = book.order
    book.do(ShipmentDelivered(**shipment(order, 1, "delivered", version=5).__dict__))
    id = order.shipments[0].shipment_id
    book.do(PaymentAuthorised(**money(1, "30.25", version=2, invoiced=[id], settled=True).__dict__))
    assert book.order.progress.status == "completed"
    assert book.timers == {}


# Timers


def test_sc07_pay_by_cancels_what_is_unpaid_and_tells() -> None:
    book = placed()
    book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__))
    book.fire("pay_by")
    assert book.only(OrderExpired).reason == "not paid in time"
    assert book.only(ReserveStock).wanted[0].quantity == 0
    assert book.only(AuthorisePayment).due == 0
    assert f"pay_by:{ORDER}" not in book.timers


def test_pay_by_looks_again_in_an_hour_while_the_payment_is_unknown() -> None:
    book = placed()
    book.do(PaymentAuthorised(**money(1, 0, state="unknown").__dict__))
    book.fire("pay_by")
    assert book.timers[f"pay_by:{ORDER}"].due_at == NOW + timedelta(hours=25)
    assert book.order.counts[1].cancelled == 0


def test_a_pay_by_that_was_replaced_does_nothing() -> None:
    assert placed().do(PayByDue(order_id=ORDER)) == []


def test_unanswered_asks_are_made_again_with_the_same_version_then_hourly() -> None:
    book = placed()
    first = (book.only(ReserveStock), book.only(AuthorisePayment))
    book.fire("answer_by")
    assert (book.only(ReserveStock), book.only(AuthorisePayment)) == first
    assert book.timers[f"answer_by:{ORDER}"].due_at == NOW + timedelta(minutes=75)
    book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__))
    book.fire("answer_by")
    assert book.all(ReserveStock) == []
    assert book.only(AuthorisePayment) == first[1]


def test_an_ask_that_is_young_gets_its_quarter_of_an_hour() -> None:
    book = placed()
    book.now = NOW + timedelta(minutes=14)
    book.do(cancel(of(1, 1)))
    book.fire("answer_by")
    assert book.all(ReserveStock) == []
    assert book.timers[f"answer_by:{ORDER}"].due_at == NOW + timedelta(minutes=29)
    book.fire("answer_by")
    assert book.only(ReserveStock).version == 2


def test_the_answer_timer_ends_when_nothing_is_unanswered() -> None:
    book = placed(payment_method="bank_transfer")
    book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__))
    book.do(PaymentAuthorised(**money(1, 0, state="pending").__dict__))
    book.fire("answer_by")
    assert f"answer_by:{ORDER}" not in book.timers
    assert book.order.progress.answer_by is None


def late(version: int, day: date) -> StockBackordered:
    return StockBackordered(**stock(1, (1, "north", 1), backordered={1: 1}, version=version, day=day).__dict__)


def test_a_later_date_asks_for_consent_and_acceptance_ends_it() -> None:
    book = placed()
    book.do(late(1, LATER))
    assert f"consent_by:{ORDER}" not in book.timers
    book.do(late(2, LATER + timedelta(days=30)))
    assert book.timers[f"consent_by:{ORDER}"].due_at == NOW + timedelta(days=7)
    book.do(AcceptDate(order_id=ORDER))
    assert f"consent_by:{ORDER}" not in book.timers


@pytest.mark.parametrize(("policy", "cancelled"), [("wait", 0), ("cancel", 1)])
def test_silence_about_a_later_date_follows_the_policy(policy: str, cancelled: int) -> None:
    book = placed()
    book.policy = {"no_consent": policy}
    book.do(late(1, LATER))
    book.do(late(2, LATER + timedelta(days=30)))
    book.fire("consent_by")
    assert book.order.counts[1].cancelled == cancelled
    assert f"consent_by:{ORDER}" not in book.timers
    assert book.do(ConsentDue(order_id=ORDER)) == []


def refused(book: Book) -> None:
    """The only warehouse is closed, and inventory has found no other."""
    book.do(StockReserved(**stock(1, (1, "north", 2)).__dict__))
    book.do(PaymentAuthorised(**money(1, "30.25").__dict__))
    book.do(ShipmentRejected(**shipment(book.order, 1, "rejected", reason="closed").__dict__))
    book.do(StockBackordered(**stock(2, backordered={1: 2}, version=2, day=None).__dict__))


def test_a_warehouse_that_was_closed_is_asked_again_the_next_day() -> None:
    """It was left out for good: the order waited for a supplier with its goods on the shelf."""
    book = placed()
    refused(book)
    assert book.order.progress.limits == ((1, "north", 0),)
    assert book.do(RefusalDue(order_id=ORDER)) == [], "not yet"
    book.fire("refused_until")
    ask = book.only(ReserveStock)
    assert (ask.version, ask.limits) == (3, ())
    assert book.order.progress.refused_until is None
    book.do(StockReserved(**stock(3, (1, "north", 2), version=3).__dict__))
    assert [row.warehouse for row in book.order.shipments] == ["north", "north"]


def test_a_warehouse_that_is_still_closed_is_asked_again_a_day_later() -> None:
    book = placed()
    refused(book)
    book.fire("refused_until")
    book.do(StockReserved(**stock(3, (1, "north", 2), version=3).__dict__))
    book.do(ShipmentRejected(**shipment(book.order, 2, "rejected", reason="closed").__dict__))
    assert book.timers[f"refused_until:{ORDER}"].due_at == NOW + timedelta(hours=48)


def test_an_order_of_which_nothing_is_open_asks_no_warehouse_again() -> None:
    book = placed()
    refused(book)
    assert f"refused_until:{ORDER}" in book.timers
    book.do(cancel())
    assert f"refused_until:{ORDER}" not in book.timers


# Rooms agree


def test_every_row_has_a_table() -> None:
    assert set(BOOKS) == {k for k in vars(kinds_of_rows).values() if isinstance(k, type) and issubclass(k, Row)} - {Row}


def test_the_status_check_of_the_table_knows_every_status() -> None:
    assert set(get_args(OrderStatus)) == set(tables.STATUSES)


def test_every_message_of_this_service_and_every_statement_has_a_handler() -> None:
    ours = {kind for key, kind in Message.registry.items() if key.startswith("order.") and issubclass(kind, Command)}
    assert ours <= set(HANDLERS)
    assert AnswerDue in HANDLERS
    others = {kind for kind in Message.registry.values() if issubclass(kind, Statement)}
    # what a refund of the staff means for an order is in the statement of its money that goes with it
    elsewhere = (OrderStatement, RefundStatement, WriteOffStatement)
    assert {kind for kind in others if kind.key and not issubclass(kind, elsewhere)} <= set(HANDLERS)


def test_times_without_a_zone_are_taken_as_utc() -> None:
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    assert placed(placed_at=naive).only(Header).placed_at == datetime(2025, 1, 1, tzinfo=UTC)
