"""A cut of the exploration: every order of events of small orders, on the real decisions, to the end."""

import pytest

from comptoir.explore.cli import explore as command
from comptoir.explore.lives import Lives, live, lives
from comptoir.explore.search import Explorer, Result, explore
from comptoir.explore.setups import CUT, METHODS, SETUPS
from services.order.handlers import HANDLERS
from shared.contracts.order import OrderStatus

pytestmark = pytest.mark.timeout(600)  # a walk takes longer where the machine is busy


def test_every_payment_method_is_in_the_cut() -> None:
    assert {SETUPS[name].method for name in CUT} == set(METHODS)


@pytest.mark.parametrize("name", CUT)
def test_no_order_of_events_breaks_a_law(name: str, cut: dict[str, Result]) -> None:
    result = cut[name]
    assert result.ok, "\n".join((result.breach, *result.story))
    assert result.whole
    assert result.states > 100
    assert result.rests > 0


def test_random_lives_come_to_rest_with_all_sides_agreeing() -> None:
    found = lives(120)
    assert not found.breach, "\n".join((f"seed {found.seed}: {found.breach}", *found.story))
    assert found.runs == 120
    assert {"ReserveStock", "PlanShipment", "BillShipment", "RefundReturn", "CancelShipment"} <= found.hit


def test_a_life_is_the_same_when_it_is_lived_again() -> None:
    first, again = Lives(), Lives()
    live(7, first)
    live(7, again)
    assert (first.steps, first.hit) == (again.steps, again.hit)


def test_exploring_twice_finds_the_same_states() -> None:
    first, again = (explore(SETUPS["cash: cancel"]) for _ in range(2))
    assert (first.states, first.transitions, first.rests) == (again.states, again.transitions, again.rests)
    assert first.matrix == again.matrix


def test_messages_that_say_nothing_new_add_states_but_no_story() -> None:
    """What is left out of the search is only what changes nothing."""
    short, long = (explore(SETUPS["cash: nothing special"], keep_known=kept) for kept in (False, True))
    assert long.ok, long.breach
    assert long.states > 5 * short.states
    assert {key: after for key, after in long.matrix.items() if key in short.matrix} == short.matrix


def test_time_that_is_up_is_said() -> None:
    assert not explore(SETUPS["card: cancel + 1 fault"], seconds=0.0).whole


def test_ranks_keep_the_meaning_of_a_state() -> None:
    """A state with ranks instead of versions goes on like the one that it stands for."""
    explorer = Explorer(SETUPS["card: cancel"])
    state = explorer.start()
    for _ in range(12):
        step = next(iter(explorer.steps(state)))
        state = step.after
        assert explorer.machine.ranked(state[0], state[1]) == (state[0], state[1])
        for local in state[0]:
            for _, numbers in explorer.machine.locals[local].refs:
                assert min(numbers) >= 1


def test_every_status_and_nearly_every_trigger_of_the_order_is_met(cut: dict[str, Result]) -> None:
    met = {key for result in cut.values() for key in result.matrix}
    assert {status for _, status in met} == {"(new)", *OrderStatus.__args__}  # type: ignore[attr-defined]
    triggers = {kind.__name__ for kind in HANDLERS} - {trigger.partition(":")[0] for trigger, _ in met}
    assert triggers <= {"RefundFailed", "RegisterProducts", "RegisterCustomers", "RegisterChannel"}


def test_the_command_ends_well_when_nothing_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    command(setup=["cash: nothing special"], cut=False, seconds=60.0, keep_known=False, random=2, seed=0)
    said = capsys.readouterr().out
    assert "1 of 1 set-ups explored to the end" in said
    assert "2 random lives" in said
