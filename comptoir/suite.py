"""Compositions of the whole suite: all services in one process, on either bus."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from sqlalchemy.engine import make_url

from comptoir.disturbance import Disturbed
from comptoir.postgres import ensure_databases
from shared.messaging import topology
from shared.messaging.bus import Bus, LocalBus
from shared.messaging.rabbit import RabbitBus, declare
from shared.migrate import upgrade
from shared.serve import load
from shared.service import Running, Service, application
from shared.settings import ServiceSettings, database_of, no_misspelt

BusName = Literal["local", "rabbit"]

Member = tuple[type[ServiceSettings], Callable[[Any], Service]]


class Members(Mapping[str, Member]):
    """Services by name: settings, and what builds each. One is imported when it is asked for: all take seconds."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def __getitem__(self, name: str) -> Member:
        if name not in self.names:
            raise KeyError(name)
        return load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


BUILD = Members(topology.SERVICES)
MEMBERS = Members((*topology.SERVICES, *topology.OPTIONAL))
"""All that may run: the suite itself, and services that only listen to it."""


def make(name: str, **settings: Any) -> Service:
    """One service with settings from the environment; arguments win."""
    return MEMBERS[name][1](settings_of(name, **settings))


def settings_of(name: str, **settings: Any) -> ServiceSettings:
    """What one service is told. Raises ValidationError or WrongSetting, which name each setting that is wrong."""
    kind, _ = MEMBERS[name]
    no_misspelt([kind])
    return kind(**{key: value for key, value in settings.items() if key in kind.model_fields})


def know_topology(*more: str) -> None:
    """Tells the topology what each service of the suite handles, and each of those that are named besides."""
    names = dict.fromkeys((*BUILD, *more))
    topology.register({name: import_module(f"services.{name}.handlers").HANDLERS for name in names})


async def migrate(database_url: str, names: tuple[str, ...] = tuple(BUILD)) -> None:
    """Makes the databases that are missing and brings all to the newest revision."""
    for name in names:
        url = database_of(database_url, name)
        ensure_databases(url, [make_url(url).database or ""])
        await upgrade(name, url)


@dataclass
class Suite:
    """Running services that share a process and a bus."""

    running: dict[str, Running]
    bus: Bus

    def __getitem__(self, name: str) -> Running:
        return self.running[name]

    def idle(self) -> bool:
        """Nothing is on its way inside this process."""
        return all(running.idle() for running in self.running.values())

    def waiting(self) -> int:
        """Arrivals that wait for a unit of work, over all services."""
        return sum(len(running.desk.waiting) for running in self.running.values())

    async def rest(self, within_s: float = 30.0) -> None:
        """Waits until nothing moves any more by itself; timers that are not due do not count. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            quiet = 0
            while quiet < 3:
                await asyncio.sleep(0.01)
                quiet = quiet + 1 if self.idle() else 0

    def applications(self) -> dict[str, Any]:
        return {name: application(running) for name, running in self.running.items()}


@asynccontextmanager
async def started(
    names: tuple[str, ...] = tuple(BUILD),
    *,
    bus: BusName = "local",
    now: Callable[[], Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Suite]:
    """Starts services of the suite in this process and stops them at the end. Databases must be migrated."""
    know_topology(*names)
    clock = {"now": now} if now else {}
    running = {name: Running(make(name, **settings), **clock) for name in names}
    first = next(iter(running.values()))
    readers = [each.reader for each in running.values()]
    port: LocalBus | RabbitBus
    if bus == "local":
        port = LocalBus()
        for reader in readers:
            port.attach(reader)
    else:
        url = first.service.settings.rabbitmq_url
        if first.service.settings.declare_topology:
            await declare(url, first.service.settings.rabbitmq_prefix)
        port = RabbitBus(url, readers, prefix=first.service.settings.rabbitmq_prefix)
    outward: Bus = Disturbed(port) if first.service.settings.disturbed else port
    begun: list[Running] = []
    try:
        for each in running.values():
            begun.append(each)
            await each.start(outward)
        await port.start()
        for each in running.values():
            each.start_workers()
        yield Suite(running, outward)
    finally:
        if isinstance(port, RabbitBus):
            await port.stop_reading()
        for each in begun:
            await each.stop()
        await port.stop()
