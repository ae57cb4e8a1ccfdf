"""What stands before every page: headers that browsers obey, and no way in from elsewhere."""

import ipaddress
from collections.abc import Mapping

from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.backoffice.api.frame import Office

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")
"""For a year a browser that was here over HTTPS asks over nothing else."""
CUSTOMERS = "/s/"
"""Pages by a signed link: who has the link may, from wherever it is opened."""
CUSTOMERS_HEADERS = {
    **HEADERS,
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}
"""Without any script; the address, which is a secret, goes to nobody."""
OPEN = ("/health/", "/metrics")
"""What probes ask for, from wherever they are."""


INSIDE = ("/parked", "/docs", "/redoc", "/openapi.json")
"""What every service has for operators, without a login: for the machine itself, whatever a door lets through."""


class Guard:
    """Security headers on every answer; nothing is for other sites; without accounts nothing is for other machines.

    Customers' pages need no account, only their link.

    Other machines get in over HTTPS only, where the cookie of a session cannot be read on the way. A container's
    proxy is another machine too, but who calls it 127.0.0.1 sits before it: the cookie does not leave that machine.
    """

    def __init__(self, app: ASGIApp, office: Office) -> None:
        self.app, self.office = app, office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        seal = headers_of(scope["path"])

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in seal.items() if n.encode() not in there]
                if scope["scheme"] == "https":
                    more.append(HTTPS_ONLY)
                if b"cache-control" not in there:
                    more.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        why = "" if scope["path"].startswith(OPEN) else refusal(scope, headers)
        safe = scope["scheme"] == "https" or here(headers)
        public = scope["path"].startswith((CUSTOMERS, "/static/"))
        inside = scope["path"].startswith(INSIDE)
        if why is ALONE and safe and not inside and (public or await self.office.has_accounts()):
            why = foreign(scope, headers)
        if why:
            await HTMLResponse(why, 403, media_type="text/plain; charset=utf-8")(scope, receive, sealed)
            return
        await self.app(scope, receive, sealed)


SAFE = ("GET", "HEAD", "OPTIONS")


def headers_of(path: str) -> Mapping[str, str]:
    """What browsers obey on a page."""
    return CUSTOMERS_HEADERS if path.startswith(CUSTOMERS) else HEADERS


def refusal(scope: Scope, headers: Mapping[str, str]) -> str:
    """Why a request is not answered; empty for those that are.

    A name of another machine in `Host` would let a foreign site read the pages through the browser of whoever sits
    here; a request that another site made would act in that person's name.
    """
    client = (scope.get("client") or ("127.0.0.1", 0))[0]
    if not (loopback(client) and here(headers)):
        return ALONE
    return foreign(scope, headers)


def here(headers: Mapping[str, str]) -> bool:
    """Whether the browser calls this machine by a name that means itself."""
    said = headers.get("host", "")
    host = said.rpartition(":")[0] if said[-1:].isdigit() and ":" in said.rpartition("]")[2] else said
    return loopback(host.strip("[]")) or host == "localhost"


ALONE = (
    "Without accounts and HTTPS these pages are only for the machine itself: open them at 127.0.0.1. "
    "`comptoir staff set` makes the first account."
)


def foreign(scope: Scope, headers: Mapping[str, str]) -> str:
    """Why a request of another site is not answered; empty for all others."""
    if scope["method"] not in SAFE:
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin", "")
        if origin == "null" and scope["path"].startswith(CUSTOMERS):
            origin = ""  # a page that sends no referrer sends no origin; who does not know the link cannot send this
        if site not in ("same-origin", "none") or (origin and origin.partition("://")[2] != headers.get("host", "")):
            return "This request came from another site."
    return ""


def loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
