"""Traces by OpenTelemetry: one order followed through HTTP, outbox, bus, outside calls and every service.

A message carries its `traceparent` (W3C). Whoever decides it makes two spans of it: `send`, from the moment it was
decided by its sender until it is taken here, which is its time in the outbox and on the bus; and `decide`. What the
decision sends is a child of the latter. Spans end after the commit, so that what was rolled back leaves none. Without
an address to send them to nothing of this is made, and a traceparent is passed on as it came.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.messaging.envelope import Envelope

NO_TRACES = ("/health", "/metrics")
"""Asked every few seconds by machines; nobody looks for them in a trace."""


def tracing(service: str, endpoint: str, ratio: float) -> "OpenTelemetry | None":
    """Sends spans to an OTLP endpoint over HTTP; None when there is none. The ratio is of traces that begin here."""
    if not endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return OpenTelemetry(service, BatchSpanProcessor(OTLPSpanExporter(endpoint)), ratio)


class OpenTelemetry:
    """Spans of one service."""

    def __init__(self, service: str, processor: Any, ratio: float = 1.0) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create({"service.name": f"comptoir-{service}", "service.namespace": "comptoir"})
        self.provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False
        )
        self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("comptoir")
        self.format, self.kinds = TraceContextTextMapPropagator(), SpanKind

    def taken(self, event: Envelope[Any]) -> tuple[Envelope[Any], Any]:
        """The event as the cause of what its decision sends, and the span of that decision, which is open."""
        sent = self.tracer.start_span(
            f"send {event.type}",
            context=self.read(event.traceparent),
            kind=self.kinds.PRODUCER,
            start_time=nanoseconds(event.time),
            attributes=described(event),
        )
        sent.end()
        return self.under(self.write(sent), f"decide {event.type}", self.kinds.CONSUMER, event)

    def called(self, event: Envelope[Any]) -> tuple[Envelope[Any], Any]:
        """Likewise for an outside call."""
        return self.under(event.traceparent, f"call {event.type}", self.kinds.CLIENT, event)

    def asked(self, name: str, traceparent: str) -> tuple[str, Any]:
        """The traceparent of what an HTTP request causes, and its span, which is open."""
        span = self.tracer.start_span(name, context=self.read(traceparent), kind=self.kinds.SERVER)
        return self.write(span), span

    def under(self, parent: str, name: str, kind: Any, event: Envelope[Any]) -> tuple[Envelope[Any], Any]:
        span = self.tracer.start_span(name, context=self.read(parent), kind=kind, attributes=described(event))
        return replace(event, traceparent=self.write(span)), span

    def read(self, traceparent: str) -> Any:
        return self.format.extract({"traceparent": traceparent})

    def write(self, span: Any) -> str:
        """Of a span that is not sampled too, so that those after it are not either."""
        context = span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def close(self) -> None:
        """What is still here is sent; an endpoint that is away costs a few seconds and no error."""
        with suppress(Exception):
            self.provider.shutdown()


def described(event: Envelope[Any]) -> dict[str, str]:
    """Ids, never content: a trace is read by more people than an order."""
    found = {
        "messaging.system": "comptoir",
        "messaging.message.id": str(event.id),
        "messaging.message.conversation_id": event.correlationid,
        "comptoir.subject": event.subject,
    }
    return found | ({"comptoir.causation": str(event.causationid)} if event.causationid else {})


def nanoseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000_000)


class TracedRequests:
    """Plain ASGI middleware: a span per request, under the caller's if it names one."""

    def __init__(self, app: ASGIApp, tracing: "OpenTelemetry") -> None:
        self.app, self.tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(NO_TRACES):
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]
        given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"").decode("latin-1")
        inside, span = self.tracing.asked(scope["method"], given)
        scope["headers"] = [*headers, (b"traceparent", inside.encode())]

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
            await send(message)

        try:
            await self.app(scope, receive, answered)
        finally:
            route = getattr(scope.get("route"), "path", "")  # a path with ids in it would make a name for each order
            span.update_name(f"{scope['method']} {route}".strip())
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("http.route", route)
            span.end()
