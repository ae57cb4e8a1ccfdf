"""What services really answer: recorded in one story, kept beside each service, shown in its OpenAPI as examples."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.inventory.valuing import value
from tests.journeys.town import ANNA, Town

ROOT = Path(__file__).resolve().parents[2]
DAYS = "since=2026-01-01&until=2100-01-01"
MOST = 2
"""Entries of a list that an example shows."""

Answers = dict[str, dict[str, Any]]
"""By operation ("GET /orders") and status."""


def file_of(service: str) -> Path:
    return ROOT / "services" / service / "answers.json"


class Recorder:
    """Listens to the answers of one service, and keeps for each operation the one that says most."""

    def __init__(self, service: str, described: dict[str, Any]) -> None:
        self.service = service
        self.patterns = sorted(
            (
                (re.compile(re.sub(r"\\{sku\\}", ".+", re.sub(r"\\{(?!sku)\w+\\}", "[^/]+", re.escape(path)))), path)
                for path in described["paths"]
            ),
            key=lambda each: (each[1].count("{"), -len(each[1]), each[1]),  # a SKU may have slashes
        )
        self.answers: Answers = {}

    async def __call__(self, response: httpx.Response) -> None:
        await response.aread()
        if response.status_code >= 300 or not response.headers.get("content-type", "").startswith("application/json"):
            return
        path = next((path for pattern, path in self.patterns if pattern.fullmatch(response.request.url.path)), None)
        if path is None:
            return
        body = shortened(response.json())
        known = self.answers.setdefault(f"{response.request.method} {path}", {})
        status = str(response.status_code)
        if status not in known or len(list(paths(body))) > len(list(paths(known[status]))):
            known[status] = body


def shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [shortened(each) for each in value[:MOST]]
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    return value


def paths(value: Any, at: str = "") -> Iterator[str]:
    """Every field of an answer by its path, the entries of a list as one."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield f"{at}.{name}"
            yield from paths(each, f"{at}.{name}")
    elif isinstance(value, list):
        yield from dict.fromkeys(path for each in value for path in paths(each, f"{at}[]"))


