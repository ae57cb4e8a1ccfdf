"""Accounts by page: added, changed, taken away and given back, and everybody's own password."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.backoffice.accounts import set_account, to_setting
from services.backoffice.rows import Account
from shared.contracts.backoffice import SetAccount
from shared.messaging.decision import Context, Handler, Refused, decide_alone
from tests.backoffice.shop import PASSWORD, Shop, field, logged_in, shop_at
from tests.conftest import Databases

NEW = "another long password"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


# The decision


def account(name: str, *roles: str, active: bool = True) -> Account:
    return Account(name, name.title(), roles, "kept", active, 1, 0, None)


def decided(m: SetAccount, *there: Account) -> Account:
    ctx: Context[Any] = Context(NOW, lambda: UUID(int=1), None, UUID(int=2))
    _, rows = decide_alone(Handler(to_setting, set_account), m, list(there), ctx)
    found = rows.find(Account, m.name)
    assert found is not None
    return found


def test_what_is_kept_stays_whatever_else_is_said() -> None:
    gone = account("mira", "support", active=False)
    changed = decided(SetAccount(name="mira", password="new", keeps=("roles", "active")), gone)
    assert (changed.roles, changed.active, changed.password, changed.epoch) == (("support",), False, "new", 2)
    back = decided(SetAccount(name="mira", active=True, keeps=("roles",)), gone)
    assert (back.roles, back.active, back.password) == (("support",), True, "kept")


ANNA, BO = account("anna", "admin"), account("bo", "admin")


@pytest.mark.parametrize(
    ("m", "there", "said"),
    [
        (SetAccount(name="mira", keeps=("roles",)), (), "no account mira"),
        (SetAccount(name="anna", roles=("support",), password="x", new=True), (ANNA,), "an account anna already"),
        (SetAccount(name="anna", roles=("support",), actor="anna", admins=("anna", "bo")), (ANNA, BO), "your own"),
        (SetAccount(name="anna", active=False, keeps=("roles",), actor="anna", admins=("anna", "bo")), (ANNA, BO),
         "your own"),
        (SetAccount(name="anna", roles=("support",), actor="bo", admins=("anna", "bo")),
         (ANNA, account("bo", "admin", active=False)), "Nobody would be left"),
        (SetAccount(name="first", roles=("support",), password="x", new=True, admins=()), (), "Nobody would be left"),
    ],
)  # fmt: skip
def test_what_nobody_should_do_by_mistake_is_refused(m: SetAccount, there: tuple[Account, ...], said: str) -> None:
    with pytest.raises(Refused, match=said):
        decided(m, *there)


def test_another_admin_may_go_and_an_operator_may_do_anything() -> None:
    gone = decided(SetAccount(name="anna", active=False, keeps=("roles",), actor="bo", admins=("anna", "bo")), ANNA, BO)
    assert not gone.active
    assert not decided(SetAccount(name="anna", active=False, roles=("admin",), actor="root"), ANNA).active


# The pages


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "accounts") as founded:
        await founded.open(mug=100)
        await founded.staff("admin", "support")
        yield founded


class Browser:
    """A browser in which somebody is logged in; forms are those of its session."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def page(self, path: str, status: int = 200) -> str:
        response = await self.http.get(path)
        assert response.status_code == status, f"{response.status_code} {response.text[:500]}"
        return response.text

    async def post(self, path: str, status: int = 303, **form: Any) -> httpx.Response:
        csrf = field(await self.page("/password"), "csrf")
        response = await self.http.post(path, data={"csrf": csrf, **form})
        assert response.status_code == status, f"{response.status_code} {response.text[:1500]}"
        return response


@asynccontextmanager
async def browser_of(shop: Shop, name: str) -> AsyncIterator[Browser]:
    async with aclosing(await logged_in(shop, name)) as http:
        yield Browser(http)


async def login(shop: Shop, name: str, password: str) -> int:
    response = await shop.http.post("/login", data={"name": name, "password": password})
    shop.http.cookies.clear()
    return response.status_code


def two(password: str) -> dict[str, str]:
    return {"password": password, "again": password}


