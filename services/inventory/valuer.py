"""Folds movements into what stock is worth, beside the work: no order waits for it (R-28, docs/adr/0021)."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from services.inventory import tables
from services.inventory.domain import (
    COST_CHANGE,
    RETURNED,
    Arrived,
    Costing,
    Day,
    Entry,
    House,
    Left,
    Valuation,
    days_of,
    fold,
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

Key = tuple[UUID, str, str, int, str]
"""Of a movement, as its table has it."""
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Ready:
    """What is folded next. `arrival`: the movement that a change of cost is about, and the pieces that it brought."""

    entry: Entry
    arrival: Key | None = None
    pieces: int = 0

    @property
    def at(self) -> datetime:
        return self.entry.at

    @classmethod
    def change(cls, of: asyncpg.Record) -> "Ready":
        entry = Entry(
            of["cause"], of["sku"], of["warehouse"], of["line_no"], COST_CHANGE, of["at"], unit_cost=of["unit_cost"]
        )
        return cls(entry, (of["arrival"], of["sku"], of["warehouse"], of["line_no"], of["kind"]), of["pieces"])


class Valuer:
    """Any number of copies may run: one at a time has the turn, and a crash leaves no half of a step."""

    EVERY_S: Final = 5
    LOOKS_BACK_EVERY = timedelta(hours=1)

    def __init__(
        self, store: PostgresStore, house: House, currency: str, after: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self.store, self.house, self.currency, self.after, self.clock = store, house, currency, after, clock
        self.done = 0  # movements and changes of costs that this copy valued since its start

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

    async def step(self) -> bool:
        """One transaction; whether there is more. What is younger than `after` waits: others may still commit."""
        now = self.clock()
        end = now - self.after
        async with self.store.connection() as connection, connection.transaction():
            turn = await self._turn(connection)
            if turn is None:
                return False
            until, looked_back_at = turn
            since = until or BEGINNING
            looks_back = self._looks_back(now, until, looked_back_at)
            if looks_back:
                since -= LOOKED_BACK
            entries, more = await self._entries(connection, since, end)
            await self._fold(connection, entries, until)
            failpoint("valued_before_commit")
            reached = entries[-1].at if more else end
            await connection.execute(
                "update valued set until = greatest(until, $2), "
                "looked_back_at = case when $3 then $4 else looked_back_at end where name = $1",
                NAME, reached, looks_back and not more, now,
            )  # fmt: skip
        self.done += len(entries)
        return more

    def _looks_back(self, now: datetime, until: datetime | None, last: datetime | None) -> bool:
        """Not while it has to catch up."""
        caught_up = until is not None and now - self.after - until < self.LOOKS_BACK_EVERY
        return caught_up and (last is None or now - last >= self.LOOKS_BACK_EVERY)

    async def _turn(self, connection: Connection) -> tuple[datetime | None, datetime | None] | None:
        """From when on is to be valued, and when it last looked back; None while another copy is at it."""
        row = await connection.fetchrow(TAKE_TURN, NAME)
        if row is None:
            await connection.execute(
                "insert into valued (name, currency) values ($1, $2) on conflict do nothing", NAME, self.currency
            )
            row = await connection.fetchrow(TAKE_TURN, NAME)
        if row is None:
            return None
        if row["currency"] != self.currency:
            raise RuntimeError(f"stock is valued in {row['currency']}, COMPTOIR_CURRENCY says {self.currency}")
        return row["until"], row["looked_back_at"]

    async def _entries(self, connection: Connection, since: datetime, end: datetime) -> tuple[list["Ready"], bool]:
        moved = [
            Ready(Entry(**record)) for record in await connection.fetch(MOVEMENTS, since, end, AT_ONCE, self.currency)
        ]
        changed = [Ready.change(record) for record in await connection.fetch(CHANGES, since, end, AT_ONCE)]
        cuts = [found[-1].at for found in (moved, changed) if len(found) == AT_ONCE]
        entries = sorted((*moved, *changed), key=lambda of: of.at)  # stable: of one moment movements first
        return ([of for of in entries if of.at <= min(cuts)], True) if cuts else (entries, False)

    async def _fold(self, connection: Connection, entries: Sequence["Ready"], until: datetime | None) -> None:
        skus = sorted({of.entry.sku for of in entries})
        costings = {sku: Costing(sku) for sku in skus}
        for record in await connection.fetch(COSTINGS, skus):
            places = tuple((place, pieces) for place, pieces in json.loads(record["places"]))
            costings[record["sku"]] = Costing(**{**record, "places": places})
        left = await self._left(connection, entries)
        costs = await self._costs(connection, entries)
        folded: dict[str, list[tuple[Costing, Valuation]]] = defaultdict(list)
        for ready in entries:
            entry = ready.entry
            beside: Left | Arrived | None = None
            line = (entry.order_id, entry.sku, entry.line_no)
            if ready.arrival is not None:
                beside = Arrived(ready.pieces, costs.get(ready.arrival))
                costs[ready.arrival] = entry.unit_cost
            elif entry.order_id is not None:
                beside = left[line]
            costing, valued = fold(costings[entry.sku], entry, beside, self.house, until)
            costings[entry.sku] = costing
            folded[entry.sku].append((costing, valued))
            if entry.order_id is not None:
                left[line] = left[line].after(valued)
            if ready.arrival is None:
                costs[entry.cause, entry.sku, entry.warehouse, entry.line_no, entry.kind] = valued.unit_cost
        days = [day for sku in skus for day in days_of(folded[sku], self.house)]
        valuations = [of for sku in skus for _, of in folded[sku]]
        for sql, rows, kind in (
            (PUT_VALUATION, valuations, Valuation),
            (PUT_COSTING, list(costings.values()), Costing),
            (PUT_DAY, days, Day),
        ):
            await connection.execute(sql, *_columns(rows, _of(kind)))

    async def _left(self, connection: Connection, entries: Iterable["Ready"]) -> dict[Any, Left]:
        found: dict[Any, Left] = defaultdict(Left)
        back = {of.entry.order_id for of in entries if of.entry.kind in RETURNED}
        if back:
            for order_id, sku, line_no, *sums in await connection.fetch(LEFT, list(back)):
                found[order_id, sku, line_no] = Left(*sums)
        return found

    async def _costs(self, connection: Connection, entries: Iterable["Ready"]) -> dict[Key, Any]:
        """What each arrival that a change is about is known to cost so far."""
        arrivals = list({of.arrival[0] for of in entries if of.arrival is not None})
        if not arrivals:
            return {}
        records = [*await connection.fetch(FIRST, arrivals), *await connection.fetch(LATEST, arrivals)]
        return {(record[0], record[1], record[2], record[3], record[4]): record["unit_cost"] for record in records}

    async def figures(self) -> list[Figure]:
        """For /metrics."""
        async with self.store.connection() as connection:
            until = await connection.fetchval("select until from valued where name = $1", NAME)
        behind = (self.clock() - until).total_seconds() if until else 0
        return [
            ("counter", "valued", "movements of stock and changes of costs that were valued, since start", self.done),
            ("gauge", "valued_behind_seconds", "age of the moment up to which stock is valued", behind),
        ]
