"""When a desk waits for more before its next unit, and when it never does."""

import asyncio
from math import e

import pytest

from shared.messaging.desk import ENOUGH, LATELY_S, LINGER_S, Desk
from shared.messaging.unit import Outcome
from tests.eventually import eventually
from tests.messaging.depot import Put, arrival, unit_on
from tests.messaging.harness import OnPostgres


def desk_on(shop: OnPostgres, *, busy: float = 1.0, waiting: int = 1, linger_s: float = LINGER_S) -> Desk:
    """A desk that was busy lately for such a share of the time, and so many events that wait."""
    desk = Desk(unit_on(shop.store, shop.clock), lambda outcome: None, linger_s=linger_s)
    desk.busy = busy
    for _ in range(waiting):
        desk.put(arrival(shop.clock, Put(box="a")))
    return desk


def test_a_busy_desk_pauses_twice_as_long_as_its_unit_took_and_at_most_so_long(on_postgres: OnPostgres) -> None:
    desk = desk_on(on_postgres)
    assert desk.pause_s(0.003) == 0.006
    assert desk.pause_s(3.0) == LINGER_S


@pytest.mark.parametrize(
    ("busy", "waiting", "linger_s"),
    [(0.29, 1, LINGER_S), (1.0, 0, LINGER_S), (1.0, ENOUGH, LINGER_S), (1.0, 1, 0.0)],
    ids=["little to do", "nothing waits", "enough waits", "not wanted"],
)
def test_otherwise_it_goes_on_at_once(on_postgres: OnPostgres, busy: float, waiting: int, linger_s: float) -> None:
    assert desk_on(on_postgres, busy=busy, waiting=waiting, linger_s=linger_s).pause_s(0.003) == 0.0


def test_events_count_and_not_packets(on_postgres: OnPostgres) -> None:
    desk = desk_on(on_postgres, waiting=0)
    desk.put(arrival(on_postgres.clock, *(Put(box="a") for _ in range(ENOUGH))))
    assert desk.pause_s(0.003) == 0.0


def test_the_share_of_busy_time_forgets(on_postgres: OnPostgres) -> None:
    desk = desk_on(on_postgres, busy=0.0)
    assert desk.lately(10.0, 10.0 + LATELY_S, busy=True) == 10.0 + LATELY_S
    assert desk.busy == pytest.approx(1 - 1 / e)
    desk.lately(20.0, 20.0 + 10 * LATELY_S, busy=False)
    assert desk.busy == pytest.approx(0, abs=1e-4)


async def test_what_comes_in_a_pause_is_decided_with_what_waited(on_postgres: OnPostgres) -> None:
    """Three events wait at a desk that takes two at a time; a fourth comes when the first two are committed."""
    shop, units = on_postgres, list[int]()

    def committed(outcome: Outcome) -> None:
        units.append(len(outcome.arrivals))
        if len(units) == 1:
            asyncio.get_running_loop().call_soon(desk.put, arrival(shop.clock, Put(box="a", add=1)))

    desk = Desk(shop.unit, committed, max_batch=2)
    desk.busy = 1.0
    for _ in range(3):
        desk.put(arrival(shop.clock, Put(box="a", add=1)))
    task = asyncio.create_task(desk.run())
    await eventually(lambda: sum(units) == 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert units == [2, 2]
    assert (await shop.seen()).boxes["a"].amount == 4
