"""The catalogue over the pages: listed, exported; a file of it looked at, taken over as shown, its faults mended."""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from uuid import uuid4

import httpx
import pytest

from comptoir.staffing import set_account
from services.backoffice.product_sheets import AT_ONCE, NAMES
from services.backoffice.rights import ROLES
from tests.backoffice.shop import HASH, Item, Shop, field, logged_in, shop_at
from tests.backoffice.test_bulk import words
from tests.backoffice.test_importing import Losing
from tests.backoffice.test_pages import _owners
from tests.backoffice.test_refunds import Office
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
HEAD = "sku;name;brand;price;vat_category;vat_rate"


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "products") as founded:
        await founded.open(mug=1)
        for role in ROLES:
            await set_account(founded.database_url, role, role.title(), (role,), HASH, True, "test")
        made = Office(founded, {role: await logged_in(founded, role) for role in ROLES})
        yield made
        for http in made.of.values():
            await http.aclose()


def fresh(n: int = 1) -> list[str]:
    return [f"p-{uuid4().hex[:8]}" for _ in range(n)]


def sheet(*lines: str, head: str = HEAD) -> bytes:
    return "\r\n".join([head, *lines, ""]).encode()


async def known(shop: Shop, *skus: str, **more: str) -> None:
    lamp = {"name": "Lamp", "brand": "Oak", "price": "80.00", "vat_rate": "21", **more}
    await shop.ask("PUT", "/order/products", {"products": [{"sku": sku, **lamp} for sku in skus]})


async def product(shop: Shop, sku: str) -> Item:
    found: Item = await shop.ask("GET", f"/order/products/{sku}")
    return found


async def uploaded(
    office: Office, raw: bytes, who: str = "finance", *, name: str = "list.csv", status: int = 303, **form: str
) -> httpx.Response:
    http = office.of[who]
    csrf = field((await http.get("/products/import")).text, "csrf")
    answer = await http.post("/products/import", data={"csrf": csrf, **form}, files={"file": (name, raw, "text/csv")})
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    return answer


async def shown(office: Office, raw: bytes, who: str = "finance", **form: str) -> tuple[str, str]:
    """Where the file is kept, and the page that says what would change."""
    where = (await uploaded(office, raw, who, **form)).headers["location"]
    return where, await office.page(who, where)


def form_of(page: str) -> Item:
    return {name: field(page, name) for name in ("csrf", "key", "quote")}


async def test_a_file_is_looked_at_then_taken_over_as_it_was_shown(office: Office) -> None:
    one, two, new = fresh(3)
    await known(office.shop, one, two)
    raw = sheet(f"{one};Lamp;Oak;81,50;S;21", f"{two};Lamp;Oak;80;S;21", f"{new};Vase;;1.012,50;S;9")
    where, page = await shown(office, raw)
    text = words(page)
    assert "1 product would change" in text
    assert f"Product Column Now Would be {one} Row 2 price 80.00 81.50" in text
    assert "1 product would be new" in text
    assert f"Product What it is Category Brand Price VAT Vase {new} Goods – – 1012.50 9% S" in text
    assert "1 product stays as it is" in text
    assert "Decimal mark a comma, as in 12,50" in text
    assert "Take over 2 products" in text
    assert (await product(office.shop, one))["price"] == "80.00", "looking changes nothing"
    form = form_of(page)
    done = words((await office.post("finance", where, form, status=200)).text)
    assert "All that was shown is done." in done
    assert "2 products are taken over" in done
    assert f"1 product was so already {two}" in done
    assert (await product(office.shop, one))["price"] == "81.50"
    assert (await product(office.shop, new))["name"] == "Vase"
    again = words((await office.post("finance", where, form, status=200)).text)
    assert "0 products are taken over" in again
    assert "3 products were so already" in again
    page = await office.page("finance", where)
    assert "3 products stay as they are" in words(page)
    assert 'name="quote"' not in page
    await office.shop.rest()
    acts = words(await office.page("admin", "/acts"))
    assert "Took over 2 products of list.csv. 1 stayed as they were, 0 were changed meanwhile" in acts


