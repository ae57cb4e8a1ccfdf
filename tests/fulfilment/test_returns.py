"""Goods that come back: in parts, graded, refused, lost, never."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.fulfilment.domain import Impossible, Return, return_id_of
from shared.contracts.fulfilment import ExpectLine, ExpectReturn, InspectedLine, InspectReturn, ReturnStatement
from shared.messaging.decision import Missing, Refused
from tests.fulfilment.builders import (
    NOW,
    ORDER,
    POSTAGE,
    RETURN,
    SHIPMENT,
    Warehouse,
    at,
    close,
    expect,
    goods,
    inspect,
    kinds,
    receive,
    replies,
    tracking,
)

OWN = return_id_of(SHIPMENT)
OTHER = UUID(int=4)


def expected(quantity: int = 2) -> Warehouse:
    w = at("delivered", goods(1, 5), POSTAGE)
    w.say(expect(quantity))
    return w


def counts(s: ReturnStatement, line_no: int = 1) -> tuple[int, int, int, int, int, int]:
    (x,) = [line for line in s.lines if line.line_no == line_no]
    return x.expected, x.received, x.accepted, x.restock, x.quarantine, x.scrap


def test_sc24_received_in_two_parts_each_part_is_counted_right_away() -> None:
    w = expected(3)
    w.say(receive(1))
    assert (w.last_return().state, counts(w.last_return())) == ("received", (3, 1, 0, 0, 0, 0))
    w.say(inspect(1, restock=1))
    assert (w.last_return().state, counts(w.last_return())) == ("inspected", (3, 1, 1, 1, 0, 0))
    w.say(receive(2))
    w.say(inspect(1, quarantine=1, scrap=1))
    assert (w.last_return().state, counts(w.last_return())) == ("closed", (3, 3, 2, 1, 1, 1))
    assert w.news()[5:] == [
        "ReturnExpected",
        "ReturnReceived",
        "ReturnInspected",
        "ReturnReceived",
        "ReturnInspected",
        "ReturnClosed",
    ]
    assert [m.version for m in w.sent if isinstance(m, ReturnStatement)] == [1, 2, 3, 4, 5, 5]
    assert w.timers == {}


def test_announced_again_is_ignored() -> None:
    w = expected()
    assert w.say(expect(1)) == []


def test_a_return_of_an_unknown_shipment_is_tried_later() -> None:
    with pytest.raises(Missing):
        Warehouse().say(expect())


def test_a_return_of_a_line_that_was_not_shipped_cannot_be() -> None:
    with pytest.raises(Impossible, match="line 7"):
        at("delivered").say(expect(1, line_no=7))


def test_returns_of_one_shipment_share_what_was_shipped() -> None:
    w = expected(3)
    w.say(expect(4, return_id=OTHER))
    assert counts(w.last_return()) == (2, 0, 0, 0, 0, 0)
    w.say(receive(3), inspect(0, scrap=3), close(return_id=OTHER))
    w.say(expect(5, return_id=UUID(int=5)))  # nothing was accepted, so everything may come back again
    assert counts(w.last_return()) == (5, 0, 0, 0, 0, 0)


def test_a_return_of_what_is_on_its_way_back_already_closes_at_once() -> None:
    """A refusal to answer would leave the order waiting for ever."""
    w = expected(5)
    w.say(expect(1, return_id=OTHER))
    assert (w.news()[-1], counts(w.last_return())) == ("ReturnClosed", (0, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (receive(3), "3 arrived, 2 still expected"),
        (receive(1, line_no=9), "line 9 is not in this return"),
        (inspect(1, restock=1), "1 graded, 0 wait for it"),
        (inspect(1), "1 accepted of 0 graded"),
        (inspect(0, line_no=8), "line 8 is not in this return"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_names_the_field(message: object, why: str) -> None:
    w = expected()
    before = w.returned()
    with pytest.raises(Refused, match=why) as refused:
        w.say(message)  # type: ignore[arg-type]
    assert (refused.value.field, refused.value.status) == ("lines", 422)
    assert w.returned() == before


def test_one_line_twice_in_one_message_is_added_up() -> None:
    w = expected()
    w.say(receive(2))
    line = InspectedLine(line_no=1, accepted=1, restock=1)
    w.say(InspectReturn(shipment_id=SHIPMENT, return_id=RETURN, lines=(line, line)))
    assert counts(w.last_return()) == (2, 2, 2, 2, 0, 0)


def test_nothing_is_accepted_twice_over_the_returns_of_a_shipment() -> None:
    """A parcel refused at the door while its customer had announced a return: the goods are the same goods."""
    w = at("dispatched")
    w.say(expect(2), tracking("refused"))
    w.say(receive(2, return_id=OWN), inspect(2, restock=2, return_id=OWN))
    w.say(receive(1))
    with pytest.raises(Refused, match="more accepted than was shipped"):
        w.say(inspect(1, restock=1))


@pytest.mark.parametrize("message", [receive(1), inspect(0), close(claimed=True)])
def test_a_closed_return_takes_nothing_more(message: object) -> None:
    w = expected()
    w.say(close())
    with pytest.raises(Refused) as refused:
        w.say(message)  # type: ignore[arg-type]
    assert refused.value.status == 409


def test_closed_twice_is_closed_once() -> None:
    w = expected()
    (first,) = replies(w.say(close()))
    again = w.say(close())
    assert (list(replies(again)), kinds(again)) == ([first], [])


@pytest.mark.parametrize("message", [receive(1), inspect(0), close()])
def test_a_person_is_told_that_there_is_no_such_return(message: object) -> None:
    with pytest.raises(Refused) as refused:
        at("delivered").say(message)  # type: ignore[arg-type]
    assert refused.value.status == 404


def test_pieces_that_arrived_are_inspected_before_the_return_closes() -> None:
    w = expected()
    w.say(receive(1))
    with pytest.raises(Refused, match="not inspected"):
        w.say(close())


def test_the_customers_return_ends_when_it_is_due_with_what_was_accepted() -> None:
    w = expected()
    w.say(receive(1), inspect(1, restock=1))
    w.wait(timedelta(days=30))
    assert (w.last_return().state, counts(w.last_return())) == ("closed", (2, 1, 1, 1, 0, 0))
    assert w.timers == {}


def test_what_lies_uninspected_when_it_is_due_is_waited_for() -> None:
    w = expected()
    w.say(receive(1))
    w.wait(timedelta(days=30))
    assert w.returned().state == "received"
    w.say(inspect(1, restock=1))
    w.wait(timedelta(days=1))
    assert w.returned().state == "closed"


def test_a_return_opened_by_fulfilment_never_ends_silently() -> None:
    w = at("refused")
    assert w.news()[-2:] == ["ShipmentRefused", "ReturnExpected"]
    assert (w.last_return().return_id, counts(w.last_return())) == (OWN, (2, 0, 0, 0, 0, 0))
    w.wait(timedelta(days=365))
    assert w.returned(OWN).state == "expected"
    with pytest.raises(Refused, match="claimed"):
        w.say(close(return_id=OWN))
    w.say(receive(2, return_id=OWN), inspect(2, restock=2, return_id=OWN))
    assert w.returned(OWN).state == "closed"


def test_a_lost_parcel_is_claimed_from_the_carrier_and_wholly_accepted() -> None:
    w = at("dispatched", goods(1, 3), POSTAGE)
    w.say(tracking("lost"))
    assert (w.last().state, w.last().reason) == ("refused", "lost")
    w.say(close(claimed=True, return_id=OWN))
    assert counts(w.last_return()) == (3, 0, 3, 0, 0, 0)
    assert counts(w.last_return(), 9) == (1, 1, 1, 0, 0, 0)
    assert w.returned(OWN).claimed


def test_a_claim_counts_only_what_never_came() -> None:
    w = at("refused", goods(1, 3))
    w.say(receive(2, return_id=OWN), inspect(1, restock=1, scrap=1, return_id=OWN), close(claimed=True, return_id=OWN))
    assert counts(w.last_return()) == (3, 2, 2, 1, 0, 1)


def test_the_customer_cannot_claim_from_the_carrier() -> None:
    with pytest.raises(Refused, match="carrier"):
        expected().say(close(claimed=True))


def test_postage_is_given_back_with_the_goods_of_a_refused_parcel() -> None:
    w = at("refused", goods(1, 2), POSTAGE)
    w.say(receive(2, return_id=OWN), inspect(2, restock=2, return_id=OWN))
    assert counts(w.last_return(), 9) == (1, 1, 1, 0, 0, 0)


def test_postage_stays_when_none_of_the_goods_is_accepted() -> None:
    w = at("delivered", goods(1, 2), POSTAGE)
    lines = (ExpectLine(line_no=1, sku="mug", quantity=2), ExpectLine(line_no=9, sku="postage", quantity=1))
    w.say(ExpectReturn(order_id=ORDER, shipment_id=SHIPMENT, return_id=RETURN, lines=lines))
    w.say(receive(2), inspect(0, scrap=2))
    assert (w.last_return().state, counts(w.last_return(), 9)) == ("closed", (1, 0, 0, 0, 0, 0))


def test_postage_alone_is_given_back_at_once() -> None:
    w = at("delivered", goods(1, 2), POSTAGE)
    w.say(expect(1, line_no=9))
    assert (w.news()[-1], counts(w.last_return(), 9)) == ("ReturnClosed", (1, 1, 1, 0, 0, 0))


def test_by_itself_a_return_is_one_decision_and_one_fact() -> None:
    w = at("delivered", goods(1, 5), POSTAGE).with_policy(automatic_returns=True)
    assert kinds(w.say(expect(2))) == ["Return", "History", "ReturnClosed"]
    assert (w.last_return().version, counts(w.last_return())) == (1, (2, 2, 2, 2, 0, 0))


@pytest.mark.parametrize(("status", "back"), [("refused", 2), ("lost", 0)])
def test_by_itself_a_parcel_that_comes_back_ends_received_or_claimed(status: str, back: int) -> None:
    w = at("dispatched").with_policy(automatic_returns=True)
    w.say(tracking(status, NOW))
    assert w.news()[-2:] == ["ShipmentRefused", "ReturnClosed"]
    assert counts(w.last_return()) == (2, back, 2, back, 0, 0)
    assert w.returned(OWN).claimed == (status == "lost")


def test_the_misfortune_told_twice_opens_one_return() -> None:
    w = at("refused")
    w.say(tracking("refused"), tracking("lost"))
    assert len([row for row in w.rows.values() if isinstance(row, Return)]) == 1


def test_a_claim_leaves_out_what_another_return_accepted() -> None:
    """Reported lost, yet a part of it came back under the customer's own return."""
    w = at("dispatched", goods(1, 3))
    w.say(expect(2), tracking("lost"), receive(2), inspect(2, restock=2))
    w.say(close(claimed=True, return_id=OWN))
    assert counts(w.last_return()) == (3, 0, 1, 0, 0, 0)
