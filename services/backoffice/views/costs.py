"""What arrivals cost: those of which nobody said it, or all of one product, and what a person says of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from services.backoffice.owners import Owners
from services.backoffice.pages import English
from services.backoffice.views import purchases
from services.backoffice.views.lines import text as typed_text
from services.backoffice.views.papers import MOST_NOTE

Item = dict[str, Any]
Form = Mapping[str, Any]
SHOWN = 100
"""Arrivals on a page."""
KEYS = ("sku", "arrival", "warehouse", "line_no", "kind")
"""What names an arrival."""


async def page(owners: Owners, form: Form, sku: str, after: str, error: Item | None) -> Item:
    """Arrivals, each with what is known of its cost, or what was typed. Raises Away or Said."""
    said = await owners.get(
        "inventory", "/arrivals", sku=sku, without_cost=None if sku else "true", limit=SHOWN, after=after
    )
    total = await owners.get("inventory", "/stock-value/total")
    rows = []
    for n, row in enumerate(said["items"]):
        known = "" if row["unit_cost"] is None else plain(row["unit_cost"])
        rows.append({**row, "n": n, "known": known, "typed": form.get(f"cost-{n}", known)})
    more = {name: text for name, text in {"sku": sku, "after": said.get("next") or ""}.items() if text}
    return {
        "rows": rows,
        "sku": sku,
        "currency": total["currency"],
        "reason": form.get("reason", ""),
        "older": f"/purchasing/costs?{urlencode(more)}" if said.get("next") else "",
        "error": error,
    }


def plain(cost: str) -> str:
    """A cost as people type it: two places, more only if they say something."""
    amount = Decimal(cost)
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount.normalize():f}"


def said(w: English, form: Form) -> list[Item]:
    """The costs that were typed otherwise than they are known, as the owner takes them. Raises ValueError."""
    found = []
    reason = typed_text(w, form, "reason", w.say("Reason"), MOST_NOTE)
    for n in range(SHOWN):
        text = str(form.get(f"cost-{n}", "")).strip()
        if not text or text == str(form.get(f"known-{n}", "")):
            continue
        named = {name: str(form.get(f"{name}-{n}", "")) for name in KEYS}
        cost = purchases.cost(w, text, "")
        line_no = int(named["line_no"]) if named["line_no"].isdecimal() else 0
        found.append({**named, "line_no": line_no, "unit_cost": cost, "reason": reason})
    if not found:
        raise ValueError(w.say("Say of at least one arrival what a piece cost."))
    return found
