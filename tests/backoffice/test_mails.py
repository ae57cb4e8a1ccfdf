"""E-mails to customers: of what, in whose language, and each once, whatever comes twice, late or not at all.

The oracle is the book of the mail server (tests/backoffice/mailserver.py).
"""

import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPReadTimeoutError,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPServerDisconnected,
)
from pydantic import ValidationError
from pypdf import PdfReader

from comptoir.commands import owners_at
from comptoir.rebuilding import rebuild
from comptoir.suite import make
from services.backoffice import domain, letters
from services.backoffice.domain import Policy
from services.backoffice.handlers import HANDLERS
from services.backoffice.letters import LEASE, PAUSES, mail_id
from services.backoffice.pages import Pages
from services.backoffice.phrases import Phrases
from services.backoffice.post import Sender, Server, Unsendable, addressed, cause_of, letter, message
from services.backoffice.retold import found
from services.backoffice.rows import Mail, Order
from services.backoffice.settings import Settings
from shared.clock import now
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
from shared.contracts.order import OrderConfirmed, WithdrawalReceived
from shared.contracts.values import LineQuantity
from shared.messaging.bus import arrival_of
from shared.messaging.decision import Call, Context, Reply, Row, Timer, decide_alone
from shared.service import Running
from tests.backoffice.mailserver import MailServer
from tests.backoffice.shop import ANNA, Item, Shop, shop_at
from tests.backoffice.test_money import given_back, sold
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE, PARCEL = UUID(int=1), UUID(int=2)
ON = Policy(mails=True)


# Decisions


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
    looks = [seen(1), seen(2, "2026-03-09", backordered=2), OrderSeen(order_id=ONE, order=None)]
    assert [(Mail, ONE) in HANDLERS[OrderSeen].needs(look) for look in looks] == [False, True, False]


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
    placed = [way for fact, way in HANDLERS.items() if fact.key == "order.order_placed.v1"]
    assert placed[0].needs is domain.to_order
    assert set(domain.MAILED) <= set(HANDLERS)
    assert Order in {kind for kind, _ in letters.to_mail(SendMailAgain(order_id=ONE, mail_id=ONE))}


# What one says


ORDER: Item = {
    "id": str(ONE), "number": "C-1", "currency": "EUR", "due": "30.25",
    "bill_to": {**ANNA, "company": ""}, "ship_to": {**ANNA, "company": ""},
    "lines": [
        {"line_no": 1, "text": "Blauwe <b>mok</b>", "kind": "goods", "ordered": 2, "backordered": 1},
        {"line_no": 2, "text": "Verzending", "kind": "shipping", "ordered": 1, "backordered": 0},
    ],
}  # fmt: skip
PAGES = Pages("Europe/Brussels", "Huis & Haard")


def test_all_about_an_e_mail_that_did_not_go_is_told_by_its_cause() -> None:
    said: list[tuple[Exception, str, str]] = [
        (SMTPRecipientsRefused([SMTPRecipientRefused(550, "no such user", "a@b.c")]), "refused", "550 no such user"),
        (SMTPRecipientsRefused([SMTPRecipientRefused(450, "later", "a@b.c")]), "later", "450 later"),
        (SMTPDataError(554, "spam\r\nX: y"), "refused", "554 spam X: y"),
        (SMTPAuthenticationError(535, "who are you"), "later", "does not let us in: 535 who are you"),
        (SMTPReadTimeoutError("slow"), "later", "not known"),
        (SMTPServerDisconnected("gone"), "later", "not known"),
        (OSError("no route"), "later", "not reached: no route"),
        (TimeoutError(), "later", "not reached: TimeoutError"),
        (KeyError("x"), "later", "could not be made: KeyError"),
    ]
    for error, outcome, part in said:
        assert cause_of(error)[0] == outcome, error
        assert part in cause_of(error)[1], error
        assert found(cause_of(error)[1]), "so that it is said in every language"


def made(kind: str, order: Item = ORDER, sender: Sender | None = None, **facts: Any) -> Any:
    sender = sender or Sender(from_="Huis & Haard <orders@shop.example>")
    said = letter({"kind": kind, "facts": facts, "at": NOON.isoformat()}, order, [], sender, PAGES, NOON)
    return message(mail_id(ONE, kind, "order", ""), kind, order, said, [], sender, NOON)


