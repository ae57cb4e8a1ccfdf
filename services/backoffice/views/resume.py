"""Trying again what billing or fulfilment has parked of an order: what it is, and the question before it is done."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from services.backoffice.owners import Owners, Said
from services.backoffice.pages import Pages
from services.backoffice.words import N_

Item = dict[str, Any]
TRIES = {
    "blocked": N_("Billing asks the payment provider once more."),
    "unknown": N_("Billing asks the payment provider now what became of it."),
    "buy": N_("Fulfilment asks the carrier for the label once more."),
    "void": N_("Fulfilment asks the carrier once more to take the label back."),
    "note": N_("The note is taken off the parcel; nobody is asked for anything."),
}
"""What trying again is, by what is parked."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Something that an owner gave up until a person says otherwise. `thing`: "billing", or the id of the shipment."""

    thing: str
    why: str
    how: str


async def parked(owners: Owners, order_id: UUID) -> list[Parked]:
    """What of an order can be tried again, as its owners say now. Raises Away or Said."""
    money, shipments = await asyncio.gather(
        _money(owners, order_id),
        owners.get("fulfilment", "/shipments", order_id=str(order_id), parked="true", limit=100),
    )
    return [
        *money,
        *(Parked(of["shipment_id"], of["parked"], how(of)) for of in shipments["items"]),
    ]


def how(of: Item) -> str:
    """Which way what is parked of a shipment is tried again."""
    return {"void_wanted": "void", "wanted": "buy", "refused": "buy"}.get(of["label"], "note")


async def _money(owners: Owners, order_id: UUID) -> list[Parked]:
    try:
        account = await owners.get("billing", f"/accounts/{order_id}")
    except Said as refused:
        if refused.status != 404:
            raise
        return []  # nobody asked for money yet
    how = "unknown" if account["parked"].startswith("unknown") else "blocked" if account["blocked"] else ""
    return [Parked("billing", account["parked"], how)] if account["parked"] and how else []


def stuck(money: Item | None, shipments: Iterable[Item]) -> bool:
    """Whether the read tables know of anything that can be tried again; what is overdue is the customer's turn."""
    owed = (money or {}).get("parked", "")
    return bool(owed and not owed.startswith("overdue")) or any(of["parked"] for of in shipments)


def page(pages: Pages, number: str, things: Iterable[Parked], key: str, error: Item | None) -> Item:
    """What is parked and what trying again does, as book.html shows it."""
    w = pages.words
    where = f"/orders/{quote(number)}"
    effects: dict[str, Item] = {}
    for of in things:
        what, icon = (N_("Money"), "card") if of.thing == "billing" else (N_("Goods"), "truck")
        said = effects.setdefault(what, {"what": w.say(what), "icon": icon, "sentences": []})
        said["sentences"] += [{"order": "", "text": text} for text in (w.heard(of.why), w.say(TRIES[of.how]))]
    return {
        "title": w.say("Try again what is parked of order %(number)s?", number=number),
        "back": where,
        "said": "",
        "effects": list(effects.values()),
        "error": error,
        "action": f"{where}/resume",
        "key": key,
        "quote": "",
        "hidden": [("thing", of.thing) for of in things],
        "over": "",
        "reason": None,
        "act": "resume",
        "button": w.say("Try again"),
    }
