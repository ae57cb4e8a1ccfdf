"""`comptoir bench ...`: the commands; what each measures is in the module of its name."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from comptoir.options import DATA, Bus, Data, one_of_the_buses, run

bench = typer.Typer(no_args_is_help=True, help="Measures; each prints one JSON line and verifies what it did.")
Replicas = Annotated[int, typer.Option(min=1, max=16, help="copies of each service, on RabbitMQ")]


def measured(data: Path, work: Callable[[str], Awaitable[dict[str, Any]]], name: str = "comptoir_bench") -> None:
    """Runs a benchmark on new databases, prints its line; exit code 1 when an invariant is broken."""
    from comptoir.bench.measuring import line
    from comptoir.places import databases, drop_databases
    from comptoir.suite import MEMBERS
    from shared import logging as logs

    logs.configure("WARNING", as_json=False)
    with databases(data, f"{name}_") as url:

        async def on_nothing() -> dict[str, Any]:
            await drop_databases(url, tuple(MEMBERS))
            return await work(url)

        result = run(on_nothing())
    typer.echo(line(result))
    if result["violations"]:
        raise typer.Exit(1)


@bench.command()
def saga(
    orders: Annotated[int, typer.Option(min=1, max=1_000_000, help="placed up front, without --rate")] = 10_000,
    bus: Bus = "local",
    rate: Annotated[float, typer.Option(min=0, max=10_000, help="orders a second, one by one, on RabbitMQ")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="how long orders are placed at --rate")] = 15,
    over: Annotated[str, typer.Option(help="bus or http: how orders are placed at --rate")] = "bus",
    replicas: Replicas = 1,
    office: Annotated[bool, typer.Option(help="with the back office: how far it is behind at the end")] = False,
    data: Data = DATA / "bench",
) -> None:
    """Complete two-line orders until invoiced, captured, delivered: per second, or how long each takes at a rate."""
    chosen = one_of_the_buses(bus)
    if over not in ("bus", "http"):
        raise typer.BadParameter("bus or http", param_hint="--over")
    if chosen == "local" and (rate or replicas > 1 or office):
        raise typer.BadParameter("--rate, --replicas and --office need RabbitMQ", param_hint="--bus")
    if rate and office:
        raise typer.BadParameter("how far it is behind at a rate is measured by `bench pages`", param_hint="--office")

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.saga import bench_rate, bench_saga

        if rate:
            way: Any = over
            return await bench_rate(url, data, rate, seconds, over=way, replicas=replicas)
        return await bench_saga(url, chosen, data, orders, replicas=replicas, office=office)

    measured(data, work)


@bench.command()
def replay(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="else the sample that is here")
    ] = None,
    bus: Bus = "local",
    data: Data = DATA / "bench",
) -> None:
    """Lines a second of a file of real invoices, every figure compared."""
    chosen = one_of_the_buses(bus)

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.others import bench_replay
        from comptoir.retail.reader import sample_path

        return await bench_replay(url, chosen, data, file or sample_path())

    measured(data, work)


@bench.command()
def intake(
    orders: Annotated[int, typer.Option(min=1, max=1_000_000)] = 5_000,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="orders per request; 1: POST /orders")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="keep-alive connections, each one request")] = 64,
    replicas: Replicas = 1,
    by_key: Annotated[bool, typer.Option("--by-key", help="the services demand an API key")] = False,
    data: Data = DATA / "bench",
) -> None:
    """Orders over HTTP, until the last is answered and until all are completed; on RabbitMQ."""

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.intake import bench_intake

        return await bench_intake(
            url, data, orders, batch=batch, connections=connections, replicas=replicas, by_key=by_key
        )

    measured(data, work)


@bench.command()
def queries(
    orders: Annotated[int, typer.Option(min=1, max=5_000_000, help="stored, finished orders")] = 100_000,
    requests: Annotated[int, typer.Option(min=1, max=100_000, help="of each query")] = 200,
    data: Data = DATA / "bench",
) -> None:
    """Lists, searches and pages over HTTP at many stored orders: p50, p95, p99 of each."""

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.queries import bench_queries

        return await bench_queries(url, data, orders, requests)

    measured(data, work)


@bench.command()
def pages(
    stored: Annotated[int, typer.Option(min=5, max=1_000_000, help="finished orders that are there before")] = 100_000,
    pages_per_s: Annotated[float, typer.Option(min=0.1, max=1000, help="pages that staff ask for")] = 20,
    orders_per_s: Annotated[float, typer.Option(min=0, max=10_000, help="orders that come meanwhile")] = 50,
    seconds: Annotated[float, typer.Option(min=1, max=3600)] = 30,
    data: Data = DATA / "bench",
) -> None:
    """Pages of the back office while orders flow: p50, p95, p99 of each, and how far its tables are behind."""

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.pages import bench_pages

        return await bench_pages(url, data, stored, pages_per_s=pages_per_s, orders_per_s=orders_per_s, seconds=seconds)

    measured(data, work)


@bench.command()
def growth(
    orders: Annotated[int, typer.Option(min=1, max=1_000_000, help="of each run")] = 5_000,
    stored: Annotated[int, typer.Option(min=1, max=5_000_000, help="finished orders that are there before")] = 100_000,
    runs: Annotated[int, typer.Option(min=1, max=20, help="of each, in turn")] = 1,
    bus: Bus = "local",
    data: Data = DATA / "bench",
) -> None:
    """Orders per second with many finished orders already stored, against empty databases."""
    chosen = one_of_the_buses(bus)

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.others import bench_growth

        return await bench_growth(url, chosen, data, orders, stored, runs)

    measured(data, work)


@bench.command()
def memory(
    messages: Annotated[int, typer.Option(min=1, max=1_000_000, help="orders, each in a message of its own")] = 100_000,
    data: Data = DATA / "bench",
) -> None:
    """Memory of each process while a backlog is worked off; on RabbitMQ."""

    async def work(url: str) -> dict[str, Any]:
        from comptoir.bench.others import bench_memory

        return await bench_memory(url, data, messages)

    measured(data, work)
