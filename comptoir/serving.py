"""`comptoir serve NAME`: one service as a process. Imports nothing of the others but what they handle."""

from functools import partial

from comptoir.disturbance import Disturbed
from comptoir.suite import know_topology, make
from shared.messaging.rabbit import declare
from shared.serve import serve


async def serve_one(name: str) -> None:
    """One service as a process of its own, which declares the queues of the whole suite if it is to."""
    know_topology(name)
    service = make(name)
    settings = service.settings
    await serve(
        service,
        prepare=partial(declare, settings.rabbitmq_url, settings.rabbitmq_prefix)
        if settings.declare_topology
        else None,
        around=Disturbed if settings.disturbed else lambda bus: bus,
    )
