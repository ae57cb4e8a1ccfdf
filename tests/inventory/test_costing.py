"""What stock is worth: the moving average, returns, late costs, and that no cent is lost (R-28)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.domain import Arrived, Costing, Entry, House, Left, Valuation, days_of, fold, spread

AT = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOUSE = House(Decimal("0.01"), ZoneInfo("UTC"))
ORDER = UUID(int=5)


def entry(n: int, kind: str, pieces: int = 0, cost: str | None = None, **more: Any) -> Entry:
    """The n-th, n minutes after nine."""
    told: dict[str, Any] = {"warehouse": "north", "line_no": 0, "at": AT + timedelta(minutes=n), "on_hand": pieces}
    unit_cost = None if cost is None else Decimal(cost)
    return Entry(UUID(int=n), "mug", kind=kind, unit_cost=unit_cost, **told | more)


class Book:
    """Folds one after the other, with what is beside each as the valuer finds it."""

    def __init__(self, house: House = HOUSE) -> None:
        self.house, self.costing = house, Costing("mug")
        self.valued: list[Valuation] = []
        self.folded: list[tuple[Costing, Valuation]] = []
        self.left, self.costs = Left(), dict[UUID, Decimal | None]()

    def fold(self, *entries: Entry, until: datetime | None = None, of: UUID | None = None) -> Valuation:
        for one in entries:
            beside: Left | Arrived | None = self.left
            if of is not None:
                pieces = next(v.pieces for v in self.valued if v.cause == of)
                beside = Arrived(pieces, self.costs[of])
                self.costs[of] = one.unit_cost
            self.costing, valued = fold(self.costing, one, beside, self.house, until)
            self.valued.append(valued)
            self.folded.append((self.costing, valued))
            if of is None:
                self.costs[one.cause] = valued.unit_cost
                self.left = self.left.after(valued) if one.order_id else self.left
        return valued

    @property
    def worth(self) -> tuple[int, Decimal]:
        return self.costing.pieces, self.costing.value


def test_pieces_leave_at_the_average_and_the_last_takes_what_is_left() -> None:
    book = Book()
    book.fold(entry(1, "receipt", 1, "10"), entry(2, "receipt", 2, "10.01"))
    assert book.worth == (3, Decimal("30.02"))
    sold = [book.fold(entry(n, "issue", -1)).value for n in (3, 4, 5)]
    assert sold == [Decimal("-10.01"), Decimal("-10.01"), Decimal("-10.00")]
    assert book.worth == (0, 0)
    assert book.costing.unit_cost == Decimal("10.00"), "what they cost when there last were any"


def test_a_return_comes_back_at_the_cost_it_left_with() -> None:
    book = Book()
    book.fold(entry(1, "receipt", 3, "3.33"))
    book.fold(entry(2, "issue", -3, order_id=ORDER), entry(3, "receipt", 10, "99"))
    first = book.fold(entry(4, "restock", 2, order_id=ORDER))
    second = book.fold(entry(5, "quarantine", 0, quarantined=1, order_id=ORDER))
    assert (first.value, second.value) == (Decimal("6.66"), Decimal("3.33"))
    more = book.fold(entry(6, "restock", 1, order_id=ORDER))
    assert more.value == rounded_average(book), "more came back than went: at the average"


def rounded_average(book: Book) -> Decimal:
    costing = book.folded[-2][0]
    return (costing.value / costing.pieces).quantize(Decimal("0.01"))


def test_a_late_cost_goes_to_what_is_left_and_the_rest_to_what_was_sold() -> None:
    book = Book()
    book.fold(entry(1, "receipt", 10, "2"), entry(2, "issue", -7))
    late = book.fold(entry(3, "cost_change", 0, "3"), of=UUID(int=1))
    assert (late.value, late.difference) == (Decimal("3.00"), Decimal("7.00"))
    assert book.worth == (3, Decimal("9.00"))
    again = book.fold(entry(4, "cost_change", 0, "3"), of=UUID(int=1))
    assert (again.value, again.difference) == (0, 0), "it says the cost in all"


def test_stock_is_never_worth_less_than_nothing_by_a_late_cost() -> None:
    book = Book()
    book.fold(entry(1, "receipt", 90), entry(2, "receipt", 10, "5"), entry(3, "issue", -60))
    late = book.fold(entry(4, "cost_change", 0, "0"), of=UUID(int=2))
    assert (late.value, late.difference) == (Decimal("-20.00"), Decimal("-30.00"))
    assert book.worth == (40, 0)


def test_goods_without_a_cost_are_worth_nothing_until_somebody_says_it() -> None:
    book = Book()
    assert book.fold(entry(1, "count", 4)).unit_cost is None
    assert book.fold(entry(2, "receipt", 6, "0")).unit_cost is None, "0 is what a form says where nobody typed"
    assert book.worth == (10, 0)
    book.fold(entry(3, "cost_change", 0, "2.50"), of=UUID(int=2))
    assert book.worth == (10, Decimal("15.00"))
    found = book.fold(entry(4, "found", 2))
    assert (found.value, found.unit_cost) == (Decimal("3.00"), Decimal("1.5"))


def test_a_transfer_carries_its_value_unchanged_and_places_sum_to_the_whole() -> None:
    book = Book()
    book.fold(entry(1, "receipt", 3, "3.34"))
    sent = book.fold(entry(2, "transfer", -2, in_transit=2))
    assert (sent.pieces, sent.value) == (0, 0)
    assert spread(book.costing, HOUSE.unit) == (("", 2, "6.68"), ("north", 1, "3.34"))
    book.fold(entry(3, "transfer", 1, in_transit=-1, warehouse="south"))
    lost = book.fold(entry(4, "transfer_loss", 0, in_transit=-1, warehouse="south"))
    assert lost.value == Decimal("-3.34")
    assert spread(book.costing, HOUSE.unit) == (("north", 1, "3.34"), ("south", 1, "3.34"))


@pytest.mark.parametrize(("came", "left", "difference"), [(10, "21.00", "3.00"), (2, "-2.00", "2.00")])
def test_what_was_out_before_it_came_is_made_good_at_what_it_cost(came: int, left: str, difference: str) -> None:
    """Clocks of copies of a service differ a little, so an issue may seem to be before its receipt."""
    book = Book()
    book.fold(entry(1, "receipt", 1, "2"), entry(2, "issue", -4))
    assert book.worth == (-3, Decimal("-6.00"))
    valued = book.fold(entry(3, "receipt", came, "3"))
    assert book.worth == (came - 3, Decimal(left))
    assert valued.difference == Decimal(difference), "which is cost of sales"


def test_what_was_reported_of_a_day_stays() -> None:
    book = Book(replace(HOUSE, zone=ZoneInfo("Europe/Brussels")))
    reported = datetime(2027, 3, 2, 12, tzinfo=UTC)
    valued = book.fold(entry(1, "receipt", 1, "2"), until=reported)
    assert (valued.at, valued.day) == (reported, date(2027, 3, 2))
    late = datetime(2027, 3, 2, 23, 30, tzinfo=UTC)  # half past midnight in Brussels
    assert book.fold(entry(2, "issue", -1, at=late)).day == date(2027, 3, 3)
    book.house = HOUSE
    assert book.fold(entry(3, "receipt", 1, "2", at=late)).day == date(2027, 3, 3), "another zone: no day goes back"


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("receipt", "receipt", "issue", "issue", "restock", "quarantine", "count", "found", "loss", "adjustment",
             "transfer", "transfer_loss", "cost_change")
        ),
        st.integers(1, 9),
        st.one_of(st.none(), st.decimals(0, 20, places=4)),
        st.integers(0, 40),
    ),
    max_size=40,
)  # fmt: skip


def entries_of(acts: list[tuple[str, int, Decimal | None, int]]) -> list[tuple[Entry, UUID | None]]:
    """What may happen, in some order; also more leaves than there is."""
    found: list[tuple[Entry, UUID | None]] = []
    arrivals: list[UUID] = []
    for n, (kind, pieces, cost, more) in enumerate(acts, 1):
        of = None
        told: dict[str, Any] = {"at": AT + timedelta(hours=n * 3)}
        if kind == "cost_change":
            if not arrivals:
                continue
            of, cost, pieces = arrivals[more % len(arrivals)], cost or Decimal(0), 0
        elif kind in ("issue", "loss"):
            pieces, cost = -pieces, None
            told["order_id"] = ORDER if kind == "issue" else None
        elif kind in ("restock", "quarantine"):
            told |= {"order_id": ORDER, "on_hand": pieces, "quarantined": 0}
            cost = None
        elif kind == "transfer":
            told["in_transit"] = -pieces
        elif kind == "transfer_loss":
            told |= {"in_transit": -pieces, "on_hand": 0}
        elif more % 2 and kind in ("count", "adjustment"):
            pieces, cost = -pieces, None
        made = entry(n, kind, pieces, None if cost is None else str(cost), **told)
        if kind in ("receipt", "count", "found", "adjustment") and pieces > 0:
            arrivals.append(made.cause)
        found.append((made, of))
    return found


@given(ACTS, st.integers(0, 40))
def test_values_of_movements_sum_to_the_value_of_the_stock(
    acts: list[tuple[str, int, Decimal | None, int]], cut: int
) -> None:
    """Always, to the cent; at once or in pieces; by place and by day as well."""
    entries = entries_of(acts)
    book, never_more_back = Book(), True
    for one, of in entries:
        book.fold(one, of=of)
        costing = book.costing
        assert costing.value == sum((v.value for v in book.valued), Decimal(0))
        assert costing.pieces == sum(v.pieces for v in book.valued) == sum(n for _, n in costing.places)
        assert costing.value % HOUSE.unit == 0
        assert costing.pieces or not costing.value, "nothing is worth nothing"
        assert costing.value >= 0 or costing.pieces < 0
        assert sum((Decimal(value) for *_, value in spread(costing, HOUSE.unit)), Decimal(0)) == costing.value
        never_more_back = never_more_back and book.left.back <= book.left.out
    assert not never_more_back or book.left.back_value <= book.left.out_value
    days = days_of(book.folded, HOUSE)
    ends = Decimal(0)
    for day in days:
        ends += day.received_value - day.sold_value + day.returned_value + day.adjusted_value + day.changed_value
        assert day.value == ends
    first, second = days_of(book.folded[:cut], HOUSE), days_of(book.folded[cut:], HOUSE)
    assert sum((d.sold_value for d in days), Decimal(0)) == sum((d.sold_value for d in first + second), Decimal(0))
    again = Book()
    for n, (one, of) in enumerate(entries):
        if n == cut:  # what a database keeps of it is all that goes on
            again.costing = Costing(**{name: getattr(again.costing, name) for name in again.costing.__slots__})
        again.fold(one, of=of)
    assert again.valued == book.valued
