"""What stock is worth: I32 and I33, over each SKU's costing, its movements, their values and its days."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from comptoir.invariants.law import law


@dataclass(frozen=True, slots=True)
class Worth:
    """One SKU: what it comes to, and what that is the sum of.

    `moved`: pieces of the movements that have a value; `left_out`: movements that should have one by now; `n`,
    `newest`: how many values there are, and the number of the last; `days_value`, `days_sold`: sums of what happened on
    its days; `day_pieces`, `day_value`: how its last day ended.
    """

    sku: str
    seq: int
    pieces: int
    value: Decimal
    n: int
    newest: int
    valued: int
    values: Decimal
    sold: int
    moved: int
    left_out: int
    days_value: Decimal
    days_sold: int
    day_pieces: int
    day_value: Decimal

    @property
    def name(self) -> str:
        return f"value of {self.sku}"


@law("I32", "what is valued are the pieces of movements, each once")
def pieces_are_those_of_movements(worth: Worth) -> Iterator[str]:
    if not worth.pieces == worth.valued == worth.moved:
        yield (
            f"{worth.name}: {worth.pieces} pieces, {worth.valued} have a value, their movements sum to {worth.moved}"
        )
    if not worth.seq == worth.n == worth.newest:
        yield f"{worth.name}: {worth.seq} values, but there are {worth.n} up to {worth.newest}"
    if worth.left_out:
        yield f"{worth.name}: {worth.left_out} movements have none, though later ones do"


@law("I33", "stock is worth the sum of its movements, and each day ended with that")
def value_is_the_sum_of_movements(worth: Worth) -> Iterator[str]:
    if worth.value != worth.values:
        yield f"{worth.name}: {worth.value}, its movements sum to {worth.values}"
    if worth.value != worth.days_value:
        yield f"{worth.name}: {worth.value}, its days sum to {worth.days_value}"
    if (worth.pieces, worth.value) != (worth.day_pieces, worth.day_value):
        yield (
            f"{worth.name}: {worth.pieces} pieces for {worth.value}, "
            f"its last day ended with {worth.day_pieces} for {worth.day_value}"
        )
    if worth.sold != worth.days_sold:
        yield f"{worth.name}: {worth.sold} sold, its days sum to {worth.days_sold}"
    if not worth.pieces and worth.value:
        yield f"{worth.name}: no piece is there, for {worth.value}"
