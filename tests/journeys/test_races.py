"""Two who want the same, clocks that disagree, and moments that coincide: F27, F32, F33, F35 and F38."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared import clock
from tests.journeys.conftest import Founder
from tests.journeys.town import ANNA, NIL, Refused, Town, TownClock

LEAP_DAY = datetime(2028, 2, 28, 23, 30, tzinfo=UTC)
SUMMER_TIME = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@dataclass
class Stopped(TownClock):
    """Stands still until it is set."""

    at: datetime = LEAP_DAY

    def __call__(self) -> datetime:
        return self.at + self.ahead


def from_now(moment: datetime) -> TownClock:
    """Runs, from this moment on."""
    return TownClock(moment - clock.now())


# F27


@pytest.mark.parametrize("began", [LEAP_DAY, SUMMER_TIME], ids=["leap day", "summer time"])
async def test_f27_days_that_are_odd_are_days_like_any_other(founder: Founder, began: datetime) -> None:
    async with founder(now=from_now(began)) as town:
        await town.opens()
        paid = await town.place()
        unpaid = await town.place(payment_token="tok_decline")
        await town.pass_time(hours=23)
        assert await town.status(unpaid) == "awaiting_payment"
        await town.send_and_deliver(await town.shipment(paid))
        await town.pass_time(hours=2)
        assert await town.status(unpaid) == "cancelled"
        assert await town.heard("order.order_expired.v1") == 1
        assert await town.status(paid) == "completed"
        await town.all_is_well()


async def test_f27_a_clock_that_jumps_an_hour_fires_each_timer_once(founder: Founder) -> None:
    async with founder() as town:
        await town.opens()
        unpaid = [await town.place(payment_token="tok_decline") for _ in range(3)]
        await town.pass_time(hours=23, minutes=30)
        await town.pass_time(hours=1)
        assert await town.heard("order.order_expired.v1") == 3
        await town.pass_time(hours=-1)  # once more through the same half hour
        late = await town.place()
        await town.pass_time(hours=1)
        assert await town.heard("order.order_expired.v1") == 3
        assert {await town.status(order) for order in unpaid} == {"cancelled"}
        await town.send_and_deliver(await town.shipment(late))
        assert await town.status(late) == "completed"
        await town.all_is_well()


@pytest.mark.rabbit
@pytest.mark.parametrize("behind", [timedelta(minutes=2), timedelta(hours=1), timedelta(hours=-1)], ids=str)
async def test_f27_services_whose_clocks_disagree_come_to_the_same(founder: Founder, behind: timedelta) -> None:
    """Nothing is ordered by the wall clock: statements are newer by their number, and each timer is its owner's."""
    async with (
        founder("rabbit", names=("order", "fulfilment")) as town,
        founder(
            "rabbit",
            names=("inventory", "billing"),
            now=TownClock(-behind),
            fresh=False,
            drained=False,
            announce_after_s=0,  # what channels are told later would seem to wait for as long as the clocks differ
        ) as elsewhere,
    ):
        town.suite.running |= elsewhere.suite.running
        town.http = {**town.http, **elsewhere.http}
        await town.opens(mugs=3)
        first, second = await town.place({"mug": 3}), await town.place({"mug": 3})
        assert await town.status(second) == "backordered"
        await town.cancel(first)
        assert await town.status(second) == "in_fulfilment"
        shipment = await town.shipment(second)
        await town.send_and_deliver(shipment)
        parcel = await town.return_goods(second, shipment, {1: 1})
        await town.takes_back(parcel, {1: 1})
        assert await town.status(second) == "completed"
        assert await town.money(second) == (Decimal("45.00"), Decimal("15.00"), Decimal("45.00"), Decimal("15.00"))
        await town.all_is_well()


# F32


async def test_f32_a_channel_that_sends_an_order_again_with_other_content_changes_nothing(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 1}, external_id="web-1")
    lines = [{"sku": "mug", "quantity": 5}]
    body = {"ship_to": ANNA, "payment_token": "tok_visa", "external_id": "web-1", "lines": lines}
    with pytest.raises(Refused) as again:
        await town.do("order", "/orders", body)
    assert (again.value.status, order in again.value.title) == (409, True)
    with pytest.raises(Refused) as renamed:
        await town.do("order", "/orders", body | {"order_id": order})
    assert renamed.value.status == 409
    seen = await town.order(order)
    assert [(line["sku"], line["ordered"]) for line in seen["lines"]] == [("mug", 1)]
    assert await town.stock() == {"north": (10, 1)}


async def test_f32_of_two_contents_sent_at_once_one_becomes_the_order(town: Town) -> None:
    await town.opens(mugs=100)

    async def send(i: int, quantity: int) -> int:
        lines = [{"sku": "mug", "quantity": quantity}]
        body = {"ship_to": ANNA, "payment_token": "tok_visa", "external_id": f"web-{i}", "lines": lines}
        try:
            await town.ask("order", "POST", "/orders", body)
        except Refused as refused:
            return refused.status
        return 201

    answers = await asyncio.gather(*(send(i, quantity) for i in range(10) for quantity in (1, 2)))
    await town.settle()
    assert Counter(answers) == {201: 10, 409: 10}
    assert await town.books["order"].fetchval("select count(*) from orders") == 10


