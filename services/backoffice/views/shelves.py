"""Work on the shelves: goods that came in, corrections, counts. Typed, shown with what it would do, then booked."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.views import scanning
from services.backoffice.views.lines import Mistyped
from services.backoffice.views.lines import text as typed_text
from shared.clock import now

Item = dict[str, Any]
Form = Mapping[str, Any]
MOST = 200
"""Lines of one delivery on a page."""
NAMED = 20
"""Orders that a question names; of more it says how many."""
PATHS = {"receive": "receipts", "adjust": "adjustments", "count": "counts"}
"""What the owner calls each act."""


async def warehouses(owners: Owners) -> list[Item]:
    """Code and name of each warehouse. Raises Away or Said."""
    return list((await owners.get("inventory", "/warehouses", limit=100))["items"])


async def expected(owners: Owners, warehouse: str, reference: str) -> list[Item]:
    """Lines of purchase orders that have not come in full, by order and warehouse, the earliest day first."""
    said = await owners.get(
        "inventory", "/expected-receipts", warehouse=warehouse, reference=reference, limit=MOST,
        all="true" if reference else None,
    )  # fmt: skip
    orders: dict[tuple[str, str], Item] = {}
    for line in said["items"]:
        key = (line["reference"], line["warehouse"])
        day = line["expected_on"]
        head = {"expected_on": day, "late": date.fromisoformat(day) < now().date(), "lines": [], "due": 0}
        of = orders.setdefault(key, {"reference": key[0], "warehouse": key[1], **head})
        due = max(0, line["quantity"] - line["received"])
        of["lines"].append({**line, "due": due})
        of["due"] += due
    return list(orders.values())


async def receive_page(owners: Owners, form: Form, error: Item | None) -> Item:
    """What is expected, and the form of one delivery: of a purchase order, or of anything. Raises Away or Said."""
    warehouse, reference = str(form.get("warehouse", "")), str(form.get("reference", ""))
    places, orders = await asyncio.gather(warehouses(owners), expected(owners, "", ""))
    lines: list[Item] = []
    if reference:
        chosen = await expected(owners, warehouse, reference)
        lines = chosen[0]["lines"] if chosen else []
        warehouse = warehouse or (chosen[0]["warehouse"] if chosen else "")
    typed, known = dict(typed_lines(form)), {line["sku"] for line in lines}
    codes = await codes_of(owners, warehouse or (places[0]["code"] if places else ""), [*known, *filter(None, typed)])
    more = [(sku, pieces, codes.get(sku, [])) for sku, pieces in typed_lines(form) if sku not in known]
    return {
        "warehouses": places,
        "orders": orders,
        "warehouse": warehouse,
        "reference": reference,
        "lines": [{**line, "typed": typed.get(line["sku"], ""), "codes": codes.get(line["sku"], [])} for line in lines],
        "more": [*more, *[("", "", [])] * (1 if lines else max(1, 3 - len(more)))],
        "error": error,
    }


async def codes_of(owners: Owners, warehouse: str, skus: Sequence[str]) -> dict[str, list[str]]:
    """What may be scanned for each of these SKUs that is known. Raises Away or Said."""
    if not warehouse or not skus:
        return {}
    return {sku: scanning.codes(of) for sku, of in (await scanning.placed(owners, warehouse, skus)).items()}


async def count_page(owners: Owners, form: Form, error: Item | None) -> Item:
    """The form of a count, which does not say what the books say. Raises Away or Said."""
    places, sku = await warehouses(owners), str(form.get("sku", ""))
    codes = await codes_of(owners, places[0]["code"] if places else "", [sku] if sku else [])
    return {"warehouses": places, "form": form, "error": error, "codes": codes.get(sku, [])}


def one_more(form: Item, product: Item) -> int:
    """Counts a scanned piece in the form of a delivery: one more of the line that has it, or a new line. Gives n.

    Raises LookupError when no line is left for it.
    """
    rows = [n for n in range(MOST) if f"sku-{n}" in form]
    mine = [n for n in rows if scanning.same(str(form[f"sku-{n}"])) in scanning.codes(product)]
    free = [n for n in range(MOST) if not str(form.get(f"sku-{n}", "")).strip()]
    if not mine and not free:
        raise LookupError("no line is left")
    n = (mine or free)[0]
    counted = pieces_in(form.get(f"pieces-{n}")) + 1
    form |= {f"sku-{n}": product["sku"], f"pieces-{n}": str(counted)}
    return counted


def pieces_in(typed: object) -> int:
    """What stands in a field of pieces so far; what is no number is none."""
    text = str(typed or "").strip()
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def typed_lines(form: Form) -> list[tuple[str, str]]:
    """(SKU, what was typed as pieces) of each line of the form that names one of them."""
    found = []
    for n in range(MOST):
        if f"sku-{n}" in form:
            sku, pieces = str(form[f"sku-{n}"]).strip(), str(form.get(f"pieces-{n}", "")).strip()
            if sku or pieces:
                found.append((sku, pieces))
    return found


def receipt(w: English, form: Form) -> Item:
    """A delivery as the owner takes it. Raises Mistyped."""
    lines = []
    for sku, pieces in typed_lines(form):
        if pieces in ("", "0"):
            continue
        if not sku:  # counted by somebody: left out of the booking, nobody would miss it
            raise Mistyped(w.say("A line needs a product and how many pieces: %(line)s.", line=f"– × {pieces}"))
        if (came := number(pieces)) is None or came < 0:
            raise Mistyped(w.say("%(sku)s: %(text)s is no number of pieces.", sku=sku, text=pieces))
        lines.append({"sku": sku, "quantity": came})
    if not lines:
        raise Mistyped(w.say("Say of at least one product how many pieces came."))
    note = str(form.get("reference", "")).strip()
    if not note:
        raise Mistyped(w.say("Say the delivery note or the number of the order."))
    return {"warehouse": str(form.get("warehouse", "")), "reference": note, "lines": lines}


def adjustment(w: English, form: Form, key: str) -> Item:
    """A correction as the owner takes it. Raises Mistyped."""
    sku, why = product(w, form), reason(w, form)
    if not (difference := number(form.get("difference"))) or not why:
        raise Mistyped(w.say("Say how many pieces more or fewer there are, and why."))
    return {
        "warehouse": str(form.get("warehouse", "")),
        "reference": reference("ADJ", key),
        "reason": why,
        "lines": [{"sku": sku, "quantity": difference}],
        "quarantined": bool(form.get("quarantined")),
    }


def count(w: English, form: Form, key: str) -> Item:
    """A count as the owner takes it. Raises Mistyped."""
    sku, counted = product(w, form), number(form.get("counted"))
    if counted is None or counted < 0:
        raise Mistyped(w.say("Say how many pieces are on the shelf."))
    return {
        "warehouse": str(form.get("warehouse", "")),
        "reference": reference("COUNT", key),
        "reason": reason(w, form) or "count",
        "sku": sku,
        "counted": counted,
    }


def product(w: English, form: Form) -> str:
    """The SKU that the form is about. Raises Mistyped."""
    if sku := str(form.get("sku", "")).strip():
        return sku
    raise Mistyped(w.say("Say which product it is."))


def reference(kind: str, key: str) -> str:
    """The same work has the same reference, however often it is sent."""
    return f"{kind}-{key[-12:]}"


def reason(w: English, form: Form) -> str:
    """Why stock is another. Raises Mistyped."""
    return typed_text(w, form, "reason", w.say("Reason"), 64)


def number(text: object) -> int | None:
    """A whole number, as many pieces as an owner takes; minus may be the typographic one. None for anything else."""
    said = str(text).strip().replace("\u2212", "-").replace("+", "", 1)
    return int(said) if re.fullmatch(r"-?[0-9]{1,9}|-?10{9}", said) else None


def named(told: Item) -> list[UUID]:
    """The orders that a preview speaks of."""
    return [UUID(of["order_id"]) for name in ("gets", "loses") for of in told[name]]


def effects(pages: Pages, told: Item, numbers: Mapping[UUID, str], linked: bool) -> list[Item]:
    """What a preview says, in sentences under what they are about. `linked`: orders lead to their page."""
    w = pages.words
    stock: list[Item] = []
    for level in told["levels"]:
        (was, now), (free, left) = level["on_hand"], level["available"]
        text = w.say(
            "%(sku)s: on hand %(was)s → %(now)s; free %(free)s → %(left)s.",
            sku=level["sku"], was=w.number(was), now=w.number(now), free=w.number(free), left=w.number(left),
        )  # fmt: skip
        stock.append(_sentence(text))
        was, now = level["quarantined"]
        if was != now:
            stock.append(_sentence(w.say("In quarantine %(was)s → %(now)s.", was=w.number(was), now=w.number(now))))
        if waits := level["waiting"][1]:
            stock.append(_sentence(w.many("%(n)d piece still waits.", "%(n)d pieces still wait.", waits)))
    ordered = [
        _sentence(
            w.say(
                "%(sku)s: %(received)s of %(ordered)s received then.",
                sku=of["sku"], received=w.number(of["received"][1]), ordered=w.number(of["ordered"]),
            )
        )
        for of in told["expected"]
    ]  # fmt: skip
    found = [("stock", w.say("Stock"), stock), ("doc", w.say("Expected"), ordered)]
    for name, icon, title in (("gets", "check", w.say("Gets stock")), ("loses", "warn", w.say("Loses stock"))):
        lines = [_of_order(pages, of, name, numbers, linked) for of in told[name][:NAMED]]
        if (more := len(told[name]) - NAMED) > 0:
            lines.append(_sentence(w.many("%(n)d more order line.", "%(n)d more order lines.", more)))
        found.append((icon, title, lines))
    return [{"icon": icon, "what": title, "sentences": lines} for icon, title, lines in found if lines]


def _sentence(text: str, order: str = "", href: str = "") -> Item:
    return {"text": text, "order": order, "href": href}


def _of_order(pages: Pages, of: Item, name: str, numbers: Mapping[UUID, str], linked: bool) -> Item:
    w = pages.words
    called = numbers.get(UUID(of["order_id"])) or of["order_id"]
    said = {"pieces": w.many("%(n)d piece", "%(n)d pieces", of["quantity"]), "sku": of["sku"]}
    if of["backordered"] and of["promised_on"]:
        said["more"] = w.many("%(n)d piece waits", "%(n)d pieces wait", of["backordered"])
        text = w.say("%(pieces)s of %(sku)s; %(more)s, promised for %(day)s.", **said, day=w.day(of["promised_on"]))
    elif name == "loses" and not of["backordered"]:
        text = w.say("%(pieces)s of %(sku)s; it comes from another warehouse.", **said)
    else:
        text = w.say("%(pieces)s of %(sku)s.", **said)
    return _sentence(text, called, f"/orders/{called}" if linked else "")


def question(
    pages: Pages,
    act: str,
    work: Item,
    told: Item | None,
    form: Form,
    key: str,
    said: Sequence[Item],
    error: Item | None,
) -> Item:
    """The page that asks once more, with what would happen; `said`: the effects."""
    w = pages.words
    over = sum(of["over"] for of in told["expected"]) if told else 0
    difference = 0
    if told and act == "count":
        difference = work["counted"] - told["levels"][0]["on_hand"][0]
    titles = {
        "receive": w.say("Book the delivery %(reference)s?", reference=work["reference"]),
        "adjust": w.say("Correct the stock of %(sku)s?", sku=form.get("sku", "")),
        "count": w.say("Book the count of %(sku)s?", sku=form.get("sku", "")),
    }
    buttons = {"receive": w.say("Book it in"), "adjust": w.say("Correct it"), "count": w.say("Book the count")}
    hidden = [
        (name, value)
        for name, value in form.items()
        if name not in ("csrf", "key", "quote", "over", "code") and not (name == "reason" and act == "count")
    ]
    return {
        "act": act,
        "title": titles[act],
        "said": _difference(pages, difference, told) if act == "count" else "",
        "back": f"/{act}?{urlencode([(n, v) for n, v in hidden if n in ('warehouse', 'reference', 'sku')])}",
        "action": f"/{act}",
        "key": key,
        "quote": told["quote"] if told else "",
        "hidden": hidden,
        "effects": said,
        "over": w.many(
            "%(n)d piece more than was ordered: it is meant so.",
            "%(n)d pieces more than were ordered: it is meant so.", over,
        ) if over else "",
        "reason": str(form.get("reason", "")) if act == "count" else None,
        "reason_needed": act == "count" and difference != 0,
        "button": buttons[act],
        "error": error,
    }  # fmt: skip


def _difference(pages: Pages, difference: int, told: Item | None) -> str:
    """How the count and the books differ, in a sentence."""
    w = pages.words
    if told is None:
        return ""
    if not difference:
        return w.say("The shelf holds what the books say.")
    if difference < 0:
        return w.many("%(n)d piece is missing.", "%(n)d pieces are missing.", -difference)
    return w.many("%(n)d piece more than the books say.", "%(n)d pieces more than the books say.", difference)
