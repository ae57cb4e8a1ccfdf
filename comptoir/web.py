"""HTTP servers of a process: the suite behind one door, one service, and what else runs beside them."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor
from comptoir.places import NotHere
from comptoir.suite import Suite
from shared.http import add_problems

T = TypeVar("T")
FINISH_WITHIN_S = 5
"""How long requests that are being answered may take once the server was told to stop."""


def one_door(suite: Suite, auditor: Auditor | None = None) -> FastAPI:
    """All applications on one port: /order, /inventory, /fulfilment, /billing, /auditor, each with its own /docs."""
    root = FastAPI(title="Comptoir", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    add_problems(root)
    applications = suite.applications()
    if auditor is not None:
        applications["auditor"] = auditor_application(auditor)
    for name, app in applications.items():
        root.mount(f"/{name}", app)

    @root.get("/")
    async def index() -> JSONResponse:
        """Where everything is."""
        return JSONResponse({name: f"/{name}/docs" for name in applications})

    @root.get("/health/live")
    async def live() -> JSONResponse:
        ended = [task.get_name() for running in suite.running.values() for task in running.tasks if task.done()]
        if auditor is not None and not auditor.alive():
            ended.append("auditor")
        healthy = not ended and suite.bus.healthy()
        return JSONResponse({"live": healthy, "ended": ended}, 200 if healthy else 503)

    return root


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
        raise NotHere(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None


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
