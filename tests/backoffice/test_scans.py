"""A scan works where goods come in and are counted, and in the search at the top: without script, and with it."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
from playwright.async_api import Browser, expect

from services.backoffice.owners import SKUS_AT_ONCE
from services.backoffice.views.scanning import placed
from services.backoffice.views.shelves import one_more
from tests.backoffice.browsing import Visitor
from tests.backoffice.shop import Shop, field, logged_in, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
MUG, POT = "4006381333931", "8711111111111"


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "scans") as founded:
        await founded.open(mug=20, pot=20, **{"a/b": 3})
        items = [{"sku": "mug", "name": "Mug", "barcode": MUG}, {"sku": "pot", "name": "Pot", "barcode": POT}]
        await founded.ask("PUT", "/inventory/items", {"items": [*items, {"sku": "a/b", "barcode": "7"}]})
        expected = {"warehouse": "north", "reference": "PO-1", "sku": "mug", "quantity": 9, "expected_on": "2031-03-04"}
        await founded.ask("POST", "/inventory/expected-receipts", expected)
        await founded.staff("packer", "support", "finance")
        yield founded


async def post(http: httpx.AsyncClient, path: str, form: dict[str, str], status: int = 200) -> str:
    csrf = field((await http.get("/count")).text, "csrf")
    response = await http.post(path, data={"csrf": csrf, "warehouse": "north", **form})
    assert response.status_code == status, f"{response.status_code} {response.text[:2000]}"
    return response.text


def typed(page: str) -> dict[str, str]:
    """What stands in the fields of a delivery."""
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in re.findall(r"<input[^>]*>", page)]
    names = ("sku", "pieces", "counted", "reference")
    return {of["name"]: of.get("value", "") for of in inputs if of.get("name", "").startswith(names)}


# Where goods come in


async def test_a_scan_of_a_delivery_adds_its_line_and_counts_it_up(shop: Shop, packer: httpx.AsyncClient) -> None:
    form = {"reference": "note 7"}
    for code, said in (
        (MUG, "Right: mug, 1 counted."),
        ("POT", "Right: pot, 1 counted."),
        ("mug", "Right: mug, 2 counted."),
        ("nothing", "nothing is no product that is known. Nothing was counted."),
    ):
        page = await post(packer, "/receive/scan", form | {"code": code})
        assert said in page
        assert ("scan-said bad" in page) == ("Nothing" in said)
        form = typed(page)
    assert {name: form[name] for name in ("sku-0", "pieces-0", "sku-1", "pieces-1")} == {
        "sku-0": "mug", "pieces-0": "2", "sku-1": "pot", "pieces-1": "1",
    }  # fmt: skip
    assert form["reference"] == "note 7"
    shown = await post(packer, "/receive", form | {"code": ""})
    assert "mug: on hand 20 → 22" in shown
    assert 'name="code"' not in shown


async def test_a_scan_of_an_expected_delivery_counts_on_its_line_and_else_beside_it(packer: httpx.AsyncClient) -> None:
    form = typed((await packer.get("/receive?warehouse=north&reference=PO-1")).text)
    for code, said in ((MUG, "mug, 1 counted"), (MUG, "mug, 2 counted"), (POT, "pot, 1 counted")):
        page = await post(packer, "/receive/scan", form | {"code": code})
        assert said in page
        form = typed(page)
    assert "of 9 came so far" in page
    assert (form["sku-0"], form["pieces-0"], form["sku-1"], form["pieces-1"]) == ("mug", "2", "pot", "1")


async def test_an_enter_in_another_field_shows_what_it_would_do(packer: httpx.AsyncClient) -> None:
    shown = await post(packer, "/receive/scan", {"reference": "x", "sku-0": "mug", "pieces-0": "1", "code": ""})
    assert "Book the delivery x?" in shown


def test_a_full_page_takes_no_new_line_and_loses_none() -> None:
    form = {f"sku-{n}": f"s{n}" for n in range(200)}
    with pytest.raises(LookupError):
        one_more(dict(form), {"sku": "mug", "barcode": MUG})
    assert one_more(form | {"pieces-3": "4"}, {"sku": "s3", "barcode": ""}) == 5


# Where they are counted


async def test_the_first_scan_says_what_is_counted_and_the_others_count(packer: httpx.AsyncClient) -> None:
    form: dict[str, str] = {}
    for code, said in (
        (MUG, "Right: mug, 1 counted."),
        ("mug", "Right: mug, 2 counted."),
        (POT, "pot is another product. Nothing was counted."),
        ("?", "? is no product that is known. Nothing was counted."),
    ):
        page = await post(packer, "/count/scan", form | {"code": code})
        assert said in page
        form = typed(page)
        assert form["sku"] == "mug"
    assert form["counted"] == "2"
    assert "on hand" not in page, "who counts does not see the books"
    assert "18 pieces are missing." in await post(packer, "/count", form)


# The search at the top


async def test_the_search_opens_what_a_scan_stands_for(shop: Shop) -> None:
    placed = await shop.place()
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    tracking = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"][0]["tracking"]
    async with aclosing(await logged_in(shop, "support")) as http:
        for q, where in (
            (MUG, "/stock/mug"), ("7", "/stock/a%2Fb"), (placed["number"], f"/orders/{placed['number']}"),
            (tracking, f"/orders/{placed['number']}"),
        ):  # fmt: skip
            answer = await http.get("/orders", params={"q": q})
            assert (answer.status_code, answer.headers.get("location")) == (303, where), q
        assert (await http.get("/stock/a%2Fb")).status_code == 200
        listed = await http.get("/orders", params={"q": "mug"})
        assert listed.status_code == 200, "a SKU lists who ordered it"
        assert placed["number"] in listed.text
    async with aclosing(await logged_in(shop, "finance")) as http:
        assert (await http.get("/orders", params={"q": MUG})).status_code == 200, "who sees no stock stays here"


async def test_many_products_are_asked_about_some_at_a_time(shop: Shop) -> None:
    unknown = [f"no-{n}" for n in range(SKUS_AT_ONCE)]
    found = await placed(shop.office.owners, "north", ["mug", *unknown, "pot", "mug"])
    assert {sku: of["barcode"] for sku, of in found.items()} == {"mug": MUG, "pot": POT}


# With script


@pytest.mark.slow
async def test_a_scanner_fills_a_delivery_on_the_phone(shop: Shop, browser: Browser, packer: httpx.AsyncClient) -> None:
    context = await browser.new_context(viewport={"width": 320, "height": 800}, has_touch=True, is_mobile=True)
    cookies = [{"name": of.name, "value": of.value or "", "url": shop.here} for of in packer.cookies.jar]
    await context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await Visitor(await context.new_page(), shop.here).open("/receive?warehouse=north&reference=PO-1")
    said, at = page.locator("[data-said]"), "document.activeElement.id"

    async def scan(code: str) -> None:
        await page.keyboard.type(code)
        await page.keyboard.press("Enter")

    assert await page.evaluate(at) == "scan"
    await scan(MUG)
    await expect(said).to_have_text("Right: mug, 1 counted.")
    await scan("pot")  # has no line yet: the server knows whether there is such a product
    await expect(said).to_have_text("Right: pot, 1 counted.")
    await scan(POT)
    await expect(said).to_have_text("Right: pot, 2 counted.")
    await scan("nothing")
    await expect(said).to_have_text("nothing is no product that is known. Nothing was counted.")
    assert await page.evaluate(at) == "scan"
    assert [await page.locator(f"[name=pieces-{n}]").input_value() for n in (0, 1)] == ["1", "2"]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await page.goto(f"{shop.here}/count")
    for n in range(1, 4):
        await scan(MUG)
        await expect(said).to_have_text(f"Right: mug, {n} counted.")
    await scan(POT)
    await expect(said).to_have_text("pot is another product. Nothing was counted.")
    assert await page.locator("#counted").input_value() == "3"
    await context.close()
