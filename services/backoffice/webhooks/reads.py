"""What pages and metrics show of webhooks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.tables import webhook_attempts, webhook_deliveries, webhook_facts, webhooks

Item = dict[str, Any]
d, w = webhook_deliveries.c, webhooks.c


async def _all(conn: AsyncConnection, query: Any) -> list[Item]:
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def standing(conn: AsyncConnection) -> tuple[int, datetime | None, int]:
    """How many deliveries to active webhooks wait, since when the oldest does; webhooks that stopped by failing."""
    active = select(w.webhook_id).where(w.state == "active")
    waiting = select(func.count(), func.min(d.wanted_at)).where(d.state == "waiting", d.webhook_id.in_(active))
    n, oldest = (await conn.execute(waiting)).one()
    failed = select(func.count()).where(w.state.in_(("paused", "gone")), w.why != "")
    return n, oldest, int(await conn.scalar(failed) or 0)


async def all_webhooks(conn: AsyncConnection, webhook_id: UUID | None = None) -> list[Item]:
    """Those that were not removed, by name, or one: each with how many deliveries wait, since when, and were given up.

    `delivered_at`: when one of the newest deliveries was taken.
    """
    own = d.webhook_id == w.webhook_id
    waits, up = and_(own, d.state == "waiting"), and_(own, d.state == "given_up")
    taken = select(d.done_at).where(own, d.state == "delivered").order_by(d.wanted_at.desc(), d.delivery_id.desc())
    query = select(
        webhooks,
        select(func.count()).where(waits).scalar_subquery().label("waiting"),
        select(func.min(d.wanted_at)).where(waits).scalar_subquery().label("oldest"),
        select(func.count()).where(up).scalar_subquery().label("given_up"),
        taken.limit(1).scalar_subquery().label("delivered_at"),
    ).where(w.state != "removed")
    if webhook_id is not None:
        query = query.where(w.webhook_id == webhook_id)
    return await _all(conn, query.order_by(func.lower(w.name), w.webhook_id))


async def deliveries(
    conn: AsyncConnection,
    webhook_id: UUID,
    *,
    state: str = "",
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[Item]:
    """Deliveries to one webhook, the newest first, with the time of the last attempt."""
    last = select(func.max(webhook_attempts.c.at)).where(webhook_attempts.c.delivery_id == d.delivery_id)
    query = select(webhook_deliveries, last.scalar_subquery().label("tried_at")).where(d.webhook_id == webhook_id)
    if state:
        query = query.where(d.state == state)
    if after is not None:
        query = query.where(tuple_(d.wanted_at, d.delivery_id) < tuple_(*after))
    return await _all(conn, query.order_by(d.wanted_at.desc(), d.delivery_id.desc()).limit(limit))


async def delivery(conn: AsyncConnection, webhook_id: UUID, delivery_id: UUID) -> Item | None:
    """One delivery with its body."""
    query = select(webhook_deliveries, webhook_facts.c.body).join(webhook_facts, webhook_facts.c.fact_id == d.fact_id)
    found = await _all(conn, query.where(d.webhook_id == webhook_id, d.delivery_id == delivery_id))
    return found[0] if found else None


async def attempts(conn: AsyncConnection, delivery_id: UUID, limit: int = 50) -> list[Item]:
    """The tries of one delivery, the newest first."""
    a = webhook_attempts.c
    query = select(webhook_attempts).where(a.delivery_id == delivery_id)
    return await _all(conn, query.order_by(a.at.desc(), a.attempt_id.desc()).limit(limit))


async def to_redeliver(
    conn: AsyncConnection, webhook_id: UUID, since: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> list[Item]:
    """Facts since then that were to be delivered to a webhook, each once, in order; none that still waits."""
    again = webhook_deliveries.alias()
    waits = exists().where(
        and_(again.c.fact_id == d.fact_id, again.c.webhook_id == webhook_id, again.c.state == "waiting")
    )
    shown: Sequence[Any] = (d.fact_id, d.kind, d.subject, d.at, d.version)
    query = select(*shown).distinct().where(d.webhook_id == webhook_id, d.at >= since, ~waits)
    if after is not None:
        query = query.where(tuple_(d.at, d.fact_id) > tuple_(*after))
    return await _all(conn, query.order_by(d.at, d.fact_id).limit(limit))


def _settled(webhook_id: UUID) -> Any:
    """Whether the same fact was taken, or waits, by another delivery to that webhook."""
    again = webhook_deliveries.alias()
    same = and_(again.c.fact_id == d.fact_id, again.c.webhook_id == webhook_id)
    return exists().where(same, again.c.state.in_(("waiting", "delivered")))


async def failed(conn: AsyncConnection, webhook_id: UUID, limit: int) -> list[Item]:
    """Deliveries to a webhook that were not taken: given up and not sent again since, or tried in vain so far.

    The newest first.
    """
    up = and_(d.state == "given_up", ~_settled(webhook_id))
    tried = and_(d.state == "waiting", d.tries > 0)
    found: list[Item] = []
    for which in (up, tried):
        query = select(webhook_deliveries).where(d.webhook_id == webhook_id, which)
        found += await _all(conn, query.order_by(d.wanted_at.desc(), d.delivery_id.desc()).limit(limit))
    return sorted(found, key=lambda of: (of["wanted_at"], of["delivery_id"]), reverse=True)[:limit]


async def to_send_again(
    conn: AsyncConnection, webhook_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Item]:
    """Facts that were given up for a webhook and not sent again since, each once, in order."""
    query = (
        select(d.fact_id, d.kind, d.subject, d.at, d.version)
        .distinct()
        .where(d.webhook_id == webhook_id, d.state == "given_up", ~_settled(webhook_id))
    )
    if after is not None:
        query = query.where(tuple_(d.at, d.fact_id) > tuple_(*after))
    return await _all(conn, query.order_by(d.at, d.fact_id).limit(limit))
