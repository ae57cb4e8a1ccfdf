"""Random lives: larger orders than can be explored whole, any earlier message again at any time, then healing.

Timers fire rarely here, or every life would end unpaid. After healing nothing goes wrong any more and nobody wishes for
anything: each life must come to rest, with all sides agreeing.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from comptoir.explore.search import Explorer, State, Step
from comptoir.explore.setups import FAULTS, METHODS, Bought, SetUp

LONGEST = 4000
"""Steps after which a healing life is said never to come to rest."""
WISHES = ("cancel", "cancel 1", "hold", "edit", "return", "pay again", "receipt", "late", "ask again", "accept")
WEIGHTS = {"message": 1.0, "step": 0.6, "timer": 0.02, "wish": 0.15, "fault": 0.15, "again": 0.1}


@dataclass
class Lives:
    """What so many lives came to."""

    runs: int = 0
    steps: int = 0
    seconds: float = 0.0
    breach: str = ""
    setup: SetUp | None = None
    seed: int = 0
    story: tuple[str, ...] = ()
    hit: set[str] = field(default_factory=set)  # wishes, faults and messages that occurred


def random_setup(dice: random.Random, seed: int) -> SetUp:
    """1 or 2 orders of 1 to 3 lines, 1 to 3 warehouses, up to 4 wishes and 4 faults."""
    skus = ("A", "B")
    orders = []
    for _ in range(dice.choice((1, 1, 2))):
        lines = dice.choice((1, 1, 2, 3))
        quantities = tuple(dice.choice((1, 1, 2, 3)) for _ in range(lines))
        orders.append(Bought(quantities, tuple(dice.choice(skus) for _ in range(lines)), dice.random() < 0.25))
    warehouses = ("W1", "W2", "W3")[: dice.choice((1, 2, 3))]
    stock = tuple((sku, warehouse, dice.choice((0, 1, 2, 4))) for sku in skus for warehouse in warehouses)
    method = dice.choice(METHODS)
    wishes = dict.fromkeys(WISHES, 0)
    for _ in range(dice.randrange(5)):
        wishes[dice.choice(WISHES)] += 1
    if method == "bank_transfer":
        wishes["transfer"] = len(orders)
    return SetUp(
        f"life {seed}",
        method=method,
        orders=tuple(orders),
        stock=stock,
        warehouses=warehouses,
        backorderable=dice.random() < 0.8,
        wishes=tuple((name, count) for name, count in wishes.items() if count),
        faults=dice.randrange(5),
        kinds=FAULTS,
        no_consent=dice.choice(("wait", "cancel")),
        answer_timer=True,
    )


def live(seed: int, found: Lives, setup: SetUp | None = None) -> None:
    """One life; what is wrong with it is written into `found`."""
    dice = random.Random(seed)
    setup = setup or random_setup(dice, seed)
    explorer = Explorer(setup, ranks=False)
    state = explorer.start()
    earlier = list(state[1])
    story: list[tuple[State, Step]] = []
    healing_from = dice.randrange(10, 90)
    for n in range(LONGEST):
        healing = n >= healing_from
        step = _pick(dice, explorer, state, earlier, healing)
        if step is None:
            if not healing:
                continue
            found.breach = explorer.breach_at_rest(state)
            break
        story.append((state, step))
        found.steps += 1
        found.hit.add(_occasion(explorer, step))
        earlier += step.outcome.sent
        state = step.after
        found.breach = step.outcome.breach or explorer.breach_of(state)
        if found.breach:
            break
    else:
        found.breach = f"the life does not come to rest in {LONGEST} steps"
    found.runs += 1
    if found.breach:
        found.setup, found.seed = setup, seed
        found.story = tuple(explorer.say(before, step) for before, step in story[-200:])


def _occasion(explorer: Explorer, step: Step) -> str:
    if isinstance(step.action, int):
        return type(explorer.machine.messages[step.action][1]).__name__
    return step.says.partition(" (")[0]


def _pick(dice: random.Random, explorer: Explorer, state: State, earlier: list[int], healing: bool) -> Step | None:
    """The next thing that happens; None when nothing that is allowed changes anything."""
    steps: list[Step] = []
    weights: list[float] = []
    for step in explorer.steps(state):
        if step.after == state and not step.outcome.breach:
            continue
        if not step.free:
            if healing:
                continue
            kind = "fault" if step.after[2][-1] < state[2][-1] else "wish"
        elif isinstance(step.action, int):
            kind = "message"
        else:
            kind = "timer" if step.action.timer and not step.action.timer.startswith("queue") else "step"
        steps.append(step)
        weights.append(WEIGHTS[kind])
    if not healing and earlier and dice.random() < WEIGHTS["again"]:
        again = _again(explorer, state, dice.choice(earlier))
        if again is not None:
            return again
    return dice.choices(steps, weights)[0] if steps else None


def _again(explorer: Explorer, state: State, message: int) -> Step | None:
    service = explorer.machine.messages[message][0]
    outcome = explorer.machine.outcome(state[0][service], message)
    if outcome.waits:
        return None
    after = explorer.after(state[0], state[1], state[2], service, outcome)
    return Step(after, service, message, "once more", outcome, True)


def lives(runs: int, first: int = 0, seconds: float = 1e9, progress: Callable[[Lives], None] | None = None) -> Lives:
    """So many lives, or as many as fit into the time; stops at the first breach."""
    found = Lives()
    started = time.perf_counter()
    for seed in range(first, first + runs):
        live(seed, found)
        found.seconds = time.perf_counter() - started
        if progress is not None:
            progress(found)
        if found.breach or found.seconds > seconds:
            break
    return found


def told(found: Lives) -> Iterator[str]:
    """The set-up of a life that went wrong, in words."""
    if found.setup is not None:
        yield f"seed {found.seed}: {found.setup}"
    yield from found.story
