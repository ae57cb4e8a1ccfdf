"""Refunds by the staff: what is typed, as billing takes it; the question before it is done; who decided what."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.rights import Person
from services.backoffice.views import lines as lines_view
from services.backoffice.views import shelves
from services.backoffice.views.cells import Cell, Column, Table, amount, cursor, place
from services.backoffice.views.wishes import question
from services.backoffice.words import N_

Item = dict[str, Any]
Form = Mapping[str, Any]
SHOWN = 50
STATES: Mapping[str, tuple[str, str]] = {
    "waiting": (N_("To approve"), "wait"),
    "done": (N_("Done"), "good"),
    "refused": (N_("Refused"), "bad"),
}


class Wrong(ValueError):
    """What was typed is no number of pieces, or an amount besides; says of which line."""


async def refundable(owners: Owners, order_id: UUID) -> Item:
    """What of the order may still be given back, as billing says. Raises Away or Said."""
    return dict(await owners.get("billing", f"/orders/{order_id}/refundable"))


def typed(w: English, left: Item, form: Form) -> Item:
    """The invoice and the lines that were typed, as billing takes them. Raises Wrong with the product, or Mistyped."""
    invoice = next((of for of in left["invoices"] if of["number"] == form.get("invoice")), None)
    if invoice is None:
        raise Wrong("")
    lines: list[Item] = []
    for line in invoice["lines"]:
        sum_, pieces = (str(form.get(f"{what}-{line['line_no']}", "") or "").strip() for what in ("amount", "pieces"))
        money = Decimal(lines_view.amount(w, sum_, left["currency"])) if sum_ else Decimal(0)
        n = shelves.number(pieces or "0")
        if n is None or n < 0 or (money and n):
            raise Wrong(line["text"] or line["sku"])
        if money or n:
            lines.append({"line_no": line["line_no"], "quantity": n, "amount": f"{money:f}"})
    if not lines:
        raise Wrong("")
    return {"invoice": invoice["number"], "lines": lines}


def form_page(pages: Pages, order: Item, left: Item, form: Form, error: Item | None) -> Item:
    """The page on which it is typed what is given back, invoice by invoice."""
    w = pages.words.within(left["currency"])
    invoices = [
        {
            **of,
            "left": w.money(Decimal(of["gross"]) - Decimal(of["credited"])),
            "of": w.money(Decimal(of["gross"])),
            "lines": [
                {**line, "left_said": w.money(Decimal(line["left"])), "piece_said": w.money(Decimal(line["piece"]))}
                for line in of["lines"]
                if Decimal(line["left"]) > 0
            ],
        }
        for of in left["invoices"]
    ]
    owed = Decimal(left["owed"])
    return {
        "title": w.say("Refund of order %(number)s", number=order["number"]),
        "number": order["number"],
        "back": f"/orders/{quote(order['number'])}",
        "free": w.money(Decimal(left["free"])),
        "owed": w.money(owed) if owed > 0 else "",
        "invoices": [of for of in invoices if of["lines"]],
        "form": dict(form),
        "error": error,
    }


def refund_question(
    pages: Pages, number: str, wish: Item, told: Item | None, reason: str, key: str, error: Item | None
) -> Item:
    """The effects of a refund, and a form that does exactly that."""
    w = pages.words
    hidden = [("invoice", wish["invoice"])]
    for line in wish["lines"]:
        what = "pieces" if line["quantity"] else "amount"
        hidden.append((f"{what}-{line['line_no']}", str(line["quantity"] or line["amount"])))
    waits = told is not None and told["state"] == "waiting"
    return {
        **question(pages, number, "refund", told, key, error),
        "title": w.say("Refund of order %(number)s?", number=number),
        "about": w.say("Money goes back to the customer, and a credit note says so."),
        "hidden": hidden,
        "reason": reason,
        "reason_hint": w.say("It stays with the refund; whoever approves it sees it."),
        "reason_needed": True,
        "button": w.say("Ask for approval") if waits else w.say("Give the money back"),
    }


async def list_page(conn: AsyncConnection, pages: Pages, person: Person, state: str, after: str) -> Item:
    """Refunds by the staff: those that wait, the oldest first; or all, the newest first."""
    w = pages.words
    rows = await queries.refunds(conn, state=state, after=place(after), limit=SHOWN + 1)
    shown = rows[:SHOWN]
    next_ = cursor(shown[-1]["asked_at"], shown[-1]["refund_id"]) if len(rows) > SHOWN else ""
    where = "/refunds" + (f"?{urlencode({'state': state})}" if state != "waiting" else "")
    more = {"state": state} if state != "waiting" else {}
    columns = (
        Column(w.say("Asked")),
        Column(w.say("Order")),
        Column(w.say("Reason")),
        Column(w.say("Who")),
        Column(w.say("State")),
        Column(w.say("Amount"), True),
    )
    views = (
        ("waiting", w.say("To approve")),
        ("done", w.say("Done")),
        ("refused", w.say("Refused")),
        ("", w.say("All")),
    )
    return {
        "state": state,
        "tabs": [
            {"text": text, "href": f"/refunds?state={name}" if name != "waiting" else "/refunds", "here": name == state}
            for name, text in views
        ],
        "own": any(of["asker"] == person.name for of in shown if of["state"] == "waiting"),
        "table": Table(w.say("Refunds by the staff"), columns, [_row(w, of) for of in shown]),
        "first": where if after else "",
        "older": f"/refunds?{urlencode({**more, 'after': next_})}" if next_ else "",
    }


def _row(w: English, of: Item) -> list[Cell]:
    text, css = STATES[of["state"]]
    return [
        Cell(w.moment(of["asked_at"]), f"/refunds/{of['refund_id']}"),
        Cell(
            of["number"] or str(of["order_id"])[:8],
            f"/orders/{quote(of['number'])}" if of["number"] else "",
            of["name"],
        ),
        Cell(of["reason"], sub=of["note"]),
        Cell(of["asker"], sub=_decided(w, of)),
        Cell(w.say(text), badge=css),
        amount(w, of["gross"], of["currency"]),
    ]


def _decided(w: English, of: Item) -> str:
    """Who said yes or no, where it was another person."""
    if of["approver"]:
        return w.say("approved by %(name)s", name=of["approver"])
    return w.say("refused by %(name)s", name=of["decided_by"]) if of["state"] == "refused" else ""


def one_page(
    pages: Pages, person: Person, of: Item, number: str, told: Item | None, key: str, error: Item | None
) -> Item:
    """One refund: what was asked, by whom and why, what it would do, and what was decided."""
    w = pages.words.within(of["currency"])
    text, css = STATES[of["state"]]
    own = of["asker"].strip().casefold() == person.name.strip().casefold()
    facts = [
        (w.say("Asked by"), w.say("%(name)s, %(when)s", name=of["asker"], when=w.moment(of["asked_at"]))),
        (w.say("Reason"), of["reason"]),
        (w.say("Invoice"), of["invoice"]),
        (w.say("Without VAT"), w.money(Decimal(of["net"]))),
        (w.say("VAT"), w.money(Decimal(of["vat"]))),
        (w.say("Total"), w.money(Decimal(of["gross"]))),
        (w.say("Their limit"), w.money(Decimal(of["limit"]))),
    ]
    if of["decided_at"]:
        said = w.say("Refused by") if of["state"] == "refused" else w.say("Approved by")
        who = (
            of["decided_by"] if of["approver"] or of["state"] == "refused" else w.say("nobody had to: within the limit")
        )
        facts.append((said, w.say("%(name)s, %(when)s", name=who, when=w.moment(of["decided_at"]))))
    if of["note"]:
        facts.append((w.say("Note"), of["note"]))
    if of["credit_note"]:
        facts.append((w.say("Credit note"), of["credit_note"]))
    waits = of["state"] == "waiting"
    asked = question(pages, number, "refund", told, key, error)
    return {
        **asked,
        "id": of["refund_id"],
        "title": w.say("Refund of order %(number)s", number=number),
        "badge": (w.say(text), css),
        "facts": facts,
        "document": f"/documents/{quote(of['credit_note'])}" if of["credit_note"] and person.may("money") else "",
        "own": own and waits,
        "approves": waits and not own and person.may("approve") and told is not None,
        "refuses": waits and (own or person.may("approve")),
    }


def of_order(w: English, refunds: list[Item]) -> list[Item]:
    """The refunds of one order, for its page."""
    return [
        {
            "href": f"/refunds/{of['refund_id']}",
            "text": w.say("%(amount)s of %(invoice)s", amount=w.money(of["gross"]), invoice=of["invoice"]),
            "sub": ", ".join(part for part in (of["reason"], of["asker"], _decided(w, of)) if part),
            "badge": (w.say(STATES[of["state"]][0]), STATES[of["state"]][1]),
        }
        for of in refunds
    ]
