"""What stock is worth, over the pages: arrivals get a cost by a person, reports say what it comes to, CSV the same."""

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.backoffice.views import costs
from services.backoffice.views.reports.value import _all
from shared import clock
from tests.backoffice.shop import field, logged_in, shop_at
from tests.backoffice.test_purchases import Office, text_of
from tests.conftest import Databases
from tests.inventory.valuing import value

pytestmark = pytest.mark.postgres
WHERE = "/purchasing/costs"
Item = dict[str, Any]


@pytest.fixture
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, f"value_{uuid4().hex[:6]}") as shop, AsyncExitStack() as stack:
        await shop.open(mug=10, cup=4, jug=0)
        await shop.staff("finance", "support")
        people = {who: await stack.enter_async_context(aclosing(await logged_in(shop, who))) for who in
                  ("finance", "support")}  # fmt: skip
        lines = [{"sku": "cup", "quantity": 6, "unit_cost": "3.10"}]
        await shop.ask("POST", "/inventory/receipts", {"warehouse": "north", "reference": "PO-7", "lines": lines})
        await value(shop.suite["inventory"])
        yield Office(shop, people)


def typed(page: str, **said: str) -> Item:
    """The form of the list as it is, with these costs of these products."""
    form = {"key": field(page, "key"), "sku": field(page, "sku"), "reason": "The invoice came."}
    for n, sku in re.findall(r'name="sku-(\d+)" value="([^"]*)"', page):
        for name in (*costs.KEYS, "known"):
            form[f"{name}-{n}"] = field(page, f"{name}-{n}")
        form[f"cost-{n}"] = said.get(sku, form[f"known-{n}"])
    return form


async def rows(office: Office, what: str, query: str = "") -> dict[str, Item]:
    response = await office.of["finance"].get(f"/reports/{what}.csv{query}")
    assert response.status_code == 200, response.text
    return {row["Product"]: row for row in csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff")))}


async def test_a_person_says_what_arrivals_cost_and_reports_follow(office: Office) -> None:
    page = await office.page("finance", WHERE)
    assert page.count('<tr role="row" data-row>') == 2, "those without a cost"
    assert "PO-7" not in page
    refused = await office.post("finance", WHERE, typed(page), 422)
    assert "Say of at least one arrival what a piece cost." in refused.text
    refused = await office.post("finance", WHERE, typed(page, mug="much"), 422)
    assert "much is no amount;" in text_of(refused.text)
    form = typed(page, mug="2,50")
    for _ in range(2):  # pressed twice
        await office.post("finance", WHERE, form)
    await value(office.shop.suite["inventory"])
    changes = (await office.shop.ask("GET", "/inventory/cost-changes"))["items"]
    assert [(of["sku"], of["unit_cost"], of["actor"], of["reason"]) for of in changes] == [
        ("mug", "2.50", "finance", "The invoice came.")
    ]
    found = await rows(office, "stock-value")
    assert {sku: (of["Pieces"], of["Value"]) for sku, of in found.items()} == {
        "mug": ("10", "25.00"), "cup": ("10", "18.60"),
    }  # fmt: skip
    told = text_of(await office.page("finance", "/reports/stock-value"))
    assert "20 pieces of 2 products are worth €43.60." in told
    all_ = text_of(await office.page("finance", f"{WHERE}?sku=mug"))
    assert "finance" in all_
    assert "The invoice came." in all_
    await office.page("support", WHERE, 403)
    yesterday = (clock.now() - timedelta(days=1)).date().isoformat()
    assert await rows(office, "stock-value", f"?since={yesterday}&until={yesterday}") == {}


async def test_what_was_sold_and_what_lies(office: Office) -> None:
    page = await office.page("finance", WHERE)
    await office.post("finance", WHERE, typed(page, mug="2.50", cup="3.10"))
    await value(office.shop.suite["inventory"])
    order = await office.shop.place("cup", 9)
    (shipment,) = (await office.shop.ask("GET", f"/fulfilment/shipments?order_id={order['id']}"))["items"]
    await office.shop.ship(shipment["shipment_id"])
    await value(office.shop.suite["inventory"])
    sold = await rows(office, "cost-of-sales")
    assert (sold["cup"]["Sold"], sold["cup"]["Cost of sales"]) == ("9", "27.90")
    assert sold["mug"]["Cost of sales"] == "0.00"
    async with office.shop.suite["inventory"].store.connection() as connection:
        await connection.execute("update costings set received_at = received_at - interval '40 days'")
    dead = await rows(office, "dead-stock")
    assert list(dead) == ["mug"], "cup: one is left of ten"
    assert (dead["mug"]["Why"], dead["mug"]["Value"], dead["mug"]["Last sold"]) == ("not sold", "25.00", "")
    told = text_of(await office.page("finance", "/reports/dead-stock"))
    assert "1 product lies too long and ties up €25.00 of €28.10." in told


async def test_a_report_reads_page_after_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.backoffice.views.reports.value.AT_ONCE", 1)
    found = await _all(office.shop.office.owners, "/stock-value")
    assert [of["sku"] for of in found] == ["cup", "mug"]
