"""The unit of work: a batch of arrivals, one transaction, one statement that writes everything."""

import traceback
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

from shared.cards import masked
from shared.contracts.message import Event, Internal, Message
from shared.failpoints import failpoint
from shared.messaging.decision import (
    Call,
    Context,
    Handlers,
    Missing,
    Needs,
    Refused,
    Reply,
    Row,
    Rows,
    Timer,
)
from shared.messaging.envelope import MAX_EVENT_BYTES, Envelope, Packet, TooLarge, envelope, pack, size_of, write


class Tracing(Protocol):
    """Makes a span of each event that is decided; shared/tracing.py has the one that there is."""

    def taken(self, event: Envelope[Any]) -> tuple[Envelope[Any], Any]: ...


LADDER = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
"""When a message that misses something is tried again, before it is parked."""

Kind = Literal["packet", "request", "timer", "call", "parked"]


@dataclass(slots=True, eq=False)
class Arrival:
    """What came in together and is claimed together: a packet, a request, a timer, an answer, a replayed message."""

    kind: Kind
    id: UUID
    envelopes: list[Envelope[Any]]
    done: Callable[[], None] | None = None  # called once after its effects are committed
    answer: Callable[[Reply], None] | None = None  # requests only
    fingerprint: str = ""  # requests only: a hash of the content
    timer: tuple[str, datetime] | None = None  # timers only: (key, due_at), what is claimed
    attempt: int = 0
    by: str = ""  # parked messages only: who has it replayed,
    why: str = ""  # for what reason,
    act: UUID | None = None  # and the id under which that is kept
    unreadable: "tuple[Parked, ...]" = ()  # bytes that are no message; stored, so that nothing is lost


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that a person must look at."""

    id: UUID
    at: datetime
    key: str
    subject: str
    event_id: UUID | None
    arrived_by: str
    attempts: int
    reason: str
    detail: str
    body: str


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did with the mechanism's own tables: who, when, what, why, and what came of it."""

    id: UUID
    at: datetime
    by: str
    what: str
    parked_id: UUID | None
    key: str
    subject: str
    why: str
    outcome: str
    detail: str = ""


def parked_text(text: str, limit: int | None = None) -> str:
    """Text that PostgreSQL can hold whatever came in, so that parking a message never fails itself."""
    return text[:limit].replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def reason_of(error: Exception) -> str:
    """Why a message is parked. What it was about stays in its body, which a replay needs as it came."""
    return parked_text(masked(f"{type(error).__name__}: {error}"), 2000)


@dataclass(frozen=True, slots=True)
class StoredTimer:
    key: str
    due_at: datetime | None
    attempt: int = 0
    body: str = ""


Written = tuple[Envelope[Any], str]
"""An event and its text: written where it is decided, so that what cannot be written is parked like any failure."""


@dataclass(slots=True)
class Outcome:
    """What one unit of work comes to; all of it is written in one statement."""

    rows: Rows
    now: datetime
    sent: list[Written] = field(default_factory=list)
    packets: list[Packet] = field(default_factory=list)
    timers: dict[str, StoredTimer] = field(default_factory=dict)
    calls: list[Written] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    replies: dict[UUID, Reply] = field(default_factory=dict)  # by request id, kept for a repeated request
    forgotten: list[UUID] = field(default_factory=list)  # requests that failed and may be tried again
    arrivals: list[Arrival] = field(default_factory=list)
    new: list[Arrival] = field(default_factory=list)  # those that were ours to decide
    answers: list[tuple[Arrival, Reply]] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    failed: int = 0
    spans: list[Any] = field(default_factory=list)  # of traces; they end when this is committed


class Transaction(Protocol):
    """One transaction of a service's store."""

    async def claim(self, arrivals: Sequence[Arrival], now: datetime) -> "Claimed": ...
    async def load(self, rows: Rows, wanted: Mapping[type[Row], list[Hashable]]) -> None: ...
    async def save(self, outcome: Outcome) -> None: ...


@dataclass(slots=True)
class Claimed:
    """`new` are ours to decide; `known` requests get their stored reply; all others were handled before."""

    new: list[Arrival]
    known: list[tuple[Arrival, Reply]]


