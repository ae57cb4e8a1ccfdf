"""Every page has its picture in docs/pages.md; most are taken here, with COMPTOIR_SCREENSHOTS=docs/pages."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from playwright.async_api import Browser, expect

from comptoir.staffing import set_account
from services.backoffice.api import ROUTERS
from shared.clock import now
from shared.messaging.bus import arrival_of
from tests.backoffice.browsing import Visitor, shot
from tests.backoffice.mailserver import MailServer
from tests.backoffice.receiver import Receiver, receiver_at, says
from tests.backoffice.shop import ANNA, HASH, PASSWORD, Item, Shop, shop_at
from tests.backoffice.test_every_page import NO_PAGES
from tests.backoffice.test_mails import server, settings_of
from tests.conftest import Databases
from tests.eventually import eventually
from tests.inventory.valuing import value

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
__all__ = ["server"]
DOCS = Path(__file__).parents[2] / "docs"
PRODUCTS = {
    "mug": ("Mug, white", "Delft", "Table"),
    "bowl": ("Bowl, blue", "Delft", "Table"),
    "plate": ("Plate, 27 cm", "Maas", "Table"),
    "lamp": ("Lamp, brass", "Oak & Son", "Light"),
    "candle": ("Candle, beeswax", "Maas", "Light"),
}
PEOPLE = (
    {**ANNA, "name": "Anna de Vries"},
    {**ANNA, "name": "Luc Peeters", "street": ["Meir 12"], "postcode": "2000", "city": "Antwerpen", "country": "BE"},
    {**ANNA, "name": "Greta Wolf", "street": ["Domstr. 4"], "postcode": "50668", "city": "Köln", "country": "DE"},
)
STAFF = (
    ("anna", "Anna Claes", "admin", "support"),
    ("bram", "Bram Willems", "finance"),
    ("pia", "Pia Jansen", "packer", "picker"),
    ("tim", "Tim Bakker", "picker"),
)
FAIR = (
    "external_id;name;street;postcode;city;country;sku;quantity;unit_price\n"
    "FAIR-201;Anna de Vries;Oudegracht 1;3511 AB;Utrecht;NL;mug;12;7,50\nFAIR-201;;;;;;plate;6;\n"
    "FAIR-202;Luc Peeters;Meir 12;2000;Antwerpen;BE;candle;two dozen;\n"
    "FAIR-203;Greta Wolf;Domstr. 4;50668;Köln;Germany;candels;3;\n"
    "FAIR-204;Greta Wolf;Domstr. 4;50668;Köln;DE;lamp;1;79,00\n"
)
"""A file of orders with which something is the matter, too."""
SPRING = (
    "sku;name;category;brand;price;vat_rate\nmug;Mug, white;Table;Delft;8,95;21\nbowl;Bowl, blue;Table;Delft;8,50;21\n"
    "lamp;Lamp, brass;Light;Oak & Son;94,00;21\n"
    "vase;Vase, green;Light;Maas;24,50;21\ncandle;Candle;Light;Maas;8,50;21\n"
    "jug;Jug, 1 l;Table;Delft;nineteen;21\n"
)
"""A file of the catalogue: new, changed and unchanged, and a row that cannot be read."""
PHONE = ("pack", "pack-one", "withdrawal", "customer-decides")
"""Are held in the hand."""
SEEN = {
    "stock": "Lamp, brass", "backorders": "5", "bins": "A-01-3", "bin": "mug", "receive": "PO-21", "adjust": "mug",
    "count": "mug", "pack": "Pack", "pack-one": "mug", "slip": "Pakbon", "shipment": "Handed over",
    "reject": "Stock is looked for", "report-parcel": "The carrier lost it", "returns": "C-",
    "return": "bowls came", "refunds": "€", "acts": "anna", "document-views": "INV-", "saved-views": "Held too long",
    "link": "Show the link", "messages": "is bevestigd", "mails": "no such user", "address": "Köln",
    "take-back": "Mug, white", "hold": "Hold", "withdrawal": "Mug, white", "customer-decides": "Bowl, blue",
    "parked-message": "billing.no_such", "login": "Password", "reports-brands": "Delft",
    "reports-categories": "Table", "reports-outlook": "lamp", "reports-returns": "1",
    "reports-perfect-orders": "Without a fault", "reports-vat": "NL",
    "reports-errors": "wrong item", "reports-backorders": "still wait", "reports-stock-value": "Lamp",
    "reports-cost-of-sales": "Mug", "reports-dead-stock": "Lamp", "costs": "Cost per piece in EUR",
    "resume": "card expired", "match": "Luc Peeters", "payments": "Luc Peeters", "journal": "INV-",
    "products": "Lamp, brass", "products-import": "vat_category", "products-import-one": "nineteen",
    "edit": "Köln", "new-order": "Find a customer", "import": "external_id", "import-one": "Germany",
    "webhooks": "Finance", "webhook": "503", "webhook-delivery": "closed",
    "no-einvoice": "The seller's name", "credit": "open orders included",
    "payouts": "Number of the payout",
    "purchasing": "Delft Pottery", "purchase": "24 of 60 pieces came", "purchase-edit": "Draft PO-",
    "purchase-send": "the customer is told", "purchase-changes": "24 came already",
    "purchase-paper": "Delivery to North", "purchase-mail": "Purchase order PO-",
    "suppliers": "Delft Pottery", "supplier": "Lead time in days",
    "what-to-order": "Bowl, blue", "reorder": "Order up to",
    "transfers": "north → south", "transfer": "6 of 10 pieces are in transit", "transfer-edit": "Draft TR-",
    "transfer-send": "candle: on hand",
}  # fmt: skip
"""What of each page must be in its picture."""


@pytest.fixture(scope="module")
async def shop(databases: Databases, server: MailServer) -> AsyncIterator[Shop]:
    named = {
        "shop_name": "Huis & Haard",
        "time_zone": "Europe/Brussels",
        "webhook_keys": "w" * 32,
        "webhook_inside": True,
    }
    async with shop_at(databases, "pictures", **named, **settings_of(server)) as founded:
        await founded.open(mug=120, bowl=4, plate=60, lamp=9, candle=200)
        items = [{"sku": sku, "name": name} for sku, (name, *_) in PRODUCTS.items()]
        await founded.ask("PUT", "/inventory/items", {"items": items})
        listed = [{"sku": sku, "brand": of[1], "category": of[2]} for sku, of in PRODUCTS.items()]
        await founded.ask("PUT", "/order/products", {"products": listed})
        places = [{"sku": sku, "warehouse": "north", "bin": f"A-0{n}-3"} for n, sku in enumerate(PRODUCTS, 1)]
        await founded.ask("PUT", "/inventory/places", {"places": places})
        yield founded


async def bought(shop: Shop, who: int, days_ago: int = 0, /, more: Item | None = None, **skus: int) -> Item:
    """An order of so many of each."""
    prices = {"mug": "8.50", "bowl": "14.00", "plate": "11.00", "lamp": "89.00", "candle": "4.20"}
    lines = [
        {"sku": sku, "quantity": n, "unit_price": prices[sku], "vat_rate": "21", "text": PRODUCTS[sku][0]}
        for sku, n in skus.items()
    ]
    at = {"placed_at": (now() - timedelta(days=days_ago, hours=3)).isoformat()} if days_ago else {}
    body = {"lines": lines, "ship_to": PEOPLE[who], "customer_id": f"K-{who + 1}", **at, **(more or {})}
    order: Item = await shop.ask("POST", "/order/orders", body)
    await shop.rest()
    return order


async def shipment(shop: Shop, order: Item) -> str:
    return str((await shop.ask("GET", f"/order/orders/{order['id']}"))["shipments"][0]["shipment_id"])


async def delivered(shop: Shop, order: Item) -> str:
    """Shipped and at the customer's."""
    await shop.ship(out := await shipment(shop, order))
    said = {"status": "delivered", "at": now().isoformat()}
    await shop.ask("POST", f"/fulfilment/shipments/{out}/tracking", said)
    await shop.rest()
    return out


