"""What is asked of rendered Kubernetes manifests: checks that yield a sentence per fault, nothing when all is well.

They compare with what else says how the suite runs: the compose file, the secrets that are made, the routes that are
served. So a service or a setting that is added there and not here is named.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate  # type: ignore[import-untyped]
import yaml

from comptoir.access import Secrets, make_secrets
from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor, AuditorSettings
from comptoir.suite import know_topology, make
from services.billing.devservices.psp import app as payment_provider
from services.fulfilment.development_carrier import carrier_routes
from shared.messaging.rabbit import PREFETCH
from shared.messaging.topology import OPTIONAL, SERVICES, Names
from shared.service import Running, application

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "infra/kubernetes"
OVERLAYS = ("small", "production")
VERSIONS = ("1.30", kubernetes_validate.latest_version())
"""The oldest that docs/deploy.md names, as preStop may sleep from then on, and the newest that there is a schema of."""

Item = dict[str, Any]

OF_OPERATORS = {
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("postgresql.cnpg.io/v1", "ScheduledBackup"),
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("keda.sh/v1alpha1", "TriggerAuthentication"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("cert-manager.io/v1", "Certificate"),
    ("cert-manager.io/v1", "Issuer"),
}
"""Kinds that are not Kubernetes' own, and have no schema here."""

STAND_INS = {"payment-provider", "carrier"}
NOT_OURS = {
    "secrets": "secrets.sh, at who deploys",
    "postgres": "a Cluster of CloudNativePG",
    "rabbitmq": "a RabbitmqCluster of its operator",
    "prometheus": "the cluster has its own",
    "grafana": "the cluster has its own",
}
"""Containers of the compose file that are no pods of ours, and what is in their place."""

OF_THE_ENGINE = {"COMPTOIR_HEALTH"}
"""Settings of the image's own health check, which Kubernetes does not run."""
FOR_SHOW = {"COMPTOIR_WAREHOUSES_AUTOMATIC", "COMPTOIR_AUTOMATIC_RETURNS", "COMPTOIR_DELIVER_AFTER_S"}
"""What makes a demonstration move by itself, and no warehouse."""
OUTSIDE = {"COMPTOIR_PAYMENT_PROVIDER_URL", "COMPTOIR_CARRIER_URL"}
AUTHORITIES = {
    "PGSSLMODE": "verify-full",
    "PGSSLROOTCERT": "/run/authorities/postgres.crt",
    "SSL_CERT_FILE": "/run/authorities/rabbitmq.crt",
}
"""Of libraries, by which they verify a server; the compose file's servers are on one machine with who asks them."""
BROKER = "rabbitmq.comptoir.svc"
STEPS = ("servers", "access", "migrate", "run")
"""The order in which docs/deploy.md applies what has the label comptoir/step."""

CONNECTIONS_OF_A_COPY = 3 + 10  # docs/deploy.md: for its work, and for what is read
CONNECTIONS_BESIDE = 10 + 8  # auditor and tools, one per database; what PostgreSQL and its operator keep for themselves


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


Check = Callable[[Suite], Iterator[str]]


def faults(suite: Suite) -> list[str]:
    """Everything that is wrong."""
    return [f"{check.__name__}: {said}" for check in CHECKS for said in check(suite)]


def schema(suite: Suite) -> Iterator[str]:
    for item in suite.items:
        kind = (item["apiVersion"], item["kind"])
        named = f"{item['kind']} {item['metadata']['name']}"
        if kind in OF_OPERATORS:
            continue
        yield from (f"{named}: {said}" for said in against_schema(json.dumps(item)))


@cache
def against_schema(text: str) -> list[str]:
    """By its text, as looking takes a while and most items stay as they are from one planted fault to the next."""
    item, found = json.loads(text), []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"in {version}: {error}")
        except kubernetes_validate.SchemaNotFoundError:
            found.append(f"there is no {item['kind']} of {item['apiVersion']} in {version}")
    return found


def in_the_namespace(suite: Suite) -> Iterator[str]:
    for item in suite.items:
        if item["kind"] != "Namespace" and item["metadata"].get("namespace") != "comptoir":
            yield f"{item['kind']} {item['metadata']['name']} is elsewhere"
    labels = suite.all("Namespace")["comptoir"]["metadata"]["labels"]
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "the namespace lets anything run"


