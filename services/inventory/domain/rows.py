"""What inventory remembers. Quantities are pieces; times are UTC."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from shared.contracts.order import Component
from shared.messaging.decision import Context, Needs, Row

REALM = "all"
"""The one group of warehouses: there are few, and routing looks at all of them."""


class Impossible(Exception):
    """A statement that cannot be true. It is parked with this reason and never applied."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator may decide."""

    serve_at_once: int = 64
    """Queue entries that one decision serves; the rest follows in the next one, so that no transaction grows long."""
    promise_grace_days: int = 1
    """A promised day is broken when so many days have passed since its beginning."""
    demand_weeks: int = 12
    """Demand of so many weeks is what a proposal of a reorder point goes by."""
    cover_days: int = 14
    """Demand of so many days is proposed between reorder point and order-up-to level."""
    safety: Decimal = Decimal("1.65")
    """z of the safety stock (R-29): 1.65 covers the demand until goods come in 95 of 100 times."""
    announce_after: timedelta | None = None
    """How long after a change of a SKU's stock channels are told how it stands then; None: never."""


@dataclass(frozen=True, slots=True)
class Item(Row):
    """A SKU. Not stocked: postage or a service, which can always be promised."""

    KEY: ClassVar[tuple[str, ...]] = ("sku",)
    GROUP: ClassVar[str] = "sku"
    sku: str
    name: str
    stocked: bool
    backorderable: bool
    lead_days: int
    barcode: str = ""


@dataclass(frozen=True, slots=True)
class Kit(Row):
    """A SKU that consists of others and has no stock of its own, as the catalogue told last. Without components: none.

    `announced`: how often channels were told how many could be had.
    """

    KEY: ClassVar[tuple[str, ...]] = ("sku",)
    GROUP: ClassVar[str] = "sku"
    sku: str
    components: tuple[Component, ...]
    version: int
    announced: int = 0


@dataclass(frozen=True, slots=True)
class KitPart(Row):
    """The way from a SKU to a kit that it is in; 0 pieces: no longer."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "kit")
    GROUP: ClassVar[str] = "sku"
    sku: str
    kit: str
    pieces: int


@dataclass(frozen=True, slots=True)
class Place(Row):
    """The bin in which a SKU lies in a warehouse; it is where people go, not part of any promise (R-22)."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "warehouse")
    GROUP: ClassVar[str] = "sku"
    sku: str
    warehouse: str
    bin: str


@dataclass(frozen=True, slots=True)
class Warehouse(Row):
    """A place that ships. `rank`: lower is preferred when nothing else decides."""

    KEY: ClassVar[tuple[str, ...]] = ("code",)
    GROUP: ClassVar[str] = "realm"
    code: str
    name: str
    country: str
    rank: int
    realm: str = REALM


@dataclass(frozen=True, slots=True)
class Queue(Row):
    """Who waits for a SKU, in sum. There is one row per stocked SKU, and its lock is the lock of the SKU.

    `waiting`: pieces in the queue; `pages`: its parts that are not empty, first in line first; `sums`: the pieces in
    each of them; `announced`: how often channels were told of the SKU's stock.
    """

    KEY: ClassVar[tuple[str, ...]] = ("sku",)
    GROUP: ClassVar[str] = "sku"
    sku: str
    waiting: int = 0
    pages: tuple[str, ...] = ()
    sums: tuple[tuple[str, int], ...] = ()
    announced: int = 0


@dataclass(frozen=True, slots=True)
class Level(Row):
    """Stock of one SKU in one warehouse: 0 <= reserved <= on_hand (I3). Quarantined stock is not part of on_hand."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "warehouse")
    GROUP: ClassVar[str] = "sku"
    sku: str
    warehouse: str
    on_hand: int = 0
    reserved: int = 0
    quarantined: int = 0
    to_count: bool = False  # the shelf did not hold what the books said: somebody should count
    due: bool = False  # a timer is armed that tells channels of the SKU; one of its levels says so

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True)
class Expected(Row):
    """When the next stock should come. `purchase_id`, `transfer_id`: whose line it is; None: of none here."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "reference", "warehouse")
    GROUP: ClassVar[str] = "sku"
    sku: str
    reference: str
    warehouse: str
    quantity: int
    received: int
    expected_on: date
    purchase_id: UUID | None = None
    transfer_id: UUID | None = None

    @property
    def incoming(self) -> int:
        return max(0, self.quantity - self.received)


@dataclass(frozen=True, slots=True)
class Supplier(Row):
    """Whom goods are bought from. `lead_days`: from sending a purchase order until they come."""

    KEY: ClassVar[tuple[str, ...]] = ("code",)
    GROUP: ClassVar[str] = "code"
    code: str
    name: str
    email: str
    lead_days: int
    currency: str


