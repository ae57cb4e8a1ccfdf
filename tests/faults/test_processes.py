"""Processes that are told to stop, that are paused, that are flooded and that are hung up on: F2, F3, F19 and F25.

F1, processes that are killed, is in test_failpoints.py and tests/journeys/test_kills.py.
"""

import asyncio
import os
import random
import signal
import socket
import struct
import time

import asyncpg
import psutil
import pytest

from comptoir.chaos.works import Works, told
from comptoir.rest import plain
from comptoir.runs import NAMES
from comptoir.sender import Sender
from shared import clock
from shared.contracts.inventory import ReceiveStock, StockLine
from shared.messaging.rabbit import PREFETCH
from shared.settings import database_of
from tests.eventually import eventually
from tests.faults.load import another, paused, stopped, under_load, waiting
from tests.journeys.conftest import Plot

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(180)]

ENDS_WITHIN_S = 15.0


async def restarted(works: Works, name: str) -> float:
    """Told to stop, as a deployment does, and started again by the supervisor. The seconds until it had ended."""
    process = works.processes.running[name]
    began = time.monotonic()
    process.popen.terminate()
    code = await asyncio.to_thread(process.popen.wait, 2 * ENDS_WITHIN_S)
    took = time.monotonic() - began
    assert code == 0, f"{name} ended with {code}"
    await eventually(lambda: works.processes.running[name] is not process)
    await works.ready(name)
    return took


async def rolling(works: Works, ground: Plot, restarts: int, per_s: float) -> None:
    await ground.cleared()
    await works.opens(1_000_000)
    draw = random.Random(2)
    bag: list[str] = []
    ended_s = []
    async with under_load(works, per_s) as load:
        for _ in range(restarts):
            bag = bag or draw.sample(NAMES, len(NAMES))
            ended_s.append(await restarted(works, bag.pop()))
        assert max(ended_s) < ENDS_WITHIN_S
    assert not any((await waiting(works, dead=True)).values())
    sent = [await books.fetchval("select sum(count) from outbox") for books in works.run.connections.values()]
    print(
        f"\nf02: {restarts} restarts, {len(load.placed)} orders and {sum(sent)} messages, longest end "
        f"{max(ended_s):.1f} s, {works.repeated} requests repeated, no dead letter"
    )


async def test_f02_each_service_is_told_to_stop_under_load(works: Works, ground: Plot) -> None:
    await rolling(works, ground, len(NAMES), 15)


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_f02_twenty_five_restarts_bring_no_healthy_message_to_the_dead(works: Works, ground: Plot) -> None:
    """At well over 50 messages a second: an order is some fifteen of them."""
    await rolling(works, ground, 25, 10)


@pytest.mark.chaos
async def test_f03_a_copy_that_was_paused_does_not_act_on_what_another_has_done(works: Works, ground: Plot) -> None:
    """Paused with a timer in its hands, it wakes up when the other copy has fired the timer."""
    await ground.cleared()
    care = {"sku": "care", "name": "Three years of care", "price": "12.35", "vat_rate": "20"}
    await works.ask("order", "PUT", "/products", {"products": [care]})
    await works.ask("inventory", "PUT", "/items", {"items": [{"sku": "care", "stocked": False}]})
    said = "select count(*) from outbox"
    books = works.run.connections["inventory"]
    with told(works):
        async with another(works, "inventory") as second:
            copies = ("inventory", second)
            for name in copies:
                works.arm(name, "timer_claimed=stop@1")
            lines = [{"sku": "care", "quantity": 1}]
            order = await works.place(1, lines=lines)  # no warehouse is there yet: inventory tries again in a second
            asleep = await eventually(lambda: next((name for name in copies if paused(works, name)), ""), 30)
            (awake,) = set(copies) - {asleep}
            works.arm(awake, "")
            at = works.processes.running[awake].url
            assert (await works.http.put(f"{at}/warehouses/north", json={"country": "NL"})).status_code == 200
            await works.rests()
            assert (await works.shows(order))["status"] == "completed"
            assert paused(works, asleep)
            before, hits = await books.fetchval(said), works.hits()[asleep]["after_claim"]
            works.processes.running[asleep].popen.send_signal(signal.SIGCONT)
            await eventually(lambda: works.hits()[asleep]["after_claim"] > hits, 30)
            await works.rests()
            assert await books.fetchval(said) == before, "it has said again what the other had said"
        breaches = await works.breaches()
        assert not breaches, breaches


