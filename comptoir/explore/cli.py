"""`comptoir explore`: states, transitions and breaches per set-up, then random lives."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from comptoir.explore.lives import Lives, lives, told
from comptoir.explore.search import Result
from comptoir.explore.search import explore as walk
from comptoir.explore.setups import CUT, SETUPS, SetUp

out = Console(highlight=False)


def chosen(names: list[str]) -> list[SetUp]:
    """Set-ups by their name, or by a part of it."""
    if not names:
        return list(SETUPS.values())
    found = {
        name: of for wanted in names for name, of in SETUPS.items() if wanted == name or (wanted in name and wanted)
    }
    for wanted in names:
        if wanted in SETUPS:
            continue
        if not any(wanted in name for name in SETUPS):
            known = "\n  ".join(SETUPS)
            raise typer.BadParameter(f"no set-up '{wanted}'; there are:\n  {known}", param_hint="--setup")
    exact = [SETUPS[name] for name in names if name in SETUPS]
    return exact if len(exact) == len(names) else list(found.values())


def explore(
    setup: Annotated[list[str] | None, typer.Option(help="only set-ups of this name, or with it in theirs")] = None,
    cut: Annotated[bool, typer.Option("--cut", help="only the set-ups that the tests explore")] = False,
    seconds: Annotated[float, typer.Option(help="at most so many of CPU per set-up")] = 900.0,
    keep_known: Annotated[
        bool, typer.Option("--keep-known", help="keep messages on their way that say nothing new: far more states")
    ] = False,
    random: Annotated[int, typer.Option(help="so many random lives besides; 1000 when everything is explored")] = -1,
    seed: Annotated[int, typer.Option(help="of the first random life")] = 0,
) -> None:
    """Walks the saga through every order of events, on the real decisions. Exit code 1 when a law is broken."""
    names = list(CUT) if cut else list(setup or [])
    setups = [] if not names and random > 0 else chosen(names)
    broken = 0
    results: list[Result] = []
    for of in setups:
        result = _walked(of, seconds, keep_known)
        results.append(result)
        end = "" if result.whole else "  cut off by time"
        out.print(
            f"{of.name:52} {result.states:>9,} states {result.transitions:>11,} transitions {result.rests:>5,} rests"
            f" {result.seconds:>7.1f} s  {'[red]BREACH[/red]' if result.breach else '[green]clean[/green]'}{end}",
            soft_wrap=True,
        )
        if result.breach:
            broken += 1
            _tell(result.breach, result.story)
    if results:
        whole = sum(result.whole and result.ok for result in results)
        out.print(
            f"{whole} of {len(results)} set-ups explored to the end: {sum(r.states for r in results):,} states, "
            f"{sum(r.transitions for r in results):,} transitions; breaches: {broken}",
            soft_wrap=True,
        )
    runs = random if random >= 0 else 0 if names else 1000
    if runs:
        found = _lived(runs, seed)
        out.print(
            f"{found.runs:,} random lives, {found.steps:,} steps, {found.seconds:.1f} s, {len(found.hit)} occasions"
        )
        if found.breach:
            broken += 1
            _tell(found.breach, tuple(told(found)))
    if broken:
        raise typer.Exit(1)


def _walked(of: SetUp, seconds: float, keep_known: bool) -> Result:
    with _progress() as bar:
        task = bar.add_task(of.name, total=None)

        def show(so_far: Result) -> None:
            bar.update(task, description=f"{of.name}: {so_far.states:,} states, {so_far.transitions:,} transitions")

        return walk(of, seconds, show, keep_known=keep_known)


def _lived(runs: int, seed: int) -> Lives:
    with _progress() as bar:
        task = bar.add_task("random lives", total=runs)

        def show(so_far: Lives) -> None:
            bar.update(task, completed=so_far.runs, description=f"random lives: {so_far.steps:,} steps")

        return lives(runs, seed, progress=show)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True),
        transient=True,
    )  # fmt: skip


def _tell(breach: str, story: tuple[str, ...]) -> None:
    out.print(f"  [red]{breach}[/red]", soft_wrap=True)
    for n, line in enumerate(story, 1):
        out.print(f"  {n:3} {line}", soft_wrap=True, markup=False)
