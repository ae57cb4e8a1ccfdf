"""The VAT categories of EN 16931 (a part of UNCL5305), and which rates go with each. Pure."""

from decimal import Decimal
from typing import Literal

VatCategory = Literal["S", "Z", "E", "AE", "K", "G", "O", "L", "M"]
"""Standard, zero, exempt, reverse charge, intra-EU supply, export, out of scope, Canary Islands, Ceuta and Melilla."""


def misfit(category: str, rate: Decimal) -> str:
    """Why no invoice may have both; empty when one may.

    S is above 0 (BR-S-05), L and M may be anything; all others are 0 (BR-Z-05, BR-E-05, BR-AE-05, BR-IC-05, BR-G-05),
    or have no rate at all (BR-O-05), which is written as 0.
    """
    if category == "S":
        return "" if rate > 0 else "VAT category S needs a rate above 0."
    if category in ("Z", "E", "AE", "K", "G", "O"):
        return f"VAT category {category} needs a rate of 0, not {rate:f}." if rate else ""
    return "" if category in ("L", "M") else f"{category} is no VAT category of EN 16931."


def sold_with(
    category: str | None, rate: Decimal | None, known_category: str, known_rate: Decimal
) -> tuple[str, Decimal, str]:
    """Category and rate of a line that leaves some open, and why both cannot be; the product's are taken then.

    A category that is named must go with the rate. Left open it is that of the product, if that goes with the rate: a
    channel that knows only its rates must not lose an order.
    """
    rate = known_rate if rate is None else rate
    if category is None:
        return (category_at(rate) if misfit(known_category, rate) else known_category), rate, ""
    return category, rate, misfit(category, rate)


def category_at(rate: Decimal) -> VatCategory:
    """What is taken where only the rate is known."""
    return "S" if rate else "Z"
