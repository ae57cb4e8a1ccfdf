"""What stock is worth: a moving average per SKU, perpetual (R-28, docs/adr/0021).

Movements are folded one after the other into the costing of their SKU, and each gets its value for good. Values are
whole minor units of the currency of the house, and what a piece costs is only ever their quotient: the value of the
stock is the sum of the values of its movements, and the last piece that leaves takes what is left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.inventory.domain.rows import Valuation
from shared.contracts.money import allocate, rounded

COST_CHANGE = "cost_change"
"""The kind of a valuation that is no movement: a person said what an arrival cost."""
RETURNED = ("restock", "quarantine")
ARRIVALS = ("receipt", "adjustment", "count", "found")
"""Movements whose cost a person may say, as far as they brought pieces in."""
IN_TRANSIT = ""
"""The place of what is between warehouses."""
PER_PIECE = Decimal("0.000001")
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class House:
    """The smallest amount of the currency of the house, and where its days begin."""

    unit: Decimal
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Costing:
    """What there is of a SKU, and what it is worth. `places`: pieces by warehouse, those in transit under "".

    `seq`: valuations so far; `unit_cost`: per piece when there last were any, None while no cost is known; `at` and
    `day`: of the last valuation; `sold_at`, `received_at`: when it was last sold, and when goods last came.
    """

    sku: str
    seq: int = 0
    pieces: int = 0
    value: Decimal = NOTHING
    unit_cost: Decimal | None = None
    at: datetime | None = None
    day: date | None = None
    sold_at: datetime | None = None
    received_at: datetime | None = None
    places: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What is folded: a movement, or the change of an arrival's cost.

    `unit_cost`: in the currency of the house, None where nobody said it in that currency.
    """

    cause: UUID
    sku: str
    warehouse: str
    line_no: int
    kind: str
    at: datetime
    on_hand: int = 0
    quarantined: int = 0
    in_transit: int = 0
    unit_cost: Decimal | None = None
    order_id: UUID | None = None

    @property
    def pieces(self) -> int:
        """So many more are ours, wherever they lie."""
        return self.on_hand + self.quarantined + self.in_transit


@dataclass(frozen=True, slots=True)
class Left:
    """What left for an order line, and what of it is back, in pieces and value."""

    out: int = 0
    out_value: Decimal = NOTHING
    back: int = 0
    back_value: Decimal = NOTHING

    def after(self, valued: Valuation) -> "Left":
        if valued.kind == "issue":
            return replace(self, out=self.out - valued.pieces, out_value=self.out_value - valued.value)
        if valued.kind in RETURNED:
            return replace(
                self, back=self.back + valued.pieces, back_value=self.back_value + valued.value + valued.difference
            )
        return self


@dataclass(frozen=True, slots=True)
class Arrived:
    """So many pieces came, at that cost as far as it is known by now."""

    pieces: int
    unit_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Day:
    """One SKU on one day: what it came to at the end, and what happened to pieces and value.

    `adjusted`: found, lost, counted and corrected; `changed_value`: costs that were said later, as far as the pieces
    are still there; `differences`: the rest of them, which is cost of sales.
    """

    sku: str
    day: date
    pieces: int = 0
    value: Decimal = NOTHING
    places: tuple[tuple[str, int, str], ...] = ()
    received: int = 0
    received_value: Decimal = NOTHING
    sold: int = 0
    sold_value: Decimal = NOTHING
    returned: int = 0
    returned_value: Decimal = NOTHING
    adjusted: int = 0
    adjusted_value: Decimal = NOTHING
    changed_value: Decimal = NOTHING
    differences: Decimal = NOTHING


def fold(
    known: Costing, entry: Entry, beside: Left | Arrived | None, house: House, until: datetime | None = None
) -> tuple[Costing, Valuation]:
    """The costing after it, and its value. `until`: reports up to there are out, so it counts after that.

    `beside`: what left for the order line of a return; the arrival that a change of cost is about.
    """
    at = max(moment for moment in (entry.at, known.at, until) if moment is not None)
    day = at.astimezone(house.zone).date()
    if known.day is not None:
        day = max(day, known.day)
    unit_cost = entry.unit_cost or None  # 0 is what a form says where nobody typed a cost; a change of cost means it
    difference = NOTHING
    if entry.kind == COST_CHANGE:
        assert isinstance(beside, Arrived)
        assert entry.unit_cost is not None
        unit_cost = entry.unit_cost
        value, difference = _changed(known, beside, unit_cost, house.unit)
    elif entry.pieces < 0:
        value = -_taken(known, -entry.pieces, house.unit)
        unit_cost = None
    elif entry.pieces == 0:
        value, unit_cost = NOTHING, None
    else:
        worth, unit_cost = _brought(known, entry, unit_cost, beside if isinstance(beside, Left) else None, house.unit)
        value = worth
        if known.pieces < 0:
            value = worth - (difference := _made_good(known, entry.pieces, worth, house.unit))
    pieces, total = known.pieces + entry.pieces, known.value + value
    average = known.unit_cost
    if pieces > 0 and (total or unit_cost is not None):
        average = rounded(total / pieces, PER_PIECE)
    sold = entry.kind == "issue"
    costing = Costing(
        known.sku,
        known.seq + 1,
        pieces,
        total,
        average,
        at,
        day,
        at if sold else known.sold_at,
        at if entry.kind == "receipt" else known.received_at,
        _placed(known.places, entry),
    )
    return costing, Valuation(
        entry.cause,
        entry.sku,
        entry.warehouse,
        entry.line_no,
        entry.kind,
        costing.seq,
        at,
        day,
        entry.pieces,
        value,
        unit_cost,
        difference,
        entry.order_id,
    )


