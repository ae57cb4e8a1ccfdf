"""Orders in a real browser: the list and one order, live without a reload, by keyboard, without script; a refund."""

from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.backoffice.browsing import shot
from tests.backoffice.shop import Shop, row_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


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
    lines = (await (await saved.value).path()).read_text("utf-8-sig").splitlines()
    assert [line.partition(",")[0] for line in lines] == ["number", held["number"]], "what the list shows, nothing more"
    async with page.expect_request("**/live?page=orders**") as asked:
        await page.select_option("#f-ch", "")
    assert held["id"].replace("-", "") in (await asked.value).url
    await expect(page.locator("#list tbody tr")).not_to_have_count(1)
    later = await shop.place()
    await page.locator("#arrivals a").click()
    await expect(page.locator(row_of(later))).to_be_visible()


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


async def test_a_debt_is_written_off_and_a_large_one_waits_for_another_person(shop: Shop, visit: Any) -> None:
    placed = await shop.place(quantity=40, payment_method="terms")
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    tab = await visit()
    page = await tab.open(f"/orders/{placed['number']}")
    await page.locator(".actions a:has-text('Write off')").click()
    await expect(page.get_by_label("Amount")).to_have_value("605.00")
    await page.get_by_label("Amount").fill("5,00")
    await page.get_by_label("Reason").fill("the bank kept a fee")
    await page.keyboard.press("Enter")
    await expect(page.locator(".effects")).to_contain_text("Billing would write off €5.00 of what is owed")
    await expect(page.locator(".effects")).to_contain_text("Billing would still want €600.00")
    await shot(page, "write-off")
    await page.click("button:has-text('Write it off')")
    await expect(page.locator("[data-toasts]")).to_contain_text("It is written off")
    await shop.rest()
    page = await tab.open(f"/orders/{placed['number']}/write-off")
    await page.get_by_label("Reason").fill("insolvent, the administrator pays nothing")
    await page.click("button:has-text('Show what it would do')")
    await page.click("button:has-text('Ask for approval')")
    await expect(page.locator("[data-toasts]")).to_contain_text("The write-off waits until another person approves it.")
    await shop.rest()
    await page.reload()
    await expect(page.locator(".timeline")).to_contain_text("Asked to write off €600.00")
    page = await tab.open("/money/write-offs?state=waiting")
    await page.locator("table a").first.click()
    await expect(page.locator("#h-own")).to_contain_text("another person must approve it")
    await expect(page.locator("button:has-text('Approve the write-off')")).to_have_count(0)
    await shot(page, "write-off-to-approve")
    for path in (page.url.removeprefix(tab.here), f"/orders/{placed['number']}/write-off", "/money/write-offs"):
        page = await tab.open(path)
        for width in (320, 768, 1440):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
