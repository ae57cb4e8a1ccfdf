"""The service as it runs: real PostgreSQL, its HTTP API, the real development carrier behind the port."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.fulfilment.app import build
from services.fulfilment.carriers import HttpCarrier
from services.fulfilment.development_carrier import development_carrier
from services.fulfilment.settings import Settings
from services.fulfilment.webhook import headers
from shared.contracts.fulfilment import CancelShipment, ExpectLine, ExpectReturn, PlanShipment
from shared.contracts.message import Message
from shared.messaging.envelope import Packet
from shared.service import Running, application
from tests.eventually import eventually
from tests.fulfilment.builders import ORDER, POSTAGE, goods, plan

pytestmark = pytest.mark.postgres


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

    def of(self, subject: UUID) -> list[tuple[str, dict[str, Any]]]:
        """Facts about one shipment or return: (short name, data)."""
        events = [(p.key, e["data"]) for p in self.packets for e in json.loads(p.body)]
        return [(k.split(".")[1], d) for k, d in events if str(subject) in (d["shipment_id"], d.get("return_id"))]


class Shop:
    """A running service, its API, and the carrier in town."""

    def __init__(self, database: str, book: Path, **settings: Any) -> None:
        self.settings = Settings(_env_file=None, database_url=database, carrier_webhook_secrets="old,s1", **settings)
        self.office = development_carrier(
            book, webhook_url="http://us/webhooks/carrier", secret="s1", transport=httpx.MockTransport(self.forward)
        )
        transport = httpx.ASGITransport(app=self.office)
        self.town = httpx.AsyncClient(base_url="http://carrier", transport=transport)
        port = HttpCarrier("http://carrier", transport=transport)
        service = replace(build(self.settings), caller=port.perform, closer=port.close)
        self.running, self.bus = Running(service), Told()
        self.http = httpx.AsyncClient(
            base_url="http://us", transport=httpx.ASGITransport(app=application(self.running))
        )

    async def forward(self, request: httpx.Request) -> httpx.Response:
        return await self.http.send(request)

    async def __aenter__(self) -> "Shop":
        await self.running.start(self.bus)
        self.running.start_workers()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.office.state.carrier.stop()
        await self.running.stop()

    async def say(self, message: Message) -> None:
        await self.running.desk.ask(message, id=uuid4())

    async def post(self, path: str, body: Any = None, key: str = "") -> httpx.Response:
        given = {"Idempotency-Key": key or uuid4().hex, "X-Actor": "Piet"}
        return await self.http.post(path, json=body, headers=given)

    async def shows(self, path: str, **expected: Any) -> dict[str, Any]:
        async def check() -> dict[str, Any]:
            found: dict[str, Any] = (await self.http.get(path)).json()
            assert {name: found.get(name) for name in expected} == expected
            return found

        return await eventually(check)


@pytest.fixture
async def shop(database: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with Shop(database, tmp_path / "carrier.db") as shop:
        yield shop


def planned(warehouse: str = "north", order: UUID = ORDER) -> PlanShipment:
    m = plan(goods(1, 3), POSTAGE, shipment=uuid4(), warehouse=warehouse)
    return m.model_copy(update={"order_id": order})


async def test_by_hand_from_the_pick_list_to_the_door_and_back(shop: Shop) -> None:
    m = planned(warehouse="hand")
    await shop.say(m)
    at = f"/shipments/{m.shipment_id}"
    todo = (await shop.http.get("/pick-list", params={"warehouse": "hand"})).json()
    assert (todo["waiting"], todo["totals"]) == (1, [{"sku": "mug", "text": "", "quantity": 3}])
    picked = await shop.post(f"{at}/pick", {"short": [{"line_no": 1, "quantity": 1}]})
    assert (picked.status_code, picked.json()["state"]) == (200, "picked")
    assert (await shop.post(f"{at}/dispatch")).status_code == 409
    assert (await shop.post(f"{at}/pack", {"weight_g": 700})).status_code == 200
    packed = await shop.shows(at, state="packed", label="bought")
    assert (await shop.post(f"{at}/dispatch", key="once")).json()["state"] == "dispatched"
    assert (await shop.post(f"{at}/dispatch", key="once")).json()["state"] == "dispatched"
    assert (await shop.town.post(f"/tracking/{packed['label_id']}/delivered", params={"copies": 2})).status_code == 202
    await shop.shows(at, state="delivered")
    return_id = uuid4()
    back = ExpectLine(line_no=1, sku="mug", quantity=2)
    await shop.say(
        ExpectReturn(order_id=ORDER, shipment_id=m.shipment_id, return_id=return_id, lines=(back,), reason="small")
    )
    for part in (1, 1):
        received = await shop.post(f"/returns/{return_id}/receive", {"lines": [{"line_no": 1, "quantity": part}]})
        assert received.json()["state"] == "received"
    graded = {"lines": [{"line_no": 1, "accepted": 2, "restock": 1, "scrap": 1}]}
    assert (await shop.post(f"/returns/{return_id}/inspect", graded)).json()["state"] == "closed"
    whole = await shop.shows(at, state="delivered")
    assert [h["what"] for h in whole["history"]] == [
        "planned", "picked, 1 short", "packed, label asked for", "labelled", "handed over", "carrier: delivered",
    ]  # fmt: skip
    assert whole["history"][1]["actor"] == "Piet"
    assert whole["returns"][0]["lines"][0]["accepted"] == 2
    shown = await shop.shows(f"/returns/{return_id}", state="closed")
    assert [h["version"] for h in shown["history"]] == [1, 2, 3, 4]
    await eventually(lambda: len(shop.bus.of(m.shipment_id)) == 10)
    assert [k for k, _ in shop.bus.of(m.shipment_id)][:5] == [
        "shipment_planned", "shipment_picked", "shipment_packed", "shipment_dispatched", "shipment_delivered",
    ]  # fmt: skip


async def test_f34_cancel_and_dispatch_at_the_same_moment_have_one_winner(shop: Shop) -> None:
    plans = [planned(warehouse="race") for _ in range(20)]
    for m in plans:
        await shop.say(m)
        await shop.post(f"/shipments/{m.shipment_id}/pick", {})
        await shop.post(f"/shipments/{m.shipment_id}/pack", {})
        await shop.shows(f"/shipments/{m.shipment_id}", state="packed")

    async def race(i: int, m: PlanShipment) -> tuple[int, dict[str, Any]]:
        cancel = shop.say(CancelShipment(order_id=m.order_id, shipment_id=m.shipment_id))
        leave = shop.post(f"/shipments/{m.shipment_id}/dispatch")
        first, second = (cancel, leave) if i % 2 else (leave, cancel)
        results = await asyncio.gather(first, second)
        answer = next(r for r in results if r is not None)
        return answer.status_code, (await shop.http.get(f"/shipments/{m.shipment_id}")).json()

    outcomes = await asyncio.gather(*(race(i, m) for i, m in enumerate(plans)))
    for status, shipment in outcomes:
        assert (status, shipment["state"]) in [(200, "dispatched"), (409, "cancelled")]
    for _, shipment in outcomes:
        if shipment["state"] == "cancelled":
            await shop.shows(f"/shipments/{shipment['shipment_id']}", label="voided")
    book = (await shop.town.get("/book")).json()
    assert len(book["labels"]) == len(plans)
    cancelled = sum(shipment["state"] == "cancelled" for _, shipment in outcomes)
    assert sum(label["state"] == "voided" for label in book["labels"]) == cancelled


async def test_a_tombstone_is_a_row_like_any_other(shop: Shop) -> None:
    m = planned()
    await shop.say(CancelShipment(order_id=m.order_id, shipment_id=m.shipment_id))
    await shop.say(m)
    found = await shop.shows(f"/shipments/{m.shipment_id}", state="cancelled", lines=[], version=1)
    assert len(found["history"]) == 1


async def test_by_itself_many_plans_become_parcels(database: str, tmp_path: Path) -> None:
    order = uuid4()
    async with Shop(database, tmp_path / "c.db", warehouses_automatic=True, deliver_after_s=0) as shop:
        plans = [planned(order=order) for _ in range(30)]
        await asyncio.gather(*(shop.say(m) for m in plans))

        async def all_there() -> bool:
            found = (await shop.http.get("/shipments", params={"order_id": str(order), "limit": 200})).json()
            return [x["state"] for x in found["items"]] == ["delivered"] * 30

        done: bool = await eventually(all_there)
        assert done
        assert len((await shop.town.get("/book")).json()["labels"]) == 30


async def test_lists_go_page_by_page_and_filter(shop: Shop) -> None:
    order = uuid4()
    plans = [planned(order=order, warehouse="pages") for _ in range(5)]
    for m in plans:
        await shop.say(m)
    seen: list[str] = []
    after = ""
    while True:
        params = {"order_id": str(order), "state": "planned", "warehouse": "pages", "limit": "2"}
        page = (await shop.http.get("/shipments", params=params | ({"after": after} if after else {}))).json()
        seen += [x["shipment_id"] for x in page["items"]]
        if not (after := page["next"]):
            break
    assert seen == [str(m.shipment_id) for m in reversed(plans)]
    assert (await shop.http.get("/shipments", params={"order_id": str(order), "parked": True})).json()["items"] == []
    assert (await shop.http.get("/returns", params={"order_id": str(order), "state": "closed"})).json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/shipments/{UUID(int=99)}", None, 404),
        ("GET", f"/returns/{UUID(int=99)}", None, 404),
        ("GET", "/shipments?after=nonsense", None, 422),
        ("GET", "/shipments?after=WyJhIiwgImIiXQ", None, 422),
        ("GET", "/shipments?state=lost", None, 422),
        ("POST", f"/shipments/{UUID(int=99)}/pick", {}, 404),
        ("POST", f"/shipments/{UUID(int=99)}/pick", {"short": [{"line_no": 1, "quantity": 0}]}, 422),
        ("POST", f"/shipments/{UUID(int=99)}/reject", {"reason": "tired"}, 422),
        ("POST", f"/returns/{UUID(int=99)}/close", {}, 404),
        ("POST", f"/shipments/{UUID(int=99)}/tracking", {"status": "lost", "at": "2026-01-01T00:00:00Z"}, 404),
    ],
)
async def test_errors_are_problems_that_name_the_place(
    shop: Shop, method: str, path: str, body: Any, status: int
) -> None:
    response = await shop.http.request(method, path, json=body, headers={"Idempotency-Key": uuid4().hex})
    assert response.status_code == status
    assert response.headers["content-type"].startswith("application/problem+json")


async def test_writes_need_an_idempotency_key(shop: Shop) -> None:
    response = await shop.http.post(f"/shipments/{UUID(int=99)}/dispatch")
    assert response.status_code == 400


async def test_a_webhook_that_the_carrier_did_not_sign_is_refused(shop: Shop) -> None:
    m = planned()
    await shop.say(m)
    body = json.dumps({"reference": str(m.shipment_id), "status": "lost", "at": "2026-01-01T00:00:00Z"}).encode()
    now = shop.running.now()
    forged = headers("guess", "evt_x", now, body)
    assert (await shop.http.post("/webhooks/carrier", content=body, headers=forged)).status_code == 401
    early = headers("old", "evt_y", now, body)  # genuine, but the parcel is not closed: the carrier sends it again
    assert (await shop.http.post("/webhooks/carrier", content=body, headers=early)).status_code == 404
    nonsense = headers("s1", "evt_z", now, b"{}")
    assert (await shop.http.post("/webhooks/carrier", content=b"{}", headers=nonsense)).status_code == 422
    await shop.shows(f"/shipments/{m.shipment_id}", state="planned")
