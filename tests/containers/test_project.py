"""The compose file at work, looked at from inside and by the door: it is as it says, and restarts lose nothing."""

import asyncio
import re
import time
from collections import Counter
from contextlib import suppress
from itertools import islice

import httpx
import pytest

from comptoir.retail.plan import Sale, plan
from comptoir.retail.reader import read, sample_path
from shared.messaging.topology import OPTIONAL, SERVICES
from tests.containers.door import Door, under_load
from tests.containers.engine import VERIFY, Project, docker, service_of
from tests.eventually import eventually

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
PASSWORD = "a long enough password"
SERVERS = {"postgres", "rabbitmq"}
OTHERS = {"door", "prometheus"}
"""Not ours, and as read-only as ours."""
OURS = (*SERVICES, *OPTIONAL)
CODE = {
    **{name: [name] for name in OURS},
    "payment-provider": ["billing"],
    "carrier": ["fulfilment"],
    "auditor": sorted(OURS),
}
"""Whose code each container holds."""


async def verified(project: Project) -> None:
    """No invariant is broken, and every one was looked at; the broker gave up nothing."""
    said = ""

    async def at_rest() -> bool:
        nonlocal said
        said = await asyncio.to_thread(project.tools, *VERIFY)
        return "not at rest" not in said

    await eventually(at_rest, 60, 1.0)
    assert re.search(r"[1-9]\d* checked, 0 breaches", " ".join(said.split())), said


def test_each_container_is_without_rights_on_a_root_that_it_cannot_write(project: Project) -> None:
    running = [each for each in project.containers() if each["State"]["Running"]]
    assert {service_of(each) for each in running} == {*CODE, *SERVERS, *OTHERS}
    for each in running:
        name, id = service_of(each), each["Id"]
        status = dict(line.split(":\t", 1) for line in docker("exec", id, "cat", "/proc/1/status").splitlines())
        assert "0" not in status["Uid"].split(), f"{name} runs as root"
        assert int(status["CapEff"], 16) == 0, f"{name} has capabilities"
        assert status["NoNewPrivs"] == "1", f"{name} can get rights"
        assert 0 < each["HostConfig"]["Memory"] <= 2**30, f"{name} has no limit of memory"
        assert 0 < each["HostConfig"]["PidsLimit"] <= 500, f"{name} has no limit of processes"
        if name in SERVERS:
            continue
        assert int(status["CapBnd"], 16) == 0, f"{name} can get capabilities"
        refused = docker("exec", "-u", "0", id, "sh", "-c", "touch /here 2>&1 || true")
        assert "Read-only file system" in refused, f"{name} can write its root"


def test_an_image_holds_its_own_service_only(project: Project) -> None:
    for name, owned in CODE.items():
        listed = docker("exec", project.of(name)[0]["Id"], "ls", "/app", "/app/services").split()
        assert sorted(set(listed) & set(OURS)) == sorted(owned), name
        assert ("comptoir" in listed) == (name == "auditor"), name
        assert "tests" not in listed


def test_jobs_ended_well_and_once(project: Project) -> None:
    ended = [each for each in project.containers() if not each["State"]["Running"]]
    jobs = {service_of(each): each["State"]["ExitCode"] for each in ended}
    migrations = {f"migrate-{name}" for name in OURS}
    assert jobs == dict.fromkeys({"secrets", "access-databases", "access-broker", "topology", *migrations}, 0)


def test_only_the_door_and_the_figures_are_published_and_to_this_machine(project: Project) -> None:
    published = {
        (service_of(each), port, host["HostIp"], host["HostPort"])
        for each in project.containers()
        for port, hosts in (each["NetworkSettings"]["Ports"] or {}).items()
        for host in hosts or ()
    }
    assert published == {
        ("door", "8080/tcp", "127.0.0.1", str(project.port)),
        ("prometheus", "9090/tcp", "127.0.0.1", str(project.figures_port)),
    }


