"""Values that several messages carry."""

import operator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from shared.contracts.message import Value

Money = Annotated[
    Decimal,
    Field(max_digits=16, decimal_places=6),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str, when_used="json"),
]
"""An amount in the currency of its document. Text on the wire, so that no reader turns it into a float (R-01)."""

Positive = Annotated[int, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Sku = Annotated[str, Field(min_length=1, max_length=64)]
Code = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(max_length=2000)]
ETag = Annotated[str, Field(max_length=64)]
"""Of an edit: the entity tag of what its author looked at; `*`: anything that exists; empty: no condition."""

Word = Annotated[str, Field(max_length=200, exclude_if=operator.not_)]
"""A field that came later than its value: left out where it is empty, so that what was said before reads the same."""

PaymentMethod = Literal["card", "bank_transfer", "cash_on_delivery", "terms"]
LineKind = Literal["goods", "shipping", "service"]
Way = Literal["api", "file", "page", "message"]
"""How a change of master data came in."""
MAX_LINES = 2000
"""Lines of one order (real ones have 1,114); the bound keeps the largest message below the size limit of the bus."""


class Address(Value):
    """Where goods or documents go. Country is ISO 3166-1 alpha-2, or empty when it is not known.

    Of a buyer who is a business: `vat_id` with its country (BT-48 of EN 16931), `reference` what the buyer wants to
    read on invoices (BT-10), `electronic_address` where they are received, as scheme:identifier (BT-49).
    """

    name: Text = ""
    company: Text = ""
    street: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    email: str = ""
    phone: str = ""
    vat_id: Word = ""
    reference: Word = ""
    electronic_address: Word = ""


class PriceLine(Value):
    """One order line as it was sold, frozen at placement (R-09).

    `unit_price` is net or gross as the order says (`prices_include_vat`); it may have more than two decimals.
    `discount` is the line's whole discount, its frozen share of order-level discounts included (R-07), for the
    whole `quantity`. `vat_rate` is in per cent, `vat_category` an EN 16931 code (S standard, Z zero, E exempt, ...).
    """

    line_no: int
    sku: Sku
    text: Text = ""
    kind: LineKind = "goods"
    quantity: Count
    unit_price: Money
    discount: Money = Decimal(0)
    vat_category: str = "S"
    vat_rate: Money = Decimal(0)


class LineQuantity(Value):
    """So many pieces of one order line."""

    line_no: int
    quantity: Count
