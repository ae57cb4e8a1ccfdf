"""`comptoir staff`: accounts of the pages from the command line, with a password that is never an argument."""

import asyncio

import asyncpg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from comptoir.cli import app
from comptoir.suite import migrate
from services.backoffice.login import right
from shared.settings import database_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
async def url(databases: Databases) -> str:
    pattern = f"{databases.run}_staff_{{service}}"
    await databases.fresh(name=pattern.format(service="backoffice"))
    made = databases.url("SERVICE").replace("SERVICE", pattern)
    await migrate(made, ("backoffice",))
    return made


async def run(url: str, *words: str, said: str = "") -> Result:
    environment = {"COMPTOIR_DATABASE_URL": url, "COLUMNS": "200"}
    return await asyncio.to_thread(CliRunner().invoke, app, ["staff", *words], input=said, env=environment)


async def kept(url: str, name: str) -> asyncpg.Record | None:
    connection = await asyncpg.connect(database_of(url, "backoffice"))
    try:
        return await connection.fetchrow("select * from accounts where name = $1", name)
    finally:
        await connection.close()


async def test_an_account_is_made_changed_and_taken_away(url: str) -> None:
    made = await run(
        url, "set", "anna", "--role", "support", "--role", "picker", "--shown", "Anna", said=f"{PASSWORD}\n"
    )
    assert (made.exit_code, made.output) == (0, "anna: picker, support\n")
    account = await kept(url, "anna")
    assert account
    assert await right(account["password"], PASSWORD)
    assert PASSWORD not in str(account)
    gone = await run(url, "set", "anna", "--role", "support", "--gone", "--keep-password")
    assert (gone.exit_code, gone.output) == (0, "anna: support, gone\n")
    later = await kept(url, "anna")
    assert later
    assert later["epoch"] == account["epoch"] + 1, "open sessions end"
    assert later["password"] == account["password"]
    assert (await run(url, "list")).output == "anna: support, gone (Anna)\n"


async def test_access_is_taken_away_and_given_back_without_a_password_and_all_else_stays(url: str) -> None:
    await run(url, "set", "clara", "--role", "packer", "--shown", "Clara", said=f"{PASSWORD}\n")
    made = await kept(url, "clara")
    gone = await run(url, "remove", "clara")
    assert (gone.exit_code, gone.output) == (0, "clara: gone\n")
    away = await kept(url, "clara")
    again = await run(url, "restore", "clara")
    assert (again.exit_code, again.output) == (0, "clara: gets in again\n")
    back = await kept(url, "clara")
    assert made
    assert away
    assert back
    assert (made["active"], away["active"], back["active"]) == (True, False, True)
    assert (made["epoch"], away["epoch"], back["epoch"]) == (1, 2, 3), "open sessions end"
    same = ("shown", "roles", "password")
    assert [made[name] for name in same] == [away[name] for name in same] == [back[name] for name in same]
    nobody = await run(url, "remove", "nobody")
    assert nobody.exit_code
    assert "There is no account nobody." in nobody.output + str(nobody.exception)
    assert await kept(url, "nobody") is None


@pytest.mark.parametrize(
    ("words", "said", "why"),
    [
        (["--role", "boss"], PASSWORD, "boss: there are picker, packer, support, finance, admin"),
        (["--role", "support"], "short", "a password has 10 to 200 characters"),
        (["--role", "support"], "", "a password has 10 to 200 characters"),
        (["--role", "support", "--keep-password"], "", "The new account berta needs a password."),
    ],
)
async def test_what_cannot_be_is_said_and_nothing_is_kept(url: str, words: list[str], said: str, why: str) -> None:
    refused = await run(url, "set", "berta", *words, said=f"{said}\n")
    assert refused.exit_code
    assert why in refused.output + str(refused.exception)  # what is not there is said by the command around it
    assert await kept(url, "berta") is None
