"""Who changed a product, when, by which way, and each field from what to what."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from services.order import tables
from shared.contracts.order import Product, RegisterProducts
from shared.messaging.bus import LocalBus
from tests.conftest import Databases
from tests.order.test_service import Shop

pytestmark = pytest.mark.postgres
Item = dict[str, Any]


@pytest.fixture(scope="module")
async def shops(databases: Databases) -> AsyncIterator[tuple[Shop, Shop]]:
    """Two copies of the service on one database."""
    url = await databases.fresh(tables.metadata)
    made = Shop(url), Shop(url)
    for shop in made:
        await shop.running.start(LocalBus())
    yield made
    for shop in made:
        await shop.http.aclose()
        await shop.running.stop()


@pytest.fixture
def shop(shops: tuple[Shop, Shop]) -> Shop:
    return shops[0]


async def put(shop: Shop, sku: str, who: str = "Piet", **fields: Any) -> None:
    answer = await shop.http.put(f"/products/{sku}", json=fields, headers={"X-Actor": who})
    assert answer.status_code == 200, answer.text


async def history(shop: Shop, sku: str, **params: Any) -> Item:
    found: Item = await shop.get(f"/products/{sku}/history", **params)
    return found


def said(entry: Item) -> list[tuple[str, Any, Any]]:
    return [(of["field"], of["before"], of["after"]) for of in entry["changes"]]


def sku() -> str:
    return f"p-{uuid4().hex[:8]}"


async def test_a_price_says_who_changed_it_from_what_to_what(shop: Shop) -> None:
    mug = sku()
    await put(shop, mug, name="Mug", price="12.50", vat_rate="21")
    await put(shop, mug, "Anna", name="Mug", price="13.00", vat_rate="9", brand="K-1")
    await put(shop, mug, "Bert", name="Mug", price="13", vat_rate="9", brand="K-1")  # the same: no entry
    newest, first = (await history(shop, mug))["items"]
    assert (newest["version"], newest["actor"], newest["way"]) == (2, "Anna", "api")
    assert said(newest) == [("brand", "", "K-1"), ("price", "12.50", "13.00"), ("vat_rate", "21", "9")]
    assert (first["version"], first["actor"], newest["at"] > first["at"]) == (1, "Piet", True)
    assert said(first) == [
        ("name", None, "Mug"), ("kind", None, "goods"), ("price", None, "12.50"), ("vat_category", None, "S"),
        ("vat_rate", None, "21"),
    ], "of a new one all that it says"  # fmt: skip


async def test_components_of_a_kit_are_in_its_history(shop: Shop) -> None:
    cup, kit = sku(), sku()
    await put(shop, cup, name="Cup")
    await put(shop, kit, name="Six cups", components=[{"sku": cup, "pieces": 6}])
    await put(shop, kit, name="Six cups", components=[{"sku": cup, "pieces": 5}])
    newest = (await history(shop, kit))["items"][0]
    assert said(newest) == [("components", [{"sku": cup, "pieces": 6}], [{"sku": cup, "pieces": 5}])]


async def test_it_is_known_by_which_way_a_change_came(shop: Shop) -> None:
    mug = sku()
    for way, price in (("file", "1"), ("page", "2")):
        body = {"products": [{"sku": mug, "price": price}], "way": way}
        assert (await shop.http.put("/products", json=body)).status_code == 200
    await shop.running.desk.ask(RegisterProducts(products=(Product(sku=mug, name="Mug"),)), id=uuid4(), actor="shop-nl")
    found = (await history(shop, mug))["items"]
    assert [(of["way"], of["actor"]) for of in found] == [("message", "shop-nl"), ("page", ""), ("file", "")]
    wrong = await shop.http.put("/products", json={"products": [{"sku": mug}], "way": "message"})
    assert wrong.status_code == 422, "over HTTP nothing is a message"


async def test_what_is_refused_leaves_no_entry_and_of_one_named_twice_the_last_counts(shop: Shop) -> None:
    mug = sku()
    await put(shop, mug, price="1")
    stale = {"products": [{"sku": mug, "price": "2", "expected": "0"}]}
    assert (await shop.http.put("/products", json=stale)).status_code == 412
    twice = {"products": [{"sku": mug, "price": "3"}, {"sku": mug, "price": "4"}]}
    assert (await shop.http.put("/products", json=twice)).status_code == 200
    newest, _ = (await history(shop, mug))["items"]
    assert said(newest) == [("price", "1", "4")]


async def test_the_history_is_read_page_by_page_and_of_no_product_is_404(shop: Shop) -> None:
    mug = sku()
    for price in range(5):
        await put(shop, mug, price=f"{price}")
    found = await history(shop, mug, limit=2)
    versions = [of["version"] for of in found["items"]]
    while found["next"]:
        found = await history(shop, mug, limit=2, after=found["next"])
        versions += [of["version"] for of in found["items"]]
    assert versions == [5, 4, 3, 2, 1]
    assert (await shop.http.get(f"/products/{sku()}/history")).status_code == 404
    async with shop.running.store.connection() as connection:  # as one that was made before there was a history
        await connection.execute(
            "insert into products (sku, name, category, brand, kind, price, vat_category, vat_rate)"
            " values ($1, '', '', '', 'goods', 7, 'S', 21)",
            f"{mug}-old",
        )
    assert (await history(shop, f"{mug}-old"))["items"] == []
    await put(shop, f"{mug}-old", price="8", vat_rate="21")
    assert [said(of) for of in (await history(shop, f"{mug}-old"))["items"]] == [[("price", "7", "8")]]


async def test_two_copies_that_change_a_product_at_once_leave_a_history_without_a_gap(shops: tuple[Shop, Shop]) -> None:
    mug = sku()
    await put(shops[0], mug, price="0")
    await asyncio.gather(*(put(shops[n % 2], mug, price=f"{n}") for n in range(1, 21)))
    found = (await history(shops[0], mug, limit=100))["items"]
    prices = [(was, now) for of in reversed(found) for name, was, now in said(of) if name == "price"]
    assert [of["version"] for of in reversed(found)] == list(range(1, 22))
    assert [was for was, _ in prices[1:]] == [now for _, now in prices[:-1]], "each begins where the last one ended"


async def test_what_was_changed_of_products_is_listed_by_request_of_a_person_in_a_time(shop: Shop) -> None:
    who, one, two = f"who-{sku()}", sku(), sku()
    body = {"products": [{"sku": one}, {"sku": two}]}
    assert (await shop.http.put("/products", json=body, headers={"X-Actor": who})).status_code == 200
    await put(shop, one, who, price="5")
    found = (await shop.get("/product-changes", actor=who))["items"]
    assert [(of["products"], of["sku"]) for of in found] == [(1, one), (2, "")]
    assert [said(of) for of in found] == [[("price", "0", "5")], []]
    begin = await shop.get("/product-changes", actor=who, limit=1)
    assert [of["products"] for of in begin["items"]] == [1]
    rest = await shop.get("/product-changes", actor=who, limit=1, after=begin["next"])
    assert [of["products"] for of in rest["items"]] == [2]
    newest, oldest = (of["at"] for of in found)
    assert len((await shop.get("/product-changes", actor=who, since=newest))["items"]) == 1
    assert len((await shop.get("/product-changes", actor=who, until=newest))["items"]) == 1
    assert (await shop.get("/product-changes", actor=who, until=oldest))["items"] == []
