"""The only arithmetic of money in the suite: EN 16931 (R-02..R-08), and parts that always sum to the whole.

Every amount of a part (one shipment of an order, one return of an invoice) is the difference of two cumulative
amounts, so that the last part closes to the cent whatever the parts were.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from typing import NamedTuple

from shared.contracts.values import PriceLine

ZERO = Decimal("0.00")
HUNDRED = Decimal(100)
NO_MINOR_UNIT = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF"}
    | {"XOF", "XPF"}
)


@cache
def unit_of(currency: str) -> Decimal:
    """The smallest amount of a currency (ISO 4217 exponent); 0.01 for nearly all."""
    if currency in NO_MINOR_UNIT:
        return Decimal(1)
    if currency in {"CLF", "UYW"}:
        return Decimal("0.0001")
    return Decimal("0.001") if currency in {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"} else Decimal("0.01")


def rounded(amount: Decimal, unit: Decimal = Decimal("0.01")) -> Decimal:
    """Half away from zero, so that rounding a credit mirrors rounding an invoice (R-02)."""
    return amount.quantize(unit, rounding=ROUND_HALF_UP) + 0  # + 0: nobody wants to read "-0.00"


def said(amount: Decimal, currency: str) -> str:
    """An amount for people, with the decimals of its currency; sums of ours begin with a zero that has two."""
    return f"{rounded(amount, unit_of(currency)):f} {currency}"


def written(amount: Decimal, currency: str) -> Decimal:
    """The same amount with the decimals of its currency, for programs; with all of its own where it has more."""
    unit = unit_of(currency)
    return rounded(amount, unit) if amount % unit == 0 else amount


def allocate(total: Decimal, weights: Sequence[Decimal], unit: Decimal = Decimal("0.01")) -> list[Decimal]:
    """Spreads `total` over the weights by largest remainder; the parts sum to it exactly, and mirror under a sign.

    Every part is within one unit of its exact share. Ties go to the earlier part. All weights zero: everything goes
    to the first. The total must be a multiple of the unit, or no parts could sum to it.
    """
    if total % unit:
        raise ValueError(f"{total} is not a multiple of {unit}")
    if not weights:
        if total:
            raise ValueError(f"nothing to spread {total} over")
        return []
    whole = sum(weights, Decimal(0))
    if whole == 0:
        return [total, *[unit * 0] * (len(weights) - 1)]
    exact = [total * weight / whole for weight in weights]
    parts = [share.quantize(unit, rounding=ROUND_DOWN) + 0 for share in exact]
    left = int(((total - sum(parts, Decimal(0))) / unit).to_integral_value())
    step = unit if left > 0 else -unit
    # Signed on purpose: among weights of both signs only a remainder in the direction of the step may take it.
    by_remainder = sorted(range(len(parts)), key=lambda i: (-(exact[i] - parts[i]) * step, i))
    for i in by_remainder[: abs(left)]:
        parts[i] += step
    return parts


@dataclass(frozen=True, slots=True)
class Piece:
    """So many pieces of one line worth `amount` together, net or gross as the prices are."""

    line_no: int
    quantity: int
    amount: Decimal
    category: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class LineTotal:
    """One line of a document. `amount` is in the mode of the prices, `net` always without VAT."""

    line_no: int
    quantity: int
    amount: Decimal
    net: Decimal
    category: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class VatGroup:
    """One line of the VAT breakdown (R-04): base net, VAT on it."""

    category: str
    rate: Decimal
    base: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """A document's figures: net = Σ lines = Σ bases, vat = Σ groups, gross = net + vat."""

    lines: tuple[LineTotal, ...]
    groups: tuple[VatGroup, ...]
    net: Decimal
    vat: Decimal
    gross: Decimal


class _Cut(NamedTuple):
    """What a document takes of one piece: so many, between two cumulative amounts. `named`: it is on the document."""

    piece: Piece
    quantity: int
    earlier: Decimal
    later: Decimal
    named: bool


