"""What billing obeys and hears, and the decision for each."""

from services.billing.domain import answers, asks, receipts, refunds
from shared.contracts import billing
from shared.contracts.fulfilment import ShipmentDelivered
from shared.messaging.decision import Handler, Handlers

HANDLERS: Handlers = {
    billing.AuthorisePayment: Handler(asks.to_authorise, asks.authorise_payment, asks.more_to_authorise),
    billing.BillShipment: Handler(asks.to_bill, asks.bill_shipment),
    billing.RefundReturn: Handler(asks.to_refund, asks.refund_return),
    billing.RequestRefund: Handler(refunds.to_request, refunds.request_refund),
    billing.ApproveRefund: Handler(refunds.to_request, refunds.approve_refund),
    billing.RefuseRefund: Handler(refunds.to_refuse, refunds.refuse_refund),
    billing.PayAgain: Handler(asks.to_pay_again, asks.pay_again),
    ShipmentDelivered: Handler(asks.to_deliver, asks.shipment_delivered),
    billing.ProviderAnswered: Handler(answers.to_hear, answers.provider_answered),
    billing.ProviderWebhook: Handler(answers.to_hear_hint, answers.provider_webhook),
    billing.OperationDue: Handler(answers.to_hear, answers.operation_due),
    billing.AuthorisationEnds: Handler(answers.to_hear, answers.authorisation_ends),
    billing.DunningDue: Handler(answers.to_hear, answers.dunning_due),
    billing.ResumeOperation: Handler(answers.to_hear, answers.resume_operation),
    billing.BankMoneyArrived: Handler(receipts.to_match, receipts.bank_money_arrived),
    billing.CashRemitted: Handler(receipts.to_remit, receipts.cash_remitted),
    billing.RecordCredit: Handler(receipts.to_record, receipts.record_credit),
}
