"""Kits: shared out once and exactly, changed and given up as a whole, delivered only when they are complete."""

from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptoir.invariants.orders import Case, kits_are_whole
from services.order.kits import described
from services.order.placing import to_place_kits
from services.order.quantities import Order, priced
from services.order.rows import Kit, Line, Product
from services.order.saga import react
from shared.contracts.billing import AuthorisePayment
from shared.contracts.fulfilment import CancelShipment, PlanShipment
from shared.contracts.inventory import ReserveStock
from shared.contracts.money import line_amount, rounded, totals, unit_of
from shared.contracts.order import CancelOrder, Component, EditOrder, KitChanged, NewLine, RegisterProducts
from shared.contracts.order import Product as ProductSold
from shared.messaging.decision import Refused, Rows
from tests.order.book import MUG, POST, Book, place
from tests.order.builders import ORDER, after, cancel, money, of, shipment, stock

PLATE = Product("plate", "Plate", "", "", "goods", Decimal("7.50"), "S", Decimal(21))
SET = Product(
    "set", "Breakfast set", "", "", "goods", Decimal("20.00"), "S", Decimal(9),
    (Component(sku="mug", pieces=2), Component(sku="plate", pieces=1)),
)  # fmt: skip


def placed(*lines: NewLine, **fields: Any) -> Book:
    book = Book(MUG, PLATE, SET, POST)
    book.do(place(*lines, **fields))
    return book


def sets(count: int, **fields: Any) -> NewLine:
    return NewLine(sku="set", quantity=count, **fields)


def test_a_kit_becomes_lines_of_its_components_in_its_place_with_its_vat_r07() -> None:
    book = placed(NewLine(sku="plate", quantity=1), sets(2), NewLine(sku="post", quantity=1))
    plate, mugs, plates, post = book.all(Line)
    kit = Kit(2, "set", "Breakfast set", 2, Decimal("20.00"))
    assert [(line.line_no, line.sku, line.quantity, line.kit) for line in (plate, mugs, plates, post)] == [
        (1, "plate", 1, None), (2, "mug", 4, kit), (3, "plate", 2, kit), (4, "post", 1, None),
    ]  # fmt: skip
    assert (mugs.text, plates.text) == ("Breakfast set: Blue mug", "Breakfast set: Plate")
    assert {line.vat_rate for line in (mugs, plates)} == {Decimal(9)}, "the kit is what is sold"
    assert [line_amount(price) for price in priced([mugs, plates])] == [Decimal("30.76"), Decimal("9.24")]
    assert [(want.sku, want.quantity) for want in book.only(ReserveStock).wanted[:3]] == [
        ("plate", 1), ("mug", 4), ("plate", 2),
    ]  # fmt: skip
    book.keep([replace(SET, price=Decimal(99), components=()), replace(MUG, price=Decimal(1))])
    book.do(cancel(of(2, 2), of(3, 1)))
    assert [line.kit for line in book.order.lines][1:3] == [kit, kit], "frozen (R-09)"


def test_a_line_that_says_everything_is_a_kit_all_the_same() -> None:
    book = placed(
        sets(1, unit_price=Decimal(30), text="Gift", kind="goods", vat_category="S", vat_rate=Decimal(21), discount=3)
    )
    mugs, plate = book.all(Line)
    assert (mugs.text, mugs.vat_rate, mugs.unit_price, mugs.discount) == (
        "Gift: Blue mug", Decimal(21), Decimal("11.54"), Decimal("2.31"),
    )  # fmt: skip
    assert (plate.unit_price, plate.discount) == (Decimal("6.92"), Decimal("0.69"))


amounts = st.decimals(0, 5000, places=2)


