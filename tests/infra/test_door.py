"""The door's own configuration in a real HAProxy, before servers that say what reached them."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from comptoir.postgres import free_port
from shared.guard import OUTSIDE
from shared.messaging.topology import SERVICES
from tests.eventually import eventually
from tests.infra.network import for_kubernetes

ROOT = Path(__file__).resolve().parents[2]
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(HAPROXY is None, reason="there is no haproxy here: apt-get install haproxy")
MARK = OUTSIDE.decode()
Ask = Callable[..., tuple[int, dict[str, Any]]]


class Echo(BaseHTTPRequestHandler):
    """Says which backend it is and what it was asked."""

    def __init__(self, backend: str, *about: Any) -> None:
        self.backend = backend
        super().__init__(*about)

    def do_GET(self) -> None:
        said = {"backend": self.backend, "path": self.path}
        said |= {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *about: Any) -> None:
        """Says nothing besides."""


@contextmanager
def behind(folder: Path, **environment: str) -> Iterator[dict[str, int]]:
    """The port inside, and the one for the outside."""
    assert HAPROXY is not None
    ports = {"inside": free_port(), "outside": free_port()}
    config = for_kubernetes((ROOT / "infra/door/haproxy.cfg").read_text(encoding="utf-8"))
    config = config.replace("bind :8080", f"bind 127.0.0.1:{ports['inside']}")
    config = config.replace("bind :8081", f"bind 127.0.0.1:{ports['outside']}").replace("8081", str(ports["outside"]))
    with ExitStack() as stack:
        for backend in (*SERVICES, "backoffice"):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), partial(Echo, backend)))
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
            config = config.replace(f"{backend}:8000", f"127.0.0.1:{server.server_port}")
        assert not re.search(r"\b808\d\b|:8000\b", config)
        file = folder / "haproxy.cfg"
        file.write_text(config, encoding="utf-8")
        door = subprocess.Popen(
            [HAPROXY, "-db", "-q", "-f", str(file)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            yield ports
        finally:
            door.kill()
            said = door.communicate()[0].decode()
            assert "ALERT" not in said, said


def asking(ports: dict[str, int]) -> Ask:
    def ask(side: str, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """The path as it is written here, dots and all."""
        connection = HTTPConnection("127.0.0.1", ports[side], timeout=10)
        try:
            connection.putrequest("GET", path, skip_host=True)
            connection.putheader("Host", headers.pop("Host", "shop.example" if side == "outside" else "127.0.0.1"))
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, json.loads(body) if body.startswith(b"{") else {}
        finally:
            connection.close()

    return ask


async def answers(ports: dict[str, int]) -> Ask:
    ask = asking(ports)

    def alive() -> bool:
        try:
            return ask("inside", "/health/live") == (200, {"live": True})
        except OSError:
            return False

    await eventually(alive)
    return ask


@pytest.fixture(scope="module")
async def ask(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A door of a stack that demands keys."""
    with behind(tmp_path_factory.mktemp("door"), COMPTOIR_API_OUTSIDE="true") as ports:
        yield await answers(ports)


def test_a_service_is_reached_from_outside_with_the_mark(ask: Ask) -> None:
    for service in SERVICES:
        status, seen = ask("outside", f"/api/{service}/orders?limit=5", Authorization="Bearer comptoir_x")
        assert (status, seen["backend"], seen["path"]) == (200, service, "/orders?limit=5")
        assert (seen[MARK], seen["authorization"]) == ("1", "Bearer comptoir_x")
    assert ask("outside", "/api/order/api/order")[1]["path"] == "/api/order"
    assert ask("outside", "/api/order/orders/a%2fb")[1]["path"] == "/orders/a%2fb"
    assert ask("outside", "/api/order")[1]["path"] == "/"


def test_nobody_takes_the_mark_away_or_forges_it(ask: Ask) -> None:
    for said in ("0", "1", ""):
        assert ask("outside", "/api/order/orders", X_Comptoir_Outside=said)[1][MARK] == "1"
        assert MARK not in ask("inside", "/order/orders", X_Comptoir_Outside=said)[1]
    assert ask("outside", "/billing/webhooks/provider")[1][MARK] == "1"


def test_who_asks_is_told_to_the_service(ask: Ask) -> None:
    """Wrong keys are counted by address: the proxy's word counts, the caller's does not."""
    assert ask("inside", "/order/orders", X_Forwarded_For="1.2.3.4")[1]["x-forwarded-for"] == "127.0.0.1"
    seen = ask("outside", "/api/order/orders", X_Forwarded_For="9.9.9.9, 203.0.113.7")[1]
    assert seen["x-forwarded-for"] == "203.0.113.7"


@pytest.mark.parametrize(
    "path",
    [
        "/order/orders",
        "/billing/invoices",
        "/billing/webhooks/../invoices",
        "/api/",
        "/api/nobody/orders",
        "/api/backoffice/orders",
        "/api//order/orders",
        "/api/order/metrics",
        "/api/order//metrics",
        "/api/order/%6detrics",
        "/api/order/health/ready",
        "/api/order/docs",
        "/api/order/docs/oauth2-redirect",
        "/api/order/redoc",
        "/api/order/openapi.json",
        "/api/order/parked",
        "/api/order/parked/acts",
        "/api/billing/webhooks/provider",
    ],
)
def test_what_is_for_inside_is_not_there_for_the_outside(ask: Ask, path: str) -> None:
    assert ask("outside", path)[0] == 404


def test_pages_and_the_inside_are_as_before(ask: Ask) -> None:
    assert ask("outside", "/orders")[1]["backend"] == "backoffice"
    assert MARK not in ask("outside", "/orders")[1]
    assert ask("inside", "/api/order/orders")[1]["backend"] == "backoffice"
    for service in SERVICES:
        seen = ask("inside", f"/{service}/orders")[1]
        assert (seen["backend"], seen["path"]) == (service, "/orders")
    assert ask("inside", "/order/orders", Host="evil.example")[0] == 421
    assert ask("outside", "/%61pi/order/orders")[1]["backend"] == "backoffice"


@pytest.mark.parametrize("said", [{}, {"COMPTOIR_API_OUTSIDE": ""}, {"COMPTOIR_API_OUTSIDE": "false"}])
async def test_a_stack_without_keys_lets_nobody_in_from_outside(tmp_path: Path, said: dict[str, str]) -> None:
    with behind(tmp_path, **said) as ports:
        ask = await answers(ports)
        assert ask("outside", "/api/order/orders")[0] == 404
        assert ask("outside", "/order/orders")[0] == 404
        assert ask("inside", "/order/orders")[1]["backend"] == "order"
        assert ask("outside", "/billing/webhooks/provider")[1]["backend"] == "billing"
