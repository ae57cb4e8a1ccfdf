"""What fulfilment decides about returns: announced or opened by itself, received, inspected, closed (R-39).

Laws: over all returns of a shipment accepted <= shipped, per line; quantities only grow; the customer's return ends at
its due date, the one opened by fulfilment ends received or claimed from the carrier, never silently (SAGA lesson 2).
Shipping and service lines travel along: nothing of them arrives, they are accepted when the return closes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal
from uuid import UUID, uuid5

from services.fulfilment.domain.rows import Impossible, Policy, Return, Shipment, return_statement, return_told
from shared.contracts.fulfilment import (
    OUT,
    CloseReturn,
    ExpectReturn,
    InspectReturn,
    ReceiveReturn,
    ReturnClosed,
    ReturnDue,
    ReturnExpected,
    ReturnInspected,
    ReturnLine,
    ReturnReceived,
    ReturnStatement,
)
from shared.messaging.decision import Context, Effect, Needs, Refused, Reply, Rows, Timer

Opener = Literal["customer", "fulfilment"]


def to_return(m: ExpectReturn | ReceiveReturn | InspectReturn | CloseReturn | ReturnDue) -> Needs:
    yield Shipment, m.shipment_id
    yield Return, m.shipment_id


# Opening


def expect_return(m: ExpectReturn, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """Announced by the customer. No more is expected than other returns leave; if that is none, it closes at once."""
    returns = rows.group(Return, m.shipment_id)
    if any(r.return_id == m.return_id for r in returns):
        return
    s = rows.one(Shipment, m.shipment_id)
    if s.state not in OUT:
        raise Impossible(f"return of shipment {s.shipment_id}, which is {s.state}")
    shipped, wanted = s.shipped(), dict[int, int]()
    for line in m.lines:
        if line.line_no not in shipped:
            raise Impossible(f"line {line.line_no} is not in shipment {s.shipment_id}")
        wanted[line.line_no] = wanted.get(line.line_no, 0) + line.quantity
    quantities = {no: min(n, shipped[no] - bound_elsewhere(returns, no)) for no, n in wanted.items()}
    yield from opened(s, m.return_id, quantities, m.reason, "customer", ctx)


def comes_back(s: Shipment, reason: str, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """Refused at the door or lost: everything that is out and not yet accepted back."""
    returns = rows.group(Return, s.shipment_id)
    quantities = {no: n - accepted_by(returns, no) for no, n in s.shipped().items()}
    if any(n > 0 for n in quantities.values()):
        yield from opened(s, return_id_of(s.shipment_id), quantities, reason, "fulfilment", ctx)


def return_id_of(shipment_id: UUID) -> UUID:
    """Made from the shipment's id: a second report of the same misfortune finds the same return."""
    return uuid5(shipment_id, "refused or lost")


def opened(
    s: Shipment, return_id: UUID, quantities: dict[int, int], reason: str, by: Opener, ctx: Context[Policy]
) -> Iterator[Effect]:
    sku = {line.line_no: line.sku for line in s.lines}
    r = Return(
        return_id=return_id,
        shipment_id=s.shipment_id,
        order_id=s.order_id,
        warehouse=s.warehouse,
        reason=reason,
        opened_by=by,
        opened_at=ctx.now,
        due_at=ctx.now + ctx.policy.return_within if by == "customer" else None,
        lines=tuple([ReturnLine(line_no=no, sku=sku[no], expected=max(0, n)) for no, n in quantities.items()]),
    )
    goods = goods_of(s)
    if not any(line.expected for line in r.lines if line.line_no in goods):
        if goods.isdisjoint(
            quantities
        ):  # a fee or a service is given back alone; it does not follow goods that are not
            r = replace(r, lines=tuple([along(line, goods) for line in r.lines]))
        yield from closed(r, "nothing has to come back", ctx, ReturnClosed)
    elif ctx.policy.automatic_returns:
        lost = by == "fulfilment" and reason == "lost"
        r = replace(r, lines=tuple([by_itself(line, goods, lost) for line in r.lines]), claimed=lost)
        yield from closed(r, "claimed from the carrier" if lost else "came back whole, to stock", ctx, ReturnClosed)
    else:
        yield from return_told(r, f"announced: {reason}" if reason else "announced", ctx, ReturnExpected)
        if r.due_at is not None:
            yield due_timer(r)


