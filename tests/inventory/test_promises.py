"""What an order is promised, from where, and why (R-21 to R-23, R-32, SC-01 to SC-05, SC-26)."""

from dataclasses import replace

import pytest

from services.inventory.domain import Demand, Level, Reservation, StockOrder
from shared.contracts.inventory import (
    ExpectReceipt,
    StockBackordered,
    StockRejected,
    StockReleased,
    StockReserved,
    StockStatement,
)
from shared.contracts.values import LineKind
from shared.messaging.decision import Effect
from tests.inventory.builders import NOW, POST, check, order, receipt, shipment, wants, world


def statements(effects: list[Effect]) -> list[StockStatement]:
    return [e for e in effects if isinstance(e, StockStatement)]


def routing(w: object, n: int) -> dict[str, tuple[str, str]]:
    row = w.rows[StockOrder][(order(n),)]  # type: ignore[attr-defined]
    return {code: (outcome, why) for code, outcome, why in row.routing}


def test_all_is_promised_from_one_warehouse_and_told_once() -> None:
    w = world(("mug", "north", 5), ("pen", "north", 5))
    (said,) = statements(w.tell(wants(1, ("mug", 2), ("pen", 1))))
    assert isinstance(said, StockReserved)
    assert (said.version, said.answers, said.lines) == (1, 1, ())
    assert {(p.line_no, p.warehouse, p.reserved) for p in said.promises} == {(1, "north", 2), (2, "north", 1)}
    check(w)


def test_a_two_line_order_writes_seven_rows() -> None:
    w = world(("mug", "north", 5), ("pen", "north", 5))
    w.tell(wants(1, ("mug", 2), ("pen", 1)))
    kinds = sorted(type(row).__name__ for row in w.written)
    assert kinds == ["Demand", "Demand", "Level", "Level", "Reservation", "Reservation", "StockOrder"]


@pytest.mark.parametrize("first", [1, 2])
def test_sc01_two_orders_and_one_unit_whoever_is_first_gets_it(first: int) -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(first, ("mug", 1)))
    w.tell(wants(3 - first, ("mug", 1)))
    assert (w.reserved(first), w.reserved(3 - first)) == (1, 0)
    assert isinstance(w.news(3 - first), StockBackordered)
    check(w)


def test_sc01_a_sku_that_may_not_wait_is_refused_to_the_second() -> None:
    w = world(("rare", "north", 1))
    w.tell(wants(1, ("rare", 1)))
    w.tell(wants(2, ("rare", 1)))
    assert isinstance(w.news(2), StockRejected)
    assert [(n.rejected, n.backordered, n.reason) for n in w.news(2).lines] == [(1, 0, "sold out")]
    check(w)


def test_sc02_demand_of_two_lines_for_one_sku_is_summed() -> None:
    w = world(("mug", "north", 3))
    w.tell(wants(1, ("mug", 2), ("mug", 2)))
    assert w.level("mug", "north").reserved == 3
    assert [(n.line_no, n.backordered) for n in w.news(1).lines] == [(2, 1)]
    check(w)


def test_sc03_one_unit_here_and_one_there_are_two_promises() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 2)))
    assert {key: p.reserved for key, p in w.promises(1).items()} == {(1, "north"): 1, (1, "south"): 1}
    check(w)


def test_sc04_shipped_from_elsewhere_is_booked_there_and_the_first_promise_is_given_back() -> None:
    w = world(("mug", "north", 2), ("mug", "south", 2))
    w.tell(wants(1, ("mug", 2)))
    w.tell(shipment(1, "south", (1, "mug", 2, 0)))
    assert w.level("mug", "north") == Level("mug", "north", 2, 0)
    assert w.level("mug", "south").on_hand == 0
    check(w)


def test_sc05_an_order_of_two_hundred_lines_reserves_all() -> None:
    w = world(("mug", "north", 150), ("mug", "south", 50))
    w.tell(wants(1, *[("mug", 1)] * 200))
    assert w.reserved(1) == 200
    assert w.news(1).lines == ()
    check(w)


