"""Inventory as it runs: tables, batches, timers and look-ups on PostgreSQL, and its HTTP API."""

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select, text

from services.inventory import tables
from services.inventory.app import build
from services.inventory.settings import Settings
from shared.contracts.fulfilment import ShipmentDispatched, ShipmentLine
from shared.contracts.inventory import (
    AvailabilityChanged,
    Item,
    Kept,
    RegisterItems,
    RegisterWarehouse,
    ReserveStock,
    Want,
)
from shared.contracts.message import Message
from shared.messaging.envelope import Packet, read
from shared.service import Running, application
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)


class Told:
    """A bus with nobody on it: keeps what was published."""

    deadline_s: float | None = None

    def __init__(self) -> None:
        self.packets: list[Packet] = []

    async def publish(self, packet: Packet) -> None:
        self.packets.append(packet)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def healthy(self) -> bool:
        return True


class Depot:
    """A running inventory and its API. Every test uses SKUs of its own."""

    def __init__(self, database: str) -> None:
        self.settings = Settings(_env_file=None, database_url=database, serve_at_once=3, announce_after_s=0.05)
        self.running, self.bus = Running(build(self.settings)), Told()
        transport = httpx.ASGITransport(app=application(self.running))
        self.http = httpx.AsyncClient(base_url="http://inventory", transport=transport)
        self.made = 0

    async def __aenter__(self) -> "Depot":
        await self.running.start(self.bus)
        self.running.start_workers()
        for code, country, rank in (("north", "GB", 10), ("south", "FR", 20)):
            await self.say(RegisterWarehouse(code=code, country=country, rank=rank))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()
        await self.running.stop()

    async def say(self, *messages: Message) -> list[int]:
        """All of them in one batch."""
        replies = await asyncio.gather(*(self.running.desk.ask(m, id=uuid4()) for m in messages))
        return [r.status for r in replies]

    async def sku(self, **more: Any) -> str:
        sku = f"sku/{uuid4().hex[:10]}"
        await self.say(RegisterItems(items=(Item(sku=sku, **more),)))
        return sku

    async def post(self, path: str, body: Any, key: str = "") -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key or uuid4().hex, "X-Actor": "Mia"})

    async def receive(self, sku: str, quantity: int, warehouse: str = "north") -> None:
        lines = [{"sku": sku, "quantity": quantity, "unit_cost": "1.25"}]
        answer = await self.post("/receipts", {"warehouse": warehouse, "reference": "PO", "lines": lines})
        assert answer.status_code == 201, answer.text

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


def wish(sku: str, quantity: int, order: UUID, version: int = 1, minute: int = 0, **more: Any) -> ReserveStock:
    return ReserveStock(
        order_id=order,
        version=version,
        placed_at=NOON + timedelta(minutes=minute),
        wanted=(Want(line_no=1, sku=sku, quantity=quantity),),
        **more,
    )


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        yield depot


async def test_sc01_fifty_orders_for_the_last_ten_units(depot: Depot) -> None:
    sku = await depot.sku(backorderable=False)
    await depot.receive(sku, 10)
    orders = [uuid4() for _ in range(50)]
    await asyncio.gather(*(depot.say(wish(sku, 1, o)) for o in orders))
    (level,) = (await depot.get("/stock", sku=sku))["items"]
    assert (level["on_hand"], level["reserved"], level["available"]) == (10, 10, 0)
    states = [(await depot.get(f"/orders/{o}"))["lines"][0]["rejected"] for o in orders]
    assert sorted(states) == [0] * 10 + [1] * 40


async def test_a_receipt_serves_a_long_queue_by_age(depot: Depot) -> None:
    sku = await depot.sku()
    orders = [uuid4() for _ in range(10)]
    await depot.say(*(wish(sku, 2, o, minute=n) for n, o in reversed(list(enumerate(orders)))))
    shown = await depot.get("/backorders", sku=sku)
    assert [UUID(b["order_id"]) for b in shown["items"]] == orders
    await depot.receive(sku, 13)

    async def served() -> bool:
        left = (await depot.get("/backorders", sku=sku))["items"]
        return [(UUID(b["order_id"]), b["quantity"]) for b in left] == [
            (orders[6], 1), *((o, 2) for o in orders[7:]),
        ]  # fmt: skip

    assert await eventually(served)


