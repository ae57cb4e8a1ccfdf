"""What every service's HTTP API does the same way: idempotent writes, problem+json, keyset pages, health, metrics."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid5

import asyncpg
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.contracts.message import Message as Contract
from shared.keys import Key
from shared.messaging.decision import Reply, plain
from shared.messaging.desk import Desk
from shared.messaging.unit import Outcome, Unit

PROBLEM = "application/problem+json"
KEYS = UUID("5b2a0a3e-7f0e-5c0b-9f43-6b1c5a7d0f11")  # the namespace of request ids
MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request body; an import of 1,000 orders fits."""

CALLER = "comptoir.caller"
"""Where a request's scope has the key that it came with (shared/guard.py)."""

REHEARSED_WITHIN_S = 5.0
MAX_ERRORS = 100
"""Errors that one answer lists; the first ones say enough."""

AWAY = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
)
"""What asyncpg raises when the database cannot serve now; what is read by SQLAlchemy has its DBAPIError."""

Item = dict[str, Any]


class Body(BaseModel):
    """A request's body. Unknown fields are refused: a misspelt one must not be dropped silently."""

    model_config = ConfigDict(extra="forbid")


def example(**fields: Any) -> ConfigDict:
    """The example of a body, for its `model_config`."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class NotFound(Exception):
    """No such thing: 404."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"no {what} {key}")


def problem(status: int, title: str, errors: Sequence[dict[str, str]] = (), **more: Any) -> JSONResponse:
    """An RFC 9457 answer: says what is wrong and where, and nothing of our insides."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if errors:
        body["errors"] = list(errors)
    return JSONResponse(
        body | more, status, media_type=PROBLEM, headers={"Retry-After": "1"} if status == 503 else None
    )


def wrong(field: str, message: str) -> dict[str, str]:
    """One error of a problem: the field as a path in dots, and as the JSON pointer that RFC 9457 shows."""
    return {"field": field, "pointer": "#/" + field.replace(".", "/"), "message": message}


def answered(reply: Reply) -> JSONResponse:
    """A decision's reply as a response; the `etag` that it may have is a header too."""
    if reply.status < 400:
        etag = reply.body.get("etag")
        return JSONResponse(jsonable(reply.body), reply.status, headers={"ETag": f'"{etag}"'} if etag else None)
    told = refusal(reply)
    return problem(reply.status, told["title"], told.get("errors", ()))


def refusal(reply: Reply) -> Item:
    """What a decision refused, without our insides: title, status, and each fault with its place where it has one."""
    title, field = str(reply.body.get("title", "the request failed")), reply.body.get("field")
    also = reply.body.get("also", ())
    errors = [
        located(("header", "if-match"), why) if where == "If-Match" else wrong(where, why)
        for where, why in ((field, title), *also)
        if where
    ]
    return {"title": title, "status": reply.status} | ({"errors": errors[:MAX_ERRORS]} if errors else {})


def jsonable(body: Any) -> Any:
    return json.loads(json.dumps(body, default=plain))


class Asker:
    """Puts requests on the service's desk and waits for their commit."""

    def __init__(
        self, desk: Desk, key: str, actor: str, traceparent: str, client: str, channel: str | None = None
    ) -> None:
        """`client`: whose Idempotency-Keys these are, and `channel`: what it is bound to."""
        self.desk, self.key, self.actor, self.traceparent, self.channel = desk, key, actor, traceparent, channel
        self.key_id = uuid5(KEYS, f"{desk.unit.service}:{client}:{key}") if key else desk.unit.new_id()

    async def __call__(self, message: Contract) -> Response:
        return answered(await self.reply(message))

    async def reply(self, message: Contract) -> Reply:
        return await self.desk.ask(message, id=self.key_id, actor=self.actor, traceparent=self.traceparent)

    async def each(self, messages: Sequence[Contract]) -> Response:
        """Many requests under one key, each with its own outcome. The same again is answered as before."""
        replies = await self.desk.ask_each(messages, id=self.key_id, actor=self.actor, traceparent=self.traceparent)
        if isinstance(replies, Reply):
            return answered(replies)
        return JSONResponse({"outcomes": [{"status": r.status, "body": jsonable(_outwards(r.body))} for r in replies]})


