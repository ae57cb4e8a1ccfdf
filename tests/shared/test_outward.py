"""Requests to others: whatever comes back instead of an answer is one family of errors, and never hangs."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trustme

from comptoir.postgres import free_port
from shared.outward import outward

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(serve: Serve, secured: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secured)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def saying(answer: bytes) -> Serve:
    """Reads a request, says this and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
async def test_what_is_no_answer_is_an_error_of_http(answer: bytes) -> None:
    async with peer(saying(answer)) as url, outward(url, timeout_s=5) as client:
        with pytest.raises(httpx.HTTPError):
            await client.post("/operations", json={})


async def test_nobody_there_is_an_error_of_http() -> None:
    async with outward(f"http://127.0.0.1:{free_port()}", timeout_s=5) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/")


async def test_who_is_silent_is_not_waited_for() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with peer(silent) as url, outward(url, timeout_s=0.2) as client:
        with pytest.raises(httpx.TimeoutException):
            await client.get("/")


async def test_who_says_a_little_now_and_then_is_not_waited_for() -> None:
    never = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b".")
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(never.wait(), 0.05)

    async with peer(drip) as url, outward(url, timeout_s=0.3) as client:
        with pytest.raises(httpx.TimeoutException):
            async with asyncio.timeout(5):
                await client.get("/")


async def test_a_connection_that_the_other_side_closed_is_not_used_again() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.append(head + await reader.readexactly(2))
        writer.write(OK)
        await writer.drain()
        writer.close()

    async with peer(serve) as url, outward(url, timeout_s=5) as client:
        for _ in range(5):
            assert (await client.post("/", json={})).text == "ok"
    assert len(heard) == 5


async def test_no_more_connections_than_said_are_open_at_a_time() -> None:
    now, most = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await saying(OK)(reader, writer)
        now -= 1

    async with peer(serve) as url, outward(url, timeout_s=5, connections=3) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(20)))
    assert all(answer.text == "ok" for answer in answers)
    assert most <= 3


@pytest.mark.parametrize(("by_proxy", "went_by"), [(True, "proxy"), (False, "peer")])
async def test_a_proxy_of_the_environment_is_taken_where_it_is_wanted(
    by_proxy: bool, went_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    def named(name: str) -> bytes:
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode()

    async with peer(saying(named("proxy"))) as proxy, peer(saying(named("peer"))) as url:
        monkeypatch.setenv("http_proxy", proxy)
        async with outward(url, timeout_s=5, by_proxy=by_proxy) as client:
            assert (await client.get("/")).text == went_by


async def test_only_known_certificates_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, secured = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(secured)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with peer(saying(OK), secured) as url:
        there = url.replace("http://127.0.0.1", "https://localhost")
        async with outward(there, timeout_s=5) as client:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                await client.get("/")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with outward(there, timeout_s=5) as client:
            assert (await client.get("/")).text == "ok"
