"""Orders from a file: the form and its columns, what would be placed and what is wrong, what became of each."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

from services.backoffice.columns import Column as Described
from services.backoffice.order_sheets import COLUMNS, MOST_ORDERS, Draft, Judged, Orders
from services.backoffice.pages import English, Pages
from services.backoffice.sheets import MOST_BYTES, MOST_ROWS
from services.backoffice.views.cells import Cell, Column, Table, shown_of
from services.backoffice.views.uploads import SHOWN, columns, facts, faults, marks
from services.backoffice.words import NN_

Item = dict[str, Any]
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


def form(pages: Pages, error: Item | None) -> Item:
    """The page on which a file is chosen, with what a file may have in it."""
    w = pages.words
    return {
        "title": w.say("Orders from a file"),
        "lede": w.say("You see what would be placed, and what is wrong in which row, before anything is placed."),
        "where": "/orders/import",
        "back": ("/orders", w.say("Orders")),
        "take": ("/orders/import/template.csv", w.say("File to begin with")),
        "marks": marks(w),
        "says": w.say(
            "The first row names the columns, in any order. Each further row is one line of an order; rows with the "
            "same reference are one order, and what holds for the whole order may stand in its first row alone. The "
            "columns external_id, sku and quantity are needed."
        ),
        "columns": columns(w, w.say("Columns of a file of orders"), COLUMNS, partial(_about, w)),
        "limits": w.say(
            "At most %(megabytes)s MB, %(rows)s rows and %(orders)s orders in one file.",
            megabytes=MOST_BYTES // 1024 // 1024, rows=w.number(MOST_ROWS), orders=w.number(MOST_ORDERS),
        ),
        "error": error,
    }  # fmt: skip


def _about(w: English, column: Described) -> str:
    said = w.say(column.about)
    return w.say("Invoice: %(what)s", what=w.amid(said)) if column.name.startswith("bill_") else said


def page(pages: Pages, kept: Item, orders: Orders, told: Judged, key: str, error: Item | None) -> Item:
    """What would be placed, and what is wrong."""
    w, where = pages.words, f"/orders/import/{kept['code']}"
    good = len(told.good)
    return {
        "title": w.say("Orders of %(file)s", file=kept["file"]),
        "where": where,
        "key": key,
        "quote": told.quote,
        "facts": facts(w, orders.sheet, (w.say("Orders"), len(orders.drafts)), orders.mark, kept["mark"]),
        "from": ("/orders/import", w.say("Orders from a file")),
        "tables": [
            {
                "name": "good",
                "said": w.many("%(n)d order can be placed", "%(n)d orders can be placed", good),
                "shown": shown_of(w, min(good, SHOWN), good),
                "table": _good(w, told),
            }
        ],
        "all": None,
        "sum": w.say("Total"),
        "sums": [(w.money(amount, currency), w.say("VAT included")) for currency, amount in sorted(told.sums.items())],
        "drop": w.say("Place nothing"),
        "repeated_said": w.many(*FATES[1][1], len(told.repeated)) if told.repeated else "",
        "repeated": [_named(body["number"], draft.reference) for draft, body in told.repeated[:SHOWN]],
        **faults(w, orders.sheet, told.faults),
        "mend": w.say(
            "Take its rows along, mend them, and upload that file: what was placed before is not placed again."
        ),
        "faulty_said": w.many(
            "%(n)d order cannot be placed as it is.", "%(n)d orders cannot be placed as they are.", len(told.faulty)
        ),
        "button": ""
        if not good
        else w.many("Place %(n)d order", "Place %(n)d orders", good)
        if not told.faults
        else w.many("Place the %(n)d good order", "Place the %(n)d good orders", good),
        "error": error,
    }


def _good(w: English, told: Judged) -> Table:
    titles = (
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
    return Table(w.say("Orders that can be placed"), titles, rows)


def _mend(w: English) -> str:
    return w.say("Take its rows along, mend them, and upload that file: what was placed before is not placed again.")


def _named(number: str, reference: str, why: str = "") -> Item:
    return {
        "number": number, "reference": reference, "why": why, "href": f"/orders/{quote(number)}" if number else "",
    }  # fmt: skip


def done(pages: Pages, kept: Item, told: Judged, fates: Sequence[Fated]) -> Item:
    """What became of each order, by name, and how to go on."""
    w, where = pages.words, f"/orders/import/{kept['code']}"
    again = w.say(
        "The order service did not answer in time. Look at the file again: it says what was placed, and places the "
        "others, each once."
    )
    groups = []
    for code, words, css in FATES:
        found = [of for of in fates if of[0] == code]
        if found:
            orders = [_named(number, draft.reference, why) for _, draft, number, why in found]
            title = w.many(*words, len(found))
            groups.append(
                {
                    "name": code,
                    "css": css,
                    "title": title,
                    "shown": "",
                    "of": orders,
                    "again": again if code == "unknown" else "",
                }
            )
    placed = sum(of[0] == "done" for of in fates)
    return {
        "title": w.many(*FATES[0][1], placed),
        "from": ("/orders/import", w.say("Orders from a file")),
        "back": ("/orders", w.say("Back to the list")),
        "mend": _mend(w),
        "all_done": all(of[0] in ("done", "repeated") for of in fates) and not told.faults,
        "groups": groups,
        "where": where,
        "left": w.many(
            "%(n)d order of the file was left out, as something is wrong with it.",
            "%(n)d orders of the file were left out, as something is wrong with them.", len(told.faulty),
        ) if told.faults else "",
    }  # fmt: skip
