"""Double entry (R-13): every entry is made here, and sums to zero.

The customer's account is split by its sign: what is owed to us is `receivable`, what we owe back is
`customer_prepayments`.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.billing.domain.rows import ZERO, Account, Posting

RECEIVABLE: Final = "receivable"
PREPAYMENTS: Final = "customer_prepayments"
REVENUE: Final = "revenue"
VAT: Final = "vat_payable"
PROVIDER: Final = "psp_clearing"
BANK: Final = "bank"
CUSTODY: Final = "cod_in_custody"
FEES: Final = "cod_fees"
UNMATCHED: Final = "unmatched_receipts"
BAD_DEBTS: Final = "bad_debts"
ACCOUNTS: Final = (RECEIVABLE, PREPAYMENTS, REVENUE, VAT, PROVIDER, BANK, CUSTODY, FEES, UNMATCHED, BAD_DEBTS)

Side = tuple[str, Decimal]


class Unbalanced(AssertionError):
    """An entry whose debits are not its credits: a fault of ours, nothing of it is stored."""


def balance(a: Account) -> Decimal:
    """What the customer owes us; negative: what we owe the customer. What the carrier holds is not the customer's."""
    return a.invoiced - a.credited - a.captured + a.refunded - a.custody - a.written_off


def customer(before: Account, after: Account) -> tuple[Side, Side]:
    """The change of the customer's balance."""
    old, new = balance(before), balance(after)
    return (RECEIVABLE, max(new, ZERO) - max(old, ZERO)), (PREPAYMENTS, max(-old, ZERO) - max(-new, ZERO))


def entry(
    entry_id: str, kind: str, currency: str, sides: Iterable[Side], at: datetime, account: Account | None = None
) -> list[Posting]:
    kept = [side for side in sides if side[1]]
    if sum([amount for _, amount in kept]):
        raise Unbalanced(f"{entry_id}: {kept}")
    order_id = account.order_id if account else None
    return [
        Posting(entry_id, no, name, amount, currency, order_id, kind, at) for no, (name, amount) in enumerate(kept, 1)
    ]
