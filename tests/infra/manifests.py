"""What is asked of rendered Kubernetes manifests: checks that yield a sentence per fault, nothing when all is well.

They compare with what else says how the suite runs: the compose file, the secrets that are made, the routes that are
served. So a service or a setting that is added there and not here is named.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]

from comptoir.auditing import auditor_application
from comptoir.auditor import Auditor, AuditorSettings
from comptoir.suite import know_topology, make
from services.billing.devservices.psp import app as payment_provider
from services.fulfilment.development_carrier import carrier_routes
from shared.messaging.rabbit import PREFETCH
from shared.messaging.topology import OPTIONAL, SERVICES, Names
from shared.service import Running, application
from tests.infra.network import door, door_config, encrypted, reach
from tests.infra.rendering import AUTHORITIES, ROOT, STAND_INS, Item, Pod, Suite, matches

VERSIONS = ("1.30", kubernetes_validate.latest_version())
"""The oldest that docs/deploy.md names, as preStop may sleep from then on, and the newest that there is a schema of."""

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

OF_THE_ENGINE = {"COMPTOIR_HEALTH"}
"""Settings of the image's own health check, which Kubernetes does not run."""
FOR_SHOW = {"COMPTOIR_WAREHOUSES_AUTOMATIC", "COMPTOIR_AUTOMATIC_RETURNS", "COMPTOIR_DELIVER_AFTER_S"}
"""What makes a demonstration move by itself, and no warehouse."""
OUTSIDE = {"COMPTOIR_PAYMENT_PROVIDER_URL", "COMPTOIR_CARRIER_URL"}
STEPS = ("servers", "access", "migrate", "run")
"""The order in which docs/deploy.md applies what has the label comptoir/step."""

CONNECTIONS_OF_A_COPY = 3 + 10  # docs/deploy.md: for its work, and for what is read
CONNECTIONS_BESIDE = 10 + 8  # auditor and tools, one per database; what PostgreSQL and its operator keep for themselves


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


def steps(suite: Suite) -> Iterator[str]:
    for item in suite.items:
        step = item["metadata"].get("labels", {}).get("comptoir/step", "")
        if step and step not in STEPS:
            yield f"{item['kind']} {item['metadata']['name']} is applied in step {step}, which there is not"
        if not step and item["kind"] in ("Deployment", "Job", "CronJob", "Cluster", "RabbitmqCluster", "ScaledObject"):
            yield f"{item['kind']} {item['metadata']['name']} is in no step, and so applied before all"


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
