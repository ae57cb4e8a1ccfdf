"""Messages that wait for a person: what they are and why, to be decided again or put aside with a reason.

The same functions stand behind a service's own HTTP routes and behind `comptoir parked`, which works on the service's
database whether the service runs or not. A replay is one unit of work that claims the parked row, so it has one effect
however often it is asked for; what it sends lies in the outbox and goes out with the running relay's next sweep.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from shared.http import NotFound, Paging, no_cursor, page_of, problem
from shared.messaging.envelope import Unreadable, read_parked
from shared.messaging.unit import Arrival, Outcome, Parked, Unit

State = Literal["parked", "replayed", "dropped"]
COLUMNS = "id, at, key, subject, event_id, arrived_by, attempts, reason, state, resolved_at, resolved_by"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay: `done`, or `parked` again under a new id with the reason, or not possible at all."""

    id: UUID
    result: Literal["done", "parked again", "waits", "not parked", "unreadable"]
    reason: str = ""


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn, timeout=5, command_timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


async def list_parked(
    dsn: str,
    *,
    state: State | None = "parked",
    key: str = "",
    after: tuple[datetime, UUID] | None = None,
    limit: int = 51,
) -> list[dict[str, Any]]:
    """The oldest first, without their bodies. `key` is the beginning of a message's key."""
    async with connected(dsn) as connection:
        records = await connection.fetch(
            f"select {COLUMNS} from parked where ($1::text is null or state = $1) and starts_with(key, $2) "
            "and ($3::timestamptz is null or (at, id) > ($3, $4::uuid)) order by at, id limit $5",
            state, key, after[0] if after else None, after[1] if after else None, limit,
        )  # fmt: skip
    return [dict(record) for record in records]


async def show(dsn: str, id: UUID) -> dict[str, Any] | None:
    """All that is known of one parked message: the reason, where it was raised, its text."""
    async with connected(dsn) as connection:
        record = await connection.fetchrow(f"select {COLUMNS}, detail, body from parked where id = $1", id)
    return dict(record) if record else None


async def drop(dsn: str, id: UUID, by: str, reason: str, now: datetime) -> bool:
    """Puts a parked message aside for good; the row stays, with who did it and why. False: it was not parked."""
    if not reason.strip() or not by.strip():
        raise ValueError("dropping a message needs a name and a reason")
    async with connected(dsn) as connection:
        dropped = await connection.fetchval(
            "update parked set state = 'dropped', resolved_at = $2, resolved_by = $3 "
            "where id = $1 and state = 'parked' returning id",
            id, now, f"{by.strip()}: {reason.strip()}"[:2000],
        )  # fmt: skip
    return dropped is not None


async def replay(
    dsn: str, unit: Unit, id: UUID, by: str, committed: Callable[[Outcome], None] | None = None
) -> Replayed:
    """Decides a parked message again, now, in one unit of work on the open store of `unit`.

    The rows that it parks if it fails again are new ones; the old row is then resolved as replayed, so each attempt
    can be told from the next. `committed` of a running service sends on at once what would wait for its sweep.
    """
    if not by.strip():
        raise ValueError("replaying a message needs a name")
    found = await show(dsn, id)
    if found is None or found["state"] != "parked":
        return Replayed(id, "not parked")
    try:
        events = read_parked(found["key"], found["body"])
    except Unreadable as error:
        return Replayed(id, "unreadable", str(error))
    outcomes = await unit.work([Arrival("parked", id, events, by=by.strip()[:200])])
    if not any(outcome.new for outcome in outcomes):
        return Replayed(id, "not parked")
    if committed is not None:
        for outcome in outcomes:
            committed(outcome)
    again: list[Parked] = [parked for outcome in outcomes for parked in outcome.parked]
    if again:
        return Replayed(id, "parked again", again[0].reason)
    if any(outcome.failed for outcome in outcomes):
        return Replayed(id, "waits", "something is still missing; it is tried again by itself")
    return Replayed(id, "done")


async def replay_all(
    dsn: str,
    unit: Unit,
    by: str,
    *,
    key: str = "",
    dry_run: bool = False,
    limit: int = 1000,
    committed: Callable[[Outcome], None] | None = None,
) -> list[Replayed]:
    """Replays what is parked now, the oldest first; what is parked again meanwhile is not taken a second time.

    A dry run decides each message by itself and leaves nothing behind.
    """
    results = []
    for found in await list_parked(dsn, key=key, limit=limit):
        if dry_run:
            results.append(await rehearse(dsn, unit, found["id"]))
        else:
            results.append(await replay(dsn, unit, found["id"], by, committed))
    return results


