"""What an order wants, what inventory promises it, and how it goes through the queue of those that wait."""

from datetime import date, datetime
from uuid import UUID

from shared.contracts.message import Command, Internal, Statement, Value
from shared.contracts.values import Code, Count, LineKind, Sku, Text


class Want(Value):
    """How much of one order line the order wants in all, shipped pieces included. Zero: nothing any more.

    `kind`: postage and services may have SKUs that inventory has never heard of; they are promised all the same.
    """

    line_no: int
    sku: Sku
    quantity: Count
    kind: LineKind = "goods"


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