def _outwards(body: Mapping[str, Any]) -> Item:
    """Without what went wrong inside, which the log has."""
    return {name: value for name, value in body.items() if name != "error"}


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.running.desk
    return desk


def _client(request: Request) -> tuple[str, str | None]:
    """Name and channel of who asks, where keys are needed: two callers may take the same Idempotency-Key."""
    caller: Key | None = request.scope.get(CALLER)
    return ("", None) if caller is None else (caller.name, caller.channel)


async def _asker(
    request: Request,
    idempotency_key: Annotated[
        str, Header(min_length=1, max_length=255, description="Makes repeating the request safe: same key, same answer")
    ],
    x_actor: Annotated[str, Header(max_length=200)] = "",
    traceparent: Annotated[str, Header(max_length=100)] = "",
) -> Asker:
    key = f"{request.method} {request.url.path} {idempotency_key}"
    return Asker(_desk(request), key, x_actor, traceparent, *_client(request))


async def _teller(
    request: Request,
    idempotency_key: Annotated[str, Header(max_length=255)] = "",
    x_actor: Annotated[str, Header(max_length=200)] = "",
    traceparent: Annotated[str, Header(max_length=100)] = "",
) -> Asker:
    key = f"{request.method} {request.url.path} {idempotency_key}" if idempotency_key else ""
    return Asker(_desk(request), key, x_actor, traceparent, *_client(request))


class Rehearser:
    """Says what a request would come to, and what would follow it, without doing it."""

    def __init__(self, unit: Unit, actor: str, one_by_one: asyncio.Semaphore, channel: str | None = None) -> None:
        """`channel`: what the caller is bound to."""
        self.unit, self.actor, self.one_by_one, self.channel = unit, actor, one_by_one, channel

    @property
    def key_id(self) -> UUID:
        """Another id each time: what is rehearsed has no Idempotency-Key, and is never repeated."""
        return self.unit.new_id()

    async def __call__(self, message: Contract, *then: Contract) -> Outcome:
        """TimeoutError, which is 503, when others or a lock take too long: real work needs the connections, too."""
        async with asyncio.timeout(REHEARSED_WITHIN_S), self.one_by_one:
            return await self.unit.rehearse(message, self.actor, then)


async def _rehearser(request: Request, x_actor: Annotated[str, Header(max_length=200)] = "") -> Rehearser:
    _, channel = _client(request)
    return Rehearser(_desk(request).unit, x_actor, request.app.state.running.rehearsals, channel)


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            pattern=r'^(\*|(W/)?"[0-9a-f]{1,64}"|[0-9a-f]{1,64})$',
            description="the ETag of what was looked at: 412, and nothing done, when it was changed since",
        ),
    ] = None,
) -> str:
    return (if_match or "").removeprefix("W/").strip('"')


async def known_query(request: Request) -> None:
    """Refuses query parameters that the operation does not have: a misspelt filter must not give all there is."""
    if not request.query_params:
        return
    described = request.app.openapi()["paths"][request.scope["route"].path_format][request.method.lower()]
    known = {said["name"] for said in described.get("parameters", ()) if said["in"] == "query"}
    if unknown := [name for name in request.query_params if name not in known]:
        wanted = ", ".join(sorted(known)) or "none"
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": f"unknown; there are: {wanted}"}
                for name in unknown
            ]
        )


def known_condition(request: Request) -> None:
    """Refuses If-Match where nothing would heed it: who names a version must not be told that all is well."""
    if "if-match" not in request.headers or request.method in ("GET", "HEAD"):
        return
    described = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    operation = described.get(request.method.lower(), {})
    if not any(said["name"].lower() == "if-match" for said in operation.get("parameters", ())):
        raise RequestValidationError(
            [{"type": "extra_forbidden", "loc": ("header", "if-match"), "msg": "is not heeded here: nothing was done"}]
        )


async def _reader(request: Request) -> AsyncIterator[AsyncConnection]:
    async with request.app.state.running.reads.connect() as connection:
        yield connection


