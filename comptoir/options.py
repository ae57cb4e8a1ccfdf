"""What the groups of commands share: the event loop, and options of the same meaning."""

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

DATA = Path(os.environ.get("COMPTOIR_DATA_DIR", ".comptoir"))
T = TypeVar("T")

Bus = Annotated[str, typer.Option("--bus", help="local: all in one process; rabbit: a process per service on RabbitMQ")]
Data = Annotated[Path, typer.Option("--data", help="folder of the embedded database")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop where there is one."""
    from shared.serve import run as on_a_loop

    return on_a_loop(work)


def one_of_the_buses(bus: str) -> Literal["local", "rabbit"]:
    if bus == "local":
        return "local"
    if bus == "rabbit":
        return "rabbit"
    raise typer.BadParameter("local or rabbit", param_hint="--bus")


def known(service: str) -> str:
    from comptoir.suite import MEMBERS

    if service not in MEMBERS:
        raise typer.BadParameter(f"one of {', '.join(MEMBERS)}", param_hint="service")
    return service
