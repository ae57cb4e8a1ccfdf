"""A TCP proxy whose network can be broken on purpose: between us and a broker or a database."""

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

Mode = Literal["pass", "refuse", "black hole"]


class Proxy:
    """Forwards to `host:port`. A black hole keeps connections open, takes new ones, and lets nothing through."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.mode: Mode = "pass"
        self.open = asyncio.Event()
        self.open.set()
        self.server: asyncio.Server | None = None
        self.address = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
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
        if self.mode == "refuse":
            await self.listen()
        self.mode = "pass"
        self.open.set()

    def black_hole(self) -> None:
        self.mode = "black hole"
        self.open.clear()

    async def refuse(self) -> None:
        """Ends all connections and takes no new ones, like a broker that is down."""
        self.mode = "refuse"
        if self.server is not None:
            self.server.close()
            self.server = None
        self.reset()
        self.open.set()

    def reset(self) -> None:
        """Every connection ends with a TCP reset; new ones are taken."""
        for writer in list(self.writers):
            if (sock := writer.get_extra_info("socket")) is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.accepted += 1
        self.writers.add(writer)
        try:
            await self.open.wait()
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
            self.writers.add(far_writer)
            await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            for each in (writer, *([far_writer] if "far_writer" in locals() else [])):
                self.writers.discard(each)
                each.close()

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.open.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