Ask = Annotated[Asker, Depends(_asker)]
"""Writes that create or move money or stock: the header Idempotency-Key is required."""
Tell = Annotated[Asker, Depends(_teller)]
"""Writes that are idempotent by nature."""
IfMatch = Annotated[str, Depends(_if_match)]
"""Edits: the entity tag of the header If-Match without its quotes, `*` for anything that exists, or empty."""
Rehearse = Annotated[Rehearser, Depends(_rehearser)]
"""What changes nothing: previews. No Idempotency-Key is needed."""
Reader = Annotated[AsyncConnection, Depends(_reader, scope="function")]
"""A read-only connection, given back before the answer leaves."""


def no_cursor() -> RequestValidationError:
    """What `after` says is no cursor of this list."""
    return RequestValidationError(
        [{"type": "value_error", "loc": ("query", "after"), "msg": "not a cursor of this list"}]
    )


class Page:
    """Keyset paging: `after` is the cursor that the previous page gave."""

    def __init__(self, limit: int, after: str | None) -> None:
        self.limit = limit
        self.cursor = after
        self.after: list[Any] | None = None
        if after:
            try:
                decoded = json.loads(base64.urlsafe_b64decode(after.encode() + b"=="))
            except (ValueError, RecursionError):
                raise no_cursor() from None
            if not isinstance(decoded, list):
                raise no_cursor()
            self.after = decoded

    def place(self, *kinds: type[Any] | Callable[[str], Any]) -> list[Any] | None:
        """The sort values of the last row seen, each of its kind; None at the beginning.

        A cursor of another list is refused, and what PostgreSQL would not take.
        """
        if self.after is None:
            return None
        try:
            return [_READERS.get(kind, kind)(str(part)) for kind, part in zip(kinds, self.after, strict=True)]
        except (ValueError, OverflowError):
            raise no_cursor() from None


def _word(text: str) -> str:
    if "\0" in text:
        raise ValueError(text)
    text.encode()  # half of a pair of surrogates is no text
    return text


def _number(text: str) -> int:
    if abs(number := int(text)) >= 2**31:
        raise ValueError(text)
    return number


def _moment(text: str) -> datetime:
    if (moment := datetime.fromisoformat(text)).tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)  # overflows near the ends of time


_READERS: Mapping[Any, Callable[[str], Any]] = {
    str: _word, int: _number, date: date.fromisoformat, datetime: _moment,
}  # fmt: skip


async def _page(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str | None, Query(max_length=500, description="`next` of the previous page")] = None,
) -> Page:
    return Page(limit, after)


Paging = Annotated[Page, Depends(_page)]


def page_of(rows: Sequence[Any], paging: Page, key: Callable[[Any], Sequence[Any]]) -> Item:
    """{"items", "next"}: ask the query for `paging.limit + 1` rows; the extra one only says that there is more.

    `key` gives a row's sort values; the next query gets them as the list `paging.after`.
    """
    items = list(rows[: paging.limit])
    next_ = None
    if len(rows) > paging.limit:
        text = json.dumps([str(part) for part in key(items[-1])])
        next_ = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return {"items": items, "next": next_}


class BodyLimit:
    """Refuses bodies above the limit without reading them. Plain ASGI, so that a disconnect is still seen."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limit:
            await problem(413, f"the body may have at most {self.limit} bytes")(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise HTTPException(413, f"the body may have at most {self.limit} bytes")
            return message

        await self.app(scope, counted, send)


def located(loc: tuple[str | int, ...], message: str) -> dict[str, str]:
    """Where a request is wrong. Fields of the body are named as they are, others with the place that they came in."""
    place, *path = loc
    if place != "body":
        return {"field": ".".join(map(str, loc)), "in": str(place), "message": message}
    return wrong(".".join(map(str, path)), message)


def invalid(error: ValidationError) -> Item:
    """What is wrong with a body that is one of several, each fault with its place in it; without what only follows."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = [fault["loc"] for fault in faults]
    errors = [  # that a list is too short whose every entry is wrong only follows
        located(("body", *fault["loc"]), fault["msg"])
        for fault in faults
        if not any(place != fault["loc"] and place[: len(fault["loc"])] == fault["loc"] for place in places)
    ][:MAX_ERRORS]
    return {"title": "the request is not valid", "status": 422, "errors": errors}


