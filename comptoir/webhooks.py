"""Webhooks by command: what the page of the back office does, by the same decisions, on its database.

Whether the back office runs or not; what is to be sent goes out with its couriers.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from comptoir.operating import deciding, dsn, print_rows
from services.backoffice.webhooks import reads
from services.backoffice.webhooks.again import MOST_AGAIN, all_again
from shared import clock
from shared.contracts.backoffice import ActOnWebhook, OfWebhook
from shared.database import reading_engine
from shared.messaging.decision import Reply
from shared.messaging.envelope import envelope
from shared.messaging.unit import Arrival
from shared.serve import NotHere, migrated
from shared.settings import database_of

Item = dict[str, Any]
LOOKED_EVERY_S = 0.2


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    """Of the back office's database. Raises NotHere where it has no tables yet."""
    await migrated("backoffice", dsn(url, "backoffice"))
    engine = reading_engine(database_of(url, "backoffice"))
    try:
        yield engine
    finally:
        await engine.dispose()


async def _named(conn: AsyncConnection, name: str) -> Item:
    """The only webhook of this name or id. Raises NotHere."""
    found = [of for of in await reads.all_webhooks(conn) if name in (of["name"], str(of["webhook_id"]))]
    if not found:
        raise NotHere(f"there is no webhook {name}: `comptoir webhooks list` shows them")
    if len(found) > 1:
        raise NotHere(f"{len(found)} webhooks are called {name}: name one by its id, from `comptoir webhooks list`")
    return found[0]


async def listed(url: str) -> list[Item]:
    """All webhooks, each with how it fares."""
    async with _engine(url) as engine, engine.connect() as conn:
        return await reads.all_webhooks(conn)


async def not_taken(url: str, name: str, limit: int) -> list[tuple[Item, Item]]:
    """(webhook, delivery) of what was not taken, of one webhook or of all; the newest of each first."""
    async with _engine(url) as engine, engine.connect() as conn:
        hooks = [await _named(conn, name)] if name else await reads.all_webhooks(conn)
        return [(hook, of) for hook in hooks for of in await reads.failed(conn, hook["webhook_id"], limit)]


async def _asked(url: str, word: OfWebhook, id: UUID, by: str) -> Reply:
    """One word decided, as the page has it decided."""
    async with deciding(url, "backoffice") as unit:
        event = envelope(word, id=id, source=unit.source, now=clock.now(), actor=by)
        outcomes = await unit.work([Arrival("request", id, [event], fingerprint="webhooks")])
        return next(reply for outcome in outcomes for _, reply in outcome.answers)


def _checked(reply: Reply) -> None:
    if reply.status >= 400:
        raise NotHere(str(reply.body.get("title", "it was refused")))


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of a test: its state, and the last answer to it."""

    state: str
    code: int = 0
    why: str = ""

    @property
    def taken(self) -> bool:
        return self.state == "delivered"


async def tested(url: str, name: str, by: str, wait_s: float) -> Tested:
    """Has a test sent and waits for its first answer, for so long at most."""
    async with _engine(url) as engine:
        async with engine.connect() as conn:
            hook = await _named(conn, name)
        id, begins = clock.new_id(), clock.now()
        word = ActOnWebhook(webhook_id=hook["webhook_id"], act="test", actor=by)
        _checked(await _asked(url, word, id, by))

        async def answer() -> Item | None:
            async with engine.connect() as conn:
                newest = await reads.deliveries(conn, hook["webhook_id"], limit=20)
            sent = [of for of in newest if of["subject"] == str(hook["webhook_id"]) and of["wanted_at"] >= begins]
            return next((of for of in sent if of["tries"] or of["state"] != "waiting"), None)

        found: Item | None = None
        try:
            async with asyncio.timeout(wait_s):
                while (found := await answer()) is None:  # noqa: ASYNC110 - another process sends it
                    await asyncio.sleep(LOOKED_EVERY_S)
        except TimeoutError:
            pass
        return Tested("unknown") if found is None else Tested(found["state"], found["code"], found["why"])


async def replayed(url: str, name: str, by: str, since: datetime | None, *, dry_run: bool) -> int:
    """What was given up, or all since a moment, sent again to one webhook; how many events that are."""
    async with _engine(url) as engine:
        async with engine.connect() as conn:
            hook = await _named(conn, name)
        id = hook["webhook_id"]

        async def some(after: tuple[datetime, UUID] | None, limit: int) -> list[Item]:
            async with engine.connect() as conn:
                if since is None:
                    return await reads.to_send_again(conn, id, after, limit)
                return await reads.to_redeliver(conn, id, since, after, limit)

        if dry_run:
            return len(await some(None, MOST_AGAIN))
        n, refused = await all_again(lambda word, key: _asked(url, word, key, by), some, id, clock.new_id(), since, by)
        if refused is not None:
            _checked(refused)
        return n


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def _print(rows: Sequence[Item], columns: dict[str, Callable[[Item], str]], out: Console, as_json: bool) -> None:
    if as_json:
        for row in rows:
            out.print(json.dumps(row, default=str), soft_wrap=True, highlight=False, markup=False)
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(say(row).replace("[", r"\[") for say in columns.values()))
    print_rows(out, table)


def print_webhooks(found: Sequence[Item], out: Console, as_json: bool) -> None:
    """Without what secrets are made of."""
    names = ("webhook_id", "name", "url", "kinds", "state", "why", "failures", "failing_since", "waiting", "oldest")
    rows = [{name: of[name] for name in (*names, "given_up", "delivered_at")} for of in found]
    if not rows and not as_json:
        out.print("there are no webhooks")
        return
    columns: dict[str, Callable[[Item], str]] = {
        "name": lambda of: of["name"],
        "id": lambda of: str(of["webhook_id"]),
        "state": lambda of: of["state"] + (f", takes nothing ({of['failures']} times)" if of["failures"] else ""),
        "waiting": lambda of: str(of["waiting"]),
        "given up": lambda of: str(of["given_up"]),
        "taken last": lambda of: _moment(of["delivered_at"]),
        "address": lambda of: of["url"],
    }
    _print(rows, columns, out, as_json)


def print_failed(found: Sequence[tuple[Item, Item]], out: Console, as_json: bool) -> None:
    names = ("delivery_id", "fact_id", "kind", "subject", "at", "state", "tries", "due_at", "code", "why")
    rows = [
        {"webhook": hook["name"], "webhook_id": hook["webhook_id"], **{name: of[name] for name in names}}
        for hook, of in found
    ]
    if not rows and not as_json:
        out.print("everything that was sent was taken")
        return
    columns: dict[str, Callable[[Item], str]] = {
        "webhook": lambda of: of["webhook"],
        "happened": lambda of: _moment(of["at"]),
        "event": lambda of: of["kind"],
        "of": lambda of: of["subject"],
        "state": lambda of: of["state"].replace("_", " "),
        "tries": lambda of: str(of["tries"]),
        "next try": lambda of: _moment(of["due_at"]) if of["state"] == "waiting" else "-",
        "answer": lambda of: " ".join(text for text in (str(of["code"] or ""), of["why"][:200]) if text) or "-",
        "id": lambda of: str(of["fact_id"]),
    }
    _print(rows, columns, out, as_json)
