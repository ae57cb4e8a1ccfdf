"""Which row lives in which table, in the order in which this service takes its locks."""

from services.order import rows, tables
from shared.messaging.store import mapping

BOOKS = mapping(
    (rows.Progress, tables.progress, True),  # the root: its lock guards all rows of the order
    (rows.Header, tables.orders, False),
    (rows.Line, tables.lines, False),
    (rows.Stock, tables.stock, False),
    (rows.Money, tables.money, False),
    (rows.Shipment, tables.shipments, False),
    (rows.Return, tables.returns, False),
    (rows.History, tables.history, False),
    (rows.External, tables.externals, True),
    (rows.Product, tables.products, False),
    (rows.Customer, tables.customers, False),
    (rows.Channel, tables.channels, False),
    (rows.Counter, tables.counters, True),  # everybody wants it, so last
)
