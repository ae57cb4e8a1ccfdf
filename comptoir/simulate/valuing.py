"""The valuer beside the work: real steps over a memory of its own, in rounds between those of the machine.

It dies before and after its write, comes hours late, meets another copy, and finds what was committed late because
clocks jump. Somebody says later what arrivals cost. All of that draws from dice of its own and takes part in nothing
else, so a history is what it would be without it; only some seeds have it, as it takes time.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from comptoir.simulate.machine import Broken, Machine, Node, run
from comptoir.simulate.plan import HOUR, MINUTE, SECOND, Valuing
from comptoir.simulate.worths import WorthLaws
from services.inventory.domain import ARRIVALS, COST_CHANGE, RETURNED, Costing, Day, Entry, House, Left
from services.inventory.domain import rows as inventory
from services.inventory.domain.valuing import Folded, Key, OrderLine, Ready
from services.inventory.valuer import FLOWS, Pages, Steps, Turn
from shared.contracts.inventory import ChangeCost
from shared.messaging.decision import Reply
from shared.messaging.envelope import envelope
from shared.messaging.memory import Books, Violation
from shared.messaging.unit import Arrival

HOUSE = House(Decimal("0.01"), UTC)
CURRENCY = "EUR"
AFTER = timedelta(seconds=30)


class Died(Exception):
    """The process of the valuer is gone."""


@dataclass
class Tables:
    """What it has stored. The values are among the rows of inventory, which look at them when a cost is said."""

    books: Books
    costings: dict[str, Costing] = field(default_factory=dict)
    days: dict[str, dict[date, Day]] = field(default_factory=lambda: defaultdict(dict))  # by SKU
    until: datetime | None = None
    looked_back_at: datetime | None = None
    taken: bool = False  # a copy has the turn

    def __post_init__(self) -> None:
        rows = self.books.rows
        self.values: dict[Any, Any] = rows.setdefault(inventory.Valuation, {})
        self.movements: dict[Any, Any] = rows.setdefault(inventory.Movement, {})
        self.changes: dict[Any, Any] = rows.setdefault(inventory.CostChange, {})

    @property
    def waiting(self) -> int:
        return len(self.movements) + len(self.changes) - len(self.values)

    def keep(self, folded: Folded) -> None:
        """As the tables do: a value is new, a costing takes the place of the last, a day is added to."""
        by_cause = self.books.groups.setdefault(inventory.Valuation, {})
        for of in folded.valuations:
            key = (of.cause, of.sku, of.warehouse, of.line_no, of.kind)
            if key in self.values:
                raise Violation(f"{key} has a value already")
            self.values[key] = of
            by_cause.setdefault(of.cause, []).append(key)
        self.costings.update((of.sku, of) for of in folded.costings)
        for day in folded.days:
            known = self.days[day.sku].get(day.day)
            if known is not None:
                day = replace(day, **{name: getattr(known, name) + getattr(day, name) for name in FLOWS})
            self.days[day.sku][day.day] = day


class PagesInMemory:
    """One transaction over the tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.has_turn = False
        self.folded = Folded([], [], [])
        self.until: datetime | None = None
        self.looked_back_at: datetime | None = None

    async def turn(self, currency: str) -> Turn | None:
        if self.tables.taken:
            return None
        self.tables.taken = self.has_turn = True
        return self.tables.until, self.tables.looked_back_at

    async def movements(self, since: datetime, end: datetime, at_once: int, currency: str) -> Sequence[Ready]:
        values = self.tables.values
        found = [
            (m.at, m.on_hand + m.quarantined + m.in_transit < 0, key, m)
            for key, m in self.tables.movements.items()
            if since <= m.at < end and key not in values
        ]
        found.sort(key=lambda of: of[:3])
        if not found:
            return []
        orders = self.tables.books.rows.get(inventory.PurchaseOrder, {}).values()
        foreign = {order.number for order in orders if order.currency != currency}  # type: ignore[attr-defined]
        return [
            Ready(
                Entry(
                    m.cause, m.sku, m.warehouse, m.line_no, m.kind, at, m.on_hand, m.quarantined, m.in_transit,
                    unit_cost=None if m.kind == "receipt" and m.reference in foreign else m.unit_cost,
                    order_id=m.order_id,
                )
            )
            for at, _, _, m in found[:at_once]
        ]  # fmt: skip

    async def changes(self, since: datetime, end: datetime, at_once: int) -> Sequence[Ready]:
        values = self.tables.values
        found = sorted(
            (c.at, c.cause, c)
            for c in self.tables.changes.values()
            if since <= c.at < end and _key_of_change(c) not in values
        )
        return [
            Ready(Entry(*_key_of_change(c), at, unit_cost=c.unit_cost), arrival, values[arrival].pieces)
            for at, _, c in found[:at_once]
            for arrival in [(c.arrival, c.sku, c.warehouse, c.line_no, c.kind)]
        ]

    async def costings(self, skus: Collection[str]) -> dict[str, Costing]:
        known = self.tables.costings
        return {sku: known[sku] for sku in skus if sku in known}

    async def left(self, orders: Collection[UUID]) -> dict[OrderLine, Left]:
        found: dict[OrderLine, Left] = {}
        if orders:
            for of in self.tables.values.values():
                if of.order_id in orders:
                    line = (of.order_id, of.sku, of.line_no)
                    found[line] = _with(found.get(line, Left()), of)
        return found

    async def costs(self, arrivals: Collection[Key]) -> dict[Key, Decimal | None]:
        values = self.tables.values
        found = {arrival: values[arrival].unit_cost for arrival in arrivals}
        newest = dict.fromkeys(arrivals, 0)
        for c in self.tables.changes.values():
            arrival, valued = (c.arrival, c.sku, c.warehouse, c.line_no, c.kind), values.get(_key_of_change(c))
            if valued is not None and valued.seq > newest.get(arrival, valued.seq):
                newest[arrival], found[arrival] = valued.seq, valued.unit_cost
        return found

    async def put(self, folded: Folded) -> None:
        self.folded = folded

    async def reached(self, until: datetime, looked_back_at: datetime | None) -> None:
        self.until, self.looked_back_at = until, looked_back_at

    def write(self) -> None:
        tables = self.tables
        tables.keep(self.folded)
        if self.until is not None:
            tables.until = max(self.until, tables.until or self.until)
        tables.looked_back_at = self.looked_back_at or tables.looked_back_at

    def end(self) -> None:
        if self.has_turn:
            self.tables.taken = False


