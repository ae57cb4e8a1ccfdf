"""`comptoir access`: the jobs of a deployment that make secrets, roles and users."""

import sys
from pathlib import Path
from typing import Annotated

import typer

# Everything else is imported by the command that needs it, so that --help answers at once.

WAIT_S = 60.0
"""How long a job waits for PostgreSQL or RabbitMQ."""

access = typer.Typer(
    no_args_is_help=True, help="Who may do what on PostgreSQL and RabbitMQ: secrets, roles and users of a deployment."
)
Kept = Annotated[Path, typer.Argument(file_okay=False, help="the folder with a folder of secrets per consumer")]


@access.command("secrets")
def access_secrets(
    folder: Kept,
    postgres: Annotated[str, typer.Option(help="host:port of PostgreSQL")] = "postgres:5432",
    rabbitmq: Annotated[str, typer.Option(help="host:port of RabbitMQ")] = "rabbitmq:5672",
    rabbitmq_authority: Annotated[
        str,
        typer.Option(help="lines to RabbitMQ are encrypted, and its certificate is verified by this file of each pod"),
    ] = "",
) -> None:
    """Makes random passwords where there are none yet, as addresses in files. What is there stays."""
    from comptoir.access import Secrets, make_secrets
    from comptoir.suite import know_topology
    from shared.messaging.topology import OPTIONAL

    know_topology(*OPTIONAL)
    typer.echo(f"{folder}: {make_secrets(Secrets(folder), postgres, rabbitmq, rabbitmq_authority)} files made")


@access.command("keep")
def access_keep(
    folder: Kept,
    consumer: Annotated[str, typer.Argument(help="who may read it: backoffice")],
    name: Annotated[str, typer.Argument(help="the name of its file: smtp_password")],
) -> None:
    """Keeps a secret that somebody else made, read from standard input, in place of what was there."""
    from comptoir.access import Secrets, keep_secret

    text = typer.prompt("Secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(65_536)
    keep_secret(Secrets(folder), consumer, name, text)
    typer.echo(f"{folder / consumer / name} is kept")


@access.command("databases")
def access_databases(folder: Kept) -> None:
    """Databases, and two roles per service: one owns and migrates, one works and may do no DDL. Repeatable."""
    from comptoir.access import Secrets, grant_databases
    from shared.serve import run, until_there

    async def work() -> None:
        async def reach() -> None:
            typer.echo(f"roles: {', '.join(await grant_databases(Secrets(folder)))}")

        await until_there("PostgreSQL", reach, WAIT_S)

    run(work())


@access.command("broker")
def access_broker(
    folder: Kept,
    management: Annotated[str, typer.Option(help="address of RabbitMQ's management API")] = "http://rabbitmq:15672",
) -> None:
    """Users of RabbitMQ: each service reads its own queue, publishes its own messages, declares nothing. Repeatable."""
    from comptoir.access import Secrets, grant_broker
    from comptoir.suite import know_topology
    from shared.messaging.topology import OPTIONAL
    from shared.serve import run, until_there

    know_topology(*OPTIONAL)

    async def work() -> None:
        async def reach() -> None:
            typer.echo(f"users: {', '.join(await grant_broker(Secrets(folder), management))}")

        await until_there("RabbitMQ", reach, WAIT_S)

    run(work())
