"""Transfers between warehouses: I30 and I31, over their lines, their movements and what is expected of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from comptoir.invariants.law import law


@dataclass(frozen=True, slots=True)
class MovedLine:
    """One line of a transfer, the sums of its movements, and the expected receipt that stands for it.

    `out`: taken off the source's shelf; `came`: put on the destination's; `gone`: lost on the way; `under_way`: what
    its movements say is in transit. `state` is empty where something names a transfer that has no such line.
    """

    number: str
    state: str
    sku: str
    sent: int
    received: int
    lost: int
    out: int
    came: int
    gone: int
    under_way: int
    incoming: int

    @property
    def name(self) -> str:
        return f"transfer {self.number} line {self.sku}"


@dataclass(frozen=True, slots=True)
class Moved:
    """One transfer: the sums of its lines, and the acts that are written down of it."""

    number: str
    state: str
    version: int
    sent: int
    received: int
    lost: int
    acts: int
    newest: int

    @property
    def name(self) -> str:
        return f"transfer {self.number}"


@law("I30", "what a transfer sent is received, lost or in transit, each by its movements")
def sent_is_received_lost_or_in_transit(line: MovedLine) -> Iterator[str]:
    """So nothing appears or vanishes between two warehouses, and what is expected at the destination is on its way."""
    for what, says, moved in (
        ("sent", line.sent, line.out),
        ("received", line.received, line.came),
        ("lost", line.lost, line.gone),
    ):
        if says != moved:
            yield f"{line.name}: {says} {what}, its movements sum to {moved}"
    left = line.sent - line.received - line.lost
    if left != line.under_way:
        yield f"{line.name}: {left} in transit, its movements sum to {line.under_way}"
    if left != line.incoming:
        yield f"{line.name}: {left} in transit, {line.incoming} expected at the destination"


@law("I31", "a transfer's state is what came of it, its history has no hole")
def transfers_state_is_what_came(transfer: Moved) -> Iterator[str]:
    left = transfer.sent - transfer.received - transfer.lost
    right = {
        "draft": not transfer.sent,
        "sent": left and not transfer.received and not transfer.lost,
        "partly_received": left and transfer.received and not transfer.lost,
        "received": transfer.sent and not left and not transfer.lost,
        "closed_short": transfer.lost and not left,
        "cancelled": not transfer.sent,
    }
    if not right.get(transfer.state):
        yield (
            f"{transfer.name}: {transfer.state} with {transfer.sent} sent, {transfer.received} received "
            f"and {transfer.lost} lost"
        )
    if not transfer.version == transfer.acts == transfer.newest:
        yield f"{transfer.name}: version {transfer.version}, but {transfer.acts} acts up to {transfer.newest}"
