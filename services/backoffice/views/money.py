"""Lists of money as billing has it: documents, what is owed, payments, the journal. Figures are the owner's own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners
from services.backoffice.pages import METHODS, English, Pages
from services.backoffice.queries import Reading
from services.backoffice.views import match
from services.backoffice.views.cells import Cell, Column, Table, amount
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 50
TABS = (
    ("invoices", N_("Invoices")),
    ("credit-notes", N_("Credit notes")),
    ("open-items", N_("Open items")),
    ("payments", N_("Payments")),
    ("refunds", N_("Refunds")),
    ("write-offs", N_("Write-offs")),
    ("transfers", N_("Transfers")),
    ("credits", N_("Credits")),
    ("journal", N_("Journal")),
    ("trial-balance", N_("Trial balance")),
)
ABOUT = {
    "invoices": N_("One for each parcel that went out. An issued document never changes."),
    "credit-notes": N_("One for each return that was accepted and each refund, at the rates of its invoice."),
    "open-items": N_("Goods that are out and not paid, and money that waits for a person."),
    "payments": N_("What was asked of the payment provider, and what it answered."),
    "refunds": N_("Money that went back to customers, or is on its way."),
    "write-offs": N_("Debts that were given up, or wait for another person to approve it."),
    "transfers": N_("Entries of the bank statement."),
    "credits": N_("Credits that belong to no order we know. They pay nothing out by themselves."),
    "journal": N_("Every posting; debit positive, credit negative."),
    "trial-balance": N_("Debit and credit of each account. In each currency the balances add up to zero."),
}
KINDS: Mapping[str, str] = {
    "authorise": N_("Authorise"),
    "capture": N_("Take"),
    "void": N_("Let go"),
    "refund": N_("Refund"),
}
ACCOUNTS: Mapping[str, str] = {
    "receivable": N_("owed by customers"),
    "customer_prepayments": N_("paid in advance by customers"),
    "revenue": N_("revenue"),
    "vat_payable": N_("VAT to be paid"),
    "psp_clearing": N_("payment provider, to be settled"),
    "bank": N_("bank"),
    "cod_in_custody": N_("cash on delivery, with carriers"),
    "cod_fees": N_("cash on delivery, fees"),
    "unmatched_receipts": N_("receipts not matched"),
    "bad_debts": N_("losses on debts"),
}
"""What people call an account of billing's ledger."""
STATES: Mapping[str, tuple[str, str]] = {
    "wanted": (N_("Asked"), "info"),
    "unknown": (N_("Not known yet"), "wait"),
    "done": (N_("Done"), "good"),
    "refused": (N_("Refused"), "bad"),
    "matched": (N_("Matched"), "good"),
    "review": (N_("To look at"), "wait"),
    "waiting": (N_("To approve"), "wait"),
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


async def page(reading: Reading, pages: Pages, owners: Owners, what: str, asked: Asked) -> Item:
    """One list. Raises Away or Said."""
    w = pages.words
    found, error = await _asked(reading, pages, owners, what, asked)
    async with reading() as conn:
        table = await LISTS[what].table(conn, w, found)
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
        "accounts": [(code, w.say(text)) for code, text in ACCOUNTS.items()] if what == "journal" else [],
        "table": table,
        "first": asked.address(what) if asked.after else "",
        "older": asked.address(what, after=next_) if next_ else "",
        "totals": [(currency, w.money(Decimal(sum_), currency)) for currency, sum_ in found.get("totals", {}).items()],
    }


def _states(what: str) -> tuple[str, ...]:
    if what in ("payments", "refunds"):
        return ("wanted", "unknown", "done", "refused")
    if what == "write-offs":
        return ("waiting", "done", "refused")
    return ("review", "matched") if what == "transfers" else ()


