"""Which row lives in which table, in the order in which the back office takes its locks.

Rows are not kept in memory between units of work: `comptoir rebuild` empties the tables under a running process.
"""

from services.backoffice import rows, tables
from shared.messaging.books import mapping

BOOKS = mapping(
    (rows.Order, tables.orders, True),
    (rows.Sold, tables.sold, False),
    (rows.Money, tables.money, False),
    (rows.Shipment, tables.shipments, False),
    (rows.Return, tables.returns, False),
    (rows.Refund, tables.refunds, False),
    (rows.Entry, tables.entries, False),
    (rows.StockSaid, tables.stock_said, False),
    (rows.Backorder, tables.backorders, False),
    (rows.LowStock, tables.low_stock, True),
    (rows.Mail, tables.mails, False),
    (rows.Subscriber, tables.webhooks, False, tables.webhooks.c.state != "removed"),
    (rows.Webhook, tables.webhooks, True),
    (rows.WebhookFact, tables.webhook_facts, False),
    (rows.Delivery, tables.webhook_deliveries, False),
    (rows.Undelivered, tables.webhook_deliveries, True, tables.webhook_deliveries.c.state == "waiting"),
    (rows.Attempt, tables.webhook_attempts, False),
    (rows.DocumentView, tables.document_views, False),
    (rows.OfficeAct, tables.office_acts, False),
    (rows.SavedView, tables.saved_views, True),
    (rows.Upload, tables.uploads, True),
    (rows.Account, tables.accounts, True),
    (rows.Session, tables.sessions, True),
)
