"""Money that a person gives back without goods that come back: asked for, and done, waiting or refused.

What may be given back is bounded here, and who needs whom: above what their roles allow, a refund waits until another
person approves it. Done, it is the credit note, its ledger entry and the wish for the money in one decision (R-14).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.billing.domain import rule
from services.billing.domain.credits import left_of
from services.billing.domain.documents import CREDIT_NOTES, Taken, credit_figures, credit_note_for, next_number
from services.billing.domain.flow import Ctx, Draft
from services.billing.domain.journal import REVENUE, VAT, customer, entry
from services.billing.domain.rows import (
    ZERO,
    Account,
    CreditNote,
    Invoice,
    Operation,
    Policy,
    Refund,
    Series,
    changed,
)
from shared.contracts.billing import (
    ApproveRefund,
    Credited,
    CreditNoteIssued,
    RefundDenied,
    RefundGranted,
    RefundLine,
    RefundRequested,
    RefundStatement,
    RefuseRefund,
    RequestRefund,
)
from shared.contracts.money import Totals, said, unit_of, written
from shared.etag import etag_of
from shared.messaging.decision import Effect, Needs, Refused, Reply, Row, Rows

NOBODY = "it must be known who asks: the header X-Actor is missing"
FACTS: dict[str, type[RefundStatement]] = {
    "waiting": RefundRequested,
    "done": RefundGranted,
    "refused": RefundDenied,
}


def to_request(m: RequestRefund | ApproveRefund) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id
    yield Invoice, m.order_id
    yield CreditNote, m.order_id
    yield Refund, m.order_id
    yield Series, CREDIT_NOTES


def to_refuse(m: RefuseRefund) -> Needs:
    yield Account, m.order_id
    yield Refund, m.order_id


@dataclass(frozen=True, slots=True)
class Plan:
    """What a refund would credit: of which invoice, per line, and the figures of its credit note."""

    account: Account
    invoice: Invoice
    notes: Sequence[CreditNote]
    taken: dict[int, Taken]
    figures: Totals

    @property
    def currency(self) -> str:
        return self.invoice.currency


def free(a: Account) -> Decimal:
    """The customer's money that we have and that is not on its way back already."""
    return max(ZERO, min(rule.held(a), rule.should_hold(a)))


def plan_for(rows: Rows, m: RequestRefund | Refund) -> Plan:
    """What these lines come to now. Raises Refused, with the line, when it is more than there is to give back."""
    account = rows.find(Account, m.order_id)
    invoice = next((i for i in rows.group(Invoice, m.order_id) if i.number == m.invoice), None)
    if account is None or invoice is None:
        raise Refused(f"this order has no invoice {m.invoice}", field="invoice", status=404)
    notes = rows.group(CreditNote, m.order_id)
    taken = _taken(invoice, notes, m.lines)
    figures = credit_figures(invoice, notes, taken)
    credited = sum([note.gross for note in notes if note.invoice == invoice.number], ZERO)
    if figures.gross <= 0:
        raise Refused("nothing of these lines is left to be given back", field="lines", status=409)
    if credited + figures.gross > invoice.gross:
        raise Refused(
            f"{figures.gross:f} {invoice.currency} of {invoice.number} cannot be credited, "
            f"{invoice.gross - credited:f} {invoice.currency} is left",
            field="lines",
            status=409,
        )
    if owed := rule.owed(account):
        raise Refused(
            f"{said(owed, account.currency)} of this order is still owed: only what was paid can be given back",
            status=409,
        )
    if account.written_off:
        raise Refused(
            f"{said(account.written_off, account.currency)} of this order was written off: a credit would settle that "
            "first, and nothing would go back",
            status=409,
        )
    if figures.gross > (here := free(account)):
        raise Refused(
            f"{figures.gross:f} {account.currency} cannot be given back, {said(here, account.currency)} of the order's "
            "money is here and not on its way back",
            field="lines",
            status=409,
        )
    return Plan(account, invoice, notes, taken, figures)


