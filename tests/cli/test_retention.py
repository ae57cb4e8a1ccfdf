"""The suite after its old packets, keys and answers were cleared away: nothing is taken for lost, or done twice."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from comptoir.auditor import Traffic
from comptoir.bench.work import ADDRESS
from comptoir.operating import TooLate, resent
from comptoir.rebuilding import Incomplete, rebuild
from comptoir.rest import Databases, at_rest, motion
from comptoir.runs import BY_ITSELF, NAMES
from comptoir.suite import MEMBERS, Suite, know_topology, migrate, started
from comptoir.verify import verify
from shared import clock
from shared.contracts.inventory import Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.order import CancelOrder, LineQuantity, NewLine, PlaceOrder, ReturnGoods
from shared.messaging.decision import Reply
from shared.messaging.envelope import Packet
from shared.messaging.retention import Tidier, first_id
from shared.messaging.topology import readers_of
from shared.parked import connected
from tests.conftest import Databases as Fresh

pytestmark = pytest.mark.postgres

FIGURES = {
    "order": ("select status, count(*) from progress group by 1 order by 1", "select count(*) from history"),
    "inventory": ("select sku, sum(on_hand), sum(reserved) from levels group by 1", "select count(*) from movements"),
    "fulfilment": (
        "select state, count(*) from shipments group by 1",
        "select state, count(*) from returns group by 1",
    ),
    "billing": (
        "select account, sum(amount) from postings group by 1 order by 1",
        "select count(*), sum(gross) from invoices",
        "select count(*), sum(gross) from credit_notes",
        "select count(*) from operations",
    ),
}
"""What an effect that is had twice would change."""


@dataclass
class Shop:
    url: str
    suite: Suite
    books: Any

    async def opens(self) -> None:
        inventory = self.suite["inventory"].desk
        await inventory.ask(RegisterWarehouse(code="main"), id=uuid4())
        await inventory.ask(RegisterItems(items=(Item(sku="MUG"),)), id=uuid4())
        lines = (StockLine(sku="MUG", quantity=30),)
        await inventory.ask(ReceiveStock(warehouse="main", reference="PO-1", lines=lines), id=uuid4())
        await self.suite.rest()

    def wish(self) -> PlaceOrder:
        line = NewLine(sku="MUG", quantity=2, unit_price="5")  # type: ignore[arg-type]
        return PlaceOrder(order_id=uuid4(), ship_to=ADDRESS, lines=(line,))

    async def asks(self, message: Any, id: UUID | None = None) -> Reply:
        reply = await self.suite["order"].desk.ask(message, id=id or uuid4())
        await self.suite.rest()
        return reply

    async def story(self) -> None:
        """One order is completed, one comes back in part, one is cancelled."""
        kept, back, off = self.wish(), self.wish(), self.wish().model_copy(update={"hold": "fraud check"})
        for wish in (kept, back, off):
            assert (await self.asks(wish)).status < 300
        await self.asks(CancelOrder(order_id=off.order_id, reason="changed my mind"))
        shipment = await self.books["fulfilment"].fetchval(
            "select shipment_id from shipments where order_id = $1", back.order_id
        )
        lines = (LineQuantity(line_no=1, quantity=1),)
        word = ReturnGoods(
            order_id=back.order_id, return_id=uuid4(), shipment_id=shipment, lines=lines, reason="too blue"
        )
        assert (await self.asks(word)).status == 201
        await at_rest(self.books, 30)

    async def figures(self) -> dict[str, list[Any]]:
        return {
            name: [[tuple(record) for record in await self.books[name].fetch(sql)] for sql in FIGURES[name]]
            for name in FIGURES
        }

    async def breaches(self) -> list[str]:
        return [breach for finding in await verify(self.books) for breach in finding.breaches]

    async def tidied(self, before: datetime, *tables: str, of: tuple[str, ...] = NAMES) -> int:
        """As if it were long after; rows that went."""
        went: Counter[str] = Counter()
        for name in of:
            running = self.suite[name]
            for table, how_long in running.service.settings.kept().items():
                if table in tables:
                    then = before + how_long
                    went += await Tidier(running.store, {table: how_long}, lambda then=then: then).tidy()  # type: ignore[misc]
        return went.total()

    async def packets(self) -> list[Packet]:
        sql = "select id, key, count, body from outbox order by id"
        return [Packet(*record) for name in NAMES for record in await self.books[name].fetch(sql)]


@pytest.fixture
async def shop(databases: Fresh) -> AsyncIterator[Shop]:
    name = f"kept_{uuid4().hex[:8]}"
    url = databases.url("postgres").rsplit("/", 1)[0] + f"/{name}_{{service}}"
    databases.made += [f"{name}_{service}" for service in MEMBERS]
    await migrate(url)
    know_topology()
    async with started(database_url=url, **BY_ITSELF) as suite, Databases(url, NAMES) as books:
        made = Shop(url, suite, books)
        await made.opens()
        await made.story()
        yield made


async def test_what_is_younger_is_compared_and_sent_again_as_before(shop: Shop) -> None:
    middle = clock.now()
    await shop.story()
    figures, known = await shop.figures(), sum(shop.suite[name].desk.known for name in NAMES)
    assert await shop.tidied(middle, "outbox", "requests") > 20
    assert (await motion(shop.books)).none
    assert await shop.breaches() == []
    with pytest.raises(TooLate, match="COMPTOIR_OUTBOX_DAYS"):
        await resent(shop.url, NAMES, middle - timedelta(days=1), "", dry_run=True)
    again = await resent(shop.url, NAMES, middle, "", dry_run=False)
    await at_rest(shop.books, 30)
    repeats = sum(n * len(readers_of(key)) for (_, key), n in again.items())
    assert sum(shop.suite[name].desk.known for name in NAMES) - known == repeats > 20
    assert await shop.figures() == figures
    assert await shop.breaches() == []
    await shop.books["order"].execute("delete from inbox where id = (select max(id::text)::uuid from inbox)")
    assert any("has not handled it" in breach for breach in await shop.breaches()), "a loss is seen as ever"
    ghost = clock.new_id()
    await shop.books["order"].execute("insert into inbox (id) values ($1)", ghost)
    assert any(str(ghost) in breach for breach in await shop.breaches()), "a ghost too"


async def test_packets_that_outlived_their_keys_are_not_taken_for_lost_and_not_sent_again(shop: Shop) -> None:
    """As of a service that was away for long, and comes back with an outbox that others no longer know."""
    middle = clock.now()
    await shop.story()
    assert await shop.tidied(middle, "inbox", of=("inventory",)) > 3
    assert (await motion(shop.books)).none
    assert await shop.breaches() == []
    traffic = Traffic(timedelta(0))
    for _ in range(3):
        await traffic.walk(shop.books, clock.now())
    assert traffic.open == {}
    assert len(traffic.at) == len(NAMES)
    with pytest.raises(TooLate, match=r"packets of .* are from before .*, and inventory does not know"):
        await resent(shop.url, ("order",), middle - timedelta(days=1), "", dry_run=False)
    assert await shop.books["order"].fetchval("select count(*) from outbox where sent_at is null") == 0
    assert await resent(shop.url, NAMES, middle, "", dry_run=True)


async def test_beyond_the_promise_whatever_comes_again_is_known_by_what_it_says(shop: Shop) -> None:
    """All keys are gone and every packet comes again: versions, quantities in all and ids of documents stand."""
    figures, packets = await shop.figures(), await shop.packets()
    assert len(packets) > 30
    events = {name: shop.suite[name].desk.events for name in NAMES}
    for again in (packets, list(reversed(packets))):
        assert await shop.tidied(clock.now() + timedelta(minutes=1), "inbox") > 30
        for packet in again:
            await shop.suite.bus.publish(packet)
        await shop.suite.rest()
        assert all(shop.suite[name].desk.events > events[name] for name in NAMES), "they were decided again"
        assert await shop.figures() == figures
        assert await shop.breaches() == [], "nothing is parked either"


async def test_an_order_that_is_sent_again_beyond_the_promise_is_known_by_its_id(shop: Shop) -> None:
    """Without an id of the caller's the order's is made of the Idempotency-Key; a channel's has its own number too."""
    wish, key = shop.wish(), uuid4()
    first = await shop.asks(wish, key)
    figures = await shop.figures()
    assert await shop.tidied(clock.now() + timedelta(minutes=1), "requests") > 4
    again = await shop.asks(wish, key)
    assert (again.status, again.body["id"]) == (first.status, first.body["id"])
    assert await shop.figures() == figures


