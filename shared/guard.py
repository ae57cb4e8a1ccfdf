"""Who is let in to a service's API: by a key where keys are configured, otherwise whoever reaches it.

Every route says beside itself what it needs: `@needs("orders:read")`, or `@signed` where the body itself proves who
sends it. Before a body is read the key is looked up; once the route is known, so is its scope. Without keys nothing is
asked, but what comes from outside the network, which the door marks, is refused: from there nobody is believed.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVar

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import RouteContext, iter_route_contexts
from prometheus_client import CollectorRegistry, Counter
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http import CALLER, PROBLEM, Item, problem, wrong
from shared.keyring import Keyring
from shared.keys import ACT_AS, ALL, SCOPES, Key, well_formed
from shared.rate import Rate

log = structlog.get_logger("comptoir.guard")
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Judge = Callable[[Request, str], Awaitable[None]]
"""Of a request by a key that is bound to a channel: raises NotFound or OtherChannel for what is another channel's."""

OPEN: Final = frozenset(
    {"/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
)
"""What tells nothing of anybody: figures, and what the API looks like. The door keeps all of it inside."""
OUTSIDE: Final = b"x-comptoir-outside"
"""The door's mark of what came in by its port for the outside."""
REALM: Final = 'Bearer realm="comptoir"'
Reason = Literal["none", "wrong", "expired", "scope", "channel", "actor", "rate", "outside"]
REASONS: Final[tuple[Reason, ...]] = ("none", "wrong", "expired", "scope", "channel", "actor", "rate", "outside")
LINES, WITHIN = 20, timedelta(minutes=10)
"""Lines of the log that one address or key may cause; what is more is only counted."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a route needs; without a scope the body is signed. `judge`: where channels matter."""

    scope: str = ""
    judge: Judge | None = None


SIGNED: Final = Need()
CLOSED: Final = Need("nobody's")
"""Of a route that says nothing: no key opens it. A test names such a route."""
NEEDS: Final[dict[Callable[..., Any], Need]] = {}
"""By what answers a route."""


def needs(scope: str, judge: Judge | None = None) -> Callable[[Endpoint], Endpoint]:
    """Declares beside a route which scope opens it. A scope that looks at each channel needs a judge."""
    if scope in (ALL, ACT_AS):
        raise ValueError(f"{scope} is about all routes, and no route needs it")
    if (SCOPES[scope].channels == "each") != (judge is not None):
        raise ValueError(f"{scope}: a judge belongs to scopes that look at each channel, and only to them")

    def declare(endpoint: Endpoint) -> Endpoint:
        NEEDS[endpoint] = Need(scope, judge)
        return endpoint

    return declare


def signed(endpoint: Endpoint) -> Endpoint:
    """Declares that a route needs no key, as it verifies the signature of what it is sent."""
    NEEDS[endpoint] = SIGNED
    return endpoint


async def by_its_body(request: Request, channel: str) -> None:
    """Judge of routes that look at the channel in what they are sent themselves."""


class OtherChannel(Exception):
    """What is asked for is not of the channel that the caller's key is bound to."""

    def __init__(self, channel: str, field: str = "") -> None:
        super().__init__(f"this API key is bound to the channel {channel}")
        self.field = field


class Gate:
    """What a service knows of keys, and counts of who was refused. One per running service."""

    def __init__(
        self, service: str, keyring: Keyring | None, registry: CollectorRegistry, now: Callable[[], datetime]
    ) -> None:
        self.service, self.keyring, self.now = service, keyring, now
        self.counted = Counter(
            "comptoir_api_denied", "requests that were not let in", ("service", "reason"), registry=registry
        )
        for reason in REASONS:
            self.counted.labels(service, reason)
        self.asked = Rate(0, timedelta(minutes=1))
        self.told = Rate(LINES, WITHIN)

    def deny(self, reason: Reason, who: str, **about: Any) -> None:
        """Counts it, and says it unless this address or key was told of too often. Never with the key."""
        self.counted.labels(self.service, reason).inc()
        now = self.now()
        if self.told.full(who, now):
            return
        self.told.add(who, now)
        more = {"note": "further ones of this are only counted"} if self.told.full(who, now) else {}
        log.warning("not let in", service=self.service, reason=reason, who=who, **about, **more)


class Guard:
    """Plain ASGI middleware: looks up the key, and whose name the request is in."""

    def __init__(self, app: ASGIApp, gate: Gate, signed: frozenset[str]) -> None:
        self.app, self.gate, self.open = app, gate, OPEN | signed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) in self.open:
            await self.app(scope, receive, send)
            return
        refused = self.admit(scope)
        if refused is None:
            await self.app(scope, receive, send)
            return
        status, reason, title, headers = refused
        caller = scope.get(CALLER)
        address = (scope.get("client") or ("unknown", 0))[0]
        who = {"key": caller.name, "id": caller.id} if caller is not None else {}
        self.gate.deny(reason, caller.name if caller is not None else address, address=address, **who)
        answer = problem(status, title)
        answer.headers.update(headers)
        await answer(scope, receive, send)

    def admit(self, scope: Scope) -> tuple[int, Reason, str, dict[str, str]] | None:
        """None for who is let in; the scope then says who it is. Otherwise status, reason, title and headers."""
        gate, keyring = self.gate, self.gate.keyring
        given: list[bytes] = []
        actor, outside, rest = b"", False, []
        for name, value in scope["headers"]:
            if name == b"authorization":
                given.append(value)
            elif name == b"x-actor":
                actor = value
            elif name == OUTSIDE:
                outside = True
            elif name != b"x-roles":
                rest.append((name, value))
        if keyring is None:
            if outside:
                return 403, "outside", "this service has no API keys, so nobody is let in from outside", {}
            return None
        keyring.look(time.monotonic())
        if not given:
            title = "an API key is needed: Authorization: Bearer comptoir_..."
            return 401, "none", title, {"WWW-Authenticate": REALM}
        invalid = {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}
        scheme, _, token = given[0].decode("latin-1").partition(" ")
        token = token.strip()
        if len(given) > 1 or scheme.lower() != "bearer" or not well_formed(token):
            return 401, "wrong", "this is no API key: Authorization: Bearer comptoir_...", invalid
        key, now = keyring.find(token), self.gate.now()
        if key is None:
            return 401, "wrong", "this API key is not known", invalid
        scope[CALLER] = key
        if not key.live(now):
            return 401, "expired", f"the API key {key.name} ({key.id}) has expired", invalid
        if key.may(ACT_AS):
            if outside:
                return 403, "outside", f"the API key {key.name} acts as others, and so works inside only", {}
            if not actor:
                scope["headers"] = [*scope["headers"], (b"x-actor", key.name.encode())]
        else:
            roles = any(name == b"x-roles" for name, _ in scope["headers"])
            if roles or actor not in (b"", key.name.encode()):
                title = f"X-Actor and X-Roles need the scope {ACT_AS}, which the key {key.name} does not have"
                return 403, "actor", title, lacking(ACT_AS)
            scope["headers"] = [*rest, (b"x-actor", key.name.encode())]
        if key.per_minute is not None:
            if gate.asked.full(key.name, now, key.per_minute):
                title = f"the API key {key.name} may ask {key.per_minute} times a minute"
                return 429, "rate", title, {"Retry-After": str(gate.asked.again_s(key.name, now))}
            gate.asked.add(key.name, now)
        return None


