"""Files of spreadsheets, read: encodings, delimiters, decimal marks, quotes, limits; each fault says its row."""

import csv
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.backoffice import order_sheets, sheets
from services.backoffice.order_sheets import Fault, Orders, faults_of, judged, orders_of, with_faults
from services.backoffice.sheets import MOST_BYTES, MOST_ROWS, Unreadable, decimal_mark, number, sheet_of
from services.backoffice.views.orders import COLUMNS as EXPORTED
from services.backoffice.views.orders import cell
from services.order.api.orders import OrderIn

ZONE = ZoneInfo("Europe/Brussels")
HEAD = "external_id;sku;quantity;unit_price;name"


def read(text: str | bytes, chosen: sheets.Mark = "") -> Orders:
    return orders_of(text.encode() if isinstance(text, str) else text, ZONE, EXPORTED, chosen)


def why(text: str | bytes) -> tuple[str, int]:
    with pytest.raises(Unreadable) as refused:
        read(text)
    return str(refused.value), refused.value.row


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(("codec", "shown"), [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("cp1252", "CP1252")])
def test_any_delimiter_and_encoding_is_told_by_the_file(delimiter: str, codec: str, shown: str) -> None:
    cells = ["A", "mug", "2", '"1.50"', f'"Zoë {delimiter} €"']
    found = read(f"{HEAD.replace(';', delimiter)}\r\n{delimiter.join(cells)}\r\n".encode(codec))
    assert (found.sheet.delimiter, found.sheet.encoding) == (delimiter, shown)
    assert found.drafts[0].body["ship_to"] == {"name": f"Zoë {delimiter} €"}


def test_a_cell_may_have_lines_quotes_and_the_delimiter_and_rows_are_counted_as_a_spreadsheet_does() -> None:
    found = read('external_id,sku,quantity,street\nA,mug,1,"Kade 1\nrear ""B"", left"\n\nB,mug,1,x\n')
    assert found.drafts[0].body["ship_to"]["street"] == ["Kade 1", 'rear "B", left']
    assert [row.number for draft in found.drafts for row in draft.rows] == [2, 4]


def test_names_of_columns_are_found_in_any_order_and_case() -> None:
    found = read("Quantity, SKU ,External ID,unit-price\n2,mug,A,1.5")
    assert found.drafts[0].body["lines"] == [{"sku": "mug", "quantity": "2", "unit_price": "1.5"}]


@pytest.mark.parametrize(
    ("text", "says", "row"),
    [
        ("", "The file is empty: its first row must name the columns.", 0),
        ("a,b\n1,2", "The first row names no column that is known here", 1),
        ("external_id,sku,quantity", "The file has no row below the names of its columns.", 0),
        ("external_id,sku,quantty\nA,mug,1", "There is no column quantty; a misspelt one must not be lost.", 1),
        ("external_id,sku,sku\nA,mug,1", "The column sku is there twice.", 1),
        ("external_id,sku\nA,mug", "The column quantity is missing.", 1),
        ("external_id,sku,quantity\nA,mug,1\nB,mug,1,9", "The row has more cells than there are columns.", 3),
        ("external_id,sku,quantity,\nA,mug,1,9", "A cell of the row stands under no name of a column.", 2),
        ('external_id,sku,quantity\nA,mug,1\nB,"mug,1', "A quotation mark is not closed", 3),
        ('external_id,sku,quantity\nA,"mug"s,1', "A quotation mark is not closed", 2),
        (b"PK\x03\x04....", "This is a workbook.", 0),
        ("external_id,sku,quantity\nA,mug,1".encode("utf-16"), "The file is in UTF-16.", 0),
        (b"external_id,sku\x00", "The file is no text.", 0),
        (b"external_id,\x81", "The file is no text.", 0),
        (b"x" * (MOST_BYTES + 1), "The file is larger than 2 MB; split it.", 0),
        (HEAD + "\nA;mug;1" * (MOST_ROWS + 1), "The file has more than 5000 rows; split it.", MOST_ROWS + 2),
        (HEAD + "".join(f"\n{n};mug;1" for n in range(1001)), "The file has more than 1000 orders; split it.", 0),
        (HEAD + "\nA;mug;1;;" + "x" * 8001, "A cell has more than 8000 characters.", 2),
        (HEAD + '\nA;mug;1;;"' + "x" * 200_000, "A quotation mark is not closed", 2),
    ],
)
def test_a_file_that_makes_no_sense_says_why_and_where(text: str | bytes, says: str, row: int) -> None:
    found = why(text)
    assert found[0].startswith(says)
    assert found[1] == row


