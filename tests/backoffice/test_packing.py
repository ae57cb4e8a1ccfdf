"""What happens to a parcel at the packing table: its weight, what is said of it, and what is asked about."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.backoffice.views.warehouse import grams
from tests.backoffice.shop import ANNA, Shop, field, shop_at
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


@pytest.mark.postgres
async def test_where_nobody_weighs_one_tap_packs(databases: Databases) -> None:
    async with shop_at(databases, "unweighed", weigh_parcels=False) as shop:
        await shop.open(mug=10)
        number, id = await to_pack(shop)
        assert f'action="/pack/{id}/pack"' in await shop.page("/pack")
        assert 'name="weight"' not in await shop.page(f"/pack/{id}")
        done = await shop.post(f"/pack/{id}/pack", {"key": "k" * 12})
        assert f"{number} is packed.<" in await shop.page(done.headers["location"])
