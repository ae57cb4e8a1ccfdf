"""Who waits, for how long, and who is next (R-24 to R-26)."""

from datetime import date, timedelta

import pytest

from services.inventory.domain import Policy, Queue, Queued
from shared.contracts.inventory import ExpectReceipt, PromiseDue, ServeQueue, StockBackordered, StockReserved
from shared.messaging.decision import Timer
from tests.inventory.builders import NOW, World, check, order, receipt, wants, world

TODAY = NOW.date()


def expect(quantity: int, day: date, reference: str = "PO-1") -> ExpectReceipt:
    return ExpectReceipt(warehouse="north", reference=reference, sku="mug", quantity=quantity, expected_on=day)


def test_a_receipt_serves_the_oldest_first_whatever_the_order_of_asking() -> None:
    w = world()
    for n in (3, 1, 2):
        w.tell(wants(n, ("mug", 2)))
    w.tell(receipt("north", "mug", 3))
    w.settle()
    assert [w.reserved(n) for n in (1, 2, 3)] == [2, 1, 0]
    assert isinstance(w.news(1), StockReserved)
    assert isinstance(w.news(2), StockBackordered)
    check(w)


def test_priority_goes_before_age() -> None:
    w = world()
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1), priority=5))
    w.tell(receipt("north", "mug", 1))
    w.settle()
    assert (w.reserved(1), w.reserved(2)) == (0, 1)


def test_a_raised_priority_moves_the_order_to_the_front() -> None:
    w = world()
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1)))
    w.tell(wants(2, ("mug", 1), version=2, priority=5))
    check(w)
    w.tell(receipt("north", "mug", 1))
    w.settle()
    assert (w.reserved(1), w.reserved(2)) == (0, 1)
    check(w)


def test_days_are_served_in_order() -> None:
    w = world()
    day = 24 * 60
    w.tell(wants(1, ("mug", 1), placed=3 * day))
    w.tell(wants(2, ("mug", 1), placed=-200 * day))
    w.tell(wants(3, ("mug", 1), placed=1 * day))
    w.tell(receipt("north", "mug", 2))
    w.settle()
    assert [w.reserved(n) for n in (1, 2, 3)] == [0, 1, 1]
    check(w)


def test_a_new_order_does_not_overtake_who_waits_between_receipt_and_serving() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    w.tell(receipt("north", "mug", 3))
    w.tell(wants(2, ("mug", 2)))  # the queue has not been served yet
    assert (w.reserved(2), w.backordered(2)) == (1, 1)  # one is left beside what order 1 is owed
    w.settle()
    assert (w.reserved(1), w.reserved(2)) == (2, 1)
    check(w)


def test_a_new_order_that_goes_first_is_served_by_its_place() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    w.tell(receipt("north", "mug", 2))
    w.tell(wants(2, ("mug", 2), priority=9))
    w.settle()
    assert (w.reserved(1), w.reserved(2)) == (0, 2)
    check(w)


def test_what_a_cancellation_frees_goes_to_who_waits() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 1)))
    w.tell(wants(1, ("mug", 0), version=2))
    w.settle()
    assert isinstance(w.news(2), StockReserved)
    check(w)


def test_nobody_is_called_when_nobody_waits() -> None:
    w = world(("mug", "north", 2))
    w.tell(wants(1, ("mug", 2)))
    assert not [e for e in w.tell(wants(1, ("mug", 0), version=2)) if isinstance(e, Timer)]


def test_a_long_queue_is_served_in_bounded_pieces() -> None:
    w = world(policy=Policy(serve_at_once=3))
    for n in range(1, 11):
        w.tell(wants(n, ("mug", 1)))
    w.tell(receipt("north", "mug", 8))
    effects = w.tell(ServeQueue(sku="mug", page=w.all(Queue)[0].pages[0]))
    assert len([e for e in effects if isinstance(e, StockReserved)]) == 3
    w.settle()
    assert [w.reserved(n) for n in range(1, 11)] == [1] * 8 + [0] * 2
    check(w)


