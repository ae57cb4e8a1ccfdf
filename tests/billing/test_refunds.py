"""Refunds by the staff: what may be given back, with which VAT, by whom alone, and that it is done once."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.billing.domain import rule
from services.billing.domain.credits import left_of
from services.billing.domain.rows import CreditNote, Invoice, Policy, Refund, Series
from shared.contracts.billing import (
    ApproveRefund,
    BankMoneyArrived,
    RefundDenied,
    RefundGranted,
    RefundLine,
    RefundRequested,
    RefundStatement,
    RefuseRefund,
    RequestRefund,
)
from shared.contracts.values import PriceLine
from shared.messaging.decision import Effect, Refused, Reply
from tests.billing.book import ORDER, Book, ask, give_back, line, money, ship

POLICY = Policy(
    refund_limits={"support": {"EUR": Decimal(50)}, "finance": {"EUR": Decimal(250)}},
    refund_approvers=frozenset({"finance", "admin"}),
)
ALL = Policy(refund_limits={"support": {"EUR": Decimal(10**9)}})
CUPS = (line(1, "10.00", 3, rate="21"), line(2, "4.99", 2, rate="9"), line(3, "5.95", rate="21", kind="shipping"))
"""Three cups, two books at another rate, and postage."""


def give(no: int, *lines: RefundLine, actor: str = "sam", roles: tuple[str, ...] = ("support",), **more: Any) -> Any:
    fields = {"reason": "a scratch", "invoice": "INV-2026-000001", **more}
    return RequestRefund(order_id=ORDER, refund_id=UUID(int=300 + no), lines=lines, actor=actor, roles=roles, **fields)


def approve(no: int, actor: str, *roles: str, **more: Any) -> ApproveRefund:
    return ApproveRefund(order_id=ORDER, refund_id=UUID(int=300 + no), actor=actor, roles=roles, **more)


def amount(line_no: int, text: str) -> RefundLine:
    return RefundLine(line_no=line_no, amount=money(text))


def pieces(line_no: int, quantity: int) -> RefundLine:
    return RefundLine(line_no=line_no, quantity=quantity)


def paid(policy: Policy = POLICY, *, inclusive: bool = True, lines: tuple[PriceLine, ...] = CUPS) -> Book:
    """An order that is out, invoiced and paid."""
    book = Book(policy)
    book.tell(ask(1, "1000", lines=lines, prices_include_vat=inclusive), ship(1, l1=3, l2=2, l3=1))
    book.provide()
    book.tell(ask(2, str(book.account.invoiced), lines=lines, prices_include_vat=inclusive))
    book.provide()
    assert rule.held(book.account) == book.account.invoiced
    return book


def said(effects: list[Effect]) -> list[type[RefundStatement]]:
    return [type(effect) for effect in effects if isinstance(effect, RefundStatement)]


def test_a_part_of_a_price_is_credited_with_its_vat_and_goes_back_the_way_it_came() -> None:
    book = paid()
    assert said(book.tell(give(1, amount(1, "5.00"), amount(3, "1.00")))) == [RefundGranted]
    (note,) = book.rows(CreditNote)
    assert (note.gross, note.vat, note.invoice) == (money("6.00"), money("1.04"), "INV-2026-000001")
    assert [(of.line_no, of.quantity, of.amount) for of in note.lines] == [(1, 0, money("5.00")), (3, 0, money("1.00"))]
    (refund,) = book.rows(Refund)
    assert (refund.state, refund.credit_note, refund.asker, refund.approver) == ("done", note.number, "sam", "")
    assert (refund.decided_by, refund.reason, refund.gross) == ("sam", "a scratch", money("6.00"))
    assert book.account.refunding == money("6.00")
    book.provide()
    assert book.account.refunded == money("6.00")
    assert rule.settled(book.account)
    entry = [(p.account, p.amount) for p in book.postings if p.entry_id == note.number]
    assert entry == [
        ("customer_prepayments", money("-6.00")),
        ("revenue", money("4.96")),
        ("vat_payable", money("1.04")),
    ]
    book.check()


def test_the_same_refund_twice_is_one() -> None:
    book = paid()
    book.tell(give(1, amount(1, "5.00")))
    again = book.tell(give(1, amount(1, "5.00")))
    assert [type(effect) for effect in again] == [Reply]
    assert len(book.rows(CreditNote)) == 1
    assert book.account.credited == money("5.00")


def test_pieces_that_are_given_back_may_come_back_and_give_no_money_twice() -> None:
    book = paid()
    book.tell(give(1, pieces(1, 2)))
    assert book.account.credited == money("20.00")
    book.provide()
    book.tell(give_back(1, 1, l1=2))
    notes = sorted(book.rows(CreditNote), key=lambda n: n.serial)
    assert [note.gross for note in notes] == [money("20.00"), money("10.00")]
    book.provide()
    book.tell(give_back(1, 1, l1=3))
    assert book.account.credited == money("30.00")
    assert sorted(book.rows(CreditNote), key=lambda n: n.serial)[-1].gross == 0
    book.provide()
    assert book.account.refunded == money("30.00")
    book.check()


def test_a_part_of_the_price_makes_the_pieces_that_come_back_later_cheaper() -> None:
    book = paid()
    book.tell(give(1, amount(1, "6.00")))
    book.tell(give_back(1, 1, l1=1))
    assert book.account.credited == money("14.00"), "24.00 are left of three cups"
    book.tell(give_back(1, 1, l1=3))
    assert book.account.credited == money("30.00")
    book.check()


def test_what_came_back_is_not_given_back_again() -> None:
    book = paid()
    book.tell(give_back(1, 1, l1=2))
    with pytest.raises(Refused, match="1 of 3 pieces are not credited yet"):
        book.tell(give(1, pieces(1, 2)))
    with pytest.raises(Refused, match=r"10.00 EUR of 30.00 EUR is not credited yet"):
        book.tell(give(2, amount(1, "10.01")))
    book.tell(give(3, amount(1, "10.00")))
    with pytest.raises(Refused):
        book.tell(give(4, amount(1, "0.01")))
    book.check()


@pytest.mark.parametrize("inclusive", [True, False])
def test_one_cent_at_a_time_until_nothing_is_left(inclusive: bool) -> None:
    sweets = (line(1, "0.13", 3, rate="21"), line(2, "0.11", 2, rate="9"), line(3, "0.29", rate="21", kind="shipping"))
    book = paid(ALL, inclusive=inclusive, lines=sweets)
    (invoice,) = book.rows(Invoice)
    left, no = {of.line_no: of.amount for of in invoice.lines}, 0
    while any(left.values()):
        for line_no in [line_no for line_no, of in left.items() if of]:
            no += 1
            book.tell(give(no, amount(line_no, "0.01")))
            left[line_no] -= money("0.01")
            a = book.account
            assert a.refunded <= a.credited <= a.captured == invoice.gross
            book.provide()
    notes = book.rows(CreditNote)
    assert all(note.vat >= 0 and note.net >= 0 for note in notes)
    for part in ("net", "vat", "gross"):
        assert sum(getattr(note, part) for note in notes) == getattr(invoice, part)
    for group in invoice.groups:
        credited = [g for note in notes for g in note.groups if g.rate == group.rate]
        assert sum(g.vat for g in credited) == group.vat
        assert sum(g.base for g in credited) == group.base
    assert rule.held(book.account) == 0
    with pytest.raises(Refused):
        book.tell(give(no + 1, amount(1, "0.01")))
    book.check()


@given(
    inclusive=st.booleans(),
    acts=st.lists(
        st.tuples(st.sampled_from(["amount", "pieces", "return"]), st.integers(1, 3), st.integers(1, 1200)), max_size=14
    ),
)
@settings(max_examples=60, deadline=None)
def test_however_refunds_and_returns_follow_each_other_nothing_is_given_back_twice(
    inclusive: bool, acts: list[tuple[str, int, int]]
) -> None:
    book = paid(ALL, inclusive=inclusive)
    (invoice,) = book.rows(Invoice)
    sold = {of.line_no: of for of in invoice.lines}
    came = dict.fromkeys(sold, 0)
    for no, (kind, line_no, n) in enumerate(acts):
        if kind == "return":
            if came[line_no] == sold[line_no].quantity:
                continue
            came[line_no] += 1
            book.tell(give_back(no, 1, **{f"l{line_no}": 1}))
        else:
            what = amount(line_no, f"{n / 100:.2f}") if kind == "amount" else pieces(line_no, n % 3 + 1)
            try:
                book.tell(give(no, what))
            except Refused as refused:
                if refused.status != 409:
                    raise
        book.provide()
        notes = book.rows(CreditNote)
        for number, left in left_of(invoice, notes).items():
            assert 0 <= left.amount <= sold[number].amount
            assert 0 <= left.pieces <= sold[number].quantity
        assert sum((note.gross for note in notes), money(0)) <= invoice.gross
        assert book.account.refunded <= book.account.captured
        assert rule.held(book.account) == rule.should_hold(book.account)
    # What is left of each line can be given back to the cent, and VAT closes with it.
    rest = [amount(no, str(of.amount)) for no, of in left_of(invoice, book.rows(CreditNote)).items() if of.amount]
    if rest:
        book.tell(give(1000, *rest))
        book.provide()
    assert book.account.credited == invoice.gross == book.account.refunded
    assert sum((note.vat for note in book.rows(CreditNote)), money(0)) == invoice.vat
    book.check()


@pytest.mark.parametrize(
    ("wrong", "field", "status"),
    [
        ((amount(1, "30.01"),), "lines.0.amount", 409),
        ((pieces(1, 4),), "lines.0.quantity", 409),
        ((amount(9, "1.00"),), "lines.0.line_no", 422),
        ((amount(1, "1.00"), amount(1, "1.00")), "lines.1.line_no", 422),
        ((RefundLine(line_no=1),), "lines.0.amount", 422),
        ((RefundLine(line_no=1, quantity=1, amount=money("1.00")),), "lines.0.amount", 422),
        ((amount(1, "0.005"),), "lines.0.amount", 422),
        ((amount(1, "-1.00"),), "lines.0.amount", 422),
    ],
)
def test_what_cannot_be_given_back_is_named(wrong: tuple[RefundLine, ...], field: str, status: int) -> None:
    book = paid()
    with pytest.raises(Refused) as refused:
        book.tell(give(1, *wrong))
    assert (refused.value.field, refused.value.status) == (field, status)
    assert not book.rows(Refund)


def test_who_is_not_named_and_who_says_no_reason_gives_nothing_back() -> None:
    book = paid()
    for wrong, field in (
        (give(1, amount(1, "1.00"), actor=" "), "X-Actor"),
        (give(1, amount(1, "1.00"), reason=" "), "reason"),
    ):
        with pytest.raises(Refused) as refused:
            book.tell(wrong)
        assert refused.value.field == field
    with pytest.raises(Refused, match="no invoice INV-7"):
        book.tell(give(1, amount(1, "1.00"), invoice="INV-7"))


@pytest.mark.parametrize("method", ["terms", "cash_on_delivery"])
def test_what_was_not_paid_cannot_be_given_back(method: str) -> None:
    book = Book(POLICY)
    book.tell(ask(1, "50", method, lines=CUPS, prices_include_vat=True), ship(1, l1=3))
    with pytest.raises(Refused, match=r"30.00 EUR of this order is still owed"):
        book.tell(give(1, amount(1, "1.00")))


def test_money_that_is_on_its_way_back_is_not_given_back_again() -> None:
    """A return was credited and its refund is not answered yet: the rest of the order's money stands for the refund."""
    book = paid()
    book.tell(give_back(1, 1, l1=3, l2=2))
    assert book.account.running
    book.tell(give(1, amount(3, "5.95")))
    with pytest.raises(Refused):
        book.tell(give(2, amount(3, "0.01")))
    book.provide()
    assert book.account.refunded == book.account.captured
    book.check()


