"""Money on the pages is billing's to the cent; documents print in the customer's language and are seen by name."""

import io
import re
from decimal import Decimal
from typing import Any

import pytest
from pypdf import PdfReader

from comptoir.rebuilding import rebuild
from services.backoffice.paper import WORDS
from services.backoffice.views.money import ACCOUNTS
from shared.contracts.vat import WITHOUT_VAT
from tests.backoffice.shop import ANNA, Item, Shop

pytestmark = pytest.mark.postgres


async def sold(shop: Shop, **more: Any) -> Item:
    """An order that went out, with its owner's word on it."""
    placed = await shop.place(**more)
    for shipment in (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]:
        await shop.ship(shipment["shipment_id"])
    owner: Item = await shop.ask("GET", f"/order/orders/{placed['id']}")
    return {**owner, "id": placed["id"]}


async def given_back(shop: Shop, owner: Item, pieces: int = 1) -> Item:
    """So many pieces of the first line come back and are accepted; the credit note."""
    where = f"/order/orders/{owner['id']}"
    lines = [{"line_no": 1, "quantity": pieces}]
    body = {"shipment_id": owner["shipments"][0]["shipment_id"], "lines": lines, "reason": "too small"}
    await shop.ask("POST", f"{where}/returns", body)
    await shop.rest()
    (back,) = (await shop.ask("GET", f"/fulfilment/returns?order_id={owner['id']}"))["items"]
    path = f"/fulfilment/returns/{back['return_id']}"
    await shop.ask("POST", f"{path}/receive", {"lines": lines})
    await shop.ask("POST", f"{path}/inspect", {"lines": [{"line_no": 1, "accepted": pieces, "restock": pieces}]})
    await shop.rest()
    (note,) = (await shop.ask("GET", f"/billing/credit-notes?order_id={owner['id']}"))["items"]
    found: Item = note
    return found


