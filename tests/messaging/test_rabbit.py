"""What RabbitMQ and its client libraries do by default, and what we do about it; on a real broker.

The findings are those of the study in docs/adr: each default that loses messages has a test that it is not ours.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import aio_pika
import pytest

from shared.messaging import topology
from shared.messaging.bus import Reader, Unroutable, Unsendable
from shared.messaging.envelope import CONTENT_TYPE, MAX_EVENT_BYTES, Packet
from shared.messaging.rabbit import Prefix, RabbitBus, arguments, declare
from shared.messaging.topology import SERVICES, Names, queues
from shared.messaging.unit import Arrival
from tests.eventually import eventually
from tests.messaging import depot
from tests.messaging.depot import Moved, Put, Remember, Untold, packet_of
from tests.messaging.town import RabbitTown

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres]


async def fetch(town: RabbitTown, queue: str) -> aio_pika.abc.AbstractIncomingMessage:
    """The next message of a queue, taken off."""
    async with await aio_pika.connect(town.url) as connection:
        channel = await connection.channel()
        waiting = await channel.get_queue(queue)
        message = await waiting.get(timeout=5)
        assert message is not None
        await message.ack()
        return message


# Findings 1 and 4: publishing


async def test_finding_1_every_message_is_persistent_and_says_what_it_is(rabbit_town: RabbitTown) -> None:
    packet = packet_of(rabbit_town.clock, Moved(box="a", amount=1))
    await rabbit_town.bus.publish(packet)
    message = await fetch(rabbit_town, rabbit_town.names.queue("mirror"))
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert (message.message_id, message.type, message.content_type) == (str(packet.id), packet.key, CONTENT_TYPE)
    assert message.body.decode() == packet.body


@pytest.mark.parametrize(
    ("key", "body", "why"),
    [
        ("k" * 256, "[]", "256 bytes where 255"),
        ("depot.put.v1", "x" * (MAX_EVENT_BYTES + 3), "bytes where"),
        ("depot.put.v1", "\ud800", "not a text"),
    ],
    ids=["key", "body", "half a character"],
)
async def test_what_no_message_can_hold_is_told_apart_from_what_may_go_out_later(
    rabbit_town: RabbitTown, key: str, body: str, why: str
) -> None:
    good = packet_of(rabbit_town.clock, Moved(box="a", amount=1))
    with pytest.raises(Unsendable, match=why):
        await rabbit_town.bus.publish(Packet(good.id, key, 1, body))
    await rabbit_town.bus.publish(good)  # the channel is as good as before


async def test_finding_1_a_command_that_no_queue_takes_raises_and_an_event_does_not(rabbit_town: RabbitTown) -> None:
    async with await aio_pika.connect(rabbit_town.url) as connection:
        queue = await (await connection.channel()).get_queue(rabbit_town.names.queue("depot"))
        await queue.unbind(rabbit_town.names.exchange, "depot.put.v1")
    with pytest.raises(Unroutable, match=r"depot\.put\.v1"):
        await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Put(box="a")))
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, depot.Untold(box="a")))


async def test_finding_1_publish_returns_with_the_brokers_confirm_and_not_before(rabbit_town: RabbitTown) -> None:
    rabbit_town.proxy.black_hole()
    publishing = asyncio.create_task(rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="a", amount=1))))
    done, _ = await asyncio.wait([publishing], timeout=0.5)
    assert not done
    await rabbit_town.proxy.heal()
    await publishing
    assert await rabbit_town.waiting() == 1


async def test_finding_1_a_missing_exchange_is_an_error_and_the_next_publish_works(rabbit_town: RabbitTown) -> None:
    async with await aio_pika.connect(rabbit_town.url) as connection:
        await (await connection.channel()).exchange_delete(rabbit_town.names.exchange)
    packet = packet_of(rabbit_town.clock, Moved(box="a", amount=1))
    with pytest.raises(Exception, match=r"NOT_FOUND|no exchange|closed"):
        await rabbit_town.bus.publish(packet)
    await declare(rabbit_town.url, rabbit_town.names.prefix)

    async def published() -> bool:
        try:
            await rabbit_town.bus.publish(packet)
        except Exception as error:
            raise AssertionError(repr(error)) from error
        return True

    await eventually(published)


async def test_a_binding_of_an_earlier_version_does_no_harm_and_is_taken_away(
    rabbit_town: RabbitTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await aio_pika.connect(rabbit_town.url) as connection:
        queue = await (await connection.channel()).declare_queue(rabbit_town.names.queue("mirror"), passive=True)
        await queue.bind(rabbit_town.names.exchange, Untold.key)
    replica = await rabbit_town.join()

    async def say(box: str) -> None:
        await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Untold(box=box)))
        await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box=box, amount=1)))
        await eventually(lambda: rabbit_town.heard(box) == (1, 1))

    await say("a")
    assert [arrival.envelopes[0].type for arrival in replica.taken] == [Untold.key, Moved.key]
    assert rabbit_town.reasons == []
    monkeypatch.setattr(topology, "FORMER", {"mirror": (Untold.key,)})
    await declare(rabbit_town.url, rabbit_town.names.prefix)
    await say("b")
    assert len(replica.taken) == 3


async def test_f09_a_fact_whose_reader_is_not_bound_any_more_is_not_sent_into_the_void(
    rabbit_town: RabbitTown,
) -> None:
    async with await aio_pika.connect(rabbit_town.url) as connection:
        queue = await (await connection.channel()).declare_queue(rabbit_town.names.queue("mirror"), passive=True)
        await queue.unbind(rabbit_town.names.exchange, Moved.key)
    with pytest.raises(Unroutable):
        await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="a", amount=1)))
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Untold(box="a")))
    await declare(rabbit_town.url, rabbit_town.names.prefix)
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="a", amount=1)))
    assert await rabbit_town.waiting() == 1


async def test_a_queue_that_refuses_is_no_confirm(rabbit_town: RabbitTown) -> None:
    """reject-publish: the broker answers with a nack, which must not count as sent."""
    async with await aio_pika.connect(rabbit_town.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(rabbit_town.names.queue("mirror"))
        full = await channel.declare_queue(
            rabbit_town.names.queue("mirror"),
            durable=True,
            arguments={"x-max-length": 0, "x-overflow": "reject-publish"},
        )
        await full.bind(rabbit_town.names.exchange, "mirror.remember.v1")
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Remember(box="a", amount=1)))


async def test_after_a_refusal_the_next_packet_goes_over_another_channel(rabbit_town: RabbitTown) -> None:
    """RabbitMQ 3.10 refuses a channel for ever that published to a queue while that had no leader."""
    bus: Any = rabbit_town.bus
    publishing = bus.publishing
    before = await publishing._channel.get_underlay_channel()
    async with await aio_pika.connect(rabbit_town.url) as connection:
        channel = await connection.channel()
        full = await channel.declare_queue(
            exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
        )
        await full.bind(rabbit_town.names.exchange, "mirror.remember.v1")
        for _ in range(2):
            with pytest.raises((aio_pika.exceptions.AMQPError, OSError)):
                await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Remember(box="a", amount=1)))
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Remember(box="a", amount=1)))
    assert await publishing._channel.get_underlay_channel() is not before


@pytest.mark.parametrize("trouble", ["given up", "connection lost"])
async def test_replacing_a_channel_never_leaves_it_closed(
    rabbit_town: RabbitTown, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    bus: Any = rabbit_town.bus
    channel = bus.publishing._channel
    close, closing, go_on = channel.close, asyncio.Event(), asyncio.Event()

    async def closes() -> None:
        closing.set()
        await go_on.wait()
        await close()
        if trouble == "connection lost":
            raise aio_pika.exceptions.ChannelInvalidStateError("no active transport")

    monkeypatch.setattr(channel, "close", closes)
    replacing = asyncio.create_task(bus._another_channel())
    await closing.wait()
    if trouble == "given up":
        replacing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await replacing
    go_on.set()
    await bus.reopening
    await bus.publish(packet_of(rabbit_town.clock, Remember(box="a", amount=1)))


# Findings 2, 5 and 6: consuming


def test_finding_2_every_queue_of_the_suite_has_a_limit_and_somewhere_for_its_dead() -> None:
    topology.register({service: import_module(f"services.{service}.handlers").HANDLERS for service in SERVICES})
    assert {queue.service for queue in queues()} == set(SERVICES)
    for queue in queues():
        assert queue.keys
        settings = arguments(queue)
        assert settings["x-queue-type"] == "quorum"
        assert settings["x-dead-letter-exchange"] == Names().dead
        assert settings["x-dead-letter-routing-key"] == queue.name
        assert settings["x-dead-letter-strategy"] == "at-least-once"
        assert settings["x-overflow"] == "reject-publish"
        assert settings["x-delivery-limit"] >= 20, "finding 5: restarts use it up"


async def test_finding_2_what_is_rejected_lies_in_the_dead_letter_queue(rabbit_town: RabbitTown) -> None:
    for service in ("depot", "mirror"):
        await rabbit_town.throw_to(service, b"rejected")
        async with await aio_pika.connect(rabbit_town.url) as connection:
            queue = await (await connection.channel()).get_queue(rabbit_town.names.queue(service))
            message = await queue.get(timeout=5)
            assert message is not None
            await message.reject(requeue=False)
        dead = rabbit_town.names.dead_queue(service)
        await eventually(lambda dead=dead: rabbit_town.waiting(dead))  # type: ignore[misc]
        assert (await fetch(rabbit_town, dead)).body == b"rejected"


async def test_declaring_again_changes_nothing_and_loses_nothing(rabbit_town: RabbitTown) -> None:
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="a", amount=1)))
    await declare(rabbit_town.url, rabbit_town.names.prefix)
    assert await rabbit_town.waiting() == 1


async def test_finding_5_restarts_bring_no_healthy_message_to_the_dead(rabbit_town: RabbitTown) -> None:
    await rabbit_town.put(*(Put(box="a", add=1) for _ in range(8)))
    for _ in range(6):
        doomed = await rabbit_town.join(deaf=True)
        await eventually(lambda: doomed.taken)  # noqa: B023 - awaited here
        await rabbit_town.leave(doomed)
    await rabbit_town.join()
    await eventually(lambda: rabbit_town.heard("a") == (8, 8))
    assert await rabbit_town.waiting(rabbit_town.names.dead_queue("mirror")) == 0


async def test_finding_6_a_poisoned_packet_is_delivered_once_and_acked(rabbit_town: RabbitTown) -> None:
    """No requeue, so no hot loop: a later try is a timer, a last one a parked row."""
    replica = await rabbit_town.join()
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="a", amount=1, add=2**80)))
    await rabbit_town.throw("depot.moved.v1", b"garbage")
    await eventually(lambda: len(replica.taken) == 2)
    await rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="b", amount=1)))
    await eventually(lambda: rabbit_town.heard("b") == (1, 1))
    assert len(replica.taken) == 3
    await rabbit_town.leave(replica)
    assert await rabbit_town.waiting() == 0


# Finding 3: connecting


async def test_finding_3_connecting_to_a_half_open_peer_ends_within_seconds(rabbit_town: RabbitTown) -> None:
    rabbit_town.proxy.black_hole()
    bus = RabbitBus(rabbit_town.proxy.url(rabbit_town.url), [], prefix=rabbit_town.names.prefix)
    async with asyncio.timeout(9):
        with pytest.raises((TimeoutError, OSError, aio_pika.exceptions.AMQPError)):
            await bus.start()
    await rabbit_town.proxy.heal()


# The network


CONFIRM = b"\x00\x3c\x00\x50"
"""Class and method of basic.ack, which is what the broker says when it has taken a message."""


@pytest.mark.slow
async def test_a_black_hole_loses_nothing_and_consuming_goes_on(rabbit_town: RabbitTown) -> None:
    """Finding 4: both ends are cut off and publishes hang; what they held back arrives when they are sent again too."""
    town = rabbit_town
    town.relay.SWEEP_AFTER = timedelta(0)
    town.tasks.append(asyncio.create_task(town.relay.run()))
    replica = await town.join()
    await town.put(*(Put(box="a", add=1, tell=True) for _ in range(20)))
    await eventually(lambda: town.heard("a") == (40, 20))
    town.proxy.black_hole()
    await town.put(*(Put(box="a", add=1, tell=True) for _ in range(20)))
    await eventually(lambda: town.relay.unconfirmed)  # the deadline ended publishes whose outcome nobody knew
    await town.proxy.heal()
    await town.put(*(Put(box="a", add=1, tell=True) for _ in range(20)))
    await eventually(lambda: town.heard("a")[1] >= 60 and replica.desk.known, within_s=15)
    await eventually(town.settled, within_s=15)
    assert town.heard("a") == (120, 60)
    assert all(not task.done() for task in town.tasks), "no loop died of it"


async def test_reset_connections_lose_nothing_and_double_nothing(rabbit_town: RabbitTown) -> None:
    """The first is cut as the broker confirms: it has the packet, and we must send it again."""
    town = rabbit_town
    town.relay.SWEEP_AFTER = timedelta(0)
    town.tasks.append(asyncio.create_task(town.relay.run()))
    replica = await town.join()
    for round in range(1, 4):
        known = replica.desk.known
        town.proxy.cut_answers(CONFIRM, 1)
        await town.put(*(Put(box="a", add=1, tell=True) for _ in range(20)))
        await eventually(lambda: not town.proxy.cuts)
        town.proxy.reset()
        await eventually(lambda: town.heard("a")[1] >= 20 * round, within_s=15)  # noqa: B023
        await eventually(lambda: replica.desk.known > known, within_s=15)  # noqa: B023
    await eventually(town.settled, within_s=15)
    assert town.heard("a") == (120, 60)
    assert all(not task.done() for task in town.tasks)


async def test_a_broker_that_is_away_and_then_half_open_is_found_again(rabbit_town: RabbitTown) -> None:
    """Finding 3: what has reached a half-open peer stays silent for ever, so connecting must be given up."""
    town = rabbit_town
    town.relay.SWEEP_AFTER = timedelta(0)
    town.tasks.append(asyncio.create_task(town.relay.run()))
    await town.join()
    town.proxy.refuse()
    await town.put(*(Put(box="a", add=1, tell=True) for _ in range(20)))
    before = town.proxy.accepted
    await town.proxy.heal()
    town.proxy.black_hole()
    await eventually(lambda: town.proxy.accepted >= before + 2)  # who publishes and who reads
    town.proxy.healthy()  # for those who come from now on
    await eventually(lambda: town.heard("a") == (40, 20), within_s=15)
    await eventually(town.settled, within_s=15)
    assert town.relay.unconfirmed >= 2


async def test_the_watchdog_misses_a_queue_that_is_gone_and_leaves_no_channel_behind(rabbit_town: RabbitTown) -> None:
    bus: Any = (await rabbit_town.join()).bus
    await bus.look()
    assert bus.missed == 0
    channels = set(bus.publishing._connection.transport.connection.channels)
    async with await aio_pika.connect(rabbit_town.url) as connection:
        await (await connection.channel()).queue_delete(rabbit_town.names.queue("mirror"))
    for times in (1, 2):
        await bus.look()
        assert bus.missed == times
    assert not bus.healthy(), "the process is restarted, which declares what is missing"
    assert set(bus.publishing._connection.transport.connection.channels) == channels


async def test_the_watchdog_misses_a_consumer_that_is_gone(rabbit_town: RabbitTown) -> None:
    replica = await rabbit_town.join()
    assert isinstance(replica.bus, RabbitBus)
    bus = replica.bus
    await bus.look()
    assert bus.healthy()
    await bus.reading.stop()
    await eventually(lambda: gone(rabbit_town))
    await bus.look()
    assert bus.healthy(), "once may be a reconnect"
    await bus.look()
    assert not bus.healthy()


async def gone(town: RabbitTown) -> bool:
    return (await town.counts())[1] == 0


# Replicas


async def test_two_replicas_share_the_work_without_doubling(rabbit_town: RabbitTown) -> None:
    first, second = await rabbit_town.join(), await rabbit_town.join()
    packets = [packet_of(rabbit_town.clock, Moved(box="a", amount=1)) for _ in range(200)]
    await asyncio.gather(*(rabbit_town.bus.publish(packet) for packet in packets))
    await eventually(lambda: rabbit_town.heard("a") == (200, 200))
    assert first.taken
    assert second.taken
    assert len(first.taken) + len(second.taken) == 200


async def test_of_two_replicas_one_dies_and_the_other_does_its_work(rabbit_town: RabbitTown) -> None:
    doomed, other = await rabbit_town.join(deaf=True), await rabbit_town.join()
    await asyncio.gather(
        *(rabbit_town.bus.publish(packet_of(rabbit_town.clock, Moved(box="a", amount=1))) for _ in range(60))
    )
    await eventually(lambda: doomed.taken)
    await rabbit_town.leave(doomed)
    await eventually(lambda: rabbit_town.heard("a") == (60, 60))
    assert len(other.taken) == 60


async def test_services_of_one_process_have_channels_of_their_own_and_ack_apart(rabbit_town: RabbitTown) -> None:
    """Tags count per channel: on a shared one, a service that hangs would keep the other's messages un-acked."""
    town = rabbit_town
    taken: dict[str, list[Arrival]] = {"depot": [], "mirror": []}
    readers = [Reader(name, taken[name].append, town.clock.now, town.clock.new_id) for name in taken]
    bus = RabbitBus(town.url, readers, prefix=town.names.prefix, prefetch=2)
    await bus.start()
    for i in range(4):
        await town.bus.publish(packet_of(town.clock, Put(box=f"{i}")))
        await town.bus.publish(packet_of(town.clock, Moved(box=f"{i}", amount=1)))
    await eventually(lambda: all(len(each) == 2 for each in taken.values()))
    finish(taken["mirror"][:2])  # the depot hangs
    await eventually(lambda: len(taken["mirror"]) == 4)
    finish(taken["mirror"][2:])
    await eventually(lambda: nothing_unacked(town, bus))
    assert await town.waiting(town.names.queue("depot")) == 4


