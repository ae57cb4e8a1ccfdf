"""What a scanner said: which piece, which parcel. A scan is a line of text, however its writer spells it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.backoffice.owners import Owners

Item = dict[str, Any]
MOST_AT_ONCE = 200
"""SKUs that one request asks about."""
_PARTS = re.compile(r"(\d+)")


def same(code: str) -> str:
    """Two scans with the same answer are the same code."""
    return code.strip().upper()


def parcel_code(shipment_id: UUID | str) -> str:
    """What stands for a shipment on paper: its id in figures, which is half as wide as in letters."""
    return f"{UUID(str(shipment_id)).int:040d}"


def parcel_of(code: str) -> UUID | None:
    """The shipment that a code stands for, if it is one on paper or an id as it is."""
    text = code.strip()
    try:
        if len(text) == 40 and text.isdecimal():
            return UUID(int=int(text))
        return UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


def in_walking_order(bin: str) -> tuple[object, ...]:
    """Sorts bins as people walk past them: figures by value, and what lies nowhere known last."""
    return (not bin, *[(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _PARTS.split(bin.upper())])


async def placed(owners: Owners, warehouse: str, skus: Iterable[str]) -> dict[str, Item]:
    """Bin and barcode of each SKU that is known in a warehouse. Raises Away or Said."""
    wanted = list(dict.fromkeys(skus))
    found: dict[str, Item] = {}
    for n in range(0, len(wanted), MOST_AT_ONCE):
        said = await owners.get("inventory", "/places", warehouse=warehouse, sku=wanted[n : n + MOST_AT_ONCE])
        found |= {of["sku"]: of for of in said["items"]}
    return found


def codes(line: Mapping[str, Any]) -> list[str]:
    """What may be scanned for a piece of a line."""
    return [same(code) for code in (line["sku"], line.get("barcode", "")) if code]


def line_of(lines: Sequence[Item], code: str) -> Item | None:
    """The line whose piece was scanned: of several alike the first that is not counted in full."""
    fits = [line for line in lines if same(code) in codes(line)]
    return next((line for line in fits if line["counted"] < line["quantity"]), fits[0] if fits else None)


async def sku_of(owners: Owners, typed: str) -> str:
    """The SKU that was typed or scanned as a barcode; what is neither, or not certain, as it was typed."""
    found = (await owners.get("inventory", "/codes", code=typed))["items"] if typed else []
    exact = [of["sku"] for of in found if of["sku"] == typed]
    return str((exact or [found[0]["sku"]])[0]) if exact or len(found) == 1 else typed
