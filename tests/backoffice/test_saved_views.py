"""Saved views of the list of orders: a filter under a name, one's own or for everybody, bounded, and kept."""

import html
import re
from collections.abc import AsyncIterator

import pytest

from comptoir.rebuilding import rebuild
from comptoir.staffing import set_account
from services.backoffice.saved import MOST
from tests.backoffice.shop import HASH, Item, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.backoffice.test_refunds import Office
from tests.backoffice.test_status import plain
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
STAFF = {"sam": "support", "sue": "support", "flo": "finance", "ada": "admin", "pia": "picker", "ben": "support"}
FILTER = "q=anna&view=late&channel=market&since=2026-03-02"


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "saved_views") as founded:
        await founded.open(mug=100)
        for name, role in STAFF.items():
            await set_account(founded.database_url, name, name.title(), (role,), HASH, True, "test")
        made = Office(founded, {name: await logged_in(founded, name) for name in STAFF})
        yield made
        for http in made.of.values():
            await http.aclose()


async def save(office: Office, who: str, name: str, query: str = FILTER, *, status: int = 303, **more: str) -> str:
    """What is answered: the page, or where it leads."""
    form: Item = {**hidden(await office.page(who, f"/orders/views?{query}")), "name": name, **more}
    answer = await office.post(who, "/orders/views", form, status=status)
    return answer.headers.get("location", "") or answer.text


async def tabs(office: Office, who: str, path: str = "/orders") -> dict[str, str]:
    """What stands above the list: the text, and where it leads."""
    nav = (await office.page(who, path)).partition('<nav class="tabs"')[2].partition("</nav>")[0]
    found = re.findall(r'<a href="([^"]+)"[^>]*>([^<]+?)\s*<', nav)
    return {html.unescape(text): html.unescape(href) for href, text in found}


async def codes(office: Office, who: str) -> dict[str, str]:
    """Short addresses by the name of the view."""
    page = await office.page(who, "/orders/views")
    return {html.unescape(name): href for href, name in re.findall(r'<a href="(/v/\w+)"><b>([^<]+)</b>', page)}


async def test_a_filter_is_saved_stands_above_the_list_and_opens_by_a_short_address(office: Office) -> None:
    listed = await office.page("sam", f"/orders?{FILTER}")
    assert f'href="/orders/views?{FILTER.replace("&", "&amp;")}"' in listed
    form = await office.page("sam", f"/orders/views?{FILTER}")
    assert "Late · with the words anna · channel market · placed from Mon 2 Mar 2026 on" in form
    assert "For everybody who sees orders" not in form, "sharing is for admins"
    assert await save(office, "sam", " My <b>market</b>  check ") == f"/orders?{FILTER}"
    mine = await tabs(office, "sam")
    assert next(iter(mine)) == "All", "the views that are always there stay"
    assert mine["My <b>market</b> check"] == f"/orders?{FILTER}"
    page = await office.page("sam", f"/orders?{FILTER}")
    assert page.partition('<nav class="tabs"')[2].partition("</nav>")[0].count("aria-current") == 1
    short = (await codes(office, "sam"))["My <b>market</b> check"]
    assert len(short) < 16
    opened = await office.of["sam"].get(short)
    assert (opened.status_code, opened.headers["location"]) == (303, f"/orders?{FILTER}")
    assert "My <b>market</b> check" not in await tabs(office, "sue"), "it is one's own"
    assert (await office.of["sue"].get(short)).status_code == 404
    await office.post("sue", f"/orders/views{short[2:]}/change", {"name": "stolen"}, status=404)
    await office.post("sue", f"/orders/views{short[2:]}/remove", {})
    assert "My <b>market</b> check" in await tabs(office, "sam")


async def test_pressing_twice_saves_once_and_a_name_is_there_once(office: Office) -> None:
    form = {**hidden(await office.page("sue", "/orders/views?view=stock")), "name": "Waits"}
    for _ in range(2):
        assert (await office.post("sue", "/orders/views", form)).headers["location"] == "/orders?view=stock"
    assert list(await codes(office, "sue")).count("Waits") == 1
    told = await save(office, "sue", "WAITS", "view=late", status=422)
    assert "There is a saved view WAITS already." in told
    assert 'value="WAITS"' in told, "what was typed is still there"
    assert 'name="query" value="view=late"' in told
    assert await save(office, "sam", "Waits", "view=stock") == "/orders?view=stock", "others may call theirs so too"


@pytest.mark.parametrize("name", ["", "  ", "\x00", "x" * 61])
async def test_a_name_that_is_none_is_told_so(office: Office, name: str) -> None:
    told = await save(office, "sue", name, status=422)
    assert "A name has 1 to 60 characters." in told
    assert 'role="alert"' in told


async def test_only_a_filter_of_the_list_is_kept(office: Office) -> None:
    form = {**hidden(await office.page("sue", "/orders/views?view=late")), "name": "odd"}
    for query in ("", "after=x&all=1", "evil=https://evil.example"):
        told = (await office.post("sue", "/orders/views", {**form, "query": query}, status=422)).text
        assert "Choose a filter on the list first" in told
    query = "view=late&evil=1&q=%22%3E%3Cscript%3E"
    assert await save(office, "sue", "odd", query) == "/orders?q=%22%3E%3Cscript%3E&view=late"
    assert "<script>" not in (await office.page("sue", "/orders")).replace("<script src=", "")
    await office.post("sue", "/orders/views", {**form, "key": "no-uuid"}, status=422)


