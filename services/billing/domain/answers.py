"""What became of operations: answers and hints of the provider, and the timers that ask or try again."""

from collections.abc import Iterator
from datetime import datetime

from services.billing.domain import rule
from services.billing.domain.flow import Ctx, Draft, call, dunning_timer, hold_of, on_hold, operation_timer
from services.billing.domain.journal import BANK, PROVIDER, customer, entry
from services.billing.domain.rows import ZERO, Account, Hint, Hold, Operation, changed
from shared.contracts.billing import (
    AuthorisationEnds,
    CaptureFailed,
    DunningDue,
    MoneyStatement,
    OperationDue,
    PaymentCaptured,
    PaymentDeclined,
    PaymentExpired,
    PaymentOverdue,
    PaymentRefunded,
    ProviderAnswered,
    ProviderWebhook,
    RefundFailed,
    ResumeOperation,
)
from shared.messaging.decision import Call, Effect, Missing, Needs, Refused, Reply, Rows, Timer

EXPIRED = "expired"
"""The provider's reason when an authorisation is gone: the rule authorises anew instead of trying again."""


def to_hear(m: ProviderAnswered | OperationDue | AuthorisationEnds | DunningDue | ResumeOperation) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id


def to_hear_hint(m: ProviderWebhook) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id
    yield Hint, m.event_id


