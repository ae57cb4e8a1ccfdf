"""Documents on paper: what belongs together stays together, however many lines come before it."""

from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader

from services.backoffice.paper import WORDS, Seller, pdf

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
