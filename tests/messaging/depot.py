"""A small service for the tests of the mechanism: boxes with contents, entries that are only inserted, open slips."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar, Literal, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.contracts.message import Command, Event, Internal, Message, Value
from shared.contracts.values import Money
from shared.database import NAMING
from shared.messaging.books import aggregate, mapping
from shared.messaging.decision import (
    Call,
    Context,
    Effect,
    Handler,
    Handlers,
    Needs,
    Refused,
    Reply,
    Row,
    Rows,
    Timer,
)
from shared.messaging.envelope import MAX_EVENT_BYTES, Envelope, Packet, envelope, pack, write
from shared.messaging.memory import Check, MemoryStore
from shared.messaging.store import PostgresStore
from shared.messaging.tables import messaging_tables, revised
from shared.messaging.unit import Arrival, Unit

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

Failure = Literal[
    "", "missing", "bug", "refused", "not loaded", "unwritable", "oversized", "internal", "no effect", "endless timer",
    "too big", "naive", "nul", "needs",
]  # fmt: skip


class Put(Command, key="depot.put.v1"):
    """Changes one box. Whatever else it asks for is there to try the mechanism."""

    box: str
    add: int = 0
    note: str = ""  # makes an entry: refused by the database when it is there already
    slip: int | None = None  # opens a slip, or opens it again
    close: int | None = None
    wake_s: int | None = None  # arms the box's timer
    sleep: bool = False  # ends it
    call: bool = False
    tell: bool = False  # asks the mirror to remember, and says something that nobody hears
    follow: bool = False  # also fills the box that this one links to
    tag: str = ""  # counts a tag of the box
    pad: str = ""
    fail: Failure = ""

    @property
    def subject(self) -> str:
        return self.box


class Woken(Internal, key="depot.woken.v1"):
    box: str


class Weigh(Internal, key="depot.weigh.v1"):
    """An outside call."""

    box: str


class Weighed(Internal, key="depot.weighed.v1"):
    box: str
    grams: int
    fail: Failure = ""


class Moved(Event, key="depot.moved.v1"):
    box: str
    amount: int
    add: int | None = None
    pad: str = ""

    @property
    def subject(self) -> str:
        return self.box


class Untold(Event, key="depot.untold.v1"):
    """An event to which nobody listens."""

    box: str


class Remember(Command, key="mirror.remember.v1"):
    """For another service, which is not always there."""

    box: str
    amount: int


@dataclass(frozen=True, slots=True)
class Box(Row):
    KEY: ClassVar = ("name",)
    GROUP: ClassVar = "name"
    FIXED: ClassVar = ("made_at",)

    name: str
    made_at: datetime
    amount: int = 0
    woken: int = 0
    grams: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class Tag(Row):
    """Part of a box."""

    KEY: ClassVar = ("box", "word")
    GROUP: ClassVar = "box"

    box: str
    word: str
    times: int


@dataclass(frozen=True, slots=True)
class Entry(Row):
    KEY: ClassVar = ("note",)

    note: str
    box: str
    add: int


@dataclass(frozen=True, slots=True)
class Slip(Row):
    """Only open ones are loaded; one that was closed is opened again by the same insert."""

    KEY: ClassVar = ("box", "no")
    GROUP: ClassVar = "box"
    UPSERT: ClassVar = True

    box: str
    no: int
    open: bool


class Part(Value):
    name: str
    price: Money
    since: date


@dataclass(frozen=True, slots=True)
class Sheet(Row):
    """One column of every type that a service may use."""

    KEY: ClassVar = ("id",)
    GROUP: ClassVar = "id"

    id: UUID
    text: str
    short: str
    number: int
    big: int
    small: int
    yes: bool
    amount: Decimal
    at: datetime
    day: date
    part: Part
    parts: tuple[Part, ...]
    pairs: tuple[tuple[str, int], ...]
    amounts: tuple[Money, ...]
    by_name: dict[str, Part]
    by_number: dict[int, Decimal]
    days: tuple[date, ...]
    ids: tuple[UUID, ...]
    other: Part | None = None
    maybe: datetime | None = None
    word: str | None = None
    whole: int | None = None
    sum: Decimal | None = None
    ref: UUID | None = None


metadata = MetaData(naming_convention=NAMING)
boxes = Table(
    "boxes",
    metadata,
    revised(),
    Column("name", Text, primary_key=True),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("amount", Integer, CheckConstraint("amount >= 0", name="not_negative"), nullable=False),
    Column("woken", Integer, nullable=False),
    Column("grams", Integer, nullable=False),
    Column("link", Text, nullable=False),
)
tags = Table(
    "tags",
    metadata,
    Column("box", Text, primary_key=True),
    Column("word", Text, primary_key=True),
    Column("times", Integer, nullable=False),
)
entries = Table(
    "entries",
    metadata,
    Column("note", Text, primary_key=True),
    Column("box", Text, nullable=False),
    Column("add", Integer, nullable=False),
)
slips = Table(
    "slips",
    metadata,
    Column("box", Text, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("open", Boolean, nullable=False),
)
sheets = Table(
    "sheets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("text", Text, nullable=False),
    Column("short", String(20), nullable=False),
    Column("number", Integer, nullable=False),
    Column("big", BigInteger, nullable=False),
    Column("small", SmallInteger, nullable=False),
    Column("yes", Boolean, nullable=False),
    Column("amount", Numeric(16, 6), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("day", Date, nullable=False),
    *(Column(name, JSONB, nullable=False) for name in ("part", "parts", "pairs", "amounts", "by_name", "by_number")),
    *(Column(name, JSONB, nullable=False) for name in ("days", "ids")),
    Column("other", JSONB),
    Column("maybe", DateTime(timezone=True)),
    Column("word", Text),
    Column("whole", BigInteger),
    Column("sum", Numeric),
    Column("ref", Uuid),
)
messaging_tables(metadata)

BOOKS = mapping(
    aggregate(Box, boxes, (Tag, tags)),
    (Sheet, sheets, False),
    (Slip, slips, False, slips.c.open),
    (Entry, entries, False),
)
CHECKS: dict[type[Row], Check] = {
    Box: lambda row: isinstance(row, Box) and 0 <= row.amount < 2**31,
    Entry: lambda row: isinstance(row, Entry) and "\0" not in row.note,
}
SHOWN: dict[type[Row], Check] = {Slip: lambda row: isinstance(row, Slip) and row.open}


def its_box(m: Any) -> Needs:
    if getattr(m, "fail", "") == "needs":
        raise ValueError("cannot say what it needs")
    yield Box, m.box
    yield Tag, m.box
    yield Slip, m.box


def linked(m: Put, rows: Rows) -> Needs:
    box = rows.find(Box, m.box)
    if m.follow and box is not None:
        yield Box, box.link


def put(m: Put, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    box = rows.find(Box, m.box) or Box(m.box, ctx.now)
    yield replace(box, amount=box.amount + m.add)
    yield Moved(box=m.box, amount=box.amount + m.add, add=m.add, pad=m.pad)
    if m.tag:
        times = {tag.word: tag.times for tag in rows.group(Tag, m.box)}
        yield Tag(m.box, m.tag, times.get(m.tag, 0) + 1)
    if m.note:
        yield Entry(m.note, m.box, m.add)
    if m.slip is not None:
        yield Slip(m.box, m.slip, True)
    if m.close is not None:
        yield replace(next(slip for slip in rows.group(Slip, m.box) if slip.no == m.close), open=False)
    if m.wake_s is not None:
        yield Timer(f"wake:{m.box}", ctx.now + timedelta(seconds=m.wake_s), Woken(box=m.box))
    if m.sleep:
        yield Timer(f"wake:{m.box}", None)
    if m.call:
        yield Call(Weigh(box=m.box))
    if m.tell:
        yield Remember(box=m.box, amount=m.add)
        yield Untold(box=m.box)
    if m.follow:
        other = rows.one(Box, box.link)
        yield replace(other, amount=other.amount + m.add)
    yield from failure(m.fail, m.box, rows)
    yield Reply({"box": m.box, "amount": box.amount + m.add}, 201)


def failure(fail: Failure, box: str, rows: Rows) -> Iterator[Any]:
    """Comes last, after good effects: they must all be dropped."""
    match fail:
        case "missing":
            rows.one(Slip, box)
        case "bug":
            raise ZeroDivisionError("a bug")
        case "refused":
            raise Refused("not here", field="box", status=409)
        case "not loaded":
            rows.find(Box, "elsewhere")
        case "unwritable":
            yield Moved.model_construct(box=cast(str, object()), amount=1)
        case "oversized":
            yield Moved(box=box, amount=1, pad="x" * MAX_EVENT_BYTES)
        case "internal":
            yield Woken(box=box)
        case "no effect":
            yield "something"
        case "endless timer":
            yield Timer("endless", NOW)
        case "too big":
            yield Box(box, NOW, amount=2**40)
        case "naive":
            yield Timer("naive", datetime(2026, 1, 1), Woken(box=box))  # noqa: DTZ001 - that is the failure
        case "nul":
            yield Entry("a\0b", box, 0)
        case _:
            pass


def woken(m: Woken, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    box = rows.one(Box, m.box)
    yield replace(box, woken=box.woken + 1)


def weighed(m: Weighed, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    box = rows.one(Box, m.box)
    yield replace(box, grams=m.grams)
    yield from failure(m.fail, m.box, rows)


def remember(m: Remember, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    box = rows.find(Box, m.box) or Box(m.box, ctx.now)
    yield replace(box, amount=box.amount + m.amount)


def moved(m: Moved, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The mirror counts what it hears, so that hearing twice would show."""
    box = rows.find(Box, m.box) or Box(m.box, ctx.now)
    yield replace(box, amount=box.amount + (m.amount if m.add is None else m.add), woken=box.woken + 1)


