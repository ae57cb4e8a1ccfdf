"""One contract for both buses: what arrives has one effect, what cannot be used is kept, and nothing is lost."""

import asyncio
import json
from typing import Any

import aio_pika
import pytest

from shared.messaging import topology
from shared.messaging.bus import arrival_of
from shared.messaging.envelope import MAX_EVENT_BYTES, Packet, write
from shared.messaging.rabbit import declare
from shared.messaging.unit import Parked
from tests.eventually import eventually
from tests.messaging import depot
from tests.messaging.depot import Moved, Put, Remember, event, packet_of
from tests.messaging.town import RabbitTown, Town

pytestmark = pytest.mark.postgres


async def test_what_is_committed_arrives_and_is_marked_sent(town: Town) -> None:
    await town.join()
    await town.put(*(Put(box="a", add=1, tell=True) for _ in range(100)))
    await eventually(lambda: town.heard("a") == (200, 100))
    await eventually(town.settled)
    assert town.reasons == []


async def test_a_packet_that_comes_twice_has_one_effect(town: Town) -> None:
    await town.join()
    packet = packet_of(town.clock, Moved(box="a", amount=1), Moved(box="a", amount=2))
    await town.bus.publish(packet)
    await town.bus.publish(packet)
    await town.bus.publish(packet_of(town.clock, Moved(box="last", amount=1)))
    await eventually(lambda: town.heard("last") == (1, 1))
    assert town.heard("a") == (3, 2)


async def test_the_order_of_packets_is_no_promise_and_does_not_matter(town: Town) -> None:
    await town.join()
    packets = [packet_of(town.clock, Moved(box="a", amount=i)) for i in range(30)]
    await asyncio.gather(*(town.bus.publish(packet) for packet in reversed(packets)))
    await eventually(lambda: town.heard("a") == (sum(range(30)), 30))


async def test_sc13_what_was_sent_before_the_reader_is_up_reaches_it(town: Town) -> None:
    await town.put(Put(box="a", add=7, tell=True))
    await eventually(lambda: not town.relay.in_flight)
    await town.join()
    await town.sweep()
    await eventually(lambda: town.heard("a") == (14, 1))
    await eventually(town.settled)


async def test_a_reader_that_dies_before_it_commits_gets_everything_again(town: Town) -> None:
    doomed = await town.join(deaf=True)
    await town.put(*(Put(box="a", add=1) for _ in range(20)))
    await eventually(lambda: doomed.taken)
    assert town.heard("a") == (0, 0)
    await town.leave(doomed)
    await eventually(lambda: not town.relay.in_flight)
    await town.join()
    await town.sweep()
    await eventually(lambda: town.heard("a") == (20, 20))
    await eventually(town.settled)


async def test_a_reader_that_dies_after_its_commit_and_before_its_ack_does_nothing_twice(town: Town) -> None:
    doomed = await town.join(deaf=True)
    await town.put(*(Put(box="a", add=1) for _ in range(5)))
    await eventually(lambda: sum(len(a.envelopes) for a in doomed.taken) == 5)
    await doomed.desk.unit.work(doomed.taken)  # committed, and `done` is never called
    assert town.heard("a") == (5, 5)
    await town.leave(doomed)
    replica = await town.join()
    await town.sweep()
    await eventually(lambda: len(replica.taken) == len(doomed.taken))
    await eventually(town.settled)
    await eventually(lambda: replica.desk.known == len(doomed.taken))  # it has decided them all
    assert town.heard("a") == (5, 5)


async def test_what_was_committed_and_never_handed_to_the_relay_is_found_by_the_sweep(town: Town) -> None:
    """A crash between commit and publish: the unit's packets are in the outbox only."""
    await town.join()
    await town.shop.put(Put(box="a", add=3, tell=True))
    assert len((await town.shop.seen()).outbox) == 3
    town.start_depot()  # another process: its relay knows nothing
    await town.relay.sweep()
    await eventually(lambda: town.heard("a") == (6, 1))
    await eventually(town.settled)