async def test_faults_are_shown_by_cell_taken_along_mended_and_uploaded_again(office: Office) -> None:
    good, bad, twice = fresh(3)
    await known(office.shop, bad)
    raw = sheet(
        f"{good};Cup;;9,50;S;21", f"{bad};=cmd();;dear;E;21", f"{twice};A;;1,00;S;21", ";B;;1,00;S;21",
        f"{twice};B;;1,00;S;21", f"{bad}-2;C;;1,00;S;",
    )  # fmt: skip
    where, page = await shown(office, raw)
    text = words(page)
    assert "5 rows cannot be taken over as they are." in text
    assert "1 product would be new" in text
    for said in (
        "3 price dear It is no number. an amount from 0 on, as 12.50 or 12,50",
        "3 vat_rate 21 VAT category E needs a rate of 0, not 21. a number from 0 to 100",
        f"4 sku {twice} Row 6 has the same SKU; which of them holds?",
        "5 sku empty The row names no product.",
        f"6 sku {twice} Row 4 has the same SKU; which of them holds?",
        "7 vat_rate empty VAT category S needs a rate above 0.",
    ):
        assert said in text, said
    done = words((await office.post("finance", where, form_of(page), status=200)).text)
    assert "1 product is taken over" in done
    assert "5 rows cannot be taken over as they are." in done
    back = await office.of["finance"].get(f"{where}/errors.csv")
    assert back.headers["content-disposition"] == 'attachment; filename="list-errors.csv"'
    rows = list(csv.reader(StringIO(back.text[1:]), delimiter=";"))
    assert [row[0] for row in rows] == ["sku", bad, twice, "", twice, f"{bad}-2"]
    assert rows[1][-1].startswith("price: It is no number.")
    assert not any(c[:1] in ("=", "-", "+", "@") for row in rows for c in row), "nothing is a formula"
    mended = back.text.replace("dear;E;21", "7,25;E;0").replace("C;;1,00;S;;", "C;;1,00;S;21;")
    mended = mended.replace(f"{twice};B", f"{twice}-2;B").replace("'=cmd()", "Bowl").replace("\n;B", f"\n{twice}-3;B")
    where, page = await shown(office, mended.encode())
    assert "4 products would be new" in words(page), words(page)
    await office.post("finance", where, form_of(page), status=200)
    assert (await product(office.shop, bad))["vat_category"] == "E"


async def test_what_changed_since_it_was_shown_is_not_touched(office: Office) -> None:
    one, two = fresh(2)
    await known(office.shop, one, two)
    where, page = await shown(office, sheet(f"{one};80,50", f"{two};80,50", head="sku;price"))
    await known(office.shop, one, price="79.00")
    late = await office.post("finance", where, form_of(page), status=409)
    assert "Something changed since you looked. Nothing was done." in words(late.text)
    assert f"{one} Row 2 price 79.00 80.50" in words(late.text)
    assert (await product(office.shop, two))["price"] == "80.00"
    await office.post("finance", where, {**form_of(late.text), "quote": "0" * 32}, status=409)
    await office.post("finance", where, form_of(late.text), status=200)
    assert [(await product(office.shop, sku))["price"] for sku in (one, two)] == ["80.50", "80.50"]


class Meddling(httpx.AsyncHTTPTransport):
    """A network on which somebody else changes a product just before it is taken over."""

    def __init__(self, shop: Shop, sku: str) -> None:
        super().__init__()
        self.shop, self.sku = shop, sku

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT" and self.sku.encode() in await request.aread():
            await known(self.shop, self.sku, price="1.00")
        return await super().handle_async_request(request)


async def pressed(office: Office, transport: httpx.AsyncBaseTransport, where: str, page: str, status: int) -> str:
    """The button, over this network."""
    owners = _owners(office.shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url=over.base_url, transport=transport, timeout=20)
    try:
        return words((await office.post("finance", where, form_of(page), status=status)).text)
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over


async def test_of_two_who_change_the_same_at_once_the_later_is_told(office: Office) -> None:
    one, two = fresh(2)
    await known(office.shop, one, two)
    where, page = await shown(office, sheet(f"{one};80,50", f"{two};80,50", head="sku;price"))
    text = await pressed(office, Meddling(office.shop, two), where, page, 409)
    assert "Something changed since you looked. Nothing was done." in text
    assert f"{two} Row 3 price 1.00 80.50" in text
    assert (await product(office.shop, one))["price"] == "80.00", "all of a request or nothing"


