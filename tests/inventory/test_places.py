"""Bins and barcodes as a person sets them: found by search, kept with who changed what, one barcode for one product."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.inventory.test_service import Depot

pytestmark = pytest.mark.postgres


@pytest.fixture
async def depot(database: str) -> AsyncIterator[Depot]:
    async with Depot(database) as depot:
        yield depot


def place(sku: str, bin: str = "", barcode: str = "", warehouse: str = "north") -> dict[str, Any]:
    return {"sku": sku, "warehouse": warehouse, "bin": bin, "barcode": barcode}


async def changes(depot: Depot, sku: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await depot.get("/placements", sku=sku))["items"]
    return found


async def test_a_person_sets_bin_and_barcode_once_and_it_is_kept_who_did(depot: Depot) -> None:
    sku, code = await depot.sku(name="Mug", lead_days=3), uuid4().hex
    for _ in range(2):  # a double click
        answer = await depot.post("/placements", place(sku, "B-04-12", code), key=f"once-{sku}")
        assert (answer.status_code, answer.json()) == (201, place(sku, "B-04-12", code))
    await depot.post("/placements", place(sku, "B-04-13", code))
    await depot.post("/placements", place(sku, "B-04-13", code))  # nothing changes
    await depot.post("/placements", place(sku, "A-1", code, "south"))
    (known,) = (await depot.get("/places", warehouse="north", sku=[sku]))["items"]
    assert (known["bin"], known["barcode"]) == ("B-04-13", code)
    told = [(of["warehouse"], of["bin_before"], of["bin"], of["barcode_before"], of["actor"]) for of in
            await changes(depot, sku)]  # fmt: skip
    assert told == [
        ("south", "", "A-1", code, "Mia"),
        ("north", "B-04-12", "B-04-13", code, "Mia"),
        ("north", "", "B-04-12", "", "Mia"),
    ]
    assert (await depot.get(f"/items/{sku}"))["lead_days"] == 3, "all else of the SKU stays"


async def test_a_barcode_that_stands_for_another_product_is_refused_and_one_that_was_given_up_is_free(
    depot: Depot,
) -> None:
    mug, pot, code = await depot.sku(), await depot.sku(), uuid4().hex
    await depot.post("/placements", place(mug, barcode=code))
    refused = await depot.post("/placements", place(pot, "B-1", code))
    assert (refused.status_code, refused.json()["title"]) == (409, f"{code} stands for {mug} already")
    assert refused.json()["errors"][0]["field"] == "barcode"
    assert (await depot.post("/placements", place(pot, barcode=mug))).status_code == 409, "a SKU is scanned too"
    (known,) = (await depot.get("/places", warehouse="north", sku=[pot]))["items"]
    assert (known["bin"], known["barcode"]) == ("", ""), "nothing of it was done"
    await depot.post("/placements", place(mug, barcode=""))
    assert (await depot.post("/placements", place(pot, "B-1", code))).status_code == 201
    assert (await depot.post("/placements", place(pot, "B-2", code))).status_code == 201, "its own is no other's"


async def test_what_an_import_gave_to_two_products_can_still_be_placed(depot: Depot) -> None:
    code = uuid4().hex
    mug, pot = await depot.sku(barcode=code), await depot.sku(barcode=code)
    assert (await depot.post("/placements", place(mug, "B-1", code))).status_code == 201
    assert (await depot.post("/placements", place(await depot.sku(), "B-1", code))).status_code == 409
    assert (await depot.post("/placements", place(pot, "B-2", ""))).status_code == 201


async def test_only_what_there_is_is_placed(depot: Depot) -> None:
    assert (await depot.post("/placements", place("no such SKU"))).status_code == 404
    refused = await depot.post("/placements", place(await depot.sku(), warehouse="nowhere"))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "warehouse")


async def test_products_are_found_by_sku_name_bin_or_barcode_page_by_page(depot: Depot) -> None:
    mark, code = uuid4().hex[:8], uuid4().hex
    mug, pot = await depot.sku(name=f"Mug {mark}"), await depot.sku(name=f"Pot {mark}")
    post = await depot.sku(name=f"Postage {mark}", stocked=False)
    await depot.post("/placements", place(mug, f"{mark}-1", code))

    async def found(search: str, **more: Any) -> list[str]:
        said = await depot.get("/places/search", warehouse="north", search=search, **more)
        return [of["sku"] for of in said["items"]]

    assert sorted(await found(mark.upper())) == sorted([mug, pot]), f"{post} lies nowhere"
    for search in (mug, f"{mark}-1", code):
        assert await found(search) == [mug], search
    first = await depot.get("/places/search", warehouse="north", search=mark, limit=1)
    rest = await found(mark, limit=1, after=first["next"])
    assert [first["items"][0]["sku"], *rest] == sorted([mug, pot])
