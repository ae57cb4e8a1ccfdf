"""Invoices and credit notes: their figures, numbers and fingerprints."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from services.billing.domain.rows import (
    ZERO,
    Account,
    CreditNote,
    DocumentGroup,
    DocumentLine,
    EarlyBill,
    Invoice,
    Policy,
    Sale,
    Seller,
    Series,
    Terms,
    changed,
)
from shared.contracts.money import LineTotal, Piece, Totals, VatGroup, credit_amounts, part, totals, unit_of
from shared.contracts.values import Address, PriceLine
from shared.messaging.decision import Refused

INVOICES: Final = "INV"
CREDIT_NOTES: Final = "CN"
D = TypeVar("D", Invoice, CreditNote)
Taken = tuple[int, Decimal]
"""Pieces of a line, and the amount that they or a part of its price come to, in the mode of the prices."""
_HEAD: Final = {
    kind: tuple(f.name for f in fields(kind) if f.name not in ("lines", "groups", "hash", "terms"))
    for kind in (Invoice, CreditNote)
}
"""The fields of a document beside its lines, its VAT breakdown, its terms and its fingerprint."""


class Impossible(Refused):
    """What a message says cannot be true. It is parked with this reason, and nothing of it is applied.

    Whoever asked over HTTP is told, with 409.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason, status=409)


class Number(NamedTuple):
    text: str
    series: Series

    @property
    def placed(self) -> tuple[str, str, int, int, datetime]:
        """number, series, year, serial, issued at: in the order of a document's fields."""
        return self.text, self.series.series, self.series.year, self.series.last, self.series.issued_at


def next_number(known: Series | None, series: str, now: datetime) -> Number:
    """The next number, given at issue. Issue times never fall along the numbers (I16)."""
    if known is None or now.year > known.year:
        taken = Series(series, now.year, 1, now)
    else:
        taken = changed(known, last=known.last + 1, issued_at=max(known.issued_at, now))
    return Number(f"{series}-{taken.year}-{taken.last:06d}", taken)


def invoice_for(
    a: Account, sale: Sale, earlier: Sequence[Invoice], bill: EarlyBill, number: Number, policy: Policy
) -> Invoice:
    """The invoice for one shipment: everything billed so far, less what earlier invoices took."""
    shipped = {line.line_no: line.quantity for line in bill.lines if line.quantity}
    after: dict[int, int] = {}
    for line in (line for invoice in earlier for line in invoice.lines):
        after[line.line_no] = after.get(line.line_no, 0) + line.quantity
    for line_no, quantity in shipped.items():
        after[line_no] = after.get(line_no, 0) + quantity
    lines = {line.line_no: line for line in sale.lines}
    for line_no, quantity in after.items():
        if line_no not in lines or quantity > lines[line_no].quantity:
            sold = lines[line_no].quantity if line_no in lines else 0
            raise Impossible(f"shipment {bill.shipment_id}: {quantity} of line {line_no} billed, {sold} sold")
    figures = _part(sale, earlier, shipped, after, unit_of(a.currency))
    return _hashed(
        Invoice(
            a.order_id,
            bill.shipment_id,
            *number.placed,
            dispatched_on=bill.dispatched_on,
            order_number=sale.number,
            customer_id=sale.customer_id,
            currency=a.currency,
            inclusive=sale.inclusive,
            net=figures.net,
            vat=figures.vat,
            gross=figures.gross,
            lines=_lines(figures, lines),
            groups=_groups(figures),
            bill_to=sale.bill_to,
            terms=_terms(a, figures.gross, number, policy, bill.country),
        )
    )


def credit_note_for(
    invoice: Invoice,
    earlier: Sequence[CreditNote],
    credit_id: UUID,
    taken: Mapping[int, Taken],
    number: Number,
    policy: Policy,
) -> CreditNote:
    """The credit note for so much more of these lines, at the invoice's own rates; cumulative per invoice (R-08)."""
    figures = credit_figures(invoice, earlier, taken)
    return _hashed(
        CreditNote(
            invoice.order_id,
            credit_id,
            1 + sum(note.return_id == credit_id for note in earlier),
            invoice.shipment_id,
            invoice.number,
            *number.placed,
            order_number=invoice.order_number,
            customer_id=invoice.customer_id,
            currency=invoice.currency,
            inclusive=invoice.inclusive,
            net=figures.net,
            vat=figures.vat,
            gross=figures.gross,
            lines=_lines(figures, {line.line_no: line for line in invoice.lines}),
            groups=_groups(figures),
            bill_to=invoice.bill_to,
            terms=Terms(
                policy.seller,
                number.series.issued_at.astimezone(policy.zone).date(),
                invoice.terms.method if invoice.terms else "",
                country=invoice.terms.country if invoice.terms else "",
            ),
        )
    )


