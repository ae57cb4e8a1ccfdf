"""One contract for both stores: what a unit of work promises, in memory and on PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import get_args
from uuid import UUID

import pytest

from shared.messaging.decision import Missing
from shared.messaging.envelope import MAX_EVENT_BYTES
from shared.messaging.unit import LADDER, Arrival
from tests.messaging.depot import NOW, Failure, Moved, Put, Remember, Slip, Weighed, Woken, arrival, event, request
from tests.messaging.harness import Harness, timer_arrival

KEY = UUID(int=1)
FAILURES = [failure for failure in get_args(Failure) if failure not in ("", "missing", "refused")]


# Claimed once


async def test_a_packet_is_decided_once_however_often_it_comes(shop: Harness) -> None:
    packet = arrival(shop.clock, Put(box="a", add=1))
    await shop.unit.work([packet, packet])
    await shop.unit.work([packet])
    await shop.unit.work([packet, arrival(shop.clock, Put(box="a", add=10))])
    assert (await shop.seen()).boxes["a"].amount == 11


async def test_every_arrival_is_acked_even_if_it_is_not_new(shop: Harness) -> None:
    packet = arrival(shop.clock, Put(box="a", add=1))
    await shop.unit.work([packet])
    (outcome,) = await shop.unit.work([packet])
    assert outcome.arrivals == [packet]
    assert outcome.packets == []


async def test_a_timer_fires_once_and_not_at_all_when_it_was_moved_or_ended(shop: Harness) -> None:
    await shop.put(Put(box="a", wake_s=5))
    (first,) = await shop.due()
    await shop.put(Put(box="a", wake_s=9))
    await shop.unit.work([first])
    assert (await shop.seen()).boxes["a"].woken == 0, "it was armed for another time meanwhile"
    (second,) = await shop.due()
    await shop.unit.work([second, second])
    await shop.unit.work([second])
    seen = await shop.seen()
    assert seen.boxes["a"].woken == 1
    assert not seen.timers
    await shop.put(Put(box="a", wake_s=5))
    (third,) = await shop.due()
    await shop.put(Put(box="a", sleep=True))
    await shop.unit.work([third])
    assert (await shop.seen()).boxes["a"].woken == 1, "it was ended before it fired"


async def test_the_last_of_several_timers_of_one_key_in_one_unit_counts(shop: Harness) -> None:
    await shop.put(Put(box="a", wake_s=5), Put(box="a", sleep=True), Put(box="a", wake_s=7))
    timers = (await shop.seen()).timers
    assert [timer.due_at for timer in timers.values()] == [NOW + timedelta(seconds=7)]
    await shop.put(Put(box="a", wake_s=5), Put(box="a", sleep=True))
    assert not (await shop.seen()).timers


async def test_the_answer_of_a_call_counts_once(shop: Harness) -> None:
    await shop.put(Put(box="a", call=True))
    (id,) = (await shop.seen()).calls
    answers = [Arrival("call", id, [event(shop.clock, Weighed(box="a", grams=grams))]) for grams in (5, 6)]
    await shop.unit.work([answers[0]])
    await shop.unit.work([answers[1]])
    seen = await shop.seen()
    assert seen.boxes["a"].grams == 5
    assert not seen.calls


async def test_a_parked_message_is_replayed_once(shop: Harness) -> None:
    await shop.put(Put(box="a"))
    await shop.put(Put(box="a", add=1, fail="bug"))
    (id,) = (await shop.seen()).parked_ids
    again = [Arrival("parked", id, [event(shop.clock, Put(box="a", add=1))]) for _ in range(2)]
    await shop.unit.work([again[0]])
    await shop.unit.work([again[1]])
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 1
    assert not seen.parked_ids


# Rows


async def test_the_rows_of_an_aggregate_are_as_the_last_unit_left_them(shop: Harness) -> None:
    for word in ("b", "B", "a", "b"):
        await shop.put(Put(box="a", tag=word))
    await shop.put(Put(box="a", tag="b"), Put(box="a", add=2, tag="c"), Put(box="c", tag="b"))
    await shop.put(Put(box="a", tag="d", fail="bug"))
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 2
    counted = [(tag.box, tag.word, tag.times) for tag in seen.tags]
    assert counted == [("a", "B", 1), ("a", "a", 1), ("a", "b", 3), ("a", "c", 1), ("c", "b", 1)]


async def test_a_row_that_is_changed_and_changed_back_in_one_unit_is_as_it_was(shop: Harness) -> None:
    await shop.put(Put(box="a", slip=1))
    await shop.put(Put(box="a", close=1), Put(box="a", slip=1), Put(box="a", add=5), Put(box="a", add=-5))
    seen = await shop.seen()
    assert (seen.slips, seen.parked) == ((Slip("a", 1, True),), ())


@pytest.mark.parametrize("fail", FAILURES)
async def test_a_failure_leaves_nothing_behind_that_a_later_unit_could_see(shop: Harness, fail: Failure) -> None:
    await shop.put(Put(box="a", add=1, tag="t"))
    await shop.put(Put(box="a", add=10, tag="t", fail=fail))
    await shop.put(Put(box="a", add=1, tag="t"))
    seen = await shop.seen()
    assert (seen.boxes["a"].amount, [tag.times for tag in seen.tags]) == (2, [2])


# Requests


async def test_a_repeated_request_gets_the_same_answer_and_changes_nothing(shop: Harness) -> None:
    first = await shop.ask(Put(box="a", add=1), KEY)
    again = await shop.ask(Put(box="a", add=1), KEY)
    assert (first.body, first.status) == (again.body, again.status) == ({"box": "a", "amount": 1}, 201)
    assert (await shop.seen()).boxes["a"].amount == 1


async def test_the_same_key_with_other_content_is_refused(shop: Harness) -> None:
    await shop.ask(Put(box="a", add=1), KEY)
    reply = await shop.ask(Put(box="a", add=2), KEY)
    assert reply.status == 422
    assert (await shop.seen()).boxes["a"].amount == 1


async def test_a_refusal_is_an_answer_too_and_is_given_again(shop: Harness) -> None:
    first = await shop.ask(Put(box="a", fail="refused"), KEY)
    again = await shop.ask(Put(box="a", fail="refused"), KEY)
    assert first.status == again.status == 409
    assert first.body == again.body
    assert first.body["field"] == "box"
    seen = await shop.seen()
    assert not seen.boxes
    assert not seen.parked


@pytest.mark.parametrize(("fail", "status"), [("missing", 404), ("bug", 500), ("oversized", 500)])
async def test_a_failed_request_may_be_tried_again_under_its_key(shop: Harness, fail: Failure, status: int) -> None:
    assert (await shop.ask(Put(box="a", add=1, fail=fail), KEY, "same")).status == status
    seen = await shop.seen()
    assert not seen.requests
    assert not seen.parked, "its caller was told; nobody else needs to look at it"
    assert (await shop.ask(Put(box="a", add=1), KEY, "same")).status == 201
    assert (await shop.seen()).boxes["a"].amount == 1


async def test_what_the_database_refuses_is_told_to_the_caller_without_its_words(shop: Harness) -> None:
    await shop.ask(Put(box="a", add=1), KEY)
    reply = await shop.ask(Put(box="a", add=-5), UUID(int=2))
    assert reply.status == 409
    assert "check" not in reply.body["title"].lower()
    assert (await shop.ask(Put(box="a", add=-1), UUID(int=2))).status == 201, "the key is free again"


async def test_a_request_twice_in_one_batch_is_decided_once(shop: Harness) -> None:
    twice = [request(shop.clock, Put(box="a", add=1), KEY) for _ in range(2)]
    await shop.unit.work(twice)
    assert (await shop.seen()).boxes["a"].amount == 1


# Poison among healthy neighbours


@pytest.mark.parametrize("fail", FAILURES)
async def test_poison_in_the_middle_of_a_packet_is_parked_and_the_others_get_through(
    shop: Harness, fail: Failure
) -> None:
    messages = [Put(box=f"b{i}", add=1, fail=fail if i == 20 else "") for i in range(64)]
    await shop.unit.work([arrival(shop.clock, *messages), arrival(shop.clock, Put(box="other", add=1))])
    seen = await shop.seen()
    assert len(seen.boxes) == 64
    assert "b20" not in seen.boxes
    assert len(seen.sent) == 64
    assert not seen.timers
    ((arrived_by, reason, attempts),) = seen.parked
    assert (arrived_by, attempts) == ("packet", 1)
    assert "Error" in reason or ":" in reason


@pytest.mark.parametrize("guilty", [(0,), (63,), (20, 21, 40)], ids=str)
async def test_whom_the_database_refuses_is_found_and_parked_alone(shop: Harness, guilty: tuple[int, ...]) -> None:
    """A unique violation and a failed check; every healthy event of the batch commits."""
    await shop.put(Put(box="taken", note="taken"))
    bad = [Put(box=f"b{i}", note="taken") if i % 2 else Put(box=f"b{i}", add=-1) for i in guilty]
    messages = [Put(box=f"b{i}", add=1) for i in range(64)]
    for i, message in zip(guilty, bad, strict=True):
        messages[i] = message
    before = [arrival(shop.clock, Put(box=f"before{i}")) for i in range(5)]
    after = [arrival(shop.clock, Put(box=f"after{i}")) for i in range(5)]
    outcomes = await shop.unit.work([*before, arrival(shop.clock, *messages), *after])
    assert sum(len(outcome.arrivals) for outcome in outcomes) == 11, "each arrival is acked once"
    seen = await shop.seen()
    assert len(seen.boxes) == 1 + 10 + 64 - len(guilty)
    assert not [i for i in guilty if f"b{i}" in seen.boxes]
    assert len(seen.parked) == len(guilty)
    assert len(seen.entries) == 1


async def test_the_same_new_key_twice_in_one_packet_blames_the_second(shop: Harness) -> None:
    await shop.put(Put(box="a", add=1, note="n"), Put(box="b", add=1), Put(box="c", add=1, note="n"))
    seen = await shop.seen()
    assert set(seen.boxes) == {"a", "b"}
    assert [entry.box for entry in seen.entries] == ["a"]
    assert len(seen.parked) == 1


async def test_an_event_that_undoes_what_another_broke_saves_neither_of_them_unseen(shop: Harness) -> None:
    """-1 then +2 on one box is fine in sum, and the database sees only the sum."""
    await shop.put(Put(box="a", add=-1), Put(box="a", add=2))
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 1
    assert not seen.parked


async def test_an_event_that_looked_at_a_guilty_neighbours_row_is_decided_again_without_it(shop: Harness) -> None:
    await shop.put(Put(box="a", add=-5), Put(box="a", add=3))
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 3
    assert len(seen.parked) == 1
    assert [m.amount for m in seen.sent if isinstance(m, Moved)] == [3]


async def test_a_message_whose_own_text_no_database_holds_is_parked_all_the_same(shop: Harness) -> None:
    """NUL in the subject: the row that says why must not be refused for it."""
    await shop.put(Put(box="a\0b", fail="bug"), Put(box="c", add=1))
    seen = await shop.seen()
    assert set(seen.boxes) == {"c"}
    assert len(seen.parked) == 1


async def test_a_command_that_nobody_handles_is_parked_with_its_name_and_a_fact_is_no_failure(shop: Harness) -> None:
    packet = arrival(shop.clock, Remember(box="a", amount=1), Moved(box="a", amount=1))
    await shop.unit.work([packet])
    seen = await shop.seen()
    ((_, reason, _),) = seen.parked
    assert "mirror.remember.v1" in reason
    assert packet.id in seen.inbox


# All or none


@pytest.mark.parametrize("fail", FAILURES)
async def test_of_a_failed_decision_nothing_remains(shop: Harness, fail: Failure) -> None:
    await shop.put(Put(box="a", add=1, slip=1, wake_s=100))
    before = await shop.seen()
    await shop.put(Put(box="a", add=1, note="n", slip=2, close=1, wake_s=5, call=True, fail=fail))
    after = await shop.seen()
    assert len(after.parked) == 1
    changed = replace(after, parked=before.parked, parked_ids=before.parked_ids, inbox=before.inbox)
    assert changed == before


async def test_a_dry_run_leaves_nothing(shop: Harness) -> None:
    before = await shop.seen()
    await shop.unit.attempt([arrival(shop.clock, Put(box="a", add=1, note="n", wake_s=1, call=True))], dry=True)
    assert await shop.seen() == before
    await shop.unit.attempt([request(shop.clock, Put(box="a", fail="bug"), KEY)], dry=True)
    assert await shop.seen() == before


async def test_a_unit_that_is_cut_off_leaves_nothing_and_harms_no_later_one(shop: Harness) -> None:
    """Also when its connection goes back to the pool: the next unit's commit must be a real one."""
    entered = asyncio.Event()
    original = shop.unit.load

    async def stuck(*args: object, **kwargs: object) -> None:
        entered.set()
        await asyncio.Event().wait()

    shop.unit.load = stuck  # type: ignore[method-assign]
    task = asyncio.create_task(shop.unit.attempt([arrival(shop.clock, Put(box="a", add=1))]))
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    shop.unit.load = original  # type: ignore[method-assign]
    await shop.put(Put(box="b", add=1))
    seen = await shop.seen()
    assert set(seen.boxes) == {"b"}
    assert len(seen.inbox) == 1


