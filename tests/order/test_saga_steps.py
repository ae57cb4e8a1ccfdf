"""Every row of the saga: true, false, at the boundary of its guard; every fact twice and late; each lesson."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from services.order.facts import FACTS, Edited, fact_of
from services.order.quantities import Impossible, Order
from services.order.queries import summary
from services.order.rows import Line
from services.order.saga import STEPS, react, shipments_to_plan, status_of, unanswered
from services.order.waits import waits, why_not_moving
from shared.contracts.billing import AuthorisePayment, BillShipment, Credited, RefundReturn
from shared.contracts.fulfilment import CancelShipment, PlanShipment, ShipmentDispatched
from shared.contracts.inventory import ReserveStock, StockReserved
from shared.contracts.message import Message
from shared.contracts.order import AcceptDate, AnswerDue, ConsentDue, OrderStatement, PayByDue
from tests.order.builders import (
    LATER,
    ORDER,
    OTHER,
    after,
    asks_of,
    cancel,
    goods_back,
    hold,
    kinds,
    money,
    new,
    new_order,
    of,
    placing,
    release,
    released,
    send_back,
    sent,
    shipment,
    stock,
    world,
)

RETURN = UUID(int=77)
PAY_BY, ANSWER, CONSENT = PayByDue(order_id=ORDER), AnswerDue(order_id=ORDER), ConsentDue(order_id=ORDER)


def one(asks: list[Message], kind: type[Message]) -> Message:
    found = [ask for ask in asks if isinstance(ask, kind)]
    assert len(found) == 1, kinds(asks)
    return found[0]


def planned(order: Order) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    return [(row.warehouse, row.planned) for row in order.shipments]


# The table


def test_the_table_can_be_printed() -> None:
    assert [step.name for step in STEPS] == [
        "reserve", "pay", "pull back", "release", "bill", "return", "refund", "announce",
    ]  # fmt: skip
    assert all(step.when and step.done and step.goes_wrong and step.asks for step in STEPS)


def test_every_statement_event_is_a_fact_of_its_family() -> None:
    said = StockReserved(order_id=ORDER, version=1, answers=1)
    assert fact_of(said).effect == "keep it if newer"
    assert all(fact.effect for fact in FACTS)
    with pytest.raises(TypeError, match="nothing that can happen"):
        fact_of(RefundReturn(order_id=ORDER, return_id=RETURN, shipment_id=OTHER, accepted=(of(1, 1),)))


# 1 reserve


def test_a_new_order_asks_for_all_its_stock_and_money_once() -> None:
    order, asks = react(new_order(2, 1), placing())
    assert kinds(asks) == ["ReserveStock", "AuthorisePayment", "OrderPlaced"]
    stock_ask, money_ask = asks[0], asks[1]
    assert isinstance(stock_ask, ReserveStock)
    assert isinstance(money_ask, AuthorisePayment)
    assert [(w.line_no, w.quantity) for w in stock_ask.wanted] == [(1, 2), (2, 1)]
    assert (stock_ask.version, money_ask.version, money_ask.due) == (1, 1, Decimal("30.00"))
    assert react(order, ANSWER)[1] == asks[:2], "asked again: the same asks with the same versions"


def test_cancelling_one_piece_asks_for_less_in_all_and_the_second_time_for_nothing() -> None:
    order = new(2)
    order, asks = react(order, cancel(of(1, 1)))
    assert kinds(asks) == ["ReserveStock", "AuthorisePayment"]
    ask = one(asks, ReserveStock)
    assert isinstance(ask, ReserveStock)
    assert (ask.version, ask.wanted[0].quantity) == (2, 1)
    assert kinds(asks_of(order, hold())) == ["OrderHeld"]


def test_what_is_in_a_shipment_is_kept_in_the_stock_ask() -> None:
    """Canary: without it inventory takes away the promise of a parcel whose dispatch it has not heard of."""
    order = after(new(2), stock(1, (1, "north", 1), (1, "south", 1)), money(1, 20))
    assert planned(order) == [("north", ((1, 1),)), ("south", ((1, 1),))]
    order = after(order, shipment(order, 1, "dispatched", version=4), cancel(of(1, 1)))
    asks = asks_of(order, shipment(order, 2, "cancelled"))
    ask = one(asks, ReserveStock)
    assert isinstance(ask, ReserveStock)
    assert [(k.warehouse, k.used) for k in ask.kept] == [("north", 1)]
    assert ask.wanted[0].quantity == 1


def test_a_rejection_cancels_once_even_when_another_fact_comes_between() -> None:
    """Canary: a rejection that does not answer the latest ask was counted already."""
    order = after(new(3), stock(1, (1, "north", 1), rejected={1: 2}))
    assert (order.counts[1].cancelled, order.stock.asked) == (2, 2)
    order = after(order, money(1, 30), hold())
    assert order.counts[1].cancelled == 2
    assert order.progress.reason == "sold out"


def test_a_rejection_by_an_older_answer_is_not_taken() -> None:
    order = after(new(3), cancel(of(1, 1)), stock(1, rejected={1: 2}))
    assert order.counts[1].cancelled == 1


def test_postage_is_not_charged_when_no_goods_are_left() -> None:
    order = after(new(1, 1, kinds={2: "shipping"}), stock(1, (2, "north", 1), rejected={1: 1}))
    assert order.all_cancelled
    assert order.due == 0


def test_postage_that_was_planned_from_elsewhere_is_pulled_back_with_its_goods() -> None:
    order = after(new(1, 1, kinds={2: "shipping"}), stock(1, (1, "north", 1), (2, "south", 1)), money(1, 20))
    assert planned(order) == [("north", ((1, 1),)), ("south", ((2, 1),))]
    order = after(order, cancel(of(1, 1)))
    order, asks = react(order, shipment(order, 1, "cancelled"))
    assert [ask.shipment_id for ask in asks if isinstance(ask, CancelShipment)] == [order.shipments[1].shipment_id]
    assert after(order, shipment(order, 2, "cancelled")).all_cancelled


# 2 pay


def test_nothing_is_released_until_money_covers_everything_due() -> None:
    order = after(new(2), stock(1, (1, "north", 2)))
    assert order.progress.status == "awaiting_payment"
    assert after(order, money(1, "19.99", state="pending")).shipments == ()
    assert planned(after(order, money(1, "20.00"))) == [("north", ((1, 2),))]


def test_sc21_an_item_added_and_taken_off_again_asks_for_the_old_amount() -> None:
    order = released(1)
    line = Line(ORDER, 2, "sku-2", "", "goods", 1, Decimal(5), Decimal(0), "S", Decimal(0))
    order, asks = react(order, Edited(ORDER, lines=(line,)))
    assert [ask.due for ask in asks if isinstance(ask, AuthorisePayment)] == [Decimal("15.00")]
    assert order.progress.status == "awaiting_payment"
    assert order.shipments[0].cancel_asked is False, "what is secured may go out"
    order, asks = react(order, cancel(of(2, 1)))
    assert [ask.due for ask in asks if isinstance(ask, AuthorisePayment)] == [Decimal("10.00")]
    assert not any(isinstance(ask, RefundReturn) for ask in asks)


def test_sc22_an_order_that_shrinks_keeps_its_authorisation_and_asks_for_less() -> None:
    order = after(new(2), stock(1, (1, "north", 2)), money(1, 0, state="pending"))
    ask = one(asks_of(order, cancel(of(1, 1))), AuthorisePayment)
    assert isinstance(ask, AuthorisePayment)
    assert (ask.version, ask.due) == (2, Decimal("10.00"))


# 3 pull back


def test_a_hold_pulls_back_every_open_shipment_and_keeps_the_pieces() -> None:
    order = released(2)
    order, asks = react(order, hold())
    assert kinds(asks) == ["CancelShipment", "OrderHeld"]
    assert kinds(react(order, money(1, 20, version=2))[1]) == []
    order = after(order, shipment(order, 1, "cancelled"))
    assert (order.progress.status, order.counts[1].reserved) == ("held", 2)
    order, asks = react(order, release())
    assert kinds(asks) == ["PlanShipment", "OrderReleased"]
    assert len({row.shipment_id for row in order.shipments}) == 2


def test_money_that_falls_pulls_back_the_newest_shipment_and_no_more() -> None:
    order = after(new(2), stock(1, (1, "north", 1), (1, "south", 1)), money(1, 20))
    asks = asks_of(order, money(1, "10.00", version=2, state="declined"))
    assert [ask.shipment_id for ask in asks] == [order.shipments[1].shipment_id]  # type: ignore[attr-defined]
    assert len(asks_of(order, money(1, "9.99", version=2, state="declined"))) == 2


def test_cancelling_pieces_of_a_shipment_pulls_back_only_as_much_as_needed() -> None:
    order = after(new(2), stock(1, (1, "north", 1), (1, "south", 1)), money(1, 20))
    order, asks = react(order, cancel(of(1, 1)))
    assert kinds(asks) == ["CancelShipment"]
    assert order.progress.status == "cancelling"
    assert order.counts[1].cancelled == 0, "fulfilment is the judge of that"
    order, asks = react(order, shipment(order, 2, "cancelled"))
    assert order.counts[1].cancelled == 1
    assert kinds(asks) == ["ReserveStock", "AuthorisePayment"]


def test_a_shipment_that_went_out_first_is_billed_and_its_cancellation_refused() -> None:
    """I10: cancelled or shipped, never both."""
    order = after(released(2), cancel())
    order, asks = react(order, shipment(order, 1, "dispatched", version=4))
    assert kinds(asks) == ["BillShipment", "CancellationRefused"]
    assert (order.counts[1].cancelled, order.counts[1].shipped, order.progress.cancel_wanted) == (0, 2, ())
    assert order.progress.status == "shipped"


def test_a_cancellation_over_two_shipments_is_decided_for_each_on_its_own() -> None:
    order = after(new(2), stock(1, (1, "north", 1), (1, "south", 1)), money(1, 20), cancel())
    order = after(order, shipment(order, 1, "dispatched", version=4), shipment(order, 2, "cancelled"))
    count = order.counts[1]
    assert (count.cancelled, count.shipped) == (1, 1)
    assert order.progress.status == "shipped"


def test_cancelling_after_the_hand_over_changes_nothing() -> None:
    """Canary: a cancel after hand-over that is accepted lets goods leave and refunds them."""
    order, asks = react(sent(1), cancel())
    assert kinds(asks) == ["CancellationRefused"]
    assert order.counts[1].cancelled == 0


# 4 release


def test_sc03_two_warehouses_make_two_shipments() -> None:
    order = after(new(2), stock(1, (1, "north", 1), (1, "south", 1)), money(1, 20))
    assert planned(order) == [("north", ((1, 1),)), ("south", ((1, 1),))]


def test_sc04_a_shipment_takes_only_what_is_promised_at_its_own_warehouse() -> None:
    order = after(new(3), stock(1, (1, "north", 2), backordered={1: 1}), money(1, 30))
    assert planned(order) == [("north", ((1, 2),))]
    order = after(order, stock(1, (1, "north", 2), (1, "south", 1), version=2))
    assert planned(order)[1] == ("south", ((1, 1),))


def test_never_more_is_released_than_is_left() -> None:
    order = after(new(1), stock(1, (1, "north", 1), (1, "south", 1)), money(1, 10))
    assert planned(order) == [("north", ((1, 1),))]
    assert planned(after(new(1), stock(1, (1, "north", 2)), money(1, 10))) == [("north", ((1, 1),))]


def test_a_hold_or_an_unanswered_ask_stops_the_release() -> None:
    """Canary: release only when the latest stock ask is answered."""
    ready = after(new(2), stock(1, (1, "north", 2)))
    assert after(ready, hold(), money(1, 20)).shipments == ()
    cancelled = after(ready, cancel(of(1, 1)), money(2, 10))
    assert cancelled.shipments == (), "inventory may lower just that promise"
    assert planned(after(cancelled, stock(2, (1, "north", 1)))) == [("north", ((1, 1),))]


def test_ship_complete_waits_for_the_last_piece() -> None:
    order = after(new(2, ship_complete=True), stock(1, (1, "north", 1), backordered={1: 1}), money(1, 20))
    assert (order.shipments, order.progress.status) == ((), "backordered")
    assert planned(after(order, stock(1, (1, "north", 2), version=2))) == [("north", ((1, 2),))]
    assert planned(after(new(2), stock(1, (1, "north", 1), backordered={1: 1}), money(1, 20)))


def test_postage_waits_for_goods_and_then_travels_with_them() -> None:
    late = after(new(1, 1, kinds={2: "shipping"}), stock(1, (2, "north", 1), backordered={1: 1}), money(1, 20))
    assert late.shipments == ()
    assert planned(after(late, stock(1, (1, "north", 1), (2, "north", 1), version=2))) == [("north", ((1, 1), (2, 1)))]


def test_a_closed_warehouse_is_limited_to_what_is_used_there() -> None:
    """Canary: a plain zero would take away the promise of a first parcel that is out and unheard of."""
    order = after(new(2), stock(1, (1, "north", 1), backordered={1: 1}), money(1, 20))
    order = after(order, shipment(order, 1, "dispatched", version=4), stock(1, (1, "north", 2), version=2))
    assert len(order.shipments) == 2
    order, asks = react(order, shipment(order, 2, "rejected", reason="closed"))
    ask = one(asks, ReserveStock)
    assert isinstance(ask, ReserveStock)
    assert [(limit.warehouse, limit.most) for limit in ask.limits] == [("north", 1)]
    assert order.progress.limits == ((1, "north", 1),)


def test_what_a_closed_warehouse_has_waits_for_that_warehouse_and_for_no_day() -> None:
    order = after(new(2, 1), stock(1, (1, "north", 2), backordered={2: 1}, day=LATER), money(1, 30))
    order = after(order, shipment(order, 1, "rejected", reason="closed"))
    said = stock(2, backordered={1: 2, 2: 1}, version=2)
    lines = (said.lines[0].model_copy(update={"promised_on": None}), said.lines[1])
    order = after(order, said.model_copy(update={"lines": lines}))
    assert [(wait.who, wait.why) for wait in waits(order)] == [
        ("warehouse", "2 pieces on backorder: refused by north, to be asked again; no day is promised."),
        ("supplier", f"1 piece on backorder, promised for {LATER}."),
    ]


def test_a_bad_address_holds_the_order_until_it_is_edited() -> None:
    order = released(1)
    order = after(order, shipment(order, 1, "rejected", reason="address"))
    assert (order.progress.status, order.progress.holds) == ("held", ("address",))
    asks = asks_of(order, Edited(ORDER, ship_to=order.header.ship_to.model_copy(update={"street": ("Dam 1",)})))
    plan = one(asks, PlanShipment)
    assert isinstance(plan, PlanShipment)
    assert plan.address.street == ("Dam 1",)


def test_a_short_pick_waits_for_inventory_and_is_then_sent_from_elsewhere() -> None:
    order = released(3)
    order = after(order, shipment(order, 1, "picked", version=2, short={1: 1}))
    assert (order.counts[1].released, order.counts[1].waiting) == (2, 1)
    order = after(order, stock(1, (1, "north", 2), (1, "south", 1), lost={(1, "north"): 1}, version=2))
    assert planned(order)[1] == ("south", ((1, 1),))


def test_sc26_a_cancelled_shipment_frees_its_promise_at_the_same_warehouse() -> None:
    order = after(released(2), hold())
    order = after(order, shipment(order, 1, "cancelled"))
    assert order.free == {(1, "north"): 2}


def test_sc28_backordered_pieces_are_never_in_a_shipment() -> None:
    order = after(new(3), stock(1, (1, "north", 2), backordered={1: 1}), money(1, 30))
    assert (order.counts[1].released, order.counts[1].backordered) == (2, 1)


# 5 bill, 6 return, 7 refund


def test_what_went_out_is_billed_once() -> None:
    order = released(3)
    order, asks = react(order, shipment(order, 1, "dispatched", version=4, short={1: 1}))
    bill = one(asks, BillShipment)
    assert isinstance(bill, BillShipment)
    assert bill.lines == (of(1, 2),)
    assert asks_of(order, shipment(order, 1, "delivered", version=5, short={1: 1})) == []


def test_a_return_is_expected_once_and_never_exceeds_what_was_shipped() -> None:
    order = sent(2)
    order, asks = react(order, send_back(order, RETURN, of(1, 1)))
    assert kinds(asks) == ["ExpectReturn"]
    assert asks_of(order, send_back(order, RETURN, of(1, 1))) == []
    assert asks_of(order, send_back(order, UUID(int=78), of(1, 2))) == [], "one is in the other return"
    assert kinds(asks_of(order, send_back(order, UUID(int=78), of(1, 1)))) == ["ExpectReturn"]


def test_pieces_that_are_not_out_cannot_come_back() -> None:
    order = released(2)
    assert asks_of(order, send_back(order, RETURN, of(1, 1))) == []


def test_a_refund_is_asked_for_only_after_the_invoice_is_stated() -> None:
    """Canary: else a credit note comes before its invoice."""
    order = sent(2)
    id = order.shipments[0].shipment_id
    order = after(order, send_back(order, RETURN, of(1, 2)))
    back = goods_back(RETURN, id, "inspected", version=3, expected=2, received=1, accepted=1)
    assert asks_of(order, back) == []
    asks = asks_of(order, back, money(1, 20, version=3, invoiced=[id]))
    refund = one(asks, RefundReturn)
    assert isinstance(refund, RefundReturn)
    assert refund.accepted == (of(1, 1),)


def test_sc23_a_return_in_two_parts_asks_for_the_whole_each_time() -> None:
    order = sent(2)
    id = order.shipments[0].shipment_id
    order = after(order, money(1, 20, version=3, invoiced=[id]), send_back(order, RETURN, of(1, 2)))
    order, first = react(order, goods_back(RETURN, id, "inspected", version=3, expected=2, received=1, accepted=1))
    order, second = react(order, goods_back(RETURN, id, "closed", version=4, expected=2, received=2, accepted=2))
    assert [ask.accepted for ask in (*first, *second)] == [(of(1, 1),), (of(1, 2),)]  # type: ignore[attr-defined]
    assert kinds(unanswered(order)) == ["RefundReturn"]
    credited = Credited(return_id=RETURN, shipment_id=id, gross=Decimal(20), lines=(of(1, 2),))
    assert list(unanswered(after(order, money(1, 20, version=4, invoiced=[id], credited=[credited])))) == []


def test_sc19_a_full_return_asks_to_refund_postage_like_any_line() -> None:
    order = sent(1, 1, kinds={2: "shipping"})
    order, asks = react(order, send_back(order, RETURN, of(1, 1), of(2, 1)))
    assert [(line.line_no, line.quantity) for line in asks[0].lines] == [(1, 1), (2, 1)]  # type: ignore[attr-defined]


def test_a_return_that_nobody_announced_is_taken_and_refunded() -> None:
    """Lesson 2: a parcel that was refused at the door comes back by itself, and its money must follow."""
    order = sent(1)
    id = order.shipments[0].shipment_id
    order = after(order, shipment(order, 1, "refused", version=5), money(1, 10, version=3, invoiced=[id]))
    order, asks = react(order, goods_back(RETURN, id, "closed", version=2, expected=1, received=1, accepted=1))
    assert kinds(asks) == ["RefundReturn"]


# 8 announce


def test_sc10_nobody_hears_confirmed_before_stock_and_money_have_answered() -> None:
    order = new(1)
    assert kinds(asks_of(order, stock(1, (1, "north", 1)))) == []
    order, asks = react(after(order, money(1, 10)), stock(1, (1, "north", 1)))
    assert "OrderConfirmed" in kinds(asks)
    assert "OrderConfirmed" not in kinds(asks_of(order, money(1, 10, version=2)))
    assert "OrderConfirmed" not in kinds(asks_of(new(1), cancel(), stock(2), money(2, 0, settled=True)))


def test_cancelled_is_announced_only_when_all_is_quiet() -> None:
    order = after(new(1), cancel())
    assert order.progress.status == "cancelling"
    order = after(order, stock(2))
    assert after(order, money(2, 0)).progress.status == "cancelling", "billing is not settled"
    order, asks = react(order, money(2, 0, settled=True))
    assert (kinds(asks), order.progress.status) == (["OrderCancelled"], "cancelled")


def test_completed_needs_delivery_invoice_and_settled_money() -> None:
    order = sent(1)
    id = order.shipments[0].shipment_id
    order = after(order, shipment(order, 1, "delivered", version=5))
    assert order.progress.status == "delivered"
    assert after(order, money(1, 10, version=2, settled=True)).progress.status == "delivered", "not invoiced"
    assert after(order, money(1, 10, version=2, invoiced=[id])).progress.status == "delivered", "not settled"
    order, asks = react(order, money(1, 10, version=2, invoiced=[id], settled=True))
    assert (kinds(asks), order.progress.status) == (["OrderCompleted"], "completed")


def test_a_return_after_completion_is_asked_and_refunded_but_does_not_wake_the_order() -> None:
    w = world(1)
    w.rest()
    assert w.order.progress.status == "completed"
    w.tell(send_back(w.order, RETURN, of(1, 1)))
    w.rest()
    known = w.returns[RETURN]
    w.tell(
        known.model_copy(
            update={"version": 2, "lines": (known.lines[0].model_copy(update={"received": 1, "accepted": 1}),)}
        )
    )
    w.rest()
    assert set(w.credits) == {RETURN}
    assert w.order.progress.status == "completed"
    assert kinds(w.told).count("OrderCompleted") == 1


# Lessons and timers


def test_sc07_lesson1_late_money_does_not_wake_a_dead_order() -> None:
    order = after(new(1, method="bank_transfer"), stock(1, (1, "north", 1)), money(1, 0, state="pending"))
    order, asks = react(order, PAY_BY)
    assert kinds(asks) == ["ReserveStock", "AuthorisePayment", "OrderExpired"]
    order = after(order, stock(2), money(2, 0, version=2, settled=True))
    assert order.progress.status == "cancelled"
    order, asks = react(order, money(2, 0, version=3, settled=False))
    assert (asks, order.progress.status) == ([], "cancelled")


def test_pay_by_looks_at_what_is_secured_not_at_the_answer() -> None:
    order = after(new(2), money(1, 20), stock(1, (1, "north", 1), backordered={1: 1}), cancel(of(1, 1)))
    assert not order.money.answered
    assert asks_of(order, PAY_BY) == []


def test_pay_by_waits_while_the_payment_is_unknown() -> None:
    order = after(new(1), money(1, 0, state="unknown"))
    assert asks_of(order, PAY_BY) == []
    assert "OrderExpired" in kinds(asks_of(order, money(1, 0, version=2, state="declined"), PAY_BY))


def test_pay_by_lets_go_only_of_what_is_not_out() -> None:
    order = after(new(2), stock(1, (1, "north", 1), backordered={1: 1}), money(1, 20))
    order = after(order, shipment(order, 1, "dispatched", version=4), money(1, 10, version=2, state="declined"), PAY_BY)
    assert (order.counts[1].cancelled, order.counts[1].shipped) == (1, 1)


def test_a_later_date_needs_consent_and_silence_may_drop_the_late_part() -> None:
    order = after(new(2), stock(1, (1, "north", 1), backordered={1: 1}), money(1, 20))
    assert order.progress.accepted_on == LATER
    order = after(order, stock(1, (1, "north", 1), backordered={1: 1}, version=2, day=date(2026, 5, 1)))
    assert order.progress.accepted_on == LATER
    assert after(order, AcceptDate(order_id=ORDER)).progress.accepted_on == date(2026, 5, 1)
    assert after(order, CONSENT).counts[1].cancelled == 1
    assert after(order, CONSENT).counts[1].released == 1


# Every fact twice, late, and impossible


def lives() -> list[tuple[str, Order, Message, tuple[Message, ...]]]:
    """(what, before, the fact, its successors)."""
    one_sent = sent(1)
    id = one_sent.shipments[0].shipment_id
    with_return = after(one_sent, money(1, 10, version=2, invoiced=[id]), send_back(one_sent, RETURN, of(1, 1)))
    open_one = released(1)
    return [
        ("stock", new(2), stock(1, (1, "north", 2)), (stock(1, (1, "north", 1), backordered={1: 1}, version=2),)),
        ("no stock", new(2), stock(1, rejected={1: 2}), (stock(2, version=2),)),
        ("money", new(2), money(1, 20), (money(1, 0, version=2, state="declined"), money(1, 20, version=3))),
        (
            "planned",
            open_one,
            shipment(open_one, 1, "planned"),
            (shipment(open_one, 1, "cancelled", version=2),),
        ),
        (
            "rejected",
            open_one,
            shipment(open_one, 1, "rejected", reason="closed"),
            (stock(2, (1, "south", 1)), hold(), release()),
        ),
        ("address", open_one, shipment(open_one, 1, "rejected", reason="address"), (release("address"),)),
        (
            "dispatched",
            open_one,
            shipment(open_one, 1, "dispatched", version=4),
            (shipment(open_one, 1, "delivered", version=5),),
        ),
        (
            "return",
            with_return,
            goods_back(RETURN, id, "received", version=2, expected=1, received=1),
            (goods_back(RETURN, id, "closed", version=3, expected=1, received=1, accepted=1),),
        ),
    ]


@pytest.mark.parametrize(
    ("what", "before", "fact", "later"), lives(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_fact_counts_once_and_not_after_its_successors(
    what: str, before: Order, fact: Message, later: tuple[Message, ...]
) -> None:
    order, _ = react(before, fact)
    assert order != before
    assert react(order, fact) == (order, [])
    for next_fact in later:
        order, _ = react(order, next_fact)
        assert react(order, fact) == (order, []), "the older statement came again"


@pytest.mark.parametrize(
    ("why", "say"),
    [
        ("planned", lambda order: shipment(order, 1, "dispatched", version=4).model_copy(update={"lines": (
            shipment(order, 1, "dispatched").lines[0].model_copy(update={"shipped": 3}),)})),
        ("never planned", lambda order: shipment(order, 1, "planned").model_copy(update={"shipment_id": OTHER})),
        ("never planned", lambda order: money(1, 20, version=2, invoiced=[OTHER])),
        ("nobody asked", lambda order: money(1, 20, version=2, invoiced=[order.shipments[0].shipment_id])),
        ("answers ask 9", lambda order: stock(9)),
        ("answers ask 9", lambda order: money(9, 20)),
        ("line 7", lambda order: stock(1, (7, "north", 1), version=2)),
        ("never planned", lambda order: goods_back(RETURN, OTHER, "expected", version=1, expected=1)),
        ("more came back", lambda order: goods_back(
            RETURN, order.shipments[0].shipment_id, "received", version=1, expected=3, received=3)),
    ],
)  # fmt: skip
def test_a_statement_that_cannot_be_true_is_never_applied(why: str, say: Callable[[Order], Message]) -> None:
    order = released(2)
    with pytest.raises(Impossible, match=why):
        react(order, say(order))


def test_going_back_is_impossible() -> None:
    order = sent(1)
    id = order.shipments[0].shipment_id
    with pytest.raises(Impossible, match="handed over and now is cancelled"):
        react(order, shipment(order, 1, "cancelled", version=9))
    order = after(order, money(1, 10, version=2, invoiced=[id]))
    with pytest.raises(Impossible, match="fewer invoices"):
        react(order, money(1, 10, version=3))
    order = after(order, stock(1, issued={(1, "north"): 1}, version=2))
    with pytest.raises(Impossible, match="fewer pieces issued"):
        react(order, stock(1, (1, "north", 1), version=3))
    back = goods_back(RETURN, id, "inspected", version=2, expected=1, received=1, accepted=1)
    with pytest.raises(Impossible, match="less accepted"):
        react(after(order, back), goods_back(RETURN, id, "closed", version=3, expected=1, received=1))


def test_quantities_that_do_not_add_up_are_impossible() -> None:
    order = released(2)
    broken = replace(order, progress=replace(order.progress, cancelled=((1, 1),), cancel_wanted=((1, 1),)))
    with pytest.raises(Impossible, match="1 cancelled"):
        react(broken, hold())


# Why it does not move (I8)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (new(1), "Inventory has not said yet how much it can promise."),
        (after(new(1), hold("fraud check")), "It is held (fraud check); somebody must release the hold."),
        (after(new(1), stock(1, (1, "north", 1)), money(1, 0, state="declined")),
         "The payment was declined; the customer may pay the 10.00 EUR again."),
        (after(new(1), stock(1, (1, "north", 1)), money(1, 0, state="declined", reason="no terms")),
         "The payment was declined (no terms); the customer may pay the 10.00 EUR again."),
        (after(new(1, method="bank_transfer"), stock(1, (1, "north", 1)), money(1, 4, state="pending")),
         "The customer's transfer of 6.00 EUR has not arrived."),
        (after(new(2), stock(1, backordered={1: 2}), money(1, 20)), "2 pieces on backorder, promised for 2026-03-20."),
        (released(1), "A shipment was asked for and the warehouse has not confirmed it yet."),
        (sent(1), "A shipment is out and its invoice has not been issued yet."),
        (after(released(1), cancel()),
         "A shipment is being pulled back; fulfilment has not said yet whether it was in time."),
    ],
)  # fmt: skip
def test_an_order_that_does_not_move_says_why(order: Order, sentence: str) -> None:
    assert why_not_moving(order) == sentence
    assert status_of(order) == order.progress.status


@pytest.mark.parametrize(("currency", "price", "said"), [("JPY", "500", "500 JPY"), ("KWD", "5.000", "5.000 KWD")])
def test_an_amount_that_is_waited_for_has_the_decimals_of_its_currency(currency: str, price: str, said: str) -> None:
    order = new(1, method="bank_transfer", price=price)
    order = replace(order, header=replace(order.header, currency=currency))
    waiting = after(order, stock(1, (1, "north", 1)), money(1, "0.00", state="pending"))
    assert f"The customer's transfer of {said} has not arrived." in [wait.why for wait in waits(waiting)]


def test_a_shipment_on_the_shelf_waits_for_the_warehouse_and_a_final_order_for_nobody() -> None:
    order = released(1)
    picked = after(order, shipment(order, 1, "picked", version=2))
    assert waits(picked)[0].who == "warehouse"
    w = world(1)
    w.rest()
    assert waits(w.order) == []
    assert why_not_moving(w.order) == "It is completed; nothing more happens."


def test_with_a_part_of_which_no_day_is_known_the_order_has_no_day() -> None:
    order = after(new(2, 1), stock(1, backordered={1: 2, 2: 1}), money(1, 30))
    heard = order.stock.heard
    assert heard is not None
    known, unknown = heard.lines
    lines = (known, unknown.model_copy(update={"promised_on": None}))
    said = heard.model_copy(update={"version": 2, "lines": lines})
    order = after(order, said)
    assert why_not_moving(order) == "3 pieces on backorder, promised for no certain day."
    assert summary(order, 1)["promised_on"] is None
    assert summary(order, 1)["accepted_on"] == LATER.isoformat(), "what was promised before is not forgotten"


def test_releasing_is_pure() -> None:
    """The same order gives the same shipment ids, so a repeated decision cannot plan twice (I11)."""
    order = after(new(2), stock(1, (1, "north", 2)))
    ready = replace(order, money=replace(order.money, heard=money(1, 20)))
    assert list(shipments_to_plan(ready)) == list(shipments_to_plan(ready)) != []


def test_what_others_hear_carries_the_quantities_of_every_line() -> None:
    _, asks = react(after(new(3), stock(1, (1, "north", 2), backordered={1: 1})), money(1, 30))
    said = one(asks, OrderStatement)
    assert isinstance(said, OrderStatement)
    line = said.lines[0]
    assert (line.ordered, line.released, line.backordered, line.promised_on) == (3, 2, 1, LATER)


def test_a_dispatched_event_is_kept_as_the_plain_statement() -> None:
    order = released(1)
    plain = shipment(order, 1, "dispatched", version=4)
    event = ShipmentDispatched(**plain.__dict__)
    assert react(order, event)[0].shipments[0].heard == plain
