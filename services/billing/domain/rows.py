"""What billing keeps, as immutable rows, and what its owner may set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from shared.contracts.billing import Credited, CreditLine, Invoiced, RefundLine
from shared.contracts.values import Address, LineQuantity, PriceLine
from shared.messaging.decision import Row

ZERO = Decimal("0.00")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the documents, as the law wants it on each of them. Numbers are those of EN 16931.

    `vat_id` with its country (BT-31); `legal_id` (BT-30) and `electronic_address` (BT-34) as scheme:identifier, the
    scheme of `legal_id` may be left out; `exemption` is said of goods that are exempt from VAT (BT-120).
    """

    name: str = ""
    street: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    country: str = ""
    vat_id: str = ""
    legal_id: str = ""
    electronic_address: str = ""
    iban: str = ""
    bic: str = ""
    exemption: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a shop decides about its money."""

    credit_limits: Mapping[str, Decimal] = field(default_factory=lambda: {"EUR": Decimal(5000)})
    """Per currency, what a customer may owe on terms, open orders included; in others there are no terms.

    A limit that was set for a customer takes its place. Of an order without a customer it bounds that order alone.
    """
    dunning: tuple[timedelta, ...] = (timedelta(days=14), timedelta(days=28), timedelta(days=42))
    """Reminders, counted from the moment when money was first owed for goods that are out."""
    ask_again: tuple[timedelta, ...] = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
    """Pauses before an unknown operation is asked about; hourly after the last."""
    ask_hourly: timedelta = timedelta(hours=1)
    unknown_is_a_task_after: timedelta = timedelta(hours=24)
    retry: tuple[timedelta, ...] = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
    """Pauses before a refused capture, void or refund is tried again; parked after the last."""
    refund_limits: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    """Per role and currency what a person may give back of one order without another's approval."""
    refund_approvers: frozenset[str] = frozenset()
    """The roles that may approve what another person asked for."""
    seller: Seller = Seller()
    payment_days: int = 14
    """Invoices on terms are due so many days after their issue."""
    zone: tzinfo = UTC
    """Where the shop's days begin."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One authorisation at the provider: what it still holds for us, and what was taken and given back through it."""

    operation_no: int
    reference: str
    left: Decimal
    captured: Decimal = ZERO
    refunded: Decimal = ZERO
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EarlyBill:
    """A shipment to bill that came before its order's first ask; it is settled when that comes."""

    shipment_id: UUID
    lines: tuple[LineQuantity, ...]
    dispatched_on: date
    country: str = ""


@dataclass(frozen=True, slots=True)
class Account(Row):
    """The money of one order: the narrow row that every decision locks first and most change.

    `answers` is the version of the newest ask, 0 before the first. `captured` and `refunded` count all money, however
    it came and went; `voiding` and `refunding` are money on its way out, which secures nothing. `written_off` is what
    was given up, less what came of it after all.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    version: int = 0
    answers: int = 0
    method: str = ""
    currency: str = ""
    token: str = ""
    due: Decimal = ZERO
    captured: Decimal = ZERO
    refunded: Decimal = ZERO
    invoiced: Decimal = ZERO
    credited: Decimal = ZERO
    granted: Decimal = ZERO  # terms: credit given
    custody: Decimal = ZERO  # cash on delivery: collected by the carrier, not yet paid out
    holds: tuple[Hold, ...] = ()
    operations: int = 0  # number of the newest operation
    running: int = 0  # number of the operation in flight, 0 when there is none
    unknown: bool = False  # the provider has not said what became of it
    voiding: Decimal = ZERO
    refunding: Decimal = ZERO
    declined: bool = False
    declined_due: Decimal = ZERO  # what was due then: a higher due is tried again
    refusal: str = ""  # terms: why the credit check said no last
    debtor: str = ""  # terms: the customer whose credit the order uses
    blocked: str = ""  # kind of operation that was refused: it waits for its next try or for a person
    attempts: int = 0
    parked: str = ""
    dunned: int = 0  # reminders sent
    dunning_at: datetime | None = None
    invoices: tuple[Invoiced, ...] = ()
    credits: tuple[Credited, ...] = ()
    delivered: tuple[UUID, ...] = ()  # cash on delivery: shipments at the customer
    early: tuple[EarlyBill, ...] = ()
    written_off: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Sale(Row):
    """What was sold, as the newest ask froze it (R-09): the wide half of an account, written when it changes."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    number: str
    customer_id: str
    inclusive: bool
    bill_to: Address
    lines: tuple[PriceLine, ...]