# What is missing is looked for again


async def test_what_is_missing_is_tried_on_the_ladder_and_then_parked(shop: Harness) -> None:
    await shop.put(Put(box="a", add=1, fail="missing"), Put(box="b", add=1))
    for attempt, pause in enumerate(LADDER, start=1):
        (timer,) = (await shop.seen()).timers.values()
        assert timer.due_at == shop.clock.time + pause
        assert timer.attempt == attempt
        assert not (await shop.seen()).parked
        shop.clock.time = timer.due_at
        await shop.unit.work([timer_arrival(timer)])
    seen = await shop.seen()
    assert not seen.timers
    ((arrived_by, reason, attempts),) = seen.parked
    assert arrived_by == "timer"
    assert attempts == len(LADDER) + 1
    assert Missing.__name__ in reason
    assert set(seen.boxes) == {"b"}


async def test_what_was_missing_and_has_come_is_found_by_the_next_try(shop: Harness) -> None:
    await shop.put(Put(box="a", add=1))
    await shop.unit.work([arrival(shop.clock, Put(box="a", add=10, fail="missing"))])
    await shop.put(Put(box="a", slip=1))
    await shop.unit.work(await shop.due())
    seen = await shop.seen()
    assert seen.boxes["a"].amount == 11
    assert not seen.timers
    assert not seen.parked


