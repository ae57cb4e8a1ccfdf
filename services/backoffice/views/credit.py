"""What a customer may owe on account, and owes: shown with the customer, and set by finance."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from services.backoffice.owners import Away, Owners, Said
from services.backoffice.pages import English
from services.backoffice.views import lines
from services.backoffice.views.lines import Mistyped
from services.backoffice.words import N_

Item = dict[str, Any]
Form = Mapping[str, Any]
DONE: Mapping[str, str] = {"credit": N_("The limit is set.")}


def where(customer_id: str) -> str:
    return f"/customers/{quote(customer_id, safe='')}/credit"


async def known(owners: Owners, customer_id: str) -> list[Item]:
    """By currency, as billing says. Raises Away or Said."""
    return list((await owners.get("billing", where(customer_id)))["credit"])


async def facts(owners: Owners, w: English, customer_id: str) -> list[tuple[str, str]]:
    """What is said with the customer: of currencies in which something is owed, or a limit is the customer's own."""
    try:
        credit = await known(owners, customer_id)
    except (Away, Said):
        return []  # the rest of the customer is known without it
    return [
        (w.say("On account, in %(currency)s", currency=of["currency"]), _of_limit(w, of))
        for of in credit
        if of["own"] or Decimal(of["owed"])
    ]


def _of_limit(w: English, of: Item) -> str:
    owed = w.money(Decimal(of["owed"]), of["currency"])
    if of["limit"] is None:
        return owed
    return w.say("%(owed)s of %(limit)s", owed=owed, limit=w.money(Decimal(of["limit"]), of["currency"]))


async def page(owners: Owners, w: English, customer_id: str, form: Form, error: Item | None) -> Item:
    """The limits of one customer, each to be set; `form`: what was typed of one of them. Raises Away or Said."""
    rows = [_row(w, of, form) for of in await known(owners, customer_id)]
    other = form if form and form.get("currency") not in {row["currency"] for row in rows} else {}
    return {
        "customer_id": customer_id,
        "back": f"/customers/{quote(customer_id, safe='')}",
        "action": where(customer_id),
        "rows": rows,
        "other": {name: str(other.get(name, "")) for name in ("currency", "limit", "reason")},
        "error": error,
    }


def _row(w: English, of: Item, form: Form) -> Item:
    w = w.within(of["currency"])
    owed, left = w.money(Decimal(of["owed"])), w.money(Decimal(of["left"]))
    typed = form if form.get("currency") == of["currency"] else {}
    empty = w.say("Empty: nothing can be bought on account in this currency.")
    if of["general"] is not None:
        empty = w.say("Empty: %(limit)s, as for everybody.", limit=w.money(Decimal(of["general"])))
    by = ""
    if of["set_by"] and of["own"]:
        by = w.say("Set by %(name)s, %(at)s.", name=of["set_by"], at=w.moment(of["set_at"]))
    return {
        "currency": of["currency"],
        "says": w.say("%(owed)s is owed, open orders included; %(left)s is left.", owed=owed, left=left),
        "limit": typed.get("limit", lines.typeable(Decimal(of["limit"])) if of["own"] else ""),
        "reason": typed.get("reason", of["reason"] if of["own"] else ""),
        "empty": empty,
        "by": by,
    }


def typed(w: English, form: Form) -> tuple[str, Item]:
    """The currency, and limit and reason as billing takes them; no limit is everybody's. Raises Mistyped."""
    currency, limit = (str(form.get(name, "")).strip() for name in ("currency", "limit"))
    if not re.fullmatch("[A-Z]{3}", currency):
        raise Mistyped(w.say("%(currency)s is no currency; write it as EUR.", currency=currency or "–"))
    body = {"limit": lines.amount(w, limit, currency) if limit else None, "reason": str(form.get("reason", "")).strip()}
    return currency, body
