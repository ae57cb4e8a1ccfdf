"""What a person can mend ends a command with a sentence and exit code 2; a fault of ours keeps its traceback."""

from types import TracebackType

import asyncpg
from aiormq.exceptions import AMQPConnectionError
from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from comptoir.postgres import PostgresFailed
from comptoir.rabbit import RabbitFailed
from comptoir.retail.reader import RetailFileError
from shared.keys import WrongKeys
from shared.serve import NotHere, wrong_settings
from shared.settings import WrongSetting, setting

SAID = (NotHere, PostgresFailed, RabbitFailed, RetailFileError, WrongKeys, WrongSetting)
"""Errors whose own text is made for whoever can mend it."""
MIGRATE = "run `comptoir migrate`, or name the folder of another server with --data"
CONNECTING = "asyncpg.connect_utils"
"""The module in which asyncpg connects: what is raised there is about the server, not about what was asked of it."""


def mendable(error: Exception) -> str | None:
    """The sentence for a person who can mend it; None for a fault of ours."""
    if isinstance(error, DBAPIError) and error.orig is not None and isinstance(error.orig.__cause__, Exception):
        error = error.orig.__cause__  # SQLAlchemy's own around what asyncpg said
    if isinstance(error, SAID):
        return str(error)
    if isinstance(error, ValidationError) and error.title.endswith("Settings"):
        return wrong_settings(error)
    if isinstance(error, ArgumentError):
        return "COMPTOIR_DATABASE_URL is not the URL of a PostgreSQL server: postgresql://user:password@host:5432"
    if isinstance(error, asyncpg.InvalidCatalogNameError | asyncpg.UndefinedTableError | asyncpg.UndefinedColumnError):
        return f"{error}: {MIGRATE}"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"PostgreSQL does not let the user of COMPTOIR_DATABASE_URL do this: {error}"
    if isinstance(error, AMQPConnectionError):
        return f"RabbitMQ{_at('RABBITMQ_URL')} does not let us in: {_said(error)}"
    if isinstance(error, OSError | TimeoutError | asyncpg.PostgresError | asyncpg.InterfaceError) and _within(
        error.__traceback__, CONNECTING
    ):
        return f"PostgreSQL{_at('DATABASE_URL')} does not let us in: {_said(error)}"
    return None


def _said(error: Exception) -> str:
    return str(error).strip() or "no answer in time"


def _within(trace: TracebackType | None, module: str) -> bool:
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == module:
            return True
        trace = trace.tb_next
    return False


def _at(name: str) -> str:
    """Where the setting says that the server is, without user and password."""
    try:
        url = make_url(setting(name))
    except (ArgumentError, WrongSetting):
        return ""
    return f" at {url.host}{f':{url.port}' if url.port else ''} (COMPTOIR_{name})"