def hardened(suite: Suite) -> Iterator[str]:
    for name, pod in suite.pods.items():
        context = pod.spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{name} may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name} has no seccomp profile"
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{name} gets a token of Kubernetes' API"
        account = suite.all("ServiceAccount").get(pod.spec.get("serviceAccountName", ""))
        if account is None or account.get("automountServiceAccountToken") is not False:
            yield f"{name} has no account of ours without a token"
        for other in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(other):
                yield f"{name}: {other}"
        for container in pod.containers:
            mine = container.get("securityContext", {})
            if mine.get("allowPrivilegeEscalation") is not False:
                yield f"{name} may gain privileges"
            if mine.get("readOnlyRootFilesystem") is not True:
                yield f"{name} may write to its image"
            if mine.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{name} keeps capabilities"
            resources = container.get("resources", {})
            for what in ("requests", "limits"):
                if set(resources.get(what, ())) != {"cpu", "memory"}:
                    yield f"{name} has no {what} of both cpu and memory"
        for volume in pod.spec.get("volumes", ()):
            if "hostPath" in volume:
                yield f"{name} sees the machine's files"


def as_in_the_compose_file(suite: Suite) -> Iterator[str]:
    pods, containers = suite.pods, suite.containers
    yield from (f"{name} of the compose file is missing" for name in containers.keys() - pods.keys())
    yield from (f"{name} is not in the compose file" for name in pods.keys() - containers.keys())
    for name in pods.keys() & containers.keys():
        pod, each = pods[name], containers[name]
        image, version = pod.container["image"].split(":")
        if image != each["image"].partition(":")[0]:
            yield f"{name} runs {image}, in the compose file {each['image']}"
        if suite.overlay == "production" and version in ("", "dev", "latest"):
            yield f"{name} runs whatever is called {version}"
        command, arguments = pod.container.get("command", []), pod.container.get("args", [])
        if command != each.get("entrypoint", []):
            yield f"{name} begins with {command}, in the compose file {each.get('entrypoint')}"
        if name == "access-broker" and suite.overlay == "production":
            arguments = arguments[: arguments.index("--management")] if "--management" in arguments else []
        if arguments != each.get("command", []) and name != "tools":  # which runs what one asks for
            yield f"{name} runs {arguments}, in the compose file {each.get('command')}"
        most = pod.container.get("resources", {}).get("limits", {}).get("memory")
        if most != memory(each):
            yield f"{name} may have {most} of memory, in the compose file {memory(each)}"
        for needed, how in (each.get("depends_on") or {}).items():
            ended = how["condition"] == "service_completed_successfully" and needed in pods
            if ended and not earlier(pods[needed], pod):
                yield f"{name} is applied in step {pod.step}, not after {needed} in {pods[needed].step}"


def memory(container: Item) -> str:
    """As Kubernetes writes it; Docker's m and g are powers of two."""
    said = str(container["mem_limit"])
    return said[:-1] + {"m": "Mi", "g": "Gi"}[said[-1]]


def earlier(one: Pod, other: Pod) -> bool:
    order = {step: at for at, step in enumerate(STEPS)}
    return order.get(one.step, len(STEPS)) < order.get(other.step, -1)


def settings(suite: Suite) -> Iterator[str]:
    """The same variables with the same values as in the compose file; outside of a demonstration others are called."""
    for name in suite.pods.keys() & suite.containers.keys():
        here = suite.environment(suite.pods[name].container)
        there = {
            key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
            for key, value in suite.containers[name].get("environment", {}).items()
            if key not in OF_THE_ENGINE
        }
        if suite.overlay == "production":
            there = {key: value for key, value in there.items() if key not in FOR_SHOW}
            there |= {key: value for key, value in AUTHORITIES.items() if key in here}
            for key in OUTSIDE & here.keys() & there.keys():
                if not here[key].startswith("https://"):
                    yield f"{name}: {key} is {here[key]}, which others can read on the way"
                there[key] = here[key]
        for key in sorted(here.keys() | there.keys()):
            if here.get(key) != there.get(key):
                yield f"{name}: {key} is {here.get(key)!r}, in the compose file {there.get(key)!r}"


