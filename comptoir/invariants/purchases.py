"""Purchase orders: I27 to I29, over their lines, their receipts and what is expected of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from comptoir.invariants.law import law

OPEN = ("sent", "partly_received")


@dataclass(frozen=True, slots=True)
class BoughtLine:
    """One line of a purchase order, the sum of its receipts, and the expected receipt that stands for it.

    `state` is empty where an expected receipt names a purchase order that has no such line.
    """

    number: str
    state: str
    sku: str
    quantity: int
    received: int
    receipts: int
    incoming: int
    expected_on: date | None
    incoming_on: date | None

    @property
    def name(self) -> str:
        return f"purchase order {self.number} line {self.sku}"


@dataclass(frozen=True, slots=True)
class Bought:
    """One purchase order: what its lines still expect and got, and the acts that are written down of it."""

    number: str
    state: str
    version: int
    left: int
    received: int
    acts: int
    newest: int

    @property
    def name(self) -> str:
        return f"purchase order {self.number}"


@law("I27", "what came of a purchase order's line is the sum of its receipts")
def received_is_the_sum_of_receipts(line: BoughtLine) -> Iterator[str]:
    if line.received != line.receipts:
        yield f"{line.name}: {line.received} received, its receipts sum to {line.receipts}"


@law("I28", "what is incoming of a purchase order is what its open lines have left")
def incoming_is_what_is_left(line: BoughtLine) -> Iterator[str]:
    """So what is incoming of a SKU is what open purchase orders have left, and expected receipts of no order."""
    left = max(0, line.quantity - line.received) if line.state in OPEN else 0
    if line.incoming != left:
        yield f"{line.name}: {line.incoming} incoming, but it is {line.state or 'not there'} and has {left} left"
    elif left and line.incoming_on != line.expected_on:
        yield f"{line.name}: expected on {line.expected_on}, promises go by {line.incoming_on}"


@law("I29", "a purchase order's state is what came of it, its history has no hole")
def state_is_what_came(order: Bought) -> Iterator[str]:
    right = {
        "draft": not order.received,
        "sent": order.left and not order.received,
        "partly_received": order.left and order.received,
        "received": not order.left,
        "closed_short": order.received,
        "cancelled": not order.received,
    }
    if not right.get(order.state):
        yield f"{order.name}: {order.state} with {order.received} received and {order.left} left"
    if not order.version == order.acts == order.newest:
        yield f"{order.name}: version {order.version}, but {order.acts} acts up to {order.newest}"
