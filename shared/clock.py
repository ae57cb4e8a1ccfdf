"""The clock and the ids of a running service. Everything else gets them handed in."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """A UUIDv7: ids are ordered by time, so indexes grow at one end. asyncpg's own subclass of UUID is the fast one."""
    return pgproto.UUID(uuid_utils.uuid7().bytes)
