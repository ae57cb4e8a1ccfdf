"""From the basket to the door: what a shop does all day, and what it does when stock is short."""

from decimal import Decimal

import pytest

from tests.journeys.town import ANNA, NIL, Refused, Town


async def test_an_order_is_placed_paid_shipped_and_completed(town: Town) -> None:
    await town.opens(mugs=10)
    order = await town.place({"mug": 2, "post": 1})
    assert await town.status(order) == "in_fulfilment"
    assert await town.stock() == {"north": (10, 2)}
    assert (await town.account(order))["secured"] == "36.00"  # (2 x 12.50 + 5.00) and 20 % VAT
    assert "waits to be picked" in await town.why(order)

    shipment = await town.shipment(order)
    await town.pick(shipment)
    await town.pack(shipment)
    assert await town.status(order) == "in_fulfilment"
    await town.hand_over(shipment)
    assert await town.status(order) == "shipped"
    assert await town.stock() == {"north": (8, 0)}
    assert "on its way to the customer" in await town.why(order)
    await town.deliver(shipment)

    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("36.00"), NIL, Decimal("36.00"), NIL)
    invoices = (await town.get("billing", f"/invoices?order_id={order}"))["items"]
    assert [(each["net"], each["vat"], each["gross"]) for each in invoices] == [("30.00", "6.00", "36.00")]
    said = await town.said(order)
    assert (said[0], said[-3:]) == ("awaiting_payment", ["in_fulfilment", "shipped", "completed"])
    assert await town.heard("order.order_confirmed.v1") == 1
    assert await town.heard("order.order_completed.v1") == 1
    movements = (await town.get("inventory", "/movements?sku=mug"))["items"]
    assert [(each["kind"], each["on_hand"]) for each in movements] == [("receipt", 10), ("issue", -2)]


async def test_the_same_request_again_is_the_same_order(town: Town) -> None:
    await town.opens(mugs=3)
    wish = {"ship_to": ANNA, "payment_token": "tok_visa", "lines": [{"sku": "mug", "quantity": 1}]}
    first = await town.do("order", "/orders", wish, Idempotency_Key="basket-7")
    second = await town.do("order", "/orders", wish, Idempotency_Key="basket-7")
    assert first == second
    with pytest.raises(Refused) as other:
        await town.do("order", "/orders", wish | {"priority": 1}, Idempotency_Key="basket-7")
    assert other.value.status == 422
    assert await town.stock() == {"north": (3, 1)}


async def test_what_the_shop_does_not_have_and_will_not_get_is_rejected(town: Town) -> None:
    await town.opens(mugs=0, backorderable=False)
    order = await town.place({"mug": 2})
    assert await town.status(order) == "cancelled"
    assert (await town.line(order))["cancelled"] == 2
    assert (await town.order(order))["reason"] == "sold out"
    assert await town.money(order) == (NIL, NIL, NIL, NIL)
    assert await town.heard("order.order_cancelled.v1") == 1
    assert await town.heard("order.order_confirmed.v1") == 0
    await town.receive_stock("north", {"mug": 5})
    assert await town.stock() == {"north": (5, 0)}


async def test_of_two_pieces_wanted_the_last_one_goes_out_and_the_other_is_cancelled(town: Town) -> None:
    await town.opens(mugs=1, backorderable=False)
    order = await town.place({"mug": 2})
    seen = await town.line(order)
    assert (seen["cancelled"], seen["released"]) == (1, 1)
    assert (await town.order(order))["due"] == "15.00"
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await town.stock() == {"north": (0, 0)}
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)


async def test_a_sku_that_inventory_does_not_know_is_rejected_with_its_reason(town: Town) -> None:
    await town.opens()
    wish = {
        "ship_to": ANNA,
        "payment_token": "tok_visa",
        "lines": [{"sku": "ghost", "quantity": 1, "unit_price": "9.00", "vat_rate": "20", "text": "Ghost"}],
    }
    order = (await town.do("order", "/orders", wish))["id"]
    assert await town.status(order) == "cancelled"
    assert (await town.order(order))["reason"]
    assert await town.money(order) == (NIL, NIL, NIL, NIL)