def _terms(a: Account, gross: Decimal, number: Number, policy: Policy, country: str) -> Terms:
    """What was paid in advance is this invoice's as far as earlier ones did not need it."""
    here = a.captured - a.refunded - (a.invoiced - a.credited - a.written_off)
    issued_on = number.series.issued_at.astimezone(policy.zone).date()
    days = policy.payment_days if a.method == "terms" else 0
    waits = a.method in ("terms", "bank_transfer")
    return Terms(
        policy.seller,
        issued_on,
        a.method,
        prepaid=min(gross, max(ZERO, here)),
        due_on=issued_on + timedelta(days=days) if waits else None,
        country=country,
    )


def credit_figures(invoice: Invoice, earlier: Iterable[CreditNote], taken: Mapping[int, Taken]) -> Totals:
    """Net, VAT and gross of a credit note for so much more of these lines."""
    before: dict[int, Decimal] = {}
    for line in credited_lines(invoice, earlier):
        before[line.line_no] = before.get(line.line_no, ZERO) + line.amount
    try:
        return credit_amounts(
            _totals(invoice), before, taken, inclusive=invoice.inclusive, unit=unit_of(invoice.currency)
        )
    except ValueError as error:
        raise Impossible(f"{invoice.number}: {error}") from error


def credited_lines(invoice: Invoice, notes: Iterable[CreditNote]) -> Iterator[DocumentLine]:
    """The lines of an invoice's credit notes, in the order in which these were issued."""
    for note in sorted((n for n in notes if n.invoice == invoice.number), key=lambda n: (n.year, n.serial)):
        yield from note.lines


def fingerprint(document: Invoice | CreditNote) -> str:
    """SHA-256 over the document as canonical JSON, without the hash itself."""
    content = {name: getattr(document, name) for name in _HEAD[type(document)]}
    content["lines"] = [
        (x.line_no, x.sku, x.text, x.quantity, _figure(x.unit_price), _figure(x.amount), _figure(x.net), x.category,
         _figure(x.rate))
        for x in document.lines
    ]  # fmt: skip
    content["groups"] = [(g.category, _figure(g.rate), _figure(g.base), _figure(g.vat)) for g in document.groups]
    if document.terms is not None:  # what was issued before they were kept has its hash without them
        t = document.terms
        due_on = t.due_on and t.due_on.isoformat()
        content["terms"] = (
            _of_seller(t.seller), t.issued_on.isoformat(), t.method, _figure(t.prepaid), due_on, t.country,
        )  # fmt: skip
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return sha256(text.encode()).hexdigest()


def _part(
    sale: Sale, earlier: Sequence[Invoice], shipped: Mapping[int, int], after: Mapping[int, int], unit: Decimal
) -> Totals:
    if not earlier:
        return totals(sale.lines, shipped, inclusive=sale.inclusive, unit=unit)
    # What was billed stands as its own finished piece, so that an edited line still closes to the cent.
    whole = {line.line_no: line for line in totals(sale.lines, after, inclusive=sale.inclusive, unit=unit).lines}
    billed: dict[int, Decimal] = {}
    for line in (line for invoice in earlier for line in invoice.lines):
        billed[line.line_no] = billed.get(line.line_no, Decimal(0)) + line.amount
    pieces = [Piece(-no, 1, amount, whole[no].category, whole[no].rate) for no, amount in billed.items()]
    pieces += [
        Piece(no, quantity, whole[no].amount - billed.get(no, Decimal(0)), whole[no].category, whole[no].rate)
        for no, quantity in shipped.items()
    ]
    before = {-no: 1 for no in billed}
    return part(pieces, before, {**before, **shipped}, inclusive=sale.inclusive, unit=unit)


def _totals(invoice: Invoice) -> Totals:
    return Totals(
        tuple(LineTotal(x.line_no, x.quantity, x.amount, x.net, x.category, x.rate) for x in invoice.lines),
        tuple(VatGroup(g.category, g.rate, g.base, g.vat) for g in invoice.groups),
        invoice.net,
        invoice.vat,
        invoice.gross,
    )


def _lines(figures: Totals, sold: Mapping[int, PriceLine] | Mapping[int, DocumentLine]) -> tuple[DocumentLine, ...]:
    made = []
    for total in figures.lines:
        line = sold[total.line_no]
        made.append(
            DocumentLine(
                total.line_no,
                line.sku,
                line.text,
                total.quantity,
                line.unit_price,
                total.amount,
                total.net,
                total.category,
                total.rate,
            )
        )
    return tuple(made)


def _groups(figures: Totals) -> tuple[DocumentGroup, ...]:
    return tuple(DocumentGroup(group.category, group.rate, group.base, group.vat) for group in figures.groups)


@lru_cache(maxsize=64)
def _of_seller(seller: Seller) -> str:
    """One seller issues thousands of documents."""
    said = {f.name: getattr(seller, f.name) for f in fields(seller)}
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _hashed(document: D) -> D:
    return changed(document, hash=fingerprint(document))


def _plain(value: Any) -> Any:
    """What JSON does not know by itself, as it does."""
    kind = type(value)
    if kind is Decimal:
        return _figure(value)
    return value.model_dump(mode="json") if kind is Address else str(value)


def _figure(amount: Decimal) -> str:
    return format(amount.normalize(), "f")
