"""What inventory decides. One judge of stock: every promise is made and taken back here."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from services.inventory.domain.quotes import check_quote, in_sum, line_of, quote_of
from services.inventory.domain.rows import (
    REALM,
    Demand,
    Expected,
    Impossible,
    Item,
    Level,
    Movement,
    Place,
    Policy,
    Queue,
    Queued,
    Reservation,
    Seen,
    StockOrder,
    Warehouse,
    page_of,
)
from services.inventory.domain.working import Promises, Shelves, serve
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import (
    AdjustStock,
    CountStock,
    ExpectReceipt,
    FindHolders,
    HoldersFound,
    PlaceItems,
    PromiseDue,
    ReceiveStock,
    RegisterItems,
    RegisterWarehouse,
    ReserveStock,
    ServeQueue,
    StockBackordered,
    StockChanged,
    StockIssued,
)
from shared.etag import check_match, etag_of
from shared.messaging.decision import Call, Context, Effect, Missing, Needs, Refused, Reply, Rows

Ctx = Context[Policy]


def of_sku(sku: str) -> Needs:
    """What must be known to promise a SKU. The queue's row comes first: its lock is the lock of the SKU."""
    return (Queue, sku), (Item, sku), (Level, sku), (Expected, sku)


def of_order(order_id: UUID) -> Needs:
    return (StockOrder, order_id), (Demand, order_id), (Reservation, order_id)


def movement(
    ctx: Ctx,
    kind: str,
    sku: str,
    warehouse: str,
    *,
    line_no: int = 0,
    on_hand: int = 0,
    quarantined: int = 0,
    reason: str = "",
    reference: str = "",
    actor: str = "",
    unit_cost: Decimal | None = None,
    order_id: UUID | None = None,
) -> Movement:
    return Movement(
        ctx.cause,
        sku,
        warehouse,
        line_no,
        kind,
        on_hand,
        quarantined,
        reason,
        reference,
        actor or ctx.actor,
        ctx.now,
        unit_cost,
        order_id,
    )


# The order's wish


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
    promises = Promises(shelves, order)
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
            promises.demands[line_no] = replace(demand, backordered=0, promised_on=None)


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
        if book(promises, line_no, m, reference, issue, loss):
            changed.append(line_no)
    if not moved:
        return
    new.extend((line_no, shipped, short) for line_no, (shipped, short) in before.items())
    promises.settle(changed)
    yield from promises.effects(*((StockIssued,) if issued_any else ()))
    yield Seen(m.order_id, m.shipment_id, m.version, tuple(sorted(new)))
    yield from shelves.effects()


def book(promises: Promises, line_no: int, m: ShipmentStatement, reference: str, issue: int, loss: int) -> bool:
    """Takes issue and loss off reserved and on hand, once. True when the line must be looked at again."""
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
                    reason="short pick",
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
        if item is not None and not item.stocked:
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


def next_in(m: ServeQueue, entries: Sequence[Queued], most: int) -> list[Queued]:
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


