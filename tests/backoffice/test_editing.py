"""An order changed over the pages before it is shipped: typed, shown with all effects, done exactly so, or stale."""

import html
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from comptoir.staffing import set_account
from services.backoffice.rights import ROLES
from tests.backoffice.shop import ANNA, HASH, Item, Shop, field, logged_in, shop_at
from tests.backoffice.test_bulk import words
from tests.backoffice.test_importing import Losing
from tests.backoffice.test_pages import _owners
from tests.backoffice.test_refunds import Office
from tests.conftest import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "editing") as founded:
        await founded.open(mug=1000, lamp=7, cup=0)
        listed = [{"sku": "lamp", "name": "Lamp, brass", "price": "80.00", "vat_rate": "21"},
                  {"sku": "cup", "name": "Cup", "price": "4.00", "vat_rate": "21"}]  # fmt: skip
        await founded.ask("PUT", "/order/products", {"products": listed})
        for role in ROLES:
            await set_account(founded.database_url, role, role.title(), (role,), HASH, True, "test")
        made = Office(founded, {role: await logged_in(founded, role) for role in ROLES})
        yield made
        for http in made.of.values():
            await http.aclose()


def filled(page: str) -> Item:
    """The form as a browser would send it back untouched."""
    found: Item = {}
    main = page.partition("<main")[2]
    for tag in re.findall(r"<input [^>]+>", main):
        named = dict(re.findall(r'(\w[\w-]*)="([^"]*)"', tag))
        if named.get("type") == "checkbox" and " checked" not in tag:
            continue
        if "name" in named:
            found[named["name"]] = html.unescape(named.get("value", ""))
    for name, text in re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>([^<]*)', main):
        found[name] = html.unescape(text)
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', main):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = html.unescape(chosen[1]) if chosen else ""
    return found


def carried(page: str) -> Item:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.partition("<main")[2])
    return {name: html.unescape(value) for name, value in found}


async def owner(shop: Shop, placed: Item) -> Item:
    found: Item = await shop.ask("GET", f"/order/orders/{placed['id']}")
    return found


async def test_lines_address_and_delivery_are_one_change_shown_and_done_once(office: Office) -> None:
    shop = office.shop
    placed = await shop.place(quantity=3, hold="she calls back")
    where = f"/orders/{placed['number']}"
    before = await owner(shop, placed)
    assert f'href="{where}/edit"' in await office.page("support", where)
    form = filled(await office.page("support", f"{where}/edit"))
    assert (form["keep-1"], form["name"], form["service_level"]) == ("3", "Anna de Vries", "standard")
    nothing = await office.post("support", f"{where}/edit", form, status=422)
    assert "Nothing was changed on this page." in nothing.text
    found = (await office.post("support", f"{where}/edit", {**form, "q": "lam", "step": "find"}, status=200)).text
    assert "Lamp, brass lamp €80.00, VAT 21%, 7 free" in words(found), words(found)[:900]
    form = filled(found)
    form = filled((await office.post("support", f"{where}/edit", {**form, "step": "take:lamp"}, status=200)).text)
    form = filled((await office.post("support", f"{where}/edit", {**form, "step": "take:lamp"}, status=200)).text)
    assert (form["sku-0"], form["pieces-0"]) == ("lamp", "2")
    changes = {"keep-1": "1", "city": "Gent", "country": "be", "service_level": "express", "reason": "she moves"}
    shown = (await office.post("support", f"{where}/edit", {**form, **changes, "q": ""}, status=200)).text
    text = words(shown)
    for said in (
        "It would go to Anna de Vries, Oudegracht 1, 3511 AB Gent, BE instead of Anna de Vries, Oudegracht 1, 3511 AB",
        "It would be sent by express instead of standard.",
        "Inventory would be asked for 1 of mug (line 1) instead of 3.",
        "Inventory would be asked for 2 of lamp (line 2) instead of 0.",
        "VAT of what is not cancelled would be €36.23 instead of €7.88.",
        "No invoice and no credit note: what is not out was not invoiced.",
    ):
        assert said in text, said
    assert await owner(shop, placed) == before, "looking does nothing"
    question = {**carried(shown), "reason": "she moves"}
    for _ in range(2):
        await office.post("support", f"{where}/edit", question)
    now = await owner(shop, placed)
    assert [(line["sku"], line["ordered"], line["cancelled"]) for line in now["lines"]] == [
        ("mug", 3, 2), ("lamp", 2, 0),
    ]  # fmt: skip
    assert (now["ship_to"]["city"], now["service_level"], now["due"]) == ("Gent", "express", "208.73")
    entries = [of for of in now["history"] if of["trigger"] == "order.edit_order.v1"]
    assert [(of["actor"], of["note"].partition(":")[0]) for of in entries] == [("support", "she moves")], "once"
    assert "The order was changed." in await office.page("support", f"{where}?done=edit")


