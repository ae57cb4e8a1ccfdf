"""An order by phone over the pages: customer and products found, shown with its sums, placed once."""

import asyncio
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from comptoir.staffing import set_account
from services.backoffice.pages import English
from services.backoffice.rights import ROLES
from services.backoffice.views import lines
from tests.backoffice.shop import ANNA, HASH, Item, Shop, logged_in, shop_at
from tests.backoffice.test_bulk import words
from tests.backoffice.test_editing import carried, filled
from tests.backoffice.test_importing import Losing
from tests.backoffice.test_pages import _owners
from tests.backoffice.test_refunds import Office
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
NEW = "/orders/new"


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "entering") as founded:
        await founded.open(mug=1000, lamp=3, cup=0)
        listed = [{"sku": "lamp", "name": "Lamp, brass", "price": "80.00", "vat_rate": "21"},
                  {"sku": "cup", "name": "Cup", "price": "4.00", "vat_rate": "21"}]  # fmt: skip
        await founded.ask("PUT", "/order/products", {"products": listed})
        known = {"customer_id": "K-7", "name": "Anna de Vries", "email": "anna@example.org", "addresses": [ANNA]}
        await founded.ask("PUT", "/order/customers", {"customers": [known]})
        for role in ROLES:
            await set_account(founded.database_url, role, role.title(), (role,), HASH, True, "test")
        made = Office(founded, {role: await logged_in(founded, role) for role in ROLES})
        yield made
        for http in made.of.values():
            await http.aclose()


async def typed(office: Office, **fields: str) -> Item:
    """The form as it is filled in by hand, for a new customer."""
    form = filled(await office.page("support", NEW))
    address = {"name": "Bea", "street": "Kade 1", "postcode": "9711 AA", "city": "Groningen", "country": "nl"}
    return {**form, **address, "sku-0": "lamp", "pieces-0": "1", **fields}


async def asked(office: Office, form: Item) -> str:
    return (await office.post("support", NEW, form, status=200)).text


async def orders(shop: Shop, **by: str) -> list[Item]:
    query = "&".join(f"{name}={value}" for name, value in by.items())
    found: list[Item] = (await shop.ask("GET", f"/order/orders?channel=phone&limit=200&{query}"))["items"]
    return found


async def test_a_known_customer_orders_by_phone_and_a_double_click_places_once(office: Office) -> None:
    shop = office.shop
    assert f'href="{NEW}"' in await office.page("support", "/orders")
    form = filled(await office.page("support", NEW))
    found = await asked(office, {**form, "who": "de vries", "step": "find"})
    assert "Anna de Vries K-7, anna@example.org, 3511 AB Utrecht" in words(found)
    form = filled(await asked(office, {**filled(found), "step": "who:K-7"}))
    assert (form["customer_id"], form["city"], form["street"]) == ("K-7", "Utrecht", "Oudegracht 1")
    found = await asked(office, {**form, "q": "lamp", "step": "find"})
    assert "Lamp, brass lamp €80.00, VAT 21%, 3 free" in words(found), words(found)[:900]
    assert "Cup cup €4.00, VAT 21%, none free" in words(await asked(office, {**form, "q": "cup", "step": "find"}))
    form = filled(await asked(office, {**filled(found), "step": "take:lamp"}))
    form = {**form, "q": "", "sku-1": "mug", "pieces-1": "2", "price-1": "12,50", "method": "bank_transfer"}
    question = await asked(office, form)
    text = words(question)
    for said in (
        "Lamp, brass lamp · VAT 21% 1 €80.00 €80.00", "mug mug · VAT 0% 2 €12.50 €25.00", "Without VAT €105.00",
        "VAT €16.80", "To pay, VAT included €121.80", "Customer K-7", "Paid by Bank transfer",
    ):  # fmt: skip
        assert said in text, said
    assert await orders(shop, customer="K-7") == [], "looking places nothing"
    press = {**carried(question), "step": "place"}
    done = await asyncio.gather(*(office.of["support"].post(NEW, data=press) for _ in range(3)))
    assert {of.status_code for of in done} <= {303, 409}
    again = await office.post("support", NEW, press)
    (placed,) = await orders(shop, customer="K-7")
    assert again.headers["location"] == f"{NEW}?placed={placed['number']}"
    assert placed["gross"] == "121.80"
    page = await office.page("support", again.headers["location"])
    assert f"Order {placed['number']} is placed." in words(page)
    assert f'href="/orders/{placed["number"]}"' in page
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert owner["history"][0]["actor"] == "support"
    assert owner["ship_to"]["city"] == "Utrecht"


