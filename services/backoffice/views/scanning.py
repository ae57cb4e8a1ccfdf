"""What a scanner said: which piece, which parcel. A scan is a line of text, however its writer spells it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.backoffice.owners import Away, Owners, Said

Item = dict[str, Any]
MOST = 64
"""Characters of a code of a product."""
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
    return await owners.by_sku("inventory", "/places", skus, warehouse=warehouse)


def codes(line: Mapping[str, Any]) -> list[str]:
    """What may be scanned for a piece of a line."""
    return [same(code) for code in (line["sku"], line.get("barcode", "")) if code]


def line_of(lines: Sequence[Item], code: str) -> Item | None:
    """The line whose piece was scanned: of several alike the first that is not counted in full."""
    fits = [line for line in lines if same(code) in codes(line)]
    return next((line for line in fits if line["counted"] < line["quantity"]), fits[0] if fits else None)


async def product_of(owners: Owners, code: str) -> Item | None:
    """SKU, name and barcode of what a code stands for; None when it is nothing, or not certain. Raises Away or Said."""
    found = (await owners.get("inventory", "/codes", code=code))["items"] if 0 < len(code) <= MOST else []
    exact = [of for of in found if of["sku"] == code]
    return dict((exact or found)[0]) if exact or len(found) == 1 else None


async def sku_of(owners: Owners, typed: str) -> str:
    """The SKU that was typed or scanned as a barcode; what is neither, or not certain, as it was typed."""
    found = await product_of(owners, typed)
    return str(found["sku"]) if found else typed


async def product_with_barcode(owners: Owners, code: str) -> str:
    """The SKU that this is the barcode of; empty when it is none, or the owner does not tell."""
    try:
        found = await product_of(owners, code.strip())
    except (Away, Said):
        return ""
    return str(found["sku"]) if found and same(found["barcode"]) == same(code) else ""
