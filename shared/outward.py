"""HTTP requests of our own to others: the payment provider, the carrier, the services that own the facts."""

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport


def outward(
    base_url: str = "",
    *,
    timeout_s: float,
    connections: int = 32,
    by_proxy: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that keeps up to so many connections open; what comes when all are in use waits.

    httpx's own pool looks at every connection and every waiting request each time, which costs 1 to 4 ms of a core per
    request under load; aiohttp's costs 0.3 (docs/performance.md). `by_proxy` goes by HTTP_PROXY and its like.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=by_proxy)

    return httpx.AsyncClient(
        base_url=base_url, timeout=timeout_s, transport=transport or AiohttpTransport(client=session)
    )
