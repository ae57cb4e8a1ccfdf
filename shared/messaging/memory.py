"""The store of the simulator and of fast tests: the same promises as PostgreSQL's, in dictionaries.

It copies on write, keeps primary keys unique and checks what it is told to check; one contract suite runs on both.
"""

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.messaging.decision import Reply, Row, Rows, key_of
from shared.messaging.envelope import Packet
from shared.messaging.unit import Act, Arrival, Claimed, Outcome, Parked, StoredTimer, Transaction

Check = Callable[[Row], bool]


class Violation(Exception):
    """The store refuses a row: its key is taken, or a check fails."""

    sqlstate = "23000"


@dataclass
class Books:
    """Committed state. Plain dictionaries, so that a test can look at it."""

    rows: dict[type[Row], dict[tuple[Any, ...], Row]] = field(default_factory=dict)
    groups: dict[type[Row], dict[Hashable, list[tuple[Any, ...]]]] = field(default_factory=dict)
    outbox: dict[UUID, Packet] = field(default_factory=dict)  # not yet marked sent
    sent: dict[UUID, Packet] = field(default_factory=dict)
    inbox: set[UUID] = field(default_factory=set)
    timers: dict[str, StoredTimer] = field(default_factory=dict)
    calls: dict[UUID, str] = field(default_factory=dict)
    parked: dict[UUID, Parked] = field(default_factory=dict)
    replayed: set[UUID] = field(default_factory=set)
    acts: dict[UUID, Act] = field(default_factory=dict)
    requests: dict[UUID, tuple[str, Reply | None]] = field(default_factory=dict)


class MemoryStore:
    """A service's store in memory. Commits are whole: a unit that raises leaves nothing behind."""

    def __init__(
        self, checks: Mapping[type[Row], Check] | None = None, shown: Mapping[type[Row], Check] | None = None
    ) -> None:
        """`checks` stand for CHECK constraints, `shown` for the conditions of `mapping`: other rows are not loaded."""
        self.books = Books()
        self.checks = dict(checks or {})
        self.shown = dict(shown or {})

    @asynccontextmanager
    async def begin(self, *, dry: bool = False, patient: bool = True) -> AsyncIterator[Transaction]:
        transaction = MemoryTransaction(self)
        yield transaction
        if not dry:
            transaction.commit()

    def is_guilty(self, error: Exception) -> bool:
        """Nothing is ever away: whatever is raised, the data did it."""
        return True

    def is_held(self, error: Exception) -> bool:
        """Nobody else has these rows."""
        return False


