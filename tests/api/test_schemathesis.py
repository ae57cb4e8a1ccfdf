"""Requests of every kind that a schema allows, and some that it does not, against each service on real PostgreSQL.

The services answer from a thread of their own, over real HTTP, so that the requests may be made one by one.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from comptoir.suite import BUILD, know_topology
from shared.messaging.bus import LocalBus
from shared.serve import address_of, listening, serving
from shared.service import application
from tests.api.conftest import built
from tests.conftest import Databases

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 10


@asynccontextmanager
async def answering(name: str, url: str) -> AsyncIterator[str]:
    """The service's address; what it sends is heard by nobody, and stays in its outbox."""
    running = built(name, url)
    bus = LocalBus()
    bus.attach(running.reader)
    bound = listening("127.0.0.1", 0)
    await running.start(bus)
    try:
        async with serving(application(running), bound):
            yield address_of(bound)
    finally:
        await running.stop()


@pytest.fixture
async def address(request: pytest.FixtureRequest, databases: Databases) -> AsyncIterator[str]:
    """A service in a thread of its own."""
    name: str = request.param
    know_topology()
    kind, build = BUILD[name]
    url = await databases.fresh(build(kind(_env_file=None)).metadata)
    loop, ready, told = asyncio.new_event_loop(), asyncio.get_running_loop().create_future(), asyncio.Event()
    here = asyncio.get_running_loop()

    async def work() -> None:
        async with answering(name, url) as found:
            here.call_soon_threadsafe(ready.set_result, found)
            await told.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    try:
        yield await asyncio.wait_for(ready, 20)
    finally:
        loop.call_soon_threadsafe(told.set)
        await asyncio.to_thread(thread.join, 20)
        loop.close()


def operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        yield found.ok()


@pytest.mark.parametrize("address", list(BUILD), indirect=True)
async def test_no_request_breaks_a_service_and_answers_are_as_documented(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried: dict[str, set[int]] = {}

    def one(operation: Any) -> None:
        statuses = tried.setdefault(operation.label, set())

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def meets_its_description(case: Any) -> None:
            response = case.call(timeout=10)
            statuses.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        meets_its_description()

    def everything() -> list[str]:
        failed = []
        for operation in operations(schema):
            try:
                one(operation)
            except (Exception, BaseExceptionGroup) as error:
                failed.append(f"{operation.label}: {getattr(error, 'exceptions', [error])[0]}")
        return failed

    failed = await asyncio.to_thread(everything)
    assert failed == []
    assert len(tried) > 10
    assert any(status < 300 for statuses in tried.values() for status in statuses)
