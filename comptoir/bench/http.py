"""A lean HTTP client for load: keep-alive connections, one request at a time on each, JSON in and out.

A full client costs several times the CPU of the server's answer, and here both share the same cores.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Failed(RuntimeError):
    """The server did not do what it was asked for: status and the beginning of its answer."""


class Connection:
    """One keep-alive connection to one server."""

    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, api_key: str = ""
    ) -> None:
        self.host, self.reader, self.writer = host, reader, writer
        self.shown = f"authorization: Bearer {api_key}\r\n" if api_key else ""

    @classmethod
    async def to(cls, url: str, api_key: str = "") -> "Connection":
        place = urlsplit(url)
        return cls(place.netloc, *await asyncio.open_connection(place.hostname, place.port), api_key)

    async def ask(self, method: str, path: str, body: bytes = b"", key: str = "") -> bytes:
        """The body of a good answer. Raises Failed for a status from 400 on."""
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.host}\r\ncontent-length: {len(body)}\r\n{self.shown}"
        head += "content-type: application/json\r\n" if body else ""
        head += f"idempotency-key: {key}\r\n" if key else ""
        self.writer.write(head.encode() + b"\r\n" + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answer.partition("content-length:")[2].partition("\r\n")[0])
        content = await self.reader.readexactly(length)
        status = int(answer.split(" ", 2)[1])
        if status >= 400:
            raise Failed(f"{method} {path}: {status} {content[:300].decode()}")
        return content


class Pool:
    """Connections to the copies of a service, taken in turn; a caller waits while all are busy."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self.connections = connections
        self.free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for connection in connections:
            self.free.put_nowait(connection)

    @classmethod
    @asynccontextmanager
    async def of(cls, urls: Sequence[str], connections: int, api_key: str = "") -> AsyncIterator["Pool"]:
        """`connections` in all, spread over the copies."""
        pool = cls([await Connection.to(urls[i % len(urls)], api_key) for i in range(connections)])
        try:
            yield pool
        finally:
            for connection in pool.connections:
                connection.writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"", key: str = "") -> bytes:
        connection = await self.free.get()
        try:
            return await connection.ask(method, path, body, key)
        finally:
            self.free.put_nowait(connection)

    async def get(self, path: str) -> bytes:
        return await self.ask("GET", path)

    async def post(self, path: str, body: bytes, key: str) -> bytes:
        return await self.ask("POST", path, body, key)
