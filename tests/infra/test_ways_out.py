"""What a deployment adds for mail and for logins makes settings that the back office takes, and opens one way out."""

import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from comptoir.access import Secrets, keep_secret, make_secrets
from services.backoffice.settings import Settings
from shared.serve import NotHere
from tests.infra.rendering import KUBERNETES, ROOT, kubectl, rendered

Item = dict[str, Any]
SAID: dict[str, dict[str, str]] = {
    "mail": {
        "COMPTOIR_MAIL_FROM": "Shop <orders@shop.example>",
        "COMPTOIR_MAIL_SINCE": "2026-11-29T12:00:00+01:00",
        "COMPTOIR_PUBLIC_URL": "https://shop.example",
        "COMPTOIR_SMTP_HOST": "mail.example",
        "COMPTOIR_SMTP_USER": "orders",
    },
    "sign-on": {
        "COMPTOIR_OIDC_ISSUER": "https://login.example",
        "COMPTOIR_OIDC_CLIENT_ID": "comptoir",
        "COMPTOIR_OIDC_ROLES": "admin=Shop leads, picker=Warehouse",
    },
    "webhooks": {},
}
"""What only a shop knows."""


@pytest.fixture
def kept(tmp_path: Path) -> Secrets:
    folder = Secrets(tmp_path)
    make_secrets(folder, "postgres:5432", "rabbitmq:5672")
    keep_secret(folder, "backoffice", "smtp_password", "what the mail server said\n")
    keep_secret(folder, "backoffice", "oidc_client_secret", "what the provider said\n")
    return folder


def as_set(environment: dict[str, str], kept: Secrets, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The back office's settings of a container with this environment and its own folder of secrets."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(kept.folder / "backoffice")))
    return Settings()


def filled(environment: Item, said: dict[str, str]) -> dict[str, str]:
    """As compose replaces `${NAME:-value}` and `${NAME:?what}`. Raises LookupError for what must be said and is not."""

    def value(found: re.Match[str]) -> str:
        name, must, other = found.groups()
        if name not in said and must == "?":
            raise LookupError(name)
        return said.get(name, other)

    return {key: re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, str(text)) for key, text in environment.items()}


def both(way: str) -> tuple[Item, Item]:
    compose, more = (yaml.safe_load((ROOT / name).read_text()) for name in ("docker-compose.yml", f"infra/{way}.yml"))
    return compose["services"], more["services"]


