"""What bodies and addresses of several requests hold: keys, lines, filters, moments, the place in a list."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, Field

from shared.http import Page, no_cursor

Item = dict[str, Any]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Line = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Filter = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


def _within_reach(at: datetime) -> datetime:
    if not 1900 <= at.year <= 2200:
        raise ValueError("between the years 1900 and 2200")
    return at


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]


def cursor(paging: Page, *kinds: Callable[[str], Any]) -> list[Any] | None:
    """The sort values of the last row seen. A cursor of another list is refused."""
    if paging.after is None:
        return None
    try:
        return [kind(str(part)) for kind, part in zip(kinds, paging.after, strict=True)]
    except (ValueError, OverflowError):
        raise no_cursor() from None


def as_number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError(text)
    return number


def as_year(text: str) -> int:
    year = int(text)
    if not 1900 <= year <= 2200:
        raise ValueError(text)
    return year


def as_word(text: str) -> str:
    if "\x00" in text:
        raise ValueError(text)
    return text


def as_moment(text: str) -> datetime:
    at = _within_reach(datetime.fromisoformat(text))
    if at.tzinfo is None:
        raise ValueError(text)
    return at
