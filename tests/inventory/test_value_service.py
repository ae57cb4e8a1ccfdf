"""What stock is worth, over HTTP: valued beside the work, once, by one copy at a time, and reported."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from shared import clock
from shared.contracts.fulfilment import ReturnInspected, ReturnLine, ShipmentDispatched, ShipmentLine
from shared.contracts.inventory import ReserveStock, Want
from tests.inventory.test_service import Depot
from tests.inventory.valuing import value, valuer

pytestmark = pytest.mark.postgres
Item = dict[str, Any]
SUMS = """
select c.pieces, c.value, sum(v.pieces)::bigint, sum(v.value), count(*)
from costings c join valuations v using (sku) where sku = $1 group by c.sku
"""


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        yield depot


async def came(depot: Depot, sku: str, n: int, cost: str | None = None, **more: Any) -> str:
    lines = [{"sku": sku, "quantity": n, "unit_cost": cost}]
    body = {"warehouse": "north", "reference": f"GR-{uuid4().hex[:8]}", "lines": lines, **more}
    answer = await depot.post("/receipts", body)
    assert answer.status_code == 201, answer.text
    return str(body["reference"])


async def sold(depot: Depot, sku: str, n: int) -> ShipmentDispatched:
    order_id = uuid4()
    want = ReserveStock(
        order_id=order_id, version=1, placed_at=clock.now(), wanted=(Want(line_no=1, sku=sku, quantity=n),)
    )
    out = ShipmentDispatched(
        order_id=order_id, version=4, shipment_id=uuid4(), state="dispatched", warehouse="north",
        lines=(ShipmentLine(line_no=1, sku=sku, planned=n, shipped=n),),
    )  # fmt: skip
    for message in (want, out):
        await depot.say(message)
    return out


async def back(depot: Depot, of: ShipmentDispatched, n: int) -> None:
    line = of.lines[0]
    told = ReturnLine(line_no=1, sku=line.sku, expected=n, received=n, accepted=n, restock=n)
    await depot.say(
        ReturnInspected(
            order_id=of.order_id,
            version=3,
            return_id=uuid4(),
            shipment_id=of.shipment_id,
            warehouse="north",
            state="inspected",
            lines=(told,),
        )
    )


async def worth(depot: Depot, sku: str, **asked: Any) -> tuple[int, str] | None:
    found = (await depot.get("/stock-value", sku=sku, **asked))["items"]
    return (found[0]["pieces"], found[0]["value"]) if found else None


async def sums(depot: Depot, sku: str) -> tuple[Any, ...]:
    async with depot.running.store.connection() as connection:
        pieces, worth, moved, moved_value, n = await connection.fetchrow(SUMS, sku)
    assert (pieces, worth) == (moved, moved_value)
    return int(pieces), Decimal(worth), int(n)


async def test_received_sold_and_returned(depot: Depot) -> None:
    sku = await depot.sku(name="Mug")
    await came(depot, sku, 10, "2.00")
    await came(depot, sku, 10, "3.00")
    out = await sold(depot, sku, 4)
    await value(depot.running)
    assert await worth(depot, sku) == (16, "40.00")
    await came(depot, sku, 4, "10")
    await back(depot, out, 1)
    await value(depot.running)
    assert await worth(depot, sku) == (21, "82.50"), "it left at 2.50"
    today = clock.now().date().isoformat()
    row = (await depot.get("/cost-of-sales", since=today, until=today, sku=sku))["items"][0]
    assert (row["sold"], row["returned"], row["cost_of_sales"]) == (4, 1, "7.50")
    assert (row["received"], row["received_value"]) == (24, "90.00")
    assert (row["differences"], row["changed_value"], row["adjusted_value"]) == ("0.00", "0.00", "0.00")
    assert await sums(depot, sku) == (21, Decimal("82.50"), 5)


async def test_a_transfer_moves_value_and_the_total_is_the_sum(depot: Depot) -> None:
    sku = await depot.sku()
    await came(depot, sku, 3, "3.34")
    body = {"source": "north", "destination": "south", "expected_on": "2027-03-08"}
    answer = await depot.post("/transfers", {**body, "lines": [{"sku": sku, "quantity": 2}]})
    number = answer.json()["number"]
    await depot.post(f"/transfers/{number}/send", {})
    await depot.post("/receipts", {"warehouse": "south", "reference": number, "lines": [{"sku": sku, "quantity": 1}]})
    await value(depot.running)
    found = (await depot.get("/stock-value", sku=sku))["items"][0]
    assert [(w["warehouse"], w["pieces"], w["value"]) for w in found["warehouses"]] == [
        (None, 1, "3.34"), ("north", 1, "3.34"), ("south", 1, "3.34"),
    ]  # fmt: skip
    assert (await depot.get("/stock-value", sku=sku, warehouse="south"))["items"]
    assert not (await depot.get("/stock-value", sku=sku, warehouse="west"))["items"]
    total = await depot.get("/stock-value/total")
    assert Decimal(total["value"]) == sum(Decimal(w["value"]) for w in total["warehouses"])
    assert total["pieces"] == sum(w["pieces"] for w in total["warehouses"])
    assert (total["currency"], total["final"]) == ("EUR", False)


async def test_what_it_cost_is_said_later_and_no_day_before_is_another(depot: Depot) -> None:
    sku = await depot.sku()
    reference = await came(depot, sku, 10)
    await sold(depot, sku, 6)
    await value(depot.running)
    found = (await depot.get("/arrivals", sku=sku, without_cost=True))["items"]
    assert [(a["reference"], a["pieces"], a["unit_cost"]) for a in found] == [(reference, 10, None)]
    assert await worth(depot, sku) == (4, "0.00")
    cost = {name: found[0][name] for name in ("sku", "arrival", "warehouse", "line_no", "kind")}
    key = uuid4().hex
    first, again = [await depot.post("/cost-changes", {**cost, "unit_cost": "2.50"}, key) for _ in range(2)]
    assert (first.status_code, first.json()) == (201, again.json()), first.text
    await value(depot.running)
    assert await worth(depot, sku) == (4, "10.00")
    assert not (await depot.get("/arrivals", sku=sku, without_cost=True))["items"]
    assert (await depot.get("/arrivals", sku=sku))["items"][0]["unit_cost"] == "2.50"
    changed = (await depot.get("/cost-changes", sku=sku))["items"]
    assert [(c["actor"], c["value"], c["difference"]) for c in changed] == [("Mia", "10.00", "15.00")]
    issue = {**cost, "arrival": str(uuid4()), "unit_cost": "1"}
    assert (await depot.post("/cost-changes", issue)).status_code == 404

    async with depot.running.store.connection() as connection:  # as if all that was some days ago
        for table in ("valuations", "costings", "costing_days"):
            await connection.execute(f"update {table} set day = day - 3 where sku = $1", sku)
    before = (clock.now() - timedelta(days=2)).date().isoformat()
    assert (reported := await worth(depot, sku, day=before)) == (4, "10.00")
    await depot.post("/cost-changes", {**cost, "unit_cost": "5"})
    await value(depot.running)
    assert await worth(depot, sku, day=before) == reported
    assert await worth(depot, sku) == (4, "20.00")
    assert (await depot.get("/stock-value/total", day=before))["final"]


async def test_goods_of_another_currency_are_without_cost_until_somebody_says_it(depot: Depot) -> None:
    sku, code = await depot.sku(), uuid4().hex[:8]
    await depot.http.put(f"/suppliers/{code}", json={"name": "Tea", "currency": "GBP"})
    lines = [{"sku": sku, "quantity": 5, "unit_cost": "2.00", "expected_on": "2027-03-08"}]
    answer = await depot.post("/purchase-orders", {"supplier": code, "warehouse": "north", "lines": lines})
    number = answer.json()["number"]
    await depot.post(f"/purchase-orders/{number}/send", {})
    await came(depot, sku, 5, reference=number)
    await value(depot.running)
    assert [a["unit_cost"] for a in (await depot.get("/arrivals", sku=sku, without_cost=True))["items"]] == [None]


async def test_what_was_committed_late_is_found_and_counts_from_then_on(depot: Depot) -> None:
    sku = await depot.sku()
    await came(depot, sku, 5, "2")
    await value(depot.running)
    async with depot.running.store.connection() as connection:
        await connection.execute(
            "insert into movements (cause, sku, warehouse, line_no, kind, on_hand, quarantined, reason, reference, "
            "actor, at) values ($1, $2, 'north', 0, 'count', 1, 0, '', '', '', $3)",
            uuid4(), sku, clock.now() - timedelta(minutes=5),
        )  # fmt: skip
        until = await connection.fetchval("select until from valued")
        await connection.execute("update valued set looked_back_at = null")
    await value(depot.running)
    assert await worth(depot, sku) == (6, "12.00")
    async with depot.running.store.connection() as connection:
        at = await connection.fetchval("select max(at) from valuations where sku = $1", sku)
        await connection.execute("delete from movements where sku = $1", sku)
    assert at >= until, "reports up to there may be out"


async def test_copies_value_each_movement_once(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.inventory.valuer.AT_ONCE", 7)
    skus = [await depot.sku() for _ in range(3)]
    for n in range(20):
        await asyncio.gather(*(came(depot, sku, 3, f"{n}.37") for sku in skus))
    copies = [valuer(depot.running) for _ in range(3)]
    await asyncio.gather(*(one.round() for one in copies))
    await value(depot.running)
    for sku in skus:
        assert await sums(depot, sku) == (60, Decimal("592.20"), 20)


async def test_another_currency_of_the_house_stops_it(depot: Depot) -> None:
    await value(depot.running)
    one = valuer(depot.running, "GBP")

    async def stops() -> None:
        while True:  # the depot's own may have the turn
            await one.step()

    with pytest.raises(RuntimeError, match="COMPTOIR_CURRENCY says GBP"):
        await stops()


async def test_what_lies_too_long_ties_up_money(depot: Depot) -> None:
    dead, slow, fast = [await depot.sku() for _ in range(3)]
    for sku, cost in ((dead, "5"), (slow, "1"), (fast, "7")):
        await came(depot, sku, 100, cost)
    await sold(depot, slow, 10)
    await sold(depot, fast, 90)
    await value(depot.running)
    async with depot.running.store.connection() as connection:
        await connection.execute(
            "update costings set received_at = received_at - interval '91 days' where sku = any($1)", [dead, slow, fast]
        )
    found = {row["sku"]: row for row in (await depot.get("/dead-stock", days=90, cover=180, limit=200))["items"]}
    assert fast not in found
    assert (found[dead]["why"], found[dead]["value"], found[dead]["days_of_cover"]) == ("unsold", "500.00", None)
    assert (found[slow]["why"], found[slow]["days_of_cover"]) == ("overstock", 810)
    assert found[slow]["sold"] == 10
    assert found[slow]["turnover"] == "0.90", "10.00 in 90 days of a mean of 45.00"
    pages, after = [], None
    while True:
        page = await depot.get("/dead-stock", limit=1, **({"after": after} if after else {}))
        pages += page["items"]
        if not (after := page["next"]):
            break
    values = [Decimal(row["value"]) for row in pages]
    assert values == sorted(values, reverse=True)
    assert {dead, slow} <= {row["sku"] for row in pages}


async def test_it_goes_on_after_a_kill_in_the_midst(depot: Depot, database: str) -> None:
    """F1: what was not committed is as if it had not been begun."""
    sku = await depot.sku()
    for n in range(12):
        await came(depot, sku, 1, f"{n}.05")
    program = (
        "import asyncio, sys\n"
        "from datetime import timedelta\n"
        "from services.inventory import valuer\n"
        "from services.inventory.settings import Settings\n"
        "from services.inventory.store import BOOKS\n"
        "from shared import clock\n"
        "from shared.messaging.store import PostgresStore\n"
        "valuer.AT_ONCE = 5\n"
        "async def main():\n"
        "    store = PostgresStore(sys.argv[1], BOOKS)\n"
        "    await store.open()\n"
        "    one = valuer.Valuer(store, Settings(_env_file=None).house(), 'EUR', timedelta(), clock.now)\n"
        "    while True:\n"
        "        await one.round()\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "COMPTOIR_FAILPOINT": "valued_before_commit=kill@2"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, database, env=environment)
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    await value(depot.running)
    assert await sums(depot, sku) == (12, Decimal("66.60"), 12)
