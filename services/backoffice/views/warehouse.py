"""The work of the warehouse: what to pick, what to pack, what to hand over. No prices and no addresses."""

import asyncio
from typing import Any
from uuid import UUID

from services.backoffice.owners import Owners

Item = dict[str, Any]
SHOWN = 100


async def places(owners: Owners) -> list[str]:
    """The warehouses there are. Raises Away or Said."""
    return [str(of["code"]) for of in (await owners.get("inventory", "/warehouses", limit=100))["items"]]


async def to_pick(owners: Owners, warehouse: str) -> Item:
    """What a picker fetches now, most urgent first; of the first warehouse when none is named. Raises Away or Said."""
    known = await places(owners)
    chosen = warehouse or (known[0] if known else "")
    found: Item = {"waiting": 0, "shipments": [], "totals": []}
    if chosen:
        found = await owners.get("fulfilment", "/pick-list", warehouse=chosen)
    return {
        "warehouse": chosen,
        "warehouses": known,
        "waiting": found["waiting"],
        "shipments": [_short(of) for of in found["shipments"]],
        "totals": found["totals"],
    }


def _short(of: Item) -> Item:
    lines = [line for line in of["lines"] if line.get("kind", "goods") == "goods"]
    return {
        "id": of["shipment_id"],
        "number": of["number"],
        "warehouse": of.get("warehouse", ""),
        "state": of.get("state", "planned"),
        "service": of["service_level"],
        "since": of["planned_at"],
        "lines": lines,
        "pieces": sum(line["quantity"] for line in lines),
        "tracking": of.get("tracking", ""),
        "parked": of.get("parked", ""),
        "label": of.get("label", ""),
    }


async def one(owners: Owners, shipment_id: UUID) -> Item:
    """One shipment, without whom it is for. Raises Away or Said."""
    return _short(await owners.get("fulfilment", f"/shipments/{shipment_id}"))


async def to_pack(owners: Owners) -> Item:
    """What is picked and waits for its parcel, and what is packed and waits for the carrier. Raises Away or Said."""
    picked, packed = await asyncio.gather(
        *(owners.get("fulfilment", "/shipments", state=state, limit=SHOWN) for state in ("picked", "packed"))
    )
    return {name: [_short(of) for of in reversed(said["items"])] for name, said in (("pack", picked), ("out", packed))}


def missing(lines: list[Item], found: dict[int, int]) -> list[Item]:
    """What was not found, per line. Raises ValueError when more was found than is wanted, or less than nothing."""
    short: list[Item] = []
    for line in lines:
        wanted = int(line["quantity"])
        there = found.get(int(line["line_no"]), wanted)
        if not 0 <= there <= wanted:
            raise ValueError(line["sku"])
        if there < wanted:
            short.append({"line_no": line["line_no"], "quantity": wanted - there})
    return short
