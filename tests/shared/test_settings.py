"""Settings from the environment and from files, and what is said when they are wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from comptoir.auditor import AuditorSettings
from comptoir.suite import MEMBERS, settings_of
from shared.serve import wrong_settings
from shared.settings import OF_ANOTHER, ServiceSettings, WrongSetting, closest, no_misspelt, setting

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


def test_what_the_process_has_wins_over_the_env_file_however_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("here", "there"):
        (tmp_path / name).write_text(f"amqp://{name}/")
    (tmp_path / ".env").write_text("COMPTOIR_RABBITMQ_URL_FILE=here\nCOMPTOIR_LINK_KEYS=of the file\n")
    assert ServiceSettings().rabbitmq_url == setting("RABBITMQ_URL") == "amqp://here/"
    assert setting("LINK_KEYS") == "of the file", "a command knows what a service knows"
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", "amqp://said/")
    assert ServiceSettings().rabbitmq_url == setting("RABBITMQ_URL") == "amqp://said/"
    (tmp_path / ".env").write_text("COMPTOIR_RABBITMQ_URL=amqp://file/\n")
    monkeypatch.delenv("COMPTOIR_RABBITMQ_URL")
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL_FILE", str(tmp_path / "there"))
    assert ServiceSettings().rabbitmq_url == setting("RABBITMQ_URL") == "amqp://there/"


@pytest.mark.parametrize(
    ("service", "name", "values"),
    [
        ("order", "TIME_ZONE", ["Europe/Brussel", " ", "0"]),
        ("order", "LOG_LEVEL", ["", "LOUD"]),
        ("order", "HOST", [""]),
        ("order", "PORT", ["", "eight", "-1", "65536"]),
        ("order", "RABBITMQ_PREFIX", ["", "a b", "x" * 300]),
        ("order", "ROOT_PATH", ["order", "/order/"]),
        ("order", "OTLP_ENDPOINT", ["collector:4318", "http://"]),
        ("order", "ANSWER_MIN", ["", "0", "-1", "nan", "inf", "1e300", "99999999999"]),
        ("order", "PAY_BY_CARD_H", ["inf", "1e300", "99999999999"]),
        ("fulfilment", "DELIVER_AFTER_S", ["soon", "inf", "1e300"]),
        ("fulfilment", "CARRIER_URL", ["", "carrier:8000", "http://a b", "instant"]),
        ("billing", "PAYMENT_PROVIDER_URL", ["", "provider", "ftp://provider", "http://x:0", "http://x:y"]),
        ("backoffice", "BILLING_URL", ["", "billing:8000", "https://"]),
    ],
)
def test_a_wrong_value_is_said_by_the_name_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, service: str, name: str, values: list[str]
) -> None:
    for value in values:
        monkeypatch.setenv(f"COMPTOIR_{name}", value)
        with pytest.raises(ValidationError) as raised:
            settings_of(service)
        said = wrong_settings(raised.value)
        assert said.startswith(f"wrong settings: COMPTOIR_{name}: "), (value, said)
        assert "Traceback" not in said


@pytest.mark.parametrize("name", [*MEMBERS, "auditor"])
def test_the_largest_values_that_are_let_in_can_be_used(name: str) -> None:
    """What a limit lets in must not fail later, where dates are computed from it."""
    kind, build = (AuditorSettings, None) if name == "auditor" else MEMBERS[name]
    largest = {
        field: next((of.le for of in info.metadata if hasattr(of, "le")), None)
        for field, info in kind.model_fields.items()
        if field not in ("outbox_days", "trace_ratio")
    }
    settings = kind(**{field: most for field, most in largest.items() if most is not None})
    if build is not None:
        build(settings)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("COMPTOIR_OUTBOX_DAY", "COMPTOIR_OUTBOX_DAYS"),
        ("COMPTOIR_TIMEZONE", "COMPTOIR_TIME_ZONE"),
        ("COMPTOIR_DATABASE_URLS", "COMPTOIR_DATABASE_URL"),
        ("COMPTOIR_RABBITMQ_URL_FLIE", "COMPTOIR_RABBITMQ_URL_FILE"),
    ],
)
def test_a_setting_that_is_misspelt_is_not_dropped_silently(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(written, "1")
    with pytest.raises(WrongSetting, match=f"^wrong settings: {written} is no setting; is {meant} meant\\?$"):
        settings_of("order")
    monkeypatch.delenv(written)
    (tmp_path / ".env").write_text(f"{written}=1\n")
    with pytest.raises(WrongSetting, match=written):
        settings_of("order")


def test_no_setting_of_one_service_looks_like_a_misspelt_one_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """All services may be started from one environment."""
    kinds = [AuditorSettings, *(kind for kind, _ in MEMBERS.values())]
    own = [{f"COMPTOIR_{name}".upper() for name in kind.model_fields} for kind in kinds]
    everything = set().union(*own) | set(FOR_OTHERS)
    alike = {name for known in own for name in everything - known if closest(name, known)}
    assert alike == {"COMPTOIR_API_KEY"} <= OF_ANOTHER
    for name in everything:
        monkeypatch.setenv(name, "1")
    for kind in kinds:
        no_misspelt([kind])


FOR_OTHERS = [
    "COMPTOIR_SERVICE",
    "COMPTOIR_HEALTH",
    "COMPTOIR_DATA_DIR",
    "COMPTOIR_RUNNING",
    "COMPTOIR_FAILPOINT",
    "COMPTOIR_RECORD",
    "COMPTOIR_DOOR_PORT",
    "COMPTOIR_PROMETHEUS_PORT",
    "COMPTOIR_GRAFANA_PORT",
    "COMPTOIR_VERSION",
    "COMPTOIR_API_OUTSIDE",
    "COMPTOIR_SCREENSHOTS",
    "COMPTOIR_CHAOS_SECONDS",
    "COMPTOIR_CHAOS_ORDERS_PER_S",
    "COMPTOIR_PSP_HOST",
    "COMPTOIR_PSP_PORT",
]
"""Variables that are no settings of a service: of commands, tests, the compose file and stand-ins."""


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
        *(
            ((what,), {"COMPTOIR_SERVICE": "order", "COMPTOIR_TIMEZONE": "UTC"}, "wrong settings: COMPTOIR_TIMEZONE ")
            for what in ("serve", "migrate")
        ),
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