@dataclass(frozen=True, slots=True)
class PurchaseOrder(Row):
    """Goods that are bought. `version` counts its acts; `currency` is that of its costs.

    `state`: draft, sent, partly_received, received, closed_short or cancelled.
    """

    KEY: ClassVar[tuple[str, ...]] = ("purchase_id",)
    GROUP: ClassVar[str] = "purchase_id"
    FIXED: ClassVar[tuple[str, ...]] = ("number", "created_at")
    purchase_id: UUID
    number: str
    supplier: str
    warehouse: str
    currency: str
    note: str
    state: str
    version: int
    created_at: datetime
    sent_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Goods of it are on their way."""
        return self.state in ("sent", "partly_received")


@dataclass(frozen=True, slots=True)
class PurchaseLine(Row):
    """One SKU of a purchase order. Of 0 pieces: taken out or called off, or it came without being ordered."""

    KEY: ClassVar[tuple[str, ...]] = ("purchase_id", "line_no")
    GROUP: ClassVar[str] = "purchase_id"
    FIXED: ClassVar[tuple[str, ...]] = ("sku",)
    purchase_id: UUID
    line_no: int
    sku: str
    quantity: int
    unit_cost: Decimal
    expected_on: date
    received: int = 0

    @property
    def left(self) -> int:
        return max(0, self.quantity - self.received)


@dataclass(frozen=True, slots=True)
class PurchaseAct(Row):
    """What happened to a purchase order: who, when, what. Only ever inserted; its version is the order's after it."""

    KEY: ClassVar[tuple[str, ...]] = ("cause", "purchase_id")
    cause: UUID
    purchase_id: UUID
    version: int
    at: datetime
    actor: str
    what: str  # created, edited, sent, changed, received, closed, cancelled
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transfer(Row):
    """Goods that go from one warehouse to another. `version` counts its acts; `expected_on`: when they should arrive.

    `state`: draft, sent, partly_received, received, closed_short or cancelled.
    """

    KEY: ClassVar[tuple[str, ...]] = ("transfer_id",)
    GROUP: ClassVar[str] = "transfer_id"
    FIXED: ClassVar[tuple[str, ...]] = ("number", "created_at")
    transfer_id: UUID
    number: str
    source: str
    destination: str
    expected_on: date
    note: str
    state: str
    version: int
    created_at: datetime
    sent_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Goods of it are on their way."""
        return self.state in ("sent", "partly_received")


@dataclass(frozen=True, slots=True)
class TransferLine(Row):
    """One SKU of a transfer: sent = received + lost + what is in transit (R-21). Of 0 pieces: taken out."""

    KEY: ClassVar[tuple[str, ...]] = ("transfer_id", "line_no")
    GROUP: ClassVar[str] = "transfer_id"
    FIXED: ClassVar[tuple[str, ...]] = ("sku",)
    transfer_id: UUID
    line_no: int
    sku: str
    quantity: int
    sent: int = 0
    received: int = 0
    lost: int = 0

    @property
    def left(self) -> int:
        """In transit."""
        return self.sent - self.received - self.lost


@dataclass(frozen=True, slots=True)
class TransferAct(Row):
    """What happened to a transfer, as a PurchaseAct tells it of a purchase order."""

    KEY: ClassVar[tuple[str, ...]] = ("cause", "transfer_id")
    cause: UUID
    transfer_id: UUID
    version: int
    at: datetime
    actor: str
    what: str  # created, edited, sent, received, closed, cancelled
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReorderRule(Row):
    """When a SKU is bought again for a warehouse, and of whom: at `point` or below, up to `up_to` (R-29); 0: never.

    `version` counts its changes and the drafts that were made by it, so that two people never order the same twice.
    """

    KEY: ClassVar[tuple[str, ...]] = ("sku", "warehouse")
    GROUP: ClassVar[str] = "sku"
    sku: str
    warehouse: str
    point: int
    up_to: int
    supplier: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Series(Row):
    """The last number of a series of documents. A new year starts again at 1. Everybody wants it: locked last."""

    KEY: ClassVar[tuple[str, ...]] = ("series",)
    GROUP: ClassVar[str] = "series"
    series: str
    year: int
    last: int


@dataclass(frozen=True, slots=True)
class StockOrder(Row):
    """What is known of one order. `version`: of our newest statement; `answers`: the newest ask we know.

    `routing`: how the newest warehouses were found: (warehouse, "chosen" or "refused", why) (R-32).
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("placed_at",)
    order_id: UUID
    version: int
    answers: int
    placed_at: datetime
    priority: int
    country: str
    routing: tuple[tuple[str, str, str], ...] = ()
    promise_due: date | None = None  # the day for which the promise timer is set


@dataclass(frozen=True, slots=True)
class Demand(Row):
    """One order line: how much is wanted in all, and what of it cannot be promised now.

    `promised_on`: None while the supply that it waits for is overdue; `by_receipt`: a purchase order gave it, not the
    lead time.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "line_no")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("sku",)
    order_id: UUID
    line_no: int
    sku: str
    wanted: int
    backordered: int = 0
    promised_on: date | None = None
    rejected: int = 0
    reason: str = ""
    by_receipt: bool = False


@dataclass(frozen=True, slots=True)
class Reservation(Row):
    """What one warehouse holds, has issued and has lost for one order line.

    `kept`: so much of it is in shipments, as the order said; `most`: the warehouse refused to ship more than this.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "line_no", "warehouse")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("sku", "stocked")
    order_id: UUID
    line_no: int
    warehouse: str
    sku: str
    stocked: bool = True
    reserved: int = 0
    issued: int = 0
    lost: int = 0
    kept: int = 0
    most: int | None = None

    @property
    def promised(self) -> int:
        return self.reserved + self.issued + self.lost


