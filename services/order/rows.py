"""What the order service stores: one frozen value per row.

An order is one root that moves (`Progress`), what was bought (`Header`, `Line`: never changes apart from edits), and
one row per thing that another service looks after (`Stock`, `Money`, `Shipment`, `Return`): what was asked for it last,
and the newest statement about it. Everything else is derived (see quantities.py).
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import StockStatement
from shared.contracts.order import Component
from shared.contracts.values import Address, LineKind, PaymentMethod, PriceLine, Way
from shared.messaging.decision import Row

Pieces = tuple[tuple[int, int], ...]
"""(line number, quantity), sorted by line number."""

Limits = tuple[tuple[int, str, int], ...]
"""(line number, warehouse, at most so many pieces from there), sorted."""


@dataclass(frozen=True, slots=True)
class Progress(Row):
    """How far an order is: the root, locked first. Its `version` counts the entries of its history (I7)."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    status: str = ""
    version: int = 0
    cancelled: Pieces = ()  # given up for good
    cancel_wanted: Pieces = ()  # asked to be cancelled; never less than cancelled
    holds: tuple[str, ...] = ()  # the reasons, oldest first
    limits: Limits = ()  # warehouses that refused to ship, until refused_until
    confirmed: bool = False
    reason: str = ""  # why something was cancelled last
    accepted_on: date | None = None  # the latest promised date that the customer knows and accepts
    pay_by: datetime | None = None  # the four timers that are armed
    consent_by: datetime | None = None
    answer_by: datetime | None = None
    refused_until: datetime | None = None
    asked_at: datetime | None = None  # when something was asked for last


@dataclass(frozen=True, slots=True)
class Header(Row):
    """What holds for the order as a whole. Amounts are those of all lines as ordered, cancelled pieces included."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = (
        "number",
        "channel",
        "external_id",
        "customer_id",
        "currency",
        "prices_include_vat",
        "method",
        "token",
        "bill_to",
        "placed_at",
        "fingerprint",
    )

    order_id: UUID
    number: str
    channel: str
    external_id: str
    customer_id: str
    currency: str
    prices_include_vat: bool
    method: PaymentMethod
    token: str
    ship_to: Address
    bill_to: Address
    placed_at: datetime
    ship_complete: bool
    service_level: str
    priority: int
    net: Decimal
    vat: Decimal
    gross: Decimal
    fingerprint: str  # of the request, so that the same id with other content is noticed


@dataclass(frozen=True, slots=True)
class Kit:
    """What a line is a component of, as it was sold: lines with the same `no` are so many kits."""

    no: int  # number of the first of its lines
    sku: str
    text: str
    count: int
    price: Decimal  # of one kit, before discounts; its lines have frozen shares of it


@dataclass(frozen=True, slots=True)
class Line(Row):
    """One line as it was sold; price, text and VAT are copies (R-09), the discount is its frozen share (R-07)."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "line_no")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = (
        "sku",
        "text",
        "kind",
        "quantity",
        "unit_price",
        "discount",
        "vat_category",
        "vat_rate",
        "kit",
    )

    order_id: UUID
    line_no: int
    sku: str
    text: str
    kind: LineKind
    quantity: int
    unit_price: Decimal
    discount: Decimal
    vat_category: str
    vat_rate: Decimal
    kit: Kit | None = None

    @property
    def price(self) -> PriceLine:
        """The same line as other services hear of it."""
        return PriceLine(
            line_no=self.line_no,
            sku=self.sku,
            text=self.text,
            kind=self.kind,
            quantity=self.quantity,
            unit_price=self.unit_price,
            discount=self.discount,
            vat_category=self.vat_category,
            vat_rate=self.vat_rate,
        )


@dataclass(frozen=True, slots=True)
class Stock(Row):
    """The stock of an order: what inventory was asked for last, and what it said last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    asked: int = 0  # version of the last ask; 0: none yet
    wanted: Pieces = ()
    limits: Limits = ()
    heard: StockStatement | None = None
    priority: int = 0  # of the last ask

    @property
    def answered(self) -> bool:
        return self.heard is not None and self.heard.answers == self.asked


@dataclass(frozen=True, slots=True)
class Money(Row):
    """The money of an order: what billing was asked to secure last, and what it said last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    asked: int = 0  # version of the last ask; 0: none yet
    due: Decimal | None = None
    lines: int = 0  # how many price lines billing was given
    cancelled: Pieces = ()  # what was cancelled when it was asked, so that due need not be computed again
    heard: MoneyStatement | None = None

    @property
    def answered(self) -> bool:
        return self.heard is not None and self.heard.answers == self.asked

    @property
    def secured(self) -> Decimal:
        return Decimal(0) if self.heard is None else self.heard.secured