async def test_a_count_takes_back_the_youngest_promises(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 3)
    orders = [uuid4() for _ in range(3)]
    await depot.say(*(wish(sku, 1, o, minute=n) for n, o in enumerate(orders)))
    body = {"warehouse": "north", "reference": "C-1", "reason": "shelf looked empty", "sku": sku, "counted": 1}
    answer = await depot.post("/counts", body, key=f"count-{sku}")
    assert answer.status_code == 202

    async def counted() -> bool:
        (level,) = (await depot.get("/stock", sku=sku))["items"]
        return (level["on_hand"], level["reserved"]) == (1, 1)

    assert await eventually(counted)
    assert [(await depot.get(f"/orders/{o}"))["lines"][0]["backordered"] for o in orders] == [0, 1, 1]
    again = await depot.post("/counts", body, key=f"count-{sku}")
    assert (again.status_code, again.json()) == (202, answer.json())
    moved = (await depot.get("/movements", sku=sku))["items"]
    assert [(m["kind"], m["on_hand"], m["actor"]) for m in moved] == [("receipt", 3, "Mia"), ("count", -2, "Mia")]


async def test_the_same_receipt_is_booked_once(depot: Depot) -> None:
    sku = await depot.sku()
    body = {"warehouse": "north", "reference": "PO-1", "lines": [{"sku": sku, "quantity": 2}]}
    first, second = await depot.post("/receipts", body, key=sku), await depot.post("/receipts", body, key=sku)
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert first.json()["levels"][0]["on_hand"] == 2
    body["lines"][0]["quantity"] = 3  # type: ignore[index]
    assert (await depot.post("/receipts", body, key=sku)).status_code == 422


async def test_refusals_name_the_field(depot: Depot) -> None:
    sku = await depot.sku()
    body = {"warehouse": "nowhere", "reference": "PO-1", "lines": [{"sku": sku, "quantity": 2}]}
    answer = await depot.post("/receipts", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "warehouse")
    body |= {"warehouse": "north", "reason": "damaged", "lines": [{"sku": sku, "quantity": -2}]}
    answer = await depot.post("/adjustments", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "lines.0.quantity")
    assert (await depot.http.get(f"/orders/{uuid4()}")).status_code == 404
    assert (await depot.http.get("/stock/unheard-of")).status_code == 404
    assert (await depot.http.get("/stock", params={"after": "WzFd"})).status_code == 422


async def test_what_postgresql_cannot_store_is_refused_at_the_door(depot: Depot) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(["a\0", "b"]).encode()).decode().rstrip("=")
    for path, params in (("/stock", {"sku": "\0"}), ("/stock", {"after": cursor}), ("/stock/%00", {})):
        assert (await depot.http.get(path, params=params)).status_code == 422
    assert (await depot.http.put("/warehouses/%00", json={"rank": 1})).status_code == 422
    assert (await depot.http.put("/items", json={"items": [{"sku": "a\0b"}]})).status_code == 422
    far = {"warehouse": "north", "reference": "x", "sku": "x", "quantity": 10**12, "expected_on": "9999-12-31"}
    assert (await depot.post("/expected-receipts", far)).status_code == 422


async def test_spaces_around_the_sku_of_an_item_are_no_part_of_it(depot: Depot) -> None:
    assert (await depot.http.put("/items", json={"items": [{"sku": " jug ", "name": "Jug"}]})).status_code == 200
    assert (await depot.http.get("/items/jug")).json()["name"] == "Jug"
    assert (await depot.http.put("/items/jug ", json={"name": "Pitcher"})).status_code == 200
    assert (await depot.http.get("/items/ jug")).json()["name"] == "Pitcher"
    assert (await depot.http.put("/items", json={"items": [{"sku": " "}]})).status_code == 422


