"""When is the suite at rest? Read from the databases alone, so it holds for any number of processes."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from shared.contracts.inventory import AvailabilityChanged
from shared.messaging.retention import BEGINNING, first_id
from shared.messaging.topology import readers_of
from shared.settings import database_of


@dataclass(frozen=True, slots=True)
class Motion:
    """What is still on its way."""

    unsent: int  # packets that no reader is known to have
    unread: int  # packets confirmed by the bus and not yet handled by a reader
    calls: int  # outside calls without an answer
    due: int  # timers that should have fired

    @property
    def none(self) -> bool:
        return self.unsent == self.unread == self.calls == self.due == 0


def plain(url: str) -> str:
    """The URL as asyncpg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


class Databases:
    """A connection to each service's database, for commands that look at the suite from outside."""

    def __init__(self, database_url: str, names: tuple[str, ...]) -> None:
        self.urls = {name: plain(database_of(database_url, name)) for name in names}
        self.connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}

    async def __aenter__(self) -> Mapping[str, "asyncpg.Connection[asyncpg.Record]"]:
        for name, url in self.urls.items():
            self.connections[name] = await asyncpg.connect(url)
        return self.connections

    async def __aexit__(self, *error: object) -> None:
        for connection in self.connections.values():
            await connection.close()


async def cleared(connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"], name: str) -> dict[str, datetime]:
    """By service: from when on its table `name` has all rows; without those that cleared away nothing yet."""
    found = {}
    for service, connection in connections.items():
        before = await connection.fetchval("select before from cleared where name = $1", name)
        if before is not None:
            found[service] = before
    return found


async def all_there(connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"], *names: str) -> UUID:
    """The id from which on these tables of every service have all rows of packets that services numbered."""
    return first_id(
        max([at for name in names for at in (await cleared(connections, name)).values()], default=BEGINNING)
    )


async def motion(connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"]) -> Motion:
    """Counts packets per key against what the readers' inboxes hold, since every packet has one row at each.

    Only packets of which nothing is cleared away yet; their keys stay longer.
    That channels are still to be told of the stock moves nothing in the suite.
    """
    unsent = unread = calls = due = 0
    handled = 0
    expected = 0
    now = datetime.now(UTC)
    since = await all_there(connections, "outbox", "inbox")
    for connection in connections.values():  # inboxes first: what is sent meanwhile then counts as unread
        # ids that services make are UUIDv7; packets from outside the suite have no outbox to be compared with
        handled += await connection.fetchval(
            "select count(*) from inbox where substr(id::text, 15, 1) = '7' and id >= $1", since
        )
    for connection in connections.values():
        for row in await connection.fetch(
            "select key, count(*) filter (where sent_at is null) as unsent, "
            "count(sent_at) filter (where id >= $1) as sent from outbox group by key",
            since,
        ):
            unsent += row["unsent"] if row["key"] != AvailabilityChanged.key else 0
            expected += row["sent"] * sum(1 for reader in readers_of(row["key"]) if reader in connections)
        calls += await connection.fetchval("select count(*) from calls")
        due += await connection.fetchval(
            "select count(*) from timers where due_at <= $1 and key not like 'announce:%'", now
        )
    unread = max(0, expected - handled)
    return Motion(unsent, unread, calls, due)


async def at_rest(
    connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"], within_s: float = 600.0, every_s: float = 0.25
) -> float:
    """Waits until nothing moves by itself any more. Returns the seconds it took; TimeoutError says what still moves."""
    began = time.monotonic()
    quiet = 0
    while True:
        now = await motion(connections)
        quiet = quiet + 1 if now.none else 0
        if quiet == 2:
            return time.monotonic() - began
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"not at rest after {within_s:.0f} s: {now}")
        await asyncio.sleep(every_s)


async def provider_answered(
    connections: Mapping[str, "asyncpg.Connection[asyncpg.Record]"], within_s: float = 600.0, every_s: float = 1.0
) -> None:
    """At rest, and a payment provider outside has said what became of every operation.

    About what took it too long it is asked again after a pause, and nothing moves until then.
    """
    end = time.monotonic() + within_s
    while True:
        await at_rest(connections, end - time.monotonic())
        unknown = await connections["billing"].fetchval("select count(*) from accounts where unknown")
        if not unknown:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"{unknown} payment operations are unknown after {within_s:.0f} s")
        await asyncio.sleep(every_s)
