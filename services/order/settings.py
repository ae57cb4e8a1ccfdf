"""Settings of the order service, from the environment (prefix COMPTOIR_)."""

from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from services.order.domain import Policy
from services.order.withdrawal import Terms
from shared.settings import YEARS_S, ServiceSettings, TimeZone


class Settings(ServiceSettings):
    """How long an order waits, on top of what every service needs."""

    pay_by_card_h: float = Field(
        24, gt=0, le=YEARS_S / 3600, description="hours until an unpaid card order is cancelled"
    )
    pay_by_transfer_d: float = Field(
        14, gt=0, le=YEARS_S / 86_400, description="days until an unpaid bank transfer order is cancelled"
    )
    pay_by_terms_h: float = Field(1, gt=0, le=YEARS_S / 3600, description="hours that a credit check may take")
    answer_min: float = Field(
        15, gt=0, le=YEARS_S / 60, description="minutes until an unanswered service is asked again"
    )
    consent_d: float = Field(7, gt=0, le=YEARS_S / 86_400, description="days a customer has to agree to a later date")
    no_consent: Literal["wait", "cancel"] = Field("wait", description="what silence about a later date means")
    closed_h: float = Field(24, gt=0, description="hours until a warehouse that refused an order is asked again")
    postage_vat: Literal["own", "goods"] = Field(
        "own",
        description="VAT of postage whose rate the channel leaves open: its own, or split over the rates of the goods",
    )
    address_check: bool = Field(
        True, description="hold orders of goods whose address lacks name, street, city or country"
    )
    withdrawal_d: int = Field(14, ge=0, le=365, description="days a customer has to withdraw after the last delivery")
    send_back_d: int = Field(14, ge=1, le=365, description="days a customer has to send back after withdrawing")
    time_zone: TimeZone = Field("UTC", description="where the shop's days begin, as Europe/Brussels")

    def policy(self) -> Policy:
        return Policy(
            pay_by={
                "card": timedelta(hours=self.pay_by_card_h),
                "bank_transfer": timedelta(days=self.pay_by_transfer_d),
                "terms": timedelta(hours=self.pay_by_terms_h),
            },
            answer=timedelta(minutes=self.answer_min),
            consent=timedelta(days=self.consent_d),
            no_consent=self.no_consent,
            ask_refused_again=timedelta(hours=self.closed_h),
            postage_vat=self.postage_vat,
            address_check=self.address_check,
            withdrawal=Terms(self.withdrawal_d, self.send_back_d, ZoneInfo(self.time_zone)),
        )
