"""Settings of inventory."""

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pydantic import Field

from services.inventory.domain import House, Policy
from shared.contracts.money import unit_of
from shared.settings import ServiceSettings, TimeZone


class Settings(ServiceSettings):
    """What an operator may decide about stock."""

    serve_at_once: int = Field(64, ge=1, le=64, description="waiting lines that one transaction serves")
    promise_grace_days: int = Field(1, ge=0, le=30, description="a promised day is broken so many days after it began")

    announce_after_s: float = Field(
        5, ge=0, le=3600, description="channels are told of a SKU's stock so long after it changed; 0: never"
    )

    demand_weeks: int = Field(
        12, ge=1, le=104, description="reorder points are proposed by the demand of so many weeks"
    )
    cover_days: int = Field(14, ge=1, le=365, description="days of demand between a proposed reorder point and level")
    reorder_safety: Decimal = Field(
        Decimal("1.65"), ge=0, le=5, description="z of the proposed safety stock: 1.65 suffices in 95 of 100 times"
    )

    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="the house's: stock is valued in it")
    time_zone: TimeZone = Field("UTC", description="where days of reports of stock's value begin, as Europe/Brussels")
    valued_after_s: float = Field(
        30, ge=0, le=3600, description="movements are valued so long after they were decided; others still commit then"
    )

    def house(self) -> House:
        return House(unit_of(self.currency), ZoneInfo(self.time_zone))

    def policy(self) -> Policy:
        return Policy(
            serve_at_once=self.serve_at_once,
            promise_grace_days=self.promise_grace_days,
            demand_weeks=self.demand_weeks,
            cover_days=self.cover_days,
            safety=self.reorder_safety,
            announce_after=timedelta(seconds=self.announce_after_s) if self.announce_after_s else None,
        )
