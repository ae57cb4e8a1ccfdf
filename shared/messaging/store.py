"""The PostgreSQL store: rows of the domain to tables and back, in bulk.

`mapping` reads the SQLAlchemy tables once. Per kind of row there is one locked select, one insert and one update, all
set-based through `unnest`; the writes of a unit are strung together into one statement, so no service has SQL on its
write path.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, cast, get_type_hints
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import ARRAY

from shared.database import GENERIC_PLANS, LIMITS
from shared.messaging.decision import Reply, Row, Rows
from shared.messaging.unit import Arrival, Claimed, Outcome, Transaction

Entry = tuple[type[Row], Table, bool] | tuple[type[Row], Table, bool, ColumnElement[bool]]
Books = Mapping[type[Row], "Book"]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    sql_type: str
    adapter: TypeAdapter[Any] | None  # JSON columns only

    @property
    def parameter_type(self) -> str:
        """JSON travels as text: asyncpg then needs no codec, and the cast is PostgreSQL's."""
        return "text" if self.adapter else _unbounded(self.sql_type)


class Book:
    """How one kind of row is read and written."""

    def __init__(self, kind: type[Row], table: Table, lock: bool, where: ColumnElement[bool] | None = None) -> None:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        hints = get_type_hints(kind)
        self.kind, self.table, self.lock = kind, table, lock
        self.columns: list[Column] = []
        for field in fields(cast(Any, kind)):
            column = table.c[field.name]
            adapter = TypeAdapter(hints[field.name]) if isinstance(column.type, JSONB) else None
            if isinstance(column.type, ARRAY):
                raise TypeError(f"{table.name}.{field.name}: arrays are stored as JSONB, unnest would flatten them")
            self.columns.append(Column(field.name, column.type.compile(dialect=dialect).lower(), adapter))
        names = [column.name for column in self.columns]
        self.json = [(i, _decoder(c.adapter)) for i, c in enumerate(self.columns) if c.adapter]
        self.moving = [c for c in self.columns if c.name not in kind.KEY and c.name not in kind.FIXED]
        self.upsert = bool(getattr(kind, "UPSERT", False))
        quoted = f'"{table.name}"'
        if kind.GROUP:
            group_type = _unbounded(table.c[kind.GROUP].type.compile(dialect=dialect).lower())
            condition = f'"{kind.GROUP}" = any($1::{group_type}[])'
            if where is not None:
                condition += f" and ({where.compile(dialect=dialect, compile_kwargs={'literal_binds': True})})"
            order = ", ".join(f'"{name}"' for name in kind.KEY)
            self.select = f"select {_list(names)} from {quoted} where {condition} order by {order}" + (
                " for update" if lock else ""
            )
        self.insert = (
            f"insert into {quoted} ({_list(names)}) "
            f"select {self._converted(self.columns)} from unnest(%s) as v({_list(names)})"
        )
        if self.upsert:
            changes = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in self.moving)
            self.insert += f" on conflict ({_list(kind.KEY)}) do " + (f"update set {changes}" if changes else "nothing")
        changed = [c for c in self.columns if c.name in kind.KEY] + self.moving
        self.update_columns = changed
        keys = " and ".join(f't."{name}" = v."{name}"' for name in kind.KEY)
        values = ", ".join(f'"{c.name}" = v."{c.name}"' + (f"::{c.sql_type}" if c.adapter else "") for c in self.moving)
        self.update = (
            f"update {quoted} t set {values} from unnest(%s) as v({_list([c.name for c in changed])}) where {keys}"
        )

    @staticmethod
    def _converted(columns: Iterable[Column]) -> str:
        return ", ".join(f'v."{c.name}"' + (f"::{c.sql_type}" if c.adapter else "") for c in columns)

    def row(self, record: Any) -> Row:
        if not self.json:
            return self.kind(*record)
        values = list(record)
        for i, decode in self.json:
            text = values[i]
            if text is not None:
                values[i] = decode(text)
        return self.kind(*values)

    def arrays(self, columns: Sequence[Column], rows: Sequence[Row]) -> list[list[Any]]:
        arrays: list[list[Any]] = []
        for column in columns:
            name, adapter = column.name, column.adapter
            if adapter is None:
                arrays.append([getattr(row, name) for row in rows])
            else:
                values = [getattr(row, name) for row in rows]
                arrays.append([None if v is None else adapter.dump_json(v).decode() for v in values])
        return arrays


