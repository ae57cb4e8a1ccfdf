"""Who gets in, what each role sees and does, and that nobody acts in another's name."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.routing import APIRoute

from comptoir.staffing import set_account
from services.backoffice import login
from services.backoffice.accounts import FREE_TRIES, IDLE, LONGEST, LONGEST_LOCK, refuse_login, stands, to_account
from services.backoffice.api import ROUTERS
from services.backoffice.api.guard import HTTPS_ONLY, Guard
from services.backoffice.live import Live
from services.backoffice.rights import DOES, LOCAL, ROLES, SEES, Person
from services.backoffice.rows import Account
from shared.contracts.backoffice import RefuseLogin
from shared.messaging.decision import Context, Handler, decide_alone
from tests.backoffice.shop import HASH, PASSWORD, Shop, field, logged_in, shop_at
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OPEN = {
    "/login", "/login/provider", "/login/provider/back", "/logout", "/language", "/live",
    "/static/{digest}/{name:path}", "/s/{token}",
    "/s/{token}/documents/{number}", "/s/{token}/documents/{number}/xml", "/s/{token}/wait", "/s/{token}/stop",
    "/s/{token}/return",
}  # fmt: skip
"""Routes that look for themselves who asks, or are for everybody."""


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "login") as founded:
        await founded.open(mug=100)
        await founded.staff(*ROLES)
        yield founded


def set_cookie(response: httpx.Response) -> Morsel[str]:
    """The one cookie that an answer sets or deletes."""
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    return morsel


async def test_without_a_session_every_page_leads_to_the_login_and_back(shop: Shop) -> None:
    response = await shop.http.get("/orders?view=late", headers={"Accept": "text/html"})
    assert response.status_code == 303
    assert response.headers["location"] == "/login?onward=%2Forders%3Fview%3Dlate"
    part = await shop.http.get("/orders", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login?onward=%2Forders")
    assert (await shop.http.get("/live?page=orders", headers={"Accept": "text/event-stream"})).status_code == 401
    assert "Log in" in await shop.page("/login")


async def test_a_session_is_a_cookie_that_scripts_cannot_read_and_a_hash_in_the_table(shop: Shop) -> None:
    response = await shop.http.post("/login", data={"name": "support", "password": PASSWORD})
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    shop.http.cookies.clear()
    kept = await shop.rows("select session from sessions")
    assert login.digest(token) in {row["session"] for row in kept}
    assert token not in str(kept)


async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(shop: Shop) -> None:
    said = []
    for name in ("finance", "nobody"):
        response = await shop.http.post("/login", data={"name": name, "password": "wrong wrong wrong"})
        assert response.status_code == 401
        assert "set-cookie" not in response.headers
        said.append(response.text.replace(name, "NAME"))
    assert said[0] == said[1]


async def test_after_many_wrong_tries_even_the_right_password_waits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_account(shop.database_url, "clumsy", "", ("support",), HASH, True, "test")
    began = shop.office.running.now()
    monkeypatch.setattr(shop.office.running, "now", lambda: began)  # a lock of seconds outlasts a slow machine
    for _ in range(FREE_TRIES):
        await shop.http.post("/login", data={"name": "clumsy", "password": "wrong wrong wrong"})
    response = await shop.http.post("/login", data={"name": "clumsy", "password": PASSWORD})
    assert response.status_code == 401
    other = await logged_in(shop, "support")
    await other.aclose()


def test_each_wrong_try_costs_more_up_to_a_bound() -> None:
    row: Account | None = Account("a", "A", (), "", True, 1, 0, None)
    waits = []
    for _ in range(30):
        ctx: Context[Any] = Context(NOW, lambda: UUID(int=1), None, UUID(int=2))
        _, rows = decide_alone(Handler(to_account, refuse_login), RefuseLogin(name="a"), [row] if row else [], ctx)
        row = rows.find(Account, "a")
        assert row is not None
        waits.append(row.locked_until - NOW if row.locked_until else timedelta(0))
    assert waits[: FREE_TRIES - 1] == [timedelta(0)] * (FREE_TRIES - 1)
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_LOCK


def test_a_session_ends_when_it_is_left_alone_or_old_or_the_account_changed() -> None:
    session = {"ended_at": None, "used_at": NOW, "opened_at": NOW, "epoch": 1}
    account = {"active": True, "epoch": 1}
    assert stands(session, account, NOW + IDLE - timedelta(seconds=1))
    assert not stands(session, account, NOW + IDLE)
    assert not stands({**session, "used_at": NOW + LONGEST}, account, NOW + LONGEST)
    assert not stands({**session, "ended_at": NOW}, account, NOW)
    assert not stands(session, {**account, "epoch": 2}, NOW)
    assert not stands(session, {**account, "active": False}, NOW)


async def test_what_a_person_does_stands_under_their_name_and_needs_their_own_form(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}/hold"
    support, admin = await logged_in(shop, "support"), await logged_in(shop, "admin")
    try:
        mine, theirs = (await support.get(where)).text, (await admin.get(where)).text
        assert "Support Person" in mine
        form = {"key": field(mine, "key"), "reason": "check it"}
        for csrf in ({}, {"csrf": ""}, {"csrf": field(theirs, "csrf")}):
            assert (await support.post(where, data={**form, **csrf})).status_code == 403
        assert (await support.post(where, json={**form, "csrf": field(mine, "csrf")})).status_code in (403, 422)
        good = await support.post(where, data={**form, "csrf": field(mine, "csrf")})
        assert good.status_code == 303
        await shop.rest()
        owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
        assert [of["actor"] for of in owner["history"] if of["trigger"] == "order.hold_order.v1"] == ["support"]
    finally:
        await support.aclose()
        await admin.aclose()


async def test_logging_out_ends_the_session_on_the_server_too(shop: Shop) -> None:
    http = await logged_in(shop, "finance")
    cookies = dict(http.cookies)
    page = (await http.get("/")).text
    assert (await http.post("/logout", data={"csrf": "wrong"})).status_code == 403
    assert (await http.post("/logout", data={"csrf": field(page, "csrf")})).status_code == 303
    await http.aclose()
    async with httpx.AsyncClient(base_url=shop.here, cookies=cookies, headers={"Accept": "text/html"}) as stolen:
        assert (await stolen.get("/")).status_code == 303


async def test_over_https_the_cookie_is_of_this_host_alone_and_browsers_obey_its_deletion(shop: Shop) -> None:
    """They take a name that begins with __Host-, and its deletion, only with Secure and for every path."""
    here = {"base_url": shop.here, "headers": {"Accept": "text/html", "X-Forwarded-Proto": "https"}}
    async with httpx.AsyncClient(**here) as http:
        opened = set_cookie(await http.post("/login", data={"name": "finance", "password": PASSWORD}))
        cookie = {"Cookie": f"{opened.key}={opened.value}"}
        page = (await http.get("/orders", headers=cookie)).text
        gone = set_cookie(await http.post("/logout", data={"csrf": field(page, "csrf")}, headers=cookie))
        assert (await http.get("/orders", headers=cookie)).status_code == 303
    for said in (opened, gone):
        assert (said.key, said["path"], said["secure"], said["domain"]) == ("__Host-comptoir", "/", True, "")
    assert (gone.value, gone["max-age"]) == ("", "0")


async def test_a_changed_account_has_to_log_in_again(shop: Shop) -> None:
    await set_account(shop.database_url, "leaver", "", ("support",), HASH, True, "test")
    http = await logged_in(shop, "leaver")
    assert (await http.get("/orders")).status_code == 200
    await set_account(shop.database_url, "leaver", "", ("support",), "", False, "test")
    assert (await http.get("/orders")).status_code == 303
    await http.aclose()


async def test_what_becomes_of_an_account_stands_in_the_audit_and_its_password_nowhere(shop: Shop) -> None:
    async def change(roles: tuple[str, ...], shown: str = "", password: str = "", active: bool = True) -> None:
        await set_account(shop.database_url, "mira", shown, roles, password, active, "boss")

    await change(("support",), "Mira", HASH)
    await change(("support", "finance"))
    await change(("support", "finance"), password=HASH)
    await change(("support", "finance"), active=False)
    await change(("support", "finance"))
    await change(("support", "finance"), "Mira Bos")
    async with aclosing(await logged_in(shop, "admin")) as http:
        page = re.sub(r"<[^>]+>| +", " ", (await http.get("/acts?who=boss")).text.partition("<tbody")[2])
        german = (await http.get("/acts?who=boss", headers={"Accept-Language": "de"})).text
    said = [re.sub(r"\s+", " ", each) for each in (
        "Changed the account mira. It is called Mira Bos instead of Mira. Open sessions ended.",
        "Enabled the account mira again. Open sessions ended.",
        "Disabled the account mira. Open sessions ended.",
        "Reset the password of mira. The password is a new one. Open sessions ended.",
        "Changed the roles of mira. Roles: finance, support instead of support. Open sessions ended.",
        "Made the account mira. Roles: support.",
    )]  # fmt: skip
    page = re.sub(r"\s+", " ", page)
    found = [page.find(each) for each in said]
    assert -1 not in found, page
    assert found == sorted(found), "the newest first"
    assert "Das Konto mira wurde angelegt." in german
    assert HASH not in str(await shop.rows("select facts from office_acts"))


def routes() -> list[tuple[str, str, str]]:
    """(method, path, right) of every page."""
    found = []
    for route in (route for router in ROUTERS for route in router.routes):
        assert isinstance(route, APIRoute)
        rights = [getattr(of.call, "right", "") for of in route.dependant.dependencies]
        right = next((right for right in rights if right), "")
        found += [(method, route.path, right) for method in sorted(route.methods)]
    return found


def test_no_page_is_without_a_right() -> None:
    for method, path, right in routes():
        assert right in SEES.keys() | DOES.keys() or path in OPEN, f"{method} {path} is open to everybody"


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_its_own_pages_and_no_other(shop: Shop, role: str) -> None:
    person, http = Person(role, "", frozenset([role])), await logged_in(shop, role)
    paths = {"/orders/{name}": "/orders/C-0", "/stock/{sku:path}": "/stock/mug"}
    paths |= {"/documents/{number}": "/documents/INV-1", "/documents/{number}/pdf": "/documents/INV-1/pdf"}
    paths |= {"/documents/{number}/{syntax}": "/documents/INV-1/ubl"}
    paths |= {"/money/{what}": "/money/journal", "/customers/{customer_id:path}": "/customers/C1"}
    paths |= {"/reports/{what}": "/reports/vat", "/reports/{what}.csv": "/reports/vat.csv"}
    try:
        for method, path, right in routes():
            if not right or method != "GET" or ("{" in path and path not in paths):
                continue
            response = await http.get(paths.get(path, path))
            if person.may(right):
                assert response.status_code in (200, 404), path
            else:
                assert response.status_code == 403, path
                assert "Not for your role" in response.text
    finally:
        await http.aclose()


def test_money_is_for_finance_and_who_looked_at_what_for_admin() -> None:
    sees = {right: {role for role in ROLES if Person("", "", frozenset([role])).may(right)} for right in SEES}
    assert sees["money"] == sees["reports"] == {"finance", "admin"}
    assert sees["customers"] == {"support", "finance", "admin"}
    assert sees["audit"] == {"admin"}


async def test_finance_reads_orders_and_may_not_cancel_one(shop: Shop) -> None:
    placed = await shop.place()
    http = await logged_in(shop, "finance")
    try:
        page = (await http.get(f"/orders/{placed['number']}")).text
        assert f"/orders/{placed['number']}/cancel" not in page
        csrf = field(page, "csrf")
        answer = await http.post(f"/orders/{placed['number']}/cancel", data={"key": "k" * 12, "csrf": csrf})
        assert answer.status_code == 403
    finally:
        await http.aclose()


@pytest.mark.parametrize("right", ["", "nothing", "Orders", "__class__"])
def test_what_nobody_wrote_down_is_allowed_to_nobody(right: str) -> None:
    assert not LOCAL.may(right)


def test_passwords_are_kept_as_argon2id_of_some_cost() -> None:
    assert HASH.startswith("$argon2id$v=19$m=65536,t=3,p=2$")
    for wrong in ("short", "x" * 201):
        with pytest.raises(ValueError, match="characters"):
            login.hashed(wrong)


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/a\nb"])
def test_the_login_leads_on_to_these_pages_only(path: str) -> None:
    assert login.onward(path) == "/"
    assert login.onward("/orders?view=late") == "/orders?view=late"


@pytest.mark.parametrize(
    ("scheme", "host", "accounts", "status"),
    [
        ("http", "127.0.0.1:8080", True, 200),
        ("http", "localhost", True, 200),
        ("http", "[::1]:8080", True, 200),
        ("http", "127.0.0.1:8080", False, 403),
        ("http", "shop.example", True, 403),
        ("http", "127.0.0.1.shop.example:8080", True, 403),
        ("http", "shop.example:127", True, 403),
        ("http", "", True, 403),
        ("https", "shop.example", True, 200),
        ("https", "shop.example", False, 403),
    ],
)
async def test_behind_a_door_accounts_get_in_over_https_or_at_the_machine_itself(
    scheme: str, host: str, accounts: bool, status: int
) -> None:
    """The door is another machine to the pages. Without HTTPS the cookie must not leave the machine of the browser."""

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    class Office:
        async def has_accounts(self) -> bool:
            return accounts

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/orders", "scheme": scheme, "client": ("172.18.0.9", 4711)}
    await Guard(page, Office())({**scope, "headers": [(b"host", host.encode())]}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status
    assert (HTTPS_ONLY in sent[0]["headers"]) is (scheme == "https")
    customers = {**scope, "path": "/s/signed", "headers": [(b"host", host.encode())]}
    await Guard(page, Office())(customers, receive, send)  # type: ignore[arg-type]
    reached = scheme == "https" or host in ("127.0.0.1:8080", "localhost", "[::1]:8080")
    assert sent[2]["status"] == (200 if reached else 403), "customers need HTTPS and no account"
    for inside in ("/parked", "/parked/acts", "/docs", "/openapi.json"):
        sent.clear()
        operators = {**scope, "path": inside, "headers": [(b"host", host.encode())]}
        await Guard(page, Office())(operators, receive, send)  # type: ignore[arg-type]
        assert sent[0]["status"] == 403, "for the machine itself, also when a door lets %70arked through"


async def test_an_open_page_hears_nothing_more_when_its_session_is_over_and_one_question_serves_all(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    standing = shop.office.live.standing

    async def counted(sessions: Collection[str]) -> Any:
        asked.append(len(sessions))
        return await standing(sessions)

    monkeypatch.setattr(Live, "ROUND_S", 0.1)
    monkeypatch.setattr(shop.office.live, "standing", counted)
    http, other = await logged_in(shop, "support"), await logged_in(shop, "admin")
    token = field((await http.get("/orders")).text, "csrf")
    where = "/live?page=orders&newest=none"
    async with http.stream("GET", where, timeout=20) as stream, other.stream("GET", where, timeout=20):
        assert stream.status_code == 200
        parts = stream.aiter_text()
        await anext(parts)
        assert "still here" in await anext(parts)
        await eventually(lambda: 2 in asked)
        await http.post("/logout", data={"csrf": token})
        async with asyncio.timeout(10):
            async for _ in parts:
                pass
        await eventually(lambda: asked[-1] == 1)  # the other page goes on
    await http.aclose()
    await other.aclose()