async def test_a_new_customer_is_kept_under_a_number_of_their_own(office: Office) -> None:
    shop = office.shop
    question = await asked(office, await typed(office, email="bea@example.org"))
    (number,) = re.findall(r"P-[0-9A-F]{8}", words(question))
    assert (await shop.http.get(f"/order/customers/{number}")).status_code == 404, "looking keeps nobody"
    await office.post("support", NEW, {**carried(question), "step": "place"})
    kept = await shop.ask("GET", f"/order/customers/{number}")
    assert (kept["name"], kept["email"], kept["addresses"][0]["street"]) == ("Bea", "bea@example.org", ["Kade 1"])
    assert [of["customer_id"] for of in await orders(shop, customer=number)] == [number]
    found = await asked(office, {**await typed(office), "who": "bea@example.org", "step": "find"})
    assert number in found
    form = await typed(office)
    del form["keep"]
    question = await asked(office, form)
    assert "Customer without a number" in words(question)


async def test_a_price_that_changed_is_shown_before_it_is_placed(office: Office) -> None:
    question = await asked(office, await typed(office, external_id="T-1"))
    dear = {"products": [{"sku": "lamp", "name": "Lamp, brass", "price": "81.00", "vat_rate": "21"}]}
    await office.shop.ask("PUT", "/order/products", dear)
    late = await office.post("support", NEW, {**carried(question), "step": "place"}, status=409)
    assert "The order comes to €98.01 now, not to €96.80. Nothing was done; look at it again." in words(late.text)
    assert "To pay, VAT included €98.01" in words(late.text)
    assert [of for of in await orders(office.shop) if of["external_id"] == "T-1"] == []
    await office.post("support", NEW, {**carried(late.text), "step": "place"})
    assert [of["gross"] for of in await orders(office.shop) if of["external_id"] == "T-1"] == ["98.01"]
    cheap = {"products": [{"sku": "lamp", "name": "Lamp, brass", "price": "80.00", "vat_rate": "21"}]}
    await office.shop.ask("PUT", "/order/products", cheap)


async def test_a_lost_answer_is_asked_again_and_places_once(office: Office) -> None:
    question = await asked(office, await typed(office, external_id="T-2"))
    owners = _owners(office.shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url=over.base_url, transport=Losing("/orders"))
    try:
        away = await office.post("support", NEW, {**carried(question), "step": "place"}, status=503)
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over
    assert "It is not known yet whether it was done." in away.text
    assert carried(away.text)["key"] == carried(question)["key"]
    done = await office.post("support", NEW, {**carried(away.text), "step": "place"})
    (placed,) = [of for of in await orders(office.shop) if of["external_id"] == "T-2"]
    assert done.headers["location"].endswith(placed["number"])


async def test_one_may_go_back_and_change_what_was_typed(office: Office) -> None:
    form = await typed(office, hold="call back", service_level="express", ship_complete="yes", **{"price-0": "79.5"})
    question = await asked(office, form)
    assert "It will be on hold: call back" in words(question)
    assert "express, in one parcel" in words(question)
    back = filled(await asked(office, {**carried(question), "step": "back"}))
    names = ("name", "street", "city", "sku-0", "pieces-0", "price-0", "hold", "service_level", "ship_complete", "keep")
    assert {name: back[name] for name in names} == {name: form[name] for name in names}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sku-0": "", "pieces-0": ""}, "Add at least one product."),
        (
            {"sku-0": "no", "sku-1": "none", "pieces-1": "2"},
            "no is not in the catalogue and has no price. none is not in",
        ),
        ({"pieces-0": "0"}, "lamp: say a whole number of pieces, 1 to 1,000,000."),
        ({"method": "card"}, "Choose how it is paid."),
        ({"country": "N1"}, "Country (two letters): It has not the form that is expected."),
        ({"currency": "E1"}, "Currency: It has not the form that is expected."),
    ],
)
async def test_what_makes_no_sense_is_said_and_nothing_typed_is_lost(
    office: Office, fields: dict[str, str], said: str
) -> None:
    form = await typed(office, **fields)
    refused = (await office.post("support", NEW, form, status=422)).text
    assert said in words(refused)
    assert filled(refused)["name"] == "Bea"


