"""What people wish of an order, each decided on given rows: cancel, hold, edit, return, and master data."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from services.order import rows as kinds_of_rows
from services.order.rows import Customer, Header, History, Line, Product
from shared.contracts.billing import AuthorisePayment, PaymentAuthorised
from shared.contracts.fulfilment import (
    CancelShipment,
    PlanShipment,
    ReturnExpected,
    ShipmentCancelled,
    ShipmentDelivered,
)
from shared.contracts.inventory import ReserveStock, StockReserved
from shared.contracts.message import Message
from shared.contracts.order import (
    AcceptDate,
    CancelOrder,
    EditOrder,
    NewLine,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReturnGoods,
)
from shared.contracts.values import Address
from shared.messaging.decision import Refused, Reply
from tests.order.book import HOME, MUG, Book, book_of, placed
from tests.order.builders import (
    ORDER,
    OTHER,
    cancel,
    goods_back,
    hold,
    money,
    of,
    release,
    released,
    sent,
    shipment,
    stock,
)

DELFT = HOME.model_copy(update={"city": "Delft"})


def test_cancelling_everything_answers_and_records_the_person() -> None:
    book = placed()
    book.do(CancelOrder(order_id=ORDER, reason="changed my mind", actor="bert"))
    assert book.only(Reply).body["cancelling"] == 2
    history = book.only(History)
    assert (history.actor, history.note, history.after) == ("bert", "changed my mind", "cancelling")


def test_cancelling_more_than_there_is_or_another_line_is_refused() -> None:
    book = placed()
    with pytest.raises(Refused, match="2 can still be cancelled") as refused:
        book.do(cancel(of(1, 3)))
    assert refused.value.field == "lines.0.quantity"
    with pytest.raises(Refused) as refused:
        book.do(cancel(of(4, 1)))
    assert refused.value.field == "lines.0.line_no"


def test_cancelling_what_is_out_answers_409_and_tells_so() -> None:
    book = book_of(sent(1))
    book.do(cancel())
    reply = book.only(Reply)
    assert reply.status == 409
    assert "can be returned" in reply.body["title"]
    assert [type(m).__name__ for m in book.all(Message)] == ["CancellationRefused"]


def test_a_second_hold_of_the_same_reason_changes_nothing_and_a_missing_one_cannot_be_released() -> None:
    book = placed()
    book.do(hold("check"))
    assert [type(effect) for effect in book.do(hold("check"))] == [Reply]
    with pytest.raises(Refused, match="the holds are: check"):
        book.do(release("other"))


def test_a_final_order_cannot_be_held_or_edited() -> None:
    book = book_of(replace(sent(1), progress=replace(sent(1).progress, status="completed")))
    for wish in (hold(), EditOrder(order_id=ORDER, more=(of(1, 1),)), AcceptDate(order_id=ORDER)):
        with pytest.raises(Refused, match="final"):
            book.do(wish)


def test_more_of_a_line_is_a_new_line_at_the_old_price() -> None:
    book = placed(NewLine(sku="mug", quantity=2), discount=Decimal(1))
    book.keep([replace(MUG, price=Decimal(99))])
    book.do(EditOrder(order_id=ORDER, version=1, more=(of(1, 1),), add=(NewLine(sku="post", quantity=1),)))
    more, post = book.all(Line)
    assert (more.line_no, more.sku, more.quantity, more.unit_price, more.discount) == (2, "mug", 1, Decimal("12.50"), 0)
    assert (post.line_no, post.unit_price) == (3, Decimal("4.95"))
    assert [want.line_no for want in book.only(ReserveStock).wanted] == [1, 2, 3]
    assert book.only(Header).gross == book.only(AuthorisePayment).due


def test_a_changed_priority_is_told_to_inventory_once() -> None:
    """It holds the queue of those who wait: an order that it does not hear of keeps its old place."""
    book = placed()
    book.do(EditOrder(order_id=ORDER, priority=7))
    asked = book.only(ReserveStock)
    assert (asked.version, asked.priority) == (2, 7)
    book.do(EditOrder(order_id=ORDER, priority=7))
    assert book.all(ReserveStock) == []
    book.do(StockReserved(**stock(2, (1, "north", 2)).__dict__))
    assert book.all(ReserveStock) == []


def test_the_history_says_what_an_edit_changed_by_whom_and_why() -> None:
    book = placed(ship_to=HOME)
    changes = EditOrder(
        order_id=ORDER,
        more=(of(1, 1),),
        add=(NewLine(sku="post", quantity=1),),
        ship_to=Address(name="Anna", street=("Dam 1",), postcode="1012 JS", city="Amsterdam", country="NL"),
        priority=7,
        reason="she called",
        actor="bob",
    )
    book.do(changes)
    entry = book.only(History)
    assert entry.actor == "bob"
    assert entry.note == (
        "she called: line 2: 1 x mug more; line 3: 1 x post more; "
        "ship to Anna, Dam 1, 1012 JS Amsterdam, NL instead of Anna, Oudegracht 1, Utrecht, NL; priority 7 instead of 0"
    )
    book.do(EditOrder(order_id=ORDER, priority=7))
    assert book.only(History).note == "nothing changed"


def test_an_edit_of_an_older_version_is_refused_with_what_changed() -> None:
    book = placed()
    book.do(hold("check"))
    with pytest.raises(Refused, match="it is held at version 2, not 1") as refused:
        book.do(EditOrder(order_id=ORDER, version=1, more=(of(1, 1),)))
    assert refused.value.status == 412


def test_an_address_changes_only_while_nothing_is_with_the_warehouse() -> None:
    book = book_of(released(1))
    edit = EditOrder(order_id=ORDER, ship_to=DELFT)
    with pytest.raises(Refused, match="hold the order") as refused:
        book.do(edit)
    assert refused.value.field == "ship_to"
    book.do(hold("address change"))
    assert book.only(CancelShipment)
    book.do(ShipmentCancelled(**shipment(book.order, 1, "cancelled").__dict__))
    book.do(edit)
    book.do(release("address change"))
    assert book.only(PlanShipment).address.city == "Delft"


def test_the_address_of_what_is_out_changes_no_more() -> None:
    book = book_of(sent(1))
    with pytest.raises(Refused, match="handed over already") as refused:
        book.do(EditOrder(order_id=ORDER, ship_to=DELFT))
    assert (refused.value.field, refused.value.status) == ("ship_to", 409)
    book.do(EditOrder(order_id=ORDER, ship_to=DELFT, more=(of(1, 1),)))
    assert book.order.header.ship_to.city == "Delft"


def test_a_free_item_that_is_added_is_told_to_billing_too() -> None:
    """The amount stays, but an invoice needs the line."""
    book = placed()
    book.do(EditOrder(order_id=ORDER, add=(NewLine(sku="gift", quantity=1, unit_price=Decimal(0)),)))
    assert [line.sku for line in book.only(AuthorisePayment).lines] == ["mug", "gift"]


def test_goods_come_back_only_once_and_only_if_they_were_sent() -> None:
    order = sent(2)
    book = book_of(order)
    wish = ReturnGoods(
        order_id=ORDER, return_id=OTHER, shipment_id=order.shipments[0].shipment_id, lines=(of(1, 2),), actor="anna"
    )
    book.do(wish)
    assert book.only(Reply).status == 201
    assert [type(effect) for effect in book.do(wish)] == [Reply]
    with pytest.raises(Refused, match="0 can still come back"):
        book.do(wish.model_copy(update={"return_id": UUID(int=5)}))
    with pytest.raises(Refused, match="not on its way"):
        book_of(released(1)).do(wish.model_copy(update={"lines": (of(1, 1),)}))


def test_a_return_after_completion_is_still_asked_for_again() -> None:
    """The answer timer must outlive a final order whose return nobody has confirmed."""
    order = sent(1)
    id = order.shipments[0].shipment_id
    book = book_of(order)
    book.do(ShipmentDelivered(**shipment(order, 1, "delivered", version=5).__dict__))
    book.do(PaymentAuthorised(**money(1, 10, version=2, invoiced=[id], settled=True).__dict__))
    assert book.order.progress.status == "completed"
    book.do(ReturnGoods(order_id=ORDER, return_id=OTHER, shipment_id=id, lines=(of(1, 1),)))
    book.do(PaymentAuthorised(**money(1, 10, version=3, invoiced=[id], settled=True).__dict__))
    assert f"answer_by:{ORDER}" in book.timers
    book.do(ReturnExpected(**goods_back(OTHER, id, "expected", version=1, expected=1).__dict__))
    assert f"answer_by:{ORDER}" not in book.timers


def test_master_data_is_stored_as_it_is_told() -> None:
    book = Book()
    book.do(RegisterProducts(products=({"sku": "mug", "price": "3.00"},)))
    book.do(RegisterCustomers(customers=({"customer_id": "anna", "addresses": ({"city": "Utrecht"},)},)))
    book.do(RegisterChannel(channel={"code": "web", "name": "Web shop"}))
    assert book.rows(Product)[0].price == Decimal("3.00")
    assert book.rows(Customer)[0].addresses == (Address(city="Utrecht"),)
    assert book.rows(kinds_of_rows.Channel) == [kinds_of_rows.Channel("web", "Web shop")]
