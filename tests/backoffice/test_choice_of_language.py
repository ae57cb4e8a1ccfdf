"""Which language a page is in: the person's, this browser's, the one that it asks for; and it stays chosen."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from comptoir.staffing import set_account
from tests.backoffice.shop import HASH, PASSWORD, Shop, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "language") as founded:
        await founded.open(mug=100)
        for name in ("jan", "lena", "pierre"):
            await set_account(founded.database_url, name, name.title(), ("support",), HASH, True, "test")
        yield founded


def browser(shop: Shop, accepts: str = "") -> httpx.AsyncClient:
    headers = {"Accept": "text/html", **({"Accept-Language": accepts} if accepts else {})}
    return httpx.AsyncClient(base_url=shop.here, timeout=20, headers=headers)


async def log_in(http: httpx.AsyncClient, name: str) -> None:
    response = await http.post("/login", data={"name": name, "password": PASSWORD, "onward": "/orders"})
    assert response.status_code == 303, response.text


def csrf(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found
    return found[1]


async def test_before_the_login_the_browser_says_which(shop: Shop) -> None:
    for accepts, lang, word in (
        ("", "en", "Password"),
        ("de-AT,de;q=0.9", "de", "Passwort"),
        ("fr", "fr", "Mot de passe"),
    ):
        async with browser(shop, accepts) as http:
            page = (await http.get("/login")).text
            assert f'<html lang="{lang}">' in page
            assert word in page


async def test_what_a_person_chose_goes_along_to_another_browser(shop: Shop) -> None:
    async with browser(shop, "fr") as http:
        await log_in(http, "jan")
        page = (await http.get("/orders")).text
        assert "Commandes" in page
        form = {"language": "nl", "onward": "/orders?view=late"}
        assert (await http.post("/language", data=form)).status_code == 403, "not from a form of this session"
        answer = await http.post("/language", data={**form, "csrf": csrf(page)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/orders?view=late")
        assert '<html lang="nl">' in (await http.get("/orders")).text, "the session goes on, in Dutch"
    async with browser(shop, "de") as other:
        assert '<html lang="de">' in (await other.get("/login")).text
        await log_in(other, "jan")
        assert "Bestellingen" in (await other.get("/orders")).text
        other.cookies.delete("comptoir")
        assert '<html lang="nl">' in (await other.get("/login")).text, "this browser remembers"


async def test_a_changed_account_keeps_its_language(shop: Shop) -> None:
    async with browser(shop) as http:
        await log_in(http, "lena")
        page = (await http.get("/orders")).text
        await http.post("/language", data={"language": "de", "csrf": csrf(page)})
    await set_account(shop.database_url, "lena", "Lena", ("support", "packer"), "", True, "test")
    async with browser(shop) as http:
        await log_in(http, "lena")
        assert '<html lang="de">' in (await http.get("/orders")).text


async def test_without_a_login_the_choice_stays_in_the_browser(shop: Shop) -> None:
    async with browser(shop) as http:
        answer = await http.post("/language", data={"language": "fr", "onward": "//evil.example"})
        assert answer.headers["location"] == "/"
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "Se connecter" in (await http.get("/login")).text
        refused = await http.post("/language", data={"language": "xx"})
        assert refused.status_code == 422
        assert "Cela n’a pas fonctionné" in refused.text
        assert "Introuvable" in (await http.get("/nowhere")).text


async def test_an_order_is_told_in_the_language_of_who_looks(shop: Shop) -> None:
    placed = await shop.place()
    async with browser(shop, "de") as http:
        await log_in(http, "pierre")
        page = (await http.get(f"/orders/{placed['number']}")).text
        for said in ("Die Bestellung ist eingegangen.", "2 Stück reserviert.", "Im Lager", "30,25\u00a0€"):
            assert said in page
        async with http.stream("GET", f"/live?page=order&id={placed['id']}") as live:
            await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "look"})
            async for line in live.aiter_lines():
                if "Gesperrt" in line:
                    break
        refused = await http.get("/money")
        assert refused.status_code == 403
        assert "Nicht für Ihre Rolle" in refused.text