async def test_of_more_than_one_request_what_is_done_is_told_apart_from_what_is_not(office: Office) -> None:
    run, (last,) = uuid4().hex[:6], fresh()
    many = [f"{run}-{n}" for n in range(AT_ONCE)]
    await known(office.shop, last)
    where, page = await shown(office, sheet(*(f"{sku};5,50" for sku in many), f"{last};80,50", head="sku;price"))
    text = words(page)
    assert f"{AT_ONCE} products would be new 100 of {AT_ONCE:,}" in text
    text = await pressed(office, Meddling(office.shop, last), where, page, 200)
    assert f"{AT_ONCE} products are taken over 100 of {AT_ONCE:,}" in text
    assert "1 product was changed meanwhile Look at the file again" in text
    assert (await product(office.shop, many[-1]))["price"] == "5.50"
    assert (await product(office.shop, last))["price"] == "1.00"
    text = words(await office.page("finance", where))
    assert f"{last} Row {AT_ONCE + 2} price 1.00 80.50" in text
    assert f"{AT_ONCE} products stay as they are" in text


async def test_an_owner_that_is_away_leaves_nothing_half_known(office: Office) -> None:
    (one,) = fresh()
    where, page = await shown(office, sheet(f"{one};80,50", head="sku;price"))
    text = await pressed(office, Losing("/products"), where, page, 503)
    assert "Of 1 product it is not known yet whether it was changed" in text
    assert "1 product stays as it is" in words(await office.page("finance", where)), "it had been done"


@pytest.mark.parametrize(("language", "delimiter", "price"), [("en", ",", "1080.50"), ("fr", ";", "1080,50")])
async def test_what_is_exported_is_edited_and_comes_back(
    office: Office, language: str, delimiter: str, price: str
) -> None:
    one, two = fresh(2)
    brand = uuid4().hex[:8]
    await known(office.shop, one, two, brand=brand, price="1080.5", name='@Lamp, "tall";')
    headers = {"Accept-Language": language}
    answer = await office.of["support"].get(f"/products.csv?brand={brand}", headers=headers)
    assert answer.headers["content-disposition"] == 'attachment; filename="products.csv"'
    rows = list(csv.reader(StringIO(answer.text[1:]), delimiter=delimiter))
    assert rows[0] == list(NAMES)
    lamp = ['\'@Lamp, "tall";', "", brand, "goods", price, "S", "21", ""]
    assert rows[1:] == [[sku, *lamp] for sku in sorted((one, two))]
    _, page = await shown(office, answer.content)
    assert "2 products stay as they are" in words(page)
    edited = answer.text.replace(price, price.replace("50", "75"), 1).encode()
    where, page = await shown(office, edited)
    assert f"{min(one, two)} Row 2 price 1080.50 1080.75" in words(page)
    changes = await office.of["finance"].get(f"{where}/changes.csv", headers=headers)
    rows = list(csv.reader(StringIO(changes.text[1:]), delimiter=delimiter))
    assert rows == [
        ["row", "sku", "column", "before", "after"],
        ["2", min(one, two), "price", price, price.replace("50", "75")],
    ]


async def test_all_of_a_long_catalogue_is_exported_each_once(office: Office) -> None:
    brand = uuid4().hex[:8]
    skus = [f"{brand}-{n:03}" for n in range(201)]
    await known(office.shop, *skus, brand=brand)
    answer = await office.of["admin"].get(f"/products.csv?brand={brand}")
    assert [row[0] for row in csv.reader(StringIO(answer.text[1:]))] == ["sku", *skus]
    page = await office.page("admin", f"/products?brand={brand}")
    assert skus[49] in page
    assert skus[50] not in page
    after = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = await office.page("admin", after)
    assert skus[50] in second
    assert f'rel="prev" href="/products?brand={brand}"' in second


async def test_the_list_is_searched_and_says_what_it_knows(office: Office) -> None:
    (one,) = fresh()
    await known(office.shop, one, name="Candle <tall>", category="Light", vat_category="E", vat_rate="0", price="4.2")
    for query in (f"q={one[:6]}", "q=candle", "category=Light", f"q={one}&brand=Oak"):
        text = words(await office.page("support", f"/products?{query}"))
        assert f"Candle <tall> {one} Goods Light Oak 4.20 0% E" in text, query
    assert 'href="/stock/' in await office.page("support", f"/products?q={one}")
    assert 'href="/stock/' not in await office.page("finance", f"/products?q={one}"), "finance has no page of stock"
    assert "No product fits. Try another spelling." in words(await office.page("support", "/products?q=nobody"))
    owners = _owners(office.shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url=over.base_url, transport=Losing("/products"))
    try:
        for path in ("/products", "/products.csv"):
            assert (await office.of["support"].get(path)).status_code == 503, "no half of a file"
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over


