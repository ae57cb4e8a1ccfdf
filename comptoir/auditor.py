"""The auditor of a running suite: looks at some orders and SKUs every few seconds, for ever, and says what is wrong.

It reads and judges with the functions of `comptoir verify`, but a round's work is bounded, and other things are on
their way meanwhile. So nothing is called a breach that was seen once, and what holds at rest only counts when the
order stood still between two looks and everything that was sent before the first one was handled by the second.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from pydantic import Field

from comptoir.invariants import LAWS, messages, money, orders, purchases, stock, transfers, value
from comptoir.rest import all_there, plain
from comptoir.sender import Sender
from comptoir.suite import BUILD
from comptoir.verify.audit import SOME_ORDERS, SOME_SKUS, Audit, Connections, snapshots
from comptoir.verify.files import Files, read_background
from comptoir.verify.orders import EXTERNALS, OWNERS, check_file, check_owners
from comptoir.verify.sums import (
    BOUGHT_LINES,
    CREDITS,
    DOCUMENTS,
    ENTRIES,
    LINE_SUMS,
    MOVED_LINES,
    NOT_LOOKED_UP,
    SHELVES,
    WORTHS,
    check_bought,
    check_shelf,
    check_worth,
)
from services.fulfilment.domain import rows as fulfilment
from services.order.quantities import Order
from shared import clock
from shared.contracts.order import FINAL, HoldOrder
from shared.database import CONNECT_WITHIN_S
from shared.messaging.bus import Bus, stopping
from shared.messaging.topology import readers_of
from shared.settings import ServiceSettings, database_of

I17 = LAWS[messages.every_reader_handled_it]
log = structlog.get_logger("comptoir.auditor")

NOTHING = UUID(int=0)
PACKETS_AT_ONCE = 5_000
STATEMENT_WITHIN_S = 30.0
HELD_WITHIN_S = 5.0
OVERTAKEN = timedelta(minutes=10)
"""A packet that is older by so much than others that were handled is not in a queue any more."""
SUSPECTS = 10
"""Rounds full of suspects that are remembered; more are not taken up before some of these are cleared."""

BY_KEY = {"enable_seqscan": "off", "jit": "off", "application_name": "comptoir-auditor", "timezone": "UTC"}
"""Plans must not depend on how many orders there are: each statement has an index to go by."""

SHIPMENTS = f"select shipment_id from shipments where {SOME_ORDERS}"
OF_SHIPMENTS = f"shipment_id = any(array({SHIPMENTS}))"
"""Returns are known by their shipment. An array rather than a join, as PostgreSQL could begin a join at the end."""

REVISIONS = {
    "order": f"select order_id, revision from progress where {SOME_ORDERS}",
    "inventory": f"select order_id, revision from stock_orders where {SOME_ORDERS}",
    "fulfilment": f"select order_id, sum(revision)::bigint from shipments where {SOME_ORDERS} group by 1",
    "billing": f"select order_id, revision from accounts where {SOME_ORDERS}",
}
"""Every unit of work that changes an order's rows raises one of these."""

BUSY = """
    select body::jsonb->>'subject', body::jsonb->'data'->>'shipment_id' from calls
    union all select body::jsonb->>'subject', body::jsonb->'data'->>'shipment_id' from timers
        where due_at < now() or (due_at < now() + interval '15 minutes' and key like 'retry:%')
    union all select subject, null from parked where state = 'parked'
"""
"""Whose outside call is not answered, whose timer is due, whose message is tried again or waits for a person."""


class AuditorSettings(ServiceSettings):
    """Which and how much an auditor looks at."""

    audit: bool = Field(True, description="an auditor runs in `comptoir up`")
    audit_holds: bool = Field(True, description="an order with a breach is held, so that it goes no further")
    audit_every_s: float = Field(5.0, gt=0, le=3600, description="seconds between two rounds")
    audit_apart_s: float = Field(
        10.0, ge=0, le=3600, description="seconds between the two sightings of a breach; longer than a unit of work"
    )
    audit_orders: int = Field(200, ge=1, le=10_000, description="orders of a round, and as many that are under way")
    audit_skus: int = Field(20, ge=1, le=10_000, description="SKUs of a round; the movements of each are summed")


Target = UUID | str
"""An order by its id, or a SKU."""


@dataclass(slots=True)
class Look:
    """What one look at one order or SKU found. `busy`: something is on its way for it, inside a service."""

    breaches: dict[Any, tuple[str, ...]]
    revisions: tuple[Any, ...] = ()
    busy: bool = False
    order: Order | None = None