async def test_availability_says_how_much_and_from_which_day_more(depot: Depot) -> None:
    sku, none = await depot.sku(lead_days=5), await depot.sku(backorderable=False)
    today = datetime.now(UTC).date()
    day = (today + timedelta(days=30)).isoformat()
    await depot.receive(sku, 3)
    await depot.post(
        "/expected-receipts",
        {"warehouse": "north", "reference": "PO-9", "sku": sku, "quantity": 4, "expected_on": day},
    )
    found = (await depot.get("/availability", sku=[sku, none, "unheard-of"]))["items"]
    assert [(f["known"], f["available"], f["more_from"]) for f in found] == [
        (True, 3, day),
        (True, 0, None),
        (False, 0, None),
    ]
    gone = (today - timedelta(days=2)).isoformat()
    late = {"warehouse": "north", "reference": "PO-9", "sku": sku, "quantity": 4, "expected_on": gone}
    await depot.post("/expected-receipts", late)
    (found,) = (await depot.get("/availability", sku=sku))["items"]
    assert (found["available"], found["more_from"]) == (3, None), "nobody knows when it comes"


async def test_who_waits_for_a_purchase_order_is_promised_its_new_day(depot: Depot) -> None:
    sku, orders = await depot.sku(), [uuid4() for _ in range(3)]
    day = datetime.now(UTC).date() + timedelta(days=5)
    due = {"warehouse": "north", "reference": "PO-9", "sku": sku, "quantity": 6}
    await depot.post("/expected-receipts", {**due, "expected_on": day.isoformat()})
    await depot.say(*(wish(sku, 2, order, minute=n, priority=n % 2) for n, order in enumerate(orders)))

    async def promised(expected: str) -> bool:
        left = (await depot.get("/backorders", sku=sku))["items"]
        return [b["promised_on"] for b in left] == [expected] * 3

    assert await eventually(lambda: promised(day.isoformat()))
    moved = (day + timedelta(days=35)).isoformat()
    await depot.post("/expected-receipts", {**due, "expected_on": moved})
    assert await eventually(lambda: promised(moved))


async def test_channels_hear_how_the_stock_stands_after_orders_and_receipts(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 9)
    await depot.say(*(wish(sku, 1, uuid4()) for _ in range(4)))
    key = AvailabilityChanged.key

    async def told() -> bool:
        said = [
            event.data for packet in depot.bus.packets if packet.key == key for event in read(packet.key, packet.body)
        ]
        mine = [of for of in said if isinstance(of, AvailabilityChanged) and of.sku == sku]
        assert [of.version for of in mine] == list(range(1, len(mine) + 1))
        return bool(mine) and (mine[-1].on_hand, mine[-1].reserved, mine[-1].available) == (9, 4, 5)

    assert await eventually(told)


async def test_an_order_shows_its_promises_and_why_from_there(depot: Depot) -> None:
    sku, order = await depot.sku(), uuid4()
    await depot.receive(sku, 1, "north")
    await depot.receive(sku, 5, "south")
    await depot.say(wish(sku, 2, order, country="GB"))
    shown = await depot.get(f"/orders/{order}")
    assert [(r["warehouse"], r["reserved"]) for r in shown["reservations"]] == [("south", 2)]
    assert {r["warehouse"]: r["outcome"] for r in shown["routing"]} == {"north": "refused", "south": "chosen"}
    stock = await depot.get(f"/stock/{sku}")
    assert [(n["warehouse"], n["available"]) for n in stock["levels"]] == [("north", 1), ("south", 3)]
    assert (stock["incoming"], stock["backordered"], stock["queue"]) == ([], 0, [])


async def test_pages_go_on_where_the_last_one_ended(depot: Depot) -> None:
    sku = await depot.sku()
    for n in range(5):
        await depot.receive(sku, n + 1)
    seen, after = [], None
    while True:
        page = await depot.get("/movements", sku=sku, limit=2, **({"after": after} if after else {}))
        seen += [m["on_hand"] for m in page["items"]]
        if not (after := page["next"]):
            break
    assert seen == [1, 2, 3, 4, 5]