def test_sc26_what_a_cancelled_shipment_held_stays_promised_at_its_warehouse() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 1)))
    before = w.promises(1)
    assert w.tell(shipment(1, "north", (1, "mug", 0, 0), state="cancelled")) == []
    w.tell(wants(1, ("mug", 1), version=2))
    assert w.promises(1) == before
    check(w)


def test_less_is_wanted_and_the_rest_is_free_again() -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 4)))
    w.tell(wants(1, ("mug", 1), version=2))
    assert w.level("mug", "north").available == 4
    w.tell(wants(1, ("mug", 0), version=3))
    assert isinstance(w.news(1), StockReleased)
    assert w.level("mug", "north").available == 5
    check(w)


def test_a_line_that_is_no_longer_named_is_wanted_no_more() -> None:
    w = world(("mug", "north", 5), ("pen", "north", 5))
    w.tell(wants(1, ("mug", 4), ("pen", 1)))
    w.tell(wants(1, ("mug", 4), version=2))
    assert w.level("pen", "north").reserved == 0
    check(w)


def test_an_old_or_repeated_ask_is_ignored() -> None:
    """Canary: without it a wish of nothing that is overtaken by its elder holds stock for ever."""
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 0), version=2))
    assert w.tell(wants(1, ("mug", 3), version=1)) == []
    assert w.tell(wants(1, ("mug", 0), version=2)) == []
    assert w.level("mug", "north").reserved == 0


def test_a_newer_ask_is_answered_even_if_nothing_changes() -> None:
    w = world(("mug", "north", 5))
    w.tell(wants(1, ("mug", 3)))
    (said,) = statements(w.tell(wants(1, ("mug", 3), version=2)))
    assert (said.version, said.answers) == (2, 2)
    assert [type(row) for row in w.written] == [StockOrder]


def test_kept_in_a_shipment_is_not_given_back_though_less_is_wanted() -> None:
    """Canary: A and B promised, B is dispatched unheard, A pulled back: B must not be dropped."""
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 1), version=2, kept=[(1, "south", 1)]))
    assert {key: p.reserved for key, p in w.promises(1).items() if p.reserved} == {(1, "south"): 1}
    w.tell(shipment(1, "south", (1, "mug", 1, 0)))
    assert w.level("mug", "south") == Level("mug", "south", 0, 0)
    assert w.level("mug", "north").available == 1
    check(w)


def test_kept_stands_against_a_limit_too() -> None:
    """Canary: a plain limit of 0 would drop what a first parcel took along unheard."""
    w = world(("mug", "north", 2), ("mug", "south", 5))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 2), version=2, limits=[(1, "north", 0)], kept=[(1, "north", 1)]))
    assert {key: p.reserved for key, p in w.promises(1).items()} == {(1, "north"): 1, (1, "south"): 1}
    check(w)


def test_a_limit_moves_the_rest_to_another_warehouse() -> None:
    w = world(("mug", "north", 2), ("mug", "south", 5))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 2), version=2, limits=[(1, "north", 0)]))
    assert {key: p.reserved for key, p in w.promises(1).items() if p.reserved} == {(1, "south"): 2}
    assert routing(w, 1)["north"] == ("refused", "refused to ship this order")
    check(w)


def test_a_limit_with_no_other_stock_is_a_backorder_and_is_not_served_from_there() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 2), version=2, limits=[(1, "north", 0)]))
    w.settle()
    assert (w.reserved(1), w.backordered(1)) == (0, 2)
    w.tell(receipt("south", "mug", 2))
    w.settle()
    assert {key: p.reserved for key, p in w.promises(1).items() if p.reserved} == {(1, "south"): 2}
    check(w)


def test_no_day_is_promised_while_a_warehouse_refuses_and_its_stock_is_promised_when_it_no_longer_does() -> None:
    """The page promised the lead time for pieces that lay on the shelf, and nobody asked the warehouse again."""
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 2), version=2, limits=[(1, "north", 0)]))
    assert [(n.backordered, n.promised_on) for n in w.news(1).lines] == [(2, None)]
    w.tell(ExpectReceipt(warehouse="south", reference="PO-1", sku="mug", quantity=9, expected_on=NOW.date()))
    w.settle()
    assert [(n.backordered, n.promised_on) for n in w.news(1).lines] == [(2, None)]
    w.tell(wants(1, ("mug", 2), version=3))
    assert (w.reserved(1), w.backordered(1), w.news(1).lines) == (2, 0, ())
    check(w)


