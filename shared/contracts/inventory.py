"""What inventory obeys and tells: stock per SKU and warehouse, promises to orders, receipts, counts."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Command, Event, Internal, Statement, Value
from shared.contracts.values import MAX_LINES, Code, Count, ETag, Money, Positive, Sku, Text

MAX_PURCHASE_LINES = 200
"""Lines of one purchase order: each is a SKU that is locked when it is sent or moved."""
MAX_TRANSFER_LINES = MAX_PURCHASE_LINES


class Want(Value):
    """How much of one order line the order wants in all, shipped pieces included. Zero: nothing any more."""

    line_no: int
    sku: Sku
    quantity: Count


class Limit(Value):
    """At most this much of the line may be promised at that warehouse: it refused to ship the rest."""

    line_no: int
    warehouse: Code
    most: Count


class Kept(Value):
    """So much of the line at that warehouse is in a shipment already: the promise may not fall below it."""

    line_no: int
    warehouse: Code
    used: Count


class ReserveStock(Command, key="inventory.reserve_stock.v1"):
    """The whole wish of one order. Safe twice and late: an ask with a version not above the known one is ignored."""

    order_id: UUID
    version: int
    placed_at: datetime
    priority: int = 0  # higher goes first
    country: str = ""  # where the goods go, for routing
    wanted: tuple[Want, ...]
    limits: tuple[Limit, ...] = ()
    kept: tuple[Kept, ...] = ()


class Promise(Value):
    """What inventory holds, has issued, or has lost for one order line at one warehouse."""

    line_no: int
    warehouse: Code
    reserved: Count = 0
    issued: Count = 0
    lost: Count = 0

    @property
    def promised(self) -> int:
        """Gross: a dispatch never changes it."""
        return self.reserved + self.issued + self.lost


class LineStock(Value):
    """What of one line is not promised, and why. `promised_on`: the day from which it should be there."""

    line_no: int
    backordered: Count = 0
    promised_on: date | None = None
    rejected: Count = 0
    reason: Text = ""


class StockStatement(Statement):
    """All that inventory holds for one order. `answers`: the version of the newest ReserveStock it knows."""

    answers: int
    promises: tuple[Promise, ...] = ()
    lines: tuple[LineStock, ...] = ()  # only lines with something backordered or rejected


class StockReserved(StockStatement, key="inventory.stock_reserved.v1"):
    """Everything wanted is promised."""


class StockBackordered(StockStatement, key="inventory.stock_backordered.v1"):
    """Something waits for stock; the statement says what and from which day it is promised."""


class StockRejected(StockStatement, key="inventory.stock_rejected.v1"):
    """Something cannot be had: the SKU is unknown, or sold out and not backorderable."""


class StockReleased(StockStatement, key="inventory.stock_released.v1"):
    """Nothing is held for the order any more."""


class StockIssued(StockStatement, key="inventory.stock_issued.v1"):
    """Goods left the shelf with a shipment."""


class RegisterItems(Command, key="inventory.register_items.v1"):
    """Creates or changes SKUs. An item that is not stocked (postage, services) can always be promised."""

    items: Annotated[tuple["Item", ...], Field(min_length=1, max_length=MAX_LINES)]
    if_match: ETag = ""

    @property
    def subject(self) -> str:
        return self.items[0].sku


class Item(Value):
    """What inventory must know of a SKU."""

    sku: Sku
    name: Text = ""
    stocked: bool = True
    backorderable: bool = True
    lead_days: Count = 14  # used for the promise when no receipt is expected
    barcode: Annotated[str, Field(max_length=64)] | None = None  # GTIN or another; nothing said: as it was


class PlaceItems(Command, key="inventory.place_items.v1"):
    """In which bin of a warehouse a SKU lies, so that people find it; empty: not known. No promise depends on it."""

    places: Annotated[tuple["Place", ...], Field(min_length=1, max_length=MAX_LINES)]

    @property
    def subject(self) -> str:
        return self.places[0].sku


class Place(Value):
    """The bin of one SKU in one warehouse."""

    sku: Sku
    warehouse: Code
    bin: Annotated[str, Field(max_length=64)] = ""


class PlaceItem(Command, key="inventory.place_item.v1"):
    """A person says in which bin of a warehouse a SKU lies and which barcode is on it; empty: none is known.

    `others`: SKUs that the barcode may stand for already; refused if it does.
    """

    sku: Sku
    warehouse: Code
    bin: Annotated[str, Field(max_length=64)] = ""
    barcode: Annotated[str, Field(max_length=64)] = ""
    others: Annotated[tuple[Sku, ...], Field(max_length=MAX_LINES)] = ()
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.sku


class RegisterWarehouse(Command, key="inventory.register_warehouse.v1"):
    """Creates or changes a warehouse. `rank`: lower is preferred when nothing else decides."""

    code: Code
    name: Text = ""
    country: str = ""
    rank: int = 100
    if_match: ETag = ""

    @property
    def subject(self) -> str:
        return self.code


class StockLine(Value):
    """A quantity of one SKU. `bin` names the shelf, for pick lists."""

    sku: Sku
    quantity: int
    unit_cost: Money | None = None


class ReceiveStock(Command, key="inventory.receive_stock.v1"):
    """Goods came in. They serve the backorder queue of their SKUs first (R-26). `reference`: the delivery.

    `quote`: of the preview that was looked at; refused when it would do something else now. Then more than was ordered
    is refused too, unless `over` says that it is meant. `purchase_id`: the purchase order that `reference` names; more
    than it still expects, or another SKU, is refused unless `over`, with a quote or without. `unit_cost`: None is the
    cost of the purchase order. `transfer_id`: the transfer that `reference` names; more than was sent never comes of
    it.
    """

    warehouse: Code
    reference: Code
    lines: Annotated[tuple[StockLine, ...], Field(min_length=1, max_length=MAX_LINES)]  # quantities > 0
    actor: str = ""
    quote: ETag = ""
    over: bool = False
    purchase_id: UUID | None = None
    transfer_id: UUID | None = None

    @property
    def subject(self) -> str:
        return self.reference


class AdjustStock(Command, key="inventory.adjust_stock.v1"):
    """Corrects stock on hand by a difference, with a reason and a person (R-27). `quote`: as in ReceiveStock."""

    warehouse: Code
    reference: Code
    reason: Code
    lines: Annotated[tuple[StockLine, ...], Field(min_length=1, max_length=MAX_LINES)]  # quantities of either sign
    quarantined: bool = False  # the difference is of quarantined stock, not of sellable stock
    actor: str = ""
    quote: ETag = ""

    @property
    def subject(self) -> str:
        return self.reference


class CountStock(Command, key="inventory.count_stock.v1"):
    """What was really on the shelf, and why somebody counted (R-27).

    A shortfall takes back the youngest promises that are not in a shipment (R-31).
    """

    warehouse: Code
    reference: Code
    sku: Sku
    counted: Count
    reason: Code = "count"
    orders: Annotated[tuple[UUID, ...], Field(max_length=MAX_LINES)] = ()
    """Orders that may lose a promise if too little was found. Without them inventory looks up the youngest holders."""
    actor: str = ""
    quote: ETag = ""  # as in ReceiveStock; then `orders` are those that the preview looked at

    @property
    def subject(self) -> str:
        return self.reference


class FindHolders(Internal, key="inventory.find_holders.v1"):
    """A look-up that is wanted: a count found too little, so whose promises of this stock are the youngest?"""

    warehouse: Code
    reference: Code
    sku: Sku
    counted: Count
    reason: Code = "count"
    actor: str = ""
    attempt: int = 1

    @property
    def subject(self) -> str:
        return self.reference


class HoldersFound(Internal, key="inventory.holders_found.v1"):
    """The count once more, with the orders that may lose a promise; their rows can be locked now."""

    warehouse: Code
    reference: Code
    sku: Sku
    counted: Count
    reason: Code = "count"
    orders: tuple[UUID, ...] = ()
    actor: str = ""
    attempt: int = 1

    @property
    def subject(self) -> str:
        return self.reference


class ExpectReceipt(Command, key="inventory.expect_receipt.v1"):
    """So much of a SKU should come on that day. Sent again with 0 it is called off.

    Of deliveries that have no purchase order here: what a purchase order expects is its own, and refused.
    """

    warehouse: Code
    reference: Code
    sku: Sku
    quantity: Count
    expected_on: date

    @property
    def subject(self) -> str:
        return self.reference


class RegisterSupplier(Command, key="inventory.register_supplier.v1"):
    """Creates or changes a supplier. `currency`: of its costs; purchase orders that are there keep theirs."""

    code: Code
    name: Text = ""
    email: Text = ""
    lead_days: Count = 14  # from sending a purchase order until the goods come
    currency: str = "EUR"
    if_match: ETag = ""

    @property
    def subject(self) -> str:
        return self.code


class BoughtLine(Value):
    """So many pieces of a SKU that should come on that day, each at that cost in the currency of the order."""

    sku: Sku
    quantity: Positive
    unit_cost: Money = Decimal(0)
    expected_on: date


class PurchaseMessage(Command):
    """About one purchase order, which is known by its id; people know it by its number."""

    purchase_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.purchase_id)


class CreatePurchaseOrder(PurchaseMessage, key="inventory.create_purchase_order.v1"):
    """A draft, which expects nothing yet. It gets the next number of its series; a SKU stands on one line."""

    supplier: Code
    warehouse: Code
    note: Text = ""
    lines: Annotated[tuple[BoughtLine, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


class EditPurchaseOrder(PurchaseMessage, key="inventory.edit_purchase_order.v1"):
    """Writes a draft anew. `if_match`: of what its author looked at; refused when somebody was faster."""

    supplier: Code
    warehouse: Code
    note: Text = ""
    lines: Annotated[tuple[BoughtLine, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]
    if_match: ETag = ""


class ReorderRule(Value):
    """When a SKU is bought again for a warehouse: at `point` or below, up to `up_to`. `up_to` 0: not by a rule."""

    sku: Sku
    warehouse: Code
    point: Count
    up_to: Count
    supplier: Code


class SetReorderRules(Command, key="inventory.set_reorder_rules.v1"):
    """People set when and from whom SKUs are bought again; of the same place the last one counts."""

    rules: Annotated[tuple[ReorderRule, ...], Field(min_length=1, max_length=MAX_LINES)]
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.rules[0].sku


class ProposedLine(BoughtLine):
    """A line that the reorder advice proposed. `version`: of the rule that was looked at."""

    version: int


class ProposedOrder(Value):
    """A draft for one supplier and warehouse."""

    purchase_id: UUID
    supplier: Code
    warehouse: Code
    lines: Annotated[tuple[ProposedLine, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


class DraftProposed(Command, key="inventory.draft_proposed.v1"):
    """Makes drafts of what the reorder advice proposed, all or none.

    Refused when somebody made a draft by one of the rules, or changed it, since they were looked at.
    """

    orders: Annotated[tuple[ProposedOrder, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.orders[0].purchase_id)


class PurchaseAct(PurchaseMessage):
    """A step of a purchase order that changes what is expected.

    `skus`: those of its lines, which are locked with it; refused when it has another one by now. `quote`: of the
    preview that was looked at; refused when it would do something else now.
    """

    skus: Annotated[tuple[Sku, ...], Field(max_length=MAX_LINES)]
    quote: ETag = ""


class SendPurchaseOrder(PurchaseAct, key="inventory.send_purchase_order.v1"):
    """The supplier has it: its lines are expected from now on, and promises go by them."""


class LineChange(Value):
    """What of a line is another from now on; None: as it was. A quantity of 0 calls it off."""

    sku: Sku
    quantity: Count | None = None
    expected_on: date | None = None


class ChangePurchaseOrder(PurchaseAct, key="inventory.change_purchase_order.v1"):
    """The supplier said another day or quantity. Whoever is promised another day by it is told."""

    changes: Annotated[tuple[LineChange, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


class ClosePurchaseOrder(PurchaseAct, key="inventory.close_purchase_order.v1"):
    """What has not come of it will not come: it is closed short."""

    reason: Text = ""


class CancelPurchaseOrder(PurchaseAct, key="inventory.cancel_purchase_order.v1"):
    """Nothing came of it, and nothing will."""

    reason: Text = ""


class MovedLine(Value):
    """So many pieces of a SKU that should go to another warehouse."""

    sku: Sku
    quantity: Positive


class TransferMessage(Command):
    """About one transfer between warehouses, which is known by its id; people know it by its number."""

    transfer_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.transfer_id)


class CreateTransfer(TransferMessage, key="inventory.create_transfer.v1"):
    """A draft, of which nothing moves yet. It gets the next number of its series; a SKU stands on one line."""

    source: Code
    destination: Code
    expected_on: date
    note: Text = ""
    lines: Annotated[tuple[MovedLine, ...], Field(min_length=1, max_length=MAX_TRANSFER_LINES)]


class EditTransfer(TransferMessage, key="inventory.edit_transfer.v1"):
    """Writes a draft anew. `if_match`: of what its author looked at; refused when somebody was faster."""

    source: Code
    destination: Code
    expected_on: date
    note: Text = ""
    lines: Annotated[tuple[MovedLine, ...], Field(min_length=1, max_length=MAX_TRANSFER_LINES)]
    if_match: ETag = ""


class TransferAct(TransferMessage):
    """A step of a transfer.

    `skus`: those of its lines, which are locked with it; refused when it has another one by now. `if_match`: of what
    was looked at; refused when it is another one now.
    """

    skus: Annotated[tuple[Sku, ...], Field(max_length=MAX_LINES)]
    if_match: ETag = ""


class SendTransfer(TransferAct, key="inventory.send_transfer.v1"):
    """Its pieces leave the source, as far as they are free, and are in transit until ReceiveStock says that they came.

    All or nothing: refused when one of its lines is not free.
    """


class CloseTransfer(TransferAct, key="inventory.close_transfer.v1"):
    """What is still in transit will not come: it is lost, for this reason."""

    reason: Code


class CancelTransfer(TransferAct, key="inventory.cancel_transfer.v1"):
    """A draft that will not be sent."""

    reason: Text = ""


class ServeQueue(Internal, key="inventory.serve_queue.v1"):
    """Stock of a SKU became free: give it to the orders that wait, the oldest first.

    `page`: the part of the queue that is looked at; `after`: its entries up to this place have been looked at.
    """

    sku: Sku
    page: str = ""
    after: str = ""

    @property
    def subject(self) -> str:
        return self.sku


class PromiseDue(Internal, key="inventory.promise_due.v1"):
    """The promised day of a backorder came. If it still waits, a new day is promised."""

    order_id: UUID
    skus: tuple[Sku, ...]


class PromiseAgain(Internal, key="inventory.promise_again.v1"):
    """What is expected of a SKU changed, or somebody went ahead in its queue: are the promised days still right?

    `page` and `after`: as in ServeQueue.
    """

    sku: Sku
    page: str = ""
    after: str = ""

    @property
    def subject(self) -> str:
        return self.sku


class AnnounceAvailability(Internal, key="inventory.announce_availability.v1"):
    """Timer: the stock of a SKU changed a while ago; channels are told how it stands now."""

    sku: Sku

    @property
    def subject(self) -> str:
        return self.sku


class Availability(Value):
    """Stock of a SKU in one warehouse. available = on_hand - reserved (R-21)."""

    warehouse: Code
    on_hand: Count
    reserved: Count
    available: Count


class AvailabilityChanged(Event, key="inventory.availability_changed.v1"):
    """How much of a SKU is there, in all and per warehouse, whatever changed it: orders, parcels, returns, counts.

    Sent a few seconds after the first change and once for all that changed until then. A higher version is newer.
    `backorderable`: with nothing available it can be ordered all the same.
    """

    sku: Sku
    version: int
    on_hand: Count
    reserved: Count
    available: Count
    backorderable: bool
    warehouses: tuple[Availability, ...] = ()

    @property
    def subject(self) -> str:
        return self.sku


class StockChanged(Event, key="inventory.stock_changed.v1"):
    """Stock on hand was received, adjusted or counted; channels may offer another quantity now."""

    sku: Sku
    warehouse: Code
    on_hand: int
    available: int
    quantity: int
    reason: Code

    @property
    def subject(self) -> str:
        return self.sku
