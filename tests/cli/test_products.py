"""`comptoir product`: the catalogue written as a file, edited, and taken over again at the command line."""

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
from typer.testing import CliRunner

from comptoir import catalogue
from comptoir.cli import app
from comptoir.rest import plain
from comptoir.suite import migrate
from shared.settings import database_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
GOOD = "sku,name,price,vat_rate\nmug,Mug,12.50,21\ncup,Cup,9,21\n"


class Line:
    """The command line over an order database of this test, whose service does not run."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    async def run(self, *words: str) -> Result:
        environment = {"COMPTOIR_DATABASE_URL": self.url, "COLUMNS": "300"}
        return await asyncio.to_thread(CliRunner().invoke, app, ["product", *words], env=environment)

    async def take(self, text: str, *words: str) -> Result:
        file = self.folder / "list.csv"
        file.write_text(text)
        return await self.run("import", str(file), "--by", "Piet", *words)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(plain(database_of(self.url, "order")))
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def prices(self) -> dict[str, str]:
        found = await self.rows("select sku, price::text from products order by sku")
        return {of["sku"]: of["price"] for of in found}


@pytest.fixture
async def line(databases: Databases, tmp_path: Path) -> Line:
    run = uuid4().hex[:8]
    url = databases.url(f"catalogue_{run}_SERVICE").replace("SERVICE", "{service}")
    databases.made.append(f"catalogue_{run}_order")
    await migrate(url, ("order",))
    return Line(url, tmp_path)


async def test_a_file_is_looked_at_taken_over_and_the_same_again_changes_nothing(line: Line) -> None:
    looked = await line.take(GOOD, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert "mug: new, name Mug, kind goods, price 12.50, vat_category S, vat_rate 21" in looked.output
    assert "2 rows: 2 new, 0 changed, 0 unchanged, 0 with faults; nothing was changed" in looked.output
    assert await line.prices() == {}
    done = await line.take(GOOD)
    assert "2 rows: 2 new, 0 changed, 0 unchanged, 0 with faults\n" in done.output
    assert await line.prices() == {"cup": "9", "mug": "12.50"}
    again = await line.take(GOOD)
    assert (again.exit_code, "0 new, 0 changed, 2 unchanged" in again.output) == (0, True)
    changed = await line.take("sku,price\nmug,13\n")
    assert "mug: price 12.50 -> 13.00\n" in changed.output
    history = await line.rows("select actor, way, version from product_changes where sku = 'mug' order by version")
    assert history == [{"actor": "Piet", "way": "file", "version": n} for n in (1, 2)]
    acts = await line.rows("select by, what, key, subject, outcome, detail from acts order by at")
    assert [(of["by"], of["what"], of["subject"], of["outcome"]) for of in acts] == [
        ("Piet", "import", "list.csv", "2 products taken over, 0 refused"),
        ("Piet", "import", "list.csv", "1 products taken over, 0 refused"),
    ], "what changes nothing is no act"
    assert acts[0]["detail"].startswith("sha256 ")


async def test_what_is_exported_changes_nothing_and_is_edited_in_either_kind_of_spreadsheet(line: Line) -> None:
    await line.take(GOOD + "=1,-lamp,0.125,0\n")
    plainly = await line.run("export")
    assert "sku,name,category,brand,kind,price,vat_category,vat_rate,components" in plainly.stdout
    assert "3 products" in plainly.stderr
    file = line.folder / "catalogue.csv"
    assert (await line.run("export", str(file), "--decimal-comma")).exit_code == 0
    text = file.read_text("utf-8-sig")
    rows = list(csv.reader(StringIO(text), delimiter=";"))
    assert [row[0] for row in rows] == ["sku", "'=1", "cup", "mug"]
    assert rows[3] == ["mug", "Mug", "", "", "goods", "12,50", "S", "21", ""]
    same = await line.run("import", str(file))
    assert "3 rows: 0 new, 0 changed, 3 unchanged, 0 with faults" in same.output
    edited = text.replace("12,50", "1.012,75")
    assert "mug: price 12.50 -> 1012.75" in (await line.take(edited)).output
    assert (await line.prices())["mug"] == "1012.75"


async def test_with_a_fault_nothing_is_changed_unless_the_good_ones_are_asked_for(line: Line) -> None:
    text = GOOD + "jug,Jug,cheap,21\n,Pot,1.00,21\n"
    errors = line.folder / "errors.csv"
    refused = await line.take(text, "--errors", str(errors), "--json")
    assert refused.exit_code == 1
    told = [json.loads(each) for each in refused.output.splitlines()]
    assert [(of["fate"], of.get("row"), of.get("column")) for of in told[:2]] == [
        ("fault", 4, "price"),
        ("fault", 5, "sku"),
    ]
    assert told[0]["says"] == "It is no number."
    assert [(of["fate"], of["sku"]) for of in told[2:]] == [("new", "mug"), ("new", "cup")]
    assert await line.prices() == {}
    rows = list(csv.reader(StringIO(errors.read_text("utf-8-sig"))))
    assert [row[0] for row in rows] == ["sku", "jug", ""]
    done = await line.take(text, "--good")
    assert (done.exit_code, await line.prices()) == (1, {"cup": "9", "mug": "12.50"}), "two rows are left"
    assert "row 4, price: It is no number; expected: an amount from 0 on" in done.output


async def test_what_somebody_else_changes_meanwhile_is_refused(line: Line) -> None:
    await line.take(GOOD)
    read = catalogue.read_file(line.folder / "list.csv", "")
    await line.rows("update products set price = 7 where sku = 'mug'")
    told = (await catalogue.import_products(line.url, read, "Piet", "list.csv", dry_run=True, despite=False)).told
    await line.rows("update products set price = 8 where sku = 'mug'")
    async with catalogue.deciding(line.url, "order") as unit:
        reply = await catalogue.taken(unit, catalogue.product_sheets.taking(told.good), "Piet")
    assert (reply.status, reply.body["title"]) == (
        412, "product mug was changed meanwhile: look at it again, then decide.",
    )  # fmt: skip
    assert (await line.prices())["mug"] == "8"


async def test_a_file_or_word_that_makes_no_sense_is_a_sentence(line: Line) -> None:
    assert "row 1: There is no column colour" in str((await line.take("sku,colour\nmug,red\n")).exception)
    assert (await line.take(GOOD, "--mark", "x")).exit_code == 2
