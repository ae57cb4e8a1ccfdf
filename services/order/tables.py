"""The tables of the order service. Column names are the field names of the rows in rows.py."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import NAMING, lowered
from shared.messaging.tables import messaging_tables, revised

metadata = MetaData(naming_convention=NAMING)
Moment = DateTime(timezone=True)
MOVES = {"fillfactor": 70}
STATUSES = (
    "awaiting_stock",
    "backordered",
    "awaiting_payment",
    "in_fulfilment",
    "held",
    "cancelling",
    "cancelled",
    "shipped",
    "delivered",
    "completed",
)

progress = Table(
    "progress",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    revised(),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("cancelled", JSONB, nullable=False),
    Column("cancel_wanted", JSONB, nullable=False),
    Column("holds", JSONB, nullable=False),
    Column("limits", JSONB, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("accepted_on", Date),
    Column("pay_by", Moment),
    Column("consent_by", Moment),
    Column("answer_by", Moment),
    Column("refused_until", Moment),
    Column("asked_at", Moment),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("status in (" + ", ".join(f"'{status}'" for status in STATUSES) + ")", name="status"),
    # Only open orders: screens ask for these, and there are few of them. A status that changes moves no index entry.
    Column("final", Boolean, Computed("status in ('cancelled', 'completed')", persisted=True), nullable=False),
    Index("ix_progress_open", "order_id", postgresql_where=text("not final")),
    postgresql_with=MOVES,
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("channel", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("prices_include_vat", Boolean, nullable=False),
    Column("method", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("ship_to", JSONB, nullable=False),
    Column("bill_to", JSONB, nullable=False),
    Column("placed_at", Moment, nullable=False),
    Column("ship_complete", Boolean, nullable=False),
    Column("service_level", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("net", Numeric, nullable=False),
    Column("vat", Numeric, nullable=False),
    Column("gross", Numeric, nullable=False),
    Column("fingerprint", Text, nullable=False),
    CheckConstraint("net + vat = gross", name="total"),
    Index("ix_orders_placed_at", "placed_at", "order_id"),
    Index("ix_orders_customer_id", "customer_id", postgresql_where=text("customer_id <> ''")),
)
lowered("ix_orders_number_begins", orders.c.number)
lowered("ix_orders_external_id_begins", orders.c.external_id)

lines = Table(
    "lines",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", Numeric, nullable=False),
    Column("discount", Numeric, nullable=False),
    Column("vat_category", Text, nullable=False),
    Column("vat_rate", Numeric, nullable=False),
    Column("kit", JSONB),
    CheckConstraint("quantity > 0", name="quantity"),
    Index("ix_lines_sku", "sku"),
)

stock = Table(
    "stock",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("asked", Integer, nullable=False),
    Column("wanted", JSONB, nullable=False),
    Column("limits", JSONB, nullable=False),
    Column("heard", JSONB),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("asked > 0", name="asked"),
    postgresql_with=MOVES,
)

money = Table(
    "money",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("asked", Integer, nullable=False),
    Column("due", Numeric),
    Column("lines", Integer, nullable=False),
    Column("cancelled", JSONB, nullable=False),
    Column("heard", JSONB),
    CheckConstraint("asked > 0 and due >= 0", name="asked"),
    postgresql_with=MOVES,
)

shipments = Table(
    "shipments",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("shipment_id", Uuid, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("planned", JSONB, nullable=False),
    Column("cancel_asked", Boolean, nullable=False),
    Column("billed", Boolean, nullable=False),
    Column("heard", JSONB),
    CheckConstraint("seq > 0", name="seq"),
    postgresql_with=MOVES,
)

returns = Table(
    "returns",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("return_id", Uuid, primary_key=True),
    Column("shipment_id", Uuid, nullable=False),
    Column("wanted", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked", Boolean, nullable=False),
    Column("refunded", JSONB, nullable=False),
    Column("heard", JSONB),
    Column("withdrawal", Boolean, nullable=False, server_default=text("false")),
    postgresql_with=MOVES,
)

history = Table(
    "history",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("cause", Uuid, nullable=False),
    Column("actor", Text, nullable=False),
    Column("note", Text, nullable=False),
)

externals = Table(
    "externals",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("order_id", Uuid, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("brand", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("price", Numeric, nullable=False),
    Column("vat_category", Text, nullable=False),
    Column("vat_rate", Numeric, nullable=False),
    Column("components", JSONB, nullable=False, server_default=text("'[]'")),
)

product_versions = Table(
    "product_versions",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

product_changes = Table(
    "product_changes",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("cause", Uuid, nullable=False),
    Column("actor", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
    CheckConstraint("version > 0", name="version"),
    Index("ix_product_changes_at", "at", "cause", "sku", postgresql_where=text("actor <> ''")),
)

kit_versions = Table(
    "kit_versions",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

parts = Table(
    "parts",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("kit", Text, primary_key=True),
    Column("pieces", Integer, nullable=False),
    CheckConstraint("pieces >= 0", name="pieces"),
)

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("addresses", JSONB, nullable=False),
)

channels = Table(
    "channels",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("last > 0", name="last"),
    postgresql_with={"fillfactor": 50},
)

messaging_tables(metadata)
