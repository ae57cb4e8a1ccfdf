"""The one rule of billing: what should be held, what is, and the one operation that brings them together.

Everything here is a pure function of the account. At most one operation is in flight per order.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeVar

from services.billing.domain.rows import ZERO, Account, Hold
from shared.contracts.billing import MoneyStatement, PaymentAuthorised, PaymentDeclined, PaymentPending

Kind = Literal["authorise", "capture", "void", "refund"]
State = Literal["pending", "ok", "declined", "unknown"]
S = TypeVar("S", bound=MoneyStatement)


@dataclass(frozen=True, slots=True)
class Wish:
    """An operation that the rule wants. `hold`: the authorisation that it draws on, None for none."""

    kind: Kind
    amount: Decimal
    hold: Hold | None = None


def held(a: Account) -> Decimal:
    """The customer's money that we have."""
    return a.captured - a.refunded


def staying(a: Account) -> Decimal:
    """The customer's money that we have, less what is on its way back."""
    return held(a) - a.refunding


def should_hold(a: Account) -> Decimal:
    """Paid in advance: what the order is worth, otherwise what was invoiced; less credits and what was given up."""
    worth = max(a.due, a.invoiced) if a.method == "bank_transfer" else a.invoiced
    return worth - a.credited - a.written_off


def owed(a: Account) -> Decimal:
    """For goods that are out: invoiced, not credited, not yet here, not given up."""
    return max(ZERO, a.invoiced - a.credited - a.written_off - held(a))


def on_credit(a: Account) -> Decimal:
    """What the customer owes on terms: for goods that are out, and for those that were granted and will go out.

    Money on its way back is owed again.
    """
    if a.method != "terms":
        return ZERO
    return max(ZERO, min(a.granted, a.due) - a.invoiced) + max(ZERO, a.invoiced - a.credited - staying(a))


def open_worth(a: Account) -> Decimal:
    """What the goods that are not out are worth."""
    return max(ZERO, a.due - a.invoiced)


def authorised(a: Account) -> Decimal:
    return sum([hold.left for hold in a.holds], ZERO)


def secured(a: Account) -> Decimal:
    """What covers open goods, in the same count as the amount due. Money on its way out does not count."""
    if a.method == "card":
        missing = max(ZERO, a.invoiced - a.credited - a.written_off - staying(a))
        return a.invoiced + authorised(a) - a.voiding - missing
    if a.method == "bank_transfer":
        return staying(a) + a.credited + a.written_off
    return a.due if a.method == "cash_on_delivery" else a.granted


def wanted(a: Account) -> Wish | None:
    """What the rule wants, whether or not it may be started now."""
    surplus = held(a) - should_hold(a)
    if surplus > 0:
        return _refund(a, surplus)
    live = _live(a)
    if a.method != "card":
        return Wish("void", live.left, live) if live else None
    if surplus < 0 and live:
        return Wish("capture", min(-surplus, live.left), live)
    need = open_worth(a) + owed(a)
    if live and not need:
        return Wish("void", live.left, live)
    missing = need - authorised(a)
    return Wish("authorise", missing) if missing > 0 else None


def next_operation(a: Account) -> Wish | None:
    """What to start now: nothing before the first ask, beside another operation, or after a refusal."""
    if not a.answers or a.running:
        return None
    wish = wanted(a)
    if wish is None or wish.kind == a.blocked or (wish.kind == "authorise" and a.declined):
        return None
    return wish


def state(a: Account) -> State:
    return _state(a, secured(a))


def settled(a: Account) -> bool:
    """Nothing in flight, nothing wished for, and what should be held is what is held."""
    return _settled(a, secured(a))


def statement(kind: type[S], a: Account) -> S:
    covered = secured(a)
    stands = _state(a, covered)
    return kind(
        order_id=a.order_id,
        version=a.version,
        answers=a.answers,
        state=stands,
        secured=covered,
        captured=a.captured,
        refunded=a.refunded,
        invoiced=a.invoices,
        credited=a.credits,
        owed=owed(a),
        written_off=a.written_off,
        settled=_settled(a, covered),
        parked=a.parked,
        reason=a.refusal if stands == "declined" else "",
    )


def position(a: Account) -> type[MoneyStatement]:
    """The fact that says where the money stands when nothing more special happened."""
    return {"ok": PaymentAuthorised, "declined": PaymentDeclined}.get(state(a), PaymentPending)


def _state(a: Account, covered: Decimal) -> State:
    if a.unknown:
        return "unknown"
    if covered >= a.due:
        return "ok"
    return "declined" if a.declined else "pending"


def _settled(a: Account, covered: Decimal) -> bool:
    return (
        a.answers > 0
        and not a.running
        and not a.custody
        and held(a) == should_hold(a)
        and covered >= a.due
        and wanted(a) is None
    )


def _live(a: Account) -> Hold | None:
    """The oldest authorisation that still covers something."""
    for hold in a.holds:
        if hold.left > 0:
            return hold
    return None


def _refund(a: Account, surplus: Decimal) -> Wish:
    """Back the way it came, oldest payment first; what came another way is paid out (R-14)."""
    for hold in a.holds:
        back = hold.captured - hold.refunded
        if back > 0:
            return Wish("refund", min(surplus, back), hold)
    return Wish("refund", surplus)
