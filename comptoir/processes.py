"""One process per service, as in production: `comptoir serve` started, watched and stopped by its own id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from comptoir.postgres import free_port

READY_WITHIN_S = 90.0


@dataclass
class Process:
    """One running service."""

    name: str
    port: int
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Processes:
    """The services of the suite as processes on this machine; a further copy of one is called `order-2`."""

    environment: dict[str, str]
    logs: Path
    running: dict[str, Process] = field(default_factory=dict)

    def urls(self, service: str) -> list[str]:
        """Where the copies of a service answer."""
        return [process.url for process in self.running.values() if process.name == service]

    def start(self, name: str, port: int = 0) -> Process:
        service = name.partition("-")[0]
        port = port or free_port()
        log = self.logs / f"{name}.log"
        environment = os.environ | self.environment | {"COMPTOIR_PORT": str(port), "COMPTOIR_HOST": "127.0.0.1"}
        with log.open("ab") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "comptoir", "serve", service],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        process = Process(service, port, popen, log)
        self.running[name] = process
        return process

    def wait_ready(self, name: str) -> None:
        process = self.running[name]
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            if process.popen.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.popen.returncode}:\n{process.log.read_text()[-3000:]}")
            try:
                if httpx.get(f"{process.url}/health/ready", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError(f"{name} was not ready in {READY_WITHIN_S:.0f} s:\n{process.log.read_text()[-3000:]}")

    def kill(self, name: str) -> None:
        """As a power cut would: no last word."""
        process = self.running.pop(name)
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait()

    def stop(self) -> None:
        for process in self.running.values():
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self.running.values():
            try:
                process.popen.wait(30)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        self.running.clear()


@contextmanager
def processes(
    names: tuple[str, ...], environment: Mapping[str, str], logs: Path, replicas: int = 1
) -> Iterator[Processes]:
    """Starts so many copies of the services, waits until all are ready, stops them at the end."""
    logs.mkdir(parents=True, exist_ok=True)
    group = Processes(dict(environment), logs)
    copies = [name if i == 1 else f"{name}-{i}" for i in range(1, replicas + 1) for name in names]
    try:
        for name in copies:
            group.start(name)
        for name in copies:
            group.wait_ready(name)
        yield group
    finally:
        group.stop()
