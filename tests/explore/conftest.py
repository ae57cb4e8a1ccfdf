"""The cut of the exploration is walked once; what it found is looked at by several tests."""

import pytest

from comptoir.explore.search import Result, explore
from comptoir.explore.setups import CUT, SETUPS


@pytest.fixture(scope="session")
def cut() -> dict[str, Result]:
    return {name: explore(SETUPS[name]) for name in CUT}
