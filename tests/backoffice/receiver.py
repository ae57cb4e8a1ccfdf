"""A receiver of webhooks on this machine: keeps what came, checks it, answers as it is told to."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.serve import address_of, listening, serving

Item = dict[str, Any]


@dataclass
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Item:
        event: Item = json.loads(self.body)
        return event

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def kind(self) -> str:
        return str(self.event["type"])

    def signed_with(self, secret: str) -> bool:
        """Whether one of its signatures is of this secret."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        made = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return made in self.headers["webhook-signature"].split(" ")


Answering = Callable[[Got], Awaitable[Response]]


async def takes(got: Got) -> Response:
    return Response(status_code=204)


def says(code: int, text: str = "", **headers: str) -> Answering:
    async def answer(got: Got) -> Response:
        return Response(text, code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


@dataclass
class Receiver:
    """`answers`: per path how it answers; everything else is taken."""

    here: str
    got: list[Got] = field(default_factory=list)
    answers: dict[str, Answering] = field(default_factory=dict)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == path]

    async def hang(self, got: Got) -> Response:
        """Answers when the event is set, and not before."""
        await self.hanging.wait()
        return Response(status_code=204)


@asynccontextmanager
async def receiver_at() -> AsyncIterator[Receiver]:
    bound = listening("127.0.0.1", 0)
    receiver = Receiver(address_of(bound))

    async def take(request: Request) -> Response:
        got = Got(request.url.path, dict(request.headers), await request.body())
        receiver.got.append(got)
        return await receiver.answers.get(got.path, takes)(got)

    async with serving(Starlette(routes=[Route("/{path:path}", take, methods=["POST", "GET"])]), bound):
        try:
            yield receiver
        finally:
            receiver.hanging.set()