@pytest.mark.parametrize(
    ("numbers", "mark"),
    [
        (["1", "20"], ""),
        (["1.5", "2"], "."),
        (["1,50", "1.234"], ","),
        (["1,234.50", "1,234"], "."),
        (["1.234,50"], ","),
        (["1.234.567"], ","),
        (["0.125"], "."),
        (["1234.567"], "."),
        (["-2,5"], ","),
    ],
)  # fmt: skip
def test_the_decimal_mark_is_that_of_the_whole_file(numbers: list[str], mark: str) -> None:
    assert decimal_mark((row, "unit_price", text) for row, text in enumerate(numbers, 2)) == mark


def test_marks_that_differ_or_cannot_be_told_are_refused_where_they_stand() -> None:
    text, row = why(f"{HEAD}\nA;mug;1;1,50\nB;mug;1;2.50")
    assert text == "Row 2 has 1,50 with a decimal comma, row 3 has 2.50 with a decimal point."
    assert row == 2
    text, row = why(f"{HEAD}\nA;mug;1;1.234")
    assert text == "Whether 1.234 has a decimal mark or thousands, the file does not say: choose the mark."
    assert why(f"{HEAD}\nA;mug;1.000;5")[1] == 2, "pieces, too: one or a thousand"
    assert read(f"{HEAD}\nA;mug;1;1.234", ",").drafts[0].body["lines"][0]["unit_price"] == "1234"
    assert read(f"{HEAD}\nA;mug;1;1.234", ".").drafts[0].body["lines"][0]["unit_price"] == "1.234"


@pytest.mark.parametrize(
    ("text", "mark", "value"),
    [
        ("1.234,50", ",", "1234.50"), ("1 234,5", ",", "1234.5"), ("1\u202f234,5", ",", "1234.5"),
        ("1,234,567.8", ".", "1234567.8"), ("12", "", "12"), ("+3", ",", "3"), ("-3,5", ",", "-3.5"),
        ("2.50", ",", "no number: 2.50"), ("12,34,56", ".", "no number: 12,34,56"), ("1e5", ".", "no number: 1e5"),
        ("NaN", "", "no number: NaN"), ("€ 5", ".", "no number: € 5"), ("1.2345", ",", "no number: 1.2345"),
    ],
)  # fmt: skip
def test_a_number_is_read_with_the_mark_of_its_file_and_nothing_is_guessed(
    text: str, mark: sheets.Mark, value: str
) -> None:
    assert number(text, mark) == value


@pytest.mark.parametrize(
    "text", ["=1+1", "+31 6 123", "-5", "@x", "'=1", ' "=1', "plain", "'quoted'", "a=b", "5' wide"]
)
def test_what_is_kept_from_being_a_formula_comes_back_as_it_was(text: str) -> None:
    """As the list of orders is exported, and as faults are given back."""
    written = "".join(sheets.written([["external_id", "sku", "quantity", "text"], ["A", "mug", "1", text]], ";"))
    assert not [c for row in csv.reader(StringIO(written[1:]), delimiter=";") for c in row if c[:1] in "=+-@"]
    assert read(written).drafts[0].body["lines"][0]["text"] == text.strip()
    assert sheets.plain(cell(text)) == text.strip()


