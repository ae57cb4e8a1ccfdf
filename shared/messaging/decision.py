"""The vocabulary of decisions. Plain Python: the domain may import it.

A decision is a generator: it takes a message, the rows that its handler declared and a context, and yields what should
be true next. It never awaits, reads a clock, draws a random number or changes a row in place.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from shared.contracts.message import Internal, Message

P = TypeVar("P")
R = TypeVar("R", bound="Row")
Key = tuple[Any, ...]


class Row:
    """One row of a table, immutable: a frozen dataclass. A changed row is a new value with the same key."""

    KEY: ClassVar[tuple[str, ...]] = ()
    GROUP: ClassVar[str] = ""  # rows are loaded together by this column; empty: only ever inserted
    FIXED: ClassVar[tuple[str, ...]] = ()  # never changed once inserted


@dataclass(frozen=True, slots=True)
class Timer:
    """A message to ourselves at `due_at`. The same key replaces it; `due_at=None` ends it."""

    key: str
    due_at: datetime | None
    message: Internal | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """An outside call that is wanted, made by a worker after commit. Its answer comes back in as a message.

    It is made again, with the same message, until an answer was handled; so the message carries an idempotency key.
    """

    message: Internal


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller of an HTTP request gets. Everybody else does not see it."""

    body: Any
    status: int = 200


