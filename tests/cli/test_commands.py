"""The command as a process: what it says, how it ends, what survives."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from comptoir.chaos.works import ANNA
from comptoir.postgres import free_port
from comptoir.suite import MEMBERS, migrate
from shared.database import with_database
from tests.conftest import Databases, plain
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str, **settings: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COMPTOIR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "comptoir", *words],
        cwd=ROOT,
        env=environment | settings,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def ended(process: "subprocess.Popen[str]", within_s: float = 30) -> tuple[int, str]:
    said, _ = process.communicate(timeout=within_s)
    return process.returncode, said


def test_help_answers_at_once() -> None:
    """It imports nothing that only one command needs."""
    heavy = "sqlalchemy asyncpg fastapi faststream aio_pika uvicorn pydantic httpx structlog alembic"
    code = f"import sys, comptoir.cli; print([m for m in {heavy.split()!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "[]\n"
    before = os.times()
    status, said = ended(command("--help"))
    assert status == 0
    after = os.times()
    assert (after.children_user + after.children_system) - (before.children_user + before.children_system) < 1
    for name in ("up", "serve", "migrate", "demo", "replay", "verify", "bench", "parked", "explore", "docs"):
        assert re.search(rf"^\W*{name}\b", said, re.MULTILINE), name


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("COMPTOIR_PORT", "99999"),
        ("COMPTOIR_DATABASE_URL", "mysql://localhost"),
        ("COMPTOIR_RABBITMQ_URL", "localhost"),
        ("COMPTOIR_CREDIT_LIMIT", "much"),
        ("COMPTOIR_TIME_ZONE", "Europe/Brussel"),
    ],
)
def test_wrong_settings_end_with_one_sentence(setting: str, value: str) -> None:
    status, said = ended(command("serve", "billing", **{setting: value}))
    assert (status, said.count("\n"), said.startswith(f"wrong settings: {setting}: ")) == (2, 1, True), said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"COMPTOIR_LOG_LEVEL": "loud"}, "wrong settings: COMPTOIR_LOG_LEVEL: "),
        ({"COMPTOIR_AUDIT_SKUS": "0"}, "wrong settings: COMPTOIR_AUDIT_SKUS: "),
        ({"COMPTOIR_LOW_STOCK_TO": "anna@shop.example"}, "wrong settings: COMPTOIR_LOW_STOCK_TO needs COMPTOIR_MAIL="),
        ({"COMPTOIR_SHOP_NAMES": "Kade"}, "wrong settings: COMPTOIR_SHOP_NAMES is no setting; is COMPTOIR_SHOP_NAME "),
    ],
)
async def test_the_whole_suite_makes_no_database_when_a_setting_is_wrong(
    postgres_url: str, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    name = f"wrong_{uuid4().hex[:8]}_order"
    url = plain(with_database(postgres_url, name).render_as_string(False)).replace("_order", "_{service}")
    status, text = ended(command("up", "--port", "0", "--data", str(tmp_path), COMPTOIR_DATABASE_URL=url, **wrong))
    assert (status, text.count("\n"), text.startswith(said)) == (2, 1, True), text
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(url.replace("{service}", "order"))


def test_a_database_that_never_comes_is_waited_for_and_then_named() -> None:
    away = f"postgresql://postgres@127.0.0.1:{free_port()}"
    settings = {"COMPTOIR_DATABASE_URL": away, "COMPTOIR_START_WITHIN_S": "1", "COMPTOIR_PORT": "0"}
    status, said = ended(command("serve", "billing", **settings))
    assert status == 2
    assert json.loads(said.splitlines()[0])["event"] == "PostgreSQL is not there yet, trying again"
    assert said.splitlines()[-1].startswith("PostgreSQL was not there within 1 s")
    assert "Traceback" not in said


WITHOUT_A_SERVER = (
    ("verify",), ("migrate",), ("resend", "--since", "2026-03-02"), ("rebuild", "backoffice"), ("parked", "list"),
    ("parked", "acts"), ("order", "waiting"), ("order", "cancel", "S-1"), ("product", "export"), ("staff", "list"),
    ("staff", "remove", "anna"), ("webhooks", "list"), ("webhooks", "failed"),
)  # fmt: skip


@pytest.mark.parametrize("words", WITHOUT_A_SERVER, ids=" ".join)
def test_a_command_whose_database_does_not_answer_says_so_in_one_sentence(words: tuple[str, ...]) -> None:
    port = free_port()
    status, said = ended(command(*words, COMPTOIR_DATABASE_URL=f"postgresql://anna:secret@127.0.0.1:{port}"))
    assert (status, said.count("\n"), "secret" in said) == (2, 1, False), said
    assert said.startswith(f"PostgreSQL at 127.0.0.1:{port} (COMPTOIR_DATABASE_URL) does not let us in: ")


def test_a_broker_that_does_not_answer_is_named_by_the_command_that_needs_it() -> None:
    port = free_port()
    status, said = ended(command("topology", COMPTOIR_RABBITMQ_URL=f"amqp://anna:secret@127.0.0.1:{port}/"))
    assert (status, "secret" in said, "Traceback" in said) == (2, False, False), said
    assert said.splitlines()[-1].startswith(f"RabbitMQ at 127.0.0.1:{port} (COMPTOIR_RABBITMQ_URL) does not let us in:")


@pytest.mark.postgres
@pytest.mark.parametrize("made", [False, True], ids=["none", "empty"])
async def test_a_command_on_databases_without_tables_says_how_they_get_them(databases: Databases, made: bool) -> None:
    name = f"bare_{uuid4().hex[:8]}"
    if made:
        for service in MEMBERS:
            await databases.fresh(name=f"{name}_{service}")
    url = f"{databases.url(name)}_{{service}}"
    for words in (("verify",), ("staff", "list"), ("parked", "list"), ("product", "export"), ("webhooks", "list")):
        status, said = ended(command(*words, COMPTOIR_DATABASE_URL=url))
        assert (status, "Traceback" in said, "run `comptoir migrate`" in said) == (2, False, True), (words, said)


@pytest.mark.postgres
async def test_a_file_to_replay_that_is_no_text_is_named(databases: Databases, tmp_path: Path) -> None:
    path = tmp_path / "invoices.csv"
    path.write_bytes(bytes(range(256)))
    url = f"{databases.url(f'replay_{uuid4().hex[:8]}')}_{{service}}"
    status, said = ended(command("replay", str(path), "--data", str(tmp_path), COMPTOIR_DATABASE_URL=url))
    assert (status, said.count("\n"), said.startswith(f"{path}: after line 0: ")) == (2, 1, True), said


def test_there_is_no_history_of_a_negative_seed() -> None:
    status, said = ended(command("simulate", "--seed", "-1"))
    assert (status, "greater than or equal to 0" in said) == (2, True), said


@pytest.mark.postgres
async def test_an_old_database_is_refused_and_a_service_that_waits_ends_when_told(databases: Databases) -> None:
    url = await databases.fresh()
    status, said = ended(command("serve", "billing", COMPTOIR_DATABASE_URL=url, COMPTOIR_PORT="0"))
    assert (status, "run `comptoir migrate`" in said) == (2, True), said
    await migrate(url, ("billing",))
    broker = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    settings = {"COMPTOIR_DATABASE_URL": url, "COMPTOIR_PORT": "0", "COMPTOIR_RABBITMQ_URL": broker}
    waiting = command("serve", "billing", **settings)
    assert waiting.stdout is not None
    assert "RabbitMQ is not there yet" in waiting.stdout.readline()
    waiting.send_signal(signal.SIGTERM)
    assert ended(waiting)[0] == 0


@pytest.mark.postgres
@pytest.mark.rabbit
async def test_sigterm_finishes_what_is_in_hand_and_publishes_it(
    databases: Databases, rabbit_url: str, rabbit_prefix: str
) -> None:
    import asyncpg

    url, port = await databases.fresh(), free_port()
    await migrate(url, ("order",))
    service = command(
        "serve",
        "order",
        COMPTOIR_DATABASE_URL=url,
        COMPTOIR_RABBITMQ_URL=rabbit_url,
        COMPTOIR_RABBITMQ_PREFIX=rabbit_prefix,
        COMPTOIR_PORT=str(port),
        COMPTOIR_LOG_LEVEL="WARNING",
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:

        async def ready() -> bool:
            try:
                return (await http.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, within_s=30)
        lines = [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}]
        orders = {"orders": [{"order_id": str(uuid4()), "lines": lines} for _ in range(200)]}
        placed = await http.post("/orders/batch", json=orders, headers={"Idempotency-Key": "k"})
        assert {one["status"] for one in placed.json()["outcomes"]} == {201}
        service.send_signal(signal.SIGTERM)
    assert ended(service) == (0, "")
    connection = await asyncpg.connect(url)
    sent = await connection.fetchrow("select count(*) as n, count(sent_at) as sent, sum(count) as events from outbox")
    await connection.close()
    assert sent is not None
    assert sent["n"] == sent["sent"]
    assert sent["events"] >= 200


@pytest.mark.postgres
@pytest.mark.rabbit
async def test_the_auditor_as_a_process_names_a_breach_and_has_its_order_held(
    databases: Databases, rabbit_url: str, rabbit_prefix: str
) -> None:
    import asyncpg

    run, ports = uuid4().hex[:8], (free_port(), free_port())
    url = databases.url(f"audit_{run}_SERVICE").replace("SERVICE", "{service}")
    databases.made += [f"audit_{run}_{name}" for name in ("order", "inventory", "fulfilment", "billing")]
    await migrate(url)
    settings = {
        "COMPTOIR_DATABASE_URL": url,
        "COMPTOIR_RABBITMQ_URL": rabbit_url,
        "COMPTOIR_RABBITMQ_PREFIX": rabbit_prefix,
        "COMPTOIR_AUDIT_EVERY_S": "0.2",
        "COMPTOIR_AUDIT_APART_S": "0.5",
        "COMPTOIR_LOG_LEVEL": "CRITICAL",
    }
    order = command("serve", "order", COMPTOIR_PORT=str(ports[0]), **settings)
    auditor = command("serve", "auditor", COMPTOIR_PORT=str(ports[1]), **settings)
    shop, audit = (f"http://127.0.0.1:{port}" for port in ports)
    async with httpx.AsyncClient(timeout=10) as http:

        async def ready() -> bool:
            try:
                return all([(await http.get(f"{at}/health/ready")).status_code == 200 for at in (shop, audit)])
            except httpx.TransportError:
                return False

        async def found() -> list[dict[str, Any]]:
            seen: list[dict[str, Any]] = (await http.get(f"{audit}/violations")).json()["violations"]
            return seen

        async def held() -> bool:
            return "audit: I6" in (await http.get(f"{shop}/orders/{id}")).text

        await eventually(ready, within_s=40)
        lines = [{"sku": "mug", "quantity": 1, "unit_price": "5.00"}]
        placed = await http.post(f"{shop}/orders", json={"lines": lines}, headers={"Idempotency-Key": "1"})
        id = placed.json()["id"]
        connection = await asyncpg.connect(url.replace("{service}", "order"))
        await connection.execute("update lines set quantity = 2")
        await connection.close()
        (breach,) = await eventually(found)
        assert (breach["invariant"], breach["order_id"]) == ("I6", id)
        await eventually(held)
        assert 'comptoir_invariant_violations{invariant="I6"} 1.0' in (await http.get(f"{audit}/metrics")).text
    for process in (auditor, order):
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "")


@asynccontextmanager
async def up(data: Path) -> AsyncIterator[tuple[httpx.AsyncClient, "subprocess.Popen[str]"]]:
    """`comptoir up` on this folder, ended at the end if it still runs."""
    process = command("up", "--port", "0", "--data", str(data))
    assert process.stdout is not None
    try:
        here = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert here, process.stdout.read()
        async with httpx.AsyncClient(base_url=here.group(), timeout=10) as http:
            yield http, process
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait(10)


async def place(http: httpx.AsyncClient, key: str) -> str:
    lines = [{"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "21"}]
    body = {"lines": lines, "ship_to": ANNA}
    answer = await http.post("/order/orders", json=body, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def completed(http: httpx.AsyncClient, order_id: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = (await http.get(f"/order/orders/{order_id}")).json()
    except httpx.TransportError:
        return None
    return found if found["status"] == "completed" else None


@pytest.mark.slow
async def test_up_walks_an_order_to_its_end_survives_a_kill_and_ends_when_told(tmp_path: Path) -> None:
    async with up(tmp_path) as (http, process):
        await http.put("/inventory/warehouses/north", json={"name": "North"})
        await http.put("/inventory/items", json={"items": [{"sku": "mug"}]})
        receipt = {"warehouse": "north", "reference": "PO-1", "lines": [{"sku": "mug", "quantity": 100}]}
        assert (await http.post("/inventory/receipts", json=receipt, headers={"Idempotency-Key": "1"})).is_success
        first = await place(http, "1")
        found = await eventually(lambda: completed(http, first), within_s=20)
        assert found["money"]["captured"] == "30.25"
        assert found["shipments"][0]["tracking"].startswith("TR0")
        assert (await http.get("/auditor/violations")).json()["violations"] == []
        assert (await http.get("/auditor/health/live")).status_code == 200
        assert (await http.get("/nothing")).headers["content-type"] == "application/problem+json"
        second = await place(http, "2")
        process.kill()
    async with up(tmp_path) as (http, process):
        await eventually(lambda: completed(http, second), within_s=20)
        assert (await completed(http, first)) == found
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10


def test_a_service_starts_without_importing_the_others() -> None:
    """Imports are most of a start: a hundred processes are started by the tests alone."""
    code = (
        "import sys\n"
        "from comptoir.serving import know_topology, make\n"
        "know_topology('order'), make('order')\n"
        "print(*sorted(name for name in sys.modules if name.startswith('services.') and name.endswith('.app')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "services.order.app"
