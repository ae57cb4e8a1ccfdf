"""`comptoir bench saga`: complete two-line orders per second, everything on this machine, all guarantees on."""

import asyncio
import json
import os
import platform
import random
import time
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil

from comptoir.rest import at_rest
from comptoir.runs import Run, running
from comptoir.sender import Sender
from comptoir.suite import BusName
from comptoir.verify import verify
from shared import clock
from shared.contracts.inventory import Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.order import NewLine, PlaceOrder, Product, RegisterProducts
from shared.contracts.values import Address
from shared.messaging.envelope import MAX_EVENTS

SKUS = 200
IN_FLIGHT = 32
ADDRESS = Address(name="A. Customer", street=("1 High Street",), postcode="AB1 2CD", city="Town", country="GB")


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds of processes, their children that live and those that ended; of ourselves alone, without children."""
    total = 0.0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if pid == os.getpid():
                times = process.cpu_times()
                total += times.user + times.system
                continue
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for each in family:
            try:
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
            except psutil.NoSuchProcess:
                continue
    return total


async def parts(run: Run) -> dict[str, list[int]]:
    """Process ids by part of the suite."""
    backend = await run.connections["order"].fetchval("select pg_backend_pid()")
    server = psutil.Process(backend).parent()
    ids: dict[str, list[int]] = {"postgres": [server.pid] if server else [], "driver": [os.getpid()]}
    if run.processes is not None:
        ids |= {name: [process.popen.pid] for name, process in run.processes.running.items()}
        ids["rabbitmq"] = [p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "beam.smp"]
    else:
        ids["services"] = ids.pop("driver")
    return ids


def loop_ms() -> float:
    """CPU time of a fixed loop of plain Python, now: the speed of a shared machine must be measured with the rest."""
    times = []
    for _ in range(5):
        began = time.process_time()
        found: dict[int, str] = {}
        for i in range(100_000):
            found[i & 1023] = f"{i}"
        times.append(time.process_time() - began)
    return round(min(times) * 1000, 1)


def two_lines(sender: Sender, i: int, draw: random.Random) -> PlaceOrder:
    first, second = draw.sample(range(SKUS), 2)
    return PlaceOrder(
        order_id=sender.id_of(f"order/{i}"),
        channel="bench",
        external_id=str(i),
        currency="GBP",
        payment_token="tok_bench",
        ship_to=ADDRESS,
        lines=(
            NewLine(sku=f"SKU-{first:03}", quantity=draw.randint(1, 3)),
            NewLine(sku=f"SKU-{second:03}", quantity=1),
        ),
    )


async def prepare(sender: Sender, orders: int) -> None:
    """Two warehouses, 200 products at 20 % VAT, stock for all orders."""
    skus = [f"SKU-{i:03}" for i in range(SKUS)]
    for code, rank in (("north", 1), ("south", 2)):
        await sender.send([RegisterWarehouse(code=code, country="GB", rank=rank)])
    await sender.send([RegisterItems(items=tuple(Item(sku=sku) for sku in skus))])
    price = Decimal("12.35")
    products = tuple(Product(sku=sku, name=f"Product {sku}", price=price, vat_rate=Decimal(20)) for sku in skus)
    await sender.send([RegisterProducts(products=products)])
    for code in ("north", "south"):
        lines = tuple(StockLine(sku=sku, quantity=orders * 4 + 100) for sku in skus)
        await sender.send([ReceiveStock(warehouse=code, reference=f"opening-{code}", lines=lines)])


async def bench_saga(
    database_url: str, bus: BusName, data: Path, orders: int, within_s: float = 600.0
) -> dict[str, Any]:
    """Places all orders on the bus and waits until each is completed with invoice and ledger."""
    async with running(database_url, bus, data / "logs", prefix="comptoir-bench") as run:
        sender = Sender(run.bus, f"bench/{orders}", clock.now)
        await prepare(sender, orders)
        await at_rest(run.connections, 60)
        draw = random.Random(4711)
        packets = []
        for i in range(0, orders, MAX_EVENTS):
            wishes = [two_lines(sender, j, draw) for j in range(i, min(orders, i + MAX_EVENTS))]
            packets += sender.packets(wishes, "bench")
        loop = loop_ms()
        ids = await parts(run)
        before = {name: cpu_of(pids) for name, pids in ids.items()}
        everybody = psutil.cpu_times()
        began = time.monotonic()
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def publish(packet: Any) -> None:
            async with gate:
                await run.bus.publish(packet)

        await asyncio.gather(*(publish(packet) for packet in packets))
        placed = time.monotonic() - began
        while await completed(run) < orders:
            if time.monotonic() - began > within_s:
                raise TimeoutError(f"{await completed(run)} of {orders} orders completed in {within_s:.0f} s")
            await asyncio.sleep(0.25)
        seconds = time.monotonic() - began
        used = {name: cpu_of(pids) - before[name] for name, pids in ids.items()}
        now = psutil.cpu_times()
        busy = sum(getattr(now, part) - getattr(everybody, part) for part in ("user", "system", "nice", "softirq"))
        await at_rest(run.connections, 60)
        latency = await run.connections["order"].fetchrow(
            """select percentile_cont(0.5) within group (order by ms) as p50, percentile_cont(0.99) within group
               (order by ms) as p99 from (select extract(epoch from h.at - o.placed_at) * 1000 as ms
               from history h join orders o using (order_id) where h.after = 'completed') each"""
        )
        assert latency is not None
        findings = await verify(run.connections)
        total = sum(used.values())
        return {
            "bench": "saga",
            "bus": bus,
            "orders": orders,
            "seconds": round(seconds, 2),
            "placed_s": round(placed, 2),
            "orders_per_s": round(orders / seconds),
            "p50_ms": round(latency["p50"]),
            "p99_ms": round(latency["p99"]),
            "cpu_ms_per_order": round(total * 1000 / orders, 3),
            "cpu_ms_by_part": {name: round(s * 1000 / orders, 3) for name, s in used.items()},
            "python": platform.python_version(),
            "loop_ms": [loop, loop_ms()],
            "foreign_cpu_s": round(max(0.0, busy - total), 1),
            "invariants_checked": sum(finding.checked for finding in findings),
            "violations": sum(len(finding.breaches) for finding in findings),
        }


async def completed(run: Run) -> int:
    count: int = await run.connections["order"].fetchval("select count(*) from progress where status = 'completed'")
    return count


def line(result: dict[str, Any]) -> str:
    return json.dumps(result)
