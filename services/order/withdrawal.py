"""Until when a customer may withdraw from the purchase, and what comes back with the goods then (R-40).

The word of the customer is bound by it; the staff may take goods back later. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from services.order.quantities import Order, pieces, shipped_by
from services.order.rows import Pieces, Shipment
from shared.contracts.order import ReturnGoods
from shared.contracts.values import LineQuantity

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """How long customers have, in days of the shop's time zone: to withdraw, and then to send the goods."""

    days: int = 14
    send_days: int = 14
    zone: tzinfo = UTC

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


def last_day(order: Order, terms: Terms) -> date | None:
    """The last day of the period; None as long as it cannot end: goods are still to be delivered, or none were.

    It is counted from the day on which the last part came, and ends on a Monday where it would on a weekend.
    """
    goods = _goods(order)
    if any(count.open for no, count in order.counts.items() if no in goods):
        return None
    came: list[date] = []
    for shipment in order.shipments:
        said = shipment.heard
        if said is None or not said.out or goods.isdisjoint(no for no, _ in shipped_by(shipment)):
            continue
        if said.state == "dispatched" or (said.state == "delivered" and said.delivered_at is None):
            return None
        if said.delivered_at is not None:
            came.append(terms.day(said.delivered_at))
    if not came:
        return None
    last = max(came) + timedelta(days=terms.days)
    return last + timedelta(days=7 - last.weekday()) if last.weekday() >= 5 else last


def over(order: Order, terms: Terms, now: datetime) -> date | None:
    """The last day, once it has gone by; None while the customer may withdraw."""
    last = last_day(order, terms)
    return last if last is not None and terms.day(now) > last else None


def with_charges(order: Order, m: ReturnGoods) -> ReturnGoods:
    """Who keeps nothing gets all that was paid back: postage and fees of the parcel come along.

    Those of other parcels follow when the goods are accepted (`charges_to_return` of saga.py).
    """
    goods = _goods(order)
    kept = sum(count.open for no, count in order.counts.items() if no in goods)
    for shipment in order.shipments:
        if shipment.out:
            kept += sum(left for no, left in order.returnable(shipment.shipment_id).items() if no in goods)
    named = {of.line_no for of in m.lines}
    if kept > sum(of.quantity for of in m.lines if of.line_no in goods):
        return m
    charges = [
        LineQuantity(line_no=no, quantity=left)
        for no, left in sorted(order.returnable(m.shipment_id).items())
        if left > 0 and no not in goods and no not in named
    ]
    return m.model_copy(update={"lines": (*m.lines, *charges)})


def delivered(order: Order) -> Iterator[tuple[Shipment, Pieces]]:
    """The parcels that the customer has, each with the goods of it that can still come back."""
    goods = _goods(order)
    for shipment in order.shipments:
        if shipment.heard is not None and shipment.heard.state == "delivered":
            left = order.returnable(shipment.shipment_id)
            if found := pieces({no: n for no, n in left.items() if no in goods and n > 0}):
                yield shipment, found


def described(order: Order, terms: Terms, now: datetime) -> Item:
    """What a customer is told before withdrawing. `until` is null as long as the period cannot end."""
    last = last_day(order, terms)
    return {
        "order_id": str(order.id),
        "open": over(order, terms, now) is None,
        "until": None if last is None else last.isoformat(),
        "days": terms.days,
        "send_by": (terms.day(now) + timedelta(days=terms.send_days)).isoformat(),
        "send_days": terms.send_days,
        "parcels": [
            {
                "shipment_id": str(shipment.shipment_id),
                "seq": shipment.seq,
                "lines": [{"line_no": no, "text": order.line(no).text, "quantity": quantity} for no, quantity in found],
            }
            for shipment, found in delivered(order)
        ],
    }


def _goods(order: Order) -> frozenset[int]:
    return frozenset([line.line_no for line in order.lines if line.kind == "goods"])
