"""The catalogue in a spreadsheet: what is written is read as it was, however numbers are written; cells and faults."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backoffice.product_sheets import (
    AT_ONCE,
    BYTES_AT_ONCE,
    COLUMNS,
    MOST_ROWS,
    NAMES,
    Draft,
    cells_of,
    judged,
    parts,
    products_of,
    shown,
    taking,
)
from services.backoffice.sheets import DELIMITERS, Mark, Unreadable, written

Item = dict[str, Any]
MUG: Item = {
    "sku": "mug", "name": "Mug", "category": "Table", "brand": "Delft", "kind": "goods", "price": "12.50",
    "vat_category": "S", "vat_rate": "21", "components": [],
}  # fmt: skip


def file_of(*products: Item, mark: Mark = ".") -> bytes:
    rows = [NAMES, *(cells_of(product, mark) for product in products)]
    return "".join(written(rows, DELIMITERS[mark == ","])).encode()


def seen(*drafts: Draft, known: tuple[Item, ...] = ()) -> list[Item]:
    """What the order service would say, if all were right."""
    before = {product["sku"]: product for product in known}
    found = []
    for draft in drafts:
        was = before.get(draft.sku)
        body = {"expected": "e" if was else "none", "before": was, "after": {**(was or MUG), **draft.body}}
        found.append({"status": 200, "body": body})
    return found


text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
sku = text.filter(lambda sku: sku.split() == [sku])
amount = st.decimals(0, 10_000, places=6).map(lambda n: f"{n:f}")
component = st.fixed_dictionaries({"sku": sku, "pieces": st.integers(1, 1000)})
product = st.fixed_dictionaries(
    {
        "sku": sku,
        "name": text,
        "category": text,
        "brand": text,
        "kind": st.sampled_from(["goods", "shipping", "service"]),
        "price": amount,
        "vat_category": st.just("S"),
        "vat_rate": amount,
        "components": st.lists(component, max_size=3),
    }
)


@given(
    products=st.lists(product, min_size=1, max_size=5, unique_by=lambda of: of["sku"]), mark=st.sampled_from([".", ","])
)
def test_a_catalogue_that_is_written_and_read_again_changes_nothing(products: list[Item], mark: Mark) -> None:
    read = products_of(file_of(*products, mark=mark))
    assert read.mark == mark
    bodies = {draft.sku: draft.body for draft in read.drafts}
    known = tuple(of for of in products if of["sku"] in bodies)
    told = judged(read, seen(*read.drafts, known=known))
    assert (told.new, told.changed, told.faults) == ((), (), ())
    assert len(told.unchanged) == len(products), "each was found by its SKU"


def test_a_text_of_spaces_alone_is_as_good_as_none() -> None:
    for spaces in ("\t", " ", "\n", "\r\n", "\u00a0"):
        of = {**MUG, "brand": spaces}
        read = products_of(file_of(of))
        assert read.drafts[0].body["brand"] == "", repr(spaces)
        assert judged(read, seen(*read.drafts, known=(of,))).good == (), repr(spaces)


def test_no_cell_of_an_export_is_a_formula_and_each_comes_back_as_it_was() -> None:
    risky = {**MUG, "sku": "-1", "name": "=1+2", "brand": "@x", "category": "'=a"}
    raw = file_of(risky)
    cells = raw.decode("utf-8-sig").splitlines()[1].split(",")
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    (draft,) = products_of(raw).drafts
    assert (draft.sku, draft.body["name"], draft.body["brand"], draft.body["category"]) == ("-1", "=1+2", "@x", "'=a")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("price", "12.5", "12,50"), ("price", "12", "12,00"), ("price", "1.255000", "1,2550"),
        ("price", "0.000001", "0,000001"), ("price", "1200", "1200,00"), ("vat_rate", "21.000000", "21"),
        ("vat_rate", "5.5", "5,5"), ("vat_rate", "2.125", "2,1250"), ("name", "1.5", "1.5"),
    ],
)  # fmt: skip
def test_an_amount_is_written_so_that_it_cannot_be_thousands(name: str, text: str, said: str) -> None:
    assert shown(name, text, ",") == said


def test_spreadsheets_of_either_kind_are_read_alike() -> None:
    dutch = "\ufeffSKU;Price;VAT rate;Kind\r\nmug;1.012,50;5,5;Goods\r\n".encode()
    english = b"sku,price,vat_rate,kind\nmug,1012.50,5.5,goods\n"
    first, second = (products_of(raw).drafts[0].body for raw in (dutch, english))
    assert first == second == {"sku": "mug", "price": "1012.50", "vat_rate": "5.5", "kind": "goods"}


def test_an_empty_cell_takes_a_text_away_and_leaves_all_else_as_it_is() -> None:
    (draft,) = products_of(b"sku,name,brand,price,kind,vat_category,vat_rate,components\nmug,,,,,,,\n").drafts
    assert draft.body == {"sku": "mug", "name": "", "brand": "", "components": []}


def test_a_kit_is_written_in_one_cell_and_what_is_no_list_of_components_is_left_to_the_order_service() -> None:
    raw = b"sku;components\nset;2 x mug + 1 x tea + cake\nbox;2 mugs\npair;2X cup\n"
    set_of, box, pair = products_of(raw).drafts
    parts_of_it = [{"sku": "mug", "pieces": 2}, {"sku": "tea + cake", "pieces": 1}]
    assert set_of.body["components"] == parts_of_it
    assert (box.body["components"], pair.body["components"]) == ("2 mugs", [{"sku": "cup", "pieces": 2}])
    known = {**MUG, "sku": "set", "components": parts_of_it[:1]}
    read = products_of(b"sku;components\nset;2 x mug + 1 x tea + cake\n")
    (change,) = judged(read, seen(*read.drafts, known=(known,))).changed
    assert change.cells == (("components", "2 x mug", "2 x mug + 1 x tea + cake"),)
    assert taking([change]) == [{**known, "components": parts_of_it, "expected": "e"}]


def test_what_a_change_does_is_told_by_cell_and_all_else_is_kept_letter_by_letter() -> None:
    spaced = {**MUG, "name": " Mug,\r\nwhite ", "price": "12.5"}
    read = products_of(b'sku;name;price\nmug;"Mug,\nwhite";13,00\ncup;Cup;1\n')
    told = judged(read, seen(*read.drafts, known=(spaced,)))
    (change,) = told.changed
    assert change.cells == (("price", "12.5", "13.00"),)
    assert taking([change]) == [{**spaced, "price": "13.00", "expected": "e"}]
    (new,) = told.new
    assert (new.draft.sku, new.expected, new.draft.row) == ("cup", "none", 3)
    assert [of.draft.sku for of in told.good] == ["mug", "cup"]


def test_the_quote_is_another_one_when_anything_is_done_otherwise() -> None:
    read = products_of(b"sku,price\nmug,13.00\n")
    outcomes = seen(*read.drafts, known=(MUG,))
    quotes = {judged(read, outcomes).quote}
    for part, field, value in (("body", "expected", "f"), ("after", "price", "13.01")):
        other = json.loads(json.dumps(outcomes))
        (other[0]["body"] if part == "body" else other[0]["body"]["after"])[field] = value
        quotes.add(judged(read, other).quote)
    assert len(quotes) == 3


def test_faults_stand_at_their_row_and_column() -> None:
    read = products_of(b"sku,price,vat_category\nmug,1.00,S\ncup,2.00,Z\n,3.00,S\nmug,4.00,S\n")
    wrong = {"title": "the request is not valid", "errors": [{"pointer": "#/vat_rate", "message": "Value error, No."}]}
    outcomes = seen(*read.drafts, known=(MUG,))
    outcomes[1] = {"status": 422, "body": wrong}
    told = judged(read, outcomes)
    assert [(of.row, of.column, of.sentence) for of in told.faults] == [
        (2, "sku", "Row %(row)s has the same SKU; which of them holds?"),
        (3, "vat_rate", "No."),
        (4, "sku", "The row names no product."),
        (5, "sku", "Row %(row)s has the same SKU; which of them holds?"),
    ]
    assert [of.values for of in told.faults if of.values] == [{"row": 5}, {"row": 2}]
    assert told.good == (), "neither of the two is taken over"


def test_a_file_that_makes_no_sense_is_refused() -> None:
    for raw, said in (
        (b"name,price\nMug,1.00\n", "The column sku is missing."),
        (b"sku,prize\nmug,1.00\n", "There is no column prize; a misspelt one must not be lost."),
        (b"sku,price\nmug,1.234\n", "Whether 1.234 has a decimal mark or thousands"),
        (b"sku\n" + b"".join(b"%d\n" % n for n in range(MOST_ROWS + 1)), f"more than {MOST_ROWS} rows"),
        (b"sku\n" + b"x" * (3 * 1024 * 1024), "larger than 3 MB"),
    ):
        with pytest.raises(Unreadable) as refused:
            products_of(raw)
        assert said in str(refused.value)
    assert products_of(b"sku,price\nmug,1.234\n", ",").drafts[0].body["price"] == "1234"


def test_requests_are_bounded_by_products_and_by_bytes_and_lose_none() -> None:
    small = [{"sku": str(n)} for n in range(2 * AT_ONCE + 1)]
    assert [len(part) for part in parts(small)] == [AT_ONCE, AT_ONCE, 1]
    large = [{"sku": str(n), "name": "é" * 2000} for n in range(600)]
    found = list(parts(large))
    assert [of for part in found for of in part] == large
    assert len(found) == 3
    assert all(len(json.dumps(part, ensure_ascii=False).encode()) <= BYTES_AT_ONCE + 2 * AT_ONCE for part in found)


def test_each_column_is_documented_as_the_page_says_it() -> None:
    text = (Path(__file__).parents[2] / "docs/importing.md").read_text()
    for column in COLUMNS:
        assert f"| `{column.name}` | {column.about} | {column.expected} |" in text, column.name
