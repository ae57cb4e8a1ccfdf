"""Webhooks by page: added, tested, paused, given another secret, sent again; and by whom, for the audit."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.backoffice.public import KINDS
from shared.clock import now
from tests.backoffice.receiver import Receiver, receiver_at, says
from tests.backoffice.shop import PASSWORD, Shop, field, logged_in, shop_at
from tests.conftest import Databases
from tests.eventually import eventually

pytestmark = pytest.mark.postgres
KEY = "a key that secrets of webhooks are made of"


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "webhooks", webhook_keys=KEY, webhook_inside=True, webhook_timeout_s=5) as founded:
        await founded.open(mug=1000)
        await founded.staff("admin", "support", "finance", "picker", "packer")
        yield founded


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiver_at() as receiver:
        yield receiver


class Admin:
    """The browser of an admin."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def page(self, path: str, status: int = 200) -> str:
        response = await self.http.get(path)
        assert response.status_code == status, response.text[:500]
        return response.text

    async def post(self, path: str, form: dict[str, Any], status: int = 303, of: str = "/webhooks") -> httpx.Response:
        """A form of this session, with a key of its own unless it has one."""
        more = {"csrf": field(await self.page(of), "csrf"), "key": str(uuid4())}
        response = await self.http.post(path, data={**more, **form})
        assert response.status_code == status, f"{response.status_code} {response.text[:500]}"
        return response

    async def add(self, url: str, *kinds: str, name: str = "Shop", key: str = "") -> tuple[str, str]:
        """Where its page is, and its secret."""
        form = {"name": name, "url": url, "kind": list(kinds or KINDS), **({"key": key} if key else {})}
        shown = (await self.post("/webhooks", form, 200)).text
        where = re.search(r'href="(/webhooks/[0-9a-f-]{36})"', shown)
        secret = re.search(r'value="(whsec_[A-Za-z0-9+/=]+)"', shown)
        assert where
        assert secret
        return where[1], secret[1]


@pytest.fixture
async def admin(shop: Shop) -> AsyncIterator[Admin]:
    http = await logged_in(shop, "admin")
    yield Admin(http)
    await shop.change("backoffice", "update webhooks set state = 'removed'")
    await http.aclose()


async def test_an_admin_adds_a_webhook_and_its_receiver_verifies_a_test(
    shop: Shop, admin: Admin, receiver: Receiver
) -> None:
    where, secret = await admin.add(f"{receiver.here}/in", "order.placed.v1")
    assert secret not in await admin.page(where)
    assert "/webhooks" in await admin.page("/webhooks")
    await admin.post(f"{where}/test", {})
    await eventually(lambda: receiver.got)
    (got,) = receiver.got
    assert got.kind == "webhook.test.v1"
    assert got.signed_with(secret)

    async def shown() -> bool:
        return "204" in await admin.page(where)

    await eventually(shown)
    log = await admin.page(where)
    (delivery,) = set(re.findall(rf'href="({where}/deliveries/[0-9a-f-]+)"', log))
    page = await admin.page(delivery)
    assert got.id in page
    assert "webhook.test.v1" in page
    assert "taken by the receiver" in page


async def test_a_secret_stands_in_no_table(shop: Shop, admin: Admin, receiver: Receiver) -> None:
    where, secret = await admin.add(receiver.here)
    rotated = re.search(r"whsec_[A-Za-z0-9+/=]+", (await admin.post(f"{where}/rotate", {}, 200)).text)
    assert rotated
    tables = await shop.rows("select tablename from pg_tables where schemaname = 'public'")
    looked = 0
    for name in (row["tablename"] for row in tables):
        for row in await shop.rows(f'select t::text as all from "{name}" t'):
            looked += 1
            assert secret.removeprefix("whsec_") not in row["all"], name
            assert rotated[0].removeprefix("whsec_") not in row["all"], name
            assert KEY not in row["all"], name
    assert looked > 20


