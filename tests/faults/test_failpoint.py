"""The failpoints themselves, each in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared import failpoints
from tests.eventually import eventually

HITS = "from shared.failpoints import failpoint\nfor i in range(5):\n    failpoint('a')\n    print(i, flush=True)\n"


def run(plan: str, code: str = HITS) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"COMPTOIR_FAILPOINT": plan}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30)


def test_without_a_plan_a_point_is_an_empty_function() -> None:
    def empty(name: str) -> None:
        """Nothing."""

    assert failpoints.failpoint.__code__.co_code == empty.__code__.co_code
    assert failpoints.failpoint_shortly.__code__.co_code == empty.__code__.co_code


def test_the_process_is_killed_at_the_hit_that_is_named() -> None:
    done = run("a=kill@3")
    assert (done.returncode, done.stdout.split()) == (-signal.SIGKILL, ["0", "1"])


def test_a_point_raises_at_every_hit_unless_one_is_named() -> None:
    assert "shared.failpoints.Failed: a" in run("a=raise").stderr
    assert run("b=raise").returncode == 0


def test_a_point_sleeps() -> None:
    began = time.monotonic()
    assert run("a=sleep:300@2").returncode == 0
    assert time.monotonic() - began > 0.3


def test_a_plan_with_a_typo_is_refused() -> None:
    assert "names no action" in run("a=kil").stderr


async def test_a_running_process_is_armed_and_leaves_its_counts_behind(tmp_path: Path) -> None:
    code = (
        "import time\nfrom shared.failpoints import failpoint\nwhile True:\n    failpoint('a')\n    time.sleep(0.01)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"COMPTOIR_FAILPOINT": f"@{tmp_path}"})
    hits = tmp_path / f"{process.pid}.hits"
    try:
        await eventually(lambda: hits.exists() and hits.read_text().count("a\n") > 3, 30)
        (tmp_path / str(process.pid)).write_text("a=kill@2")
        assert process.wait(30) == -signal.SIGKILL
    finally:
        process.kill()
    assert set(hits.read_text().split()) == {"a"}


async def test_a_stopped_process_goes_on_when_it_is_told_to() -> None:
    process = subprocess.Popen([sys.executable, "-c", HITS], env=os.environ | {"COMPTOIR_FAILPOINT": "a=stop@2"})
    try:
        status = Path(f"/proc/{process.pid}/stat")
        if not status.exists():
            pytest.fail("this test reads /proc")
        await eventually(lambda: status.read_text().rsplit(")", 1)[1].split()[0] == "T", 30)
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 0
    finally:
        process.kill()
