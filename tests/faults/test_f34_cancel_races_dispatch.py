"""F34: a customer cancels while the parcel is handed over, over real HTTP. Exactly one wins, each time."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from comptoir.chaos.works import Works, told, works_at
from tests.eventually import eventually
from tests.journeys.conftest import Plot

RACES = 100


@pytest.mark.rabbit
@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_f34_exactly_one_wins(
    plot: Plot, rabbit_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", rabbit_url)
    await plot.cleared()
    async with works_at(plot.url, tmp_path, warehouses_automatic=False) as works:
        with told(works):
            await race(works)


async def race(works: Works) -> None:
    await works.opens()
    books = works.run.connections
    orders = await asyncio.gather(*(works.place(i) for i in range(RACES)))

    async def planned() -> bool:
        return bool(await books["fulfilment"].fetchval("select count(*) from shipments") == RACES)

    await eventually(planned, 60)
    rows = await books["fulfilment"].fetch("select order_id, shipment_id from shipments")
    shipment = {str(row["order_id"]): str(row["shipment_id"]) for row in rows}
    for act, body in (("pick", {"short": []}), ("pack", {"weight_g": 700})):
        await asyncio.gather(
            *(works.ask("fulfilment", "POST", f"/shipments/{shipment[o]}/{act}", body, f"{act}-{o}") for o in orders)
        )
    await works.rests()

    at = works.processes.running["fulfilment"].url

    async def hand_over(i: int, order: str) -> int:
        path = f"{at}/shipments/{shipment[order]}"
        for _ in range(i % 5):  # one rival is ahead, then the other
            await works.http.get(path)
        return (await works.http.post(f"{path}/dispatch", headers={"Idempotency-Key": f"leave-{order}"})).status_code

    desk = works.processes.running["order"].url

    async def cancel(order: str) -> int:
        body, headers = {"reason": "changed my mind"}, {"Idempotency-Key": f"cancel-{order}"}
        return (await works.http.post(f"{desk}/orders/{order}/cancel", json=body, headers=headers)).status_code

    said: dict[str, int] = {}
    told_no: set[str] = set()
    for first in range(0, RACES, 10):
        some = orders[first : first + 10]
        answers = await asyncio.gather(
            *(asyncio.gather(hand_over(first + i, o), cancel(o)) for i, o in enumerate(some)),
        )
        said |= {order: status for order, (status, _) in zip(some, answers, strict=True)}
        told_no |= {order for order, (_, status) in zip(some, answers, strict=True) if status == 409}
    await works.rests()

    states = {
        str(row["order_id"]): row["state"]
        for row in await books["fulfilment"].fetch("select order_id, state from shipments")
    }
    for order in orders:
        assert (said[order], states[order]) in [(200, "dispatched"), (409, "cancelled")], order
        assert order not in told_no or states[order] == "dispatched", "told that it is too late, and cancelled"
    ends = {str(row[0]): row[1] for row in await books["order"].fetch("select order_id, status from progress")}
    outcomes = Counter((states[order], ends[order]) for order in orders)
    print(f"\nf34: {dict(outcomes)}")
    assert {state for state, _ in outcomes} == {"dispatched", "cancelled"}, "a race that one side always wins is none"
    assert all((state == "cancelled") == (end == "cancelled") for state, end in outcomes), outcomes
    left = sum(state == "dispatched" for state in states.values())
    assert await books["billing"].fetchval("select count(*) from invoices") == left
    assert await books["inventory"].fetchval("select sum(reserved) from levels") == 0
    breaches = await works.breaches()
    assert not breaches, breaches
