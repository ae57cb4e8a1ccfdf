"""Master data, receipts, adjustments and counts (R-21, R-27, R-31)."""

from datetime import date

import pytest

from services.inventory.domain import Expected, Item, Level, Movement, Queue
from shared.contracts.inventory import (
    AdjustStock,
    CountStock,
    ExpectReceipt,
    HoldersFound,
    ReceiveStock,
    RegisterItems,
    RegisterWarehouse,
    StockBackordered,
    StockChanged,
    StockLine,
    StockReserved,
)
from shared.contracts.inventory import Item as ItemIn
from shared.messaging.decision import Effect, Refused
from tests.inventory.builders import World, check, order, receipt, reply, wants, world


def adjust(quantity: int, sku: str = "mug", **more: bool) -> AdjustStock:
    lines = (StockLine(sku=sku, quantity=quantity),)
    return AdjustStock(warehouse="north", reference="ADJ-1", reason="damaged", lines=lines, **more)


def count(counted: int, *orders: int, sku: str = "mug") -> CountStock:
    named = tuple(order(n) for n in orders)
    return CountStock(warehouse="north", reference="C-1", sku=sku, counted=counted, orders=named, actor="ben")


def changes(effects: list[Effect]) -> list[StockChanged]:
    return [e for e in effects if isinstance(e, StockChanged)]


def test_a_receipt_is_a_movement_with_cost_reference_and_person() -> None:
    w = world()
    effects = w.tell(
        ReceiveStock(
            warehouse="north",
            reference="PO-7",
            lines=(StockLine(sku="mug", quantity=2, unit_cost="2.35"), StockLine(sku="mug", quantity=3)),
            actor="ben",
        )
    )
    moved = [(m.kind, m.on_hand, m.line_no, m.reference, m.actor, str(m.unit_cost)) for m in w.all(Movement)]
    assert moved == [("receipt", 2, 0, "PO-7", "ben", "2.35"), ("receipt", 3, 1, "PO-7", "ben", "None")]
    (changed,) = changes(effects)
    assert (changed.on_hand, changed.available, changed.quantity, changed.reason) == (5, 5, 5, "receipt")
    assert reply(effects).status == 201
    check(w)


@pytest.mark.parametrize(
    ("warehouse", "sku", "quantity", "field"),
    [
        ("nowhere", "mug", 1, "warehouse"),
        ("north", "what", 1, "lines.0.sku"),
        ("north", "post", 1, "lines.0.sku"),
        ("north", "mug", 0, "lines.0.quantity"),
        ("north", "mug", -1, "lines.0.quantity"),
    ],
)
def test_what_cannot_be_received_is_refused_with_its_field(warehouse: str, sku: str, quantity: int, field: str) -> None:
    w = world()
    with pytest.raises(Refused) as refused:
        w.tell(receipt(warehouse, sku, quantity))
    assert refused.value.field == field


def test_a_receipt_comes_off_what_was_expected() -> None:
    w = world()
    asked = ExpectReceipt(warehouse="north", reference="PO-1", sku="mug", quantity=5, expected_on=date(2027, 3, 9))
    w.tell(asked)
    w.tell(receipt("north", "mug", 3))
    assert [(e.quantity, e.received, e.incoming) for e in w.all(Expected)] == [(5, 3, 2)]
    w.tell(asked.model_copy(update={"quantity": 0}))
    assert [(e.received, e.incoming) for e in w.all(Expected)] == [(3, 0)]


def test_an_adjustment_needs_free_stock() -> None:
    w = world(("mug", "north", 3))
    w.tell(wants(1, ("mug", 2)))
    with pytest.raises(Refused, match="count the shelf") as refused:
        w.tell(adjust(-2))
    assert (refused.value.field, refused.value.status) == ("lines.0.quantity", 409)
    effects = w.tell(adjust(-1))
    assert w.level("mug", "north") == Level("mug", "north", 2, 2)
    assert [(c.quantity, c.reason) for c in changes(effects)] == [(-1, "damaged")]
    check(w)


def test_an_adjustment_upwards_serves_who_waits() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    w.tell(adjust(2))
    w.settle()
    assert isinstance(w.news(1), StockReserved)


def test_quarantined_stock_is_corrected_apart() -> None:
    w = world(("mug", "north", 3))
    w.tell(adjust(2, quarantined=True))
    assert w.level("mug", "north") == Level("mug", "north", 3, 0, 2)
    with pytest.raises(Refused, match="only 2 are quarantined"):
        w.tell(adjust(-3, quarantined=True))
    check(w)


