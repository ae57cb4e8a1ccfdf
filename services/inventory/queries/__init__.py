"""What screens and the API read. No locks, no rows of the domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory import domain
from services.inventory.tables import (
    demands,
    expected,
    items,
    kits,
    levels,
    movements,
    placements,
    places,
    queued,
    queues,
    reservations,
    stock_orders,
    warehouses,
)

Found = dict[str, Any]
MOST_HOLDERS = 1000


async def _all(connection: AsyncConnection, statement: Any) -> list[Found]:
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def youngest_holders(connection: AsyncConnection, sku: str, warehouse: str) -> list[UUID]:
    """Orders that hold this stock: those that are in no shipment first, then the youngest."""
    r = reservations.c
    in_shipment = case((r.reserved + r.issued + r.lost > r.kept, 0), else_=1)
    statement = (
        select(r.order_id)
        .join(stock_orders, stock_orders.c.order_id == r.order_id)
        .where(r.sku == sku, r.warehouse == warehouse, r.reserved > 0, r.stocked)
        .order_by(in_shipment, stock_orders.c.priority, stock_orders.c.placed_at.desc(), r.order_id.desc())
        .limit(MOST_HOLDERS)
    )
    found = (await connection.execute(statement)).scalars()
    return list(dict.fromkeys(found))


async def list_warehouses(connection: AsyncConnection, *, after: Sequence[Any] | None, limit: int) -> list[Found]:
    w = warehouses.c
    statement = select(w.code, w.name, w.country, w.rank).order_by(w.rank, w.code).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(w.rank, w.code) > tuple_(*after))
    return await _all(connection, statement)


async def warehouse(connection: AsyncConnection, code: str) -> domain.Warehouse | None:
    record = (await connection.execute(select(warehouses).where(warehouses.c.code == code))).mappings().first()
    return None if record is None else domain.Warehouse(**record)


async def item(connection: AsyncConnection, sku: str) -> domain.Item | None:
    record = (await connection.execute(select(items).where(items.c.sku == sku))).mappings().first()
    return None if record is None else domain.Item(**record)


async def list_items(connection: AsyncConnection, *, after: Sequence[Any] | None, limit: int) -> list[Found]:
    statement = select(items).order_by(items.c.sku).limit(limit)
    if after is not None:
        statement = statement.where(items.c.sku > after[0])
    return await _all(connection, statement)


async def list_stock(
    connection: AsyncConnection,
    *,
    skus: Sequence[str],
    warehouse: str | None,
    to_count: bool | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """Levels by (SKU, warehouse). `why` is what was found last at a shelf that is to be counted."""
    c, m = levels.c, movements.c
    found = select(m.reason).where(m.sku == c.sku, m.warehouse == c.warehouse, m.kind.in_(("loss", "found")))
    why = found.order_by(m.at.desc(), m.cause).limit(1).scalar_subquery()
    statement = select(
        c.sku,
        c.warehouse,
        items.c.name,
        c.on_hand,
        c.reserved,
        (c.on_hand - c.reserved).label("available"),
        c.quarantined,
        c.to_count,
        func.coalesce(case((c.to_count, why), else_=""), "").label("why"),
    ).outerjoin(items, items.c.sku == c.sku)
    if skus:
        statement = statement.where(c.sku.in_(skus))
    if warehouse is not None:
        statement = statement.where(c.warehouse == warehouse)
    if to_count is not None:
        statement = statement.where(c.to_count.is_(to_count))
    if after:
        statement = statement.where(tuple_(c.sku, c.warehouse) > tuple_(*after[:2]))
    return await _all(connection, statement.order_by(c.sku, c.warehouse).limit(limit))


async def one_stock(connection: AsyncConnection, sku: str) -> Found | None:
    """One SKU: its quantities by warehouse, what is incoming, and the first hundred who wait."""
    found = await _all(connection, select(items).where(items.c.sku == sku))
    if not found:
        return None
    e, q = expected.c, queued.c
    incoming = await _all(
        connection,
        select(e.reference, e.warehouse, e.quantity, e.received, e.expected_on, e.purchase_id, e.transfer_id)
        .where(e.sku == sku, e.quantity > e.received)
        .order_by(e.expected_on, e.reference),
    )
    waiting = (await connection.execute(select(queues.c.waiting).where(queues.c.sku == sku))).scalar() or 0
    return found[0] | {
        "levels": await list_stock(connection, skus=[sku], warehouse=None, to_count=None, after=None, limit=200),
        "incoming": incoming,
        "backordered": waiting,
        "queue": await _all(
            connection,
            select(q.order_id, q.line_no, q.quantity, demands.c.promised_on)
            .join(demands, (demands.c.order_id == q.order_id) & (demands.c.line_no == q.line_no))
            .where(q.sku == sku, q.quantity > 0)
            .order_by(q.page, q.place)
            .limit(100),
        ),
    }


async def list_expected(
    connection: AsyncConnection,
    *,
    sku: str | None,
    warehouse: str | None,
    reference: str | None,
    all: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """What purchase orders, transfers and others should bring, the earliest day first."""
    e = expected.c
    statement = select(
        e.sku,
        items.c.name,
        e.reference,
        e.warehouse,
        e.quantity,
        e.received,
        e.expected_on,
        e.purchase_id,
        e.transfer_id,
    ).outerjoin(items, items.c.sku == e.sku)
    for column, value in ((e.sku, sku), (e.warehouse, warehouse), (e.reference, reference)):
        if value is not None:
            statement = statement.where(column == value)
    if not all:
        statement = statement.where(e.quantity > e.received)
    key = (e.expected_on, e.reference, e.sku, e.warehouse)
    if after:
        statement = statement.where(tuple_(*key) > tuple_(*after[:4]))
    return await _all(connection, statement.order_by(*key).limit(limit))


async def places_of(connection: AsyncConnection, warehouse: str, skus: Sequence[str]) -> list[Found]:
    """The bin in that warehouse and the barcode of each of these SKUs that is known."""
    i, p = items.c, places.c
    there = (p.sku == i.sku) & (p.warehouse == warehouse)
    statement = (
        select(i.sku, i.name, i.barcode, func.coalesce(p.bin, "").label("bin"))
        .select_from(items.outerjoin(places, there))
        .where(i.sku.in_(set(skus)))
        .order_by(i.sku)
    )
    return await _all(connection, statement)


async def find_places(
    connection: AsyncConnection, warehouse: str, *, search: str | None, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """Stocked SKUs with their bin in that warehouse, by SKU.

    `search` finds the beginning of a SKU or of a bin, a part of a name, or a barcode.
    """
    i, p = items.c, places.c
    there = (p.sku == i.sku) & (p.warehouse == warehouse)
    bin = func.coalesce(p.bin, "")
    statement = (
        select(i.sku, i.name, i.barcode, bin.label("bin"))
        .select_from(items.outerjoin(places, there))
        .where(i.stocked)
        .order_by(i.sku)
        .limit(limit)
    )
    if search:
        begins = or_(i.sku.istartswith(search, autoescape=True), bin.istartswith(search, autoescape=True))
        statement = statement.where(or_(begins, i.name.icontains(search, autoescape=True), i.barcode == search))
    if after is not None:
        statement = statement.where(i.sku > after[0])
    return await _all(connection, statement)


async def list_placements(
    connection: AsyncConnection, *, sku: str | None, warehouse: str | None, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """What people changed of bins and barcodes, the newest first."""
    c = placements.c
    statement = select(placements).order_by(c.at.desc(), c.cause.desc()).limit(limit)
    for column, value in ((c.sku, sku), (c.warehouse, warehouse)):
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(tuple_(c.at, c.cause) < tuple_(*after[:2]))
    return await _all(connection, statement)


async def meaning(connection: AsyncConnection, code: str) -> Found:
    """SKUs with this name or barcode, however it is written, and the SKUs in a bin of this name; at most 100 each."""
    i, p = items.c, places.c
    names = {code, code.upper(), code.lower()}
    products = select(i.sku, i.name, i.barcode).where(or_(i.sku.in_(names), (i.barcode == code) & (i.barcode != "")))
    bins = (
        select(p.warehouse, p.bin, p.sku, i.name)
        .join(items, i.sku == p.sku)
        .where(p.bin.in_(names), p.bin != "")
        .order_by(p.warehouse, p.sku)
    )
    return {
        "items": await _all(connection, products.order_by(i.sku).limit(100)),
        "bins": await _all(connection, bins.limit(100)),
    }


async def first_in_line(connection: AsyncConnection, sku: str) -> list[Found]:
    """The places in a SKU's queue that a preview looks at, in the order of serving."""
    pages = (await connection.execute(select(queues.c.pages).where(queues.c.sku == sku))).scalar() or []
    q = queued.c
    statement = (
        select(q.sku, q.page, q.place)
        .where(q.page.in_(pages[: domain.MOST_PAGES]), q.quantity > 0)
        .order_by(q.page, q.place)
        .limit(domain.MOST_SHOWN)
    )
    return await _all(connection, statement)


