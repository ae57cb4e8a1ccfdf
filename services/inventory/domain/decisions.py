"""What inventory decides of orders. One judge of stock: every promise is made and taken back here."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from services.inventory.domain.kits import announce_kit, kits_to_announce
from services.inventory.domain.rows import (
    REALM,
    Ctx,
    Demand,
    Expected,
    Impossible,
    Item,
    Kit,
    KitPart,
    Level,
    Queue,
    Queued,
    Reservation,
    Seen,
    StockOrder,
    Warehouse,
    movement,
    of_order,
    of_sku,
    page_of,
)
from services.inventory.domain.working import Promises, Shelves, repromise, serve
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import (
    AnnounceAvailability,
    Availability,
    AvailabilityChanged,
    PromiseAgain,
    PromiseDue,
    ReserveStock,
    ServeQueue,
    StockIssued,
)
from shared.messaging.decision import Effect, Missing, Needs, Rows


def to_reserve(m: ReserveStock) -> Needs:
    yield from of_order(m.order_id)
    yield Warehouse, REALM
    for sku in {want.sku: None for want in m.wanted}:
        yield from of_sku(sku)
        yield Queued, page_of(sku, m.priority, m.placed_at)


def to_reserve_besides(m: ReserveStock, rows: Rows) -> Needs:
    """The place in the queue so far, if the priority changed, and lines that the order no longer speaks of."""
    order = rows.find(StockOrder, m.order_id)
    if order is None or m.version <= order.answers:
        return
    named = {want.line_no for want in m.wanted}
    for demand in rows.group(Demand, m.order_id):
        if demand.line_no not in named:
            yield from of_sku(demand.sku)
            yield Queued, page_of(demand.sku, m.priority, order.placed_at)
        if order.priority != m.priority or order.placed_at != m.placed_at:
            yield Queued, page_of(demand.sku, order.priority, order.placed_at)
            yield Queued, page_of(demand.sku, m.priority, order.placed_at)


def reserve_stock(m: ReserveStock, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The whole wish of an order replaces the one before; it is always answered (SAGA 7, rules 1 and 5)."""
    known = rows.find(StockOrder, m.order_id)
    if known is not None and m.version <= known.answers:
        return
    shelves = Shelves(rows, ctx)
    order = (
        StockOrder(m.order_id, 0, m.version, m.placed_at, m.priority, m.country)
        if known is None
        else replace(known, answers=m.version, priority=m.priority, country=m.country)
    )
    promises = Promises(shelves, order, frozenset(want.line_no for want in m.wanted if want.kind != "goods"))
    if known is not None and known.priority != m.priority:
        leave_the_queue(promises, known)
    wanted = {want.line_no: want.quantity for want in m.wanted}
    for want in m.wanted:
        demand = promises.demands.get(want.line_no)
        if demand is None:
            promises.demands[want.line_no] = Demand(m.order_id, want.line_no, want.sku, want.quantity)
        elif demand.sku != want.sku:
            raise Impossible(f"line {want.line_no} was {demand.sku} and is now {want.sku}")
    for line_no, demand in promises.demands.items():
        if demand.wanted != wanted.get(line_no, 0):
            promises.demands[line_no] = replace(demand, wanted=wanted.get(line_no, 0))
    note_limits(m, promises)
    promises.settle(promises.demands)
    yield from promises.effects()
    yield from shelves.effects()


def leave_the_queue(promises: Promises, at: StockOrder) -> None:
    """Gives up its places under the old priority; it joins again under the new one if it still must wait."""
    for line_no, demand in promises.demands.items():
        if demand.backordered:
            promises.shelves.wait(at, line_no, demand.sku, 0)
            promises.demands[line_no] = replace(demand, backordered=0, promised_on=None, by_receipt=False)


def note_limits(m: ReserveStock, promises: Promises) -> None:
    """Takes over what is kept and limited; a place that the ask does not name has neither."""
    kept = {(k.line_no, k.warehouse): k.used for k in m.kept}
    most = {(limit.line_no, limit.warehouse): limit.most for limit in m.limits}
    places = ((r.line_no, r.warehouse) for r in list(promises.all()))
    for line_no, warehouse in dict.fromkeys((*places, *kept, *most)):
        demand = promises.demands.get(line_no)
        if demand is None:
            continue
        held = promises.reservation(line_no, warehouse, demand.sku)
        new_kept, new_most = kept.get((line_no, warehouse), 0), most.get((line_no, warehouse))
        if (held.kept, held.most) != (new_kept, new_most):
            promises.put(replace(held, kept=new_kept, most=new_most))


