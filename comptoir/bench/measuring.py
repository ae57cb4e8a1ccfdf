"""What every benchmark measures beside its own figure: CPU by part, CPU of others, speed of the machine, memory."""

import json
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psutil

from comptoir.runs import Run
from comptoir.verify import verify


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds of processes, their children that live and those that ended; of ourselves alone, without children."""
    total = 0.0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if pid == os.getpid():
                times = process.cpu_times()
                total += times.user + times.system
                continue
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for each in family:
            try:
                times = each.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
            except psutil.NoSuchProcess:
                continue
    return total


def brokers() -> list[int]:
    return [process.pid for process in psutil.process_iter(["name"]) if process.info["name"] == "beam.smp"]


async def parts(run: Run) -> dict[str, list[int]]:
    """Process ids by part of the suite; copies of a service are one part."""
    backend = await run.connections["order"].fetchval("select pg_backend_pid()")
    server = psutil.Process(backend).parent()
    ids: dict[str, list[int]] = {"postgres": [server.pid] if server else [], "driver": [os.getpid()]}
    if run.processes is None:
        ids["services"] = ids.pop("driver")
        return ids
    for process in run.processes.running.values():
        ids.setdefault(process.name, []).append(process.popen.pid)
    ids["rabbitmq"] = brokers()
    return ids


def loop_ms() -> float:
    """CPU time of a fixed loop of plain Python, now: the speed of a shared machine must be measured with the rest."""
    times = []
    for _ in range(5):
        began = time.process_time()
        found: dict[int, str] = {}
        for i in range(100_000):
            found[i & 1023] = f"{i}"
        times.append(time.process_time() - began)
    return round(min(times) * 1000, 1)


class Meter:
    """Seconds and CPU between `Meter(ids)` and `stop`. `ids`: process ids by part."""

    def __init__(self, ids: Mapping[str, Sequence[int]]) -> None:
        self.ids = ids
        self.loops = [loop_ms()]
        self.before = {name: cpu_of(pids) for name, pids in ids.items()}
        self.machine = self._busy()
        self.began = time.monotonic()

    @staticmethod
    def _busy() -> float:
        now = psutil.cpu_times()
        return sum(float(getattr(now, part, 0.0)) for part in ("user", "system", "nice", "softirq"))

    @property
    def so_far(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def stop(self, orders: int) -> dict[str, Any]:
        """Rates and CPU milliseconds per order; `foreign_cpu_s` is what other programs of this machine used."""
        seconds = self.so_far
        used = {name: cpu_of(pids) - self.before[name] for name, pids in self.ids.items()}
        total = sum(used.values())
        foreign = max(0.0, self._busy() - self.machine - total)
        self.loops.append(loop_ms())
        return {
            "orders": orders,
            "seconds": round(seconds, 2),
            "orders_per_s": round(orders / seconds, 1),
            "cpu_ms_per_order": round(total * 1000 / orders, 3),
            "cpu_ms_by_part": {name: round(s * 1000 / orders, 3) for name, s in used.items()},
            "python": platform.python_version(),
            "loop_ms": self.loops,
            "foreign_cpu_s": round(foreign, 1),
        }


def memory_mb(ids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Resident megabytes by part, children included; PostgreSQL is left out, as its processes share their memory."""
    found: dict[str, float] = {}
    for name, pids in ids.items():
        if name == "postgres":
            continue
        total = 0
        for pid in pids:
            try:
                family = [psutil.Process(pid)]
                if pid != os.getpid():
                    family += family[0].children(recursive=True)
                total += sum(process.memory_info().rss for process in family)
            except psutil.NoSuchProcess:
                continue
        found[name] = round(total / 1e6, 1)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; `share` from 0 to 1. Raises ValueError without values."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    return {f"p{share}_ms": round(percentile(seconds, share / 100) * 1000, 1) for share in (50, 95, 99)}


async def verified(run: Run) -> dict[str, Any]:
    """Every invariant over what the benchmark left behind; breaches by the name of their document."""
    findings = await verify(run.connections)
    breaches = [f"{finding.name}: {breach}" for finding in findings for breach in finding.breaches]
    checked = {"invariants_checked": sum(finding.checked for finding in findings), "violations": len(breaches)}
    return checked | ({"breaches": breaches[:10]} if breaches else {})


def line(result: Mapping[str, Any]) -> str:
    return json.dumps(result)
