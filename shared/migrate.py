"""Migrations of a service's database, run by Alembic from the service's own folder."""

import asyncio
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.database import normalised

LOOKED_EVERY_S = 0.2
ONLY_INSERTED = r"""
do $$declare held record; begin
    for held in
        select distinct t.oid::regclass as of, a.grantee::regrole as who
        from pg_class t, aclexplode(t.relacl) a
        where a.grantee not in (0, t.relowner) and a.privilege_type in ('UPDATE', 'DELETE') and (
            t.oid = to_regclass('alembic_version') or exists (
                select from pg_trigger g where g.tgrelid = t.oid and right(g.tgname, 13) = '_never_change'))
    loop
        execute 'revoke update, delete on ' || held.of || ' from ' || held.who;
    end loop;
end$$
"""
"""Nobody but the owner changes what never changes, nor the revision, also where a role was given all tables (S5)."""


def configuration(service: str) -> Config:
    package = importlib.import_module(f"services.{service}")
    config = Config()
    config.set_main_option("script_location", str(Path(str(package.__file__)).parent / "migrations"))
    return config


def head(service: str) -> str | None:
    """The newest revision that the code knows."""
    return ScriptDirectory.from_config(configuration(service)).get_current_head()


def revisions(service: str) -> set[str]:
    """All revisions that the code knows."""
    return {script.revision for script in ScriptDirectory.from_config(configuration(service)).walk_revisions()}


async def upgrade(service: str, url: str | URL, revision: str = "head") -> None:
    """Brings the database of one service to a revision. Safe to run again, and by several at once: it takes a lock.

    Tables change in one transaction. Indexes on tables that may be large (`INDEXES` of a revision, a name and what
    stands behind `on`) are built after it, while others write; one whose build was cut off is built anew.
    """
    engine = create_async_engine(normalised(url if isinstance(url, str) else url.render_as_string(False)))
    config = configuration(service)

    def run(connection: Connection) -> None:
        connection.exec_driver_sql("select pg_advisory_xact_lock(20260101, 1)")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql(ONLY_INSERTED)

    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
        if indexes := dict(_indexes(config, revision)):
            async with engine.connect() as connection:
                await _build(await connection.execution_options(isolation_level="AUTOCOMMIT"), indexes)
    finally:
        await engine.dispose()


def _indexes(config: Config, revision: str) -> Iterator[tuple[str, str]]:
    for script in ScriptDirectory.from_config(config).iterate_revisions(revision, "base"):
        yield from getattr(script.module, "INDEXES", {}).items()


async def _build(connection: AsyncConnection, indexes: Mapping[str, str]) -> None:
    """One at a time. The lock is tried for, as a build waits for all statements: also for one that waits for a lock."""
    while not (await connection.exec_driver_sql("select pg_try_advisory_lock(20260101, 2)")).scalar_one():  # noqa: ASYNC110
        await asyncio.sleep(LOOKED_EVERY_S)  # another process has it
    valid = "select indisvalid from pg_index where indexrelid = to_regclass($1)"
    try:
        for name, on in indexes.items():
            if not (await connection.exec_driver_sql(valid, (name,))).scalar_one_or_none():
                await connection.exec_driver_sql(f'drop index concurrently if exists "{name}"')
                await connection.exec_driver_sql(f'create index concurrently "{name}" on {on}')
    finally:
        await connection.exec_driver_sql("select pg_advisory_unlock(20260101, 2)")


def run_here(metadata: MetaData) -> None:
    """What a service's migrations/env.py calls."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations with `comptoir migrate`")
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    context.run_migrations()
