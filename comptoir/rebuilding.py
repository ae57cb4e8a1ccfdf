"""The back office's read tables made anew: emptied, then filled from what the owners sent and from how orders stand.

Everything goes through the same decisions as always. It may run beside a running back office: what both take is decided
once, and the newest wins.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from comptoir.rest import Databases, cleared, plain
from comptoir.suite import BUILD, make
from services.backoffice.domain import Policy
from services.order.queries import MOST_SUMMARIES, summaries
from shared import clock
from shared.contracts.backoffice import LookAgain, LookAtOrder, OrderSeen, OrderSummary
from shared.database import normalised, reading_engine
from shared.messaging.bus import Reader, arrival_of
from shared.messaging.envelope import envelope, read_one
from shared.messaging.store import PostgresStore
from shared.messaging.topology import handled_keys
from shared.messaging.unit import Arrival, Unit
from shared.serve import NotHere
from shared.settings import database_of

PACKETS = 100
"""Packets of one unit of work; each holds up to 64 events."""

Progress = Callable[[str, int], None]


@dataclass
class Rebuilt:
    """What was read and what came of it."""

    packets: int = 0
    events: int = 0
    orders: int = 0


async def empty(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Takes all of it away at once: the read tables, what was handled, and looks that are on their way.

    E-mails and webhooks stay, as they are nobody else's word.
    """
    await connection.execute(
        "truncate orders, sold, money, shipments, returns, refunds, entries, stock_said, backorders, inbox"
    )
    await connection.execute("delete from timers where key like 'look:%' or key like 'retry:%'")
    await connection.execute("delete from calls where strpos(body, $1) > 0", LookAtOrder.key)


async def complete(own: "asyncpg.Connection[asyncpg.Record]", database_url: str) -> None:
    """Raises Incomplete when read tables hold what no packet can fill again."""
    async with Databases(database_url, tuple(BUILD)) as owners:
        kept = await cleared(owners, "outbox")
    if not kept:
        return
    owner, since = max(kept.items(), key=lambda of: of[1])
    if older := await own.fetchval("select count(*) from orders where placed_at < $1", since):
        raise Incomplete(
            f"{owner} keeps what it sent from {since:%Y-%m-%d} on (COMPTOIR_OUTBOX_DAYS), and the pages have {older} "
            "orders from before: their shipments, money, returns and history would be lost. Restore a backup of the "
            "back office instead, or say --lose-older"
        )


class Incomplete(NotHere):
    """The read tables would lose something if they were made anew; the text says what."""


async def heard(connection: "asyncpg.Connection[asyncpg.Record]", within: timedelta) -> set[UUID]:
    """The packets that were handled within this time."""
    query = "select id from inbox where received_at > $1"
    return {record[0] for record in await connection.fetch(query, clock.now() - within)}


async def rebuild(
    database_url: str,
    progress: Progress = lambda what, n: None,
    *,
    anew: bool = True,
    lose_older: bool = False,
    **settings: Any,
) -> Rebuilt:
    """Fills the read tables from the databases of the suite, which need not run. `anew`: empties them first.

    Raises Incomplete when that would lose what owners do not keep any more, unless `lose_older`.

    What was handled before is told to no customer again; what nobody had handled yet is, by the running back office.
    `settings`: those of the back office, where they are not in the environment.
    """
    service = make("backoffice", database_url=database_url, **settings)
    store = PostgresStore(_dsn(database_url, "backoffice"), service.books, connections=1, kept_rows=0)
    unit = Unit("backoffice", store, service.handlers, service.policy, clock.now, clock.new_id)
    quiet = Unit("backoffice", store, service.handlers, replace(service.policy, mails=False), clock.now, clock.new_id)
    reader = Reader("backoffice", lambda arrival: None, clock.now, clock.new_id)
    keys = list(handled_keys(service.handlers))
    done = Rebuilt()
    await store.open()
    try:
        own = await asyncpg.connect(_dsn(database_url, "backoffice"))
        try:
            policy: Policy = service.policy
            known = await heard(own, policy.mail_age) if policy.mails else set()
            if not known:
                unit = quiet  # a new back office, or no e-mails: nobody was told of what happened, and it is too late
            if anew:
                if not lose_older:
                    await complete(own, database_url)
                await empty(own)
            for owner in BUILD:
                async for records in _outbox(_dsn(database_url, owner), keys):
                    batch = [(r["id"], arrival_of(reader, r["key"], r["body"], r["id"], None)) for r in records]
                    for decides, again in ((quiet, True), (unit, False)):
                        arrivals = [arrival for id, arrival in batch if (id in known) is again]
                        if arrivals:
                            await decides.work(arrivals)
                    done.packets += len(batch)
                    done.events += sum(len(arrival.envelopes) for _, arrival in batch)
                    progress(owner, done.packets)
            await _look_at_others(own, unit, database_url)
            done.orders = await _look(own, unit, database_url, progress)
        finally:
            await own.close()
    finally:
        await store.close()
        if service.closer is not None:
            await service.closer()
    return done


