"""The whole suite behind one door."""

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor
from comptoir.suite import Suite
from shared.http import add_problems


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
        root.mount(f"/{name}", app)

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
