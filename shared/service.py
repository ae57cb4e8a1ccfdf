"""A service, assembled: what it is, how it is started and stopped, its HTTP application."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import clock, parked_api
from shared.contracts.message import Internal
from shared.database import normalised, reading_engine
from shared.guard import Gate, add_guard, admitted, describe
from shared.http import BodyLimit, add_problems, document, known_condition, known_query
from shared.keyring import Keyring
from shared.messaging.books import Books
from shared.messaging.bus import Bus, Reader
from shared.messaging.decision import Handlers
from shared.messaging.desk import Desk
from shared.messaging.retention import DELETE, Tidier
from shared.messaging.store import PostgresStore
from shared.messaging.unit import Outcome, Unit
from shared.messaging.workers import Caller, Relay, Timekeeper, ended
from shared.metrics import Histograms, TimedRequests
from shared.settings import ServiceSettings, database_of, file_of
from shared.tracing import OpenTelemetry, TracedRequests, tracing

T = TypeVar("T")


class Worker(Protocol):
    """Works until it is cancelled."""

    async def run(self) -> None: ...


Figure = tuple[Literal["gauge", "counter"], str, str, float]
"""Kind, name without `comptoir_`, what it is, and its value."""


@dataclass(frozen=True)
class Service:
    """All that is particular to one service. Its `app.py` makes it; nothing is started yet."""

    name: str
    handlers: Handlers
    books: Books
    metadata: MetaData
    policy: Any
    router: APIRouter
    settings: ServiceSettings
    caller: Callable[[Any], Awaitable[Internal]] | None = None  # makes the outside calls
    closer: Callable[[], Awaitable[None]] | None = None  # lets go of what the caller holds
    calls_at_once: int = 32
    joined: "Callable[[Running], None] | None" = None  # told what runs it, where outside calls decide something first
    figures: "Callable[[Running], Awaitable[Sequence[Figure]]] | None" = None  # what it measures besides
    workers: "Callable[[Running], Sequence[Worker]] | None" = None  # what it does by itself besides, until it is ended
    extend: "Callable[[FastAPI, Running], None] | None" = None  # what its HTTP application has besides its router
    by_key: bool = True  # its API is for other programs: by key, where keys are configured
    description: str = ""
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # examples for its OpenAPI


class Running:
    """A service at work: store, desk and workers. The bus is handed in, as all services of a process may share it."""

    def __init__(
        self,
        service: Service,
        *,
        now: Callable[[], datetime] = clock.now,
        new_id: Callable[[], UUID] = clock.new_id,
    ) -> None:
        self.service, self.now, self.new_id = service, now, new_id
        url = normalised(database_of(service.settings.database_url, service.name))
        self.dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.store = PostgresStore(self.dsn, service.books, kept_rows=service.settings.kept_rows)
        self.reads: AsyncEngine = reading_engine(url)
        self.unit = Unit(service.name, self.store, service.handlers, service.policy, now, new_id)
        settings = service.settings
        self.rehearsals = asyncio.Semaphore(1)
        self.desk = Desk(self.unit, self.committed, max_batch=settings.max_batch, linger_s=settings.linger_ms / 1000)
        self.reader = Reader(service.name, self.desk.put, now, new_id)
        self.timekeeper = Timekeeper(self.store, self.desk, now)
        self.tidier = Tidier(self.store, settings.kept(), now)
        self.caller: Caller | None = None
        if service.caller is not None:
            self.caller = Caller(self.store, self.desk, service.caller, now, service.calls_at_once)
        self.listeners: list[Callable[[Outcome], None]] = []  # hear of every commit
        self.relay: Relay | None = None
        self.bus: Bus | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self.workers: list[asyncio.Task[None]] = []
        self.histograms = Histograms(service.name)
        self.gate = Gate(service.name, keyring(service), self.histograms.registry, now)
        self.tracing = tracing(service.name, service.settings.otlp_endpoint, service.settings.trace_ratio)
        self.trace(self.tracing)
        self.begins = self.sends = True  # until we stop: outside calls, and packets
        if service.joined is not None:
            service.joined(self)

    def trace(self, tracing: OpenTelemetry | None) -> None:
        """From now on what is decided and called becomes spans of this."""
        self.tracing = self.unit.tracing = tracing
        if self.caller is not None:
            self.caller.tracing = tracing

    def committed(self, outcome: Outcome) -> None:
        """Right after a commit: what it sends, calls and arms goes on from memory; the sweeps are for crashes."""
        self.histograms.committed(outcome, self.now())
        if self.relay is not None and outcome.packets and self.sends:
            self.relay.offer(outcome.packets)
        if self.caller is not None and outcome.calls and self.begins:
            self.caller.offer((event.id, event) for event, _ in outcome.calls)
        if outcome.timers:
            self.timekeeper.hint(outcome.timers.values())
        for listener in self.listeners:
            listener(outcome)

    async def start(self, bus: Bus) -> None:
        await self.store.open()
        self.bus = bus
        self.relay = Relay(self.store, bus, self.now)
        self.tasks = [asyncio.create_task(self.desk.run(), name=f"{self.service.name} desk")]

    def start_workers(self) -> None:
        """After the bus has started: what waits in the tables goes on."""
        assert self.relay is not None
        workers: list[Worker] = [self.relay, self.timekeeper, self.tidier]
        if self.caller is not None:
            workers.append(self.caller)
        if self.service.workers is not None:
            workers += self.service.workers(self)
        self.workers = [
            asyncio.create_task(worker.run(), name=f"{self.service.name} {type(worker).__name__.lower()}")
            for worker in workers
        ]
        self.tasks += self.workers

    async def stop(self, within_s: float = 10.0) -> None:
        """Decides what is in hand, publishes what is committed, lets go. What remains is in the tables.

        A bus on a broker was told before to bring nothing new. A bus in the process ends with its readers: what is
        not published yet waits in the outbox for the next start, so that a busy suite ends at once too.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        relay = self.relay
        self.begins = False
        await ended(self.workers)  # no more timers, calls and sweeps; the relay sends on what it is offered
        if self.caller is not None:
            await self.caller.end()
        if relay is not None and (self.bus is None or self.bus.deadline_s is None):
            self.sends = False
            await relay.end()
        await self.desk.drain(within_s)
        if relay is not None:
            while relay.in_flight and loop.time() < end:  # noqa: ASYNC110 - no single event tells that all is sent
                await asyncio.sleep(0.01)
            await relay.end()
            await relay.guarded(relay.mark)
        await ended(self.tasks)
        if self.service.closer is not None:
            await self.service.closer()
        await self.reads.dispose()
        await self.store.close()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)

    def idle(self) -> bool:
        """Nothing in memory is on its way; timers and parked messages may still wait in the tables."""
        return (
            self.desk.idle()
            and (self.relay is None or self.relay.idle())
            and (self.caller is None or self.caller.idle())
        )


