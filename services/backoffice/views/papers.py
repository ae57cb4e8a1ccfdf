"""What purchase orders and transfers share on their pages: states, tabs, lines as they are typed, days that move."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from services.backoffice.pages import English, Pages
from services.backoffice.views import shelves
from services.backoffice.words import N_

Item = dict[str, Any]
Form = Mapping[str, Any]
SHOWN = 50
HISTORY = 50
"""Acts of one paper that its page shows."""
MOST = 200
"""Lines of one paper, as inventory allows."""
NAMED = 20
"""Lines of an act, or orders whose promised day moves, that are named; of more it says how many."""
MOST_NOTE = 2000
"""Characters of a note or a reason that the owner keeps."""
OPEN = ("sent", "partly_received")

STATES: Mapping[str, tuple[str, str]] = {
    "draft": (N_("Draft"), ""),
    "sent": (N_("Sent"), "info"),
    "partly_received": (N_("Partly received"), "wait"),
    "received": (N_("Received"), "good"),
    "closed_short": (N_("Closed short"), ""),
    "cancelled": (N_("Cancelled"), ""),
}
"""What people call the state of one, and its colour."""

VIEWS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "": (N_("On their way"), OPEN),
    "drafts": (N_("Drafts"), ("draft",)),
    "all": (N_("All"), ()),
}


def badge(w: English, state: str) -> Item:
    text, colour = STATES.get(state, (state, ""))
    return {"text": w.say(text), "colour": colour}


def typed_lines(form: Form) -> list[dict[str, str]]:
    found = []
    for n in range(MOST):
        if f"sku-{n}" in form:
            names = {"sku": "sku", "quantity": "pieces", "unit_cost": "cost", "expected_on": "day"}
            found.append({name: str(form.get(f"{said}-{n}", "")).strip() for name, said in names.items()})
    return found


def pieces(w: English, text: str, sku: str, *, least: int = 1) -> int:
    """Raises ValueError with a sentence."""
    if (found := shelves.number(text)) is None or found < least:
        raise ValueError(w.say("%(sku)s: %(text)s is no number of pieces.", sku=sku, text=text))
    return found


def day(w: English, text: str, sku: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(w.say("%(sku)s: %(text)s is no day.", sku=sku, text=text)) from None


def named(told: Item) -> list[UUID]:
    """The orders whose promised day moves, as many as are shown by name."""
    return [UUID(of["order_id"]) for of in told["promises"][:NAMED]]


def promises(pages: Pages, told: Item, numbers: Mapping[UUID, str], linked: bool) -> list[Item]:
    """Whose promised day moves by what a preview tells, as sentences."""
    w = pages.words
    said = [_promise(pages, of, numbers, linked) for of in told["promises"][:NAMED]]
    if (more := len(told["promises"]) - NAMED) > 0:
        said.append(in_effects(w.many("%(n)d more order line.", "%(n)d more order lines.", more)))
    return said or [in_effects(w.say("No promised day moves."))]


def _promise(pages: Pages, of: Item, numbers: Mapping[UUID, str], linked: bool) -> Item:
    w = pages.words
    called = numbers.get(UUID(of["order_id"])) or of["order_id"]
    was, then = (w.day(on) if on else w.say("no certain day") for on in of["promised_on"])
    said = w.many("%(n)d piece", "%(n)d pieces", of["quantity"])
    text = w.say(
        "%(pieces)s of %(sku)s: %(was)s → %(then)s; the customer is told.",
        pieces=said, sku=of["sku"], was=was, then=then,
    )  # fmt: skip
    return in_effects(text, called, f"/orders/{called}" if linked else "")


def in_effects(text: str, order: str = "", href: str = "") -> Item:
    return {"text": text, "order": order, "href": href}
