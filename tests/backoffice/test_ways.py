"""Where pages lead each person: no link into a wall, nothing out of reach, and lists of work begin with the oldest."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import httpx
import pytest

from tests.backoffice.shop import Item, Shop, logged_in, shop_at
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
ROLES = ("support", "finance", "packer")


@pytest.fixture(scope="module")
async def staffed(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "staffed") as founded:
        await founded.open(mug=1000)
        await founded.staff(*ROLES)
        yield founded


@pytest.fixture(scope="module")
async def people(staffed: Shop) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """The browser of a person of each role."""
    async with AsyncExitStack() as stack:
        yield {role: await stack.enter_async_context(aclosing(await logged_in(staffed, role))) for role in ROLES}


async def shipment(shop: Shop, placed: Item) -> str:
    return str((await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"][0]["shipment_id"])


async def test_an_order_leads_each_person_only_where_they_may_go(
    staffed: Shop, people: dict[str, httpx.AsyncClient]
) -> None:
    placed = await staffed.place(customer_id="K/1")
    await staffed.ship(await shipment(staffed, placed))
    (invoice,) = (await staffed.ask("GET", f"/billing/invoices?order_id={placed['id']}"))["items"]
    give = {"invoice": invoice["number"], "lines": [{"line_no": 1, "amount": "1.00"}], "reason": "a scratch"}
    headers = {"Idempotency-Key": "a-small-refund", "X-Actor": "ada", "X-Roles": "admin"}
    answer = await staffed.http.post(f"/billing/orders/{placed['id']}/refunds", json=give, headers=headers)
    assert answer.status_code < 300, answer.text
    await staffed.rest()
    (note,) = (await staffed.ask("GET", f"/billing/credit-notes?order_id={placed['id']}"))["items"]
    for role, stock, documents in (("support", True, False), ("finance", False, True)):
        page = (await people[role].get(f"/orders/{placed['number']}")).text
        assert 'href="/customers/K%2F1"' in page, role
        assert ('href="/stock/mug"' in page) is stock, role
        assert ">mug<" in page, role
        for number in (invoice["number"], note["number"]):
            assert number in page, role
            assert (f'href="/documents/{number}"' in page) is documents, role
        for path in re.findall(r'href="(/(?:stock|customers|documents)/[^"]+)"', page):
            assert (await people[role].get(path)).status_code == 200, f"{role} {path}"


async def test_why_an_order_does_not_move_is_asked_only_where_somebody_must_act(shop: Shop) -> None:
    moving, held, late = await shop.place(), await shop.place(hold="look at it"), await shop.place("cup")
    for placed, kind, asks in ((moving, "", False), (held, "bad", True), (late, "wait", True)):
        page = await shop.page(f"/orders/{placed['number']}")
        assert re.findall(r'<section class="notice (\w*)" aria-labelledby="h-why">', page) == [kind]
        assert ("Why is it not moving?" in page) is asks
        assert re.search(r"Nothing has happened since \w{3} \d+ \w+ \d{4}, \d\d:\d\d\.", page)


async def test_what_a_person_may_do_is_in_the_navigation(people: dict[str, httpx.AsyncClient]) -> None:
    nav = {role: (await http.get("/pack" if role == "packer" else "/")).text for role, http in people.items()}
    assert [role for role, page in nav.items() if '<a href="/adjust">' in page] == ["packer"]
    assert [role for role, page in nav.items() if '<a href="/mails">' in page] == ["support"]


async def test_desks_begin_with_the_oldest_and_say_how_many_more_there_are(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = []
    for _ in range(3):
        placed = await shop.place()
        id = await shipment(shop, placed)
        await shop.ask("POST", f"/fulfilment/shipments/{id}/pick", {})
        await shop.rest()
        numbers.append(placed["number"])
    monkeypatch.setattr("services.backoffice.views.warehouse.SHOWN", 2)
    page = await shop.page("/pack")
    assert re.findall(r"<b>(C-\d+)</b>", page) == numbers[:2]
    assert ">2 of 3<" in page
    parcels = [of["shipment_id"] for of in (await shop.ask("GET", "/fulfilment/shipments?state=picked"))["items"]]
    backs = []
    for id, number in zip(reversed(parcels), numbers, strict=True):
        for step in ("pack", "dispatch"):
            await shop.ask("POST", f"/fulfilment/shipments/{id}/{step}", {})
            await shop.rest()
        (order,) = await shop.rows("select order_id from orders where number = $1", number)
        body = {"shipment_id": id, "lines": [{"line_no": 1, "quantity": 1}], "reason": "no"}
        backs.append((await shop.ask("POST", f"/order/orders/{order['order_id']}/returns", body))["return_id"])
        await shop.rest()
    monkeypatch.setattr("services.backoffice.views.returns.SHOWN", 2)
    page = await shop.page("/returns")
    assert re.findall(r'<a href="/returns/([\w-]+)"><b>', page) == backs[:2]
    assert ">2 of 3<" in page
    path, listed = "/fulfilment/shipments?oldest=true&limit=1", []
    while path:  # a page at a time
        said = await shop.ask("GET", path)
        listed += [of["shipment_id"] for of in said["items"]]
        path = f"/fulfilment/shipments?oldest=true&limit=1&after={said['next']}" if said["next"] else ""
    newest = (await shop.ask("GET", "/fulfilment/shipments?limit=200"))["items"]
    assert listed == [of["shipment_id"] for of in reversed(newest)]


async def test_after_a_parcel_the_picker_is_back_in_the_same_warehouse(shop: Shop) -> None:
    placed = await shop.place()
    id = await shipment(shop, placed)
    assert 'href="/pick?warehouse=north"' in await shop.page(f"/pick/{id}")
    done = await shop.post(f"/pick/{id}", {"key": "k" * 12, "found-1": "2"})
    assert done.headers["location"] == f"/pick?warehouse=north&picked={id}"
    assert 'href="/pick?warehouse=north"' in await shop.page(f"/pick/{id}"), (
        "when there is nothing to pick any more, too"
    )


async def test_a_movement_leads_to_the_order_that_it_is_of(shop: Shop) -> None:
    placed = await shop.place()
    await shop.ship(await shipment(shop, placed))
    await shop.receive(mug=3)
    page = await shop.page("/stock/mug")
    movements = page[page.index('aria-labelledby="h-mv"') : page.index('id="h-lv"')]
    assert f'<a href="/orders/{placed["number"]}">{placed["number"]}</a>' in movements
    assert re.search(r">PO-\d+<", movements), "what was delivered has its reference"
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", movements)
