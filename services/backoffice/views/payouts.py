"""What a carrier pays out of cash on delivery: a list of parcels, typed or from a file, shown, then booked (R-19)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncConnection

from services.backoffice import queries
from services.backoffice.owners import Owners
from services.backoffice.pages import English, Pages
from services.backoffice.sheets import Mark, decimal_mark, number, sheet_of
from services.backoffice.views import uploads
from services.backoffice.views.cells import Cell, Column, Table
from services.backoffice.words import N_

Item = dict[str, Any]
MOST = 200
"""Parcels of one payout: billing looks at them and books them in one go."""
COLUMNS = (
    ("parcel", N_("Tracking number of the parcel")),
    ("order", N_("Or the number of its order, if it has one parcel")),
    ("amount", N_("What the carrier paid out for it")),
    ("fee", N_("What the carrier kept of it; may be left out")),
)
NO_PARCEL = N_("There is no parcel with this number that is out.")
NO_ORDER = N_("There is no order with this number of which a parcel is out.")
SEVERAL = N_("It has several parcels: say which, by the tracking number.")
UNSAID = N_("Say which parcel or which order it is.")
TWICE = N_("This parcel is there twice.")


@dataclass(frozen=True, slots=True)
class Line:
    """One parcel as it was typed; amounts as programs write them, or as they were where they are none."""

    row: int
    parcel: str
    order: str
    amount: str
    fee: str


@dataclass(frozen=True, slots=True)
class Known:
    """A line and its parcel; or what is wrong with it, as a sentence with its values. `told`: what billing says."""

    line: Line
    of: Item
    fault: tuple[str, dict[str, str]] | None = None
    told: Item | None = None

    @property
    def good(self) -> bool:
        """Whether booking it does something."""
        return self.told is not None and self.told["status"] < 400 and self.told["body"]["state"] == "matched"

    @property
    def body(self) -> Item:
        ids = {name: str(self.of[name]) for name in ("order_id", "shipment_id")}
        return {**ids, "amount": self.line.amount, "fee": self.line.fee}


def lines_of(raw: bytes, mark: Mark) -> list[Line]:
    """The parcels of a list whose first row names the columns. Raises Unreadable."""
    sheet = sheet_of(raw, [name for name, _ in COLUMNS], most_rows=MOST)
    amounts = [(row.number, name, row[name]) for row in sheet.rows for name in ("amount", "fee") if row[name]]
    used = mark or decimal_mark(amounts)

    def plain(text: str) -> str:
        return number(text, used)

    return [
        Line(row.number, row["parcel"], row["order"], plain(row["amount"] or "0"), plain(row["fee"] or "0"))
        for row in sheet.rows
    ]


async def known(conn: AsyncConnection, lines: Sequence[Line]) -> list[Known]:
    """Each line with its parcel, by tracking number or by the number of an order that has only one."""
    rows = await queries.parcels(
        conn, {line.parcel for line in lines if line.parcel}, {line.order for line in lines if not line.parcel}
    )
    found, taken = [], set()
    for line in lines:
        of, fault = _parcel(line, rows)
        if of and of["shipment_id"] in taken:
            fault = (TWICE, {})
        if of:
            taken.add(of["shipment_id"])
        for text in (line.fee, line.amount):
            if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
                typed = text.removeprefix("no number: ")
                fault = (N_("%(amount)s is no amount; write it as 12.50 or 12,50."), {"amount": typed})
        found.append(Known(line, of or {}, fault))
    return found


def _parcel(line: Line, rows: Iterable[Item]) -> tuple[Item | None, tuple[str, dict[str, str]] | None]:
    if line.parcel:
        mine, none = [of for of in rows if of["tracking"] == line.parcel], NO_PARCEL
    elif line.order:
        mine, none = [of for of in rows if of["number"].casefold() == line.order.casefold()], NO_ORDER
    else:
        return None, (UNSAID, {})
    if len(mine) == 1:
        return mine[0], None
    return None, (SEVERAL if mine else none, {})


async def looked_at(owners: Owners, reference: str, lines: Sequence[Known], who: str) -> list[Known]:
    """The same with what billing would do. Raises Away or Said."""
    asked = [of for of in lines if of.fault is None]
    if not asked:
        return list(lines)
    body = {"reference": reference, "parcels": [of.body for of in asked]}
    told = await owners.post("billing", "/cash-remittances/batch/preview", body, actor=who)
    return answered(lines, asked, told["outcomes"])


def answered(lines: Sequence[Known], asked: Sequence[Known], outcomes: Sequence[Item]) -> list[Known]:
    """Each line with what billing said of it; those that it was not asked about as they are."""
    said = {of.line.row: outcome for of, outcome in zip(asked, outcomes, strict=True)}
    return [Known(of.line, of.of, of.fault, said.get(of.line.row)) for of in lines]


def quote_of(reference: str, lines: Sequence[Known]) -> str:
    """Another text as soon as another thing would be booked than was shown."""
    shown = [(of.body, of.told) for of in lines if of.fault is None]
    return sha256(repr((reference, shown)).encode()).hexdigest()[:32]


def page(pages: Pages, form: Mapping[str, str], lines: Sequence[Known], error: Item | None, done: bool = False) -> Item:
    """The form; with lines also what would be booked of each, or what was."""
    w = pages.words
    good = [of for of in lines if of.good]
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for of in good:
        paid, kept = sums.get(of.of["currency"], (Decimal(0), Decimal(0)))
        sums[of.of["currency"]] = paid + Decimal(of.line.amount), kept + Decimal(of.line.fee)
    columns = (
        Column(w.say("Row"), True),
        Column(w.say("Parcel")),
        Column(w.say("Order")),
        Column(w.say("Paid out"), True),
        Column(w.say("Fee"), True),
        Column(w.say("What came of it") if done else w.say("What would be done")),
    )
    return {
        "reference": form.get("reference", ""),
        "lines": form.get("lines", ""),
        "mark": form.get("mark", ""),
        "marks": uploads.marks(w),
        "columns": [(name, w.say(about)) for name, about in COLUMNS],
        "most": MOST,
        "table": Table(w.say("Parcels of the payout"), columns, [_row(w, of, done) for of in lines]),
        "sums": [
            w.say(
                "%(paid)s paid out, %(kept)s kept as fees", paid=w.money(paid, currency), kept=w.money(kept, currency)
            )
            for currency, (paid, kept) in sums.items()
        ],
        "button": "" if done or not good else w.many("Book %(n)d parcel", "Book %(n)d parcels", len(good)),
        "left_out": len(lines) - len(good),
        "done": done,
        "error": error,
    }


def _row(w: English, of: Known, done: bool) -> list[Cell]:
    currency = of.of.get("currency", "")

    def money(text: str) -> Cell:
        return Cell(
            w.money(Decimal(text), currency)
            if currency and re.fullmatch(r"[0-9.]+", text)
            else text.removeprefix("no number: ")
        )

    order = Cell(of.line.order)
    if of.of:
        order = Cell(of.of["number"], f"/orders/{quote(of.of['number'])}", of.of["name"])
    text, css = _said(w, of, done)
    parcel = Cell(of.line.parcel or of.of.get("tracking", ""), mono=True)
    return [Cell(str(of.line.row)), parcel, order, money(of.line.amount), money(of.line.fee), Cell(text, badge=css)]


def _said(w: English, of: Known, done: bool) -> tuple[str, str]:
    """What billing would do of a line, or did, and its colour."""
    if of.fault is not None:
        sentence, values = of.fault
        return w.say(sentence, **values), "bad"
    if of.told is None:
        return w.say("It is not known whether it was booked."), "wait"
    body = of.told["body"]
    if of.told["status"] >= 400:
        return w.heard(str(body.get("title", ""))), "bad"
    if body["state"] == "known":
        return w.say("Booked before under this number; nothing happens."), ""
    left = Decimal(body["left"])
    if left > 0:
        return w.say("%(amount)s of it stays to be paid.", amount=w.money(left, body["currency"])), "wait"
    return (w.say("Booked; the parcel is paid.") if done else w.say("The parcel is paid then.")), "good"
