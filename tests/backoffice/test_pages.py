"""Every page answers without a browser; what people typed is text; acts do what was shown or say why not."""

import asyncio
import csv
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql

from services.backoffice.api.guard import POLICY
from services.backoffice.live import Live
from services.backoffice.queries import Filter, listing
from services.backoffice.views.money import TABS
from services.backoffice.views.orders import cell, sortable
from services.backoffice.views.reports import TITLES
from tests.backoffice.shop import ANNA, Shop, field, row_of
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
HOSTILE = '<script>alert("x")</script>\'"><img src=x onerror=alert(1)> {{7*7}} ${7*7}'


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/orders",
        "/stock",
        "/stock?view=backorders",
        "/parked-messages",
        "/stock/mug",
        "/pick",
        "/pack",
        "/returns",
        "/acts",
        "/document-views",
        "/customers",
        "/reports",
        *(f"/reports/{name}" for name in TITLES),
        "/money",
        *(f"/money/{name}" for name, _ in TABS),
    ],
)
async def test_each_page_answers_with_its_frame_and_headers(shop: Shop, path: str) -> None:
    response = await shop.http.get(path)
    assert response.status_code == 200, response.text
    assert response.headers["content-security-policy"] == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert '<html lang="en">' in response.text
    assert response.text.count("<h1") == 1
    assert not re.search(r"<style|\sstyle=|<script(?! src=)|\son\w+=", response.text), "against the policy"
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", response.text), "from elsewhere"


async def test_static_files_are_kept_for_ever_under_the_name_of_their_content(shop: Shop) -> None:
    html = await shop.page("/")
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
        response = await shop.http.get(path)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]
        wrong = re.sub(r"/static/\w+/", "/static/000000000000/", path)
        assert (await shop.http.get(wrong)).status_code == 404


async def test_pages_are_small(shop: Shop) -> None:
    for _ in range(3):
        await shop.place()
    assert len(await shop.page("/orders")) < 45_000
    assert len((await shop.http.get("/orders")).content) < 45_000


async def test_many_who_look_at_today_ask_each_owner_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    began = shop.office.running.now()
    monkeypatch.setattr(shop.office.running, "now", lambda: began)  # an answer is as new as on a fast machine

    async def noted(request: httpx.Request) -> None:
        asked.append(f"{request.url.host}:{request.url.port}{request.url.path}")

    clients = shop.office.owners.over
    shop.office.memory.asked = None
    for client in clients.values():
        client.event_hooks = {"request": [noted]}
    try:
        await asyncio.gather(*(shop.page("/") for _ in range(8)))
    finally:
        for client in clients.values():
            client.event_hooks = {"request": []}
    assert len(asked) == len(set(asked)) == len(clients) + 1, asked  # what is parked, and billing's write-offs


@pytest.mark.parametrize(("path", "most"), [("/", 7), ("/orders", 4), ("/orders?view=way", 4), ("/orders/{number}", 9)])
async def test_pages_wait_for_few_answers_of_the_database(shop: Shop, path: str, most: int) -> None:
    """Beside other work each statement waits for its turn: what a page needs is asked for together."""
    placed = await shop.place()
    with statements(shop) as asked:
        await shop.page(path.format(number=placed["number"]))
    assert 0 < len(asked) <= most, asked


@contextmanager
def statements(shop: Shop) -> Iterator[list[str]]:
    """What pages ask the database meanwhile."""
    asked: list[str] = []
    engine = shop.office.running.reads.sync_engine

    def noted(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", noted)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", noted)


