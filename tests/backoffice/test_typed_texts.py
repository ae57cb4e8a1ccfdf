"""What a person types is kept whole or refused with its field and the most that it holds: nothing is cut unsaid."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.backoffice.pages import English
from services.backoffice.views import bins, changes, costs, lines, shelves, transfers, warehouse
from shared import parked
from tests.backoffice.shop import Shop, field

CUT = re.compile(r"(form|query)(\.get\(|\[)[^\n]*\[:\d+\]")
SOUGHT = ('"q"', '"who"', '"sku"', '"supplier"', '"after"', "query.get(name", "form.get(name")
"""What is looked for, and cursors of lists: nothing of them is kept."""
W = English(ZoneInfo("UTC"))
LINE = {"line_no": 1, "sku": "mug"}


def test_no_page_cuts_what_it_keeps() -> None:
    root = Path(__file__).parents[2] / "services/backoffice"
    sources = [*(root / "api").rglob("*.py"), *(root / "views").rglob("*.py")]
    cut = {f"{path.name}: {found[0]}" for path in sources for found in CUT.finditer(path.read_text("utf-8"))}
    assert {each for each in cut if not any(name in each for name in SOUGHT)} == set()
    kept = [each for each in cut if "form.get(name" in each]
    assert {each.partition(":")[0] for each in kept} <= {"entering.py", "editing.py"}, "those are searches"


@pytest.mark.parametrize(
    ("take", "form", "says"),
    [
        (shelves.adjustment, {"sku": "mug", "difference": "1", "reason": "r" * 65}, "Reason: at most 64 "),
        (shelves.count, {"sku": "mug", "counted": "1", "reason": "r" * 65}, "Reason: at most 64 "),
        (transfers.draft, {"sku-0": "mug", "pieces-0": "1", "expected_on": "2031-01-01", "note": "n" * 2001}, "Note"),
        (costs.said, {"cost-0": "1", "reason": "r" * 2001}, "Reason: at most 2,000 "),
    ],
)
def test_a_text_that_is_too_long_is_refused_with_its_field(
    take: Callable[..., Any], form: Mapping[str, str], says: str
) -> None:
    also = ("key-of-this-act",) if take in (shelves.adjustment, shelves.count) else ()
    with pytest.raises(lines.Mistyped, match=says):
        take(W, form, *also)


def test_notes_bins_and_reasons_of_returns_are_not_cut_either() -> None:
    with pytest.raises(lines.Mistyped, match=r"Note \(mug\): at most 200 characters, not 201\."):
        warehouse.why(W, LINE, {"why-1": "other", "note-1": "n" * 201})
    with pytest.raises(lines.Mistyped, match="Barcode: at most 64 characters, not 65"):
        bins.typed(W, "mug", {"warehouse": "north", "bin": "A", "barcode": "1" * 65})
    with pytest.raises(lines.Mistyped, match="Reason: at most 200 characters, not 201"):
        changes.reason_of(W, "", "r" * 201)
    assert changes.reason_of(W, "wrong item", "r") == "wrong item: r"
    assert lines.typed({"sku-0": "s" * 65}) == [{"sku": "s" * 65, "pieces": "", "price": ""}]


def test_the_reason_of_a_replay_or_a_drop_is_kept_whole() -> None:
    assert parked.checked(" flo ", " " + "w" * 1000) == ("flo", "w" * 1000)
    with pytest.raises(parked.NoReason, match="the reason may have 1000 characters, not 1001"):
        parked.checked("flo", "w" * 1001)
    with pytest.raises(parked.NoReason, match="the name may have 200 characters, not 201"):
        parked.checked("f" * 201, "why")


@pytest.mark.postgres
async def test_a_page_says_which_field_of_a_form_is_too_long(shop: Shop) -> None:
    placed = await shop.place()
    where = f"/orders/{placed['number']}/hold"
    shown = await shop.page(where)
    form = {"reason": "r" * 201, "key": field(shown, "key")}
    told = await shop.post(where, form, status=422, Accept="text/html")
    assert "reason: at most 200 characters. Nothing was done; go back and shorten it." in told.text
    owner = await shop.ask("GET", f"/order/orders/{UUID(placed['id'])}")
    assert owner["holds"] == []
