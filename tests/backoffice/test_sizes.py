"""A list of fifty orders stays within its budget, with orders of a real shop in every state."""

import gzip
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from comptoir.retail.plan import Sale, plan
from comptoir.retail.reader import read, sample_path
from services.backoffice.views.orders import SHOWN
from tests.backoffice.shop import Shop, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
MOST, MOST_ZIPPED = 45_000, 12_000
LINES = 6
"""Of each order: a list shows their sums only."""


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    sales = [action for action in plan(list(read(sample_path()))).actions if isinstance(action, Sale)][:SHOWN]
    wanted = Counter[str]()
    for sale in sales:
        for line in sale.lines[:LINES]:
            wanted[line.code] += line.quantity
    async with shop_at(databases, "sizes", address_check=False) as founded:
        await founded.open(**{sku: n if i % 16 else n // 2 for i, (sku, n) in enumerate(sorted(wanted.items()))})
        for n, sale in enumerate(sales):
            lines = [
                {
                    "sku": line.code, "quantity": line.quantity, "unit_price": str(line.price), "text": line.text,
                    "vat_category": line.vat.category, "vat_rate": str(line.vat.rate),
                }
                for line in sale.lines[:LINES]
            ]  # fmt: skip
            body = {
                "channel": "web", "external_id": sale.invoice, "customer_id": sale.customer, "lines": lines,
                "ship_to": {"name": f"Customer {sale.customer}", "country": sale.country},
                "placed_at": sale.at.isoformat(), **({"hold": "address looks wrong"} if n % 10 == 9 else {}),
            }  # fmt: skip
            order = await founded.ask("POST", "/order/orders", body)
            if n % 10 == 8:
                await founded.ask("POST", f"/order/orders/{order['id']}/cancel", {"reason": "changed her mind"})
        await founded.rest()
        waiting = await founded.ask("GET", "/fulfilment/shipments?state=planned&limit=15")
        for shipment in waiting["items"]:
            await founded.ship(shipment["shipment_id"])
        yield founded


@pytest.mark.parametrize("language", ["en", "nl", "de", "fr"])
async def test_a_list_of_fifty_real_orders_is_small(shop: Shop, language: str) -> None:
    page = (await shop.page("/orders", **{"Accept-Language": language})).encode()
    assert page.count(b'href="/orders/C-') == SHOWN
    states = {row["status"] for row in await shop.rows("select distinct status from orders")}
    assert states >= {"backordered", "in_fulfilment", "held", "shipped", "cancelled"}
    assert len(page) < MOST
    assert len(gzip.compress(page)) < MOST_ZIPPED
