"""The rows of fulfilment, its policy, and how a row becomes a statement."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

from shared.contracts.fulfilment import (
    OUT,
    PlanLine,
    ReturnLine,
    ReturnStatement,
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentPacked,
    ShipmentPicked,
    ShipmentPlanned,
    ShipmentRefused,
    ShipmentRejected,
    ShipmentState,
    ShipmentStatement,
    ShortLine,
)
from shared.contracts.values import Address
from shared.messaging.decision import Context, Effect, Refused, Reply, Row, Rows

OPEN: frozenset[str] = frozenset({"planned", "picked", "packed"})
NEWS: dict[str, type[ShipmentStatement]] = {
    "planned": ShipmentPlanned,
    "picked": ShipmentPicked,
    "packed": ShipmentPacked,
    "dispatched": ShipmentDispatched,
    "delivered": ShipmentDelivered,
    "refused": ShipmentRefused,
    "cancelled": ShipmentCancelled,
    "rejected": ShipmentRejected,
}

LabelState = Literal["none", "wanted", "refused", "bought", "void_wanted", "voided", "claimed"]
"""none: no label exists, none is wanted. wanted: asked for, so it may exist. refused: the carrier said no, another try
follows. claimed: past the manifest, so its price was claimed back instead of voiding it (R-35)."""


class Impossible(Exception):
    """A message that cannot be true. It is parked with this reason and changes nothing."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How the warehouses work. Without any setting every step waits for a person."""

    automatic: bool = False  # every warehouse runs by itself: planned, picked, packed and handed over unasked
    automatic_warehouses: frozenset[str] = frozenset()  # or only these
    call_carrier: bool = True  # False: no carrier contract, parcels leave without a label of ours
    carrier: str = "carrier"  # its name in statements
    deliver_after: timedelta | None = None  # automatic warehouses: None waits for tracking, zero delivers at once
    automatic_returns: bool = False  # whatever is announced comes back whole and goes back to stock
    return_within: timedelta = timedelta(days=30)
    return_look_again: timedelta = timedelta(days=1)  # pieces arrived but not graded when the return was due
    label_retries: tuple[timedelta, ...] = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))

    def runs_itself(self, warehouse: str) -> bool:
        return self.automatic or warehouse in self.automatic_warehouses


@dataclass(frozen=True, slots=True)
class Shipment(Row):
    """One shipment of one warehouse. Cancelled with no lines: a tombstone, the cancel came before the plan.

    `short` is what picking did not find. It is stated with `shipped` when the shipment is out or ended, because open
    shipments count as planned everywhere (SAGA, used(w)).
    """

    KEY: ClassVar[tuple[str, ...]] = ("shipment_id",)
    GROUP: ClassVar[str] = "shipment_id"
    FIXED: ClassVar[tuple[str, ...]] = (
        "order_id", "number", "warehouse", "lines", "address", "service_level", "priority", "planned_at",
    )  # fmt: skip

    shipment_id: UUID
    order_id: UUID
    number: str
    warehouse: str
    lines: tuple[PlanLine, ...]
    address: Address
    service_level: str
    priority: int
    planned_at: datetime
    version: int = 0
    state: ShipmentState = "planned"
    short: tuple[ShortLine, ...] = ()
    reason: str = ""
    weight_g: int = 0
    carrier: str = ""
    tracking: str = ""
    label: LabelState = "none"
    label_id: str = ""
    label_tries: int = 0
    parked: str = ""
    picked_at: datetime | None = None
    packed_at: datetime | None = None
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    ended_at: datetime | None = None

    def shipped(self) -> dict[int, int]:
        """Pieces handed over, per line."""
        if self.state not in OUT:
            return {}
        short = {line.line_no: line.quantity for line in self.short}
        return {line.line_no: line.quantity - short.get(line.line_no, 0) for line in self.lines}