@dataclass(frozen=True, slots=True)
class Debtor(Row):
    """What one customer owes on terms in one currency, open orders included, and may owe. Locked after all others.

    `owed` is the sum of rule.on_credit over the accounts of the customer's orders: it moves in the decision that moves
    one of them, so two orders at once cannot both have the rest. `limit` is None where nobody set one for the customer.
    """

    KEY: ClassVar[tuple[str, ...]] = ("customer_id", "currency")
    GROUP: ClassVar[str] = "customer_id"

    customer_id: str
    currency: str
    owed: Decimal = ZERO
    limit: Decimal | None = None
    reason: str = ""
    set_by: str = ""
    set_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Operation(Row):
    """One wish towards the provider. Order and number are its idempotency key, so it can happen once at most (I15).

    `state`: wanted, unknown, then done or refused for good. `hold` is the number of the authorisation that it draws
    on, 0 for a payout of money that came another way. Only operations in flight are loaded.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "no")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("kind", "amount", "currency", "hold", "authorisation", "token", "wanted_at")

    order_id: UUID
    no: int
    kind: str
    amount: Decimal
    currency: str
    hold: int
    authorisation: str
    token: str
    wanted_at: datetime
    state: str = "wanted"
    attempts: int = 0
    reference: str = ""
    reason: str = ""
    answered_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line of an invoice or credit note. `amount` is in the mode of the prices, `net` without VAT."""

    line_no: int
    sku: str
    text: str
    quantity: int
    unit_price: Decimal
    amount: Decimal
    net: Decimal
    category: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class DocumentGroup:
    """One VAT rate of a document (R-04)."""

    category: str
    rate: Decimal
    base: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """Who sold, and how a document is paid, as it was when it was issued.

    `issued_on` is the day of issue where the shop is; `prepaid` the part of the gross that was here already (BT-113);
    `due_on` is None where money comes by itself; `country` is where the goods went (BT-80), empty when nobody said.
    """

    seller: Seller
    issued_on: date
    method: str
    prepaid: Decimal = ZERO
    due_on: date | None = None
    country: str = ""


