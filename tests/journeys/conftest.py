"""Towns for journeys and scenarios: on a bus in the process, or on a real RabbitMQ under a prefix of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from comptoir.suite import BusName, know_topology, migrate
from shared.messaging.rabbit import declare, undeclare
from shared.messaging.topology import Names, queues
from shared.parked import connected
from shared.settings import database_of
from tests.conftest import Databases
from tests.journeys.town import NAMES, Town, town_at

Founder = Callable[..., AbstractAsyncContextManager[Town]]


@dataclass
class Plot:
    """Where towns are built, one after the other: four migrated databases, and names of their own on the broker."""

    url: str
    prefix: str
    declared: list[str] = field(default_factory=list)

    async def cleared(self) -> None:
        """Every table is empty again, those that refuse changes too."""
        for name in NAMES:
            async with connected(database_of(self.url, name)) as connection:
                rows = await connection.fetch("select tablename as name from pg_tables where schemaname = 'public'")
                emptying = [f'delete from "{row["name"]}"' for row in rows if row["name"] != "alembic_version"]
                await connection.execute(";".join(["set session_replication_role = replica", *emptying]))

    async def drained(self, rabbit_url: str) -> None:
        """The queues are there, and nothing of a story that failed is left in them."""
        if rabbit_url not in self.declared:
            await declare(rabbit_url, self.prefix)
            self.declared.append(rabbit_url)
        async with await aio_pika.connect(rabbit_url) as connection:
            channel = await connection.channel()
            for queue in queues(Names(self.prefix)):
                await (await channel.declare_queue(queue.name, passive=True)).purge()


@pytest.fixture(scope="session")
async def plot(databases: Databases) -> AsyncIterator[Plot]:
    run = uuid4().hex[:8]
    made = Plot(databases.url(f"town_{run}_SERVICE").replace("SERVICE", "{service}"), f"town-{run}")
    databases.made += [f"town_{run}_{name}" for name in NAMES]
    await migrate(made.url)
    async with connected(databases.root) as connection:
        for name in NAMES:
            await connection.execute(f'alter database "town_{run}_{name}" set synchronous_commit = off')
    yield made
    know_topology()
    for rabbit_url in made.declared:
        await undeclare(rabbit_url, made.prefix)


@pytest.fixture
def founder(plot: Plot, request: pytest.FixtureRequest) -> Founder:
    """Founds a town on the bus that is asked for, with the settings that are given."""

    @asynccontextmanager
    async def found(
        bus: BusName = "local", *, fresh: bool = True, drained: bool = True, through: str = "", **settings: Any
    ) -> AsyncIterator[Town]:
        """`fresh`: with empty databases; `drained`: with empty queues; `through`: another way to the broker."""
        know_topology()
        if fresh:
            await plot.cleared()
        if bus == "rabbit":
            url: str = request.getfixturevalue("rabbit_url")
            if drained:
                await plot.drained(url)
            settings |= {"rabbitmq_url": through or url, "rabbitmq_prefix": plot.prefix, "declare_topology": False}
        async with town_at(plot.url, bus, **settings) as town:
            yield town

    return found


@pytest.fixture(params=["local", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def bus(request: pytest.FixtureRequest) -> BusName:
    name: BusName = request.param
    return name


@pytest.fixture
async def town(founder: Founder, bus: BusName) -> AsyncIterator[Town]:
    """A town whose warehouses wait for people; the same story is told on both buses, and must end well."""
    async with founder(bus) as founded:
        yield founded
        await founded.all_is_well()