def secrets(suite: Suite) -> Iterator[str]:
    for name, pod in suite.pods.items():
        mounted = suite.mounted(pod)
        for path, (secret, key) in mounted.items():
            if key not in suite.secrets.get(secret, {}):
                yield f"{name}: {path} is {key} of {secret}, which nobody makes"
        for variable, value in suite.environment(pod.container).items():
            ours = variable.startswith("COMPTOIR_") and variable.endswith("_FILE")
            if ours and value.removeprefix("/run/secrets/") not in mounted:
                yield f"{name}: {variable} is {value}, which no secret of its own holds"
        expected = own(suite.compose["services"].get(name, {}))
        found = {secret for secret, _ in mounted.values()}
        if expected is not None and found != expected:
            yield f"{name} sees {sorted(found)}, in the compose file {sorted(expected)}"
        for mount in pod.container["volumeMounts"]:
            if mount["mountPath"] == "/run/secrets" and not mount.get("readOnly"):
                yield f"{name} may write to its secrets"
    for name, key in (("access-databases", "database_url"), ("access-broker", "rabbitmq_url")):
        wanted = {f"{secret.removeprefix('comptoir-')}/{key}" for secret, held in suite.secrets.items() if key in held}
        if name in suite.pods and set(suite.mounted(suite.pods[name])) != wanted:
            yield f"{name} does not see just what it sets: {sorted(wanted ^ set(suite.mounted(suite.pods[name])))}"
    for name, item in suite.all("TriggerAuthentication").items():
        for each in item["spec"]["secretTargetRef"]:
            if each["parameter"] == "host" and each["key"] not in suite.secrets.get(each["name"], {}):
                yield f"TriggerAuthentication {name}: there is no {each['key']} in {each['name']}"
    cluster = suite.all("Cluster")["postgres"]["spec"]["superuserSecret"]["name"]
    if suite.secrets.get(cluster, {}).keys() != {"username", "password"}:
        yield f"the Cluster's superuser is in {cluster}, which nobody makes"
    broker = suite.all("RabbitmqCluster")["rabbitmq"]["spec"]["secretBackend"]["externalSecret"]["name"]
    if not {"default_user.conf", "username", "password"} <= suite.secrets.get(broker, {}).keys():
        yield f"the broker's first user is in {broker}, which nobody makes"


def own(container: Item) -> set[str] | None:
    """The Secrets that a container of the compose file would have here; None for the jobs that see several."""
    found = set()
    for mount in container.get("volumes", ()):
        if isinstance(mount, str) and mount.startswith("secrets:"):
            return None
        if not isinstance(mount, str):
            found.add(f"comptoir-{mount['volume']['subpath']}")
    return found


