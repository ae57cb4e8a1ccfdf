"""Decisions of the back office: keep the newest statement, remember that it was said, and look at the order again.

A statement of any service says that an order moved; how it stands then is asked of the order service, because only it
knows. Nothing here depends on the order in which things come in, or on how often.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.backoffice import letters
from services.backoffice.rows import Backorder, Entry, Mail, Money, Order, Refund, Return, Shipment, Sold, StockSaid
from shared.contracts.backoffice import LookAgain, LookAtOrder, OrderSeen, OrderSummary
from shared.contracts.billing import MoneyStatement, PaymentRefunded, RefundStatement, WriteOffStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentDelivered, ShipmentDispatched, ShipmentStatement
from shared.contracts.inventory import StockStatement
from shared.contracts.message import Statement
from shared.contracts.order import FINAL, OrderConfirmed, OrderStatement
from shared.messaging.decision import Call, Context, Effect, Needs, Row, Rows, Timer

PAUSES = tuple(timedelta(seconds=s) for s in (1, 1, 2, 5, 15, 60, 300, 900))
"""How long to wait before an order is looked at again that was not as new as what others said of it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Whether customers get e-mails, and of what: nothing older than `mail_age`, nothing from before `mail_since`.

    `low_stock_to`: addresses of staff who hear of what runs low.
    """

    mails: bool = False
    mail_age: timedelta = timedelta(days=3)
    mail_since: datetime | None = None
    low_stock_to: tuple[str, ...] = ()


Ctx = Context[Policy]


MAILED = (OrderConfirmed, ShipmentDispatched, ShipmentDelivered, PaymentRefunded)
"""What customers get an e-mail of. That a day of delivery is another one is seen by looking at the order."""


def to_order(m: Any) -> Needs:
    """The order that a statement touches; with the e-mails about it where there may be another one."""
    return [(Order, m.order_id), *([(Mail, m.order_id)] if isinstance(m, MAILED) else [])]


def to_stock(m: StockStatement) -> Needs:
    return [*to_order(m), *([(StockSaid, m.order_id), (Backorder, m.order_id)] if _of_waiting(m) else [])]


def _of_waiting(m: StockStatement) -> bool:
    """Whether it may say that something waits, or waits no more: the first one cannot say the latter."""
    return m.version > 1 or any(line.backordered for line in m.lines)


def to_money(m: Any) -> Needs:
    return [*to_order(m), (Money, m.order_id)]


def to_shipment(m: Any) -> Needs:
    return [*to_order(m), (Shipment, m.order_id)]


def to_return(m: Any) -> Needs:
    return [(Order, m.order_id), (Return, m.order_id)]


def order_said(m: OrderStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    pieces = sum(line.ordered for line in m.lines)
    facts = {"number": m.number, "status": m.status, "reason": m.reason, "pieces": pieces, "lines": len(m.lines)}
    if isinstance(m, OrderConfirmed):
        yield from letters.confirmed(m.order_id, rows, ctx)
    yield from _told(m, "order", facts, rows, ctx)


def stock_said(m: StockStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    days = [line.promised_on.isoformat() if line.promised_on else "" for line in m.lines if line.backordered]
    facts = {
        "reserved": sum(promise.reserved for promise in m.promises),
        "issued": sum(promise.issued for promise in m.promises),
        "backordered": sum(line.backordered for line in m.lines),
        "rejected": sum(line.rejected for line in m.lines),
        "promised_on": max(days) if days and all(days) else "",
        "warehouses": sorted({promise.warehouse for promise in m.promises if promise.promised}),
        "reason": next((line.reason for line in m.lines if line.reason), ""),
    }
    if _of_waiting(m):
        yield from _waits(m, rows, ctx)
    yield from _told(m, "stock", facts, rows, ctx)


def _waits(m: StockStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The statement, if no other of its version was there, and what the lines waited by all of them."""
    known = {row.version: row for row in rows.group(StockSaid, m.order_id)}
    if m.version in known:
        return  # the same under another name: inventory states the whole of it each time
    counts: dict[int, tuple[int, int]] = {line.line_no: (line.backordered, 0) for line in m.lines if line.backordered}
    for promise in m.promises:
        late, kept = counts.get(promise.line_no, (0, 0))
        counts[promise.line_no] = (late, kept + promise.promised)
    lines = tuple((line_no, *counts[line_no]) for line_no in sorted(counts))
    said = StockSaid(m.order_id, m.version, ctx.told_at or ctx.now, lines)
    yield said
    before = {row.line_no: row for row in rows.group(Backorder, m.order_id)}
    yield from (row for row in waited(m.order_id, [*known.values(), said]) if row != before.get(row.line_no))


