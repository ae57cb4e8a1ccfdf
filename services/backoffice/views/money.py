"""Money as billing has it: documents, what is owed, payments, the journal. Every figure is the owner's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners, Said
from services.backoffice.pages import METHODS, English, Pages
from services.backoffice.views.cells import Cell, Column, Table, cursor, place

Item = dict[str, Any]
SHOWN = 50
TABS = (
    ("invoices", "Invoices"),
    ("credit-notes", "Credit notes"),
    ("open-items", "Open items"),
    ("payments", "Payments"),
    ("refunds", "Refunds"),
    ("transfers", "Transfers"),
    ("credits", "Credits"),
    ("journal", "Journal"),
    ("trial-balance", "Trial balance"),
)
ABOUT = {
    "invoices": "One for each parcel that went out. An issued document never changes.",
    "credit-notes": "One for each return that was accepted, at the rates of its invoice.",
    "open-items": "Goods that are out and not paid, and money that waits for a person.",
    "payments": "What was asked of the payment provider, and what it answered.",
    "refunds": "Money that went back to customers, or is on its way.",
    "transfers": "Entries of the bank statement.",
    "credits": "Credits that belong to no order we know. They pay nothing out by themselves.",
    "journal": "Every posting; debit positive, credit negative.",
    "trial-balance": "Debit and credit of each account. In each currency the balances add up to zero.",
}
KINDS = {"authorise": "Authorise", "capture": "Take", "void": "Let go", "refund": "Refund"}
STATES: Mapping[str, tuple[str, str]] = {
    "wanted": ("Asked", "info"),
    "unknown": ("Not known yet", "wait"),
    "done": ("Done", "good"),
    "refused": ("Refused", "bad"),
    "matched": ("Matched", "good"),
    "review": ("To look at", "wait"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of a list of money; what makes no sense chooses everything."""

    q: str = ""
    state: str = ""
    account: str = ""
    since: str = ""
    until: str = ""
    after: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        said = {
            name: query.get(name, "").replace("\x00", "").strip()[:64]
            for name in ("q", "state", "account", "since", "until")
        }
        for name in ("since", "until"):
            try:
                date.fromisoformat(said[name])
            except ValueError:
                said[name] = ""
        return cls(**said, after=query.get("after", "")[:500])

    def address(self, what: str, **more: str) -> str:
        parts = {name: getattr(self, name) for name in ("q", "state", "account", "since", "until")} | more
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/money/{what}" + (f"?{query}" if query else "")


def begins(pages: Pages, day: str, more: int = 0) -> str:
    """When a day of the shop begins, as owners are asked; empty for no day."""
    if not day:
        return ""
    at = date.fromisoformat(day) + timedelta(days=more)
    return datetime(at.year, at.month, at.day, tzinfo=pages.zone).astimezone(UTC).isoformat()


async def page(conn: AsyncConnection, pages: Pages, owners: Owners, what: str, asked: Asked) -> Item:
    """One list. Raises Away or Said."""
    w = pages.words
    found, error = await _asked(conn, pages, owners, what, asked)
    table = await MADE[what](conn, w, found)
    next_ = found.get("next")
    return {
        "what": what,
        "title": w.say(dict(TABS)[what]),
        "about": w.say(ABOUT[what]),
        "asked": asked,
        "error": error,
        "tabs": [{"text": w.say(text), "href": f"/money/{name}", "here": name == what} for name, text in TABS],
        "states": [(state, w.say(STATES[state][0])) for state in _states(what)],
        "dated": what in ("invoices", "credit-notes"),
        "accounts": what == "journal",
        "table": table,
        "first": asked.address(what) if asked.after else "",
        "older": asked.address(what, after=next_) if next_ else "",
        "totals": [(currency, w.money(Decimal(sum_), currency)) for currency, sum_ in found.get("totals", {}).items()],
    }


def _states(what: str) -> tuple[str, ...]:
    if what in ("payments", "refunds"):
        return ("wanted", "unknown", "done", "refused")
    return ("review", "matched") if what == "transfers" else ()


