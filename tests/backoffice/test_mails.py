"""E-mails from the order to the mail server, whose book is the oracle (tests/backoffice/mailserver.py)."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from pypdf import PdfReader

from comptoir.commands import owners_at
from comptoir.rebuilding import rebuild
from comptoir.suite import make
from services.backoffice.letters import PAUSES
from services.backoffice.phrases import Phrases
from shared.clock import now
from shared.contracts.backoffice import (
    MailAnswered,
    OrderSeen,
    OrderSummary,
    SendMail,
)
from shared.messaging.bus import arrival_of
from shared.service import Running
from tests.backoffice.mailserver import MailServer
from tests.backoffice.shop import ANNA, Item, Shop, shop_at
from tests.backoffice.test_money import given_back, sold
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres


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
    assert re.search(
        r'<a class="worklist" href="/mails".*?<h3>E-mails not sent</h3><span class="n">1</span>', await shop.page("/")
    )
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
