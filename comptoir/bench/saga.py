"""`comptoir bench saga`: complete two-line orders, everything on this machine, all guarantees on.

At saturation all orders are placed up front; at a rate they come one by one, as a Poisson process.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import aio_pika
import asyncpg

from comptoir.bench.http import Pool
from comptoir.bench.measuring import Meter, parts, spread_ms, verified
from comptoir.bench.work import SEED, arrivals, body, prepare, wishes
from comptoir.rest import Databases, at_rest
from comptoir.runs import Run, running
from comptoir.sender import Sender
from comptoir.suite import BusName
from shared import clock
from shared.contracts.order import OrderCompleted, PlaceOrder
from shared.messaging.envelope import MAX_EVENTS, Packet
from shared.messaging.topology import Names

Over = Literal["bus", "http"]
OFFICE = "backoffice"
IN_FLIGHT = 32
PREFIX = f"comptoir-bench-{os.getpid()}"


async def completed(run: Run) -> int:
    count: int = await run.connections["order"].fetchval("select count(*) from progress where status = 'completed'")
    return count


async def all_completed(run: Run, orders: int, within_s: float) -> None:
    """Waits until so many orders are completed; TimeoutError says how many were."""
    end = time.monotonic() + within_s
    while (done := await completed(run)) < orders:
        if time.monotonic() > end:
            raise TimeoutError(f"{done} of {orders} orders completed in {within_s:.0f} s")
        await asyncio.sleep(0.25)


async def known(office: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many orders are completed as far as the back office knows."""
    count: int = await office.fetchval("select count(*) from orders where status = 'completed' and not looking")
    return count


async def publish_all(run: Run, packets: list[Packet]) -> None:
    """With so many confirms in flight as one sender should have."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def publish(packet: Packet) -> None:
        async with gate:
            await run.bus.publish(packet)

    await asyncio.gather(*(publish(packet) for packet in packets))


async def saturate(run: Run, orders: int, *, begin: int = 0, stock: int = 0, within_s: float = 600.0) -> dict[str, Any]:
    """Orders `begin` and on, all placed up front, until each is completed. `stock`: prepares goods for so many."""
    sender = Sender(run.bus, "bench", clock.now)
    if stock:
        await prepare(sender, stock, lambda: at_rest(run.connections, 60))
        await at_rest(run.connections, 60)
    packets: list[Packet] = []
    wanted = wishes(sender, orders, begin)
    for i in range(0, orders, MAX_EVENTS):
        packets += sender.packets(wanted[i : i + MAX_EVENTS], "bench")
    before = await completed(run)
    meter = Meter(await parts(run))
    await publish_all(run, packets)
    placed = meter.so_far
    await all_completed(run, before + orders, within_s)
    return {"placed_s": round(placed, 2), **meter.stop(orders)}


async def bench_saga(
    database_url: str,
    bus: BusName,
    data: Path,
    orders: int,
    *,
    replicas: int = 1,
    office: bool = False,
    within_s: float = 600.0,
) -> dict[str, Any]:
    """Places all orders on the bus and waits until each is completed with invoice and ledger.

    `office`: with the back office. `lag_s`: from the last order's completion until its tables know of all of them.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        run = await enter(running(database_url, bus, data / "logs", prefix=PREFIX, replicas=replicas, office=office))
        result = await saturate(run, orders, stock=orders, within_s=within_s)
        if office:
            done = time.monotonic()
            own = (await enter(Databases(database_url, (OFFICE,))))[OFFICE]
            result["known_then"] = await known(own)
            while await known(own) < orders:
                if time.monotonic() > done + within_s:
                    raise TimeoutError(f"the back office knows of {await known(own)} of {orders} completed orders")
                await asyncio.sleep(0.05)
            result["lag_s"] = round(time.monotonic() - done, 2)
        await at_rest(run.connections, 60)
        latency = await run.connections["order"].fetchrow(
            """select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group
               (order by ms) as p99 from (select extract(epoch from h.at - o.placed_at) * 1000 as ms
               from history h join orders o using (order_id) where h.after = 'completed') each"""
        )
        assert latency is not None
        about = {"bench": "saga", "bus": bus, "replicas": replicas}
        waited = {"p50_ms": round(latency["p50"]), "p99_ms": round(latency["p99"])}
        return {**about, **result, **waited, **await verified(run)}


@asynccontextmanager
async def completions(run: Run) -> AsyncIterator[dict[UUID, float]]:
    """When a reader of ours hears that an order is completed: monotonic seconds by order."""
    heard: dict[UUID, float] = {}

    async def note(message: Any) -> None:
        now = time.monotonic()
        for event in json.loads(message.body):
            heard.setdefault(UUID(event["data"]["order_id"]), now)

    async with await aio_pika.connect(run.rabbitmq_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(Names(PREFIX).exchange, OrderCompleted.key)
        await queue.consume(note, no_ack=True)
        yield heard


async def bench_rate(
    database_url: str, data: Path, rate: float, seconds: float, *, over: Over = "bus", replicas: int = 1
) -> dict[str, Any]:
    """Orders one by one at a rate. Latency: from just before it is sent until `completed` is heard on the bus."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        run = await enter(running(database_url, "rabbit", data / "logs", prefix=PREFIX, replicas=replicas))
        assert run.processes is not None
        sender = Sender(run.bus, "bench", clock.now)
        moments = arrivals(random.Random(SEED), rate, seconds)
        wanted = wishes(sender, max(1, len(moments)) + WARM)
        await prepare(sender, len(wanted), lambda: at_rest(run.connections, 60))
        heard = await enter(completions(run))
        pool = await enter(Pool.of(run.processes.urls("order"), 1 if over == "bus" else CONNECTIONS))
        place = by_http(pool) if over == "http" else by_bus(run, sender)
        for order in wanted[:WARM]:  # the first orders find cold caches and plans, in every service
            await place(order)
        await all_completed(run, WARM, 60)
        await at_rest(run.connections, 60)
        sent: dict[UUID, float] = {}

        async def go(order: PlaceOrder, at: float) -> None:
            await asyncio.sleep(max(0.0, meter.began + at - time.monotonic()))
            sent[order.order_id] = time.monotonic()
            await place(order)

        meter = Meter(await parts(run))
        timed = wanted[WARM:]
        await asyncio.gather(*(go(order, at) for order, at in zip(timed, moments or [0.0], strict=True)))
        await all_completed(run, len(wanted), 60)
        result = meter.stop(len(timed))
        await at_rest(run.connections, 60)
        about = {"bench": "saga", "bus": "rabbit", "replicas": replicas, "over": over, "rate": rate}
        missing = [order.order_id for order in timed if order.order_id not in heard]
        if missing:
            raise RuntimeError(f"{len(missing)} orders are completed, and it was not heard, as of {missing[0]}")
        waited = [heard[order.order_id] - sent[order.order_id] for order in timed]
        return {**about, **result, **spread_ms(waited), **await verified(run)}


WARM = 20
CONNECTIONS = 32
Place = Callable[[PlaceOrder], Awaitable[None]]


def by_bus(run: Run, sender: Sender) -> Place:
    async def place(order: PlaceOrder) -> None:
        await publish_all(run, sender.packets([order], "bench"))

    return place


def by_http(pool: Pool) -> Place:
    async def place(order: PlaceOrder) -> None:
        await pool.post("/orders", json.dumps(body(order)).encode(), str(order.order_id))

    return place
