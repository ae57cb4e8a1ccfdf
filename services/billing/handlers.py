"""What billing obeys and hears, and the decision for each."""

from services.billing.domain import answers, asks, debtors, receipts, refunds, writeoffs
from services.billing.domain.flow import to_debtor
from shared.contracts import billing
from shared.contracts.fulfilment import ShipmentDelivered
from shared.messaging.decision import Handler, Handlers, nothing

HANDLERS: Handlers = {
    billing.AuthorisePayment: Handler(asks.to_authorise, asks.authorise_payment, asks.more_to_authorise),
    billing.BillShipment: Handler(asks.to_bill, asks.bill_shipment, to_debtor),
    billing.RefundReturn: Handler(asks.to_refund, asks.refund_return, to_debtor),
    billing.RequestRefund: Handler(refunds.to_request, refunds.request_refund, to_debtor),
    billing.ApproveRefund: Handler(refunds.to_request, refunds.approve_refund, to_debtor),
    billing.RefuseRefund: Handler(refunds.to_refuse, refunds.refuse_refund),
    billing.RequestWriteOff: Handler(writeoffs.to_request, writeoffs.request_write_off, to_debtor),
    billing.ApproveWriteOff: Handler(writeoffs.to_request, writeoffs.approve_write_off, to_debtor),
    billing.RefuseWriteOff: Handler(writeoffs.to_refuse, writeoffs.refuse_write_off),
    billing.PayAgain: Handler(asks.to_pay_again, asks.pay_again, to_debtor),
    ShipmentDelivered: Handler(asks.to_deliver, asks.shipment_delivered),
    billing.ProviderAnswered: Handler(answers.to_hear, answers.provider_answered, to_debtor),
    billing.ProviderWebhook: Handler(answers.to_hear_hint, answers.provider_webhook, to_debtor),
    billing.OperationDue: Handler(answers.to_hear, answers.operation_due, to_debtor),
    billing.AuthorisationEnds: Handler(answers.to_hear, answers.authorisation_ends, to_debtor),
    billing.DunningDue: Handler(answers.to_hear, answers.dunning_due, to_debtor),
    billing.ResumeOperation: Handler(answers.to_hear, answers.resume_operation, to_debtor),
    billing.BankMoneyArrived: Handler(receipts.to_match, receipts.bank_money_arrived, receipts.more_to_match),
    billing.CashRemitted: Handler(receipts.to_remit, receipts.cash_remitted, to_debtor),
    billing.RecordCredit: Handler(receipts.to_record, receipts.record_credit),
    billing.SetCreditLimit: Handler(nothing, debtors.set_credit_limit, debtors.to_set),
}
