"""F40, the restore drill: a suite at work is dumped by pg_dump, restored into other databases, and goes on.

What docs/deploy.md promises of backups is what is seen here. `order` is dumped last: it knows every order that another
service knows, and can ask again for what the others have forgotten.
"""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url

from comptoir.bench.work import prepare, two_lines
from comptoir.operating import resent
from comptoir.postgres import candidates, major
from comptoir.rest import at_rest, plain
from comptoir.runs import NAMES, Run, running
from comptoir.sender import Sender
from comptoir.suite import know_topology
from comptoir.verify import verify
from shared import clock
from shared.parked import connected
from shared.settings import database_of
from tests.conftest import Databases
from tests.eventually import eventually, settled

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(240)]

ORDERS = 120
OF_THE_LOST_FUTURE = ("I20", "I21")
"""The laws that a service breaks which was set back behind the others: it forgot what they had of it already."""


@pytest.fixture
async def tools(databases: Databases) -> Path:
    """pg_dump and pg_restore of the server's own version, or of a newer one."""
    async with connected(databases.root) as connection:
        version = int(await connection.fetchval("show server_version_num")) // 10000
    fitting = sorted((major(folder), folder) for folder in candidates(None) if (folder / "pg_dump").exists())
    return next(folder for number, folder in fitting if number >= version)


@asynccontextmanager
async def under_orders(run: Run, known: int) -> AsyncIterator[list[int]]:
    """Orders come in, a few at a time, while the block runs, and at least up to ORDERS; yields how many are sent."""
    sender = Sender(run.bus, "restore", clock.now, run.breathe)
    sent = [known]

    async def send() -> None:
        while True:
            await sender.send([two_lines(sender, i, random.Random(i)) for i in range(sent[0], sent[0] + 4)])
            sent[0] += 4
            await asyncio.sleep(0)

    task = asyncio.create_task(send())
    try:
        yield sent
        await eventually(lambda: sent[0] >= known + ORDERS, 60)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Drill:
    """A suite's databases, their dumps, and the databases that they are restored into."""

    def __init__(self, databases: Databases, tools: Path, folder: Path) -> None:
        self.databases, self.tools, self.folder = databases, tools, folder
        run = uuid4().hex[:8]
        self.first, self.second = (self._named(f"{name}_{run}") for name in ("before", "after"))
        self.since = datetime.now(UTC)

    def _named(self, prefix: str) -> str:
        self.databases.made += [f"{prefix}_{name}" for name in NAMES]
        return self.databases.url(f"{prefix}_SERVICE").replace("SERVICE", "{service}")

    async def _does(self, tool: str, *arguments: str) -> None:
        done = await asyncio.to_thread(
            subprocess.run, [str(self.tools / tool), *arguments], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def url(self, pattern: str, service: str) -> str:
        return plain(database_of(pattern, service))

    async def dump(self, service: str) -> None:
        await self._does("pg_dump", "--format=custom", f"--file={self.folder / service}", self.url(self.first, service))

    async def restore(self) -> None:
        for service in NAMES:
            async with connected(self.databases.root) as connection:
                name = make_url(database_of(self.second, service)).database
                await connection.execute(f'create database "{name}"')
            await self._does(
                "pg_restore", "--no-owner", f"--dbname={self.url(self.second, service)}", str(self.folder / service)
            )

    async def works_and_is_dumped(self, order: Sequence[str]) -> int:
        """Orders come in while one database after the other is dumped; the first half is at rest by then."""
        know_topology()
        async with running(self.first, "local", self.folder) as run:
            sender = Sender(run.bus, "restore", clock.now)
            await prepare(sender, 100 * ORDERS)
            await at_rest(run.connections, 30)
            async with under_orders(run, 0) as first:
                pass
            await at_rest(run.connections, 60)
            self.since = datetime.now(UTC)
            async with under_orders(run, first[0]) as sent:
                for service in order:
                    await self.dump(service)
                    more = sent[0] + ORDERS
                    await eventually(lambda more=more: sent[0] >= more, 60)
            await at_rest(run.connections, 60)
            return int(await run.connections["order"].fetchval("select count(*) from orders"))


async def nothing_reserved(run: Run) -> bool:
    reserved: int = await run.connections["inventory"].fetchval("select sum(reserved) from levels")
    return reserved == 0


async def completed(run: Run) -> bool:
    """Every order that the restored suite knows."""
    return not await run.connections["order"].fetchval("select count(*) from progress where status <> 'completed'")


async def movements(run: Run) -> list[int]:
    """How much has happened so far, by service."""
    return [int(await run.connections[name].fetchval("select count(*) from outbox")) for name in NAMES]


async def test_f40_what_was_dumped_while_nothing_moved_is_whole(
    databases: Databases, tools: Path, tmp_path: Path
) -> None:
    """The backup of one moment, as a snapshot of the whole server is: nothing is to be repaired."""
    drill = Drill(databases, tools, tmp_path)
    know_topology()
    async with running(drill.first, "local", tmp_path) as run:
        sender = Sender(run.bus, "restore", clock.now)
        await prepare(sender, 100 * ORDERS)
        async with under_orders(run, 0) as sent:
            pass
        await at_rest(run.connections, 60)
    for service in NAMES:
        await drill.dump(service)
    await drill.restore()
    async with running(drill.second, "local", tmp_path) as run:
        async with under_orders(run, sent[0]):
            pass
        await at_rest(run.connections, 60)
        await eventually(lambda: completed(run), 60)
        assert not [breach for finding in await verify(run.connections) for breach in finding.breaches]


async def test_f40_dumps_of_different_moments_are_made_good_by_sending_again(
    databases: Databases, tools: Path, tmp_path: Path
) -> None:
    drill = Drill(databases, tools, tmp_path)
    others = [name for name in NAMES if name != "order"]
    placed = await drill.works_and_is_dumped([*others, "order"])
    await drill.restore()
    assert await resent(drill.second, NAMES, drill.since, "", dry_run=False)
    async with running(drill.second, "local", tmp_path) as run:
        books = run.connections
        await eventually(lambda: completed(run), 90)
        await settled(lambda: movements(run))  # counts of packets do not tell: some are known to one side only
        kept = await books["order"].fetchval("select count(*) from orders")
        assert ORDERS < kept < placed, "orders after the dump are gone, those before it are there"
        assert await books["billing"].fetchval("select count(*) from invoices") == kept
        await eventually(lambda: nothing_reserved(run), 60)  # inventory may be the last to hear what was sent again
        broken = {finding.name for finding in await verify(books) if finding.breaches}
        assert {name.split()[0] for name in broken} <= set(OF_THE_LOST_FUTURE), broken
