"""The payment provider behind a port. An adapter never raises for a failed call: not knowing is an answer."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import httpx

from shared import clock
from shared.contracts.billing import CallProvider, ProviderAnswered
from shared.outward import outward

DECLINING: Final = "tok_decline"
"""The token that development providers decline."""


class Provider(Protocol):
    async def perform(self, call: CallProvider) -> ProviderAnswered:
        """Does, or asks what became of, one operation. The call's key makes repeating it safe."""

    async def close(self) -> None: ...


class InstantProvider:
    """Approves everything in process, for benchmarks and first steps; the token tok_decline is declined."""

    def __init__(self, holds_for: timedelta = timedelta(days=7), now: Callable[[], datetime] = clock.now) -> None:
        self.holds_for, self.now = holds_for, now

    async def perform(self, call: CallProvider) -> ProviderAnswered:
        if call.kind == "authorise" and call.token == DECLINING:
            return answer(call, "refused", reason="declined")
        expires_at = self.now() + self.holds_for if call.kind == "authorise" else None
        return answer(call, "ok", reference=f"instant:{call.idempotency_key}", expires_at=expires_at)

    async def close(self) -> None:
        """Nothing is open."""


class HttpProvider:
    """The provider's HTTP API. A time-out, a 5xx or an answer that cannot be read is `unknown`, never failed (F28)."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None, *, timeout_s: float = 10.0) -> None:
        self.client = outward(url, timeout_s=timeout_s, by_proxy=True, transport=transport)

    async def perform(self, call: CallProvider) -> ProviderAnswered:
        try:
            return await self._perform(call)
        except httpx.HTTPError as error:
            return answer(call, "unknown", reason=f"{type(error).__name__}: {error}".rstrip(": "))

    async def _perform(self, call: CallProvider) -> ProviderAnswered:
        if call.query:
            response = await self.client.get(f"/operations/{call.idempotency_key}")
            if response.status_code != 404:
                return read(call, response)
        # Never seen, or not yet: the same key can happen once only, so sending it again is the surest question.
        body = {
            "kind": call.kind,
            "amount": format(call.amount, "f"),
            "currency": call.currency,
            "token": call.token,
            "authorisation": call.authorisation,
        }
        headers = {"Idempotency-Key": call.idempotency_key}
        return read(call, await self.client.post("/operations", json=body, headers=headers))

    async def close(self) -> None:
        await self.client.aclose()


def read(call: CallProvider, response: httpx.Response) -> ProviderAnswered:
    """The provider's answer in our words."""
    if response.status_code not in (200, 201, 402):
        return answer(call, "unknown", reason=f"HTTP {response.status_code}")
    try:
        body: dict[str, Any] = response.json()
        refused = response.status_code == 402 or body["outcome"] == "refused"
        if not refused and body["outcome"] != "ok":
            raise ValueError(body["outcome"])
        expires = body.get("expires_at")
        return answer(
            call,
            "refused" if refused else "ok",
            reference=str(body.get("reference", "")),
            reason=str(body.get("reason", ""))[:500],
            expires_at=datetime.fromisoformat(expires) if expires else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer(call, "unknown", reason="the provider's answer cannot be read")


def answer(call: CallProvider, outcome: Any, **more: Any) -> ProviderAnswered:
    return ProviderAnswered(order_id=call.order_id, operation_no=call.operation_no, outcome=outcome, **more)


def provider(url: str, timeout_s: float = 10.0) -> Provider:
    """The adapter that the setting names."""
    return InstantProvider() if url == "instant:" else HttpProvider(url, timeout_s=timeout_s)
