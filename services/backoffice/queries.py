"""Reads for the pages: plain selects on the read tables, no locks.

Every list goes by an index, also at a million orders.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
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
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    union,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.tables import (
    NO_PROMISE,
    PROMISE,
    accounts,
    document_views,
    entries,
    mails,
    money,
    office_acts,
    orders,
    returns,
    sessions,
    shipments,
)
from services.backoffice.tables import refunds as by_staff
from services.backoffice.tables import saved_views as views_saved
from shared.contracts.backoffice import SetAccount, SignedOn
from shared.contracts.fulfilment import ReturnExpected
from shared.database import begins

Item = dict[str, Any]
Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""A connection to read by, for as long as its block lasts."""
o = orders.c
FOUND_AT_MOST = 1000
"""Orders that one way of searching looks at: who finds more has to say more."""
COUNTED_AT_MOST = 1000
"""A view that has more than this says so instead of counting on."""
IN_WAREHOUSE = ("planned", "picked", "packed")

# Views: what each worklist and tab means

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


async def _all(conn: AsyncConnection, query: Any) -> list[Item]:
    return [dict(row) for row in (await conn.execute(query)).mappings()]


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
    rows = await _all(conn, listing(wanted, after, before, limit))
    return rows if before is None else list(reversed(rows))


def listing(
    wanted: Filter, after: tuple[datetime, UUID] | None, before: tuple[datetime, UUID] | None, limit: int
) -> Select[Any]:
    """The select of list_orders: before a place it goes backwards."""
    by, last_first = SORTS[wanted.sort]
    down = last_first != (before is not None)
    query = chosen(wanted).limit(limit)
    if (place := before or after) is not None:
        key, at = tuple_(by, o.order_id), _place((place[0].date(), place[1]) if wanted.sort == "promise" else place)
        query = query.where(key < at if down else key > at)
    return query.order_by(*(part.desc() if down else part for part in (by, o.order_id)))


def place_of(row: Item, sort: str = "") -> tuple[datetime, UUID]:
    """Where an order stands in a list that is sorted so."""
    if sort == "promise":
        return datetime.combine(row["promised_on"] or row["accepted_on"] or NO_PROMISE, time(), UTC), row["order_id"]
    return row["placed_at"], row["order_id"]


def _place(place: tuple[date, UUID]) -> Any:
    return tuple_(literal(place[0]), literal(place[1]))


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
    return await _all(conn, select(orders).where(o.order_id.in_(ids), o.seen > 0))


# One order


async def order_id_of(conn: AsyncConnection, name: str) -> UUID | None:
    """The order with this number or id."""
    id = as_id(name)
    called = func.lower(o.number) == name.lower() if id is None else o.order_id == id
    found: UUID | None = await conn.scalar(select(o.order_id).where(called).limit(1))
    return found


PAYABLE = (o.order_id, o.number, o.name, o.placed_at, o.currency, o.due)


async def payable(conn: AsyncConnection, name: str) -> Item | None:
    """What a transfer must know of the order with this number or id."""
    if (order_id := await order_id_of(conn, name)) is None:
        return None
    found = await _all(conn, select(*PAYABLE).where(o.order_id == order_id, o.seen > 0))
    return found[0] if found else None


async def waiting_for(conn: AsyncConnection, amount: Decimal, currency: str, limit: int) -> list[Item]:
    """Open orders by bank transfer of just this amount, of which nothing has come in; the oldest first."""
    paid = money.c.order_id == o.order_id, money.c.captured > 0
    wanted = o.method == "bank_transfer", o.due == amount, o.currency == currency, ~exists().where(*paid)
    return await _all(conn, select(*PAYABLE).where(~o.final, *wanted).order_by(o.placed_at, o.order_id).limit(limit))


async def orders_called(conn: AsyncConnection, numbers: Collection[str]) -> list[Item]:
    """The orders with these numbers, in no order."""
    called = func.lower(o.number).in_([number.lower() for number in numbers])
    return await _all(conn, select(o.order_id, o.number, o.holds).where(called, o.seen > 0))


