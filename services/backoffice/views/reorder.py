"""What to order: what is below its reorder point, the rules of one product, drafts of what is chosen."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from services.backoffice.owners import Owners
from services.backoffice.pages import English
from services.backoffice.views import papers, purchases
from services.backoffice.words import N_

Item = dict[str, Any]
Form = Mapping[str, Any]
SHOWN = 100
"""Rules on a page; one act orders of these."""


async def advice(owners: Owners, form: Form, supplier: str, all: bool, after: str, error: Item | None) -> Item:
    """A page of what is below, each with the proposed quantity, or what was typed. Raises Away or Said."""
    said, suppliers = await asyncio.gather(
        owners.get(
            "inventory", "/reorder-advice", supplier=supplier, all="true" if all else None, limit=SHOWN, after=after
        ),
        purchases.all_suppliers(owners),
    )
    rows = []
    for n, row in enumerate(said["items"]):
        below = row["position"] + row["drafted"] <= row["point"]
        typed = form.get(f"pieces-{n}", row["quantity"] or "")
        taken = bool(form.get(f"take-{n}")) if form else below
        rows.append({**row, "n": n, "href": address(row["sku"]), "typed": typed, "chosen": taken, "below": below})
    kept = {name: value for name, value in {"supplier": supplier, "all": "yes" if all else ""}.items() if value}
    where = "/purchasing/what-to-order"
    return {
        "rows": rows,
        "below": sum(row["below"] for row in rows),
        "suppliers": suppliers,
        "supplier": supplier,
        "all": all,
        "older": f"{where}?{urlencode({**kept, 'after': said['next']})}" if said.get("next") else "",
        "error": error,
    }


def address(sku: str) -> str:
    """Of the rules of one product."""
    return f"/purchasing/reorder/{quote(sku, safe='')}"


def chosen(w: English, form: Form) -> Item:
    """The lines that were chosen, as the owner takes them. Raises ValueError with a sentence."""
    lines = []
    for n in range(SHOWN):
        if form.get(f"take-{n}"):
            sku = str(form.get(f"sku-{n}", ""))
            lines.append(
                {
                    "sku": sku,
                    "warehouse": str(form.get(f"warehouse-{n}", "")),
                    "quantity": papers.pieces(w, str(form.get(f"pieces-{n}", "")), sku),
                    "version": int(form.get(f"version-{n}", "0")),
                }
            )
    if not lines:
        raise ValueError(w.say("Choose at least one product."))
    return {"lines": lines}


async def rules(owners: Owners, sku: str, form: Form, error: Item | None) -> Item:
    """The rule of one product in each warehouse, and what the last weeks propose. Raises Away or Said."""
    said, suppliers = await asyncio.gather(
        owners.get("inventory", f"/reorder-rules/{quote(sku, safe='')}"), purchases.all_suppliers(owners)
    )
    for n, row in enumerate(said["items"]):
        for name in ("point", "up_to", "supplier"):
            row[f"typed_{name}"] = form.get(f"{name}-{n}", row[name] if row["version"] and row["up_to"] else "")
    return {**said, "suppliers": suppliers, "error": error, "action": address(sku)}


def rules_typed(w: English, form: Form, known: Item) -> Item:
    """The rules that were typed otherwise than they are; an empty level takes one away. Raises ValueError."""
    found = []
    for n, row in enumerate(known["items"]):
        text = {name: str(form.get(f"{name}-{n}", "")).strip() for name in ("point", "up_to", "supplier")}
        if not text["up_to"] and not text["point"]:
            text |= {"point": "0", "up_to": "0"}
        called = row["warehouse_name"] or row["warehouse"]
        if not text["supplier"] or (not row["version"] and text["up_to"] == "0"):
            if text["up_to"] != "0":
                raise ValueError(w.say("%(warehouse)s: choose a supplier.", warehouse=called))
            if not row["version"]:
                continue
            text["supplier"] = row["supplier"]
        rule = {
            "sku": known["sku"],
            "warehouse": row["warehouse"],
            "point": papers.pieces(w, text["point"] or "0", called, least=0),
            "up_to": papers.pieces(w, text["up_to"] or "0", called, least=0),
            "supplier": text["supplier"],
        }
        if any(rule[name] != row[name] for name in ("point", "up_to", "supplier")):
            found.append(rule)
    if not found:
        raise ValueError(w.say("Nothing was changed."))
    return {"rules": found}


DONE: Mapping[str, str] = {
    "rules": N_("It is set."),
}