async def test_who_may_not_change_the_catalogue_may_look_and_a_file_is_its_owners_alone(office: Office) -> None:
    where, _ = await shown(office, sheet("x;1,50", head="sku;price"), name='../"\r\ny.csv')
    assert (await office.of["finance"].get(f"{where}/errors.csv")).headers["content-disposition"].count('"') == 2
    await office.page("admin", where, status=404)
    await office.page("admin", where.replace("/products/", "/orders/"), status=404)
    for role in ("picker", "packer", "support"):
        for path in ("/products/import", where, f"{where}/errors.csv", f"{where}/changes.csv"):
            await office.page(role, path, status=403)
    for role in ("picker", "packer"):
        await office.page(role, "/products", status=403)
    assert "/products/import" not in await office.page("support", "/products")
    for role, path in (("support", "/stock"), ("finance", "/purchasing")):
        assert 'href="/products"' in await office.page(role, path)
    assert 'href="/products"' not in await office.page("packer", "/purchasing")
    csrf = field(await office.page("finance", where), "csrf")
    assert (await office.post("finance", f"{where}/drop", {"csrf": csrf})).headers["location"].endswith("done=drop")
    await office.page("finance", where, status=404)


async def test_a_file_of_orders_is_none_of_products(office: Office) -> None:
    http = office.of["admin"]
    csrf = field((await http.get("/orders/import")).text, "csrf")
    raw = b"external_id,sku,quantity\nA,mug,1\n"
    kept = await http.post("/orders/import", data={"csrf": csrf}, files={"file": ("a.csv", raw, "text/csv")})
    assert kept.status_code == 303
    await office.page("admin", kept.headers["location"].replace("/orders/", "/products/"), status=404)


async def test_a_file_that_makes_no_sense_is_refused_with_its_row(office: Office) -> None:
    for raw, said in (
        (b"sku,prize\nmug,1.00\n", "Row 1: There is no column prize"),
        (b"sku,price\nmug,1.234\n", "Row 2: Whether 1.234 has a decimal mark or thousands"),
        (b"x" * (3 * 1024 * 1024 + 1), "The file is larger than 3 MB; split it."),
    ):
        refused = await uploaded(office, raw, status=422)
        assert said in words(refused.text)
    _, page = await shown(office, b"sku,price\nmug,1.234\n", mark=",")
    assert "a comma, as in 12,50 (you chose it)" in words(page)
    assert "1234.00" in words(page)


async def test_a_kit_comes_by_file_and_says_what_it_consists_of(office: Office) -> None:
    mug, plate, kit = fresh(3)
    await known(office.shop, mug, plate)
    brand, parts = uuid4().hex[:8], f"2 x {mug} + 1 x {plate}"
    raw = sheet(f"{kit};Set;{brand};25,00;S;21;{parts}", head=f"{HEAD};components")
    where, page = await shown(office, raw)
    assert f"Set {kit} Kit {parts}" in words(page)
    done = words((await office.post("finance", where, form_of(page), status=200)).text)
    assert "1 product is taken over" in done
    assert (await product(office.shop, kit))["components"] == [
        {"sku": mug, "pieces": 2}, {"sku": plate, "pieces": 1},
    ]  # fmt: skip
    assert f"Set {kit} Kit {parts}" in words(await office.page("support", f"/products?brand={brand}"))
    exported = (await office.of["support"].get(f"/products.csv?brand={brand}")).text
    _, page = await shown(office, exported.replace("1 x", "3 x").encode())
    assert f"components {parts} 2 x {mug} + 3 x {plate}" in words(page)
    _, page = await shown(office, sheet(f"{kit};1 x {kit}", f"{mug};2 plates", head="sku;components"))
    assert f"{kit} cannot be a component of itself." in words(page)
    assert "2 plates It has not the form that is expected." in words(page)
