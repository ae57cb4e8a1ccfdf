"""What `comptoir access` grants: everybody gets into what is theirs, and nowhere else."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from comptoir.access import EVERYBODY, Secrets, grant_databases, made_role, make_secrets, of, rights
from comptoir.postgres import EmbeddedPostgres
from comptoir.suite import know_topology
from shared.contracts.message import Command, Message
from shared.messaging.topology import OPTIONAL
from shared.migrate import upgrade
from shared.serve import NotHere


def made(folder: Path, postgres: str = "postgres:5432") -> Secrets:
    kept = Secrets(folder)
    make_secrets(kept, postgres, "rabbitmq:5672")
    return kept


def test_secrets_are_made_once_and_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "order").mkdir()
    (tmp_path / "order" / "database_url").write_text("postgresql://mine:own@db/comptoir_order\n")
    kept = made(tmp_path)
    assert of(kept, "order").username == "mine"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert make_secrets(kept, "elsewhere:1", "elsewhere:2") == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    passwords = [urlsplit(text.decode().strip()).password for path, text in before.items() if path.name.endswith("url")]
    assert len(set(passwords)) == len(passwords), "nobody shares a password"


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match=r"order/database_url: No such file"):
        Secrets(tmp_path).read("order", "database_url")


def test_a_service_publishes_what_it_sends_and_reads_its_own_queue() -> None:
    know_topology(*OPTIONAL)
    granted = rights()
    for service in EVERYBODY:
        may = granted[service]
        assert (may.configure, may.write, may.read) == ("^$", "^(comptoir)$", rf"^(comptoir\.{service})$")
        for kind in Message.registry.values():
            owner = kind.key.partition(".")[0]
            if owner != service and not issubclass(kind, Command):
                assert not matches(may.publishes, kind.key), f"{service} would speak for {owner}"
    assert matches(granted["order"].publishes, "billing.authorise_payment.v1")
    assert not matches(granted["billing"].publishes, "order.place_order.v1")
    assert not matches(granted["order"].publishes, "billingXauthorise_payment.v1")
    assert granted["backoffice"].publishes == "^$", "it only listens"
    assert granted["auditor"].publishes == r"^(order\.hold_order\.v1)$"
    assert [name for name, may in granted.items() if may.configure != "^$"] == ["topology"]


def matches(pattern: str, key: str) -> bool:

    return re.match(pattern, key) is not None


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """One of our own: roles belong to a whole server, and others test on the usual one."""
    folder = Path(tempfile.mkdtemp(prefix="comptoir-"))
    with EmbeddedPostgres(folder, fsync=False) as started:
        yield started
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
async def granted(server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "access").mkdir()
    root = server.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    (folder / "access" / "database_url").write_text(root)
    kept = made(folder, f"127.0.0.1:{server.url.port}")
    await grant_databases(kept)
    for service in EVERYBODY:
        await upgrade(service, of(kept, f"migrate-{service}"))
    return kept


async def does(kept: Secrets, consumer: str, statement: str, database: str = "") -> None:
    url = of(kept, consumer)
    url = url.set(database=database or (url.database or "").replace("{service}", "order"))
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.postgres
async def test_a_service_works_in_its_own_database_only(granted: Secrets) -> None:
    for service in EVERYBODY:
        await does(granted, service, "insert into inbox (id) values (gen_random_uuid())")
        others = [f"comptoir_{other}" for other in EVERYBODY if other != service]
        for database in others:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await does(granted, service, "select 1", database)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (a int)",
        "alter table inbox add column a int",
        "drop table inbox",
        "truncate inbox",
        "update alembic_version set version_num = '9999'",
        "create role me superuser",
        "create schema mine",
    ],
)
async def test_a_service_may_do_no_ddl(granted: Secrets, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await does(granted, "order", statement)


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["invoices", "credit_notes", "postings"])
@pytest.mark.parametrize("statement", ["update {} set order_id = null", "delete from {}"])
async def test_documents_and_postings_are_only_inserted(granted: Secrets, table: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await does(granted, "billing", statement.format(table))
    await does(granted, "billing", f"select from {table}")


@pytest.mark.postgres
async def test_a_refund_that_waits_can_be_decided_with_the_rights_of_the_service(granted: Secrets) -> None:
    await does(granted, "billing", "update refunds set state = 'refused', decided_by = 'flo' where state = 'waiting'")


@pytest.mark.postgres
async def test_only_tables_that_can_be_made_anew_are_emptied_at_once(granted: Secrets) -> None:
    """As `comptoir rebuild` does, with the rights of the tools."""
    await does(granted, "tools", "truncate orders, entries, inbox", "comptoir_backoffice")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await does(granted, "tools", "truncate orders", "comptoir_order")


@pytest.mark.postgres
async def test_the_auditor_reads_everywhere_and_writes_nowhere(granted: Secrets) -> None:
    for service in EVERYBODY:
        await does(granted, "auditor", "select from inbox", f"comptoir_{service}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await does(granted, "auditor", "delete from inbox", f"comptoir_{service}")
        await does(granted, "tools", "delete from inbox", f"comptoir_{service}")


@pytest.mark.postgres
async def test_another_password_counts_when_the_job_has_run_again(granted: Secrets) -> None:
    path = granted.folder / "inventory" / "database_url"
    before = of(granted, "inventory")
    path.unlink()
    path.write_text(before.set(password="an:other/one").render_as_string(hide_password=False))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await does(granted, "inventory", "select 1")
    await grant_databases(granted)
    await does(granted, "inventory", "select from inbox")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(before.render_as_string(hide_password=False))


@pytest.mark.postgres
async def test_an_address_without_a_password_makes_no_role(server: EmbeddedPostgres) -> None:
    root = server.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    connection = await asyncpg.connect(root)
    with pytest.raises(NotHere, match="names no role with a password"):
        await made_role(connection, make_url("postgresql://nobody@here/x"))
    await asyncio.wait_for(connection.close(), 5)
