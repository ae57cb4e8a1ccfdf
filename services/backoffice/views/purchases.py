"""Purchase orders and suppliers: lists, one, what was typed, and what a step of an order would do."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.views import shelves
from services.backoffice.views.lines import Mistyped, amount, typeable
from services.backoffice.views.lines import text as typed_text
from services.backoffice.views.papers import (
    HISTORY,
    MOST,
    MOST_NOTE,
    NAMED,
    OPEN,
    SHOWN,
    VIEWS,
    badge,
    day,
    in_effects,
    pieces,
    promises,
    typed_lines,
)
from services.backoffice.words import N_
from shared.clock import now

Item = dict[str, Any]
Form = Mapping[str, Any]
DONE: Mapping[str, str] = {
    "create": N_("The draft is kept. Nothing is expected of it until it is sent."),
    "edit": N_("The draft is changed."),
    "send": N_("It is sent: from now on it is expected."),
    "changes": N_("The change is booked."),
    "close": N_("It is closed: the rest is not expected any more."),
    "cancel": N_("It is cancelled."),
    "mailed": N_("It is sent: from now on it is expected. The e-mail to the supplier goes out now."),
    "unmailed": N_("It is sent: from now on it is expected. It was not e-mailed; that can be done from here."),
    "mail": N_("The e-mail to the supplier goes out now."),
    "drafts": N_("The drafts are made: look at each and send it."),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders are shown, as the address has it."""

    view: str = ""
    sku: str = ""
    supplier: str = ""

    def address(self, **more: str) -> str:
        query = urlencode({name: value for name, value in (asdict(self) | more).items() if value})
        return f"/purchasing?{query}" if query else "/purchasing"


async def listed(owners: Owners, pages: Pages, wanted: Wanted, after: str) -> Item:
    """A page of orders, the newest first. Raises Away or Said."""
    w = pages.words
    view = wanted.view if wanted.view in VIEWS else ""
    said, suppliers = await asyncio.gather(
        owners.get(
            "inventory", "/purchase-orders", state=list(VIEWS[view][1]), sku=wanted.sku, supplier=wanted.supplier,
            limit=SHOWN, after=after,
        ),
        all_suppliers(owners),
    )  # fmt: skip
    today = now().date()
    return {
        "wanted": wanted,
        "suppliers": suppliers,
        "tabs": [
            {"text": w.say(text), "href": Wanted(name, wanted.sku, wanted.supplier).address(), "here": name == view}
            for name, (text, _) in VIEWS.items()
        ],
        "rows": [
            {
                **row,
                "href": address(row["number"]),
                "badge": badge(w, row["state"]),
                "amount": w.money(Decimal(str(row["cost"])), row["currency"]),
                "late": bool(row["expected_on"]) and date.fromisoformat(row["expected_on"]) < today,
            }
            for row in said["items"]
        ],
        "older": wanted.address(after=said["next"]) if said.get("next") else "",
    }


async def all_suppliers(owners: Owners) -> list[Item]:
    """The first 200, by code: so many a shop may choose from on a page. Raises Away or Said."""
    return list((await owners.get("inventory", "/suppliers", limit=200))["items"])


def address(number: str, act: str = "") -> str:
    return f"/purchasing/{quote(number, safe='')}" + (f"/{act}" if act else "")


