"""Stock as inventory has it: levels per product and warehouse; one product with its queue and movements."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from services.backoffice import queries
from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import Pages
from services.backoffice.queries import Reading
from services.backoffice.sheets import BOM, row_of
from services.backoffice.views.cells import delimiter_of
from services.backoffice.views.orders import cell
from services.backoffice.words import N_, NN_
from shared.clock import now

Item = dict[str, Any]


PRODUCTS = 50
"""Products of the catalogue that stock is asked of at once."""
ROUNDS = 20
"""So many times in a row, where the products of a brand have no stock; then the reader goes on."""
KITS = NN_("%(n)d kit can be made of what is free.", "%(n)d kits can be made of what is free.")
COLUMNS = ("sku", "name", "warehouse", "on_hand", "reserved", "available", "quarantined", "to_count", "why")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the stock is shown, as the address has it. Brand and category are the catalogue's."""

    sku: str = ""
    warehouse: str = ""
    view: str = ""
    brand: str = ""
    category: str = ""

    def address(self, path: str = "/stock", **more: str) -> str:
        query = urlencode({name: value for name, value in (asdict(self) | more).items() if value})
        return f"{path}?{query}" if query else path


async def levels(owners: Owners, pages: Pages, wanted: Wanted, after: str) -> Item:
    """A page of levels, one row per SKU and warehouse. Raises Away or Said."""
    if wanted.view == "backorders":
        return await backorders(owners, pages, wanted.sku, after)
    said, places = await asyncio.gather(
        _levels(owners, wanted, after), owners.get("inventory", "/warehouses", limit=100)
    )
    return _page(pages, wanted, said, [place["code"] for place in places["items"]])


async def _levels(owners: Owners, wanted: Wanted, after: str, limit: int = 100) -> Item:
    """Some levels, and where they go on. Of a brand or category it is those of its next products that have any."""
    counting = {"to_count": "true"} if wanted.view == "count" else {}
    asked = {"warehouse": wanted.warehouse, **counting}
    if not wanted.brand and not wanted.category:
        said = await owners.get("inventory", "/stock", sku=wanted.sku, limit=limit, after=after, **asked)
        return {"items": said["items"], "next": said.get("next") or ""}
    items: list[Item] = []
    for _ in range(ROUNDS):
        listed = await owners.get(
            "order", "/products", sku=wanted.sku, brand=wanted.brand, category=wanted.category,
            limit=PRODUCTS, after=after,
        )  # fmt: skip
        skus, after, on = [of["sku"] for of in listed["items"]], listed.get("next") or "", ""
        while skus:
            said = await owners.get("inventory", "/stock", sku=skus, limit=200, after=on, **asked)
            items += said["items"]
            if not (on := said.get("next") or ""):
                break
        if items or not after:
            break
    return {"items": items, "next": after}


async def as_csv(owners: Owners, pages: Pages, wanted: Wanted) -> AsyncIterator[str]:
    """All levels of the filter, some at a time. Raises Away or Said."""
    delimiter, after = delimiter_of(pages), ""
    head = BOM + row_of(COLUMNS, delimiter)
    while True:
        said = await _levels(owners, wanted, after, limit=200)
        rows = [[cell(row[name]) for name in COLUMNS] for row in said["items"]]
        yield head + "".join(row_of(cells, delimiter) for cells in rows)
        head, after = "", said["next"]
        if not after:
            return


async def backorders(owners: Owners, pages: Pages, sku: str, after: str) -> Item:
    """Who waits for what, first in line first."""
    said = await owners.get("inventory", "/backorders", sku=sku, limit=100, after=after)
    return _page(pages, Wanted(sku, view="backorders"), said, [])


def _page(pages: Pages, wanted: Wanted, said: Item, places: list[str]) -> Item:
    w = pages.words
    tabs = (("", N_("Levels")), ("backorders", N_("Backorders")), ("count", N_("To count")))
    return {
        "rows": said["items"],
        "wanted": wanted,
        "warehouses": places,
        "tabs": [
            {
                "text": w.say(text),
                "href": replace(Wanted(wanted.sku) if name == "backorders" else wanted, view=name).address(),
                "here": name == wanted.view,
            }
            for name, text in tabs
        ],
        "csv": "" if wanted.view == "backorders" else wanted.address("/stock.csv"),
        "older": wanted.address(after=said["next"]) if said.get("next") else "",
    }


async def product(reading: Reading, owners: Owners, pages: Pages, sku: str, after: str) -> Item:
    """One SKU. Raises Away or Said; Said with 404 when there is none."""
    try:
        found, moves, listed = await asyncio.gather(
            owners.get("inventory", f"/stock/{quote(sku, safe='')}"),
            owners.get("inventory", "/movements", sku=sku, newest="true", limit=50, after=after),
            _listed(owners, sku),
        )
    except Said as refusal:
        listed = await _listed(owners, sku) if refusal.status == 404 else {}
        if not listed.get("components"):
            raise
        return await _kit(owners, pages, listed)
    async with reading() as conn:
        numbers = await queries.numbers_of(conn, [UUID(of["order_id"]) for of in moves["items"] if of["order_id"]])
    w, today = pages.words, now().date()
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
        "listed": [
            {"title": w.say(title), "text": listed[name], "href": Wanted(**{name: listed[name]}).address()}
            for name, title in (("brand", N_("Brand")), ("category", N_("Category")))
            if listed.get(name)
        ],
        "said": said,
        "levels": levels,
        "incoming": [{**of, "late": date.fromisoformat(of["expected_on"]) < today} for of in found["incoming"]],
        "queue": found["queue"],
        "backordered": late,
        "stocked": found["stocked"],
        "components": [],
        "movements": [
            {**of, "number": numbers.get(UUID(of["order_id"]), "") if of["order_id"] else ""} for of in moves["items"]
        ],
        "older": f"/stock/{quote(sku, safe='')}?{urlencode({'after': moves['next']})}" if moves.get("next") else "",
    }


async def _kit(owners: Owners, pages: Pages, listed: Item) -> Item:
    """A kit has no stock of its own: how many its components make, and what is free of each. Raises Away or Said."""
    w, sku, parts = pages.words, listed["sku"], listed["components"]
    free = {
        name: int((of or {}).get("available") or 0)
        for name, of in (await owners.by_sku("inventory", "/availability", [sku, *(of["sku"] for of in parts)])).items()
    }
    return {
        "sku": sku,
        "name": listed["name"],
        "said": w.many(*KITS, free.get(sku, 0)),
        "stocked": False,
        "queue": [],
        "components": [
            {
                "sku": of["sku"],
                "href": f"/stock/{quote(of['sku'], safe='')}",
                "pieces": of["pieces"],
                "free": w.say("%(n)s free", n=w.number(free.get(of["sku"], 0))),
            }
            for of in parts
        ],
    }


async def _listed(owners: Owners, sku: str) -> Item:
    """As the catalogue has it; empty when it does not, or does not answer: the stock is shown all the same."""
    try:
        return (await owners.by_sku("order", "/products", [sku])).get(sku, {})
    except (Away, Said, KeyError, TypeError):
        return {}
