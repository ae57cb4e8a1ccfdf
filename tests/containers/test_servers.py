"""What the tests show on the servers of this machine holds on PostgreSQL 18 and RabbitMQ 4 in containers too."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.containers.engine import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


STORY = "tests/journeys/test_selling.py::test_an_order_is_placed_paid_shipped_and_completed"


@pytest.fixture(scope="module")
def postgres(engine_here: None) -> Iterator[PostgresContainer]:
    many = "postgres -c fsync=off -c max_connections=200"
    with PostgresContainer("postgres:18", driver=None).with_command(many) as started:
        yield started


@pytest.fixture(scope="module")
def rabbit(engine_here: None) -> Iterator[DockerContainer]:
    """Its class for RabbitMQ wants another client than ours."""
    with (
        DockerContainer("rabbitmq:4-management")
        .with_env("RABBITMQ_DEFAULT_USER", "tests")
        .with_env("RABBITMQ_DEFAULT_PASS", "tests")
        .with_exposed_ports(5672)
        .waiting_for(LogMessageWaitStrategy("Server startup complete"))
    ) as started:
        yield started


def test_buses_invariants_and_a_story_are_the_same_there(postgres: PostgresContainer, rabbit: DockerContainer) -> None:
    host, port = rabbit.get_container_host_ip(), rabbit.get_exposed_port(5672)
    servers = {
        "COMPTOIR_DATABASE_URL": postgres.get_connection_url(driver=None).rpartition("/")[0],
        "COMPTOIR_RABBITMQ_URL": f"amqp://tests:tests@{host}:{port}/",
    }
    pytest_itself = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "3", "--dist", "loadfile"]
    done = subprocess.run(
        [*pytest_itself, "tests/messaging", "tests/verify", STORY],
        cwd=ROOT,
        env={**os.environ, **servers},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    committed = ["psql", "-U", "test", "-tAc", "select sum(xact_commit) from pg_stat_database"]
    assert int(postgres.exec(committed).output) > 1000, "the tests ran on another PostgreSQL"
    connections = b"".join(rabbit.get_logs()).count(b"accepting AMQP connection")
    assert connections > 10, "the tests ran on another RabbitMQ"
