"""A depot on either store, and a town on either bus."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.messaging import topology
from tests.conftest import Databases
from tests.messaging import depot
from tests.messaging.harness import Harness, InMemory, OnPostgres
from tests.messaging.town import RabbitTown, Town


@pytest.fixture(autouse=True)
def known_topology() -> Iterator[None]:
    """The depot and its mirror are the whole suite for these tests; afterwards it is as it was."""
    before = dict(topology._reads)
    topology.register({"depot": depot.HANDLERS, "mirror": depot.MIRROR})
    yield
    topology._reads.clear()
    topology._reads.update(before)


@pytest.fixture
async def on_postgres(databases: Databases) -> AsyncIterator[OnPostgres]:
    made = OnPostgres(await databases.emptied(depot.metadata))
    await made.store.open()
    yield made
    await made.store.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def shop(request: pytest.FixtureRequest) -> Harness:
    """The same depot on either store."""
    if request.param == "memory":
        return InMemory()
    made: Harness = request.getfixturevalue("on_postgres")
    return made


@pytest.fixture
async def local_town(on_postgres: OnPostgres) -> AsyncIterator[Town]:
    made = Town(on_postgres)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def rabbit_town(on_postgres: OnPostgres, rabbit_url: str, rabbit_prefix: str) -> AsyncIterator[RabbitTown]:
    made = RabbitTown(on_postgres, rabbit_url, rabbit_prefix)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(params=["local", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def town(request: pytest.FixtureRequest) -> Town:
    """The same two services on either bus."""
    made: Town = request.getfixturevalue(f"{request.param}_town")
    return made
