"""The catalogue in a spreadsheet: its columns, rows to products and back, and what taking a file over would change.

Pure. One row is one product. What a product may be is judged by the order service alone; here cells only find their
place in its request, and its faults their cell. A file that was exported and not changed changes nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

from services.backoffice.columns import AMOUNT, ERROR, Column, Fault, in_plain, mark_of, parts_in_text, value
from services.backoffice.sheets import Mark, Row, Sheet, Unreadable, sheet_of
from services.backoffice.words import N_

Item = dict[str, Any]
MOST_BYTES = 3 * 1024 * 1024
MOST_ROWS = 20_000
AT_ONCE = 1000
"""Products of one request to the order service, which takes all of them or none."""
BYTES_AT_ONCE = 1024 * 1024
"""And how long such a request may become."""
_TEXT = N_("a text of at most 200 characters")
COLUMNS: tuple[Column, ...] = (
    Column("sku", ("sku",), N_("SKU of the product; no two rows have the same"),
           N_("a text of at most 64 characters, in every row")),
    Column("name", ("name",), N_("Name, as lines of new orders say it"), N_("a text of at most 2,000 characters")),
    Column("category", ("category",), N_("Category, for reports"), _TEXT),
    Column("brand", ("brand",), N_("Brand, for reports"), _TEXT),
    Column("kind", ("kind",), N_("What it is; goods for a new product if left out"), N_("goods, shipping or service"),
           "lower"),
    Column("price", ("price",), N_("Price of a piece; 0 for a new product if left out"), AMOUNT, "number"),
    Column("vat_category", ("vat_category",),
           N_("VAT category of EN 16931; if left out it stays, or goes by a rate that it does not fit"),
           N_("S, Z, E, AE, K, G, O, L or M"), "upper"),
    Column("vat_rate", ("vat_rate",), N_("VAT rate in per cent; 0 for a new product if left out"),
           N_("a number from 0 to 100"), "number"),
    Column("components", ("components",), N_("Of a kit: what it consists of, pieces and SKU of each"),
           N_("as 2 x mug + 1 x plate"), "parts"),
)  # fmt: skip
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
NAMES = tuple(BY_NAME)
_CLEARED = ("name", "category", "brand", "components")
"""What an empty cell makes empty; what may not be empty stays as it is."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One row of a file, and what it says of its product: what it leaves out stays as it is."""

    sku: str
    body: Item
    row: int
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Products:
    """A file of products, read. `mark` is the decimal mark that its numbers have, or that was chosen for it."""

    sheet: Sheet
    mark: Mark
    drafts: tuple[Draft, ...]
    stray: tuple[Fault, ...]  # of rows that name no product


def fault(row: int, column: str, sentence: str, /, **values: object) -> Fault:
    return Fault(row, column, sentence, values, BY_NAME[column].expected if column else "")


def products_of(raw: bytes, chosen: Mark = "") -> Products:
    """The products of a file. Raises Unreadable."""
    sheet = sheet_of(raw, BY_NAME, (ERROR,), most_bytes=MOST_BYTES, most_rows=MOST_ROWS)
    if "sku" not in sheet.columns:
        raise Unreadable(N_("The column %(name)s is missing."), 1, name="sku")
    mark = chosen or mark_of(sheet, COLUMNS)
    columns = [BY_NAME[name] for name in sheet.columns if name in BY_NAME]
    rows: dict[str, list[int]] = {}
    for row in sheet.rows:
        rows.setdefault(row["sku"], []).append(row.number)
    stray = tuple(fault(number, "sku", N_("The row names no product.")) for number in rows.pop("", ()))
    drafts = tuple(_draft(row, columns, mark, rows[row["sku"]]) for row in sheet.rows if row["sku"])
    return Products(sheet, mark, drafts, stray)


def _draft(row: Row, columns: Iterable[Column], mark: Mark, rows: Sequence[int]) -> Draft:
    """`rows`: all that name the same product."""
    body = {
        column.name: value(column, row[column.name], mark=mark)
        for column in columns
        if row[column.name] or column.name in _CLEARED
    }
    faults: tuple[Fault, ...] = ()
    if len(rows) > 1:
        other = next(number for number in rows if number != row.number)
        faults = (fault(row.number, "sku", N_("Row %(row)s has the same SKU; which of them holds?"), row=other),)
    return Draft(row["sku"], body, row.number, faults)