@dataclass(slots=True)
class Sighting:
    """One invariant that one order or SKU seems to break. `standing` from the second sighting on."""

    says: tuple[str, ...]
    revisions: tuple[Any, ...]
    first: datetime
    standing: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """A breach that stands. `document` is the name in words that the sentence is about."""

    invariant: str
    title: str
    order_id: UUID | None
    sku: str | None
    document: str
    says: str
    since: datetime


@dataclass(slots=True)
class OnTheWay:
    """A packet that some readers have not handled."""

    key: str
    sender: str
    created_at: datetime
    readers: set[str]


class Traffic:
    """Until when everything that was sent has been handled. Walks through the outboxes, some thousand packets a time.

    Packets younger than `late` are left for later: ids are given before the commit, so an older one may still come.
    """

    def __init__(self, late: timedelta) -> None:
        self.late = late
        self.at: dict[str, UUID] = {}
        self.reached: dict[str, datetime] = {}
        self.open: dict[UUID, OnTheWay] = {}
        self.newest: dict[tuple[str, str], datetime] = {}
        """By sender and reader: when the youngest packet was made that was handled."""

    async def walk(self, connections: Connections, now: datetime) -> datetime | None:
        """None while an outbox was not looked at for the first time."""
        if not self.at:  # what is older may have been handled, and its keys cleared away
            first = await all_there(connections, "inbox")
            self.at = dict.fromkeys(connections, first)
        for name, connection in connections.items():
            if len(self.open) < PACKETS_AT_ONCE:
                records = await connection.fetch(
                    "select id, key, created_at from outbox where id > $1 and created_at <= $2 order by id limit $3",
                    self.at[name],
                    now - self.late,
                    PACKETS_AT_ONCE,
                )
                for id, key, created_at in records:
                    self.at[name], self.reached[name] = id, created_at
                    self.open[id] = OnTheWay(key, name, created_at, set(readers_of(key)) & set(connections))
                if len(records) < PACKETS_AT_ONCE:
                    self.reached[name] = now - self.late
        for name, connection in connections.items():
            asked = [id for id, packet in self.open.items() if name in packet.readers]
            for (id,) in await connection.fetch("select id from inbox where id = any($1::uuid[])", asked):
                packet = self.open[id]
                packet.readers.discard(name)
                way = packet.sender, name
                self.newest[way] = max(packet.created_at, self.newest.get(way, packet.created_at))
        self.open = {id: packet for id, packet in self.open.items() if packet.readers}
        if len(self.reached) < len(connections):
            return None
        lost = self.lost()
        waiting = [packet.created_at for id, packet in self.open.items() if id not in lost]
        return min([*self.reached.values(), *waiting])

    def lost(self) -> dict[UUID, OnTheWay]:
        """What does not come any more: much younger packets from the same sender were handled by the same reader."""
        return {
            id: packet
            for id, packet in self.open.items()
            if all(
                self.newest.get((packet.sender, reader), packet.created_at) - packet.created_at > OVERTAKEN
                for reader in packet.readers
            )
        }


