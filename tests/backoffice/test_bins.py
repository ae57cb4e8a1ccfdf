"""Bins and barcodes on the pages: found, set under a name, a barcode of another product refused with its name."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from services.backoffice.rights import ROLES
from tests.backoffice.shop import Shop, field, logged_in, shop_at
from tests.backoffice.test_status import plain
from tests.conftest import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "bins") as founded:
        await founded.open(mug=20, pot=8, **{"a/b": 3})
        await founded.staff(*ROLES)
        yield founded


async def set_(http: httpx.AsyncClient, sku: str, status: int = 303, **form: str) -> httpx.Response:
    """As the browser sends the page of a product."""
    page = (await http.get(f"/bins/{sku}?warehouse=north")).text
    sent = {name: field(page, name) for name in ("csrf", "key", "warehouse")} | form
    response = await http.post(f"/bins/{sku}", data=sent)
    assert response.status_code == status, response.text[:500]
    return response


async def test_a_product_is_found_placed_and_told_of(shop: Shop, packer: httpx.AsyncClient) -> None:
    assert 'href="/bins/mug?warehouse=north"' in (await packer.get("/bins?q=Mug")).text
    answer = await set_(packer, "mug", bin="B-04-12", barcode=" 4006381333931 ")
    assert "Bin and barcode of mug are set." in (await packer.get(answer.headers["location"])).text
    for q in ("B-04", "4006381333931", "mug"):
        listed = plain((await packer.get(f"/bins?q={q}")).text)
        assert "B-04-12 4006381333931" in listed, q
        assert "Pot" not in listed.partition("Barcode")[2], q
    page = plain((await packer.get("/bins/mug?warehouse=north")).text)
    assert "Bin in north: – → B-04-12 Barcode: – → 4006381333931" in page
    assert ", packer" in page
    (kept,) = (await shop.ask("GET", "/inventory/placements?sku=mug"))["items"]
    assert (kept["actor"], kept["bin"]) == ("packer", "B-04-12")


async def test_the_same_form_twice_is_done_once(shop: Shop, packer: httpx.AsyncClient) -> None:
    page = (await packer.get("/bins/a%2Fb?warehouse=north")).text
    form = {name: field(page, name) for name in ("csrf", "key", "warehouse")}
    for _ in range(2):
        response = await packer.post("/bins/a%2Fb", data={**form, "bin": "C-1", "barcode": ""})
        assert response.status_code == 303
    assert len((await shop.ask("GET", "/inventory/placements?sku=a/b"))["items"]) == 1


async def test_a_barcode_of_another_product_is_named_and_what_was_typed_stays(
    shop: Shop, packer: httpx.AsyncClient
) -> None:
    await set_(packer, "mug", bin="B-04-12", barcode="8711111111111")
    refused = await set_(packer, "pot", 409, bin="B-05", barcode="8711111111111")
    assert "8711111111111 stands for mug already" in plain(refused.text)
    assert 'value="B-05"' in refused.text
    (known,) = (await shop.ask("GET", "/inventory/places?warehouse=north&sku=pot"))["items"]
    assert (known["bin"], known["barcode"]) == ("", "")
    dutch = await packer.post("/bins/pot", data={
        "csrf": field(refused.text, "csrf"), "key": field(refused.text, "key"), "warehouse": "north",
        "barcode": "8711111111111",
    }, headers={"Accept-Language": "nl"})  # fmt: skip
    assert "stands for" not in plain(dutch.text)


async def test_what_is_not_there_is_not_found(packer: httpx.AsyncClient) -> None:
    assert (await packer.get("/bins/nothing", headers={"Accept": "text/html"})).status_code == 404


@pytest.mark.parametrize("role", ROLES)
async def test_it_is_for_those_who_keep_the_shelves(shop: Shop, role: str) -> None:
    async with aclosing(await logged_in(shop, role)) as http:
        may = role in ("packer", "admin")
        for path in ("/bins", "/bins/mug"):
            assert (await http.get(path)).status_code == (200 if may else 403), (role, path)
        csrf = field((await http.get("/count" if role in ("picker", "packer") else "/")).text, "csrf")
        sent = {"csrf": csrf, "key": f"key-of-{role}", "warehouse": "north", "bin": "Z-9", "barcode": ""}
        assert (await http.post("/bins/pot", data=sent)).status_code == (303 if may else 403)
