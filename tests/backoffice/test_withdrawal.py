"""A customer sends something back on her own page: chosen, shown, done once; after the period it says it is over."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.backoffice.phrases import LANGUAGES, PHRASES, Phrases
from shared.clock import now
from tests.backoffice.shop import ANNA, Item, Shop, shop_at
from tests.backoffice.test_status import fields, plain
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
LONG_AGO = timedelta(days=60)


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    settings = {"shop_contact": "call 030 555 01 48", "shop_address": "Comptoir | Kade 1 | Utrecht"}
    async with shop_at(databases, "withdrawal", **settings) as founded:
        await founded.open(mug=1000)
        await founded.ask("PUT", "/inventory/items", {"items": [{"sku": "post", "stocked": False}]})
        yield founded


@pytest.fixture(autouse=True)
def calm(shop: Shop) -> None:
    shop.office.visits.seen.clear()
    shop.office.wrong_links.seen.clear()


LINES = [
    {"sku": "mug", "quantity": 3, "unit_price": "10.00", "vat_rate": "21", "text": "Blauwe mok"},
    {"sku": "post", "quantity": 1, "unit_price": "5.00", "vat_rate": "21", "kind": "shipping", "text": "Verzending"},
]


async def with_her(shop: Shop, ago: timedelta = timedelta(0), **more: Any) -> Item:
    """An order that was delivered so long ago, as its owner tells of it."""
    placed = await shop.place(lines=LINES, **more)
    for shipment in (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]:
        await shop.ship(shipment["shipment_id"])
        body = {"status": "delivered", "at": now().isoformat()}
        await shop.ask("POST", f"/fulfilment/shipments/{shipment['shipment_id']}/tracking", body)
        await shop.rest()
    if ago:
        await as_if_delivered(shop, placed["id"], now() - ago)
    owner: Item = await shop.ask("GET", f"/order/orders/{placed['id']}")
    return owner


async def as_if_delivered(shop: Shop, order_id: str, at: datetime) -> None:
    """Fulfilment does not believe in a delivery before the hand-over, so the order's row is told another day."""
    day = "update shipments set heard = jsonb_set(heard, '{delivered_at}', to_jsonb($2::text)) where order_id = $1"
    await shop.change("order", day, order_id, at.isoformat())
    await shop.change("order", "update progress set revision = revision + 1 where order_id = $1", order_id)


async def choice(shop: Shop, owner: Item, n: int, **more: str) -> dict[str, str]:
    return {"shipment_id": owner["shipments"][0]["shipment_id"], "back-1": str(n), **more}


async def test_she_sees_what_it_means_confirms_and_sees_it_announced(shop: Shop) -> None:
    owner = await with_her(shop)
    where = await shop.link(owner)
    html = await shop.page(where)
    assert f"{where}/return?lang=nl" in html
    chosen = await shop.post(f"{where}/return?lang=nl", await choice(shop, owner, 2, reason="te klein"), status=200)
    told = plain(chosen.text).replace("\xa0", " ")
    assert "2× Blauwe mok" in told
    assert "krijgt u € 24,20 terug" in told
    p = Phrases("nl", ZoneInfo("UTC"))
    by = p.day(now() + timedelta(days=14))
    assert f"Stuur ze uiterlijk op {by}." in told
    assert "Kade 1" in told
    assert not (await shop.ask("GET", f"/order/orders/{owner['id']}"))["returns"], "looking at it does nothing"
    form = fields(chosen.text) | {"back-1": "2"}
    for _ in range(2):  # a double click
        answer = await shop.post(f"{where}/return?lang=nl", form)
        await shop.rest()
    after = plain(await shop.page(answer.headers["location"]))
    assert str(PHRASES["nl"]["done withdraw"]) in after
    assert "We wachten op deze artikelen" in after
    assert f"Stuur ze uiterlijk op {by}." in after
    known = await shop.ask("GET", f"/order/orders/{owner['id']}")
    (back,) = known["returns"]
    assert (back["wanted"], back["reason"]) == ([{"line_no": 1, "quantity": 2}], "te klein")
    said = [(of["actor"], of["note"]) for of in known["history"] if of["trigger"] == "order.return_goods.v1"]
    assert said == [("customer", "te klein")]
    timeline = plain(await shop.page(f"/orders/{owner['number']}"))
    assert "A return of 2 pieces was announced" in timeline
    assert f"/returns/{back['return_id']}" in await shop.page("/returns")


async def test_the_money_shown_is_the_money_that_comes_back(shop: Shop) -> None:
    owner = await with_her(shop)
    where = await shop.link(owner)
    shown = await shop.post(f"{where}/return", await choice(shop, owner, 3), status=200)
    assert "1× Verzending" in plain(shown.text), "nothing is kept, so postage comes along"
    assert "€ 42,35" in plain(shown.text).replace("\xa0", " ")
    await shop.post(f"{where}/return", fields(shown.text) | {"back-1": "3"})
    await shop.rest()
    (back,) = (await shop.ask("GET", f"/fulfilment/returns?order_id={owner['id']}"))["items"]
    path = f"/fulfilment/returns/{back['return_id']}"
    await shop.ask("POST", f"{path}/receive", {"lines": [{"line_no": 1, "quantity": 3}]})
    await shop.ask("POST", f"{path}/inspect", {"lines": [{"line_no": 1, "accepted": 3, "restock": 3}]})
    await shop.rest()
    (note,) = (await shop.ask("GET", f"/billing/credit-notes?order_id={owner['id']}"))["items"]
    assert note["gross"] == "42.35"
    assert "Terugbetaald € 42,35" in plain(await shop.page(where)).replace("\xa0", " ")
    assert f"{where}/return" not in await shop.page(where), "nothing is left"
    assert (await shop.http.get(f"{where}/return")).status_code == 303


