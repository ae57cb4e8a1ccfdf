"""What every report is made of: its answer, bars and tables, and cells that programs read as plain figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.backoffice.pages import English
from services.backoffice.views.cells import Cell, Table
from services.backoffice.words import N_
from shared.contracts.money import rounded, unit_of

Item = dict[str, Any]
DRAWN = 12
"""Bars of a picture of what is ranked."""


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


def number(w: English, n: int | Decimal) -> Cell:
    return Cell(w.number(n), plain=f"{n:f}" if isinstance(n, Decimal) else str(n))


def amount(w: English, value: Decimal) -> Cell:
    exact = rounded(Decimal(value), unit_of(w.currency))
    return Cell(w.money(exact), plain=f"{exact:f}")


def share(w: English, part: int | Decimal, of: int | Decimal) -> Cell:
    rate = (Decimal(100) * part / of).quantize(Decimal("0.1")) if of else Decimal(0)
    return Cell(w.percent(rate), plain=f"{rate:f}")


def took(w: English, seconds: Decimal) -> str:
    """A span in the largest unit that keeps two figures."""
    for unit, name in ((86400, N_("%(n)s days")), (3600, N_("%(n)s hours")), (60, N_("%(n)s minutes"))):
        if seconds >= 2 * unit:
            return w.say(name, n=w.number((seconds / unit).quantize(Decimal("0.1"))))
    return w.say("%(n)s seconds", n=w.number(seconds.quantize(Decimal("0.1"))))