def add_problems(app: FastAPI) -> None:
    """Every error leaves as problem+json; what we did not expect says nothing of our insides."""

    @app.exception_handler(RequestValidationError)
    async def not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        if any(e["type"] == "json_invalid" for e in found):
            return problem(400, "the body is not JSON")
        errors = [located(tuple(e["loc"]), str(e["msg"])) for e in found[:MAX_ERRORS]]
        missing_key = any(e["field"].endswith("idempotency-key") for e in errors)
        title = "the header Idempotency-Key is missing" if missing_key else "the request is not valid"
        return problem(400 if missing_key else 422, title, errors)

    @app.exception_handler(NotFound)
    async def not_found(request: Request, error: NotFound) -> JSONResponse:
        return problem(404, str(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    async def away(request: Request, error: Exception) -> JSONResponse:
        return problem(503, "the database does not answer now")

    for kind in (DBAPIError, PoolTimeout, ConnectionError, TimeoutError, *AWAY):
        app.add_exception_handler(kind, away)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return problem(500, "the request failed")


FAULT = {
    "type": "object",
    "required": ["field", "message"],
    "properties": {
        "field": {
            "type": "string",
            "description": "a path in dots, the first of a list is 0; of what is not in the body the place comes first",
            "examples": ["lines.0.quantity", "query.limit"],
        },
        "pointer": {"type": "string", "description": "of a field of the body", "examples": ["#/lines/0/quantity"]},
        "in": {"type": "string", "description": "of what is not in the body", "enum": ["query", "path", "header"]},
        "message": {"type": "string"},
    },
}
PROBLEM_SCHEMA = {
    "title": "Problem",
    "description": "What is wrong and where (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "one sentence for people"},
        "status": {"type": "integer"},
        "errors": {"type": "array", "items": FAULT},
    },
}
MEANINGS = {
    400: "The request cannot be read, or lacks its Idempotency-Key",
    404: "There is no such thing",
    409: "What is there does not allow it, or the same request is still in flight",
    412: "It was changed since the version that If-Match names",
    413: "The body is too large",
    422: "The request is not valid; or its Idempotency-Key was used for another one",
    503: "The database does not answer now; try again",
}


def answers_beside(module_file: str) -> dict[str, dict[str, Any]]:
    """The recorded answers of a service, which are in the folder of its modules: by "GET /path" and status."""
    found: dict[str, dict[str, Any]] = json.loads(Path(module_file).with_name("answers.json").read_text("utf-8"))
    return found


def document(
    app: FastAPI, answers: Mapping[str, Mapping[str, Any]], more: Callable[[FastAPI, Item], None] | None = None
) -> None:
    """Every operation's OpenAPI shows what it answers, and says how it refuses: always with a problem.

    `more` writes what else there is to say into it.
    """
    made = app.openapi

    def openapi() -> Item:
        if app.openapi_schema is None:
            described = made()
            schemas = described.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = PROBLEM_SCHEMA
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for path, methods in described["paths"].items():
                for method, operation in methods.items():
                    add_refusals(path, method, operation)
                    for status, body in answers.get(f"{method.upper()} {path}", {}).items():
                        answer = operation["responses"].setdefault(status, {"description": "Successful Response"})
                        answer.setdefault("content", {}).setdefault("application/json", {})["example"] = body
            if more is not None:
                more(app, described)
        return app.openapi_schema or made()

    app.openapi = openapi  # type: ignore[method-assign]


def add_refusals(path: str, method: str, operation: Item) -> None:
    if path.startswith("/health/"):
        return
    refused = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    answers: Item = operation["responses"]
    takes_body = method in ("post", "put", "patch")
    possible = [503]
    possible += [400, 404, 409, 413] if takes_body else [404] if "{" in path else []
    possible += [412] if any(said["name"].lower() == "if-match" for said in operation.get("parameters", ())) else []
    possible += [422] if not path.startswith("/metrics") else []
    for status in possible:
        answers.setdefault(str(status), {"description": MEANINGS[status]})
    for code, answer in answers.items():
        if code == "422":
            answer["description"] = MEANINGS[422]
        if code >= "4":
            answer.update(refused)
    operation["responses"] = dict(sorted(answers.items()))