def finish(arrivals: list[Arrival]) -> None:
    for arrival in arrivals:
        assert arrival.done is not None
        arrival.done()


async def nothing_unacked(town: RabbitTown, bus: RabbitBus) -> bool:
    """After the connection ends, what was not acked is ready again."""
    await bus.stop()
    return await town.waiting() == 0


async def test_deliveries_that_finish_out_of_order_are_never_acked_beyond_the_first_open_one(
    rabbit_town: RabbitTown,
) -> None:
    town = rabbit_town
    replica = await town.join(deaf=True)
    for i in range(5):
        await town.bus.publish(packet_of(town.clock, Moved(box=f"{i}", amount=1)))
    await eventually(lambda: len(replica.taken) == 5)
    finish([replica.taken[i] for i in (4, 2, 0)])  # 1 and 3 are not finished
    assert replica.bus is not None
    await town.leave(replica)
    await eventually(lambda: town.waiting())
    assert await town.waiting() == 4, "only the first was acked"


class FakeChannel:
    """Takes the acks; one per call."""

    def __init__(self) -> None:
        self.acks: list[int] = []

    async def basic_ack(self, tag: int, multiple: bool) -> None:
        assert multiple
        self.acks.append(tag)


async def flushed(acks: Callable[[], Any]) -> None:
    await eventually(acks, every_s=0)


async def test_the_prefix_acks_many_in_one_frame_and_starts_again_on_a_new_channel() -> None:
    prefix, first, second = Prefix(), FakeChannel(), FakeChannel()
    for _ in range(6):
        prefix.delivered(first)
    for tag in (2, 3, 1, 5):
        prefix.done(first, tag)
    await flushed(lambda: first.acks == [3])
    prefix.done(first, 4)
    await flushed(lambda: first.acks == [3, 5])
    prefix.delivered(second)  # whichever of its tags is seen first
    prefix.done(first, 6)
    prefix.done(second, 2)
    prefix.done(second, 3)
    await flushed(lambda: not prefix.flushing)
    assert second.acks == []
    prefix.done(second, 1)
    await flushed(lambda: second.acks == [3])
    assert first.acks == [3, 5], "a channel that is gone is never acked"


async def test_the_largest_event_goes_over_the_broker(rabbit_town: RabbitTown) -> None:
    await rabbit_town.join()
    await rabbit_town.put(Put(box="a", add=1, pad="x" * (MAX_EVENT_BYTES - 2000)))
    await eventually(lambda: rabbit_town.heard("a") == (1, 1))
    assert rabbit_town.reasons == []
