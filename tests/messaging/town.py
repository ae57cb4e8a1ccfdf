"""Two services and a bus between them: the depot on PostgreSQL with its relay, the mirror that hears and obeys."""

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import aio_pika

from shared.messaging.bus import Bus, LocalBus, Reader
from shared.messaging.desk import Desk
from shared.messaging.envelope import CONTENT_TYPE, Packet
from shared.messaging.memory import MemoryStore
from shared.messaging.rabbit import RabbitBus, declare
from shared.messaging.topology import Names
from shared.messaging.unit import Arrival, Outcome
from shared.messaging.workers import Relay
from tests.messaging import depot
from tests.messaging.depot import Box, Put, unit_on
from tests.messaging.harness import OnPostgres
from tests.proxy import Proxy


class Replica:
    """One process of the mirror. What it has not committed is lost with it; the store stays."""

    def __init__(self, town: "Town", *, deaf: bool = False) -> None:
        """`deaf`: it takes what comes and never decides it, as if it died in the middle."""
        self.town, self.deaf = town, deaf
        self.taken: list[Arrival] = []
        self.desk = Desk(unit_on(town.store, town.clock, service="mirror", handlers=depot.MIRROR), lambda outcome: None)
        self.reader = Reader("mirror", self.take, town.clock.now, town.clock.new_id)
        self.task = asyncio.create_task(self.desk.run())
        self.bus: RabbitBus | None = None

    def take(self, arrival: Arrival) -> None:
        self.taken.append(arrival)
        if not self.deaf:
            self.desk.put(arrival)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Town:
    """On the bus of one process."""

    def __init__(self, shop: OnPostgres) -> None:
        self.shop, self.clock = shop, shop.clock
        self.store = MemoryStore()
        self.local = LocalBus()
        self.bus: Bus = self.local
        self.replicas: list[Replica] = []
        self.tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        await self.bus.start()
        self.start_depot()

    def start_depot(self) -> None:
        self.relay = Relay(self.shop.store, self.bus, self.clock.now)
        self.desk = Desk(self.shop.unit, self.committed)
        self.tasks.append(asyncio.create_task(self.desk.run()))

    def committed(self, outcome: Outcome) -> None:
        self.relay.offer(outcome.packets)

    async def stop(self) -> None:
        for replica in list(self.replicas):
            await self.leave(replica)
        for task in [*self.tasks, *self.relay.tasks]:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.bus.stop()

    async def join(self, *, deaf: bool = False) -> Replica:
        """A replica of the mirror comes up."""
        replica = Replica(self, deaf=deaf)
        self.replicas.append(replica)
        self.local.attach(replica.reader)
        return replica

    async def leave(self, replica: Replica) -> None:
        """It is killed: nothing that it has not committed is acked."""
        self.replicas.remove(replica)
        if self.local.readers.get("mirror") is replica.reader:
            self.local.detach("mirror")
        await replica.end()

    async def put(self, *messages: Put) -> None:
        """Each is asked of the depot and committed there."""
        await asyncio.gather(*(self.desk.ask(message, id=self.clock.new_id()) for message in messages))

    async def throw(
        self, key: str, body: bytes, id: UUID | str | None = None, content_type: str = CONTENT_TYPE
    ) -> None:
        """Bytes for the mirror from somebody who is not our relay."""
        packet = Packet(cast(UUID, id), key, 1, cast(str, body))
        self.tasks.append(asyncio.create_task(self.local.deliver(self.replicas[0].reader, packet)))

    async def sweep(self) -> None:
        """As the relay does when its time has come."""
        self.clock.move(seconds=6)
        await self.relay.mark()
        await self.relay.sweep()

    async def settled(self) -> bool:
        """All that was sent is marked, and nothing is left to send."""
        if self.relay.in_flight:
            return False
        await self.relay.mark()
        return not (await self.shop.seen()).outbox

    def heard(self, box: str) -> tuple[int, int]:
        """(sum, how many times) of what the mirror counted; every effect shows, twice as much if done twice."""
        row = self.store.books.rows.get(Box, {}).get((box,))
        return (row.amount, row.woken) if isinstance(row, Box) else (0, 0)

    @property
    def reasons(self) -> list[str]:
        return [parked.reason for parked in self.store.books.parked.values()]


class RabbitTown(Town):
    """On a real broker. All connections go through a proxy, so that they can be broken."""

    def __init__(self, shop: OnPostgres, url: str, prefix: str) -> None:
        super().__init__(shop)
        self.url, self.names = url, Names(prefix)
        address = urlsplit(url)
        self.proxy = Proxy(address.hostname or "127.0.0.1", address.port or 5672)

    async def start(self) -> None:
        await declare(self.url, self.names.prefix)
        await self.proxy.listen()
        self.bus = RabbitBus(self.proxy.url(self.url), [], prefix=self.names.prefix, heartbeat_s=4)
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        await self.proxy.__aexit__(None, None, None)

    async def join(self, *, deaf: bool = False) -> Replica:
        replica = Replica(self, deaf=deaf)
        self.replicas.append(replica)
        replica.bus = RabbitBus(self.proxy.url(self.url), [replica.reader], prefix=self.names.prefix, heartbeat_s=4)
        await replica.bus.start()
        return replica

    async def leave(self, replica: Replica) -> None:
        self.replicas.remove(replica)
        if replica.bus is not None:
            await replica.bus.stop()
        await replica.end()

    async def throw(
        self, key: str, body: bytes, id: UUID | str | None = None, content_type: str = CONTENT_TYPE
    ) -> None:
        await self.throw_to("mirror", body, key, id, content_type)

    async def throw_to(
        self, service: str, body: bytes, key: str = "", id: UUID | str | None = None, content_type: str = ""
    ) -> None:
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            message = aio_pika.Message(
                body, type=key or None, message_id=str(id) if id else None, content_type=content_type or None
            )
            await channel.default_exchange.publish(message, self.names.queue(service))

    async def waiting(self, queue: str = "") -> int:
        """Messages that are ready in the mirror's queue."""
        return (await self.counts(queue))[0]

    async def counts(self, queue: str = "") -> tuple[int, int]:
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            found = await channel.declare_queue(queue or self.names.queue("mirror"), passive=True)
            result = found.declaration_result
            return result.message_count or 0, result.consumer_count or 0
