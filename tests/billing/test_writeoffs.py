"""Debts that a person gives up: how much, by whom alone, what the ledger says, and what is paid after all."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.billing.domain.rows import Policy, WriteOff
from shared.contracts.billing import (
    ApproveWriteOff,
    BankMoneyArrived,
    CashRemitted,
    DebtWrittenOff,
    RefundLine,
    RefuseWriteOff,
    RequestRefund,
    RequestWriteOff,
    WriteOffDenied,
    WriteOffRequested,
    WriteOffStatement,
)
from shared.contracts.fulfilment import ShipmentDelivered
from shared.messaging.decision import Effect, Refused, Reply
from tests.billing.book import ORDER, START, Book, answer, ask, give_back, money, ship

POLICY = Policy(
    refund_limits={"support": {"EUR": Decimal(50)}, "finance": {"EUR": Decimal(250)}},
    refund_approvers=frozenset({"finance", "admin"}),
)


def give_up(no: int, amount: str | int, actor: str = "fay", roles: tuple[str, ...] = ("finance",), **more: Any) -> Any:
    fields: dict[str, Any] = {"reason": "bankrupt", "amount": money(amount), **more}
    return RequestWriteOff(order_id=ORDER, write_off_id=UUID(int=400 + no), actor=actor, roles=roles, **fields)


def approve(no: int, actor: str, roles: tuple[str, ...] = ("finance",)) -> ApproveWriteOff:
    return ApproveWriteOff(order_id=ORDER, write_off_id=UUID(int=400 + no), actor=actor, roles=roles)


def paid(amount: str | int, entry: str = "E1") -> BankMoneyArrived:
    return BankMoneyArrived(
        entry_id=entry, order_id=ORDER, amount=money(amount), currency="EUR", booked_on=START.date()
    )


def shipped(method: str = "terms") -> Book:
    book = Book(POLICY)
    book.tell(ask(1, 100, method), ship(1, l1=10))
    return book


def reply(effects: list[Effect]) -> Reply:
    return next(effect for effect in effects if isinstance(effect, Reply))


def ledger(book: Book) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for posting in book.postings:
        sums[posting.account] = sums.get(posting.account, money(0)) + posting.amount
    return {name: total for name, total in sums.items() if total}


def facts(effects: list[Effect]) -> list[type[WriteOffStatement]]:
    return [type(effect) for effect in effects if isinstance(effect, WriteOffStatement)]


def test_r13_what_nobody_will_pay_is_a_loss_in_the_ledger_and_is_not_asked_for_any_more() -> None:
    book = shipped()
    assert (book.last.owed, book.last.settled) == (100, False)
    effects = book.tell(give_up(1, 100))
    assert reply(effects).status == 201
    assert (book.last.owed, book.last.written_off, book.last.settled) == (0, 100, True)
    assert facts(effects) == [DebtWrittenOff]
    assert ledger(book) == {"bad_debts": 100, "revenue": -100}
    assert not [key for key in book.timers if key.startswith("dunning")]
    book.wait(days=60)
    assert "PaymentOverdue" not in book.kinds()
    book.check()


def test_a_part_is_given_up_and_the_rest_is_still_owed() -> None:
    book = shipped()
    book.tell(give_up(1, 40))
    assert (book.last.owed, book.last.settled) == (60, False)
    with pytest.raises(Refused, match=r"60\.01 EUR cannot be written off, 60\.00 EUR is owed"):
        book.tell(give_up(2, "60.01"))
    book.tell(paid(60))
    assert (book.last.settled, book.account.written_off) == (True, 40)
    book.check()


def test_what_is_paid_after_all_takes_the_loss_back_and_nothing_goes_back_to_the_customer() -> None:
    book = shipped()
    book.tell(give_up(1, 100), paid(70))
    assert (book.account.written_off, book.last.owed, book.last.settled, book.calls) == (30, 0, True, [])
    assert ledger(book) == {"bad_debts": 30, "bank": 70, "revenue": -100}
    book.tell(paid(35, "E2"))
    assert (book.account.written_off, [call.amount for call in book.calls]) == (0, [5])
    book.check()


def test_goods_that_come_back_after_all_take_the_loss_back() -> None:
    book = shipped()
    book.tell(give_up(1, 100), give_back(1, 1, l1=4))
    assert (book.account.written_off, book.last.settled, book.calls) == (60, True, [])
    assert ledger(book) == {"bad_debts": 60, "revenue": -60}
    book.check()


def test_a_card_that_cannot_be_charged_is_given_up_and_charged_no_more() -> None:
    book = Book(POLICY)
    book.tell(ask(1, 100), answer(1), ship(1, l1=10), answer(2, "refused", "lost card"))
    book.tell(give_up(1, 100))
    book.provide()
    assert (book.last.owed, book.last.settled, book.account.blocked) == (0, True, "")
    assert "capture" not in [call.kind for call in book.calls]
    book.check()


def test_a_charge_that_was_under_way_takes_the_loss_back() -> None:
    book = Book(POLICY)
    book.tell(ask(1, 100), answer(1), ship(1, l1=10), answer(2, "unknown"))
    book.tell(give_up(1, 100), answer(2))
    assert (book.account.written_off, book.last.captured, book.last.settled) == (0, 100, True)
    assert "bad_debts" not in ledger(book)
    book.check()


def test_r19_cash_that_the_carrier_does_not_pay_out_is_given_up_last() -> None:
    book = shipped("cash_on_delivery")
    book.tell(ShipmentDelivered(order_id=ORDER, version=4, shipment_id=UUID(int=101), state="delivered", warehouse="A"))
    assert book.account.custody == 100
    book.tell(give_up(1, 100))
    assert (book.account.custody, book.last.settled) == (0, True)
    assert ledger(book) == {"bad_debts": 100, "revenue": -100}
    book.tell(CashRemitted(order_id=ORDER, shipment_id=UUID(int=101), amount=money(100), reference="P1"))
    assert (book.account.written_off, book.last.settled, book.calls) == (0, True, [])
    book.check()


def test_refused_at_the_door_and_not_accepted_back_is_given_up() -> None:
    """Seed 1174 of the simulation: nobody will pay for it, so a person settles it."""
    book = shipped("cash_on_delivery")
    assert (book.last.owed, book.last.settled) == (100, False)
    book.tell(give_up(1, 100))
    assert book.last.settled
    book.check()


def test_s8_above_the_limit_another_person_decides_and_who_asked_does_not() -> None:
    book = shipped()
    effects = book.tell(give_up(1, 100, "sam", ("support",)))
    assert (reply(effects).status, facts(effects)) == (202, [WriteOffRequested])
    assert (book.account.written_off, len(book.postings)) == (0, 2)
    with pytest.raises(Refused, match="waits to be decided"):
        book.tell(give_up(2, 10, "sam", ("support",)))
    for who, roles in ("sam", ("finance",)), (" SAM", ("finance",)), ("kim", ("support",)):
        with pytest.raises(Refused) as refused:
            book.tell(approve(1, who, roles))
        assert refused.value.status == 403
    assert facts(book.tell(approve(1, "fay"))) == [DebtWrittenOff]
    (row,) = book.rows(WriteOff)
    assert (row.state, row.asker, row.approver, row.decided_by, row.version) == ("done", "sam", "fay", "fay", 2)
    assert (book.account.written_off, book.last.settled) == (100, True)
    with pytest.raises(Refused, match="done already, by fay"):
        book.tell(approve(1, "ann", ("admin",)))
    book.check()


def test_s8_parts_within_the_limit_are_together_above_it() -> None:
    book = shipped()
    assert reply(book.tell(give_up(1, 30, "sam", ("support",)))).status == 201
    assert reply(book.tell(give_up(2, 21, "sam", ("support",)))).status == 202


def test_a_waiting_one_may_be_taken_back_and_refused_and_is_stale_once_less_is_owed() -> None:
    book = shipped()
    book.tell(give_up(1, 100, "sam", ("support",)))
    with pytest.raises(Refused, match="may not refuse write-offs of others"):
        book.tell(RefuseWriteOff(order_id=ORDER, write_off_id=UUID(int=401), reason="no", actor="kim"))
    m = RefuseWriteOff(order_id=ORDER, write_off_id=UUID(int=401), reason="typed wrongly", actor="sam")
    assert (facts(book.tell(m)), book.account.written_off) == ([WriteOffDenied], 0)
    book.tell(give_up(2, 100, "sam", ("support",)), paid(1))
    with pytest.raises(Refused, match=r"100\.00 EUR cannot be written off, 99\.00 EUR is owed"):
        book.tell(approve(2, "fay"))


def test_asked_again_it_is_done_once() -> None:
    book = shipped()
    m = give_up(1, 100)
    book.tell(m)
    before = len(book.postings)
    assert reply(book.tell(m)).status == 201
    assert (len(book.postings), book.account.written_off) == (before, 100)


def test_a_preview_that_went_stale_does_nothing() -> None:
    book = shipped()
    quote = reply(book.tell(give_up(1, 10)))
    assert quote.body["quote"]
    with pytest.raises(Refused, match="went stale"):
        book.tell(give_up(2, 10, quote="another"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": money(0)}, "amount"),
        ({"amount": money(-1)}, "amount"),
        ({"amount": money("0.005")}, "amount"),
        ({"reason": " "}, "reason"),
        ({"actor": " "}, "X-Actor"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(wrong: dict[str, Any], field: str) -> None:
    book = shipped()
    with pytest.raises(Refused) as refused:
        book.tell(give_up(1, 10).model_copy(update=wrong))
    assert refused.value.field == field


def test_staff_give_nothing_back_of_an_order_of_which_something_was_written_off() -> None:
    book = shipped()
    book.tell(paid(60), give_up(1, 40))
    m = RequestRefund(
        order_id=ORDER,
        refund_id=UUID(int=301),
        invoice="INV-2026-000001",
        lines=(RefundLine(line_no=1, quantity=1),),
        reason="a scratch",
        actor="fay",
        roles=("finance",),
    )
    with pytest.raises(Refused, match=r"40\.00 EUR of this order was written off"):
        book.tell(m)
