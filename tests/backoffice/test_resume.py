"""What billing or fulfilment has parked of an order is tried again from its page: shown, done once, with a name."""

import re
from html import unescape
from uuid import UUID

import httpx
import pytest

from services.backoffice.rights import ROLES, Person
from tests.backoffice.shop import Item, Shop, field

pytestmark = pytest.mark.postgres
REFUSED = "capture 2 was refused 4 times: card expired"
NOTE = "second label L-1 not voided: it is on its way"


async def stuck(shop: Shop) -> Item:
    """An order of which a payment operation and a note of a label are parked, and the pages know."""
    placed = await shop.place()
    id = UUID(placed["id"])
    blocked = "update accounts set blocked = 'capture', attempts = 4, parked = $2, revision = revision + 1"
    await shop.change("billing", f"{blocked} where order_id = $1", id, REFUSED)
    await shop.change("backoffice", "update money set parked = $2 where order_id = $1", id, REFUSED)
    await shop.change("backoffice", "update shipments set parked = $2 where order_id = $1", id, NOTE)
    noted = "update shipments set parked = $2, revision = revision + 1 where order_id = $1"
    await shop.change("fulfilment", noted, id, NOTE)
    return placed


async def parked(shop: Shop, placed: Item) -> list[str]:
    """What the owners have parked of it."""
    account = await shop.ask("GET", f"/billing/accounts/{placed['id']}")
    shipments = await shop.ask("GET", f"/fulfilment/shipments?order_id={placed['id']}")
    return [account["parked"], *(of["parked"] for of in shipments["items"])]


async def test_what_is_parked_is_shown_first_and_then_tried_again_once(shop: Shop) -> None:
    placed = await stuck(shop)
    where = f"/orders/{placed['number']}/resume"
    assert f'href="{where}"' in await shop.page(f"/orders/{placed['number']}")
    shown = unescape(await shop.page(where))
    for said in ("Capture 2 was refused 4 times: card expired", "Billing asks the payment provider once more.", NOTE):
        assert said.lower() in shown.lower()
    assert await parked(shop, placed) == [REFUSED, NOTE], "looking changes nothing"
    form = {"key": field(shown, "key"), "thing": re.findall(r'name="thing" value="([^"]+)"', shown)}
    for _ in range(2):
        response = await shop.post(where, form)
        assert response.headers["location"] == f"/orders/{placed['number']}?done=resume"
    assert await parked(shop, placed) == ["", ""]
    await shop.rest()
    acts = await shop.page("/acts")
    assert acts.count("Had billing try again what it had parked.") == 1
    assert f'href="/orders/{placed["number"]}"' in acts
    told = await shop.rows("select actor from entries where order_id = $1 and actor <> ''", UUID(placed["id"]))
    assert [row["actor"] for row in told] == ["local"], "fulfilment says who it was"


async def test_what_is_parked_no_more_is_refused_and_not_offered(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}"
    assert f"{where}/resume" not in await shop.page(where)
    assert (await shop.http.get(f"{where}/resume")).headers["location"] == where
    late = await shop.post(f"{where}/resume", {"key": "k" * 12, "thing": "billing"}, status=409)
    assert "Nothing was done." in late.text
    await shop.post(f"{where}/resume", {"key": "k" * 12, "thing": "../orders"}, status=422)


async def test_what_is_overdue_waits_for_the_customer_and_is_not_tried_again(shop: Shop) -> None:
    placed = await shop.place()
    for service, table in (("billing", "accounts"), ("backoffice", "money")):
        overdue = f"update {table} set parked = 'overdue: 30.25 EUR after 3 reminders' where order_id = $1"
        await shop.change(service, overdue, UUID(placed["id"]))
    where = f"/orders/{placed['number']}"
    assert f"{where}/resume" not in await shop.page(where)
    assert (await shop.http.get(f"{where}/resume")).status_code == 303


async def test_without_an_answer_it_is_not_known_and_the_key_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = await stuck(shop)
    where = f"/orders/{placed['number']}/resume"
    key = field(await shop.page(where), "key")
    billing = shop.office.owners.over["billing"]
    asked = billing.request

    async def mute(method: str, path: str, **more: object) -> httpx.Response:
        if method == "POST":
            raise httpx.ReadTimeout("nobody answers")
        return await asked(method, path, **more)

    monkeypatch.setattr(billing, "request", mute)
    page = await shop.post(where, {"key": key, "thing": "billing"}, status=503)
    assert "It is not known yet whether it was done." in page.text
    assert field(page.text, "key") == key


def test_who_may_see_an_order_and_act_on_it_may_try_again() -> None:
    assert {role for role in ROLES if Person("", "", frozenset([role])).may("resume")} == {
        "support",
        "finance",
        "admin",
    }
