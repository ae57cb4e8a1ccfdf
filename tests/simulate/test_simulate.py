"""A cut of the simulation: many seeds without a breach, the same seed twice, a story, and what is left of a failure."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from comptoir.simulate.cli import simulate as command
from comptoir.simulate.plan import BESIDE, HITS, INCIDENTS, KINDS, Case, Tape, plan_of
from comptoir.simulate.reach import EXPECTED
from comptoir.simulate.run import Result, history, kind_of, shrink, simulate, story, whole
from tests.simulate.mutants import mutant

CUT = 150


@pytest.fixture(scope="module")
def cut() -> Result:
    return simulate(CUT, 0)


def test_no_law_is_broken_by_the_first_seeds(cut: Result) -> None:
    assert cut.histories == CUT
    assert cut.breaches == []


def test_a_cut_of_the_seeds_reaches_nearly_everything(cut: Result) -> None:
    """The whole list is demanded of 10,000 seeds; a missing fact or fault here means that the world is too tame."""
    assert len(cut.never) < len(EXPECTED) // 6, cut.never
    assert {f"fault: {kind}" for kind in INCIDENTS} <= set(cut.counts)


def test_the_result_is_one_line_of_json_with_the_figures(cut: Result) -> None:
    line = cut.line(jobs=1)
    assert "\n" not in line
    said = json.loads(line)
    assert said["histories"] == CUT
    assert said["violations"] == 0
    assert said["events"] > CUT * 100
    assert said["run_twice"] == CUT // 50
    assert set(said["faults"]) <= set(KINDS)


def test_a_run_of_many_seeds_that_misses_an_occasion_fails_and_names_it() -> None:
    result = Result(histories=10_000, seconds=1.0)
    result.counts.update(EXPECTED)
    assert result.ok
    del result.counts["refund: overdue"]
    assert not result.ok
    assert json.loads(result.line(1))["never_reached"] == ["refund: overdue"]


def test_a_seed_means_the_same_in_every_process_whatever_its_hashes() -> None:
    code = (
        "from comptoir.simulate.run import history, Case\n"
        "print([f'{history(Case(seed)).trace:x}' for seed in (3, 8, 24)])"
    )
    root = Path(__file__).parents[2]
    said = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True, text=True, check=True,
        ).stdout
        for hashes in ("1", "2")
    }  # fmt: skip
    here = str([f"{history(Case(seed)).trace:x}" for seed in (3, 8, 24)])
    assert said == {here + "\n"}


def test_looking_more_often_changes_nothing() -> None:
    assert history(Case(5), every=1).trace == history(Case(5), every=1000).trace


def test_two_processes_find_what_one_finds() -> None:
    one, two = simulate(20, 40), simulate(20, 40, jobs=2)
    assert (one.digest, one.events, one.counts) == (two.digest, two.events, two.counts)


def test_some_seeds_are_calm_and_some_write_and_read_json() -> None:
    plans = [plan_of(seed) for seed in range(200)]
    calm = [plan for plan in plans if not plan.rates and not plan.incidents]
    assert 5 < len(calm) < 50
    assert sum(plan.encoded for plan in plans) == 25
    assert set().union(*(plan.rates for plan in plans)) == {*HITS, *BESIDE}


def test_a_tape_replays_only_the_faults_that_are_named() -> None:
    plan = next(plan_of(seed) for seed in range(100) if plan_of(seed).rates.get("delay", 0) > 0.05)
    tape = Tape(plan, Case(plan.seed))
    first = [tape.hit("delay") for _ in range(200)]
    kept = tape.struck[1:3]
    again = Tape(plan, replace(Case(plan.seed), hits=frozenset(kept)))
    second = [again.hit("delay") for _ in range(200)]
    assert again.struck == kept
    assert [drawn for drawn in second if drawn] == [drawn for drawn in first if drawn][1:3]


def test_a_history_with_all_that_happened_named_is_the_same_history() -> None:
    told = history(Case(9))
    assert history(whole(Case(9), told)).trace == told.trace


def test_a_seed_tells_its_story() -> None:
    told, lines = story(Case(3))
    text = "\n".join(lines)
    assert not told.breach
    assert "places order 0" in text
    assert "from here on nothing goes wrong any more" in text
    assert "sends OrderCompleted" in text
    assert lines[-1].startswith("at rest after")
    assert told.trace == history(Case(3)).trace, "telling changes nothing"


def test_a_failing_seed_shrinks_to_what_the_failure_needs() -> None:
    with mutant("VAT per parcel") as fault:
        found = history(Case(fault.seed))
        least = shrink(Case(fault.seed), 20.0)
        assert kind_of(least.breach) == kind_of(found.breach) == "I6"
        case = least.case
        assert len(case.orders or ()) == 1, "one order is enough"
        assert len(case.hits or ()) <= len(found.struck)
        _, lines = story(case)
    assert lines[-1].startswith("BREACH I6")
    assert sum("places order" in line for line in lines) == 1


def test_a_failing_purchase_shrinks_to_itself() -> None:
    with mutant("a purchase order that is called off is still expected") as fault:
        least = shrink(Case(fault.seed), 20.0)
        _, lines = story(least.case)
    assert kind_of(least.breach) == "I28"
    assert (len(least.case.errands or ()), least.case.orders) == (1, frozenset()), "no order is needed"
    assert sum("drafts a purchase order" in line for line in lines) == 1
    assert any("CancelPurchaseOrder" in line or "ClosePurchaseOrder" in line for line in lines)


def test_the_command_tells_the_least_of_a_failing_seed_and_ends_with_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with mutant("stock not raised by a promise") as fault, pytest.raises(typer.Exit) as ended:
        command(seeds=1, first=0, jobs=1, seed=fault.seed, minimal=True, seconds=5.0)
    assert ended.value.exit_code == 1
    said = capsys.readouterr().out
    assert "needs orders" in said
    assert "BREACH I2" in said


def test_the_command_ends_with_code_1_when_a_law_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    with mutant("stock not raised by a promise") as fault, pytest.raises(typer.Exit) as ended:
        command(seeds=1, first=fault.seed, jobs=1)
    assert ended.value.exit_code == 1
    assert json.loads(capsys.readouterr().out)["violations"] == 1
