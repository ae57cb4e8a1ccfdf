"""Transfers between warehouses: the list, one, what was typed, and what a step of one would do."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.views import shelves
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
    "create": N_("The draft is kept. Nothing moves until it is sent."),
    "edit": N_("The draft is changed."),
    "send": N_("It is sent: its pieces are in transit."),
    "close": N_("It is closed: what did not come is lost."),
    "cancel": N_("It is cancelled."),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transfers are shown, as the address has it."""

    view: str = ""
    sku: str = ""

    def address(self, **more: str) -> str:
        query = urlencode({name: value for name, value in (asdict(self) | more).items() if value})
        return f"/transfers?{query}" if query else "/transfers"


async def listed(owners: Owners, pages: Pages, wanted: Wanted, after: str) -> Item:
    """A page of transfers, the newest first. Raises Away or Said."""
    w = pages.words
    view = wanted.view if wanted.view in VIEWS else ""
    said = await owners.get(
        "inventory", "/transfers", state=list(VIEWS[view][1]), sku=wanted.sku, limit=SHOWN, after=after
    )
    return {
        "wanted": wanted,
        "tabs": [
            {"text": w.say(text), "href": Wanted(name, wanted.sku).address(), "here": name == view}
            for name, (text, _) in VIEWS.items()
        ],
        "rows": [
            {**row, "href": address(row["number"]), "badge": badge(w, row["state"]), "late": _late(row)}
            for row in said["items"]
        ],
        "older": wanted.address(after=said["next"]) if said.get("next") else "",
    }


def _late(transfer: Item) -> bool:
    return transfer["state"] in OPEN and date.fromisoformat(transfer["expected_on"]) < now().date()


def address(number: str, act: str = "") -> str:
    return f"/transfers/{quote(number, safe='')}" + (f"/{act}" if act else "")


path = address
"""Inventory has them under the same address."""


async def one(owners: Owners, pages: Pages, number: str) -> Item:
    """One transfer with its lines and what happened to it. Raises Away or Said; Said with 404 when there is none."""
    transfer, told, places = await asyncio.gather(
        owners.get("inventory", path(number)),
        owners.get("inventory", path(number, "history"), limit=HISTORY),
        shelves.warehouses(owners),
    )
    w, names = pages.words, {of["code"]: of["name"] or of["code"] for of in places}
    to = {"warehouse": transfer["destination"], "reference": transfer["number"]}
    return {
        **transfer,
        "called": {end: names.get(transfer[end], transfer[end]) for end in ("source", "destination")},
        "badge": badge(w, transfer["state"]),
        "open": transfer["state"] in OPEN,
        "late": _late(transfer),
        "said": sentence(w, transfer),
        "where": address(transfer["number"]),
        "history": [{**act, **retold(w, act)} for act in told["items"]],
        "error": None,
        "receive": f"/receive?{urlencode(to)}",
    }


def sentence(w: English, transfer: Item) -> str:
    """Where its pieces are, in a sentence."""
    sent, came, lost, left = (
        sum(line[name] for line in transfer["lines"]) for name in ("sent", "received", "lost", "in_transit")
    )
    if transfer["state"] == "draft":
        return w.say("It is a draft: nothing moves until it is sent.")
    if transfer["state"] == "cancelled":
        return w.say("It is cancelled; nothing moved.")
    if left:
        text = N_("%(left)s of %(sent)s pieces are in transit; they should arrive on %(day)s.")
        return w.say(text, left=w.number(left), sent=w.number(sent), day=w.day(transfer["expected_on"]))
    if lost:
        text = N_("%(came)s of %(sent)s pieces came; %(lost)s are lost.")
        return w.say(text, came=w.number(came), sent=w.number(sent), lost=w.number(lost))
    return w.say("%(came)s of %(ordered)s pieces came.", came=w.number(came), ordered=w.number(sent))


def retold(w: English, act: Item) -> Item:
    """An entry of the history in words: what, and the lines that say how."""
    what, facts = act["what"], act["facts"]
    texts = {
        "created": N_("Made as a draft"),
        "edited": N_("Draft changed"),
        "sent": N_("Sent on its way"),
        "received": N_("Goods came"),
        "closed": N_("Closed; the rest is lost"),
        "cancelled": N_("Cancelled"),
    }
    said = w.say(texts[what]) if what in texts else what
    if facts.get("reason"):
        said = f"{said}: {facts['reason']}"
    told = [text for line in facts.get("lines", ()) if (text := _line(w, what, line))]
    return {"text": said, "lines": told[:NAMED], "more": max(0, len(told) - NAMED)}


def _line(w: English, what: str, line: Item) -> str:
    if what == "edited":
        before, after = ("–" if n is None else w.number(n) for n in line.get("quantity", (None, None)))
        return f"{line['sku']}: {before} → {after}"
    text = {"closed": N_("%(n)s of %(sku)s did not come")}.get(what, N_("%(n)s of %(sku)s"))
    return w.say(text, n=w.number(line["quantity"]), sku=line["sku"])


