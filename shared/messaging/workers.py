"""What happens after a commit: packets go to the bus, outside calls are made, timers that are due come back in.

Each worker is handed what was just committed in memory, and sweeps its table for what a crash left behind.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from shared.contracts.message import Internal
from shared.failpoints import failpoint
from shared.messaging.bus import Bus, Unroutable, Unsendable, stopping
from shared.messaging.desk import Desk
from shared.messaging.envelope import Envelope, Packet, Unreadable, envelope, read_one
from shared.messaging.store import PostgresStore
from shared.messaging.unit import Arrival, Parked, StoredTimer, reason_of

log = structlog.get_logger("comptoir.workers")

Perform = Callable[[Any], Awaitable[Internal]]


async def ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancels them and waits until they have let go."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)


class Patience:
    """How long a publish waits for its confirm before it is tried again: as confirms have taken, not less than LEAST_S.

    A queue whose leader died answers nobody, and answers the next try at once when it has another leader; a broker that
    is slow must not get everything twice. So it follows what first tries take, and doubles when one was in vain, as
    the retransmission timer of TCP does (RFC 6298).
    """

    LEAST_S = 1.0

    def __init__(self) -> None:
        self.took_s = 0.0
        self.now_s = self.LEAST_S

    def confirmed(self, took_s: float) -> None:
        self.took_s = self.took_s + (took_s - self.took_s) / 8 if self.took_s else took_s
        self.now_s = max(self.LEAST_S, 4 * self.took_s)

    def in_vain(self, waited_s: float) -> None:
        self.now_s = max(self.now_s, 2 * waited_s)


class Relay:
    """Publishes committed packets with confirms and marks them sent. Nobody else publishes."""

    IN_FLIGHT = 256
    MOST_WAITING = 2_000  # what is committed beyond that waits in the table: a broker that is away must not fill memory
    SHORTEST_S = 0.5
    SWEEP_AFTER = timedelta(seconds=5)

    def __init__(self, store: PostgresStore, bus: Bus, clock: Callable[[], datetime]) -> None:
        self.store, self.bus, self.clock = store, bus, clock
        self.waiting: deque[Packet] = deque()
        self.in_flight: set[UUID] = set()  # waiting ones included
        self.tasks: set[asyncio.Task[None]] = set()
        self.sent: list[UUID] = []
        self.patience = Patience()
        self.published = self.unconfirmed = 0
        self.unroutable: set[str] = set()  # keys of commands that nobody takes now: an alarm
        self.swept = False

    def offer(self, packets: Iterable[Packet]) -> None:
        """Called right after their commit."""
        for packet in packets:
            if packet.id not in self.in_flight and len(self.waiting) < self.MOST_WAITING:
                self.in_flight.add(packet.id)
                self.waiting.append(packet)
        self.launch()

    def launch(self) -> None:
        while self.waiting and len(self.tasks) < self.IN_FLIGHT:
            task = asyncio.get_running_loop().create_task(self.publish(self.waiting.popleft()))
            self.tasks.add(task)
            task.add_done_callback(self.landed)

    def landed(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        self.launch()

    async def publish(self, packet: Packet) -> None:
        try:
            failpoint("relay_before_publish")
            await self.confirmed(packet)
            failpoint("relay_confirmed_unmarked")
            self.sent.append(packet.id)
            self.published += packet.count
            self.unroutable.discard(packet.key)
        except Unroutable as error:
            self.unroutable.add(packet.key)
            log.error("nobody takes this command, it waits in the outbox", id=str(packet.id), error=str(error))
        except Unsendable as error:
            log.error("no message can hold this packet, it is parked", id=str(packet.id), error=str(error))
            await self.guarded(partial(self.park, packet, error))
        except (Exception, asyncio.CancelledError) as error:
            if stopping():
                raise
            self.unconfirmed += 1
            log.warning("not confirmed, the sweep sends it again", key=packet.key, id=str(packet.id), error=repr(error))
        finally:
            self.in_flight.discard(packet.id)

    async def confirmed(self, packet: Packet) -> None:
        """Returns on the confirm. What is late or refused is tried again while the bus's deadline leaves time."""
        if self.bus.deadline_s is None:
            return await self.bus.publish(packet)
        time = asyncio.get_running_loop().time
        end, first = time() + self.bus.deadline_s, True
        while True:
            began = time()
            wait_s = min(self.patience.now_s, end - began)
            try:
                async with asyncio.timeout(wait_s):
                    await self.bus.publish(packet)
            except TimeoutError:
                self.patience.in_vain(wait_s)
                if end - time() < self.SHORTEST_S:
                    raise
            except (Unroutable, Unsendable):
                raise
            except Exception:  # a queue without a leader, a channel that is gone
                if end - time() < 2 * self.SHORTEST_S:
                    raise
                await asyncio.sleep(self.SHORTEST_S)
            else:
                if first:  # after a second try nobody knows which of them it is that was confirmed
                    self.patience.confirmed(time() - began)
                return None
            first = False

    async def park(self, packet: Packet, error: Exception) -> None:
        """Its neighbours go on, and a person finds out who wrote it. When this fails the sweep comes by again."""
        await self.store.park_unsent(packet.id, self.clock(), reason_of(error))

    async def run(self) -> None:
        """Marks what was confirmed, and sweeps: everything unsent at start, later what is older than a few seconds."""
        last_sweep = -1e9
        loop = asyncio.get_running_loop()
        while True:
            await self.guarded(self.mark)
            if loop.time() - last_sweep > 1.0:
                last_sweep = loop.time()
                await self.guarded(self.sweep)
            await asyncio.sleep(0.2)

    @staticmethod
    async def guarded(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            log.warning("the database is away", error=repr(error))

    async def mark(self) -> None:
        while self.sent:
            ids = self.sent[:5000]
            await self.store.mark_sent(ids, self.clock())
            del self.sent[: len(ids)]
            failpoint("relay_marked")

    async def sweep(self) -> None:
        now = self.clock()
        age = self.SWEEP_AFTER if self.swept else timedelta(0)
        while not self.waiting:
            records = await self.store.unsent(now, now - age, 500)
            known = self.in_flight.union(self.sent)
            lost = [Packet(r["id"], r["key"], r["count"], r["body"]) for r in records if r["id"] not in known]
            if lost:
                failpoint("relay_claimed")
            self.offer(lost)
            if len(records) < 500 or not lost:
                self.swept = True
                return

    def idle(self) -> bool:
        return not self.in_flight and not self.sent

    async def end(self) -> None:
        """Lets go of what is on its way; the next start sends it again."""
        self.waiting.clear()
        await ended(self.tasks)
        self.in_flight.clear()


class Caller:
    """Makes outside calls, each until its answer was handled. `perform` never raises for a failed call: it answers."""

    SWEEP_AFTER = timedelta(seconds=30)
    MOST_WAITING = 2_000  # as of packets: a carrier that is silent must not fill memory

    def __init__(
        self, store: PostgresStore, desk: Desk, perform: Perform, clock: Callable[[], datetime], concurrency: int = 32
    ) -> None:
        self.store, self.desk, self.perform, self.clock, self.concurrency = store, desk, perform, clock, concurrency
        self.waiting: deque[tuple[UUID, Envelope[Any]]] = deque()
        self.in_flight: set[UUID] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.calls = 0
        self.tracing: Any = None  # shared.tracing.OpenTelemetry, where calls become spans

    def offer(self, calls: Iterable[tuple[UUID, Envelope[Any]]]) -> None:
        for id, event in calls:
            if id not in self.in_flight and len(self.waiting) < self.MOST_WAITING:
                self.in_flight.add(id)
                self.waiting.append((id, event))
        self.launch()

    def launch(self) -> None:
        while self.waiting and len(self.tasks) < self.concurrency:
            task = asyncio.get_running_loop().create_task(self.call(*self.waiting.popleft()))
            self.tasks.add(task)
            task.add_done_callback(self.landed)

    def landed(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an outside call failed, the sweep makes it again", error=repr(error))
        self.launch()

    async def call(self, id: UUID, event: Envelope[Any]) -> None:
        cause, span = (event, None) if self.tracing is None else self.tracing.called(event)
        try:
            failpoint("call_before")
            answer = await self.perform(event.data)
            failpoint("call_after_before_answer")
        except BaseException:
            self.in_flight.discard(id)
            raise
        finally:
            if span is not None:
                span.end()
        self.calls += 1
        unit = self.desk.unit
        answered = envelope(answer, id=unit.new_id(), source=unit.source, now=self.clock(), cause=cause)
        self.desk.put(Arrival("call", id, [answered], done=lambda: self.in_flight.discard(id)))

    async def run(self) -> None:
        first = True
        while True:
            try:
                now = self.clock()
                records = await self.store.uncalled(now, now - (timedelta(0) if first else self.SWEEP_AFTER), 500)
                first = False
                if records:
                    failpoint("call_claimed")
                self.offer(self.readable(records))
            except Exception as error:
                log.warning("calls were not swept", error=repr(error))
            await asyncio.sleep(2.0)

    def readable(self, records: Iterable[Any]) -> Iterable[tuple[UUID, Envelope[Any]]]:
        """Those whose text is still a message; the others are parked, lest they hold back all calls."""
        for record in records:
            try:
                yield record["id"], read_one(record["body"])
            except Unreadable as error:
                unreadable = unreadable_row(self.desk, "call", record["body"], error, self.clock())
                self.desk.put(Arrival("call", record["id"], [], unreadable=(unreadable,)))

    def idle(self) -> bool:
        return not self.in_flight

    async def end(self) -> None:
        """Begins nothing new and gives up what it waits for; the next start makes these calls again."""
        self.waiting.clear()
        await ended(self.tasks)


def unreadable_row(desk: Desk, kind: str, body: str, error: Exception, now: datetime) -> Parked:
    """A row of our own tables that this version of the program cannot read."""
    reason = reason_of(error)
    return Parked(desk.unit.new_id(), now, "", "", None, kind, 1, reason, "", body)


class Timekeeper:
    """Feeds timers that are due into the desk. A timer is claimed by deleting its row, so it fires once."""

    LEASE = timedelta(seconds=10)

    def __init__(self, store: PostgresStore, desk: Desk, clock: Callable[[], datetime]) -> None:
        self.store, self.desk, self.clock = store, desk, clock
        self.wake = asyncio.Event()
        self.next: datetime | None = None
        self.fired = 0
        self.fresh = True  # until the first look: what is leased then was taken by a process that died

    def hint(self, timers: Iterable[StoredTimer]) -> None:
        """Called after a commit: something may be due sooner than we would look."""
        due = [timer.due_at for timer in timers if timer.due_at]
        if due and (self.next is None or min(due) < self.next):
            self.next = min(due)
            self.wake.set()

    async def run(self) -> None:
        while True:
            try:
                fired = await self.fire()
                pause_s = 0.0 if fired else await self.pause()
            except Exception as error:
                log.warning("timers were not read", error=repr(error))
                pause_s = 1.0
            if pause_s > 0:
                try:
                    async with asyncio.timeout(pause_s):
                        await self.wake.wait()
                except TimeoutError:
                    pass
            self.wake.clear()

    async def pause(self) -> float:
        self.next = await self.store.next_due()
        if self.next is None:
            return 1.0
        return min(1.0, max(0.005, (self.next - self.clock()).total_seconds()))

    async def fire(self) -> int:
        now = self.clock()
        records = await self.store.due(now, now if self.fresh else now - self.LEASE, 256)
        if not records:
            self.fresh = False
            return 0
        failpoint("timer_claimed")
        handled: list[asyncio.Future[None]] = []
        loop = asyncio.get_running_loop()
        for record in records:
            events: list[Envelope[Any]] = []
            unreadable: tuple[Parked, ...] = ()
            try:
                events.append(read_one(record["body"]))
            except Unreadable as error:  # must not hold back the others
                unreadable = (unreadable_row(self.desk, "timer", record["body"], error, now),)
            waits: asyncio.Future[None] = loop.create_future()
            handled.append(waits)
            self.desk.put(
                Arrival(
                    "timer",
                    events[0].id if events else self.desk.unit.new_id(),
                    events,
                    done=lambda waits=waits: None if waits.done() else waits.set_result(None),  # type: ignore[misc]
                    timer=(record["key"], record["due_at"]),
                    attempt=record["attempt"],
                    unreadable=unreadable,
                )
            )
        await asyncio.gather(*handled)
        self.fired += len(records)
        return len(records)
