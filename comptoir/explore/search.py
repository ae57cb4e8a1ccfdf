"""Every way there is, breadth first: so the first story of a breach is a shortest one."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from comptoir.explore import laws
from comptoir.explore.machine import ORDER_, SERVICES, Action, Machine, Outcome
from comptoir.explore.setups import SetUp
from comptoir.explore.wishes import KINDS, Broken, wished
from comptoir.explore.world import Move, moves
from services.order.rows import Progress
from shared.contracts.message import Message

State = tuple[tuple[int, int, int, int], tuple[int, ...], tuple[int, ...]]
"""Local states, messages on their way, what may still be wished for; the last number counts faults."""

Matrix = dict[tuple[str, str], set[str]]
"""(trigger, status before) -> statuses after."""


@dataclass(frozen=True, slots=True)
class Step:
    """One way on from a state."""

    after: State
    service: int
    action: Action | int
    says: str
    outcome: Outcome
    free: bool  # happens by itself: neither a wish nor a fault


@dataclass
class Result:
    """What an exploration found."""

    setup: SetUp
    states: int = 0
    transitions: int = 0
    decisions: int = 0
    rests: int = 0
    seconds: float = 0.0
    whole: bool = True  # to the end, not cut off by time
    breach: str = ""
    story: tuple[str, ...] = ()
    matrix: Matrix = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.breach


class Explorer:
    """One set-up with all that was computed for it."""

    def __init__(self, setup: SetUp, *, ranks: bool = True, keep_known: bool = False) -> None:
        """`keep_known`: messages that say nothing new stay on their way, which makes the space many times larger."""
        self.setup = setup
        self.machine = Machine(
            no_consent=setup.no_consent,
            labels=setup.labels,
            silent_timers=setup.silent,
            check=laws.check_decision,
            ranks=ranks,
        )
        self.machine.strict = not (setup.faults and "count" in setup.kinds)
        self.numbers: dict[Any, int] = {setup.order_id(n): n + 1 for n in range(len(setup.orders))}
        self.drop_known = ranks and not keep_known
        self.wishes = tuple(name for name, _ in setup.wishes)
        self._moves: dict[tuple[int, int], tuple[Move, ...]] = {}
        self._summaries: dict[tuple[int, int], tuple[laws.Summary, tuple[str, ...]]] = {}

    def start(self) -> State:
        """Orders are placed; what they ask for is on its way."""
        state = [self.machine.local(service, (), (), ()) for service in range(len(SERVICES))]
        sent: list[int] = []
        for n, messages in ((1, self.setup.opening()), (0, self.setup.placing())):
            for message in messages:
                outcome = self.machine.outcome(state[n], Action(message))
                assert not outcome.breach, outcome.breach
                assert not outcome.waits, outcome.refused
                state[n] = outcome.local
                sent += outcome.sent
        left = (*(count for _, count in self.setup.wishes), self.setup.faults)
        local, messages_ = self.machine.ranked(tuple(state), tuple(sorted(set(sent))))  # type: ignore[arg-type]
        return local, messages_, left

    def moves(self, service: int, local: int) -> tuple[Move, ...]:
        known = self._moves.get((service, local))
        if known is None:
            known = self._moves[service, local] = moves(self.machine, self.setup, service, local)
        return known

    def summary(self, service: int, local: int) -> tuple[laws.Summary, tuple[str, ...]]:
        known = self._summaries.get((service, local))
        if known is None:
            breaches = laws.check_local(self.machine, self.setup, service, local)
            known = laws.Summary(self.machine, self.setup, service, local), breaches
            self._summaries[service, local] = known
        return known

    def steps(self, state: State) -> Iterator[Step]:
        """All ways on. Each delivered message may come again right after itself."""
        local, messages, left = state
        for message in messages:
            service = self.machine.messages[message][0]
            outcome = self.machine.outcome(local[service], message)
            if outcome.waits:
                continue
            rest = tuple([m for m in messages if m != message])
            after = self.after(local, rest, left, service, outcome)
            yield Step(after, service, message, "", outcome, True)
            again = self.machine.outcome(outcome.local, message)
            if not again.waits and (again.breach or again.local != outcome.local or again.sent):
                sent = (*rest, *outcome.sent)
                twice = self.after(local, sent, left, service, again)
                if twice != after:
                    yield Step(twice, service, message, "twice", again, True)
        for service in range(len(SERVICES)):
            for move in self.moves(service, local[service]):
                spent = left
                if move.wish:
                    n = self.wishes.index(move.wish) if move.wish in self.wishes else -1
                    if n < 0 or not left[n]:
                        continue
                    spent = (*left[:n], left[n] - 1, *left[n + 1 :])
                elif move.fault:
                    if not left[-1] or move.fault not in self.setup.kinds:
                        continue
                    spent = (*left[:-1], left[-1] - 1)
                outcome = self.machine.outcome(local[service], move.action)
                if outcome.waits:
                    continue
                after = self.after(local, messages, spent, service, outcome)
                free = not move.wish and not move.fault
                yield Step(after, service, move.action, move.says, outcome, free)

    def after(
        self,
        local: tuple[int, int, int, int],
        messages: tuple[int, ...],
        left: tuple[int, ...],
        service: int,
        outcome: Outcome,
    ) -> State:
        """The state when one service has decided."""
        changed = (*local[:service], outcome.local, *local[service + 1 :])
        on_the_way = tuple(sorted({*messages, *outcome.sent})) if outcome.sent else messages
        if self.drop_known:
            on_the_way = tuple([m for m in on_the_way if not self._known(changed, m)])
        state, on_the_way = self.machine.ranked(changed, on_the_way)  # type: ignore[arg-type]
        return state, on_the_way, left

    def _known(self, local: tuple[int, ...], message: int) -> bool:
        """Its reader knows all that it says: hearing it changes nothing, now or later, for nothing known is forgotten.

        So it need not stay on its way. That known statements never have an effect is a law of its own (laws.py).
        """
        at = local[self.machine.messages[message][0]]
        outcome = self.machine.outcome(at, message)
        return outcome.local == at and not (outcome.sent or outcome.waits or outcome.breach)

    def breach_of(self, state: State) -> str:
        """What is wrong with a state."""
        found = [self.summary(service, local) for service, local in enumerate(state[0])]
        for _, breaches in found:
            if breaches:
                return breaches[0]
        return laws.check_state(found[0][0], found[1][0], found[2][0], found[3][0])

    def breach_at_rest(self, state: State) -> str:
        if state[1]:
            reader, message = self.machine.messages[state[1][0]]
            why = self.machine.outcome(state[0][reader], state[1][0]).refused
            return f"{SERVICES[reader]} never takes {describe(message)}: {why}"
        return laws.check_rest(self.machine, self.setup, state[0])

    def say(self, state: State, step: Step) -> str:
        """One line of a story."""
        if isinstance(step.action, int):
            reader, message = self.machine.messages[step.action]
            line = f"{SERVICES[reader]} hears {self.named(message)}{' ' + step.says if step.says else ''}"
        else:
            line = step.says
        sent = ", ".join(
            f"{self.named(self.machine.messages[m][1])} to {SERVICES[self.machine.messages[m][0]]}"
            for m in step.outcome.sent
        )
        before, after = self.statuses(state), self.statuses(step.after)
        moved = f" [{', '.join(before)} -> {', '.join(after)}]" if before != after else ""
        return f"{line}{moved}{'; sends ' + sent if sent else ''}"

    def named(self, message: Message) -> str:
        """A message in a few words, with its order where there are several."""
        number = self.numbers.get(getattr(message, "order_id", None))
        return describe(message) + (f" of order {number}" if number and len(self.numbers) > 1 else "")

    def statuses(self, state: State) -> list[str]:
        return [p.status for p in self.machine.all(state[0][ORDER_], Progress)]

    def matrix(self) -> Matrix:
        """What every trigger did in every status it met, and what every wish would come to at every order there was."""
        met = [local for service, local in self._summaries if service == ORDER_]
        decided = list(self.machine.decisions)
        matrix: Matrix = wished(self.machine, self.setup, met)
        for number, message, before, after in decided:
            if type(message).__name__ in KINDS:
                continue
            was = {p.order_id: p.status for p in self.machine.all(before, Progress)}
            now = {p.order_id: p.status for p in self.machine.all(after, Progress)}
            order_id = getattr(message, "order_id", None)
            for name in {type(message).__name__} if number < 0 else self.machine.names[number]:
                matrix.setdefault((name, was.get(order_id, "(new)")), set()).add(now[order_id])
        return matrix


def explore(
    setup: SetUp,
    seconds: float = 600.0,
    progress: Callable[[Result], None] | None = None,
    *,
    keep_known: bool = False,
) -> Result:
    """Walks every way from the set-up; stops at the first breach, or when so many seconds of CPU are used.

    CPU, because on a busy machine the same walk takes several times as long.
    """
    explorer = Explorer(setup, keep_known=keep_known)
    result = Result(setup)
    started, used = time.perf_counter(), time.process_time()
    start = explorer.start()
    seen: dict[State, int] = {start: 0}
    states: list[State] = [start]
    parents: list[int] = [-1]
    onward: list[tuple[int, ...]] = []
    waiting = deque([0])
    breach, at = explorer.breach_of(start), 0
    last: tuple[int, Step] | None = None
    while waiting and not breach:
        at = waiting.popleft()
        state = states[at]
        by_itself: set[int] = set()
        for step in explorer.steps(state):
            result.transitions += 1
            if step.outcome.breach:
                breach, last = step.outcome.breach, (at, step)
                break
            number = seen.get(step.after)
            if number is None:
                number = seen[step.after] = len(states)
                states.append(step.after)
                parents.append(at)
                waiting.append(number)
                breach = explorer.breach_of(step.after)
                if breach:
                    last = (at, step)
                    break
            if step.free and number != at:
                by_itself.add(number)
        onward.append(tuple(by_itself))
        if breach:
            break
        if not by_itself:
            result.rests += 1
            breach = explorer.breach_at_rest(state)
        if at % 1024 == 0:
            if progress is not None:
                result.states = len(states)
                progress(result)
            if time.process_time() - used > seconds:
                result.whole = False
                break
    story = [] if not breach else _story(explorer, states, parents, at, last)
    if not breach and (cycle := _cycle(onward, len(states))) is not None:
        breach = "an endless round: by themselves the services come back to where they were"
        story = [*_story(explorer, states, parents, cycle[0], None), "and then round and round:"]
        story += [_line(explorer, states[a], states[b]) for a, b in zip(cycle, (*cycle[1:], cycle[0]), strict=True)]
    result.breach, result.story = breach, tuple(story)
    result.states, result.decisions = len(states), len(explorer.machine._outcomes)
    result.seconds = time.perf_counter() - started
    if not breach:
        try:
            result.matrix = explorer.matrix()
        except Broken as broken:
            result.breach = str(broken)
    return result


def _line(explorer: Explorer, before: State, after: State) -> str:
    return next(explorer.say(before, step) for step in explorer.steps(before) if step.after == after)


def _story(
    explorer: Explorer, states: list[State], parents: list[int], at: int, last: tuple[int, Step] | None
) -> list[str]:
    way = [at]
    while parents[way[-1]] >= 0:
        way.append(parents[way[-1]])
    way.reverse()
    lines = [_line(explorer, states[a], states[b]) for a, b in pairwise(way)]
    return [*lines, explorer.say(states[last[0]], last[1])] if last else lines


def _cycle(onward: list[tuple[int, ...]], states: int) -> list[int] | None:
    """States that lead back to each other without a wish or a fault; None when every way ends."""
    into = [0] * states
    for targets in onward:
        for target in targets:
            into[target] += 1
    free = deque(n for n in range(states) if not into[n])
    left = states
    while free:
        n = free.popleft()
        left -= 1
        for target in onward[n] if n < len(onward) else ():
            into[target] -= 1
            if not into[target]:
                free.append(target)
    if not left:
        return None
    at = next(n for n in range(states) if into[n])
    preceding: dict[int, int] = {}
    for n, targets in enumerate(onward):
        if into[n]:
            preceding.update((target, n) for target in targets if into[target])
    way: list[int] = []
    met: dict[int, int] = {}
    while at not in met:  # backwards: every state that is left has one before it
        met[at] = len(way)
        way.append(at)
        at = preceding[at]
    return list(reversed(way[met[at] :]))


def merged(matrices: Iterable[Matrix]) -> Matrix:
    """One matrix of all that was seen."""
    whole: Matrix = {}
    for matrix in matrices:
        for key, after in matrix.items():
            whole.setdefault(key, set()).update(after)
    return whole


def describe(message: Message) -> str:
    """A message in a few words."""
    said: dict[str, Any] = message.__dict__
    words = [type(message).__name__]
    if "version" in said:
        words.append(str(said["version"]))
    told = [f"{name} {said[name]}" for name in ("answers", "state", "secured", "due", "reason") if said.get(name)]
    for name in ("wanted", "promises", "lines"):
        for of in said.get(name) or ():
            parts = [
                f"{of_name} {value}"
                for of_name, value in of.__dict__.items()
                if isinstance(value, int) and value and of_name not in ("line_no", "planned")
            ]
            if parts and "unit_price" not in of.__dict__:
                told.append(f"line {of.line_no}: {' '.join(parts)}")
    return " ".join(words) + (f" ({', '.join(told)})" if told else "")
