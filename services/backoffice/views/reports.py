"""Reports: figures of a period with a picture, the table behind it, and the same table as CSV."""

import csv
import io
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from babel.dates import get_day_names
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import figures
from services.backoffice.charts import bars
from services.backoffice.figures import LEAD, Period
from services.backoffice.owners import SKUS_AT_ONCE, Owners
from services.backoffice.pages import English, Pages
from services.backoffice.queries import Reading
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.views.orders import cell as safe
from services.backoffice.words import N_

Item = dict[str, Any]
SHOWN, DRAWN = 100, 12
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
    "vat": N_("VAT"),
    "outlook": N_("Outlook"),
}
RANKED = ("products", "brands", "categories")
"""By amount or by pieces."""
PERIODS = (
    ("7", N_("Last 7 days")),
    ("30", N_("Last 30 days")),
    ("90", N_("Last 90 days")),
    ("365", N_("Last 365 days")),
)
AHEAD_DAYS = 28
"""How far the outlook looks."""
STEP = {"day": N_("Day"), "week": N_("Week"), "month": N_("Month")}
LONGEST = timedelta(days=20 * 366)
FAULTS = {
    "incomplete": N_("Pieces were given up"),
    "short": N_("Pieces were not found in the warehouse"),
    "returned": N_("Pieces came back"),
    "late": N_("Handed over after the promised day"),
    "refused": N_("A parcel came back"),
}
IN_SHORT = (N_("perfect"), N_("incomplete"), N_("short"), N_("returned"), N_("late"), N_("parcel refused"))
"""The bars of perfect orders and of each fault."""
ERRORS = {
    "item": (N_("wrong item"), N_("Another product was sent")),
    "bin": (N_("wrong bin"), N_("Another product lay in the bin")),
    "address": (N_("wrong address"), N_("The address was wrong")),
    "refused": (N_("parcel refused"), N_("A parcel came back")),
    "late": (N_("late"), N_("Handed over after the promised day")),
}
"""What goes wrong with an order: in short, and in words."""


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


@dataclass(frozen=True, slots=True)
class Report:
    """What one report came to: the answer in a sentence, bars (label, figure), and its tables, one of them the CSV."""

    says: str
    drawn: Sequence[tuple[str, int]]
    unit: str
    tables: tuple[Table, ...]
    exported: int = 0

    @property
    def csv(self) -> Table:
        return self.tables[self.exported]


def begins(pages: Pages, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=pages.zone).astimezone(UTC)


async def made(
    reading: Reading, pages: Pages, owners: Owners, what: str, asked: Asked
) -> tuple[Report, Asked, list[str]]:
    """One report with the currency it is in, and the currencies there are. Raises Away or Said.

    No connection is kept while an owner is asked.
    """
    start, end = begins(pages, asked.since), begins(pages, asked.until + timedelta(days=1))
    async with reading() as conn:
        known = await figures.currencies(conn, start, end)
    asked = replace(asked, currency=asked.currency or (known[0] if known else "EUR"))
    period = Period(start, end, str(pages.zone), asked.currency)
    w = pages.words.within(asked.currency)
    if what == "vat":
        return await _vat(w, owners, period), asked, known
    if what == "outlook":
        return await _outlook(reading, w, owners, period, (asked.until - asked.since).days + 1), asked, known
    if what in GROUPED:
        return await _grouped(reading, w, owners, period, asked, what), asked, known
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


