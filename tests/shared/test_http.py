"""How errors leave over HTTP."""

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.http import add_problems


@pytest.mark.parametrize(
    "error", [TimeoutError(), ConnectionResetError(), PoolTimeout()], ids=["silent", "reset", "pool"]
)
async def test_a_database_that_is_away_or_silent_is_told_as_such(error: Exception) -> None:
    app = FastAPI()
    add_problems(app)

    @app.get("/")
    async def read() -> None:
        raise error

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "the database does not answer now" in answer.text
