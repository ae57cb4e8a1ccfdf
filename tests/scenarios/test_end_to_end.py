"""The numbered scenarios of the trade, each through all services over HTTP."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.journeys.conftest import Founder
from tests.journeys.town import ANNA, NIL, Refused, Town


@pytest.mark.parametrize("max_batch", [1, 256])
@pytest.mark.parametrize("backorderable", [True, False])
async def test_sc01_two_orders_for_one_unit_at_the_same_instant(
    founder: Founder, max_batch: int, backorderable: bool
) -> None:
    """In one transaction or in two: one is promised the unit, the other waits for the next or is refused."""
    async with founder(max_batch=max_batch) as town:
        await town.opens(mugs=1, backorderable=backorderable)
        wish = {"ship_to": ANNA, "payment_token": "tok_visa", "lines": [{"sku": "mug", "quantity": 1}]}
        placed = await asyncio.gather(*(town.ask("order", "POST", "/orders", wish) for _ in range(2)))
        await town.settle()
        states = sorted([await town.status(order["id"]) for order in placed])
        assert states == ["backordered" if backorderable else "cancelled", "in_fulfilment"]
        assert await town.stock() == {"north": (1, 1)}
        await town.all_is_well()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("backorderable", [True, False])
async def test_sc01_a_thousand_customers_want_the_last_ten_units(founder: Founder, backorderable: bool) -> None:
    """F37: exactly ten are promised, in two warehouses; everybody else waits or is refused; nothing is below zero."""
    async with founder() as town:
        await town.opens(mugs=6, south=4, backorderable=backorderable)
        wish = {"ship_to": ANNA, "payment_token": "tok_visa", "lines": [{"sku": "mug", "quantity": 1}]}
        headers = {"X-Actor": "crowd"}

        async def buy(i: int) -> int:
            given = headers | {"Idempotency-Key": f"buyer-{i}"}
            return (await town.http["order"].post("/orders", json=wish, headers=given)).status_code

        answers = await asyncio.gather(*(buy(i) for i in range(1000)))
        assert set(answers) == {201}
        await town.settle(120)
        rows = await town.books["order"].fetch("select status, count(*) as n from progress group by 1")
        others = "backordered" if backorderable else "cancelled"
        assert {row["status"]: row["n"] for row in rows} == {"in_fulfilment": 10, others: 990}
        assert await town.stock() == {"north": (6, 6), "south": (4, 4)}
        waiting = await town.books["inventory"].fetchval("select coalesce(sum(quantity), 0) from queued")
        assert waiting == (990 if backorderable else 0)
        await town.all_is_well()


async def test_sc02_two_lines_of_one_sku_are_added_up_before_they_are_promised(town: Town) -> None:
    await town.opens(mugs=3, backorderable=False)
    lines = [{"sku": "mug", "quantity": 2}, {"sku": "mug", "quantity": 2}]
    order = await town.place(lines=lines)
    seen = [await town.line(order, no) for no in (1, 2)]
    assert sum(line["released"] for line in seen) == 3
    assert sum(line["cancelled"] for line in seen) == 1
    assert await town.stock() == {"north": (3, 3)}


async def opens_with_a_set(town: Town, mugs: int, plates: int, **how: Any) -> None:
    """A set of two mugs and a plate for 20, in a shop that has so many of each in the north."""
    await town.opens(mugs=0, products=("mug", "plate"), **how)
    parts = [{"sku": "mug", "pieces": 2}, {"sku": "plate", "pieces": 1}]
    kit = {"name": "Set", "price": "20.00", "vat_rate": "20", "components": parts}
    await town.ask("order", "PUT", "/products/set", kit)
    await town.receive_stock("north", {"mug": mugs, "plate": plates})


async def test_sc02_a_kit_and_a_single_of_its_component_are_added_up_before_they_are_promised(town: Town) -> None:
    """Two mugs single and one kit of two want four: of three in all one kit is not to be had, and its plate neither."""
    await opens_with_a_set(town, mugs=3, plates=5, backorderable=False)
    order = await town.place({"mug": 2, "set": 1})
    seen = await town.order(order)
    assert [(line["sku"], line["ordered"], line["released"], line["cancelled"]) for line in seen["lines"]] == [
        ("mug", 2, 2, 0), ("mug", 2, 0, 2), ("plate", 1, 0, 1),
    ]  # fmt: skip
    assert (await town.stock(), await town.stock("plate")) == ({"north": (3, 2)}, {"north": (5, 0)})
    await town.send_and_deliver(await town.shipment(order))
    assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("30.00"), NIL)
    await town.all_is_well()


async def test_sc25_of_kits_that_are_partly_delivered_complete_sets_count_and_the_rest_is_listed(town: Town) -> None:
    await opens_with_a_set(town, mugs=4, plates=1)
    order = await town.place({"set": 2})
    with pytest.raises(Refused, match="changed as a whole"):
        await town.cancel(order, {1: 2})
    await town.send_and_deliver(await town.shipment(order))
    (kit,) = (await town.order(order))["kits"]
    assert (kit["ordered"], kit["delivered"], kit["open"]) == (2, 1, True)
    await town.cancel(order)
    seen = await town.order(order)
    assert seen["status"] == "completed"
    (kit,) = seen["kits"]
    assert (kit["ordered"], kit["delivered"], kit["open"]) == (2, 1, False)
    assert kit["leftovers"] == [{"line_no": 1, "sku": "mug", "quantity": 2}]
    assert [(line["shipped"], line["cancelled"]) for line in seen["lines"]] == [(4, 0), (1, 1)]
    sold = {line["sku"]: Decimal(line["unit_price"]) * line["ordered"] for line in seen["lines"]}
    assert sold == {"mug": Decimal("26.66"), "plate": Decimal("13.34")}, "40 for two sets, by what each costs alone"
    assert await town.money(order) == (Decimal("40.00"), NIL, Decimal("40.00"), NIL), "26.66 + 6.67, and 20 % VAT"

    leftover = await town.return_goods(order, await town.shipment(order), {1: 2})
    await town.takes_back(leftover, {1: 2})
    assert await town.money(order) == (Decimal("40.00"), Decimal("16.00"), Decimal("40.00"), Decimal("16.00"))
    await town.all_is_well()


async def test_kits_are_cancelled_edited_and_billed_by_whole_kits_at_their_price(town: Town) -> None:
    await opens_with_a_set(town, mugs=20, plates=10)
    order = await town.place({"set": 3})
    await town.cancel(order, {1: 2, 2: 1})
    await town.edit(order, more=[{"line_no": 1, "quantity": 2}, {"line_no": 2, "quantity": 1}])
    await town.edit(order, add=[{"sku": "set", "quantity": 1}])
    seen = await town.order(order)
    assert [(line["sku"], line["ordered"], line["cancelled"], line["kit"]) for line in seen["lines"]] == [
        ("mug", 6, 2, 1), ("plate", 3, 1, 1), ("mug", 2, 0, 3), ("plate", 1, 0, 3), ("mug", 2, 0, 5),
        ("plate", 1, 0, 5),
    ]  # fmt: skip
    assert Decimal(seen["due"]) == Decimal("96.00"), "four sets and 20 % VAT"
    for parcel in await town.shipments(order):
        if parcel["state"] != "cancelled":
            await town.send_and_deliver(str(parcel["shipment_id"]))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("96.00"), NIL, Decimal("96.00"), NIL)
    await town.all_is_well()


async def test_a_kit_may_be_offered_as_often_as_its_components_make_it_r30(town: Town) -> None:
    await opens_with_a_set(town, mugs=5, plates=9, backorderable=False)
    await town.settle()

    async def offered() -> tuple[int, int]:
        found = (await town.get("inventory", "/availability?sku=set&sku=mug"))["items"]
        return found[0]["available"], found[1]["available"]

    assert await offered() == (2, 5)
    await town.place({"set": 1})
    assert await offered() == (1, 3)
    await town.place({"mug": 2})
    assert await offered() == (0, 1)
    await town.receive_stock("south", {"mug": 9})
    assert await offered() == (5, 10)
    await town.ask("order", "PUT", "/products/set", {"name": "Set", "price": "20.00", "vat_rate": "20"})
    await town.settle()
    assert not (await town.get("inventory", "/availability?sku=set"))["items"][0]["known"], "it is a thing of its own"


async def test_sc05_an_order_of_two_hundred_lines_is_promised_shipped_and_billed_whole(town: Town) -> None:
    skus = [f"mug-{i:03}" for i in range(200)]
    await town.opens(mugs=2, products=skus)
    order = await town.place(dict.fromkeys(skus, 1))
    parcels = await town.shipments(order)
    assert [len(parcel["planned"]) for parcel in parcels] == [200]
    await town.send_and_deliver(str(parcels[0]["shipment_id"]))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("3000.00"), NIL, Decimal("3000.00"), NIL)
    levels = await town.books["inventory"].fetch("select distinct on_hand, reserved from levels")
    assert [(row["on_hand"], row["reserved"]) for row in levels] == [(1, 0)]


async def test_sc06_of_ten_three_are_not_found_and_none_of_them_is_stuck(town: Town) -> None:
    await town.opens(mugs=10)
    order = await town.place({"mug": 10})
    shipment = await town.shipment(order)
    await town.pick(shipment, short={1: 3})
    await town.pack(shipment)
    await town.hand_over(shipment)
    await town.deliver(shipment)
    seen = await town.line(order)
    assert (seen["shipped"], seen["backordered"]) == (7, 3)
    assert await town.stock() == {"north": (0, 0)}
    assert [row["warehouse"] for row in (await town.get("inventory", "/stock?to_count=true"))["items"]] == ["north"]

    await town.receive_stock("north", {"mug": 2})
    await town.cancel(order, {1: 1})
    await town.send_and_deliver(await town.shipment(order, 2))
    assert await town.status(order) == "completed"
    assert await town.stock() == {"north": (0, 0)}
    assert await town.money(order) == (Decimal("135.00"), NIL, Decimal("135.00"), NIL)


async def test_sc09_authorised_and_captured_are_both_told_and_stock_moves_once(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2})
    await town.send_and_deliver(await town.shipment(order))
    assert await town.heard("billing.payment_authorised.v1") >= 1
    assert await town.heard("billing.payment_captured.v1") >= 1
    moved = (await town.get("inventory", "/movements?sku=mug&kind=issue"))["items"]
    assert [each["on_hand"] for each in moved] == [-2]


@pytest.mark.parametrize(
    ("how", "wish"),
    [
        ("no stock", {"lines": [{"sku": "rare", "quantity": 1, "unit_price": "9", "vat_rate": "20"}]}),
        ("declined", {"payment_token": "tok_decline"}),
        ("no credit", {"payment_method": "terms", "lines": [{"sku": "mug", "quantity": 1000}]}),
        ("no transfer", {"payment_method": "bank_transfer"}),
    ],
)
async def test_sc10_of_an_order_that_fails_after_it_was_placed_no_outsider_hears_that_it_is_confirmed(
    town: Town, how: str, wish: dict[str, Any]
) -> None:
    await town.opens(mugs=2000)
    order = await town.place(**wish)
    assert await town.heard("order.order_confirmed.v1") == 0
    await town.pass_time(days=15)
    assert await town.status(order) == "cancelled", how
    assert await town.heard("order.order_confirmed.v1") == 0
    assert await town.heard("order.order_cancelled.v1") == 1


async def test_sc10_confirmed_is_said_once_and_after_stock_and_money_have_answered(town: Town) -> None:
    await town.opens()
    order = await town.place(payment_method="bank_transfer")
    assert await town.heard("order.order_confirmed.v1") == 0
    await town.transfer(order, "15.00")
    assert await town.heard("order.order_confirmed.v1") == 1
    await town.hold(order)
    await town.release(order)
    await town.send_and_deliver(await town.shipment(order, 2))
    assert await town.heard("order.order_confirmed.v1") == 1


async def test_sc19_everything_is_returned_and_refunded_with_postage_and_its_vat_and_not_a_cent_more(
    town: Town,
) -> None:
    await town.opens()
    order = await town.place({"mug": 2, "post": 1}, discount="3.00")
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    paid = (await town.money(order))[0]
    assert paid == Decimal("32.40")  # (2 x 12.50 + 5.00 - 3.00) and 20 %
    parcel = await town.return_goods(order, shipment, {1: 2, 2: 1})
    await town.takes_back(parcel, {1: 2, 2: 1})
    assert await town.money(order) == (paid, paid, paid, paid)
    with pytest.raises(Refused):
        await town.return_goods(order, shipment, {1: 1})


@pytest.mark.parametrize("seqs", [(1, 2), (2, 1)])
async def test_sc19_r40_two_parcels_withdrawn_one_after_the_other_are_refunded_with_postage(
    town: Town, seqs: tuple[int, int]
) -> None:
    await town.opens(mugs=1, south=1)
    order = await town.place({"mug": 2, "post": 1})
    for seq in (1, 2):
        await town.send_and_deliver(await town.shipment(order, seq))
    paid = (await town.money(order))[0]
    assert paid == Decimal("36.00")  # (2 x 12.50 + 5.00) and 20 %
    for back, seq in enumerate(seqs):
        assert (await town.money(order))[1] == back * Decimal("15.00")
        shipment = await town.shipment(order, seq)
        known = {each["return_id"] for each in (await town.order(order))["returns"]}
        await town.return_goods(order, shipment, {1: 1}, withdrawal=True)
        (parcel,) = {each["return_id"] for each in (await town.order(order))["returns"]} - known
        await town.takes_back(parcel, {1: 1})
    assert await town.money(order) == (paid, paid, paid, paid)
    await town.all_is_well()


async def test_sc20_a_returned_line_gives_back_its_share_of_the_discount_and_the_other_keeps_its_price(
    town: Town,
) -> None:
    await town.opens(products=("mug", "pot"), vat_rate="0", price="10.00")
    order = await town.place({"mug": 1, "pot": 1}, discount="5.00")
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    parcel = await town.return_goods(order, shipment, {2: 1})
    await town.takes_back(parcel, {2: 1})
    assert await town.money(order) == (Decimal("15.00"), Decimal("7.50"), Decimal("15.00"), Decimal("7.50"))


async def test_sc21_a_line_added_and_taken_off_again_before_payment_refunds_nothing(town: Town) -> None:
    await town.opens(products=("mug", "pot"))
    order = await town.place(payment_method="bank_transfer")
    await town.edit(order, add=[{"sku": "pot", "quantity": 1}])
    assert (await town.order(order))["due"] == "30.00"
    await town.cancel(order, {2: 1})
    await town.transfer(order, "15.00")
    await town.send_and_deliver(await town.shipment(order))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("15.00"), NIL, Decimal("15.00"), NIL)


async def test_sc22_an_order_that_shrinks_while_authorised_keeps_the_authorisation_and_captures_less(
    town: Town,
) -> None:
    await town.opens()
    order = await town.place({"mug": 3})
    await town.cancel(order, {1: 1})
    kinds = [each["kind"] for each in (await town.account(order))["operations"]]
    assert kinds == ["authorise"]
    await town.send_and_deliver(await town.shipment(order, 2))
    assert await town.status(order) == "completed"
    assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("30.00"), NIL)
    kinds = [each["kind"] for each in (await town.account(order))["operations"]]
    assert kinds.count("authorise") == 1


async def test_sc23_sc24_returns_in_parts_are_right_after_each(town: Town) -> None:
    await town.opens(vat_rate="0", price="10.00")
    order = await town.place({"mug": 4})
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    first = await town.return_goods(order, shipment, {1: 3})
    await town.comes_back(first, {1: 1})
    assert (await town.line(order))["returned"] == 1
    await town.inspect(first, {1: 1})
    assert (await town.money(order))[3] == Decimal("10.00")
    second = await town.return_goods(order, shipment, {1: 1})
    await town.takes_back(second, {1: 1})
    assert (await town.money(order))[3] == Decimal("20.00")
    await town.takes_back(first, {1: 2})
    assert (await town.line(order))["returned"] == 4
    assert await town.money(order) == (Decimal("40.00"),) * 4
    assert await town.stock() == {"north": (10, 0)}


async def test_sc29_twenty_shipments_go_out_at_once_and_their_invoices_have_no_hole(town: Town) -> None:
    await town.opens(mugs=40)
    orders = [await town.place() for _ in range(20)]
    shipments = [await town.shipment(order) for order in orders]
    for shipment in shipments:
        await town.ask("fulfilment", "POST", f"/shipments/{shipment}/pick", {})
        await town.ask("fulfilment", "POST", f"/shipments/{shipment}/pack", {})
    await town.settle()
    await asyncio.gather(*(town.ask("fulfilment", "POST", f"/shipments/{each}/dispatch", {}) for each in shipments))
    await town.settle()
    rows = await town.books["billing"].fetch("select serial from invoices order by serial")
    assert [row["serial"] for row in rows] == list(range(1, 21))
    for shipment in shipments:
        await town.deliver(shipment)
    assert {await town.status(order) for order in orders} == {"completed"}
