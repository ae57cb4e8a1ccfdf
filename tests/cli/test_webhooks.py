"""`comptoir webhooks`: how they fare, a test and its answer, what was given up sent again; as the page does it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from comptoir.cli import app
from tests.backoffice.receiver import Receiver, receiver_at, says
from tests.backoffice.shop import Shop, shop_at
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
KEY = "a key that secrets of webhooks are made of"


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    ways = {"webhook_keys": KEY, "webhook_inside": True, "webhook_timeout_s": 5}
    async with shop_at(databases, "webhooks_by_command", **ways) as founded:
        await founded.open(mug=1000)
        yield founded


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiver_at() as receiver:
        yield receiver


@dataclass(frozen=True)
class Done:
    exit_code: int
    output: str
    exception: BaseException | None


async def run(shop: Shop, *words: str) -> Done:
    """What the command says, without what the suite, which runs in this process, writes into its log meanwhile."""
    environment = {"COMPTOIR_DATABASE_URL": shop.database_url, "COLUMNS": "300"}
    done = await asyncio.to_thread(CliRunner().invoke, app, ["webhooks", *words], env=environment)
    said = [line for line in done.output.splitlines(keepends=True) if not re.match(r"\d{4}-\d\d-\d\d", line)]
    return Done(done.exit_code, "".join(said), done.exception)


async def rows(shop: Shop, *words: str) -> list[dict[str, Any]]:
    done = await run(shop, *words, "--json")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


async def add(shop: Shop, receiver: Receiver, path: str, kind: str = "order.placed.v1") -> tuple[str, UUID]:
    """A webhook of this test alone: its name and id."""
    name, id = f"hook-{uuid4().hex[:8]}", uuid4()
    form = {"key": str(id), "name": name, "url": f"{receiver.here}{path}", "kind": [kind]}
    await shop.post("/webhooks", form, status=200)
    return name, id


async def end_of_patience(shop: Shop, id: UUID) -> None:
    """What waits for this webhook is at its last try, which is due now, and nothing else keeps it."""
    waits = "update webhook_deliveries set rung = 11, due_at = now() where state = 'waiting' and webhook_id = $1"
    rests = "update webhooks set failures = 0, failing_since = null, rests_until = null where webhook_id = $1"
    for sql in (waits, rests):
        await shop.change("backoffice", sql, id)


async def given_up(shop: Shop, name: str, id: UUID, n: int) -> list[dict[str, Any]]:
    async def all_given_up() -> list[dict[str, Any]]:
        found = [of for of in await rows(shop, "failed", name) if of["state"] == "given_up"]
        if len(found) < n:
            await end_of_patience(shop, id)
            return []
        return found

    return await eventually(all_given_up)


async def test_a_test_says_what_was_answered_and_whose_it_was(shop: Shop, receiver: Receiver) -> None:
    name, id = await add(shop, receiver, "/good")
    done = await run(shop, "test", name, "--by", "Piet")
    assert (done.exit_code, done.output) == (0, "taken: 204\n")
    (got,) = receiver.at("/good")
    assert got.kind == "webhook.test.v1"
    receiver.answers["/good"] = says(503, "closed")
    refused = await run(shop, "test", str(id))
    assert (refused.exit_code, refused.output.startswith("not taken: 503")) == (1, True), refused.output
    assert f"Sent a test to the webhook {name}." in await shop.page("/acts?who=Piet")
    nobody = await run(shop, "test", "no-such")
    assert nobody.exit_code == 1
    assert "there is no webhook no-such" in str(nobody.exception)


async def test_a_test_that_nobody_sends_is_said_to_be_unknown(shop: Shop, receiver: Receiver) -> None:
    name, _ = await add(shop, receiver, "/slow")
    receiver.answers["/slow"] = receiver.hang
    done = await run(shop, "test", name, "--wait", "0.5")
    receiver.hanging.set()
    assert (done.exit_code, done.output) == (1, "no answer within 0.5 s; the back office sends it when it runs\n")


async def test_all_are_listed_with_how_they_fare_and_without_what_secrets_are_made_of(
    shop: Shop, receiver: Receiver
) -> None:
    name, id = await add(shop, receiver, "/listed")
    (of,) = [of for of in await rows(shop, "list") if of["name"] == name]
    assert of["webhook_id"] == str(id)
    assert (of["state"], of["kinds"], of["waiting"], of["given_up"]) == ("active", ["order.placed.v1"], 0, 0)
    assert "made_of" not in of
    said = (await run(shop, "list")).output
    assert f"{name}" in said
    assert f"{receiver.here}/listed" in said


async def test_what_was_given_up_is_shown_and_sent_again_once_under_the_same_id(shop: Shop, receiver: Receiver) -> None:
    receiver.answers["/away"] = says(500, "no")
    name, id = await add(shop, receiver, "/away")
    for _ in range(2):
        await shop.place()
    lost = await given_up(shop, name, id, 2)
    assert {(of["webhook"], of["kind"], of["code"]) for of in lost} == {(name, "order.placed.v1", 500)}
    assert "order.placed.v1" in (await run(shop, "failed", name)).output
    receiver.answers.pop("/away")
    receiver.got.clear()
    would = await run(shop, "replay", name, "--dry-run")
    assert (would.exit_code, would.output, receiver.got) == (0, "2 events would be sent again\n", [])
    done = await run(shop, "replay", name, "--by", "Piet")
    assert (done.exit_code, done.output) == (0, "2 events are sent again\n"), done.output
    assert (await run(shop, "replay", name)).output == "0 events are sent again\n", "what is on its way is not again"
    await eventually(lambda: len(receiver.at("/away")) == 2)
    assert {got.id for got in receiver.at("/away")} == {of["fact_id"] for of in lost}

    async def all_taken() -> bool:
        return "everything that was sent was taken" in (await run(shop, "failed", name)).output

    await eventually(all_taken)
    assert (await run(shop, "replay", name)).output == "0 events are sent again\n"
    assert f"Had events sent again to the webhook {name}." in await shop.page("/acts?who=Piet")


async def test_all_since_a_moment_is_sent_again_also_what_was_taken(shop: Shop, receiver: Receiver) -> None:
    name, _ = await add(shop, receiver, "/since")
    await shop.place()
    await eventually(lambda: receiver.at("/since"))
    taken = receiver.at("/since")[0].id

    async def settled() -> bool:
        return (await run(shop, "replay", name, "--since", "2020-01-01", "--dry-run")).output.startswith("1 ")

    await eventually(settled)
    done = await run(shop, "replay", name, "--since", "2020-01-01")
    assert done.output == "1 events are sent again\n"
    await eventually(lambda: len(receiver.at("/since")) == 2)
    assert {got.id for got in receiver.at("/since")} == {taken}
    assert (await run(shop, "replay", name, "--since", "2099-01-01")).output == "0 events are sent again\n"
