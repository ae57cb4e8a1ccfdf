"""What a file must give, computed from its lines alone, under the names and by the rules of figures.json.

Nothing here knows the services or the plan's actions, so that their figures can be compared with these.
Amounts are exact decimals as text, in the number of places that their summands have.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from comptoir.retail.plan import Matcher, oracle_cutoff
from comptoir.retail.reader import NOT_PRODUCTS, RetailLine, invoice_kind, is_product, kind_of, vat_of
from comptoir.retail.writers import InvoiceRow, MovementRow

CENT = Decimal("0.01")
NOTHING = Decimal(0)
VALID_RULE = "InvoiceNo starts with a digit, Quantity>0, UnitPrice>0"
MATCHING_RULE = (
    "lines in file order; cancellation line of a named customer, price>0, is matched to earlier valid sale lines with "
    "the same CustomerID, StockCode and UnitPrice string, oldest first, consuming remaining units"
)
WHOLE_RULE = (
    "same lines and opening stock; an invoice (lines of one SKU added up) is accepted whole or rejected whole, in "
    "order of first line"
)
VAT_RULE = "UK invoices, product lines of valid sales, UnitPrice taken as net, line net rounded half-up to 0.01"

Tree = dict[str, Any]
"""Figures as JSON has them: nested by name; integers, amounts as text, and ranked lists."""


@dataclass(slots=True)
class Figures:
    """All figures of one file. A replay that computes only some leaves the others empty and compares `partly`."""

    lines: int | None = None
    exact_duplicate_lines: int | None = None
    first_line_at: str | None = None
    last_line_at: str | None = None
    invoices: Tree = field(default_factory=dict)
    lines_by_kind: Tree = field(default_factory=dict)
    distinct: Tree = field(default_factory=dict)
    lines_without_customer: int | None = None
    invoices_without_customer: int | None = None
    lines_zero_price: int | None = None
    lines_negative_price: int | None = None
    lines_negative_qty: int | None = None
    lines_negative_qty_not_cancellation: int | None = None
    lines_price_with_3_decimals: int | None = None
    amount_gross_of_all_lines_exact: str | None = None
    amount_sum_of_line_totals_rounded_half_up: str | None = None
    amount_sale_exact: str | None = None
    units_sale: int | None = None
    amount_cancellation_exact: str | None = None
    units_cancellation: int | None = None
    amount_adjustment_exact: str | None = None
    units_adjustment: int | None = None
    valid_sale: Tree = field(default_factory=dict)
    valid_sale_named_customer: Tree = field(default_factory=dict)
    valid_sale_by_month: Tree = field(default_factory=dict)
    valid_sale_by_country: Tree = field(default_factory=dict)
    valid_sale_by_weekday_0_is_monday: Tree = field(default_factory=dict)
    valid_sale_by_hour: Tree = field(default_factory=dict)
    cancellation_by_month: Tree = field(default_factory=dict)
    cancellation_by_country: Tree = field(default_factory=dict)
    top25_sku_by_units: list[Any] = field(default_factory=list)
    top25_sku_by_amount: list[Any] = field(default_factory=list)
    top25_customers_by_amount: list[Any] = field(default_factory=list)
    customers_with_2_or_more_invoices: int | None = None
    abc: Tree = field(default_factory=dict)
    net_stock_movement: Tree = field(default_factory=dict)
    refund_matching_fifo: Tree = field(default_factory=dict)
    allocation_oracle_partial: Tree = field(default_factory=dict)
    allocation_oracle_all_or_nothing: Tree = field(default_factory=dict)
    vat_oracle_uk_20pct: Tree = field(default_factory=dict)

    def as_tree(self) -> Tree:
        """Under the names of figures.json, without what was not computed."""
        values = {_NAMES.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, {}, [])}


_NAMES = {"lines_negative_qty_not_cancellation": "lines_negative_qty_not_cancellation_(stock_adjustments)"}


def load(path: str | Path) -> Tree:
    """A figures.json."""
    tree: Tree = json.loads(Path(path).read_text(encoding="utf-8"))
    return tree


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not as expected. None: it is missing on that side."""

    name: str  # dotted path, with [n] in lists
    expected: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.name}: expected {self.expected}, ours {self.ours}"


