"""What staff would do to an order's money, told before it is done: the real decision on its real rows, undone."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from services.billing.domain import rule
from services.billing.domain.credits import left_of
from services.billing.domain.refunds import given_alone
from services.billing.domain.rows import ZERO, Account, CreditNote, DocumentGroup, Invoice, Operation, Refund, WriteOff
from services.billing.domain.writeoffs import written_off_alone
from shared.contracts.billing import ApproveRefund, RefundReturn, RequestRefund, RequestWriteOff
from shared.contracts.message import Message
from shared.contracts.money import said, written
from shared.messaging.decision import Rows

Item = dict[str, Any]


def preview(rows: Rows, m: RequestRefund | ApproveRefund, quote: str, messages: Iterable[Message]) -> Item:
    """Quote, figures before and after, the document, and all that in sentences. `state`: done, or waiting for another.

    A refund that would only wait is shown as it would be once it is approved, which credits nothing before.
    """
    refund = next(r for r in rows.group(Refund, m.order_id) if r.refund_id == m.refund_id)
    now = rows.group(Account, m.order_id)[0]
    [was] = rows.group_before(Account, m.order_id)
    note = next((n for n in rows.group(CreditNote, m.order_id) if n.return_id == refund.refund_id), None)
    return {
        "order_id": str(m.order_id),
        "number": refund.order_number,
        "version": was.version,
        "quote": quote,
        "state": refund.state,
        "invoice": refund.invoice,
        "currency": refund.currency,
        "limit": _plain(refund.limit, refund.currency),
        "net": f"{refund.net:f}",
        "vat": f"{refund.vat:f}",
        "gross": f"{refund.gross:f}",
        "credited": [_plain(sum_, was.currency) for sum_ in (was.credited, now.credited)],
        "held": [_plain(sum_, was.currency) for sum_ in (rule.held(was), min(rule.held(now), rule.should_hold(now)))],
        "groups": [] if note is None else [_group(group) for group in note.groups],
        "sentences": list(_sentences(rows, refund, note, messages)),
    }


def credited(rows: Rows, m: RefundReturn) -> Item:
    """What the credit note of a return would say, and how much of it would be paid back."""
    note = next(n for n in rows.group(CreditNote, m.order_id) if n.return_id == m.return_id)
    [was], now = rows.group_before(Account, m.order_id), rows.group(Account, m.order_id)[0]
    return {
        "order_id": str(m.order_id),
        "invoice": note.invoice,
        "currency": note.currency,
        "net": f"{note.net:f}",
        "vat": f"{note.vat:f}",
        "gross": f"{note.gross:f}",
        "back": _plain(_surplus(now) - _surplus(was), note.currency),
    }


def given_up(rows: Rows, m: RequestWriteOff, quote: str, messages: Iterable[Message]) -> Item:
    """Quote, what is owed and written off before and after, and that in sentences. `state`: done, or waiting."""
    write_off = next(w for w in rows.group(WriteOff, m.order_id) if w.write_off_id == m.write_off_id)
    now = rows.group(Account, m.order_id)[0]
    was = next(iter(rows.group_before(Account, m.order_id)), now)
    return {
        "order_id": str(m.order_id),
        "number": write_off.order_number,
        "version": was.version,
        "quote": quote,
        "state": write_off.state,
        "currency": write_off.currency,
        "limit": _plain(write_off.limit, write_off.currency),
        "amount": _plain(write_off.amount, write_off.currency),
        "owed": [_plain(rule.owed(of), of.currency) for of in (was, now)],
        "written_off": [_plain(of.written_off, of.currency) for of in (was, now)],
        "sentences": list(_loss(rows, write_off, messages)),
    }


def _loss(rows: Rows, write_off: WriteOff, sent: Iterable[Message]) -> Iterator[str]:
    account, currency = rows.group(Account, write_off.order_id)[0], write_off.currency
    amount = said(write_off.amount, currency)
    if write_off.state == "waiting":
        limit = said(write_off.limit, currency)
        yield (
            f"Billing would keep it until another person approves it: {write_off.asker} may give up {limit} of an "
            "order alone."
        )
        alone = written_off_alone(rows.group(WriteOff, write_off.order_id), write_off.asker)
        if alone:
            yield f"Billing wrote off {said(alone, currency)} of this order for {write_off.asker} before."
        yield f"Billing would then write off {amount}."
    else:
        yield f"Billing would write off {amount} of what is owed: a loss in the ledger, and no document."
        yield f"Billing would still want {said(rule.owed(account), currency)}, and reminders go for that alone."
        yield "Billing would take the loss back by what is paid after all, or credited."
    yield f"Everybody would be told: {', '.join(dict.fromkeys(message.key for message in sent))}."


def _plain(amount: Decimal, currency: str) -> str:
    """For programs, with the decimals of the currency."""
    return f"{written(amount, currency):f}"


def _surplus(a: Account) -> Decimal:
    """What of the customer's money is more than should be held."""
    return max(ZERO, rule.held(a) - rule.should_hold(a))


