"""What screens and APIs read. No locks, no decisions."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    Table,
    and_,
    distinct,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.billing import tables as t
from services.billing.domain import rule
from services.billing.domain.rows import Account
from services.billing.store import BOOKS

Item = dict[str, Any]
OWED = t.accounts.c.invoiced - t.accounts.c.credited - t.accounts.c.captured + t.accounts.c.refunded


async def account(connection: AsyncConnection, order_id: UUID) -> Item | None:
    """All the money of one order: statement, operations and documents."""
    found = await _all(connection, select(t.accounts).where(t.accounts.c.order_id == order_id))
    if not found:
        return None
    book = BOOKS[Account]
    # The adapter of each JSON column gives back the row's own types, so that the rule can be asked.
    values = {
        c.name: c.adapter.validate_python(found[0][c.name]) if c.adapter else found[0][c.name] for c in book.columns
    }
    told = rule.statement(rule.position(Account(**values)), Account(**values)).model_dump(mode="json")
    sale = await _all(connection, select(t.sales).where(t.sales.c.order_id == order_id))
    operations = select(t.operations).where(t.operations.c.order_id == order_id).order_by(t.operations.c.no)
    kept = ("method", "currency", "due", "granted", "custody", "holds", "blocked", "dunned", "dunning_at")
    return {
        **told,
        **{name: found[0][name] for name in kept},
        "number": sale[0]["number"] if sale else "",
        "operations": [_without(row, "token") for row in await _all(connection, operations)],
    }


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
    zero = Decimal("0.00")
    items = [row | {"debit": row["debit"] or zero, "credit": row["credit"] or zero} for row in rows]
    totals: dict[str, Decimal] = {}
    for row in items:
        totals[row["currency"]] = totals.get(row["currency"], zero) + row["balance"]
    return {"accounts": items, "totals": totals}


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
    zero = literal(Decimal("0.00"))
    query = select(
        *keys,
        func.count(distinct(g.number)).filter(billed).label("invoices"),
        func.count(distinct(g.number)).filter(credited).label("credit_notes"),
        func.coalesce(func.sum(g.base).filter(billed), zero).label("net"),
        func.coalesce(func.sum(g.vat).filter(billed), zero).label("vat"),
        func.coalesce(func.sum(g.base).filter(credited), zero).label("credited_net"),
        func.coalesce(func.sum(g.vat).filter(credited), zero).label("credited_vat"),
    )
    return await _all(connection, query.group_by(*keys).order_by(*keys))


async def open_items(connection: AsyncConnection, limit: int, after: Sequence[Any] | None) -> list[Item]:
    """Orders whose goods are out and whose money is not here, and what waits for a person."""
    a = t.accounts.c
    columns = (a.order_id, a.method, a.currency, OWED.label("owed"), a.custody, a.parked, a.dunned, a.dunning_at)
    query = select(*columns).where(or_(OWED > 0, a.parked != "")).order_by(a.order_id).limit(limit + 1)
    if after:
        query = query.where(a.order_id > after[0])
    return await _all(connection, query)


async def bank_entries(
    connection: AsyncConnection, limit: int, after: Sequence[Any] | None, *, state: str = ""
) -> list[Item]:
    return await _keyed(connection, t.bank_entries, t.bank_entries.c.entry_id, limit, after, state)


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
    query = select(table).where(and_(True, *wanted)).limit(limit + 1)
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


def _without(row: Item, *names: str) -> Item:
    return {name: value for name, value in row.items() if name not in names}
