"""What fulfilment obeys and tells: shipments, parcels, hand-over, returns."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Command, Internal, Statement, Value
from shared.contracts.values import MAX_LINES, Address, Code, Count, LineKind, Positive, Sku, Text

ShipmentState = Literal["planned", "picked", "packed", "dispatched", "delivered", "refused", "cancelled", "rejected"]
OUT: frozenset[str] = frozenset({"dispatched", "delivered", "refused"})
"""States after the hand-over to the carrier, the point of no return."""
ENDED: frozenset[str] = frozenset({"delivered", "refused", "cancelled", "rejected"})


class PlanLine(Value):
    """What to pick for one order line. Only goods are picked; shipping and service lines just travel along."""

    line_no: int
    sku: Sku
    text: Text = ""
    kind: LineKind = "goods"
    quantity: Positive


class PlanShipment(Command, key="fulfilment.plan_shipment.v1"):
    """Ship these lines from one warehouse. A known shipment id, a tombstone included, is ignored."""

    order_id: UUID
    shipment_id: UUID
    number: str = ""  # the order's number, for people
    warehouse: Code
    lines: Annotated[tuple[PlanLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    address: Address
    service_level: Code = "standard"
    priority: int = 0


class CancelShipment(Command, key="fulfilment.cancel_shipment.v1"):
    """Do not ship this, if it is not too late. Safe before the plan arrives: it leaves a tombstone."""

    order_id: UUID
    shipment_id: UUID
    reason: Text = ""


class ShortWhy(Value):
    """Why pieces of a line could not be picked; `note` says what `other` is."""

    reason: Literal["not_there", "damaged", "wrong_product", "other"]
    note: Annotated[str, Field(max_length=200)] = ""

    @property
    def text(self) -> str:
        """The same in plain words."""
        known = {
            "not_there": "not on the shelf", "damaged": "damaged", "wrong_product": "wrong product in the bin",
        }  # fmt: skip
        word = known.get(self.reason, "")
        return f"{word}, {self.note}" if word and self.note else word or self.note or "another reason"


class ShipmentLine(Value):
    """One line of a shipment: planned = shipped + short once it is out. `why` it is short, if the picker said so."""

    line_no: int
    sku: Sku
    planned: Count
    shipped: Count = 0
    short: Count = 0
    why: ShortWhy | None = None


class ShipmentStatement(Statement):
    """All about one shipment. `reason` of a rejection: closed, address or short."""

    shipment_id: UUID
    state: ShipmentState
    warehouse: str
    lines: tuple[ShipmentLine, ...] = ()
    reason: Text = ""
    carrier: str = ""
    tracking: str = ""
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    parked: Text = ""  # an operation that needs a person, such as a label that could not be voided

    @property
    def out(self) -> bool:
        return self.state in OUT

    @property
    def open(self) -> bool:
        return self.state in ("planned", "picked", "packed")


class ShipmentPlanned(ShipmentStatement, key="fulfilment.shipment_planned.v1"):
    """The warehouse has it on its list."""


class ShipmentPicked(ShipmentStatement, key="fulfilment.shipment_picked.v1"):
    """The goods are off the shelf; lines say what was short."""


class ShipmentPacked(ShipmentStatement, key="fulfilment.shipment_packed.v1"):
    """The parcel is closed and labelled."""


class ShipmentDispatched(ShipmentStatement, key="fulfilment.shipment_dispatched.v1"):
    """Handed over to the carrier: from here there are only returns (R-37)."""


class ShipmentDelivered(ShipmentStatement, key="fulfilment.shipment_delivered.v1"):
    """The customer has it."""


class ShipmentRefused(ShipmentStatement, key="fulfilment.shipment_refused.v1"):
    """Refused at the door or lost on the way; fulfilment has opened a return for it."""


class ShipmentCancelled(ShipmentStatement, key="fulfilment.shipment_cancelled.v1"):
    """Stopped before hand-over."""


class ShipmentRejected(ShipmentStatement, key="fulfilment.shipment_rejected.v1"):
    """The warehouse cannot ship it: closed, a bad address, or nothing found on the shelf."""


# What people and scanners in the warehouse say. Each names the shipment; saying it twice changes nothing.


class PickShipment(Command, key="fulfilment.pick_shipment.v1"):
    """Picked. `short` names what was not found; nothing found at all rejects the shipment."""

    shipment_id: UUID
    short: tuple["ShortLine", ...] = ()
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class ShortLine(Value):
    line_no: int
    quantity: Positive
    why: ShortWhy | None = None


class PackShipment(Command, key="fulfilment.pack_shipment.v1"):
    """Packed: asks the carrier for the label of the parcel."""

    shipment_id: UUID
    weight_g: Count = 0
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class DispatchShipment(Command, key="fulfilment.dispatch_shipment.v1"):
    """Handed over to the carrier. Refused when the shipment is cancelled or has no label yet."""

    shipment_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class RejectShipment(Command, key="fulfilment.reject_shipment.v1"):
    """The warehouse cannot do it. Only before hand-over."""

    shipment_id: UUID
    reason: Literal["closed", "address", "short"]
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class ReportTracking(Command, key="fulfilment.report_tracking.v1"):
    """What the carrier says of a parcel; may come late, twice and out of order."""

    shipment_id: UUID
    status: Literal["in_transit", "delivered", "refused", "lost"]
    at: datetime
    text: Text = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class ResumeLabel(Command, key="fulfilment.resume_label.v1"):
    """A person asks to try a parked label operation (buy or void) again."""

    shipment_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class LabelAnswered(Internal, key="fulfilment.label_answered.v1"):
    """What the carrier answered to one label operation, or that it did not (unknown)."""

    shipment_id: UUID
    operation: Literal["buy", "void"]
    outcome: Literal["ok", "refused", "unknown"]
    tracking: str = ""
    label_id: str = ""
    reason: Text = ""

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class CallCarrier(Internal, key="fulfilment.call_carrier.v1"):
    """An outside call that is wanted: buy or void the label of one parcel. The key makes it safe to repeat."""

    shipment_id: UUID
    operation: Literal["buy", "void"]
    idempotency_key: str
    label_id: str = ""
    service_level: str = "standard"
    address: Address = Address()
    weight_g: Count = 0

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class RetryLabel(Internal, key="fulfilment.retry_label.v1"):
    """Timer: ask the carrier again."""

    shipment_id: UUID
    operation: Literal["buy", "void"]

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


class ParcelDue(Internal, key="fulfilment.parcel_due.v1"):
    """Timer of a warehouse that runs by itself: the parcel arrives now."""

    shipment_id: UUID

    @property
    def subject(self) -> str:
        return str(self.shipment_id)


# Returns


class ReturnLine(Value):
    """One line of a return. accepted = what the customer gets back money for; it ends in one of the three grades."""

    line_no: int
    sku: Sku
    expected: Count = 0
    received: Count = 0
    accepted: Count = 0
    restock: Count = 0
    quarantine: Count = 0
    scrap: Count = 0


class ExpectLine(Value):
    line_no: int
    sku: Sku
    quantity: Positive


class ExpectReturn(Command, key="fulfilment.expect_return.v1"):
    """Goods of one shipment should come back. A known return id is ignored."""

    order_id: UUID
    shipment_id: UUID
    return_id: UUID
    lines: Annotated[tuple[ExpectLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    reason: Text = ""


class ReturnStatement(Statement):
    """All about one return. Its quantities only grow."""

    return_id: UUID
    shipment_id: UUID
    warehouse: str
    state: Literal["expected", "received", "inspected", "closed"]
    lines: tuple[ReturnLine, ...] = ()
    reason: Text = ""


class ReturnExpected(ReturnStatement, key="fulfilment.return_expected.v1"):
    """Announced, or opened by fulfilment for a parcel that comes back by itself."""


class ReturnReceived(ReturnStatement, key="fulfilment.return_received.v1"):
    """Something arrived; it is not sellable before inspection (R-39)."""


class ReturnInspected(ReturnStatement, key="fulfilment.return_inspected.v1"):
    """Something was graded: back to stock, quarantine or scrap."""


class ReturnClosed(ReturnStatement, key="fulfilment.return_closed.v1"):
    """Nothing more is expected of this return."""


class ReceiveReturn(Command, key="fulfilment.receive_return.v1"):
    """Pieces of a return arrived (how many more, per line)."""

    shipment_id: UUID
    return_id: UUID
    lines: Annotated[tuple["ReturnedLine", ...], Field(min_length=1, max_length=MAX_LINES)]
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.return_id)


class ReturnedLine(Value):
    line_no: int
    quantity: Positive


class InspectReturn(Command, key="fulfilment.inspect_return.v1"):
    """Received pieces were graded (how many more, per line). `accepted` of them are to be refunded."""

    shipment_id: UUID
    return_id: UUID
    lines: Annotated[tuple["InspectedLine", ...], Field(min_length=1, max_length=MAX_LINES)]
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.return_id)


class InspectedLine(Value):
    line_no: int
    accepted: Count
    restock: Count = 0
    quarantine: Count = 0
    scrap: Count = 0


class CloseReturn(Command, key="fulfilment.close_return.v1"):
    """No more will come. For a lost parcel: closed as claimed from the carrier, all of it accepted."""

    shipment_id: UUID
    return_id: UUID
    claimed: bool = False
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.return_id)


class ReturnDue(Internal, key="fulfilment.return_due.v1"):
    """Timer: the customer had until now to send it back."""

    shipment_id: UUID
    return_id: UUID

    @property
    def subject(self) -> str:
        return str(self.return_id)
