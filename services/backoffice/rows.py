"""What the back office stores: what screens show, and nothing that is not somebody else's word."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from shared.contracts.backoffice import Waiting
from shared.messaging.decision import Row

Versions = tuple[tuple[str, int], ...]
"""The newest version heard of each thing of an order, sorted by the thing's name."""


@dataclass(frozen=True, slots=True)
class Order(Row):
    """One order as a list shows it: the order service's own words, of the newest revision seen.

    `heard` is what the back office has heard of it; `looking` while what was seen is older than that.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    seen: int = 0  # the revision of it; 0: heard of, not seen yet
    number: str = ""
    channel: str = ""
    external_id: str = ""
    customer_id: str = ""
    name: str = ""
    email: str = ""
    city: str = ""
    country: str = ""
    placed_at: datetime | None = None
    status: str = ""
    final: bool = False
    holds: tuple[str, ...] = ()
    currency: str = ""
    method: str = ""
    net: Decimal = Decimal(0)
    gross: Decimal = Decimal(0)
    due: Decimal = Decimal(0)
    why: str = ""
    who: str = ""  # must act first
    until: datetime | None = None  # how long that may take
    waits: tuple[Waiting, ...] = ()
    skus: tuple[str, ...] = ()
    tracking: tuple[str, ...] = ()
    ordered: int = 0
    cancelled: int = 0
    waiting: int = 0
    backordered: int = 0
    reserved: int = 0
    released: int = 0
    shipped: int = 0
    returned: int = 0
    promised_on: date | None = None  # of what is backordered now
    accepted_on: date | None = None  # the promise that the customer knows and accepts: what "late" is measured by
    heard: Versions = ()
    looking: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Sold(Row):
    """One line of an order as it was sold, as the order service says: what reports add up."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "line_no")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    line_no: int
    sku: str
    text: str
    kind: str
    quantity: int
    net: Decimal
    vat_category: str
    vat_rate: Decimal


@dataclass(frozen=True, slots=True)
class Money(Row):
    """The money of one order, as billing stated it last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id",)
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    version: int
    state: str
    secured: Decimal
    captured: Decimal
    refunded: Decimal
    invoiced: Decimal
    credited: Decimal
    owed: Decimal
    settled: bool
    parked: str


@dataclass(frozen=True, slots=True)
class Shipment(Row):
    """One shipment, as fulfilment stated it last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "shipment_id")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    shipment_id: UUID
    version: int
    at: datetime  # when this was decided
    state: str
    warehouse: str
    pieces: int
    short: int
    carrier: str
    tracking: str
    reason: str
    parked: str
    dispatched_at: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Return(Row):
    """One return, as fulfilment stated it last."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "return_id")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    return_id: UUID
    shipment_id: UUID
    version: int
    at: datetime  # when this was decided
    state: str
    warehouse: str
    expected: int
    received: int
    accepted: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refund(Row):
    """One refund by the staff, as billing stated it last: who asked, who decided, when, why and how much."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "refund_id")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    refund_id: UUID
    version: int
    state: str
    invoice: str
    currency: str
    net: Decimal
    vat: Decimal
    gross: Decimal
    reason: str
    asker: str
    asked_at: datetime
    approver: str
    decided_by: str
    decided_at: datetime | None
    note: str
    credit_note: str


@dataclass(frozen=True, slots=True)
class Entry(Row):
    """One event that touched an order, whenever it came: what is needed to say it in a sentence. Never changed."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "event_id")
    FIXED: ClassVar[tuple[str, ...]] = ("at", "key", "thing", "version", "actor", "cause", "facts")
    UPSERT: ClassVar[bool] = True  # the same event in another packet is the same entry

    order_id: UUID
    event_id: UUID
    at: datetime  # when its sender decided it
    key: str
    thing: str  # order, stock, money, or the id of a shipment or return
    version: int
    actor: str
    cause: UUID | None  # the message that led to it
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StockSaid(Row):
    """What inventory stated of an order's lines in one version of its statement. Never changed.

    Kept because statements come in any order: how long something waited is told from all of them.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "version")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("at", "lines")

    order_id: UUID
    version: int
    at: datetime  # when inventory decided it
    lines: tuple[tuple[int, int, int], ...]  # (line, pieces that wait, pieces that are promised), where there are any


