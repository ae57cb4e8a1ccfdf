"""Entity tags: a short text that is another one as soon as what it stands for has changed (RFC 9110, section 8.8.3).

They are made of the content, so no table needs a column for them.
"""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from shared.contracts.message import Message, Value
from shared.messaging.decision import Refused, Row

ANY = "*"
"""The condition that the thing exists, whatever it looks like."""
NONE = "none"
"""The condition that there is no such thing yet."""


def etag_of(rows: Iterable[Row | tuple[object, ...]]) -> str:
    """The tag of these rows together, or of tuples of what they say, without quotes."""
    return blake2b("\n".join(map(canonical, rows)).encode(), digest_size=12).hexdigest()


def check_match(known: Row | None, wanted: Row, if_match: str, what: str) -> None:
    """Raises Refused (412) unless the row is the one that the caller looked at; without a condition nothing is checked.

    What is as wanted already passes: the answer to the same request may have been lost.
    """
    if matches(known, wanted, if_match):
        return
    if known is None:
        raise Refused(f"There is no {what}.", field="If-Match", status=412)
    raise Refused(f"{what} was changed meanwhile: look at it again, then decide.", field="If-Match", status=412)


def matches(known: Row | None, wanted: Row, if_match: str) -> bool:
    """Whether the row is the one that the caller looked at, or is as wanted already; True without a condition."""
    if not if_match or known == wanted:
        return True
    return if_match == NONE if known is None else if_match in (ANY, etag_of([known]))


def canonical(value: Any) -> str:
    """The same text for equal values, however the database or a message wrote them."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        inside = ",".join(canonical(getattr(value, field.name)) for field in fields(value))
        return f"{type(value).__name__}({inside})"
    if isinstance(value, Value | Message):
        return f"{type(value).__name__}({','.join(canonical(inner) for inner in value.__dict__.values())})"
    if isinstance(value, tuple | list):
        return f"[{','.join(map(canonical, value))}]"
    return repr(value) if isinstance(value, str | None | bool | int) else str(value)
