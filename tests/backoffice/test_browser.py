"""The pages in a real browser: live without a reload, by keyboard, at 320 pixels, with no complaint of any kind.

Screenshots of each page go to the folder that COMPTOIR_SCREENSHOTS names.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Route, async_playwright, expect

from services.backoffice.views.money import TABS
from services.backoffice.views.reports import TITLES
from services.backoffice.views.scanning import parcel_code
from tests.backoffice.shop import ANNA, Shop, row_of
from tests.eventually import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The machine's own Chromium; none is downloaded."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium here")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        await opened.close()


class Visitor:
    """A tab, and all that the browser complained about in it."""

    def __init__(self, page: Page, here: str) -> None:
        self.page, self.here = page, here
        self.complaints: list[str] = []
        page.on("console", self.said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, path: str) -> Page:
        await self.page.goto(self.here + path)
        return self.page


@pytest.fixture
async def visit(browser: Browser, shop: Shop) -> AsyncIterator[Any]:
    """Opens a tab of a width; at the end no tab may have complained."""
    tabs: list[Visitor] = []

    async def opened(width: int = 1280, **settings: Any) -> Visitor:
        context = await browser.new_context(viewport={"width": width, "height": 800}, **settings)
        tab = Visitor(await context.new_page(), shop.here)
        tabs.append(tab)
        return tab

    yield opened
    for tab in tabs:
        await tab.page.context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


async def shot(page: Page, name: str) -> None:
    if folder := os.environ.get("COMPTOIR_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def test_an_order_appears_live_and_its_row_changes_where_it_is(shop: Shop, visit: Any) -> None:
    first = await shop.place()
    tab = await visit()
    page = await tab.open("/orders")
    row = page.locator(row_of(first))
    await expect(row).to_contain_text("In the warehouse")
    await page.evaluate("window.same = 1")
    before = await row.bounding_box()
    second = await shop.place()
    await expect(page.locator("#arrivals")).to_contain_text("Show 1 new order")
    await shop.ask("POST", f"/order/orders/{first['id']}/hold", {"reason": "check the address"})
    await expect(row).to_contain_text("On hold")
    after = await row.bounding_box()
    assert before is not None
    assert after is not None
    assert (before["x"], before["width"]) == (after["x"], after["width"])
    assert await page.evaluate("window.same") == 1, "it was not loaded again"
    await page.locator("#arrivals a").click()
    await expect(page.locator(row_of(second))).to_be_visible()
    await shot(page, "orders")


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


async def test_the_order_page_follows_the_goods_without_a_reload(shop: Shop, visit: Any) -> None:
    placed = await shop.place()
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    shipment = owner["shipments"][0]["shipment_id"]
    tab = await visit()
    page = await tab.open(f"/orders/{placed['number']}")
    await expect(page.locator("#h-why")).to_contain_text("waits to be picked")
    await page.evaluate("window.same = 1")
    for step, words in (("pick", "waits to be packed"), ("pack", "handed over"), ("dispatch", "on its way")):
        await shop.ask("POST", f"/fulfilment/shipments/{shipment}/{step}", {})
        await shop.rest()
        await expect(page.locator("#h-why")).to_contain_text(words)
    await expect(page.locator(".timeline")).to_contain_text("Handed over in north")
    assert await page.evaluate("window.same") == 1
    await shot(page, "order")


async def test_an_order_is_cancelled_by_keyboard_alone(shop: Shop, visit: Any) -> None:
    placed = await shop.place()
    tab = await visit()
    page = await tab.open("/")
    await page.keyboard.press("/")
    await page.keyboard.type(placed["number"])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/orders/{placed['number']}")
    await page.locator("a:has-text('Cancel')").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/cancel")
    await expect(page.locator(".effects")).to_contain_text("pull back shipment 1")
    await shot(page, "cancel")
    await page.locator("#reason").focus()
    await page.keyboard.type("changed her mind")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-toasts]")).to_contain_text("The order was asked to cancel.")
    await expect(page.locator("#h-why")).to_contain_text("cancelled and settled")
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert owner["status"] == "cancelled"


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


async def test_filtering_changes_the_list_and_the_address_in_place(shop: Shop, visit: Any) -> None:
    await shop.place()
    held = await shop.place(hold="look", channel="market")
    tab = await visit()
    page = await tab.open("/orders")
    await page.evaluate("window.same = 1")
    await page.select_option("#f-ch", "market")
    await page.wait_for_url("**channel=market**")
    await expect(page.locator("#list tbody tr")).to_have_count(1)
    await expect(page.locator("#list")).to_contain_text(held["number"])
    assert await page.evaluate("window.same") == 1
    async with page.expect_download() as saved:
        await page.click("a:has-text('Export CSV')")
    lines = (await (await saved.value).path()).read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["number", held["number"]], "what the list shows, nothing more"
    async with page.expect_request("**/live?page=orders**") as asked:
        await page.select_option("#f-ch", "")
    assert held["id"].replace("-", "") in (await asked.value).url
    await expect(page.locator("#list tbody tr")).not_to_have_count(1)
    later = await shop.place()
    await page.locator("#arrivals a").click()
    await expect(page.locator(row_of(later))).to_be_visible()


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


async def test_many_orders_are_chosen_by_keys_alone_and_held_at_once(shop: Shop, visit: Any) -> None:
    first, second = [await shop.place(channel="many") for _ in range(2)]
    page = await (await visit(320, bypass_csp=True)).open("/orders?channel=many")  # axe is a script of ours
    bar, chosen = page.locator("[data-bulk]"), page.locator("#chosen [name=id]:checked")
    await expect(bar).to_be_hidden()
    for key in "jxjx":
        await page.keyboard.press(key)
    await expect(bar).to_contain_text("Chosen: 2")
    await shop.ask("POST", f"/order/orders/{second['id']}/hold", {"reason": "look"})
    await expect(page.locator(row_of(second))).to_contain_text("On hold")
    await expect(chosen).to_have_count(2)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await shot(page, "orders-chosen-320")
    assert (await Axe().run(page)).response["violations"] == []
    await page.locator("[data-choose=none]").focus()
    await page.keyboard.press("Enter")
    await expect(bar).to_be_hidden()
    await page.keyboard.press("Enter")  # what has the focus now chooses all
    await expect(chosen).to_have_count(2)
    await bar.locator("[value=hold]").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/orders/bulk?**act=hold**")
    await expect(page.locator(".effects")).to_contain_text("1 parcel is pulled back")
    await shot(page, "bulk-320")
    await page.locator("#reason").focus()
    await page.keyboard.type("recall of batch 7")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("2 orders are on hold")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    await shot(page, "bulk-done-320")
    assert (await Axe().run(page)).response["violations"] == []
    await shop.rest()
    for order, holds in ((first, ["recall of batch 7"]), (second, ["look", "recall of batch 7"])):
        assert (await shop.ask("GET", f"/order/orders/{order['id']}"))["holds"] == holds


async def test_many_orders_are_chosen_and_cancelled_without_script(shop: Shop, visit: Any) -> None:
    orders = [await shop.place(channel="scriptless") for _ in range(2)]
    page = await (await visit(320, java_script_enabled=False)).open("/orders?channel=scriptless")
    await page.locator("a:has-text('Choose all on this page')").click()
    await expect(page.locator("#chosen [name=id]:checked")).to_have_count(2)
    await page.locator(".bulk [value=cancel]").click()
    await expect(page.locator("h1")).to_have_text("Cancel 2 orders?")
    await shot(page, "bulk-cancel-320")
    await page.click("button.danger")
    await expect(page.locator("h1")).to_have_text("2 orders were asked to cancel")
    await page.locator(".actions a:has-text('Back to the list')").first.click()
    await page.wait_for_url("**/orders?channel=scriptless")
    await shop.rest()
    for order in orders:
        assert (await shop.ask("GET", f"/order/orders/{order['id']}"))["status"] == "cancelled"


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


async def test_a_refund_is_typed_shown_and_done_and_a_large_one_waits(shop: Shop, visit: Any) -> None:
    placed = await shop.place(quantity=40)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    delivered = {"status": "delivered", "at": datetime.now(UTC).isoformat()}
    await shop.ask("POST", f"/fulfilment/shipments/{shipment['shipment_id']}/tracking", delivered)
    await shop.rest()
    tab = await visit()
    page = await tab.open(f"/orders/{placed['number']}")
    await page.locator(".actions a:has-text('Refund')").click()
    amount, reason = page.get_by_label("Amount mug"), page.get_by_label("Reason")
    await amount.fill("12,50")
    await reason.fill("one came broken")
    await shot(page, "refund-typed")
    await page.keyboard.press("Enter")
    await expect(page.locator(".effects")).to_contain_text("credit note over €15.13")
    await expect(page.locator(".effects")).to_contain_text("€2.63 VAT at 21% on €12.50")
    await shot(page, "refund")
    await page.click("button:has-text('Give the money back')")
    await expect(page.locator("[data-toasts]")).to_contain_text("The money goes back to the customer.")
    await shop.rest()
    await page.reload()
    timeline = page.locator(".timeline")
    await expect(timeline).to_contain_text("Gave back €15.13 of INV-")
    await expect(timeline).to_contain_text("One came broken.")
    await expect(timeline).to_contain_text("Issued a credit note over €15.13.")
    await expect(timeline).to_contain_text("Refunded €15.13.")
    await page.locator("#refunds a").click()
    await page.click(".actions a:has-text('Credit note')")
    await expect(page.locator("h1")).to_contain_text("Credit note CN-")
    await expect(page.locator("main")).to_contain_text("part of the price")
    # Above the limit it waits, and who asked finds no button to approve it with.
    page = await tab.open(f"/orders/{placed['number']}/refund")
    await amount.fill("300")
    await reason.fill("all of them are chipped")
    await page.click("button:has-text('Show what it would do')")
    await page.click("button:has-text('Ask for approval')")
    await expect(page.locator("[data-toasts]")).to_contain_text("The refund waits until another person approves it.")
    await shop.rest()
    page = await tab.open("/")
    await page.locator("main a:has-text('Refunds to approve')").first.click()
    for width in (320, 768, 1440):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await shot(page, f"refunds-{width}")
    await page.locator("table a").first.click()
    await expect(page.locator("#h-own")).to_contain_text("another person must approve it")
    await expect(page.locator("button:has-text('Approve the refund')")).to_have_count(0)
    for path in (page.url.removeprefix(tab.here), f"/orders/{placed['number']}/refund"):
        page = await tab.open(path)
        for width in (320, 768, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await shot(page, f"refund-{'form' if path.endswith('refund') else 'one'}-{width}")
