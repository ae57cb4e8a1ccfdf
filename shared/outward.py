"""HTTP requests of our own to others: the payment provider, the carrier, the services that own the facts."""

import asyncio
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp import AiohttpTransport


class Outward(httpx.AsyncClient):
    """Whatever goes wrong is the httpx.HTTPError that it is called; a lost connection is tried once more.

    httpx's time-out is for each step: who sends a byte now and then is waited for without end. Ours is for all of it.

    The transport lets through what aiohttp says of answers out of form, and calls each lost connection a timeout. Most
    of these are kept ones that the other side closed just now. Asking again is safe: what we ask carries a key, or is
    idempotent by nature.
    """

    async def send(self, request: httpx.Request, **how: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(self.timeout.read):
                try:
                    return await self._sent(request, **how)
                except httpx.ReadError:
                    return await self._sent(request, **how)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no whole answer in {self.timeout.read} s", request=request) from error

    async def _sent(self, request: httpx.Request, **how: Any) -> httpx.Response:
        try:
            return await super().send(request, **how)
        except (aiohttp.ClientError, HttpProcessingError) as error:
            raise httpx.RemoteProtocolError(str(error) or repr(error), request=request) from error
        except httpx.ConnectTimeout as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            kind = httpx.ConnectError if isinstance(error.__cause__, aiohttp.ClientConnectorError) else httpx.ReadError
            raise kind(str(error), request=request) from error.__cause__


def outward(
    base_url: str = "",
    *,
    timeout_s: float,
    connections: int = 32,
    by_proxy: bool = False,
    resolver: AbstractResolver | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """A client that keeps up to so many connections open; what comes when all are in use waits.

    httpx's own pool looks at every connection and every waiting request each time, which costs 1 to 4 ms of a core per
    request under load; aiohttp's costs 0.3 (docs/performance.md). `by_proxy` goes by HTTP_PROXY and its like.
    `resolver` looks each name up, for each request: nothing is remembered, and no connection is kept.
    """

    own = AiohttpTransport()

    def session() -> aiohttp.ClientSession:
        how: dict[str, Any] = {"limit": connections, "ssl": own.ssl_context}  # certifi's, or SSL_CERT_FILE
        if resolver is not None:
            how |= {"resolver": resolver, "use_dns_cache": False, "force_close": True}
        connector = aiohttp.TCPConnector(**how)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=by_proxy)

    own.client = session
    return Outward(base_url=base_url, timeout=timeout_s, transport=transport or own)