def waited(order_id: UUID, said: Iterable[StockSaid]) -> Iterator[Backorder]:
    """What each line waited. Of pieces that wait no more, those are lost that the line was not promised instead."""
    history = sorted(said, key=lambda row: row.version)
    for line_no in sorted({line for row in history for line, late, _ in row.lines if late}):
        since: datetime | None = None
        began = history[0].at
        pieces = promised = lost = late = kept = 0
        spent = timedelta(0)
        for row in history:
            now_late, now_kept = next((counts for line, *counts in row.lines if line == line_no), (0, 0))
            if now_late and not late:
                began = row.at
            elif late and not now_late:
                spent += max(timedelta(0), row.at - began)
            if now_late > late:
                since = since or row.at
                pieces += now_late - late
            else:
                got = min(late - now_late, max(0, now_kept - kept))
                promised, lost = promised + got, lost + late - now_late - got
            late, kept = now_late, now_kept
        assert since is not None
        yield Backorder(order_id, line_no, since, pieces, promised, lost, late, round(spent.total_seconds()))


def money_said(m: MoneyStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    credited = sum((of.gross for of in m.credited), Decimal(0))
    facts = {
        "state": m.state,
        "secured": f"{m.secured:f}",
        "captured": f"{m.captured:f}",
        "refunded": f"{m.refunded:f}",
        "owed": f"{m.owed:f}",
        "credited": f"{credited:f}",
        "invoices": [of.number for of in m.invoiced],
        "parked": m.parked,
        "reason": m.reason,
    }
    known = rows.find(Money, m.order_id)
    if known is None or m.version > known.version:
        if isinstance(m, PaymentRefunded):
            yield from letters.refunded(m, known, rows, ctx)
        yield Money(
            order_id=m.order_id,
            version=m.version,
            state=m.state,
            secured=m.secured,
            captured=m.captured,
            refunded=m.refunded,
            invoiced=sum((of.gross for of in m.invoiced), Decimal(0)),
            credited=credited,
            owed=m.owed,
            settled=m.settled,
            parked=m.parked,
        )
    yield from _told(m, "money", facts, rows, ctx)


def shipment_said(m: ShipmentStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    pieces, short = sum(line.planned for line in m.lines), sum(line.short for line in m.lines)
    facts = {
        "state": m.state,
        "warehouse": m.warehouse,
        "pieces": pieces,
        "short": short,
        "short_why": sorted({line.why.text for line in m.lines if line.why is not None}),
        "carrier": m.carrier,
        "tracking": m.tracking,
        "reason": m.reason,
        "parked": m.parked,
    }
    known = {row.shipment_id: row.version for row in rows.group(Shipment, m.order_id)}
    if m.version > known.get(m.shipment_id, 0):
        if isinstance(m, ShipmentDispatched | ShipmentDelivered):
            yield from letters.moved(m, rows, ctx)
        yield Shipment(
            order_id=m.order_id,
            shipment_id=m.shipment_id,
            version=m.version,
            at=ctx.told_at or ctx.now,
            state=m.state,
            warehouse=m.warehouse,
            pieces=pieces,
            short=short,
            carrier=m.carrier,
            tracking=m.tracking,
            reason=m.reason,
            parked=m.parked,
            dispatched_at=m.dispatched_at,
            delivered_at=m.delivered_at,
        )
    yield from _told(m, str(m.shipment_id), facts, rows, ctx)


def return_said(m: ReturnStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    counts = {name: sum(getattr(line, name) for line in m.lines) for name in ("expected", "received", "accepted")}
    facts = {"state": m.state, "warehouse": m.warehouse, "reason": m.reason, **counts}
    known = {row.return_id: row.version for row in rows.group(Return, m.order_id)}
    if m.version > known.get(m.return_id, 0):
        yield Return(
            order_id=m.order_id,
            return_id=m.return_id,
            shipment_id=m.shipment_id,
            version=m.version,
            at=ctx.told_at or ctx.now,
            state=m.state,
            warehouse=m.warehouse,
            reason=m.reason,
            **counts,
        )
    yield from _told(m, str(m.return_id), facts, rows, ctx)


def to_refund(m: Any) -> Needs:
    return [(Order, m.order_id), (Refund, m.order_id)]


def refund_said(m: RefundStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Its row and an entry of the timeline. The order itself knows nothing of it, so it is not looked at for it."""
    known = {row.refund_id: row.version for row in rows.group(Refund, m.order_id)}
    if m.version > known.get(m.refund_id, 0):
        yield Refund(**{name: getattr(m, name) for name in REFUND})
    facts = {
        "amount": f"{m.gross:f}",
        "vat": f"{m.vat:f}",
        **{name: getattr(m, name) for name in ("invoice", "reason", "approver", "decided_by", "note", "credit_note")},
    }
    yield Entry(
        order_id=m.order_id,
        event_id=ctx.cause,
        at=ctx.told_at or ctx.now,
        key=m.key,
        thing=str(m.refund_id),
        version=m.version,
        actor=ctx.actor or m.decided_by or m.asker,
        cause=ctx.led_by,
        facts=facts,
    )
    if rows.find(Order, m.order_id) is None:
        yield from _look(Order(m.order_id))


def to_write_off(m: Any) -> Needs:
    return [(Order, m.order_id)]


def write_off_said(m: WriteOffStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """An entry of the timeline; the list of them is billing's own."""
    yield Entry(
        order_id=m.order_id,
        event_id=ctx.cause,
        at=ctx.told_at or ctx.now,
        key=m.key,
        thing=str(m.write_off_id),
        version=m.version,
        actor=ctx.actor or m.decided_by or m.asker,
        cause=ctx.led_by,
        facts={"amount": f"{m.amount:f}", "reason": m.reason, "approver": m.approver, "note": m.note},
    )
    if rows.find(Order, m.order_id) is None:
        yield from _look(Order(m.order_id))


REFUND = tuple(field.name for field in fields(Refund))


def _told(m: Statement, thing: str, facts: dict[str, Any], rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """What every statement leaves: an entry of the timeline, and a look at the order if it says something new."""
    yield Entry(
        order_id=m.order_id,
        event_id=ctx.cause,
        at=ctx.told_at or ctx.now,
        key=m.key,
        thing=thing,
        version=m.version,
        actor=ctx.actor,
        cause=ctx.led_by,
        facts=facts,
    )
    order = rows.find(Order, m.order_id) or Order(m.order_id)
    heard = dict(order.heard)
    if m.version <= heard.get(thing, 0):
        return
    heard[thing] = m.version
    order = replace(order, heard=tuple(sorted(heard.items())))
    yield from [order] if order.looking else _look(order)


def _look(order: Order) -> Iterator[Effect]:
    yield replace(order, looking=True)
    yield Call(LookAtOrder(order_id=order.order_id))


def look_again(m: LookAgain, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The pause is over, or somebody knows that the order changed."""
    yield from _look(rows.find(Order, m.order_id) or Order(m.order_id))


def to_seen(m: OrderSeen) -> Needs:
    """With the e-mails about the order only where it has a late part, of whose day there may be another one."""
    late = m.order is not None and m.order.backordered
    return [(Order, m.order_id), (Sold, m.order_id), *([(Mail, m.order_id)] if late else [])]


def order_seen(m: OrderSeen, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The order as it stands, if that is newer. Older than what others said already: look again a little later."""
    order = rows.find(Order, m.order_id) or Order(m.order_id)
    if m.order is not None and m.order.revision >= order.seen:
        yield from letters.dated(m.order, rows, ctx)
    if m.order is not None and m.order.revision > order.seen:
        order = taken(order, m.order)
        known_lines = {row.line_no: row for row in rows.group(Sold, m.order_id)}
        lines = (Sold(m.order_id, **{name: getattr(line, name) for name in SOLD}) for line in m.order.lines)
        yield from (line for line in lines if line != known_lines.get(line.line_no))
    known = {} if m.order is None else {of.thing: of.version for of in m.order.heard}
    if m.order is not None and all(version <= known.get(thing, 0) for thing, version in order.heard):
        yield replace(order, looking=False, tries=0)
        return
    yield replace(order, looking=True, tries=order.tries + 1)
    due = ctx.now + PAUSES[min(order.tries, len(PAUSES) - 1)]
    yield Timer(f"look:{m.order_id}", due, LookAgain(order_id=m.order_id))


SOLD = tuple(field.name for field in fields(Sold) if field.name != "order_id")
SAME = tuple(field.name for field in fields(Order) if field.name in OrderSummary.model_fields and field.name != "heard")


def taken(order: Order, seen: OrderSummary) -> Order:
    """The row with what the order service says."""
    first = seen.waits[0] if seen.waits else None
    return replace(
        order,
        **{name: getattr(seen, name) for name in SAME},
        seen=seen.revision,
        final=seen.status in FINAL,
        who="" if first is None else first.who,
        until=None if first is None else moment(first.until),
    )


def moment(until: datetime | date | None) -> datetime | None:
    """A day lasts until its end."""
    if until is None or isinstance(until, datetime):
        return until
    return datetime.combine(until, time(23, 59, 59), UTC)


SAID: dict[type[Statement], tuple[Callable[[Any], Needs], Callable[[Any, Rows, Ctx], Iterator[Effect]]]] = {
    OrderStatement: (to_order, order_said),
    StockStatement: (to_stock, stock_said),
    MoneyStatement: (to_money, money_said),
    ShipmentStatement: (to_shipment, shipment_said),
    ReturnStatement: (to_return, return_said),
    RefundStatement: (to_refund, refund_said),
    WriteOffStatement: (to_write_off, write_off_said),
}
"""What is done with the statements of each kind."""


def touched(changed: dict[type[Row], Any]) -> set[UUID]:
    """The orders of which anything changed."""
    return {row.order_id for rows in changed.values() for row in rows.values() if hasattr(row, "order_id")}
