"""`comptoir demo` and `comptoir replay`: run a file through the suite, show it, compare every figure."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from comptoir.outcome import expected, figures, invoices, movements
from comptoir.replay import CHANNEL, Connections, Opening, Replay, read_retail
from comptoir.reporting import compared
from comptoir.rest import at_rest, provider_answered
from comptoir.retail.figures import Difference, differences, load
from comptoir.retail.writers import write_invoices, write_movements
from comptoir.runs import attached, running
from comptoir.sender import Sender
from comptoir.suite import BusName
from comptoir.verify import verify
from comptoir.verify.audit import Finding
from shared import clock


@dataclass
class Outcome:
    """What a replay came to."""

    seconds: float
    ours: dict[str, Any]
    expected: dict[str, Any]
    wrong: list[Difference]
    findings: list[Finding]
    states: dict[str, int] = field(default_factory=dict)
    money: dict[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not self.wrong and all(finding.good for finding in self.findings)


async def replay_file(
    path: Path,
    database_url: str,
    data: Path,
    out: Console,
    *,
    bus: BusName = "local",
    opening: Opening = "ample",
    disturbed: bool = False,
    prefix: str = "comptoir",
    figures_file: Path | None = None,
    invoices_out: Path | None = None,
    movements_out: Path | None = None,
    joins: bool = False,
    reports: bool = False,
) -> Outcome:
    """Everything from reading the file to the comparison. The databases keep the result.

    `joins`: a suite that runs already, on RabbitMQ; figures are compared unless it has orders that are not of a file.
    `reports`: also those of the back office, whose read tables are filled for it.
    """
    retail = read_retail(path)
    bars = Progress(
        TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out
    )
    tasks: dict[str, Any] = {}

    def progress(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=of)
        bars.update(tasks[what], completed=done, total=of)

    began = time.monotonic()
    async with (
        attached(database_url)
        if joins
        else running(database_url, bus, data / "logs", disturbed=disturbed, prefix=prefix) as run
    ):
        sender = Sender(run.bus, f"{retail.name}/{opening}", clock.now, run.breathe)
        settled = provider_answered if joins else at_rest
        replay = Replay(retail, sender, run.connections, opening, progress, settled)
        with bars:
            await replay.go()
        seconds = time.monotonic() - began
        ours = await figures(replay, opening)
        should: dict[str, Any] = {}
        if not joins or not await strangers(run.connections):
            should = load(figures_file) if figures_file else expected(retail, opening)
        wrong = differences(should, ours, partly=True) if should else []
        findings = await verify(run.connections)
        if reports and should and opening == "ample":
            n, differ = await compared(retail, database_url, should)
            wrong += differ
            findings.append(Finding("reports equal the file", n, [str(difference) for difference in differ]))
        if invoices_out:
            write_invoices(await invoices(replay), invoices_out)
        if movements_out:
            write_movements(await movements(run.connections, retail), movements_out)
        return Outcome(
            seconds,
            ours.as_tree(),
            should,
            wrong,
            findings,
            await states(run.connections),
            await totals(run.connections),
        )


async def strangers(connections: Connections) -> int:
    """Orders that no file brought."""
    count: int = await connections["order"].fetchval("select count(*) from orders where channel <> $1", CHANNEL)
    return count


async def states(connections: Connections) -> dict[str, int]:
    """Orders by status."""
    rows = await connections["order"].fetch("select status, count(*) as n from progress group by 1 order by 2 desc")
    return {row["status"]: row["n"] for row in rows}


async def totals(connections: Connections) -> dict[str, Any]:
    """Money as billing has it."""
    row = await connections["billing"].fetchrow(
        """select (select count(*) from invoices) as invoices, (select coalesce(sum(net), 0) from invoices) as net,
                  (select coalesce(sum(vat), 0) from invoices) as vat, (select coalesce(sum(gross), 0) from invoices)
                  as gross, (select count(*) from credit_notes) as credit_notes,
                  (select coalesce(sum(gross), 0) from credit_notes) as credited,
                  (select coalesce(sum(captured), 0) from accounts) as captured,
                  (select coalesce(sum(refunded), 0) from accounts) as refunded,
                  (select count(*) from unmatched_credits) as credits_for_review"""
    )
    assert row is not None
    return {key: (f"{value:f}" if hasattr(value, "normalize") else value) for key, value in row.items()}


def show(outcome: Outcome, out: Console) -> None:
    """The closing tables."""
    table = Table("orders by state", "orders", title="Orders")
    for status, count in outcome.states.items():
        table.add_row(status, f"{count:,}")
    out.print(table)
    table = Table("figure", "amount", title="Money")
    for name, value in outcome.money.items():
        table.add_row(name, str(value))
    out.print(table)
    table = Table("figure", "expected", "ours", "", title="Compared with figures computed without the services")
    wrong = {difference.name for difference in outcome.wrong}
    expected = dict(flat(outcome.expected))
    for name, value in flat(outcome.ours):
        mark = "[red]differs[/red]" if name in wrong else "[green]equal[/green]" if expected else "not compared"
        table.add_row(name, str(expected.get(name, "")), str(value), mark)
    out.print(table)
    for difference in outcome.wrong:
        out.print(f"[red]{difference}[/red]")
    table = Table("invariant", "checked", "breaches", title="Invariants")
    for finding in outcome.findings:
        table.add_row(
            finding.name, f"{finding.checked:,}", f"[red]{finding.breaches}[/red]" if finding.breaches else "0"
        )
    out.print(table)
    for finding in outcome.findings:
        for breach in finding.breaches[:10]:
            out.print(f"[red]{finding.name}: {breach}[/red]")
    equal = "every figure equal" if expected else "figures not compared, as there are other orders too"
    verdict = f"[green]{equal}, every invariant holds[/green]" if outcome.good else "[red]NOT equal[/red]"
    out.print(f"{outcome.seconds:.1f} s: {verdict}")


def flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted names, months and weekdays left out of the display."""
    rows: list[tuple[str, Any]] = []
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            rows += flat(value, f"{path}.")
        elif not isinstance(value, list):
            rows.append((path, value))
    return rows


def as_json(outcome: Outcome) -> str:
    """One line for machines: our figures under the names of figures.json, and what differs."""
    return json.dumps(
        outcome.ours
        | {
            "seconds": round(outcome.seconds, 1),
            "orders_by_state": outcome.states,
            "money": outcome.money,
            "differences": [str(difference) for difference in outcome.wrong],
            "invariants": {finding.name: [finding.checked, len(finding.breaches)] for finding in outcome.findings},
        }
    )
