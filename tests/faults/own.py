"""A broker node and a database server of our own, which may be killed, with the suite on them."""

import asyncio
import inspect
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from comptoir.chaos.works import Works, works_at
from comptoir.postgres import EmbeddedPostgres
from comptoir.rabbit import OwnRabbit
from tests.eventually import eventually
from tests.proxy import Proxy

WRITE_DOWN = "[dets:sync(Table) || Table <- dets:all()]."
"""A node of RabbitMQ 3.10 forgets a quorum queue that is younger than a second or so when it is killed."""

COMMITTED = b"COMMIT\0"
"""What PostgreSQL says when it has committed."""

CLAIMED = b"INSERT 0 1\0"
"""What it says when the id of one request or packet was new."""


@dataclass
class Own:
    works: Works
    nodes: list[OwnRabbit]  # of one cluster
    postgres: EmbeddedPostgres
    proxy: Proxy  # before the database
    wire: Proxy  # before the broker
    network: Callable[[Callable[[], Any]], Awaitable[Any]]  # where both live
    ends: AsyncExitStack  # what a test puts beside is stopped with the rest

    @property
    def rabbit(self) -> OwnRabbit:
        """The broker's only node, or the first that services are led to."""
        return self.nodes[0]

    async def end_postgres(self, number: signal.Signals) -> None:
        """SIGQUIT is an immediate shutdown, SIGKILL no shutdown at all; then it is started again."""
        pid = self.postgres.pid
        assert pid
        os.kill(pid, number)
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)
        self.proxy.port = self.postgres.port
        await self.reconnect()

    async def reconnect(self) -> None:
        async def let_in() -> bool:
            try:
                await self.works.reconnect()
            except (OSError, asyncpg.PostgresError, TimeoutError):
                return False
            return True

        await eventually(let_in, 30)

    async def kill_rabbit(self) -> None:
        await asyncio.to_thread(self.rabbit.kill)
        await asyncio.to_thread(self.rabbit.start)

    async def restart_rabbit(self) -> None:
        await asyncio.to_thread(self.rabbit.stop_node)
        await asyncio.to_thread(self.rabbit.start)


class Elsewhere:
    """A loop in a thread of its own: a proxy goes on while our loop waits for a process to be ready."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def do(self, work: Callable[[], Any]) -> Any:
        async def there() -> Any:
            done = work()
            return await done if inspect.isawaitable(done) else done

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), self.loop))

    async def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        await asyncio.to_thread(self.thread.join)
        self.loop.close()


@asynccontextmanager
async def own_at(folder: Path, nodes: int = 1) -> AsyncIterator[Own]:
    """Everything is ours and is gone afterwards. What is committed is written to disk, as in production.

    `nodes`: of the broker. Services are led to the first of them that is up, as by a door before a cluster.
    """
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres")
        await asyncio.to_thread(postgres.start)
        stack.callback(postgres.stop)
        cluster = [OwnRabbit()]
        cluster += [OwnRabbit(beside=cluster[0]) for _ in range(1, nodes)]
        for node in cluster:
            await asyncio.to_thread(node.start)
            stack.callback(node.stop)
        rabbit = cluster[0]
        elsewhere = Elsewhere()
        stack.push_async_callback(elsewhere.end)
        proxy, wire = Proxy("127.0.0.1", postgres.port), Proxy("127.0.0.1", rabbit.port)
        wire.others = tuple(node.port for node in cluster[1:])
        for between in (proxy, wire):
            await elsewhere.do(between.listen)
            stack.push_async_callback(elsewhere.do, lambda between=between: between.__aexit__(None, None, None))
        url = postgres.url.set(drivername="postgresql", port=proxy.address, database="own_SERVICE")
        pattern = url.render_as_string(hide_password=False).replace("SERVICE", "{service}")
        with pytest.MonkeyPatch.context() as patched:  # for its start alone: other tests look for a broker of theirs
            patched.setenv("COMPTOIR_RABBITMQ_URL", wire.url(rabbit.url))
            works = await stack.enter_async_context(works_at(pattern, folder / "works"))
        for node in cluster:
            await asyncio.to_thread(node.ctl, "eval", WRITE_DOWN)
        await works.opens(1_000_000)
        yield Own(works, cluster, postgres, proxy, wire, elsewhere.do, stack)
