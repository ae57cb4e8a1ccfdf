"""Orders from a file over the pages: looked at with faults by cell, placed once, faults mended and uploaded again."""

import csv
import html
import re
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any
from uuid import uuid4

import httpx
import pytest

from comptoir.staffing import set_account
from services.backoffice.rights import ROLES
from services.backoffice.uploads import MOST
from shared.clock import now
from shared.contracts.backoffice import DropUpload
from tests.backoffice.shop import HASH, Item, Shop, field, logged_in, shop_at
from tests.backoffice.test_bulk import words
from tests.backoffice.test_pages import _owners
from tests.backoffice.test_refunds import Office
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
HEAD = "external_id;customer_id;name;street;city;country;sku;quantity;unit_price;vat_rate"


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "importing", time_zone="Europe/Brussels") as founded:
        await founded.open(mug=1000)
        listed = {"sku": "lamp", "name": "Lamp", "price": "80.00", "vat_rate": "21"}
        await founded.ask("PUT", "/order/products", {"products": [listed]})
        for role in ROLES:
            await set_account(founded.database_url, role, role.title(), (role,), HASH, True, "test")
        made = Office(founded, {role: await logged_in(founded, role) for role in ROLES})
        yield made
        for http in made.of.values():
            await http.aclose()


def line(reference: str, sku: str = "mug", quantity: object = 1, price: str = "10,00", **more: str) -> str:
    of = {"name": "Anna", "street": "Oudegracht 1", "city": "Utrecht", "country": "NL", "customer_id": "", **more}
    cells = [reference, *(of[name] for name in ("customer_id", "name", "street", "city", "country"))]
    return ";".join([*cells, sku, str(quantity), price, "21"])


def sheet(*lines: str) -> bytes:
    return "\r\n".join([HEAD, *lines, ""]).encode()


async def uploaded(
    office: Office, raw: bytes, who: str = "support", *, name: str = "orders.csv", status: int = 303, **form: str
) -> httpx.Response:
    http = office.of[who]
    csrf = field((await http.get("/orders/import")).text, "csrf")
    answer = await http.post("/orders/import", data={"csrf": csrf, **form}, files={"file": (name, raw, "text/csv")})
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    return answer


async def shown(office: Office, raw: bytes, who: str = "support", **form: str) -> tuple[str, str]:
    """Where the file is kept, and the page that says what would be placed."""
    where = (await uploaded(office, raw, who, **form)).headers["location"]
    return where, await office.page(who, where)


def form_of(page: str) -> Item:
    return {name: field(page, name) for name in ("csrf", "key", "quote")}


async def orders_of(shop: Shop, *references: str) -> list[Item]:
    found = (await shop.ask("GET", "/order/orders?channel=import&limit=200"))["items"]
    return [of for of in found if of["external_id"] in references]


