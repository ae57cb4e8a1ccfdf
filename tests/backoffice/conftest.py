from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.backoffice.shop import Shop, shop_at
from tests.conftest import Databases

expect.set_options(timeout=20_000)  # other tests have the same cores; no time is asserted here


@pytest.fixture(scope="module")
async def shop(databases: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """One shop for all tests of a module; they add orders and look at their own."""
    async with shop_at(databases, request.module.__name__.rpartition(".")[2]) as founded:
        await founded.open(mug=1000, cup=0)
        yield founded
