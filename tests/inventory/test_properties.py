"""Whatever happens in whatever order: I1 to I4 hold, nothing is oversold, and a repeated message changes nothing."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.inventory.domain import Demand, Level, Policy, Queued, Reservation, StockOrder
from shared.contracts.inventory import AdjustStock, CountStock, ReserveStock, StockLine
from shared.contracts.message import Message
from shared.messaging.decision import Refused
from tests.inventory.builders import World, check, order, receipt, returned, shipment, wants, world

SKUS = ("mug", "pen", "rare", "post")
PLACES = ("north", "south", "west")
ORDERS = (1, 2, 3, 4)
Draw = Callable[[st.SearchStrategy[Any]], Any]


class Story:
    """Draws the next thing that happens, from what there is."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.asked: dict[int, ReserveStock] = {}
        self.shipped: dict[int, list[tuple[int, str, int, int]]] = {}
        self.shipments = 0
        self.told: list[Message] = []
        self.world: World = world(
            *[(sku, place, draw(st.integers(0, 3))) for sku in SKUS[:3] for place in PLACES],
            policy=Policy(serve_at_once=draw(st.sampled_from([1, 2, 64]))),
        )

    def ask(self) -> Message:
        n = self.draw(st.sampled_from(ORDERS))
        before = self.asked.get(n)
        skus = (
            tuple(want.sku for want in before.wanted)
            if before
            else tuple(self.draw(st.lists(st.sampled_from(SKUS), min_size=1, max_size=3)))
        )
        lines = [(sku, self.draw(st.integers(0, 4))) for sku in skus]
        places = st.tuples(st.integers(1, len(lines)), st.sampled_from(PLACES), st.integers(0, 2))
        m = wants(
            n,
            *lines,
            version=before.version + 1 if before else 1,
            priority=self.draw(st.sampled_from([0, 0, 0, 1])),
            limits={(a, b): (a, b, c) for a, b, c in self.draw(st.lists(places, max_size=2))}.values(),
            kept={(a, b): (a, b, c) for a, b, c in self.draw(st.lists(places, max_size=1))}.values(),
        )
        self.asked[n] = m
        return m

    def ship(self) -> Message | None:
        if not self.asked:
            return None
        n = self.draw(st.sampled_from(sorted(self.asked)))
        skus = [want.sku for want in self.asked[n].wanted]
        line_no = self.draw(st.integers(1, len(skus)))
        self.shipments += 1
        shipped, short = self.draw(st.integers(0, 2)), self.draw(st.integers(0, 1))
        return shipment(
            n, self.draw(st.sampled_from(PLACES)), (line_no, skus[line_no - 1], shipped, short),
            shipment_no=self.shipments,
        )  # fmt: skip

    def give_back(self) -> Message:
        n = self.draw(st.sampled_from(ORDERS))
        sku, pieces = self.draw(st.sampled_from(SKUS)), self.draw(st.integers(1, 3))
        return returned(n, self.draw(st.sampled_from(PLACES)), (1, sku, pieces, 1), version=pieces)

    def work(self) -> Message:
        place, sku = self.draw(st.sampled_from(PLACES)), self.draw(st.sampled_from(SKUS[:3]))
        pieces = self.draw(st.integers(1, 4))
        what = self.draw(st.sampled_from(["receive", "count", "adjust"]))
        if what == "receive":
            return receipt(place, sku, pieces)
        if what == "count":
            named = tuple(order(n) for n in self.draw(st.lists(st.sampled_from(ORDERS), max_size=4, unique=True)))
            return CountStock(warehouse=place, reference="C", sku=sku, counted=pieces - 1, orders=named)
        lines = (StockLine(sku=sku, quantity=pieces - 3 or 1),)
        return AdjustStock(warehouse=place, reference="A", reason="broken", lines=lines)

    def again(self) -> Message | None:
        return self.draw(st.sampled_from(self.told)) if self.told else None

    def go_on(self) -> None:
        step = self.draw(st.sampled_from(["ask", "ask", "ask", "ship", "give_back", "work", "work", "again", "rest"]))
        if step == "rest":
            self.world.settle()
            return
        m: Message | None = getattr(self, step)()
        if m is None:
            return
        repeatable = not isinstance(m, CountStock | AdjustStock) and "receive" not in m.key
        try:
            self.world.tell(m)
        except Refused:
            return
        if repeatable:  # the rest is told apart by the inbox alone
            self.told.append(m)
            assert self.world.tell(m) == [], f"told twice, it changed something: {m}"


def state(w: World) -> object:
    return {kind: dict(rows) for kind, rows in w.rows.items()}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_invariants_hold_after_every_step_of_any_story(data: st.DataObject) -> None:
    story = Story(data.draw)
    for _ in range(data.draw(st.integers(1, 25))):
        story.go_on()
        check(story.world)
    story.world.settle()
    check(story.world)
    nobody_waits_beside_free_stock(story.world)
    promises_stay_within_limits(story.world, story.asked)
    before = state(story.world)
    for m in story.told:  # everything late and out of order: nothing changes any more
        assert story.world.tell(m) == []
    assert state(story.world) == before


def nobody_waits_beside_free_stock(w: World) -> None:
    """At rest whoever waits could not use what is free: the warehouse may not ship it to that order."""
    reservations = {(r.order_id, r.line_no, r.warehouse): r for r in w.all(Reservation)}
    for q in w.all(Queued):
        for level in w.all(Level):
            if q.quantity and level.sku == q.sku and level.available:
                r = reservations.get((q.order_id, q.line_no, level.warehouse))
                assert r is not None, f"{q} waits beside {level}"
                assert r.most is not None, f"{q} waits beside {level}"
                assert r.promised >= r.most, f"{q} waits beside {level}"


def promises_stay_within_limits(w: World, asked: dict[int, ReserveStock]) -> None:
    """Nobody holds more than wanted or limited, but for what a shipment keeps."""
    for d in w.all(Demand):
        held = [r for r in w.all(Reservation) if (r.order_id, r.line_no) == (d.order_id, d.line_no)]
        target = max(0, d.wanted - sum(r.issued for r in held))
        kept = sum(min(r.reserved, r.kept) for r in held)
        assert sum(r.reserved for r in held) <= max(target, target + kept)
        for r in held:
            if r.most is not None and r.reserved:
                assert r.promised <= max(r.most, r.kept)
    assert {o.order_id: o.answers for o in w.all(StockOrder)} == {order(n): m.version for n, m in asked.items()}


@settings(max_examples=100, deadline=None)
@given(st.permutations([1, 2, 3, 4]), st.data())
def test_asks_may_come_in_any_order_and_the_newest_counts(versions: list[int], data: st.DataObject) -> None:
    quantities = [data.draw(st.integers(0, 5)) for _ in versions]
    w = world(("mug", "north", 3), ("mug", "south", 1))
    for version in versions:
        w.tell(wants(1, ("mug", quantities[version - 1]), version=version))
        check(w)
    w.settle()
    assert w.reserved(1) == min(4, quantities[3])
    assert w.news(1).answers == 4
