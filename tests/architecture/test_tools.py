"""The general tools are set up as strictly as we believe: each is seen to complain."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("path", "source", "code"),
    [
        ("services/order/queries.py", 'print("here")\n', "T201"),
        ("shared/messaging/unit.py", "from datetime import datetime\n\nNOW = datetime.now()\n", "DTZ005"),
        ("shared/http.py", "import time\n\n\nasync def wait() -> None:\n    time.sleep(1)\n", "ASYNC251"),
        ("shared/http.py", "def f(into: list[int] = []) -> None: ...\n", "B006"),
        ("services/order/api/orders.py", "import os\n", "F401"),
    ],
)
def test_ruff_finds_it(path: str, source: str, code: str) -> None:
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format",
        "concise",
        "--stdin-filename",
        path,
    ]
    done = subprocess.run([*command, "-"], cwd=ROOT, input=source, capture_output=True, text=True)
    assert code in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def f(x):\n    return x\n", "no-untyped-def"),
        ("from typing import Any\n\ndef f(x: Any) -> int:\n    return x\n", "no-any-return"),
        ("x: list = []\n", "type-arg"),
    ],
)
def test_mypy_finds_it(tmp_path: Path, source: str, code: str) -> None:
    (tmp_path / "planted.py").write_text(source)
    settings = (ROOT / "pyproject.toml").read_text().replace('packages = ["shared", "services", "comptoir"]', "")
    (tmp_path / "pyproject.toml").write_text(settings)
    done = subprocess.run([sys.executable, "-m", "mypy", "planted.py"], cwd=tmp_path, capture_output=True, text=True)
    assert f"[{code}]" in done.stdout, done.stdout + done.stderr


async def test_eventually_waits_for_the_truth_and_says_what_it_saw_last() -> None:
    seen = iter([0, 0, 3])
    assert await eventually(lambda: next(seen)) == 3

    async def never() -> list[str]:
        return []

    with pytest.raises(AssertionError, match=r"not within 0\.05 s; last seen: \[\]"):
        await eventually(never, within_s=0.05)

    def wrong() -> bool:
        raise AssertionError("2 orders, not 3")

    with pytest.raises(AssertionError, match="2 orders, not 3"):
        await eventually(wrong, within_s=0.05)
