"""Lists of orders: what views, filters and a search choose, how they are sorted, what stands around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    exists,
    false,
    func,
    literal_column,
    select,
    text,
    tuple_,
    union,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.queries.fetching import Item, as_place, fetched
from services.backoffice.tables import NO_PROMISE, PROMISE, money, orders, shipments
from shared.database import begins

o = orders.c
FOUND_AT_MOST = 1000
"""Orders that one way of searching looks at: who finds more has to say more."""
COUNTED_AT_MOST = 1000
"""A view that has more than this says so instead of counting on."""
IN_WAREHOUSE = ("planned", "picked", "packed")
# What each worklist and tab means
VIEWS: dict[str, ColumnElement[bool]] = {
    "open": ~o.final,
    "verify": and_(~o.final, o.status == "held"),
    "payment": and_(~o.final, o.status == "awaiting_payment"),
    "stock": and_(~o.final, o.status.in_(("awaiting_stock", "backordered"))),
    "warehouse": and_(~o.final, o.status == "in_fulfilment"),
    "way": and_(~o.final, o.status.in_(("shipped", "delivered"))),
    "late": and_(~o.final, o.until < func.now()),
    "staff": and_(~o.final, o.who == "staff"),
    "money": o.order_id.in_(select(money.c.order_id).where(money.c.parked != "")),
    "done": o.status == "completed",
    "cancelled": o.status.in_(("cancelled", "cancelling")),
}
FINAL = ("", "done", "cancelled")
"""Views with orders that are done: nobody waits for their promise."""
SORTS: dict[str, tuple[Any, bool]] = {
    "": (o.placed_at, True),
    "oldest": (o.placed_at, False),
    "promise": (PROMISE, False),
}
"""By what a list is sorted, and whether the last one is shown first."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the orders is shown, and in which order; empty parts choose everything, the newest first."""

    q: str = ""
    view: str = ""
    status: str = ""
    channel: str = ""
    customer: str = ""
    warehouse: str = ""
    since: datetime | None = None
    before: datetime | None = None
    sort: str = ""


def chosen(wanted: Filter) -> Select[Any]:
    """The orders that a filter chooses, in no order."""
    query = select(orders).where(o.seen > 0)
    if wanted.q:
        hits = found(wanted.q).cte("found").prefix_with("materialized")  # a few; else all orders are walked by date
        query = query.join(hits, hits.c.order_id == o.order_id)
    if wanted.view:
        query = query.where(VIEWS.get(wanted.view, false()))
    if wanted.status:
        query = query.where(o.status == wanted.status)
    if wanted.channel:
        query = query.where(o.channel == wanted.channel)
    if wanted.customer:
        query = query.where(o.customer_id == wanted.customer)
    if wanted.warehouse:
        s = shipments.c
        there = (s.order_id == o.order_id) & (s.warehouse == wanted.warehouse) & s.state.in_(IN_WAREHOUSE)
        query = query.where(exists().where(there))
    if wanted.since:
        query = query.where(o.placed_at >= wanted.since)
    if wanted.before:
        query = query.where(o.placed_at < wanted.before)
    return query


def found(q: str) -> Select[Any]:
    """Ids of orders by number, the channel's number, e-mail, customer, SKU, tracking, or words of the name.

    Each way has its own index and its own bound, so a search never reads the whole table.
    """
    q = q.strip()
    ways: list[ColumnElement[bool]] = [
        begins(o.number, q),
        begins(o.external_id, q),
        begins(o.email, q),
        o.customer_id == q,
        o.skus.contains([q]),
        o.tracking.contains([q]),
    ]
    if words := [word for word in "".join(c if c.isalnum() else " " for c in q).split() if word]:
        simple: Any = literal_column("'simple'::regconfig")  # as the index has it
        asked = func.to_tsquery(simple, " & ".join(f"{word}:*" for word in words), type_=TSQUERY)
        ways.append(func.to_tsvector(simple, o.name).op("@@")(asked))
    if (id := as_id(q)) is not None:
        ways.append(o.order_id == id)
    parts = [select(o.order_id).where(way).limit(FOUND_AT_MOST).subquery() for way in ways]
    return select(union(*(select(part.c.order_id) for part in parts)).subquery().c.order_id)


