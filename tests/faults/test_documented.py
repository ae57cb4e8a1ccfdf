"""The table of faults in docs/reliability.md: each fault has its row, and each test that a row names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAULTS = {*range(1, 36), 37, 38, 39, 40}


def rows() -> dict[int, list[str]]:
    """The tests that each fault's row names."""
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    table = text[text.index("## Faults on real parts") : text.index("## The auditor")]
    found: dict[int, list[str]] = {}
    for line in table.splitlines():
        if line.startswith("| F") and not line.startswith("| Fault"):
            first, *_, seen = line.strip("| ").split(" | ") if "`" in line else (*line.split(" | "), "")
            for number in re.findall(r"F(\d+)", first):
                found[int(number)] = re.findall(r"`(test_\w+)`", seen)
    return found


def test_every_fault_has_its_row() -> None:
    assert set(rows()) == FAULTS
    assert [number for number, tests in rows().items() if not tests] == []


def test_every_test_that_a_row_names_is_there() -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_f\d\d\w*)", path.read_text(encoding="utf-8"))
    }
    named = {test for tests in rows().values() for test in tests}
    assert len(named) > 40
    assert named - there == set()


def test_every_test_is_in_the_row_of_its_fault() -> None:
    for number, tests in rows().items():
        for test in tests:
            assert f"f{number:02}" in test
