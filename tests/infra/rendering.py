"""The Kubernetes manifests as `kubectl kustomize` renders them, and what they are compared with."""

import base64
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from comptoir.access import Secrets, make_secrets

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "infra/kubernetes"
OVERLAYS = ("small", "production")

Item = dict[str, Any]

STAND_INS = {"payment-provider", "carrier"}
NOT_OURS = {
    "secrets": "secrets.sh, at who deploys",
    "postgres": "a Cluster of CloudNativePG",
    "rabbitmq": "a RabbitmqCluster of its operator",
    "prometheus": "the cluster has its own",
    "grafana": "the cluster has its own",
}
"""Containers of the compose file that are no pods of ours, and what is in their place."""

AUTHORITIES = {
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/run/authorities/postgres.crt",
    "SSL_CERT_FILE": "/run/authorities/rabbitmq.crt",
}
"""Of libraries, by which they verify a server; the compose file's servers are on one machine with who asks them."""
BROKER = "rabbitmq.comptoir.svc"


def rendered(overlay: str) -> list[Item]:
    """What `kubectl kustomize` makes of an overlay."""
    done = subprocess.run([kubectl(), "kustomize", str(KUBERNETES / "overlays" / overlay)], capture_output=True)
    assert not done.returncode, done.stderr.decode()
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def kubectl() -> str:
    """The one that requirements.lock names; elsewhere than on Linux the machine's own."""
    here = Path(sys.executable).parent / "kubectl"
    found = str(here) if here.exists() else shutil.which("kubectl")
    assert found, "kubectl is needed to render the manifests"
    return found


@cache
def made_secrets(folder: Path, overlay: str) -> dict[str, dict[str, str]]:
    """Per Secret what is under its keys: made by `comptoir access secrets`, and turned into Secrets by the script."""
    if overlay == "production":
        make_secrets(Secrets(folder), "postgres-rw:5432", f"{BROKER}:5671", AUTHORITIES["SSL_CERT_FILE"])
    else:
        make_secrets(Secrets(folder), "postgres-rw:5432", f"{BROKER}:5672")
    path = f"{Path(kubectl()).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", str(KUBERNETES / "secrets.sh"), str(folder)], capture_output=True, env={"PATH": path, "HOME": "/"}
    )
    assert not done.returncode, done.stderr.decode()
    items = [item for item in yaml.safe_load_all(done.stdout) if item]
    assert {(item["kind"], item["metadata"]["namespace"]) for item in items} == {("Secret", "comptoir")}
    return {
        item["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
        for item in items
    }


@dataclass(frozen=True)
class Pod:
    """What a Deployment, Job or CronJob runs."""

    kind: str
    name: str
    owner: Item
    labels: dict[str, str]
    spec: Item

    @property
    def container(self) -> Item:
        found: Item = self.spec["containers"][0]
        return found

    @property
    def containers(self) -> list[Item]:
        return [*self.spec["containers"], *self.spec.get("initContainers", ())]

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", ())}

    @property
    def step(self) -> str:
        return str(self.owner["metadata"].get("labels", {}).get("comptoir/step", ""))


@dataclass(frozen=True)
class Suite:
    """One rendered overlay, and what it is compared with."""

    overlay: str
    items: list[Item]
    compose: Item
    secrets: dict[str, dict[str, str]] = field(repr=False)

    def all(self, kind: str) -> dict[str, Item]:
        return {item["metadata"]["name"]: item for item in self.items if item["kind"] == kind}

    @property
    def pods(self) -> dict[str, Pod]:
        found = {}
        for item in self.items:
            template = item.get("spec", {}).get("template") if item["kind"] in ("Deployment", "Job") else None
            if item["kind"] == "CronJob":
                template = item["spec"]["jobTemplate"]["spec"]["template"]
            if template is not None:
                name = item["metadata"]["name"]
                found[name] = Pod(item["kind"], name, item, template["metadata"]["labels"], template["spec"])
        return found

    @property
    def containers(self) -> dict[str, Item]:
        """Of the compose file, those that must be pods here."""
        without = set(NOT_OURS) | (STAND_INS if self.overlay == "production" else set())
        return {name: each for name, each in self.compose["services"].items() if name not in without}

    def environment(self, container: Item) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.all("ConfigMap").get(source["configMapRef"]["name"], {}).get("data", {})
        return found | {each["name"]: each["value"] for each in container.get("env", ())}

    def mounted(self, pod: Pod) -> dict[str, tuple[str, str]]:
        """What lies under /run/secrets: (Secret, key) by path."""
        found: dict[str, tuple[str, str]] = {}
        names = [mount["name"] for mount in pod.container["volumeMounts"] if mount["mountPath"] == "/run/secrets"]
        for volume in pod.spec.get("volumes", ()):
            if volume["name"] not in names:
                continue
            if "secret" in volume:
                name = volume["secret"]["secretName"]
                found |= {key: (name, key) for key in self.secrets.get(name, {})}
            for source in volume.get("projected", {}).get("sources", ()):
                name = source["secret"]["name"]
                found |= {each["path"]: (name, each["key"]) for each in source["secret"]["items"]}
        return found


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()