async def test_staff_log_in_by_the_door_and_nobody_else_gets_in(project: Project) -> None:
    async with httpx.AsyncClient(base_url=project.url, headers={"Accept": "text/html"}, trust_env=False) as browser:
        assert (await browser.get("/")).status_code == 403, "without accounts nobody gets in"
        hashes = f"printf '{PASSWORD}\\n' | python -m comptoir staff set anna --role admin"
        project.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "tools", "-c", hashes)

        async def guarded() -> bool:
            return (await browser.get("/orders")).status_code == 303

        await eventually(guarded, 30)
        wrong = await browser.post("/login", data={"name": "anna", "password": "wrong wrong wrong"})
        assert wrong.status_code == 401
        came_in = await browser.post("/login", data={"name": "anna", "password": PASSWORD, "onward": "/orders"})
        assert came_in.status_code == 303, came_in.text
        orders = await browser.get("/orders", headers={"Accept-Encoding": "gzip"})
        assert orders.status_code == 200
        assert orders.headers["content-encoding"] == "gzip"
        assert int(orders.num_bytes_downloaded) < len(orders.content) / 2
        foreign = await browser.get("/orders", headers={"Host": "shop.example"})
        assert foreign.status_code == 403, "over plain HTTP only this machine"
        for inside in ("/metrics", "/parked", "/docs", "/openapi.json", "/order/metrics", "/order/health/ready"):
            assert (await browser.get(inside)).status_code == 404, inside


async def test_the_port_for_the_outside_has_pages_webhooks_and_apis_by_key(project: Project) -> None:
    """Asked from inside, as it is not published."""
    made = ("secrets", "key", "make", "shop", "--file", "/secrets", "--scope", "orders:read")
    shop = project.compose("run", "--rm", "--no-deps", "-T", *made).split()[-1]
    ask = "curl -s -o /dev/null -w '%{http_code} ' "
    outside = f"{ask} http://127.0.0.1:8081"
    asked = [
        f"{outside}/order/orders",
        f"{outside}/billing/invoices",
        f"{outside}/billing/webhooks/../invoices --path-as-is",
        f"{outside}/billing/webhooks/provider",
        f"{outside}/login -H 'Host: shop.example'",
        f"{outside}/login -H 'Host: shop.example' -H 'X-Forwarded-Proto: https'",
        f"{outside}/login -H 'X-Forwarded-For: 127.0.0.1' -H 'Host: shop.example'",
        f"{ask} http://127.0.0.1:8080/order/orders",
        f"{outside}/%70arked -H 'Host: shop.example' -H 'X-Forwarded-Proto: https'",
        f"{outside}/open%61pi.json",
        f"{ask} http://127.0.0.1:8080/order/%6detrics",
        f"{ask} http://127.0.0.1:8080/order/orders -H 'Host: evil.example'",
        f"{outside}/api/order/orders -H 'Host: shop.example'",
        f"{outside}/api/order/orders -H 'Authorization: Bearer {project.key()}' -H 'X-Actor: anna'",
        f"{outside}/api/order/orders -H 'Authorization: Bearer {project.key()}'",
        f"{ask} http://127.0.0.1:8080/order/orders -H 'Authorization: Bearer {project.key()}'",
    ]
    door = project.of("door")[0]["Id"]
    said = docker("exec", door, "sh", "-c", "; ".join(asked)).split()
    pages = ["404", "404", "404", "405", "403", "200", "403", "401", "404", "404", "404", "421"]
    assert said == [*pages, "401", "403", "403", "200"]

    async def known() -> bool:
        """Within some seconds, without a restart."""
        by_key = f"{outside}/api/order/orders -H 'Authorization: Bearer {shop}'"
        return docker("exec", door, "sh", "-c", by_key).strip() == "200"

    await eventually(known, 30)


async def test_real_orders_that_come_by_the_door_are_completed_to_the_cent(project: Project, door: Door) -> None:
    whole = (each for each in plan(read(sample_path())).actions if isinstance(each, Sale))
    sales = list(islice((sale for sale in whole if all(line.stocked for line in sale.lines)), 40))
    stock: Counter[str] = Counter()
    for line in (line for sale in sales for line in sale.lines):
        stock[line.code] += line.quantity
    await door.opens(dict(stock))

    async def place(sale: Sale) -> str:
        lines = [
            {
                "sku": line.code,
                "quantity": line.quantity,
                "unit_price": str(line.price),
                "vat_category": line.vat.category,
                "vat_rate": str(line.vat.rate),
            }
            for line in sale.lines
        ]
        wish = {"channel": "retail", "external_id": sale.invoice, "currency": "GBP", "payment_token": "tok_visa"}
        to = {"name": "Customer", "street": ["not in the file"], "city": "not in the file", "country": sale.country}
        wish["ship_to"] = to  # type: ignore[assignment]
        answer = await door.ask("POST", "/order/orders", wish | {"lines": lines}, sale.invoice)
        return str(answer["id"])

    began = time.monotonic()
    placed = [await place(sale) for sale in sales]
    await door.completed(placed)
    print(f"\n{len(sales)} real orders were completed in {time.monotonic() - began:.1f} s")
    net = sum(line.quantity * line.price for sale in sales for line in sale.lines)
    page = await door.ask("GET", "/billing/invoices?limit=200")
    invoiced = {invoice["order_id"]: invoice for invoice in page["items"]}
    assert set(placed) <= set(invoiced)
    assert abs(sum(float(invoiced[order]["net"]) for order in placed) - float(net)) < 0.01 * len(sales)
    await verified(project)