# What is typed


async def draft_page(owners: Owners, form: Form, number: str, error: Item | None, key: str, etag: str) -> Item:
    """The form of a draft as it was typed, with empty lines below. Raises Away or Said."""
    places = await shelves.warehouses(owners)
    typed = [line for line in typed_lines(form) if line["sku"] or line["quantity"]]
    room = max(5, len(typed) + (10 if form.get("more") else 2))
    return {
        "number": number,
        "places": places,
        "form": {name: form.get(name, "") for name in ("source", "destination", "note", "expected_on")},
        "lines": [*typed, *[{"sku": "", "quantity": ""}] * (min(MOST, room) - len(typed))],
        "error": error,
        "key": key,
        "etag": etag,
        "action": address(number, "edit") if number else "/transfers/new",
        "back": address(number) if number else "/transfers",
    }


def form_of(transfer: Item) -> Item:
    """A draft as its form has it."""
    form = {name: transfer[name] for name in ("source", "destination", "note", "expected_on")}
    for n, line in enumerate(transfer["lines"]):
        form |= {f"sku-{n}": line["sku"], f"pieces-{n}": str(line["quantity"])}
    return form


def draft(w: English, form: Form) -> Item:
    """A draft as the owner takes it. Raises ValueError with a sentence."""
    lines = []
    for line in typed_lines(form):
        if not line["sku"] and not line["quantity"]:
            continue
        if not line["sku"] or not line["quantity"]:
            raise ValueError(w.say("A line needs a product and how many pieces: %(line)s.", line=line["sku"] or "–"))
        lines.append({"sku": line["sku"], "quantity": pieces(w, line["quantity"], line["sku"])})
    if not lines:
        raise ValueError(w.say("Say of at least one product how many pieces go."))
    text = {name: str(form.get(name, "")).strip() for name in ("source", "destination", "expected_on")}
    if not text["expected_on"]:
        raise ValueError(w.say("Say on which day it should arrive."))
    arrives = day(w, text["expected_on"], w.say("Expected on"))
    note = typed_text(w, form, "note", w.say("Note"), MOST_NOTE)
    return {**text, "note": note, "expected_on": arrives, "lines": lines}


# What a step would do


async def question(
    owners: Owners,
    pages: Pages,
    act: str,
    number: str,
    form: Form,
    key: str,
    error: Item | None,
    told: Item | None = None,
    effects: Sequence[Item] = (),
) -> Item:
    """The page that asks once more, with what would happen. Raises Away or Said.

    `told` and `effects`: the preview of what is sent, and what it says.
    """
    w, transfer = pages.words, await owners.get("inventory", path(number))
    titles = {"send": N_("Send %(number)s?"), "close": N_("Close %(number)s?"), "cancel": N_("Cancel %(number)s?")}
    buttons = {"send": N_("Send it"), "close": N_("The rest is lost"), "cancel": N_("Cancel it")}
    if act == "close" and (lost := [in_effects(text) for text in _lost(w, transfer)]):
        effects = [{"icon": "stock", "what": w.say("Stock"), "sentences": lost}]
    return {
        "act": act,
        "title": w.say(titles[act], number=number),
        "said": sentence(w, transfer),
        "back": address(number),
        "action": address(number, act),
        "key": key,
        "quote": told["quote"] if told else transfer["etag"],
        "hidden": [],
        "effects": effects,
        "over": "",
        "reason": None if act == "send" else str(form.get("reason", "")),
        "reason_needed": act == "close",
        "button": w.say(buttons[act]),
        "error": error,
    }


def effects(pages: Pages, told: Item, numbers: Mapping[UUID, str], linked: bool) -> list[Item]:
    """What the preview of sending says, as icons, titles and sentences."""
    w = pages.words
    lines = [in_effects(_leaves(w, line)) for line in told["lines"]]
    return [
        {"icon": "stock", "what": w.say("Stock"), "sentences": lines},
        {"icon": "people", "what": w.say("Customers who wait"), "sentences": promises(pages, told, numbers, linked)},
    ]


def _leaves(w: English, line: Item) -> str:
    """What the source's shelf holds before and after it goes."""
    (was, now_), (free, left) = line["on_hand"], line["available"]
    text = N_("%(sku)s: on hand %(was)s → %(now)s; free %(free)s → %(left)s.")
    figures = {"was": was, "now": now_, "free": free, "left": left}
    return w.say(text, sku=line["sku"], **{name: w.number(n) for name, n in figures.items()})


def _lost(w: English, transfer: Item) -> list[str]:
    return [
        _line(w, "closed", {**line, "quantity": line["in_transit"]}) for line in transfer["lines"] if line["in_transit"]
    ]
