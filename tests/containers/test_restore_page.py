"""The commands of docs/deploy.md that dump the databases of the compose file and restore them, run as they stand."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.containers.door import Door
from tests.containers.engine import ROOT, Project

pytestmark = [pytest.mark.containers, pytest.mark.chaos, pytest.mark.timeout(900)]


async def test_what_was_dumped_is_there_again_and_what_came_after_is_not(
    project: Project, door: Door, tmp_path: Path
) -> None:
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8").partition("## Backup and restore")[2]
    dump, restore = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[:2]
    files = [project.more[i + 1] for i, word in enumerate(project.more) if word == "-f"]
    environment = {
        **os.environ,
        **project.versions,
        **project.settings,
        "COMPOSE_PROJECT_NAME": project.name,
        "COMPOSE_FILE": ":".join(str(ROOT / file) for file in ("docker-compose.yml", *files)),
        "COMPOSE_PROFILES": "observability",
        "COMPTOIR_DOOR_PORT": str(project.port),
    }

    def run(commands: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    kept = [await door.place(i) for i in range(5)]
    await door.completed(kept)
    run(dump)
    late = [await door.place(i) for i in range(5, 8)]
    await door.completed(late)
    run(restore)
    now = await door.statuses()
    assert {order: now.get(order) for order in (*kept, *late)} == dict.fromkeys(kept, "completed") | dict.fromkeys(late)
    again = [await door.place(i) for i in range(5, 8)]  # a channel sends them anew
    await door.completed(again)
