"""A monkey: kills one part after the other while orders come in, and times how long the suite takes to work again."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from comptoir.chaos.works import Works

Kill = Callable[[], Awaitable[None]]
"""Ends a part as a power cut would, and has it started again."""

PATIENCE_S = 90.0


@dataclass
class Load:
    """Orders at a steady rate, each repeated until it is answered."""

    works: Works
    per_s: float
    first: int = 0  # where its numbers begin
    placed: list[str] = field(default_factory=list)
    asking: set["asyncio.Task[None]"] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    async def place(self, i: int) -> None:
        try:
            self.placed.append(await self.works.place(i, within_s=PATIENCE_S))
        except Exception as error:
            self.failed.append(f"order {i}: {error!r}")

    async def run(self) -> None:
        """Until cancelled. A rate that the machine does not keep up with is not made up for."""
        i = self.first
        due = time.monotonic()
        while True:
            if len(self.asking) < self.per_s * PATIENCE_S:
                task = asyncio.create_task(self.place(i))
                self.asking.add(task)
                task.add_done_callback(self.asking.discard)
                i += 1
            due = max(due + 1 / self.per_s, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def ends(self) -> None:
        """What was asked has been answered."""
        while self.asking:
            await asyncio.gather(*self.asking)


@dataclass
class Recovered:
    """What a run of the monkey came to."""

    kills: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    recovery_s: dict[str, list[float]] = field(default_factory=dict)

    def longest(self) -> dict[str, float]:
        return {part: round(max(seconds), 1) for part, seconds in self.recovery_s.items()}


async def until_an_order_walks_through(works: Works, i: int, within_s: float = PATIENCE_S) -> None:
    """An order that is placed now is completed: all four services, the broker and the database are at work."""
    end = time.monotonic() + within_s
    order = await works.place(i, within_s=within_s)
    while (await works.shows(order, within_s=within_s))["status"] != "completed":
        if time.monotonic() > end:
            raise TimeoutError(f"{order} was not completed {within_s:.0f} s after a kill\n{works.said()}")
        await asyncio.sleep(0.05)


async def rampage(
    works: Works, parts: Mapping[str, Kill], seconds: float, per_s: float, *, first: int = 0, seed: int = 1
) -> tuple[Recovered, Load]:
    """Kills for so long, some seconds apart, each part as often as any other."""
    draw = random.Random(seed)
    load = Load(works, per_s, first)
    result = Recovered()
    loading = asyncio.create_task(load.run())
    end = time.monotonic() + seconds
    bag: list[str] = []
    try:
        while time.monotonic() < end:
            bag = bag or draw.sample(sorted(parts), len(parts))
            part = bag.pop()
            began = time.monotonic()
            result.probes += 1
            probe = 1_000_000 + result.probes
            await asyncio.gather(parts[part](), until_an_order_walks_through(works, probe))
            result.kills[part] += 1
            result.recovery_s.setdefault(part, []).append(time.monotonic() - began)
            await asyncio.sleep(draw.uniform(0.5, 3.0))
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError):
            await loading
    await load.ends()
    return result, load
