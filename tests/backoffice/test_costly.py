"""When a costly figure is made anew, and who waits for it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.backoffice.costly import Costly
from services.backoffice.views.today import MANY, stands_s


class Figures:
    """Makes 1, 2, 3 ...; each waits until it is let through."""

    def __init__(self) -> None:
        self.now, self.made, self.free = 0.0, 0, asyncio.Event()
        self.free.set()
        self.broken = False

    async def make(self) -> int:
        self.made += 1
        mine = self.made
        await self.free.wait()
        if self.broken:
            raise ConnectionError("the database is away")
        return mine


@pytest.fixture
async def figures() -> Figures:
    return Figures()


def kept(figures: Figures, stands: float = 2.0) -> Callable[[str], Coroutine[Any, Any, int]]:
    costly = Costly[int](lambda _: stands, lambda: figures.now)
    return lambda about: costly.get(about, figures.make)


async def rest() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_figure_stands_for_a_while_and_is_then_renewed_while_it_is_given(figures: Figures) -> None:
    get = kept(figures)
    assert [await get("today"), await get("today")] == [1, 1]
    figures.now = 1.9
    assert await get("today") == 1
    figures.now = 3.0
    assert await get("today") == 1, "as it is, while another one is made"
    await rest()
    assert [await get("today"), figures.made] == [2, 2]


async def test_what_is_too_old_or_about_something_else_is_not_given(figures: Figures) -> None:
    get = kept(figures)
    assert await get("today") == 1
    figures.now = 4.0
    assert await get("today") == 2
    assert await get("tomorrow") == 3


async def test_a_figure_that_does_not_stand_is_made_at_each_look(figures: Figures) -> None:
    get = kept(figures, stands=0.0)
    assert [await get("today"), await get("today"), await get("today")] == [1, 2, 3]


async def test_who_asks_meanwhile_takes_the_one_that_was_begun_after_asking(figures: Figures) -> None:
    get = kept(figures, stands=0.0)
    figures.free.clear()
    first = asyncio.create_task(get("today"))
    await rest()
    figures.now = 1.0  # these come after the first was begun: what it gives might miss what they know of
    others = [asyncio.create_task(get("today")) for _ in range(5)]
    await rest()
    figures.free.set()
    assert [await first, [await other for other in others], figures.made] == [1, [2] * 5, 2]


async def test_a_renewal_that_fails_is_tried_again_and_nobody_is_refused_for_it(figures: Figures) -> None:
    get = kept(figures)
    assert await get("today") == 1
    figures.now, figures.broken = 3.0, True
    assert await get("today") == 1
    await rest()
    figures.now, figures.broken = 3.5, False
    assert await get("today") == 1
    await rest()
    assert await get("today") == 3
    figures.now, figures.broken = 9.0, True
    with pytest.raises(ConnectionError):
        await get("today")


def test_only_sums_of_many_orders_stand() -> None:
    assert stands_s({"orders": [{"orders": MANY // 2}, {"orders": MANY // 2}]}) == 0
    assert stands_s({"orders": [{"orders": MANY // 2}, {"orders": MANY // 2 + 1}]}) > 0
    assert stands_s({"orders": []}) == 0
