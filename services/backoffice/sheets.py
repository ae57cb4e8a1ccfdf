"""A spreadsheet as it comes, read: its bytes to rows of text, and numbers as the file writes them.

Pure, so that the pages and the command read the same file alike. What is wrong is said with its row as a spreadsheet
counts it: the row of names is 1. What a cell means is for whoever knows the columns.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from services.backoffice.words import N_

MOST_BYTES = 2 * 1024 * 1024
MOST_ROWS = 5000
LONGEST_CELL = 8000
DELIMITERS = (",", ";", "\t")
Mark = Literal["", ".", ","]
"""A decimal mark; empty: no number of the file says one."""
BOM = "\ufeff"
"""Without it spreadsheets read UTF-8 as something else, and names with accents are garbled."""
BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HOLDS_FORMULA = re.compile(rf"[{''.join(DELIMITERS)}][\s'\"]*[{re.escape(''.join(BEGINS_FORMULA))}]")


class Unreadable(ValueError):
    """The file as a whole makes no sense. `sentence` for people, with `values` in it; `row`: where, or 0."""

    def __init__(self, sentence: str, row: int = 0, /, **values: object) -> None:
        super().__init__(sentence % values if values else sentence)
        self.sentence, self.row, self.values = sentence, row, values


@dataclass(frozen=True, slots=True)
class Row:
    """One row by the names of its columns; `number` as a spreadsheet counts it. Cells are without spaces around."""

    number: int
    cells: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file: the names of its columns, its rows that say anything, and how it is written."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    delimiter: str
    digest: str


def decoded(raw: bytes, most_bytes: int = MOST_BYTES) -> tuple[str, str]:
    """The text and how it was encoded: UTF-8 with or without BOM, else CP1252. Raises Unreadable."""
    if len(raw) > most_bytes:
        raise Unreadable(N_("The file is larger than %(most)s MB; split it."), most=most_bytes // 1024 // 1024)
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Unreadable(N_("This is a workbook. Save it as CSV in the spreadsheet, and upload that file."))
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable(N_("The file is in UTF-16. Save it as CSV in UTF-8, and upload that file."))
    for encoding, shown in (("utf-8-sig", "UTF-8"), ("cp1252", "CP1252")):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text.replace("\r\n", "\n").replace("\r", "\n"), shown
    raise Unreadable(N_("The file is no text. Save it as CSV in UTF-8, and upload that file."))


def sheet_of(
    raw: bytes,
    known: Iterable[str],
    ignored: Iterable[str] = (),
    *,
    most_bytes: int = MOST_BYTES,
    most_rows: int = MOST_ROWS,
) -> Sheet:
    """The rows of a file whose columns have these names, in any order and with any of the delimiters.

    `ignored`: columns that may be there and mean nothing here. Raises Unreadable.
    """
    text, encoding = decoded(raw, most_bytes)
    wanted, unheeded = set(known), set(ignored)
    delimiter = max(DELIMITERS, key=lambda one: len(wanted & _first(text, one)))
    records = _records(text, delimiter)
    names = _names(_next(records, 1) or [])
    if not any(names):
        raise Unreadable(N_("The file is empty: its first row must name the columns."))
    if not wanted & set(names):
        raise Unreadable(
            N_("The first row names no column that is known here; it must name them, as the template does."), 1
        )
    for name in names:
        if name and names.count(name) > 1:
            raise Unreadable(N_("The column %(name)s is there twice."), 1, name=name)
        if name and name not in wanted | unheeded:
            raise Unreadable(N_("There is no column %(name)s; a misspelt one must not be lost."), 1, name=name[:60])
    rows = tuple(_rows(records, names, most_rows))
    if not rows:
        raise Unreadable(N_("The file has no row below the names of its columns."))
    return Sheet(tuple(name for name in names if name), rows, encoding, delimiter, sha256(raw).hexdigest())


def _names(cells: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s-]+", "_", plain(cell).casefold()) for cell in cells]


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    lines = (f"{line}\n" for line in text.split("\n"))
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _first(text: str, delimiter: str) -> set[str]:
    """The names of columns if this is the delimiter; none where it cannot be."""
    try:
        return set(_names(_next(_records(text, delimiter), 1) or []))
    except Unreadable:
        return set()


def _next(records: Iterator[list[str]], number: int) -> list[str] | None:
    try:
        return next(records, None)
    except csv.Error:
        raise Unreadable(N_("A quotation mark is not closed, or stands in the middle of a cell."), number) from None


def _rows(records: Iterator[list[str]], names: Sequence[str], most: int) -> Iterator[Row]:
    number, found = 1, 0
    while True:
        number += 1
        if (cells := _next(records, number)) is None:
            return
        if not any(map(str.strip, cells)):
            continue
        found += 1
        if found > most:
            raise Unreadable(N_("The file has more than %(most)s rows; split it."), number, most=most)
        if any(cell.strip() for cell in cells[len(names) :]):
            raise Unreadable(N_("The row has more cells than there are columns."), number)
        given = [(name, plain(cell)) for name, cell in zip(names, cells, strict=False)]
        if any(text for name, text in given if not name):
            raise Unreadable(N_("A cell of the row stands under no name of a column."), number)
        if any(len(text) > LONGEST_CELL for _, text in given):
            raise Unreadable(N_("A cell has more than %(most)s characters."), number, most=LONGEST_CELL)
        yield Row(number, {name: text for name, text in given if name and text})


def plain(cell: str) -> str:
    """A cell as it was before it was kept from being taken for a formula (S20), without spaces around."""
    text = cell.lstrip(" \t\u00a0")
    kept = text[:1] == "'" and text[1:].lstrip(" \"'")[:1] in BEGINS_FORMULA
    return text[1:].strip() if kept else text.rstrip(" \t\u00a0")


# Numbers


def decimal_mark(numbers: Iterable[tuple[int, str, str]]) -> Mark:
    """The mark that all numbers of a file agree in, each (row, column, text); a number may leave it open.

    Raises Unreadable where they differ, and where none decides between 1.234 and one thousand two hundred thirty-four.
    """
    seen: dict[Mark, tuple[int, str, str]] = {}
    unsure: tuple[int, str, str] | None = None
    for number in numbers:
        mark = _mark(number[2])
        if mark is None:
            unsure = unsure or number
        elif mark:
            seen.setdefault(mark, number)
    if len(seen) > 1:
        point, comma = seen["."], seen[","]
        raise Unreadable(
            N_("Row %(row)s has %(text)s with a decimal comma, row %(other)s has %(point)s with a decimal point."),
            comma[0], row=comma[0], text=comma[2][:40], other=point[0], point=point[2][:40],
        )  # fmt: skip
    if not seen and unsure:
        raise Unreadable(
            N_("Whether %(text)s has a decimal mark or thousands, the file does not say: choose the mark."),
            unsure[0], text=unsure[2][:40],
        )  # fmt: skip
    return next(iter(seen), "")


def _mark(text: str) -> Mark | None:
    """The decimal mark of one number: empty where it has none, None where it could be one of thousands."""
    text = text.lstrip("+-")
    points, commas = text.count("."), text.count(",")
    if points and commas:
        return "." if text.rindex(".") > text.rindex(",") else ","
    if points + commas == 0:
        return ""
    mark: Mark = "." if points else ","
    if points + commas > 1:
        return "," if points else "."  # one that is there twice parts thousands
    whole, _, part = text.partition(mark)
    return None if len(part) == 3 and re.fullmatch(r"[1-9]\d{0,2}", whole) else mark


def number(text: str, mark: Mark) -> str:
    """A number as programs write it. What is none with this mark is none for whoever judges the value, either."""
    apart = " \u00a0\u202f'" + {"": "", ".": ",", ",": "."}[mark]
    whole = re.fullmatch(rf"([+-]?)(\d{{1,3}}(?:[{apart}]\d{{3}})+|\d+)(?:{re.escape(mark or '.')}(\d+))?", text)
    if whole is None:
        return f"no number: {text}"
    digits = re.sub(r"\D", "", whole[2])
    return f"{whole[1].replace('+', '')}{digits}" + (f".{whole[3]}" if whole[3] else "")


def written(rows: Iterable[Sequence[str]], delimiter: str) -> Iterator[str]:
    """Lines of a file that spreadsheets open as it is meant: in UTF-8 with BOM, and no cell is a formula."""
    yield BOM
    for cells in rows:
        yield row_of([kept_plain(cell) for cell in cells], delimiter)


def row_of(cells: Iterable[str], delimiter: str) -> str:
    """A line of such a file, of cells that are `kept_plain` already, or figures."""
    return delimiter.join(_quoted(cell, delimiter) for cell in cells) + "\r\n"


def kept_plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (S20); `plain` gives it back as it was."""
    risky = text.lstrip(" \"'")[:1] in BEGINS_FORMULA or text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if risky else text


def _quoted(text: str, delimiter: str) -> str:
    """Quoted is also what would hold a formula if the file were opened with another delimiter."""
    parts = any(c in text for c in (delimiter, '"', "\n", "\r")) or HOLDS_FORMULA.search(text)
    return '"' + text.replace('"', '""') + '"' if parts else text
