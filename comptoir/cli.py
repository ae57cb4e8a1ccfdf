"""The operator's command: `comptoir demo`, `up`, `serve`, `migrate`, `replay`, `verify`, `bench`, `parked`, ..."""

import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from comptoir.accessing import access
from comptoir.bench.cli import bench
from comptoir.options import DATA, Bus, Data, one_of_the_buses, run

# Everything else is imported by the command that needs it, so that --help answers at once.

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The back office of a web shop."
)
out = Console()
err = Console(stderr=True)
T = TypeVar("T")


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the one door; 0 takes a free one")] = 8000,
    host: Annotated[str, typer.Option(help="0.0.0.0 lets other machines in; there are no passwords")] = "127.0.0.1",
    automatic: Annotated[
        bool,
        typer.Option(
            "--automatic/--by-hand",
            help="warehouses work by themselves and parcels arrive after 2 seconds, "
            "or each step of a shipment and return waits for its API call",
        ),
    ] = True,
    data: Data = DATA,
) -> None:
    """The whole suite in one process, until Ctrl-C. Its data survives, also a kill.

    PostgreSQL is embedded, the bus is in the process, and a payment provider and a carrier of development run beside
    the services as HTTP servers of their own, with switches for what goes wrong. An order that is placed walks through
    to the end by itself; with --by-hand it waits in the warehouse for people.
    """
    from comptoir.commands import serve_suite
    from comptoir.places import databases
    from shared import logging as logs

    logs.configure(os.environ.get("COMPTOIR_LOG_LEVEL", "WARNING"), as_json=not sys.stderr.isatty())
    data.mkdir(parents=True, exist_ok=True)
    with databases(data) as url:
        run(serve_suite(url, data, host, port, out, automatic=automatic))


@app.command()
def serve(
    service: Annotated[str, typer.Argument(help="order, inventory, fulfilment, billing, backoffice or auditor")],
) -> None:
    """One service on RabbitMQ and PostgreSQL; settings from the environment, prefix COMPTOIR_.

    Waits for both at start. SIGTERM finishes what is in hand and publishes it, then ends with exit code 0. The auditor
    checks the invariants of all services while they run; one copy is enough.
    """
    from comptoir.commands import serve_auditor, serve_one

    run(serve_auditor() if service == "auditor" else serve_one(known(service)))


def known(service: str) -> str:
    from comptoir.suite import MEMBERS

    if service not in MEMBERS:
        raise typer.BadParameter(f"one of {', '.join(MEMBERS)}", param_hint="service")
    return service


@app.command()
def migrate(
    service: Annotated[list[str] | None, typer.Argument(help="all when none is named")] = None, data: Data = DATA
) -> None:
    """Makes the databases that are missing and brings them to the newest revision."""
    from comptoir.places import databases
    from comptoir.suite import BUILD
    from comptoir.suite import migrate as bring

    names = tuple(known(name) for name in service or BUILD)
    with databases(data) as url:
        run(bring(url, names))
    out.print(f"{', '.join(names)}: at the newest revision")


@app.command()
def topology(
    beside: Annotated[
        list[str] | None, typer.Option("--with", help="a service that is not part of every suite, as backoffice")
    ] = None,
) -> None:
    """Declares exchange, queues and bindings on RabbitMQ. Run it before the services; safe to run again.

    A queue is declared for who will read it: with nobody to read it, it would only grow.
    """
    from comptoir.places import broker
    from comptoir.suite import know_topology
    from shared.messaging.rabbit import declare
    from shared.messaging.topology import queues

    know_topology(*map(known, beside or ()))
    with broker() as url:
        run(declare(url))
    for queue in queues():
        out.print(f"{queue.name}: {len(queue.keys)} kinds of messages")