async def test_a_timer_of_our_own_that_misses_something_climbs_the_ladder_too(shop: Harness) -> None:
    await shop.unit.work([arrival(shop.clock, Put(box="a", wake_s=1))])
    (armed,) = await shop.due()
    armed.envelopes = [event(shop.clock, Woken(box="elsewhere"))]
    await shop.unit.work([armed])
    (timer,) = (await shop.seen()).timers.values()
    assert timer.key.startswith("retry:")


# Rows


async def test_a_second_round_of_loading_follows_what_the_first_found(shop: Harness) -> None:
    await shop.put(Put(box="b", add=1))
    await shop.put(Put(box="a", add=1))
    async with shop.store.begin() as transaction:  # the link is not a decision's to make here
        from shared.messaging.decision import Rows
        from shared.messaging.unit import Outcome
        from tests.messaging.depot import Box

        rows = Rows()
        rows.declare(Box, "a")
        await transaction.claim([], NOW)
        await transaction.load(rows, {Box: ["a"]})
        rows.put([replace(rows.one(Box, "a"), link="b")])
        await transaction.save(Outcome(rows, NOW))
    await shop.put(Put(box="a", add=5, follow=True), Put(box="c", add=1))
    boxes = (await shop.seen()).boxes
    assert (boxes["a"].amount, boxes["b"].amount, boxes["c"].amount) == (6, 6, 1)