def differences(
    expected: Mapping[str, Any], ours: "Mapping[str, Any] | Figures", *, partly: bool = False
) -> list[Difference]:
    """Every figure in which the two differ, in the expected order. The texts of the rules are not compared.

    Amounts are compared as numbers: 38970.0 is 38970.00. `partly`: figures that ours does not have are passed over.
    """
    tree = ours.as_tree() if isinstance(ours, Figures) else ours
    found: list[Difference] = []
    _compare("", expected, tree, partly, found)
    return found


def _compare(name: str, expected: Any, ours: Any, partly: bool, found: list[Difference]) -> None:
    if isinstance(expected, Mapping) and isinstance(ours, Mapping):
        for key in [*expected, *(key for key in ours if key not in expected)]:
            path = f"{name}.{key}" if name else str(key)
            if key == "rule" or (partly and key not in ours):
                continue
            _compare(path, expected.get(key), ours.get(key), partly, found)
    elif isinstance(expected, list | tuple) and isinstance(ours, list | tuple):
        for i in range(max(len(expected), len(ours))):
            theirs, mine = (side[i] if i < len(side) else None for side in (expected, ours))
            _compare(f"{name}[{i}]", theirs, mine, partly, found)
    elif not _same(expected, ours):
        found.append(Difference(name, expected, ours))


def _same(expected: object, ours: object) -> bool:
    if expected == ours:
        return True
    if expected is None or ours is None:
        return False
    try:
        return Decimal(str(expected)) == Decimal(str(ours))
    except ArithmeticError:
        return False


def rounded(amount: Decimal) -> Decimal:
    """Half away from zero, to 0.01."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


# The two tables


def invoice_rows(lines: Iterable[RetailLine]) -> list[InvoiceRow]:
    """The expected invoice totals, in order of each invoice's first line. Its columns: see InvoiceRow."""
    grouped: dict[str, list[RetailLine]] = {}
    for line in lines:
        grouped.setdefault(line.invoice, []).append(line)
    rows = []
    for number, own in grouped.items():
        first = own[0]
        valid = [line for line in own if kind_of(line) == "sale"]
        rows.append(
            InvoiceRow(
                number,
                invoice_kind(number),
                str(first.at),
                first.customer,
                first.country,
                len(own),
                sum(line.quantity for line in own),
                sum((line.amount for line in own), NOTHING),
                sum((rounded(line.amount) for line in own), NOTHING),
                len(valid),
                sum((line.amount for line in valid), NOTHING),
            )
        )
    return rows


def movement_rows(lines: Iterable[RetailLine]) -> list[MovementRow]:
    """The expected movements of every stock code, sorted by code. Its columns: see MovementRow."""
    sold: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    written_off: Counter[str] = Counter()
    codes: set[str] = set()
    for line in lines:
        codes.add(line.code)
        if invoice_kind(line.invoice) == "cancellation":
            returned[line.code] -= line.quantity
        elif line.quantity > 0:
            sold[line.code] += line.quantity
        else:
            written_off[line.code] -= line.quantity
    return [movement_row(code, sold[code], returned[code], written_off[code]) for code in sorted(codes)]


def movement_row(code: str, sold: int, returned: int, written_off: int) -> MovementRow:
    """One row with the net that follows from the others."""
    return MovementRow(code, int(is_product(code)), sold, returned, written_off, returned + written_off - sold)


# All figures


