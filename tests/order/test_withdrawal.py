"""The period of withdrawal (R-40): its days, several parcels, what came back before, who is bound by it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.order.quantities import Order
from services.order.saga import react
from services.order.withdrawal import Terms, delivered, described, last_day, over, with_charges
from shared.contracts.fulfilment import ExpectReturn, ReturnLine
from shared.contracts.order import AnswerDue, ReturnGoods, WithdrawalReceived
from shared.messaging.decision import Refused, Reply
from tests.order.book import book_of
from tests.order.builders import (
    NOW,
    ORDER,
    OTHER,
    after,
    goods_back,
    money,
    new,
    of,
    released,
    send_back,
    shipment,
    stock,
)

TERMS = Terms()
MONDAY = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)


def brought(order: Order, seq: int, at: datetime = MONDAY, **more: Any) -> Order:
    """One shipment as delivered at that moment."""
    said = shipment(order, seq, "delivered", version=9, **more)
    return after(order, said.model_copy(update={"delivered_at": at}))


def in_two_parcels(*quantities: int) -> Order:
    """One piece of the first line from the south, everything else from the north."""
    order = new(*quantities)
    rest = [(line.line_no, "north", line.quantity - (line.line_no == 1)) for line in order.lines]
    return after(order, stock(1, *rest, (1, "south", 1)), money(1, str(order.due)))


def wish(order: Order, *lines: Any, seq: int = 1, return_id: UUID = OTHER, withdrawal: bool = True) -> ReturnGoods:
    asked = send_back(order, return_id, *lines, seq=seq)
    return asked.model_copy(update={"withdrawal": withdrawal, "actor": "customer"})


def test_it_ends_with_the_fourteenth_day_after_the_delivery() -> None:
    order = brought(released(2), 1)
    assert last_day(order, TERMS) == date(2026, 3, 16)
    assert over(order, TERMS, MONDAY) is None, "from the moment of delivery on"
    assert over(order, TERMS, datetime(2026, 3, 16, 23, 59, 59, tzinfo=UTC)) is None
    assert over(order, TERMS, datetime(2026, 3, 17, tzinfo=UTC)) == date(2026, 3, 16)
    assert last_day(order, Terms(days=30)) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("came", "ends"),
    [
        (date(2026, 3, 6), date(2026, 3, 20)),
        (date(2026, 3, 7), date(2026, 3, 23)),
        (date(2026, 3, 8), date(2026, 3, 23)),
    ],
)
def test_it_does_not_end_on_a_weekend(came: date, ends: date) -> None:
    at = datetime(came.year, came.month, came.day, 12, tzinfo=UTC)
    assert last_day(brought(released(1), 1, at), TERMS) == ends


def test_days_are_those_of_the_shop() -> None:
    brussels = Terms(zone=ZoneInfo("Europe/Brussels"))
    order = brought(released(1), 1, datetime(2026, 3, 2, 23, 30, tzinfo=UTC))  # there it is Tuesday already
    assert last_day(order, brussels) == date(2026, 3, 17)
    assert over(order, brussels, datetime(2026, 3, 17, 22, 59, tzinfo=UTC)) is None
    assert over(order, brussels, datetime(2026, 3, 17, 23, 0, tzinfo=UTC)) == date(2026, 3, 17)


def test_it_cannot_end_before_the_last_part_has_come() -> None:
    order = in_two_parcels(3)
    assert last_day(order, TERMS) is None, "nothing is out"
    order = brought(order, 1)
    assert last_day(order, TERMS) is None, "the other parcel is still here"
    order = after(order, shipment(order, 2, "dispatched", version=8))
    assert last_day(order, TERMS) is None, "it is on its way"
    order = brought(order, 2, MONDAY + timedelta(days=8))
    assert last_day(order, TERMS) == date(2026, 3, 24)


def test_a_parcel_that_went_back_by_itself_does_not_make_it_longer_and_postage_is_no_part() -> None:
    order = in_two_parcels(3)
    order = after(brought(order, 1), shipment(order, 2, "refused", version=8))
    assert last_day(order, TERMS) == date(2026, 3, 16)
    posted = released(1, 1, kinds={2: "shipping"})
    assert last_day(brought(posted, 1), TERMS) == date(2026, 3, 16)


def test_what_can_come_back_is_what_was_delivered_less_what_came_back() -> None:
    order = brought(in_two_parcels(3), 1)
    first = order.shipments[0]
    (left,) = delivered(order)
    assert left == (first, ((1, 2),)), "the second parcel is not with the customer"
    order = after(order, wish(order, of(1, 1)))
    assert [found for _, found in delivered(order)] == [((1, 1),)]
    back = goods_back(OTHER, first.shipment_id, "closed", version=2, expected=1, received=1, accepted=0)
    assert [found for _, found in delivered(after(order, back))] == [((1, 2),)], "what was not accepted is hers again"


def test_the_customer_is_bound_by_it_and_the_staff_is_not() -> None:
    book = book_of(brought(released(2), 1))
    book.now = datetime(2026, 3, 17, 9, tzinfo=UTC)
    with pytest.raises(Refused, match="ended on 2026-03-16") as refused:
        book.do(wish(book.order, of(1, 1)))
    assert (refused.value.status, refused.value.field) == (409, "withdrawal")
    book.do(wish(book.order, of(1, 1), withdrawal=False))
    assert book.only(ExpectReturn).lines[0].quantity == 1
    assert not book.all(WithdrawalReceived)


def test_on_the_last_day_it_is_the_same_return_that_the_staff_announces() -> None:
    book = book_of(brought(released(2), 1))
    book.now = datetime(2026, 3, 16, 23, 59, tzinfo=UTC)
    asked = wish(book.order, of(1, 1))
    book.do(asked)
    assert book.only(ExpectReturn).return_id == OTHER
    assert book.only(Reply).status == 201
    assert book.order.returns[0].wanted == ((1, 1),)
    told = book.only(WithdrawalReceived)
    assert (told.order_id, told.return_id, told.lines) == (ORDER, OTHER, (of(1, 1),))
    assert [type(effect) for effect in book.do(asked)] == [Reply], "asked again it is known"
    with pytest.raises(Refused, match="1 can still come back"):
        book.do(wish(book.order, of(1, 2), return_id=UUID(int=5)))


def test_postage_comes_along_when_nothing_is_kept() -> None:
    order = brought(released(2, 1, kinds={2: "shipping"}), 1)
    assert with_charges(order, wish(order, of(1, 1))).lines == (of(1, 1),), "a piece is kept"
    assert with_charges(order, wish(order, of(1, 2))).lines == (of(1, 2), of(2, 1))
    order = after(order, wish(order, of(1, 1)))
    later = with_charges(order, wish(order, of(1, 1), return_id=UUID(int=5)))
    assert later.lines == (of(1, 1), of(2, 1)), "the rest comes back too"


def with_postage_in_the_first() -> Order:
    """One piece and the postage from the north, one piece from the south; both with the customer."""
    order = new(2, 1, kinds={2: "shipping"})
    order = after(order, stock(1, (1, "north", 1), (1, "south", 1), (2, "north", 1)), money(1, str(order.due)))
    return brought(brought(order, 1), 2)


def came_back(order: Order, seq: int, return_id: UUID, accepted: int = 1) -> tuple[Order, list[ExpectReturn]]:
    """The piece of that parcel is withdrawn, comes back, and so many of it are accepted."""
    order = react(order, with_charges(order, wish(order, of(1, 1), seq=seq, return_id=return_id)))[0]
    goods = order.return_of(return_id)
    lines = tuple(
        ReturnLine(line_no=no, sku=f"sku-{no}", expected=n, received=n, accepted=n if accepted else 0)
        for no, n in goods.wanted
    )
    said = goods_back(return_id, goods.shipment_id, "closed", version=2, expected=1)
    order, asks = react(order, said.model_copy(update={"lines": lines}))
    return order, [ask for ask in asks if isinstance(ask, ExpectReturn)]


@pytest.mark.parametrize("seqs", [(1, 2), (2, 1)])
def test_r40_sc19_postage_comes_back_in_either_order_of_two_parcels(seqs: tuple[int, int]) -> None:
    order = with_postage_in_the_first()
    order, asked = came_back(order, seqs[0], OTHER)
    assert not asked, "a piece is kept"
    order, asked = came_back(order, seqs[1], UUID(int=5))
    if seqs == (1, 2):
        (charges,) = asked
        assert (charges.shipment_id, charges.lines[0].line_no) == (order.shipments[0].shipment_id, 2)
        order, again = react(order, AnswerDue(order_id=ORDER))
        assert charges in again, "asked again in the same words until it is answered"
    assert sorted(wanted for goods in order.returns for wanted in goods.wanted) == [(1, 1), (1, 1), (2, 1)]
    assert order.returnable(order.shipments[0].shipment_id)[2] == 0


@pytest.mark.parametrize("accepted", [(0, 1), (1, 0)])
def test_r40_postage_stays_when_a_piece_was_not_accepted_and_with_returns_of_the_staff(
    accepted: tuple[int, int],
) -> None:
    order, _ = came_back(with_postage_in_the_first(), 1, OTHER, accepted[0])
    order, asked = came_back(order, 2, UUID(int=5), accepted[1])
    assert not asked
    assert order.returnable(order.shipments[0].shipment_id)[2] == 1
    order = with_postage_in_the_first()
    for seq, return_id in (1, OTHER), (2, UUID(int=5)):
        order = after(order, wish(order, of(1, 1), seq=seq, return_id=return_id, withdrawal=False))
        back = goods_back(
            return_id, order.shipments[seq - 1].shipment_id, "closed", version=2, expected=1, received=1, accepted=1
        )
        order = after(order, back)
    assert len(order.returns) == 2


def test_what_is_confirmed_is_what_the_customer_said() -> None:
    book = book_of(brought(released(2, 1, kinds={2: "shipping"}), 1))
    book.do(wish(book.order, of(1, 2)).model_copy(update={"reason": "too small"}))
    assert book.order.returns[0].wanted == ((1, 2), (2, 1))
    told = book.only(WithdrawalReceived)
    assert (told.lines, told.reason) == ((of(1, 2),), "too small")


def test_postage_stays_while_another_part_is_kept_or_still_to_come() -> None:
    order = brought(released(2, 1, kinds={2: "shipping"}), 1)
    more = brought(in_two_parcels(3), 1)
    assert with_charges(more, wish(more, of(1, 2))).lines == (of(1, 2),)
    assert with_charges(order, wish(order, of(1, 2), of(2, 1))).lines == (of(1, 2), of(2, 1)), "named once is enough"


def test_what_the_customer_is_told_before() -> None:
    told = described(brought(released(2), 1), TERMS, NOW)
    assert (told["open"], told["until"], told["days"], told["send_by"]) == (True, "2026-03-16", 14, "2026-03-16")
    assert told["order_id"] == str(ORDER)
    assert [line["quantity"] for parcel in told["parcels"] for line in parcel["lines"]] == [2]
    late = described(brought(released(2), 1), TERMS, NOW + timedelta(days=20))
    assert (late["open"], late["until"]) == (False, "2026-03-16")
    assert described(released(2), TERMS, NOW)["parcels"] == []
