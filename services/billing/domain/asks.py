"""What the order asks of billing: secure money, invoice a shipment, credit a return."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from services.billing.domain.credits import Left, left_of, taken_by
from services.billing.domain.documents import CREDIT_NOTES, INVOICES, Impossible, credit_note_for, next_number
from services.billing.domain.flow import Ctx, Draft, bill, collect
from services.billing.domain.refunds import credit
from services.billing.domain.rows import (
    Account,
    CreditNote,
    Debtor,
    EarlyBill,
    Invoice,
    Operation,
    Sale,
    Series,
    changed,
)
from services.billing.domain.rule import position
from shared.contracts.billing import (
    AuthorisePayment,
    BillShipment,
    Credited,
    CreditNoteIssued,
    InvoiceIssued,
    PayAgain,
    RefundReturn,
)
from shared.contracts.fulfilment import ShipmentDelivered
from shared.contracts.values import LineQuantity
from shared.messaging.decision import Effect, Missing, Needs, Refused, Reply, Rows


def to_authorise(m: AuthorisePayment) -> Needs:
    yield Account, m.order_id
    yield Sale, m.order_id
    yield Operation, m.order_id


def more_to_authorise(m: AuthorisePayment, rows: Rows) -> Needs:
    """Shipments that were to be billed before the order's first ask are billed with it; terms need credit."""
    account = rows.find(Account, m.order_id)
    if account and account.early:
        yield Invoice, m.order_id
        yield Series, INVOICES
    if debtor := debtor_of(m, account):
        yield Debtor, debtor


def debtor_of(m: AuthorisePayment, account: Account | None) -> str:
    """The customer whose credit an order uses: the first that it named; nobody's where it is paid otherwise."""
    known = account.debtor if account else ""
    return known or (m.customer_id if m.method == "terms" else "")