@dataclass(frozen=True, slots=True)
class Invoice(Row):
    """One issued invoice, for one shipment (R-12). Never changed; `hash` is over everything that is printed (I16).

    `terms` is None on what was issued before they were kept.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "shipment_id")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    shipment_id: UUID
    number: str
    series: str
    year: int
    serial: int
    issued_at: datetime
    dispatched_on: date
    order_number: str
    customer_id: str
    currency: str
    inclusive: bool
    net: Decimal
    vat: Decimal
    gross: Decimal
    lines: tuple[DocumentLine, ...]
    groups: tuple[DocumentGroup, ...]
    bill_to: Address
    hash: str = ""
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class CreditNote(Row):
    """One issued credit note: one growth of what was accepted of one return, or one refund. Never changed (R-11).

    `return_id` is the refund's id when it credits a refund. A line of 0 pieces gives back a part of the price.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "return_id", "no")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    return_id: UUID
    no: int
    shipment_id: UUID
    invoice: str  # number of the invoice that it corrects
    number: str
    series: str
    year: int
    serial: int
    issued_at: datetime
    order_number: str
    customer_id: str
    currency: str
    inclusive: bool
    net: Decimal
    vat: Decimal
    gross: Decimal
    lines: tuple[DocumentLine, ...]
    groups: tuple[DocumentGroup, ...]
    bill_to: Address
    hash: str = ""
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Refund(Row):
    """What a person gives back of one invoice without goods that come back: asked for, and done, waiting or refused.

    What was asked, and by whom, never changes; a decided one not at all. Who approved is never who asked (S8).
    `lines` as they were asked for; net, VAT and gross are what its credit note says. `limit` is what the asker might
    have given back alone; `approver` is empty when that was enough.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "refund_id")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = (
        "invoice", "order_number", "customer_id", "lines", "currency", "net", "vat", "gross", "reason", "asker",
        "asked_at", "limit",
    )  # fmt: skip

    order_id: UUID
    refund_id: UUID
    invoice: str
    order_number: str
    customer_id: str
    lines: tuple[RefundLine, ...]
    currency: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    reason: str
    asker: str
    asked_at: datetime
    limit: Decimal
    version: int = 1
    state: str = "waiting"  # waiting, done, refused
    approver: str = ""
    decided_by: str = ""  # who approved or refused it; the asker where nobody else had to
    decided_at: datetime | None = None
    note: str = ""
    credit_note: str = ""


@dataclass(frozen=True, slots=True)
class WriteOff(Row):
    """Money owed by a customer that a person gives up: asked for, and done, waiting or refused, as a refund is (S8)."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "write_off_id")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = (
        "order_number", "customer_id", "amount", "currency", "reason", "asker", "asked_at", "limit",
    )  # fmt: skip

    order_id: UUID
    write_off_id: UUID
    order_number: str
    customer_id: str
    amount: Decimal
    currency: str
    reason: str
    asker: str
    asked_at: datetime
    limit: Decimal
    version: int = 1
    state: str = "waiting"  # waiting, done, refused
    approver: str = ""
    decided_by: str = ""  # who approved or refused it; the asker where nobody else had to
    decided_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series(Row):
    """A counter of documents, locked last and shortly: numbers have no hole and no double (R-10, SC-29).

    One row per series. A new year starts again at 1; a clock that lags behind another copy's never goes back.
    """

    KEY: ClassVar[tuple[str, ...]] = ("series",)
    GROUP: ClassVar[str] = "series"

    series: str
    year: int
    last: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Posting(Row):
    """One line of the journal, debit positive. The postings of an entry sum to zero (R-13, I13).

    The entry's id is the name of what caused it (an invoice number, an operation's key), so nothing is booked twice.
    """

    KEY: ClassVar[tuple[str, ...]] = ("entry_id", "posting_no")

    entry_id: str
    posting_no: int
    account: str
    amount: Decimal
    currency: str
    order_id: UUID | None
    kind: str
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class BankEntry(Row):
    """One credit entry of the bank statement: matched to an order, or waiting for a person (R-18)."""

    KEY: ClassVar[tuple[str, ...]] = ("entry_id",)
    GROUP: ClassVar[str] = "entry_id"

    entry_id: str
    state: str  # matched, review
    order_id: UUID | None
    reference: str
    amount: Decimal
    currency: str
    booked_on: date
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remittance(Row):
    """What the carrier paid out of what it collected at one door, and the fee that it kept (R-19)."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "shipment_id", "reference")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    shipment_id: UUID
    reference: str
    amount: Decimal
    remitted_at: datetime
    fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class UnmatchedCredit(Row):
    """A credit that belongs to no order we know. It waits for review; nothing is paid out or booked."""

    KEY: ClassVar[tuple[str, ...]] = ("reference",)
    GROUP: ClassVar[str] = "reference"

    reference: str
    customer_id: str
    currency: str
    amount: Decimal
    reason: str
    lines: tuple[CreditLine, ...]
    recorded_at: datetime
    state: str = field(default="review")


@dataclass(frozen=True, slots=True)
class Hint(Row):
    """One verified webhook of the provider, kept as it came (I23)."""

    KEY: ClassVar[tuple[str, ...]] = ("event_id",)
    GROUP: ClassVar[str] = "event_id"

    event_id: str
    order_id: UUID
    operation_no: int
    outcome: str
    raw: str
    received_at: datetime


def changed(value: V, **new: Any) -> V:
    """`dataclasses.replace` at half of its time: what is known of a kind of row is looked up once."""
    kind: Any = type(value)
    read, place = _shape(kind)
    values = list(read(value))
    for name, given in new.items():
        values[place[name]] = given
    made: V = kind(*values)
    return made


@cache
def _shape(kind: type[Any]) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]:
    """How all fields of such a value are read, and at which place each is."""
    names = [f.name for f in fields(kind)]
    return attrgetter(*names), {name: at for at, name in enumerate(names)}
