"""Who reaches whom over the network of the rendered manifests: policies, the door, and lines that nobody reads."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from tests.infra.rendering import AUTHORITIES, KUBERNETES, ROOT, Item, Suite, matches


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


def door(suite: Suite) -> Iterator[str]:
    """The compose file's door, but for how it finds the services; and the world comes in where no API is."""
    if door_config(suite) != for_kubernetes((ROOT / "infra/door/haproxy.cfg").read_text(encoding="utf-8")):
        yield "haproxy.cfg is not that of infra/door; `python -m tests.infra.network` writes it anew"
    for name, item in suite.all("Ingress").items():
        for rule in item["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                if path["backend"]["service"] != {"name": "door", "port": {"name": "outside"}}:
                    yield f"Ingress {name} leads to {path['backend']['service']}"
        if not item["spec"].get("tls"):
            yield f"Ingress {name} takes passwords over an open line"
    if suite.pods["door"].ports.get("outside") != 8081:
        yield "the port for the outside is not the one without APIs"


def door_config(suite: Suite) -> str:
    """The configuration that the door gets."""
    for volume in suite.pods["door"].spec["volumes"]:
        if volume.get("name") == "config":
            return str(suite.all("ConfigMap").get(volume["configMap"]["name"], {}).get("data", {}).get("haproxy.cfg"))
    return ""


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


if __name__ == "__main__":
    there = (ROOT / "infra/door/haproxy.cfg").read_text(encoding="utf-8")
    (KUBERNETES / "base/haproxy.cfg").write_text(for_kubernetes(there), encoding="utf-8")