def shown(html: str) -> list[list[str]]:
    """The cells of the first table of a page, as text."""
    body = re.search(r"<tbody.*?</tbody>", html, re.S)
    assert body, "no table"
    rows = re.findall(r"<tr.*?</tr>", body[0], re.S)
    return [[re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<td.*?</td>", row, re.S)] for row in rows]


def figure(text: str) -> Decimal:
    return Decimal(re.sub(r"[^0-9.−-]", "", text).replace("−", "-"))


def text_of(body: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages)


async def test_the_lists_show_what_billing_has_the_newest_first(shop: Shop) -> None:
    first, second = await sold(shop), await sold(shop)
    owner = (await shop.ask("GET", "/billing/invoices?newest=true"))["items"]
    rows = shown(await shop.page("/money"))
    assert [row[0].split()[0] for row in rows] == [of["number"] for of in owner]
    assert [figure(row[-1]) for row in rows] == [Decimal(of["gross"]) for of in owner]
    one = shown(await shop.page(f"/money/invoices?q={first['number']}"))
    assert [row[2] for row in one] == [first["number"]]
    assert second["number"] not in await shop.page(f"/money/journal?q={first['number']}")
    postings = (await shop.ask("GET", f"/billing/ledger?order_id={first['id']}"))["items"]
    assert len(shown(await shop.page(f"/money/journal?q={first['number']}"))) == len(postings) > 0
    assert "Nothing here" in await shop.page("/money/invoices?until=2000-01-01")
    assert "There is no order" in await shop.page("/money/journal?q=nothing")


async def test_the_trial_balance_is_the_owners_and_adds_up_to_zero(shop: Shop) -> None:
    await sold(shop)
    owner = (await shop.ask("GET", "/billing/trial-balance"))["accounts"]
    rows = shown(await shop.page("/money/trial-balance"))
    assert [(row[0], figure(row[4])) for row in rows] == [
        (ACCOUNTS[of["account"]], Decimal(of["balance"])) for of in owner
    ]
    assert sum(figure(row[4]) for row in rows) == 0


async def test_a_price_is_shown_as_it_is_and_sums_as_they_are_paid(shop: Shop) -> None:
    """A price may be less than can be paid; rounded, it would not explain the sum beside it."""
    line = {"sku": "mug", "quantity": 100, "unit_price": "0.000451", "vat_rate": "0"}
    cheap = await shop.ask("POST", "/order/orders", {"lines": [line, {**line, "unit_price": "3.50"}], "ship_to": ANNA})
    await shop.rest()
    (shipment,) = (await shop.ask("GET", f"/order/orders/{cheap['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    (of,) = (await shop.ask("GET", f"/billing/invoices?order_id={cheap['id']}"))["items"]
    rows = shown(await shop.page(f"/documents/{of['number']}"))
    assert [(row[3], row[-1]) for row in rows] == [("€0.000451", "€0.05"), ("€3.50", "€350.00")]
    assert "€0.000451" in await shop.page(f"/orders/{cheap['number']}")


async def test_yen_have_no_cents_anywhere(shop: Shop) -> None:
    """The same figure on a page, in its file and in the owner's answer."""
    await sold(shop, currency="JPY", lines=[{"sku": "mug", "quantity": 2, "unit_price": "1200", "vat_rate": "10"}])
    balance = await shop.page("/money/trial-balance")
    assert "¥2,640" in balance
    assert "¥0" in balance
    assert "¥0.00" not in balance
    rows = (await shop.ask("GET", "/billing/trial-balance"))["accounts"]
    (revenue,) = [row for row in rows if (row["currency"], row["account"]) == ("JPY", "revenue")]
    assert [revenue[name] for name in ("debit", "credit", "balance")] == ["0", "2400", "-2400"]


async def test_accounts_are_called_by_words_in_every_language(shop: Shop) -> None:
    words = {"en": "VAT to be paid", "nl": "af te dragen btw", "de": "Umsatzsteuer", "fr": "TVA à payer"}
    for language, vat in words.items():
        for what in ("trial-balance", "journal", "journal?account=vat_payable"):
            page = await shop.page(f"/money/{what}", **{"Accept-Language": language})
            assert vat in page
            assert not re.search(r">[a-z]+_[a-z_]+<", page), "no code"
    assert '<option value="vat_payable" selected>VAT to be paid' in await shop.page(
        "/money/journal?account=vat_payable"
    )


async def test_lists_go_on_from_where_a_page_ended(shop: Shop) -> None:
    for _ in range(2):
        await sold(shop)
    seen, path = [], "/money/journal"
    while path:
        html = await shop.page(path)
        seen += shown(html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        path = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len((await shop.ask("GET", "/billing/ledger?limit=200"))["items"]) > 0


async def test_a_return_has_its_credit_note_that_names_the_invoice_and_a_refund(shop: Shop) -> None:
    owner = await sold(shop)
    note = await given_back(shop, owner)
    html = await shop.page(f"/documents/{note['number']}")
    assert f'/documents/{note["invoice"]}"' in html
    assert f'/documents/{note["number"]}"' in await shop.page(f"/documents/{note['invoice']}")
    assert note["number"] in await shop.page("/money/credit-notes")
    assert owner["number"] in await shop.page("/money/refunds")
    found = await shop.http.get("/money", params={"q": note["number"].lower()})
    assert (found.status_code, found.headers["location"]) == (303, f"/documents/{note['number']}")
    printed = text_of((await shop.http.get(f"/documents/{note['number']}/pdf")).content)
    assert WORDS["nl"]["corrects"] in printed
    assert note["invoice"] in printed


@pytest.mark.parametrize(("country", "lang"), [("NL", "nl"), ("AT", "de"), ("FR", "fr"), ("CZ", "en")])
async def test_a_document_prints_in_the_customers_language_with_their_letters(
    shop: Shop, country: str, lang: str
) -> None:
    name = "Żaneta Čapková Ωραία Привет"
    owner = await sold(shop, ship_to={**ANNA, "name": name, "country": country})
    (of,) = (await shop.ask("GET", f"/billing/invoices?order_id={owner['id']}"))["items"]
    response = await shop.http.get(f"/documents/{of['number']}/pdf")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/pdf")
    printed = text_of(response.content)
    for word in (name, of["number"], owner["number"], "mug", WORDS[lang]["invoice"], WORDS[lang]["by rate"]):
        assert word in printed, word
    digits = re.sub(r"[^0-9]", "", of["gross"].rstrip("0") if "." in of["gross"] else of["gross"])
    assert digits in re.sub(r"[^0-9]", "", printed)
    again = await shop.http.get(f"/documents/{of['number']}/pdf", params={"lang": "fr"})
    assert "Facture" in text_of(again.content)


@pytest.mark.parametrize("language", WORDS)
async def test_a_document_says_on_its_page_why_it_has_no_vat(shop: Shop, language: str) -> None:
    line = {"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "0", "vat_category": "K"}
    owner = await sold(shop, lines=[line])
    note = await given_back(shop, owner)
    for number in (note["number"], note["invoice"]):
        html = (await shop.http.get(f"/documents/{number}", headers={"Accept-Language": language})).text
        assert f"<p>K: {WITHOUT_VAT['K'].in_words(language)}</p>" in html
        assert html.count(WITHOUT_VAT["K"].words[language]) == 1
    taxed = await sold(shop)
    (of,) = (await shop.ask("GET", f"/billing/invoices?order_id={taxed['id']}"))["items"]
    assert "<p>S: " not in await shop.page(f"/documents/{of['number']}")


async def test_every_language_of_documents_says_everything() -> None:
    assert {lang: set(words) for lang, words in WORDS.items()} == {lang: set(WORDS["en"]) for lang in WORDS}


async def test_who_looked_at_a_document_is_kept_and_survives_a_rebuild(shop: Shop) -> None:
    owner = await sold(shop)
    (of,) = (await shop.ask("GET", f"/billing/invoices?order_id={owner['id']}"))["items"]
    await shop.page(f"/documents/{of['number']}")
    await shop.http.get(f"/documents/{of['number']}/pdf")
    await shop.page("/documents/INV-1999-000001", status=404)
    kept = await shop.rows("select who, form from document_views where number = $1 order by at", of["number"])
    assert [(row["who"], row["form"]) for row in kept] == [("local", "page"), ("local", "pdf")]
    await rebuild(shop.database_url)
    await shop.rest()
    assert not await shop.rows("select 1 from document_views where number = 'INV-1999-000001'")
    rows = shown(await shop.page(f"/document-views?number={of['number']}"))
    assert [row[3] for row in rows] == ["PDF", "Page"]