def _decoder(adapter: TypeAdapter[Any]) -> Callable[[str], Any]:
    """Decodes a JSON column. The messages of one order come in short order and find the same texts again and again;
    values are immutable, so what was decoded once is shared. Large texts are not kept."""
    plain = adapter.validate_json
    cached = lru_cache(maxsize=2048)(plain)

    def decode(text: str) -> Any:
        return cached(text) if len(text) < 2048 else plain(text)

    return decode


def mapping(*entries: Entry) -> Books:
    """The books of a service, in the order in which it takes its locks.

    An entry is (row kind, table, lock for update?) and optionally a condition: rows that do not meet it are not loaded.
    """
    return {entry[0]: Book(*entry) for entry in entries}


def _unbounded(sql_type: str) -> str:
    """Without length: a cast to varchar(3) cuts silently, where the column itself would refuse."""
    return re.sub(r"\(.*?\)", "", sql_type)


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


GUILTY_STATES = ("21", "22", "23", "27", "44", "54", "P0")
"""Classes of SQLSTATE that the data is to blame for: a value, a key, a check, a size, a trigger's refusal.

All others ask for another try: serialization, locks, shutdown, resources, connection, a broken disk, and a table or a
right that is not there yet. Parking every message because a migration is late would be worse than waiting for it.
"""


