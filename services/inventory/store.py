"""Rows to tables, in the order in which inventory takes its locks: SKUs, orders, purchase orders, transfers; the rest
hangs on these, and the series of numbers, which everybody wants, comes last."""

from services.inventory import domain, tables
from shared.messaging.books import aggregate, mapping

BOOKS = mapping(
    (domain.Queue, tables.queues, True),  # the lock of a SKU: levels, expectations and places in the queue hang on it
    aggregate(
        domain.StockOrder,
        tables.stock_orders,
        (domain.Demand, tables.demands),
        (domain.Reservation, tables.reservations),
        (domain.Seen, tables.seen),
    ),
    (domain.PurchaseOrder, tables.purchase_orders, True),
    (domain.Transfer, tables.transfers, True),
    (domain.Supplier, tables.suppliers, True),
    (domain.ReorderRule, tables.reorder_rules, True),
    (domain.Item, tables.items, False),
    (domain.Kit, tables.kits, False),
    (domain.KitPart, tables.kit_parts, False),
    (domain.Warehouse, tables.warehouses, False),
    (domain.Place, tables.places, False),
    (domain.Level, tables.levels, False),
    (domain.Expected, tables.expected, False),
    (domain.PurchaseLine, tables.purchase_lines, False),
    (domain.TransferLine, tables.transfer_lines, False),
    (domain.Queued, tables.queued, False, tables.queued.c.quantity > 0),
    (domain.Movement, tables.movements, False),
    (domain.Valuation, tables.valuations, False),
    (domain.CostChange, tables.cost_changes, False),
    (domain.Placement, tables.placements, False),
    (domain.PurchaseAct, tables.purchase_acts, False),
    (domain.TransferAct, tables.transfer_acts, False),
    (domain.Series, tables.series, True),
)
