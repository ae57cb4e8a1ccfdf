"""Orders from a file: the form and its columns, what would be placed and what is wrong, what became of each."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import tables
from services.backoffice.order_sheets import COLUMNS, MOST_ORDERS, Draft, Fault, Judged, Orders
from services.backoffice.pages import English, Pages
from services.backoffice.sheets import MOST_BYTES, MOST_ROWS, Unreadable
from services.backoffice.views.cells import Cell, Column, Table, shown_of
from services.backoffice.words import N_, NN_

Item = dict[str, Any]
SHOWN = 100
"""Rows of a table of the preview; the file of faults has them all."""
DELIMITERS = {",": N_("commas"), ";": N_("semicolons"), "\t": N_("tabs")}
MARKS = (
    ("", N_("As the file says")), (",", N_("Comma: 12,50")), (".", N_("Point: 12.50")),
)  # fmt: skip
FATES = (
    ("done", NN_("%(n)d order is placed", "%(n)d orders are placed"), "good"),
    ("repeated", NN_("%(n)d order was placed before", "%(n)d orders were placed before"), ""),
    ("refused", NN_("%(n)d order was refused", "%(n)d orders were refused"), "bad"),
    (
        "unknown",
        NN_("Of %(n)d order it is not known yet whether it was placed",
            "Of %(n)d orders it is not known yet whether they were placed"),
        "wait",
    ),
)  # fmt: skip
"""What became of orders: code, words, colour."""
Fated = tuple[str, Draft, str, str]
"""A fate, the order, its number, and the owner's sentence where it refused."""


async def upload(conn: AsyncConnection, owner: str, code: str) -> Item | None:
    """A file of this person, as long as it is kept."""
    u = tables.uploads.c
    found = await conn.execute(select(tables.uploads).where(u.owner == owner, u.code == code))
    row = found.mappings().first()
    return dict(row) if row else None


def form(pages: Pages, error: Item | None) -> Item:
    """The page on which a file is chosen, with what a file may have in it."""
    w = pages.words
    columns = (Column(w.say("Column")), Column(w.say("What it is")), Column(w.say("Expected")))
    rows = [[Cell(of.name, mono=True), Cell(_about(w, of.name, of.about)), Cell(w.say(of.expected))] for of in COLUMNS]
    return {
        "marks": [(mark, w.say(text)) for mark, text in MARKS],
        "columns": Table(w.say("Columns of a file of orders"), columns, rows),
        "limits": w.say(
            "At most %(megabytes)s MB, %(rows)s rows and %(orders)s orders in one file.",
            megabytes=MOST_BYTES // 1024 // 1024, rows=w.number(MOST_ROWS), orders=w.number(MOST_ORDERS),
        ),
        "error": error,
    }  # fmt: skip


def _about(w: English, name: str, about: str) -> str:
    said = w.say(about)
    return w.say("Invoice: %(what)s", what=w.amid(said)) if name.startswith("bill_") else said


def unreadable(w: English, error: Unreadable) -> Item:
    """The notice that a file makes no sense, and where."""
    text = w.say(error.sentence, **error.values)
    if error.row:
        text = f"{w.say('Row %(row)s:', row=error.row)} {text}"
    return {"kind": "bad", "title": w.say("This file cannot be read. Nothing was done."), "text": text}


def fault(w: English, of: Fault) -> str:
    """What is wrong with a cell, in the reader's language."""
    return w.say(of.sentence, **of.values) if of.values else w.heard(w.say(of.sentence))


def page(pages: Pages, kept: Item, orders: Orders, told: Judged, key: str, error: Item | None) -> Item:
    """What would be placed, and what is wrong."""
    w, where = pages.words, f"/orders/import/{kept['code']}"
    sheet = orders.sheet
    good = len(told.good)
    return {
        "title": w.say("Orders of %(file)s", file=kept["file"]),
        "where": where,
        "key": key,
        "quote": told.quote,
        "facts": [
            (w.say("Rows"), w.number(len(sheet.rows))),
            (w.say("Orders"), w.number(len(orders.drafts))),
            (w.say("Encoding"), sheet.encoding),
            (w.say("Cells are parted by"), w.say(DELIMITERS[sheet.delimiter])),
            (w.say("Decimal mark"), _mark(w, orders, kept["mark"])),
        ],
        "good": _good(w, told),
        "good_said": w.many("%(n)d order can be placed", "%(n)d orders can be placed", good),
        "good_shown": shown_of(w, min(good, SHOWN), good),
        "sums": [w.money(amount, currency) for currency, amount in sorted(told.sums.items())],
        "repeated_said": w.many(*FATES[1][1], len(told.repeated)) if told.repeated else "",
        "repeated": [_named(body["number"], draft.reference) for draft, body in told.repeated[:SHOWN]],
        "faults": _faults(w, orders, told.faults),
        "faults_said": w.many("%(n)d fault", "%(n)d faults", len(told.faults)),
        "faults_shown": shown_of(w, min(len(told.faults), SHOWN), len(told.faults)),
        "faulty_said": w.many(
            "%(n)d order cannot be placed as it is.", "%(n)d orders cannot be placed as they are.", len(told.faulty)
        ),
        "button": w.many("Place %(n)d order", "Place %(n)d orders", good)
        if not told.faults
        else w.many("Place the %(n)d good order", "Place the %(n)d good orders", good),
        "error": error,
    }


