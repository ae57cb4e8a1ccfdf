"""The laws of what stock is worth: I32 and I33, and what a fold must come to whatever its order."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from comptoir.invariants import value
from comptoir.simulate.machine import Broken
from comptoir.simulate.snapshots import INVENTORY, Snapshots
from services.inventory.domain import COST_CHANGE, RETURNED, Costing, Day
from services.inventory.domain import rows as inventory

ZERO = Decimal(0)
HALF_A_CENT = Decimal("0.005")


class Stored(Protocol):
    """What the valuer has stored."""

    costings: dict[str, Costing]
    days: dict[str, dict[date, Day]]
    values: dict[Any, Any]
    movements: dict[Any, Any]


@dataclass(slots=True)
class Sums:
    """Of the values of one SKU, in the order in which they were stored."""

    n: int = 0
    newest: int = 0
    pieces: int = 0
    value: Decimal = ZERO
    sold: int = 0
    moved: int = 0
    at: datetime | None = None
    day: date | None = None


@dataclass(slots=True)
class Line:
    """What left for an order line, and what of it came back."""

    out: int = 0
    out_value: Decimal = ZERO
    back: int = 0
    back_value: Decimal = ZERO


class WorthLaws:
    """Sums values as they are stored."""

    def __init__(self, seen: Snapshots, stored: Stored, counts: Counter[str]) -> None:
        self.seen, self.stored, self.counts = seen, stored, counts
        self.sums: dict[str, Sums] = defaultdict(Sums)
        self.lines: dict[Any, Line] = defaultdict(Line)
        self.booked: dict[Any, Decimal] = {}  # of each arrival: what it added to stock and to cost of sales so far
        self.said: set[Any] = set()  # arrivals of which somebody said what they cost
        self.touched: dict[str, None] = {}

    # As values are stored

    def valued(self, values: Sequence[Any], until: datetime | None) -> None:
        """`until`: up to there stock was valued before."""
        for of in values:
            sums = self.sums[of.sku]
            if (until and of.at < until) or (sums.at and of.at < sums.at) or (sums.day and of.day < sums.day):
                raise Broken(f"I33: {of.kind} of {of.sku} counts at {of.at}, its stock was valued up to {until} before")
            if of.kind == COST_CHANGE:
                self._cost_was_said(of)
            else:
                self._moved(of, sums)
            sums.n += 1
            sums.newest = max(sums.newest, of.seq)
            sums.pieces += of.pieces
            sums.value += of.value
            sums.at, sums.day = of.at, of.day
            self.touched[of.sku] = None

    def _moved(self, of: Any, sums: Sums) -> None:
        counts, kind = self.counts, of.kind
        key = (of.cause, of.sku, of.warehouse, of.line_no, kind)
        m = self.stored.movements[key]
        sums.moved += m.on_hand + m.quarantined + m.in_transit
        counts[f"value: {kind}"] += 1
        counts["value: found late"] += m.at < of.at
        if of.pieces > 0:
            self.booked[key] = of.value + of.difference
        if kind == "issue":
            sums.sold -= of.pieces
            line = self.lines[of.order_id, of.sku, of.line_no]
            line.out -= of.pieces
            line.out_value -= of.value
            if (left := sums.pieces + of.pieces) <= 0:
                counts["value: the last piece leaves" if not left else "value: more leaves than came"] += 1
        elif kind in RETURNED:
            self._came_back(of, sums)
        elif kind == "receipt" and of.pieces:
            if of.unit_cost is not None:
                counts["value: at a cost"] += 1
            else:
                counts["value: bought in another currency" if m.unit_cost else "value: of unknown cost"] += 1
            counts["value: what had left is made good"] += of.difference != 0

    def _came_back(self, of: Any, sums: Sums) -> None:
        line = self.lines[of.order_id, of.sku, of.line_no]
        line.back += of.pieces
        line.back_value += of.value + of.difference
        if line.back > line.out:
            self.counts["value: comes back before it left"] += 1
            return
        over = line.back_value - line.out_value * line.back / line.out
        if over < -HALF_A_CENT or (over > HALF_A_CENT and of.value + of.difference):
            raise Broken(
                f"I33: {line.back} of {line.out} of line {of.line_no} of order {of.order_id} are back for "
                f"{line.back_value}, all left with {line.out_value}"
            )
        if sums.pieces > 0 and abs(of.value - sums.value * of.pieces / sums.pieces) > 1:
            self.counts["value: comes back at another cost than that of today"] += 1

    def _cost_was_said(self, of: Any) -> None:
        counts = self.counts
        c = self.seen.rows[INVENTORY][inventory.CostChange][(of.cause,)]
        key = (c.arrival, c.sku, c.warehouse, c.line_no, c.kind)  # type: ignore[attr-defined]
        counts["value: a cost is said again"] += key in self.said
        self.said.add(key)
        self.booked[key] += of.value + of.difference
        pieces = self.stored.values[key].pieces
        if abs(self.booked[key] - pieces * of.unit_cost) > HALF_A_CENT:
            raise Broken(
                f"I33: {pieces} {of.sku} cost {of.unit_cost} each as {of.cause} says, {self.booked[key]} is booked"
            )
        if of.value or of.difference:
            there = "all is there" if not of.difference else "a part has left" if of.value else "all has left"
            counts[f"value: a cost is said when {there}"] += 1

    # At any moment

    def check(self) -> None:
        """SKUs that were valued since the last check."""
        for sku in self.touched:
            self._worth(sku, 0)
        self.touched.clear()

    def _worth(self, sku: str, left_out: int) -> None:
        costing, sums = self.stored.costings.get(sku) or Costing(sku), self.sums[sku]
        days = self.stored.days.get(sku, {})
        last = days[max(days)] if days else Day(sku, date.min)
        worth = value.Worth(
            sku, costing.seq, costing.pieces, costing.value, sums.n, sums.newest, sums.pieces, sums.value, sums.sold,
            sums.moved, left_out, sum([_flow(day) for day in days.values()], ZERO),
            sum([day.sold for day in days.values()]), last.pieces, last.value,
        )  # fmt: skip
        self.seen.each(value.pieces_are_those_of_movements(worth), "I32")
        self.seen.each(value.value_is_the_sum_of_movements(worth), "I33")

    # At rest

    def check_rest(self) -> None:
        """All that moved is valued, and lies where its costing has it."""
        left_out: Counter[str] = Counter()
        places: dict[str, Counter[str]] = defaultdict(Counter)
        for key, m in self.stored.movements.items():
            left_out[m.sku] += key not in self.stored.values
            places[m.sku][m.warehouse] += m.on_hand + m.quarantined
            places[m.sku][""] += m.in_transit
        for sku, found in places.items():
            self._worth(sku, left_out[sku])
            costing = self.stored.costings.get(sku) or Costing(sku)
            self.seen.each(_places(costing, found), "I32")


def _places(costing: Costing, found: Mapping[str, int]) -> Sequence[str]:
    there = {place: pieces for place, pieces in found.items() if pieces}
    return [] if dict(costing.places) == there else [f"value of {costing.sku}: {costing.places}, there are {there}"]


def _flow(day: Day) -> Decimal:
    return day.received_value - day.sold_value + day.returned_value + day.adjusted_value + day.changed_value
