"""Billing's tables. Column names are the rows' field names; the checks are the invariants that never may break."""

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    and_,
    event,
    literal_column,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import NAMING
from shared.messaging.tables import messaging_tables, revised

metadata = MetaData(naming_convention=NAMING)
MOVING = {"fillfactor": 70}


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _money(name: str) -> Column[Any]:
    return Column(name, Numeric, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _json(name: str) -> Column[Any]:
    return Column(name, JSONB, nullable=False)


accounts = Table(
    "accounts",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    revised(),
    Column("version", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    _text("method"),
    _text("currency"),
    _text("token"),
    *(_money(name) for name in ("due", "captured", "refunded", "invoiced", "credited", "granted", "custody")),
    _json("holds"),
    Column("operations", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("unknown", Boolean, nullable=False),
    _money("voiding"),
    _money("refunding"),
    Column("declined", Boolean, nullable=False),
    _money("declined_due"),
    Column("refusal", Text, nullable=False, server_default=text("''")),
    Column("debtor", Text, nullable=False, server_default=text("''")),
    _text("blocked"),
    Column("attempts", Integer, nullable=False),
    _text("parked"),
    Column("dunned", Integer, nullable=False),
    _time("dunning_at", nullable=True),
    *(_json(name) for name in ("invoices", "credits", "delivered", "early")),
    Column("written_off", Numeric, nullable=False, server_default=text("0")),
    CheckConstraint("0 <= refunded and refunded <= captured", name="never_refunds_more_than_captured"),
    CheckConstraint("0 <= credited and credited <= invoiced", name="never_credits_more_than_invoiced"),
    CheckConstraint("custody >= 0 and due >= 0", name="not_negative"),
    CheckConstraint("running in (0, operations)", name="one_operation_at_a_time"),
    postgresql_with=MOVING,
)
UNPAID = accounts.c.invoiced - accounts.c.credited - accounts.c.captured + accounts.c.refunded
OWED = UNPAID - accounts.c.written_off
NOTHING: ColumnElement[Any] = literal_column("0")  # literals, so that a plan made for any values goes by the index
NO_TEXT: ColumnElement[Any] = literal_column("''")
_NEVER_SETTLED = or_(UNPAID > NOTHING, accounts.c.parked != NO_TEXT)
OPEN = and_(_NEVER_SETTLED, or_(OWED > NOTHING, accounts.c.parked != NO_TEXT))  # the first half goes by the index
Index("ix_accounts_open", accounts.c.order_id, postgresql_where=_NEVER_SETTLED)

sales = Table(
    "sales",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    _text("number", index=True),
    _text("customer_id"),
    Column("inclusive", Boolean, nullable=False),
    _json("bill_to"),
    _json("lines"),
)

operations = Table(
    "operations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("no", Integer, primary_key=True),
    _text("kind"),
    _money("amount"),
    _text("currency"),
    Column("hold", Integer, nullable=False),
    _text("authorisation"),
    _text("token"),
    _time("wanted_at"),
    _text("state"),
    Column("attempts", Integer, nullable=False),
    _text("reference"),
    _text("reason"),
    _time("answered_at", nullable=True),
    _time("expires_at", nullable=True),
    CheckConstraint("kind in ('authorise', 'capture', 'void', 'refund')", name="kind"),
    CheckConstraint("state in ('wanted', 'unknown', 'done', 'refused')", name="state"),
    CheckConstraint("amount > 0", name="amount"),
    postgresql_with=MOVING,
)
IN_FLIGHT = operations.c.state.in_(("wanted", "unknown"))
Index("ix_operations_in_flight", operations.c.order_id, unique=True, postgresql_where=IN_FLIGHT)


def _document(name: str, *own: Any) -> Table:
    return Table(
        name,
        metadata,
        Column("order_id", Uuid, primary_key=True),
        *own,
        _text("number"),
        _text("series"),
        Column("year", SmallInteger, nullable=False),
        Column("serial", Integer, nullable=False),
        _time("issued_at"),
        _text("order_number"),
        _text("customer_id"),
        _text("currency"),
        Column("inclusive", Boolean, nullable=False),
        *(_money(amount) for amount in ("net", "vat", "gross")),
        *(_json(part) for part in ("lines", "groups", "bill_to")),
        _text("hash"),
        Column("terms", JSONB),
        UniqueConstraint("series", "year", "serial"),
        UniqueConstraint("number"),
        CheckConstraint("net + vat = gross", name="adds_up"),
    )


invoices = _document(
    "invoices", Column("shipment_id", Uuid, primary_key=True), Column("dispatched_on", Date, nullable=False)
)
credit_notes = _document(
    "credit_notes",
    Column("return_id", Uuid, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("shipment_id", Uuid, nullable=False),
    _text("invoice"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("refund_id", Uuid, primary_key=True),
    _text("invoice"),
    _text("order_number"),
    _text("customer_id"),
    _json("lines"),
    _text("currency"),
    *(_money(amount) for amount in ("net", "vat", "gross")),
    _text("reason"),
    _text("asker"),
    _time("asked_at"),
    _money("limit"),
    Column("version", Integer, nullable=False),
    _text("state"),
    _text("approver"),
    _text("decided_by"),
    _time("decided_at", nullable=True),
    _text("note"),
    _text("credit_note"),
    CheckConstraint("state in ('waiting', 'done', 'refused')", name="state"),
    CheckConstraint("gross > 0 and net + vat = gross", name="adds_up"),
    CheckConstraint("asker <> '' and (state = 'waiting') = (decided_by = '')", name="known_who"),
    CheckConstraint("(state = 'done') = (credit_note <> '')", name="done_with_its_document"),
    CheckConstraint("lower(btrim(approver)) <> lower(btrim(asker))", name="four_eyes"),
    postgresql_with=MOVING,
)
Index("ix_refunds_asked", refunds.c.asked_at, refunds.c.refund_id)
Index(
    "ix_refunds_waiting", refunds.c.asked_at, refunds.c.refund_id, postgresql_where=refunds.c.state == text("'waiting'")
)

write_offs = Table(
    "write_offs",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("write_off_id", Uuid, primary_key=True),
    _text("order_number"),
    _text("customer_id"),
    _money("amount"),
    _text("currency"),
    _text("reason"),
    _text("asker"),
    _time("asked_at"),
    _money("limit"),
    Column("version", Integer, nullable=False),
    _text("state"),
    _text("approver"),
    _text("decided_by"),
    _time("decided_at", nullable=True),
    _text("note"),
    CheckConstraint("state in ('waiting', 'done', 'refused')", name="state"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("asker <> '' and (state = 'waiting') = (decided_by = '')", name="known_who"),
    CheckConstraint("lower(btrim(approver)) <> lower(btrim(asker))", name="four_eyes"),
    postgresql_with=MOVING,
)
Index("ix_write_offs_asked", write_offs.c.asked_at, write_offs.c.write_off_id)
Index(
    "ix_write_offs_waiting",
    write_offs.c.order_id,
    unique=True,
    postgresql_where=write_offs.c.state == text("'waiting'"),
)

bank_entries = Table(
    "bank_entries",
    metadata,
    _text("entry_id", primary_key=True),
    _text("state"),
    Column("order_id", Uuid),
    _text("reference"),
    _money("amount"),
    _text("currency"),
    Column("booked_on", Date, nullable=False),
    _text("reason"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("(state = 'matched') = (order_id is not null)", name="matched_to_an_order"),
)

remittances = Table(
    "remittances",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("shipment_id", Uuid, primary_key=True),
    _text("reference", primary_key=True),
    _money("amount"),
    _time("remitted_at"),
    Column("fee", Numeric, nullable=False, server_default=text("0")),
)

debtors = Table(
    "debtors",
    metadata,
    _text("customer_id", primary_key=True),
    _text("currency", primary_key=True),
    _money("owed"),
    Column("limit", Numeric),
    _text("reason"),
    _text("set_by"),
    _time("set_at", nullable=True),
    CheckConstraint('owed >= 0 and "limit" >= 0', name="not_negative"),
    postgresql_with=MOVING,
)

unmatched_credits = Table(
    "unmatched_credits",
    metadata,
    _text("reference", primary_key=True),
    _text("customer_id"),
    _text("currency"),
    _money("amount"),
    _text("reason"),
    _json("lines"),
    _time("recorded_at"),
    _text("state"),
)

hints = Table(
    "hints",
    metadata,
    _text("event_id", primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("operation_no", Integer, nullable=False),
    _text("outcome"),
    _text("raw"),
    _time("received_at"),
)

series = Table(
    "series",
    metadata,
    _text("series", primary_key=True),
    Column("year", SmallInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    _time("issued_at"),
    postgresql_with={"fillfactor": 10},
)

postings = Table(
    "postings",
    metadata,
    _text("entry_id", primary_key=True),
    Column("posting_no", Integer, primary_key=True),
    _text("account"),
    _money("amount"),
    _text("currency"),
    Column("order_id", Uuid, index=True),
    _text("kind"),
    _time("booked_at"),
    CheckConstraint("amount <> 0", name="amount"),
    Index("ix_postings_booked_at", "booked_at"),
)

messaging_tables(metadata)

NEVER_CHANGES = """
create or replace function never_changes() returns trigger language plpgsql as
$$begin raise exception 'an issued document or a posting never changes'; end$$
"""
"""What is issued or booked stands, whatever wants to change it (R-11, R-13)."""
GUARDS = tuple(
    f"create trigger {name}_never_change before update or delete on {name} "
    "for each row execute function never_changes()"
    for name in ("invoices", "credit_notes", "postings")
)

DECIDED_STANDS = """
create or replace function decided_stands() returns trigger language plpgsql as
$$begin raise exception 'what was decided never changes'; end$$
"""
"""Who asked and who approved cannot be told otherwise afterwards (S8).

Its trigger is not called `..._never_change`: of such tables nobody but the owner may update any row.
"""
DECIDED = tuple(
    f"create trigger {name}_decided_stands before update or delete on {name} "
    "for each row when (old.state <> 'waiting') execute function decided_stands()"
    for name in ("refunds", "write_offs")
)


def _ddl(text: str) -> DDL:
    return DDL(text)  # type: ignore[no-untyped-call]


event.listen(metadata, "before_create", _ddl(NEVER_CHANGES))
for _table, _guard in zip((invoices, credit_notes, postings), GUARDS, strict=True):
    event.listen(_table, "after_create", _ddl(_guard))
event.listen(metadata, "before_create", _ddl(DECIDED_STANDS))
for _table, _guard in zip((refunds, write_offs), DECIDED, strict=True):
    event.listen(_table, "after_create", _ddl(_guard))
