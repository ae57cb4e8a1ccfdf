"""What happens to a parcel at the packing table: its weight, what is said of it, and what is asked about."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest

from services.backoffice.views.warehouse import grams
from tests.backoffice.shop import ANNA, Shop, field, logged_in, shop_at
from tests.conftest import Databases

Item = dict[str, Any]


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "packing") as founded:
        await founded.open(mug=1000, cup=0)
        yield founded


async def shipment(shop: Shop, **more: Any) -> tuple[str, str]:
    """The number of a new order, and the id of its parcel, which waits to be picked."""
    placed = await shop.place(**more)
    (of,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    return placed["number"], of["shipment_id"]


async def to_pack(shop: Shop) -> tuple[str, str]:
    """The same, picked."""
    number, id = await shipment(shop)
    await shop.ask("POST", f"/fulfilment/shipments/{id}/pick", {})
    await shop.rest()
    return number, id


async def owned(shop: Shop, id: str) -> Item:
    return dict(await shop.ask("GET", f"/fulfilment/shipments/{id}"))


@pytest.mark.parametrize(
    ("typed", "unit", "weight"),
    [
        ("1.2", "kg", 1200), ("1,2", "kg", 1200), (" 850 ", "g", 850), ("1,2 kg", "g", 1200), ("850g", "kg", 850),
        ("0.0004", "kg", None), ("1.0001", "kg", None), ("0.5", "g", 1), ("0", "kg", None), ("", "kg", None),
        ("-1", "kg", None), ("1.2.3", "kg", None), ("heavy", "kg", None), ("1 t", "kg", None),
        ("10000,001", "kg", None), ("1e3", "g", None), ("NaN", "g", None),
    ],
)  # fmt: skip
def test_a_weight_is_read_as_people_write_it_and_never_less_than_it_is(
    typed: str, unit: str, weight: int | None
) -> None:
    if weight is None:
        with pytest.raises(ValueError):  # noqa: PT011
            grams(typed, unit)
    else:
        assert grams(typed, unit) == weight


@pytest.mark.postgres
async def test_a_parcel_is_packed_with_its_weight_and_not_without(shop: Shop) -> None:
    number, id = await to_pack(shop)
    listed = await shop.page("/pack")
    assert f'class="btn" href="/pack/{id}"' in listed
    assert f'action="/pack/{id}/pack"' not in listed, "one tap cannot say a weight"
    key = field(await shop.page(f"/pack/{id}"), "key")
    for wrong in ("", "heavy", "0"):
        told = (await shop.post(f"/pack/{id}/pack", {"key": key, "weight": wrong, "unit": "g"}, status=422)).text
        assert '<a href="#weight">Say what the parcel weighs, as 1.2 kg or 850 g.</a>' in told
        assert 'aria-describedby="e-weight"' in told
        assert "<title>Error: " in told
        assert f'name="weight" inputmode="decimal" maxlength="40" autocomplete="off" value="{wrong}"' in told
        assert "<option selected>g</option>" in told, "what was chosen stands"
    assert (await owned(shop, id))["packed_at"] is None
    done = await shop.post(f"/pack/{id}/pack", {"key": key, "weight": "1,25", "unit": "kg"})
    assert f"{number} is packed, 1.25\u00a0kg." in await shop.page(done.headers["location"])
    of = await owned(shop, id)
    assert (of["state"], of["weight_g"]) == ("packed", 1250)
    out = await shop.post(f"/pack/{id}/dispatch", {"key": "k" * 12})
    assert f"{number} is handed over." in await shop.page(out.headers["location"])


@pytest.mark.postgres
async def test_an_unusual_weight_is_asked_about_once_and_another_one_again(shop: Shop) -> None:
    _, id = await to_pack(shop)
    form = {"key": "k" * 12, "weight": "850", "unit": "kg"}
    told = (await shop.post(f"/pack/{id}/pack", form, status=422)).text
    assert "850\u00a0kg is unusual for a parcel." in told
    assert field(told, "sure") == "850000"
    other = await shop.post(f"/pack/{id}/pack", {**form, "weight": "860", "sure": "850000"}, status=422)
    assert "860\u00a0kg is unusual for a parcel." in other.text
    assert (await owned(shop, id))["packed_at"] is None
    await shop.post(f"/pack/{id}/pack", {**form, "sure": "850000"})
    assert (await owned(shop, id))["weight_g"] == 850_000


@pytest.mark.postgres
async def test_what_was_picked_is_said_with_its_number_and_what_is_missing(shop: Shop) -> None:
    said = []
    for found in ("2", "1", "0"):
        number, id = await shipment(shop)
        done = await shop.post(f"/pick/{id}", {"key": "k" * 12, "found-1": found, "short": "yes"})
        said.append((await shop.page(done.headers["location"])).partition('class="toast good"')[2])
        assert number in said[-1]
    assert "is picked.<" in said[0]
    assert "is picked without 1 piece." in said[1]
    assert "Nothing of " in said[2]
    assert 'class="toast good"' not in await shop.page("/pick?picked=00000000-0000-0000-0000-000000000001")


# The packing slip


@pytest.mark.postgres
async def test_a_slip_says_what_is_in_the_parcel_and_what_comes_later_in_the_customers_language(shop: Shop) -> None:
    lines = [
        {"sku": "mug", "text": "Mok", "quantity": 3, "unit_price": "12.50", "vat_rate": "21"},
        {"sku": "cup", "text": "Kop", "quantity": 2, "unit_price": "9.90", "vat_rate": "21"},
    ]
    placed = await shop.ask("POST", "/order/orders", {"lines": lines, "ship_to": ANNA})
    await shop.rest()
    (of,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    id = of["shipment_id"]
    await shop.ask("POST", f"/fulfilment/shipments/{id}/pick", {"short": [{"line_no": 1, "quantity": 1}]})
    await shop.rest()
    slip = f"/shipments/{id}/slip"
    assert f'href="{slip}"' in await shop.page(f"/pack/{id}")
    assert f'href="{slip}"' in await shop.page(f"/orders/{placed['number']}")
    whole = await shop.page(slip)
    paper = whole.partition('<div class="paper" lang="nl">')[2].partition("</main>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", paper))
    assert "Pakbon" in text
    assert f"Bestelling {placed['number']} van " in text
    assert "Anna de Vries Oudegracht 1 3511 AB Utrecht NL" in text
    assert re.search(r"Mok mug 3 2 1 .*Kop cup 2 0 2 rond \d+ \w+ ", text), text
    assert "U kunt van de koop afzien tot 14 dagen" in text
    for said in ("12,50", "12.50", "€", "north"):
        assert said not in paper, said
    german = await shop.page(f"{slip}?lang=de")
    assert ">Packzettel</h1>" in german
    assert "Packing slip" in german, "the page around it stays in the reader's language"


@pytest.mark.postgres
async def test_what_never_goes_has_no_slip(shop: Shop) -> None:
    number, id = await shipment(shop)
    await shop.ask("POST", f"/fulfilment/shipments/{id}/reject", {"reason": "closed"})
    await shop.rest()
    await shop.page(f"/shipments/{id}/slip", status=404)
    assert f"/shipments/{id}/slip" not in await shop.page(f"/orders/{number}")


# What people do with a shipment beside packing


async def did(shop: Shop, id: str, act: str, status: int = 303, **form: str) -> str:
    """The page after an act, as it was shown; or the one that says why it was not done."""
    key = field(await shop.page(f"/shipments/{id}/{act}"), "key")
    answer = await shop.post(f"/shipments/{id}/{act}", {"key": key, **form}, status=status)
    await shop.rest()
    return await shop.page(answer.headers["location"]) if status == 303 else answer.text


@pytest.mark.postgres
@pytest.mark.parametrize(("way", "becomes"), [("closed", ""), ("address", "held")])
async def test_a_shipment_is_rejected_after_its_effect_was_shown_in_the_persons_name(
    shop: Shop, way: str, becomes: str
) -> None:
    number, id = await to_pack(shop)
    shown = await shop.page(f"/shipments/{id}/reject")
    assert "Nothing has happened yet." in shown
    assert "Stock is looked for in other warehouses; this one is asked again later." in shown
    assert "The order is on hold until the address is another." in shown
    assert (await owned(shop, id))["state"] == "picked"
    assert f'href="/shipments/{id}"' in await shop.page(f"/orders/{number}")
    assert f'href="/shipments/{id}"' in await shop.page(f"/pack/{id}")
    assert "It was rejected; the order knows." in await did(shop, id, "reject", way=way)
    of = await owned(shop, id)
    assert (of["state"], of["reason"], of["history"][-1]["actor"]) == ("rejected", way, "local")
    order = await shop.ask("GET", f"/order/orders/{of['order_id']}")
    assert (order["status"] == "held") is (becomes == "held")
    acts = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await shop.page("/acts?who=local")))
    assert re.search(rf"local north cannot ship it\. [^.]*\. {number} ", acts), acts
    late = await shop.page(f"/shipments/{id}/reject", status=409)
    assert "The shipment is further than that." in late
    assert f"/shipments/{id}/reject" not in await shop.page(f"/shipments/{id}")
    for unsaid in ("king", ""):
        told = (await shop.post(f"/shipments/{id}/report", {"key": "k" * 12, "way": unsaid}, status=422)).text
        assert "Choose what is the matter." in told


@pytest.mark.postgres
async def test_a_parcel_that_was_refused_or_lost_is_reported_and_expected_back(shop: Shop) -> None:
    for way in ("refused", "lost"):
        number, id = await shipment(shop)
        assert f"/shipments/{id}/report" not in await shop.page(f"/shipments/{id}"), "it is not on its way"
        early = await shop.post(f"/shipments/{id}/report", {"key": "k" * 12, "way": way}, status=404)
        assert "Nothing was done." in early.text
        await shop.ship(id)
        assert "It is noted, and the order knows." in await did(shop, id, "report", way=way, note="nobody there")
        of = await owned(shop, id)
        assert (of["state"], of["reason"], of["history"][-1]["actor"]) == ("refused", way, "local")
        assert "nobody there" in str(of["history"])
        assert [back["reason"] for back in of["returns"]] == [way]
        assert f">{number}<" in await shop.page("/acts?who=local")


@pytest.mark.postgres
async def test_a_parked_label_is_tried_again_from_the_packing_table(shop: Shop) -> None:
    _, id = await to_pack(shop)
    why = "label buy: refused, no such postcode"
    parked = "update shipments set parked = $2, packed_at = now(), revision = revision + 1 where shipment_id = $1"
    await shop.change("fulfilment", parked, UUID(id), why)
    table = await shop.page(f"/pack/{id}")
    assert "It is packed and waits for its label." in table
    assert 'name="weight"' not in table, "it is closed already"
    assert f'href="/shipments/{id}/label"' in table
    assert "The note is taken off the parcel" in await shop.page(f"/shipments/{id}/label")
    assert "It is tried again." in await did(shop, id, "label")
    of = await owned(shop, id)
    assert (of["parked"], of["history"][-1]["what"], of["history"][-1]["actor"]) == ("", "resumed", "local")
    assert "This cannot be done now." in await shop.page(f"/shipments/{id}/label", status=409)


@pytest.mark.postgres
async def test_where_nobody_weighs_one_tap_packs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop.office, "weigh", False)
    number, id = await to_pack(shop)
    assert f'action="/pack/{id}/pack"' in await shop.page("/pack")
    assert 'name="weight"' not in await shop.page(f"/pack/{id}")
    done = await shop.post(f"/pack/{id}/pack", {"key": "k" * 12})
    assert f"{number} is packed.<" in await shop.page(done.headers["location"])


@pytest.mark.postgres
async def test_who_does_not_look_after_parcels_sees_and_does_nothing_with_them(shop: Shop) -> None:
    """The last one: with accounts nobody gets in without."""
    _, id = await to_pack(shop)
    await shop.staff("packer", "finance", "picker")
    for who, may in (("packer", True), ("finance", False), ("picker", False)):
        async with aclosing(await logged_in(shop, who)) as http:
            for path in ("", "/slip", "/reject"):
                assert (await http.get(f"/shipments/{id}{path}")).status_code == (200 if may else 403)
            csrf = field((await http.get("/password")).text, "csrf")
            form = {"key": f"key-of-{who}", "way": "closed"}
            assert (await http.post(f"/shipments/{id}/reject", data=form)).status_code == 403, "without csrf"
            if not may:
                assert (await http.post(f"/shipments/{id}/reject", data={**form, "csrf": csrf})).status_code == 403
    assert (await owned(shop, id))["state"] == "picked"
