"""The saga of an order: read this first.

An order does not follow a script. After everything that happens to it (facts.py), `react` walks down ONE table of
steps. Each step compares what should be with what was last asked for, and asks for the difference, as a whole: "of line
1 I want 2 in all", never "one less". So there is no compensation code: cancelling lowers the quantities, and the same
steps give back stock, money and shipment. A success that comes after giving up meets an ask of zero.

Participants state their whole view of one thing with a version; the newest wins. Late, repeated and reordered messages
need no rule of their own. quantities.py derives where each piece is; waits.py says why an order does not move.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid5

from services.order.facts import Trigger, fact_of
from services.order.kits import kits_follow
from services.order.quantities import Order, accepted_of, merged, pieces, released_by, shipped_by
from services.order.rows import Pieces, Return, Shipment, Stock
from shared.contracts.billing import AuthorisePayment, BillShipment, RefundReturn
from shared.contracts.fulfilment import CancelShipment, ExpectLine, ExpectReturn, PlanLine, PlanShipment
from shared.contracts.inventory import Kept, Limit, ReserveStock, Want
from shared.contracts.message import Message
from shared.contracts.order import (
    FINAL,
    AnswerDue,
    CancellationRefused,
    LineProgress,
    OrderCancelled,
    OrderCompleted,
    OrderConfirmed,
    OrderStatement,
    OrderStatus,
)
from shared.contracts.values import LineQuantity

Ask = Message
Asks = Callable[[Order], Iterable[Ask]]
Participant = Literal["inventory", "billing", "fulfilment", "everybody"]
ALARM = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the saga: when it applies, what it asks for, who is asked."""

    name: str
    to: Participant
    asks: tuple[str, ...]  # the messages, for the generated page
    when: str
    due: Asks  # asks not yet made; empty when there is nothing to do
    open: Asks  # asks made and not answered, exactly as they were made
    done: str
    goes_wrong: str
    overdue: timedelta | None = None


# 1 reserve


def ask_for_stock(order: Order) -> Iterator[ReserveStock]:
    stock, priority = order.stock, order.header.priority
    if (order.wanted, order.progress.limits, priority) != (stock.wanted, stock.limits, stock.priority):
        yield reserve_stock(order, order.stock.asked + 1)


def stock_unanswered(order: Order) -> Iterator[ReserveStock]:
    if order.stock.asked and not order.stock.answered:
        yield reserve_stock(order, order.stock.asked)


def reserve_stock(order: Order, version: int) -> ReserveStock:
    header = order.header
    return ReserveStock(
        order_id=order.id,
        version=version,
        placed_at=header.placed_at,
        priority=header.priority,
        country=header.ship_to.country,
        wanted=tuple(
            Want(line_no=line.line_no, sku=line.sku, quantity=quantity, kind=line.kind)
            for line, (_, quantity) in zip(order.lines, order.wanted, strict=True)
        ),
        limits=tuple(Limit(line_no=no, warehouse=at, most=most) for no, at, most in order.progress.limits),
        kept=tuple(Kept(line_no=no, warehouse=at, used=used) for (no, at), used in sorted(order.used.items()) if used),
    )


# 2 pay


def ask_for_money(order: Order) -> Iterator[AuthorisePayment]:
    if (order.due, len(order.lines)) != (order.money.due, order.money.lines):
        yield authorise_payment(order, order.money.asked + 1)


def money_unanswered(order: Order) -> Iterator[AuthorisePayment]:
    if order.money.asked and not order.money.answered:
        yield authorise_payment(order, order.money.asked)


def authorise_payment(order: Order, version: int) -> AuthorisePayment:
    header = order.header
    return AuthorisePayment(
        order_id=order.id,
        version=version,
        number=header.number,
        method=header.method,
        due=order.due,
        currency=header.currency,
        customer_id=header.customer_id,
        token=header.token,
        prices_include_vat=header.prices_include_vat,
        bill_to=header.bill_to,
        lines=tuple(line.price for line in order.lines),
    )


