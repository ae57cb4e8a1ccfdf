"""Orders from a file by command: the same reading and the same judgement as the page of the back office.

On the order service's database, whether it runs or not, as `comptoir order cancel` works; what is sent lies in the
outbox for its relay.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from comptoir.operating import deciding
from services.backoffice import order_sheets
from services.backoffice.columns import Fault
from services.backoffice.order_sheets import Draft, Judged, Orders, judged, orders_of
from services.backoffice.sheets import MOST_BYTES, Unreadable, written
from services.backoffice.views.orders import COLUMNS as EXPORTED
from services.order.api.orders import OrderIn
from services.order.api.rehearsals import previewed
from shared import clock
from shared.http import Rehearser
from shared.messaging.decision import Reply
from shared.messaging.envelope import envelope
from shared.messaging.unit import Arrival
from shared.serve import NotHere

AT_ONCE = 100
"""Orders of one unit of work."""
Item = dict[str, Any]
T = TypeVar("T")
Lines = Callable[..., None]
"""Prints a line for people, or the facts of it for programs."""


@dataclass
class Imported:
    """What was found, and what became of the orders that were placed: each with its answer."""

    told: Judged
    asked: bool
    answers: list[tuple[Draft, Reply]] = field(default_factory=list)


def read_file(file: Path, zone: str, mark: str) -> Orders:
    """The orders of a file. Raises NotHere with the sentence for people when it makes no sense."""
    try:
        there = ZoneInfo(zone)
    except ZoneInfoNotFoundError:
        raise NotHere(f"there is no time zone {zone}") from None
    return contents(file, MOST_BYTES, lambda raw: orders_of(raw, there, EXPORTED, mark))  # type: ignore[arg-type]


def contents(file: Path, most_bytes: int, read: Callable[[bytes], T]) -> T:
    """What is in a file that may have so many bytes. Raises NotHere with the sentence for people."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(most_bytes + 1)
        return read(raw)
    except OSError as error:
        raise NotHere(f"{file}: {error.strerror}") from None
    except Unreadable as error:
        raise NotHere(f"{file}: {f'row {error.row}: ' if error.row else ''}{error}") from None


async def import_orders(url: str, orders: Orders, by: str, *, place: bool, despite: bool) -> Imported:
    """Judges the orders of a file; places them when asked to, all or, with `despite`, those without a fault."""
    async with deciding(url, "order") as unit:
        rehearse = Rehearser(unit, by, asyncio.Semaphore(1))
        outcomes: list[Item] = []
        for i in range(0, len(orders.drafts), AT_ONCE):
            outcomes += await previewed([draft.body for draft in orders.drafts[i : i + AT_ONCE]], rehearse)
        done = Imported(judged(orders, outcomes), place)
        if not place or (done.told.faults and not despite):
            return done
        for i in range(0, len(done.told.good), AT_ONCE):
            some = done.told.good[i : i + AT_ONCE]
            arrivals = []
            for body in order_sheets.placing(some):
                order = OrderIn.model_validate(body).command(rehearse)
                event = envelope(
                    order, id=unit.new_id(), source=unit.source, now=clock.now(), actor=by, correlation=order.subject
                )
                fingerprint = sha256(order.model_dump_json().encode()).hexdigest()
                arrivals.append(Arrival("request", unit.new_id(), [event], fingerprint=fingerprint))
            answers = {arrival.id: reply for outcome in await unit.work(arrivals) for arrival, reply in outcome.answers}
            done.answers += [(of[0], answers[arrival.id]) for of, arrival in zip(some, arrivals, strict=True)]
    return done


def said(fault: Fault) -> str:
    return fault.sentence % fault.values if fault.values else fault.sentence


def write_errors(file: Path, orders: Orders, told: Judged) -> None:
    """The rows of orders that cannot be placed, as the page gives them: mended, they are imported again."""
    rows = order_sheets.with_faults(orders, told.faulty, [(fault, said(fault)) for fault in told.faults])
    file.write_text("".join(written(rows, orders.sheet.delimiter)), encoding="utf-8", newline="")


def to_lines(out: Console, as_json: bool) -> Lines:
    def line(text: str, **facts: Any) -> None:
        shown = json.dumps(facts, default=str) if as_json else text
        out.print(shown, markup=False, highlight=False, soft_wrap=True)

    return line


def print_faults(faults: Iterable[Fault], line: Lines) -> None:
    """Each with its row and column, and what is expected there."""
    for fault in faults:
        where = f"row {fault.row}" + (f", {fault.column}" if fault.column else "")
        expected = f"; expected: {fault.expected}" if fault.expected else ""
        line(
            f"{where}: {said(fault).rstrip('.')}{expected}",
            fate="fault", row=fault.row, column=fault.column, says=said(fault), expected=fault.expected,
        )  # fmt: skip


def print_import(done: Imported, orders: Orders, out: Console, as_json: bool) -> bool:
    """Whether nothing was wrong or refused. One line per fault and per order that was placed or would be."""
    fates = Counter[str]()
    told = done.told
    lines = to_lines(out, as_json)

    def line(fate: str, text: str, **facts: Any) -> None:
        fates[fate] += 1
        lines(text, fate=fate, **facts)

    print_faults(told.faults, lines)
    for draft, body in told.repeated:
        text = f"{draft.reference}: placed before as {body['number']}"
        line("repeated", text, reference=draft.reference, number=body["number"])
    for draft, reply in done.answers:
        if reply.status < 400:
            number = reply.body["number"]
            line("placed", f"{draft.reference}: placed as {number}", reference=draft.reference, number=number)
        else:
            title = reply.body.get("title", "")
            line("refused", f"{draft.reference}: refused: {title}", reference=draft.reference, says=title)
    if not done.answers:
        for draft, body in told.good:
            worth = f"{body['gross']} {body['currency']}"
            text = f"{draft.reference}: good, {len(body['lines'])} lines, {worth}"
            line("good", text, reference=draft.reference, gross=body["gross"], currency=body["currency"])
    if not as_json:
        counts = ", ".join(f"{n:,} {fate}" for fate, n in fates.items())
        left = "" if done.answers or not told.good else "; nothing was placed"
        out.print(f"{len(orders.drafts):,} orders: {counts or 'none'}, {len(told.faulty):,} with faults{left}")
    return not told.faults and not fates["refused"]
