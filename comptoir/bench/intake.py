"""`comptoir bench intake`: orders over HTTP, single or in batches, until all are answered, and completed."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from comptoir.bench.http import Pool
from comptoir.bench.measuring import Meter, parts, spread_ms, verified
from comptoir.bench.saga import PREFIX, all_completed
from comptoir.bench.work import body, prepare, wishes
from comptoir.rest import at_rest
from comptoir.runs import running
from comptoir.sender import Sender
from shared import clock


async def bench_intake(
    database_url: str,
    data: Path,
    orders: int,
    *,
    batch: int = 1,
    connections: int = 64,
    replicas: int = 1,
    by_key: bool = False,
    within_s: float = 600.0,
) -> dict[str, Any]:
    """`batch`: orders per request; `connections`: requests in flight; `by_key`: the services demand an API key.

    Rates count until the last order is completed.
    """
    async with running(database_url, "rabbit", data / "logs", prefix=PREFIX, replicas=replicas, by_key=by_key) as run:
        assert run.processes is not None
        sender = Sender(run.bus, "bench", clock.now)
        await prepare(sender, orders, lambda: at_rest(run.connections, 60))
        await at_rest(run.connections, 60)
        wanted = wishes(sender, orders)
        requests: list[tuple[str, bytes, str]] = []
        for i in range(0, orders, batch):
            some = [body(order) for order in wanted[i : i + batch]]
            key = some[0]["order_id"]
            if batch == 1:
                requests.append(("/orders", json.dumps(some[0]).encode(), key))
            else:
                requests.append(("/orders/batch", json.dumps({"orders": some}).encode(), key))
        answered: list[float] = []
        async with Pool.of(run.processes.urls("order"), min(connections, len(requests)), run.api_key) as pool:
            left = iter(requests)

            async def client() -> None:
                for path, content, key in left:
                    began = time.monotonic()
                    answer = await pool.post(path, content, key)
                    answered.append(time.monotonic() - began)
                    if batch > 1:
                        check(json.loads(answer))

            meter = Meter(await parts(run))
            await asyncio.gather(*(client() for _ in pool.connections))
            accepted = meter.so_far
        await all_completed(run, orders, within_s)
        result = meter.stop(orders)
        await at_rest(run.connections, 60)
        about = {
            "bench": "intake",
            "batch": batch,
            "connections": len(pool.connections),
            "replicas": replicas,
            "by_key": by_key,
        }
        rates = {"accepted_s": round(accepted, 2), "accepted_per_s": round(orders / accepted, 1)}
        return {**about, **result, **rates, **spread_ms(answered), **await verified(run)}


def check(answer: dict[str, Any]) -> None:
    """Every order of a batch was taken. Raises RuntimeError with the first that was not."""
    refused = [outcome for outcome in answer["outcomes"] if outcome["status"] >= 400]
    if refused:
        raise RuntimeError(f"{len(refused)} orders of a batch were refused: {refused[0]}")