def figures_of(lines: Iterable[RetailLine], *, oracle_before: date | None = None) -> Figures:
    """Every figure of a file. `oracle_before`: sales before that day make the oracle's opening stock; the first four
    weeks of the file when it is not given."""
    file = list(lines)
    valid = [line for line in file if kind_of(line) == "sale"]
    cancelled = [line for line in file if invoice_kind(line.invoice) == "cancellation"]
    own = Figures()
    _counts(own, file)
    own.valid_sale = _valid(valid)
    named = [line for line in valid if line.customer]
    own.valid_sale_named_customer = {
        "lines": len(named),
        "invoices": len({line.invoice for line in named}),
        "customers": len({line.customer for line in named}),
        "units": sum(line.quantity for line in named),
        "amount": _sum(named),
    }
    own.valid_sale_by_month = _by(valid, lambda line: f"{line.at:%Y-%m}")
    own.valid_sale_by_country = _by(valid, lambda line: line.country)
    own.valid_sale_by_weekday_0_is_monday = _by(valid, lambda line: str(line.at.weekday()))
    own.valid_sale_by_hour = _by(valid, lambda line: f"{line.at:%H}")
    own.cancellation_by_month = _by(cancelled, lambda line: f"{line.at:%Y-%m}")
    own.cancellation_by_country = _by(cancelled, lambda line: line.country)
    _rankings(own, valid, named)
    own.net_stock_movement = net_stock_movement(movement_rows(file))
    own.refund_matching_fifo = refund_matching(file)
    if file:
        before = oracle_before or oracle_cutoff(file[0].at.date())
        products = [line for line in valid if is_product(line.code)]
        own.allocation_oracle_partial = allocation_partial(products, before)
        own.allocation_oracle_all_or_nothing = allocation_all_or_nothing(products, before)
    own.vat_oracle_uk_20pct = vat_oracle(valid)
    return own


def _sum(lines: Iterable[RetailLine]) -> str:
    return str(sum((line.amount for line in lines), NOTHING))


def _counts(own: Figures, file: Sequence[RetailLine]) -> None:
    own.lines = len(file)
    own.exact_duplicate_lines = len(file) - len(
        {(x.invoice, x.code, x.description, x.quantity, x.at, x.price_text, x.customer, x.country) for x in file}
    )
    own.first_line_at = str(file[0].at) if file else None
    own.last_line_at = str(file[-1].at) if file else None
    by_kind: defaultdict[str, list[RetailLine]] = defaultdict(list)
    for line in file:
        by_kind[invoice_kind(line.invoice)].append(line)
    numbers = {line.invoice for line in file}
    own.invoices = {"all": len(numbers), **Counter(invoice_kind(number) for number in sorted(numbers))}
    own.lines_by_kind = {kind: len(of_kind) for kind, of_kind in by_kind.items()}
    own.distinct = {
        "stock_codes": len({line.code for line in file}),
        "customers_named": len({line.customer for line in file if line.customer}),
        "countries": len({line.country for line in file}),
    }
    own.lines_without_customer = sum(not line.customer for line in file)
    own.invoices_without_customer = len({line.invoice for line in file if not line.customer})
    own.lines_zero_price = sum(line.price == 0 for line in file)
    own.lines_negative_price = sum(line.price < 0 for line in file)
    own.lines_negative_qty = sum(line.quantity < 0 for line in file)
    own.lines_negative_qty_not_cancellation = sum(
        line.quantity < 0 and invoice_kind(line.invoice) != "cancellation" for line in file
    )
    own.lines_price_with_3_decimals = sum(len(line.price_text.partition(".")[2]) == 3 for line in file)
    own.amount_gross_of_all_lines_exact = _sum(file)
    own.amount_sum_of_line_totals_rounded_half_up = str(sum((rounded(line.amount) for line in file), NOTHING))
    own.amount_sale_exact = _sum(by_kind["sale"])
    own.units_sale = sum(line.quantity for line in by_kind["sale"])
    own.amount_cancellation_exact = _sum(by_kind["cancellation"])
    own.units_cancellation = sum(line.quantity for line in by_kind["cancellation"])
    own.amount_adjustment_exact = _sum(by_kind["adjustment"])
    own.units_adjustment = sum(line.quantity for line in by_kind["adjustment"])


def _amounts(lines: Iterable[RetailLine]) -> dict[str, Decimal]:
    """Exact amount per invoice, in file order."""
    amounts: dict[str, Decimal] = {}
    for line in lines:
        amounts[line.invoice] = amounts.get(line.invoice, NOTHING) + line.amount
    return amounts


