"""The tables of fulfilment. Column names are the field names of the rows in domain/rows.py."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import NAMING
from shared.messaging.tables import messaging_tables, revised

metadata = MetaData(naming_convention=NAMING)
Moment = DateTime(timezone=True)

shipments = Table(
    "shipments",
    metadata,
    Column("shipment_id", Uuid, primary_key=True),
    revised(),
    Column("order_id", Uuid, nullable=False),
    Column("number", Text, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("address", JSONB, nullable=False),
    Column("service_level", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("planned_at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("short", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("weight_g", Integer, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("tracking", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("label_id", Text, nullable=False),
    Column("label_tries", Integer, nullable=False),
    Column("parked", Text, nullable=False),
    Column("picked_at", Moment),
    Column("packed_at", Moment),
    Column("dispatched_at", Moment),
    Column("delivered_at", Moment),
    Column("ended_at", Moment),
    CheckConstraint(
        "state in ('planned','picked','packed','dispatched','delivered','refused','cancelled','rejected')", name="state"
    ),
    CheckConstraint("label in ('none','wanted','refused','bought','void_wanted','voided','claimed')", name="label"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint(
        "(state in ('dispatched','delivered','refused')) = (dispatched_at is not null)", name="out_is_dispatched"
    ),  # never both cancelled and out (I10)
    CheckConstraint("(state = 'delivered') = (delivered_at is not null)", name="delivered"),
    Index("ix_shipments_order_id", "order_id"),
    Index(
        "ix_shipments_worklist",
        "warehouse",
        "priority",
        "planned_at",
        postgresql_where=text("state in ('planned','picked','packed')"),
    ),
    Index("ix_shipments_parked", "shipment_id", postgresql_where=text("parked <> ''")),
    Index("ix_shipments_planned_at", "planned_at", "shipment_id"),
    postgresql_with={"fillfactor": 70},
)

returns = Table(
    "returns",
    metadata,
    Column("return_id", Uuid, primary_key=True),
    Column("shipment_id", Uuid, nullable=False),
    Column("order_id", Uuid, nullable=False),
    Column("warehouse", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("lines", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("claimed", Boolean, nullable=False),
    Column("closed_at", Moment),
    CheckConstraint("state in ('expected','received','inspected','closed')", name="state"),
    CheckConstraint("opened_by in ('customer','fulfilment')", name="opened_by"),
    CheckConstraint("(state = 'closed') = (closed_at is not null)", name="closed"),
    CheckConstraint("version > 0", name="version"),
    Index("ix_returns_shipment_id", "shipment_id"),
    Index("ix_returns_opened_at", "opened_at", "return_id"),
    postgresql_with={"fillfactor": 70},
)

history = Table(
    "history",
    metadata,
    Column("document_id", Uuid, primary_key=True),
    Column("cause", Uuid, primary_key=True),
    Column("shipment_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

messaging_tables(metadata)
