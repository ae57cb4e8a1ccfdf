"""The broker or the database goes away while orders come in: F4, F5, F11, F20 and F21, on parts of our own.

F1 is in tests/journeys/test_kills.py and test_failpoints.py; F11 between us and the broker in
tests/messaging/test_rabbit.py.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from comptoir.chaos.monkey import Kill, rampage, until_an_order_walks_through
from comptoir.chaos.works import ANNA, told
from comptoir.runs import NAMES
from tests.eventually import eventually
from tests.faults.load import all_is_well, all_live, goes_on, gone, measure, under_load
from tests.faults.own import CLAIMED, COMMITTED, Own

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(180)]


async def test_f04_the_broker_is_restarted_and_orders_are_taken_meanwhile(own: Own) -> None:
    async with under_load(own.works) as load:
        await asyncio.to_thread(own.rabbit.stop_node)
        await goes_on(load)  # the outbox takes them
        await all_live(own.works)
        await asyncio.to_thread(own.rabbit.start)
    assert not own.works.deaths, "a service that waits for its broker is not to be restarted"


async def test_f04_what_never_reached_a_broker_that_was_stopped_is_sent_again(own: Own) -> None:
    """It is in the network only: who takes a written frame for a sent packet loses it here."""
    books = own.works.run.connections["order"]
    async with under_load(own.works) as load:
        await own.network(lambda: own.wire.black_hole(new=False, ways=("there",)))
        try:
            cut = await books.fetchval("select clock_timestamp()")
            await goes_on(load, 5)
            since = "select count(*) from outbox where created_at > $1"
            assert await books.fetchval(since, cut) > 0
            assert not await books.fetchval(f"{since} and sent_at is not null", cut), "not confirmed"
            await asyncio.to_thread(own.rabbit.stop_node)
        finally:
            await own.network(own.wire.heal)
        await asyncio.to_thread(own.rabbit.start)


async def test_f05_the_broker_is_killed(own: Own) -> None:
    """Some packets it has and its confirms never reached us, some never reached it: both are sent again."""
    works = own.works
    known = {name: await measure(works, name, "comptoir_known_total") for name in NAMES}
    async with under_load(works) as load:
        try:
            for way in ("back", "there"):
                await own.network(lambda way=way: own.wire.black_hole(new=False, ways=(way,)))  # type: ignore[misc]
                await goes_on(load, 3)
            await own.kill_rabbit()
        finally:
            await own.network(own.wire.heal)
    assert any([await measure(works, name, "comptoir_known_total") > was for name, was in known.items()])


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL], ids=["immediate", "kill -9"])
async def test_f20_the_database_is_ended_without_a_word(own: Own, number: signal.Signals) -> None:
    """Orders wait for it, whoever looks at them is told."""
    works = own.works
    told: set[int] = set()
    async with under_load(works):
        ending = asyncio.create_task(own.end_postgres(number))

        async def is_over() -> bool:
            told.add((await works.http.get(f"{works.processes.running['order'].url}/orders")).status_code)
            return ending.done()

        await eventually(is_over, 60)
        await ending
    assert 503 in told
    assert told <= {200, 503}


@pytest.mark.parametrize("times", [3, 4])
async def test_f20_a_connection_that_breaks_again_and_again_is_not_the_fault_of_the_data(own: Own, times: int) -> None:
    """As often as a unit is tried anew, and parts of it, before something is parked for what it says."""
    works = own.works
    await works.rests()
    before = await measure(works, "order", "comptoir_retries_total")
    own.proxy.cut_answers(CLAIMED, times)
    wish = {"ship_to": ANNA, "payment_token": "tok", "lines": [{"sku": "mug", "quantity": 1}]}
    key = {"Idempotency-Key": f"cut {times} times"}
    answer = await works.http.post(f"{works.processes.running['order'].url}/orders", json=wish, headers=key, timeout=60)
    assert answer.status_code == 201, answer.text
    assert own.proxy.cuts == 0
    await own.reconnect()
    assert await measure(works, "order", "comptoir_retries_total") >= before + times
    await works.rests()
    assert (await works.shows(answer.json()["id"]))["status"] == "completed"
    for name, books in works.run.connections.items():
        assert await books.fetchval("select count(*) from parked") == 0, name


async def test_f11_connections_to_the_database_are_reset_and_refused(own: Own) -> None:
    async with under_load(own.works) as load:
        for _ in range(3):
            await own.network(own.proxy.reset)
            await goes_on(load, 3)
        await own.network(own.proxy.refuse)
        try:
            await asyncio.gather(*(gone(own.works, name) for name in own.works.processes.running))
        finally:
            await own.network(own.proxy.heal)
            await own.reconnect()


@pytest.mark.timeout(300)
async def test_f11_a_black_hole_before_the_database_is_found_out(own: Own) -> None:
    """Nothing is said and nothing is refused: only a deadline tells. Silent connections are given up for new ones.

    The first that a service finds out takes the others with it, and ends at the server what they hold locked: an order
    that waits for twelve of them in turn, or for a lock that nobody lets go, is late.
    """
    works = own.works
    async with under_load(works) as load:
        await own.network(own.proxy.black_hole)
        try:
            await asyncio.gather(*(gone(works, name) for name in works.processes.running))
            await own.network(own.proxy.healthy)  # for new connections; those that are there stay silent
            began = time.monotonic()
            await until_an_order_walks_through(works, 2_000_000, within_s=60)
            print(f"\nf11: an order walked through {time.monotonic() - began:.0f} s after connections could be made")
            load.placed.append("the one that walked through")
        finally:
            await own.network(own.proxy.reset)
            await own.network(own.proxy.heal)
            await own.reconnect()


async def test_f21_the_answer_to_a_commit_is_lost_again_and_again(own: Own) -> None:
    async with under_load(own.works):
        own.proxy.cut_answers(COMMITTED, 8)
        await eventually(lambda: own.proxy.cuts == 0, 60)
        await own.reconnect()


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_f01_a_monkey_kills_one_part_after_the_other(own: Own) -> None:
    """COMPTOIR_CHAOS_SECONDS (60) and COMPTOIR_CHAOS_ORDERS_PER_S (40) say how long and how hard."""
    seconds = float(os.environ.get("COMPTOIR_CHAOS_SECONDS", "60"))
    per_s = float(os.environ.get("COMPTOIR_CHAOS_ORDERS_PER_S", "40"))
    works = own.works

    def service(name: str) -> Kill:
        async def kill() -> None:
            await works.kill(name)

        return kill

    parts: dict[str, Callable[[], Awaitable[None]]] = {name: service(name) for name in works.processes.running}
    parts |= {"broker": own.kill_rabbit, "database": lambda: own.end_postgres(signal.SIGKILL)}
    before = int(await works.run.connections["order"].fetchval("select count(*) from orders"))
    with told(works):
        result, load = await rampage(works, parts, seconds, per_s, first=before)
        assert not load.failed, load.failed
        placed = len(load.placed) + result.probes
        await works.rests(300)
        await all_is_well(works, before + placed)
    print(
        f"\nmonkey: {seconds:.0f} s, {placed} orders placed = {placed} at rest ({placed / seconds:.0f}/s), "
        f"{result.kills.total()} kills {dict(result.kills)}, 0 violations, {works.repeated} requests repeated, "
        f"longest recovery in s, from kill to the completion of an order placed after it: {result.longest()}"
    )
    assert result.kills.total() >= seconds / 20
    await until_an_order_walks_through(works, 9_999_999)
