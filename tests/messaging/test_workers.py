"""Relay, caller and timekeeper on PostgreSQL: after a crash at each point, beside a replica, with the database away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from shared.contracts.message import Internal
from shared.messaging.bus import Unsendable
from shared.messaging.decision import Reply
from shared.messaging.desk import Desk
from shared.messaging.envelope import Packet
from shared.messaging.store import PostgresStore
from shared.messaging.unit import LADDER, Outcome
from shared.messaging.workers import Caller, Patience, Relay, Timekeeper
from tests.eventually import eventually
from tests.messaging.depot import BOOKS, HANDLERS, Put, Weigh, Weighed, arrival, unit_on
from tests.messaging.harness import OnPostgres
from tests.proxy import Proxy

pytestmark = pytest.mark.postgres


class Recorded:
    """A bus that does as it is told and remembers what it was given."""

    def __init__(self, behave: Callable[[Packet], Awaitable[None]] | None = None) -> None:
        self.deadline_s: float | None = 0.3
        self.behave = behave
        self.given: list[Packet] = []

    async def publish(self, packet: Packet) -> None:
        self.given.append(packet)
        if self.behave is not None:
            await self.behave(packet)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def healthy(self) -> bool:
        return True

    def connected(self) -> bool:
        return True


async def at_rest(relay: Relay) -> None:
    await eventually(lambda: not relay.in_flight)
    await relay.mark()


@asynccontextmanager
async def running(*workers: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
        assert [task for task in tasks if task.done()] == [], "a worker never ends by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# Relay


async def test_what_was_confirmed_is_marked_and_never_sent_again(on_postgres: OnPostgres) -> None:
    bus = Recorded()
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    (outcome,) = await on_postgres.put(Put(box="a"))
    relay.offer(outcome.packets)
    relay.offer(outcome.packets)
    await at_rest(relay)
    on_postgres.clock.move(minutes=1)
    await relay.sweep()
    await at_rest(relay)
    assert len(bus.given) == 1
    assert relay.idle()


async def test_a_crash_after_the_confirm_and_before_the_mark_sends_it_once_more_under_the_same_id(
    on_postgres: OnPostgres,
) -> None:
    bus = Recorded()
    (outcome,) = await on_postgres.put(Put(box="a"))
    before = Relay(on_postgres.store, bus, on_postgres.clock.now)
    before.offer(outcome.packets)
    await eventually(lambda: before.sent)
    after = Relay(on_postgres.store, bus, on_postgres.clock.now)
    await after.sweep()
    await at_rest(after)
    assert [packet.id for packet in bus.given] == [outcome.packets[0].id] * 2
    assert bus.given[0] == bus.given[1]
    assert not (await on_postgres.seen()).outbox


async def test_finding_4_a_publish_that_never_returns_ends_at_its_deadline_and_is_sent_again(
    on_postgres: OnPostgres,
) -> None:
    async def hang(packet: Packet) -> None:
        await asyncio.Event().wait()

    bus = Recorded(hang)
    bus.deadline_s = 0.05
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    (outcome,) = await on_postgres.put(Put(box="a"))
    relay.offer(outcome.packets)
    await at_rest(relay)
    assert relay.unconfirmed == 1
    assert len((await on_postgres.seen()).outbox) == 1, "unknown is not sent"
    bus.behave = None
    await relay.sweep()
    await at_rest(relay)
    assert not (await on_postgres.seen()).outbox


@pytest.mark.parametrize("trouble", ["silence", "refusal"])
async def test_a_packet_that_a_queue_without_a_leader_took_is_tried_again_at_once(
    on_postgres: OnPostgres, trouble: str
) -> None:
    async def once(packet: Packet) -> None:
        if len(bus.given) == 1:
            if trouble == "refusal":
                raise ConnectionError("refused")
            await asyncio.Event().wait()

    bus = Recorded(once)
    bus.deadline_s = 5.0
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    began = asyncio.get_running_loop().time()
    (outcome,) = await on_postgres.put(Put(box="a"))
    relay.offer(outcome.packets)
    await at_rest(relay)
    assert (len(bus.given), relay.published, relay.unconfirmed) == (2, 1, 0)
    assert not (await on_postgres.seen()).outbox
    assert asyncio.get_running_loop().time() - began < 4, "not by the sweep, nor at the deadline"


async def test_a_slow_broker_does_not_get_everything_twice(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(packet: Packet) -> None:
        confirm = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, confirm.set)
        await confirm.wait()

    monkeypatch.setattr(Patience, "LEAST_S", 0.1)
    bus = Recorded(slow)
    bus.deadline_s = 30.0
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    for i in range(12):
        (outcome,) = await on_postgres.put(Put(box=f"{i}"))
        relay.offer(outcome.packets)
        await at_rest(relay)
    assert relay.published == 12
    assert len(bus.given) <= 12 + 2, "0.1 s and 0.2 s were too short for the first; then it knew"
    relay.patience.confirmed(0.01)
    for _ in range(50):
        relay.patience.confirmed(0.01)
    assert relay.patience.now_s == Patience.LEAST_S, "and forgets it when the broker is quick again"


async def test_finding_4_a_lost_connection_that_cancels_us_is_told_apart_from_being_stopped(
    on_postgres: OnPostgres,
) -> None:
    async def lose(packet: Packet) -> None:
        raise asyncio.CancelledError("connection lost")

    bus = Recorded(lose)
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    async with running(relay):
        await eventually(lambda: relay.swept)  # the sweep at start would try it a second time, however young it is
        (outcome,) = await on_postgres.put(Put(box="a"))
        relay.offer(outcome.packets)
        await eventually(lambda: relay.unconfirmed == 1)
        bus.behave = None
        on_postgres.clock.move(minutes=1)
        await eventually(lambda: relay.published == 1)

    async def hang(packet: Packet) -> None:
        await asyncio.Event().wait()

    bus.behave, bus.deadline_s = hang, None
    (outcome,) = await on_postgres.put(Put(box="a"))
    relay.offer(outcome.packets)
    (task,) = relay.tasks
    await eventually(lambda: len(bus.given) == 3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_the_sweep_at_start_tries_again_what_was_lost_a_moment_before_and_later_ones_wait(
    on_postgres: OnPostgres,
) -> None:
    async def lose(packet: Packet) -> None:
        raise ConnectionError("lost")

    relay = Relay(on_postgres.store, Recorded(lose), on_postgres.clock.now)
    (outcome,) = await on_postgres.put(Put(box="a"))
    relay.offer(outcome.packets)
    tries = []
    for _ in range(3):
        await at_rest(relay)
        tries.append(relay.unconfirmed)
        await relay.sweep()
    assert tries == [1, 2, 2]


async def test_what_a_broker_that_is_away_leaves_waits_in_the_table_and_not_in_memory(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Relay, "MOST_WAITING", 6)
    monkeypatch.setattr(Relay, "IN_FLIGHT", 1)
    there = asyncio.Event()

    async def wait(packet: Packet) -> None:
        await there.wait()

    bus = Recorded(wait)
    bus.deadline_s = None
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    for i in range(12):
        (outcome,) = await on_postgres.put(Put(box=f"box {i}"))
        relay.offer(outcome.packets)
    assert len(relay.waiting) == 6
    there.set()
    on_postgres.clock.move(minutes=1)
    async with running(relay):
        await eventually(lambda: nothing_unsent(on_postgres))
    assert len({packet.id for packet in bus.given}) == 12


async def test_two_relays_of_one_service_do_not_sweep_the_same_packets(on_postgres: OnPostgres) -> None:
    for i in range(40):
        await on_postgres.put(Put(box=f"{i}"))
    buses = Recorded(), Recorded()
    relays = [Relay(on_postgres.store, bus, on_postgres.clock.now) for bus in buses]
    for relay in relays:
        relay.swept = True  # both have been up for a while
    on_postgres.clock.move(seconds=6)
    await asyncio.gather(*(relay.sweep() for relay in relays))
    for relay in relays:
        await at_rest(relay)
    given = [packet.id for bus in buses for packet in bus.given]
    assert len(given) == len(set(given)) == 40


async def test_a_lease_that_its_holder_did_not_use_is_over_after_a_while(on_postgres: OnPostgres) -> None:
    await on_postgres.put(Put(box="a"))
    clock = on_postgres.clock
    clock.move(seconds=6)
    assert len(await on_postgres.store.unsent(clock.now(), clock.now() - Relay.SWEEP_AFTER, 10)) == 1
    clock.move(seconds=4)
    assert await on_postgres.store.unsent(clock.now(), clock.now() - Relay.SWEEP_AFTER, 10) == []
    clock.move(seconds=2)
    assert len(await on_postgres.store.unsent(clock.now(), clock.now() - Relay.SWEEP_AFTER, 10)) == 1


async def test_a_backlog_larger_than_one_sweep_goes_out_whole(on_postgres: OnPostgres) -> None:
    for i in range(30):
        await on_postgres.put(Put(box=f"{i}"))
    bus = Recorded()
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    relay.SWEEP_AFTER = timedelta(0)
    await on_postgres.fetch(
        "insert into outbox (id, key, count, body, created_at) "
        "select gen_random_uuid(), key, count, '[]', created_at from outbox, generate_series(1, 40)"
    )
    total = 30 * 41
    async with running(relay):
        await eventually(lambda: relay.published >= total, within_s=20)
        await eventually(lambda: nothing_unsent(on_postgres))
    assert len({packet.id for packet in bus.given}) == total


async def test_what_no_message_can_hold_is_parked_once_and_its_neighbours_go_out(on_postgres: OnPostgres) -> None:
    async def refuse(packet: Packet) -> None:
        if "depot" not in packet.key:
            raise Unsendable(f"{packet.key[:9]}: too long")

    for i in range(3):
        await on_postgres.put(Put(box=f"{i}"))
    await on_postgres.fetch(
        "insert into outbox (id, key, count, body, created_at) "
        "select gen_random_uuid(), repeat('k', 300), 1, '[]', created_at from outbox limit 1"
    )
    bus = Recorded(refuse)
    relay = Relay(on_postgres.store, bus, on_postgres.clock.now)
    async with running(relay):
        await eventually(lambda: nothing_unsent(on_postgres))
        on_postgres.clock.move(minutes=1)
        await relay.sweep()
    ((key, arrived_by, reason, body),) = await on_postgres.fetch("select key, arrived_by, reason, body from parked")
    assert (key, arrived_by, reason, body) == ("k" * 200, "outbox", "Unsendable: kkkkkkkkk: too long", "[]")
    assert sum("depot" not in packet.key for packet in bus.given) == 1
    assert relay.published == len(bus.given) - 1 >= 3


async def nothing_unsent(shop: OnPostgres) -> bool:
    return not await shop.fetch("select 1 from outbox where sent_at is null limit 1")


# Caller


class Weighbridge:
    """The outside: answers each call, or does not."""

    def __init__(self) -> None:
        self.asked: list[Weigh] = []
        self.broken = False
        self.answer: Callable[[Weigh], Internal] = lambda m: Weighed(box=m.box, grams=5)

    async def __call__(self, message: Weigh) -> Internal:
        self.asked.append(message)
        if self.broken:
            raise ConnectionError("nobody answers")
        return self.answer(message)


@asynccontextmanager
async def calling(shop: OnPostgres, bridge: Weighbridge) -> AsyncIterator[Caller]:
    def committed(outcome: Outcome) -> None:
        caller.offer((event.id, event) for event, _ in outcome.calls)

    desk = Desk(shop.unit, committed)
    caller = Caller(shop.store, desk, bridge, shop.clock.now)
    async with running(desk):
        yield caller


async def weight(shop: OnPostgres, box: str = "a") -> int:
    return (await shop.seen()).boxes[box].grams


async def test_a_call_is_made_after_its_commit_and_its_answer_comes_back_in(on_postgres: OnPostgres) -> None:
    bridge = Weighbridge()
    async with calling(on_postgres, bridge) as caller:
        await caller.desk.ask(Put(box="a", call=True), id=UUID(int=1))
        await eventually(caller.idle)
    assert await weight(on_postgres) == 5
    assert bridge.asked == [Weigh(box="a")]
    assert not (await on_postgres.seen()).calls


async def test_a_call_that_a_crash_left_behind_is_made_by_the_next_process(on_postgres: OnPostgres) -> None:
    await on_postgres.put(Put(box="a", call=True))
    bridge = Weighbridge()
    async with calling(on_postgres, bridge) as caller, running(caller):
        await eventually(lambda: len(bridge.asked) == 1)
        await eventually(caller.idle)
    assert await weight(on_postgres) == 5


async def test_a_call_that_was_answered_and_not_handled_before_a_crash_is_made_again_with_the_same_message(
    on_postgres: OnPostgres,
) -> None:
    await on_postgres.put(Put(box="a", call=True))
    bridge = Weighbridge()
    dead = Caller(on_postgres.store, Desk(on_postgres.unit, lambda outcome: None), bridge, on_postgres.clock.now)
    async with running(dead):  # its desk does not run: the answer is lost with it
        await eventually(lambda: dead.calls == 1)
    async with calling(on_postgres, bridge) as caller, running(caller):
        await eventually(lambda: len(bridge.asked) == 2)
        await eventually(caller.idle)
    assert bridge.asked[0] == bridge.asked[1]
    assert await weight(on_postgres) == 5


async def test_a_call_whose_adapter_raises_waits_for_the_sweep(on_postgres: OnPostgres) -> None:
    bridge = Weighbridge()
    bridge.broken = True
    async with calling(on_postgres, bridge) as caller:
        await caller.desk.ask(Put(box="a", call=True), id=UUID(int=1))
        await eventually(caller.idle)
        assert len((await on_postgres.seen()).calls) == 1
        bridge.broken = False
        async with running(caller):
            await eventually(lambda: len(bridge.asked) == 2)
            await eventually(caller.idle)
    assert await weight(on_postgres) == 5


async def test_who_stops_begins_no_further_calls(on_postgres: OnPostgres) -> None:
    asked: list[Weigh] = []

    async def hang(message: Weigh) -> Internal:
        asked.append(message)
        await asyncio.Event().wait()
        raise AssertionError

    desk = Desk(on_postgres.unit, lambda outcome: None)
    caller = Caller(on_postgres.store, desk, hang, on_postgres.clock.now, concurrency=2)
    (outcome,) = await on_postgres.put(*(Put(box=f"box {i}", call=True) for i in range(6)))
    caller.offer((event.id, event) for event, _ in outcome.calls)
    await eventually(lambda: len(asked) == 2)
    await caller.end()
    assert (len(asked), caller.tasks) == (2, set())
    assert len((await on_postgres.seen()).calls) == 6, "the next process makes them"


async def test_an_answer_that_cannot_be_decided_is_parked_and_ends_the_call(on_postgres: OnPostgres) -> None:
    bridge = Weighbridge()
    bridge.answer = lambda m: Weighed(box=m.box, grams=5, fail="bug")
    async with calling(on_postgres, bridge) as caller:
        await caller.desk.ask(Put(box="a", call=True), id=UUID(int=1))
        await eventually(caller.idle)
    seen = await on_postgres.seen()
    assert [arrived_by for arrived_by, _, _ in seen.parked] == ["call"]
    assert not seen.calls
    assert seen.boxes["a"].grams == 0


async def test_two_callers_of_one_service_do_not_make_the_same_calls(on_postgres: OnPostgres) -> None:
    for i in range(10):
        await on_postgres.put(Put(box=f"{i}", call=True))
    clock = on_postgres.clock
    clock.move(minutes=1)
    older = clock.now() - Caller.SWEEP_AFTER
    taken = await asyncio.gather(*(on_postgres.store.uncalled(clock.now(), older, 10) for _ in range(2)))
    assert sum(len(records) for records in taken) == 10


# Timekeeper


@asynccontextmanager
async def keeping_time(shop: OnPostgres) -> AsyncIterator[tuple[Desk, Timekeeper]]:
    def committed(outcome: Outcome) -> None:
        keeper.hint(outcome.timers.values())

    desk = Desk(shop.unit, committed)
    keeper = Timekeeper(shop.store, desk, shop.clock.now)
    async with running(desk, keeper):
        yield desk, keeper


async def woken(shop: OnPostgres, box: str = "a") -> int:
    return (await shop.seen()).boxes[box].woken


async def test_a_timer_fires_when_it_is_due_and_once(on_postgres: OnPostgres) -> None:
    async with keeping_time(on_postgres) as (desk, keeper):
        await desk.ask(Put(box="a", wake_s=60), id=UUID(int=1))
        await keeper.fire()
        assert await woken(on_postgres) == 0
        on_postgres.clock.move(seconds=60)
        await eventually(lambda: keeper.fired == 1)
        await eventually(lambda: woken(on_postgres))
        await keeper.fire()
    assert await woken(on_postgres) == 1


async def test_a_timer_that_was_due_while_nobody_ran_fires_at_start(on_postgres: OnPostgres) -> None:
    await on_postgres.put(Put(box="a", wake_s=1), Put(box="b", wake_s=2))
    on_postgres.clock.move(hours=3)
    async with keeping_time(on_postgres) as (_, keeper):
        await eventually(lambda: keeper.fired == 2)
    assert await woken(on_postgres) == await woken(on_postgres, "b") == 1


async def test_a_timer_that_a_killed_process_had_taken_fires_when_the_next_one_starts(on_postgres: OnPostgres) -> None:
    """Its lease would hold the order back for ten seconds more."""
    store, clock = on_postgres.store, on_postgres.clock
    await on_postgres.put(Put(box="a", wake_s=1))
    clock.move(seconds=1)
    assert len(await store.due(clock.now(), clock.now() - Timekeeper.LEASE, 10)) == 1
    async with keeping_time(on_postgres) as (_, keeper):
        await eventually(lambda: keeper.fired == 1, 5)
    assert await woken(on_postgres) == 1


async def test_two_timekeepers_take_each_timer_once_and_a_lost_lease_ends(on_postgres: OnPostgres) -> None:
    store, clock = on_postgres.store, on_postgres.clock
    for i in range(10):
        await on_postgres.put(Put(box=f"{i}", wake_s=1))
    clock.move(seconds=2)
    lease = Timekeeper.LEASE
    taken = await asyncio.gather(*(store.due(clock.now(), clock.now() - lease, 10) for _ in range(2)))
    assert sum(len(records) for records in taken) == 10
    assert await store.due(clock.now(), clock.now() - lease, 10) == []
    clock.move(seconds=11)
    assert len(await store.due(clock.now(), clock.now() - lease, 10)) == 10, "whoever took them died"


async def test_a_timer_that_is_armed_again_while_it_is_leased_fires_at_its_new_time(on_postgres: OnPostgres) -> None:
    store, clock = on_postgres.store, on_postgres.clock
    await on_postgres.put(Put(box="a", wake_s=1))
    clock.move(seconds=1)
    assert len(await store.due(clock.now(), clock.now() - Timekeeper.LEASE, 10)) == 1
    await on_postgres.put(Put(box="a", wake_s=1))
    clock.move(seconds=1)
    assert len(await store.due(clock.now(), clock.now() - Timekeeper.LEASE, 10)) == 1


async def test_what_misses_something_is_tried_on_the_ladder_by_the_clock_and_then_parked(
    on_postgres: OnPostgres,
) -> None:
    async with keeping_time(on_postgres) as (desk, keeper):
        await on_postgres.put(Put(box="a", fail="missing"))
        for count, pause in enumerate(LADDER, start=1):
            assert await keeper.fire() == 0, "not before its time"
            on_postgres.clock.move(seconds=pause.total_seconds())
            await eventually(lambda: keeper.fired == count)  # noqa: B023 - awaited here
        await eventually(lambda: parked(on_postgres))
        assert desk.failed == len(LADDER)


async def parked(shop: OnPostgres) -> int:
    return len((await shop.seen()).parked)


async def test_rows_that_this_version_cannot_read_are_parked_and_hold_nobody_back(on_postgres: OnPostgres) -> None:
    """A timer and a call of a message that no longer exists, after a deployment that was taken back."""
    shop = on_postgres
    await shop.put(Put(box="a", wake_s=1, call=True), Put(box="b", wake_s=1, call=True))
    first_call = (await shop.seen()).calls[0]
    await shop.fetch("""update timers set body = '{"type": "depot.gone.v7"}' where key = 'wake:a'""")
    await shop.fetch("update calls set body = 'not json' where id = $1", first_call)
    shop.clock.move(minutes=1)
    bridge = Weighbridge()
    async with keeping_time(shop) as (desk, _), running(Caller(shop.store, desk, bridge, shop.clock.now)):
        await eventually(lambda: woken(shop, "b"))
        await eventually(lambda: weight(shop, "b"))
        await eventually(lambda: parked(shop), every_s=0.05)
    seen = await shop.seen()
    assert sorted(arrived_by for arrived_by, _, _ in seen.parked) == ["call", "timer"]
    assert not seen.calls
    assert not seen.timers


# The desk


async def test_the_same_request_while_the_first_is_in_flight_is_told_so(on_postgres: OnPostgres) -> None:
    desk = Desk(on_postgres.unit, lambda outcome: None)
    first = asyncio.create_task(desk.ask(Put(box="a", add=1), id=UUID(int=1)))
    await eventually(lambda: desk.waiting)
    assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 409
    async with running(desk):
        assert (await first).status == 201
        assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 201
    assert (await on_postgres.seen()).boxes["a"].amount == 1


async def test_a_caller_that_hangs_up_does_not_undo_its_request_and_its_repeat_is_answered(
    on_postgres: OnPostgres,
) -> None:
    desk = Desk(on_postgres.unit, lambda outcome: None)
    first = asyncio.create_task(desk.ask(Put(box="a", add=1), id=UUID(int=1)))
    await eventually(lambda: desk.waiting)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 409, "it is still to be decided"
    async with running(desk):
        await eventually(desk.idle)
        reply = await desk.ask(Put(box="a", add=1), id=UUID(int=1))
    assert (reply.status, reply.body["amount"]) == (201, 1)


async def test_a_request_that_is_not_stored_in_time_is_told_so_and_its_repeat_gets_the_answer(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.desk.ANSWERED_WITHIN_S", 0.05)
    desk = Desk(on_postgres.unit, lambda outcome: None)  # it does not run, as if the database were away
    batch = [Put(box="a", add=10), Put(box="a", add=100)]
    assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 503
    late = await desk.ask_each(batch, id=UUID(int=2))
    assert isinstance(late, Reply)
    assert late.status == 503
    assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 409, "it is still to be decided"
    again = await desk.ask_each(batch, id=UUID(int=2))
    assert isinstance(again, Reply)
    assert again.status == 409
    monkeypatch.setattr("shared.messaging.desk.ANSWERED_WITHIN_S", 25.0)
    async with running(desk):
        await eventually(lambda: not desk.asked)
        assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 201
        replies = await desk.ask_each(batch, id=UUID(int=2))
    assert isinstance(replies, list)
    assert [reply.status for reply in replies] == [201, 201]
    assert (await on_postgres.seen()).boxes["a"].amount == 111


async def test_no_more_requests_wait_than_memory_may_hold(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.messaging.desk.MOST_ASKED", 2)
    desk = Desk(on_postgres.unit, lambda outcome: None)
    waiting = [asyncio.create_task(desk.ask(Put(box="a", add=1), id=UUID(int=i))) for i in (1, 2)]
    await eventually(lambda: len(desk.asked) == 2)
    assert (await desk.ask(Put(box="a", add=1), id=UUID(int=3))).status == 503
    full = await desk.ask_each([Put(box="a", add=1)], id=UUID(int=4))
    assert isinstance(full, Reply)
    assert full.status == 503
    async with running(desk):
        assert [reply.status for reply in await asyncio.gather(*waiting)] == [201, 201]
    assert (await on_postgres.seen()).boxes["a"].amount == 2


async def test_a_batch_takes_whole_arrivals_up_to_its_bound(on_postgres: OnPostgres) -> None:
    desk = Desk(on_postgres.unit, lambda outcome: None, max_batch=10)
    for _ in range(5):
        desk.put(arrival(on_postgres.clock, *(Put(box="a") for _ in range(4))))
    assert [len(desk.take()), len(desk.take()), len(desk.take())] == [3, 2, 0]


async def test_while_the_database_is_away_nothing_is_acked_lost_or_parked_and_then_all_goes_on(
    on_postgres: OnPostgres,
) -> None:
    """Desk, relay, caller and timekeeper keep trying, with pauses; none of them dies."""
    shop = on_postgres
    address = urlsplit(shop.url)
    async with Proxy(address.hostname or "127.0.0.1", address.port or 5432) as proxy:
        store = PostgresStore(proxy.url(shop.url), BOOKS)
        await store.open()
        unit = unit_on(store, shop.clock, handlers=HANDLERS)
        bus, bridge = Recorded(), Weighbridge()
        relay = Relay(store, bus, shop.clock.now)

        def committed(outcome: Outcome) -> None:
            relay.offer(outcome.packets)
            caller.offer((event.id, event) for event, _ in outcome.calls)

        desk = Desk(unit, committed)
        caller = Caller(store, desk, bridge, shop.clock.now)
        workers = [desk, relay, caller, Timekeeper(store, desk, shop.clock.now)]
        async with running(*workers):
            assert (await desk.ask(Put(box="a", add=1), id=UUID(int=1))).status == 201
            proxy.refuse()
            asking = asyncio.create_task(desk.ask(Put(box="a", add=1, wake_s=0, call=True), id=UUID(int=2)))
            await eventually(lambda: desk.retries >= 3)
            assert not asking.done()
            assert not desk.idle()
            await proxy.heal()
            assert (await asking).status == 201
            await eventually(lambda: woken(shop))
            await eventually(lambda: weight(shop))
            await eventually(lambda: nothing_unsent(shop))
        await store.close()
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 2
    assert not seen.parked
    assert desk.retries < 20, "it pauses between its tries"
