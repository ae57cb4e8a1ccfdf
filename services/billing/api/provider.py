"""What the payment provider tells."""

import json
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError

from services.billing.api.fields import Moment
from services.billing.settings import Settings
from services.billing.webhooks import genuine
from shared.contracts.billing import ProviderWebhook
from shared.guard import signed
from shared.http import KEYS, answered, problem

router = APIRouter()


class HintIn(BaseModel):
    """The provider's webhook. Not a Body: the provider may say more tomorrow than we read today."""

    event_id: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
    key: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}:[0-9]{1,9}$")]
    outcome: Annotated[str, Field(pattern="^(ok|refused)$")]
    reference: Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")] = ""
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""
    expires_at: Moment | None = None


@router.post("/webhooks/provider", tags=["provider"], responses={401: {"description": "Not signed by the provider"}})
@signed
async def webhook(
    request: Request,
    x_timestamp: Annotated[str, Header(max_length=20)] = "",
    x_signature: Annotated[str, Header(max_length=200)] = "",
) -> Response:
    """A result at the provider. Verified over the raw body; stored before it is answered, acted on as a hint (R-17)."""
    running = request.app.state.running
    settings: Settings = running.service.settings
    body = await request.body()
    secrets = [secret for secret in settings.payment_webhook_secrets.split(",") if secret]
    if not genuine(secrets, x_timestamp, body, x_signature, running.now()):
        return problem(401, "the signature is not valid")
    try:
        hint = HintIn.model_validate(json.loads(body))
        order_id, _, no = hint.key.partition(":")
        message = ProviderWebhook(
            order_id=UUID(order_id), operation_no=int(no), raw=body.decode(), **hint.model_dump(exclude={"key"})
        )
    except (ValidationError, ValueError, RecursionError):
        return problem(400, "the event cannot be read")
    return answered(await running.desk.ask(message, id=uuid5(KEYS, f"webhook:{hint.event_id}"), actor="provider"))
