"""Settings from the environment and from files, and what is said when they are wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.settings import ServiceSettings, WrongSetting, setting

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("COMPTOIR_")]:
        monkeypatch.delenv(name)


def test_a_setting_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("amqp://one:secret@mq/\n")
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL_FILE", str(tmp_path / "url"))
    assert ServiceSettings().rabbitmq_url == setting("RABBITMQ_URL") == "amqp://one:secret@mq/"
    assert ServiceSettings(rabbitmq_url="amqp://other/").rabbitmq_url == "amqp://other/", "an argument wins"


def test_what_is_in_a_file_is_checked_as_any_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "port").write_text("70000")
    monkeypatch.setenv("COMPTOIR_PORT_FILE", str(tmp_path / "port"))
    with pytest.raises(ValueError, match="less than or equal to 65535"):
        ServiceSettings()


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot read .*: No such file"), (b"", "is empty"), (b"\xff", "not text"), (b"x" * 70_000, "too large")],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("COMPTOIR_DATABASE_URL_FILE", str(path))
    with pytest.raises(WrongSetting, match=f"COMPTOIR_DATABASE_URL_FILE: .*{said}"):
        ServiceSettings()


def test_a_setting_and_its_file_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("amqp://a/")
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", "amqp://b/")
    with pytest.raises(WrongSetting, match="COMPTOIR_RABBITMQ_URL is set, and so is COMPTOIR_RABBITMQ_URL_FILE"):
        ServiceSettings()


def process(*words: str, **settings: str) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPTOIR_")}
    return subprocess.Popen(
        [sys.executable, "-m", "shared", *words],
        cwd=ROOT, env=environment | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        ((), {}, "usage: python -m shared serve|migrate|healthy\n"),
        (("serve",), {}, "which service? Set COMPTOIR_SERVICE, for example to order\n"),
        (("serve",), {"COMPTOIR_SERVICE": "nix"}, "there is no service 'nix' here\n"),
        (("migrate",), {"COMPTOIR_SERVICE": "nix"}, "there is no service 'nix' here\n"),
        (("serve",), {"COMPTOIR_SERVICE": "order", "COMPTOIR_PORT": "x"}, "wrong settings: COMPTOIR_PORT: "),
        (
            ("serve",),
            {"COMPTOIR_SERVICE": "order", "COMPTOIR_RABBITMQ_URL_FILE": "/not/there"},
            "COMPTOIR_RABBITMQ_URL_FILE: cannot read /not/there: No such file or directory\n",
        ),
    ],
)
def test_a_container_says_in_a_sentence_what_is_wrong(
    words: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    running = process(*words, **settings)
    assert running.communicate(timeout=30)[0].startswith(said)
    assert running.returncode == 2


def test_a_container_that_waits_ends_at_once_when_told() -> None:
    """Also before it listens: PostgreSQL is not there."""
    running = process(
        "serve", COMPTOIR_SERVICE="order", COMPTOIR_PORT="0", COMPTOIR_DATABASE_URL="postgresql://nobody@127.0.0.1:1"
    )
    assert running.stdout
    assert "PostgreSQL is not there yet" in running.stdout.readline()
    began = time.monotonic()
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=10) == 0
    assert time.monotonic() - began < 5


def test_health_is_asked_of_this_container() -> None:
    assert process("healthy", COMPTOIR_PORT="1").wait(timeout=10) == 1
