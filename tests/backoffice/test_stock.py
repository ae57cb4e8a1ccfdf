"""The list of stock, by what the catalogue names a product: on the page, from page to page, and as a file."""

import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from html import unescape
from urllib.parse import urlencode

import pytest

from services.backoffice.views import stock
from tests.backoffice.shop import Shop, logged_in, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
DELFT = [f"delft-{n}" for n in range(5)]


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    """Five products of a brand, of which two have no stock and one lies in two warehouses, and two others."""
    async with shop_at(databases, "stock") as founded:
        await founded.open(**dict.fromkeys(["delft-0", "delft-2", "delft-4", "oak-1", "=x/y"], 7), **{"delft-1": 0})
        await founded.ask("PUT", "/inventory/warehouses/south", {"name": "South"})
        more = {"warehouse": "south", "reference": "S-1", "lines": [{"sku": "delft-2", "quantity": 3}]}
        await founded.ask("POST", "/inventory/receipts", more)
        listed = [
            {"sku": sku, "brand": "Delft & Son", "category": "Cups" if sku < "delft-3" else "Pots"} for sku in DELFT
        ]
        listed += [{"sku": "oak-1", "brand": "Oak", "category": "Cups"}]
        await founded.ask("PUT", "/order/products", {"products": listed})
        yield founded


async def walked(shop: Shop, path: str) -> list[tuple[str, str]]:
    """(SKU, warehouse) of all pages of a list, in their order, as the links lead."""
    found: list[tuple[str, str]] = []
    for _ in range(20):
        html = await shop.page(path)
        found += re.findall(r'<span class="sub mono">([^<]+)</span></th><td role="cell">(\w+)</td>', html)
        onward = re.search(r'rel="next" href="([^"]+)"', html)
        if not onward:
            return found
        path = unescape(onward[1])
    raise AssertionError("the list has no end")


async def exported(shop: Shop, path: str) -> list[dict[str, str]]:
    response = await shop.http.get(path)
    assert response.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))


BRAND = [("delft-0", "north"), ("delft-2", "north"), ("delft-2", "south"), ("delft-4", "north")]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"brand": "Delft & Son"}, BRAND),
        ({"brand": "Delft & Son", "category": "Cups"}, BRAND[:3]),
        ({"category": "Cups"}, [*BRAND[:3], ("oak-1", "north")]),
        ({"brand": "Delft & Son", "warehouse": "south"}, BRAND[2:3]),
        ({"brand": "Delft & Son", "sku": "delft-4"}, BRAND[3:]),
        ({"brand": "Oak", "sku": "delft-4"}, []),
        ({"brand": "delft & son"}, []),
        ({"brand": "Delft & Son", "view": "count"}, []),
    ],
)
@pytest.mark.parametrize("at_once", [1, 2, 50])
async def test_a_brand_or_category_chooses_the_same_rows_on_pages_and_in_the_file(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], expected: list[tuple[str, str]], at_once: int
) -> None:
    monkeypatch.setattr(stock, "PRODUCTS", at_once)
    query = urlencode(asked)
    assert await walked(shop, f"/stock?{query}") == expected
    html = await shop.page(f"/stock?{query}")
    (file,) = re.findall(r'href="(/stock\.csv[^"]*)"', html)
    rows = await exported(shop, unescape(file))
    assert [(row["sku"], row["warehouse"]) for row in rows] == expected
    for name in ("brand", "category"):
        assert unescape(re.findall(rf'name="{name}" value="([^"]*)"', html)[0]) == asked.get(name, "")


async def test_the_whole_stock_is_exported_and_no_cell_is_a_formula(shop: Shop) -> None:
    rows = await exported(shop, "/stock.csv")
    assert [row["sku"] for row in rows] == ["'=x/y", "delft-0", "delft-2", "delft-2", "delft-4", "oak-1"]
    assert (rows[2]["on_hand"], rows[3]["available"]) == ("7", "3")


async def test_products_without_stock_in_a_row_are_passed_over_but_not_for_ever(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "PRODUCTS", 1)
    monkeypatch.setattr(stock, "ROUNDS", 1)
    assert await walked(shop, "/stock?brand=Delft+%26+Son") == BRAND


async def test_a_product_leads_to_the_others_of_its_brand(shop: Shop) -> None:
    html = await shop.page("/stock/delft-4")
    assert 'href="/stock?brand=Delft+%26+Son"' in html
    assert 'href="/stock?category=Pots"' in html
    assert "brand=" not in (await shop.page("/stock?view=backorders"))


async def test_a_kit_shows_how_many_can_be_made_and_what_is_free_of_each_component(shop: Shop) -> None:
    parts = [{"sku": "delft-2", "pieces": 3}, {"sku": "delft-4", "pieces": 1}]
    kit = {"sku": "delft-set", "name": "Delft set", "components": parts}
    await shop.ask("PUT", "/order/products", {"products": [kit]})
    await shop.rest()
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", await shop.page("/stock/delft-set"))).split())
    assert "3 kits can be made of what is free." in text
    assert "What a kit consists of 3 × delft-2 10 free 1 × delft-4 7 free" in text
    assert 'href="/stock/delft-set"' in await shop.page("/products?q=delft-set")
    await shop.page("/stock/delft-none", status=404)


async def test_the_file_is_for_those_who_see_the_stock(shop: Shop) -> None:
    await shop.staff("support", "finance")
    for role, status in (("support", 200), ("finance", 403)):
        async with aclosing(await logged_in(shop, role)) as http:
            assert (await http.get("/stock.csv")).status_code == status
