"""Every page in a real browser: open to everybody. Each is listed here; test_every_language.py looks at them too."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from fastapi.routing import APIRoute
from playwright.async_api import Browser, expect

from comptoir.staffing import set_account
from services.backoffice.api import ROUTERS
from services.backoffice.languages import LANGUAGES, PSEUDO
from services.backoffice.views.money import TABS
from services.backoffice.views.reports import TITLES
from shared.clock import now
from shared.messaging.bus import arrival_of
from tests.backoffice.browsing import Visitor
from tests.backoffice.shop import ANNA, HASH, Shop, shop_at
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]  # every page, in a browser
PUBLIC = ("customers-page", "customers-return")
"""Are in the customer's language, whoever looks; their phrases have tests of their own."""
NAME = "Wilhelmina van den Heuvel-Oosterhuis"


@pytest.fixture(scope="module")
async def shop(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    languages, module = ",".join((*LANGUAGES, PSEUDO)), request.module.__name__.rpartition(".")[2]
    ways = {"languages": languages, "time_zone": "Europe/Brussels", "webhook_keys": "w" * 32, "webhook_inside": True}
    async with shop_at(databases, module, **ways) as founded:
        await founded.open(mug=1000, cup=0)
        listed = {"sku": "mug", "brand": "K-1", "category": "K-1"}
        await founded.ask("PUT", "/order/products", {"products": [listed]})
        yield founded


@pytest.fixture(scope="module")
async def paths(shop: Shop) -> Mapping[str, str]:
    """Every page by a name, of a shop in which orders stand in every state."""
    found = {"today": "/", "orders": "/orders", "none": "/orders?q=nobody", "pick": "/pick", "pack": "/pack"}
    found |= {"stock": "/stock", "backorders": "/stock?view=backorders", "count": "/stock?view=count"}
    found |= {"product": "/stock/mug", "product-waited-for": "/stock/cup", "returns": "/returns"}
    found |= {f"money-{what}": f"/money/{what}" for what, _ in TABS} | {"document-views": "/document-views"}
    found |= {f"report-{what}": f"/reports/{what}" for what in TITLES} | {"customers": "/customers"}
    found |= {"parked": "/parked-messages", "dropped": "/parked-messages?state=dropped", "login": "/login"}
    found |= {"nowhere": "/nowhere", "receive": "/receive", "adjust": "/adjust", "counting": "/count"}
    found |= {"bins": "/bins", "bin": "/bins/mug?warehouse=north"}
    found |= {"purchasing": "/purchasing?view=all", "suppliers": "/purchasing/suppliers", "buying": "/purchasing/new"}
    found |= {"supplier": "/purchasing/suppliers/K-1", "what-to-order": "/purchasing/what-to-order"}
    found |= {"reorder": "/purchasing/reorder/mug", **await bought(shop), **await moved(shop)}
    found |= {"costs": "/purchasing/costs", "costs-of-one": "/purchasing/costs?sku=mug"}
    found |= {"money": "/money", "reports": "/reports", "acts": "/acts", "paper": "/pick/paper"}
    found |= {"staff": "/staff", "password": "/password", "staff-one": "/staff/K-1"}
    await set_account(shop.database_url, "K-1", "K-1", ("picker",), HASH, False, "K-1")  # an active one closes the shop
    held = await shop.place(hold="fraud check")
    late = await shop.place("cup", 3)
    done = await shop.place(customer_id="K-1", ship_to={**ANNA, "name": NAME}, quantity=3)
    packed = await shop.place(customer_id="K-1", ship_to={**ANNA, "name": NAME})
    unpaid = await shop.place(payment_method="bank_transfer")
    gone = await shop.place()
    for name, order in {"held": held, "late": late, "done": done, "packed": packed, "unpaid": unpaid}.items():
        found[f"order-{name}"] = f"/orders/{order['number']}"
    for act in ("hold", "cancel", "release", "address", "edit", "take-back"):
        found[f"wish-{act}"] = f"/orders/{(done if act == 'take-back' else held)['number']}/{act}"
    await shop.ask("POST", f"/order/orders/{gone['id']}/cancel", {"reason": "K-1"})
    many = "".join(f"&id={order['number']}" for order in (held, late, packed, gone))
    view = {"key": str(UUID(int=1)), "name": "K-1", "query": "view=late&since=2026-03-02", "shared": "yes"}
    await shop.post("/orders/views", view)
    (short,) = set(re.findall(r'href="(/v/\w+)"', await shop.page("/orders/views")))
    found |= {"saved-views": "/orders/views?view=stock&q=K-1", "saved-view": short}
    found |= {f"bulk-{act}": f"/orders/bulk?act={act}{many}" for act in ("hold", "release", "cancel")}
    sheet = "external_id;customer_id;sku;quantity;country\nK-1;K-1;mug;2;NL\nK-2;K-2;mug;two;N-1\n;;mug;1;\n"
    listed = {"sku": "mug", "brand": "K-1", "category": "K-1", "price": "12.50"}
    await shop.ask("PUT", "/order/products", {"products": [listed]})
    kept = await shop.http.post("/orders/import", files={"file": ("K-1.csv", sheet)})
    found |= {"enter": "/orders/new", "import": "/orders/import", "import-one": kept.headers["location"]}
    sheet = "sku;name;price;vat_rate\nmug;K-1;13,00;21\nK-1;K-1;1,50;\nK-2;K-1;K-1;21\n;K-1;1,00;21\n"
    kept = await shop.http.post("/products/import", files={"file": ("K-1.csv", sheet)})
    found |= {"products": "/products", "no-product": "/products?q=nobody", "products-import": "/products/import"}
    found["products-import-one"] = kept.headers["location"]
    found["order-cancelled"] = f"/orders/{gone['number']}"

    async def shipment(order: Mapping[str, Any]) -> str:
        return str((await shop.ask("GET", f"/order/orders/{order['id']}"))["shipments"][0]["shipment_id"])

    await shop.ask("POST", f"/fulfilment/shipments/{await shipment(packed)}/pick", {})
    found["packing"] = f"/pack/{await shipment(packed)}"
    found["slip"] = f"/shipments/{await shipment(packed)}/slip"
    noted = "update shipments set parked = 'K-1' where shipment_id = $1"
    await shop.change("fulfilment", noted, UUID(await shipment(packed)))
    stray = {"entry_id": "K-1/7", "reference": "K-1", "amount": "10.00", "currency": "EUR", "booked_on": "2026-03-02"}
    await shop.ask("POST", "/billing/bank-entries", stray)
    found |= {"match": "/money/match?entry=K-1%2F7", "matching": f"/money/match?entry=K-1%2F7&order={unpaid['number']}"}
    found["resume"] = f"/orders/{packed['number']}/resume"
    found["shipment"] = f"/shipments/{await shipment(packed)}"
    found |= {act: f"{found['shipment']}/{act}" for act in ("reject", "report", "label")}
    out = await shipment(done)
    await shop.ship(out)
    back = {"shipment_id": out, "lines": [{"line_no": 1, "quantity": 2}], "reason": "K-1"}
    coming = (await shop.ask("POST", f"/order/orders/{done['id']}/returns", back))["return_id"]
    await shop.rest()
    came = {"lines": [{"line_no": 1, "quantity": 1}]}
    await shop.ask("POST", f"/fulfilment/returns/{coming}/receive", came)
    await shop.rest()
    found |= {"return": f"/returns/{coming}", "customer": "/customers/K-1"}
    found |= {"credit": "/customers/K-1/credit", "payouts": "/money/payouts"}
    found |= {"messages": f"/orders/{done['number']}/messages", "mails": "/mails"}
    found |= {"link": f"/orders/{done['number']}/link", PUBLIC[0]: await shop.link(done)}
    (invoice,) = (await shop.ask("GET", f"/billing/invoices?order_id={done['id']}"))["items"]
    found["document"] = f"/documents/{invoice['number']}"
    found["no-einvoice"] = f"/documents/{invoice['number']}/ubl"  # nobody said who sells
    give = {"invoice": invoice["number"], "lines": [{"line_no": 1, "amount": "1.00"}], "reason": "K-1"}
    by = {"Idempotency-Key": "K-1-refund", "X-Actor": "K-1"}
    asked = await shop.http.post(f"/billing/orders/{done['id']}/refunds", json=give, headers=by)
    await shop.rest()
    found |= {"refund": f"/orders/{done['number']}/refund", "refunds": "/refunds"}
    found["refund-waiting"] = f"/refunds/{asked.json()['refund_id']}"
    owing = await shop.place(payment_method="terms")
    await shop.ship(await shipment(owing))
    give_up = {"amount": "1.00", "reason": "K-1"}
    by = {"Idempotency-Key": "K-1-write-off", "X-Actor": "K-1"}
    given = await shop.http.post(f"/billing/orders/{owing['id']}/write-offs", json=give_up, headers=by)
    await shop.rest()
    found["write-off"] = f"/orders/{owing['number']}/write-off"
    found["write-off-to-approve"] = f"/orders/{owing['number']}/write-offs/{given.json()['write_off_id']}"
    arrived = {"status": "delivered", "at": now().isoformat()}
    await shop.ask("POST", f"/fulfilment/shipments/{out}/tracking", arrived)
    await shop.rest()
    found[PUBLIC[1]] = f"{found[PUBLIC[0]]}/return"
    nobody = {"key": str(UUID(int=3)), "name": "K-1", "url": "http://127.0.0.1:9/K-1", "kind": ["order.placed.v1"]}
    secret = await shop.post("/webhooks", nobody, status=200)
    assert "whsec_" in secret.text
    waiting = await shop.place()
    where = f"/webhooks/{UUID(int=3)}"

    async def tried() -> str:
        shown = re.search(rf'href="({where}/deliveries/[0-9a-f-]+)"', await shop.page(where))
        return shown[1] if shown and "bad" in await shop.page(shown[1]) else ""

    found |= {"webhooks": "/webhooks", "webhook": where, "webhook-delivery": await eventually(tried)}
    found["picking"] = f"/pick/{await shipment(waiting)}"
    found["picked"] = f"/pick/{out}"
    running = shop.suite["billing"]
    running.desk.put(arrival_of(running.reader, "billing.no_such.v1", '[{"type": "x"}]', None, None))
    await eventually(running.store.parked_count)
    (where,) = set(re.findall(r'href="(/parked-messages/billing/[0-9a-f-]+)"', await shop.page("/parked-messages")))
    return {**found, "message": where}


async def bought(shop: Shop) -> dict[str, str]:
    """A draft, and a purchase order of which something came; a product below its reorder point."""
    await shop.ask("PUT", "/inventory/suppliers/K-1", {"name": "K-1", "email": "k@k.example"})
    rule = {"sku": "cup", "warehouse": "north", "point": 5, "up_to": 50, "supplier": "K-1"}
    await shop.ask("PUT", "/inventory/reorder-rules", {"rules": [rule]})
    line = {"sku": "mug", "quantity": 7, "unit_cost": "2.35", "expected_on": "2026-03-02"}
    order = {"supplier": "K-1", "warehouse": "north", "note": "K-1", "lines": [line]}
    draft, sent = [(await shop.ask("POST", "/inventory/purchase-orders", order))["number"] for _ in range(2)]
    await shop.ask("POST", f"/inventory/purchase-orders/{sent}/send", {})
    came = {"warehouse": "north", "reference": sent, "lines": [{"sku": "mug", "quantity": 2}]}
    await shop.ask("POST", "/inventory/receipts", came)
    pages = {"purchase": sent, "purchase-draft": draft, "purchase-edit": f"{draft}/edit"}
    pages |= {
        "purchase-send": f"{draft}/send",
        "purchase-mail": f"{sent}/mail",
        "purchase-changes": f"{sent}/changes",
        "purchase-paper": f"{sent}/paper",
    }
    return {name: f"/purchasing/{path}" for name, path in (*pages.items(), ("purchase-close", f"{sent}/close"))}


async def moved(shop: Shop) -> dict[str, str]:
    """A draft, and a transfer to another warehouse of which something came."""
    await shop.ask("PUT", "/inventory/warehouses/K-1", {"name": "K-1", "rank": 900})
    lines = [{"sku": "mug", "quantity": 3}]
    body = {"source": "north", "destination": "K-1", "expected_on": "2026-03-02", "note": "K-1", "lines": lines}
    draft, sent = [(await shop.ask("POST", "/inventory/transfers", body))["number"] for _ in range(2)]
    await shop.ask("POST", f"/inventory/transfers/{sent}/send", {})
    came = {"warehouse": "K-1", "reference": sent, "lines": [{"sku": "mug", "quantity": 1}]}
    await shop.ask("POST", "/inventory/receipts", came)
    found = {"transfers": "/transfers?view=all", "moving": "/transfers/new", "transfer": f"/transfers/{sent}"}
    found |= {"transfer-draft": f"/transfers/{draft}", "transfer-edit": f"/transfers/{draft}/edit"}
    return found | {"transfer-send": f"/transfers/{draft}/send", "transfer-close": f"/transfers/{sent}/close"}


NO_PAGES = (
    "/live", "/static", "/orders.csv", "/orders/import/template.csv", "/orders/import/{code}/errors.csv",
    "/products.csv", "/products/import/{code}/errors.csv", "/products/import/{code}/changes.csv", "/stock.csv",
    "/acts.csv", "/reports/{what}.csv", "/documents/{number}/pdf", "/purchasing/{number}/pdf",
    "/s/{token}/documents/{number}", "/s/{token}/stop", "/login/provider",
)  # fmt: skip


async def test_no_page_is_left_out(paths: Mapping[str, str]) -> None:
    opened = [path.partition("?")[0] for path in paths.values()]
    for route in (route for router in ROUTERS for route in router.routes):
        assert isinstance(route, APIRoute)
        if "GET" in route.methods and not route.path.startswith(NO_PAGES):
            known = any(route.path_regex.match(path) for path in opened)
            assert known, f"{route.path} is not among the paths above: add one, so that it is looked at"


async def tab(browser: Browser, shop: Shop, language: str, **settings: Any) -> Visitor:
    """A tab, as wide as a phone, in which somebody chose this language."""
    context = await browser.new_context(viewport={"width": 320, "height": 800}, **settings)
    await context.add_cookies([{"name": "comptoir-language", "value": language, "url": shop.here}])
    return Visitor(await context.new_page(), shop.here)


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "de")])
async def test_every_page_is_open_to_everybody(
    shop: Shop, browser: Browser, paths: Mapping[str, str], scheme: str, language: str
) -> None:
    """axe finds nothing, at the desk and on the phone, with the list of keys open too."""
    wrong: list[str] = []

    async def look(name: str) -> None:
        for broken in await page.evaluate("axe.run({resultTypes: ['violations']}).then((found) => found.violations)"):
            nodes = [node["html"][:160] for node in broken["nodes"][:3]]
            wrong.append(f"{name} at {page.viewport_size}, {broken['impact']}: {broken['id']}: {nodes}")

    # axe is a script of the test, which the policy of the pages refuses like any other that is not theirs
    visitor = await tab(browser, shop, language, color_scheme=scheme, bypass_csp=True)
    for name, path in paths.items():
        page = await visitor.open(path)
        await page.evaluate(AXE_SCRIPT)
        for width in (1280, 320):
            await page.set_viewport_size({"width": width, "height": 800})
            await look(f"{name} ({path})")
        if name == "orders":
            await page.keyboard.press("?")
            await expect(page.locator("#keys")).to_be_visible()
            await look("the list of keys")
    await visitor.page.context.close()
    assert not wrong, "\n".join(wrong)
