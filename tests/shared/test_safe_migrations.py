"""A migration runs while old and new copies work: it may lock no table for long and take nothing that is still read."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from comptoir.suite import MEMBERS
from shared.migrate import configuration

SQUAWK = Path(sys.executable).parent / "squawk"
BEFORE_ANYBODY = {("order", "0002")}
"""From before the first release: it makes an index anew and computes a column, and no table had rows then."""

NOT_OURS = (
    "prefer-robust-stmts",  # each migration is one transaction: it is done or not
    "require-timeout-settings",  # `comptoir migrate` is a job that an operator sees and ends
    "prefer-bigint-over-int", "prefer-bigint-over-smallint",  # versions and priorities count what people do
    "prefer-text-field",
)  # fmt: skip
"""Rules that do not apply here, and why."""


def statements(upgrade: object) -> str:
    """The SQL of one revision."""
    said = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": said, "literal_binds": True}
    )
    with Operations.context(context):
        upgrade()  # type: ignore[operator]
    return said.getvalue()


def complaints(sql: str, path: Path) -> str:
    """What squawk says of it; empty when it is fine."""
    path.write_text(sql, encoding="utf-8")
    command = [
        str(SQUAWK),
        "--assume-in-transaction",
        "--pg-version=18.0",
        f"--exclude={','.join(NOT_OURS)}",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("service", MEMBERS)
def test_no_migration_stops_a_running_suite(service: str, tmp_path: Path) -> None:
    found = {}
    for script in ScriptDirectory.from_config(configuration(service)).walk_revisions():
        if (service, script.revision) not in BEFORE_ANYBODY:
            found[script.revision] = complaints(statements(script.module.upgrade), tmp_path / f"{script.revision}.sql")
    assert {revision: said for revision, said in found.items() if said} == {}


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("alter table orders drop column priority;", "ban-drop-column"),
        ("alter table orders rename column priority to rank;", "renaming-column"),
        ("alter table orders add column rank integer not null;", "adding-required-field"),
        ("create index ix on orders (priority);", "require-concurrent-index-creation"),
        ("alter table orders alter column priority type bigint;", "changing-column-type"),
    ],
)
def test_what_would_stop_it_is_seen(sql: str, rule: str, tmp_path: Path) -> None:
    assert rule in complaints(sql, tmp_path / "bad.sql")


def test_the_order_of_a_migration_that_adds_is_fine(tmp_path: Path) -> None:
    assert complaints("alter table stock add column more integer default 0 not null;", tmp_path / "good.sql") == ""