async def test_a_day_of_many_orders_is_not_added_up_for_each_look(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.place()

    async def sums_asked_by_two_looks() -> int:
        with statements(shop) as asked:
            assert await shop.page("/") == await shop.page("/")
        return sum("sum(orders.gross)" in statement for statement in asked)

    moment = shop.office.running.now()
    monkeypatch.setattr(shop.office.running, "now", lambda: moment)
    assert await sums_asked_by_two_looks() == 2
    monkeypatch.setattr("services.backoffice.views.today.MANY", 0)
    assert await sums_asked_by_two_looks() <= 1


async def test_what_people_typed_is_text_wherever_it_is_shown(shop: Shop) -> None:
    address = {**ANNA, "name": HOSTILE, "city": HOSTILE[:60], "street": [HOSTILE]}
    placed = await shop.place(ship_to=address, external_id=HOSTILE[:60], customer_id="<b>c</b>", hold=HOSTILE[:90])
    for path in ("/", "/orders", f"/orders/{placed['number']}", f"/orders/{placed['number']}/release"):
        html = await shop.page(path)
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "<b>c</b>" not in html
    shown = await shop.page(f"/orders/{placed['number']}")
    assert "&lt;script&gt;alert" in shown
    assert "{{7*7}}" in shown
    searched = await shop.page("/orders?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&channel=%22%3E%3Cb%3E")
    assert "<script>alert" not in searched
    assert '"><b>' not in searched


async def test_the_list_finds_an_order_by_all_that_people_know_of_it(shop: Shop) -> None:
    address = {**ANNA, "name": "Zoë Quist", "email": "zoe@quist.example"}
    placed = await shop.place(ship_to=address, external_id="MP-778", customer_id="zq", channel="market")
    for q in ("quist", "Zoë", "zoe@quist", "zq", placed["number"].lower(), "mp-77"):
        response = await shop.http.get("/orders", params={"q": q}, headers={"HX-Request": "true"})
        assert f'href="/orders/{placed["number"]}"' in response.text, q
    for q in ("MP-778", placed["number"], placed["id"]):
        response = await shop.http.get("/orders", params={"q": q})
        assert response.status_code == 303, "the only one it can be is opened"
        assert response.headers["location"] == f"/orders/{placed['number']}"
    nothing = await shop.page("/orders?q=nobody-is-called-so")
    assert "No order fits." in nothing
    assert placed["number"] in await shop.page("/orders?channel=market")
    assert placed["number"] not in await shop.page("/orders?channel=web")


@pytest.mark.parametrize("sort", ["", "oldest", "promise"])
async def test_pages_of_the_list_neither_repeat_nor_leave_out_an_order(shop: Shop, sort: str) -> None:
    channel = f"bulk-{sort}"
    for n in range(53):
        line = {"sku": "mug", "quantity": 1, "unit_price": "1"}
        await shop.ask("POST", "/order/orders", {"lines": [line], "channel": channel, "external_id": f"B-{sort}-{n}"})
    await shop.rest()
    if sort == "promise":  # two each day, and the others have none
        orders = await shop.rows("select order_id from orders where channel = $1 order by order_id desc", channel)
        for n, order in enumerate(orders[:40]):
            promised = date(2026, 3, 1) + timedelta(days=n // 2)
            column = "promised_on" if n % 4 else "accepted_on"  # the list shows the one where there is no other
            setting = f"update orders set {column} = $2 where order_id = $1"
            await shop.change("backoffice", setting, order["order_id"], promised)
    path, seen = f"/orders?view=open&channel={channel}&sort={sort}", []
    while path:
        html = await shop.page(path)
        seen += re.findall(r'<td role=cell><a href="/orders/(C-\d+)"', html)
        onward = re.search(r'href="([^"]+)" rel="next"', html)
        path = onward[1].replace("&amp;", "&") if onward else ""
    by_promise = "coalesce(promised_on, accepted_on) nulls last, order_id"
    by = {"": "placed_at desc", "oldest": "placed_at", "promise": by_promise}[sort]
    rows = await shop.rows(f"select number from orders where channel = $1 order by {by}", channel)
    assert seen == [row["number"] for row in rows]
    back = re.search(r'href="([^"]+)" rel="prev"', html)
    assert back
    first = await shop.page(back[1].replace("&amp;", "&"))
    assert re.findall(r'<td role=cell><a href="/orders/(C-\d+)"', first) == seen[:50]
    text = await shop.page(f"/orders.csv?view=open&channel={channel}&sort={sort}")
    exported = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    assert [row["number"] for row in exported] == seen


@pytest.mark.parametrize("view", ["", "open", "done"])
@pytest.mark.parametrize("sort", ["", "oldest", "promise"])
async def test_lists_are_sorted_by_an_index(shop: Shop, view: str, sort: str) -> None:
    wanted = Filter(view=view, sort=sortable(view, sort))
    literal = {"dialect": postgresql.dialect(), "compile_kwargs": {"literal_binds": True}}  # type: ignore[no-untyped-call]
    select = str(listing(wanted, (datetime(2026, 3, 2, tzinfo=UTC), UUID(int=1)), None, 51).compile(**literal))
    connection = await asyncpg.connect(shop.database_url.format(service="backoffice"))
    try:
        await connection.execute("set enable_seqscan = off; set enable_bitmapscan = off")  # for few, no index is of use
        plan = "\n".join([row[0] for row in await connection.fetch(f"explain {select}")])
    finally:
        await connection.close()
    assert "Sort" not in plan, plan


async def test_what_waits_opens_as_a_list_of_just_that_the_oldest_first(shop: Shop) -> None:
    gone, kept = await shop.place(channel="worst"), await shop.place(channel="worst", hold="look at it")
    await shop.ask("POST", f"/order/orders/{gone['id']}/cancel", {"reason": "worst"})
    await shop.rest()
    owing = "update money set parked = 'refund 1 was refused 4 times: no' where order_id = $1"
    await shop.change("backoffice", owing, UUID(kept["id"]))
    today = unescape(await shop.page("/"))
    for href, name in (
        ("/orders?view=open&sort=oldest", "Open orders"),
        ("/orders?view=money&sort=oldest", "Money that needs a person"),
        ("/orders?view=verify&sort=oldest", "To verify"),
        ("/orders?view=staff&sort=oldest", "Need a person"),
    ):
        (n,) = re.findall(rf'href="{re.escape(href)}"[^>]*>(?:(?!</a>).)*{name}(?:(?!</a>).)*?>(\d+)<', today, re.S)
        shown = await shop.page(href)
        rows = re.findall(r'<td role=cell><a href="/orders/(C-\d+)"', shown)
        assert min(int(n), 50) == len(rows), name
        assert rows == sorted(rows, key=lambda number: int(number[2:])), name
        assert gone["number"] not in rows
        assert 'aria-sort="ascending"' in shown
    assert kept["number"] in await shop.page("/orders?view=money")
    assert gone["number"] in await shop.page("/orders?view=cancelled")
    for path in ("/orders?view=cancelled&sort=promise", "/orders?sort=promise", "/orders?sort=none"):
        assert 'aria-sort="descending"' in await shop.page(path), "what is done waits for no promise"


async def test_the_export_holds_the_whole_filter_and_no_formula(shop: Shop) -> None:
    await shop.place(ship_to={**ANNA, "name": '=HYPERLINK("http://evil")'}, channel="csv", external_id="-2+3")
    text = await shop.page("/orders.csv?channel=csv")
    (row,) = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert row["name"] == '\'=HYPERLINK("http://evil")'
    assert row["external_id"] == "'-2+3"
    assert row["gross"] == "30.25"
    assert row["skus"] == "mug"


@pytest.mark.parametrize(
    ("currency", "price", "said"), [("EUR", "1234.5", "1234.50"), ("KWD", "1.005", "1.005"), ("JPY", "500", "500")]
)
async def test_a_file_opens_right_in_the_spreadsheet_of_its_reader(
    shop: Shop, currency: str, price: str, said: str
) -> None:
    """Names with accents by the mark at its beginning; amounts with the decimals of their currency, read as numbers."""
    line = {"sku": "mug", "quantity": 1, "unit_price": price, "vat_rate": "0"}
    channel = f"file-{currency}"
    await shop.place(ship_to={**ANNA, "name": "Zoë; Käte"}, channel=channel, currency=currency, lines=[line])
    for language, delimiter, mark in (("en", ",", "."), ("nl", ";", ","), ("de", ";", ","), ("fr", ";", ",")):
        headers = {"Accept-Language": language}
        body = (await shop.http.get(f"/orders.csv?channel={channel}", headers=headers)).content
        assert body.startswith(b"\xef\xbb\xbfnumber")
        (row,) = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig")), delimiter=delimiter))
        assert (row["name"], row["gross"]) == ("Zoë; Käte", said.replace(".", mark))
        for path in ("/stock.csv", "/acts.csv"):
            first = (await shop.http.get(path, headers=headers)).content.splitlines()[0]
            assert first.startswith(b"\xef\xbb\xbf")
            assert delimiter.encode() in first
        report = (await shop.http.get(f"/reports/channels.csv?currency={currency}", headers=headers)).content
        rows = list(csv.reader(io.StringIO(report.decode("utf-8-sig")), delimiter=delimiter))
        assert [channel, "1", "1", said.replace(".", mark)] in rows


@pytest.mark.parametrize(
    "text", ["=1", "+1", "-1", "@a", "\t=1", ' "=1', "'=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff20a"]
)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert cell(text)[0] == "'"


def test_cells_of_figures_stay_figures() -> None:
    assert cell(-3) == "-3"
    assert cell(None) == ""
    assert cell(["a", "b"]) == "a b"
    assert cell("plain - text") == "plain - text"


async def test_cancelling_shows_its_effect_and_then_does_exactly_that(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}"
    shown = await shop.page(f"{where}/cancel")
    assert "Fulfilment would be asked to pull back shipment 1 from north (2 pieces)" in shown
    form = {"key": field(shown, "key"), "quote": field(shown, "quote"), "reason": "changed her mind"}
    before = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert before["status"] == "in_fulfilment", "looking does nothing"
    response = await shop.post(f"{where}/cancel", form)
    assert response.headers["location"] == f"{where}?done=cancel"
    again = await shop.post(f"{where}/cancel", form)
    assert again.status_code == 303, "pressed twice it is done once"
    await shop.rest()
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert owner["status"] == "cancelled"
    wishes = [of for of in owner["history"] if of["trigger"] == "order.cancel_order.v1"]
    assert [(of["actor"], of["note"]) for of in wishes] == [("local", "changed her mind")]
    page = await shop.page(where)
    assert "It is cancelled and settled; nothing more happens." in page
    assert "Asked to cancel." in page


async def test_a_stale_preview_does_nothing_and_shows_the_new_effect(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}"
    shown = await shop.page(f"{where}/cancel")
    await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "another clerk"})
    form = {"key": field(shown, "key"), "quote": field(shown, "quote"), "reason": ""}
    response = await shop.post(f"{where}/cancel", form, status=409)
    assert "The order changed since you looked. Nothing was done." in response.text
    fresh = field(response.text, "quote")
    assert fresh != form["quote"]
    await shop.rest()
    assert (await shop.ask("GET", f"/order/orders/{placed['id']}"))["status"] == "held"


