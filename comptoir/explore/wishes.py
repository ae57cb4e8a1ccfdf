"""Every wish at every order that an exploration saw, whether the set-up lets somebody have it there or not."""

from collections.abc import Callable, Iterable
from uuid import UUID

from comptoir.explore.machine import Action, Machine
from comptoir.explore.setups import SetUp
from comptoir.explore.world import order_of
from services.order.quantities import Order, pieces
from shared.contracts.message import Message
from shared.contracts.order import AcceptDate, CancelOrder, EditOrder, HoldOrder, ReleaseHold, ReturnGoods
from shared.contracts.values import Address, LineQuantity

REFUSED = "refused"
"""What a wish comes to when its author is told that it cannot be (HTTP 409 or 422)."""

NOBODY = UUID(int=0)


class Broken(Exception):
    """A wish that is parked, or that breaks a law."""


def _one(of: Order) -> tuple[LineQuantity, ...]:
    return (LineQuantity(line_no=of.lines[0].line_no, quantity=1),)


def _return(of: Order) -> ReturnGoods:
    """A piece that can come back; if there is none, a piece of what was sent, or of nothing."""
    out = [shipment for shipment in of.shipments if shipment.out]
    for shipment in out:
        if left := [(no, quantity) for no, quantity in pieces(of.returnable(shipment.shipment_id)) if quantity > 0]:
            lines: tuple[LineQuantity, ...] = (LineQuantity(line_no=left[0][0], quantity=1),)
            return ReturnGoods(order_id=of.id, return_id=NOBODY, shipment_id=shipment.shipment_id, lines=lines)
    shipment_id = out[0].shipment_id if out else NOBODY
    return ReturnGoods(order_id=of.id, return_id=NOBODY, shipment_id=shipment_id, lines=_one(of))


WISHES: dict[str, Callable[[Order], Message]] = {
    "AcceptDate": lambda of: AcceptDate(order_id=of.id),
    "CancelOrder: everything": lambda of: CancelOrder(order_id=of.id),
    "CancelOrder: 1 piece": lambda of: CancelOrder(order_id=of.id, lines=_one(of)),
    "EditOrder: 1 piece more": lambda of: EditOrder(order_id=of.id, more=_one(of)),
    "EditOrder: 1 piece less": lambda of: EditOrder(order_id=of.id, less=_one(of)),
    "EditOrder: address": lambda of: EditOrder(
        order_id=of.id, ship_to=Address(name="A", street=("1",), city="Elsewhere", country="DE")
    ),
    "EditOrder: priority": lambda of: EditOrder(order_id=of.id, priority=of.header.priority + 1),
    "HoldOrder": lambda of: HoldOrder(order_id=of.id, reason="another look"),
    "ReleaseHold": lambda of: ReleaseHold(order_id=of.id, reason=(*of.progress.holds, "none")[0]),
    "ReturnGoods: 1 piece": _return,
}
"""Each wish in the words of the status matrix: the message, and which of its forms."""

KINDS = frozenset(name.partition(":")[0] for name in WISHES)


def wished(machine: Machine, setup: SetUp, locals_: Iterable[int]) -> dict[tuple[str, str], set[str]]:
    """(wish, status before) -> statuses after, over all orders in these local states of the order service.

    Raises Broken when a wish is parked or breaks a law.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for local in locals_:
        for n in range(len(setup.orders)):
            of = order_of(machine, local, setup.order_id(n))
            if of is None:
                continue
            for name, wish in WISHES.items():
                outcome = machine.outcome(local, Action(wish(of)))
                if outcome.breach:
                    raise Broken(f"{name} while {of.progress.status}: {outcome.breach}")
                after = None if outcome.waits else order_of(machine, outcome.local, of.id)
                came_to = REFUSED if after is None else after.progress.status
                found.setdefault((name, of.progress.status), set()).add(came_to)
    return found
