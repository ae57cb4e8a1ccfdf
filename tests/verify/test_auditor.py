"""The auditor of a running suite: what it finds, what it leaves alone, and how little it reads at a time."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor, AuditorSettings, Violation
from comptoir.commands import auditing
from comptoir.rest import Databases as Connected
from comptoir.rest import at_rest
from comptoir.runs import BY_ITSELF
from comptoir.sender import Sender
from comptoir.suite import BUILD, Suite, make, started
from comptoir.web import one_door
from shared import clock
from shared.contracts.inventory import Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.order import HoldOrder, NewLine, PlaceOrder, ReleaseHold
from shared.contracts.values import Address
from shared.messaging.bus import LocalBus
from tests.conftest import Databases
from tests.eventually import eventually
from tests.proxy import Proxy

pytestmark = pytest.mark.postgres
NAMES = tuple(BUILD)
AT_ONCE: dict[str, Any] = {"audit_every_s": 0.05, "audit_apart_s": 0.2}


@dataclass
class Shop:
    """A running suite with stock, whose orders complete by themselves; `held` ones wait for a person."""

    url: str
    suite: Suite
    books: Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
    sender: Sender

    async def places(self, first: int, count: int, held: bool = False) -> list[UUID]:
        line = NewLine(sku="MUG", quantity=2, unit_price=Decimal("9.99"), vat_rate=Decimal(20), kind="goods")
        orders = [
            PlaceOrder(
                order_id=self.sender.id_of(f"order/{n}"),
                channel="web",
                external_id=str(n),
                currency="GBP",
                payment_token="tok",
                ship_to=Address(name="A. Customer", street=("1 High Street",), city="Town", country="GB"),
                lines=(line,),
                hold="checked by hand" if held else "",
            )
            for n in range(first, first + count)
        ]
        await self.sender.send(orders)
        return [order.order_id for order in orders]

    async def change(self, service: str, statement: str) -> None:
        """Behind everybody's back: triggers do not see it."""
        async with self.books[service].transaction():
            await self.books[service].execute("set local session_replication_role = replica")
            await self.books[service].execute(statement)

    async def holds(self, order_id: UUID) -> str:
        holds = await self.books["order"].fetchval("select holds::text from progress where order_id = $1", order_id)
        return str(holds)

    @asynccontextmanager
    async def audited(self, url: str = "", **settings: Any) -> AsyncIterator[Auditor]:
        """A fresh auditor at work on this shop."""
        auditor = self.auditor(url, **settings)
        auditor.start()
        try:
            yield auditor
        finally:
            await auditor.stop()

    def auditor(self, url: str = "", **settings: Any) -> Auditor:
        chosen = AT_ONCE | {"database_url": url or self.url, "_env_file": None} | settings
        return Auditor(AuditorSettings(**chosen), self.suite.bus)


@pytest.fixture
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    run = f"audit_{uuid4().hex[:8]}"
    for name in NAMES:
        await databases.fresh(make(name).metadata, name=f"{run}_{name}")
    url = databases.url("comptoir_x").replace("comptoir_x", f"{run}_{{service}}")
    async with started(**{**BY_ITSELF, "database_url": url}) as suite, Connected(url, NAMES) as books:
        sender = Sender(suite.bus, run, clock.now)
        await sender.send([RegisterWarehouse(code="north", country="GB", rank=1)])
        await sender.send([RegisterItems(items=(Item(sku="MUG"), Item(sku="POT")))])
        stock = tuple(StockLine(sku=sku, quantity=10_000) for sku in ("MUG", "POT"))
        await sender.send([ReceiveStock(warehouse="north", reference="opening", lines=stock)])
        yield Shop(url, suite, books, sender)


async def rounds(auditor: Auditor, more: int) -> None:
    """So many whole rounds from now."""
    until = auditor.rounds + more
    await eventually(lambda: auditor.rounds >= until, within_s=20)


def numbers(found: list[Violation]) -> set[tuple[str, UUID | None, str | None]]:
    return {(one.invariant, one.order_id, one.sku) for one in found}


