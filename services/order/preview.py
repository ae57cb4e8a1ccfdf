"""What a wish would do, told before it is done, and whether the order is still the one that was looked at.

A preview is the real decision on the order's real rows, undone. Its `quote` stands for all rows of the order; whoever
sends it with the wish gets exactly what was shown, as a decision depends on nothing else, or hears that it went stale.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from services.order.quantities import Order, priced, released_by
from services.order.rows import Header, Line, Money, Progress, Return, Shipment, Stock
from services.order.saga import line_progress
from services.order.waits import why_not_moving
from shared.contracts.billing import AuthorisePayment
from shared.contracts.fulfilment import CancelShipment, ExpectReturn, PlanShipment
from shared.contracts.inventory import ReserveStock
from shared.contracts.message import Message
from shared.contracts.money import line_amount, said, totals, unit_of
from shared.contracts.order import OrderStatement
from shared.contracts.values import Address
from shared.etag import etag_of
from shared.messaging.decision import Refused, Row, Rows

Item = dict[str, Any]
COUNTED = ("ordered", "cancelled", "waiting", "backordered", "reserved", "released", "shipped")


def quote_of(order: Order) -> str:
    """A short text that is another one as soon as anything of the order changes."""
    rows: list[Row] = [order.progress, order.header, *order.lines, order.stock, order.money]
    return etag_of([*rows, *order.shipments, *order.returns])


def check_quote(order: Order, quote: str) -> None:
    """Refused when a preview was looked at and the order is another one now."""
    if quote and quote != quote_of(order):
        progress = order.progress
        raise Refused(
            f"The preview went stale: the order is {progress.status} at version {progress.version} now. Nothing was "
            "done; look at a new one.",
            field="quote",
            status=409,
        )


def before_and_after(rows: Rows, order_id: UUID) -> tuple[Order, Order]:
    """The order as a decision found it and as it left it."""
    return _order(rows, order_id, before=True), _order(rows, order_id, before=False)


def _order(rows: Rows, order_id: UUID, *, before: bool) -> Order:
    def of(kind: type[Any]) -> tuple[Any, ...]:
        return tuple(rows.group_before(kind, order_id) if before else rows.group(kind, order_id))

    return Order(of(Header)[0], of(Line), of(Progress)[0], of(Stock)[0], of(Money)[0], of(Shipment), of(Return))


def new_order(rows: Rows, order_id: UUID) -> Item:
    """What an order that is placed would be: its lines with the prices that are frozen, its sums, what holds it.

    `repeated`: it was placed before with the same content, so that placing it does nothing; only then it has a number.
    """
    order, repeated = _order(rows, order_id, before=False), bool(rows.group_before(Header, order_id))
    header, unit = order.header, unit_of(order.header.currency)
    return {
        "id": str(order_id),
        "repeated": repeated,
        "number": header.number if repeated else "",
        "status": order.progress.status,
        "holds": list(order.progress.holds),
        "currency": header.currency,
        "prices_include_vat": header.prices_include_vat,
        "net": f"{header.net:f}",
        "vat": f"{header.vat:f}",
        "gross": f"{header.gross:f}",
        "ship_to": header.ship_to.model_dump(),
        "lines": [
            {
                "line_no": line.line_no,
                "sku": line.sku,
                "text": line.text,
                "kind": line.kind,
                "quantity": line.quantity,
                "unit_price": f"{line.unit_price:f}",
                "discount": f"{line.discount:f}",
                "vat_category": line.vat_category,
                "vat_rate": f"{line.vat_rate:f}",
                "amount": f"{line_amount(line.price, unit):f}",
                "kit": line.kit and line.kit.no,
            }
            for line in order.lines
        ],
    }


def preview(rows: Rows, order_id: UUID, sent: Iterable[Message]) -> Item:
    """What would change, in the words of the shop: status, pieces, what is asked of whom, and all that in sentences."""
    before, after = before_and_after(rows, order_id)
    messages, given_up = list(sent), _given_up(before, after)
    return {
        "order_id": str(order_id),
        "number": before.header.number,
        "version": before.progress.version,
        "quote": quote_of(before),
        "status": [before.progress.status, after.progress.status],
        "holds": [list(before.progress.holds), list(after.progress.holds)],
        "due": [f"{before.due:f}", f"{after.due:f}"],
        "currency": before.header.currency,
        "why_not_moving": [why_not_moving(before), why_not_moving(after)],
        "lines": list(_lines(before, after)),
        "returns": list(_returns(before, after)),
        "given_up": {"pieces": given_up.pieces, "money": f"{given_up.money:f}"},
        "sentences": list(_sentences(before, after, messages)) or ["Nothing would change."],
    }


class GivenUp(NamedTuple):
    """What a cancellation takes from the customer when nothing of it is out: pieces, and money secured for them."""

    pieces: int
    money: Decimal


def _given_up(before: Order, after: Order) -> GivenUp:
    """Also what is known only when shipments were pulled back, as whoever cancels wants to know it before."""
    was, now = _kept(before), _kept(after)
    pieces = sum(was.values()) - sum(now.values())
    if pieces <= 0:
        return GivenUp(0, Decimal(0))
    return GivenUp(pieces, max(Decimal(0), min(before.money.secured, before.value(was)) - after.value(now)))


def _kept(order: Order) -> dict[int, int]:
    """Per line the pieces that nobody cancelled or wants cancelled."""
    wanted = dict(order.progress.cancel_wanted)
    return {
        line.line_no: line.quantity - max(order.cancelled(line.line_no), wanted.get(line.line_no, 0))
        for line in order.lines
    }


def _vat(order: Order) -> Decimal:
    """VAT of all that nobody cancelled or wants cancelled."""
    header = order.header
    unit = unit_of(header.currency)
    return totals(priced(order.lines), _kept(order), inclusive=header.prices_include_vat, unit=unit).vat


def _lines(before: Order, after: Order) -> Iterator[Item]:
    """Lines of which pieces would change place: quantity -> [before, after]."""
    was = {line.line_no: line for line in line_progress(before)}
    for line in line_progress(after):
        old = was.get(line.line_no)  # a new line comes from nothing
        counts = {name: [getattr(old, name) if old else 0, getattr(line, name)] for name in COUNTED}
        moved = {name: both for name, both in counts.items() if both[0] != both[1]}
        if moved:
            yield {"line_no": line.line_no, "sku": line.sku, **moved}


def _returns(before: Order, after: Order) -> Iterator[Item]:
    """What would be expected back, postage and fees that come along included."""
    known = {goods.return_id for goods in before.returns}
    for goods in after.returns:
        if goods.return_id not in known:
            lines = [{"line_no": no, "quantity": quantity} for no, quantity in goods.wanted]
            yield {"shipment_id": str(goods.shipment_id), "lines": lines}


def _sentences(before: Order, after: Order, messages: list[Message]) -> Iterator[str]:
    was, now = before.progress, after.progress
    if was.status != now.status:
        yield f"The status would change from {was.status} to {now.status}."
    for hold in was.holds:
        if hold not in now.holds:
            yield f"The hold '{hold}' would be taken away."
    if before.header.ship_to != after.header.ship_to:
        yield f"It would go to {in_one_line(after.header.ship_to)} instead of {in_one_line(before.header.ship_to)}."
    if before.header.service_level != after.header.service_level:
        now_sent, was_sent = after.header.service_level, before.header.service_level
        yield f"It would be sent by {now_sent} instead of {was_sent}."
    if before.header.ship_complete != after.header.ship_complete:
        yield (
            "It would wait until everything can go in one parcel."
            if after.header.ship_complete
            else "It would not wait any more until everything can go in one parcel."
        )
    if before.header.gross != after.header.gross:
        worth = f"{after.header.gross:f} {after.header.currency}"
        yield f"The order would be worth {worth} instead of {before.header.gross:f}."
    if (was_vat := _vat(before)) != (now_vat := _vat(after)):
        currency = after.header.currency
        yield f"VAT of what is not cancelled would be {said(now_vat, currency)} instead of {said(was_vat, currency)}."
    given_up = _given_up(before, after)
    if given_up.money:
        money, stopped = said(given_up.money, before.header.currency), _pieces(given_up.pieces)
        yield f"Billing would give back or not take {money} for {stopped}, if nothing of it is out."
    shipments = {shipment.shipment_id: shipment for shipment in after.shipments}
    for message in messages:
        if isinstance(message, ReserveStock):
            yield from _stock(before, message)
        elif isinstance(message, AuthorisePayment):
            asked = "nothing" if before.money.due is None else f"{before.money.due:f}"
            held = f"{said(before.money.secured, message.currency)} is secured now"
            due = said(message.due, message.currency)
            yield f"Billing would be asked to secure {due} instead of {asked}; {held}."
        elif isinstance(message, CancelShipment):
            shipment = shipments[message.shipment_id]
            pieces = sum(quantity for _, quantity in released_by(shipment))
            yield (
                f"Fulfilment would be asked to pull back shipment {shipment.seq} from {shipment.warehouse} "
                f"({_pieces(pieces)}), if it is not out."
            )
        elif isinstance(message, PlanShipment):
            pieces = sum(line.quantity for line in message.lines)
            yield f"Fulfilment would be asked to ship {_pieces(pieces)} from {message.warehouse}."
        elif isinstance(message, ExpectReturn):
            pieces = sum(line.quantity for line in message.lines)
            shipment = shipments[message.shipment_id]
            yield (
                f"Fulfilment would be asked to expect {_pieces(pieces)} of shipment {shipment.seq} back. "
                "Money and stock change when they are inspected."
            )
        elif isinstance(message, OrderStatement):
            yield f"Everybody would be told: {message.key}."
        else:
            yield f"{message.owner.title()} would be asked: {message.key}."


def in_one_line(address: Address) -> str:
    """For people to compare: who and where, without how they are reached."""
    town = " ".join(filter(None, (address.postcode, address.city)))
    parts = (address.name, address.company, *address.street, town, address.region, address.country)
    return ", ".join(filter(None, parts)) or "nowhere"


def _stock(before: Order, message: ReserveStock) -> Iterator[str]:
    asked = dict(before.stock.wanted)
    for want in message.wanted:
        if want.quantity != (was := asked.get(want.line_no, 0)):
            yield f"Inventory would be asked for {want.quantity} of {want.sku} (line {want.line_no}) instead of {was}."


def _pieces(number: int) -> str:
    return "1 piece" if number == 1 else f"{number} pieces"
