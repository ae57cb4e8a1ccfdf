"""Each benchmark with tiny numbers: its line has its figures, and it verified what it did. No time is asserted.

Those that start processes for what others start too run with `make chaos`, as each takes ten seconds or more.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity

from comptoir.bench.http import Failed, Pool
from comptoir.bench.intake import bench_intake
from comptoir.bench.measuring import percentile, spread_ms
from comptoir.bench.others import bench_growth, bench_memory, bench_replay
from comptoir.bench.pages import bench_pages
from comptoir.bench.queries import bench_queries
from comptoir.bench.saga import PREFIX, bench_rate, bench_saga, known
from comptoir.bench.stored import Sample, Template, store
from comptoir.rest import Databases as Suite
from comptoir.runs import NAMES
from comptoir.suite import MEMBERS, know_topology
from comptoir.verify import verify
from shared.messaging.topology import Names
from tests.conftest import Databases
from tests.replay.test_replay import small  # noqa: F401 - a fixture

MEASURED = {"orders", "seconds", "orders_per_s", "cpu_ms_per_order", "cpu_ms_by_part", "foreign_cpu_s", "loop_ms"}
VERIFIED = {"invariants_checked", "violations"}
SPREAD = {"p50_ms", "p95_ms", "p99_ms"}


@pytest.fixture
async def url(databases: Databases) -> str:
    """Four databases of this test alone."""
    name = f"bench_{uuid4().hex[:8]}"
    databases.made += [f"{name}_{service}" for service in MEMBERS]
    return databases.url("postgres").rsplit("/", 1)[0] + f"/{name}_{{service}}"


def good(result: dict[str, Any], *names: str) -> None:
    assert VERIFIED | set(names) <= set(result), result
    assert (result.get("breaches", []), result["violations"]) == ([], 0)
    assert result["invariants_checked"] > 100


@pytest.fixture
def on_rabbit(rabbit_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPTOIR_RABBITMQ_URL", rabbit_url)


@pytest.mark.postgres
async def test_a_saga_at_saturation_reports_rate_cpu_and_what_was_verified(url: str, tmp_path: Path) -> None:
    result = await bench_saga(url, "local", tmp_path, 10)
    good(result, *MEASURED, "p50_ms", "p99_ms", "placed_s", "replicas")
    assert (result["orders"], set(result["cpu_ms_by_part"])) == (10, {"postgres", "services"})


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.slow
@pytest.mark.usefixtures("on_rabbit")
async def test_orders_at_a_rate_are_heard_of_when_completed(url: str, tmp_path: Path) -> None:
    result = await bench_rate(url, tmp_path, 20, 0.5, over="http")
    good(result, *MEASURED, *SPREAD, "rate", "over")
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert {"order", "inventory", "fulfilment", "billing", "rabbitmq"} <= set(result["cpu_ms_by_part"])


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.chaos
@pytest.mark.usefixtures("on_rabbit")
async def test_the_back_office_knows_of_every_order_before_its_lag_is_told(
    url: str, rabbit_url: str, tmp_path: Path
) -> None:
    result = await bench_saga(url, "rabbit", tmp_path, 30, office=True)
    good(result, *MEASURED, "known_then", "lag_s")
    assert "backoffice" in result["cpu_ms_by_part"]
    assert 0 <= result["known_then"] <= 30
    async with Suite(url, ("backoffice",)) as own:
        assert await known(own["backoffice"]) == 30
    async with await aio_pika.connect(rabbit_url) as connection:
        with pytest.raises(ChannelNotFoundEntity):  # nothing is left on the broker
            await (await connection.channel()).get_queue(Names(PREFIX).queue("backoffice"))


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.chaos
@pytest.mark.usefixtures("on_rabbit")
@pytest.mark.parametrize("batch", [1, 4])
async def test_intake_counts_what_is_answered_and_what_is_completed(batch: int, url: str, tmp_path: Path) -> None:
    result = await bench_intake(url, tmp_path, 10, batch=batch, connections=3)
    good(result, *MEASURED, *SPREAD, "accepted_per_s", "batch", "connections")
    assert result["accepted_s"] <= result["seconds"]


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.chaos
@pytest.mark.usefixtures("on_rabbit")
async def test_queries_are_asked_over_http_at_stored_orders(url: str, tmp_path: Path) -> None:
    result = await bench_queries(url, tmp_path, 20, 2)
    good(result, "orders", "slowest", "queries")
    assert {"first page", "by SKU", "order page", "invoices", "stock", "shipments"} <= set(result["queries"])
    assert all(set(spread) == SPREAD for spread in result["queries"].values())


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.chaos
@pytest.mark.usefixtures("on_rabbit")
async def test_pages_are_asked_while_orders_come_and_the_read_tables_catch_up(url: str, tmp_path: Path) -> None:
    result = await bench_pages(url, tmp_path, 20, pages_per_s=5, orders_per_s=5, seconds=2)
    good(result, *MEASURED, "lag_s", "rebuilt_s", "slowest", "pages")
    assert result["rebuilt"] == result["stored"] == 20
    assert {"today", "orders", "order", "search"} <= set(result["pages"])
    assert all(set(spread) == {"n", *SPREAD} for spread in result["pages"].values())


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.chaos
@pytest.mark.usefixtures("on_rabbit")
async def test_memory_is_told_for_every_process(url: str, tmp_path: Path) -> None:
    result = await bench_memory(url, tmp_path, 10)
    good(result, "backlog", "idle_mb", "most_mb", "after_mb")
    assert set(result["most_mb"]) == {*NAMES, "driver", "rabbitmq"}
    assert all(result["most_mb"][name] >= result["idle_mb"][name] > 1 for name in NAMES)


@pytest.mark.postgres
async def test_growth_compares_with_empty_databases(url: str, tmp_path: Path) -> None:
    result = await bench_growth(url, "local", tmp_path, 6, 15, 1)
    good(result, "orders_per_s", "cpu_ms_per_order", "rate_ratio", "cpu_ratio")
    assert set(result["orders_per_s"]) == {"empty", "stored"}


@pytest.mark.postgres
@pytest.mark.chaos
async def test_a_replay_reports_lines_a_second(url: str, tmp_path: Path, small: Path) -> None:  # noqa: F811
    result = await bench_replay(url, "local", tmp_path, small)
    good(result, "lines_per_s", "seconds", "differences")
    assert result["lines"] == len(small.read_text().splitlines()) - 1


@pytest.mark.postgres
async def test_stored_orders_are_as_the_suite_leaves_them_and_a_changed_one_is_found(url: str, tmp_path: Path) -> None:
    stored = await store(url, "local", tmp_path, 30)
    assert stored == {"orders": 30, "sample": 6}
    know_topology()
    async with Suite(url, NAMES) as connections:
        found = await verify(connections)
        assert not [breach for finding in found for breach in finding.breaches]
        assert await connections["billing"].fetchval("select count(distinct hash) from invoices") == 30
        numbers = await connections["order"].fetch("select number from orders order by length(number), number")
        assert [record[0] for record in numbers] == [f"C-{i}" for i in range(1, 31)]
        await connections["inventory"].execute("update levels set on_hand = on_hand + 1 where sku = 'SKU-007'")
        await connections["order"].execute("update lines set quantity = quantity + 1 where order_id in (select order_id"
                                           " from orders where number = 'C-30')")  # fmt: skip
        breaches = " ".join(breach for finding in await verify(connections) for breach in finding.breaches)
        assert "SKU-007" in breaches
        assert "C-30" in breaches


def test_a_copy_has_its_own_ids_numbers_and_labels() -> None:
    order, shipment = "a3d1b0c2-0000-7000-8000-0123456789ab", "bbbbbbbb-0000-5000-8000-abcdef012345"
    sample = Sample(100, {shipment: (UUID(order), 1)})
    template = Template(f"{order}\tC-12\tINV-2026-000012\tbench-11\tSKU-012\t{shipment}\tTRABCDEF012345\n", sample)
    copy = "a3d1b0c2-0000-8000-8000-0001256789ab"
    name = str(uuid5(UUID(copy), "shipment 1"))
    parcel = f"TR{name[-12:].upper()}"
    assert template.copy(18) == f"{copy}\tC-1812\tINV-2026-001812\tbench-1811\tSKU-012\t{name}\t{parcel}\n"


def test_percentiles_are_ranks_of_what_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert spread_ms([i / 1000 for i in range(1, 101)]) == {"p50_ms": 51.0, "p95_ms": 96.0, "p99_ms": 100.0}
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.postgres
@pytest.mark.rabbit
@pytest.mark.chaos
@pytest.mark.usefixtures("on_rabbit")
async def test_copies_of_each_service_share_the_work(url: str, tmp_path: Path) -> None:
    result = await bench_saga(url, "rabbit", tmp_path, 60, replicas=2)
    good(result, *MEASURED)
    assert result["replicas"] == 2
    logs = {path.name for path in (tmp_path / "logs").iterdir()}
    assert logs == {f"{name}{copy}.log" for name in NAMES for copy in ("", "-2")}


async def test_an_answer_that_refuses_is_no_figure() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 422 No\r\nContent-Length: 3\r\n\r\nbad")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, Pool.of([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"], 1) as pool:
        with pytest.raises(Failed, match="GET /orders: 422 bad"):
            await pool.get("/orders")