def _valid(valid: Sequence[RetailLine]) -> Tree:
    amounts = _amounts(valid)
    ordered = sorted(amounts.values())
    sizes = Counter(line.invoice for line in valid)
    middle = len(ordered) // 2
    tree: Tree = {
        "rule": VALID_RULE,
        "lines": len(valid),
        "invoices": len(amounts),
        "units": sum(line.quantity for line in valid),
        "amount": _sum(valid),
        "top10_invoices": [
            [invoice, str(amount)] for invoice, amount in sorted(amounts.items(), key=lambda pair: -pair[1])[:10]
        ],
    }
    if ordered:
        tree["mean_invoice_amount_half_up"] = str(rounded(sum(ordered, NOTHING) / len(ordered)))
        median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
        tree["median_invoice_amount"] = str(median)
        tree["max_lines_in_invoice"] = list(sizes.most_common(1)[0])
    return tree


def _by(lines: Iterable[RetailLine], key: Callable[[RetailLine], str]) -> Tree:
    groups: defaultdict[str, list[RetailLine]] = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return {
        name: {
            "invoices": len({line.invoice for line in group}),
            "lines": len(group),
            "units": sum(line.quantity for line in group),
            "amount": _sum(group),
        }
        for name, group in sorted(groups.items())
    }


def _rankings(own: Figures, valid: Sequence[RetailLine], named: Sequence[RetailLine]) -> None:
    units: Counter[str] = Counter()
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in valid:
        units[line.code] += line.quantity
        amounts[line.code] += line.amount
    by_units = sorted(units, key=lambda code: (-units[code], code))
    by_amount = sorted(amounts, key=lambda code: (-amounts[code], code))
    own.top25_sku_by_units = [[code, units[code], str(amounts[code])] for code in by_units[:25]]
    own.top25_sku_by_amount = [[code, units[code], str(amounts[code])] for code in by_amount[:25]]
    invoices: defaultdict[str, set[str]] = defaultdict(set)
    bought: Counter[str] = Counter()
    spent: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in named:
        invoices[line.customer].add(line.invoice)
        bought[line.customer] += line.quantity
        spent[line.customer] += line.amount
    best = sorted(spent, key=lambda customer: (-spent[customer], customer))[:25]
    own.top25_customers_by_amount = [[c, len(invoices[c]), bought[c], str(spent[c])] for c in best]
    own.customers_with_2_or_more_invoices = sum(len(numbers) > 1 for numbers in invoices.values())
    own.abc = {
        "skus": len(amounts),
        "skus_making_80pct_of_amount": _making(Decimal("0.80"), [amounts[code] for code in by_amount]),
        "skus_making_95pct_of_amount": _making(Decimal("0.95"), [amounts[code] for code in by_amount]),
    }


def _making(share: Decimal, amounts: Sequence[Decimal]) -> int:
    """How many of the amounts, the largest first, make that share of all."""
    goal = share * sum(amounts, NOTHING)
    reached = NOTHING
    for count, amount in enumerate(amounts):
        if reached >= goal:
            return count
        reached += amount
    return len(amounts)


def net_stock_movement(rows: Iterable[MovementRow]) -> Tree:
    """Over products only; the ten largest outflows with the lowest net first."""
    products = [row for row in rows if row.is_product]
    largest = sorted(products, key=lambda row: (row.net_movement, row.stock_code))[:10]
    return {
        "product_skus": len(products),
        "sum_of_movements": sum(row.net_movement for row in products),
        "ten_largest_outflows": [[row.stock_code, row.net_movement] for row in largest],
    }