async def test_a_view_is_renamed_and_removed(office: Office) -> None:
    await save(office, "ben", "one", "view=late")
    await save(office, "ben", "two", "view=stock")
    where = f"/orders/views{(await codes(office, 'ben'))['one'][2:]}"
    taken = await office.post("ben", f"{where}/change", {"name": "Two"}, status=422)
    assert "There is a saved view Two already." in taken.text
    await office.post("ben", f"{where}/change", {"name": " "}, status=422)
    await office.post("ben", f"{where}/change", {"name": "ONE"})
    assert {"ONE", "two"} <= set(await tabs(office, "ben"))
    for _ in range(2):
        await office.post("ben", f"{where}/remove", {})
    left = await tabs(office, "ben")
    assert "ONE" not in left
    assert "two" in left
    assert (await office.of["ben"].get(f"/v{where.removeprefix('/orders/views')}")).status_code == 404
    assert await save(office, "ben", "one", "view=way") == "/orders?view=way", "the name is free again"


async def test_who_saved_changed_and_removed_a_view_is_told_beside_what_was_done_to_orders(office: Office) -> None:
    await save(office, "ada", "Audited", "view=late", shared="yes")
    where = f"/orders/views{(await codes(office, 'ada'))['Audited'][2:]}"
    await office.post("ada", f"{where}/change", {"name": "Looked at"})
    for _ in range(2):
        await office.post("ada", f"{where}/remove", {})
    placed = await office.shop.place()
    await office.shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "look"}, who="ada")
    await office.shop.rest()
    page = plain((await office.page("ada", "/acts?who=ada")).partition("<tbody")[2])
    said = [
        "The order is on hold; nothing of it goes out.",
        "Removed the saved view Looked at. Of ada alone.",
        "Changed the saved view Audited; it is called Looked at. Of ada alone.",
        "Saved the view Audited. Of ada, for everybody who sees orders.",
    ]
    found = [page.find(each) for each in said]
    assert -1 not in found, page
    assert found == sorted(found), "the newest first, whoever keeps it"
    assert page.count("Looked at") == 2
    assert said[3] not in plain(await office.page("ada", "/acts?who=sam"))
    kept = await office.shop.rows("select facts from office_acts where actor = 'ada' order by at")
    assert '"query": "view=late"' in kept[0]["facts"]


async def test_a_person_has_a_bounded_number_of_them(office: Office) -> None:
    for n in range(MOST):
        await save(office, "flo", f"view {n}", f"channel=c{n}")
    told = await save(office, "flo", "one more", "channel=more", status=422)
    assert f"There are {MOST} saved views already; remove one first." in told
    assert f"{MOST} of {MOST}" in told
    await office.post("flo", f"/orders/views{(await codes(office, 'flo'))['view 7'][2:]}/remove", {})
    await save(office, "flo", "one more", "channel=more")
    rows = await office.shop.rows("select place, name from saved_views where owner = 'flo'")
    assert len(rows) == MOST, "the free place was taken"


async def test_only_admins_share_with_everybody_and_look_after_what_is_shared(office: Office) -> None:
    form = {**hidden(await office.page("sam", "/orders/views?view=staff")), "name": "For all", "shared": "yes"}
    await office.post("sam", "/orders/views", form, status=403)
    assert await save(office, "ada", "For all", "view=staff", shared="yes") == "/orders?view=staff"
    for who in ("sam", "flo", "ada"):
        assert (await tabs(office, who))["For all"] == "/orders?view=staff"
    short = (await codes(office, "sam"))["For all"]
    assert (await office.of["sam"].get(short)).status_code == 303
    where = f"/orders/views{short[2:]}"
    page = await office.page("sam", "/orders/views")
    assert "of ada" in page
    assert f"{where}/change" not in page
    for act in ("change", "remove"):
        await office.post("sam", f"{where}/{act}", {"name": "mine"}, status=403)
    assert (await office.of["pia"].get(short)).status_code == 403
    assert (await office.of["pia"].get("/orders/views")).status_code == 403
    await office.post("ada", f"{where}/change", {"name": "For me"})
    assert "For me" in await tabs(office, "ada")
    assert "For me" not in await tabs(office, "sam"), "it is shared no more"


async def test_a_rebuild_leaves_them_alone(office: Office) -> None:
    await save(office, "sam", "stays", "view=late")
    before = await office.shop.rows("select * from saved_views order by owner, place")
    acts = await office.shop.rows("select * from office_acts order by act_id")
    assert before
    assert acts
    await rebuild(office.shop.database_url)
    await office.shop.rest()
    assert await office.shop.rows("select * from saved_views order by owner, place") == before
    assert await office.shop.rows("select * from office_acts order by act_id") == acts
    assert "stays" in await tabs(office, "sam")
