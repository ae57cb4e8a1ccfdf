"""What is decided when an order is placed: prices, discounts, postage and addresses frozen, numbers, refusals."""

from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.quantities import priced
from services.order.rows import Counter, Customer, External, Header, History, Line, Progress
from shared.contracts.billing import AuthorisePayment
from shared.contracts.inventory import ReserveStock
from shared.contracts.money import line_amount, rounded, unit_of
from shared.contracts.order import EditOrder, NewLine, OrderHeld, OrderPlaced
from shared.contracts.values import Address
from shared.messaging.decision import Refused, Reply
from tests.order.book import HOME, MUG, POST, Book, place, placed
from tests.order.builders import NOW, ORDER, OTHER, cancel, of


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
    assert refused.value.field == "lines.1.sku"
    assert placed(NewLine(sku="cup", quantity=1, unit_price=Decimal(3))).only(Header).gross == Decimal("3.00")


def sold(category: str | None, rate: str | None, sku: str = "mug") -> NewLine:
    return NewLine(
        sku=sku,
        quantity=1,
        unit_price=Decimal(100),
        vat_category=category,
        vat_rate=None if rate is None else Decimal(rate),
    )


@pytest.mark.parametrize(
    ("category", "rate", "why"),
    [
        ("S", "0", "above 0"), ("Z", "21", "of 0"), ("E", "21", "of 0"), ("AE", "0.5", "of 0"), ("K", "21", "of 0"),
        ("G", "6", "of 0"), ("O", "21", "of 0"), ("E", None, "not 21"), ("X", "0", "X is no VAT category"),
    ],
)  # fmt: skip
def test_a_vat_category_that_does_not_go_with_its_rate_is_refused_by_its_line(
    category: str, rate: str | None, why: str
) -> None:
    with pytest.raises(Refused, match=why) as refused:
        placed(NewLine(sku="mug", quantity=1), sold(category, rate))
    assert (refused.value.field, refused.value.status) == ("lines.1.vat_rate", 422)
    book = placed()
    with pytest.raises(Refused) as refused:
        book.do(EditOrder(order_id=ORDER, add=(sold(category, rate),)))
    assert refused.value.field == "add.0.vat_rate"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (("S", "21"), ("S", 21)), (("E", "0"), ("E", 0)), (("L", "7"), ("L", 7)), (("M", "0"), ("M", 0)),
        ((None, "9"), ("S", 9)), ((None, "0"), ("Z", 0)), ((None, None), ("S", 21)),
    ],
)  # fmt: skip
def test_a_vat_category_that_is_left_open_goes_with_the_rate(
    said: tuple[str | None, str | None], found: tuple[str, int]
) -> None:
    line = placed(sold(*said)).only(Line)
    assert (line.vat_category, line.vat_rate) == found
    (unknown,) = placed(sold(None, None, "ghost")).all(Line)
    assert (unknown.vat_category, unknown.vat_rate) == ("Z", 0), "nothing is known of it"


def test_an_order_discount_is_spread_once_to_the_cent_and_frozen_r07() -> None:
    three = [NewLine(sku=f"s{i}", quantity=1, unit_price=Decimal(10)) for i in range(3)]
    book = placed(*three, discount=Decimal(10))
    assert [line.discount for line in book.all(Line)] == [Decimal("3.34"), Decimal("3.33"), Decimal("3.33")]
    assert book.only(Header).gross == Decimal("20.00")


@pytest.mark.parametrize(("price", "currency"), [("0.335", "EUR"), ("0.005", "EUR"), ("0.5", "JPY"), ("12.5", "EUR")])
def test_an_order_that_is_given_away_costs_nothing_also_where_its_price_was_rounded_up(
    price: str, currency: str
) -> None:
    whole = rounded(Decimal(price), unit_of(currency))
    dear = NewLine(sku="mug", quantity=1, unit_price=Decimal(price))
    book = placed(dear, discount=whole, currency=currency)
    assert [(line.quantity * line.unit_price - line.discount) for line in book.all(Line)] == [0]
    assert (book.only(Header).net, book.only(Header).vat, book.only(Header).gross) == (0, 0, 0)


