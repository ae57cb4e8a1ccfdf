"""How errors leave over HTTP, how much previews may take, and where a list goes on."""

import asyncio
import base64
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.contracts.order import CancelOrder
from shared.http import Page, Rehearser, add_problems, page_of

AWAY = [
    TimeoutError(),
    ConnectionResetError(),
    PoolTimeout(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.CannotConnectNowError("the database system is shutting down"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
]


async def answer_to(error: Exception) -> httpx.Response:
    app = FastAPI()
    add_problems(app)

    @app.get("/")
    async def read() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        return await http.get("/")


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_a_database_that_is_away_or_silent_is_told_as_such(error: Exception) -> None:
    answer = await answer_to(error)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "the database does not answer now" in answer.text


async def test_what_it_cannot_store_is_our_fault() -> None:
    assert (await answer_to(asyncpg.DataError("invalid input for query argument $1"))).status_code == 500


async def test_previews_go_one_by_one_and_wait_for_no_more_than_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.http.REHEARSED_WITHIN_S", 0.05)
    wish = CancelOrder.model_construct()
    at_once = most = 0

    class Slow:
        async def rehearse(self, *what: Any) -> str:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            try:
                await done.wait()
            finally:
                at_once -= 1
            return "what it comes to"

    done, one_by_one = asyncio.Event(), asyncio.Semaphore(1)
    asked: list[Any] = [Rehearser(Slow(), "", one_by_one)(wish) for _ in range(3)]  # type: ignore[arg-type]
    assert [type(said) for said in await asyncio.gather(*asked, return_exceptions=True)] == [TimeoutError] * 3
    assert most == 1
    done.set()
    assert await Rehearser(Slow(), "", one_by_one)(wish) == "what it comes to"  # type: ignore[arg-type, comparison-overlap]


AT, ID = datetime(2026, 3, 14, 9, 26, tzinfo=UTC), UUID(int=7)


def after(*parts: object) -> Page:
    return Page(50, base64.urlsafe_b64encode(json.dumps(parts).encode()).decode())


def test_the_place_in_a_list_is_told_and_read_again() -> None:
    rows = [{"at": AT, "id": ID, "day": AT.date(), "n": -1, "sku": "ÄÖ \n"}] * 2
    page = page_of(rows, Page(1, None), key=lambda row: tuple(row.values()))
    assert Page(1, page["next"]).place(datetime, UUID, date, int, str) == list(rows[0].values())
    assert Page(1, None).place(str) is None


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        (after("2026-03-14T09:26:00"), (datetime,)),
        (after("0001-01-01T00:00:00+14:00"), (datetime,)),
        (after(2**31), (int,)),
        (after("a\0b"), (str,)),
        (after("\ud800"), (str,)),
        (after("a", "b"), (str,)),
        (after(), (str,)),
        (after({"a": 1}), (UUID,)),
    ],
)
def test_a_place_that_the_database_would_not_take_is_no_cursor(page: Page, kinds: tuple[type, ...]) -> None:
    with pytest.raises(RequestValidationError):
        page.place(*kinds)