class PostgresStore:
    """A service's store on its own PostgreSQL database."""

    def __init__(self, dsn: str, books: Books, *, connections: int = 3) -> None:
        self.dsn, self.books, self.connections = dsn, books, connections
        self.pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connects. The plan settings keep a plan right that was made while a table was still empty."""
        self.pool = await asyncpg.create_pool(
            self.dsn,
            min_size=0,  # a floor is kept up in the background, with a traceback in the log for every try
            max_size=self.connections,
            timeout=5,
            command_timeout=12,  # the server ends a statement sooner; this is for a network that swallows its word
            statement_cache_size=500,
            max_inactive_connection_lifetime=0,
            reset=_no_reset,
            server_settings={"application_name": "comptoir", **LIMITS, **GENERIC_PLANS},
        )
        try:
            async with self.pool.acquire():
                """The first connection; a wrong URL shows here."""
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self.pool is not None:
            await asyncio.wait_for(self.pool.close(), 10)
            self.pool = None

    @asynccontextmanager
    async def begin(self, *, dry: bool = False) -> AsyncIterator[Transaction]:
        """Commits at the end, or rolls back when something was raised or the run is dry."""
        assert self.pool is not None, "the store is not open"
        async with self.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield PostgresTransaction(cast("asyncpg.Connection[asyncpg.Record]", connection), self.books)
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            if dry:
                await transaction.rollback()
            else:
                await transaction.commit()

    def is_guilty(self, error: Exception) -> bool:
        """False when the database is away or asks for another try; everything else is the fault of the data."""
        if isinstance(error, asyncpg.PostgresError):
            return str(getattr(error, "sqlstate", "") or "").startswith(GUILTY_STATES)
        return not isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError)

    # What the sweeps do, outside units of work

    async def mark_sent(self, ids: Sequence[UUID], now: datetime) -> None:
        await self._execute(
            "update outbox set sent_at = $2 where id = any($1::uuid[]) and sent_at is null", list(ids), now
        )

    async def unsent(self, now: datetime, older_than: datetime, limit: int) -> list[asyncpg.Record]:
        """Takes a lease on packets that nobody got confirmed; another replica will not take them meanwhile."""
        return await self._fetch(
            """update outbox set swept_at = $1 where id in (
                 select id from outbox where sent_at is null and coalesce(swept_at, created_at) <= $2
                 order by id limit $3 for update skip locked)
               returning id, key, count, body""",
            now, older_than, limit,
        )  # fmt: skip

    async def due(self, now: datetime, lease_over: datetime, limit: int) -> list[asyncpg.Record]:
        """Timers that are due, leased."""
        return await self._fetch(
            """update timers set swept_at = $1 where key in (
                 select key from timers where due_at <= $1 and (swept_at is null or swept_at <= $2 or swept_at < due_at)
                 order by due_at limit $3 for update skip locked)
               returning key, due_at, attempt, body""",
            now, lease_over, limit,
        )  # fmt: skip

    async def next_due(self) -> datetime | None:
        rows = await self._fetch("select min(due_at) as due_at from timers")
        return cast("datetime | None", rows[0]["due_at"])

    async def uncalled(self, now: datetime, older_than: datetime, limit: int) -> list[asyncpg.Record]:
        """Outside calls that nobody finished, leased."""
        return await self._fetch(
            """update calls set swept_at = $1 where id in (
                 select id from calls where coalesce(swept_at, created_at) <= $2
                 order by id limit $3 for update skip locked)
               returning id, body""",
            now, older_than, limit,
        )  # fmt: skip

    async def outbox_age(self, now: datetime) -> tuple[int, float]:
        """How many packets wait to be sent, and the age of the oldest in seconds."""
        row = (await self._fetch("select count(*) as n, min(created_at) as oldest from outbox where sent_at is null"))[
            0
        ]
        return row["n"], (now - row["oldest"]).total_seconds() if row["oldest"] else 0.0

    async def parked_count(self) -> int:
        return int((await self._fetch("select count(*) as n from parked where state = 'parked'"))[0]["n"])

    async def _fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        assert self.pool is not None, "the store is not open"
        return await self.pool.fetch(sql, *values)

    async def _execute(self, sql: str, *values: Any) -> None:
        assert self.pool is not None, "the store is not open"
        await self.pool.execute(sql, *values)


async def _no_reset(connection: Any) -> None:
    """Nothing to reset when a connection goes back; asyncpg itself rolls back what was cut off in its rollback."""


class PostgresTransaction:
    """Claim, load and save on one connection."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", books: Books) -> None:
        self.connection, self.books = connection, books

    async def claim(self, arrivals: Sequence[Arrival], now: datetime) -> Claimed:
        """One statement per kind of arrival. A concurrent copy of the same packet waits here, and then is not new."""
        new: set[UUID] = set()
        known: list[tuple[Arrival, Reply]] = []
        by_kind: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            by_kind.setdefault(arrival.kind, []).append(arrival)
        if packets := by_kind.get("packet"):
            ids = sorted({a.id for a in packets})
            new |= await self._ids(
                "insert into inbox (id) select unnest($1::uuid[]) on conflict do nothing returning id", ids
            )
        if timers := by_kind.get("timer"):
            due = {a.timer: a.id for a in timers if a.timer}
            records = await self.connection.fetch(
                """delete from timers t using unnest($1::text[], $2::timestamptz[]) as v(key, due_at)
                   where t.key = v.key and t.due_at = v.due_at returning t.key, t.due_at""",
                [key for key, _ in due], [at for _, at in due],
            )  # fmt: skip
            new |= {due[record["key"], record["due_at"]] for record in records}
        if calls := by_kind.get("call"):
            new |= await self._ids("delete from calls where id = any($1::uuid[]) returning id", [a.id for a in calls])
        if parked := by_kind.get("parked"):
            new |= await self._ids(
                "update parked p set state = 'replayed', resolved_at = $3, resolved_by = v.by "
                "from unnest($1::uuid[], $2::text[]) as v(id, by) "
                "where p.id = v.id and p.state = 'parked' returning p.id",
                [a.id for a in parked], [a.by for a in parked], now,
            )  # fmt: skip
        if requests := by_kind.get("request"):
            prints = {a.id: a.fingerprint for a in sorted(requests, key=lambda a: a.id)}
            fresh = await self._ids(
                "insert into requests (id, fingerprint) select * from unnest($1::uuid[], $2::text[]) "
                "on conflict do nothing returning id",
                list(prints), list(prints.values()),
            )  # fmt: skip
            new |= fresh
            if len(fresh) < len(prints):
                known = await self._known(requests, fresh)
        ours = []
        for arrival in arrivals:
            if arrival.id in new:
                new.discard(arrival.id)  # the same packet twice in one batch: the second is not new
                ours.append(arrival)
        return Claimed(ours, known)

    async def _ids(self, sql: str, *values: Any) -> set[UUID]:
        return {record[0] for record in await self.connection.fetch(sql, *values)}

    async def _known(self, requests: Sequence[Arrival], fresh: set[UUID]) -> list[tuple[Arrival, Reply]]:
        repeated = [a for a in requests if a.id not in fresh]
        records = await self.connection.fetch(
            "select id, fingerprint, status, reply from requests where id = any($1::uuid[])", [a.id for a in repeated]
        )
        stored = {record["id"]: record for record in records}
        answers = []
        for arrival in repeated:
            record = stored[arrival.id]
            if record["fingerprint"] != arrival.fingerprint:
                title = "this Idempotency-Key was used for another request"
                answers.append((arrival, Reply({"title": title, "status": 422}, 422)))
            else:
                answers.append((arrival, Reply(json.loads(record["reply"] or "{}"), record["status"] or 200)))
        return answers

    async def load(self, rows: Rows, wanted: Mapping[type[Row], list[Hashable]]) -> None:
        """One locked read per table, in the order of the books, keys sorted inside."""
        if unknown := [kind.__name__ for kind in wanted if kind not in self.books]:
            raise LookupError(f"not in the books: {', '.join(unknown)}")
        for kind, book in self.books.items():
            groups = wanted.get(kind)
            if groups:
                for record in await self.connection.fetch(book.select, groups):
                    rows.loaded(book.row(record))

    async def save(self, outcome: Outcome) -> None:
        """Everything in one statement; its parts see one snapshot and each row at most once."""
        statement = _Statement()
        rows = outcome.rows
        for kind, book in self.books.items():
            changed = rows.changed.get(kind)
            if changed:
                new = rows.new.get(kind, set())
                inserted = [row for key, row in changed.items() if key in new]
                updated = [row for key, row in changed.items() if key not in new]
                if inserted:
                    statement.add(book.insert, book.columns, book.arrays(book.columns, inserted))
                if updated:
                    statement.add(book.update, book.update_columns, book.arrays(book.update_columns, updated))
            elif appended := rows.inserted.get(kind):
                statement.add(book.insert, book.columns, book.arrays(book.columns, appended))
        if outcome.packets:
            statement.add(
                "insert into outbox (id, key, count, body, created_at) select v.*, {now} from unnest(%s) as v",
                _OUTBOX,
                [[getattr(packet, column.name) for packet in outcome.packets] for column in _OUTBOX],
                now=outcome.now,
            )
        if armed := [timer for timer in outcome.timers.values() if timer.due_at]:
            statement.add(
                "insert into timers (key, due_at, attempt, body) select * from unnest(%s) on conflict (key) "
                "do update set due_at = excluded.due_at, attempt = excluded.attempt, body = excluded.body, "
                "swept_at = null",
                _TIMERS,
                [[getattr(timer, column.name) for timer in armed] for column in _TIMERS],
            )
        if ended := [timer.key for timer in outcome.timers.values() if timer.due_at is None]:
            statement.add("delete from timers where key in (select * from unnest(%s))", _TIMERS[:1], [ended])
        if outcome.calls:
            statement.add(
                "insert into calls (id, body, created_at) select v.*, {now} from unnest(%s) as v",
                _CALLS,
                [[event.id for event, _ in outcome.calls], [text for _, text in outcome.calls]],
                now=outcome.now,
            )
        if outcome.parked:
            statement.add(
                "insert into parked (id, at, key, subject, event_id, arrived_by, attempts, reason, detail, body) "
                "select * from unnest(%s)",
                _PARKED,
                [[getattr(parked, column.name) for parked in outcome.parked] for column in _PARKED],
            )
        if outcome.replies:
            statement.add(
                "update requests r set status = v.status, reply = v.reply from unnest(%s) as v(id, status, reply) "
                "where r.id = v.id",
                _REPLIES,
                [
                    list(outcome.replies),
                    [reply.status for reply in outcome.replies.values()],
                    [json.dumps(reply.body, default=str) for reply in outcome.replies.values()],
                ],
            )
        if outcome.forgotten:
            statement.add(
                "delete from requests where id in (select * from unnest(%s))", _REPLIES[:1], [outcome.forgotten]
            )
        if statement.parts:
            await self.connection.execute(statement.sql(), *statement.values)