def as_csv(table: Table) -> str:
    """The table for other programs: plain figures, and no cell that is taken for a formula (S20)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.title for column in table.columns])
    for row in table.rows:
        writer.writerow(
            [of.data if column.num else safe(of.data) for of, column in zip(row, table.columns, strict=True)]
        )
    return text.getvalue()


def number(w: English, n: int | Decimal) -> Cell:
    return Cell(w.number(n), plain=f"{n:f}" if isinstance(n, Decimal) else str(n))


def amount(w: English, value: Decimal) -> Cell:
    exact = Decimal(value).quantize(Decimal("0.01"))
    return Cell(w.money(exact), plain=f"{exact:f}")


def share(w: English, part: int | Decimal, of: int | Decimal) -> Cell:
    rate = (Decimal(100) * part / of).quantize(Decimal("0.1")) if of else Decimal(0)
    return Cell(w.percent(rate), plain=f"{rate:f}")


def _sums(w: English, title: str, caption: str, rows: Iterable[Item], name: Callable[[Item], Cell]) -> Table:
    """One row per key: orders, pieces, amount."""
    columns = (
        Column(title),
        Column(w.say("Orders"), True),
        Column(w.say("Pieces"), True),
        Column(w.say("Without VAT"), True),
    )
    cells = [[name(of), number(w, of["orders"]), number(w, of["pieces"]), amount(w, of["net"])] for of in rows]
    return Table(caption, columns, cells)


def _drawn(rows: Sequence[Item], label: Callable[[Item], str]) -> list[tuple[str, int]]:
    return [(label(of), int(of["net"])) for of in rows]


def _total(w: English, rows: Sequence[Item]) -> str:
    net, orders = sum((of["net"] for of in rows), Decimal(0)), sum(of["orders"] for of in rows)
    return w.many(
        "%(net)s without VAT from %(n)d order.", "%(net)s without VAT from %(n)d orders.", orders, net=w.money(net)
    )


async def _revenue(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.over_time(conn, period, asked.step)
    title = w.say(STEP[asked.step])
    table = _sums(w, title, w.say("Revenue over time"), rows, lambda of: Cell(of["key"]))
    return Report(_total(w, rows), _drawn(rows, lambda of: str(of["key"])), asked.currency, (table,))


async def _products(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.products(conn, period, asked.by)

    def name(of: Item) -> Cell:
        return Cell(of["key"], f"/stock/{quote(of['key'], safe='')}", of["name"])

    says = w.say("Nothing was sold.")
    if rows:
        says = w.say(
            "%(name)s sold most: %(pieces)s pieces for %(net)s.",
            name=rows[0]["name"] or rows[0]["key"], pieces=w.number(rows[0]["pieces"]), net=w.money(rows[0]["net"]),
        )  # fmt: skip
    table = _sums(w, w.say("Product"), w.say("Products, what sold most first"), rows, name)
    return _ranked(w, says, rows, asked, table)


def _ranked(w: English, says: str, rows: Sequence[Item], asked: Asked, table: Table) -> Report:
    """Drawn by what it is ranked by."""
    by, unit = ("pieces", w.say("pieces")) if asked.by == "pieces" else ("net", asked.currency)
    return Report(says, [(of["key"] or "?", int(of[by])) for of in rows[:DRAWN]], unit, (table,))


@dataclass(frozen=True, slots=True)
class Group:
    """A field of a product in the catalogue that sales are summed by, and what its report says."""

    field: str
    title: str
    caption: str
    none: str


GROUPED = {
    "brands": Group(
        "brand", N_("Brand"), N_("Brands, what sold most first"), N_("The catalogue names no brand of what was sold.")
    ),
    "categories": Group(
        "category",
        N_("Category"),
        N_("Categories, what sold most first"),
        N_("The catalogue names no category of what was sold."),
    ),
}


async def _grouped(reading: Reading, w: English, owners: Owners, period: Period, asked: Asked, what: str) -> Report:
    """By what the order service's catalogue says of each product now, also of what was sold before it said so."""
    group = GROUPED[what]
    async with reading() as conn:
        sold = await figures.skus(conn, period)
    known = await owners.by_sku("order", "/products", sold, limit=SKUS_AT_ONCE)
    async with reading() as conn:
        rows = await figures.grouped(conn, period, {sku: of[group.field] for sku, of in known.items()}, asked.by)
    named = next((of for of in rows if of["key"]), None)
    says = w.say("Nothing was sold.") if not rows else w.say(group.none)
    if named:
        says = w.say(
            "%(name)s sold most: %(pieces)s pieces for %(net)s.",
            name=named["key"], pieces=w.number(named["pieces"]), net=w.money(named["net"]),
        )  # fmt: skip
    table = _sums(w, w.say(group.title), w.say(group.caption), rows, lambda of: Cell(of["key"] or w.say("not named")))
    return _ranked(w, says, rows, asked, table)


