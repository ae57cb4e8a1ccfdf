"""The suite as a machine with one clock: four services on the real unit of work, a bus, and what may happen to both.

A heap of (time, number, what) is the whole future. A service that crashes loses what it had in memory: deliveries that
were not acknowledged come again, its outbox is swept, its timers and outside calls are taken up again.
"""

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, SafeUUID

from comptoir.simulate.plan import SECOND, SERVICES, Case, Plan, Tape, dice, plan_of
from shared.contracts.message import Message
from shared.messaging.bus import Reader, arrival_of
from shared.messaging.decision import Handlers, Reply
from shared.messaging.desk import MAX_BATCH
from shared.messaging.envelope import Envelope, Packet, envelope, read_one, write
from shared.messaging.memory import MemoryStore
from shared.messaging.unit import Arrival, Outcome, StoredTimer, Unit, Written

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
SWEEP = 5 * SECOND
Result = TypeVar("Result")
_uuid = UUID.__new__
_set = object.__setattr__


class Broken(Exception):
    """A law is broken, or something happened that never may."""


class Shell(Unit):
    """The real unit of work. It may hand over an event itself instead of its JSON: a ticket stands for the text."""

    tickets: dict[str, Envelope[Any]] | None = None

    def wrap(self, message: Message, cause: Envelope[Any], now: datetime) -> Written:
        if self.tickets is None:
            return super().wrap(message, cause, now)
        event = envelope(message, id=self.new_id(), source=self.source, now=now, cause=cause)
        ticket = f"{len(self.tickets):x}"
        self.tickets[ticket] = event
        return event, ticket


def run(step: Coroutine[Any, Any, Result]) -> Result:
    """The shell's coroutines never wait here: the memory store answers at once."""
    try:
        step.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("the simulated shell waited")


class Node:
    """One process of a service: what it has stored, and what it has in memory."""

    def __init__(self, machine: "Machine", n: int, unit: Shell, store: MemoryStore) -> None:
        self.n, self.name, self.unit, self.store = n, SERVICES[n], unit, store
        self.machine = machine
        self.books = store.books
        self.skew = 0  # its clock runs ahead by so much
        self.life = 1
        self.up, self.back_at = True, 0
        self.waiting: deque[Arrival] = deque()
        self.called = False  # a look at the desk is on the heap
        self.sweeping = False
        self.unacked: dict[int, Packet] = {}
        self.asked: dict[UUID, Arrival] = {}  # requests without an answer
        self.clogged_until = 0
        self.generation = 0  # of its queue; a purge begins the next one
        self.reader = Reader(self.name, self.waiting.append, self.clock, machine.new_id)

    def clock(self) -> datetime:
        return T0 + timedelta(microseconds=self.machine.now + self.skew)