async def test_postage_by_a_name_that_inventory_does_not_know_is_sent_and_charged(town: Town) -> None:
    """A channel names its postage as it likes; it was cancelled as an unknown SKU, and nobody paid for the parcel."""
    await town.opens(mugs=1)
    express = {"sku": "DHL-EXPRESS", "quantity": 1, "kind": "shipping", "unit_price": "8.00", "vat_rate": "20"}
    order = await town.place(lines=[{"sku": "mug", "quantity": 1}, express | {"text": "Express"}])
    assert await town.status(order) == "in_fulfilment"
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("24.60"), NIL, Decimal("24.60"), NIL)  # (12.50 + 8.00) and 20 % VAT


async def test_sc03_an_order_split_over_two_warehouses_gets_two_parcels_and_two_invoices(town: Town) -> None:
    await town.opens(mugs=2, south=2)
    order = await town.place({"mug": 3})
    assert await town.stock() == {"north": (2, 2), "south": (2, 1)}
    parcels = await town.shipments(order)
    assert sorted((each["warehouse"], each["planned"][0]["quantity"]) for each in parcels) == [
        ("north", 2),
        ("south", 1),
    ]
    first, second = (str(each["shipment_id"]) for each in parcels)

    await town.send_and_deliver(first)
    assert await town.status(order) not in ("delivered", "completed")
    assert len((await town.account(order))["invoiced"]) == 1
    await town.send_and_deliver(second)

    assert await town.status(order) == "completed"
    assert await town.stock() == {"north": (0, 0), "south": (1, 0)}
    assert len((await town.account(order))["invoiced"]) == 2
    assert await town.money(order) == (Decimal("45.00"), NIL, Decimal("45.00"), NIL)


async def test_sc28_a_backorder_is_shipped_when_its_receipt_comes_and_the_oldest_goes_first(town: Town) -> None:
    await town.opens(mugs=1)
    elder = await town.place({"mug": 3})
    younger = await town.place({"mug": 1})
    waiting = await town.line(elder)
    assert (waiting["backordered"], waiting["released"]) == (2, 1)
    assert waiting["promised_on"] is not None
    assert await town.status(younger) == "backordered"
    assert "on backorder" in await town.why(younger)
    queue = (await town.get("inventory", "/backorders?sku=mug"))["items"]
    assert [(str(each["order_id"]), each["quantity"]) for each in queue] == [(elder, 2), (younger, 1)]

    await town.receive_stock("north", {"mug": 2})
    assert (await town.line(elder))["backordered"] == 0
    assert await town.status(younger) == "backordered"
    await town.receive_stock("south", {"mug": 1})
    assert await town.status(younger) == "in_fulfilment"

    for order in (elder, younger):
        for parcel in await town.shipments(order):
            await town.send_and_deliver(str(parcel["shipment_id"]))
        assert await town.status(order) == "completed"
    assert await town.stock() == {"north": (0, 0), "south": (0, 0)}
    assert await town.money(elder) == (Decimal("45.00"), NIL, Decimal("45.00"), NIL)


async def test_a_raised_priority_moves_a_waiting_order_to_the_front_of_the_queue(town: Town) -> None:
    await town.opens(mugs=0)
    elder = await town.place({"mug": 1})
    younger = await town.place({"mug": 1})
    await town.edit(younger, priority=5, reason="a wedding")
    queue = (await town.get("inventory", "/backorders?sku=mug"))["items"]
    assert [str(each["order_id"]) for each in queue] == [younger, elder]
    notes = [entry["note"] for entry in (await town.order(younger))["history"]]
    assert "a wedding: priority 5 instead of 0" in notes

    await town.receive_stock("north", {"mug": 1})
    assert (await town.status(younger), await town.status(elder)) == ("in_fulfilment", "backordered")
    await town.edit(elder, priority=9)
    await town.receive_stock("north", {"mug": 1})
    for order in (younger, elder):
        await town.send_and_deliver(await town.shipment(order))
        assert await town.status(order) == "completed"


async def test_a_customer_who_wants_everything_in_one_go_waits_for_the_last_piece(town: Town) -> None:
    await town.opens(mugs=1)
    order = await town.place({"mug": 2}, ship_complete=True)
    assert await town.status(order) == "backordered"
    assert await town.shipments(order) == []
    assert await town.stock() == {"north": (1, 1)}

    await town.receive_stock("north", {"mug": 1})
    parcels = await town.shipments(order)
    assert [each["planned"][0]["quantity"] for each in parcels] == [2]
    await town.send_and_deliver(str(parcels[0]["shipment_id"]))
    assert await town.status(order) == "completed"
    assert len((await town.account(order))["invoiced"]) == 1