async def story(town: Town) -> None:
    """Everything that can be asked of the suite: sold, sent, returned, refunded, waited for, cancelled, edited."""
    await town.opens(products=("mug", "pot"), south=3)
    await town.ask("order", "PUT", "/channels/web", {"name": "Web shop"})
    await town.ask("order", "PUT", "/customers", {"customers": [{"customer_id": "ben", "name": "Ben"}]})
    await town.ask(
        "order", "PUT", "/customers/anna", {"name": "Anna", "email": "anna@example.org", "addresses": [ANNA]}
    )
    await town.ask("order", "PUT", "/products/mug", {"name": "Blue mug", "price": "12.50", "vat_rate": "20"})
    parts = [{"sku": "mug", "pieces": 1}, {"sku": "pot", "pieces": 1}]
    await town.ask(
        "order",
        "PUT",
        "/products/duo",
        {"name": "Mug and pot", "price": "22.00", "vat_rate": "20", "components": parts},
    )
    changed = {"products": [{"sku": "mug", "price": "13.00"}, {"sku": "jug", "price": "9.00", "vat_rate": "20"}]}
    await town.do("order", "/products/batch/preview", changed)
    await town.ask("inventory", "PUT", "/items/mug", {"name": "Blue mug", "lead_days": 7})
    await town.ask("inventory", "PUT", "/places", {"places": [{"sku": "mug", "warehouse": "north", "bin": "B-04-12"}]})
    placement = {"sku": "mug", "warehouse": "north", "bin": "B-04-12", "barcode": "4006381333931"}
    await town.do("inventory", "/placements", placement)
    expected = {"warehouse": "north", "reference": "PO-77", "sku": "pot", "quantity": 40}
    await town.do("inventory", "/expected-receipts", {**expected, "expected_on": "2027-03-01"})

    await town.ask("inventory", "PUT", "/suppliers/mugs", {"name": "Mugs & Co", "email": "orders@mugs.example"})
    line = {"sku": "mug", "quantity": 40, "unit_cost": "2.35", "expected_on": "2027-03-01"}
    bought = {"supplier": "mugs", "warehouse": "north", "note": "by lorry", "lines": [line]}
    for act, body in (("cancel", {"reason": "bought elsewhere"}), ("close", {"reason": "sold out"})):
        number = (await town.do("inventory", "/purchase-orders", bought))["number"]
        of = f"/purchase-orders/{number}"
        await town.ask("inventory", "PUT", of, {**bought, "lines": [line, {**line, "sku": "pot"}]})
        change = {"changes": [{"sku": "mug", "expected_on": "2027-03-15"}]}
        for step, said in (("send", {}), ("changes", change)):
            for path in (f"{step}/preview", step):
                await town.do("inventory", f"{of}/{path}", said)
        if act == "close":
            came = {"warehouse": "north", "reference": number, "lines": [{"sku": "mug", "quantity": 1}]}
            await town.do("inventory", "/receipts", came)
        for path in (f"{act}/preview", act):
            await town.do("inventory", f"{of}/{path}", body)

    rule = {"sku": "mug", "warehouse": "south", "point": 50, "up_to": 90, "supplier": "mugs"}
    await town.ask("inventory", "PUT", "/reorder-rules", {"rules": [rule]})
    (advised,) = (await town.get("inventory", "/reorder-advice"))["items"]
    await town.get("inventory", "/reorder-rules/mug")
    drafts = {"lines": [{name: advised[name] for name in ("sku", "warehouse", "quantity", "version")}]}
    await town.do("inventory", "/reorder-advice/drafts", drafts)

    move = {"source": "north", "destination": "south", "expected_on": "2027-03-01", "note": "with the van"}
    line = {"sku": "mug", "quantity": 2}
    for act, said in (("cancel", {"reason": "not needed"}), ("close", {"reason": "broke on the way"})):
        number = (await town.do("inventory", "/transfers", {**move, "lines": [line]}))["number"]
        transfer = f"/transfers/{number}"
        await town.ask("inventory", "PUT", transfer, {**move, "lines": [line, {**line, "sku": "pot"}]})
        if act == "close":
            await town.do("inventory", f"{transfer}/send/preview", {})
            await town.do("inventory", f"{transfer}/send", {})
            came = {"warehouse": "south", "reference": number, "lines": [{"sku": "mug", "quantity": 1}]}
            await town.do("inventory", "/receipts", came)
        await town.do("inventory", f"{transfer}/{act}", said)

    receipt = {"warehouse": "north", "reference": "PO-77", "lines": [{"sku": "pot", "quantity": 2}]}
    await town.do("inventory", "/receipts/preview", receipt)
    count = {"warehouse": "south", "reference": "C-1", "reason": "yearly count", "sku": "mug", "counted": 4}
    for path in ("counts/preview", "counts"):
        await town.do("inventory", f"/{path}", count)

    order = await town.place({"mug": 2, "pot": 1, "post": 1, "duo": 1}, customer_id="anna", external_id="2026-000123")
    lines = [{"sku": "mug", "quantity": 1}]
    batch = [{"order_id": "0198a1b2-0000-7000-8000-000000000001", "ship_to": ANNA, "lines": lines}]
    await town.do("order", "/orders/batch/preview", {"orders": batch})
    await town.do("order", "/orders/batch", {"orders": batch})
    for path in ("cancel/preview", "cancel"):
        await town.do("order", f"/orders/{batch[0]['order_id']}/{path}", {"reason": "changed my mind"})
    shipment = await town.shipment(order)
    await town.get("fulfilment", "/pick-list?warehouse=north")
    await town.send_and_deliver(shipment)
    wish = {"shipment_id": shipment, "lines": [{"line_no": 1, "quantity": 1}], "reason": "does not fit"}
    await town.get("order", f"/orders/{order}/withdrawal")
    await town.do("order", f"/orders/{order}/returns/preview", {**wish, "withdrawal": True})
    await town.do("billing", f"/orders/{order}/returns/preview", {"shipment_id": shipment, "lines": wish["lines"]})
    parcel = await town.return_goods(order, shipment, {1: 1})
    await town.takes_back(parcel, {1: 1})

    invoice = (await town.get("billing", f"/invoices?order_id={order}"))["items"][0]["number"]
    gift = {"invoice": invoice, "lines": [{"line_no": 1, "amount": "2.50"}], "reason": "a scratch"}
    roles = {"X_Roles": "support"}
    shown = await town.do("billing", f"/orders/{order}/refunds/preview", gift, **roles)
    await town.do("billing", f"/orders/{order}/refunds", {**gift, "quote": shown["quote"]}, **roles)
    for path in ("approve/preview", "approve", "refuse"):
        asked = await town.do("billing", f"/orders/{order}/refunds", gift, X_Roles="packer")
        where = f"/orders/{order}/refunds/{asked['refund_id']}/{path}"
        said = {"reason": "it was no scratch"} if path == "refuse" else {"note": "fair"}
        await town.do("billing", where, said, X_Actor="flo", X_Roles="finance")
    refund = asked["refund_id"]

    second = await town.place({"pot": 40}, ship_complete=True)
    await town.do("order", f"/orders/{second}/edit/preview", {"priority": 5, "reason": "a wedding"})
    await town.edit(second, priority=5, reason="a wedding")
    await town.do("order", f"/orders/{second}/accept-date")
    await town.do("order", f"/orders/{second}/hold/preview", {"reason": "fraud check"})
    await town.hold(second)
    await town.do("order", f"/orders/{second}/release/preview", {"reason": "fraud check"})
    await town.release(second)

    third = await town.place({"mug": 1}, payment_token="tok_decline")
    await town.pay_again(third)
    await town.reject(await town.shipment(third), "closed")
    fourth = await town.place({"mug": 1}, payment_method="cash_on_delivery")
    cash = await town.shipment(fourth)
    await town.send_and_deliver(cash)
    await town.remit(fourth, cash, "5.00")
    payout = {"reference": "PAYOUT-7", "parcels": [{"order_id": fourth, "shipment_id": cash, "amount": "10.00"}]}
    for path in ("batch/preview", "batch"):
        await town.do("billing", f"/cash-remittances/{path}", payout)
    fifth = await town.place({"mug": 1}, payment_method="bank_transfer")
    await town.transfer(fifth, "15.00")
    await town.do("billing", "/bank-entries", {"entry_id": "e-9", "amount": "7.00", "booked_on": "2026-03-02"})
    sixth = await town.place({"mug": 1}, payment_method="terms")
    await town.send_and_deliver(await town.shipment(sixth))
    debt, flo = {"amount": "1.00", "reason": "insolvent"}, {"X_Actor": "flo", "X_Roles": "finance"}
    shown = await town.do("billing", f"/orders/{sixth}/write-offs/preview", debt, **flo)
    await town.do("billing", f"/orders/{sixth}/write-offs", {**debt, "quote": shown["quote"]}, **flo)
    for path in ("approve", "refuse"):
        asked = await town.do("billing", f"/orders/{sixth}/write-offs", debt, X_Roles="packer")
        said = {"reason": "it was paid"} if path == "refuse" else {"note": "as agreed"}
        await town.do("billing", f"/orders/{sixth}/write-offs/{asked['write_off_id']}/{path}", said, **flo)
    written_off = asked["write_off_id"]
    limit = {"limit": "2500.00", "reason": "pays within a week"}
    await town.ask("billing", "PUT", "/customers/anna/credit/EUR", limit, X_Actor="flo")
    lost = await town.place({"mug": 1})
    gone = await town.shipment(lost)
    await town.send(gone)
    await town.track(gone, "lost")
    missing = str((await town.order(lost))["returns"][0]["return_id"])
    await town.do("fulfilment", f"/returns/{missing}/close", {"claimed": True})
    credit = {"reference": "C536379", "customer_id": "anna", "amount": "27.50", "reason": "discount"}
    credit |= {"lines": [{"sku": "D", "quantity": 1, "unit_price": "27.50"}]}  # type: ignore[dict-item]
    for _ in range(2):
        await town.do("billing", "/credits", credit)

    place = {"warehouse": "south", "reference": "ADJ-3"}
    lines = [{"sku": "mug", "quantity": 1}]
    for path in ("adjustments/preview", "adjustments"):
        await town.do("inventory", f"/{path}", {**place, "reason": "found behind the shelf", "lines": lines})
    await town.do("inventory", "/counts", {**place, "reason": "spot check", "sku": "pot", "counted": 0})

    await value(town.suite["inventory"])
    arrival = (await town.get("inventory", "/arrivals?sku=pot&without_cost=true"))["items"][0]
    named = {name: arrival[name] for name in ("sku", "arrival", "warehouse", "line_no", "kind")}
    said = {**named, "unit_cost": "3.10", "reason": "The supplier's invoice came."}
    await town.do("inventory", "/cost-changes", said)
    await value(town.suite["inventory"])

    number = (await town.order(order))["number"]
    looks: dict[str, tuple[str, ...]] = {
        "order": (
            "/orders", f"/orders/by-number/{number}", "/products", "/products/duo",
            "/products/mug/history", "/product-changes", "/customers", "/customers/anna",
            "/channels", "/channels/web", f"/orders/summaries?id={order}&id={second}", f"/orders/{order}/history",
            f"/orders/{order}", f"/orders/{second}",
        ),
        "inventory": (
            "/items", "/items/mug", "/warehouses", "/warehouses/north", "/stock", "/stock/pot", "/movements",
            "/expected-receipts", "/codes?code=B-04-12", "/placements",
            "/places/search?warehouse=north&search=mug", "/places?warehouse=north&sku=mug",
            "/availability?sku=mug&sku=pot", f"/orders/{order}", f"/orders/{second}",
            "/backorders", "/suppliers", "/suppliers/mugs", "/purchase-orders", of, f"{of}/history",
            "/transfers", transfer, f"{transfer}/history",
            "/stock-value", "/stock-value/total", f"/cost-of-sales?{DAYS}", f"/cost-of-sales/total?{DAYS}",
            "/dead-stock?days=1&cover=1", "/arrivals?sku=pot", "/cost-changes",
        ),
        "fulfilment": (
            "/shipments", f"/shipments/{shipment}", "/returns", f"/returns/{parcel}",
        ),
        "billing": (
            f"/accounts/{order}", "/invoices", "/credit-notes", "/payments", "/bank-entries", "/credits", "/ledger",
            "/trial-balance", "/vat", "/open-items", "/refunds", f"/orders/{order}/refundable",
            "/customers/anna/credit",
            f"/orders/{order}/refunds/{refund}", "/write-offs", f"/orders/{sixth}/write-offs/{written_off}",
        ),
    }  # fmt: skip
    for service, asked in looks.items():
        for path in asked:
            await town.get(service, path)
    for kind in ("invoices", "credit-notes"):
        found = (await town.get("billing", f"/{kind}?order_id={order}"))["items"]
        await town.get("billing", f"/{kind}/{found[0]['number']}")


def text_of(answers: Answers) -> str:
    return json.dumps(dict(sorted(answers.items())), indent=1, ensure_ascii=False) + "\n"
