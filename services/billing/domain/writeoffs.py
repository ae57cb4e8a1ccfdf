"""Money that is owed and that nobody will pay: given up by a person, and what came of it after all.

Who may give up how much alone is as with refunds: above it a write-off waits until another person approves it (S8).
Done, it is one entry of the ledger (R-13). It is no credit note: VAT is taken back by the law's own procedure for bad
debts, and the customer still owes the money, so what comes in later takes it back first (flow.py), and it goes on
counting towards what the customer may owe on terms: who did not pay gets no new credit for it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.billing.domain import rule
from services.billing.domain.flow import Ctx, Draft
from services.billing.domain.journal import BAD_DEBTS, CUSTODY, customer, entry
from services.billing.domain.receipts import check_unit
from services.billing.domain.refunds import NOBODY, check_quote, limit_of, same
from services.billing.domain.rows import ZERO, Account, Operation, Sale, WriteOff, changed
from shared.contracts.billing import (
    ApproveWriteOff,
    DebtWrittenOff,
    RefuseWriteOff,
    RequestWriteOff,
    WriteOffDenied,
    WriteOffRequested,
    WriteOffStatement,
)
from shared.contracts.money import said, written
from shared.etag import etag_of
from shared.messaging.decision import Effect, Needs, Refused, Reply, Row, Rows

FACTS: dict[str, type[WriteOffStatement]] = {
    "waiting": WriteOffRequested,
    "done": DebtWrittenOff,
    "refused": WriteOffDenied,
}


def to_request(m: RequestWriteOff | ApproveWriteOff) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id
    yield Sale, m.order_id
    yield WriteOff, m.order_id


def to_refuse(m: RefuseWriteOff) -> Needs:
    yield Account, m.order_id
    yield WriteOff, m.order_id


@dataclass(frozen=True, slots=True)
class Quote(Row):
    """What a preview stands for."""

    rows: str
    amount: Decimal
    waits: bool


def written_off_alone(known: Iterable[WriteOff], asker: str) -> Decimal:
    """What a person has given up of one order without another's approval: in parts it is not less."""
    return sum([w.amount for w in known if w.state == "done" and not w.approver and same(w.asker, asker)], ZERO)


