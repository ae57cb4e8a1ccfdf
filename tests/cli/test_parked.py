"""`comptoir parked`: messages that nobody could handle, seen, decided again and put aside at the command line."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from click.testing import Result
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from comptoir.cli import app
from comptoir.suite import migrate
from shared.contracts.inventory import Item, RegisterItems
from shared.messaging.envelope import envelope, write
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Desk:
    """The command line over databases of this test."""

    url: str
    inventory: "asyncpg.Connection[asyncpg.Record]"

    async def run(self, *words: str) -> Result:
        import asyncio

        environment = {"COMPTOIR_DATABASE_URL": self.url, "COLUMNS": "80"}  # ids stay whole even so
        return await asyncio.to_thread(CliRunner().invoke, app, ["parked", *words], env=environment)

    async def park(self, body: str, key: str = "inventory.register_items.v1") -> UUID:
        id = uuid4()
        await self.inventory.execute(
            "insert into parked (id, at, key, subject, event_id, arrived_by, attempts, reason, detail, body) "
            "values ($1, $2, $3, 'mug', $4, 'packet', 5, 'Missing: mug', 'raised [there]', $5)",
            id, NOW, key, uuid4(), body,
        )  # fmt: skip
        return id

    async def row(self, id: UUID) -> Any:
        return await self.inventory.fetchrow("select * from parked where id = $1", id)


def registering(sku: str) -> str:
    message = RegisterItems(items=(Item(sku=sku),))
    return write(envelope(message, id=uuid4(), source="/comptoir/order", now=NOW))


@pytest.fixture(scope="module")
async def migrated(databases: Databases) -> str:
    names = f"test_{uuid4().hex[:10]}"
    for service in ("order", "inventory", "fulfilment", "billing"):
        await databases.fresh(name=f"{names}_{service}")
    url = make_url(databases.root).set(database=f"{names}_SERVICE").render_as_string(hide_password=False)
    pattern = url.replace("SERVICE", "{service}")
    await migrate(pattern)
    return pattern


@pytest.fixture
async def desk(migrated: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Desk]:
    monkeypatch.chdir(tmp_path)
    connection = await asyncpg.connect(migrated.replace("{service}", "inventory"))
    await connection.execute("delete from parked")
    await connection.execute("delete from acts")
    yield Desk(migrated, connection)
    await connection.close()


async def test_nothing_is_parked(desk: Desk) -> None:
    said = await desk.run("list")
    assert (said.exit_code, said.output.strip()) == (0, "nothing is parked")


async def test_list_and_show_tell_what_waits_and_why(desk: Desk) -> None:
    id = await desk.park(registering("mug"))
    listed = (await desk.run("list")).output
    assert all(
        word in listed
        for word in ("inventory", "inventory.register_items.v1", "something that is not here: mug", str(id))
    )
    as_json = json.loads((await desk.run("list", "--json", "--service", "inventory")).output)
    assert (as_json["id"], as_json["service"], as_json["attempts"]) == (str(id), "inventory", 5)
    shown = (await desk.run("show", str(id))).output
    assert "raised [there]" in shown
    assert '"sku": "mug"' in shown
    assert (await desk.run("list", "--key", "billing.")).output.strip() == "nothing is parked"


async def test_replay_decides_it_again_once(desk: Desk) -> None:
    id = await desk.park(registering("replayed"))
    rehearsed = await desk.run("replay", str(id), "--dry-run")
    assert (rehearsed.exit_code, (await desk.row(id))["state"]) == (0, "parked")
    assert "would be done" in rehearsed.output
    done = await desk.run("replay", str(id), "--by", "Piet")
    assert (done.exit_code, f"inventory {id}: done" in done.output) == (0, True), done.output
    row = await desk.row(id)
    assert (row["state"], row["resolved_by"], row["resolved_at"] is not None) == ("replayed", "Piet", True)
    assert await desk.inventory.fetchval("select count(*) from items where sku = 'replayed'") == 1
    again = await desk.run("replay", str(id), "--by", "Piet")
    assert (again.exit_code, "not parked" in again.output) == (1, True)


async def test_replay_of_all_says_which_failed_again(desk: Desk) -> None:
    good, bad = await desk.park(registering("one")), await desk.park("no message at all")
    said = await desk.run("replay", "--all", "--by", "Piet")
    assert said.exit_code == 1
    assert f"{good}: done" in said.output
    assert f"{bad}: unreadable" in said.output
    assert [(await desk.row(id))["state"] for id in (good, bad)] == ["replayed", "parked"]


async def test_drop_needs_a_reason_and_keeps_it(desk: Desk) -> None:
    id = await desk.park(registering("dropped"))
    assert (await desk.run("drop", str(id))).exit_code == 2
    assert (await desk.run("drop", str(id), "--reason", " ")).exit_code == 2
    assert (await desk.row(id))["state"] == "parked"
    assert (await desk.run("drop", str(id), "--reason", "a test", "--by", "Piet")).exit_code == 0
    row = await desk.row(id)
    assert (row["state"], row["resolved_by"]) == ("dropped", "Piet: a test")
    second = await desk.run("drop", str(id), "--reason", "a test")
    assert "it is not parked any more" in str(second.exception)


async def test_what_is_not_there_is_a_sentence(desk: Desk) -> None:
    assert "no parked message" in str((await desk.run("show", str(uuid4()))).exception)
    assert "is not an id" in str((await desk.run("show", "mug")).exception)
    assert (await desk.run("replay")).exit_code == 2
    assert (await desk.run("list", "--service", "nobody")).exit_code == 2


async def test_show_names_the_cause_and_what_differs_from_the_contract(desk: Desk) -> None:
    body = json.loads(registering("mug"))
    del body["data"]["items"][0]["sku"]
    body["data"]["items"][0]["colour"] = "red"
    id = await desk.park(json.dumps(body))
    shown = (await desk.run("show", str(id))).output
    assert "event 0, data.items.0.sku: missing; agreed: text" in shown
    assert 'event 0, data.items.0.colour: unknown; agreed: no such field; came: "red"' in shown
    as_json = json.loads((await desk.run("show", str(id), "--json")).output)
    assert (as_json["contract"]["readable"], as_json["cause"][:8]) == (False, "It speak")


async def test_a_dry_run_tells_row_by_row_what_would_happen(desk: Desk) -> None:
    id = await desk.park(registering("rehearsed"))
    said = await desk.run("replay", str(id), "--dry-run")
    assert "row item rehearsed new: sku None -> rehearsed" in said.output
    as_json = json.loads((await desk.run("replay", str(id), "--dry-run", "--json")).output)
    assert (as_json["result"], as_json["dry_run"], as_json["effects"]["rows"][0]["table"]) == ("done", True, "item")
    assert await desk.inventory.fetchval("select count(*) from items where sku = 'rehearsed'") == 0


async def test_acts_tells_who_did_what_and_why(desk: Desk) -> None:
    assert "nobody did anything yet" in (await desk.run("acts", "--service", "inventory")).output
    replayed, dropped = await desk.park(registering("acted")), await desk.park("no message at all")
    await desk.run("replay", str(replayed), "--by", "Piet", "--reason", "mended")
    await desk.run("drop", str(dropped), "--by", "Anna", "--reason", "a test")
    lines = (await desk.run("acts", "--json", "--service", "inventory")).output.splitlines()
    told = [(act["by"], act["what"], act["why"], act["outcome"]) for act in map(json.loads, lines)]
    assert told == [("Anna", "drop", "a test", "dropped"), ("Piet", "replay", "mended", "done")]
    table = (await desk.run("acts")).output
    assert all(word in table for word in ("Piet", "mended", "Anna", str(dropped)))


async def test_messages_are_chosen_by_cause_document_and_time(desk: Desk) -> None:
    id = await desk.park(registering("chosen"))
    for chosen, there in (
        (("--cause", "missing"), True),
        (("--cause", "Refused"), False),
        (("--of", "mug"), True),
        (("--of", "cup"), False),
        (("--since", "2026-03-02T12:00:00"), True),
        (("--since", "2026-03-02T12:00:01"), False),
    ):
        assert (str(id) in (await desk.run("list", *chosen)).output) is there, chosen
