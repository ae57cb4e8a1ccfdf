"""One project for all tests of a run: made from the files as they are, removed whatever happens."""

import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from comptoir.postgres import free_port
from tests.containers import engine
from tests.containers.door import Door
from tests.containers.engine import Project, undertaker


@pytest.fixture(scope="session")
def engine_here() -> None:
    if not engine.there():
        pytest.skip("no container engine with the image postgres:18 here")


@pytest.fixture(scope="session")
def project(engine_here: None) -> Iterator[Project]:
    made = Project(f"{engine.PREFIX}{uuid4().hex[:8]}", free_port(), free_port())
    made.more += ["-f", "tests/containers/stand-ins.yml", "--profile", "observability"]
    watch = undertaker(made.name)
    assert watch.stdin
    try:
        began = time.monotonic()
        made.settings |= {
            "COMPTOIR_TEST_PROMETHEUS": engine.prometheus(),
            "COMPTOIR_PROMETHEUS_PORT": str(made.figures_port),
        }
        made.compose("build", within_s=600)
        built = time.monotonic()
        made.up()
        print(f"\nbuilt in {built - began:.0f} s, up in {time.monotonic() - built:.0f} s")
        yield made
    finally:
        watch.stdin.close()
        watch.wait(120)


@pytest.fixture(scope="session")
async def door(project: Project) -> AsyncIterator[Door]:
    shop = Door(project.url, project.key())
    await shop.opens({"mug": 100_000})
    yield shop
    await shop.http.aclose()
