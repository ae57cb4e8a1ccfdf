"""Tables as values, so that one template draws every list and one function writes its CSV."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Column:
    """A column; figures stand right."""

    title: str
    num: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell, where it leads, a second line, and the colour of a badge (None: no badge)."""

    text: str
    href: str = ""
    sub: str = ""
    badge: str | None = None
    plain: str = ""  # for programs: a figure without its currency and the reader's marks

    @property
    def data(self) -> str:
        return self.plain or self.text


@dataclass(frozen=True, slots=True)
class Table:
    """A caption for those who do not see it, columns, and rows of as many cells."""

    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]


def cursor(at: datetime, id: UUID) -> str:
    """A row's place in a list by time, as an address carries it."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {id}".encode()).decode().rstrip("=")


def place(text: str) -> tuple[datetime, UUID] | None:
    """The place that a cursor names; None for what is none."""
    try:
        at, id = base64.urlsafe_b64decode(text.encode() + b"==").decode().split(" ")
        moment = datetime.fromisoformat(at)
        return (moment, UUID(id)) if moment.tzinfo else None
    except ValueError:
        return None
