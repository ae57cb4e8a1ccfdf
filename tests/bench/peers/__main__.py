"""Peers and ours on one machine, one after the other: `python -m tests.bench.peers`. Prints a JSON line per run.

The last line has the medians and how many times faster ours is. Peers run in an environment of their own, made from
requirements.lock beside this file; PostgreSQL and RabbitMQ are the same for all. Ours does more for an order: two
lines, VAT, history, ledger, timers.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import aio_pika

from comptoir.places import broker
from comptoir.postgres import postgres

HERE = Path(__file__).resolve().parent
QUEUES = (
    "peers-celery",
    *(f"peers-naive-{name}" for name in ("placed", "reserved", "authorised", "shipped", "dispatched", "billed")),
)
ORDERS = {"celery": 1000, "naive": 1000, "dbos": 500, "comptoir": 5000}
"""Of one run: enough for some ten seconds each."""

WITHIN_S = 300


def environment(folder: Path) -> Path:
    """The interpreter of the peers' environment, made anew when their lock has changed."""
    python, stamp, lock = folder / "bin/python", folder / "lock", HERE / "requirements.lock"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        base = getattr(sys, "_base_executable", sys.executable)  # .venv has no pip of its own
        subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
        pip = [
            base,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "-qq",
            "--require-hashes",
            "-r",
            str(lock),
        ]
        subprocess.run(pip, check=True)
        stamp.write_bytes(lock.read_bytes())
    return python


@contextmanager
def serving(commands: list[list[str]], given: dict[str, str]) -> Iterator[None]:
    started = [
        subprocess.Popen(command, cwd=HERE, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        yield
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


async def empty(url: str) -> None:
    """Nothing is left of an earlier run."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for name in QUEUES:
            await channel.queue_delete(name)


async def read(url: str, names: tuple[str, ...]) -> None:
    """Returns when every queue of a peer has a reader: it is ready."""
    end = time.monotonic() + 60
    async with await aio_pika.connect(url) as connection:
        for name in names:
            while True:
                try:
                    channel = await connection.channel()
                    if (await channel.declare_queue(name, passive=True)).declaration_result.consumer_count:
                        break
                except aio_pika.exceptions.ChannelClosed:
                    pass
                if time.monotonic() > end:
                    raise TimeoutError(f"nobody reads {name}")
                await asyncio.sleep(0.1)


def run(peer: str, python: Path, given: dict[str, str], data: Path) -> dict[str, object]:
    """One run of one peer; raises when it fails or its figures are wrong."""
    orders = str(ORDERS[peer])
    if peer == "comptoir":
        command = [
            sys.executable,
            "-m",
            "comptoir",
            "bench",
            "saga",
            "--bus",
            "rabbit",
            "--orders",
            orders,
            "--data",
            str(data),
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=WITHIN_S, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        assert not found["violations"]
        return {
            "peer": peer,
            **{name: found[name] for name in ("orders", "seconds", "orders_per_s", "cpu_ms_per_order")},
        }
    asyncio.run(empty(given["PEERS_BROKER"]))
    workers: list[list[str]] = []
    if peer == "celery":
        options = ["-c", "4", "--without-mingle", "--without-gossip", "-l", "ERROR"]
        workers = [[str(python), "-m", "celery", "-A", "celery_chain", "worker", *options]]
    if peer == "naive":
        workers = [[str(python), "naive.py", "serve", owner] for owner in ("ord", "inv", "bill", "ful")]
    script = {"celery": "celery_chain.py", "naive": "naive.py", "dbos": "dbos_workflow.py"}[peer]
    with serving(workers, given):
        if peer != "dbos":
            asyncio.run(read(given["PEERS_BROKER"], QUEUES[:1] if peer == "celery" else QUEUES[1:]))
        done = subprocess.run(
            [str(python), script, orders],
            cwd=HERE,
            env=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WITHIN_S,
            check=True,
        )
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--data", type=Path, default=Path(".comptoir/peers"))
    chosen = options.parse_args()
    folder: Path = chosen.data.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    python = environment(folder / "environment")
    rates: dict[str, list[float]] = defaultdict(list)
    with postgres(folder / "postgres") as url, broker() as mq:

        def address(database: str) -> str:
            return url.set(drivername="postgresql", database=database).render_as_string(hide_password=False)

        given = os.environ | {
            "PEERS_DATABASE": address("postgres"),
            "PEERS_SYSTEM": address("peers_dbos"),
            "PEERS_BROKER": mq,
        }
        for i in range(chosen.rounds):
            turn = list(ORDERS)
            for peer in turn[i % len(turn) :] + turn[: i % len(turn)]:
                found = run(peer, python, given, folder / "comptoir")
                rates[peer].append(float(str(found["orders_per_s"])))
                print(json.dumps({"round": i + 1, **found}), flush=True)
        asyncio.run(empty(mq))
    medians = {peer: median(found) for peer, found in rates.items()}
    ours = medians["comptoir"]
    times = {peer: round(ours / rate, 1) for peer, rate in medians.items() if peer != "comptoir"}
    print(json.dumps({"bench": "peers", "rounds": chosen.rounds, "orders_per_s": medians, "ours_is_times": times}))


if __name__ == "__main__":
    main()
