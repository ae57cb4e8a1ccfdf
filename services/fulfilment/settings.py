"""Settings of fulfilment."""

from datetime import timedelta

from pydantic import Field, SecretStr

from services.fulfilment.domain import Policy
from shared.settings import YEARS_S, InstantOrHttp, ServiceSettings


class Settings(ServiceSettings):
    """How the warehouses work and who carries their parcels."""

    warehouses_automatic: bool = Field(False, description="every warehouse picks, packs and hands over by itself")
    automatic_warehouses: str = Field("", description="or only these, separated by commas")
    automatic_returns: bool = Field(False, description="announced returns arrive whole and go back to stock")
    deliver_after_s: float | None = Field(
        None,
        ge=0,
        le=YEARS_S,
        description="seconds until a parcel of an automatic warehouse arrives; unset: tracking says so",
    )
    call_carrier: bool = Field(True, description="off: no carrier contract, parcels leave without a label")
    carrier_url: InstantOrHttp = Field(
        "instant:", description="instant: (a label at once) or the carrier's http(s) address"
    )
    carrier_name: str = Field("carrier", max_length=64, description="its name for people")
    carrier_timeout_s: float = Field(10.0, gt=0, le=120)
    carrier_webhook_secrets: SecretStr = Field(
        SecretStr(""), description="what its webhooks are signed with, separated by commas; empty: none are taken"
    )
    return_within_days: int = Field(30, ge=1, le=3650, description="a customer's return is closed after this")

    def policy(self) -> Policy:
        return Policy(
            automatic=self.warehouses_automatic,
            automatic_warehouses=frozenset(parts(self.automatic_warehouses)),
            call_carrier=self.call_carrier,
            carrier=self.carrier_name,
            deliver_after=None if self.deliver_after_s is None else timedelta(seconds=self.deliver_after_s),
            automatic_returns=self.automatic_returns,
            return_within=timedelta(days=self.return_within_days),
        )

    def webhook_secrets(self) -> list[str]:
        return parts(self.carrier_webhook_secrets.get_secret_value())


def parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
