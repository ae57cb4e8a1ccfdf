"""Reads for screens and the API: plain selects, no locks. Nothing here changes anything."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, Table, case, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.order import tables
from services.order.facts import promised_on
from services.order.kits import described
from services.order.quantities import Order
from services.order.rows import Channel, Customer, Header, Line, Money, Product, Progress, Return, Shipment, Stock
from services.order.saga import line_progress
from services.order.waits import waits, why_not_moving
from shared.contracts.money import totals, unit_of
from shared.contracts.order import FINAL
from shared.database import begins
from shared.messaging.decision import Row

R = TypeVar("R", bound=Row)
Item = dict[str, Any]
_TABLES: Mapping[type[Row], Table] = {
    Progress: tables.progress,
    Header: tables.orders,
    Line: tables.lines,
    Stock: tables.stock,
    Money: tables.money,
    Shipment: tables.shipments,
    Return: tables.returns,
}
_ADAPTERS: Mapping[type[Row], TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (*_TABLES, Product, Customer, Channel)
}
COUNTED = ("ordered", "cancelled", "waiting", "backordered", "reserved", "released", "shipped", "returned")
MOST_SUMMARIES = 200


_ONCE = (Progress, Header, Stock, Money)
"""Rows that every order has once: they are read together."""
_PARTS = (Line, Shipment, Return)
_HEADS = select(*(_TABLES[kind] for kind in _ONCE)).where(
    *(_TABLES[kind].c.order_id == tables.progress.c.order_id for kind in _ONCE[1:])
)


async def load(conn: AsyncConnection, order_id: UUID) -> Order | None:
    """The order as the saga sees it."""
    found = await _load(conn, (order_id,))
    return found[0][0] if found else None


async def order(conn: AsyncConnection, order_id: UUID) -> Item | None:
    """One order with where its pieces are, its shipments, money and returns as heard, and why it does not move."""
    found = await load(conn, order_id)
    return None if found is None else {**describe(found), "history": await history(conn, order_id)}


def describe(found: Order) -> Item:
    header, progress = found.header, found.progress
    heard = found.money.heard
    prices = {line.line_no: line.price.model_dump(mode="json") for line in found.lines}
    kit_no = {line.line_no: line.kit.no for line in found.lines if line.kit is not None}
    return {
        "id": str(found.id),
        "number": header.number,
        "status": progress.status,
        "version": progress.version,
        "why_not_moving": why_not_moving(found),
        "waits": [
            {"who": wait.who, "why": wait.why, "until": wait.until and wait.until.isoformat()} for wait in waits(found)
        ],
        "channel": header.channel,
        "external_id": header.external_id,
        "customer_id": header.customer_id,
        "placed_at": header.placed_at.isoformat(),
        "currency": header.currency,
        "prices_include_vat": header.prices_include_vat,
        "payment_method": header.method,
        "net": f"{header.net:f}",
        "vat": f"{header.vat:f}",
        "gross": f"{header.gross:f}",
        "due": f"{found.due:f}",
        "ship_to": header.ship_to.model_dump(mode="json"),
        "bill_to": header.bill_to.model_dump(mode="json"),
        "ship_complete": header.ship_complete,
        "service_level": header.service_level,
        "priority": header.priority,
        "holds": list(progress.holds),
        "reason": progress.reason,
        "accepted_on": progress.accepted_on and progress.accepted_on.isoformat(),
        "lines": [
            {**prices[line.line_no], **line.model_dump(mode="json"), "kit": kit_no.get(line.line_no)}
            for line in line_progress(found)
        ],
        "kits": described(found),
        "shipments": [
            {
                "shipment_id": str(row.shipment_id),
                "seq": row.seq,
                "warehouse": row.warehouse,
                "state": "asked" if row.heard is None else row.heard.state,
                "planned": [{"line_no": no, "quantity": quantity} for no, quantity in row.planned],
                "lines": [] if row.heard is None else [line.model_dump(mode="json") for line in row.heard.lines],
                "carrier": "" if row.heard is None else row.heard.carrier,
                "tracking": "" if row.heard is None else row.heard.tracking,
                "reason": "" if row.heard is None else row.heard.reason,
            }
            for row in found.shipments
        ],
        "money": None if heard is None else heard.model_dump(mode="json", exclude={"order_id"}),
        "returns": [
            {
                "return_id": str(row.return_id),
                "shipment_id": str(row.shipment_id),
                "state": "asked" if row.heard is None else row.heard.state,
                "reason": row.reason,
                "wanted": [{"line_no": no, "quantity": quantity} for no, quantity in row.wanted],
                "lines": [] if row.heard is None else [line.model_dump(mode="json") for line in row.heard.lines],
            }
            for row in found.returns
        ],
    }


async def summaries(conn: AsyncConnection, ids: Sequence[UUID]) -> list[Item]:
    """Of each of these orders that is there what a list shows, in no order.

    `revision` rises with every change of anything of the order; `heard` says which statements it knows, the version of
    each `thing`: `order` (its own), `stock`, `money`, and each shipment and return by its id.
    """
    return [summary(order, revision) for order, revision in await load_many(conn, ids)]


async def load_many(conn: AsyncConnection, ids: Sequence[UUID]) -> list[tuple[Order, int]]:
    """Orders as the saga sees them, each with the revision of its root; all of one moment."""
    await conn.execution_options(isolation_level="REPEATABLE READ")
    return await _load(conn, ids)


async def _load(conn: AsyncConnection, ids: Sequence[UUID]) -> list[tuple[Order, int]]:
    heads = await conn.execute(_HEADS.where(tables.progress.c.order_id.in_(ids)))
    once: list[tuple[dict[type[Row], Any], int]] = []
    for record in heads.mappings():
        rows: dict[type[Row], Any] = {
            kind: _ADAPTERS[kind].validate_python({c.name: record[c] for c in _TABLES[kind].columns}) for kind in _ONCE
        }
        once.append((rows, record[tables.progress.c.revision]))
    if not once:
        return []
    parts: dict[type[Row], dict[UUID, list[Any]]] = {kind: {} for kind in _PARTS}
    for kind in _PARTS:
        table, adapter = _TABLES[kind], _ADAPTERS[kind]
        query = select(table).where(table.c.order_id.in_(ids)).order_by(*table.primary_key.columns)
        for part in (await conn.execute(query)).mappings():
            parts[kind].setdefault(part["order_id"], []).append(adapter.validate_python(dict(part)))

    def of(kind: type[R], order_id: UUID) -> tuple[R, ...]:
        return tuple(parts[kind].get(order_id, ()))

    return [
        (
            Order(
                header=rows[Header],
                progress=rows[Progress],
                stock=rows[Stock],
                money=rows[Money],
                lines=of(Line, rows[Header].order_id),
                shipments=of(Shipment, rows[Header].order_id),
                returns=of(Return, rows[Header].order_id),
            ),
            revision,
        )
        for rows, revision in once
    ]


def summary(found: Order, revision: int) -> Item:
    """What a list shows of one order."""
    header, progress, stock, money = found.header, found.progress, found.stock.heard, found.money.heard
    lines, day = line_progress(found), promised_on(found)
    first = header.ship_to if header.ship_to.name or header.ship_to.company else header.bill_to
    heard = {"order": progress.version}
    heard |= {} if stock is None else {"stock": stock.version}
    heard |= {} if money is None else {"money": money.version}
    heard |= {str(row.shipment_id): row.heard.version for row in found.shipments if row.heard is not None}
    heard |= {str(row.return_id): row.heard.version for row in found.returns if row.heard is not None}
    return {
        "order_id": str(found.id),
        "revision": revision,
        "heard": [{"thing": thing, "version": version} for thing, version in heard.items()],
        "number": header.number,
        "channel": header.channel,
        "external_id": header.external_id,
        "customer_id": header.customer_id,
        "name": first.name or first.company,
        "email": header.bill_to.email or header.ship_to.email,
        "city": header.ship_to.city,
        "country": header.ship_to.country,
        "placed_at": header.placed_at.isoformat(),
        "status": progress.status,
        "holds": list(progress.holds),
        "currency": header.currency,
        "method": header.method,
        "net": f"{header.net:f}",
        "gross": f"{header.gross:f}",
        "due": f"{found.due:f}",
        "why": why_not_moving(found),
        "waits": [
            {"who": wait.who, "why": wait.why, "until": wait.until and wait.until.isoformat()} for wait in waits(found)
        ],
        "skus": sorted({line.sku for line in lines} | {line.kit.sku for line in found.lines if line.kit is not None}),
        "tracking": [row.heard.tracking for row in found.shipments if row.heard is not None and row.heard.tracking],
        **{name: sum(getattr(line, name) for line in lines) for name in COUNTED},
        "promised_on": day.isoformat() if day and any(line.backordered for line in lines) else None,
        "accepted_on": progress.accepted_on and progress.accepted_on.isoformat(),
        "lines": sold_lines(found),
    }


def sold_lines(found: Order) -> list[Item]:
    """The lines as they were sold, each with its part of the order's net amount (R-03, R-05)."""
    header = found.header
    prices = [line.price for line in found.lines]
    worth = totals(prices, inclusive=header.prices_include_vat, unit=unit_of(header.currency)).lines
    net = {line.line_no: line.net for line in worth}
    return [
        {
            "line_no": line.line_no,
            "sku": line.sku,
            "text": line.text,
            "kind": line.kind,
            "quantity": line.quantity,
            "net": f"{net.get(line.line_no, Decimal(0)):f}",
            "vat_category": line.vat_category,
            "vat_rate": f"{line.vat_rate:f}",
        }
        for line in found.lines
    ]