def _taken(invoice: Invoice, notes: Sequence[CreditNote], lines: Sequence[RefundLine]) -> dict[int, Taken]:
    """Pieces and amount per line; never more than what of the line is not credited yet."""
    left, unit, taken = left_of(invoice, notes), unit_of(invoice.currency), dict[int, Taken]()
    for at, asked in enumerate(lines):
        field, known = f"lines.{at}", left.get(asked.line_no)
        if known is None:
            raise Refused(f"line {asked.line_no} is not on {invoice.number}", field=f"{field}.line_no")
        if asked.line_no in taken:
            raise Refused(f"line {asked.line_no} is there twice", field=f"{field}.line_no")
        if bool(asked.quantity) == bool(asked.amount) or asked.amount < 0:
            raise Refused("say either how many pieces or which amount", field=f"{field}.amount")
        if asked.amount % unit:
            raise Refused(f"amounts are multiples of {unit:f} {invoice.currency}", field=f"{field}.amount")
        if asked.quantity > known.pieces:
            raise Refused(
                f"line {asked.line_no}: {known.pieces} of {known.line.quantity} pieces are not credited yet",
                field=f"{field}.quantity",
                status=409,
            )
        amount = known.of(asked.quantity) if asked.quantity else asked.amount
        if amount > known.amount:
            raise Refused(
                f"line {asked.line_no}: {known.amount:f} {invoice.currency} of {known.line.amount:f} "
                f"{invoice.currency} is not credited yet",
                field=f"{field}.amount",
                status=409,
            )
        taken[asked.line_no] = asked.quantity, amount
    return taken


def limit_of(policy: Policy, roles: Iterable[str], currency: str) -> Decimal:
    """What a person with these roles may give back of one order alone; nothing where nobody wrote a limit down."""
    return max([policy.refund_limits.get(role, {}).get(currency, ZERO) for role in roles], default=ZERO)


def given_alone(refunds: Iterable[Refund], asker: str) -> Decimal:
    """What a person has given back of one order without another's approval: in parts it is not less."""
    return sum([r.gross for r in refunds if r.state == "done" and not r.approver and same(r.asker, asker)], ZERO)