@dataclass
class Round:
    """One slice of orders and SKUs, being read and judged in one snapshot of each database."""

    connections: Connections
    looks: dict[Target, Look] = field(default_factory=dict)

    async def look_at_orders(self, ids: Sequence[UUID]) -> None:
        """All that can be judged of an order by itself."""
        holders = await self.holders(ids)
        background = await read_background(self.connections, ids)
        files = Files()
        await files.load(self.connections, ids, OF_SHIPMENTS)
        revisions = {
            name: dict([tuple(r) for r in await self.connections[name].fetch(sql, ids)])
            for name, sql in REVISIONS.items()
        }
        busy = await self.busy(ids)
        audits = {id: Audit(at_rest=True) for id in ids}
        found: dict[UUID, Order | None] = {}
        for n, id in enumerate(ids):
            check_owners(audits[id], id, holders[id])
            found[id] = check_file(audits[id], background, files, id, "order" in holders[id])
            if n % 20 == 0:
                await asyncio.sleep(0)  # others live in this process too
        await self.look_at_documents(audits, files, ids)
        for id in ids:
            goods = files.goods.of(fulfilment.Shipment, id)
            returns = [(row.return_id, row.version) for row in files.goods.of(fulfilment.Return, id)]
            names = {str(id), *(str(row.shipment_id) for row in goods)}
            self.looks[id] = Look(
                broken(audits[id]),
                (*(revisions[name].get(id) for name in REVISIONS), *returns),
                not busy.isdisjoint(names),
                found[id],
            )

    async def holders(self, ids: Sequence[UUID]) -> dict[UUID, set[str]]:
        """Which services have each order."""
        found: dict[UUID, set[str]] = {id: set() for id in ids}
        for name, table in OWNERS.items():
            sql = f"select distinct order_id from {table} where {SOME_ORDERS}"
            for (id,) in await self.connections[name].fetch(sql, ids):
                found[id].add(name)
        return found

    async def busy(self, ids: Sequence[UUID]) -> set[str]:
        """Ids of orders and shipments for which something is on its way that no packet shows."""
        found: set[str] = set()
        for connection in self.connections.values():
            for record in await connection.fetch(BUSY):
                found.update(name for name in record if name)
        tries = await self.connections["billing"].fetch(
            "select key from timers where key = any($1::text[])", [f"operation:{id}" for id in ids]
        )
        return found | {record[0].partition(":")[2] for record in tries}

    async def look_at_documents(self, audits: Mapping[UUID, Audit], files: Files, ids: Sequence[UUID]) -> None:
        """What lies beside the rows of orders: external ids, lines in inventory, journal, histories of fulfilment."""
        order, bills = self.connections["order"], self.connections["billing"]
        for channel, external_id, carriers, registered in await order.fetch(
            EXTERNALS.format(chosen=f"o.{SOME_ORDERS}"), ids
        ):
            for id in carriers:
                audits[id].check(
                    orders.one_order_per_external_id, orders.ExternalId(channel, external_id, [id], registered)
                )
        lines = LINE_SUMS.format(chosen=SOME_ORDERS, moved=NOT_LOOKED_UP)
        for record in await self.connections["inventory"].fetch(lines, ids):
            audits[record[0]].check(stock.reservations_end_once, stock.LineSums(*record))
        booked = await bills.fetch(f"select distinct entry_id, order_id from postings where {SOME_ORDERS}", ids)
        booked_for = dict([tuple(record) for record in booked])
        entries = await bills.fetch(ENTRIES.format(chosen="entry_id = any($1::text[])"), list(booked_for))
        for record in entries:
            audits[booked_for[record[0]]].check(money.entries_balance, money.Entry(*record))
        invoiced = await bills.fetch(f"select number, order_id from invoices where {SOME_ORDERS}", ids)
        credited = await bills.fetch(f"select invoice, order_id from credit_notes where {SOME_ORDERS}", ids)
        owner_of = dict([tuple(record) for record in (*credited, *invoiced)])
        for record in await bills.fetch(CREDITS.format(chosen=SOME_ORDERS), ids):
            audits[owner_of[record[0]]].check(money.credited_within_invoice, money.Credits(*record))
        await self.look_at_histories(audits, files, ids)

    async def look_at_histories(self, audits: Mapping[UUID, Audit], files: Files, ids: Sequence[UUID]) -> None:
        goods = self.connections["fulfilment"]
        returns = f"select return_id from returns where {OF_SHIPMENTS}"
        for kind, table, chosen, documents in (
            ("shipment", "shipments", SOME_ORDERS, SHIPMENTS),
            ("return", "returns", OF_SHIPMENTS, returns),
        ):
            sql = DOCUMENTS.format(
                kind=kind,
                id=f"{kind}_id",
                table=table,
                chosen=chosen,
                documents=f"document_id = any(array({documents}))",
            )
            rows: Iterable[Any] = (
                row
                for id in ids
                for row in files.goods.of(fulfilment.Shipment if kind == "shipment" else fulfilment.Return, id)
            )
            owner_of = {getattr(row, f"{kind}_id"): row.order_id for row in rows}
            for record in await goods.fetch(sql, ids):
                if (owner := owner_of.get(record[1])) is not None:
                    audits[owner].check(orders.documents_have_their_history, orders.Document(*record))

    async def look_at_skus(self, skus: Sequence[str]) -> None:
        audits = {sku: Audit(at_rest=True) for sku in skus}
        for record in await self.connections["inventory"].fetch(SHELVES.format(chosen=SOME_SKUS), skus):
            check_shelf(audits[record[0]], stock.Shelf(*record))
        for record in await self.connections["inventory"].fetch(BOUGHT_LINES.format(chosen=SOME_SKUS), skus):
            check_bought(audits[record[2]], purchases.BoughtLine(*record))
        for record in await self.connections["inventory"].fetch(MOVED_LINES.format(chosen=SOME_SKUS), skus):
            line = transfers.MovedLine(*record)
            audits[line.sku].check(transfers.sent_is_received_lost_or_in_transit, line)
        for record in await self.connections["inventory"].fetch(WORTHS.format(chosen=SOME_SKUS), skus):
            check_worth(audits[record[0]], value.Worth(*record))
        self.looks |= {sku: Look(broken(audit)) for sku, audit in audits.items()}


