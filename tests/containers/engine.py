"""A container engine, and compose projects on it that never meet a user's and never outlive the run that made them."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "comptoir-test-"
"""Of the names of our projects; nothing else is ever removed."""
PROJECT = "com.docker.compose.project"
VERIFY = ("verify", "--bus", "rabbit", "--provider", "http://payment-provider:8000")
"""Everything that can be looked at: databases, dead letters, and the provider's book."""


def there() -> bool:
    """Whether an engine answers that has, or can fetch, the images of the servers."""
    try:
        done = subprocess.run(["docker", "image", "inspect", "postgres:18"], capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def docker(*arguments: str, within_s: float = 120, fails: bool = True, said: str = "", **environment: str) -> str:
    """What it printed, to what is said on its standard input. What went wrong is in the error."""
    done = subprocess.run(
        ["docker", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=within_s,
        input=said,
    )
    if done.returncode and fails:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr[-4000:]}")
    return done.stdout


def prometheus() -> str:
    """The image that the compose file names, where it is there; else one made from Debian's package."""
    named = re.search(r"image: (prom/prometheus:\S+)", (ROOT / "docker-compose.yml").read_text())
    assert named
    if docker("image", "ls", "-q", named[1]).strip():
        return named[1]
    docker("build", "-q", "-t", "comptoir/prometheus:test", "tests/containers/prometheus", within_s=600)
    return "comptoir/prometheus:test"


def outside() -> str:
    """An image of our own for what is outside."""
    docker("build", "-q", "-t", "comptoir/outside:test", "-f", "tests/containers/outside/Dockerfile", ".", within_s=600)
    return "comptoir/outside:test"


def remove(project: str) -> None:
    """Its containers, networks and volumes, whatever the compose file says by now."""
    assert project.startswith(PREFIX), project
    mine = f"label={PROJECT}={project}"
    for kind, listed, removed in (
        ("container", ["ps", "-aq"], ["rm", "-fv"]),
        ("network", ["network", "ls", "-q"], ["network", "rm"]),
        ("volume", ["volume", "ls", "-q"], ["volume", "rm", "-f"]),
    ):
        if ids := docker(*listed, "--filter", mine).split():
            docker(*removed, *ids, fails=kind == "container")


def projects() -> set[str]:
    """All of ours that are there, also those whose containers are down."""
    names: set[str] = set()
    for listed in (["ps", "-a"], ["volume", "ls"], ["network", "ls"]):
        names |= set(docker(*listed, "--filter", f"label={PROJECT}", "--format", f'{{{{.Label "{PROJECT}"}}}}').split())
    return {name for name in names if name.startswith(PREFIX)}


class Project:
    """A compose project of its own, with images and ports of its own.

    `more`: arguments of each `docker compose`, as further files and profiles; `settings`: what they ask for.
    """

    def __init__(self, name: str, port: int, figures_port: int = 0) -> None:
        self.name, self.port, self.figures_port = name, port, figures_port
        self.more: list[str] = []
        self.settings: dict[str, str] = {}
        self.versions = {
            f"{image.upper()}_VERSION": "test"
            for image in ("comptoir", "order", "inventory", "fulfilment", "billing", "backoffice")
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, within_s: float = 300, fails: bool = True, said: str = "") -> str:
        """`docker compose` for this project, with nothing of a user's settings."""
        chosen = {"COMPOSE_PROJECT_NAME": self.name, "COMPTOIR_DOOR_PORT": str(self.port), "COMPOSE_ENV_FILES": ""}
        return docker(
            "compose", "-f", "docker-compose.yml", "--env-file", os.devnull, *self.more, *arguments,
            within_s=within_s, fails=fails, said=said, **(chosen | self.versions | self.settings),
        )  # fmt: skip

    def up(self) -> None:
        """All of it, and waits until it is there; what the containers said is with the error."""
        try:
            self.compose("up", "--wait", "--wait-timeout", "420", within_s=480)
        except AssertionError as error:
            error.add_note(self.said())
            raise

    def tools(self, *command: str, within_s: float = 300) -> str:
        """A command of the operator, in the container that is there for it."""
        return self.compose("run", "--rm", "--no-deps", "-T", "tools", *command, within_s=within_s)

    def key(self) -> str:
        """The API key of the tools."""
        inside = ("--entrypoint", "cat", "tools", "/run/secrets/api_key")
        return self.compose("run", "--rm", "--no-deps", "-T", *inside).strip()

    def containers(self) -> list[dict[str, Any]]:
        """As the engine describes them."""
        ids = docker("ps", "-aq", "--filter", f"label={PROJECT}={self.name}").split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return found

    def of(self, service: str) -> list[dict[str, Any]]:
        """The copies of a service that run."""
        return [each for each in self.containers() if service_of(each) == service and each["State"]["Running"]]

    def said(self) -> str:
        return self.compose("logs", "--tail", "40", "--no-color", fails=False)


def service_of(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def undertaker(project: str) -> "subprocess.Popen[bytes]":
    """A process that removes the project as soon as this one is gone or closes its input: also after kill -9."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.containers.engine", project],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def main() -> None:
    """`python -m tests.containers.engine PROJECT` waits for the end of its input; without a name: all that is left."""
    if len(sys.argv) > 1:
        sys.stdin.buffer.read()
        with suppress(AssertionError, subprocess.TimeoutExpired):  # an engine that ended: its next run begins by this
            remove(sys.argv[1])
        return
    for project in sorted(projects()):
        print(f"removing {project}, which an earlier run left", flush=True)
        remove(project)


if __name__ == "__main__":
    main()
