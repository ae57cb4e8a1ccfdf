"""`comptoir simulate`: many seeds as one line of JSON, or one seed as a story."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from comptoir.simulate.plan import Case
from comptoir.simulate.run import Result, cores, shrink, story, whole
from comptoir.simulate.run import simulate as run

out = Console(highlight=False)


def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="so many histories of 8 orders")] = 1000,
    first: Annotated[int, typer.Option("--from", min=0, help="the first seed")] = 0,
    jobs: Annotated[int, typer.Option(min=0, help="processes; 0: one per core")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="tell the story of this seed instead")] = None,
    minimal: Annotated[
        bool, typer.Option("--minimal", help="with --seed: leave out whatever the breach does not need, then tell")
    ] = False,
    seconds: Annotated[float, typer.Option(help="at most so long for leaving things out")] = 120.0,
) -> None:
    """Runs the suite in one process against a model world, with faults. Exit code 1 when a law is broken."""
    if seed is not None:
        raise typer.Exit(_tell(seed, minimal, seconds))
    jobs = jobs or cores()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("histories", total=seeds)

        def show(so_far: Result) -> None:
            what = f"{so_far.histories:,} histories, {so_far.events:,} events, {len(so_far.breaches)} violations"
            bar.update(task, completed=so_far.histories, description=what)

        result = run(seeds, first, jobs, show)
    print(result.line(jobs))
    if not result.ok:
        raise typer.Exit(1)


def _tell(seed: int, minimal: bool, seconds: float) -> int:
    case = Case(seed)
    if minimal:
        told = shrink(case, seconds)
        if told.breach:
            case = told.case
            named = whole(case, told)
            out.print(f"needs orders {_list(named.orders)}, wishes {_list(named.wishes)}, ", end="")
            out.print(f"errands {_list(named.errands)}, ", end="")
            out.print(f"incidents {_list(named.incidents)}, faults {_list(named.hits)}", soft_wrap=True, markup=False)
    told, lines = story(case)
    for line in lines:
        out.print(line, soft_wrap=True, markup=False)
    return 1 if told.breach else 0


def _list(things: object) -> str:
    items = sorted(things or ())  # type: ignore[call-overload]
    return ", ".join(" ".join(map(str, of)) if isinstance(of, tuple) else str(of) for of in items) or "none"
