"""The provider's HTTP API, with switches for everything that goes wrong at real providers.

Switches: decline, timeout_after_charge, error_500, garbage, slow (seconds), duplicate_webhook, late_webhook (seconds),
expire. Each may be set for all by PUT /switches, or for one order by its token: tok_<switch>.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from pydantic_settings import SettingsConfigDict

from services.billing.devservices.psp.book import Book, Conflict, Request, Row
from services.billing.webhooks import SIGNATURE, TIMESTAMP, sign
from shared.outward import outward
from shared.settings import FromFiles

PUBLIC = ("key", "kind", "amount", "currency", "outcome", "reference", "reason", "expires_at")


class Settings(FromFiles):
    model_config = SettingsConfigDict(env_prefix="COMPTOIR_PSP_", extra="ignore", frozen=True)

    path: Path = Field(Path("psp.sqlite"), description="the provider's book")
    webhook_url: str = Field("", description="where results are sent; empty: nowhere")
    webhook_secret: str = Field("development", description="signs the webhooks")
    host: str = "127.0.0.1"
    port: int = Field(8090, ge=0, le=65535)
    hang_s: float = Field(30.0, description="how long an answer that never comes is held back")


class Switches(BaseModel):
    """What goes wrong from now on. false, 0: nothing."""

    decline: bool = False
    timeout_after_charge: bool = False
    error_500: bool = False
    garbage: bool = False
    slow: Annotated[float, Field(ge=0, le=60)] = 0
    duplicate_webhook: bool = False
    late_webhook: Annotated[float, Field(ge=0, le=600)] = 0
    expire: bool = False


class OperationIn(BaseModel):
    kind: Literal["authorise", "capture", "void", "refund"]
    amount: Annotated[Decimal, Field(gt=0, max_digits=16, decimal_places=6)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    token: Annotated[str, Field(max_length=200)] = ""
    authorisation: Annotated[str, Field(max_length=200)] = ""


def build(settings: Settings | None = None, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The application. `transport` is where webhooks go instead of the network."""
    psp = Psp(settings or Settings(), transport)

    @asynccontextmanager
    async def alive(app: FastAPI) -> AsyncIterator[None]:
        yield
        await psp.close()

    app = FastAPI(title="Payment provider of development", version="1", lifespan=alive)
    app.state.psp = psp

    @app.post("/operations", status_code=201, responses={402: {"description": "refused"}})
    async def operate(
        body: OperationIn, idempotency_key: Annotated[str, Header(min_length=1, max_length=255)]
    ) -> Response:
        """Does one operation once; the same key gets the same answer. 402: refused, for good."""
        return await psp.operate(Request(idempotency_key, **body.model_dump()))

    @app.get("/operations/{key}")
    async def operation(key: str) -> Response:
        found = await psp.book.find(key)
        if found is None:
            raise HTTPException(404, "no such operation")
        return answered(found, 200)

    @app.get("/book")
    async def book() -> Row:
        """All operations and authorisations, to be compared with the shop's books."""
        return await psp.book.book()

    @app.get("/switches")
    async def switches() -> Switches:
        return psp.switches

    @app.put("/switches")
    async def switch(body: Switches) -> Switches:
        await psp.book.set_switches(body.model_dump())
        psp.known = body
        return body

    return app


class Psp:
    """The provider: its book, its switches and the webhooks that are on their way."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self.book = Book(settings.path)
        self.known: Switches | None = None
        self.client = outward(timeout_s=5, connections=16, transport=transport)
        self.sending: set[asyncio.Task[None]] = set()

    @property
    def switches(self) -> Switches:
        return self.known or Switches()

    async def operate(self, request: Request) -> Response:
        if self.known is None:
            self.known = Switches(**await self.book.switches())
        token = request.token
        if request.authorisation:  # later operations follow the token of their authorisation
            begun = await self.book.find(request.authorisation.removeprefix("psp_"))
            token = begun["token"] if begun else ""
        on = self._switches_for(token)
        if on.slow:
            await asyncio.sleep(on.slow)
        try:
            decline = on.decline and request.kind == "authorise"
            row = await self.book.perform(request, decline=decline, expired=on.expire and request.kind != "refund")
        except Conflict as error:
            raise HTTPException(409, str(error)) from error
        if self.settings.webhook_url:
            self._announce(row, on)
        if on.timeout_after_charge:
            await asyncio.sleep(self.settings.hang_s)
        if on.error_500 or on.timeout_after_charge:
            return JSONResponse({"error": "internal"}, 500)
        if on.garbage:
            return Response("<html>gateway</html>", 200, media_type="text/html")
        return answered(row, 201)

    async def close(self) -> None:
        for task in self.sending:
            task.cancel()
        await asyncio.gather(*self.sending, return_exceptions=True)
        await self.client.aclose()
        await self.book.close()

    def _switches_for(self, token: str) -> Switches:
        name = token.removeprefix("tok_")
        if token.startswith("tok_") and name in Switches.model_fields:
            return self.switches.model_copy(update={name: True})
        return self.switches

    def _announce(self, row: Row, on: Switches) -> None:
        body = json.dumps({"event_id": f"evt_{row['key']}", **public(row)}).encode()
        for _ in range(2 if on.duplicate_webhook else 1):
            task = asyncio.create_task(self._send(body, float(on.late_webhook)))
            self.sending.add(task)
            task.add_done_callback(self.sending.discard)

    async def _send(self, body: bytes, after_s: float) -> None:
        """At least once: tried again, with growing pauses, until it is taken."""
        for pause in (after_s, 1, 5, 30, 300):
            await asyncio.sleep(pause)
            timestamp = str(int(self.book.now().timestamp()))
            headers = {
                TIMESTAMP: timestamp,
                SIGNATURE: sign(self.settings.webhook_secret, timestamp, body),
                "Content-Type": "application/json",
            }
            try:
                response = await self.client.post(self.settings.webhook_url, content=body, headers=headers)
                if response.is_success:
                    return
            except httpx.HTTPError:
                continue


def public(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in PUBLIC}


def answered(row: Row, status: int) -> Response:
    return JSONResponse(public(row), 402 if row["outcome"] == "refused" else status)
