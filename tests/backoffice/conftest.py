from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest
from playwright.async_api import expect

from tests.backoffice.shop import Shop, logged_in, shop_at
from tests.conftest import Databases

expect.set_options(timeout=20_000)  # other tests have the same cores; no time is asserted here


@pytest.fixture(scope="module")
async def shop(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """One shop for all tests of a module; they add orders and look at their own."""
    async with shop_at(databases, request.module.__name__.rpartition(".")[2]) as founded:
        await founded.open(mug=1000, cup=0)
        yield founded


@pytest.fixture
async def packer(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of a packer, in a shop that has one."""
    async with aclosing(await logged_in(shop, "packer")) as http:
        yield http
