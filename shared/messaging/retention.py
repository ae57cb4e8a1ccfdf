"""How long the mechanism keeps its own rows, and the worker that clears away what is older (docs/adr/0019).

An inbox key must outlive every way in which its packet may come again; `comptoir resend` repeats what the outbox has,
so keys are kept longer than packets. Ids that services number (UUIDv7) tell their moment, so outbox and inbox go by
their primary keys. A packet that is named by what it holds may be sent again at any time: its key stays.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from shared.messaging.store import PostgresStore

log = structlog.get_logger("comptoir.retention")

AT_ONCE: Final = 1000
"""Rows of one statement, which is a transaction of its own."""
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

BEGIN: Final = (
    "insert into cleared (name, before) values ($1, $2) on conflict (name) do update "
    "set before = greatest(cleared.before, excluded.before)"
)
DELETE: Final[Mapping[str, str]] = {
    "outbox": """
        delete from outbox where id = any(array(
            select id from outbox where id >= $1 and id < $2 and sent_at is not null
            order by id limit $3 for update skip locked)) returning id""",
    "inbox": """
        delete from inbox where id = any(array(
            select id from inbox where id >= $1 and id < $2 and substr(id::text, 15, 1) = '7' and received_at < $4
            order by id limit $3 for update skip locked)) returning id""",
    "requests": """
        delete from requests where id = any(array(
            select id from requests where at >= $1 and at < $2
            order by at limit $3 for update skip locked)) returning at""",
}


def first_id(moment: datetime) -> UUID:
    """The least id that a service may number from this moment on (RFC 9562: its first 48 bits are milliseconds)."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


class Tidier:
    """Clears away a little at a time, beside the work: it waits for no row, and nobody waits for it.

    Any number of copies may run; each takes what no other holds. `kept`: for how long, by table.
    """

    FIRST_AFTER_S = 600.0
    """A service that was away for long first gets what it had not acknowledged, whose keys may be due to go."""
    EVERY_S = 3600.0

    def __init__(self, store: PostgresStore, kept: Mapping[str, timedelta], clock: Callable[[], datetime]) -> None:
        self.store, self.kept, self.clock = store, kept, clock
        self.cleared: Counter[str] = Counter()  # rows since start, by table

    async def run(self) -> None:
        pause_s = self.FIRST_AFTER_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self.EVERY_S
            try:
                if went := await self.tidy():
                    log.info("what is older than it is kept was cleared away", **went)
            except Exception as error:
                log.warning("old rows were not cleared away, the next round takes them", error=repr(error))

    async def tidy(self) -> Counter[str]:
        """All that is too old by now; rows by table. From when on all is there is written down before a row goes."""
        now, went = self.clock(), Counter[str]()
        for name, how_long in self.kept.items():
            before = now - how_long
            async with self.store.connection() as connection:
                await connection.execute(BEGIN, name, before)
            async for n in self._deleted(name, before):
                went[name] += n
                self.cleared[name] += n
        return +went

    async def _deleted(self, name: str, before: datetime) -> AsyncIterator[int]:
        """Rows per statement. Between two of them it rests for as long as the last one took."""
        loop = asyncio.get_running_loop()
        ids = name != "requests"
        after: Any = first_id(BEGINNING) if ids else BEGINNING
        until: Any = first_id(before) if ids else before
        more = (before,) if name == "inbox" else ()
        while True:
            began = loop.time()
            async with self.store.connection() as connection:
                keys = [record[0] for record in await connection.fetch(DELETE[name], after, until, AT_ONCE, *more)]
            yield len(keys)
            if len(keys) < AT_ONCE:
                return
            after = max(keys)
            await asyncio.sleep(loop.time() - began)
