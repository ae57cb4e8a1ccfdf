"""What every service says the same way to PostgreSQL, the only database there is."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Index, and_, event, func
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

NAMING: Final[dict[str, str]] = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Names of constraints, so that a migration can name what an earlier one made and an error says which rule broke."""

LIMITS: Final[dict[str, str]] = {
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""What ends a statement or transaction that hangs, so that no order waits behind it for ever (fault F26).

The last three are for a caller whose host is gone: its session may be in the midst of a statement, which no limit ends.
"""

GENERIC_PLANS: Final[dict[str, str]] = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Every statement of a unit of work goes by key: a plan made while a table was empty must still be right later."""

CONNECT_WITHIN_S: Final = 10.0
ANSWER_WITHIN_S: Final = 12.0
"""A statement whose answer never comes (a cut network) fails after this; the server's own limits are shorter."""
PING_WITHIN_S: Final = 3.0


def normalised(url: str) -> URL:
    """The same database through asyncpg. Takes postgres://, postgresql:// and any postgresql+driver://."""
    parsed = make_url(url)
    if parsed.drivername.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValueError(f"not a PostgreSQL URL: {parsed.render_as_string(hide_password=True)}")
    return parsed.set(drivername="postgresql+asyncpg")


def with_database(url: str | URL, name: str) -> URL:
    """The same server and user, another database."""
    return normalised(_text(url)).set(database=name)


def begins(column: Any, beginning: str) -> ColumnElement[bool]:
    """Whether a text begins so, whatever the case: by its bytes, which an index finds also in a plan made for any.

    Its index is `lowered`.
    """
    lowered, first = func.lower(column), beginning.lower()
    return and_(lowered.op("~>=~")(first), lowered.op("~<~")(first + chr(0x10FFFF)))


def lowered(name: str, column: Any) -> Index:
    """The index that `begins` goes by."""
    key = f"{column.name}_lower"
    return Index(name, func.lower(column).label(key), postgresql_ops={key: "text_pattern_ops"})


def reading_engine(url: str | URL, *, name: str = "comptoir-reads", size: int = 5) -> AsyncEngine:
    """For screens and APIs: the planner's defaults, read-only, a lost or silent connection found by a ping.

    Each select is a transaction of its own: two round trips less for each page, and nothing that a page shows comes
    from one snapshot anyway. Who needs one asks for REPEATABLE READ.
    """
    engine = create_async_engine(
        normalised(_text(url)),
        isolation_level="AUTOCOMMIT",
        pool_size=size,
        max_overflow=size,
        pool_timeout=2.0,
        pool_recycle=900,
        connect_args={
            "timeout": CONNECT_WITHIN_S,
            "command_timeout": ANSWER_WITHIN_S,
            "server_settings": {
                **LIMITS,
                "application_name": name,
                "timezone": "UTC",
                "default_transaction_read_only": "on",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _ping)
    return engine


def _ping(connection: Any, record: Any, proxy: Any) -> None:
    """As a pool's own ping, which takes silence for no lost connection: what is silent takes all as old with it."""
    try:
        connection.run_async(lambda driver: driver.fetchrow(";", timeout=PING_WITHIN_S))
    except Exception as error:
        connection.driver_connection.terminate()  # else it is said goodbye to, for 2 s
        raise InvalidatePoolError from error


def _text(url: str | URL) -> str:
    return url if isinstance(url, str) else url.render_as_string(hide_password=False)
