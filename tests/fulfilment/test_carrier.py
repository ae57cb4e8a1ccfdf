"""The carrier's port against the development carrier, over its real HTTP interface, with every kind of trouble."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from services.fulfilment.carriers import Carrier, HttpCarrier, InstantCarrier, carrier_at
from services.fulfilment.development_carrier import Switches, development_carrier
from services.fulfilment.webhook import NotGenuine, headers, verify
from shared.contracts.fulfilment import CallCarrier, LabelAnswered
from shared.contracts.values import Address
from tests.eventually import eventually
from tests.fulfilment.builders import NOW, PACK, SHIPMENT, Warehouse, cancel, pick, plan


def wanted(operation: str = "buy", label_id: str = "", shipment: UUID = SHIPMENT) -> CallCarrier:
    return CallCarrier.model_validate(
        {
            "shipment_id": shipment,
            "operation": operation,
            "idempotency_key": str(shipment),
            "label_id": label_id,
            "address": Address(name="A. Buyer"),
        }
    )


class Town:
    """The carrier's office, and our port to it."""

    def __init__(self, path: Path) -> None:
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.deaf = 0
        self.app = development_carrier(
            path, webhook_url="http://us/webhooks/carrier", secret="s1", transport=httpx.MockTransport(self.hear)
        )
        self.carrier = self.app.state.carrier
        transport = httpx.ASGITransport(app=self.app)
        self.port = HttpCarrier("http://carrier", timeout_s=3.0, transport=transport)
        self.http = httpx.AsyncClient(base_url="http://carrier", transport=transport)

    def hear(self, request: httpx.Request) -> httpx.Response:
        if self.deaf:
            self.deaf -= 1
            return httpx.Response(503)
        self.posted.append((dict(request.headers), request.content))
        return httpx.Response(200)

    async def book(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/book")).json()
        return found

    async def switch(self, **trouble: float) -> None:
        assert (await self.http.put("/switches", json=trouble)).status_code == 200

    async def heard(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.posted) < count or self.carrier.sending:
                await asyncio.gather(*self.carrier.sending)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path / "carrier.db")
    yield town
    await town.port.close()
    await town.carrier.stop()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


async def test_the_same_key_gets_the_same_label(town: Town) -> None:
    first = await town.port.perform(wanted())
    again = await town.port.perform(wanted())
    assert (first.outcome, again) == ("ok", first)
    assert first.label_id
    assert first.tracking
    assert [label["key"] for label in (await town.book())["labels"]] == [str(SHIPMENT)]


async def test_sc27_the_answer_is_lost_and_there_is_still_one_label(town: Town) -> None:
    """Through the real decisions: unknown, the timer, the same key again."""
    await town.switch(lose_answer=1)
    w = Warehouse()
    w.say(plan(), pick(), PACK)
    w.say(await town.port.perform(w.calls[-1]))
    assert (w.shipment.state, w.shipment.label) == ("picked", "wanted")
    w.wait(timedelta(minutes=1))
    w.say(await town.port.perform(w.calls[-1]))
    assert w.shipment.state == "packed"
    assert [label["label_id"] for label in (await town.book())["labels"]] == [w.shipment.label_id]


async def test_f30_cancelled_while_the_carrier_is_away_no_label_is_left_unvoided(town: Town) -> None:
    await town.switch(lose_answer=1)
    w = Warehouse()
    w.say(plan(), pick(), PACK)
    unknown = await town.port.perform(w.calls[-1])
    w.say(cancel(), unknown)
    w.wait(timedelta(minutes=1))
    for _ in range(2):  # the label turns out to exist; it is voided
        w.say(await town.port.perform(w.calls[-1]))
    assert w.shipment.label == "voided"
    assert [label["state"] for label in (await town.book())["labels"]] == ["voided"]


@pytest.mark.parametrize(
    ("trouble", "outcome", "booked"),
    [
        ({"error_500": 1}, "unknown", 0),
        ({"lose_answer": 1}, "unknown", 1),
        ({"refuse": 1}, "refused", 0),
    ],
)
async def test_what_is_not_known_is_unknown_and_what_is_refused_says_why(
    town: Town, trouble: dict[str, float], outcome: str, booked: int
) -> None:
    await town.switch(**trouble)
    answer = await town.port.perform(wanted())
    assert answer.outcome == outcome
    assert answer.reason
    assert len((await town.book())["labels"]) == booked


async def test_too_slow_is_unknown_and_the_label_is_found_later(tmp_path: Path, free_port: int) -> None:
    """Over a real socket: only there a client's time-out is one."""
    app = development_carrier(tmp_path / "carrier.db")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = HttpCarrier(f"http://127.0.0.1:{free_port}", timeout_s=0.2)
    await port.client.put("/switches", json={"slow": 1, "slow_s": 0.6})
    assert (await port.perform(wanted())).outcome == "unknown"
    assert (await port.perform(wanted())).outcome == "ok"
    await port.close()
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"label_id": ""}', b'{"label_id": 5, "tracking": null}'], ids=repr
)
async def test_garbage_is_unknown(body: bytes) -> None:
    port = HttpCarrier("http://carrier", transport=httpx.MockTransport(lambda r: httpx.Response(200, content=body)))
    assert (await port.perform(wanted())).outcome == "unknown"


async def test_nobody_there_is_unknown() -> None:
    port = carrier_at("http://127.0.0.1:1")
    assert (await port.perform(wanted())).outcome == "unknown"
    await port.close()