# What shipments say


def counted(m: ShipmentStatement) -> tuple[tuple[int, int, int], ...]:
    """(line, shipped, short) of lines with either. Pieces count as shipped when the carrier has them."""
    out = m.out
    return tuple([(n.line_no, n.shipped * out, n.short) for n in m.lines if n.short or (out and n.shipped)])


def to_issue(m: ShipmentStatement) -> Needs:
    if not counted(m):
        return  # planned and picked in full: nothing happened to the stock
    yield from of_order(m.order_id)
    yield Seen, m.order_id
    yield Warehouse, REALM
    for sku in {line.sku: None for line in m.lines}:
        yield from of_sku(sku)


def to_issue_besides(m: ShipmentStatement, rows: Rows) -> Needs:
    """The queue, when something was lost or waits: the rest of the line may have to join it or leave it."""
    if not counted(m):
        return
    order = rows.find(StockOrder, m.order_id)
    if order is None:
        return
    waiting = {d.sku for d in rows.group(Demand, m.order_id) if d.backordered or d.rejected}
    for line in m.lines:
        if line.short or line.sku in waiting:
            yield Queued, page_of(line.sku, order.priority, order.placed_at)


def issue_stock(m: ShipmentStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Books what went out and what was not found, once, whichever statement tells first (SC-06, SC-09)."""
    counts = counted(m)
    if not counts:
        return
    order = rows.find(StockOrder, m.order_id)
    if order is None:
        raise Missing(f"order {m.order_id} has not asked for stock yet")
    seen = next((s for s in rows.group(Seen, m.order_id) if s.thing_id == m.shipment_id), None)
    before = {line_no: (shipped, short) for line_no, shipped, short in seen.counts} if seen else {}
    shelves = Shelves(rows, ctx)
    promises = Promises(shelves, order)
    whys = {line.line_no: line.why.text for line in m.lines if line.why is not None}
    changed: list[int] = []
    new: list[tuple[int, int, int]] = []
    issued_any, moved, reference = False, False, str(m.shipment_id)
    for line_no, shipped, short in counts:
        if line_no not in promises.demands:
            raise Impossible(f"shipment {m.shipment_id} has line {line_no}, which the order never wanted")
        was_shipped, was_short = before.pop(line_no, (0, 0))
        issue, loss = max(0, shipped - was_shipped), max(0, short - was_short)
        new.append((line_no, was_shipped + issue, was_short + loss))
        if not issue and not loss:
            continue
        moved, issued_any = True, issued_any or issue > 0
        if book(promises, line_no, m, reference, issue, loss, whys.get(line_no, "")):
            changed.append(line_no)
    if not moved:
        return
    new.extend((line_no, shipped, short) for line_no, (shipped, short) in before.items())
    promises.settle(changed)
    yield from promises.effects(*((StockIssued,) if issued_any else ()))
    yield Seen(m.order_id, m.shipment_id, m.version, tuple(sorted(new)))
    yield from shelves.effects()


def book(
    promises: Promises, line_no: int, m: ShipmentStatement, reference: str, issue: int, loss: int, why: str
) -> bool:
    """Takes issue and loss off reserved and on hand, once. True when the line must be looked at again.

    `why`: what the picker said of the loss.
    """
    shelves, ctx = promises.shelves, promises.ctx
    held = promises.reservation(line_no, m.warehouse, promises.demands[line_no].sku)
    from_issue = min(issue, held.reserved)
    from_loss = min(loss, held.reserved - from_issue)
    promises.put(
        Reservation(
            held.order_id,
            held.line_no,
            held.warehouse,
            held.sku,
            held.stocked,
            held.reserved - from_issue - from_loss,
            held.issued + issue,
            held.lost + loss,
            held.kept,
            held.most,
        )
    )
    again = loss > 0 or from_issue < issue
    if not held.stocked:
        return again
    sku = held.sku
    if from_loss:
        level = shelves.level(sku, m.warehouse)
        shelves.put(replace(level, reserved=level.reserved - from_loss))
    if issue:
        if (found := issue - from_issue - shelves.level(sku, m.warehouse).available) > 0:
            shelves.move(
                movement(
                    ctx,
                    "found",
                    sku,
                    m.warehouse,
                    line_no=line_no,
                    on_hand=found,
                    reason="shipped without stock",
                    reference=reference,
                    order_id=m.order_id,
                ),
                to_count=True,
            )
        shelves.move(
            movement(
                ctx,
                "issue",
                sku,
                m.warehouse,
                line_no=line_no,
                on_hand=-issue,
                reference=reference,
                order_id=m.order_id,
            ),
            kept_promises=from_issue,
        )
    if loss:
        gone = min(loss, shelves.level(sku, m.warehouse).available)
        if gone:
            shelves.move(
                movement(
                    ctx,
                    "loss",
                    sku,
                    m.warehouse,
                    line_no=line_no,
                    on_hand=-gone,
                    reason=f"short pick: {why}" if why else "short pick",
                    reference=reference,
                    order_id=m.order_id,
                ),
            )
        shelves.put(replace(shelves.level(sku, m.warehouse), to_count=True))
    return again


# What returns say


def graded(m: ReturnStatement) -> tuple[tuple[int, int, int], ...]:
    """(line, back to stock, to quarantine) of lines with either."""
    return tuple((n.line_no, n.restock, n.quarantine) for n in m.lines if n.restock or n.quarantine)


def to_take_back(m: ReturnStatement) -> Needs:
    if not graded(m):
        return
    yield StockOrder, m.order_id
    yield Seen, m.order_id
    for sku in {line.sku: None for line in m.lines}:
        yield from of_sku(sku)


def take_back(m: ReturnStatement, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Graded pieces are stock again, or quarantined, once; who waits for them is served next (R-39)."""
    counts = graded(m)
    if not counts:
        return
    seen = next((s for s in rows.group(Seen, m.order_id) if s.thing_id == m.return_id), None)
    before = {line_no: (restock, quarantine) for line_no, restock, quarantine in seen.counts} if seen else {}
    shelves = Shelves(rows, ctx)
    skus = {line.line_no: line.sku for line in m.lines}
    new: list[tuple[int, int, int]] = []
    moved = False
    for line_no, restock, quarantine in counts:
        was_restocked, was_quarantined = before.pop(line_no, (0, 0))
        sellable, aside = max(0, restock - was_restocked), max(0, quarantine - was_quarantined)
        new.append((line_no, was_restocked + sellable, was_quarantined + aside))
        if not sellable and not aside:
            continue
        moved = True
        item = shelves.item(skus[line_no])
        if item is None or not item.stocked:
            continue
        for kind, on_hand, quarantined in (("restock", sellable, 0), ("quarantine", 0, aside)):
            if on_hand or quarantined:
                shelves.move(
                    movement(
                        ctx,
                        kind,
                        skus[line_no],
                        m.warehouse,
                        line_no=line_no,
                        on_hand=on_hand,
                        quarantined=quarantined,
                        reason=m.reason,
                        reference=str(m.return_id),
                        order_id=m.order_id,
                    )
                )
    if not moved:
        return
    new.extend((line_no, restock, quarantine) for line_no, (restock, quarantine) in before.items())
    yield Seen(m.order_id, m.return_id, m.version, tuple(sorted(new)))
    yield from shelves.effects()


# The queue


def to_serve(m: ServeQueue) -> Needs:
    yield from of_sku(m.sku)
    yield Warehouse, REALM
    yield Queued, m.page


def next_in(m: ServeQueue | PromiseAgain, entries: Sequence[Queued], most: int) -> list[Queued]:
    waiting = [e for e in entries if e.quantity and e.page == m.page and e.place > m.after]
    return sorted(waiting, key=lambda e: e.place)[:most]


MOST_AT_ONCE = 64
"""Orders that are loaded for one serving; Policy.serve_at_once may ask for fewer."""


def to_serve_besides(m: ServeQueue, rows: Rows) -> Needs:
    for entry in next_in(m, rows.group(Queued, m.page), MOST_AT_ONCE):
        yield from of_order(entry.order_id)


def serve_queue(m: ServeQueue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Gives what is free to who waits, by priority and then by age (R-26), some at a time."""
    shelves = Shelves(rows, ctx)
    most = min(ctx.policy.serve_at_once, MOST_AT_ONCE)
    line = next_in(m, rows.group(Queued, m.page), most)
    after, go_on = m.after, len(line) == most
    served: dict[UUID, Promises] = {}
    for entry in line:
        if shelves.free(m.sku) <= 0:
            break
        if not rows.declared(Reservation, entry.order_id):
            go_on = True  # joined a moment ago: its rows are loaded the next time
            break
        promises = served.get(entry.order_id)
        if promises is None:
            order = rows.one(StockOrder, entry.order_id)
            promises = served[entry.order_id] = Promises(shelves, order)
        after = entry.place
        promises.settle((entry.line_no,), cap=False)
    for promises in served.values():
        if promises.changed():
            yield from promises.effects()
    shelves.freed.clear()  # the turn goes on below, from where it is now
    yield from shelves.effects()
    if shelves.free(m.sku) <= 0:
        return
    if go_on:
        yield serve(ctx, m.sku, m.page, after)
    elif later := [page for page in shelves.queue(m.sku).pages if page > m.page]:
        yield serve(ctx, m.sku, later[0], "")


def to_promise_again(m: PromiseDue) -> Needs:
    yield from of_order(m.order_id)
    for sku in m.skus:
        yield Queue, sku
        yield Item, sku
        yield Expected, sku


def to_promise_again_besides(m: PromiseDue, rows: Rows) -> Needs:
    if order := rows.find(StockOrder, m.order_id):
        for sku in m.skus:
            yield Queued, page_of(sku, order.priority, order.placed_at)


def promise_again(m: PromiseDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A promised day came and went: a new day, told at once (SAGA 8)."""
    order = rows.find(StockOrder, m.order_id)
    if order is None or order.promise_due is None:
        return
    shelves = Shelves(rows, ctx)
    promises = Promises(shelves, replace(order, promise_due=None))
    for line_no, demand in promises.demands.items():
        if demand.backordered and demand.sku in m.skus and demand.promised_on and demand.promised_on <= shelves.broken:
            promises.demands[line_no] = promises.promised_anew(demand)
    if promises.changed():
        yield from promises.effects()
    elif due := promises.first_promise():  # it looked at other SKUs or another day than those that wait now
        yield promises.promise_timer(due)


def to_look_at_promises(m: PromiseAgain) -> Needs:
    yield Queue, m.sku
    yield Item, m.sku
    yield Expected, m.sku
    yield Queued, m.page


def to_look_at_promises_besides(m: PromiseAgain, rows: Rows) -> Needs:
    for entry in next_in(m, rows.group(Queued, m.page), MOST_AT_ONCE):
        yield from of_order(entry.order_id)


def look_at_promises(m: PromiseAgain, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """What is expected changed, or somebody went ahead: whose day is another one now is told it, some at a time (R-24).

    A day that the lead time gave stands: it would only move because time went by.
    """
    shelves = Shelves(rows, ctx)
    most = min(ctx.policy.serve_at_once, MOST_AT_ONCE)
    line = next_in(m, rows.group(Queued, m.page), most)
    after, go_on = m.after, len(line) == most
    looked_at: dict[UUID, Promises] = {}
    owed = shelves.ahead(m.sku, m.page, m.after)
    for entry in line:
        if not rows.declared(Reservation, entry.order_id):
            go_on = True  # joined a moment ago: its rows are loaded the next time
            break
        promises = looked_at.get(entry.order_id)
        if promises is None:
            promises = looked_at[entry.order_id] = Promises(shelves, rows.one(StockOrder, entry.order_id))
        after, owed, demand = entry.place, owed + entry.quantity, promises.demands[entry.line_no]
        anew = promises.promised_anew(demand, owed)
        if anew.by_receipt or demand.by_receipt:
            promises.demands[entry.line_no] = anew
    for promises in looked_at.values():
        if promises.changed():
            yield from promises.effects()
    if go_on:
        yield repromise(ctx, m.sku, m.page, after)
    elif later := [page for page in shelves.queue(m.sku).pages if page > m.page]:
        yield repromise(ctx, m.sku, later[0], "")


# What channels hear


def to_announce(m: AnnounceAvailability) -> Needs:
    yield Queue, m.sku
    yield Item, m.sku
    yield Level, m.sku
    yield Kit, m.sku
    yield KitPart, m.sku


def announce(m: AnnounceAvailability, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Tells how the stock of a SKU stands now (IMS-11). The next change arms the next timer."""
    if kit := rows.find(Kit, m.sku):
        yield from announce_kit(kit, rows)
        return
    yield from kits_to_announce(m, rows, ctx)
    levels = sorted(rows.group(Level, m.sku), key=lambda level: level.warehouse)
    yield from (replace(level, due=False) for level in levels if level.due)
    queue, item = rows.find(Queue, m.sku) or Queue(m.sku), rows.find(Item, m.sku)
    queue = replace(queue, announced=queue.announced + 1)
    yield queue
    yield AvailabilityChanged(
        sku=m.sku,
        version=queue.announced,
        on_hand=sum(level.on_hand for level in levels),
        reserved=sum(level.reserved for level in levels),
        available=sum(level.available for level in levels),
        backorderable=item is not None and item.backorderable,
        warehouses=tuple(
            Availability(
                warehouse=level.warehouse, on_hand=level.on_hand, reserved=level.reserved, available=level.available
            )
            for level in levels
        ),
    )
