"""A purchase order on its way to the supplier: the mail server's book is the oracle."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pypdf import PdfReader

from comptoir.rebuilding import rebuild
from services.backoffice.domain import Policy
from services.backoffice.letters import PAUSES
from services.backoffice.rows import Mail
from shared.contracts.backoffice import MailAnswered, MailSupplier, SendMail
from shared.messaging.decision import Call, Refused
from tests.backoffice.mailserver import MailServer
from tests.backoffice.shop import Item, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.backoffice.test_mail_decisions import NOON, Book
from tests.backoffice.test_mails import hurried, settings_of
from tests.backoffice.test_purchases import Office, text_of
from tests.conftest import Databases
from tests.eventually import eventually

PURCHASE = UUID(int=7)
TO = "orders@mugs.example"


# Decided


def asked(mark: str = "", to: str = TO) -> MailSupplier:
    return MailSupplier(purchase_id=PURCHASE, number="PO-1", to=to, lang="en", mark=mark, actor="anna")


def rows(book: Book) -> list[Mail]:
    return [row for row in book.rows.values() if isinstance(row, Mail)]


def calls(book: Book, m: MailSupplier) -> int:
    """How many e-mails it has sent."""
    return sum(isinstance(of, Call) and isinstance(of.message, SendMail) for of in book.decide(m))


def stated(book: Book, **changes: Any) -> None:
    """The e-mail of the book becomes another one."""
    book.rows = {key: replace(row, **changes) if isinstance(row, Mail) else row for key, row in book.rows.items()}


def test_an_e_mail_to_the_supplier_is_wanted_once_for_each_time_that_a_person_asks() -> None:
    book = Book()
    assert [calls(book, asked(mark)) for mark in ("", "", "2", "2", "")] == [1, 0, 1, 0, 0]
    assert len({mail.mail_id for mail in rows(book)}) == 2


def test_what_could_not_be_sent_is_not_tried_beside_the_new_one() -> None:
    for state in ("waiting", "parked"):
        book = Book()
        book.decide(asked(to="wrong@mugs.example"))
        stated(book, state=state, due_at=NOON)
        book.decide(asked("2"))
        assert {mail.facts["to"]: (mail.state, mail.due_at) for mail in rows(book)} == {
            "wrong@mugs.example": ("left", None), TO: ("waiting", None),
        }  # fmt: skip


def test_while_one_is_being_sent_no_other_is_wanted_and_none_without_e_mails() -> None:
    book = Book()
    book.decide(asked())
    stated(book, state="sending")
    with pytest.raises(Refused, match="is being sent already"):
        book.decide(asked("2"))
    with pytest.raises(Refused, match="switched off"):
        Book(Policy(mails=False)).decide(asked())


# From the page to the mail server


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MailServer]:
    running = await MailServer(Path(tmp_path_factory.mktemp("mail")) / "book.sqlite").start()
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def office(databases: Databases, server: MailServer) -> AsyncIterator[Office]:
    ways = {**settings_of(server), "languages": "nl,en,de,fr", "shop_name": "Huis & Haard"}
    async with shop_at(databases, "purchasemails", **ways) as shop, AsyncExitStack() as stack:
        await shop.open(mug=5, cup=0)
        roles = ("finance", "support", "admin")
        await shop.staff(*roles)
        people = {who: await stack.enter_async_context(aclosing(await logged_in(shop, who))) for who in roles}
        for client in people.values():
            client.headers["Accept-Language"] = "en"
        yield Office(shop, people)


@pytest.fixture(autouse=True)
async def supplied(request: pytest.FixtureRequest) -> None:
    if "office" in request.fixturenames:
        await supplier(request.getfixturevalue("office"), TO)


async def supplier(office: Office, email: str) -> None:
    told = {"name": "Mugs & Co", "email": email, "lead_days": 10, "currency": "USD"}
    await office.shop.ask("PUT", "/inventory/suppliers/mugs", told)


async def drafted(office: Office) -> tuple[str, str]:
    where = await office.drafted(("cup", "10", "2,5", "2031-03-04"))
    return where, where.rpartition("/")[2]


async def sent(office: Office) -> tuple[str, str]:
    """An order that was sent and e-mailed: its address and number."""
    where, number = await drafted(office)
    form = {**hidden(await office.page("finance", f"{where}/send")), "mail": "yes"}
    await office.post("finance", f"{where}/send", form)
    await office.shop.rest()
    return where, number


async def kept(office: Office, number: str) -> list[Item]:
    sql = "select * from mails where facts ->> 'number' = $1 order by wanted_at"
    return await office.shop.rows(sql, number)


def file_of(mail: EmailMessage) -> tuple[str, str]:
    """Name and text of the one file that is attached."""
    (attached,) = mail.iter_attachments()
    text = PdfReader(io.BytesIO(attached.get_content())).pages[0].extract_text()
    return str(attached.get_filename()), " ".join(text.split())


@pytest.mark.postgres
async def test_send_shows_the_address_and_the_letter_and_mails_it_once_with_the_file(
    office: Office, server: MailServer
) -> None:
    where, number = await drafted(office)
    page = await office.page("finance", f"{where}/send")
    assert 'name="mail" value="yes" checked' in page
    said = f"Inkooporder {number} van Huis &amp; Haard"
    for shown in (TO, said, f"Bijgaand vindt u onze inkooporder {number} als pdf.", f"{number}.pdf", f"{where}/pdf"):
        assert shown in page, shown
    assert not server.took(number), "nothing has happened yet"
    for _ in range(3):  # pressed again and again
        answer = await office.post("finance", f"{where}/send", {**hidden(page), "mail": "yes"})
        assert answer.headers["location"] == f"{where}?done=mailed"
    await office.shop.rest()
    ((recipient, mail),) = server.took(number)
    assert (recipient, mail["To"]) == (TO, "Mugs & Co <orders@mugs.example>")
    assert (mail["Subject"], mail["Content-Language"]) == (said.replace("&amp;", "&"), "nl")
    name, printed = file_of(mail)
    assert name == f"{number}.pdf"
    assert f"Inkooporder {number}" in printed
    assert "Concept" not in printed, "it was sent before it was mailed"
    assert "US$ 25,00" in printed
    page = text_of(await office.page("finance", where))
    assert f"Sent {TO}" in page
    audit = text_of(await office.page("admin", "/acts"))
    assert audit.count(f"Had the purchase order {number} e-mailed to {TO}.") == 1


@pytest.mark.postgres
async def test_who_takes_the_tick_away_mails_nothing_and_may_do_it_later_each_time_once(
    office: Office, server: MailServer
) -> None:
    where, number = await drafted(office)
    await office.post("finance", f"{where}/send", hidden(await office.page("finance", f"{where}/send")))
    await office.shop.rest()
    assert (await office.order(where))["state"] == "sent"
    assert not server.took(number)
    assert "E-mail it</a>" in await office.page("finance", where)
    for n in (1, 2):
        page = await office.page("finance", f"{where}/mail")
        assert TO in page
        for _ in range(2):  # pressed twice
            await office.post("finance", f"{where}/mail", hidden(page))
        await office.shop.rest()
        assert len(server.took(number)) == n
        assert "E-mail it again</a>" in await office.page("finance", where)
    first, second = (mail for _, mail in server.took(number))
    assert first["Message-ID"] != second["Message-ID"]


@pytest.mark.postgres
async def test_two_people_who_send_the_same_mail_it_once(office: Office, server: MailServer) -> None:
    where, number = await drafted(office)
    forms = [{**hidden(await office.page(who, f"{where}/send")), "mail": "yes"} for who in ("finance", "admin")]
    await office.post("finance", f"{where}/send", forms[0])
    await office.post("admin", f"{where}/send", forms[1], 422)
    await office.shop.rest()
    assert len(server.took(number)) == 1


@pytest.mark.postgres
async def test_another_address_than_was_shown_is_written_to_by_nobody(office: Office, server: MailServer) -> None:
    where, number = await drafted(office)
    form = {**hidden(await office.page("finance", f"{where}/send")), "mail": "yes"}
    await supplier(office, "new@mugs.example")
    said = "The supplier has another e-mail address now than was shown."
    assert said in (await office.post("finance", f"{where}/send", form, 422)).text
    assert (await office.order(where))["state"] == "draft"
    await office.done(where, "send")
    asks = await office.page("finance", f"{where}/mail")
    await supplier(office, TO)
    again = await office.post("finance", f"{where}/mail", hidden(asks), 409)
    assert said in again.text
    await office.post("finance", f"{where}/mail", {**hidden(again.text), "email": "thief@elsewhere.example"}, 409)
    await office.shop.rest()
    assert not server.took(number)
    assert not [mail for recipient, mail in server.took() if recipient == "thief@elsewhere.example"]


@pytest.mark.postgres
async def test_without_an_address_it_is_sent_and_the_page_says_why_it_is_not_mailed(
    office: Office, server: MailServer
) -> None:
    await supplier(office, "")
    where, number = await drafted(office)
    page = await office.page("finance", f"{where}/send")
    assert "The supplier has no e-mail address." in page
    assert 'name="mail"' not in page
    await office.post("finance", f"{where}/send", hidden(page))
    asks = await office.page("finance", f"{where}/mail")
    assert "The supplier has no e-mail address." in asks
    await office.post("finance", f"{where}/mail", {"key": "k", "email": ""}, 409)
    assert not await kept(office, number)


@pytest.mark.postgres
async def test_only_who_buys_mails_it_and_only_while_it_is_on_its_way(office: Office) -> None:
    where, number = await drafted(office)
    early = await office.post("finance", f"{where}/mail", {"key": "k", "email": TO}, 409)
    assert "Only an order that is on its way is e-mailed." in early.text
    await office.page("support", f"{where}/mail", 403)
    await office.post("support", f"{where}/mail", {"key": "k", "email": TO}, 403)
    await office.post("support", f"{where}/mails/{UUID(int=1)}/again", {}, 403)
    assert f"{where}/mail" not in await office.page("support", where)
    assert not await kept(office, number)


@pytest.mark.postgres
async def test_a_refused_e_mail_waits_for_a_person_who_sends_another_to_the_right_address(
    office: Office, server: MailServer
) -> None:
    server.refuse = "550 5.1.1 no such user"
    try:
        where, number = await sent(office)
    finally:
        server.refuse = ""
    (mail,) = await kept(office, number)
    assert mail["state"] == "parked"
    for path in (where, "/mails"):
        assert "The mail server refused it: 550 5.1.1 no such user" in await office.page("admin", path)
    listed = await office.page("admin", "/mails")
    assert f'<a href="{where}">{number}</a>' in listed
    assert f'action="{where}/mails/{mail["mail_id"]}/again"' in listed
    assert f"{mail['mail_id']}/again" not in await office.page("support", "/mails"), "who does not buy looks only"
    await supplier(office, "new@mugs.example")
    await office.post("finance", f"{where}/mail", hidden(await office.page("finance", f"{where}/mail")))
    await office.shop.rest()
    assert [recipient for recipient, _ in server.took(number)] == ["new@mugs.example"]
    assert number not in await office.page("admin", "/mails")
    assert [mail["state"] for mail in await kept(office, number)] == ["left", "sent"]


@pytest.mark.postgres
async def test_a_parked_e_mail_is_tried_again_as_it_is(office: Office, server: MailServer) -> None:
    server.refuse = "550 5.7.1 not today"
    try:
        where, number = await sent(office)
    finally:
        server.refuse = ""
    (mail,) = await kept(office, number)
    for _ in range(2):
        await office.post("finance", f"{where}/mails/{mail['mail_id']}/again", {})
        await office.shop.rest()
    assert [recipient for recipient, _ in server.took(number)] == [TO]


@pytest.mark.postgres
async def test_when_the_answer_is_lost_it_goes_again_under_the_same_message_id(
    office: Office, server: MailServer
) -> None:
    """The documented edge (ADR 14): nobody can know whether the server took it."""
    server.deaf = 1
    _, number = await sent(office)
    (mail,) = await kept(office, number)
    assert (mail["state"], mail["tries"]) == ("waiting", 1)
    assert mail["due_at"] - mail["wanted_at"] >= PAUSES[0]
    await hurried(office.shop)
    first, second = (mail for _, mail in server.took(number))
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.postgres
async def test_two_copies_that_make_the_same_call_mail_it_once(office: Office, server: MailServer) -> None:
    where, number = await drafted(office)
    form = {**hidden(await office.page("finance", f"{where}/send")), "mail": "yes"}
    server.hold = asyncio.Event()
    try:
        await office.post("finance", f"{where}/send", form)

        async def being_sent() -> bool:
            return [mail["state"] for mail in await kept(office, number)] == ["sending"]

        await eventually(being_sent)
        (mail,) = await kept(office, number)
        perform = office.shop.suite["backoffice"].service.caller
        assert perform is not None
        again = await perform(SendMail(order_id=mail["order_id"], mail_id=mail["mail_id"]))
        assert isinstance(again, MailAnswered)
        assert again.outcome == "taken"
        asks = await office.page("finance", f"{where}/mail")
        refused = await office.post("finance", f"{where}/mail", hidden(asks), 409)
        assert "An e-mail with it is being sent already." in refused.text
    finally:
        server.hold.set()
        server.hold = None
    await office.shop.rest()
    assert len(server.took(number)) == 1


@pytest.mark.postgres
async def test_what_was_cancelled_before_the_mail_server_came_back_goes_to_nobody(
    office: Office, server: MailServer
) -> None:
    port = server.port
    await server.stop()
    try:
        where, number = await sent(office)
        assert [mail["state"] for mail in await kept(office, number)] == ["waiting"]
        await office.done(where, "cancel")
    finally:
        await server.start(port)
    await hurried(office.shop)
    (mail,) = await kept(office, number)
    assert (mail["state"], mail["why"]) == ("left", "The purchase order was cancelled before it was sent.")
    assert not server.took(number)


@pytest.mark.postgres
async def test_a_rebuild_mails_nothing_again_and_keeps_what_was_mailed(office: Office, server: MailServer) -> None:
    _, number = await sent(office)
    before = await kept(office, number)
    await rebuild(office.shop.database_url, **settings_of(server))
    await office.shop.rest()
    assert await kept(office, number) == before
    assert len(server.took(number)) == 1


@pytest.mark.postgres
async def test_a_shop_that_mails_nobody_offers_it_to_nobody(databases: Databases) -> None:
    async with shop_at(databases, "purchaseunmailed") as shop:
        await shop.open(cup=0)
        await shop.ask("PUT", "/inventory/suppliers/mugs", {"name": "Mugs", "email": TO})
        line = {"sku": "cup", "quantity": 1, "unit_cost": "1", "expected_on": "2031-03-04"}
        order = {"supplier": "mugs", "warehouse": "north", "lines": [line]}
        number = (await shop.ask("POST", "/inventory/purchase-orders", order))["number"]
        page = await shop.page(f"/purchasing/{number}/send")
        assert "E-mails are switched off." in page
        assert 'name="mail"' not in page
        form = {**hidden(page), "mail": "yes", "email": TO}
        answer = await shop.post(f"/purchasing/{number}/send", form)
        assert answer.headers["location"].endswith("?done=unmailed")
        assert not await shop.rows("select 1 from mails")
