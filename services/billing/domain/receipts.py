"""Money that comes past the provider: bank transfers, cash from carriers; and credits that belong to no order."""

from collections.abc import Iterator
from decimal import Decimal

from services.billing.domain import rule
from services.billing.domain.flow import Ctx, Draft
from services.billing.domain.journal import BANK, CUSTODY, FEES, UNMATCHED, customer, entry
from services.billing.domain.rows import ZERO, Account, BankEntry, Debtor, Operation, Remittance, UnmatchedCredit
from shared.contracts.billing import BankMoneyArrived, CashRemitted, PaymentCaptured, RecordCredit
from shared.contracts.money import said, unit_of, written
from shared.messaging.decision import Effect, Missing, Needs, Refused, Reply, Rows


def to_match(m: BankMoneyArrived) -> Needs:
    if m.order_id:
        yield Account, m.order_id
        yield Operation, m.order_id
    yield BankEntry, m.entry_id


def more_to_match(m: BankMoneyArrived, rows: Rows) -> Needs:
    """What comes for an order on terms is owed no more."""
    account = rows.find(Account, m.order_id) if m.order_id else None
    if account is not None and account.debtor:
        yield Debtor, account.debtor


def bank_money_arrived(m: BankMoneyArrived, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """One entry of the bank statement: counted once, for its order or for a person to look at (R-18).

    Sent again with an order, an entry that waits for review is matched to it. Money that comes before the order's
    first ask waits on its account.
    """
    if m.amount <= 0:
        raise Refused("only credit entries can be matched", field="amount")
    check_unit(m.amount, m.currency, "amount")
    known = rows.find(BankEntry, m.entry_id)
    if known and (known.amount, known.currency) != (m.amount, m.currency):
        raise Refused(f"{m.entry_id} is known with {known.amount} {known.currency}", field="amount", status=409)
    if known and (known.state == "matched" or m.order_id is None):
        yield Reply(_told(known))
        return
    account: Account | None = None
    reason = "no order"
    if m.order_id:
        account = rows.find(Account, m.order_id) or Account(m.order_id)
        if account.currency and account.currency != m.currency:
            account, reason = None, f"the order is not in {m.currency}"
    if account is None:
        taken = BankEntry(m.entry_id, "review", None, m.reference, m.amount, m.currency, m.booked_on, reason)
        yield taken
        if not known:
            sides = [(BANK, m.amount), (UNMATCHED, -m.amount)]
            yield from entry(f"bank:{m.entry_id}", "receipt", m.currency, sides, ctx.now)
        yield Reply(_told(taken), 202)
        return
    taken = BankEntry(m.entry_id, "matched", m.order_id, m.reference, m.amount, m.currency, m.booked_on)
    draft = Draft(account, rows, ctx)
    draft.change(captured=account.captured + m.amount, currency=m.currency)
    source = (UNMATCHED, m.amount) if known else (BANK, m.amount)
    name = f"bank:{m.entry_id}:matched" if known else f"bank:{m.entry_id}"
    draft.add(taken, *entry(name, "receipt", m.currency, [source, *customer(account, draft.account)], ctx.now, account))
    if account.answers:
        draft.advance()
        was, now = rule.state(account), rule.state(draft.account)
        yield from draft.close(PaymentCaptured, *([rule.position(draft.account)] if was != now else []))
    else:  # nothing is done or said before the first ask
        yield from draft.close()
    yield Reply(_told(taken))


def to_remit(m: CashRemitted) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id
    yield Remittance, m.order_id


def cash_remitted(m: CashRemitted, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The carrier pays: matched per shipment, never more than was to be collected. The same reference is one payout.

    What it keeps as its fee was paid by the customer all the same: it is a cost of the shop, and settles the order.
    """
    account = rows.one(Account, m.order_id)
    if account.method != "cash_on_delivery":
        raise Refused("this order is not cash on delivery", field="order_id")
    if m.amount <= 0:
        raise Refused("only money that comes in can be matched", field="amount")
    if m.fee < 0:
        raise Refused("a fee is what the carrier kept, never below 0", field="fee")
    check_unit(m.amount, account.currency, "amount")
    check_unit(m.fee, account.currency, "fee")
    invoice = next((i for i in account.invoices if i.shipment_id == m.shipment_id), None)
    if invoice is None:
        raise Missing(f"shipment {m.shipment_id} is not invoiced")
    known = [r for r in rows.group(Remittance, m.order_id) if r.shipment_id == m.shipment_id]
    before = sum((r.amount + r.fee for r in known), ZERO)

    def told(state: str, left: Decimal) -> Reply:
        left = written(left, account.currency)
        return Reply({"reference": m.reference, "state": state, "left": f"{left:f}", "currency": account.currency})

    if any(r.reference == m.reference for r in known):
        yield told("known", invoice.gross - before)
        return
    collected = m.amount + m.fee
    if before + collected > invoice.gross:
        was, all_ = said(before, account.currency), said(invoice.gross, account.currency)
        raise Refused(f"{was} of {all_} were paid out or kept before", field="amount")
    draft = Draft(account, rows, ctx)
    passed = min(account.custody, collected)
    draft.change(custody=account.custody - passed, captured=account.captured + collected)
    sides = [(BANK, m.amount), (FEES, m.fee), (CUSTODY, -passed), *customer(account, draft.account)]
    name = f"cash:{m.shipment_id}:{m.reference}"
    draft.add(
        Remittance(m.order_id, m.shipment_id, m.reference, m.amount, ctx.now, m.fee),
        *entry(name, "remittance", account.currency, sides, ctx.now, account),
    )
    yield from draft.finish(PaymentCaptured)
    yield told("matched", invoice.gross - before - collected)


def to_record(m: RecordCredit) -> Needs:
    yield UnmatchedCredit, m.reference


def record_credit(m: RecordCredit, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A credit without an order: kept for review, never paid out, nothing booked."""
    known = rows.find(UnmatchedCredit, m.reference)
    if known and (known.amount, known.currency, known.lines) != (m.amount, m.currency, m.lines):
        raise Refused("this reference is known with other figures", field="reference", status=409)
    if not known:
        yield UnmatchedCredit(m.reference, m.customer_id, m.currency, m.amount, m.reason, m.lines, ctx.now)
    yield Reply({"reference": m.reference, "state": known.state if known else "review"}, 200 if known else 201)


def check_unit(amount: Decimal, currency: str, field: str) -> None:
    """Less than a cent cannot be paid: it would be owed, or given back, for ever."""
    unit = unit_of(currency)
    if amount % unit:
        raise Refused(f"amounts are multiples of {unit:f} {currency}", field=field)


def _told(taken: BankEntry) -> dict[str, str | None]:
    order_id = str(taken.order_id) if taken.order_id else None
    return {"entry_id": taken.entry_id, "state": taken.state, "order_id": order_id, "reason": taken.reason}