def test_an_e_mail_has_the_heads_that_mail_programs_go_by() -> None:
    first, later = made("confirmed"), made("shipped", lines=[[1, 2]], tracking="", carrier="")
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Content-Language"] == "nl"
    assert first["Message-ID"] == made("confirmed")["Message-ID"]
    assert first["Message-ID"].endswith("@shop.example>")
    assert first["In-Reply-To"] is None
    assert later["In-Reply-To"] == later["References"] == first["Message-ID"]
    assert first["To"] == "Anna de Vries <anna@example.org>"
    assert first["Date"] == "Mon, 02 Mar 2026 12:00:00 +0000"
    assert [part.get_content_type() for part in first.iter_parts()] == ["text/plain", "text/html"]
    assert "Verzending" not in first.get_body(("plain",)).get_content()
    assert "&lt;b&gt;mok" in first.get_body(("html",)).get_content()


def test_a_withdrawal_is_confirmed_with_what_it_said_and_to_the_second_when_it_came() -> None:
    mail = made("withdrawn", lines=[[1, 2]], reason="te klein <b>\nBcc: x")
    text = mail.get_body(("plain",)).get_content()
    assert "maandag 2 maart 2026, 13:00:00 Midden-Europese standaardtijd" in text
    assert "Anna de Vries ziet af van de koop van deze artikelen van bestelling C-1" in text
    assert "2 × Blauwe <b>mok</b>" in text
    assert "Reden: te klein <b> Bcc: x" in text
    assert "Reden: te klein &lt;b&gt;" in mail.get_body(("html",)).get_content()
    assert "Reden" not in made("withdrawn", lines=[[1, 2]], reason="").get_body(("plain",)).get_content()
    nobody = {**ORDER, "bill_to": {**ANNA, "name": ""}, "ship_to": {**ANNA, "name": ""}}
    mail = made("withdrawn", nobody, lines=[[1, 2]], reason="")
    assert ": anna@example.org ziet af" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize("country", ["NL", "DE", "FR", "GB"])
@pytest.mark.parametrize(
    "kind", ["confirmed", "backordered", "date_changed", "shipped", "delivered", "withdrawn", "refunded"]
)
def test_every_e_mail_can_be_made_in_every_language(kind: str, country: str) -> None:
    order = {**ORDER, "bill_to": {**ORDER["bill_to"], "country": country}}
    facts = {
        "day": "2026-03-10",
        "before": "2026-03-08",
        "lines": [[1, 2]],
        "carrier": "",
        "tracking": "T1",
        "amount": "5",
        "reason": "",
    }
    mail = made(kind, order, **facts)
    assert "%(" not in mail.as_string()
    assert "C-1" in mail["Subject"]


@pytest.mark.parametrize(
    "more",
    [
        {"name": "Anna\r\nBcc: all@evil.example"}, {"name": "Anna\nX: y\u2028z\x00"}, {"name": '"Anna" <x@y.z>'},
        {"email": "anna@example.org\nBcc: b@c.d"}, {"email": "anna@example.org, b@evil.example"}, {"email": "anna"},
        {"email": "<anna@example.org>"}, {"email": "a b@c.d"}, {"email": "ä@example.org"}, {"email": "@example.org"},
        {"email": f"{'x' * 65}@example.org"},
    ],
)  # fmt: skip
def test_nothing_that_a_customer_wrote_becomes_a_head(more: Item) -> None:
    who = {**ORDER["bill_to"], **more}
    try:
        mail = made("confirmed", {**ORDER, "bill_to": who, "ship_to": who})
    except Unsendable:
        assert "email" in more
        return
    assert "email" not in more
    text = mail.as_bytes().decode()
    assert not [line for line in text.splitlines() if line.lower().startswith(("bcc:", "x:"))]
    assert [address.addr_spec for address in mail["To"].addresses] == ["anna@example.org"]


def test_a_domain_with_letters_of_its_own_is_written_as_mail_servers_know_it() -> None:
    assert addressed("Jörg", "joerg@bücher.example").addr_spec == "joerg@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "more",
    [
        {"smtp_host": ""}, {"mail_from": ""}, {"mail_since": None}, {"public_url": ""}, {"link_keys": ""},
        {"mail_from": "nobody"}, {"smtp_password": "p", "smtp_security": "none"}, {"mail": "post"},
        {"mail_from": "a@b.c\nBcc: d@e.f"},
    ],
)  # fmt: skip
def test_a_wrong_setting_of_mail_stops_the_start(more: Item) -> None:
    good: Item = {
        "mail": "smtp", "smtp_host": "mail.example", "mail_from": "Shop <orders@shop.example>", "mail_since": NOON,
        "public_url": "https://shop.example", "link_keys": "k" * 32, "smtp_password": "p",
    }  # fmt: skip
    assert Settings(**good).sender().server == Server("mail.example", 587, "starttls", "", "p", 10)
    with pytest.raises(ValidationError):
        Settings(**{**good, **more})