def lacking(scope: str) -> dict[str, str]:
    """As RFC 6750 says which scope would do."""
    return {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'}


async def admitted(request: Request) -> None:
    """Refuses a caller whose key has not the scope of the route, or is bound to another channel. Before all routes."""
    gate: Gate = request.app.state.gate
    need = NEEDS.get(request.scope["route"].endpoint, CLOSED)
    if gate.keyring is None or not need.scope:
        return
    key: Key = request.scope[CALLER]
    if not key.may(need.scope):
        title = f"this needs the scope {need.scope}, which the API key {key.name} does not have"
        answer = HTTPException(403, title, lacking(need.scope))
        gate.deny("scope", key.name, **about(request, key), needs=need.scope)
        raise answer
    if key.channel is not None and SCOPES[need.scope].channels != "same":
        if need.judge is None:
            raise OtherChannel(key.channel)
        await need.judge(request, key.channel)


def about(request: Request, key: Key) -> dict[str, str]:
    """For the log: the route, as a path may hold what is nobody's business."""
    return {"key": key.name, "id": key.id, "route": f"{request.method} {request.scope['route'].path_format}"}


def contexts(routes: Sequence[BaseRoute]) -> list[RouteContext]:
    """All routes, those of routers in routers too, with what answers them."""
    return [each for each in iter_route_contexts(routes) if each.endpoint is not None]


def signed_paths(routes: Sequence[BaseRoute]) -> frozenset[str]:
    """Paths without any parameter that are open, as what they are sent is signed."""
    found = {each.path or "" for each in contexts(routes) if each.endpoint and NEEDS.get(each.endpoint) == SIGNED}
    assert not any("{" in path for path in found), "the guard knows open paths by their letters"
    return frozenset(found)


def add_guard(app: FastAPI, gate: Gate, routes: Sequence[BaseRoute]) -> None:
    """Before whatever stands behind it in the application; `admitted` must stand before each route."""
    app.add_middleware(Guard, gate=gate, signed=signed_paths(routes))

    @app.exception_handler(OtherChannel)
    async def other(request: Request, error: OtherChannel) -> JSONResponse:
        key: Key = request.scope[CALLER]
        gate.deny("channel", key.name, **about(request, key))
        return problem(403, str(error), [wrong(error.field, str(error))] if error.field else ())


# What OpenAPI says of it

SCHEME = "key"
REFUSALS = {
    "401": "No API key, or one that is not known or has expired",
    "403": "The API key has not the scope, or is bound to another channel",
    "429": "The API key asks too often; `Retry-After` says when again",
}


def describe(app: FastAPI, described: Item) -> None:
    """The key, and per operation the scope that it needs."""
    scopes = "\n".join(f"- `{name}`: {scope.says}" for name, scope in SCOPES.items())
    described.setdefault("components", {})["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "comptoir_ and 49 letters and digits",
            "description": f"An API key as `comptoir key make` prints it. Its scopes:\n\n{scopes}",
        }
    }
    refused = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for route in contexts(app.routes):
        need = NEEDS.get(route.endpoint or describe, SIGNED)
        for method in sorted(route.methods or ()) if need.scope else ():
            operation = described["paths"][route.path_format][method.lower()]
            operation["security"] = [{SCHEME: [need.scope]}]
            for status, says in REFUSALS.items():
                operation["responses"].setdefault(status, {"description": says, **refused})
            operation["responses"] = dict(sorted(operation["responses"].items()))
