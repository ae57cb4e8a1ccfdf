"""Links for customers: signed, each for one order, until a day. Who has one needs no account and gets nothing else."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

SALT = "comptoir customer's order"
SHORTEST = 32
"""Characters of a key: what is guessed is no secret."""


class Links:
    """Makes and reads the part of an address that stands for an order.

    `keys`: the first signs, all are accepted, so that a key is changed without an hour in which links do not work.
    Without any key there are no links.
    """

    def __init__(self, keys: Sequence[str], days: int) -> None:
        self.lasts = timedelta(days=days)
        self.signer: URLSafeSerializer | None = None
        if keys:
            how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
            self.signer = URLSafeSerializer(list(reversed(keys)), salt=SALT, signer_kwargs=how)  # the last one signs

    def __bool__(self) -> bool:
        return self.signer is not None

    def token(self, order_id: UUID, now: datetime) -> str:
        """Good until the end of its last day (UTC), so that the same day gives the same link."""
        if self.signer is None:
            raise LookupError("there is no key to sign a link with")
        ends = (now + self.lasts).astimezone(UTC).date()
        return str(self.signer.dumps([order_id.hex, ends.toordinal()]))

    def read(self, token: str, now: datetime) -> "tuple[UUID, datetime] | None":
        """The order and when the link ends; None for whatever is wrong with it."""
        if self.signer is None:
            return None
        try:
            held, ordinal = self.signer.loads(token)
            ends = datetime.fromordinal(ordinal + 1).replace(tzinfo=UTC)
            return (UUID(hex=held), ends) if now < ends else None
        except (BadData, ValueError, TypeError, OverflowError):
            return None
