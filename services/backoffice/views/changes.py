"""Another address, goods that come back: what is typed, as the owner takes it, and the question before it is done."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from services.backoffice.pages import English, Pages
from services.backoffice.views.lines import short
from services.backoffice.views.wishes import question
from services.backoffice.words import N_

Item = dict[str, Any]
Form = Mapping[str, Any]
ADDRESS = (
    ("name", N_("Name"), 200, "name"),
    ("company", N_("Company"), 200, "organization"),
    ("postcode", N_("Postcode"), 20, "postal-code"),
    ("city", N_("City"), 200, "address-level2"),
    ("region", N_("Region"), 200, "address-level1"),
    ("country", N_("Country (two letters)"), 2, "country"),
    ("email", N_("E-mail"), 200, "email"),
    ("phone", N_("Phone"), 50, "tel"),
)
"""Fields of one line: the name, the label, the most characters, and what a browser may fill in."""
STREETS = 5
ERRORS = {"wrong item": N_("Another product was sent"), "wrong address": N_("The address was wrong")}
"""Errors of the shop that goods come back for: how the reason begins, by which reports count them, and its text."""
OUT = ("dispatched", "delivered", "refused")


def typed_address(form: Form) -> Item:
    """The address that was typed; its street may have several lines."""
    address: Item = {name: str(form.get(name, "")).strip()[:most] for name, _, most, _ in ADDRESS}
    address["country"] = address["country"].upper()
    address["street"] = [line.strip() for line in str(form.get("street", "")).splitlines() if line.strip()][:STREETS]
    return address


def address_form(pages: Pages, order: Item, address: Item, reason: str, error: Item | None) -> Item:
    """The page that an address is typed on, filled with the one there is."""
    w = pages.words
    fields = [
        {"name": name, "label": w.say(label), "most": most, "fill": fill, "value": address.get(name, "")}
        for name, label, most, fill in ADDRESS
    ]
    return {
        "title": w.say("Change the address of order %(number)s", number=order["number"]),
        "number": order["number"],
        "back": f"/orders/{quote(order['number'])}",
        "fields": fields,
        "street": "\n".join(address.get("street", ())),
        "reason": reason,
        "error": error,
    }


def address_question(
    pages: Pages, number: str, address: Item, told: Item | None, reason: str, key: str, error: Item | None
) -> Item:
    w = pages.words
    hidden = [(name, address[name]) for name, _, _, _ in ADDRESS]
    return {
        **question(pages, number, "address", told, key, error),
        "title": w.say("Change the address of order %(number)s?", number=number),
        "about": w.say("What is not with the warehouse yet goes to the new address."),
        "hidden": [*hidden, ("street", "\n".join(address["street"]))],
        "reason": reason,
        "button": w.say("Change the address"),
    }


def out(order: Item) -> list[Item]:
    """The parcels that goods can come back of, with what was in each."""
    texts = {line["line_no"]: line["text"] for line in order["lines"]}
    return [
        {
            **shipment,
            "lines": [{**of, "text": texts.get(of["line_no"], "")} for of in shipment["lines"] if of["shipped"]],
        }
        for shipment in order["shipments"]
        if shipment["state"] in OUT
    ]


def typed_pieces(order: Item, form: Form) -> Item:
    """What comes back of one parcel, as the owner takes it. Raises ValueError when it is no number, or nothing."""
    shipment = next((of for of in out(order) if of["shipment_id"] == form.get("shipment_id")), None)
    if shipment is None:
        raise ValueError("no such parcel")
    lines = []
    for line in shipment["lines"]:
        pieces = int(str(form.get(f"back-{line['line_no']}", "0") or "0"))
        if not 0 <= pieces <= line["shipped"]:
            raise ValueError(line["sku"])
        if pieces:
            lines.append({"line_no": line["line_no"], "quantity": pieces})
    if not lines:
        raise ValueError("nothing comes back")
    return {"shipment_id": shipment["shipment_id"], "lines": lines}


def reason_of(w: English, error: str, typed: str) -> str:
    """Why goods come back: the error of the shop, if it was one, then what was typed. Raises Mistyped."""
    said = ": ".join(part for part in (error if error in ERRORS else "", typed.strip()) if part)
    return short(w, said, w.say("Reason"), 200)


def take_back_form(pages: Pages, order: Item, form: Form, error: Item | None) -> Item:
    """The page on which it is typed what comes back, parcel by parcel."""
    return {
        "title": pages.words.say("Take back goods of order %(number)s", number=order["number"]),
        "number": order["number"],
        "back": f"/orders/{quote(order['number'])}",
        "parcels": out(order),
        "errors": [(code, pages.words.say(text)) for code, text in ERRORS.items()],
        "form": dict(form),
        "error": error,
    }


def take_back_question(
    pages: Pages, number: str, wish: Item, told: Item | None, reason: str, key: str, error: Item | None
) -> Item:
    w = pages.words
    pieces = [(f"back-{line['line_no']}", line["quantity"]) for line in wish["lines"]]
    return {
        **question(pages, number, "take-back", told, key, error),
        "title": w.say("Take back goods of order %(number)s?", number=number),
        "about": w.say("The warehouse expects the goods; money follows when they were looked at."),
        "hidden": [("shipment_id", wish["shipment_id"]), *pieces],
        "reason": reason,
        "button": w.say("Expect them back"),
    }
