"""What order obeys and tells: placing, cancelling, holding, editing, returning; and where the order is."""

import operator
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.contracts.message import Command, Event, Internal, Statement, Value
from shared.contracts.values import (
    MAX_LINES,
    Address,
    Code,
    Count,
    ETag,
    LineKind,
    LineQuantity,
    Money,
    PaymentMethod,
    Positive,
    Sku,
    Text,
    Way,
)

OrderStatus = Literal[
    "awaiting_stock",
    "backordered",
    "awaiting_payment",
    "in_fulfilment",
    "held",
    "cancelling",
    "cancelled",
    "shipped",
    "delivered",
    "completed",
]
FINAL: frozenset[str] = frozenset({"cancelled", "completed"})


class NewLine(Value):
    """One line as the channel sends it. What is None is taken from the catalogue and frozen (R-09)."""

    sku: Sku
    quantity: Positive
    unit_price: Money | None = None
    discount: Money = Decimal(0)
    text: Text | None = None
    kind: LineKind | None = None
    vat_category: str | None = None
    vat_rate: Money | None = None


class PlaceOrder(Command, key="order.place_order.v1"):
    """A new order. Its id is chosen by the sender, so that sending it again cannot make a second one.

    `external_id` is unique per channel (I11): another order id with a known one is refused.
    `discount` is an order-level discount, allocated to the lines once and frozen (R-07).
    `expected_gross`: what whoever places it was shown; refused with 409 when the order comes to another sum by now.
    """

    order_id: UUID
    channel: Code = "web"
    external_id: str = ""
    customer_id: str = ""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"
    prices_include_vat: bool = False
    payment_method: PaymentMethod = "card"
    payment_token: str = ""
    ship_to: Address = Address()
    bill_to: Address | None = None
    lines: Annotated[tuple[NewLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    discount: Money = Decimal(0)
    ship_complete: bool = False
    priority: int = 0
    service_level: Code = "standard"
    placed_at: datetime | None = None  # imports only; now, when it is missing
    hold: Text = ""  # placed and held for this reason, for example a check by staff
    actor: str = ""
    expected_gross: Money | None = None


Version = Annotated[int | None, Field(exclude_if=partial(operator.is_, None))]
"""Of an act on an order: the version that its author looked at; None: no condition, and left out."""


class CancelOrder(Command, key="order.cancel_order.v1"):
    """Cancels what is not out. No lines: everything; else so many more pieces of these lines.

    `quote`: from the preview that was looked at; refused when the order changed since. `version`: If-Match.
    """

    order_id: UUID
    lines: tuple[LineQuantity, ...] = ()
    reason: Text = ""
    actor: str = ""
    quote: Annotated[str, Field(max_length=64)] = ""
    version: Version = None


class HoldOrder(Command, key="order.hold_order.v1"):
    """Stops the order before its next step and pulls back what is not out. Several holds may stand at once."""

    order_id: UUID
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    actor: str = ""
    quote: Annotated[str, Field(max_length=64)] = ""  # as of CancelOrder
    version: Version = None


class ReleaseHold(Command, key="order.release_hold.v1"):
    """Takes one hold away."""

    order_id: UUID
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    note: Text = ""
    actor: str = ""
    quote: Annotated[str, Field(max_length=64)] = ""  # as of CancelOrder
    version: Version = None


class EditOrder(Command, key="order.edit_order.v1"):
    """More or less of a line, new lines, another address, delivery or priority, all at once or not at all.

    `less`: so many pieces are cancelled, of what is not out. `version`: If-Match.
    """

    order_id: UUID
    version: int | None = None
    more: tuple[LineQuantity, ...] = ()
    add: tuple[NewLine, ...] = ()
    ship_to: Address | None = None
    priority: int | None = None
    reason: Text = ""
    actor: str = ""
    quote: Annotated[str, Field(max_length=64)] = ""  # as of CancelOrder
    less: tuple[LineQuantity, ...] = ()
    service_level: Code | None = None
    ship_complete: bool | None = None


class ReturnGoods(Command, key="order.return_goods.v1"):
    """The customer sends back pieces of one shipment. The return id is chosen by the sender.

    `withdrawal`: the customer's own word, which holds only within the period of withdrawal (R-40).
    """

    order_id: UUID
    return_id: UUID
    shipment_id: UUID
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=MAX_LINES)]
    reason: Text = ""
    actor: str = ""
    quote: Annotated[str, Field(max_length=64)] = ""  # as of CancelOrder
    withdrawal: bool = False
    version: Version = None


class AcceptDate(Command, key="order.accept_date.v1"):
    """The customer accepts the newest promised date of the backordered part."""

    order_id: UUID
    actor: str = ""
    version: Version = None


