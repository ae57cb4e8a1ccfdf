"""Settings of the back office, from the environment (prefix COMPTOIR_)."""

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from services.backoffice.domain import Policy
from services.backoffice.languages import LANGUAGES, PSEUDO
from services.backoffice.paper import Seller
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where the owners of the facts answer, on top of what every service needs."""

    order_url: str = Field("http://127.0.0.1:8001", description="the order service's HTTP address")
    inventory_url: str = Field("http://127.0.0.1:8002", description="inventory's")
    fulfilment_url: str = Field("http://127.0.0.1:8003", description="fulfilment's")
    billing_url: str = Field("http://127.0.0.1:8004", description="billing's")
    owner_timeout_s: float = Field(5.0, gt=0, le=60, description="seconds to wait for an owner's answer")
    gather_ms: int = Field(100, ge=0, le=10_000, description="how long looks at orders are gathered into one request")
    time_zone: str = Field("UTC", description="where the shop's days begin, as Europe/Brussels")
    languages: str = Field(
        ",".join(LANGUAGES), description="which the pages are offered in; the first is for whoever wants none of them"
    )
    shop_name: str = Field("Comptoir", max_length=60, description="what the pages call the shop")

    @field_validator("time_zone")
    @classmethod
    def is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError) as error:
            raise ValueError(f"not a time zone that is known here: {error}") from None
        return name

    @field_validator("languages")
    @classmethod
    def are_known(cls, names: str) -> str:
        known = (*LANGUAGES, PSEUDO)
        if not (offered := names.replace(" ", "").split(",")) or not set(offered) <= set(known):
            raise ValueError(f"languages are some of {', '.join(known)}, divided by commas")
        return ",".join(offered)

    shop_address: str = Field("", max_length=300, description="the shop's address on documents, lines divided by |")
    shop_vat_number: str = Field("", max_length=30, description="the shop's VAT number on documents")

    def seller(self) -> Seller:
        lines = tuple(line.strip() for line in self.shop_address.split("|") if line.strip())
        return Seller(self.shop_name, lines, self.shop_vat_number.strip())

    def policy(self) -> Policy:
        return Policy()

    def owners(self) -> dict[str, str]:
        return {
            "order": self.order_url,
            "inventory": self.inventory_url,
            "fulfilment": self.fulfilment_url,
            "billing": self.billing_url,
        }
