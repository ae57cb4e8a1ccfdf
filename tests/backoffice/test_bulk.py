"""One act on many orders over the pages: shown in sum, done order by order, each once; what became of each by name."""

import html
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from comptoir.staffing import set_account
from services.backoffice.rights import ROLES
from tests.backoffice.shop import HASH, Item, Shop, field, logged_in, shop_at
from tests.backoffice.test_pages import _owners
from tests.backoffice.test_refunds import Office
from tests.conftest import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "bulk") as founded:
        await founded.open(mug=10_000, cup=0)
        for role in ROLES:
            await set_account(founded.database_url, role, role.title(), (role,), HASH, True, "test")
        made = Office(founded, {role: await logged_in(founded, role) for role in ROLES})
        yield made
        for http in made.of.values():
            await http.aclose()


def asked(act: str, *orders: Item) -> str:
    """The address that the form of the list leads to."""
    return f"/orders/bulk?act={act}" + "".join(f"&id={of['number']}" for of in orders)


def carried(page: str) -> Item:
    """All that the form of the question sends along."""
    main = page.partition("<main")[2]
    found: Item = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', main):
        found.setdefault(name, []).append(html.unescape(value))
    return found


def words(page: str) -> str:
    """What stands on the page, in one line."""
    text = re.sub(r"<[^>]+>", " ", page.partition("<main")[2])
    return " ".join(html.unescape(text).replace("\u00a0", " ").split())


async def status(shop: Shop, order: Item) -> str:
    return str((await shop.ask("GET", f"/order/orders/{order['id']}"))["status"])


async def wishes(shop: Shop, order: Item, kind: str) -> list[tuple[str, str]]:
    """Who asked for it and why, each time that it was taken."""
    owner = await shop.ask("GET", f"/order/orders/{order['id']}")
    return [(of["actor"], of["note"]) for of in owner["history"] if of["trigger"] == f"order.{kind}.v1"]


async def test_the_sum_is_shown_with_who_takes_no_part_and_then_done_once_each(office: Office) -> None:
    shop = office.shop
    first, second, waits = await shop.place(), await shop.place(quantity=3), await shop.place("cup", 1)
    gone, out = await shop.place(), await office.sent()
    await shop.ask("POST", f"/order/orders/{gone['id']}/cancel", {"reason": "before"})
    await shop.rest()
    shown = await office.page("support", asked("cancel", first, second, waits, gone, out) + "&id=C-999999")
    text = words(shown)
    assert "Cancel 3 orders?" in text
    assert "2 orders: In the warehouse → Being cancelled." in text
    assert "1 order: Backorder → Being cancelled." in text
    assert "6 pieces are given up; what is reserved for them goes back to stock." in text
    assert "2 parcels are pulled back, if they are not out." in text
    assert "€90.76 is given back or not taken, if nothing of it is out." in text
    assert "No invoice and no credit note" in text
    assert "4 messages will be sent" in text
    assert "3 orders take no part" in text
    assert f"{gone['number']} Nothing would change." in text
    assert f"{out['number']} Everything asked for was handed over to the carrier already" in text
    assert "C-999999 There is no such order." in text
    assert await status(shop, first) == "in_fulfilment", "looking does nothing"
    form = {**carried(shown), "reason": "the market is closed"}
    assert len(form["do"]) == 3
    for _ in range(2):
        done = (await office.post("support", "/orders/bulk", form, status=200)).text
        assert "3 orders were asked to cancel" in done
        assert "All that was shown is done." in done
        assert all(f'href="/orders/{of["number"]}"' in done for of in (first, second, waits))
    await shop.rest()
    for order in (first, second, waits):
        assert await status(shop, order) == "cancelled"
        assert await wishes(shop, order, "cancel_order") == [("support", "the market is closed")]
    assert await status(shop, out) == "shipped"
    audit = words(await office.page("admin", "/acts?who=support"))
    assert audit.count("the market is closed") == 3 or audit.count("The market is closed") == 3


async def test_one_that_went_stale_is_left_alone_and_shown_anew_while_the_others_are_done(office: Office) -> None:
    shop = office.shop
    first, second = await shop.place(), await shop.place()
    form = carried(await office.page("support", asked("cancel", first, second)))
    await shop.ask("POST", f"/order/orders/{second['id']}/hold", {"reason": "another clerk"})
    done = (await office.post("support", "/orders/bulk", form, status=200)).text
    text = words(done)
    assert "1 order was asked to cancel" in text
    assert "1 order changed since you looked" in text
    assert "Not all that was shown is done" in text
    await shop.rest()
    assert (await status(shop, first), await status(shop, second)) == ("cancelled", "held")
    anew = re.search(r'href="(/orders/bulk\?[^"]+)"', done)
    assert anew
    again = await office.page("support", html.unescape(anew[1]))
    fresh = carried(again)
    assert "Cancel 1 order?" in again
    assert fresh["key"] != form["key"]
    await office.post("support", "/orders/bulk", fresh, status=200)
    await shop.rest()
    assert await status(shop, second) == "cancelled"
    late = words((await office.post("support", "/orders/bulk", form, status=200)).text)
    assert "1 order changed since you looked" in late, "the first form is still answered as it was"