def named_things_are_there(suite: Suite) -> Iterator[str]:
    for name, pod in suite.pods.items():
        volumes = {volume["name"] for volume in pod.spec.get("volumes", ())}
        for container in pod.containers:
            for source in container.get("envFrom", ()):
                if source["configMapRef"]["name"] not in suite.all("ConfigMap"):
                    yield f"{name}: there is no ConfigMap {source['configMapRef']['name']}"
            for mount in container.get("volumeMounts", ()):
                if mount["name"] not in volumes:
                    yield f"{name} mounts {mount['name']}, which is no volume of it"
        for volume in pod.spec.get("volumes", ()):
            if "configMap" in volume and volume["configMap"]["name"] not in suite.all("ConfigMap"):
                yield f"{name}: there is no ConfigMap {volume['configMap']['name']}"
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in suite.all("PersistentVolumeClaim"):
                yield f"{name}: nobody claims {claim}"
    for name, service in suite.all("Service").items():
        chosen = [pod for pod in suite.pods.values() if matches(service["spec"]["selector"], pod.labels)]
        if [pod.name for pod in chosen] != [name]:
            yield f"Service {name} leads to {[pod.name for pod in chosen]}"
        for port in service["spec"]["ports"]:
            for pod in chosen:
                if pod.ports.get(port["targetPort"]) != port["port"]:
                    yield f"Service {name}: port {port['port']} leads to {port['targetPort']}, another one"
    for name, item in suite.all("Deployment").items():
        template = item["spec"]["template"]["metadata"]["labels"]
        spread = item["spec"]["template"]["spec"].get("topologySpreadConstraints", ())
        for selector in (item["spec"]["selector"], *(each["labelSelector"] for each in spread)):
            if not matches(selector["matchLabels"], template):
                yield f"{name} does not choose its own copies"
        if name not in {*STAND_INS, "auditor"}:  # which are one copy
            if not spread:
                yield f"copies of {name} may all be on one machine"
            budgets = [each["spec"]["selector"]["matchLabels"] for each in suite.all("PodDisruptionBudget").values()]
            if [matches(each, template) for each in budgets].count(True) != 1:
                yield f"{name} has not one disruption budget"


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@cache
def served_paths(name: str) -> frozenset[str]:
    """What a part answers to, from its own application."""
    know_topology(*OPTIONAL)
    if name in (*SERVICES, *OPTIONAL):
        routes: Iterable[Any] = application(Running(make(name))).routes
    elif name == "auditor":
        routes = auditor_application(Auditor(AuditorSettings(), None)).routes
    elif name == "payment-provider":
        with tempfile.TemporaryDirectory() as folder:  # where it has its book
            routes = payment_provider.build(payment_provider.Settings(path=Path(folder) / "book.sqlite")).routes
    elif name == "carrier":
        routes = carrier_routes(None).routes  # type: ignore[arg-type] # nothing is asked of it
    else:
        routes = ()
    return frozenset(route.path for route in routes if "GET" in (getattr(route, "methods", None) or ()))


def door_paths(config: str) -> set[str]:
    return set(re.findall(r"return status 200 .* if \{ path (\S+) \}", config))


def served_ports(suite: Suite, pod: Pod) -> set[int]:
    """On which a part really listens: its setting, its argument, its configuration, or else what its image says."""
    if pod.name == "door":
        return {int(port) for port in re.findall(r"^    bind :(\d+)", door_config(suite), re.MULTILINE)}
    said = [each.partition("=")[2] for each in pod.container.get("args", ()) if each.startswith("--port=")]
    environment = suite.environment(pod.container)
    said += [value for key, value in environment.items() if key in ("COMPTOIR_PORT", "COMPTOIR_PSP_PORT")]
    image = re.search(r"COMPTOIR_PORT=(\d+)", (ROOT / "infra/Dockerfile").read_text(encoding="utf-8"))
    assert image
    return {int(port) for port in said or [image[1]]}


def door_config(suite: Suite) -> str:
    """The configuration that the door gets."""
    for volume in suite.pods["door"].spec["volumes"]:
        if volume.get("name") == "config":
            return str(suite.all("ConfigMap").get(volume["configMap"]["name"], {}).get("data", {}).get("haproxy.cfg"))
    return ""


def probes(suite: Suite) -> Iterator[str]:
    for name, pod in suite.pods.items():
        if pod.kind != "Deployment":
            continue
        if set(pod.ports.values()) != served_ports(suite, pod):
            yield f"{name} says that it listens on {pod.ports}, and listens on {served_ports(suite, pod)}"
        paths = door_paths(door_config(suite)) if name == "door" else served_paths(name)
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = pod.container.get(kind, {}).get("httpGet")
            if asked is None:
                yield f"{name} has no {kind}"
            elif asked["path"] not in paths:
                yield f"{name}: {kind} asks for {asked['path']}, which it does not serve"
            elif asked["port"] not in pod.ports:
                yield f"{name}: {kind} asks at {asked['port']}, which is no port of it"
        if (live := pod.container.get("livenessProbe", {}).get("httpGet")) and live["path"].endswith("/ready"):
            yield f"{name} is killed when the database is away, which helps nobody"


