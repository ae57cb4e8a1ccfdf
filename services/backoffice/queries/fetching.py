"""What every read is made with."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import literal, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

Item = dict[str, Any]
Reading = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""A connection to read by, for as long as its block lasts."""


async def fetched(conn: AsyncConnection, query: Any) -> list[Item]:
    """All rows of a select."""
    return [dict(row) for row in (await conn.execute(query)).mappings()]


def as_place(at: tuple[date, UUID]) -> Any:
    """Where a row stands in a list, to compare with."""
    return tuple_(literal(at[0]), literal(at[1]))