async def test_a_breach_is_found_and_named_its_order_is_held_and_others_go_on(shop: Shop) -> None:
    waiting, other = await shop.places(1, 2, held=True)
    done = await shop.places(3, 8)
    await at_rest(shop.books, 20)
    async with shop.audited(audit_orders=2) as auditor:
        await rounds(auditor, 6)
        assert auditor.violations() == []
        await shop.change("order", f"update lines set quantity = quantity + 1 where order_id = '{waiting}'")
        await shop.change("billing", f"update accounts set captured = captured + 1 where order_id = '{done[0]}'")
        await shop.change("inventory", "update levels set on_hand = on_hand + 1 where sku = 'POT'")
        planted = auditor.rounds
        await eventually(lambda: len(auditor.violations()) >= 5, within_s=10)
        # ten orders, two a round: five rounds for the circle, four until they are seen a second time
        assert auditor.rounds - planted <= 5 + 8
        found = auditor.violations()
        assert {("I6", waiting, None), ("I12", done[0], None), ("I1", None, "POT")} <= numbers(found)
        assert {one.order_id for one in found if one.order_id} == {waiting, done[0]}

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(one_door(shop.suite, auditor)), base_url="http://us"
        ) as http:
            said = (await http.get("/auditor/violations")).json()
            metrics = (await http.get("/auditor/metrics")).text
        assert {(one["invariant"], one["order_id"] or one["sku"], one["document"]) for one in said["violations"]} >= {
            ("I6", str(waiting), "order C-1"),
            ("I1", "POT", "POT@north"),
        }
        pots = [one["says"] for one in said["violations"] if one["sku"]]
        assert pots == ["POT@north: 10001 on hand, its movements sum to 10000"]
        assert 'comptoir_invariant_violations{invariant="I6"} 1.0' in metrics
        assert 'comptoir_invariant_violations{invariant="I15"} 0.0' in metrics
        assert f"comptoir_audited_total {auditor.audited}.0" in metrics

        async def is_held() -> bool:
            return "audit: I6" in await shop.holds(waiting)

        await eventually(is_held)
        (later,) = await shop.places(20, 1)
        await at_rest(shop.books, 20)
    records = await shop.books["order"].fetch("select order_id, status from progress")
    statuses = {record["order_id"]: record["status"] for record in records}
    assert {statuses[one] for one in (*done, later)} == {"completed"}
    assert await shop.holds(other) == '["checked by hand"]'
    assert (await shop.books["order"].fetchval("select count(*) from parked")) == 0


async def test_what_is_mended_is_forgotten_and_a_released_order_is_not_held_again(shop: Shop) -> None:
    (waiting,) = await shop.places(1, 1, held=True)
    await at_rest(shop.books, 20)
    async with shop.audited() as auditor:
        await shop.change("order", f"update lines set quantity = quantity + 1 where order_id = '{waiting}'")
        await eventually(auditor.violations)
        await eventually(lambda: bool(auditor.held))
        await at_rest(shop.books, 20)
        await shop.sender.send([ReleaseHold(order_id=waiting, reason="audit: I6", note="looked at")])
        await at_rest(shop.books, 20)
    async with shop.audited() as auditor:  # after a restart it asks again, with the same id
        await eventually(lambda: bool(auditor.held))
        await at_rest(shop.books, 20)
        assert await shop.holds(waiting) == '["checked by hand"]'
        await shop.change("order", f"update lines set quantity = quantity - 1 where order_id = '{waiting}'")
        await eventually(lambda: not auditor.violations())


async def test_with_holds_off_it_only_reports(shop: Shop) -> None:
    (waiting,) = await shop.places(1, 1, held=True)
    await at_rest(shop.books, 20)
    await shop.change("order", f"update lines set quantity = quantity + 1 where order_id = '{waiting}'")
    async with shop.audited(audit_holds=False) as auditor:
        await eventually(auditor.violations)
        await rounds(auditor, 3)
    assert await shop.holds(waiting) == '["checked by hand"]'


CROSSING = [
    ("inventory", "update reservations set reserved = 2 where order_id = '{}'", "I4"),
    ("fulfilment", "update shipments set tracking = tracking || 'X' where order_id = '{}'", "I21"),
    ("fulfilment", "update shipments set version = version + 1 where order_id = '{}'", "I7"),
    ("billing", "update operations set state = 'unknown' where order_id = '{}' and kind = 'capture'", "I14"),
    ("billing", "update postings set amount = amount + 1 where order_id = '{}' and posting_no = 1", "I13"),
    ("billing", "update invoices set customer_id = 'X' where order_id = '{}'", "I16"),
    ("order", "update externals set order_id = gen_random_uuid() where order_id = '{}'", "I11"),
    ("order", "delete from progress where order_id = '{}'", "I21"),
]


async def test_breaches_in_each_service_are_found(shop: Shop) -> None:
    done = await shop.places(1, len(CROSSING) + 1)
    await at_rest(shop.books, 20)
    for order_id, (service, corrupt, _) in zip(done, CROSSING, strict=False):
        await shop.change(service, corrupt.format(order_id))
    wanted = {(order_id, number) for order_id, (_, _, number) in zip(done, CROSSING, strict=False)}
    async with shop.audited() as auditor:

        def all_found() -> bool:
            missing = wanted - {(one.order_id, one.invariant) for one in auditor.violations() if one.order_id}
            assert not missing
            return True

        await eventually(all_found)
        assert done[-1] not in {one.order_id for one in auditor.violations()}