def _mark(w: English, orders: Orders, chosen: str) -> str:
    if not orders.mark:
        return w.say("none: no number has decimals")
    said = w.say("a comma, as in 12,50") if orders.mark == "," else w.say("a point, as in 12.50")
    return w.say("%(mark)s (you chose it)", mark=said) if chosen else said


def _good(w: English, told: Judged) -> Table:
    columns = (
        Column(w.say("Their reference")),
        Column(w.say("Customer")),
        Column(w.say("Lines"), True),
        Column(w.say("Pieces"), True),
        Column(w.say("Total"), True),
    )
    rows = []
    for draft, body in told.good[:SHOWN]:
        to = body["ship_to"]
        name = to["name"] or to["company"] or draft.body.get("customer_id", "") or w.say("no name")
        held = w.say("held: %(why)s", why=", ".join(map(w.heard, body["holds"]))) if body["holds"] else ""
        pieces = sum(line["quantity"] for line in body["lines"])
        rows.append(
            [
                Cell(draft.reference, sub=held),
                Cell(name, sub=" ".join(part for part in (to["postcode"], to["city"], to["country"]) if part)),
                Cell(w.number(len(body["lines"]))),
                Cell(w.number(pieces)),
                Cell(w.money(Decimal(body["gross"]), body["currency"])),
            ]
        )
    return Table(w.say("Orders that can be placed"), columns, rows)


def _faults(w: English, orders: Orders, faults: Sequence[Fault]) -> Table:
    columns = (
        Column(w.say("Row")),
        Column(w.say("Column")),
        Column(w.say("In the file")),
        Column(w.say("What is wrong")),
        Column(w.say("Expected")),
    )
    cells = {row.number: row for row in orders.sheet.rows}
    rows = [
        [
            Cell(w.number(of.row)),
            Cell(of.column or "–", mono=True),
            _written(w, cells[of.row][of.column]) if of.column else Cell("–"),
            Cell(fault(w, of)),
            Cell(w.say(of.expected) if of.expected else "–"),
        ]
        for of in faults[:SHOWN]
    ]
    return Table(w.say("Faults by row"), columns, rows)


def _written(w: English, text: str) -> Cell:
    """What stands in a cell of the file."""
    return Cell(text[:80], mono=True) if text else Cell(w.say("empty"))


def _named(number: str, reference: str, why: str = "") -> Item:
    return {
        "number": number, "reference": reference, "why": why, "href": f"/orders/{quote(number)}" if number else "",
    }  # fmt: skip


def done(pages: Pages, kept: Item, told: Judged, fates: Sequence[Fated]) -> Item:
    """What became of each order, by name, and how to go on."""
    w, where = pages.words, f"/orders/import/{kept['code']}"
    groups = []
    for code, words, css in FATES:
        found = [of for of in fates if of[0] == code]
        if found:
            orders = [_named(number, draft.reference, why) for _, draft, number, why in found]
            groups.append({"name": code, "css": css, "title": w.many(*words, len(found)), "orders": orders})
    placed = sum(of[0] == "done" for of in fates)
    return {
        "title": w.many(*FATES[0][1], placed),
        "all_done": all(of[0] in ("done", "repeated") for of in fates) and not told.faults,
        "groups": groups,
        "where": where,
        "left": w.many(
            "%(n)d order of the file was left out, as something is wrong with it.",
            "%(n)d orders of the file were left out, as something is wrong with them.", len(told.faulty),
        ) if told.faults else "",
    }  # fmt: skip