async def link(shop: Shop, order: Item) -> str:
    """Where the customer's page of an order is here."""
    html = (await shop.post(f"/orders/{order['number']}/link", {}, status=200)).text
    found = re.search(r'value="https://shop.example(/s/[^"]+)"', html)
    assert found
    return found[1]


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiver_at() as receiver:
        receiver.answers["/finance"] = says(503, "closed until 14:00")
        yield receiver


async def told(shop: Shop, receiver: Receiver) -> tuple[str, str]:
    """Two programs are told of events, one of which takes nothing; the page of that one, and a delivery to it."""
    shops = ["order.confirmed.v1", "shipment.dispatched.v1", "stock.available.v1"]
    for n, (name, kinds) in enumerate({"Web shop": shops, "Finance": ["order.placed.v1", "invoice.issued.v1"]}.items()):
        url = f"{receiver.here}/{name.lower().replace(' ', '-')}"
        form = {"key": str(UUID(int=n + 71)), "name": name, "url": url, "kind": kinds}
        await shop.post("/webhooks", form, status=200)
    await bought(shop, 1, 0, mug=1)
    where = f"/webhooks/{UUID(int=72)}"

    async def tried() -> str:
        page = await shop.page(f"{where}?state=waiting")
        found = re.search(rf'href="({where}/deliveries/[0-9a-f-]+)"', page)
        return found[1] if found and "503" in page else ""

    delivery = await eventually(tried)
    await eventually(lambda: len(receiver.at("/web-shop")) > 1)
    return where, delivery