async def test_an_event_without_listeners_vanishes_and_a_command_without_a_home_never(town: Town) -> None:
    """It stays in the outbox, is told to people, and goes out when its reader exists."""
    await town.join()
    topology.register({"depot": depot.HANDLERS})
    topology.queues()
    if isinstance(town, RabbitTown):
        await unbind(town, "mirror.remember.v1")
    await town.put(Put(box="a", add=3, tell=True))
    await eventually(lambda: town.relay.unroutable == {"mirror.remember.v1"})
    await eventually(lambda: not town.relay.in_flight)
    await town.relay.mark()
    assert [packet.key for packet in (await town.shop.seen()).outbox] == ["mirror.remember.v1"]
    await town.sweep()
    await eventually(lambda: not town.relay.in_flight)
    assert [packet.key for packet in (await town.shop.seen()).outbox] == ["mirror.remember.v1"]
    topology.register({"depot": depot.HANDLERS, "mirror": depot.MIRROR})
    if isinstance(town, RabbitTown):
        await declare(town.url, town.names.prefix)
    await town.sweep()
    await eventually(lambda: town.heard("a")[0] >= 3)
    await eventually(town.settled)
    assert town.relay.unroutable == set()


async def unbind(town: RabbitTown, key: str) -> None:
    async with await aio_pika.connect(town.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(town.names.queue("mirror"), passive=True)
        await queue.unbind(town.names.exchange, key)


GOOD = {"specversion": "1.0", "source": "/x", "time": "2026-03-01T12:00:00Z", "type": "depot.moved.v1"}
GARBAGE: dict[str, tuple[str, bytes, str]] = {
    "unknown type": ("depot.never_heard_of.v1", b"[]", "message type"),
    "unknown major version": ("depot.moved.v9", b"[{}]", "version of depot.moved.v1"),
    "no type": ("", b"[]", "Unreadable"),
    "corrupt": ("depot.moved.v1", b'[{"id":', "depot.moved.v1"),
    "not text": ("depot.moved.v1", b"\xff\xfe\x00\x01", "depot.moved.v1"),
    "nul": ("depot.moved.v1", b"\x00", "depot.moved.v1"),
    "nul in the type": ("depot.mo\x00ved.v1", b"[]", "Unreadable"),
    "empty": ("depot.moved.v1", b"", "depot.moved.v1"),
    "empty batch": ("depot.moved.v1", b"[]", "an empty batch"),
    "no list": ("depot.moved.v1", b"{}", "depot.moved.v1"),
    "deep": ("depot.moved.v1", b"[" * 100_000, "depot.moved.v1"),
    "other type inside": (
        "depot.moved.v1",
        json.dumps([GOOD | {"id": "0" * 32, "type": "depot.put.v1", "data": {"box": "a", "amount": 1}}]).encode(),
        "holds events of type depot.put.v1",
    ),
    "oversized": ("depot.moved.v1", b"[" + b" " * (MAX_EVENT_BYTES + 10) + b"]", "TooLarge"),
    "a word to oneself": ("depot.woken.v1", b'[{"box":"a"}]', "does not come by the bus"),
}


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_what_cannot_be_read_is_parked_with_the_reason_and_holds_nobody_back(town: Town, garbage: str) -> None:
    key, body, reason = GARBAGE[garbage]
    if garbage == "no type" and isinstance(town, RabbitTown):
        reason = "unsupported message type"
    await town.join()
    await town.throw(key, body, "no id of ours")
    await town.throw(key, body, "no id of ours")  # the same again: its content is its identity
    await town.bus.publish(packet_of(town.clock, Moved(box="a", amount=1)))
    await eventually(lambda: town.heard("a") == (1, 1))
    (parked,) = await eventually(lambda: list(town.store.books.parked.values()))
    assert isinstance(parked, Parked)
    assert reason in parked.reason
    assert len(parked.body) >= len(body.replace(b"\x00", b""))
    if isinstance(town, RabbitTown):
        await eventually(lambda: nothing_left(town))


async def nothing_left(town: RabbitTown) -> bool:
    return await town.waiting() == 0 and await town.waiting(town.names.dead_queue("mirror")) == 0


async def test_another_content_type_is_parked_and_not_guessed_at(town: Town) -> None:
    if not isinstance(town, RabbitTown):
        reader = (await town.join()).reader
        come = arrival_of(reader, "depot.moved.v1", b"<xml/>", None, None, "text/xml")
        assert "text/xml" in come.unreadable[0].reason
        return
    await town.join()
    await town.throw("depot.moved.v1", b"<xml/>", content_type="text/xml")
    await eventually(lambda: town.reasons)
    assert "text/xml" in town.reasons[0]


async def test_one_event_that_cannot_be_read_does_not_take_its_packet_with_it(town: Town) -> None:
    """A newer sender wrote a value that we do not know: its neighbours get through, it is parked alone."""
    replica = await town.join()
    texts = [write(event(town.clock, Moved(box="a", amount=i))) for i in range(64)]
    texts[20] = texts[20].replace('"amount":20', '"amount":"many"')
    await town.throw("depot.moved.v1", f"[{','.join(texts)}]".encode(), town.clock.new_id())
    await eventually(lambda: town.heard("a") == (sum(range(64)) - 20, 63))
    (parked,) = replica.town.store.books.parked.values()
    assert "amount" in parked.reason
    assert json.loads(parked.body)["data"]["amount"] == "many"


async def test_unknown_fields_of_a_newer_sender_are_ignored(town: Town) -> None:
    await town.join()
    newer: dict[str, Any] = GOOD | {
        "id": str(town.clock.new_id()), "data": {"box": "a", "amount": 1, "colour": "red"}, "newextension": 1,
    }  # fmt: skip
    await town.throw("depot.moved.v1", json.dumps([newer]).encode(), town.clock.new_id())
    await eventually(lambda: town.heard("a") == (1, 1))


async def test_a_foreign_sender_whose_id_is_no_uuid_is_recognised_when_it_repeats(town: Town) -> None:
    await town.join()
    packet = packet_of(town.clock, Moved(box="a", amount=1))
    for _ in range(2):
        await town.throw(packet.key, packet.body.encode(), "order-17")
    await town.bus.publish(packet_of(town.clock, Moved(box="last", amount=1)))
    await eventually(lambda: town.heard("last") == (1, 1))
    assert town.heard("a") == (1, 1)


async def test_a_reader_that_goes_away_for_a_while_misses_nothing(town: Town) -> None:
    replica = await town.join()
    await town.put(Put(box="a", add=1, tell=True))
    await eventually(lambda: town.heard("a") == (2, 1))
    await town.leave(replica)
    await town.put(*(Put(box="a", add=1, tell=True) for _ in range(10)))
    await eventually(lambda: not town.relay.in_flight)
    await town.join()
    await town.sweep()
    await eventually(lambda: town.heard("a") == (22, 11))
    await eventually(town.settled)


async def test_a_packet_is_one_message_on_the_bus_whatever_its_size(town: Town) -> None:
    replica = await town.join()
    packet = packet_of(town.clock, *(Moved(box=f"b{i}", amount=1) for i in range(64)))
    assert isinstance(packet, Packet)
    assert packet.count == 64
    await town.bus.publish(packet)
    await eventually(lambda: town.heard("b63") == (1, 1))
    assert [len(arrival.envelopes) for arrival in replica.taken] == [64]


async def test_the_answer_of_a_command_comes_back_with_its_correlation(town: Town) -> None:
    replica = await town.join()
    await town.put(Put(box="a", add=1, tell=True))
    await eventually(lambda: town.heard("a") == (2, 1))
    envelopes = [e for arrival in replica.taken for e in arrival.envelopes]
    assert {e.correlationid for e in envelopes} == {"a"}
    assert {type(e.data) for e in envelopes} == {Moved, Remember}
    assert len({e.causationid for e in envelopes}) == 1
