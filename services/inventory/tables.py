"""The tables of inventory. Column names are the field names of the domain's rows; rows are never deleted."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import NAMING
from shared.messaging.tables import messaging_tables, revised

metadata = MetaData(naming_convention=NAMING)
MOVING = {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.05}

items = Table(
    "items",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("stocked", Boolean, nullable=False),
    Column("backorderable", Boolean, nullable=False),
    Column("lead_days", Integer, nullable=False),
    Column("barcode", Text, nullable=False, server_default=""),
    Index("ix_items_barcode", "barcode", postgresql_where=text("barcode <> ''")),
)

places = Table(
    "places",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("bin", Text, nullable=False),
    Index("ix_places_bin", "bin", postgresql_where=text("bin <> ''")),
)

kits = Table(
    "kits",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("components", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("announced", Integer, nullable=False),
)

kit_parts = Table(
    "kit_parts",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("kit", Text, primary_key=True),
    Column("pieces", Integer, nullable=False),
)

warehouses = Table(
    "warehouses",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("realm", Text, nullable=False),
)

queues = Table(
    "queues",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("waiting", BigInteger, nullable=False),
    Column("pages", JSONB, nullable=False),
    Column("sums", JSONB, nullable=False, server_default=text("'[]'")),
    Column("announced", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("waiting >= 0", name="waiting_not_negative"),
    postgresql_with=MOVING,
)

levels = Table(
    "levels",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("to_count", Boolean, nullable=False),
    Column("due", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("0 <= reserved and reserved <= on_hand", name="never_oversold"),
    CheckConstraint("quarantined >= 0", name="quarantined_not_negative"),
    postgresql_with=MOVING,
)

expected = Table(
    "expected",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("expected_on", Date, nullable=False),
    Column("purchase_id", Uuid),
    Column("transfer_id", Uuid),
)

suppliers = Table(
    "suppliers",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("lead_days", Integer, nullable=False),
    Column("currency", Text, nullable=False),
)

purchase_orders = Table(
    "purchase_orders",
    metadata,
    Column("purchase_id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("supplier", Text, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Index("ix_purchase_orders_created_at", "created_at", "purchase_id"),
)

purchase_lines = Table(
    "purchase_lines",
    metadata,
    Column("purchase_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("unit_cost", Numeric, nullable=False),
    Column("expected_on", Date, nullable=False),
    Column("received", BigInteger, nullable=False),
    CheckConstraint("quantity >= 0 and received >= 0 and unit_cost >= 0", name="not_negative"),
    Index("ix_purchase_lines_sku", "sku", "purchase_id"),
)

purchase_acts = Table(
    "purchase_acts",
    metadata,
    Column("cause", Uuid, primary_key=True),
    Column("purchase_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Index("ix_purchase_acts_of", "purchase_id", "version", unique=True),
)

transfers = Table(
    "transfers",
    metadata,
    Column("transfer_id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("expected_on", Date, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    CheckConstraint("source <> destination", name="between_two"),
    Index("ix_transfers_created_at", "created_at", "transfer_id"),
)

transfer_lines = Table(
    "transfer_lines",
    metadata,
    Column("transfer_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    CheckConstraint("quantity >= 0 and received >= 0 and lost >= 0 and received + lost <= sent", name="never_more"),
    Index("ix_transfer_lines_sku", "sku", "transfer_id"),
)

transfer_acts = Table(
    "transfer_acts",
    metadata,
    Column("cause", Uuid, primary_key=True),
    Column("transfer_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Index("ix_transfer_acts_of", "transfer_id", "version", unique=True),
)

reorder_rules = Table(
    "reorder_rules",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("point", BigInteger, nullable=False),
    Column("up_to", BigInteger, nullable=False),
    Column("supplier", Text, nullable=False),
    Column("version", Integer, nullable=False),
    CheckConstraint("point >= 0 and (up_to = 0 or up_to > point)", name="up_to_above_point"),
)

series = Table(
    "series",
    metadata,
    Column("series", Text, primary_key=True),
    Column("year", Integer, nullable=False),
    Column("last", Integer, nullable=False),
)

stock_orders = Table(
    "stock_orders",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    revised(),
    Column("version", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("country", Text, nullable=False),
    Column("routing", JSONB, nullable=False),
    Column("promise_due", Date),
    postgresql_with=MOVING,
)

demands = Table(
    "demands",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("wanted", BigInteger, nullable=False),
    Column("backordered", BigInteger, nullable=False),
    Column("promised_on", Date),
    Column("rejected", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by_receipt", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("wanted >= 0 and backordered >= 0 and rejected >= 0", name="not_negative"),
    postgresql_with=MOVING,
)

reservations = Table(
    "reservations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("stocked", Boolean, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("issued", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("kept", BigInteger, nullable=False),
    Column("most", BigInteger),
    CheckConstraint("reserved >= 0 and issued >= 0 and lost >= 0", name="not_negative"),
    # No condition on `reserved`: it would make every dispatch touch the index. Only counts ask by SKU.
    Index("ix_reservations_sku", "sku"),
    postgresql_with=MOVING,
)

queued = Table(
    "queued",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("page", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    CheckConstraint("quantity >= 0", name="quantity_not_negative"),
    Index("ix_queued_waiting", "page", "place", postgresql_where=text("quantity > 0")),
    postgresql_with=MOVING,
)

seen = Table(
    "seen",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("thing_id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("counts", JSONB, nullable=False),
    postgresql_with=MOVING,
)

movements = Table(
    "movements",
    metadata,
    Column("cause", Uuid, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("on_hand", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("unit_cost", Numeric),
    Column("order_id", Uuid),
    Column("in_transit", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_movements_sku_at", "sku", "at"),
    Index("ix_movements_at", "at"),
)

valuations = Table(
    "valuations",
    metadata,
    Column("cause", Uuid, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("line_no", Integer, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("day", Date, nullable=False),
    Column("pieces", BigInteger, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("unit_cost", Numeric),
    Column("difference", Numeric, nullable=False),
    Column("order_id", Uuid),
    Index("ix_valuations_sku", "sku", "seq", unique=True),
    Index(
        "ix_valuations_order_id",
        "order_id",
        postgresql_where=text("order_id is not null and kind in ('issue', 'restock', 'quarantine')"),
    ),
    Index("ix_valuations_arrivals", "sku", "seq", postgresql_where=text("pieces > 0")),
    Index("ix_valuations_without_cost", "sku", "seq", postgresql_where=text("pieces > 0 and unit_cost is null")),
)

cost_changes = Table(
    "cost_changes",
    metadata,
    Column("cause", Uuid, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("arrival", Uuid, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("line_no", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit_cost", Numeric, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("unit_cost >= 0", name="not_negative"),
    Index("ix_cost_changes_arrival", "arrival", "sku", "warehouse", "line_no", "kind", "at", "cause"),
    Index("ix_cost_changes_at", "at"),
)

costings = Table(
    "costings",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("pieces", BigInteger, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("unit_cost", Numeric),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("day", Date, nullable=False),
    Column("sold_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True)),
    Column("places", JSONB, nullable=False),
    Index("ix_costings_value", text("value desc"), "sku", postgresql_where=text("pieces > 0")),
    postgresql_with=MOVING,
)

costing_days = Table(
    "costing_days",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("pieces", BigInteger, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("places", JSONB, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("received_value", Numeric, nullable=False),
    Column("sold", BigInteger, nullable=False),
    Column("sold_value", Numeric, nullable=False),
    Column("returned", BigInteger, nullable=False),
    Column("returned_value", Numeric, nullable=False),
    Column("adjusted", BigInteger, nullable=False),
    Column("adjusted_value", Numeric, nullable=False),
    Column("changed_value", Numeric, nullable=False),
    Column("differences", Numeric, nullable=False),
    Index("ix_costing_days_day", "day"),
    postgresql_with=MOVING,
)

valued = Table(
    "valued",
    metadata,
    Column("name", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("until", DateTime(timezone=True)),
    Column("looked_back_at", DateTime(timezone=True)),
)

placements = Table(
    "placements",
    metadata,
    Column("cause", Uuid, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("bin_before", Text, nullable=False),
    Column("bin", Text, nullable=False),
    Column("barcode_before", Text, nullable=False),
    Column("barcode", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ix_placements_sku_at", "sku", "at"),
)

messaging_tables(metadata)
