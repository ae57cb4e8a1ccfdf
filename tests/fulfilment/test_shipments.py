"""The way of a shipment, step by step and out of step."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.fulfilment.domain import Impossible, Shipment
from shared.contracts.fulfilment import (
    OUT,
    PackShipment,
    ParcelDue,
    PickShipment,
    RejectShipment,
    ShipmentStatement,
    ShortLine,
    ShortWhy,
)
from shared.contracts.message import Message
from shared.messaging.decision import Missing, Refused
from tests.fulfilment.builders import (
    AT_ONCE,
    BY_ITSELF,
    DISPATCH,
    NOW,
    PACK,
    POSTAGE,
    REJECT,
    SHIPMENT,
    WAY,
    Warehouse,
    at,
    cancel,
    expect,
    goods,
    kinds,
    label,
    pick,
    plan,
    replies,
    tracking,
)


def quantities(s: ShipmentStatement) -> dict[int, tuple[int, int, int]]:
    return {line.line_no: (line.planned, line.shipped, line.short) for line in s.lines}


def test_by_hand_every_step_is_told_once_with_the_next_version() -> None:
    w = at("delivered")
    assert w.news() == [
        "ShipmentPlanned",
        "ShipmentPicked",
        "ShipmentPacked",
        "ShipmentDispatched",
        "ShipmentDelivered",
    ]
    assert [m.version for m in w.sent if isinstance(m, ShipmentStatement)] == [1, 2, 3, 4, 5]
    assert quantities(w.last()) == {1: (2, 2, 0)}
    assert (w.last().carrier, w.last().tracking) == ("carrier", "T-L1")
    assert [h.what for h in w.history] == [
        "planned",
        "picked",
        "packed, label asked for",
        "labelled",
        "handed over",
        "carrier: delivered",
    ]
    assert w.history[1].actor == "Piet"
    assert w.history[4].actor == "test"


# What each command does in each state: the state after it, "same" (nothing changes, the caller is told so) or an error.
MATRIX: dict[str, dict[str, str]] = {
    "planned": {
        "pick": "picked", "pack": "409", "dispatch": "409", "reject": "rejected", "cancel": "cancelled",
        "label": "planned", "in_transit": "later", "delivered": "later", "refused": "later", "parcel due": "planned",
        "plan": "planned",
    },
    "picked": {
        "pick": "picked", "pack": "picked", "dispatch": "409", "reject": "rejected", "cancel": "cancelled",
        "label": "picked", "in_transit": "later", "delivered": "later", "refused": "later", "parcel due": "picked",
        "plan": "picked",
    },
    "packed": {
        "pick": "packed", "pack": "packed", "dispatch": "dispatched", "reject": "rejected", "cancel": "cancelled",
        "label": "packed", "in_transit": "dispatched", "delivered": "delivered", "refused": "refused",
        "parcel due": "packed", "plan": "packed",
    },
    "dispatched": {
        "pick": "dispatched", "pack": "dispatched", "dispatch": "dispatched", "reject": "409", "cancel": "dispatched",
        "label": "dispatched", "in_transit": "dispatched", "delivered": "delivered", "refused": "refused",
        "parcel due": "delivered", "plan": "dispatched",
    },
    "delivered": {
        "pick": "delivered", "pack": "delivered", "dispatch": "delivered", "reject": "409", "cancel": "delivered",
        "label": "delivered", "in_transit": "delivered", "delivered": "delivered", "refused": "delivered",
        "parcel due": "delivered", "plan": "delivered",
    },
    "refused": {
        "pick": "refused", "pack": "refused", "dispatch": "refused", "reject": "409", "cancel": "refused",
        "label": "refused", "in_transit": "refused", "delivered": "refused", "refused": "refused",
        "parcel due": "refused", "plan": "refused",
    },
    "cancelled": {
        "pick": "409", "pack": "409", "dispatch": "409", "reject": "409", "cancel": "cancelled",
        "label": "cancelled", "in_transit": "cancelled", "delivered": "cancelled", "refused": "cancelled",
        "parcel due": "cancelled", "plan": "cancelled",
    },
    "rejected": {
        "pick": "409", "pack": "409", "dispatch": "409", "reject": "rejected", "cancel": "rejected",
        "label": "rejected", "in_transit": "rejected", "delivered": "rejected", "refused": "rejected",
        "parcel due": "rejected", "plan": "rejected",
    },
}  # fmt: skip
COMMANDS: dict[str, Message] = {
    "pick": pick(),
    "pack": PACK,
    "dispatch": DISPATCH,
    "reject": REJECT,
    "cancel": cancel(),
    "label": label(),
    "in_transit": tracking("in_transit"),
    "delivered": tracking("delivered"),
    "refused": tracking("refused"),
    "parcel due": ParcelDue(shipment_id=SHIPMENT),
    "plan": plan(),
}


@pytest.mark.parametrize("state", MATRIX)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_in_each_state(state: str, command: str) -> None:
    w = at(state)
    before, expected = w.shipment, MATRIX[state][command]
    if expected == "later":
        with pytest.raises(Missing):
            w.say(COMMANDS[command])
    elif expected == "409":
        with pytest.raises(Refused) as refused:
            w.say(COMMANDS[command])
        assert refused.value.status == 409
    else:
        w.say(COMMANDS[command])
        assert w.shipment.state == expected
    if w.shipment.state != before.state:
        assert w.shipment.version == before.version + 1
        assert w.last().version == w.shipment.version
        assert w.last().state == w.shipment.state


@pytest.mark.parametrize("state", WAY)
def test_saying_the_last_step_again_changes_nothing(state: str) -> None:
    w = at(state)
    before, told = w.shipment, len(w.sent)
    w.say((plan(), *WAY[state])[-1])
    assert w.shipment == before
    assert [m for m in w.sent[told:] if getattr(m, "version", 0) > before.version] == []


@pytest.mark.parametrize("command", ["pick", "pack", "dispatch", "reject"])
def test_a_person_is_told_that_there_is_no_such_shipment(command: str) -> None:
    with pytest.raises(Refused) as refused:
        Warehouse().say(COMMANDS[command])
    assert (refused.value.status, refused.value.field) == (404, "shipment_id")


def test_tracking_of_a_shipment_that_is_not_here_yet_is_tried_later() -> None:
    with pytest.raises(Missing):
        Warehouse().say(tracking("in_transit"))


def test_the_caller_of_a_command_gets_the_shipment_as_it_is_now() -> None:
    w = at("planned")
    (first,) = replies(w.say(pick()))
    (again,) = replies(w.say(pick()))
    assert first == again
    assert (first["state"], first["version"]) == ("picked", 2)


def test_a_plan_with_a_line_twice_cannot_be() -> None:
    with pytest.raises(Impossible, match="names a line twice"):
        Warehouse().say(plan(goods(1), goods(1)))


# Picking


def test_sc06_short_pick_ships_the_rest_and_states_the_difference_when_it_is_out() -> None:
    w = at("planned", goods(1, 10), goods(2, 1, "pen"))
    w.say(pick(l1=3))
    assert w.last().state == "picked"
    assert quantities(w.last()) == {1: (10, 0, 0), 2: (1, 0, 0)}  # open shipments count as planned
    w.say(PACK, label(), DISPATCH)
    assert quantities(w.last()) == {1: (10, 7, 3), 2: (1, 1, 0)}


def why(reason: str, note: str = "") -> ShortWhy:
    return ShortWhy.model_validate({"reason": reason, "note": note})


def test_why_it_was_short_is_stated_with_what_was_short() -> None:
    w = at("planned", goods(1, 10), goods(2, 1, "pen"))
    said = pick(l1=3).model_copy(update={"short": (ShortLine(line_no=1, quantity=3, why=why("damaged")),)})
    w.say(said)
    assert w.history[-1].what == "picked, 3 short (damaged)"
    assert [line.why for line in w.last().lines] == [None, None], "open shipments state nothing of it"
    before = w.shipment
    w.say(said)
    assert w.shipment == before, "the same again"
    w.say(PACK, label(), DISPATCH)
    assert [line.why for line in w.last().lines] == [why("damaged"), None]


@pytest.mark.parametrize(
    ("reason", "note", "text"),
    [
        ("not_there", "", "not on the shelf"),
        ("wrong_product", "pots", "wrong product in the bin, pots"),
        ("other", "the lamp is broken", "the lamp is broken"),
        ("other", "", "another reason"),
    ],
)
def test_why_in_words(reason: str, note: str, text: str) -> None:
    assert why(reason, note).text == text


def test_a_picker_that_gives_no_reason_is_understood_as_before() -> None:
    old = PickShipment.model_validate({"shipment_id": SHIPMENT, "short": [{"line_no": 1, "quantity": 1}]})
    w = at("planned", goods(1, 10))
    w.say(old, PACK, label(), DISPATCH)
    assert quantities(w.last()) == {1: (10, 9, 1)}
    assert w.last().lines[0].why is None


def test_sc06_nothing_on_the_shelf_rejects_the_shipment_as_short() -> None:
    w = at("planned", goods(1, 2), goods(2, 1, "pen"), POSTAGE)
    w.say(pick(l1=2, l2=1))
    assert (w.last().state, w.last().reason) == ("rejected", "short")
    assert quantities(w.last()) == {1: (2, 0, 2), 2: (1, 0, 1), 9: (1, 0, 0)}
    before = w.shipment
    w.say(pick(l1=2, l2=1))
    assert w.shipment == before


def test_sc06_cancelled_after_a_short_pick_still_states_what_is_missing() -> None:
    """The short pieces are gone from the shelf whatever becomes of the shipment; the found ones go back onto it."""
    w = at("planned", goods(1, 10))
    w.say(pick(l1=3), cancel())
    assert w.last().state == "cancelled"
    assert quantities(w.last()) == {1: (10, 0, 3)}


def test_rejected_after_a_short_pick_still_states_what_is_missing() -> None:
    w = at("planned", goods(1, 10))
    w.say(pick(l1=3), RejectShipment(shipment_id=SHIPMENT, reason="address"))
    assert quantities(w.last()) == {1: (10, 0, 3)}


def test_rejected_as_short_means_that_nothing_of_it_is_there() -> None:
    w = at("planned", goods(1, 2), POSTAGE)
    w.say(RejectShipment(shipment_id=SHIPMENT, reason="short"))
    assert quantities(w.last()) == {1: (2, 0, 2), 9: (1, 0, 0)}


@pytest.mark.parametrize(
    ("short", "why"),
    [({"l1": 3}, "3 short of 2"), ({"l9": 1}, "1 short of 0"), ({"l5": 1}, "1 short of 0")],
    ids=["more than planned", "of a line that is not picked", "of a line that is not there"],
)
def test_short_is_checked_against_the_plan(short: dict[str, int], why: str) -> None:
    w = at("planned", goods(1, 2), POSTAGE)
    with pytest.raises(Refused, match=why) as refused:
        w.say(pick(**short))
    assert refused.value.field == "short"
    assert w.shipment.state == "planned"


def test_a_second_pick_may_not_say_something_else() -> None:
    w = at("picked")
    with pytest.raises(Refused, match="picked"):
        w.say(pick(l1=1))
    assert w.shipment.short == ()


# Cancel against hand-over: one judge


def test_f34_cancelled_first_then_the_hand_over_is_refused() -> None:
    w = at("packed")
    w.say(cancel())
    with pytest.raises(Refused, match="cancelled"):
        w.say(DISPATCH)
    assert w.shipment.state == "cancelled"
    assert w.shipment.dispatched_at is None


def test_f34_handed_over_first_then_the_cancel_is_answered_with_the_dispatch() -> None:
    w = at("dispatched")
    version = w.shipment.version
    w.say(cancel())
    assert (w.news()[-1], w.last().version) == ("ShipmentDispatched", version)
    assert w.shipment.state == "dispatched"


def test_a_cancel_that_overtakes_its_plan_leaves_a_tombstone() -> None:
    w = Warehouse(AT_ONCE)
    w.say(cancel())
    assert (w.last().state, w.last().lines) == ("cancelled", ())
    assert w.say(plan()) == []
    assert w.shipment.state == "cancelled"


@pytest.mark.parametrize("state", ["delivered", "cancelled", "rejected", "refused"])
def test_a_cancel_of_an_ended_shipment_states_it_again(state: str) -> None:
    w = at(state)
    version = w.shipment.version
    assert len(w.say(cancel())) == 1
    assert (w.last().state, w.last().version) == (state, version)


def test_sc26_cancelled_before_hand_over_states_nothing_shipped_or_short() -> None:
    """used(w) falls to nothing, so the promise at the same warehouse is free again."""
    w = at("picked")
    w.say(cancel())
    assert quantities(w.last()) == {1: (2, 0, 0)}
    assert w.last().warehouse == "north"


def test_sc04_a_shipment_states_the_warehouse_that_it_was_planned_for() -> None:
    w = Warehouse()
    w.say(plan(warehouse="south"), *WAY["delivered"])
    assert {m.warehouse for m in w.sent if isinstance(m, ShipmentStatement)} == {"south"}


def test_sc28_two_shipments_of_an_order_keep_their_own_states() -> None:
    w = Warehouse()
    other = UUID(int=77)
    w.say(plan(), plan(goods(1, 5), shipment=other), *WAY["dispatched"])
    rest = w.rows[Shipment, (other,)]
    assert isinstance(rest, Shipment)
    assert (w.shipment.state, rest.state) == ("dispatched", "planned")


# Tracking


def test_the_carriers_scan_proves_the_hand_over() -> None:
    w = at("packed")
    w.wait(timedelta(hours=3))
    scanned = NOW + timedelta(hours=2)
    w.say(tracking("delivered", scanned))
    s = w.last()
    assert (s.state, s.dispatched_at, s.delivered_at) == ("delivered", scanned, scanned)


def test_a_carrier_whose_clock_is_wrong_cannot_deliver_before_the_plan_or_after_now() -> None:
    w = at("packed")
    w.say(tracking("in_transit", NOW - timedelta(days=900)), tracking("delivered", NOW + timedelta(days=900)))
    assert (w.last().dispatched_at, w.last().delivered_at) == (NOW, NOW)


def test_tracking_may_come_twice_and_out_of_order() -> None:
    w = at("dispatched")
    w.say(tracking("delivered"))
    before, told = w.shipment, len(w.sent)
    w.say(tracking("in_transit"), tracking("delivered"), tracking("lost"))
    assert w.shipment == before
    assert len(w.sent) == told
    assert w.history[-1].what == "carrier: lost"


@pytest.mark.parametrize("state", ["cancelled", "rejected", "refused"])
def test_a_parcel_that_should_not_exist_is_shown_to_a_person(state: str) -> None:
    w = at(state)
    w.say(tracking("delivered"))
    assert w.shipment.state == state
    assert w.last().parked == f"the carrier reports delivered, but the shipment is {state}"
    before = w.shipment
    w.say(tracking("delivered"))
    assert w.shipment == before


# A warehouse that runs by itself


def test_by_itself_one_fact_when_planned_and_one_when_out() -> None:
    w = Warehouse(BY_ITSELF)
    assert kinds(w.say(plan())) == ["Shipment", "History", "ShipmentPlanned", "Call"]
    assert kinds(w.say(label())) == ["Shipment", "History", "ShipmentDispatched"]
    assert w.say(tracking("delivered")) != []
    assert w.last().state == "delivered"


def test_by_itself_without_a_carrier_contract_all_is_one_decision() -> None:
    w = Warehouse(AT_ONCE)
    assert kinds(w.say(plan())) == ["Shipment", "History", "ShipmentDelivered"]
    s = w.last()
    assert (s.state, s.dispatched_at, s.delivered_at, quantities(s)) == ("delivered", NOW, NOW, {1: (2, 2, 0)})


def test_by_itself_the_parcel_arrives_when_it_is_due() -> None:
    w = Warehouse(replace(AT_ONCE, deliver_after=timedelta(days=2)))
    w.say(plan())
    w.wait(timedelta(days=1))
    assert w.last().state == "dispatched"
    w.wait(timedelta(days=1))
    assert (w.last().state, w.last().delivered_at) == ("delivered", NOW + timedelta(days=2))


def test_only_the_named_warehouses_run_by_themselves() -> None:
    w = Warehouse().with_policy(
        automatic_warehouses=frozenset({"north"}), call_carrier=False, deliver_after=timedelta(0)
    )
    w.say(plan(warehouse="south", shipment=UUID(int=77)), plan())
    assert w.news() == ["ShipmentPlanned", "ShipmentDelivered"]


def test_by_hand_without_a_carrier_contract_a_parcel_leaves_without_a_label() -> None:
    w = Warehouse().with_policy(call_carrier=False)
    w.say(plan(), pick(), PackShipment(shipment_id=SHIPMENT))
    assert w.last().state == "packed"
    w.say(DISPATCH)
    assert (w.last().state, w.calls) == ("dispatched", [])


def test_nothing_to_carry_is_delivered_at_once() -> None:
    w = Warehouse()
    assert kinds(w.say(plan(POSTAGE))) == ["Shipment", "History", "ShipmentDelivered"]
    assert quantities(w.last()) == {9: (1, 1, 0)}
    assert w.calls == []


def test_planned_equals_shipped_plus_short_in_every_state_that_is_out() -> None:
    for state in OUT:
        w = at(state, goods(1, 4), POSTAGE)
        assert all(line.planned == line.shipped + line.short for line in w.last().lines)


def test_a_shipment_that_is_not_out_cannot_be_returned() -> None:
    with pytest.raises(Impossible, match="which is packed"):
        at("packed").say(expect())
