"""What stock is worth, was worth and did cost; what lies too long. No locks."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Numeric,
    and_,
    case,
    cast,
    exists,
    func,
    lateral,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory.domain import COST_CHANGE, House
from services.inventory.tables import (
    cost_changes,
    costing_days,
    costings,
    items,
    movements,
    valuations,
    valued,
)
from shared.contracts.money import rounded

Found = dict[str, Any]
PER_PIECE = Decimal("0.0001")


async def _all(connection: AsyncConnection, statement: Any) -> list[Found]:
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


def _placed(places: Any) -> list[Found]:
    """By warehouse; what is in transit is in none."""
    return [{"warehouse": place or None, "pieces": pieces, "value": Decimal(value)} for place, pieces, value in places]


async def standing(connection: AsyncConnection, house: House, currency: str, day: date) -> Found:
    """Up to when stock is valued, and whether the figures of that day are final."""
    until = (await connection.execute(select(valued.c.until))).scalar()
    ends = datetime(day.year, day.month, day.day, tzinfo=house.zone) + timedelta(days=1)
    return {"currency": currency, "valued_until": until, "final": until is not None and until >= ends}


def _ends(day: date) -> Any:
    """The last figures of each SKU up to that day."""
    d = costing_days.c
    return lateral(
        select(d.day, d.pieces, d.value, d.places)
        .where(d.sku == costings.c.sku, d.day <= day)
        .order_by(d.day.desc())
        .limit(1)
        .correlate(costings)
    ).alias("ends")


def _lies_in(places: Any, warehouse: str) -> Any:
    place = func.jsonb_array_elements(places).table_valued("value").alias("place")
    return exists().where(place.c.value.op("->>")(0) == warehouse)


async def list_values(
    connection: AsyncConnection,
    day: date,
    *,
    sku: str | None,
    warehouse: str | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """By SKU: pieces that are ours and their value at the end of that day, and by warehouse."""
    c, e = costings.c, _ends(day)
    statement = (
        select(c.sku, items.c.name, e.c.pieces, e.c.value, e.c.places, e.c.day.label("since"))
        .select_from(costings.join(e, true()).outerjoin(items, items.c.sku == c.sku))
        .where(e.c.pieces != 0)
        .order_by(c.sku)
        .limit(limit)
    )
    if sku is not None:
        statement = statement.where(c.sku == sku)
    if warehouse is not None:
        statement = statement.where(_lies_in(e.c.places, warehouse))
    if after is not None:
        statement = statement.where(c.sku > after[0])
    rows = await _all(connection, statement)
    for row in rows:
        row["warehouses"] = _placed(row.pop("places"))
        row["unit_cost"] = rounded(row["value"] / row["pieces"], PER_PIECE)
        row["name"] = row["name"] or ""
    return rows


async def total(connection: AsyncConnection, day: date) -> Found:
    """All of them together, and by warehouse."""
    e = _ends(day)
    ends = select(e.c.pieces, e.c.value, e.c.places).select_from(costings.join(e, true())).cte("ends")
    whole = select(
        func.count().filter(ends.c.pieces != 0).label("skus"),
        cast(func.coalesce(func.sum(ends.c.pieces), 0), BigInteger).label("pieces"),
        func.coalesce(func.sum(ends.c.value), 0).label("value"),
    )
    place = func.jsonb_array_elements(ends.c.places).table_valued("value").lateral("place")
    name, pieces, value = (place.c.value.op("->>")(n) for n in range(3))
    warehouses = (
        select(
            name.label("warehouse"),
            cast(func.sum(cast(pieces, BigInteger)), BigInteger).label("pieces"),
            func.sum(cast(value, Numeric)).label("value"),
        )
        .select_from(ends.join(place, true()))
        .group_by(name)
        .order_by(name)
    )
    found = (await _all(connection, whole))[0]
    found["warehouses"] = [{**row, "warehouse": row["warehouse"] or None} for row in await _all(connection, warehouses)]
    return found


FLOWS = (
    "received", "received_value", "sold", "sold_value", "returned", "returned_value", "adjusted", "adjusted_value",
    "changed_value", "differences",
)  # fmt: skip


def _sums() -> list[Any]:
    d = costing_days.c
    return [
        (cast(func.coalesce(func.sum(d[name]), 0), BigInteger) if isinstance(d[name].type, BigInteger)
         else func.coalesce(func.sum(d[name]), 0)).label(name)
        for name in FLOWS
    ]  # fmt: skip


def _cost_of_sales(row: Found) -> Found:
    return row | {"cost_of_sales": row["sold_value"] - row["returned_value"] + row["differences"]}


async def list_flows(
    connection: AsyncConnection, since: date, until: date, *, sku: str | None, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """By SKU what happened to pieces and value on these days, both included; cost of sales as a figure of its own."""
    c, d = costings.c, costing_days.c
    summed = lateral(
        select(*_sums())
        .where(d.sku == c.sku, d.day >= since, d.day <= until)
        .having(func.count() > 0)
        .correlate(costings)
    ).alias("summed")
    statement = (
        select(c.sku, func.coalesce(items.c.name, "").label("name"), *summed.c)
        .select_from(costings.join(summed, true()).outerjoin(items, items.c.sku == c.sku))
        .order_by(c.sku)
        .limit(limit)
    )
    if sku is not None:
        statement = statement.where(c.sku == sku)
    if after is not None:
        statement = statement.where(c.sku > after[0])
    return [_cost_of_sales(row) for row in await _all(connection, statement)]


async def flows(connection: AsyncConnection, since: date, until: date) -> Found:
    """All SKUs together."""
    d = costing_days.c
    return _cost_of_sales((await _all(connection, select(*_sums()).where(d.day >= since, d.day <= until)))[0])


async def dead_stock(
    connection: AsyncConnection,
    house: House,
    today: date,
    *,
    days: int,
    cover: int,
    warehouse: str | None,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """What was not sold for so many days, or lasts for more than `cover` days: what ties up most money first.

    `sold`: pieces of the last `days` days, less what came back; `days_of_cover`: how long the stock lasts if it sells
    on like that, None if nothing sells; `turnover`: cost of sales of a year at that rate, by the stock's mean value.
    What came less than `days` ago is judged by its cover only.
    """
    c, d = costings.c, costing_days.c
    since = today - timedelta(days=days)
    moment = datetime(since.year, since.month, since.day, tzinfo=house.zone)
    lately = lateral(
        select(
            cast(func.coalesce(func.sum(d.sold - d.returned), 0), BigInteger).label("sold"),
            func.coalesce(func.sum(d.sold_value - d.returned_value + d.differences), 0).label("cost_of_sales"),
        )
        .where(d.sku == c.sku, d.day > since)
        .correlate(costings)
    ).alias("lately")
    before = (
        select(d.value)
        .where(d.sku == c.sku, d.day <= since)
        .order_by(d.day.desc())
        .limit(1)
        .correlate(costings)
        .scalar_subquery()
    )
    last = func.greatest(c.sold_at, c.received_at)
    unsold = or_(last < moment, and_(last.is_(None), c.at < moment))
    n = lately.c
    too_much = c.pieces * days > cover * func.greatest(n.sold, 0)
    settled = or_(n.sold > 0, unsold)
    statement = (
        select(
            c.sku,
            func.coalesce(items.c.name, "").label("name"),
            c.pieces,
            c.value,
            c.places,
            c.sold_at,
            c.received_at,
            n.sold,
            n.cost_of_sales,
            func.coalesce(before, 0).label("value_before"),
            case((unsold, "unsold"), else_="overstock").label("why"),
        )
        .select_from(costings.join(lately, true()).outerjoin(items, items.c.sku == c.sku))
        .where(c.pieces > 0, or_(unsold, and_(too_much, settled)))
        .order_by(c.value.desc(), c.sku)
        .limit(limit)
    )
    if warehouse is not None:
        statement = statement.where(_lies_in(c.places, warehouse))
    if after is not None:
        value, sku = after
        statement = statement.where(or_(c.value < value, and_(c.value == value, c.sku > sku)), c.value <= value)
    rows = await _all(connection, statement)
    for row in rows:
        mean = (row["value"] + row.pop("value_before")) / 2
        yearly = row["cost_of_sales"] * 365 / days
        row["places"] = [{"warehouse": place or None, "pieces": pieces} for place, pieces in row["places"]]
        row["days_of_cover"] = row["pieces"] * days // row["sold"] if row["sold"] > 0 else None
        row["turnover"] = rounded(yearly / mean) if mean else None
    return rows


async def list_arrivals(
    connection: AsyncConnection,
    *,
    sku: str | None,
    without_cost: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """What came in, by SKU and in its order, with what it cost as far as anybody said."""
    v, c, m = valuations.c, cost_changes.c, movements.c
    same = and_(c.arrival == v.cause, c.sku == v.sku, c.warehouse == v.warehouse, c.line_no == v.line_no,
                c.kind == v.kind)  # fmt: skip
    said = lateral(
        select(c.unit_cost, c.reason, c.actor, c.at).where(same).order_by(c.at.desc(), c.cause.desc()).limit(1)
        .correlate(valuations)
    ).alias("said")  # fmt: skip
    moved = and_(m.cause == v.cause, m.sku == v.sku, m.warehouse == v.warehouse, m.line_no == v.line_no,
                 m.kind == v.kind)  # fmt: skip
    statement = (
        select(
            v.sku,
            func.coalesce(items.c.name, "").label("name"),
            v.seq,
            v.cause.label("arrival"),
            v.warehouse,
            v.line_no,
            v.kind,
            m.at,
            m.reference,
            m.reason,
            m.actor,
            v.pieces,
            func.coalesce(said.c.unit_cost, v.unit_cost).label("unit_cost"),
            said.c.at.label("changed_at"),
            said.c.actor.label("changed_by"),
            said.c.reason.label("changed_why"),
        )
        .select_from(valuations.join(movements, moved).outerjoin(said, true()).outerjoin(items, items.c.sku == v.sku))
        .where(v.pieces > 0)
        .order_by(v.sku, v.seq)
        .limit(limit)
    )
    if without_cost:
        statement = statement.where(v.unit_cost.is_(None), said.c.at.is_(None))
    if sku is not None:
        statement = statement.where(v.sku == sku)
    if after is not None:
        statement = statement.where(tuple_(v.sku, v.seq) > tuple_(*after[:2]))
    return await _all(connection, statement)


async def list_changes(
    connection: AsyncConnection, *, sku: str | None, after: Sequence[Any] | None, limit: int
) -> list[Found]:
    """What people said later of costs, the newest first. `value`, `difference`: None until it is valued."""
    c, v = cost_changes.c, valuations.c
    same = and_(v.cause == c.cause, v.sku == c.sku, v.warehouse == c.warehouse, v.line_no == c.line_no,
                v.kind == COST_CHANGE)  # fmt: skip
    statement = (
        select(*c, v.value, v.difference)
        .select_from(cost_changes.outerjoin(valuations, same))
        .order_by(c.at.desc(), c.cause.desc())
        .limit(limit)
    )
    if sku is not None:
        statement = statement.where(c.sku == sku)
    if after is not None:
        statement = statement.where(tuple_(c.at, c.cause) < tuple_(*after[:2]))
    return await _all(connection, statement)