async def _customers(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows, all_ = await figures.customers(conn, period), await figures.whole(conn, period)
    again = sum(of["orders"] > 1 for of in rows)

    def name(of: Item) -> Cell:
        return Cell(of["key"], f"/customers/{quote(of['key'], safe='')}", of["name"])

    says = w.many(
        "%(n)d customer ordered, %(again)s of those shown more than once.",
        "%(n)d customers ordered, %(again)s of those shown more than once.",
        all_["customers"], again=w.number(again),
    )  # fmt: skip
    table = _sums(w, w.say("Customer"), w.say("Customers, who bought most first"), rows, name)
    return Report(says, _drawn(rows[:DRAWN], lambda of: str(of["key"])), asked.currency, (table,))


async def _countries(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.countries(conn, period)
    table = _sums(w, w.say("Country"), w.say("Countries"), rows, lambda of: Cell(of["key"] or w.say("not named")))
    return Report(_total(w, rows), _drawn(rows[:DRAWN], lambda of: of["key"] or "?"), asked.currency, (table,))


async def _channels(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.channels(conn, period)

    def name(of: Item) -> Cell:
        return Cell(of["key"], f"/orders?{urlencode({'channel': of['key'], 'since': asked.since.isoformat()})}")

    table = _sums(w, w.say("Channel"), w.say("Channels"), rows, name)
    return Report(_total(w, rows), _drawn(rows[:DRAWN], lambda of: str(of["key"])), asked.currency, (table,))


async def _weekdays(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    names = get_day_names("wide", locale=w.locale)
    rows = _filled(await figures.weekdays(conn, period), range(7))
    table = _sums(w, w.say("Weekday"), w.say("Weekdays"), rows, lambda of: Cell(names[of["key"]]))
    return Report(_total(w, rows), _drawn(rows, lambda of: names[of["key"]][:3]), asked.currency, (table,))


async def _hours(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = _filled(await figures.hours(conn, period), range(24))
    table = _sums(w, w.say("Hour"), w.say("Hours"), rows, lambda of: Cell(f"{of['key']:02d}:00"))
    return Report(_total(w, rows), _drawn(rows, lambda of: f"{of['key']:02d}"), asked.currency, (table,))


def _filled(rows: Sequence[Item], keys: Iterable[int]) -> list[Item]:
    """Also what nothing was sold at."""
    known = {of["key"]: of for of in rows}
    return [known.get(key, {"key": key, "orders": 0, "pieces": 0, "net": Decimal(0)}) for key in keys]


def took(w: English, seconds: Decimal) -> str:
    """A span in the largest unit that keeps two figures."""
    for unit, name in ((86400, N_("%(n)s days")), (3600, N_("%(n)s hours")), (60, N_("%(n)s minutes"))):
        if seconds >= 2 * unit:
            return w.say(name, n=w.number((seconds / unit).quantize(Decimal("0.1"))))
    return w.say("%(n)s seconds", n=w.number(seconds.quantize(Decimal("0.1"))))


async def _lead_times(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.lead_times(conn, period)
    columns = (
        Column(w.say("Step")),
        Column(w.say("Orders"), True),
        Column(w.say("Median"), True),
        Column(w.say("Slowest tenth above"), True),
    )
    cells = []
    for of in rows:
        first, last, *_ = LEAD[of["step"]]
        cells.append(
            [
                Cell(f"{w.say(first)} → {w.say(last)}"),
                number(w, of["orders"]),
                *(Cell(took(w, of[name]), plain=f"{of[name]:.3f}") for name in ("median", "slow")),
            ]
        )
    steps = [of for of in rows if of["step"] != len(LEAD) - 1]
    says = w.say("No order took a step yet.")
    if steps:
        slowest = max(steps, key=lambda of: of["median"])
        first, last, *_ = LEAD[slowest["step"]]
        says = w.say(
            "From %(first)s to %(last)s takes longest: %(took)s for half of the orders.",
            first=w.say(first), last=w.say(last), took=took(w, slowest["median"]),
        )  # fmt: skip
    drawn = [(w.say(LEAD[of["step"]][1]), int(of["median"] / 60)) for of in steps]
    return Report(says, drawn, w.say("minutes, median"), (Table(w.say("Time of each step"), columns, cells),))


async def _returns(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows, why = await figures.returned(conn, period, asked.step), await figures.reasons(conn, period)
    columns = (
        Column(w.say("Placed in")),
        Column(w.say("Pieces out"), True),
        Column(w.say("Pieces back"), True),
        Column(w.say("Return rate"), True),
        Column(w.say("Orders with a return"), True),
    )
    cells = [
        [
            Cell(of["key"]),
            number(w, of["shipped"]),
            number(w, of["returned"]),
            share(w, of["returned"], of["shipped"]),
            number(w, of["with_return"]),
        ]
        for of in rows
    ]
    out, back = sum(of["shipped"] for of in rows), sum(of["returned"] for of in rows)
    says = w.say(
        "%(back)s of %(out)s pieces came back: %(rate)s.",
        back=w.number(back), out=w.number(out), rate=share(w, back, out).text,
    )  # fmt: skip
    second = Table(
        w.say("Reasons"),
        (Column(w.say("Reason")), Column(w.say("Returns"), True), Column(w.say("Pieces"), True)),
        [
            [Cell(w.heard(of["key"]) or w.say("not said")), number(w, of["returns"]), number(w, of["pieces"])]
            for of in why
        ],
    )
    tables = (Table(w.say("Returns"), columns, cells), *([second] if why else []))
    return Report(says, [(of["key"], int(of["returned"])) for of in rows], w.say("pieces back"), tables)


async def _perfect(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    found = await figures.perfect(conn, period)
    rate = share(w, found["perfect"], found["ended"])
    says = w.say(
        "%(n)s of %(of)s orders that came to their end had no fault: %(rate)s.",
        n=w.number(found["perfect"]), of=w.number(found["ended"]), rate=rate.text,
    )  # fmt: skip
    rows = [(N_("Without a fault"), found["perfect"]), *((text, found[name]) for name, text in FAULTS.items())]
    columns = (Column(w.say("What")), Column(w.say("Orders"), True), Column(w.say("Share"), True))
    cells = [[Cell(w.say(text)), number(w, n), share(w, n, found["ended"])] for text, n in rows]
    drawn = [(w.say(text), n) for text, (_, n) in zip(IN_SHORT, rows, strict=True)]
    return Report(
        says, drawn, w.say("orders"), (Table(w.say("Orders by fault; one may have several"), columns, cells),)
    )


async def _errors(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    found, rows = await figures.errors(conn, period), await figures.with_errors(conn, period)
    says = w.say(
        "%(n)s of %(of)s orders had an error: %(rate)s.",
        n=w.number(found["wrong"]), of=w.number(found["orders"]),
        rate=share(w, found["wrong"], found["orders"]).text,
    )  # fmt: skip
    columns = (Column(w.say("What")), Column(w.say("Orders"), True), Column(w.say("Share"), True))
    cells = [
        [Cell(w.say(text)), number(w, found[name]), share(w, found[name], found["orders"])]
        for name, (_, text) in ERRORS.items()
    ]
    kinds = Table(w.say("Orders by error; one may have several"), columns, cells)

    def day(of: date | None) -> Cell:
        return Cell("–", plain="") if of is None else Cell(w.day(of), plain=of.isoformat())

    listed = [
        [
            Cell(of["number"], f"/orders/{quote(of['number'])}", of["name"]),
            day(of["placed_at"].astimezone(w.zone).date()),
            Cell(", ".join(w.say(short) for name, (short, _) in ERRORS.items() if of[name])),
            day(of["accepted_on"]),
            day(of["last"]),
        ]
        for of in rows
    ]
    heads = (N_("Order"), N_("Placed"), N_("Error"), N_("Promised"), N_("Handed over"))
    orders = Table(w.say("Orders with an error, newest first"), tuple(Column(w.say(head)) for head in heads), listed)
    drawn = [(w.say(short), found[name]) for name, (short, _) in ERRORS.items()]
    return Report(says, drawn, w.say("orders"), (kinds, orders), exported=1)


async def _backorders(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows, all_ = await figures.backorders(conn, period), await figures.backordered(conn, period)
    says = w.say("Nothing had to wait for stock.")
    if rows:
        says = w.many(
            "%(pieces)s pieces of %(n)d order had to wait; %(lost)s were cancelled meanwhile, %(waiting)s still wait.",
            "%(pieces)s pieces of %(n)d orders had to wait; %(lost)s were cancelled meanwhile, %(waiting)s still wait.",
            all_["orders"], pieces=w.number(all_["pieces"]), lost=w.number(all_["lost"]),
            waiting=w.number(all_["waiting"]),
        )  # fmt: skip
    heads = (
        N_("Orders"),
        N_("Pieces"),
        N_("Median"),
        N_("Longest"),
        N_("Still wait"),
        N_("Lost"),
    )
    columns = (
        Column(w.say("Product")),
        *(Column(w.say(head), True) for head in heads),
        Column(w.say("Worth in %(currency)s", currency=asked.currency), True),
    )

    def wait(seconds: Decimal | None) -> Cell:
        return Cell("–", plain="") if seconds is None else Cell(took(w, seconds), plain=f"{seconds:.0f}")

    cells = [
        [
            Cell(of["key"], f"/stock/{quote(of['key'], safe='')}", of["name"]),
            number(w, of["orders"]),
            number(w, of["pieces"]),
            wait(of["median"]),
            wait(of["longest"]),
            number(w, of["waiting"]),
            number(w, of["lost"]),
            amount(w, of["worth"]),
        ]
        for of in rows
    ]
    table = Table(w.say("Products that had to wait, and how long"), columns, cells)
    return Report(says, [(of["key"], of["orders"]) for of in rows[:DRAWN]], w.say("orders"), (table,))


async def _vat(w: English, owners: Owners, period: Period) -> Report:
    """Billing's own sums over its documents, by date of issue."""
    said = await owners.get(
        "billing", "/vat", issued_from=period.start.isoformat(), issued_before=period.end.isoformat()
    )
    columns = (
        Column(w.say("Country")),
        Column(w.say("Rate")),
        Column(w.say("Invoices"), True),
        Column(w.say("Invoiced"), True),
        Column(w.say("VAT"), True),
        Column(w.say("Credited"), True),
        Column(w.say("VAT credited"), True),
        Column(w.say("VAT to pay"), True),
    )
    rows, due = [], Decimal(0)
    for of in said["items"]:
        if of["currency"] != period.currency:
            continue
        sums = {name: Decimal(str(of[name])) for name in ("net", "vat", "credited_net", "credited_vat")}
        left = sums["vat"] - sums["credited_vat"]
        due += left
        rows.append(
            [
                Cell(of["country"] or w.say("not named")),
                Cell(f"{of['category']} {w.percent(Decimal(str(of['rate'])))}"),
                number(w, of["invoices"]),
                *(amount(w, value) for value in (*sums.values(), left)),
            ]
        )
    drawn = [(f"{row[0].text} {row[1].text}", int(Decimal(row[7].plain))) for row in rows[:DRAWN]]
    says = w.say("%(due)s VAT on documents of the period, credits taken off.", due=w.money(due))
    table = Table(w.say("VAT by country and rate, by date of issue"), columns, rows)
    return Report(says, [bar for bar in drawn if bar[1] > 0], period.currency, (table,))


async def _outlook(reading: Reading, w: English, owners: Owners, period: Period, days: int) -> Report:
    """What sells on as in the period, against what inventory has free: which products run out, and when.

    Plain on purpose: pieces a day of the period, and its two halves beside each other, so that whoever reads it sees
    what it rests on. A product that is not kept in stock never runs out.
    """
    async with reading() as conn:
        rows = await figures.pace(conn, period)
    there = await owners.by_sku("inventory", "/availability", (of["key"] for of in rows))
    columns = (
        Column(w.say("Product")),
        Column(w.say("Sold"), True),
        Column(w.say("Second half against first"), True),
        Column(w.say("Expected in %(days)s days", days=AHEAD_DAYS), True),
        Column(w.say("Free"), True),
        Column(w.say("Lasts days"), True),
        Column(w.say("Short"), True),
        Column(w.say("More from")),
    )
    told = []
    for of in rows:
        stock = there.get(of["key"], {})
        free = stock.get("available") if stock.get("known") else None
        expected = -(-of["pieces"] * AHEAD_DAYS // days)
        lasts = None if free is None else free * days // of["pieces"]
        told.append((lasts if lasts is not None else math.inf, -of["pieces"], of, stock, free, expected, lasts))
    told.sort(key=lambda each: each[:2])
    cells = [
        [
            Cell(of["key"], f"/stock/{quote(of['key'], safe='')}", of["name"]),
            number(w, of["pieces"]),
            _change(w, of["pieces"] - of["lately"], of["lately"]),
            number(w, expected),
            Cell("–", plain="") if free is None else number(w, free),
            Cell("–", plain="") if lasts is None else number(w, lasts),
            Cell("–", plain="") if free is None else number(w, max(0, expected - free)),
            Cell(w.day(stock["more_from"]) if stock.get("more_from") else "–", plain=stock.get("more_from") or ""),
        ]
        for _, _, of, stock, free, expected, lasts in told
    ]
    soon = sum(lasts is not None and lasts < AHEAD_DAYS for *_, lasts in told)
    says = w.many(
        "%(n)d product runs out within %(days)s days if it sells on as in these %(over)s days.",
        "%(n)d products run out within %(days)s days if they sell on as in these %(over)s days.",
        soon, days=AHEAD_DAYS, over=w.number(days),
    )  # fmt: skip
    if not rows:
        says = w.say("Nothing was sold.")
    drawn = [(of["key"], lasts) for _, _, of, _, _, _, lasts in told[:DRAWN] if lasts is not None]
    return Report(says, drawn, w.say("days until none is left"), (Table(w.say("What runs out first"), columns, cells),))


def _change(w: English, first: int, second: int) -> Cell:
    """How the second half compares with the first; nothing can be said when the first had none."""
    if not first:
        return Cell("–", plain="")
    rate = (Decimal(100) * (second - first) / first).quantize(Decimal("0.1"))
    return Cell(("+" if rate > 0 else "") + w.percent(rate), plain=f"{rate:f}")


Made = Callable[[AsyncConnection, English, Period, Asked], Awaitable[Report]]
MADE: dict[str, Made] = {
    "revenue": _revenue,
    "products": _products,
    "customers": _customers,
    "countries": _countries,
    "channels": _channels,
    "weekdays": _weekdays,
    "hours": _hours,
    "lead-times": _lead_times,
    "returns": _returns,
    "perfect-orders": _perfect,
    "errors": _errors,
    "backorders": _backorders,
}
