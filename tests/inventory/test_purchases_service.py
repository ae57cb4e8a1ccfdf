"""Suppliers and purchase orders over HTTP: shown before they are done, done once, and one after the other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.eventually import eventually
from tests.inventory.test_service import Depot, wish

pytestmark = pytest.mark.postgres
Item = dict[str, Any]


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        supplier = {"name": "Mugs & Co", "email": "orders@mugs.example", "lead_days": 10, "currency": "USD"}
        assert (await depot.http.put("/suppliers/mugs", json=supplier)).status_code == 200
        yield depot


def order(*lines: tuple[str, int, str], **more: Any) -> Item:
    named = [{"sku": sku, "quantity": n, "unit_cost": "2.5", "expected_on": day} for sku, n, day in lines]
    return {"supplier": "mugs", "warehouse": "north", "lines": named, **more}


async def drafted(depot: Depot, *lines: tuple[str, int, str]) -> str:
    answer = await depot.post("/purchase-orders", order(*lines))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"])


async def done(depot: Depot, number: str, act: str, body: Item | None = None) -> Item:
    """Looked at, then done with the quote."""
    shown = await looked(depot, number, act, body)
    answer = await depot.post(f"/purchase-orders/{number}/{act}", {**(body or {}), "quote": shown["quote"]})
    assert answer.status_code == 200, answer.text
    found: Item = answer.json()
    return found


async def looked(depot: Depot, number: str, act: str, body: Item | None = None) -> Item:
    answer = await depot.http.post(f"/purchase-orders/{number}/{act}/preview", json=body or {})
    assert answer.status_code == 200, answer.text
    found: Item = answer.json()
    return found


async def promised(depot: Depot, order_id: UUID) -> str | None:
    (line,) = (await depot.get(f"/orders/{order_id}"))["lines"]
    return line["promised_on"]  # type: ignore[no-any-return]


async def test_from_draft_to_received_with_who_did_what(depot: Depot) -> None:
    sku, other = await depot.sku(name="Mug", lead_days=30), await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"), (other, 2, "2027-03-08"))
    waits = uuid4()
    await depot.say(wish(sku, 4, waits))
    shown = await looked(depot, number, "send")
    assert (shown["state"], shown["lines"][0]["incoming"]) == (["draft", "sent"], [0, 10])
    (told,) = shown["promises"]
    assert (UUID(told["order_id"]), told["promised_on"][1]) == (waits, "2027-03-08")
    assert (await depot.get(f"/purchase-orders/{number}"))["state"] == "draft", "looking does nothing"
    await done(depot, number, "send")
    await eventually(lambda: told_of(depot, waits, "2027-03-08"))

    change = {"changes": [{"sku": sku, "expected_on": "2027-03-20"}]}
    shown = await looked(depot, number, "changes", change)
    assert [of["promised_on"] for of in shown["promises"]] == [["2027-03-08", "2027-03-20"]]
    await done(depot, number, "changes", change)
    await eventually(lambda: told_of(depot, waits, "2027-03-20"))

    receipt = {"warehouse": "north", "reference": number, "lines": [{"sku": sku, "quantity": 6}]}
    assert (await depot.post("/receipts", receipt)).status_code == 201
    found = await depot.get(f"/purchase-orders/{number}")
    assert (found["state"], [line["received"] for line in found["lines"]]) == ("partly_received", [6, 0])
    await done(depot, number, "close", {"reason": "sold out"})
    history = (await depot.get(f"/purchase-orders/{number}/history"))["items"]
    assert [(act["what"], act["actor"]) for act in history] == [
        (what, "Mia") for what in ("closed", "received", "changed", "sent", "created")
    ]
    (movement,) = (await depot.get("/movements", sku=sku))["items"]
    assert (movement["reference"], movement["unit_cost"]) == (number, "2.5")
    assert (await depot.get(f"/stock/{sku}"))["incoming"] == []


async def told_of(depot: Depot, order_id: UUID, day: str) -> bool:
    return await promised(depot, order_id) == day


async def test_goods_of_an_order_that_was_never_sent_are_not_booked_however_its_number_is_typed(depot: Depot) -> None:
    """A number in small letters was of no order here: what came was booked as nothing that was announced."""
    sku = await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"))
    for typed in (number, number.lower(), f" {number} "):
        receipt = {"warehouse": "north", "reference": typed, "lines": [{"sku": sku, "quantity": 6}]}
        for answer in (
            await depot.http.post("/receipts/preview", json=receipt),
            await depot.post("/receipts", receipt),
            await depot.post("/receipts", {**receipt, "over": True}),
        ):
            assert answer.status_code == 409, answer.text
            assert answer.json()["title"] == (
                f"{number} was never sent: send it first, or book what came under the number of its delivery note"
            )
    assert (await depot.get("/movements", sku=sku))["items"] == []
    await done(depot, number, "send")
    receipt = {"warehouse": "north", "reference": number.lower(), "lines": [{"sku": sku, "quantity": 6}]}
    booked = await depot.post("/receipts", receipt)
    assert (booked.status_code, booked.json()["reference"]) == (201, number)
    assert (await depot.get(f"/purchase-orders/{number}"))["lines"][0]["received"] == 6
    unknown = {"warehouse": "north", "reference": "dn-7", "lines": [{"sku": sku, "quantity": 1}]}
    assert (await depot.post("/receipts", unknown)).json()["reference"] == "dn-7", "of no paper here: as it is typed"


async def test_the_preview_of_a_delivery_says_what_is_over_and_it_needs_a_word(depot: Depot) -> None:
    sku, stranger = await depot.sku(), await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"))
    await done(depot, number, "send")
    lines = [{"sku": sku, "quantity": 11}, {"sku": stranger, "quantity": 2}]
    receipt = {"warehouse": "north", "reference": number, "lines": lines}
    answer = await depot.http.post("/receipts/preview", json=receipt)
    told = answer.json()
    assert {of["sku"]: (of["ordered"], of["over"]) for of in told["expected"]} == {sku: (10, 1), stranger: (0, 2)}
    for quote in ("", told["quote"]):
        assert (await depot.post("/receipts", {**receipt, "quote": quote})).status_code == 409
    taken = await depot.post("/receipts", {**receipt, "quote": told["quote"], "over": True})
    assert taken.status_code == 201, taken.text
    found = await depot.get(f"/purchase-orders/{number}")
    assert (found["state"], [line["received"] for line in found["lines"]]) == ("received", [11, 2])


async def test_the_same_request_twice_has_one_effect(depot: Depot) -> None:
    sku, key = await depot.sku(), uuid4().hex
    body = order((sku, 10, "2027-03-08"))
    first, again = [await depot.post("/purchase-orders", body, key) for _ in range(2)]
    assert first.json() == again.json()
    number = first.json()["number"]
    read = await depot.get(f"/purchase-orders/{number}")
    assert first.json()["created_at"] == read["created_at"], "a moment is written the same wherever it stands"
    sent = [await depot.post(f"/purchase-orders/{number}/send", {}, key) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [200, 200]
    history = (await depot.get(f"/purchase-orders/{number}/history"))["items"]
    assert [act["what"] for act in history] == ["sent", "created"]


async def test_of_many_who_do_it_at_once_one_does_it(depot: Depot) -> None:
    sku = await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"))
    shown = await looked(depot, number, "send")
    acts = [depot.post(f"/purchase-orders/{number}/send", {"quote": shown["quote"]}) for _ in range(4)]
    acts += [depot.post(f"/purchase-orders/{number}/cancel", {}) for _ in range(2)]
    answers = await asyncio.gather(*acts)
    assert sum(answer.status_code == 200 for answer in answers[:4]) <= 1
    found = await depot.get(f"/purchase-orders/{number}")
    versions = [act["version"] for act in (await depot.get(f"/purchase-orders/{number}/history"))["items"]]
    assert found["version"] == versions[0] == len(versions)
    assert sum(answer.status_code == 200 for answer in answers) == len(versions) - 1

    number = await drafted(depot, (sku, 10, "2027-03-08"))
    await done(depot, number, "send")
    receipt = {"warehouse": "north", "reference": number, "lines": [{"sku": sku, "quantity": 4}]}
    answers = await asyncio.gather(*(depot.post("/receipts", receipt) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409], "of ten there are two fours"
    (line,) = (await depot.get(f"/purchase-orders/{number}"))["lines"]
    assert line["received"] == 8


async def test_numbers_of_orders_that_are_made_at_once_differ(depot: Depot) -> None:
    sku = await depot.sku()
    numbers = await asyncio.gather(*(drafted(depot, (sku, 1, "2027-03-08")) for _ in range(12)))
    assert len(set(numbers)) == 12


async def test_the_second_person_sees_what_changed(depot: Depot) -> None:
    sku = await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"))
    tag = (await depot.http.get(f"/purchase-orders/{number}")).headers["ETag"]
    edit = order((sku, 12, "2027-03-08"))
    path = f"/purchase-orders/{number}"
    assert (await depot.http.put(path, json=edit, headers={"If-Match": tag})).status_code == 200
    late = await depot.http.put(path, json=order((sku, 14, "2027-03-08")), headers={"If-Match": tag})
    assert late.status_code == 412
    shown = await looked(depot, number, "send")
    await depot.http.put(path, json=order((sku, 13, "2027-03-08")))
    stale = await depot.post(f"{path}/send", {"quote": shown["quote"]})
    assert (stale.status_code, stale.json()["title"][:22]) == (409, "The preview went stale")
    assert (await looked(depot, number, "send"))["quote"] != shown["quote"]


async def test_an_expected_receipt_beside_it_makes_a_preview_stale(depot: Depot) -> None:
    """Whose days move depends on all that is expected of the SKU."""
    sku = await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"))
    shown = await looked(depot, number, "send")
    loose = {"warehouse": "north", "reference": "DN-7", "sku": sku, "quantity": 2, "expected_on": "2027-03-02"}
    assert (await depot.post("/expected-receipts", loose)).status_code == 201
    assert (await depot.post(f"/purchase-orders/{number}/send", {"quote": shown["quote"]})).status_code == 409


async def test_what_a_purchase_order_expects_is_changed_there(depot: Depot) -> None:
    sku = await depot.sku()
    number = await drafted(depot, (sku, 10, "2027-03-08"))
    loose = {"warehouse": "north", "reference": number, "sku": sku, "quantity": 2, "expected_on": "2027-03-02"}
    refused = await depot.post("/expected-receipts", loose)
    assert (refused.status_code, "is a purchase order" in refused.text) == (409, True)


async def test_orders_are_listed_newest_first_with_their_sums_and_filtered(depot: Depot) -> None:
    sku, other = await depot.sku(), await depot.sku()
    numbers = [await drafted(depot, (sku, n, "2027-03-08"), (other, 2, "2027-03-07")) for n in (3, 4)]
    await done(depot, numbers[0], "send")
    found, after = [], None
    while True:
        page = await depot.get("/purchase-orders", sku=sku, limit=1, **({"after": after} if after else {}))
        found += page["items"]
        if not (after := page["next"]):
            break
    assert [of["number"] for of in found] == numbers[::-1]
    assert [(of["quantity"], of["cost"], of["expected_on"]) for of in found] == [
        (6, "15", None), (5, "12.5", "2027-03-07"),
    ]  # fmt: skip
    assert (found[0]["supplier_name"], found[0]["currency"]) == ("Mugs & Co", "USD")
    sent = await depot.get("/purchase-orders", sku=sku, state="sent", supplier="mugs", warehouse="north")
    assert [of["number"] for of in sent["items"]] == numbers[:1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "eur"}, "currency"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b\nBcc: c@d"}, "email"),
        ({"lead_days": -1}, "lead_days"),
    ],
)
async def test_a_supplier_that_cannot_be_is_refused(depot: Depot, body: Item, field: str) -> None:
    answer = await depot.http.put("/suppliers/bad", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_what_there_is_not_is_not_found(depot: Depot) -> None:
    for path in ("", "/history"):
        assert (await depot.http.get(f"/purchase-orders/PO-1{path}")).status_code == 404
    assert (await depot.post("/purchase-orders/PO-1/send", {})).status_code == 404
    assert (await depot.http.get("/suppliers/nobody")).status_code == 404