async def _asked(conn: AsyncConnection, pages: Pages, owners: Owners, what: str, asked: Asked) -> tuple[Item, str]:
    """The owner's answer; and a sentence when what was looked for is nowhere."""
    where: dict[str, Any] = {"limit": SHOWN, "after": asked.after}
    if what in ("invoices", "credit-notes"):
        where |= {"newest": "true", "issued_from": begins(pages, asked.since)}
        where["issued_before"] = begins(pages, asked.until, 1)
        if asked.q:
            order_id = await queries.order_id_of(conn, asked.q)
            where |= {"order_id": str(order_id)} if order_id else {"customer_id": asked.q}
        path = f"/{what}"
    elif what in ("payments", "refunds"):
        path = "/payments"
        where |= {"newest": "true", "state": asked.state, "kind": "refund" if what == "refunds" else ""}
    elif what == "transfers":
        path, where["state"] = "/bank-entries", asked.state
    elif what == "journal":
        path, where = "/ledger", where | {"newest": "true", "account": asked.account}
        if asked.q:
            order_id = await queries.order_id_of(conn, asked.q)
            if order_id is None:
                return {"items": []}, pages.words.say("There is no order with this number.")
            where["order_id"] = str(order_id)
    elif what == "trial-balance":
        return dict(await owners.get("billing", "/trial-balance")), ""
    else:
        path = f"/{what}"
    return dict(await owners.get("billing", path, **where)), ""


async def _names(conn: AsyncConnection, items: Iterable[Item]) -> dict[str, Item]:
    """The orders of these rows, by id as text."""
    ids = {UUID(str(item["order_id"])) for item in items if item.get("order_id")}
    return {str(row["order_id"]): row for row in await queries.rows_of(conn, list(ids))} if ids else {}


def _order(names: Mapping[str, Item], order_id: object) -> Cell:
    known = names.get(str(order_id))
    if known is None:
        return Cell(str(order_id or "")[:8])
    return Cell(known["number"], f"/orders/{quote(known['number'])}", known["name"])


def amount(w: English, value: object, currency: str) -> Cell:
    exact = Decimal(str(value))
    return Cell(w.money(exact, currency), plain=f"{exact:f}")


def _state(w: English, state: str) -> Cell:
    text, css = STATES.get(state, (state, ""))
    return Cell(w.say(text), badge=css)


def _moment(w: English, at: object) -> str:
    return w.moment(str(at)) if at else ""


async def _documents(conn: AsyncConnection, w: English, found: Item) -> Table:
    note = bool(found["items"]) and "invoice" in found["items"][0]
    columns = [
        Column(w.say("Number")),
        Column(w.say("Buyer")),
        Column(w.say("Order")),
        *([Column(w.say("Corrects"))] if note else []),
        Column(w.say("Without VAT"), True),
        Column(w.say("VAT"), True),
        Column(w.say("Total"), True),
    ]
    rows = []
    for of in found["items"]:
        to, currency = of["bill_to"], of["currency"]
        rows.append(
            [
                Cell(of["number"], f"/documents/{quote(of['number'])}", w.day(of["issued_at"])),
                Cell(to["name"] or to["company"] or of["customer_id"] or w.say("no name"), sub=to["country"]),
                Cell(of["order_number"], f"/orders/{quote(of['order_number'])}"),
                *([Cell(of["invoice"], f"/documents/{quote(of['invoice'])}")] if note else []),
                *(amount(w, of[name], currency) for name in ("net", "vat", "gross")),
            ]
        )
    return Table(w.say("Documents, newest first"), tuple(columns), rows)


async def _open_items(conn: AsyncConnection, w: English, found: Item) -> Table:
    names = await _names(conn, found["items"])
    columns = (
        Column(w.say("Order")),
        Column(w.say("Payment")),
        Column(w.say("Owed"), True),
        Column(w.say("Reminders"), True),
        Column(w.say("Needs a person")),
    )
    rows = [
        [
            _order(names, of["order_id"]),
            Cell(w.say(METHODS.get(of["method"], of["method"]))),
            amount(w, of["owed"], of["currency"]),
            Cell(w.number(of["dunned"])),
            Cell(of["parked"], badge="bad" if of["parked"] else None),
        ]
        for of in found["items"]
    ]
    return Table(w.say("Open items"), columns, rows)


