"""The PostgreSQL store: claims what arrived, loads what the handlers named, writes a unit of work in one statement.

The rows of one aggregate are read once and then kept (kept.py): a unit locks its root, and reads the rest only if the
root's revision is not the one that this process committed.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
import structlog

from shared.database import ANSWER_WITHIN_S, GENERIC_PLANS, LIMITS
from shared.messaging.books import Book, Books, Column
from shared.messaging.decision import Reply, Row, Rows, plain
from shared.messaging.kept import Parts, Shelf
from shared.messaging.unit import Arrival, Claimed, Outcome, Transaction

log = structlog.get_logger("comptoir.store")

IMPATIENT = "set local lock_timeout = '100ms'"
"""Other copies of a service hold rows for some milliseconds; who holds them longer is somebody else."""
GUILTY_STATES = ("21", "22", "23", "27", "44", "54", "P0")
"""Classes of SQLSTATE that the data is to blame for: a value, a key, a check, a size, a trigger's refusal.

All others ask for another try: serialization, locks, shutdown, resources, connection, a broken disk, and a table or a
right that is not there yet. Parking every message because a migration is late would be worse than waiting for it.
"""


class PostgresStore:
    """A service's store on its own PostgreSQL database."""

    def __init__(self, dsn: str, books: Books, *, connections: int = 3, kept_rows: int = 100_000) -> None:
        self.dsn, self.books, self.connections = dsn, books, connections
        self.shelf = Shelf(kept_rows)
        self.pool: asyncpg.Pool[asyncpg.Record] | None = None
        self.sessions: deque[int] = deque(maxlen=4 * connections)  # of the server, for the connections of the pool
        self.left: list[int] = []  # sessions whose connections were given up

    async def open(self) -> None:
        self.pool = await self._pooled()
        try:
            async with self.pool.acquire():
                """The first connection; a wrong URL shows here."""
        except BaseException:
            await self.close()
            raise

    async def _pooled(self) -> "asyncpg.Pool[asyncpg.Record]":
        """Connects when it is used. The plan settings keep a plan right that was made while a table was still empty."""
        return await asyncpg.create_pool(
            self.dsn,
            min_size=0,  # a floor is kept up in the background, with a traceback in the log for every try
            max_size=self.connections,
            timeout=5,
            command_timeout=ANSWER_WITHIN_S,
            statement_cache_size=500,
            max_inactive_connection_lifetime=0,
            init=self._met,
            reset=_no_reset,
            server_settings={"application_name": "comptoir", **LIMITS, **GENERIC_PLANS},
        )

    async def _met(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Of each new connection. Sessions of given up ones are ended: in the midst of a statement no limit ends them.

        They would keep their locks until the server's host finds out that nobody is there, which takes hours.
        """
        if left := self.left:
            self.left = []
            try:
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid = any($1::int[]) "
                    "and datname = current_database() and usename = current_user and application_name = 'comptoir'",
                    left,
                )
            except asyncpg.PostgresError as error:  # they end when they are found out
                log.warning("what connections that were given up left at the server was not ended", error=repr(error))
            except BaseException:
                self.left += left
                raise
        self.sessions.append(connection.get_server_pid())

    async def close(self) -> None:
        if self.pool is not None:
            await asyncio.wait_for(self.pool.close(), 10)
            self.pool = None

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """One of the pool. When it is silent all that are as old end with it, lest each is waited for by itself."""
        pool = self.pool
        assert pool is not None, "the store is not open"
        async with pool.acquire() as connection:
            try:
                yield cast("asyncpg.Connection[asyncpg.Record]", connection)
            except TimeoutError:
                fresh = await self._pooled()
                if self.pool is pool:
                    log.warning("the database is silent, all connections are given up for new ones")
                    self.pool = fresh
                    self.left += self.sessions
                    self.sessions.clear()
                    pool.terminate()
                raise

    @asynccontextmanager
    async def begin(self, *, dry: bool = False, patient: bool = True) -> AsyncIterator[Transaction]:
        """Commits at the end, or rolls back when something was raised or the run is dry."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            if not patient:
                await connection.execute(IMPATIENT)
            work = PostgresTransaction(connection, self.books, self.shelf)
            try:
                yield work
            except TimeoutError:
                raise  # there is nobody whom a rollback could be told
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            if dry:
                await transaction.rollback()
            else:
                await transaction.commit()
                work.keep()

    def is_guilty(self, error: Exception) -> bool:
        """False when the database is away or asks for another try; everything else is the fault of the data."""
        if isinstance(error, asyncpg.PostgresError):
            return str(getattr(error, "sqlstate", "") or "").startswith(GUILTY_STATES)
        return not isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError)

    def is_held(self, error: Exception) -> bool:
        """Whether somebody else has rows locked for longer than was waited."""
        return isinstance(error, asyncpg.LockNotAvailableError)

    # What the sweeps do, outside units of work

    async def mark_sent(self, ids: Sequence[UUID], now: datetime) -> None:
        await self._execute(
            "update outbox set sent_at = $2 where id = any($1::uuid[]) and sent_at is null", list(ids), now
        )

    async def park_unsent(self, id: UUID, now: datetime, reason: str) -> None:
        """Takes one packet out of what is to be sent; it waits for a person, under the packet's own id."""
        await self._execute(
            """with taken as (
                 update outbox set sent_at = $2 where id = $1 and sent_at is null returning id, key, body)
               insert into parked (id, at, key, subject, event_id, arrived_by, attempts, reason, detail, body)
               select id, $2, left(key, 200), '', null, 'outbox', 1, $3, '', body from taken
               on conflict (id) do nothing""",
            id, now, reason,
        )  # fmt: skip

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
        async with self.connection() as connection:
            return await connection.fetch(sql, *values)

    async def _execute(self, sql: str, *values: Any) -> None:
        async with self.connection() as connection:
            await connection.execute(sql, *values)


