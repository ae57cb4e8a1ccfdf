"""`comptoir bench queries`: lists, searches and pages over HTTP, at many stored orders."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from comptoir.bench.http import Pool
from comptoir.bench.measuring import spread_ms, verified
from comptoir.bench.saga import PREFIX
from comptoir.bench.stored import store
from comptoir.runs import running

OTHERS = {
    "inventory": {
        "stock": ["/stock"],
        "movements of a SKU": ["/movements?sku=SKU-007"],
        "last movements": ["/movements?newest=true"],
    },
    "fulfilment": {"shipments": ["/shipments"], "pick list": ["/pick-list?warehouse=north"]},
    "billing": {
        "invoices": ["/invoices"],
        "last invoices": ["/invoices?newest=true"],
        "last of the journal": ["/ledger?newest=true"],
        "trial balance": ["/trial-balance"],
        "open items": ["/open-items"],
    },
}
"""Paths of the services beside order."""


async def bench_queries(database_url: str, data: Path, orders: int, requests: int) -> dict[str, Any]:
    """p50, p95 and p99 per query, one request at a time; each query is first asked five times unmeasured."""
    began = time.monotonic()
    stored = await store(database_url, "local", data, orders)
    stored_s = time.monotonic() - began
    async with running(database_url, "rabbit", data / "logs", prefix=PREFIX) as run:
        assert run.processes is not None
        spread: dict[str, dict[str, float]] = {}
        for service in ("order", "inventory", "fulfilment", "billing"):
            async with Pool.of(run.processes.urls(service), 1) as pool:
                for name, paths in (await queries_of(service, run.connections["order"], pool)).items():
                    taken = []
                    for i in range(-5, requests):
                        before = time.monotonic()
                        await pool.get(paths[i % len(paths)])
                        if i >= 0:
                            taken.append(time.monotonic() - before)
                    spread[name] = spread_ms(taken)
        about = {"bench": "queries", "orders": stored["orders"], "requests": requests, "stored_s": round(stored_s, 1)}
        slowest = max(spread, key=lambda name: spread[name]["p95_ms"])
        return {**about, "slowest": slowest, "queries": spread, **await verified(run)}


async def queries_of(service: str, connection: Any, pool: Pool) -> dict[str, list[str]]:
    """Paths by the name of the query; several where each order has its own."""
    if service != "order":
        return OTHERS[service]
    some = await connection.fetch(
        "select order_id, number, placed_at from orders tablesample bernoulli (10) order by order_id limit 200"
    ) or await connection.fetch("select order_id, number, placed_at from orders limit 200")
    ids, numbers = [str(record["order_id"]) for record in some], [record["number"] for record in some]
    page = json.loads(await pool.get("/orders"))
    after = f"&after={page['next']}" if page["next"] else ""
    middle = quote(some[0]["placed_at"].isoformat())
    return {
        "first page": ["/orders"],
        "next page": [f"/orders?limit=50{after}"],
        "completed": ["/orders?status=completed"],
        "backordered": ["/orders?status=backordered"],
        "by channel": ["/orders?channel=bench"],
        "by SKU": ["/orders?sku=SKU-007"],
        "before a moment": [f"/orders?to={middle}"],
        "number begins": [f"/orders?number={number}" for number in numbers],
        "by number": [f"/orders/by-number/{number}" for number in numbers],
        "order page": [f"/orders/{id}" for id in ids],
        "history": [f"/orders/{id}/history" for id in ids],
    }
