"""The desk: takes whatever has arrived, has it decided as one unit, and hands on what was committed."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from math import exp
from typing import Any
from uuid import UUID, uuid5

import structlog

from shared.contracts.message import Message
from shared.failpoints import failpoint
from shared.messaging.bus import stopping
from shared.messaging.decision import Reply
from shared.messaging.envelope import envelope
from shared.messaging.unit import Arrival, Outcome, Unit

log = structlog.get_logger("comptoir.desk")

MAX_BATCH = 512
"""Events of one unit of work; whole arrivals are taken, so a unit may exceed it by one packet."""

ENOUGH = 32
"""Events that wait, from which on more would hardly make one of them cheaper."""

LINGER_S = 0.02
"""The longest pause between two small units."""

BUSY = 0.3
"""A desk pauses when it had something to do for more than this share of LATELY_S, pauses included."""
LATELY_S = 0.25

ANSWERED_WITHIN_S = 25.0
"""How long a request is waited for while the database is away; less than doors and clients wait."""
MOST_ASKED = 10_000
"""Requests that may wait; a database that is away must not fill memory with what is asked again and again."""
MOST_BESIDE = 20
"""Arrivals that wait beside for rows which somebody else holds; when there are more it is no matter of some rows."""
BESIDE_S = (1.0, 10.0)
"""How long one of them waits for its next try, the first time and at most."""
IN_FLIGHT = "the same request is still in flight"
LATE = "not stored yet, the database does not answer now: ask again with the same key"
FULL = "too many requests wait for the database"


def fingerprint(*messages: Message) -> str:
    """Of the content of requests. Who sends them is no part of it: a colleague may repeat what was not answered."""
    text = "\n".join(f"{message.key}:{message.model_dump_json(exclude={'actor'})}" for message in messages)
    return sha256(text.encode()).hexdigest()


def refused(status: int, title: str) -> Reply:
    return Reply({"title": title, "status": status}, status)


async def within(answered: "asyncio.Future[Reply]") -> Reply:
    """The answer, or 503 when it takes too long."""
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            return await answered
    except TimeoutError:
        return refused(503, LATE)


class Desk:
    """One unit of work at a time. At low load a batch is one message; under load the cost per message falls.

    A unit of one event costs nearly as much as one of thirty. So when a busy desk finds a few waiting at the end of a
    unit, others are on their way: it pauses twice as long as that unit took and takes them together. What comes to a
    desk with little to do never waits, nor does a backlog.
    """

    def __init__(
        self,
        unit: Unit,
        committed: Callable[[Outcome], None],
        *,
        max_batch: int = MAX_BATCH,
        linger_s: float = LINGER_S,
    ) -> None:
        self.unit, self.committed, self.max_batch, self.linger_s = unit, committed, max_batch, linger_s
        self.waiting: deque[Arrival] = deque()
        self.wake = asyncio.Event()
        self.asked: set[UUID] = set()
        self.beside: dict[Arrival, int] = {}  # and how often each was tried
        self.due: deque[Arrival] = deque()  # those of them whose next try is due
        self.working = False
        self.busy = 0.0  # share of the time, lately
        self.units = self.events = self.failed = self.retries = self.known = 0  # since start, for metrics

    def put(self, arrival: Arrival) -> None:
        """Something came in. Its `done` is called after commit, and never when we crash before."""
        self.waiting.append(arrival)
        self.wake.set()

    async def ask(
        self, message: Message, *, id: UUID, actor: str = "", traceparent: str = "", event_id: UUID | None = None
    ) -> Reply:
        """A request: answered after its commit. The same id and content get the same answer, other content 422.

        503 when it is not committed in ANSWERED_WITHIN_S: it may still be, which its repeat is told.
        """
        if len(self.asked) >= MOST_ASKED:
            return refused(503, FULL)
        return await self._asked(message, id=id, actor=actor, traceparent=traceparent, event_id=event_id)

    async def _asked(
        self, message: Message, *, id: UUID, actor: str, traceparent: str, event_id: UUID | None = None
    ) -> Reply:
        if id in self.asked:
            return refused(409, IN_FLIGHT)
        answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(reply: Reply) -> None:
            if not answered.done():
                answered.set_result(reply)

        event = envelope(
            message,
            id=event_id or self.unit.new_id(),
            source=self.unit.source,
            now=self.unit.clock(),
            actor=actor,
            correlation=message.subject,
            traceparent=traceparent,
        )
        self.asked.add(id)  # until it is decided, even if its caller has gone: a repeat must not join the same batch
        done = partial(self.asked.discard, id)
        self.put(Arrival("request", id, [event], done, answer=answer, fingerprint=fingerprint(message)))
        return await within(answered)

    async def ask_each(
        self, messages: Sequence[Message], *, id: UUID, actor: str = "", traceparent: str = ""
    ) -> list[Reply] | Reply:
        """Many requests under one id, each decided by itself. One reply for all when the id is not free for them.

        The id is claimed first, with the content of all: the same again gets the same answers, other content 422.
        """
        if id in self.asked:
            return refused(409, IN_FLIGHT)
        if len(self.asked) + len(messages) > MOST_ASKED:
            return refused(503, FULL)
        claimed: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def answer(reply: Reply) -> None:
            if claimed.done():
                self.asked.discard(id)  # its caller has gone
            else:
                claimed.set_result(reply)

        self.asked.add(id)
        try:
            self.put(Arrival("request", id, [], answer=answer, fingerprint=fingerprint(*messages)))
            if (reply := await within(claimed)).status >= 400:
                return reply
            asked = [
                self._asked(message, id=uuid5(id, str(i)), actor=actor, traceparent=traceparent)
                for i, message in enumerate(messages)
            ]
            return await asyncio.gather(*asked)
        finally:
            if not claimed.cancelled():
                self.asked.discard(id)

    def take(self) -> list[Arrival]:
        """What is there, up to the bound."""
        batch: list[Arrival] = []
        events = 0
        while self.waiting and events < self.max_batch:
            arrival = self.waiting.popleft()
            batch.append(arrival)
            events += max(1, len(arrival.envelopes))
        return batch

    async def run(self) -> None:
        """Until cancelled. A unit that was cut off is not committed, so what it took comes again."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while True:
            await self.wake.wait()
            self.wake.clear()
            now = self.lately(now, loop.time(), busy=False)
            while self.waiting or self.due:
                began = now
                self.working = True  # until committed, pauses between tries included
                try:
                    if self.due:
                        await self.serve([self.due.popleft()], patient=False)
                    else:
                        await self.serve(self.take())
                finally:
                    self.working = False
                if pause_s := self.pause_s(loop.time() - began):
                    await asyncio.sleep(pause_s)
                now = self.lately(now, loop.time(), busy=True)

    def lately(self, since: float, now: float, *, busy: bool) -> float:
        """Takes a span of time into the share of busy time; gives its end."""
        self.busy = busy + (self.busy - busy) * exp((since - now) / LATELY_S)
        return now

    def pause_s(self, took_s: float) -> float:
        """How long to wait for more after a unit that took so long; 0 for an idle desk, and when enough waits."""
        if self.busy < BUSY:
            return 0.0
        events = 0
        for arrival in self.waiting:
            events += max(1, len(arrival.envelopes))
            if events >= min(ENOUGH, self.max_batch):
                return 0.0
        return min(2 * took_s, self.linger_s) if events else 0.0

    async def serve(self, batch: list[Arrival], *, patient: bool = True) -> None:
        """Tries the same batch until it is committed; the bus bounds what piles up meanwhile.

        Rows that somebody else holds, as a forgotten transaction at a terminal does, stop only those who want them.
        """
        parts, pause_s = [batch], 0.05
        while parts:
            try:
                outcomes = await self.unit.work(parts[-1], patient=patient)
            except Exception as error:
                if self.unit.store.is_held(error) and self.apart(parts):
                    patient = False
                    continue
                self.retries += 1  # an alarm: a few rows that are held have their own
                patient = True
                self.warn("not stored, trying again", parts[-1], error=repr(error), pause_s=pause_s)
            except asyncio.CancelledError:
                if stopping():
                    raise
            else:
                parts.pop()
                for outcome in outcomes:
                    self.finish(outcome)
                continue
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)

    def apart(self, parts: list[list[Arrival]]) -> bool:
        """Halves the last part, or has the only arrival in it wait beside. False: too many do, all are tried again."""
        part = parts.pop()
        if len(part) > 1:
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
            return True
        (arrival,) = part
        if arrival not in self.beside and len(self.beside) >= MOST_BESIDE:
            parts[:] = [[arrival, *(later for left in reversed(parts) for later in left)]]
            return False
        tries = self.beside[arrival] = self.beside.get(arrival, 0) + 1
        pause_s = min(BESIDE_S[0] * 2 ** (tries - 1), BESIDE_S[1])
        self.warn("somebody else holds its rows, it waits beside", part, pause_s=pause_s)
        asyncio.get_running_loop().call_later(pause_s, self.again, arrival)
        return True

    def again(self, arrival: Arrival) -> None:
        """The next try of one that waits beside is due."""
        self.due.append(arrival)
        self.wake.set()

    def warn(self, what: str, batch: Sequence[Arrival], **more: Any) -> None:
        self.tell(log.warning, what, batch, **more)

    def tell(self, say: Callable[..., Any], what: str, batch: Sequence[Arrival], **more: Any) -> None:
        """A line of the log that names the first event."""
        first = next((event for arrival in batch for event in arrival.envelopes), None)
        say(
            what,
            service=self.unit.service,
            events=sum(len(arrival.envelopes) for arrival in batch),
            key=first.type if first else "",
            subject=first.subject if first else "",
            correlation=first.correlationid if first else "",
            **more,
        )

    def finish(self, outcome: Outcome) -> None:
        self.units += 1
        self.events += sum(len(arrival.envelopes) for arrival in outcome.arrivals)
        self.failed += outcome.failed
        if len(outcome.new) < len(outcome.arrivals):  # what is twice in one unit is new, once
            new = {arrival.id for arrival in outcome.new}
            self.known += len({arrival.id for arrival in outcome.arrivals if arrival.kind == "packet"} - new)
        for span in outcome.spans:
            span.end()
        failpoint("after_commit_before_offer")
        self.committed(outcome)
        for arrival, reply in outcome.answers:
            if error := reply.body.get("error"):  # of a decision, not of its caller: nothing else tells
                self.tell(log.error, "a request failed", [arrival], error=error)
            if arrival.answer is not None:
                failpoint("http_answer_before_reply")
                arrival.answer(reply)
        failpoint("after_commit_before_ack")
        for arrival in outcome.arrivals:
            self.beside.pop(arrival, None)
            if arrival.done is not None:
                arrival.done()
        if not outcome.parked:
            return
        correlations: dict[UUID | None, str] = {
            event.id: event.correlationid for arrival in outcome.arrivals for event in arrival.envelopes
        }
        for parked in outcome.parked:
            log.error(
                "parked",
                service=self.unit.service,
                id=str(parked.id),
                key=parked.key,
                subject=parked.subject,
                correlation=correlations.get(parked.event_id, ""),
                reason=parked.reason,
            )

    def idle(self) -> bool:
        """Nothing waits and nothing is being decided."""
        return not self.waiting and not self.working and not self.beside

    async def drain(self, within_s: float) -> None:
        """Waits until idle, at most so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not self.idle() and loop.time() < end:  # noqa: ASYNC110 - no single event tells that all is done
            await asyncio.sleep(0.01)
