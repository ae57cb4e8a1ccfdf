"""In CI nothing is skipped in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPING = "import pytest\n@pytest.mark.skip(reason='no engine')\ndef test_it(): ...\n"
MODULE = "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): ...\n"
EXPECTED = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n"


@pytest.mark.parametrize(
    ("source", "ci", "code"),
    [(SKIPPING, "true", 1), (SKIPPING, "", 0), (MODULE, "true", 2), (EXPECTED, "true", 0)],
)
def test_a_skipped_test_fails_the_run_in_ci_only(tmp_path: Path, source: str, ci: str, code: int) -> None:
    (tmp_path / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.strictness",
        "-c",
        os.devnull,
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout
    assert ("nothing may be skipped" in done.stdout) is bool(code)
