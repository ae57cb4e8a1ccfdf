"""The label beside the shipment: bought once, voided when it must not survive, parked when a person must look."""

from datetime import timedelta

import pytest

from shared.messaging.decision import Refused
from tests.fulfilment.builders import (
    BY_ITSELF,
    DISPATCH,
    PACK,
    REJECT,
    RESUME,
    SHIPMENT,
    Warehouse,
    at,
    cancel,
    label,
    pick,
    plan,
    tracking,
    voided,
)

MINUTE = timedelta(minutes=1)


def packing() -> Warehouse:
    w = at("picked")
    w.say(PACK)
    return w


def operations(w: Warehouse) -> list[str]:
    return [f"{call.operation} {call.label_id}".strip() for call in w.calls]


def test_sc27_an_answer_that_was_lost_is_asked_for_with_the_same_key() -> None:
    w = packing()
    w.say(label("unknown"))
    w.wait(MINUTE)
    w.say(label())
    assert operations(w) == ["buy", "buy"]
    assert {call.idempotency_key for call in w.calls} == {str(SHIPMENT)}
    assert w.calls[0] == w.calls[1]
    assert (w.shipment.state, w.shipment.label_id, w.timers) == ("packed", "L1", {})


def test_sc27_the_answer_may_come_twice() -> None:
    w = packing()
    w.say(label())
    before = w.shipment
    assert w.say(label()) == []
    assert w.say(label("unknown")) == []
    assert w.say(label("refused")) == []
    assert w.shipment == before


def test_a_second_label_of_the_same_parcel_is_voided() -> None:
    w = packing()
    w.say(label(), label(label_id="L2"))
    assert operations(w) == ["buy", "void L2"]
    w.say(label(operation="void", label_id="L2"))
    assert (w.shipment.label, w.shipment.label_id, w.shipment.parked) == ("bought", "L1", "")


def test_the_ladder_ends_with_a_person_who_resumes_it() -> None:
    w = packing()
    for pause in (MINUTE, 5 * MINUTE, 30 * MINUTE):
        w.say(label("unknown"))
        assert w.shipment.parked == ""
        w.wait(pause)
    assert operations(w) == ["buy"] * 4
    w.say(label("refused", reason="no such postcode"))
    assert w.last().parked == "label buy: refused, no such postcode"
    assert (w.last().state, w.timers) == ("picked", {})
    w.say(RESUME)
    assert (w.last().parked, operations(w)) == ("", ["buy"] * 5)
    w.say(label())
    assert w.last().state == "packed"


def test_an_answer_that_comes_after_parking_still_counts() -> None:
    w = Warehouse().with_policy(label_retries=())
    w.say(plan(), pick(), PACK, label("unknown"))
    assert w.last().parked == "label buy: unknown"
    w.say(label())
    assert (w.last().state, w.last().parked) == ("packed", "")


def test_nothing_parked_nothing_to_resume() -> None:
    with pytest.raises(Refused) as refused:
        packing().say(RESUME)
    assert refused.value.status == 409


@pytest.mark.parametrize("ending", [cancel(), REJECT])
def test_the_label_of_a_shipment_that_does_not_leave_is_voided(ending: object) -> None:
    w = at("packed")
    w.say(ending)  # type: ignore[arg-type]
    version = w.last().version
    assert operations(w) == ["buy", "void L1"]
    w.say(voided())
    assert (w.shipment.label, w.shipment.version) == ("voided", version)
    assert w.say(voided()) == []


def test_cancelled_while_the_carrier_is_asked_the_label_is_voided_when_it_is_known() -> None:
    w = packing()
    w.say(cancel())
    assert w.last().state == "cancelled"
    w.say(label("unknown"))
    w.wait(MINUTE)
    assert w.say(label()) != []
    assert operations(w) == ["buy", "buy", "void L1"]
    assert (w.last().state, w.shipment.label, w.last().tracking) == ("cancelled", "void_wanted", "")


def test_cancelled_while_the_carrier_refuses_there_is_nothing_to_void() -> None:
    w = packing()
    w.say(label("refused"), cancel())
    assert (w.shipment.label, w.timers) == ("none", {})
    w = packing()
    w.say(cancel(), label("refused"))
    assert (w.shipment.label, operations(w)) == ("none", ["buy"])


def test_cancelled_while_parked_asks_again_so_that_no_label_stays_unknown() -> None:
    w = Warehouse().with_policy(label_retries=())
    w.say(plan(), pick(), PACK, label("unknown"), cancel())
    assert (w.last().state, w.last().parked, operations(w)) == ("cancelled", "", ["buy", "buy"])
    w.say(label(), voided())
    assert w.shipment.label == "voided"


def test_a_refused_void_is_parked_at_once_and_resumed() -> None:
    w = at("packed")
    w.say(cancel(), voided("refused", reason="already scanned"))
    assert (w.last().state, w.last().parked) == ("cancelled", "label void: refused, already scanned")
    w.say(RESUME)
    assert operations(w)[-1] == "void L1"
    w.say(voided())
    assert (w.shipment.label, w.last().parked) == ("voided", "")


def test_an_unknown_void_is_tried_again() -> None:
    w = at("packed")
    w.say(cancel(), voided("unknown"))
    w.wait(MINUTE)
    assert operations(w) == ["buy", "void L1", "void L1"]
    w.say(voided())
    assert (w.shipment.label, w.timers) == ("voided", {})


def test_sc27_after_the_manifest_the_price_is_claimed_back() -> None:
    w = at("packed")
    w.say(cancel(), voided(reason="claimed"))
    assert w.shipment.label == "claimed"


def test_by_itself_a_refused_label_stops_at_a_person_and_goes_on_after() -> None:
    w = Warehouse(BY_ITSELF).with_policy(label_retries=())
    w.say(plan(), label("refused", reason="address"))
    assert (w.last().state, w.last().parked) == ("picked", "label buy: refused, address")
    w.say(RESUME, label())
    assert w.last().state == "dispatched"


def test_a_timer_that_fires_too_late_does_nothing() -> None:
    w = packing()
    w.say(label("unknown"))
    late = w.timers["label:" + str(SHIPMENT)][1]
    w.say(label(), DISPATCH)
    assert w.say(late) == []


def test_a_note_that_a_person_has_seen_to_is_taken_down() -> None:
    w = at("cancelled")
    w.say(tracking("lost"))
    assert w.last().parked
    w.say(RESUME)
    assert (w.last().parked, w.calls) == ("", [])
