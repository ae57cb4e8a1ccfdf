"""When a desk waits for more before its next unit, and when it never does."""

import asyncio
import json
from math import e

import pytest
from structlog.testing import capture_logs

from shared.http import Asker
from shared.messaging.desk import ENOUGH, LATELY_S, LINGER_S, Desk
from shared.messaging.unit import Outcome
from tests.eventually import eventually
from tests.messaging.depot import Put, arrival
from tests.messaging.harness import InMemory, OnPostgres


def at_work(*packets: int, busy: float = 1.0, linger_s: float = LINGER_S) -> Desk:
    """A desk that was busy lately for such a share of the time; packets of so many events wait. It does not run."""
    shop = InMemory()
    desk = Desk(shop.unit, lambda outcome: None, linger_s=linger_s)
    desk.busy = busy
    for events in packets:
        desk.put(arrival(shop.clock, *(Put(box="a") for _ in range(events))))
    return desk


def test_a_busy_desk_pauses_twice_as_long_as_its_unit_took_and_at_most_so_long() -> None:
    assert at_work(1).pause_s(0.003) == 0.006
    assert at_work(1).pause_s(3.0) == LINGER_S


@pytest.mark.parametrize(
    "desk",
    [
        pytest.param(at_work(1, busy=0.29), id="little to do"),
        pytest.param(at_work(), id="nothing waits"),
        pytest.param(at_work(*[1] * ENOUGH), id="enough waits"),
        pytest.param(at_work(ENOUGH), id="enough waits in one packet"),
        pytest.param(at_work(1, linger_s=0.0), id="not wanted"),
    ],
)
def test_otherwise_it_goes_on_at_once(desk: Desk) -> None:
    assert desk.pause_s(0.003) == 0.0


def test_the_share_of_busy_time_forgets() -> None:
    desk = at_work(busy=0.0)
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


async def test_why_a_request_failed_stands_in_the_log_and_in_no_answer(on_postgres: OnPostgres) -> None:
    desk = Desk(on_postgres.unit, lambda outcome: None)
    task = asyncio.create_task(desk.run())
    broken, good = Put(box="a", fail="bug"), Put(box="b", add=1)
    with capture_logs() as logs:
        answer = await Asker(desk, "key", "anna", "", "").each([broken, good])
    task.cancel()
    first, second = json.loads(bytes(answer.body))["outcomes"]
    assert first == {"status": 500, "body": {"title": "the request failed", "status": 500}}
    assert second["status"] < 300
    (line,) = [line for line in logs if line["event"] == "a request failed"]
    assert (line["log_level"], line["key"], line["subject"]) == ("error", "depot.put.v1", "a")
    assert "Error" in line["error"]
