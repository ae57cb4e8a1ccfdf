"""Sends what waits: a lane per webhook, so that a receiver that is slow or away holds up nobody else."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.backoffice.deliveries import MOST, PATIENT
from services.backoffice.webhooks import reads, table
from services.backoffice.webhooks.sending import Answer, Poster, Ways
from services.backoffice.webhooks.signing import headers
from services.backoffice.webhooks.table import Claimed
from shared.contracts.backoffice import DeliveryAnswered
from shared.failpoints import failpoint
from shared.messaging.workers import ended
from shared.service import Figure, Running

log = structlog.get_logger("comptoir.backoffice.webhooks")


class Courier:
    """Takes deliveries that are due and makes them, a few at a time for each webhook; any number of copies may run."""

    AT_ONCE = 4
    """Deliveries on their way to one webhook from here."""
    EVERY_S = 1.0
    CLEARS_EVERY = timedelta(hours=1)

    def __init__(self, running: Running, ways: Ways) -> None:
        self.running, self.ways = running, ways
        self.lease = timedelta(seconds=2 * ways.timeout_s + 30)
        self.lanes: dict[UUID, set[UUID]] = {}  # per webhook, the deliveries on their way
        self.tasks: set[asyncio.Task[None]] = set()
        self.wake = asyncio.Event()
        self.outcomes: Counter[str] = Counter()
        self.cleared_at: datetime | None = None
        self.poster: Poster | None = None

    async def run(self) -> None:
        """Until cancelled. Without keys nothing can be signed, so nothing is sent."""
        if not self.ways.keys:
            await asyncio.Event().wait()
        self.poster = Poster(self.ways, MOST * self.AT_ONCE)
        try:
            while True:
                self.wake.clear()
                try:
                    await self.send_due()
                    await self.clear()
                except Exception as error:
                    log.warning("webhooks were not looked after", error=repr(error))
                try:
                    async with asyncio.timeout(self.EVERY_S):
                        await self.wake.wait()
                except TimeoutError:
                    pass
        finally:
            await ended(self.tasks)
            await self.poster.close()

    async def send_due(self) -> None:
        store = self.running.store
        now = self.running.now()
        for webhook_id, failures in (await table.due(store, now)).items():
            lane = self.lanes.setdefault(webhook_id, set())
            most = 1 if failures >= PATIENT else self.AT_ONCE
            if len(lane) >= most:
                continue
            for claimed in await table.claim(store, webhook_id, most - len(lane), now, now + self.lease):
                failpoint("webhook_claimed")
                lane.add(claimed.delivery_id)
                task = asyncio.create_task(self.deliver(claimed))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def clear(self) -> None:
        now = self.running.now()
        if self.cleared_at is not None and now - self.cleared_at < self.CLEARS_EVERY:
            return
        self.cleared_at = now
        if went := await table.clear(self.running.store, now - timedelta(days=self.ways.days)):
            log.info("old deliveries were cleared away", rows=went)

    async def deliver(self, claimed: Claimed) -> None:
        try:
            await self._deliver(claimed)
        except Exception as error:
            log.warning("a delivery has no outcome, it is made again", id=str(claimed.fact_id), error=repr(error))
        finally:
            self.lanes[claimed.webhook_id].discard(claimed.delivery_id)
            self.wake.set()

    async def _deliver(self, claimed: Claimed) -> None:
        loop = asyncio.get_running_loop()
        began_at, began = self.running.now(), loop.time()
        answer = await self._sent(claimed, began_at)
        failpoint("webhook_sent_before_answer")
        word = DeliveryAnswered(
            webhook_id=claimed.webhook_id,
            attempt_id=self.running.new_id(),
            delivery_id=claimed.delivery_id,
            about=claimed.subject,
            began_at=began_at,
            took_ms=int(1000 * (loop.time() - began)),
            outcome=answer.outcome,
            code=answer.code,
            why=answer.why,
            answer=answer.text,
            rest_s=answer.rest_s,
        )
        self.outcomes[answer.outcome] += 1
        reply = await self.running.desk.ask(word, id=word.attempt_id)
        if reply.status >= 300:
            raise RuntimeError(f"the outcome was not stored: {reply.body}")
        self._tell(claimed, answer, dict(reply.body))

    async def _sent(self, claimed: Claimed, now: datetime) -> Answer:
        assert self.poster is not None
        keys, id = self.ways.keys, claimed.webhook_id
        try:
            secrets = [keys.secret(id, claimed.generation, claimed.made_of)]
            if claimed.old_until is not None and claimed.old_until > now:
                secrets.append(keys.secret(id, claimed.generation - 1, claimed.old_made_of))
        except LookupError as error:
            return Answer("failed", why=str(error.args[0]))
        body = claimed.body.encode()
        return await self.poster.post(claimed.url, body, headers(claimed.fact_id, now, body, secrets))

    def _tell(self, claimed: Claimed, answer: Answer, now: dict[str, str]) -> None:
        """Lines for whoever watches: what is tried again by itself is worth none."""
        about = {"webhook": str(claimed.webhook_id), "url": claimed.url, "code": answer.code, "why": answer.why}
        if now.get("webhook") != now.get("was"):
            log.error("a webhook takes nothing, nothing is sent to it any more", state=now.get("webhook"), **about)
        if now.get("delivery") == "given_up":
            self.outcomes["given_up"] += 1
            log.error("a webhook's delivery was given up", id=str(claimed.fact_id), **about)

    async def figures(self) -> list[Figure]:
        """For /metrics."""
        async with self.running.reads.connect() as conn:
            waiting, oldest, paused = await reads.standing(conn)
        age = (self.running.now() - oldest).total_seconds() if oldest else 0.0
        n = self.outcomes
        return [
            ("counter", "webhooks_delivered", "events that receivers of webhooks took, since start", n["delivered"]),
            (
                "counter",
                "webhooks_failed",
                "attempts that receivers of webhooks did not take, since start",
                n["failed"],
            ),
            ("counter", "webhooks_gone", "answers that a receiver wants nothing more, since start", n["gone"]),
            ("counter", "webhooks_given_up", "deliveries of webhooks that were given up, since start", n["given_up"]),
            ("gauge", "webhooks_waiting", "deliveries to active webhooks that are not made yet", waiting),
            ("gauge", "webhooks_oldest_seconds", "age of the oldest delivery that is not made yet", age),
            ("gauge", "webhooks_paused", "webhooks that took nothing, and are paused or ended therefore", paused),
        ]
