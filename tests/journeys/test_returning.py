"""What comes back: partly, damaged, late, refused at the door, lost on the way."""

from decimal import Decimal

import pytest

from tests.journeys.town import NIL, Refused, Town


async def test_a_part_is_returned_and_refunded_with_its_vat(town: Town) -> None:
    await town.opens(products=("mug", "pot"))
    order = await town.place({"mug": 3, "pot": 1, "post": 1})
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    assert await town.status(order) == "completed"
    paid = Decimal("66.00")
    assert await town.money(order) == (paid, NIL, paid, NIL)

    parcel = await town.return_goods(order, shipment, {1: 2})
    assert "expected back" in await town.why(order)
    assert await town.money(order) == (paid, NIL, paid, NIL)
    await town.comes_back(parcel, {1: 2})
    assert await town.stock() == {"north": (7, 0)}  # not sellable before inspection
    await town.inspect(parcel, {1: 2})
    assert await town.stock() == {"north": (9, 0)}
    assert await town.money(order) == (paid, Decimal("30.00"), paid, Decimal("30.00"))
    notes = (await town.get("billing", f"/credit-notes?order_id={order}"))["items"]
    assert [(each["net"], each["vat"], each["gross"]) for each in notes] == [("25.00", "5.00", "30.00")]
    assert (await town.line(order))["returned"] == 2
    with pytest.raises(Refused) as too_much:
        await town.return_goods(order, shipment, {1: 2})
    assert too_much.value.status == 409


async def test_what_comes_back_broken_is_scrapped_and_refunded_by_the_inspectors_word(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 3})
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    parcel = await town.return_goods(order, shipment, {1: 3})
    await town.comes_back(parcel, {1: 3})
    await town.inspect(parcel, {1: 1}, grade="quarantine")
    await town.inspect(parcel, {1: 1}, grade="scrap")
    await town.inspect(parcel, {1: 1}, grade="scrap", accepted=False)
    assert await town.stock() == {"north": (7, 0)}
    level = (await town.get("inventory", "/stock?sku=mug"))["items"][0]
    assert level["quarantined"] == 1
    assert await town.money(order) == (Decimal("45.00"), Decimal("30.00"), Decimal("45.00"), Decimal("30.00"))
    assert (await town.order(order))["returns"][0]["state"] == "closed"


async def test_a_return_that_never_arrives_is_closed_after_a_month_and_pays_nothing(town: Town) -> None:
    await town.opens()
    order = await town.place()
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    await town.return_goods(order, shipment, {1: 1})
    await town.pass_time(days=29)
    assert (await town.order(order))["returns"][0]["state"] == "expected"
    await town.pass_time(days=2)
    assert (await town.order(order))["returns"][0]["state"] == "closed"
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)
    assert await town.status(order) == "completed"


async def test_cash_on_delivery_is_paid_by_the_carrier_after_the_door(town: Town) -> None:
    await town.opens()
    order = await town.place(payment_method="cash_on_delivery")
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    assert await town.status(order) == "delivered"
    assert await town.money(order) == (Decimal("15.00"), NIL, NIL, NIL)
    await town.remit(order, shipment, "12.05", fee="2.95")
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)
    await town.all_is_well()


async def test_cash_on_delivery_refused_at_the_door_comes_back_and_is_credited(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_method="cash_on_delivery")
    shipment = await town.shipment(order)
    await town.send(shipment)
    assert await town.stock() == {"north": (8, 0)}
    await town.track(shipment, "refused")
    parcel = str((await town.order(order))["returns"][0]["return_id"])
    assert await town.status(order) not in ("completed", "cancelled")
    await town.takes_back(parcel, {1: 2})
    assert await town.stock() == {"north": (10, 0)}
    assert await town.money(order) == (Decimal("30.00"), Decimal("30.00"), NIL, NIL)
    assert await town.status(order) == "completed"


async def test_a_parcel_lost_on_the_way_is_claimed_and_refunded(town: Town) -> None:
    await town.opens()
    order = await town.place()
    shipment = await town.shipment(order)
    await town.send(shipment)
    await town.track(shipment, "lost")
    parcel = str((await town.order(order))["returns"][0]["return_id"])
    await town.do("fulfilment", f"/returns/{parcel}/close", {"claimed": True})
    assert await town.stock() == {"north": (9, 0)}
    assert await town.money(order) == (Decimal("15.00"), Decimal("15.00"), Decimal("15.00"), Decimal("15.00"))
    assert await town.status(order) == "completed"
