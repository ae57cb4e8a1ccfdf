"""Every fault that is made on purpose is seen: at a known seed at once, and (make chaos) within 2,000 seeds."""

from pathlib import Path

import pytest

from comptoir.simulate.plan import Case
from comptoir.simulate.run import history, kind_of, some
from tests.simulate.mutants import MUTANTS, SEEN, Mutant, mutant

WITHIN = 2_000


@pytest.mark.parametrize("fault", MUTANTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_the_damage_is_seen_at_a_known_seed(fault: Mutant) -> None:
    with mutant(fault.name):
        told = history(Case(fault.seed))
    assert told.breach, f"nobody noticed: {fault.name}"
    assert kind_of(told.breach) == fault.breach, told.breach


def test_there_are_enough_of_them_and_each_has_its_own_name() -> None:
    assert len({fault.name for fault in MUTANTS}) == len(MUTANTS) >= 20


def test_the_document_says_who_sees_each() -> None:
    document = (Path(__file__).parents[2] / "docs/reliability.md").read_text()
    missing = [row for name, (seed, law) in SEEN.items() if (row := f"| {name} | {seed} | {law} |") not in document]
    assert missing == []


def test_without_them_the_same_seeds_are_clean() -> None:
    for seed in sorted({fault.seed for fault in MUTANTS}):
        assert history(Case(seed)).breach == ""


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", MUTANTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_the_damage_is_seen_within_2000_seeds(fault: Mutant) -> None:
    with mutant(fault.name):
        for first in range(0, WITHIN, 20):
            if some(first, 20).breaches:
                return
    pytest.fail(f"{WITHIN} seeds and nobody noticed: {fault.name}")
