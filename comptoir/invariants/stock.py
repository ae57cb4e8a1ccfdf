"""Stock: I1 to I4, over sums per shelf and per order line."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from comptoir.invariants.law import law


@dataclass(frozen=True, slots=True)
class Shelf:
    """One SKU in one warehouse: the level, the sums of its movements, and all that reservations hold of it."""

    sku: str
    warehouse: str
    on_hand: int
    reserved: int
    quarantined: int
    moved: int
    moved_quarantined: int
    promised: int

    @property
    def name(self) -> str:
        return f"{self.sku}@{self.warehouse}"


@dataclass(frozen=True, slots=True)
class LineSums:
    """One order line in inventory, summed over its warehouses, beside the movements that name it.

    `kept`: pieces that are in shipments already, so they stay reserved even if less is wanted now. `issued_stocked`
    leaves out postage and services, which lie on no shelf.
    """

    order_id: UUID
    line_no: int
    sku: str
    wanted: int
    backordered: int
    rejected: int
    reserved: int
    issued: int
    kept: int
    issued_stocked: int
    lost_stocked: int
    moved_out: int
    moved_lost: int

    @property
    def name(self) -> str:
        return f"order {self.order_id} line {self.line_no} ({self.sku})"


@law("I1", "stock on hand is the sum of its movements")
def on_hand_is_the_sum_of_movements(shelf: Shelf) -> Iterator[str]:
    if shelf.on_hand != shelf.moved:
        yield f"{shelf.name}: {shelf.on_hand} on hand, its movements sum to {shelf.moved}"
    if shelf.quarantined != shelf.moved_quarantined:
        yield f"{shelf.name}: {shelf.quarantined} in quarantine, its movements sum to {shelf.moved_quarantined}"


@law("I2", "what is reserved is the sum of open reservations")
def reserved_is_the_sum_of_reservations(shelf: Shelf) -> Iterator[str]:
    if shelf.reserved != shelf.promised:
        yield f"{shelf.name}: {shelf.reserved} reserved, the reservations of orders sum to {shelf.promised}"


@law("I3", "never more reserved than on hand, nothing negative")
def never_oversold(shelf: Shelf) -> Iterator[str]:
    if not 0 <= shelf.reserved <= shelf.on_hand:
        yield f"{shelf.name}: {shelf.reserved} reserved of {shelf.on_hand} on hand"
    if shelf.quarantined < 0:
        yield f"{shelf.name}: {shelf.quarantined} in quarantine"


@law("I4", "each reserved piece has one end, taken off once")
def reservations_end_once(line: LineSums) -> Iterator[str]:
    """Open, issued, lost or given back: what is neither issued nor open any more must be waited for or rejected."""
    if line.issued_stocked != line.moved_out:
        yield f"{line.name}: {line.issued_stocked} issued, movements took {line.moved_out} off the shelf"
    if line.moved_lost > line.lost_stocked:
        yield f"{line.name}: {line.lost_stocked} lost, movements took {line.moved_lost} off the shelf"
    target = max(0, line.wanted - line.issued)
    placed = line.reserved + line.backordered + line.rejected
    if placed < target or placed > target + line.kept:
        yield (
            f"{line.name}: {line.wanted} wanted and {line.issued} issued leave {target}, but {line.reserved} reserved "
            f"+ {line.backordered} backordered + {line.rejected} rejected are {placed}"
        )