def drains(suite: Suite) -> Iterator[str]:
    """What is in hand is ended: nothing new comes any more, then as much time as the compose file gives."""
    for name, pod in suite.pods.items():
        if pod.kind != "Deployment" or name in STAND_INS:
            continue
        container = suite.compose["services"].get(name, {})
        needed = int(str(container.get("stop_grace_period", "10s")).removesuffix("s"))
        pause = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pause < 2:
            yield f"{name} stops while requests are still sent to it"
        if pod.spec.get("terminationGracePeriodSeconds", 30) < pause + needed:
            yield f"{name} is killed before {pause} + {needed} s"
        rolling = pod.owner["spec"].get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0:
            yield f"{name} is taken away before another copy is there"


def reach(suite: Suite) -> Iterator[str]:
    """Over the network everybody reaches what their settings and secrets name, and nothing else."""
    everybody = {name: pod.labels for name, pod in suite.pods.items()}
    servers = {
        "postgres": ({"cnpg.io/cluster": "postgres"}, (5432,)),
        "rabbitmq": ({"app.kubernetes.io/name": "rabbitmq"}, (5671, 5672, 15671, 15672)),
    }
    lines, management = (5671, 15671) if suite.overlay == "production" else (5672, 15672)
    wanted: set[tuple[str, str, int]] = set()
    for name, pod in suite.pods.items():
        keys = {key for _, key in suite.mounted(pod).values()}
        if "database_url" in keys:
            wanted.add((name, "postgres", 5432))
        if "rabbitmq_url" in keys:
            wanted.add((name, "rabbitmq", management if name == "access-broker" else lines))
        named = " ".join((*suite.environment(pod.container).values(), *pod.container.get("args", ())))
        if name == "door":
            named = re.sub(
                r"^    server(?:-template)? \S+ (?:\d+ )?", "http://", door_config(suite), flags=re.MULTILINE
            )
        wanted |= {(name, host, int(port)) for host, port in re.findall(r"http://([a-z][a-z-]*):(\d+)", named)}
    targets = {name: (pod.labels, tuple(pod.ports.values())) for name, pod in suite.pods.items()} | servers
    policies = [item["spec"] for item in suite.all("NetworkPolicy").values()]
    found = {
        (one, other, port)
        for one, mine in everybody.items()
        for other, (theirs, ports) in targets.items()
        for port in ports
        if passes(suite, policies, "Egress", mine, theirs, port)
        and passes(suite, policies, "Ingress", theirs, mine, port)
    }
    yield from (f"{one} does not reach {other}:{port}" for one, other, port in sorted(wanted - found))
    yield from (f"{one} reaches {other}:{port}, which it has no use for" for one, other, port in sorted(found - wanted))
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if closed not in policies:
        yield "a pod that is not named here is open to everybody"
    known = {port for _, ports in targets.values() for port in ports}
    of_servers = {53, 443, 6443, 8000, 9187, 4369, 25672, 35672, 15691, 15692}
    for name, item in suite.all("NetworkPolicy").items():
        for rule in (*item["spec"].get("ingress", ()), *item["spec"].get("egress", ())):
            for port in rule.get("ports", ()):
                if port["port"] not in known | of_servers:
                    yield f"NetworkPolicy {name} names port {port['port']}, on which nobody listens"


def passes(
    suite: Suite, policies: list[Item], way: str, mine: dict[str, str], theirs: dict[str, str], port: int
) -> bool:
    """Whether one side lets it through. A pod that no policy chooses lets everything through."""
    chosen = [each for each in policies if way in each["policyTypes"] and selects(each["podSelector"], mine)]
    return not chosen or any(
        ("ports" not in rule or any(port == each["port"] for each in rule["ports"]))
        and (whom not in rule or any(peer(suite, each, theirs) for each in rule[whom]))
        for each in chosen
        for whom in ("to" if way == "Egress" else "from",)
        for rule in each.get(way.lower(), ())
    )


def peer(suite: Suite, said: Item, labels: dict[str, str]) -> bool:
    if "ipBlock" in said:
        return False  # addresses of the outside world
    namespace = suite.all("Namespace")["comptoir"]["metadata"]["labels"] | {"kubernetes.io/metadata.name": "comptoir"}
    return ("namespaceSelector" not in said or selects(said["namespaceSelector"], namespace)) and (
        "podSelector" not in said or selects(said["podSelector"], labels)
    )


