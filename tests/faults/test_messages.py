"""Messages that come again and messages that are poison, in the whole suite: F13 and F18.

The mechanism alone is tested in tests/messaging: test_bus.py, test_store.py, test_rabbit.py.
"""

import asyncio
from uuid import UUID

import pytest

from comptoir.chaos.works import Works, told
from comptoir.sender import Sender
from shared import clock
from shared.contracts.inventory import ReceiveStock, StockLine
from shared.messaging.envelope import Packet, read
from tests.eventually import eventually
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
        handled = [await c.fetchval("select count(*) from inbox") for c in works.run.connections.values()]
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
        now = [await c.fetchval("select count(*) from inbox") for c in works.run.connections.values()]
        assert all(0 < new - old < 30 for new, old in zip(now, handled, strict=True))


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
        parked = await works.run.connections["inventory"].fetch("select event_id, reason from parked")
        assert {row["event_id"] for row in parked} == poison
        assert all("nowhere" in row["reason"] or "never heard of" in row["reason"] for row in parked), parked
        await works.rests()
        assert not await works.breaches(poison)


async def all_completed(works: Works, number: int) -> bool:
    sql = "select count(*) from progress where status = 'completed'"
    return bool(await works.run.connections["order"].fetchval(sql) == number)