def test_rows_of_one_reference_are_one_order_wherever_they_stand() -> None:
    text = (
        "external_id,channel,sku,quantity,name,country,prices_include_vat,placed_at\n"
        "A,shop,mug,1,Anna,nl,ja,2026-01-31\nB,,mug,1,Bea,,,\nA,,cup,2,Anna,,,\nA,other,mug,9,,,,\n"
    )
    first, second, third = read(text).drafts
    assert [line["sku"] for line in first.body["lines"]] == ["mug", "cup"]
    assert [row.number for row in first.rows] == [2, 4]
    assert first.body["ship_to"] == {"name": "Anna", "country": "NL"}
    assert (first.body["channel"], second.body["channel"], third.body["channel"]) == ("shop", "import", "other")
    assert first.body["prices_include_vat"] == "true"
    assert first.body["placed_at"] == "2026-01-31T00:00:00+01:00", "a day of the shop"
    assert not first.faults
    assert len({draft.order_id for draft in (first, second, third)}) == 3
    assert read(text).drafts[0].order_id == first.order_id, "the same reference is the same order, in any file"
    for draft in (first, second, third):
        OrderIn.model_validate(draft.body)


def test_what_holds_for_an_order_cannot_be_two_things() -> None:
    (draft,) = read("external_id,sku,quantity,city\nA,mug,1,Utrecht\nA,cup,1,\nA,pot,1,Gent").drafts
    (fault,) = draft.faults
    assert (fault.row, fault.column) == (4, "city")
    assert fault.sentence % fault.values == "Row 2 of the same order says Utrecht; an order has one of it."


def test_faults_of_an_order_stand_in_their_cells() -> None:
    text = (
        "external_id,sku,quantity,line_discount,country,bill_country,method,discount\nB,x,1,,,,,\n"
        "A,mug,1,,,Belgium,,1\nA,cup,two,-1,N1,,gold,\n"
    )
    draft = read(text).drafts[1]
    wrong = {
        "title": "the request is not valid",
        "errors": [
            {"pointer": "#/lines/1/quantity", "message": "q"},
            {"pointer": "#/lines/1/discount", "message": "l"},
            {"pointer": "#/ship_to/country", "message": "c"},
            {"pointer": "#/bill_to/country", "message": "b"},
            {"pointer": "#/payment_method", "message": "m"},
            {"pointer": "#/discount", "message": "d"},
            {"pointer": "#/order_id", "message": "o"},
            {"pointer": "#/lines/7/sku", "message": "?"},
        ],
    }
    assert [(of.row, of.column, of.sentence) for of in faults_of(draft, wrong)] == [
        (4, "quantity", "q"), (4, "line_discount", "l"), (4, "country", "c"), (3, "bill_country", "b"),
        (4, "method", "m"), (3, "discount", "d"), (3, "", "o"), (3, "", "?"),
    ]  # fmt: skip
    said = "Input should be 'card', 'bank_transfer', 'cash_on_delivery' or 'terms'"
    plain = next(faults_of(draft, {"errors": [{"pointer": "#/payment_method", "message": said}]}))
    assert plain.sentence == "It is none of the words that there are."
    assert next(faults_of(draft, {"title": "other content"})) == Fault(3, "", "other content", {})


def test_rows_with_faults_are_given_back_whole_and_can_be_uploaded_again() -> None:
    text = f"{HEAD}\nA;mug;1;1,50;Zoë\nB;mug;x;2;=1\nB;cup;1;2;\n;mug;1;;\n"
    orders = read(text)
    good = {"gross": "1", "currency": "EUR", "repeated": False}
    bad = {"title": "t", "errors": [{"pointer": "#/lines/0/quantity", "message": "no integer"}]}
    told = judged(orders, [{"status": 201, "body": good}, {"status": 422, "body": bad}])
    assert [draft.reference for draft, _ in told.good] == ["A"]
    assert told.sums == {"EUR": 1}
    back = "".join(
        sheets.written(with_faults(orders, told.faulty, [(fault, fault.sentence) for fault in told.faults]), ";")
    )
    rows = list(csv.reader(StringIO(back[1:]), delimiter=";"))
    assert rows == [
        [*HEAD.split(";"), "error"],
        ["B", "mug", "x", "2", "'=1", "quantity: no integer"],
        ["B", "cup", "1", "2", "", ""],
        ["", "mug", "1", "", "", "external_id: The row names no order."],
    ]
    again = read(back.replace(";x;", ";3;"))
    assert again.drafts[0].body["lines"][0]["quantity"] == "3"
    assert again.drafts[0].body["ship_to"]["name"] == "=1"
    assert again.drafts[0].order_id == orders.drafts[1].order_id