async def test_an_incomplete_address_is_taken_and_said_to_be_held(office: Office) -> None:
    question = await asked(office, await typed(office, city="", country=""))
    assert "It will be on hold: address: city, country missing" in words(question)


async def test_only_who_may_enter_orders_and_only_what_this_page_offers(office: Office) -> None:
    for role in ("picker", "packer", "finance"):
        await office.page(role, NEW, status=403)
    question: Any = carried(await asked(office, await typed(office)))
    for order in ("[]", "{", '{"order": {"payment_token": "x", "ship_to": {}}}', '{"order": {}}', '{"order": 7}'):
        await office.post("support", NEW, {**question, "step": "place", "order": order}, status=422)
    assert "C-1</" not in await office.page("support", f"{NEW}?placed=C-1%3C/b%3E")


async def test_a_kit_is_found_with_how_many_can_be_made_and_placed_as_its_components(office: Office) -> None:
    shop = office.shop
    parts = [{"sku": "lamp", "pieces": 1}, {"sku": "mug", "pieces": 2}]
    goods = {"sku": "mug", "name": "Mug", "price": "10.00", "vat_rate": "21"}
    kit = {"sku": "light", "name": "Reading light", "price": "90.00", "vat_rate": "21", "components": parts}
    await shop.ask("PUT", "/order/products", {"products": [goods, kit]})
    await shop.rest()
    await shop.receive(lamp=50)
    lamps = (await shop.ask("GET", "/inventory/availability?sku=lamp"))["items"][0]["available"]
    found = await asked(office, {**await typed(office), "q": "light", "step": "find"})
    assert f"Reading light light €90.00, VAT 21%, {lamps} free" in words(found)
    question = await asked(office, await typed(office, **{"sku-0": "light"}))
    text = words(question)
    assert "Reading light: Lamp, brass lamp · VAT 21% 1 €72.00 €72.00" in text
    assert "Reading light: Mug mug · VAT 21% 2 €9.00 €18.00" in text
    assert "To pay, VAT included €108.90" in text
    before = len(await orders(shop))
    await office.post("support", NEW, {**carried(question), "step": "place"})
    assert len(await orders(shop)) == before + 1


@pytest.mark.parametrize(
    ("text", "currency", "read"),
    [
        ("1.250", "KWD", "1.250"),
        ("1,250", "KWD", "1.250"),
        ("0.125", "EUR", "0.125"),
        ("1.234,50", "EUR", "1234.50"),
        ("1,234.5", "EUR", "1234.5"),
        ("1 234,5", "EUR", "1234.5"),
        ("12", "JPY", "12"),
        ("1.250", "EUR", ""),
        ("1,250", "", ""),
        ("-1", "EUR", ""),
        ("1e3", "EUR", ""),
        ("\u0663", "EUR", ""),
    ],
)
def test_an_amount_is_read_as_it_is_meant_or_not_at_all(text: str, currency: str, read: str) -> None:
    """Three digits after the one mark may be thousands, unless the currency has thousandths."""
    w = English(ZoneInfo("UTC"))
    if read:
        assert lines.amount(w, text, currency) == read
        assert lines.amount(w, lines.typeable(Decimal(read)), currency).rstrip("0") == read.rstrip("0")
    else:
        with pytest.raises(lines.Mistyped):
            lines.amount(w, text, currency)
