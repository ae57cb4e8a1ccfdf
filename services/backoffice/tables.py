"""The read tables of the back office. Column names are the field names of the rows in rows.py."""

from datetime import date

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import NAMING, lowered
from shared.messaging.tables import messaging_tables

metadata = MetaData(naming_convention=NAMING)
Moment = DateTime(timezone=True)
Amount = Numeric(16, 6)
MOVING = {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.05}

orders = Table(
    "orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("seen", Integer, nullable=False),
    Column("number", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("placed_at", Moment),
    Column("status", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("holds", JSONB, nullable=False),
    Column("currency", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("net", Amount, nullable=False, server_default=text("0")),
    Column("gross", Amount, nullable=False),
    Column("due", Amount, nullable=False),
    Column("why", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("until", Moment),
    Column("waits", JSONB, nullable=False),
    Column("skus", JSONB, nullable=False),
    Column("tracking", JSONB, nullable=False),
    Column("ordered", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("backordered", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("released", Integer, nullable=False),
    Column("shipped", Integer, nullable=False),
    Column("returned", Integer, nullable=False),
    Column("promised_on", Date),
    Column("accepted_on", Date),
    Column("heard", JSONB, nullable=False),
    Column("looking", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
    Index("ix_orders_placed_at", "placed_at", "order_id"),
    Index("ix_orders_status", "status", "placed_at", "order_id"),
    Index("ix_orders_channel", "channel", "placed_at", "order_id"),
    Index("ix_orders_customer_id", "customer_id", "placed_at"),
    Index("ix_orders_open", "placed_at", "order_id", postgresql_where=text("not final")),
    Index("ix_orders_name", func.to_tsvector(text("'simple'::regconfig"), text("name")), postgresql_using="gin"),
    Index("ix_orders_skus", "skus", postgresql_using="gin", postgresql_ops={"skus": "jsonb_path_ops"}),
    Index("ix_orders_tracking", "tracking", postgresql_using="gin", postgresql_ops={"tracking": "jsonb_path_ops"}),
    postgresql_with=MOVING,
)

NO_PROMISE = date(9999, 1, 1)  # the last day of all means infinity to the driver
PROMISE = func.coalesce(orders.c.promised_on, orders.c.accepted_on, literal_column(f"'{NO_PROMISE}'::date"))
"""What open orders are sorted by: those without a promise come last."""
Index("ix_orders_promise", PROMISE, orders.c.order_id, postgresql_where=text("not final"))
for name in ("number", "external_id", "email"):
    lowered(f"ix_orders_{name}", orders.c[name])

sold = Table(
    "sold",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("net", Amount, nullable=False),
    Column("vat_category", Text, nullable=False),
    Column("vat_rate", Amount, nullable=False),
)

money = Table(
    "money",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("secured", Amount, nullable=False),
    Column("captured", Amount, nullable=False),
    Column("refunded", Amount, nullable=False),
    Column("invoiced", Amount, nullable=False),
    Column("credited", Amount, nullable=False),
    Column("owed", Amount, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("parked", Text, nullable=False),
    Index("ix_money_parked", "order_id", postgresql_where=text("parked <> ''")),
    postgresql_with=MOVING,
)

shipments = Table(
    "shipments",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("shipment_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", Text, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("pieces", Integer, nullable=False),
    Column("short", Integer, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("tracking", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("parked", Text, nullable=False),
    Column("dispatched_at", Moment),
    Column("delivered_at", Moment),
    Index(
        "ix_shipments_worklist", "state", "warehouse", postgresql_where=text("state in ('planned','picked','packed')")
    ),
    Index("ix_shipments_dispatched_at", "dispatched_at"),
    postgresql_with=MOVING,
)

returns = Table(
    "returns",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("return_id", Uuid, primary_key=True),
    Column("shipment_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", Text, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("expected", Integer, nullable=False),
    Column("received", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_returns_open", "state", postgresql_where=text("state <> 'closed'")),
    postgresql_with=MOVING,
)

refunds = Table(
    "refunds",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("refund_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("invoice", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("net", Amount, nullable=False),
    Column("vat", Amount, nullable=False),
    Column("gross", Amount, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asker", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("approver", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Moment),
    Column("note", Text, nullable=False),
    Column("credit_note", Text, nullable=False),
    Index("ix_refunds_refund_id", "refund_id"),
    Index("ix_refunds_asked", "asked_at", "refund_id"),
    Index("ix_refunds_waiting", "asked_at", "refund_id", postgresql_where=text("state = 'waiting'")),
    postgresql_with=MOVING,
)

entries = Table(
    "entries",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("key", Text, nullable=False),
    Column("thing", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("cause", Uuid),
    Column("facts", JSONB, nullable=False),
    Index("ix_entries_at", "at", "event_id"),
    Index("ix_entries_acts", "at", "event_id", postgresql_where=text("actor <> ''")),
    Index("ix_entries_actor", "actor", "at", "event_id", postgresql_where=text("actor <> ''")),
)

stock_said = Table(
    "stock_said",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("lines", JSONB, nullable=False),
)

backorders = Table(
    "backorders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("since", Moment, nullable=False),
    Column("pieces", Integer, nullable=False),
    Column("promised", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("waited_s", Integer, nullable=False),
    Index("ix_backorders_since", "since"),
    postgresql_with=MOVING,
)

mails = Table(
    "mails",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("thing", Text, primary_key=True),
    Column("mark", Text, primary_key=True),
    Column("mail_id", Uuid, nullable=False),
    Column("at", Moment, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Moment),
    Column("sent_at", Moment),
    Column("why", Text, nullable=False),
    Column("lang", Text, nullable=False),
    Column("sent_to", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_mails_open", "wanted_at", postgresql_where=text("state in ('waiting','sending','parked')")),
    postgresql_with=MOVING,
)

document_views = Table(
    "document_views",
    metadata,
    Column("view_id", Uuid, primary_key=True),
    Column("number", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_document_views_at", "at", "view_id"),
    Index("ix_document_views_number", "number", "at"),
)

office_acts = Table(
    "office_acts",
    metadata,
    Column("act_id", Uuid, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("key", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Index("ix_office_acts_at", "at", "act_id"),
    Index("ix_office_acts_actor", "actor", "at", "act_id"),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_saved_views_code", "code", unique=True),
    Index("ix_saved_views_name", "owner", "name", unique=True, postgresql_where=text("name <> ''")),
    Index("ix_saved_views_shared", "name", postgresql_where=text("shared")),
)

uploads = Table(
    "uploads",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("mark", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_uploads_code", "code", unique=True, postgresql_where=text("code <> ''")),
)

low_stock = Table(
    "low_stock",
    metadata,
    Column("name", Text, primary_key=True),
    Column("told_on", Date),
    Column("told", JSONB, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", Uuid, primary_key=True),
    Column("shelf", Text, nullable=False, server_default="all"),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("kinds", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("made_of", Text, nullable=False),
    Column("old_made_of", Text, nullable=False),
    Column("old_until", Moment),
    Column("failures", Integer, nullable=False),
    Column("failing_since", Moment),
    Column("rests_until", Moment),
)

webhook_facts = Table(
    "webhook_facts",
    metadata,
    Column("fact_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Index("ix_webhook_facts_made_at", "made_at"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("fact_id", Uuid, nullable=False),
    Column("webhook_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("again_by", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("rung", Integer, nullable=False, server_default=text("0")),
    Column("done_at", Moment),
    Column("code", Integer, nullable=False, server_default=text("0")),
    Column("why", Text, nullable=False, server_default=text("''")),
    Column("claimed_until", Moment, comment="a lease of the copy that sends it"),
    Index("ix_webhook_deliveries_due", "webhook_id", "due_at", postgresql_where=text("state = 'waiting'")),
    Index(
        "ix_webhook_deliveries_elder", "subject", "webhook_id", "at", "version", "delivery_id",
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_webhook_deliveries_given_up", "webhook_id", postgresql_where=text("state = 'given_up'")),
    Index("ix_webhook_deliveries_log", "webhook_id", "wanted_at", "delivery_id"),
    Index("ix_webhook_deliveries_fact_id", "fact_id"),
    Index("ix_webhook_deliveries_wanted_at", "wanted_at"),
    postgresql_with=MOVING,
)  # fmt: skip

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("delivery_id", Uuid, nullable=False),
    Column("at", Moment, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Index("ix_webhook_attempts_delivery_id", "delivery_id", "at"),
    Index("ix_webhook_attempts_at", "at"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("shown", Text, nullable=False),
    Column("roles", JSONB, nullable=False),
    Column("password", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", Moment),
    Column("language", Text, nullable=False, server_default=text("''")),
    Column("identity", Text, nullable=False, server_default=text("''")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("csrf", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False),
    Column("ended_at", Moment),
)

messaging_tables(metadata)
