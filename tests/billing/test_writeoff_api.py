"""Write-offs by the staff as they run: over HTTP, on PostgreSQL."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.billing.book import ask, ship
from tests.billing.test_refund_api import measured
from tests.billing.test_service import House, house, of  # noqa: F401 - the fixture
from tests.eventually import eventually

pytestmark = pytest.mark.postgres


class Desk:
    """The write-offs of one order on terms that is out: 100.00 are owed."""

    def __init__(self, house: House, order: Any) -> None:  # noqa: F811
        self.house, self.order = house, order

    async def post(self, path: str, body: Any, actor: str, roles: str, key: str = "") -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid4()), "X-Actor": actor, "X-Roles": roles}
        return await self.house.http.post(f"/orders/{self.order}/write-offs{path}", json=body, headers=headers)


async def desk_of(house: House) -> Desk:  # noqa: F811
    order = uuid4()
    await house.say(of(ask(1, 100, "terms"), order), of(ship(1, l1=10), order))

    async def out() -> bool:
        account = await house.account(order)
        return Decimal(account["owed"]) == 100

    await eventually(out)
    return Desk(house, order)


async def test_shown_then_done_once_under_its_key_and_stale_when_the_money_changed(house: House) -> None:  # noqa: F811
    desk, body = await desk_of(house), {"amount": "40", "reason": "bankrupt"}
    shown = (await desk.post("/preview", body, "flo", "finance")).json()
    assert (shown["state"], shown["owed"], shown["written_off"]) == ("done", ["100.00", "60.00"], ["0.00", "40.00"])
    assert (
        "Billing would write off 40.00 EUR of what is owed: a loss in the ledger, and no document."
        in (shown["sentences"])
    )
    account = await house.account(desk.order)
    assert Decimal(account["written_off"]) == 0, "looking does nothing"
    key = str(uuid4())
    for _ in range(2):
        done = await desk.post("", {**body, "quote": shown["quote"]}, "flo", "finance", key)
        assert (done.status_code, done.json()["state"]) == (201, "done")
    account = await house.account(desk.order)
    assert (Decimal(account["owed"]), Decimal(account["written_off"]), account["settled"]) == (60, 40, False)
    stale = await desk.post("", {**body, "quote": shown["quote"]}, "flo", "finance")
    assert (stale.status_code, "went stale" in stale.json()["title"]) == (409, True)
    (row,) = (await house.http.get(f"/write-offs?order_id={desk.order}")).json()["items"]
    assert (await house.http.get(f"/orders/{desk.order}/write-offs/{row['write_off_id']}")).json() == row
    assert (row["order_number"], row["asker"], row["decided_by"]) == ("O-1", "flo", "flo")
    (open_item,) = [
        item for item in (await house.http.get("/open-items")).json()["items"] if item["order_id"] == str(desk.order)
    ]
    assert (Decimal(open_item["owed"]), Decimal(open_item["written_off"])) == (60, 40)
    await desk.post("", {"amount": "60", "reason": "bankrupt"}, "flo", "finance")
    left = (await house.http.get("/open-items")).json()["items"]
    assert str(desk.order) not in [item["order_id"] for item in left], "nobody is asked for it any more"
    missing = await house.http.get(f"/orders/{desk.order}/write-offs/{uuid4()}")
    assert missing.status_code == 404


async def test_no_more_is_given_up_than_is_owed_however_many_ask_at_once(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    body = {"amount": "30", "reason": "bankrupt"}
    answers = await asyncio.gather(*(desk.post("", body, f"flo {n}", "finance") for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    account = await house.account(desk.order)
    assert (Decimal(account["owed"]), Decimal(account["written_off"])) == (10, 90)


async def test_four_eyes_hold_in_the_service_and_in_the_database(house: House) -> None:  # noqa: F811
    desk = await desk_of(house)
    asked = await desk.post("", {"amount": "50.01", "reason": "bankrupt"}, "sam", "support")
    assert (asked.status_code, asked.json()["state"], asked.json()["limit"]) == (202, "waiting", "50.00")
    id = asked.json()["write_off_id"]
    assert [of["write_off_id"] for of in (await house.http.get("/write-offs?state=waiting")).json()["items"]] == [id]
    assert (await measured(house))["write_offs_waiting"] == 1
    for actor, roles, status in (
        ("sam", "finance,admin", 403),
        ("SAM", "admin", 403),
        ("kim", "support", 403),
        ("", "admin", 422),
    ):
        refused = await desk.post(f"/{id}/approve", {}, actor, roles)
        assert refused.status_code == status, (actor, roles, refused.text)
    with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
        await house.sql(f"update write_offs set approver = 'Sam' where write_off_id = '{id}'")
    done = await desk.post(f"/{id}/approve", {"note": "as agreed"}, "flo", "finance")
    assert (done.status_code, done.json()["approver"], done.json()["note"]) == (200, "flo", "as agreed")
    figures = await measured(house)
    assert (figures["write_offs_waiting"], figures["write_offs_oldest_seconds"]) == (0, 0)
    assert figures['write_offs_amount_total{currency="EUR",state="done"}'] >= 50.01
    for change in ("update write_offs set asker = 'kim'", "delete from write_offs"):
        with pytest.raises(asyncpg.RaiseError, match="never changes"):
            await house.sql(change)
