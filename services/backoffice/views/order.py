"""One order: why it does not move, where its pieces are, its money, its parcels, and all that happened."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from services.backoffice import queries
from services.backoffice.columns import parts_in_text
from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import English, Pages
from services.backoffice.queries import Reading
from services.backoffice.rights import Person
from services.backoffice.views import mails
from services.backoffice.views.cells import address
from services.backoffice.views.customers import where as customer_at
from services.backoffice.views.refunds import of_order
from services.backoffice.views.resume import stuck
from services.backoffice.words import N_, Told, timeline

Item = dict[str, Any]
MAYBE_OUT = ("in_fulfilment", "backordered", "held", "shipped", "delivered", "completed")
"""Statuses of orders of which something may be with the customer."""
GROUPS = (
    ("", N_("All")),
    ("people", N_("People")),
    ("stock", N_("Stock")),
    ("money", N_("Money")),
    ("goods", N_("Goods")),
)
COUNTED = ("ordered", "cancelled", "waiting", "backordered", "reserved", "released", "shipped")


async def asked(owners: Owners, order_id: UUID) -> Item | None:
    """The order as its owner says; None while the owner is away."""
    try:
        return dict(await owners.get("order", f"/orders/{order_id}"))
    except (Away, Said, TypeError, ValueError):
        return None


async def page(
    reading: Reading, pages: Pages, owners: Owners, person: Person, order_id: UUID, group: str
) -> Item | None:
    """All that the page shows; None when there is no such order. `stale`: the read tables are behind the owner."""

    async def read() -> tuple[Item | None, list[Item]]:
        async with reading() as conn:
            return await queries.one(conn, order_id), await queries.mails_of(conn, order_id)

    (kept, sent), now_said = await asyncio.gather(read(), asked(owners, order_id))
    if kept is None or (now_said is None and not kept["seen"]):
        return None  # heard of, not seen yet, and nobody to ask
    w = pages.words.within((now_said or kept)["currency"])
    notes = await _credit_notes(owners, order_id) if (kept["money"] or {}).get("credited") else []
    head = _head(kept, now_said)
    told = timeline(kept["entries"], _history(now_said), w) + mails.told(sent, w)
    told.sort(key=lambda each: each.at, reverse=True)
    since = told[0].at if told and not head["final"] else None
    if group in {name for name, _ in GROUPS[1:]}:
        told = [each for each in told if each.line.group == group]
    where = f"/orders/{quote(head['number'])}"
    return head | {
        "stale": now_said is not None and not _same(kept, now_said),
        "away": now_said is None,
        "lines": [_line(line) for line in now_said["lines"]] if now_said else [],
        "kits": [_kit(w, kit) for kit in now_said["kits"]] if now_said else [],
        "counts": {name: kept[name] for name in COUNTED},
        "actions": _actions(pages, person, head, where, kept) if now_said else [],
        "why_kind": (kind := why_kind(head)),
        "asks": kind in ("bad", "wait"),
        "since": w.moment(since) if since else "",
        "skus": person.may("stock"),
        "customer": customer_at(head["customer_id"]) if head["customer_id"] and person.may("customers") else "",
        "until": w.moment(head["until_at"]) if head["until_at"] else "",
        "groups": [
            {"text": w.say(text), "href": f"{where}?show={name}" if name else where, "here": name == group}
            for name, text in GROUPS
        ],
        "timeline": _days(w, told),
        "sums": _sums(w, kept, now_said),
        "money_parked": (kept["money"] or {}).get("parked", ""),
        "shipments": _shipments(kept, now_said, person),
        "returns": kept["returns"],
        "refunds": of_order(w, kept["refunds"]),
        "documents": [*_documents(w, now_said, person), *_notes(w, notes, person)],
        "address": address(now_said["ship_to"]) if now_said else [],
        "live": f"/live?page=order&id={order_id}&show={group}",
    }


def _head(kept: Item, said: Item | None) -> Item:
    """The owner's words while it answers, else what is kept of them."""
    source = said or {**kept, "why_not_moving": kept["why"], "payment_method": kept["method"]}
    placed = source["placed_at"]
    waits = [dict(wait) for wait in source["waits"]]
    status = source["status"]
    until = waits[0].get("until") if waits else None
    final = status in ("completed", "cancelled")
    return {
        "order_id": kept["order_id"],
        "number": source["number"],
        "status": status,
        "final": final,
        "placed_at": datetime.fromisoformat(placed) if isinstance(placed, str) else placed,
        "channel": source["channel"],
        "external_id": source["external_id"],
        "customer_id": source["customer_id"],
        "name": kept["name"],
        "promised_on": kept["promised_on"] or kept["accepted_on"],
        "currency": source["currency"],
        "method": source["payment_method"],
        "holds": list(source["holds"]),
        "why": source["why_not_moving"],
        "waits": waits,
        "until_at": datetime.fromisoformat(until) if until and "T" in str(until) else None,
        "ordered": sum(line["ordered"] for line in said["lines"]) if said else kept["ordered"],
    }


