"""Which decision answers which message: the contents of this service."""

from services.order import domain
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
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReleaseHold,
    ReturnGoods,
)
from shared.messaging.decision import Handler, Handlers

STATEMENTS = (StockStatement, MoneyStatement, ShipmentStatement, ReturnStatement)

HANDLERS: Handlers = {
    PlaceOrder: Handler(domain.to_place, domain.place_order),
    CancelOrder: Handler(to_order, domain.cancel_order),
    HoldOrder: Handler(to_order, domain.hold_order),
    ReleaseHold: Handler(to_order, domain.release_hold),
    EditOrder: Handler(domain.to_edit, domain.edit_order),
    ReturnGoods: Handler(to_order, domain.return_goods),
    AcceptDate: Handler(to_order, domain.accept_date),
    PayByDue: Handler(to_order, domain.pay_by_due),
    ConsentDue: Handler(to_order, domain.consent_due),
    AnswerDue: Handler(to_order, domain.answer_due),
    RegisterProducts: Handler(domain.to_register_products, domain.register_products),
    RegisterCustomers: Handler(domain.to_register_customers, domain.register_customers),
    RegisterChannel: Handler(domain.to_register_channel, domain.register_channel),
    **{fact: Handler(to_order, advance) for statement in STATEMENTS for fact in statement.__subclasses__()},
}