def by_itself(line: ReturnLine, goods: frozenset[int], lost: bool) -> ReturnLine:
    if line.line_no not in goods:
        return along(line, goods)
    back = 0 if lost else line.expected
    return line.model_copy(update={"received": back, "accepted": line.expected, "restock": back})


# The dock and the inspection


def receive_return(m: ReceiveReturn, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """Arrived, in as many parts as it takes; not sellable before inspection."""
    _, r, _ = found(m, rows)
    lines = {line.line_no: line for line in r.lines}
    for more in m.lines:
        line = of_return(lines, more.line_no)
        if line.received + more.quantity > line.expected:
            left = line.expected - line.received
            raise Refused(f"line {line.line_no}: {more.quantity} arrived, {left} still expected", field="lines")
        lines[line.line_no] = line.model_copy(update={"received": line.received + more.quantity})
    r = replace(r, lines=tuple(lines.values()), state="received")
    pieces = sum(more.quantity for more in m.lines)
    yield from replied(return_told(r, f"{pieces} received", ctx, ReturnReceived, actor=m.actor))


def inspect_return(m: InspectReturn, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """Graded: so many back to stock, to quarantine, to scrap; of these so many are accepted, the rest is refused."""
    s, r, others = found(m, rows)
    shipped, goods = s.shipped(), goods_of(s)
    lines = {line.line_no: line for line in r.lines}
    for more in m.lines:
        line = of_return(lines, more.line_no)
        pieces = more.restock + more.quarantine + more.scrap
        if pieces > line.received - graded(line):
            waiting = line.received - graded(line)
            raise Refused(f"line {line.line_no}: {pieces} graded, {waiting} wait for it", field="lines")
        if more.accepted > pieces:
            raise Refused(f"line {line.line_no}: {more.accepted} accepted of {pieces} graded", field="lines")
        accepted = line.accepted + more.accepted
        if accepted + accepted_by(others, line.line_no) > shipped.get(line.line_no, 0):
            raise Refused(f"line {line.line_no}: more accepted than was shipped", field="lines")
        lines[line.line_no] = line.model_copy(
            update={
                "accepted": accepted,
                "restock": line.restock + more.restock,
                "quarantine": line.quarantine + more.quarantine,
                "scrap": line.scrap + more.scrap,
            }
        )
    r = replace(r, lines=tuple(lines.values()), state="inspected")
    what = f"{sum(x.accepted for x in m.lines)} accepted"
    if all(graded(line) == line.expected for line in r.lines if line.line_no in goods):
        r = with_rest(r, s, others)
        yield from replied(
            closed(r, f"{what}, nothing more to come", ctx, ReturnInspected, ReturnClosed, actor=m.actor)
        )
    else:
        yield from replied(return_told(r, what, ctx, ReturnInspected, actor=m.actor))


# Closing


def close_return(m: CloseReturn, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """No more will come. What never came of a parcel that the carrier lost is claimed from it and accepted."""
    s = rows.find(Shipment, m.shipment_id)
    r = next((r for r in rows.group(Return, m.shipment_id) if r.return_id == m.return_id), None)
    if s is not None and r is not None and r.state == "closed" and (r.claimed or not m.claimed):
        yield return_reply(r)
        return
    s, r, others = found(m, rows)
    if any(line.received > graded(line) for line in r.lines):
        raise Refused("pieces that arrived are not inspected yet", status=409)
    if r.opened_by == "customer" and m.claimed:
        raise Refused("only what the carrier did not deliver can be claimed from it", field="claimed")
    if r.opened_by == "fulfilment" and not m.claimed:
        raise Refused("it ends received and inspected, or claimed from the carrier", field="claimed", status=409)
    if m.claimed:
        goods, shipped = goods_of(s), s.shipped()
        lines = []
        for line in r.lines:
            if line.line_no in goods:
                left = shipped[line.line_no] - accepted_by(others, line.line_no) - line.accepted
                claimed = max(0, min(line.expected - line.received, left))
                line = line.model_copy(update={"accepted": line.accepted + claimed})
            lines.append(line)
        r = replace(r, lines=tuple(lines), claimed=True)
    what = "claimed from the carrier" if m.claimed else "closed"
    yield from replied(closed(with_rest(r, s, others), what, ctx, ReturnClosed, actor=m.actor))


def return_due(m: ReturnDue, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """The customer's time is over: closed with what was accepted. What lies uninspected is waited for."""
    s = rows.one(Shipment, m.shipment_id)
    returns = rows.group(Return, m.shipment_id)
    r = next((r for r in returns if r.return_id == m.return_id), None)
    if r is None or r.state == "closed" or r.opened_by != "customer":
        return
    if any(line.received > graded(line) for line in r.lines):
        yield replace(due_timer(r), due_at=ctx.now + ctx.policy.return_look_again)
        return
    others = [other for other in returns if other is not r]
    yield from closed(with_rest(r, s, others), "not sent back in time", ctx, ReturnClosed)


def closed(
    r: Return, what: str, ctx: Context[Policy], *news: type[ReturnStatement], actor: str = ""
) -> Iterator[Effect]:
    """The return as closed; its timer goes with it."""
    if r.version and r.due_at is not None:
        yield Timer(f"return:{r.return_id}", None)
    yield from return_told(replace(r, state="closed", closed_at=ctx.now), what, ctx, *news, actor=actor)


def with_rest(r: Return, s: Shipment, others: list[Return]) -> Return:
    """Shipping and service lines are accepted with the goods, if any of those were."""
    goods = goods_of(s)
    if not any(line.accepted for line in r.lines if line.line_no in goods):
        return r
    shipped = s.shipped()
    lines = []
    for line in r.lines:
        if line.line_no not in goods:
            left = max(0, min(line.expected, shipped[line.line_no] - accepted_by(others, line.line_no)))
            line = line.model_copy(update={"received": left, "accepted": left})
        lines.append(line)
    return replace(r, lines=tuple(lines))


def along(line: ReturnLine, goods: frozenset[int]) -> ReturnLine:
    """A line of which nothing can arrive counts as come back."""
    if line.line_no in goods:
        return line
    return line.model_copy(update={"received": line.expected, "accepted": line.expected})


def due_timer(r: Return) -> Timer:
    return Timer(f"return:{r.return_id}", r.due_at, ReturnDue(shipment_id=r.shipment_id, return_id=r.return_id))


# Small sums


def goods_of(s: Shipment) -> frozenset[int]:
    return frozenset([line.line_no for line in s.lines if line.kind == "goods"])


def graded(line: ReturnLine) -> int:
    return line.restock + line.quarantine + line.scrap


def accepted_by(returns: Iterable[Return], line_no: int) -> int:
    return sum(line.accepted for r in returns for line in r.lines if line.line_no == line_no)


def bound_elsewhere(returns: Iterable[Return], line_no: int) -> int:
    """Pieces that other returns have accepted, or may still accept."""
    return sum(
        line.accepted if r.state == "closed" else max(line.expected, line.accepted)
        for r in returns
        for line in r.lines
        if line.line_no == line_no
    )


def found(m: ReceiveReturn | InspectReturn | CloseReturn, rows: Rows) -> tuple[Shipment, Return, list[Return]]:
    """The shipment, its open return that a person names, and its other returns."""
    s = rows.find(Shipment, m.shipment_id)
    returns = rows.group(Return, m.shipment_id)
    r = next((r for r in returns if r.return_id == m.return_id), None)
    if s is None or r is None:
        raise Refused("there is no such return", field="return_id", status=404)
    if r.state == "closed":
        raise Refused("the return is closed", status=409)
    return s, r, [other for other in returns if other is not r]


def of_return(lines: dict[int, ReturnLine], line_no: int) -> ReturnLine:
    line = lines.get(line_no)
    if line is None:
        raise Refused(f"line {line_no} is not in this return", field="lines")
    return line


def return_reply(r: Return) -> Reply:
    return Reply(return_statement(r, ReturnStatement).model_dump(mode="json"))


def replied(effects: Iterator[Effect]) -> Iterator[Effect]:
    """The effects, and the return as they leave it for the person who asked."""
    for effect in effects:
        if isinstance(effect, Return):
            yield return_reply(effect)
        yield effect
