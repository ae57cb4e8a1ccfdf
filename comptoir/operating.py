"""What an operator does with messages: parked ones looked at and replayed, sent ones sent again.

All on the services' databases, whether the services run or not.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table

from comptoir.places import NotHere
from comptoir.rest import plain
from comptoir.suite import make
from shared import clock, parked
from shared.messaging.store import PostgresStore
from shared.messaging.unit import Unit
from shared.settings import database_of

Item = dict[str, Any]


def as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotHere(f"{text} is not an id: `comptoir parked list` shows them") from None


async def listed(url: str, names: tuple[str, ...], state: str, key: str, limit: int) -> list[Item]:
    found: list[Item] = []
    for name in names:
        wanted: Any = None if state == "all" else state
        rows = await parked.list_parked(dsn(url, name), state=wanted, key=key, limit=limit)
        found += [{"service": name, **row} for row in rows]
    return sorted(found, key=lambda row: (row["at"], row["id"]))


def print_list(found: list[Item], out: Console, as_json: bool) -> None:
    if as_json:
        for row in found:
            out.print(json.dumps(row, default=str), soft_wrap=True, highlight=False, markup=False)
        return
    if not found:
        out.print("nothing is parked")
        return
    table = Table("service", "since", "message", "of", "reason", "id", box=None)
    for row in found:
        since = row["at"].strftime("%Y-%m-%d %H:%M:%S")
        about = (
            row["reason"] if row["state"] == "parked" else f"{row['state']} by {row['resolved_by']}: {row['reason']}"
        )
        cells = (row["service"], since, row["key"], row["subject"], about[:300], str(row["id"]))
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    out.print(table)


async def owner(url: str, names: tuple[str, ...], id: UUID) -> tuple[str, Item]:
    """The service in whose table the message lies, and the row."""
    for name in names:
        if found := await parked.show(dsn(url, name), id):
            return name, found
    raise NotHere(f"{', '.join(names)}: no parked message {id}")


async def shown(url: str, names: tuple[str, ...], id: UUID) -> str:
    name, row = await owner(url, names, id)
    body = row.pop("body")
    try:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        """Not even JSON: it is shown as it came."""
    lines = [f"{title:<12} {value}" for title, value in {"service": name, **row}.items() if title != "detail"]
    return "\n".join([*lines, "", str(row["detail"]).rstrip(), "", body])


async def replayed(
    url: str, names: tuple[str, ...], id: UUID | None, by: str, *, key: str = "", dry_run: bool = False
) -> list[tuple[str, parked.Replayed]]:
    """What came of it, per message. Without an id: of everything that is parked."""
    if id is not None:
        names = ((await owner(url, names, id))[0],)
    results: list[tuple[str, parked.Replayed]] = []
    for name in names:
        async with deciding(url, name) as unit:
            here = dsn(url, name)
            if id is None:
                done = await parked.replay_all(here, unit, by, key=key, dry_run=dry_run)
            elif dry_run:
                done = [await parked.rehearse(here, unit, id)]
            else:
                done = [await parked.replay(here, unit, id, by)]
            results += [(name, one) for one in done]
    return results


def print_replayed(results: list[tuple[str, parked.Replayed]], out: Console, dry_run: bool) -> bool:
    """Whether none failed."""
    would = "would be " if dry_run else ""
    for name, one in results:
        text = f"{name} {one.id}: {would}{one.result}" + (f": {one.reason}" if one.reason else "")
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    if not results:
        out.print("nothing is parked")
    return all(one.result in ("done", "waits") for _, one in results)


async def dropped(url: str, names: tuple[str, ...], id: UUID, by: str, reason: str) -> str:
    name, row = await owner(url, names, id)
    if not await parked.drop(dsn(url, name), id, by, reason, clock.now()):
        raise NotHere(f"{id} was {row['state']} by {row['resolved_by']}, so it is not parked any more")
    return f"{name} {id}: dropped"


@asynccontextmanager
async def deciding(url: str, name: str) -> AsyncIterator[Unit]:
    """A service's unit of work on its database; nothing else of the service runs."""
    service = make(name, database_url=url)
    store = PostgresStore(dsn(url, name), service.books)
    await store.open()
    try:
        yield Unit(service.name, store, service.handlers, service.policy, clock.now, clock.new_id)
    finally:
        await store.close()
        if service.closer is not None:
            await service.closer()


def dsn(url: str, name: str) -> str:
    return plain(database_of(url, name))


async def resent(
    url: str, names: tuple[str, ...], since: datetime, key: str, dry_run: bool
) -> dict[tuple[str, str], int]:
    """Marks packets sent since then as unsent, so that the running relays send them again; packets by service and type.

    Readers know what they have handled by its id (I19), so only what was lost has an effect.
    """
    counts: dict[tuple[str, str], int] = {}
    for name in names:
        connection = await asyncpg.connect(plain(database_of(url, name)))
        try:
            chosen = "sent_at >= $1 and ($2 = '' or key = $2)"
            if dry_run:
                rows = await connection.fetch(f"select key from outbox where {chosen}", since, key)
            else:
                rows = await connection.fetch(
                    f"update outbox set sent_at = null, swept_at = null where {chosen} returning key", since, key
                )
        finally:
            await connection.close()
        for row in rows:
            counts[name, row["key"]] = counts.get((name, row["key"]), 0) + 1
    return counts
