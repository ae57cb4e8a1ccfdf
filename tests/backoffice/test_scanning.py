"""Picking with a scanner, and the list by bin on paper with its barcodes."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import product
from uuid import UUID

import httpx
import pytest

from services.backoffice.code128 import QUIET, SYMBOLS, drawn, values
from services.backoffice.views.scanning import in_walking_order, parcel_code, parcel_of
from tests.backoffice.shop import Shop, field, logged_in, shop_at
from tests.conftest import Databases


@pytest.fixture(scope="module")
async def shop(databases: Databases) -> AsyncIterator[Shop]:
    async with shop_at(databases, "scanning") as founded:
        await founded.open(mug=50, pot=50, tea=50)
        items = [{"sku": "mug", "name": "Mug", "barcode": "4006381333931"}, {"sku": "pot", "name": "Pot"}]
        await founded.ask("PUT", "/inventory/items", {"items": items})
        places = [{"sku": sku, "warehouse": "north", "bin": bin} for sku, bin in (("mug", "B-10"), ("pot", "B-2"))]
        await founded.ask("PUT", "/inventory/places", {"places": places})
        await founded.staff("picker")
        yield founded


@pytest.fixture
async def picker(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with aclosing(await logged_in(shop, "picker")) as http:
        yield http


async def post(http: httpx.AsyncClient, path: str, status: int = 200, **form: str) -> str:
    """A form of this person's session."""
    csrf = field((await http.get("/count")).text, "csrf")
    response = await http.post(path, data={"csrf": csrf, **form})
    assert response.status_code == status, f"{response.status_code} {response.text[:2000]}"
    return response.text


# The symbology


def read_back(path: str) -> str:
    """What a scanner would read of drawn bars: widths to symbols, the check figure checked, symbols to text."""
    bars = [(int(x), int(width)) for x, width in re.findall(r"M(\d+) 0h(\d)v10h-\dz", path)]
    widths = ""
    for (x, width), (after, _) in zip(bars, [*bars[1:], (sum(bars[-1]), 0)], strict=True):
        widths += f"{width}{after - x - width}"
    widths = widths[:-1]  # after the last bar there is no space
    found = [SYMBOLS.index(widths[n : n + 6]) for n in range(0, len(widths) - 7, 6)]
    assert SYMBOLS[-1] == widths[-7:], "it ends with the stop symbol"
    *read, check = found
    assert check == (read[0] + sum(n * value for n, value in enumerate(read))) % 103
    if read[0] == 105:
        return "".join(f"{value:02d}" for value in read[1:])
    assert read[0] == 104
    return "".join(chr(value + 32) for value in read[1:])


def test_the_symbols_are_all_that_the_specification_allows() -> None:
    """Three bars and three spaces of 1 to 4 modules, 11 in all, bars even: 106 symbols, and the stop read both ways."""
    allowed = {
        "".join(map(str, widths))
        for widths in product((1, 2, 3, 4), repeat=6)
        if sum(widths) == 11 and sum(widths[::2]) % 2 == 0
    }
    stop = "233111"
    assert len(SYMBOLS) == 107
    assert set(SYMBOLS[:-1]) == allowed - {stop, "211133"}
    assert SYMBOLS[-1] == f"{stop}2"


@pytest.mark.parametrize("text", ["PICK-318", "C-1042", "85123A", "a b~!", "4006381333931", "12345678", "0" * 40])
def test_what_is_drawn_reads_back_as_it_was(text: str) -> None:
    width, path = drawn(text)
    assert read_back(path) == text
    last = re.findall(r"M(\d+) 0h(\d)", path)[-1]
    assert (path.startswith(f"M{QUIET} "), width) == (True, int(last[0]) + int(last[1]) + QUIET)


def test_a_known_barcode_has_its_known_check_figure_and_bars() -> None:
    assert values("PICK-318")[-2:] == [74, 106]
    assert drawn("PICK-318")[1].startswith("M10 0h2v10h-2zM13 0h1v10h-1zM16 0h1v10h-1zM21 0h3v10h-3z")
    assert len(values("00" * 20)) == 23, "figures go two to a symbol"


@pytest.mark.parametrize("text", ["", "ä", "a\n", "\x7f"])
def test_what_has_no_barcode_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no Code 128"):
        values(text)


def test_a_parcel_is_found_by_its_code_on_paper() -> None:
    id = UUID("0198a1b2-0000-7000-8000-00000000000f")
    assert parcel_of(parcel_code(id)) == parcel_of(f" {id} ") == id
    assert [parcel_of(text) for text in ("", "C-1042", "9" * 40, "x" * 36)] == [None] * 4


