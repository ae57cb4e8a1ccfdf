"""Stock as inventory has it: levels per product and warehouse; one product with its queue and movements."""

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import Pages
from services.backoffice.words import N_

Item = dict[str, Any]


async def levels(owners: Owners, pages: Pages, sku: str, warehouse: str, view: str, after: str) -> Item:
    """A page of levels, one row per SKU and warehouse. Raises Away or Said."""
    if view == "backorders":
        return await backorders(owners, pages, sku, after)
    counting = {"to_count": "true"} if view == "count" else {}
    said, places = await asyncio.gather(
        owners.get("inventory", "/stock", sku=sku, warehouse=warehouse, limit=100, after=after, **counting),
        owners.get("inventory", "/warehouses", limit=100),
    )
    return _page(pages, sku, warehouse, view, said, [place["code"] for place in places["items"]])


async def backorders(owners: Owners, pages: Pages, sku: str, after: str) -> Item:
    """Who waits for what, first in line first."""
    said = await owners.get("inventory", "/backorders", sku=sku, limit=100, after=after)
    return _page(pages, sku, "", "backorders", said, [])


def _page(pages: Pages, sku: str, warehouse: str, view: str, said: Item, places: list[str]) -> Item:
    w = pages.words
    wanted = {"sku": sku, "warehouse": warehouse, "view": view}
    tabs = (("", N_("Levels")), ("backorders", N_("Backorders")), ("count", N_("To count")))
    return {
        "rows": said["items"],
        "sku": sku,
        "warehouse": warehouse,
        "view": view,
        "warehouses": places,
        "tabs": [
            {"text": w.say(text), "href": _address(view=name, sku=sku), "here": name == view} for name, text in tabs
        ],
        "older": _address(**wanted, after=said["next"]) if said.get("next") else "",
    }


def _address(**parts: str) -> str:
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"/stock?{query}" if query else "/stock"


async def product(owners: Owners, pages: Pages, sku: str, after: str) -> Item:
    """One SKU. Raises Away or Said; Said with 404 when there is none."""
    found, moves, listed = await asyncio.gather(
        owners.get("inventory", f"/stock/{quote(sku, safe='')}"),
        owners.get("inventory", "/movements", sku=sku, newest="true", limit=50, after=after),
        _listed(owners, sku),
    )
    w = pages.words
    levels = found["levels"]
    free = sum(level["available"] for level in levels)
    coming = sum(of["quantity"] - of["received"] for of in found["incoming"])
    late = found["backordered"]
    said = w.many("%(n)d piece is free.", "%(n)d pieces are free.", free)
    if late:
        wait = w.many("%(n)d piece is on backorder", "%(n)d pieces are on backorder", late)
        come = w.many("%(n)d is coming", "%(n)d are coming", coming) if coming else w.say("nothing is coming")
        said = f"{wait}; {come}."
    return {
        "sku": sku,
        "name": found["name"],
        "brand": listed.get("brand"),
        "category": listed.get("category"),
        "said": said,
        "levels": levels,
        "incoming": found["incoming"],
        "queue": found["queue"],
        "backordered": late,
        "stocked": found["stocked"],
        "movements": moves["items"],
        "older": f"/stock/{quote(sku, safe='')}?{urlencode({'after': moves['next']})}" if moves.get("next") else "",
    }


async def _listed(owners: Owners, sku: str) -> Item:
    """As the catalogue has it; empty when it does not, or does not answer: the stock is shown all the same."""
    try:
        return (await owners.by_sku("order", "/products", [sku])).get(sku, {})
    except (Away, Said, KeyError, TypeError):
        return {}
