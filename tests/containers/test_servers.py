"""What the tests show on the servers of this machine holds on PostgreSQL 18 and RabbitMQ 4 in containers too."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.rabbitmq import RabbitMqContainer

from tests.containers.engine import ROOT

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def servers(engine_here: None) -> Iterator[dict[str, str]]:
    """One of each for the whole run."""
    many = "postgres -c fsync=off -c max_connections=200"
    with (
        PostgresContainer("postgres:18", driver=None).with_command(many) as pg,
        RabbitMqContainer("rabbitmq:4-management") as rabbit,
    ):
        host, port = rabbit.get_container_host_ip(), rabbit.get_exposed_port(rabbit.port)
        yield {
            "COMPTOIR_DATABASE_URL": pg.get_connection_url(driver=None).rpartition("/")[0],
            "COMPTOIR_RABBITMQ_URL": f"amqp://{rabbit.username}:{rabbit.password}@{host}:{port}/",
        }


@pytest.mark.parametrize("part", [["tests/messaging"], ["tests/verify"], ["tests/journeys/test_selling.py"]], ids=str)
def test_the_same_tests_pass_on_these_servers(servers: dict[str, str], part: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", *part],
        cwd=ROOT,
        env={**os.environ, **servers},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
