"""Messages that wait for a person: seen, decided again once, put aside with a reason, from inside and outside."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter

from shared import parked
from shared.messaging.bus import LocalBus
from shared.parked import Chosen
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
    assert await parked.list_parked(on_postgres.url, chosen=Chosen(key="billing.")) == []


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
    assert (await parked.drop(on_postgres.url, id, "ann", "a test message", now)).result == "dropped"
    assert (await parked.drop(on_postgres.url, id, "bob", "again", now)).result == "not parked"
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


async def with_key(request: httpx.Request) -> None:
    """Every request is a new one, unless it says otherwise."""
    request.headers.setdefault("Idempotency-Key", uuid4().hex)


@pytest.fixture
async def service(on_postgres: OnPostgres) -> AsyncIterator[tuple[OnPostgres, Running, httpx.AsyncClient]]:
    settings = NoWhere(database_url=on_postgres.url)
    made = Service("depot", depot.HANDLERS, depot.BOOKS, depot.metadata, None, APIRouter(), settings)
    running = Running(made, now=on_postgres.clock.now, new_id=on_postgres.clock.new_id)
    bus = LocalBus()
    bus.attach(running.reader)
    await running.start(bus)
    transport = httpx.ASGITransport(application(running))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://depot", headers={"X-Actor": "ann"}, event_hooks={"request": [with_key]}
    ) as client:
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
    rehearsed = (await client.post("/parked/replay", json={})).json()
    assert [each["result"] for each in rehearsed] == ["done", "parked again"]
    assert (await shop.seen()).boxes["b0"].amount == 5
    done = (await client.post("/parked/replay", json={"dry_run": False, "key": "depot."})).json()
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


# What is kept, told and rehearsed


async def test_every_act_is_kept_with_who_when_why_and_what_came_of_it(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    again, done, dropped = await park(shop, 3)
    await shop.put(Put(box="b1", add=5))
    await parked.replay(shop.url, shop.unit, again, "ann", why="a try")
    shop.clock.move(seconds=1)
    await parked.replay(shop.url, shop.unit, done, "bob", why="mended")
    shop.clock.move(seconds=1)
    await parked.drop(shop.url, dropped, "eve", "a test", shop.clock.now())
    await parked.rehearse(shop.url, shop.unit, again)
    acts = await parked.list_acts(shop.url)
    told = [(act["by"], act["what"], act["parked_id"], act["why"], act["outcome"]) for act in acts]
    assert told == [
        ("eve", "drop", dropped, "a test", "dropped"),
        ("bob", "replay", done, "mended", "done"),
        ("ann", "replay", again, "a try", "parked again"),
    ]
    assert acts[0]["at"] == shop.clock.now()
    assert "not_negative" in acts[2]["detail"]
    shown = await parked.show(shop.url, dropped)
    assert shown is not None
    assert [act["by"] for act in shown["acts"]] == ["eve"]
    assert [act["id"] for act in await parked.list_acts(shop.url, by="bob")] == [acts[1]["id"]]


async def test_an_act_is_kept_if_and_only_if_its_effects_are(
    on_postgres: OnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the act is written by the unit of work that replays; a unit that is cut off leaves neither."""
    shop = on_postgres
    (id,) = await park(shop)
    await shop.put(Put(box="b0", add=5))

    def cut_off(point: str) -> None:
        if point == "before_commit":
            raise ConnectionError(point)

    monkeypatch.setattr("shared.messaging.unit.failpoint", cut_off)
    with pytest.raises(ConnectionError):
        await parked.replay(shop.url, shop.unit, id, "ann")
    monkeypatch.undo()
    assert await parked.list_acts(shop.url) == []
    assert (await shop.seen()).parked_ids == (id,)
    assert (await parked.replay(shop.url, shop.unit, id, "ann")).result == "done"
    assert len(await parked.list_acts(shop.url)) == 1


async def test_a_rehearsal_tells_every_row_message_timer_and_call(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    (id,) = await park(shop)
    await shop.put(Put(box="b0", add=10))
    would = await parked.rehearse(shop.url, shop.unit, id)
    (changed,) = [row for row in would.effects["rows"] if row["change"] == "changed"]
    assert (changed["table"], changed["key"], changed["fields"]["amount"]) == ("box", ["b0"], [10, 9])
    before = await shop.seen()
    assert await parked.list_acts(shop.url) == []
    await parked.replay(shop.url, shop.unit, id, "ann")
    after = await shop.seen()
    assert before.boxes["b0"].amount == 10
    assert after.boxes["b0"].amount == 9
    sent = [message.key for message in after.sent[len(before.sent) :]]
    assert [message["type"] for message in would.effects["messages"]] == sent
    assert len(would.effects["timers"]) == len(after.timers) - len(before.timers)


async def test_messages_are_chosen_by_cause_document_and_time(on_postgres: OnPostgres) -> None:
    shop = on_postgres
    ids = await park(shop, 3)
    await shop.unit.work([arrival(shop.clock, Put(box="x", fail="bug"))])

    async def found(**of: Any) -> list[UUID]:
        return [row["id"] for row in await parked.list_parked(shop.url, chosen=Chosen(**of))]

    assert await found(reason="NOT_negative") == ids
    assert await found(subject="b1") == [ids[1]]
    assert len(await found(since=shop.clock.now())) == 1
    assert len(await found()) == 4


async def test_the_same_request_gets_the_same_answer_and_another_one_with_its_key_is_refused(
    service: tuple[OnPostgres, Running, httpx.AsyncClient],
) -> None:
    shop, _, client = service
    replayed, dropped = await park(shop, 2)
    await shop.put(Put(box="b0", add=5))
    key = {"Idempotency-Key": "k"}
    first = await client.post(f"/parked/{replayed}/replay", headers=key)
    second = await client.post(f"/parked/{replayed}/replay", headers=key)
    assert (first.status_code, first.json()) == (200, second.json())
    assert (await client.post(f"/parked/{replayed}/replay", headers=key, json={"reason": "x"})).status_code == 422
    assert (await shop.seen()).boxes["b0"].amount == 4
    shop.clock.move(seconds=1)
    once = await client.post(f"/parked/{dropped}/drop", headers=key, json={"reason": "a test"})
    again = await client.post(f"/parked/{dropped}/drop", headers=key, json={"reason": "a test"})
    assert (once.status_code, again.status_code, once.json()["result"]) == (200, 200, "dropped")
    acts = (await client.get("/parked/acts")).json()["items"]
    assert [act["what"] for act in acts] == ["drop", "replay"]
    page = (await client.get("/parked/acts?limit=1")).json()
    rest = (await client.get("/parked/acts", params={"after": page["next"]})).json()
    assert [*page["items"], *rest["items"]] == acts


async def test_a_dry_run_over_http_says_what_would_happen(
    service: tuple[OnPostgres, Running, httpx.AsyncClient],
) -> None:
    shop, _, client = service
    (id,) = await park(shop)
    before = await shop.seen()
    refused = (await client.post(f"/parked/{id}/replay", json={"dry_run": True})).json()
    assert refused["result"] == "parked again"
    await shop.put(Put(box="b0", add=5))
    would = (await client.post(f"/parked/{id}/replay", json={"dry_run": True})).json()
    assert would["result"] == "done"
    assert would["effects"]["rows"][0]["fields"]["amount"] == [5, 4]
    assert (await shop.seen()).parked_ids == before.parked_ids
    assert (await client.get("/parked/acts")).json()["items"] == []
