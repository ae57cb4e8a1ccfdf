"""Receipts, corrections and counts over the pages: typed, shown with their exact effect, booked under a name."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from services.backoffice.rights import ROLES
from tests.backoffice.shop import Shop, field, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.conftest import Databases

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "shelves") as founded:
        await founded.open(mug=20, cup=0, jug=0, pot=8, cap=6, tea=5, pan=4)
        await founded.staff(*ROLES)
        yield founded


async def post(http: httpx.AsyncClient, path: str, status: int = 303, **form: str) -> httpx.Response:
    """A form of this person's session."""
    csrf = field((await http.get("/count")).text, "csrf")
    response = await http.post(path, data={"csrf": csrf, "warehouse": "north", **form})
    assert response.status_code == status, f"{response.status_code} {response.text[:2000]}"
    return response


async def on_hand(shop: Shop, sku: str) -> tuple[int, int]:
    found = (await shop.ask("GET", f"/inventory/stock?sku={sku}&warehouse=north"))["items"]
    return (found[0]["on_hand"], found[0]["quarantined"]) if found else (0, 0)


async def expect(shop: Shop, reference: str, sku: str, quantity: int) -> None:
    line = {"warehouse": "north", "reference": reference, "sku": sku, "quantity": quantity, "expected_on": "2031-03-04"}
    await shop.ask("POST", "/inventory/expected-receipts", line)


async def test_a_part_of_a_purchase_order_comes_and_goes_to_who_waits(shop: Shop, packer: httpx.AsyncClient) -> None:
    await expect(shop, "PO-77", "cup", 40)
    waits = await shop.place("cup", 3)
    listed = (await packer.get("/receive")).text
    assert "PO-77" in listed
    assert "40 pieces" in listed
    form = (await packer.get("/receive?warehouse=north&reference=PO-77")).text
    assert "0 of 40 came so far" in form
    wrong = await post(packer, "/receive", 422, reference="PO-77", **{"sku-0": "cup", "pieces-0": "0"})
    assert "at least one product" in wrong.text
    typed = {"reference": "PO-77", "sku-0": "cup", "pieces-0": "5"}
    shown = (await post(packer, "/receive", 200, **typed)).text
    assert "cup: on hand 0 → 5; free 0 → 2." in shown
    assert "cup: 5 of 40 received then." in shown
    assert f"<b>{waits['number']}</b>: 3 pieces of cup." in shown, "a packer gets no link to the order"
    assert "it is meant so" not in shown
    assert await on_hand(shop, "cup") == (0, 0), "looking does nothing"
    for _ in range(2):
        await post(packer, "/receive", **hidden(shown))
    await shop.rest()
    assert await on_hand(shop, "cup") == (5, 0)
    owner = await shop.ask("GET", f"/order/orders/{waits['id']}")
    assert (owner["lines"][0]["backordered"], owner["shipments"][0]["state"]) == (0, "planned")
    (moved,) = (await shop.ask("GET", "/inventory/movements?sku=cup"))["items"]
    assert (moved["kind"], moved["on_hand"], moved["actor"], moved["reference"]) == ("receipt", 5, "packer", "PO-77")
    assert "5 of 40 came so far" in (await packer.get("/receive?warehouse=north&reference=PO-77")).text


async def test_more_than_was_ordered_is_asked_about(shop: Shop, packer: httpx.AsyncClient) -> None:
    await expect(shop, "PO-78", "jug", 4)
    typed = {"reference": "PO-78", "sku-0": "jug", "pieces-0": "6"}
    shown = (await post(packer, "/receive", 200, **typed)).text
    assert "2 pieces more than were ordered: it is meant so." in shown
    refused = await post(packer, "/receive", 409, **hidden(shown))
    assert "2 more than PO-78 ordered of jug" in refused.text
    assert await on_hand(shop, "jug") == (0, 0)
    await post(packer, "/receive", **hidden(refused.text), over="yes")
    assert await on_hand(shop, "jug") == (6, 0)
    assert "PO-78" not in (await packer.get("/receive")).text