@app.command()
def demo(
    data: Data = DATA / "demo",
    as_json: Annotated[bool, typer.Option("--json", help="one line for machines instead of tables")] = False,
    joins: Annotated[
        bool,
        typer.Option("--running", envvar="COMPTOIR_RUNNING", help="into a suite that runs already, over its RabbitMQ"),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="of the pages afterwards; a free one if it is taken")
    ] = 8000,
) -> None:
    """The first 1,000 invoices of a real shop through the whole saga, on an embedded PostgreSQL; every figure compared.

    At a terminal the pages are served afterwards, filled with these orders, until Ctrl-C; not with EXIT=1 in the
    environment. Ends with exit code 1 if anything differs. Run again, or after a kill, it goes on where it was.
    """
    from comptoir.places import databases
    from comptoir.replaying import replay_file
    from comptoir.retail.reader import sample_figures_path, sample_path
    from shared import logging as logs

    logs.configure("WARNING", as_json=False)
    with databases(data, "comptoir_" if joins else "comptoir_demo_") as url:
        outcome = run(replay_file(sample_path(), url, data, err, figures_file=sample_figures_path(), joins=joins))
        finish(outcome, as_json)
        if not as_json and not joins and stays():
            from comptoir.commands import serve_suite

            run(serve_suite(url, data, "127.0.0.1", port_or_another(port), out))


