"""The customer's page of an order in a real browser: at each width, by keyboard alone."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.backoffice.browsing import shot
from tests.backoffice.shop import Shop

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.parametrize("width", [320, 768, 1440])
async def test_a_customer_follows_an_order_in_dutch_without_script(shop: Shop, visit: Any, width: int) -> None:
    lines = [
        {"sku": sku, "quantity": n, "unit_price": "12.50", "vat_rate": "21", "text": text}
        for sku, n, text in (
            ("mug", 12, "Waxinelichthouder hangend hart, wit"),
            ("mug", 2, "Taartstandaard Regency, drie lagen"),
            ("cup", 4, "Lunchtas rood met stippen, onverwoestbaarheidsgegarandeerd"),
        )
    ]
    placed = await shop.place(lines=lines)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    tab = await visit(width, java_script_enabled=False)
    page = await tab.open(await shop.link(placed))
    await expect(page.locator("h1")).to_have_text("14 van uw 18 artikelen zijn bij u of onderweg")
    await expect(page.locator(".notice.wait")).to_contain_text("4 artikelen komen later")
    await expect(page.locator(".steps .here")).to_contain_text("Onderweg")
    assert await page.locator("html").get_attribute("lang") == "nl"
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"it is {wide} wide"
    for box in await page.locator("a.btn").evaluate_all("all => all.map(of => of.getBoundingClientRect().height)"):
        assert box >= 44, "large enough for a finger"
    await shot(page, f"customers-page-{width}")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    for _ in range(2):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**?lang=de")
    await expect(page.locator("h1")).to_have_text("14 von Ihren 18 Artikeln sind bei Ihnen oder unterwegs")
    await page.locator("a:has-text('Nicht länger warten')").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Stornieren, was später kommt?")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await shot(page, f"customer-stops-{width}")
    await page.locator("button.danger").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#h-done")).to_have_text("Diese Artikel sind storniert.")
    await shop.rest()
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert [line["cancelled"] for line in owner["lines"]] == [0, 0, 4]
