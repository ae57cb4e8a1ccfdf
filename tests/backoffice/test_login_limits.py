"""Who tries thousands of passwords takes neither all memory nor all time."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from services.backoffice import login
from tests.backoffice.shop import PASSWORD, Shop, shop_at
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "limits") as founded:
        await founded.staff("support")
        yield founded


class Hasher:
    """Counts what is checked, and holds it until it is let go."""

    def __init__(self) -> None:
        self.lock, self.go = threading.Lock(), threading.Event()
        self.began = self.inside = self.most = 0

    def verify(self, kept: str, password: str) -> bool:
        with self.lock:
            self.began, self.inside = self.began + 1, self.inside + 1
            self.most = max(self.most, self.inside)
        self.go.wait(30)
        with self.lock:
            self.inside -= 1
        return PasswordHasher().verify(kept, password)


async def test_two_passwords_are_checked_at_a_time_and_the_others_wait(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = Hasher()
    monkeypatch.setattr(login, "HASHER", hasher)
    form = {"name": "support", "password": PASSWORD}
    asked = [asyncio.create_task(shop.http.post("/login", data=form)) for _ in range(6)]
    try:
        await eventually(lambda: hasher.began == 2)
        assert (await shop.http.get("/login")).status_code == 200, "pages wait for nobody's password"
        assert hasher.began == 2
    finally:
        hasher.go.set()
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [303] * 6
    assert (hasher.began, hasher.most) == (6, 2)


async def test_from_an_address_of_many_wrong_ones_no_password_is_checked_at_all(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, began = shop.office.wrong_passwords, shop.office.running.now()
    monkeypatch.setattr(shop.office.running, "now", lambda: began)
    hasher = Hasher()
    hasher.go.set()
    monkeypatch.setattr(login, "HASHER", hasher)
    for _ in range(rate.most):
        rate.add("127.0.0.1", began)
    answer = await shop.http.post("/login", data={"name": "support", "password": PASSWORD})
    assert (answer.status_code, hasher.began) == (401, 0)
    monkeypatch.setattr(shop.office.running, "now", lambda: began + rate.within)
    answer = await shop.http.post("/login", data={"name": "support", "password": PASSWORD})
    assert (answer.status_code, hasher.began) == (303, 1)
