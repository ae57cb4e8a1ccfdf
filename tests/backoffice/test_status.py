"""The customer's page: what it says in each language, that only its own link opens it, and what is kept from it."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from itsdangerous import URLSafeSerializer
from pydantic import ValidationError

from services.backoffice.links import Links
from services.backoffice.phrases import LANGUAGES, ORDER, PHRASES, Phrases, language_of
from services.backoffice.settings import Settings
from shared.clock import now
from shared.rate import Rate
from tests.backoffice.shop import ANNA, Shop, shop_at
from tests.backoffice.test_money import given_back, sold, text_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
KEY, OLD = "k" * 32, "o" * 32
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    settings: dict[str, Any] = {"link_keys": f"{KEY}, {OLD}", "link_days": 30, "shop_contact": "call 030 555 01 48"}
    settings["tracking_urls"] = "carrier=https://carrier.example/{tracking}"
    async with shop_at(databases, "status", **settings) as founded:
        await founded.open(mug=1000, cup=0)
        yield founded


@pytest.fixture(autouse=True)
def calm(shop: Shop) -> None:
    """Each test begins without anybody having come too often."""
    office = office_of(shop)
    office.visits.seen.clear()
    office.wrong_links.seen.clear()


def office_of(shop: Shop) -> Any:
    return shop.office


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", "", html, flags=re.S)).split())


# Links


def test_a_link_is_for_one_order_until_its_last_day_is_over() -> None:
    links = Links([KEY], 30)
    token = links.token(ONE, NOON)
    order_id, ends = links.read(token, NOON) or (OTHER, NOON)
    assert order_id == ONE
    assert ends == datetime(2026, 4, 2, tzinfo=UTC)
    assert links.read(token, ends - timedelta(seconds=1))
    assert links.read(token, ends) is None
    assert token == links.token(ONE, NOON + timedelta(hours=11)), "the same day gives the same link"
    assert token != links.token(OTHER, NOON)
    assert str(ONE) not in token


def test_every_changed_letter_of_a_link_is_noticed() -> None:
    links = Links([KEY], 30)
    token = links.token(ONE, NOON)
    for i, letter in enumerate(token):
        for other in "A.-_" if letter != "A" else "B":
            if other == letter or (
                i == len(token) - 1 and links.read(token[:-1] + other, NOON) == links.read(token, NOON)
            ):
                continue  # bits behind the end of base64 mean nothing
            assert links.read(token[:i] + other + token[i + 1 :], NOON) is None, (i, other)
    for wrong in ("", ".", "a.b", token[:-3], token + "x", token * 2, "\x00", "é" * 9):
        assert links.read(wrong, NOON) is None


def test_keys_are_changed_without_breaking_links_and_a_key_that_is_gone_opens_nothing() -> None:
    before, both, after = Links([OLD], 30), Links([KEY, OLD], 30), Links([KEY], 30)
    token = before.token(ONE, NOON)
    assert both.read(token, NOON)
    assert both.token(ONE, NOON) == after.token(ONE, NOON), "the first one signs"
    assert after.read(token, NOON) is None
    assert Links([], 30).read(token, NOON) is None
    assert not Links([], 30)


@pytest.mark.parametrize("held", ["text", 5, None, [], [1, 2], ["x", 800000], [ONE.hex], [ONE.hex, "x"], [ONE.hex, -5]])
def test_what_is_signed_for_something_else_is_no_link(held: Any) -> None:
    links = Links([KEY], 30)
    assert links.signer is not None
    assert links.read(str(links.signer.dumps(held)), NOON) is None
    other = URLSafeSerializer(KEY, salt="something else").dumps([ONE.hex, 900000])
    assert links.read(str(other), NOON) is None


def test_a_rate_is_per_key_ends_with_its_time_and_keeps_little() -> None:
    rate = Rate(2, timedelta(minutes=1))
    for _ in range(2):
        assert not rate.full("a", NOON)
        rate.add("a", NOON)
    assert rate.full("a", NOON + timedelta(seconds=59))
    assert not rate.full("b", NOON)
    assert not rate.full("a", NOON + timedelta(minutes=1))
    for i in range(Rate.KEPT * 2):
        rate.add(str(i), NOON)
    assert len(rate.seen) <= Rate.KEPT


@pytest.mark.parametrize(
    "wrong",
    [
        {"link_keys": "short"}, {"link_keys": f"{KEY},short"}, {"public_url": "shop.example"},
        {"public_url": "ftp://shop.example"}, {"tracking_urls": "carrier=http://a/{tracking}"},
        {"tracking_urls": "carrier=https://a/"}, {"tracking_urls": "https://a/{tracking}"},
    ],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)  # type: ignore[arg-type]


# Words


def places(said: Any) -> list[set[str]]:
    return [set(re.findall(r"%\((\w+)\)s", of)) for of in ([said] if isinstance(said, str) else said)]


def test_every_phrase_is_there_in_every_language_with_the_same_places() -> None:
    assert set(PHRASES) == set(LANGUAGES) == set(ORDER)
    for name, english in PHRASES["en"].items():
        for lang, phrases in PHRASES.items():
            assert places(phrases[name]) == places(english), (lang, name)
            assert all(phrases[name]), (lang, name)


def test_the_language_is_that_of_the_country_the_bill_goes_to_unless_another_is_asked_for() -> None:
    assert language_of({"country": "BE"}, {"country": "DE"}) == "nl"
    assert language_of({"country": ""}, {"country": "AT"}) == "de"
    assert language_of({}, {"country": "CZ"}) == "en"
    assert language_of({"country": "NL"}, {}, "fr") == "fr"
    assert language_of({"country": "NL"}, {}, "xx") == "nl"


def test_numbers_take_the_form_of_the_language() -> None:
    zone = ZoneInfo("Europe/Brussels")
    assert Phrases("nl", zone).counted("come later", 1) == "1 artikel komt later"
    assert Phrases("nl", zone).counted("come later", 2) == "2 artikelen komen later"
    assert Phrases("fr", zone).counted("come later", 0) == "0 article arrivera plus tard"
    assert Phrases("de", zone).day(datetime(2026, 3, 1, 23, 30, tzinfo=UTC)) == "Montag, 2. März 2026"


# The page


async def test_the_page_follows_the_parcel_in_the_customers_language(shop: Shop) -> None:
    placed = await shop.place(quantity=3)
    where = await shop.link(placed)
    told = plain(await shop.page(where))
    assert "We maken uw bestelling klaar" in told
    assert placed["number"] in told
    assert "030 555 01 48" in told
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    await shop.ship(shipment["shipment_id"])
    html = await shop.page(where)
    assert "Uw bestelling is onderweg" in plain(html)
    tracking = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"][0]["tracking"]
    assert f'href="https://carrier.example/{tracking}"' in html
    body = {"status": "delivered", "at": now().isoformat()}
    await shop.ask("POST", f"/fulfilment/shipments/{shipment['shipment_id']}/tracking", body)
    await shop.rest()
    assert "Alles is bij u bezorgd" in plain(await shop.page(where))
    assert "Everything is with you" in plain(await shop.page(f"{where}?lang=en"))


@pytest.mark.parametrize(("country", "said"), [("NL", "nl"), ("AT", "de"), ("FR", "fr"), ("CZ", "en")])
async def test_it_speaks_the_language_of_the_customers_country(shop: Shop, country: str, said: str) -> None:
    placed = await shop.place(ship_to={**ANNA, "country": country})
    html = await shop.page(await shop.link(placed))
    assert f'<html lang="{said}">' in html
    assert str(PHRASES[said]["preparing"]) in html


async def test_what_comes_later_is_said_with_its_day(shop: Shop) -> None:
    lines = [{"sku": sku, "quantity": n, "unit_price": "5", "text": text} for sku, n, text in
             (("mug", 3, "Blauwe mok"), ("cup", 2, "Rode kop"))]  # fmt: skip
    placed = await shop.ask("POST", "/order/orders", {"lines": lines, "ship_to": ANNA})
    await shop.rest()
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    day = datetime.fromisoformat(next(line["promised_on"] for line in owner["lines"] if line["promised_on"]))
    told = plain(await shop.page(await shop.link(placed)))
    assert "3 van uw 5 artikelen zijn bij u of bijna klaar" in told
    assert f"2 artikelen komen later, rond {Phrases('nl', ZoneInfo('UTC')).day(day)}" in told
    assert "2× Rode kop" in told


async def test_it_says_nothing_of_how_the_shop_works(shop: Shop) -> None:
    line = {"sku": "mug", "quantity": 2, "unit_price": "5", "text": "Blauwe mok"}
    placed = await shop.place(lines=[line], hold="fraud score 93", customer_id="K-7")
    await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "ask Bob of accounting"})
    await shop.rest()
    html = await shop.page(await shop.link(placed))
    assert "We kijken uw bestelling na" in html
    for word in ("mug", "north", "fraud", "Bob", "K-7", "hold", "park", str(placed["id"])):
        assert word not in html, word


async def test_nothing_is_of_elsewhere_nothing_is_kept_and_the_address_is_told_to_nobody(shop: Shop) -> None:
    where = await shop.link(await shop.place())
    for path, status in ((where, 200), (where[:-2], 404), ("/s/" + "x" * 500, 404)):
        answer = await shop.http.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status
        headers = answer.headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert headers["cache-control"] == "no-store"
        assert "script-src" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "set-cookie" not in headers
        assert "<script" not in answer.text
        assert not re.findall(r'(?:src|action)="https?:', answer.text)
        assert not re.findall(r'<link[^>]+href="https?:', answer.text)


async def test_texts_of_products_and_names_are_no_markup(shop: Shop) -> None:
    line = {"sku": "mug", "quantity": 1, "unit_price": "5", "text": "<script>alert(1)</script>\"'>"}
    html = await shop.page(await shop.link(await shop.place(lines=[line])))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


# Wrong links


async def test_every_wrong_link_gets_the_same_answer(shop: Shop) -> None:
    placed = await shop.place()
    good, links = await shop.link(placed), office_of(shop).links
    order_id, today = UUID(placed["id"]), now()
    signed = [
        links.token(order_id, today - timedelta(days=400)),  # over
        links.token(UUID(int=7), today),  # of no order
        Links(["x" * 32], 30).token(order_id, today),  # of nobody's key
        good.removeprefix("/s/")[:-1],
        "nonsense",
        "x" * 500,
    ]
    answers = [await shop.http.get(f"/s/{token}", headers={"Accept": "text/html"}) for token in signed]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    for lang in LANGUAGES:
        assert str(PHRASES[lang]["no link"]) in answers[0].text
    old = Links([OLD], 30).token(order_id, today)
    assert placed["number"] in await shop.page(f"/s/{old}"), "of the key before"


async def test_who_tries_many_links_waits_and_a_page_is_not_shown_without_end(shop: Shop) -> None:
    where = await shop.link(await shop.place())
    office = office_of(shop)
    for _ in range(office.wrong_links.most):
        assert (await shop.http.get("/s/wrong")).status_code == 404
    answer = await shop.http.get(where)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    office.wrong_links.seen.clear()
    for _ in range(office.visits.most):
        office.visits.add("elsewhere", now())
    assert (await shop.http.get(where)).status_code == 200
    order_id = office.links.read(where.removeprefix("/s/"), now())[0]
    for _ in range(office.visits.most):
        office.visits.add(order_id.hex, now())
    assert (await shop.http.get(where)).status_code == 429


# Documents


async def test_invoice_and_credit_note_are_of_this_order_only_and_kept_as_seen(shop: Shop) -> None:
    owner, other = await sold(shop), await sold(shop)
    note = await given_back(shop, owner)
    where, elsewhere = await shop.link(owner), await shop.link(other)
    html = await shop.page(where)
    for number in (note["invoice"], note["number"]):
        assert f"{where}/documents/{number}" in html
        answer = await shop.http.get(f"{where}/documents/{number}")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert number in text_of(answer.content)
        assert (await shop.http.get(f"{elsewhere}/documents/{number}")).status_code == 404
        kept = await shop.rows("select who, form from document_views where number = $1", number)
        assert [(row["who"], row["form"]) for row in kept] == [("customer", "pdf")]
    assert (await shop.http.get(f"{where}/documents/INV-1999-000001")).status_code == 404
    assert (await shop.http.get(f"/s/wrong/documents/{note['number']}")).status_code == 404
    assert "Terugbetaald" in plain(html)


async def test_who_copied_a_link_is_kept(shop: Shop) -> None:
    placed = await shop.place()
    assert f"/orders/{placed['number']}/link" in await shop.page(f"/orders/{placed['number']}")
    assert "Show the link" in await shop.page(f"/orders/{placed['number']}/link")
    assert not await shop.rows("select 1 from document_views where number = $1", placed["number"])
    await shop.link(placed)
    kept = await shop.rows("select who, form from document_views where number = $1", placed["number"])
    assert [(row["who"], row["form"]) for row in kept] == [("local", "link")]
    assert f'href="/orders/{placed["number"]}"' in await shop.page("/document-views")


async def test_without_a_key_there_is_no_link(shop: Shop) -> None:
    placed = await shop.place()
    where = await shop.link(placed)
    office = office_of(shop)
    links, office.links = office.links, Links([], 30)
    try:
        assert "COMPTOIR_LINK_KEYS" in await shop.page(f"/orders/{placed['number']}/link")
        assert (await shop.http.get(where)).status_code == 404
    finally:
        office.links = links


async def test_while_an_owner_is_away_it_says_to_come_back(shop: Shop) -> None:
    where = await shop.link(await shop.place())
    owners = office_of(shop).owners
    over = owners.over["order"]
    owners.over["order"] = type(over)(base_url="http://127.0.0.1:9", trust_env=False, timeout=1)
    try:
        answer = await shop.http.get(where)
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert str(PHRASES["nl"]["not now"]) in answer.text


# What the customer decides


def fields(html: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))


async def part_late(shop: Shop) -> Any:
    lines = [{"sku": sku, "quantity": n, "unit_price": "10", "vat_rate": "21", "text": text} for sku, n, text in
             (("mug", 3, "Blauwe mok"), ("cup", 2, "Rode kop"))]  # fmt: skip
    placed = await shop.ask("POST", "/order/orders", {"lines": lines, "ship_to": ANNA})
    await shop.rest()
    return placed


async def test_the_customer_agrees_to_the_date_under_her_own_name(shop: Shop) -> None:
    placed = await part_late(shop)
    where = await shop.link(placed)
    answer = await shop.post(f"{where}/wait?lang=nl", fields(await shop.page(where)))
    assert "We hebben genoteerd dat u wacht" in plain(await shop.page(answer.headers["location"]))
    history = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["history"]
    assert [of["actor"] for of in history if of["trigger"] == "order.accept_date.v1"] in (["customer"], [])
    assert (await shop.http.post("/s/wrong/wait", data={"key": "k" * 12})).status_code == 404


async def test_the_customer_stops_waiting_after_seeing_what_it_does_and_only_the_late_part_goes(shop: Shop) -> None:
    placed = await part_late(shop)
    where = await shop.link(placed)
    html = await shop.page(f"{where}/stop")
    told = plain(html)
    assert "2× Rode kop" in told
    assert "Blauwe mok" not in told
    assert "€ 36,30 in plaats van € 60,50" in told.replace("\xa0", " ")
    untouched = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert [line["cancelled"] for line in untouched["lines"]] == [0, 0], "looking at it does nothing"
    form = fields(html)
    for _ in range(2):  # a double click
        answer = await shop.post(f"{where}/stop", form)
        await shop.rest()
    assert "Deze artikelen zijn geannuleerd" in plain(await shop.page(f"{where}?done=stop"))
    assert answer.headers["location"].startswith(where)
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert [(line["ordered"], line["cancelled"]) for line in owner["lines"]] == [(3, 0), (2, 2)]
    assert [of["actor"] for of in owner["history"] if of["trigger"] == "order.cancel_order.v1"] == ["customer"]
    assert (await shop.http.get(f"{where}/stop")).status_code == 303, "nothing is left to stop"


async def test_what_changed_since_it_was_shown_is_not_done_but_shown_anew(shop: Shop) -> None:
    placed = await part_late(shop)
    where = await shop.link(placed)
    form = fields(await shop.page(f"{where}/stop"))
    await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "look"})
    await shop.rest()
    answer = await shop.post(f"{where}/stop", form, status=409)
    assert str(PHRASES["nl"]["stale"]) in answer.text
    assert "look" not in plain(answer.text)
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert [line["cancelled"] for line in owner["lines"]] == [0, 0]
    await shop.post(f"{where}/stop", fields(answer.text))


async def test_a_form_of_another_site_is_refused_and_one_without_an_origin_is_not(shop: Shop) -> None:
    """A page that tells nobody its address sends no origin with its own forms."""
    where = await shop.link(await part_late(shop))
    form = fields(await shop.page(where))
    await shop.post(f"{where}/wait", form, status=403, Origin="https://evil.example")
    await shop.post(f"{where}/wait", form, status=403, **{"Origin": "null", "Sec-Fetch-Site": "cross-site"})
    await shop.post(f"{where}/wait", form, **{"Origin": "null", "Sec-Fetch-Site": "same-origin"})
    await shop.post("/logout", {}, status=403, Origin="null")