async def test_nothing_is_reported_while_orders_are_under_way(shop: Shop) -> None:
    async with shop.audited(audit_every_s=0.01, audit_apart_s=0.1) as auditor:
        suspected = 0
        for n in range(15):
            await shop.places(100 * n, 20)
            await rounds(auditor, 1)
            suspected += len(auditor.sightings)
            assert auditor.violations() == []
        assert suspected, "orders under way do look wrong at first sight"
        await at_rest(shop.books, 30)
        await rounds(auditor, 12)
        assert auditor.violations() == []
        assert not auditor.sightings
        assert auditor.failed == 0
        assert auditor.audited > 300


async def test_what_waits_in_an_outbox_is_not_a_breach_however_long(shop: Shop) -> None:
    """The newest word of billing is on its way: the order's older one is none of anybody's fault."""
    (done,) = await shop.places(1, 1)
    await at_rest(shop.books, 20)
    packet = await shop.books["billing"].fetchval("select id from outbox order by id desc limit 1")
    heard = await shop.books["order"].fetchval("select heard::text from money where order_id = $1", done)
    await shop.change("order", f"delete from inbox where id = '{packet}'")
    older = f"update money set heard = jsonb_set(heard, '{{version}}', '1') where order_id = '{done}'"
    await shop.change("order", older)
    async with shop.audited() as auditor:
        await rounds(auditor, 15)
        assert auditor.violations() == []
        assert auditor.sightings
        await shop.change("order", f"insert into inbox (id) values ('{packet}')")
        await eventually(lambda: numbers(auditor.violations()) == {("I21", done, None)})
        await shop.books["order"].execute("update money set heard = $1::text::jsonb where order_id = $2", heard, done)
        await eventually(lambda: not auditor.violations())


async def test_an_operation_that_will_be_tried_again_is_not_left_unknown(shop: Shop) -> None:
    (done,) = await shop.places(1, 1)
    await at_rest(shop.books, 20)
    unknown = f"update operations set state = 'unknown' where order_id = '{done}' and kind = 'capture'"
    again = f"insert into timers values ('operation:{done}', now() + interval '1 hour', 1, '{{}}')"
    await shop.change("billing", unknown)
    await shop.change("billing", again)
    async with shop.audited() as auditor:
        await eventually(lambda: ("I15", done, None) in numbers(auditor.violations()))
        await rounds(auditor, 15)
        assert ("I14", done, None) not in numbers(auditor.violations())
        await shop.change("billing", "delete from timers")
        await eventually(lambda: ("I14", done, None) in numbers(auditor.violations()))


async def test_a_packet_that_others_overtook_is_lost(shop: Shop) -> None:
    for n in (1, 2):
        await shop.places(n, 1)
        await at_rest(shop.books, 20)
    first = "select id, key from outbox where key like 'inventory.%' order by id limit 1"
    ((packet, key),) = await shop.books["order"].fetch(first)
    await shop.change("order", f"update outbox set created_at = now() - interval '1 hour' where id = '{packet}'")
    await shop.change("inventory", f"delete from inbox where id = '{packet}'")
    async with shop.audited() as auditor:
        (lost,) = await eventually(auditor.violations)
        assert (lost.invariant, lost.document) == ("I17", f"packet {packet}")
        assert lost.says == f"packet {packet} ({key}): order sent it, inventory has not handled it"


def whole_tables(plan: list[str]) -> set[str]:
    """Tables that are read from end to end."""
    found = set()
    for line, below in zip(plan, [*plan[1:], ""], strict=True):
        if (scan := re.search(r"(Seq|Index|Index Only) Scan (?:using \S+ )?on (\w+)", line)) and "Cond:" not in below:
            found.add(scan[2])
    return found


MANY_RETURNS = """
    insert into returns select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'north', '', 'customer', now(),
    null, '[]', 1, 'expected', false, null from generate_series(1, 3000)
"""
MANY_BANK_ENTRIES = """
    insert into bank_entries select n::text, 'review', null, '', 1, 'GBP', now(), '' from generate_series(1, 3000) n
"""
MANY_TRANSFERS = (
    """
    insert into transfers
    select gen_random_uuid(), 'TR-' || n, 'north', 'south', now(), '', 'sent', 1, now(), null
    from generate_series(1, 3000) n
    """,
    """
    insert into transfer_lines
    select transfer_id, n, 'SKU-' || number || n, 1, 1, 0, 0 from transfers, generate_series(1, 2) n
    """,
    """
    insert into transfer_acts select gen_random_uuid(), transfer_id, n, now(), '', 'sent', '{}'
    from transfers, generate_series(1, 20) n
    """,
)
MANY_PURCHASES = (
    """
    insert into purchase_orders select gen_random_uuid(), 'PO-' || n, 's', 'north', 'EUR', '', 'sent', 1, now(), null
    from generate_series(1, 3000) n
    """,
    """
    insert into purchase_lines
    select purchase_id, n, 'SKU-' || number || n, 1, 1, now(), 0 from purchase_orders, generate_series(1, 2) n
    """,
    """
    insert into purchase_acts select gen_random_uuid(), purchase_id, n, now(), '', 'received', '{}'
    from purchase_orders, generate_series(1, 20) n
    """,
)


