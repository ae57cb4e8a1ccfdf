"""Edits that take away, too: fewer pieces and more at once, another delivery; all of it, or nothing."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.order.rows import Header, History, Line, Progress
from shared.contracts.billing import AuthorisePayment, PaymentAuthorised
from shared.contracts.fulfilment import CancelShipment, PlanShipment, ShipmentCancelled
from shared.contracts.inventory import ReserveStock, StockReserved
from shared.contracts.order import EditOrder, NewLine
from shared.contracts.values import LineQuantity
from shared.messaging.decision import Refused
from tests.order.book import HOME, ORDER, book_of, placed
from tests.order.builders import money, released, sent, shipment, stock
from tests.order.test_wishes import hold, of, release


def edit(**fields: object) -> EditOrder:
    return EditOrder(order_id=ORDER, actor="bob", **fields)  # type: ignore[arg-type]


def test_fewer_pieces_and_another_product_are_one_edit_and_one_ask_each() -> None:
    book = placed(NewLine(sku="mug", quantity=3))
    book.do(edit(less=(of(1, 2),), add=(NewLine(sku="post", quantity=1),), reason="she called"))
    assert dict(book.only(Progress).cancelled) == {1: 2}
    assert [(want.line_no, want.quantity) for want in book.only(ReserveStock).wanted] == [(1, 1), (2, 1)]
    assert book.only(AuthorisePayment).due == book.order.due == Decimal("21.11")
    assert book.only(History).note == "she called: line 2: 1 x post more; line 1: 2 x mug less"
    assert book.order.progress.reason == "she called"


def test_a_line_that_is_exchanged_for_another_does_not_take_the_postage_along() -> None:
    """Postage goes when no goods are left; here others come in the same edit."""
    book = placed(NewLine(sku="mug", quantity=1), NewLine(sku="post", quantity=1, kind="shipping"))
    book.do(edit(less=(of(1, 1),), add=(NewLine(sku="mug", quantity=5),)))
    assert dict(book.order.progress.cancelled) == {1: 1}
    book.do(edit(less=(of(3, 5),)))
    assert dict(book.order.progress.cancelled) == {1: 1, 2: 1, 3: 5}


def test_no_more_is_taken_out_than_is_neither_out_nor_given_up() -> None:
    book = placed(NewLine(sku="mug", quantity=3))
    book.do(edit(less=(of(1, 1),)))
    with pytest.raises(Refused, match="Of line 1, 0 can still be cancelled") as refused:
        book.do(edit(less=(of(1, 2), of(1, 1)), add=(NewLine(sku="post", quantity=1),)))
    assert refused.value.field == "less.1.quantity"
    assert len(book.order.lines) == 1, "all of it, or nothing"
    with pytest.raises(Refused, match="no line 7"):
        book.do(edit(less=(of(7, 1),)))
    book.do(edit(less=(of(1, 1),)))
    assert dict(book.order.progress.cancelled) == {1: 2}, "each edit takes away from what is left"
    out = book_of(sent(1))
    shipped = sum(count.shipped for count in out.order.counts.values())
    assert shipped
    with pytest.raises(Refused, match="can still be cancelled"):
        out.do(edit(less=(LineQuantity(line_no=1, quantity=out.order.counts[1].ordered),)))


def test_what_is_with_the_warehouse_is_pulled_back_and_decided_then() -> None:
    book = book_of(released(1))
    quantity = book.order.lines[0].quantity
    book.do(edit(less=(of(1, quantity),)))
    assert book.only(CancelShipment).reason == "cancelled"
    assert dict(book.order.progress.cancel_wanted) == {1: quantity}
    assert book.order.progress.status == "cancelling"
    book.do(ShipmentCancelled(**shipment(book.order, 1, "cancelled").__dict__))
    assert dict(book.order.progress.cancelled)[1] == quantity


def test_another_delivery_is_for_parcels_that_are_not_with_the_warehouse_yet() -> None:
    book = book_of(released(1))
    with pytest.raises(Refused, match="change the delivery when the shipment is cancelled") as refused:
        book.do(edit(service_level="express"))
    assert (refused.value.field, refused.value.status) == ("service_level", 409)
    book.do(edit(service_level=book.order.header.service_level))
    book.do(hold("express please"))
    book.do(ShipmentCancelled(**shipment(book.order, 1, "cancelled").__dict__))
    book.do(edit(service_level="express"))
    assert book.only(History).note == "delivery express instead of standard"
    assert book.only(Header).service_level == "express"
    book.do(release("express please"))
    assert book.only(PlanShipment).service_level == "express"


def test_an_order_that_need_not_wait_for_the_rest_goes_on_at_once() -> None:
    book = placed(NewLine(sku="mug", quantity=1), NewLine(sku="mug", quantity=1), ship_complete=True, ship_to=HOME)
    book.do(StockReserved(**stock(1, (1, "north", 1), backordered={2: 1}).__dict__))
    due = book.order.due
    book.do(PaymentAuthorised(**money(1, due).__dict__))
    assert book.all(PlanShipment) == []
    book.do(edit(ship_complete=False))
    assert [line.line_no for line in book.only(PlanShipment).lines] == [1]
    assert book.only(History).note == "does not wait to go in one parcel"
    assert book.order.header.ship_complete is False
    assert replace(book.order.header).ship_complete is False
    assert book.all(Line) == []
