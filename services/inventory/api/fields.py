"""What bodies and addresses of several requests hold: names, pieces, costs, the place in a list."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from shared.http import Page, no_cursor

NO_ZERO_BYTE = r"^[^\x00]*$"
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
Name = Annotated[str, Field(max_length=2000, pattern=NO_ZERO_BYTE)]
Pieces = Annotated[int, Field(ge=1, le=1_000_000_000)]
Cost = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)]
KeyFilter = Annotated[str | None, Query(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
KeyPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
Found = dict[str, Any]
Quote = Annotated[
    str,
    Field(max_length=64, pattern=NO_ZERO_BYTE),
    Field(description="`quote` of the preview that was looked at: 409, and nothing done, when it would show another"),
]


def cursor(paging: Page, *kinds: type) -> list[Any] | None:
    """The place at which the previous page ended, as values of these kinds."""
    if paging.after is None:
        return None
    try:
        readers: dict[type, Callable[[str], Any]] = {datetime: datetime.fromisoformat, date: date.fromisoformat}
        values: list[Any] = [
            readers.get(kind, kind)(str(value)) for kind, value in zip(kinds, paging.after, strict=True)
        ]
    except (ValueError, OverflowError):
        raise no_cursor() from None
    for value in values:
        if (isinstance(value, str) and "\0" in value) or (isinstance(value, int) and abs(value) >= 2**31):
            raise no_cursor()
    return values