async def _no_reset(connection: Any) -> None:
    """Nothing to reset when a connection goes back; asyncpg itself rolls back what was cut off in its rollback."""


class PostgresTransaction:
    """Claim, load and save on one connection."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", books: Books, shelf: Shelf) -> None:
        self.connection, self.books, self.shelf = connection, books, shelf
        self.revisions: dict[type[Row], dict[Hashable, int]] = {}  # of the roots that we have locked
        self.asked: dict[type[Row], set[Hashable]] = {}  # roots that we have locked, or that are not there
        self.kept: dict[type[Row], dict[Hashable, Parts]] = {}
        self.saved: Rows | None = None

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

    def _stale(self, rows: Rows) -> dict[type[Row], list[Hashable]]:
        """Counts the new revisions, and gives the roots that do not change themselves but whose parts do."""
        touched: dict[type[Row], set[Hashable]] = {}
        for kind, changed in rows.changed.items():
            if (root := self.books[kind].root) is not None:
                touched.setdefault(root, set()).update(getattr(row, kind.GROUP) for row in changed.values())
        for root, groups in touched.items():
            if alone := groups.difference(self.asked.get(root, ())):
                raise LookupError(f"rows of {root.__name__} {alone.pop()} change, which was not declared")
            written = {group for (group,) in rows.changed.get(root, ())}
            revisions = self.revisions[root]
            for group in groups:
                if group not in written and group not in revisions:
                    raise LookupError(f"rows of {root.__name__} {group} change, which is not there")
                revisions[group] = revisions.get(group, 0) + 1
            groups -= written
        return {root: sorted(groups) for root, groups in touched.items() if groups}  # type: ignore[type-var]

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
        """One read per table, in the order of the books, keys sorted inside; roots are locked, and read if need be."""
        if unknown := [kind.__name__ for kind in wanted if kind not in self.books]:
            raise LookupError(f"not in the books: {', '.join(unknown)}")
        for kind, book in self.books.items():
            groups = wanted.get(kind)
            if not groups:
                continue
            if book.is_root:
                await self._lock(book, groups)
            if book.root is not None and book.root in self.asked:
                groups = self._unknown(book, groups, rows)
            if groups:
                for record in await self.connection.fetch(book.select, groups):
                    rows.loaded(book.row(record))

    async def _lock(self, book: Book, groups: list[Hashable]) -> None:
        kind = book.kind
        revisions = self.revisions.setdefault(kind, {})
        kept = self.kept.setdefault(kind, {})
        self.asked.setdefault(kind, set()).update(groups)
        for group, revision in await self.connection.fetch(book.lock_select, groups):
            revisions[group] = revision
            kept[group] = self.shelf.find(kind, group, revision)

    def _unknown(self, book: Book, groups: list[Hashable], rows: Rows) -> list[Hashable]:
        """Takes what is kept; gives the groups that must be read. Where there is no root there is no part either."""
        assert book.root is not None
        asked, kept = self.asked[book.root], self.kept[book.root]
        unknown = []
        for group in groups:
            parts = kept.get(group)
            if parts is None:
                if group not in asked:
                    unknown.append(group)
            elif (found := parts.get(book.kind)) is None:
                unknown.append(group)
            else:
                rows.loaded_group(book.kind, group, found)
        return unknown

    def keep(self) -> None:
        """After the commit: the aggregates as they are now, under the revisions that they have now."""
        if self.saved is None:
            return
        rows = self.saved
        for root, revisions in self.revisions.items():
            kinds = [kind for kind, book in self.books.items() if book.root is root]
            groups = [(kind, {**rows.groups(kind), **rows.grown(kind)}) for kind in kinds]
            before = self.kept[root]
            for group, revision in revisions.items():
                parts = dict(before.get(group, ()))
                parts.update((kind, found[group]) for kind, found in groups if group in found)
                self.shelf.put(root, group, revision, parts)

    async def save(self, outcome: Outcome) -> None:
        """Everything in one statement; its parts see one snapshot and each row at most once."""
        statement = _Statement()
        rows = self.saved = outcome.rows
        stale = self._stale(rows)
        for kind, book in self.books.items():
            changed = rows.changed.get(kind)
            if changed:
                before = rows.before.get(kind, {})
                inserted = [row for key, row in changed.items() if key not in before]
                if inserted:
                    statement.add(book.insert.sql, book.insert.columns, book.insert.arrays(inserted))
                if before:
                    updated = [changed[key] for key in before]
                    if update := book.update(before.values(), updated):
                        statement.add(update.sql, update.columns, update.arrays(updated))
            elif appended := rows.inserted.get(kind):
                statement.add(book.insert.sql, book.insert.columns, book.insert.arrays(appended))
            if groups := stale.get(kind):
                touch = book.touch()
                statement.add(touch.sql, touch.columns, [groups])
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
        if outcome.acts:
            statement.add(
                f"insert into acts ({', '.join(column.name for column in ACTS)}) select * from unnest(%s)",
                ACTS,
                [[getattr(act, column.name) for act in outcome.acts] for column in ACTS],
            )
        if outcome.replies:
            statement.add(
                "update requests r set status = v.status, reply = v.reply from unnest(%s) as v(id, status, reply) "
                "where r.id = v.id",
                _REPLIES,
                [
                    list(outcome.replies),
                    [reply.status for reply in outcome.replies.values()],
                    [json.dumps(reply.body, default=plain) for reply in outcome.replies.values()],
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

ACTS = _columns(
    id="uuid", at="timestamptz", by="text", what="text", parked_id="uuid", key="text", subject="text", why="text",
    outcome="text", detail="text",
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
