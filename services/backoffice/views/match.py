"""Matching a transfer that nobody could place to its order: which it may be for, and the question before it is done."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners, Said
from services.backoffice.pages import Pages
from services.backoffice.words import N_

Item = dict[str, Any]
LIST = "/money/transfers?state=review"
MOST = 6
"""Orders that are offered."""


def address(entry_id: str, order: str = "") -> str:
    """Where one entry of the bank statement is matched; with an order: the question."""
    return f"/money/match?{urlencode({'entry': entry_id} | ({'order': order} if order else {}))}"


async def entry(owners: Owners, entry_id: str) -> Item | None:
    """The entry as billing has it. Raises Away or Said."""
    found = (await owners.get("billing", "/bank-entries", entry_id=entry_id))["items"]
    return dict(found[0]) if found else None


async def still_open(owners: Owners, order: Item) -> Decimal:
    """What of an order's amount has not come in, as billing says; all of it as long as nobody asked for money."""
    try:
        account = await owners.get("billing", f"/accounts/{order['order_id']}")
    except Said as refused:
        if refused.status != 404:
            raise
        return Decimal(order["due"])
    return Decimal(account["due"]) - Decimal(account["captured"]) + Decimal(account["refunded"])


async def choose(conn: AsyncConnection, pages: Pages, of: Item, typed: str, error: Item | None) -> Item:
    """The entry, and the open orders that wait for just this amount, the oldest first."""
    w = pages.words
    offered = await queries.waiting_for(conn, Decimal(of["amount"]), of["currency"], MOST)
    return {
        "title": w.say("Which order is this transfer for?"),
        "back": LIST,
        "entry": of["entry_id"],
        "said": [
            (w.say("Amount"), w.money(Decimal(of["amount"]), of["currency"])),
            (w.say("Reference"), of["reference"] or w.say("none")),
            (w.say("Booked"), w.day(of["booked_on"])),
            (w.say("Why it waits"), w.heard(of["reason"])),
        ],
        "offered": [
            {
                "number": order["number"],
                "name": order["name"],
                "placed": w.day(order["placed_at"]),
                "href": address(of["entry_id"], order["number"]),
            }
            for order in offered
        ],
        "typed": typed,
        "error": error,
    }


def question(pages: Pages, of: Item, order: Item, left: Decimal, key: str, error: Item | None) -> Item:
    """What matching does, as book.html shows it. `left`: what of the order has not come in."""
    w = pages.words
    amount, currency = Decimal(of["amount"]), of["currency"]
    after = left - amount
    if after > 0:
        then = w.say("%(amount)s of it stays to be paid.", amount=w.money(after, currency))
    elif after < 0:
        more = w.money(-after, currency)
        then = w.say("%(amount)s more came than it asks for; it goes back to the customer.", amount=more)
    else:
        then = w.say("Then nothing of it stays to be paid.")
    open_ = w.say("%(amount)s is still to be paid.", amount=w.money(max(left, Decimal(0)), currency))
    name = f"{order['number']}, {order['name']}" if order["name"] else order["number"]
    sentences = [
        {"order": name, "href": f"/orders/{quote(order['number'])}", "text": open_},
        {"order": "", "text": then},
    ]
    return {
        "title": w.say("Match the transfer to order %(number)s?", number=order["number"]),
        "back": address(of["entry_id"]),
        "said": f"{w.money(amount, currency)} {of['reference']}".strip(),
        "effects": [{"what": w.say("Money"), "icon": "card", "sentences": sentences}],
        "error": error,
        "action": "/money/match",
        "key": key,
        "quote": "",
        "hidden": [("entry", of["entry_id"]), ("order", order["number"])],
        "over": "",
        "reason": None,
        "act": "match",
        "button": w.say("Match it"),
    }


def body(of: Item, order_id: UUID) -> Item:
    """What billing is asked: the same entry again, with its order."""
    kept = ("entry_id", "reference", "amount", "currency", "booked_on")
    return {name: of[name] for name in kept} | {"order_id": str(order_id)}


NO_ORDER = N_("There is no order with this number.")
OTHER_CURRENCY = N_("This order is in %(currency)s, the transfer is not.")
