"""Today goes by the shop's clock, also on the days on which it is put forward or back."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.backoffice.shop import Shop, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
BRUSSELS = ZoneInfo("Europe/Brussels")
FORWARD, BACK = "2025-03-30", "2025-10-26"
"""02:00 is not there on the first, and there twice on the second."""
PLACED = {
    FORWARD: ("2025-03-30T00:30+01:00", "2025-03-30T01:30+01:00", "2025-03-30T03:30+02:00", "2025-03-30T23:30+02:00"),
    BACK: ("2025-10-26T00:30+02:00", "2025-10-26T02:30+02:00", "2025-10-26T02:30+01:00", "2025-10-26T23:30+01:00"),
}
HOURS = {
    FORWARD: {"00:00": 1, "01:00": 1, "03:00": 1, "23:00": 1},
    BACK: {"00:00": 1, "02:00": 2, "23:00": 1},
}
WEEKS_BEFORE = ("2025-03-09T11:30+01:00", "2025-03-16T11:30+01:00", "2025-03-23T11:30+01:00")


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "clock_changes", time_zone=BRUSSELS.key) as founded:
        await founded.open(mug=100)
        for at in (*WEEKS_BEFORE, *PLACED[FORWARD], *PLACED[BACK]):
            await founded.place(placed_at=at)
        yield founded


async def today(shop: Shop, monkeypatch: pytest.MonkeyPatch, at: str) -> str:
    """The page, read at this time of the shop."""
    moment = datetime.fromisoformat(at).replace(tzinfo=BRUSSELS).astimezone(UTC)
    monkeypatch.setattr(shop.office.running, "now", lambda: moment)
    return await shop.page("/")


def hours(page: str) -> dict[str, int]:
    """The table behind the picture, without what is zero."""
    found = re.findall(r"<td>(\d\d:\d\d)</td><td class=\"num\">(\d+)</td>", page)
    assert len(found) == 24
    return {hour: int(n) for hour, n in found if n != "0"}


@pytest.mark.parametrize("day", [FORWARD, BACK])
async def test_hours_are_those_of_the_clock(shop: Shop, monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    assert hours(await today(shop, monkeypatch, f"{day}T23:45")) == HOURS[day]


async def test_the_last_day_with_an_order_is_shown_from_its_midnight(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hours(await today(shop, monkeypatch, "2025-10-28T12:00")) == HOURS[BACK]


async def test_a_week_ago_is_the_same_time_by_the_clock(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "usually 1 at this time of the week" in await today(shop, monkeypatch, f"{FORWARD}T12:00")
