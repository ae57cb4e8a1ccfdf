"""What couriers do in the tables outside units of work, as sweeps do: take what is due, and clear away what is old."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.messaging.store import PostgresStore

CLEARED = 2000
"""Rows that are cleared away in one go."""

DUE = """
select w.webhook_id, w.failures from webhooks w
where w.state = 'active' and (w.rests_until is null or w.rests_until <= $1) and exists (
  select 1 from webhook_deliveries d where d.webhook_id = w.webhook_id and d.state = 'waiting' and d.due_at <= $1
  and (d.claimed_until is null or d.claimed_until <= $1))
"""
CLAIM = """
with picked as (
  select d.delivery_id from webhook_deliveries d
  where d.webhook_id = $1 and d.state = 'waiting' and d.due_at <= $3
    and (d.claimed_until is null or d.claimed_until <= $3)
    and not exists (
      select 1 from webhook_deliveries e
      where e.webhook_id = d.webhook_id and e.subject = d.subject and e.state = 'waiting'
        and (e.at, e.version, e.delivery_id) < (d.at, d.version, d.delivery_id))
  order by d.due_at, d.at limit $2 for update skip locked)
update webhook_deliveries d set claimed_until = $4
from picked, webhook_facts f, webhooks w
where d.delivery_id = picked.delivery_id and f.fact_id = d.fact_id and w.webhook_id = d.webhook_id
returning d.delivery_id, d.fact_id, d.webhook_id, d.subject, f.body, w.url, w.generation, w.made_of, w.old_made_of,
  w.old_until
"""
CLEAR = (
    """with gone as (
         delete from webhook_attempts where attempt_id in (
           select attempt_id from webhook_attempts where at < $1 order by at limit $2) returning attempt_id)
       delete from requests r using gone where r.id = gone.attempt_id""",
    """delete from webhook_deliveries where delivery_id in (
         select delivery_id from webhook_deliveries where wanted_at < $1 order by wanted_at limit $2)""",
    """delete from webhook_facts where fact_id in (
         select fact_id from webhook_facts f where made_at < $1
           and not exists (select 1 from webhook_deliveries d where d.fact_id = f.fact_id)
         order by made_at limit $2)""",
)
"""The answer to an attempt is a request of the desk under the attempt's id, so both go together."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to make until its lease is over."""

    delivery_id: UUID
    fact_id: UUID
    webhook_id: UUID
    subject: str
    body: str
    url: str
    generation: int
    made_of: str
    old_made_of: str
    old_until: datetime | None


async def due(store: PostgresStore, now: datetime) -> dict[UUID, int]:
    """The webhooks that something is due for, each with its failures in a row."""
    async with store.connection() as connection:
        return {record[0]: record[1] for record in await connection.fetch(DUE, now)}


async def claim(store: PostgresStore, webhook_id: UUID, most: int, now: datetime, until: datetime) -> list[Claimed]:
    """Takes a lease on so many: of each order the eldest only, so that no two of one order are on their way at once."""
    async with store.connection() as connection:
        return [Claimed(*record) for record in await connection.fetch(CLAIM, webhook_id, most, now, until)]


async def clear(store: PostgresStore, before: datetime) -> int:
    """Clears away what is older, some at a time; how many rows went."""
    went = 0
    for sql in CLEAR:
        while True:
            async with store.connection() as connection:
                n = int((await connection.execute(sql, before, CLEARED)).rpartition(" ")[2])
            went += n
            if n < CLEARED:
                break
    return went