async def one(owners: Owners, pages: Pages, number: str) -> Item:
    """One order with its lines and what happened to it. Raises Away or Said; Said with 404 when there is none."""
    order, told, places = await asyncio.gather(
        owners.get("inventory", f"/purchase-orders/{quote(number, safe='')}"),
        owners.get("inventory", f"/purchase-orders/{quote(number, safe='')}/history", limit=HISTORY),
        shelves.warehouses(owners),
    )
    w, today = pages.words, now().date()
    lines = [
        {
            **line,
            "left": left_of(order, line),
            "late": left_of(order, line) > 0 and date.fromisoformat(line["expected_on"]) < today,
            "cost": w.price(Decimal(line["unit_cost"]), order["currency"]),
            "amount": w.money(Decimal(line["unit_cost"]) * line["quantity"], order["currency"]),
            "over": max(0, line["received"] - line["quantity"]),
        }
        for line in order["lines"]
    ]
    total = sum((Decimal(line["unit_cost"]) * line["quantity"] for line in order["lines"]), Decimal(0))
    return {
        **order,
        "lines": lines,
        "place": called(places, order["warehouse"]),
        "badge": badge(w, order["state"]),
        "open": order["state"] in OPEN,
        "said": sentence(w, order),
        "total": w.money(total, order["currency"]),
        "where": address(order["number"]),
        "history": [{**act, **retold(w.within(order["currency"]), act)} for act in told["items"]],
        "error": None,
        "receive": f"/receive?{urlencode({'warehouse': order['warehouse'], 'reference': order['number']})}",
    }


async def printed(owners: Owners, number: str) -> tuple[Item, str]:
    """What is printed of an order: itself, and what its warehouse is called. Raises Away or Said."""
    order, places = await asyncio.gather(
        owners.get("inventory", f"/purchase-orders/{quote(number, safe='')}"), shelves.warehouses(owners)
    )
    return order, called(places, order["warehouse"]) or order["warehouse"]


def called(places: Sequence[Item], code: str) -> str:
    """The name of a warehouse; empty where nobody knows it any more."""
    return next((of["name"] or of["code"] for of in places if of["code"] == code), "")


def left_of(order: Item, line: Item) -> int:
    is_open = order["state"] in OPEN
    return max(0, int(line["quantity"]) - int(line["received"])) if is_open else 0


def sentence(w: English, order: Item) -> str:
    """Where the order is, in a sentence."""
    ordered = sum(line["quantity"] for line in order["lines"])
    came = sum(line["received"] for line in order["lines"])
    if order["state"] == "draft":
        return w.say("It is a draft: nothing is expected until it is sent.")
    if order["state"] == "cancelled":
        return w.say("It is cancelled; nothing came of it.")
    left = [line for line in order["lines"] if left_of(order, line)]
    if not left:
        return w.say("%(came)s of %(ordered)s pieces came.", came=w.number(came), ordered=w.number(ordered))
    days = {"first": w.day(min(line["expected_on"] for line in left))}
    coming = sum(left_of(order, line) for line in left)
    if came:
        text = N_("%(came)s of %(ordered)s pieces came; the next of %(left)s are expected on %(first)s.")
        return w.say(text, came=w.number(came), ordered=w.number(ordered), left=w.number(coming), **days)
    return w.say("%(left)s pieces are expected, the first on %(first)s.", left=w.number(coming), **days)


def retold(w: English, act: Item) -> Item:
    """An entry of the history in words: what, and the lines that say how."""
    what, facts = act["what"], act["facts"]
    texts = {
        "created": N_("Made as a draft"),
        "edited": N_("Draft changed"),
        "sent": N_("Sent to the supplier"),
        "changed": N_("Lines changed"),
        "received": N_("Goods came"),
        "closed": N_("Closed short"),
        "cancelled": N_("Cancelled"),
    }
    said = w.say(texts[what]) if what in texts else what
    if facts.get("reason"):
        said = f"{said}: {facts['reason']}"
    lines = facts.get("lines", [])
    if what in ("edited", "changed"):
        told = [f"{line['sku']}: {', '.join(_moved(w, line))}" for line in lines]
    elif what == "received":
        told = [_came(w, line) for line in lines]
    elif what == "closed":
        told = [w.say("%(n)s of %(sku)s did not come", n=w.number(line["quantity"]), sku=line["sku"]) for line in lines]
    else:
        told = []
    return {"text": said, "lines": told[:NAMED], "more": max(0, len(told) - NAMED)}


def _moved(w: English, line: Item) -> list[str]:
    """How a line changed: pieces, cost and day, each before → after."""
    said = []
    for name in ("quantity", "unit_cost", "expected_on"):
        if name in line:
            before, after = (_plain(w, name, value) for value in line[name])
            said.append(f"{before} → {after}")
    return said