class Store(Protocol):
    """Where a service keeps its rows: PostgreSQL, or memory in the simulator."""

    def begin(self, *, dry: bool = False, patient: bool = True) -> AbstractAsyncContextManager[Transaction]: ...
    def is_guilty(self, error: Exception) -> bool: ...
    def is_held(self, error: Exception) -> bool: ...


class Unit:
    """Decides batches of arrivals for one service."""

    def __init__(
        self,
        service: str,
        store: Store,
        handlers: Handlers,
        policy: Any,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self.service, self.store, self.handlers, self.policy = service, store, handlers, policy
        self.clock, self.new_id = clock, new_id
        self.source = f"/comptoir/{service}"
        self.tracing: Tracing | None = None

    async def work(self, arrivals: Sequence[Arrival], *, patient: bool = True) -> list[Outcome]:
        """One transaction. If the data is at fault: again, then halves, then event by event, so only the guilty suffer.

        Raises when the database is away or asks for another try: nothing is stored then, and nothing is acked.
        `patient`: waits some seconds for rows that somebody else holds, otherwise hardly at all.
        """
        try:
            return [await self.attempt(arrivals, patient=patient)]
        except Exception as error:
            if not self.store.is_guilty(error):
                raise
        try:  # another replica may have inserted the same row just now; then it is there to be loaded this time
            return [await self.attempt(arrivals, patient=patient)]
        except Exception as error:
            if not self.store.is_guilty(error):
                raise
            if len(arrivals) > 1:
                middle = len(arrivals) // 2
                halves = arrivals[:middle], arrivals[middle:]
                return [outcome for half in halves for outcome in await self.work(half, patient=patient)]
        try:
            return [await self.attempt(arrivals, await self.blame(arrivals[0]))]
        except Exception as error:  # not even so: all of it waits for a person, and the queue behind it goes on
            if not self.store.is_guilty(error):
                raise
            return [await self.attempt(arrivals, {event.id: error for event in arrivals[0].envelopes})]

    async def blame(self, arrival: Arrival) -> dict[UUID, Exception]:
        """Which events of one arrival the database refuses.

        Halving finds the shortest beginning that is refused: its last event is guilty. Then the rest is tried without
        it. Every try is a dry run, so nothing that a later event breaks is stored before it is found.
        """
        guilty: dict[UUID, Exception] = {}
        while (refusal := await self.refusal(arrival, guilty, len(arrival.envelopes))) is not None:
            taken, refused = 0, len(arrival.envelopes)
            while refused - taken > 1:
                middle = (taken + refused) // 2
                earlier = await self.refusal(arrival, guilty, middle)
                if earlier is None:
                    taken = middle
                else:
                    refused, refusal = middle, earlier
            if refused == 0 or (id := arrival.envelopes[refused - 1].id) in guilty:
                raise refusal  # not for what any event did
            guilty[id] = refusal
        return guilty

    async def refusal(self, arrival: Arrival, guilty: Mapping[UUID, Exception], first: int) -> Exception | None:
        """What the database says to the first events of an arrival; nothing is stored."""
        try:
            await self.attempt([arrival], guilty, first=first, dry=True)
        except Exception as error:
            if not self.store.is_guilty(error):
                raise
            return error
        return None

    async def attempt(
        self,
        arrivals: Sequence[Arrival],
        guilty: Mapping[UUID, Exception] | None = None,
        *,
        first: int | None = None,
        dry: bool = False,
        patient: bool = True,
    ) -> Outcome:
        now = self.clock()
        failpoint("before_tx")
        async with self.store.begin(dry=dry, patient=patient) as transaction:
            claimed = await transaction.claim(arrivals, now)
            failpoint("after_claim")
            rows = Rows()
            outcome = Outcome(rows, now, arrivals=list(arrivals), new=claimed.new, answers=list(claimed.known))
            events = [(a, e) for a in claimed.new for e in (a.envelopes if first is None else a.envelopes[:first])]
            failed = dict(guilty or ())
            await self.load(transaction, rows, events, failed)
            for arrival, event in events:
                self.decide(arrival, event, outcome, failed)
            for arrival in claimed.new:
                outcome.parked.extend(arrival.unreadable)
                if arrival.kind == "request" and not arrival.envelopes:
                    self.reply(arrival, Reply({}), outcome)  # it only claims its id, for the requests that follow
                if arrival.kind == "parked":
                    outcome.acts.append(self.replayed(arrival, outcome))
            outcome.packets = list(pack([(event.type, text) for event, text in outcome.sent], self.new_id))
            await transaction.save(outcome)
            failpoint("before_commit")
        return outcome

    async def rehearse(self, message: Message, actor: str = "", then: Sequence[Message] = ()) -> Outcome:
        """What a request would come to: really decided, on the real rows, and undone.

        `then`: what would follow it, decided in turn on what it left; the first answer is the request's own.
        """
        now = self.clock()
        events = [envelope(m, id=self.new_id(), source=self.source, now=now, actor=actor) for m in (message, *then)]
        asked = [Arrival("request", self.new_id(), [event]) for event in events]
        guilty: dict[UUID, Exception] = {}
        for _ in range(2):  # the same row may have been inserted just now; then it is there to be loaded
            try:
                return await self.attempt(asked, dry=True)
            except Exception as error:
                if not self.store.is_guilty(error):
                    raise
                guilty = {event.id: error for event in events}
        return await self.attempt(asked, guilty, dry=True)

    async def load(
        self,
        transaction: Transaction,
        rows: Rows,
        events: Iterable[tuple[Arrival, Envelope[Any]]],
        failed: dict[UUID, Exception],
    ) -> None:
        """Two rounds: what the messages name, then what the rows found in the first round name.

        An event that cannot say what it needs has failed; it is added to `failed`.
        """
        second: list[tuple[Callable[[Any, Rows], Needs], Envelope[Any]]] = []
        wanted: dict[type[Row], list[Hashable]] = {}
        for _, event in events:
            handler = self.handlers.get(type(event.data))
            if handler is None or event.id in failed:
                continue
            try:
                self.declare(rows, list(handler.needs(event.data)), wanted)
            except Exception as error:
                failed[event.id] = error
                continue
            if handler.more is not None:
                second.append((handler.more, event))
        if wanted:
            await transaction.load(rows, wanted)
        if second:
            wanted = {}
            for more, event in second:
                try:
                    self.declare(rows, list(more(event.data, rows)), wanted)
                except Exception as error:
                    failed[event.id] = error
            if wanted:
                await transaction.load(rows, wanted)

    @staticmethod
    def declare(rows: Rows, needs: Needs, wanted: dict[type[Row], list[Hashable]]) -> None:
        for kind, group in needs:
            if rows.declare(kind, group):
                wanted.setdefault(kind, []).append(group)

    def decide(
        self, arrival: Arrival, event: Envelope[Any], outcome: Outcome, failed: Mapping[UUID, Exception]
    ) -> None:
        """One event. If it fails, its effects are dropped and nobody else notices."""
        cause = event
        if self.tracing is not None:
            cause, span = self.tracing.taken(event)
            outcome.spans.append(span)
        try:
            if event.id in failed:
                raise failed[event.id]
            handler = self.handlers.get(type(event.data))
            if handler is None:
                if isinstance(event.data, Event):
                    return  # a fact to which nobody has to listen: an earlier version's binding brought it
                raise LookupError(f"{self.service} does not handle {event.type}")
            context = Context(
                outcome.now, self.new_id, self.policy, event.id, event.actor, event.time, event.causationid
            )
            effects = list(handler.decide(event.data, outcome.rows, context))
            changed: list[Row] = []
            sent: list[Written] = []
            calls: list[Written] = []
            timers: list[StoredTimer] = []
            reply: Reply | None = None
            for effect in effects:
                if isinstance(effect, Row):
                    changed.append(effect)
                elif isinstance(effect, Internal):
                    raise TypeError(f"{effect.key} never travels on the bus: yield it as a Timer or a Call")
                elif isinstance(effect, Message):
                    sent.append(self.wrap(effect, cause, outcome.now))
                elif isinstance(effect, Timer):
                    if effect.due_at is not None and (effect.message is None or effect.due_at.tzinfo is None):
                        raise TypeError(f"timer {effect.key} has no message or no time zone")
                    body = self.wrap(effect.message, cause, outcome.now)[1] if effect.message else ""
                    timers.append(StoredTimer(effect.key, effect.due_at, 0, body))
                elif isinstance(effect, Call):
                    calls.append(self.wrap(effect.message, cause, outcome.now))
                elif isinstance(effect, Reply):
                    reply = effect
                else:
                    raise TypeError(f"{type(effect).__name__} is no effect")
            outcome.rows.put(changed)
        except Exception as error:
            self.fail(arrival, event, error, outcome)
            return
        outcome.sent.extend(sent)
        outcome.calls.extend(calls)
        outcome.timers.update({timer.key: timer for timer in timers})
        if arrival.kind == "request":
            self.reply(arrival, reply or Reply({}), outcome)

    def wrap(self, message: Message, cause: Envelope[Any], now: datetime) -> Written:
        event = envelope(message, id=self.new_id(), source=self.source, now=now, cause=cause)
        text = write(event)
        if (size := size_of(text)) > MAX_EVENT_BYTES:
            raise TooLarge(f"{message.key}: an event of {size} bytes")
        return event, text

    def reply(self, arrival: Arrival, reply: Reply, outcome: Outcome) -> None:
        outcome.replies[arrival.id] = reply
        outcome.answers.append((arrival, reply))

    def fail(self, arrival: Arrival, event: Envelope[Any], error: Exception, outcome: Outcome) -> None:
        """To its caller, to a later try, or to a person."""
        outcome.failed += 1
        if arrival.kind == "request":
            if isinstance(error, Refused):
                problem = {"title": error.reason, "status": error.status, "field": error.field}
                if error.also:
                    problem["also"] = [list(other) for other in error.also]
                self.reply(arrival, Reply(problem, error.status), outcome)
                return
            status, title = self.verdict(error)
            outcome.forgotten.append(arrival.id)
            outcome.answers.append((arrival, Reply({"title": title, "status": status, "error": repr(error)}, status)))
            return
        if isinstance(error, Missing) and arrival.attempt < len(LADDER):
            outcome.timers[f"retry:{event.id}"] = StoredTimer(
                f"retry:{event.id}", outcome.now + LADDER[arrival.attempt], arrival.attempt + 1, write(event)
            )
            return
        outcome.parked.append(self.parked(arrival, event, error, outcome.now))

    def replayed(self, arrival: Arrival, outcome: Outcome) -> Act:
        """A replay as it is kept, in the transaction of its effects."""
        events = {event.id for event in arrival.envelopes}
        first = arrival.envelopes[0]
        again = next((parked.reason for parked in outcome.parked if parked.event_id in events), "")
        waits = any(f"retry:{id}" in outcome.timers for id in events)
        word = "parked again" if again else "waits" if waits else "done"
        return Act(
            arrival.act or self.new_id(), outcome.now, parked_text(arrival.by, 200), "replay", arrival.id, first.type,
            parked_text(first.subject, 200), parked_text(arrival.why, 1000), word, again,
        )  # fmt: skip

    @staticmethod
    def verdict(error: Exception) -> tuple[int, str]:
        """Status and title for the caller of a request that failed. The database's own words stay inside."""
        if isinstance(error, Missing):
            return 404, str(error)
        state = str(getattr(error, "sqlstate", "") or "")
        if state.startswith("23"):
            return 409, "this conflicts with what is there"
        if state.startswith(("22", "54")):
            return 422, "a value of the request cannot be stored"
        return 500, "the request failed"

    def parked(self, arrival: Arrival, event: Envelope[Any], error: Exception, now: datetime) -> Parked:
        reason = reason_of(error)
        detail = parked_text(masked("".join(traceback.format_exception(error, limit=-6))), 8000)
        return Parked(
            self.new_id(), now, event.type, parked_text(event.subject, 200), event.id, arrival.kind,
            arrival.attempt + 1, reason, detail, write(event),
        )  # fmt: skip