def refund_matching(file: Iterable[RetailLine]) -> Tree:
    """Rule `refund_matching_fifo`."""
    matcher = Matcher()
    outcomes: Counter[str] = Counter()
    units, amount = 0, NOTHING
    for line in file:
        kind = kind_of(line)
        if kind == "sale":
            matcher.sold(line, 0)
        elif kind == "cancellation" and matcher.considers(line):
            matched = sum(piece.units for piece in matcher.cancelled(line))
            outcomes["full" if matched == -line.quantity else "part" if matched else "none"] += 1
            units += matched
            amount += matched * line.price
    return {
        "rule": MATCHING_RULE,
        "cancellation_lines_considered": outcomes.total(),
        "fully_matched": outcomes["full"],
        "partly_matched": outcomes["part"],
        "unmatched": outcomes["none"],
        "units_matched": units,
        "amount_matched": str(amount),
    }


def _opening(products: Iterable[RetailLine], before: date) -> Counter[str]:
    opening: Counter[str] = Counter()
    for line in products:
        if line.at.date() < before:
            opening[line.code] += 3 * line.quantity
    return opening


def allocation_partial(products: Sequence[RetailLine], before: date) -> Tree:
    """Rule `allocation_oracle_partial` over the valid sale lines of products."""
    on_hand = _opening(products, before)
    opening_units, opening_skus = on_hand.total(), len(on_hand)
    outcomes: Counter[str] = Counter()
    filled = backordered = 0
    short: set[str] = set()
    for line in products:
        taken = min(line.quantity, on_hand[line.code])
        on_hand[line.code] -= taken
        filled += taken
        backordered += line.quantity - taken
        outcomes["filled" if taken == line.quantity else "partly" if taken else "none"] += 1
        if taken < line.quantity:
            short.add(line.invoice)
    invoices = {line.invoice for line in products}
    return {
        "rule": f"valid sale lines of product codes (not {sorted(NOT_PRODUCTS)} nor gift_*), file order; opening stock "
        f"of each SKU = 3 x units sold on days before {before}; no replenishment, no returns to stock; each line "
        "takes min(wanted, on hand), the rest is backordered",
        "opening_units": opening_units,
        "opening_skus": opening_skus,
        "lines": len(products),
        "lines_filled": outcomes["filled"],
        "lines_partly_filled": outcomes["partly"],
        "lines_backordered": outcomes["none"],
        "units_filled": filled,
        "units_backordered": backordered,
        "invoices_filled_completely": len(invoices - short),
        "invoices_all": len(invoices),
        "units_left": on_hand.total(),
    }


def allocation_all_or_nothing(products: Sequence[RetailLine], before: date) -> Tree:
    """Rule `allocation_oracle_all_or_nothing` over the same lines."""
    on_hand = _opening(products, before)
    wanted: dict[str, Counter[str]] = {}
    for line in products:
        wanted.setdefault(line.invoice, Counter())[line.code] += line.quantity
    amounts = _amounts(products)
    accepted = [NOTHING]
    for invoice, units in wanted.items():
        if all(on_hand[code] >= quantity for code, quantity in units.items()):
            on_hand.subtract(units)
            accepted.append(amounts[invoice])
    return {
        "rule": WHOLE_RULE,
        "invoices": len(wanted),
        "accepted": len(accepted) - 1,
        "rejected": len(wanted) - len(accepted) + 1,
        "amount_accepted": str(sum(accepted, NOTHING)),
        "units_left": on_hand.total(),
    }


def vat_oracle(valid: Iterable[RetailLine]) -> Tree:
    """Rule `vat_oracle_uk_20pct`."""
    nets: dict[str, Decimal] = {}
    by_line: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in valid:
        rate = vat_of(line.code, line.country).rate
        if rate:
            net = rounded(line.amount)
            nets[line.invoice] = nets.get(line.invoice, NOTHING) + net
            by_line[line.invoice] += rounded(net * rate / 100)
    by_invoice = {invoice: rounded(net * 20 / 100) for invoice, net in nets.items()}
    return {
        "rule": VAT_RULE,
        "tax_rounded_once_per_invoice": str(sum(by_invoice.values(), NOTHING)),
        "tax_rounded_per_line": str(sum(by_line.values(), NOTHING)),
        "invoices_where_they_differ": sum(tax != by_line[invoice] for invoice, tax in by_invoice.items()),
    }
