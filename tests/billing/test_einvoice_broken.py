"""Broken documents: ours find what CEN's rules find, in both syntaxes, and whoever asks hears which term it is."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from services.billing.einvoice import Document, findings, written
from services.billing.einvoice.model import Allowance, Breakdown, Identifier, Party, Place, Sums
from tests.billing.book import line, money
from tests.billing.official import fired
from tests.billing.test_einvoice import CATEGORIES, only, sold

Break = Callable[[Document], Document]


@cache
def sound(category: str = "S") -> Document:
    of = line(1, "10.00", 3, rate=CATEGORIES[category], vat_category=category, discount="1.00")
    d = only(sold(of, line(2, "4.95", rate=CATEGORIES[category], vat_category=category), method="terms"))
    assert findings(d) == []
    return d


def head(**new: Any) -> Break:
    return lambda d: replace(d, **new)


def party(role: str, **new: Any) -> Break:
    return lambda d: replace(d, **{role: replace(getattr(d, role), **new)})


def place(role: str, **new: Any) -> Break:
    return lambda d: party(role, place=replace(getattr(d, role).place, **new))(d)


def sums(**new: Any) -> Break:
    return lambda d: replace(d, sums=replace(d.sums or Sums(), **new))


def first_line(**new: Any) -> Break:
    return lambda d: replace(d, lines=(replace(d.lines[0], **new), *d.lines[1:]))


def first_group(**new: Any) -> Break:
    return lambda d: replace(d, breakdown=(replace(d.breakdown[0], **new), *d.breakdown[1:]))


def payment(**new: Any) -> Break:
    return lambda d: replace(d, payments=(replace(d.payments[0], **new),))


def allowances(*new: Allowance) -> Break:
    return lambda d: replace(d, allowances=new)


OFF = Allowance(False, money("1.00"), "Discount", "95", "S", money(21))
ON = Allowance(True, money("2.00"), "Postage", "", "S", money(21))
AGENT = Party("Agent", Place(country="BE"), "BE0123456749")

BROKEN: dict[str, tuple[Break, str]] = {
    "no specification": (head(specification=""), "BR-01"),
    "no number": (head(number=""), "BR-02"),
    "no issue date": (head(issued_on=None), "BR-03"),
    "no type": (head(type=""), "BR-04"),
    "a type of nothing": (head(type="999"), "BR-CL-01"),
    "no line": (head(lines=()), "BR-16"),
    "no breakdown": (head(breakdown=()), "BR-CO-18"),
    "no seller's name": (party("seller", name=""), "BR-06"),
    "no buyer's name": (party("buyer", name=""), "BR-07"),
    "no seller's address": (party("seller", place=None), "BR-08"),
    "no seller's country": (place("seller", country=""), "BR-09"),
    "no buyer's address": (party("buyer", place=None), "BR-10"),
    "no buyer's country": (place("buyer", country=""), "BR-11"),
    "no country of this world": (place("buyer", country="ZZ"), "BR-CL-14"),
    "no country of delivery": (head(delivered_to=Place(city="Brussel")), "BR-57"),
    "a VAT identifier of nowhere": (party("seller", vat_id="123456789"), "BR-CO-09"),
    "an address without a scheme": (party("seller", electronic_address=Identifier("12345678")), "BR-62"),
    "the buyer's address without one": (party("buyer", electronic_address=Identifier("12345678")), "BR-63"),
    "an address of an unknown scheme": (party("buyer", electronic_address=Identifier("1", "0001")), "BR-CL-25"),
    "a register that is none": (party("seller", legal_id=Identifier("1", "9999")), "BR-CL-11"),
    "an unknown seller": (party("seller", vat_id="", legal_id=None), "BR-CO-26"),
    "no VAT identifier": (party("seller", vat_id=""), "BR-S-02"),
    "no means of payment": (payment(means=""), "BR-49"),
    "a means of payment that is none": (payment(means="999"), "BR-CL-16"),
    "no account": (payment(accounts=()), "BR-61"),
    "no sum of lines": (sums(lines=None), "BR-12"),
    "no net": (sums(net=None), "BR-13"),
    "no gross": (sums(gross=None), "BR-14"),
    "nothing said of what is due": (sums(due=None), "BR-15"),
    "another sum of lines": (sums(lines=money("33.96")), "BR-CO-10"),
    "another net": (sums(net=money("33.96")), "BR-CO-13"),
    "another VAT": (sums(vat=money("7.14")), "BR-CO-14"),
    "another gross": (sums(gross=money("41.09")), "BR-CO-15"),
    "another amount due": (sums(due=money("41.09")), "BR-CO-16"),
    "prepaid, and all due": (sums(prepaid=money("1.00")), "BR-CO-16"),
    "a third decimal": (sums(due=money("41.080")), "BR-DEC-18"),
    "a third decimal of a line": (first_line(net=money("29.000")), "BR-DEC-23"),
    "a line without a number": (first_line(id=""), "BR-21"),
    "a line without a quantity": (first_line(quantity=None), "BR-22"),
    "a line without a unit": (first_line(unit=""), "BR-23"),
    "a line without an amount": (first_line(net=None), "BR-24"),
    "a line without a name": (first_line(name=""), "BR-25"),
    "a line without a price": (first_line(price=None), "BR-26"),
    "a negative price": (first_line(price=money("-1.00")), "BR-27"),
    "a line without a category": (first_line(category=""), "BR-CO-04"),
    "a category that is none": (first_line(category="X"), "BR-CL-18"),
    "an item without a scheme": (first_line(standard_id=Identifier("4012345000000")), "BR-64"),
    "an item of no scheme": (first_line(standard_id=Identifier("1", "0999")), "BR-CL-21"),
    "S at 0 %": (first_line(rate=Decimal(0)), "BR-S-05"),
    "an allowance of nothing": (first_line(allowances=(replace(OFF, amount=None, category="", rate=None),)), "BR-41"),
    "an allowance without a reason": (
        first_line(allowances=(replace(OFF, reason="", reason_code="", category="", rate=None),)), "BR-42",
    ),
    "a charge without a reason": (first_line(allowances=(replace(ON, reason="", category="", rate=None),)), "BR-44"),
    "a breakdown without a base": (first_group(base=None), "BR-45"),
    "a breakdown without VAT": (first_group(vat=None), "BR-46"),
    "a breakdown without a category": (first_group(category=""), "BR-47"),
    "a breakdown without a rate": (first_group(rate=None), "BR-48"),
    "another base": (first_group(base=money("35.95")), "BR-S-08"),
    "VAT that is not its rate": (first_group(vat=money("9.13")), "BR-CO-17"),
    "a reason where there is VAT": (first_group(reason="No VAT"), "BR-S-10"),
    "an allowance without a category": (allowances(replace(OFF, category="", rate=None)), "BR-32"),
    "an allowance that is in no sum": (allowances(OFF), "BR-CO-11"),
    "a charge that is in no sum": (allowances(ON), "BR-CO-12"),
    "a charge without a reason of its own": (allowances(replace(ON, reason="")), "BR-38"),
    "an allowance without an amount": (allowances(replace(OFF, amount=None)), "BR-31"),
    "two currencies, one VAT": (head(vat_currency="USD"), "BR-53"),
    "a VAT currency that is none": (head(vat_currency="ZZZ", vat_in_vat_currency=money("1.00")), "BR-CL-05"),
}  # fmt: skip

BY_CATEGORY: dict[str, tuple[str, Break, str]] = {
    "AE without the buyer": ("AE", party("buyer", vat_id=""), "BR-AE-02"),
    "AE with a rate": ("AE", first_line(rate=money(21)), "BR-AE-05"),
    "AE with VAT": ("AE", first_group(vat=money("1.00")), "BR-AE-09"),
    "AE without a reason": ("AE", first_group(reason="", reason_code=""), "BR-AE-10"),
    "K without the buyer": ("K", party("buyer", vat_id=""), "BR-IC-02"),
    "K without a day": ("K", head(delivered_on=None), "BR-IC-11"),
    "K without a country": ("K", head(delivered_to=None), "BR-IC-12"),
    "K without a reason": ("K", first_group(reason="", reason_code=""), "BR-IC-10"),
    "K on another base": ("K", first_group(base=money("33.94")), "BR-IC-08"),
    "G without the seller": ("G", party("seller", vat_id=""), "BR-G-02"),
    "G without a reason": ("G", first_group(reason="", reason_code=""), "BR-G-10"),
    "E without a reason": ("E", first_group(reason="", reason_code=""), "BR-E-10"),
    "E in two breakdowns": (
        "E", lambda d: replace(d, breakdown=(*d.breakdown, Breakdown("E", money(0), money(0), money(0), "Exempt"))),
        "BR-E-01",
    ),
    "Z with a reason": ("Z", first_group(reason="No VAT"), "BR-Z-10"),
    "Z without its breakdown": ("Z", first_group(category="S", rate=money(21)), "BR-Z-01"),
    "O with a VAT identifier": ("O", party("seller", vat_id="NL123456789B01"), "BR-O-02"),
    "O with a rate": ("O", first_line(rate=money(0)), "BR-O-05"),
    "O and S": ("O", first_line(category="S", rate=money(21)), "BR-O-12"),
    "O and a breakdown of S": (
        "O", lambda d: replace(d, breakdown=(*d.breakdown, Breakdown("S", money(21), money(0), money(0)))), "BR-O-11",
    ),
    "L without the seller": ("L", party("seller", vat_id=""), "BR-AF-02"),
    "M with a reason": ("M", first_group(reason="No VAT"), "BR-AG-10"),
}  # fmt: skip


NOT_IN_CII = {"K on another base"}
"""What CEN's rules for CII, as they come here, do not look at."""


def ours(d: Document) -> set[str]:
    return {finding.rule for finding in findings(d)}


def officially(d: Document, syntax: Any) -> set[str]:
    return {rule for rule in fired(written(d, syntax)) if rule[:3] == "BR-"}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_as_cen_finds_it(name: str) -> None:
    change, rule = BROKEN[name]
    broken = change(sound())
    assert rule in ours(broken)
    assert ours(broken) == officially(broken, "ubl")


@pytest.mark.parametrize("name", BY_CATEGORY)
def test_each_category_wants_what_cen_wants_of_it(name: str) -> None:
    category, change, rule = BY_CATEGORY[name]
    broken = change(sound(category))
    assert rule in ours(broken)
    assert ours(broken) == officially(broken, "ubl")
    if name not in NOT_IN_CII:
        assert rule in officially(broken, "cii")
