"""Billing's settings."""

from decimal import Decimal

from pydantic import Field

from services.billing.domain import Policy
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    payment_provider_url: str = Field(
        "instant:", description="where the payment provider answers; instant: approves in process, without network"
    )
    payment_webhook_secrets: str = Field(
        "", description="secrets of the provider's webhooks, separated by commas; two are valid during a rotation"
    )
    credit_limit: Decimal = Field(Decimal(5000), ge=0, description="highest amount of an order on terms")

    def policy(self) -> Policy:
        return Policy(credit_limit=self.credit_limit)
