"""Documents on paper: an invoice or credit note as PDF, in the customer's language.

The letters are those of Source Sans Pro (SIL Open Font License 1.1), which comes with a package and covers Latin, Greek
and Cyrillic; only those that are used are put into the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_decimal
from font_source_sans_pro import SourceSansPro, SourceSansProBold  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from services.backoffice.amounts import amount_in
from services.backoffice.phrases import language_of
from shared.contracts.vat import WITHOUT_VAT

Item = Mapping[str, Any]

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "invoice": "Invoice", "credit note": "Credit note", "number": "Number", "date": "Date",
        "delivered": "Date of supply", "order": "Order", "corrects": "Corrects invoice", "customer": "Customer",
        "vat number": "VAT number", "text": "Description", "pieces": "Pieces", "price": "Price", "rate": "VAT",
        "net": "Without VAT", "base": "Base", "vat": "VAT", "total": "Total", "credited": "Total credited",
        "by rate": "VAT by rate", "including": "Prices include VAT", "page": "Page", "reference": "Your reference",
    },
    "nl": {
        "invoice": "Factuur", "credit note": "Creditnota", "number": "Nummer", "date": "Datum",
        "delivered": "Datum van levering", "order": "Bestelling", "corrects": "Corrigeert factuur",
        "customer": "Klant", "vat number": "Btw-nummer", "text": "Omschrijving", "pieces": "Aantal", "price": "Prijs",
        "rate": "Btw", "net": "Zonder btw", "base": "Grondslag", "vat": "Btw", "total": "Totaal",
        "credited": "Totaal gecrediteerd", "by rate": "Btw per tarief", "including": "Prijzen zijn inclusief btw",
        "page": "Pagina", "reference": "Uw referentie",
    },
    "de": {
        "invoice": "Rechnung", "credit note": "Rechnungskorrektur", "number": "Nummer", "date": "Datum",
        "delivered": "Tag der Lieferung", "order": "Bestellung", "corrects": "Berichtigt Rechnung",
        "customer": "Kunde", "vat number": "USt-IdNr.", "text": "Bezeichnung", "pieces": "Stück", "price": "Preis",
        "rate": "USt", "net": "Ohne USt", "base": "Grundlage", "vat": "USt", "total": "Gesamtbetrag",
        "credited": "Gutgeschrieben", "by rate": "Umsatzsteuer nach Satz", "including": "Preise enthalten die USt",
        "page": "Seite", "reference": "Ihre Referenz",
    },
    "fr": {
        "invoice": "Facture", "credit note": "Avoir", "number": "Numéro", "date": "Date",
        "delivered": "Date de livraison", "order": "Commande", "corrects": "Rectifie la facture",
        "customer": "Client", "vat number": "N° de TVA", "text": "Désignation", "pieces": "Quantité", "price": "Prix",
        "rate": "TVA", "net": "Hors TVA", "base": "Base", "vat": "TVA", "total": "Total", "credited": "Total crédité",
        "by rate": "TVA par taux", "including": "Les prix comprennent la TVA", "page": "Page",
        "reference": "Votre référence",
    },
}  # fmt: skip
FONT, GREY = "Source", 100
ROW = 6.5
"""Millimetres that a row of one line takes in a table, with its padding and line."""


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the document."""

    name: str
    address: tuple[str, ...] = ()
    vat_number: str = ""


def language(document: Item, wanted: str = "") -> str:
    """What was asked for, else the language of the buyer's country."""
    return language_of(document["bill_to"], {}, wanted)


class Sheet(FPDF):
    """A4 with the number of the document and of the page at the foot."""

    foot = ""

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(FONT, size=8)
        self.set_text_color(GREY)
        self.cell(0, 5, f"{self.foot} {self.page_no()} / {{nb}}", align="R")
        self.set_text_color(0)


def opened(title: str, foot: str, seller: Seller, lang: str, at: datetime) -> Sheet:
    """A first page to write on. `at`: when the document was made, as the file says of itself."""
    sheet = Sheet(format="A4")
    sheet.foot = foot
    sheet.set_creation_date(at)
    sheet.set_title(title)
    sheet.set_author(seller.name)
    sheet.set_lang(lang)
    sheet.add_font(FONT, fname=SourceSansPro)
    sheet.add_font(FONT, "B", fname=SourceSansProBold)
    sheet.set_margins(20, 18, 20)
    sheet.set_auto_page_break(True, 20)
    sheet.add_page()
    return sheet


