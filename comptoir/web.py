"""The whole suite behind one door."""

import re

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor
from comptoir.suite import Suite
from shared.http import add_problems, problem

OWN_NAME = re.compile(
    r"^(\[[0-9a-f:.]+\]|[0-9.]+|[a-z0-9_-]+|[a-z0-9._-]+\.(svc|local|internal|localhost))(:[0-9]+)?$", re.IGNORECASE
)
"""Of a `Host` that no stranger can own: an address, one word, or a name that is only known inside (infra/door too)."""


class OwnNameOnly:
    """Before what has no login: a site whose name was pointed at this machine must not reach it from a browser here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            said = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
            if not OWN_NAME.match(said):
                title = "the services answer to an address or a name of this network only"
                return await problem(421, title)(scope, receive, send)
        return await self.app(scope, receive, send)


def one_door(suite: Suite, auditor: Auditor | None = None) -> FastAPI:
    """All applications on one port: /order, /inventory, /fulfilment, /billing, /auditor, each with its own /docs.

    The back office, where it runs, has the rest of the port: its pages begin at /.
    """
    root = FastAPI(title="Comptoir", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    add_problems(root)
    applications = suite.applications()
    if auditor is not None:
        applications["auditor"] = auditor_application(auditor)
    pages = applications.pop("backoffice", None)
    for name, app in applications.items():
        root.mount(f"/{name}", OwnNameOnly(app))

    @root.get("/health/live")
    async def live() -> JSONResponse:
        ended = [task.get_name() for running in suite.running.values() for task in running.tasks if task.done()]
        if auditor is not None and not auditor.alive():
            ended.append("auditor")
        healthy = not ended and suite.bus.healthy()
        return JSONResponse({"live": healthy, "ended": ended}, 200 if healthy else 503)

    if pages is not None:
        root.mount("/", pages)
        return root

    @root.get("/")
    async def index() -> JSONResponse:
        """Where everything is."""
        return JSONResponse({name: f"/{name}/docs" for name in applications})

    return root