@pytest.fixture(scope="module")
async def paths(shop: Shop, server: MailServer, receiver: Receiver) -> Mapping[str, str]:
    """A page by the name of its picture, of a shop in which something is the matter everywhere."""
    done = await bought(shop, 0, 9, mug=6, plate=4)
    await bought(shop, 2, 6, lamp=2)
    await bought(shop, 1, 4, candle=24, mug=2)
    waiting = await bought(shop, 1, 0, bowl=9, mug=1)
    held = await bought(shop, 2, 0, {"hold": "address looks wrong"}, plate=6)
    packing = await bought(shop, 0, 0, mug=2, candle=6)
    unpaid = await bought(shop, 1, 3, {"payment_method": "bank_transfer"}, lamp=1)
    await bought(shop, 1, 2, {"payment_method": "terms"}, candle=12)
    limit = {"limit": "750.00", "reason": "pays within a week"}
    await shop.ask("PUT", "/billing/customers/K-2/credit/EUR", limit, who="bram")
    expected = {"warehouse": "north", "reference": "PO-21", "sku": "bowl", "quantity": 40, "expected_on": "2031-03-04"}
    await shop.ask("POST", "/inventory/expected-receipts", expected)
    await shop.ask("POST", f"/fulfilment/shipments/{await shipment(shop, packing)}/pick", {}, who="pia")
    late = await bought(shop, 1, 0, plate=3)
    closed = f"/fulfilment/shipments/{await shipment(shop, late)}"
    await shop.ask("POST", f"{closed}/pick", {}, who="pia")
    await shop.ask("POST", f"{closed}/pack", {"weight_g": 1900}, who="pia")
    out = await delivered(shop, done)
    back = {"shipment_id": out, "lines": [{"line_no": 1, "quantity": 2}], "reason": "wrong item: bowls came"}
    coming = (await shop.ask("POST", f"/order/orders/{done['id']}/returns", back, who="anna"))["return_id"]
    await shop.rest()
    came = {"lines": [{"line_no": 1, "quantity": 1}]}
    await shop.ask("POST", f"/fulfilment/returns/{coming}/receive", came, who="pia")
    await shop.ask("POST", f"/order/orders/{waiting['id']}/hold", {"reason": "customer called"}, who="anna")
    await shop.rest()
    (invoice,) = (await shop.ask("GET", f"/billing/invoices?order_id={done['id']}"))["items"]
    give = {"invoice": invoice["number"], "lines": [{"line_no": 2, "amount": "40.00"}], "reason": "chipped plates"}
    by = {"Idempotency-Key": "a-refund", "X-Actor": "anna"}
    assert (await shop.http.post(f"/billing/orders/{done['id']}/refunds", json=give, headers=by)).status_code < 300
    await shop.page(f"/documents/{invoice['number']}")
    server.refuse = "550 5.1.1 no such user"
    await bought(shop, 2, 0, candle=4)
    server.refuse = ""
    view = {"key": str(UUID(int=1)), "name": "Held too long", "query": "view=verify", "shared": "yes"}
    await shop.post("/orders/views", view)
    running = shop.suite["billing"]
    running.desk.put(arrival_of(running.reader, "billing.no_such.v1", '[{"type": "x"}]', None, None))
    await eventually(running.store.parked_count)
    (message,) = set(re.findall(r'href="(/parked-messages/billing/[0-9a-f-]+)"', await shop.page("/parked-messages")))
    await shop.rest()
    due = (await shop.ask("GET", f"/billing/accounts/{unpaid['id']}"))["due"]
    stray = {"entry_id": "2026-03-02/17", "reference": "thank you", "amount": due, "booked_on": "2026-03-02"}
    await shop.ask("POST", "/billing/bank-entries", stray)
    stuck = await bought(shop, 0, 0, mug=1)
    refused = "update accounts set blocked = 'capture', parked = 'capture 2 was refused 4 times: card expired'"
    await shop.change("billing", f"{refused} where order_id = $1", UUID(stuck["id"]))
    listed = [{"sku": sku, "brand": of[1], "category": of[2], "name": of[0], "price": "8.50", "vat_rate": "21"}
              for sku, of in PRODUCTS.items()]  # fmt: skip
    await shop.ask("PUT", "/order/products", {"products": listed})
    kept = await shop.http.post("/orders/import", files={"file": ("fair-march.csv", FAIR)})
    listing = await shop.http.post("/products/import", files={"file": ("spring.csv", SPRING)})
    number = f"/orders/{done['number']}"
    webhook, delivery = await told(shop, receiver)
    found = {
        "webhooks": "/webhooks", "webhook": webhook, "webhook-delivery": delivery,
        "stock": "/stock", "backorders": "/stock?view=backorders", "bins": "/bins",
        "bin": "/bins/mug?warehouse=north", "receive": "/receive", "adjust": "/adjust?sku=mug",
        "count": "/count?sku=mug", "pack": "/pack", "pack-one": f"/pack/{await shipment(shop, packing)}",
        "shipment": f"/shipments/{out}", "report-parcel": f"/shipments/{await shipment(shop, late)}/report",
        "reject": f"/shipments/{await shipment(shop, packing)}/reject",
        "slip": f"/shipments/{await shipment(shop, packing)}/slip?lang=nl",
        "returns": "/returns", "return": f"/returns/{coming}", "refunds": "/refunds", "acts": "/acts",
        "document-views": "/document-views", "saved-views": "/orders/views?view=late", "link": f"{number}/link",
        "messages": f"{number}/messages", "mails": "/mails", "address": f"/orders/{held['number']}/address",
        "take-back": f"{number}/take-back", "hold": f"/orders/{packing['number']}/hold",
        "edit": f"/orders/{held['number']}/edit", "new-order": "/orders/new",
        "import": "/orders/import", "import-one": kept.headers["location"],
        "products": "/products", "products-import": "/products/import",
        "products-import-one": listing.headers["location"],
        "withdrawal": f"{await link(shop, done)}/return", "customer-decides": await link(shop, waiting),
        "resume": f"/orders/{stuck['number']}/resume", "match": "/money/match?entry=2026-03-02/17",
        "parked-message": message, "login": "/login", "payments": "/money/payments", "journal": "/money/journal",
        "no-einvoice": f"/documents/{invoice['number']}/ubl", "credit": "/customers/K-2/credit",
        "payouts": "/money/payouts",
    }  # fmt: skip
    reports = (
        "brands", "categories", "outlook", "returns", "perfect-orders", "errors", "backorders", "stock-value",
        "cost-of-sales", "dead-stock", "vat",
    )  # fmt: skip
    found |= {f"reports-{what}": f"/reports/{what}" for what in reports}
    return found | await from_suppliers(shop) | await between_warehouses(shop) | await valued(shop)


