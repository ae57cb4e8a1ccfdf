"""Reads a file of the form of UCI "Online Retail", line by line, and says what each line is.

Columns: InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country. An invoice number
of digits is a sale, `C...` a cancellation (credit note), `A...` a bad-debt adjustment. Prices are pounds without VAT.
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import resources
from pathlib import Path
from sys import intern
from typing import BinaryIO, Literal, NamedTuple, cast

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
NOT_PRODUCTS = frozenset({"AMAZONFEE", "B", "BANK CHARGES", "C2", "CRUK", "D", "DOT", "M", "PADS", "POST", "S", "m"})
"""Postage, manual entries, discount, carriage, samples, fees and the like; gift vouchers (gift_*) are none either."""

InvoiceKind = Literal["sale", "cancellation", "adjustment"]
Kind = Literal["sale", "cancellation", "bad_debt", "no_price_out", "no_price_in", "other"]


class RetailFileError(ValueError):
    """The file is not of the form; the message says in which line and why."""


@dataclass(frozen=True, slots=True)
class RetailLine:
    """One line of the file. `number` is its line in the file (the header is 1); texts are as they stand there."""

    number: int
    invoice: str
    code: str
    description: str
    quantity: int
    at: datetime  # local time of the shop, to the minute, no zone
    price: Decimal
    price_text: str
    customer: str  # "17850.0", or empty when nobody is named
    country: str

    @property
    def amount(self) -> Decimal:
        """Exact: quantity x price, not rounded."""
        return self.quantity * self.price

    @property
    def customer_id(self) -> str:
        """The customer's number without the decimals that a spreadsheet put there."""
        return self.customer.removesuffix(".0")


def invoice_kind(invoice: str) -> InvoiceKind:
    if invoice[0].isdigit():
        return "sale"
    return "cancellation" if invoice[0] == "C" else "adjustment"


def kind_of(line: RetailLine) -> Kind:
    """What the line is.

    - `sale`: number of digits, quantity and price above zero ("valid sale" in the figures);
    - `cancellation`: C..., quantity below zero, price not below zero;
    - `bad_debt`: A..., whatever is in it;
    - `no_price_out`, `no_price_in`: number of digits, price zero, quantity above or below zero: stock entries;
    - `other`: none of these (a negative price or quantity where it has no meaning, a quantity of zero).
    """
    invoice = invoice_kind(line.invoice)
    if invoice == "adjustment":
        return "bad_debt"
    if invoice == "cancellation":
        return "cancellation" if line.quantity < 0 and line.price >= 0 else "other"
    if line.quantity > 0 and line.price > 0:
        return "sale"
    if line.price == 0 and line.quantity:
        return "no_price_out" if line.quantity > 0 else "no_price_in"
    return "other"


def is_product(code: str) -> bool:
    """Whether the code is a thing that is kept in stock."""
    return code not in NOT_PRODUCTS and not code.startswith("gift_")


def read(path: str | Path) -> Iterator[RetailLine]:
    """The lines of a .csv or .csv.gz in file order, one at a time."""
    with Path(path).open("rb") as file:
        try:
            yield from read_stream(file)
        except RetailFileError as error:
            raise RetailFileError(f"{path}: {error}") from error


def read_stream(file: BinaryIO) -> Iterator[RetailLine]:
    """The same for an open file; gzip is recognised by its first bytes."""
    buffered = io.BufferedReader(cast(io.RawIOBase, file)) if not isinstance(file, io.BufferedReader) else file
    packed = buffered.peek(2)[:2] == b"\x1f\x8b"
    plain: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=buffered)) if packed else buffered
    with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
        yield from read_rows(text)


def read_rows(text: Iterable[str]) -> Iterator[RetailLine]:
    """The same for lines of text."""
    rows = csv.reader(text, strict=True)
    try:
        header = next(rows, None)
        if header is None or tuple(name.strip() for name in header) != COLUMNS:
            raise RetailFileError(
                f"line 1: the columns should be {','.join(COLUMNS)}, and are {','.join(header or ())}"
            )
        for row in rows:
            if row:
                yield _line(rows.line_num, row)
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise RetailFileError(f"after line {rows.line_num}: {error}") from error