def test_a_prepaid_order_gives_back_of_what_is_out_while_the_rest_waits() -> None:
    book = Book(POLICY)
    book.tell(ask(1, "40.00", "bank_transfer", lines=(line(1, "10.00", 4, rate="0"),)))
    arrived = BankMoneyArrived(
        entry_id="e", order_id=ORDER, amount=money("40.00"), currency="EUR", booked_on="2026-03-01"
    )
    book.tell(arrived, ship(1, l1=1))
    with pytest.raises(Refused, match=r"10.00 EUR of 10.00 EUR is not credited yet"):
        book.tell(give(1, amount(1, "10.01")))
    book.tell(give(2, amount(1, "4.00")))
    book.provide()
    assert book.account.refunded == money("4.00")
    assert rule.secured(book.account) >= book.account.due, "what is open stays secured"
    book.check()


# Four eyes


def test_above_the_limit_it_waits_and_credits_nothing() -> None:
    book = paid()
    effects = book.tell(give(1, amount(1, "30.00"), amount(2, "9.98"), roles=("packer",)))
    assert said(effects) == [RefundRequested]
    (refund,) = book.rows(Refund)
    assert (refund.state, refund.gross, refund.limit) == ("waiting", money("39.98"), 0)
    assert book.account.credited == 0
    assert not book.rows(CreditNote)
    assert not book.rows(Series) or book.rows(Series)[0].series == "INV"