async def exactly(conn: AsyncConnection, q: str) -> Item | None:
    """The one order whose number, id or tracking number this is."""
    q = q.strip()
    ways = [func.lower(o.number) == q.lower(), o.tracking.contains([q]), func.lower(o.external_id) == q.lower()]
    if (id := as_id(q)) is not None:
        ways.append(o.order_id == id)
    query = select(o.order_id, o.number).where(or_(*ways), o.seen > 0).limit(2)
    hits = await _all(conn, query)
    return hits[0] if len(hits) == 1 else None


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
        "shipments": await _all(conn, select(shipments).where(s.order_id == order_id).order_by(s.shipment_id)),
        "returns": await _all(conn, select(returns).where(r.order_id == order_id).order_by(r.return_id)),
        "refunds": await _all(
            conn, select(by_staff).where(by_staff.c.order_id == order_id).order_by(by_staff.c.asked_at)
        ),
        "entries": await _all(conn, told),
    }


# Refunds by the staff


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
        query = query.where(place > _place(after) if waiting else place < _place(after))
    some = query.subquery()
    found = select(some, o.number, o.name).outerjoin(orders, o.order_id == some.c.order_id)
    by = (some.c.asked_at, some.c.refund_id)
    return await _all(conn, found.order_by(*(key if waiting else key.desc() for key in by)))


async def order_of_refund(conn: AsyncConnection, refund_id: UUID) -> UUID | None:
    found: UUID | None = await conn.scalar(select(by_staff.c.order_id).where(by_staff.c.refund_id == refund_id))
    return found


# Today


async def shipments_of(conn: AsyncConnection, order_id: UUID) -> list[Item]:
    """The shipments of one order, as fulfilment stated them last."""
    return await _all(conn, select(shipments).where(shipments.c.order_id == order_id))


async def returns_asked_at(conn: AsyncConnection, order_id: UUID) -> dict[str, datetime]:
    """When the returns of one order were announced, by their id."""
    e = entries.c
    announced = (e.order_id == order_id) & (e.key == ReturnExpected.key)
    rows = await conn.execute(select(e.thing, func.min(e.at)).where(announced).group_by(e.thing))
    return {str(thing): at for thing, at in rows}


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
    return await _all(conn, query.order_by(mails.c.wanted_at.desc(), mails.c.mail_id))


async def mails_parked(conn: AsyncConnection, limit: int) -> list[Item]:
    """E-mails that wait for a person, the oldest first, with the number of their order."""
    query = select(mails, orders.c.number).join(orders, orders.c.order_id == mails.c.order_id, isouter=True)
    return await _all(conn, query.where(mails.c.state == "parked").order_by(mails.c.wanted_at).limit(limit))


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
    head = (await _all(conn, query))[0]
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
    work = {row["state"]: {"n": row["n"], "at": row["at"]} for row in await _all(conn, rest)}
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
    return await _all(conn, query)


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
    return await _all(conn, query.order_by(some.c.at.desc(), some.c.event_id.desc()))


# Who looked at what


