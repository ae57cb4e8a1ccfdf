"""Transfers that are matched to orders, and refunds by the staff."""

from collections.abc import Set
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import exists, func, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.queries.fetching import Item, as_place, fetched
from services.backoffice.queries.order import order_id_of
from services.backoffice.tables import money, orders, shipments
from services.backoffice.tables import refunds as by_staff

o, s = orders.c, shipments.c
PAYABLE = (o.order_id, o.number, o.name, o.placed_at, o.currency, o.due)


async def payable(conn: AsyncConnection, name: str) -> Item | None:
    """What a transfer must know of the order with this number or id."""
    if (order_id := await order_id_of(conn, name)) is None:
        return None
    found = await fetched(conn, select(*PAYABLE).where(o.order_id == order_id, o.seen > 0))
    return found[0] if found else None


async def waiting_for(conn: AsyncConnection, amount: Decimal, currency: str, limit: int) -> list[Item]:
    """Open orders by bank transfer of just this amount, of which nothing has come in; the oldest first."""
    paid = money.c.order_id == o.order_id, money.c.captured > 0
    wanted = o.method == "bank_transfer", o.due == amount, o.currency == currency, ~exists().where(*paid)
    return await fetched(conn, select(*PAYABLE).where(~o.final, *wanted).order_by(o.placed_at, o.order_id).limit(limit))


async def parcels(conn: AsyncConnection, tracking: Set[str], numbers: Set[str]) -> list[Item]:
    """Parcels that are out: those with these tracking numbers, and all of the orders with these numbers."""
    ways = [o.tracking.contains([code]) for code in sorted(tracking)]
    if numbers:
        ways.append(func.lower(o.number).in_(sorted({name.lower() for name in numbers})))
    if not ways:
        return []
    columns = (o.order_id, o.number, o.name, o.currency, s.shipment_id, s.tracking)
    query = select(*columns).join(shipments, s.order_id == o.order_id).where(or_(*ways), s.dispatched_at.is_not(None))
    return await fetched(conn, query.order_by(o.order_id, s.shipment_id))


async def refunds(
    conn: AsyncConnection, *, state: str, after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[Item]:
    """Those that wait, the oldest first; of another state, or all, the newest first. Each with its order's number."""
    f = by_staff.c
    waiting = state == "waiting"
    keys = (f.asked_at, f.refund_id)
    query = select(by_staff).order_by(*(key if waiting else key.desc() for key in keys)).limit(limit)
    if state:
        query = query.where(f.state == literal_column(f"'{state}'") if waiting else f.state == state)
    if after is not None:
        place = tuple_(*keys)
        query = query.where(place > as_place(after) if waiting else place < as_place(after))
    some = query.subquery()
    found = select(some, o.number, o.name).outerjoin(orders, o.order_id == some.c.order_id)
    by = (some.c.asked_at, some.c.refund_id)
    return await fetched(conn, found.order_by(*(key if waiting else key.desc() for key in by)))


async def order_of_refund(conn: AsyncConnection, refund_id: UUID) -> UUID | None:
    found: UUID | None = await conn.scalar(select(by_staff.c.order_id).where(by_staff.c.refund_id == refund_id))
    return found
