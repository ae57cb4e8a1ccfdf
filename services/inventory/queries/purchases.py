"""What screens and the API read of suppliers and purchase orders. No locks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, cast, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory import domain
from services.inventory.queries import papers
from services.inventory.queries.papers import Found
from services.inventory.queries.papers import all_of as _all
from services.inventory.tables import purchase_acts, purchase_lines, purchase_orders, suppliers

OPEN = ("sent", "partly_received")


async def list_suppliers(connection: AsyncConnection, *, after: Sequence[Any] | None, limit: int) -> list[Found]:
    statement = select(suppliers).order_by(suppliers.c.code).limit(limit)
    if after is not None:
        statement = statement.where(suppliers.c.code > after[0])
    return await _all(connection, statement)


async def supplier(connection: AsyncConnection, code: str) -> domain.Supplier | None:
    record = (await connection.execute(select(suppliers).where(suppliers.c.code == code))).mappings().first()
    return None if record is None else domain.Supplier(**record)


async def id_of(connection: AsyncConnection, number: str) -> UUID | None:
    """The purchase order of this number, if there is one."""
    return await papers.id_of(connection, purchase_orders, number)


async def skus_of(connection: AsyncConnection, purchase_id: UUID) -> tuple[str, ...]:
    """The SKUs of its lines, those that were taken out too."""
    return await papers.skus_of(connection, purchase_lines, purchase_id)


async def list_purchases(
    connection: AsyncConnection,
    *,
    states: Sequence[str],
    supplier: str | None,
    warehouse: str | None,
    sku: str | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """Purchase orders, the newest first, each with the sums of its lines.

    `expected_on`: the first day on which something should come that has not; None when nothing should.
    """
    o, c = purchase_orders.c, purchase_lines.c
    left = func.greatest(0, c.quantity - c.received)
    sums = (
        select(
            c.purchase_id,
            func.count().filter(c.quantity > 0).label("lines"),
            cast(func.sum(c.quantity), BigInteger).label("quantity"),
            cast(func.sum(c.received), BigInteger).label("received"),
            func.sum(c.quantity * c.unit_cost).label("cost"),
            func.min(c.expected_on).filter(left > 0).label("expected_on"),
        )
        .where(c.purchase_id == o.purchase_id)
        .group_by(c.purchase_id)
        .lateral()
    )
    s = sums.c
    statement = (
        select(
            *(o[name] for name in ("purchase_id", "number", "supplier", "warehouse", "currency", "state")),
            o.created_at,
            o.sent_at,
            suppliers.c.name.label("supplier_name"),
            s.lines,
            s.quantity,
            s.received,
            s.cost,
            s.expected_on,
        )
        .select_from(
            purchase_orders.join(sums, s.purchase_id == o.purchase_id).outerjoin(
                suppliers, suppliers.c.code == o.supplier
            )
        )
        .order_by(o.created_at.desc(), o.purchase_id.desc())
        .limit(limit)
    )
    if states:
        statement = statement.where(o.state.in_(states))
    for column, value in ((o.supplier, supplier), (o.warehouse, warehouse)):
        if value is not None:
            statement = statement.where(column == value)
    if sku is not None:
        of = purchase_lines.alias()
        wanted = exists().where(of.c.purchase_id == o.purchase_id, of.c.sku == sku)
        statement = statement.where(wanted.where(or_(of.c.quantity > 0, of.c.received > 0)))
    if after is not None:
        statement = statement.where(tuple_(o.created_at, o.purchase_id) < tuple_(*after[:2]))
    found = await _all(connection, statement)
    for row in found:
        row["cost"] = row["cost"].normalize() + 0
        if row["state"] not in OPEN:
            row["expected_on"] = None
    return found


async def one_purchase(connection: AsyncConnection, number: str) -> Found | None:
    """One purchase order with its lines, each with the name and the newest cause of its product."""
    record = (
        (await connection.execute(select(purchase_orders).where(purchase_orders.c.number == number))).mappings().first()
    )
    if record is None:
        return None
    order = domain.PurchaseOrder(**record)
    c = purchase_lines.c
    rows = await _all(connection, select(purchase_lines).where(c.purchase_id == order.purchase_id).order_by(c.line_no))
    lines = [domain.PurchaseLine(**row) for row in rows]
    found = domain.shown(order, lines)
    await papers.name_lines(connection, found["lines"])
    of = await supplier(connection, order.supplier)
    found["supplier_name"], found["supplier_email"] = (of.name, of.email) if of else ("", "")
    return found


async def history(
    connection: AsyncConnection, purchase_id: UUID, *, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """What happened to a purchase order, the newest first."""
    return await papers.history(connection, purchase_acts, purchase_id, after=after, limit=limit)
