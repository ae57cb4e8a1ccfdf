"""The packing slip of a parcel, in the customer's language: what is in it, what comes later, how things go back.

It says nothing of prices, as a parcel may be a present.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.backoffice.owners import Owners
from services.backoffice.pages import Pages
from services.backoffice.phrases import Phrases, language_of
from services.backoffice.views import withdrawal
from services.backoffice.views.cells import address
from services.backoffice.views.status import GONE, OUT
from services.backoffice.views.warehouse import barcode
from shared.http import NotFound

Item = dict[str, Any]


async def slip(owners: Owners, pages: Pages, shipment_id: UUID, wanted: str = "") -> tuple[Item, Phrases]:
    """The slip and the language it is in: the one that is wanted, else the customer's. Raises Away or Said.

    Raises NotFound for a parcel that will never go.
    """
    of = dict(await owners.get("fulfilment", f"/shipments/{shipment_id}"))
    if of["state"] in GONE:
        raise NotFound("shipment", shipment_id)
    order = dict(await owners.get("order", f"/orders/{of['order_id']}"))
    period = await owners.get("order", f"/orders/{of['order_id']}/withdrawal")
    p = Phrases(language_of(order["bill_to"], order["ship_to"], wanted), pages.zone)
    going = sorted((one for one in order["shipments"] if one["state"] not in GONE), key=lambda one: one["seq"])
    nth = next((n for n, one in enumerate(going, 1) if one["shipment_id"] == str(shipment_id)), 0)
    rows = _rows(of, order, p)
    return {
        "id": shipment_id,
        "number": of["number"],
        "placed": p.phrase("of", number=of["number"], day=p.day(datetime.fromisoformat(order["placed_at"]))),
        "parcel": p.phrase("parcel", n=nth) if nth else "",
        "sent": p.day(datetime.fromisoformat(of["dispatched_at"])) if of["dispatched_at"] else "",
        "tracking": " ".join(filter(None, (of["carrier"], of["tracking"]))),
        "to": address(of["address"]),
        "drawn": barcode(of["number"]),
        "rows": rows,
        "pieces": sum(row["here"] for row in rows),
        "later": any(row["later"] for row in rows),
        "until": withdrawal.until(period, p) if period["days"] else "",
    }, p


def _rows(of: Item, order: Item, p: Phrases) -> list[Item]:
    """The goods of the order that are in this parcel or still come, in the order of its lines."""
    short = {line["line_no"]: line["quantity"] for line in of["short"]}
    here = {line["line_no"]: line["quantity"] - short.get(line["line_no"], 0) for line in of["lines"]}
    out, open_ = Counter[int](), Counter[int]()
    for other in order["shipments"]:
        if other["shipment_id"] == of["shipment_id"]:
            continue
        if other["state"] in OUT:
            out.update({line["line_no"]: line["shipped"] for line in other["lines"]})
        elif other["state"] not in GONE:
            open_.update({line["line_no"]: line["quantity"] for line in other["planned"]})
    rows = []
    for line in order["lines"]:
        no, pieces = line["line_no"], here.get(line["line_no"], 0)
        left = line["ordered"] - line["cancelled"] - out[no] - pieces
        later = _later(line, max(0, left), open_[no], p)
        if line["kind"] == "goods" and (pieces or later):
            text = line["text"] or p.phrase("item")
            rows.append({"text": text, "sku": line["sku"], "ordered": line["ordered"], "here": pieces, "later": later})
    return rows


def _later(line: Mapping[str, Any], left: int, parcelled: int, p: Phrases) -> str:
    """What of a line comes in another parcel that is being made, and what after that."""
    parcelled = min(parcelled, left)
    said = [p.phrase("slip other", n=parcelled)] if parcelled else []
    if rest := left - parcelled:
        day = line["promised_on"]
        when = p.phrase("around", day=p.short(date.fromisoformat(day))) if day and line["backordered"] else ""
        said.append(f"{rest} {when}".strip())
    return ", ".join(said)
