"""What the pages of files have in common: which columns one may have, how it was read, what is wrong with its cells."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import tables
from services.backoffice.columns import Column as Described
from services.backoffice.columns import Fault
from services.backoffice.pages import English
from services.backoffice.sheets import Mark, Sheet, Unreadable
from services.backoffice.views.cells import Cell, Column, Table, shown_of
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 100
"""Rows of a table of the preview; the file of faults has them all."""
DELIMITERS = {",": N_("commas"), ";": N_("semicolons"), "\t": N_("tabs")}
MARKS = (
    ("", N_("As the file says")), (",", N_("Comma: 12,50")), (".", N_("Point: 12.50")),
)  # fmt: skip


async def upload(conn: AsyncConnection, owner: str, kind: str, code: str) -> Item | None:
    """A file of this person, as long as it is kept."""
    u = tables.uploads.c
    asked = select(tables.uploads).where(u.owner == owner, u.kind == kind, u.code == code)
    row = (await conn.execute(asked)).mappings().first()
    return dict(row) if row else None


def marks(w: English) -> list[tuple[str, str]]:
    """The decimal marks to choose from."""
    return [(mark, w.say(text)) for mark, text in MARKS]


def columns(w: English, caption: str, known: Iterable[Described], about: Callable[[Described], str]) -> Table:
    """Which columns a file may have."""
    titles = (Column(w.say("Column")), Column(w.say("What it is")), Column(w.say("Expected")))
    rows = [[Cell(of.name, mono=True), Cell(about(of)), Cell(w.say(of.expected))] for of in known]
    return Table(caption, titles, rows)


def unreadable(w: English, error: Unreadable) -> Item:
    """The notice that a file makes no sense, and where."""
    text = w.say(error.sentence, **error.values)
    if error.row:
        text = f"{w.say('Row %(row)s:', row=error.row)} {text}"
    return {"kind": "bad", "title": w.say("This file cannot be read. Nothing was done."), "text": text}


def stale(w: English) -> Item:
    """The notice that what was shown is not what would be done now."""
    text = w.say("This is the effect now; look at it and decide again.")
    return {"kind": "wait", "title": w.say("Something changed since you looked. Nothing was done."), "text": text}


def fault(w: English, of: Fault) -> str:
    """What is wrong with a cell, in the reader's language."""
    return w.say(of.sentence, **of.values) if of.values else w.heard(w.say(of.sentence))


def facts(w: English, sheet: Sheet, things: tuple[str, int], mark: Mark, chosen: str) -> list[tuple[str, str]]:
    """How a file was read. `things`: how many of what it has."""
    return [
        (w.say("Rows"), w.number(len(sheet.rows))),
        (things[0], w.number(things[1])),
        (w.say("Encoding"), sheet.encoding),
        (w.say("Cells are parted by"), w.say(DELIMITERS[sheet.delimiter])),
        (w.say("Decimal mark"), _mark(w, mark, chosen)),
    ]


def _mark(w: English, mark: Mark, chosen: str) -> str:
    if not mark:
        return w.say("none: no number has decimals")
    said = w.say("a comma, as in 12,50") if mark == "," else w.say("a point, as in 12.50")
    return w.say("%(mark)s (you chose it)", mark=said) if chosen else said


def faults(w: English, sheet: Sheet, found: Sequence[Fault]) -> Item:
    """What is wrong, by row and column."""
    shown = found[:SHOWN]
    wanted = {of.row for of in shown}
    cells = {row.number: row for row in sheet.rows if row.number in wanted}
    titles = (
        Column(w.say("Row")),
        Column(w.say("Column")),
        Column(w.say("In the file")),
        Column(w.say("What is wrong")),
        Column(w.say("Expected")),
    )
    rows = [
        [
            Cell(w.number(of.row)),
            Cell(of.column or "–", mono=True),
            _written(w, cells[of.row][of.column]) if of.column else Cell("–"),
            Cell(fault(w, of)),
            Cell(w.say(of.expected) if of.expected else "–"),
        ]
        for of in shown
    ]
    return {
        "faults": Table(w.say("Faults by row"), titles, rows),
        "faults_said": w.many("%(n)d fault", "%(n)d faults", len(found)),
        "faults_shown": shown_of(w, len(shown), len(found)),
    }


def _written(w: English, text: str) -> Cell:
    """What stands in a cell of the file."""
    return Cell(text[:80], mono=True) if text else Cell(w.say("empty"))