async def _payments(conn: AsyncConnection, w: English, found: Item) -> Table:
    names = await _names(conn, found["items"])
    columns = (
        Column(w.say("Order")),
        Column(w.say("What")),
        Column(w.say("Asked")),
        Column(w.say("State")),
        Column(w.say("Reference")),
        Column(w.say("Amount"), True),
    )
    rows = [
        [
            _order(names, of["order_id"]),
            Cell(w.say(KINDS.get(of["kind"], of["kind"]))),
            Cell(_moment(w, of["wanted_at"])),
            _state(w, of["state"]),
            Cell(of["reference"], sub=of["reason"]),
            amount(w, of["amount"], of["currency"]),
        ]
        for of in found["items"]
    ]
    return Table(w.say("Operations at the payment provider, newest order first"), columns, rows)


async def _transfers(conn: AsyncConnection, w: English, found: Item) -> Table:
    names = await _names(conn, found["items"])
    columns = (
        Column(w.say("Entry")),
        Column(w.say("Reference")),
        Column(w.say("Order")),
        Column(w.say("State")),
        Column(w.say("Amount"), True),
    )
    rows = [
        [
            Cell(of["entry_id"], sub=w.day(of["booked_on"])),
            Cell(of["reference"], sub=of["reason"]),
            _order(names, of["order_id"]),
            _state(w, of["state"]),
            amount(w, of["amount"], of["currency"]),
        ]
        for of in found["items"]
    ]
    return Table(w.say("Entries of the bank statement"), columns, rows)


async def _credits(conn: AsyncConnection, w: English, found: Item) -> Table:
    columns = (
        Column(w.say("Reference")),
        Column(w.say("Customer")),
        Column(w.say("Recorded")),
        Column(w.say("Reason")),
        Column(w.say("Amount"), True),
    )
    rows = [
        [
            Cell(of["reference"]),
            Cell(of["customer_id"], f"/customers/{quote(of['customer_id'], safe='')}" if of["customer_id"] else ""),
            Cell(_moment(w, of["recorded_at"])),
            Cell(of["reason"]),
            amount(w, of["amount"], of["currency"]),
        ]
        for of in found["items"]
    ]
    return Table(w.say("Credits without an order"), columns, rows)


async def _journal(conn: AsyncConnection, w: English, found: Item) -> Table:
    names = await _names(conn, found["items"])
    columns = (
        Column(w.say("Booked")),
        Column(w.say("What")),
        Column(w.say("Order")),
        Column(w.say("Account")),
        Column(w.say("Debit"), True),
        Column(w.say("Credit"), True),
    )
    rows = []
    for of in found["items"]:
        by, nothing = Decimal(str(of["amount"])), Cell("")
        sum_ = amount(w, abs(by), of["currency"])
        rows.append(
            [
                Cell(_moment(w, of["booked_at"])),
                Cell(of["kind"].replace("_", " "), sub=of["entry_id"]),
                _order(names, of["order_id"]),
                Cell(of["account"], f"/money/journal?{urlencode({'account': of['account']})}"),
                sum_ if by > 0 else nothing,
                nothing if by > 0 else sum_,
            ]
        )
    return Table(w.say("Postings, newest first"), columns, rows)


async def _trial_balance(conn: AsyncConnection, w: English, found: Item) -> Table:
    columns = (
        Column(w.say("Account")),
        Column(w.say("Currency")),
        Column(w.say("Debit"), True),
        Column(w.say("Credit"), True),
        Column(w.say("Balance"), True),
    )
    rows = [
        [
            Cell(of["account"], f"/money/journal?{urlencode({'account': of['account']})}"),
            Cell(of["currency"]),
            *(amount(w, of[name], of["currency"]) for name in ("debit", "credit", "balance")),
        ]
        for of in found["accounts"]
    ]
    return Table(w.say("Debit, credit and balance per account"), columns, rows)


MADE = {
    "invoices": _documents,
    "credit-notes": _documents,
    "open-items": _open_items,
    "payments": _payments,
    "refunds": _payments,
    "transfers": _transfers,
    "credits": _credits,
    "journal": _journal,
    "trial-balance": _trial_balance,
}


# One document


