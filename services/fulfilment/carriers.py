"""The carrier behind a port: buys and voids labels. Called by a worker, outside any transaction.

What is not known is said to be unknown, never failed: the label may exist (R-35).
"""

from typing import Any, Protocol

import httpx
from pydantic import BaseModel, Field, ValidationError

from shared.contracts.fulfilment import CallCarrier, LabelAnswered
from shared.outward import outward


class Carrier(Protocol):
    """Performs one label operation. Never raises for a call that failed: the answer says so."""

    async def perform(self, call: CallCarrier) -> LabelAnswered: ...

    async def close(self) -> None: ...


class InstantCarrier:
    """Has a label for every parcel at once and needs nobody: for demonstrations and measurements."""

    async def perform(self, call: CallCarrier) -> LabelAnswered:
        number = call.idempotency_key.replace("-", "")[-12:].upper()
        return LabelAnswered(
            shipment_id=call.shipment_id,
            operation=call.operation,
            outcome="ok",
            tracking=f"TR{number}",
            label_id=call.label_id or f"LB{number}",
        )

    async def close(self) -> None:
        return None


class Label(BaseModel):
    """What a carrier says of a label."""

    label_id: str = Field(min_length=1, max_length=200)
    tracking: str = Field(max_length=200)


class HttpCarrier:
    """A carrier with a REST interface: POST /labels under an idempotency key, DELETE /labels/{id}, refund claims."""

    def __init__(self, url: str, *, timeout_s: float = 10.0, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.client = outward(url, timeout_s=timeout_s, by_proxy=True, transport=transport)

    async def close(self) -> None:
        await self.client.aclose()

    async def perform(self, call: CallCarrier) -> LabelAnswered:
        try:
            return await (self.buy(call) if call.operation == "buy" else self.void(call))
        except (httpx.HTTPError, ValidationError, ValueError) as error:
            return answer(call, "unknown", f"{type(error).__name__}: {error}")

    async def buy(self, call: CallCarrier) -> LabelAnswered:
        response = await self.client.post(
            "/labels",
            headers={"Idempotency-Key": call.idempotency_key},
            json={
                "reference": str(call.shipment_id),
                "service_level": call.service_level,
                "address": call.address.model_dump(mode="json"),
                "weight_g": call.weight_g,
            },
        )
        if response.status_code in (200, 201):
            label = Label.model_validate_json(response.content)
            return answer(call, "ok", label_id=label.label_id, tracking=label.tracking)
        return refused_or_unknown(call, response)

    async def void(self, call: CallCarrier) -> LabelAnswered:
        """Past the manifest a label cannot be voided: its price is claimed back instead (SC-27)."""
        response = await self.client.delete(f"/labels/{call.label_id}")
        if response.status_code == 409:
            claim = await self.client.post(
                f"/labels/{call.label_id}/refund", headers={"Idempotency-Key": call.idempotency_key}
            )
            if claim.status_code in (200, 201, 202):
                return answer(call, "ok", "claimed", label_id=call.label_id)
            return refused_or_unknown(call, claim)
        if response.status_code in (200, 204):
            return answer(call, "ok", label_id=call.label_id)
        return refused_or_unknown(call, response)


def answer(call: CallCarrier, outcome: Any, reason: str = "", label_id: str = "", tracking: str = "") -> LabelAnswered:
    return LabelAnswered(
        shipment_id=call.shipment_id,
        operation=call.operation,
        outcome=outcome,
        reason=reason[:500],
        label_id=label_id or (call.label_id if call.operation == "void" else ""),
        tracking=tracking,
    )


def refused_or_unknown(call: CallCarrier, response: httpx.Response) -> LabelAnswered:
    """A 4xx is a plain no, but for those that only mean "not now"; everything else says nothing about the label."""
    if response.status_code in (400, 404, 409, 410, 422):
        try:
            title = str(response.json().get("title", ""))
        except (ValueError, AttributeError):
            title = ""
        return answer(call, "refused", title or f"HTTP {response.status_code}")
    return answer(call, "unknown", f"HTTP {response.status_code}")


def carrier_at(url: str, timeout_s: float = 10.0) -> Carrier:
    """`instant:` or the address of a carrier's interface."""
    return InstantCarrier() if url.startswith("instant:") else HttpCarrier(url, timeout_s=timeout_s)
