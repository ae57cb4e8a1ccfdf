import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests.backoffice.browsing import Visitor
from tests.backoffice.shop import Shop, logged_in, shop_at
from tests.conftest import Databases

expect.set_options(timeout=20_000)  # other tests have the same cores; no time is asserted here
NAMES = ("chromium", "chromium-browser", "google-chrome")


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


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The machine's own Chromium; none is downloaded."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium here")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture
async def visit(browser: Browser, shop: Shop) -> AsyncIterator[Any]:
    """Opens a tab of a width; at the end no tab may have complained."""
    tabs: list[Visitor] = []

    async def opened(width: int = 1280, **settings: Any) -> Visitor:
        context = await browser.new_context(viewport={"width": width, "height": 800}, **settings)
        tab = Visitor(await context.new_page(), shop.here)
        tabs.append(tab)
        return tab

    yield opened
    for tab in tabs:
        await tab.page.context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []
