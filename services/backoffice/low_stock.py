"""Decisions about products that run low: when staff are told, at most once a day, and never twice of the same.

What runs low stands for as long as it is seen so. Who was told of it is told again when it had recovered, or beside
something new.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from services.backoffice import letters
from services.backoffice.rows import LowStock, Mail
from shared.contracts.backoffice import LowStockSeen
from shared.messaging.decision import Context, Effect, Needs, Reply, Rows

NAME = "low stock"
LISTED = 200
"""Products that one e-mail names, the new ones first."""


def id_of(day: date) -> UUID:
    """What the e-mails of a day are about, in place of an order."""
    return uuid5(letters.NAMES, f"low stock/{day}")


def to_low_stock(m: LowStockSeen) -> Needs:
    return [(LowStock, NAME), (Mail, id_of(m.day))]


def low_stock_seen(m: LowStockSeen, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """One e-mail to each address that lists all of it, if any of it is new and none was sent that day."""
    known = rows.find(LowStock, NAME) or LowStock(NAME)
    low = {(of.sku, of.warehouse): of for of in m.low}
    told, told_on = {place for place in known.told if place in low}, known.told_on
    new = low.keys() - told
    tells = bool(new and m.tells and ctx.policy.low_stock_to and letters.wanted(ctx))
    if tells and (told_on is None or told_on < m.day):
        lines = [
            {**of.model_dump(), "new": place in new}
            for place, of in sorted(low.items(), key=lambda item: (item[0] not in new, item[0]))
        ]
        facts = {"lines": lines[:LISTED], "n": len(lines)}
        for to in ctx.policy.low_stock_to:
            yield from letters.letter(id_of(m.day), "low_stock", "stock", to, {**facts, "to": to}, rows, ctx)
        told, told_on = set(low), m.day
    seen = LowStock(NAME, told_on, tuple(sorted(told)))
    if seen != known:
        yield seen
    yield Reply({"told": len(told)})
