"""Messages that wait for a person: what they are and why, to be decided again or put aside with a reason.

The same functions stand behind a service's own HTTP routes and behind `comptoir parked`, which works on the service's
database whether the service runs or not. A replay is one unit of work that claims the parked row, so it has one effect
however often it is asked for; what it sends lies in the outbox and goes out with the running relay's next sweep.

Every act is a row of `acts`, written in the transaction of its effects. Its id is the request's, so the same request
sent again finds what came of it and gets that answer.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

import asyncpg
import structlog

from shared.messaging.difference import cause_of, compare
from shared.messaging.effects import effects, in_short
from shared.messaging.envelope import Unreadable, read_parked
from shared.messaging.store import ACTS
from shared.messaging.unit import Act, Arrival, Outcome, Unit, parked_text

log = structlog.get_logger("comptoir.parked")

State = Literal["parked", "replayed", "dropped"]
Result = Literal["done", "parked again", "waits", "not parked", "unreadable", "dropped", "another request"]
COLUMNS = "id, at, key, subject, event_id, arrived_by, attempts, reason, state, resolved_at, resolved_by"
INSERT = (
    f"insert into acts ({', '.join(column.name for column in ACTS)}) "
    f"values ({', '.join(f'${i}' for i in range(1, len(ACTS) + 1))}) on conflict do nothing returning id"
)


class NoReason(ValueError):
    """An act needs a name, and dropping a message a reason; either is kept whole."""


def checked(by: str, why: str) -> tuple[str, str]:
    """Who acts and why, as they are kept. Raises NoReason for what is longer than can be kept."""
    by, why = by.strip(), why.strip()
    for what, text, most in (("name", by, 200), ("reason", why, 1000)):
        if len(text) > most:
            raise NoReason(f"the {what} may have {most} characters, not {len(text)}")
    return by, why


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which parked messages are meant; what is left empty chooses all."""

    key: str = ""  # the beginning of the message's key
    reason: str = ""  # a part of the reason, in any case
    subject: str = ""  # the document, as an order's id
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of an act: `done`, or `parked again` under a new id with the reason, or not possible at all."""

    id: UUID
    result: Result
    reason: str = ""
    effects: dict[str, Any] = field(default_factory=dict)  # of a dry run


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn, timeout=5, command_timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


# Looking


async def list_parked(
    dsn: str,
    *,
    state: State | None = "parked",
    chosen: Chosen | None = None,
    after: Sequence[Any] | None = None,
    limit: int = 51,
) -> list[dict[str, Any]]:
    """The oldest first, without their bodies, each with its cause in a sentence."""
    of = chosen or Chosen()
    async with connected(dsn) as connection:
        records = await connection.fetch(
            f"select {COLUMNS} from parked where ($1::text is null or state = $1) and starts_with(key, $2) "
            "and ($3::timestamptz is null or (at, id) > ($3, $4::uuid)) "
            "and ($6 = '' or position(lower($6) in lower(reason)) > 0) and ($7 = '' or subject = $7) "
            "and ($8::timestamptz is null or at >= $8) order by at, id limit $5",
            state, of.key, after[0] if after else None, after[1] if after else None, limit, of.reason, of.subject,
            of.since,
        )  # fmt: skip
    return [{**record, "cause": cause_of(record["reason"], record["attempts"])[0]} for record in records]


async def show(dsn: str, id: UUID) -> dict[str, Any] | None:
    """All that is known of one parked message: the cause, the text and how it differs from the contract, its acts."""
    async with connected(dsn) as connection:
        record = await connection.fetchrow(f"select {COLUMNS}, detail, body from parked where id = $1", id)
        if record is None:
            return None
        done = await connection.fetch("select * from acts where parked_id = $1 order by at, id", id)
    cause, advice = cause_of(record["reason"], record["attempts"])
    return {
        **record,
        "cause": cause,
        "advice": advice,
        "contract": asdict(compare(record["key"], record["body"])),
        "acts": [dict(act) for act in done],
    }


async def list_acts(
    dsn: str, *, after: Sequence[Any] | None = None, limit: int = 51, by: str = ""
) -> list[dict[str, Any]]:
    """Who did what, why, and what came of it; the newest first."""
    async with connected(dsn) as connection:
        records = await connection.fetch(
            "select * from acts where ($1::timestamptz is null or (at, id) < ($1, $2::uuid)) "
            "and ($4 = '' or by = $4) order by at desc, id desc limit $3",
            after[0] if after else None, after[1] if after else None, limit, by,
        )  # fmt: skip
    return [dict(record) for record in records]


async def known(dsn: str, act: UUID | None, id: UUID, what: str, why: str) -> Replayed | None:
    """What came of the same request before; None when it is new."""
    if act is None:
        return None
    async with connected(dsn) as connection:
        found = await connection.fetchrow("select what, why, parked_id, outcome, detail from acts where id = $1", act)
    if found is None:
        return None
    if (found["what"], found["why"], found["parked_id"]) != (what, parked_text(why, 1000), id):
        return Replayed(id, "another request", "this Idempotency-Key was used for another request")
    return Replayed(id, found["outcome"], found["detail"])


# Acting


async def keep(connection: "asyncpg.Connection[asyncpg.Record]", act: Act) -> None:
    """Writes an act that is no unit of work."""
    await connection.execute(INSERT, *(getattr(act, column.name) for column in ACTS))


async def drop(dsn: str, id: UUID, by: str, reason: str, now: datetime, act: UUID | None = None) -> Replayed:
    """Puts a parked message aside for good; the row stays readable, with who did it and why."""
    by, reason = (parked_text(text) for text in checked(by, reason))
    if not reason or not by:
        raise NoReason("dropping a message needs a name and a reason")
    async with connected(dsn) as connection, connection.transaction():
        row = await connection.fetchrow(
            "update parked set state = 'dropped', resolved_at = $2, resolved_by = $3 "
            "where id = $1 and state = 'parked' returning key, subject",
            id, now, f"{by}: {reason}",
        )  # fmt: skip
        if row is not None:
            mark = act or uuid5(id, "drop")  # a message is dropped once
            await keep(connection, Act(mark, now, by, "drop", id, row["key"], row["subject"], reason, "dropped"))
    if row is None:
        return await known(dsn, act, id, "drop", reason) or Replayed(id, "not parked")
    log.info("act", what="drop", id=str(id), key=row["key"], subject=row["subject"], by=by, why=reason)
    return Replayed(id, "dropped")


async def replay(
    dsn: str,
    unit: Unit,
    id: UUID,
    by: str,
    committed: Callable[[Outcome], None] | None = None,
    *,
    why: str = "",
    act: UUID | None = None,
) -> Replayed:
    """Decides a parked message again, now, in one unit of work on the open store of `unit`.

    The rows that it parks if it fails again are new ones; the old row is then resolved as replayed, so each attempt
    can be told from the next. `committed` of a running service sends on at once what would wait for its sweep.
    """
    by, why = checked(by, why)
    if not by:
        raise NoReason("replaying a message needs a name")
    if before := await known(dsn, act, id, "replay", why):
        return before
    found = await show(dsn, id)
    if found is None or found["state"] != "parked":
        return Replayed(id, "not parked")
    try:
        events = read_parked(found["key"], found["body"])
    except Unreadable as error:
        kept = Act(
            act or unit.new_id(), unit.clock(), parked_text(by), "replay", id, found["key"], found["subject"],
            parked_text(why), "unreadable", parked_text(str(error), 2000),
        )  # fmt: skip
        async with connected(dsn) as connection:
            await keep(connection, kept)
        log.info("act", what="replay", id=str(id), key=found["key"], by=by, why=why, outcome="unreadable")
        return Replayed(id, "unreadable", str(error))
    outcomes = await unit.work([Arrival("parked", id, events, by=by, why=why, act=act)])
    if committed is not None:
        for outcome in outcomes:
            committed(outcome)
    done = next((act for outcome in outcomes for act in outcome.acts), None)
    if done is None:  # somebody else was faster, or the same request is here twice
        return await known(dsn, act, id, "replay", why) or Replayed(id, "not parked")
    log.info("act", what="replay", id=str(id), key=done.key, subject=done.subject, by=by, why=why, outcome=done.outcome)
    return Replayed(id, done.outcome, done.detail)  # type: ignore[arg-type]


async def replay_all(
    dsn: str,
    unit: Unit,
    by: str,
    *,
    chosen: Chosen | None = None,
    dry_run: bool = False,
    limit: int = 1000,
    why: str = "",
    act: UUID | None = None,
    committed: Callable[[Outcome], None] | None = None,
) -> list[Replayed]:
    """Replays what is parked now, the oldest first; what is parked again meanwhile is not taken a second time.

    A dry run decides each message by itself and leaves nothing behind.
    """
    results = []
    for found in await list_parked(dsn, chosen=chosen, limit=limit):
        if dry_run:
            results.append(await rehearse(dsn, unit, found["id"]))
        else:
            one = None if act is None else uuid5(act, str(found["id"]))
            results.append(await replay(dsn, unit, found["id"], by, committed, why=why, act=one))
    return results


async def rehearse(dsn: str, unit: Unit, id: UUID) -> Replayed:
    """What a replay would come to: rows, messages, timers, calls. Really decided, on the real rows, and undone."""
    found = await show(dsn, id)
    if found is None or found["state"] != "parked":
        return Replayed(id, "not parked")
    try:
        events = read_parked(found["key"], found["body"])
    except Unreadable as error:
        return Replayed(id, "unreadable", str(error))
    try:
        outcome = await unit.attempt([Arrival("parked", id, events)], dry=True)
    except Exception as error:
        if not unit.store.is_guilty(error):
            raise
        return Replayed(id, "parked again", f"{type(error).__name__}: {error}"[:2000])
    if not outcome.acts:
        return Replayed(id, "not parked")
    would = outcome.acts[0]
    return Replayed(id, would.outcome, would.detail, effects(outcome))  # type: ignore[arg-type]


def short(replayed: Replayed) -> str:
    """What came of it, or what a dry run says would, in a line."""
    if replayed.reason:
        return replayed.reason
    return in_short(replayed.effects) if replayed.effects else ""
