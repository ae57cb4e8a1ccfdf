"""Reports: figures of a period with a picture, the table behind it, and the same table as CSV."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import figures
from services.backoffice.charts import bars
from services.backoffice.figures import Period
from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.queries import Reading
from services.backoffice.sheets import BOM, row_of
from services.backoffice.views.cells import Table, delimiter_of, mark_of
from services.backoffice.views.orders import cell as safe
from services.backoffice.views.reports import orders, sales, stock
from services.backoffice.views.reports.asked import PERIODS, Asked
from services.backoffice.views.reports.shape import Item, Report, share
from services.backoffice.views.reports.value import VALUED, valued
from services.backoffice.views.reports.vat import vat
from services.backoffice.words import N_

__all__ = ["TITLES", "Asked", "Report", "as_csv", "made", "page", "share"]

SHOWN = 100
TITLES = {
    "revenue": N_("Revenue over time"),
    "products": N_("Products"),
    "brands": N_("Brands"),
    "categories": N_("Categories"),
    "customers": N_("Customers"),
    "countries": N_("Countries"),
    "channels": N_("Channels"),
    "weekdays": N_("Weekdays"),
    "hours": N_("Hours"),
    "lead-times": N_("Lead times"),
    "returns": N_("Returns"),
    "perfect-orders": N_("Perfect orders"),
    "errors": N_("Errors"),
    "backorders": N_("Backorders"),
    "stock-value": N_("Value of stock"),
    "cost-of-sales": N_("Cost of sales"),
    "dead-stock": N_("Dead stock"),
    "vat": N_("VAT"),
    "outlook": N_("Outlook"),
}
RANKED = ("products", "brands", "categories")
"""By amount or by pieces."""
Made = Callable[[AsyncConnection, English, Period, Asked], Awaitable[Report]]
MADE: dict[str, Made] = {
    "revenue": sales.revenue,
    "products": sales.products,
    "customers": sales.customers,
    "countries": sales.countries,
    "channels": sales.channels,
    "weekdays": sales.weekdays,
    "hours": sales.hours,
    "lead-times": orders.lead_times,
    "returns": orders.returns,
    "perfect-orders": orders.perfect,
    "errors": orders.errors,
    "backorders": stock.backorders,
}


def begins(pages: Pages, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=pages.zone).astimezone(UTC)


async def made(
    reading: Reading, pages: Pages, owners: Owners, what: str, asked: Asked
) -> tuple[Report, Asked, list[str]]:
    """One report with the currency it is in, and the currencies there are. Raises Away or Said.

    No connection is kept while an owner is asked.
    """
    if what in VALUED:
        report, currency = await valued(pages, owners, what, asked)
        return report, replace(asked, currency=currency), []
    start, end = begins(pages, asked.since), begins(pages, asked.until + timedelta(days=1))
    async with reading() as conn:
        known = await figures.currencies(conn, start, end)
    asked = replace(asked, currency=asked.currency or (known[0] if known else "EUR"))
    period = Period(start, end, str(pages.zone), asked.currency)
    w = pages.words.within(asked.currency)
    if what == "vat":
        return await vat(w, owners, period), asked, known
    if what == "outlook":
        return await stock.outlook(reading, w, owners, period, (asked.until - asked.since).days + 1), asked, known
    if what in sales.GROUPED:
        return await sales.grouped(reading, w, owners, period, asked, what), asked, known
    async with reading() as conn:
        return await MADE[what](conn, w, period, asked), asked, known


async def page(reading: Reading, pages: Pages, owners: Owners, what: str, asked: Asked, today: date) -> Item:
    """One report as a page. Raises Away or Said."""
    report, asked, known = await made(reading, pages, owners, what, asked)
    w = pages.words
    every = max(1, len(report.drawn) // 8)
    chart = None
    if report.drawn and any(n for _, n in report.drawn):
        wide = bars(report.drawn, every=every, left=60)
        narrow = bars(report.drawn, width=330, height=150, every=max(1, len(report.drawn) // 4), left=60)
        chart = {"wide": wide, "narrow": narrow, "unit": report.unit}
    return {
        "what": what,
        "title": w.say(TITLES[what]),
        "says": report.says,
        "tabs": [
            {"text": w.say(text), "href": asked.address(name), "here": name == what} for name, text in TITLES.items()
        ],
        "periods": [
            {
                "text": w.say(text),
                "href": Asked(today - timedelta(days=int(days) - 1), today, asked.currency).address(what),
                "here": (asked.since, asked.until) == (today - timedelta(days=int(days) - 1), today),
            }
            for days, text in PERIODS
        ],
        "asked": asked,
        "costs": what in VALUED,
        "currencies": known if len(known) > 1 else [],
        "chart": chart,
        "tables": [replace(table, rows=table.rows[:SHOWN]) for table in report.tables],
        "exported": report.exported,
        "more": max(0, len(report.csv.rows) - SHOWN),
        "by": [
            {"text": w.say(text), "href": asked.address(what, by=by), "here": asked.by == by}
            for by, text in (("net", N_("by amount")), ("pieces", N_("by pieces")))
        ]
        if what in RANKED
        else [],
        "csv": asked.address(f"{what}.csv", by=asked.by if what in RANKED else ""),
    }


def as_csv(pages: Pages, table: Table) -> str:
    """The table for a spreadsheet or another program: plain figures, and no cell that is taken for a formula (S20)."""
    mark, delimiter = mark_of(pages), delimiter_of(pages)
    lines = [row_of([safe(column.title) for column in table.columns], delimiter)]
    for row in table.rows:
        cells = [
            of.plain.replace(".", mark) if column.num and of.plain else safe(of.data)
            for of, column in zip(row, table.columns, strict=True)
        ]
        lines.append(row_of(cells, delimiter))
    return BOM + "".join(lines)