# 3 pull back


def shipments_to_pull_back(order: Order) -> Iterator[CancelShipment]:
    """Newest first and no more than needed; all of them when the order is held."""
    staying = [shipment for shipment in reversed(order.shipments) if shipment.open and not shipment.cancel_asked]
    if not staying:
        return
    if order.progress.holds:
        yield from (cancel_shipment(shipment, "held: " + order.progress.holds[0]) for shipment in staying)
        return
    if needed := dict(order.undecided):
        for shipment in order.shipments:
            if shipment.open and shipment.cancel_asked:
                for no, quantity in released_by(shipment):
                    needed[no] = needed.get(no, 0) - quantity
        for shipment in tuple(staying):
            if any(needed.get(no, 0) > 0 for no, quantity in released_by(shipment) if quantity):
                staying.remove(shipment)
                for no, quantity in released_by(shipment):
                    needed[no] = needed.get(no, 0) - quantity
                yield cancel_shipment(shipment, "cancelled")
    if order.secured:
        return
    gone = {no: count.shipped for no, count in order.counts.items()}
    while staying and order.money.secured < order.value(_with(gone, staying)):
        yield cancel_shipment(staying.pop(0), "not paid")


def pulls_unanswered(order: Order) -> Iterator[CancelShipment]:
    for shipment in order.shipments:
        if shipment.open and shipment.cancel_asked:
            yield cancel_shipment(shipment, "asked again")


def cancel_shipment(shipment: Shipment, reason: str) -> CancelShipment:
    return CancelShipment(order_id=shipment.order_id, shipment_id=shipment.shipment_id, reason=reason)


def _with(gone: dict[int, int], shipments: Iterable[Shipment]) -> dict[int, int]:
    total = dict(gone)
    for shipment in shipments:
        for no, quantity in released_by(shipment):
            total[no] += quantity
    return total


# 4 release


def shipments_to_plan(order: Order) -> Iterator[PlanShipment]:
    if order.progress.holds or not (order.stock.answered and order.money.answered and order.secured):
        return
    split = order.free_to_release()
    if not split:
        return
    left = {no: count.unreleased for no, count in order.counts.items()}
    for quantities in split.values():
        for no, quantity in quantities.items():
            left[no] -= quantity
    if order.header.ship_complete and any(left.values()):
        return
    goods_wait = not order.only_charges(no for no, quantity in left.items() if quantity)
    seq = len(order.shipments)
    for warehouse, quantities in split.items():
        if goods_wait and order.only_charges(quantities):
            continue  # postage goes with goods, not ahead of them
        seq += 1
        yield plan_shipment(order, seq, warehouse, quantities)


def plans_unanswered(order: Order) -> Iterator[PlanShipment]:
    for shipment in order.shipments:
        if shipment.heard is None and not shipment.cancel_asked:
            yield plan_shipment(order, shipment.seq, shipment.warehouse, dict(shipment.planned))


def plan_shipment(order: Order, seq: int, warehouse: str, quantities: dict[int, int]) -> PlanShipment:
    header = order.header
    return PlanShipment(
        order_id=order.id,
        shipment_id=order.shipment_id(seq),
        number=header.number,
        warehouse=warehouse,
        lines=tuple(
            PlanLine(
                line_no=line.line_no,
                sku=line.sku,
                text=line.text,
                kind=line.kind,
                quantity=quantities[line.line_no],
            )
            for line in order.lines
            if quantities.get(line.line_no)
        ),
        address=header.ship_to,
        service_level=header.service_level,
        priority=header.priority,
    )


# 5 bill


def shipments_to_bill(order: Order) -> Iterator[BillShipment]:
    for shipment in order.shipments:
        if shipment.out and not shipment.billed and shipped_by(shipment):
            yield bill_shipment(order, shipment)


def bills_unanswered(order: Order) -> Iterator[BillShipment]:
    for shipment in order.shipments:
        if shipment.billed and not _invoiced(order, shipment):
            yield bill_shipment(order, shipment)


