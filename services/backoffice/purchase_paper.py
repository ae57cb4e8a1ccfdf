"""A purchase order as PDF, for the supplier, in the language that the shop buys in."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from fpdf.enums import XPos, YPos

from services.backoffice.amounts import amount_in
from services.backoffice.paper import FONT, ROW, Seller, head, opened, table, told

Item = Mapping[str, Any]

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Purchase order", "date": "Date", "draft": "Draft", "cancelled": "Cancelled",
        "to": "Delivery to", "note": "Note", "text": "Description", "pieces": "Pieces", "day": "Expected",
        "each": "Each", "cost": "Cost", "total": "Total", "vat number": "VAT number", "page": "Page",
    },
    "nl": {
        "title": "Inkooporder", "date": "Datum", "draft": "Concept", "cancelled": "Geannuleerd",
        "to": "Levering aan", "note": "Opmerking", "text": "Omschrijving", "pieces": "Aantal", "day": "Verwacht",
        "each": "Per stuk", "cost": "Bedrag", "total": "Totaal", "vat number": "Btw-nummer", "page": "Pagina",
    },
    "de": {
        "title": "Bestellung", "date": "Datum", "draft": "Entwurf", "cancelled": "Storniert",
        "to": "Lieferung an", "note": "Bemerkung", "text": "Bezeichnung", "pieces": "Stück", "day": "Erwartet",
        "each": "Je Stück", "cost": "Betrag", "total": "Gesamtbetrag", "vat number": "USt-IdNr.", "page": "Seite",
    },
    "fr": {
        "title": "Bon de commande", "date": "Date", "draft": "Brouillon", "cancelled": "Annulé",
        "to": "Livraison à", "note": "Remarque", "text": "Désignation", "pieces": "Quantité", "day": "Attendu",
        "each": "Prix", "cost": "Montant", "total": "Total", "vat number": "N° de TVA", "page": "Page",
    },
}  # fmt: skip


def language(wanted: str, usual: str) -> str:
    """What was asked for, else the shop's own; English where neither is one of documents."""
    return next((lang for lang in (wanted, usual) if lang in WORDS), "en")


def pdf(order: Item, place: str, seller: Seller, zone: ZoneInfo, lang: str) -> bytes:
    """The order as a file, as inventory has it now; of the same order the same bytes. Raises KeyError for a language.

    `place`: what the warehouse is called. What was not sent says that it is a draft, what was called off says so.
    """
    say = WORDS[lang]
    at = datetime.fromisoformat(order["sent_at"] or order["created_at"])

    def money(amount: Decimal) -> str:
        return amount_in(lang, amount, order["currency"], exact=True)

    title = f"{say['title']} {order['number']}"
    sheet = opened(title, f"{order['number']} · {say['page']}", seller, lang, at)
    head(sheet, seller, say["vat number"])
    sheet.set_xy(20, 48)
    for line in filter(None, (order["supplier_name"] or order["supplier"], order["supplier_email"])):
        sheet.multi_cell(90, 5, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_xy(20, max(sheet.get_y() + 8, 82))
    sheet.set_font(FONT, "B", 18)
    state = order["state"] if order["state"] in ("draft", "cancelled") else ""
    sheet.multi_cell(0, 9, f"{title} ({say[state]})" if state else title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    facts = [(say["date"], format_date(at.astimezone(zone).date(), "long", locale=lang)), (say["to"], place)]
    told(sheet, [*facts, *([(say["note"], order["note"])] if order["note"] else [])])
    lines = [line for line in order["lines"] if line["quantity"]]
    table(
        sheet,
        (say["text"], say["pieces"], say["day"], say["each"], say["cost"]),
        [
            (
                "\n".join(filter(None, (line["name"], ", ".join(filter(None, (line["sku"], line["barcode"])))))),
                format_decimal(line["quantity"], locale=lang),
                format_date(date.fromisoformat(line["expected_on"]), "medium", locale=lang),
                money(Decimal(line["unit_cost"])),
                money(Decimal(line["unit_cost"]) * line["quantity"]),
            )
            for line in lines
        ],
        (74, 18, 28, 24, 26),
    )
    sheet.ln(4)
    if sheet.will_page_break(ROW):
        sheet.add_page()
    sheet.set_font(FONT, "B", 11)
    sheet.set_x(100)
    sheet.cell(50, 6.5, say["total"])
    total = sum((Decimal(line["unit_cost"]) * line["quantity"] for line in lines), Decimal(0))
    sheet.cell(40, 6.5, money(total), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(sheet.output())