class MemoryTransaction:
    def __init__(self, store: MemoryStore) -> None:
        self.store, self.books = store, store.books
        self.claimed: list[Arrival] = []
        self.outcome: Outcome | None = None

    async def claim(self, arrivals: Sequence[Arrival], now: datetime) -> Claimed:
        new: list[Arrival] = []
        known: list[tuple[Arrival, Reply]] = []
        seen: set[tuple[str, Hashable]] = set()
        for arrival in arrivals:
            mark: tuple[str, Hashable] = (arrival.kind, arrival.timer or arrival.id)
            if mark in seen:
                continue
            if arrival.kind == "request" and arrival.id in self.books.requests:
                known.append((arrival, self._stored_reply(arrival)))
            elif self._is_new(arrival):
                seen.add(mark)
                new.append(arrival)
        self.claimed = new
        return Claimed(new, known)

    def _is_new(self, arrival: Arrival) -> bool:
        if arrival.kind == "packet":
            return arrival.id not in self.books.inbox
        if arrival.kind == "timer":
            assert arrival.timer is not None
            key, due_at = arrival.timer
            return key in self.books.timers and self.books.timers[key].due_at == due_at
        if arrival.kind == "call":
            return arrival.id in self.books.calls
        if arrival.kind == "parked":
            return arrival.id in self.books.parked and arrival.id not in self.books.replayed
        return True

    def _stored_reply(self, arrival: Arrival) -> Reply:
        fingerprint, reply = self.books.requests[arrival.id]
        if fingerprint != arrival.fingerprint:
            title = "this Idempotency-Key was used for another request"
            return Reply({"title": title, "status": 422}, 422)
        return reply or Reply({})

    async def load(self, rows: Rows, wanted: Mapping[type[Row], list[Hashable]]) -> None:
        for kind, groups in wanted.items():
            stored = self.books.rows.get(kind, {})
            by_group = self.books.groups.get(kind, {})
            shown = self.store.shown.get(kind)
            for group in groups:
                keys = by_group.get(group, ())
                for key in keys if len(keys) < 2 else sorted(keys, key=_in_order):
                    if shown is None or shown(stored[key]):
                        rows.loaded(stored[key])

    async def save(self, outcome: Outcome) -> None:
        """Checks what a database would check; nothing is visible before commit."""
        for kind, changed in outcome.rows.changed.items():
            stored = self.books.rows.get(kind, {})
            new = outcome.rows.new.get(kind, set())
            for key, row in changed.items():
                if key in stored and key in new and not getattr(kind, "UPSERT", False):
                    raise Violation(f"{kind.__name__} {key} exists already")
                if key in stored and any(getattr(stored[key], name) != getattr(row, name) for name in kind.FIXED):
                    raise Violation(f"{kind.__name__} {key}: a fixed column changes")
                self._check(row)
        for kind, rows in outcome.rows.inserted.items():
            keys = [key_of(row) for row in rows]
            stored = self.books.rows.get(kind, {})
            if len(set(keys)) < len(keys) or any(key in stored for key in keys):
                raise Violation(f"{kind.__name__}: a key exists already")
            for row in rows:
                self._check(row)
        self.outcome = outcome

    def _check(self, row: Row) -> None:
        check = self.store.checks.get(type(row))
        if check is not None and not check(row):
            raise Violation(f"check failed: {row}")

    def commit(self) -> None:
        books, outcome = self.books, self.outcome
        for arrival in self.claimed:
            if arrival.kind == "packet":
                books.inbox.add(arrival.id)
            elif arrival.kind == "timer" and arrival.timer:
                books.timers.pop(arrival.timer[0], None)
            elif arrival.kind == "call":
                books.calls.pop(arrival.id, None)
            elif arrival.kind == "parked":
                books.replayed.add(arrival.id)
            elif arrival.kind == "request":
                books.requests[arrival.id] = (arrival.fingerprint, None)
        if outcome is None:
            return
        every = [row for rows in outcome.rows.inserted.values() for row in rows]
        for row in [*(row for changed in outcome.rows.changed.values() for row in changed.values()), *every]:
            kind, key = type(row), key_of(row)
            stored = books.rows.setdefault(kind, {})
            if kind.GROUP:
                known, group = stored.get(key), getattr(row, kind.GROUP)
                if known is None:
                    books.groups.setdefault(kind, {}).setdefault(group, []).append(key)
                elif (before := getattr(known, kind.GROUP)) != group:  # it is found under the new value from now on
                    books.groups[kind][before].remove(key)
                    books.groups[kind].setdefault(group, []).append(key)
            stored[key] = row
        books.outbox.update((packet.id, packet) for packet in outcome.packets)
        for timer in outcome.timers.values():
            if timer.due_at is None:
                books.timers.pop(timer.key, None)
            else:
                books.timers[timer.key] = timer
        books.calls.update((event.id, text) for event, text in outcome.calls)
        books.parked.update((parked.id, parked) for parked in outcome.parked)
        books.acts.update((act.id, act) for act in outcome.acts)
        for id, reply in outcome.replies.items():
            books.requests[id] = (books.requests[id][0], reply)
        for id in outcome.forgotten:
            books.requests.pop(id, None)


def _in_order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """As the database sorts: numbers by value, the rest as text."""
    return tuple(part if isinstance(part, int | date) else str(part) for part in key)