async def valued(shop: Shop) -> dict[str, str]:
    """What stock is worth: most of what came has a cost, and some of it lies for months."""
    await value(shop.suite["inventory"])
    known = {"mug": "2.35", "bowl": "6.20", "lamp": "41.50"}
    for of in (await shop.ask("GET", "/inventory/arrivals?without_cost=true&limit=200"))["items"]:
        if cost := known.get(of["sku"]):
            named = {name: of[name] for name in ("sku", "arrival", "warehouse", "line_no", "kind")}
            said = {**named, "unit_cost": cost, "reason": "Invoice of Delft Pottery"}
            await shop.ask("POST", "/inventory/cost-changes", said, who="bram")
    await value(shop.suite["inventory"])
    async with shop.suite["inventory"].store.connection() as connection:
        await connection.execute("update costings set received_at = received_at - interval '140 days'")
        await connection.execute("update costings set sold_at = sold_at - interval '130 days' where sku = 'lamp'")
    return {"costs": "/purchasing/costs"}


async def from_suppliers(shop: Shop) -> dict[str, str]:
    """Pages about what is bought: an order of which a part came, a draft that customers wait for, rules."""
    for code, name, days in (("delft", "Delft Pottery", 21), ("lichthuis", "Lichthuis BV", 9)):
        supplier = {"name": name, "email": f"orders@{code}.example", "lead_days": days}
        await shop.ask("PUT", f"/inventory/suppliers/{code}", supplier)
    rules = [
        ("bowl", 12, 60, "delft"),
        ("plate", 70, 150, "delft"),
        ("lamp", 10, 24, "lichthuis"),
        ("mug", 40, 160, "delft"),
    ]
    named = ("sku", "point", "up_to", "supplier")
    put = {"rules": [{**dict(zip(named, rule, strict=True)), "warehouse": "north"} for rule in rules]}
    await shop.ask("PUT", "/inventory/reorder-rules", put)

    async def order(supplier: str, *lines: tuple[str, int, str, str]) -> str:
        bought = [dict(zip(("sku", "quantity", "unit_cost", "expected_on"), line, strict=True)) for line in lines]
        body = {"supplier": supplier, "warehouse": "north", "lines": bought}
        return str((await shop.ask("POST", "/inventory/purchase-orders", body, who="bram"))["number"])

    sent = await order("lichthuis", ("lamp", 12, "41.50", "2031-02-20"), ("candle", 48, "0.85", "2031-02-20"))
    await shop.ask("POST", f"/inventory/purchase-orders/{sent}/send", {}, who="bram")
    came = {"warehouse": "north", "reference": sent, "lines": [{"sku": "candle", "quantity": 24}]}
    await shop.ask("POST", "/inventory/receipts", came, who="pia")
    draft = await order("delft", ("bowl", 30, "6.20", "2031-02-25"), ("mug", 60, "2.35", "2031-02-25"))
    await shop.rest()
    where = "/purchasing"
    return {
        "purchasing": f"{where}?view=all", "purchase": f"{where}/{sent}", "purchase-edit": f"{where}/{draft}/edit",
        "purchase-send": f"{where}/{draft}/send", "purchase-changes": f"{where}/{sent}/changes",
        "purchase-paper": f"{where}/{sent}/paper", "purchase-mail": f"{where}/{sent}/mail",
        "suppliers": f"{where}/suppliers",
        "supplier": f"{where}/suppliers/delft", "what-to-order": f"{where}/what-to-order?all=yes",
        "reorder": f"{where}/reorder/bowl",
    }  # fmt: skip


