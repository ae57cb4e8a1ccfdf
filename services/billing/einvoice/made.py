"""An issued invoice or credit note in the terms of EN 16931. Nothing is computed anew: its own figures stand.

What a document kept of its seller when it was issued counts; what the settings left empty then, and all of a document
from before that was kept, is taken from the settings as they are now.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Final

from services.billing.domain.rows import CreditNote, DocumentGroup, DocumentLine, Invoice, Seller, Terms
from services.billing.einvoice.model import (
    CREDIT_NOTE,
    EN_16931,
    INVOICE,
    PEPPOL,
    PEPPOL_PROCESS,
    Allowance,
    Breakdown,
    Document,
    Identifier,
    Line,
    Party,
    Payment,
    Place,
    Sums,
)
from shared.contracts.money import HUNDRED, rounded, unit_of
from shared.contracts.values import Address
from shared.contracts.vat import WITHOUT_VAT

PIECE: Final = "C62"
"""UN/ECE recommendation 20: one. Goods are counted in pieces, postage and services are one each."""
EMAIL: Final = "EM"
TRANSFER: Final = "30"
MEANS: Final[Mapping[str, str]] = {"card": "48", "bank_transfer": TRANSFER, "terms": TRANSFER, "cash_on_delivery": "10"}
"""UN/CEFACT 4461 by method of payment: bank card, credit transfer, cash."""
PAID: Final[Mapping[str, str]] = {
    "card": "Charged to the card",
    "bank_transfer": "By bank transfer, in advance",
    "terms": "By bank transfer",
    "cash_on_delivery": "In cash, on delivery",
}
"""Terms of payment (BT-20) by method."""
GIVEN_BACK: Final = "Given back the way it was paid"
DISCOUNT: Final = ("Discount", "95")  # UN/CEFACT 5189
SURCHARGE: Final = ("Surcharge", "")
ROUNDING: Final = ("Rounding", "")
PRICE: Final = Decimal("0.000001")
"""How exactly a net price is told that was sold with VAT."""
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 may hold, however it is escaped."""


def made(
    document: Invoice | CreditNote, invoice: Invoice, now: Seller, *, method: str = "", zone: tzinfo = UTC
) -> Document:
    """`invoice` is what a credit note corrects; of an invoice it is itself.

    `now` is the seller as the settings say today; `method` of payment and `zone` are for documents without terms.
    """
    terms = document.terms or Terms(Seller(), _day(document.issued_at, zone), method)
    sold = invoice.terms or Terms(Seller(), _day(invoice.issued_at, zone), method)
    kept, unit = _filled(terms.seller, now), unit_of(document.currency)
    untaxed = any(group.category == "O" for group in document.groups)
    seller, buyer = _seller(kept, untaxed), _buyer(document.bill_to, untaxed)
    credits = isinstance(document, CreditNote)
    gross, prepaid = document.gross.quantize(unit), terms.prepaid.quantize(unit)
    due = gross - prepaid
    peppol = _on_peppol(seller) and _on_peppol(buyer)
    return Document(
        credits=credits,
        number=document.number,
        issued_on=terms.issued_on,
        type=CREDIT_NOTE if credits else INVOICE,
        currency=document.currency,
        specification=PEPPOL if peppol else EN_16931,
        process=PEPPOL_PROCESS if peppol else "",
        buyer_reference=_text(document.bill_to.reference),
        order=_text(document.order_number),
        corrects=invoice.number if credits else "",
        corrects_of=sold.issued_on if credits else None,
        due_on=terms.due_on if due > 0 else None,
        payment_terms=GIVEN_BACK if credits else PAID.get(terms.method, ""),
        delivered_on=invoice.dispatched_on,
        delivered_to=Place(country=sold.country) if sold.country else None,
        seller=seller,
        buyer=buyer,
        payments=() if credits else _payments(kept, terms.method, _text(document.order_number), due),
        sums=Sums(
            lines=document.net.quantize(unit),
            net=document.net.quantize(unit),
            vat=document.vat.quantize(unit),
            gross=gross,
            prepaid=prepaid or None,
            due=due,
        ),
        breakdown=tuple(_breakdown(group, kept, unit) for group in document.groups),
        lines=tuple(_line(line, document.inclusive, unit) for line in document.lines),
    )


def _day(at: datetime, zone: tzinfo) -> date:
    return at.astimezone(zone).date()


def _filled(kept: Seller, now: Seller) -> Seller:
    """What a document kept of its seller, and of what it did not what is known now."""
    return replace(now, **{f.name: value for f in fields(kept) if (value := getattr(kept, f.name))})


def _text(text: str) -> str:
    """In one line, without what XML cannot hold."""
    return " ".join(FORBIDDEN.sub("", text).split())