async def test_mixed_batches_keep_the_books_true(depot: Depot) -> None:
    """Asks, dispatches, receipts and counts of few SKUs in one transaction each: no row was left undeclared."""
    chance = random.Random(7)
    skus = [await depot.sku() for _ in range(3)]
    orders = [uuid4() for _ in range(12)]
    versions = dict.fromkeys(orders, 0)
    home = {o: chance.choice(skus) for o in orders}
    for _ in range(40):
        batch: list[Message] = []
        for _ in range(chance.randint(1, 12)):
            o = chance.choice(orders)
            where = chance.choice(["north", "south"])
            match chance.randint(0, 4):
                case 0 | 1:
                    versions[o] += 1
                    kept = (Kept(line_no=1, warehouse=where, used=1),) if chance.random() < 0.2 else ()
                    priority = chance.choice([0, 0, 1])
                    batch.append(wish(home[o], chance.randint(0, 5), o, versions[o], kept=kept, priority=priority))
                case 2 if versions[o]:
                    shipped, short = chance.randint(0, 2), chance.randint(0, 1)
                    line = ShipmentLine(line_no=1, sku=home[o], planned=shipped + short, shipped=shipped, short=short)
                    batch.append(
                        ShipmentDispatched(
                            order_id=o,
                            version=4,
                            shipment_id=uuid4(),
                            state="dispatched",
                            warehouse=where,
                            lines=(line,),
                        )
                    )
                case 3:
                    await depot.receive(home[o], chance.randint(1, 3), where)
                case _:
                    body = {"warehouse": where, "reference": "C", "reason": "spot check", "sku": home[o]}
                    body["counted"] = chance.randint(0, 6)
                    assert (await depot.post("/counts", body)).status_code in (201, 202)
        assert max(await depot.say(*batch), default=200) < 400

    async def at_rest() -> bool:
        async with depot.running.reads.connect() as connection:
            waiting = await connection.scalar(text("select count(*) from timers where due_at <= now()"))
            calls = await connection.scalar(text("select count(*) from calls"))
        return depot.running.idle() and not waiting and not calls

    assert await eventually(at_rest)
    await books_are_true(depot, skus)


async def books_are_true(depot: Depot, skus: list[str]) -> None:
    """Of these SKUs: other tests on the same database write sales of long ago without stock."""
    async with depot.running.reads.connect() as connection:
        for wrong in (
            "select l.sku, l.on_hand, sum(m.on_hand) from levels l left join movements m using (sku, warehouse) "
            "where sku = any(:skus) "
            "group by l.sku, l.warehouse having l.on_hand <> coalesce(sum(m.on_hand), 0)",  # I1
            "select l.sku, l.reserved, sum(r.reserved) from levels l left join reservations r using (sku, warehouse) "
            "where sku = any(:skus) "
            "group by l.sku, l.warehouse having l.reserved <> coalesce(sum(r.reserved), 0)",  # I2
            "select q.sku, q.waiting, sum(e.quantity) from queues q left join queued e using (sku) "
            "where sku = any(:skus) group by q.sku having q.waiting <> coalesce(sum(e.quantity), 0)",
            "select d.order_id from demands d full join (select * from queued where quantity > 0) q "
            "using (order_id, line_no) where coalesce(d.backordered, 0) <> coalesce(q.quantity, 0) "
            "and coalesce(d.sku, q.sku) = any(:skus)",
            "select q.sku, q.waiting from queues q join levels l using (sku) "
            "where q.waiting > 0 and l.on_hand > l.reserved and sku = any(:skus)",  # nobody waits beside free stock
        ):
            assert (await connection.execute(text(wrong), {"skus": skus})).all() == [], wrong
        assert await connection.scalar(select(func.count()).select_from(tables.metadata.tables["parked"])) == 0
