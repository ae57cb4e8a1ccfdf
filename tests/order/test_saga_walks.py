"""Random lives of an order among honest services and a bus that repeats and reorders: what holds at every moment."""

from dataclasses import replace
from decimal import Decimal
from math import gcd
from uuid import UUID

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from comptoir.invariants.orders import Case, kits_are_whole
from services.order.rows import Kit
from services.order.saga import react, unanswered
from services.order.waits import waits
from shared.contracts.order import FINAL, AnswerDue, OrderCancelled, OrderCompleted, PayByDue
from tests.order.builders import ORDER, World, cancel, hold, of, release, send_back, world

ACTIONS = (
    ["ask", "fact"] * 5
    + ["ask again", "fact again", "cancel one", "cancel all", "hold", "release", "pay by", "answer", "back"]
    + ["out", "out", "short", "closed", "address", "delivered", "declines", "pays"]
)


def act(w: World, action: str, pick: int, done: list[int]) -> None:
    shipments = sorted(w.shipments)
    match action:
        case "ask" | "ask again" if w.asks:
            at = pick % len(w.asks)
            w.hear(w.asks[at])
            if action == "ask":
                w.asks.pop(at)
        case "fact" | "fact again" if w.facts:
            at = pick % len(w.facts)
            w.tell(w.facts[at])
            if action == "fact":
                w.facts.pop(at)
        case "cancel one":
            w.tell(cancel(of(1 + pick % len(w.order.lines), 1)))
        case "cancel all" if pick % 3 == 0:
            w.tell(cancel())
        case "hold":
            w.tell(hold())
        case "release":
            for reason in w.order.progress.holds:
                w.tell(release(reason))
        case "pay by" if pick % 4 == 0:
            w.tell(PayByDue(order_id=ORDER))
        case "answer":
            w.tell(AnswerDue(order_id=ORDER))
        case "back" if any(shipment.out for shipment in w.order.shipments):
            seq = next(shipment.seq for shipment in w.order.shipments if shipment.out)
            line_no = w.order.shipments[seq - 1].planned[0][0]
            w.tell(send_back(w.order, UUID(int=1000 + len(done)), of(line_no, 1), seq=seq))
            done.append(pick)
        case "out" | "short" | "closed" | "address" | "delivered" if shipments:
            w.step_shipment(shipments[pick % len(shipments)], action)
        case "declines" | "pays" if w.due is not None and not w.bills:
            w.pays = action == "pays"
            w.state_money()


def check(w: World, versions: list[int]) -> None:
    order = w.order
    for line in order.lines:
        count = order.counts[line.line_no]  # raises when something does not add up
        parts = count.cancelled + count.waiting + count.backordered + count.reserved + count.released + count.shipped
        assert parts == line.quantity
        assert (
            min(count.cancelled, count.waiting, count.backordered, count.reserved, count.released, count.shipped) >= 0
        )
    assert order.progress.version - versions[-1] in (0, 1), "a version was left out"
    versions.append(order.progress.version)
    if order.progress.status not in FINAL:
        assert waits(order), f"nobody knows why it does not move: {order}"
    assert not list(kits_are_whole(Case(order, (), frozenset())))
    final = [status for status in w.statuses if status in FINAL]
    assert not final or set(w.statuses[w.statuses.index(final[0]) :]) == {final[0]}, "final was not final"
    if order.progress.status == "cancelled":
        assert not any(shipment.out for shipment in order.shipments)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    quantities=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    at_north=st.integers(0, 3),
    at_south=st.integers(0, 3),
    ship_complete=st.booleans(),
    kit=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 11)), max_size=60),
)
def test_whatever_happens_pieces_add_up_somebody_must_act_and_it_comes_to_rest(
    quantities: list[int], at_north: int, at_south: int, ship_complete: bool, kit: bool, steps: list[tuple[str, int]]
) -> None:
    there = {(no, at): n for no, _ in enumerate(quantities, 1) for at, n in (("north", at_north), ("south", at_south))}
    w = world(*quantities, on_hand=there, ship_complete=ship_complete)
    if kit:
        of_it = Kit(1, "kit", "", gcd(*quantities), Decimal(10))
        w.order = w.order.but(lines=tuple(replace(line, kit=of_it) for line in w.order.lines))
    versions, done = [w.order.progress.version], list[int]()
    for action, pick in steps:
        act(w, action, pick, done)
        check(w, versions)
    for reason in w.order.progress.holds:
        w.tell(release(reason))
    w.pays = True
    w.state_money()
    w.rest()
    for reason in w.order.progress.holds:  # a warehouse refused the address: somebody corrects it
        w.tell(release(reason))
    w.rest()
    versions.append(w.order.progress.version)
    check(w, versions)
    order = w.order
    event(order.progress.status)
    assert order.progress.status in {"cancelled", "completed", "backordered"}, waits(order)
    assert not list(unanswered(order))
    assert len([news for news in w.told if isinstance(news, OrderCancelled | OrderCompleted)]) <= 1
    for (no, at), held in w.held.items():
        promised = {(p.line_no, p.warehouse): p.reserved for p in order.stock.heard.promises}  # type: ignore[union-attr]
        assert promised[no, at] == held, "order and inventory disagree at rest"
    if order.progress.status == "cancelled":
        assert sum(w.held.values()) == 0
        assert w.due is not None
        assert w.due.due == 0
    if order.progress.status == "completed":
        assert set(w.bills) == {shipment.shipment_id for shipment in order.shipments if shipment.out}
    assert react(order, AnswerDue(order_id=ORDER)) == (order, [])
