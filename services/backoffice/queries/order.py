"""One order: found by what it is called by, and all that is known of it."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.queries.fetching import Item, fetched
from services.backoffice.queries.orders import as_id
from services.backoffice.tables import entries, money, orders, returns, shipments
from services.backoffice.tables import refunds as by_staff
from shared.contracts.fulfilment import ReturnExpected

o = orders.c


async def order_id_of(conn: AsyncConnection, name: str) -> UUID | None:
    """The order with this number or id."""
    id = as_id(name)
    called = func.lower(o.number) == name.lower() if id is None else o.order_id == id
    found: UUID | None = await conn.scalar(select(o.order_id).where(called).limit(1))
    return found


async def exactly(conn: AsyncConnection, q: str) -> Item | None:
    """The one order whose number, id or tracking number this is."""
    q = q.strip()
    ways = [func.lower(o.number) == q.lower(), o.tracking.contains([q]), func.lower(o.external_id) == q.lower()]
    if (id := as_id(q)) is not None:
        ways.append(o.order_id == id)
    query = select(o.order_id, o.number).where(or_(*ways), o.seen > 0).limit(2)
    hits = await fetched(conn, query)
    return hits[0] if len(hits) == 1 else None


async def orders_called(conn: AsyncConnection, numbers: Collection[str]) -> list[Item]:
    """The orders with these numbers, in no order."""
    called = func.lower(o.number).in_([number.lower() for number in numbers])
    return await fetched(conn, select(o.order_id, o.number, o.holds).where(called, o.seen > 0))


async def numbers_of(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, str]:
    """The numbers of these orders, as far as they are known."""
    if not ids:
        return {}
    found = await conn.execute(select(orders.c.order_id, orders.c.number).where(orders.c.order_id.in_(set(ids))))
    return {row.order_id: row.number for row in found}


async def one(conn: AsyncConnection, order_id: UUID) -> Item | None:
    """All that the read tables hold of one order: its row, money, shipments, returns and entries, oldest first."""
    joined = select(orders, money).outerjoin(money, money.c.order_id == o.order_id)
    head = (await conn.execute(joined.where(o.order_id == order_id))).mappings().first()
    if head is None:
        return None
    paid = {c.name: head[c] for c in money.columns}
    e, s, r = entries.c, shipments.c, returns.c
    told = select(entries).where(e.order_id == order_id).order_by(e.at, e.event_id)
    return {
        **{c.name: head[c] for c in orders.columns},
        "money": paid if paid["order_id"] else None,
        "shipments": await fetched(conn, select(shipments).where(s.order_id == order_id).order_by(s.shipment_id)),
        "returns": await fetched(conn, select(returns).where(r.order_id == order_id).order_by(r.return_id)),
        "refunds": await fetched(
            conn, select(by_staff).where(by_staff.c.order_id == order_id).order_by(by_staff.c.asked_at)
        ),
        "entries": await fetched(conn, told),
    }


async def shipments_of(conn: AsyncConnection, order_id: UUID) -> list[Item]:
    """The shipments of one order, as fulfilment stated them last."""
    return await fetched(conn, select(shipments).where(shipments.c.order_id == order_id))


async def returns_asked_at(conn: AsyncConnection, order_id: UUID) -> dict[str, datetime]:
    """When the returns of one order were announced, by their id."""
    e = entries.c
    announced = (e.order_id == order_id) & (e.key == ReturnExpected.key)
    rows = await conn.execute(select(e.thing, func.min(e.at)).where(announced).group_by(e.thing))
    return {str(thing): at for thing, at in rows}
