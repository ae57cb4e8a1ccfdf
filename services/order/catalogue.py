"""Products, customers and channels as the order service knows them."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeVar

from services.order.domain import Ctx
from services.order.kits import misfits
from services.order.rows import (
    Channel,
    Customer,
    FieldChange,
    KitVersion,
    Part,
    Product,
    ProductChange,
    ProductVersion,
    Told,
)
from shared.contracts.order import (
    KitChanged,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
)
from shared.etag import check_match, etag_of, matches
from shared.messaging.decision import Effect, Needs, Refused, Reply, Row, Rows

MOST_STALE = 100
"""Products that a refusal names; the first ones say enough."""
R = TypeVar("R", bound=Row)


def to_register_products(m: RegisterProducts) -> Needs:
    for product in m.products:
        yield KitVersion, product.sku
        yield ProductVersion, product.sku
        for sku in (product.sku, *(component.sku for component in product.components)):
            yield Product, sku
            yield Part, sku


def to_leave_kits(m: RegisterProducts, rows: Rows) -> Needs:
    """What the products that are kits consisted of until now."""
    for product in m.products:
        known = rows.find(Product, product.sku)
        yield from ((Part, component.sku) for component in (known.components if known else ()))


def register_products(m: RegisterProducts, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    wanted = [Product(**product.__dict__) for product in m.products]
    stale = [
        (f"products.{i}.expected", f"product {row.sku} was changed meanwhile: look at it again, then decide.")
        for i, (row, expected) in enumerate(zip(wanted, m.expected, strict=False))
        if not matches(rows.find(Product, row.sku), row, expected)
    ]
    if stale:
        field, reason = stale[0]
        raise Refused(reason, field=field, status=412, also=stale[1:MOST_STALE])
    wrong = misfits(
        wanted,
        lambda sku: rows.find(Product, sku),
        lambda sku: [part.kit for part in rows.group(Part, sku) if part.pieces],
    )
    at = [(f"products.{i}.{field}" if len(wanted) > 1 else field, reason) for i, field, reason in wrong]
    if at:
        field, reason = at[0]
        raise Refused(reason, field=field, also=at[1:MOST_STALE])
    for row in wanted:
        known = rows.find(Product, row.sku)
        pieces = {component.sku: 0 for component in (known.components if known else ())}
        pieces |= {component.sku: component.pieces for component in row.components}
        yield from (Part(sku, row.sku, count) for sku, count in pieces.items())
        if row.components != (known.components if known else ()):
            told = rows.find(KitVersion, row.sku)
            version = KitVersion(row.sku, told.version + 1 if told else 1)
            yield version
            yield KitChanged(sku=row.sku, version=version.version, components=row.components)
    yield from _noted(wanted, m, rows, ctx)
    yield from _registered(wanted, Product, m.if_match, rows)


def _noted(wanted: Sequence[Product], m: RegisterProducts, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """An entry in the history of each product that becomes another one; of one that is named twice the last counts."""
    for sku, row in {row.sku: row for row in wanted}.items():
        if changes := differences(rows.find(Product, sku), row):
            last = rows.find(ProductVersion, sku)
            version = ProductVersion(sku, last.version + 1 if last else 1)
            yield version
            yield ProductChange(sku, version.version, ctx.now, ctx.cause, ctx.actor, m.way, changes)


def differences(before: Product | None, after: Product) -> tuple[FieldChange, ...]:
    """What a change makes of a product, field by field; of a new one all that it says."""
    return tuple(
        FieldChange(name, None if before is None else _told(was), _told(now))
        for name in (field.name for field in fields(Product) if field.name != "sku")
        for was, now in [(getattr(before, name, None), getattr(after, name))]
        if was != now and not (before is None and now in ("", ()))
    )


def _told(value: Any) -> Told:
    return f"{value:f}" if isinstance(value, Decimal) else value


def to_register_customers(m: RegisterCustomers) -> Needs:
    return [(Customer, customer.customer_id) for customer in m.customers]


def register_customers(m: RegisterCustomers, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    yield from _registered([Customer(**customer.__dict__) for customer in m.customers], Customer, m.if_match, rows)


def to_register_channel(m: RegisterChannel) -> Needs:
    return [(Channel, m.channel.code)]


def register_channel(m: RegisterChannel, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    yield from _registered([Channel(m.channel.code, m.channel.name)], Channel, m.if_match, rows)


def _registered(wanted: Sequence[R], kind: type[R], if_match: str, rows: Rows) -> Iterator[Effect]:
    """Master data as it should be from now on. Of a single thing the answer has its new entity tag."""
    for row in wanted:
        key = getattr(row, kind.GROUP)
        check_match(rows.find(kind, key), row, if_match, f"{kind.__name__.lower()} {key}")
    yield from wanted
    yield Reply({"registered": len(wanted)} | ({"etag": etag_of(wanted)} if len(wanted) == 1 else {}))