async def test_an_order_is_held_and_released_by_a_person(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}"
    shown = await shop.page(f"{where}/hold")
    await shop.post(f"{where}/hold", {"key": field(shown, "key"), "reason": "check the address"})
    await shop.rest()
    assert "It is held (check the address)" in await shop.page(where)
    assert placed["number"] in await shop.page("/orders?view=verify")
    shown = await shop.page(f"{where}/release")
    assert "would be taken away" in shown
    form = {"key": field(shown, "key"), "quote": field(shown, "quote"), "hold": "check the address", "reason": "fine"}
    await shop.post(f"{where}/release", form)
    await shop.rest()
    assert (await shop.ask("GET", f"/order/orders/{placed['id']}"))["holds"] == []


async def test_without_an_answer_of_the_owner_it_says_that_it_is_not_known(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}"
    shown = await shop.page(f"{where}/cancel")
    form = {"key": field(shown, "key"), "quote": field(shown, "quote"), "reason": ""}
    owners = _owners(shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url="http://127.0.0.1:9", trust_env=False)
    try:
        response = await shop.post(f"{where}/cancel", form, status=503)
        assert "It is not known yet whether it was done." in response.text
        assert field(response.text, "key") == form["key"], "pressing again is the same request"
        page = await shop.page(where)
        assert "The order service does not answer now." in page
        assert f'href="{where}/cancel"' not in page
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over