def test_who_cannot_use_what_is_free_does_not_stop_those_behind() -> None:
    w = world(policy=Policy(serve_at_once=2))
    for n in range(1, 6):
        w.tell(wants(n, ("mug", 1), limits=[(1, "north", 0)]))
    w.tell(wants(6, ("mug", 1), placed=3 * 24 * 60))
    w.tell(receipt("north", "mug", 2))
    w.settle()
    assert [w.reserved(n) for n in range(1, 7)] == [0, 0, 0, 0, 0, 1]
    check(w)


def test_serving_an_empty_or_unknown_page_goes_on_to_the_next() -> None:
    w = world()
    w.tell(wants(1, ("mug", 1)))
    w.tell(receipt("north", "mug", 1))
    w.timers.clear()
    w.tell(ServeQueue(sku="mug"))
    w.settle()
    assert w.reserved(1) == 1


def test_the_queue_holds_nobody_who_waits_no_longer() -> None:
    w = world()
    w.tell(wants(1, ("mug", 1)))
    w.tell(receipt("north", "mug", 1))
    w.settle()
    assert [(q.quantity, q.order_id) for q in w.all(Queued)] == [(0, order(1))]
    assert [q for q in w.all(Queue) if q.sku == "mug"] == [Queue("mug")]
    w.tell(wants(1, ("mug", 3), version=2))  # joins again under the same key
    assert [q.quantity for q in w.all(Queued)] == [2]
    check(w)


def test_the_promised_day_is_the_receipt_that_covers_all_who_wait() -> None:
    w = world()
    w.tell(expect(3, TODAY + timedelta(days=5)))
    w.tell(expect(3, TODAY + timedelta(days=9), "PO-2"))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 2)))
    w.tell(wants(3, ("mug", 9)))
    days = [w.news(n).lines[0].promised_on for n in (1, 2, 3)]
    assert days == [TODAY + timedelta(days=5), TODAY + timedelta(days=9), TODAY + timedelta(days=14)]


def day_of(w: World, n: int) -> date | None:
    return w.news(n).lines[0].promised_on


def test_who_is_served_first_is_promised_the_first_receipt() -> None:
    w = world()
    w.tell(expect(2, TODAY + timedelta(days=5)))
    w.tell(expect(2, TODAY + timedelta(days=30), "PO-2"))
    w.tell(wants(1, ("mug", 2)))
    assert day_of(w, 1) == TODAY + timedelta(days=5)
    w.tell(wants(2, ("mug", 2), priority=9))
    assert day_of(w, 2) == TODAY + timedelta(days=5)
    w.now += timedelta(seconds=10)
    w.settle()
    assert day_of(w, 1) == TODAY + timedelta(days=30), "it lost its place and is told so"
    assert w.news(2).version == 1, "nothing changed for this one"
    check(w)


def test_an_order_that_joins_at_the_end_costs_those_before_it_nothing() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 2)))
    w.tell(wants(3, ("mug", 2), placed=24 * 60))
    assert {key.partition(":")[0] for key in w.timers} == {"promise"}


def test_overtaking_again_and_again_does_not_put_off_what_the_overtaken_are_told() -> None:
    w = world()
    w.tell(wants(1, ("mug", 1)))
    w.tell(wants(2, ("mug", 1), priority=9))
    due = w.timers["promises:mug"].due_at
    w.now += timedelta(seconds=9)
    w.tell(wants(3, ("mug", 1), priority=9))
    assert w.timers["promises:mug"].due_at == due


@pytest.mark.parametrize(
    ("quantity", "day", "after"),
    [(2, 40, 40), (0, 5, 15), (1, 5, 15), (2, 3, 3)],
    ids=["moved", "called off", "too little", "earlier"],
)
def test_a_purchase_order_that_changes_gives_all_who_wait_for_it_a_new_day(quantity: int, day: int, after: int) -> None:
    w = world()
    w.tell(expect(2, TODAY + timedelta(days=5)))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 2)))  # it hangs on the lead time
    w.now += timedelta(days=1)
    w.tell(expect(quantity, TODAY + timedelta(days=day)))
    w.settle()
    assert day_of(w, 1) == TODAY + timedelta(days=after)
    assert isinstance(w.news(1), StockBackordered)
    assert w.news(1).version == 2
    due = w.timers[f"promise:{order(1)}"].due_at
    assert due is not None
    assert due.date() == TODAY + timedelta(days=after + 1)  # one of grace
    assert (day_of(w, 2), w.news(2).version) == (TODAY + timedelta(days=14), 1), "time alone moves no day"
    w.tell(expect(quantity, TODAY + timedelta(days=day)))
    assert "promises:mug" not in w.timers, "said again it changes nothing"
    check(w)


