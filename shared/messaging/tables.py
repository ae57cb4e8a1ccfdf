"""The tables that the mechanism keeps in every service's own database, beside the business tables."""

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, SmallInteger, Table, Text, Uuid, text


def messaging_tables(metadata: MetaData) -> None:
    """Adds outbox, inbox, timers, calls, parked, acts, requests and cleared.

    `swept_at` is a lease: whoever sweeps what a crash left behind takes rows whose lease is over.
    Sent outbox rows are kept for reconciliation (I17) and replay, for a time (retention.py); UUIDv7 ids order them.
    Timers and calls go when they are handled; parked and acts are what people read and do, and stay.
    """
    moving = {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02}
    Table(
        "outbox",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("key", Text, nullable=False),
        Column("count", SmallInteger, nullable=False),
        Column("body", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("swept_at", DateTime(timezone=True)),
        Column("sent_at", DateTime(timezone=True)),
        Index("ix_outbox_unsent", "id", postgresql_where=text("sent_at is null")),
        postgresql_with=moving,
    )
    Table(
        "inbox",
        metadata,
        Column("id", Uuid, primary_key=True, comment="the packet's id"),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    Table(
        "timers",
        metadata,
        Column("key", Text, primary_key=True),
        Column("due_at", DateTime(timezone=True), nullable=False, index=True),
        Column("attempt", Integer, nullable=False),
        Column("body", Text, nullable=False),
        Column("swept_at", DateTime(timezone=True)),
        postgresql_with=moving,
    )
    Table(
        "calls",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("body", Text, nullable=False),
        Column("swept_at", DateTime(timezone=True)),
        postgresql_with=moving,
    )
    Table(
        "parked",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("key", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("event_id", Uuid),
        Column("arrived_by", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("reason", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("state", Text, nullable=False, server_default="parked"),
        Column("resolved_at", DateTime(timezone=True)),
        Column("resolved_by", Text),
        Index("ix_parked_open", "at", postgresql_where=text("state = 'parked'")),
    )
    Table(
        "acts",
        metadata,
        Column("id", Uuid, primary_key=True, comment="made from the caller's Idempotency-Key"),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("by", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("parked_id", Uuid, index=True),
        Column("key", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("why", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Index("ix_acts_at", "at", "id"),
    )
    Table(
        "requests",
        metadata,
        Column("id", Uuid, primary_key=True, comment="made from the caller's Idempotency-Key"),
        Column("fingerprint", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("status", SmallInteger),
        Column("reply", Text),
        Index("ix_requests_at", "at"),
    )
    Table(
        "cleared",
        metadata,
        Column("name", Text, primary_key=True, comment="outbox, inbox or requests"),
        Column("before", DateTime(timezone=True), nullable=False, comment="what is younger is all there"),
    )


def revised() -> Column[int]:
    """The column of an aggregate's root that counts the units of work that changed any of its rows."""
    return Column("revision", Integer, nullable=False, server_default=text("1"))
