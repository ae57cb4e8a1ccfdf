"""People: accounts and sessions, who looked at what and did what, the views that they saved."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.queries.fetching import Item, as_place, fetched
from services.backoffice.queries.orders import FOUND_AT_MOST
from services.backoffice.tables import accounts, document_views, entries, office_acts, orders, sessions
from services.backoffice.tables import saved_views as views_saved
from shared.contracts.backoffice import SetAccount, SignedOn


async def any_account(conn: AsyncConnection) -> bool:
    return bool(await conn.scalar(select(exists().where(accounts.c.active))))


async def account(conn: AsyncConnection, name: str) -> Item | None:
    found = await fetched(conn, select(accounts).where(accounts.c.name == name))
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
    people = await fetched(conn, query.order_by(a.active.desc(), func.lower(a.shown), a.name))
    added: dict[str, datetime] = {}
    gone: dict[str, datetime] = {}
    for act in await fetched(conn, told.order_by(office_acts.c.at)):
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


async def called(conn: AsyncConnection, begins: str) -> list[str]:
    """The logins of those whose login or shown name begins so; and the text itself, for who has no account."""
    a, start = accounts.c, begins.lower()
    query = select(a.name).where(or_(*(func.starts_with(func.lower(name), start) for name in (a.name, a.shown))))
    return sorted({begins, *await conn.scalars(query.limit(FOUND_AT_MOST))})


async def views(
    conn: AsyncConnection, *, number: str = "", after: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[Item]:
    """Views of documents, the newest first."""
    v = document_views.c
    query = select(document_views).order_by(v.at.desc(), v.view_id.desc()).limit(limit)
    if number:
        query = query.where(v.number == number)
    if after is not None:
        query = query.where(tuple_(v.at, v.view_id) < as_place(after))
    return await fetched(conn, query)


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
        some = query.where(tuple_(at, id) < as_place(after)) if after is not None else query
        some = some.where(at >= since) if since else some
        some = some.where(at < until) if until else some
        rows += await fetched(conn, some.order_by(at.desc(), id.desc()).limit(limit))
    return sorted(rows, key=lambda row: (row["at"], row["act_id"]), reverse=True)[:limit]


async def saved_views(conn: AsyncConnection, owner: str, code: str = "") -> list[Item]:
    """Saved views that a person sees: their own, then those that others share, each by name. `code`: only this one."""
    v = views_saved.c
    query = select(views_saved).where(v.name != "", or_(v.owner == owner, v.shared))
    if code:
        query = query.where(v.code == code)
    return await fetched(conn, query.order_by(v.owner != owner, func.lower(v.name), v.owner).limit(500))
