"""Figures of reports: sums over the read tables within a period, by when orders were placed.

An order that was given up as a whole is not counted; amounts are without VAT, as ordered. Every query walks the orders
of its period by their index, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice.words import N_

Item = dict[str, Any]
AT_MOST = 500
"""Rows of a ranking."""


@dataclass(frozen=True, slots=True)
class Period:
    """From one moment to before another, in the days of the shop; sums are of one currency."""

    start: datetime
    end: datetime
    zone: str
    currency: str


PLACED = (
    "from orders o where o.seen > 0 and o.placed_at >= :start and o.placed_at < :end and o.currency = :currency "
    "and o.status <> 'cancelled'"
)
HERE = "(o.placed_at at time zone :zone)"
SUMS = "count(*) as orders, coalesce(sum(o.ordered), 0)::bigint as pieces, coalesce(sum(o.net), 0) as net"
STEPS: dict[str, str] = {"day": "YYYY-MM-DD", "week": 'IYYY-"W"IW', "month": "YYYY-MM"}


async def _all(conn: AsyncConnection, sql: str, period: Period, **more: Any) -> list[Item]:
    known = {"start": period.start, "end": period.end, "zone": period.zone, "currency": period.currency, **more}
    asked = {name: value for name, value in known.items() if f":{name}" in sql}
    return [dict(row) for row in (await conn.execute(text(sql), asked)).mappings()]


async def currencies(conn: AsyncConnection, start: datetime, end: datetime) -> list[str]:
    """The currencies of a period, the most used first."""
    sql = (
        "select currency from orders where seen > 0 and placed_at >= :start and placed_at < :end "
        "group by 1 order by count(*) desc, 1"
    )
    return [row[0] for row in await conn.execute(text(sql), {"start": start, "end": end})]


async def _grouped(conn: AsyncConnection, key: str, order: str, period: Period) -> list[Item]:
    return await _all(conn, f"select {key} as key, {SUMS} {PLACED} group by 1 order by {order} limit {AT_MOST}", period)


async def over_time(conn: AsyncConnection, period: Period, step: str) -> list[Item]:
    """Per day, week or month."""
    return await _grouped(conn, f"to_char({HERE}, '{STEPS[step]}')", "1", period)


async def weekdays(conn: AsyncConnection, period: Period) -> list[Item]:
    """Monday is 0."""
    return await _grouped(conn, f"extract(isodow from {HERE})::int - 1", "1", period)


async def hours(conn: AsyncConnection, period: Period) -> list[Item]:
    return await _grouped(conn, f"extract(hour from {HERE})::int", "1", period)


async def countries(conn: AsyncConnection, period: Period) -> list[Item]:
    return await _grouped(conn, "o.country", "net desc, 1", period)


async def channels(conn: AsyncConnection, period: Period) -> list[Item]:
    return await _grouped(conn, "o.channel", "net desc, 1", period)


async def customers(conn: AsyncConnection, period: Period) -> list[Item]:
    """Those with a number; `name` is that of their last order."""
    sql = (
        f"select o.customer_id as key, (array_agg(o.name order by o.placed_at desc))[1] as name, {SUMS} {PLACED} "
        f"and o.customer_id <> '' group by 1 order by net desc, 1 limit {AT_MOST}"
    )
    return await _all(conn, sql, period)


async def products(conn: AsyncConnection, period: Period, by: str = "net") -> list[Item]:
    """What was sold most, by amount or by pieces."""
    order = "pieces" if by == "pieces" else "net"
    sql = (
        "select s.sku as key, max(s.text) as name, count(distinct s.order_id) as orders, "
        "sum(s.quantity)::bigint as pieces, sum(s.net) as net from orders o join sold s on s.order_id = o.order_id "
        f"{PLACED.removeprefix('from orders o ')} group by 1 order by {order} desc, 1 limit {AT_MOST}"
    )
    return await _all(conn, sql, period)


async def skus(conn: AsyncConnection, period: Period) -> list[str]:
    """Every SKU that was sold."""
    where = PLACED.removeprefix("from orders o ")
    sql = f"select distinct s.sku as sku from orders o join sold s on s.order_id = o.order_id {where}"
    return [of["sku"] for of in await _all(conn, sql, period)]


async def grouped(conn: AsyncConnection, period: Period, groups: Mapping[str, str], by: str = "net") -> list[Item]:
    """What was sold most per group of its SKU, by amount or by pieces; an order counts once per group.

    The key of what no group has is empty.
    """
    order = "pieces" if by == "pieces" else "net"
    sql = (
        "select coalesce(g.key, '') as key, count(distinct s.order_id) as orders, sum(s.quantity)::bigint as pieces, "
        "sum(s.net) as net from orders o join sold s on s.order_id = o.order_id "
        "left join unnest(cast(:skus as text[]), cast(:keys as text[])) g (sku, key) on g.sku = s.sku "
        f"{PLACED.removeprefix('from orders o ')} group by 1 order by {order} desc, 1 limit {AT_MOST}"
    )
    return await _all(conn, sql, period, skus=list(groups), keys=list(groups.values()))


async def pace(conn: AsyncConnection, period: Period) -> list[Item]:
    """Products by pieces sold, in whatever currency: in the whole period, and in its second half."""
    sql = (
        "select s.sku as key, max(s.text) as name, sum(s.quantity)::bigint as pieces, coalesce(sum(s.quantity) "
        "filter (where o.placed_at >= :middle), 0)::bigint as lately from orders o join sold s on "
        "s.order_id = o.order_id where o.seen > 0 and o.placed_at >= :start and o.placed_at < :end "
        f"and o.status <> 'cancelled' group by 1 order by pieces desc, 1 limit {AT_MOST}"
    )
    return await _all(conn, sql, period, middle=period.start + (period.end - period.start) / 2)


async def whole(conn: AsyncConnection, period: Period) -> Item:
    """The period as one."""
    sql = (
        f"select {SUMS}, count(distinct nullif(o.customer_id, '')) as customers, "
        f"coalesce(sum(o.net) filter (where o.customer_id <> ''), 0) as named {PLACED}"
    )
    return (await _all(conn, sql, period))[0]


LEAD = (
    (N_("placed"), N_("reserved"), "order_placed", "stock_reserved"),
    (N_("reserved"), N_("paid"), "stock_reserved", "payment_authorised"),
    (N_("planned"), N_("picked"), "shipment_planned", "shipment_picked"),
    (N_("picked"), N_("packed"), "shipment_picked", "shipment_packed"),
    (N_("packed"), N_("handed over"), "shipment_packed", "shipment_dispatched"),
    (N_("handed over"), N_("delivered"), "shipment_dispatched", "shipment_delivered"),
    (N_("placed"), N_("delivered"), "order_placed", "shipment_delivered"),
)
"""Steps, each from the first event of one kind to the first of another."""


async def lead_times(conn: AsyncConnection, period: Period) -> list[Item]:
    """Per step how many orders took it, the median and the slowest tenth, in seconds."""
    names = sorted({event for *_, first, last in LEAD for event in (first, last)})
    firsts = ", ".join(f"min(e.at) filter (where split_part(e.key, '.', 2) = '{name}') as {name}" for name in names)
    steps = " union all ".join(
        f"select {i} as step, extract(epoch from greatest({last} - {first}, interval '0')) as took from t "
        f"where {first} is not null and {last} is not null"
        for i, (_, _, first, last) in enumerate(LEAD)
    )
    sql = (
        f"with t as (select e.order_id, {firsts} from orders o join entries e on e.order_id = o.order_id "
        f"{PLACED.removeprefix('from orders o ')} group by 1), steps as ({steps}) "
        "select step, count(*) as orders, percentile_cont(0.5) within group (order by took)::numeric as median, "
        "percentile_cont(0.9) within group (order by took)::numeric as slow from steps group by 1 order by 1"
    )
    return await _all(conn, sql, period)


async def returned(conn: AsyncConnection, period: Period, step: str) -> list[Item]:
    """Per day, week or month of placing: pieces that went out, and pieces of them that came back."""
    sql = (
        f"select to_char({HERE}, '{STEPS[step]}') as key, sum(o.shipped)::bigint as shipped, "
        f"sum(o.returned)::bigint as returned, count(*) filter (where o.shipped > 0) as orders, "
        f"count(*) filter (where o.returned > 0) as with_return {PLACED} group by 1 order by 1"
    )
    return await _all(conn, sql, period)


async def reasons(conn: AsyncConnection, period: Period) -> list[Item]:
    """Why pieces came back, in the words of those who announced it."""
    sql = (
        "select r.reason as key, count(*) as returns, sum(r.expected)::bigint as pieces "
        "from orders o join returns r on r.order_id = o.order_id "
        f"{PLACED.removeprefix('from orders o ')} group by 1 order by returns desc, 1 limit {AT_MOST}"
    )
    return await _all(conn, sql, period)


FAULTS = ("incomplete", "short", "returned", "late", "refused")


async def perfect(conn: AsyncConnection, period: Period) -> Item:
    """Of the orders at their end, how many had no fault, and how many had each fault.

    Incomplete: pieces were given up. Short: a picker did not find pieces. Returned: pieces came back. Late: handed over
    after the day that was promised to the customer. Refused: a parcel came back.
    """
    sql = (
        "select count(*) as ended, count(*) filter (where not (incomplete or short or returned or late or refused)) "
        f"as perfect, {', '.join(f'count(*) filter (where {name}) as {name}' for name in FAULTS)} from ("
        "select o.cancelled > 0 as incomplete, coalesce(s.short, false) as short, o.returned > 0 as returned, "
        "coalesce(s.last::date > o.accepted_on, false) as late, coalesce(s.refused, false) as refused "
        "from orders o left join lateral (select bool_or(p.short > 0) as short, bool_or(p.state = 'refused') as "
        "refused, max(p.dispatched_at at time zone :zone) as last from shipments p where p.order_id = o.order_id) s "
        "on true where o.final and o.seen > 0 and o.placed_at >= :start and o.placed_at < :end "
        "and o.currency = :currency) each"
    )
    return (await _all(conn, sql, period))[0]


ERRORS = ("item", "bin", "address", "refused", "late")
_SAYS = "bool_or(lower(split_part(r.reason, ':', 1)) = '{}')"
_ERRING = (
    "from (select o.number, o.name, o.placed_at, o.accepted_on, s.last, coalesce(r.item, false) as item, "
    "coalesce(s.short and exists(select 1 from entries e, jsonb_array_elements_text(e.facts -> 'short_why') y "
    "where e.order_id = o.order_id and y like 'wrong product in the bin%'), false) as bin, "
    "coalesce(s.address, false) or coalesce(r.address, false) as address, coalesce(s.refused, false) as refused, "
    "coalesce(s.last > o.accepted_on, false) as late from orders o left join lateral ("
    "select bool_or(p.short > 0) as short, bool_or(p.state = 'rejected' and p.reason = 'address') as address, "
    "bool_or(p.state = 'refused') as refused, max(p.dispatched_at at time zone :zone)::date as last "
    "from shipments p where p.order_id = o.order_id) s on true left join lateral ("
    f"select {_SAYS.format('wrong item')} as item, {_SAYS.format('wrong address')} as address "
    "from returns r where r.order_id = o.order_id) r on true "
    "where o.seen > 0 and o.placed_at >= :start and o.placed_at < :end and o.status <> 'cancelled') each"
)
_WRONG = " or ".join(ERRORS)


async def errors(conn: AsyncConnection, period: Period) -> Item:
    """Of the orders, in whatever currency, how many had any error, and how many had each.

    Item: goods came back because another product was sent. Bin: a picker found another product in the bin. Address: the
    warehouse could not ship to it, or goods came back because of it. Refused: a parcel came back. Late: handed over
    after the day that was promised to the customer.
    """
    each = ", ".join(f"count(*) filter (where {name}) as {name}" for name in ERRORS)
    sql = f"select count(*) as orders, count(*) filter (where {_WRONG}) as wrong, {each} {_ERRING}"
    return (await _all(conn, sql, period))[0]


async def with_errors(conn: AsyncConnection, period: Period) -> list[Item]:
    """These orders, the newest first."""
    sql = f"select each.* {_ERRING} where {_WRONG} order by placed_at desc, number limit {AT_MOST}"
    return await _all(conn, sql, period)


_WAITED = (
    "from backorders b join orders o on o.order_id = b.order_id "
    "join sold s on s.order_id = b.order_id and s.line_no = b.line_no "
    "where b.since >= :start and b.since < :end and o.seen > 0"
)
_BACKORDERS = (
    "count(distinct b.order_id) as orders, coalesce(sum(b.pieces), 0)::bigint as pieces, "
    "coalesce(sum(b.waiting), 0)::bigint as waiting, coalesce(sum(b.lost), 0)::bigint as lost"
)
_OVER = "filter (where b.waiting = 0 and b.promised > 0)"


async def backorders(conn: AsyncConnection, period: Period) -> list[Item]:
    """Products of which something began to wait for stock in the period, in whatever currency, the most orders first.

    `median` and `longest`: seconds that order lines waited until all of them was promised, those left out of which
    nothing ever was. `worth`: without VAT, of what was given up while it waited, of orders in the currency.
    """
    sql = (
        f"select s.sku as key, max(s.text) as name, {_BACKORDERS}, "
        f"(percentile_cont(0.5) within group (order by b.waited_s) {_OVER})::numeric as median, "
        f"(max(b.waited_s) {_OVER})::numeric as longest, coalesce(sum(b.lost * s.net / nullif(s.quantity, 0)) "
        f"filter (where o.currency = :currency), 0) as worth {_WAITED} "
        f"group by 1 order by orders desc, pieces desc, 1 limit {AT_MOST}"
    )
    return await _all(conn, sql, period)


async def backordered(conn: AsyncConnection, period: Period) -> Item:
    """The same of all products as one."""
    return (await _all(conn, f"select {_BACKORDERS} {_WAITED}", period))[0]


# Customers


async def customer_list(conn: AsyncConnection, after: str, limit: int) -> list[Item]:
    """Customers by their number, from behind one; walks the index of customers and orders only as far as is shown."""
    sql = (
        "select c.customer_id, c.orders, c.first_at, c.last_at, o.name, o.email, o.city, o.country from ("
        "select customer_id, count(*) as orders, min(placed_at) as first_at, max(placed_at) as last_at from orders "
        "where customer_id > :after and seen > 0 group by 1 order by 1 limit :limit) c "
        f"{_LAST} order by c.customer_id"
    )
    return [dict(row) for row in (await conn.execute(text(sql), {"after": after, "limit": limit})).mappings()]


_LAST = (
    "join lateral (select name, email, city, country from orders o where o.customer_id = c.customer_id and o.seen > 0 "
    "order by o.placed_at desc limit 1) o on true"
)


async def customers_named(conn: AsyncConnection, names: list[str]) -> list[Item]:
    """These customers, by their number."""
    sql = (
        "select c.customer_id, c.orders, c.first_at, c.last_at, o.name, o.email, o.city, o.country from ("
        "select customer_id, count(*) as orders, min(placed_at) as first_at, max(placed_at) as last_at from orders "
        f"where customer_id = any(:names) and seen > 0 group by 1 order by 1) c {_LAST} order by c.customer_id"
    )
    return [dict(row) for row in (await conn.execute(text(sql), {"names": names})).mappings()]


async def customer_sums(conn: AsyncConnection, customer_id: str) -> list[Item]:
    """All orders of one customer, per currency."""
    sql = (
        "select o.currency, count(*) as orders, count(*) filter (where o.status = 'cancelled') as cancelled, "
        "count(*) filter (where not o.final) as open, "
        "coalesce(sum(o.net) filter (where o.status <> 'cancelled'), 0) as net, "
        "sum(o.shipped)::bigint as shipped, sum(o.returned)::bigint as returned, coalesce(sum(m.owed), 0) as owed, "
        "min(o.placed_at) as first_at, max(o.placed_at) as last_at from orders o "
        "left join money m on m.order_id = o.order_id where o.customer_id = :customer and o.seen > 0 group by 1 "
        "order by orders desc, 1"
    )
    return [dict(row) for row in (await conn.execute(text(sql), {"customer": customer_id})).mappings()]


async def same_email(conn: AsyncConnection, email: str, customer_id: str) -> int:
    """Orders under the same e-mail that do not carry the customer's number."""
    sql = "select count(*) from orders where lower(email) = lower(:email) and customer_id <> :customer and seen > 0"
    found = await conn.scalar(text(sql), {"email": email, "customer": customer_id}) if email else 0
    return int(found or 0)
