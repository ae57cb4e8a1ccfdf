"""What waits today, and what the day has brought."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.queries.fetching import Item, fetched
from services.backoffice.queries.orders import IN_WAREHOUSE
from services.backoffice.tables import entries, orders, returns, shipments

o = orders.c


async def worklists(conn: AsyncConnection) -> dict[str, Item]:
    """Of each worklist how many wait, and since when the oldest does."""
    query = text(
        """
        select
          count(*) filter (where status = 'held') as verify_n,
          min(placed_at) filter (where status = 'held') as verify_at,
          count(*) filter (where status = 'awaiting_payment') as payment_n,
          min(placed_at) filter (where status = 'awaiting_payment') as payment_at,
          count(*) filter (where status in ('awaiting_stock', 'backordered')) as stock_n,
          min(placed_at) filter (where status in ('awaiting_stock', 'backordered')) as stock_at,
          coalesce(sum(backordered), 0) as backordered,
          count(*) filter (where backordered > 0) as backorders,
          count(*) filter (where status in ('awaiting_stock', 'backordered') and until < now()) as broken,
          count(*) filter (where until < now()) as late_n,
          count(*) filter (where status = 'in_fulfilment') as warehouse_n,
          count(*) filter (where status in ('shipped', 'delivered')) as way_n,
          count(*) filter (where who = 'staff') as staff_n,
          count(*) as open_n
        from orders where not final and seen > 0"""
    )
    head = (await fetched(conn, query))[0]
    rest = text(
        """
        select state, count(*) as n, min(at) as at
          from shipments where state in ('planned', 'picked', 'packed') group by state
        union all select 'returns', count(*), min(at) from returns where state = 'received'
        union all select 'refunds', count(*), min(asked_at) from refunds where state = 'waiting'
        union all select 'money', count(*), min(placed_at)
          from money join orders using (order_id) where parked != '' and seen > 0
        union all select 'mail', count(*), min(wanted_at) from mails where state = 'parked'"""
    )
    work = {row["state"]: {"n": row["n"], "at": row["at"]} for row in await fetched(conn, rest)}
    nothing: Item = {"n": 0, "at": None}
    return {
        "verify": {"n": head["verify_n"], "at": head["verify_at"]},
        "payment": {"n": head["payment_n"], "at": head["payment_at"]},
        "stock": {
            "n": head["stock_n"],
            "at": head["stock_at"],
            "pieces": int(head["backordered"]),
            "orders": head["backorders"],
            "broken": head["broken"],
        },
        "pick": work.get("planned", nothing),
        "pack": work.get("picked", nothing),
        "handover": work.get("packed", nothing),
        "returns": work["returns"],
        "refunds": work["refunds"],
        "money": work["money"],
        "mail": work["mail"],
        "late": {"n": head["late_n"], "at": None},
        "open": {"n": head["open_n"], "at": None},
        "warehouse": {"n": head["warehouse_n"], "at": None},
        "way": {"n": head["way_n"], "at": None},
        "staff": {"n": head["staff_n"], "at": None},
    }


async def at_work(conn: AsyncConnection) -> dict[str, int]:
    """How many shipments and returns are in each state that the warehouse has to do with."""
    s, r = shipments.c, returns.c
    there = select(s.state, func.count()).where(s.state.in_(IN_WAREHOUSE)).group_by(s.state)
    back = select(r.state, func.count()).where(r.state != "closed").group_by(r.state)
    return {state: n for query in (there, back) for state, n in await conn.execute(query)}


async def by_hour(conn: AsyncConnection, start: datetime, end: datetime, zone: str) -> list[Item]:
    """Orders placed in a span, by the zone's hour and by currency: how many, worth what, of how many pieces.

    All that a day is counted by comes from this one pass over its orders.
    """
    hour = func.extract("hour", func.timezone(zone, o.placed_at))
    query = select(
        hour.label("hour"),
        o.currency,
        func.count().label("orders"),
        func.sum(o.gross).label("gross"),
        func.sum(o.ordered).label("pieces"),
    )
    query = query.where(o.placed_at >= start, o.placed_at < end, o.seen > 0).group_by(hour, o.currency)
    return await fetched(conn, query)


async def placed_and_handed_over(
    conn: AsyncConnection, spans: Sequence[tuple[datetime, datetime]], day: tuple[datetime, datetime]
) -> tuple[list[int], int]:
    """Orders placed in each of these spans, and parcels handed over in another."""
    s = shipments.c
    counted = [
        select(func.count()).where(o.placed_at >= start, o.placed_at < end, o.seen > 0).scalar_subquery()
        for start, end in spans
    ]
    handed = select(func.count()).where(s.dispatched_at >= day[0], s.dispatched_at < day[1]).scalar_subquery()
    *placed, parcels = (await conn.execute(select(*counted, handed))).one()
    return placed, parcels


async def newest_placed(conn: AsyncConnection) -> datetime | None:
    found: datetime | None = await conn.scalar(select(func.max(o.placed_at)).where(o.seen > 0))
    return found


async def latest(conn: AsyncConnection, limit: int = 12) -> list[Item]:
    """The last things that were said, each with its order."""
    e = entries.c
    some = select(entries).order_by(e.at.desc(), e.event_id.desc()).limit(limit).subquery()
    query = select(some, o.number, o.currency, o.name, o.gross, o.city, o.channel)
    query = query.join(orders, o.order_id == some.c.order_id)
    return await fetched(conn, query.order_by(some.c.at.desc(), some.c.event_id.desc()))
