"""Sends commands as another service would: in packets on the bus. Sending the same again has no second effect."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from shared.contracts.message import Message
from shared.messaging.bus import Bus
from shared.messaging.envelope import MAX_EVENTS, Packet, envelope, pack, write

NAMESPACE = UUID("6f1d3a52-2a0b-5e0f-8d5e-0a5b1d7c9e21")
Throttle = Callable[[], Awaitable[None]]


class Sender:
    """`run` names the run: ids are made from it, so that a run that was cut off goes on where it stopped."""

    def __init__(
        self,
        bus: Bus,
        run: str,
        now: Callable[[], datetime],
        throttle: Throttle | None = None,
        source: str = "/comptoir/replay",
    ) -> None:
        self.bus, self.run, self.now, self.throttle, self.source = bus, run, now, throttle, source

    def id_of(self, name: str) -> UUID:
        return uuid5(NAMESPACE, f"{self.run}/{name}")

    async def send(self, messages: Sequence[Message], *, actor: str = "") -> None:
        """In the given order, at most 64 a packet; returns when the bus has all of them."""
        for i in range(0, len(messages), MAX_EVENTS):
            if self.throttle is not None:
                await self.throttle()
            packets = self.packets(messages[i : i + MAX_EVENTS], actor)
            await asyncio.gather(*(self.bus.publish(packet) for packet in packets))

    def packets(self, messages: Sequence[Message], actor: str) -> list[Packet]:
        """Named by what they hold, so that the inbox knows them when they are sent again."""
        now = self.now()
        written: list[tuple[str, str]] = []
        names: list[str] = []
        for message in messages:
            name = f"{message.key}/{message.model_dump_json()}"
            event = envelope(
                message,
                id=self.id_of(name),
                source=self.source,
                now=now,
                actor=actor,
                correlation=message.subject,
            )
            names.append(name)
            written.append((message.key, write(event)))
        whole = self.id_of("|".join(names))
        packets = list(pack(written, lambda: whole))
        return [Packet(uuid5(whole, str(i)), p.key, p.count, p.body) for i, p in enumerate(packets)]
