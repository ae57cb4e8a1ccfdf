"""Prometheus of the compose file at work: it finds every copy, and every alarm and panel looks at what is there.

Where the image that the compose file names is not at hand, Debian's is taken, which is older (2.53): what 3 is stricter
in, the type of what is scraped, is looked at besides. Grafana is not run; what it would ask, Prometheus is asked here.
"""

import asyncio
import math
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import promql_parser
import pytest
import yaml

from shared.messaging.topology import OPTIONAL, SERVICES
from tests.containers.door import Door
from tests.containers.engine import Project, docker
from tests.eventually import eventually
from tests.infra.promql import OBSERVABILITY, Asked, all_asked, always, name_of, rules, selectors

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
OURS = {*SERVICES, *OPTIONAL}
ACCEPTED = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
"""As Prometheus says what it reads."""
ON_A_GOOD_DAY = {
    'status=~"5.."': 'status=~"2.."',
    " offset 1h": "",
    "min(comptoir_api_keys_end_seconds)": "clamp_max(min(comptoir_api_keys_end_seconds), 1e9)",  # no key ends
}
"""What there is only on a bad day, or later, and what is like it on a good one."""


@pytest.fixture(scope="module")
async def prometheus(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    url = f"http://127.0.0.1:{project.figures_port}"
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        yield http


async def said(prometheus: httpx.AsyncClient, path: str, **params: str) -> Any:
    answer = await prometheus.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, f"{params}: {answer.text}"
    return answer.json()["data"]


async def every_copy_is_scraped_once(project: Project, prometheus: httpx.AsyncClient) -> list[str]:
    """Where each is."""
    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text(encoding="utf-8"))
    copies = {  # by its address on each of its networks
        on["IPAddress"]: each["Id"]
        for each in await asyncio.to_thread(project.containers)
        if each["State"]["Running"]
        for on in each["NetworkSettings"]["Networks"].values()
    }
    expected = []
    for job in config["scrape_configs"]:
        for found in job.get("dns_sd_configs", ()):
            for name in found["names"]:
                running = await asyncio.to_thread(project.of, name)
                assert running, f"nothing is called {name}"
                expected += [(job["job_name"], f"{each['Id']}:{found['port']}") for each in running]
        for static in job.get("static_configs", ()):
            expected += [(job["job_name"], target) for target in static["targets"]]
    assert {job for job, _ in expected} == {job["job_name"] for job in config["scrape_configs"]}

    async def all_are_up() -> list[str]:
        targets = (await said(prometheus, "targets", state="active"))["activeTargets"]
        found = []
        for of in targets:
            host, _, port = of["labels"]["instance"].rpartition(":")
            found.append((of["labels"]["job"], f"{copies.get(host, host)}:{port}"))
        assert sorted(found) == sorted(expected)
        down = {of["scrapeUrl"]: of["lastError"] for of in targets if of["health"] != "up"}
        assert not down, down
        return [of["scrapeUrl"] for of in targets]

    return await eventually(all_are_up, 120, 1.0)


async def test_it_is_ready_and_every_copy_that_is_named_answers_as_it_may(
    project: Project, prometheus: httpx.AsyncClient
) -> None:
    for path in ("/-/healthy", "/-/ready"):
        assert (await prometheus.get(path)).status_code == 200
    for url in await every_copy_is_scraped_once(project, prometheus):
        ask = ("curl", "-sS", "-o", "/dev/null", "-w", "%{content_type}", "-H", f"Accept: {ACCEPTED}", url)
        kind = await asyncio.to_thread(docker, "exec", project.of("door")[0]["Id"], *ask)
        assert re.match(r"text/plain; ?version=0\.0\.4|application/openmetrics-text;", kind), f"{url}: {kind}"


async def test_every_rule_is_loaded_and_none_is_in_error(prometheus: httpx.AsyncClient) -> None:
    async def all_are_evaluated() -> bool:
        groups = (await said(prometheus, "rules"))["groups"]
        found = {rule["name"]: rule for group in groups for rule in group["rules"]}
        assert set(found) == {name_of(rule) for rule in rules()}
        wrong = {name: rule.get("lastError", "") for name, rule in found.items() if rule["health"] != "ok"}
        assert not wrong, wrong
        return True

    await eventually(all_are_evaluated, 90, 1.0)


Series = list[dict[str, Any]]


async def asked_for(prometheus: httpx.AsyncClient, text: str) -> Series:
    """What an expression gives now. Fails where Prometheus does not understand it."""
    result = (await said(prometheus, "query", query=text))["result"]
    return result if isinstance(result, list) and all(isinstance(of, dict) for of in result) else []


def with_numbers(series: Series) -> Series:
    return [of for of in series if math.isfinite(float(of["value"][1]))]


async def rotten(prometheus: httpx.AsyncClient, asked: Asked) -> list[str]:
    """What is wrong with an expression in a suite that takes orders and is well."""
    await asked_for(prometheus, asked.expr)
    text = asked.expr
    for bad, good in ON_A_GOOD_DAY.items():
        text = text.replace(bad, good)
    parsed = promql_parser.parse(text)
    found, labels = [], set()
    for selector in selectors(parsed):
        if not await asked_for(prometheus, selector.prettify()):
            found.append(f"{asked.where}: there is no {selector.prettify()}")
    for part in always(parsed):
        series = with_numbers(await asked_for(prometheus, part.prettify()))
        labels |= {label for of in series for label in of["metric"]}
        services = {of["metric"].get("service", "") for of in series}
        if not series:
            found.append(f"{asked.where}: {part.prettify()} gives nothing")
        elif asked.panel and "{{service}}" in asked.shown and not services >= OURS:
            found.append(f"{asked.where}: {part.prettify()} gives nothing of {sorted(OURS - services)}")
    for label in re.findall(r"{{ *(?:\$labels\.)?(\w+)", asked.shown):
        if label not in labels:
            found.append(f"{asked.where}: nothing that it shows has a label {label}")
    return found


async def test_what_alarms_and_dashboards_ask_for_is_there_after_orders_went_through(
    project: Project, prometheus: httpx.AsyncClient, door: Door
) -> None:
    everything = list(all_asked())
    assert len(everything) > 30
    before = len(await door.statuses())
    placed: list[str] = []

    async def nothing_is_rotten() -> bool:
        placed.append(await door.place(before + len(placed)))  # rates of what stands still are none
        found = [line for each in await asyncio.gather(*(rotten(prometheus, of) for of in everything)) for line in each]
        assert not found, "\n".join(found)
        return True

    await eventually(nothing_is_rotten, 120, 3.0)
    await door.completed(placed)


@pytest.mark.parametrize(
    ("expr", "shown"),
    [
        ("sum by (service) (rate(comptoir_event_total[1m]))", "{{service}}"),
        ("sum by (service) (comptoir_parked) > 0 or comptoir_bus_conected == 0", "{{service}}"),
        ('sum by (service) (comptoir_timers_fired_total{service="orders"})', "{{service}}"),
        ('sum by (service) (comptoir_timers_fired_total{service="order"})', "{{service}}"),
        ("max(comptoir_outbox_oldest_seconds)", "{{service}}"),
    ],
)
async def test_what_was_renamed_is_found(prometheus: httpx.AsyncClient, expr: str, shown: str) -> None:
    assert await rotten(prometheus, Asked("a panel", expr, shown, panel=True))