def plain(value: object) -> str:
    """A value of a reply that JSON has no kind for; a moment as RFC 3339 has it, as reading it later gives it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


Effect = Row | Message | Timer | Call | Reply
Needs = Iterable[tuple[type[Row], Hashable]]
"""Which rows a message may look at: (kind, value of the kind's GROUP column)."""


class Refused(Exception):
    """The request makes no sense in this state. The caller is told; nothing is changed. `field` says where.

    `also`: what else is wrong with it, (field, reason) each, so that whoever mends it need not ask once per fault.
    """

    def __init__(
        self, reason: str, *, field: str = "", status: int = 422, also: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(reason)
        self.reason, self.field, self.status, self.also = reason, field, status, tuple(also)


class Missing(Exception):
    """Something that should be here is not here yet: another try later may find it."""


class NotLoaded(LookupError):
    """A decision looked at rows that its handler did not declare."""


@dataclass(frozen=True, slots=True)
class Context(Generic[P]):
    """What a decision may know besides the message and its rows."""

    now: datetime
    new_id: Callable[[], UUID]
    policy: P
    cause: UUID  # the id of the event that is being decided
    actor: str = ""  # the person or system behind it
    told_at: datetime | None = None  # when its sender decided it
    led_by: UUID | None = None  # the message that led its sender to it


class Rows:
    """The rows of one batch, as the decisions so far have left them."""

    def __init__(self) -> None:
        self._groups: dict[type[Row], dict[Hashable, dict[Key, Row]]] = {}
        self.changed: dict[type[Row], dict[Key, Row]] = {}
        self.before: dict[type[Row], dict[Key, Row]] = {}  # the changed ones that were loaded, as they were then
        self.new: dict[type[Row], set[Key]] = {}  # which of the changed ones the database does not have
        self.inserted: dict[type[Row], list[Row]] = {}  # of kinds without GROUP

    def declare(self, kind: type[Row], group: Hashable) -> bool:
        """From now on this group may be looked at; what is not loaded into it does not exist. False: it may already."""
        groups = self._groups.get(kind)
        if groups is None:
            groups = self._groups[kind] = {}
        elif group in groups:
            return False
        groups[group] = {}
        return True

    def declared(self, kind: type[Row], group: Hashable) -> bool:
        return group in self._groups.get(kind, ())

    def loaded(self, row: Row) -> None:
        """A row as the database has it."""
        kind = type(row)
        group = getattr(row, kind.GROUP)
        groups = self._groups.setdefault(kind, {})
        if group not in groups:
            groups[group] = {}
        groups[group][key_of(row)] = row

    def loaded_group(self, kind: type[Row], group: Hashable, rows: Mapping[Key, Row]) -> None:
        """All rows of a group as the database has them."""
        self._groups.setdefault(kind, {})[group] = dict(rows)

    def groups(self, kind: type[Row]) -> Mapping[Hashable, Mapping[Key, Row]]:
        """All declared groups of a kind."""
        return self._groups.get(kind, {})

    def grown(self, kind: type[Row]) -> Mapping[Hashable, Mapping[Key, Row]]:
        """The groups of a kind that have new rows, sorted by key as the database would."""
        changed, groups = self.changed.get(kind, {}), self._groups.get(kind, {})
        names = {getattr(changed[key], kind.GROUP) for key in self.new.get(kind, ())}
        return {name: dict(sorted(groups[name].items())) for name in names}

    def _group(self, kind: type[Row], group: Hashable) -> dict[Key, Row]:
        try:
            return self._groups[kind][group]
        except KeyError:
            raise NotLoaded(f"{kind.__name__} {group} was not declared by the handler") from None

    def group(self, kind: type[R], group: Hashable) -> list[R]:
        """All rows of one declared group, in the order in which they were loaded or made."""
        return list(self._group(kind, group).values())  # type: ignore[arg-type]

    def group_before(self, kind: type[R], group: Hashable) -> list[R]:
        """All rows of one declared group as the database has them, whatever was decided since."""
        was, new = self.before.get(kind, {}), self.new.get(kind, ())
        return [was.get(key, row) for key, row in self._group(kind, group).items() if key not in new]  # type: ignore[misc]

    def find(self, kind: type[R], group: Hashable) -> R | None:
        """The only row of a group, or None."""
        rows = self._group(kind, group)
        if len(rows) > 1:
            raise LookupError(f"{kind.__name__} {group}: {len(rows)} rows where one was expected")
        for row in rows.values():
            return row  # type: ignore[return-value]
        return None

    def one(self, kind: type[R], group: Hashable) -> R:
        """The only row of a group; Missing when there is none yet."""
        row = self.find(kind, group)
        if row is None:
            raise Missing(f"no {kind.__name__} {group}")
        return row

    def put(self, rows: Sequence[Row]) -> None:
        """Takes over what one decision yielded: all or none. A row must belong to a declared group."""
        groups = [self._group(type(row), getattr(row, row.GROUP)) if row.GROUP else None for row in rows]
        for row, group in zip(rows, groups, strict=True):
            kind = type(row)
            if group is None:
                self.inserted.setdefault(kind, []).append(row)
                continue
            key = key_of(row)
            known = group.get(key)
            if known == row:
                continue
            changed = self.changed.get(kind)
            if changed is None:
                changed = self.changed[kind] = {}
            if known is None:
                self.new.setdefault(kind, set()).add(key)
            elif key not in changed:
                self.before.setdefault(kind, {})[key] = known
            group[key] = row
            changed[key] = row


def key_of(row: Row) -> Key:
    """The values of its KEY columns."""
    getter = _KEYS.get(type(row))
    if getter is None:
        names = type(row).KEY
        one = attrgetter(names[0])
        getter = _KEYS[type(row)] = attrgetter(*names) if len(names) > 1 else lambda row: (one(row),)
    return getter(row)


_KEYS: dict[type[Row], Callable[[Row], Key]] = {}


@dataclass(frozen=True, slots=True)
class Handler:
    """How one kind of message is handled.

    `needs` names the rows before anything is loaded, `more` a second round that depends on the first (a queue names the
    orders in it). Kinds of the second round must come later in the service's lock order.
    """

    needs: Callable[[Any], Needs]
    decide: Callable[[Any, Rows, Context[Any]], Iterator[Effect]]
    more: Callable[[Any, Rows], Needs] | None = None


Handlers = Mapping[type[Message], Handler]


def nothing(m: Message) -> Needs:
    """For a message that looks at no rows."""
    return ()


def decide_alone(handler: Handler, m: Message, stored: Iterable[Row], ctx: Context[Any]) -> tuple[list[Effect], Rows]:
    """Runs one decision on given rows, exactly as the unit of work would: for tests, the explorer and canaries."""
    stored = list(stored)
    rows = Rows()
    for needs in (handler.needs, None if handler.more is None else lambda m: handler.more(m, rows)):  # type: ignore[misc]
        if needs is None:
            continue
        wanted = set(needs(m))
        for kind, group in wanted:
            rows.declare(kind, group)
        for row in stored:
            kind = type(row)
            if kind.GROUP and (kind, getattr(row, kind.GROUP)) in wanted:
                rows.loaded(row)
    effects = list(handler.decide(m, rows, ctx))
    rows.put([effect for effect in effects if isinstance(effect, Row)])
    return effects, rows