HANDLERS: Handlers = {
    Put: Handler(its_box, put, linked),
    Woken: Handler(its_box, woken),
    Weighed: Handler(its_box, weighed),
}
MIRROR: Handlers = {Moved: Handler(its_box, moved), Remember: Handler(its_box, remember)}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW
        self.numbers = count(1)

    def now(self) -> datetime:
        return self.time

    def new_id(self) -> UUID:
        """Ids in order, like UUIDv7."""
        return UUID(int=(7 << 76) | (2 << 62) | next(self.numbers) << 80)

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


def unit_on(
    store: MemoryStore | PostgresStore, clock: Clock, *, service: str = "depot", handlers: Handlers = HANDLERS
) -> Unit:
    return Unit(service, store, handlers, None, clock.now, clock.new_id)


def event(clock: Clock, message: Message) -> Envelope[Any]:
    return envelope(message, id=clock.new_id(), source="/test", now=clock.now())


def packet_of(clock: Clock, *messages: Message) -> Packet:
    """One packet of messages of one type, as a relay would send it."""
    (packed,) = pack([(m.key, write(event(clock, m))) for m in messages], clock.new_id)
    return packed


def arrival(clock: Clock, *messages: Message) -> Arrival:
    """A packet that came in."""
    return Arrival("packet", clock.new_id(), [event(clock, m) for m in messages])


def request(clock: Clock, message: Message, id: UUID | None = None, fingerprint: str = "") -> Arrival:
    print_ = fingerprint or message.model_dump_json()
    return Arrival("request", id or clock.new_id(), [event(clock, message)], fingerprint=print_)
