"""Why an order does not move: who must act, why, and until when.

Beside the saga because it reads the same facts. It feeds the page, the worklists of staff and the auditor: an order
that is not final and has no wait is stuck, and that is a bug (I8).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from services.order.facts import promised_on
from services.order.quantities import Order
from services.order.saga import STEPS
from shared.contracts.money import said
from shared.contracts.order import FINAL

Who = Literal["customer", "staff", "inventory", "billing", "fulfilment", "warehouse", "carrier", "supplier", "provider"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody must act; `why` is one plain sentence."""

    who: Who
    why: str
    until: datetime | date | None = None


_ASKED = {
    "reserve": ("inventory", "Inventory has not said yet how much it can promise."),
    "pay": ("billing", "Billing has not said yet whether the money is secured."),
    "pull back": ("fulfilment", "A shipment is being pulled back; fulfilment has not said yet whether it was in time."),
    "release": ("fulfilment", "A shipment was asked for and the warehouse has not confirmed it yet."),
    "bill": ("billing", "A shipment is out and its invoice has not been issued yet."),
    "return": ("fulfilment", "A return was announced and the warehouse has not confirmed it yet."),
    "refund": ("billing", "Returned goods were accepted and are not credited yet."),
}

_IN_SHIPMENT = {
    "planned": ("warehouse", "waits to be picked"),
    "picked": ("warehouse", "is picked and waits to be packed"),
    "packed": ("warehouse", "is packed and waits to be handed over to the carrier"),
    "dispatched": ("carrier", "is on its way to the customer"),
}


def waits(order: Order) -> list[Wait]:
    """All that the order waits for, what stops it first. Empty only when it is final and nothing is left to do."""
    return list(_waits(order))


def why_not_moving(order: Order) -> str:
    """One sentence for the page."""
    if (first := next(_waits(order), None)) is not None:
        return first.why
    if order.progress.status == "cancelled":
        return "It is cancelled and settled; nothing more happens."
    return "It is completed; nothing more happens."


def _waits(order: Order) -> Iterator[Wait]:
    progress = order.progress
    if order.open:
        for reason in progress.holds:
            yield Wait("staff", f"It is held ({reason}); somebody must release the hold.")
    yield from _unanswered(order)
    if order.open:
        yield from _money(order)
        yield from _stock(order)
    yield from _goods(order)
    yield from _settling(order)


def _unanswered(order: Order) -> Iterator[Wait]:
    for step in STEPS:
        if step.name in _ASKED and next(iter(step.open(order)), None) is not None:
            who, why = _ASKED[step.name]
            yield Wait(who, why, order.progress.answer_by)  # type: ignore[arg-type]


def _money(order: Order) -> Iterator[Wait]:
    heard = order.money.heard
    if order.secured or heard is None or not order.money.answered:
        return
    missing = said(order.due - heard.secured, order.header.currency)
    until = order.progress.pay_by
    if heard.state == "unknown":
        yield Wait("provider", "The payment provider has not said yet what became of the payment.", until)
    elif heard.state == "declined":
        if heard.reason:
            why = f"The payment was declined ({heard.reason}); the customer may pay the {missing} again."
        else:
            why = f"The payment was declined; the customer may pay the {missing} again."
        yield Wait("customer", why, until)
    elif order.header.method == "bank_transfer":
        yield Wait("customer", f"The customer's transfer of {missing} has not arrived.", until)
    else:
        yield Wait("billing", f"Another {missing} must be secured.", until)


def _stock(order: Order) -> Iterator[Wait]:
    if not order.stock.answered:
        return
    limited: dict[int, list[str]] = {}
    for no, warehouse, _ in order.progress.limits:
        limited.setdefault(no, []).append(warehouse)
    refused = {no: order.counts[no].backordered for no in limited if order.counts[no].backordered}
    late = sum(count.backordered for no, count in order.counts.items() if no not in refused)
    unsure = sum(count.waiting for count in order.counts.values())
    day = promised_on(order, besides=refused)
    if refused:
        places = ", ".join(sorted({warehouse for no in refused for warehouse in limited[no]}))
        late_there = _pieces(sum(refused.values()))
        why = f"{late_there} on backorder: refused by {places}, to be asked again; no day is promised."
        yield Wait("warehouse", why, order.progress.refused_until)
    if late and order.progress.consent_by is not None:
        why = f"{_pieces(late)} come later than the customer accepted; the customer must agree to the new date."
        yield Wait("customer", why, order.progress.consent_by)
    if late:
        yield Wait("supplier", f"{_pieces(late)} on backorder, promised for {day or 'no certain day'}.", day)
    if unsure:
        yield Wait("inventory", f"{_pieces(unsure)} were not found on the shelf; inventory must look for other stock.")
    free = sum(count.reserved for count in order.counts.values())
    if free and (refused or late or unsure) and order.header.ship_complete:
        yield Wait("supplier", f"{_pieces(free)} reserved; the customer wants everything in one go.", day)


def _goods(order: Order) -> Iterator[Wait]:
    for shipment in order.shipments:
        if shipment.heard is not None and shipment.heard.state in _IN_SHIPMENT:
            who, why = _IN_SHIPMENT[shipment.heard.state]
            yield Wait(who, f"Shipment {shipment.seq} from {shipment.warehouse} {why}.")  # type: ignore[arg-type]
    for goods in order.returns:
        if goods.heard is not None and goods.heard.state != "closed":
            if goods.heard.state == "expected":
                yield Wait("customer", "Goods are expected back.")
            else:
                yield Wait("warehouse", "Returned goods wait for inspection, or for the rest of them.")


def _settling(order: Order) -> Iterator[Wait]:
    """Money that is not quiet keeps an order from being completed or cancelled for good."""
    heard = order.money.heard
    if heard is None:
        return
    if heard.parked:
        yield Wait("staff", f"Billing needs a person: {heard.parked}.")
    elif not heard.settled and not order.open and order.progress.status not in FINAL:
        if heard.owed > 0 and order.header.method != "card":
            yield Wait("customer", f"{said(heard.owed, order.header.currency)} are still to be paid.")
        else:
            yield Wait("billing", "Money is on its way; billing has not settled it yet.")


def _pieces(number: int) -> str:
    return "1 piece" if number == 1 else f"{number} pieces"
