"""The database's disk is full (F24), and another server takes its place (F22)."""

import asyncio
import os
import pwd
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from comptoir.chaos.works import told
from comptoir.postgres import EmbeddedPostgres, binaries_for
from tests.eventually import eventually
from tests.faults.load import all_is_well, under_load
from tests.faults.own import Own

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]
SOME = 120
FULL = "No space left on device"
ROOM = 16 * 1024 * 1024
"""Bytes that are free beside the tables on the small disk."""


@asynccontextmanager
async def on_a_small_disk(own: Own, service: str) -> AsyncIterator[Path]:
    """The tables of a service are on a disk of their own as long as the block lasts. Its folder."""
    books: Any = own.works.run.connections[service]
    folder = own.postgres.directory / "small"
    folder.mkdir()
    account = pwd.getpwnam(str(own.postgres.user))
    size = await books.fetchval("select pg_database_size(current_database())") + ROOM
    options = f"size={size},uid={account.pw_uid},gid={account.pw_gid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        await books.execute(f"create tablespace small location '{folder}'")
        for kind in ("table", "index"):
            await books.execute(f"alter {kind} all in tablespace pg_default set tablespace small")
        yield folder
        books = own.works.run.connections[service]  # perhaps another one by now
        for kind in ("table", "index"):
            await books.execute(f"alter {kind} all in tablespace small set tablespace pg_default")
        await books.execute("drop tablespace small")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # a server that still has it must not hide why


def fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk that is small enough to be filled")
async def test_f24_the_disk_of_the_database_is_full(own: Own) -> None:
    """Who orders is told to ask again, who looks is answered; nothing is half done, and all goes on with the space."""
    works, url = own.works, own.works.processes.running["order"].url
    await works.rests()
    before, repeated = await works.run.connections["order"].fetchval("select count(*) from orders"), works.repeated
    with told(works):
        async with on_a_small_disk(own, "order") as folder:
            said = own.postgres.log.stat().st_size
            placing = [asyncio.create_task(works.place(before + i, within_s=200)) for i in range(SOME)]
            await eventually(lambda: sum(task.done() for task in placing) > SOME // 10, 60)
            fill(folder / "ballast")  # orders are under way
            placing += [asyncio.create_task(works.place(before + i, within_s=200)) for i in range(SOME, 2 * SOME)]
            await eventually(lambda: works.repeated > repeated, 90)
            assert FULL in own.postgres.log.read_bytes()[said:].decode(errors="replace")
            for path in ("/orders", "/health/live"):
                assert (await works.http.get(f"{url}{path}")).status_code == 200, path
            assert not all(task.done() for task in placing)
            (folder / "ballast").unlink()
            await asyncio.gather(*placing)
            await all_is_well(works, before + len(placing))
    assert await works.run.connections["order"].fetchval("select count(*) from parked") == 0


def standby_of(primary: EmbeddedPostgres, directory: Path) -> EmbeddedPostgres:
    """A server that follows another one, from a copy of it."""
    standby = EmbeddedPostgres(directory)
    standby.directory.mkdir()
    standby._give_away(standby.directory)
    password = (primary.directory / "password").read_text()
    (standby.directory / "password").write_text(password)
    source = f"host=127.0.0.1 port={primary.port} user=postgres password={password} application_name=standby"
    copy = binaries_for(primary.data, primary.user) / "pg_basebackup"
    standby._run(copy, "-D", standby.data, "-d", source, "-R", "-X", "stream", "-c", "fast")
    return standby.start()


async def test_f22_a_standby_takes_over_and_has_all_that_was_confirmed(own: Own) -> None:
    """With a synchronous standby a commit is on two disks before anybody hears of it."""
    primary = own.postgres
    standby = await asyncio.to_thread(standby_of, primary, primary.directory.with_name("standby"))
    own.ends.callback(standby.stop)
    books: Any = own.works.run.connections["order"]
    await books.execute("alter system set synchronous_standby_names = 'standby'")
    await books.execute("select pg_reload_conf()")
    following = "select count(*) from pg_stat_replication where sync_state = 'sync'"
    await eventually(lambda: books.fetchval(following), 30)
    async with under_load(own.works):
        assert primary.pid
        os.kill(primary.pid, signal.SIGKILL)
        await asyncio.to_thread(primary.stop)
        last = await asyncpg.connect(standby.url_of("postgres").set(drivername="postgresql").render_as_string(False))
        assert await last.fetchval("select pg_promote()")
        await last.close()
        own.postgres, own.proxy.port = standby, standby.port
        await own.reconnect()
    assert not own.works.deaths, "a service whose database moves is not to be restarted"