# F33


async def test_f33_of_two_people_who_edit_what_both_looked_at_the_second_is_told_so(town: Town) -> None:
    await town.opens(mugs=100)
    orders = [await town.place({"mug": 1}) for _ in range(5)]

    async def edit(order: str, version: int, more: int) -> tuple[int, str]:
        wish = {"more": [{"line_no": 1, "quantity": more}]}
        try:
            await town.ask("order", "POST", f"/orders/{order}/edit", wish, If_Match=f'"{version}"')
        except Refused as refused:
            return refused.status, refused.title
        return 200, ""

    for order in orders:
        version = (await town.order(order))["version"]
        answers = await asyncio.gather(edit(order, version, 1), edit(order, version, 2))
        await town.settle()
        won, lost = sorted(answers)
        assert (won[0], lost[0]) == (200, 412)
        assert "changed meanwhile" in lost[1]
        assert f"not {version}" in lost[1]
        seen = await town.order(order)
        added = 1 + answers.index(won)
        assert sum(line["ordered"] for line in seen["lines"]) == 1 + added, "one of both, and nothing of the other"
        edits = [entry for entry in await said_of(town, order) if entry == "order.edit_order.v1"]
        assert len(edits) <= 1
        assert await edit(order, seen["version"], 1) == (200, "")
        await town.settle()


async def said_of(town: Town, order: str) -> list[str]:
    entries = (await town.get("order", f"/orders/{order}/history"))["items"]
    return [str(entry["trigger"]) for entry in entries]


# F35


async def test_f35_an_inspection_that_is_sent_twice_at_once_refunds_once(town: Town) -> None:
    await town.opens()
    order = await town.place({"mug": 2})
    shipment = await town.shipment(order)
    await town.send_and_deliver(shipment)
    parcel = await town.return_goods(order, shipment, {1: 1})
    await town.comes_back(parcel, {1: 1})
    body = {"lines": [{"line_no": 1, "accepted": 1, "restock": 1}]}
    path = f"/returns/{parcel}/inspect"

    async def click(key: str) -> int:
        try:
            await town.ask("fulfilment", "POST", path, body, Idempotency_Key=key)
        except Refused as refused:
            return refused.status
        return 200

    keys = ("one", "one", "two", "three")
    answers = await asyncio.gather(*(click(key) for key in keys))
    await town.settle()
    (first,) = {key for key, status in zip(keys, answers, strict=True) if status == 200}
    assert await town.money(order) == (Decimal("30.00"), Decimal("15.00"), Decimal("30.00"), Decimal("15.00"))
    assert await town.stock() == {"north": (9, 0)}
    assert await click(first) == 200


# F38


@pytest.mark.parametrize("late", [-TICK, timedelta(0), TICK], ids=["just before", "at", "just after"])
async def test_f38_money_that_comes_as_its_order_expires_pays_it_or_goes_back(
    founder: Founder, late: timedelta
) -> None:
    """Ten orders, all to be paid by the same moment; the money of each comes at that moment."""
    time = Stopped()
    async with founder(now=time) as town:
        await town.opens(mugs=100)
        orders = [await town.place({"mug": 2}, payment_method="bank_transfer") for _ in range(10)]
        pay_by = await town.books["order"].fetchval("select distinct pay_by from progress")
        time.at = pay_by + late
        order_timers = town.suite["order"].timekeeper

        async def pay(i: int, order: str) -> None:
            seen = await town.order(order)
            if i == 5:
                order_timers.wake.set()
            body = {
                "entry_id": f"bank-{i}", "reference": seen["number"], "amount": "30.00", "currency": "EUR",
                "booked_on": time().date().isoformat(), "order_id": order,
            }  # fmt: skip
            await town.ask("billing", "POST", "/bank-entries", body)

        await asyncio.gather(*(pay(i, order) for i, order in enumerate(orders)))
        await town.settle()
        time.at = pay_by + timedelta(minutes=5)  # whatever was due by then is over
        await town.settle()
        ends = Counter()
        for order in orders:
            status = await town.status(order)
            ends[status] += 1
            if status == "in_fulfilment":
                await town.send_and_deliver(await town.shipment(order))
                assert await town.status(order) == "completed"
                assert await town.money(order) == (Decimal("30.00"), NIL, Decimal("30.00"), NIL)
            else:
                assert status == "cancelled"
                assert await town.money(order) == (NIL, NIL, Decimal("30.00"), Decimal("30.00"))
                assert await town.shipments(order) == []
        if late < timedelta(0):
            assert ends == {"in_fulfilment": 10}, "nothing was due yet"
        assert (await town.stock())["north"][1] == 0
        await town.all_is_well()
