"""One step of the valuer without its reads and writes: in which order what moved is folded, and what comes of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from services.inventory.domain.costing import (
    COST_CHANGE,
    RETURNED,
    Arrived,
    Costing,
    Day,
    Entry,
    House,
    Left,
    days_of,
    fold,
)
from services.inventory.domain.rows import Valuation

Key = tuple[UUID, str, str, int, str]
"""Of a movement, as its table has it."""
OrderLine = tuple[UUID | None, str, int]
"""Order, SKU, number of the line."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What is folded next. `arrival`: the movement that a change of cost is about, and the pieces that it brought."""

    entry: Entry
    arrival: Key | None = None
    pieces: int = 0

    @property
    def at(self) -> datetime:
        return self.entry.at


def merged(moved: Sequence[Ready], changed: Sequence[Ready], at_once: int) -> tuple[list[Ready], bool]:
    """Movements and changes of costs by their moments, of one moment movements first; whether there is more.

    Each is what there is, up to `at_once` of it: of a list that is full nobody knows what comes next, so the other is
    not read beyond its end.
    """
    cuts = [found[-1].at for found in (moved, changed) if len(found) == at_once]
    entries = sorted((*moved, *changed), key=lambda of: of.at)  # stable
    return ([of for of in entries if of.at <= min(cuts)], True) if cuts else (entries, False)


def orders_of_returns(entries: Collection[Ready]) -> set[UUID]:
    """Of which orders it must be known what left at which cost."""
    return {of.entry.order_id for of in entries if of.entry.kind in RETURNED and of.entry.order_id is not None}


@dataclass(frozen=True, slots=True)
class Folded:
    """What one step writes."""

    valuations: list[Valuation]
    costings: list[Costing]
    days: list[Day]


def fold_all(
    entries: Sequence[Ready],
    known: Mapping[str, Costing],
    out: Mapping[OrderLine, Left],
    said: Mapping[Key, Decimal | None],
    house: House,
    until: datetime | None,
) -> Folded:
    """One after the other. `known`: the costings of their SKUs as far as there are any; `out`: what left for the
    order lines of returns; `said`: what the arrivals that costs are changed of are known to cost so far."""
    skus = sorted({of.entry.sku for of in entries})
    costings = {sku: known.get(sku) or Costing(sku) for sku in skus}
    left, costs = dict(out), dict(said)
    folded: dict[str, list[tuple[Costing, Valuation]]] = defaultdict(list)
    for ready in entries:
        entry = ready.entry
        beside: Left | Arrived | None = None
        line = (entry.order_id, entry.sku, entry.line_no)
        if ready.arrival is not None:
            beside = Arrived(ready.pieces, costs.get(ready.arrival))
            costs[ready.arrival] = entry.unit_cost
        elif entry.order_id is not None:
            beside = left.get(line) or Left()
        costing, valued = fold(costings[entry.sku], entry, beside, house, until)
        costings[entry.sku] = costing
        folded[entry.sku].append((costing, valued))
        if isinstance(beside, Left):
            left[line] = beside.after(valued)
        if entry.kind != COST_CHANGE:
            costs[entry.cause, entry.sku, entry.warehouse, entry.line_no, entry.kind] = valued.unit_cost
    return Folded(
        [of for sku in skus for _, of in folded[sku]],
        list(costings.values()),
        [day for sku in skus for day in days_of(folded[sku], house)],
    )