def promise_again(m: PromiseDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A promised day came and went: a new day, told at once (SAGA 8)."""
    order = rows.find(StockOrder, m.order_id)
    if order is None or order.promise_due is None:
        return
    shelves = Shelves(rows, ctx)
    promises = Promises(shelves, replace(order, promise_due=None))
    broken = ctx.now.date() - timedelta(days=ctx.policy.promise_grace_days)
    later = False
    for line_no, demand in promises.demands.items():
        if demand.backordered and demand.sku in m.skus and (demand.promised_on is None or demand.promised_on <= broken):
            promises.demands[line_no] = replace(demand, promised_on=shelves.promise_for(demand.sku))
            later = True
    if later:
        yield from promises.effects(StockBackordered)
    elif due := promises.first_promise():  # it looked at other SKUs or another day than those that wait now
        yield promises.promise_timer(due)


# Master data and the hands in the warehouse


def to_register_items(m: RegisterItems) -> Needs:
    for item in m.items:
        yield Item, item.sku
        yield Queue, item.sku
        yield Level, item.sku


def register_items(m: RegisterItems, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Creates or changes SKUs. What is on a shelf or promised cannot stop being stocked."""
    named: set[str] = set()
    for n, item in enumerate(m.items):
        if item.sku in named:
            raise Refused("is named twice", field=f"items/{n}/sku")
        named.add(item.sku)
        queue = rows.find(Queue, item.sku)
        in_use = (queue is not None and queue.waiting) or any(
            level.on_hand or level.reserved or level.quarantined for level in rows.group(Level, item.sku)
        )
        if not item.stocked and in_use:
            raise Refused("has stock or is waited for, so it stays stocked", field=f"items/{n}/stocked", status=409)
        known = rows.find(Item, item.sku)
        barcode = item.barcode if item.barcode is not None else known.barcode if known else ""
        row = Item(item.sku, item.name, item.stocked, item.backorderable, item.lead_days, barcode)
        check_match(known, row, m.if_match, f"SKU {item.sku}")
        yield row
        if item.stocked and queue is None:
            yield Queue(item.sku)
    yield Reply({"registered": len(m.items)} | ({"etag": etag_of([row])} if len(m.items) == 1 else {}))


def to_place_items(m: PlaceItems) -> Needs:
    yield Warehouse, REALM
    for place in m.places:
        yield Item, place.sku
        yield Place, place.sku


def place_items(m: PlaceItems, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Where SKUs lie from now on; of the same place the last one counts."""
    places: dict[tuple[str, str], Place] = {}
    for n, place in enumerate(m.places):
        if rows.find(Item, place.sku) is None:
            raise Refused(f"there is no SKU {place.sku}", field=f"places/{n}/sku")
        if all(w.code != place.warehouse for w in rows.group(Warehouse, REALM)):
            raise Refused(f"there is no warehouse {place.warehouse}", field=f"places/{n}/warehouse")
        places[place.sku, place.warehouse] = Place(place.sku, place.warehouse, place.bin)
    yield from places.values()
    yield Reply({"placed": len(places)})


def to_register_warehouse(m: RegisterWarehouse) -> Needs:
    yield Warehouse, REALM


def register_warehouse(m: RegisterWarehouse, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    row = Warehouse(m.code, m.name, m.country, m.rank)
    known = next((w for w in rows.group(Warehouse, REALM) if w.code == m.code), None)
    check_match(known, row, m.if_match, f"warehouse {m.code}")
    yield row
    yield Reply({"code": m.code, "name": m.name, "country": m.country, "rank": m.rank, "etag": etag_of([row])})


def check_place(warehouse: str, rows: Rows) -> None:
    if all(w.code != warehouse for w in rows.group(Warehouse, REALM)):
        raise Refused(f"there is no warehouse {warehouse}", field="warehouse")


def check_sku(sku: str, rows: Rows, field: str) -> None:
    item = rows.find(Item, sku)
    if item is None:
        raise Refused(f"there is no SKU {sku}", field=field)
    if not item.stocked:
        raise Refused(f"{sku} is not stocked", field=field)


def stock_changed(level: Level, quantity: int, reason: str) -> StockChanged:
    return StockChanged(
        sku=level.sku,
        warehouse=level.warehouse,
        on_hand=level.on_hand,
        available=level.available,
        quantity=quantity,
        reason=reason,
    )


def levels_reply(shelves: Shelves, warehouse: str, skus: Sequence[str], reference: str) -> Reply:
    levels = [shelves.level(sku, warehouse) for sku in dict.fromkeys(skus)]
    return Reply(
        {
            "reference": reference,
            "levels": [
                {
                    "sku": level.sku,
                    "warehouse": level.warehouse,
                    "on_hand": level.on_hand,
                    "reserved": level.reserved,
                    "available": level.available,
                    "quarantined": level.quarantined,
                }
                for level in levels
            ],
        },
        201,
    )


def to_receive(m: ReceiveStock | AdjustStock) -> Needs:
    yield Warehouse, REALM
    for line in m.lines:
        yield from of_sku(line.sku)


def to_receive_besides(m: ReceiveStock | AdjustStock, rows: Rows) -> Needs:
    """Who is next in line, when somebody was shown that."""
    if m.quote:
        for line in m.lines:
            yield from line_of(line.sku, rows)


def receive_stock(m: ReceiveStock, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Goods came in. Who waits is served before anybody else, from a timer that is due at once (R-26)."""
    check_place(m.warehouse, rows)
    if m.quote:
        check_quote(m.quote, quote_of(rows.group, m.warehouse, in_sum(m.lines), m.reference))
    shelves = Shelves(rows, ctx)
    expected: dict[str, Expected] = {}
    changes: dict[str, int] = {}
    for n, line in enumerate(m.lines):
        check_sku(line.sku, rows, f"lines/{n}/sku")
        if line.quantity <= 0:
            raise Refused("must be above 0", field=f"lines/{n}/quantity")
        shelves.move(
            movement(
                ctx,
                "receipt",
                line.sku,
                m.warehouse,
                line_no=n,
                on_hand=line.quantity,
                reference=m.reference,
                actor=m.actor,
                unit_cost=line.unit_cost,
            )
        )
        changes[line.sku] = changes.get(line.sku, 0) + line.quantity
        due = expected.get(line.sku) or find_expected(rows, line.sku, m.reference, m.warehouse)
        if due is not None:
            due = expected[line.sku] = replace(due, received=due.received + line.quantity)
            if m.quote and not m.over and due.received > due.quantity:
                more = due.received - due.quantity
                raise Refused(f"{more} more than {m.reference} ordered of {line.sku}", field="over", status=409)
    yield from expected.values()
    yield from shelves.effects()
    for sku, quantity in changes.items():
        yield stock_changed(shelves.level(sku, m.warehouse), quantity, "receipt")
    yield levels_reply(shelves, m.warehouse, list(changes), m.reference)


def find_expected(rows: Rows, sku: str, reference: str, warehouse: str) -> Expected | None:
    for row in rows.group(Expected, sku):
        if row.reference == reference and row.warehouse == warehouse:
            return row
    return None


def adjust_stock(m: AdjustStock, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A correction with a reason and a person (R-27). It cannot take what is promised: for that somebody must count."""
    check_place(m.warehouse, rows)
    if m.quote:
        sellable = {} if m.quarantined else in_sum(m.lines)
        check_quote(m.quote, quote_of(rows.group, m.warehouse, {**dict.fromkeys(in_sum(m.lines), 0), **sellable}))
    shelves = Shelves(rows, ctx)
    changes: dict[str, int] = {}
    for n, line in enumerate(m.lines):
        check_sku(line.sku, rows, f"lines/{n}/sku")
        level = shelves.level(line.sku, m.warehouse)
        if not line.quantity:
            raise Refused("must not be 0", field=f"lines/{n}/quantity")
        if m.quarantined and level.quarantined + line.quantity < 0:
            raise Refused(f"only {level.quarantined} are quarantined", field=f"lines/{n}/quantity", status=409)
        if not m.quarantined and level.available + line.quantity < 0:
            raise Refused(
                f"only {level.available} are free, {level.reserved} are promised: count the shelf instead",
                field=f"lines/{n}/quantity",
                status=409,
            )
        shelves.move(
            movement(
                ctx,
                "adjustment",
                line.sku,
                m.warehouse,
                line_no=n,
                on_hand=0 if m.quarantined else line.quantity,
                quarantined=line.quantity if m.quarantined else 0,
                reason=m.reason,
                reference=m.reference,
                actor=m.actor,
                unit_cost=line.unit_cost,
            )
        )
        changes[line.sku] = changes.get(line.sku, 0) + line.quantity
    yield from shelves.effects()
    for sku, quantity in changes.items():
        if not m.quarantined:
            yield stock_changed(shelves.level(sku, m.warehouse), quantity, m.reason)
    yield levels_reply(shelves, m.warehouse, list(changes), m.reference)


MOST_LOOK_UPS = 5
Hurt = list[tuple[Promises, dict[int, int]]]
"""Orders that lose promises: how many pieces of which line."""
Counted = CountStock | HoldersFound


def to_count(m: Counted) -> Needs:
    yield Warehouse, REALM
    yield from of_sku(m.sku)
    for order_id in m.orders:
        yield from of_order(order_id)


def to_count_besides(m: Counted, rows: Rows) -> Needs:
    for order_id in m.orders:
        if order := rows.find(StockOrder, order_id):
            yield Queued, page_of(m.sku, order.priority, order.placed_at)
    if isinstance(m, CountStock) and m.quote:
        yield from line_of(m.sku, rows)


def count_stock(m: Counted, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The shelf is right. What it lacks is taken back from the youngest promises that are in no shipment (R-31)."""
    check_place(m.warehouse, rows)
    check_sku(m.sku, rows, "sku")
    shelves = Shelves(rows, ctx)
    level = shelves.level(m.sku, m.warehouse)
    hurt, lacking = break_promises(m, rows, shelves, level.reserved - m.counted)
    if isinstance(m, CountStock) and m.quote:
        taken = [(p.order.order_id, line_no, pieces) for p, lines in hurt for line_no, pieces in lines.items()]
        more = {m.sku: m.counted - level.on_hand}
        check_quote(m.quote, quote_of(rows.group, m.warehouse, more, taken=taken))
    if lacking:  # of orders that were not named: whose they are is looked up, and the count comes again with them
        attempt = m.attempt + 1 if isinstance(m, HoldersFound) else 1
        if attempt > MOST_LOOK_UPS:
            raise Impossible(f"{lacking} of {m.sku} at {m.warehouse} are promised to nobody that can be found")
        yield Call(
            FindHolders(
                warehouse=m.warehouse,
                reference=m.reference,
                sku=m.sku,
                counted=m.counted,
                reason=m.reason,
                actor=m.actor or ctx.actor,
                attempt=attempt,
            )
        )
        yield Reply({"reference": m.reference, "counted": m.counted, "state": "promises are being taken back"}, 202)
        return
    if difference := m.counted - level.on_hand:
        shelves.move(
            movement(
                ctx,
                "count",
                m.sku,
                m.warehouse,
                on_hand=difference,
                reason=m.reason,
                reference=m.reference,
                actor=m.actor,
            ),
            to_count=False,
        )
    elif level.to_count:
        shelves.put(replace(level, to_count=False))
    for promises, lines in hurt:
        promises.settle(lines)
        yield from promises.effects()
    yield from shelves.effects()
    if difference:
        yield stock_changed(shelves.level(m.sku, m.warehouse), difference, "count")
    yield levels_reply(shelves, m.warehouse, (m.sku,), m.reference)


def break_promises(m: Counted, rows: Rows, shelves: Shelves, lacking: int) -> tuple[Hurt, int]:
    """Takes back so many pieces: first what is in no shipment, then the rest; each time the youngest order first.

    Gives the orders that lost something, with their lines, and how many pieces none of them held.
    """
    if lacking <= 0:
        return [], 0
    orders = [order for order_id in dict.fromkeys(m.orders) if (order := rows.find(StockOrder, order_id))]
    orders.sort(key=lambda o: (-o.priority, o.placed_at, o.order_id), reverse=True)
    all_promises = [Promises(shelves, order) for order in orders]
    hurt: dict[int, dict[int, int]] = {}
    for in_shipments_too in (False, True):
        for n, promises in enumerate(all_promises):
            for r in [r for r in promises.all() if r.sku == m.sku and r.warehouse == m.warehouse and r.stocked]:
                less = min(lacking, r.reserved if in_shipments_too else min(r.reserved, max(0, r.promised - r.kept)))
                if less > 0:
                    promises.change(r, -less)
                    lacking -= less
                    lines = hurt.setdefault(n, {})
                    lines[r.line_no] = lines.get(r.line_no, 0) + less
    return [(all_promises[n], lines) for n, lines in hurt.items()], lacking


def to_expect(m: ExpectReceipt) -> Needs:
    yield Warehouse, REALM
    yield from of_sku(m.sku)


def expect_receipt(m: ExpectReceipt, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """More should come: backorders made from now on are promised by it, standing promises at their day."""
    check_place(m.warehouse, rows)
    check_sku(m.sku, rows, "sku")
    known = find_expected(rows, m.sku, m.reference, m.warehouse)
    received = known.received if known else 0
    row = Expected(m.sku, m.reference, m.warehouse, m.quantity, received, m.expected_on)
    if row != known:
        yield row
    yield Reply(
        {
            "sku": m.sku,
            "reference": m.reference,
            "warehouse": m.warehouse,
            "quantity": m.quantity,
            "received": received,
            "expected_on": m.expected_on.isoformat(),
        },
        201,
    )
