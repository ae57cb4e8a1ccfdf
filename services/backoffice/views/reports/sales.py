"""What was sold: over time, and by product, brand, customer, country, channel, weekday and hour."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote, urlencode

from babel.dates import get_day_names
from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import figures
from services.backoffice.figures import Period
from services.backoffice.owners import SKUS_AT_ONCE, Owners
from services.backoffice.pages import English
from services.backoffice.queries import Reading
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.views.reports.asked import Asked
from services.backoffice.views.reports.shape import DRAWN, Item, Report, amount, number
from services.backoffice.words import N_

STEP = {"day": N_("Day"), "week": N_("Week"), "month": N_("Month")}


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


async def revenue(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.over_time(conn, period, asked.step)
    title = w.say(STEP[asked.step])
    table = _sums(w, title, w.say("Revenue over time"), rows, lambda of: Cell(of["key"]))
    return Report(_total(w, rows), _drawn(rows, lambda of: str(of["key"])), asked.currency, (table,))


async def products(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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


async def grouped(reading: Reading, w: English, owners: Owners, period: Period, asked: Asked, what: str) -> Report:
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


async def customers(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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


async def countries(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.countries(conn, period)
    table = _sums(w, w.say("Country"), w.say("Countries"), rows, lambda of: Cell(of["key"] or w.say("not named")))
    return Report(_total(w, rows), _drawn(rows[:DRAWN], lambda of: of["key"] or "?"), asked.currency, (table,))


async def channels(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = await figures.channels(conn, period)

    def name(of: Item) -> Cell:
        return Cell(of["key"], f"/orders?{urlencode({'channel': of['key'], 'since': asked.since.isoformat()})}")

    table = _sums(w, w.say("Channel"), w.say("Channels"), rows, name)
    return Report(_total(w, rows), _drawn(rows[:DRAWN], lambda of: str(of["key"])), asked.currency, (table,))


async def weekdays(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    names = get_day_names("wide", locale=w.locale)
    rows = _filled(await figures.weekdays(conn, period), range(7))
    table = _sums(w, w.say("Weekday"), w.say("Weekdays"), rows, lambda of: Cell(names[of["key"]]))
    return Report(_total(w, rows), _drawn(rows, lambda of: names[of["key"]][:3]), asked.currency, (table,))


async def hours(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
    rows = _filled(await figures.hours(conn, period), range(24))
    table = _sums(w, w.say("Hour"), w.say("Hours"), rows, lambda of: Cell(f"{of['key']:02d}:00"))
    return Report(_total(w, rows), _drawn(rows, lambda of: f"{of['key']:02d}"), asked.currency, (table,))


def _filled(rows: Sequence[Item], keys: Iterable[int]) -> list[Item]:
    """Also what nothing was sold at."""
    known = {of["key"]: of for of in rows}
    return [known.get(key, {"key": key, "orders": 0, "pieces": 0, "net": Decimal(0)}) for key in keys]
