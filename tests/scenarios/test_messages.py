"""The numbered scenarios about messages, through all services: crashes, repeats, absence, poison."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID, uuid4

import aio_pika
import pytest

from comptoir.suite import BusName
from shared.contracts.fulfilment import ShipmentDispatched, ShipmentLine
from shared.contracts.order import CancelOrder, NewLine, PlaceOrder
from shared.contracts.values import Address
from shared.messaging.envelope import Packet
from shared.messaging.topology import Names
from shared.messaging.workers import Relay
from tests.eventually import eventually
from tests.journeys.conftest import Founder, Plot
from tests.journeys.town import ANNA, NIL, Town
from tests.proxy import Proxy

WISH = {"ship_to": ANNA, "payment_token": "tok_visa", "lines": [{"sku": "mug", "quantity": 1}]}
BY_ITSELF = {"warehouses_automatic": True, "deliver_after_s": 0.0, "automatic_returns": True}


@contextmanager
def mute(monkeypatch: pytest.MonkeyPatch, key: str) -> Iterator[list[str]]:
    """Messages of this kind are committed and never published, as if we died in between."""
    held: list[str] = []
    publish = Relay.publish

    async def dying(self: Relay, packet: Packet) -> None:
        if packet.key == key:
            held.append(packet.key)
        else:
            await publish(self, packet)

    with monkeypatch.context() as patch:
        patch.setattr(Relay, "publish", dying)
        yield held


@pytest.mark.parametrize(
    "key",
    [
        "inventory.reserve_stock.v1",
        "billing.authorise_payment.v1",
        "inventory.stock_reserved.v1",
        "billing.payment_authorised.v1",
        "fulfilment.plan_shipment.v1",
        "fulfilment.shipment_delivered.v1",
        "billing.bill_shipment.v1",
        "billing.payment_captured.v1",
    ],
)
async def test_sc12_a_crash_between_commit_and_publish_loses_nothing_and_doubles_nothing(
    founder: Founder, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    with mute(monkeypatch, key) as held:
        async with founder(**BY_ITSELF) as town:
            await town.opens()
            order = (await town.ask("order", "POST", "/orders", WISH))["id"]
            await eventually(lambda: held)
    async with founder(fresh=False, **BY_ITSELF) as town:
        await town.settle()
        assert await town.status(order) == "completed"
        assert await town.stock() == {"north": (9, 0)}
        assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)
        await town.all_is_well()


async def test_f14_sc12_every_packet_twice_and_shuffled_has_its_effect_once(founder: Founder, bus: BusName) -> None:
    async with founder(bus, disturbed=True, **BY_ITSELF) as town:
        await town.opens(mugs=5)
        orders = [(await town.ask("order", "POST", "/orders", WISH))["id"] for _ in range(20)]
        await town.settle(60)
        late = [order for order in orders if await town.status(order) == "backordered"]  # shuffled: any five were first
        assert len(late) == 15
        await town.receive_stock("south", {"mug": 8})
        for order in late[-7:]:  # the oldest eight get the mugs
            await town.ask("order", "POST", f"/orders/{order}/cancel", {})
        await town.settle(60)
        assert {await town.status(order) for order in late[-7:]} == {"cancelled"}
        served = [order for order in orders if order not in late[-7:]]
        assert {await town.status(order) for order in served} == {"completed"}
        shipment = await town.shipment(served[0])
        await town.return_goods(served[0], shipment, {1: 1})
        await town.settle(60)
        assert await town.money(served[0]) == (Decimal("15.00"),) * 4
        assert sum(on_hand for on_hand, _ in (await town.stock()).values()) == 1
        await town.all_is_well()


@pytest.mark.rabbit
async def test_sc12_a_broker_that_is_down_for_a_while_stops_no_customer(founder: Founder, rabbit_url: str) -> None:
    """Orders are taken all the time; what they lead to happens when the broker is back."""
    host, _, port = rabbit_url.partition("@")[2].partition("/")[0].partition(":")
    async with (
        Proxy(host or "127.0.0.1", int(port or 5672)) as proxy,
        founder("rabbit", through=proxy.url(rabbit_url), **BY_ITSELF) as town,
    ):
        await town.opens(mugs=50)
        before = [(await town.ask("order", "POST", "/orders", WISH))["id"] for _ in range(10)]
        proxy.refuse()
        during = [(await town.ask("order", "POST", "/orders", WISH))["id"] for _ in range(10)]
        assert await town.books["order"].fetchval("select count(*) from outbox where sent_at is null") > 0
        await proxy.heal()
        await town.settle(60)
        assert {await town.status(order) for order in before + during} == {"completed"}
        assert await town.stock() == {"north": (30, 0)}
        await town.all_is_well()


@pytest.mark.rabbit
async def test_sc13_commands_to_services_that_were_never_there_wait_for_them(
    founder: Founder, plot: Plot, rabbit_url: str
) -> None:
    """Their queues were not even declared; the order is taken, an alarm is raised, and nothing is lost."""
    async with founder("rabbit") as town:
        await town.opens()
    names = Names(plot.prefix)
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        for service in ("inventory", "billing", "fulfilment"):
            await channel.queue_delete(names.queue(service))
    plot.declared.clear()
    async with founder("rabbit", fresh=False, drained=False, names=("order",)) as alone:
        order = (await alone.ask("order", "POST", "/orders", WISH))["id"]
        relay = alone.suite["order"].relay
        assert relay is not None
        waiting = {"inventory.reserve_stock.v1", "billing.authorise_payment.v1"}
        await eventually(lambda: relay.unroutable >= waiting)
        assert "has not said yet" in await alone.why(order)
    async with founder("rabbit", fresh=False) as town:
        await town.settle()
        await town.send_and_deliver(await town.shipment(order))
        assert await town.status(order) == "completed"
        await town.all_is_well()


async def test_sc13_a_service_that_starts_later_gets_what_was_sent_before(founder: Founder) -> None:
    async with founder() as town:
        await town.opens()
    async with founder(fresh=False, names=("order", "billing")) as part:
        order = (await part.ask("order", "POST", "/orders", WISH))["id"]
        await eventually(lambda: part.suite["order"].relay and part.suite["order"].relay.unroutable)
    async with founder(fresh=False) as town:
        await town.settle()
        await town.send_and_deliver(await town.shipment(order))
        assert await town.status(order) == "completed"
        await town.all_is_well()


async def test_sc14_poison_in_the_middle_is_parked_with_its_cause_the_others_flow_on_and_a_replay_works(
    town: Town,
) -> None:
    """A cancellation that came before its order waits on the ladder, then for a person, who replays it."""
    await town.opens()
    early, first, last = uuid4(), uuid4(), uuid4()

    def wish(id: UUID) -> PlaceOrder:
        lines = (NewLine(sku="mug", quantity=1),)
        return PlaceOrder(order_id=id, payment_token="tok_visa", lines=lines, ship_to=Address(**ANNA))  # type: ignore[arg-type]

    await town.overhears(wish(first), wish(last))
    await town.overhears(*(CancelOrder(order_id=id, lines=(), reason="no") for id in (early, first)))
    assert await town.status(str(first)) == "cancelled"
    for _ in range(4):  # the ladder: 1 s, 10 s, 1 min, 10 min
        await town.pass_time(minutes=11)
    (parked,) = (await town.get("order", "/parked"))["items"]
    assert parked["key"] == "order.cancel_order.v1"
    assert str(early) in parked["reason"]
    assert await town.status(str(last)) == "in_fulfilment"

    await town.overhears(wish(early))
    assert await town.status(str(early)) == "in_fulfilment"
    await town.do("order", f"/parked/{parked['id']}/replay")
    assert await town.status(str(early)) == "cancelled"
    await town.send_and_deliver(await town.shipment(str(last)))
    assert await town.stock() == {"north": (9, 0)}
    assert (await town.get("order", "/parked"))["items"] == []


async def test_sc14_a_statement_that_cannot_be_true_is_parked_and_never_applied(founder: Founder) -> None:
    async with founder() as town:
        await town.opens()
        order = await town.place({"mug": 2})
        seen = (await town.shipments(order))[0]
        lie = ShipmentDispatched(
            order_id=order,
            version=99,
            shipment_id=seen["shipment_id"],
            warehouse="north",
            state="dispatched",
            lines=(ShipmentLine(line_no=1, sku="mug", planned=2, shipped=3),),
            dispatched_at=town.clock(),
        )
        await town.overhears(lie)
        assert await town.status(order) == "in_fulfilment"
        assert any(reason.startswith("order: fulfilment.shipment_dispatched.v1") for reason in await town.parked())
