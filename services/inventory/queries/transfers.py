"""What screens and the API read of transfers between warehouses. No locks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, cast, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory import domain
from services.inventory.queries import papers
from services.inventory.queries.papers import Found, all_of
from services.inventory.tables import transfer_acts, transfer_lines, transfers


async def id_of(connection: AsyncConnection, number: str) -> UUID | None:
    """The transfer of this number, if there is one."""
    return await papers.id_of(connection, transfers, number)


async def skus_of(connection: AsyncConnection, transfer_id: UUID) -> tuple[str, ...]:
    """The SKUs of its lines, those that were taken out too."""
    return await papers.skus_of(connection, transfer_lines, transfer_id)


async def list_transfers(
    connection: AsyncConnection,
    *,
    states: Sequence[str],
    source: str | None,
    destination: str | None,
    sku: str | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """Transfers, the newest first, each with the sums of its lines."""
    t, c = transfers.c, transfer_lines.c

    def total(pieces: Any) -> Any:
        return cast(func.sum(pieces), BigInteger)

    sums = (
        select(
            c.transfer_id,
            func.count().filter(c.quantity > 0).label("lines"),
            total(c.quantity).label("quantity"),
            total(c.received).label("received"),
            total(c.lost).label("lost"),
            total(c.sent - c.received - c.lost).label("in_transit"),
        )
        .where(c.transfer_id == t.transfer_id)
        .group_by(c.transfer_id)
        .lateral()
    )
    s = sums.c
    statement = (
        select(
            *(t[name] for name in ("transfer_id", "number", "source", "destination", "expected_on", "state")),
            t.created_at,
            t.sent_at,
            *(s[name] for name in ("lines", "quantity", "received", "lost", "in_transit")),
        )
        .select_from(transfers.join(sums, s.transfer_id == t.transfer_id))
        .order_by(t.created_at.desc(), t.transfer_id.desc())
        .limit(limit)
    )
    if states:
        statement = statement.where(t.state.in_(states))
    for column, value in ((t.source, source), (t.destination, destination)):
        if value is not None:
            statement = statement.where(column == value)
    if sku is not None:
        of = transfer_lines.alias()
        wanted = exists().where(of.c.transfer_id == t.transfer_id, of.c.sku == sku, of.c.quantity > 0)
        statement = statement.where(wanted)
    if after is not None:
        statement = statement.where(tuple_(t.created_at, t.transfer_id) < tuple_(*after[:2]))
    return await all_of(connection, statement)


async def one_transfer(connection: AsyncConnection, number: str) -> Found | None:
    """One transfer with its lines, each with the name and the barcode of its product."""
    record = (await connection.execute(select(transfers).where(transfers.c.number == number))).mappings().first()
    if record is None:
        return None
    transfer = domain.Transfer(**record)
    rows = await all_of(connection, select(transfer_lines).where(transfer_lines.c.transfer_id == transfer.transfer_id))
    found = domain.transfer_shown(transfer, [domain.TransferLine(**row) for row in rows])
    await papers.name_lines(connection, found["lines"])
    return found


async def history(
    connection: AsyncConnection, transfer_id: UUID, *, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """What happened to a transfer, the newest first."""
    return await papers.history(connection, transfer_acts, transfer_id, after=after, limit=limit)
