"""What pages have in common, in a real browser: they are live, at any width, by keys, and work without script."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Route, expect

from services.backoffice.views.money import TABS
from services.backoffice.views.reports import TITLES
from tests.backoffice.browsing import shot
from tests.backoffice.shop import ANNA, Shop, row_of
from tests.eventually import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def test_a_page_is_live_however_late_its_other_scripts_come(shop: Shop, visit: Any) -> None:
    page = (await visit()).page

    async def late(route: Route) -> None:
        if "htmx" not in route.request.url:
            # not wait_for_function, which asks again by eval, as the page's policy forbids
            await eventually(lambda: page.evaluate("'htmx' in window"))
            await page.evaluate("new Promise((done) => setTimeout(done, 200))")  # it has begun by then
        await route.continue_()

    await page.route("**/static/**/*.js", late)
    async with page.expect_request("**/live?page=today"):
        await page.goto(shop.here)
    assert await page.locator("script[src*=sse]").count() == 0, "what extends htmx would be too late"


async def test_keys_go_to_areas_and_rows_but_never_act_in_fields(shop: Shop, visit: Any) -> None:
    await shop.place()
    tab = await visit()
    page = await tab.open("/")
    await page.keyboard.press("g")
    await page.keyboard.press("o")
    await page.wait_for_url("**/orders")
    await page.keyboard.press("j")
    assert await page.evaluate("document.activeElement.closest('.orders tbody tr') !== null")
    await page.keyboard.press("/")
    await page.keyboard.type("go?")
    assert await page.input_value("#q") == "go?"
    await page.keyboard.press("Escape")
    await page.locator("body").press("?")


@pytest.mark.parametrize("width", [320, 390, 1024, 1440])
async def test_nothing_runs_off_the_page_at_any_width(shop: Shop, visit: Any, width: int) -> None:
    placed = await shop.place("cup", 3, external_id=f"W-{width}", hold="a very long reason " * 5)
    tab = await visit(width)
    paths = {"today": "/", "orders": "/orders", "order": f"/orders/{placed['number']}", "stock": "/stock"}
    paths |= {"product": "/stock/mug", "parked": "/parked-messages", "release": f"/orders/{placed['number']}/release"}
    for name, path in paths.items():
        page = await tab.open(path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} wide"
        await shot(page, f"{name}-{width}")


@pytest.mark.parametrize("width", [320, 768, 1440])
async def test_pages_of_the_office_fit_every_width(shop: Shop, visit: Any, width: int) -> None:
    name = "Wilhelmina van den Heuvel-Oosterhuis"
    placed = await shop.place(customer_id=f"K-{width}", ship_to={**ANNA, "name": name})
    await shop.place(customer_id=f"K-{width}", ship_to={**ANNA, "name": name})
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    (invoice,) = (await shop.ask("GET", f"/billing/invoices?order_id={placed['id']}"))["items"]
    paths = {"money" if what == "invoices" else what: f"/money/{what}" for what, _ in TABS}
    paths |= {"document": f"/documents/{invoice['number']}", "document-views": "/document-views", "acts": "/acts"}
    paths |= {"returns": "/returns", "customers": "/customers", "customer": f"/customers/K-{width}"}
    paths |= {f"report-{what}": f"/reports/{what}" for what in TITLES}
    tab = await visit(width)
    for name, path in paths.items():
        page = await tab.open(path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{path} is {wide} wide"
        await shot(page, name if width == 1440 else f"{name}-{width}")


async def test_the_light_is_lit_where_a_stream_is_and_says_since_when_it_is_cut(shop: Shop, visit: Any) -> None:
    tab = await visit()
    page = await tab.open("/stock")
    await expect(page.locator("[data-live]")).to_be_hidden()
    begun = asyncio.Event()

    async def late(route: Route) -> None:
        await begun.wait()
        await route.continue_()

    await page.route("**/live?**", late)
    await tab.open("/")
    light = page.locator("[data-live]")
    await expect(light).to_have_text("Connecting")
    begun.set()
    await expect(light).to_have_text("Live")
    await page.route("**/live?**", lambda route: route.abort())
    for watcher in list(shop.office.live.watchers):  # as when the service stops: the streams end
        shop.office.live.offer(watcher, "")
        shop.office.live.watchers.discard(watcher)
    await expect(light).to_have_text(re.compile(r"Not live since \d\d:\d\d, reload to see changes"))
    tab.complaints.clear()  # of the stream that was refused


async def test_what_was_done_is_said_once_and_an_error_is_where_reading_goes_on(shop: Shop, visit: Any) -> None:
    placed = await shop.place()
    tab = await visit()
    page = await tab.open(f"/orders/{placed['number']}?show=money&done=hold")
    await expect(page.locator(".toast")).to_have_text("The order is on hold.")
    assert page.url.endswith(f"/orders/{placed['number']}?show=money")
    await expect(page.locator(".toast")).to_have_count(0)  # after its eight seconds
    await page.reload()
    await expect(page.locator("h1")).to_contain_text(placed["number"])
    await expect(page.locator(".toast")).to_have_count(0)
    await tab.open("/adjust")
    for name, typed in {"sku": "no-such", "difference": "1", "reason": "found"}.items():
        await page.fill(f"[name={name}]", typed)
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=alert]")).to_be_focused()
    tab.complaints.clear()  # of the answer that is a refusal


async def test_pages_work_without_script(shop: Shop, visit: Any) -> None:
    placed = await shop.place()
    tab = await visit(java_script_enabled=False)
    page = await tab.open("/orders")
    await page.locator(row_of(placed) + " a").first.click()
    await page.locator("a:has-text('Hold')").click()
    await page.fill("#reason", "check it")
    await page.click("button:has-text('Hold the order')")
    await shop.rest()
    await page.reload()
    await expect(page.locator("#h-why")).to_contain_text("It is held (check it)")
