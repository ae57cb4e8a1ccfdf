"""What happens to an order: facts, wishes and timers. Each only stores; the steps of the saga do the rest.

The table FACTS is the second half of saga.py. A statement is kept if it is newer than what is known, and raises
Impossible if it cannot be true.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from services.order.quantities import Impossible, Order, accepted_of, limited, merged, pieces, shipped_by
from services.order.rows import Line, Pieces, Return
from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import StockStatement
from shared.contracts.message import Message, Statement, newer
from shared.contracts.order import (
    FINAL,
    AcceptDate,
    AnswerDue,
    CancelOrder,
    ConsentDue,
    EditOrder,
    HoldOrder,
    OrderExpired,
    OrderHeld,
    OrderPlaced,
    OrderReleased,
    PayByDue,
    PlaceOrder,
    RefusalDue,
    ReleaseHold,
    ReturnGoods,
)
from shared.contracts.values import Address, LineQuantity

ADDRESS = "address"
"""The hold that a warehouse sets when it cannot ship to the address; a new address takes it away."""
INCOMPLETE = ("address: ", " missing")
"""How the hold of an order begins and ends whose address lacks the parts between; a new address takes it away, too."""


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit whose new lines have their frozen prices."""

    order_id: UUID
    lines: tuple[Line, ...] = ()
    ship_to: Address | None = None
    priority: int | None = None
    actor: str = ""
    note: str = ""  # what changes and why, in words: the history keeps it
    less: Pieces = ()
    service_level: str | None = None
    ship_complete: bool | None = None
    reason: str = ""

    @property
    def key(self) -> str:
        return EditOrder.key


Trigger = Message | Edited


@dataclass(frozen=True, slots=True)
class Fact:
    """One row: what came in, how it changes what is stored, and that in words."""

    triggers: tuple[type, ...]
    keep: Callable[[Order, Any], Order]
    effect: str
    wish: bool = False  # a person's (or a channel's) word, recorded even if the status stays


# Statements of the participants


def keep_stock(order: Order, said: StockStatement) -> Order:
    known = order.stock.heard
    heard = newer(known, said)
    if heard is known:
        return order
    if heard.answers > order.stock.asked:
        raise Impossible(f"inventory answers ask {heard.answers}, the last one was {order.stock.asked}")
    numbers = {line.line_no for line in order.lines}
    for no in (*(of.line_no for of in heard.promises), *(of.line_no for of in heard.lines)):
        if no not in numbers:
            raise Impossible(f"inventory speaks of line {no}, which the order does not have")
    if known is not None:
        gone = {(of.line_no, of.warehouse): of.issued for of in heard.promises}
        for of in known.promises:
            if gone.get((of.line_no, of.warehouse), 0) < of.issued:
                raise Impossible(f"line {of.line_no} at {of.warehouse}: fewer pieces issued than before")
    order = order.but(stock=replace(order.stock, heard=plain(StockStatement, heard)))
    dates = promised_on(order)
    return order.moved(accepted_on=dates) if dates and order.progress.accepted_on is None else order


def keep_money(order: Order, said: MoneyStatement) -> Order:
    known = order.money.heard
    heard = newer(known, said)
    if heard is known:
        return order
    if heard.answers > order.money.asked:
        raise Impossible(f"billing answers ask {heard.answers}, the last one was {order.money.asked}")
    for of in heard.invoiced:
        if not order.shipment(of.shipment_id).billed:
            raise Impossible(f"an invoice for shipment {of.shipment_id}, which nobody asked for")
    if known is not None:
        invoiced = {of.shipment_id for of in heard.invoiced} if known.invoiced else set()
        if any(of.shipment_id not in invoiced for of in known.invoiced):
            raise Impossible("fewer invoices than before")
        credited = {of.return_id: of.gross for of in heard.credited}
        if any(credited.get(of.return_id, 0) < of.gross for of in known.credited):
            raise Impossible("less credited than before")
    return order.but(money=replace(order.money, heard=plain(MoneyStatement, heard)))


def keep_shipment(order: Order, said: ShipmentStatement) -> Order:
    shipment = order.shipment(said.shipment_id)
    known = shipment.heard
    heard = newer(known, said)
    if heard is known:
        return order
    planned = dict(shipment.planned)
    for of in heard.lines:
        if of.shipped + of.short > planned.get(of.line_no, 0):
            raise Impossible(
                f"line {of.line_no}: {of.shipped} shipped + {of.short} short of {planned.get(of.line_no, 0)} planned"
            )
    after = replace(shipment, heard=plain(ShipmentStatement, heard))
    if shipment.out and sorted(shipped_by(shipment)) != sorted(shipped_by(after)):
        raise Impossible(f"shipment {said.shipment_id} was handed over and now is {heard.state} with other pieces")
    if known is not None and not known.open and heard.open:
        raise Impossible(f"shipment {said.shipment_id} was {known.state} and now is {heard.state}")
    order = order.with_shipment(after)
    if heard.state != "rejected":
        return order
    if heard.reason == ADDRESS:
        return hold(order, ADDRESS)
    if heard.reason == "short" and any(of.short for of in heard.lines):
        return order  # inventory books the loss and finds other stock
    limits = order.progress.limits
    for line_no in planned:  # what is used there already must stay promised, so the limit is not simply 0
        limits = limited(limits, line_no, shipment.warehouse, order.used.get((line_no, shipment.warehouse), 0))
    return order.moved(limits=limits)