def _same(kept: Item, said: Item) -> bool:
    """Whether the read tables show what the owner says."""
    return (
        dict(kept["heard"]).get("order", said["version"]) >= said["version"]
        and kept["status"] == said["status"]
        and kept["why"] == said["why_not_moving"]
        and list(kept["holds"]) == list(said["holds"])
    )


def _history(said: Item | None) -> list[Item]:
    return [] if said is None else [{**of, "at": datetime.fromisoformat(of["at"])} for of in said["history"]]


def _line(line: Item) -> Item:
    price, discount = Decimal(line["unit_price"]), Decimal(line["discount"])
    return {**line, "price": price, "sum": price * line["quantity"] - discount}


def _kit(w: English, kit: Item) -> Item:
    """A kit and how far it is: complete sets alone count (R-30), and what is out besides is named."""
    said = [
        w.say("%(n)s of %(of)s delivered complete", n=w.number(kit["delivered"]), of=w.number(kit["ordered"]))
        if kit["delivered"] == kit["shipped"]
        else w.say("%(n)s of %(of)s shipped complete", n=w.number(kit["shipped"]), of=w.number(kit["ordered"]))
    ]
    if kit["leftovers"]:
        parts = " + ".join(f"{of['quantity']} x {of['sku']}" for of in kit["leftovers"])
        said.append(
            w.say("out, and the rest of the kit is still to come: %(parts)s", parts=parts)
            if kit["open"]
            else w.say("out without the rest of the kit: %(parts)s", parts=parts)
        )
    return {
        "text": kit["text"] or kit["sku"],
        "sku": kit["sku"],
        "count": kit["ordered"],
        "parts": parts_in_text(kit["lines"]),
        "said": "; ".join(said),
        "loose": bool(kit["leftovers"]) and not kit["open"],
        "price": Decimal(kit["price"]),
    }


def _actions(pages: Pages, person: Person, head: Item, where: str, kept: Item) -> list[Item]:
    w, found = pages.words, []
    parked = stuck(kept["money"], kept["shipments"])
    open_ = head["status"] not in ("completed", "cancelled", "shipped", "delivered")
    found.append({"href": f"{where}/messages", "text": w.say("Messages"), "icon": "mail", "danger": False})
    found.append({"href": f"{where}/link", "text": w.say("Customer's page"), "icon": "globe", "danger": False})
    if parked and person.may("resume"):
        found.append({"href": f"{where}/resume", "text": w.say("Try again"), "icon": "redo", "danger": False})
    if head["holds"] and person.may("release"):
        found.append({"href": f"{where}/release", "text": w.say("Release"), "icon": "check", "danger": False})
    if open_ and person.may("hold"):
        found.append({"href": f"{where}/hold", "text": w.say("Hold"), "icon": "pause", "danger": False})
    if open_ and person.may("edit"):
        found.append({"href": f"{where}/edit", "text": w.say("Change"), "icon": "edit", "danger": False})
        found.append({"href": f"{where}/address", "text": w.say("Address"), "icon": "pin", "danger": False})
    if head["status"] in MAYBE_OUT and person.may("take-back"):
        found.append({"href": f"{where}/take-back", "text": w.say("Take back"), "icon": "back", "danger": False})
    if head["status"] in MAYBE_OUT and person.may("refund"):
        found.append({"href": f"{where}/refund", "text": w.say("Refund"), "icon": "money", "danger": False})
    if (kept["money"] or {}).get("owed") and person.may("write-off"):
        found.append({"href": f"{where}/write-off", "text": w.say("Write off"), "icon": "money", "danger": False})
    if open_ and head["status"] != "cancelling" and person.may("cancel"):
        found.append({"href": f"{where}/cancel", "text": w.say("Cancel"), "icon": "x", "danger": True})
    return found