async def document(owners: Owners, number: str) -> Item:
    """An invoice or credit note by its number. Raises Away or Said; Said with 404 when there is none."""
    try:
        return {**await owners.get("billing", f"/invoices/{quote(number, safe='')}"), "kind": "invoice", "invoice": ""}
    except Said as refused:
        if refused.status != 404:
            raise
    return {**await owners.get("billing", f"/credit-notes/{quote(number, safe='')}"), "kind": "credit note"}


async def paper(owners: Owners, pages: Pages, number: str) -> Item:
    """The page of one document, with the credit notes that correct it. Raises Away or Said."""
    of = await document(owners, number)
    w = pages.words.within(of["currency"])
    notes: list[Item] = []
    if of["kind"] == "invoice":
        said = await owners.get("billing", "/credit-notes", order_id=of["order_id"], limit=100)
        notes = [note for note in said["items"] if note["invoice"] == of["number"]]
    where = f"/documents/{quote(of['number'])}"
    title = w.say("Invoice %(number)s", number=of["number"])
    if of["kind"] != "invoice":
        title = w.say("Credit note %(number)s", number=of["number"])
    lines = [
        [
            Cell(str(line["line_no"])),
            Cell(line["text"] or line["sku"], sub=line["sku"]),
            Cell(w.number(line["quantity"])),
            amount(w, line["unit_price"], of["currency"]),
            Cell(f"{w.number(Decimal(str(line['rate'])))} %"),
            amount(w, line["net"], of["currency"]),
        ]
        for line in of["lines"]
    ]
    groups = [
        [
            Cell(f"{group['category']} {w.number(Decimal(str(group['rate'])))} %"),
            amount(w, group["base"], of["currency"]),
            amount(w, group["vat"], of["currency"]),
        ]
        for group in of["groups"]
    ]
    return {
        "of": of,
        "title": title,
        "sums": [
            (w.say("Without VAT"), w.money(Decimal(str(of["net"]))), ""),
            (w.say("VAT"), w.money(Decimal(str(of["vat"]))), ""),
            (w.say("Total"), w.money(Decimal(str(of["gross"]))), "sum"),
        ],
        "lines": Table(
            w.say("Lines"),
            (
                Column("#"),
                Column(w.say("Product")),
                Column(w.say("Pieces"), True),
                Column(w.say("Price"), True),
                Column(w.say("VAT"), True),
                Column(w.say("Without VAT"), True),
            ),
            lines,
        ),
        "groups": Table(
            w.say("VAT by rate"),
            (Column(w.say("Rate")), Column(w.say("Base"), True), Column(w.say("VAT"), True)),
            groups,
        ),
        "notes": [(note["number"], w.money(Decimal(str(note["gross"])))) for note in notes],
        "address": address(of["bill_to"]),
        "pdf": f"{where}/pdf",
    }


def address(a: Mapping[str, Any]) -> list[str]:
    """The lines of an address that say anything."""
    lines = [a["name"], a["company"], *a["street"], f"{a['postcode']} {a['city']}", a["region"], a["country"]]
    return [str(text).strip() for text in lines if str(text).strip()]


# Who looked at documents

FORMS = {"page": "Page", "pdf": "PDF"}


async def views(conn: AsyncConnection, pages: Pages, number: str, after: str) -> Item:
    """Views of documents, the newest first; of one document where a number is given."""
    w = pages.words
    rows = await queries.views(conn, number=number, after=place(after), limit=SHOWN + 1)
    shown = rows[:SHOWN]
    more = {"number": number} if number else {}
    older = {**more, "after": cursor(shown[-1]["at"], shown[-1]["view_id"])} if len(rows) > SHOWN else {}
    columns = (Column(w.say("Document")), Column(w.say("Who")), Column(w.say("When")), Column(w.say("How")))
    cells = [
        [
            Cell(of["number"], f"/documents/{quote(of['number'])}"),
            Cell(of["who"]),
            Cell(w.moment(of["at"])),
            Cell(w.say(FORMS[of["form"]])),
        ]
        for of in shown
    ]
    return {
        "number": number,
        "table": Table(w.say("Views of documents, newest first"), columns, cells),
        "first": f"/document-views?{urlencode(more)}" if after else "",
        "older": f"/document-views?{urlencode(older)}" if older else "",
    }
