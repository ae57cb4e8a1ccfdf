"""Which decision answers which message: every statement that anybody makes about an order."""

from services.backoffice.domain import SAID, look_again, order_seen, to_order
from shared.contracts.backoffice import LookAgain, OrderSeen
from shared.messaging.decision import Handler, Handlers

HANDLERS: Handlers = {
    OrderSeen: Handler(to_order, order_seen),
    LookAgain: Handler(to_order, look_again),
    **{fact: Handler(*ways) for statement, ways in SAID.items() for fact in statement.__subclasses__()},
}