def bill_shipment(order: Order, shipment: Shipment) -> BillShipment:
    left = (shipment.heard and shipment.heard.dispatched_at) or order.header.placed_at
    return BillShipment(
        order_id=order.id,
        shipment_id=shipment.shipment_id,
        lines=tuple(LineQuantity(line_no=no, quantity=quantity) for no, quantity in sorted(shipped_by(shipment))),
        dispatched_on=left.date(),
        country=order.header.ship_to.country,
    )


def _invoiced(order: Order, shipment: Shipment) -> bool:
    heard = order.money.heard
    return heard is not None and any(of.shipment_id == shipment.shipment_id for of in heard.invoiced)


# 6 return


def returns_to_expect(order: Order) -> Iterator[ExpectReturn]:
    yield from expect_returns(order, asked=False)
    yield from charges_to_return(order)


def charges_to_return(order: Order) -> Iterator[ExpectReturn]:
    """Who withdrew and kept nothing gets the postage of every parcel, whichever came back last (R-40).

    Of one parcel it comes along with the goods (withdrawal.py). What is left in others is a return of its own, asked
    for once the last piece is accepted: the shop may wait for the goods.
    """
    if not any(goods.withdrawal for goods in order.returns):
        return
    accepted = dict(merged(*(accepted_of(goods) for goods in order.returns)))
    for line in order.lines:
        count = order.counts[line.line_no]
        if line.kind == "goods" and (count.open or count.shipped > accepted.get(line.line_no, 0)):
            return
    known = {goods.return_id for goods in order.returns}
    for shipment in order.shipments:
        return_id = uuid5(shipment.shipment_id, "charges")
        if not shipment.out or return_id in known:
            continue
        if left := [(no, n) for no, n in sorted(order.returnable(shipment.shipment_id).items()) if n > 0]:
            yield ExpectReturn(
                order_id=order.id,
                shipment_id=shipment.shipment_id,
                return_id=return_id,
                lines=tuple(ExpectLine(line_no=no, sku=order.line(no).sku, quantity=n) for no, n in left),
                reason="nothing was kept",
            )


def returns_unanswered(order: Order) -> Iterator[ExpectReturn]:
    return expect_returns(order, asked=True)


def expect_returns(order: Order, *, asked: bool) -> Iterator[ExpectReturn]:
    for goods in order.returns:
        if goods.heard is None and goods.asked is asked:
            yield ExpectReturn(
                order_id=order.id,
                shipment_id=goods.shipment_id,
                return_id=goods.return_id,
                lines=tuple(
                    ExpectLine(line_no=no, sku=order.line(no).sku, quantity=quantity) for no, quantity in goods.wanted
                ),
                reason=goods.reason,
            )


# 7 refund


def returns_to_refund(order: Order) -> Iterator[RefundReturn]:
    for goods in order.returns:
        accepted = accepted_of(goods)
        if accepted and accepted != goods.refunded and _invoiced(order, order.shipment(goods.shipment_id)):
            yield _refund(goods.order_id, goods.return_id, goods.shipment_id, accepted)


def refunds_unanswered(order: Order) -> Iterator[RefundReturn]:
    heard = order.money.heard
    credited = {of.return_id: of.lines for of in heard.credited} if heard is not None else {}
    for goods in order.returns:
        covered = {of.line_no: of.quantity for of in credited.get(goods.return_id, ())}
        if any(covered.get(no, 0) < quantity for no, quantity in goods.refunded):
            yield _refund(goods.order_id, goods.return_id, goods.shipment_id, goods.refunded)


def _refund(order_id: UUID, return_id: UUID, shipment_id: UUID, accepted: Pieces) -> RefundReturn:
    return RefundReturn(
        order_id=order_id,
        return_id=return_id,
        shipment_id=shipment_id,
        accepted=tuple(LineQuantity(line_no=no, quantity=quantity) for no, quantity in accepted),
    )


# 8 announce