@pytest.mark.parametrize("service", OURS)
async def test_a_service_is_restarted_and_the_door_shows_nothing_of_it(
    project: Project, door: Door, service: str
) -> None:
    before = project.of(service)[0]["State"]["StartedAt"]
    async with under_load(door):
        await asyncio.to_thread(project.compose, "restart", "--no-deps", service)
        await asyncio.to_thread(project.compose, "up", "--no-deps", "--no-recreate", "--wait", service)
    assert project.of(service)[0]["State"]["StartedAt"] > before
    await verified(project)


async def test_the_broker_is_killed_and_comes_back_with_all_that_was_sent(project: Project, door: Door) -> None:
    async with under_load(door) as load:
        await asyncio.to_thread(project.compose, "kill", "rabbitmq")
        assert not project.of("rabbitmq")
        await load.goes_on()  # orders are taken while it is away
        await asyncio.to_thread(project.compose, "up", "--no-deps", "--no-recreate", "--wait", "rabbitmq")
    await verified(project)


async def replaced(project: Project, service: str, version: str) -> None:
    """Another version beside the one that runs, then without it: no moment without a copy."""
    old = {each["Id"] for each in project.of(service)}
    project.versions[f"{service.upper()}_VERSION"] = version
    up = ("up", "--no-deps", "--no-recreate", "--wait")
    await asyncio.to_thread(project.compose, *up, "--scale", f"{service}=2", service)
    both = {each["Id"]: each["Config"]["Image"].rpartition(":")[2] for each in project.of(service)}
    assert len(both) == 2
    assert {tag for id, tag in both.items() if id not in old} == {version}
    await asyncio.to_thread(docker, "stop", *old)
    await asyncio.to_thread(docker, "rm", *old)


async def test_a_service_is_upgraded_while_orders_flow_and_put_back(project: Project, door: Door) -> None:
    docker("tag", "comptoir/order:test", "comptoir/order:test-next")
    async with under_load(door) as load:
        await replaced(project, "order", "test-next")
        assert [each["Config"]["Image"] for each in project.of("order")] == ["comptoir/order:test-next"]
        await load.goes_on()
    await verified(project)
    async with under_load(door):
        await replaced(project, "order", "test")
    assert [each["Config"]["Image"] for each in project.of("order")] == ["comptoir/order:test"]
    await verified(project)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_rolling_restarts_at_fifty_requests_a_second(project: Project, door: Door) -> None:
    """Two copies of each service; one after the other is restarted. Reads and orders go on all the time."""
    scale = [part for name in SERVICES for part in ("--scale", f"{name}=2")]
    project.compose("up", "--no-deps", "--no-recreate", "--wait", *scale, *SERVICES)
    refused: list[str] = []
    asked = 0

    async def reads() -> None:
        nonlocal asked
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await door.ask("GET", ("/order/orders?limit=5", "/inventory/items?limit=5")[asked % 2])
            except (AssertionError, httpx.HTTPError) as error:
                refused.append(repr(error))
            asked += 1
            with suppress(TimeoutError):
                async with asyncio.timeout_at(began + 0.25):
                    await asyncio.Event().wait()

    began = time.monotonic()
    async with under_load(door, 10.0) as load:
        readers = [asyncio.create_task(reads()) for _ in range(10)]
        try:
            for i in range(25):
                service = SERVICES[i % len(SERVICES)]
                copies = sorted(project.of(service), key=lambda each: str(each["State"]["StartedAt"]))
                await asyncio.to_thread(docker, "restart", copies[0]["Id"])
                up = ("up", "--no-deps", "--no-recreate", "--wait", "--scale", f"{service}=2", service)
                await asyncio.to_thread(project.compose, *up)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    took = time.monotonic() - began
    slow = sorted(load.seconds)
    print(
        f"\n25 restarts in {took:.0f} s: {asked} reads and {len(load.placed)} orders, {len(refused)} refused, "
        f"half of the orders answered in {slow[len(slow) // 2] * 1000:.0f} ms, the slowest in {slow[-1]:.1f} s"
    )
    assert not refused, refused[:5]
    await verified(project)
