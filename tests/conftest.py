"""What all tests share: a PostgreSQL and a RabbitMQ, whichever this machine has, and names of their own on both."""

import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
import structlog
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from comptoir import rabbit
from comptoir.postgres import EmbeddedPostgres
from shared.database import normalised, with_database
from shared.messaging.topology import SERVICES, Names

pytest_plugins = ["tests.strictness"]

_configure = structlog.configure


def _uncached(**settings: Any) -> None:
    """A logger that is kept at its first use would keep the settings of the test that used it first."""
    _configure(**settings | {"cache_logger_on_first_use": False})


structlog.configure = _uncached

HERE = "postgresql://postgres@127.0.0.1:5432/postgres"


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command that runs in a test sets up the logs of the whole process."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def plain(url: str) -> str:
    """As asyncpg takes it."""
    return normalised(url).set(drivername="postgresql").render_as_string(hide_password=False)


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True


async def lets_us_in(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
        await connection.close()
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    return True


@pytest.fixture(scope="session")
async def postgres_url() -> AsyncIterator[str]:
    """The maintenance database of a server where we may make databases: the configured one, this machine's, or ours."""
    if configured := os.environ.get("COMPTOIR_DATABASE_URL"):
        yield plain(with_database(configured, "postgres").render_as_string(hide_password=False))
    elif listens("127.0.0.1", 5432) and await lets_us_in(HERE):
        yield HERE
    else:
        with (
            tempfile.TemporaryDirectory(prefix="comptoir-tests-") as folder,
            EmbeddedPostgres(Path(folder), fsync=False) as server,
        ):
            yield plain(server.url.render_as_string(hide_password=False))


class Databases:
    """Fresh databases, cheaply: the tables of a service are made once, in a template that is then copied."""

    def __init__(self, root: str) -> None:
        self.root, self.run = root, uuid4().hex[:10]
        self.templates: dict[int, str] = {}
        self.shared: dict[int, str] = {}
        self.made: list[str] = []

    def url(self, name: str) -> str:
        return plain(with_database(self.root, name).render_as_string(hide_password=False))

    async def fresh(self, metadata: MetaData | None = None, *, name: str = "") -> str:
        """The URL of a new database with these tables; it is dropped at the end of the run."""
        template = "template1"
        if metadata is not None:
            template = self.templates.get(id(metadata), "")
            if not template:
                template = self.templates[id(metadata)] = await self._create("template1")
                engine = create_async_engine(normalised(self.url(template)), poolclass=NullPool)
                async with engine.begin() as connection:
                    await connection.run_sync(metadata.create_all)
                await engine.dispose()
        return self.url(await self._create(template, name))

    async def emptied(self, metadata: MetaData) -> str:
        """One database for many tests, one after the other: the same each time, with nothing in its tables."""
        if id(metadata) not in self.shared:
            self.shared[id(metadata)] = await self.fresh(metadata)
        url = self.shared[id(metadata)]
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(";".join(f'delete from "{t.name}"' for t in reversed(metadata.sorted_tables)))
        finally:
            await connection.close()
        return url

    async def _create(self, template: str, name: str = "") -> str:
        name = name or f"test_{self.run}_{len(self.made)}"
        connection = await asyncpg.connect(self.root)
        try:
            await connection.execute(f'create database "{name}" template "{template}"')
            await connection.execute(f'alter database "{name}" set synchronous_commit = off')
        finally:
            await connection.close()
        self.made.append(name)
        return name

    async def drop(self) -> None:
        connection = await asyncpg.connect(self.root)
        try:
            for name in reversed(self.made):
                await connection.execute(f'drop database if exists "{name}" with (force)')
        finally:
            await connection.close()


@pytest.fixture(scope="session")
async def databases(postgres_url: str) -> AsyncIterator[Databases]:
    made = Databases(postgres_url)
    yield made
    await made.drop()


@pytest.fixture
async def database(databases: Databases) -> str:
    """An empty database of this test alone."""
    return await databases.fresh()


@pytest.fixture(scope="session")
def rabbit_url() -> Iterator[str]:
    """A broker: the configured one, this machine's, or a node of our own where RabbitMQ is installed."""
    with rabbit.rabbitmq() as url:
        if url is None:
            pytest.skip("no RabbitMQ here, and none can be started")
        yield url


@pytest.fixture
async def rabbit_prefix(rabbit_url: str) -> AsyncIterator[str]:
    """A prefix of this test alone for all names on the broker; what was declared under it is deleted afterwards."""
    names = Names(f"test-{uuid4().hex[:10]}")
    yield names.prefix
    async with await aio_pika.connect(rabbit_url) as connection:
        channel = await connection.channel()
        for service in (*SERVICES, "depot", "mirror"):
            await channel.queue_delete(names.queue(service))
            await channel.queue_delete(names.dead_queue(service))
        await channel.exchange_delete(names.exchange)
        await channel.exchange_delete(names.dead)