async def history(conn: AsyncConnection, order_id: UUID) -> list[Item]:
    """Every change of status and every wish: who, what, why, when, caused by which message."""
    table = tables.history
    query = select(table).where(table.c.order_id == order_id).order_by(table.c.version)
    return [
        {
            "version": record["version"],
            "at": record["at"].isoformat(),
            "before": record["before"],
            "after": record["after"],
            "trigger": record["trigger"],
            "cause": str(record["cause"]),
            "actor": record["actor"],
            "note": record["note"],
        }
        for record in (await conn.execute(query)).mappings()
    ]


async def channels_of(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """By order; those that are not there are left out."""
    head = tables.orders
    found = await conn.execute(select(head.c.order_id, head.c.channel).where(head.c.order_id.in_(ids)))
    return {record.order_id: record.channel for record in found}


async def id_of(conn: AsyncConnection, number: str) -> UUID | None:
    found: UUID | None = await conn.scalar(select(tables.orders.c.order_id).where(tables.orders.c.number == number))
    return found


async def orders(
    conn: AsyncConnection,
    *,
    status: str | None = None,
    channel: str | None = None,
    customer: str | None = None,
    sku: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    number: str | None = None,
    after: Sequence[Any] | None = None,
    limit: int = 50,
) -> Sequence[Item]:
    """Orders that match, the newest first. `number` finds the beginning of our number or of the channel's."""
    head, moving = tables.orders, tables.progress
    query = select(
        head.c.order_id,
        head.c.number,
        head.c.channel,
        head.c.external_id,
        head.c.customer_id,
        head.c.placed_at,
        head.c.currency,
        head.c.gross,
        moving.c.status,
        moving.c.version,
        moving.c.holds,
    ).join(moving, moving.c.order_id == head.c.order_id)
    if status:
        query = query.where(moving.c.status == status, moving.c.final.is_(status in FINAL))
    if channel:
        query = query.where(head.c.channel == channel)
    if customer:
        query = query.where(head.c.customer_id == customer)
    if sku:
        of_order = (tables.lines.c.order_id == head.c.order_id) & (tables.lines.c.sku == sku)
        query = query.where(exists().where(of_order))
    if since:
        query = query.where(head.c.placed_at >= since)
    if until:
        query = query.where(head.c.placed_at < until)
    if number:
        query = query.where(begins(head.c.number, number) | begins(head.c.external_id, number))
    if after:
        query = query.where(tuple_(head.c.placed_at, head.c.order_id) < tuple_(*after))
    query = query.order_by(head.c.placed_at.desc(), head.c.order_id.desc()).limit(limit)
    return [
        {
            "id": str(record["order_id"]),
            "number": record["number"],
            "status": record["status"],
            "version": record["version"],
            "holds": record["holds"],
            "channel": record["channel"],
            "external_id": record["external_id"],
            "customer_id": record["customer_id"],
            "placed_at": record["placed_at"].isoformat(),
            "currency": record["currency"],
            "gross": f"{record['gross']:f}",
        }
        for record in (await conn.execute(query)).mappings()
    ]


async def products(
    conn: AsyncConnection,
    *,
    skus: Sequence[str],
    search: str | None,
    brand: str | None,
    category: str | None,
    after: str | None,
    limit: int,
) -> Sequence[Item]:
    table = tables.products
    query = select(table).order_by(table.c.sku).limit(limit)
    if skus:
        query = query.where(table.c.sku.in_(skus))
    for column, value in ((table.c.brand, brand), (table.c.category, category)):
        if value is not None:
            query = query.where(column == value)
    if search:
        query = query.where(begins(table.c.sku, search) | table.c.name.icontains(search, autoescape=True))
    if after is not None:
        query = query.where(table.c.sku > after)
    return [_told(record) for record in (await conn.execute(query)).mappings()]


def _told(record: RowMapping) -> Item:
    """Amounts as text, as everywhere."""
    return {str(name): f"{value:f}" if isinstance(value, Decimal) else value for name, value in record.items()}


async def _one(conn: AsyncConnection, kind: type[R], table: Table, key: str) -> tuple[R, Item] | None:
    """One thing of the master data, as the row that its entity tag is made of and as it is told."""
    (column,) = table.primary_key.columns
    record = (await conn.execute(select(table).where(column == key))).mappings().first()
    return None if record is None else (_ADAPTERS[kind].validate_python(dict(record)), _told(record))


async def product_history(conn: AsyncConnection, sku: str, *, after: Sequence[Any] | None, limit: int) -> list[Item]:
    """The changes of a product, the newest first."""
    table = tables.product_changes
    query = select(table).where(table.c.sku == sku).order_by(table.c.version.desc()).limit(limit)
    if after is not None:
        query = query.where(table.c.version < after[0])
    return [
        {
            "version": record["version"],
            "at": record["at"].isoformat(),
            "actor": record["actor"],
            "way": record["way"],
            "cause": str(record["cause"]),
            "changes": record["changes"],
        }
        for record in (await conn.execute(query)).mappings()
    ]


async def product_changes(
    conn: AsyncConnection,
    *,
    actors: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Item]:
    """Requests with a name that changed products, the newest first: how many, and what of the only one."""
    c = tables.product_changes.c
    one = func.count() == 1
    query = select(
        c.at,
        c.cause,
        func.min(c.actor).label("actor"),
        func.min(c.way).label("way"),
        func.count().label("products"),
        case((one, func.min(c.sku)), else_="").label("sku"),
    )
    query = query.where(c.actor != "").group_by(c.at, c.cause)
    if actors:
        query = query.where(c.actor.in_(actors))
    if since is not None:
        query = query.where(c.at >= since)
    if until is not None:
        query = query.where(c.at < until)
    if after is not None:
        query = query.where(tuple_(c.at, c.cause) < tuple_(*after))
    found = (await conn.execute(query.order_by(c.at.desc(), c.cause.desc()).limit(limit))).mappings().all()
    alone = [(record["at"], record["cause"], record["sku"]) for record in found if record["sku"]]
    detail = select(c.cause, c.changes).where(tuple_(c.at, c.cause, c.sku).in_(alone))
    changes = {record.cause: record.changes for record in await conn.execute(detail)} if alone else {}
    return [
        {
            "cause": str(record["cause"]),
            "at": record["at"].isoformat(),
            "actor": record["actor"],
            "way": record["way"],
            "products": record["products"],
            "sku": record["sku"],
            "changes": changes.get(record["cause"], []),
        }
        for record in found
    ]


async def products_named(conn: AsyncConnection, skus: Iterable[str]) -> dict[str, Product]:
    """Those of these that there are, by SKU."""
    query = select(tables.products).where(tables.products.c.sku.in_(list(skus)))
    found = [_ADAPTERS[Product].validate_python(dict(record)) for record in (await conn.execute(query)).mappings()]
    return {row.sku: row for row in found}


async def kits_with(conn: AsyncConnection, skus: Iterable[str]) -> dict[str, list[str]]:
    """The kits that each of these is a component of; those in none are left out."""
    table = tables.parts
    query = select(table.c.sku, table.c.kit).where(table.c.sku.in_(list(skus)), table.c.pieces > 0)
    found: dict[str, list[str]] = {}
    for record in await conn.execute(query.order_by(table.c.sku, table.c.kit)):
        found.setdefault(record.sku, []).append(record.kit)
    return found


async def product(conn: AsyncConnection, sku: str) -> tuple[Product, Item] | None:
    return await _one(conn, Product, tables.products, sku)


async def channel(conn: AsyncConnection, code: str) -> tuple[Channel, Item] | None:
    return await _one(conn, Channel, tables.channels, code)


async def channels(conn: AsyncConnection, *, after: str | None, limit: int) -> Sequence[Item]:
    table = tables.channels
    query = select(table).order_by(table.c.code).limit(limit)
    if after is not None:
        query = query.where(table.c.code > after)
    return [dict(record) for record in (await conn.execute(query)).mappings()]


async def customers(conn: AsyncConnection, *, search: str | None, after: str | None, limit: int) -> Sequence[Item]:
    table = tables.customers
    query = select(table).order_by(table.c.customer_id).limit(limit)
    if search:
        named = table.c.name.icontains(search, autoescape=True)
        query = query.where(begins(table.c.customer_id, search) | named | (table.c.email == search))
    if after is not None:
        query = query.where(table.c.customer_id > after)
    return [dict(record) for record in (await conn.execute(query)).mappings()]


async def customer(conn: AsyncConnection, customer_id: str) -> tuple[Customer, Item] | None:
    return await _one(conn, Customer, tables.customers, customer_id)
