"""Money: declined, late, too little, too much, on terms."""

from datetime import timedelta
from decimal import Decimal

from services.billing.providers import InstantProvider
from tests.journeys.town import NIL, Town


async def test_a_declined_customer_pays_with_another_card(town: Town) -> None:
    await town.opens()
    order = await town.place(payment_token="tok_decline")
    assert await town.status(order) == "awaiting_payment"
    assert "declined" in await town.why(order)
    assert await town.stock() == {"north": (10, 1)}
    await town.pay_again(order, "tok_visa")
    assert await town.status(order) == "in_fulfilment"
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"


async def test_sc07_a_declined_customer_who_does_nothing_loses_the_order_after_a_day(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_token="tok_decline")
    await town.pass_time(hours=23)
    assert await town.status(order) == "awaiting_payment"
    await town.pass_time(hours=2)
    assert await town.status(order) == "cancelled"
    assert await town.stock() == {"north": (10, 0)}
    assert await town.heard("order.order_expired.v1") == 1
    assert await town.money(order) == (NIL, NIL, NIL, NIL)


async def test_f38_sc07_a_transfer_that_comes_after_the_order_expired_is_sent_back(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_method="bank_transfer")
    assert await town.status(order) == "awaiting_payment"
    assert await town.stock() == {"north": (10, 2)}
    await town.pass_time(days=15)
    assert await town.status(order) == "cancelled"
    assert await town.stock() == {"north": (10, 0)}

    await town.transfer(order, "30.00")
    assert await town.status(order) == "cancelled"  # final is final (lesson 1)
    assert await town.money(order) == (NIL, NIL, Decimal("30.00"), Decimal("30.00"))
    assert await town.shipments(order) == []


async def test_a_transfer_that_is_too_small_waits_for_the_rest(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_method="bank_transfer")
    await town.transfer(order, "20.00", "entry-1")
    await town.transfer(order, "20.00", "entry-1")  # the same statement read twice
    assert await town.status(order) == "awaiting_payment"
    assert "10.00 EUR" in await town.why(order)
    await town.transfer(order, "10.00")
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("30.00"), NIL)


async def test_a_transfer_that_is_too_large_has_the_rest_sent_back(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_method="bank_transfer")
    await town.transfer(order, "50.00")
    assert await town.money(order) == (NIL, NIL, Decimal("50.00"), Decimal("20.00"))
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("50.00"), Decimal("20.00"))


async def test_on_terms_the_goods_go_first_and_the_customer_is_reminded(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2}, payment_method="terms")
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "delivered"
    assert "still to be paid" in await town.why(order)
    await town.pass_time(days=60)
    assert await town.heard("billing.payment_overdue.v1") >= 1
    await town.transfer(order, "30.00")
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("30.00"), NIL)


async def test_on_terms_more_than_the_credit_is_declined(town: Town) -> None:
    await town.opens(price="5000.00")
    order = await town.place({"mug": 2}, payment_method="terms")
    assert await town.status(order) == "awaiting_payment"
    assert "declined (12000.00 EUR would be owed, 5000.00 EUR may be)" in await town.why(order)
    await town.pass_time(hours=2)
    assert await town.status(order) == "cancelled"
    assert await town.stock() == {"north": (10, 0)}


async def test_an_authorisation_that_ends_before_the_goods_go_is_made_anew(town: Town) -> None:
    await town.opens(mugs=0)
    order = await town.place()
    await town.pass_time(days=10)
    assert await town.status(order) == "backordered"
    await town.receive_stock("north", {"mug": 1})
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)


async def test_an_authorisation_that_is_over_when_it_arrives_counts_as_declined_and_is_not_asked_for_for_ever(
    town: Town,
) -> None:
    await town.opens()
    provider = getattr(town.suite["billing"].service.caller, "__self__", None)
    assert isinstance(provider, InstantProvider)
    usual, provider.holds_for = provider.holds_for, timedelta(seconds=-1)
    order = await town.place()
    assert await town.status(order) == "awaiting_payment"
    assert len((await town.account(order))["operations"]) == 1
    assert "declined" in await town.why(order)
    provider.holds_for = usual
    await town.pay_again(order)
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