@pytest.mark.parametrize("semicolons", [True, False])
def test_the_template_is_a_file_that_is_read_and_has_no_faults(semicolons: bool) -> None:
    delimiter, rows = order_sheets.template(semicolons)
    found = read("".join(sheets.written(rows, delimiter)))
    assert found.mark == ("," if semicolons else ".")
    assert [len(draft.body["lines"]) for draft in found.drafts] == [2, 1]
    for draft in found.drafts:
        assert OrderIn.model_validate(draft.body).lines
        assert not draft.faults


def test_every_column_goes_into_a_request_and_export_and_import_call_the_same_things_alike() -> None:
    cells = {
        "external_id": "A", "channel": "web", "placed_at": "2026-01-31T12:00", "customer_id": "c", "method": "terms",
        "currency": "eur", "prices_include_vat": "no", "discount": "1", "ship_complete": "yes", "priority": "5",
        "service_level": "express", "hold": "look", "sku": "mug", "quantity": "2", "unit_price": "5.5",
        "line_discount": "0.5", "text": "Mug", "kind": "goods", "vat_category": "s", "vat_rate": "21",
        **{f"{of}{name}": f"{of}{name}" for of in ("", "bill_") for name in
           ("name", "company", "street", "postcode", "city", "region", "email", "phone")},
        "country": "nl", "bill_country": "be",
    }  # fmt: skip
    assert set(cells) == set(order_sheets.BY_NAME)
    (draft,) = read("".join(sheets.written([list(cells), list(cells.values())], ","))).drafts
    order = OrderIn.model_validate(draft.body)
    assert (order.ship_to.country, order.bill_to and order.bill_to.country) == ("NL", "BE")
    assert (order.payment_method, order.service_level, order.priority, order.hold) == ("terms", "express", 5, "look")
    assert order.lines[0].model_dump(exclude_defaults=True)["vat_category"] == "S"
    assert {"external_id", "channel", "placed_at", "customer_id", "name", "email", "city", "country", "currency",
            "method"} == set(EXPORTED) & set(order_sheets.BY_NAME)  # fmt: skip
    assert sheet_of(f"{','.join(EXPORTED)},sku\nx".encode(), order_sheets.BY_NAME, EXPORTED).columns[0] == "number"


def test_each_column_is_documented_as_the_page_says_it() -> None:
    text = (Path(__file__).parents[2] / "docs/importing.md").read_text()
    for column in order_sheets.COLUMNS:
        if column.name.startswith("bill_"):
            assert f"`{column.name}`" in text
        else:
            of = "line" if column.of_line else "order"
            assert f"| `{column.name}` | {of} | {column.about} | {column.expected} |" in text, column.name


def test_a_cell_that_another_delimiter_would_make_a_formula_of_is_quoted() -> None:
    """Opened with another delimiter, what stands after it would be a cell of its own: a formula."""
    for delimiter in sheets.DELIMITERS:
        line = sheets.row_of(["a;=1", "a,=1", "a\t=1"], delimiter)
        assert line == delimiter.join(['"a;=1"', '"a,=1"', '"a\t=1"']) + "\r\n"
    assert sheets.row_of(["1,50", "a, b"], ";") == "1,50;a, b\r\n", "a number stays one"