def selects(selector: Item, labels: dict[str, str]) -> bool:
    for each in selector.get("matchExpressions", ()):
        assert each["operator"] == "In", "only what is used is understood here"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return matches(selector.get("matchLabels", {}), labels)


def scaling(suite: Suite) -> Iterator[str]:
    """Each Deployment has one master, by CPU or by its queue; and PostgreSQL has connections for all."""
    most = {name: int(item["spec"].get("replicas", 1)) for name, item in suite.all("Deployment").items()}
    masters: dict[str, list[str]] = {}
    for kind, bound in (("HorizontalPodAutoscaler", "maxReplicas"), ("ScaledObject", "maxReplicaCount")):
        for item in suite.all(kind).values():
            target = item["spec"]["scaleTargetRef"]["name"]
            masters.setdefault(target, []).append(kind)
            most[target] = item["spec"][bound]
            if "replicas" in suite.all("Deployment").get(target, {}).get("spec", {}):
                yield f"{target} is set back to its replicas whenever it is applied, whatever {kind} says"
            least = item["spec"].get("minReplicas", item["spec"].get("minReplicaCount", 0))
            if suite.overlay == "production" and least < 2:
                yield f"{target} may have a single copy"
    for target, kinds in masters.items():
        if len(kinds) != 1:
            yield f"{target} has two masters: {kinds}"
        if target not in suite.all("Deployment"):
            yield f"{kinds[0]} for {target}, which is not there"
    for name, item in suite.all("ScaledObject").items():
        for trigger in item["spec"]["triggers"]:
            if trigger["metadata"]["queueName"] != Names().queue(name):
                yield f"{name} is scaled by {trigger['metadata']['queueName']}, which is not its queue"
            if trigger["authenticationRef"]["name"] not in suite.all("TriggerAuthentication"):
                yield f"{name}: there is no TriggerAuthentication {trigger['authenticationRef']['name']}"
            if int(trigger["metadata"]["value"]) < 2 * PREFETCH:
                yield f"{name} gets another copy for what one has in hand"
    if suite.overlay == "production":
        yield from (f"{name} has one copy" for name in (*SERVICES, *OPTIONAL, "door") if name not in masters)
    copies = sum(most[name] + 1 for name in (*SERVICES, *OPTIONAL))  # one more of each while it is replaced
    there = int(suite.all("Cluster")["postgres"]["spec"]["postgresql"]["parameters"]["max_connections"])
    if copies * CONNECTIONS_OF_A_COPY + CONNECTIONS_BESIDE > there:
        yield f"{copies} copies want more than {there} connections"


def requested(suite: Suite) -> tuple[float, float]:
    """Cores and GiB that are asked for with the fewest copies, servers included."""
    fewest: dict[str, int] = {}
    for kind, bound in (("HorizontalPodAutoscaler", "minReplicas"), ("ScaledObject", "minReplicaCount")):
        fewest |= {item["spec"]["scaleTargetRef"]["name"]: item["spec"][bound] for item in suite.all(kind).values()}
    cluster, broker = suite.all("Cluster")["postgres"]["spec"], suite.all("RabbitmqCluster")["rabbitmq"]["spec"]
    parts = [(cluster["resources"], cluster["instances"]), (broker["resources"], broker["replicas"])]
    for name, pod in suite.pods.items():
        if pod.kind == "Deployment":
            parts.append((pod.container["resources"], fewest.get(name, 1)))
    units = {"m": 0.001, "Mi": 1 / 1024, "Gi": 1.0, "": 1.0}

    def quantity(said: str) -> float:
        number, unit = re.fullmatch(r"([\d.]+)(\w*)", said).groups()  # type: ignore[union-attr]
        return float(number) * units[unit]

    return (
        sum(quantity(each["requests"]["cpu"]) * copies for each, copies in parts),
        sum(quantity(each["requests"]["memory"]) * copies for each, copies in parts),
    )


