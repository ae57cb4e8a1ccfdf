"""The proxy itself: each way to break a network does what it says, before a server that sends back what it gets."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.eventually import eventually
from tests.proxy import Proxy

SHORTLY_S = 0.15
"""In less than this a healthy echo is back; what has not come by then is not coming."""


class Client:
    """One connection; counts what arrived."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, data: bytes) -> bytes:
        """Sends and waits for as much to come back."""
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), 5)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(SHORTLY_S):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        return False


class Echo:
    """A server that sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self.got = b""
        self.resets = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                self.got += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            self.resets += 1
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as between:
        yield between
    server.close()


async def connected(proxy: Proxy) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", proxy.address))


async def test_a_healthy_proxy_passes_everything_both_ways(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    large = bytes(range(256)) * 1000
    assert await client.says(large) == large == echo.got


async def test_refused_ends_what_is_open_and_takes_nothing_new_until_it_is_healed(proxy: Proxy) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.refuse()
    with pytest.raises(OSError):  # noqa: PT011 - reset or end of file, as the kernel has it
        await client.says(b"b")
    with pytest.raises(ConnectionRefusedError):
        await connected(proxy)
    await proxy.heal()
    assert await (await connected(proxy)).says(b"c") == b"c"


async def test_a_reset_is_seen_at_both_ends_and_new_connections_are_taken(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await client.reader.readexactly(1)
    await eventually(lambda: echo.resets == 1)
    assert await (await connected(proxy)).says(b"b") == b"b"


async def test_a_black_hole_is_silent_and_what_it_held_comes_out_when_it_is_healed(proxy: Proxy) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.black_hole()
    client.writer.write(b"b")
    late = await connected(proxy)  # it is taken
    late.writer.write(b"c")
    assert await client.hears_nothing()
    assert await late.hears_nothing()
    await proxy.heal()
    assert await client.reader.readexactly(1) == b"b"
    assert await late.reader.readexactly(1) == b"c"


async def test_half_open_only_new_connections_are_silent(proxy: Proxy) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.black_hole(existing=False)
    late = await connected(proxy)
    late.writer.write(b"b")
    assert await late.hears_nothing()
    assert await client.says(b"c") == b"c"


async def test_one_way_the_request_arrives_and_its_answer_does_not(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.black_hole(ways=("back",))
    client.writer.write(b"b")
    await eventually(lambda: echo.got == b"ab")
    assert await client.hears_nothing()


async def test_one_way_the_request_never_arrives(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.black_hole(ways=("there",))
    client.writer.write(b"b")
    assert await client.hears_nothing()
    assert echo.got == b"a"


async def test_half_closed_the_server_says_no_more_and_still_listens(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    await client.says(b"a")
    proxy.half_close()
    assert await client.reader.read(1) == b""
    client.writer.write(b"b")
    await eventually(lambda: echo.got == b"ab")


async def test_slow_every_piece_comes_later(proxy: Proxy) -> None:
    client = await connected(proxy)
    proxy.slow(0.1)
    began = time.monotonic()
    await client.says(b"a")
    assert time.monotonic() - began >= 0.2  # there and back


async def test_throttled_bytes_come_at_a_rate(proxy: Proxy) -> None:
    client = await connected(proxy)
    proxy.throttle(20_000)
    began = time.monotonic()
    await client.says(bytes(5_000))
    assert time.monotonic() - began >= 0.2


async def test_cut_in_the_middle_of_a_frame_the_server_has_a_part_and_the_client_a_reset(
    proxy: Proxy, echo: Echo
) -> None:
    client = await connected(proxy)
    proxy.cut_after(7)
    client.writer.write(b"0123456789")
    with pytest.raises(ConnectionResetError):
        await client.reader.readexactly(1)
    await eventually(lambda: echo.got == b"0123456")
    assert await (await connected(proxy)).says(b"b" * 20) == b"b" * 20, "one cut, not one for every connection"


async def test_an_answer_is_cut_before_the_client_hears_it(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    proxy.cut_answers(b"COMMIT", 1)
    assert await client.says(b"BEGIN") == b"BEGIN"
    client.writer.write(b"COMMIT")
    with pytest.raises(ConnectionResetError):
        await client.reader.readexactly(1)
    assert echo.got == b"BEGINCOMMIT"
    assert proxy.cuts == 0


async def test_noise_is_as_long_as_what_it_replaces_and_comes_once(proxy: Proxy, echo: Echo) -> None:
    client = await connected(proxy)
    proxy.noise("back")
    heard = await client.says(b"0123456789")
    assert echo.got == b"0123456789"
    assert heard != echo.got
    assert await client.says(b"abc") == b"abc"