def stays() -> bool:
    """Somebody sits at a terminal and did not say that they want the exit code."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("EXIT", "") != "1"


def port_or_another(port: int) -> int:
    """This port, or 0 for any when it is taken."""
    import socket

    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="UCI Online Retail, .csv or .csv.gz")],
    bus: Bus = "local",
    opening_stock: Annotated[
        str, typer.Option(help="ample: nothing waits; oracle: a quarter of it, most waits")
    ] = "ample",
    disturbed: Annotated[bool, typer.Option(help="publish every packet twice and shuffled")] = False,
    figures: Annotated[
        Path | None, typer.Option(exists=True, help="a figures.json; else computed from the file")
    ] = None,
    invoices_out: Annotated[Path | None, typer.Option(help="CSV: our totals of every invoice")] = None,
    movements_out: Annotated[Path | None, typer.Option(help="CSV: our movements of every stock code")] = None,
    keep: Annotated[bool, typer.Option(help="go on where an earlier replay of this file stopped")] = False,
    reports: Annotated[bool, typer.Option(help="fill the back office and compare its reports too")] = False,
    data: Data = DATA / "replay",
    as_json: Annotated[bool, typer.Option("--json", help="one line for machines instead of tables")] = False,
) -> None:
    """A whole file of invoices through the suite, compared with figures computed without it."""
    from comptoir.places import databases, drop_databases
    from comptoir.replaying import replay_file
    from comptoir.suite import MEMBERS
    from shared import logging as logs

    if opening_stock not in ("ample", "oracle"):
        raise typer.BadParameter("ample or oracle", param_hint="--opening-stock")
    logs.configure("WARNING", as_json=False)
    name = f"comptoir_replay_{opening_stock}"
    data /= opening_stock
    with databases(data, f"{name}_") as url:

        async def work() -> Any:
            if not keep:
                await drop_databases(url, tuple(MEMBERS))
            return await replay_file(
                file,
                url,
                data,
                err,
                bus=one_of_the_buses(bus),
                opening=opening_stock,  # type: ignore[arg-type]
                disturbed=disturbed,
                prefix=name.replace("_", "-"),
                figures_file=figures,
                invoices_out=invoices_out,
                movements_out=movements_out,
                reports=reports,
            )

        outcome = run(work())
    finish(outcome, as_json)


def finish(outcome: Any, as_json: bool) -> None:
    from comptoir.replaying import as_json as line
    from comptoir.replaying import show

    if as_json:
        typer.echo(line(outcome))
    else:
        show(outcome, out)
    if not outcome.good:
        raise typer.Exit(1)


@app.command()
def verify(
    data: Data = DATA,
    bus: Annotated[
        str, typer.Option("--bus", help="rabbit: look at the broker's dead-letter queues as well")
    ] = "local",
    provider: Annotated[
        str, typer.Option(help="address of a payment provider with GET /book, to be compared with our operations")
    ] = "",
) -> None:
    """Checks every invariant over the live databases; prints counts and each breach with its document."""
    from comptoir.commands import reached
    from comptoir.places import broker
    from comptoir.rest import Databases
    from comptoir.suite import BUILD, know_topology
    from comptoir.verify import dead_letters
    from comptoir.verify import verify as check

    know_topology()
    looks_at_broker = one_of_the_buses(bus) == "rabbit"
    with reached(data) as url:

        async def work() -> Any:
            async with Databases(url, tuple(BUILD)) as connections:
                findings = await check(connections, provider_url=provider)
            if looks_at_broker:
                with broker() as address:
                    findings.append(await dead_letters(address))
            return findings

        findings = run(work())
    bad = 0
    for finding in findings:
        checked = f"{finding.checked:>12,} checked" if finding.applicable else "not at rest, not checked"
        out.print(f"{finding.name:<60} {checked}, {len(finding.breaches)} breaches")
        for breach in finding.breaches:
            out.print(f"  [red]{breach}[/red]")
        bad += len(finding.breaches)
    if bad:
        raise typer.Exit(1)


app.add_typer(access, name="access")
app.add_typer(bench, name="bench")


parked = typer.Typer(
    no_args_is_help=True, help="Messages that nobody could handle: see them, and what to do with them."
)
app.add_typer(parked, name="parked")

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
    """Who replayed, dropped or resent what, when, why, and what came of it."""
    from comptoir.operating import acts, print_acts

    print_acts(in_databases(lambda url, names: acts(url, names, limit), data, service), out, as_json)


orders = typer.Typer(no_args_is_help=True, help="Orders that wait for a person: see them, resume or cancel them.")
app.add_typer(orders, name="order")

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


@app.command()
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
app.add_typer(staff, name="staff")


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


@staff.command("list")
def staff_list(data: Data = DATA) -> None:
    """All accounts with their roles."""
    from comptoir.staffing import accounts

    for account in in_databases(lambda url, names: accounts(url), data, "backoffice"):
        gone = "" if account["active"] else ", gone"
        out.print(f"{account['name']}: {', '.join(account['roles'])}{gone} ({account['shown']})", markup=False)


@app.command()
def rebuild(
    service: Annotated[str, typer.Argument(help="backoffice, whose tables are others' words")], data: Data = DATA
) -> None:
    """Empties the read tables of the back office and fills them again from the owners' databases, equal to before.

    The services may run meanwhile.
    """
    from comptoir.commands import reached
    from comptoir.rebuilding import rebuild as make_anew

    if service != "backoffice":
        raise typer.BadParameter("only backoffice can be rebuilt", param_hint="service")
    with reached(data) as url:
        done = run(make_anew(url))
    out.print(f"{done.packets:,} packets with {done.events:,} events read, {done.orders:,} looks at orders")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def explore(context: typer.Context) -> None:
    """Walks the saga through every order of events, on the real decisions."""
    from comptoir.explore.cli import explore as walk

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command()(walk)
    alone(context.args, prog_name="comptoir explore")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def simulate(context: typer.Context) -> None:
    """Runs the suite against a model world in which everything goes wrong, by seeds."""
    from comptoir.simulate.cli import simulate as run

    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command()(run)
    alone(context.args, prog_name="comptoir simulate")


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="where they are written")] = Path("docs"),
) -> None:
    """Writes what is generated: the saga from its table, AsyncAPI, OpenAPI."""
    from comptoir.docs import write_docs

    for path in write_docs(folder) or ():
        out.print(f"{path}")


def main() -> None:
    """What a person can mend ends with a sentence, not with a traceback. SIGTERM ends what was started, too."""
    from shared.endings import end_at_sigterm

    end_at_sigterm()
    try:
        app()
    except Exception as error:
        if (said := mendable(error)) is None:
            raise
        err.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2) from None


def mendable(error: Exception) -> str | None:
    """The sentence for a person who can mend it; None for a fault of ours."""
    from asyncpg import InvalidCatalogNameError
    from pydantic import ValidationError
    from sqlalchemy.exc import ArgumentError

    from comptoir.postgres import PostgresFailed
    from comptoir.rabbit import RabbitFailed
    from shared.serve import NotHere, wrong_settings
    from shared.settings import WrongSetting

    if isinstance(error, ValidationError) and error.title.endswith("Settings"):
        return wrong_settings(error)
    if isinstance(error, ArgumentError):
        return "COMPTOIR_DATABASE_URL is not the URL of a PostgreSQL server: postgresql://user:password@host:5432"
    if isinstance(error, InvalidCatalogNameError):
        return f"{error}: run `comptoir migrate`, or name the folder of another server with --data"
    return str(error) if isinstance(error, NotHere | PostgresFailed | RabbitFailed | WrongSetting) else None