async def rehearse(dsn: str, unit: Unit, id: UUID) -> Replayed:
    """What a replay would come to; nothing is stored."""
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
        return Replayed(id, "parked again", repr(error)[:2000])
    if outcome.parked:
        return Replayed(id, "parked again", outcome.parked[0].reason)
    return Replayed(id, "waits" if outcome.failed else "done")


# The service's own routes


class Drop(BaseModel):
    reason: Annotated[
        str, Field(min_length=1, max_length=1000, examples=["test message of 12 March, agreed with sales"])
    ]


class All(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "billing.", "dry_run": True}]})

    key: Annotated[str, Field(max_length=200, examples=["billing."])] = ""
    dry_run: bool = True
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class ParkedMessage(BaseModel):
    """A message that waits for a person, or waited."""

    id: UUID
    at: datetime
    key: str
    subject: str
    event_id: UUID | None
    arrived_by: str
    attempts: int
    reason: str
    state: State
    resolved_at: datetime | None
    resolved_by: str | None
    detail: str | None = None
    body: str | None = None


class ParkedPage(BaseModel):
    items: list[ParkedMessage]
    next: str | None


class ReplayResult(BaseModel):
    id: UUID
    result: str
    reason: str = ""


def _running(request: Request) -> Any:
    return request.app.state.running


Running = Annotated[Any, Depends(_running)]
Actor = Annotated[str, Header(alias="X-Actor", min_length=1, max_length=200, description="who does it")]
STATUS: Mapping[str, int] = {"done": 200, "waits": 202, "parked again": 409, "not parked": 409, "unreadable": 422}

router = APIRouter(prefix="/parked", tags=["parked messages"])


@router.get("", response_model=ParkedPage, response_model_exclude_unset=True)
async def list_route(
    running: Running,
    paging: Paging,
    state: State = "parked",
    key: Annotated[str, Query(max_length=200, description="the beginning of the message's key")] = "",
) -> Any:
    """Messages that wait for a person, the oldest first."""
    after = None
    if paging.after is not None:
        try:
            after = (datetime.fromisoformat(str(paging.after[0])), UUID(str(paging.after[1])))
            after[0].astimezone()
        except (ValueError, IndexError, OverflowError):
            raise no_cursor() from None
        if after[0].tzinfo is None:
            raise no_cursor()
    if "\x00" in key:
        return problem(422, "key: no NUL", [{"field": "key", "message": "no NUL"}])
    rows = await list_parked(running.dsn, state=state, key=key, after=after, limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["at"].isoformat(), row["id"]))


@router.get("/{id}", response_model=ParkedMessage)
async def show_route(running: Running, id: UUID) -> Any:
    """One of them with its text and where the error was raised."""
    found = await show(running.dsn, id)
    if found is None:
        raise NotFound("parked message", id)
    return found


@router.post("/replay-all", response_model=list[ReplayResult])
async def replay_all_route(running: Running, body: All, actor: Actor) -> Any:
    """Decides all of them again, one by one; by default only rehearses it."""
    done = await replay_all(
        running.dsn,
        running.unit,
        actor,
        key=body.key.replace("\x00", ""),
        dry_run=body.dry_run,
        limit=body.limit,
        committed=running.committed,
    )
    return [ReplayResult(id=each.id, result=each.result, reason=each.reason) for each in done]


@router.post("/{id}/replay", response_model=ReplayResult)
async def replay_route(running: Running, id: UUID, actor: Actor) -> Response:
    """Decides it again. 409 when it is not parked any more or fails again, with the reason."""
    if await show(running.dsn, id) is None:
        raise NotFound("parked message", id)
    replayed = await replay(running.dsn, running.unit, id, actor, running.committed)
    status = STATUS[replayed.result]
    if status >= 400:
        return problem(status, replayed.reason or replayed.result, result=replayed.result)
    return JSONResponse({"id": str(id), "result": replayed.result, "reason": replayed.reason}, status)


@router.post("/{id}/drop", response_model=ReplayResult)
async def drop_route(running: Running, id: UUID, body: Drop, actor: Actor) -> Response:
    """Puts it aside for good, with the reason."""
    if await show(running.dsn, id) is None:
        raise NotFound("parked message", id)
    if not body.reason.strip() or not actor.strip():
        return problem(422, "a name and a reason are needed", [{"field": "reason", "message": "is empty"}])
    if not await drop(running.dsn, id, actor, body.reason.replace("\x00", ""), running.now()):
        return problem(409, "it is not parked any more")
    return JSONResponse({"id": str(id), "result": "dropped", "reason": body.reason})