def keep_return(order: Order, said: ReturnStatement) -> Order:
    goods = next((known for known in order.returns if known.return_id == said.return_id), None)
    if goods is None:  # refused at the door, lost, or simply sent back: fulfilment opened it
        goods = Return(order.id, said.return_id, said.shipment_id, reason=said.reason, asked=True)
    known = goods.heard
    heard = newer(known, said)
    if heard is known:
        return order
    if heard.shipment_id != goods.shipment_id:
        raise Impossible(f"return {said.return_id} is of shipment {goods.shipment_id}, not of {heard.shipment_id}")
    planned = dict(order.shipment(said.shipment_id).planned)  # its hand-over may be heard of later
    for of in heard.lines:
        if max(of.received, of.accepted) > planned.get(of.line_no, 0):
            raise Impossible(f"line {of.line_no}: more came back than the shipment had")
    before, after = dict(accepted_of(goods)), dict(accepted_of(replace(goods, heard=heard)))
    if any(after.get(line_no, 0) < quantity for line_no, quantity in before.items()):
        raise Impossible("less accepted than before")
    return order.with_return(replace(goods, heard=plain(ReturnStatement, heard), asked=True))


# Wishes


def place(order: Order, m: PlaceOrder) -> Order:
    order = order.telling(OrderPlaced)
    for reason in order.progress.holds:  # of its address, which was looked at before
        order = order.telling(OrderHeld, reason)
    return hold(order, m.hold) if m.hold else order


def cancel(order: Order, m: CancelOrder) -> Order:
    """Notes what is wanted; what of it is still possible is decided in step 0."""
    if m.lines:
        more = tuple((of.line_no, of.quantity) for of in m.lines)
        wanted = dict(merged(order.progress.cancel_wanted, more))
    else:
        wanted = {line.line_no: line.quantity for line in order.lines}
    return wanting(order, wanted, m.reason or "cancelled by the customer")


def hold(order: Order, reason: str) -> Order:
    holds = order.progress.holds
    if reason in holds or order.progress.status in FINAL:
        return order
    return order.moved(holds=(*holds, reason)).telling(OrderHeld, reason)


def release(order: Order, reason: str) -> Order:
    holds = order.progress.holds
    if reason not in holds:
        return order
    order = order.moved(holds=tuple(other for other in holds if other != reason))
    if order.progress.holds or order.progress.status in FINAL:
        return order
    return order.telling(OrderReleased, reason)


def edit(order: Order, m: Edited) -> Order:
    """What is wanted less is noted like a cancellation; what of it is still possible is decided in step 0."""
    header = order.header
    header = replace(
        header,
        ship_to=header.ship_to if m.ship_to is None else m.ship_to,
        priority=header.priority if m.priority is None else m.priority,
        service_level=header.service_level if m.service_level is None else m.service_level,
        ship_complete=header.ship_complete if m.ship_complete is None else m.ship_complete,
    )
    order = order.but(lines=(*order.lines, *m.lines), header=header)
    if m.less:
        wanted = dict(merged(order.progress.cancel_wanted, m.less))
        order = wanting(order, wanted, m.reason or "taken out of the order")
    if m.ship_to is not None:
        for reason in order.progress.holds:
            if reason == ADDRESS or (reason.startswith(INCOMPLETE[0]) and reason.endswith(INCOMPLETE[1])):
                order = release(order, reason)
    return order


def lacking(order: Order, address: Address) -> str:
    """The parts that goods cannot be sent without, and that this address has not (OMS-14); empty when none are missing.

    Not the postcode: not every country has one.
    """
    if order.only_charges(line.line_no for line in order.lines):
        return ""
    parts = {
        "name": address.name or address.company,
        "street": "".join(address.street),
        "city": address.city,
        "country": address.country,
    }
    return ", ".join(part for part, text in parts.items() if not text.strip())


def open_return(order: Order, m: ReturnGoods) -> Order:
    if not_returnable(order, m.shipment_id, m.lines) or any(of.return_id == m.return_id for of in order.returns):
        return order
    wanted = merged(tuple((of.line_no, of.quantity) for of in m.lines))
    return order.with_return(Return(order.id, m.return_id, m.shipment_id, wanted, m.reason, withdrawal=m.withdrawal))


