"""The customer's page of one order: where it is in a sentence, parcels as steps, what comes later, money, documents.

It says nothing of how the shop works: no SKU, warehouse, hold or name of staff.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.backoffice import queries
from services.backoffice.owners import Owners
from services.backoffice.phrases import LANGUAGES, Phrases
from services.backoffice.queries import Reading
from services.backoffice.views import withdrawal

Item = dict[str, Any]
GONE = ("cancelled", "rejected")
"""States of shipments that nothing comes of."""
OUT = ("dispatched", "delivered", "refused")
STEPS: Mapping[str, int] = {"asked": 0, "planned": 0, "picked": 1, "packed": 1, "dispatched": 2, "delivered": 3}
BADGES: Mapping[str, tuple[str, str]] = {
    "asked": ("ready soon", "info"),
    "planned": ("ready soon", "info"),
    "picked": ("packing", "info"),
    "packed": ("packed", "info"),
    "dispatched": ("sent", "info"),
    "delivered": ("delivered", "good"),
    "refused": ("returning", "wait"),
}
"""State of a parcel -> its phrase, and its colour."""


async def facts(reading: Reading, owners: Owners, order_id: UUID) -> Item:
    """The order as its owners say, and when its parcels went. Raises Away or Said."""
    said = dict(await owners.get("order", f"/orders/{order_id}"))
    notes = await owners.get("billing", "/credit-notes", order_id=str(order_id), limit=100)
    period = await owners.get("order", f"/orders/{order_id}/withdrawal")
    async with reading() as conn:
        moved = {str(row["shipment_id"]): row for row in await queries.shipments_of(conn, order_id)}
        asked_at = await queries.returns_asked_at(conn, order_id)
    return {"order": said, "notes": notes["items"], "moved": moved, "asked_at": asked_at, "period": period}


def page(known: Item, p: Phrases, carriers: Mapping[str, str], where: str, ends: datetime) -> Item:
    """All that the page shows. `where`: its own address without a query; `ends`: when the link does."""
    order = known["order"]
    goods = {line["line_no"]: _named(line, p) for line in order["lines"] if line["kind"] == "goods"}
    wanted = sum(line["ordered"] - line["cancelled"] for line in goods.values())
    parcels = _parcels(known, goods, p, carriers, where)
    late = _late(goods.values(), p)
    waiting = [(line["reserved"] + line["waiting"], line["text"]) for line in goods.values()]
    placed = datetime.fromisoformat(order["placed_at"])
    return {
        "number": order["number"],
        "head": _head(order, goods, parcels, wanted, p),
        "wait": f"{where}/wait?lang={p.lang}",
        "stop": f"{where}/stop?lang={p.lang}",
        "of": p.phrase("of", number=order["number"], day=p.day(placed)),
        "late": late,
        "parcels": parcels,
        "waiting": [(n, text) for n, text in waiting if n],
        "returns": _returns(known, goods, p),
        "withdrawal": withdrawal.offer(known["period"], p, where),
        "sums": _sums(order, p),
        "documents": [of for note in known["notes"] for of in _document(order, note["number"], p, where)],
        "until": p.phrase("until", day=p.day(ends)),
        "languages": [{"lang": lang, "name": name, "href": f"{where}?lang={lang}"} for lang, name in LANGUAGES.items()],
    }


def _document(order: Item, number: str, p: Phrases, where: str) -> list[Item]:
    """A credit note as PDF, and for who reads documents by program."""
    href = f"{where}/documents/{number}"
    made = [{"text": f"{p.phrase('credit note')} {number}", "href": href}]
    if _by_program(order):
        made.append({"text": f"{p.phrase('e-invoice')} {number}", "href": f"{href}/xml"})
    return made


def _by_program(order: Item) -> bool:
    """The buyer is a business that said how it wants to be invoiced."""
    return any(order["bill_to"].get(name) for name in ("vat_id", "reference", "electronic_address"))


def _named(line: Item, p: Phrases) -> Item:
    """The line by a name that a customer knows."""
    return {**line, "text": line["text"] or p.phrase("item")}


def _head(order: Item, goods: Mapping[int, Item], parcels: list[Item], wanted: int, p: Phrases) -> str:
    """Where the order is, in a sentence."""
    status = order["status"]
    if status == "cancelled" or not wanted:
        return p.phrase("cancelled")
    if status == "cancelling":
        return p.phrase("cancelling")
    out = sum(parcel["pieces"] for parcel in parcels if parcel["state"] in ("dispatched", "delivered"))
    late = sum(line["backordered"] for line in goods.values())
    if parcels and all(parcel["state"] == "refused" for parcel in parcels):
        return p.phrase("back")
    if parcels and out >= wanted:
        return p.phrase("here" if all(parcel["state"] == "delivered" for parcel in parcels) else "way")
    if 0 < late < wanted:
        ready = wanted - late
        return p.counted("part here" if out >= ready else "part ready", ready, all=wanted)
    if late:
        return p.phrase("later")
    if out:
        return p.counted("part here", out, all=wanted)
    return p.phrase({"held": "checking", "awaiting_payment": "unpaid"}.get(status, "preparing"))


def _parcels(known: Item, goods: Mapping[int, Item], p: Phrases, carriers: Mapping[str, str], where: str) -> list[Item]:
    order = known["order"]
    invoices = {of["shipment_id"]: of["number"] for of in (order["money"] or {}).get("invoiced", ())}
    placed = datetime.fromisoformat(order["placed_at"])
    found: list[Item] = []
    for shipment in sorted(order["shipments"], key=lambda of: of["seq"]):
        state = shipment["state"]
        out = state in OUT
        counts = (
            [(of["line_no"], of["shipped"]) for of in shipment["lines"]]
            if out and shipment["lines"]
            else [(of["line_no"], of["quantity"]) for of in shipment["planned"]]
        )
        items = [(n, goods[line_no]["text"]) for line_no, n in counts if n and line_no in goods]
        if state in GONE or not items:
            continue
        moved = known["moved"].get(shipment["shipment_id"], {})
        invoice, tracking = invoices.get(shipment["shipment_id"]), shipment["tracking"] if out else ""
        url = carriers.get(shipment["carrier"], "") if tracking else ""
        badge, colour = BADGES[state]
        found.append(
            {
                "id": shipment["shipment_id"],
                "title": p.phrase("parcel", n=len(found) + 1),
                "state": state,
                "pieces": sum(n for n, _ in items),
                "badge": p.phrase(badge),
                "colour": colour,
                "goods": items,
                "steps": _steps(state, placed, moved, p),
                "tracking": tracking,
                "track": url.replace("{tracking}", tracking) if tracking.isalnum() else "",
                "invoice": f"{where}/documents/{invoice}" if invoice else "",
                "xml": f"{where}/documents/{invoice}/xml" if invoice and _by_program(order) else "",
            }
        )
    return found


def _steps(state: str, placed: datetime, moved: Mapping[str, Any], p: Phrases) -> list[Item]:
    """Ordered, packed, on its way, delivered: which are done, where it is, and the days that are known."""
    sent, delivered = moved.get("dispatched_at"), moved.get("delivered_at")
    last = ("returning", moved.get("at")) if state == "refused" else ("delivered", delivered)
    at = 3 if state == "refused" else max(1, STEPS[state])
    steps = (("ordered", placed), ("packing", None), ("sent", sent), last)
    return [
        {
            "text": p.phrase(name),
            "day": p.short(day) if day and i <= at else "",
            "done": i < at or (i == at and state in OUT),
            "here": i == at,
        }
        for i, (name, day) in enumerate(steps)
    ]


def _late(lines: Iterable[Item], p: Phrases) -> list[Item]:
    """What has to come in first, by the day that it is promised for; without a day at the end."""
    days: dict[str, list[tuple[int, str]]] = {}
    for line in lines:
        if line["backordered"]:
            days.setdefault(line["promised_on"] or "", []).append((line["backordered"], line["text"]))
    found = []
    for day, items in sorted(days.items(), key=lambda of: of[0] or "9999"):
        n = sum(n for n, _ in items)
        title = p.counted("come later", n)
        when = p.day(date.fromisoformat(day)) if day else ""
        found.append(
            {
                "n": n,
                "title": f"{title}, {p.phrase('around', day=when)}" if day else title,
                "text": p.phrase("expected", day=when) if day else p.phrase("no day"),
                "goods": items,
            }
        )
    return found


def _returns(known: Item, goods: Mapping[int, Item], p: Phrases) -> list[Item]:
    words = {"received": "return received", "inspected": "return received", "closed": "return closed"}
    return [
        {
            "goods": [
                (of["quantity"], goods[of["line_no"]]["text"]) for of in back["wanted"] if of["line_no"] in goods
            ],
            "text": p.phrase(words.get(back["state"], "return expected")),
            "send_by": withdrawal.send_by(known, back, p),
        }
        for back in known["order"]["returns"]
        if back["wanted"]
    ]


def _sums(order: Item, p: Phrases) -> list[tuple[str, str, str]]:
    """Name, amount, style."""
    gross, due = Decimal(order["gross"]), Decimal(order["due"])
    rows = [] if gross == due else [("as ordered", gross, ""), ("less", due - gross, "")]
    rows.append(("total", due, "sum"))
    money = {name: Decimal(order["money"][name]) for name in ("secured", "captured", "refunded", "owed")} if (
        order["money"]
    ) else {}  # fmt: skip
    if money:
        held = money["secured"] - money["captured"]
        more = [("paid", money["captured"]), ("refunded", money["refunded"]), ("owed", money["owed"])]
        if order["payment_method"] == "card":
            more.insert(1, ("reserved", held))
        rows += [(name, amount, "") for name, amount in more if amount > 0]
    return [(p.phrase(name), p.money(amount, order["currency"]), css) for name, amount, css in rows]


def late_pieces(order: Item) -> list[Item]:
    """What comes later, as the owner takes it to be cancelled."""
    return [
        {"line_no": line["line_no"], "quantity": line["backordered"]}
        for line in order["lines"]
        if line["kind"] == "goods" and line["backordered"]
    ]


def stopping(order: Item, told: Item, p: Phrases, where: str, key: str, error: str) -> Item:
    """What cancelling the late part would do: these pieces, and this money. In the owner's figures, our words."""
    names = {line["line_no"]: _named(line, p)["text"] for line in order["lines"]}
    moved = [(line, line.get("cancelled", [0, 0])) for line in told["lines"]]
    before, after = (p.money(Decimal(due), order["currency"]) for due in told["due"])
    return {
        "title": p.phrase("stop title"),
        "number": order["number"],
        "goods": [(now - was, names[line["line_no"]]) for line, (was, now) in moved if now > was],
        "money": p.phrase("stop money", before=before, after=after),
        "action": f"{where}/stop?lang={p.lang}",
        "back": f"{where}?lang={p.lang}",
        "quote": told["quote"],
        "key": key,
        "error": error,
    }
