"""Electronic invoices from the pages: as billing writes them, seen by name, and what is missing said in words."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from services.billing.einvoice.model import Place
from services.billing.einvoice.reading import read
from tests.backoffice.shop import ANNA, Shop, shop_at
from tests.backoffice.test_money import given_back, sold, text_of
from tests.billing.official import fired, schema_faults
from tests.billing.test_einvoice_api import KNOWN
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
BUSINESS = {**ANNA, "company": "De Vries BV", "vat_id": "NL001234567B01", "reference": "PO-7"}


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "einvoices", shop_name="Pages", **KNOWN) as founded:
        await founded.open(mug=1000)
        yield founded


@pytest.fixture(scope="module")
async def unnamed(databases: Databases) -> AsyncIterator[Shop]:
    """A shop in whose settings nobody wrote who sells."""
    async with shop_at(databases, "unnamed", languages="en,nl,de,fr") as founded:
        await founded.open(mug=1000)
        yield founded


async def test_a_document_is_had_as_ubl_and_as_cii_and_who_had_it_is_kept(shop: Shop) -> None:
    owner = await sold(shop, bill_to=BUSINESS)
    note = await given_back(shop, owner)
    for number in (note["invoice"], note["number"]):
        html = await shop.page(f"/documents/{number}")
        for syntax in ("ubl", "cii"):
            assert f'href="/documents/{number}/{syntax}"' in html
            answer = await shop.http.get(f"/documents/{number}/{syntax}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
            assert answer.headers["content-disposition"] == f'attachment; filename="{number}-{syntax}.xml"'
            kind = "invoices" if number == note["invoice"] else "credit-notes"
            owners = await shop.http.get(f"/billing/{kind}/{number}/{syntax}")
            assert answer.content == owners.content
            assert schema_faults(answer.content) == []
            assert fired(answer.content) == set()
            document = read(answer.content)
            assert document.buyer
            assert (document.number, document.buyer.name) == (number, "De Vries BV")
            assert (document.buyer.vat_id, document.buyer_reference) == ("NL001234567B01", "PO-7")
            assert document.delivered_to == Place(country="NL"), "the order said where it went"
        seen = await shop.rows("select form from document_views where number = $1 order by at", number)
        assert [row["form"] for row in seen] == ["page", "ubl", "cii"]
    assert "CII" in await shop.page(f"/document-views?number={note['number']}")


async def test_the_printed_document_names_the_seller_that_it_kept(shop: Shop) -> None:
    owner = await sold(shop, bill_to=BUSINESS)
    (of,) = (await shop.ask("GET", f"/billing/invoices?order_id={owner['id']}"))["items"]
    printed = text_of((await shop.http.get(f"/documents/{of['number']}/pdf")).content)
    assert "Btw-nummer NL001234567B01" in printed
    assert re.search(r"Uw referentie\s+PO-7", printed)
    html = await shop.page(f"/documents/{of['number']}")
    assert "NL001234567B01" in html
    assert "PO-7" in html
    assert "Kontor BV" in printed
    assert "NL123456789B01" in printed
    assert "3511 AB Utrecht" in printed
    assert "Pages" not in printed


async def test_paper_and_xml_say_the_same_of_why_there_is_no_vat(shop: Shop) -> None:
    """Directive 2006/112/EC, article 226 (11a): in German on the paper, in English and by its code in the XML."""
    line = {"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "0", "vat_category": "AE"}
    owner = await sold(shop, lines=[line], bill_to={**BUSINESS, "country": "DE", "vat_id": "DE123456789"})
    note = await given_back(shop, owner)
    for number in (note["invoice"], note["number"]):
        printed = text_of((await shop.http.get(f"/documents/{number}/pdf")).content)
        assert "AE: Steuerschuldnerschaft des Leistungsempfängers" in printed
        assert "USt-IdNr. DE123456789" in printed
        (of,) = read((await shop.http.get(f"/documents/{number}/ubl")).content).breakdown
        assert (of.category, of.reason, of.reason_code) == ("AE", "Reverse charge", "VATEX-EU-AE")


async def test_what_is_missing_is_told_in_words_and_nothing_is_kept_as_seen(unnamed: Shop) -> None:
    owner = await sold(unnamed)
    (of,) = (await unnamed.ask("GET", f"/billing/invoices?order_id={owner['id']}"))["items"]
    where = f"/documents/{of['number']}/ubl"
    html = unescape(re.sub(r"<[^>]+>", " ", await unnamed.page(where, status=409)))
    for said in (
        "No electronic invoice yet",
        of["number"],
        "The seller's name",
        "BT-27",
        "The seller's address",
        "BT-31",
    ):
        assert said in html
    assert "billing's settings" in html
    assert not await unnamed.rows("select 1 from document_views where number = $1", of["number"])
    dutch = await unnamed.http.get(where, headers={"Accept-Language": "nl"})
    assert "Nog geen elektronische factuur" in dutch.text


async def test_a_currency_of_three_decimals_is_said_to_have_no_electronic_invoice(unnamed: Shop) -> None:
    lines = [{"sku": "mug", "quantity": 1, "unit_price": "10.125", "vat_rate": "0"}]
    owner = await sold(unnamed, currency="KWD", lines=lines)
    (of,) = (await unnamed.ask("GET", f"/billing/invoices?order_id={owner['id']}"))["items"]
    html = await unnamed.page(f"/documents/{of['number']}/ubl", status=409)
    assert "The standard knows amounts of two decimals, and this currency has more." in html


async def test_no_document_is_404_and_no_other_form_is_offered(shop: Shop) -> None:
    for path in ("/documents/INV-1999-000001/ubl", "/documents/INV-1999-000001/cii"):
        assert (await shop.http.get(path)).status_code == 404
    assert (await shop.http.get("/documents/INV-1999-000001/xrechnung")).status_code == 422


async def test_a_business_has_it_from_its_own_page_and_others_are_not_bothered(shop: Shop) -> None:
    owner = await sold(shop, bill_to=BUSINESS)
    note = await given_back(shop, owner)
    where = await shop.link(owner)
    html = await shop.page(where)
    for number in (note["invoice"], note["number"]):
        assert f'href="{where}/documents/{number}/xml"' in html
        answer = await shop.http.get(f"{where}/documents/{number}/xml")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml")
        assert read(answer.content).number == number
        seen = await shop.rows("select who, form from document_views where number = $1", number)
        assert [(row["who"], row["form"]) for row in seen] == [("customer", "ubl")]
    other = await sold(shop)
    elsewhere = await shop.link(other)
    assert "/xml" not in await shop.page(elsewhere)
    assert (await shop.http.get(f"{elsewhere}/documents/{note['invoice']}/xml")).status_code == 404
    assert (await shop.http.get(f"{where}/documents/INV-1999-000001/xml")).status_code == 404
    assert (await shop.http.get(f"/s/wrong/documents/{note['invoice']}/xml")).status_code == 404


async def test_a_customer_of_a_shop_that_cannot_write_it_hears_so(unnamed: Shop) -> None:
    owner = await sold(unnamed, bill_to=BUSINESS)
    (of,) = (await unnamed.ask("GET", f"/billing/invoices?order_id={owner['id']}"))["items"]
    answer = await unnamed.http.get(f"{await unnamed.link(owner)}/documents/{of['number']}/xml")
    assert answer.status_code == 409
    assert answer.headers["content-type"].startswith("text/html")
