"""Reads the databases of all services and checks every invariant of comptoir.invariants over them.

It only reads, in one snapshot per database, and holds no lock that anybody waits for. What can be summed is summed by
PostgreSQL; orders are read some hundred at a time with all that the four services have of them. The auditor
(comptoir.auditor) reads and judges some orders of a suite at work with the same functions.
"""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from comptoir.invariants import LAWS
from comptoir.rest import motion
from comptoir.verify.audit import Audit, Connections, Finding, snapshots
from comptoir.verify.orders import check_orders
from comptoir.verify.packets import check_desks, check_messages, reconcile, settled
from comptoir.verify.provider import check_provider
from comptoir.verify.sums import check_books, check_documents, check_stock


async def verify(
    connections: Connections, *, provider_url: str = "", poison: frozenset[UUID] = frozenset()
) -> list[Finding]:
    """All invariants over the four databases, with every breach by the name of its document.

    `provider_url`: a payment provider whose book (GET /book) is compared with ours. `poison`: ids of events that may
    be parked. The topology must be known (comptoir.suite.know_topology).
    """
    still = await settled(connections)
    with without_collector():
        async with snapshots(connections):
            return await findings_of(connections, still, provider_url, poison)


async def findings_of(
    connections: Connections, still: frozenset[UUID] | None, provider_url: str, poison: frozenset[UUID]
) -> list[Finding]:
    packets = await reconcile(connections)
    moving = await motion(connections)
    at_rest = still == packets.open and not (moving.unsent or moving.calls or moving.due)
    audit = Audit(at_rest)
    check_messages(audit, packets)
    await asyncio.gather(
        check_stock(audit, connections["inventory"]),
        check_books(audit, connections["billing"]),
        check_documents(audit, connections["fulfilment"]),
    )
    await check_desks(audit, connections, poison)
    await check_orders(audit, connections)
    await check_provider(audit, connections["billing"], provider_url)
    return [audit.findings[check] for check in sorted(LAWS, key=lambda check: int(LAWS[check].number[1:]))]


@contextmanager
def without_collector() -> Iterator[None]:
    """Snapshots have no cycles; looking for them among a million rows would take a fifth of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
