"""Which row lives in which table, in the order in which fulfilment takes its locks."""

from services.fulfilment import tables
from services.fulfilment.domain import History, Return, Shipment
from shared.messaging.store import mapping

BOOKS = mapping(
    (Shipment, tables.shipments, True),  # the root: its lock guards its returns, too
    (Return, tables.returns, False),
    (History, tables.history, False),
)