def announcements(order: Order) -> Iterator[OrderStatement]:
    """What others should hear, each once. Confirmed is the first word that outsiders may be told (SC-10)."""
    for kind, reason in order.news:
        yield statement(order, kind, reason)
    answered = order.stock.answered and order.money.answered
    if answered and order.secured and not order.progress.confirmed and not order.all_cancelled:
        yield statement(order, OrderConfirmed)
    status = status_of(order)
    if status != order.progress.status and status in FINAL:
        yield statement(order, OrderCancelled if status == "cancelled" else OrderCompleted, order.progress.reason)


def nothing(order: Order) -> tuple[Ask, ...]:
    return ()


def statement(order: Order, kind: type[OrderStatement], reason: str = "") -> OrderStatement:
    """The whole order as others may see it, in its next version."""
    header = order.header
    return kind(
        order_id=order.id,
        version=order.progress.version + 1,
        number=header.number,
        status=status_of(order),
        customer_id=header.customer_id,
        channel=header.channel,
        lines=line_progress(order),
        reason=reason,
    )


def line_progress(order: Order) -> tuple[LineProgress, ...]:
    promised = {} if order.stock.heard is None else {of.line_no: of.promised_on for of in order.stock.heard.lines}
    returned: dict[int, int] = {}
    for goods in order.returns:
        if goods.heard is not None:
            for of in goods.heard.lines:
                returned[of.line_no] = returned.get(of.line_no, 0) + of.received
    return tuple([
        LineProgress(
            line_no=line.line_no,
            sku=line.sku,
            ordered=count.ordered,
            cancelled=count.cancelled,
            waiting=count.waiting,
            backordered=count.backordered,
            reserved=count.reserved,
            released=count.released,
            shipped=count.shipped,
            returned=returned.get(line.line_no, 0),
            promised_on=promised.get(line.line_no) if count.backordered else None,
        )
        for line, count in zip(order.lines, order.counts.values(), strict=True)
    ])  # fmt: skip


# THE table. Step 0 is decide_cancellations, below: it asks nobody.

STEPS: tuple[Step, ...] = (
    Step(
        name="reserve",
        to="inventory",
        asks=("ReserveStock",),
        when="wanted quantities, limits for warehouses that rejected, or the priority differ from the last ask",
        due=ask_for_stock,
        open=stock_unanswered,
        done="stock.answers = ask",
        goes_wrong="rejected: step 0 cancels and tells why; backordered: wait, the customer may cancel",
        overdue=ALARM,
    ),
    Step(
        name="pay",
        to="billing",
        asks=("AuthorisePayment",),
        when="the amount due differs from the last ask",
        due=ask_for_money,
        open=money_unanswered,
        done="money.answers = ask and secured >= due",
        goes_wrong="declined: the customer may pay again until pay_by; unknown: wait, billing keeps asking",
        overdue=ALARM,
    ),
    Step(
        name="pull back",
        to="fulfilment",
        asks=("CancelShipment",),
        when="a shipment is open, and there is a hold, or money does not cover it, or its pieces are wanted cancelled",
        due=shipments_to_pull_back,
        open=pulls_unanswered,
        done="cancelled, rejected or out",
        goes_wrong="out first: the race is lost, bill it",
        overdue=ALARM,
    ),
    Step(
        name="release",
        to="fulfilment",
        asks=("PlanShipment",),
        when="no hold, both latest asks answered, secured >= due, something free (ship-complete: everything)",
        due=shipments_to_plan,
        open=plans_unanswered,
        done="the shipment is out",
        goes_wrong="closed: limit for that warehouse for a day; address: hold; short: other stock or backorder",
        overdue=ALARM,
    ),
    Step(
        name="bill",
        to="billing",
        asks=("BillShipment",),
        when="a shipment is out and not billed",
        due=shipments_to_bill,
        open=bills_unanswered,
        done="the shipment is in money.invoiced",
        goes_wrong="capture fails: billing retries, then dunning; only forward",
        overdue=ALARM,
    ),
    Step(
        name="return",
        to="fulfilment",
        asks=("ExpectReturn",),
        when="a return was asked for; or a customer who withdrew kept nothing, and postage of a parcel is left",
        due=returns_to_expect,
        open=returns_unanswered,
        done="the return is closed",
        goes_wrong="never arrives: return_by; refused at inspection: closed with what was accepted",
        overdue=ALARM,
    ),
    Step(
        name="refund",
        to="billing",
        asks=("RefundReturn",),
        when="accepted > last asked, and that shipment is invoiced",
        due=returns_to_refund,
        open=refunds_unanswered,
        done="money.credited covers it",
        goes_wrong="refund fails: parked in billing, resume",
        overdue=ALARM,
    ),
    Step(
        name="announce",
        to="everybody",
        asks=("OrderConfirmed", "OrderCancelled", "OrderCompleted"),
        when="for the first time: confirmed (secured, stock answered), cancelled, completed; and each wish, as decided",
        due=announcements,
        open=nothing,
        done="said once",
        goes_wrong="-",
    ),
)