def _owners(shop: Shop) -> Any:
    caller = shop.suite["backoffice"].service.caller
    assert caller is not None
    return caller.__self__.owners  # type: ignore[attr-defined]


async def test_the_timeline_says_in_words_what_happened_and_names_the_messages(shop: Shop) -> None:
    placed = await shop.place("cup", 3)
    page = await shop.page(f"/orders/{placed['number']}")
    assert "Why is it not moving?" in page
    assert "3 pieces on backorder" in page
    assert "inventory.stock_backordered.v1" in page
    assert "The order was placed." in page
    stock = await shop.page(f"/orders/{placed['number']}?show=stock")
    assert "inventory.stock_backordered.v1" in stock
    assert "order.order_placed.v1" not in stock
    assert f"/orders/{placed['number']}" in await shop.page("/stock?view=backorders")


async def test_a_parked_message_is_found_tried_and_dropped_with_a_reason(shop: Shop) -> None:
    running = shop.suite["billing"]
    from shared.messaging.bus import arrival_of

    running.desk.put(arrival_of(running.reader, "billing.no_such.v1", '[{"type": "<b>x</b>"}]', None, None))
    await eventually(running.store.parked_count)
    listed = await shop.page("/parked-messages")
    (where,) = set(re.findall(r'href="(/parked-messages/billing/[0-9a-f-]+)"', listed))
    shown = await shop.page(where)
    assert "<b>x</b>" not in shown
    key = field(shown, "key")
    tried = await shop.post(f"{where}/try", {"key": key}, status=200)
    assert "Nothing has happened yet." in tried.text
    refused = await shop.post(f"{where}/drop", {"key": key, "reason": " "}, status=422)
    assert "A reason is needed" in refused.text
    await shop.post(f"{where}/drop", {"key": key, "reason": "a test"})
    after = await shop.page(where)
    assert "Dropped by local" in after


