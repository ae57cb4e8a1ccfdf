"""What channels hear of the stock: every change, soon, and a hot SKU no more often than a quiet one (IMS-11)."""

from datetime import timedelta

import pytest

from services.inventory.domain import Level, Policy, Queue
from shared.contracts.fulfilment import ReturnStatement, ShipmentStatement
from shared.contracts.inventory import (
    AdjustStock,
    AvailabilityChanged,
    CountStock,
    Item,
    ReceiveStock,
    RegisterItems,
    ReserveStock,
    StockLine,
)
from shared.messaging.decision import Timer
from tests.inventory.builders import World, check, receipt, returned, shipment, wants, world

SOON = timedelta(seconds=5)
KEY = "announce:mug"
BROKEN = StockLine(sku="mug", quantity=-1)


def shop(*levels: tuple[str, str, int]) -> World:
    return world(*(levels or (("mug", "north", 9),)), policy=Policy(announce_after=SOON))


def heard(w: World) -> list[AvailabilityChanged]:
    return [m for m in w.sent if isinstance(m, AvailabilityChanged)]


def pause(w: World) -> None:
    w.now += SOON
    w.settle()
    assert not any(level.due for level in w.all(Level))


def test_many_changes_are_told_once_with_what_they_came_to() -> None:
    w = shop(("mug", "north", 9), ("mug", "south", 1))
    for n in (1, 2, 3):
        w.tell(wants(n, ("mug", n)))
    w.tell(wants(3, ("mug", 0), version=2))
    assert heard(w) == []
    pause(w)
    (said,) = heard(w)
    assert (said.sku, said.version, said.on_hand, said.reserved, said.available) == ("mug", 1, 10, 3, 7)
    assert [(of.warehouse, of.on_hand, of.reserved, of.available) for of in said.warehouses] == [
        ("north", 9, 3, 6), ("south", 1, 0, 1),
    ]  # fmt: skip
    assert said.backorderable
    w.tell(wants(4, ("mug", 1)))
    pause(w)
    assert [(said.version, said.available) for said in heard(w)] == [(1, 7), (2, 6)]
    check(w)


def test_change_upon_change_does_not_put_it_off_and_writes_nothing_more() -> None:
    w = shop()
    (timer,) = (e for e in w.tell(wants(1, ("mug", 1))) if isinstance(e, Timer))
    assert (timer.key, timer.due_at) == (KEY, w.now + SOON)
    first = {type(row) for row in w.written}
    w.now += timedelta(seconds=4)
    assert not [e for e in w.tell(wants(2, ("mug", 1))) if isinstance(e, Timer)]
    assert {type(row) for row in w.written} == first
    assert not [row for row in w.written if isinstance(row, Queue)]


Change = ReserveStock | ShipmentStatement | ReturnStatement | ReceiveStock | AdjustStock | CountStock


@pytest.mark.parametrize(
    ("change", "on_hand", "reserved"),
    [
        (wants(2, ("mug", 3)), 9, 5),
        (wants(1, ("mug", 0), version=2), 9, 0),
        (shipment(1, "north", (1, "mug", 2, 0)), 7, 0),
        (shipment(1, "north", (1, "mug", 1, 1)), 7, 1),  # one is lost, another is reserved instead
        (returned(1, "north", (1, "mug", 1, 0)), 10, 2),
        (receipt("north", "mug", 4), 13, 2),
        (AdjustStock(warehouse="north", reference="A", reason="broken", lines=(BROKEN,)), 8, 2),
        (CountStock(warehouse="north", reference="C", sku="mug", counted=5), 5, 2),
    ],
    ids=["reserved", "released", "issued", "lost", "restocked", "received", "corrected", "counted"],
)  # fmt: skip
def test_every_change_is_told(change: Change, on_hand: int, reserved: int) -> None:
    w = shop()
    w.tell(wants(1, ("mug", 2)))
    pause(w)
    w.tell(change)
    pause(w)
    said = heard(w)[-1]
    assert (said.version, said.on_hand, said.reserved, said.available) == (2, on_hand, reserved, on_hand - reserved)
    check(w)


def test_that_a_product_can_be_ordered_without_stock_no_longer_is_told() -> None:
    w = shop()
    told = Item(sku="mug", name="Mug", backorderable=True, lead_days=14)
    w.tell(RegisterItems(items=(told,)))
    assert KEY not in w.timers, "nothing changed that channels hear of"
    w.tell(RegisterItems(items=(told.model_copy(update={"backorderable": False}),)))
    pause(w)
    (said,) = heard(w)
    assert (said.available, said.backorderable) == (9, False)


def test_a_shop_without_channels_on_the_bus_may_do_without() -> None:
    w = world(("mug", "north", 9), policy=Policy(announce_after=None))
    w.tell(wants(1, ("mug", 2)))
    assert w.timers == {}
