"""What we issue as electronic invoices: without a finding, whatever was sold, and refused by the term that is missing.

Each document is held against the schemas and CEN's own rules; each way to break one, too.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.billing.domain.documents import fingerprint
from services.billing.domain.rows import CreditNote, Invoice, Policy, Seller
from services.billing.einvoice import SYNTAXES, Document, findings, written
from services.billing.einvoice.made import made
from services.billing.einvoice.model import EN_16931, PEPPOL, Allowance, Identifier, Place
from services.billing.einvoice.reading import read
from services.order.vat import misfit
from shared.contracts.billing import BankMoneyArrived, RefundLine, RequestRefund
from shared.contracts.money import rounded, totals, unit_of
from shared.contracts.values import Address, PriceLine
from shared.messaging.decision import Refused
from tests.billing.book import ORDER, Book, ask, give_back, line, money, ship
from tests.billing.official import fired, schema_faults

SELLER = Seller(
    name="Kontor BV",
    street=("Kade 1", "Gebouw 2"),
    postcode="3511 AB",
    city="Utrecht",
    country="NL",
    vat_id="NL123456789B01",
    legal_id="0106:12345678",
    electronic_address="0106:12345678",
    iban="NL91ABNA0417164300",
    bic="ABNANL2A",
    exemption="Article 11 of the Dutch VAT act",
)
BUYER = Address(
    name="A. de Vries",
    company="Vries & Co",
    street=("Gracht 1",),
    postcode="1000",
    city="Brussel",
    country="BE",
    email="anna@example.com",
    vat_id="BE0123456749",
    reference="PO-77",
    electronic_address="0208:0123456749",
)
ALL = Policy(
    seller=SELLER, payment_days=30, refund_limits={"support": dict.fromkeys(["EUR", "GBP", "JPY"], Decimal(10**9))}
)


def documents(book: Book) -> Iterator[tuple[Invoice | CreditNote, Invoice]]:
    """Everything issued, with the invoice that it is or corrects."""
    invoices = {invoice.number: invoice for invoice in book.rows(Invoice)}
    yield from ((invoice, invoice) for invoice in invoices.values())
    yield from ((note, invoices[note.invoice]) for note in book.rows(CreditNote))


def sold(
    *lines: PriceLine, method: str = "card", policy: Policy = ALL, to: Address = BUYER, country: str = "BE", **more: Any
) -> Book:
    """An order that is sold and shipped whole."""
    book = Book(policy)
    due = totals(lines, inclusive=more.get("prices_include_vat", False)).gross
    book.tell(ask(1, str(due), method, lines=lines, bill_to=to, **more))
    book.provide()
    shipment = ship(1, **{f"l{of.line_no}": of.quantity for of in lines})
    book.tell(shipment.model_copy(update={"country": country}))
    book.provide()
    return book


def only(book: Book, now: Seller = Seller(), **more: Any) -> Document:  # noqa: B008 - it is frozen
    ((document, invoice),) = documents(book)
    return made(document, invoice, now, **more)


def check(document: Document) -> None:
    """No finding of ours, of the schemas and of CEN; and what is written is read again."""
    assert findings(document) == []
    for syntax in SYNTAXES:
        xml = written(document, syntax)
        assert schema_faults(xml) == []
        assert fired(xml, warnings=True) == set()
        plain = document if syntax == "ubl" else replace(document, specification=EN_16931, process="")
        assert read(xml) == plain
        assert written(document, syntax) == xml


CATEGORIES = {"S": "21", "Z": "0", "E": "0", "AE": "0", "K": "0", "G": "0", "O": "0", "L": "7", "M": "4"}


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("method", ["card", "bank_transfer", "terms", "cash_on_delivery"])
def test_every_category_and_method_gives_a_document_without_a_finding(category: str, method: str) -> None:
    check(only(sold(line(1, "12.50", 2, rate=CATEGORIES[category], vat_category=category), method=method)))


def test_a_document_says_what_was_issued() -> None:
    book = sold(
        line(1, "10.00", 3, rate="21", discount="1.00", text="Mug"), line(2, "4.95", 1, rate="9", kind="shipping"),
        method="terms",
    )  # fmt: skip
    ((invoice, _),) = documents(book)
    d = only(book)
    assert (d.number, d.type, d.currency, d.order) == (invoice.number, "380", "EUR", "O-1")
    assert (d.issued_on, d.delivered_on, d.due_on) == (date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 31))
    assert d.seller
    assert d.buyer
    assert d.sums
    assert (d.seller.vat_id, d.buyer.vat_id, d.buyer_reference) == ("NL123456789B01", "BE0123456749", "PO-77")
    assert (d.buyer.name, d.buyer.contact) == ("Vries & Co", "A. de Vries")
    assert d.delivered_to == Place(country="BE")
    assert (d.specification, d.buyer.electronic_address) == (PEPPOL, Identifier("0123456749", "0208"))
    assert (d.sums.net, d.sums.vat, d.sums.gross, d.sums.due) == tuple(
        money(text) for text in ("33.95", "6.54", "40.49", "40.49")
    )
    assert (invoice.net, invoice.vat, invoice.gross) == (d.sums.net, d.sums.vat, d.sums.gross)
    assert d.payments[0].accounts == ("NL91ABNA0417164300",)
    assert d.payments[0].reference == "O-1"
    mug, postage = d.lines
    assert (mug.price, mug.quantity, mug.unit, mug.net) == (money("10.00"), 3, "C62", money("29.00"))
    assert mug.allowances == (Allowance(False, money("1.00"), "Discount", "95"),)
    assert (postage.name, postage.net, postage.allowances) == ("sku-2", money("4.95"), ())


def test_a_credit_note_names_its_invoice() -> None:
    book = sold(line(1, "10.00", 3, rate="21"))
    book.tell(give_back(1, 1, l1=1))
    note = made(*list(documents(book))[1], Seller())
    assert (note.type, note.corrects, note.corrects_of) == ("381", "INV-2026-000001", date(2026, 3, 1))
    assert note.sums
    assert (note.sums.net, note.sums.due, note.sums.prepaid) == (money("10.00"), money("12.10"), None)
    assert b"<CreditNote " in written(note, "ubl")
    check(note)


def test_money_that_was_here_is_prepaid_and_only_once() -> None:
    book = Book(ALL)
    lines = (line(1, "10.00", 3, rate="20"),)
    book.tell(ask(1, "36.00", "bank_transfer", lines=lines, bill_to=BUYER))
    paid = {"entry_id": "1", "order_id": ORDER, "currency": "EUR", "booked_on": date(2026, 3, 1)}
    book.tell(BankMoneyArrived(amount=money("30.00"), **paid))
    book.tell(ship(1, l1=2), ship(2, l1=1))
    first, second = (made(*of, Seller()) for of in documents(book))
    assert first.sums
    assert second.sums
    assert (first.sums.prepaid, first.sums.due, first.due_on) == (money("24.00"), money("0.00"), None)
    assert (second.sums.prepaid, second.sums.due) == (money("6.00"), money("6.00"))
    assert second.due_on == date(2026, 3, 1)
    check(first)
    check(second)


def test_the_day_of_issue_is_the_shops_day() -> None:
    policy = replace(ALL, zone=timezone(timedelta(hours=13)))
    assert only(sold(line(1, "1.00", rate="21"), policy=policy)).issued_on == date(2026, 3, 2)


def test_a_document_keeps_its_seller_and_takes_what_it_lacked_from_the_settings() -> None:
    other = replace(SELLER, name="Elsewhere Ltd", iban="DE89370400440532013000", bic="")
    kept = sold(line(1, "1.00", rate="21"), method="terms")
    assert written(only(kept), "ubl") == written(only(kept, other), "ubl")
    without = sold(line(1, "1.00", rate="21"), method="terms", policy=replace(ALL, seller=replace(SELLER, iban="")))
    assert [finding.rule for finding in findings(only(without))] == ["BR-61"]
    later = only(without, other)
    assert later.seller
    assert (later.seller.name, later.payments[0].accounts) == ("Kontor BV", ("DE89370400440532013000",))
    check(later)


def test_what_a_document_kept_is_part_of_its_fingerprint() -> None:
    """Or somebody could give an issued document another seller, account or due date (I16)."""
    ((invoice, _),) = documents(sold(line(1, "1.00", rate="21"), method="terms"))
    terms = invoice.terms
    assert terms
    assert terms.due_on
    for other in (
        replace(terms, seller=replace(terms.seller, iban="DE89370400440532013000")),
        replace(terms, issued_on=date(2026, 3, 2)),
        replace(terms, method="card"),
        replace(terms, prepaid=money("0.01")),
        replace(terms, due_on=None),
        replace(terms, country="NL"),
        None,
    ):
        assert fingerprint(replace(invoice, terms=other)) != invoice.hash
    assert fingerprint(replace(invoice, terms=replace(terms, prepaid=money("0")))) == invoice.hash


def test_a_document_from_before_terms_were_kept_has_its_seller_from_the_settings() -> None:
    ((invoice, _),) = documents(sold(line(1, "1.00", rate="21"), method="terms"))
    assert isinstance(invoice, Invoice)
    old = replace(invoice, terms=None)
    d = made(old, old, SELLER, method="terms", zone=timezone(timedelta(hours=13)))
    assert (d.issued_on, d.payment_terms, d.payments[0].means) == (date(2026, 3, 2), "By bank transfer", "30")
    check(d)
    check(made(old, old, SELLER))


HOSTILE = '<script>&amp; "x" \']]> \x00\x07\x0b\u2028 \ufffe \U0001f600 é'


def test_hostile_texts_stay_texts() -> None:
    to = BUYER.model_copy(
        update={"name": HOSTILE, "company": HOSTILE, "street": (HOSTILE,) * 5, "city": HOSTILE, "reference": HOSTILE}
    )
    d = only(sold(line(1, "1.00", rate="21", text=HOSTILE * 3), to=to))
    assert d.lines[0].name.startswith('<script>&amp; "x" \']]> \U0001f600 é')
    check(d)


def test_a_line_without_text_is_called_by_its_sku() -> None:
    assert only(sold(line(1, "1.00", rate="21", text=" \x07 "))).lines[0].name == "sku-1"


# Whatever can be sold


AMOUNTS = st.decimals(0, 2000, places=6) | st.decimals(0, 50, places=2) | st.just(Decimal(0))
RATES = {
    "S": ("21", "20", "19.6", "9", "5.5", "2.1", "0.1"),
    "L": ("7", "13.5"),  # and 0 by the standard and by its rules for UBL; those for CII refuse that
    "M": ("4", "0.5", "0"),
    **dict.fromkeys(("Z", "E", "AE", "K", "G", "O"), ("0",)),
}


@st.composite
def price_lines(draw: st.DrawFn, currency: str) -> tuple[PriceLine, ...]:
    """Lines as the order service freezes them: a category goes with its rate, a discount is at most the price."""
    taxed = draw(st.sampled_from([("S",), ("S", "Z"), ("O",), ("E", "S", "AE"), ("K", "G"), ("L", "M", "S")]))
    lines = []
    for no in range(1, draw(st.integers(1, 5)) + 1):
        category = draw(st.sampled_from(taxed))
        rate = Decimal(draw(st.sampled_from(RATES[category])))
        assert not misfit(category, rate)
        price, quantity = draw(AMOUNTS), draw(st.integers(1, 12))
        whole = rounded(price * quantity, unit_of(currency))
        discount = draw(st.sampled_from([Decimal(0), whole, rounded(whole / 3), rounded(whole / 7), Decimal("0.01")]))
        lines.append(
            PriceLine(
                line_no=no,
                sku=f"sku-{no}",
                text=draw(st.text(max_size=20)),
                quantity=quantity,
                unit_price=price,
                discount=min(discount, price * quantity),
                vat_category=category,
                vat_rate=rate,
            )
        )
    return tuple(lines)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_can_be_invoiced_gives_a_document_without_a_finding(data: st.DataObject) -> None:
    currency = data.draw(st.sampled_from(["EUR", "EUR", "GBP", "JPY"]))
    inclusive, method = data.draw(st.booleans()), data.draw(st.sampled_from(["card", "bank_transfer", "terms"]))
    lines = data.draw(price_lines(currency))
    book = Book(replace(ALL, credit_limits=dict.fromkeys(["EUR", "GBP", "JPY"], Decimal(10**9))))
    unit = unit_of(currency)
    due = totals(lines, inclusive=inclusive, unit=unit).gross
    more: dict[str, Any] = {"prices_include_vat": inclusive, "bill_to": BUYER, "currency": currency, "lines": lines}
    book.tell(ask(1, str(due), method, **more))
    book.provide()
    if method == "bank_transfer" and due:
        part = rounded(due * data.draw(st.integers(1, 4)) / 3, unit)
        entry = {"entry_id": "1", "order_id": ORDER, "currency": currency, "booked_on": date(2026, 3, 1)}
        if part:
            book.tell(BankMoneyArrived(amount=part, **entry))
    left = {of.line_no: of.quantity for of in lines}
    for no in range(1, 4):
        pieces = {f"l{of}": data.draw(st.integers(0, n)) if no < 3 else n for of, n in left.items()}
        if any(pieces.values()):
            book.tell(ship(no, **pieces).model_copy(update={"country": "BE"}))
            book.provide()
            left = {of: n - pieces[f"l{of}"] for of, n in left.items()}
    for no, invoice in enumerate(list(book.rows(Invoice))):
        shipment = invoice.shipment_id.int - 100
        line_no = data.draw(st.sampled_from([of.line_no for of in invoice.lines]))
        of = next(of for of in invoice.lines if of.line_no == line_no)
        with suppress(Refused):
            amount = RefundLine(line_no=line_no, amount=rounded(of.amount / 3))
            wish = {
                "order_id": ORDER,
                "refund_id": UUID(int=300 + no),
                "invoice": invoice.number,
                "reason": "a scratch",
            }
            book.tell(RequestRefund(lines=(amount,), actor="sam", roles=("support",), **wish))
            book.provide()
        with suppress(Refused):
            book.tell(give_back(no, shipment, **{f"l{line_no}": data.draw(st.integers(1, of.quantity))}))
            book.provide()
    for document, invoice in documents(book):
        d = made(document, invoice, Seller())
        check(d)
        assert d.sums
        assert (d.sums.net, d.sums.vat, d.sums.gross) == (document.net, document.vat, document.gross)
        for row, said in zip(document.lines, d.lines, strict=True):
            off = sum([a.amount if a.charge else -a.amount for a in said.allowances if a.amount], Decimal(0))
            assert said.quantity is not None
            assert said.price is not None
            assert rounded(said.quantity * said.price, unit_of(currency)) + off == said.net == row.net
