"""docs/testing.md: a stranger's tests, copied from the page, run against a suite of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.containers import engine
from tests.containers.engine import ROOT, Project, undertaker

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]


def test_the_tests_that_the_page_shows_pass_and_leave_nothing_behind(project: Project, tmp_path: Path) -> None:
    page = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
    conftest, test = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_shop.py").write_text(test)
    name = f"{engine.PREFIX}{uuid4().hex[:8]}"
    watch = undertaker(name)
    assert watch.stdin
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
            cwd=tmp_path,
            env={**os.environ, **project.versions, "COMPOSE_PROJECT_NAME": name, "COMPTOIR_CHECKOUT": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
        assert f"{test.count('def test_')} passed" in done.stdout
        assert name not in engine.projects()
    finally:
        watch.stdin.close()
        watch.wait(120)
