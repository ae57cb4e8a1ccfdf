"""VAT to pay, by country and rate."""

from decimal import Decimal

from services.backoffice.figures import Period
from services.backoffice.owners import Owners
from services.backoffice.pages import English
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.views.reports.shape import DRAWN, Report, amount, number


async def vat(w: English, owners: Owners, period: Period) -> Report:
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
    drawn = [(f"{row[0].text} {row[1].text}", int(Decimal(row[7].data))) for row in rows[:DRAWN]]
    says = w.say("%(due)s VAT on documents of the period, credits taken off.", due=w.money(due))
    table = Table(w.say("VAT by country and rate, by date of issue"), columns, rows)
    return Report(says, [bar for bar in drawn if bar[1] > 0], period.currency, (table,))