async def test_what_nobody_ordered_is_received_too_and_unknown_goods_are_not(
    shop: Shop, packer: httpx.AsyncClient
) -> None:
    typed = {"reference": "note 9", "sku-0": "tea", "pieces-0": "2", "sku-1": "nothing", "pieces-1": "1"}
    refused = await post(packer, "/receive", 422, **typed)
    assert "there is no SKU nothing" in refused.text
    assert 'value="tea"' in refused.text, "what was typed is still there"
    shown = (await post(packer, "/receive", 200, **{**typed, "sku-1": "pan"})).text
    assert "tea: on hand 5 → 7" in shown
    assert "pan: on hand 4 → 5" in shown


@pytest.mark.parametrize(
    ("path", "form", "says"),
    [
        ("receive", {"sku-0": "tea", "pieces-0": ""}, "Say of at least one product how many pieces came."),
        ("receive", {"sku-0": "", "pieces-0": "7"}, "A line needs a product and how many pieces: – × 7."),
        ("receive", {"sku-0": "tea", "pieces-0": "2", "sku-1": "", "pieces-1": "7"}, "A line needs a product"),
        ("receive", {"sku-0": "tea", "pieces-0": "1.000"}, "tea: 1.000 is no number of pieces."),
        ("receive", {"sku-0": "tea", "pieces-0": "-3"}, "tea: -3 is no number of pieces."),
        ("receive", {"sku-0": "tea", "pieces-0": "9" * 30}, "is no number of pieces."),
        ("receive", {"sku-0": "tea", "pieces-0": "4", "reference": " "}, "Say the delivery note or the number"),
        ("adjust", {"sku": "", "difference": "-2", "reason": "lost"}, "Say which product it is."),
        ("adjust", {"sku": "tea", "difference": "0", "reason": "lost"}, "Say how many pieces more or fewer"),
        ("adjust", {"sku": "tea", "difference": "-2", "reason": " "}, "Say how many pieces more or fewer"),
        ("count", {"sku": " ", "counted": "3"}, "Say which product it is."),
        ("count", {"sku": "tea", "counted": "-3"}, "Say how many pieces are on the shelf."),
    ],
)
async def test_what_makes_no_sense_is_said_and_stays_typed(
    packer: httpx.AsyncClient, path: str, form: dict[str, str], says: str
) -> None:
    """A line that is half typed is neither left out of the booking nor of the page."""
    first = {"reference": "note 10"} if path == "receive" else {}
    told = (await post(packer, f"/{path}", 422, **{**first, **form})).text
    assert says in told
    assert all(f'value="{text}"' in told for text in form.values() if text.strip())


@pytest.mark.parametrize("path", ["receive", "adjust", "count"])
async def test_a_form_without_its_fields_is_answered(packer: httpx.AsyncClient, path: str) -> None:
    csrf = field((await packer.get("/count")).text, "csrf")
    assert (await packer.post(f"/{path}", data={"csrf": csrf})).status_code == 422


async def test_a_correction_needs_a_reason_and_takes_nothing_that_is_promised(
    shop: Shop, packer: httpx.AsyncClient
) -> None:
    await shop.place("pot", 3)
    refused = await post(packer, "/adjust", 422, sku="pot", difference="-6", reason="damaged")
    assert "only 5 are free, 3 are promised: count the shelf instead" in refused.text
    assert 'value="-6"' in refused.text
    for wrong in ({"difference": "some", "reason": "damaged"}, {"difference": "", "reason": "damaged"}):
        assert "Say how many pieces" in (await post(packer, "/adjust", 422, sku="pot", **wrong)).text
    assert (await post(packer, "/adjust", 422, sku="pot", difference="-1", reason=" ")).status_code == 422
    shown = (await post(packer, "/adjust", 200, sku="pot", difference="−2", reason="damaged")).text
    assert "pot: on hand 8 → 6; free 5 → 3." in shown
    await post(packer, "/adjust", **hidden(shown))
    assert await on_hand(shop, "pot") == (6, 0)
    aside = (await post(packer, "/adjust", 200, sku="pot", difference="1", reason="odd", quarantined="yes")).text
    assert "In quarantine 0 → 1." in aside
    await post(packer, "/adjust", **hidden(aside))
    assert await on_hand(shop, "pot") == (6, 1)
    async with aclosing(await logged_in(shop, "admin")) as admin:
        product = (await admin.get("/stock/pot")).text
    told = re.sub(r"<[^>]+>", " ", product)
    assert re.search(r"adjustment\s+damaged\s+north\s+−2\s+ADJ-\S+\s+packer", told), "who, why, what"
    assert 'href="/adjust?sku=pot"' in product