def keyring(service: Service) -> Keyring | None:
    """The keys that open its API; None where whoever reaches it is believed."""
    if not service.by_key or not service.settings.api_keys:
        return None
    return Keyring(service.settings.api_keys, file_of("COMPTOIR_API_KEYS"))


async def before_routes(request: Request) -> None:
    """One step, as each that FastAPI takes costs."""
    await admitted(request)
    await known_query(request)
    known_condition(request)


class Live(BaseModel):
    live: bool
    ended: list[str] = Field(description="workers that ended, which they should not")


class Ready(BaseModel):
    ready: bool
    database: bool
    bus: bool


def application(running: Running) -> FastAPI:
    """The service's HTTP application, without its lifecycle: the composition starts and stops what is running."""
    service = running.service
    app = FastAPI(
        title=f"Comptoir {service.name}",
        version="1",
        description=service.description,
        servers=[{"url": service.settings.root_path}] if service.settings.root_path else None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.running = running
    app.state.gate = running.gate
    app.add_middleware(BodyLimit)
    if service.by_key:
        add_guard(app, running.gate, service.router.routes)
    app.add_middleware(TimedRequests, histograms=running.histograms)
    if running.tracing is not None:
        app.add_middleware(TracedRequests, tracing=running.tracing)
    add_problems(app)
    app.include_router(service.router, dependencies=[Depends(before_routes)])
    app.include_router(parked_api.router, dependencies=[Depends(before_routes)])

    @app.get("/health/live", tags=["health"], responses={503: {"model": Live}})
    async def live(response: Response) -> Live:
        """The process works; 503 asks for a restart."""
        dead = [task.get_name() for task in running.tasks if task.done()]
        healthy = not dead and (running.bus is None or running.bus.healthy())
        response.status_code = 200 if healthy else 503
        return Live(live=healthy, ended=dead)

    @app.get("/health/ready", tags=["health"], responses={503: {"model": Ready}})
    async def ready(response: Response) -> Ready:
        """Requests can be served now: the database and the bus are there."""
        database = await answers(running.store)
        bus = running.bus is not None and running.bus.connected()
        response.status_code = 200 if database and bus else 503
        return Ready(ready=database and bus, database=database, bus=bus)

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus; also while the database is away."""
        registry = CollectorRegistry()
        registry.register(Measured(await measures(running)))
        text = generate_latest(registry) + generate_latest(running.histograms.registry)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    document(app, service.answers, None if running.gate.keyring is None else describe)
    if service.extend is not None:
        service.extend(app, running)
    return app


LOOKED_FOR_S = 2.0
"""How long health and metrics wait for the database before they call it away."""


async def within(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result, or TimeoutError. Does not wait for what it cancels: a driver lets go of a dead network slowly."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError(f"no answer in {seconds} s")
        return task.result()
    finally:
        if not task.done():
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            task.cancel()


async def answers(store: PostgresStore) -> bool:
    try:
        await within(store.parked_count(), LOOKED_FOR_S)
    except Exception:
        return False
    return True


class Measured(Collector):
    """Figures of one moment."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families


async def measures(running: Running) -> list[Metric]:
    """What docs/development.md lists. What only the database knows is left out while it is away."""
    service, desk, relay = running.service.name, running.desk, running.relay
    found: list[Metric] = []

    def counter(name: str, help: str, value: float) -> None:
        found.append(CounterMetricFamily(f"comptoir_{name}", help, labels=["service"]))
        found[-1].add_metric([service], value)  # type: ignore[attr-defined]

    def gauge(name: str, help: str, value: float) -> None:
        found.append(GaugeMetricFamily(f"comptoir_{name}", help, labels=["service"]))
        found[-1].add_metric([service], value)  # type: ignore[attr-defined]

    counter("units", "units of work since start", desk.units)
    counter("events", "events decided since start", desk.events)
    counter("failed", "events that failed since start", desk.failed)
    counter("retries", "units of work that were tried again since start", desk.retries)
    counter("known", "packets that came again after they were handled, since start", desk.known)
    counter("kept", "locked aggregates whose rows were kept in memory, since start", running.store.shelf.hits)
    counter("read", "locked aggregates whose rows were read, since start", running.store.shelf.misses)
    gauge("kept_rows", "rows kept in memory", running.store.shelf.rows)
    gauge("held", "arrivals that wait because somebody else holds their rows", len(desk.beside))
    gauge("desk_waiting", "arrivals that wait for the next unit", len(desk.waiting))
    counter("published", "events confirmed by the bus since start", relay.published if relay else 0)
    counter("unconfirmed", "publishes with an unknown outcome since start", relay.unconfirmed if relay else 0)
    gauge("unroutable", "kinds of commands that nobody takes now", len(relay.unroutable) if relay else 0)
    counter("calls", "outside calls answered since start", running.caller.calls if running.caller else 0)
    counter("timers_fired", "timers fired since start", running.timekeeper.fired)
    for name in DELETE:
        counter(f"{name}_cleared", "rows cleared away as they were too old, since start", running.tidier.cleared[name])
    if (known := running.gate.keyring) is not None:
        known.look()
    gauge("api_keys_demanded", "1 where its API is opened by keys only", known is not None)
    gauge("api_keys_wrong", "1 while the file of API keys cannot be used", known is not None and bool(known.wrong))
    ends_s = float("inf") if known is None else known.ends_s(running.now())
    gauge("api_keys_end_seconds", "until the next API key expires", ends_s)
    gauge("bus_connected", "1 while the bus is there", bool(running.bus and running.bus.connected()))
    try:
        unsent, oldest_s = await within(running.store.outbox_age(running.now()), LOOKED_FOR_S)
        parked_now = await within(running.store.parked_count(), LOOKED_FOR_S)
        figures = running.service.figures
        more = [] if figures is None else await within(_all(figures(running)), LOOKED_FOR_S)
    except Exception:
        gauge("database_up", "1 while the database answers", 0)
        return found
    gauge("database_up", "1 while the database answers", 1)
    gauge("outbox_unsent", "packets that wait to be sent", unsent)
    gauge("outbox_oldest_seconds", "age of the oldest packet that waits to be sent", oldest_s)
    gauge("parked", "messages that wait for a person", parked_now)
    for kind, name, help, value in more:
        (gauge if kind == "gauge" else counter)(name, help, value)
    return found


async def _all(figures: "Awaitable[Sequence[Figure]]") -> "Sequence[Figure]":
    return await figures