class Machine:
    """Runs one case from the first order to rest."""

    def __init__(
        self,
        case: Case,
        services: Iterable[tuple[Handlers, Any, dict[Any, Any], dict[Any, Any]]],
        readers: dict[str, tuple[int, ...]],
    ) -> None:
        """`services`: handlers, policy, checks and conditions of each, in the order of SERVICES."""
        self.case, self.plan = case, plan_of(case.seed)
        self.tape = Tape(self.plan, case)
        self.now = self.events = self.seq = self.ids = 0
        self.heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self.tickets: dict[str, Envelope[Any]] | None = None if self.plan.encoded else {}
        self.readers = readers
        self.outage_until = 0
        self.trace = 0
        self.story: list[tuple[int, str, str]] | None = None
        self.poison: set[UUID] = set()  # packets that nobody can read, and events that cannot be handled
        self.nodes: list[Node] = []
        for n, (handlers, policy, checks, shown) in enumerate(services):
            store = MemoryStore(checks, shown)
            unit = Shell(SERVICES[n], store, handlers, policy, lambda: T0, self.new_id)
            unit.tickets = self.tickets
            node = Node(self, n, unit, store)
            unit.clock = node.clock
            self.nodes.append(node)

    # Time, ids

    def at(self, when: int, what: Callable[..., None], *args: Any) -> None:
        self.seq += 1
        heapq.heappush(self.heap, (when if when > self.now else self.now, self.seq, what, args))

    def new_id(self) -> UUID:
        """A UUID of version 7: the time in milliseconds, then a running number."""
        self.ids += 1
        id = _uuid(UUID)
        n = (1767600000000 + self.now // 1000) << 80 | 7 << 76 | 2 << 62 | self.ids
        _set(id, "int", n)
        _set(id, "is_safe", SafeUUID.unknown)
        return id

    def tell(self, who: str, what: str) -> None:
        if self.story is not None:
            self.story.append((self.now, who, what))

    def step(self) -> None:
        when, _, what, args = heapq.heappop(self.heap)
        self.now = when
        self.events += 1
        what(*args)

    # The desk and the points at which a process may die

    def put(self, node: Node, arrival: Arrival) -> None:
        node.waiting.append(arrival)
        if not node.called:
            node.called = True
            self.at(self.now + self.plan.pace, self.work, node, node.life)

    def work(self, node: Node, life: int) -> None:
        if life != node.life:
            return
        node.called = False
        batch: list[Arrival] = []
        events = 0
        while node.waiting and events < MAX_BATCH:
            arrival = node.waiting.popleft()
            batch.append(arrival)
            events += max(1, len(arrival.envelopes))
        if node.waiting:
            node.called = True
            self.at(self.now + self.plan.pace, self.work, node, node.life)
        if not batch:
            return
        tape = self.tape
        if drawn := tape.hit("crash before commit"):
            self.tell(node.name, "crashes before its commit")
            self.crash(node, _length(drawn))
            return
        outcomes = run(node.unit.work(batch))
        for outcome in outcomes:
            self.committed(node, outcome)
        for outcome in outcomes:
            for timer in outcome.timers.values():
                self.arm(node, timer)
            for event, _ in outcome.calls:
                self.at(self.now + self.plan.hops[node.n], self.call, node, node.life, event.id, event)
        if drawn := tape.hit("crash after commit"):
            self.tell(node.name, "crashes after its commit, before it publishes")
            self.crash(node, _length(drawn))
            return
        confirmed = [p for outcome in outcomes for p in outcome.packets if self.publish(p)]
        if drawn := tape.hit("crash after publish"):
            self.tell(node.name, "crashes after publishing, before it knows that")
            self.crash(node, _length(drawn))
            return
        for packet in confirmed:
            node.books.sent[packet.id] = node.books.outbox.pop(packet.id)
        if node.books.outbox:
            self.sweep_later(node)
        if drawn := tape.hit("crash before ack"):
            self.tell(node.name, "crashes before it acknowledges")
            self.crash(node, _length(drawn))
            return
        for outcome in outcomes:
            for arrival, reply in outcome.answers:
                if arrival.answer is not None:
                    arrival.answer(reply)
            for arrival in outcome.arrivals:
                if arrival.done is not None:
                    arrival.done()

    def crash(self, node: Node, length: int) -> None:
        """What was in memory is gone; what was not acknowledged comes again."""
        node.life += 1
        node.up, node.called, node.sweeping = False, False, False
        node.back_at = max(node.back_at, self.now + length)
        node.waiting.clear()
        unacked, node.unacked = node.unacked, {}
        for packet in unacked.values():
            self.at(node.back_at + 1000, self.deliver, node, packet, node.generation)
        self.at(node.back_at, self.restart, node, node.life)

    def restart(self, node: Node, life: int) -> None:
        if life != node.life:
            return
        node.up = True
        self.tell(node.name, "starts again")
        for timer in list(node.books.timers.values()):
            self.arm(node, timer)
        for id, text in node.books.calls.items():
            event = read_one(text) if self.tickets is None else self.tickets[text]
            self.at(self.now + 1000, self.call, node, node.life, id, event)
        for arrival in list(node.asked.values()):
            self.at(self.now + SECOND, self.arrive, node, arrival)
        self.sweep(node, node.life)

    # The relay and the bus

    def sweep_later(self, node: Node) -> None:
        if not node.sweeping:
            node.sweeping = True
            self.at(max(self.now, self.outage_until) + SWEEP, self.sweep, node, node.life)

    def sweep(self, node: Node, life: int) -> None:
        """Publishes what was committed and is not known to have arrived."""
        if life != node.life:
            return
        node.sweeping = False
        for packet in list(node.books.outbox.values()):
            if self.publish(packet):
                node.books.sent[packet.id] = node.books.outbox.pop(packet.id)
        if node.books.outbox:
            self.sweep_later(node)

    def publish(self, packet: Packet) -> bool:
        """True when the bus has confirmed it. False: nobody knows."""
        tape, now = self.tape, self.now
        readers = self.readers.get(packet.key, ())
        if not readers:
            return True
        if now < self.outage_until:
            return False
        if tape.hit("lost before confirm"):
            self.tell("bus", f"loses {packet.key} and does not confirm it")
            return False
        confirmed = True
        if tape.hit("confirm lost"):
            self.tell("bus", f"takes {packet.key}, the confirm is lost")
            confirmed = False
        for n in readers:
            node = self.nodes[n]
            at = now + self.plan.hops[n]
            if drawn := tape.hit("delay"):
                at += int(drawn * 60 * SECOND)
            if drawn := tape.hit("long delay"):
                self.tell("bus", f"keeps {packet.key} for {node.name} back for a long time")
                at += int(drawn * 3000 * SECOND)
            if drawn := tape.hit("reorder"):
                at += int(drawn * 2 * SECOND)
            self.at(at, self.deliver, node, packet, node.generation)
            if drawn := tape.hit("duplicate"):
                self.at(at + int(drawn * SECOND), self.deliver, node, packet, node.generation)
            if drawn := tape.hit("late duplicate"):
                self.at(at + int(drawn * 3600 * SECOND), self.deliver, node, packet, node.generation)
        return confirmed

    def deliver(self, node: Node, packet: Packet, generation: int) -> None:
        if generation != node.generation:
            return  # purged
        waits_until = max(self.outage_until, node.clogged_until, 0 if node.up else node.back_at + 1000)
        if waits_until > self.now:
            self.at(waits_until, self.deliver, node, packet, generation)
            return
        self.seq += 1
        tag = self.seq
        node.unacked[tag] = packet

        def done() -> None:
            node.unacked.pop(tag, None)

        if self.tickets is not None and packet.body[0] == "[" and packet.id not in self.poison:
            found = [self.tickets[ticket] for ticket in packet.body[1:-1].split(",")]
            arrival = Arrival("packet", packet.id, found, done)
        else:
            body = packet.body
            if self.tape.hit("newer version"):  # the sender is newer and says more than we know of
                body = body.replace('"data":{', '"shard":7,"data":{"said_by_a_newer_version":{"a":[1]},')
            arrival = arrival_of(node.reader, packet.key, body, packet.id, done)
        self.put(node, arrival)

    # Timers and outside calls

    def arm(self, node: Node, timer: StoredTimer) -> None:
        if timer.due_at is not None:
            due = (timer.due_at - T0) // timedelta(microseconds=1) - node.skew
            self.at(due, self.fire, node, timer.key, timer.due_at)

    def fire(self, node: Node, key: str, due_at: datetime) -> None:
        """A timer that stands is claimed by its unit of work, so it fires once."""
        timer = node.books.timers.get(key)
        if timer is None or timer.due_at != due_at or not node.up:
            return
        if node.clock() < due_at:  # its clock was set back meanwhile
            self.arm(node, timer)
            return
        text = timer.body
        event = read_one(text) if self.tickets is None or text[0] == "{" else self.tickets[text]
        self.put(node, Arrival("timer", event.id, [event], timer=(key, due_at), attempt=timer.attempt))

    def call(self, node: Node, life: int, id: UUID, event: Envelope[Any]) -> None:
        if life != node.life or id not in node.books.calls:
            return
        wait, answer = self.perform(node, event.data)
        self.at(self.now + wait, self.answered, node, life, id, event, answer)

    def answered(self, node: Node, life: int, id: UUID, event: Envelope[Any], answer: Message) -> None:
        if life != node.life:
            return  # whoever waited for the answer is gone; the call is made again
        said = envelope(answer, id=self.new_id(), source=node.unit.source, now=node.clock(), cause=event)
        self.put(node, Arrival("call", id, [said]))

    # Requests

    def ask(
        self, service: int, message: Message, id: UUID | None = None, then: Callable[[Reply], None] | None = None
    ) -> None:
        """A request with an Idempotency-Key, sent again until it is answered."""
        node = self.nodes[service]
        key = id or self.new_id()
        event = envelope(
            message, id=self.new_id(), source=node.unit.source, now=node.clock(), correlation=message.subject
        )

        def answer(reply: Reply) -> None:
            if node.asked.pop(key, None) is None:
                return
            self.replied(node, message, reply)
            if then is not None:
                then(reply)

        arrival = Arrival("request", key, [event], None, answer, fingerprint=message.key)
        node.asked[key] = arrival
        self.arrive(node, arrival)
        if self.tape.hit("request twice"):
            self.at(self.now + SECOND, self.arrive, node, arrival)
        if self.tape.hit("request with other content"):
            other = Arrival("request", key, [event], None, self.other_refused, fingerprint="other")
            self.at(self.now + 30 * SECOND, self.arrive_other, node, other)

    def arrive_other(self, node: Node, other: Arrival) -> None:
        if node.up and other.id in node.books.requests:
            self.put(node, other)

    def other_refused(self, reply: Reply) -> None:
        """Known keys refuse other content; a key that was forgotten after a failure is free again."""
        if reply.status < 400:
            raise Broken(f"I24: a request with a known key and other content was answered {reply.status}")

    def arrive(self, node: Node, arrival: Arrival) -> None:
        if not node.up:
            self.at(node.back_at + SECOND, self.arrive, node, arrival)
        else:
            self.put(node, arrival)

    # What a world adds

    def committed(self, node: Node, outcome: Outcome) -> None:
        """Called after each commit."""

    def replied(self, node: Node, message: Message, reply: Reply) -> None:
        """Called when a request is answered."""

    def perform(self, node: Node, call: Message) -> tuple[int, Message]:
        """Makes an outside call: how long it takes, and the answer."""
        raise NotImplementedError

    def dice(self, label: str) -> Any:
        return dice(self.plan.seed, label)


def _length(drawn: float) -> int:
    """Most restarts take seconds; some crashes are found in the morning."""
    return int(SECOND * (1 + drawn * 20) if drawn < 0.85 else 3000 * SECOND * drawn)


__all__ = ["T0", "Broken", "Machine", "Node", "Plan", "run", "write"]
