"""Fault F26: somebody holds rows of a few orders for long. Those wait, all others go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import asyncpg
import pytest

from shared.messaging import desk as desks
from shared.messaging.desk import Desk
from shared.messaging.unit import Arrival
from tests.eventually import eventually
from tests.messaging.depot import Put, arrival, event
from tests.messaging.harness import OnPostgres

pytestmark = pytest.mark.postgres


@asynccontextmanager
async def held(shop: OnPostgres, sql: str) -> AsyncIterator[None]:
    """A transaction that somebody forgot at a terminal."""
    other = await asyncpg.connect(shop.store.dsn)
    try:
        await other.execute(f"begin; {sql}")
        yield
        await other.execute("rollback")
    finally:
        await other.close()


@asynccontextmanager
async def at_work(desk: Desk) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "BESIDE_S", (0.05, 0.2))


async def amounts(shop: OnPostgres) -> dict[str, int]:
    return {name: box.amount for name, box in (await shop.seen()).boxes.items()}


async def test_f26_only_who_wants_a_row_that_is_held_waits_for_it(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    await shop.put(Put(box="stuck", add=1))
    desk = Desk(shop.unit, lambda outcome: None)
    acked: list[str] = []
    asked = [("stuck", 10), ("a", 1), ("b", 2), ("stuck", 100), ("c", 3), ("d", 4)]
    async with at_work(desk):
        async with held(shop, "update boxes set amount = 7 where name = 'stuck'"):
            for box, add in asked:
                what = event(shop.clock, Put(box=box, add=add))
                desk.put(Arrival("packet", what.id, [what], done=lambda box=box: acked.append(box)))  # type: ignore[misc]
            await eventually(lambda: len(acked) == 4)
            assert sorted(acked) == ["a", "b", "c", "d"]
            assert (len(desk.beside), desk.idle(), desk.retries) == (2, False, 0)
            desk.put(arrival(shop.clock, Put(box="e", add=5)))

            async def there() -> bool:
                return (await amounts(shop)) == {"stuck": 1, "a": 1, "b": 2, "c": 3, "d": 4, "e": 5}

            await eventually(there)
        await eventually(desk.idle)
    assert (await amounts(shop))["stuck"] == 111
    assert sorted(acked) == ["a", "b", "c", "d", "stuck", "stuck"]
    assert desk.beside == {}
    assert not (await shop.seen()).parked


async def test_f26_a_request_for_a_row_that_is_held_is_told_to_ask_again_and_is_done_once(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = on_postgres
    await shop.put(Put(box="stuck", add=1))
    desk = Desk(shop.unit, lambda outcome: None)
    async with at_work(desk):
        async with held(shop, "select 1 from boxes where name = 'stuck' for update"):
            with monkeypatch.context() as patched:
                patched.setattr(desks, "ANSWERED_WITHIN_S", 0.2)
                late = await desk.ask(Put(box="stuck", add=10), id=UUID(int=5))
            assert (late.status, late.body["title"]) == (503, desks.LATE)
            assert (await desk.ask(Put(box="free", add=1), id=UUID(int=6))).status == 201
        await eventually(desk.idle)
        assert (await desk.ask(Put(box="stuck", add=10), id=UUID(int=5))).status == 201
    assert (await amounts(shop)) == {"stuck": 11, "free": 1}


async def test_f26_when_all_is_held_everything_waits_in_its_place(on_postgres: OnPostgres) -> None:
    """A migration that waits for a lock is no matter of some rows: all is tried again, nothing is lost."""
    shop = on_postgres
    desk = Desk(shop.unit, lambda outcome: None)
    many = 3 * desks.MOST_BESIDE
    async with at_work(desk):
        async with held(shop, "lock table boxes in exclusive mode"):
            for i in range(many):
                desk.put(arrival(shop.clock, Put(box=f"b{i}", add=1)))
            await eventually(lambda: desk.retries > 1, 60)
            assert len(desk.beside) <= desks.MOST_BESIDE
        await eventually(desk.idle, 30)
    assert (await amounts(shop)) == {f"b{i}": 1 for i in range(many)}