def same(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return one.strip().casefold() == other.strip().casefold()


def quote_of(plan: Plan, refunds: Sequence[Refund], waits: bool) -> str:
    """A short text that is another one as soon as the money of the order, or what the refund would be, is another."""
    f, mine = plan.figures, [note for note in plan.notes if note.invoice == plan.invoice.number]
    told = etag_of([plan.account, plan.invoice, *mine, *refunds])
    return etag_of([Quote(told, f.net, f.vat, f.gross, waits)])


@dataclass(frozen=True, slots=True)
class Quote(Row):
    """What a preview stands for."""

    rows: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    waits: bool


def check_quote(quote: str, now: str, account: Account) -> None:
    """Refuses what a preview showed when it would be another thing now."""
    if quote and quote != now:
        raise Refused(
            f"The preview went stale: the order's money is at version {account.version} now. Nothing was done; look at "
            "a new one.",
            field="quote",
            status=409,
        )


def request_refund(m: RequestRefund, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Done at once within the asker's limit; above it, kept until another person decides."""
    refunds = rows.group(Refund, m.order_id)
    known = next((r for r in refunds if r.refund_id == m.refund_id), None)
    if known is not None:
        yield Reply(told(known), 202 if known.state == "waiting" else 201)
        return
    if not m.actor.strip():
        raise Refused(NOBODY, field="X-Actor")
    if not m.reason.strip():
        raise Refused("say why", field="reason")
    plan = plan_for(rows, m)
    limit = limit_of(ctx.policy, m.roles, plan.currency)
    waits = given_alone(refunds, m.actor) + plan.figures.gross > limit
    quote = quote_of(plan, refunds, waits)
    check_quote(m.quote, quote, plan.account)
    refund = Refund(
        m.order_id,
        m.refund_id,
        plan.invoice.number,
        plan.invoice.order_number,
        plan.invoice.customer_id,
        m.lines,
        plan.currency,
        plan.figures.net,
        plan.figures.vat,
        plan.figures.gross,
        m.reason,
        m.actor,
        ctx.now,
        limit,
    )
    if not waits:
        yield from _grant(refund, plan, quote, rows, ctx, status=201)
        return
    yield refund
    yield statement(refund)
    yield Reply(told(refund, quote), 202)


def approve_refund(m: ApproveRefund, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Done as it was asked for, by somebody else with the right. Refused as stale if it would be another refund now."""
    refund = _waiting(rows, m)
    if not ctx.policy.refund_approvers.intersection(m.roles):
        raise Refused("your roles may not approve refunds", status=403)
    if same(m.actor, refund.asker):
        raise Refused("who asked for a refund cannot approve it: another person must", status=403)
    plan = plan_for(rows, refund)
    quote = quote_of(plan, rows.group(Refund, m.order_id), waits=False)
    check_quote(m.quote, quote, plan.account)
    f = plan.figures
    if (f.net, f.vat, f.gross) != (refund.net, refund.vat, refund.gross):
        raise Refused(
            f"The refund went stale: its lines would come to {f.gross:f} {refund.currency} now instead of "
            f"{refund.gross:f} {refund.currency}. Refuse it, and let it be asked for anew.",
            status=409,
        )
    approved = changed(refund, version=refund.version + 1, approver=m.actor, note=m.note)
    yield from _grant(approved, plan, quote, rows, ctx, decided_by=m.actor)


def refuse_refund(m: RefuseRefund, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Nothing is given back. Who asked may take it back."""
    refund = _waiting(rows, m)
    if not (ctx.policy.refund_approvers.intersection(m.roles) or same(m.actor, refund.asker)):
        raise Refused("your roles may not refuse refunds of others", status=403)
    if not m.reason.strip():
        raise Refused("say why", field="reason")
    refused = changed(
        refund, version=refund.version + 1, state="refused", decided_by=m.actor, decided_at=ctx.now, note=m.reason
    )
    yield refused
    yield statement(refused)
    yield Reply(told(refused))


def _waiting(rows: Rows, m: ApproveRefund | RefuseRefund) -> Refund:
    """The refund that is to be decided; it is decided once."""
    if not m.actor.strip():
        raise Refused(NOBODY, field="X-Actor")
    refund = next((r for r in rows.group(Refund, m.order_id) if r.refund_id == m.refund_id), None)
    if refund is None:
        raise Refused(f"no refund {m.refund_id} of this order", status=404)
    if refund.state != "waiting":
        if refund.state == "done":
            raise Refused(f"this refund was done already, by {refund.decided_by}", status=409)
        raise Refused(f"this refund was refused already, by {refund.decided_by}", status=409)
    return refund


def _grant(
    refund: Refund, plan: Plan, quote: str, rows: Rows, ctx: Ctx, *, decided_by: str = "", status: int = 200
) -> Iterator[Effect]:
    """Credit note, ledger and the wish for the money: all or nothing (R-14, SC-31)."""
    number = next_number(rows.find(Series, CREDIT_NOTES), CREDIT_NOTES, ctx.now)
    note = credit_note_for(plan.invoice, plan.notes, refund.refund_id, plan.taken, number, ctx.policy)
    done = changed(
        refund,
        state="done",
        decided_by=decided_by or refund.asker,
        decided_at=ctx.now,
        credit_note=note.number,
    )
    draft = Draft(plan.account, rows, ctx)
    credited = Credited(
        return_id=refund.refund_id, shipment_id=plan.invoice.shipment_id, gross=note.gross, lines=(), by="refund"
    )
    draft.add(done, *credit(draft, note, credited), number.series)
    yield from draft.finish(CreditNoteIssued)
    yield statement(done)
    yield Reply(told(done, quote), status)


def credit(draft: Draft, note: CreditNote, told: Credited) -> list[Effect]:
    """What a credit note means for the account, and its entry in the journal."""
    account = draft.account
    draft.change(
        credited=account.credited + note.gross,
        credits=(*(c for c in account.credits if c.return_id != told.return_id), told),
    )
    sides = [*customer(account, draft.account), (REVENUE, note.net), *((VAT, group.vat) for group in note.groups)]
    return [note, *entry(note.number, "credit", account.currency, sides, draft.ctx.now, account)]


def statement(refund: Refund) -> RefundStatement:
    """The whole view of one refund, as the fact that says where it stands."""
    return FACTS[refund.state](**{name: getattr(refund, name) for name in RefundStatement.model_fields})


def told(refund: Refund, quote: str = "") -> dict[str, Any]:
    """What whoever asked is told."""
    body = statement(refund).model_dump(mode="json")
    return {**body, "limit": f"{written(refund.limit, refund.currency):f}", **({"quote": quote} if quote else {})}
