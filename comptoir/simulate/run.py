"""Many seeds, over some processes; one seed as a story; and what is left of a seed that fails."""

import gc
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from comptoir.simulate.machine import Broken
from comptoir.simulate.plan import ORDERS, SECOND, Case, plan_of
from comptoir.simulate.reach import EXPECTED, Reached
from comptoir.simulate.world import CHECK_EVERY, World

TWICE_EVERY = 50
"""Every so many seeds one is run twice, and both must come to the same trace."""
ENOUGH = 10_000
"""From so many histories on, every occasion must have been reached."""


@dataclass
class Told:
    """What one history came to."""

    case: Case
    breach: str
    events: int
    trace: int
    checked: int
    struck: tuple[tuple[str, int], ...]
    story: list[tuple[int, str, str]]


def history(case: Case, reached: Reached | None = None, *, every: int = CHECK_EVERY, tell: bool = False) -> Told:
    """Runs one case to its end."""
    world = World(case, reached or Reached(), every)
    if tell:
        world.story = []
    breach = ""
    try:
        world.live()
    except Broken as error:
        breach = str(error)
    except Exception as error:  # the shell itself fell over
        breach = f"{type(error).__name__}: {error}"
    for kind in dict.fromkeys(kind for kind, _ in world.tape.struck):
        world.reached.counts[f"fault: {kind}"] += 1
    return Told(
        case, breach, world.events, world.trace, world.laws.checked, tuple(world.tape.struck), world.story or []
    )


