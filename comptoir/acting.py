"""What a person does to messages, orders, accounts, under a name: `comptoir parked`, `order`, `resend`, `staff`."""

import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from comptoir.options import DATA, Data, known, run

# Everything else is imported by the command that needs it, so that --help answers at once.

out = Console()
T = TypeVar("T")

parked = typer.Typer(
    no_args_is_help=True, help="Messages that nobody could handle: see them, and what to do with them."
)

Of = Annotated[str, typer.Option("--service", help="only this one's; else all services are asked")]
By = Annotated[str, typer.Option("--by", help="who does it; kept with the message")]
Key = Annotated[str, typer.Option("--key", help="only messages whose name begins so, as billing. or order.place")]
Cause = Annotated[str, typer.Option("--cause", help="only those whose reason holds this, as Missing")]
About = Annotated[str, typer.Option("--of", help="only those about this document, as an order's id")]
Since = Annotated[datetime | None, typer.Option("--since", help="only from this moment on, in UTC")]
Why = Annotated[str, typer.Option("--reason", help="why; kept with the act")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


def utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def me() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"


def in_databases(work: Callable[[str, tuple[str, ...]], Coroutine[Any, Any, T]], data: Path, service: str) -> T:
    """Runs work over the databases of these services, which need not run."""
    from comptoir.commands import reached
    from comptoir.suite import BUILD
    from shared import logging as logs

    logs.configure("ERROR", as_json=False)
    names = (known(service),) if service else tuple(BUILD)
    with reached(data) as url:
        return run(work(url, names))


@parked.command("list")
def parked_list(
    service: Of = "",
    key: Key = "",
    cause: Cause = "",
    of: About = "",
    since: Since = None,
    state: Annotated[str, typer.Option(help="parked, replayed, dropped or all")] = "parked",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many of each service, the oldest")] = 100,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Which messages wait for a person, and why. The oldest first."""
    from comptoir.operating import listed, print_list
    from shared.parked import Chosen

    if state not in ("parked", "replayed", "dropped", "all"):
        raise typer.BadParameter("parked, replayed, dropped or all", param_hint="--state")
    chosen = Chosen(key, cause, of, utc(since))
    found = in_databases(lambda url, names: listed(url, names, state, chosen, limit), data, service)
    print_list(found, out, as_json)


Id = Annotated[str, typer.Argument(help="its id, from `comptoir parked list`")]


@parked.command("show")
def parked_show(id: Id, service: Of = "", data: Data = DATA, as_json: AsJson = False) -> None:
    """One message: the cause, how it differs from the contract, what was done with it, and its text."""
    from comptoir.operating import as_id, shown

    wanted = as_id(id)
    typer.echo(in_databases(lambda url, names: shown(url, names, wanted, as_json), data, service))


@parked.command("replay")
def parked_replay(
    id: Annotated[str | None, typer.Argument(help="its id, from `comptoir parked list`; or --all")] = None,
    every: Annotated[bool, typer.Option("--all", help="all that are parked now, the oldest first")] = False,
    service: Of = "",
    key: Key = "",
    cause: Cause = "",
    of: About = "",
    since: Since = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would come of it")] = False,
    by: By = "",
    reason: Why = "",
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Decides a message again, once, now that the cause is gone. Exit code 1 when one fails again.

    What it sends lies in the outbox, and goes out with the service's relay.
    """
    from comptoir.operating import as_id, print_replayed, replayed
    from shared.parked import Chosen

    if (id is None) != every:
        raise typer.BadParameter("either an id or --all")
    wanted = None if id is None else as_id(id)
    chosen = Chosen(key, cause, of, utc(since))
    results = in_databases(
        lambda url, names: replayed(url, names, wanted, by or me(), chosen=chosen, dry_run=dry_run, why=reason),
        data,
        service,
    )
    if not print_replayed(results, out, dry_run, as_json):
        raise typer.Exit(1)


@parked.command("drop")
def parked_drop(
    id: Id,
    reason: Annotated[str, typer.Option("--reason", help="why nobody has to handle it; kept with the message")],
    service: Of = "",
    by: By = "",
    data: Data = DATA,
) -> None:
    """Puts a message aside for good. It stays in the table, with who did it and why."""
    from comptoir.operating import as_id, dropped

    if not reason.strip():
        raise typer.BadParameter("a reason is needed", param_hint="--reason")
    wanted = as_id(id)
    out.print(in_databases(lambda url, names: dropped(url, names, wanted, by or me(), reason), data, service))


@parked.command("acts")
def parked_acts(
    service: Of = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="at most so many, the newest")] = 50,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Who replayed, dropped, resent or imported what, when, why, and what came of it."""
    from comptoir.operating import acts, print_acts

    print_acts(in_databases(lambda url, names: acts(url, names, limit), data, service), out, as_json)


orders = typer.Typer(
    no_args_is_help=True, help="Orders that wait for a person: see them, resume or cancel them; orders from a file."
)

OrderId = Annotated[str, typer.Argument(help="its id or number, from `comptoir order waiting`")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what it would do, and the quote for exactly that")]
Quote = Annotated[str, typer.Option("--quote", help="from --dry-run: nothing is done if the order changed since")]


@orders.command("waiting")
def order_waiting(data: Data = DATA, as_json: AsJson = False) -> None:
    """Which orders wait for staff, and why: holds, parked operations, parked messages."""
    from comptoir.ordering import print_waiting, waiting

    print_waiting(in_databases(waiting, data, ""), out, as_json)


def decide(wishes: Callable[[str], Coroutine[Any, Any, Any]], dry_run: bool, data: Path, as_json: bool) -> None:
    from comptoir.ordering import done, previewed, print_results

    async def work(url: str, names: tuple[str, ...]) -> Any:
        return await (previewed if dry_run else done)(url, await wishes(url))

    if not print_results(in_databases(work, data, ""), out, as_json):
        raise typer.Exit(1)


@orders.command("resume")
def order_resume(
    order: OrderId,
    hold: Annotated[str, typer.Option("--hold", help="which hold to take away, if there are several")] = "",
    service: Annotated[str, typer.Option("--service", help="billing or fulfilment: try again what it parked")] = "",
    dry_run: DryRun = False,
    quote: Quote = "",
    reason: Why = "",
    by: By = "",
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Lets it go on: takes a hold away, or tries again what billing or fulfilment parked. Exit code 1 when refused."""
    from comptoir.ordering import to_resume

    if service not in ("", "order", "billing", "fulfilment"):
        raise typer.BadParameter("billing or fulfilment", param_hint="--service")
    who = by or me()
    decide(lambda url: to_resume(url, order, who, reason, quote, hold=hold, service=service), dry_run, data, as_json)


@orders.command("cancel")
def order_cancel(
    order: OrderId,
    dry_run: DryRun = False,
    quote: Quote = "",
    reason: Why = "",
    by: By = "",
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Compensates: cancels all that is not out; stock, money and shipments are given back. Exit code 1 when refused."""
    from comptoir.ordering import to_cancel

    who = by or me()
    decide(lambda url: to_cancel(url, order, who, reason, quote), dry_run, data, as_json)


@orders.command("import")
def order_import(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, as the page Orders from a file says")],
    place: Annotated[bool, typer.Option("--place", help="place them; without it nothing is done")] = False,
    good: Annotated[bool, typer.Option("--good", help="with --place: the good ones, though others are wrong")] = False,
    errors: Annotated[
        Path | None, typer.Option("--errors", dir_okay=False, help="write the rows with faults here, to be mended")
    ] = None,
    mark: Annotated[str, typer.Option("--mark", help="decimal mark, . or ,; else as the file says")] = "",
    zone: Annotated[str, typer.Option("--zone", envvar="COMPTOIR_TIME_ZONE", help="of moments that name none")] = "UTC",
    by: By = "",
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Looks at a file of orders, or with --place places them, each once however often. Exit code 1 when one is wrong.

    With --place and a fault anywhere nothing is placed, unless --good says that the others are.
    """
    from comptoir.importing import import_orders, print_import, read_file, write_errors

    if mark not in ("", ".", ","):
        raise typer.BadParameter("a point or a comma", param_hint="--mark")
    orders = read_file(file, zone, mark)
    who = by or me()
    done = in_databases(lambda url, names: import_orders(url, orders, who, place=place, despite=good), data, "order")
    if errors is not None:
        write_errors(errors, orders, done.told)
    if not print_import(done, orders, out, as_json):
        raise typer.Exit(1)


def resend(
    since: Annotated[datetime, typer.Option(help="what was sent from this moment on, in UTC: 2026-01-31T12:00:00")],
    service: Of = "",
    key: Key = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
    by: By = "",
    reason: Why = "",
    data: Data = DATA,
) -> None:
    """Sends again what was sent before, after a queue was purged or lost. Whoever has it already ignores it."""
    from comptoir.operating import resent

    moment = since.replace(tzinfo=UTC)
    counts = in_databases(
        lambda url, names: resent(url, names, moment, key, dry_run, by or me(), reason), data, service
    )
    for (name, of), count in sorted(counts.items()):
        out.print(f"{name:<12} {of:<44} {count:>8,} packets")
    will = "would be sent again" if dry_run else "are unsent again; the relays send them within seconds"
    out.print(f"{sum(counts.values()):,} packets {will}")


staff = typer.Typer(no_args_is_help=True, help="Who may log in to the pages. With the first account nobody else can.")
Name = Annotated[str, typer.Argument(help="the name to log in with")]


@staff.command("set")
def staff_set(
    name: Annotated[str, typer.Argument(help="the name to log in with; it stands in the history of what is done")],
    role: Annotated[
        list[str], typer.Option("--role", help="picker, packer, support, finance or admin; may be repeated")
    ],
    shown: Annotated[str, typer.Option(help="the name for people")] = "",
    active: Annotated[bool, typer.Option("--active/--gone", help="--gone: cannot log in any more")] = True,
    keep_password: Annotated[bool, typer.Option("--keep-password", help="of an account that is there")] = False,
    by: By = "",
    data: Data = DATA,
) -> None:
    """Makes or changes an account; its open sessions end. The password is asked for, or the first line of input."""
    from comptoir.staffing import ROLES, hashed, set_account

    if wrong := sorted(set(role) - set(ROLES)):
        raise typer.BadParameter(f"{', '.join(wrong)}: there are {', '.join(ROLES)}", param_hint="--role")
    password = ""
    if not keep_password:
        asked = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if sys.stdin.isatty() else ""
        try:
            password = hashed(asked or sys.stdin.readline().rstrip("\n"))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="password") from None
    in_databases(
        lambda url, names: set_account(url, name, shown, tuple(role), password, active, by or me()), data, "backoffice"
    )
    out.print(f"{name}: {', '.join(sorted(set(role)))}{'' if active else ', gone'}", markup=False)


@staff.command("remove")
def staff_remove(name: Name, by: By = "", data: Data = DATA) -> None:
    """Nobody gets in with this account any more, and its open sessions end; its roles and password stay."""
    from comptoir.staffing import let_in

    in_databases(lambda url, names: let_in(url, name, False, by or me()), data, "backoffice")
    out.print(f"{name}: gone", markup=False)


@staff.command("restore")
def staff_restore(name: Name, by: By = "", data: Data = DATA) -> None:
    """The account gets in again, with the roles and the password it had."""
    from comptoir.staffing import let_in

    in_databases(lambda url, names: let_in(url, name, True, by or me()), data, "backoffice")
    out.print(f"{name}: gets in again", markup=False)


@staff.command("list")
def staff_list(data: Data = DATA) -> None:
    """All accounts with their roles."""
    from comptoir.staffing import accounts

    for account in in_databases(lambda url, names: accounts(url), data, "backoffice"):
        gone = "" if account["active"] else ", gone"
        out.print(f"{account['name']}: {', '.join(account['roles'])}{gone} ({account['shown']})", markup=False)