async def test_a_round_is_bounded_however_many_orders_there_are(shop: Shop) -> None:
    read: list[int] = []
    queries: list[tuple[str, str, tuple[Any, ...]]] = []
    for first, count in ((1, 40), (100, 200)):
        await shop.places(first, count)
        await at_rest(shop.books, 30)
        auditor = shop.auditor(audit_orders=10)
        records: list[int] = []
        queries.clear()
        await auditor.connect()
        for name, connection in auditor.connections.items():
            connection.add_query_logger(lambda record, name=name: queries.append((name, record.query, record.args)))
        for _ in range(4):
            before = auditor.audited
            await auditor.once()
            records.append(auditor.audited - before)
        assert auditor.failed == 0
        assert max(records) <= 10 + 2
        read.append(len(queries))
        if first == 100:
            await shop.change("fulfilment", MANY_RETURNS)
            await shop.change("billing", MANY_BANK_ENTRIES)
            for sql in (*MANY_PURCHASES, *MANY_TRANSFERS):
                await shop.change("inventory", sql)
            for name in NAMES:
                await shop.books[name].execute("analyze")
            for name, query, args in list(queries):
                if query.lstrip().startswith(("select", "(")):
                    plan = [r[0] for r in await auditor.connections[name].fetch(f"explain {query}", *args)]
                    assert whole_tables(plan) <= {"calls", "parked", "outbox", "cleared"}, (
                        f"{name}: {query}\n" + "\n".join(plan)
                    )
        await auditor.stop()
    assert read[0] == read[1]


async def test_a_database_that_is_away_stops_nothing_and_makes_no_alarm(shop: Shop) -> None:
    (waiting,) = await shop.places(1, 1, held=True)
    await shop.places(2, 3)
    await at_rest(shop.books, 20)
    parts = urlsplit(shop.url)
    async with (
        Proxy(parts.hostname or "", parts.port or 5432) as proxy,
        shop.audited(proxy.url(shop.url), audit_holds=False) as auditor,
    ):
        transport = httpx.ASGITransport(auditor_application(auditor))
        http = httpx.AsyncClient(transport=transport, base_url="http://auditor")
        await rounds(auditor, 3)
        assert (await http.get("/health/ready")).status_code == 200
        proxy.refuse()
        await eventually(lambda: auditor.failed >= 2)
        assert auditor.violations() == []
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 503
        assert "comptoir_audit_failed_total" in (await http.get("/metrics")).text
        await shop.change("order", f"update lines set quantity = quantity + 1 where order_id = '{waiting}'")
        await proxy.heal()
        await eventually(lambda: numbers(auditor.violations()) == {("I6", waiting, None)})
        assert (await http.get("/health/ready")).status_code == 200
        await http.aclose()


async def test_a_lost_connection_that_cancels_it_does_not_end_it() -> None:
    """aio-pika raises CancelledError in tasks that nobody cancelled."""
    nowhere = "postgresql://nobody@127.0.0.1:1/x"
    auditor = Auditor(AuditorSettings(database_url=nowhere, audit_every_s=0.01, _env_file=None), LocalBus())
    auditor.to_hold[UUID(int=1), "I6"] = HoldOrder(order_id=UUID(int=1), reason="audit: I6", actor="auditor")
    sends = 0

    class Lost:
        async def send(self, *what: Any, **more: Any) -> None:
            nonlocal sends
            sends += 1
            raise asyncio.CancelledError("connection lost")

    auditor.sender = Lost()  # type: ignore[assignment]
    auditor.start()
    await eventually(lambda: sends >= 2)
    assert auditor.alive()
    await auditor.stop()
    assert not auditor.alive()


async def test_it_can_be_switched_off(shop: Shop) -> None:
    for wanted in (True, False):
        settings = AuditorSettings(database_url=shop.url, audit=wanted, _env_file=None)
        async with (
            auditing(settings, shop.suite.bus) as auditor,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(one_door(shop.suite, auditor)), base_url="http://us"
            ) as http,
        ):
            assert ("auditor" in (await http.get("/")).json()) is wanted
            assert (await http.get("/auditor/violations")).status_code == (200 if wanted else 404)
