"""What an operator does with messages: parked ones looked at and replayed, sent ones sent again.

All on the services' databases, whether the services run or not.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table

from comptoir.rest import Databases, cleared, plain
from comptoir.suite import MEMBERS, make
from comptoir.verify.audit import Connections
from shared import clock, parked
from shared.messaging.retention import BEGINNING, first_id
from shared.messaging.store import PostgresStore
from shared.messaging.unit import Act, Unit
from shared.serve import NotHere
from shared.settings import database_of

Item = dict[str, Any]


def as_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotHere(f"{text} is not an id: `comptoir parked list` shows them") from None


def print_rows(out: Console, table: Table) -> None:
    """One line per row however narrow the terminal is: an id that was cut could not be copied into the next command."""
    for column in table.columns:
        column.no_wrap = True
    wide = out.options.update(max_width=100_000)
    width = max(out.width, out.measure(table, options=wide).maximum)
    Console(file=out.file, width=width, force_terminal=out.is_terminal).print(table)


async def listed(url: str, names: tuple[str, ...], state: str, chosen: parked.Chosen, limit: int) -> list[Item]:
    found: list[Item] = []
    for name in names:
        wanted: Any = None if state == "all" else state
        rows = await parked.list_parked(dsn(url, name), state=wanted, chosen=chosen, limit=limit)
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
    table = Table("service", "since", "message", "of", "cause", "id", box=None)
    for row in found:
        since = row["at"].strftime("%Y-%m-%d %H:%M:%S")
        said = row["cause"]
        about = said if row["state"] == "parked" else f"{row['state']} by {row['resolved_by']}: {said}"
        cells = (row["service"], since, row["key"], row["subject"], about[:300], str(row["id"]))
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    print_rows(out, table)


async def owner(url: str, names: tuple[str, ...], id: UUID) -> tuple[str, Item]:
    """The service in whose table the message lies, and the row."""
    for name in names:
        if found := await parked.show(dsn(url, name), id):
            return name, found
    raise NotHere(f"{', '.join(names)}: no parked message {id}")


async def shown(url: str, names: tuple[str, ...], id: UUID, as_json: bool = False) -> str:
    """The cause, the difference to the contract, who did what, where it was raised, and the text."""
    name, row = await owner(url, names, id)
    if as_json:
        return json.dumps({"service": name, **row}, default=str)
    body, contract, acts = row.pop("body"), row.pop("contract"), row.pop("acts")
    try:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        """Not even JSON: it is shown as it came."""
    lines = [f"{title:<12} {value}" for title, value in {"service": name, **row}.items() if title != "detail"]
    differences = [
        f"  event {of['event']}, {of['field'] or 'the whole'}: {of['verdict']}; agreed: {of['agreed']}"
        + (f"; came: {of['came']}" if of["came"] else "")
        for of in contract["differences"]
    ]
    if not differences:
        differences = ["  none: it keeps to the contract"]
    done = [
        f"  {act['at']:%Y-%m-%d %H:%M:%S} {act['what']} by {act['by']}: {act['outcome']}"
        + "".join(f"; {text}" for text in (act["why"], act["detail"]) if text)
        for act in acts
    ]
    known = ", ".join(contract["known_versions"]) or "none"
    parts = [*lines, "", f"difference to the contract (known: {known})", *differences]
    parts += ["", "what was done with it", *done] if done else []
    return "\n".join([*parts, "", str(row["detail"]).rstrip(), "", body])


async def replayed(
    url: str,
    names: tuple[str, ...],
    id: UUID | None,
    by: str,
    *,
    chosen: parked.Chosen | None = None,
    dry_run: bool = False,
    why: str = "",
) -> list[tuple[str, parked.Replayed]]:
    """What came of it, per message. Without an id: of everything that is parked."""
    if id is not None:
        names = ((await owner(url, names, id))[0],)
    results: list[tuple[str, parked.Replayed]] = []
    for name in names:
        async with deciding(url, name) as unit:
            here = dsn(url, name)
            if id is None:
                done = await parked.replay_all(here, unit, by, chosen=chosen, dry_run=dry_run, why=why)
            elif dry_run:
                done = [await parked.rehearse(here, unit, id)]
            else:
                done = [await parked.replay(here, unit, id, by, why=why)]
            results += [(name, one) for one in done]
    return results


def print_replayed(
    results: list[tuple[str, parked.Replayed]], out: Console, dry_run: bool, as_json: bool = False
) -> bool:
    """Whether none failed. A dry run of one message is told row by row, of several in a line each."""
    would = "would be " if dry_run else ""
    for name, one in results:
        if as_json:
            plainly = {"service": name, "dry_run": dry_run, **asdict(one)}
            out.print(json.dumps(plainly, default=str), soft_wrap=True, highlight=False, markup=False)
            continue
        about = parked.short(one)
        text = f"{name} {one.id}: {would}{one.result}" + (f": {about}" if about else "")
        out.print(text, markup=False, highlight=False, soft_wrap=True)
        if len(results) == 1:
            for line in told(one.effects):
                out.print(line, markup=False, highlight=False, soft_wrap=True)
    if not results and not as_json:
        out.print("nothing is parked")
    return all(one.result in ("done", "waits") for _, one in results)


def told(effects: Item) -> list[str]:
    """What would happen, a line for each row, message, timer and call."""
    lines = []
    for row in effects.get("rows", ()):
        fields = (f"{name} {before} -> {after}" for name, (before, after) in row["fields"].items())
        new = "new" if row["change"] == "new" else "changes"
        lines.append(f"  row {row['table']} {'/'.join(map(str, row['key']))} {new}: {', '.join(fields)}")
    for message in effects.get("messages", ()):
        lines.append(f"  message {message['type']} to {message['to']}: {json.dumps(message['data'])}")
    for timer in effects.get("timers", ()):
        lines.append(f"  timer {timer['key']} " + (f"due {timer['due_at']}" if timer["due_at"] else "ends"))
    for call in effects.get("calls", ()):
        lines.append(f"  call {call['type']}: {json.dumps(call['data'])}")
    return lines


async def acts(url: str, names: tuple[str, ...], limit: int) -> list[Item]:
    """Who did what in these services, the newest first."""
    found: list[Item] = []
    for name in names:
        found += [{"service": name, **row} for row in await parked.list_acts(dsn(url, name), limit=limit)]
    return sorted(found, key=lambda row: (row["at"], row["id"]), reverse=True)[:limit]


def print_acts(found: list[Item], out: Console, as_json: bool) -> None:
    if as_json:
        for row in found:
            out.print(json.dumps(row, default=str), soft_wrap=True, highlight=False, markup=False)
        return
    if not found:
        out.print("nobody did anything yet")
        return
    table = Table("service", "at", "who", "what", "message", "of", "why", "outcome", "parked id", box=None)
    for row in found:
        at = row["at"].strftime("%Y-%m-%d %H:%M:%S")
        outcome = f"{row['outcome']}: {row['detail']}" if row["detail"] else row["outcome"]
        cells = (row["service"], at, row["by"], row["what"], row["key"], row["subject"], row["why"], outcome[:200])
        table.add_row(*(str(cell).replace("[", r"\[") for cell in (*cells, row["parked_id"] or "")))
    print_rows(out, table)


async def dropped(url: str, names: tuple[str, ...], id: UUID, by: str, reason: str) -> str:
    name, row = await owner(url, names, id)
    if (await parked.drop(dsn(url, name), id, by, reason, clock.now())).result != "dropped":
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
    url: str, names: tuple[str, ...], since: datetime, key: str, dry_run: bool, by: str = "somebody", why: str = ""
) -> dict[tuple[str, str], int]:
    """Marks packets sent since then as unsent, so that the running relays send them again; packets by service and type.

    Readers know what they have handled by its id (I19), so only what was lost has an effect. Raises TooLate when it
    reaches back to before packets are kept, or before a reader knows what it has handled.
    """
    counts: dict[tuple[str, str], int] = {}
    async with Databases(url, names) as connections:
        await soon_enough(url, connections, since, key)
        for name, connection in connections.items():
            chosen = "sent_at >= $1 and starts_with(key, $2)"
            if dry_run:
                rows = await connection.fetch(f"select key from outbox where {chosen}", since, key)
            else:
                async with connection.transaction():
                    rows = await connection.fetch(
                        f"update outbox set sent_at = null, swept_at = null where {chosen} returning key", since, key
                    )
                    await parked.keep(connection, resend_act(since, key, len(rows), by, why))
            for row in rows:
                counts[name, row["key"]] = counts.get((name, row["key"]), 0) + 1
    return counts


class TooLate(NotHere):
    """What should be sent again is too old for it; the text says why, and from when on it can be."""


async def soon_enough(url: str, connections: Connections, since: datetime, key: str) -> None:
    """Raises TooLate. Readers whose databases are not here are not asked."""
    kept = max((await cleared(connections, "outbox")).values(), default=BEGINNING)
    if since < kept:
        raise TooLate(
            f"packets from before {kept:%Y-%m-%dT%H:%M:%S} are not all kept any more (COMPTOIR_OUTBOX_DAYS), so not "
            "all of it could be sent again: --since that moment or later"
        )
    known = await cleared(connections, "inbox")
    for reader in MEMBERS:
        if reader not in connections:
            with suppress(asyncpg.InvalidCatalogNameError):
                async with parked.connected(dsn(url, reader)) as connection:
                    known |= await cleared({reader: connection}, "inbox")
    if not known:
        return
    reader, handled = max(known.items(), key=lambda of: of[1])
    sql = "select count(*) from outbox where sent_at >= $1 and starts_with(key, $2) and id < $3"
    for name, connection in connections.items():
        if old := await connection.fetchval(sql, since, key, first_id(handled)):
            raise TooLate(
                f"{old} packets of {name} are from before {handled:%Y-%m-%dT%H:%M:%S}, and {reader} does not know any "
                "more what it has handled of that time (COMPTOIR_INBOX_DAYS): what it handled would be done again"
            )


def resend_act(since: datetime, key: str, packets: int, by: str, why: str) -> Act:
    outcome = f"{packets} packets are unsent again"
    return Act(clock.new_id(), clock.now(), by, "resend", None, key, f"since {since.isoformat()}", why, outcome)