def pdf(document: Item, buyer: Sequence[str], seller: Seller, zone: ZoneInfo, wanted: str = "") -> bytes:
    """The document as a file. The same document gives the same bytes.

    `seller` is named where the document did not keep who issued it; so is the day in `zone`.
    """
    terms = document.get("terms") or {}
    seller = _issuer(terms.get("seller") or {}) or seller
    lang = language(document, wanted)
    say = WORDS[lang]
    kind = str(document["kind"])

    def money(value: object) -> str:
        return amount_in(lang, Decimal(str(value)), document["currency"], exact=True)

    def day(text: str) -> str:
        at = datetime.fromisoformat(text).astimezone(zone).date() if "T" in text else date.fromisoformat(text)
        return format_date(at, "long", locale=lang)

    def rate(value: object) -> str:
        return f"{format_decimal(Decimal(str(value)), locale=lang)} %"

    issued = datetime.fromisoformat(str(document["issued_at"]))
    sheet = opened(f"{say[kind]} {document['number']}", f"{document['number']} · {say['page']}", seller, lang, issued)
    head(sheet, seller, say["vat number"])
    sheet.set_xy(20, 48)
    said = document["bill_to"]
    business = [f"{say['vat number']} {said['vat_id']}"] if said.get("vat_id") else []
    for line in (*buyer, *business):
        sheet.multi_cell(90, 5, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_xy(20, max(sheet.get_y() + 8, 82))
    sheet.set_font(FONT, "B", 18)
    sheet.cell(0, 9, f"{say[kind]} {document['number']}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    facts = [(say["date"], day(str(terms.get("issued_on") or document["issued_at"])))]
    if document.get("dispatched_on"):
        facts.append((say["delivered"], day(str(document["dispatched_on"]))))
    facts.append((say["order"], str(document["order_number"])))
    if document["customer_id"]:
        facts.append((say["customer"], str(document["customer_id"])))
    if said.get("reference"):
        facts.append((say["reference"], str(said["reference"])))
    if document["invoice"]:
        facts.append((say["corrects"], str(document["invoice"])))
    told(sheet, facts)
    table(
        sheet,
        (say["text"], say["pieces"], say["price"], say["rate"], say["net"]),
        [
            (
                f"{line['text']}\n{line['sku']}" if line["text"] else str(line["sku"]),
                # A credit without pieces gives back a part of the price, which no price per piece explains.
                format_decimal(line["quantity"], locale=lang) if line["quantity"] else "",
                money(line["unit_price"]) if line["quantity"] else "",
                rate(line["rate"]),
                money(line["net"]),
            )
            for line in document["lines"]
        ],
        (80, 18, 26, 18, 28),
    )
    if document["inclusive"]:
        sheet.set_font(FONT, size=8)
        sheet.cell(0, 6, say["including"], new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(4)
    sheet.set_font(FONT, size=9)
    reasons = without_vat(document, lang)
    high = sum(_height(sheet, line) for line in reasons)
    if sheet.will_page_break(6 + ROW * (1 + len(document["groups"])) + high + 4 + 3 * 6.5):
        sheet.add_page()  # the sums are not torn from each other, nor from their heading
    sheet.set_font(FONT, "B", 10)
    sheet.cell(0, 6, say["by rate"], new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_font(FONT, size=9)
    groups = [
        (f"{group['category']} {rate(group['rate'])}", money(group["base"]), money(group["vat"]))
        for group in document["groups"]
    ]
    table(sheet, (say["rate"], say["base"], say["vat"]), groups, (60, 55, 55))
    for line in reasons:
        sheet.multi_cell(0, 5, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(4)
    sums = [(say["net"], document["net"]), (say["vat"], document["vat"])]
    sums.append((say["total" if kind == "invoice" else "credited"], document["gross"]))
    for name, value in sums:
        sheet.set_font(FONT, "B" if value is document["gross"] else "", 11)
        sheet.set_x(100)
        sheet.cell(50, 6.5, name)
        sheet.cell(40, 6.5, money(value), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(sheet.output())


def without_vat(document: Item, lang: str) -> list[str]:
    """Why there is no VAT, per category of the document that has none (Directive 2006/112/EC, article 226 (11), (11a)).

    Of what is exempt its seller's own words as they were kept with it stand behind ours.
    """
    found = {}
    exemption = ((document.get("terms") or {}).get("seller") or {}).get("exemption", "")
    for category in (group["category"] for group in document["groups"]):
        if why := WITHOUT_VAT.get(category):
            own = f": {exemption}" if category == "E" and exemption else ""
            found[category] = f"{category}: {why.in_words(lang)}{own}"
    return list(found.values())


def _height(sheet: FPDF, text: str) -> float:
    """Millimetres that a text takes over the whole width."""
    return cast(float, sheet.multi_cell(0, 5, text, dry_run=True, output=MethodReturnValue.HEIGHT))


def _issuer(kept: Item) -> Seller | None:
    """The seller as the document kept it when it was issued; None where nobody had said who it is."""
    if not kept.get("name"):
        return None
    place = (f"{kept['postcode']} {kept['city']}".strip(), kept["country"])
    return Seller(kept["name"], tuple(filter(None, (*kept["street"], *place))), kept["vat_id"])


def head(sheet: FPDF, seller: Seller, vat_number: str) -> None:
    """Who issues the document, at the right above; `vat_number`: what the number is called."""
    sheet.set_font(FONT, "B", 14)
    sheet.multi_cell(0, 7, seller.name, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_font(FONT, size=9)
    lines = list(seller.address)
    if seller.vat_number:
        lines.append(f"{vat_number} {seller.vat_number}")
    for line in lines:
        sheet.multi_cell(0, 4.5, line, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_font(FONT, size=10)


def told(sheet: FPDF, facts: Sequence[tuple[str, str]]) -> None:
    """What the document is about, a line each: what it is called, and which."""
    for name, value in facts:
        sheet.set_font(FONT, size=10)
        sheet.cell(42, 5.5, name)
        sheet.set_font(FONT, "B", 10)
        sheet.multi_cell(0, 5.5, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(4)
    sheet.set_font(FONT, size=9)


def table(sheet: FPDF, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: tuple[int, ...]) -> None:
    """Rows over as many pages as they need; the heads stand on each."""
    with sheet.table(
        col_widths=widths,
        text_align=("LEFT", *("RIGHT" for _ in widths[1:])),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        headings_style=FontFace(emphasis="BOLD"),
        line_height=5,
        padding=0.6,
    ) as made:
        for cells in (heads, *rows):
            row = made.row()
            for text in cells:
                row.cell(text)
