"""What bodies and addresses of several requests hold: names, amounts, an address, a line."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field, StringConstraints

from services.order.vat import VatCategory
from shared.contracts.order import NewLine
from shared.contracts.values import Address, LineKind
from shared.http import Body

NO_NUL = r"^[^\x00]*$"
Short = Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)]
Long = Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
Sku = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=NO_NUL)]
"""Spaces around a SKU are no part of it, as in files: a product that has them could not be named there."""
Pieces = Annotated[int, Field(gt=0, le=1_000_000)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)]
Rate = Annotated[Decimal, Field(ge=0, le=100, decimal_places=6)]
OrderId = Annotated[UUID, Path()]
Key = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_NUL)]
SkuPath = Annotated[Sku, Path()]
Word = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]


class AddressIn(Body):
    """Who and where. The last three are for electronic invoices to businesses, and count in `bill_to`."""

    name: Short = ""
    company: Short = ""
    street: Annotated[tuple[Short, ...], Field(max_length=5)] = ()
    postcode: Annotated[str, StringConstraints(max_length=20, pattern=NO_NUL)] = ""
    city: Short = ""
    region: Short = ""
    country: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = ""
    email: Short = ""
    phone: Short = ""
    vat_id: Annotated[
        str,
        Field(pattern="^([A-Z]{2}[0-9A-Z+*]{2,13})?$", description="VAT identifier with its country: NL123456789B01"),
    ] = ""
    reference: Annotated[
        str, StringConstraints(max_length=200, pattern=NO_NUL), Field(description="what the buyer's invoices must name")
    ] = ""
    electronic_address: Annotated[
        str,
        Field(
            pattern="^(([0-9]{4}|[A-Z]{2}):[!-~]{1,100})?$",
            description="where electronic invoices are received, as scheme:identifier: 0106:12345678",
        ),
    ] = ""

    def value(self) -> Address:
        return Address(**dict(self))


class LineIn(Body):
    """One line; what is left out is taken from the catalogue and frozen."""

    sku: Sku
    quantity: Pieces
    unit_price: Amount | None = None
    discount: Amount = Decimal(0)
    text: Long | None = None
    kind: LineKind | None = None
    vat_category: VatCategory | None = None
    vat_rate: Rate | None = None

    def value(self) -> NewLine:
        return NewLine(**dict(self))