async def test_a_correction_that_went_stale_does_nothing_and_can_be_sent_again(
    shop: Shop, packer: httpx.AsyncClient
) -> None:
    shown = (await post(packer, "/adjust", 200, sku="cap", difference="-1", reason="lost")).text
    await shop.ask(
        "POST", "/inventory/receipts",
        {"warehouse": "north", "reference": "x", "lines": [{"sku": "cap", "quantity": 4}]},
    )  # fmt: skip
    late = await post(packer, "/adjust", 409, **hidden(shown))
    assert "The stock changed since you looked. Nothing was done." in late.text
    assert "cap: on hand 10 → 9" in late.text
    assert await on_hand(shop, "cap") == (10, 0)
    await post(packer, "/adjust", **hidden(late.text))
    assert await on_hand(shop, "cap") == (9, 0)


async def test_a_count_is_blind_shows_the_difference_and_asks_why(shop: Shop) -> None:
    orders = [await shop.place("mug", 6) for _ in range(3)]
    async with aclosing(await logged_in(shop, "picker")) as picker:
        typing = (await picker.get("/count?sku=mug")).text
        assert not re.search(r"\b(20|18)\b", re.sub(r"<[^>]+>", "", typing)), "it does not say what the books say"
        assert "Say how many pieces" in (await post(picker, "/count", 422, sku="mug", counted="many")).text
        shown = (await post(picker, "/count", 200, sku="mug", counted="13")).text
        assert "7 pieces are missing." in shown
        assert 'name="reason" value="" required' in shown
        assert "Loses stock" in shown
        assert f"<b>{orders[2]['number']}</b>: 5 pieces of mug; 5 pieces wait, promised for" in shown
        await post(picker, "/count", **hidden(shown), reason="yearly count")
        await shop.rest()
        same = (await post(picker, "/count", 200, sku="mug", counted="13")).text
        assert "The shelf holds what the books say." in same
        assert 'value="" required' not in same
        await post(picker, "/count", **hidden(same))
        for path in ("/adjust", "/receive", "/stock", "/stock/mug"):
            assert (await picker.get(path)).status_code == 403, path
    assert await on_hand(shop, "mug") == (13, 0)
    owner = await shop.ask("GET", f"/inventory/orders/{orders[2]['id']}")
    assert owner["lines"][0]["backordered"] == 5
    moved = (await shop.ask("GET", "/inventory/movements?sku=mug&newest=true"))["items"][0]
    assert (moved["kind"], moved["on_hand"], moved["reason"], moved["actor"]) == ("count", -7, "yearly count", "picker")


async def test_each_role_books_only_what_is_its_own(shop: Shop) -> None:
    may = {"receive": {"packer", "admin"}, "adjust": {"packer", "admin"}, "count": {"picker", "packer", "admin"}}
    for role in ROLES:
        async with aclosing(await logged_in(shop, role)) as http:
            frame = (await http.get("/count" if role in may["count"] else "/orders")).text
            csrf = field(frame, "csrf")
            for act, roles in may.items():
                sent = await http.post(f"/{act}", data={"csrf": csrf, "warehouse": "north"})
                assert sent.status_code == (422 if role in roles else 403), (role, act)
                assert (await http.get(f"/{act}")).status_code == (200 if role in roles else 403), (role, act)
                if act != "adjust":
                    assert (f'href="/{act}"' in frame) == (role in roles), (role, act)