async def availability(connection: AsyncConnection, skus: Sequence[str], today: date) -> list[Found]:
    """What a channel may offer now, and from which day more (R-24): the first receipt that leaves something over.

    None where that receipt is overdue. Of a kit: as many as its components make, and the day when each has more (R-30).
    """
    k = kits.c
    sets = {
        row["sku"]: {of["sku"]: of["pieces"] for of in row["components"]}
        for row in await _all(connection, select(k.sku, k.components).where(k.sku.in_(skus)))
        if row["components"]
    }
    wanted = dict.fromkeys([*skus, *(part for parts in sets.values() for part in parts)])
    offers = await _offers(connection, list(wanted))
    return [
        _of_kit(sku, {offers[part]: pieces for part, pieces in sets[sku].items()}, today)
        if sku in sets
        else offers[sku].told(sku, today)
        for sku in dict.fromkeys(skus)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What may be offered of a SKU: pieces that are nobody's, and what comes, the earliest first."""

    item: Found | None
    left: int
    coming: Sequence[tuple[date, int]]

    @property
    def free(self) -> int:
        return max(0, self.left)

    def day_of(self, pieces: int, today: date) -> date | None:
        """From when on so many are free; None where nobody knows (R-25)."""
        if self.item is None:
            return None
        left, overdue = self.left, 0  # it will come, nobody knows when
        if left >= pieces or not self.item["stocked"]:
            return today
        for day, incoming in self.coming:
            if day < today:
                overdue += incoming
                continue
            left += incoming
            if left >= pieces:
                return day
        if (overdue and left + overdue >= pieces) or not self.item["backorderable"]:
            return None
        return today + timedelta(days=max(1, self.item["lead_days"]))

    def told(self, sku: str, today: date) -> Found:
        item = self.item
        if item is None:
            return {"sku": sku, "known": False, "available": 0, "more_from": None, "backorderable": False}
        more_from = self.day_of(self.free + 1, today) if item["stocked"] else None
        return {
            "sku": sku,
            "known": True,
            "stocked": item["stocked"],
            "available": self.free if item["stocked"] else None,
            "available_from": today if self.free or not item["stocked"] else more_from,
            "more_from": more_from,
            "backorderable": item["backorderable"],
        }


def _of_kit(sku: str, parts: Mapping[Offer, int], today: date) -> Found:
    if any(offer.item is None for offer in parts):
        return {"sku": sku, "known": False, "available": 0, "more_from": None, "backorderable": False}
    stocked = {offer: pieces for offer, pieces in parts.items() if offer.item and offer.item["stocked"]}
    number = min((offer.free // pieces for offer, pieces in stocked.items()), default=None)
    days = [offer.day_of(((number or 0) + 1) * pieces, today) for offer, pieces in stocked.items()]
    known = [day for day in days if day is not None]
    more_from = max(known) if known and len(known) == len(days) else None
    return {
        "sku": sku,
        "known": True,
        "stocked": bool(stocked),
        "available": number,
        "available_from": today if number or not stocked else more_from,
        "more_from": more_from,
        "backorderable": all(offer.item and offer.item["backorderable"] for offer in parts),
    }


async def _offers(connection: AsyncConnection, skus: Sequence[str]) -> dict[str, Offer]:
    """Of each of these what there is of it."""
    i = items.c
    known = {row["sku"]: row for row in await _all(connection, select(items).where(i.sku.in_(skus)))}
    c, e = levels.c, expected.c
    in_stock = select(c.sku, func.sum(c.on_hand - c.reserved)).where(c.sku.in_(skus)).group_by(c.sku)
    free = {sku: int(pieces) for sku, pieces in await connection.execute(in_stock)}
    owed = select(queues.c.sku, queues.c.waiting).where(queues.c.sku.in_(skus))
    waiting = {sku: int(pieces) for sku, pieces in await connection.execute(owed)}
    coming: dict[str, list[tuple[date, int]]] = {}
    expects = select(e.sku, e.expected_on, e.quantity - e.received).where(e.sku.in_(skus), e.quantity > e.received)
    for sku, day, pieces in await connection.execute(expects.order_by(e.expected_on)):
        coming.setdefault(sku, []).append((day, pieces))
    return {sku: Offer(known.get(sku), free.get(sku, 0) - waiting.get(sku, 0), coming.get(sku, ())) for sku in skus}


async def list_movements(
    connection: AsyncConnection,
    *,
    sku: str | None,
    warehouse: str | None,
    kind: str | None,
    newest: bool = False,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """Movements in the order in which they were booked, or the newest first."""
    c = movements.c
    statement = select(movements)
    for column, value in ((c.sku, sku), (c.warehouse, warehouse), (c.kind, kind)):
        if value is not None:
            statement = statement.where(column == value)
    key = (c.at, c.cause, c.sku, c.warehouse, c.line_no, c.kind)
    if after:
        place = tuple_(*after[:6])
        statement = statement.where(tuple_(*key) < place if newest else tuple_(*key) > place)
    order = [column.desc() for column in key] if newest else key
    return await _all(connection, statement.order_by(*order).limit(limit))


async def one_order(connection: AsyncConnection, order_id: UUID) -> Found | None:
    """What is promised to one order, and how its warehouses were found."""
    found = await _all(connection, select(stock_orders).where(stock_orders.c.order_id == order_id))
    if not found:
        return None
    d, r = demands.c, reservations.c
    order = found[0]
    order["routing"] = [{"warehouse": w, "outcome": o, "why": why} for w, o, why in order["routing"]]
    order["lines"] = await _all(
        connection,
        select(d.line_no, d.sku, d.wanted, d.backordered, d.promised_on, d.rejected, d.reason)
        .where(d.order_id == order_id)
        .order_by(d.line_no),
    )
    order["reservations"] = await _all(
        connection,
        select(r.line_no, r.warehouse, r.sku, r.reserved, r.issued, r.lost, r.kept, r.most)
        .where(r.order_id == order_id)
        .order_by(r.line_no, r.warehouse),
    )
    return order


async def list_backorders(
    connection: AsyncConnection, *, sku: str | None, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """Who waits for what, first in line first."""
    q = queued.c
    statement = (
        select(q.sku, q.order_id, q.line_no, q.quantity, demands.c.promised_on, q.page, q.place)
        .join(demands, (demands.c.order_id == q.order_id) & (demands.c.line_no == q.line_no))
        .where(q.quantity > 0)
    )
    if sku is not None:
        statement = statement.where(q.sku == sku)
    if after:
        statement = statement.where(tuple_(q.page, q.place) > tuple_(*after[:2]))
    return await _all(connection, statement.order_by(q.page, q.place).limit(limit))
