"""The port between services, and how what comes in becomes an arrival.

Two buses stand behind it: one in the process, one on RabbitMQ.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import NAMESPACE_OID, UUID, uuid5

from shared.contracts.message import Internal, Message
from shared.messaging.envelope import (
    CONTENT_TYPE,
    MAX_EVENT_BYTES,
    Packet,
    TooLarge,
    Unreadable,
    read,
    read_some,
)
from shared.messaging.topology import is_command, readers_of
from shared.messaging.unit import Arrival, Parked, parked_text, reason_of


class Unroutable(Exception):
    """Nobody takes this command: it stays in the outbox and raises an alarm."""


class Unsendable(ValueError):
    """No message of the broker can hold this packet, now or later: it is parked, as another try cannot help."""


class Bus(Protocol):
    """`publish` returns when the packet is safe at every reader; an exception means unknown, so it is sent again."""

    deadline_s: float | None  # how long a publish may take before its outcome counts as unknown

    async def publish(self, packet: Packet) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def healthy(self) -> bool: ...
    def connected(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """A service's desk as a bus sees it."""

    service: str
    put: Callable[[Arrival], None]
    clock: Callable[[], datetime]
    new_id: Callable[[], UUID]


MAX_BODY_BYTES = MAX_EVENT_BYTES + 2
"""The largest packet that we send: one event of the largest size, in brackets."""


def arrival_of(
    reader: Reader,
    key: str,
    body: bytes | str,
    packet_id: str | UUID | None,
    done: Callable[[], None] | None,
    content_type: str | None = None,
) -> Arrival:
    """What came from a bus. What cannot be read becomes a parked row: stored with the reason, never dropped."""
    try:
        id = packet_id if isinstance(packet_id, UUID) else UUID(packet_id or "")
    except ValueError:  # a foreign sender: its content is its identity, so that a redelivery is recognised
        raw = body if isinstance(body, bytes) else body.encode()
        id = uuid5(NAMESPACE_OID, f"{key}:{raw.hex()}")
    parked: list[Parked] = []

    def park(text: str, error: Exception) -> None:
        reason = reason_of(error)
        stored = parked_text(text) or "(no bytes)"
        parked.append(
            Parked(reader.new_id(), reader.clock(), parked_text(key, 200), "", None, "packet", 1, reason, "", stored)
        )

    try:
        check(key, body, content_type)
        return Arrival("packet", id, read(key, body), done)
    except (Unreadable, TooLarge) as error:
        events, others = read_some(key, body) if not isinstance(error, Misdirected | TooLarge) else ([], [])
        if events:
            for text, wrong in others:
                park(text, wrong)
        else:
            park(body if isinstance(body, str) else body.decode("utf-8", "backslashreplace"), error)
        return Arrival("packet", id, events, done, unreadable=tuple(parked))


class Misdirected(Unreadable):
    """A packet that may be well made but has no business on the bus."""


def check(key: str, body: bytes | str, content_type: str | None) -> None:
    """What can be told without reading the packet."""
    if content_type and content_type.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise Misdirected(f"{key}: the content type is {content_type[:100]}, not {CONTENT_TYPE}")
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"{key}: {len(body)} bytes where {MAX_BODY_BYTES} are the most")
    kind = Message.registry.get(key)
    if kind is not None and issubclass(kind, Internal):
        raise Misdirected(f"{key}: a service's word to itself does not come by the bus")


def stopping() -> bool:
    """Whether this task was told to stop. aio-pika raises CancelledError for a lost connection, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class LocalBus:
    """The bus of one process: `publish` returns when the readers have committed, so nothing is lost in a crash."""

    deadline_s: float | None = None  # the readers are in this process: either they commit, or we crash with them

    def __init__(self) -> None:
        self.readers: dict[str, Reader] = {}
        self.handed: dict[str, set[asyncio.Future[None]]] = {}  # what each reader has not committed yet

    def attach(self, reader: Reader) -> None:
        """From now on this reader gets the service's packets. What its predecessor did not commit is sent again."""
        self.detach(reader.service)
        self.readers[reader.service] = reader

    def detach(self, service: str) -> None:
        """The service went away: what it was handed and has not committed counts as not delivered."""
        self.readers.pop(service, None)
        for committed in self.handed.pop(service, set()):
            if not committed.done():
                committed.set_exception(ConnectionError(f"{service} went away"))

    async def publish(self, packet: Packet) -> None:
        services = readers_of(packet.key)
        missing = [name for name in services if name not in self.readers]
        if missing or (not services and is_command(packet.key)):
            raise Unroutable(f"{packet.key}: {', '.join(missing) or 'nobody'} is not here to take it")
        await asyncio.gather(*(self.deliver(self.readers[name], packet) for name in services))

    async def deliver(self, reader: Reader, packet: Packet) -> None:
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        handed = self.handed.setdefault(reader.service, set())
        handed.add(committed)

        def done() -> None:
            if not committed.done():
                committed.set_result(None)

        try:
            reader.put(arrival_of(reader, packet.key, packet.body, packet.id, done))
            await committed
        finally:
            handed.discard(committed)

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        """Nothing to disconnect."""

    def healthy(self) -> bool:
        return True

    def connected(self) -> bool:
        return True
