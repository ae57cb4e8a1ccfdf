"""E-mails to the customer of an order, as they were sent; and all that wait for a person."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.pages import English, Pages
from services.backoffice.rights import Person
from services.backoffice.words import N_, Line, Told

Item = dict[str, Any]
SHOWN = 100
KINDS = {
    "confirmed": N_("Confirmation"),
    "backordered": N_("Date of the late part"),
    "date_changed": N_("Another date"),
    "shipped": N_("Parcel on its way"),
    "delivered": N_("Parcel delivered"),
    "withdrawn": N_("Withdrawal received"),
    "refunded": N_("Refund"),
    "low_stock": N_("Stock runs low"),
    "purchase": N_("Purchase order"),
}
STATES = {
    "waiting": (N_("Waits"), "wait"),
    "sending": (N_("Being sent"), "info"),
    "sent": (N_("Sent"), "good"),
    "left": (N_("Not sent"), ""),
    "parked": (N_("Needs a person"), "bad"),
}
"""State of an e-mail -> its words, and their colour."""


def shown(w: English, mail: Item, number: str, *, again: bool) -> Item:
    """One e-mail; `again`: whoever looks may have it tried again."""
    state, colour = STATES[mail["state"]]
    retry = again and mail["state"] in ("parked", "left")
    about, where = f"/orders/{quote(number)}", f"/orders/{quote(number)}/messages/{mail['mail_id']}/again"
    if mail["kind"] == "low_stock":
        number, about = w.say("What to order"), "/purchasing/what-to-order"
        where = f"/mails/{mail['order_id']}/{mail['mail_id']}/again"
    if mail["kind"] == "purchase":
        about = f"/purchasing/{quote(number)}"
        where = f"{about}/mails/{mail['mail_id']}/again"
        retry = again and mail["state"] == "parked"  # one that was left was cancelled, or another took its place
    return {
        **mail,
        "title": mail["subject"] or w.say(KINDS[mail["kind"]]),
        "kind_said": w.say(KINDS[mail["kind"]]),
        "state_said": w.say(state),
        "colour": colour,
        "when": w.moment(mail["sent_at"] or mail["wanted_at"]),
        "next": w.moment(mail["due_at"]) if mail["state"] == "waiting" and mail["due_at"] else "",
        "number": number,
        "order": about,
        "again": where if retry else "",
    }


async def of_order(conn: AsyncConnection, pages: Pages, person: Person, order_id: UUID) -> Item:
    """Everything that its customer was written, the newest first."""
    w = pages.words
    number = (await queries.numbers_of(conn, [order_id])).get(order_id, "")
    again = person.may("mail")
    return {
        "number": number,
        "back": f"/orders/{quote(number)}",
        "mails": [shown(w, mail, number, again=again) for mail in await queries.mails_of(conn, order_id)],
    }


async def parked(conn: AsyncConnection, pages: Pages, person: Person) -> Item:
    """Those that wait for a person, over all orders, the oldest first."""
    w = pages.words
    found = []
    for mail in await queries.mails_parked(conn, SHOWN):
        number = mail["number"] or mail["facts"].get("number") or str(mail["order_id"])
        again = person.may("buy" if mail["kind"] == "purchase" else "mail")
        found.append(shown(w, mail, number, again=again))
    return {"mails": found}


def told(mails: list[Item], w: English) -> list[Told]:
    """The lines of the order's timeline: e-mails that were sent, and those that could not be."""
    found = []
    for mail in mails:
        kind = w.say(KINDS[mail["kind"]])
        if mail["state"] == "sent":
            line = Line(w.say("E-mail sent: %(kind)s", kind=kind), "", "messages")
        elif mail["state"] in ("parked", "left"):
            line = Line(w.say("E-mail not sent: %(kind)s", kind=kind), "bad", "messages", w.heard(mail["why"]))
        else:
            continue
        at = mail["sent_at"] or mail["wanted_at"]
        found.append(Told(at, line, "", "", str(mail["mail_id"]), "", "", 0))
    return found
