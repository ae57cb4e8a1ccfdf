"""New orders looked at before they are placed: each really decided and undone; every fault at once, with its place."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from comptoir.rest import plain
from services.order import tables
from shared.messaging.bus import LocalBus
from tests.conftest import Databases
from tests.order.test_service import ADDRESS, Shop

pytestmark = pytest.mark.postgres
Item = dict[str, Any]


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    made = Shop(await databases.fresh(tables.metadata))
    await made.running.start(LocalBus())
    product = {"sku": "lamp", "name": "Lamp", "price": "80.00", "vat_rate": "21"}
    assert (await made.http.put("/products", json={"products": [product]})).status_code == 200
    yield made
    await made.http.aclose()
    await made.running.stop()


def order(*lines: Item, **more: Any) -> Item:
    return {"order_id": str(uuid4()), "ship_to": ADDRESS, "lines": list(lines), **more}


def mug(**more: Any) -> Item:
    return {"sku": "mug", "quantity": 2, "unit_price": "5.00", **more}


async def previewed(shop: Shop, *orders: Item, **headers: str) -> list[Item]:
    answer = await shop.http.post("/orders/batch/preview", json={"orders": orders}, headers=headers)
    assert answer.status_code == 200, answer.text
    outcomes: list[Item] = answer.json()["outcomes"]
    return outcomes


def faults(outcome: Item) -> list[tuple[str, str]]:
    return [(error["pointer"], error["message"]) for error in outcome["body"]["errors"]]


async def numbers(shop: Shop) -> list[str]:
    return [of["number"] for of in (await shop.get("/orders", limit=200))["items"]]


async def test_a_preview_says_what_each_order_would_be_and_places_none(shop: Shop) -> None:
    before = await numbers(shop)
    first, second = order(mug(vat_rate="21"), {"sku": "lamp", "quantity": 1}), order(mug(), ship_to={})
    one, two = await previewed(shop, first, second)
    assert (one["status"], one["body"]["repeated"], one["body"]["number"]) == (201, False, "")
    assert [(line["sku"], line["text"], line["unit_price"], line["amount"]) for line in one["body"]["lines"]] == [
        ("mug", "", "5.00", "10.00"), ("lamp", "Lamp", "80.00", "80.00"),
    ]  # fmt: skip
    assert (one["body"]["net"], one["body"]["vat"], one["body"]["gross"]) == ("90.00", "18.90", "108.90")
    assert one["body"]["holds"] == []
    assert two["body"]["holds"] == ["address: name, street, city, country missing"]
    assert await numbers(shop) == before
    placed = (await shop.post("/orders", first)).json()
    assert placed["gross"] == one["body"]["gross"], "what was shown"
    again = (await previewed(shop, first))[0]["body"]
    assert (again["repeated"], again["number"]) == (True, placed["number"])


async def test_all_that_is_wrong_is_said_at_once_and_the_others_are_looked_at(shop: Shop) -> None:
    wrong = order(mug(quantity=0), mug(unit_price="cheap"), ship_to={"country": "Belgium"}, payment_method="gold")
    unknown = order({"sku": "a", "quantity": 1}, mug(), {"sku": "b", "quantity": 1}, mug(discount="10.01"),
                    mug(vat_category="Z", vat_rate="21"))  # fmt: skip
    good, misspelt = order(mug()), order(mug(), methd="card")
    told = await previewed(shop, wrong, unknown, good, misspelt)
    assert [of["status"] for of in told] == [422, 422, 201, 422]
    assert faults(told[0]) == [
        ("#/payment_method", "Input should be 'card', 'bank_transfer', 'cash_on_delivery' or 'terms'"),
        ("#/ship_to/country", "String should match pattern '^([A-Z]{2})?$'"),
        ("#/lines/0/quantity", "Input should be greater than 0"),
        ("#/lines/1/unit_price", "Input should be a valid decimal"),
    ]
    assert faults(told[1]) == [
        ("#/lines/0/sku", "a is not in the catalogue and has no price."),
        ("#/lines/2/sku", "b is not in the catalogue and has no price."),
        ("#/lines/3/discount", "The discount of mug is more than its price."),
        ("#/lines/4/vat_rate", "VAT category Z needs a rate of 0, not 21."),
    ]
    assert faults(told[3]) == [("#/methd", "Extra inputs are not permitted")]
    refused = (await shop.post("/orders", unknown)).json()
    assert [error["pointer"] for error in refused["errors"]] == [pointer for pointer, _ in faults(told[1])]


async def test_an_order_that_is_worth_more_than_messages_carry_is_refused(shop: Shop) -> None:
    (dear,) = await previewed(shop, order(mug(quantity=1_000_000, unit_price="9999999999.00")))
    assert faults(dear) == [
        ("#/lines", "An order is worth less than 10000000000 EUR, not 9999999999000000.00 EUR.")
    ]  # fmt: skip


async def test_what_the_database_refuses_of_one_order_is_not_laid_on_the_others(shop: Shop) -> None:
    connection = await asyncpg.connect(plain(shop.running.service.settings.database_url))
    try:
        await connection.execute("alter table orders add constraint ck_test check (service_level <> 'never')")
        wanted = [order(mug()) for _ in range(3)] + [order(mug(), service_level="never"), order(mug())]
        told = await previewed(shop, *wanted)
        assert [of["status"] for of in told] == [201, 201, 201, 409, 201]
        assert told[3]["body"] == {"title": "this conflicts with what is there", "status": 409}
    finally:
        await connection.execute("alter table orders drop constraint ck_test")
        await connection.close()


async def test_orders_of_one_preview_know_each_other_and_those_there_were(shop: Shop) -> None:
    placed = order(mug(), external_id="there")
    await shop.post("/orders", placed)
    other, twin = order(mug(), external_id="there"), order(mug(), external_id="new")
    changed = {**placed, "priority": 7}
    told = await previewed(shop, other, changed, twin, order(mug(), external_id="new"))
    assert [of["status"] for of in told] == [409, 409, 201, 409]
    assert faults(told[0])[0][0] == "#/external_id"
    assert faults(told[1])[0][1].endswith("was placed before with other content.")


async def test_an_order_that_would_come_to_another_sum_than_was_shown_is_not_placed(shop: Shop) -> None:
    product = {"name": "Pot", "price": "20.00", "vat_rate": "21"}
    assert (await shop.http.put("/products/pot", json=product)).status_code == 200
    wanted = order({"sku": "pot", "quantity": 1})
    shown = (await previewed(shop, wanted))[0]["body"]["gross"]
    assert (await shop.http.put("/products/pot", json={**product, "price": "21.00"})).status_code == 200
    before = await numbers(shop)
    late = await shop.post("/orders", {**wanted, "expected_gross": shown})
    assert (late.status_code, late.json()["title"]) == (
        409, "The order comes to 25.41 EUR now, not to 24.20 EUR. Nothing was done; look at it again.",
    )  # fmt: skip
    assert await numbers(shop) == before
    exact = await shop.post("/orders", {**wanted, "expected_gross": "25.41"})
    assert exact.status_code == 201
    again = await shop.post("/orders", {**wanted, "expected_gross": "1.00"})
    assert again.json() == exact.json(), "it is there already; what was shown is no part of what it is"


async def test_a_preview_is_bounded(shop: Shop) -> None:
    many = {"orders": [order(mug())] * 201}
    assert (await shop.http.post("/orders/batch/preview", json=many)).status_code == 422
    assert (await shop.http.post("/orders/batch/preview", json={"orders": []})).status_code == 422