@pytest.mark.postgres
async def test_a_colleague_is_added_changed_sent_away_and_let_in_again_and_the_audit_says_so(shop: Shop) -> None:
    async with browser_of(shop, "admin") as admin:
        form = {"name": "mira", "shown": "Mira Bos", "role": ["picker", "packer"], **two(PASSWORD)}
        done = await admin.post("/staff", **form)
        assert done.headers["location"] == "/staff/mira?done=added"
        assert "Tell the first password in person" in await admin.page("/staff/mira?done=added")
        async with browser_of(shop, "support") as other:
            await other.page("/staff", 403)
            await other.page("/staff/mira", 403)
            await other.post("/staff/mira/remove", 403)
            await other.post("/staff", 403, **form)
        mira = await logged_in_at(shop, "mira", "/pick")
        listed = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await admin.page("/staff")))
        assert re.search(r"Mira Bos mira picker, packer \w+ \d+ .* May log in", listed), listed
        await admin.post("/staff/mira/roles", shown="Mira Bos", role=["support"])
        assert (await mira.get("/pick")).status_code == 303, "her session is over"
        mira = await logged_in_at(shop, "mira", "/orders")
        await admin.post("/staff/mira/remove")
        assert (await mira.get("/orders")).status_code == 303, "at once"
        assert await login(shop, "mira", PASSWORD) == 401
        assert "Gone since" in await admin.page("/staff")
        await admin.post("/staff/mira/restore")
        assert await login(shop, "mira", PASSWORD) == 303
        await admin.post("/staff/mira/password", **two(NEW))
        assert (await login(shop, "mira", PASSWORD), await login(shop, "mira", NEW)) == (401, 303)
        acts = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await admin.page("/acts?who=admin")))
        await mira.aclose()
    said = ["Reset the password of mira.", "Enabled the account mira again.", "Disabled the account mira.",
            "Changed the roles of mira. Roles: support instead of", "Made the account mira. Roles:"]  # fmt: skip
    found = [acts.find(each) for each in said]
    assert -1 not in found, acts
    assert found == sorted(found), "the newest first"


async def logged_in_at(shop: Shop, name: str, page: str) -> httpx.AsyncClient:
    http = httpx.AsyncClient(base_url=shop.here, timeout=20, headers={"Accept": "text/html"})
    await http.post("/login", data={"name": name, "password": PASSWORD})
    assert (await http.get(page)).status_code == 200
    return http


@pytest.mark.postgres
async def test_what_is_wrong_with_an_account_stands_at_its_field_and_nothing_is_done(shop: Shop) -> None:
    good = {"name": "wrong", "shown": "W", "role": ["picker"], **two(PASSWORD)}
    async with browser_of(shop, "admin") as admin:
        for wrong, at, text in (
            ({"name": "a b"}, "name", "A login has 1 to 64 characters"),
            ({"name": ""}, "name", "A login has 1 to 64 characters"),
            ({"role": []}, "role", "Choose at least one role."),
            ({"role": ["king"]}, "role", "Choose at least one role."),
            (two("short"), "password", "A password has 10 to 200 characters."),
            ({"again": "something else"}, "again", "This is not the same password as above."),
        ):
            told = (await admin.post("/staff", 422, **{**good, **wrong})).text
            assert f'<a href="#{at}">{text}' in told, (wrong, at)
            assert f'id="e-{at}"' in told
            assert f'aria-describedby="e-{at}"' in told
            assert PASSWORD not in told
        taken = await admin.post("/staff", 409, **{**good, "name": "support"})
        assert '<a href="#name">There is an account support already.' in taken.text
        assert 'value="support"' in taken.text, "what was typed stands"
        await admin.page("/staff/wrong", 404)
        await admin.post("/staff/wrong/remove", 404)
        assert await login(shop, "support", PASSWORD) == 303


@pytest.mark.postgres
async def test_an_admin_does_not_take_away_the_own_access_and_stays_in_after_changing_the_own_name(shop: Shop) -> None:
    async with browser_of(shop, "admin") as admin:
        for act, form in (("remove", {}), ("roles", {"shown": "Admin Person", "role": ["support"]})):
            told = (await admin.post(f"/staff/admin/{act}", 409, **form)).text
            assert "You would take away your own access. Another admin can do it." in told
        own = await admin.page("/staff/admin")
        assert 'action="/staff/admin/password"' not in own, "the old one is asked for elsewhere"
        sent = await admin.post("/staff/admin/password", **two(NEW))
        assert sent.headers["location"] == "/password"
        await admin.post("/staff/admin/roles", shown="Ada", role=["admin", "support"])
        assert "Ada" in await admin.page("/staff/admin"), "in a session of its own"
    assert await login(shop, "admin", PASSWORD) == 303


