"""What screens and APIs read. No locks, no decisions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    Table,
    distinct,
    func,
    literal,
    select,
    text,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.billing import tables as t
from services.billing.domain import rule
from services.billing.domain.credits import left_of
from services.billing.domain.documents import CREDIT_NOTES, INVOICES
from services.billing.domain.refunds import free
from services.billing.domain.rows import Account, CreditNote, Debtor, Invoice, Sale
from services.billing.store import BOOKS
from shared.contracts.money import written
from shared.messaging.decision import Row

Item = dict[str, Any]
R = TypeVar("R", bound=Row)
SERIES = {"invoices": INVOICES, "credit_notes": CREDIT_NOTES}


async def account(connection: AsyncConnection, order_id: UUID) -> Item | None:
    """All the money of one order: statement, operations and documents."""
    found = await _all(connection, select(t.accounts).where(t.accounts.c.order_id == order_id))
    if not found:
        return None
    (kept_row,) = _made(Account, found)
    told = rule.statement(rule.position(kept_row), kept_row).model_dump(mode="json")
    sale = await _all(connection, select(t.sales).where(t.sales.c.order_id == order_id))
    operations = select(t.operations).where(t.operations.c.order_id == order_id).order_by(t.operations.c.no)
    kept = ("method", "currency", "due", "granted", "custody", "holds", "blocked", "dunned", "dunning_at")
    sums = ("secured", "captured", "refunded", "owed", "written_off", "due", "granted", "custody")
    return {
        **_in_units({**told, **{name: found[0][name] for name in kept}}, *sums),
        "number": sale[0]["number"] if sale else "",
        "operations": [_without(row, "token") for row in await _all(connection, operations)],
    }


async def refundable(connection: AsyncConnection, order_id: UUID) -> Item | None:
    """What of an order's invoices may still be given back, line by line, and how much of its money is here."""
    kept = await _rows(connection, Account, order_id)
    if not kept:
        return None
    account, notes = kept[0], await _rows(connection, CreditNote, order_id)
    sold = {line.line_no: line.kind for sale in await _rows(connection, Sale, order_id) for line in sale.lines}
    return {
        "order_id": order_id,
        "currency": account.currency,
        "free": written(free(account), account.currency),
        "owed": written(rule.owed(account), account.currency),
        "invoices": [
            _refundable(invoice, notes, sold)
            for invoice in sorted(await _rows(connection, Invoice, order_id), key=lambda i: (i.year, i.serial))
        ],
    }


def _refundable(invoice: Invoice, notes: Sequence[CreditNote], kinds: Mapping[int, str]) -> Item:
    credited = sum([note.gross for note in notes if note.invoice == invoice.number], Decimal(0))
    return {
        "number": invoice.number,
        "shipment_id": invoice.shipment_id,
        "issued_at": invoice.issued_at,
        "inclusive": invoice.inclusive,
        "gross": invoice.gross,
        "credited": written(credited, invoice.currency),
        "lines": [
            {
                "line_no": line_no,
                "sku": left.line.sku,
                "text": left.line.text,
                "kind": kinds.get(line_no, "goods"),
                "rate": left.line.rate,
                "quantity": left.line.quantity,
                "pieces": left.pieces,
                "piece": written(left.of(1) if left.pieces else Decimal(0), invoice.currency),
                "amount": left.line.amount,
                "left": written(left.amount, invoice.currency),
            }
            for line_no, left in left_of(invoice, notes).items()
        ],
    }


async def _rows(connection: AsyncConnection, kind: type[R], order_id: UUID) -> list[R]:
    """The domain's own rows of one order, so that its rules can be asked."""
    book = BOOKS[kind]
    return _made(kind, await _all(connection, select(book.table).where(book.table.c.order_id == order_id)))


def _made(kind: type[R], found: Sequence[Item]) -> list[R]:
    """Rows of a table as the domain has them: the adapter of each JSON column gives back the row's own types."""
    book = BOOKS[kind]
    return [
        kind(**{c.name: c.adapter.validate_python(row[c.name]) if c.adapter else row[c.name] for c in book.columns})
        for row in found
    ]


