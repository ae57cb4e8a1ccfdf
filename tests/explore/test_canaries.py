"""Each rule of the saga taken out on purpose: the exploration must see the damage, on a small set-up, in seconds."""

import pytest
import typer

from comptoir.explore.cli import explore as command
from comptoir.explore.search import explore
from comptoir.explore.setups import SETUPS
from services.order import saga
from tests.explore.canaries import CANARIES, Canary, without

pytestmark = pytest.mark.timeout(600)  # a walk takes longer where the machine is busy


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.rule.replace(" ", "-"))
def test_without_the_rule_the_exploration_finds_the_damage(canary: Canary) -> None:
    with without(*canary.cuts):
        result = explore(canary.setup, seconds=60.0)
    assert result.breach, f"nobody missed the rule '{canary.rule}'"
    assert canary.breach in result.breach, result.breach
    assert result.story


def test_the_story_of_a_breach_is_told_from_the_beginning_and_ends_with_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with without((saga.fold, "if progress.status in FINAL:", "if False:")), pytest.raises(typer.Exit) as ended:
        command(setup=["bank: nothing special"], cut=False, seconds=60.0, keep_known=False, random=0, seed=0)
    assert ended.value.exit_code == 1
    said = capsys.readouterr().out
    assert "I7: the order was cancelled, which is final" in said
    assert "breaches: 1" in said
    assert "the timer pay_by of order fires" in said


def test_the_rules_are_back_afterwards() -> None:
    with without((saga.fold, "if progress.status in FINAL:", "if False:")):
        pass
    assert explore(SETUPS["bank: nothing special"]).ok


def test_an_endless_exchange_is_found_as_a_round() -> None:
    """The order asks for stock again at every word of inventory, which always answers: they never stop."""
    with without((saga.ask_for_stock, "!= (stock.wanted", "!= (() if stock.answered else stock.wanted")):
        result = explore(SETUPS["cash: nothing special"], seconds=60.0)
    assert "endless round" in result.breach
    assert "and then round and round:" in result.story
