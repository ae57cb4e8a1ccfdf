"""Lines to servers that are encrypted: who does not show a certificate of our authority gets no password of ours."""

import asyncio
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
import trustme
from sqlalchemy.exc import DBAPIError

from comptoir.access import ADMIN, TOPOLOGY, Secrets, grant_broker, make_secrets
from comptoir.postgres import free_port
from comptoir.rabbit import OwnRabbit
from comptoir.suite import BUILD, know_topology, migrate, started
from shared.database import reading_engine
from shared.messaging.rabbit import declare
from shared.messaging.topology import OPTIONAL
from shared.serve import NotHere, until_there
from shared.service import application
from tests.conftest import Databases
from tests.eventually import eventually
from tests.journeys.town import ANNA


@dataclass
class Broker:
    """A node that listens with a certificate of `authority` for localhost, and the addresses of its users."""

    node: OwnRabbit
    kept: Secrets
    port: int
    management_port: int
    authority: Path
    stranger: Path
    """The certificate of another authority."""


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with tempfile.TemporaryDirectory(prefix="comptoir-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the node runs as another user
        ours, theirs = trustme.CA(), trustme.CA()
        ours.cert_pem.write_to_path(folder / "ours.pem")
        theirs.cert_pem.write_to_path(folder / "theirs.pem")
        shown = ours.issue_cert("localhost")
        shown.private_key_and_cert_chain_pem.write_to_path(folder / "shown.pem")
        (folder / "shown.pem").chmod(0o444)
        port, management = free_port(), free_port()
        files = {"cacertfile": "ours.pem", "certfile": "shown.pem", "keyfile": "shown.pem"}
        kept = Secrets(folder / "secrets")
        make_secrets(kept, "postgres:5432", f"localhost:{port}", str(folder / "ours.pem"))
        config = [f"listeners.ssl.local = 127.0.0.1:{port}", f"management.ssl.port = {management}"]
        config += [f"ssl_options.{key} = {folder / file}" for key, file in files.items()]
        config += [f"management.ssl.{key} = {folder / file}" for key, file in files.items()]
        with OwnRabbit(plugins=("rabbitmq_management",), config="\n".join(config)) as own:
            admin = urlsplit(kept.read("access", "rabbitmq_url"))
            own.ctl("add_user", str(admin.username), str(admin.password))
            own.ctl("set_user_tags", str(admin.username), "administrator")
            own.ctl("set_permissions", str(admin.username), ".*", ".*", ".*")
            yield Broker(own, kept, port, management, folder / "ours.pem", folder / "theirs.pem")


@pytest.mark.rabbit
@pytest.mark.postgres
async def test_users_queues_and_an_order_go_over_encrypted_lines(
    broker: Broker, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_topology(*OPTIONAL)
    monkeypatch.setenv("SSL_CERT_FILE", str(broker.authority))  # what the management API is verified by
    await grant_broker(broker.kept, f"https://localhost:{broker.management_port}")
    await declare(broker.kept.read(TOPOLOGY, "rabbitmq_url"))
    pattern = f"{databases.run}_tls_{{service}}"
    for service in BUILD:
        await databases.fresh(name=pattern.format(service=service))
    url = databases.url("SERVICE").replace("SERVICE", pattern)
    await migrate(url)
    address = broker.kept.read(ADMIN, "rabbitmq_url")
    automatic = {"warehouses_automatic": True, "deliver_after_s": 0.0}
    async with started(
        bus="rabbit", database_url=url, rabbitmq_url=address, declare_topology=False, **automatic
    ) as suite:
        inventory, order = (
            httpx.AsyncClient(transport=httpx.ASGITransport(application(suite[name])), base_url=f"http://{name}")
            for name in ("inventory", "order")
        )
        await inventory.put("/warehouses/north", json={"name": "North"})
        await inventory.put("/items", json={"items": [{"sku": "mug"}]})
        receipt = {"warehouse": "north", "reference": "PO-1", "lines": [{"sku": "mug", "quantity": 10}]}
        await inventory.post("/receipts", json=receipt, headers={"Idempotency-Key": "1"})
        line = {"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "21"}
        placed = (
            await order.post("/orders", json={"lines": [line], "ship_to": ANNA}, headers={"Idempotency-Key": "1"})
        ).json()

        async def completed() -> bool:
            return bool((await order.get(f"/orders/{placed['id']}")).json()["status"] == "completed")

        await eventually(completed, 30)
        lines = broker.node.ctl("list_connections", "--no-table-headers", "ssl").split()
        assert len(lines) >= 2
        assert set(lines) == {"true"}, "each line is encrypted"


@pytest.mark.rabbit
@pytest.mark.parametrize("consumer", ["order", TOPOLOGY, ADMIN])
def test_every_address_is_one_that_verifies(broker: Broker, consumer: str) -> None:
    address = urlsplit(broker.kept.read(consumer, "rabbitmq_url"))
    assert (address.scheme, address.hostname, address.port) == ("amqps", "localhost", broker.port)
    assert parse_qs(address.query) == {"cafile": [str(broker.authority)]}


@pytest.mark.rabbit
@pytest.mark.parametrize("what", ["another authority", "another host"])
async def test_who_shows_no_certificate_of_ours_for_that_host_is_refused_by_name(broker: Broker, what: str) -> None:
    address = broker.kept.read(ADMIN, "rabbitmq_url")
    if what == "another authority":
        address = address.replace("ours.pem", "theirs.pem")
    else:
        address = address.replace("@localhost:", "@127.0.0.1:")

    async def reach() -> None:
        await declare(address)

    with pytest.raises(NotHere, match=r"(?i)certificate verify failed"):
        await until_there("RabbitMQ", reach, 0)


@pytest.mark.rabbit
async def test_the_management_api_is_verified_too(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(broker.stranger))
    with pytest.raises(httpx.ConnectError, match=r"(?i)certificate verify failed"):
        await grant_broker(broker.kept, f"https://localhost:{broker.management_port}")


@pytest.mark.parametrize("way", ["as services work", "as services read"])
async def test_a_postgresql_that_cannot_show_who_it_is_learns_nothing(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a server, but all that one sees before it is believed: a wheel's PostgreSQL is built without TLS."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ours.pem")
    theirs.cert_pem.write_to_path(tmp_path / "theirs.pem")
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("localhost").configure_cert(shown)
    heard: list[bytes] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert int.from_bytes((await reader.readexactly(8))[4:]) == 80877103, "it asks for TLS first"
        writer.write(b"S")
        with suppress(OSError):
            await writer.start_tls(shown)
            heard.append(await reader.read(1000))
        writer.close()

    async def ask(authority: str, host: str = "localhost") -> None:
        monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / authority))
        url = f"postgresql://somebody:secret@{host}:{port}/comptoir_order"
        if way == "as services work":
            await asyncpg.connect(url, timeout=10)
        else:
            async with reading_engine(url).connect():
                pass

    monkeypatch.setenv("PGSSLMODE", "verify-full")
    async with await asyncio.start_server(server, "127.0.0.1") as listening:
        port = listening.sockets[0].getsockname()[1]
        for authority, host in (("theirs.pem", "localhost"), ("ours.pem", "127.0.0.1")):
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(authority, host)
            assert not any(heard)
        heard.clear()
        with pytest.raises((ConnectionError, asyncpg.PostgresError, DBAPIError)):
            await ask("ours.pem")  # which hangs up when it has heard enough
        assert b"somebody" in heard[0]