class Losing(httpx.AsyncHTTPTransport):
    """A network that loses the answers to one path, after the request was handled."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if request.url.path.endswith(self.path):
            await response.aread()
            raise httpx.ReadTimeout("lost", request=request)
        return response


def fresh(n: int = 1) -> list[str]:
    return [f"R-{uuid4().hex[:8]}" for _ in range(n)]


async def test_a_file_is_looked_at_then_placed_once_however_often(office: Office) -> None:
    a, b = fresh(2)
    raw = sheet(line(a, quantity=2), line(a, "lamp", 1, ""), line(b, quantity=3, price="1.000,00"))
    where, page = await shown(office, raw)
    text = words(page)
    assert "2 orders can be placed" in text
    assert f"{a} Anna Utrecht NL 2 3 €121.00" in text, "two lines, three pieces, VAT on top"
    assert "€3,751.00 VAT included" in text
    assert "Decimal mark a comma, as in 12,50" in text
    assert "semicolons" in text
    assert "Place 2 orders" in text
    assert await orders_of(office.shop, a, b) == [], "looking places nothing"
    form = form_of(page)
    done = await office.post("support", where, form, status=200)
    assert "2 orders are placed" in words(done.text)
    placed = await orders_of(office.shop, a, b)
    assert sorted((of["external_id"], of["gross"]) for of in placed) == sorted([(a, "121.00"), (b, "3630.00")])
    for of in placed:
        assert f'href="/orders/{of["number"]}"' in done.text
    again = await office.post("support", where, form, status=200)
    assert "0 orders are placed" in words(again.text)
    assert "2 orders were placed before" in words(again.text)
    _, page = await shown(office, raw, "admin")
    assert "0 orders can be placed" in words(page)
    assert f"{placed[0]['number']}" in words(page)
    assert 'name="quote"' not in page
    assert len(await orders_of(office.shop, a, b)) == 2
    history = (await office.shop.ask("GET", f"/order/orders/{placed[0]['id']}"))["history"]
    assert history[0]["actor"] == "support"
    await office.shop.rest()
    acts = words(await office.page("admin", "/acts"))
    assert "Had 2 orders of orders.csv placed. 0 were there before, 0 were refused" in acts


async def test_faults_are_shown_by_cell_taken_along_mended_and_uploaded_again(office: Office) -> None:
    good, bad, twice = fresh(3)
    raw = sheet(
        line(good), line(bad, "nothing", "two", ""), line(bad, country="Holland", price="-1,50"),
        line(twice), line(twice, city="Gent"), line("", "mug"), line(bad, name="=cmd()"),
    )  # fmt: skip
    where, page = await shown(office, raw)
    text = words(page)
    assert "2 orders cannot be placed as they are." in text
    assert "1 order can be placed" in text
    for said in (
        "3 quantity two It is no whole number. a whole number from 1 to 1,000,000",
        "4 country Holland Row 3 of the same order says NL; an order has one of it. two letters, as NL",
        "4 unit_price -1,50 Input should be greater than or equal to 0 an amount from 0 on, as 12.50 or 12,50",
        "6 city Gent Row 5 of the same order says Utrecht; an order has one of it.",
        "7 external_id empty The row names no order.",
    ):
        assert said in text, said
    done = await office.post("support", where, form_of(page), status=200)
    assert "1 order is placed" in words(done.text)
    assert "2 orders of the file were left out" in words(done.text)
    back = await office.of["support"].get(f"{where}/errors.csv")
    assert back.headers["content-disposition"] == 'attachment; filename="orders-errors.csv"'
    rows = list(csv.reader(StringIO(back.text[1:]), delimiter=";"))
    assert [row[0] for row in rows] == ["external_id", bad, bad, twice, twice, "", bad]
    assert rows[1][-1].startswith("quantity: It is no whole number.")
    assert not any(c[:1] in ("=", "-", "+", "@") for row in rows for c in row), "nothing is a formula"
    mended = back.text.replace("nothing", "lamp").replace(";two;", ";2;").replace("Holland", "NL")
    mended = mended.replace("'-1,50", "1,50").replace("Gent", "Utrecht").replace("'=cmd()", "Anna")
    mended = "\r\n".join(text for text in mended.splitlines() if not text.startswith(";"))
    where, page = await shown(office, mended.encode())
    assert "2 orders can be placed" in words(page), words(page)
    await office.post("support", where, form_of(page), status=200)
    assert len(await orders_of(office.shop, good, bad, twice)) == 3
    assert [of["gross"] for of in await orders_of(office.shop, bad)] == ["207.52"]


async def test_unknown_skus_are_all_named_and_other_content_of_a_placed_order_is_refused(office: Office) -> None:
    a, b = fresh(2)
    where, page = await shown(office, sheet(line(a, "no-1", 1, ""), line(a), line(a, "no-2", 1, ""), line(b)))
    text = words(page)
    assert "2 sku no-1 no-1 is not in the catalogue and has no price." in text
    assert "4 sku no-2 no-2 is not in the catalogue and has no price." in text
    await office.post("support", where, form_of(page), status=200)
    _, page = await shown(office, sheet(line(b, quantity=7)))
    assert "was placed before with other content." in words(page)
    assert len(await orders_of(office.shop, b)) == 1


async def test_what_changed_since_it_was_shown_is_not_placed(office: Office) -> None:
    (a,) = fresh()
    where, page = await shown(office, sheet(line(a, "lamp", 1, "")))
    dear = {"products": [{"sku": "lamp", "name": "Lamp", "price": "81.00", "vat_rate": "21"}]}
    await office.shop.ask("PUT", "/order/products", dear)
    late = await office.post("support", where, form_of(page), status=409)
    assert "Something changed since you looked. Nothing was done." in words(late.text)
    assert "€98.01" in words(late.text)
    assert await orders_of(office.shop, a) == []
    forged = {**form_of(late.text), "quote": "0" * 32}
    await office.post("support", where, forged, status=409)
    await office.post("support", where, form_of(late.text), status=200)
    assert [of["gross"] for of in await orders_of(office.shop, a)] == ["98.01"]


async def test_an_owner_that_is_away_leaves_nothing_half_known(office: Office) -> None:
    (a,) = fresh()
    where, page = await shown(office, sheet(line(a)))
    owners = _owners(office.shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url=over.base_url, transport=Losing("/orders/batch"))
    try:
        away = await office.post("support", where, form_of(page), status=503)
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over
    assert "Of 1 order it is not known yet whether it was placed" in words(away.text)
    assert f'href="{where}"' in away.text
    page = words(await office.page("support", where))
    assert "0 orders can be placed" in page
    assert "1 order was placed before" in page
    assert len(await orders_of(office.shop, a)) == 1


async def test_a_file_that_makes_no_sense_is_refused_with_its_row(office: Office) -> None:
    for raw, said in (
        (b"PK\x03\x04", "This is a workbook."),
        (sheet(line("A", price="1,5"), line("B", price="1.5")), "Row 2: Row 2 has 1,5 with a decimal comma"),
        (b"external_id,sku,quantity,prize\nA,mug,1,2", "Row 1: There is no column prize"),
        (b"x" * (2 * 1024 * 1024 + 1), "The file is larger than 2 MB; split it."),
    ):
        refused = await uploaded(office, raw, status=422)
        assert said in words(refused.text)
        assert 'role="alert"' in refused.text
    _, page = await shown(office, sheet(line(fresh()[0], price="1.234")), mark=".")
    assert "a point, as in 12.50 (you chose it)" in words(page)
    assert "€1.49" in words(page)


async def test_a_file_is_its_owners_alone_bounded_and_gone_when_dropped_or_old(office: Office) -> None:
    shop, (a,) = office.shop, fresh()
    where, _ = await shown(office, sheet(line(a)), name='../../<b>x"\r\ny.csv')
    assert "&lt;b&gt;x" in await office.page("support", where)
    assert (await office.of["support"].get(f"{where}/errors.csv")).headers["content-disposition"].count('"') == 2
    await office.page("admin", where, status=404)
    for role in ("picker", "packer", "finance"):
        await office.page(role, "/orders/import", status=403)
        await office.page(role, where, status=403)
    for _ in range(MOST):
        last, _ = await shown(office, sheet(line(a)))
    await office.page("support", where, status=404)
    kept = await shop.rows("select owner, count(*) as n from uploads where owner = 'support' group by owner")
    assert kept[0]["n"] == MOST
    csrf = field(await office.page("support", last), "csrf")
    assert (await office.post("support", f"{last}/drop", {"csrf": csrf})).headers["location"].endswith("done=drop")
    await office.page("support", last, status=404)
    left = await shop.rows("select code, content from uploads where owner = 'support' order by at desc limit 1")
    assert left == [{"code": "", "content": ""}]
    timers = await shop.rows("select key, due_at from timers where key like 'upload:support:%' and due_at is not null")
    assert len(timers) == MOST - 1
    assert all(23.9 < (of["due_at"] - now()).total_seconds() / 3600 <= 24 for of in timers)
    (one,) = await shop.rows("select code from uploads where owner = 'support' and code <> '' limit 1")
    await shop.suite["backoffice"].desk.ask(DropUpload(person="support", code=one["code"]), id=uuid4())
    await office.page("support", f"/orders/import/{one['code']}", status=404)


async def test_a_form_of_another_session_uploads_nothing(office: Office) -> None:
    before = await office.shop.rows("select count(*) as n from uploads where code <> ''")
    http = office.of["support"]
    answer = await http.post("/orders/import", data={"csrf": "x"}, files={"file": ("a.csv", b"x", "text/csv")})
    assert answer.status_code == 403
    assert await office.shop.rows("select count(*) as n from uploads where code <> ''") == before


async def test_the_template_is_read_and_says_what_its_skus_lack(office: Office) -> None:
    for language, delimiter in (("en", ","), ("de", ";")):
        answer = await office.of["support"].get("/orders/import/template.csv", headers={"Accept-Language": language})
        assert answer.text.startswith("\ufeffexternal_id" + delimiter)
        _, page = await shown(office, answer.content)
        assert "1 order can be placed" in words(page)
        assert "SKU-1 is not in the catalogue and has no price." in words(page)


async def test_many_orders_go_in_several_requests_and_tables_stop_where_files_do_not(office: Office) -> None:
    references = fresh(120)
    wrong = fresh(110)
    raw = sheet(*(line(of) for of in references), *(line(of, quantity=0) for of in wrong))
    where, page = await shown(office, raw)
    text = words(page)
    assert "120 orders can be placed 100 of 120" in text
    assert "110 faults 100 of 110" in text
    done: Any = await office.post("support", where, form_of(page), status=200)
    assert "120 orders are placed" in words(done.text)
    assert len(set(re.findall(r'href="/orders/(C-\d+)"', html.unescape(done.text)))) == 120
    back = await office.of["support"].get(f"{where}/errors.csv")
    assert len(back.text.strip().splitlines()) == 111


async def test_a_row_of_a_kit_becomes_lines_of_its_components(office: Office) -> None:
    (reference,) = fresh(1)
    parts = [{"sku": "mug", "pieces": 2}, {"sku": "lamp", "pieces": 1}]
    known = [{"sku": sku, "name": sku.title(), "price": "10.00", "vat_rate": "21"} for sku in ("mug", "lamp")]
    kit = {"sku": f"kit-{reference}", "price": "30.00", "vat_rate": "21", "components": parts}
    await office.shop.ask("PUT", "/order/products", {"products": [*known, kit]})
    where, page = await shown(office, sheet(line(reference, kit["sku"], 2, "25,00")))
    assert f"{reference} Anna Utrecht NL 2 6 €60.50" in words(page), "two lines, six pieces, VAT on top"
    await office.post("support", where, form_of(page), status=200)
    (placed,) = await orders_of(office.shop, reference)
    seen = await office.shop.ask("GET", f"/order/orders/{placed['id']}")
    assert [(of["sku"], of["ordered"], of["kit"]) for of in seen["lines"]] == [("mug", 4, 1), ("lamp", 2, 1)]
    assert (seen["kits"][0]["price"], seen["gross"]) == ("25.00", "60.50")