async def test_a_closed_row_is_not_shown_and_can_be_opened_again(shop: Harness) -> None:
    await shop.put(Put(box="a", slip=1), Put(box="a", slip=2))
    await shop.put(Put(box="a", close=1))
    await shop.put(Put(box="a", close=1))
    seen = await shop.seen()
    assert [(slip.no, slip.open) for slip in seen.slips] == [(1, False), (2, True)]
    assert len(seen.parked) == 1, "the second closing does not see slip 1 any more"
    await shop.put(Put(box="a", slip=1))
    assert [slip.open for slip in (await shop.seen()).slips] == [True, True]


async def test_an_event_as_large_as_allowed_goes_out_and_a_larger_one_never_reaches_the_outbox(shop: Harness) -> None:
    await shop.put(Put(box="a", pad="é" * (MAX_EVENT_BYTES // 4)), Put(box="b", pad="é" * (MAX_EVENT_BYTES // 2)))
    seen = await shop.seen()
    assert [m.box for m in seen.sent if isinstance(m, Moved)] == ["a"]
    ((_, reason, _),) = seen.parked
    assert reason.startswith("TooLarge")


async def test_bytes_that_are_no_message_are_parked_and_claimed(shop: Harness) -> None:
    from shared.messaging.bus import Reader, arrival_of

    reader = Reader("depot", lambda arrival: None, shop.clock.now, shop.clock.new_id)
    come = arrival_of(reader, "depot.put.v1", b"\xff\x00", None, None)
    await shop.unit.work([come])
    await shop.unit.work([come])
    ((_, reason, _),) = (await shop.seen()).parked
    assert reason.startswith("Unreadable")