async def views(
    conn: AsyncConnection, *, number: str = "", after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[Item]:
    """Views of documents, the newest first."""
    v = document_views.c
    query = select(document_views).order_by(v.at.desc(), v.view_id.desc()).limit(limit)
    if number:
        query = query.where(v.number == number)
    if after is not None:
        query = query.where(tuple_(v.at, v.view_id) < _place(after))
    return await _all(conn, query)


async def called(conn: AsyncConnection, begins: str) -> list[str]:
    """The logins of those whose login or shown name begins so; and the text itself, for who has no account."""
    a, start = accounts.c, begins.lower()
    query = select(a.name).where(or_(*(func.starts_with(func.lower(name), start) for name in (a.name, a.shown))))
    return sorted({begins, *await conn.scalars(query.limit(FOUND_AT_MOST))})


async def acts(
    conn: AsyncConnection,
    *,
    who: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Item]:
    """What people did, the newest first: entries with a name, each with the number of its order, and our own.

    `who`: only theirs; `since` and `until`: from the one and before the other moment.
    """
    e, own = entries.c, office_acts.c
    told = select(e.event_id.label("act_id"), e.at, e.key, e.actor, e.facts, e.order_id, orders.c.number)
    told = told.join_from(entries, orders, e.order_id == orders.c.order_id, isouter=True)
    told = told.where(e.actor != "")
    here = select(office_acts)
    if who:
        told, here = told.where(e.actor.in_(who)), here.where(own.actor.in_(who))
    rows: list[Item] = []
    for query, at, id in ((told, e.at, e.event_id), (here, own.at, own.act_id)):
        some = query.where(tuple_(at, id) < _place(after)) if after is not None else query
        some = some.where(at >= since) if since else some
        some = some.where(at < until) if until else some
        rows += await _all(conn, some.order_by(at.desc(), id.desc()).limit(limit))
    return sorted(rows, key=lambda row: (row["at"], row["act_id"]), reverse=True)[:limit]


# Accounts


async def any_account(conn: AsyncConnection) -> bool:
    return bool(await conn.scalar(select(exists().where(accounts.c.active))))


async def account(conn: AsyncConnection, name: str) -> Item | None:
    found = await _all(conn, select(accounts).where(accounts.c.name == name))
    return found[0] if found else None


async def staff(conn: AsyncConnection, name: str = "") -> list[Item]:
    """All accounts, or one: who is there first, then by name; when each was used last, added, and taken away.

    Their passwords stay where they are: `own` says whether there is one.
    """
    a, last = accounts.c, func.max(sessions.c.used_at).label("used_at")
    used = select(sessions.c.name, last).group_by(sessions.c.name).subquery()
    shown = (a.name, a.shown, a.roles, a.active, a.identity, (a.password != "").label("own"), used.c.used_at)
    query = select(*shown).join_from(accounts, used, used.c.name == a.name, isouter=True)
    told = select(office_acts).where(office_acts.c.key.in_((SetAccount.key, SignedOn.key)))
    if name:
        query, told = query.where(a.name == name), told.where(office_acts.c.facts["name"].astext == name)
    people = await _all(conn, query.order_by(a.active.desc(), func.lower(a.shown), a.name))
    added: dict[str, datetime] = {}
    gone: dict[str, datetime] = {}
    for act in await _all(conn, told.order_by(office_acts.c.at)):
        facts = act["facts"]
        if facts["new"]:
            added[facts["name"]] = act["at"]
        if facts["was_active"] and not facts["active"]:
            gone[facts["name"]] = act["at"]
    return [
        {**of, "added_at": added.get(of["name"]), "gone_at": None if of["active"] else gone.get(of["name"])}
        for of in people
    ]


async def admins(conn: AsyncConnection) -> list[str]:
    """Who looks after the accounts."""
    a = accounts.c
    return list(await conn.scalars(select(a.name).where(a.active, a.roles.contains(["admin"])).order_by(a.name)))


async def sessions_of(conn: AsyncConnection, named: Collection[str]) -> list[tuple[Item, Item]]:
    """These sessions, as far as there are such, each with its account."""
    query = select(sessions, accounts).join_from(sessions, accounts, accounts.c.name == sessions.c.name)
    first, then = sessions.c.keys(), accounts.c.keys()
    return [
        (dict(zip(first, row, strict=False)), dict(zip(then, row[len(first) :], strict=True)))
        for row in await conn.execute(query.where(sessions.c.session.in_(named)))
    ]


async def saved_views(conn: AsyncConnection, owner: str, code: str = "") -> list[Item]:
    """Saved views that a person sees: their own, then those that others share, each by name. `code`: only this one."""
    v = views_saved.c
    query = select(views_saved).where(v.name != "", or_(v.owner == owner, v.shared))
    if code:
        query = query.where(v.code == code)
    return await _all(conn, query.order_by(v.owner != owner, func.lower(v.name), v.owner).limit(500))


async def numbers_of(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, str]:
    """The numbers of these orders, as far as they are known."""
    if not ids:
        return {}
    found = await conn.execute(select(orders.c.order_id, orders.c.number).where(orders.c.order_id.in_(set(ids))))
    return {row.order_id: row.number for row in found}


async def newer(conn: AsyncConnection, than: tuple[datetime, UUID] | None, most: int = 1000) -> int:
    """How many orders come before the first of a list, or of an empty one; at most so many are counted."""
    found = select(orders.c.order_id).limit(most)
    if than is not None:
        found = found.where(tuple_(orders.c.placed_at, orders.c.order_id) > _place(than))
    return int(await conn.scalar(select(func.count()).select_from(found.subquery())) or 0)
