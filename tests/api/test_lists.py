"""Lists of the APIs that grow with every order are read from an index, from where they were left."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from services import billing, fulfilment, inventory, order
from services.billing import queries as of_billing
from services.billing import tables as billing_tables
from services.fulfilment import queries as of_fulfilment
from services.fulfilment import tables as fulfilment_tables
from services.inventory import queries as of_inventory
from services.inventory import tables as inventory_tables
from services.inventory.domain import House
from services.inventory.queries import transfers as of_transfers
from services.inventory.queries import value as of_value
from services.order import queries as of_order
from services.order import tables as order_tables
from shared.database import reading_engine
from tests.conftest import Databases

TABLES = {order: order_tables, inventory: inventory_tables, fulfilment: fulfilment_tables, billing: billing_tables}
AT, ID = datetime(2026, 3, 2, tzinfo=UTC), UUID(int=1)
HOUSE = House(Decimal("0.01"), UTC)
EVERY_MOVEMENT: dict[str, Any] = {"sku": None, "warehouse": None, "kind": None, "limit": 50}
EVERY_PRODUCT: dict[str, Any] = {"skus": (), "search": None, "brand": None, "category": None, "limit": 50}
LISTS: dict[str, tuple[ModuleType, Callable[[AsyncConnection], Awaitable[Any]]]] = {
    "orders": (order, lambda conn: of_order.orders(conn, after=(AT, ID))),
    "products": (order, lambda conn: of_order.products(conn, after="mug", **EVERY_PRODUCT)),
    "products by name": (order, lambda conn: of_order.products(conn, after="m", **EVERY_PRODUCT | {"search": "mug"})),
    "products of a file": (order, lambda conn: of_order.products_named(conn, ["mug", "cup"])),
    "history of a product": (order, lambda conn: of_order.product_history(conn, "mug", after=(7,), limit=50)),
    "changes of products": (
        order,
        lambda conn: of_order.product_changes(conn, actors=(), since=None, until=None, after=(AT, ID), limit=50),
    ),
    "shipments": (fulfilment, lambda conn: of_fulfilment.list_shipments(conn, 50, (AT, ID))),
    "returns": (fulfilment, lambda conn: of_fulfilment.list_returns(conn, 50, (AT, ID))),
    "movements": (inventory, lambda conn: of_inventory.list_movements(conn, after=None, **EVERY_MOVEMENT)),
    "last movements": (
        inventory,
        lambda conn: of_inventory.list_movements(conn, newest=True, after=(AT, ID, "", "", 1, ""), **EVERY_MOVEMENT),
    ),
    "transfers": (
        inventory,
        lambda conn: of_transfers.list_transfers(
            conn, states=(), source=None, destination=None, sku=None, after=(AT, ID), limit=50
        ),
    ),
    "what happened to a transfer": (
        inventory,
        lambda conn: of_transfers.history(conn, ID, after=(7,), limit=50),
    ),
    "stock's value": (
        inventory,
        lambda conn: of_value.list_values(conn, AT.date(), sku=None, warehouse=None, after=("mug",), limit=50),
    ),
    "cost of sales": (
        inventory,
        lambda conn: of_value.list_flows(conn, AT.date(), AT.date(), sku=None, after=("mug",), limit=50),
    ),
    "dead stock": (
        inventory,
        lambda conn: of_value.dead_stock(
            conn, HOUSE, AT.date(), days=90, cover=180, warehouse=None, after=(Decimal(9), "mug"), limit=50
        ),
    ),
    "arrivals": (
        inventory,
        lambda conn: of_value.list_arrivals(conn, sku=None, without_cost=False, after=("mug", 1), limit=50),
    ),
    "arrivals without a cost": (
        inventory,
        lambda conn: of_value.list_arrivals(conn, sku=None, without_cost=True, after=("mug", 1), limit=50),
    ),
    "changes of costs": (inventory, lambda conn: of_value.list_changes(conn, sku=None, after=(AT, ID), limit=50)),
    "invoices": (billing, lambda conn: of_billing.invoices(conn, 50, (2026, 7))),
    "last invoices": (billing, lambda conn: of_billing.invoices(conn, 50, (2026, 7), newest=True)),
    "credit notes": (billing, lambda conn: of_billing.credit_notes(conn, 50, None)),
    "payments": (billing, lambda conn: of_billing.operations(conn, 50, (ID, 1))),
    "journal": (billing, lambda conn: of_billing.postings(conn, 50, (AT, "x", 1))),
    "last of the journal": (billing, lambda conn: of_billing.postings(conn, 50, None, newest=True)),
    "open items": (billing, lambda conn: of_billing.open_items(conn, 50, (ID,))),
    "refunds": (billing, lambda conn: of_billing.refunds(conn, 50, (AT, ID))),
    "write-offs": (billing, lambda conn: of_billing.write_offs(conn, 50, (AT, ID))),
    "credit of a customer": (billing, lambda conn: of_billing.debtors(conn, "C1")),
}


async def plans(
    databases: Databases,
    service: ModuleType,
    ask: Callable[[AsyncConnection], Awaitable[Any]],
    *,
    bitmaps: bool = True,
) -> str:
    """How PostgreSQL would run each select of a query that had many rows before it."""
    engine = reading_engine(await databases.emptied(TABLES[service].metadata))
    asked: list[str] = []
    literal = {"dialect": postgresql.dialect(), "compile_kwargs": {"literal_binds": True}}  # type: ignore[no-untyped-call]

    def note(conn: Any, element: Any, *_: Any) -> None:
        asked.append(str(element.compile(**literal)))

    try:
        async with engine.connect() as conn:
            event.listen(engine.sync_engine, "before_execute", note)
            await ask(conn)
            event.remove(engine.sync_engine, "before_execute", note)
            await conn.execute(text("set enable_seqscan = off"))  # for few rows no index is of use
            await conn.execute(text(f"set enable_bitmapscan = {bitmaps}"))
            return "\n".join([row[0] for select in asked for row in await conn.exec_driver_sql(f"explain {select}")])
    finally:
        await engine.dispose()


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_is_read_in_the_order_of_an_index(databases: Databases, name: str) -> None:
    plan = await plans(databases, *LISTS[name], bitmaps=False)
    assert "Seq Scan" not in plan, plan
    if name == "open items":  # by the key of accounts all of them would be looked at
        assert "ix_accounts_open" in plan, plan
    assert not re.search(r"(?<!Incremental )Sort  \(", plan), plan


async def test_orders_are_found_by_the_beginning_of_a_number_without_reading_all(databases: Databases) -> None:
    plan = await plans(databases, order, lambda conn: of_order.orders(conn, number="C-10_%"))
    assert "ix_orders_number_begins" in plan, plan
    assert "ix_orders_external_id_begins" in plan, plan
