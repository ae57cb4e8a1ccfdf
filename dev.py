"""Sets up a working copy with nothing but Python 3.11+ and pip: `python3 dev.py setup`.

Makes .venv, installs exactly what requirements.lock names (hashes are checked) and puts the `comptoir` command beside
it. Run again it does nothing until the lock or the project's own dependencies change. Standard library only.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
COMMAND = PYTHON.with_name("comptoir.exe" if sys.platform == "win32" else "comptoir")
STAMP = VENV / "installed"
OLDEST = (3, 11)
BASE = getattr(sys, "_base_executable", sys.executable)
"""The interpreter itself, also when this runs by the python of the .venv that is to be made anew."""


def wanted() -> str:
    """Changes when something else must be installed; names the interpreter and the place too, as a venv cannot move."""
    import tomllib  # here, so that an older Python comes as far as being told that it is too old

    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    digest.update((ROOT / "requirements.lock").read_bytes())
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())
    digest.update(repr([described[part] for part in ("build-system", "project")]).encode())
    return digest.hexdigest()


def installed() -> bool:
    return STAMP.exists() and STAMP.read_text() == wanted() and PYTHON.exists() and COMMAND.exists()


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(str(part) for part in command)}")


def has(module: str) -> bool:
    return subprocess.run([BASE, "-c", f"import {module}"], capture_output=True).returncode == 0


def make_venv() -> list[str | Path]:
    """A fresh .venv and the pip that fills it. Debian's python3 has pip or ensurepip, but often only one of the two."""
    shutil.rmtree(VENV, ignore_errors=True)
    if has("pip"):
        run(BASE, "-m", "venv", "--without-pip", VENV)
        return [BASE, "-m", "pip", "--python", PYTHON]
    if has("ensurepip"):
        run(BASE, "-m", "venv", VENV)
        return [PYTHON, "-m", "pip"]
    sys.exit("neither pip nor ensurepip is here: install pip first (Debian: apt install python3-pip)")


def setup() -> None:
    if sys.version_info < OLDEST:
        sys.exit(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}")
    if installed():
        return
    started = time.monotonic()
    print("setting up .venv from requirements.lock ...", flush=True)
    pip = [*make_venv(), "--disable-pip-version-check", "-qq", "install"]
    run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock")
    run(*pip, "--no-deps", "--no-index", "--no-build-isolation", "--editable", ROOT)
    STAMP.write_text(wanted())
    print(f"ready in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["setup"]:
        sys.exit("usage: python3 dev.py setup")
    setup()
