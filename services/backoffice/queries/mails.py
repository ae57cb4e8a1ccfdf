"""E-mails: how many wait, those of an order, those that wait for a person."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.queries.fetching import Item, fetched
from services.backoffice.tables import mails, orders


async def mails_open(conn: AsyncConnection) -> tuple[int, datetime | None, int]:
    """How many e-mails wait, since when the oldest does, and how many are parked."""
    m = mails.c
    waits = m.state.in_(("waiting", "sending"))
    query = select(
        func.count().filter(waits), func.min(m.wanted_at).filter(waits), func.count().filter(m.state == "parked")
    ).where(m.state.in_(("waiting", "sending", "parked")))
    waiting, oldest, parked = (await conn.execute(query)).one()
    return waiting, oldest, parked


async def mails_of(conn: AsyncConnection, order_id: UUID) -> list[Item]:
    """The e-mails about one order, the newest first."""
    query = select(mails).where(mails.c.order_id == order_id)
    return await fetched(conn, query.order_by(mails.c.wanted_at.desc(), mails.c.mail_id))


async def mails_parked(conn: AsyncConnection, limit: int) -> list[Item]:
    """E-mails that wait for a person, the oldest first, with the number of their order."""
    query = select(mails, orders.c.number).join(orders, orders.c.order_id == mails.c.order_id, isouter=True)
    return await fetched(conn, query.where(mails.c.state == "parked").order_by(mails.c.wanted_at).limit(limit))