def test_in_parts_it_is_not_less() -> None:
    small = Policy(refund_limits={"support": {"EUR": Decimal(10)}}, refund_approvers=frozenset({"finance"}))
    book = paid(small)
    book.tell(give(1, amount(1, "6.00")))
    assert said(book.tell(give(2, amount(1, "4.01")))) == [RefundRequested]
    assert said(book.tell(give(3, amount(1, "4.00"), actor="Sam "))) == [RefundGranted], "10.00 in all is allowed"
    assert said(book.tell(give(4, amount(1, "0.01"), actor="SAM"))) == [RefundRequested], "however the name is written"
    assert said(book.tell(give(5, amount(1, "5.00"), actor="kim"))) == [RefundGranted], "another person has a limit too"
    book.tell(approve(2, "flo", "finance"))
    assert book.account.credited == money("19.01")


def test_a_limit_is_of_one_currency() -> None:
    """50 is a limit in EUR; in another currency it would be another sum, so nothing is given back alone there."""
    for limits, answer in (({"EUR": Decimal(50)}, RefundRequested), ({"GBP": Decimal(7)}, RefundGranted)):
        book = Book(Policy(refund_limits={"support": limits}, refund_approvers=frozenset({"finance"})))
        for version in (1, 2):
            book.tell(ask(version, "46.30", currency="GBP", lines=CUPS))
            book.provide()
        book.tell(ship(1, l1=3))
        book.provide()
        assert said(book.tell(give(1, amount(1, "5.00"), roles=("support", "packer")))) == [answer], limits


