"""What people ask of an order: checked first, so that whoever asks hears at once what cannot be."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from services.order.domain import Ctx, load_order, settle, to_order
from services.order.facts import Edited, Trigger, lacking, not_returnable
from services.order.kits import check_whole, more_of
from services.order.placing import components_of, frozen, products_of, worth_of
from services.order.preview import check_quote, in_one_line
from services.order.quantities import Order
from services.order.rows import Line
from services.order.saga import react
from services.order.withdrawal import over, with_charges
from shared.contracts.order import (
    FINAL,
    AcceptDate,
    CancelOrder,
    EditOrder,
    HoldOrder,
    ReleaseHold,
    ReturnGoods,
    WithdrawalReceived,
)
from shared.contracts.values import LineQuantity
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows


def state_of(order: Order) -> dict[str, Any]:
    """The answer to a wish: where the order is now."""
    progress = order.progress
    return {
        "id": str(order.id),
        "number": order.header.number,
        "status": progress.status,
        "version": progress.version,
        "etag": str(progress.version),
        "holds": list(progress.holds),
    }


def grant(order: Order, wish: Trigger, ctx: Ctx) -> Iterator[Effect]:
    after, effects = settle(order, *react(order, wish), wish, ctx)
    yield from effects
    yield Reply(state_of(after))


def cancel_order(m: CancelOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Cancels what is not out. What is out already is refused, with the way back: a return (R-37)."""
    order = load_order(rows, m.order_id)
    _check_version(order, m.version)
    check_quote(order, m.quote)
    _check_lines(order, m.lines, "lines")
    check_whole(order, m.lines, "lines", less=True)
    ordered = {line.line_no: line.quantity for line in order.lines}
    wanted = dict(order.progress.cancel_wanted)
    for i, of in enumerate(m.lines):
        wanted[of.line_no] = wanted.get(of.line_no, 0) + of.quantity
        if wanted[of.line_no] > ordered[of.line_no]:
            left = ordered[of.line_no] - wanted[of.line_no] + of.quantity
            raise Refused(f"Of line {of.line_no}, {left} can still be cancelled.", field=f"lines.{i}.quantity")
    if order.progress.status == "cancelled":
        yield Reply(state_of(order))
        return
    after, effects = settle(order, *react(order, m), m, ctx)
    yield from effects
    asked = _pieces(m.lines) or sum(count.ordered for count in order.counts.values())
    granted = sum(quantity for _, quantity in after.progress.cancel_wanted) - sum(
        quantity for _, quantity in order.progress.cancel_wanted
    )
    shipped = any(count.shipped for count in after.counts.values())
    if granted == 0 and asked and shipped:
        title = "Everything asked for was handed over to the carrier already; it can be returned."
        yield Reply({"title": title, **state_of(after), "state": after.progress.status, "status": 409}, 409)
    else:
        yield Reply({**state_of(after), "cancelling": granted})


def _pieces(lines: Iterable[LineQuantity]) -> int:
    return sum(of.quantity for of in lines)


def _check_lines(order: Order, lines: Sequence[LineQuantity], name: str) -> None:
    known = {line.line_no for line in order.lines}
    for i, of in enumerate(lines):
        if of.line_no not in known:
            raise Refused(f"The order has no line {of.line_no}.", field=f"{name}.{i}.line_no")


def _check_version(order: Order, version: int | None) -> None:
    """Refused when somebody was faster than who looked at this version of the order."""
    progress = order.progress
    if version is not None and version != progress.version:
        reason = f"The order changed meanwhile: it is {progress.status} at version {progress.version}, not {version}."
        raise Refused(reason, field="If-Match", status=412)


def _check_not_final(order: Order) -> None:
    if order.progress.status in FINAL:
        raise Refused(f"Order {order.header.number} is {order.progress.status}; that is final.", status=409)


