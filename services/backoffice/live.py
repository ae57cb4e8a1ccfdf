"""Live pages: one fan-out per process tells every open page what changed, by server-sent events.

A commit wakes it; changes are gathered for a moment, rows are read once for all pages, and each page gets the newest
state of what it shows. What another copy of the service committed is seen at the next round.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from services.backoffice import queries
from services.backoffice.domain import touched
from services.backoffice.rights import Person
from shared.messaging.unit import Outcome
from shared.service import Running

log = structlog.get_logger("comptoir.backoffice")
Parts = Callable[["Watcher", frozenset[UUID]], Awaitable[str]]
Standing = Callable[[Collection[str]], Awaitable[Mapping[str, Person]]]
"""Whose sessions these are, without those that are over."""


@dataclass(eq=False)
class Watcher:
    """One open page: who looks at it by which right, what it shows and what it was told last."""

    page: str
    person: Person
    right: str
    parts: Parts
    ids: frozenset[UUID] = frozenset()
    seen: dict[str, str] = field(default_factory=dict)
    news: "asyncio.Queue[str]" = field(default_factory=lambda: asyncio.Queue(8))

    def fresh(self, target: str, html: str) -> str:
        """The part as a page takes it over; nothing when it shows just that."""
        if self.seen.get(target) == html:
            return ""
        self.seen[target] = html
        return f'<hx-partial hx-target="#{target}" hx-swap="outerMorph">{html}</hx-partial>'


class Live:
    """The fan-out. It runs while somebody looks."""

    GATHER_S = 0.25
    ROUND_S = 5.0
    MOST = 200

    def __init__(self, running: Running, standing: Standing) -> None:
        self.running, self.standing = running, standing
        self.watchers: set[Watcher] = set()
        self.changed: set[UUID] = set()
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.n = 0
        running.listeners.append(self.committed)

    def committed(self, outcome: Outcome) -> None:
        if self.watchers:
            self.changed |= touched(outcome.rows.changed)
            self.wake.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        while self.watchers:
            try:
                async with asyncio.timeout(self.ROUND_S):
                    await self.wake.wait()
                await asyncio.sleep(self.GATHER_S)
            except TimeoutError:
                self.changed.update(*(watcher.ids for watcher in self.watchers))
            self.wake.clear()
            changed, self.changed = frozenset(self.changed), set()
            if loop.time() - asked >= self.ROUND_S:
                asked = loop.time()
                await self.let_go()
            for watcher in list(self.watchers):
                try:
                    html = await watcher.parts(watcher, changed)
                except Exception as error:
                    log.warning("a live page was not told", page=watcher.page, error=repr(error))
                    continue
                if html:
                    self.offer(watcher, html)

    async def let_go(self) -> None:
        """Ends the pages of those who may look no more: one question for all of them.

        Looking does not keep a session: one that is left alone ends, however much happens on its page.
        """
        watchers = list(self.watchers)
        try:
            standing = await self.standing({watcher.person.session for watcher in watchers})
        except Exception as error:
            log.warning("whether those who look still may is not known", error=repr(error))
            return
        for watcher in watchers:
            person = standing.get(watcher.person.session)
            if person is None or not person.may(watcher.right):
                self.watchers.discard(watcher)
                self.offer(watcher, "")

    def offer(self, watcher: Watcher, html: str) -> None:
        """A page that does not read is let go; it comes back by itself."""
        try:
            watcher.news.put_nowait(html)
        except asyncio.QueueFull:
            self.watchers.discard(watcher)

    async def stream(self, watcher: Watcher) -> AsyncIterator[str]:
        """Events of one page until it goes away, or its session does: that is asked every ROUND_S."""
        self.watchers.add(watcher)
        self.changed |= watcher.ids  # what changed between the page and its listening is told at once
        self.wake.set()
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.run(), name="backoffice live")
        try:
            yield "retry: 1000\n\n"
            while watcher in self.watchers and self.running.begins:
                html = ""
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.ROUND_S):
                        html = await watcher.news.get()
                if not html:
                    yield ": still here\n\n"
                    continue
                self.n += 1
                yield f"id: {self.n}\n" + "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"
        finally:
            self.watchers.discard(watcher)


class Rows:
    """Rows of one round, read once whoever asks."""

    def __init__(self, running: Running) -> None:
        self.running, self.changed, self.rows = running, frozenset[UUID](), dict[UUID, dict[str, Any]]()

    async def of(self, changed: frozenset[UUID]) -> dict[UUID, dict[str, Any]]:
        if changed is not self.changed:  # another round, though it may be of the same orders
            async with self.running.reads.connect() as conn:
                found = await queries.rows_of(conn, list(changed)[: 20 * Live.MOST])
            self.changed, self.rows = changed, {row["order_id"]: row for row in found}
        return self.rows
