"""Two copies of every service share queues and databases: nothing is done twice, and one of each is enough."""

from pathlib import Path
from random import Random
from uuid import uuid4

import httpx
import pytest

from comptoir.bench.work import SKUS, prepare, two_lines
from comptoir.rest import at_rest
from comptoir.runs import NAMES, Run, running
from comptoir.sender import Sender
from comptoir.verify import verify
from shared import clock
from shared.contracts.order import CancelOrder
from tests.eventually import eventually
from tests.journeys.conftest import Plot

ORDERS = 240
CANCELLED = 40


async def statuses(run: Run) -> dict[str, int]:
    rows = await run.connections["order"].fetch("select status, count(*) as number from progress group by 1")
    return {row["status"]: row["number"] for row in rows}


async def events(url: str) -> int:
    """How many events this copy has decided."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return int(float(next(line.split()[-1] for line in lines if line.startswith("comptoir_events_total{"))))


@pytest.mark.rabbit
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_two_copies_of_every_service_share_the_work_and_one_of_each_may_die(
    plot: Plot, rabbit_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders and cancellations flow; then one copy of each is killed and the other one ends what both began."""
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", rabbit_url)
    await plot.cleared()
    async with running(plot.url, "rabbit", tmp_path, prefix=f"twice-{uuid4().hex[:8]}", replicas=2) as run:
        processes = run.processes
        assert processes is not None
        sender = Sender(run.bus, "twice", clock.now)

        async def known() -> bool:  # one copy may take the receipts before the other has stored their products
            inventory = run.connections["inventory"]
            places, skus = [
                await inventory.fetchval(f"select count(*) from {name}") for name in ("warehouses", "items")
            ]
            return (places, skus) == (2, SKUS)

        await prepare(sender, ORDERS, lambda: eventually(known, 30))
        await at_rest(run.connections, 30)
        draw = Random(11)
        wishes = [two_lines(sender, i, draw) for i in range(ORDERS)]
        half = ORDERS // 2
        for i in range(0, half, 4):
            await sender.send(wishes[i : i + 4])

        async def both_have_worked() -> bool:
            shares = {name: [await events(url) for url in processes.urls(name)] for name in NAMES}
            return all(min(share) > 0 for share in shares.values())

        await eventually(both_have_worked, 60, 0.05)
        for i in range(half, ORDERS, 4):
            await sender.send(wishes[i : i + 4])
        await sender.send(
            [CancelOrder(order_id=wish.order_id, reason="a second thought") for wish in wishes[-CANCELLED:]]
        )
        for name in NAMES:
            processes.kill(f"{name}-2")

        async def all_have_ended() -> bool:
            found = await statuses(run)
            return found.get("completed", 0) + found.get("cancelled", 0) == ORDERS

        await eventually(all_have_ended, 120, 0.1)
        await at_rest(run.connections, 60)
        ended = await statuses(run)
        assert ended["completed"] >= ORDERS - CANCELLED
        assert await run.connections["billing"].fetchval("select count(*) from invoices") == ended["completed"]
        assert await run.connections["inventory"].fetchval("select sum(reserved) from levels") == 0
        breaches = [f"{found.name}: {breach}" for found in await verify(run.connections) for breach in found.breaches]
        assert not breaches, breaches