async def _asked(reading: Reading, pages: Pages, owners: Owners, what: str, asked: Asked) -> tuple[Item, str]:
    """The owner's answer; and a sentence when what was looked for is nowhere."""
    where: dict[str, Any] = {"limit": SHOWN, "after": asked.after}
    order_id = None
    if asked.q and what in ("invoices", "credit-notes", "journal"):
        async with reading() as conn:
            order_id = await queries.order_id_of(conn, asked.q)
    if what in ("invoices", "credit-notes"):
        where |= {"newest": "true", "issued_from": begins(pages, asked.since)}
        where["issued_before"] = begins(pages, asked.until, 1)
        if asked.q:
            where |= {"order_id": str(order_id)} if order_id else {"customer_id": asked.q}
        path = f"/{what}"
    elif what in ("payments", "refunds"):
        path = "/payments"
        where |= {"newest": "true", "state": asked.state, "kind": "refund" if what == "refunds" else ""}
    elif what == "write-offs":
        path, where = "/write-offs", where | {"newest": "true", "state": asked.state}
    elif what == "transfers":
        path, where["state"] = "/bank-entries", asked.state
    elif what == "journal":
        path, where = "/ledger", where | {"newest": "true", "account": asked.account}
        if asked.q:
            if order_id is None:
                return {"items": []}, pages.words.say("There is no order with this number.")
            where["order_id"] = str(order_id)
    elif what == "trial-balance":
        return dict(await owners.get("billing", "/trial-balance")), ""
    else:
        path = f"/{what}"
    return dict(await owners.get("billing", path, **where)), ""


@dataclass(frozen=True, slots=True)
class List:
    """A list of money: its caption, its columns (those of figures are marked), and what stands in a row."""

    caption: str
    columns: tuple[tuple[str, bool], ...]
    row: Callable[[English, Mapping[str, Item], Item], list[Cell]]
    named: bool = False  # whether a row says whose order it is of
    key: str = "items"

    async def table(self, conn: AsyncConnection, w: English, found: Item) -> Table:
        items = found[self.key]
        names = await _names(conn, items) if self.named else {}
        columns = tuple(Column(w.say(text), figures) for text, figures in self.columns)
        return Table(w.say(self.caption), columns, [self.row(w, names, of) for of in items])


async def _names(conn: AsyncConnection, items: Iterable[Item]) -> dict[str, Item]:
    """The orders of these rows, by id as text."""
    ids = {UUID(str(item["order_id"])) for item in items if item.get("order_id")}
    return {str(row["order_id"]): row for row in await queries.rows_of(conn, list(ids))} if ids else {}


def _order(names: Mapping[str, Item], order_id: object) -> Cell:
    known = names.get(str(order_id))
    if known is None:
        return Cell(str(order_id or "")[:8])
    return Cell(known["number"], f"/orders/{quote(known['number'])}", known["name"])


def _state(w: English, state: str) -> Cell:
    text, css = STATES.get(state, (state, ""))
    return Cell(w.say(text), badge=css)


def _moment(w: English, at: object) -> str:
    return w.moment(str(at)) if at else ""


def _account(w: English, of: Item) -> Cell:
    return Cell(
        w.say(ACCOUNTS.get(of["account"], of["account"])), f"/money/journal?{urlencode({'account': of['account']})}"
    )


def _paper(number: str, sub: str = "") -> Cell:
    return Cell(number, f"/documents/{quote(number)}", sub)


