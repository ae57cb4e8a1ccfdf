"""Folds movements into what stock is worth, beside the work: no order waits for it (R-28, docs/adr/0021)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from services.inventory import tables
from services.inventory.domain import COST_CHANGE, Costing, Day, Entry, House, Left, Valuation
from services.inventory.domain.valuing import (
    Folded,
    Key,
    OrderLine,
    Ready,
    fold_all,
    merged,
    orders_of_returns,
)
from shared.failpoints import failpoint
from shared.messaging.store import PostgresStore
from shared.service import Figure

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = structlog.get_logger("comptoir.inventory")

AT_ONCE: Final = 1000
"""Movements of one transaction."""
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
NAME: Final = "stock"
LOOKED_BACK: Final = timedelta(days=1)
"""How far back it looks once in a while for what was committed long after it was decided."""

TAKE_TURN = "select currency, until, looked_back_at from valued where name = $1 for update skip locked"
KEYS = ("cause", "sku", "warehouse", "line_no", "kind")
MOVEMENTS = f"""
select {", ".join(f"m.{name}" for name in KEYS)}, m.at, m.on_hand, m.quarantined, m.in_transit,
  case when m.unit_cost is null or m.kind <> 'receipt' then m.unit_cost
       when (select o.currency from purchase_orders o where o.number = m.reference) <> $4 then null
       else m.unit_cost end as unit_cost,
  m.order_id
from movements m
where m.at >= $1 and m.at < $2 and not exists (
  select from valuations v
  where {" and ".join(f"v.{name} = m.{name}" for name in KEYS)})
order by m.at, (m.on_hand + m.quarantined + m.in_transit) < 0, {", ".join(f"m.{name}" for name in KEYS)}
limit $3
"""
"""Of one moment first what came: who sold in it had it."""
CHANGES = f"""
select c.cause, c.sku, c.warehouse, c.line_no, c.at, c.unit_cost, c.arrival, c.kind,
  (select v.pieces from valuations v where v.cause = c.arrival and v.sku = c.sku and v.warehouse = c.warehouse
     and v.line_no = c.line_no and v.kind = c.kind) as pieces
from cost_changes c
where c.at >= $1 and c.at < $2 and not exists (
  select from valuations v where v.cause = c.cause and v.sku = c.sku and v.warehouse = c.warehouse
    and v.line_no = c.line_no and v.kind = '{COST_CHANGE}')
order by c.at, c.cause limit $3
"""
LATEST = f"""
select c.arrival, c.sku, c.warehouse, c.line_no, c.kind, v.unit_cost from cost_changes c
join valuations v on v.cause = c.cause and v.sku = c.sku and v.warehouse = c.warehouse and v.line_no = c.line_no
  and v.kind = '{COST_CHANGE}'
where c.arrival = any($1) order by v.seq
"""
"""What was said last of each arrival comes last."""
FIRST = """
select cause, sku, warehouse, line_no, kind, unit_cost from valuations where cause = any($1)
"""
COSTINGS = """
select sku, seq, pieces, value, unit_cost, at, day, sold_at, received_at, places from costings where sku = any($1)
"""
LEFT = """
select order_id, sku, line_no,
  coalesce(-sum(pieces) filter (where kind = 'issue'), 0)::bigint,
  coalesce(-sum(value) filter (where kind = 'issue'), 0),
  coalesce(sum(pieces) filter (where kind <> 'issue'), 0)::bigint,
  coalesce(sum(value + difference) filter (where kind <> 'issue'), 0)
