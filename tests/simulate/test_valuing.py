"""The valuer in the model world: its memory does as PostgreSQL does, and a history with it is what it is without."""

from dataclasses import asdict, astuple, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from comptoir.simulate import plan as plans
from comptoir.simulate.plan import Case, plan_of
from comptoir.simulate.reach import Reached
from comptoir.simulate.run import history
from comptoir.simulate.snapshots import INVENTORY
from comptoir.simulate.valuing import AFTER, CURRENCY, HOUSE, Copy, Tables
from comptoir.simulate.world import World
from services.inventory import tables
from services.inventory.domain import rows as inventory
from services.inventory.store import BOOKS
from services.inventory.valuer import Valuer
from shared.database import normalised
from shared.messaging.memory import Books
from shared.messaging.store import PostgresStore

SEED = 6
KINDS: tuple[tuple[Any, Any], ...] = (
    (inventory.Supplier, tables.suppliers),
    (inventory.PurchaseOrder, tables.purchase_orders),
    (inventory.Movement, tables.movements),
    (inventory.CostChange, tables.cost_changes),
)


@pytest.mark.postgres
async def test_the_memory_values_as_postgresql_does(database: str) -> None:
    """All that moved in one history, returns and late costs included, folded anew on both, some moments at a time."""
    world = World(Case(SEED), Reached())
    world.live()
    rows = world.nodes[INVENTORY].books.rows
    kinds = {of.kind for of in rows[inventory.Valuation].values()}  # type: ignore[attr-defined]
    assert {"issue", "restock", "cost_change"} <= kinds, "another seed is needed"
    now = world.nodes[INVENTORY].clock()

    def clock() -> datetime:
        return now

    moments = sorted({of.at for kind in KINDS[2:] for of in rows[kind[0]].values()})
    memory = Copy(Tables(Books({kind: rows.get(kind, {}) for kind, _ in KINDS})), clock, 3)
    engine = create_async_engine(normalised(database))
    async with engine.begin() as connection:
        await connection.run_sync(tables.metadata.create_all)
        for kind, table in KINDS:
            if found := [asdict(of) for of in rows.get(kind, {}).values()]:
                await connection.execute(insert(table), found)
    await engine.dispose()
    store = PostgresStore(database, BOOKS)
    await store.open()
    try:
        stored = Valuer(store, HOUSE, CURRENCY, AFTER, clock)
        stored.at_once = 3
        for moment in moments:
            now = moment + AFTER + timedelta(microseconds=1)
            for one in (memory, stored):
                while await one.step():
                    pass
        assert memory.done == stored.done == len(rows[inventory.Movement]) + len(rows[inventory.CostChange])
        async with store.connection() as connection:
            values = await connection.fetch("select * from valuations")
            costings = await connection.fetch("select sku, seq, pieces, value, unit_cost, at, day from costings")
            days = await connection.fetch("select * from costing_days")
            until = await connection.fetchrow("select until, looked_back_at from valued")
    finally:
        await store.close()
    kept = memory.tables
    assert _sorted(dict(of) for of in values) == _sorted(asdict(of) for of in kept.values.values())
    assert sorted(tuple(of) for of in costings) == sorted(astuple(of)[:7] for of in kept.costings.values())
    flows = (
        "sku",
        "day",
        "pieces",
        "value",
        "received",
        "sold_value",
        "returned_value",
        "changed_value",
        "differences",
    )
    assert sorted(tuple(of[name] for name in flows) for of in days) == sorted(
        tuple(getattr(of, name) for name in flows) for of_sku in kept.days.values() for of in of_sku.values()
    )
    assert tuple(until) == (kept.until, kept.looked_back_at)


def _sorted(found: Any) -> list[dict[str, Any]]:
    return sorted(found, key=lambda of: (of["sku"], of["seq"]))


def test_a_history_is_what_it_is_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws from its own dice, so that seeds that are known stay what they are."""
    seed = next(seed for seed in range(100) if (plan := plan_of(seed)).valuing and plan.rates and plan.errands)
    world = World(Case(seed), Reached())
    world.live()
    plan = plan_of(seed)
    rates = {kind: rate for kind, rate in plan.rates.items() if kind in plans.HITS}
    for module in ("machine", "world"):
        monkeypatch.setattr(
            f"comptoir.simulate.{module}.plan_of", lambda seed: replace(plan, valuing=None, rates=rates)
        )
    without = history(Case(seed))
    assert world.rounds is not None
    assert world.rounds.done > 20
    assert world.trace ^ world.rounds.trace == without.trace
    assert [hit for hit in world.tape.struck if hit[0] in plans.HITS] == list(without.struck)
    assert not without.breach
