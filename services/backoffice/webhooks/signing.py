"""Secrets and signatures of webhooks, by the scheme of standardwebhooks.com.

A secret is derived from a key of the settings, the webhook's id and a number that counts its secrets. So it stands in
no table, no dump and no message, and can be shown to its receiver when it is made.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

PREFIX = "whsec_"
LABEL = b"comptoir webhook secret"


class Keys:
    """What secrets are made of. New ones come from the first key; the others are for those that were made of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.named = {named(key): key.encode() for key in keys}

    def __bool__(self) -> bool:
        return bool(self.named)

    @property
    def first(self) -> str:
        """The name of the key that new secrets are made of."""
        return next(iter(self.named))

    def secret(self, webhook_id: UUID, generation: int, made_of: str) -> bytes:
        """32 bytes. Raises LookupError when the key is not there any more."""
        if made_of not in self.named:
            raise LookupError("The key that its secret was made of is gone from COMPTOIR_WEBHOOK_KEYS.")
        text = LABEL + webhook_id.bytes + str(generation).encode()
        return hmac.digest(self.named[made_of], text, hashlib.sha256)


def named(key: str) -> str:
    """What a key is called where it may be read: a beginning of its hash."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def shown(secret: bytes) -> str:
    """The secret as its receiver enters it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(id: UUID, at: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` and `webhook-signature`: one signature per secret, divided by spaces."""
    stamp = str(int(at.timestamp()))
    signed = f"{id}.{stamp}.".encode() + body
    made = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": str(id),
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in made),
    }