async def test_a_change_that_went_stale_is_not_done_and_shown_anew(office: Office) -> None:
    placed = await office.shop.place(quantity=3, hold="wait")
    where = f"/orders/{placed['number']}/edit"
    form = filled(await office.page("support", where))
    shown = (await office.post("support", where, {**form, "keep-1": "2"}, status=200)).text
    await office.shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "another clerk"})
    late = await office.post("support", where, carried(shown), status=409)
    assert "The order changed since you looked. Nothing was done." in late.text
    assert carried(late.text)["quote"] != carried(shown)["quote"]
    assert (await owner(office.shop, placed))["lines"][0]["cancelled"] == 0
    await office.post("support", where, carried(late.text))
    assert (await owner(office.shop, placed))["lines"][0]["cancelled"] == 1


async def test_a_lost_answer_is_asked_again_with_the_same_change(office: Office) -> None:
    import httpx

    placed = await office.shop.place(quantity=3, hold="wait")
    where = f"/orders/{placed['number']}/edit"
    form = filled(await office.page("support", where))
    shown = (await office.post("support", where, {**form, "keep-1": "5"}, status=200)).text
    owners = _owners(office.shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url=over.base_url, transport=Losing("/edit"))
    try:
        away = await office.post("support", where, carried(shown), status=503)
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over
    again = carried(away.text)
    assert {name: again[name] for name in ("key", "quote", "wish")} == {
        name: carried(shown)[name] for name in ("key", "quote", "wish")
    }
    await office.post("support", where, again)
    assert sum(line["ordered"] for line in (await owner(office.shop, placed))["lines"]) == 5


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"keep-1": "-1"}, "mug: say a whole number of pieces, 0 to 1,000,000."),
        ({"keep-1": "two"}, "mug: say a whole number of pieces"),
        ({"sku-0": "lamp", "pieces-0": ""}, "lamp: say a whole number of pieces, 1 to 1,000,000."),
        ({"sku-0": "", "pieces-0": "2"}, "Say the SKU of each new line."),
        ({"sku-0": "lamp", "pieces-0": "1", "price-0": "1.23x"}, "1.23x is no amount; write it as 12.50 or 12,50."),
        ({"sku-0": "lamp", "pieces-0": "1", "price-0": "1,234"}, "1,234 may be thousands or a part: write 1234 or"),
        ({"sku-0": "lamp", "pieces-0": "1", "price-0": "-1"}, "-1 is no amount"),
        ({"sku-0": "nothing", "pieces-0": "1"}, "nothing is not in the catalogue and has no price."),
        ({"city": ""}, "Nothing can be sent to this address: city missing."),
    ],
)
async def test_what_makes_no_sense_is_said_and_nothing_typed_is_lost(
    office: Office, typed: dict[str, str], said: str
) -> None:
    placed = await office.shop.place(hold="wait")
    where = f"/orders/{placed['number']}/edit"
    form = {**filled(await office.page("support", where)), "phone": "123", **typed}
    refused = (await office.post("support", where, form, status=422)).text
    assert said in words(refused)
    kept = filled(refused)
    assert {name: kept[name] for name in typed} == typed
    assert kept["phone"] == "123"