def test_new_days_are_given_in_bounded_pieces_over_all_parts_of_the_queue() -> None:
    w = world(policy=Policy(serve_at_once=2))
    w.tell(expect(10, TODAY + timedelta(days=5)))
    for n in range(1, 8):
        w.tell(wants(n, ("mug", 1), priority=n % 2))
    w.tell(expect(10, TODAY + timedelta(days=40)))
    w.timers = {key: timer for key, timer in w.timers.items() if key.startswith("promises")}
    first = w.timers.pop("promises:mug").message
    assert first is not None
    told = [e for e in w.tell(first) if isinstance(e, StockBackordered)]
    assert len(told) == 2
    w.settle()
    assert {day_of(w, n) for n in range(1, 8)} == {TODAY + timedelta(days=40)}
    check(w)


def test_a_receipt_that_is_overdue_gives_no_day_until_it_has_a_new_one() -> None:
    w = world()
    w.tell(expect(2, TODAY + timedelta(days=5)))
    w.tell(wants(1, ("mug", 2)))
    timer = w.timers[f"promise:{order(1)}"]
    assert timer.due_at is not None
    w.now = timer.due_at
    w.settle()
    assert (day_of(w, 1), w.news(1).version) == (None, 2)
    assert w.timers == {}, "nothing to say until somebody knows more"
    w.tell(wants(2, ("mug", 1)))
    assert day_of(w, 2) == w.now.date() + timedelta(days=14), "the overdue ones are all spoken for"
    w.tell(expect(3, TODAY + timedelta(days=20)))
    w.settle()
    assert [day_of(w, n) for n in (1, 2)] == [TODAY + timedelta(days=20)] * 2
    check(w)


def test_a_receipt_with_a_day_goes_before_one_that_is_overdue() -> None:
    w = world()
    w.tell(expect(2, TODAY - timedelta(days=30)))
    w.tell(expect(2, TODAY + timedelta(days=9), "PO-2"))
    w.tell(wants(1, ("mug", 2)))
    w.tell(wants(2, ("mug", 2)))
    assert [day_of(w, n) for n in (1, 2)] == [TODAY + timedelta(days=9), None]


def test_a_promised_day_that_comes_in_vain_is_followed_by_a_new_one() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2), ("pen", 1)))
    (timer,) = w.timers.values()
    assert timer.due_at is not None
    assert timer.due_at.date() == TODAY + timedelta(days=4)  # three days for pens, one of grace
    w.now = timer.due_at
    w.settle()
    news = w.news(1)
    assert isinstance(news, StockBackordered)
    assert [line.promised_on for line in news.lines] == [TODAY + timedelta(days=14), TODAY + timedelta(days=7)]
    assert news.version == 2
    check(w)


def test_the_promise_timer_ends_when_nothing_waits() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    assert set(w.timers) == {f"promise:{order(1)}"}
    w.tell(receipt("north", "mug", 2))
    w.settle()
    assert w.timers == {}


@pytest.mark.parametrize("days", [0, 30])
def test_a_promise_timer_that_looks_at_too_little_is_set_again(days: int) -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    (timer,) = w.timers.values()
    w.now = NOW + timedelta(days=days)
    assert w.tell(PromiseDue(order_id=order(1), skus=())) == [timer]


def test_a_promise_timer_that_comes_too_late_says_nothing() -> None:
    w = world()
    w.tell(wants(1, ("mug", 2)))
    (timer,) = w.timers.values()
    assert timer.message is not None
    w.tell(receipt("north", "mug", 2))
    w.settle()
    assert w.tell(timer.message) == []


@pytest.mark.parametrize("more", [1, 5])
def test_a_date_stands_when_less_waits_and_is_new_when_more_waits(more: int) -> None:
    w = world()
    w.tell(wants(1, ("mug", 3)))
    w.now = NOW + timedelta(days=2)
    w.tell(wants(1, ("mug", more), version=2))
    expected = TODAY + timedelta(days=14 if more < 3 else 16)
    assert w.news(1).lines[0].promised_on == expected
