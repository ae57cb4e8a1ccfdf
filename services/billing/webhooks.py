"""Signatures of the provider's webhooks: HMAC-SHA256 over time and raw body (the form of Standard Webhooks)."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

TOLERANCE_S: Final = 300
SIGNATURE: Final = "X-Signature"
TIMESTAMP: Final = "X-Timestamp"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, sha256).hexdigest()


def genuine(secrets: Iterable[str], timestamp: str, body: bytes, signature: str, now: datetime) -> bool:
    """Signed with one of the secrets, not long ago. Compared in constant time; every secret is tried."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        return False
    given = signature.encode()
    matches = [hmac.compare_digest(sign(secret, timestamp, body).encode(), given) for secret in secrets]
    return any(matches)
