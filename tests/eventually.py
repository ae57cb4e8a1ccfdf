"""Waiting in tests, without sleeping for a guessed time: the only place where a test may sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(check: Callable[[], Awaitable[T]], within_s: float = 10.0, every_s: float = 0.02) -> T: ...


@overload
async def eventually(check: Callable[[], T], within_s: float = 10.0, every_s: float = 0.02) -> T: ...


async def eventually(check: Callable[[], Any], within_s: float = 10.0, every_s: float = 0.02) -> Any:
    """Calls `check` until what it gives is true (an AssertionError counts as false) and gives that.

    When time is up it fails with what it last saw.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            seen = check()
            value = await seen if inspect.isawaitable(seen) else seen
            if value:
                return value
            last = repr(value)
        except AssertionError as error:
            last = str(error) or "an assertion without words"
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; last seen: {last}")
        await asyncio.sleep(every_s)


async def settled(look: Callable[[], Awaitable[T]], for_s: float = 2.0, within_s: float = 30.0) -> T:
    """What `look` gives, once it has given the same for so long; for what nothing else says that it has ended."""
    seen, since = await look(), time.monotonic()

    async def same() -> bool:
        nonlocal seen, since
        now = await look()
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since >= for_s

    await eventually(same, within_s, 0.1)
    return seen
