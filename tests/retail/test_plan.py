"""A file as actions: nothing lost, refunds matched, stock moved as expected."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from comptoir.retail.figures import movement_rows
from comptoir.retail.plan import (
    Action,
    Adjustment,
    CreditWithoutOrder,
    Plan,
    Refund,
    Sale,
    Tally,
    ample_opening,
    oracle_cutoff,
    oracle_opening,
    plan,
    stock_effects,
)
from comptoir.retail.reader import RetailLine
from tests.retail.builders import lines, row

D = Decimal


def of(kind: type[Action], made: Plan) -> list[Action]:
    return [action for action in made.actions if isinstance(action, kind)]


def assert_whole(made: Plan, file: list[RetailLine]) -> None:
    assert made.file == Tally(len(file), sum(x.quantity for x in file), sum((x.amount for x in file), D(0)))
    assert made.acted + made.report.total == made.file


def test_actions_and_report_are_the_whole_sample(sample: list[RetailLine]) -> None:
    assert_whole(plan(sample), sample)


def test_actions_and_report_are_the_whole_half_year(half_year: list[RetailLine]) -> None:
    made = plan(half_year)
    assert_whole(made, half_year)
    assert Counter(type(action).__name__ for action in made.actions) == {
        "Sale": 9659,
        "Refund": 1488,
        "CreditWithoutOrder": 689,
        "Adjustment": 1155,
    }
    assert made.report.reasons == {"no price and not a product": Tally(5, 2811, D(0))}
    assert made.report.unknown_countries == set()


def test_a_sale_has_the_valid_lines_of_its_invoice_with_their_vat() -> None:
    made = plan(
        lines(
            row("1", "85123A", 6, "2.55"),
            row("1", "22752", 3, "0.0"),
            row("1", "POST", 1, "18.00"),
            row("1", "85123A", 6, "2.55"),
        )
    )
    sale, adjustment = made.actions
    assert isinstance(sale, Sale)
    assert (sale.at, sale.customer, sale.country) == (datetime(2011, 10, 3, 10, tzinfo=UTC), "17850", "GB")
    assert [(x.line_no, x.code, x.quantity, x.vat.category, x.vat.rate, x.stocked) for x in sale.lines] == [
        (1, "85123A", 6, "S", D(20), True),
        (2, "POST", 1, "Z", D(0), False),
        (3, "85123A", 6, "S", D(20), True),  # an exact duplicate is another line
    ]
    assert isinstance(adjustment, Adjustment)
    assert [(x.code, x.quantity, x.movement) for x in adjustment.lines] == [("22752", 3, -3)]
    assert made.products() == {"85123A": "T-LIGHT HOLDER", "22752": "T-LIGHT HOLDER"}
    assert made.services() == {"POST": "T-LIGHT HOLDER"}
    assert made.customers() == ["17850"]


def test_a_cancellation_takes_the_oldest_sale_first_and_the_rest_is_a_credit_without_order() -> None:
    made = plan(
        lines(
            row("1", quantity=2),
            row("2", quantity=3),
            row("C3", quantity=-4),
            row("C4", quantity=-4),
            row("5", quantity=9),
        )
    )
    first, second = of(Refund, made)
    assert isinstance(first, Refund)
    assert isinstance(second, Refund)
    assert [(x.invoice, x.line_no, x.units) for x in first.pieces] == [("1", 1, 2), ("2", 1, 2)]
    assert first.by_sale() == {"1": {1: 2}, "2": {1: 2}}
    assert [(x.invoice, x.line_no, x.units) for x in second.pieces] == [("2", 1, 1)]
    (credit,) = of(CreditWithoutOrder, made)
    assert isinstance(credit, CreditWithoutOrder)
    assert [(x.units, x.reason, x.movement) for x in credit.lines] == [(3, "more than was sold", 3)]
    assert credit.amount == D("7.65")


@pytest.mark.parametrize(
    ("cancelled", "reason"),
    [
        (row("C2", quantity=-1, customer="12346.0"), "no earlier sale"),
        (row("C2", quantity=-1, price="2.5"), "no earlier sale"),  # the price is compared as it stands
        (row("C2", "22752", -1), "no earlier sale"),
        (row("C2", quantity=-1, customer=""), "nobody named"),
        (row("C2", quantity=-1, price="0.0"), "no price"),
    ],
)
def test_only_customer_code_and_price_together_make_a_match(cancelled: str, reason: str) -> None:
    made = plan(lines(row("1", price="2.50"), row("1", customer="", price="2.55"), cancelled))
    assert not of(Refund, made)
    (credit,) = of(CreditWithoutOrder, made)
    assert isinstance(credit, CreditWithoutOrder)
    assert [line.reason for line in credit.lines] == [reason]


def test_a_sale_after_the_cancellation_is_no_match() -> None:
    made = plan(lines(row("C1", quantity=-1), row("2")))
    assert [type(action) for action in made.actions] == [CreditWithoutOrder, Sale]


def test_the_largest_order_and_its_cancellation_twelve_minutes_later() -> None:
    made = plan(
        lines(
            row("581483", "23843", 80995, "2.08", at="2011-12-09 09:15:00", customer="16446.0"),
            row("C581484", "23843", -80995, "2.08", at="2011-12-09 09:27:00", customer="16446.0"),
        )
    )
    sale, refund = made.actions
    assert isinstance(sale, Sale)
    assert isinstance(refund, Refund)
    assert refund.by_sale() == {"581483": {1: 80995}}
    assert sum(line.quantity * line.price for line in sale.lines) == D("168469.60")
    assert ample_opening(made.actions) == {"23843": 80995}


def test_bad_debts_negative_prices_and_odd_lines_are_reported_not_dropped() -> None:
    file = lines(
        row("A563185", "B", 1, "11062.06", customer=""),
        row("A563186", "B", 1, "-11062.06", customer=""),
        row("A563187", "B", 1, "-11062.06", customer=""),
        row("7", "85123A", -2, "1.00"),
        row("8", "DOT", 3, "0.0"),
        row("9", country="Atlantis"),
    )
    made = plan(file)
    assert {reason: tally.lines for reason, tally in made.report.reasons.items()} == {
        "bad debt: an entry of the books without goods": 3,
        "quantity or price has no meaning on such an invoice": 1,
        "no price and not a product": 1,
    }
    assert made.report.reasons["bad debt: an entry of the books without goods"].amount == D("-11062.06")
    assert made.report.unknown_countries == {"Atlantis"}
    assert_whole(made, file)


def test_a_refund_never_stands_before_its_sale_though_invoices_interleave() -> None:
    made = plan(
        lines(
            row("C2", "22752", -1),
            row("1", "85123A", 5),
            row("C2", "85123A", -1),
            row("1", "84406B", 1),
        )
    )
    kinds = [(type(action).__name__, action.invoice) for action in made.actions]
    assert kinds == [("Sale", "1"), ("Refund", "C2"), ("CreditWithoutOrder", "C2")]


@pytest.mark.parametrize("which", ["sample", "half_year"])
def test_every_refunded_unit_was_sold_before_and_only_once(which: str, request: pytest.FixtureRequest) -> None:
    left: dict[tuple[str, int], int] = {}
    for action in plan(request.getfixturevalue(which)).actions:
        if isinstance(action, Sale):
            left.update({(action.invoice, line.line_no): line.quantity for line in action.lines})
        elif isinstance(action, Refund):
            for piece in action.pieces:
                left[piece.invoice, piece.line_no] -= piece.units
                assert left[piece.invoice, piece.line_no] >= 0


@pytest.mark.parametrize("which", ["sample", "half_year"])
def test_the_effects_on_stock_are_the_expected_net_movements(which: str, request: pytest.FixtureRequest) -> None:
    file = request.getfixturevalue(which)
    moved: Counter[str] = Counter()
    for action in plan(file).actions:
        for code, change in stock_effects(action):
            moved[code] += change
    expected = {row.stock_code: row.net_movement for row in movement_rows(file) if row.is_product}
    assert {code: moved[code] for code in expected} == expected
    assert set(moved) <= set(expected)


def lowest_levels(actions: tuple[Action, ...], opening: dict[str, int]) -> dict[str, int]:
    level = dict(opening)
    lowest = dict(opening)
    for action in actions:
        for code, change in stock_effects(action):
            level[code] = level.get(code, 0) + change
            lowest[code] = min(lowest.get(code, 0), level[code])
    return lowest


def test_ample_stock_is_the_least_that_never_runs_out(sample: list[RetailLine]) -> None:
    actions = plan(sample).actions
    opening = ample_opening(actions)
    assert all(units > 0 for units in opening.values())
    lowest = lowest_levels(actions, opening)
    assert min(lowest.values()) == 0
    assert all(lowest[code] == 0 for code in opening)  # one unit less of any would run out


def test_ample_stock_without_returns_covers_every_sale(sample: list[RetailLine]) -> None:
    actions = plan(sample).actions
    out: Counter[str] = Counter()
    for action in actions:
        out.update({code: 0 for code, _ in stock_effects(action)})
        for code, change in stock_effects(action):
            out[code] += max(-change, 0)
    assert ample_opening(actions, counting_returns=False) == {code: units for code, units in out.items() if units}


def test_the_opening_stock_of_the_oracle(half_year: list[RetailLine], sample: list[RetailLine]) -> None:
    made = plan(half_year)
    assert made.first_day is not None
    assert oracle_cutoff(made.first_day) == date(2010, 12, 29)
    opening = oracle_opening(made.actions, date(2010, 12, 29))
    assert (sum(opening.values()), len(opening)) == (1076247, 2779)
    opening = oracle_opening(plan(sample).actions, date(2010, 12, 29))
    assert (sum(opening.values()), len(opening)) == (528309, 2407)


def test_an_empty_file_is_an_empty_plan() -> None:
    made = plan(lines())
    assert made == Plan((), made.report, Tally(), None)
    assert made.report.total == Tally()
