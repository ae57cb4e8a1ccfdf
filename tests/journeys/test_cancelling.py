"""Changing one's mind, at each step of the way."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from tests.journeys.town import NIL, Refused, Town

NOTHING = (NIL, NIL, NIL, NIL)
Until = Callable[[Town, str], Awaitable[None]]


async def planned(town: Town, order: str) -> None:
    assert [each["state"] for each in await town.shipments(order)] == ["planned"]


async def picked(town: Town, order: str) -> None:
    await town.pick(await town.shipment(order))


async def packed(town: Town, order: str) -> None:
    await picked(town, order)
    await town.pack(await town.shipment(order))


@pytest.mark.parametrize("until", [planned, picked, packed])
async def test_cancelled_in_the_warehouse_frees_stock_and_money(town: Town, until: Until) -> None:
    await town.opens()
    order = await town.place({"mug": 2})
    await until(town, order)
    shipment = await town.shipment(order)
    await town.cancel(order)

    assert await town.status(order) == "cancelled"
    assert (await town.line(order))["cancelled"] == 2
    assert [each["state"] for each in await town.shipments(order)] == ["cancelled"]
    assert await town.stock() == {"north": (10, 0)}
    assert await town.money(order) == NOTHING
    assert (await town.account(order))["secured"] == "0.00"
    assert {each["kind"] for each in (await town.account(order))["operations"]} == {"authorise", "void"}
    with pytest.raises(Refused) as late:
        await town.hand_over(shipment)
    assert late.value.status == 409
    assert await town.heard("order.order_cancelled.v1") == 1


async def test_cancelled_before_there_was_stock_leaves_the_queue(town: Town) -> None:
    await town.opens(mugs=0)
    order = await town.place({"mug": 2})
    assert await town.status(order) == "backordered"
    await town.cancel(order)
    assert await town.status(order) == "cancelled"
    assert (await town.get("inventory", "/backorders?sku=mug"))["items"] == []
    await town.receive_stock("north", {"mug": 5})
    assert await town.stock() == {"north": (5, 0)}
    assert await town.money(order) == NOTHING


async def test_cancelled_after_stock_and_before_payment_gives_the_stock_back(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_method="bank_transfer")
    assert await town.status(order) == "awaiting_payment"
    assert await town.stock() == {"north": (10, 2)}
    await town.cancel(order)
    assert await town.status(order) == "cancelled"
    assert await town.stock() == {"north": (10, 0)}
    assert await town.money(order) == NOTHING


async def test_cancelled_after_payment_and_before_the_warehouse_pays_back(town: Town) -> None:
    await town.opens(mugs=1)
    order = await town.place({"mug": 2}, payment_method="bank_transfer", ship_complete=True)
    await town.transfer(order, "30.00")
    assert await town.status(order) == "backordered"
    await town.cancel(order)
    assert await town.status(order) == "cancelled"
    assert await town.stock() == {"north": (1, 0)}
    assert await town.money(order) == (NIL, NIL, Decimal("30.00"), Decimal("30.00"))


async def test_cancelled_after_the_hand_over_is_refused_and_the_way_back_is_a_return(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 1})
    shipment = await town.shipment(order)
    await town.send(shipment)
    with pytest.raises(Refused) as late:
        await town.cancel(order)
    assert late.value.status == 409
    await town.settle()
    assert await town.status(order) == "shipped"
    await town.deliver(shipment)

    parcel = await town.return_goods(order, shipment, {1: 1})
    await town.takes_back(parcel, {1: 1})
    assert await town.stock() == {"north": (10, 0)}
    assert await town.money(order) == (Decimal("15.00"), Decimal("15.00"), Decimal("15.00"), Decimal("15.00"))
    assert await town.status(order) == "completed"


async def test_one_line_cancelled_in_the_warehouse_lets_the_other_go_out(town: Town) -> None:
    await town.opens(products=("mug", "pot"))
    order = await town.place({"mug": 1, "pot": 2})
    await town.pick(await town.shipment(order))
    await town.cancel(order, {2: 1})
    assert (await town.line(order, 2))["cancelled"] == 1
    assert await town.stock("pot") == {"north": (10, 1)}

    parcels = [each for each in await town.shipments(order) if each["state"] == "planned"]
    assert len(parcels) == 1
    await town.send_and_deliver(str(parcels[0]["shipment_id"]))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("30.00"), NIL)


async def test_cancelling_with_one_parcel_out_keeps_that_and_drops_the_other(town: Town) -> None:
    await town.opens(mugs=1, south=1)
    order = await town.place({"mug": 2})
    await town.send(await town.shipment(order, 1))
    await town.cancel(order)
    seen = await town.line(order)
    assert (seen["shipped"], seen["cancelled"]) == (1, 1)
    assert await town.stock() == {"north": (0, 0), "south": (1, 0)}
    await town.deliver(await town.shipment(order, 1))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)
