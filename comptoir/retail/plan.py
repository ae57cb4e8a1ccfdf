"""Turns a file into what has to be done with it, in file order: sales, refunds, credits and stock entries.

Nothing is dropped silently: every line of the file is in exactly one action, or cut between a refund and a credit
(`Plan.acted`), or is counted by its reason in the report (`Plan.report`); together they are the file (`Plan.file`).
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from comptoir.retail.reader import COUNTRIES, Kind, RetailLine, Vat, country_code, is_product, kind_of, vat_of

CreditReason = Literal["nobody named", "no earlier sale", "more than was sold", "no price"]
REPORTED: dict[Kind, str] = {
    "bad_debt": "bad debt: an entry of the books without goods",
    "no_price_out": "no price and not a product",
    "no_price_in": "no price and not a product",
    "other": "quantity or price has no meaning on such an invoice",
}


@dataclass(slots=True)
class Tally:
    """Lines, signed units and exact signed amount, as they stand in the file."""

    lines: int = 0
    units: int = 0
    amount: Decimal = Decimal(0)

    def add(self, units: int, amount: Decimal, lines: int = 1) -> None:
        self.lines += lines
        self.units += units
        self.amount += amount

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.lines + other.lines, self.units + other.units, self.amount + other.amount)


@dataclass(frozen=True, slots=True)
class SaleLine:
    """One order line. `line_no` counts the valid lines of the invoice from 1, in file order."""

    line_no: int
    code: str
    text: str
    quantity: int
    price: Decimal  # without VAT
    vat: Vat
    number: int  # line of the file

    @property
    def stocked(self) -> bool:
        return is_product(self.code)


@dataclass(frozen=True, slots=True)
class Sale:
    """An order: the valid sale lines of one invoice, at the minute of its first line.

    `at`: the shop's local minutes taken as UTC, so that days and months are those of the file.
    """

    invoice: str
    at: datetime
    customer: str  # "17850", or empty
    country: str  # ISO code, or ZZ
    country_name: str
    lines: tuple[SaleLine, ...]


@dataclass(frozen=True, slots=True)
class RefundPiece:
    """So many units of one line of one earlier sale come back."""

    invoice: str  # of the sale
    line_no: int  # in the sale
    code: str
    units: int
    price: Decimal
    number: int


@dataclass(frozen=True, slots=True)
class Refund:
    """The part of a cancellation that has earlier sales, oldest first (rule `refund_matching_fifo`)."""

    invoice: str  # of the cancellation, C...
    at: datetime
    customer: str
    country: str
    pieces: tuple[RefundPiece, ...]

    def by_sale(self) -> dict[str, dict[int, int]]:
        """Units per line number, per invoice of a sale, in the order of the pieces."""
        sales: dict[str, dict[int, int]] = {}
        for piece in self.pieces:
            lines = sales.setdefault(piece.invoice, {})
            lines[piece.line_no] = lines.get(piece.line_no, 0) + piece.units
        return sales


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """Units that come back, or money that goes back, for which there is no sale in the file."""

    code: str
    text: str
    units: int  # > 0
    price: Decimal
    reason: CreditReason
    number: int

    @property
    def movement(self) -> int:
        """What it adds to stock on hand."""
        return self.units if is_product(self.code) else 0


@dataclass(frozen=True, slots=True)
class CreditWithoutOrder:
    """The part of a cancellation that has no earlier sale: bought before the file begins, anonymous, or a discount."""

    invoice: str
    at: datetime
    customer: str
    country: str
    lines: tuple[CreditedLine, ...]

    @property
    def amount(self) -> Decimal:
        """Exact, above zero."""
        return sum((line.units * line.price for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class AdjustedLine:
    """A stock entry of a product: no price, no customer's money.

    `movement`, what it adds to stock on hand, is minus the quantity of the file, which is how the expected movements
    count every line. So samples and gifts (+) leave the shelf. Entries below zero ("damages", "found", "wrongly
    coded") are mostly losses to their text, but come in by the rule: whoever compares with the expected net movement
    must follow it, and the text is kept for whoever knows better.
    """

    code: str
    text: str
    quantity: int  # as in the file
    number: int

    @property
    def movement(self) -> int:
        return -self.quantity


@dataclass(frozen=True, slots=True)
class Adjustment:
    """The stock entries of one invoice number."""

    invoice: str
    at: datetime
    lines: tuple[AdjustedLine, ...]


Action = Sale | Refund | CreditWithoutOrder | Adjustment


@dataclass(slots=True)
class Report:
    """What became no action, by reason."""

    reasons: dict[str, Tally] = field(default_factory=dict)
    unknown_countries: set[str] = field(default_factory=set)  # names without an entry in the list of countries

    def add(self, reason: str, line: RetailLine) -> None:
        self.reasons.setdefault(reason, Tally()).add(line.quantity, line.amount)

    @property
    def total(self) -> Tally:
        return sum(self.reasons.values(), Tally())


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole file. `file` and `acted` are its totals and those of the lines that became actions."""

    actions: tuple[Action, ...]
    report: Report
    file: Tally
    first_day: date | None

    @property
    def acted(self) -> Tally:
        """Summed from the actions themselves, not while they were made, so that a lost one is seen."""
        tally = Tally()
        numbers: set[int] = set()
        for action in self.actions:
            for number, units, amount in _entries(action):
                tally.add(units, amount, number not in numbers)
                numbers.add(number)
        return tally

    def products(self) -> dict[str, str]:
        """Every stocked code in any action with its first description, in file order."""
        return self._codes(stocked=True)

    def services(self) -> dict[str, str]:
        """Every code in any action that is not kept in stock, likewise."""
        return self._codes(stocked=False)

    def customers(self) -> list[str]:
        """Named customers of any action, in file order."""
        named = (a.customer for a in self.actions if not isinstance(a, Adjustment))
        return [customer for customer in dict.fromkeys(named) if customer]

    def _codes(self, *, stocked: bool) -> dict[str, str]:
        codes: dict[str, str] = {}
        for action in self.actions:
            if isinstance(action, Refund):  # its codes are those of a sale
                continue
            for line in action.lines:
                if is_product(line.code) == stocked and not codes.get(line.code):
                    codes[line.code] = line.text
        return codes


def _entries(action: Action) -> Iterator[tuple[int, int, Decimal]]:
    """(line of the file, units, amount) with the signs of the file."""
    match action:
        case Sale():
            yield from ((line.number, line.quantity, line.quantity * line.price) for line in action.lines)
        case Refund():
            yield from ((piece.number, -piece.units, -piece.units * piece.price) for piece in action.pieces)
        case CreditWithoutOrder():
            yield from ((line.number, -line.units, -line.units * line.price) for line in action.lines)
        case Adjustment():
            yield from ((line.number, line.quantity, Decimal(0)) for line in action.lines)


def stock_effects(action: Action) -> Iterator[tuple[str, int]]:
    """(product, what it adds to stock on hand) of one action; together the expected net movement of every product."""
    match action:
        case Sale():
            yield from ((line.code, -line.quantity) for line in action.lines if line.stocked)
        case Refund():
            yield from ((piece.code, piece.units) for piece in action.pieces if is_product(piece.code))
        case CreditWithoutOrder():
            yield from ((line.code, line.movement) for line in action.lines if line.movement)
        case Adjustment():
            yield from ((line.code, line.movement) for line in action.lines)


@dataclass(slots=True)
class _Left:
    """What of one sale line may still be refunded."""

    units: int
    invoice: str
    line_no: int


class Matcher:
    """Rule `refund_matching_fifo`: a cancellation line of a named customer with a price is matched to earlier valid
    sale lines of the same CustomerID, StockCode and UnitPrice text, oldest first, each unit once."""

    def __init__(self) -> None:
        self._left: defaultdict[tuple[str, str, str], deque[_Left]] = defaultdict(deque)

    def sold(self, line: RetailLine, line_no: int) -> None:
        if line.customer:
            self._left[line.customer, line.code, line.price_text].append(_Left(line.quantity, line.invoice, line_no))

    def considers(self, line: RetailLine) -> bool:
        return bool(line.customer) and line.price > 0

    def cancelled(self, line: RetailLine) -> list[RefundPiece]:
        """The pieces it is matched to; fewer units than the line has when there is not enough."""
        pieces: list[RefundPiece] = []
        wanted = -line.quantity
        queue = self._left.get((line.customer, line.code, line.price_text)) if self.considers(line) else None
        while queue and wanted:
            head = queue[0]
            units = min(head.units, wanted)
            pieces.append(RefundPiece(head.invoice, head.line_no, line.code, units, line.price, line.number))
            head.units -= units
            wanted -= units
            if not head.units:
                queue.popleft()
        return pieces


@dataclass(slots=True)
class _Invoice:
    first: RetailLine
    last: int
    sold: list[SaleLine] = field(default_factory=list)
    pieces: list[RefundPiece] = field(default_factory=list)
    credits: list[CreditedLine] = field(default_factory=list)
    adjusted: list[AdjustedLine] = field(default_factory=list)


def plan(lines: Iterable[RetailLine]) -> Plan:
    """The whole file as actions.

    A sale stands where its invoice begins, all else where its invoice ends: a few invoices are interleaved with
    others, and so no refund ever stands before its sale.
    """
    invoices: dict[str, _Invoice] = {}
    matcher = Matcher()
    report = Report()
    file = Tally()
    first_day: date | None = None
    for line in lines:
        file.add(line.quantity, line.amount)
        first_day = first_day or line.at.date()
        invoice = invoices.get(line.invoice)
        if invoice is None:
            invoice = invoices[line.invoice] = _Invoice(line, line.number)
        invoice.last = line.number
        kind = kind_of(line)
        if kind == "sale":
            line_no = len(invoice.sold) + 1
            vat = vat_of(line.code, line.country)
            invoice.sold.append(
                SaleLine(line_no, line.code, line.description, line.quantity, line.price, vat, line.number)
            )
            matcher.sold(line, line_no)
            if line.country not in COUNTRIES:
                report.unknown_countries.add(line.country)
        elif kind == "cancellation":
            pieces = matcher.cancelled(line)
            invoice.pieces += pieces
            if rest := -line.quantity - sum(piece.units for piece in pieces):
                reason = _why(line, matched=bool(pieces))
                invoice.credits.append(CreditedLine(line.code, line.description, rest, line.price, reason, line.number))
        elif kind in ("no_price_out", "no_price_in") and is_product(line.code):
            invoice.adjusted.append(AdjustedLine(line.code, line.description, line.quantity, line.number))
        else:
            report.add(REPORTED[kind], line)
    return Plan(tuple(_in_order(invoices)), report, file, first_day)


def _why(line: RetailLine, *, matched: bool) -> CreditReason:
    if line.price == 0:
        return "no price"
    if not line.customer:
        return "nobody named"
    return "more than was sold" if matched else "no earlier sale"


def _in_order(invoices: dict[str, _Invoice]) -> list[Action]:
    placed: list[tuple[int, Action]] = []
    for number, it in invoices.items():
        at = it.first.at.replace(tzinfo=UTC)
        who = it.first.customer_id
        where = country_code(it.first.country)
        if it.sold:
            placed.append((it.first.number, Sale(number, at, who, where, it.first.country, tuple(it.sold))))
        if it.pieces:
            placed.append((it.last, Refund(number, at, who, where, tuple(it.pieces))))
        if it.credits:
            placed.append((it.last, CreditWithoutOrder(number, at, who, where, tuple(it.credits))))
        if it.adjusted:
            placed.append((it.last, Adjustment(number, at, tuple(it.adjusted))))
    placed.sort(key=lambda entry: entry[0])
    return [action for _, action in placed]


# Opening stock


def ample_opening(actions: Iterable[Action], *, counting_returns: bool = True) -> dict[str, int]:
    """The least stock per product with which nothing ever waits: its deepest point below the start.

    With `counting_returns=False` nothing that comes in counts, for a replay in which returns may arrive later than
    their place in the file.
    """
    level: dict[str, int] = {}
    lowest: dict[str, int] = {}
    for action in actions:
        for code, change in stock_effects(action):
            if change > 0 and not counting_returns:
                continue
            now = level.get(code, 0) + change
            level[code] = now
            if now < lowest.get(code, 0):
                lowest[code] = now
    return {code: -depth for code, depth in lowest.items()}


def oracle_cutoff(first_day: date) -> date:
    """The day before which sales count for the opening stock of the oracle: the first four weeks of the file."""
    return first_day + timedelta(days=28)


def oracle_opening(sales: Iterable[Action], before: date) -> dict[str, int]:
    """Rule of `allocation_oracle_*`: three times the units of each product sold on days before that one."""
    opening: dict[str, int] = {}
    for sale in sales:
        if isinstance(sale, Sale) and sale.at.date() < before:
            for line in sale.lines:
                if line.stocked:
                    opening[line.code] = opening.get(line.code, 0) + 3 * line.quantity
    return opening
