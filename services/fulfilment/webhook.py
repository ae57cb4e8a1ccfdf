"""Signed webhooks in the manner of Standard Webhooks: id, time and raw body under HMAC-SHA256 (S11).

Several secrets are taken at once, so that one can be replaced without a gap.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

TOLERANCE_S = 300
"""A signature older or newer than this is not taken."""


class NotGenuine(Exception):
    """The signature does not fit, or is too old."""


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def headers(secret: str, id: str, at: datetime, body: bytes) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(secret, id, timestamp, body),
        "content-type": "application/json",
    }


def verify(secrets: Sequence[str], given: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The id of a genuine webhook. Raises NotGenuine for everything else."""
    id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    said = given.get("webhook-signature", "").split()
    if not (id and said and secrets and len(id) <= 200 and timestamp.isascii() and timestamp.isdigit()):
        raise NotGenuine("webhook-id, webhook-timestamp or webhook-signature is missing")
    if abs(now.timestamp() - int(timestamp[:15])) > TOLERANCE_S:
        raise NotGenuine("the signature is too old")
    right = [signature(secret, id, timestamp, body).encode() for secret in secrets]
    if not any(hmac.compare_digest(a, b.encode("utf-8", "replace")) for a in right for b in said):
        raise NotGenuine("the signature does not fit")
    return id
