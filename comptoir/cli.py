"""The operator's command: `comptoir demo`, `up`, `serve`, `migrate`, `replay`, `verify`, `bench`, `parked`, ..."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from comptoir.accessing import access
from comptoir.acting import orders, parked, resend, staff
from comptoir.bench.cli import bench
from comptoir.cataloguing import products
from comptoir.keying import key
from comptoir.options import DATA, Bus, Data, known, one_of_the_buses, run
from comptoir.webhooking import webhooks

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
    host: Annotated[
        str, typer.Option(help="0.0.0.0 lets other machines in: first see that there is an account")
    ] = "127.0.0.1",
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
    from shared.settings import ServiceSettings

    said = ServiceSettings(database_url="postgresql://")  # it finds its own, or starts it
    level = said.log_level if "log_level" in said.model_fields_set else "WARNING"
    logs.configure(level, as_json=not sys.stderr.isatty())
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
    if service == "auditor":
        from comptoir.commands import serve_auditor

        run(serve_auditor())
    else:
        from comptoir.serving import serve_one

        run(serve_one(known(service)))


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
    from comptoir.verify import verify as check
    from comptoir.verify.packets import dead_letters

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
app.add_typer(key, name="key")
app.add_typer(parked, name="parked")
app.add_typer(orders, name="order")
app.add_typer(products, name="product")
app.add_typer(staff, name="staff")
app.add_typer(webhooks, name="webhooks")
app.command()(resend)


@app.command()
def rebuild(
    service: Annotated[str, typer.Argument(help="backoffice, whose tables are others' words")],
    lose_older: Annotated[
        bool, typer.Option("--lose-older", help="also when owners do not keep all that it was filled from")
    ] = False,
    data: Data = DATA,
) -> None:
    """Empties the read tables of the back office and fills them again from the owners' databases, equal to before.

    The services may run meanwhile.
    """
    from comptoir.commands import reached
    from comptoir.rebuilding import rebuild as make_anew

    if service != "backoffice":
        raise typer.BadParameter("only backoffice can be rebuilt", param_hint="service")
    with reached(data) as url:
        done = run(make_anew(url, lose_older=lose_older))
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
def einvoice(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="UBL 2.1 or UN/CEFACT CII")],
) -> None:
    """Checks electronic invoices, whoever wrote them, by the rules of EN 16931; ends with 1 where one breaks a rule."""
    from services.billing.einvoice import findings
    from services.billing.einvoice.reading import MAX_BYTES, Unreadable, read

    bad = 0
    for path in files:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        try:
            said = [f"{finding.rule}: {finding.says}" for finding in findings(read(content))]
        except Unreadable as unreadable:
            said = [str(unreadable)]
        bad += bool(said)
        for text in said or ["nothing is wrong"]:
            shown = "".join(letter if letter.isprintable() else "?" for letter in f"{path}: {text}")
            out.print(shown, markup=False, highlight=False, soft_wrap=True)
    if bad:
        raise typer.Exit(1)


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
        from comptoir.mendable import mendable

        if (said := mendable(error)) is None:
            raise
        err.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(2) from None
