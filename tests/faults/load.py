"""Orders that come in before, during and after a fault, and what must be true when it is over."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aio_pika
import psutil

from comptoir.chaos.monkey import Load
from comptoir.chaos.works import Works, told
from shared.messaging.topology import Names, queues
from tests.eventually import eventually

PER_S = 15.0
SOME = 15


async def all_is_well(works: Works, placed: int) -> None:
    """Every order that a customer was told of is completed, billed once, and no invariant is broken."""
    await works.rests()
    books = works.run.connections
    assert await books["order"].fetchval("select count(*) from progress where status = 'completed'") == placed
    assert await books["order"].fetchval("select count(*) from orders") == placed
    assert await books["billing"].fetchval("select count(*) from invoices") == placed
    assert await books["inventory"].fetchval("select sum(reserved) from levels") == 0
    breaches = await works.breaches()
    assert not breaches, breaches


@asynccontextmanager
async def under_load(works: Works, per_s: float = PER_S) -> AsyncIterator[Load]:
    """Orders come in before, during and after what happens in the block; then everything must be well."""
    before = int(await works.run.connections["order"].fetchval("select count(*) from orders"))
    load = Load(works, per_s, first=before)
    loading = asyncio.create_task(load.run())
    with told(works):
        try:
            await goes_on(load)
            yield load
            await goes_on(load, within_s=60)
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
        await load.ends()
        assert not load.failed, load.failed
        await all_is_well(works, before + len(load.placed))


async def goes_on(load: Load, orders: int = SOME, within_s: float = 30.0) -> None:
    """So many more orders are taken."""
    until = len(load.placed) + orders
    await eventually(lambda: len(load.placed) >= until, within_s)


async def gone(works: Works, name: str) -> None:
    """The service says that it is not ready now."""
    url = works.processes.running[name].url

    async def not_ready() -> bool:
        return (await works.http.get(f"{url}/health/ready")).status_code == 503

    await eventually(not_ready, 30)


async def all_live(works: Works) -> None:
    """No service asks for a restart."""
    for process in works.processes.running.values():
        answer = await works.http.get(f"{process.url}/health/live")
        assert answer.status_code == 200, f"{process.name}: {answer.text}"


async def measure(works: Works, service: str, name: str) -> float:
    """One figure of a service's /metrics, without its labels."""
    text = (await works.http.get(f"{works.processes.running[service].url}/metrics")).text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name}{{"))


async def waiting(works: Works, *, dead: bool = False) -> dict[str, int]:
    """By service: how many packets are ready in its queue, or lie with its dead."""
    counts: dict[str, int] = {}
    async with await aio_pika.connect(works.run.rabbitmq_url) as connection:
        channel = await connection.channel()
        for queue in queues(Names(works.prefix)):
            found = await channel.declare_queue(queue.dead if dead else queue.name, passive=True)
            counts[queue.service] = found.declaration_result.message_count or 0
    return counts


@asynccontextmanager
async def stopped(works: Works, name: str) -> AsyncIterator[None]:
    """The service is down while the block runs, and nobody starts it again before."""
    process = works.processes.running.pop(name)
    process.popen.terminate()
    await asyncio.to_thread(process.popen.wait, 30)
    try:
        yield
    finally:
        works.processes.start(name, process.port)
        await works.ready(name)


@asynccontextmanager
async def another(works: Works, service: str) -> AsyncIterator[str]:
    """A second copy of a service while the block runs; its name."""
    name = f"{service}-2"
    works.processes.start(name)
    await asyncio.to_thread(works.processes.wait_ready, name)
    try:
        yield name
    finally:
        process = works.processes.running.pop(name)
        process.popen.send_signal(signal.SIGCONT)
        process.popen.terminate()
        await asyncio.to_thread(process.popen.wait, 30)


def paused(works: Works, name: str) -> bool:
    """Somebody has stopped this process with SIGSTOP."""
    return bool(psutil.Process(works.processes.running[name].popen.pid).status() == psutil.STATUS_STOPPED)