@pytest.mark.parametrize("name", ["sam", "Sam", " SAM "])
def test_who_asked_cannot_approve_whatever_the_roles(name: str) -> None:
    book = paid()
    book.tell(give(1, amount(1, "30.00"), roles=()))
    with pytest.raises(Refused, match="another person must") as refused:
        book.tell(approve(1, name, "finance", "admin"))
    assert refused.value.status == 403
    assert book.rows(Refund)[0].state == "waiting"


def test_another_person_with_the_right_approves_it_once() -> None:
    book = paid()
    book.tell(give(1, amount(1, "30.00"), roles=()))
    with pytest.raises(Refused, match="may not approve"):
        book.tell(approve(1, "kim", "support"))
    with pytest.raises(Refused, match="X-Actor is missing"):
        book.tell(approve(1, "", "finance"))
    book.now += (later := book.now - book.now.replace(hour=10))
    assert said(book.tell(approve(1, "flo", "finance", note="fair"))) == [RefundGranted]
    (refund,) = book.rows(Refund)
    assert (refund.state, refund.approver, refund.decided_by, refund.note) == ("done", "flo", "flo", "fair")
    assert refund.decided_at == refund.asked_at + later
    assert refund.version == 2
    assert book.account.credited == money("30.00")
    for again in (
        approve(1, "flo", "finance"),
        RefuseRefund(order_id=ORDER, refund_id=UUID(int=301), reason="no", actor="flo", roles=("finance",)),
    ):
        with pytest.raises(Refused, match="was done already, by flo") as refused:
            book.tell(again)
        assert refused.value.status == 409
    book.check()


