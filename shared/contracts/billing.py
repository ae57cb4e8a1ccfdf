"""What billing obeys and tells: money secured, invoices, captures, credit notes, refunds."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Command, Internal, Statement, Value
from shared.contracts.values import (
    MAX_LINES,
    Address,
    Code,
    Count,
    LineQuantity,
    Money,
    PaymentMethod,
    PriceLine,
    Text,
)


class AuthorisePayment(Command, key="billing.authorise_payment.v1"):
    """The whole amount the order is worth now, and the frozen lines behind it. Not above the known version: ignored."""

    order_id: UUID
    version: int
    number: str  # the order's number, the structured reference of a bank transfer
    method: PaymentMethod
    due: Money
    currency: str
    customer_id: str = ""
    token: str = ""  # the provider's token of the card; never a card number
    prices_include_vat: bool = False
    bill_to: Address = Address()
    lines: tuple[PriceLine, ...]


class BillShipment(Command, key="billing.bill_shipment.v1"):
    """These pieces went out: invoice them. A known shipment is ignored."""

    order_id: UUID
    shipment_id: UUID
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=MAX_LINES)]
    dispatched_on: date
    country: str = ""  # where they went, ISO 3166-1 alpha-2


class RefundReturn(Command, key="billing.refund_return.v1"):
    """So much of a return is accepted in all. Not above the known: ignored."""

    order_id: UUID
    return_id: UUID
    shipment_id: UUID
    accepted: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=MAX_LINES)]


class PayAgain(Command, key="billing.pay_again.v1"):
    """The customer tries again, perhaps with another card, after a decline."""

    order_id: UUID
    token: str = ""


class Invoiced(Value):
    """One invoice of the order: for which shipment, its number and its totals."""

    shipment_id: UUID
    number: str
    net: Money
    vat: Money
    gross: Money


class Credited(Value):
    """What one return was credited so far; `lines` is the accepted quantity that the credit covers.

    Of a refund by the staff `return_id` is the refund's id, and `lines` is empty: no goods came back for it.
    """

    return_id: UUID
    shipment_id: UUID
    gross: Money
    lines: tuple[LineQuantity, ...]
    by: Literal["return", "refund"] = "return"


class MoneyStatement(Statement):
    """All the money of one order. `secured` is what covers open goods; money on its way out does not count.

    `written_off` is what of `owed` was given up, less what came of it after all; it is not owed any more.
    `settled` is true when billing has nothing left to do: nothing in flight, what it should hold is what it holds.
    `reason`: why the credit check said no, in words, as long as it does.
    """

    answers: int
    state: Literal["pending", "ok", "declined", "unknown"]
    secured: Money = Decimal(0)
    captured: Money = Decimal(0)
    refunded: Money = Decimal(0)
    invoiced: tuple[Invoiced, ...] = ()
    credited: tuple[Credited, ...] = ()
    owed: Money = Decimal(0)  # invoiced, not credited, not yet captured, not written off
    written_off: Money = Decimal(0)
    settled: bool = False
    parked: Text = ""
    reason: Text = ""


class PaymentPending(MoneyStatement, key="billing.payment_pending.v1"):
    """Waiting for the provider or for the customer's transfer."""


class PaymentAuthorised(MoneyStatement, key="billing.payment_authorised.v1"):
    """What the order asked for is secured."""


class PaymentDeclined(MoneyStatement, key="billing.payment_declined.v1"):
    """The provider or the credit check said no; the customer may pay again."""


class PaymentExpired(MoneyStatement, key="billing.payment_expired.v1"):
    """An authorisation ended before its goods went out."""


class PaymentCaptured(MoneyStatement, key="billing.payment_captured.v1"):
    """Money came in."""


class PaymentRefunded(MoneyStatement, key="billing.payment_refunded.v1"):
    """Money went back."""


class CaptureFailed(MoneyStatement, key="billing.capture_failed.v1"):
    """The goods are out and the money did not come: retried, then parked or dunned."""


class RefundFailed(MoneyStatement, key="billing.refund_failed.v1"):
    """A refund was refused; parked with its reason after some tries."""


