"""Which decision answers which message: the contents of this service."""

from services.order import catalogue, domain, placing, wishes
from services.order.domain import advance, to_order
from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import StockStatement
from shared.contracts.order import (
    AcceptDate,
    AnswerDue,
    CancelOrder,
    ConsentDue,
    EditOrder,
    HoldOrder,
    PayByDue,
    PlaceOrder,
    RefusalDue,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReleaseHold,
    ReturnGoods,
)
from shared.messaging.decision import Handler, Handlers

STATEMENTS = (StockStatement, MoneyStatement, ShipmentStatement, ReturnStatement)

HANDLERS: Handlers = {
    PlaceOrder: Handler(placing.to_place, placing.place_order, placing.to_place_kits),
    CancelOrder: Handler(to_order, wishes.cancel_order),
    HoldOrder: Handler(to_order, wishes.hold_order),
    ReleaseHold: Handler(to_order, wishes.release_hold),
    EditOrder: Handler(wishes.to_edit, wishes.edit_order, wishes.to_add_kits),
    ReturnGoods: Handler(to_order, wishes.return_goods),
    AcceptDate: Handler(to_order, wishes.accept_date),
    PayByDue: Handler(to_order, domain.pay_by_due),
    ConsentDue: Handler(to_order, domain.consent_due),
    AnswerDue: Handler(to_order, domain.answer_due),
    RefusalDue: Handler(to_order, domain.refusal_due),
    RegisterProducts: Handler(catalogue.to_register_products, catalogue.register_products, catalogue.to_leave_kits),
    RegisterCustomers: Handler(catalogue.to_register_customers, catalogue.register_customers),
    RegisterChannel: Handler(catalogue.to_register_channel, catalogue.register_channel),
    **{fact: Handler(to_order, advance) for statement in STATEMENTS for fact in statement.__subclasses__()},
}
