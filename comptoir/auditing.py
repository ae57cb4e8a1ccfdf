"""The auditor's HTTP application: health, metrics, and the breaches that stand."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from pydantic import BaseModel, Field

from comptoir.auditor import Auditor
from comptoir.invariants import LAWS
from shared.http import add_problems
from shared.service import Measured


class Breach(BaseModel):
    """One thing that is wrong."""

    invariant: str = Field(description="its number, as in docs/reliability.md", examples=["I12"])
    title: str
    order_id: UUID | None = Field(description="the order that it concerns; null for stock and packets")
    sku: str | None = Field(description="the SKU that it concerns; null for orders and packets")
    document: str = Field(description="what is wrong, by its name", examples=["order C-1", "INV-2026-000007"])
    says: str = Field(description="in words")
    since: datetime = Field(description="when it was seen first, not when it came about")


class Violations(BaseModel):
    violations: list[Breach]
    judged_until: datetime | None = Field(
        description="every packet that was sent until then has been handled; what holds at rest only is judged by that"
    )


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


def auditor_application(auditor: Auditor) -> FastAPI:
    """Without its lifecycle: the composition starts and stops the auditor."""
    app = FastAPI(
        title="Comptoir auditor",
        version="1",
        description="Checks the invariants of the suite while it runs.",
        generate_unique_id_function=lambda route: route.name,
    )
    add_problems(app)

    @app.get("/health/live", tags=["health"], responses={503: {"model": Live}})
    async def live(response: Response) -> Live:
        """The process works; 503 asks for a restart."""
        response.status_code = 200 if auditor.alive() else 503
        return Live(live=auditor.alive())

    @app.get("/health/ready", tags=["health"], responses={503: {"model": Ready}})
    async def ready(response: Response) -> Ready:
        """The last round came to its end: all databases are there."""
        response.status_code = 200 if auditor.there else 503
        return Ready(ready=auditor.there)

    @app.get("/violations", tags=["audit"])
    async def violations() -> Violations:
        """The breaches that stand, the oldest first. One that is mended is gone after the next look at it."""
        found = [Breach.model_validate(each, from_attributes=True) for each in auditor.violations()]
        return Violations(violations=found, judged_until=auditor.reached)

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus; also while databases are away."""
        registry = CollectorRegistry()
        registry.register(Measured(measures(auditor)))
        return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")

    return app


def measures(auditor: Auditor) -> list[Metric]:
    """What docs/development.md lists."""
    standing = Counter(violation.invariant for violation in auditor.violations())
    broken = GaugeMetricFamily(
        "comptoir_invariant_violations", "breaches that stand, by invariant", labels=["invariant"]
    )
    for number in sorted({law.number for law in LAWS.values()}, key=lambda number: int(number[1:])):
        broken.add_metric([number], standing[number])
    found: list[Metric] = [
        broken,
        CounterMetricFamily("comptoir_audited", "looks at orders and SKUs since start", auditor.audited),
        CounterMetricFamily("comptoir_audit_rounds", "rounds since start", auditor.rounds),
        CounterMetricFamily("comptoir_audit_circles", "times that every order had its turn", auditor.circles),
        CounterMetricFamily("comptoir_audit_failed", "rounds that came to nothing since start", auditor.failed),
        GaugeMetricFamily("comptoir_audit_up", "1 when the last round came to its end", int(auditor.there)),
    ]
    if auditor.behind_s is not None:
        found.append(
            GaugeMetricFamily("comptoir_audit_behind_seconds", "age of the oldest unhandled packet", auditor.behind_s)
        )
    return found
