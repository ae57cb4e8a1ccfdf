"""What stock is worth, what sales cost, and what lies too long, as inventory values it."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.views.reports.asked import Asked
from services.backoffice.views.reports.shape import DRAWN, Item, Report, amount, number
from services.backoffice.words import N_

VALUED = ("stock-value", "cost-of-sales", "dead-stock")
MOST, AT_ONCE = 10_000, 200
"""Products of one report, and those of one request."""
WHY = {"unsold": N_("not sold"), "overstock": N_("too much")}


async def _all(owners: Owners, path: str, **asked: Any) -> list[Item]:
    found: list[Item] = []
    after = ""
    while len(found) < MOST:
        said = await owners.get("inventory", path, limit=AT_ONCE, after=after, **asked)
        found += said["items"]
        if not (after := said.get("next") or ""):
            break
    return found


async def valued(pages: Pages, owners: Owners, what: str, asked: Asked) -> tuple[Report, str]:
    """The report and the currency of the house. Raises Away or Said."""
    if what == "stock-value":
        return await _stock(pages, owners, asked)
    return await (_sold if what == "cost-of-sales" else _dead)(pages, owners, asked)


def _product(of: Item) -> Cell:
    return Cell(of["sku"], f"/stock/{quote(of['sku'], safe='')}", of["name"])


def _none() -> Cell:
    return Cell("–", plain="")


def _money(w: English, value: object) -> Cell:
    return amount(w, Decimal(str(value)))


async def _stock(pages: Pages, owners: Owners, asked: Asked) -> tuple[Report, str]:
    """At the end of the last day that is asked for: by warehouse, and by product what is worth most first."""
    day = asked.until.isoformat()
    total = await owners.get("inventory", "/stock-value/total", day=day)
    rows = await _all(owners, "/stock-value", day=day)
    rows.sort(key=lambda of: (-Decimal(of["value"]), of["sku"]))
    w = pages.words.within(total["currency"])
    says = w.many(
        "%(pieces)s pieces of %(n)d product are worth %(value)s.",
        "%(pieces)s pieces of %(n)d products are worth %(value)s.",
        total["skus"], pieces=w.number(total["pieces"]), value=w.money(Decimal(total["value"])),
    )  # fmt: skip
    if total["final"]:
        says += " " + w.say("This will not change any more.")
    places = [
        [Cell(of["warehouse"] or w.say("in transit")), number(w, of["pieces"]), _money(w, of["value"])]
        for of in total["warehouses"]
    ]
    by_place = Table(
        w.say("Value by warehouse"),
        (Column(w.say("Warehouse")), Column(w.say("Pieces"), True), Column(w.say("Value"), True)),
        places,
    )
    columns = (
        Column(w.say("Product")),
        Column(w.say("Pieces"), True),
        Column(w.say("Cost per piece"), True),
        Column(w.say("Value"), True),
    )
    cells = [
        [
            _product(of),
            number(w, of["pieces"]),
            Cell(w.price(Decimal(of["unit_cost"])), plain=f"{Decimal(of['unit_cost']):f}"),
            _money(w, of["value"]),
        ]
        for of in rows
    ]
    by_product = Table(w.say("Value by product, what is worth most first"), columns, cells)
    drawn = [(of["sku"], int(Decimal(of["value"]))) for of in rows[:DRAWN]]
    return Report(says, drawn, total["currency"], (by_product, by_place)), total["currency"]


async def _sold(pages: Pages, owners: Owners, asked: Asked) -> tuple[Report, str]:
    """What the goods that were sold had cost, by product."""
    days = {"since": asked.since.isoformat(), "until": asked.until.isoformat()}
    total = await owners.get("inventory", "/cost-of-sales/total", **days)
    rows = await _all(owners, "/cost-of-sales", **days)
    rows.sort(key=lambda of: (-Decimal(of["cost_of_sales"]), of["sku"]))
    w = pages.words.within(total["currency"])
    says = w.say(
        "What was sold cost %(cost)s; goods for %(received)s came in.",
        cost=w.money(Decimal(total["cost_of_sales"])), received=w.money(Decimal(total["received_value"])),
    )  # fmt: skip
    if total["final"]:
        says += " " + w.say("This will not change any more.")
    heads = (
        N_("Sold"), N_("Came back"), N_("Cost of sales"), N_("Of which costs said later"), N_("Received"),
        N_("Received for"), N_("Found and lost"),
    )  # fmt: skip
    columns = (Column(w.say("Product")), *(Column(w.say(head), True) for head in heads))
    cells = [
        [
            _product(of),
            number(w, of["sold"]),
            number(w, of["returned"]),
            _money(w, of["cost_of_sales"]),
            _money(w, of["differences"]),
            number(w, of["received"]),
            _money(w, of["received_value"]),
            _money(w, of["adjusted_value"]),
        ]
        for of in rows
    ]
    drawn = [(of["sku"], int(Decimal(of["cost_of_sales"]))) for of in rows[:DRAWN]]
    table = Table(w.say("What sales cost, by product"), columns, cells)
    return Report(says, drawn, total["currency"], (table,)), total["currency"]


async def _dead(pages: Pages, owners: Owners, asked: Asked) -> tuple[Report, str]:
    """What was not sold for as many days as are asked for, or lasts twice as many: what ties up most money first."""
    days = min((asked.until - asked.since).days + 1, 3650)
    total = await owners.get("inventory", "/stock-value/total")
    rows = await _all(owners, "/dead-stock", days=days, cover=2 * days)
    w = pages.words.within(total["currency"])
    tied, whole = sum((Decimal(of["value"]) for of in rows), Decimal(0)), Decimal(total["value"])
    says = w.many(
        "%(n)d product lies too long and ties up %(value)s of %(all)s.",
        "%(n)d products lie too long and tie up %(value)s of %(all)s.",
        len(rows), value=w.money(tied), all=w.money(whole),
    )  # fmt: skip
    columns = (
        Column(w.say("Product")),
        Column(w.say("Why")),
        Column(w.say("Pieces"), True),
        Column(w.say("Value"), True),
        Column(w.say("Last sold")),
        Column(w.say("Sold in %(days)s days", days=w.number(days)), True),
        Column(w.say("Lasts days"), True),
        Column(w.say("Turnover a year"), True),
    )
    cells = []
    for of in rows:
        cover, turnover = of["days_of_cover"], of["turnover"]
        last = of["sold_at"]
        cells.append(
            [
                _product(of),
                Cell(w.say(WHY[of["why"]])),
                number(w, of["pieces"]),
                _money(w, of["value"]),
                Cell(w.day(last) if last else w.say("never"), plain=str(last or "")[:10]),
                number(w, of["sold"]),
                _none() if cover is None else number(w, cover),
                _none() if turnover is None else number(w, Decimal(turnover)),
            ]
        )
    caption = w.say(
        "Not sold for %(days)s days, or enough for more than %(cover)s", days=w.number(days), cover=w.number(2 * days)
    )
    drawn = [(of["sku"], int(Decimal(of["value"]))) for of in rows[:DRAWN]]
    return Report(says, drawn, total["currency"], (Table(caption, columns, cells),)), total["currency"]