@dataclass(frozen=True, slots=True)
class Backorder(Row):
    """An order line that waited for stock, by all that inventory said of it: pieces = promised + lost + waiting."""

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "line_no")
    GROUP: ClassVar[str] = "order_id"

    order_id: UUID
    line_no: int
    since: datetime  # when the first piece began to wait
    pieces: int  # began to wait; one whose promise was taken back begins again
    promised: int  # got their stock
    lost: int  # were given up while they waited
    waiting: int
    waited_s: int  # how long any piece waited, in seconds; without the wait that is not over


@dataclass(frozen=True, slots=True)
class Mail(Row):
    """An e-mail, each once: what it is about is its key. It is no copy of anybody's word, so it stays.

    Those to staff are about no order: all of one day have an id of that day instead. Those to suppliers have the id of
    the purchase order there.
    """

    KEY: ClassVar[tuple[str, ...]] = ("order_id", "kind", "thing", "mark")
    GROUP: ClassVar[str] = "order_id"
    FIXED: ClassVar[tuple[str, ...]] = ("mail_id", "at", "wanted_at", "facts")

    order_id: UUID
    mail_id: UUID
    kind: str  # MailKind
    thing: str  # order, stock, money, or the id of a shipment
    mark: str  # which of several about the same thing
    at: datetime  # when it happened
    wanted_at: datetime
    facts: dict[str, Any]  # what only its cause knows
    state: str = "waiting"  # waiting, sending, sent, left, parked
    tries: int = 0
    due_at: datetime | None = None  # next try; how long whoever sends it has
    sent_at: datetime | None = None
    why: str = ""  # it was not sent yet, or not at all
    lang: str = ""
    sent_to: str = ""
    subject: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class LowStock(Row):
    """Of which products that run low staff were told, and on which day the last time. Nobody else's word: it stays."""

    KEY: ClassVar[tuple[str, ...]] = ("name",)
    GROUP: ClassVar[str] = "name"

    name: str
    told_on: date | None = None
    told: tuple[tuple[str, str], ...] = ()  # SKU and warehouse, as long as it runs low


@dataclass(frozen=True, slots=True)
class DocumentView(Row):
    """Who looked at which document, how and when. Never changed."""

    KEY: ClassVar[tuple[str, ...]] = ("view_id",)

    view_id: UUID
    number: str
    form: str  # page, pdf, ubl, cii; link: the number is an order's
    who: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OfficeAct(Row):
    """What a person did to something that is the back office's own: a saved view, an account. Never changed."""

    KEY: ClassVar[tuple[str, ...]] = ("act_id",)

    act_id: UUID
    at: datetime
    key: str  # of the message that asked for it
    actor: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SavedView(Row):
    """A place for a filter of the list of orders that a person saved. Without a name it is free for another one."""

    KEY: ClassVar[tuple[str, ...]] = ("owner", "place")
    GROUP: ClassVar[str] = "owner"

    owner: str
    place: int
    code: str  # its short address
    name: str
    query: str  # of the address of the list
    shared: bool  # everybody who sees orders sees it
    by: str  # who changed it last
    at: datetime


@dataclass(frozen=True, slots=True)
class Upload(Row):
    """A place for a file that a person uploaded. Without a code it is free for another one."""

    KEY: ClassVar[tuple[str, ...]] = ("owner", "place")
    GROUP: ClassVar[str] = "owner"

    owner: str
    place: int
    code: str  # its short address
    kind: str
    file: str  # its name, as the browser said
    content: str  # zlib, base64
    mark: str  # the decimal mark that was chosen; empty: by the file itself
    at: datetime


@dataclass(frozen=True, slots=True)
class Account(Row):
    """A person who may log in. `epoch` rises with every change; sessions of an older one are over.

    `language` is what the person chose for the pages; empty: as the browser asks. `identity` is who that is at the
    identity provider; empty: somebody with a password here.
    """

    KEY: ClassVar[tuple[str, ...]] = ("name",)
    GROUP: ClassVar[str] = "name"

    name: str
    shown: str
    roles: tuple[str, ...]
    password: str
    active: bool
    epoch: int
    failures: int
    locked_until: datetime | None
    language: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Session(Row):
    """A browser in which a person is logged in. `session` is a hash, so that who reads the table cannot use it."""

    KEY: ClassVar[tuple[str, ...]] = ("session",)
    GROUP: ClassVar[str] = "session"
    FIXED: ClassVar[tuple[str, ...]] = ("name", "epoch", "csrf", "opened_at")

    session: str
    name: str
    epoch: int
    csrf: str
    opened_at: datetime
    used_at: datetime
    ended_at: datetime | None


