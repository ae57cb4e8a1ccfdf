"""Card numbers do not belong into logs and reasons: what looks like one keeps its first six and last four digits."""

import re
from typing import Any, Final

LIKE_ONE: Final = re.compile(r"(?<![\w-])[2-6](?:[ -]?[0-9]){12,18}(?![\w-])")
"""13 to 19 digits of a network that there is, also in groups; not a part of something longer, as an id."""


def masked(text: str) -> str:
    """The same text; of each card number in it only as many digits as a card's owner is shown."""
    return LIKE_ONE.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    digits = re.sub(r"[^0-9]", "", found[0])
    if not luhn(digits) or (len(digits) == 13 and barcode(digits)):
        return found[0]
    return f"{digits[:6]}{'*' * (len(digits) - 10)}{digits[-4:]}"


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right counts twice."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        twice = int(digit) * (1 + at % 2)
        total += twice - 9 * (twice > 9)
    return total % 10 == 0


def barcode(digits: str) -> bool:
    """An EAN of 13 digits has a check digit of its own; cards of 13 are not issued any more, products are."""
    return sum(int(digit) * (1 + 2 * (at % 2)) for at, digit in enumerate(digits)) % 10 == 0


def masked_within(value: Any) -> Any:
    """Texts within a value of a log line; numbers stay numbers, what is neither is as it would be written."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked_within(name): masked_within(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked_within(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return masked(repr(value))