@dataclass(frozen=True, slots=True)
class Queued(Row):
    """One order line that waits for a SKU. Quantity 0: it waits no longer, and is not loaded again."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "order_id", "line_no")
    GROUP: ClassVar[str] = "page"
    UPSERT: ClassVar[bool] = True  # a row that waits no longer is in the table, though it was not loaded
    sku: str
    order_id: UUID
    line_no: int
    page: str
    place: str  # sorts by age within the page
    quantity: int


@dataclass(frozen=True, slots=True)
class Seen(Row):
    """How much of one shipment or return has been booked: (line, shipped, short) or (line, restocked, quarantined)."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "thing_id")
    GROUP: ClassVar[str] = "order_id"
    order_id: UUID
    thing_id: UUID
    version: int
    counts: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Movement(Row):
    """A change of stock, immutable (R-27). on_hand of a level is the sum of its movements' on_hand (I1).

    `in_transit`: so many more are between warehouses; of a transfer's line it sums to what is on its way (I30).
    """

    KEY: ClassVar[tuple[str, ...]] = ("cause", "sku", "warehouse", "line_no", "kind")
    cause: UUID
    sku: str
    warehouse: str
    line_no: int
    kind: str  # receipt, adjustment, count, issue, loss, found, restock, quarantine, transfer, transfer_loss
    on_hand: int
    quarantined: int
    reason: str
    reference: str
    actor: str
    at: datetime
    unit_cost: Decimal | None = None
    order_id: UUID | None = None
    in_transit: int = 0


@dataclass(frozen=True, slots=True)
class Valuation(Row):
    """What one movement, or one change of a cost, is worth (R-28). Written by the valuer, never changed.

    `seq` counts those of a SKU; `at` and `day`: when it counts; `unit_cost`: per piece of what came, None where nobody
    knows it; `difference`: what it makes of cost of sales beside, or of what was sold already.
    """

    KEY: ClassVar[tuple[str, ...]] = ("cause", "sku", "warehouse", "line_no", "kind")
    GROUP: ClassVar[str] = "cause"
    cause: UUID
    sku: str
    warehouse: str
    line_no: int
    kind: str  # of its movement, or cost_change
    seq: int
    at: datetime
    day: date
    pieces: int
    value: Decimal
    unit_cost: Decimal | None
    difference: Decimal
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CostChange(Row):
    """What an arrival cost per piece in the currency of the house, as a person said later. Only ever inserted.

    `arrival`, `warehouse`, `line_no`, `kind`: with the SKU the key of the movement that brought the pieces.
    """

    KEY: ClassVar[tuple[str, ...]] = ("cause",)
    cause: UUID
    sku: str
    arrival: UUID
    warehouse: str
    line_no: int
    kind: str
    unit_cost: Decimal
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Placement(Row):
    """What a person changed of a SKU's bin in a warehouse and of its barcode. Only ever inserted."""

    KEY: ClassVar[tuple[str, ...]] = ("cause",)
    cause: UUID
    sku: str
    warehouse: str
    bin_before: str
    bin: str
    barcode_before: str
    barcode: str
    actor: str
    at: datetime


def page_of(sku: str, priority: int, placed_at: datetime) -> str:
    """The part of a SKU's queue for one priority and day. Pages of a SKU sort in the order of serving (R-26)."""
    return f"{sku}/{_turn(priority, placed_at.date())}"


@lru_cache(maxsize=256)  # few days and priorities, and every line of an order asks
def _turn(priority: int, day: date) -> str:
    return f"{1_000_000_000 - priority:010d}/{day:%Y%m%d}"


def place_of(placed_at: datetime, order_id: UUID, line_no: int) -> str:
    return f"{placed_at:%Y%m%d%H%M%S%f}/{order_id}/{line_no:05d}"


Ctx = Context[Policy]


def of_sku(sku: str) -> Needs:
    """What must be known to promise a SKU. The queue's row comes first: its lock is the lock of the SKU."""
    return (Queue, sku), (Item, sku), (Level, sku), (Expected, sku)


def of_order(order_id: UUID) -> Needs:
    return (StockOrder, order_id), (Demand, order_id), (Reservation, order_id)


def movement(
    ctx: Ctx,
    kind: str,
    sku: str,
    warehouse: str,
    *,
    line_no: int = 0,
    on_hand: int = 0,
    quarantined: int = 0,
    reason: str = "",
    reference: str = "",
    actor: str = "",
    unit_cost: Decimal | None = None,
    order_id: UUID | None = None,
    in_transit: int = 0,
) -> Movement:
    return Movement(
        ctx.cause,
        sku,
        warehouse,
        line_no,
        kind,
        on_hand,
        quarantined,
        reason,
        reference,
        actor or ctx.actor,
        ctx.now,
        unit_cost,
        order_id,
        in_transit,
    )
