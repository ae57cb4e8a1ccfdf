"""What purchase orders and transfers have in common: numbers, lines, and what is expected of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from services.inventory.domain.rows import Ctx, Expected, PurchaseLine, Queue, Series, TransferLine
from services.inventory.domain.warehouse import check_sku, find_expected
from services.inventory.domain.working import repromise
from shared.contracts.inventory import BoughtLine, MovedLine
from shared.etag import ANY
from shared.messaging.decision import Effect, Refused, Rows

Line = TypeVar("Line", PurchaseLine, TransferLine)
Wanted = TypeVar("Wanted", BoughtLine, MovedLine)


class Coming(Protocol):
    """A line of which something came, and something is left to come."""

    @property
    def left(self) -> int: ...

    @property
    def received(self) -> int: ...


def next_number(known: Series | None, series: str, now: datetime) -> Series:
    """A clock that lags behind another copy's never goes back a year."""
    if known is None or now.year > known.year:
        return Series(series, now.year, 1)
    return replace(known, last=known.last + 1)


def number_of(series: Series) -> str:
    return f"{series.series}-{series.year}-{series.last:06d}"


def check_lines(lines: Iterable[BoughtLine | MovedLine], rows: Rows) -> None:
    """Every SKU must be known, and stands on one line."""
    named: set[str] = set()
    for n, line in enumerate(lines):
        if line.sku in named:
            raise Refused(f"{line.sku} is named twice: one line per SKU", field=f"lines.{n}.sku")
        named.add(line.sku)
        check_sku(line.sku, rows, f"lines.{n}.sku")


def written(known: Sequence[Line], wanted: Iterable[Wanted], make: Callable[[int, Wanted], Line]) -> list[Line]:
    """The lines of a draft: a SKU keeps its number, one that is taken out has 0 pieces from now on."""
    lines = {line.sku: replace(line, quantity=0) for line in known}
    for line in wanted:
        before = lines.get(line.sku)
        lines[line.sku] = make(before.line_no if before else len(lines) + 1, line)
    return list(lines.values())


def check_tag(if_match: str, tag: str, number: str) -> None:
    """Refused when it is not what its author looked at."""
    if if_match not in ("", ANY, tag):
        raise Refused(f"{number} was changed meanwhile: look at it again.", field="If-Match", status=412)


def check_unexpected(sku: str, number: str, warehouse: str, what: str, rows: Rows) -> None:
    """Refused when somebody else expects goods under this number."""
    loose = find_expected(rows, sku, number, warehouse)
    if loose and (loose.quantity or loose.received):
        raise Refused(f"{sku} is expected under {number} already, without this {what}", status=409)


def expect(row: Expected, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """What a line expects now, if it is another thing. Who waits is looked at (BO-06)."""
    if row != find_expected(rows, row.sku, row.reference, row.warehouse):
        yield row
        if (queue := rows.find(Queue, row.sku)) and queue.pages:
            yield repromise(ctx, row.sku, queue.pages[0])


def state_of(lines: Iterable[Coming]) -> str:
    """How far goods that are on their way have come."""
    all_lines = list(lines)
    if not any(line.left for line in all_lines):
        return "received"
    return "partly_received" if any(line.received for line in all_lines) else "sent"


def said(state: str) -> str:
    words = {"draft": "a draft", "received": "received in full"}
    return words.get(state, state.replace("_", " "))


def differences(before: Iterable[Line], after: Iterable[Line], names: Sequence[str]) -> list[dict[str, Any]]:
    """The lines that changed: of each what it was and is."""
    was = {line.sku: line for line in before}
    told: list[dict[str, Any]] = []
    for line in after:
        known = was.get(line.sku)
        if line != known:
            old = [None] * len(names) if known is None else [getattr(known, name) for name in names]
            new = [getattr(line, name) for name in names]
            changed = zip(names, old, new, strict=True)
            told.append({"sku": line.sku, **{n: [plain(a), plain(b)] for n, a, b in changed if a != b}})
    return told


def plain(value: Any) -> Any:
    """As JSON keeps it."""
    return value if value is None or isinstance(value, int) else str(value)
