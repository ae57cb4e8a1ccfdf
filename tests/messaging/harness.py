"""A depot on either store, looked at in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from shared.contracts.message import Message
from shared.messaging.decision import Reply
from shared.messaging.envelope import Envelope, Packet, read, read_one
from shared.messaging.memory import MemoryStore
from shared.messaging.store import PostgresStore
from shared.messaging.unit import Arrival, Outcome, StoredTimer, Unit
from tests.messaging import depot
from tests.messaging.depot import Box, Clock, Entry, Slip, Tag


@dataclass(frozen=True)
class Seen:
    """What a store holds, without the mechanism's own bookkeeping."""

    boxes: Mapping[str, Box]
    entries: tuple[Entry, ...]
    slips: tuple[Slip, ...]
    tags: tuple[Tag, ...]
    outbox: tuple[Packet, ...]
    timers: Mapping[str, StoredTimer]
    calls: tuple[UUID, ...]
    parked: tuple[tuple[str, str, int], ...]  # (arrived by, reason, attempts)
    parked_ids: tuple[UUID, ...]  # still waiting for a person
    inbox: frozenset[UUID]
    requests: frozenset[UUID]

    @property
    def sent(self) -> list[Message]:
        return [event.data for packet in self.outbox for event in read(packet.key, packet.body)]


class Harness:
    store: Any
    clock: Clock
    unit: Unit

    async def seen(self) -> Seen:
        raise NotImplementedError

    async def put(self, *messages: Message) -> list[Outcome]:
        """One packet comes in."""
        return await self.unit.work([depot.arrival(self.clock, *messages)])

    async def ask(self, message: Message, id: UUID, fingerprint: str = "") -> Reply:
        (outcome,) = await self.unit.work([depot.request(self.clock, message, id, fingerprint)])
        ((_, reply),) = outcome.answers
        return reply

    async def due(self) -> list[Arrival]:
        """All timers as arrivals, as the timekeeper would make them."""
        return [timer_arrival(timer) for timer in (await self.seen()).timers.values()]


def timer_arrival(timer: StoredTimer) -> Arrival:
    assert timer.due_at
    event: Envelope[Any] = read_one(timer.body)
    return Arrival("timer", event.id, [event], timer=(timer.key, timer.due_at), attempt=timer.attempt)


class InMemory(Harness):
    def __init__(self) -> None:
        self.store = MemoryStore(depot.CHECKS, depot.SHOWN)
        self.clock = Clock()
        self.unit = depot.unit_on(self.store, self.clock)

    async def seen(self) -> Seen:
        books = self.store.books

        def rows(kind: Any) -> list[Any]:
            return [row for _, row in sorted(books.rows.get(kind, {}).items())]

        return Seen(
            {box.name: box for box in rows(Box)},
            tuple(rows(Entry)),
            tuple(rows(Slip)),
            tuple(rows(Tag)),
            tuple(books.outbox.values()),
            dict(books.timers),
            tuple(books.calls),
            tuple((p.arrived_by, p.reason, p.attempts) for p in books.parked.values()),
            tuple(id for id in books.parked if id not in books.replayed),
            frozenset(books.inbox),
            frozenset(books.requests),
        )


class OnPostgres(Harness):
    def __init__(self, url: str) -> None:
        self.url = url
        self.store = PostgresStore(url, depot.BOOKS)
        self.clock = Clock()
        self.unit = depot.unit_on(self.store, self.clock)

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.store._fetch(sql, *values)
        return rows

    async def seen(self) -> Seen:
        boxes = [
            depot.BOOKS[Box].row(r)
            for r in await self.fetch("select name, made_at, amount, woken, grams, link from boxes")
        ]
        timers = await self.fetch("select key, due_at, attempt, body from timers order by key")
        parked = await self.fetch("select id, arrived_by, reason, attempts, state from parked order by at, id")
        return Seen(
            {box.name: box for box in boxes if isinstance(box, Box)},
            tuple(Entry(*r) for r in await self.fetch("select note, box, add from entries order by note")),
            tuple(Slip(*r) for r in await self.fetch("select box, no, open from slips order by box, no")),
            tuple(
                Tag(*r) for r in await self.fetch('select box, word, times from tags order by box, word collate "C"')
            ),
            tuple(
                Packet(*r)
                for r in await self.fetch("select id, key, count, body from outbox where sent_at is null order by id")
            ),
            {r["key"]: StoredTimer(*r) for r in timers},
            tuple(r["id"] for r in await self.fetch("select id from calls order by id")),
            tuple((r["arrived_by"], r["reason"], r["attempts"]) for r in parked),
            tuple(r["id"] for r in parked if r["state"] == "parked"),
            frozenset(r["id"] for r in await self.fetch("select id from inbox")),
            frozenset(r["id"] for r in await self.fetch("select id from requests")),
        )
