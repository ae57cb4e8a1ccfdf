"""Issues, losses and returns: each physical event once, whatever order the statements come in (SC-06, SC-09, R-39)."""

import itertools

import pytest

from services.inventory.domain import Impossible, Level, Movement
from shared.contracts.fulfilment import ShipmentDelivered, ShipmentDispatched, ShipmentPicked, ShortWhy
from shared.contracts.inventory import StockBackordered, StockIssued, StockReserved
from shared.messaging.decision import Missing
from tests.inventory.builders import check, receipt, returned, shipment, wants, world


def kinds(w: object) -> list[str]:
    return sorted(m.kind for m in w.all(Movement) if m.reason != "opening")  # type: ignore[attr-defined]


def test_a_dispatch_turns_a_promise_into_an_issue_and_leaves_the_gross_promise() -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 2)))
    w.tell(shipment(1, "north", (1, "mug", 2, 0)))
    assert w.level("mug", "north") == Level("mug", "north", 3, 0)
    assert isinstance(w.news(1), StockIssued)
    promise = w.promises(1)[1, "north"]
    assert (promise.reserved, promise.issued, promise.promised) == (0, 2, 2)
    check(w)


def test_planned_and_picked_in_full_need_no_row_at_all() -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 2)))
    assert w.tell(shipment(1, "north", (1, "mug", 0, 0), state="planned", version=1, kind=ShipmentPicked)) == []
    assert w.tell(shipment(1, "north", (1, "mug", 2, 0), state="picked", version=2, kind=ShipmentPicked)) == []
    assert w.level("mug", "north").on_hand == 5


@pytest.mark.parametrize("told", list(itertools.permutations(range(3))))
def test_sc09_repeated_and_reordered_statements_move_stock_once(told: tuple[int, ...]) -> None:
    statements = [
        shipment(1, "north", (1, "mug", 0, 1), state="picked", version=2, kind=ShipmentPicked),
        shipment(1, "north", (1, "mug", 2, 1), state="dispatched", version=4, kind=ShipmentDispatched),
        shipment(1, "north", (1, "mug", 2, 1), state="delivered", version=5, kind=ShipmentDelivered),
    ]
    w = world(("mug", "north", 3))
    w.tell(wants(1, ("mug", 3)))
    for n in told:
        w.tell(statements[n])
        assert w.tell(statements[n]) == []
    assert kinds(w) == ["issue", "loss"]
    promise = w.promises(1)[1, "north"]
    assert (promise.reserved, promise.issued, promise.lost) == (0, 2, 1)
    assert w.level("mug", "north").on_hand == 0
    check(w)


def test_sc06_a_short_pick_is_promised_again_from_elsewhere() -> None:
    w = world(("mug", "north", 10), ("mug", "south", 4))
    w.tell(wants(1, ("mug", 10)))
    w.tell(shipment(1, "north", (1, "mug", 7, 3)))
    promises = w.promises(1)
    assert (promises[1, "north"].issued, promises[1, "north"].lost) == (7, 3)
    assert promises[1, "south"].reserved == 3
    assert w.level("mug", "north") == Level("mug", "north", 0, 0, 0, True)
    check(w)


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        (None, "short pick"),
        (ShortWhy(reason="damaged"), "short pick: damaged"),
        (ShortWhy(reason="other", note="the lamp is broken"), "short pick: the lamp is broken"),
    ],
)
def test_the_loss_says_why_it_was_short(why: ShortWhy | None, reason: str) -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 3)))
    said = shipment(1, "north", (1, "mug", 2, 1))
    w.tell(said.model_copy(update={"lines": tuple(line.model_copy(update={"why": why}) for line in said.lines)}))
    assert [m.reason for m in w.all(Movement) if m.kind == "loss"] == [reason]
    assert w.level("mug", "north").to_count


