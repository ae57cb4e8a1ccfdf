"""The work of the warehouse: what to pick, what to pack, what to hand over. No prices and no addresses."""

import asyncio
import re
from decimal import ROUND_CEILING, Decimal
from typing import Any
from uuid import UUID

from services.backoffice.code128 import drawn, printable
from services.backoffice.owners import Owners
from services.backoffice.pages import English
from services.backoffice.views import scanning
from services.backoffice.views.lines import text
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 100
MOST_ON_PAPER = 50
"""Parcels of one list on paper: more are not carried at once."""


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
        "most": MOST_ON_PAPER,
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
        "short": of.get("short", []),
        "packed": bool(of.get("packed_at")),
        "weight_g": of.get("weight_g", 0),
    }


async def one(owners: Owners, shipment_id: UUID) -> Item:
    """One shipment, without whom it is for, its lines by bin. Raises Away or Said."""
    found = _short(await owners.get("fulfilment", f"/shipments/{shipment_id}"))
    known = await scanning.placed(owners, found["warehouse"], (line["sku"] for line in found["lines"]))
    lines = [{"bin": "", "barcode": "", **known.get(line["sku"], {}), **line, "counted": 0} for line in found["lines"]]
    lines.sort(key=lambda line: scanning.in_walking_order(line["bin"]))
    own = [scanning.parcel_code(shipment_id), str(shipment_id), found["number"]]
    return {
        **found,
        "lines": [{**line, "codes": scanning.codes(line)} for line in lines],
        "own": list(map(scanning.same, own)),
    }


UNITS = {"kg": 1000, "g": 1}
"""Grams of each unit that a weight is typed in."""
USUAL_G = range(10, 70_001)
"""What parcels weigh: 70 kg is the most that parcel carriers take. Anything else is asked about once more."""
MOST_G = 10_000_000
_WEIGHT = re.compile(r"(\d{1,8}(?:[.,]\d{1,3})?)\s*(kg|g)?")


def grams(typed: str, unit: str) -> int:
    """A weight as it was typed, with comma or dot; a unit behind it counts more than the chosen one.

    Rounded up to the gram, as a label must not be for less than the parcel weighs. Raises ValueError.
    """
    found = _WEIGHT.fullmatch(typed.strip().lower())
    if found is None:
        raise ValueError(typed)
    whole = Decimal(found[1].replace(",", ".")) * UNITS[found[2] or unit]
    weight = int(whole.to_integral_value(ROUND_CEILING))
    if not 0 < weight <= MOST_G:
        raise ValueError(typed)
    return weight


def weight(w: English, grams: int) -> str:
    """A weight in words: grams up to a kilogram."""
    return f"{w.number(grams)}\u00a0g" if grams < 1000 else f"{w.number(Decimal(grams) / 1000)}\u00a0kg"


async def done(owners: Owners, w: English, act: str, shipment_id: UUID) -> str:
    """What became of a parcel that somebody has just picked, packed or handed over, in a sentence that names it.

    Empty when it did not come to that. Raises Away or Said.
    """
    of = _short(await owners.get("fulfilment", f"/shipments/{shipment_id}"))
    number, missing = of["number"], sum(line["quantity"] for line in of["short"])
    if act == "pick" and of["state"] == "rejected":
        return w.say("Nothing of %(number)s was found; the order is told.", number=number)
    if act == "pick" and missing:
        return w.many(
            "%(number)s is picked without %(n)d piece.",
            "%(number)s is picked without %(n)d pieces.",
            missing,
            number=number,
        )
    if act == "pick" and of["state"] != "planned":
        return w.say("%(number)s is picked.", number=number)
    if act == "pack" and of["packed"] and of["weight_g"]:
        return w.say("%(number)s is packed, %(weight)s.", number=number, weight=weight(w, of["weight_g"]))
    if act == "pack" and of["packed"]:
        return w.say("%(number)s is packed.", number=number)
    if act == "dispatch" and of["state"] in ("dispatched", "delivered"):
        return w.say("%(number)s is handed over.", number=number)
    return ""


WHYS = (
    ("not_there", N_("Not on the shelf")),
    ("damaged", N_("Damaged")),
    ("wrong_product", N_("Wrong product in the bin")),
    ("other", N_("Something else")),
)
"""Why a piece could not be picked: fulfilment's code and its text; the first one is the most usual."""


class NoteMissing(ValueError):
    """Something else is the reason, and nobody said what."""


def why(w: English, line: Item, form: Item) -> Item:
    """What the picker says of the missing pieces of a line. Raises NoteMissing or Mistyped."""
    codes = [code for code, _ in WHYS]
    reason = str(form.get(f"why-{line['line_no']}") or codes[0])
    note = text(w, form, f"note-{line['line_no']}", f"{w.say('Note')} ({line['sku']})", 200)
    if reason not in codes or (reason == "other" and not note):
        raise NoteMissing(line["sku"])
    return {"reason": reason, "note": note}


