"""A file of real invoices through the suite in one process: every figure and both tables, as computed without it."""

import gzip
import io
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from comptoir.outcome import expected
from comptoir.replay import Opening, read_retail
from comptoir.replaying import Outcome, as_json, replay_file, show
from comptoir.reporting import by_order, flattened
from comptoir.retail.figures import differences, invoice_rows, load, movement_rows
from comptoir.retail.reader import read_stream, sample_figures_path, sample_path
from comptoir.retail.writers import write_invoices, write_movements
from comptoir.suite import MEMBERS
from tests.conftest import Databases

INVOICES = 130


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first invoices of the sample, cancellations and stock entries among them."""
    path = tmp_path_factory.mktemp("retail") / "small.csv"
    with gzip.open(sample_path(), "rt", encoding="utf-8", newline="") as file:
        header = next(file)
        seen: dict[str, None] = {}
        lines = []
        for line in file:
            seen.setdefault(line.split(",", 1)[0])
            if len(seen) > INVOICES:
                break
            lines.append(line)
    path.write_text(header + "".join(lines), encoding="utf-8")
    return path


async def replayed(path: Path, folder: Path, databases: Databases, opening: Opening) -> Outcome:
    name = f"replay_{opening}_{folder.name}".lower()[:40]
    url = databases.url("postgres").rsplit("/", 1)[0] + f"/{name}_{{service}}"
    databases.made += [f"{name}_{service}" for service in MEMBERS]
    return await replay_file(
        path,
        url,
        folder,
        Console(file=io.StringIO()),
        opening=opening,
        invoices_out=folder / "invoices.csv" if opening == "ample" else None,
        movements_out=folder / "movements.csv" if opening == "ample" else None,
        reports=opening == "ample",
    )


@pytest.mark.postgres
async def test_every_figure_and_both_tables_are_equal(small: Path, tmp_path: Path, databases: Databases) -> None:
    outcome = await replayed(small, tmp_path, databases, "ample")
    assert outcome.wrong == []
    (reports,) = (finding for finding in outcome.findings if finding.name == "reports equal the file")
    assert reports.checked > 80, "months, weekdays, hours, countries, products, customers, VAT"
    assert [finding for finding in outcome.findings if finding.breaches] == []
    assert outcome.good
    retail = read_retail(small)
    write_invoices(invoice_rows(retail.lines), tmp_path / "expected_invoices.csv")
    write_movements(movement_rows(retail.lines), tmp_path / "expected_movements.csv")
    for name in ("invoices", "movements"):
        assert (tmp_path / f"{name}.csv").read_text() == (tmp_path / f"expected_{name}.csv").read_text()
    assert outcome.ours["refund_matching_fifo"]["units_matched"] > 0, "the cut has refunds"
    again = await replayed(small, tmp_path, databases, "ample")
    assert (again.ours, again.wrong, again.money) == (outcome.ours, [], outcome.money), (
        "a second replay changes nothing"
    )


@pytest.mark.postgres
async def test_the_oracle_agrees_on_what_is_filled(small: Path, tmp_path: Path, databases: Databases) -> None:
    outcome = await replayed(small, tmp_path, databases, "oracle")
    assert outcome.wrong == []
    assert outcome.ours["allocation_oracle_partial"]["lines"] > 1000


@pytest.mark.postgres
async def test_a_wrong_figure_is_shown_and_fails(small: Path, tmp_path: Path, databases: Databases) -> None:
    outcome = await replayed(small, tmp_path, databases, "ample")
    assert outcome.good
    outcome.ours["valid_sale"]["units"] += 1
    retail = read_retail(small)
    outcome.wrong = differences(expected(retail, "ample"), outcome.ours, partly=True)
    assert not outcome.good
    paper = io.StringIO()
    show(outcome, Console(file=paper, width=160))
    assert "valid_sale.units: expected" in paper.getvalue()
    assert "valid_sale.units" in as_json(outcome)


def test_an_invoice_of_two_hours_counts_in_its_first() -> None:
    head = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    rows = "1,22423,A,2,2011-01-03 11:59:00,1.50,,France\n1,22423,A,3,2011-01-03 12:00:00,2.00,,France\n"
    lines = list(read_stream(io.BytesIO((head + rows).encode())))
    by_line = {"11": (1, 2, Decimal("3.00")), "12": (1, 3, Decimal("6.00"))}
    assert by_order(by_line, lines) == {"11": (1, 5, Decimal("9.00")), "12": (0, 0, Decimal("0.00"))}


def test_a_report_that_leaves_anything_out_is_seen() -> None:
    figures = load(sample_figures_path())
    right = flattened(figures)
    figures["valid_sale_by_month"]["2010-12"]["units"] += 1
    assert flattened(figures)["month"] != right["month"]
    assert sum(orders for orders, _, _ in right["country"].values()) == right["whole"]["all"][0]
