"""The manifests for Kubernetes say the same as the compose file and the code. They are rendered here, and run nowhere.

Every check is seen to find the faults that it is for: each is planted into what was rendered.
"""

import copy
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.infra.manifests import STEPS, faults, requested
from tests.infra.rendering import KUBERNETES, OVERLAYS, ROOT, Suite, made_secrets, rendered

Item = dict[str, Any]


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Suite]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return {
        overlay: Suite(overlay, rendered(overlay), compose, made_secrets(tmp_path_factory.mktemp("secrets"), overlay))
        for overlay in OVERLAYS
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_wrong_with_an_overlay(suites: dict[str, Suite], overlay: str) -> None:
    assert faults(suites[overlay]) == []


def of(items: list[Item], kind: str, name: str) -> Item:
    [found] = [
        item
        for item in items
        if item["kind"] == kind and re.sub("-[a-z0-9]{10}$", "", item["metadata"]["name"]) == name
    ]
    return found


def pod(items: list[Item], name: str, kind: str = "Deployment") -> Item:
    found: Item = of(items, kind, name)["spec"]["template"]["spec"]
    return found


def container(items: list[Item], name: str, kind: str = "Deployment") -> Item:
    found: Item = pod(items, name, kind)["containers"][0]
    return found


def without(items: list[Item], kind: str, name: str) -> None:
    items.remove(of(items, kind, name))


def second_master(items: list[Item]) -> None:
    other = copy.deepcopy(of(items, "HorizontalPodAutoscaler", "door"))
    other["metadata"]["name"] = other["spec"]["scaleTargetRef"]["name"] = "order"
    items.append(other)


def door_leads_to_the_apis(items: list[Item]) -> None:
    [rule] = of(items, "Ingress", "door")["spec"]["rules"]
    rule["http"]["paths"][0]["backend"]["service"]["port"]["name"] = "http"


Plant = Callable[[list[Item]], Any]

PLANTED: dict[str, tuple[Plant, str]] = {
    "a misspelt field": (
        lambda items: of(items, "Deployment", "order")["spec"].update(replica=2),
        "schema: Deployment order",
    ),
    "a kind that is gone": (
        lambda items: of(items, "PodDisruptionBudget", "order").update(apiVersion="policy/v1beta1"),
        "schema: PodDisruptionBudget order: there is no",
    ),
    "a namespace without rules": (
        lambda items: of(items, "Namespace", "comptoir")["metadata"].update(labels={}),
        "the namespace lets anything run",
    ),
    "no securityContext": (
        lambda items: container(items, "billing").pop("securityContext"),
        "hardened: billing may write to its image",
    ),
    "root": (
        lambda items: pod(items, "migrate-order", "Job")["securityContext"].pop("runAsNonRoot"),
        "hardened: migrate-order may run as root",
    ),
    "a sidecar that is not hardened": (
        lambda items: pod(items, "order")["containers"].append({"name": "proxy", "image": "proxy:1"}),
        "hardened: order keeps capabilities",
    ),
    "a token of the API": (
        lambda items: of(items, "ServiceAccount", "order").pop("automountServiceAccountToken"),
        "hardened: order has no account of ours without a token",
    ),
    "no limits": (lambda items: container(items, "door")["resources"].pop("limits"), "hardened: door has no limits"),
    "a service that is forgotten": (
        lambda items: without(items, "Deployment", "inventory"),
        "as_in_the_compose_file: inventory of the compose file is missing",
    ),
    "another image": (
        lambda items: container(items, "migrate-billing", "Job").update(image="comptoir/order:1"),
        "migrate-billing runs comptoir/order",
    ),
    "another command": (
        lambda items: container(items, "topology", "Job").update(args=["topology"]),
        "topology runs ['topology'], in the compose file ['topology', '--with', 'backoffice']",
    ),
    "a migration after its service": (
        lambda items: of(items, "Job", "migrate-order")["metadata"]["labels"].update({"comptoir/step": "run"}),
        "order is applied in step run, not after migrate-order in run",
    ),
    "a setting that is forgotten": (
        lambda items: of(items, "ConfigMap", "order")["data"].pop("COMPTOIR_ROOT_PATH"),
        "settings: order: COMPTOIR_ROOT_PATH is None",
    ),
    "a setting that nobody else has": (
        lambda items: container(items, "order").update(env=[{"name": "COMPTOIR_DISTURBED", "value": "true"}]),
        "settings: order: COMPTOIR_DISTURBED is 'true', in the compose file None",
    ),
    "a provider that is called without TLS": (
        lambda items: of(items, "ConfigMap", "billing")["data"].update(COMPTOIR_PAYMENT_PROVIDER_URL="http://pay.test"),
        "which others can read on the way",
    ),
    "a secret that nobody makes": (
        lambda items: pod(items, "order")["volumes"][0]["secret"].update(secretName="comptoir-orders"),
        "secrets: order: COMPTOIR_DATABASE_URL_FILE is /run/secrets/database_url, which no secret of its own holds",
    ),
    "somebody else's secret": (
        lambda items: pod(items, "order")["volumes"][0]["secret"].update(secretName="comptoir-billing"),
        "secrets: order sees ['comptoir-billing'], in the compose file ['comptoir-order']",
    ),
    "a role that is never made": (
        lambda items: pod(items, "access-databases", "Job")["volumes"][0]["projected"]["sources"].pop(),
        "secrets: access-databases does not see just what it sets",
    ),
    "a superuser that nobody makes": (
        lambda items: of(items, "Cluster", "postgres")["spec"]["superuserSecret"].update(name="root"),
        "secrets: the Cluster's superuser is in root",
    ),
    "a trigger without its address": (
        lambda items: of(items, "TriggerAuthentication", "order")["spec"]["secretTargetRef"][0].update(key="host"),
        "secrets: TriggerAuthentication order: there is no host",
    ),
    "a ConfigMap that is gone": (
        lambda items: without(items, "ConfigMap", "broker"),
        "named_things_are_there: order: there is no ConfigMap broker",
    ),
    "a Service that leads nowhere": (
        lambda items: of(items, "Service", "order")["spec"].update(selector={"app.kubernetes.io/name": "orders"}),
        "named_things_are_there: Service order leads to []",
    ),
    "no disruption budget": (
        lambda items: without(items, "PodDisruptionBudget", "billing"),
        "billing has not one disruption budget",
    ),
    "a wrong path of a probe": (
        lambda items: container(items, "order")["readinessProbe"]["httpGet"].update(path="/healthz"),
        "probes: order: readinessProbe asks for /healthz, which it does not serve",
    ),
    "a port that nobody listens on": (
        lambda items: container(items, "fulfilment").update(ports=[{"name": "http", "containerPort": 8080}]),
        "probes: fulfilment says that it listens on {'http': 8080}, and listens on {8000}",
    ),
    "a restart that does not help": (
        lambda items: container(items, "order")["livenessProbe"]["httpGet"].update(path="/health/ready"),
        "probes: order is killed when the database is away",
    ),
    "too little time to end": (
        lambda items: pod(items, "order").update(terminationGracePeriodSeconds=30),
        "drains: order is killed before 5 + 30 s",
    ),
    "an open network": (
        lambda items: without(items, "NetworkPolicy", "default-deny"),
        "reach: a pod that is not named here is open",
    ),
    "a door that is walled up": (
        lambda items: of(items, "NetworkPolicy", "door")["spec"].pop("egress"),
        "reach: door does not reach order:8000",
    ),
    "a service that another one calls": (
        lambda items: (
            of(items, "NetworkPolicy", "service")["spec"]["ingress"][0]["from"].append({"podSelector": {}})
            or of(items, "NetworkPolicy", "backoffice")["spec"]["egress"].append({"to": [{"podSelector": {}}]})
        ),
        "reach: backoffice reaches billing:8000, which it has no use for",
    ),
    "a policy for a port that there is not": (
        lambda items: of(items, "NetworkPolicy", "service")["spec"]["ingress"][0].update(ports=[{"port": 8888}]),
        "reach: NetworkPolicy service names port 8888",
    ),
    "two masters": (second_master, "scaling: order has two masters"),
    "replicas that are set back": (
        lambda items: of(items, "Deployment", "order")["spec"].update(replicas=2),
        "scaling: order is set back to its replicas",
    ),
    "another queue": (
        lambda items: of(items, "ScaledObject", "order")["spec"]["triggers"][0]["metadata"].update(queueName="order"),
        "scaling: order is scaled by order, which is not its queue",
    ),
    "a copy for every packet": (
        lambda items: of(items, "ScaledObject", "order")["spec"]["triggers"][0]["metadata"].update(value="64"),
        "scaling: order gets another copy for what one has in hand",
    ),
    "too few connections": (
        lambda items: of(items, "Cluster", "postgres")["spec"]["postgresql"]["parameters"].update(
            max_connections="400"
        ),
        "copies want more than 400 connections",
    ),
    "another PostgreSQL": (
        lambda items: of(items, "Cluster", "postgres")["spec"]["imageCatalogRef"].update(major=17),
        "servers: PostgreSQL 17, in the compose file postgres:18",
    ),
    "passwords over an open line": (
        lambda items: of(items, "Cluster", "postgres")["spec"]["postgresql"].pop("pg_hba"),
        "servers: PostgreSQL takes passwords over an open line",
    ),
    "a broker that takes open lines": (
        lambda items: of(items, "RabbitmqCluster", "rabbitmq")["spec"]["tls"].pop("disableNonTLSListeners"),
        "encrypted: RabbitMQ takes passwords over an open line",
    ),
    "a broker with somebody else's name": (
        lambda items: of(items, "Certificate", "rabbitmq")["spec"].update(dnsNames=["rabbit"]),
        "encrypted: comptoir-order sends its password to any broker",
    ),
    "a database that nobody verifies": (
        lambda items: of(items, "ConfigMap", "database")["data"].update(PGSSLMODE="require"),
        "encrypted: order sends its password to any PostgreSQL",
    ),
    "a job without the authorities": (
        lambda items: pod(items, "migrate-order", "Job")["volumes"][-1]["projected"]["sources"].pop(),
        "encrypted: migrate-order has not what it verifies servers by",
    ),
    "a scaler that verifies nothing": (
        lambda items: of(items, "TriggerAuthentication", "order")["spec"].pop("configMapTargetRef"),
        "encrypted: KEDA asks any broker for order",
    ),
    "a broker of one": (
        lambda items: of(items, "RabbitmqCluster", "rabbitmq")["spec"].update(replicas=1),
        "servers: the servers are not on three machines",
    ),
    "a door of its own": (
        lambda items: of(items, "ConfigMap", "door")["data"].update({"haproxy.cfg": "defaults\n"}),
        "door: haproxy.cfg is not that of infra/door",
    ),
    "APIs for the world": (door_leads_to_the_apis, "door: Ingress door leads to"),
    "a part without a step": (
        lambda items: of(items, "Deployment", "auditor")["metadata"]["labels"].pop("comptoir/step"),
        "steps: Deployment auditor is in no step",
    ),
    "a part whose figures nobody reads": (
        lambda items: of(items, "Service", "auditor")["metadata"]["labels"].pop("app.kubernetes.io/component"),
        "figures: Prometheus asks",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_found(suites: dict[str, Suite], planted: str) -> None:
    plant, said = PLANTED[planted]
    suite = suites["production"]
    items = copy.deepcopy(suite.items)
    plant(items)
    found = faults(Suite(suite.overlay, items, suite.compose, suite.secrets))
    assert any(said in each for each in found), found


def test_what_the_compose_file_gains_is_missed_here(suites: dict[str, Suite]) -> None:
    suite = suites["production"]
    compose = copy.deepcopy(suite.compose)
    compose["services"]["loyalty"] = compose["services"]["order"]
    compose["services"]["billing"]["environment"]["COMPTOIR_NEW"] = "1"
    found = faults(Suite(suite.overlay, suite.items, compose, suite.secrets))
    assert "as_in_the_compose_file: loyalty of the compose file is missing" in found
    assert "settings: billing: COMPTOIR_NEW is None, in the compose file '1'" in found


def test_no_secret_lies_in_the_manifests_and_none_is_changed_on_the_way(suites: dict[str, Suite]) -> None:
    for path in KUBERNETES.rglob("*"):
        if path.is_file():
            assert not re.search(r"://[^/\s]*:[^/\s]*@", path.read_text(encoding="utf-8")), path
    for suite in suites.values():
        assert not suite.all("Secret")
    secrets = suites["small"].secrets
    for name, held in secrets.items():
        for key, value in held.items():
            assert key.endswith(".conf") or value == value.strip(), f"{name}: {key} has white space around it"
    admin = secrets["comptoir-access"]
    assert admin["database_url"].endswith(f":{secrets['comptoir-postgres']['password']}@postgres-rw:5432")
    assert f":{secrets['comptoir-rabbitmq']['password']}@" in admin["rabbitmq_url"]
    assert secrets["comptoir-billing"]["webhook_secret"] == secrets["comptoir-payment-provider"]["webhook_secret"]


def test_the_page_on_deploying_says_the_order_and_the_figures_of_the_manifests(suites: dict[str, Suite]) -> None:
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    part = page[page.index("### The order") : page.index("### Probes")]
    applied = re.findall(r"kubectl apply -k \$o -l '?(!?comptoir/step(?:=(\w+))?)", part)
    assert [step for _, step in applied] == ["", *STEPS]
    again = page[page.index("### Another version, and back") : page.index("### Passwords and keys")]
    applied = re.findall(r"kubectl apply -k \$o -l '?(!?comptoir/step(?:=(\w+))?)", again)
    assert [step for _, step in applied] == ["", "access", "migrate", "run"], "a new message needs a right to be sent"
    for step in re.findall(r"comptoir/step=(\w+)", page):
        assert step in STEPS
    for path in re.findall(r"infra/kubernetes/[\w./-]*\w", page):
        assert (ROOT / path).exists(), path
    for overlay, suite in suites.items():
        row = re.search(rf"\| {overlay} \| ([\d.]+) \| ([\d.]+) \|", page)
        assert row
        assert tuple(f"{each:.1f}" for each in requested(suite)) == (row[1], row[2]), overlay


def test_the_page_computes_copies_from_the_figures_that_were_measured() -> None:
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    measured = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    where = measured.partition("Where the CPU goes over RabbitMQ")[2].partition("\n\n")[0]
    cost = dict(re.findall(r"(order|billing|inventory|fulfilment|PostgreSQL|RabbitMQ) (\d\.\d+)[,.]", where))
    assert len(cost) == 6
    for part, ms in cost.items():
        row = re.search(rf"\| {part} \| ([\d.]+) \| ([\d,]+)(?: a core)? \| (.*) \|\n", page)
        assert row, part
        assert (row[1], row[2]) == (ms, f"{int(700 / float(ms)):,}"), part
        for said, rate in zip(row[3].removesuffix(" |").split(" | "), (100, 500, 1000), strict=True):
            cores = rate * float(ms) / 700
            if part in ("PostgreSQL", "RabbitMQ"):
                assert float(said.removesuffix(" cores")) == round(cores, 2), part
            else:
                assert int(said) == math.ceil(cores), part
