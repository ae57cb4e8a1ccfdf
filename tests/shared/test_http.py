"""How errors leave over HTTP, and how much previews may take."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.contracts.order import CancelOrder
from shared.http import Rehearser, add_problems

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
