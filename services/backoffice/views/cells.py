"""What many pages say alike: tables as values (one template draws them, one function writes their CSV), addresses."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.backoffice.languages import SOURCE
from services.backoffice.pages import English, Pages
from services.backoffice.sheets import DELIMITERS, Mark
from shared.contracts.money import written


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
    plain: str | None = None  # for programs: a figure without its currency and the reader's marks; empty: there is none
    mono: bool = False  # what people and machines type, letter by letter

    @property
    def data(self) -> str:
        return self.text if self.plain is None else self.plain


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


def shown_of(w: English, shown: int, all: int) -> str:
    """How many there are; of a list that stops before its end how many of them are shown."""
    return w.say("%(n)s of %(most)s", n=w.number(shown), most=w.number(all)) if all > shown else w.number(shown)


def address(a: Mapping[str, Any]) -> list[str]:
    """The lines of an address that say anything."""
    lines = [a["name"], a["company"], *a["street"], f"{a['postcode']} {a['city']}", a["region"], a["country"]]
    return [str(text).strip() for text in lines if str(text).strip()]


def amount(w: English, value: object, currency: str) -> Cell:
    """Money in words of the reader, exact where it is taken along."""
    exact = written(Decimal(str(value)), currency)
    return Cell(w.money(exact, currency), plain=f"{exact:f}")


def price(w: English, value: object, currency: str) -> Cell:
    """What one piece costs, exact in words, too."""
    exact = written(Decimal(str(value)), currency)
    return Cell(w.price(exact, currency), plain=f"{exact:f}")


def mark_of(pages: Pages) -> Mark:
    """The decimal mark of the reader's spreadsheet."""
    return "." if pages.language == SOURCE else ","


def delimiter_of(pages: Pages) -> str:
    """What parts cells in the reader's spreadsheet: no comma where that is the decimal mark."""
    return DELIMITERS[mark_of(pages) == ","]
