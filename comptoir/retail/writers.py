"""Writes the two tables that a replay is compared by, in the exact form of the expected ones."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from comptoir.retail.reader import InvoiceKind


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice number: all its lines, and its valid sale lines.

    - `kind`: sale, cancellation or adjustment by the first character of the number;
    - `first_at`, `customer`, `country`: those of its first line, as they stand in the file;
    - `lines`, `units`: all lines and the sum of their quantities, stock entries and signs included;
    - `amount_exact`: sum of quantity x price, not rounded, with as many decimals as the prices have;
    - `amount_lines_rounded`: sum of the same, each line rounded half away from zero to 0.01;
    - `sale_lines_valid`, `sale_amount_valid`: only lines with quantity and price above zero on a number of digits,
      not rounded; 0 where there are none.
    """

    invoice: str
    kind: InvoiceKind
    first_at: str
    customer: str
    country: str
    lines: int
    units: int
    amount_exact: Decimal
    amount_lines_rounded: Decimal
    sale_lines_valid: int
    sale_amount_valid: Decimal


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One stock code over the whole file.

    - `is_product`: 1, or 0 for postage, fees, vouchers and the like;
    - `units_sold`: quantities above zero on numbers that are no cancellations, lines without a price included;
    - `units_returned`: quantities on cancellations (C...), as a positive number, matched to a sale or not;
    - `units_written_off`: quantities below zero on all other numbers (no price: stock entries), as a positive number;
    - `net_movement`: returned + written off - sold, which is minus the sum of all quantities. So what is written off
      counts as coming in. That is the rule of the expected file, whatever the texts of such lines say.
    """

    stock_code: str
    is_product: int
    units_sold: int
    units_returned: int
    units_written_off: int
    net_movement: int


def write_invoices(rows: Iterable[InvoiceRow], path: str | Path) -> int:
    """One line per invoice in the order given (expected: order of the first line in the file); how many there were."""
    return _write(InvoiceRow, rows, path)


def write_movements(rows: Iterable[MovementRow], path: str | Path) -> int:
    """One line per stock code, sorted by code as text; how many there were."""
    return _write(MovementRow, sorted(rows, key=lambda row: row.stock_code), path)


def _write(
    kind: type[InvoiceRow] | type[MovementRow], rows: Iterable[InvoiceRow] | Iterable[MovementRow], path: str | Path
) -> int:
    count = 0
    with _open(Path(path)) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(column.name for column in fields(kind))
        for row in rows:
            table.writerow(format(v, "f") if isinstance(v, Decimal) else v for v in astuple(row))
            count += 1
    return count


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    """Packed when the name ends in .gz, without name and time, so that equal rows are equal files."""
    if path.suffix != ".gz":
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as file,
    ):
        yield file
