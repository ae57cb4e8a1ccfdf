"""Times and sizes as histograms for Prometheus: of units of work, of messages on their way, of HTTP requests."""

import time
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.messaging.unit import Outcome

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
AGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histograms:
    """Of one service, since its process began."""

    def __init__(self, service: str) -> None:
        self.service, self.registry = service, CollectorRegistry()

        def histogram(name: str, help: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"comptoir_{name}", help, ("service", *labels), registry=self.registry, buckets=buckets)

        self.unit_seconds = histogram("unit_seconds", "a unit of work until its commit", FAST)
        self.unit_events = histogram("unit_events", "events of a unit of work", SIZES)
        about = "from its sender's decision to ours: outbox, bus and queue"
        self.message_age = histogram("message_age_seconds", about, AGES, "key")
        self.http_seconds = histogram("http_seconds", "HTTP requests", FAST, "method", "route", "status")
        self.of_unit, self.of_events = self.unit_seconds.labels(service), self.unit_events.labels(service)

    def committed(self, outcome: Outcome, now: datetime) -> None:
        """One unit of work, right after its commit. Of the messages, those that others sent are timed."""
        self.of_unit.observe((now - outcome.now).total_seconds())
        self.of_events.observe(sum(len(arrival.envelopes) for arrival in outcome.arrivals))
        for arrival in outcome.new:
            if arrival.kind == "packet" and arrival.envelopes:  # its events were decided together, so one tells all
                first = arrival.envelopes[0]
                age_s = (outcome.now - first.time).total_seconds()
                self.message_age.labels(self.service, first.type).observe(max(0.0, age_s))


class TimedRequests:
    """Plain ASGI middleware: how long each route takes to answer, by status."""

    def __init__(self, app: ASGIApp, histograms: Histograms) -> None:
        self.app, self.histograms = app, histograms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, answered)
        finally:
            route = getattr(scope.get("route"), "path", "")  # never the path itself: each order would be a series
            self.histograms.http_seconds.labels(
                self.histograms.service, scope["method"] if route else "", route, str(status or 499)
            ).observe(time.perf_counter() - began)
