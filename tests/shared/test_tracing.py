"""One order followed through HTTP, outbox, bus, outside calls and every service, as one trace; and its times."""

import re
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from comptoir.suite import BUILD, BusName, migrate, started
from shared.service import application
from shared.tracing import OpenTelemetry
from tests.conftest import Databases
from tests.eventually import eventually, settled
from tests.journeys.town import ANNA

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


async def urls(databases: Databases, what: str, *services: str) -> str:
    """A database per service, under one pattern."""
    pattern = f"{databases.run}_{what}_{{service}}"
    for service in services:
        await databases.fresh(name=pattern.format(service=service))
    url = databases.url("SERVICE").replace("SERVICE", pattern)
    await migrate(url, services)
    return url


@pytest.mark.postgres
async def test_one_order_is_one_trace_through_all_services(databases: Databases) -> None:
    await one_trace(databases, "local")


@pytest.mark.postgres
@pytest.mark.rabbit
async def test_the_trace_goes_over_rabbitmq_as_well(databases: Databases, rabbit_url: str, rabbit_prefix: str) -> None:
    await one_trace(databases, "rabbit", rabbitmq_url=rabbit_url, rabbitmq_prefix=rabbit_prefix)


async def one_trace(databases: Databases, bus: BusName, **settings: Any) -> None:
    kept = InMemorySpanExporter()
    settings |= {"warehouses_automatic": True, "deliver_after_s": 0.0}
    settings["database_url"] = await urls(databases, f"traced_{bus}", *BUILD)
    async with started(bus=bus, **settings) as suite:
        clients = {}
        for name, running in suite.running.items():
            running.trace(OpenTelemetry(name, SimpleSpanProcessor(kept)))
            transport = httpx.ASGITransport(application(running))
            clients[name] = httpx.AsyncClient(transport=transport, base_url=f"http://{name}")
        await clients["inventory"].put("/warehouses/north", json={"name": "North"})
        await clients["inventory"].put("/items", json={"items": [{"sku": "mug"}]})
        receipt = {"warehouse": "north", "reference": "PO-1", "lines": [{"sku": "mug", "quantity": 10}]}
        await clients["inventory"].post("/receipts", json=receipt, headers={"Idempotency-Key": "1"})
        await suite.rest()
        line = {"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "21"}
        headers = {"Idempotency-Key": "1", "traceparent": f"00-{TRACE}-{CALLER}-01"}
        order = (
            await clients["order"].post("/orders", json={"lines": [line], "ship_to": ANNA}, headers=headers)
        ).json()

        async def completed() -> bool:
            return bool((await clients["order"].get(f"/orders/{order['id']}")).json()["status"] == "completed")

        async def ended() -> int:
            return len(of_the_trace(kept))

        await eventually(completed, 30)
        await settled(ended, 1)
        figures = (await clients["order"].get("/metrics")).text
    ours = of_the_trace(kept)
    names = {(service_of(span), span.name) for span in ours}
    assert {service for service, _ in names} == {f"comptoir-{service}" for service in BUILD}
    assert {
        ("comptoir-order", "POST /orders"),
        ("comptoir-order", "decide order.place_order.v1"),
        ("comptoir-inventory", "send inventory.reserve_stock.v1"),
        ("comptoir-inventory", "decide inventory.reserve_stock.v1"),
        ("comptoir-billing", "call billing.call_provider.v1"),
        ("comptoir-fulfilment", "decide fulfilment.plan_shipment.v1"),
        ("comptoir-billing", "decide billing.bill_shipment.v1"),
        ("comptoir-order", "decide billing.invoice_issued.v1"),
    } <= names
    ids = {f"{span.context.span_id:016x}" for span in ours}
    roots = [span.name for span in ours if f"{span.parent.span_id:016x}" not in ids]
    assert roots == ["POST /orders"], "every other span hangs below the request"
    decided = [span for span in ours if span.name.startswith("decide")]
    assert {span.attributes["comptoir.subject"] for span in decided} >= {order["id"]}
    assert not any("12.50" in str(span.attributes) for span in ours), "no content"

    def count(series: str) -> float:
        found = re.search(rf"^{re.escape(series)} (\S+)$", figures, re.MULTILINE)
        assert found, series
        return float(found[1])

    of = 'service="order"'
    assert count(f"comptoir_unit_seconds_count{{{of}}}") == count(f"comptoir_unit_events_count{{{of}}}") > 0
    key = 'key="inventory.stock_reserved.v1"'
    assert count(f"comptoir_message_age_seconds_count{{{key},{of}}}") == 1
    posted = 'method="POST",route="/orders",service="order",status="201"'
    assert count(f"comptoir_http_seconds_count{{{posted}}}") == 1


def of_the_trace(kept: InMemorySpanExporter) -> list[Any]:
    return [span for span in kept.get_finished_spans() if span.context and f"{span.context.trace_id:032x}" == TRACE]


def service_of(span: Any) -> str:
    return str(span.resource.attributes["service.name"])


@pytest.mark.postgres
async def test_without_an_address_there_is_no_trace_and_a_callers_is_passed_on(databases: Databases) -> None:
    async with started(("order",), database_url=await urls(databases, "untraced", "order")) as suite:
        running = suite["order"]
        assert running.tracing is None
        client = httpx.AsyncClient(transport=httpx.ASGITransport(application(running)), base_url="http://order")
        line = {"sku": "mug", "quantity": 2, "unit_price": "12.50", "vat_rate": "21"}
        given = f"00-{TRACE}-{CALLER}-01"
        await client.post(
            "/orders", json={"lines": [line], "ship_to": ANNA}, headers={"Idempotency-Key": "1", "traceparent": given}
        )
        async with running.reads.connect() as connection:
            bodies = (await connection.exec_driver_sql("select body from outbox")).scalars().all()
    assert bodies
    assert all(f'"traceparent":"{given}"' in body for body in bodies)
