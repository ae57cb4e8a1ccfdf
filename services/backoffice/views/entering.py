"""An order that a clerk takes by phone or at the counter: who, what, where to, how paid; and the question."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from services.backoffice.columns import in_plain
from services.backoffice.owners import Owners
from services.backoffice.pages import METHODS, English, Pages
from services.backoffice.views import changes, lines
from services.backoffice.views.cells import Cell, Column, Table, address
from services.backoffice.views.editing import SERVICES

Item = dict[str, Any]
Form = Mapping[str, Any]
PAID = ("bank_transfer", "cash_on_delivery", "terms")
"""How such an order may be paid: a card is entered by its owner, at the provider."""
FOUND = 8
FIELDS = ("order_id", "channel", "external_id", "customer_id", "currency", "prices_include_vat", "payment_method",
          "ship_to", "lines", "ship_complete", "service_level", "hold", "expected_gross")  # fmt: skip
"""What an order of this page may say."""


async def customers(owners: Owners, who: str) -> list[Item]:
    """Customers that a search finds by the beginning of their number, a part of the name, or the e-mail."""
    if not who:
        return []
    found = (await owners.get("order", "/customers", search=who, limit=FOUND))["items"]
    return [
        {
            "id": of["customer_id"],
            "name": of["name"] or of["customer_id"],
            "sub": ", ".join(filter(None, (of["customer_id"], of["email"], _town(of["addresses"])))),
        }
        for of in found
    ]


def _town(addresses: list[Item]) -> str:
    return " ".join(filter(None, (addresses[0]["postcode"], addresses[0]["city"]))) if addresses else ""


async def chosen(owners: Owners, form: Form, customer_id: str) -> Item:
    """The form with this customer and their first address. Raises Said for one that is not there."""
    found = dict(await owners.get("order", f"/customers/{quote(customer_id, safe='')}"))
    to: Item = found["addresses"][0] if found["addresses"] else {}
    to = {**{name: "" for name, *_ in changes.ADDRESS}, **to}
    filled = {name: str(to[name]) for name, *_ in changes.ADDRESS} | {"street": "\n".join(to.get("street", ()))}
    filled["name"] = filled["name"] or found["name"]
    filled["email"] = filled["email"] or found["email"]
    return {**form, **filled, "customer_id": customer_id, "who": "", "keep": ""}


def typed(pages: Pages, form: Form, order_id: str) -> Item:
    """The order as its service takes it. Raises Mistyped."""
    w = pages.words
    currency = lines.text(w, form, "currency", w.say("Currency"), 3).upper() or "EUR"
    wanted = lines.wanted(w, form, currency)
    if not wanted:
        raise lines.Mistyped(w.say("Add at least one product."))
    method = str(form.get("method", ""))
    if method not in PAID:
        raise lines.Mistyped(w.say("Choose how it is paid."))
    return {
        "order_id": order_id,
        "channel": lines.text(w, form, "channel", w.say("Channel"), 64) or "phone",
        "external_id": lines.text(w, form, "external_id", w.say("Their reference"), 200),
        "customer_id": lines.text(w, form, "customer_id", w.say("Customer"), 64),
        "currency": currency,
        "prices_include_vat": bool(form.get("prices_include_vat")),
        "payment_method": method,
        "ship_to": changes.typed_address(form),
        "lines": wanted,
        "ship_complete": bool(form.get("ship_complete")),
        "service_level": str(form.get("service_level", "")).strip() or "standard",
        "hold": lines.text(w, form, "hold", w.say("Hold it at first, because"), 200),
    }


def carried(text: str) -> tuple[Item, bool]:
    """The order that a question carries along, and whether its customer is new. Raises ValueError for what is none."""
    said = json.loads(text)
    order = said.get("order") if isinstance(said, dict) else None
    if not isinstance(order, dict) or set(order) - set(FIELDS) or not isinstance(order.get("ship_to"), dict):
        raise ValueError("no order of this page")
    return order, bool(said.get("new"))


def again(order: Item, new: bool) -> Item:
    """The form that such an order came from."""
    to = order["ship_to"]
    form: Item = {name: to.get(name, "") for name, *_ in changes.ADDRESS} | {"street": "\n".join(to.get("street", ()))}
    names = ("channel", "external_id", "customer_id", "currency", "service_level", "hold")
    form |= {name: order.get(name, "") for name in names}
    form |= {"method": order["payment_method"], "keep": "yes" if new else ""}
    form["customer_id"] = "" if new else form["customer_id"]
    form |= {name: "yes" if order.get(name) else "" for name in ("prices_include_vat", "ship_complete")}
    for n, line in enumerate(order["lines"]):
        form |= {
            f"sku-{n}": line["sku"],
            f"pieces-{n}": str(line["quantity"]),
            f"price-{n}": line.get("unit_price", ""),
        }
    return form


def customer(order: Item) -> Item:
    """The new customer of such an order, as the order service keeps them."""
    to = order["ship_to"]
    return {"name": to["name"] or to["company"], "email": to["email"], "addresses": [to]}


def page(
    pages: Pages, form: Form, people: list[Item], offers: list[Item], error: Item | None, placed: str = ""
) -> Item:
    """The page on which an order is typed; `placed`: the number of the one before."""
    w = pages.words
    new = not form
    services = dict.fromkeys((*SERVICES, str(form.get("service_level") or "standard")))
    return {
        "fields": [
            {"name": name, "label": w.say(label), "most": most, "value": form.get(name, "")}
            for name, label, most, _ in changes.ADDRESS
        ],
        "street": form.get("street", ""),
        "customer_id": form.get("customer_id", ""),
        "keep": new or bool(form.get("keep")),
        "who": form.get("who", ""),
        "people": people,
        "sought": bool(form.get("who")),
        "q": form.get("q", ""),
        "offers": offers,
        "asked": bool(form.get("q")),
        "new": lines.shown(form),
        "methods": [(code, w.say(METHODS[code])) for code in PAID],
        "method": form.get("method", PAID[0]),
        "services": [(code, w.heard(code)) for code in services],
        "service": form.get("service_level") or "standard",
        "complete": bool(form.get("ship_complete")),
        "inclusive": bool(form.get("prices_include_vat")),
        "channel": form.get("channel", "phone"),
        "currency": form.get("currency", "EUR"),
        "external_id": form.get("external_id", ""),
        "hold": form.get("hold", ""),
        "placed": placed,
        "placed_href": f"/orders/{quote(placed)}" if placed else "",
        "error": error,
    }


def question(pages: Pages, order: Item, new: bool, told: Item | None, key: str, error: Item | None) -> Item:
    """The page that shows what is placed. `told`: what its service says that it would be; None: not known."""
    w = pages.words.within(order["currency"])
    if told is not None:
        order = {**order, "expected_gross": told["gross"]}
    sums = []
    if told is not None:
        sums = [
            (w.say("Without VAT"), w.money(Decimal(told["net"])), ""),
            (w.say("VAT"), w.money(Decimal(told["vat"])), ""),
            (w.say("To pay, VAT included"), w.money(Decimal(told["gross"])), "sum"),
        ]
    speed = w.heard(order["service_level"])
    return {
        "title": w.say("Place this order?"),
        "known": told is not None,
        "key": key,
        "carried": json.dumps({"order": order, "new": new}),
        "table": _lines(w, order, told),
        "sums": sums,
        "address": address((told or order)["ship_to"]),
        "facts": [
            (w.say("Customer"), _customer(w, order, new)),
            (w.say("Paid by"), w.say(METHODS[order["payment_method"]])),
            (w.say("Delivery"), w.say("%(speed)s, in one parcel", speed=speed) if order["ship_complete"] else speed),
            (w.say("Channel"), order["channel"]),
            *([(w.say("Their reference"), order["external_id"])] if order["external_id"] else []),
        ],
        "holds": [w.heard(hold) for hold in (told or {}).get("holds", ())],
        "error": error,
    }


def _customer(w: English, order: Item, new: bool) -> str:
    if new:
        return w.say("new, with the number %(number)s", number=order["customer_id"])
    return order["customer_id"] or w.say("without a number")


def _lines(w: English, order: Item, told: Item | None) -> Table:
    columns = (
        Column(w.say("Product")), Column(w.say("Pieces"), True), Column(w.say("Price of a piece"), True),
        Column(w.say("Sum"), True),
    )  # fmt: skip
    if told is None:
        rows = [[Cell(of["sku"]), Cell(w.number(of["quantity"])), Cell(""), Cell("")] for of in order["lines"]]
        return Table(w.say("Lines of the order"), columns, rows)
    rows = [
        [
            Cell(of["text"] or of["sku"], sub=_sub(w, of)),
            Cell(w.number(of["quantity"])),
            Cell(w.price(Decimal(of["unit_price"]))),
            Cell(w.money(Decimal(of["amount"]))),
        ]
        for of in told["lines"]
    ]  # fmt: skip
    return Table(w.say("Lines of the order"), columns, rows)


def _sub(w: English, of: Item) -> str:
    return f"{of['sku']} · {w.say('VAT %(rate)s', rate=w.percent(Decimal(of['vat_rate'])))}"


def faults(w: English, refused: Mapping[str, Any]) -> str:
    """What is wrong with an order, each fault once, with the field where it is one of the form."""
    labels = {name: w.say(label) for name, label, *_ in changes.ADDRESS} | {"currency": w.say("Currency")}
    said = []
    for error in refused.get("errors") or ({"message": refused["title"]},):
        label = labels.get(error.get("pointer", "").rpartition("/")[2], "")
        text = w.heard(w.say(in_plain(error["message"])))
        said.append(f"{label}: {text}" if label else text)
    return " ".join(dict.fromkeys(said))