def as_typed(lines: list[Item], form: Item) -> list[Item]:
    """The lines with what was typed, also what is wrong, so that nobody types the rest again.

    Of a wrong number nobody knows how much is missing, so nothing is.
    """
    found = []
    for line in lines:
        typed = str(form.get(f"found-{line['line_no']}", "")).strip()
        try:
            (line,) = counted([line], form)
        except ValueError:
            line = {**line, "counted": line["quantity"], "wrong": True}
        why, note = (str(form.get(f"{name}-{line['line_no']}", "")) for name in ("why", "note"))
        found.append({"wrong": False, **line, "typed": typed or line["counted"], "why": why, "note": note})
    return found


def counted(lines: list[Item], form: Item) -> list[Item]:
    """The lines with what was counted so far. Raises ValueError for what is no number of pieces of the line."""
    found = [{**line, "counted": int(str(form.get(f"found-{line['line_no']}", "0") or "0"))} for line in lines]
    for line in found:
        if not 0 <= line["counted"] <= line["quantity"]:
            raise ValueError(line["sku"])
    return found


async def open_parcel(owners: Owners, order_id: UUID) -> UUID | None:
    """The only parcel of an order that waits to be packed or handed over. Raises Away or Said."""
    found = (await owners.get("fulfilment", "/shipments", order_id=str(order_id), limit=100))["items"]
    waiting = [UUID(of["shipment_id"]) for of in found if of["state"] in ("picked", "packed")]
    return waiting[0] if len(waiting) == 1 else None


async def on_paper(owners: Owners, warehouse: str, ids: list[UUID]) -> Item:
    """The list of a walk: each bin once, with what is taken for which box; then the boxes. Raises Away or Said.

    Without ids it is the most urgent parcels. Prices and addresses are not asked for.
    """
    said = await owners.get("fulfilment", "/pick-list", warehouse=warehouse)
    chosen = [of for of in said["shipments"] if not ids or UUID(of["shipment_id"]) in ids][:MOST_ON_PAPER]
    known = await scanning.placed(owners, warehouse, (line["sku"] for of in chosen for line in of["lines"]))
    bins: dict[str, Item] = {}
    for box, of in enumerate(chosen, 1):
        for line in of["lines"]:
            place = known.get(line["sku"], {})
            empty = {"sku": line["sku"], "text": line.get("text") or place.get("name") or line["sku"]}
            row = bins.setdefault(
                line["sku"], {**empty, "bin": place.get("bin", ""), "quantity": 0, "boxes": {}, "code": ""}
            )
            row["code"] = place.get("barcode") or line["sku"]
            row["quantity"] += line["quantity"]
            row["boxes"][box] = row["boxes"].get(box, 0) + line["quantity"]
    rows = sorted(bins.values(), key=lambda row: (scanning.in_walking_order(row["bin"]), row["sku"]))
    boxes = [
        {
            "box": box,
            "number": of["number"],
            "pieces": sum(line["quantity"] for line in of["lines"]),
            "service": of["service_level"],
            "code": barcode(scanning.parcel_code(of["shipment_id"])),
        }
        for box, of in enumerate(chosen, 1)
    ]
    return {
        "warehouse": warehouse,
        "rows": [{**row, "drawn": barcode(row["code"])} for row in rows],
        "boxes": boxes,
        "pieces": sum(row["quantity"] for row in rows),
        "gone": len(set(ids)) - len(chosen) if ids else 0,
    }


def barcode(text: str) -> Item | None:
    """A text as bars for a template; None where the symbology cannot say it."""
    if not printable(text):
        return None
    width, path = drawn(text)
    return {"text": text, "width": width, "path": path}


async def to_pack(owners: Owners) -> Item:
    """What is picked and waits for its parcel, and what is packed and waits for the carrier. Raises Away or Said."""
    picked, packed = await asyncio.gather(
        *(
            owners.get("fulfilment", "/shipments", state=state, oldest="true", limit=SHOWN)
            for state in ("picked", "packed")
        )
    )
    return {name: [_short(of) for of in said["items"]] for name, said in (("pack", picked), ("out", packed))}


def missing(w: English, lines: list[Item], found: dict[int, int], form: Item) -> list[Item]:
    """What was not found, per line, and why. Raises ValueError when more was found than is wanted, or less than none.

    Raises NoteMissing when another reason was chosen and not said, Mistyped when too much was said.
    """
    short: list[Item] = []
    for line in lines:
        wanted = int(line["quantity"])
        there = found.get(int(line["line_no"]), wanted)
        if not 0 <= there <= wanted:
            raise ValueError(line["sku"])
        if there < wanted:
            short.append({"line_no": line["line_no"], "quantity": wanted - there, "why": why(w, line, form)})
    return short