def as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def list_orders(
    conn: AsyncConnection,
    wanted: Filter,
    *,
    after: tuple[datetime, UUID] | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Item]:
    """Orders that a filter chooses, sorted as it says: those that come after a place, or the last ones before one."""
    rows = await fetched(conn, listing(wanted, after, before, limit))
    return rows if before is None else list(reversed(rows))


def listing(
    wanted: Filter, after: tuple[datetime, UUID] | None, before: tuple[datetime, UUID] | None, limit: int
) -> Select[Any]:
    """The select of list_orders: before a place it goes backwards."""
    by, last_first = SORTS[wanted.sort]
    down = last_first != (before is not None)
    query = chosen(wanted).limit(limit)
    if (place := before or after) is not None:
        key, at = tuple_(by, o.order_id), as_place((place[0].date(), place[1]) if wanted.sort == "promise" else place)
        query = query.where(key < at if down else key > at)
    return query.order_by(*(part.desc() if down else part for part in (by, o.order_id)))


def place_of(row: Item, sort: str = "") -> tuple[datetime, UUID]:
    """Where an order stands in a list that is sorted so."""
    if sort == "promise":
        return datetime.combine(row["promised_on"] or row["accepted_on"] or NO_PROMISE, time(), UTC), row["order_id"]
    return row["placed_at"], row["order_id"]


def _counted(view: str) -> ScalarSelect[int]:
    """How many are in a view; counts no further than one above the bound."""
    some = chosen(Filter(view=view)).with_only_columns(o.order_id).limit(COUNTED_AT_MOST + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around every list of orders."""

    counts: dict[str, int]  # by view, at most one above COUNTED_AT_MOST; "" counts all, about where there are many
    channels: list[str]  # that orders came by
    warehouses: list[str]  # that have something to do


_WAREHOUSES = select(shipments.c.warehouse).where(shipments.c.state.in_(IN_WAREHOUSE)).distinct()
_PARTS = [
    # the statistics' word where there are many
    literal_column(
        """(select case when reltuples > 10000 then reltuples::bigint else (select count(*) from orders) end
            from pg_class where oid = 'orders'::regclass)"""
    ),
    *(_counted(view) for view in VIEWS),
    # hops from one to the next over the index
    literal_column(
        """array(with recursive hop as (
             (select channel from orders order by channel limit 1)
             union all
             select (select o.channel from orders o where o.channel > hop.channel order by o.channel limit 1)
             from hop where hop.channel is not null)
           select channel from hop where channel is not null limit 50)"""
    ),
    func.array(_WAREHOUSES.order_by(shipments.c.warehouse).limit(50).scalar_subquery()),
]
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_WRITTEN = str(select(*_PARTS).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
_AROUND = text(_WRITTEN.replace(":", "\\:"))
"""One statement, written out once: making it anew costs more than answering it."""


async def around(conn: AsyncConnection) -> Around:
    every, *counts, channels, warehouses = (await conn.execute(_AROUND)).one()
    return Around({"": every, **dict(zip(VIEWS, counts, strict=True))}, channels, warehouses)


async def rows_of(conn: AsyncConnection, ids: Sequence[UUID]) -> list[Item]:
    """These orders, in no order."""
    return await fetched(conn, select(orders).where(o.order_id.in_(ids), o.seen > 0))


async def newer(conn: AsyncConnection, than: tuple[datetime, UUID] | None, most: int = 1000) -> int:
    """How many orders come before the first of a list, or of an empty one; at most so many are counted."""
    found = select(orders.c.order_id).limit(most)
    if than is not None:
        found = found.where(tuple_(orders.c.placed_at, orders.c.order_id) > as_place(than))
    return int(await conn.scalar(select(func.count()).select_from(found.subquery())) or 0)
