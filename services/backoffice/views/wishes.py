"""Cancel, hold, release: first what it would do, told by the owner; then exactly that, or that it went stale."""

from typing import Any
from urllib.parse import quote

from services.backoffice.pages import Pages
from services.backoffice.words import N_

Item = dict[str, Any]
TITLES = {
    "cancel": N_("Cancel order %(number)s?"),
    "hold": N_("Hold order %(number)s?"),
    "release": N_("Release order %(number)s?"),
}
BUTTONS = {"cancel": N_("Cancel what is not out"), "hold": N_("Hold the order"), "release": N_("Take the hold away")}
ABOUT = {
    "cancel": N_("Everything that is not handed over is given up; stock and money are given back."),
    "hold": N_(
        "The order stops before its next step, and what is not handed over is pulled back, until a person releases it."
    ),
    "release": N_("One hold is taken away; without any other the order goes on."),
}
SUBJECTS = (
    ("Inventory", "stock", N_("Stock")),
    ("Billing", "card", N_("Money")),
    ("Fulfilment", "truck", N_("Goods")),
    ("Everybody", "mail", N_("Messages")),
    ("VAT of", "card", N_("Money")),
    ("No invoice", "doc", N_("Documents")),
)
"""How a sentence of a preview begins, and what it is about."""


def said(wish: str, hold: str, reason: str) -> tuple[Item, Item]:
    """A wish as the owner takes it: what is previewed, and what is said beside it when it is done."""
    if wish == "release":
        return {"reason": hold}, {"note": reason}
    # What a hold is called changes nothing of what it does, so that it is shown before anybody has named it.
    return {"reason": "-"} if wish == "hold" else {}, {"reason": reason}


def page(
    pages: Pages, wish: str, order: Item, told: Item | None, hold: str, reason: str, key: str, error: Item | None
) -> Item:
    """The page of a wish: its effects in sentences by subject, and a form that does exactly that."""
    w = pages.words
    asked = question(pages, order["number"], wish, told, key, error)
    return {
        **asked,
        "title": w.say(TITLES[wish], number=order["number"]),
        "about": w.say(ABOUT[wish]),
        "choices": list(order["holds"]) if wish == "release" else [],
        "hold": hold,
        "reason": reason,
        "reason_label": w.say("Why is it held?") if wish == "hold" else asked["reason_label"],
        "reason_hint": w.say("Everybody who looks at the order sees it.") if wish == "hold" else "",
        "reason_needed": wish == "hold",
        "button": w.say(BUTTONS[wish]),
        "danger": wish == "cancel",
    }


def question(pages: Pages, number: str, act: str, told: Item | None, key: str, error: Item | None) -> Item:
    """What wish.html needs for any act on an order, but for its words: the effects, and where the answer goes."""
    where = f"/orders/{quote(number)}"
    return {
        "number": number,
        "back": where,
        "action": f"{where}/{act}",
        "key": key,
        "quote": "" if told is None else told["quote"],
        "hidden": [],
        "choices": [],
        "hold": "",
        "sentences": [] if told is None else by_subject(pages, told["sentences"]),
        "messages": [] if told is None else [message["type"] for message in told["effects"]["messages"]],
        "reason": "",
        "reason_label": pages.words.say("Reason"),
        "reason_hint": "",
        "reason_needed": False,
        "danger": False,
        "error": error,
    }


def by_subject(pages: Pages, sentences: list[str]) -> list[Item]:
    """Sentences of a preview, each under what it is about, in the order in which they came."""
    found: dict[str, Item] = {}
    for sentence in sentences:
        _, icon, what = next((s for s in SUBJECTS if sentence.startswith(s[0])), ("", "orders", "Order"))
        said = found.setdefault(what, {"what": pages.words.say(what), "icon": icon, "sentences": []})
        said["sentences"].append(sentence)
    return list(found.values())
