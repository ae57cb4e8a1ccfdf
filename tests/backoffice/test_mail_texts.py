"""What an e-mail says, in whose language, with which heads, and what stops the start."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

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

from services.backoffice.letters import mail_id
from services.backoffice.pages import Pages
from services.backoffice.post import Sender, Server, Unsendable, addressed, cause_of, letter, message
from services.backoffice.retold import found
from services.backoffice.settings import Settings
from tests.backoffice.shop import ANNA, Item

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE = UUID(int=1)


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
    ("kind", "day", "before", "says"),
    [
        ("backordered", "", "", "our supplier is late: we do not know the day yet"),
        ("date_changed", "", "2026-03-08", "will not be here on Sunday, 8 March 2026: our supplier is late"),
        ("date_changed", "2026-03-10", "", "We expect it on Tuesday, 10 March 2026"),
    ],
)
def test_a_late_part_without_a_day_is_told_as_such(kind: str, day: str, before: str, says: str) -> None:
    order = {**ORDER, "bill_to": {**ORDER["bill_to"], "country": "GB"}}
    text = made(kind, order, day=day, before=before).get_body(("plain",)).get_content()
    assert says in " ".join(text.split())


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
