"""How orders went: how long each step took, what came back, what went wrong."""

from datetime import date
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import figures
from services.backoffice.figures import LEAD, Period
from services.backoffice.pages import English
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.views.reports.asked import Asked
from services.backoffice.views.reports.shape import Report, number, share, took
from services.backoffice.words import N_

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


async def lead_times(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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


async def returns(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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


async def perfect(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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


async def errors(conn: AsyncConnection, w: English, period: Period, asked: Asked) -> Report:
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
