"""Reading files of the form of UCI Online Retail."""

import gzip
import io
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from comptoir.retail.reader import (
    COUNTRIES,
    UNKNOWN,
    Kind,
    RetailFileError,
    RetailLine,
    Vat,
    country_code,
    is_product,
    kind_of,
    read,
    read_rows,
    read_stream,
    sample_figures_path,
    sample_path,
    vat_of,
)
from tests.retail.builders import HEADER, lines, row


def test_a_line_is_read_as_it_stands(sample: list[RetailLine]) -> None:
    assert sample[0] == RetailLine(
        2,
        "536365",
        "85123A",
        "WHITE HANGING HEART T-LIGHT HOLDER",
        6,
        datetime(2010, 12, 1, 8, 26),  # noqa: DTZ001 - the file has no zone
        Decimal("2.55"),
        "2.55",
        "17850.0",
        "United Kingdom",
    )
    assert sample[0].amount == Decimal("15.30")
    assert sample[0].customer_id == "17850"


def test_the_sample_is_the_first_thousand_invoices_and_has_its_citation(sample: list[RetailLine]) -> None:
    assert len(sample) == 21466
    assert len({line.invoice for line in sample}) == 1000
    assert sample_figures_path().is_file()
    readme = sample_path().with_name("README.md").read_text()
    assert "10.24432/C5BW33" in readme
    assert "CC BY 4.0" in readme
    assert sample_path().stat().st_size < 400_000


def test_the_sample_travels_in_the_wheel() -> None:
    root = Path(__file__).resolve().parents[2]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "comptoir" in wheel["packages"]
    assert not wheel.get("exclude")
    ignored = (root / ".gitignore").read_text().splitlines()
    assert not {"data", "data/", "*.gz", "*.csv.gz", "*.json"} & set(ignored)


def test_the_sample_is_the_beginning_of_the_half_year(sample: list[RetailLine], half_year: list[RetailLine]) -> None:
    wanted = {line.invoice for line in sample}
    beginning = [line for line in half_year if line.invoice in wanted]
    skip = slice(1, None)  # without the number of the line
    assert [_values(line)[skip] for line in sample] == [_values(line)[skip] for line in beginning]
    assert set(dict.fromkeys(line.invoice for line in half_year[:30000])) > wanted


def _values(line: RetailLine) -> tuple[object, ...]:
    return tuple(getattr(line, name) for name in RetailLine.__slots__)


def test_packed_and_plain_files_read_the_same(tmp_path: Path) -> None:
    text = f"{HEADER}\r\n{row('536365')}\r\n{row('536366', text='BAG, RED')}\r\n"
    plain, packed, marked = tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"
    plain.write_text(text, encoding="utf-8", newline="")
    packed.write_bytes(gzip.compress(text.encode()))
    marked.write_text(text, encoding="utf-8-sig", newline="")
    assert list(read(plain)) == list(read(packed)) == list(read(marked)) == list(read_stream(io.BytesIO(text.encode())))
    assert [line.description for line in read(plain)] == ["T-LIGHT HOLDER", "BAG, RED"]


def test_it_is_read_line_by_line_not_all_at_once() -> None:
    taken = []

    def source() -> Iterator[str]:
        for number, text in enumerate([HEADER, row("1"), row("2"), row("3")]):
            taken.append(number)
            yield text

    reading = read_rows(source())
    assert next(reading).invoice == "1"
    assert taken == [0, 1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (row("X12"), "line 3: InvoiceNo 'X12' is not digits, C... or A..."),
        (row("C"), "line 3: InvoiceNo 'C' is not digits"),
        (row(""), "line 3: InvoiceNo '' is not digits"),
        (row("5", code=" "), "line 3: StockCode is empty"),
        (row("5").replace(",1,", ",1.5,"), "line 3: Quantity '1.5' is not a whole number"),
        (row("5", price="2,55"), "line 3: 9 columns instead of 8"),
        (row("5", price="cheap"), "line 3: UnitPrice 'cheap' is not a number"),
        (row("5", price="NaN"), "line 3: UnitPrice 'NaN' is not a number"),
        (row("5", at="12/1/2010 8:26"), "line 3: InvoiceDate '12/1/2010 8:26' is not of the form"),
        (row("5", at="2011-10-03T10:00:00+01:00"), "line 3: InvoiceDate .* has a zone"),
        ("5,A,B", "line 3: 3 columns instead of 8"),
    ],
)
def test_a_malformed_line_is_named_with_its_number(text: str, complaint: str) -> None:
    with pytest.raises(RetailFileError, match=complaint):
        lines(row("536365"), text)