@dataclass(frozen=True, slots=True)
class Shipment(Row):
    """One shipment: what was planned, whether it was pulled back or billed, and what fulfilment said last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "seq")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("shipment_id", "warehouse", "planned")

    order_id: UUID
    seq: int  # 1, 2, ... in the order in which they were planned
    shipment_id: UUID
    warehouse: str
    planned: Pieces
    cancel_asked: bool = False
    billed: bool = False
    heard: ShipmentStatement | None = None

    @property
    def open(self) -> bool:
        """Asked for, and neither out nor given up."""
        return self.heard is None or self.heard.open

    @property
    def out(self) -> bool:
        """Handed over to the carrier."""
        return self.heard is not None and self.heard.out


@dataclass(frozen=True, slots=True)
class Return(Row):
    """One return: what should come back, how much of it was refunded, and what fulfilment said last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "return_id")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("shipment_id", "wanted", "reason", "withdrawal")

    order_id: UUID
    return_id: UUID
    shipment_id: UUID
    wanted: Pieces = ()  # empty: fulfilment opened it, nobody asked for it
    reason: str = ""
    asked: bool = False
    refunded: Pieces = ()  # the accepted pieces that billing was asked to refund, in all
    heard: ReturnStatement | None = None
    withdrawal: bool = False  # the customer's own word: who keeps nothing gets the postage too


@dataclass(frozen=True, slots=True)
class History(Row):
    """One entry per change of status and per wish of a person: who, what, why, when, caused by which message."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "version")

    order_id: UUID
    version: int
    at: datetime
    before: str
    after: str
    trigger: str  # key of the message
    cause: UUID  # id of the message
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class External(Row):
    """Which order a channel's own number stands for: one order per (channel, external id) (I11)."""

    KEY: ClassVar[tuple[str, ...]] = ("ref",)
    GROUP: ClassVar[str] = "ref"
    FIXED: ClassVar[tuple[str, ...]] = ("order_id",)

    ref: str  # channel:external_id
    order_id: UUID


@dataclass(frozen=True, slots=True)
class Counter(Row):
    """The last number given. Everybody wants it, so it is locked last."""

    KEY: ClassVar[tuple[str, ...]] = ("name",)
    GROUP: ClassVar[str] = "name"

    name: str
    last: int


@dataclass(frozen=True, slots=True)
class Product(Row):
    """What is sold, as it is now. Orders copy from it and never look back."""

    KEY: ClassVar[tuple[str, ...]] = ("sku",)
    GROUP: ClassVar[str] = "sku"

    sku: str
    name: str
    category: str
    brand: str
    kind: LineKind
    price: Decimal
    vat_category: str
    vat_rate: Decimal
    components: tuple[Component, ...] = ()  # of a kit; empty: it is sold as it is


@dataclass(frozen=True, slots=True)
class ProductVersion(Row):
    """How often a product was changed: the last number of its history, and the lock of what the next entry compares."""

    KEY: ClassVar[tuple[str, ...]] = ("sku",)
    GROUP: ClassVar[str] = "sku"

    sku: str
    version: int


Told = str | tuple[Component, ...] | None
"""A field of a product as its history has it: amounts are text, a product that was not there had none of them."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a product, before and after."""

    field: str
    before: Told
    after: Told


@dataclass(frozen=True, slots=True)
class ProductChange(Row):
    """One entry per change of a product: who, when, by which way, of which message. Never changed."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "version")

    sku: str
    version: int  # 1, 2, ... without a gap
    at: datetime
    cause: UUID  # id of the message, which may have changed others too
    actor: str
    way: Way
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class KitVersion(Row):
    """How often a product became another kit, by which who keeps a copy knows what is newer: clocks may jump."""

    KEY: ClassVar[tuple[str, ...]] = ("sku",)
    GROUP: ClassVar[str] = "sku"

    sku: str
    version: int


@dataclass(frozen=True, slots=True)
class Part(Row):
    """A product that is a component of a kit: the way back from it to its kits. 0 pieces: no longer."""

    KEY: ClassVar[tuple[str, ...]] = ("sku", "kit")
    GROUP: ClassVar[str] = "sku"

    sku: str
    kit: str
    pieces: int


@dataclass(frozen=True, slots=True)
class Customer(Row):
    """Who buys, as we know them now."""

    KEY: ClassVar[tuple[str, ...]] = ("customer_id",)
    GROUP: ClassVar[str] = "customer_id"

    customer_id: str
    name: str
    email: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Channel(Row):
    """Where orders come from."""

    KEY: ClassVar[tuple[str, ...]] = ("code",)
    GROUP: ClassVar[str] = "code"

    code: str
    name: str