def servers(suite: Suite) -> Iterator[str]:
    """The same versions and settings as the compose file's, with more memory and machines in production."""
    cluster, broker = suite.all("Cluster")["postgres"]["spec"], suite.all("RabbitmqCluster")["rabbitmq"]["spec"]
    there = suite.compose["services"]
    if f"postgres:{cluster['imageCatalogRef']['major']}" != there["postgres"]["image"]:
        yield f"PostgreSQL {cluster['imageCatalogRef']['major']}, in the compose file {there['postgres']['image']}"
    if broker["image"] != there["rabbitmq"]["image"]:
        yield f"RabbitMQ {broker['image']}, in the compose file {there['rabbitmq']['image']}"
    flags = dict(each.split("=") for each in there["postgres"]["command"] if "=" in each)
    parameters = cluster["postgresql"]["parameters"]
    if parameters.keys() != flags.keys():
        yield f"PostgreSQL is set up by {sorted(parameters)}, in the compose file by {sorted(flags)}"
    if suite.overlay == "small" and parameters != flags:
        yield f"PostgreSQL has {parameters}, in the compose file {flags}"
    for off in ("fsync", "synchronous_commit", "full_page_writes"):
        if off in parameters:
            yield f"PostgreSQL's {off} is touched"
    if "hostnossl all all all reject" not in cluster["postgresql"].get("pg_hba", ()):
        yield "PostgreSQL takes passwords over an open line"
    config = (ROOT / "infra/rabbitmq/rabbitmq.conf").read_text(encoding="utf-8")
    lines = dict(line.split(" = ") for line in config.splitlines() if " = " in line)
    said = dict(line.split(" = ") for line in broker["rabbitmq"]["additionalConfig"].splitlines())
    for key in lines.keys() - said.keys():
        if not re.match(r"(listeners|management|log)\.", key):  # which are the operator's
            yield f"RabbitMQ's {key} is not set"
    if said.get("default_queue_type") != "quorum":
        yield "queues are not replicated"
    if suite.overlay == "production":
        if cluster["instances"] < 3 or broker["replicas"] != 3:
            yield "the servers are not on three machines"
        if cluster["postgresql"].get("synchronous", {}).get("dataDurability") != "required":
            yield "what is answered may be on one machine only"
        if not suite.all("ScheduledBackup"):
            yield "nobody makes backups"
    template = broker["override"]["statefulSet"]["spec"]["template"]["spec"]
    for container in (*template["containers"], *template["initContainers"]):
        if container["securityContext"] != {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}:
            yield f"the namespace refuses {container['name']} of RabbitMQ"


