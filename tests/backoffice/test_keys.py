"""The back office among services that demand keys: it acts in a clerk's name, and a new key needs no restart."""

from collections.abc import AsyncIterator

import httpx
import pytest

from comptoir.keys import KeyFiles, make, ours, revoke
from shared import clock
from tests.backoffice.shop import Shop, field, logged_in, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys") / "api_keys")


@pytest.fixture(scope="module")
async def shop(databases: Databases, files: KeyFiles) -> AsyncIterator[Shop]:
    now, shown = clock.now(), files.place.with_name("api_key")
    shown.write_text(ours(files, "backoffice", now))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPTOIR_API_KEYS_FILE", str(files.place))
        patch.setenv("COMPTOIR_API_KEY_FILE", str(shown))
        async with shop_at(databases, "by_key") as made:
            made.http.headers["Authorization"] = f"Bearer {make_for_tests(files)}"
            for each in made.suite.running.values():
                if each.gate.keyring is not None:
                    each.gate.keyring.look()
            await made.open(mug=50)
            await made.staff("support")
            yield made


def make_for_tests(files: KeyFiles) -> str:
    return make(files, "tests", ["all", "act-as"], clock.now())


async def cancelled(shop: Shop, clerk: httpx.AsyncClient) -> list[str]:
    """Who stands in the history of an order that this person cancels by its page."""
    order = await shop.place()
    path = f"/orders/{order['number']}/cancel"
    page = await clerk.get(path)
    assert page.status_code == 200, page.text
    form = {name: field(page.text, name) for name in ("quote", "key", "csrf")} | {"reason": "changed my mind"}
    done = await clerk.post(path, data=form)
    assert done.status_code == 303, done.text
    history = (await shop.ask("GET", f"/order/orders/{order['id']}/history"))["items"]
    return [entry["actor"] for entry in history if entry["trigger"] == "order.cancel_order.v1"]


async def test_the_clerk_stands_in_the_history_not_the_pages(shop: Shop) -> None:
    clerk = await logged_in(shop, "support")
    assert await cancelled(shop, clerk) == ["support"]
    await clerk.aclose()


async def test_without_a_key_the_services_answer_nobody(shop: Shop) -> None:
    async with httpx.AsyncClient(base_url=shop.here) as stranger:
        for service in ("order", "inventory", "fulfilment", "billing"):
            assert (await stranger.get(f"/{service}/parked")).status_code == 401
            assert (await stranger.get(f"/{service}/health/ready")).status_code == 200
        page = await stranger.get("/orders", headers={"X-Actor": "support", "Accept": "text/html"})
        assert page.status_code == 303, "to the login"


async def test_a_new_key_of_the_pages_is_taken_without_a_restart(shop: Shop, files: KeyFiles) -> None:
    """And until it is there, an owner that refuses the old one is away, for which no clerk can do anything."""
    order = await shop.place()
    revoke(files, "backoffice", all_of_it=True)
    for each in shop.suite.running.values():
        if each.gate.keyring is not None:
            each.gate.keyring.look()
    clerk = await logged_in(shop, "support")
    try:
        refused = await clerk.get(f"/orders/{order['number']}/cancel")
        assert refused.status_code == 503, refused.text
        assert "API key" not in refused.text
        files.place.with_name("api_key").write_text(ours(files, "backoffice", clock.now()))
        for each in shop.suite.running.values():
            if each.gate.keyring is not None:
                each.gate.keyring.look()
        assert await cancelled(shop, clerk) == ["support"]
    finally:
        await clerk.aclose()
