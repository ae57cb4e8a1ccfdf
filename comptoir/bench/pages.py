"""`comptoir bench pages`: how long staff wait while orders flow, and how far the back office is behind."""

import asyncio
import random
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from comptoir.bench.http import Pool
from comptoir.bench.measuring import Meter, parts, spread_ms, verified
from comptoir.bench.saga import OFFICE, PREFIX, all_completed, by_http, completed
from comptoir.bench.stored import store
from comptoir.bench.work import SEED, arrivals, prepare, wishes
from comptoir.rebuilding import rebuild
from comptoir.rest import Databases, at_rest
from comptoir.runs import running
from comptoir.sender import Sender
from shared import clock

WARM = 5
CONNECTIONS = 32
WITHIN_S = 300.0


async def bench_pages(
    database_url: str, data: Path, stored: int, *, pages_per_s: float, orders_per_s: float, seconds: float
) -> dict[str, Any]:
    """p50, p95 and p99 of each page, asked at a steady rate whether or not the one before was answered.

    Orders come over HTTP meanwhile, as a Poisson process. `lag_s`: from the last order's completion until no
    order is looked at any more, so without what was not heard by then.
    """
    draw = random.Random(SEED)
    moments = arrivals(draw, orders_per_s, seconds)
    there = await store(database_url, "local", data, stored, more=len(moments))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        run = await enter(running(database_url, "rabbit", data / "logs", prefix=PREFIX, office=True))
        assert run.processes is not None
        own = (await enter(Databases(database_url, (OFFICE,))))[OFFICE]
        began = time.monotonic()
        rebuilt = await rebuild(database_url)
        await own.execute("vacuum analyze")
        await _caught_up(own)
        rebuilt_s = time.monotonic() - began
        sender = Sender(run.bus, "bench", clock.now)
        await prepare(sender, len(moments), lambda: at_rest(run.connections, 60))
        await at_rest(run.connections, 60)
        before = await completed(run)
        place = by_http(await enter(Pool.of(run.processes.urls("order"), CONNECTIONS)))
        office = await enter(Pool.of(run.processes.urls(OFFICE), CONNECTIONS))
        wanted = await _pages(own)
        for paths in wanted.values():
            for i in range(WARM):
                await office.get(paths[i % len(paths)])
        taken: dict[str, list[float]] = {name: [] for name in wanted}

        async def look(i: int) -> None:
            name = list(wanted)[i % len(wanted)]
            asked = time.monotonic()
            await office.get(wanted[name][i % len(wanted[name])])
            taken[name].append(time.monotonic() - asked)

        orders = wishes(sender, max(1, len(moments)), stored)[: len(moments)]
        meter = Meter(await parts(run))
        await asyncio.gather(
            *(_at(meter.began + at, place(order)) for order, at in zip(orders, moments, strict=True)),
            *(_at(meter.began + at, look(i)) for i, at in enumerate(arrivals(draw, pages_per_s, seconds))),
        )
        await all_completed(run, before + len(orders), WITHIN_S)
        done = time.monotonic()
        await _caught_up(own)
        lag = time.monotonic() - done
        result = meter.stop(max(1, len(orders)))
        await at_rest(run.connections, 60)
        spread = {name: {"n": len(each), **spread_ms(each)} for name, each in taken.items()}
        about = {
            "bench": "pages",
            "stored": there["orders"],
            "pages_per_s": pages_per_s,
            "orders_at_per_s": orders_per_s,
            "rebuilt_s": round(rebuilt_s, 1),
            "rebuilt": rebuilt.orders,
            "slowest": max(spread, key=lambda name: spread[name]["p95_ms"]),
            "pages": spread,
            "lag_s": round(lag, 2),
        }
        return {**about, **result, **await verified(run)}


async def _at(moment: float, work: Awaitable[None]) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
    await work


async def _pages(own: Any) -> dict[str, list[str]]:
    """Paths by the name of the page; several where each order has its own."""
    some = await own.fetch("select number, order_id from orders tablesample bernoulli (5) order by order_id limit 200")
    some = some or await own.fetch("select number, order_id from orders limit 200")
    numbers = [record["number"] for record in some]
    return {
        "today": ["/"],
        "orders": ["/orders"],
        "orders of a view": ["/orders?view=late", "/orders?view=way"],
        "search": [f"/orders?q={number[:-1]}" for number in numbers],
        "order": [f"/orders/{number}" for number in numbers],
    }


async def _caught_up(own: Any) -> None:
    """Until no order is still looked at; packets that nobody heard yet are not seen. Raises TimeoutError."""
    end = time.monotonic() + WITHIN_S
    while left := await own.fetchval("select count(*) from orders where looking"):
        if time.monotonic() > end:
            raise TimeoutError(f"{left} orders are still looked at after {WITHIN_S:.0f} s")
        await asyncio.sleep(0.05)
