"""Sending something back, on the customer's page: until when, which pieces, what it means, until when to send.

The period and the pieces are the order's word, the money is billing's.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from services.backoffice.phrases import Phrases

Item = dict[str, Any]
Form = Mapping[str, Any]
MOST = 1_000_000


def offer(period: Item, p: Phrases, where: str) -> Item | None:
    """What the customer's page says of sending back; None while nothing can come back."""
    if not period["parcels"]:
        return None
    return {"open": period["open"], "text": until(period, p), "href": f"{where}/return?lang={p.lang}"}


def until(period: Item, p: Phrases) -> str:
    """How long the customer may decide, or that the time is over."""
    if period["until"] is None:
        return p.phrase("withdraw open", days=period["days"])
    return p.phrase("withdraw until" if period["open"] else "withdraw over", day=p.day(_day(period["until"])))


def send_by(known: Item, back: Item, p: Phrases) -> str:
    """Until when to send what was announced; empty once it is here, or while it is not known since when."""
    asked_at = known["asked_at"].get(back["return_id"])
    if asked_at is None or back["state"] != "expected":
        return ""
    return p.phrase("send by", day=p.day(p.on(asked_at) + timedelta(days=known["period"]["send_days"])))


def typed(order: Item, form: Form) -> Item:
    """What is sent back of one parcel, as the owner takes it. Raises ValueError when it is no number, or nothing.

    How much of it can come back is the owner's to say.
    """
    shipment = next((of for of in order["shipments"] if of["shipment_id"] == form.get("shipment_id")), None)
    if shipment is None:
        raise ValueError("no such parcel")
    goods = {line["line_no"] for line in order["lines"] if line["kind"] == "goods"}
    lines = []
    for line_no in (of["line_no"] for of in shipment["planned"] if of["line_no"] in goods):
        pieces = int(str(form.get(f"back-{line_no}", "0") or "0"))
        if not 0 <= pieces <= MOST:
            raise ValueError(line_no)
        if pieces:
            lines.append({"line_no": line_no, "quantity": pieces})
    if not lines:
        raise ValueError("nothing comes back")
    return {"shipment_id": shipment["shipment_id"], "lines": lines}


def choosing(order: Item, period: Item, p: Phrases, where: str, form: Form, error: str) -> Item:
    """The page on which the customer says what is sent back, parcel by parcel; or that the time is over."""
    parcels = [
        {
            "title": p.phrase("parcel", n=parcel["seq"]),
            "shipment_id": parcel["shipment_id"],
            "lines": [
                {
                    "name": f"back-{line['line_no']}",
                    "text": line["text"] or p.phrase("item"),
                    "of": p.phrase("of so many", n=line["quantity"]),
                    "most": line["quantity"],
                    "value": form.get(f"back-{line['line_no']}", 0)
                    if form.get("shipment_id") == parcel["shipment_id"]
                    else 0,
                }
                for line in parcel["lines"]
            ],
        }
        for parcel in period["parcels"]
    ]
    return {
        "title": p.phrase("withdraw title"),
        "number": order["number"],
        "until": until(period, p),
        "open": period["open"],
        "parcels": parcels if period["open"] else [],
        "reason": form.get("reason", ""),
        "action": f"{where}/return?lang={p.lang}",
        "back": f"{where}?lang={p.lang}",
        "error": error,
    }


def asking(
    order: Item,
    period: Item,
    wish: Item,
    would: Item,
    worth: Item,
    p: Phrases,
    where: str,
    reason: str,
    key: str,
    address: Sequence[str],
    error: str,
) -> Item:
    """The page that asks once more: `would` is the order's preview, `worth` billing's of the same pieces."""
    names = {line["line_no"]: line["text"] or p.phrase("item") for line in order["lines"]}
    gross, back = (Decimal(worth[name]) for name in ("gross", "back"))
    said = "withdraw money" if gross == back else "withdraw credit"
    pieces = [(f"back-{line['line_no']}", line["quantity"]) for line in wish["lines"]]
    return {
        "title": p.phrase("withdraw sure"),
        "number": order["number"],
        "goods": [(of["quantity"], names[of["line_no"]]) for of in would["returns"][0]["lines"]],
        "money": p.phrase(said, amount=p.money(gross, worth["currency"])),
        "send_by": p.phrase("send by", day=p.day(_day(period["send_by"]))),
        "address": list(address),
        "hidden": [("shipment_id", wish["shipment_id"]), *pieces, ("reason", reason)],
        "action": f"{where}/return?lang={p.lang}",
        "back": f"{where}?lang={p.lang}",
        "quote": would["quote"],
        "key": key,
        "error": error,
    }


def _day(iso: str) -> date:
    return date.fromisoformat(iso)