def _columns(**types: str) -> list[Column]:
    return [Column(name, sql_type, None) for name, sql_type in types.items()]


_OUTBOX = _columns(id="uuid", key="text", count="smallint", body="text")
_TIMERS = _columns(key="text", due_at="timestamptz", attempt="integer", body="text")
_CALLS = _columns(id="uuid", body="text")
_REPLIES = _columns(id="uuid", status="smallint", reply="text")
_PARKED = _columns(
    id="uuid", at="timestamptz", key="text", subject="text", event_id="uuid", arrived_by="text", attempts="integer",
    reason="text", detail="text", body="text",
)  # fmt: skip


class _Statement:
    """Data-modifying parts of one unit of work, strung together as `with w0 as (...), w1 as (...) select`."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Any] = []

    def add(
        self, template: str, columns: Sequence[Column], arrays: Sequence[list[Any]], now: datetime | None = None
    ) -> None:
        first = len(self.values) + 1
        arguments = ", ".join(f"${first + i}::{column.parameter_type}[]" for i, column in enumerate(columns))
        self.values.extend(arrays)
        sql = template.replace("%s", arguments)
        if now is not None:
            self.values.append(now)
            sql = sql.replace("{now}", f"${len(self.values)}::timestamptz")
        self.parts.append(sql)

    def sql(self) -> str:
        parts = ", ".join(f"w{i} as ({part})" for i, part in enumerate(self.parts))
        return f"with {parts} select 1"
