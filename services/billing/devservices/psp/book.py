"""The provider's book: what it authorised, captured, voided and refunded, on disk before it answers.

One thread writes. Requests that wait together share one commit, so that durable is also fast.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

SCHEMA = """
create table if not exists operations (
  key text primary key, kind text not null, amount text not null, currency text not null, token text not null,
  authorisation text not null, outcome text not null, reference text not null, reason text not null,
  expires_at text, at text not null);
create table if not exists authorisations (
  reference text primary key, currency text not null, amount text not null, captured text not null,
  refunded text not null, state text not null, expires_at text not null);
create table if not exists switches (name text primary key, value text not null);
"""
Row = dict[str, Any]


class Conflict(Exception):
    """A known key with another request."""


@dataclass(frozen=True)
class Request:
    """One operation as it was asked for."""

    key: str
    kind: str
    amount: Decimal
    currency: str
    token: str = ""
    authorisation: str = ""


class Book:
    """Durable from the moment when `perform` returns. All access is on one thread of its own."""

    def __init__(self, path: Path | str, *, now: Callable[[], datetime] | None = None, days: int = 7) -> None:
        self.path, self.days = path, days
        self.now = now or (lambda: datetime.now(UTC))
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="psp-book")
        self.waiting: list[tuple[Request, bool, bool, asyncio.Future[Row]]] = []
        self.writing: asyncio.Task[None] | None = None
        self.db: sqlite3.Connection = self.thread.submit(self._open).result()

    async def perform(self, request: Request, *, decline: bool = False, expired: bool = False) -> Row:
        """Does the operation once; the same key again gets the same answer."""
        future: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self.waiting.append((request, decline, expired, future))
        if self.writing is None or self.writing.done():
            self.writing = asyncio.create_task(self._write())
        return await asyncio.shield(future)

    async def find(self, key: str) -> Row | None:
        found: Row | None = await self._on_thread(lambda: self._known(key))
        return found

    async def book(self) -> Row:
        """Everything, for comparison with billing's own operations (I14)."""

        def read() -> Row:
            return {
                "operations": self._all("select * from operations order by key"),
                "authorisations": self._all("select * from authorisations order by reference"),
            }

        everything: Row = await self._on_thread(read)
        return everything

    async def switches(self) -> Row:
        rows: list[Row] = await self._on_thread(lambda: self._all("select * from switches"))
        return {row["name"]: json.loads(row["value"]) for row in rows}

    async def set_switches(self, switches: Row) -> None:
        def write() -> None:
            with self.db:
                self.db.execute("delete from switches")
                self.db.executemany(
                    "insert into switches values (?, ?)", [(k, json.dumps(v)) for k, v in switches.items()]
                )

        await self._on_thread(write)

    async def close(self) -> None:
        if self.writing is not None:
            await self.writing
        await self._on_thread(self.db.close)
        self.thread.shutdown()

    async def _on_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)

    async def _write(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting, []
            try:
                results = await self._on_thread(partial(self._commit, batch))
            except Exception as error:
                results = [error] * len(batch)
            for (*_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path)
        db.row_factory = sqlite3.Row
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
        return db

    def _commit(self, batch: list[tuple[Request, bool, bool, "asyncio.Future[Row]"]]) -> list[Row | Exception]:
        results: list[Row | Exception] = []
        with self.db:
            for request, decline, expired, _ in batch:
                try:
                    results.append(self._decide(request, decline, expired))
                except Conflict as error:
                    results.append(error)
        return results

    def _decide(self, request: Request, decline: bool, expired: bool) -> Row:
        known = self._known(request.key)
        asked = {
            "kind": request.kind,
            "amount": format(request.amount, "f"),
            "currency": request.currency,
            "token": request.token,
            "authorisation": request.authorisation,
        }
        if known:
            if Decimal(known["amount"]) != request.amount or known["kind"] != request.kind:
                raise Conflict(f"{request.key} is known as {known['kind']} {known['amount']}")
            return known
        reason = "declined" if decline else self._refusal(request, expired)
        reference, expires_at = f"psp_{request.key}", None
        if not reason and request.kind == "authorise":
            expires_at = (self.now() + timedelta(days=self.days)).isoformat()
            self.db.execute(
                "insert into authorisations values (?, ?, ?, '0', '0', 'open', ?)",
                (reference, request.currency, asked["amount"], expires_at),
            )
        row = {
            "key": request.key,
            **asked,
            "outcome": "refused" if reason else "ok",
            "reference": reference,
            "reason": reason,
            "expires_at": expires_at,
            "at": self.now().isoformat(),
        }
        names = ", ".join(row)
        self.db.execute(f"insert into operations ({names}) values ({', '.join('?' * len(row))})", tuple(row.values()))
        return row

    def _refusal(self, request: Request, expired: bool) -> str:
        """Books a capture, void or refund on its authorisation; or says why not."""
        if request.kind == "authorise" or not request.authorisation:
            # A refund without authorisation is a payout of money that came by bank or carrier.
            return "" if request.kind in ("authorise", "refund") else "no authorisation is named"
        found = self.db.execute("select * from authorisations where reference = ?", (request.authorisation,)).fetchone()
        if found is None or found["currency"] != request.currency:
            return "unknown authorisation"
        amount, captured, refunded = (Decimal(found[name]) for name in ("amount", "captured", "refunded"))
        state = str(found["state"])
        if state == "open" and (expired or datetime.fromisoformat(found["expires_at"]) <= self.now()):
            state = "expired"
        if request.kind == "refund":
            if refunded + request.amount > captured:
                return "more than captured"
            refunded += request.amount
        elif state != "open":
            self._store(request.authorisation, captured, refunded, state)
            return state
        elif request.kind == "void":
            state = "voided"
        elif captured + request.amount > amount:
            return "more than authorised"
        else:
            captured += request.amount
        self._store(request.authorisation, captured, refunded, state)
        return ""

    def _store(self, reference: str, captured: Decimal, refunded: Decimal, state: str) -> None:
        self.db.execute(
            "update authorisations set captured = ?, refunded = ?, state = ? where reference = ?",
            (format(captured, "f"), format(refunded, "f"), state, reference),
        )

    def _known(self, key: str) -> Row | None:
        found = self.db.execute("select * from operations where key = ?", (key,)).fetchone()
        return dict(found) if found else None

    def _all(self, sql: str) -> list[Row]:
        return [dict(row) for row in self.db.execute(sql)]