class LineProgress(Value):
    """Where the pieces of one line are. ordered = cancelled + waiting + backordered + reserved + released + shipped."""

    line_no: int
    sku: Sku
    ordered: Count
    cancelled: Count = 0
    waiting: Count = 0
    backordered: Count = 0
    reserved: Count = 0
    released: Count = 0
    shipped: Count = 0
    returned: Count = 0
    promised_on: date | None = None


class OrderStatement(Statement):
    """The whole order as others may see it."""

    number: str
    status: OrderStatus
    customer_id: str = ""
    channel: str = ""
    lines: tuple[LineProgress, ...] = ()
    reason: Text = ""


class OrderPlaced(OrderStatement, key="order.order_placed.v1"):
    """Stored, and its saga has begun."""


class OrderHeld(OrderStatement, key="order.order_held.v1"):
    """A hold was set; `reason` says which."""


class OrderReleased(OrderStatement, key="order.order_released.v1"):
    """The last hold is gone."""


class OrderConfirmed(OrderStatement, key="order.order_confirmed.v1"):
    """Money is secured and stock has answered: from here outsiders may be told (M-05)."""


class CancellationRefused(OrderStatement, key="order.cancellation_refused.v1"):
    """Part of what should be cancelled was out already; a return is the way back."""


class OrderExpired(OrderStatement, key="order.order_expired.v1"):
    """Not paid in time: what is not out is being cancelled."""


class OrderCancelled(OrderStatement, key="order.order_cancelled.v1"):
    """Everything is cancelled and all is quiet. Final."""


class OrderCompleted(OrderStatement, key="order.order_completed.v1"):
    """Everything is delivered and settled. Final."""


class WithdrawalReceived(Event, key="order.withdrawal_received.v1"):
    """The customer's own word that these pieces come back, given in time (R-40). Told once per return."""

    order_id: UUID
    return_id: UUID
    lines: tuple[LineQuantity, ...]  # as the customer said it
    reason: Text = ""


# Timers


class PayByDue(Internal, key="order.pay_by_due.v1"):
    """The customer had until now to pay."""

    order_id: UUID


class ConsentDue(Internal, key="order.consent_due.v1"):
    """The customer had until now to accept a later date."""

    order_id: UUID


class RefusalDue(Internal, key="order.refusal_due.v1"):
    """Warehouses that refused to ship this order may be open again by now: they are asked again."""

    order_id: UUID


class AnswerDue(Internal, key="order.answer_due.v1"):
    """A participant should have answered by now: alarm, and the same asks again."""

    order_id: UUID


# Catalogue and customers, over HTTP and imports


MOST_COMPONENTS = 50
"""Components of one kit; the bound keeps an order of kits within `MAX_LINES`."""


class Component(Value):
    """So many pieces of this SKU in one kit."""

    sku: Sku
    pieces: Annotated[int, Field(gt=0, le=1000)]


class Product(Value):
    """What is sold. With components it is a kit: an order of it becomes lines of these."""

    sku: Sku
    name: Text = ""
    category: str = ""
    brand: str = ""
    kind: LineKind = "goods"
    price: Money = Decimal(0)
    vat_category: str = "S"
    vat_rate: Money = Decimal(0)
    components: Annotated[tuple[Component, ...], Field(max_length=MOST_COMPONENTS, exclude_if=operator.not_)] = ()


class KitChanged(Event, key="order.kit_changed.v1"):
    """What a product consists of from now on; of nothing: it is no kit any more. A higher version is newer."""

    sku: Sku
    version: int
    components: tuple[Component, ...] = ()

    @property
    def subject(self) -> str:
        return self.sku


class RegisterProducts(Command, key="order.register_products.v1"):
    """Creates or changes products. Orders keep what they were placed with. `if_match`: see shared/etag.py.

    `expected`: the same per product, or empty for no condition on any; all are taken or none. `way`: for the history.
    """

    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=MAX_LINES)]
    if_match: ETag = ""
    expected: Annotated[tuple[ETag, ...], Field(max_length=MAX_LINES, exclude_if=operator.not_)] = ()
    way: Way = "message"

    @model_validator(mode="after")
    def one_each(self) -> Self:
        if self.expected and len(self.expected) != len(self.products):
            raise ValueError("expected says something of each product, or of none")
        return self

    @property
    def subject(self) -> str:
        return self.products[0].sku


class Customer(Value):
    customer_id: Code
    name: Text = ""
    email: str = ""
    addresses: tuple[Address, ...] = ()


class RegisterCustomers(Command, key="order.register_customers.v1"):
    """Creates or changes customers."""

    customers: Annotated[tuple[Customer, ...], Field(min_length=1, max_length=MAX_LINES)]
    if_match: ETag = ""

    @property
    def subject(self) -> str:
        return self.customers[0].customer_id


class Channel(Value):
    code: Code
    name: Text = ""


class RegisterChannel(Command, key="order.register_channel.v1"):
    """Creates or changes a sales channel."""

    channel: Channel
    if_match: ETag = ""

    @property
    def subject(self) -> str:
        return self.channel.code
