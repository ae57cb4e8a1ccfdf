"""`comptoir resend`: after a queue was lost, what was sent goes out again, and only what was lost has an effect."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from comptoir.bench.work import ADDRESS
from comptoir.operating import resent
from comptoir.rest import Databases, at_rest, motion
from comptoir.runs import BY_ITSELF, NAMES
from comptoir.suite import migrate, started
from comptoir.verify import verify
from shared.contracts.inventory import Item, ReceiveStock, RegisterItems, RegisterWarehouse, StockLine
from shared.contracts.order import NewLine, PlaceOrder
from shared.messaging.bus import LocalBus
from shared.messaging.envelope import Packet
from tests.conftest import Databases as Fresh

LOST = "inventory.stock_issued.v1"


@pytest.mark.postgres
async def test_a_lost_packet_is_sent_again_and_what_is_known_changes_nothing(
    databases: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"resend_{uuid4().hex[:8]}"
    url = databases.url("postgres").rsplit("/", 1)[0] + f"/{name}_{{service}}"
    databases.made += [f"{name}_{service}" for service in NAMES]
    await migrate(url)
    publish = LocalBus.publish

    async def purged(self: LocalBus, packet: Packet) -> None:
        """Confirmed by the broker, and then gone."""
        if packet.key != LOST:
            await publish(self, packet)

    began = datetime.now(UTC) - timedelta(seconds=1)
    async with started(database_url=url, **BY_ITSELF) as suite, Databases(url, NAMES) as connections:
        monkeypatch.setattr(LocalBus, "publish", purged)
        inventory, order = suite["inventory"].desk, suite["order"].desk
        await inventory.ask(RegisterWarehouse(code="main"), id=uuid4())
        await inventory.ask(RegisterItems(items=(Item(sku="MUG"),)), id=uuid4())
        lines = (StockLine(sku="MUG", quantity=3),)
        await inventory.ask(ReceiveStock(warehouse="main", reference="PO-1", lines=lines), id=uuid4())
        line = NewLine(sku="MUG", quantity=1, unit_price="5")  # type: ignore[arg-type]
        wish = PlaceOrder(order_id=uuid4(), ship_to=ADDRESS, lines=(line,))
        await order.ask(wish, id=uuid4())
        await suite.rest()
        assert (await motion(connections)).unread == 1, "inventory's word about the issue is lost"
        monkeypatch.setattr(LocalBus, "publish", publish)
        counted = await resent(url, NAMES, began, "", dry_run=True)
        assert counted["inventory", LOST] == 1
        assert (await motion(connections)).unread == 1, "counting sends nothing"
        assert await resent(url, NAMES, began, "", dry_run=False) == counted
        await at_rest(connections, 30)
        assert [breach for finding in await verify(connections) for breach in finding.breaches] == []
        assert await resent(url, NAMES, datetime.now(UTC) + timedelta(hours=1), "", dry_run=False) == {}
        movements = await connections["inventory"].fetchval("select count(*) from movements")
        assert movements == 2, "one receipt, one issue"


@pytest.mark.postgres
async def test_one_type_of_one_service_may_be_chosen(databases: Fresh) -> None:
    name = f"resend_{uuid4().hex[:8]}"
    url = databases.url("postgres").rsplit("/", 1)[0] + f"/{name}_{{service}}"
    databases.made += [f"{name}_{service}" for service in NAMES]
    await migrate(url, ("order",))
    connection = await asyncpg.connect(url.replace("{service}", "order"))
    for key in ("a.b.v1", "c.d.v1"):
        await connection.execute(
            "insert into outbox (id, key, count, body, created_at, sent_at) values ($1, $2, 1, '[]', now(), now())",
            uuid4(),
            key,
        )
    since = datetime.now(UTC) - timedelta(minutes=1)
    assert await resent(url, ("order",), since, "a.", dry_run=True) == {("order", "a.b.v1"): 1}, (
        "the beginning of a name"
    )
    done = await resent(url, ("order",), since, "a.b.v1", dry_run=False, by="Piet", why="a queue was purged")
    assert done == {("order", "a.b.v1"): 1}
    assert await connection.fetchval("select count(*) from outbox where sent_at is null") == 1
    (act,) = await connection.fetch("select by, what, key, why, outcome from acts")
    assert tuple(act) == ("Piet", "resend", "a.b.v1", "a queue was purged", "1 packets are unsent again")
    await connection.close()
