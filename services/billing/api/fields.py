"""What bodies and addresses of several requests hold: keys, lines, filters, moments."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from pydantic import AfterValidator, AwareDatetime, Field

from shared.http import Body, example

Item = dict[str, Any]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Line = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
Quote = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[^\x00]*$",
        description="`quote` of the preview that was looked at: 409, and nothing done, when the money changed since",
    ),
]
State = Annotated[str, Query(pattern="^(waiting|done|refused)?$")]
FORBIDDEN: dict[int | str, dict[str, Any]] = {403: {"description": "Not by this person or these roles"}}
Filter = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


async def _roles(
    x_roles: Annotated[
        str, Header(max_length=200, description="the roles of the person of X-Actor, divided by commas")
    ] = "",
) -> tuple[str, ...]:
    return tuple(filter(None, (role.strip() for role in x_roles.split(","))))


Roles = Annotated[tuple[str, ...], Depends(_roles)]


class RefusalIn(Body):
    """Why what waits will not be done."""

    model_config = example(reason="the photo shows another cup")
    reason: Reason


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
