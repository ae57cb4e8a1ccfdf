"""What is asked of a report: days, a currency, how products are ranked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from services.backoffice.words import N_

PERIODS = (
    ("7", N_("Last 7 days")),
    ("30", N_("Last 30 days")),
    ("90", N_("Last 90 days")),
    ("365", N_("Last 365 days")),
)
LONGEST = timedelta(days=20 * 366)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days, both included, which currency (empty: the one most used), how products are ranked."""

    since: date
    until: date
    currency: str = ""
    by: str = "net"

    @classmethod
    def of(cls, query: Mapping[str, str], today: date) -> "Asked":
        """What makes no sense is the last 30 days."""
        try:
            since, until = date.fromisoformat(query.get("since", "")), date.fromisoformat(query.get("until", ""))
        except ValueError:
            days = int(query["days"]) if query.get("days") in dict(PERIODS) else 30
            since, until = today - timedelta(days=days - 1), today
        if since > until:
            since, until = until, since
        since = max(since, date(1990, 1, 1))
        until = min(max(until, since), since + LONGEST, date(2190, 1, 1))
        currency = query.get("currency", "")
        currency = currency if len(currency) == 3 and currency.isascii() and currency.isupper() else ""
        return cls(since, until, currency, "pieces" if query.get("by") == "pieces" else "net")

    @property
    def step(self) -> str:
        """What of a picture is one bar."""
        days = (self.until - self.since).days
        return "day" if days <= 45 else "week" if days <= 240 else "month"

    def address(self, what: str, **more: str) -> str:
        parts = {"since": self.since.isoformat(), "until": self.until.isoformat(), "currency": self.currency} | more
        return f"/reports/{what}?{urlencode({name: value for name, value in parts.items() if value})}"