def _dsn(database_url: str, service: str) -> str:
    return plain(database_of(database_url, service))


async def _outbox(dsn: str, keys: Sequence[str]) -> AsyncIterator[list[asyncpg.Record]]:
    """What a service sent of these keys and keeps, the oldest first."""
    connection = await asyncpg.connect(dsn)
    try:
        after = UUID(int=0)
        while True:
            records = await connection.fetch(
                "select id, key, body from outbox where key = any($1::text[]) and id > $2 order by id limit $3",
                keys, after, PACKETS,
            )  # fmt: skip
            if not records:
                return
            yield records
            after = records[-1]["id"]
    finally:
        await connection.close()


async def _look_at_others(own: "asyncpg.Connection[asyncpg.Record]", unit: Unit, database_url: str) -> None:
    """Orders of which no message is kept any more are looked at all the same."""
    there = await asyncpg.connect(_dsn(database_url, "order"))
    try:
        after = UUID(int=0)
        while ids := [
            record[0]
            for record in await there.fetch(
                "select order_id from progress where order_id > $1 order by order_id limit 2000", after
            )
        ]:
            known = {
                record[0] for record in await own.fetch("select order_id from orders where order_id = any($1)", ids)
            }
            for start in range(0, len(ids), MOST_SUMMARIES):
                missing = [id for id in ids[start : start + MOST_SUMMARIES] if id not in known]
                events = [_word(unit, LookAgain(order_id=id)) for id in missing]
                if events:
                    await unit.work([Arrival("packet", clock.new_id(), events)])
            after = ids[-1]
    finally:
        await there.close()


async def _look(own: "asyncpg.Connection[asyncpg.Record]", unit: Unit, database_url: str, progress: Progress) -> int:
    """Makes the looks that are wanted, on the order service's database. Those of a running back office count too."""
    looked = 0
    engine = reading_engine(normalised(_dsn(database_url, "order")))
    try:
        after = UUID(int=0)
        while records := await own.fetch(
            "select id, body from calls where id > $1 and strpos(body, $3) > 0 order by id limit $2",
            after,
            MOST_SUMMARIES,
            LookAtOrder.key,
        ):
            after = records[-1]["id"]
            wanted = {record["id"]: read_one(record["body"]).data for record in records}
            ids = [look.order_id for look in wanted.values() if isinstance(look, LookAtOrder)]
            async with engine.connect() as connection:
                items = await summaries(connection, ids)
            seen = {item.order_id: item for item in map(OrderSummary.model_validate, items)}
            arrivals = [
                Arrival("call", id, [_word(unit, OrderSeen(order_id=look.order_id, order=seen.get(look.order_id)))])
                for id, look in wanted.items()
            ]
            await unit.work(arrivals)
            looked += len(arrivals)
            progress("orders", looked)
    finally:
        await engine.dispose()
    return looked


def _word(unit: Unit, message: Any) -> Any:
    return envelope(message, id=clock.new_id(), source=unit.source, now=clock.now())


async def is_new(database_url: str) -> bool:
    """Whether the read tables never heard of anything although there are orders: they were made just now."""
    own = await asyncpg.connect(_dsn(database_url, "backoffice"))
    there = await asyncpg.connect(_dsn(database_url, "order"))
    try:
        heard = await own.fetchval("select exists(select 1 from inbox)")
        return not heard and bool(await there.fetchval("select exists(select 1 from progress)"))
    finally:
        await own.close()
        await there.close()
