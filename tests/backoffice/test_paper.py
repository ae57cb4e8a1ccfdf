"""Documents on paper: what belongs together stays together, however many lines come before it."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader

from services.backoffice.paper import WORDS, Seller, pdf
from shared.contracts.vat import WITHOUT_VAT

BUYER = ("Wilhelmina van den Heuvel-Oosterhuis-Schimmelpenninck", "Oudegracht 1", "3511 AB Utrecht", "NL")


def document(lines: int) -> dict[str, Any]:
    """An invoice whose lines each take three rows of text."""
    text = "Regency cakestand three tier, hand-painted ceramic with a very long description, matt finish, set of two"
    sold = {"text": text, "quantity": 1, "unit_price": "12.50", "rate": "21", "net": "12.50"}
    return {
        "kind": "invoice", "number": "INV-1", "currency": "EUR", "issued_at": "2026-11-20T10:00:00+00:00",
        "dispatched_on": "2026-11-19", "order_number": "C-1", "customer_id": "K-1", "invoice": "", "inclusive": True,
        "lines": [{**sold, "sku": f"SKU-{n}"} for n in range(lines)],
        "groups": [{"category": "S", "rate": rate, "base": "10.00", "vat": "1.00"} for rate in ("21", "9", "0")],
        "net": "10.00", "vat": "2.50", "gross": "12.50", "bill_to": {"country": "GB"},
    }  # fmt: skip


@pytest.mark.parametrize("language", WORDS)
def test_the_sums_stand_with_their_heading_wherever_the_page_ends(language: str) -> None:
    say = WORDS[language]
    for lines in range(18, 26):
        made = pdf(document(lines), BUYER, Seller("Shop"), ZoneInfo("Europe/Amsterdam"), language)
        pages = [page.extract_text() for page in PdfReader(BytesIO(made)).pages]
        assert say["by rate"] in pages[-1], f"{lines} lines: the heading is not with its table"
        assert say["total"] in pages[-1]
        assert not any(say["by rate"] in page for page in pages[:-1])


SAYS = {
    "en": {
        "Z": "Zero rate", "E": "Exempt from VAT: Kleinunternehmer", "AE": "Reverse charge",
        "K": "Intra-Community supply (Directive 2006/112/EC, article 138)",
        "G": "Export outside the EU (Directive 2006/112/EC, article 146)", "O": "Not subject to VAT",
    },
    "nl": {
        "Z": "Nultarief", "E": "Vrijgesteld van btw: Kleinunternehmer", "AE": "Btw verlegd",
        "K": "Intracommunautaire levering (Richtlijn 2006/112/EG, artikel 138)",
        "G": "Uitvoer buiten de EU (Richtlijn 2006/112/EG, artikel 146)", "O": "Niet aan btw onderworpen",
    },
    "de": {
        "Z": "Steuersatz null", "E": "Von der Umsatzsteuer befreit: Kleinunternehmer",
        "AE": "Steuerschuldnerschaft des Leistungsempfängers",
        "K": "Steuerfreie innergemeinschaftliche Lieferung (Richtlinie 2006/112/EG, Artikel 138)",
        "G": "Steuerfreie Ausfuhrlieferung (Richtlinie 2006/112/EG, Artikel 146)", "O": "Nicht steuerbar",
    },
    "fr": {
        "Z": "Taux zéro", "E": "Exonéré de TVA: Kleinunternehmer", "AE": "Autoliquidation",
        "K": "Livraison intracommunautaire exonérée (directive 2006/112/CE, article 138)",
        "G": "Exportation hors de l’UE exonérée (directive 2006/112/CE, article 146)", "O": "Non soumis à la TVA",
    },
}  # fmt: skip


def untaxed(*categories: str, **more: Any) -> dict[str, Any]:
    """An invoice with a VAT group of each of these categories at no rate."""
    groups = [{"category": category, "rate": "0", "base": "10.00", "vat": "0.00"} for category in categories]
    return {**document(1), "groups": groups, "vat": "0.00", **more}


def printed(of: dict[str, Any], language: str) -> str:
    made = pdf(of, BUYER, Seller("Shop"), ZoneInfo("Europe/Amsterdam"), language)
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(made)).pages).split())


@pytest.mark.parametrize("language", WORDS)
def test_a_document_says_of_each_category_without_vat_why(language: str) -> None:
    """Directive 2006/112/EC, article 226 (11) and (11a)."""
    terms = {"seller": {"exemption": "Kleinunternehmer"}}
    for kind in ("invoice", "credit note"):
        text = printed(untaxed(*WITHOUT_VAT, terms=terms, kind=kind, invoice="INV-0"), language)
        for category, said in SAYS[language].items():
            assert text.count(f"{category}: {said}") == 1
        for category in WITHOUT_VAT:
            alone = printed(untaxed(category, terms=terms), language)
            others = [said for other, said in SAYS[language].items() if other != category]
            assert f"{category}: {SAYS[language][category]}" in alone
            assert not any(said in alone for said in others)
    assert set(SAYS[language]) == set(WITHOUT_VAT)
    assert not any(said in printed(document(1), language) for said in SAYS[language].values())


@pytest.mark.parametrize("language", WORDS)
def test_whose_vat_it_is_then_is_named_where_it_is_known(language: str) -> None:
    for category in ("AE", "K"):
        known = untaxed(category, bill_to={"country": "NL", "vat_id": "NL001234567B01"})
        assert f"{WORDS[language]['vat number']} NL001234567B01" in printed(known, language)
        assert WORDS[language]["vat number"] not in printed(untaxed(category), language)


def test_a_document_from_before_sellers_were_kept_says_what_its_categories_mean() -> None:
    text = printed(untaxed("E", "K"), "en")
    assert "E: Exempt from VAT K: Intra-Community supply" in text


@pytest.mark.parametrize("language", WORDS)
def test_the_reasons_stand_with_the_sums(language: str) -> None:
    terms = {"seller": {"exemption": "long words of the seller's own " * 8}}
    say = WORDS[language]
    for lines in range(14, 26):
        of = untaxed(*WITHOUT_VAT, lines=document(lines)["lines"], terms=terms)
        made = pdf(of, BUYER, Seller("Shop"), ZoneInfo("Europe/Amsterdam"), language)
        pages = [page.extract_text() for page in PdfReader(BytesIO(made)).pages]
        assert say["by rate"] in pages[-1], f"{lines} lines: the heading is not with its table"
        assert say["total"] in pages[-1]
