"""A broker that runs and does not do what it should: alarms, lost queues and bindings, another password, its patience.

F7 to F10 and F12, each under orders, on a node of our own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import pytest

from comptoir.chaos.monkey import until_an_order_walks_through
from comptoir.chaos.works import Works, told
from comptoir.operating import resent
from comptoir.rest import motion
from comptoir.runs import NAMES
from shared.messaging.rabbit import PREFETCH, declare
from shared.messaging.topology import Names
from tests.eventually import eventually
from tests.faults.load import SOME, all_is_well, all_live, goes_on, gone, measure, stopped, under_load, waiting
from tests.faults.own import Own

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(240)]

ALARMS = [
    pytest.param(("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4"), id="memory"),
    pytest.param(
        ("set_disk_free_limit", "1000GB"), ("set_disk_free_limit", "50MB"), id="disk", marks=pytest.mark.chaos
    ),
]


@pytest.mark.parametrize(("raised", "cleared"), ALARMS)
async def test_f07_an_alarm_blocks_publishing_while_orders_are_taken_and_queues_are_read(
    own: Own, raised: tuple[str, ...], cleared: tuple[str, ...]
) -> None:
    works = own.works
    books = works.run.connections["order"]

    async def nothing_goes_out() -> bool:
        return await measure(works, "order", "comptoir_unconfirmed_total") > before

    async def all_is_read() -> bool:
        lengths = await asyncio.to_thread(own.rabbit.ctl, "list_queues", "messages", "--formatter", "json")
        return '"messages":' in lengths and all(part[0] == "0" for part in lengths.split('"messages":')[1:])

    async with under_load(works) as load:
        before = await measure(works, "order", "comptoir_unconfirmed_total")
        await asyncio.to_thread(own.rabbit.ctl, *raised)
        try:
            await eventually(nothing_goes_out, 30)
            blocked = await books.fetchval("select clock_timestamp()")
            await goes_on(load)
            await eventually(all_is_read, 30, 1.0)
            since = "from outbox where created_at > $1"
            assert await books.fetchval(f"select count(*) {since}", blocked) >= SOME
            assert not await books.fetchval(f"select count(*) {since} and sent_at is not null", blocked), (
                "not confirmed"
            )
            await all_live(works)
        finally:
            await asyncio.to_thread(own.rabbit.ctl, *cleared)
    assert not works.deaths
    assert not any((await waiting(works, dead=True)).values())


async def lost(works: Works) -> bool:
    """What was confirmed and never handled shows, and goes on showing."""
    return any("handled it" in breach for breach in await works.breaches())


async def sent_again(works: Works, since: datetime) -> None:
    """What an operator does: `comptoir topology`, then `comptoir resend --since`."""
    await declare(works.run.rabbitmq_url, works.prefix)
    assert await resent(works.database_url, NAMES, since, "", dry_run=False)


async def test_f08_a_queue_that_was_purged_is_seen_to_be_and_a_resend_makes_it_good(own: Own) -> None:
    works = own.works
    since = datetime.now(UTC)
    with told(works):
        before = int(await works.run.connections["order"].fetchval("select count(*) from orders"))
        async with stopped(works, "fulfilment"):
            await asyncio.gather(*(works.place(before + i) for i in range(12)))

            async def piled_up() -> bool:
                counts = await waiting(works)
                moving = await motion(works.run.connections)
                return counts["fulfilment"] > 0 and moving.unsent == counts["order"] + counts["billing"] == 0

            await eventually(piled_up, 30)
            async with await aio_pika.connect(works.run.rabbitmq_url) as connection:
                queue = await (await connection.channel()).get_queue(Names(works.prefix).queue("fulfilment"))
                await queue.purge()
        await until_nothing_moves(works)
        known = {name: await measure(works, name, "comptoir_known_total") for name in ("order", "inventory", "billing")}
        assert (await motion(works.run.connections)).unread > 0
        assert await lost(works)
        await sent_again(works, since)
        await all_is_well(works, before + 12)
        for name, was in known.items():
            assert await measure(works, name, "comptoir_known_total") > was, "what was handled is known by its id"


async def until_nothing_moves(works: Works) -> None:
    """Whatever can be handled has been: what is counted as on its way stays as it is."""
    seen: list[object] = []

    async def still() -> bool:
        seen.append(await motion(works.run.connections))
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    await eventually(still, 30, 0.1)


@pytest.mark.chaos
async def test_f08_a_queue_that_was_deleted_is_declared_anew_and_read_again(own: Own) -> None:
    works = own.works
    since = datetime.now(UTC)
    async with under_load(works) as load:
        async with await aio_pika.connect(works.run.rabbitmq_url) as connection:
            await (await connection.channel()).queue_delete(Names(works.prefix).queue("inventory"))
        await goes_on(load)
        await eventually(lambda: unroutable(works), 30)
        await sent_again(works, since)
        await until_an_order_walks_through(works, 2_000_000)
        load.placed.append("the one that walked through")


async def unroutable(works: Works) -> bool:
    return await measure(works, "order", "comptoir_unroutable") > 0


async def test_f09_a_command_whose_binding_is_gone_waits_in_the_outbox_and_rings_the_alarm(own: Own) -> None:
    works = own.works
    names = Names(works.prefix)
    async with under_load(works) as load:
        async with await aio_pika.connect(works.run.rabbitmq_url) as connection:
            queue = await (await connection.channel()).get_queue(names.queue("fulfilment"))
            await queue.unbind(names.exchange, "fulfilment.plan_shipment.v1")
        await eventually(lambda: unroutable(works), 30)
        await goes_on(load)
        waits = "select count(*) from outbox where sent_at is null and key = 'fulfilment.plan_shipment.v1'"
        assert await works.run.connections["order"].fetchval(waits) > 0
        await declare(works.run.rabbitmq_url, works.prefix)

    async def quiet_again() -> bool:
        return not await unroutable(works)

    await eventually(quiet_again)


@asynccontextmanager
async def url_in_a_file(works: Works, file: Path) -> AsyncIterator[None]:
    """The services have the broker's URL from a file, as secrets are given; afterwards from their environment again."""
    environment = works.processes.environment
    url = environment.pop("COMPTOIR_RABBITMQ_URL")
    file.write_text(url)
    environment["COMPTOIR_RABBITMQ_URL_FILE"] = str(file)
    try:
        await all_restarted(works)
        yield
    finally:
        del environment["COMPTOIR_RABBITMQ_URL_FILE"]
        environment["COMPTOIR_RABBITMQ_URL"] = url
        await all_restarted(works)
        works.deaths.clear()


