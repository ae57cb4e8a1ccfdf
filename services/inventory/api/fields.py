"""What bodies and addresses of several requests hold: names, pieces, costs."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field, StringConstraints

NO_ZERO_BYTE = r"^[^\x00]*$"
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
Sku = Annotated[str, StringConstraints(strip_whitespace=True), Field(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
"""Of an item: spaces around a SKU are no part of it, as in the catalogue."""
SkuPath = Annotated[Sku, Path()]
Name = Annotated[str, Field(max_length=2000, pattern=NO_ZERO_BYTE)]
Pieces = Annotated[int, Field(ge=1, le=1_000_000_000)]
Cost = Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)]
KeyFilter = Annotated[str | None, Query(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
KeyPath = Annotated[str, Path(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
Found = dict[str, Any]
Quote = Annotated[
    str,
    Field(max_length=64, pattern=NO_ZERO_BYTE),
    Field(description="`quote` of the preview that was looked at: 409, and nothing done, when it would show another"),
]
