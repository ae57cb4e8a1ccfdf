"""The arithmetic of money: SC-15..SC-20 to the cent, and R-02..R-08 as properties over random orders and cuts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts import money
from shared.contracts.values import PriceLine

D = Decimal
CENT = D("0.01")


def line(
    no: int, quantity: int, price: str, rate: str = "20", *, discount: str = "0", category: str = "S"
) -> PriceLine:
    return PriceLine(
        line_no=no,
        sku=f"SKU-{no}",
        quantity=quantity,
        unit_price=D(price),
        discount=D(discount),
        vat_rate=D(rate),
        vat_category=category,
    )


def ordered(lines: Sequence[PriceLine]) -> dict[int, int]:
    return {one.line_no: one.quantity for one in lines}


def credited_in_turn(
    invoice: money.Totals, steps: Sequence[Mapping[int, int]], *, inclusive: bool, unit: D = CENT
) -> list[money.Totals]:
    """The credit notes for cumulative quantities, one after the other."""
    before: Mapping[int, int] = {}
    notes = []
    for after in steps:
        notes.append(money.credit(invoice, before, after, inclusive=inclusive, unit=unit))
        before = after
    return notes


# Scenarios


def test_sc15_credits_line_by_line_close_to_the_cent() -> None:
    lines = [line(1, 1, "68.33"), line(2, 1, "57.50"), line(3, 1, "85.00"), line(4, 1, "68.33")]
    invoice = money.totals(lines, inclusive=False)
    assert (invoice.net, invoice.vat, invoice.gross) == (D("279.16"), D("55.83"), D("334.99"))
    steps = [dict.fromkeys(range(1, last + 1), 1) for last in range(1, 5)]
    notes = credited_in_turn(invoice, steps, inclusive=False)
    assert [note.gross for note in notes] == [D("82.00"), D("69.00"), D("102.00"), D("81.99")]
    assert sum(note.gross for note in notes) == D("334.99")


def test_sc16_rounding_of_a_credit_mirrors_the_invoice() -> None:
    assert money.rounded(D("12.345")) == D("12.35")
    assert money.rounded(D("-12.345")) == D("-12.35")
    invoice = money.totals([line(1, 1, "12.345")], inclusive=False)
    negative = money.totals([line(1, 1, "-12.345")], inclusive=False)
    assert (invoice.net, invoice.vat, invoice.gross) == (D("12.35"), D("2.47"), D("14.82"))
    assert (negative.net, negative.vat, negative.gross) == (D("-12.35"), D("-2.47"), D("-14.82"))


def test_sc16_no_amount_is_a_negative_zero() -> None:
    assert str(money.rounded(D("-0.001"))) == "0.00"
    assert [str(part) for part in money.allocate(D("-0.01"), [D(1), D(1), D(1)])] == ["-0.01", "0.00", "0.00"]
    assert [str(part) for part in money.allocate(D("-5.00"), [D(0), D(0)])] == ["-5.00", "0.00"]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("0", "EUR", "0.00"), ("0.00", "JPY", "0"), ("100.00", "JPY", "100"), ("1.5", "KWD", "1.500"),
        ("0.000451", "EUR", "0.000451"), ("0.5", "JPY", "0.5"), ("-0.00", "EUR", "0.00"), ("-3", "EUR", "-3.00"),
    ],
)  # fmt: skip
def test_an_amount_is_written_with_the_decimals_of_its_currency_and_never_rounded(
    amount: str, currency: str, text: str
) -> None:
    assert f"{money.written(Decimal(amount), currency):f}" == text


def test_sc17_a_long_line_with_a_percentage_off() -> None:
    off = D("348.35") * 16 * D("0.04")
    one = line(1, 16, "348.35", "22", discount=str(off))
    invoice = money.totals([one], inclusive=False)
    assert (invoice.net, invoice.vat, invoice.gross) == (D("5350.66"), D("1177.15"), D("6527.81"))


@pytest.mark.parametrize("split", [[9], [1] * 9, [4, 5]])
def test_sc17_vat_is_the_same_for_one_line_or_nine(split: list[int]) -> None:
    lines = [line(no, quantity, "13.60", "6") for no, quantity in enumerate(split, 1)]
    invoice = money.totals(lines, inclusive=False)
    assert (invoice.net, invoice.vat) == (D("122.40"), D("7.34"))


def test_sc18_inclusive_prices_keep_the_gross() -> None:
    invoice = money.totals([line(no, 1, "10.00", "15") for no in (1, 2, 3)], inclusive=True)
    assert (invoice.gross, invoice.vat, invoice.net) == (D("30.00"), D("3.91"), D("26.09"))
    assert [one.net for one in invoice.lines] == [D("8.70"), D("8.70"), D("8.69")]
    assert [one.amount for one in invoice.lines] == [D("10.00")] * 3


def test_sc19_a_full_refund_includes_shipping_and_its_vat() -> None:
    lines = [line(1, 2, "10.00"), line(2, 1, "4.95").model_copy(update={"kind": "shipping"})]
    invoice = money.totals(lines, inclusive=False)
    goods, shipping = credited_in_turn(invoice, [{1: 2}, {1: 2, 2: 1}], inclusive=False)
    assert (goods.gross, shipping.net, shipping.vat) == (D("24.00"), D("4.95"), D("0.99"))
    assert goods.gross + shipping.gross == invoice.gross == D("29.94")


def test_sc19_nothing_is_credited_twice_or_beyond_what_was_invoiced() -> None:
    invoice = money.totals([line(1, 2, "10.00")], inclusive=False)
    with pytest.raises(ValueError, match="1 to 3 of 2"):
        money.credit(invoice, {1: 1}, {1: 3}, inclusive=False)
    with pytest.raises(ValueError, match="2 to 1 of 2"):
        money.credit(invoice, {1: 2}, {1: 1}, inclusive=False)
    with pytest.raises(ValueError, match=r"no such lines: \[7\]"):
        money.credit(invoice, {}, {7: 1}, inclusive=False)


def test_sc20_a_refunded_line_takes_back_its_share_of_the_order_discount_only() -> None:
    plain = [line(1, 1, "30.00"), line(2, 2, "10.00"), line(3, 1, "50.00")]
    shares = money.allocate(D("10.00"), [money.line_amount(one) for one in plain])
    assert shares == [D("3.00"), D("2.00"), D("5.00")]
    lines = [one.model_copy(update={"discount": share}) for one, share in zip(plain, shares, strict=True)]
    invoice = money.totals(lines, inclusive=False)
    first, rest = credited_in_turn(invoice, [{2: 1}, {1: 1, 2: 2, 3: 1}], inclusive=False)
    assert first.net == D("9.00")
    assert {one.line_no: one.amount for one in rest.lines} == {1: D("27.00"), 2: D("9.00"), 3: D("45.00")}
    assert first.gross + rest.gross == invoice.gross


# Rules


def test_r03_a_line_is_rounded_once_after_its_discount() -> None:
    assert money.line_amount(line(1, 3, "0.333333", discount="0.005")) == D("0.99")
    assert money.line_amount(line(1, 3, "0.335", discount="0.01")) == D("1.00")  # rounding the price would say 1.01


def test_r04_vat_is_rounded_once_per_category_and_rate() -> None:
    lines = [line(1, 1, "0.12"), line(2, 1, "0.12"), line(3, 1, "0.12", "0", category="E"), line(4, 1, "0.12", "0")]
    invoice = money.totals(lines, inclusive=False)
    assert [(g.category, g.rate, g.base, g.vat) for g in invoice.groups] == [
        ("S", D(20), D("0.24"), D("0.05")),  # 0.02 + 0.02 by lines
        ("E", D(0), D("0.12"), D("0.00")),
        ("S", D(0), D("0.12"), D("0.00")),
    ]


def test_r05_with_a_rate_of_nothing_gross_is_net() -> None:
    invoice = money.totals([line(1, 3, "3.33", "0")], inclusive=True)
    assert (invoice.net, invoice.vat, invoice.gross) == (D("9.99"), D("0.00"), D("9.99"))


def test_r08_an_invoice_off_its_rate_by_a_cent_is_credited_without_a_negative_net() -> None:
    """Three shipments of one cent each at 50 % included: VAT 0.00, 0.01, 0.00; each is credited as it was invoiced."""
    pieces = [line(1, 3, "0.01", "50")]
    for first in range(3):
        invoice = money.part(money.pieces_of(pieces), {1: first}, {1: first + 1}, inclusive=True)
        note = money.credit(invoice, {}, {1: 1}, inclusive=True)
        assert (note.net, note.vat, note.gross) == (invoice.net, invoice.vat, invoice.gross)


def test_r08_a_line_worth_nothing_brings_no_vat_when_it_is_credited_last() -> None:
    lines = [line(1, 1, "0.12"), line(2, 1, "0.12"), line(3, 1, "0.00")]
    invoice = money.totals(lines, inclusive=False)
    notes = credited_in_turn(invoice, [{1: 1}, {1: 1, 2: 1}, {1: 1, 2: 1, 3: 1}], inclusive=False)
    assert [note.vat for note in notes] == [D("0.02"), D("0.03"), D("0.00")]


def test_r08_a_charge_and_its_counter_entry_close_to_nothing() -> None:
    """Lines of both signs in one group: 100.00 and -100.00, credited one after the other."""
    lines = [line(1, 1, "100.00"), line(2, 1, "-100.00"), line(3, 1, "0.03")]
    invoice = money.totals(lines, inclusive=False)
    notes = credited_in_turn(invoice, [{1: 1}, {1: 1, 2: 1}, {1: 1, 2: 1, 3: 1}], inclusive=False)
    assert [note.vat for note in notes] == [D("20.00"), D("-20.00"), D("0.01")]


@pytest.mark.parametrize(
    ("currency", "unit"),
    [("EUR", "0.01"), ("JPY", "1"), ("XOF", "1"), ("XPF", "1"), ("KWD", "0.001"), ("CLF", "0.0001")],
)
def test_the_unit_of_a_currency_is_its_iso_4217_exponent(currency: str, unit: str) -> None:
    assert money.unit_of(currency) == D(unit)


def test_yen_have_no_decimals_anywhere() -> None:
    invoice = money.totals([line(1, 3, "333", "10")], inclusive=False, unit=money.unit_of("JPY"))
    assert (str(invoice.net), str(invoice.vat), str(invoice.gross)) == ("999", "100", "1099")


# Properties

AMOUNTS = st.integers(min_value=-(10**9), max_value=10**9).map(lambda cents: D(cents).scaleb(-2))
WEIGHTS = st.lists(st.decimals(min_value=0, max_value=10**6, places=3), min_size=1, max_size=12)
SIGNED = st.lists(st.decimals(min_value=-(10**4), max_value=10**4, places=2), min_size=1, max_size=8)


@given(AMOUNTS, WEIGHTS | SIGNED)
@settings(max_examples=300, deadline=None)
def test_r07_shares_sum_mirror_and_are_within_one_unit(total: D, weights: list[D]) -> None:
    parts = money.allocate(total, weights)
    assert sum(parts) == total
    assert money.allocate(-total, weights) == [-part for part in parts]
    whole = sum(weights)
    if whole:
        assert all(abs(part - total * weight / whole) < CENT for part, weight in zip(parts, weights, strict=True))
    if all(weight >= 0 for weight in weights):
        assert all(part * total >= 0 for part in parts)


def test_r07_a_remainder_of_the_other_sign_is_never_the_one_filled_up() -> None:
    assert money.allocate(D("1.00"), [D("3"), D("3"), D("-5")]) == [D("3.00"), D("3.00"), D("-5.00")]
    weights = [D("2.3"), D("-0.9"), D("-0.4")]
    parts = money.allocate(D("0.01"), weights)
    assert all(abs(part - weight * CENT) < CENT for part, weight in zip(parts, weights, strict=True))


def test_r07_what_cannot_be_spread_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        money.allocate(D("0.005"), [D(1)])
    with pytest.raises(ValueError, match="nothing to spread"):
        money.allocate(D("0.01"), [])
    assert money.allocate(D("0.00"), []) == []


@given(AMOUNTS, AMOUNTS)
@settings(deadline=None)
def test_r02_rounding_is_symmetric(amount: D, other: D) -> None:
    exact = amount * other / 7
    assert money.rounded(-exact) == -money.rounded(exact)
    assert abs(money.rounded(exact) - exact) <= CENT / 2


RATES = st.sampled_from([("S", "20"), ("S", "5"), ("S", "22"), ("S", "5.5"), ("Z", "0"), ("S", "50"), ("E", "0")])


@st.composite
def price_lines(draw: st.DrawFn) -> list[PriceLine]:
    lines = []
    for no in range(1, draw(st.integers(1, 6)) + 1):
        quantity = draw(st.integers(1, 7))
        price = draw(st.one_of(st.integers(0, 30), st.integers(0, 10**7))) * D("0.001")
        discount = draw(st.sampled_from([D(0), D("0.04"), D("0.333333"), D(1)])) * quantity * price
        category, rate = draw(RATES)
        lines.append(
            line(no, quantity, str(price), rate, discount=str(discount.quantize(D("0.000001"))), category=category)
        )
    return lines


def cut(data: st.DataObject, quantities: Mapping[int, int]) -> list[dict[int, int]]:
    """Cumulative quantities of random parts; the last is everything. Parts may be as small as one piece."""
    left = [no for no, quantity in quantities.items() for _ in range(quantity)]
    left = data.draw(st.permutations(left))
    reached = dict.fromkeys(quantities, 0)
    steps = []
    while left:
        size = data.draw(st.integers(1, len(left)))
        for no in left[:size]:
            reached[no] += 1
        left = left[size:]
        steps.append(dict(reached))
    return steps


def groups(documents: Sequence[money.Totals]) -> dict[tuple[str, D], tuple[D, D]]:
    sums: dict[tuple[str, D], tuple[D, D]] = {}
    for document in documents:
        for group in document.groups:
            base, vat = sums.get((group.category, group.rate), (D(0), D(0)))
            sums[group.category, group.rate] = (base + group.base, vat + group.vat)
    return sums


def amounts(documents: Sequence[money.Totals]) -> dict[int, tuple[int, D]]:
    sums: dict[int, tuple[int, D]] = {}
    for document in documents:
        for one in document.lines:
            quantity, amount = sums.get(one.line_no, (0, D(0)))
            sums[one.line_no] = (quantity + one.quantity, amount + one.amount)
    return sums


def assert_sound(document: money.Totals, *, inclusive: bool) -> None:
    """What holds within any one document."""
    assert document.net == sum(one.net for one in document.lines) == sum(group.base for group in document.groups)
    assert document.vat == sum(group.vat for group in document.groups)
    assert document.gross == document.net + document.vat
    priced = document.gross if inclusive else document.net
    assert priced == sum(one.amount for one in document.lines)
    assert document.net >= 0
    assert document.vat >= 0
    for group in document.groups:
        of_group = [one for one in document.lines if (one.category, one.rate) == (group.category, group.rate)]
        assert group.base == sum(one.net for one in of_group)
        assert group.base >= 0
        assert group.vat >= 0
    assert all(one.net >= 0 and one.amount >= one.net for one in document.lines)


def assert_parts_make(whole: money.Totals, parts: Sequence[money.Totals]) -> None:
    assert groups(parts) == groups([whole])
    assert amounts(parts) == amounts([whole])
    assert sum(part.net for part in parts) == whole.net
    assert sum(part.vat for part in parts) == whole.vat
    assert sum(part.gross for part in parts) == whole.gross


@given(st.data(), price_lines(), st.booleans(), st.sampled_from([CENT, D(1), D("0.001")]))
@settings(max_examples=400, deadline=None)
def test_parts_of_an_order_sum_to_it_and_credits_of_a_part_sum_to_the_part(
    data: st.DataObject, lines: list[PriceLine], inclusive: bool, unit: D
) -> None:
    whole = money.totals(lines, inclusive=inclusive, unit=unit)
    assert_sound(whole, inclusive=inclusive)
    for group in whole.groups:
        gross = group.base + group.vat
        exact = gross * group.rate / (100 + group.rate) if inclusive else group.base * group.rate / 100
        assert group.vat == money.rounded(exact, unit)
    before: Mapping[int, int] = {}
    invoices = []
    for after in cut(data, ordered(lines)):
        invoices.append(money.part(money.pieces_of(lines, unit), before, after, inclusive=inclusive, unit=unit))
        before = after
    assert_parts_make(whole, invoices)
    for invoice in invoices:
        assert_sound(invoice, inclusive=inclusive)
        billed = {one.line_no: one.quantity for one in invoice.lines}
        notes = credited_in_turn(invoice, cut(data, billed), inclusive=inclusive, unit=unit)
        assert_parts_make(invoice, notes)
        credited = D(0)
        for note in notes:
            assert_sound(note, inclusive=inclusive)
            credited += note.gross
            assert credited <= invoice.gross


@given(price_lines(), st.booleans())
@settings(deadline=None)
def test_one_credit_of_everything_is_the_invoice_again(lines: list[PriceLine], inclusive: bool) -> None:
    invoice = money.totals(lines, inclusive=inclusive)
    assert money.credit(invoice, {}, ordered(lines), inclusive=inclusive) == invoice


@given(price_lines(), st.booleans())
@settings(deadline=None)
def test_a_negative_document_mirrors_the_positive_one(lines: list[PriceLine], inclusive: bool) -> None:
    mirrored = [one.model_copy(update={"unit_price": -one.unit_price, "discount": -one.discount}) for one in lines]
    positive, negative = (money.totals(which, inclusive=inclusive) for which in (lines, mirrored))
    assert (negative.net, negative.vat, negative.gross) == (-positive.net, -positive.vat, -positive.gross)
    assert [one.net for one in negative.lines] == [-one.net for one in positive.lines]