def test_it_is_refused_with_a_reason_or_taken_back_and_nothing_is_credited() -> None:
    book = paid()
    for no in (1, 2):
        book.tell(give(no, amount(1, "30.00"), roles=()))

    def refuse(no: int, reason: str, actor: str, *roles: str) -> list[Effect]:
        return book.tell(
            RefuseRefund(order_id=ORDER, refund_id=UUID(int=300 + no), reason=reason, actor=actor, roles=roles)
        )

    with pytest.raises(Refused, match="say why"):
        refuse(1, " ", "flo", "finance")
    with pytest.raises(Refused, match="may not refuse"):
        refuse(1, "no", "kim", "support")
    assert said(refuse(1, "no", "flo", "finance")) == [RefundDenied]
    assert said(refuse(2, "a mistake", "Sam", "support")) == [RefundDenied]
    assert [(r.state, r.decided_by, r.note) for r in book.rows(Refund)] == [
        ("refused", "flo", "no"),
        ("refused", "Sam", "a mistake"),
    ]
    assert book.account.credited == 0
    with pytest.raises(Refused, match="was refused already"):
        book.tell(approve(1, "flo", "finance"))


def test_what_would_be_another_refund_now_is_not_approved() -> None:
    book = paid()
    book.tell(give(1, pieces(1, 3), roles=()))
    book.tell(give_back(1, 1, l1=1))
    with pytest.raises(Refused, match="2 of 3 pieces are not credited yet"):
        book.tell(approve(1, "flo", "finance"))
    other = paid()
    other.tell(give(1, pieces(1, 1), roles=()))
    other.tell(give(2, amount(1, "6.00")))
    with pytest.raises(Refused, match=r"would come to 8.00 EUR now instead of 10.00 EUR"):
        other.tell(approve(1, "flo", "finance"))
    assert other.account.credited == money("6.00")


# Previews


def quote_of(effects: list[Effect]) -> str:
    (reply,) = [effect for effect in effects if isinstance(effect, Reply)]
    return str(reply.body["quote"])


def rehearsed(book: Book, message: RequestRefund | ApproveRefund) -> list[Effect]:
    """The decision on what is stored, undone."""
    other = Book(book.policy)
    other.now, other.stored = book.now, dict(book.stored)
    return other.tell(message)


def test_a_quote_holds_until_the_money_changes() -> None:
    book = paid()
    wish = give(1, amount(1, "5.00"))
    quote = quote_of(rehearsed(book, wish))
    book.tell(give(2, amount(1, "1.00")))
    with pytest.raises(Refused, match="went stale") as refused:
        book.tell(give(1, amount(1, "5.00"), quote=quote))
    assert (refused.value.status, refused.value.field) == (409, "quote")
    assert book.account.credited == money("1.00")
    fresh = quote_of(rehearsed(book, wish))
    book.tell(give(1, amount(1, "5.00"), quote=fresh))
    assert book.account.credited == money("6.00")


def test_a_quote_is_of_one_refund() -> None:
    book = paid()
    quote = quote_of(rehearsed(book, give(1, amount(1, "5.00"))))
    with pytest.raises(Refused, match="went stale"):
        book.tell(give(1, amount(1, "5.01"), quote=quote))
    with pytest.raises(Refused, match="went stale"):
        book.tell(give(1, amount(1, "5.00"), roles=(), quote=quote))


def test_an_approval_has_a_quote_too() -> None:
    book = paid()
    book.tell(give(1, amount(1, "30.00"), roles=()))
    quote = quote_of(rehearsed(book, approve(1, "flo", "finance")))
    book.tell(give(2, amount(3, "1.00")))
    with pytest.raises(Refused, match="went stale"):
        book.tell(approve(1, "flo", "finance", quote=quote))
    fresh = quote_of(rehearsed(book, approve(1, "flo", "finance")))
    book.tell(approve(1, "flo", "finance", quote=fresh))
    assert book.account.credited == money("31.00")
