"""The way out to a receiver: to public addresses by HTTPS only, in a bounded time, with no more read than is shown.

The address is somebody else's choice, so it must not lead to what only we can reach. A name is looked up for each
delivery, and the connection goes to the very address that was looked at: another answer a moment later gains nothing.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from services.backoffice.public import CONTENT_TYPE
from services.backoffice.webhooks.signing import Keys
from shared.outward import outward

Item = dict[str, Any]
LONGEST_URL = 2000
KEPT = 1000
"""Characters of an answer that are kept to look at."""
READ = 4 * KEPT
"""Bytes of an answer that are read; what is longer is cut off with its connection."""
LOOKUPS = 32
"""Threads that look names up: a name server that is silent holds one for as long as it is waited for."""
INSIDE = "an address of this machine or its own network"


@dataclass(frozen=True, slots=True)
class Ways:
    """How webhooks are delivered. `inside`: also by HTTP, and to addresses that only we can reach."""

    keys: Keys = field(default_factory=lambda: Keys(()))
    inside: bool = False
    timeout_s: float = 10.0
    days: int = 30  # for which deliveries are kept


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered, or why there is no answer (code 0)."""

    outcome: Literal["delivered", "failed", "gone"]
    code: int = 0
    why: str = ""
    text: str = ""
    rest_s: int = 0


class Inside(OSError):
    """A name or an address that leads to where no webhook may go."""


def public(address: str) -> bool:
    """Whether an IP address is somewhere on the internet, for itself and for what it carries inside."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            carried.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(inner is not None and not public(str(inner)) for inner in carried):
            return False
        if ip.ipv4_mapped is not None:
            return True
    return ip.is_global and not ip.is_multicast


def wrong(url: str, *, inside: bool) -> str:
    """Why nothing can be sent to this address, in English; empty for a good one. It is not looked up."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "This is no address: https://shop.example/webhooks"
    if len(url) > LONGEST_URL or not re.fullmatch(r"[!-~]+", url) or not host or port == 0 or "\\" in url:
        return "This is no address: https://shop.example/webhooks"
    if parts.scheme != "https" and not (inside and parts.scheme == "http"):
        return "The address must begin with https://"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "The address must have no user, no password and no # in it."
    try:
        if not inside and not public(host):
            return f"This leads to {INSIDE}."
    except ValueError:  # a name
        if not inside and (host == "localhost" or host.endswith(".localhost") or "." not in host):
            return f"This leads to {INSIDE}."
    return ""


class Resolver(AbstractResolver):
    """Looks a name up, in threads of its own, and gives public addresses only."""

    def __init__(self, *, inside: bool) -> None:
        self.inside = inside
        self.threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhook lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self.threads, looked_up, host, port, family)
        good = [of for of in found if self.inside or public(of["host"])]
        if not good:
            raise Inside(f"{host} leads to {INSIDE}")
        return good

    async def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


def looked_up(host: str, port: int, family: int) -> list[ResolveResult]:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
    return [
        {"hostname": host, "host": str(to[0]), "port": int(to[1]), "family": kind, "proto": proto, "flags": flags}
        for kind, _, proto, _, to in infos
    ]


class Poster:
    """Sends one request and reads the beginning of its answer. Never raises for what a receiver does."""

    def __init__(self, ways: Ways, connections: int) -> None:
        self.ways = ways
        self.client = outward(timeout_s=ways.timeout_s, connections=connections, resolver=Resolver(inside=ways.inside))

    async def close(self) -> None:
        await self.client.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if why := wrong(url, inside=self.ways.inside):
            return Answer("failed", why=why)
        sent = {
            **headers, "content-type": CONTENT_TYPE, "user-agent": "Comptoir-Webhooks/1", "accept-encoding": "identity",
        }  # fmt: skip
        try:
            async with asyncio.timeout(self.ways.timeout_s):
                request = self.client.build_request("POST", url, content=body, headers=sent)
                response = await self.client.send(request, stream=True, follow_redirects=False)
                try:
                    return judged(response, await beginning(response))
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.ReadTimeout):
            return Answer("failed", why=f"No whole answer in {self.ways.timeout_s:g} seconds.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Answer("failed", why=f"It was not reached: {cause(error)}")


async def beginning(response: httpx.Response) -> str:
    """The first part of the body, as text that may be stored and shown."""
    held = b""
    async for part in response.aiter_raw():
        held += part[: READ - len(held)]
        if len(held) >= READ:
            break
    text = held.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)[:KEPT]


def judged(response: httpx.Response, text: str) -> Answer:
    """2xx is taken, 410 wants nothing more, all others are tried again."""
    code = response.status_code
    if 200 <= code < 300:
        return Answer("delivered", code, text=text)
    if code == 410:
        return Answer("gone", code, "The receiver answered 410: it wants nothing more.", text)
    if 300 <= code < 400:
        return Answer("failed", code, f"The receiver answered {code}: no redirect is followed.", text)
    after = response.headers.get("retry-after", "") if code in (429, 503) else ""
    rest_s = int(after) if re.fullmatch(r"\d{1,6}", after) else 0
    return Answer("failed", code, f"The receiver answered {code}.", text, rest_s)


def cause(error: BaseException) -> str:
    """The innermost cause in one line: the outer ones only say that there is one."""
    seen: BaseException = error
    while (inner := seen.__cause__ or seen.__context__) is not None and not isinstance(seen, Inside):
        seen = inner
    text = " ".join((str(seen) or type(seen).__name__).split())
    return "".join(c for c in text if c.isprintable())[:300]
