"""What to order: rules, inventory positions, the demand that a proposal goes by. No locks."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Date, and_, cast, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory import domain
from services.inventory.tables import (
    expected,
    items,
    levels,
    movements,
    purchase_lines,
    purchase_orders,
    queues,
    reorder_rules,
    suppliers,
    warehouses,
)

Found = dict[str, Any]
Place = tuple[str, str]
"""A SKU in a warehouse."""


async def _all(connection: AsyncConnection, statement: Any) -> list[Found]:
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


def _figures(sku: Any, warehouse: Any) -> dict[str, Any]:
    """What counts for the inventory position of a SKU in a warehouse, as scalar selects.

    Who waits for a SKU waits for no warehouse: it counts at the first by rank of those that buy it by a rule.
    """
    e, q, c, o = expected.c, queues.c, purchase_lines.c, purchase_orders.c
    level, rule, place = levels.alias("level"), reorder_rules.alias("rule"), warehouses.alias("place")
    first = (
        select(rule.c.warehouse)
        .join(place, place.c.code == rule.c.warehouse)
        .where(rule.c.sku == sku, rule.c.up_to > 0)
        .order_by(place.c.rank, place.c.code)
        .limit(1)
        .correlate_except(rule, place)
        .scalar_subquery()
    )
    left = cast(func.sum(func.greatest(0, e.quantity - e.received)), BigInteger)
    one_of = and_(o.purchase_id == c.purchase_id, o.state == "draft", o.warehouse == warehouse)
    there = and_(level.c.sku == sku, level.c.warehouse == warehouse)
    drafts_of = select(cast(func.sum(c.quantity), BigInteger)).select_from(purchase_lines.join(purchase_orders, one_of))
    selects = {
        "on_hand": select(level.c.on_hand).where(there).correlate_except(level),
        "reserved": select(level.c.reserved).where(there).correlate_except(level),
        "incoming": select(left).where(e.sku == sku, e.warehouse == warehouse).correlate_except(expected),
        "waiting": select(q.waiting).where(q.sku == sku, warehouse == first).correlate_except(queues),
        "drafted": drafts_of.where(c.sku == sku).correlate_except(purchase_lines, purchase_orders),
    }
    return {name: func.coalesce(chosen.scalar_subquery(), 0) for name, chosen in selects.items()}


async def advice(
    connection: AsyncConnection,
    policy: domain.Policy,
    today: date,
    *,
    supplier: str | None,
    warehouse: str | None,
    all: bool,
    after: Sequence[Any] | None,
    limit: int,
) -> list[Found]:
    """Rules by SKU and warehouse with their inventory position, and what would be ordered: those that are below.

    position = on hand + incoming - reserved - waiting; `quantity` brings it, with what is in drafts, up to the level.
    `all`: every rule.
    """
    r = reorder_rules.c
    figures = [figure.label(name) for name, figure in _figures(r.sku, r.warehouse).items()]
    counted = select(*r, *figures).where(r.up_to > 0)
    for column, value in ((r.supplier, supplier), (r.warehouse, warehouse)):
        if value is not None:
            counted = counted.where(column == value)
    if after is not None:
        counted = counted.where(tuple_(r.sku, r.warehouse) > tuple_(*after[:2]))
    f = counted.subquery("counted").c
    position = f.on_hand + f.incoming - f.reserved - f.waiting
    statement = (
        select(
            *f,
            items.c.name,
            items.c.lead_days.label("item_lead"),
            suppliers.c.name.label("supplier_name"),
            suppliers.c.lead_days,
            suppliers.c.currency,
            position.label("position"),
            func.greatest(0, f.up_to - position - f.drafted).label("quantity"),
        )
        .join(items, items.c.sku == f.sku)
        .outerjoin(suppliers, suppliers.c.code == f.supplier)
        .order_by(f.sku, f.warehouse)
        .limit(limit)
    )
    if not all:
        statement = statement.where(position + f.drafted <= f.point)
    rows = await _all(connection, statement)
    demands = await demand(connection, {(row["sku"], row["warehouse"]) for row in rows}, today, policy)
    for row in rows:
        row |= proposed(demands.get((row["sku"], row["warehouse"])), row["lead_days"], row.pop("item_lead"), policy)
        row["order_by"] = order_by(row, today)
    return rows


def proposed(demand: domain.PastDemand | None, lead: int | None, item_lead: int, policy: domain.Policy) -> Found:
    """The proposal by the demand of the last weeks. Without a supplier the lead time of the item counts."""
    days = policy.demand_weeks * 7
    known = demand or domain.PastDemand(days, 0, 0)
    point, up_to = domain.propose(known, item_lead if lead is None else lead, policy)
    return {
        "demand": known.pieces,
        "demand_days": days,
        "proposed_point": point,
        "proposed_up_to": up_to,
    }


def order_by(row: Mapping[str, Any], today: date) -> date | None:
    """The day on which the position reaches the point, if the demand goes on; None without demand, or within a year."""
    over = row["position"] + row["drafted"] - row["point"]
    if over <= 0:
        return today
    if not row["demand"]:
        return None
    days = int(Decimal(over) * row["demand_days"] / row["demand"])
    return today + timedelta(days=days) if days <= 366 else None


async def rules_of(connection: AsyncConnection, sku: str, policy: domain.Policy, today: date) -> list[Found]:
    """One SKU in every warehouse, with its rule where there is one, its position and a proposal."""
    w, r = warehouses.c, reorder_rules.c
    figures = [figure.label(name) for name, figure in _figures(literal(sku), w.code).items()]
    counted = (
        select(
            w.code.label("warehouse"),
            w.name.label("warehouse_name"),
            w.rank,
            func.coalesce(r.point, 0).label("point"),
            func.coalesce(r.up_to, 0).label("up_to"),
            func.coalesce(r.supplier, "").label("supplier"),
            func.coalesce(r.version, 0).label("version"),
            suppliers.c.lead_days,
            items.c.lead_days.label("item_lead"),
            *figures,
        )
        .select_from(
            warehouses.join(items, items.c.sku == sku)
            .outerjoin(reorder_rules, and_(r.warehouse == w.code, r.sku == sku))
            .outerjoin(suppliers, suppliers.c.code == r.supplier)
        )
        .order_by(w.rank, w.code)
        .limit(200)
    )
    f = counted.subquery("counted").c
    position = (f.on_hand + f.incoming - f.reserved - f.waiting).label("position")
    statement = select(*(column for column in f if column.name != "rank"), position).order_by(f.rank, f.warehouse)
    rows = await _all(connection, statement)
    demands = await demand(connection, {(sku, row["warehouse"]) for row in rows}, today, policy)
    for row in rows:
        row |= proposed(demands.get((sku, row["warehouse"])), row.pop("lead_days"), row.pop("item_lead"), policy)
    return rows


async def demand(
    connection: AsyncConnection, places: set[Place], today: date, policy: domain.Policy
) -> dict[Place, domain.PastDemand]:
    """What left each of these places in the whole days of the last weeks."""
    if not places:
        return {}
    m, days = movements.c, policy.demand_weeks * 7
    since = datetime.fromisoformat(f"{today - timedelta(days=days)}T00:00:00+00:00")
    until = datetime.fromisoformat(f"{today}T00:00:00+00:00")
    on = cast(func.timezone("UTC", m.at), Date)
    daily = (
        select(m.sku, m.warehouse, func.sum(-m.on_hand).label("pieces"))
        .where(m.sku.in_({sku for sku, _ in places}), m.at >= since, m.at < until, m.kind == "issue")
        .group_by(m.sku, m.warehouse, on)
        .subquery()
    )
    d = daily.c
    statement = select(
        d.sku,
        d.warehouse,
        cast(func.sum(d.pieces), BigInteger).label("pieces"),
        cast(func.sum(d.pieces * d.pieces), BigInteger).label("squares"),
    ).group_by(d.sku, d.warehouse)
    return {
        (row["sku"], row["warehouse"]): domain.PastDemand(days, row["pieces"], row["squares"])
        for row in await _all(connection, statement)
    }


async def drafts(connection: AsyncConnection, places: Sequence[Place]) -> list[Found]:
    """Rule, lead time and last cost of each of these places that has a rule; the cost in the supplier's currency."""
    r, o, c = reorder_rules.c, purchase_orders.c, purchase_lines.c
    last = (
        select(c.unit_cost)
        .join(purchase_orders, o.purchase_id == c.purchase_id)
        .where(c.sku == r.sku, o.supplier == r.supplier, o.currency == suppliers.c.currency, c.quantity > 0)
        .order_by(o.created_at.desc())
        .limit(1)
        .correlate(reorder_rules, suppliers)
        .scalar_subquery()
    )
    statement = (
        select(r.sku, r.warehouse, r.supplier, suppliers.c.lead_days, func.coalesce(last, 0).label("unit_cost"))
        .join(suppliers, suppliers.c.code == r.supplier)
        .where(tuple_(r.sku, r.warehouse).in_(list(places)))
    )
    return await _all(connection, statement)
