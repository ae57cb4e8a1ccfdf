"""What people in the warehouse tell: master data, what came in, what is really there, what should come."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from services.inventory.domain.quotes import check_quote, in_sum, line_of, quote_of
from services.inventory.domain.rows import (
    REALM,
    Ctx,
    Expected,
    Impossible,
    Item,
    Level,
    Queue,
    Queued,
    StockOrder,
    Warehouse,
    movement,
    of_order,
    of_sku,
    page_of,
)
from services.inventory.domain.working import Promises, Shelves, announcement, repromise
from shared.contracts.inventory import (
    AdjustStock,
    CountStock,
    ExpectReceipt,
    FindHolders,
    HoldersFound,
    ReceiveStock,
    RegisterItems,
    RegisterWarehouse,
    StockChanged,
)
from shared.etag import check_match, etag_of
from shared.messaging.decision import Call, Effect, Needs, Refused, Reply, Rows


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
            raise Refused("is named twice", field=f"items.{n}.sku")
        named.add(item.sku)
        queue = rows.find(Queue, item.sku)
        in_use = (queue is not None and queue.waiting) or any(
            level.on_hand or level.reserved or level.quarantined for level in rows.group(Level, item.sku)
        )
        if not item.stocked and in_use:
            raise Refused("has stock or is waited for, so it stays stocked", field=f"items.{n}.stocked", status=409)
        known = rows.find(Item, item.sku)
        barcode = item.barcode if item.barcode is not None else known.barcode if known else ""
        row = Item(item.sku, item.name, item.stocked, item.backorderable, item.lead_days, barcode)
        check_match(known, row, m.if_match, f"SKU {item.sku}")
        yield row
        if item.stocked and queue is None:
            yield Queue(item.sku)
        if known is not None and known.backorderable != row.backorderable and ctx.policy.announce_after:
            yield announcement(ctx, item.sku)
    yield Reply({"registered": len(m.items)} | ({"etag": etag_of([row])} if len(m.items) == 1 else {}))


def to_register_warehouse(m: RegisterWarehouse) -> Needs:
    yield Warehouse, REALM


def register_warehouse(m: RegisterWarehouse, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    row = Warehouse(m.code, m.name, m.country, m.rank)
    known = next((w for w in rows.group(Warehouse, REALM) if w.code == m.code), None)
    check_match(known, row, m.if_match, f"warehouse {m.code}")
    yield row
    yield Reply({"code": m.code, "name": m.name, "country": m.country, "rank": m.rank, "etag": etag_of([row])})


def check_place(warehouse: str, rows: Rows, field: str = "warehouse") -> None:
    if all(w.code != warehouse for w in rows.group(Warehouse, REALM)):
        raise Refused(f"there is no warehouse {warehouse}", field=field)


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
        check_sku(line.sku, rows, f"lines.{n}.sku")
        level = shelves.level(line.sku, m.warehouse)
        if not line.quantity:
            raise Refused("must not be 0", field=f"lines.{n}.quantity")
        if m.quarantined and level.quarantined + line.quantity < 0:
            raise Refused(f"only {level.quarantined} are quarantined", field=f"lines.{n}.quantity", status=409)
        if not m.quarantined and level.available + line.quantity < 0:
            raise Refused(
                f"only {level.available} are free, {level.reserved} are promised: count the shelf instead",
                field=f"lines.{n}.quantity",
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
    """What should come, and when. Who waits already is told the new day, if it is another one (BO-06)."""
    check_place(m.warehouse, rows)
    check_sku(m.sku, rows, "sku")
    known = find_expected(rows, m.sku, m.reference, m.warehouse)
    if known and known.purchase_id:
        raise Refused(f"{m.reference} is a purchase order: change its line there", field="reference", status=409)
    if known and known.transfer_id:
        raise Refused(f"{m.reference} is a transfer between warehouses", field="reference", status=409)
    received = known.received if known else 0
    row = Expected(m.sku, m.reference, m.warehouse, m.quantity, received, m.expected_on)
    if row != known:
        yield row
        if (queue := rows.find(Queue, m.sku)) and queue.pages:
            yield repromise(ctx, m.sku, queue.pages[0])
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
