"""Settings of inventory."""

from pydantic import Field

from services.inventory.domain import Policy
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """What an operator may decide about stock."""

    serve_at_once: int = Field(64, ge=1, le=64, description="waiting lines that one transaction serves")
    promise_grace_days: int = Field(1, ge=0, le=30, description="a promised day is broken so many days after it began")

    def policy(self) -> Policy:
        return Policy(serve_at_once=self.serve_at_once, promise_grace_days=self.promise_grace_days)
