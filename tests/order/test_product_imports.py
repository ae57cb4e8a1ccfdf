"""Products of a file: looked at with what is there now, taken over only if that is still so, all of them or none."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from pydantic import ValidationError

from services.order import tables
from shared.contracts.order import Product, RegisterProducts
from shared.messaging.bus import LocalBus
from tests.conftest import Databases
from tests.order.test_service import Shop

pytestmark = pytest.mark.postgres
Item = dict[str, Any]


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    made = Shop(await databases.fresh(tables.metadata))
    await made.running.start(LocalBus())
    yield made
    await made.http.aclose()
    await made.running.stop()


async def put(shop: Shop, *products: Item) -> Response:
    return await shop.http.put("/products", json={"products": products})


async def known(shop: Shop, **more: str) -> Item:
    """A product of this test alone."""
    product = {"sku": uuid4().hex[:8], "name": "Lamp", "price": "80.00", "vat_category": "S", "vat_rate": "21", **more}
    assert (await put(shop, product)).status_code == 200
    return product


async def looked(shop: Shop, *products: Item) -> list[Item]:
    body = json.dumps({"products": products})  # in ASCII, which may name what no text holds
    headers = {"Content-Type": "application/json"}
    answer = await shop.http.post("/products/batch/preview", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [of["body"] | {"status": of["status"]} for of in answer.json()["outcomes"]]


def faults(body: Item) -> list[tuple[str, str]]:
    return [(error["pointer"], error["message"]) for error in body["errors"]]


async def test_a_preview_says_what_is_there_and_what_it_would_be_and_changes_nothing(shop: Shop) -> None:
    lamp = await known(shop)
    changed, same, new = await looked(
        shop,
        {"sku": lamp["sku"], "price": "81"},
        {"sku": lamp["sku"], "price": "80.0"},
        {"sku": "vase", "name": "Vase"},
    )
    assert (changed["before"]["price"], changed["after"]["price"], changed["after"]["name"]) == ("80.00", "81", "Lamp")
    assert same["before"] == same["after"] == await shop.get(f"/products/{lamp['sku']}")
    assert (new["before"], new["expected"]) == (None, "none")
    assert new["after"] == {
        "sku": "vase", "name": "Vase", "category": "", "brand": "", "kind": "goods", "price": "0",
        "vat_category": "Z", "vat_rate": "0", "components": [],
    }  # fmt: skip
    assert (await shop.http.get("/products/vase")).status_code == 404
    etag = (await shop.http.get(f"/products/{lamp['sku']}")).headers["ETag"].strip('"')
    assert changed["expected"] == same["expected"] == etag


async def test_a_preview_finds_a_product_without_the_spaces_around_its_sku(shop: Shop) -> None:
    lamp = await known(shop)
    (same,) = await looked(shop, {"sku": f" {lamp['sku']} "})
    assert same["sku"] == lamp["sku"]
    assert same["before"] == same["after"]


@pytest.mark.parametrize(
    ("was", "wanted", "category"),
    [
        (("S", "21"), {"vat_rate": "9"}, "S"),
        (("S", "21"), {"vat_rate": "0"}, "Z"),
        (("E", "0"), {"price": "1"}, "E"),
        (("E", "0"), {"vat_rate": "6"}, "S"),
        (("AE", "0"), {"vat_category": "K"}, "K"),
    ],
)
async def test_a_category_that_is_left_out_stays_if_it_goes_with_the_rate(
    shop: Shop, was: tuple[str, str], wanted: Item, category: str
) -> None:
    of = await known(shop, vat_category=was[0], vat_rate=was[1])
    (told,) = await looked(shop, {"sku": of["sku"], **wanted})
    assert told["after"]["vat_category"] == category


async def test_what_is_wrong_is_named_by_field_and_the_others_are_looked_at(shop: Shop) -> None:
    of = await known(shop)
    told = await looked(
        shop, {"sku": of["sku"], "vat_category": "E"}, {"sku": of["sku"], "price": "no number: x", "kind": "good"},
        {"sku": "x" * 65}, {"sku": "\ud800"}, {"sku": of["sku"], "prize": "1"}, {"name": "x"}, {"sku": of["sku"]},
    )  # fmt: skip
    assert [of["status"] for of in told] == [422] * 6 + [200]
    assert faults(told[0]) == [("#/vat_rate", "Value error, VAT category E needs a rate of 0, not 21.")]
    assert [where for where, _ in faults(told[1])] == ["#/kind", "#/price"]
    assert faults(told[2]) == [("#/sku", "String should have at most 64 characters")]
    assert [faults(of)[0][0] for of in told[3:6]] == ["#/sku", "#/prize", "#/sku"]


async def test_all_are_taken_only_if_each_is_what_was_looked_at(shop: Shop) -> None:
    one, two = await known(shop), await known(shop)
    vase = uuid4().hex[:8]
    wanted = [{"sku": one["sku"], "price": "90"}, {"sku": two["sku"], "price": "91"}, {"sku": vase, "price": "5"}]
    shown = [of["after"] | {"expected": of["expected"]} for of in await looked(shop, *wanted)]
    await put(shop, {**two, "price": "85"})
    refused = await put(shop, *shown)
    assert refused.status_code == 412
    assert refused.json()["errors"] == [
        {
            "field": "products.1.expected",
            "pointer": "#/products/1/expected",
            "message": f"product {two['sku']} was changed meanwhile: look at it again, then decide.",
        }
    ]
    assert (await shop.get(f"/products/{one['sku']}"))["price"] == "80.00", "all or none"
    assert (await shop.http.get(f"/products/{vase}")).status_code == 404
    shown = [of["after"] | {"expected": of["expected"]} for of in await looked(shop, *wanted)]
    for _ in range(2):  # an answer that was lost is asked for again
        assert (await put(shop, *shown)).status_code == 200
    assert [(await shop.get(f"/products/{sku}"))["price"] for sku in (one["sku"], two["sku"], vase)] == [
        "90",
        "91",
        "5",
    ]
    made = {"sku": vase, "price": "6", "expected": "none"}
    assert (await put(shop, made)).status_code == 412, "it is there by now"
    gone = {"sku": uuid4().hex[:8], "price": "6", "expected": "a" * 24}
    assert (await put(shop, gone)).status_code == 412, "it never was"
    assert (await put(shop, {**made, "expected": ""}, {"sku": one["sku"], "expected": "*"})).status_code == 200


def test_a_command_expects_something_of_each_product_or_of_none_and_says_nothing_new_then() -> None:
    both = (Product(sku="mug"), Product(sku="cup"))
    assert "expected" not in RegisterProducts(products=both).model_dump_json(), "it reads as it always did"
    assert RegisterProducts(products=both, expected=("", "none")).expected == ("", "none")
    with pytest.raises(ValidationError, match="of each product, or of none"):
        RegisterProducts(products=both, expected=("none",))


async def test_a_kit_is_looked_at_with_its_components_whether_they_are_there_or_come_with_it(shop: Shop) -> None:
    lamp, post = await known(shop), await known(shop, kind="shipping")
    bulb = {"sku": uuid4().hex[:8], "name": "Bulb"}
    parts = [{"sku": lamp["sku"], "pieces": 1}, {"sku": bulb["sku"], "pieces": 2}]
    kit: Item = {"sku": uuid4().hex[:8], "name": "Lamp with bulbs", "components": parts}
    seen, _ = await looked(shop, kit, bulb)
    assert (seen["status"], seen["after"]["components"]) == (200, parts)
    (alone,) = await looked(shop, kit)
    assert faults(alone) == [("#/components/1/sku", f"{bulb['sku']} is not in the catalogue.")]
    assert (await put(shop, kit, bulb)).status_code == 200
    assert (await shop.get(f"/products/{kit['sku']}"))["components"] == parts

    of_kit, of_post, itself = [
        {"sku": sku, "components": [{"sku": part, "pieces": 1}]}
        for sku, part in (("set-a", kit["sku"]), ("set-b", post["sku"]), ("set-c", "set-c"))
    ]
    nested, service = {"sku": bulb["sku"], "components": parts[:1]}, {"sku": bulb["sku"], "kind": "service"}
    told = [faults(seen)[0] for seen in await looked(shop, of_kit, of_post, itself, service)]
    assert told == [
        ("#/components/0/sku", f"{kit['sku']} is a kit itself; name its components instead."),
        ("#/components/0/sku", f"{post['sku']} is not goods."),
        ("#/components/0/sku", "set-c cannot be a component of itself."),
        ("#/kind", f"{bulb['sku']} is a component of the kit {kit['sku']}, so it is goods and no kit itself."),
    ]
    for wrong in (of_kit, of_post, itself, nested, service):
        assert (await put(shop, wrong)).status_code == 422, "the decision says the same as the preview"
    refused = await put(shop, {"sku": "vase"}, of_kit)
    assert refused.json()["errors"][0]["pointer"] == "#/products/1/components/0/sku"

    assert (await put(shop, {**kit, "components": parts[:1]}, nested)).status_code == 200, "it left the kit with this"
    assert (await put(shop, {**kit, "components": parts})).status_code == 422, "by now it is one itself"