def react(order: Order, trigger: Trigger) -> tuple[Order, list[Ask]]:
    """Store what happened, decide cancellations, then ask for whatever is missing."""
    fact, before = fact_of(trigger), order.progress
    kept = fact.keep(order, trigger)
    if kept is order and not fact.wish and not isinstance(trigger, AnswerDue):
        return order, []  # known already, or nothing to it: what was due was asked for when it fell due
    order = decide_cancellations(kept)
    asks = list(unanswered(order)) if isinstance(trigger, AnswerDue) else []
    told = False
    for step in STEPS:
        for ask in tuple(step.due(order)):
            order = having_asked(order, ask)
            asks.append(ask)
            told = told or isinstance(ask, OrderStatement)
    status = status_of(order)
    if told or fact.wish or status != before.status:
        order = order.moved(status=status, version=before.version + 1)
    return order, asks


def decide_cancellations(order: Order) -> Order:
    """Step 0. The order is the judge: what is unreleased is cancelled at once, what is out never.

    What is in an open shipment waits until fulfilment has said whether it was pulled back in time. What inventory
    rejects is cancelled too, but only if it answers the latest ask: an older rejection was counted already. Kits go as
    a whole: what is given up of a component is given up of the others.
    """
    if undecided := order.undecided:
        cancelled, wanted, refused = dict(order.progress.cancelled), dict(order.progress.cancel_wanted), False
        for no, _ in undecided:
            count = order.counts[no]
            refused = refused or wanted[no] > count.ordered - count.shipped
            wanted[no] = max(count.cancelled, min(wanted[no], count.ordered - count.shipped))
            cancelled[no] = min(wanted[no], count.cancelled + count.unreleased)
        order = order.moved(cancelled=pieces(cancelled), cancel_wanted=pieces(wanted))
        if refused:
            order = order.telling(CancellationRefused, "part of it was handed over already; it can be returned")
    heard = order.stock.heard
    if heard is not None and order.stock.answered and order.wanted == order.stock.wanted:
        for of in heard.lines:
            if (gone := min(of.rejected, order.counts[of.line_no].unreleased)) > 0:
                order = _giving_up(order, of.line_no, gone, of.reason or "it cannot be had")
    return _charges_follow(kits_follow(order))


def _giving_up(order: Order, line_no: int, quantity: int, reason: str) -> Order:
    cancelled, wanted = dict(order.progress.cancelled), dict(order.progress.cancel_wanted)
    cancelled[line_no] = cancelled.get(line_no, 0) + quantity
    wanted[line_no] = wanted.get(line_no, 0) + quantity
    return order.moved(cancelled=pieces(cancelled), cancel_wanted=pieces(wanted), reason=reason)


