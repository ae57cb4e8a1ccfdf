"""`comptoir webhooks`: other programs that are told of events: how they fare, a test, what failed sent again."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from comptoir.acting import AsJson, in_databases, me, utc
from comptoir.options import DATA, Data

# Everything else is imported by the command that needs it, so that --help answers at once.

out = Console()
webhooks = typer.Typer(
    no_args_is_help=True, help="Programs that are told of events: how they fare, a test, what failed sent again."
)
Name = Annotated[str, typer.Argument(help="its name or id, from `comptoir webhooks list`")]
By = Annotated[str, typer.Option("--by", help="who does it; stands in the audit")]


@webhooks.command("list")
def webhooks_list(data: Data = DATA, as_json: AsJson = False) -> None:
    """All webhooks: whether they take what is sent, how much waits, how much was given up."""
    from comptoir.webhooks import listed, print_webhooks

    print_webhooks(in_databases(lambda url, names: listed(url), data, "backoffice"), out, as_json)


@webhooks.command("failed")
def webhooks_failed(
    name: Annotated[str, typer.Argument(help="only of this one, by its name or id")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="at most so many of each webhook, the newest")] = 100,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Deliveries that were not taken: given up and not sent again since, or tried in vain so far, with the answer."""
    from comptoir.webhooks import not_taken, print_failed

    print_failed(in_databases(lambda url, names: not_taken(url, name, limit), data, "backoffice"), out, as_json)


@webhooks.command("test")
def webhooks_test(
    name: Name,
    wait: Annotated[float, typer.Option(min=0, max=600, help="seconds to wait for the answer")] = 20,
    by: By = "",
    data: Data = DATA,
) -> None:
    """Sends a test and says what was answered. Exit code 1 when it was not taken. The running back office sends it."""
    from comptoir.webhooks import tested

    who = by or me()
    done = in_databases(lambda url, names: tested(url, name, who, wait), data, "backoffice")
    if done.state == "unknown":
        out.print(f"no answer within {wait:g} s; the back office sends it when it runs", markup=False, highlight=False)
        raise typer.Exit(1)
    said = " ".join(text for text in (str(done.code or ""), done.why) if text)
    out.print(f"{'taken' if done.taken else 'not taken'}: {said}", markup=False, highlight=False)
    if not done.taken:
        raise typer.Exit(1)


@webhooks.command("replay")
def webhooks_replay(
    name: Name,
    since: Annotated[
        datetime | None,
        typer.Option("--since", help="all from this moment on, in UTC, also what was taken; else what was given up"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say how many events it would be")] = False,
    by: By = "",
    data: Data = DATA,
) -> None:
    """Sends again what was given up, under the same ids; the oldest first, at most 5,000 events at a time."""
    from comptoir.webhooks import replayed

    who = by or me()
    n = in_databases(lambda url, names: replayed(url, name, who, utc(since), dry_run=dry_run), data, "backoffice")
    out.print(f"{n:,} events {'would be' if dry_run else 'are'} sent again", markup=False, highlight=False)