@dataclass(frozen=True, slots=True)
class Return(Row):
    """Goods of one shipment that come back. Opened by the customer (ends at `due_at`) or by fulfilment (never does)."""

    KEY: ClassVar[tuple[str, ...]] = ("return_id",)
    GROUP: ClassVar[str] = "shipment_id"
    FIXED: ClassVar[tuple[str, ...]] = (
        "shipment_id", "order_id", "warehouse", "reason", "opened_by", "opened_at", "due_at",
    )  # fmt: skip

    return_id: UUID
    shipment_id: UUID
    order_id: UUID
    warehouse: str
    reason: str
    opened_by: Literal["customer", "fulfilment"]
    opened_at: datetime
    due_at: datetime | None
    lines: tuple[ReturnLine, ...]
    version: int = 0
    state: Literal["expected", "received", "inspected", "closed"] = "expected"
    claimed: bool = False
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class History(Row):
    """What happened to one shipment or return, by whom and why. Only ever inserted; one event, one row."""

    KEY: ClassVar[tuple[str, ...]] = ("document_id", "cause")

    document_id: UUID  # of the shipment or the return
    cause: UUID
    shipment_id: UUID
    version: int
    state: str
    what: str
    actor: str
    at: datetime


# Statements


def statement(s: Shipment, news: type[ShipmentStatement] | None = None) -> ShipmentStatement:
    """The whole view of one shipment. planned = shipped + short once it is out; open ones state neither.

    It is validated as a whole, which is cheaper than line by line.
    """
    out = s.state in OUT
    short = {} if s.state in OPEN else {line.line_no: line.quantity for line in s.short}
    whys = {line.line_no: line.why for line in s.short if line.line_no in short}
    return (news or NEWS[s.state]).model_validate(
        {
            "order_id": s.order_id,
            "version": s.version,
            "shipment_id": s.shipment_id,
            "state": s.state,
            "warehouse": s.warehouse,
            "lines": [
                {
                    "line_no": line.line_no,
                    "sku": line.sku,
                    "planned": line.quantity,
                    "shipped": line.quantity - short.get(line.line_no, 0) if out else 0,
                    "short": short.get(line.line_no, 0),
                    "why": whys.get(line.line_no),
                }
                for line in s.lines
            ],
            "reason": s.reason,
            "carrier": s.carrier,
            "tracking": s.tracking,
            "dispatched_at": s.dispatched_at,
            "delivered_at": s.delivered_at,
            "parked": s.parked,
        }
    )


def told(
    s: Shipment, what: str, ctx: Context[Policy], *news: type[ShipmentStatement], actor: str = "", **changes: Any
) -> Iterator[Effect]:
    """A change that everybody hears: the row with its next version, its history, one fact per piece of news."""
    yield from tell(replace(s, version=s.version + 1, **changes), what, ctx, *news, actor=actor)


def tell(
    s: Shipment, what: str, ctx: Context[Policy], *news: type[ShipmentStatement], actor: str = ""
) -> Iterator[Effect]:
    """The same of a row that has its version already."""
    yield s
    yield noted(s, what, ctx, actor)
    for kind in news:
        yield statement(s, kind)


def noted(s: Shipment, what: str, ctx: Context[Policy], actor: str = "") -> History:
    return History(s.shipment_id, ctx.cause, s.shipment_id, s.version, s.state, what, actor or ctx.actor, ctx.now)


def reply(s: Shipment) -> Reply:
    return Reply(statement(s).model_dump(mode="json"))


def answered(effects: Iterator[Effect]) -> Iterator[Effect]:
    """The effects, and the shipment as they leave it for the person who asked."""
    for effect in effects:
        if isinstance(effect, Shipment):
            yield reply(effect)
        yield effect


def known(rows: Rows, shipment_id: UUID) -> Shipment:
    shipment = rows.find(Shipment, shipment_id)
    if shipment is None:
        raise Refused("there is no such shipment", field="shipment_id", status=404)
    return shipment


def return_statement(r: Return, news: type[ReturnStatement]) -> ReturnStatement:
    return news(
        order_id=r.order_id,
        version=r.version,
        return_id=r.return_id,
        shipment_id=r.shipment_id,
        warehouse=r.warehouse,
        state=r.state,
        lines=r.lines,
        reason=r.reason,
    )


def return_told(
    r: Return, what: str, ctx: Context[Policy], *news: type[ReturnStatement], actor: str = ""
) -> Iterator[Effect]:
    r = replace(r, version=r.version + 1)
    yield r
    yield History(r.return_id, ctx.cause, r.shipment_id, r.version, r.state, what, actor or ctx.actor, ctx.now)
    for kind in news:
        yield return_statement(r, kind)
