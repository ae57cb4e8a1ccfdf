"""What people did, the newest first: every change that an owner told of with a person's name, and of saved views."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.pages import Pages
from services.backoffice.queries import Reading
from services.backoffice.sheets import BOM, row_of
from services.backoffice.views.cells import Cell, Column, Table, cursor, delimiter_of, place
from services.backoffice.views.orders import cell
from services.backoffice.words import NOTHING, Line, line

Item = dict[str, Any]
SHOWN = 50
AT_ONCE = 1000
"""Acts of a file that are read in one go."""
COLUMNS = ("at", "who", "what", "why", "order", "act")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for: whose acts, by the beginning of a name, from and until which day of the shop."""

    who: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """What is no day is not asked for."""
        found = cls(*(query.get(name, "").strip().replace("\x00", "")[:200] for name in cls.__dataclass_fields__))
        return cls(found.who, *("" if _day(text) is None else text for text in (found.since, found.until)))

    def address(self, path: str = "/acts", **more: str) -> str:
        parts = {name: text for name in self.__dataclass_fields__ if (text := getattr(self, name))} | more
        return f"{path}?{urlencode(parts)}" if parts else path


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


async def _read(
    conn: AsyncConnection, pages: Pages, asked: Asked, after: tuple[datetime, Any] | None, limit: int
) -> list[Item]:
    who = await queries.called(conn, asked.who) if asked.who else []
    since, until = (_day(text) for text in (asked.since, asked.until))

    def begins(day: date | None) -> datetime | None:
        return None if day is None else datetime(day.year, day.month, day.day, tzinfo=pages.zone)

    ends = begins(until + timedelta(days=1)) if until and until < date.max else None
    return await queries.acts(conn, who=who, since=begins(since), until=ends, after=after, limit=limit)


def _told(of: Item, pages: Pages) -> tuple[Line, str]:
    """What an act says, and the number of the order that it is about."""
    number = (of["number"] or str(of["order_id"])) if "order_id" in of else of["facts"].get("number", "")
    return line(of["key"], of["facts"], NOTHING, pages.words), number


async def acts(conn: AsyncConnection, pages: Pages, asked: Asked, after: str) -> Item:
    """A page of acts."""
    w = pages.words
    rows = await _read(conn, pages, asked, place(after), SHOWN + 1)
    shown = rows[:SHOWN]
    older = asked.address(after=cursor(shown[-1]["at"], shown[-1]["act_id"])) if len(rows) > SHOWN else ""
    columns = (Column(w.say("When")), Column(w.say("Who")), Column(w.say("What")), Column(w.say("Order")))
    cells = []
    for of in shown:
        told, number = _told(of, pages)
        cells.append(
            [
                Cell(w.moment(of["at"])),
                Cell(of["actor"], Asked(of["actor"]).address()),
                Cell(told.text, sub=told.why),
                Cell(number, f"/orders/{quote(number)}") if number else Cell("–"),
            ]
        )
    return {
        "asked": asked,
        "csv": asked.address("/acts.csv"),
        "table": Table(w.say("What people did, newest first"), columns, cells),
        "first": asked.address() if after else "",
        "older": older,
    }


async def as_csv(reading: Reading, pages: Pages, asked: Asked) -> AsyncIterator[str]:
    """All that is asked for, some at a time, so that years of it need no memory."""
    delimiter = delimiter_of(pages)
    yield BOM + row_of(COLUMNS, delimiter)
    after = None
    while True:
        async with reading() as conn:
            rows = await _read(conn, pages, asked, after, AT_ONCE)
        if not rows:
            return
        said = []
        for of in rows:
            told, number = _told(of, pages)
            at = of["at"].astimezone(pages.zone).isoformat()
            texts = (of["actor"], told.text, told.why, number, of["key"])
            said.append(row_of([at, *map(cell, texts)], delimiter))
        yield "".join(said)
        after = rows[-1]["at"], rows[-1]["act_id"]
