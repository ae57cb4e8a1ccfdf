"""All four services, each on a database of its own and with its real HTTP application, on one bus in the process."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from comptoir.suite import BUILD, know_topology
from shared.messaging.bus import LocalBus
from shared.service import Running, application
from tests.conftest import Databases


@dataclass
class Api:
    """One service's HTTP side."""

    name: str
    running: Running
    app: FastAPI
    http: httpx.AsyncClient

    async def post(self, path: str, body: Any = None, key: str = "") -> httpx.Response:
        return await self.http.post(path, json=body, headers={"Idempotency-Key": key or uuid4().hex})

    @property
    def described(self) -> dict[str, Any]:
        return self.app.openapi()

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(path, method, what OpenAPI says of it)."""
        paths = self.described["paths"].items()
        return [(path, method, said) for path, methods in paths for method, said in methods.items()]


def built(name: str, url: str, **more: Any) -> Running:
    kind, build = BUILD[name]
    secrets = {"payment_webhook_secrets": "s", "carrier_webhook_secrets": "s"}
    fields = {key: value for key, value in secrets.items() if key in kind.model_fields}
    return Running(build(kind(_env_file=None, database_url=url, **fields, **more)))


@pytest.fixture(scope="module")
async def apis(databases: Databases) -> AsyncIterator[Mapping[str, Api]]:
    know_topology()
    bus = LocalBus()
    made: dict[str, Api] = {}
    for name, (kind, build) in BUILD.items():
        url = await databases.fresh(build(kind(_env_file=None)).metadata)
        running = built(name, url)
        bus.attach(running.reader)
        await running.start(bus)
        app = application(running)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        made[name] = Api(name, running, app, httpx.AsyncClient(base_url="http://us", transport=transport))
    for api in made.values():
        api.running.start_workers()
    yield made
    for api in made.values():
        await api.http.aclose()
        await api.running.stop()


@pytest.fixture(params=list(BUILD))
def api(request: pytest.FixtureRequest, apis: Mapping[str, Api]) -> Api:
    """Each service in turn."""
    return apis[request.param]
