"""One invoice or credit note on a page, and who looked at which."""

import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners, Said
from services.backoffice.pages import English, Pages
from services.backoffice.paper import without_vat
from services.backoffice.views.cells import Cell, Column, Table, address, amount, cursor, place, price
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN = 50
FORMS = {"page": N_("Page"), "pdf": "PDF", "ubl": "UBL", "cii": "CII", "link": N_("Customer's link")}
TERMS = {
    "BT-27": N_("The seller's name"),
    "BG-5": N_("The seller's address"),
    "BT-40": N_("The seller's country"),
    "BT-31": N_("The seller's VAT number"),
    "BT-30": N_("The seller's number in a register"),
    "BT-84": N_("The account for transfers (IBAN)"),
    "BT-120": N_("Why there is no VAT"),
    "BT-44": N_("The buyer's name"),
    "BG-8": N_("The buyer's address"),
    "BT-55": N_("The buyer's country"),
    "BT-48": N_("The buyer's VAT number"),
    "BT-80": N_("The country that the goods went to"),
    "BT-118": N_("The VAT category"),
    "BT-151": N_("The VAT category of a line"),
    "BT-152": N_("The VAT rate of a line"),
    "BT-5": N_("The currency"),
}
"""Terms of EN 16931 that a document can lack, as people call them; every other is shown by its number alone."""
TERM = re.compile(r"B[TG]-[0-9]+")


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
            price(w, line["unit_price"], of["currency"]) if line["quantity"] else Cell(""),
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
        "without_vat": without_vat(of, w.locale),
        "notes": [(note["number"], w.money(Decimal(str(note["gross"])))) for note in notes],
        "address": address(of["bill_to"]),
        "vat_id": of["bill_to"].get("vat_id", ""),
        "reference": of["bill_to"].get("reference", ""),
        "pdf": f"{where}/pdf",
        "where": where,
    }


async def einvoice(owners: Owners, number: str, syntax: str) -> bytes:
    """An invoice or credit note as XML. Raises Away or Said: 404 when there is none, 409 when a term is missing."""
    name = quote(number, safe="")
    try:
        return await owners.file("billing", f"/invoices/{name}/{syntax}")
    except Said as refused:
        if refused.status != 404:
            raise
    return await owners.file("billing", f"/credit-notes/{name}/{syntax}")


def lacking(w: English, number: str, refused: Said) -> Item:
    """What a document lacks to be an electronic invoice: each term once, by its number and by its name.

    `decimals`: its amounts have more than the standard knows, which nobody can mend.
    """
    found: dict[str, str] = {}
    for error in refused.errors:
        for term in TERM.findall(str(error.get("message", "")))[:1]:
            found.setdefault(term, w.say(TERMS[term]) if term in TERMS else "")
    return {
        "number": number,
        "terms": list(found.items()),
        "decimals": any(str(error.get("field", "")).startswith("BR-DEC-") for error in refused.errors),
        "back": f"/documents/{quote(number)}",
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