async def between_warehouses(shop: Shop) -> dict[str, str]:
    """Pages about what goes to another warehouse: a transfer of which a part came, and a draft."""

    async def transfer(*lines: tuple[str, int]) -> str:
        named = [dict(zip(("sku", "quantity"), line, strict=True)) for line in lines]
        body = {"source": "north", "destination": "south", "expected_on": "2031-02-20", "lines": named}
        return str((await shop.ask("POST", "/inventory/transfers", body, who="pia"))["number"])

    await shop.ask("PUT", "/inventory/warehouses/south", {"name": "South", "rank": 900})
    sent = await transfer(("candle", 8), ("mug", 2))
    await shop.ask("POST", f"/inventory/transfers/{sent}/send", {}, who="pia")
    came = {"warehouse": "south", "reference": sent, "lines": [{"sku": "candle", "quantity": 4}]}
    await shop.ask("POST", "/inventory/receipts", came, who="pia")
    draft = await transfer(("candle", 12), ("mug", 5))
    where = "/transfers"
    return {
        "transfers": f"{where}?view=all", "transfer": f"{where}/{sent}", "transfer-edit": f"{where}/{draft}/edit",
        "transfer-send": f"{where}/{draft}/send",
    }  # fmt: skip


async def test_each_page_shows_what_is_in_its_picture(shop: Shop, browser: Browser, paths: Mapping[str, str]) -> None:
    assert paths.keys() == SEEN.keys()
    missing: list[str] = []
    for width, names in ((1280, paths.keys() - set(PHONE)), (390, PHONE)):
        context = await browser.new_context(viewport={"width": width, "height": 800})
        tab = Visitor(await context.new_page(), shop.here)
        for name in sorted(names):
            page = await tab.open(paths[name])
            if SEEN[name] not in await page.inner_text("main") + await page.content():
                missing.append(name)
            if name == "no-einvoice":
                tab.complaints.clear()  # of the answer that is a refusal
            await shot(page, f"{name}-phone" if width == 390 else name)
        assert tab.complaints == []
        await context.close()
    assert not missing