def _days(w: English, told: Iterable[Told]) -> list[tuple[str, list[Item]]]:
    """The timeline by day, as templates want it."""
    days: list[tuple[str, list[Item]]] = []
    for each in told:
        day = w.day(each.at)
        if not days or days[-1][0] != day:
            days.append((day, []))
        shown = {name: getattr(each, name) for name in Told.__dataclass_fields__}
        days[-1][1].append({**shown, "clock": w.clock(each.at), "iso": each.at.isoformat()})
    return days


def _sums(w: English, kept: Item, said: Item | None) -> list[tuple[str, str, str]]:
    """Name, amount, style."""
    rows: list[tuple[str, str, str]] = []
    if said is not None:
        rows += [
            (w.say("Without VAT"), w.money(Decimal(said["net"])), ""),
            (w.say("VAT"), w.money(Decimal(said["vat"])), ""),
        ]
    gross, due = Decimal((said or kept)["gross"]), Decimal((said or kept)["due"])
    rows.append((w.say("As ordered"), w.money(gross), ""))
    if due != gross:
        rows.append((w.say("Cancelled"), w.money(due - gross), ""))
    rows.append((w.say("To pay, VAT included"), w.money(due), "sum"))
    money = (said or {}).get("money") or kept["money"]
    if money is not None:
        rows.append((w.say("Secured"), w.money(Decimal(money["secured"])), "gap"))
        rows.append((w.say("Taken"), w.money(Decimal(money["captured"])), ""))
        rows.append((w.say("Refunded"), w.money(Decimal(money["refunded"])), ""))
        rows.append((w.say("Still owed"), w.money(Decimal(money["owed"])), ""))
    return rows


def _shipments(kept: Item, said: Item | None, person: Person) -> list[Item]:
    if said is None:
        return [{**row, "href": ""} for row in kept["shipments"]]
    known = {str(row["shipment_id"]): row for row in kept["shipments"]}
    return [
        {
            **shipment,
            "pieces": sum(line["quantity"] for line in shipment["planned"]),
            **{name: known.get(shipment["shipment_id"], {}).get(name) for name in ("parked", "dispatched_at")},
            "href": f"/shipments/{shipment['shipment_id']}"
            if person.may("shipments") and shipment["state"] != "asked"
            else "",
        }
        for shipment in said["shipments"]
    ]


def why_kind(head: Item) -> str:
    """The colour of why it stands as it does: loud only where somebody outside of the machines must act."""
    if head["final"]:
        return "good"
    turns = {wait["who"] for wait in head["waits"]}
    return "bad" if "staff" in turns else "wait" if turns & {"customer", "supplier", "provider"} else ""


async def _credit_notes(owners: Owners, order_id: UUID) -> list[Item]:
    """Those of an order; none while billing is away: the page is shown all the same."""
    try:
        return list((await owners.get("billing", "/credit-notes", order_id=str(order_id), limit=100))["items"])
    except (Away, Said, KeyError, TypeError):
        return []


def _notes(w: English, notes: list[Item], person: Person) -> list[Item]:
    return [
        {
            "text": w.say("Credit note %(number)s", number=of["number"]),
            "href": f"/documents/{quote(of['number'])}" if person.may("money") else "",
            "sub": w.say(
                "%(gross)s, VAT %(vat)s", gross=w.money(Decimal(of["gross"])), vat=w.money(Decimal(of["vat"]))
            ),
        }
        for of in notes
    ]


def _documents(w: English, said: Item | None, person: Person) -> list[Item]:
    money = (said or {}).get("money") or {}
    return [
        {
            "text": w.say("Invoice %(number)s", number=of["number"]),
            "href": f"/documents/{quote(of['number'])}" if person.may("money") else "",
            "sub": w.say(
                "%(gross)s, VAT %(vat)s", gross=w.money(Decimal(of["gross"])), vat=w.money(Decimal(of["vat"]))
            ),
        }
        for of in money.get("invoiced", ())
    ]  # fmt: skip
