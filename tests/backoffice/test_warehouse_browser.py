"""Work in the warehouse in a real browser: by finger, scanner and keys, on the phone and on paper."""

from typing import Any

import pytest
from playwright.async_api import expect

from services.backoffice.views.scanning import parcel_code
from tests.backoffice.browsing import shot
from tests.backoffice.shop import Shop

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def test_on_the_phone_a_parcel_is_picked_packed_and_handed_over(shop: Shop, visit: Any) -> None:
    placed = await shop.place(quantity=3)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    tab = await visit(390, has_touch=True, is_mobile=True)
    page = await tab.open("/pick")
    await shot(page, "pick-390")
    await page.locator(f"a.btn[href='/pick/{shipment['shipment_id']}']").tap()
    await expect(page.locator(".bin-qty")).to_have_text("3")
    await shot(page, "picking-390")
    await page.fill("input[type=number]", "2")
    await page.tap("button:has-text('Picked')")
    await expect(page.locator("#h-m")).to_have_text("1 piece is not counted.")
    await page.tap("button:has-text('Pick without it')")
    await page.wait_for_url("**/pick?warehouse=north*")
    await shop.rest()
    page = await tab.open("/pack")
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    here = page.locator(f"a.btn[href='/pack/{shipment['shipment_id']}']")
    box = await here.bounding_box()
    assert box is not None
    assert box["height"] >= 44, "large enough for a finger"
    async with page.expect_navigation():
        await here.tap()
    await page.fill("#weight", "1,2")
    async with page.expect_navigation():
        await page.tap("[data-done]")
    await expect(page.locator(".toast")).to_have_text(f"{placed['number']} is packed, 1.2\u00a0kg.")
    await shop.rest()
    page = await tab.open("/pack")
    async with page.expect_navigation():
        await page.locator(f"form[action='/pack/{shipment['shipment_id']}/dispatch'] button").tap()
    await shop.rest()
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert (owner["shipments"][0]["state"], owner["lines"][0]["shipped"]) == ("dispatched", 2)
    told = await shop.page(f"/orders/{placed['number']}")
    assert "1 piece were not found." not in told
    assert "<b>local:</b>" in told


async def test_on_the_phone_a_scanner_counts_and_a_wrong_code_is_unmistakable(shop: Shop, visit: Any) -> None:
    """By keyboard alone, as a scanner types: right, wrong, too many, short pick."""
    await shop.ask("PUT", "/inventory/places", {"places": [{"sku": "mug", "warehouse": "north", "bin": "B-04-12"}]})
    placed = await shop.place(quantity=3)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    page = await (await visit(320, has_touch=True, is_mobile=True)).open(f"/pick/{shipment['shipment_id']}")

    async def scan(code: str) -> None:
        await page.keyboard.type(code)
        await page.keyboard.press("Enter")

    said, found, at = page.locator("[data-said]"), page.locator("#f-1"), "document.activeElement.id"
    await expect(page.locator(".bin-code")).to_have_text("B-04-12")
    assert await page.evaluate(at) == "scan", "the scanner may begin"
    await scan("mug")
    await expect(said).to_have_text("Right: mug, 1 of 3.")
    await shot(page, "scanned-320")
    await scan("8711111111111")
    await expect(said).to_have_text("8711111111111 is not in this parcel. Nothing was counted.")
    await expect(said).to_have_class("scan-said bad")
    assert await said.get_attribute("aria-live") == "assertive"
    assert await page.evaluate(at) == "scan"
    await shot(page, "scanned-wrong-320")
    await page.evaluate("document.activeElement.blur()")
    await scan("MUG")
    await expect(said).to_have_text("Right: mug, 2 of 3.")
    await scan(placed["number"])
    await expect(said).to_have_text("Pieces are missing still. Nothing was booked.")
    assert await found.input_value() == "2"
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await page.locator("[data-done]").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#h-m")).to_have_text("1 piece is not counted.")
    await shot(page, "short-pick-320")
    await scan("mug")
    await expect(said).to_have_text("Right: mug, 3 of 3.")
    await scan("mug")
    await expect(said).to_have_text("All of mug are counted already. Nothing was counted.")
    await scan(placed["number"])
    await page.wait_for_url("**/pick?warehouse=north*")
    await shop.rest()
    assert (await shop.ask("GET", f"/fulfilment/shipments/{shipment['shipment_id']}"))["state"] == "picked"


async def test_an_enter_in_a_field_of_pieces_is_no_scan(shop: Shop, visit: Any) -> None:
    placed = await shop.place(quantity=3)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    page = await (await visit(320)).open(f"/pick/{shipment['shipment_id']}")
    await page.locator("#f-1").fill("1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#h-m")).to_have_text("2 pieces are not counted.")
    await expect(page.locator("[data-said]")).to_be_hidden()
    await page.locator("#f-1").fill("3")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/pick?warehouse=north*")
    await shop.rest()
    assert (await shop.ask("GET", f"/fulfilment/shipments/{shipment['shipment_id']}"))["state"] == "picked"