def _group(group: DocumentGroup) -> Item:
    return {
        "category": group.category,
        "rate": f"{group.rate:f}",
        "base": f"{group.base:f}",
        "vat": f"{group.vat:f}",
    }


def _sentences(rows: Rows, refund: Refund, note: CreditNote | None, sent: Iterable[Message]) -> Iterator[str]:
    amount = said(refund.gross, refund.currency)
    if note is None:
        yield (
            f"Billing would keep it until another person approves it: {refund.asker} may give back "
            f"{said(refund.limit, refund.currency)} of an order alone."
            if refund.limit
            else f"Billing would keep it until another person approves it: {refund.asker} may give back nothing in "
            f"{refund.currency} alone."
        )
        alone = given_alone(rows.group(Refund, refund.order_id), refund.asker)
        if alone:
            yield f"Billing gave back {said(alone, refund.currency)} of this order for {refund.asker} before."
        yield f"Billing would then credit {amount} of {refund.invoice}, {refund.vat:f} {refund.currency} of it VAT."
    else:
        invoice, notes = _invoice_and_notes(rows, refund)
        credited = sum([n.gross for n in notes if n.invoice == invoice.number], Decimal(0))
        account = rows.group(Account, refund.order_id)[0]
        yield (
            f"Billing would issue a credit note over {amount} to {refund.invoice}: {refund.net:f} {refund.currency} "
            f"without VAT, {refund.vat:f} {refund.currency} VAT."
        )
        for group in note.groups:
            yield (
                f"Billing would take back {group.vat:f} {refund.currency} VAT at {group.rate.normalize():f}% on "
                f"{group.base:f} {refund.currency}."
            )
        yield _back(rows, account, amount)
        yield (
            f"Billing would have credited {said(credited, refund.currency)} of {invoice.gross:f} {refund.currency} of "
            f"{refund.invoice} in all."
        )
    for line_no, left in left_of(*_invoice_and_notes(rows, refund)).items():
        if note is not None and any(line.line_no == line_no for line in note.lines):
            yield (
                f"Of line {line_no} ({left.line.sku}) {left.amount:f} {refund.currency} would be left; a later return "
                "gives back no more than that."
            )
    yield f"Everybody would be told: {', '.join(dict.fromkeys(message.key for message in sent))}."


def _back(rows: Rows, account: Account, amount: str) -> str:
    """How the money goes back (R-14): through the payment that it came by, or as a payout."""
    started = next((o for o in rows.group(Operation, account.order_id) if o.state == "wanted"), None)
    if started is None or started.kind != "refund":
        return f"Billing would give back {amount} as soon as what is under way with the provider is over."
    if (part := said(started.amount, account.currency)) != amount:
        return f"Billing would give back {amount}, {part} of it through the oldest payment at once."
    return (
        f"Billing would give back {amount} the way it was paid." if started.hold else f"Billing would pay out {amount}."
    )


def _invoice_and_notes(rows: Rows, refund: Refund) -> tuple[Invoice, list[CreditNote]]:
    invoice = next(i for i in rows.group(Invoice, refund.order_id) if i.number == refund.invoice)
    return invoice, rows.group(CreditNote, refund.order_id)