def line_amount(line: PriceLine, unit: Decimal = Decimal("0.01")) -> Decimal:
    """The whole line as priced: round(quantity x price - discount) (R-03)."""
    return rounded(line.quantity * line.unit_price - line.discount, unit)


def pieces_of(lines: Iterable[PriceLine], unit: Decimal = Decimal("0.01")) -> list[Piece]:
    return [
        Piece(line.line_no, line.quantity, line_amount(line, unit), line.vat_category, line.vat_rate) for line in lines
    ]


def part(
    pieces: Iterable[Piece],
    before: Mapping[int, int],
    after: Mapping[int, int],
    *,
    inclusive: bool,
    unit: Decimal = Decimal("0.01"),
    closing: Mapping[tuple[str, Decimal], Decimal] | None = None,
) -> Totals:
    """The document for the pieces between two cumulative quantities per line number.

    Whatever the cuts, the parts of a whole sum to it: the amount of every line, and base, VAT and gross of every
    group. With inclusive prices a line's `net` is this document's spread of the group's base (R-05): it sums within
    the document, and may differ by a unit from the same line's net in a document cut otherwise.
    `closing`: VAT per (category, rate) of the whole, for credits of an invoice whose own VAT was a difference already.
    """
    pieces = list(pieces)
    known = {piece.line_no for piece in pieces}
    if strangers := [no for no, last in after.items() if no not in known and last != before.get(no, 0)]:
        raise ValueError(f"no such lines: {sorted(strangers)}")
    zero = unit * 0
    cuts: list[_Cut] = []
    for piece in pieces:
        first, last = before.get(piece.line_no, 0), after.get(piece.line_no, 0)
        if not 0 <= first <= last <= piece.quantity:
            raise ValueError(f"line {piece.line_no}: {first} to {last} of {piece.quantity} pieces is not a part")
        earlier = share_of(piece.amount, first, piece.quantity, unit) if first else zero
        later = share_of(piece.amount, last, piece.quantity, unit) if last else zero
        cuts.append(_Cut(piece, last - first, earlier, later, last > first))
    return _document(cuts, inclusive, unit, closing)


def _document(
    taken: Sequence[_Cut], inclusive: bool, unit: Decimal, closing: Mapping[tuple[str, Decimal], Decimal] | None
) -> Totals:
    """The figures of a document that takes these cuts. All pieces of the whole are among them, those it leaves too."""
    zero = net = vat = unit * 0
    groups: dict[tuple[str, Decimal], list[_Cut]] = {}
    for cut in taken:
        groups.setdefault((cut.piece.category, cut.piece.rate), []).append(cut)
    nets: dict[int, Decimal] = {}
    breakdown: list[VatGroup] = []
    for (category, rate), cuts in groups.items():
        of_group = [cut for cut in cuts if cut.named]
        if not of_group:
            continue
        earlier, later = sum([cut.earlier for cut in cuts], zero), sum([cut.later for cut in cuts], zero)
        if closing is not None:
            of_cut = _closing_vat(cuts, earlier, later, rate, inclusive, unit, closing.get((category, rate), zero))
        else:
            of_cut = _vat(later, rate, inclusive, unit)
            if earlier:
                of_cut -= _vat(earlier, rate, inclusive, unit)
        base = later - earlier
        if inclusive:
            base -= of_cut
            shares = allocate(base, [cut.later - cut.earlier for cut in of_group], unit)
            nets.update({cut.piece.line_no: share for cut, share in zip(of_group, shares, strict=True)})
        breakdown.append(VatGroup(category, rate, base, of_cut))
        net += base
        vat += of_cut
    lines: list[LineTotal] = []
    for piece, quantity, earlier, later, named in taken:
        if named:
            amount = later - earlier
            of_line = nets[piece.line_no] if inclusive else amount
            lines.append(LineTotal(piece.line_no, quantity, amount, of_line, piece.category, piece.rate))
    return Totals(tuple(lines), tuple(breakdown), net, vat, net + vat)


