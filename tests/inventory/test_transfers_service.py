"""Transfers between warehouses over HTTP: asked once, done once, one after the other, and read again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.eventually import eventually
from tests.inventory.test_service import Depot, wish

pytestmark = pytest.mark.postgres
Item = dict[str, Any]


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        yield depot


def move(*lines: tuple[str, int], **more: Any) -> Item:
    named = [{"sku": sku, "quantity": n} for sku, n in lines]
    return {"source": "north", "destination": "south", "expected_on": "2027-03-08", "lines": named, **more}


async def drafted(depot: Depot, *lines: tuple[str, int]) -> str:
    answer = await depot.post("/transfers", move(*lines))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"])


async def sent(depot: Depot, *lines: tuple[str, int]) -> str:
    number = await drafted(depot, *lines)
    answer = await depot.post(f"/transfers/{number}/send", {})
    assert answer.status_code == 200, answer.text
    return number


async def came(depot: Depot, number: str, sku: str, quantity: int, **more: Any) -> Any:
    lines = [{"sku": sku, "quantity": quantity}]
    return await depot.post("/receipts", {"warehouse": "south", "reference": number, "lines": lines, **more})


async def shelf(depot: Depot, sku: str) -> dict[str, int]:
    return {level["warehouse"]: level["on_hand"] for level in (await depot.get(f"/stock/{sku}"))["levels"]}


async def test_goods_of_a_transfer_that_was_never_sent_are_not_booked(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 10)
    number = await drafted(depot, (sku, 6))
    for typed in (number, number.lower()):
        early = await came(depot, typed, sku, 6, over=True)
        assert (early.status_code, early.json()["errors"][0]["field"]) == (409, "reference")
        assert early.json()["title"] == (
            f"{number} was never sent, its pieces are booked in north still: send it first"
        )
    assert await shelf(depot, sku) == {"north": 10}
    assert (await depot.post(f"/transfers/{number}/send", {})).status_code == 200
    assert (await came(depot, number.lower(), sku, 6)).status_code == 201
    assert await shelf(depot, sku) == {"north": 4, "south": 6}


async def test_from_draft_to_closed_with_who_did_what(depot: Depot) -> None:
    sku, other = await depot.sku(name="Mug"), await depot.sku()
    await depot.receive(sku, 10)
    await depot.receive(other, 2)
    number = await drafted(depot, (sku, 6), (other, 2))
    tag = (await depot.http.get(f"/transfers/{number}")).headers["ETag"]
    headers = {"If-Match": tag, "X-Actor": "Mia"}
    path = f"/transfers/{number}"
    edited = await depot.http.put(path, json=move((sku, 7), (other, 2)), headers=headers)
    assert edited.status_code == 200, edited.text
    assert (await depot.http.put(path, json=move((sku, 9)), headers=headers)).status_code == 412
    stale = await depot.http.post(f"{path}/send", json={}, headers={**headers, "Idempotency-Key": uuid4().hex})
    assert stale.status_code == 412

    key = uuid4().hex
    first, again = [await depot.post(f"{path}/send", {}, key) for _ in range(2)]
    assert (first.status_code, first.json()) == (200, again.json())
    assert await shelf(depot, sku) == {"north": 3}
    (expected,) = (await depot.get(f"/stock/{sku}"))["incoming"]
    assert (expected["reference"], expected["warehouse"], expected["quantity"]) == (number, "south", 7)
    assert expected["transfer_id"] == first.json()["transfer_id"]

    assert (await came(depot, number, sku, 5)).status_code == 201
    over = await came(depot, number, sku, 3, over=True)
    assert (over.status_code, over.json()["errors"][0]["field"]) == (409, "lines.0.quantity")
    assert over.json()["title"] == f"3 of {sku} came, only 2 are on their way with {number}"
    assert (await depot.post(f"{path}/close", {"reason": ""})).status_code == 422
    closed = await depot.post(f"{path}/close", {"reason": "fell off the lorry"})
    assert [(n["sent"], n["received"], n["lost"], n["in_transit"]) for n in closed.json()["lines"]] == [
        (7, 5, 2, 0), (2, 0, 2, 0),
    ]  # fmt: skip
    assert (await depot.get(path))["lines"][0]["name"] == "Mug"
    assert await shelf(depot, sku) == {"north": 3, "south": 5}
    history = (await depot.get(f"{path}/history"))["items"]
    assert [(act["what"], act["actor"]) for act in history] == [
        (what, "Mia") for what in ("closed", "received", "sent", "edited", "created")
    ]
    found = (await depot.get("/movements", sku=sku))["items"]
    assert [(m["kind"], m["warehouse"], m["on_hand"], m["in_transit"], m["reason"], m["actor"]) for m in found] == [
        ("receipt", "north", 10, 0, "", "Mia"),
        ("transfer", "north", -7, 7, "", "Mia"),
        ("transfer", "south", 5, -5, "", "Mia"),
        ("transfer_loss", "south", 0, -2, "fell off the lorry", "Mia"),
    ]
    assert (await depot.get(f"/stock/{sku}"))["incoming"] == []


async def test_who_waits_gets_what_comes(depot: Depot) -> None:
    sku, waits = await depot.sku(lead_days=30), uuid4()
    await depot.receive(sku, 4)
    number = await sent(depot, (sku, 4))
    await depot.say(wish(sku, 3, waits))
    (line,) = (await depot.get(f"/orders/{waits}"))["lines"]
    assert (line["backordered"], line["promised_on"]) == (3, "2027-03-08")
    receipt = {"warehouse": "south", "reference": number, "lines": [{"sku": sku, "quantity": 4}]}
    shown = await depot.http.post("/receipts/preview", json=receipt)
    assert [(got["order_id"], got["quantity"]) for got in shown.json()["gets"]] == [(str(waits), 3)]
    assert (await came(depot, number, sku, 4, quote=shown.json()["quote"])).status_code == 201

    async def served() -> bool:
        held = (await depot.get(f"/orders/{waits}"))["reservations"]
        return [(of["warehouse"], of["reserved"]) for of in held] == [("south", 3)]

    await eventually(served)


async def test_only_what_is_free_goes_and_the_line_is_named(depot: Depot) -> None:
    sku, other = await depot.sku(), await depot.sku()
    await depot.receive(sku, 5)
    await depot.receive(other, 5)
    await depot.say(wish(sku, 4, uuid4()))
    number = await drafted(depot, (other, 5), (sku, 2))
    refused = await depot.post(f"/transfers/{number}/send", {})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "lines.1.quantity")
    shown = await depot.http.post(f"/transfers/{number}/send/preview", json={})
    assert (shown.status_code, shown.json()["title"]) == (409, refused.json()["title"])
    assert refused.json()["title"] == f"2 of {sku} should go, only 1 are free in north: 4 are promised"
    assert await shelf(depot, other) == {"north": 5}, "all or nothing"


async def test_sending_is_shown_before_and_done_exactly_so(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 5)
    number = await drafted(depot, (sku, 4))
    path = f"/transfers/{number}/send"

    async def looked() -> Any:
        return (await depot.http.post(f"{path}/preview", json={})).json()

    shown = await looked()
    assert (shown["number"], shown["state"], shown["warehouse"]) == (number, ["draft", "sent"], "north")
    assert shown["lines"] == [
        {"sku": sku, "quantity": 4, "on_hand": [5, 1], "reserved": [0, 0], "available": [5, 1], "incoming": [0, 4]}
    ]
    assert await shelf(depot, sku) == {"north": 5}, "it is only shown"
    await depot.receive(sku, 1)
    stale = await depot.post(path, {"quote": shown["quote"]})
    assert (stale.status_code, stale.json()["title"][:22]) == (409, "The preview went stale")
    assert await shelf(depot, sku) == {"north": 6}
    new = await looked()
    assert new["lines"][0]["on_hand"] == [6, 2]
    assert (await depot.post(path, {"quote": new["quote"]})).status_code == 200
    assert await shelf(depot, sku) == {"north": 2}
    again = await depot.http.post(f"{path}/preview", json={})
    assert (again.status_code, again.json()["title"]) == (409, f"{number} is sent already")


async def test_of_many_at_once_no_piece_goes_twice(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 10)
    numbers = await asyncio.gather(*(drafted(depot, (sku, 4)) for _ in range(4)))
    assert len(set(numbers)) == 4
    acts = [depot.post(f"/transfers/{number}/send", {}) for number in numbers for _ in range(2)]
    acts += [depot.post(f"/transfers/{number}/cancel", {}) for number in numbers[:1]]
    answers = await asyncio.gather(*acts, depot.say(wish(sku, 3, uuid4())))
    assert {answer.status_code for answer in answers[:-1]} <= {200, 409}
    states = [(await depot.get(f"/transfers/{number}"))["state"] for number in numbers]
    (level,) = (await depot.get(f"/stock/{sku}"))["levels"]
    assert level["on_hand"] == 10 - 4 * states.count("sent") >= level["reserved"] == 3
    on_its_way = next(number for number, state in zip(numbers, states, strict=True) if state == "sent")
    parts = await asyncio.gather(*(came(depot, on_its_way, sku, 3) for _ in range(3)))
    assert sorted(part.status_code for part in parts) == [201, 409, 409], "of four there is one three"


async def test_transfers_are_listed_newest_first_with_their_sums_and_filtered(depot: Depot) -> None:
    sku, other = await depot.sku(), await depot.sku()
    await depot.receive(sku, 9)
    first = await sent(depot, (sku, 3))
    assert (await came(depot, first, sku, 1)).status_code == 201
    second = await drafted(depot, (sku, 2), (other, 4))
    found, after = [], None
    while True:
        page = await depot.get("/transfers", sku=sku, limit=1, **({"after": after} if after else {}))
        found += page["items"]
        if not (after := page["next"]):
            break
    assert [(of["number"], of["lines"], of["quantity"], of["received"], of["in_transit"]) for of in found] == [
        (second, 2, 6, 0, 0), (first, 1, 3, 1, 2),
    ]  # fmt: skip
    under_way = {"sku": sku, "state": ["sent", "partly_received"], "source": "north", "destination": "south"}
    assert [of["number"] for of in (await depot.get("/transfers", **under_way))["items"]] == [first]
    assert (await depot.get("/transfers", sku=sku, source="south"))["items"] == []


async def test_its_number_is_no_place_for_other_goods(depot: Depot) -> None:
    sku = await depot.sku()
    number = await drafted(depot, (sku, 1))
    loose = {"warehouse": "south", "reference": number, "sku": sku, "quantity": 2, "expected_on": "2027-03-02"}
    refused = await depot.post("/expected-receipts", loose)
    assert (refused.status_code, "is a transfer" in refused.text) == (409, True)
    early = await came(depot, number, sku, 1)
    assert (early.status_code, early.json()["errors"][0]["field"]) == (409, "reference")


async def test_what_there_is_not_is_not_found(depot: Depot) -> None:
    for path in ("", "/history"):
        assert (await depot.http.get(f"/transfers/TR-1{path}")).status_code == 404
    for act, body in (("send", {}), ("cancel", {}), ("close", {"reason": "lost"})):
        assert (await depot.post(f"/transfers/TR-1/{act}", body)).status_code == 404
