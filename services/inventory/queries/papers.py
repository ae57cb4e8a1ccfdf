"""What is read in the same way of purchase orders and of transfers. The first column of their tables is their id."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory.tables import items

Found = dict[str, Any]


async def all_of(connection: AsyncConnection, statement: Any) -> list[Found]:
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


def _id(table: Table) -> Column[UUID]:
    return next(column for column in table.c if column.name in ("purchase_id", "transfer_id"))


async def id_of(connection: AsyncConnection, table: Table, number: str) -> UUID | None:
    """The paper of this number, if there is one."""
    return (await connection.execute(select(_id(table)).where(table.c.number == number))).scalar()


async def skus_of(connection: AsyncConnection, lines: Table, id: UUID) -> tuple[str, ...]:
    """The SKUs of its lines, those that were taken out too."""
    statement = select(lines.c.sku).where(_id(lines) == id).order_by(lines.c.sku)
    return tuple((await connection.execute(statement)).scalars())


async def name_lines(connection: AsyncConnection, lines: Sequence[Found]) -> None:
    """Puts beside each SKU the name and the barcode of its product."""
    skus = [line["sku"] for line in lines]
    names = {row["sku"]: row for row in await all_of(connection, select(items).where(items.c.sku.in_(skus)))}
    for line in lines:
        item = names.get(line["sku"], {})
        line |= {"name": item.get("name", ""), "barcode": item.get("barcode", "")}


async def history(
    connection: AsyncConnection, acts: Table, id: UUID, *, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """What happened to it, the newest first."""
    c = acts.c
    statement = (
        select(c.version, c.at, c.actor, c.what, c.facts).where(_id(acts) == id).order_by(c.version.desc()).limit(limit)
    )
    if after is not None:
        statement = statement.where(c.version < after[0])
    return await all_of(connection, statement)