def authorise_payment(m: AuthorisePayment, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Takes over the newest ask. Told at once when it starts nothing; else the provider's answer will tell."""
    known = rows.find(Account, m.order_id) or Account(m.order_id)
    if m.version <= known.answers:
        return
    if known.currency and m.currency != known.currency:
        raise Impossible(f"{m.number} is in {m.currency}, its money in {known.currency}")
    sale = Sale(m.order_id, m.number, m.customer_id, m.prices_include_vat, m.bill_to, m.lines)
    if sale != rows.find(Sale, m.order_id):
        yield sale
    draft = Draft(known, rows, ctx)
    fresh = m.due > known.declined_due or m.method == "terms" or (bool(m.token) and m.token != known.token)
    early = known.early
    draft.change(
        answers=m.version,
        method=m.method,
        currency=m.currency,
        due=m.due,
        token=m.token or known.token,
        declined=known.declined and not fresh,
        early=(),
        granted=min(known.granted, m.due),  # what is due no more, others may have
        debtor=debtor_of(m, known),
    )
    if early:
        invoices, series = rows.group(Invoice, m.order_id), rows.find(Series, INVOICES)
        for shipment in early:
            series = bill(draft, sale, invoices, series, shipment)
        if series:
            draft.add(series)
        yield from draft.finish(InvoiceIssued)
        return
    yield from tell_unless_started(draft)


def tell_unless_started(draft: Draft) -> Iterator[Effect]:
    """States the position, unless an operation was started: then the provider's answer will state it soon."""
    draft.advance()
    yield from draft.close() if draft.started else draft.close(position(draft.account))


def to_bill(m: BillShipment) -> Needs:
    yield Account, m.order_id
    yield Sale, m.order_id
    yield Operation, m.order_id
    yield Invoice, m.order_id
    yield Series, INVOICES


def bill_shipment(m: BillShipment, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Invoice, ledger and the wish for the money in one decision. A known shipment is ignored."""
    account = rows.find(Account, m.order_id) or Account(m.order_id)
    shipment = EarlyBill(m.shipment_id, m.lines, m.dispatched_on, m.country)
    if m.shipment_id in {i.shipment_id for i in account.invoices} | {e.shipment_id for e in account.early}:
        return
    if not account.answers:  # what was sold is not known yet
        yield changed(account, early=(*account.early, shipment))
        return
    draft = Draft(account, rows, ctx)
    sale = rows.one(Sale, m.order_id)
    draft.add(bill(draft, sale, rows.group(Invoice, m.order_id), rows.find(Series, INVOICES), shipment))
    yield from draft.finish(InvoiceIssued)


def to_refund(m: RefundReturn) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id
    yield Invoice, m.order_id
    yield CreditNote, m.order_id
    yield Series, CREDIT_NOTES


def refund_return(m: RefundReturn, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Credit note, ledger and the wish for the refund: all or nothing (R-14, SC-31)."""
    account = rows.one(Account, m.order_id)
    invoice = next((i for i in rows.group(Invoice, m.order_id) if i.shipment_id == m.shipment_id), None)
    if invoice is None:
        raise Missing(f"shipment {m.shipment_id} is not invoiced")
    known = next((credited for credited in account.credits if credited.return_id == m.return_id), None)
    before = Counter({line.line_no: line.quantity for line in known.lines} if known else {})
    after: Counter[int] = Counter()
    for line in m.accepted:
        after[line.line_no] += line.quantity
    more = after - before  # only what grew
    if not more:
        return
    notes = rows.group(CreditNote, m.order_id)
    number = next_number(rows.find(Series, CREDIT_NOTES), CREDIT_NOTES, ctx.now)
    taken = taken_by(_returnable(invoice, notes, account, m, more), more)
    note = credit_note_for(invoice, notes, m.return_id, taken, number, ctx.policy)
    covered = tuple(LineQuantity(line_no=no, quantity=n) for no, n in sorted((before | after).items()))
    gross = note.gross + (known.gross if known else 0)
    told = Credited(return_id=m.return_id, shipment_id=m.shipment_id, gross=gross, lines=covered)
    draft = Draft(account, rows, ctx)
    draft.add(*credit(draft, note, told), number.series)
    yield from draft.finish(CreditNoteIssued)


def _returnable(
    invoice: Invoice, notes: Sequence[CreditNote], account: Account, m: RefundReturn, more: Mapping[int, int]
) -> dict[int, Left]:
    """What is left of the invoice's lines. Raises Impossible when more pieces came back than it has.

    What the staff gave back counts in the money alone: these pieces may still come back, and are worth what is left.
    """
    refunds = {c.return_id for c in account.credits if c.by == "refund"}
    came: Counter[int] = Counter(more)
    for note in notes:
        if note.invoice == invoice.number and note.return_id not in refunds:
            came.update({line.line_no: line.quantity for line in note.lines})
    left = left_of(invoice, notes)
    for line_no in more:
        if line_no not in left:
            raise Impossible(f"return {m.return_id}: line {line_no} is not on {invoice.number}")
        if came[line_no] > left[line_no].line.quantity:
            sold = left[line_no].line.quantity
            raise Impossible(f"return {m.return_id}: {came[line_no]} pieces of line {line_no} came back, {sold} sold")
    return left


def to_pay_again(m: PayAgain) -> Needs:
    yield Account, m.order_id
    yield Operation, m.order_id


def pay_again(m: PayAgain, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The customer tries again after a decline."""
    account = rows.find(Account, m.order_id)
    if account is None:
        raise Refused("there is nothing to pay for this order", field="order_id", status=404)
    if not account.declined:
        raise Refused("nothing was declined", status=409)
    draft = Draft(account, rows, ctx)
    draft.change(declined=False, token=m.token or account.token)
    yield from tell_unless_started(draft)
    yield Reply({"order_id": str(m.order_id), "trying": draft.started}, 202)


def to_deliver(m: ShipmentDelivered) -> Needs:
    yield Account, m.order_id


def shipment_delivered(m: ShipmentDelivered, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Matters for cash on delivery alone: the carrier has the money now."""
    account = rows.one(Account, m.order_id)
    if not account.answers:
        raise Missing(f"order {m.order_id} has not asked yet")
    if account.method != "cash_on_delivery" or m.shipment_id in account.delivered:
        return
    draft = Draft(account, rows, ctx)
    draft.change(delivered=(*account.delivered, m.shipment_id))
    invoice = next((i for i in account.invoices if i.shipment_id == m.shipment_id), None)
    if invoice is None:  # its invoice, when it comes, finds it delivered
        yield draft.account
        return
    collect(draft, invoice)
    yield from draft.close()