async def test_a_receipt_that_is_sent_again_is_known_by_its_key_alone(shop: Shop) -> None:
    word = ReceiveStock(warehouse="main", reference="PO-2", lines=(StockLine(sku="MUG", quantity=7),))
    key, desk, books = uuid4(), shop.suite["inventory"].desk, shop.books["inventory"]
    before = await books.fetchval("select sum(on_hand) from levels")
    for n in (1, 1, 2):
        if n == 2:
            await shop.tidied(clock.now() + timedelta(minutes=1), "requests")
        assert (await desk.ask(word, id=key)).status < 300
        assert await books.fetchval("select sum(on_hand) from levels") == before + n * 7


async def test_pages_are_not_emptied_of_what_cannot_be_read_again(shop: Shop) -> None:
    await migrate(shop.url, ("backoffice",))
    know_topology("backoffice")
    try:
        await rebuild(shop.url)
        await shop.tidied(clock.now() + timedelta(minutes=1), "outbox")
        own: asyncpg.Connection[asyncpg.Record]
        async with connected(shop.url.replace("{service}", "backoffice")) as own:
            shown = await own.fetchval("select count(*) from shipments")
            assert shown > 0
            with pytest.raises(Incomplete, match="--lose-older"):
                await rebuild(shop.url)
            assert await own.fetchval("select count(*) from shipments") == shown
            assert (await rebuild(shop.url, lose_older=True)).orders == 3
            assert await own.fetchval("select count(*) from shipments") == 0
            assert await own.fetchval("select count(*) from orders") == 3, (
                "the order service tells of them all the same"
            )
    finally:
        know_topology()


def test_the_oldest_id_is_that_of_the_moment() -> None:
    assert first_id(clock.now() - timedelta(seconds=1)) < clock.new_id() < first_id(clock.now() + timedelta(seconds=1))
