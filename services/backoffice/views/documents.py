"""One invoice or credit note on a page, and who looked at which."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners, Said
from services.backoffice.pages import English, Pages
from services.backoffice.views.cells import Cell, Column, Table, address, amount, cursor, place
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 50
FORMS = {"page": N_("Page"), "pdf": "PDF", "link": N_("Customer's link")}


async def document(owners: Owners, number: str) -> Item:
    """An invoice or credit note by its number. Raises Away or Said; Said with 404 when there is none."""
    try:
        return {**await owners.get("billing", f"/invoices/{quote(number, safe='')}"), "kind": "invoice", "invoice": ""}
    except Said as refused:
        if refused.status != 404:
            raise
    return {**await owners.get("billing", f"/credit-notes/{quote(number, safe='')}"), "kind": "credit note"}


async def paper(owners: Owners, pages: Pages, number: str) -> Item:
    """The page of one document, with the credit notes that correct it. Raises Away or Said."""
    of = await document(owners, number)
    w = pages.words.within(of["currency"])
    notes: list[Item] = []
    if of["kind"] == "invoice":
        said = await owners.get("billing", "/credit-notes", order_id=of["order_id"], limit=100)
        notes = [note for note in said["items"] if note["invoice"] == of["number"]]
    where = f"/documents/{quote(of['number'])}"
    title = w.say("Invoice %(number)s", number=of["number"])
    if of["kind"] != "invoice":
        title = w.say("Credit note %(number)s", number=of["number"])
    lines = [
        [
            Cell(str(line["line_no"])),
            Cell(line["text"] or line["sku"], sub=line["sku"]),
            Cell(w.number(line["quantity"]) if line["quantity"] else "", sub=_of_the_price(w, line)),
            amount(w, line["unit_price"], of["currency"]) if line["quantity"] else Cell(""),
            Cell(w.percent(Decimal(str(line["rate"])))),
            amount(w, line["net"], of["currency"]),
        ]
        for line in of["lines"]
    ]
    groups = [
        [
            Cell(f"{group['category']} {w.percent(Decimal(str(group['rate'])))}"),
            amount(w, group["base"], of["currency"]),
            amount(w, group["vat"], of["currency"]),
        ]
        for group in of["groups"]
    ]
    return {
        "of": of,
        "title": title,
        "sums": [
            (w.say("Without VAT"), w.money(Decimal(str(of["net"]))), ""),
            (w.say("VAT"), w.money(Decimal(str(of["vat"]))), ""),
            (w.say("Total"), w.money(Decimal(str(of["gross"]))), "sum"),
        ],
        "lines": Table(
            w.say("Lines"),
            (
                Column("#"),
                Column(w.say("Product")),
                Column(w.say("Pieces"), True),
                Column(w.say("Price"), True),
                Column(w.say("VAT"), True),
                Column(w.say("Without VAT"), True),
            ),
            lines,
        ),
        "groups": Table(
            w.say("VAT by rate"),
            (Column(w.say("Rate")), Column(w.say("Base"), True), Column(w.say("VAT"), True)),
            groups,
        ),
        "notes": [(note["number"], w.money(Decimal(str(note["gross"])))) for note in notes],
        "address": address(of["bill_to"]),
        "pdf": f"{where}/pdf",
    }


def _of_the_price(w: English, line: Item) -> str:
    """A line without pieces credits a part of the price."""
    return "" if line["quantity"] else w.say("part of the price")


async def views(conn: AsyncConnection, pages: Pages, number: str, after: str) -> Item:
    """Views of documents, the newest first; of one document where a number is given."""
    w = pages.words
    rows = await queries.views(conn, number=number, after=place(after), limit=SHOWN + 1)
    shown = rows[:SHOWN]
    more = {"number": number} if number else {}
    older = {**more, "after": cursor(shown[-1]["at"], shown[-1]["view_id"])} if len(rows) > SHOWN else {}
    columns = (Column(w.say("Document")), Column(w.say("Who")), Column(w.say("When")), Column(w.say("How")))
    cells = [
        [
            Cell(of["number"], f"/{'orders' if of['form'] == 'link' else 'documents'}/{quote(of['number'])}"),
            Cell(of["who"]),
            Cell(w.moment(of["at"])),
            Cell(w.say(FORMS[of["form"]])),
        ]
        for of in shown
    ]
    return {
        "number": number,
        "table": Table(w.say("Views of documents, newest first"), columns, cells),
        "first": f"/document-views?{urlencode(more)}" if after else "",
        "older": f"/document-views?{urlencode(older)}" if older else "",
    }
