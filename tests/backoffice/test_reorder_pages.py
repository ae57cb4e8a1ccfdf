"""What to order, over the pages: rules are set by hand, what is below is listed, drafts are made by one act."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest

from tests.backoffice.shop import field, logged_in, shop_at
from tests.backoffice.test_purchases import Office, text_of
from tests.conftest import Databases

pytestmark = pytest.mark.postgres
WHERE = "/purchasing/what-to-order"


@pytest.fixture(scope="module")
async def office(databases: Databases) -> AsyncIterator[Office]:
    async with shop_at(databases, "reorder_pages") as shop, AsyncExitStack() as stack:
        await shop.open(mug=5, cup=30, jug=0, pot=0)
        await shop.staff("finance", "admin", "support")
        for code in ("mugs", "pots"):
            await shop.ask("PUT", f"/inventory/suppliers/{code}", {"name": code.title(), "lead_days": 10})
        people = {who: await stack.enter_async_context(aclosing(await logged_in(shop, who))) for who in
                  ("finance", "admin", "support")}  # fmt: skip
        yield Office(shop, people)


async def rule(office: Office, sku: str, point: str, up_to: str, supplier: str = "mugs") -> None:
    form = {"point-0": point, "up_to-0": up_to, "supplier-0": supplier}
    await office.post("finance", f"/purchasing/reorder/{sku}", form)


def ticked(page: str, **pieces: str) -> dict[str, str]:
    """The form of the list as it is, with these pieces of these products ticked and the rest not."""
    form = {"key": field(page, "key")}
    for n, sku in re.findall(r'name="sku-(\d+)" value="([^"]*)"', page):
        for name in ("sku", "warehouse", "version", "pieces"):
            form[f"{name}-{n}"] = field(page, f"{name}-{n}") if name != "pieces" else pieces.get(sku, "")
        if sku in pieces:
            form[f"take-{n}"] = "yes"
    return form


async def test_a_rule_is_set_by_hand_and_what_is_below_becomes_drafts(office: Office) -> None:
    assert "Nothing has to be ordered." in await office.page("finance", WHERE)
    for sku, supplier in (("mug", "mugs"), ("cup", "mugs"), ("jug", "pots")):
        await rule(office, sku, "10", "40", supplier)
    page = await office.page("finance", WHERE)
    told = text_of(page)
    assert "2 products are at their reorder point or below." in told
    assert "5 on hand, 0 coming, 0 promised or waited for" in told
    assert 'value="35"' in page
    assert 'value="40"' in page
    assert "Cup" not in told
    above = text_of(await office.page("finance", f"{WHERE}?all=yes"))
    assert "Cup" in above
    form = ticked(page, mug="36", jug="40")
    for _ in range(2):  # pressed twice
        await office.post("finance", WHERE, form)
    drafts = text_of(await office.page("finance", "/purchasing?view=drafts&done=drafts"))
    assert drafts.count("PO-") == 2, "one per supplier"
    assert "0 of 36" in drafts
    assert "The drafts are made" in drafts
    late = (await office.post("admin", WHERE, {**form, "key": "another-key-1"}, 422)).text
    assert "Somebody changed" in text_of(late) or "stock changed" in text_of(late)
    assert text_of(await office.page("admin", "/purchasing?view=drafts")).count("PO-") == 2
    assert text_of(await office.page("admin", "/acts")).count("Made the purchase order") == 2


async def test_what_makes_no_sense_is_said_and_stays_typed(office: Office) -> None:
    await rule(office, "pot", "3", "9")
    page = await office.page("finance", WHERE)
    for pieces, says in (({}, "Choose at least one product."), ({"pot": "some"}, "pot: some is no number of pieces.")):
        assert says in text_of((await office.post("finance", WHERE, ticked(page, **pieces), 422)).text)
    where = "/purchasing/reorder/pot"
    for form, says in (
        ({"point-0": "3", "up_to-0": "9", "supplier-0": "mugs"}, "Nothing was changed."),
        ({"point-0": "9", "up_to-0": "9", "supplier-0": "mugs"}, "must be above the reorder point"),
        ({"point-0": "1", "up_to-0": "9", "supplier-0": ""}, "North: choose a supplier."),
        ({"point-0": "x", "up_to-0": "9", "supplier-0": "mugs"}, "x is no number of pieces"),
    ):
        page = (await office.post("finance", where, form, 422)).text
        assert says in text_of(page)
    await office.post("finance", where, {"point-0": "", "up_to-0": "", "supplier-0": ""})
    assert "/purchasing/reorder/pot" not in await office.page("finance", f"{WHERE}?all=yes")
    assert "Set when pot is ordered." in text_of(await office.page("admin", "/acts"))


async def test_only_who_buys_sees_it_and_a_product_leads_there(office: Office) -> None:
    for path in (WHERE, "/purchasing/reorder/mug"):
        await office.page("support", path, 403)
        await office.post("support", path, {}, 403)
    assert "/purchasing/reorder/" not in await office.page("support", "/stock/mug")
    assert 'href="/purchasing/reorder/mug"' in await office.page("admin", "/stock/mug")
    response = await office.of["finance"].get(f"{WHERE}?sku=mug")
    assert response.headers["location"] == "/purchasing/reorder/mug"
    await office.page("finance", "/purchasing/reorder/nothing", 404)
