"""SKUs and warehouses, what lies where, what came, was adjusted or counted, and how much there is to be had."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Command, Event, Internal, Value
from shared.contracts.values import MAX_LINES, Code, Count, ETag, Money, Sku, Text


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