def provider_answered(m: ProviderAnswered, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Merged by operation number: only the one in flight can be answered, once."""
    account = rows.one(Account, m.order_id)
    operation = running(account, rows)
    if operation is None or operation.no != m.operation_no:
        return
    draft = Draft(account, rows, ctx)
    if m.outcome == "unknown":
        yield from not_known(draft, operation, m.reason)
        return
    draft.count()
    draft.add(
        changed(
            operation,
            state="done" if m.outcome == "ok" else "refused",
            attempts=operation.attempts + 1,
            reference=m.reference,
            reason=m.reason,
            answered_at=ctx.now,
            expires_at=m.expires_at,
        )
    )
    if account.unknown:
        draft.add(operation_timer(account, operation.no, None))
    parked = account.parked if account.parked.startswith("overdue") else ""
    draft.change(running=0, unknown=False, voiding=ZERO, refunding=ZERO, parked=parked)
    facts = happened(draft, operation, m) if m.outcome == "ok" else refused(draft, operation, m.reason)
    yield from draft.finish(*facts) if facts else draft.tell_position()


def provider_webhook(m: ProviderWebhook, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A hint: it can say what the answer would have said, or that an authorisation is gone. Never goes back (R-17)."""
    if rows.find(Hint, m.event_id):
        yield Reply({"event_id": m.event_id, "state": "known"})
        return
    account = rows.one(Account, m.order_id)
    if m.operation_no > account.operations:
        raise Missing(f"order {m.order_id} has no operation {m.operation_no}")
    yield Hint(m.event_id, m.order_id, m.operation_no, m.outcome, m.raw, ctx.now)
    yield Reply({"event_id": m.event_id, "state": "stored"})
    operation = running(account, rows)
    if operation and operation.no == m.operation_no:
        answer = ProviderAnswered(
            order_id=m.order_id,
            operation_no=m.operation_no,
            outcome=m.outcome,
            reference=m.reference,
            reason=m.reason,
            expires_at=m.expires_at,
        )
        yield from provider_answered(answer, rows, ctx)
    elif m.outcome == "refused" and m.reason == EXPIRED:
        yield from expire(account, m.operation_no, operation, rows, ctx)


def operation_due(m: OperationDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Asks about an unknown operation under its own key, or tries a refused wish again under a new number."""
    account = rows.one(Account, m.order_id)
    operation = running(account, rows)
    if operation and operation.no == m.operation_no and account.unknown:
        yield Call(call(operation, query=True))
    elif operation is None and account.blocked and account.operations == m.operation_no and not account.parked:
        draft = Draft(account, rows, ctx)
        draft.change(blocked="")
        yield from draft.finish()


def authorisation_ends(m: AuthorisationEnds, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    account = rows.one(Account, m.order_id)
    yield from expire(account, m.operation_no, running(account, rows), rows, ctx)


def dunning_due(m: DunningDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A reminder; after the last one it is a task for a person."""
    account = rows.one(Account, m.order_id)
    if account.dunning_at is None or m.level != account.dunned + 1 or not rule.owed(account):
        return
    draft = Draft(account, rows, ctx)
    draft.change(dunned=m.level)
    plan = ctx.policy.dunning
    if m.level < len(plan):
        draft.add(dunning_timer(account, m.level + 1, account.dunning_at + plan[m.level]))
    else:
        reason = f"overdue: {rule.owed(account)} {account.currency} after {m.level} reminders"
        draft.change(parked=account.parked or reason)
    yield from draft.close(PaymentOverdue)


def resume_operation(m: ResumeOperation, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A person asks to go on: an unknown operation is asked about now, a parked one is tried again."""
    account = rows.find(Account, m.order_id)
    if account is None:
        raise Refused("there is no money of this order", field="order_id", status=404)
    operation = running(account, rows)
    if operation and account.unknown:
        yield Call(call(operation, query=True))
    elif account.blocked and operation is None:
        draft = Draft(account, rows, ctx)
        draft.change(blocked="", attempts=0, parked="")
        yield operation_timer(account, account.operations, None)
        yield from draft.finish()
    else:
        raise Refused("nothing of this order is parked", status=409)
    yield Reply({"order_id": str(m.order_id), "resumed": True}, 202)


def running(account: Account, rows: Rows) -> Operation | None:
    """The operation in flight."""
    if not account.running:
        return None
    return next(o for o in rows.group(Operation, account.order_id) if o.no == account.running)


def not_known(draft: Draft, operation: Operation, reason: str) -> list[Effect]:
    """A time-out is not a failure: nothing else is started for this order until the provider says (F28)."""
    policy, now, attempts = draft.ctx.policy, draft.ctx.now, operation.attempts + 1
    pause = policy.ask_again[attempts - 1] if attempts <= len(policy.ask_again) else policy.ask_hourly
    draft.add(
        changed(operation, state="unknown", attempts=attempts, reason=reason),
        operation_timer(draft.account, operation.no, now + pause),
    )
    news = not draft.account.unknown
    draft.change(unknown=True)
    if now - operation.wanted_at >= policy.unknown_is_a_task_after and not draft.account.parked:
        draft.change(parked=f"unknown: the provider does not say what became of {_named(operation)}")
        news = True
    return draft.tell_position() if news else draft.close()


def happened(draft: Draft, operation: Operation, m: ProviderAnswered) -> tuple[type[MoneyStatement], ...]:
    """Books what the provider did."""
    a, now = draft.before, draft.ctx.now
    if a.attempts or a.blocked:
        draft.change(attempts=0, blocked="")
    if operation.kind == "authorise":
        if m.expires_at and m.expires_at <= now:  # it covers nothing; asking again at once might never end
            return refused(draft, operation, "the authorisation was over when it arrived")
        taken = Hold(operation.no, m.reference, operation.amount, expires_at=m.expires_at)
        draft.change(holds=(*a.holds, taken), declined=False)
        if m.expires_at:
            draft.add(expiry_timer(a, operation.no, m.expires_at))
        return ()
    if operation.kind == "void":
        draft.change(holds=on_hold(a, operation.hold, left=ZERO))
        return ()
    entry_id = f"{a.order_id}:{operation.no}"
    hold = hold_of(a, operation.hold)
    if operation.kind == "capture":
        assert hold is not None
        holds = on_hold(
            a, hold.operation_no, left=hold.left - operation.amount, captured=hold.captured + operation.amount
        )
        draft.change(holds=holds, captured=a.captured + operation.amount)
        sides = [(PROVIDER, operation.amount), *customer(a, draft.account)]
        draft.add(*entry(entry_id, "capture", a.currency, sides, now, a))
        return (PaymentCaptured,)
    holds = on_hold(a, hold.operation_no, refunded=hold.refunded + operation.amount) if hold else a.holds
    draft.change(holds=holds, refunded=a.refunded + operation.amount)
    sides = [(PROVIDER if hold else BANK, -operation.amount), *customer(a, draft.account)]
    draft.add(*entry(entry_id, "refund", a.currency, sides, now, a))
    return (PaymentRefunded,)


def refused(draft: Draft, operation: Operation, reason: str) -> tuple[type[MoneyStatement], ...]:
    """Declined waits for the customer. A refused capture, void or refund is tried again, then parked by name."""
    a = draft.before
    if operation.kind == "authorise":
        draft.change(declined=True, declined_due=a.due)
        return (PaymentDeclined,)
    if reason == EXPIRED and operation.kind != "refund":
        draft.change(holds=on_hold(a, operation.hold, left=ZERO))
        return (CaptureFailed, PaymentExpired) if operation.kind == "capture" else (PaymentExpired,)
    pauses, attempts = draft.ctx.policy.retry, a.attempts + 1
    draft.change(blocked=operation.kind, attempts=attempts)
    if attempts <= len(pauses):
        draft.add(operation_timer(a, operation.no, draft.ctx.now + pauses[attempts - 1]))
    else:
        draft.change(parked=f"{_named(operation)} was refused {attempts} times: {reason or 'no reason given'}")
    return {"capture": (CaptureFailed,), "refund": (RefundFailed,)}.get(operation.kind, ())


def expire(account: Account, no: int, operation: Operation | None, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """An authorisation is gone. The rule asks for a new one if something still needs it."""
    hold = hold_of(account, no)
    if hold is None or hold.left <= 0:
        return
    if operation and operation.hold == no:  # its answer will say whether it was in time
        yield expiry_timer(account, no, ctx.now + ctx.policy.ask_hourly)
        return
    draft = Draft(account, rows, ctx)
    draft.change(holds=on_hold(account, no, left=ZERO))
    yield from draft.finish(PaymentExpired)


def expiry_timer(a: Account, no: int, at: datetime) -> Timer:
    return Timer(f"expiry:{a.order_id}:{no}", at, AuthorisationEnds(order_id=a.order_id, operation_no=no))


def _named(operation: Operation) -> str:
    return f"{operation.kind} {operation.no} of {operation.amount} {operation.currency}"