async def test_a_label_is_voided_once_and_again(town: Town) -> None:
    bought = await town.port.perform(wanted())
    for _ in range(2):
        answer = await town.port.perform(wanted("void", bought.label_id))
        assert (answer.operation, answer.outcome, answer.label_id) == ("void", "ok", bought.label_id)
    assert (await town.book())["labels"][0]["state"] == "voided"


async def test_sc27_a_void_after_the_manifest_becomes_a_refund_claim(town: Town) -> None:
    bought = await town.port.perform(wanted())
    await town.http.post("/manifests", json={})
    answer = await town.port.perform(wanted("void", bought.label_id))
    assert (answer.outcome, answer.reason) == ("ok", "claimed")
    label = (await town.book())["labels"][0]
    assert (label["state"], bool(label["refund_asked_at"])) == ("bought", True)


async def test_no_refund_for_a_parcel_that_was_carried(town: Town) -> None:
    bought = await town.port.perform(wanted())
    await town.http.post("/manifests", json={})
    await town.http.post(f"/tracking/{bought.label_id}/in_transit")
    answer = await town.port.perform(wanted("void", bought.label_id))
    assert (answer.outcome, answer.reason) == ("refused", "the parcel was carried: no refund")


async def test_voids_are_refused_and_unknown_like_purchases(town: Town) -> None:
    bought = await town.port.perform(wanted())
    await town.switch(refuse_void=1)
    assert (await town.port.perform(wanted("void", bought.label_id))).outcome == "refused"
    await town.switch(lose_answer=1)
    assert (await town.port.perform(wanted("void", bought.label_id))).outcome == "unknown"
    assert (await town.port.perform(wanted("void", "nonsense"))).outcome == "refused"


async def test_one_key_cannot_be_used_for_two_parcels(town: Town) -> None:
    for reference, status in (("a", 201), ("a", 200), ("b", 422)):
        response = await town.http.post("/labels", headers={"Idempotency-Key": "k"}, json={"reference": reference})
        assert response.status_code == status


async def test_many_at_once_get_one_label_each_and_all_are_in_the_book(town: Town) -> None:
    shipments = [UUID(int=n % 50) for n in range(100)]
    town.port.client.timeout = httpx.Timeout(60)
    answers = await asyncio.gather(*(town.port.perform(wanted(shipment=shipment)) for shipment in shipments))
    assert {a.outcome for a in answers} == {"ok"}
    assert len({a.label_id for a in answers}) == 50
    assert len((await town.book())["labels"]) == 50


async def test_the_book_outlives_the_office(tmp_path: Path) -> None:
    before = Town(tmp_path / "carrier.db")
    bought = await before.port.perform(wanted())
    before.deaf = 1000
    await before.http.post(f"/tracking/{bought.label_id}/delivered")
    await before.carrier.stop()
    after = Town(tmp_path / "carrier.db")
    assert await after.port.perform(wanted()) == bought
    await after.carrier.start()
    await after.heard(1)
    assert json.loads(after.posted[0][1])["status"] == "delivered"
    await after.carrier.stop()


async def test_webhooks_are_signed_come_twice_and_are_tried_again(town: Town) -> None:
    bought = await town.port.perform(wanted())
    town.deaf = 1
    await town.http.post(f"/tracking/{bought.label_id}/delivered", params={"copies": 2, "text": "front door"})
    await town.heard(2)
    ids = {verify(["new", "s1"], given, body, town.carrier.now()) for given, body in town.posted}
    assert len(ids) == 1
    said = json.loads(town.posted[0][1])
    assert (said["reference"], said["status"], said["text"]) == (str(SHIPMENT), "delivered", "front door")


def test_a_signature_fits_its_id_time_and_body_only() -> None:
    good = headers("s1", "evt_1", NOW, b"body")
    assert verify(["s1"], good, b"body", NOW + timedelta(seconds=299)) == "evt_1"
    for secrets, given, body, now in (
        (["other"], good, b"body", NOW),
        ([], good, b"body", NOW),
        (["s1"], good, b"bodY", NOW),
        (["s1"], good | {"webhook-id": "evt_2"}, b"body", NOW),
        (["s1"], good | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, b"body", NOW),
        (["s1"], good | {"webhook-timestamp": "x"}, b"body", NOW),
        (["s1"], good | {"webhook-signature": ""}, b"body", NOW),
        (["s1"], {}, b"body", NOW),
        (["s1"], good, b"body", NOW + timedelta(seconds=301)),
        (["s1"], good, b"body", NOW - timedelta(seconds=301)),
    ):
        with pytest.raises(NotGenuine):
            verify(secrets, given, body, now)


async def test_the_instant_carrier_keeps_to_the_port() -> None:
    port: Carrier = InstantCarrier()
    bought = await port.perform(wanted())
    assert bought == await port.perform(wanted())
    assert isinstance(bought, LabelAnswered)
    assert (await port.perform(wanted("void", bought.label_id))).label_id == bought.label_id
    assert isinstance(carrier_at("instant:"), InstantCarrier)


def test_a_switch_goes_back_by_itself_or_stays() -> None:
    switches = Switches(refuse=1, slow=-1)
    assert [switches.take("refuse"), switches.take("refuse")] == [True, False]
    assert [switches.take("slow"), switches.take("slow")] == [True, True]