def test_an_adjustment_of_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="must not be 0"):
        world().tell(adjust(0))


def test_a_count_corrects_what_is_free() -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 2)))
    effects = w.tell(count(4))
    assert w.level("mug", "north") == Level("mug", "north", 4, 2)
    assert [(m.kind, m.on_hand, m.actor) for m in w.all(Movement)][-1] == ("count", -1, "ben")
    assert [c.quantity for c in changes(effects)] == [-1]
    check(w)


def test_a_count_that_finds_all_moves_nothing_but_ends_the_task() -> None:
    w = World.of(*world().all(Item), *world(("mug", "north", 1)).all(Queue))
    w.tell(RegisterWarehouse(code="north"))
    w.put(Level("mug", "north", 0, 0, 0, True))
    assert not changes(w.tell(count(0)))
    assert w.all(Movement) == []
    assert not w.level("mug", "north").to_count


def test_a_shortfall_takes_back_the_youngest_promise() -> None:
    """Canary: without it reserved > on hand after a count."""
    w = world(("mug", "north", 3))
    for n in (1, 2, 3):
        w.tell(wants(n, ("mug", 1)))
    w.tell(count(1, 1, 2, 3))
    assert [w.reserved(n) for n in (1, 2, 3)] == [1, 0, 0]
    assert isinstance(w.news(3), StockBackordered)
    assert w.level("mug", "north") == Level("mug", "north", 1, 1)
    check(w)


def test_a_lower_priority_loses_its_promise_before_a_younger_order() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1), priority=3))
    w.tell(count(1, 1, 2))
    assert (w.reserved(1), w.reserved(2)) == (0, 1)


def test_what_is_in_a_shipment_is_taken_back_last() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1)))
    w.tell(wants(2, ("mug", 1), version=2, kept=[(1, "north", 1)]))
    w.tell(count(1, 1, 2))
    assert (w.reserved(1), w.reserved(2)) == (0, 1)
    w.tell(count(0, 1, 2))
    assert (w.reserved(1), w.reserved(2)) == (0, 0)
    check(w)


def test_who_loses_a_promise_gets_stock_from_elsewhere_if_there_is_any() -> None:
    w = world(("mug", "north", 2), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 2)))
    w.tell(count(1, 1))
    assert {key: p.reserved for key, p in w.promises(1).items()} == {(1, "north"): 1, (1, "south"): 1}
    assert isinstance(w.news(1), StockReserved)
    check(w)


def test_who_loses_a_promise_joins_the_queue_at_its_own_age() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1)))
    w.tell(count(0, 1))
    w.tell(receipt("north", "mug", 1))
    w.settle()
    assert (w.reserved(1), w.reserved(2)) == (1, 0)
    check(w)


def test_a_count_without_named_orders_looks_up_who_holds_the_stock() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1)))
    effects = w.tell(count(1))
    assert reply(effects).status == 202
    assert w.level("mug", "north") == Level("mug", "north", 2, 2)
    w.settle()
    assert (w.reserved(1), w.reserved(2)) == (1, 0)
    assert [(m.kind, m.on_hand, m.actor) for m in w.all(Movement)][-1] == ("count", -1, "ben")
    check(w)


def test_a_look_up_that_never_finds_the_holders_is_parked_not_repeated_for_ever() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("mug", 1)))
    with pytest.raises(Exception, match="promised to nobody"):
        w.tell(HoldersFound(warehouse="north", reference="C-1", sku="mug", counted=0, attempt=5))


def test_items_are_registered_again_without_harm_but_stay_stocked_while_in_use() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("pen", 1)))
    w.tell(RegisterItems(items=(ItemIn(sku="mug", name="Cup", lead_days=2), ItemIn(sku="new"))))
    assert {i.sku: i.name for i in w.all(Item)}["mug"] == "Cup"
    assert Queue("new") in w.all(Queue)
    for n, sku in enumerate(("mug", "pen")):
        items = tuple([ItemIn(sku="cap")] * 0 + [ItemIn(sku="hat")] * n + [ItemIn(sku=sku, stocked=False)])
        with pytest.raises(Refused) as refused:
            w.tell(RegisterItems(items=items))
        assert refused.value.field == f"items.{n}.stocked"
    with pytest.raises(Refused, match="twice"):
        w.tell(RegisterItems(items=(ItemIn(sku="hat"), ItemIn(sku="hat"))))


def test_a_warehouse_can_be_changed() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(RegisterWarehouse(code="south", country="GB", rank=1))
    w.tell(wants(1, ("mug", 1)))
    assert set(w.promises(1)) == {(1, "south")}
