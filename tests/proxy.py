"""A TCP proxy whose network can be broken on purpose: between us and a broker or a database."""

import asyncio
import random
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

Way = Literal["there", "back"]
BOTH: tuple[Way, ...] = ("there", "back")
SLICE_S = 0.05
"""A throttled connection gets its bytes in pieces of so much time."""


def opened() -> dict[Way, asyncio.Event]:
    events: dict[Way, asyncio.Event] = {way: asyncio.Event() for way in BOTH}
    for event in events.values():
        event.set()
    return events


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter | None = None
    open: dict[Way, asyncio.Event] = field(default_factory=opened)

    def abort(self, *ends: asyncio.StreamWriter | None) -> None:
        """A TCP reset at these ends, or at both."""
        for writer in ends or (self.near, self.far):
            if writer is None:
                continue
            if (sock := writer.get_extra_info("socket")) is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Forwards to `host:port`. What is broken stays so until `heal`, but for what ends a connection once.

    A way is `there` (from the client to the server) or `back`.
    """

    def __init__(self, host: str, port: int, *, seed: int = 1) -> None:
        self.host, self.port = host, port
        self.others: tuple[int, ...] = ()  # taken, in this order, where `port` refuses: as a door before a cluster does
        self.server: asyncio.Server | None = None
        self.address = 0
        self.links: set[Link] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.draw = random.Random(seed)
        self.healthy()

    def healthy(self) -> None:
        self.holds: tuple[Way, ...] = ()  # ways on which new connections are silent
        self.delay_s = self.jitter_s = 0.0
        self.bytes_per_s = 0
        self.noisy: set[Way] = set()
        self.left: dict[Way, int] = {}  # so many more bytes, then the connection that carries them is cut
        self.cuts = 0  # so many more connections are cut before they say `cut_before`
        self.cut_before = b""

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def url(self, url: str) -> str:
        """The same URL by way of the proxy."""
        parts = urlsplit(url)
        credentials = f"{parts.username}:{parts.password}@" if parts.username else ""
        return urlunsplit(parts._replace(netloc=f"{credentials}127.0.0.1:{self.address}"))

    async def listen(self) -> None:
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.address)
        self.address = self.server.sockets[0].getsockname()[1]

    async def heal(self) -> None:
        """What was held back goes on; new connections are taken again."""
        self.healthy()
        if self.server is None:
            await self.listen()
        for link in self.links:
            for event in link.open.values():
                event.set()

    # What can be broken

    def black_hole(self, *, existing: bool = True, new: bool = True, ways: tuple[Way, ...] = BOTH) -> None:
        """Connections stay open, new ones are taken, and nothing goes through on these ways.

        With `existing=False` it is the half-open peer that only a connection timeout finds out; with one way the
        requests arrive and their answers do not, or the other way round.
        """
        if existing:
            for link in self.links:
                for way in ways:
                    link.open[way].clear()
        if new:
            self.holds = ways

    def refuse(self) -> None:
        """Ends all connections and takes no new ones, like a broker that is down."""
        if self.server is not None:
            self.server.close()
            self.server = None
        self.reset()

    def reset(self) -> None:
        """Every connection ends with a TCP reset; new ones are taken."""
        for link in list(self.links):
            link.abort()

    def half_close(self) -> None:
        """The server's side says that it will say no more; it still listens."""
        for link in list(self.links):
            with suppress(OSError):
                link.near.write_eof()

    def slow(self, delay_s: float, jitter_s: float = 0.0) -> None:
        """Every piece comes so much later, in order."""
        self.delay_s, self.jitter_s = delay_s, jitter_s

    def throttle(self, bytes_per_s: int) -> None:
        """Each connection, each way."""
        self.bytes_per_s = bytes_per_s

    def cut_after(self, count: int, way: Way = "there") -> None:
        """After so many more bytes the connection that carries them is cut, in the middle of a frame.

        Who sent it gets a reset, the other end a part and then the end of the stream.
        """
        self.left[way] = count

    def cut_answers(self, said: bytes, times: int) -> None:
        """So many connections are cut when the server is about to say this; the client never hears it."""
        self.cut_before, self.cuts = said, times

    def noise(self, way: Way = "back") -> None:
        """The next piece on this way is random bytes instead."""
        self.noisy.add(way)

    # How it is done

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.accepted += 1
        link = Link(writer)
        self.links.add(link)
        for way in self.holds:
            link.open[way].clear()
        try:
            await link.open["there"].wait()
            far_reader, link.far = await self.reach()
            await asyncio.gather(
                self.copy(link, "there", reader, link.far), self.copy(link, "back", far_reader, link.near)
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            self.links.discard(link)
            for each in (link.near, link.far):
                if each is not None:
                    each.close()

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for port in (self.port, *self.others):
            with suppress(ConnectionRefusedError):
                return await asyncio.open_connection(self.host, port)
        raise ConnectionRefusedError

    async def copy(self, link: Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await link.open[way].wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s + self.draw.uniform(0, self.jitter_s))
                await link.open[way].wait()
            if way == "back" and self.cuts and self.cut_before in data:
                self.cuts -= 1
                link.abort()
                return
            if way in self.noisy:
                self.noisy.discard(way)
                data = self.draw.randbytes(len(data))
            if way in self.left:
                kept = data[: self.left[way]]
                self.left[way] -= len(kept)
                if len(kept) < len(data):
                    del self.left[way]
                    await self.write(writer, kept)
                    writer.close()  # what was sent still arrives, and then the end of the stream
                    link.abort(link.near if way == "there" else link.far)
                    return
            await self.write(writer, data)
        writer.close()

    async def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        while self.bytes_per_s and data:
            piece = max(1, int(self.bytes_per_s * SLICE_S))
            writer.write(data[:piece])
            data = data[piece:]
            await writer.drain()
            await asyncio.sleep(SLICE_S)
        writer.write(data)
        await writer.drain()
