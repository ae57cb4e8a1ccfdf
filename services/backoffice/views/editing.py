"""An order is changed before it is shipped: what is typed of its lines, address, delivery, and the question."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from services.backoffice.columns import parts_in_text
from services.backoffice.pages import Pages
from services.backoffice.views import changes, lines
from services.backoffice.views.lines import Mistyped
from services.backoffice.views.wishes import question

Item = dict[str, Any]
Form = Mapping[str, Any]
SERVICES = ("standard", "express")
WISHED = ("more", "less", "add", "ship_to", "service_level", "ship_complete")
"""What an edit from this page may ask for."""


def kept(line: Item) -> int:
    """Pieces of a line that are not cancelled."""
    return int(line["ordered"]) - int(line["cancelled"])


def of_kits(order: Item) -> dict[int, Item]:
    """The kits of an order by the line that stands for each; `kept`: those of which nothing is cancelled."""
    lines = {line["line_no"]: line for line in order["lines"]}
    found: dict[int, Item] = {}
    for kit in order["kits"]:
        parts = [(lines[of["line_no"]], of["pieces"]) for of in kit["lines"]]
        gone = max(-(-line["cancelled"] // pieces) for line, pieces in parts)
        out = max(-(-line["shipped"] // pieces) for line, pieces in parts)
        found[kit["no"]] = {**kit, "parts": parts, "kept": max(kit["ordered"] - gone, out), "out": out}
    return found


def typed(pages: Pages, order: Item, form: Form) -> Item:
    """The edit as the owner takes it: only what differs from the order. Raises Mistyped."""
    w = pages.words
    wish: Item = {}
    more, less = [], []
    for kit in of_kits(order).values():
        n = lines.pieces(w, str(form.get(f"keep-{kit['no']}", kit["kept"])).strip(), kit["sku"], least=0)
        if n < kit["out"]:
            raise Mistyped(
                w.say("%(sku)s: %(n)s are out already; they can only be returned.", sku=kit["sku"], n=kit["out"])
            )
        wanted = n - kit["kept"]
        for line, pieces in kit["parts"]:
            if wanted > 0:
                more.append({"line_no": line["line_no"], "quantity": wanted * pieces})
            elif left := min(-wanted * pieces, kept(line) - line["shipped"]):
                less.append({"line_no": line["line_no"], "quantity": left})
    for line in order["lines"]:
        if line["kit"] is not None:
            continue
        said = str(form.get(f"keep-{line['line_no']}", kept(line))).strip()
        n = lines.pieces(w, said, line["sku"], least=0)
        if n < line["shipped"]:
            raise Mistyped(
                w.say("%(sku)s: %(n)s are out already; they can only be returned.", sku=line["sku"], n=line["shipped"])
            )
        if n > kept(line):
            more.append({"line_no": line["line_no"], "quantity": n - kept(line)})
        elif n < kept(line):
            less.append({"line_no": line["line_no"], "quantity": kept(line) - n})
    wish |= {"more": more} if more else {}
    wish |= {"less": less} if less else {}
    if add := lines.wanted(w, form, order["currency"]):
        wish["add"] = add
    known = {**order["ship_to"], "street": "\n".join(order["ship_to"]["street"])}
    if (address := changes.typed_address(form)) != changes.typed_address(known):
        wish["ship_to"] = address
    service = str(form.get("service_level", "")).strip()
    if service and service != order["service_level"]:
        wish["service_level"] = service
    if (complete := bool(form.get("ship_complete"))) != order["ship_complete"]:
        wish["ship_complete"] = complete
    if not wish:
        raise Mistyped(w.say("Nothing was changed on this page."))
    return wish


def carried(text: str) -> Item:
    """The edit that a question carries along. Raises ValueError for what is none."""
    wish = json.loads(text)
    if not isinstance(wish, dict) or not wish or set(wish) - set(WISHED):
        raise ValueError("no edit of this page")
    return wish


def form(pages: Pages, order: Item, form: Form, offers: list[Item], error: Item | None) -> Item:
    """The page on which the order is changed, filled with how it is, or with what was typed."""
    w = pages.words
    address = changes.typed_address(form) if form else order["ship_to"]
    services = dict.fromkeys((*SERVICES, order["service_level"], str(form.get("service_level") or "standard")))
    return {
        **changes.address_form(pages, order, address, str(form.get("reason", "")), error),
        "title": w.say("Change order %(number)s", number=order["number"]),
        "back": (where := f"/orders/{quote(order['number'])}"),
        "action": f"{where}/edit",
        "lines": _shown(pages, order, form),
        "new": lines.shown(form),
        "q": str(form.get("q", "")),
        "offers": offers,
        "asked": bool(form.get("q")),
        "services": [(code, w.heard(code)) for code in services],
        "service": form.get("service_level") or order["service_level"],
        "complete": bool(form.get("ship_complete")) if form else order["ship_complete"],
    }


def _shown(pages: Pages, order: Item, form: Form) -> list[Item]:
    """What is changed by a number: each line by its pieces, and each kit as a whole."""
    kits, found = of_kits(order), []
    for line in order["lines"]:
        kit = kits.get(line["line_no"])
        if kit is not None and kit["kept"]:
            parts = parts_in_text({"sku": part["sku"], "pieces": pieces} for part, pieces in kit["parts"])
            state = {name: sum(part[name] for part, _ in kit["parts"]) for name in ("shipped", "released")}
            hint = f"{pages.words.say('Kit of %(parts)s', parts=parts)}; {_hint(pages, state)}"
            shown = {**line, "sku": kit["sku"], "text": kit["text"], "shipped": kit["out"], "kept": kit["kept"]}
            found.append(shown | {"hint": hint})
        elif line["kit"] is None and (kept(line) or line["ordered"] == 0):
            found.append({**line, "kept": kept(line), "hint": _hint(pages, line)})
    return [{**line, "typed": form.get(f"keep-{line['line_no']}", line["kept"])} for line in found]


def _hint(pages: Pages, line: Item) -> str:
    """Where the pieces of a line are, as far as that bounds what can change."""
    w, said = pages.words, []
    if line["shipped"]:
        said.append(w.many("%(n)d shipped", "%(n)d shipped", line["shipped"]))
    if line["released"]:
        said.append(w.many("%(n)d in the warehouse", "%(n)d in the warehouse", line["released"]))
    if not line["shipped"]:
        said.append(w.say("0 takes it out"))
    return ", ".join(said)


def edit_question(
    pages: Pages, number: str, wish: Item, told: Item | None, reason: str, key: str, error: Item | None
) -> Item:
    w = pages.words
    if told is not None and wish.get("less"):
        none = "No invoice and no credit note: what is not out was not invoiced."
        told = {**told, "sentences": [*told["sentences"], none]}
    return {
        **question(pages, number, "edit", told, key, error),
        "title": w.say("Change order %(number)s?", number=number),
        "about": w.say("Stock, money and parcels follow what the order is then."),
        "hidden": [("wish", json.dumps(wish))],
        "reason": reason,
        "button": w.say("Change the order"),
    }
