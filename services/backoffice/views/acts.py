"""What people did, the newest first: every change that an owner told of with a person's name, and of saved views."""

from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.pages import Pages
from services.backoffice.views.cells import Cell, Column, Table, cursor, place
from services.backoffice.words import NOTHING, line

Item = dict[str, Any]
SHOWN = 50


async def acts(conn: AsyncConnection, pages: Pages, who: str, after: str) -> Item:
    """A page of acts; of one person where a name is given."""
    w = pages.words
    rows = await queries.acts(conn, who=who, after=place(after), limit=SHOWN + 1)
    shown = rows[:SHOWN]
    more = {"who": who} if who else {}
    older = {**more, "after": cursor(shown[-1]["at"], shown[-1]["act_id"])} if len(rows) > SHOWN else {}
    columns = (Column(w.say("When")), Column(w.say("Who")), Column(w.say("What")), Column(w.say("Order")))
    cells = []
    for of in shown:
        told = line(of["key"], of["facts"], NOTHING, w)
        number = (of["number"] or str(of["order_id"])) if "order_id" in of else of["facts"].get("number", "")
        cells.append(
            [
                Cell(w.moment(of["at"])),
                Cell(of["actor"], f"/acts?{urlencode({'who': of['actor']})}"),
                Cell(told.text, sub=told.why),
                Cell(number, f"/orders/{quote(number)}") if number else Cell("–"),
            ]
        )
    return {
        "who": who,
        "table": Table(w.say("What people did, newest first"), columns, cells),
        "first": f"/acts?{urlencode(more)}" if after else "",
        "older": f"/acts?{urlencode(older)}" if older else "",
    }
