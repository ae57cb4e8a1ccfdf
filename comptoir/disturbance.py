"""Makes a bus as bad as it may be: every packet twice, in any order. The figures must not change."""

import asyncio
import random
from dataclasses import replace

from shared.messaging.bus import Bus
from shared.messaging.envelope import Packet


class Disturbed:
    """Publishes each packet twice, each copy after a random delay, so that later packets overtake."""

    def __init__(self, bus: Bus, *, most_s: float = 0.2, seed: int = 1) -> None:
        self.bus, self.most_s, self.random = bus, most_s, random.Random(seed)
        self.deadline_s = None if bus.deadline_s is None else bus.deadline_s + most_s

    async def publish(self, packet: Packet) -> None:
        """Confirmed when both copies are."""
        await asyncio.gather(self.later(packet), self.later(replace(packet)))

    async def later(self, packet: Packet) -> None:
        await asyncio.sleep(self.random.random() * self.most_s)
        await self.bus.publish(packet)

    async def start(self) -> None:
        await self.bus.start()

    async def stop(self) -> None:
        await self.bus.stop()

    def healthy(self) -> bool:
        return self.bus.healthy()

    def connected(self) -> bool:
        return self.bus.connected()