async def test_sc26_a_held_order_is_pulled_back_and_goes_out_after_release(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2})
    first = await town.shipment(order)
    await town.pick(first)
    await town.hold(order)
    assert await town.status(order) == "held"
    assert "fraud check" in await town.why(order)
    assert [each["state"] for each in await town.shipments(order)] == ["cancelled"]
    assert await town.stock() == {"north": (10, 2)}  # a hold keeps its stock
    with pytest.raises(Refused) as late:
        await town.hand_over(first)
    assert late.value.status == 409

    await town.release(order)
    assert await town.status(order) == "in_fulfilment"
    await town.send_and_deliver(await town.shipment(order, 2))
    assert await town.status(order) == "completed"
    assert await town.stock() == {"north": (8, 0)}


async def test_an_order_that_is_placed_on_hold_sends_nothing_before_it_is_released(town: Town) -> None:
    await town.opens()
    order = await town.place(hold="new customer")
    assert await town.status(order) == "held"
    assert await town.shipments(order) == []
    await town.release(order, "new customer")
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"


async def test_a_second_thought_adds_a_line_and_more_of_the_first(town: Town) -> None:
    await town.opens(products=("mug", "pot"))
    order = await town.place({"mug": 1})
    with pytest.raises(Refused) as stale:
        await town.do("order", f"/orders/{order}/edit", {"priority": 5}, If_Match='"1"')
    assert stale.value.status == 412
    await town.edit(order, more=[{"line_no": 1, "quantity": 1}], add=[{"sku": "pot", "quantity": 1}])
    assert (await town.account(order))["secured"] == "45.00"
    assert await town.stock("pot") == {"north": (10, 1)}

    for parcel in await town.shipments(order):
        await town.send_and_deliver(str(parcel["shipment_id"]))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("45.00"), NIL, Decimal("45.00"), NIL)
    assert (await town.stock("mug"), await town.stock("pot")) == ({"north": (8, 0)}, {"north": (9, 0)})


async def test_sc04_a_warehouse_that_is_closed_has_its_parcel_sent_from_the_other(town: Town) -> None:
    await town.opens(mugs=2, south=2)
    order = await town.place({"mug": 2})
    await town.reject(await town.shipment(order), "closed")
    second = (await town.shipments(order))[1]
    assert second["warehouse"] == "south"
    assert await town.stock() == {"north": (2, 0), "south": (2, 2)}
    await town.send_and_deliver(str(second["shipment_id"]))
    assert await town.status(order) == "completed"


async def test_the_only_warehouse_that_has_it_and_is_closed_is_asked_again_the_next_day(town: Town) -> None:
    """It was left out for good, and the order promised the lead time for goods that lay on the shelf."""
    await town.opens(mugs=2)
    order = await town.place({"mug": 2})
    await town.reject(await town.shipment(order), "closed")
    waits = await town.order(order)
    assert (waits["status"], waits["lines"][0]["promised_on"]) == ("backordered", None)
    assert waits["why_not_moving"] == (
        "2 pieces on backorder: refused by north, to be asked again; no day is promised."
    )
    await town.pass_time(hours=25)
    second = (await town.shipments(order))[1]
    assert second["warehouse"] == "north"
    await town.send_and_deliver(str(second["shipment_id"]))
    assert await town.status(order) == "completed"


async def test_an_address_that_cannot_be_served_holds_the_order_until_it_is_corrected(town: Town) -> None:
    await town.opens()
    order = await town.place()
    await town.reject(await town.shipment(order), "address")
    assert await town.status(order) == "held"
    assert (await town.order(order))["holds"] == ["address"]
    await town.edit(order, ship_to={**ANNA, "street": ["Oudegracht 2"]})
    second = await town.shipment(order, 2)
    await town.send_and_deliver(second)
    sent_to = (await town.get("fulfilment", f"/shipments/{second}"))["address"]
    assert sent_to["street"] == ["Oudegracht 2"]
    assert await town.status(order) == "completed"
