"""The semantic model of EN 16931, as far as our documents and the rules about them go: what both syntaxes say.

Names are the standard's business terms, BT-n is their number. Whatever a document lacks is None or empty, so that a
rule can say so; amounts keep the decimals that they were written with.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

EN_16931: Final = "urn:cen.eu:en16931:2017"
PEPPOL: Final = f"{EN_16931}#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PEPPOL_PROCESS: Final = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
INVOICE: Final = "380"
CREDIT_NOTE: Final = "381"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A value and the list it is from: a scheme of ISO/IEC 6523, or of the list of electronic addresses."""

    value: str
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A postal address (BG-5, BG-8, BG-12, BG-15)."""

    street: tuple[str, ...] = ()
    city: str = ""
    postcode: str = ""
    region: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """Seller (BG-4), buyer (BG-7) or the seller's tax representative (BG-11)."""

    name: str = ""
    place: Place | None = None
    vat_id: str = ""
    tax_id: str = ""  # BT-32: how the tax office of the seller's country calls it, where that is no VAT identifier
    legal_id: Identifier | None = None
    ids: tuple[Identifier, ...] = ()
    electronic_address: Identifier | None = None
    contact: str = ""  # BT-41, BT-56: a person there


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is taken off or put on: of a line (BG-27, BG-28), or of the document (BG-20, BG-21) with its VAT."""

    charge: bool
    amount: Decimal | None
    reason: str = ""
    reason_code: str = ""
    category: str = ""
    rate: Decimal | None = None
    base: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice line (BG-25)."""

    id: str = ""
    quantity: Decimal | None = None
    unit: str = ""
    net: Decimal | None = None
    name: str = ""
    item_id: str = ""
    standard_id: Identifier | None = None
    price: Decimal | None = None
    list_price: Decimal | None = None  # BT-148, before a discount of the price
    category: str = ""
    rate: Decimal | None = None
    allowances: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One VAT category and rate (BG-23)."""

    category: str = ""
    rate: Decimal | None = None
    base: Decimal | None = None
    vat: Decimal | None = None
    reason: str = ""
    reason_code: str = ""


@dataclass(frozen=True, slots=True)
class Payment:
    """Means of payment (BG-16): what it is, and the accounts that money may go to (BG-17)."""

    means: str = ""
    reference: str = ""
    accounts: tuple[str, ...] = ()
    bic: str = ""


@dataclass(frozen=True, slots=True)
class Sums:
    """Document totals (BG-22)."""

    lines: Decimal | None = None  # BT-106
    allowances: Decimal | None = None  # BT-107
    charges: Decimal | None = None  # BT-108
    net: Decimal | None = None  # BT-109
    vat: Decimal | None = None  # BT-110, in the document's currency
    gross: Decimal | None = None  # BT-112
    prepaid: Decimal | None = None  # BT-113
    rounding: Decimal | None = None  # BT-114
    due: Decimal | None = None  # BT-115


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice, or a credit note where it `credits`: UBL has a document of its own for that."""

    credits: bool = False
    number: str = ""
    issued_on: date | None = None
    type: str = ""
    currency: str = ""
    vat_currency: str = ""  # BT-6
    vat_in_vat_currency: Decimal | None = None  # BT-111
    specification: str = ""  # BT-24
    process: str = ""  # BT-23
    buyer_reference: str = ""
    order: str = ""  # BT-14: the seller's order number
    corrects: str = ""  # BT-25: the invoice that a credit note corrects
    corrects_of: date | None = None  # BT-26
    due_on: date | None = None
    payment_terms: str = ""
    delivered_on: date | None = None
    delivered_to: Place | None = None
    period: bool = False  # BG-14 is there
    seller: Party | None = None
    buyer: Party | None = None
    representative: Party | None = None
    payments: tuple[Payment, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    sums: Sums | None = None
    breakdown: tuple[Breakdown, ...] = ()
    lines: tuple[Line, ...] = ()
