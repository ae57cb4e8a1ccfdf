"""Migrations make exactly the tables of the code, and can be run again and by several at once."""

import asyncio

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from comptoir.suite import MEMBERS, make
from shared.database import normalised
from shared.migrate import head, upgrade
from tests.conftest import Databases
from tests.eventually import eventually

SERVICES = tuple(MEMBERS)
CHECKS = """select conname, pg_get_constraintdef(oid) from pg_constraint where contype = 'c' and connamespace =
            'public'::regnamespace order by 1"""
TRIGGERS = "select tgname, tgrelid::regclass::text from pg_trigger where not tgisinternal order by 1"


@pytest.mark.postgres
@pytest.mark.parametrize("service", SERVICES)
async def test_migrations_make_the_tables_of_the_code(service: str, databases: Databases) -> None:
    metadata = make(service).metadata
    migrated, made = await databases.fresh(), await databases.fresh(metadata)
    await upgrade(service, migrated)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return list(compare_metadata(context, metadata))

    engine = create_async_engine(normalised(migrated))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        at = (await connection.execute(text("select version_num from alembic_version"))).scalar_one()
        assert at == head(service)
    await engine.dispose()
    for question in (CHECKS, TRIGGERS):  # what the comparison of tables does not see
        answers = []
        for url in (migrated, made):
            plain = await asyncpg.connect(url)
            answers.append([tuple(row) for row in await plain.fetch(question)])
            await plain.close()
        assert answers[0] == answers[1]


@pytest.mark.postgres
async def test_a_difference_would_be_seen(databases: Databases) -> None:
    url = await databases.fresh()
    await upgrade("order", url)
    connection = await asyncpg.connect(url)
    await connection.execute("alter table lines drop column text")
    await connection.close()
    engine = create_async_engine(normalised(url))
    async with engine.connect() as open_:
        metadata = make("order").metadata
        found = await open_.run_sync(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    await engine.dispose()
    assert [(kind, table, column.name) for kind, _, table, column in found] == [("add_column", "lines", "text")]


@pytest.mark.postgres
async def test_several_may_migrate_at_once(databases: Databases) -> None:
    url = await databases.fresh()
    await asyncio.gather(*(upgrade("inventory", url) for _ in range(3)))
    await upgrade("inventory", url)


@pytest.mark.postgres
async def test_an_index_is_built_while_others_write_and_anew_when_it_was_cut_off(databases: Databases) -> None:
    url = await databases.fresh()
    await upgrade("backoffice", url, "0005")
    one, other = await asyncpg.connect(url), await asyncpg.connect(url)
    write = "insert into entries (order_id, event_id, at, key, thing, version, actor, facts) values ({})"
    row = "gen_random_uuid(), gen_random_uuid(), now(), 'order.order_held.v1', '', 1, 'anna', '{}'"
    await one.execute("begin; " + write.format(row))  # a build waits for it
    build = asyncio.create_task(upgrade("backoffice", url))
    waits = (
        "select count(*) from pg_stat_activity where query like 'create index concurrently%' and wait_event is not null"
    )
    await eventually(lambda: other.fetchval(f"{waits} and datname = current_database()"))
    await asyncio.wait_for(other.execute(write.format(row)), 5)  # and nobody for the build
    await one.execute("commit")
    await build
    valid = "select indisvalid from pg_index where indexrelid = 'ix_entries_actor'::regclass"
    assert await one.fetchval(valid)
    await one.execute("update pg_index set indisvalid = false where indexrelid = 'ix_entries_actor'::regclass")
    await asyncio.gather(*(upgrade("backoffice", url) for _ in range(3)))
    assert await one.fetchval(valid)
    await one.close()
    await other.close()