def test_another_file_is_refused_at_its_header() -> None:
    with pytest.raises(RetailFileError, match="line 1: the columns should be InvoiceNo,"):
        list(read_rows(["a,b,c\n"]))
    with pytest.raises(RetailFileError, match="line 1"):
        list(read_rows([]))


def test_a_file_cut_off_or_in_another_encoding_is_refused() -> None:
    whole = gzip.compress(f"{HEADER}\n{row('1')}\n".encode() * 100)
    with pytest.raises(RetailFileError):
        list(read_stream(io.BytesIO(whole[:-20])))
    with pytest.raises(RetailFileError):
        list(read_stream(io.BytesIO(f"{HEADER}\n{row('1', text='£')}\n".encode("latin-1"))))


@pytest.mark.parametrize(
    ("invoice", "quantity", "price", "kind"),
    [
        ("536365", 6, "2.55", "sale"),
        ("C536379", -1, "27.50", "cancellation"),
        ("C536379", -1, "0.0", "cancellation"),
        ("C536379", 1, "27.50", "other"),
        ("C536379", -1, "-1.00", "other"),
        ("A563185", 1, "11062.06", "bad_debt"),
        ("A563186", 1, "-11062.06", "bad_debt"),
        ("536414", 56, "0.0", "no_price_out"),
        ("536589", -10, "0.0", "no_price_in"),
        ("536589", -10, "1.00", "other"),
        ("536589", 10, "-1.00", "other"),
        ("536589", 0, "0.0", "other"),
    ],
)
def test_what_a_line_is(invoice: str, quantity: int, price: str, kind: Kind) -> None:
    assert [kind_of(line) for line in lines(row(invoice, quantity=quantity, price=price))] == [kind]


def test_kinds_of_the_half_year(half_year: list[RetailLine]) -> None:
    kinds = Counter(kind_of(line) for line in half_year)
    assert kinds == {"sale": 239931, "cancellation": 4494, "no_price_in": 758, "no_price_out": 720}


def test_what_is_a_product_and_what_is_not() -> None:
    assert all(is_product(code) for code in ("85123A", "10002", "DCGS0003", "DCGSSBOY", "15056bl"))
    others = ("POST", "DOT", "M", "m", "D", "C2", "S", "BANK CHARGES", "AMAZONFEE", "CRUK", "B", "PADS", "gift_0001_20")
    assert not any(is_product(code) for code in others)


def test_every_country_of_the_file_is_known(half_year: list[RetailLine]) -> None:
    names = {line.country for line in half_year}
    assert len(names) == 37
    assert names <= set(COUNTRIES)
    assert {name for name in names if country_code(name) == UNKNOWN} == {
        "Channel Islands",
        "European Community",
        "Unspecified",
    }
    assert (country_code("EIRE"), country_code("United Kingdom"), country_code("Atlantis")) == ("IE", "GB", UNKNOWN)


def test_vat_is_on_products_in_the_united_kingdom_only() -> None:
    assert vat_of("85123A", "United Kingdom") == Vat("S", Decimal(20))
    assert vat_of("POST", "United Kingdom") == Vat("Z", Decimal(0))
    assert vat_of("85123A", "EIRE") == Vat("Z", Decimal(0))