def test_the_compose_file_with_mail_is_taken_by_the_back_office(kept: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    base, mail = both("mail")
    environment = base["backoffice"]["environment"] | mail["backoffice"]["environment"]
    settings = as_set(filled(environment, SAID["mail"]), kept, monkeypatch)
    server = settings.sender().server
    assert (settings.mail, server.host, server.port, server.security) == ("smtp", "mail.example", 587, "starttls")
    assert (server.user, server.password) == ("orders", "what the mail server said")
    assert settings.policy().mails
    assert bool(settings.links())


def test_the_compose_file_with_logins_elsewhere_is_taken_by_the_back_office(
    kept: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, more = both("sign-on")
    environment = base["backoffice"]["environment"] | more["backoffice"]["environment"]
    provider = as_set(filled(environment, SAID["sign-on"]), kept, monkeypatch).provider()
    assert provider
    assert (provider.issuer, provider.client_secret) == ("https://login.example", "what the provider said")
    assert provider.roles == {"admin": {"Shop leads"}, "picker": {"Warehouse"}}


def test_who_rebuilds_knows_that_customers_are_told_and_since_when(
    kept: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, mail = both("mail")
    office = filled(base["backoffice"]["environment"] | mail["backoffice"]["environment"], SAID["mail"])
    tools = filled(base["tools"]["environment"] | mail["tools"]["environment"], SAID["mail"])
    with monkeypatch.context() as there:
        told = as_set(office, kept, there).policy()
    assert as_set(tools, kept, monkeypatch).policy() == told


@pytest.mark.parametrize(("way", "forgotten"), [(way, name) for way, said in SAID.items() for name in said])
def test_what_only_a_shop_knows_is_asked_for(way: str, forgotten: str) -> None:
    said = {name: value for name, value in SAID[way].items() if name != forgotten}
    with pytest.raises(LookupError, match=forgotten):
        filled(both(way)[1]["backoffice"]["environment"], said)


@pytest.mark.parametrize("way", SAID)
def test_by_itself_the_back_office_has_no_way_out(way: str) -> None:
    base, more = both(way)
    assert base["backoffice"]["networks"] == ["inside"]
    assert {name: each["networks"] for name, each in more.items() if "networks" in each} == {"backoffice": ["way-out"]}
    assert not [name for name, each in base.items() if "way-out" in each["networks"]], "who else would reach it"


def with_component(tmp_path: Path, overlay: str, way: str) -> list[Item]:
    """An overlay of somebody who wants it."""
    up = Path(*[".."] * len(tmp_path.resolve().parts[1:]))
    named = {
        "resources": [str(up / (KUBERNETES / "overlays" / overlay).resolve().relative_to("/"))],
        "components": [str(up / (KUBERNETES / way).resolve().relative_to("/"))],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(named))
    done = subprocess.run([kubectl(), "kustomize", str(tmp_path.resolve())], capture_output=True)
    assert not done.returncode, done.stderr.decode()
    return [item for item in yaml.safe_load_all(done.stdout) if item]


@pytest.mark.parametrize("way", SAID)
@pytest.mark.parametrize("overlay", ["small", "production"])
def test_a_component_adds_settings_and_a_way_out(
    overlay: str, way: str, tmp_path: Path, kept: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, items = rendered(overlay), with_component(tmp_path, overlay, way)
    named = {(item["kind"], re.sub("-[a-z0-9]{10}$", "", item["metadata"]["name"])): item for item in items}
    before = {(item["kind"], re.sub("-[a-z0-9]{10}$", "", item["metadata"]["name"])) for item in plain}
    assert named.keys() - before == {("NetworkPolicy", way)}

    container = named["Deployment", "backoffice"]["spec"]["template"]["spec"]["containers"][0]
    maps = {item["metadata"]["name"]: item["data"] for item in items if item["kind"] == "ConfigMap"}
    environment: dict[str, str] = {}
    for each in container["envFrom"]:
        environment |= maps[each["configMapRef"]["name"]]
    settings = as_set(environment, kept, monkeypatch)
    if way == "mail":
        assert settings.sender().server.password == "what the mail server said"
        job = named["CronJob", "tools"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        told = {name: value for each in job["envFrom"] for name, value in maps[each["configMapRef"]["name"]].items()}
        with monkeypatch.context() as there:
            for name in environment:
                there.delenv(name)
            assert as_set(told, kept, there).policy() == settings.policy(), "who rebuilds knows that customers are told"
    elif way == "webhooks":
        assert settings.webhooks().keys
        assert not settings.webhooks().inside
    else:
        assert (provider := settings.provider())
        assert provider.client_secret == "what the provider said"

    policy = named["NetworkPolicy", way]["spec"]
    labels = named["Deployment", "backoffice"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    [rule] = policy["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": settings.smtp_port if way == "mail" else 443}]
    assert all("ipBlock" in each for each in rule["to"])


def test_every_way_out_leads_past_the_same_networks_that_are_inside() -> None:
    """Each policy says them itself, as who deploys may narrow each by itself."""
    found = {
        path.relative_to(KUBERNETES): to["ipBlock"]
        for path in KUBERNETES.rglob("*.yaml")
        for item in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if isinstance(item, dict) and item["kind"] == "NetworkPolicy"  # a patch is a list
        for rule in item["spec"].get("egress", ())
        for to in rule.get("to", ())
        if "ipBlock" in to
    }
    assert len(found) == 4, found
    [(cidr, inside)] = {(block["cidr"], tuple(sorted(block["except"]))) for block in found.values()}
    assert cidr == "0.0.0.0/0"
    for address in ("10.96.0.1", "172.17.0.2", "192.168.1.9", "169.254.169.254", "127.0.0.1", "100.64.0.1"):
        assert any(ip_address(address) in ip_network(each) for each in inside), address


def keep(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    command = (sys.executable, "-m", "comptoir", "access", "keep", str(folder), "backoffice", "smtp_password")
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True)


def test_a_secret_is_kept_from_standard_input_and_read_by_its_consumer_only(tmp_path: Path) -> None:
    missing = keep(tmp_path, "secret\n")
    assert missing.returncode
    assert "`comptoir access secrets` makes a folder per consumer" in missing.stderr
    make_secrets(Secrets(tmp_path), "postgres:5432", "rabbitmq:5672")
    for word in ("first\n", "second\n"):
        said = keep(tmp_path, word)
        assert said.returncode == 0, said.stderr
        assert word.strip() not in said.stdout + said.stderr
    assert Secrets(tmp_path).read("backoffice", "smtp_password") == "second"
    assert [path.parent.name for path in tmp_path.rglob("smtp_password")] == ["backoffice"]


@pytest.mark.parametrize(
    ("consumer", "name", "text"),
    [
        ("..", "key", "x"),
        ("nobody", "key", "x"),
        ("order", "../key", "x"),
        ("order", "key", " \n"),
        ("order", "key", "a\nb"),
    ],
)
def test_what_cannot_be_kept_is_said(kept: Secrets, consumer: str, name: str, text: str) -> None:
    before = sorted(kept.folder.rglob("*"))
    with pytest.raises(NotHere):
        keep_secret(kept, consumer, name, text)
    assert sorted(kept.folder.rglob("*")) == before
