"""The import contracts of pyproject.toml hold, and each is seen to break on a planted import."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = [
    c["name"] for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]

PLANTED = [
    ("Services never import each other", "services/order/store.py", "import services.billing.tables"),
    ("Services never import each other", "services/inventory/domain/more.py", "import services.order.saga"),
    ("Inside a service, imports go down only", "services/billing/tables.py", "import services.billing.store"),
    ("Inside a service, imports go down only", "services/order/handlers.py", "import services.order.app"),
    ("Inside a service, imports go down only", "services/order/saga.py", "import services.order.queries"),
    ("Inside a service, imports go down only", "services/order/api/orders.py", "import services.order.handlers"),
    ("Decisions know no framework", "services/billing/domain/more.py", "import sqlalchemy"),
    ("Decisions know no framework", "services/order/saga.py", "import shared.database"),  # by way of a neighbour
    (
        "Contracts are plain: no framework, nothing of ours but themselves",
        "shared/contracts/order.py",
        "import fastapi",
    ),
    (
        "Contracts are plain: no framework, nothing of ours but themselves",
        "shared/contracts/order.py",
        "import shared.messaging.decision",
    ),
    ("What is shared knows no service and no composition", "shared/http.py", "import services.order.saga"),
    ("What is shared knows no service and no composition", "shared/service.py", "import comptoir.postgres"),
    ("Services do not know how they are composed", "services/order/app.py", "import comptoir.postgres"),
    ("Decisions stand on a vocabulary, entity tags and contracts", "shared/messaging/decision.py", "import asyncpg"),
]


def lint(root: Path) -> str:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=root, capture_output=True, text=True, env={"PYTHONPATH": "."}
    )
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The same modules, empty, so that only the planted import can break anything."""
    for top in ("services", "shared", "comptoir"):
        for path in (ROOT / top).rglob("*.py"):
            twin = tmp_path / path.relative_to(ROOT)
            twin.parent.mkdir(parents=True, exist_ok=True)
            twin.touch()
    for room in ("app", "api", "handlers", "queries", "store", "tables", "saga"):
        for service in ("order", "billing"):
            (tmp_path / "services" / service / f"{room}.py").touch()
    (tmp_path / "shared/database.py").write_text("import sqlalchemy")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold() -> None:
    said = lint(ROOT)
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said, said


def test_the_copy_without_a_planted_import_is_clean(copy: Path) -> None:
    assert "0 broken" in lint(copy)


@pytest.mark.parametrize(("contract", "path", "line"), PLANTED)
def test_a_planted_import_breaks_its_contract(copy: Path, contract: str, path: str, line: str) -> None:
    (copy / path).parent.mkdir(parents=True, exist_ok=True)
    (copy / path).write_text(line)
    said = lint(copy)
    assert f"{contract} BROKEN" in said, said


def test_no_contract_is_without_a_planted_import() -> None:
    assert {contract for contract, _, _ in PLANTED} == set(CONTRACTS)
