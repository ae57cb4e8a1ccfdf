"""What a customer may owe on terms, as a person set it; flow.py checks it, and counts what is owed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from services.billing.domain.flow import Ctx
from services.billing.domain.receipts import check_unit
from services.billing.domain.rows import ZERO, Debtor, changed
from shared.contracts.billing import SetCreditLimit
from shared.contracts.money import written
from shared.messaging.decision import Effect, Needs, Refused, Reply, Rows


def to_set(m: SetCreditLimit, rows: Rows) -> Needs:
    """In the second round as everywhere: this lock is the last one, whoever takes it."""
    yield Debtor, m.customer_id


def set_credit_limit(m: SetCreditLimit, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Takes the place of the general limit, or gives its place back to that. The same limit again changes nothing."""
    if m.limit is not None:
        if m.limit < 0:
            raise Refused("a limit is an amount from 0 on", field="limit")
        check_unit(m.limit, m.currency, "limit")
    known = (debtor for debtor in rows.group(Debtor, m.customer_id) if debtor.currency == m.currency)
    debtor = next(known, Debtor(m.customer_id, m.currency))
    if debtor.limit != m.limit:
        debtor = changed(debtor, limit=m.limit, reason=m.reason, set_by=m.actor, set_at=ctx.now)
        yield debtor
    yield Reply(told(debtor, ctx.policy.credit_limits.get(m.currency)))


def told(debtor: Debtor, general: Decimal | None) -> dict[str, Any]:
    """Limit, debt and what is left of one customer in one currency; `limit` is null where there are no terms.

    `general` is what everybody may owe, `own` says that the limit is this customer's.
    """
    limit = general if debtor.limit is None else debtor.limit
    left = max(ZERO, limit - debtor.owed) if limit is not None else ZERO

    def plain(amount: Decimal | None) -> str | None:
        return None if amount is None else f"{written(amount, debtor.currency):f}"

    return {
        "currency": debtor.currency,
        "limit": plain(limit),
        "own": debtor.limit is not None,
        "general": plain(general),
        "owed": plain(debtor.owed),
        "left": plain(left),
        "reason": debtor.reason,
        "set_by": debtor.set_by,
        "set_at": debtor.set_at,
    }
