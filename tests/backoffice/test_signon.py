"""Logging in at an identity provider: one of development, over HTTP, with everything that goes wrong on the way."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from oidc_provider_mock import User, run_server_in_thread
from pydantic import ValidationError

from comptoir.staffing import set_account
from services.backoffice import login
from services.backoffice.settings import Settings, roles_of_groups
from services.backoffice.signon import ProviderAway, told
from tests.backoffice.shop import Shop, shop_at
from tests.backoffice.test_login import set_cookie
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
PEOPLE = {
    "sub-anna": {"preferred_username": "anna", "name": "Anna de Vries", "groups": ["Shop leads", "everybody"]},
    "sub-ben": {"preferred_username": "ben", "name": "Ben", "realm_access": {"roles": ["Warehouse"]}, "groups": []},
    "sub-cas": {"preferred_username": "cas", "name": "Cas", "groups": ["Warehouse", "Students"]},
    "sub-dora": {"preferred_username": "support", "name": "Dora", "groups": ["Shop leads"]},
    "sub-nobody": {"name": "Without a name", "groups": ["Shop leads"]},
}
ROLES = "admin=Shop leads, picker=Warehouse, packer=Students, packer=Temps"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    people = [User(sub=sub, claims=claims) for sub, claims in PEOPLE.items()]
    with run_server_in_thread(user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
async def shop(databases: Databases, issuer: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    settings = {
        "oidc_issuer": issuer,
        "oidc_client_id": "comptoir",
        "oidc_client_secret": "a secret of the provider",
        "oidc_roles": ROLES,
        "oidc_called": "Shop login",
    }
    name = request.module.__name__.rpartition("test_")[2]  # the browser's tests have one of their own
    async with shop_at(databases, name, **settings) as founded:
        yield founded


def browser(shop: Shop) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=shop.here, timeout=20, headers={"Accept": "text/html"}, trust_env=False)


async def at_the_provider(http: httpx.AsyncClient, sub: str, onward: str = "/", **form: str) -> str:
    """From the button to the address that the provider sends the browser back to."""
    sent = await http.get("/login/provider", params={"onward": onward})
    assert sent.status_code == 303, sent.text
    asked = {key: value[0] for key, value in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert asked["scope"] == "openid profile email"
    async with httpx.AsyncClient(trust_env=False) as outside:
        agreed = await outside.post(sent.headers["location"], data={"sub": sub, **form})
    assert agreed.status_code == 302, agreed.text
    return str(agreed.headers["location"])


async def account(shop: Shop, name: str) -> dict[str, Any]:
    found = await shop.rows("select roles, shown, identity, active, epoch from accounts where name = $1", name)
    return dict(found[0]) if found else {}


async def test_nobody_gets_in_without_the_provider_though_there_are_no_accounts(shop: Shop) -> None:
    assert await shop.rows("select name from accounts") == []
    async with browser(shop) as http:
        page = await http.get("/orders")
        assert (page.status_code, page.headers["location"]) == (303, "/login?onward=%2Forders")
        shown = (await http.get("/login?onward=/orders")).text
        assert 'href="/login/provider?onward=%2Forders"' in shown
        assert "Log in with Shop login" in shown


async def test_who_the_provider_names_is_let_in_with_the_roles_of_their_groups(shop: Shop) -> None:
    async with browser(shop) as http:
        back = await http.get(await at_the_provider(http, "sub-anna", "/orders?view=late"))
        assert (back.status_code, back.headers["location"]) == (303, "/orders?view=late")
        assert "httponly" in back.headers["set-cookie"].lower()
        page = await http.get("/orders")
        assert page.status_code == 200
        assert "Anna de Vries" in page.text
        kept = await account(shop, "anna")
        assert (kept["roles"], kept["shown"], kept["identity"]) == ('["admin"]', "Anna de Vries", "sub-anna")


async def test_over_https_what_bound_the_answer_to_the_browser_is_deleted_as_it_was_set(shop: Shop) -> None:
    https = {"X-Forwarded-Proto": "https"}
    async with browser(shop) as http:
        sent = await http.get("/login/provider", headers=https)
        bound = set_cookie(sent)
        async with httpx.AsyncClient(trust_env=False) as outside:
            agreed = await outside.post(sent.headers["location"], data={"sub": "sub-anna"})
        inside = str(agreed.headers["location"]).replace(shop.here.replace("http:", "https:"), "")
        back = await http.get(inside, headers=https | {"Cookie": f"{bound.key}={bound.value}"})
    assert (back.status_code, back.headers["location"]) == (303, "/")
    gone = SimpleCookie(back.headers.get_list("set-cookie")[1])[bound.key]
    for said in (bound, gone):
        assert (said["path"], said["secure"]) == ("/login/provider/back", True)
    assert (gone.value, gone["max-age"]) == ("", "0")


async def test_roles_are_those_of_the_last_login_and_other_sessions_go_on(shop: Shop, issuer: str) -> None:
    async with browser(shop) as first, browser(shop) as second, httpx.AsyncClient(trust_env=False) as outside:
        back = await first.get(await at_the_provider(first, "sub-cas"))
        assert back.headers["location"] == "/pick", "where a picker begins"
        assert (await first.get("/pack")).status_code == 200
        await outside.put(f"{issuer}/users/sub-cas", json={**PEOPLE["sub-cas"], "groups": ["Warehouse"]})
        assert (await second.get(await at_the_provider(second, "sub-cas"))).status_code == 303
        assert (await second.get("/pick")).status_code == 200
        assert (await first.get("/pick")).status_code == 200
        assert (await first.get("/pack")).status_code == 403
        await outside.put(f"{issuer}/users/sub-cas", json={**PEOPLE["sub-cas"], "groups": []})
        refused = await second.get(await at_the_provider(second, "sub-cas"))
        assert refused.status_code == 403
        assert "has no role here" in refused.text
        await outside.put(f"{issuer}/users/sub-cas", json=PEOPLE["sub-cas"])


async def test_what_the_provider_made_of_an_account_stands_in_the_audit_once(shop: Shop) -> None:
    async with browser(shop) as http:
        for _ in range(2):
            await http.get(await at_the_provider(http, "sub-anna"))
        page = (await http.get("/acts?who=anna")).text
    assert page.count("Made the account anna.") == 1
    assert "Roles: admin. The login service said so." in page
    assert "Changed" not in page.partition("<tbody")[2]


async def test_without_a_group_that_counts_there_is_no_account(shop: Shop) -> None:
    async with browser(shop) as http:
        refused = await http.get(await at_the_provider(http, "sub-ben"))
        assert refused.status_code == 403
        assert "Ben has no role here" in refused.text
        assert (await http.get("/orders")).status_code == 303
    assert await account(shop, "ben") == {}


async def test_a_name_of_somebody_else_lets_nobody_in(shop: Shop) -> None:
    hashed = login.hashed("a long enough password")
    await set_account(shop.database_url, "support", "Support", ("support",), hashed, True, "test")
    async with browser(shop) as http:
        refused = await http.get(await at_the_provider(http, "sub-dora"))
        assert refused.status_code == 403
        assert "belongs to another account" in refused.text
        right = await http.post("/login", data={"name": "support", "password": "a long enough password"})
        assert right.status_code == 303, "a password of its own still does"
    assert (await account(shop, "support"))["roles"] == '["support"]'


async def test_an_account_that_is_gone_here_stays_out(shop: Shop) -> None:
    async with browser(shop) as http:
        assert (await http.get(await at_the_provider(http, "sub-anna"))).status_code == 303
        await set_account(shop.database_url, "anna", "", ("admin",), login.hashed("x" * 12), False, "test")
        assert (await http.get("/orders")).status_code == 303, "the open session is over"
        assert (await http.get(await at_the_provider(http, "sub-anna"))).status_code == 403
        await set_account(shop.database_url, "anna", "", ("admin",), "", True, "test")
        assert (await http.get(await at_the_provider(http, "sub-anna"))).status_code == 303


async def test_an_answer_is_taken_once_and_by_the_browser_that_asked(shop: Shop) -> None:
    async with browser(shop) as mine, browser(shop) as theirs:
        address = await at_the_provider(mine, "sub-anna")
        assert (await theirs.get(address)).status_code == 401, "who is sent somebody's address is not let in as them"
        await at_the_provider(theirs, "sub-cas")
        assert (await theirs.get(address)).status_code == 401, "nor after a beginning of their own"
        forged = re.sub("state=[^&]*", "state=guessed", address)
        assert (await mine.get(forged)).status_code == 401
        assert "session" not in (await mine.get(forged)).headers.get("set-cookie", "")
        address = await at_the_provider(mine, "sub-anna")
        assert (await mine.get(address)).status_code == 303
        assert (await mine.get(address)).status_code == 401, "a code works once"
        assert (await mine.get("/login/provider/back")).status_code == 401
        denied = await at_the_provider(mine, "sub-anna", action="deny")
        assert (await mine.get(denied)).status_code == 401


async def test_a_claim_that_is_no_name_lets_nobody_in(shop: Shop) -> None:
    async with browser(shop) as http:
        assert (await http.get(await at_the_provider(http, "sub-nobody"))).status_code == 401


async def test_where_to_go_on_to_is_a_place_of_these_pages(shop: Shop) -> None:
    async with browser(shop) as http:
        back = await http.get(await at_the_provider(http, "sub-anna", "https://elsewhere.example/"))
        assert back.headers["location"] == "/"


async def test_logging_out_says_where_to_log_out_everywhere(shop: Shop, issuer: str) -> None:
    async with browser(shop) as http:
        await http.get(await at_the_provider(http, "sub-anna"))
        page = (await http.get("/orders")).text
        found = re.search(r'name="csrf" value="([^"]*)"', page)
        assert found
        left = await http.post("/logout", data={"csrf": found[1]})
        assert left.headers["location"] == "/login?left=1"
        shown = (await http.get("/login?left=1")).text
        assert f'href="{issuer}/oauth2/end_session"' in shown
        assert "You are logged out here." in shown
        assert (await http.get("/orders")).status_code == 303


async def test_a_provider_that_is_away_or_another_one_is_said_and_lets_nobody_in(shop: Shop) -> None:
    signon = shop.office.signon
    known, where = signon.app.server_metadata, signon.app._server_metadata_url
    try:
        signon.app.server_metadata, signon.app._server_metadata_url = {}, "http://127.0.0.1:1/nothing"
        async with browser(shop) as http:
            away = await http.get("/login/provider")
            assert away.status_code == 503
            assert "does not answer now" in away.text
            assert (await http.get("/login?left=1")).status_code == 200
        signon.app.server_metadata = {**known, "issuer": "https://somebody-else.example", "_loaded_at": 1}
        with pytest.raises(ProviderAway, match="somebody-else"):
            await signon.leave()
    finally:
        signon.app.server_metadata, signon.app._server_metadata_url = known, where


def test_groups_are_found_in_lists_texts_and_inside_other_claims() -> None:
    claims = {"groups": ["a", 1, "b"], "role": "c", "realm_access": {"roles": ["d"]}, "x.y": ["e"], "odd": {"a": 1}}
    assert [told(claims, name) for name in ("groups", "role", "realm_access.roles", "x.y")] == [
        ["a", "b"], ["c"], ["d"], ["e"],
    ]  # fmt: skip
    assert [told(claims, name) for name in ("none", "odd", "groups.a", "realm_access.none")] == [[]] * 4


def test_several_groups_give_one_role() -> None:
    assert roles_of_groups(ROLES) == {
        "admin": {"Shop leads"}, "picker": {"Warehouse"}, "packer": {"Students", "Temps"},
    }  # fmt: skip


def test_who_has_no_provider_does_not_import_what_speaks_with_one() -> None:
    code = "import sys, services.backoffice.app; sys.exit('authlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


WHOLE = {
    "oidc_issuer": "https://login.example", "oidc_client_id": "shop", "oidc_client_secret": "x", "oidc_roles": ROLES,
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "http://login.example"}, {"oidc_issuer": "login.example"}, {"oidc_client_secret": ""},
        {"oidc_roles": ""}, {"oidc_roles": "boss=Shop leads"}, {"oidc_roles": "admin"}, {"oidc_scope": "profile"},
        {"oidc_issuer": "https://login.example?x=1"},
    ],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start(wrong: dict[str, str]) -> None:
    assert Settings(**WHOLE).provider()  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Settings(**{**WHOLE, **wrong})  # type: ignore[arg-type]
