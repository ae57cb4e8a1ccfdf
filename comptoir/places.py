"""Where a command finds what it needs: PostgreSQL and RabbitMQ, configured, found or started for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from comptoir.postgres import postgres
from comptoir.rabbit import rabbitmq
from comptoir.rest import plain
from shared.serve import NotHere
from shared.settings import ServiceSettings, database_of, no_misspelt, setting


@contextmanager
def databases(folder: Path, prefix: str = "comptoir_", *, fsync: bool = True) -> Iterator[str]:
    """A URL pattern with `{service}`: one database per service on one server.

    `prefix` keeps what a demo or a benchmark makes apart from the shop's own on a configured server; a server of our
    own has a folder for each, and the usual names.
    """
    no_misspelt([ServiceSettings])
    configured = setting("DATABASE_URL")
    if "{service}" in configured and prefix == "comptoir_":
        yield configured
        return
    with postgres(folder / "postgres", fsync=fsync) as url:
        if configured and url.database and prefix == "comptoir_":
            raise NotHere(
                f"COMPTOIR_DATABASE_URL names one database ({url.database}) and each service needs its own: "
                "leave the name out, or write {service} in it"
            )
        prefix = prefix if configured else "comptoir_"
        yield url.set(database=f"{prefix}SERVICE").render_as_string(hide_password=False).replace("SERVICE", "{service}")


@contextmanager
def broker() -> Iterator[str]:
    """The URL of a RabbitMQ."""
    no_misspelt([ServiceSettings])
    with rabbitmq() as url:
        if url is None:
            raise NotHere("no RabbitMQ here: set COMPTOIR_RABBITMQ_URL, or install rabbitmq-server")
        yield url


async def drop_databases(database_url: str, names: tuple[str, ...]) -> None:
    """Empties a place for a run that must begin with nothing."""
    for name in names:
        url = make_url(database_of(database_url, name))
        connection = await asyncpg.connect(plain(url.set(database="postgres").render_as_string(False)))
        try:
            await connection.execute(f'drop database if exists "{url.database}" with (force)')
        finally:
            await connection.close()