def _taken(known: Costing, pieces: int, unit: Decimal) -> Decimal:
    """What so many pieces take with them: their share, all of it with the last; beyond what there is the last cost."""
    there = max(0, min(pieces, known.pieces))
    taken = known.value if there and there == known.pieces else NOTHING
    if there and there < known.pieces:
        taken = rounded(known.value * there / known.pieces, unit)
    return taken + rounded((pieces - there) * (known.unit_cost or NOTHING), unit)


def _brought(
    known: Costing, entry: Entry, said: Decimal | None, left: Left | None, unit: Decimal
) -> tuple[Decimal, Decimal | None]:
    """What pieces that came are worth, and their cost per piece: None where nobody knows it, and they are worth 0."""
    pieces = entry.pieces
    if entry.kind in RETURNED and left is not None and (of_those := max(0, min(pieces, left.out - left.back))):
        back = max(NOTHING, rounded(left.out_value * (left.back + of_those) / left.out, unit) - left.back_value)
        back += rounded((pieces - of_those) * (known.unit_cost or NOTHING), unit)
        return back, rounded(back / pieces, PER_PIECE)
    if said is None and entry.kind != "receipt":
        said = known.unit_cost  # found again, or counted: as those that are here
    return (NOTHING, None) if said is None else (rounded(pieces * said, unit), said)


def _made_good(known: Costing, pieces: int, worth: Decimal, unit: Decimal) -> Decimal:
    """More was out than had come. What these pieces cost more than was assumed of them is cost of sales."""
    missing = -known.pieces
    if pieces >= missing:
        return rounded(worth * missing / pieces, unit) + known.value
    return worth - rounded(-known.value * pieces / missing, unit)


def _changed(known: Costing, arrived: Arrived, unit_cost: Decimal, unit: Decimal) -> tuple[Decimal, Decimal]:
    """What the stock is worth more, and what sales cost more: by how many of as many pieces are still there (R-28).

    Stock is never worth less than nothing by it.
    """
    booked = rounded(arrived.pieces * (arrived.unit_cost or NOTHING), unit)
    more = rounded(arrived.pieces * unit_cost, unit) - booked
    there = max(0, min(known.pieces, arrived.pieces))
    kept = more if there == arrived.pieces else rounded(more * there / arrived.pieces, unit)
    kept = max(kept, -max(known.value, NOTHING))
    return kept, more - kept


def _placed(places: Iterable[tuple[str, int]], entry: Entry) -> tuple[tuple[str, int], ...]:
    there = dict(places)
    for place, pieces in ((entry.warehouse, entry.on_hand + entry.quarantined), (IN_TRANSIT, entry.in_transit)):
        there[place] = there.get(place, 0) + pieces
    return tuple(sorted((place, pieces) for place, pieces in there.items() if pieces))


def days_of(folded: Iterable[tuple[Costing, Valuation]], house: House) -> list[Day]:
    """What the valuations of one SKU, in their order, add to its days; the end of each is the last one's."""
    found: dict[date, Day] = {}
    for costing, of in folded:
        so_far = found.get(of.day) or Day(of.sku, of.day)
        found[of.day] = replace(
            so_far,
            pieces=costing.pieces,
            value=costing.value,
            places=spread(costing, house.unit),
            differences=so_far.differences + of.difference,
            **_flow(so_far, of),
        )
    return list(found.values())


def spread(costing: Costing, unit: Decimal) -> tuple[tuple[str, int, str], ...]:
    """Pieces and value by place; the values sum to that of the SKU."""
    values = allocate(costing.value, [Decimal(pieces) for _, pieces in costing.places], unit) if costing.places else []
    return tuple(
        (place, pieces, format(value, "f")) for (place, pieces), value in zip(costing.places, values, strict=True)
    )


def _flow(day: Day, of: Valuation) -> dict[str, Any]:
    match of.kind:
        case "receipt":
            return {"received": day.received + of.pieces, "received_value": day.received_value + of.value}
        case "issue":
            return {"sold": day.sold - of.pieces, "sold_value": day.sold_value - of.value}
        case "restock" | "quarantine":
            return {"returned": day.returned + of.pieces, "returned_value": day.returned_value + of.value}
        case "cost_change":
            return {"changed_value": day.changed_value + of.value}
    return {"adjusted": day.adjusted + of.pieces, "adjusted_value": day.adjusted_value + of.value}
