"""`comptoir order import`: a file of orders looked at and placed at the command line, each order once."""

import asyncio
import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from click.testing import Result
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from comptoir.cli import app
from comptoir.rest import plain
from comptoir.suite import migrate
from shared.settings import database_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
HEAD = "external_id,name,street,city,country,sku,quantity,unit_price\n"
GOOD = "A,Anna,Kade 1,Utrecht,NL,mug,2,5.50\nA,,,,,cup,1,3\nB,Bea,Kade 2,Gent,BE,mug,1,5.50\n"


class Line:
    """The command line over an order database of this test, whose service does not run."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    async def run(self, text: str, *words: str) -> Result:
        file = self.folder / f"{uuid4().hex}.csv"
        file.write_text(text)
        environment = {"COMPTOIR_DATABASE_URL": self.url, "COLUMNS": "300"}
        words = ("order", "import", str(file), "--by", "Piet", *words)
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), env=environment)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(plain(database_of(self.url, "order")))
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def placed(self) -> list[tuple[str, str, str]]:
        found = await self.rows("select external_id, number, gross::text from orders order by external_id")
        return [(of["external_id"], of["number"], of["gross"].rstrip("0")) for of in found]


@pytest.fixture
async def line(databases: Databases, tmp_path: Path) -> Line:
    run = uuid4().hex[:8]
    url = databases.url(f"import_{run}_SERVICE").replace("SERVICE", "{service}")
    assert make_url(url).database
    databases.made.append(f"import_{run}_order")
    await migrate(url, ("order",))
    return Line(url, tmp_path)


async def test_a_file_is_looked_at_and_only_placed_when_asked_each_order_once(line: Line) -> None:
    looked = await line.run(HEAD + GOOD)
    assert looked.exit_code == 0, looked.output
    assert "A: good, 2 lines, 14.00 EUR" in looked.output
    assert "2 orders: 2 good, 0 with faults; nothing was placed" in looked.output
    assert await line.placed() == []
    done = await line.run(HEAD + GOOD, "--place")
    assert "2 orders: 2 placed, 0 with faults" in done.output
    placed = await line.placed()
    assert placed == [("A", "C-1", "14."), ("B", "C-2", "5.5")]
    assert "A: placed as C-1" in done.output
    again = await line.run(HEAD + GOOD, "--place")
    assert (again.exit_code, "2 orders: 2 repeated, 0 with faults" in again.output) == (0, True)
    assert await line.placed() == placed
    (sent,) = await line.rows("select sum(count) as n from outbox where key = 'order.order_placed.v1'")
    assert sent["n"] == 2
    actors = await line.rows("select distinct actor from history")
    assert actors == [{"actor": "Piet"}]


async def test_with_a_fault_nothing_is_placed_unless_the_good_ones_are_asked_for(line: Line, tmp_path: Path) -> None:
    text = HEAD + GOOD + "C,Cas,Kade 3,Gent,BE,lamp,one,\n"
    errors = tmp_path / "errors.csv"
    refused = await line.run(text, "--place", "--errors", str(errors), "--json")
    assert refused.exit_code == 1
    told = [json.loads(each) for each in refused.output.splitlines()]
    assert (told[0]["fate"], told[0]["row"], told[0]["column"]) == ("fault", 5, "quantity")
    assert told[0]["says"] == "It is no whole number."
    assert [of["fate"] for of in told[1:]] == ["good", "good"]
    assert await line.placed() == []
    rows = list(csv.reader(StringIO(errors.read_text("utf-8-sig"))))
    assert [row[0] for row in rows] == ["external_id", "C"]
    done = await line.run(text, "--place", "--good")
    assert done.exit_code == 1, "one is left"
    assert "3 orders: 2 placed, 1 with faults" in done.output
    assert len(await line.placed()) == 2


async def test_a_file_or_word_that_makes_no_sense_is_a_sentence(line: Line) -> None:
    assert "row 1: There is no column colour" in str((await line.run("colour," + HEAD + "red," + GOOD)).exception)
    assert "there is no time zone Mars" in str((await line.run(HEAD + GOOD, "--zone", "Mars")).exception)
    assert (await line.run(HEAD + GOOD, "--mark", "x")).exit_code == 2