def request_write_off(m: RequestWriteOff, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Done at once within the asker's limit; above it, kept until another person decides."""
    known = rows.group(WriteOff, m.order_id)
    same_one = next((w for w in known if w.write_off_id == m.write_off_id), None)
    if same_one is not None:
        yield Reply(told(same_one), 202 if same_one.state == "waiting" else 201)
        return
    if not m.actor.strip():
        raise Refused(NOBODY, field="X-Actor")
    if not m.reason.strip():
        raise Refused("say why", field="reason")
    account, sale = rows.find(Account, m.order_id), rows.find(Sale, m.order_id)
    if account is None or sale is None:
        raise Refused("there is no money of this order", field="order_id", status=404)
    _check_amount(account, m.amount)
    if waiting := next((w for w in known if w.state == "waiting"), None):
        raise Refused(
            f"a write-off of {said(waiting.amount, waiting.currency)} of this order waits to be decided", status=409
        )
    limit = limit_of(ctx.policy, m.roles, account.currency)
    waits = written_off_alone(known, m.actor) + m.amount > limit
    quote = quote_of(account, known, m.amount, waits)
    check_quote(m.quote, quote, account)
    write_off = WriteOff(
        m.order_id, m.write_off_id, sale.number, sale.customer_id, m.amount, account.currency, m.reason, m.actor,
        ctx.now, limit,
    )  # fmt: skip
    if not waits:
        yield from _done(write_off, account, rows, ctx, decided_by=m.actor, quote=quote, status=201)
        return
    yield write_off
    yield statement(write_off)
    yield Reply(told(write_off, quote), 202)


def approve_write_off(m: ApproveWriteOff, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Done as it was asked for, by somebody else with the right, while so much is still owed."""
    write_off = _waiting(rows, m)
    if not ctx.policy.refund_approvers.intersection(m.roles):
        raise Refused("your roles may not approve write-offs", status=403)
    if same(m.actor, write_off.asker):
        raise Refused("who asked for a write-off cannot approve it: another person must", status=403)
    account = rows.one(Account, m.order_id)
    _check_amount(account, write_off.amount)
    approved = changed(write_off, version=write_off.version + 1, approver=m.actor, note=m.note)
    yield from _done(approved, account, rows, ctx, decided_by=m.actor)


def refuse_write_off(m: RefuseWriteOff, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Nothing is given up. Who asked may take it back."""
    write_off = _waiting(rows, m)
    if not (ctx.policy.refund_approvers.intersection(m.roles) or same(m.actor, write_off.asker)):
        raise Refused("your roles may not refuse write-offs of others", status=403)
    if not m.reason.strip():
        raise Refused("say why", field="reason")
    refused = changed(
        write_off, version=write_off.version + 1, state="refused", decided_by=m.actor, decided_at=ctx.now, note=m.reason
    )
    yield refused
    yield statement(refused)
    yield Reply(told(refused))


def quote_of(account: Account, known: Sequence[WriteOff], amount: Decimal, waits: bool) -> str:
    """A short text that is another one as soon as the money of the order, or what would be done, is another."""
    return etag_of([Quote(etag_of([account, *known]), amount, waits)])


def statement(write_off: WriteOff) -> WriteOffStatement:
    """The whole view of one write-off, as the fact that says where it stands."""
    return FACTS[write_off.state](**{name: getattr(write_off, name) for name in WriteOffStatement.model_fields})


def told(write_off: WriteOff, quote: str = "") -> dict[str, Any]:
    """What whoever asked is told."""
    body = statement(write_off).model_dump(mode="json")
    return {**body, "limit": f"{written(write_off.limit, write_off.currency):f}", **({"quote": quote} if quote else {})}


def _check_amount(account: Account, amount: Decimal) -> None:
    if amount <= 0:
        raise Refused("say how much is given up, more than 0", field="amount")
    check_unit(amount, account.currency, "amount")
    if amount > (owed := rule.owed(account)):
        raise Refused(
            f"{said(amount, account.currency)} cannot be written off, {said(owed, account.currency)} is owed for goods "
            "that are out",
            field="amount",
            status=409,
        )


def _waiting(rows: Rows, m: ApproveWriteOff | RefuseWriteOff) -> WriteOff:
    """The write-off that is to be decided; it is decided once."""
    if not m.actor.strip():
        raise Refused(NOBODY, field="X-Actor")
    write_off = next((w for w in rows.group(WriteOff, m.order_id) if w.write_off_id == m.write_off_id), None)
    if write_off is None:
        raise Refused(f"no write-off {m.write_off_id} of this order", status=404)
    if write_off.state == "done":
        raise Refused(f"this write-off was done already, by {write_off.decided_by}", status=409)
    if write_off.state == "refused":
        raise Refused(f"this write-off was refused already, by {write_off.decided_by}", status=409)
    return write_off


def _done(
    write_off: WriteOff, account: Account, rows: Rows, ctx: Ctx, *, decided_by: str, quote: str = "", status: int = 200
) -> Iterator[Effect]:
    """The entry and what it means for the account. Cash that a carrier has and does not pay out is given up last."""
    draft = Draft(account, rows, ctx)
    of_carrier = max(ZERO, write_off.amount - (rule.owed(account) - account.custody))
    draft.change(written_off=account.written_off + write_off.amount, custody=account.custody - of_carrier)
    sides = [(BAD_DEBTS, write_off.amount), (CUSTODY, -of_carrier), *customer(account, draft.account)]
    name = f"write_off:{write_off.write_off_id}"
    done = changed(write_off, state="done", decided_by=decided_by, decided_at=ctx.now)
    draft.add(done, *entry(name, "write_off", account.currency, sides, ctx.now, account))
    yield from draft.tell_position()
    yield statement(done)
    yield Reply(told(done, quote), status)
