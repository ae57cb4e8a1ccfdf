"""The catalogue in a file by command: the same reading and the same judgement as the page of the back office.

On the order service's database, whether it runs or not, as `comptoir order import` works.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from comptoir.importing import contents, print_faults, said, to_lines
from comptoir.operating import deciding, dsn
from services.backoffice import columns, product_sheets
from services.backoffice.product_sheets import (
    MOST_BYTES,
    NAMES,
    Change,
    Judged,
    Products,
    cells_of,
    judged,
    parts,
    products_of,
    shown,
)
from services.backoffice.sheets import DELIMITERS, written
from services.order import queries
from services.order.api.catalogue import ProductsIn
from services.order.api.imports import previewed
from shared import clock, parked
from shared.database import reading_engine
from shared.messaging.decision import Reply
from shared.messaging.envelope import envelope
from shared.messaging.unit import Act, Arrival, Unit
from shared.parked import connected
from shared.settings import database_of

READ_AT_ONCE = 1000
Item = dict[str, Any]


@dataclass
class Imported:
    """What was found, and what became of it: SKUs that were taken over, and those that were refused, with why."""

    told: Judged
    asked: bool
    done: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def read_file(file: Path, mark: str) -> Products:
    """The products of a file. Raises NotHere with the sentence for people when it makes no sense."""
    return contents(file, MOST_BYTES, lambda raw: products_of(raw, mark))  # type: ignore[arg-type]


async def import_products(
    url: str, products: Products, by: str, name: str, *, dry_run: bool, despite: bool
) -> Imported:
    """Takes over what a file says: all or, with `despite`, what has no fault. `name`: of the file, for the act."""
    engine = reading_engine(database_of(url, "order"))
    try:
        async with engine.connect() as conn:
            outcomes: list[Item] = []
            for part in parts(draft.body for draft in products.drafts):
                outcomes += await previewed(conn, part)
    finally:
        await engine.dispose()
    done = Imported(judged(products, outcomes), not dry_run)
    if dry_run or (done.told.faults and not despite) or not done.told.good:
        return done
    async with deciding(url, "order") as unit:
        for part in parts(product_sheets.taking(done.told.good)):
            reply = await taken(unit, part, by)
            skus = [product["sku"] for product in part]
            if reply.status < 400:
                done.done += skus
            else:
                done.refused |= dict.fromkeys(skus, str(reply.body.get("title", "")))
    outcome = f"{len(done.done)} products taken over, {len(done.refused)} refused"
    act = Act(
        clock.new_id(), clock.now(), by, "import", None, "order.register_products.v1", name, "", outcome,
        f"sha256 {products.sheet.digest}",
    )  # fmt: skip
    async with connected(dsn(url, "order")) as connection:
        await parked.keep(connection, act)
    return done


async def taken(unit: Unit, part: list[Item], by: str) -> Reply:
    """All of these or none, in one unit of work."""
    command = ProductsIn.model_validate({"products": part, "way": "file"}).command()
    event = envelope(
        command, id=unit.new_id(), source=unit.source, now=clock.now(), actor=by, correlation=command.subject
    )
    fingerprint = sha256(command.model_dump_json().encode()).hexdigest()
    outcomes = await unit.work([Arrival("request", unit.new_id(), [event], fingerprint=fingerprint)])
    return next(reply for outcome in outcomes for _, reply in outcome.answers)


def write_errors(file: Path, products: Products, told: Judged) -> None:
    """The rows that cannot be taken over, as the page gives them: mended, they are imported again."""
    rows = columns.with_faults(products.sheet, (), [(fault, said(fault)) for fault in told.faults])
    file.write_text("".join(written(rows, products.sheet.delimiter)), encoding="utf-8", newline="")


def print_import(done: Imported, products: Products, out: Console, as_json: bool) -> bool:
    """Whether nothing was wrong or refused. One line per fault, per product that is new or changed, and a sum."""
    told = done.told
    lines = to_lines(out, as_json)
    print_faults(told.faults, lines)
    for change in told.good:
        cells = [{"column": column, "before": was, "after": now} for column, was, now in change.cells]
        fate = "new" if change.new else "changed"
        words, why = _in_words(change), done.refused.get(change.draft.sku)
        if why is not None:
            fate, words = "refused", f"refused: {why}"
        lines(f"{change.draft.sku}: {words}", fate=fate, sku=change.draft.sku, cells=cells)
    if not as_json:
        wrong = len({fault.row for fault in told.faults})
        counts = f"{len(told.new):,} new, {len(told.changed):,} changed, {len(told.unchanged):,} unchanged"
        left = "" if done.done or not told.good else "; nothing was changed"
        out.print(f"{len(products.sheet.rows):,} rows: {counts}, {wrong:,} with faults{left}")
    return not told.faults and not done.refused


def _in_words(change: Change) -> str:
    if change.new:
        return "new, " + ", ".join(f"{name} {shown(name, now, '.')}" for name, _, now in change.cells[1:] if now)
    return ", ".join(
        f"{name} {shown(name, was, '.') or 'empty'} -> {shown(name, now, '.') or 'empty'}"
        for name, was, now in change.cells
    )


async def exported(url: str, to: TextIO, comma: bool) -> int:
    """Writes the whole catalogue by SKU, some at a time; gives how many products that were."""
    delimiter, count, after = DELIMITERS[comma], 0, None
    engine = reading_engine(database_of(url, "order"))

    def write(rows: Iterable[Item]) -> None:
        _, *lines = written((cells_of(row, "," if comma else ".") for row in rows), delimiter)
        to.write("".join(lines))

    try:
        async with engine.connect() as conn:
            to.write("".join(written([NAMES], delimiter)))
            while rows := await queries.products(
                conn, skus=(), search=None, brand=None, category=None, after=after, limit=READ_AT_ONCE
            ):
                write(rows)
                count, after = count + len(rows), rows[-1]["sku"]
    finally:
        await engine.dispose()
    return count
