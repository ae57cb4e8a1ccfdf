"""Electronic invoices over HTTP, from documents in PostgreSQL: also those from before terms were kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError

from comptoir.invariants.money import document_is_as_issued
from services.billing import tables
from services.billing.domain.documents import fingerprint
from services.billing.domain.rows import CreditNote, Invoice
from services.billing.einvoice.model import EN_16931, PEPPOL
from services.billing.einvoice.reading import read
from services.billing.queries import issued
from services.billing.settings import Settings
from tests.billing.book import ask, give_back, line, ship
from tests.billing.official import fired, schema_faults
from tests.billing.test_einvoice import BUYER, SELLER
from tests.billing.test_service import House, Told, of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres

KNOWN = {
    "seller_name": SELLER.name,
    "seller_street": "Kade 1|Gebouw 2",
    "seller_postcode": SELLER.postcode,
    "seller_city": SELLER.city,
    "seller_country": SELLER.country,
    "seller_vat_id": "NL 1234.56.789.B01",
    "seller_legal_id": SELLER.legal_id,
    "seller_electronic_address": SELLER.electronic_address,
    "seller_iban": "NL91 ABNA 0417 1643 00",
    "seller_bic": SELLER.bic,
    "seller_exemption": SELLER.exemption,
}


def test_settings_make_the_seller() -> None:
    assert Settings(_env_file=None, **KNOWN).seller() == SELLER


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("seller_country", "ZZ"),
        ("seller_vat_id", "123456789B01"),
        ("seller_vat_id", "NL!23456789B01"),
        ("seller_legal_id", "9999:12345678"),
        ("seller_electronic_address", "12345678"),
        ("seller_electronic_address", "0106:"),
        ("seller_iban", "NL91ABNA0417164301"),
        ("seller_iban", "0417164300"),
        ("seller_bic", "abn"),
        ("payment_days", "-1"),
    ],
)
def test_a_setting_that_no_invoice_may_have_is_refused(name: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{name: wrong})


@asynccontextmanager
async def billing(database: str, folder: Path, **known: str) -> AsyncIterator[House]:
    """A running billing on this database, with these settings."""
    folder.mkdir(exist_ok=True)
    house = House(database, folder, False, **known)
    await house.running.start(Told())
    house.running.start_workers()
    try:
        yield house
    finally:
        await house.http.aclose()
        await house.provider.aclose()
        await house.psp.state.psp.close()
        await house.running.stop()


async def sell(house: House) -> tuple[str, str]:
    """An invoice and a credit note: their numbers."""
    order = uuid4()
    asked = ask(1, "36.30", "terms", lines=(line(1, "10.00", 3, rate="21"),), bill_to=BUYER)
    await house.say(of(asked, order), of(ship(1, l1=3), order), of(give_back(1, 1, l1=1), order))
    numbers = []
    for kind in ("invoices", "credit-notes"):
        (item,) = (await house.http.get(f"/{kind}", params={"order_id": str(order)})).json()["items"]
        numbers.append(item["number"])
    return numbers[0], numbers[1]


async def test_a_currency_of_three_decimals_is_named_as_what_it_is(databases: Databases, tmp_path: Path) -> None:
    """Nothing is missing that somebody could write down: the standard has no third decimal."""
    async with billing(await databases.fresh(tables.metadata), tmp_path / "a", **KNOWN) as house:
        order, lines = uuid4(), (line(1, "10.125", 1, rate="0"),)
        await house.say(of(ask(1, "10.125", "bank_transfer", lines=lines, bill_to=BUYER, currency="KWD"), order))
        await house.say(of(ship(1, l1=1), order))
        (item,) = (await house.http.get("/invoices", params={"order_id": str(order)})).json()["items"]
        refused = await house.http.get(f"/invoices/{item['number']}/ubl")
    assert refused.status_code == 409
    assert refused.json()["title"] == (
        f"{item['number']} cannot be an electronic invoice: EN 16931 has two decimals for amounts, those in KWD have 3."
    )
    said = {error["field"]: error["message"] for error in refused.json()["errors"]}
    assert said["BR-DEC-14"] == (
        "10.125 KWD (BT-112) has more than the two decimals that EN 16931 has for amounts of any currency."
    )


def paths(invoice: str, note: str) -> list[str]:
    return [
        f"/{kind}/{number}/{syntax}"
        for kind, number in (("invoices", invoice), ("credit-notes", note))
        for syntax in ("ubl", "cii")
    ]


async def test_both_documents_in_both_syntaxes_and_the_same_after_the_seller_moved(
    databases: Databases, tmp_path: Path
) -> None:
    database = await databases.fresh(tables.metadata)
    async with billing(database, tmp_path / "a", **KNOWN) as house:
        invoice, note = await sell(house)
        first = {path: await house.http.get(path) for path in paths(invoice, note)}
        for path, answer in first.items():
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == "application/xml"
            number, syntax = path.split("/")[2:]
            assert answer.headers["content-disposition"] == f'attachment; filename="{number}-{syntax}.xml"'
            assert schema_faults(answer.content) == []
            assert fired(answer.content, warnings=True) == set()
            document = read(answer.content)
            assert document.specification == (PEPPOL if syntax == "ubl" else EN_16931)
            assert (document.number, document.type) == (number, "380" if number == invoice else "381")
            assert document.corrects == ("" if number == invoice else invoice)
            shown = (await house.http.get(path.rpartition("/")[0])).json()
            assert document.sums
            figures = (document.sums.net, document.sums.vat, document.sums.gross)
            assert [f"{amount:f}" for amount in figures if amount] == [shown["net"], shown["vat"], shown["gross"]]
            assert shown["terms"]["seller"]["name"] == SELLER.name
        assert (await house.http.get("/invoices/INV-1999-000001/ubl")).status_code == 404
        assert (await house.http.get(f"/credit-notes/{invoice}/ubl")).status_code == 404
        assert (await house.http.get(f"/invoices/{invoice}/pdf")).status_code == 422
    moved = KNOWN | {"seller_name": "Elsewhere Ltd", "seller_city": "Dublin", "time_zone": "Pacific/Auckland"}
    async with billing(database, tmp_path / "b", **moved) as house:
        again = {path: (await house.http.get(path)).content for path in first}
        assert again == {path: answer.content for path, answer in first.items()}


async def test_what_is_missing_is_named_and_nothing_is_written(databases: Databases, tmp_path: Path) -> None:
    database = await databases.fresh(tables.metadata)
    async with billing(database, tmp_path / "a") as house:
        invoice, note = await sell(house)
        for path in paths(invoice, note):
            answer = await house.http.get(path)
            assert answer.status_code == 409
            assert answer.headers["content-type"] == "application/problem+json"
            said = {error["field"]: error["message"] for error in answer.json()["errors"]}
            assert "BT-27" in said["BR-06"]
            assert "BG-5" in said["BR-08"]
            assert "BT-31" in said["BR-S-02"]
            assert ("BR-61" in said) == (path.split("/")[2] == invoice)
            assert "BT-27" in answer.json()["title"]
    async with billing(database, tmp_path / "b", **KNOWN) as house:
        for path in paths(invoice, note):
            assert fired((await house.http.get(path)).content) == set(), "settings came later"


async def test_documents_from_before_are_written_and_fit_their_hash(databases: Databases, tmp_path: Path) -> None:
    database = await databases.fresh(tables.metadata)
    async with billing(database, tmp_path / "a", **KNOWN) as house:
        invoice, note = await sell(house)
        async with house.running.reads.connect() as conn:
            now = [await issued(conn, Invoice, invoice), await issued(conn, CreditNote, note)]
        # As they were issued before migration 0008: no terms, and a hash without them.
        for found in now:
            assert found
            old = replace(found[0], terms=None)
            table = "invoices" if isinstance(old, Invoice) else "credit_notes"
            await house.sql(f"alter table {table} disable trigger user")
            await house.sql(
                f"update {table} set terms = null, hash = '{fingerprint(old)}' where number = '{old.number}'"
            )
        async with house.running.reads.connect() as conn:
            for kind, number in ((Invoice, invoice), (CreditNote, note)):
                found = await issued(conn, kind, number)
                assert found
                assert found[0].terms is None
                assert not list(document_is_as_issued(found[0]))
        for path in paths(invoice, note):
            answer = await house.http.get(path)
            assert answer.status_code == 200, answer.text
            assert schema_faults(answer.content) == []
            assert fired(answer.content) == set()
            assert read(answer.content).payment_terms


async def test_an_order_that_mixes_what_no_document_may_mix_is_refused_by_the_rule(
    databases: Databases, tmp_path: Path
) -> None:
    async with billing(await databases.fresh(tables.metadata), tmp_path, **KNOWN) as house:
        order = uuid4()
        mixed = (line(1, "10.00", rate="21"), line(2, "5.00", rate="0", vat_category="O"))
        await house.say(of(ask(1, "17.10", lines=mixed, bill_to=BUYER), order), of(ship(1, l1=1, l2=1), order))
        (item,) = (await house.http.get("/invoices", params={"order_id": str(order)})).json()["items"]
        answer: httpx.Response = await house.http.get(f"/invoices/{item['number']}/ubl")
        assert answer.status_code == 409
        assert "BR-O-12" in {error["field"] for error in answer.json()["errors"]}
