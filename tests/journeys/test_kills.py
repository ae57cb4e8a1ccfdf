"""kill -9, in the middle of everything: of each service as a process of its own, and of a replay of real invoices."""

import asyncio
import csv
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from comptoir.bench.work import prepare, two_lines
from comptoir.rest import at_rest
from comptoir.retail.reader import sample_path
from comptoir.runs import NAMES, Run, running
from comptoir.sender import Sender
from comptoir.verify import verify
from shared import clock
from tests.eventually import eventually
from tests.journeys.conftest import Plot

PER_KILL = 50


async def arrived(run: Run) -> int:
    number: int = await run.connections["order"].fetchval("select count(*) from orders")
    return number


async def completed(run: Run) -> int:
    number: int = await run.connections["order"].fetchval("select count(*) from progress where status = 'completed'")
    return number


@pytest.mark.rabbit
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_f01_each_service_is_killed_under_load_and_all_orders_are_completed(
    plot: Plot, rabbit_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process per service on RabbitMQ; 200 orders; every service dies once while orders are on their way."""
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", rabbit_url)
    await plot.cleared()
    orders = PER_KILL * len(NAMES)
    async with running(plot.url, "rabbit", tmp_path, prefix=f"kills-{uuid4().hex[:8]}") as run:
        assert run.processes is not None
        sender = Sender(run.bus, "kills", clock.now)
        await prepare(sender, orders)
        await at_rest(run.connections, 30)
        draw = random.Random(7)
        placed = 0
        for name in NAMES:
            known = await arrived(run)
            wishes = [two_lines(sender, i, draw) for i in range(placed, placed + PER_KILL)]
            for i in range(0, PER_KILL, 5):
                await sender.send(wishes[i : i + 5])
            placed += PER_KILL

            async def some(known: int = known) -> bool:
                return await arrived(run) > known

            if name != NAMES[0]:  # the first dies before anything has arrived
                await eventually(some, 60, 0.005)
            run.processes.kill(name)
            assert await completed(run) < placed, f"{name} was killed too late to be under load"
            run.processes.start(name)
            await asyncio.to_thread(run.processes.wait_ready, name)

        async def all_of_them() -> bool:
            return await completed(run) == orders

        await eventually(all_of_them, 120, 0.1)
        await at_rest(run.connections, 60)
        invoices = await run.connections["billing"].fetchval("select count(*) from invoices")
        assert invoices == orders
        assert await run.connections["inventory"].fetchval("select sum(reserved) from levels") == 0
        breaches = [f"{found.name}: {breach}" for found in await verify(run.connections) for breach in found.breaches]
        assert not breaches, breaches


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the database server's own user may go too."""
    made = Path(tempfile.mkdtemp(prefix="comptoir-replay-"))
    made.chmod(0o755)
    yield made
    if (pid := server_pid(made)) is not None:
        os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(made, ignore_errors=True)


def server_file(folder: Path) -> list[str]:
    try:
        return (folder / "ample/postgres/data/postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def server_pid(folder: Path) -> int | None:
    """Of a server that our kill left without an owner."""
    lines = server_file(folder)
    return int(lines[0]) if lines else None


def cut(to: Path, invoices: int) -> None:
    """The first invoices of the sample."""
    with gzip.open(sample_path(), "rt", newline="") as source, gzip.open(to, "wt", newline="") as target:
        rows, out = csv.reader(source), csv.writer(target)
        out.writerow(next(rows))
        seen: set[str] = set()
        for row in rows:
            seen.add(row[0])
            if len(seen) > invoices:
                break
            out.writerow(row)


def replay(folder: Path) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPTOIR_")}
    command = ["-m", "comptoir", "replay", str(folder / "small.csv.gz"), "--keep", "--json", "--data", str(folder)]
    with (folder / "out").open("wb") as out, (folder / "err").open("ab") as err:
        return subprocess.Popen([sys.executable, *command], env=environment, stdout=out, stderr=err)


async def figures(folder: Path) -> dict[str, Any]:
    """Of a replay that runs to its end, which must find that everything is as it should be."""
    process = replay(folder)
    code = await asyncio.to_thread(process.wait, 120)
    assert code == 0, (folder / "err").read_text()[-3000:] + (folder / "out").read_text()[-3000:]
    found: dict[str, Any] = json.loads((folder / "out").read_text())
    del found["seconds"]
    return found


def broken(found: dict[str, Any]) -> dict[str, int]:
    """How often each invariant is."""
    return {name: breaches for name, (_, breaches) in found["invariants"].items()}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_replay_that_is_killed_twice_goes_on_and_ends_with_the_same_figures(folder: Path) -> None:
    cut(folder / "small.csv.gz", 150)

    async def orders() -> int:
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=int(server_file(folder)[3]),
                user="postgres",
                password=(folder / "ample/postgres/password").read_text(),
                database="comptoir_order",
                timeout=2,
            )
        except (IndexError, OSError, asyncpg.PostgresError, TimeoutError):
            return 0
        try:
            number: int = await connection.fetchval("select count(*) from orders")
        except asyncpg.PostgresError:
            number = 0
        finally:
            await connection.close()
        return number

    for wanted in (1, 65):
        process = replay(folder)

        async def so_many(wanted: int = wanted) -> bool:
            return await orders() >= wanted

        await eventually(so_many, 90, 0.03)
        assert process.poll() is None
        process.kill()
        assert process.wait() == -signal.SIGKILL
    first = await figures(folder)
    assert first["differences"] == []
    assert sum(first["orders_by_state"].values()) > 100
    again = await figures(folder)  # once more changes nothing; more packets are there when channels were told meanwhile
    assert again | {"invariants": broken(again)} == first | {"invariants": broken(first)}