@pytest.mark.parametrize(
    "path", ["/orders/C-999999", "/orders/%00", "/nowhere", "/stock/none", f"/parked-messages/order/{'0' * 32}"]
)
async def test_what_is_not_there_is_a_page_that_says_so(shop: Shop, path: str) -> None:
    response = await shop.http.get(path, headers={"Accept": "text/html"})
    assert response.status_code in (404, 422)
    assert "<h1>" in response.text
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    "query",
    ["after=xx", "after=bm9uZQ", "before=%FF", "since=2026-99-99", "view=none", "status=none", "q=%00", "q=%25_%5C"],
)
async def test_an_address_that_makes_no_sense_is_answered_all_the_same(shop: Shop, query: str) -> None:
    assert "<h1>Orders</h1>" in await shop.page(f"/orders?{query}")


async def test_another_site_can_neither_read_nor_act(shop: Shop) -> None:
    await shop.page("/", status=403, Host="evil.example")
    form = {"key": "k" * 12}
    await shop.post("/orders/C-1/cancel", form, status=403, Origin="https://evil.example")
    await shop.post("/orders/C-1/cancel", form, status=403, **{"Sec-Fetch-Site": "cross-site"})
    assert (await shop.http.get("/orders/C-1/cancel/")).status_code in (307, 404)


async def test_get_changes_nothing(shop: Shop) -> None:
    placed = await shop.place()
    before = await shop.everything()
    for path in (
        "/",
        "/orders",
        f"/orders/{placed['number']}",
        f"/orders/{placed['number']}/cancel",
        "/parked-messages",
    ):
        await shop.page(path)
    await shop.rest()
    assert await shop.everything() == before


async def test_open_pages_are_told_what_changes(shop: Shop) -> None:
    placed = await shop.place()
    listening = f"/live?page=orders&ids={placed['id']}&newest=none"
    told = ""
    async with shop.http.stream("GET", listening) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        parts = stream.aiter_text()
        await anext(parts)
        await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "look at it"})
        while "look at it" not in told:
            told += await anext(parts)
        await shop.ask("POST", f"/order/orders/{placed['id']}/release", {"reason": "look at it"})
        again = ""
        while "waits to be picked" not in again:  # the same order once more, and nothing else between
            again += await anext(parts)
    assert f'hx-target="{row_of(placed)}"' in told
    assert "id: " in told


async def test_a_list_hears_of_orders_that_came_before_it_listened(shop: Shop) -> None:
    await shop.place()
    page = unescape(await shop.page("/orders"))
    listening = re.search(r'hx-sse:connect="([^"]+)"', page)
    assert listening
    await shop.place()
    told = ""
    async with shop.http.stream("GET", listening[1]) as stream:
        parts = stream.aiter_text()
        while "Show 1 new order" not in told:
            told += await anext(parts)


async def test_an_order_page_hears_of_what_changed_before_it_listened(shop: Shop) -> None:
    placed = await shop.place()
    listening = re.search(r'hx-sse:connect="([^"]+)"', unescape(await shop.page(f"/orders/{placed['number']}")))
    assert listening
    await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "look at it first"})
    await shop.rest()
    told, began = "", time.monotonic()
    async with shop.http.stream("GET", listening[1]) as stream:
        parts = stream.aiter_text()
        while "look at it first" not in told:
            told += await anext(parts)
    assert time.monotonic() - began < Live.ROUND_S, "at once, not at the next round"


async def test_picking_says_what_is_wrong_and_does_nothing_then(shop: Shop) -> None:
    placed = await shop.place()
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    where = f"/pick/{shipment['shipment_id']}"
    key = field(await shop.page(where), "key")
    for found in ({}, {"found-1": "3"}, {"found-1": "-1"}, {"found-1": "two"}):
        response = await shop.post(where, {"key": key, **found}, status=422)
        assert "Say for each product how many were found" in response.text
    await shop.post(where, {"key": key, "found-1": "2"})
    await shop.post(where, {"key": key, "found-1": "2"})
    await shop.rest()
    assert "There is nothing to pick here any more. State: To pack." in await shop.page(where)
    pack = f"/pack/{shipment['shipment_id']}"
    early = await shop.post(f"{pack}/dispatch", {"key": "k" * 12}, status=409)
    assert 'role="alert"' in early.text


async def test_who_did_what_is_told_by_person(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/order/orders/{placed['id']}"
    for who, act, reason in (("anna", "hold", "look at it"), ("berta", "release", "look at it")):
        await shop.ask("POST", f"{where}/{act}", {"reason": reason}, who=who)
    await shop.rest()
    everybody = await shop.page("/acts")
    assert placed["number"] in everybody
    assert "The order is on hold" in everybody
    one = await shop.page("/acts?who=anna")
    assert "The order is on hold" in one
    assert "The hold is gone" not in one
    assert "Nobody of this name" in await shop.page("/acts?who=nobody")
