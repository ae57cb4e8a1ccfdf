"""From a fact to its receiver: each once per attempt, in order, whatever a courier or a receiver does."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from comptoir.rebuilding import rebuild
from services.backoffice.public import KINDS, PUBLIC
from services.backoffice.webhooks import table
from services.backoffice.webhooks.courier import Courier
from services.backoffice.webhooks.sending import Ways
from services.backoffice.webhooks.signing import Keys, shown
from shared.clock import new_id, now
from shared.contracts.backoffice import ActOnWebhook, AddWebhook
from shared.contracts.inventory import AvailabilityChanged
from shared.contracts.order import OrderConfirmed, OrderHeld, OrderPlaced
from shared.messaging.bus import arrival_of
from shared.messaging.envelope import envelope
from shared.messaging.unit import Arrival
from shared.messaging.workers import ended
from shared.service import Running
from tests.backoffice.receiver import Receiver, receiver_at, says
from tests.backoffice.shop import Item, Shop, shop_at
from tests.backoffice.test_mails import owned
from tests.conftest import Databases
from tests.eventually import eventually, settled

pytestmark = pytest.mark.postgres
KEYS = Keys(("k" * 32,))
WAYS = Ways(KEYS, inside=True, timeout_s=5.0)


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    """Without keys of its own: nothing is sent but by the couriers of these tests."""
    async with shop_at(databases, "couriers", announce_after_s=0.05) as founded:
        await founded.open(mug=1000, cup=0)
        yield founded


@pytest.fixture
async def receiver(shop: Shop) -> AsyncIterator[Receiver]:
    async with receiver_at() as receiver:
        yield receiver
    await shop.change("backoffice", "update webhooks set state = 'removed'")


@pytest.fixture
def running(shop: Shop) -> Running:
    found: Running = shop.suite["backoffice"]
    return found


async def added(running: Running, url: str, *kinds: str) -> UUID:
    id = new_id()
    word = AddWebhook(webhook_id=id, name="R", url=url, kinds=kinds or KINDS, made_of=KEYS.first, actor="anna")
    assert (await running.desk.ask(word, id=id)).status == 200
    return id


@asynccontextmanager
async def couriers(running: Running, n: int = 1, ways: Ways = WAYS) -> AsyncIterator[list[Courier]]:
    there = [Courier(running, ways) for _ in range(n)]
    tasks = [asyncio.create_task(courier.run()) for courier in there]
    try:
        yield there
    finally:
        await ended(tasks)


async def heard(running: Running, *facts: Any, at: Any = None) -> None:
    """As the bus brings them, each in a packet of its own; returns when they are stored."""
    for fact in facts:
        event = envelope(fact, id=new_id(), source="/comptoir/test", now=at or now())
        stored = asyncio.Event()
        running.desk.put(Arrival("packet", new_id(), [event], done=stored.set))
        await stored.wait()


def placed(order_id: UUID, version: int = 1) -> OrderPlaced:
    return OrderPlaced(order_id=order_id, version=version, number=f"C-{order_id.int % 1000}", status="awaiting_stock")


def confirmed(order_id: UUID, version: int = 2) -> OrderConfirmed:
    return OrderConfirmed(order_id=order_id, version=version, number="C", status="in_fulfilment")


async def states(shop: Shop, hook: UUID) -> Counter[str]:
    rows = await shop.rows("select state, count(*) as n from webhook_deliveries where webhook_id = $1 group by 1", hook)
    return Counter({row["state"]: row["n"] for row in rows})


async def hurried(shop: Shop, hook: UUID) -> None:
    """All pauses are over."""
    await shop.change(
        "backoffice", "update webhook_deliveries set due_at = now() where webhook_id = $1 and state = 'waiting'", hook
    )
    await shop.change("backoffice", "update webhooks set rests_until = null where webhook_id = $1", hook)


def is_cloud_event(event: Item) -> None:
    """What version 1.0 of CloudEvents asks of an event in JSON."""
    assert event["specversion"] == "1.0"
    assert all(isinstance(event[name], str) and event[name] for name in ("id", "source", "type", "subject"))
    assert re.fullmatch(r"/[a-z/]+", event["source"])
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    assert event["datacontenttype"] == "application/json"
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in event)


async def test_an_order_is_told_from_its_placing_to_its_completion_in_order_each_once(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    hook = await added(running, f"{receiver.here}/all")
    parcels = await added(running, f"{receiver.here}/parcels", "shipment.dispatched.v1")
    async with couriers(running):
        order = await shop.place()
        owner = await shop.ask("GET", f"/order/orders/{order['id']}")
        shipment = owner["shipments"][0]["shipment_id"]
        await shop.ship(shipment)
        arrived = {"status": "delivered", "at": now().isoformat()}
        await shop.ask("POST", f"/fulfilment/shipments/{shipment}/tracking", arrived)
        await shop.rest()
        await eventually(lambda: any(got.kind == "order.completed.v1" for got in receiver.at("/all")), 60)
        await eventually(lambda: len(receiver.at("/parcels")) == 1, 60)
        await eventually(lambda: all_delivered(shop, hook), 60)
    came = [got for got in receiver.at("/all") if got.event["subject"] == order["id"]]
    kinds = [got.kind for got in came]
    assert kinds[0] == "order.placed.v1"
    assert kinds[-1] == "order.completed.v1"
    for kind in ("order.confirmed.v1", "shipment.dispatched.v1", "shipment.delivered.v1", "invoice.issued.v1"):
        assert kinds.count(kind) == 1
    assert [got.event["time"] for got in came] == sorted(got.event["time"] for got in came)
    secret = shown(KEYS.secret(hook, 1, KEYS.first))
    schemas = {of.name: of.data.model_json_schema(mode="serialization") for of in PUBLIC.values()}
    for got in receiver.at("/all"):
        assert got.signed_with(secret)
        assert got.id == got.event["id"]
        assert abs(int(got.headers["webhook-timestamp"]) - now().timestamp()) < 300
        is_cloud_event(got.event)
        jsonschema.validate(got.event["data"], schemas[got.kind])
    assert len({got.id for got in came}) == len(came)
    stock = [got.event for got in receiver.at("/all") if got.kind == "stock.available.v1"]
    assert stock[-1]["subject"] == "mug"
    assert stock[-1]["data"]["available"] == 998
    invoice = next(got.event["data"] for got in came if got.kind == "invoice.issued.v1")
    assert (invoice["currency"], invoice["invoices"][0]["gross"]) == ("EUR", "30.25")
    (parcel,) = receiver.at("/parcels")
    assert not parcel.signed_with(secret)
    assert parcel.signed_with(shown(KEYS.secret(parcels, 1, KEYS.first)))


async def test_nothing_is_told_again_by_a_redelivery_or_a_rebuild(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    hook = await added(running, receiver.here, "order.placed.v1", "order.confirmed.v1", "invoice.issued.v1")
    async with couriers(running):
        await shop.place()
        await eventually(lambda: states_are(shop, hook, delivered=2))
        before = await shop.rows("select * from webhook_deliveries where webhook_id = $1 order by 1", hook)
        for owner in ("order", "fulfilment", "billing"):
            for record in await owned(shop, owner, "select key, body from outbox order by id"):
                again = arrival_of(running.reader, record["key"], record["body"], running.new_id(), None)
                running.desk.put(again)  # under another id, as if it were new
        await shop.rest()
        await rebuild(shop.database_url)
        await shop.rest()
        assert await shop.rows("select * from webhook_deliveries where webhook_id = $1 order by 1", hook) == before
    assert len(receiver.got) == 2


async def test_what_a_rebuild_hears_first_is_told(shop: Shop, running: Running, receiver: Receiver) -> None:
    """It takes packets before the running back office does; what they say is owed all the same."""
    hook = await added(running, receiver.here, "order.placed.v1")
    await shop.place()
    await shop.change("backoffice", "delete from webhook_deliveries where webhook_id = $1", hook)
    await rebuild(shop.database_url)
    assert await states(shop, hook) == {"waiting": 1}


async def test_the_next_of_an_order_waits_for_the_one_before_and_other_orders_do_not(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    one, two = new_id(), new_id()
    receiver.answers["/in"] = says(500, "not now")
    hook = await added(running, f"{receiver.here}/in", "order.placed.v1", "order.confirmed.v1", "order.held.v1")
    await heard(running, placed(one), confirmed(one))
    async with couriers(running):
        await eventually(lambda: receiver.got)
        await heard(running, OrderHeld(order_id=one, version=3, number="C", status="held"))
        assert [got.kind for got in receiver.got] == ["order.placed.v1"]
        del receiver.answers["/in"]
        await heard(running, placed(two))
        await eventually(lambda: len(receiver.got) == 2)
        assert receiver.got[1].event["subject"] == str(two)
        await eventually(lambda: states_are(shop, hook, delivered=1, waiting=3))
        await hurried(shop, hook)
        await eventually(lambda: len(receiver.got) == 5)
    first, second, third = (got for got in receiver.got[2:])
    assert first.id == receiver.got[0].id
    assert [got.kind for got in (first, second, third)] == ["order.placed.v1", "order.confirmed.v1", "order.held.v1"]
    attempts = await shop.rows("select * from webhook_attempts where code = 500")
    assert [(row["outcome"], row["answer"], row["why"]) for row in attempts] == [
        ("failed", "not now", "The receiver answered 500.")
    ]


async def test_facts_that_came_in_another_order_than_they_happened_are_told_in_that_of_the_happening(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    one, happened = new_id(), now()
    await added(running, receiver.here, "order.placed.v1", "order.confirmed.v1")
    happened = now()
    async with couriers(running):
        await heard(running, confirmed(one), at=happened + timedelta(milliseconds=5))
        await heard(running, placed(one), at=happened)
        await eventually(lambda: len(receiver.got) == 2)
    assert [got.kind for got in receiver.got] == ["order.placed.v1", "order.confirmed.v1"]


async def test_a_receiver_that_never_answers_holds_up_nobody_else(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    receiver.answers["/deaf"] = receiver.hang
    deaf = await added(running, f"{receiver.here}/deaf", "order.placed.v1")
    await added(running, f"{receiver.here}/in", "order.placed.v1")
    async with couriers(running) as (courier,):
        await heard(running, *(placed(new_id()) for _ in range(40)))
        await eventually(lambda: len(receiver.at("/in")) == 40)
        assert len(receiver.at("/deaf")) == Courier.AT_ONCE
        assert len(courier.lanes[deaf]) == Courier.AT_ONCE
    assert (await states(shop, deaf))["waiting"] == 40


async def test_what_is_committed_and_not_sent_when_we_die_is_sent_by_the_next(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    hook = await added(running, receiver.here, "order.placed.v1")
    await heard(running, placed(new_id()))
    assert not receiver.got
    assert await states(shop, hook) == {"waiting": 1}
    async with couriers(running):
        await eventually(lambda: len(receiver.got) == 1)


async def test_who_dies_between_sending_and_noting_sends_the_same_again_after_its_lease(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    receiver.answers["/in"] = receiver.hang
    hook = await added(running, f"{receiver.here}/in", "order.placed.v1")
    await heard(running, placed(new_id()))
    async with couriers(running):
        await eventually(lambda: len(receiver.got) == 1)
    del receiver.answers["/in"]
    lease = (await shop.rows("select claimed_until from webhook_deliveries where webhook_id = $1", hook))[0]
    assert lease["claimed_until"] > now() + timedelta(seconds=WAYS.timeout_s)
    assert not await table.claim(running.store, hook, 4, now(), now())
    await shop.change("backoffice", "update webhook_deliveries set claimed_until = now() where webhook_id = $1", hook)
    async with couriers(running):
        await eventually(lambda: len(receiver.got) == 2)
    assert receiver.got[0].id == receiver.got[1].id
    assert receiver.got[0].body == receiver.got[1].body


async def test_two_copies_deliver_each_once(shop: Shop, running: Running, receiver: Receiver) -> None:
    hook = await added(running, receiver.here, "order.placed.v1", "order.confirmed.v1")
    orders = [new_id() for _ in range(60)]
    await heard(running, *(fact for id in orders for fact in (placed(id), confirmed(id))))
    async with couriers(running, 3) as copies:
        await eventually(lambda: len(receiver.got) >= 120, within_s=60)
        assert await settled(lambda: states(shop, hook), 1.5) == {"delivered": 120}
    assert Counter(Counter(got.id for got in receiver.got).values()) == {1: 120}
    shares = [courier.outcomes["delivered"] for courier in copies]
    assert sum(shares) == 120
    assert all(shares), shares
    for id in orders:
        own = [got.kind for got in receiver.got if got.event["subject"] == str(id)]
        assert own == ["order.placed.v1", "order.confirmed.v1"]


async def test_a_receiver_that_answers_gone_ends_its_webhook(shop: Shop, running: Running, receiver: Receiver) -> None:
    receiver.answers["/in"] = says(410)
    hook = await added(running, f"{receiver.here}/in", "order.placed.v1")
    await heard(running, placed(new_id()))
    async with couriers(running):
        await eventually(lambda: states_are(shop, hook, given_up=1))
        await heard(running, placed(new_id()))
    assert (await shop.rows("select state from webhooks where webhook_id = $1", hook))[0]["state"] == "gone"
    assert await states(shop, hook) == {"given_up": 1}
    assert len(receiver.got) == 1


async def test_a_redirect_is_no_way_inside_and_a_name_of_this_machine_is_refused(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    receiver.answers["/in"] = says(307, location=f"{receiver.here}/inside")
    hook = await added(running, f"{receiver.here}/in", "order.placed.v1")
    await heard(running, placed(new_id()))
    async with couriers(running):
        await eventually(lambda: reasons(shop, hook))
    assert [got.path for got in receiver.got] == ["/in"]
    await hurried(shop, hook)
    async with couriers(running, ways=Ways(KEYS, inside=False)):
        await eventually(lambda: reasons_are(shop, hook, 2))
    assert len(receiver.got) == 1
    assert await reasons(shop, hook) == [
        "The receiver answered 307: no redirect is followed.", "The address must begin with https://",
    ]  # fmt: skip


async def test_a_paused_webhook_is_sent_nothing_until_it_is_resumed(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    hook = await added(running, receiver.here, "order.placed.v1")
    other = await added(running, f"{receiver.here}/other", "order.placed.v1")
    await running.desk.ask(ActOnWebhook(webhook_id=hook, act="pause"), id=new_id())
    async with couriers(running):
        await heard(running, *(placed(new_id()) for _ in range(3)))
        await eventually(lambda: len(receiver.at("/other")) == 3)
        assert not receiver.at("/")
        await running.desk.ask(ActOnWebhook(webhook_id=hook, act="resume"), id=new_id())
        await eventually(lambda: len(receiver.at("/")) == 3)
        await eventually(lambda: states_are(shop, other, delivered=3))


async def test_of_stock_that_a_slow_receiver_was_not_told_only_the_newest_is_sent(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    hook = await added(running, receiver.here, "stock.available.v1")
    for version in (1, 2, 3):
        await heard(
            running,
            AvailabilityChanged(
                sku="lamp", version=version, on_hand=version, reserved=0, available=version, backorderable=False
            ),
        )
    async with couriers(running):
        await eventually(lambda: states_are(shop, hook, delivered=1, overtaken=2))
    assert [got.event["data"]["available"] for got in receiver.got] == [3]


async def test_a_key_that_is_gone_sends_nothing_and_says_so(shop: Shop, running: Running, receiver: Receiver) -> None:
    hook = await added(running, receiver.here, "order.placed.v1")
    await heard(running, placed(new_id()))
    async with couriers(running, ways=Ways(Keys(("x" * 32,)), inside=True)):
        (why,) = await eventually(lambda: reasons(shop, hook))
    assert not receiver.got
    assert "COMPTOIR_WEBHOOK_KEYS" in why


async def test_what_is_old_is_cleared_away_with_all_that_belongs_to_it_and_nothing_else(
    shop: Shop, running: Running, receiver: Receiver
) -> None:
    hook = await added(running, receiver.here, "order.placed.v1")
    await heard(running, placed(new_id()), placed(new_id()))
    async with couriers(running):
        await eventually(lambda: len(receiver.got) == 2)
        await eventually(lambda: states_are(shop, hook, delivered=2))
    old, kept = receiver.got[0].id, receiver.got[1].id
    attempt = (
        "select attempt_id from webhook_attempts a join webhook_deliveries d using (delivery_id) where fact_id = $1"
    )
    (old_attempt,) = await shop.rows(attempt, UUID(old))
    for sql in (
        "update webhook_deliveries set wanted_at = wanted_at - interval '40 days' where fact_id = $1",
        "update webhook_facts set made_at = made_at - interval '40 days' where fact_id = $1",
        "update webhook_attempts set at = at - interval '40 days' where delivery_id in "
        "(select delivery_id from webhook_deliveries where fact_id = $1)",
    ):
        await shop.change("backoffice", sql, UUID(old))
    asked = "select count(*) as n from requests where id = $1"
    assert (await shop.rows(asked, old_attempt["attempt_id"]))[0]["n"] == 1
    async with couriers(running, ways=Ways(KEYS, days=30)):
        await eventually(lambda: facts_are(shop, UUID(old), 0))
    assert await facts_are(shop, UUID(kept), 1)
    assert (await shop.rows(asked, old_attempt["attempt_id"]))[0]["n"] == 0
    assert not await shop.rows(attempt, UUID(old))
    assert await shop.rows(attempt, UUID(kept))
    assert await states(shop, hook) == {"delivered": 1}


async def reasons(shop: Shop, hook: UUID) -> list[str]:
    """Why each attempt was in vain, the first first."""
    sql = """select a.why from webhook_attempts a join webhook_deliveries using (delivery_id)
             where webhook_id = $1 order by a.at"""
    return [row["why"] for row in await shop.rows(sql, hook)]


async def reasons_are(shop: Shop, hook: UUID, n: int) -> bool:
    return len(await reasons(shop, hook)) == n


async def all_delivered(shop: Shop, hook: UUID) -> bool:
    """But for what a newer figure of the same stock overtook before it was sent."""
    found = await states(shop, hook)
    assert "delivered" in found, found
    assert found.keys() <= {"delivered", "overtaken"}, found
    return True


async def states_are(shop: Shop, hook: UUID, **wanted: int) -> bool:
    return await states(shop, hook) == wanted


async def facts_are(shop: Shop, fact: UUID, wanted: int) -> bool:
    rows: list[Item] = await shop.rows("select 1 from webhook_facts where fact_id = $1", fact)
    return len(rows) == wanted
