"""Real parts that fail: one set of processes for all failpoints of a run."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from comptoir.chaos.works import Works, works_at
from comptoir.runs import NAMES
from comptoir.suite import migrate
from shared.parked import connected
from tests.conftest import Databases
from tests.faults.own import Own, own_at
from tests.journeys.conftest import Plot, bus, founder, plot

__all__ = ["bus", "founder", "plot"]


@pytest.fixture(scope="package")
async def ground(databases: Databases) -> Plot:
    """Databases of the works alone: its processes sweep the tables also while another test runs."""
    run = uuid4().hex[:8]
    made = Plot(databases.url(f"works_{run}_SERVICE").replace("SERVICE", "{service}"), f"works-{run}")
    databases.made += [f"works_{run}_{name}" for name in NAMES]
    await migrate(made.url)
    async with connected(databases.root) as connection:
        for name in NAMES:
            await connection.execute(f'alter database "works_{run}_{name}" set synchronous_commit = off')
    return made


@pytest.fixture(scope="package")
async def works(ground: Plot, rabbit_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Works]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COMPTOIR_RABBITMQ_URL", rabbit_url)
        async with works_at(ground.url, tmp_path_factory.mktemp("works")) as made:
            yield made


@pytest.fixture(scope="package")
async def own() -> AsyncIterator[Own]:
    folder = Path(tempfile.mkdtemp(prefix="comptoir-own-"))
    folder.chmod(0o755)  # the server's own user goes there too
    try:
        async with own_at(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def nobody_died_yet(request: pytest.FixtureRequest) -> None:
    """Works are shared by the tests of a run: whoever was killed in one of them did not die in the next."""
    if "works" in request.fixturenames:
        request.getfixturevalue("works").deaths.clear()
    if "own" in request.fixturenames:
        request.getfixturevalue("own").works.deaths.clear()
