"""What the pages say is there: links lead somewhere, targets of make and commands exist, help explains each target."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from comptoir.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/*/README.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code(text: str) -> str:
    """What is set as code: commands are only looked for there."""
    return "\n".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))


@named
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


@named
def test_targets_of_make_exist(page: Path) -> None:
    assert set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)", code(page.read_text()))) <= TARGETS


@named
def test_commands_exist(page: Path) -> None:
    _must_exist(code(page.read_text()))


def test_commands_of_the_makefile_exist() -> None:
    _must_exist((ROOT / "Makefile").read_text())


def _must_exist(text: str) -> None:
    every: Any = typer.main.get_command(app)
    for words in re.findall(r"(?:^|[/`\s])comptoir((?: [a-z]+)+)", text):
        group = every
        for word in words.split():
            if not hasattr(group, "commands"):
                break  # the rest are arguments
            assert word in group.commands, f"comptoir{words}: there is no {word}"
            group = group.commands[word]


def test_make_alone_prints_every_target_with_what_it_does() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    explained = dict(re.findall(r"^  make ([a-z-]+) +(.+)$", said, re.MULTILINE))
    assert set(explained) == TARGETS - {"help"}