async def completed(works: Works, placed: list[str]) -> bool:
    sql = "select count(*) from progress where status = 'completed' and order_id = any($1::uuid[])"
    return bool(await works.run.connections["order"].fetchval(sql, placed) == len(placed))


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("service", "point"),
    [("inventory", "after_claim"), ("fulfilment", "call_after_before_answer"), ("billing", "before_commit")],
)
async def test_f03_a_copy_sleeps_for_a_minute_and_another_does_its_work(
    works: Works, ground: Plot, service: str, point: str
) -> None:
    """Its locks end with its transaction, its packets come again elsewhere; what it wakes up to is done already."""
    await ground.cleared()
    await works.opens(1_000_000)
    async with another(works, service), under_load(works, 5) as load:
        works.arm(service, f"{point}=stop@1")
        await eventually(lambda: paused(works, service), 30)
        until = time.monotonic() + 60
        placed = list(load.placed)
        await eventually(lambda: completed(works, placed), 45)  # what it had taken and locked is another's by now
        await eventually(lambda: time.monotonic() > until, 90)
        works.processes.running[service].popen.send_signal(signal.SIGCONT)
        works.arm(service, "")
    assert not works.deaths


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_f19_a_backlog_is_worked_off_in_bounded_memory_and_holds_no_sender_back(
    works: Works, ground: Plot
) -> None:
    """COMPTOIR_CHAOS_BACKLOG (100,000) packets wait for inventory; each is one message."""
    backlog = int(os.environ.get("COMPTOIR_CHAOS_BACKLOG", "100000"))
    await ground.cleared()
    await works.opens()
    sender = Sender(works.run.bus, "backlog", clock.now)
    with told(works):
        async with stopped(works, "inventory"):
            began = time.monotonic()
            for first in range(0, backlog, 200):
                await asyncio.gather(*(sender.send([receipt(i)]) for i in range(first, first + 200)))
            published_s = time.monotonic() - began
            placed = await asyncio.gather(*(works.place(i) for i in range(20)))
            assert (await waiting(works))["inventory"] >= backlog
        process = psutil.Process(works.processes.running["inventory"].popen.pid)
        books = works.run.connections["inventory"]
        began, most = time.monotonic(), process.memory_info().rss

        async def worked_off() -> bool:
            nonlocal most
            most = max(most, process.memory_info().rss)
            done = "select count(*) from movements where reference like 'backlog-%'"  # orders move the same goods
            return bool(await books.fetchval(done) == backlog)

        first_rss = most
        await eventually(worked_off, 600, 0.5)
        drained_s = time.monotonic() - began
        await works.rests()
        for order in placed:
            assert (await works.shows(order))["status"] == "completed"
        breaches = await works.breaches()
        assert not breaches, breaches
    grown_mb = (most - first_rss) / 1e6
    print(
        f"\nf19: {backlog} packets published at {backlog / published_s:.0f}/s, worked off at "
        f"{backlog / drained_s:.0f}/s, memory of the reader grew by {grown_mb:.0f} MB (prefetch {PREFETCH})"
    )
    assert grown_mb < 150


def receipt(i: int) -> ReceiveStock:
    return ReceiveStock(warehouse="north", reference=f"backlog-{i}", lines=(StockLine(sku="pot", quantity=1),))


CROWD = 500
POOLED = 3 + 5 + 5
"""Connections that one process keeps: the store's, the readers', and what the readers may add for a while."""


def hangs_up(port: int, request: bytes) -> None:
    """Says what it wants and is gone, with a reset, before it is answered."""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(request)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_f25_clients_that_hang_up_leave_no_connection_and_a_full_pool_says_so_at_once(
    works: Works, ground: Plot
) -> None:
    await ground.cleared()
    await works.opens()
    process = works.processes.running["order"]
    watcher = await asyncpg.connect(plain(database_of(works.database_url, "order")))
    sessions = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
        "and application_name like 'comptoir%'"
    )
    with told(works):
        try:
            async with watcher.transaction():
                await watcher.execute("lock table orders in access exclusive mode")
                answers = await asyncio.gather(*(timed(works, f"{process.url}/orders") for _ in range(60)))
                assert {status for status, _, _ in answers} == {503}
                assert all(retry_after for _, retry_after, _ in answers)
                assert max(seconds for _, _, seconds in answers) < 12, "the lock's own limit is 3 s, the pool's 2"
                assert sorted(seconds for _, _, seconds in answers)[len(answers) // 2] < 8, "most hear of it sooner"
                want = b"GET /orders HTTP/1.1\r\nHost: here\r\n\r\n"
                for _ in range(CROWD // 50):
                    await asyncio.gather(*(asyncio.to_thread(hangs_up, process.port, want) for _ in range(50)))
            body = b'{"payment_token":"tok","lines":[{"sku":"mug","quantity":1}]}'
            for i in range(CROWD // 10):
                head = f"POST /orders HTTP/1.1\r\nHost: here\r\nIdempotency-Key: gone-{i}\r\n"
                head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                await asyncio.to_thread(hangs_up, process.port, head.encode() + body)

            async def calm() -> bool:
                left_open = await watcher.fetchval(f"{sessions} and state like 'idle in transaction%'")
                return not left_open and int(await watcher.fetchval(sessions)) <= POOLED

            await eventually(calm, 30)
            assert (await works.http.get(f"{process.url}/orders")).status_code == 200
            order = await works.place(1)
            await works.rests()
            assert (await works.shows(order))["status"] == "completed"
            breaches = await works.breaches()
            assert not breaches, breaches
        finally:
            await watcher.close()


async def timed(works: Works, url: str) -> tuple[int, str, float]:
    began = time.monotonic()
    answer = await works.http.get(url)
    return answer.status_code, answer.headers.get("retry-after", ""), time.monotonic() - began