def _charges_follow(order: Order) -> Order:
    """Postage and services are not charged for an order of which no goods are left; what is out stays out."""
    if not order.progress.cancelled:
        return order
    goods = [order.counts[line.line_no] for line in order.lines if line.kind == "goods"]
    if not goods or any(count.cancelled < count.ordered for count in goods):
        return order
    cancelled, wanted = dict(order.progress.cancelled), dict(order.progress.cancel_wanted)
    for line in order.lines:
        if line.kind != "goods":
            count = order.counts[line.line_no]
            cancelled[line.line_no] = count.cancelled + count.unreleased
            wanted[line.line_no] = max(wanted.get(line.line_no, 0), count.ordered - count.shipped)
    return order.moved(cancelled=pieces(cancelled), cancel_wanted=pieces(wanted))


def having_asked(order: Order, ask: Ask) -> Order:
    """What is remembered of an ask, so that it is made once."""
    match ask:
        case ReserveStock():
            wanted, limits = order.wanted, order.progress.limits
            return order.but(stock=Stock(order.id, ask.version, wanted, limits, order.stock.heard, ask.priority))
        case AuthorisePayment():
            cancelled = order.progress.cancelled
            money = replace(order.money, asked=ask.version, due=ask.due, lines=len(order.lines), cancelled=cancelled)
            return order.but(money=money)
        case PlanShipment():
            planned = tuple((of.line_no, of.quantity) for of in ask.lines)
            seq = len(order.shipments) + 1
            return order.with_shipment(Shipment(order.id, seq, ask.shipment_id, ask.warehouse, planned))
        case CancelShipment():
            return order.with_shipment(replace(order.shipment(ask.shipment_id), cancel_asked=True))
        case BillShipment():
            return order.with_shipment(replace(order.shipment(ask.shipment_id), billed=True))
        case ExpectReturn():
            wanted = tuple((of.line_no, of.quantity) for of in ask.lines)
            known = next((goods for goods in order.returns if goods.return_id == ask.return_id), None)
            goods = known or Return(order.id, ask.return_id, ask.shipment_id, wanted, ask.reason)
            return order.with_return(replace(goods, asked=True))
        case RefundReturn():
            accepted = tuple((of.line_no, of.quantity) for of in ask.accepted)
            return order.with_return(replace(order.return_of(ask.return_id), refunded=accepted))
        case OrderConfirmed():
            return order.moved(confirmed=True)
    return order.but(news=()) if order.news else order


def unanswered(order: Order) -> Iterator[Ask]:
    """Every ask that was made and not answered, with the version it was made with: asking again is always safe."""
    for step in STEPS:
        yield from step.open(order)


def quiet(order: Order) -> bool:
    """Nobody owes the order an answer, no shipment is open, billing has nothing left to do."""
    if order.money.heard is None or not order.money.heard.settled:
        return False
    for shipment in order.shipments:
        if shipment.open or (shipment.billed and not _invoiced(order, shipment)):  # before a whole ask is written
            return False
    return next(unanswered(order), None) is None


def status_of(order: Order) -> OrderStatus:
    """The status, folded once per value of the order: a reaction asks for it several times."""
    status: OrderStatus | None = order.__dict__.get("status")
    if status is None:
        status = order.__dict__["status"] = fold(order)
    return status


def fold(order: Order) -> OrderStatus:
    """First match wins. Final is final: what comes later is a note, or the state of a return."""
    progress = order.progress
    if progress.status in FINAL:
        return "cancelled" if progress.status == "cancelled" else "completed"
    if order.all_cancelled:
        return "cancelled" if quiet(order) else "cancelling"
    if order.undecided:
        return "cancelling"
    if order.open:
        if progress.holds:
            return "held"
        if not order.secured:
            return "awaiting_payment"
        if order.released:
            return "in_fulfilment"
        if not order.stock.answered:
            return "awaiting_stock"
        late = any(count.waiting or count.backordered for count in order.counts.values())
        return "backordered" if late else "awaiting_payment"
    if any(shipment.heard is not None and shipment.heard.state == "dispatched" for shipment in order.shipments):
        return "shipped"
    return "completed" if quiet(order) else "delivered"
