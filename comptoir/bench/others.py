"""`comptoir bench replay`, `growth` and `memory`."""

import asyncio
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from comptoir.bench.measuring import Meter, brokers, loop_ms, memory_mb, parts, verified
from comptoir.bench.saga import PREFIX, all_completed, publish_all, saturate
from comptoir.bench.stored import store
from comptoir.bench.work import prepare, wishes
from comptoir.places import drop_databases
from comptoir.replay import read_retail
from comptoir.replaying import replay_file
from comptoir.rest import at_rest
from comptoir.runs import NAMES, running
from comptoir.sender import Sender
from comptoir.suite import BusName
from shared import clock


async def bench_replay(database_url: str, bus: BusName, data: Path, file: Path) -> dict[str, Any]:
    """A whole file of invoices; every figure compared with one that was computed without the suite."""
    lines = len(read_retail(file).lines)
    loop = loop_ms()
    outcome = await replay_file(file, database_url, data, Console(stderr=True), bus=bus, prefix=PREFIX)
    return {
        "bench": "replay",
        "bus": bus,
        "lines": lines,
        "seconds": round(outcome.seconds, 2),
        "lines_per_s": round(lines / outcome.seconds),
        "differences": len(outcome.wrong),
        "loop_ms": [loop, loop_ms()],
        "invariants_checked": sum(finding.checked for finding in outcome.findings),
        "violations": sum(len(finding.breaches) for finding in outcome.findings) + len(outcome.wrong),
    }


async def bench_growth(
    database_url: str, bus: BusName, data: Path, orders: int, stored: int, runs: int
) -> dict[str, Any]:
    """The same orders into empty databases and on top of finished ones, in turn; medians and their ratio."""
    found: dict[str, list[dict[str, Any]]] = {"empty": [], "stored": []}
    checks: dict[str, Any] = {"invariants_checked": 0, "violations": 0}
    for _ in range(runs):
        for name, before in (("empty", 0), ("stored", stored)):
            await drop_databases(database_url, NAMES)
            if before:
                await store(database_url, bus, data, before, orders)
            async with running(database_url, bus, data / "logs", prefix=PREFIX) as run:
                found[name].append(await saturate(run, orders, begin=before, stock=0 if before else orders))
                await at_rest(run.connections, 60)
                for what, more in (await verified(run)).items():
                    checks[what] = checks.get(what, type(more)()) + more
    rates, cpu = (
        {name: median([each[figure] for each in results]) for name, results in found.items()}
        for figure in ("orders_per_s", "cpu_ms_per_order")
    )
    return {
        "bench": "growth",
        "bus": bus,
        "orders": orders,
        "stored": stored,
        "runs": runs,
        "orders_per_s": rates,
        "cpu_ms_per_order": cpu,
        "rate_ratio": round(rates["stored"] / rates["empty"], 3),
        "cpu_ratio": round(cpu["stored"] / cpu["empty"], 3),
        "foreign_cpu_s": {name: [each["foreign_cpu_s"] for each in results] for name, results in found.items()},
        **checks,
    }


def median(values: list[float]) -> float:
    ranked = sorted(values)
    middle = len(ranked) // 2
    return ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2


async def bench_memory(database_url: str, data: Path, messages: int, within_s: float = 1800.0) -> dict[str, Any]:
    """Memory of each process while a backlog of orders, each a message of its own, is worked off."""
    async with running(database_url, "rabbit", data / "logs", prefix=PREFIX) as run:
        sender = Sender(run.bus, "bench", clock.now)
        await prepare(sender, messages)
        await at_rest(run.connections, 60)
        ids = {**await parts(run), "rabbitmq": brokers()}
        idle = memory_mb(ids)
        most = dict(idle)

        async def watch() -> None:
            while True:
                for name, size in memory_mb(ids).items():
                    most[name] = max(most[name], size)
                await asyncio.sleep(0.5)

        watching = asyncio.create_task(watch())
        meter = Meter(ids)
        for begin in range(0, messages, 1000):
            some = wishes(sender, min(1000, messages - begin), begin)
            await publish_all(run, [packet for order in some for packet in sender.packets([order], "bench")])
        placed = meter.so_far
        depth = messages - await at_hand(run.connections["order"])
        began = time.monotonic()
        await all_completed(run, messages, within_s)
        result = meter.stop(messages)
        drained = time.monotonic() - began
        await at_rest(run.connections, 60)
        watching.cancel()
        after = memory_mb(ids)
        return {
            "bench": "memory",
            "messages": messages,
            "backlog": depth,
            "placed_s": round(placed, 1),
            "drained_s": round(drained, 1),
            **{name: result[name] for name in ("orders_per_s", "cpu_ms_per_order", "foreign_cpu_s")},
            "idle_mb": idle,
            "most_mb": most,
            "after_mb": after,
            **await verified(run),
        }


async def at_hand(connection: Any) -> int:
    """Orders that were taken from the queue."""
    count: int = await connection.fetchval("select count(*) from orders")
    return count
