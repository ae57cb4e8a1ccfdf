"""A database of its own for the tests of fulfilment."""

import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from comptoir.postgres import ensure_databases, postgres
from services.fulfilment import tables
from shared.database import normalised, with_database

HERE = ("127.0.0.1", 5432)


def listening() -> bool:
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(HERE) == 0


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The PostgreSQL that is named or found; one of our own otherwise."""
    with ExitStack() as stack:
        named = os.environ.get("COMPTOIR_DATABASE_URL")
        if not named and listening():
            named = "postgresql://postgres@{}:{}/postgres".format(*HERE)
        if not named:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="comptoir-")))
            named = stack.enter_context(postgres(folder, fsync=False)).render_as_string(hide_password=False)
        yield named


@pytest.fixture(scope="session")
async def database(server: str) -> AsyncIterator[str]:
    """The URL of a fresh database with the tables of fulfilment."""
    name = f"test_fulfilment_{uuid4().hex[:12]}"
    ensure_databases(server, [name])
    url = with_database(server, name)
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(tables.metadata.create_all)
    await engine.dispose()
    yield url.set(drivername="postgresql").render_as_string(hide_password=False)
    admin = create_async_engine(normalised(server), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.exec_driver_sql(f'drop database "{name}" with (force)')
    await admin.dispose()