# Webhooks. None of this is a copy of anybody's word, so a rebuild leaves it alone.

EVERYBODY = "all"
"""The one group of subscribers: they are few, and every fact may be for any of them."""


@dataclass(frozen=True, slots=True)
class Webhook(Row):
    """A program that wants to be told, and how it fares. Its secret is made of a key and nowhere written down."""

    KEY: ClassVar[tuple[str, ...]] = ("webhook_id",)
    GROUP: ClassVar[str] = "webhook_id"
    FIXED: ClassVar[tuple[str, ...]] = ("added_by", "added_at")

    webhook_id: UUID
    name: str
    url: str
    kinds: tuple[str, ...]
    state: str  # active; paused; gone: it answered 410; removed
    why: str  # it is not active; empty: a person wanted it
    added_by: str
    added_at: datetime  # what happened before is not told
    generation: int  # of its secret
    made_of: str  # the key of its secret
    old_made_of: str = ""  # of the secret before, which signs as well
    old_until: datetime | None = None
    failures: int = 0  # attempts in a row that were in vain
    failing_since: datetime | None = None
    rests_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscriber(Row):
    """A webhook as a fact needs to know it: only read, and never locked, so that facts do not wait for each other."""

    KEY: ClassVar[tuple[str, ...]] = ("webhook_id",)
    GROUP: ClassVar[str] = "shelf"

    webhook_id: UUID
    shelf: str
    kinds: tuple[str, ...]
    state: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookFact(Row):
    """A fact as it is told, once for all. Its id is made of what it says, so the same is never told anew."""

    KEY: ClassVar[tuple[str, ...]] = ("fact_id",)
    FIXED: ClassVar[tuple[str, ...]] = ("kind", "subject", "at", "version", "body", "made_at")
    UPSERT: ClassVar[bool] = True  # heard again: what is there stays

    fact_id: UUID
    kind: str
    subject: str
    at: datetime
    version: int
    body: str  # exactly what is sent and signed
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery(Row):
    """A fact that is to be delivered to one webhook. Only inserted; `Undelivered` is what becomes of it."""

    KEY: ClassVar[tuple[str, ...]] = ("delivery_id",)
    FIXED: ClassVar[tuple[str, ...]] = (
        "fact_id", "webhook_id", "kind", "subject", "at", "version", "wanted_at", "due_at", "again_by",
    )  # fmt: skip
    UPSERT: ClassVar[bool] = True

    delivery_id: UUID
    fact_id: UUID
    webhook_id: UUID
    kind: str
    subject: str
    at: datetime
    version: int
    wanted_at: datetime
    due_at: datetime
    again_by: str = ""  # who had it sent again


@dataclass(frozen=True, slots=True)
class Undelivered(Row):
    """A delivery that is not over: its tries, and when the next is due."""

    KEY: ClassVar[tuple[str, ...]] = ("delivery_id",)
    GROUP: ClassVar[str] = "subject"
    FIXED: ClassVar[tuple[str, ...]] = ("webhook_id", "version")

    delivery_id: UUID
    webhook_id: UUID
    subject: str
    version: int
    state: str  # waiting; over: delivered, given_up, overtaken
    tries: int
    rung: int  # of the ladder; tries while the receiver took nothing at all do not count
    due_at: datetime
    done_at: datetime | None
    code: int
    why: str
    claimed_until: datetime | None  # by who sends it now


@dataclass(frozen=True, slots=True)
class Attempt(Row):
    """One try to deliver, and what was answered. Never changed."""

    KEY: ClassVar[tuple[str, ...]] = ("attempt_id",)

    attempt_id: UUID
    delivery_id: UUID
    at: datetime
    took_ms: int
    outcome: str
    code: int
    why: str
    answer: str