async def test_what_is_out_stays_and_what_is_with_the_warehouse_is_pulled_back(office: Office) -> None:
    shop = office.shop
    placed = await shop.place(quantity=2)
    where = f"/orders/{placed['number']}/edit"
    form = filled(await office.page("support", where))
    assert "2 in the warehouse" in words(await office.page("support", where))
    refused = (await office.post("support", where, {**form, "service_level": "express"}, status=422)).text
    assert "change the delivery when the shipment is cancelled" in refused
    shown = (await office.post("support", where, {**form, "keep-1": "1"}, status=200)).text
    assert "Fulfilment would be asked to pull back shipment 1 from north (2 pieces), if it is not out." in words(shown)
    sent = await office.sent()
    where = f"/orders/{sent['number']}/edit"
    out = filled(await office.page("support", where))
    assert "they can only be returned" in (await office.post("support", where, {**out, "keep-1": "1"}, status=422)).text


async def test_only_who_may_edit_and_only_what_this_page_offers(office: Office) -> None:
    placed = await office.shop.place(hold="wait")
    before = (await owner(office.shop, placed))["version"]
    where = f"/orders/{placed['number']}/edit"
    for role in ("picker", "packer", "finance"):
        await office.page(role, where, status=403)
    form = filled(await office.page("support", where))
    shown: Any = carried((await office.post("support", where, {**form, "keep-1": "1"}, status=200)).text)
    for wish in ("", "[]", "{", json.dumps({"priority": 9}), json.dumps({})):
        await office.post("support", where, {**shown, "wish": wish}, status=422)
    assert (await owner(office.shop, placed))["version"] == before
    assert ANNA["name"] == form["name"]
    assert field(await office.page("admin", where), "csrf")


async def test_kits_are_changed_by_their_number_and_the_page_says_how_many_are_complete(office: Office) -> None:
    shop = office.shop
    parts = [{"sku": "mug", "pieces": 2}, {"sku": "cup", "pieces": 1}]
    kit = {"sku": "set", "name": "Breakfast set", "price": "20.00", "vat_rate": "21", "components": parts}
    mug = {"sku": "mug", "name": "Mug", "price": "12.50", "vat_rate": "21"}
    await shop.ask("PUT", "/order/products", {"products": [mug, kit]})
    placed = await shop.place("set", 2)
    await shop.rest()
    where = f"/orders/{placed['number']}"
    page = words(await office.page("support", f"{where}/edit"))
    assert "Breakfast set set Kit of 2 x mug + 1 x cup; " in page
    form = filled(await office.page("support", f"{where}/edit"))
    assert [(name, form[name]) for name in form if name.startswith("keep-")] == [("keep-1", "2")]
    for kits, lines in (("1", [(4, 2), (2, 1)]), ("3", [(4, 2), (2, 1), (4, 0), (2, 0)])):
        asked = (await office.post("support", f"{where}/edit", {**form, "keep-1": kits}, status=200)).text
        await office.post("support", f"{where}/edit", carried(asked))
        await shop.rest()
        found = await owner(shop, placed)
        assert [(line["ordered"], line["cancelled"]) for line in found["lines"]] == lines
        form = filled(await office.page("support", f"{where}/edit"))

    parcel = next(of["shipment_id"] for of in found["shipments"] if of["state"] != "cancelled")
    await shop.ship(parcel)
    await shop.rest()
    assert "Breakfast set: Mug" in words(await office.page("packer", f"/shipments/{parcel}/slip"))
    (invoice,) = (await shop.ask("GET", f"/billing/invoices?order_id={placed['id']}"))["items"]
    assert "Breakfast set: Mug" in words(await office.page("finance", f"/documents/{invoice['number']}"))
    page = words(await office.page("support", where))
    assert "Kits 2 × Breakfast set set 2 x mug + 1 x cup " in page
    assert "out, and the rest of the kit is still to come: 2 x mug" in page, "cups are on backorder"
    await shop.ask("POST", f"/order/orders/{placed['id']}/cancel", {"reason": "no cups"})
    await shop.rest()
    page = words(await office.page("support", where))
    assert "0 of 2 delivered complete; out without the rest of the kit: 2 x mug" in page
