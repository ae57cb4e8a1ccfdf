"""Which row lives in which table, in the order in which fulfilment takes its locks."""

from services.fulfilment import tables
from services.fulfilment.domain import History, Return, Shipment
from shared.messaging.books import aggregate, mapping

BOOKS = mapping(
    aggregate(Shipment, tables.shipments, (Return, tables.returns)),
    (History, tables.history, False),
)
