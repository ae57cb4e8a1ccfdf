"""Messages that come again, spoilt, too new, too large or never, in the whole suite: F13, F15 to F18 and F39.

The mechanism alone is tested in tests/messaging: test_bus.py, test_store.py, test_rabbit.py.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import pytest

from comptoir.chaos.works import Works, told
from comptoir.runs import NAMES
from comptoir.sender import Sender
from shared import clock
from shared.contracts.inventory import ReceiveStock, StockLine
from shared.messaging.envelope import CONTENT_TYPE, MAX_EVENT_BYTES, Packet, read
from shared.messaging.rabbit import RabbitBus
from tests.eventually import eventually
from tests.faults.load import measure
from tests.journeys.conftest import Plot

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow]

COPIES = 5


async def test_f13_every_packet_comes_five_times_more_at_the_same_time(works: Works, ground: Plot) -> None:
    await ground.cleared()
    await works.opens()
    with told(works):
        await works.story()
        before = await works.figures()
        packets = [
            Packet(row["id"], row["key"], row["count"], row["body"])
            for connection in works.run.connections.values()
            for row in await connection.fetch("select id, key, count, body from outbox")
        ]
        assert len(packets) > 20
        handled = {name: await c.fetchval("select count(*) from inbox") for name, c in works.run.connections.items()}
        known = {name: await measure(works, name, "comptoir_known_total") for name in NAMES}
        for i in range(0, len(packets), 50):
            await asyncio.gather(*(works.run.bus.publish(p) for p in packets[i : i + 50] for _ in range(COPIES)))
        marker = await works.place(1_000)  # what is behind the copies in every queue has been read

        async def completed() -> bool:
            return bool((await works.shows(marker))["status"] == "completed")

        await eventually(completed, 60)
        await works.rests()
        assert not await works.breaches()
        after = await works.figures()
        assert dict(map(tuple, after["orders"])) == {"cancelled": 1, "completed": 12}
        assert after["credit notes"] == before["credit notes"]
        assert after["returns"] == before["returns"]
        assert after["invoices"][0][0] == before["invoices"][0][0] + 1
        for name, connection in works.run.connections.items():
            assert 0 < await connection.fetchval("select count(*) from inbox") - handled[name] < 30
            again = await measure(works, name, "comptoir_known_total") - known[name]
            assert again >= handled[name] > 0, f"{name} took some of what it had handled for new"


async def test_f18_poison_is_parked_with_its_reason_and_holds_nobody_back(works: Works, ground: Plot) -> None:
    await ground.cleared()
    await works.opens()
    sender = Sender(works.run.bus, "poison", clock.now)
    line = (StockLine(sku="never heard of", quantity=1),)
    bad = [ReceiveStock(warehouse="nowhere", reference=f"bad-{i}", lines=line) for i in range(20)]
    packets = [packet for message in bad for packet in sender.packets([message], "mallory")]
    poison = frozenset(UUID(str(event.id)) for packet in packets for event in read(packet.key, packet.body))
    with told(works):
        placing = [asyncio.create_task(works.place(i)) for i in range(40)]
        for packet in packets:
            await works.run.bus.publish(packet)
        orders = await asyncio.gather(*placing)
        await eventually(lambda: all_completed(works, len(orders)), 60)
        stored = works.run.connections["inventory"]

        async def all_of_it_is_parked() -> bool:  # the last of it may come after the last order is completed
            return {row["event_id"] for row in await stored.fetch("select event_id from parked")} == poison

        await eventually(all_of_it_is_parked, 60)
        parked = await stored.fetch("select reason from parked")
        assert all("nowhere" in row["reason"] or "never heard of" in row["reason"] for row in parked), parked
        await works.rests()
        assert not await works.breaches(poison)


@dataclass(frozen=True)
class Spoilt:
    """A message as anybody who may publish can send it, and what its parked row must say."""

    body: bytes
    says: str
    key: str = "inventory.receive_stock.v1"
    content_type: str | None = CONTENT_TYPE


def stock_event(**more: Any) -> dict[str, Any]:
    """As a service writes it: ten mugs come in."""
    line = (StockLine(sku="mug", quantity=10),)
    (packet,) = Sender(None, uuid4().hex, clock.now).packets(  # type: ignore[arg-type]
        [ReceiveStock(warehouse="north", reference=uuid4().hex, lines=line)], "sam"
    )
    event: dict[str, Any] = json.loads(packet.body)[0]
    return event | more


def batch(*events: dict[str, Any]) -> bytes:
    return json.dumps(events).encode()


async def sent_raw(works: Works, messages: list[Spoilt]) -> None:
    """Past our own publisher, which would refuse most of them; confirmed by the broker."""
    assert isinstance(works.run.bus, RabbitBus)
    async with await aio_pika.connect(works.run.bus.url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(works.run.bus.exchange.name)
        for message in messages:
            raw = aio_pika.Message(message.body, content_type=message.content_type, type=message.key)
            raw.message_id = str(uuid4())
            await exchange.publish(raw, "inventory.receive_stock.v1")


@asynccontextmanager
async def orders_go_through(works: Works, number: int = 20) -> AsyncIterator[None]:
    """Neighbours of what is sent in the block: placed before it and after it, all of them completed."""
    with told(works):
        first = [asyncio.create_task(works.place(i)) for i in range(number)]
        yield
        later = [asyncio.create_task(works.place(number + i)) for i in range(number)]
        await asyncio.gather(*first, *later)
        await eventually(lambda: all_completed(works, 2 * number), 90)
        assert not works.deaths


async def dropped(works: Works) -> list[str]:
    """An operator has seen what inventory parked; the reasons. What is left must hold by every law."""
    rows = await works.run.connections["inventory"].fetch("select id, reason from parked order by at, reason")
    for row in rows:
        await works.ask("inventory", "POST", f"/parked/{row['id']}/drop", {"reason": "sent by a test"})
    await works.rests()
    breaches = await works.breaches()
    assert not breaches, breaches
    return [row["reason"] for row in rows]


async def test_f15_f17_spoilt_and_oversized_messages_are_parked_at_once_with_their_reason(
    works: Works, ground: Plot
) -> None:
    await ground.cleared()
    await works.opens()
    good = batch(stock_event())
    noise = random.Random(15).randbytes(2000)
    large = batch(stock_event(padding="x" * MAX_EVENT_BYTES))
    spoilt = [
        Spoilt(b"", "Unreadable"),
        Spoilt(noise, "Unreadable"),
        Spoilt(good[:-40], "Unreadable"),
        Spoilt(b"[" * 50_000, "Unreadable"),
        Spoilt(b"[]", "an empty batch"),
        Spoilt(batch(stock_event(data={"warehouse": 7})), "warehouse"),
        Spoilt(batch(stock_event(type="billing.refund.v1")), "billing.refund.v1"),
        Spoilt(good, "content type is text/plain", content_type="text/plain"),
        Spoilt(large, "bytes where"),
        Spoilt(b"x" * 5_000_000, "bytes where"),
    ]
    async with orders_go_through(works):
        await sent_raw(works, spoilt)
    reasons = await dropped(works)
    assert len(reasons) == len(spoilt)
    for message in spoilt:
        assert any(message.says in reason for reason in reasons), (message.says, reasons)


async def test_f16_a_newer_minor_version_is_read_and_a_newer_major_or_unknown_one_is_parked(
    works: Works, ground: Plot
) -> None:
    await ground.cleared()
    await works.opens(100)
    books = works.run.connections["inventory"]
    minor = stock_event(newheader="of a later version")
    minor["data"] = minor["data"] | {"new_field": {"of": ["a", "later", "version"]}}
    newer = "inventory.receive_stock.v2"
    others = [
        Spoilt(
            batch(stock_event(type=newer)), f"unsupported version of inventory.receive_stock.v1: {newer}", key=newer
        ),
        Spoilt(
            batch(stock_event(type="moon.landed.v1")), "unsupported message type: moon.landed.v1", key="moon.landed.v1"
        ),
    ]
    async with orders_go_through(works):
        await sent_raw(works, [Spoilt(batch(minor), "")])
        await sent_raw(works, others)
    received = "select sum(on_hand) from movements where sku = 'mug' and on_hand > 0"
    assert await books.fetchval(received) == 2 * 100 + 10, "what is known of a newer message is done, once"
    reasons = await dropped(works)
    assert sorted(reasons) == sorted(f"Unreadable: {message.says}" for message in others)


async def test_f39_a_packet_that_cannot_be_sent_is_parked_and_the_rest_flow(works: Works, ground: Plot) -> None:
    await ground.cleared()
    await works.opens()
    books = works.run.connections["order"]
    async with orders_go_through(works):
        await books.execute(
            "insert into outbox (id, key, count, body, created_at) values (gen_random_uuid(), $1, 1, '[]', now())",
            "order.told." + "x" * 300,
        )
    await eventually(lambda: books.fetch("select 1 from parked"), 30)
    ((id, arrived_by, reason),) = await books.fetch("select id, arrived_by, reason from parked")
    assert arrived_by == "outbox"
    assert "a key of 311 bytes where 255 are the most" in reason
    await works.ask("order", "POST", f"/parked/{id}/drop", {"reason": "written by a test"})
    await works.rests()
    assert not await works.breaches()


async def all_completed(works: Works, number: int) -> bool:
    sql = "select count(*) from progress where status = 'completed'"
    return bool(await works.run.connections["order"].fetchval(sql) == number)
