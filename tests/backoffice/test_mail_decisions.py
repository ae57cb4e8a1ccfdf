"""Which e-mails are due, each once, whatever comes twice or late, and what becomes of one that is not taken."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from services.backoffice import domain, letters
from services.backoffice.domain import Policy
from services.backoffice.handlers import HANDLERS
from services.backoffice.letters import LEASE, PAUSES
from services.backoffice.rows import Mail, Order
from shared.contracts.backoffice import (
    ClaimMail,
    MailAnswered,
    MailDue,
    OrderSeen,
    OrderSummary,
    SendMail,
    SendMailAgain,
)
from shared.contracts.billing import PaymentRefunded
from shared.contracts.fulfilment import ShipmentDelivered, ShipmentDispatched, ShipmentLine
from shared.contracts.order import OrderConfirmed, OrderPlaced, WithdrawalReceived
from shared.contracts.values import LineQuantity
from shared.messaging.decision import Call, Context, Reply, Row, Timer, decide_alone
from tests.backoffice.shop import Item

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE, PARCEL = UUID(int=1), UUID(int=2)
ON = Policy(mails=True)


class Book:
    """The rows of one order, decided on one message after the other."""

    def __init__(self, policy: Policy = ON) -> None:
        self.rows: dict[Any, Row] = {}
        self.policy, self.now, self.ids = policy, NOON, count(100)

    def decide(self, m: Any, told_at: datetime | None = None) -> list[Any]:
        ctx = Context(
            self.now, lambda: UUID(int=next(self.ids)), self.policy, UUID(int=next(self.ids)), told_at=told_at
        )
        effects, rows = decide_alone(HANDLERS[type(m)], m, list(self.rows.values()), ctx)
        for kind, changed in rows.changed.items():
            self.rows |= {(kind, key): row for key, row in changed.items()}
        return effects

    def wanted(self, m: Any, told_at: datetime | None = None) -> list[str]:
        """The kinds of e-mails that it makes due; each with its call."""
        effects = self.decide(m, told_at)
        calls = [of for of in effects if isinstance(of, Call) and isinstance(of.message, SendMail)]
        mails = [of for of in effects if isinstance(of, Mail)]
        assert [call.message.mail_id for call in calls] == [mail.mail_id for mail in mails]  # type: ignore[attr-defined]
        return [mail.kind for mail in mails]

    @property
    def mail(self) -> Mail:
        (mail,) = (row for row in self.rows.values() if isinstance(row, Mail))
        return mail


def confirmed(version: int = 3) -> OrderConfirmed:
    return OrderConfirmed(order_id=ONE, version=version, number="C-1", status="in_fulfilment")


def parcel(kind: type[Any], version: int, shipment: UUID = PARCEL) -> Any:
    state = {ShipmentDispatched: "dispatched", ShipmentDelivered: "delivered"}[kind]
    lines = (ShipmentLine(line_no=1, sku="mug", planned=2, shipped=2),)
    return kind(order_id=ONE, shipment_id=shipment, version=version, state=state, warehouse="north", lines=lines)


def money(version: int, refunded: str) -> PaymentRefunded:
    return PaymentRefunded(order_id=ONE, version=version, answers=1, state="ok", refunded=Decimal(refunded))


def withdrawn(return_id: int = 7, reason: str = "") -> WithdrawalReceived:
    lines = (LineQuantity(line_no=1, quantity=2),)
    return WithdrawalReceived(order_id=ONE, return_id=UUID(int=return_id), lines=lines, reason=reason)


def seen(revision: int, day: str = "", backordered: int = 0) -> OrderSeen:
    summary = OrderSummary(
        order_id=ONE, revision=revision, heard=(), number="C-1", placed_at=NOON, status="in_fulfilment", currency="EUR",
        gross=Decimal(1), due=Decimal(1), backordered=backordered, promised_on=date.fromisoformat(day) if day else None,
    )  # fmt: skip
    return OrderSeen(order_id=ONE, order=summary)


def test_a_look_reads_the_e_mails_of_an_order_only_where_a_part_of_it_is_late() -> None:
    looks = [seen(1), seen(2, "2026-03-09", backordered=2), seen(3, "", 1), OrderSeen(order_id=ONE, order=None)]
    assert [(Mail, ONE) in HANDLERS[OrderSeen].needs(look) for look in looks] == [False, True, True, False]


def test_each_fact_is_told_once_however_often_and_late_it_comes() -> None:
    book = Book()
    said = [confirmed(), parcel(ShipmentDispatched, 4), parcel(ShipmentDelivered, 5), withdrawn(), money(7, "5.00")]
    assert [book.wanted(m) for m in said] == [["confirmed"], ["shipped"], ["delivered"], ["withdrawn"], ["refunded"]]
    assert [book.wanted(m) for m in said] == [[], [], [], [], []]
    assert book.wanted(withdrawn(8)) == ["withdrawn"], "another part of it"
    assert book.wanted(confirmed(9)) == [], "confirmed once more, as it was held in between"
    assert book.wanted(parcel(ShipmentDispatched, 4, UUID(int=3))) == ["shipped"], "another parcel"
    assert book.wanted(money(8, "7.50")) == ["refunded"]
    assert sorted(
        row.facts["amount"] for row in book.rows.values() if isinstance(row, Mail) and row.kind == "refunded"
    ) == ["2.50", "5.00"]


def test_that_a_parcel_left_is_not_told_after_it_arrived() -> None:
    book = Book()
    assert book.wanted(parcel(ShipmentDelivered, 5)) == ["delivered"]
    assert book.wanted(parcel(ShipmentDispatched, 4)) == []


def test_a_day_is_told_when_it_differs_from_the_one_told_last_and_never_before_the_order_is_confirmed() -> None:
    book = Book()
    assert book.wanted(seen(1, "2026-03-10", 2)) == []
    book.decide(confirmed())
    assert book.wanted(seen(1, "2026-03-10", 2)) == ["backordered"], "the same look, after the confirmation was heard"
    assert book.wanted(seen(1, "2026-03-10", 2)) == []
    assert book.wanted(seen(2, "2026-03-12", 2)) == ["date_changed"]
    assert book.wanted(seen(1, "2026-03-10", 2)) == [], "an older look"
    assert book.wanted(seen(3, "2026-03-10", 2)) == ["date_changed"], "back to the first day is another change"
    assert book.wanted(seen(4)) == [], "nothing is late any more"


def test_that_no_day_is_known_any_more_is_told_once_and_the_day_when_there_is_one() -> None:
    book = Book()
    book.decide(confirmed())
    assert book.wanted(seen(1, "2026-03-10", 2)) == ["backordered"]
    assert book.wanted(seen(2, "", 2)) == ["date_changed"]
    assert book.wanted(seen(3, "", 2)) == []
    assert book.wanted(seen(4, "2026-05-01", 2)) == ["date_changed"]


@pytest.mark.parametrize(
    ("policy", "told_at", "kinds"),
    [
        (Policy(), NOON, []),
        (ON, NOON - timedelta(days=3), ["confirmed"]),
        (ON, NOON - timedelta(days=3, seconds=1), []),
        (Policy(mails=True, mail_since=NOON), NOON - timedelta(seconds=1), []),
        (Policy(mails=True, mail_since=NOON), NOON, ["confirmed"]),
    ],
)
def test_the_past_and_what_was_before_the_switching_on_is_told_to_nobody(
    policy: Policy, told_at: datetime, kinds: list[str]
) -> None:
    assert Book(policy).wanted(confirmed(), told_at) == kinds


def due(book: Book) -> Item:
    """The reply to whoever wants to send the only e-mail."""
    effects = book.decide(ClaimMail(order_id=ONE, mail_id=book.mail.mail_id))
    (reply,) = (of for of in effects if isinstance(of, Reply))
    return dict(reply.body)


def test_only_one_takes_an_e_mail_until_its_time_is_over() -> None:
    book = Book()
    book.decide(confirmed())
    assert due(book)["taken"]
    assert not due(book)["taken"]
    book.now += LEASE - timedelta(seconds=1)
    assert not due(book)["taken"]
    book.decide(MailDue(order_id=ONE, mail_id=book.mail.mail_id))
    assert book.mail.state == "sending", "the timer was armed anew meanwhile"
    book.now += timedelta(seconds=1)
    effects = book.decide(MailDue(order_id=ONE, mail_id=book.mail.mail_id))
    assert [of.message for of in effects if isinstance(of, Call)] == [SendMail(order_id=ONE, mail_id=book.mail.mail_id)]
    assert due(book)["taken"]
    assert book.mail.tries == 2


def answered(book: Book, outcome: Any, why: str = "") -> list[Any]:
    return book.decide(MailAnswered(order_id=ONE, mail_id=book.mail.mail_id, outcome=outcome, why=why))


def test_what_is_not_taken_is_tried_later_and_later_and_then_waits_for_a_person() -> None:
    book, waits = Book(), []
    book.decide(confirmed())
    while book.mail.state != "parked":
        assert due(book)["taken"]
        effects = answered(book, "later", "The mail server is not reached.")
        if book.mail.state == "waiting":
            (timer,) = (of for of in effects if isinstance(of, Timer))
            assert timer.due_at is not None
            waits.append(timer.due_at - book.now)
            book.now = timer.due_at
            book.decide(MailDue(order_id=ONE, mail_id=book.mail.mail_id))
    assert tuple(waits) == PAUSES
    assert book.mail.why == "The mail server is not reached."
    assert not due(book)["taken"]
    book.decide(SendMailAgain(order_id=ONE, mail_id=book.mail.mail_id))
    assert due(book)["taken"]
    answered(book, "sent")
    assert (book.mail.state, book.mail.sent_at) == ("sent", book.now)
    answered(book, "later", "a late word")
    answered(book, "refused", "a late word")
    assert book.mail.state == "sent"
    (reply,) = (
        of for of in book.decide(SendMailAgain(order_id=ONE, mail_id=book.mail.mail_id)) if isinstance(of, Reply)
    )
    assert reply.status == 409


def test_what_is_refused_waits_for_a_person_at_once_and_what_nobody_tried_comes_back_soon() -> None:
    book = Book()
    book.decide(confirmed())
    answered(book, "busy")
    assert (book.mail.state, book.mail.due_at, book.mail.tries) == ("waiting", NOON + letters.BUSY, 0)
    book.now += letters.BUSY
    book.decide(MailDue(order_id=ONE, mail_id=book.mail.mail_id))
    due(book)
    answered(book, "taken")
    assert book.mail.state == "sending"
    answered(book, "refused", "The mail server refused it: 550 no such user")
    assert (book.mail.state, book.mail.why) == ("parked", "The mail server refused it: 550 no such user")


def test_statements_that_no_customer_hears_of_load_no_e_mails() -> None:
    assert (Mail, ONE) in domain.to_order(confirmed())
    placed = OrderPlaced(order_id=ONE, version=1, number="C-1", status="awaiting_stock")
    assert Mail not in {kind for kind, _ in HANDLERS[OrderPlaced].needs(placed)}
    assert set(domain.MAILED) <= set(HANDLERS)
    assert Order in {kind for kind, _ in letters.to_mail(SendMailAgain(order_id=ONE, mail_id=ONE))}