@dataclass
class Result:
    """What many histories came to."""

    histories: int = 0
    events: int = 0
    checked: int = 0
    seconds: float = 0.0
    breaches: list[tuple[int, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    digest: int = 0  # over all traces

    def add(self, other: "Result") -> None:
        self.histories += other.histories
        self.events += other.events
        self.checked += other.checked
        self.breaches += other.breaches
        self.counts.update(other.counts)
        self.twice += other.twice
        self.digest ^= other.digest

    @property
    def never(self) -> list[str]:
        return [name for name in EXPECTED if not self.counts[name]]

    @property
    def ok(self) -> bool:
        return not self.breaches and not (self.histories >= ENOUGH and self.never)

    def line(self, jobs: int) -> str:
        """The result as one line of JSON."""
        faults = {
            name.removeprefix("fault: "): count
            for name, count in sorted(self.counts.items())
            if name.startswith("fault: ")
        }
        return json.dumps(
            {
                "histories": self.histories,
                "orders": self.histories * ORDERS,
                "events": self.events,
                "checks": self.checked,
                "seconds": round(self.seconds, 1),
                "jobs": jobs,
                "histories_per_min": round(self.histories / self.seconds * 60) if self.seconds else 0,
                "violations": len(self.breaches),
                "breaches": [{"seed": seed, "breach": breach} for seed, breach in sorted(self.breaches)[:20]],
                "occasions": len(EXPECTED),
                "reached": len(EXPECTED) - len(self.never),
                "never_reached": self.never,
                "run_twice": self.twice,
                "digest": f"{self.digest:016x}",
                "faults": faults,
            }
        )


def some(first: int, count: int) -> Result:
    """Seeds one after the other, in this process."""
    result, reached = Result(), Reached()
    for seed in range(first, first + count):
        told = history(Case(seed), reached)
        result.histories += 1
        result.events += told.events
        result.checked += told.checked
        result.digest ^= (told.trace * 31 + seed) & 0xFFFF_FFFF_FFFF_FFFF
        if told.breach:
            result.breaches.append((seed, told.breach))
        if seed % TWICE_EVERY == 0:
            result.twice += 1
            if (again := history(Case(seed))).trace != told.trace:
                result.breaches.append((seed, f"two runs of one seed differ: {told.trace:x} and {again.trace:x}"))
    result.counts = reached.counts
    return result


def ready() -> None:
    """Histories hold no cycles worth looking for while they run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def simulate(
    seeds: int, first: int, jobs: int = 1, progress: Callable[[Result], None] | None = None, stop_at: int = 20
) -> Result:
    """So many seeds over so many processes; stops when that many have failed."""
    result, started = Result(), time.perf_counter()
    for part in _parts(seeds, first, jobs):
        result.add(part)
        result.seconds = time.perf_counter() - started
        if progress is not None:
            progress(result)
        if len(result.breaches) >= stop_at:
            break
    result.seconds = time.perf_counter() - started
    return result


def _parts(seeds: int, first: int, jobs: int) -> Iterator[Result]:
    size = max(1, min(100, seeds // jobs or 1))
    chunks = [(at, min(size, first + seeds - at)) for at in range(first, first + seeds, size)]
    if jobs == 1:
        ready()
        try:
            for chunk in chunks:
                yield some(*chunk)
        finally:
            gc.unfreeze()
            gc.set_threshold(700, 10, 10)
        return
    with ProcessPoolExecutor(jobs, initializer=ready) as pool:
        futures = [pool.submit(some, *chunk) for chunk in chunks]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


# What is left of a seed that fails


def kind_of(breach: str) -> str:
    """The number of the law, or the name of the error: shrinking must keep it."""
    return breach.partition(":")[0]


def whole(case: Case, told: Told) -> Case:
    """The same case with everything that happened in it named."""
    plan = plan_of(case.seed)
    return Case(
        case.seed,
        frozenset(bought.n for bought in plan.orders) if case.orders is None else case.orders,
        frozenset(wish.n for wish in plan.wishes) if case.wishes is None else case.wishes,
        frozenset(errand.n for errand in plan.errands) if case.errands is None else case.errands,
        frozenset(incident.n for incident in plan.incidents) if case.incidents is None else case.incidents,
        frozenset(told.struck),
    )


def shrink(case: Case, seconds: float = 60.0, fails: Callable[[Case], Told] = history) -> Told:
    """Leaves out whatever may be left out while the same law is broken; halves first, then singles."""
    told = fails(case)
    if not told.breach:
        return told
    wanted, best, end = kind_of(told.breach), told, time.perf_counter() + seconds
    case = whole(case, told)
    changed = True
    while changed and time.perf_counter() < end:
        changed = False
        for name in ("orders", "wishes", "errands", "incidents", "hits"):
            size = max(1, len(getattr(case, name)) // 2)
            while size and time.perf_counter() < end:
                for part in list(_chunks(sorted(getattr(case, name)), size)):
                    if time.perf_counter() > end:
                        break
                    less = replace(case, **{name: getattr(case, name) - frozenset(part)})
                    tried = fails(less)
                    if tried.breach and kind_of(tried.breach) == wanted:
                        case, best, changed = less, tried, True
                size = size // 2 if size > 1 else 0
    return replace(best, case=case)


def _chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def story(case: Case) -> tuple[Told, list[str]]:
    """One history as a timeline: one line for everything that happens."""
    told = history(case, every=1, tell=True)
    plan = plan_of(case.seed)
    rates = ", ".join(f"{kind} {rate:.0%}" for kind, rate in plan.rates.items() if rate >= 0.005)
    lines = [
        f"seed {case.seed}: places {', '.join(plan.places)}; automatic {', '.join(sorted(plan.automatic)) or 'none'}; "
        f"messages {'as JSON' if plan.encoded else 'handed over'}; "
        f"things go wrong for {plan.until // SECOND // 3600} h",
        f"faults that may strike: {rates or 'none'}",
    ]
    for at, who, what in told.story:
        lines.append(f"{clock(at)}  {who:<11} {what}")
    lines.append(f"BREACH {told.breach}" if told.breach else f"at rest after {told.events} events, no law broken")
    return told, lines


def clock(at: int) -> str:
    seconds, micro = divmod(at, SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micro // 1000:03}"


def cores() -> int:
    return len(os.sched_getaffinity(0))
