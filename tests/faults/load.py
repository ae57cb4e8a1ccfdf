"""Orders that come in before, during and after a fault, and what must be true when it is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from comptoir.chaos.monkey import Load
from comptoir.chaos.works import told
from tests.eventually import eventually
from tests.faults.own import Own

PER_S = 15.0
SOME = 15


async def all_is_well(own: Own, placed: int) -> None:
    """Every order that a customer was told of is completed, billed once, and no invariant is broken."""
    works = own.works
    await works.rests()
    books = works.run.connections
    assert await books["order"].fetchval("select count(*) from progress where status = 'completed'") == placed
    assert await books["order"].fetchval("select count(*) from orders") == placed
    assert await books["billing"].fetchval("select count(*) from invoices") == placed
    assert await books["inventory"].fetchval("select sum(reserved) from levels") == 0
    breaches = await works.breaches()
    assert not breaches, breaches


@asynccontextmanager
async def under_load(own: Own) -> AsyncIterator[Load]:
    """Orders come in before, during and after what happens in the block; then everything must be well."""
    before = int(await own.works.run.connections["order"].fetchval("select count(*) from orders"))
    load = Load(own.works, PER_S, first=before)
    loading = asyncio.create_task(load.run())
    with told(own.works):
        try:
            await eventually(lambda: len(load.placed) >= SOME, 30)
            yield load
            until = len(load.placed) + SOME
            await eventually(lambda: len(load.placed) >= until, 60)
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
        await load.ends()
        assert not load.failed, load.failed
        await all_is_well(own, before + len(load.placed))


async def gone(own: Own, name: str) -> None:
    """The service says that it is not ready now."""
    url = own.works.processes.running[name].url

    async def not_ready() -> bool:
        return (await own.works.http.get(f"{url}/health/ready")).status_code == 503

    await eventually(not_ready, 30)
