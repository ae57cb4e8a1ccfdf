"""RabbitMQ for tests, benchmarks and `--bus rabbit`: the configured one, the one on this machine, or a node of our own.

There is no broker in a wheel, so a node of our own needs RabbitMQ to be installed (Debian: rabbitmq-server).
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aio_pika

from comptoir.postgres import free_port, in_a_thread
from shared.settings import setting

HERE: Final = "amqp://guest:guest@127.0.0.1:5672/"
START_WITHIN_S: Final = 90.0
STOP_WITHIN_S: Final = 30.0
SERVERS: Final = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server")
"""Looked for before the PATH: Debian's command on the PATH is a wrapper that leaves our environment behind."""


class RabbitFailed(RuntimeError):
    """The node could not be started or reached; the text says why."""


@contextmanager
def rabbitmq() -> Iterator[str | None]:
    """The URL of a broker for as long as the block runs; None when there is none and none can be started."""
    if found := rabbit_url():
        yield found
    elif server_command() is None:
        yield None
    else:
        with OwnRabbit() as own:
            yield own.url


def rabbit_url() -> str | None:
    """A broker that runs already: COMPTOIR_RABBITMQ_URL, taken at its word, or this machine's if it lets us in."""
    if configured := setting("RABBITMQ_URL"):
        return configured
    return HERE if answers(HERE) else None


def server_command() -> Path | None:
    """RabbitMQ's start script, if it is installed."""
    found = (*SERVERS, shutil.which("rabbitmq-server") or "")
    return next((Path(path) for path in found if path and Path(path).exists()), None)


def answers(url: str, within_s: float = 3.0) -> bool:
    """Whether a broker at this URL opens a connection for us."""

    address = urlsplit(url)
    try:  # looked at first, as the client library logs every failure
        socket.create_connection((address.hostname or "", address.port or 5672), within_s).close()
    except OSError:
        return False

    async def connect() -> None:
        async with asyncio.timeout(within_s):
            connection = await aio_pika.connect(url)
            await connection.close()

    try:
        in_a_thread(connect)
    except (OSError, TimeoutError, aio_pika.exceptions.AMQPError):
        return False
    return True


class OwnRabbit:
    """One node with ports, folders, cookie, password and epmd of its own; it meets no other node on the machine."""

    def __init__(self, *, plugins: tuple[str, ...] = (), config: str = "", beside: "OwnRabbit | None" = None) -> None:
        """`config`: more lines for rabbitmq.conf, for example lower limits for a test.

        `beside`: a node that runs; the new one joins its cluster. It was given the same `config`, and stops last.
        """
        self.plugins, self.config, self.beside = plugins, config, beside
        self.user = _account()
        self.password: str = beside.password if beside else secrets.token_urlsafe(18)
        self.cookie: str = beside.cookie if beside else secrets.token_hex(20)
        self.port = self.management_port = 0
        self.folder = Path()
        self._environment: dict[str, str] = {}
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"amqp://comptoir:{self.password}@127.0.0.1:{self.port}/"

    @property
    def management_url(self) -> str:
        """With the plugin rabbitmq_management only."""
        return f"http://comptoir:{self.password}@127.0.0.1:{self.management_port}"

    @property
    def pid(self) -> int | None:
        return self._node.pid if self._node and self._node.poll() is None else None

    @property
    def name(self) -> str:
        """The node's, in its cluster."""
        return f"comptoir{self.port}@localhost"

    def start(self) -> Self:
        """Returns when the node lets us in. After `kill` or `stop_node` it starts again on the same ports and data."""
        command = server_command()
        if command is None:
            raise RabbitFailed("RabbitMQ is not installed here")
        try:
            if not self._environment:
                self._prepare()
            if self._epmd is None and self.beside is None:
                self._epmd = self._spawn(shutil.which("epmd") or "epmd", "-address", "127.0.0.1")
            self._node = self._spawn(str(command))
            deadline = time.monotonic() + START_WITHIN_S
            while not answers(self.url):
                if self.pid is None or time.monotonic() > deadline:
                    raise RabbitFailed(f"RabbitMQ did not start:\n{self.output()[-3000:]}")
                time.sleep(0.1)
        except BaseException:
            self.stop()
            raise
        return self

    def stop_node(self) -> None:
        """Stops the node in order; its queues stay on disk."""
        self._end_node(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 of the node."""
        self._end_node(signal.SIGKILL)

    def stop(self) -> None:
        """Stops what we started, and nothing else, and removes its folder."""
        self.stop_node()
        if self._epmd is not None:
            self._epmd.terminate()
            self._epmd.wait(STOP_WITHIN_S)
            self._epmd = None
        self._environment.clear()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def output(self) -> str:
        """What the node said so far."""
        with suppress(FileNotFoundError):
            return (self.folder / "output").read_text(errors="replace")
        return ""

    def ctl(self, *arguments: str) -> str:
        """rabbitmqctl against this node: `ctl("list_queues")`."""
        command = server_command()
        assert command is not None
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [str(command.with_name("rabbitmqctl")), "-q", "-n", self.name, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            **_as(self.user),
        )
        if done.returncode:
            raise RabbitFailed(f"rabbitmqctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _prepare(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="comptoir-rabbit-"))
        self.port, self.management_port, distribution, epmd = (free_port() for _ in range(4))
        if self.beside is not None:
            epmd = int(self.beside._environment["ERL_EPMD_PORT"])
        management = f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.management_port}\n"
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.local = 127.0.0.1:{self.port}\n"
            f"default_user = comptoir\ndefault_pass = {self.password}\n"
            "log.file = false\nlog.console = true\nlog.console.level = warning\n"
            f"{management if 'rabbitmq_management' in self.plugins else ''}{self._peers()}{self.config}\n"
        )
        (self.folder / ".erlang.cookie").write_text(self.cookie)
        (self.folder / ".erlang.cookie").chmod(0o400)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n")
        self._environment = {
            "PATH": f"/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}",
            "HOME": str(self.folder),  # where the cookie is
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "1",  # the script replaces itself by the node: one process to stop
        }
        if self.user:
            account = pwd.getpwnam(self.user)
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)

    def _peers(self) -> str:
        """At its first start the node looks for these, and joins whom it finds."""
        if self.beside is None:
            return ""
        found = "".join(
            f"cluster_formation.classic_config.nodes.{i} = {name}\n"
            for i, name in enumerate((self.beside.name, self.name), 1)
        )
        return f"cluster_formation.peer_discovery_backend = classic_config\n{found}"

    def _spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **_as(self.user),
            )

    def _end_node(self, number: signal.Signals) -> None:
        if self._node is None:
            return
        node, self._node = self._node, None
        for attempt in (number, signal.SIGKILL):
            with suppress(ProcessLookupError):
                node.send_signal(attempt)
            with suppress(subprocess.TimeoutExpired):
                node.wait(STOP_WITHIN_S)
                return
        raise RabbitFailed(f"RabbitMQ {node.pid} cannot be stopped")


def _account() -> str | None:
    """As root the node runs as the user that its package made."""
    if os.geteuid() == 0:
        with suppress(KeyError):
            pwd.getpwnam("rabbitmq")
            return "rabbitmq"
    return None


def _as(user: str | None) -> dict[str, Any]:
    if user is None:
        return {"cwd": "/"}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}
