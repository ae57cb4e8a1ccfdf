"""Another address, goods that come back, the returns desk: shown first, then done, over the pages."""

import html
import re
from typing import Any

import pytest

from tests.backoffice.shop import Shop, field

pytestmark = pytest.mark.postgres
NEW = {
    "name": "Bea & Co", "company": "", "street": "Kade 1\nrear <b>", "postcode": "9711 AA", "city": "Groningen",
    "region": "", "country": "nl", "email": "", "phone": "",
}  # fmt: skip


async def sent(shop: Shop, quantity: int = 2) -> tuple[dict[str, Any], str]:
    """An order whose parcel is with the carrier, and that parcel."""
    placed = await shop.place(quantity=quantity)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    for act in ("pick", "pack", "dispatch"):
        await shop.ask("POST", f"/fulfilment/shipments/{shipment['shipment_id']}/{act}", {})
        await shop.rest()
    return placed, shipment["shipment_id"]


def hidden(page: str) -> dict[str, str]:
    """All that the form of the question carries along."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


async def test_an_address_is_typed_shown_with_its_effect_and_then_changed(shop: Shop) -> None:
    placed = await shop.place(hold="ask for the address")
    where = f"/orders/{placed['number']}"
    assert f'href="{where}/address"' in await shop.page(where)
    typed = await shop.page(f"{where}/address")
    assert "Oudegracht 1" in typed
    shown = (await shop.post(f"{where}/address", {**NEW, "reason": "she moved"}, status=200)).text
    assert "It would go to Bea &amp; Co, Kade 1, rear &lt;b&gt;, 9711 AA Groningen, NL instead of" in shown
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert owner["ship_to"]["city"] == "Utrecht", "looking does nothing"
    form = {**hidden(shown), "reason": "she moved"}
    for _ in range(2):
        await shop.post(f"{where}/address", form)
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert owner["ship_to"]["street"] == ["Kade 1", "rear <b>"]
    assert [of["note"] for of in owner["history"] if of["trigger"] == "order.edit_order.v1"] != []


async def test_an_address_that_went_stale_or_is_wrong_is_not_taken(shop: Shop) -> None:
    placed = await shop.place(hold="ask for the address")
    where = f"/orders/{placed['number']}"
    shown = (await shop.post(f"{where}/address", NEW, status=200)).text
    await shop.ask("POST", f"/order/orders/{placed['id']}/hold", {"reason": "another clerk"})
    late = await shop.post(f"{where}/address", hidden(shown), status=409)
    assert "The order changed since you looked. Nothing was done." in late.text
    assert hidden(late.text)["quote"] != hidden(shown)["quote"]
    assert hidden(late.text)["key"] != hidden(shown)["key"], "or the refusal would be its answer for ever"
    wrong = await shop.post(f"{where}/address", {**NEW, "country": "N1"}, status=422)
    assert 'role="alert"' in wrong.text
    assert "Kade 1" in wrong.text, "what was typed is still there"
    half = await shop.post(f"{where}/address", {**NEW, "city": ""}, status=422)
    assert "Nothing can be sent to this address: city missing." in half.text
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert owner["ship_to"]["city"] == "Utrecht"


async def test_an_address_is_not_changed_while_a_parcel_is_with_the_warehouse(shop: Shop) -> None:
    placed = await shop.place()
    refused = await shop.post(f"/orders/{placed['number']}/address", NEW, status=422)
    assert "with the warehouse already" in refused.text


async def test_goods_are_taken_back_received_inspected_and_credited(shop: Shop) -> None:
    placed, shipment = await sent(shop)
    where = f"/orders/{placed['number']}"
    assert f'href="{where}/take-back"' in await shop.page(where)
    typed = await shop.page(f"{where}/take-back")
    assert field(typed, "shipment_id") == shipment
    for pieces in ("0", "3", "-1", "two"):
        wrong = await shop.post(f"{where}/take-back", {"shipment_id": shipment, "back-1": pieces}, status=422)
        assert "Say of one parcel how many pieces come back" in wrong.text
    form = {"shipment_id": shipment, "back-1": "2", "reason": "too blue"}
    shown = (await shop.post(f"{where}/take-back", form, status=200)).text
    assert "Fulfilment would be asked to expect 2 pieces of shipment 1 back." in shown
    assert (await shop.ask("GET", f"/order/orders/{placed['id']}"))["returns"] == []
    await shop.post(f"{where}/take-back", {**hidden(shown), "reason": "too blue"})
    await shop.rest()
    desk = await shop.page("/returns")
    assert f"<b>{placed['number']}</b>" in desk
    assert "too blue" in desk
    (parcel,) = re.findall(rf'href="(/returns/[0-9a-f-]+)"><b>{placed["number"]}', desk)
    page = await shop.page(parcel)
    nothing = await shop.post(f"{parcel}/receive", {"key": field(page, "key"), "came-1": "0"}, status=422)
    assert "Say for each product how many came." in nothing.text
    for _ in range(2):
        await shop.post(f"{parcel}/receive", {"key": field(page, "key"), "came-1": "2"})
    page = await shop.page(parcel)
    assert "2 pieces wait" in page
    grades = {"restock-1": "1", "quarantine-1": "0", "scrap-1": "1", "accepted-1": "1"}
    for wrong_grades in ({**grades, "scrap-1": "2"}, {**grades, "accepted-1": "3"}, {"restock-1": "0"}):
        refused = await shop.post(f"{parcel}/inspect", {"key": field(page, "key"), **wrong_grades}, status=422)
        assert "Grade at most what came and waits" in refused.text
    await shop.post(f"{parcel}/inspect", {"key": field(page, "key"), **grades})
    await shop.rest()
    (back,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["returns"]
    assert back["state"] == "closed"
    assert [(line["accepted"], line["restock"], line["scrap"]) for line in back["lines"]] == [(1, 1, 1)]
    owner = await shop.ask("GET", f"/order/orders/{placed['id']}")
    assert [of["return_id"] for of in owner["money"]["credited"]] == [back["return_id"]]
    assert f"<b>{placed['number']}</b>" not in await shop.page("/returns")


async def test_nothing_more_will_come(shop: Shop) -> None:
    placed, shipment = await sent(shop, 1)
    wish = {"shipment_id": shipment, "lines": [{"line_no": 1, "quantity": 1}]}
    back = (await shop.ask("POST", f"/order/orders/{placed['id']}/returns", wish))["return_id"]
    await shop.rest()
    page = await shop.page(f"/returns/{back}")
    assert "Nothing more will come" in page
    await shop.post(f"/returns/{back}/close", {"key": f"{field(page, 'key')}-c"})
    await shop.rest()
    assert (await shop.ask("GET", f"/fulfilment/returns/{back}"))["state"] == "closed"
    assert "Nothing more will come" not in await shop.page(f"/returns/{back}")


async def test_of_what_is_not_out_nothing_can_come_back(shop: Shop) -> None:
    placed = await shop.place()
    assert "Nothing of it is out" in await shop.page(f"/orders/{placed['number']}/take-back")