def _identifier(text: str) -> Identifier | None:
    scheme, colon, value = _text(text).partition(":")
    if not scheme:
        return None
    return Identifier(value, scheme) if colon else Identifier(scheme)


def _seller(seller: Seller, untaxed: bool) -> Party:
    """A seller whose sale is not subject to VAT is not named with a VAT identifier (BR-O-02)."""
    return Party(
        name=_text(seller.name),
        place=_place(seller.street, seller.city, seller.postcode, "", seller.country),
        vat_id="" if untaxed else _text(seller.vat_id),
        legal_id=_identifier(seller.legal_id),
        electronic_address=_identifier(seller.electronic_address),
    )


def _buyer(to: Address, untaxed: bool) -> Party:
    address = _identifier(to.electronic_address)
    if address is None and "@" in (mail := _text(to.email)):
        address = Identifier(mail, EMAIL)
    name, company = _text(to.name), _text(to.company)
    return Party(
        name=company or name,
        place=_place(to.street, to.city, to.postcode, to.region, to.country),
        vat_id="" if untaxed else _text(to.vat_id),
        electronic_address=address,
        contact=name if company else "",
    )


def _place(street: tuple[str, ...], city: str, postcode: str, region: str, country: str) -> Place | None:
    """None where nothing is known. The standard has three lines of a street; what is more goes into the third."""
    lines = tuple(filter(None, map(_text, street)))
    if len(lines) > 3:
        lines = (*lines[:2], ", ".join(lines[2:]))
    place = Place(lines, _text(city), _text(postcode), _text(region), _text(country))
    return None if place == Place() else place


def _on_peppol(party: Party) -> bool:
    """It is in the network under a number; e-mail is no address there."""
    address = party.electronic_address
    return address is not None and address.scheme.isdigit()


def _payments(seller: Seller, method: str, reference: str, due: Decimal) -> tuple[Payment, ...]:
    """How an invoice is paid. A transfer needs an account (BR-61), except where nothing is left to pay."""
    means = MEANS.get(method, "")
    account = _text(seller.iban).replace(" ", "")
    if not means or (means == TRANSFER and not account and due <= 0):
        return ()
    if means != TRANSFER:
        return (Payment(means),)
    return (Payment(means, reference, (account,) if account else (), _text(seller.bic)),)


def _breakdown(group: DocumentGroup, seller: Seller, unit: Decimal) -> Breakdown:
    reason, code = "", ""
    if group.category == "E":  # of goods that are exempt the seller says it
        reason = _text(seller.exemption)
    elif (why := WITHOUT_VAT.get(group.category)) and why.code:
        reason, code = why.words["en"], why.code
    return Breakdown(group.category, _rate(group), group.base.quantize(unit), group.vat.quantize(unit), reason, code)


def _rate(of: DocumentGroup | DocumentLine) -> Decimal | None:
    """What is not subject to VAT has no rate (BR-O-05)."""
    return None if of.category == "O" else of.rate


def _line(line: DocumentLine, inclusive: bool, unit: Decimal) -> Line:
    """A line whose quantity times price, less allowances, is its net amount to the cent (R-03).

    A part of the price that is given back has no pieces: it is one of that amount.
    """
    net = line.net.quantize(unit)
    quantity = Decimal(line.quantity) or Decimal(1)
    price = net if not line.quantity else _price(line, net, quantity, inclusive, unit)
    off = rounded(quantity * price, unit) - net
    allowances: tuple[Allowance, ...] = ()
    if off:
        reason, code = ROUNDING if abs(off) <= unit else (DISCOUNT if off > 0 else SURCHARGE)
        allowances = (Allowance(off < 0, abs(off), reason, code),)
    return Line(
        id=str(line.line_no),
        quantity=quantity,
        unit=PIECE,
        net=net,
        name=_text(line.text) or _text(line.sku),
        item_id=_text(line.sku),
        price=price,
        category=line.category,
        rate=_rate(line),
        allowances=allowances,
    )


def _price(line: DocumentLine, net: Decimal, quantity: Decimal, inclusive: bool, unit: Decimal) -> Decimal:
    """The price of a piece without VAT, before discount (BT-146).

    Sold with VAT it is told to a millionth; where that misses the line's net amount, which is a share of the net amount
    of its VAT rate (R-05), it is that amount by piece.
    """
    if not inclusive:
        return line.unit_price
    price = (line.unit_price * HUNDRED / (HUNDRED + line.rate)).quantize(PRICE)
    off = rounded(quantity * price, unit) - net
    if not off or (off > 0 and line.amount < rounded(quantity * line.unit_price, unit)):
        return price
    exact = net / quantity
    return next(
        p for n in range(4, 28) if rounded(quantity * (p := exact.quantize(Decimal(1).scaleb(-n))), unit) == net
    )