async def test_the_same_form_twice_adds_one_and_makes_one_secret(shop: Shop, admin: Admin, receiver: Receiver) -> None:
    key = str(uuid4())
    first, again = [await admin.add(receiver.here, "order.placed.v1", key=key) for _ in range(2)]
    assert first == again
    where, one = first
    key = str(uuid4())
    made = {re.search(r"whsec_[^\"]+", (await admin.post(f"{where}/rotate", {"key": key}, 200)).text)[0] for _ in "ab"}  # type: ignore[index]
    assert len(made) == 1
    assert one not in made
    rows = await shop.rows("select generation from webhooks where state <> 'removed'")
    assert [row["generation"] for row in rows] == [2]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"url": "shop.example"}, "This is no address"), ({"url": "ftp://shop.example/"}, "must begin with https://"),
        ({"url": "https://a:b@shop.example/"}, "no user, no password"), ({"kind": []}, "Choose at least one event."),
        ({"kind": ["order.gone.v1"]}, "Choose at least one event."), ({"name": " "}, "1 to 60 characters"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_done(
    shop: Shop, admin: Admin, form: dict[str, Any], said: str
) -> None:
    good = {"name": "Shop", "url": "https://shop.example/in", "kind": ["order.placed.v1"]}
    page = (await admin.post("/webhooks", {**good, **form}, 422)).text
    assert said in page
    assert "Nothing was done." in page
    assert not await shop.rows("select 1 from webhooks where state <> 'removed'")
    where, _ = await admin.add("https://shop.example/in")
    assert said in (await admin.post(where, {**good, **form}, 422)).text


async def test_two_secrets_sign_until_the_old_one_is_ended(shop: Shop, admin: Admin, receiver: Receiver) -> None:
    where, old = await admin.add(receiver.here)
    new = re.search(r"whsec_[A-Za-z0-9+/=]+", (await admin.post(f"{where}/rotate", {}, 200)).text)
    assert new
    await admin.post(f"{where}/test", {})
    await eventually(lambda: receiver.got)
    assert receiver.got[0].signed_with(old)
    assert receiver.got[0].signed_with(new[0])
    assert "Two secrets sign until" in await admin.page(where)
    await admin.post(f"{where}/retire", {})
    await admin.post(f"{where}/test", {})
    await eventually(lambda: len(receiver.got) == 2)
    assert not receiver.got[1].signed_with(old)
    assert receiver.got[1].signed_with(new[0])


async def test_what_waits_while_it_is_paused_is_sent_when_it_is_resumed_and_all_is_in_the_audit(
    shop: Shop, admin: Admin, receiver: Receiver
) -> None:
    where, _ = await admin.add(receiver.here, "order.placed.v1", name="Ledger 7")
    await admin.post(f"{where}/pause", {})
    placed = await shop.ask("POST", "/order/orders", {"lines": [{"sku": "mug", "quantity": 1, "unit_price": "1"}]})
    await shop.rest()
    assert "Paused" in await admin.page(where)
    assert not receiver.got
    moved = {"name": "Ledger 8", "url": f"{receiver.here}/moved", "kind": ["order.placed.v1"]}
    await admin.post(where, moved)
    await admin.post(f"{where}/resume", {})
    await eventually(lambda: receiver.got)
    assert [(got.path, got.event["subject"]) for got in receiver.got] == [("/moved", placed["id"])]
    await admin.post(f"{where}/remove", {})
    await admin.page(where, 404)
    await admin.post(f"{where}/resume", {}, 404)
    acts = await admin.page("/acts?who=admin")
    for said in (
        "Added the webhook Ledger 7.", "Paused the webhook Ledger 7.", "Changed the webhook Ledger 8.",
        "Resumed the webhook Ledger 8.", "Removed the webhook Ledger 8.",
    ):  # fmt: skip
        assert said in acts
    assert f"It went to {receiver.here} before." in acts


async def test_one_event_or_all_since_a_moment_are_sent_again_under_their_ids(
    shop: Shop, admin: Admin, receiver: Receiver
) -> None:
    where, _ = await admin.add(receiver.here, "order.placed.v1")
    order = {"lines": [{"sku": "mug", "quantity": 1, "unit_price": "1"}]}
    ids = [(await shop.ask("POST", "/order/orders", order))["id"] for _ in range(3)]
    await eventually(lambda: len(receiver.got) == 3)

    async def answered() -> bool:
        return (await admin.page(where)).count("Delivered to it") > 3  # the tab has the word, too

    await eventually(answered)
    first = {got.event["subject"]: got.id for got in receiver.got}
    deliveries = re.findall(rf'href="({where}/deliveries/[0-9a-f-]+)"', await admin.page(where))
    key = {"key": str(uuid4())}
    for _ in range(2):
        await admin.post(f"{deliveries[0]}/again", key)
    await eventually(lambda: len(receiver.got) == 4)
    assert receiver.got[3].id == first[receiver.got[3].event["subject"]]
    await eventually(answered)
    assert "Say since when." in (await admin.post(f"{where}/replay", {"since": "yesterday"}, 422)).text
    since = (now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    await admin.post(f"{where}/replay", {"since": since})
    await eventually(lambda: len(receiver.got) == 7)
    again = [(got.event["subject"], got.id) for got in receiver.got[4:]]
    assert sorted(again) == sorted(first.items())
    assert {subject for subject, _ in again} == set(ids)
    later = (now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    assert "done=nothing" in (await admin.post(f"{where}/replay", {"since": later})).headers["location"]


async def test_a_receiver_that_fails_is_seen_with_its_answer_and_in_the_figures(
    shop: Shop, admin: Admin, receiver: Receiver
) -> None:
    receiver.answers["/in"] = says(503, "<b>closed</b>")
    where, _ = await admin.add(f"{receiver.here}/in", "order.placed.v1")
    await admin.post(f"{where}/test", {})

    async def seen() -> bool:
        return "Takes nothing now" in await admin.page(where)

    await eventually(seen)
    page = await admin.page(where)
    assert "The receiver answered 503." in page
    (delivery,) = set(re.findall(rf'href="({where}/deliveries/[0-9a-f-]+)"', page))
    one = await admin.page(delivery)
    assert "&lt;b&gt;closed&lt;/b&gt;" in one
    assert "<b>closed</b>" not in one
    german = await admin.http.get(delivery, headers={"accept-language": "de"})
    assert "Der Empfänger antwortete 503." in german.text
    figures = await shop.page("/metrics")
    assert 'comptoir_webhooks_waiting{service="backoffice"} 1.0' in figures
    for name in ("delivered_total", "failed_total", "gone_total", "given_up_total", "oldest_seconds", "paused"):
        assert f"comptoir_webhooks_{name}{{" in figures
    await shop.change(
        "backoffice",
        "update webhooks set failures = 99, failing_since = now() - interval '4 days', rests_until = null "
        "where state = 'active'",
    )
    await shop.change("backoffice", "update webhook_deliveries set due_at = now() where state = 'waiting'")

    async def paused() -> bool:
        return 'comptoir_webhooks_paused{service="backoffice"} 1.0' in await shop.page("/metrics")

    await eventually(paused)
    assert "Paused: it took nothing" in await admin.page("/webhooks")
    assert "Put right what is wrong there, then resume." in await admin.page(where)
    receiver.answers.clear()
    await admin.post(f"{where}/resume", {})
    await eventually(lambda: receiver.got[-1].path == "/in" and len(receiver.got) > 2)


@pytest.mark.parametrize("role", ["support", "finance", "picker", "packer"])
async def test_only_admins_see_webhooks(shop: Shop, admin: Admin, receiver: Receiver, role: str) -> None:
    where, _ = await admin.add(receiver.here)
    http = await logged_in_as(shop, role)
    for path in ("/webhooks", where):
        assert (await http.get(path)).status_code == 403
    assert (await http.post(f"{where}/pause", data={"key": str(uuid4())})).status_code == 403
    await http.aclose()
    assert "Active" in await admin.page(where)


async def logged_in_as(shop: Shop, role: str) -> httpx.AsyncClient:
    http = httpx.AsyncClient(base_url=shop.here, timeout=20, headers={"Accept": "text/html"})
    await http.post("/login", data={"name": role, "password": PASSWORD, "onward": "/"})
    return http
