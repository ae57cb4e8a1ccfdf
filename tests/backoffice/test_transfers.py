"""Transfers between warehouses over the pages: typed, shown with what leaves the shelf, done once, under a name."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest

from tests.backoffice.shop import Item, field, logged_in, shop_at
from tests.backoffice.test_changes import hidden
from tests.backoffice.test_purchases import ROLES, Office, text_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
WAY = {"source": "north", "destination": "south", "expected_on": "2031-03-04", "note": "with the van"}


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "transfers", time_zone="Europe/Brussels") as shop, AsyncExitStack() as stack:
        await shop.open(mug=20, cup=9, jug=3, pot=30)
        await shop.ask("PUT", "/inventory/warehouses/south", {"name": "South", "rank": 20})
        await shop.staff(*ROLES)
        people = {who: await stack.enter_async_context(aclosing(await logged_in(shop, who))) for who in ROLES}
        yield Office(shop, people)


def typed(*lines: tuple[str, str]) -> dict[str, str]:
    return {
        f"{name}-{n}": text for n, line in enumerate(lines) for name, text in zip(("sku", "pieces"), line, strict=True)
    }


async def drafted(office: Office, *lines: tuple[str, str]) -> str:
    """The address of a new draft."""
    made = await office.post("packer", "/transfers/new", {**WAY, **typed(*lines)})
    return made.headers["location"].partition("?")[0]


async def done(office: Office, where: str, act: str, **more: str) -> str:
    """Looked at, then done, pressed twice; what was shown."""
    shown = await office.page("packer", f"{where}/{act}")
    for _ in range(2):
        await office.post("packer", f"{where}/{act}", {**hidden(shown), **more})
    return text_of(shown)


async def transfer(office: Office, where: str) -> Item:
    found: Item = await office.shop.ask("GET", f"/inventory/transfers/{where.rpartition('/')[2]}")
    return found


async def test_a_draft_is_typed_sent_received_and_what_is_missing_is_lost(office: Office) -> None:
    where = await drafted(office, ("mug", "6"), ("cup", "2"))
    number = where.rpartition("/")[2]
    assert "It is a draft: nothing moves until it is sent." in await office.page("packer", where)
    assert "mug: on hand 20 → 14; free 20 → 14." in await done(office, where, "send")
    page = text_of(await office.page("support", f"{where}?done=send"))
    assert "8 of 8 pieces are in transit; they should arrive on" in page
    assert "It is sent: its pieces are in transit." in page
    stock = await office.page("admin", "/stock/mug")
    assert f'href="{where}"' in stock, "it is on its way to the south"
    assert "transfer" in text_of(stock)

    assert number in await office.page("packer", "/receive")
    come = {"reference": number, "warehouse": "south", "sku-0": "mug", "pieces-0": "5"}
    booked = (await office.post("packer", "/receive", come, 200)).text
    assert "mug: 5 of 6 received then." in text_of(booked)
    await office.post("packer", "/receive", hidden(booked))
    too_much = (await office.post("packer", "/receive", {**come, "pieces-0": "2"}, 422)).text
    assert f"2 of mug came, only 1 are on their way with {number}" in text_of(too_much)

    shown = await office.page("packer", f"{where}/close")
    await office.post("packer", f"{where}/close", {**hidden(shown), "reason": " "}, 422)
    assert "1 of mug did not come" in await done(office, where, "close", reason="fell off the lorry")
    page = text_of(await office.page("packer", where))
    for said in (
        "5 of 8 pieces came; 3 are lost.",
        "fell off the lorry",
        "2 of cup did not come",
        "with the van",
        "South",
    ):
        assert said in page, said
    assert "transfer loss" in text_of(await office.page("admin", "/stock/cup"))
    audit = text_of(await office.page("admin", "/acts"))
    for said in ("Made the stock", "Sent the stock", "Closed the stock"):
        assert audit.count(f"{said} transfer {number}") == 1, said


async def test_what_is_not_free_is_refused_with_its_line(office: Office) -> None:
    await office.shop.place("jug", 2)
    await office.shop.rest()
    where = await drafted(office, ("jug", "2"))
    said = await office.page("packer", f"{where}/send", 422)
    assert "This cannot be done now. 2 of jug should go, only 1 are free in north: 2 are promised" in text_of(said)
    assert (await transfer(office, where))["state"] == "draft"
    await done(office, where, "cancel", reason="not needed")
    assert "It is cancelled; nothing moved." in text_of(await office.page("packer", where))


async def test_the_second_of_two_sees_what_the_first_did(office: Office) -> None:
    where = await drafted(office, ("pot", "4"))
    mine, shown = await office.page("packer", f"{where}/edit"), await office.page("packer", f"{where}/send")
    theirs = await office.page("admin", f"{where}/edit")
    assert 'value="pot"' in theirs
    await office.post("admin", f"{where}/edit", {**WAY, **typed(("pot", "7")), "etag": field(theirs, "etag")})
    late = await office.post(
        "packer", f"{where}/edit", {**WAY, **typed(("pot", "9")), "etag": field(mine, "etag")}, 422
    )
    assert "Somebody changed it since you looked. Nothing was done." in text_of(late.text)
    assert "pot: 4 → 7" in text_of(late.text)
    stale = (await office.post("packer", f"{where}/send", hidden(shown), 409)).text
    assert "pot: 4 → 7" in text_of(stale)
    assert (await transfer(office, where))["state"] == "draft", "what was looked at is not what would go"
    await office.post("packer", f"{where}/send", hidden(stale))
    assert [line["sent"] for line in (await transfer(office, where))["lines"]] == [7]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (typed(("mug", "")), "A line needs a product and how many pieces"),
        (typed(("mug", "x")), "x is no number of pieces"),
        ({}, "Say of at least one product how many pieces go."),
        ({**typed(("mug", "1")), "expected_on": ""}, "Say on which day it should arrive."),
        ({**typed(("mug", "1")), "expected_on": "soon"}, "soon is no day"),
        ({**typed(("mug", "1")), "destination": "north"}, "a transfer goes to another warehouse than north"),
        (typed(("vase", "1")), "there is no SKU vase"),
        (typed(("mug", "1"), ("mug", "1")), "mug is named twice"),
    ],
)
async def test_what_cannot_go_is_said_and_what_was_typed_stays(office: Office, form: Item, says: str) -> None:
    page = (await office.post("packer", "/transfers/new", {**WAY, **form}, 422)).text
    assert says in text_of(page)
    for text in typed(*[(form[f"sku-{n}"], form[f"pieces-{n}"]) for n in range(2) if f"sku-{n}" in form]).values():
        assert f'value="{text}"' in page


async def test_a_form_that_is_sent_twice_makes_one_draft_and_has_room_for_more(office: Office) -> None:
    page = await office.page("packer", "/transfers/new")
    form = {**hidden(page), **WAY, **typed(("pot", "1"))}
    more = (await office.post("packer", "/transfers/new", {**form, "more": "yes"}, 200)).text
    assert more.count("<fieldset") > page.count("<fieldset")
    places = {(await office.post("packer", "/transfers/new", form)).headers["location"] for _ in range(2)}
    assert len(places) == 1
    listed = await office.page("support", "/transfers?view=drafts&sku=pot")
    assert places.pop().partition("?")[0] in listed
    assert "north → south" in listed


async def test_who_may_not_move_looks_and_who_may_not_look_does_not(office: Office) -> None:
    where = await drafted(office, ("mug", "1"))
    for who in ("support", "finance"):
        assert "/send" not in await office.page(who, where)
        assert "/transfers/new" not in await office.page(who, "/transfers")
        for path in ("/transfers/new", f"{where}/edit", f"{where}/send"):
            await office.page(who, path, 403)
        await office.post(who, f"{where}/send", {}, 403)
    for path in ("/transfers", where):
        await office.page("picker", path, 403)
    for path in ("/transfers/TR-1", "/transfers/TR-1/send", f"{where}/burn"):
        await office.page("packer", path, 404)
    for who, path in (("support", "/stock"), ("packer", "/purchasing")):
        assert 'href="/transfers"' in await office.page(who, path)
