"""A carrier for development and tests: a small HTTP service with its own durable book and with switches for trouble.

Its book (SQLite, WAL, synchronous=FULL) is the oracle: what it says was bought was bought. Requests that arrive
together share one commit. It knows nothing of the suite but the address and the secret of one webhook.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import httpx
import uvicorn
from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from services.fulfilment.webhook import headers
from shared.outward import outward

T = TypeVar("T")
Item = dict[str, Any]
Clock = Callable[[], datetime]
RETRY_S = (0.2, 1.0, 5.0, 30.0, 120.0)
"""Pauses between the tries of one webhook; what is left unsent is sent at the next start."""

SCHEMA = """
create table if not exists labels (
  number integer primary key, label_id text not null unique, key text not null unique, request text not null,
  tracking text not null, state text not null check (state in ('bought', 'voided')), manifest_id integer,
  bought_at text not null, voided_at text, refund_asked_at text
);
create table if not exists manifests (manifest_id integer primary key, at text not null, labels integer not null);
create table if not exists events (
  event_id text primary key, label_id text not null, status text not null, at text not null, text text not null,
  sent_at text
);
"""


class Problem(Exception):
    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status, self.title = status, title


class Book:
    """The carrier's durable book. Pieces of work that wait together are committed together, each in its savepoint."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
            self.db.execute(f"pragma {pragma}")
        self.db.executescript(SCHEMA)
        self.waiting: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = []
        self.writer: asyncio.Task[None] | None = None

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of the work, after its commit."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append((work, future))
        if self.writer is None or self.writer.done():
            self.writer = asyncio.create_task(self.write())
        return cast(T, await future)

    async def write(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting, []
            try:
                results = await asyncio.to_thread(self.commit, [work for work, _ in batch])
            except Exception as error:  # the commit itself failed: nothing of the batch is in the book
                results = [error] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def commit(self, batch: list[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        results: list[Any] = []
        self.db.execute("begin immediate")
        try:
            for work in batch:
                self.db.execute("savepoint one")
                try:
                    results.append(work(self.db))
                except Exception as error:
                    self.db.execute("rollback to one")
                    results.append(error)
                self.db.execute("release one")
            self.db.execute("commit")
        except BaseException:
            self.db.execute("rollback")
            raise
        return results

    async def close(self) -> None:
        if self.writer is not None:
            await self.writer
        self.db.close()


class LabelIn(BaseModel):
    reference: str = Field(max_length=100)
    service_level: str = Field("standard", max_length=64)
    address: dict[str, Any] = {}
    weight_g: int = Field(0, ge=0)


class Switches(BaseModel):
    """How many of the next requests go wrong in which way; -1: all of them, until it is set anew."""

    refuse: int = 0  # 422 to a purchase
    refuse_void: int = 0  # 422 to a void
    error_500: int = 0
    lose_answer: int = 0  # it is in the book, but the caller hears 504
    slow: int = 0
    slow_s: float = Field(1.0, ge=0, le=60)

    def take(self, name: str) -> bool:
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0


class ManifestIn(BaseModel):
    """Which labels are handed over; none named: all that are bought."""

    label_ids: list[str] = []


def development_carrier(
    book: Path,
    *,
    webhook_url: str = "",
    secret: str = "",
    now: Clock = lambda: datetime.now(UTC),
    transport: httpx.AsyncBaseTransport | None = None,
) -> FastAPI:
    """The carrier's application. `transport` is where its webhooks go; by default to the network."""
    carrier = DevelopmentCarrier(Book(book), webhook_url, secret, now, transport)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await carrier.start()
        yield
        await carrier.stop()

    app = FastAPI(title="Development carrier", version="1", lifespan=lifespan)
    app.state.carrier = carrier
    app.include_router(carrier_routes(carrier))

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        body = {"type": "about:blank", "title": error.title, "status": error.status}
        return JSONResponse(body, error.status, media_type="application/problem+json")

    return app


class DevelopmentCarrier:
    """What the carrier does, apart from HTTP."""

    def __init__(
        self, book: Book, webhook_url: str, secret: str, now: Clock, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self.book, self.webhook_url, self.secret, self.now = book, webhook_url, secret, now
        self.switches = Switches()
        self.client = outward(timeout_s=10, connections=16, transport=transport)
        self.sending: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Webhooks that a crash or an absent receiver left unsent go out now."""
        for event_id in await self.book.do(lambda db: [r[0] for r in db.execute(UNSENT)]):
            self.send(event_id)

    async def stop(self) -> None:
        for task in self.sending:
            task.cancel()
        await asyncio.gather(*self.sending, return_exceptions=True)
        await self.client.aclose()
        await self.book.close()

    async def trouble(self) -> None:
        if self.switches.take("slow"):
            await asyncio.sleep(self.switches.slow_s)
        if self.switches.take("error_500"):
            raise Problem(500, "the carrier is out of order")

    async def answer(self, body: Item, status: int = 200) -> Response:
        if self.switches.take("lose_answer"):
            raise Problem(504, "the answer was lost")
        return JSONResponse(body, status)

    async def buy(self, key: str, request: LabelIn) -> tuple[Item, bool]:
        """One label per key, whatever happens; the same key for another parcel is refused."""
        text, at = request.model_dump_json(), self.now().isoformat()

        def work(db: sqlite3.Connection) -> tuple[Item, bool]:
            known = db.execute("select * from labels where key = ?", (key,)).fetchone()
            if known is not None:
                if json.loads(known["request"])["reference"] != request.reference:
                    raise Problem(422, "this Idempotency-Key was used for another parcel")
                return dict(known), False
            id, number = secrets.token_hex(6), db.execute("select count(*) from labels").fetchone()[0] + 1
            db.execute(
                "insert into labels (label_id, key, request, tracking, state, bought_at) values (?, ?, ?, ?, ?, ?)",
                (f"LB{id}", key, text, f"TR{number:09d}", "bought", at),
            )
            return dict(db.execute("select * from labels where key = ?", (key,)).fetchone()), True

        return await self.book.do(work)

    async def void(self, label_id: str) -> Item:
        at = self.now().isoformat()

        def work(db: sqlite3.Connection) -> Item:
            label = self.label(db, label_id)
            if label["manifest_id"] is not None:
                raise Problem(409, "the label is on a manifest: ask for a refund")
            if label["state"] == "bought":
                db.execute("update labels set state = 'voided', voided_at = ? where label_id = ?", (at, label_id))
            return self.label(db, label_id)

        return await self.book.do(work)

    async def refund(self, label_id: str) -> Item:
        at = self.now().isoformat()

        def work(db: sqlite3.Connection) -> Item:
            label = self.label(db, label_id)
            if label["manifest_id"] is None:
                raise Problem(409, "the label is not on a manifest: void it")
            if db.execute("select 1 from events where label_id = ?", (label_id,)).fetchone():
                raise Problem(422, "the parcel was carried: no refund")
            db.execute(
                "update labels set refund_asked_at = coalesce(refund_asked_at, ?) where label_id = ?", (at, label_id)
            )
            return self.label(db, label_id)

        return await self.book.do(work)

    async def manifest(self, label_ids: list[str]) -> Item:
        at = self.now().isoformat()

        def work(db: sqlite3.Connection) -> Item:
            free = "state = 'bought' and manifest_id is null"
            wanted = label_ids or [r[0] for r in db.execute(f"select label_id from labels where {free}")]
            cursor = db.execute("insert into manifests (at, labels) values (?, ?)", (at, len(wanted)))
            for label_id in wanted:
                sql = f"update labels set manifest_id = ? where label_id = ? and {free}"
                if not db.execute(sql, (cursor.lastrowid, label_id)).rowcount:
                    raise Problem(409, f"label {label_id} cannot be handed over")
            return {"manifest_id": cursor.lastrowid, "labels": wanted}

        return await self.book.do(work)

    async def track(self, label_id: str, status: str, text: str) -> str:
        at, event_id = self.now().isoformat(), f"evt_{secrets.token_hex(12)}"

        def work(db: sqlite3.Connection) -> str:
            if self.label(db, label_id)["state"] != "bought":
                raise Problem(409, "the label is void")
            values = (event_id, label_id, status, at, text, None if self.webhook_url else at)
            db.execute("insert into events values (?, ?, ?, ?, ?, ?)", values)
            return event_id

        return await self.book.do(work)

    @staticmethod
    def label(db: sqlite3.Connection, id_or_key: str) -> Item:
        row = db.execute("select * from labels where label_id = ? or key = ?", (id_or_key, id_or_key)).fetchone()
        if row is None:
            raise Problem(404, "there is no such label")
        return dict(row)

    # Webhooks

    def send(self, event_id: str, *, late_s: float = 0, copies: int = 1) -> None:
        if not self.webhook_url:
            return
        for _ in range(copies):
            task = asyncio.create_task(self.deliver(event_id, late_s))
            self.sending.add(task)
            task.add_done_callback(self.sending.discard)

    async def deliver(self, event_id: str, late_s: float) -> None:
        """Until the receiver says 2xx, with growing pauses. The id stays, so the receiver can tell copies."""
        sql = "select e.*, l.key from events e join labels l using (label_id) where event_id = ?"
        event = await self.book.do(lambda db: dict(db.execute(sql, (event_id,)).fetchone()))
        said = {"reference": event["key"], "status": event["status"], "at": event["at"], "text": event["text"]}
        body = json.dumps(said).encode()
        for pause in (late_s, *RETRY_S):
            await asyncio.sleep(pause)
            with contextlib.suppress(httpx.HTTPError):
                signed = headers(self.secret, event_id, self.now(), body)
                response = await self.client.post(self.webhook_url, content=body, headers=signed)
                if response.is_success:
                    await self.sent(event_id)
                    return

    async def sent(self, event_id: str) -> None:
        at = self.now().isoformat()
        sql = "update events set sent_at = ? where event_id = ?"
        await self.book.do(lambda db: db.execute(sql, (at, event_id)).rowcount)


UNSENT = "select event_id from events where sent_at is null order by at"


def carrier_routes(carrier: DevelopmentCarrier) -> APIRouter:
    router = APIRouter()

    def shown(label: Item) -> Item:
        request = json.loads(label["request"])
        names = ("label_id", "key", "tracking", "state", "manifest_id", "bought_at", "voided_at", "refund_asked_at")
        return {name: label[name] for name in names} | {"reference": request["reference"]}

    @router.post("/labels", status_code=201)
    async def buy(body: LabelIn, idempotency_key: Annotated[str, Header(min_length=1, max_length=255)]) -> Response:
        """Buys the label of one parcel. The same key gets the same label, however often it asks."""
        await carrier.trouble()
        if carrier.switches.take("refuse"):
            raise Problem(422, "the carrier does not serve this address")
        label, made = await carrier.buy(idempotency_key, body)
        return await carrier.answer(shown(label), 201 if made else 200)

    @router.get("/labels/{id_or_key}")
    async def show(id_or_key: str) -> Item:
        """A label by its id or by the key that it was bought under."""
        return shown(await carrier.book.do(lambda db: carrier.label(db, id_or_key)))

    @router.delete("/labels/{label_id}")
    async def void(label_id: str) -> Response:
        """Voids a label; 409 once it is on a manifest."""
        await carrier.trouble()
        if carrier.switches.take("refuse_void"):
            raise Problem(422, "the carrier does not void this label")
        return await carrier.answer(shown(await carrier.void(label_id)))

    @router.post("/labels/{label_id}/refund", status_code=202)
    async def refund(label_id: str) -> Response:
        """Claims back the price of a label that is on a manifest but was never carried."""
        await carrier.trouble()
        return await carrier.answer(shown(await carrier.refund(label_id)), 202)

    @router.post("/manifests", status_code=201)
    async def manifest(body: ManifestIn) -> Item:
        """Closes the day's list of parcels; their labels cannot be voided any more."""
        return await carrier.manifest(body.label_ids)

    @router.post("/tracking/{label_id}/{status}", status_code=202)
    async def track(
        label_id: str,
        status: Literal["in_transit", "delivered", "refused", "lost"],
        text: Annotated[str, Query(max_length=200)] = "",
        copies: Annotated[int, Query(ge=0, le=10)] = 1,
        late_s: Annotated[float, Query(ge=0, le=3600)] = 0,
    ) -> Item:
        """Something happened to a parcel: told by webhook, `copies` times, `late_s` seconds from now."""
        event_id = await carrier.track(label_id, status, text)
        carrier.send(event_id, late_s=late_s, copies=copies)
        return {"event_id": event_id}

    @router.get("/switches")
    async def switches() -> Switches:
        return carrier.switches

    @router.put("/switches")
    async def switch(body: Switches) -> Switches:
        """What goes wrong from now on."""
        carrier.switches = body
        return body

    @router.get("/book")
    async def book() -> Item:
        """Everything that was ever bought, handed over and told."""

        def work(db: sqlite3.Connection) -> Item:
            def all_of(table: str) -> list[Item]:
                return [dict(row) for row in db.execute(f"select * from {table} order by 1")]

            return {"labels": all_of("labels"), "manifests": all_of("manifests"), "events": all_of("events")}

        found = await carrier.book.do(work)
        return found | {"labels": [shown(label) for label in found["labels"]]}

    @router.get("/health/live")
    async def live() -> Item:
        return {"live": True}

    return router


def main() -> None:
    """Runs the carrier: python -m services.fulfilment.development_carrier --book carrier.db --port 8090"""
    parser = argparse.ArgumentParser(description="The development carrier")
    parser.add_argument("--book", type=Path, default=Path("carrier.db"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--webhook-url", default="")
    parser.add_argument("--secret", default="")
    parser.add_argument("--secret-file", type=Path, help="a file that holds the secret")
    given = parser.parse_args()
    secret = given.secret_file.read_text().strip() if given.secret_file else given.secret
    app = development_carrier(given.book, webhook_url=given.webhook_url, secret=secret)
    uvicorn.run(app, host=given.host, port=given.port)


if __name__ == "__main__":
    main()