async def test_after_the_period_the_page_says_so_and_whom_to_ask_and_the_staff_still_can(shop: Shop) -> None:
    owner = await with_her(shop, LONG_AGO)
    where = await shop.link(owner)
    period = await shop.ask("GET", f"/order/orders/{owner['id']}/withdrawal")
    last = Phrases("nl", ZoneInfo("UTC")).day(datetime.fromisoformat(period["until"]))
    for path in (where, f"{where}/return"):
        told = plain(await shop.page(path))
        assert f"De tijd om van de koop af te zien is op {last} verstreken." in told
        assert "call 030 555 01 48" in told
    assert "back-1" not in await shop.page(f"{where}/return")
    form = await choice(shop, owner, 1)
    refused = await shop.post(f"{where}/return", {**form, "key": "k" * 12, "quote": "x"}, status=409)
    assert last in plain(refused.text)
    assert not (await shop.ask("GET", f"/order/orders/{owner['id']}"))["returns"]
    staff = await shop.post(f"/orders/{owner['number']}/take-back", form, status=200)
    await shop.post(f"/orders/{owner['number']}/take-back", fields(staff.text) | {"back-1": "1"})
    assert (await shop.ask("GET", f"/order/orders/{owner['id']}"))["returns"]


async def test_what_is_still_on_its_way_is_not_offered(shop: Shop) -> None:
    placed = await shop.place(lines=LINES)
    where = await shop.link(placed)
    assert f"{where}/return" not in await shop.page(where)
    assert (await shop.http.get(f"{where}/return")).status_code == 303


@pytest.mark.parametrize("typed", [{}, {"back-1": "0"}, {"back-1": "x"}, {"back-1": "-1"}, {"back-2": "1"}])
async def test_what_makes_no_sense_is_said_where_it_was_typed(shop: Shop, typed: dict[str, str]) -> None:
    owner = await with_her(shop)
    where = await shop.link(owner)
    form = {"shipment_id": owner["shipments"][0]["shipment_id"], **typed}
    answer = await shop.post(f"{where}/return", form, status=422)
    assert str(PHRASES["nl"]["withdraw wrong"]) in answer.text


async def test_more_than_there_is_and_what_changed_since_are_not_done(shop: Shop) -> None:
    owner = await with_her(shop)
    where = await shop.link(owner)
    await shop.post(f"{where}/return", await choice(shop, owner, 4), status=409)
    shown = await shop.post(f"{where}/return", await choice(shop, owner, 2), status=200)
    body = {"shipment_id": owner["shipments"][0]["shipment_id"], "lines": [{"line_no": 1, "quantity": 1}]}
    await shop.ask("POST", f"/order/orders/{owner['id']}/returns", body)
    await shop.rest()
    stale = await shop.post(f"{where}/return", fields(shown.text) | {"back-1": "2"}, status=409)
    assert str(PHRASES["nl"]["stale"]) in stale.text
    assert len((await shop.ask("GET", f"/order/orders/{owner['id']}"))["returns"]) == 1
    await shop.post(f"{where}/return", fields(stale.text) | {"back-1": "2"})


async def test_no_other_order_is_reached_and_visits_are_counted(shop: Shop) -> None:
    mine, other = await with_her(shop), await with_her(shop)
    where = await shop.link(mine)
    form = {**await choice(shop, other, 1), "key": "k" * 12, "quote": "x"}
    await shop.post(f"{where}/return", form, status=422)
    assert not (await shop.ask("GET", f"/order/orders/{other['id']}"))["returns"]
    assert (await shop.http.post("/s/wrong/return", data=form)).status_code == 404
    for _ in range(shop.office.visits.most):
        shop.office.visits.add("127.0.0.1", now())
    assert (await shop.http.get(f"{where}/return")).status_code == 429
    assert (await shop.http.post(f"{where}/return", data=form)).status_code == 429


@pytest.mark.parametrize("lang", LANGUAGES)
async def test_it_speaks_her_language(shop: Shop, lang: str) -> None:
    owner = await with_her(shop, ship_to=ANNA)
    where = await shop.link(owner)
    html = await shop.page(f"{where}/return?lang={lang}")
    assert f'<html lang="{lang}">' in html
    assert str(PHRASES[lang]["withdraw title"]) in plain(html).replace("&#39;", "'")
    shown = await shop.post(f"{where}/return?lang={lang}", await choice(shop, owner, 1), status=200)
    assert str(PHRASES[lang]["withdraw yes"]) in plain(shown.text)
    assert "None" not in re.sub(r"<[^>]+>", "", shown.text)
