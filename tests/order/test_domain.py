"""Decisions of the order service, each run alone on given rows: what is stored, sent, armed and answered."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import count, pairwise
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order import rows as kinds_of_rows
from services.order import tables
from services.order.domain import Ctx, Policy, find_order, rows_of
from services.order.handlers import HANDLERS
from services.order.quantities import Impossible, Order
from services.order.rows import Counter, Customer, External, Header, History, Line, Money, Product, Progress
from services.order.store import BOOKS
from shared.contracts.billing import AuthorisePayment, PaymentAuthorised, RefundStatement
from shared.contracts.fulfilment import (
    CancelShipment,
    PlanShipment,
    ReturnExpected,
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
)
from shared.contracts.inventory import ReserveStock, StockBackordered, StockReserved
from shared.contracts.message import Command, Message, Statement
from shared.contracts.money import line_amount
from shared.contracts.order import (
    AcceptDate,
    AnswerDue,
    CancelOrder,
    ConsentDue,
    EditOrder,
    NewLine,
    OrderExpired,
    OrderPlaced,
    OrderStatement,
    OrderStatus,
    PayByDue,
    PlaceOrder,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReturnGoods,
)
from shared.contracts.values import Address
from shared.messaging.decision import Context, Effect, Missing, Refused, Reply, Row, Rows, Timer, decide_alone
from tests.order.builders import (
    LATER,
    NOW,
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

MUG = Product("mug", "Blue mug", "Kitchen", "Delft", "goods", Decimal("12.50"), "S", Decimal(21))
POST = Product("post", "Postage", "", "", "shipping", Decimal("4.95"), "S", Decimal(21))


def ctx(now: datetime = NOW, **policy: Any) -> Ctx:
    numbers = count(100)
    return Context(now, lambda: UUID(int=next(numbers)), Policy(**policy), UUID(int=9), "anna")


class Book:
    """All rows of the service, as the messages so far have left them."""

    def __init__(self, *stored: Row, now: datetime = NOW, **policy: Any) -> None:
        self.stored: dict[tuple[Any, ...], Row] = {}
        self.keep(stored)
        self.now, self.policy = now, policy
        self.timers: dict[str, Timer] = {}
        self.effects: list[Effect] = []

    def keep(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.stored[(type(row), *(getattr(row, name) for name in row.KEY))] = row

    def do(self, m: Message) -> list[Effect]:
        self.effects, _ = decide_alone(HANDLERS[type(m)], m, self.stored.values(), ctx(self.now, **self.policy))
        self.keep(effect for effect in self.effects if isinstance(effect, Row))
        for timer in self.all(Timer):
            if timer.due_at is None:
                self.timers.pop(timer.key, None)
            else:
                self.timers[timer.key] = timer
        return self.effects

    def all(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def only(self, kind: type[Any]) -> Any:
        found = self.all(kind)
        assert len(found) == 1, self.effects
        return found[0]

    def rows(self, kind: type[Any]) -> list[Any]:
        return [row for row in self.stored.values() if isinstance(row, kind)]

    @property
    def order(self) -> Order:
        loaded = Rows()
        for kind in (Progress, Header, Line, kinds_of_rows.Stock, Money, kinds_of_rows.Shipment, kinds_of_rows.Return):
            loaded.declare(kind, ORDER)
            for row in self.rows(kind):
                loaded.loaded(row)
        found = find_order(loaded, ORDER)
        assert found is not None
        return found

    def fire(self, name: str) -> list[Effect]:
        timer = self.timers.pop(f"{name}:{ORDER}")
        assert timer.due_at is not None
        assert timer.message is not None
        self.now = max(self.now, timer.due_at)
        return self.do(timer.message)


def place(*lines: NewLine, **fields: Any) -> PlaceOrder:
    return PlaceOrder(order_id=ORDER, lines=lines or (NewLine(sku="mug", quantity=2),), **fields)


def placed(*lines: NewLine, **fields: Any) -> Book:
    book = Book(MUG, POST)
    book.do(place(*lines, **fields))
    return book


def book_of(order: Order, **policy: Any) -> Book:
    """An order in the middle of its life, its timers as they would be."""
    return Book(*rows_of(order), **policy)


# Placing


def test_placing_freezes_what_the_channel_left_open_r09() -> None:
    book = placed(NewLine(sku="mug", quantity=2), NewLine(sku="post", quantity=1, unit_price=Decimal(0)))
    mug, post = book.all(Line)
    assert (mug.text, mug.unit_price, mug.vat_rate, mug.kind) == ("Blue mug", Decimal("12.50"), Decimal(21), "goods")
    assert (post.kind, post.unit_price) == ("shipping", 0)
    book.keep([replace(MUG, price=Decimal(99), name="Red mug")])
    book.do(cancel(of(1, 1)))
    assert book.only(AuthorisePayment).due == Decimal("15.13"), "12.50 + 21 %, not 99"
    assert book.order.lines == (mug, post)


def test_placing_stores_numbers_asks_arms_and_answers() -> None:
    book = placed()
    header = book.only(Header)
    assert (header.number, header.net, header.vat, header.gross) == (
        "C-1", Decimal("25.00"), Decimal("5.25"), Decimal("30.25"),
    )  # fmt: skip
    assert book.only(ReserveStock).wanted[0].quantity == 2
    assert book.only(AuthorisePayment).due == Decimal("30.25")
    assert book.only(OrderPlaced).version == 1
    assert set(book.timers) == {f"pay_by:{ORDER}", f"answer_by:{ORDER}"}
    assert book.timers[f"pay_by:{ORDER}"].due_at == NOW + timedelta(hours=24)
    history = book.only(History)
    assert (history.version, history.before, history.after, history.trigger, history.cause, history.actor) == (
        1, "", "awaiting_payment", "order.place_order.v1", UUID(int=9), "anna",
    )  # fmt: skip
    reply = book.only(Reply)
    assert reply.status == 201
    assert (reply.body["number"], reply.body["gross"]) == ("C-1", "30.25")


def test_numbers_follow_each_other() -> None:
    book = placed()
    book.do(place().model_copy(update={"order_id": OTHER}))
    assert book.only(Header).number == "C-2"
    assert book.rows(Counter) == [Counter("order", 2)]


def test_placing_the_same_again_gets_the_same_answer_and_other_content_is_refused() -> None:
    book = placed(actor="anna")
    first = book.only(Reply)
    assert book.do(place(actor="bert")) == [first]
    with pytest.raises(Refused, match="other content") as refused:
        book.do(place(NewLine(sku="mug", quantity=3)))
    assert refused.value.status == 409


def test_one_order_per_channel_and_external_id_i11() -> None:
    book = placed(channel="shop", external_id="77")
    assert book.rows(External) == [External("shop:77", ORDER)]
    again = place(channel="shop", external_id="77").model_copy(update={"order_id": OTHER})
    with pytest.raises(Refused, match="sent 77 before") as refused:
        book.do(again)
    assert (refused.value.status, refused.value.field) == (409, "external_id")
    book.do(again.model_copy(update={"channel": "market"}))


def test_an_unknown_sku_without_a_price_is_refused_by_its_line() -> None:
    with pytest.raises(Refused, match="not in the catalogue") as refused:
        placed(NewLine(sku="mug", quantity=1), NewLine(sku="cup", quantity=1))
    assert refused.value.field == "lines[1].sku"
    assert placed(NewLine(sku="cup", quantity=1, unit_price=Decimal(3))).only(Header).gross == Decimal("3.00")


def test_an_order_discount_is_spread_once_to_the_cent_and_frozen_r07() -> None:
    three = [NewLine(sku=f"s{i}", quantity=1, unit_price=Decimal(10)) for i in range(3)]
    book = placed(*three, discount=Decimal(10))
    assert [line.discount for line in book.all(Line)] == [Decimal("3.34"), Decimal("3.33"), Decimal("3.33")]
    assert book.only(Header).gross == Decimal("20.00")


def test_sc20_cancelling_a_line_takes_back_its_share_of_the_discount_and_others_keep_theirs() -> None:
    three = [NewLine(sku=f"s{i}", quantity=1, unit_price=Decimal(10)) for i in range(3)]
    book = placed(*three, discount=Decimal(10))
    book.do(cancel(of(1, 1)))
    assert book.only(AuthorisePayment).due == Decimal("13.34"), "20.00 less 10.00 - 3.34"
    history = book.only(History)
    assert (history.version, history.before, history.after) == (2, "awaiting_payment", "awaiting_payment")


BOOK = NewLine(sku="book", quantity=1, unit_price=Decimal("30.00"), vat_rate=Decimal(9), kind="goods")
TOY = NewLine(sku="toy", quantity=2, unit_price=Decimal("7.50"), vat_rate=Decimal(21), kind="goods")


def test_postage_of_a_mixed_basket_is_split_over_the_rates_of_the_goods_r07() -> None:
    """4.95 over 30.00 at 9 % and 15.00 at 21 %: 3.30 and 1.65, each with the VAT of what it goes with."""
    book = Book(MUG, POST, postage_vat="goods")
    book.do(place(BOOK, NewLine(sku="post", quantity=1), TOY))
    found = [(line.line_no, line.sku, line.unit_price, line.vat_rate) for line in book.all(Line)]
    assert found == [
        (1, "book", Decimal("30.00"), 9),
        (2, "post", Decimal("3.30"), 9),
        (3, "toy", Decimal("7.50"), 21),
        (4, "post", Decimal("1.65"), 21),
    ]
    assert book.only(Header).vat == Decimal("3.00") + Decimal("3.50")  # 33.30 x 9 % and 16.65 x 21 %


def test_postage_keeps_its_own_rate_where_the_channel_or_the_shop_says_so() -> None:
    for policy, post in (
        ("own", NewLine(sku="post", quantity=1)),
        ("goods", NewLine(sku="post", quantity=1, vat_rate=Decimal(21))),
    ):
        book = Book(MUG, POST, postage_vat=policy)
        book.do(place(BOOK, TOY, post))
        assert [(line.unit_price, line.vat_rate) for line in book.all(Line) if line.sku == "post"] == [
            (Decimal("4.95"), 21)
        ]
    book = Book(MUG, POST, postage_vat="goods")
    book.do(place(NewLine(sku="post", quantity=1)))
    assert [line.vat_rate for line in book.all(Line)] == [21], "without goods there is nothing to follow"


@given(
    goods=st.lists(st.tuples(st.decimals(0, 500, places=2), st.sampled_from([0, 9, 21])), min_size=1, max_size=6),
    price=st.decimals(0, 50, places=4),
    pieces=st.integers(1, 3),
    discount=st.decimals(0, 1, places=2),
)
def test_the_parts_of_postage_sum_to_it_and_none_is_below_zero(
    goods: list[tuple[Decimal, int]], price: Decimal, pieces: int, discount: Decimal
) -> None:
    discount = min(discount, (price * pieces).quantize(Decimal("0.01"), ROUND_DOWN))
    lines = [
        NewLine(sku="thing", quantity=1, unit_price=each, vat_rate=Decimal(rate), kind="goods") for each, rate in goods
    ]
    post = NewLine(sku="post", quantity=pieces, unit_price=price, discount=discount)
    whole: dict[str, Decimal] = {}
    for policy in ("own", "goods"):
        book = Book(MUG, POST, postage_vat=policy)
        book.do(place(*lines, post))
        amounts = [line_amount(line.price) for line in book.all(Line) if line.sku == "post"]
        assert min(amounts) >= 0
        whole[policy] = sum(amounts, Decimal(0))
        assert [line.line_no for line in book.all(Line)] == list(range(1, len(book.all(Line)) + 1))
    assert whole["own"] == whole["goods"]


def test_a_discount_above_the_price_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        placed(NewLine(sku="mug", quantity=1, discount=Decimal(13)))
    assert refused.value.field == "lines[0].discount"
    with pytest.raises(Refused) as refused:
        placed(discount=Decimal("25.01"))
    assert refused.value.field == "discount"


def test_an_order_without_address_takes_the_customers_first() -> None:
    home = Address(city="Utrecht", country="NL")
    book = Book(MUG, Customer("anna", "Anna", "", (home, Address(city="Paris"))))
    book.do(place(customer_id="anna"))
    assert (book.only(Header).ship_to, book.only(ReserveStock).country) == (home, "NL")


def test_an_order_may_be_placed_on_hold() -> None:
    book = placed(hold="fraud check")
    assert book.only(Progress).status == "held"
    assert book.only(Reply).body["status"] == "held"


def test_cash_on_delivery_has_no_date_to_pay_by() -> None:
    assert set(placed(payment_method="cash_on_delivery").timers) == {f"answer_by:{ORDER}"}


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


# Wishes


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
    assert refused.value.field == "lines[0].quantity"
    with pytest.raises(Refused) as refused:
        book.do(cancel(of(4, 1)))
    assert refused.value.field == "lines[0].line_no"


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
    book = placed(ship_to=Address(city="Utrecht", country="NL"))
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
        "ship to Anna, Dam 1, 1012 JS Amsterdam, NL instead of Utrecht, NL; priority 7 instead of 0"
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
    edit = EditOrder(order_id=ORDER, ship_to=Address(city="Delft"))
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
        book.do(EditOrder(order_id=ORDER, ship_to=Address(city="Delft")))
    assert (refused.value.field, refused.value.status) == ("ship_to", 409)
    book.do(EditOrder(order_id=ORDER, ship_to=Address(city="Delft"), more=(of(1, 1),)))
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
    elsewhere = (OrderStatement, RefundStatement)
    assert {kind for kind in others if kind.key and not issubclass(kind, elsewhere)} <= set(HANDLERS)


def test_times_without_a_zone_are_taken_as_utc() -> None:
    naive = datetime(2025, 1, 1)  # noqa: DTZ001
    assert placed(placed_at=naive).only(Header).placed_at == datetime(2025, 1, 1, tzinfo=UTC)
