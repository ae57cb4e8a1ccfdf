"""What every part of `comptoir verify` stands on: findings, and how the databases are read."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from comptoir.invariants import LAWS

Connections = Mapping[str, "asyncpg.Connection[asyncpg.Record]"]
RECORDS_AT_ONCE = 20_000
ALL = "true"
"""Where a statement may be narrowed down, and is not."""
SOME_ORDERS = "order_id = any($1::uuid[])"
SOME_SKUS = "sku = any($1::text[])"


@dataclass
class Finding:
    """What one invariant came to. Not applicable: it holds at rest only, and something is on its way."""

    name: str
    checked: int = 0
    breaches: list[str] = field(default_factory=list)
    applicable: bool = True

    @property
    def good(self) -> bool:
        return not self.breaches


class Audit:
    """The findings so far, one per invariant."""

    def __init__(self, at_rest: bool) -> None:
        self.findings = {check: Finding(law.name, applicable=at_rest or not law.at_rest) for check, law in LAWS.items()}

    def check(self, check: Any, *things: Any) -> None:
        """One invariant over one snapshot. Data so wrong that the check itself fails is a breach too."""
        finding = self.findings[check]
        if not finding.applicable:
            return
        finding.checked += 1
        try:
            finding.breaches.extend(check(*things))
        except Exception as error:
            name = getattr(things[0], "name", None) or str(things[0])
            finding.breaches.append(f"{name}: cannot be checked: {error}")

    def each(self, check: Any, things: Iterable[Any]) -> None:
        for thing in things:
            self.check(check, thing)


@asynccontextmanager
async def snapshots(connections: Connections) -> AsyncIterator[None]:
    """One moment of each database, read only: copies first, then what they were made of."""
    async with AsyncExitStack() as stack:
        for name in sorted(connections, key=lambda name: name != "order"):
            connection = connections[name]
            await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
            await connection.fetchval("select 1 from outbox limit 1")  # takes the snapshot
        yield


async def stream(connection: "asyncpg.Connection[asyncpg.Record]", sql: str) -> AsyncIterator[asyncpg.Record]:
    """Many records, some thousand at a time."""
    cursor = await connection.cursor(sql)
    while records := await cursor.fetch(RECORDS_AT_ONCE):
        for record in records:
            yield record