@given(
    price=st.one_of(amounts, st.decimals(0, 100, places=6)),
    off=st.decimals(0, 1, places=4),
    count=st.one_of(st.integers(1, 12), st.integers(1, 20_000)),
    parts=st.lists(st.tuples(st.integers(1, 12), st.decimals(0, 100, places=2)), min_size=1, max_size=6),
    currency=st.sampled_from(["EUR", "JPY", "BHD", "CLF"]),
    inclusive=st.booleans(),
    whole=st.decimals(0, 1, places=2),
)
def test_lines_of_a_kit_sum_to_its_price_whatever_it_costs_n09(
    price: Decimal, off: Decimal, count: int, parts: list[tuple[int, Decimal]], currency: str, inclusive: bool,
    whole: Decimal,
) -> None:  # fmt: skip
    """Also after a discount of the whole order, and when kits are added or cancelled one by one."""
    unit = unit_of(currency)
    discount = (price * count * off).quantize(Decimal("0.000001"), rounding="ROUND_DOWN")
    known = [
        Product(f"p{i}", f"part {i}", "", "", "goods", weight, "S", Decimal(21)) for i, (_, weight) in enumerate(parts)
    ]
    components = tuple(Component(sku=f"p{i}", pieces=pieces) for i, (pieces, _) in enumerate(parts))
    kit = replace(SET, price=price, components=components, vat_rate=Decimal(21))
    book = Book(kit, *known)
    worth = rounded(price * count - discount, unit)
    book.do(
        place(
            sets(count, discount=discount), currency=currency, prices_include_vat=inclusive,
            discount=rounded(worth * whole, unit),
        )
    )  # fmt: skip
    lines = book.order.lines
    assert [line.quantity for line in lines] == [count * pieces for pieces, _ in parts]
    assert all(line.unit_price >= 0 and line.discount >= 0 for line in lines)
    assert sum(line_amount(price, unit) for price in priced(lines)) == worth - rounded(worth * whole, unit)
    header = book.order.header
    one = NewLine(sku="x", quantity=count, unit_price=price, discount=discount, vat_category="S", vat_rate=Decimal(21))
    if not whole:
        alone = Book(*known)
        alone.do(place(one.model_copy(update={"text": "x", "kind": "goods"}), currency=currency,
                       prices_include_vat=inclusive))  # fmt: skip
        assert (header.net, header.vat, header.gross) == (
            alone.order.header.net, alone.order.header.vat, alone.order.header.gross,
        ), "as if the kit were one line"  # fmt: skip
    if not price % unit and not discount and not whole:
        for kept in {0, 1, count // 2, count}:
            quantities = {line.line_no: kept * pieces for line, (pieces, _) in zip(lines, parts, strict=True)}
            kept_worth = totals(priced(lines), quantities, inclusive=True, unit=unit).gross
            assert kept_worth == price * kept, "each kit has the same share of it"
    more = tuple(of(line.line_no, 2 * pieces) for line, (pieces, _) in zip(lines, parts, strict=True))
    book.do(EditOrder(order_id=ORDER, more=more))
    added = book.order.lines[len(parts) :]
    assert sum(line_amount(price, unit) for price in priced(added)) == rounded(2 * price, unit)
    assert {line.kit for line in added} == {Kit(len(parts) + 1, "set", "Breakfast set", 2, price)}
    assert not list(kits_are_whole(Case(book.order, (), frozenset())))


def test_an_order_without_kits_reads_nothing_more_than_its_products() -> None:
    rows = Rows()
    for product in (MUG, SET):
        rows.declare(Product, product.sku)
        rows.loaded(product)
    assert list(to_place_kits(place(NewLine(sku="mug", quantity=1)), rows)) == []
    assert list(to_place_kits(place(sets(1)), rows)) == [(Product, "mug"), (Product, "plate")]


def test_what_is_wrong_with_a_line_of_a_kit_is_said_of_that_line() -> None:
    with pytest.raises(Refused, match="discount of set is more") as refused:
        placed(NewLine(sku="mug", quantity=1), sets(1, discount=Decimal(21)))
    assert refused.value.field == "lines.1.discount"
    book = Book(MUG, SET)
    with pytest.raises(Refused, match="component plate is no goods of the catalogue") as refused:
        book.do(place(sets(1)))
    assert refused.value.field == "lines.0.sku"
    large = replace(SET, components=tuple(Component(sku=f"p{i}", pieces=1) for i in range(50)))
    book = Book(large, *(replace(MUG, sku=f"p{i}") for i in range(50)))
    with pytest.raises(Refused, match="at most 2000 lines"):
        book.do(place(*(sets(1) for _ in range(41))))


def test_postage_that_is_part_of_the_sale_goes_by_the_lines_of_kits_too() -> None:
    book = Book(MUG, PLATE, SET, POST, postage_vat="goods")
    book.do(place(sets(1), NewLine(sku="post", quantity=1)))
    assert [(line.line_no, line.sku, line.vat_rate) for line in book.all(Line)] == [
        (1, "mug", Decimal(9)), (2, "plate", Decimal(9)), (3, "post", Decimal(9)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lines", [(of(2, 2),), (of(3, 1),), (of(2, 1), of(3, 1)), (of(2, 4), of(3, 1)), (of(1, 1), of(2, 2))]
)
def test_a_component_is_not_cancelled_or_added_alone(lines: Any) -> None:
    book = placed(NewLine(sku="mug", quantity=1), sets(2))
    for wish in (
        cancel(*lines), EditOrder(order_id=ORDER, less=lines), EditOrder(order_id=ORDER, more=lines),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            book.do(wish)
        assert refused.value.reason == (
            "Lines 2, 3 are the kit set, which is changed as a whole: 2 x mug + 1 x plate for each."
        )


def test_of_two_kits_one_is_cancelled_with_all_its_lines() -> None:
    book = placed(sets(2))
    book.do(cancel(of(1, 2), of(2, 1)))
    assert book.order.progress.cancelled == ((1, 2), (2, 1))
    assert book.only(AuthorisePayment).due == Decimal("21.80"), "one kit with its VAT"
    book.do(EditOrder(order_id=ORDER, add=(sets(3),)))
    assert [(line.line_no, line.quantity, line.kit and line.kit.no) for line in book.order.lines[2:]] == [
        (3, 6, 3), (4, 3, 3),
    ]  # fmt: skip
    book.do(EditOrder(order_id=ORDER, less=(of(3, 6), of(4, 3))))
    assert book.order.progress.cancelled == ((1, 2), (2, 1), (3, 6), (4, 3))


def order_of(*lines: NewLine, **fields: Any) -> Order:
    """Placed, asked for, paid."""
    return after(placed(*lines, **fields).order, money(1, 1000))


def test_what_cannot_be_had_of_one_component_takes_the_kits_with_it() -> None:
    order = order_of(sets(3))
    order = after(order, stock(1, (1, "north", 3), (2, "north", 3), rejected={1: 3}))
    assert order.progress.cancelled == ((1, 4), (2, 2)), "of six mugs three are there: one kit"
    assert not list(kits_are_whole(Case(order, (), frozenset())))


def test_kits_partly_in_a_shipment_are_pulled_back_with_what_is_given_up_besides() -> None:
    order = order_of(sets(1))
    order, asks = react(order, stock(1, (1, "north", 2), backordered={2: 1}))
    assert [ask.warehouse for ask in asks if isinstance(ask, PlanShipment)] == ["north"]
    order, asks = react(order, stock(1, (1, "north", 2), rejected={2: 1}, version=2))
    assert order.progress.cancelled == ((2, 1),)
    assert order.progress.cancel_wanted == ((1, 2), (2, 1))
    assert [type(ask) for ask in asks if isinstance(ask, CancelShipment)] == [CancelShipment]


def test_sc25_a_kit_counts_when_it_is_complete_and_what_is_out_besides_is_listed() -> None:
    order = order_of(sets(2))
    order = after(order, stock(1, (1, "north", 4), (2, "north", 1), backordered={2: 1}))
    assert order.shipments[0].planned == ((1, 4), (2, 1))
    order = after(order, shipment(order, 1, "dispatched"))
    (kit,) = described(order)
    assert (kit["ordered"], kit["shipped"], kit["delivered"], kit["open"]) == (2, 1, 0, True)
    assert kit["leftovers"] == [{"line_no": 1, "sku": "mug", "quantity": 2}]
    order = after(order, shipment(order, 1, "delivered", version=2), CancelOrder(order_id=ORDER))
    assert order.progress.cancelled == ((2, 1),)
    (kit,) = described(order)
    assert (kit["shipped"], kit["delivered"], kit["open"]) == (1, 1, False)
    assert kit["leftovers"] == [{"line_no": 1, "sku": "mug", "quantity": 2}]
    assert not list(kits_are_whole(Case(order, (), frozenset())))


def test_of_a_kit_that_is_partly_out_the_rest_is_cancelled_by_naming_what_is_left() -> None:
    book = placed(sets(1))
    order = after(book.order, money(1, 1000), stock(1, (1, "north", 2), backordered={2: 1}))
    order = after(order, shipment(order, 1, "dispatched"))
    rest = Book(*[order.progress, order.header, *order.lines, order.stock, order.money, *order.shipments])
    rest.do(EditOrder(order_id=ORDER, less=(of(2, 1),)))
    assert rest.order.progress.cancelled == ((2, 1),)


def test_the_law_sees_a_kit_that_is_not_whole() -> None:
    order = order_of(sets(2))
    broken = order.moved(cancel_wanted=((1, 2),))
    assert list(kits_are_whole(Case(broken, (), frozenset())))
    torn = order.but(lines=(replace(order.lines[0], quantity=3), order.lines[1]))
    assert list(kits_are_whole(Case(torn, (), frozenset())))
    apart = order.but(lines=(replace(order.lines[0], kit=replace(SET_OF, count=1)), order.lines[1]))
    assert list(kits_are_whole(Case(apart, (), frozenset())))


SET_OF = Kit(1, "set", "Breakfast set", 2, Decimal("20.00"))


def test_whether_a_product_is_in_a_kit_is_known_from_it() -> None:
    book = Book(MUG, PLATE, POST)
    book.do(RegisterProducts(products=(asdict(SET),)))
    with pytest.raises(Refused, match="mug is a component of the kit set"):
        book.do(RegisterProducts(products=({"sku": "mug", "kind": "service"},)))
    book.do(RegisterProducts(products=({"sku": "set", "components": SET.components[1:]},)))
    book.do(RegisterProducts(products=({"sku": "mug", "kind": "service"},)))


def test_of_two_words_on_a_kit_the_later_has_the_higher_version_whatever_the_clock_says() -> None:
    """The simulation found the elder one kept, as a clock had been set back (seed 31)."""
    book = Book(MUG, PLATE)
    catalogue = [
        (Component(sku="mug", pieces=2),), (Component(sku="mug", pieces=2),), (), (Component(sku="plate", pieces=1),),
    ]  # fmt: skip
    told = []
    for components in catalogue:
        book.now -= timedelta(hours=1)
        book.do(RegisterProducts(products=(ProductSold(sku="set", components=components),)))
        told += [(m.version, m.components) for m in book.all(KitChanged)]
    assert told == [(1, catalogue[0]), (2, ()), (3, catalogue[3])]
