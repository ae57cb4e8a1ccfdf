"""A file of the catalogue in a real browser: downloaded, edited, chosen, looked at, taken over."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.backoffice.browsing import shot
from tests.backoffice.shop import Shop

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def test_the_catalogue_is_downloaded_edited_and_taken_over(shop: Shop, visit: Any, tmp_path: Path) -> None:
    lamp = {"sku": "lamp", "name": "Lamp", "price": "80.00", "vat_rate": "21"}
    await shop.ask("PUT", "/order/products", {"products": [lamp, {**lamp, "sku": "mug", "name": "Mug"}]})
    tab = await visit()
    page = await tab.open("/stock")
    await page.click(".page-head a:has-text('Products')")
    async with page.expect_download() as coming:
        await page.click("a:has-text('Export CSV')")
    file = tmp_path / "products.csv"
    await (await coming.value).save_as(file)
    text = file.read_text("utf-8-sig")
    assert "lamp,Lamp,,,goods,80.00,S,21" in text
    file.write_text(text.replace("lamp,Lamp,,,goods,80.00", "lamp,Lamp,,Oak,goods,81.50") + "vase,Vase,,,,9.95,,21\n")
    await page.click(".page-head a:has-text('From a file')")
    await page.set_input_files("#file", file)
    await page.click("main button[type=submit]")
    changed = page.locator("[aria-labelledby=h-changed]")
    await expect(changed.locator("h2")).to_have_text("1 product would change")
    await expect(changed).to_contain_text("81.50")
    await expect(changed).to_contain_text("Oak")
    await expect(page.locator("[aria-labelledby=h-new]")).to_contain_text("Vase")
    async with page.expect_download() as coming:
        await page.click("a:has-text('All of it as CSV')")
    assert (await coming.value).suggested_filename == "products-changes.csv"
    for width in (320, 768, 1440):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await shot(page, f"products-import-{width}")
    await page.click("button:has-text('Take over 2 products')")
    await expect(page.locator("h1")).to_have_text("2 products are taken over")
    await expect(page.locator("main")).to_contain_text("All that was shown is done.")
    assert (await shop.ask("GET", "/order/products/lamp"))["price"] == "81.50"
    await page.click("a:has-text('Back to the list')")
    await expect(page.locator("main table")).to_contain_text("Vase")