async def test_many_are_held_for_a_reason_and_released_by_their_one_hold(office: Office) -> None:
    shop = office.shop
    first, second, odd = [await shop.place() for _ in range(3)]
    shown = await office.page("support", asked("hold", first, second, odd))
    assert "3 parcels are pulled back" in shown
    form = carried(shown)
    unsaid = (await office.post("support", "/orders/bulk", {**form, "reason": " "}, status=422)).text
    assert "Say why they are held." in unsaid
    assert await status(shop, first) == "in_fulfilment"
    await office.post("support", "/orders/bulk", {**form, "reason": "recall of batch 7"}, status=200)
    await shop.rest()
    assert await wishes(shop, odd, "hold_order") == [("support", "recall of batch 7")]
    await shop.ask("POST", f"/order/orders/{odd['id']}/hold", {"reason": "check the address"})
    await shop.rest()
    shown = await office.page("support", asked("release", first, second, odd))
    text = words(shown)
    assert "2 parcels go to the warehouse, with 4 pieces." in text
    assert "It is held for several reasons (recall of batch 7, check the address)" in text
    form = {**carried(shown), "reason": "it was batch 8"}
    for _ in range(2):
        assert "The holds of 2 orders are gone" in (await office.post("support", "/orders/bulk", form, status=200)).text
    await shop.rest()
    owners = [await shop.ask("GET", f"/order/orders/{of['id']}") for of in (first, second, odd)]
    assert [owner["holds"] for owner in owners] == [[], [], ["recall of batch 7", "check the address"]]
    assert len(await wishes(shop, first, "release_hold")) == 1


async def test_without_an_answer_it_is_not_known_and_pressing_again_is_the_same_request(office: Office) -> None:
    shop = office.shop
    orders = [await shop.place() for _ in range(12)]
    shown = await office.page("support", asked("cancel", *orders))
    form = {**carried(shown), "reason": "storm"}
    owners = _owners(shop)
    over = owners.over["order"]
    owners.over["order"] = httpx.AsyncClient(base_url="http://127.0.0.1:9", trust_env=False)
    try:
        lost = (await office.post("support", "/orders/bulk", form, status=200)).text
        assert "Of 12 orders it is not known yet" in lost
        assert (await office.of["support"].get(asked("cancel", orders[0]))).status_code == 503
    finally:
        await owners.over["order"].aclose()
        owners.over["order"] = over
    again = carried(lost)
    assert (again["key"], sorted(again["do"]), again["reason"]) == (form["key"], sorted(form["do"]), ["storm"])
    for _ in range(2):
        assert (
            "12 orders were asked to cancel" in (await office.post("support", "/orders/bulk", again, status=200)).text
        )
    await shop.rest()
    for order in orders:
        assert await wishes(shop, order, "cancel_order") == [("support", "storm")]


async def test_each_role_chooses_only_for_what_it_may_do(office: Office) -> None:
    placed = await office.shop.place()
    form = carried(await office.page("support", asked("cancel", placed)))
    for role in ("support", "admin"):
        listed = await office.page(role, "/orders")
        assert f'name=id value="{placed["number"]}"' in listed
        assert re.findall(r'name="act" value="(\w+)"', listed) == ["hold", "release", "cancel"]
    listed = await office.page("finance", "/orders")
    assert placed["number"] in listed
    assert "Choose C-" not in listed
    assert 'name="act"' not in listed
    for role, own in (("finance", "/orders"), ("picker", "/count"), ("packer", "/count")):
        await office.page(role, asked("cancel", placed), status=403)
        csrf = field(await office.page(role, own), "csrf")
        sent = await office.of[role].post("/orders/bulk", data={**form, "csrf": csrf})
        assert sent.status_code == 403, role
    forged = await office.of["support"].post("/orders/bulk", data={**form, "csrf": "x"})
    assert forged.status_code == 403
    assert await status(office.shop, placed) == "in_fulfilment"


async def test_too_many_none_and_what_no_page_carries_are_refused(office: Office) -> None:
    many = "/orders/bulk?act=hold" + "".join(f"&id=C-{n}" for n in range(101))
    assert "At most 100 orders are changed at once; these are 101." in await office.page("support", many, status=422)
    assert "Choose at least one order" in await office.page("support", "/orders/bulk?act=hold", status=422)
    assert "C-999998" in await office.page("support", "/orders/bulk?act=hold&id=C-999998", status=409)
    await office.page("support", "/orders/bulk?act=ship&id=C-1", status=422)
    await office.page("support", "/orders/bulk?id=C-1", status=404)
    placed = await office.shop.place()
    form = carried(await office.page("support", asked("hold", placed)))
    (do,) = form["do"]
    for wrong in ("", "x y z", do.partition(" ")[0] + "  hold", do.replace(" ", "\x00", 1)):
        await office.post("support", "/orders/bulk", {**form, "do": [wrong], "reason": "r"}, status=422)
    await office.post("support", "/orders/bulk", {**form, "do": [do] * 101, "reason": "r"}, status=422)
    assert await status(office.shop, placed) == "in_fulfilment"


async def test_the_way_back_leads_to_the_list_with_its_filter_and_nowhere_else(office: Office) -> None:
    placed = await office.shop.place(channel="market")
    listed = await office.page("support", "/orders?channel=market")
    assert carried(listed)["from"] == ["/orders?channel=market"]
    shown = await office.page("support", asked("hold", placed) + "&from=/orders%3Fchannel%3Dmarket")
    assert '<a href="/orders?channel=market">' in shown
    for wrong in ("https://evil.example", "//evil.example/orders", "/logout"):
        shown = await office.page("support", asked("hold", placed) + f"&from={wrong}")
        assert carried(shown)["from"] == ["/orders"]
        assert wrong not in shown.partition("<main")[2]
    ticked = await office.page("support", "/orders?channel=market&all=1")
    assert " checked>" in ticked
    assert " checked>" not in listed