def hold_order(m: HoldOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    order = load_order(rows, m.order_id)
    _check_version(order, m.version)
    check_quote(order, m.quote)
    _check_not_final(order)
    if m.reason in order.progress.holds:
        yield Reply(state_of(order))
        return
    yield from grant(order, m, ctx)


def release_hold(m: ReleaseHold, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    order = load_order(rows, m.order_id)
    _check_version(order, m.version)
    check_quote(order, m.quote)
    if m.reason not in order.progress.holds:
        holds = ", ".join(order.progress.holds) or "none"
        raise Refused(f"There is no hold '{m.reason}'; the holds are: {holds}.", field="reason", status=409)
    yield from grant(order, m, ctx)


def to_edit(m: EditOrder) -> Needs:
    yield from to_order(m)
    yield from products_of(m.add)


def to_add_kits(m: EditOrder, rows: Rows) -> Needs:
    return components_of(m.add, rows)


def edit_order(m: EditOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """More of a line becomes a line of its own at the same price, so that frozen shares of discounts stay frozen."""
    order = load_order(rows, m.order_id)
    header = order.header
    _check_version(order, m.version)
    check_quote(order, m.quote)
    _check_not_final(order)
    if order.all_cancelled:
        raise Refused(f"Order {header.number} is being cancelled.", status=409)
    _check_lines(order, m.more, "more")
    check_whole(order, m.more, "more")
    _check_less(order, m.less)
    open_shipments = [shipment.seq for shipment in order.shipments if shipment.open]
    if m.ship_to is not None and open_shipments:
        raise Refused(
            f"Shipment {open_shipments[0]} is with the warehouse already: hold the order, change the address when the "
            "shipment is cancelled, then release the hold.",
            field="ship_to",
            status=409,
        )
    if m.service_level not in (None, header.service_level) and open_shipments:
        raise Refused(
            f"Shipment {open_shipments[0]} is with the warehouse already: hold the order, change the delivery when the "
            "shipment is cancelled, then release the hold.",
            field="service_level",
            status=409,
        )
    if m.ship_to is not None and not order.open and not m.more and not m.add:
        raise Refused(
            "Everything was handed over already: the address can change no more.", field="ship_to", status=409
        )
    if m.ship_to is not None and ctx.policy.address_check and (missing := lacking(order, m.ship_to)):
        raise Refused(f"Nothing can be sent to this address: {missing} missing.", field="ship_to")
    next_no = 1 + max(line.line_no for line in order.lines)
    more = more_of(order, m.more, next_no)
    lines = more + frozen(order.id, m.add, rows, next_no + len(more), header.currency, "add")
    edited = Edited(
        order_id=order.id,
        lines=tuple(lines),
        ship_to=m.ship_to,
        priority=m.priority,
        actor=m.actor,
        note=edit_in_words(order, m, lines),
        less=tuple((of.line_no, of.quantity) for of in m.less),
        service_level=m.service_level,
        ship_complete=m.ship_complete,
        reason=m.reason,
    )
    after, asks = react(order, edited)
    if lines:
        whole = worth_of(after.lines, header.prices_include_vat, header.currency)
        after = after.but(header=replace(after.header, net=whole.net, vat=whole.vat, gross=whole.gross))
    after, effects = settle(order, after, asks, edited, ctx)
    yield from effects
    yield Reply(state_of(after))


def _check_less(order: Order, less: Sequence[LineQuantity]) -> None:
    """No more than is neither out nor wanted cancelled already: an edit is done whole or not at all."""
    _check_lines(order, less, "less")
    check_whole(order, less, "less", less=True)
    wanted = dict(order.progress.cancel_wanted)
    for i, of in enumerate(less):
        count = order.counts[of.line_no]
        left = count.ordered - count.shipped - max(wanted.get(of.line_no, 0), count.cancelled)
        if of.quantity > left:
            raise Refused(f"Of line {of.line_no}, {max(0, left)} can still be cancelled.", field=f"less.{i}.quantity")
        wanted[of.line_no] = max(wanted.get(of.line_no, 0), count.cancelled) + of.quantity


def edit_in_words(order: Order, m: EditOrder, lines: Sequence[Line]) -> str:
    """What an edit changes, for the history: the order itself keeps only how it is now."""
    header = order.header
    said = [f"line {line.line_no}: {line.quantity} x {line.sku} more" for line in lines]
    said += [f"line {of.line_no}: {of.quantity} x {order.line(of.line_no).sku} less" for of in m.less]
    if m.service_level is not None and m.service_level != header.service_level:
        said.append(f"delivery {m.service_level} instead of {header.service_level}")
    if m.ship_complete is not None and m.ship_complete != header.ship_complete:
        said.append("waits to go in one parcel" if m.ship_complete else "does not wait to go in one parcel")
    if m.ship_to is not None and m.ship_to != header.ship_to:
        said.append(f"ship to {in_one_line(m.ship_to)} instead of {in_one_line(header.ship_to)}")
    if m.priority is not None and m.priority != header.priority:
        said.append(f"priority {m.priority} instead of {header.priority}")
    changes = "; ".join(said) or "nothing changed"
    return f"{m.reason}: {changes}" if m.reason else changes


def return_goods(m: ReturnGoods, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A return of the customer; never more than was shipped and is not in another return (I5).

    The customer's own word holds only within the period of withdrawal (R-40); that of the staff always.
    """
    order = load_order(rows, m.order_id)
    _check_lines(order, m.lines, "lines")
    if not any(known.return_id == m.return_id for known in order.returns):
        _check_version(order, m.version)
        check_quote(order, m.quote)
        said = m
        if m.withdrawal:
            if last := over(order, ctx.policy.withdrawal, ctx.now):
                raise Refused(f"The time to withdraw ended on {last}.", field="withdrawal", status=409)
            m = with_charges(order, m)
        if reason := not_returnable(order, m.shipment_id, m.lines):
            raise Refused(reason, field="lines", status=409)
        order, effects = settle(order, *react(order, m), m, ctx)
        yield from effects
        if said.withdrawal:
            yield WithdrawalReceived(
                order_id=said.order_id, return_id=said.return_id, lines=said.lines, reason=said.reason
            )
    yield Reply({**state_of(order), "return_id": str(m.return_id)}, 201)


def accept_date(m: AcceptDate, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    order = load_order(rows, m.order_id)
    _check_version(order, m.version)
    _check_not_final(order)
    yield from grant(order, m, ctx)