from valuations where order_id = any($1) and order_id is not null and kind in ('issue', 'restock', 'quarantine')
group by 1, 2, 3
"""


def _insert(table: Table, names: Sequence[str], more: str = "") -> str:
    """All rows in one statement, a column each; JSON travels as text."""
    types = [str(table.c[name].type.compile(dialect=postgresql.dialect())) for name in names]  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"${n}::{'text' if type == 'JSONB' else type}[]" for n, type in enumerate(types, 1))
    columns = ", ".join(names)
    values = ", ".join(
        f"u.{name}::jsonb" if type == "JSONB" else f"u.{name}" for name, type in zip(names, types, strict=True)
    )
    return f"insert into {table.name} as t ({columns}) select {values} from unnest({arrays}) as u ({columns}){more}"


def _columns(rows: Sequence[Any], names: Sequence[str]) -> list[list[Any]]:
    """The values of each column."""
    return [
        [json.dumps(getattr(row, name)) if name == "places" else getattr(row, name) for row in rows] for name in names
    ]


def _of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


ENDS = ("pieces", "value", "places")
FLOWS = tuple(name for name in _of(Day) if name not in ("sku", "day", *ENDS))
SETS = ", ".join(f"{name} = excluded.{name}" for name in _of(Costing) if name != "sku")
ADDS = ", ".join(
    [f"{name} = excluded.{name}" for name in ENDS] + [f"{name} = t.{name} + excluded.{name}" for name in FLOWS]
)
PUT_VALUATION = _insert(tables.valuations, _of(Valuation))
PUT_COSTING = _insert(tables.costings, _of(Costing), f" on conflict (sku) do update set {SETS}")
PUT_DAY = _insert(tables.costing_days, _of(Day), f" on conflict (sku, day) do update set {ADDS}")

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Turn = tuple[datetime | None, datetime | None]
"""Up to when all is valued, and when it was last looked back."""


class Pages(Protocol):
    """What one step reads and writes, in one transaction."""

    async def turn(self, currency: str) -> Turn | None:
        """None while another copy has it. Raises RuntimeError when stock is valued in another currency."""
        ...

    async def movements(self, since: datetime, end: datetime, at_once: int, currency: str) -> Sequence[Ready]:
        """Those from `since` on and before `end` that have no value, the first of them, in their order."""
        ...

    async def changes(self, since: datetime, end: datetime, at_once: int) -> Sequence[Ready]:
        """Likewise, of changes of costs."""
        ...

    async def costings(self, skus: Collection[str]) -> dict[str, Costing]: ...

    async def left(self, orders: Collection[UUID]) -> dict[OrderLine, Left]:
        """What left for the lines of these orders, and what of it is back."""
        ...

    async def costs(self, arrivals: Collection[Key]) -> dict[Key, Decimal | None]:
        """What each is known to cost so far."""
        ...

    async def put(self, folded: Folded) -> None: ...

    async def reached(self, until: datetime, looked_back_at: datetime | None) -> None:
        """All before that moment is valued; never less than was said before."""
        ...


class PagesOfPostgres:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def turn(self, currency: str) -> Turn | None:
        row = await self.connection.fetchrow(TAKE_TURN, NAME)
        if row is None:
            await self.connection.execute(
                "insert into valued (name, currency) values ($1, $2) on conflict do nothing", NAME, currency
            )
            row = await self.connection.fetchrow(TAKE_TURN, NAME)
        if row is None:
            return None
        if row["currency"] != currency:
            raise RuntimeError(f"stock is valued in {row['currency']}, COMPTOIR_CURRENCY says {currency}")
        return row["until"], row["looked_back_at"]

    async def movements(self, since: datetime, end: datetime, at_once: int, currency: str) -> Sequence[Ready]:
        return [
            Ready(Entry(**record)) for record in await self.connection.fetch(MOVEMENTS, since, end, at_once, currency)
        ]

    async def changes(self, since: datetime, end: datetime, at_once: int) -> Sequence[Ready]:
        return [
            Ready(
                Entry(
                    of["cause"], of["sku"], of["warehouse"], of["line_no"], COST_CHANGE, of["at"],
                    unit_cost=of["unit_cost"],
                ),
                (of["arrival"], of["sku"], of["warehouse"], of["line_no"], of["kind"]),
                of["pieces"],
            )
            for of in await self.connection.fetch(CHANGES, since, end, at_once)
        ]  # fmt: skip

    async def costings(self, skus: Collection[str]) -> dict[str, Costing]:
        found = {}
        for record in await self.connection.fetch(COSTINGS, list(skus)):
            places = tuple((place, pieces) for place, pieces in json.loads(record["places"]))
            found[record["sku"]] = Costing(**{**record, "places": places})
        return found

    async def left(self, orders: Collection[UUID]) -> dict[OrderLine, Left]:
        if not orders:
            return {}
        return {
            (order_id, sku, line_no): Left(*sums)
            for order_id, sku, line_no, *sums in await self.connection.fetch(LEFT, list(orders))
        }

    async def costs(self, arrivals: Collection[Key]) -> dict[Key, Decimal | None]:
        if not arrivals:
            return {}
        causes = list({arrival[0] for arrival in arrivals})
        records = [*await self.connection.fetch(FIRST, causes), *await self.connection.fetch(LATEST, causes)]
        return {(record[0], record[1], record[2], record[3], record[4]): record["unit_cost"] for record in records}

    async def put(self, folded: Folded) -> None:
        rows: tuple[tuple[str, Sequence[Any], type[Any]], ...] = (
            (PUT_VALUATION, folded.valuations, Valuation),
            (PUT_COSTING, folded.costings, Costing),
            (PUT_DAY, folded.days, Day),
        )
        for sql, of, kind in rows:
            await self.connection.execute(sql, *_columns(of, _of(kind)))

    async def reached(self, until: datetime, looked_back_at: datetime | None) -> None:
        await self.connection.execute(
            "update valued set until = greatest(until, $2), looked_back_at = coalesce($3, looked_back_at) "
            "where name = $1",
            NAME, until, looked_back_at,
        )  # fmt: skip


class Steps:
    """What a copy does when it has the turn, whatever it reads and writes."""

    LOOKS_BACK_EVERY = timedelta(hours=1)

    def __init__(self, house: House, currency: str, after: timedelta, clock: Callable[[], datetime]) -> None:
        self.house, self.currency, self.after, self.clock = house, currency, after, clock
        self.at_once = AT_ONCE
        self.done = 0  # movements and changes of costs that this copy valued since its start

    def pages(self) -> AbstractAsyncContextManager[Pages]:
        """A transaction: all of what is written is kept, or nothing."""
        raise NotImplementedError

    async def step(self) -> bool:
        """One transaction; whether there is more. What is younger than `after` waits: others may still commit."""
        now = self.clock()
        end = now - self.after
        async with self.pages() as pages:
            turn = await pages.turn(self.currency)
            if turn is None:
                return False
            until, looked_back_at = turn
            since = until or BEGINNING
            looks_back = self._looks_back(now, until, looked_back_at)
            if looks_back:
                since -= LOOKED_BACK
            entries, more = merged(
                await pages.movements(since, end, self.at_once, self.currency),
                await pages.changes(since, end, self.at_once),
                self.at_once,
            )
            if entries:
                await pages.put(await self._folded(pages, entries, until))
            failpoint("valued_before_commit")
            await pages.reached(entries[-1].at if more else end, now if looks_back and not more else None)
        self.done += len(entries)
        return more

    def _looks_back(self, now: datetime, until: datetime | None, last: datetime | None) -> bool:
        """Not while it has to catch up."""
        caught_up = until is not None and now - self.after - until < self.LOOKS_BACK_EVERY
        return caught_up and (last is None or now - last >= self.LOOKS_BACK_EVERY)

    async def _folded(self, pages: Pages, entries: Sequence[Ready], until: datetime | None) -> Folded:
        known = await pages.costings({of.entry.sku for of in entries})
        out = await pages.left(orders_of_returns(entries))
        said = await pages.costs({of.arrival for of in entries if of.arrival is not None})
        return fold_all(entries, known, out, said, self.house, until)


class Valuer(Steps):
    """Any number of copies may run: one at a time has the turn, and a crash leaves no half of a step."""

    EVERY_S: Final = 5

    def __init__(
        self, store: PostgresStore, house: House, currency: str, after: timedelta, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(house, currency, after, clock)
        self.store = store

    @asynccontextmanager
    async def pages(self) -> AsyncIterator[Pages]:
        async with self.store.connection() as connection, connection.transaction():
            yield PagesOfPostgres(connection)

    async def run(self) -> None:
        while True:
            try:
                await self.round()
            except Exception as error:
                log.warning("stock was not valued, the next round goes on", error=repr(error))
            await asyncio.sleep(self.EVERY_S)

    async def round(self) -> int:
        """All that happened until a moment ago; how many. Between two steps it rests as long as the last one took."""
        loop, before = asyncio.get_running_loop(), self.done
        while True:
            began = loop.time()
            if not await self.step():
                return self.done - before
            await asyncio.sleep(loop.time() - began)

    async def figures(self) -> list[Figure]:
        """For /metrics."""
        async with self.store.connection() as connection:
            until = await connection.fetchval("select until from valued where name = $1", NAME)
        behind = (self.clock() - until).total_seconds() if until else 0
        return [
            ("counter", "valued", "movements of stock and changes of costs that were valued, since start", self.done),
            ("gauge", "valued_behind_seconds", "age of the moment up to which stock is valued", behind),
        ]
