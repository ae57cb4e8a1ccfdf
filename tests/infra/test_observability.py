"""Alarms and dashboards look at figures that there are, and every alarm of the runbook fires from a rule."""

import re
from collections.abc import Mapping
from pathlib import Path

import promql_parser
import pytest
import yaml

from tests.api.conftest import Api, apis  # noqa: F401 - a fixture
from tests.infra.promql import OBSERVABILITY, all_asked, rules, selectors

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
WITHOUT_RULE = {"Orders wait for staff": "a command says it: `comptoir order waiting`"}
"""Rows of the runbook that no figure tells, and what does."""

OF_THE_BROKER = {"rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_consumers"}
"""From its own plugin, which `family` in prometheus.yml asks for."""


def test_every_alarm_of_the_runbook_has_its_rule_and_every_rule_its_page() -> None:
    table = RUNBOOK[RUNBOOK.index("| Alarm |") :].split("\n\n")[0].splitlines()[2:]
    rows = {cells[1].strip(): re.search(r"\(#([a-z-]+)\)", line) for line in table if (cells := line.split("|"))}
    assert len(rows) >= 14
    found = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert set(found) == set(rows) - set(WITHOUT_RULE)
    headings = {
        re.sub(r"[^a-z -]", "", line[4:].lower()).replace(" ", "-")
        for line in RUNBOOK.splitlines()
        if line.startswith("### ")
    }
    for name, rule in found.items():
        anchor = rows[name]
        assert anchor is not None
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{anchor[1]}", name
        assert anchor[1] in headings, name
        assert rule["labels"]["severity"] in ("now", "soon", "today"), name


@pytest.mark.postgres
async def test_alarms_and_dashboards_look_at_figures_that_there_are(apis: Mapping[str, Api]) -> None:  # noqa: F811
    names = {"up", *OF_THE_BROKER}
    for api in apis.values():
        lines = (await api.http.get("/metrics")).text.splitlines()
        names |= {re.split(r"[ {]", line, maxsplit=1)[0] for line in lines if not line.startswith("#")}
        for line in lines:
            if (said := line.split()) and said[:2] == ["#", "TYPE"] and said[3] == "histogram":
                names |= {f"{said[2]}_{part}" for part in ("bucket", "sum", "count")}
    documented = (ROOT / "docs/development.md").read_text(encoding="utf-8")
    names |= set(re.findall(r"`(comptoir_(?:audit|invariant|mails|valued|webhooks)[a-z_]*)`", documented))
    looked_at = 0
    for asked in all_asked():
        for selector in selectors(promql_parser.parse(asked.expr)):
            looked_at += 1
            assert selector.name in names, f"{asked.where}: there is no {selector.name}"
    assert looked_at > 30


def test_prometheus_asks_every_service(compose_services: set[str]) -> None:
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text(encoding="utf-8"))
    asked = {
        name for job in config["scrape_configs"] for found in job.get("dns_sd_configs", ()) for name in found["names"]
    }
    assert asked == compose_services


@pytest.fixture
def compose_services() -> set[str]:
    """Containers that run a service of ours, by their name."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    return {
        name
        for name, each in services.items()
        if "COMPTOIR_RABBITMQ_URL_FILE" in each.get("environment", {}) and "profiles" not in each and name != "topology"
    }