def test_who_waits_on_when_no_warehouse_refuses_any_more_is_promised_a_day() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(1, ("mug", 2), version=2, limits=[(1, "north", 0)]))
    w.tell(wants(2, ("mug", 2)))
    w.settle()
    assert w.reserved(2) == 2, "the other may have what this one may not"
    w.tell(wants(1, ("mug", 2), version=3))
    assert [(n.backordered, n.promised_on is None) for n in w.news(1).lines] == [(2, False)]
    check(w)


def test_what_may_not_be_backordered_waits_for_a_closed_warehouse_while_its_stock_is_there() -> None:
    """It was cancelled as sold out, with its pieces on the shelf."""
    w = world(("rare", "north", 1))
    w.tell(wants(1, ("rare", 1)))
    w.tell(wants(1, ("rare", 1), version=2, limits=[(1, "north", 0)]))
    assert isinstance(w.news(1), StockBackordered)
    w.tell(wants(1, ("rare", 1), version=3))
    assert w.reserved(1) == 1
    check(w)


def test_what_may_not_be_backordered_is_sold_out_when_the_closed_warehouse_has_none_either() -> None:
    w = world(("rare", "north", 1))
    w.tell(wants(1, ("rare", 2), limits=[(1, "north", 1)]))
    assert [(n.rejected, n.reason) for n in w.news(1).lines] == [(1, "sold out")]


def test_postage_stays_where_every_warehouse_refuses_to_ship_its_goods() -> None:
    """It was given up, and when the warehouse was open again the parcel went out without it."""
    w = world(("mug", "north", 1))
    limits = [(line, place, 0) for line in (1, 2) for place in ("north", "south", "west")]
    w.tell(wants(1, ("mug", 1), (POST.sku, 1)))
    w.tell(wants(1, ("mug", 1), (POST.sku, 1), version=2, limits=limits))
    assert [(n.line_no, n.backordered, n.rejected) for n in w.news(1).lines] == [(1, 1, 0)]
    w.tell(wants(1, ("mug", 1), (POST.sku, 1), version=3))
    assert {(line, place) for (line, place), held in w.promises(1).items() if held.reserved} == {
        (1, "north"), (2, "north"),
    }  # fmt: skip
    check(w)


def test_two_lines_of_one_sku_find_stock_though_one_may_not_come_from_everywhere() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 1), ("mug", 1), limits=[(2, "south", 0)]))
    assert w.reserved(1) == 2
    check(w)


def test_fewest_parcels_come_before_country_and_rank() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 1), ("pen", "south", 1))
    w.tell(wants(1, ("mug", 1), ("pen", 1), country="GB"))
    assert {key for key, p in w.promises(1).items() if p.reserved} == {(1, "south"), (2, "south")}
    assert routing(w, 1) == {
        "north": ("refused", "has only 1: it would be one parcel more"),
        "south": ("chosen", "has 2 of 2"),
        "west": ("refused", "nothing free"),
    }


def test_the_same_country_comes_before_rank() -> None:
    w = world(("mug", "north", 9), ("mug", "south", 9), ("mug", "west", 9))
    w.tell(wants(1, ("mug", 1), country="FR"))
    assert set(w.promises(1)) == {(1, "south")}
    assert routing(w, 1)["north"] == ("refused", "in another country")
    assert routing(w, 1)["west"] == ("refused", "lower rank")


def test_rank_decides_when_nothing_else_does() -> None:
    w = world(("mug", "south", 9), ("mug", "north", 9))
    w.tell(wants(1, ("mug", 1)))
    assert set(w.promises(1)) == {(1, "north")}


def test_more_of_an_order_joins_the_parcel_it_has() -> None:
    w = world(("mug", "south", 1), ("pen", "north", 5), ("pen", "south", 5))
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(1, ("mug", 1), ("pen", 1), version=2))
    assert set(w.promises(1)) == {(1, "south"), (2, "south")}
    assert routing(w, 1)["south"] == ("chosen", "ships a parcel of this order anyway")


