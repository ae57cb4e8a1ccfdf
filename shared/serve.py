"""A service as a process of its own, and what every process that listens does the same way.

HTTP servers, waiting for what is not there yet, and ending cleanly.
"""

import asyncio
import gc
import importlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import asyncpg
import httpx
import structlog
import uvicorn
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, ProbableAuthenticationError
from pydantic import ValidationError

from shared import logging as logs
from shared.messaging.bus import Bus
from shared.messaging.rabbit import RabbitBus
from shared.migrate import head, revisions
from shared.service import Running, Service, application
from shared.settings import ServiceSettings

log = structlog.get_logger("comptoir.serve")
T = TypeVar("T")
FINISH_WITHIN_S = 5
"""How long requests that are being answered may take once the server was told to stop."""


class NotHere(RuntimeError):
    """Something a process needs is not here; the text says what to do."""


def load(name: str) -> tuple[type[ServiceSettings], Callable[[Any], Service]]:
    """The settings of a service and what builds it. Every service has both in the same rooms."""
    try:
        settings, app = (importlib.import_module(f"services.{name}.{room}") for room in ("settings", "app"))
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("services"):
            raise
        raise NotHere(f"there is no service {name!r} here") from None
    return settings.Settings, app.build


async def serve(
    service: Service,
    *,
    prepare: Callable[[], Awaitable[None]] | None = None,
    around: Callable[[Bus], Bus] = lambda bus: bus,
) -> None:
    """Serves on RabbitMQ until SIGTERM or Ctrl-C; then finishes what is in hand and publishes it.

    `prepare`: what has to be done on the broker first; nothing where a deployment has declared the queues.
    `around`: what the service publishes through, made from the bus itself.
    """
    settings, name = service.settings, service.name
    logs.configure(settings.log_level, as_json=settings.log_json)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it tells of each failed try what we tell too
    running = Running(service)
    within_s = settings.start_within_s
    with told_to_stop() as told, suppress(ToldToStop):
        door = listening(settings.host, settings.port)
        await unless(told, until_there("PostgreSQL", lambda: migrated(name, running.dsn), within_s))
        if prepare is not None:
            await unless(told, until_there("RabbitMQ", prepare, within_s))
        bus = RabbitBus(
            settings.rabbitmq_url,
            [running.reader],
            prefix=settings.rabbitmq_prefix,
            url_now=lambda: type(settings)().rabbitmq_url,
        )
        try:
            await running.start(around(bus))
            await unless(told, until_there("RabbitMQ", bus.start, within_s))
            running.start_workers()
            quiet_collector()
            async with serving(application(running), door):
                log.info("serving", service=name, at=address_of(door))
                if (keyring := running.gate.keyring) is not None:
                    log.info("API keys are demanded", service=name, keys=len(keyring.known))
                elif service.by_key:
                    log.info("no API keys: whoever reaches this service is believed", service=name)
                await told.wait()
                log.info("told to stop", service=name)
        finally:
            await bus.stop_reading()
            await running.stop()
            await bus.stop()
            log.info("ended", service=name)


def run(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def quiet_collector() -> None:
    """The default collector takes up to 40 % of decoding; what is there after start stays anyway.

    The first threshold is above what one unit of work holds at a time, as all of that is freed without the collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(300_000, 20, 50)


class Server(uvicorn.Server):
    """Serves until `should_exit`. Signals are the process's business: there may be several servers in it."""

    def __init__(self, app: Any, *, lifespan: bool = False, log_level: str = "warning") -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level=log_level,
                log_config=None,
                access_log=False,
                lifespan="on" if lifespan else "off",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=FINISH_WITHIN_S,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int) -> socket.socket:
    """A socket that is ours from now on; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise NotHere(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def address_of(bound: socket.socket) -> str:
    """Where this machine reaches it."""
    host, port = bound.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{reachable}:{port}"


@asynccontextmanager
async def serving(app: Any, bound: socket.socket, *, lifespan: bool = False) -> AsyncIterator[asyncio.Task[None]]:
    """The application answers inside the block; afterwards what is being answered is finished. The task never ends."""
    server = Server(app, lifespan=lifespan)
    task = asyncio.create_task(server.serve([bound]))
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError(f"the server on {address_of(bound)} did not start")
            await asyncio.sleep(0.005)
        yield task
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        bound.close()


class ToldToStop(Exception):
    """SIGTERM or Ctrl-C came while something was waited for."""


@contextmanager
def told_to_stop() -> Iterator[asyncio.Event]:
    """Set by the first SIGTERM or SIGINT. A second one ends the process as if we did not listen."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        told.set()
        forget()

    def forget() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, hear)
    try:
        yield told
    finally:
        forget()


async def unless(told: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work; ToldToStop when we are told to stop first, and the work is cancelled then."""
    doing, waiting = asyncio.create_task(work), asyncio.create_task(told.wait())
    try:
        await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ToldToStop
    finally:
        doing.cancel()
        waiting.cancel()
        await asyncio.gather(doing, waiting, return_exceptions=True)


async def until_there(what: str, reach: Callable[[], Awaitable[None]], within_s: float) -> None:
    """Tries until it is reached, at most so long; every try that fails is one line of the log."""
    loop = asyncio.get_running_loop()
    end, pause_s = loop.time() + within_s, 0.5
    while True:
        try:
            return await reach()
        except (asyncpg.InvalidAuthorizationSpecificationError, ProbableAuthenticationError) as error:
            raise NotHere(f"{what} does not let us in: {error}") from None
        except ChannelNotFoundEntity as error:
            raise NotHere(f"{error}: declare the queues first with `comptoir topology`") from None
        except (
            OSError,
            TimeoutError,
            AMQPError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            httpx.HTTPError,
        ) as error:
            said = str(error) or type(error).__name__
            if loop.time() + pause_s > end:
                raise NotHere(f"{what} was not there within {within_s:g} s: {said}") from None
            log.warning(f"{what} is not there yet, trying again", pause_s=pause_s, error=said)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 5.0)


async def migrated(name: str, dsn: str) -> None:
    """Raises NotHere unless the database is at the revision that the code needs, or at one that is newer."""
    hint = "run `comptoir migrate`"
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except asyncpg.InvalidCatalogNameError as error:
        raise NotHere(f"{error}: {hint}") from None
    try:
        found = await connection.fetchval("select max(version_num) from alembic_version")
    except asyncpg.UndefinedTableError:
        found = None
    finally:
        await connection.close()
    if found is not None and found not in revisions(name):
        log.warning("the database is newer than this program", service=name, revision=found)
    elif found != head(name):
        raise NotHere(
            f"the database of {name} is at revision {found or 'none'} and this program needs {head(name)}: {hint}"
        )


def wrong_settings(error: ValidationError) -> str:
    """One sentence that names each setting that is wrong, as it is written in the environment."""
    wrong = (("_".join(map(str, one["loc"])).upper(), one["msg"]) for one in error.errors(include_url=False))
    said = "; ".join(f"COMPTOIR_{name}: {why}" if name else why for name, why in wrong)  # what several say names them
    return f"wrong settings: {said.replace('Value error, ', '')}"
