"""Billing's settings."""

from decimal import Decimal, InvalidOperation

from pydantic import Field, field_validator

from services.billing.domain import Policy
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    payment_provider_url: str = Field(
        "instant:", description="where the payment provider answers; instant: approves in process, without network"
    )
    payment_provider_timeout_s: float = Field(
        10.0,
        gt=0,
        le=25,
        description="seconds until it is not known what became of a call",
    )
    payment_webhook_secrets: str = Field(
        "", description="secrets of the provider's webhooks, separated by commas; two are valid during a rotation"
    )
    credit_limit: Decimal = Field(Decimal(5000), ge=0, description="highest amount of an order on terms")

    refund_limits: str = Field(
        "support=50,finance=250,admin=250",
        description="per role what a person may give back of one order alone, in its currency; above it another person "
        "must approve, and a role that is not here may give back nothing alone",
    )
    refund_approvers: str = Field("finance,admin", description="roles that may approve refunds of others")

    @field_validator("refund_limits")
    @classmethod
    def limits_are_amounts(cls, text: str) -> str:
        limits(text)
        return text

    def policy(self) -> Policy:
        return Policy(
            credit_limit=self.credit_limit,
            refund_limits=limits(self.refund_limits),
            refund_approvers=frozenset(filter(None, (role.strip() for role in self.refund_approvers.split(",")))),
        )


def limits(text: str) -> dict[str, Decimal]:
    """Amounts by role, of `role=amount,role=amount`. Raises ValueError with what cannot be read."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, _, amount = (each.strip() for each in part.partition("="))
        try:
            limit = Decimal(amount)
        except InvalidOperation:
            limit = Decimal(-1)
        if not role or not limit.is_finite() or limit < 0:
            raise ValueError(f"{part!r} is no role=amount")
        found[role] = limit
    return found
