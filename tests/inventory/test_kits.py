"""Kits as inventory knows them: how many their components make, told to channels when one of these changes."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.inventory.domain import Kit, KitPart, Policy, sets_of
from services.inventory.queries import Offer, _of_kit
from shared.contracts.inventory import AvailabilityChanged
from shared.contracts.order import Component, KitChanged
from tests.inventory.builders import World, receipt, wants, world

SOON = timedelta(seconds=5)
PARTS = (Component(sku="mug", pieces=2), Component(sku="pen", pieces=1))
TODAY = date(2026, 3, 2)


def kit(*components: Component, version: int = 1) -> KitChanged:
    return KitChanged(sku="set", version=version, components=components)


def shop(*levels: tuple[str, str, int]) -> World:
    w = world(*levels, policy=Policy(announce_after=SOON))
    w.tell(kit(*PARTS))
    return w


def pause(w: World) -> list[AvailabilityChanged]:
    """What channels hear of the kit when the pause is over."""
    w.sent.clear()
    w.now += SOON
    w.settle()
    return [m for m in w.sent if isinstance(m, AvailabilityChanged) and m.sku == "set"]


def test_channels_hear_of_a_kit_what_its_components_make_r30() -> None:
    w = shop(("mug", "north", 7), ("mug", "south", 2), ("pen", "north", 2), ("pen", "south", 9))
    (said,) = pause(w)
    assert (said.version, said.on_hand, said.reserved, said.available, said.backorderable) == (1, 4, 0, 4, True)
    assert [(of.warehouse, of.available) for of in said.warehouses] == [("north", 2), ("south", 1)]
    w.tell(wants(1, ("mug", 4)))
    (said,) = pause(w)
    assert (said.version, said.on_hand, said.reserved, said.available) == (2, 4, 2, 2)
    w.tell(receipt("north", "pen", 10))
    (said,) = pause(w)
    assert (said.version, said.available) == (3, 2), "pens alone make no kit"
    assert pause(w) == [], "nothing changed"


def test_a_kit_is_what_the_catalogue_told_last_however_late_an_elder_word_comes() -> None:
    w = shop(("mug", "north", 7), ("pen", "north", 2))
    w.tell(kit(PARTS[0], version=3))
    w.tell(kit(*PARTS, version=2))
    assert [row.components for row in w.all(Kit)] == [PARTS[:1]]
    assert {(row.sku, row.pieces) for row in w.all(KitPart)} == {("mug", 2), ("pen", 0)}
    assert [said.available for said in pause(w)] == [3]
    w.tell(receipt("north", "pen", 1))
    assert pause(w) == [], "it is no part of it any more"
    w.tell(kit(version=4))
    assert [(said.available, said.backorderable) for said in pause(w)] == [(0, False)]


def test_of_a_kit_with_a_service_the_goods_alone_count() -> None:
    assert sets_of(PARTS, {"mug": 5}) == 2
    assert sets_of(PARTS, {}) == 0


def offer(left: int, *coming: tuple[int, int], backorderable: bool = False, stocked: bool = True) -> Offer:
    item = {"stocked": stocked, "backorderable": backorderable, "lead_days": 7}
    return Offer(item, left, [(TODAY + timedelta(days=days), pieces) for days, pieces in coming])


@pytest.mark.parametrize(
    ("mugs", "pens", "available", "days"),
    [
        (offer(5), offer(9), 2, None),
        (offer(5, (3, 1)), offer(9), 2, 3),
        (offer(5, (3, 1)), offer(2, (8, 5)), 2, 8),
        (offer(4, (3, 1), (6, 1)), offer(2, (1, 1)), 2, 6),  # one mug more is no kit more
        (offer(-3, (3, 4)), offer(9), 0, None),
        (offer(-3, (3, 5)), offer(9), 0, 3),
        (offer(1, backorderable=True), offer(9), 0, 7),
        (offer(1, (-2, 9), backorderable=True), offer(9), 0, None),  # overdue: nobody knows
        (offer(0, stocked=False), offer(3, (2, 1)), 3, 2),
        (Offer(None, 0, ()), offer(3), 0, None),
    ],
)  # fmt: skip
def test_how_many_may_be_offered_and_from_which_day_more(
    mugs: Offer, pens: Offer, available: int, days: int | None
) -> None:
    found: dict[str, Any] = _of_kit("set", {mugs: 2, pens: 1}, TODAY)
    more = None if days is None else TODAY + timedelta(days=days)
    assert (found["available"], found["more_from"]) == (available, more)
    assert found["known"] is (mugs.item is not None)