class InvoiceIssued(MoneyStatement, key="billing.invoice_issued.v1"):
    """A shipment has its invoice."""


class CreditNoteIssued(MoneyStatement, key="billing.credit_note_issued.v1"):
    """A return or a refund has its credit note."""


class PaymentOverdue(MoneyStatement, key="billing.payment_overdue.v1"):
    """Money for goods that are out is still owed; the customer is reminded. Nothing else changed."""


# Refunds by the staff


class RefundLine(Value):
    """Of one line of an invoice: so many pieces, or an amount in the mode of its prices; one of the two is not 0."""

    line_no: int
    quantity: Count = 0
    amount: Money = Decimal(0)


class RequestRefund(Command, key="billing.request_refund.v1"):
    """A person gives money back without goods that come back. Above the limit of the roles it waits for another person.

    Done, it is a credit note, its ledger entry and the wish for the money in one decision. A known refund is stated
    again. `quote`: of the preview that was looked at; nothing is done if the order's money is another one since.
    """

    order_id: UUID
    refund_id: UUID
    invoice: Code
    lines: Annotated[tuple[RefundLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    reason: Text
    actor: str = ""
    roles: tuple[str, ...] = ()
    quote: str = ""


class ApproveRefund(Command, key="billing.approve_refund.v1"):
    """Another person than who asked lets a waiting refund happen, as it was asked for."""

    order_id: UUID
    refund_id: UUID
    note: Text = ""
    actor: str = ""
    roles: tuple[str, ...] = ()
    quote: str = ""


class RefuseRefund(Command, key="billing.refuse_refund.v1"):
    """A waiting refund will not happen, and why: said by who may approve, or by who asked."""

    order_id: UUID
    refund_id: UUID
    reason: Text
    actor: str = ""
    roles: tuple[str, ...] = ()


class RefundStatement(Statement):
    """One refund of the staff: what, why, who asked, who decided, and the credit note when it was done.

    `version` counts for this refund. `approver` is empty where the asker's own limit was enough.
    """

    refund_id: UUID
    state: Literal["waiting", "done", "refused"]
    invoice: str
    lines: tuple[RefundLine, ...]
    currency: str
    net: Money
    vat: Money
    gross: Money
    reason: Text
    asker: str
    asked_at: datetime
    approver: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None
    note: Text = ""
    credit_note: str = ""


class RefundRequested(RefundStatement, key="billing.refund_requested.v1"):
    """A refund above its asker's limit waits for another person."""


class RefundGranted(RefundStatement, key="billing.refund_granted.v1"):
    """A refund was done: its credit note is issued, and the money is on its way."""


class RefundDenied(RefundStatement, key="billing.refund_denied.v1"):
    """A waiting refund was refused or taken back; nothing was credited."""


# Debts that nobody will pay


class RequestWriteOff(Command, key="billing.request_write_off.v1"):
    """A person gives up money that is owed for goods that are out; above the limit of the roles another must approve.

    Done, it is an entry of the ledger (R-13) and no document: VAT and the claim itself stay as they are. A known
    write-off is stated again. `quote`: of the preview that was looked at; nothing is done if the money changed since.
    """

    order_id: UUID
    write_off_id: UUID
    amount: Money
    reason: Text
    actor: str = ""
    roles: tuple[str, ...] = ()
    quote: str = ""


class ApproveWriteOff(Command, key="billing.approve_write_off.v1"):
    """Another person than who asked has a waiting write-off done, as it was asked for."""

    order_id: UUID
    write_off_id: UUID
    note: Text = ""
    actor: str = ""
    roles: tuple[str, ...] = ()


class RefuseWriteOff(Command, key="billing.refuse_write_off.v1"):
    """A waiting write-off will not happen, and why: said by who may approve, or by who asked."""

    order_id: UUID
    write_off_id: UUID
    reason: Text
    actor: str = ""
    roles: tuple[str, ...] = ()


class WriteOffStatement(Statement):
    """One write-off: how much, why, who asked and who decided. `version` counts for this write-off.

    `approver` is empty where the asker's own limit was enough.
    """

    write_off_id: UUID
    state: Literal["waiting", "done", "refused"]
    amount: Money
    currency: str
    reason: Text
    asker: str
    asked_at: datetime
    approver: str = ""
    decided_by: str = ""
    decided_at: datetime | None = None
    note: Text = ""


class WriteOffRequested(WriteOffStatement, key="billing.write_off_requested.v1"):
    """A write-off above its asker's limit waits for another person."""


class DebtWrittenOff(WriteOffStatement, key="billing.debt_written_off.v1"):
    """Money that was owed was given up: nobody is reminded of it any more."""


class WriteOffDenied(WriteOffStatement, key="billing.write_off_denied.v1"):
    """A waiting write-off was refused or taken back; the money is still owed."""


# Bank, carrier and staff


class BankMoneyArrived(Command, key="billing.bank_money_arrived.v1"):
    """One credit entry of the bank statement, matched to an order by its reference. The same id twice is one entry."""

    entry_id: Code
    order_id: UUID | None = None  # None: nobody could match it; it waits for a person
    reference: Text = ""
    amount: Money
    currency: str
    booked_on: date

    @property
    def subject(self) -> str:
        return str(self.order_id or self.entry_id)


class CashRemitted(Command, key="billing.cash_remitted.v1"):
    """The carrier paid out what it collected at the door for one shipment, less the fee that it kept (R-19)."""

    order_id: UUID
    shipment_id: UUID
    amount: Money
    reference: Code
    fee: Money = Decimal(0)


class RecordCredit(Command, key="billing.record_credit.v1"):
    """A credit that belongs to no order we know. It waits for review and never pays out by itself."""

    reference: Code
    customer_id: str = ""
    currency: str
    amount: Money
    reason: Text = ""
    lines: Annotated[tuple["CreditLine", ...], Field(min_length=1, max_length=MAX_LINES)]

    @property
    def subject(self) -> str:
        return self.reference


class SetCreditLimit(Command, key="billing.set_credit_limit.v1"):
    """What a customer may owe on terms in one currency, open orders included; None: what everybody may.

    Orders that were declined are not tried again by it, and what was granted stays.
    """

    customer_id: Code
    currency: str
    limit: Money | None
    reason: Text = ""
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.customer_id


class CreditLine(Value):
    sku: str
    text: Text = ""
    quantity: int
    unit_price: Money


class ResumeOperation(Command, key="billing.resume_operation.v1"):
    """A person asks to try a parked payment operation again."""

    order_id: UUID
    actor: str = ""


# Outside calls


class CallProvider(Internal, key="billing.call_provider.v1"):
    """An outside call that is wanted. `idempotency_key` is the operation, so that a repeat can do nothing twice."""

    order_id: UUID
    operation_no: int
    kind: Literal["authorise", "capture", "void", "refund"]
    query: bool = False  # only ask what became of it
    idempotency_key: str
    amount: Money
    currency: str
    token: str = ""
    authorisation: str = ""  # the provider's id of the authorisation to draw on; a refund without one is a payout


class ProviderAnswered(Internal, key="billing.provider_answered.v1"):
    """What the provider said of one operation. unknown: no answer, so it may or may not have happened."""

    order_id: UUID
    operation_no: int
    outcome: Literal["ok", "refused", "unknown"]
    reference: str = ""
    reason: Text = ""
    expires_at: datetime | None = None


class ProviderWebhook(Internal, key="billing.provider_webhook.v1"):
    """A hint by the provider, stored raw before it is answered; may come early, late, twice, out of order (R-17)."""

    order_id: UUID
    operation_no: int
    event_id: str
    outcome: Literal["ok", "refused"]
    reference: str = ""
    reason: Text = ""
    expires_at: datetime | None = None
    raw: str = ""  # the body as it was signed


class OperationDue(Internal, key="billing.operation_due.v1"):
    """Timer: ask the provider about an unknown operation, or try a refused one again."""

    order_id: UUID
    operation_no: int


class AuthorisationEnds(Internal, key="billing.authorisation_ends.v1"):
    """Timer: the provider's hold on the customer's money ends."""

    order_id: UUID
    operation_no: int


class DunningDue(Internal, key="billing.dunning_due.v1"):
    """Timer: money for goods that are out is overdue."""

    order_id: UUID
    level: int