def _line(number: int, row: list[str]) -> RetailLine:
    if len(row) != len(COLUMNS):
        raise RetailFileError(f"line {number}: {len(row)} columns instead of {len(COLUMNS)}")
    invoice, code, description, quantity, at, price, customer, country = row
    body = invoice[1:] if invoice[:1] in {"C", "A"} else invoice
    if not (body.isascii() and body.isdigit()):
        raise RetailFileError(f"line {number}: InvoiceNo {invoice!r} is not digits, C... or A...")
    if not code.strip():
        raise RetailFileError(f"line {number}: StockCode is empty")
    try:
        pieces = int(quantity)
    except ValueError:
        raise RetailFileError(f"line {number}: Quantity {quantity!r} is not a whole number") from None
    try:
        return RetailLine(
            number,
            intern(invoice),
            intern(code),
            intern(description),
            pieces,
            _minute(at),
            _price(price),
            intern(price),
            intern(customer),
            intern(country),
        )
    except ValueError as error:
        raise RetailFileError(f"line {number}: {error}") from None


@lru_cache(maxsize=4096)
def _minute(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"InvoiceDate {text!r} is not of the form 2010-12-01 08:26:00") from None
    if at.tzinfo is not None:
        raise ValueError(f"InvoiceDate {text!r} has a zone; it should be the shop's local time")
    return at


@lru_cache(maxsize=16384)
def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"UnitPrice {text!r} is not a number") from None
    if not price.is_finite():
        raise ValueError(f"UnitPrice {text!r} is not a number")
    return price


UNKNOWN = "ZZ"
"""What Unicode says of a country that is not known; ISO 3166-1 leaves it to its users."""

COUNTRIES: dict[str, str] = {
    "Australia": "AU",
    "Austria": "AT",
    "Bahrain": "BH",
    "Belgium": "BE",
    "Brazil": "BR",
    "Canada": "CA",
    "Channel Islands": UNKNOWN,  # Jersey or Guernsey; the file does not say which
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "EIRE": "IE",
    "European Community": UNKNOWN,
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Greece": "GR",
    "Hong Kong": "HK",
    "Iceland": "IS",
    "Israel": "IL",
    "Italy": "IT",
    "Japan": "JP",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Malta": "MT",
    "Netherlands": "NL",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "RSA": "ZA",
    "Saudi Arabia": "SA",
    "Singapore": "SG",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "USA": "US",
    "United Arab Emirates": "AE",
    "United Kingdom": "GB",
    "Unspecified": UNKNOWN,
}
"""The file's names of countries as ISO 3166-1 alpha-2, where there is a single code."""


def country_code(name: str) -> str:
    """ISO 3166-1 alpha-2, or UNKNOWN: a name that is not known is not known, and a reader may go on."""
    return COUNTRIES.get(name, UNKNOWN)


class Vat(NamedTuple):
    """An EN 16931 category and its rate in per cent."""

    category: str
    rate: Decimal


UK_STANDARD = Vat("S", Decimal(20))
NO_VAT = Vat("Z", Decimal(0))


def vat_of(code: str, country: str) -> Vat:
    """20 % on products sold in the United Kingdom, nothing on all else: the rule of the figures, not of the law.

    The figures take 20 % for the whole file, though the rate was 17.5 % until 4 January 2011.
    """
    return UK_STANDARD if country == "United Kingdom" and is_product(code) else NO_VAT


def sample_path() -> Path:
    """The file that comes with the program: the first 1,000 invoices."""
    return Path(str(resources.files("comptoir") / "data" / "online_retail_sample.csv.gz"))


def sample_figures_path() -> Path:
    """The figures it must give, computed without this program."""
    return Path(str(resources.files("comptoir") / "data" / "online_retail_sample_figures.json"))