def test_bins_are_walked_past_by_their_figures_and_unknown_ones_come_last() -> None:
    bins = ["", "B-10", "b-2", "A-02-11", "A-2-5", "C"]
    assert sorted(bins, key=in_walking_order) == ["A-2-5", "A-02-11", "b-2", "B-10", "C", ""]


# Picking


async def parcel(shop: Shop, **lines: int) -> tuple[str, str]:
    """An order of these pieces, to be picked: its number and its shipment."""
    body = [{"sku": sku, "quantity": n, "unit_price": "12.50", "vat_rate": "21"} for sku, n in lines.items()]
    placed = await shop.place(lines=body)
    (shipment,) = (await shop.ask("GET", f"/order/orders/{placed['id']}"))["shipments"]
    return placed["number"], shipment["shipment_id"]


@pytest.mark.postgres
async def test_without_script_each_scan_counts_one_piece_and_a_wrong_one_nothing(
    shop: Shop, picker: httpx.AsyncClient
) -> None:
    _, id = await parcel(shop, mug=2, pot=1)
    page = (await picker.get(f"/pick/{id}")).text
    assert page.index("B-2") < page.index("B-10"), "in the order of the walk"
    form = {"key": field(page, "key"), "found-1": "0", "found-2": "0"}
    for code, said, one, two in (
        ("MUG", "Right: mug, 1 of 2.", "1", "0"),
        ("tea", "tea is not in this parcel. Nothing was counted.", "1", "0"),
        ("4006381333931", "Right: mug, 2 of 2.", "2", "0"),
        ("mug", "All of mug are counted already. Nothing was counted.", "2", "0"),
        (" pot ", "Right: pot, 1 of 1.", "2", "1"),
    ):
        answer = await post(picker, f"/pick/{id}/scan", **form, code=code)
        assert said in answer
        assert ("scan-said bad" in answer) == ("Nothing" in said)
        form |= {f"found-{n}": re.findall(rf'name="found-{n}"[^>]* value="(\d+)"', answer)[0] for n in (1, 2)}
        assert (form["found-1"], form["found-2"]) == (one, two)
    assert (await shop.ask("GET", f"/fulfilment/shipments/{id}"))["state"] == "planned", "nothing is booked yet"
    await post(picker, f"/pick/{id}", 303, **form)
    assert (await shop.ask("GET", f"/fulfilment/shipments/{id}"))["state"] == "picked"


@pytest.mark.postgres
async def test_what_is_not_there_is_asked_about_before_it_is_booked_short(
    shop: Shop, picker: httpx.AsyncClient
) -> None:
    _, id = await parcel(shop, mug=3)
    form = {"key": field((await picker.get(f"/pick/{id}")).text, "key"), "found-1": "1"}
    asked = await post(picker, f"/pick/{id}", **form)
    assert "2 pieces are not counted." in asked
    assert re.search(r'name="found-1"[^>]* value="1"', asked), "what was counted stands"
    assert (await shop.ask("GET", f"/fulfilment/shipments/{id}"))["state"] == "planned"
    await post(picker, f"/pick/{id}", 303, **form, short="yes")
    found = await shop.ask("GET", f"/fulfilment/shipments/{id}")
    assert (found["state"], found["short"][0]["quantity"]) == ("picked", 2)


@pytest.mark.postgres
async def test_a_wrong_number_costs_none_of_what_else_was_typed(shop: Shop, picker: httpx.AsyncClient) -> None:
    _, id = await parcel(shop, mug=3, pot=2, tea=1)
    form = {"key": field((await picker.get(f"/pick/{id}")).text, "key"), "found-1": "2", "found-2": "7", "found-3": "1"}

    def shown(page: str) -> list[tuple[str, bool]]:
        fields = [re.findall(rf'name="found-{n}"[^>]* value="([^"]*)"([^>]*)', page)[0] for n in (1, 2, 3)]
        return [(value, "aria-invalid" in more) for value, more in fields]

    wrong = await post(picker, f"/pick/{id}", 422, **form)
    assert shown(wrong) == [("2", False), ("7", True), ("1", False)]
    assert "not counted" not in wrong, "how many are missing is not known"
    assert field(wrong, "key") == form["key"]
    scanned = await post(picker, f"/pick/{id}/scan", 422, **form, code="mug")
    assert shown(scanned) == shown(wrong)
    reasons = {"why-1": "other", "note-1": "cracked"}
    again = await post(picker, f"/pick/{id}", 422, **form, **reasons)
    assert shown(again) == shown(wrong)
    assert 'value="cracked"' in again, "and why is still said"
    assert "1 piece is not counted." in again
    for typed in ("-1", "x", "", "1.5"):
        page = await post(picker, f"/pick/{id}", 422, **{**form, "found-2": typed})
        assert shown(page)[0] == ("2", False)
    await post(picker, f"/pick/{id}", 303, **{**form, **reasons, "found-2": "2", "short": "yes"})
    assert (await shop.ask("GET", f"/fulfilment/shipments/{id}"))["state"] == "picked"


