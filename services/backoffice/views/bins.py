"""Bins and barcodes: where each product lies in a warehouse and what is printed on it, and who changed it."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from services.backoffice.owners import Owners
from services.backoffice.pages import English
from services.backoffice.views import scanning, shelves
from services.backoffice.views.lines import text

Item = dict[str, Any]
SHOWN = 50
CHANGES = 20
"""Changes of one product that its page shows."""


async def listed(owners: Owners, warehouse: str, search: str, after: str) -> Item:
    """A page of products with bin and barcode; of the first warehouse when none is named. Raises Away or Said."""
    known = await shelves.warehouses(owners)
    chosen = warehouse or (known[0]["code"] if known else "")
    said: Item = {"items": [], "next": None}
    if chosen:
        said = await owners.get(
            "inventory", "/places/search", warehouse=chosen, search=search, after=after, limit=SHOWN
        )
    more = {"warehouse": chosen, "q": search, "after": said["next"] or ""}
    return {
        "warehouses": known,
        "warehouse": chosen,
        "q": search,
        "rows": [{**row, "href": address(row["sku"], chosen)} for row in said["items"]],
        "older": f"/bins?{urlencode({name: value for name, value in more.items() if value})}" if said["next"] else "",
    }


def address(sku: str, warehouse: str) -> str:
    """Of the page of one product in one warehouse."""
    return f"/bins/{quote(sku, safe='')}?{urlencode({'warehouse': warehouse})}"


async def one(owners: Owners, sku: str, warehouse: str, form: Mapping[str, Any], error: str) -> Item:
    """One product in one warehouse, as it is or as it was typed, and its last changes. Raises Away or Said."""
    item, known = await asyncio.gather(
        owners.get("inventory", f"/items/{quote(sku, safe='')}"), shelves.warehouses(owners)
    )
    chosen = warehouse or (known[0]["code"] if known else "")
    placed, changes = await asyncio.gather(
        scanning.placed(owners, chosen, [sku]), owners.get("inventory", "/placements", sku=sku, limit=CHANGES)
    )
    place = placed.get(sku, {"bin": "", "barcode": item["barcode"]})
    return {
        "sku": sku,
        "name": item["name"] or sku,
        "warehouse": chosen,
        "place": next((of["name"] or chosen for of in known if of["code"] == chosen), chosen),
        "bin": form.get("bin", place["bin"]),
        "barcode": form.get("barcode", place["barcode"]),
        "changes": changes["items"],
        "action": f"/bins/{quote(sku, safe='')}",
        "error": error,
    }


def typed(w: English, sku: str, form: Mapping[str, Any]) -> Item:
    """Bin and barcode as the owner takes them. Raises Mistyped."""
    labels = {"warehouse": w.say("Warehouse"), "bin": w.say("Bin"), "barcode": w.say("Barcode")}
    return {"sku": sku, **{name: text(w, form, name, label, 64) for name, label in labels.items()}}