def broken(audit: Audit) -> dict[Any, tuple[str, ...]]:
    return {check: tuple(finding.breaches) for check, finding in audit.findings.items() if finding.breaches}


class Auditor:
    """Goes round for ever. It has connections of its own, and waits for databases that are away."""

    def __init__(self, settings: AuditorSettings, bus: Bus | None, now: Callable[[], datetime] = clock.now) -> None:
        self.settings, self.now = settings, now
        self.sender = Sender(bus, "audit", now, source="/comptoir/auditor") if bus is not None else None
        self.apart = timedelta(seconds=settings.audit_apart_s)
        self.traffic = Traffic(self.apart)
        self.reached: datetime | None = None
        self.connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self.sightings: dict[Target, dict[Any, Sighting]] = {}
        self.to_hold: dict[tuple[UUID, str], HoldOrder] = {}
        self.held: set[tuple[UUID, str]] = set()
        self.last_order = self.last_open = NOTHING
        self.last_sku = ""
        self.looked_again: dict[Target, int] = {}
        self.rounds = self.failed = self.audited = self.circles = 0
        self.there = False
        """The last round came to its end."""
        self.task: asyncio.Task[None] | None = None

    # Going round

    def start(self) -> None:
        self.task = asyncio.create_task(self.run(), name="auditor")

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.let_go()

    async def run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(self.settings.audit_every_s)

    async def once(self) -> None:
        """One round. What it could not read to the end counts for nothing."""
        try:
            await self.round()
            self.there = True
        except (Exception, asyncio.CancelledError) as error:
            if stopping():
                raise
            self.there = False
            self.failed += 1
            log.warning("a round of the audit came to nothing", error=repr(error))
            await self.let_go()
        await self.hold()

    async def connect(self) -> Connections:
        for name in BUILD:
            if name not in self.connections:
                self.connections[name] = await asyncpg.connect(
                    plain(database_of(self.settings.database_url, name)),
                    timeout=CONNECT_WITHIN_S,
                    command_timeout=STATEMENT_WITHIN_S,
                    server_settings=BY_KEY,
                )
        return self.connections

    async def let_go(self) -> None:
        connections, self.connections = self.connections, {}
        for connection in connections.values():
            connection.terminate()

    async def round(self) -> None:
        connections = await self.connect()
        async with snapshots(connections):
            now = self.now()
            reached = await self.traffic.walk(connections, now)
            last_order, ids = await self.next_orders(connections)
            last_open, under_way = await self.next_open(connections)
            last_sku, skus = await self.next_skus(connections)
            again = self.suspects()
            chosen = {*ids, *under_way, *(one for one in again if isinstance(one, UUID))}
            judged = Round(connections)
            await judged.look_at_orders(sorted(chosen))
            await judged.look_at_skus(sorted({*skus, *(one for one in again if isinstance(one, str))}))
        self.reached = reached
        self.circles += last_order == NOTHING
        self.last_order, self.last_open, self.last_sku = last_order, last_open, last_sku
        self.rounds += 1
        self.audited += len(judged.looks)
        for target, look in judged.looks.items():
            self.compare(target, look, now)

    async def next_orders(self, connections: Connections) -> tuple[UUID, list[UUID]]:
        """The next orders that any service knows, by id; and where to go on, which is the beginning after the last."""
        most, found = self.settings.audit_orders, set[UUID]()
        for name, table in OWNERS.items():
            sql = f"select distinct order_id from {table} where order_id > $1 order by 1 limit $2"
            found.update([record[0] for record in await connections[name].fetch(sql, self.last_order, most)])
        ids = sorted(found)[:most]
        return (ids[-1] if len(ids) == most else NOTHING), ids

    async def next_open(self, connections: Connections) -> tuple[UUID, list[UUID]]:
        """Likewise of those under way, which come round sooner, as a breach matters most there."""
        most = self.settings.audit_orders
        sql = "select order_id from progress where not final and order_id > $1 order by 1 limit $2"
        ids = [record[0] for record in await connections["order"].fetch(sql, self.last_open, most)]
        return (ids[-1] if len(ids) == most else NOTHING), ids

    async def next_skus(self, connections: Connections) -> tuple[str, list[str]]:
        most = self.settings.audit_skus
        sql = """(select sku from items where sku > $1 order by 1 limit $2)
                 union (select distinct sku from levels where sku > $1 order by 1 limit $2) order by 1 limit $2"""
        skus = [record[0] for record in await connections["inventory"].fetch(sql, self.last_sku, most)]
        return (skus[-1] if len(skus) == most else ""), skus

    def suspects(self) -> list[Target]:
        """Where something seems or is wrong, as many as fit into a round; first those of the longest ago."""
        self.looked_again = {target: self.looked_again.get(target, 0) for target in self.sightings}
        chosen = sorted(self.sightings, key=lambda target: self.looked_again[target])[: self.settings.audit_orders]
        self.looked_again |= dict.fromkeys(chosen, self.rounds + 1)
        return chosen

    # Judging

    def compare(self, target: Target, look: Look, now: datetime) -> None:
        """With what was seen of it before. What is not broken any more is forgotten."""
        before = self.sightings.pop(target, {})
        found: dict[Any, Sighting] = {}
        for check, says in look.breaches.items():
            law, seen = LAWS[check], before.get(check)
            if seen is not None and seen.standing:
                seen.says = says
            elif law.at_rest and look.busy:
                continue
            elif seen is None or (law.at_rest and (seen.says, seen.revisions) != (says, look.revisions)):
                seen = Sighting(says, look.revisions, now)
            elif now - seen.first >= self.apart and (not law.at_rest or self.handled_until(seen.first)):
                seen.says, seen.standing = says, True
                self.tell(target, check, seen)
            if seen.standing:
                self.want_held(target, law.number, look)
            found[check] = seen
        if found and (before or len(self.sightings) < SUSPECTS * self.settings.audit_orders):
            self.sightings[target] = found

    def handled_until(self, moment: datetime) -> bool:
        return self.reached is not None and self.reached >= moment

    def tell(self, target: Target, check: Any, seen: Sighting) -> None:
        for one in seen.says:
            log.error("an invariant is broken", invariant=LAWS[check].number, what=str(target), says=one)

    def want_held(self, target: Target, number: str, look: Look) -> None:
        """Only what can still go wrong further: an order that the order service has whole, and that is not final."""
        if not isinstance(target, UUID) or look.order is None or look.order.progress.status in FINAL:
            return
        if self.settings.audit_holds and (target, number) not in self.held:
            self.to_hold[target, number] = HoldOrder(order_id=target, reason=f"audit: {number}", actor="auditor")

    async def hold(self) -> None:
        """Asks for the holds that are due. The same ask has the same id, so whoever releases an order has decided."""
        if self.sender is None:
            return
        for key, ask in list(self.to_hold.items()):
            try:
                async with asyncio.timeout(HELD_WITHIN_S):
                    await self.sender.send([ask], actor="auditor")
            except (Exception, asyncio.CancelledError) as error:
                if stopping():
                    raise
                log.warning("an order was not held, the next round asks again", order=str(key[0]), error=repr(error))
                return
            self.held.add(key)
            del self.to_hold[key]

    # What is known

    def violations(self) -> list[Violation]:
        """All that stand, the oldest first."""
        found = [
            Violation(I17.number, I17.title, None, None, f"packet {id}", one, packet.created_at)
            for id, packet in self.traffic.lost().items()
            for one in messages.every_reader_handled_it(
                messages.Sent(id, packet.key, packet.sender, 0.0, tuple(sorted(packet.readers)))
            )
        ]
        found += [
            Violation(
                LAWS[check].number,
                LAWS[check].title,
                target if isinstance(target, UUID) else None,
                target if isinstance(target, str) else None,
                one.partition(": ")[0],
                one,
                seen.first,
            )
            for target, of in self.sightings.items()
            for check, seen in of.items()
            if seen.standing
            for one in seen.says
        ]
        return sorted(found, key=lambda violation: violation.since)

    @property
    def behind_s(self) -> float | None:
        """How long ago that was until which every packet has been handled."""
        return None if self.reached is None else max(0.0, (self.now() - self.reached - self.apart).total_seconds())

    def alive(self) -> bool:
        return self.task is not None and not self.task.done()