async def refunds(
    connection: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None,
    *,
    state: str = "",
    order_id: UUID | None = None,
    newest: bool = False,
) -> list[Item]:
    """Refunds by the staff, in the order in which they were asked for."""
    f = t.refunds.c
    query = select(t.refunds).limit(limit + 1)
    if state:
        query = query.where(f.state == state)
    if order_id:
        query = query.where(f.order_id == order_id)
    return await _all(connection, _ordered(query, (f.asked_at, f.refund_id), after, newest))


async def refunds_waiting(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """How many refunds wait for another person, and since when the oldest does."""
    query = select(func.count(), func.min(t.refunds.c.asked_at)).where(t.refunds.c.state == text("'waiting'"))
    waiting, oldest = (await connection.execute(query)).one()
    return waiting, oldest


async def refund(connection: AsyncConnection, order_id: UUID, refund_id: UUID) -> Item | None:
    f = t.refunds.c
    found = await _all(connection, select(t.refunds).where(f.order_id == order_id, f.refund_id == refund_id))
    return found[0] if found else None


async def write_offs(
    connection: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None,
    *,
    state: str = "",
    order_id: UUID | None = None,
    newest: bool = False,
) -> list[Item]:
    """Debts that were given up or are to be, in the order in which it was asked for."""
    w = t.write_offs.c
    query = select(t.write_offs).limit(limit + 1)
    if state:
        query = query.where(w.state == state)
    if order_id:
        query = query.where(w.order_id == order_id)
    return await _all(connection, _ordered(query, (w.asked_at, w.write_off_id), after, newest))


async def write_offs_waiting(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """How many write-offs wait for another person, and since when the oldest does."""
    query = select(func.count(), func.min(t.write_offs.c.asked_at)).where(t.write_offs.c.state == text("'waiting'"))
    waiting, oldest = (await connection.execute(query)).one()
    return waiting, oldest


async def write_off(connection: AsyncConnection, order_id: UUID, write_off_id: UUID) -> Item | None:
    w = t.write_offs.c
    found = await _all(connection, select(t.write_offs).where(w.order_id == order_id, w.write_off_id == write_off_id))
    return found[0] if found else None


async def invoices(
    connection: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None,
    *,
    order_id: UUID | None = None,
    customer_id: str = "",
    issued_from: datetime | None = None,
    issued_before: datetime | None = None,
    newest: bool = False,
) -> list[Item]:
    wanted = _wanted(t.invoices, order_id, customer_id, issued_from, issued_before)
    return await _documents(connection, t.invoices, limit, after, wanted, newest)


async def credit_notes(
    connection: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None,
    *,
    order_id: UUID | None = None,
    customer_id: str = "",
    issued_from: datetime | None = None,
    issued_before: datetime | None = None,
    newest: bool = False,
) -> list[Item]:
    wanted = _wanted(t.credit_notes, order_id, customer_id, issued_from, issued_before)
    return await _documents(connection, t.credit_notes, limit, after, wanted, newest)


async def document(connection: AsyncConnection, table: Table, number: str) -> Item | None:
    found = await _all(connection, select(table).where(table.c.number == number))
    return found[0] if found else None


async def issued(
    connection: AsyncConnection, kind: type[Invoice] | type[CreditNote], number: str
) -> tuple[Invoice | CreditNote, Invoice, str] | None:
    """A document as it was issued, the invoice that it is or corrects, and the order's method of payment."""
    table = BOOKS[kind].table
    found: list[Invoice | CreditNote] = [
        *_made(kind, await _all(connection, select(table).where(table.c.number == number)))
    ]
    if not found:
        return None
    (document,) = found
    if isinstance(document, Invoice):
        invoice = document
    else:
        query = select(t.invoices).where(t.invoices.c.number == document.invoice)
        (invoice,) = _made(Invoice, await _all(connection, query))
    accounts = await _all(connection, select(t.accounts.c.method).where(t.accounts.c.order_id == document.order_id))
    return document, invoice, accounts[0]["method"] if accounts else ""


async def operations(
    connection: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None,
    *,
    state: str = "",
    kind: str = "",
    newest: bool = False,
) -> list[Item]:
    """Operations towards the provider, by order and number."""
    o = t.operations.c
    query = select(t.operations).limit(limit + 1)
    if state:
        query = query.where(o.state == state)
    if kind:
        query = query.where(o.kind == kind)
    query = _ordered(query, (o.order_id, o.no), after, newest)
    return [_without(row, "token") for row in await _all(connection, query)]


async def postings(
    connection: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None,
    *,
    account: str = "",
    order_id: UUID | None = None,
    newest: bool = False,
) -> list[Item]:
    """The journal, in the order of booking."""
    p = t.postings.c
    query = select(t.postings).limit(limit + 1)
    if account:
        query = query.where(p.account == account)
    if order_id:
        query = query.where(p.order_id == order_id)
    return await _all(connection, _ordered(query, (p.booked_at, p.entry_id, p.posting_no), after, newest))


async def trial_balance(connection: AsyncConnection) -> Item:
    """Per currency and account; the balances of a currency sum to zero (I13)."""
    p = t.postings.c
    query = select(
        p.currency,
        p.account,
        func.sum(p.amount).filter(p.amount > 0).label("debit"),
        func.sum(-p.amount).filter(p.amount < 0).label("credit"),
        func.sum(p.amount).label("balance"),
    )
    rows = await _all(connection, query.group_by(p.currency, p.account).order_by(p.currency, p.account))
    zero = Decimal(0)
    items = [row | {"debit": row["debit"] or zero, "credit": row["credit"] or zero} for row in rows]
    totals: dict[str, Decimal] = {}
    for row in items:
        totals[row["currency"]] = totals.get(row["currency"], zero) + row["balance"]
    return {
        "accounts": [_in_units(row, "debit", "credit", "balance") for row in items],
        "totals": {currency: written(total, currency) for currency, total in totals.items()},
    }


async def vat(connection: AsyncConnection, issued_from: datetime | None, issued_before: datetime | None) -> list[Item]:
    """Per currency, country of the buyer, category and rate: what was invoiced, and what of it was credited."""
    sides = []
    for table, sign in ((t.invoices, 1), (t.credit_notes, -1)):
        d = table.c
        group = func.jsonb_array_elements(d.groups).table_valued("value", joins_implicitly=True)
        of = group.c.value.cast(JSONB)
        base, tax = of["base"].astext.cast(Numeric), of["vat"].astext.cast(Numeric)
        sides.append(
            select(
                d.currency,
                d.bill_to["country"].astext.label("country"),
                of["category"].astext.label("category"),
                of["rate"].astext.cast(Numeric).label("rate"),
                d.number,
                literal(sign).label("sign"),
                base.label("base"),
                tax.label("vat"),
            ).where(*_wanted(table, None, "", issued_from, issued_before))
        )
    g = union_all(*sides).subquery().c
    keys = (g.currency, g.country, g.category, g.rate)
    billed, credited = g.sign == 1, g.sign == -1
    zero = literal(Decimal(0))
    query = select(
        *keys,
        func.count(distinct(g.number)).filter(billed).label("invoices"),
        func.count(distinct(g.number)).filter(credited).label("credit_notes"),
        func.coalesce(func.sum(g.base).filter(billed), zero).label("net"),
        func.coalesce(func.sum(g.vat).filter(billed), zero).label("vat"),
        func.coalesce(func.sum(g.base).filter(credited), zero).label("credited_net"),
        func.coalesce(func.sum(g.vat).filter(credited), zero).label("credited_vat"),
    )
    rows = await _all(connection, query.group_by(*keys).order_by(*keys))
    return [_in_units(row, "net", "vat", "credited_net", "credited_vat") for row in rows]


async def open_items(connection: AsyncConnection, limit: int, after: Sequence[Any] | None) -> list[Item]:
    """Orders whose goods are out and whose money is not here, and what waits for a person."""
    a = t.accounts.c
    columns = (
        a.order_id,
        a.method,
        a.currency,
        t.OWED.label("owed"),
        a.written_off,
        a.custody,
        a.parked,
        a.dunned,
        a.dunning_at,
    )
    query = select(*columns).where(t.OPEN).order_by(a.order_id).limit(limit + 1)
    if after:
        query = query.where(a.order_id > after[0])
    return [_in_units(row, "owed", "written_off", "custody") for row in await _all(connection, query)]


async def bank_entries(
    connection: AsyncConnection, limit: int, after: Sequence[Any] | None, *, state: str = "", entry_id: str = ""
) -> list[Item]:
    key = t.bank_entries.c.entry_id
    if entry_id:
        return await _all(connection, select(t.bank_entries).where(key == entry_id))
    return await _keyed(connection, t.bank_entries, key, limit, after, state)


async def debtors(connection: AsyncConnection, customer_id: str) -> list[Debtor]:
    """What one customer owes and may owe on terms, by currency; no row where neither was ever said."""
    d = t.debtors
    query = select(d).where(d.c.customer_id == customer_id).order_by(d.c.currency)
    return _made(Debtor, await _all(connection, query))


async def credits(
    connection: AsyncConnection, limit: int, after: Sequence[Any] | None, *, state: str = ""
) -> list[Item]:
    """Credits that belong to no order."""
    return await _keyed(connection, t.unmatched_credits, t.unmatched_credits.c.reference, limit, after, state)


async def order_of(connection: AsyncConnection, reference: str) -> UUID | None:
    """The order whose number is the reference of a transfer; None when there is none, or more than one."""
    query = select(t.sales.c.order_id).where(t.sales.c.number == reference.strip()).limit(2)
    found = await _all(connection, query)
    return found[0]["order_id"] if len(found) == 1 else None


def _wanted(
    table: Table,
    order_id: UUID | None,
    customer_id: str,
    issued_from: datetime | None,
    issued_before: datetime | None,
) -> list[ColumnElement[bool]]:
    d = table.c
    wanted: list[ColumnElement[bool]] = []
    if order_id:
        wanted.append(d.order_id == order_id)
    if customer_id:
        wanted.append(d.customer_id == customer_id)
    if issued_from:
        wanted.append(d.issued_at >= issued_from)
    if issued_before:
        wanted.append(d.issued_at < issued_before)
    return wanted


async def _documents(
    connection: AsyncConnection,
    table: Table,
    limit: int,
    after: Sequence[Any] | None,
    wanted: Sequence[ColumnElement[bool]],
    newest: bool,
) -> list[Item]:
    of_series = table.c.series == SERIES[table.name]  # the only one: the index of numbers has it first
    query = select(table).where(of_series, *wanted).limit(limit + 1)
    return await _all(connection, _ordered(query, (table.c.year, table.c.serial), after, newest))


def _ordered(query: Select[Any], keys: Sequence[Any], after: Sequence[Any] | None, newest: bool) -> Select[Any]:
    """By these columns, from one end or the other, from behind the last row seen."""
    if after:
        place = tuple_(*keys)
        query = query.where(place < tuple(after) if newest else place > tuple(after))
    return query.order_by(*(key.desc() if newest else key for key in keys))


async def _keyed(
    connection: AsyncConnection, table: Table, key: Any, limit: int, after: Sequence[Any] | None, state: str
) -> list[Item]:
    query = select(table).order_by(key).limit(limit + 1)
    if state:
        query = query.where(table.c.state == state)
    if after:
        query = query.where(key > after[0])
    return await _all(connection, query)


async def _all(connection: AsyncConnection, query: Select[Any]) -> list[Item]:
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _in_units(row: Item, *names: str) -> Item:
    """The row with these amounts in the decimals of its currency: sums of ours begin with a zero that has two."""
    return row | {name: written(Decimal(row[name]), row["currency"]) for name in names}


def _without(row: Item, *names: str) -> Item:
    return {name: value for name, value in row.items() if name not in names}