@pytest.mark.postgres
async def test_everybody_changes_the_own_password_and_only_this_browser_stays_in(shop: Shop) -> None:
    async with browser_of(shop, "admin") as admin:
        await admin.post("/staff", name="pia", shown="Pia", role=["picker"], **two(PASSWORD))
    here, there = Browser(await logged_in_at(shop, "pia", "/pick")), await logged_in_at(shop, "pia", "/pick")
    wrong = (await here.post("/password", 422, old="not the old one", **two(NEW))).text
    assert '<a href="#old">The old password is wrong' in wrong
    short = (await here.post("/password", 422, old=PASSWORD, **two("short"))).text
    assert '<a href="#password">A password has 10 to 200 characters.' in short
    assert (await here.http.post("/password", data={"old": PASSWORD, **two(NEW)})).status_code == 403, "without csrf"
    assert await login(shop, "pia", NEW) == 401
    done = await here.post("/password", old=PASSWORD, **two(NEW))
    assert "Your password is a new one. Other sessions ended." in await here.page(done.headers["location"])
    assert (await there.get("/pick")).status_code == 303
    assert (await login(shop, "pia", PASSWORD), await login(shop, "pia", NEW)) == (401, 303)
    async with browser_of(shop, "admin") as admin:
        assert "pia changed the own password." in await admin.page("/acts?who=pia")
    await here.http.aclose()
    await there.aclose()


@pytest.mark.postgres
async def test_who_guesses_the_old_password_waits_as_at_the_login(shop: Shop) -> None:
    async with browser_of(shop, "admin") as admin:
        await admin.post("/staff", name="guess", shown="G", role=["picker"], **two(PASSWORD))
    browser = Browser(await logged_in_at(shop, "guess", "/pick"))
    for _ in range(6):
        await browser.post("/password", 422, old="not the old one", **two(NEW))
    assert (await shop.rows("select locked_until from accounts where name = 'guess'"))[0]["locked_until"] is not None
    await browser.http.aclose()


@pytest.mark.postgres
async def test_acts_are_found_by_the_beginning_of_a_name_and_by_day_and_taken_along_as_a_file(shop: Shop) -> None:
    when = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    facts = '{"name": "=V", "owner": "v", "query": "", "shared": false}'
    put = "insert into office_acts (act_id, at, key, actor, facts) values ($1, $2, 'backoffice.save_view.v1', $3, $4)"
    for n, (who, days) in enumerate((("vera1", 0), ("vera2", 1), ("wim", 1))):
        await shop.change("backoffice", put, UUID(int=100 + n), when + timedelta(days=days), who, facts)
    async with browser_of(shop, "admin") as admin:
        for name, shown in (("vera1", "Vera Smit"), ("vera2", "Vera Maas"), ("wim", "Wim")):
            await admin.post("/staff", name=name, shown=shown, role=["picker"], **two(PASSWORD))

        async def seen(query: str) -> list[str]:
            lines = (await admin.page(f"/acts.csv?{query}")).splitlines()
            assert lines[0] == "\ufeffat,who,what,why,order,act"
            found = [line.split(",")[1] for line in lines[1:] if "Saved the view" in line]
            page = await admin.page(f"/acts?{query}")
            assert page.count("Saved the view") == len(found), "the page shows what the file has"
            return found

        assert await seen("who=vera s") == ["vera1"]
        assert await seen("who=VERA") == ["vera2", "vera1"]
        assert await seen("who=vera2") == ["vera2"]
        assert await seen("who=ver%") == []
        assert await seen("until=2026-03-02") == ["vera1"]
        assert await seen("since=2026-03-03&until=2026-03-03") == ["wim", "vera2"]
        assert await seen("since=2026-03-04&until=2026-03-05") == []
        assert await seen("since=nonsense&until=9999-12-31&who=wim") == ["wim"]
        assert "Nobody did anything in this time." in await admin.page("/acts?until=2020-01-01")
        assert "/acts.csv?who=vera&amp;since=2026-03-01" in await admin.page("/acts?who=vera&since=2026-03-01")
        file = await admin.page("/acts.csv?who=wim&until=2026-03-09")
        assert "2026-03-03T09:00:00+00:00,wim,Saved the view =V.,Of v alone.,,backoffice.save_view.v1" in file
    async with browser_of(shop, "support") as other:
        await other.page("/acts.csv", 403)


@pytest.mark.postgres
async def test_at_the_machine_itself_the_first_account_is_made_by_page_and_must_be_an_admins(
    databases: Databases,
) -> None:
    async with shop_at(databases, "first_account") as shop:
        assert "There is no account yet." in await shop.page("/staff")
        assert "You have no password here." in await shop.page("/password")
        form = {"name": "ada", "shown": "Ada", **two(PASSWORD)}
        refused = await shop.post("/staff", {**form, "role": ["support"]}, status=409)
        assert "Nobody would be left who looks after the accounts." in refused.text
        await shop.post("/staff", {**form, "role": ["admin"]})
        assert (await shop.http.get("/staff", headers={"Accept": "text/html"})).status_code == 303, "to the login"
        assert await login(shop, "ada", PASSWORD) == 303
