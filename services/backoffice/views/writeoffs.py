"""Debts that staff give up: what is typed, the question before it is done, one that waits or was decided."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from services.backoffice.pages import Pages
from services.backoffice.rights import Person
from services.backoffice.views.lines import typeable
from services.backoffice.views.refunds import STATES
from services.backoffice.views.wishes import question

Item = dict[str, Any]


def form_page(pages: Pages, number: str, account: Item, form: Mapping[str, Any], error: Item | None) -> Item:
    """The page on which it is typed how much of what is owed is given up, and why."""
    w = pages.words.within(account["currency"])
    owed = Decimal(account["owed"])
    return {
        "title": w.say("Write-off of order %(number)s", number=number),
        "number": number,
        "back": f"/orders/{quote(number)}",
        "owed": w.money(owed) if owed > 0 else "",
        "amount": form.get("amount", typeable(owed)),
        "reason": form.get("reason", ""),
        "error": error,
    }


def write_off_question(
    pages: Pages, number: str, wish: Item, told: Item | None, reason: str, key: str, error: Item | None
) -> Item:
    """The effects of a write-off, and a form that does exactly that."""
    w = pages.words
    waits = told is not None and told["state"] == "waiting"
    return {
        **question(pages, number, "write-off", told, key, error),
        "title": w.say("Write-off of order %(number)s?", number=number),
        "about": w.say("What nobody will pay is given up, and the ledger says so."),
        "hidden": [("amount", wish["typed"])],
        "reason": reason,
        "reason_hint": w.say("It stays with the write-off; whoever approves it sees it."),
        "reason_needed": True,
        "button": w.say("Ask for approval") if waits else w.say("Write it off"),
    }


def one_page(pages: Pages, person: Person, of: Item, key: str, error: Item | None) -> Item:
    """One write-off: how much, by whom and why, and what was decided or may be."""
    w = pages.words.within(of["currency"])
    text, css = STATES[of["state"]]
    own = of["asker"].strip().casefold() == person.name.strip().casefold()
    facts = [
        (w.say("Amount"), w.money(Decimal(of["amount"]))),
        (w.say("Reason"), of["reason"]),
        (w.say("Asked by"), w.say("%(name)s, %(when)s", name=of["asker"], when=w.moment(of["asked_at"]))),
        (w.say("Their limit"), w.money(Decimal(of["limit"]))),
    ]
    if of["decided_at"]:
        said = w.say("Refused by") if of["state"] == "refused" else w.say("Approved by")
        alone = of["state"] == "done" and not of["approver"]
        who = w.say("nobody had to: within the limit") if alone else of["decided_by"]
        facts.append((said, w.say("%(name)s, %(when)s", name=who, when=w.moment(of["decided_at"]))))
    if of["note"]:
        facts.append((w.say("Note"), of["note"]))
    waits, where = of["state"] == "waiting", f"/orders/{quote(of['order_number'])}"
    return {
        "title": w.say("Write-off of order %(number)s", number=of["order_number"]),
        "number": of["order_number"],
        "back": where,
        "action": f"{where}/write-offs/{of['write_off_id']}",
        "badge": (w.say(text), css),
        "facts": facts,
        "key": key,
        "own": own and waits,
        "approves": waits and not own and person.may("approve"),
        "refuses": waits and (own or person.may("approve")),
        "error": error,
    }