def not_returnable(order: Order, shipment_id: UUID, lines: Iterable[LineQuantity]) -> str:
    """Why these pieces cannot come back; empty when they can (returned never exceeds shipped, I5)."""
    shipment = next((known for known in order.shipments if known.shipment_id == shipment_id), None)
    if shipment is None or not shipment.out:
        return "That shipment is not on its way to the customer, so nothing of it can come back."
    left = order.returnable(shipment_id)
    for line_no, quantity in merged(tuple((of.line_no, of.quantity) for of in lines)):
        if quantity > left.get(line_no, 0):
            return f"Of line {line_no}, {max(left.get(line_no, 0), 0)} can still come back, not {quantity}."
    return ""


def accept_date(order: Order, _: AcceptDate) -> Order:
    return order.moved(accepted_on=promised_on(order) or order.progress.accepted_on)


# Timers


def expire(order: Order, _: PayByDue) -> Order:
    """Looks at what is secured, not at whether the ask is answered: cancelling a line must not expire the rest."""
    heard = order.money.heard
    if order.secured or not order.open or (heard is not None and heard.state == "unknown"):
        return order
    after = wanting(
        order, {no: count.ordered - count.shipped for no, count in order.counts.items()}, "not paid in time"
    )
    return order if after.progress == order.progress else after.telling(OrderExpired, "not paid in time")


def drop_backordered(order: Order, _: ConsentDue) -> Order:
    late = {no: count.backordered for no, count in order.counts.items()}
    if not any(late.values()):
        return order
    return wanting(order, dict(merged(order.progress.cancel_wanted, pieces(late))), "the later date was not accepted")


def lift_limits(order: Order, _: RefusalDue) -> Order:
    """Who was closed may be open again: the next ask for stock names every warehouse anew."""
    return order.moved(limits=()) if order.progress.limits else order


def look(order: Order, _: AnswerDue) -> Order:
    return order


FACTS: tuple[Fact, ...] = (
    Fact((PlaceOrder,), place, "the order begins, perhaps held", wish=True),
    Fact((StockStatement,), keep_stock, "keep it if newer"),
    Fact((MoneyStatement,), keep_money, "keep it if newer"),
    Fact((ShipmentStatement,), keep_shipment, "keep it if newer; closed: limit that warehouse; address: hold"),
    Fact((ReturnStatement,), keep_return, "keep it if newer; unknown: fulfilment opened it"),
    Fact((CancelOrder,), cancel, "cancel_wanted grows, not above ordered", wish=True),
    Fact((HoldOrder,), lambda order, m: hold(order, m.reason), "set the hold", wish=True),
    Fact((ReleaseHold,), lambda order, m: release(order, m.reason), "clear the hold", wish=True),
    Fact((Edited,), edit, "ordered and cancel_wanted grow, address, delivery or priority change", wish=True),
    Fact((ReturnGoods,), open_return, "a new return, if shipped less other returns allows", wish=True),
    Fact((AcceptDate,), accept_date, "the newest promised date is accepted", wish=True),
    Fact((PayByDue,), expire, "not secured and not unknown: cancel_wanted = all that is not out"),
    Fact((ConsentDue,), drop_backordered, "cancel_wanted += backordered"),
    Fact((RefusalDue,), lift_limits, "no warehouse is limited any more; inventory is asked anew"),
    Fact((AnswerDue,), look, "nothing: what is unanswered is asked again"),
)


def fact_of(trigger: Trigger) -> Fact:
    for kind in type(trigger).__mro__:
        if (fact := _BY_TYPE.get(kind)) is not None:
            return fact
    raise TypeError(f"{type(trigger).__name__} is nothing that can happen to an order")


_BY_TYPE: dict[type, Fact] = {kind: fact for fact in FACTS for kind in fact.triggers}


def wanting(order: Order, wanted: dict[int, int], reason: str) -> Order:
    """cancel_wanted raised to this, never lowered, never above what was ordered."""
    most = {line.line_no: line.quantity for line in order.lines}
    before = dict(order.progress.cancel_wanted)
    raised = {no: max(before.get(no, 0), min(wanted.get(no, 0), most[no])) for no in most}
    after: Pieces = pieces(raised)
    return order if after == order.progress.cancel_wanted else order.moved(cancel_wanted=after, reason=reason)


def promised_on(order: Order, besides: Collection[int] = ()) -> date | None:
    """The day on which all that is backordered should be there; None when of some of it no day is known.

    `besides`: line numbers that do not count.
    """
    if order.stock.heard is None or not order.stock.heard.lines:
        return None
    days = [of.promised_on for of in order.stock.heard.lines if of.backordered and of.line_no not in besides]
    known = [day for day in days if day is not None]
    return max(known) if known and len(known) == len(days) else None


S = TypeVar("S", bound=Statement)


def plain(base: type[S], said: S) -> S:
    """The statement without the piece of news it came with: the five events of a family say the same."""
    if type(said) is base:
        return said
    same = base.__new__(base)
    same.__setstate__(said.__getstate__())  # frozen, with the same fields: nothing need be checked or copied
    return same