def totals(
    lines: Iterable[PriceLine],
    quantities: Mapping[int, int] | None = None,
    *,
    inclusive: bool,
    unit: Decimal = Decimal("0.01"),
) -> Totals:
    """What so many pieces of each line cost in all; all of them when no quantities are given."""
    lines = list(lines)
    wanted = {line.line_no: line.quantity for line in lines} if quantities is None else quantities
    return part(pieces_of(lines, unit), {}, wanted, inclusive=inclusive, unit=unit)


def credit(
    invoice: Totals,
    before: Mapping[int, int],
    after: Mapping[int, int],
    *,
    inclusive: bool,
    unit: Decimal = Decimal("0.01"),
) -> Totals:
    """The credit note for pieces of an invoice, between two cumulative credited quantities (R-08)."""
    pieces = [Piece(line.line_no, line.quantity, line.amount, line.category, line.rate) for line in invoice.lines]
    return part(pieces, before, after, inclusive=inclusive, unit=unit, closing=_vat_of(invoice))


def credit_amounts(
    invoice: Totals,
    before: Mapping[int, Decimal],
    taken: Mapping[int, tuple[int, Decimal]],
    *,
    inclusive: bool,
    unit: Decimal = Decimal("0.01"),
) -> Totals:
    """The credit note for amounts of some lines of an invoice, which is what pieces of it come to as well (R-08).

    `before`: what is credited of each line already; `taken`: line number -> (pieces, amount), amounts in the mode of
    the prices. Whatever the amounts, base, VAT and gross of every group sum to the invoice's when all is credited.
    """
    zero = unit * 0
    if strangers := set(taken) - {line.line_no for line in invoice.lines}:
        raise ValueError(f"no such lines: {sorted(strangers)}")
    cuts: list[_Cut] = []
    for line in invoice.lines:
        earlier = before.get(line.line_no, zero)
        pieces, amount = taken.get(line.line_no, (0, zero))
        later = earlier + amount
        for credited in (earlier, later):
            if not (0 <= credited <= line.amount or line.amount <= credited <= 0):
                raise ValueError(f"line {line.line_no}: {credited} of {line.amount} would be credited")
        piece = Piece(line.line_no, line.quantity, line.amount, line.category, line.rate)
        cuts.append(_Cut(piece, pieces, earlier, later, line.line_no in taken))
    return _document(cuts, inclusive, unit, _vat_of(invoice))


def _vat_of(invoice: Totals) -> dict[tuple[str, Decimal], Decimal]:
    return {(group.category, group.rate): group.vat for group in invoice.groups}


def share_of(amount: Decimal, part: int, whole: int, unit: Decimal = Decimal("0.01")) -> Decimal:
    """What so many of all pieces are worth; all of them the whole amount, to the unit."""
    return amount if part == whole else rounded(amount * part / whole, unit)


def _vat(amount: Decimal, rate: Decimal, inclusive: bool, unit: Decimal) -> Decimal:
    """VAT on the cumulative `amount` of a group."""
    return rounded(amount * rate / (HUNDRED + rate if inclusive else HUNDRED), unit)


def _closing_vat(
    cuts: Sequence[_Cut],
    earlier: Decimal,
    later: Decimal,
    rate: Decimal,
    inclusive: bool,
    unit: Decimal,
    cap: Decimal,
) -> Decimal:
    """VAT of a group's credit; `cap` is what the whole group really carries, which its credits must meet.

    The invoice's own VAT may be a unit off its rate, being a difference itself; then the last credit is too.
    """
    whole = sum([cut.piece.amount for cut in cuts], unit * 0)

    def up_to(amount: Decimal) -> Decimal:
        vat = _vat(amount, rate, inclusive, unit)
        if not (0 <= amount <= whole or whole <= amount <= 0):
            return vat  # lines of both signs in one group have no order to keep
        return min(vat, cap) if whole >= 0 else max(vat, cap)

    # The last credit closes, whatever the rate says; after it only pieces worth nothing are left.
    last = cap if all(cut.later == cut.piece.amount for cut in cuts) else up_to(later)
    return last - (cap if all(cut.earlier == cut.piece.amount for cut in cuts) else up_to(earlier))
