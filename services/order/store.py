"""Which row lives in which table, in the order in which this service takes its locks."""

from services.order import rows, tables
from shared.messaging.books import aggregate, mapping

BOOKS = mapping(
    aggregate(
        rows.Progress,
        tables.progress,
        (rows.Header, tables.orders),
        (rows.Line, tables.lines),
        (rows.Stock, tables.stock),
        (rows.Money, tables.money),
        (rows.Shipment, tables.shipments),
        (rows.Return, tables.returns),
    ),
    (rows.History, tables.history, False),
    (rows.External, tables.externals, True),
    (rows.ProductVersion, tables.product_versions, True),  # before the product, which is read behind this lock
    (rows.Product, tables.products, False),
    (rows.ProductChange, tables.product_changes, False),
    (rows.Part, tables.parts, False),
    (rows.KitVersion, tables.kit_versions, False),
    (rows.Customer, tables.customers, False),
    (rows.Channel, tables.channels, False),
    (rows.Counter, tables.counters, True),  # everybody wants it, so last
)
