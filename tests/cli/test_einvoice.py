"""`comptoir einvoice`: what is wrong with a file, in a line each."""

from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from comptoir.cli import app
from services.billing.einvoice import SYNTAXES, written
from tests.billing.book import money
from tests.billing.test_einvoice_broken import party, sound, sums


def ask(*files: Path) -> tuple[int, list[str]]:
    answer = CliRunner().invoke(app, ["einvoice", *map(str, files)])
    return answer.exit_code, answer.output.splitlines()


def test_sound_documents_are_told_so(tmp_path: Path) -> None:
    files = [tmp_path / f"{syntax}.xml" for syntax in SYNTAXES]
    for file, syntax in zip(files, SYNTAXES, strict=True):
        file.write_bytes(written(sound(), syntax))
    assert ask(*files) == (0, [f"{file}: nothing is wrong" for file in files])


def test_each_broken_rule_is_a_line_and_nothing_in_a_file_reaches_the_terminal(tmp_path: Path) -> None:
    good, bad, other = (tmp_path / name for name in ("good.xml", "bad.xml", "other.xml"))
    good.write_bytes(written(sound(), "ubl"))
    broken = party("seller", name="", vat_id="[red]\x9b31m")(sums(due=money("1.00"))(sound()))
    bad.write_bytes(written(replace(broken), "cii"))
    other.write_text("<Invoice/>")
    code, lines = ask(good, bad, other)
    assert code == 1
    assert lines[0] == f"{good}: nothing is wrong"
    assert f"{bad}: BR-06: The seller's name (BT-27) is missing." in lines
    assert any(line.startswith(f"{bad}: BR-CO-09: VAT identifier [red]?31m") for line in lines)
    assert any(line.startswith(f"{bad}: BR-CO-16:") for line in lines)
    assert lines[-1].startswith(f"{other}: Invoice is neither an invoice")