def door(suite: Suite) -> Iterator[str]:
    """The compose file's door, but for how it finds the services; and the world comes in where no API is."""
    if door_config(suite) != for_kubernetes((ROOT / "infra/door/haproxy.cfg").read_text(encoding="utf-8")):
        yield "haproxy.cfg is not that of infra/door; `python -m tests.infra.manifests` writes it anew"
    for name, item in suite.all("Ingress").items():
        for rule in item["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                if path["backend"]["service"] != {"name": "door", "port": {"name": "outside"}}:
                    yield f"Ingress {name} leads to {path['backend']['service']}"
        if not item["spec"].get("tls"):
            yield f"Ingress {name} takes passwords over an open line"
    if suite.pods["door"].ports.get("outside") != 8081:
        yield "the port for the outside is not the one without APIs"


def for_kubernetes(config: str) -> str:
    """The door's configuration with names that are Services: their address stays, whatever copies come and go."""
    config = re.sub(
        r"    # Copies come and go;.*\n    default-server .*\n",
        "    # A name is a Service, whose address stays the same while its copies come and go\n"
        "    default-server init-addr libc\n",
        config,
    )
    config = re.sub(r"resolvers engine\n(?:    .*\n)+\n", "", config)
    return re.sub(r"server-template (\w+) \d+ ", r"server \1 ", config)


def steps(suite: Suite) -> Iterator[str]:
    for item in suite.items:
        step = item["metadata"].get("labels", {}).get("comptoir/step", "")
        if step and step not in STEPS:
            yield f"{item['kind']} {item['metadata']['name']} is applied in step {step}, which there is not"
        if not step and item["kind"] in ("Deployment", "Job", "CronJob", "Cluster", "RabbitmqCluster", "ScaledObject"):
            yield f"{item['kind']} {item['metadata']['name']} is in no step, and so applied before all"


def encrypted(suite: Suite) -> Iterator[str]:
    """In production every line to a server is encrypted, and who is at its other end is verified."""
    if suite.overlay != "production":
        return
    tls = suite.all("RabbitmqCluster")["rabbitmq"]["spec"].get("tls", {})
    certificate = suite.all("Certificate").get("rabbitmq", {}).get("spec", {})
    if tls != {"secretName": certificate.get("secretName"), "disableNonTLSListeners": True}:
        yield "RabbitMQ takes passwords over an open line"
    for name, secret in suite.secrets.items():
        address = urlsplit(secret.get("rabbitmq_url", ""))
        if "rabbitmq_url" in secret and (
            (address.scheme, address.port) != ("amqps", 5671)
            or address.hostname not in certificate.get("dnsNames", ())
            or parse_qs(address.query).get("cafile") != [AUTHORITIES["SSL_CERT_FILE"]]
        ):
            yield f"{name} sends its password to any broker"
    for name, pod in suite.pods.items():
        keys = {key for _, key in suite.mounted(pod).values()}
        if not keys & {"database_url", "rabbitmq_url"}:
            continue
        here = suite.environment(pod.container)
        for key in ("PGSSLMODE", "PGSSLROOTCERT") if "database_url" in keys else ():
            if here.get(key) != AUTHORITIES[key]:
                yield f"{name} sends its password to any PostgreSQL: {key} is {here.get(key)}"
        if name == "access-broker" and here.get("SSL_CERT_FILE") != AUTHORITIES["SSL_CERT_FILE"]:
            yield f"{name} verifies the broker by {here.get('SSL_CERT_FILE')}"
        found = {
            f"{mount['mountPath']}/{each['path']}": (source["secret"]["name"], each["key"])
            for mount in pod.container["volumeMounts"]
            for volume in pod.spec["volumes"]
            if volume["name"] == mount["name"] and mount["mountPath"] == "/run/authorities"
            for source in volume["projected"]["sources"]
            for each in source["secret"]["items"]
        }
        if found != {
            AUTHORITIES["PGSSLROOTCERT"]: ("postgres-ca", "ca.crt"),  # of CloudNativePG
            AUTHORITIES["SSL_CERT_FILE"]: (certificate.get("secretName"), "ca.crt"),
        }:
            yield f"{name} has not what it verifies servers by: {found}"
    for name, item in suite.all("TriggerAuthentication").items():
        said = {each["parameter"]: (each["name"], each["key"]) for each in item["spec"]["secretTargetRef"]}
        said |= {
            each["parameter"]: suite.all("ConfigMap").get(each["name"], {}).get("data", {}).get(each["key"])
            for each in item["spec"].get("configMapTargetRef", ())
        }
        if (said.get("tls"), said.get("ca")) != ("enable", (certificate.get("secretName"), "ca.crt")):
            yield f"KEDA asks any broker for {name}"


def figures(suite: Suite) -> Iterator[str]:
    """Prometheus finds every part that has figures."""
    parts = {name for name, pod in suite.pods.items() if "/metrics" in served_paths(name)}
    if suite.overlay == "small":
        found = set()
        for name, pod in suite.pods.items():
            said = pod.owner["spec"].get("template", {}).get("metadata", {}).get("annotations", {})
            if said.get("prometheus.io/port") in map(str, pod.ports.values()):
                found.add(name)
    else:
        selector = suite.all("ServiceMonitor")["comptoir"]["spec"]["selector"]["matchLabels"]
        found = {
            name for name, item in suite.all("Service").items() if matches(selector, item["metadata"].get("labels", {}))
        }
    if found != parts:
        yield f"Prometheus asks {sorted(found)}, and there are figures at {sorted(parts)}"


CHECKS: tuple[Check, ...] = (
    schema,
    in_the_namespace,
    hardened,
    as_in_the_compose_file,
    settings,
    secrets,
    named_things_are_there,
    probes,
    drains,
    reach,
    scaling,
    servers,
    door,
    steps,
    encrypted,
    figures,
)


if __name__ == "__main__":
    there = (ROOT / "infra/door/haproxy.cfg").read_text(encoding="utf-8")
    (KUBERNETES / "base/haproxy.cfg").write_text(for_kubernetes(there), encoding="utf-8")
