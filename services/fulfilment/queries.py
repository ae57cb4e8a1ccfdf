"""Reads for screens and the API: no locks, no rows of the domain."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.fulfilment.tables import history, returns, shipments

Item = dict[str, Any]


async def items(conn: AsyncConnection, query: Select[Any]) -> list[Item]:
    return [dict(row) for row in (await conn.execute(query)).mappings()]


def older_than(moment: ColumnElement[Any], key: ColumnElement[Any], after: Sequence[Any]) -> ColumnElement[bool]:
    """What comes after the cursor in a list that begins with the newest."""
    return tuple_(moment, key) < _place(after)


def _place(after: Sequence[Any]) -> ColumnElement[Any]:
    return tuple_(*(literal(value) for value in after))


def sorted_by(
    query: Select[Any], moment: ColumnElement[Any], key: ColumnElement[Any], after: Sequence[Any] | None, oldest: bool
) -> Select[Any]:
    """From the newest on, or from the oldest, what comes after the cursor."""
    if oldest:
        query = query.order_by(moment, key)
        return query.where(tuple_(moment, key) > _place(after)) if after else query
    query = query.order_by(moment.desc(), key.desc())
    return query.where(older_than(moment, key, after)) if after else query


async def list_shipments(
    conn: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None = None,
    *,
    state: str | None = None,
    warehouse: str | None = None,
    order_id: UUID | None = None,
    parked: bool = False,
    oldest: bool = False,
) -> list[Item]:
    """Newest first, or oldest first, `limit` + 1 of them."""
    t = shipments.c
    query = select(shipments).limit(limit + 1)
    if state:
        query = query.where(t.state == state)
    if warehouse:
        query = query.where(t.warehouse == warehouse)
    if order_id:
        query = query.where(t.order_id == order_id)
    if parked:
        query = query.where(t.parked != "")
    return await items(conn, sorted_by(query, t.planned_at, t.shipment_id, after, oldest))


async def shipment(conn: AsyncConnection, shipment_id: UUID) -> Item | None:
    """One shipment with its returns and its history."""
    found = await items(conn, select(shipments).where(shipments.c.shipment_id == shipment_id))
    if not found:
        return None
    back = select(returns).where(returns.c.shipment_id == shipment_id).order_by(returns.c.opened_at)
    return found[0] | {"returns": await items(conn, back), "history": await history_of(conn, shipment_id)}


async def history_of(conn: AsyncConnection, document_id: UUID) -> list[Item]:
    t = history.c
    query = select(t.at, t.version, t.state, t.what, t.actor, t.cause).where(t.document_id == document_id)
    return await items(conn, query.order_by(t.at, t.version, t.cause))


async def pick_list(conn: AsyncConnection, warehouse: str, limit: int = 200) -> Item:
    """What a picker fetches now: the planned shipments, most urgent first, and the same pieces added up per SKU."""
    t = shipments.c
    query = (
        select(t.shipment_id, t.order_id, t.number, t.priority, t.service_level, t.planned_at, t.lines)
        .where(t.warehouse == warehouse, t.state == "planned")
        .order_by(t.priority.desc(), t.planned_at, t.shipment_id)
        .limit(limit)
    )
    found = await items(conn, query)
    totals: dict[str, Item] = {}
    for one in found:
        one["lines"] = [line for line in one["lines"] if line.get("kind", "goods") == "goods"]
        for line in one["lines"]:
            total = totals.setdefault(line["sku"], {"sku": line["sku"], "text": line.get("text", ""), "quantity": 0})
            total["quantity"] += line["quantity"]
    waiting = await conn.scalar(select(func.count()).where(t.warehouse == warehouse, t.state == "planned"))
    by_sku = [totals[sku] for sku in sorted(totals)]
    return {"warehouse": warehouse, "waiting": waiting, "shipments": found, "totals": by_sku}


async def list_returns(
    conn: AsyncConnection,
    limit: int,
    after: Sequence[Any] | None = None,
    *,
    state: str | None = None,
    warehouse: str | None = None,
    order_id: UUID | None = None,
    oldest: bool = False,
) -> list[Item]:
    """Newest first, or oldest first, `limit` + 1 of them."""
    t = returns.c
    query = select(returns).limit(limit + 1)
    if state:
        query = query.where(t.state == state)
    if warehouse:
        query = query.where(t.warehouse == warehouse)
    if order_id:
        query = query.where(t.order_id == order_id)
    return await items(conn, sorted_by(query, t.opened_at, t.return_id, after, oldest))


async def one_return(conn: AsyncConnection, return_id: UUID) -> Item | None:
    found = await items(conn, select(returns).where(returns.c.return_id == return_id))
    return found[0] | {"history": await history_of(conn, return_id)} if found else None


async def shipment_of_return(conn: AsyncConnection, return_id: UUID) -> UUID | None:
    found: UUID | None = await conn.scalar(select(returns.c.shipment_id).where(returns.c.return_id == return_id))
    return found