@given(
    goods=st.lists(
        st.tuples(
            st.decimals(0, 50, places=4) | st.sampled_from([Decimal("0.005"), Decimal("0.5"), Decimal("2.5")]),
            st.integers(1, 12),
        ),
        min_size=1,
        max_size=5,
    ),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    share=st.fractions(0, 1),
)
def test_what_an_order_discount_leaves_is_the_rest_to_the_cent_and_no_line_is_below_zero_r07(
    goods: list[tuple[Decimal, int]], currency: str, share: Fraction
) -> None:
    unit = unit_of(currency)
    lines = tuple(NewLine(sku="mug", quantity=pieces, unit_price=price) for price, pieces in goods)
    before = sum((rounded(price * pieces, unit) for price, pieces in goods), Decimal(0))
    discount = rounded(before * share.numerator / share.denominator, unit)
    book = placed(*lines, discount=discount, currency=currency)
    left = [line_amount(price, unit) for price in priced(tuple(book.all(Line)))]
    assert min(left) >= 0
    assert sum(left) == before - discount


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
    assert refused.value.field == "lines.0.discount"
    with pytest.raises(Refused) as refused:
        placed(discount=Decimal("25.01"))
    assert refused.value.field == "discount"


def test_an_order_without_address_takes_the_customers_first() -> None:
    book = Book(MUG, Customer("anna", "Anna", "", (HOME, Address(city="Paris"))))
    book.do(place(customer_id="anna", ship_to=Address()))
    assert (book.only(Header).ship_to, book.only(ReserveStock).country) == (HOME, "NL")
    assert book.only(Progress).holds == ()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"name": " "}, "name"), ({"street": ("", " ")}, "street"), ({"city": "", "country": ""}, "city, country"),
        ({"name": "", "street": (), "city": "", "country": ""}, "name, street, city, country"),
        ({"name": "", "company": "Delft BV"}, ""), ({"postcode": ""}, ""),
    ],
)  # fmt: skip
def test_goods_without_an_address_to_go_to_are_taken_and_held_until_there_is_one_oms14(
    changes: dict[str, Any], missing: str
) -> None:
    book = placed(ship_to=HOME.model_copy(update=changes))
    if not missing:
        assert book.order.progress.holds == ()
        return
    reason = f"address: {missing} missing"
    assert (book.order.progress.holds, book.order.progress.status) == ((reason,), "held")
    assert book.only(Reply).body["status"] == "held"
    assert (book.only(OrderHeld).reason, book.only(History).note) == (reason, reason)
    assert book.only(ReserveStock), "stock and money are seen to meanwhile"
    with pytest.raises(Refused, match=missing) as refused:
        book.do(EditOrder(order_id=ORDER, ship_to=book.order.header.ship_to))
    assert (refused.value.field, refused.value.status) == ("ship_to", 422)
    book.do(EditOrder(order_id=ORDER, ship_to=HOME))
    assert (book.order.progress.holds, book.order.progress.status) == ((), "awaiting_payment")


def test_who_looks_for_fraud_and_who_completes_the_address_decide_for_themselves() -> None:
    book = placed(ship_to=HOME.model_copy(update={"city": ""}), hold="fraud check")
    assert book.order.progress.holds == ("address: city missing", "fraud check")
    book.do(EditOrder(order_id=ORDER, ship_to=HOME))
    assert book.order.progress.holds == ("fraud check",)


def test_no_address_is_needed_where_nothing_is_sent_or_the_shop_has_none() -> None:
    assert placed(NewLine(sku="post", quantity=1), ship_to=Address()).order.progress.holds == ()
    book = Book(MUG, address_check=False)
    book.do(place(ship_to=Address()))
    assert book.order.progress.holds == ()
    book.do(EditOrder(order_id=ORDER, ship_to=Address(city="Delft")))
    assert book.order.header.ship_to.city == "Delft"


def test_an_order_may_be_placed_on_hold() -> None:
    book = placed(hold="fraud check")
    assert book.only(Progress).status == "held"
    assert book.only(Reply).body["status"] == "held"


def test_cash_on_delivery_has_no_date_to_pay_by() -> None:
    assert set(placed(payment_method="cash_on_delivery").timers) == {f"answer_by:{ORDER}"}
