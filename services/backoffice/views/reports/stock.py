"""Stock that was missing and that will be: what had to wait for it, and what runs out when."""

import math
from decimal import Decimal
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import figures
from services.backoffice.figures import Period
from services.backoffice.owners import Owners
from services.backoffice.pages import English
from services.backoffice.queries import Reading
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.views.reports.asked import Asked
from services.backoffice.views.reports.shape import DRAWN, Report, amount, number, took
from services.backoffice.words import N_

AHEAD_DAYS = 28
"""How far the outlook looks."""


async def backorders(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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


async def outlook(reading: Reading, w: English, owners: Owners, period: Period, days: int) -> Report:
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