async def test_accounts_are_seen_by_who_is_logged_in(shop: Shop, browser: Browser) -> None:
    """The last ones: with accounts nobody gets in without."""
    for name, shown, *roles in STAFF:
        await set_account(shop.database_url, name, shown, tuple(roles), HASH, True, "anna")
    await set_account(shop.database_url, "tim", "Tim Bakker", ("picker",), "", False, "anna")
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto(f"{shop.here}/login?onward=/staff")
    await page.fill("#name", "anna")
    await page.fill("#password", PASSWORD)
    await page.click("main button[type=submit]")
    await expect(page.locator("main")).to_contain_text("Tim Bakker")
    await shot(page, "staff")
    for path, name, seen in (
        ("/staff/pia", "staff-one", "Take access away"),
        ("/password", "password", "Old password"),
    ):
        await page.goto(f"{shop.here}{path}")
        await expect(page.locator("main")).to_contain_text(seen)
        await shot(page, name)
    await context.close()


def test_every_page_has_a_picture() -> None:
    rows = [line for line in (DOCS / "pages.md").read_text().splitlines() if line.startswith("| `/")]
    shown = {route: re.findall(r"\]\((pages/[^)]+)\)", row) for row in rows for route in re.findall(r"`(/[^`]*)`", row)}
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    pages = {
        route.path.replace(":path", "")
        for route in routes
        if "GET" in route.methods and (not route.path.startswith(NO_PAGES) or route.path == "/s/{token}/stop")
    }
    assert shown.keys() == pages
    pictures = {picture for of in shown.values() for picture in of}
    assert [route for route, of in shown.items() if not of] == []
    assert pictures == {f"pages/{of.name}" for of in (DOCS / "pages").iterdir()}