def _plain(w: English, name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "expected_on":
        return w.day(value)
    return w.price(Decimal(str(value))) if name == "unit_cost" else w.number(value)


def _came(w: English, line: Item) -> str:
    said = w.say("%(n)s of %(sku)s", n=w.number(line["quantity"]), sku=line["sku"])
    return f"{said} ({w.say('%(n)s more than ordered', n=w.number(line['over']))})" if line["over"] else said


# What is typed


async def draft_page(owners: Owners, form: Form, number: str, error: Item | None, key: str, etag: str) -> Item:
    """The form of a draft as it was typed, with empty lines below. Raises Away or Said."""
    places, suppliers = await asyncio.gather(shelves.warehouses(owners), all_suppliers(owners))
    typed = [line for line in typed_lines(form) if any(line.values())]
    room = max(5, len(typed) + (10 if form.get("more") else 2))
    empty = {"sku": "", "quantity": "", "unit_cost": "", "expected_on": ""}
    return {
        "number": number,
        "places": places,
        "suppliers": suppliers,
        "form": {name: form.get(name, "") for name in ("supplier", "warehouse", "note", "day")},
        "lines": [*typed, *[empty] * (min(MOST, room) - len(typed))],
        "error": error,
        "key": key,
        "etag": etag,
        "action": address(number, "edit") if number else "/purchasing/new",
        "back": address(number) if number else "/purchasing",
    }


def form_of(order: Item) -> Item:
    """A draft as its form has it."""
    form = {name: order[name] for name in ("supplier", "warehouse", "note")} | {"day": ""}
    for n, line in enumerate(order["lines"]):
        cost = Decimal(line["unit_cost"])
        form |= {
            f"sku-{n}": line["sku"],
            f"pieces-{n}": str(line["quantity"]),
            f"cost-{n}": typeable(cost) if cost else "",
            f"day-{n}": line["expected_on"],
        }
    return form


def draft(w: English, form: Form, suppliers: Sequence[Item]) -> Item:
    """A draft as the owner takes it. Raises ValueError with a sentence.

    A line without a day gets the day of the form, else today and the supplier's lead time.
    """
    supplier = next((of for of in suppliers if of["code"] == form.get("supplier")), None)
    lead = supplier["lead_days"] if supplier else 14
    usual = str(form.get("day", "")).strip() or (now().date() + timedelta(days=lead)).isoformat()
    lines = []
    for line in typed_lines(form):
        if not line["sku"] and not line["quantity"]:
            continue
        if not line["sku"] or not line["quantity"]:
            raise ValueError(w.say("A line needs a product and how many pieces: %(line)s.", line=line["sku"] or "–"))
        lines.append(
            {
                "sku": line["sku"],
                "quantity": pieces(w, line["quantity"], line["sku"]),
                "unit_cost": cost(w, line["unit_cost"], supplier["currency"] if supplier else ""),
                "expected_on": day(w, line["expected_on"] or usual, line["sku"]),
            }
        )
    if not lines:
        raise ValueError(w.say("Say of at least one product how many pieces are ordered."))
    text = {name: str(form.get(name, "")).strip() for name in ("supplier", "warehouse")}
    return {**text, "note": typed_text(w, form, "note", w.say("Note to the supplier"), MOST_NOTE), "lines": lines}


def cost(w: English, text: str, currency: str) -> str:
    """An amount as people type it, with comma or point; empty is nothing."""
    try:
        return amount(w, text, currency) if text else "0"
    except Mistyped as wrong:
        raise ValueError(str(wrong)) from None


def changes(w: English, form: Form, order: Item) -> Item:
    """The lines of an order that were typed otherwise than they are. Raises ValueError with a sentence."""
    found = []
    for line in order["lines"]:
        typed = {name: str(form.get(f"{name}-{line['line_no']}", "")).strip() for name in ("pieces", "day")}
        change: Item = {"sku": line["sku"]}
        if typed["pieces"] and (wanted := pieces(w, typed["pieces"], line["sku"], least=0)) != line["quantity"]:
            change["quantity"] = wanted
        if typed["day"] and (on := day(w, typed["day"], line["sku"])) != line["expected_on"]:
            change["expected_on"] = on
        if len(change) > 1:
            found.append(change)
    if not found:
        raise ValueError(w.say("Nothing was changed: give a line another day or quantity."))
    return {"changes": found}


# What a step would do


def effects(pages: Pages, told: Item, numbers: Mapping[UUID, str], linked: bool) -> list[Item]:
    """What a preview says, as icons, titles and sentences."""
    w = pages.words
    before, after = told["state"]
    state = [in_effects(f"{badge(w, before)['text']} → {badge(w, after)['text']}")] if before != after else []
    lines = [in_effects(text) for line in told["lines"] if (text := _line(w, line))]
    found = (
        ("doc", w.say("Purchase order"), state),
        ("truck", w.say("Expected"), lines),
        ("people", w.say("Customers who wait"), promises(pages, told, numbers, linked)),
    )
    return [{"icon": icon, "what": title, "sentences": said} for icon, title, said in found if said]


def _line(w: English, line: Item) -> str:
    (was, now_), (was_day, day_) = line["incoming"], line["expected_on"]
    said = []
    if was != now_:
        said.append(w.say("%(was)s → %(now)s pieces expected in all", was=w.number(was), now=w.number(now_)))
    if was_day != day_:
        said.append(f"{w.day(was_day)} → {w.day(day_)}")
    return f"{line['sku']}: {'; '.join(said)}." if said else ""


def question(
    pages: Pages,
    act: str,
    number: str,
    told: Item | None,
    form: Form,
    key: str,
    said: Sequence[Item],
    error: Item | None,
) -> Item:
    """The page that asks once more, with what would happen; `said`: the effects."""
    w = pages.words
    titles = {
        "send": N_("Send %(number)s?"),
        "changes": N_("Change %(number)s?"),
        "close": N_("Close %(number)s short?"),
        "cancel": N_("Cancel %(number)s?"),
    }
    buttons = {
        "send": N_("It is with the supplier"),
        "changes": N_("Change it"),
        "close": N_("Close it short"),
        "cancel": N_("Cancel it"),
    }
    reasons = act in ("close", "cancel")
    skipped = ("csrf", "key", "quote", "mail", "email", *(("reason",) if reasons else ()))
    back = f"{address(number, 'changes')}" if act == "changes" else address(number)
    return {
        "act": act,
        "title": w.say(titles[act], number=number),
        "said": "",
        "back": back,
        "action": address(number, act),
        "key": key,
        "quote": told["quote"] if told else "",
        "hidden": [(name, value) for name, value in form.items() if name not in skipped],
        "effects": said,
        "over": "",
        "reason": str(form.get("reason", "")) if reasons else None,
        "reason_needed": False,
        "button": w.say(buttons[act]),
        "error": error,
    }


# Suppliers


async def supplier_page(owners: Owners, code: str, form: Form, error: Item | None) -> Item:
    """One supplier, as it is or as it was typed. Raises Away or Said."""
    known = await owners.get("inventory", f"/suppliers/{quote(code, safe='')}")
    fields = {name: form.get(name, known[name]) for name in ("name", "email", "lead_days", "currency")}
    return {
        "code": code,
        "called": known["name"] or code,
        "form": fields,
        "error": error,
        "action": supplier_address(code),
        "orders": Wanted("all", supplier=code).address(),
        "etag": form.get("etag") or known["etag"],
    }


def supplier_address(code: str) -> str:
    return f"/purchasing/suppliers/{quote(code, safe='')}"


def supplier(w: English, form: Form) -> Item:
    """A supplier as the owner takes it. Raises ValueError with a sentence."""
    text = {name: str(form.get(name, "")).strip() for name in ("name", "email", "lead_days", "currency")}
    if not text["lead_days"].isdecimal() or len(text["lead_days"]) > 4:
        raise ValueError(w.say("Say in days how long it takes from the order until goods come."))
    return {**text, "lead_days": int(text["lead_days"]), "currency": text["currency"].upper() or "EUR"}
