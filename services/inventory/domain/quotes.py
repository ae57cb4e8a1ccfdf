"""Whether work on the shelves would still do what somebody was shown: the figures of a preview, as a short text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.inventory.domain.rows import Expected, Level, Queue, Queued
from shared.contracts.inventory import StockLine
from shared.etag import etag_of
from shared.messaging.decision import Needs, Refused, Rows

MOST_PAGES = 50
MOST_SHOWN = 100
"""Parts of a queue, and places in it, that a preview looks at: who comes after them is not told by name."""

Found = Callable[[type[Any], Any], Sequence[Any]]
"""The rows of a group, as they were before anything was decided."""


def in_sum(lines: Iterable[StockLine]) -> dict[str, int]:
    """Pieces per SKU, in the order of the lines."""
    total: dict[str, int] = {}
    for line in lines:
        total[line.sku] = total.get(line.sku, 0) + line.quantity
    return total


def line_of(sku: str, rows: Rows) -> Needs:
    """The first parts of a SKU's queue."""
    queue = rows.find(Queue, sku)
    for page in queue.pages[:MOST_PAGES] if queue else ():
        yield Queued, page


def in_turn(found: Found, sku: str, pieces: int) -> list[Queued]:
    """Who is next in line for so many pieces, at most MOST_SHOWN of them."""
    line: list[Queued] = []
    for queue in found(Queue, sku):
        for page in queue.pages[:MOST_PAGES]:
            for entry in sorted((e for e in found(Queued, page) if e.quantity and e.page == page), key=_place):
                if pieces <= 0 or len(line) == MOST_SHOWN:
                    return line
                pieces -= entry.quantity
                line.append(entry)
    return line


def _place(entry: Queued) -> str:
    return entry.place


def quote_of(
    found: Found,
    warehouse: str,
    changes: Mapping[str, int],
    reference: str = "",
    taken: Sequence[tuple[UUID, int, int]] = (),
) -> str:
    """Another text as soon as anything is different of what a change of stock on hand shows.

    That is the level, what the purchase order `reference` expects, who is next in line for what becomes free, and which
    promises are `taken` back: (order, line, pieces).
    """
    shown: list[Any] = [tuple(sorted(taken))]
    for sku, more in changes.items():
        levels: Sequence[Level] = found(Level, sku)
        expected: Sequence[Expected] = found(Expected, sku)
        shown += [replace(level, due=False) for level in levels if level.warehouse == warehouse]
        shown += [row for row in expected if (row.reference, row.warehouse) == (reference, warehouse)]
        if more > 0:
            shown += in_turn(found, sku, sum(level.available for level in levels) + more)
    return etag_of(shown)


STALE = "The preview went stale: the stock is another one now. Nothing was done; look at a new one."


def check_quote(quote: str, now: str, why: str = STALE) -> None:
    """Refused when something else was looked at than would be done now."""
    if quote != now:
        raise Refused(why, field="quote", status=409)