# From the order to the mail server


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MailServer]:
    running = await MailServer(Path(tmp_path_factory.mktemp("mail")) / "book.sqlite").start()
    yield running
    await running.stop()


def settings_of(server: MailServer) -> Item:
    return {
        "mail": "smtp", "smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none",
        "smtp_timeout_s": 2, "mail_from": "Huis & Haard <orders@shop.example>",
        "mail_since": now() - timedelta(hours=1), "link_keys": "k" * 32, "public_url": "https://shop.example",
    }  # fmt: skip


@pytest.fixture(scope="module")
async def shop(databases: Databases, server: MailServer) -> AsyncIterator[Shop]:
    async with shop_at(databases, "mails", **settings_of(server)) as founded:
        await founded.open(mug=1000, cup=0)
        yield founded


async def owned(shop: Shop, service: str, sql: str) -> list[Item]:
    """What another service has in its tables."""
    connection = await asyncpg.connect(shop.database_url.format(service=service))
    try:
        return [dict(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def mails(shop: Shop, order_id: str) -> list[Item]:
    return await shop.rows("select * from mails where order_id = $1 order by wanted_at, kind", order_id)


async def test_an_order_from_its_confirmation_to_the_refund_is_told_in_dutch_each_once(
    shop: Shop, server: MailServer
) -> None:
    owner = await sold(shop)
    shipment = owner["shipments"][0]["shipment_id"]
    await shop.ask(
        "POST", f"/fulfilment/shipments/{shipment}/tracking", {"status": "delivered", "at": now().isoformat()}
    )
    await shop.rest()
    note = await given_back(shop, owner)
    number = owner["number"]
    assert server.subjects(number) == [
        f"Uw bestelling {number} is bevestigd",
        f"Een pakket van uw bestelling {number} is onderweg",
        f"Een pakket van uw bestelling {number} is bezorgd",
        f"We hebben € 15,13 terugbetaald voor bestelling {number}",
    ]
    told = server.took(number)
    assert {recipient for recipient, _ in told} == {"anna@example.org"}
    first, shipped, _, back = (mail for _, mail in told)
    assert shipped["In-Reply-To"] == back["In-Reply-To"] == first["Message-ID"]
    assert owner["shipments"][0]["tracking"] in shipped.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    (attached,) = back.iter_attachments()
    assert attached.get_filename() == f"{note['number']}.pdf"
    assert note["number"] in PdfReader(io.BytesIO(attached.get_content())).pages[0].extract_text()
    text = first.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    link = next(line for line in text.splitlines() if line.startswith("https://shop.example/s/"))
    assert number in await shop.page(link.removeprefix("https://shop.example"))
    page = await shop.page(f"/orders/{number}/messages")
    for subject in server.subjects(number)[:3]:
        assert subject in page
    assert "E-mail sent" in await shop.page(f"/orders/{number}")


async def test_who_withdraws_gets_a_receipt_of_it_and_whom_the_staff_serves_gets_none(
    shop: Shop, server: MailServer
) -> None:
    owner = await sold(shop)
    shipment, number = owner["shipments"][0]["shipment_id"], owner["number"]
    arrived = {"status": "delivered", "at": now().isoformat()}
    await shop.ask("POST", f"/fulfilment/shipments/{shipment}/tracking", arrived)
    await shop.rest()
    back: Item = {"shipment_id": shipment, "lines": [{"line_no": 1, "quantity": 1}]}
    await shop.ask("POST", f"/order/orders/{owner['id']}/returns", back)
    await shop.rest()
    subject = f"We hebben uw herroeping van bestelling {number} ontvangen"
    assert subject not in server.subjects(number)
    asked_at = now()
    await shop.ask("POST", f"/order/orders/{owner['id']}/returns", {**back, "reason": "te klein", "withdrawal": True})
    await shop.rest()
    assert server.subjects(number)[-1:] == [subject]
    (kept,) = (mail for mail in await mails(shop, owner["id"]) if mail["kind"] == "withdrawn")
    assert asked_at <= kept["at"] <= now()
    assert Phrases("nl", ZoneInfo("UTC")).moment(kept["at"]) in kept["body"]
    assert "Reden: te klein" in kept["body"]
    assert "Withdrawal received" in await shop.page(f"/orders/{number}")


async def test_a_later_date_is_told_and_that_it_moved(shop: Shop, server: MailServer) -> None:
    placed = await shop.place("cup", 2)
    number = placed["number"]
    assert set(server.subjects(number)) == {  # written at one moment, sent side by side
        f"Uw bestelling {number} is bevestigd",
        f"Een deel van uw bestelling {number} komt later",
    }
    there = (await shop.ask("GET", f"/order/orders/summaries?id={placed['id']}"))["items"][0]
    later = date.fromisoformat(there["promised_on"]) + timedelta(days=9)
    moved = OrderSummary.model_validate({**there, "revision": there["revision"] + 1, "promised_on": later})
    running = shop.suite["backoffice"]
    for _ in range(2):
        await running.desk.ask(OrderSeen(order_id=moved.order_id, order=moved), id=running.new_id())
        await shop.rest()
    assert server.subjects(number)[2:] == [f"Een andere datum voor uw bestelling {number}"]
    (_, mail) = server.took(number)[-1]
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    zone = Phrases("nl", ZoneInfo("UTC"))
    assert zone.day(later) in text
    assert zone.day(date.fromisoformat(there["promised_on"])) in text
    await shop.ask("POST", f"/order/orders/{placed['id']}/cancel", {"reason": "the day was made up"})
    await shop.rest()


async def test_nothing_is_told_again_by_a_redelivery_or_a_rebuild(shop: Shop, server: MailServer) -> None:
    await sold(shop)
    before, kept = len(server.took()), await shop.rows("select * from mails order by mail_id")
    running = shop.suite["backoffice"]
    for owner in ("order", "fulfilment", "billing"):
        for record in await owned(shop, owner, "select key, body from outbox order by id"):
            again = arrival_of(running.reader, record["key"], record["body"], running.new_id(), None)
            running.desk.put(again)  # under another id, as if it were new
    await shop.rest()
    assert len(server.took()) == before
    for _ in range(2):
        await rebuild(shop.database_url, **settings_of(server))
        await shop.rest()
    assert len(server.took()) == before
    assert await shop.rows("select * from mails order by mail_id") == kept


async def test_a_server_that_says_no_parks_the_e_mail_for_a_person_who_sends_it_again(
    shop: Shop, server: MailServer
) -> None:
    server.refuse = "550 5.1.1 no such user"
    try:
        placed = await shop.place()
    finally:
        server.refuse = ""
    (mail,) = await mails(shop, placed["id"])
    assert mail["state"] == "parked"
    assert "550 5.1.1 no such user" in mail["why"]
    parked = await shop.page("/mails")
    assert placed["number"] in parked
    assert "The mail server refused it: 550 5.1.1 no such user" in parked
    refused = "Der Mailserver hat sie abgelehnt: 550 5.1.1 no such user"
    for path in ("/mails", f"/orders/{placed['number']}/messages", f"/orders/{placed['number']}"):
        assert refused in await shop.page(path, **{"Accept-Language": "de"})
    figures = await shop.page("/metrics")
    assert 'comptoir_mails_parked{service="backoffice"} 1.0' in figures
    for name in ("mails_sent_total", "mails_waiting", "mails_oldest_seconds"):
        assert f"comptoir_{name}{{" in figures
    await shop.post(f"/orders/{placed['number']}/messages/{mail['mail_id']}/again", {})
    await shop.rest()
    assert server.subjects(placed["number"]) == [f"Uw bestelling {placed['number']} is bevestigd"]
    assert (await mails(shop, placed["id"]))[0]["state"] == "sent"
    assert placed["number"] not in await shop.page("/mails")


async def test_a_server_that_is_not_there_or_does_not_answer_is_tried_later_under_the_same_message_id(
    shop: Shop, server: MailServer
) -> None:
    """It took the e-mail and its answer was lost: it is sent again, as nobody can know, and is known by its id."""
    server.deaf = 1
    placed = await shop.place()
    (mail,) = await mails(shop, placed["id"])
    assert (mail["state"], mail["tries"]) == ("waiting", 1)
    assert mail["due_at"] - mail["wanted_at"] >= PAUSES[0]
    assert "not known" in mail["why"]
    await hurried(shop)
    assert (await mails(shop, placed["id"]))[0]["state"] == "sent"
    first, second = (mail for _, mail in server.took(placed["number"]))
    assert first["Message-ID"] == second["Message-ID"]
    port = server.port
    await server.stop()
    try:
        other = await shop.place()
        (mail,) = await mails(shop, other["id"])
        assert (mail["state"], mail["tries"]) == ("waiting", 1)
        assert "not reached" in mail["why"]
        page = await shop.page(f"/orders/{other['number']}/messages")
        assert "next try" in page
    finally:
        await server.start(port)
    await hurried(shop)
    assert len(server.took(other["number"])) == 1


async def hurried(shop: Shop) -> None:
    """The pause of e-mails that wait is over."""
    connection = await asyncpg.connect(shop.database_url.format(service="backoffice"))
    try:
        await connection.execute("update mails set due_at = now() where state = 'waiting' and due_at is not null")
        await connection.execute("update timers set due_at = now(), swept_at = null where key like 'mail:%'")
    finally:
        await connection.close()

    async def done() -> bool:
        left = await shop.rows("select 1 from mails where state in ('waiting', 'sending')")
        return not left

    await eventually(done)
    await shop.rest()


async def test_an_order_without_an_address_is_written_to_nobody_and_nobody_is_alarmed(
    shop: Shop, server: MailServer
) -> None:
    before = len(server.took())
    placed = await shop.place(ship_to={**ANNA, "email": ""})
    (mail,) = await mails(shop, placed["id"])
    assert (mail["state"], mail["why"]) == ("left", "The order has no e-mail address.")
    assert len(server.took()) == before
    assert placed["number"] not in await shop.page("/mails")


async def test_two_copies_that_make_the_same_call_send_one_e_mail(shop: Shop, server: MailServer) -> None:
    server.hold = asyncio.Event()
    placed = await shop.ask("POST", "/order/orders", {
        "lines": [{"sku": "mug", "quantity": 1, "unit_price": "1"}], "ship_to": ANNA})  # fmt: skip
    try:

        async def being_sent() -> bool:
            return [mail["state"] for mail in await mails(shop, placed["id"])] == ["sending"]

        await eventually(being_sent)
        (mail,) = await mails(shop, placed["id"])
        perform = shop.suite["backoffice"].service.caller
        assert perform is not None
        again = await perform(SendMail(order_id=mail["order_id"], mail_id=mail["mail_id"]))
        assert isinstance(again, MailAnswered)
        assert again.outcome == "taken"
    finally:
        server.hold.set()
        server.hold = None
    await shop.rest()
    assert len(server.took(placed["number"])) == 1


async def test_after_a_restart_what_waited_is_sent_once(databases: Databases, tmp_path: Path) -> None:
    """E-mails that are due while the mail server is away outlive the process; what was sent is not sent again."""
    server = await MailServer(tmp_path / "book.sqlite").start()
    port = server.port
    async with shop_at(databases, "mailrestart", **settings_of(server)) as founded:
        await founded.open(mug=10)
        sent = await founded.place()
        await server.stop()
        try:
            waits = await founded.place()
        finally:
            await server.start(port)
        url = founded.database_url
        await founded.suite["backoffice"].stop()
        assert (len(server.took(sent["number"])), len(server.took(waits["number"]))) == (1, 0)
        connection = await asyncpg.connect(url.format(service="backoffice"))
        await connection.execute("update mails set due_at = now() where state = 'waiting' and due_at is not null")
        await connection.execute("update timers set due_at = now(), swept_at = null where key like 'mail:%'")
        await connection.close()
        again = Running(make("backoffice", database_url=url, **owners_at(founded.here), **settings_of(server)))
        await again.start(founded.suite.bus)
        again.start_workers()
        try:

            async def all_sent() -> bool:
                left = await founded.rows("select 1 from mails where state <> 'sent'")
                return not left

            await eventually(all_sent)
        finally:
            await again.stop()
        assert (len(server.took(sent["number"])), len(server.took(waits["number"]))) == (1, 1)
    await server.stop()


async def test_a_rebuild_of_a_new_back_office_writes_to_nobody(shop: Shop, server: MailServer) -> None:
    """Its own tables are gone, e-mails included: nobody knows any more who was told what."""
    before = len(server.took())
    connection = await asyncpg.connect(shop.database_url.format(service="backoffice"))
    try:
        await connection.execute("truncate orders, sold, money, shipments, returns, entries, inbox, mails")
    finally:
        await connection.close()
    await rebuild(shop.database_url, anew=False, **settings_of(server))
    await shop.rest()
    assert len(server.took()) == before
    assert not await shop.rows("select 1 from mails")