@pytest.mark.postgres
async def test_why_it_is_short_is_seen_at_the_order_at_the_stock_and_where_it_is_to_be_counted(
    shop: Shop, picker: httpx.AsyncClient
) -> None:
    number, id = await parcel(shop, tea=3, pot=2)
    form = {"key": field((await picker.get(f"/pick/{id}")).text, "key"), "found-1": "1", "found-2": "1"}
    asked = await post(picker, f"/pick/{id}", **form)
    assert asked.count("Wrong product in the bin") == 2
    form |= {"short": "yes", "why-1": "wrong_product", "why-2": "other"}
    unsaid = await post(picker, f"/pick/{id}", 422, **form)
    assert "Say in the note what is wrong with it." in unsaid
    assert re.search(r'value="wrong_product" selected', unsaid), "what was chosen stands"
    await post(picker, f"/pick/{id}", 422, **{**form, "note-2": "x", "why-1": "nonsense"})
    await post(picker, f"/pick/{id}", 303, **form, **{"note-2": "the handle is off"})
    for step in ("pack", "dispatch"):
        await shop.ask("POST", f"/fulfilment/shipments/{id}/{step}", {})
        await shop.rest()
    await shop.staff("admin")
    async with aclosing(await logged_in(shop, "admin")) as admin:
        timeline = (await admin.get(f"/orders/{number}")).text
        assert "3 pieces were not found. The handle is off. Wrong product in the bin." in timeline
        assert "short pick: wrong product in the bin" in (await admin.get("/stock/tea")).text
        assert "short pick: the handle is off" in (await admin.get("/stock?view=count&sku=pot")).text
        dutch = await admin.get("/stock/tea", headers={"Accept-Language": "nl"})
        assert "te weinig gevonden: verkeerd product in het vak" in dutch.text


@pytest.mark.postgres
async def test_the_list_on_paper_goes_by_bin_over_all_boxes_and_says_nothing_of_customers(
    shop: Shop, picker: httpx.AsyncClient
) -> None:
    (one, first), (two, second) = await parcel(shop, mug=2, pot=1), await parcel(shop, mug=3, tea=1)
    other, _ = await parcel(shop, pot=9)
    listed = (await picker.get("/pick")).text
    assert f'name="id" value="{first}"' in listed
    paper = (await picker.get(f"/pick/paper?warehouse=north&id={first}&id={second}")).text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", paper))
    assert re.search(r"B-2 Pot pot 1 1 B-10 Mug mug 5 1 \(2×\), 2 \(3×\) .*– Tea tea 1 2", text), text
    assert "2 parcels, 7 pieces" in text
    assert (one in text, two in text, other in text) == (True, True, False)
    for said in ("Anna", "anna@", "Oudegracht", "12.50", "12,50", "€"):
        assert said not in paper, said
    codes = re.findall(r'aria-label="Barcode ([^"]+)"><path d="([^"]+)"', paper)
    assert [code for code, _ in codes] == [
        "pot", "4006381333931", "tea", parcel_code(first), parcel_code(second),
    ]  # fmt: skip
    assert all(read_back(path) == code for code, path in codes)
    every = (await picker.get("/pick/paper")).text
    assert other in every, "nothing chosen: the most urgent"
    await post(picker, f"/pick/{first}", 303, key="k" * 12, **{"found-1": "2", "found-2": "1"})
    late = (await picker.get(f"/pick/paper?warehouse=north&id={first}&id={second}")).text
    assert "1 chosen parcel is not to be picked any more and is left out." in late


@pytest.mark.postgres
async def test_a_parcel_that_does_not_wait_is_not_opened_and_says_so(shop: Shop) -> None:
    number, id = await parcel(shop, mug=1)
    await shop.staff("packer")
    async with aclosing(await logged_in(shop, "packer")) as packer:
        for code in ("", "nothing", "9" * 40, number, parcel_code(id)):
            said = await post(packer, "/pack/scan", 404, code=code)
            assert "is no parcel that waits here. Nothing was done." in said
        await shop.ask("POST", f"/fulfilment/shipments/{id}/pick", {})
        assert (await packer.get("/pack")).text.count('name="code"') == 1
        for code in (number.lower(), parcel_code(id), id):
            await post(packer, "/pack/scan", 303, code=code)
        assert "Parcel of" in (await packer.get(f"/pack/{id}")).text
        await shop.ask("POST", f"/fulfilment/shipments/{id}/reject", {"reason": "closed"})
        await shop.rest()
        assert "This parcel does not wait here. State: Cannot ship." in (await packer.get(f"/pack/{id}")).text
