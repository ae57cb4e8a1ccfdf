"""URLs as people write them, and the engine of screens: reads only, and finds its way back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import database
from shared.database import NAMING, normalised, reading_engine, with_database
from tests.proxy import Proxy


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_every_spelling_of_a_url_means_the_same(scheme: str) -> None:
    url = normalised(f"{scheme}://me:p%40ss@db.example:5433/shop?ssl=require")
    assert (
        url.render_as_string(hide_password=False) == "postgresql+asyncpg://me:p%40ss@db.example:5433/shop?ssl=require"
    )


def test_another_database_is_refused_without_telling_the_password() -> None:
    with pytest.raises(ValueError, match="not a PostgreSQL URL") as error:
        normalised("mysql://me:secret@db.example/shop")
    assert "secret" not in str(error.value)


def test_the_same_server_with_another_database_keeps_its_password() -> None:
    url = with_database("postgres://me:secret@db.example", "comptoir_order")
    assert (url.database, url.password, url.drivername) == ("comptoir_order", "secret", "postgresql+asyncpg")


def test_every_kind_of_constraint_has_a_name() -> None:
    assert set(NAMING) == {"pk", "uq", "ix", "fk", "ck"}


@pytest.fixture
async def reads(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = reading_engine(postgres_url, name="comptoir-test-reads", size=1)
    yield engine
    await engine.dispose()


@pytest.mark.postgres
async def test_screens_cannot_write_and_cannot_hang(reads: AsyncEngine) -> None:
    async with reads.connect() as conn:
        assert await conn.scalar(text("show statement_timeout")) == "10s"
        assert await conn.scalar(text("show lock_timeout")) == "3s"
        assert await conn.scalar(text("show idle_in_transaction_session_timeout")) == "30s"
        assert await conn.scalar(text("show tcp_keepalives_idle")) == "15"
        assert await conn.scalar(text("show timezone")) == "UTC"
        assert await conn.scalar(text("show enable_seqscan")) == "on"
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await conn.execute(text("create table made_by_a_screen (n int)"))


@pytest.mark.postgres
async def test_a_connection_that_was_cut_while_idle_is_replaced(reads: AsyncEngine, postgres_url: str) -> None:
    async with reads.connect() as conn:
        first = await conn.scalar(text("select pg_backend_pid()"))
    other = reading_engine(postgres_url, size=1)
    async with other.connect() as conn:
        assert await conn.scalar(text("select pg_terminate_backend(:pid, 5000)"), {"pid": first})
    await other.dispose()
    async with reads.connect() as conn:
        assert await conn.scalar(text("select pg_backend_pid()")) != first


@pytest.mark.postgres
async def test_one_connection_that_is_silent_takes_all_as_old_with_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = normalised(postgres_url)
    async with Proxy(url.host or "127.0.0.1", url.port or 5432) as network:
        reads = reading_engine(url.set(host="127.0.0.1", port=network.address), size=2)
        async with reads.connect(), reads.connect():
            assert network.accepted == 2
        network.black_hole()
        network.healthy()  # for those who come from now on
        monkeypatch.setattr(database, "PING_WITHIN_S", 0.3)
        async with reads.connect() as first:
            monkeypatch.setattr(database, "PING_WITHIN_S", 60.0)
            async with asyncio.timeout(30), reads.connect() as second:
                for connection in (first, second):
                    assert await connection.scalar(text("select 1")) == 1
        await reads.dispose()
