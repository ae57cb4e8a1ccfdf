"""Orders in a spreadsheet: which columns there are, rows to orders, and faults of orders back to their cells.

Pure. One row is one line of an order; rows with the same reference of a channel are one order. What an order may hold
is judged by the order service alone: here cells only find their place in its request, and its faults their cell.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from services.backoffice import columns
from services.backoffice.columns import AMOUNT, ERROR, Column, Fault, in_plain, mark_of, value
from services.backoffice.sheets import DELIMITERS, Mark, Row, Sheet, Unreadable, sheet_of
from services.backoffice.words import N_

Item = dict[str, Any]
IMPORTS = UUID("0a6f8d0e-6f0b-5b0e-9a55-3f6f4c1f7d21")
"""The namespace of orders that come in a file: the same reference of a channel is the same order, in whichever file."""
MOST_ORDERS = 1000
CHANNEL = "import"
"""The channel of a file that names none."""
_TEXT = N_("a text of at most 200 characters")
_FLAG = N_("yes or no")
_ADDRESS = (
    ("name", N_("Name of who gets it"), _TEXT, "text"),
    ("company", N_("Company"), _TEXT, "text"),
    ("street", N_("Street and number; further lines below it in the same cell"), N_("at most five lines"), "street"),
    ("postcode", N_("Postcode"), N_("a text of at most 20 characters"), "text"),
    ("city", N_("City"), _TEXT, "text"),
    ("region", N_("Region"), _TEXT, "text"),
    ("country", N_("Country"), N_("two letters, as NL"), "upper"),
    ("email", N_("E-mail"), _TEXT, "text"),
    ("phone", N_("Phone"), _TEXT, "text"),
)
COLUMNS: tuple[Column, ...] = (
    Column(
        "external_id", ("external_id",), N_("Reference of the order; rows with the same one are one order"),
        N_("a text of at most 200 characters, in every row"),
    ),
    Column("channel", ("channel",), N_("Channel that the order came by; import if left out"), _TEXT),
    Column(
        "placed_at", ("placed_at",), N_("When it was placed; now if left out"),
        N_("a day or moment, as 2026-01-31 or 2026-01-31T14:30"), "moment",
    ),
    Column("customer_id", ("customer_id",), N_("Number of the customer"), N_("a text of at most 64 characters")),
    Column(
        "method", ("payment_method",), N_("How it is paid; bank_transfer if left out"),
        N_("card, bank_transfer, cash_on_delivery or terms"),
    ),
    Column("currency", ("currency",), N_("Currency; EUR if left out"), N_("three letters, as EUR"), "upper"),
    Column("prices_include_vat", ("prices_include_vat",), N_("Whether prices include VAT"), _FLAG, "flag"),
    Column("discount", ("discount",), N_("Discount of the whole order"), AMOUNT, "number"),
    Column("ship_complete", ("ship_complete",), N_("Whether it waits to go in one parcel"), _FLAG, "flag"),
    Column(
        "priority", ("priority",), N_("Priority; higher goes first"), N_("a whole number from -1000 to 1000"), "number"
    ),
    Column(
        "service_level", ("service_level",), N_("How fast it is sent; standard if left out"),
        N_("standard, express or another service of the carrier"),
    ),
    Column("hold", ("hold",), N_("Why it is held at first; not held if left out"), _TEXT),
    *(Column(name, ("ship_to", name), about, expected, kind) for name, about, expected, kind in _ADDRESS),  # type: ignore[arg-type]
    *(
        Column(f"bill_{name}", ("bill_to", name), about, expected, kind)  # type: ignore[arg-type]
        for name, about, expected, kind in _ADDRESS
    ),
    Column("sku", ("sku",), N_("SKU of the line"), N_("a SKU of the catalogue, or any SKU with a price"), "text", True),
    Column(
        "quantity", ("quantity",), N_("Pieces of the line"), N_("a whole number from 1 to 1,000,000"), "number", True
    ),
    Column(
        "unit_price", ("unit_price",), N_("Price of a piece; the catalogue's if left out"), AMOUNT, "number", True
    ),
    Column("line_discount", ("discount",), N_("Discount of the line"), AMOUNT, "number", True),
    Column("text", ("text",), N_("What the line says; the catalogue's name if left out"), _TEXT, "text", True),
    Column("kind", ("kind",), N_("What the line is; the catalogue's if left out"), N_("goods, shipping or service"),
           "text", True),
    Column("vat_category", ("vat_category",), N_("VAT category of EN 16931; the catalogue's if left out"),
           N_("S, Z, E, AE, K, G, O, L or M"), "upper", True),
    Column("vat_rate", ("vat_rate",), N_("VAT rate in per cent; the catalogue's if left out"),
           N_("a number from 0 to 100"), "number", True),
)  # fmt: skip
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
_BY_PATH = {(column.of_line, *column.path): column.name for column in COLUMNS}
_OF_ORDER = tuple(column for column in COLUMNS if not column.of_line)
_OF_LINE = tuple(column for column in COLUMNS if column.of_line)


@dataclass(frozen=True, slots=True)
class Draft:
    """One order of a file: the request that places it, and the row of each of its lines."""

    reference: str
    body: Item
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...] = ()

    @property
    def order_id(self) -> str:
        return str(self.body["order_id"])


@dataclass(frozen=True, slots=True)
class Orders:
    """A file of orders, read. `mark` is the decimal mark that its numbers have, or that was chosen for it."""

    sheet: Sheet
    mark: Mark
    drafts: tuple[Draft, ...]
    stray: tuple[Fault, ...]  # of rows that belong to no order


def fault(row: int, column: str, sentence: str, /, **values: object) -> Fault:
    return Fault(row, column, sentence, values, BY_NAME[column].expected if column else "")


def orders_of(raw: bytes, zone: tzinfo, ignored: Iterable[str], chosen: Mark = "") -> Orders:
    """The orders of a file. `ignored`: columns of an export that say nothing of a new order. Raises Unreadable."""
    sheet = sheet_of(raw, BY_NAME, (*ignored, ERROR))
    for needed in ("external_id", "sku", "quantity"):
        if needed not in sheet.columns:
            raise Unreadable(N_("The column %(name)s is missing."), 1, name=needed)
    mark = chosen or mark_of(sheet, COLUMNS)
    groups: dict[tuple[str, str], list[Row]] = {}
    channels: dict[str, str] = {}  # of each reference, as the rows above say: a further line need not repeat it
    stray: list[Fault] = []
    for row in sheet.rows:
        if reference := row["external_id"]:
            channel = channels[reference] = row["channel"] or channels.get(reference, "")
            groups.setdefault((channel, reference), []).append(row)
        else:
            stray.append(fault(row.number, "external_id", N_("The row names no order.")))
    if len(groups) > MOST_ORDERS:
        raise Unreadable(N_("The file has more than %(most)s orders; split it."), most=MOST_ORDERS)
    return Orders(sheet, mark, tuple(_draft(rows, zone, mark) for rows in groups.values()), tuple(stray))


def _draft(rows: Sequence[Row], zone: tzinfo, mark: Mark) -> Draft:
    first = rows[0]
    body: Item = {"channel": CHANNEL, "payment_method": "bank_transfer"}
    faults: list[Fault] = []
    for column in _OF_ORDER:
        said = [row for row in rows if row[column.name]]
        if not said:
            continue
        text = said[0][column.name]
        for other in said[1:]:
            if other[column.name] != text:
                sentence = N_("Row %(row)s of the same order says %(text)s; an order has one of it.")
                faults.append(fault(other.number, column.name, sentence, row=said[0].number, text=text[:60]))
        place = body
        for name in column.path[:-1]:
            place = place.setdefault(name, {})
        place[column.path[-1]] = value(column, text, zone, mark)
    body["lines"] = [
        {column.path[-1]: value(column, row[column.name], zone, mark) for column in _OF_LINE if row[column.name]}
        for row in rows
    ]
    body["order_id"] = str(uuid5(IMPORTS, f"{body['channel']}\n{first['external_id']}"))
    return Draft(first["external_id"], body, tuple(rows), tuple(faults))


def faults_of(draft: Draft, problem: Mapping[str, Any]) -> Iterator[Fault]:
    """What the order service says is wrong with an order, each where it stands in the file."""
    errors: Sequence[Mapping[str, str]] = problem.get("errors") or ({"message": problem["title"]},)
    for error in errors:
        path = error.get("pointer", "").removeprefix("#/").split("/")
        row, of_line = draft.rows[0], False
        if path[0] == "lines" and len(path) > 1 and path[1].isdigit() and int(path[1]) < len(draft.rows):
            row, path, of_line = draft.rows[int(path[1])], path[2:], True
        name = next((_BY_PATH[(of_line, *path[:n])] for n in (2, 1) if (of_line, *path[:n]) in _BY_PATH), "")
        if not of_line and name:
            row = next((other for other in draft.rows if other[name]), row)
        yield fault(row.number, name, in_plain(error["message"]))


@dataclass(frozen=True, slots=True)
class Judged:
    """What the order service says of the orders of a file. `good`: each with what it would be."""

    good: tuple[tuple[Draft, Item], ...]
    repeated: tuple[tuple[Draft, Item], ...]  # placed before, with the same content
    faulty: tuple[Draft, ...]
    faults: tuple[Fault, ...]

    @property
    def quote(self) -> str:
        """Another one as soon as placing the good ones would come to something else."""
        said = "".join(f"{draft.order_id} {body['gross']} {body['currency']}\n" for draft, body in self.good)
        return sha256(said.encode()).hexdigest()[:32]

    @property
    def sums(self) -> dict[str, Decimal]:
        """What the good ones are worth, by currency."""
        found: dict[str, Decimal] = {}
        for _, body in self.good:
            found[body["currency"]] = found.get(body["currency"], Decimal(0)) + Decimal(body["gross"])
        return found


def judged(orders: Orders, outcomes: Sequence[Mapping[str, Any]]) -> Judged:
    """`outcomes`: of the preview of all drafts, in their order."""
    good: list[tuple[Draft, Item]] = []
    repeated: list[tuple[Draft, Item]] = []
    faulty: list[Draft] = []
    faults = list(orders.stray)
    for draft, outcome in zip(orders.drafts, outcomes, strict=True):
        wrong = [*draft.faults, *(faults_of(draft, outcome["body"]) if outcome["status"] >= 400 else ())]
        if wrong:
            faulty.append(draft)
            faults += wrong
        else:
            (repeated if outcome["body"]["repeated"] else good).append((draft, dict(outcome["body"])))
    return Judged(tuple(good), tuple(repeated), tuple(faulty), tuple(sorted(faults, key=lambda fault: fault.row)))


def placing(good: Iterable[tuple[Draft, Item]]) -> list[Item]:
    """The requests that place these, each for what it was shown to be worth."""
    return [{**draft.body, "expected_gross": body["gross"]} for draft, body in good]


def with_faults(orders: Orders, drafts: Iterable[Draft], faults: Iterable[tuple[Fault, str]]) -> Iterator[list[str]]:
    """The rows of these orders as they came, and of no order, with what is wrong beside: mended, they come again.

    `faults`: each with its sentence for people.
    """
    return columns.with_faults(orders.sheet, (row.number for draft in drafts for row in draft.rows), faults)


TEMPLATE = (
    "external_id", "customer_id", "method", "name", "street", "postcode", "city", "country", "email", "sku", "quantity",
    "unit_price", "vat_rate",
)  # fmt: skip


def template(semicolons: bool) -> tuple[str, Iterator[list[str]]]:
    """A file to begin with: its delimiter, and its rows. One order of two lines, one of one."""
    mark = "," if semicolons else "."
    address = ["Anna de Vries", "Oudegracht 1", "3511 AB", "Utrecht", "NL", "anna@example.org"]
    rows: tuple[list[str], ...] = (
        list(TEMPLATE),
        ["PHONE-1001", "", "bank_transfer", *address, "SKU-1", "2", f"12{mark}50", "21"],
        ["PHONE-1001", *[""] * 8, "SKU-2", "1", f"9{mark}95", "21"],
        ["PHONE-1002", "", "terms", "", "Meir 12\n2nd floor", "2000", "Antwerpen", "BE", "", "SKU-1", "10", "", ""],
    )
    return DELIMITERS[semicolons], iter(rows)
