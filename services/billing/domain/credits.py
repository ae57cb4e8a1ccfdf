"""What of an invoice is not credited yet, line by line: the bound of every credit, whoever it is for.

Pieces that are credited take their share of a line. A credit of an amount takes a part of the price instead: what is
left then belongs to the pieces that are left. So nothing is given back twice, and the last credit closes to the cent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from services.billing.domain.documents import Taken, credited_lines
from services.billing.domain.rows import ZERO, CreditNote, DocumentLine, Invoice
from shared.contracts.money import share_of, unit_of


@dataclass(frozen=True, slots=True)
class Left:
    """Of one line of an invoice: `amount` that is not credited yet, in the mode of the prices, for so many `pieces`.

    The shares of pieces are counted from the last credit of an amount on: `base` pieces came before it, and what it
    left is `worth`; `counted` pieces were credited since.
    """

    line: DocumentLine
    unit: Decimal
    amount: Decimal
    worth: Decimal
    base: int = 0
    counted: int = 0

    @property
    def pieces(self) -> int:
        return self.line.quantity - self.base - self.counted

    def of(self, pieces: int) -> Decimal:
        """What so many more pieces come to. Pieces whose price was given back before come to nothing."""
        whole = self.line.quantity - self.base
        if not whole:
            return ZERO
        upto = min(self.counted + pieces, whole)
        return share_of(self.worth, upto, whole, self.unit) - (self.worth - self.amount)

    def less(self, pieces: int, amount: Decimal) -> "Left":
        """After a credit of so many pieces, or of an amount without any."""
        left = self.amount - amount
        if not pieces:
            return Left(self.line, self.unit, left, left, self.base + self.counted)
        counted = min(self.counted + pieces, self.line.quantity - self.base)
        return Left(self.line, self.unit, left, self.worth, self.base, counted)


def left_of(invoice: Invoice, notes: Iterable[CreditNote]) -> dict[int, Left]:
    """Of every line of an invoice, by its number, after these credit notes."""
    unit = unit_of(invoice.currency)
    found = {line.line_no: Left(line, unit, line.amount, line.amount) for line in invoice.lines}
    for line in credited_lines(invoice, notes):
        found[line.line_no] = found[line.line_no].less(line.quantity, line.amount)
    return found


def taken_by(left: Mapping[int, Left], pieces: Mapping[int, int]) -> dict[int, Taken]:
    """What crediting so many pieces of these lines takes."""
    return {line_no: (n, left[line_no].of(n)) for line_no, n in pieces.items()}