async def all_restarted(works: Works) -> None:
    before = dict(works.processes.running)
    for process in before.values():
        process.popen.terminate()
    await eventually(lambda: all(works.processes.running[name] is not old for name, old in before.items()), 30)
    for name in before:
        await works.ready(name)


@pytest.mark.chaos
async def test_f10_services_come_back_with_the_new_password_without_a_restart(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = own.works
    file = tmp_path / "rabbitmq-url"
    monkeypatch.delenv("COMPTOIR_RABBITMQ_URL", raising=False)

    async def change(to: str) -> None:
        await asyncio.to_thread(own.rabbit.ctl, "change_password", "comptoir", to)
        await asyncio.to_thread(own.rabbit.ctl, "close_all_connections", "the password was changed")

    async with url_in_a_file(works, file):
        works.deaths.clear()
        async with under_load(works) as load:
            old, new = own.rabbit.password, "rotated"
            await change(new)
            try:
                await asyncio.gather(*(gone(works, name) for name in NAMES))
                await goes_on(load)
                await all_live(works)
                file.write_text(file.read_text().replace(old, new))
                for name in NAMES:
                    await works.ready(name)
            finally:
                file.write_text(file.read_text().replace(new, old))
                await change(old)
            for name in NAMES:
                await works.ready(name)
        assert not works.deaths


@pytest.mark.chaos
async def test_f12_a_unit_that_outlasts_the_brokers_patience_is_done_once(own: Own) -> None:
    """The broker ends the channel of who holds a packet too long without an ack; here as the database is locked."""
    works = own.works
    patience = (
        "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
    )

    async def renewed(timeout_ms: int, tick_ms: int) -> None:
        """Channels that are opened from now on."""
        await asyncio.to_thread(own.rabbit.ctl, "eval", patience.format(timeout_ms, tick_ms))
        await asyncio.to_thread(own.rabbit.ctl, "close_all_connections", "other limits")
        for name in NAMES:
            await works.ready(name)

    await renewed(3_000, 500)
    try:
        known = await measure(works, "inventory", "comptoir_known_total")
        async with under_load(works) as load:
            await goes_on(load, PREFETCH)  # whoever goes on counting where the old channel was never acks on the new
            books = works.run.connections["inventory"]
            said = len(own.rabbit.output())
            async with books.transaction():
                await books.execute("lock table levels in access exclusive mode")
                await eventually(lambda: "delivery acknowledgement" in own.rabbit.output()[said:], 60)
        assert await measure(works, "inventory", "comptoir_known_total") > known, "it came again, and was known"
        assert not works.deaths
        assert not any((await waiting(works, dead=True)).values())
    finally:
        await renewed(1_800_000, 60_000)
