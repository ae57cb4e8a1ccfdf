"""The routes of every service for its parked messages: look, rehearse, replay, drop, and who did what."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AwareDatetime, BaseModel, Field

from shared.guard import needs
from shared.http import Ask, Body, NotFound, Paging, example, page_of, problem, wrong
from shared.parked import Chosen, Replayed, State, drop, list_acts, list_parked, rehearse, replay, replay_all, show

NO_NUL = r"^[^\x00]*$"
Why = Annotated[str, Field(max_length=1000, pattern=NO_NUL, examples=["the carrier sends whole grams again"])]
Word = Annotated[str, Field(max_length=200, pattern=NO_NUL)]


class Drop(Body):
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1000, pattern=NO_NUL, examples=["test message of 12 March, agreed with sales"]),
    ]


class Replay(Body):
    """`dry_run` only says what would come of it."""

    model_config = example(dry_run=True)

    dry_run: bool = False
    reason: Why = ""


class ReplayMany(Body):
    """Which messages, as in the list. It is a dry run unless `dry_run` is false."""

    model_config = example(key="billing.", dry_run=True)

    key: Annotated[Word, Field(description="the beginning of the message's key")] = ""
    cause: Annotated[Word, Field(description="a part of the reason")] = ""
    subject: Annotated[Word, Field(description="the document that it is about, as an order's id")] = ""
    since: AwareDatetime | None = None
    dry_run: bool = True
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    reason: Why = ""


class ActOut(BaseModel):
    """Who did what with a message, why, and what came of it."""

    id: UUID
    at: datetime
    by: str
    what: str
    parked_id: UUID | None
    key: str
    subject: str
    why: str
    outcome: str
    detail: str


class ActPage(BaseModel):
    items: list[ActOut]
    next: str | None


class DifferenceOut(BaseModel):
    """One field of the message against the contract. Unknown fields are ignored when a message is read."""

    event: int
    field: str
    verdict: str
    agreed: str
    came: str


class ContractOut(BaseModel):
    readable: bool
    known_versions: list[str]
    differences: list[DifferenceOut]


class ParkedMessage(BaseModel):
    """A message that waits for a person, or waited. `cause` says why in a sentence, `advice` what to do."""

    id: UUID
    at: datetime
    key: str
    subject: str
    event_id: UUID | None
    arrived_by: str
    attempts: int
    reason: str
    cause: str
    state: State
    resolved_at: datetime | None
    resolved_by: str | None
    advice: str | None = None
    contract: ContractOut | None = None
    detail: str | None = None
    body: str | None = None
    acts: list[ActOut] | None = None


class ParkedPage(BaseModel):
    items: list[ParkedMessage]
    next: str | None


class Effects(BaseModel):
    """What a replay would do. Each row says what changes in it: field -> [before, after]."""

    rows: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    timers: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []


class ReplayResult(BaseModel):
    id: UUID
    result: str
    reason: str = ""
    effects: Effects | None = None


async def _running(request: Request) -> Any:
    return request.app.state.running


Running = Annotated[Any, Depends(_running)]
Actor = Annotated[str, Header(alias="X-Actor", min_length=1, max_length=200, description="who does it")]
STATUS: Mapping[str, int] = {
    "done": 200, "dropped": 200, "waits": 202, "parked again": 409, "not parked": 409, "unreadable": 422,
    "another request": 422,
}  # fmt: skip

router = APIRouter(prefix="/parked", tags=["parked messages"])


def bounded(moment: datetime | None) -> datetime | None:
    """PostgreSQL knows fewer moments than a request may name."""
    if moment is None:
        return None
    return min(max(moment, datetime(1900, 1, 2, tzinfo=UTC)), datetime(9000, 1, 1, tzinfo=UTC))


def answer(done: Replayed) -> Response:
    status = STATUS[done.result]
    if status >= 400:
        return problem(status, done.reason or "it is not parked any more", result=done.result)
    return JSONResponse({"id": str(done.id), "result": done.result, "reason": done.reason}, status)


@router.get("", response_model=ParkedPage, response_model_exclude_unset=True)
@needs("parked:read")
async def list_route(
    running: Running,
    paging: Paging,
    state: State = "parked",
    key: Annotated[str, Query(max_length=200, pattern=NO_NUL, description="the beginning of the message's key")] = "",
    cause: Annotated[str, Query(max_length=200, pattern=NO_NUL, description="a part of the reason")] = "",
    subject: Annotated[str, Query(max_length=200, pattern=NO_NUL, description="the document, as an order's id")] = "",
    since: AwareDatetime | None = None,
) -> Any:
    """Messages that wait for a person, the oldest first."""
    chosen = Chosen(key, cause, subject, bounded(since))
    rows = await list_parked(
        running.dsn, state=state, chosen=chosen, after=paging.place(datetime, UUID), limit=paging.limit + 1
    )
    return page_of(rows, paging, key=lambda row: (row["at"].isoformat(), row["id"]))


@router.get("/acts", response_model=ActPage)
@needs("parked:read")
async def acts_route(
    running: Running,
    paging: Paging,
    by: Annotated[str, Query(max_length=200, pattern=NO_NUL, description="only what this person did")] = "",
) -> Any:
    """Who did what with parked messages and sent packets, why, and what came of it; the newest first."""
    rows = await list_acts(running.dsn, after=paging.place(datetime, UUID), limit=paging.limit + 1, by=by)
    return page_of(rows, paging, key=lambda row: (row["at"].isoformat(), row["id"]))


@router.get("/{id}", response_model=ParkedMessage)
@needs("parked:read")
async def show_route(running: Running, id: UUID) -> Any:
    """One of them: the cause, its text, how that differs from the contract, where the error was raised, its acts."""
    found = await show(running.dsn, id)
    if found is None:
        raise NotFound("parked message", id)
    return found


@router.post("/replay", response_model=list[ReplayResult], response_model_exclude_none=True)
@needs("parked:write")
async def replay_all_route(running: Running, body: ReplayMany, actor: Actor, ask: Ask) -> Any:
    """Decides all that match again, one by one; by default only says what would come of each.

    Sent again with the same Idempotency-Key it takes up what is still parked.
    """
    if not actor.strip():
        return problem(422, "a name is needed", [{"field": "header.x-actor", "in": "header", "message": "is empty"}])
    done = await replay_all(
        running.dsn,
        running.unit,
        actor,
        chosen=Chosen(body.key, body.cause, body.subject, bounded(body.since)),
        dry_run=body.dry_run,
        limit=body.limit,
        why=body.reason,
        act=ask.key_id,
        committed=running.committed,
    )
    return [result_of(each) for each in done]


def result_of(done: Replayed) -> ReplayResult:
    return ReplayResult(
        id=done.id, result=done.result, reason=done.reason, effects=Effects(**done.effects) if done.effects else None
    )


@router.post("/{id}/replay", response_model=ReplayResult, response_model_exclude_none=True)
@needs("parked:write")
async def replay_route(running: Running, id: UUID, actor: Actor, ask: Ask, body: Replay | None = None) -> Any:
    """Decides it again. 409 when it is not parked any more or fails again, with the reason.

    A dry run answers 200 with what would happen: the rows, messages, timers and calls of the real decision, undone.
    """
    wish = body or Replay()
    if await show(running.dsn, id) is None:
        raise NotFound("parked message", id)
    if not actor.strip():
        return problem(422, "a name is needed", [{"field": "header.x-actor", "in": "header", "message": "is empty"}])
    if wish.dry_run:
        return result_of(await rehearse(running.dsn, running.unit, id))
    return answer(
        await replay(running.dsn, running.unit, id, actor, running.committed, why=wish.reason, act=ask.key_id)
    )


@router.post("/{id}/drop", response_model=ReplayResult, response_model_exclude_none=True)
@needs("parked:write")
async def drop_route(running: Running, id: UUID, body: Drop, actor: Actor, ask: Ask) -> Response:
    """Puts it aside for good, with the reason. It stays readable."""
    if await show(running.dsn, id) is None:
        raise NotFound("parked message", id)
    if not body.reason.strip() or not actor.strip():
        return problem(422, "a name and a reason are needed", [wrong("reason", "is empty")])
    return answer(await drop(running.dsn, id, actor, body.reason, running.now(), ask.key_id))
