"""Purchase orders: what they expect, what came of them, and who is told (IMS-08, IMS-09, WMS-01, R-24 to R-27)."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.inventory.domain import Expected, Movement, PurchaseAct, Series, tag_of
from services.inventory.domain.papers import next_number
from services.inventory.domain.receiving import receive_stock
from services.inventory.handlers import HANDLERS
from shared.contracts.inventory import ExpectReceipt, LineChange, ReceiveStock, StockBackordered, StockLine
from shared.messaging.decision import Context, Missing, Refused, Rows
from tests.inventory.builders import NOW, World, check, receipt, reply, wants
from tests.inventory.purchasing import (
    MUGS,
    acts,
    bought,
    came,
    cancel,
    change,
    close,
    create,
    day,
    edit,
    incoming,
    lawful,
    line,
    moved,
    of,
    received,
    resized,
    send,
    shop,
)


def refusal(w: World, m: Any) -> Refused:
    before = {kind: dict(rows) for kind, rows in w.rows.items()}
    with pytest.raises(Refused) as refused:
        w.tell(m)
    assert {kind: dict(rows) for kind, rows in w.rows.items()} == before
    return refused.value


def test_a_draft_has_the_next_number_and_expects_nothing() -> None:
    w = shop()
    first = reply(w.tell(create(1, line("mug", 10), line("pen", 4, cost="0.105"))))
    second = reply(w.tell(create(2, line("mug", 1))))
    assert (first.status, first.body["number"], second.body["number"]) == (201, "PO-2027-000001", "PO-2027-000002")
    assert (first.body["state"], first.body["currency"], incoming(w)) == ("draft", "USD", 0)
    assert [a.actor for a in w.all(PurchaseAct)] == ["anna", "anna"]
    assert refusal(w, create(2, line("mug", 1))).status == 409
    lawful(w)


def test_a_year_begins_at_one_and_never_goes_back() -> None:
    series = next_number(Series("PO", 2026, 41), "PO", NOW)
    assert (series.year, series.last) == (2027, 1)
    late = next_number(series, "PO", NOW - timedelta(days=200))
    assert (late.year, late.last) == (2027, 2)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (create(1, line("mug", 1), warehouse="moon"), "warehouse"),
        (create(1, line("cup", 1)), "lines.0.sku"),
        (create(1, line("mug", 1), line("post", 1)), "lines.1.sku"),
        (create(1, line("mug", 1), line("pen", 1), line("mug", 2)), "lines.2.sku"),
        (create(1, line("mug", 1)).model_copy(update={"supplier": "pots"}), "supplier"),
    ],
)
def test_what_nobody_knows_is_not_bought(draft: Any, field: str) -> None:
    assert refusal(shop(), draft).field == field


def test_a_draft_is_written_anew_as_a_whole_and_a_sent_order_is_not() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10), line("pen", 4)))
    w.tell(edit(1, line("rare", 2), line("mug", 12), warehouse="south"))
    assert received(w, 1) == {"mug": (12, 0), "pen": (0, 0), "rare": (2, 0)}
    w.tell(edit(1, line("rare", 2), line("mug", 12), warehouse="south"))
    assert acts(w, 1) == ["created", "edited"], "what changes nothing is no act"
    assert w.all(PurchaseAct)[-1].facts["lines"] == [
        {"sku": "mug", "quantity": [10, 12]},
        {"sku": "pen", "quantity": [4, 0]},
        {"sku": "rare", "quantity": [None, 2], "unit_cost": [None, "2.50"], "expected_on": [None, "2027-03-06"]},
    ]
    w.tell(send(1, "mug", "pen", "rare"))
    assert [(e.sku, e.warehouse, e.quantity) for e in w.all(Expected)] == [("mug", "south", 12), ("rare", "south", 2)]
    assert refusal(w, edit(1, line("mug", 1))).status == 409
    lawful(w)


def test_the_second_of_two_who_write_a_draft_hears_that_it_was_changed() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    tag = tag_of(of(w, 1))
    w.tell(edit(1, line("mug", 11), if_match=tag))
    assert refusal(w, edit(1, line("mug", 12), if_match=tag)).status == 412
    w.tell(edit(1, line("mug", 11), if_match=tag))  # the same once more: it is as wanted


def test_no_act_is_done_by_the_tag_of_what_was_changed_since() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    tag = tag_of(of(w, 1))
    w.tell(edit(1, line("mug", 11), if_match=tag))
    for late in (send(1, "mug", if_match=tag), cancel(1, "mug", if_match=tag)):
        assert refusal(w, late).status == 412
    tag = tag_of(of(w, 1))
    w.tell(send(1, "mug", if_match=tag))
    for late in (resized(1, 12, if_match=tag), close(1, "mug", if_match=tag)):
        assert refusal(w, late).status == 412
    w.tell(resized(1, 12, if_match=tag_of(of(w, 1))))
    w.tell(cancel(1, "mug", if_match="*"))
    assert acts(w, 1) == ["created", "edited", "sent", "changed", "cancelled"]


def test_an_act_on_a_draft_that_got_another_line_meanwhile_is_stale() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    late = send(1, "mug")
    w.tell(edit(1, line("mug", 10), line("pen", 1)))
    assert "went stale" in refusal(w, late).reason


def test_sent_it_is_incoming_and_promises_go_by_it() -> None:
    w = shop()
    w.tell(wants(1, ("mug", 2)))
    assert w.news(1).lines[0].promised_on == day(14), "the lead time"
    w.tell(create(1, line("mug", 10, on=5)))
    w.settle()
    assert w.news(1).lines[0].promised_on == day(14)
    w.tell(send(1))
    assert incoming(w) == 10
    w.settle()
    assert w.news(1).lines[0].promised_on == day(5)
    assert refusal(w, send(1)).status == 409
    lawful(w)


def test_a_moved_line_moves_promises_and_everybody_is_told_once() -> None:
    w = shop()
    w.tell(create(1, line("mug", 3, on=5)))
    w.tell(create(2, line("mug", 3, on=9)))
    for n in (1, 2):
        w.tell(send(n))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 2)))
    assert [w.news(n).lines[0].promised_on for n in (1, 2)] == [day(5), day(9)]
    said = len(w.sent)
    w.tell(moved(1, 20))
    w.settle()
    assert [w.news(n).lines[0].promised_on for n in (1, 2)] == [day(9), day(20)]
    assert [type(m) for m in w.sent[said:]] == [StockBackordered, StockBackordered]
    w.tell(moved(1, 20))  # as it is already
    assert acts(w, 1) == ["created", "sent", "changed"]
    assert w.all(PurchaseAct)[-1].facts["lines"] == [{"sku": "mug", "expected_on": ["2027-03-06", "2027-03-21"]}]
    lawful(w)


def test_fewer_are_promised_when_the_supplier_sends_fewer() -> None:
    w = shop()
    w.tell(create(1, line("mug", 4, on=5)))
    w.tell(send(1))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 2)))
    w.tell(resized(1, 3))
    w.settle()
    assert [w.news(n).lines[0].promised_on for n in (1, 2)] == [day(5), day(14)]
    assert incoming(w) == 3
    lawful(w)


def test_in_parts_who_waits_gets_them_first_and_the_differences_stay() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10), line("pen", 4)))
    w.tell(send(1, "mug", "pen"))
    w.tell(wants(1, ("mug", 3)))
    w.tell(came(w, 1, ("mug", 6)))
    w.settle()
    assert (w.reserved(1), of(w, 1).state, incoming(w)) == (3, "partly_received", 4)
    assert [m.unit_cost for m in w.all(Movement)] == [Decimal("2.50")], "at what it was bought for"
    w.tell(came(w, 1, ("mug", 4), ("pen", 3)))
    assert of(w, 1).state == "partly_received"
    w.tell(close(1, "mug", "pen"))
    assert (of(w, 1).state, incoming(w, "pen"), received(w, 1)) == ("closed_short", 0, {"mug": (10, 10), "pen": (4, 3)})
    assert w.all(PurchaseAct)[-1].facts == {"lines": [{"sku": "pen", "quantity": 1}], "reason": "sold out"}
    assert acts(w, 1) == ["created", "sent", "received", "received", "closed"]
    lawful(w)
    check(w)


def test_all_of_it_came() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(send(1))
    w.tell(came(w, 1, ("mug", 10)))
    assert of(w, 1).state == "received"
    for m in (close(1), cancel(1), moved(1, 3), send(1)):
        assert refusal(w, m).status == 409
    lawful(w)


@pytest.mark.parametrize("lines", [[("mug", 11)], [("mug", 6), ("mug", 5)], [("mug", 10), ("pen", 1)]])
def test_more_than_was_ordered_is_a_decision(lines: list[tuple[str, int]]) -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(send(1))
    refused = refusal(w, came(w, 1, *lines))
    assert (refused.field, refused.status) == ("over", 409)
    assert "1 more than PO-2027-000001 ordered of" in refused.reason
    w.tell(came(w, 1, *lines, over=True))
    assert of(w, 1).state == "received"
    assert sum(pieces for _, pieces in received(w, 1).values()) == 11
    assert sum(told["over"] for told in w.all(PurchaseAct)[-1].facts["lines"]) == 1
    lawful(w)
    check(w)


def test_what_comes_late_of_a_closed_order_is_a_decision_too() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(send(1))
    w.tell(came(w, 1, ("mug", 4)))
    w.tell(close(1))
    assert refusal(w, came(w, 1, ("mug", 6))).field == "over"
    w.tell(came(w, 1, ("mug", 6), over=True))
    assert (of(w, 1).state, received(w, 1)["mug"], incoming(w)) == ("closed_short", (10, 10), 0)
    lawful(w)


def test_nothing_is_received_of_a_draft_or_a_cancelled_order_or_elsewhere() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    assert refusal(w, came(w, 1, ("mug", 1))).field == "reference"
    w.tell(send(1))
    assert refusal(w, came(w, 1, ("mug", 1), warehouse="south")).field == "warehouse"
    w.tell(cancel(1))
    assert incoming(w) == 0
    assert refusal(w, came(w, 1, ("mug", 1), over=True)).field == "reference"
    lawful(w)


def test_over_the_bus_a_receipt_finds_its_purchase_order_by_what_it_expects() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(send(1))
    w.tell(receipt("north", "mug", 4, reference=of(w, 1).number))
    assert (received(w, 1)["mug"], of(w, 1).state) == ((10, 4), "partly_received")
    lawful(w)


def test_cancelled_before_anything_came_and_closed_after() -> None:
    w = shop()
    for n in (1, 2, 3):
        w.tell(create(n, line("mug", 10)))
    assert refusal(w, close(1)).reason == f"nothing came of {of(w, 1).number} yet: cancel it instead"
    w.tell(cancel(1))
    assert (of(w, 1).state, acts(w, 1)) == ("cancelled", ["created", "cancelled"])
    for n in (2, 3):
        w.tell(send(n))
    assert "cancel it instead" in refusal(w, close(2)).reason
    w.tell(wants(1, ("mug", 2)))
    w.tell(cancel(2))
    w.settle()
    assert w.news(1).lines[0].promised_on == day(5), "the other one comes"
    w.tell(came(w, 3, ("mug", 1)))
    assert "close it instead" in refusal(w, cancel(3)).reason
    lawful(w)


def test_a_line_is_called_off_but_not_below_what_came_and_not_the_last_one() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10), line("pen", 2)))
    w.tell(send(1, "mug", "pen"))
    both = ("mug", "pen")
    w.tell(came(w, 1, ("mug", 4)))
    assert refusal(w, resized(1, 3, skus=both)).field == "changes.0.quantity"
    assert refusal(w, change(1, LineChange(sku="rare", quantity=1), skus=both)).field == "changes.0.sku"
    w.tell(resized(1, 0, "pen", skus=both))
    assert (of(w, 1).state, incoming(w, "pen")) == ("partly_received", 0)
    w.tell(resized(1, 4, skus=both))
    assert of(w, 1).state == "received", "all that is ordered came"
    lawful(w)
    w.tell(create(2, line("mug", 10)))
    w.tell(send(2))
    assert "cancel it instead" in refusal(w, resized(2, 0)).reason


def test_what_a_purchase_order_expects_is_its_own() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    loose = ExpectReceipt(warehouse="north", reference=of(w, 1).number, sku="mug", quantity=5, expected_on=day(2))
    w.tell(loose)
    assert "already" in refusal(w, send(1)).reason, "two would count the same goods"
    w.tell(loose.model_copy(update={"quantity": 0}))
    w.tell(send(1))
    assert refusal(w, loose).status == 409
    assert incoming(w) == 10
    lawful(w)


def test_a_receipt_in_the_same_batch_as_the_sending_is_tried_again() -> None:
    """Its purchase order was not loaded with it; booked without, its line would never hear of it."""
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(send(1))
    rows, m = Rows(), receipt("north", "mug", 4, reference=of(w, 1).number)
    for kind, group in HANDLERS[ReceiveStock].needs(m):
        rows.declare(kind, group)
    for row in w.stored():
        if row.GROUP and rows.declared(type(row), getattr(row, row.GROUP)):
            rows.loaded(row)
    with pytest.raises(Missing):
        list(receive_stock(m, rows, Context(NOW, lambda: bought(9), w.policy, bought(8), "anna")))


def test_a_supplier_keeps_its_currency_on_orders_that_are_there() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(MUGS.model_copy(update={"currency": "EUR"}))
    assert of(w, 1).currency == "USD"
    w.tell(edit(1, line("mug", 11)))
    assert of(w, 1).currency == "EUR", "its costs were typed anew"
    assert refusal(w, MUGS.model_copy(update={"name": "Other", "if_match": "0" * 24})).status == 412


SKUS = ("mug", "pen")


def drawn(data: st.DataObject, w: World) -> Any:
    """What somebody wants to do, from what he sees now. None: time goes by."""
    n, sku, pieces = data.draw(st.integers(1, 2)), data.draw(st.sampled_from(SKUS)), data.draw(st.integers(0, 6))
    acts = ["edit", "send", "send", "move", "size", "come", "come", "close", "cancel", "ask", ""]
    match data.draw(st.sampled_from(acts)):
        case "edit":
            return edit(n, line(sku, pieces or 1), if_match=tag_of(of(w, n)))
        case "send":
            return send(n, *SKUS)
        case "move":
            return moved(n, pieces * 3, sku, skus=SKUS)
        case "size":
            return resized(n, pieces, sku, skus=SKUS)
        case "come":
            return came(w, n, (sku, pieces or 1), over=data.draw(st.booleans()))
        case "close":
            return close(n, *SKUS)
        case "cancel":
            return cancel(n, *SKUS)
        case "ask":
            return wants(n, ("mug", pieces), version=len(w.sent) + 1)
    return None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_two_people_at_once_in_any_order_leave_it_lawful(data: st.DataObject) -> None:
    """Whatever two people do to the same orders, each from what he saw some steps ago: refused or done, never half."""
    w = shop(("mug", "north", 1))
    for n in (1, 2):
        w.tell(create(n, line("mug", data.draw(st.integers(1, 5))), line("pen", 2, on=9)))
    seen: list[Any] = []
    for _ in range(data.draw(st.integers(1, 25))):
        wanted = drawn(data, w)
        if wanted is None:
            w.settle()
            continue
        seen.append(wanted)
        late = data.draw(st.integers(1, 3))
        if len(seen) >= late:  # he looked some time ago
            with suppress(Refused):
                w.tell(seen.pop(-late))
        lawful(w)
        check(w)
    w.settle()
    lawful(w)
    check(w)


def test_the_reference_of_a_delivery_may_be_its_own_and_the_order_is_named_beside() -> None:
    w = shop()
    w.tell(create(1, line("mug", 10)))
    w.tell(send(1))
    lines = (StockLine(sku="mug", quantity=4, unit_cost=Decimal("2.40")),)
    w.tell(ReceiveStock(warehouse="north", reference="DN-88", lines=lines, purchase_id=bought(1)))
    assert (received(w, 1)["mug"], incoming(w)) == ((10, 4), 6)
    assert [(m.reference, m.unit_cost) for m in w.all(Movement)] == [("DN-88", Decimal("2.40"))]
    lawful(w)
