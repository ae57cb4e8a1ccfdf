"""Our figures against those that came with the data, to the cent; and the two tables byte by byte."""

import copy
import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from comptoir.retail.figures import (
    Difference,
    Figures,
    differences,
    figures_of,
    invoice_rows,
    load,
    movement_row,
    movement_rows,
)
from comptoir.retail.reader import RetailLine, read, sample_figures_path
from comptoir.retail.writers import MovementRow, write_invoices, write_movements
from tests.retail.builders import lines, row
from tests.retail.conftest import present


def test_the_sample_gives_its_figures(sample: list[RetailLine]) -> None:
    ours = figures_of(sample)
    assert differences(load(sample_figures_path()), ours) == []
    assert ours.as_tree() == load(sample_figures_path())  # the texts of the rules and the places of amounts too


def test_the_half_year_gives_its_figures(half_year: list[RetailLine], shared: Path) -> None:
    assert figures_of(half_year).as_tree() == load(shared / "figures.json")


def test_the_bundled_figures_are_those_of_the_data(shared: Path) -> None:
    theirs = (shared / "figures_first_1000_invoices.json").read_bytes()
    assert sample_figures_path().read_bytes() == theirs


def test_the_comparison_finds_every_kind_of_difference() -> None:
    expected = load(sample_figures_path())
    ours = copy.deepcopy(expected)
    assert differences(expected, ours) == []
    ours["lines"] += 1
    ours["valid_sale"]["amount"] = "422558.41"
    ours["valid_sale"]["rule"] = "another text of the same rule"
    ours["valid_sale_by_country"]["Atlantis"] = {"invoices": 1}
    ours["top25_sku_by_units"][0][1] -= 1
    ours["top25_sku_by_units"].pop()
    del ours["abc"]["skus"]
    found = differences(expected, ours)
    assert [it.name for it in found] == [
        "lines",
        "valid_sale.amount",
        "valid_sale_by_country.Atlantis",
        "top25_sku_by_units[0][1]",
        "top25_sku_by_units[24]",
        "abc.skus",
    ]
    assert str(found[0]) == "lines: expected 21466, ours 21467"
    assert "abc.skus" not in [it.name for it in differences(expected, ours, partly=True)]


def test_amounts_are_compared_as_numbers_and_partial_figures_by_what_they_have() -> None:
    expected = {"lines": 3, "amount_sale_exact": "38970.0", "valid_sale": {"lines": 2, "units": 9}}
    assert differences(expected, Figures(amount_sale_exact="38970.00"), partly=True) == []
    assert differences(expected, Figures(valid_sale={"lines": 3}), partly=True) == [
        Difference("valid_sale.lines", 2, 3)
    ]
    assert [it.name for it in differences(expected, Figures(lines=3, amount_sale_exact="38970"))] == ["valid_sale"]


def test_the_invoice_table_is_the_expected_one_byte_by_byte(
    half_year: list[RetailLine], shared: Path, tmp_path: Path
) -> None:
    assert write_invoices(invoice_rows(half_year), tmp_path / "invoices.csv") == 12795
    expected = gzip.decompress((shared / "expected_invoice_totals.csv.gz").read_bytes())
    assert (tmp_path / "invoices.csv").read_bytes() == expected


def test_the_movement_table_is_the_expected_one_byte_by_byte(
    half_year: list[RetailLine], shared: Path, tmp_path: Path
) -> None:
    rows = movement_rows(half_year)
    assert write_movements(reversed(rows), tmp_path / "movements.csv.gz") == 3651
    expected = gzip.decompress((shared / "expected_sku_movements.csv.gz").read_bytes())
    assert gzip.decompress((tmp_path / "movements.csv.gz").read_bytes()) == expected


def test_the_movements_of_a_small_file_by_hand() -> None:
    rows = movement_rows(
        lines(
            row("1", "A1", 10),
            row("1", "A1", 2, "0.0"),  # without a price, still out
            row("C2", "A1", -4),
            row("C2", "A1", -1, customer=""),  # matched or not
            row("3", "A1", -3, "0.0"),
            row("4", "POST", 1),
        )
    )
    assert rows == [MovementRow("A1", 1, 12, 5, 3, -4), MovementRow("POST", 0, 1, 0, 0, -1)]
    assert movement_row("A1", 12, 5, 3) == rows[0]


def test_the_totals_of_a_small_invoice_by_hand(tmp_path: Path) -> None:
    (one, other) = invoice_rows(
        lines(
            row("1", "A1", 3, "0.335", customer=""),
            row("C2", "A1", -3, "0.335", at="2011-10-03 10:05:00"),
            row("1", "A1", -3, "0.0", at="2011-10-03 10:06:00"),
        )
    )
    assert (one.lines, one.units, one.amount_exact, one.amount_lines_rounded) == (
        2,
        0,
        Decimal("1.005"),
        Decimal("1.01"),
    )
    assert (one.sale_lines_valid, one.sale_amount_valid) == (1, Decimal("1.005"))
    assert (other.kind, other.amount_lines_rounded, other.sale_lines_valid) == ("cancellation", Decimal("-1.01"), 0)
    write_invoices([one, other], tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "invoice,kind,first_at,customer,country,lines,units,amount_exact,amount_lines_rounded,sale_lines_valid,"
        "sale_amount_valid",
        "1,sale,2011-10-03 10:00:00,,United Kingdom,2,0,1.005,1.01,1,1.005",
        "C2,cancellation,2011-10-03 10:05:00,17850.0,United Kingdom,1,-3,-1.005,-1.01,0,0",
    ]


def test_figures_of_the_second_half_of_a_year_have_bad_debts_as_adjustments() -> None:
    ours = figures_of(
        lines(
            row("570000", "85123A", 4, "2.50", at="2011-07-01 08:00:00"),
            row("A563185", "B", 1, "11062.06", customer=""),
            row("A563186", "B", 1, "-11062.06", customer=""),
            row("A563187", "B", 1, "-11062.06", customer=""),
        )
    )
    assert ours.invoices == {"all": 4, "adjustment": 3, "sale": 1}
    assert (ours.amount_adjustment_exact, ours.units_adjustment, ours.lines_negative_price) == ("-11062.06", 3, 2)
    assert ours.allocation_oracle_partial["opening_units"] == 12
    assert "before 2011-07-29" in ours.allocation_oracle_partial["rule"]


def test_figures_of_an_empty_file_are_nothing() -> None:
    ours = figures_of(lines())
    assert (ours.lines, ours.valid_sale["amount"], ours.allocation_oracle_partial) == (0, "0", {})


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_the_tables_are_the_same_bytes_every_time(name: str, tmp_path: Path, sample: list[RetailLine]) -> None:
    rows = movement_rows(sample)
    write_movements(rows, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    write_movements(rows, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first


def test_reading_the_half_year_twice_is_the_same(shared: Path, half_year: list[RetailLine]) -> None:
    again = read(shared / "online_retail_2010-12_2011-06.csv.gz")
    assert all(one == other for one, other in zip(again, half_year, strict=True))


def test_without_the_half_year_ci_fails_and_only_a_workstation_skips(tmp_path: Path) -> None:
    assert present(tmp_path, everything=True) == tmp_path
    with pytest.raises(pytest.fail.Exception, match="cannot be proved"):
        present(tmp_path / "none", everything=True)
    with pytest.raises(pytest.skip.Exception):
        present(tmp_path / "none", everything=False)
