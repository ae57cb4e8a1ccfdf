"""Runs of the suite that a command drives: in this process, or as one process per service on RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comptoir.disturbance import Disturbed
from comptoir.keys import alone
from comptoir.places import broker
from comptoir.processes import Processes, processes
from comptoir.replay import Connections
from comptoir.rest import Databases
from comptoir.suite import BUILD, BusName, Suite, know_topology, migrate, started
from shared import clock
from shared.messaging.bus import Bus
from shared.messaging.rabbit import RabbitBus, declare, undeclare
from shared.messaging.topology import OPTIONAL
from shared.serve import quiet_collector

NAMES = tuple(BUILD)
MOST_WAITING = 100
"""Packets on all desks together, beyond which a sender in the same process pauses."""

BY_ITSELF: dict[str, Any] = {
    "warehouses_automatic": True,
    "automatic_returns": True,
    "deliver_after_s": 0.0,
    "carrier_url": "instant:",
    "payment_provider_url": "instant:",
}
"""Warehouses, carrier and payment provider that answer at once: what is measured is the suite."""


@dataclass
class Run:
    """A running suite as a command sees it."""

    bus: Bus
    connections: Connections
    suite: Suite | None = None
    processes: Processes | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    rabbitmq_url: str = ""
    api_key: str = ""

    async def breathe(self) -> None:
        """Waits while desks of this process are full; on RabbitMQ the queues hold what waits."""
        if self.suite is not None:
            while self.suite.waiting() > MOST_WAITING:  # noqa: ASYNC110 - four desks, no single event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    database_url: str,
    bus: BusName,
    logs: Path,
    *,
    disturbed: bool = False,
    prefix: str = "comptoir",
    settings: dict[str, Any] | None = None,
    replicas: int = 1,
    office: bool = False,
    by_key: bool = False,
) -> AsyncIterator[Run]:
    """Migrates, starts, connects; stops it all at the end. Names on the broker with another prefix are removed then.

    `replicas`: copies of each service, on RabbitMQ. `office`: with the back office, on RabbitMQ. `by_key`: services
    demand the key of the run; otherwise none, whatever the environment says.
    """
    temporary = prefix != "comptoir"
    chosen = BY_ITSELF | (settings or {})
    more = OPTIONAL if office else ()
    know_topology(*more)
    async with AsyncExitStack() as stack:
        stack.callback(know_topology)  # last of all: what is removed from the broker is what was declared
        await migrate(database_url, (*NAMES, *more))
        if bus == "local":
            suite = await stack.enter_async_context(started(database_url=database_url, disturbed=disturbed, **chosen))
            connections = await stack.enter_async_context(Databases(database_url, NAMES))
            quiet_collector()
            yield Run(suite.bus, connections, suite, None, chosen)
            return
        url = stack.enter_context(broker())
        await declare(url, prefix)
        if temporary:
            stack.push_async_callback(undeclare, url, prefix)
        environment = {f"COMPTOIR_{name.upper()}": str(value) for name, value in chosen.items()}
        environment |= {
            "COMPTOIR_DATABASE_URL": database_url,
            "COMPTOIR_RABBITMQ_URL": url,
            "COMPTOIR_RABBITMQ_PREFIX": prefix,
            "COMPTOIR_DECLARE_TOPOLOGY": "false",
            "COMPTOIR_DISTURBED": str(disturbed),
            "COMPTOIR_LOG_LEVEL": "WARNING",
        }
        api_key, known = alone("run", clock.now()) if by_key else ("", "")
        environment |= {"COMPTOIR_API_KEYS": known, "COMPTOIR_API_KEYS_FILE": ""}
        environment |= {"COMPTOIR_API_KEY": api_key, "COMPTOIR_API_KEY_FILE": ""}
        group = stack.enter_context(processes(NAMES, environment, logs, replicas))
        if office:
            group.environment |= {f"COMPTOIR_{name.upper()}_URL": group.urls(name)[0] for name in NAMES}
            for name in OPTIONAL:
                group.start(name)
                group.wait_ready(name)
        connections = await stack.enter_async_context(Databases(database_url, NAMES))
        port: Bus = RabbitBus(url, [], prefix=prefix)
        if disturbed:
            port = Disturbed(port)
        await port.start()
        stack.push_async_callback(port.stop)
        yield Run(port, connections, None, group, chosen, url, api_key)


@asynccontextmanager
async def attached(database_url: str) -> AsyncIterator[Run]:
    """A suite that others run: what a command sends goes over RabbitMQ, what came of it is read from the databases."""
    know_topology()
    async with AsyncExitStack() as stack:
        port = RabbitBus(stack.enter_context(broker()), [])
        connections = await stack.enter_async_context(Databases(database_url, NAMES))
        await port.start()
        stack.push_async_callback(port.stop)
        yield Run(port, connections)
