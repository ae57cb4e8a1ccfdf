"""What the files that people upload have in common: columns, cells as a request has them, faults back to their cells.

Pure. `sheets.py` knows how a file is written; which columns there are is for `order_sheets.py` and `product_sheets.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from services.backoffice.sheets import Mark, Sheet, decimal_mark, number
from services.backoffice.words import N_

ERROR = "error"
"""The column of a file of faults that says what is wrong; it is not read."""
AMOUNT = N_("an amount from 0 on, as 12.50 or 12,50")
Kind = Literal["text", "number", "flag", "moment", "street", "upper", "lower", "parts"]
Part = dict[str, str | int]
"""A component of a kit: its SKU, and how many pieces of it."""
_BETWEEN = re.compile(r"\s*\n\s*|\s+\+\s+(?=\d+\s*[xX×]\s)")
_PART = re.compile(r"(?P<pieces>\d{1,9})\s*[xX×]\s+(?P<sku>.*\S)")
_YES = {"yes": "true", "ja": "true", "oui": "true", "no": "false", "nee": "false", "nein": "false", "non": "false"}
_PLAIN = (
    ("String should match pattern", N_("It has not the form that is expected.")),
    ("Input should be a valid integer", N_("It is no whole number.")),
    ("Input should be a valid decimal", N_("It is no number.")),
    ("Input should be a valid boolean", N_("It is neither yes nor no.")),
    ("Input should be a valid datetime", N_("It is no day and no moment.")),
    ("Input should be '", N_("It is none of the words that there are.")),
    ("Input should be a valid tuple", N_("It has not the form that is expected.")),
)
"""How the library that reads requests begins what it says to programs, and the same for a clerk."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: where its cell goes in a request, what it is, and what is expected of it."""

    name: str
    path: tuple[str, ...]
    about: str
    expected: str
    kind: Kind = "text"
    of_line: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell, or with a row where `column` is empty: a sentence for people with its values."""

    row: int
    column: str
    sentence: str
    values: Mapping[str, object]
    expected: str = ""


def mark_of(sheet: Sheet, columns: Iterable[Column]) -> Mark:
    """The decimal mark of a file, by all its numbers. Raises Unreadable."""
    names = [column.name for column in columns if column.kind == "number"]
    return decimal_mark((row.number, name, row[name]) for row in sheet.rows for name in names if row[name])


def value(column: Column, text: str, zone: tzinfo = UTC, mark: Mark = "") -> str | list[str] | list[Part]:
    """The cell as a request has it. What is none of its kind is none for whoever judges the request, either."""
    match column.kind:
        case "number":
            return number(text, mark)
        case "flag":
            return _YES.get(text.casefold(), text)
        case "upper":
            return text.upper()
        case "lower":
            return text.lower()
        case "street":
            return [line.strip() for line in text.split("\n") if line.strip()]
        case "moment":
            return _moment(text, zone)
        case "parts":
            return parts_of(text)
    return text


def parts_of(text: str) -> str | list[Part]:
    """`2 x mug + 1 x plate` as a request has it; a text that is none of these stays as it is."""
    found = [_PART.fullmatch(part) for part in _BETWEEN.split(text.strip())] if text.strip() else []
    if not all(found):
        return text
    return [{"sku": part["sku"], "pieces": int(part["pieces"])} for part in found if part]


def parts_in_text(parts: Iterable[Mapping[str, Any]]) -> str:
    return " + ".join(f"{part['pieces']} x {part['sku']}" for part in parts)


def _moment(text: str, zone: tzinfo) -> str:
    """A moment without a time zone is one of the shop's."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (at if at.tzinfo else at.replace(tzinfo=zone)).isoformat()


def in_plain(said: str) -> str:
    """What is wrong with a value, for a clerk: what the library says only programs understand."""
    said = said.removeprefix("Value error, ")
    return next((text for begins, text in _PLAIN if said.startswith(begins)), said)


def with_faults(sheet: Sheet, rows: Iterable[int], faults: Iterable[tuple[Fault, str]]) -> Iterator[list[str]]:
    """These rows as they came, and those with faults, with what is wrong beside: mended, they come again.

    `faults`: each with its sentence for people.
    """
    said: dict[int, list[str]] = {}
    for fault, text in faults:
        said.setdefault(fault.row, []).append(f"{fault.column}: {text}" if fault.column else text)
    names = [name for name in sheet.columns if name != ERROR]
    yield [*names, ERROR]
    wanted = set(rows) | set(said)
    for row in sheet.rows:
        if row.number in wanted:
            yield [*(row[name] for name in names), " ".join(said.get(row.number, ()))]