def test_a_line_is_not_split_where_one_of_the_chosen_has_it_whole() -> None:
    w = world(("mug", "north", 1), ("mug", "south", 2), ("pen", "north", 1))
    w.tell(wants(1, ("mug", 2), ("pen", 1)))
    assert set(w.promises(1)) == {(1, "south"), (2, "north")}


def test_postage_goes_with_the_largest_parcel_and_moves_nothing() -> None:
    w = world(("mug", "north", 1), ("pen", "south", 5))
    w.tell(wants(1, ("post", 1), ("mug", 1), ("pen", 5)))
    assert w.promises(1)[1, "south"].reserved == 1
    assert not any(row.sku == POST.sku for row in w.all(Level))
    w.tell(shipment(1, "south", (1, "post", 1, 0), (3, "pen", 5, 0)))
    assert w.promises(1)[1, "south"].issued == 1
    check(w)


@pytest.mark.parametrize("kind", ["shipping", "service"])
def test_postage_and_services_that_inventory_never_heard_of_go_with_the_goods(kind: LineKind) -> None:
    """They were cancelled as an unknown SKU, and the customer got the parcel without paying for it."""
    w = world(("mug", "north", 1), ("mug", "south", 1))
    w.tell(wants(1, ("mug", 1), ("dhl-express", 1), kinds={2: kind}))
    assert isinstance(w.news(1), StockReserved)
    assert not w.news(1).lines, "nothing waits, nothing is rejected"
    (first,) = [place for (line, place), held in w.promises(1).items() if line == 2 and held.reserved]
    other = {"north": "south", "south": "north"}[first]
    w.tell(wants(1, ("mug", 1), ("dhl-express", 1), version=2, limits=[(1, first, 0), (2, first, 0)], kinds={2: kind}))
    assert isinstance(w.news(1), StockReserved)
    assert {(line, place) for (line, place), held in w.promises(1).items() if held.reserved} == {(1, other), (2, other)}
    w.tell(shipment(1, other, (1, "mug", 1, 0), (2, "dhl-express", 1, 0)))
    assert [held.issued for (line, place), held in w.promises(1).items() if (line, place) == (2, other)] == [1]
    assert not any(row.sku == "dhl-express" for row in w.all(Level))
    check(w)


def test_an_unknown_sku_is_rejected_and_the_rest_is_promised() -> None:
    w = world(("mug", "north", 1))
    w.tell(wants(1, ("mug", 1), ("what", 2)))
    assert isinstance(w.news(1), StockRejected)
    assert [(n.line_no, n.rejected, n.reason) for n in w.news(1).lines] == [(2, 2, "unknown SKU")]
    assert w.reserved(1) == 1
    w.tell(wants(1, ("mug", 1), ("what", 0), version=2))
    assert isinstance(w.news(1), StockReserved)


def test_only_the_missing_part_is_rejected() -> None:
    w = world(("rare", "north", 2))
    w.tell(wants(1, ("rare", 5)))
    assert (w.reserved(1), w.news(1).lines[0].rejected) == (2, 3)


def test_rejected_and_backordered_are_two_pieces_of_one_statement() -> None:
    w = world()
    said = statements(w.tell(wants(1, ("mug", 1), ("rare", 1))))
    assert [type(s) for s in said] == [StockRejected, StockBackordered]
    assert said[0].model_dump() == said[1].model_dump()


def test_rows_are_new_values_and_an_unchanged_line_is_not_written() -> None:
    w = world(("mug", "north", 5), ("pen", "north", 5))
    w.tell(wants(1, ("mug", 2), ("pen", 1)))
    w.tell(wants(1, ("mug", 2), ("pen", 2), version=2))
    assert sorted(type(row).__name__ for row in w.written) == ["Demand", "Level", "Reservation", "StockOrder"]
    (reservation,) = [row for row in w.written if isinstance(row, Reservation)]
    assert reservation == replace(reservation, line_no=2, reserved=2)
    assert [row.wanted for row in w.written if isinstance(row, Demand)] == [2]
