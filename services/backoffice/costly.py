"""Figures that take long to make: kept for a moment, and made anew while the old ones are still given."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Costly(Generic[T]):
    """One value, made once for all who want it at a time.

    `stands_s` says of a value how many seconds it is as good as new, 0 where it costs little. Up to twice that age it
    is given while it is made anew, so that nobody waits as long as somebody looks; older, and whoever asks waits.
    """

    def __init__(self, stands_s: Callable[[T], float], clock: Callable[[], float] = time.monotonic) -> None:
        self.stands_s, self.clock = stands_s, clock
        self.made: tuple[Hashable, float, T] | None = None  # what it is about, when it was begun, and it
        self.begun = self.number = 0  # how many were begun, and which of them is the one that was made
        self.making = asyncio.Lock()
        self.renewing: asyncio.Task[T] | None = None

    def found(self, about: Hashable, times: int = 1) -> T | None:
        """The value, if it is not older than so many times as long as it stands."""
        if self.made is None or self.made[0] != about:
            return None
        _, at, value = self.made
        return value if self.clock() - at < times * self.stands_s(value) else None

    async def get(self, about: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The value about something. Raises what its making raises, to those who wait for it."""
        if (value := self.found(about)) is not None:
            return value
        if (value := self.found(about, 2)) is None:
            return await self._anew(about, make)
        if self.renewing is None or self.renewing.done():
            self.renewing = asyncio.create_task(self._anew(about, make))
            self.renewing.add_done_callback(lambda task: task.cancelled() or task.exception())  # the next one tries
        return value

    async def _anew(self, about: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        asked = self.begun
        async with self.making:
            if self.made is not None and self.made[0] == about and self.number > asked:
                return self.made[2]  # begun after we asked, for somebody else
            self.begun += 1
            number, at = self.begun, self.clock()
            value = await make()
            self.made, self.number = (about, at, value), number
            return value
