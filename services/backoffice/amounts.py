"""Amounts as a reader's language writes them, with the decimals that the suite counts a currency in."""

from copy import copy
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.numbers import NumberPattern

from shared.contracts.money import rounded, unit_of


def amount_in(locale: str, amount: Decimal, currency: str, *, exact: bool = False) -> str:
    """An amount with its currency. `exact`: a price with all of its decimals, not rounded to what can be paid.

    The decimals are those of ISO 4217, as everywhere in the suite: what is usual in cash is less for some currencies
    (no fillér, no centavos), and a page that rounds to it disagrees with the invoice.
    """
    unit = unit_of(currency)
    shown = amount if exact else rounded(amount, unit)
    said: str = _pattern(locale, max(0, -int(unit.as_tuple().exponent))).apply(
        shown, locale, currency=currency, currency_digits=False, decimal_quantization=not exact
    )
    return said


@lru_cache
def _pattern(locale: str, decimals: int) -> NumberPattern:
    """How the language writes amounts with so many decimals."""
    pattern: NumberPattern = copy(Locale.parse(locale).currency_formats["standard"])
    pattern.frac_prec = (decimals, decimals)
    return pattern
