"""What bodies and addresses of several requests hold: keys, lines, filters, moments."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, Field

Item = dict[str, Any]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Line = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Filter = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


def _within_reach(at: datetime) -> datetime:
    if not 1900 <= at.year <= 2200:
        raise ValueError("between the years 1900 and 2200")
    return at


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]


def as_year(text: str) -> int:
    year = int(text)
    if not 1900 <= year <= 2200:
        raise ValueError(text)
    return year
