"""The payment provider and the carrier answer late, twice or not at all. Their own books say what they really did."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from comptoir.suite import BusName
from tests.eventually import eventually
from tests.journeys.conftest import Founder
from tests.journeys.neighbours import Neighbours, town_with_neighbours
from tests.journeys.town import NIL

ONCE = [("authorise", "15.00", "ok"), ("capture", "15.00", "ok")]


@pytest.fixture
def bus() -> BusName:
    """Who sits beside the town does not know its bus; one story is told on both."""
    return "local"


@pytest.fixture
async def neighbours(
    founder: Founder, bus: BusName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Neighbours]:
    monkeypatch.setenv("COMPTOIR_PAYMENT_PROVIDER_TIMEOUT_S", "0.4")  # the provider hangs for longer than that
    async with town_with_neighbours(founder, tmp_path, bus=bus) as around:
        await around.town.opens()
        yield around
        await around.town.all_is_well()


async def amounts(around: Neighbours) -> list[tuple[str, str, str]]:
    return [(kind, f"{Decimal(amount):.2f}", outcome) for kind, amount, outcome in await around.operations()]


@pytest.mark.parametrize("bus", ["local", pytest.param("rabbit", marks=pytest.mark.rabbit)])
async def test_f28_a_provider_that_is_silent_after_the_charge_is_asked_and_charges_once(neighbours: Neighbours) -> None:
    town = neighbours.town
    await neighbours.provider.switch(timeout_after_charge=True, late_webhook=600)
    order = await town.place()
    assert await town.status(order) == "awaiting_payment"
    assert (await town.account(order))["state"] == "unknown"
    assert "has not said yet" in await town.why(order)
    assert await amounts(neighbours) == ONCE[:1]  # it has been done, only we do not know

    await neighbours.provider.switch(late_webhook=600)
    await town.pass_time(minutes=2)
    assert await town.status(order) == "in_fulfilment"
    await neighbours.provider.switch(timeout_after_charge=True, late_webhook=600)
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "delivered"  # the capture is unknown
    await neighbours.provider.switch(late_webhook=600)
    await town.pass_time(minutes=2)

    assert await town.status(order) == "completed"
    assert await amounts(neighbours) == ONCE
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)


async def test_f28_cancelling_while_the_payment_is_unknown_ends_with_nothing_charged(neighbours: Neighbours) -> None:
    town = neighbours.town
    await neighbours.provider.switch(timeout_after_charge=True, late_webhook=600)
    order = await town.place()
    await town.cancel(order)
    assert await town.status(order) == "cancelling"
    assert await town.stock() == {"north": (10, 0)}
    await neighbours.provider.switch(late_webhook=600)
    await town.pass_time(minutes=2)
    assert await town.status(order) == "cancelled"
    assert await amounts(neighbours) == [("authorise", "15.00", "ok"), ("void", "15.00", "ok")]


async def test_a_provider_out_of_order_is_asked_until_it_answers(neighbours: Neighbours) -> None:
    town = neighbours.town
    await neighbours.provider.switch(error_500=True, late_webhook=600)
    order = await town.place()
    await town.pass_time(minutes=2)
    await neighbours.provider.switch(garbage=True, late_webhook=600)
    await town.pass_time(minutes=6)
    await neighbours.provider.switch(late_webhook=600)
    await town.pass_time(hours=1)
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await amounts(neighbours) == ONCE


@pytest.mark.parametrize("switches", [{"timeout_after_charge": True}, {"late_webhook": 0.3}, {"slow": 0.2}])
async def test_f29_sc08_webhook_and_answer_in_either_order_and_twice_are_one_payment(
    neighbours: Neighbours, switches: dict[str, float]
) -> None:
    """The webhook alone moves the order on when the answer is lost; the town's clock stands still."""
    town = neighbours.town
    await neighbours.provider.switch(duplicate_webhook=True, **switches)
    order = await town.place()

    async def paid() -> bool:
        await town.settle()
        return await town.status(order) == "in_fulfilment"

    await eventually(paid)
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)

    async def done() -> bool:
        await town.settle()
        told = await town.books["billing"].fetchval("select count(*) from hints")
        return await town.status(order) == "completed" and told == 2

    await eventually(done)
    await town.suite.rest()
    assert await amounts(neighbours) == ONCE
    assert len((await town.account(order))["invoiced"]) == 1
    assert await town.stock() == {"north": (9, 0)}


async def test_f30_sc27_a_lost_answer_of_the_carrier_is_asked_for_and_there_is_one_label(
    neighbours: Neighbours,
) -> None:
    town = neighbours.town
    order = await town.place()
    shipment = await town.shipment(order)
    await town.pick(shipment)
    await neighbours.carrier.switch(lose_answer=1)
    await town.pack(shipment)
    assert (await town.shipments(order))[0]["state"] == "picked"
    await town.pass_time(minutes=2)
    assert (await town.shipments(order))[0]["state"] == "packed"
    assert await neighbours.labels() == ["bought"]
    await town.hand_over(shipment)
    await town.deliver(shipment)
    assert await town.status(order) == "completed"


async def test_f30_sc27_cancelling_while_the_label_is_unknown_voids_it_in_the_end(neighbours: Neighbours) -> None:
    town = neighbours.town
    order = await town.place()
    shipment = await town.shipment(order)
    await town.pick(shipment)
    await neighbours.carrier.switch(lose_answer=1)
    await town.pack(shipment)
    await town.cancel(order)
    assert await town.status(order) == "cancelled"
    await town.pass_time(minutes=5)
    assert await neighbours.labels() == ["voided"]


async def test_tracking_by_webhook_delivers_once_however_often_it_is_told(neighbours: Neighbours) -> None:
    town = neighbours.town
    order = await town.place()
    shipment = await town.shipment(order)
    await town.send(shipment)
    label = (await neighbours.carrier.book())["labels"][0]["label_id"]
    await neighbours.carrier.post(f"/tracking/{label}/delivered?copies=3")
    await neighbours.carrier.post(f"/tracking/{label}/in_transit")

    async def told() -> bool:
        events = (await neighbours.carrier.book())["events"]
        return len(events) == 2 and all(event["sent_at"] for event in events)

    await eventually(told)
    await town.settle()
    assert await town.status(order) == "completed"
    assert await town.heard("fulfilment.shipment_delivered.v1") == 1


async def test_sc11_a_void_that_is_refused_again_and_again_waits_for_a_person_who_resumes_it(
    neighbours: Neighbours,
) -> None:
    town = neighbours.town
    order = await town.place()
    shipment = await town.shipment(order)
    await town.pick(shipment)
    await town.pack(shipment)
    await neighbours.carrier.switch(refuse_void=-1)
    await town.cancel(order)
    assert await town.status(order) == "cancelled"  # the goods are on the shelf either way
    assert await town.stock() == {"north": (10, 0)}
    for _ in range(6):
        await town.pass_time(hours=2)
    waiting = (await town.get("fulfilment", "/shipments?parked=true"))["items"]
    assert [each["shipment_id"] for each in waiting] == [shipment]
    assert waiting[0]["parked"]
    await neighbours.carrier.switch()
    await town.do("fulfilment", f"/shipments/{shipment}/resume")
    assert (await town.get("fulfilment", "/shipments?parked=true"))["items"] == []
    assert await neighbours.labels() == ["voided"]
