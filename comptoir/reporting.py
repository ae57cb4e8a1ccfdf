"""The back office's reports after a replay, compared with figures that are computed from the file alone.

The read tables are filled from what the services sent, as `comptoir rebuild backoffice` does, and then asked as the
pages ask them.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from comptoir.rebuilding import rebuild
from comptoir.replay import CURRENCY, Retail
from comptoir.retail.figures import Difference
from comptoir.retail.reader import RetailLine, country_code, kind_of
from comptoir.suite import migrate
from services.backoffice import figures
from services.backoffice.figures import Period
from services.billing import queries as billing
from shared.database import normalised, reading_engine
from shared.settings import database_of

Tree = Mapping[str, Any]
CENT = Decimal("0.01")
RANKED = ("sku by units", "sku by amount", "customers by amount")
"""Of these the figures name the first only."""


async def compared(retail: Retail, database_url: str, expected: Tree) -> tuple[int, list[Difference]]:
    """How many figures of reports were compared, and those that are not as expected."""
    await migrate(database_url, ("backoffice",))
    await rebuild(database_url)
    first = retail.plan.first_day
    if first is None:
        return 0, []
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    period = Period(start, start + timedelta(days=3 * 366), "UTC", CURRENCY)
    engine = reading_engine(normalised(database_of(database_url, "backoffice")))
    try:
        async with engine.connect() as conn:
            ours = await reported(conn, period)
    finally:
        await engine.dispose()
    engine = reading_engine(normalised(database_of(database_url, "billing")))
    try:
        async with engine.connect() as conn:
            rates = await billing.vat(conn, None, None)
    finally:
        await engine.dispose()
    ours["vat"] = {"all": sum((row["vat"] for row in rates), Decimal(0))}
    should = flattened(expected)
    should["hour"] = by_order(should["hour"], retail.lines)
    wrong = [
        Difference(f"{name}.{key}", should[name].get(key), ours[name].get(key))
        for name in should
        for key in sorted({*should[name], *ours[name]} if name not in RANKED else should[name])
        if should[name].get(key) != ours[name].get(key)
    ]
    return sum(map(len, should.values())), wrong


def by_order(hours: Mapping[str, Any], lines: Iterable[RetailLine]) -> dict[str, Any]:
    """Figures per hour of the order. Those of a file go by its lines, and a few invoices have lines of two hours."""
    first: dict[str, str] = {}
    moved = {hour: list(sums) for hour, sums in hours.items()}
    gone: set[tuple[str, str]] = set()
    for line in lines:
        if kind_of(line) != "sale":
            continue
        at, of = f"{line.at:%H}", first.setdefault(line.invoice, f"{line.at:%H}")
        if at == of:
            continue
        for hour, sign in ((at, -1), (of, 1)):
            moved[hour][1] += sign * line.quantity
            moved[hour][2] += sign * line.amount.quantize(CENT)
        if (line.invoice, at) not in gone:
            gone.add((line.invoice, at))
            moved[at][0] -= 1
    return {hour: (n, units, amount) for hour, (n, units, amount) in moved.items()}


async def reported(conn: Any, period: Period) -> dict[str, dict[str, Any]]:
    """The reports' figures: per report and key (orders, pieces, amount)."""
    months = await figures.over_time(conn, period, "month")
    hours, weekdays = await figures.hours(conn, period), await figures.weekdays(conn, period)
    by_units, by_net = await figures.products(conn, period, "pieces"), await figures.products(conn, period)
    return {
        "whole": {"all": _three(await figures.whole(conn, period))},
        "month": {row["key"]: _three(row) for row in months},
        "weekday": {str(row["key"]): _three(row) for row in weekdays},
        "hour": {f"{row['key']:02d}": _three(row) for row in hours},
        "country": {row["key"]: _three(row) for row in await figures.countries(conn, period)},
        "sku by units": {row["key"]: _three(row)[1:] for row in by_units},
        "sku by amount": {row["key"]: _three(row)[1:] for row in by_net},
        "customers by amount": {row["key"]: _three(row) for row in await figures.customers(conn, period)},
    }


def _three(row: Mapping[str, Any]) -> tuple[int, int, Decimal]:
    return row["orders"], row["pieces"], Decimal(row["net"]).quantize(CENT)


def flattened(expected: Tree) -> dict[str, dict[str, Any]]:
    """The same of figures.json. Its amounts are exact; a report's lines are rounded to the cent, as on the invoice."""

    def of(group: Tree) -> tuple[int, int, Decimal]:
        return group["invoices"], group["units"], Decimal(group["amount"]).quantize(CENT)

    def ranked(rows: Iterable[Any]) -> dict[str, Any]:
        return {str(row[0]).removesuffix(".0"): (*row[1:-1], Decimal(row[-1]).quantize(CENT)) for row in rows}

    sums: dict[str, list[Any]] = {}
    for name, group in expected["valid_sale_by_country"].items():
        total = sums.setdefault(country_code(name), [0, 0, Decimal(0)])
        for i, value in enumerate((group["invoices"], group["units"], Decimal(group["amount"]))):
            total[i] += value
    return {
        "whole": {"all": of(expected["valid_sale"])},
        "month": {key: of(group) for key, group in expected["valid_sale_by_month"].items()},
        "weekday": {key: of(group) for key, group in expected["valid_sale_by_weekday_0_is_monday"].items()},
        "hour": {key: of(group) for key, group in expected["valid_sale_by_hour"].items()},
        "country": {code: (n, units, amount.quantize(CENT)) for code, (n, units, amount) in sums.items()},
        "sku by units": ranked(expected["top25_sku_by_units"]),
        "sku by amount": ranked(expected["top25_sku_by_amount"]),
        "customers by amount": ranked(expected["top25_customers_by_amount"]),
        "vat": {"all": Decimal(expected["vat_oracle_uk_20pct"]["tax_rounded_once_per_invoice"])},
    }