async def test_a_parcel_is_picked_short_packed_and_handed_over_by_scanner_and_keys_alone(
    shop: Shop, visit: Any
) -> None:
    placed = await shop.place(quantity=2)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    id = shipment["shipment_id"]
    page = await (await visit(320, has_touch=True, is_mobile=True)).open(f"/pick/{id}")

    async def scan(code: str) -> None:
        await page.keyboard.type(code)
        await page.keyboard.press("Enter")

    await scan("mug")
    await expect(page.locator("[data-said]")).to_have_text("Right: mug, 1 of 2.")
    await page.locator("[data-done]").focus()
    await page.keyboard.press("Enter")
    await page.locator("button[name=short]").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/pick?warehouse=north*")
    await shop.rest()
    await page.goto(f"{shop.here}/pack")
    await scan(parcel_code(id))
    await page.wait_for_url(f"**/pack/{id}")
    await expect(page.locator(".bin-qty")).to_have_text("1")
    await scan("cup")
    await expect(page.locator("[data-said]")).to_have_text("cup is not in this parcel. Nothing was counted.")
    await scan("mug")
    await expect(page.locator("[data-said]")).to_have_text("Right: mug, 1 of 1.")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await shot(page, "pack-parcel-320")
    await scan(parcel_code(id))
    await expect(page.locator("#weight")).to_be_focused()
    await scan("0.8")
    await expect(page.locator("[data-toasts]")).to_contain_text(f"{placed['number']} is packed, 800 g.")
    await shop.rest()
    await page.goto(f"{shop.here}/pack")
    await scan(placed["number"].lower())
    await page.wait_for_url(f"**/pack/{id}")
    await scan(parcel_code(id))
    await expect(page.locator("[data-toasts]")).to_contain_text(f"{placed['number']} is handed over.")
    await shop.rest()
    found = await shop.ask("GET", f"/fulfilment/shipments/{id}")
    assert (found["state"], found["short"][0]["quantity"], found["weight_g"]) == ("dispatched", 1, 800)


async def test_the_list_on_paper_is_printed_without_what_is_around_it(shop: Shop, visit: Any) -> None:
    for quantity in (2, 5):
        await shop.place(quantity=quantity)
    page = await (await visit()).open("/pick")
    await page.locator("button:has-text('List by bin')").click()
    await page.wait_for_url("**/pick/paper**")
    await shot(page, "pick-paper")
    await page.emulate_media(media="print")
    await expect(page.locator(".paper")).to_be_visible()
    await expect(page.locator(".side")).to_be_hidden()
    await shot(page, "pick-paper-printed")


async def test_received_goods_go_to_the_backorder_and_its_page_says_so_live(shop: Shop, visit: Any) -> None:
    """By keyboard alone: the delivery is typed, its effect shown, booked; the order's page follows by itself."""
    await shop.open(bowl=0)  # which nobody else waits for
    placed = await shop.place("bowl", 2)
    line = {"warehouse": "north", "reference": "PO-9", "sku": "bowl", "quantity": 6, "expected_on": "2031-03-04"}
    await shop.ask("POST", "/inventory/expected-receipts", line)
    watching = await (await visit()).open(f"/orders/{placed['number']}")
    await expect(watching.locator("#h-why")).to_contain_text("2 pieces come later than the customer accepted")
    await watching.evaluate("window.same = 1")
    page = await (await visit(320)).open("/receive")
    await shot(page, "receive-320")
    await page.locator("a:has-text('PO-9')").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**reference=PO-9**")
    await page.locator("#p-0").focus()
    await page.keyboard.type("2")
    await page.keyboard.press("Enter")
    await expect(page.locator(".effects")).to_contain_text("bowl: on hand 0 → 2; free 0 → 0.")
    await expect(page.locator(".effects")).to_contain_text(f"{placed['number']}: 2 pieces of bowl.")
    await shot(page, "book-receipt-320")
    await page.locator("button.primary").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-toasts]")).to_contain_text("The delivery is booked.")
    await shop.rest()
    await expect(watching.locator("#h-why")).to_contain_text("waits to be picked")
    assert await watching.evaluate("window.same") == 1, "it was not loaded again"


@pytest.mark.parametrize("width", [320, 768, 1440])
async def test_work_on_the_shelves_fits_every_width(shop: Shop, visit: Any, width: int) -> None:
    await shop.place("cup", 3)
    line = {"warehouse": "north", "reference": "PO-10", "sku": "cup", "quantity": 6, "expected_on": "2031-03-04"}
    await shop.ask("POST", "/inventory/expected-receipts", line)
    page = await (await visit(width)).open("/count?sku=mug")
    paths = {"receive": "/receive", "delivery": "/receive?warehouse=north&reference=PO-10", "count": "/count"}
    paths |= {"adjust": "/adjust?sku=mug", "movements": "/stock/mug"}
    for name, path in paths.items():
        await page.goto(shop.here + path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} wide"
        await shot(page, name if width == 1440 else f"{name}-{width}")
    await page.goto(shop.here + "/count?sku=mug")
    await page.fill("#counted", "7")
    await page.keyboard.press("Enter")
    await expect(page.locator(".effects")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await shot(page, "book-count" if width == 1440 else f"book-count-{width}")