def _invoice(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    to = of["bill_to"]
    return [
        _paper(of["number"], w.day(of["issued_at"])),
        Cell(to["name"] or to["company"] or of["customer_id"] or w.say("no name"), sub=to["country"]),
        Cell(of["order_number"], f"/orders/{quote(of['order_number'])}"),
        *(amount(w, of[name], of["currency"]) for name in ("net", "vat", "gross")),
    ]


def _credit_note(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    number, buyer, order, *sums = _invoice(w, names, of)
    return [number, buyer, order, _paper(of["invoice"]), *sums]


def _open_item(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    return [
        _order(names, of["order_id"]),
        Cell(w.say(METHODS.get(of["method"], of["method"]))),
        amount(w, of["owed"], of["currency"]),
        Cell(w.number(of["dunned"])),
        Cell(w.heard(of["parked"]), badge="bad" if of["parked"] else None),
    ]


def _payment(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    return [
        _order(names, of["order_id"]),
        Cell(w.say(KINDS.get(of["kind"], of["kind"]))),
        Cell(_moment(w, of["wanted_at"])),
        _state(w, of["state"]),
        Cell(of["reference"], sub=w.heard(of["reason"])),
        amount(w, of["amount"], of["currency"]),
    ]


def _transfer(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    return [
        Cell(of["entry_id"], match.address(of["entry_id"]) if of["state"] == "review" else "", w.day(of["booked_on"])),
        Cell(of["reference"], sub=w.heard(of["reason"])),
        _order(names, of["order_id"]),
        _state(w, of["state"]),
        amount(w, of["amount"], of["currency"]),
    ]


def _write_off(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    order = f"/orders/{quote(of['order_number'])}"
    return [
        Cell(_moment(w, of["asked_at"]), f"{order}/write-offs/{of['write_off_id']}"),
        Cell(of["order_number"], order, of["customer_id"]),
        Cell(of["reason"], sub=of["note"]),
        Cell(of["asker"], sub=of["decided_by"] if of["decided_by"] != of["asker"] else ""),
        _state(w, of["state"]),
        amount(w, of["amount"], of["currency"]),
    ]


def _credit(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    customer = of["customer_id"]
    return [
        Cell(of["reference"]),
        Cell(customer, f"/customers/{quote(customer, safe='')}" if customer else ""),
        Cell(_moment(w, of["recorded_at"])),
        Cell(w.heard(of["reason"])),
        amount(w, of["amount"], of["currency"]),
    ]


def _posting(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    by, nothing = Decimal(str(of["amount"])), Cell("")
    sum_ = amount(w, abs(by), of["currency"])
    return [
        Cell(_moment(w, of["booked_at"])),
        Cell(w.heard(of["kind"]), sub=of["entry_id"]),
        _order(names, of["order_id"]),
        _account(w, of),
        *((sum_, nothing) if by > 0 else (nothing, sum_)),
    ]


def _balance(w: English, names: Mapping[str, Item], of: Item) -> list[Cell]:
    sums = (amount(w, of[name], of["currency"]) for name in ("debit", "credit", "balance"))
    return [_account(w, of), Cell(of["currency"]), *sums]


def _columns(*texts: str, figures: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Columns of words, then columns of figures."""
    return (*((text, False) for text in texts), *((text, True) for text in figures))


_SUMS = (N_("Without VAT"), N_("VAT"), N_("Total"))
_PAYMENTS = List(
    N_("Operations at the payment provider, newest order first"),
    _columns(N_("Order"), N_("What"), N_("Asked"), N_("State"), N_("Reference"), figures=(N_("Amount"),)),
    _payment,
    named=True,
)
LISTS = {
    "invoices": List(
        N_("Documents, newest first"), _columns(N_("Number"), N_("Buyer"), N_("Order"), figures=_SUMS), _invoice
    ),
    "credit-notes": List(
        N_("Documents, newest first"),
        _columns(N_("Number"), N_("Buyer"), N_("Order"), N_("Corrects"), figures=_SUMS),
        _credit_note,
    ),
    "open-items": List(
        N_("Open items"),
        (
            (N_("Order"), False),
            (N_("Payment"), False),
            (N_("Owed"), True),
            (N_("Reminders"), True),
            (N_("Needs a person"), False),
        ),
        _open_item,
        named=True,
    ),
    "payments": _PAYMENTS,
    "refunds": _PAYMENTS,
    "write-offs": List(
        N_("Debts that were given up, newest first"),
        _columns(N_("Asked"), N_("Order"), N_("Reason"), N_("Who"), N_("State"), figures=(N_("Amount"),)),
        _write_off,
    ),
    "transfers": List(
        N_("Entries of the bank statement"),
        _columns(N_("Entry"), N_("Reference"), N_("Order"), N_("State"), figures=(N_("Amount"),)),
        _transfer,
        named=True,
    ),
    "credits": List(
        N_("Credits without an order"),
        _columns(N_("Reference"), N_("Customer"), N_("Recorded"), N_("Reason"), figures=(N_("Amount"),)),
        _credit,
    ),
    "journal": List(
        N_("Postings, newest first"),
        _columns(N_("Booked"), N_("What"), N_("Order"), N_("Account"), figures=(N_("Debit"), N_("Credit"))),
        _posting,
        named=True,
    ),
    "trial-balance": List(
        N_("Debit, credit and balance per account"),
        _columns(N_("Account"), N_("Currency"), figures=(N_("Debit"), N_("Credit"), N_("Balance"))),
        _balance,
        key="accounts",
    ),
}
