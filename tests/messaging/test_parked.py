"""Messages that wait for a person: seen, decided again once, put aside with a reason, from inside and outside."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter

from shared import parked
from shared.messaging.bus import LocalBus
from shared.service import Running, Service, application
from shared.settings import ServiceSettings
from tests.messaging import depot
from tests.messaging.depot import Put, arrival
from tests.messaging.harness import OnPostgres

pytestmark = pytest.mark.postgres
NOBODY = UUID(int=404)


async def park(shop: OnPostgres, count: int = 1, add: int = -1) -> list[UUID]:
    """Refused by a CHECK now; fine as soon as the box holds something."""
    for i in range(count):
        await shop.unit.work([arrival(shop.clock, Put(box=f"b{i}", add=add))])
        shop.clock.move(seconds=1)
    return list((await shop.seen()).parked_ids)


async def test_a_parked_message_says_what_it_is_and_why(on_postgres: OnPostgres) -> None:
    (id,) = await park(on_postgres)
    (listed,) = await parked.list_parked(on_postgres.url)
    shown = await parked.show(on_postgres.url, id)
    assert shown is not None
    assert listed["id"] == shown["id"] == id
    assert "ck_boxes_not_negative" in shown["reason"]
    assert (shown["key"], shown["subject"], shown["state"]) == ("depot.put.v1", "b0", "parked")
    assert '"box":"b0"' in shown["body"]
    assert await parked.show(on_postgres.url, NOBODY) is None


async def test_the_list_goes_on_where_its_last_page_ended(on_postgres: OnPostgres) -> None:
    ids = await park(on_postgres, 5)
    first = await parked.list_parked(on_postgres.url, limit=3)
    rest = await parked.list_parked(on_postgres.url, after=(first[-1]["at"], first[-1]["id"]))
    assert [row["id"] for row in [*first, *rest]] == ids
    assert await parked.list_parked(on_postgres.url, key="billing.") == []


async def test_a_replay_after_the_cause_was_mended_has_its_effects_once(on_postgres: OnPostgres) -> None:
    (id,) = await park(on_postgres)
    await on_postgres.put(Put(box="b0", add=10))
    results = await asyncio.gather(*(parked.replay(on_postgres.url, on_postgres.unit, id, "ann") for _ in range(3)))
    assert sorted(each.result for each in results) == ["done", "not parked", "not parked"]
    assert (await parked.replay(on_postgres.url, on_postgres.unit, id, "bob")).result == "not parked"
    seen = await on_postgres.seen()
    assert seen.boxes["b0"].amount == 9
    assert len(seen.sent) == 2, "what it sends waits in the outbox for the relay of the running service"
    shown = await parked.show(on_postgres.url, id)
    assert shown is not None
    assert (shown["state"], shown["resolved_by"]) == ("replayed", "ann")
    assert shown["resolved_at"] == on_postgres.clock.time


async def test_a_replay_that_fails_again_is_parked_again_under_a_new_id(on_postgres: OnPostgres) -> None:
    (id,) = await park(on_postgres)
    replayed = await parked.replay(on_postgres.url, on_postgres.unit, id, "ann")
    assert replayed.result == "parked again"
    assert "not_negative" in replayed.reason
    (again,) = (await on_postgres.seen()).parked_ids
    assert again != id


async def test_a_rehearsal_says_what_would_happen_and_changes_nothing(on_postgres: OnPostgres) -> None:
    await park(on_postgres, 2)
    await on_postgres.put(Put(box="b1", add=10))
    before = await on_postgres.seen()
    rehearsed = await parked.replay_all(on_postgres.url, on_postgres.unit, "ann", dry_run=True)
    assert [each.result for each in rehearsed] == ["parked again", "done"]
    assert await on_postgres.seen() == before
    done = await parked.replay_all(on_postgres.url, on_postgres.unit, "ann")
    assert [each.result for each in done] == ["parked again", "done"]


async def test_a_drop_needs_a_name_and_a_reason_and_keeps_both(on_postgres: OnPostgres) -> None:
    (id,) = await park(on_postgres)
    now = datetime(2026, 3, 2, tzinfo=UTC)
    for by, reason in (("", "why"), ("ann", " ")):
        with pytest.raises(ValueError, match="a name and a reason"):
            await parked.drop(on_postgres.url, id, by, reason, now)
    assert await parked.drop(on_postgres.url, id, "ann", "a test message", now)
    assert not await parked.drop(on_postgres.url, id, "bob", "again", now)
    shown = await parked.show(on_postgres.url, id)
    assert shown is not None
    assert (shown["state"], shown["resolved_by"], shown["resolved_at"]) == ("dropped", "ann: a test message", now)
    assert (await parked.replay(on_postgres.url, on_postgres.unit, id, "bob")).result == "not parked"
    assert await parked.list_parked(on_postgres.url) == []
    assert len(await parked.list_parked(on_postgres.url, state=None)) == 1


async def test_bytes_that_were_no_message_cannot_be_replayed_and_stay(on_postgres: OnPostgres) -> None:
    from shared.messaging.bus import Reader, arrival_of

    shop = on_postgres
    reader = Reader("depot", lambda come: None, shop.clock.now, shop.clock.new_id)
    await shop.unit.work([arrival_of(reader, "depot.put.v1", b"garbage", None, None)])
    (id,) = (await shop.seen()).parked_ids
    replayed = await parked.replay(shop.url, shop.unit, id, "ann")
    assert replayed.result == "unreadable"
    assert (await shop.seen()).parked_ids == (id,)


async def test_a_packet_of_a_version_unknown_then_is_replayed_whole_now(
    on_postgres: OnPostgres,
) -> None:
    shop = on_postgres
    packet = depot.packet_of(shop.clock, Put(box="a", add=1), Put(box="b", add=2))
    await shop.fetch(
        "insert into parked (id, at, key, subject, arrived_by, attempts, reason, detail, body) "
        "values ($1, $2, $3, '', 'packet', 1, 'Unreadable: unsupported version', '', $4)",
        packet.id, shop.clock.time, packet.key, packet.body,
    )  # fmt: skip
    assert (await parked.replay(shop.url, shop.unit, packet.id, "ann")).result == "done"
    boxes = (await shop.seen()).boxes
    assert (boxes["a"].amount, boxes["b"].amount) == (1, 2)


async def test_what_is_still_missing_waits_on_the_ladder_again(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    await shop.unit.work([arrival(shop.clock, Put(box="a", fail="bug"))])
    (id,) = (await shop.seen()).parked_ids
    body = (await shop.fetch("select body from parked"))[0]["body"].replace('"fail":"bug"', '"fail":"missing"')
    await shop.fetch("update parked set body = $1", body)
    assert (await parked.replay(shop.url, shop.unit, id, "ann")).result == "waits"
    assert len((await shop.seen()).timers) == 1


# Over HTTP


class NoWhere(ServiceSettings):
    model_config = ServiceSettings.model_config | {"env_file": None}


@pytest.fixture
async def service(on_postgres: OnPostgres) -> AsyncIterator[tuple[OnPostgres, Running, httpx.AsyncClient]]:
    settings = NoWhere(database_url=on_postgres.url)
    made = Service("depot", depot.HANDLERS, depot.BOOKS, depot.metadata, None, APIRouter(), settings)
    running = Running(made, now=on_postgres.clock.now, new_id=on_postgres.clock.new_id)
    bus = LocalBus()
    bus.attach(running.reader)
    await running.start(bus)
    transport = httpx.ASGITransport(application(running))
    async with httpx.AsyncClient(transport=transport, base_url="http://depot", headers={"X-Actor": "ann"}) as client:
        yield on_postgres, running, client
    await running.stop()


async def test_staff_see_replay_and_drop_over_http(service: tuple[OnPostgres, Running, httpx.AsyncClient]) -> None:
    shop, running, client = service
    ids = await park(shop, 3)
    page: dict[str, Any] = (await client.get("/parked?limit=2")).json()
    assert [item["id"] for item in page["items"]] == [str(id) for id in ids[:2]]
    page = (await client.get("/parked", params={"after": page["next"]})).json()
    assert [item["id"] for item in page["items"]] == [str(ids[2])]
    assert page.get("next") is None

    shown = (await client.get(f"/parked/{ids[0]}")).json()
    assert "not_negative" in shown["reason"]
    assert shown["body"]

    assert (await client.post(f"/parked/{ids[0]}/replay")).status_code == 409
    await shop.put(Put(box="b1", add=5))
    before = len((await shop.seen()).outbox)
    assert (await client.post(f"/parked/{ids[1]}/replay")).json()["result"] == "done"
    assert (await client.post(f"/parked/{ids[1]}/replay")).status_code == 409
    assert (await shop.seen()).boxes["b1"].amount == 4
    assert before == 1
    assert running.relay is not None

    assert (await client.post(f"/parked/{ids[2]}/drop", json={"reason": ""})).status_code == 422
    assert (await client.post(f"/parked/{ids[2]}/drop", json={"reason": "a test"})).json()["result"] == "dropped"
    assert (await client.post(f"/parked/{ids[2]}/drop", json={"reason": "a test"})).status_code == 409
    dropped = (await client.get("/parked?state=dropped")).json()["items"]
    assert [(item["id"], item["resolved_by"]) for item in dropped] == [(str(ids[2]), "ann: a test")]


async def test_all_are_rehearsed_unless_asked_otherwise(service: tuple[OnPostgres, Running, httpx.AsyncClient]) -> None:
    shop, _, client = service
    await park(shop, 2)
    await shop.put(Put(box="b0", add=5))
    rehearsed = (await client.post("/parked/replay-all", json={})).json()
    assert [each["result"] for each in rehearsed] == ["done", "parked again"]
    assert (await shop.seen()).boxes["b0"].amount == 5
    done = (await client.post("/parked/replay-all", json={"dry_run": False, "key": "depot."})).json()
    assert [each["result"] for each in done] == ["done", "parked again"]
    assert (await shop.seen()).boxes["b0"].amount == 4


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/parked/{NOBODY}", 404),
        ("POST", f"/parked/{NOBODY}/replay", 404),
        ("GET", "/parked/none", 422),
        ("GET", "/parked?after=AAAA", 422),
        ("GET", "/parked?after=WzEsMl0", 422),
        ("GET", "/parked?key=%00", 422),
        ("GET", "/parked?limit=0", 422),
    ],
)
async def test_wrong_requests_are_answered_with_a_problem(
    service: tuple[OnPostgres, Running, httpx.AsyncClient], method: str, path: str, status: int
) -> None:
    _, _, client = service
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_act_without_a_name_is_refused(service: tuple[OnPostgres, Running, httpx.AsyncClient]) -> None:
    shop, _, client = service
    (id,) = await park(shop)
    assert (await client.post(f"/parked/{id}/replay", headers={"X-Actor": ""})).status_code == 422
    with pytest.raises(ValueError, match="needs a name"):
        await parked.replay(shop.url, shop.unit, id, " ")
