"""F37: a thousand customers at once, on real processes: what is there is promised once, and nobody deadlocks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from random import Random
from typing import Any

import asyncpg
import pytest

from comptoir.chaos.works import ANNA, Works, told
from comptoir.rest import plain
from shared.settings import database_of
from tests.journeys.conftest import Plot

pytestmark = [pytest.mark.rabbit, pytest.mark.slow, pytest.mark.timeout(240)]

CROWD = 1000
FAMILIES = 200
HOT = 20


async def deadlocks(works: Works) -> int:
    """So many since each database was made, in all of them; PostgreSQL counts them itself."""
    found = 0
    for name in works.run.connections:
        connection = await asyncpg.connect(plain(database_of(works.database_url, name)))  # a new one reports at once
        sql = "select pg_stat_clear_snapshot(), deadlocks from pg_stat_database where datname = current_database()"
        found += int((await connection.fetchrow(sql))["deadlocks"])
        await connection.close()
    return found


@asynccontextmanager
async def without_deadlocks(works: Works) -> AsyncIterator[None]:
    before = await deadlocks(works)
    with told(works):
        yield
        assert await deadlocks(works) == before


async def stock(works: Works, skus: list[str], quantity: int, *, backorderable: bool) -> None:
    """So many of each, in two warehouses."""
    listed = [{"sku": sku, "name": sku, "price": "15.00", "vat_rate": "20"} for sku in skus]
    await works.ask("order", "PUT", "/products", {"products": listed})
    items = [{"sku": sku, "backorderable": backorderable} for sku in skus]
    await works.ask("inventory", "PUT", "/items", {"items": items})
    for code, here in (("north", quantity - quantity // 2), ("south", quantity // 2)):
        await works.ask("inventory", "PUT", f"/warehouses/{code}", {"country": "NL"})
        lines = [{"sku": sku, "quantity": here} for sku in skus]
        await works.ask("inventory", "POST", "/receipts", {"warehouse": code, "reference": code, "lines": lines})
    await works.rests()


async def buys(works: Works, i: int, skus: list[str]) -> str:
    """Each request is made once; one that is not answered fails the test."""
    lines = [{"sku": sku, "quantity": 1} for sku in skus]
    wish: dict[str, Any] = {"ship_to": ANNA, "payment_token": "tok", "lines": lines}
    headers = {"Idempotency-Key": f"buyer-{i}"}
    url = f"{works.processes.running['order'].url}/orders"
    answer = await works.http.post(url, json=wish, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize(
    "backorderable", [True, pytest.param(False, marks=pytest.mark.chaos)], ids=["backorders", "none"]
)
async def test_f37_of_a_thousand_customers_exactly_ten_get_the_last_ten(
    works: Works, ground: Plot, backorderable: bool
) -> None:
    await ground.cleared()
    await stock(works, ["mug"], 10, backorderable=backorderable)
    books = works.run.connections
    async with without_deadlocks(works):
        placed = await asyncio.gather(*(buys(works, i, ["mug"]) for i in range(CROWD)))
        assert len(set(placed)) == CROWD
        await works.rests(150)
        ends = {r[0]: r[1] for r in await books["order"].fetch("select status, count(*) from progress group by 1")}
        assert ends == {"completed": 10, "backordered" if backorderable else "cancelled": CROWD - 10}
        assert await books["billing"].fetchval("select count(*) from invoices") == 10
        assert await books["fulfilment"].fetchval("select count(*) from shipments where state = 'delivered'") == 10
        left = await books["inventory"].fetchrow("select sum(on_hand), sum(reserved), min(on_hand) from levels")
        assert tuple(left) == (0, 0, 0)
        breaches = await works.breaches()
        assert not breaches, breaches


@pytest.mark.chaos
async def test_f37_orders_of_five_lines_over_hot_products_lock_them_in_one_order(works: Works, ground: Plot) -> None:
    """Each customer wants five of twenty products, in an order of their own; there are enough for half of them."""
    await ground.cleared()
    skus = [f"hot-{i}" for i in range(HOT)]
    await stock(works, skus, FAMILIES * 5 // HOT // 2, backorderable=False)
    draw = Random(37)
    wishes = [draw.sample(skus, 5) for _ in range(FAMILIES)]
    async with without_deadlocks(works):
        await asyncio.gather(*(buys(works, i, wish) for i, wish in islice(enumerate(wishes), FAMILIES)))
        await works.rests(150)
        left = await works.run.connections["inventory"].fetchrow("select min(on_hand), sum(reserved) from levels")
        assert left[0] >= 0
        assert left[1] == 0
        shipped = await works.run.connections["inventory"].fetchval("select sum(on_hand) from levels")
        assert shipped < FAMILIES * 5 // 2, "nothing was sold"
        breaches = await works.breaches()
        assert not breaches, breaches