def _key_of_change(c: Any) -> Key:
    return (c.cause, c.sku, c.warehouse, c.line_no, COST_CHANGE)


def _with(left: Left, of: Any) -> Left:
    if of.kind == "issue":
        return Left(left.out - of.pieces, left.out_value - of.value, left.back, left.back_value)
    if of.kind in RETURNED:
        return Left(left.out, left.out_value, left.back + of.pieces, left.back_value + of.value + of.difference)
    return left


class Copy(Steps):
    """One that comes while another has the turn."""

    def __init__(self, tables: Tables, clock: Callable[[], datetime], at_once: int) -> None:
        super().__init__(HOUSE, CURRENCY, AFTER, clock)
        self.tables, self.at_once = tables, at_once

    @asynccontextmanager
    async def pages(self) -> AsyncIterator[Pages]:
        pages = PagesInMemory(self.tables)
        try:
            yield pages
            pages.write()
        finally:
            pages.end()


class Rounds(Copy):
    """The valuer of a machine, and who says later what arrivals cost."""

    def __init__(self, machine: Machine, node: Node, plan: Valuing, laws: WorthLaws, tables: Tables) -> None:
        super().__init__(tables, node.clock, plan.at_once)
        self.machine, self.node, self.plan, self.laws = machine, node, plan, laws
        self.counts = laws.counts
        self.of = machine.dice("valuer")
        self.called = False  # a round is on the heap
        self.said = 0  # costs that somebody wished to say

    @asynccontextmanager
    async def pages(self) -> AsyncIterator[Pages]:
        pages, before = PagesInMemory(self.tables), self.tables.until
        try:
            yield pages
            if self.machine.tape.hit("two valuers"):
                await Copy(self.tables, self.clock, self.at_once).step()
            self.write(pages)
        finally:
            pages.end()
        self.committed(pages, before)

    def write(self, pages: PagesInMemory) -> None:
        if self.machine.tape.hit("valuer dies before its commit"):
            self.machine.tell("valuer", "dies before its commit")
            raise Died
        pages.write()

    def committed(self, pages: PagesInMemory, before: datetime | None) -> None:
        self.laws.valued(pages.folded.valuations, before)
        self.counts["value: looks back"] += pages.looked_back_at is not None
        for of in pages.folded.valuations:
            if of.pieces > 0 and of.kind in ARRIVALS and self.of.random() < 0.15:
                self.say_later(of)
            elif of.kind == "issue" and self.of.random() < 0.01:
                self.say(of.cause, of, 409)
        if self.machine.tape.hit("valuer dies after its commit"):
            self.machine.tell("valuer", "dies after its commit, before it knows that")
            raise Died

    @property
    def trace(self) -> int:
        """Differs when anything is worth something else."""
        found = 0
        for sku, of in sorted(self.tables.costings.items()):
            found = (
                found * 1_000_003 ^ of.seq ^ int(of.value * 100) ^ len(self.tables.days[sku])
            ) & 0xFFFF_FFFF_FFFF_FFFF
        return found

    # Rounds

    def moved(self, movements: Sequence[Any]) -> None:
        """After a commit that moved stock."""
        self.soon(int(self.plan.every * (0.5 + self.of.random())))
        for m in movements:
            if m.kind == "receipt" and self.of.random() < 0.02:
                self.say(m.cause, m, 404)

    def soon(self, wait: int) -> None:
        if self.called:
            return
        self.called = True
        if drawn := self.machine.tape.hit("valuer is late"):
            wait += int(drawn * 8 * HOUR)
        self.machine.at(self.machine.now + wait, self.round)

    def round(self) -> None:
        """One step. It comes again while anything waits."""
        self.called = False
        if not self.node.up:
            self.soon(self.node.back_at + SECOND - self.machine.now)
            return
        done = self.done
        try:
            more = run(self.step())
        except Died:
            more = True
        self.counts["value: more than one step"] += more and self.done > done
        if self.machine.story is not None and self.done > done:
            self.machine.tell("valuer", f"values {self.done - done}")
        if more:
            self.soon(SECOND)
        elif self.tables.waiting:
            self.soon(int(self.plan.every * (0.5 + self.of.random())))

    # What arrivals cost

    def say_later(self, of: Any) -> None:
        """Once or twice, by two people who do not agree."""
        at = self.machine.now + int(self.of.choice((0, 10 * MINUTE, 2 * HOUR, 8 * HOUR)) * self.of.random())
        self.machine.at(at, self.say, of.cause, of, 201)
        if self.of.random() < 0.3:
            self.machine.at(at + int(HOUR * self.of.random()), self.say, of.cause, of, 201)

    def say(self, arrival: UUID, of: Any, status: int) -> None:
        """A request that another copy of inventory takes: it has a unit of work of its own and shifts nothing else."""
        self.said += 1
        cost = Decimal(self.of.choice((0, self.of.randint(1, 400), self.of.randint(1, 4000)))) / 100
        m = ChangeCost(
            sku=of.sku, arrival=arrival, warehouse=of.warehouse, line_no=of.line_no, kind=of.kind, unit_cost=cost
        )
        id = uuid5(UUID(int=self.machine.plan.seed), f"cost {self.said}")
        unit = self.node.unit
        event = envelope(m, id=id, source=unit.source, now=self.node.clock(), correlation=m.subject)
        self.machine.tell("staff", f"say that {of.sku} cost {cost}")

        def heard(reply: Reply) -> None:
            if reply.status != status:
                raise Broken(f"{m.key} was answered {reply.status} instead of {status}: {reply.body}")
            self.counts[f"value: a cost is said: {status}"] += 1

        for outcome in run(unit.work([Arrival("request", id, [event], None, heard, fingerprint=m.key)])):
            for arrived, reply in outcome.answers:
                assert arrived.answer is not None
                arrived.answer(reply)
        if status == 201:
            self.soon(int(self.plan.every * (0.5 + self.of.random())))
