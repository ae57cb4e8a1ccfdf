"""Products, customers and channels as the order service knows them."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from services.order.domain import Ctx
from services.order.rows import (
    Channel,
    Customer,
    Product,
)
from shared.contracts.order import (
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
    return [(Product, product.sku) for product in m.products]


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
    yield from _registered(wanted, Product, m.if_match, rows)


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
