"""Staff hear once a day by e-mail of what runs low, never twice of the same; the mail server's book is the oracle."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from pydantic import ValidationError

from comptoir.rebuilding import rebuild
from services.backoffice.domain import Policy
from services.backoffice.lookout import Lookout
from services.backoffice.low_stock import LISTED
from services.backoffice.pages import Pages
from services.backoffice.post import Sender, warning
from services.backoffice.rows import LowStock, Mail
from services.backoffice.settings import Settings
from shared.contracts.backoffice import Low, LowStockSeen
from tests.backoffice.mailserver import MailServer
from tests.backoffice.shop import Shop, shop_at
from tests.backoffice.test_mail_decisions import Book
from tests.backoffice.test_mails import settings_of
from tests.conftest import Databases

BRUSSELS = ZoneInfo("Europe/Brussels")
ANNA, BEN = "anna@shop.example", "ben@shop.example"
TO_TWO = Policy(mails=True, low_stock_to=(ANNA, BEN))
FIRST = date(2026, 3, 2)


def low(*skus: str) -> tuple[Low, ...]:
    return tuple(
        Low(sku=sku, warehouse="north", name=sku.title(), position=3, point=5, quantity=20) for sku in sorted(skus)
    )


def seen(day: int, *skus: str, tells: bool = True) -> LowStockSeen:
    return LowStockSeen(day=FIRST + timedelta(days=day), tells=tells, low=low(*skus))


def told(book: Book, m: LowStockSeen) -> list[list[str]]:
    """Whom this tells, each with the SKUs, the new ones marked."""
    mails = [of for of in book.decide(m) if isinstance(of, Mail)]
    return [[mail.mark, *(f"{of['sku']}{'*' * of['new']}" for of in mail.facts["lines"])] for mail in mails]


def test_all_that_runs_low_is_in_one_e_mail_a_day_and_nothing_is_told_twice() -> None:
    book = Book(TO_TWO)
    assert told(book, seen(0, "cup", "mug", tells=False)) == [], "it is night"
    assert told(book, seen(0, "cup", "mug")) == [[ANNA, "cup*", "mug*"], [BEN, "cup*", "mug*"]]
    assert told(book, seen(0, "cup", "mug")) == []
    assert told(book, seen(0, "cup", "mug", "pan")) == [], "one a day"
    assert told(book, seen(1, "cup", "mug", "pan")) == [[to, "pan*", "cup", "mug"] for to in (ANNA, BEN)]
    assert told(book, seen(2, "cup", "mug", "pan")) == [], "the same state"
    assert told(book, seen(3, "mug")) == [], "less runs low"
    assert told(book, seen(4, "cup", "mug")) == [[to, "cup*", "mug"] for to in (ANNA, BEN)], "it had recovered"
    assert told(book, seen(3, "vase")) == [], "a copy whose clock is behind"


@given(st.lists(st.tuples(st.integers(0, 2), st.frozensets(st.sampled_from("abcd"))), max_size=30))
@bounds(max_examples=200, deadline=None)
def test_whatever_happens_nobody_gets_two_a_day_or_one_without_news(looks: list[tuple[int, frozenset[str]]]) -> None:
    book, day, untold, mailed = Book(TO_TWO), 0, set[str](), set[int]()
    known: frozenset[str] = frozenset()
    for later, skus in looks:
        day += later
        untold = (untold | (skus - known)) & skus  # newly low and not told of yet
        known = skus
        mails = told(book, seen(day, *skus))
        if untold and day not in mailed:
            assert len(mails) == 2, "news on a day without an e-mail are told at once"
        if mails:
            assert day not in mailed
            assert {of.rstrip("*") for of in mails[0][1:]} == skus
            assert {of[0] for of in mails[0][1:] if of.endswith("*")} == untold
            mailed.add(day)
            untold = set()


@pytest.mark.parametrize(
    "policy",
    [
        Policy(mails=True),
        Policy(mails=False, low_stock_to=(ANNA,)),
        Policy(mails=True, mail_since=datetime(2100, 1, 1, tzinfo=UTC), low_stock_to=(ANNA,)),
    ],
)
def test_what_nobody_was_told_of_counts_as_new_until_somebody_is(policy: Policy) -> None:
    book = Book(policy)
    assert told(book, seen(0, "cup")) == []
    assert not [row for row in book.rows.values() if isinstance(row, LowStock) and row.told]
    book.policy = TO_TWO
    assert told(book, seen(0, "cup")) == [[ANNA, "cup*"], [BEN, "cup*"]]


@pytest.mark.parametrize(
    ("lang", "subject", "line"),
    [
        (
            "en",
            "2 products run low",
            "Cup <b> Bcc: x (cup), north: 3 there or coming, reorder point 5, to order 20 (new)",
        ),
        ("nl", "2 producten raken op", "bestelpunt 5, te bestellen 20 (nieuw)"),
        ("de", "2 Produkte werden knapp", "Meldebestand 5, zu bestellen 20 (neu)"),
        ("fr", "2 produits arrivent au seuil", "seuil de commande 5, à commander 20 (nouveau)"),
        ("qps", "2 products run low", "(new)"),
    ],
)
def test_the_e_mail_lists_each_in_the_language_of_the_pages(lang: str, subject: str, line: str) -> None:
    lines = [
        {**low("cup")[0].model_dump(), "name": "Cup <b>\nBcc: x", "new": True},
        {**low("mug")[0].model_dump(), "new": False},
    ]
    sender = Sender(public_url="https://shop.example")
    said = warning({"lines": lines, "n": 2}, sender, Pages("UTC", "Huis & Haard", lang))
    assert said["subject"] == subject
    assert line in said["text"]
    assert "https://shop.example/purchasing/what-to-order" in said["text"]
    assert "&lt;b&gt;" in said["html"]
    assert "(mug)" in said["html"]
    assert said["lang"] == (lang if lang != "qps" else "en")


def test_a_long_list_ends_with_how_many_more_there_are() -> None:
    book = Book(TO_TWO)
    (mail, _) = [of for of in book.decide(seen(0, *(f"s{n:03d}" for n in range(LISTED + 3)))) if isinstance(of, Mail)]
    said = warning(mail.facts, Sender(), Pages("UTC", "Huis & Haard"))
    assert said["subject"] == f"{LISTED + 3} products run low"
    assert "- 3 more\n" in said["text"]
    assert "http" not in said["text"], "there is no address to lead to"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"low_stock_to": ANNA}, "COMPTOIR_MAIL=smtp"),
        ({"low_stock_to": "anna", "mail": "book"}, "'anna' is no address"),
    ],
)
def test_who_cannot_be_told_stops_the_start(said: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Settings(**said)
    assert Settings(low_stock_to=f"{ANNA}, {BEN},{ANNA}", mail="book").policy().low_stock_to == (ANNA, BEN)


# With the whole suite and a mail server


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MailServer]:
    running = await MailServer(Path(tmp_path_factory.mktemp("mail")) / "book.sqlite").start()
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def shop(databases: Databases, server: MailServer) -> AsyncIterator[Shop]:
    ways = {**settings_of(server), "low_stock_to": f"{ANNA}, {BEN}", "languages": "de,en"}
    async with shop_at(databases, "low_stock", **ways) as founded:
        await founded.open(mug=50, cup=40, pan=30)
        yield founded


def lookout(shop: Shop) -> Lookout:
    return Lookout(shop.suite["backoffice"], shop.office.owners, BRUSSELS, 7, True)


def at(day: int, hour: int = 9) -> datetime:
    return datetime(2026, 3, 2 + day, hour, tzinfo=BRUSSELS)


async def look(shop: Shop, when: datetime) -> None:
    await lookout(shop).look(when)
    await shop.rest()


def all_taken(server: MailServer) -> list[tuple[str, EmailMessage]]:
    """To staff; the others are to customers."""
    return [(to, mail) for to, mail in server.took() if to in (ANNA, BEN)]


async def adjust(shop: Shop, sku: str, by: int) -> None:
    body = {
        "warehouse": "north", "reference": f"A-{next(shop.n)}", "reason": "count",
        "lines": [{"sku": sku, "quantity": by}],
    }  # fmt: skip
    await shop.ask("POST", "/inventory/adjustments", body)
    await shop.rest()


@pytest.mark.postgres
async def test_stock_that_falls_to_its_point_is_mailed_once_a_day_until_it_recovers(
    shop: Shop, server: MailServer
) -> None:
    await shop.ask("PUT", "/inventory/suppliers/delft", {"name": "Delft Pottery"})
    rules = [
        {"sku": sku, "warehouse": "north", "point": point, "up_to": 60, "supplier": "delft"}
        for sku, point in (("mug", 10), ("cup", 10), ("pan", 10))
    ]
    await shop.ask("PUT", "/inventory/reorder-rules", {"rules": rules})
    await look(shop, at(0))
    assert all_taken(server) == [], "nothing runs low"
    await shop.place("mug", 40)
    await adjust(shop, "cup", -31)
    await look(shop, at(1, 6))
    assert all_taken(server) == [], "before seven in the shop's time"
    await asyncio.gather(*(lookout(shop).look(at(1, 7)) for _ in range(2)))
    await shop.rest()
    taken = all_taken(server)
    assert sorted(to for to, _ in taken) == [ANNA, BEN]
    for to, mail in taken:
        assert mail["To"] == to
        assert mail["Subject"] == "2 Produkte werden knapp"
        assert mail["Content-Language"] == "de"
        assert mail["In-Reply-To"] is None
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert "- Cup (cup), north: 9 vorhanden oder im Zulauf, Meldebestand 10, zu bestellen 51 (neu)" in text
        assert "- Mug (mug), north: 10 vorhanden oder im Zulauf, Meldebestand 10, zu bestellen 50 (neu)" in text
        assert "https://shop.example/purchasing/what-to-order" in text
    assert len({mail["Message-ID"] for _, mail in taken}) == 2
    for later in (at(1, 12), at(2), at(3)):
        await look(shop, later)
    await rebuild(shop.database_url)
    await look(shop, at(4))
    assert len(all_taken(server)) == 2, "the same state is told once"
    await adjust(shop, "cup", 30)
    await look(shop, at(5, 8))
    await adjust(shop, "cup", -30)
    await look(shop, at(5, 9))
    assert len(all_taken(server)) == 4, "it had recovered"
    await adjust(shop, "pan", -25)
    await look(shop, at(5, 23))
    assert len(all_taken(server)) == 4, "one a day"
    await look(shop, at(6))
    (_, last), (_, other) = all_taken(server)[4:]
    assert last["Subject"] == other["Subject"] == "3 Produkte werden knapp"
    assert last.get_body(("plain",)).get_content().count("(neu)") == 1  # type: ignore[union-attr]
    (draft,) = (await shop.ask("GET", "/inventory/reorder-advice?supplier=delft"))["items"][:1]
    line = {name: draft[name] for name in ("sku", "warehouse", "quantity", "version")}
    await shop.ask("POST", "/inventory/reorder-advice/drafts", {"lines": [line]})
    await look(shop, at(7))
    assert len(all_taken(server)) == 6, "what is in a draft does not run low"


@pytest.mark.postgres
async def test_a_warning_that_no_server_takes_waits_for_a_person_who_has_it_sent_again(
    shop: Shop, server: MailServer
) -> None:
    await shop.ask("PUT", "/inventory/items", {"items": [{"sku": "jug", "name": "Jug"}]})
    await shop.ask("PUT", "/inventory/suppliers/delft", {"name": "Delft Pottery"})
    rule = {"sku": "jug", "warehouse": "north", "point": 5, "up_to": 60, "supplier": "delft"}
    await shop.ask("PUT", "/inventory/reorder-rules", {"rules": [rule]})
    before, server.refuse = len(all_taken(server)), "550 no such user"
    await look(shop, at(20))
    server.refuse = ""
    assert len(all_taken(server)) == before
    rows = await shop.rows(
        "select order_id, mail_id, state, why from mails where kind = 'low_stock' and state = 'parked'"
    )
    assert len(rows) == 2
    assert "550 no such user" in rows[0]["why"]
    html = await shop.page("/mails", **{"Accept-Language": "en"})
    assert "Stock runs low" in html
    assert 'href="/purchasing/what-to-order"' in html
    for row in rows:
        where = f"/mails/{row['order_id']}/{row['mail_id']}/again"
        assert where in html
        await shop.post(where, {})
    await shop.rest()
    assert len(all_taken(server)) == before + 2
    left = await shop.rows("select 1 from mails where kind = 'low_stock' and state <> 'sent'")
    assert left == []


@pytest.mark.postgres
async def test_more_than_fits_in_one_answer_is_read_to_its_end(shop: Shop) -> None:
    skus = [f"many-{n:03d}" for n in range(Lookout.AT_ONCE + 1)]
    await shop.ask("PUT", "/inventory/suppliers/delft", {"name": "Delft Pottery"})
    await shop.ask("PUT", "/inventory/items", {"items": [{"sku": sku} for sku in skus]})
    rules = [{"sku": sku, "warehouse": "north", "point": 1, "up_to": 2, "supplier": "delft"} for sku in skus]
    await shop.ask("PUT", "/inventory/reorder-rules", {"rules": rules})
    assert {of.sku for of in await lookout(shop).low()} >= set(skus)
    rest = [{**rule, "point": 0, "up_to": 0} for rule in rules]
    await shop.ask("PUT", "/inventory/reorder-rules", {"rules": rest})
    assert not {of.sku for of in await lookout(shop).low()} & set(skus)
