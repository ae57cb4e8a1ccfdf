"""Work on the shelves is shown before it is done: exactly that happens, or nothing does and it says so."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.inventory import Kept, Limit
from tests.eventually import eventually
from tests.inventory.test_service import Depot, wish

pytestmark = pytest.mark.postgres
Item = dict[str, Any]


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        yield depot


def receipt(sku: str, quantity: int, **more: Any) -> Item:
    lines = [{"sku": sku, "quantity": quantity}]
    return {"warehouse": "north", "reference": f"PO/{sku}", "lines": lines, **more}


def count(sku: str, counted: int, **more: Any) -> Item:
    return {"warehouse": "north", "reference": "C-1", "reason": "yearly", "sku": sku, "counted": counted, **more}


def adjustment(sku: str, quantity: int, **more: Any) -> Item:
    lines = [{"sku": sku, "quantity": quantity}]
    return {"warehouse": "north", "reference": "A-1", "reason": "damaged", "lines": lines, **more}


async def looked(depot: Depot, what: str, body: Item) -> Item:
    answer = await depot.http.post(f"/{what}/preview", json=body, headers={"X-Actor": "Mia"})
    assert answer.status_code == 200, answer.text
    found: Item = answer.json()
    return found


async def levels(depot: Depot, sku: str) -> tuple[int, int]:
    (level,) = (await depot.get("/stock", sku=sku, warehouse="north"))["items"] or [{"on_hand": 0, "reserved": 0}]
    return level["on_hand"], level["reserved"]


async def given(depot: Depot, sku: str) -> bool:
    """Whether nothing of it is free."""
    on_hand, promised = await levels(depot, sku)
    return on_hand == promised


async def reserved(depot: Depot, *orders: UUID) -> list[int]:
    return [sum(r["reserved"] for r in (await depot.get(f"/orders/{o}"))["reservations"]) for o in orders]


async def test_a_receipt_tells_the_levels_the_purchase_order_and_who_gets_the_goods(depot: Depot) -> None:
    sku, (early, late, urgent) = await depot.sku(), (uuid4() for _ in range(3))
    await depot.say(wish(sku, 2, late, minute=2), wish(sku, 4, early), wish(sku, 3, urgent, minute=9, priority=1))
    expected = {"warehouse": "north", "reference": f"PO/{sku}", "sku": sku, "quantity": 6, "expected_on": "2027-03-09"}
    await depot.post("/expected-receipts", expected)
    told = await looked(depot, "receipts", receipt(sku, 8))
    assert told["levels"] == [
        {
            "sku": sku,
            "on_hand": [0, 8],
            "reserved": [0, 8],
            "available": [0, 0],
            "quarantined": [0, 0],
            "waiting": [9, 1],
        }
    ]
    assert [(UUID(of["order_id"]), of["quantity"], of["backordered"]) for of in told["gets"]] == [
        (urgent, 3, 0), (early, 4, 0), (late, 1, 1),
    ]  # fmt: skip
    assert [(of["received"], of["over"], of["ordered"]) for of in told["expected"]] == [([0, 8], 2, 6)]
    assert await levels(depot, sku) == (0, 0), "looking does nothing"
    assert (await depot.get("/movements", sku=sku))["items"] == []

    refused = await depot.post("/receipts", receipt(sku, 8, quote=told["quote"]))
    assert (refused.status_code, refused.json()["title"]) == (409, f"2 more than PO/{sku} ordered of {sku}")
    assert await levels(depot, sku) == (0, 0)
    done = await depot.post("/receipts", receipt(sku, 8, quote=told["quote"], over=True))
    assert done.status_code == 201, done.text

    async def served() -> bool:
        return await reserved(depot, urgent, early, late) == [3, 4, 1]

    assert await eventually(served)
    (moved,) = (await depot.get("/movements", sku=sku))["items"]
    assert (moved["kind"], moved["on_hand"], moved["reference"], moved["actor"]) == ("receipt", 8, f"PO/{sku}", "Mia")


async def test_who_may_not_have_it_from_there_is_passed_over_as_it_will_be(depot: Depot) -> None:
    sku, barred, next_ = await depot.sku(), uuid4(), uuid4()
    nothing = (Limit(line_no=1, warehouse="north", most=0),)
    await depot.say(wish(sku, 1, barred, limits=nothing), wish(sku, 1, next_, minute=1))
    told = await looked(depot, "receipts", receipt(sku, 1))
    assert [UUID(of["order_id"]) for of in told["gets"]] == [next_]
    assert (await depot.post("/receipts", receipt(sku, 1, quote=told["quote"]))).status_code == 201

    async def served() -> bool:
        return await reserved(depot, barred, next_) == [0, 1]

    assert await eventually(served)


async def test_a_long_queue_is_shown_as_far_as_it_will_be_served(depot: Depot) -> None:
    sku, orders = await depot.sku(), [uuid4() for _ in range(10)]
    await depot.say(*(wish(sku, 2, o, minute=600 * n) for n, o in enumerate(orders)))  # over several days
    told = await looked(depot, "receipts", receipt(sku, 13))
    assert [(UUID(of["order_id"]), of["quantity"]) for of in told["gets"]] == [
        *((o, 2) for o in orders[:6]), (orders[6], 1),
    ]  # fmt: skip
    assert told["levels"][0]["waiting"] == [20, 7]


@pytest.mark.parametrize("what", ["stock", "turn", "order"])
async def test_a_receipt_that_would_do_something_else_is_stale(depot: Depot, what: str) -> None:
    sku, first = await depot.sku(), uuid4()
    await depot.say(wish(sku, 4, first, minute=5))
    told = await looked(depot, "receipts", receipt(sku, 3))
    if what == "stock":
        await depot.post("/adjustments", adjustment(sku, 1))
        await eventually(lambda: given(depot, sku))  # to the one that waits, a moment later
    elif what == "turn":  # as many wait on the same day, but somebody else is before them
        await depot.say(wish(sku, 0, first, version=2), wish(sku, 4, uuid4()))
    else:
        line = {"warehouse": "north", "reference": f"PO/{sku}", "sku": sku, "quantity": 2, "expected_on": "2027-03-09"}
        await depot.post("/expected-receipts", line)
    before = await levels(depot, sku)
    late = await depot.post("/receipts", receipt(sku, 3, quote=told["quote"]))
    assert late.status_code == 409
    assert "went stale" in late.json()["title"]
    assert await levels(depot, sku) == before
    again = await looked(depot, "receipts", receipt(sku, 3))
    assert again["quote"] != told["quote"]
    assert (await depot.post("/receipts", receipt(sku, 3, quote=again["quote"], over=True))).status_code == 201


async def test_who_waits_further_back_does_not_make_it_stale(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.say(wish(sku, 4, uuid4()))
    told = await looked(depot, "receipts", receipt(sku, 3))
    await depot.say(wish(sku, 4, uuid4(), minute=7))
    assert (await depot.post("/receipts", receipt(sku, 3, quote=told["quote"]))).status_code == 201


async def test_a_count_tells_who_loses_a_promise_and_takes_back_no_other(depot: Depot) -> None:
    sku, old, young, packed = await depot.sku(), uuid4(), uuid4(), uuid4()
    await depot.receive(sku, 6)
    kept = (Kept(line_no=1, warehouse="north", used=2),)
    await depot.say(wish(sku, 2, old), wish(sku, 2, young, minute=1), wish(sku, 2, packed, minute=2, kept=kept))
    await depot.say(wish(sku, 2, packed, version=2, minute=2, kept=kept))
    told = await looked(depot, "counts", count(sku, 3))
    (level,) = told["levels"]
    assert (level["on_hand"], level["reserved"], level["waiting"]) == ([6, 3], [6, 3], [0, 3])
    lost = [(UUID(of["order_id"]), of["quantity"], of["backordered"]) for of in told["loses"]]
    assert sorted(lost) == sorted([(young, 2, 2), (old, 1, 1)]), "not the one that is in a parcel"
    assert await reserved(depot, old, young, packed) == [2, 2, 2]
    done = await depot.post("/counts", count(sku, 3, quote=told["quote"]))
    assert done.status_code == 201, done.text
    assert await reserved(depot, old, young, packed) == [1, 0, 2]
    (moved,) = [of for of in (await depot.get("/movements", sku=sku))["items"] if of["kind"] == "count"]
    assert (moved["on_hand"], moved["reason"], moved["actor"]) == (-3, "yearly", "Mia")


async def test_a_count_is_stale_when_other_orders_would_lose_by_it(depot: Depot) -> None:
    sku, first, second = await depot.sku(), uuid4(), uuid4()
    await depot.receive(sku, 2)
    await depot.say(wish(sku, 2, first))
    told = await looked(depot, "counts", count(sku, 0))
    await depot.say(wish(sku, 0, first, version=2), wish(sku, 2, second))  # the levels are what they were
    late = await depot.post("/counts", count(sku, 0, quote=told["quote"]))
    assert late.status_code == 409
    assert await reserved(depot, second) == [2]


async def test_what_a_count_finds_goes_to_who_waits(depot: Depot) -> None:
    sku, waits = await depot.sku(), uuid4()
    await depot.say(wish(sku, 2, waits))
    told = await looked(depot, "counts", count(sku, 3))
    assert [(UUID(of["order_id"]), of["quantity"]) for of in told["gets"]] == [(waits, 2)]
    assert told["levels"][0]["available"] == [0, 1]
    assert (await depot.post("/counts", count(sku, 3, quote=told["quote"]))).status_code == 201


async def test_an_adjustment_is_shown_and_stale_like_the_rest(depot: Depot) -> None:
    sku = await depot.sku()
    await depot.receive(sku, 5)
    told = await looked(depot, "adjustments", adjustment(sku, -2))
    assert (told["levels"][0]["on_hand"], told["levels"][0]["available"], told["gets"]) == ([5, 3], [5, 3], [])
    aside = await looked(depot, "adjustments", adjustment(sku, 1, quarantined=True))
    assert (aside["levels"][0]["on_hand"], aside["levels"][0]["quarantined"]) == ([5, 5], [0, 1])
    assert (await depot.post("/adjustments", adjustment(sku, 1, quarantined=True, quote=aside["quote"]))).is_success
    late = await depot.post("/adjustments", adjustment(sku, -2, quote=told["quote"]))
    assert (late.status_code, await levels(depot, sku)) == (409, (5, 0))
    refused = await depot.http.post("/adjustments/preview", json=adjustment(sku, -6))
    assert refused.status_code == 409
    assert "only 5 are free" in refused.json()["title"]


async def test_expected_receipts_are_listed_by_day_and_paged(depot: Depot) -> None:
    skus = [await depot.sku(name=f"Mug {n}") for n in range(3)]
    reference = f"PO-{uuid4().hex[:8]}"
    for day, sku in zip((9, 8, 8), skus, strict=True):
        body = {"warehouse": "north", "reference": reference, "sku": sku, "quantity": 4}
        await depot.post("/expected-receipts", {**body, "expected_on": f"2027-03-0{day}"})
    ordered = [*sorted(skus[1:]), skus[0]]
    found, after = [], None
    while True:
        page = await depot.get(
            "/expected-receipts", reference=reference, limit=1, **({"after": after} if after else {})
        )
        found += [of["sku"] for of in page["items"]]
        if not (after := page["next"]):
            break
    assert found == ordered
    await depot.post("/receipts", {**receipt(skus[0], 4), "reference": reference})
    assert [of["sku"] for of in (await depot.get("/expected-receipts", reference=reference))["items"]] == ordered[:2]
    assert len((await depot.get("/expected-receipts", reference=reference, all=True))["items"]) == 3


async def test_a_code_is_a_sku_a_barcode_or_a_bin(depot: Depot) -> None:
    sku, bin = await depot.sku(name="Mug", barcode="4006381333931"), f"B-{uuid4().hex[:6]}".upper()
    place = {"places": [{"sku": sku, "warehouse": "north", "bin": bin}]}
    assert (await depot.http.put("/places", json=place)).json() == {"placed": 1}
    for code in (sku, "4006381333931"):
        found = await depot.get("/codes", code=code)
        assert sku in [of["sku"] for of in found["items"]], code
    found = await depot.get("/codes", code=bin.lower())
    assert [(of["warehouse"], of["sku"], of["name"]) for of in found["bins"]] == [("north", sku, "Mug")]
    assert await depot.get("/codes", code="nothing like it") == {"items": [], "bins": []}
    (known,) = (await depot.get("/places", warehouse="north", sku=[sku, "unknown"]))["items"]
    assert (known["bin"], known["barcode"]) == (bin, "4006381333931")
    (elsewhere,) = (await depot.get("/places", warehouse="south", sku=[sku]))["items"]
    assert elsewhere["bin"] == ""


async def test_an_item_keeps_its_barcode_when_nothing_is_said_of_it(depot: Depot) -> None:
    sku = await depot.sku(barcode="123")
    for said, kept in (({}, "123"), ({"barcode": "456"}, "456"), ({"barcode": ""}, "")):
        assert (await depot.http.put(f"/items/{sku}", json={"name": "Mug", **said})).status_code == 200
        assert (await depot.get(f"/items/{sku}"))["barcode"] == kept


async def test_only_what_there_is_has_a_place(depot: Depot) -> None:
    sku = await depot.sku()
    for place, field in (({"sku": "no", "warehouse": "north"}, "sku"), ({"sku": sku, "warehouse": "no"}, "warehouse")):
        refused = await depot.http.put("/places", json={"places": [{**place, "bin": "A"}]})
        assert refused.status_code == 422
        assert field in refused.text
