"""The sample that comes with the program, and the half year beside the repository where it is."""

import os
from pathlib import Path

import pytest

from comptoir.retail.reader import RetailLine, read, sample_path

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "online_retail"


@pytest.fixture(scope="session")
def sample() -> list[RetailLine]:
    return list(read(sample_path()))


def present(folder: Path, *, everything: bool) -> Path:
    """The folder. Where everything must be proved, its absence is a failure; elsewhere the test is skipped."""
    if not folder.is_dir():
        reason = f"{folder} is not here: the figures of the half year cannot be proved"
        if everything:
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the half year."""
    return present(SHARED, everything=os.environ.get("CI", "").lower() in {"1", "true", "yes"})


@pytest.fixture(scope="session")
def half_year(shared: Path) -> list[RetailLine]:
    return list(read(shared / "online_retail_2010-12_2011-06.csv.gz"))