@dataclass(frozen=True, slots=True)
class Change:
    """What taking over a row would do: each cell that becomes another one, and the product as it would be.

    `expected`: what the order service compares, so that exactly this happens or nothing.
    """

    draft: Draft
    expected: str
    cells: tuple[tuple[str, str, str], ...]  # column, before, after
    after: Item
    new: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What the order service says of the products of a file.

    `good`: all that would be done, as the rows stand in the file. `quote`: another one once that is something else.
    """

    good: tuple[Change, ...]
    unchanged: tuple[Draft, ...]
    faulty: tuple[Draft, ...]
    faults: tuple[Fault, ...]
    quote: str

    @property
    def new(self) -> tuple[Change, ...]:
        return tuple(change for change in self.good if change.new)

    @property
    def changed(self) -> tuple[Change, ...]:
        return tuple(change for change in self.good if not change.new)


def judged(products: Products, outcomes: Iterable[Mapping[str, Any]]) -> Judged:
    """`outcomes`: of the preview of all drafts, in their order."""
    good: list[Change] = []
    faulty: list[Draft] = []
    unchanged: list[Draft] = []
    faults = list(products.stray)
    for draft, outcome in zip(products.drafts, outcomes, strict=True):
        wrong = [*draft.faults, *(faults_of(draft, outcome["body"]) if outcome["status"] >= 400 else ())]
        if wrong:
            faulty.append(draft)
            faults += wrong
        elif change := _change(draft, outcome["body"]):
            good.append(change)
        else:
            unchanged.append(draft)
    faults.sort(key=lambda one: one.row)
    said = sha256()
    for body in taking(good):
        said.update(json.dumps(body, sort_keys=True).encode())
    return Judged(tuple(good), tuple(unchanged), tuple(faulty), tuple(faults), said.hexdigest()[:32])


def _change(draft: Draft, body: Mapping[str, Any]) -> Change | None:
    """None when the product is so already."""
    before, after = body["before"], body["after"]
    if before is None:
        return Change(draft, body["expected"], tuple((name, "", _text(after[name])) for name in NAMES), after, True)
    both = ((name, _text(before[name]), _text(after[name])) for name in NAMES)
    cells = tuple((name, was, now) for name, was, now in both if _differ(name, was, now))
    kept = {**before, **{name: after[name] for name, _, _ in cells}}
    return Change(draft, body["expected"], cells, kept, False) if cells else None


def _text(value: str | Sequence[Mapping[str, Any]]) -> str:
    return value if isinstance(value, str) else parts_in_text(value)


def _differ(name: str, before: str, after: str) -> bool:
    """Spaces and ends of lines are no difference: a spreadsheet does not keep all of them."""
    if BY_NAME[name].kind == "number":
        return Decimal(before) != Decimal(after)
    return before.split() != after.split()


def faults_of(draft: Draft, problem: Mapping[str, Any]) -> Iterator[Fault]:
    """What the order service says is wrong with a product, each where it stands in the file."""
    errors: Sequence[Mapping[str, str]] = problem.get("errors") or ({"message": problem["title"]},)
    for error in errors:
        name = error.get("pointer", "").removeprefix("#/").split("/")[0]
        yield fault(draft.row, name if name in BY_NAME else "", in_plain(error["message"]))


def taking(good: Iterable[Change]) -> list[Item]:
    """The products as they are to be, each only if it is what was shown."""
    return [{**change.after, "expected": change.expected} for change in good]


def parts(bodies: Iterable[Item]) -> Iterator[list[Item]]:
    """Bodies of requests that are short enough, in their order."""
    part: list[Item] = []
    size = 0
    for body in bodies:
        more = len(json.dumps(body, ensure_ascii=False).encode())
        if part and (len(part) == AT_ONCE or size + more > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(body)
        size += more
    if part:
        yield part


def cells_of(product: Mapping[str, Any], mark: Mark) -> list[str]:
    """A row of the catalogue, with the decimal mark of a spreadsheet."""
    return [shown(name, _text(product[name]), mark) for name in NAMES]


def shown(name: str, text: str, mark: Mark) -> str:
    """A value as a cell has it: a price with two decimals, and none with three, which could be thousands: 1.2550."""
    if BY_NAME[name].kind != "number" or not text:
        return text
    whole, _, part = f"{Decimal(text).normalize():f}".partition(".")
    part = part.ljust(2, "0") if name == "price" else part
    part = f"{part}0" if len(part) == 3 else part
    return f"{whole}{mark or '.'}{part}" if part else whole


def changes(good: Iterable[Change], mark: Mark) -> Iterator[list[str]]:
    """What would be done, a row for each cell that becomes another one."""
    yield ["row", "sku", "column", "before", "after"]
    for change in good:
        for name, before, after in change.cells:
            cells = [str(change.draft.row), change.draft.sku, name]
            yield [*cells, shown(name, before, mark), shown(name, after, mark)]