def test_sc06_a_short_pick_without_other_stock_waits_and_can_be_cancelled() -> None:
    w = world(("mug", "north", 10))
    w.tell(wants(1, ("mug", 10)))
    effects = w.tell(shipment(1, "north", (1, "mug", 7, 3)))
    assert [type(e) for e in effects if isinstance(e, StockIssued | StockBackordered | StockReserved)] == [
        StockIssued,
        StockBackordered,
    ]
    assert w.backordered(1) == 3
    w.tell(wants(1, ("mug", 7), version=2))
    assert w.backordered(1) == 0
    check(w)
    w.tell(receipt("north", "mug", 3))
    w.settle()
    assert w.level("mug", "north").available == 3


def test_sc06_a_short_pick_then_cancelled_shipment_loses_only_what_was_short() -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 5)))
    w.tell(shipment(1, "north", (1, "mug", 3, 2), state="picked", version=2, kind=ShipmentPicked))
    w.tell(shipment(1, "north", (1, "mug", 3, 2), state="cancelled", version=3))
    assert w.level("mug", "north") == Level("mug", "north", 3, 3, 0, True)
    assert (w.reserved(1), w.backordered(1)) == (3, 2)
    check(w)


def test_a_cancel_before_the_dispatch_is_heard_does_not_lose_the_issue() -> None:
    """Race short pick / cancel: quantities are gross, so the order of messages does not matter."""
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 1), version=2, kept=[(1, "north", 2)]))
    assert w.reserved(1) == 2
    w.tell(shipment(1, "north", (1, "mug", 2, 0)))
    assert kinds(w) == ["issue"]
    check(w)


def test_an_issue_without_stock_is_booked_as_found_and_opens_a_count() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("mug", 1)))
    w.tell(shipment(1, "south", (1, "mug", 1, 0)))
    assert kinds(w) == ["found", "issue"]
    assert w.level("mug", "south") == Level("mug", "south", 0, 0, 0, True)
    assert w.level("mug", "north").available == 1
    check(w)


def test_an_issue_never_eats_the_promise_of_another_order() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1)))
    w.tell(shipment(2, "north", (1, "mug", 1, 0)))
    assert (w.reserved(1), w.reserved(2)) == (1, 0)
    check(w)


def test_a_dispatch_of_an_order_that_never_asked_is_tried_later() -> None:
    w = world(("mug", "north", 1))
    with pytest.raises(Missing):
        w.tell(shipment(1, "north", (1, "mug", 1, 0)))


def test_a_shipment_of_a_line_that_the_order_never_had_is_impossible() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("mug", 1)))
    with pytest.raises(Impossible, match="line 2"):
        w.tell(shipment(1, "north", (2, "mug", 1, 0)))


def test_returned_goods_are_stock_only_as_graded_and_once() -> None:
    w = world(("mug", "north", 3))
    w.tell(wants(1, ("mug", 3)))
    w.tell(shipment(1, "north", (1, "mug", 3, 0)))
    w.tell(returned(1, "south", (1, "mug", 1, 1)))
    assert w.tell(returned(1, "south", (1, "mug", 1, 1), version=4)) == []
    assert w.level("mug", "south") == Level("mug", "south", 1, 0, 1)
    w.tell(returned(1, "south", (1, "mug", 2, 1), version=5))
    assert w.level("mug", "south") == Level("mug", "south", 2, 0, 1)
    assert w.tell(returned(1, "south", (1, "mug", 1, 0), version=3)) == []
    check(w)


def test_restocked_goods_serve_who_waits() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("mug", 1)))
    w.tell(shipment(1, "north", (1, "mug", 1, 0)))
    w.tell(wants(2, ("mug", 1)))
    w.tell(returned(1, "south", (1, "mug", 1, 0)))
    w.settle()
    assert isinstance(w.news(2), StockReserved)
    check(w)


def test_postage_that_comes_back_moves_nothing() -> None:
    w = world()
    w.tell(returned(1, "south", (1, "post", 1, 0)))
    assert w.all(Movement) == []
