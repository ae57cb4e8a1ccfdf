"""Orders, shelves and a small world that runs inventory's real decisions on rows in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from services.inventory.domain import (
    Item,
    Level,
    Movement,
    Policy,
    Queue,
    Queued,
    Reservation,
    StockOrder,
    Warehouse,
)
from services.inventory.handlers import HANDLERS
from shared.contracts.fulfilment import ReturnInspected, ReturnLine, ShipmentDispatched, ShipmentLine, ShipmentStatement
from shared.contracts.inventory import (
    FindHolders,
    HoldersFound,
    Kept,
    Limit,
    Promise,
    ReceiveStock,
    ReserveStock,
    StockLine,
    StockStatement,
    Want,
)
from shared.contracts.message import Message
from shared.contracts.values import LineKind
from shared.messaging.decision import Call, Context, Effect, Reply, Row, Timer, decide_alone, key_of

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
R = TypeVar("R", bound=Row)
S = TypeVar("S", bound=ShipmentStatement)


def order(n: int) -> UUID:
    return UUID(int=0xA0000 + n)


def thing(n: int) -> UUID:
    return UUID(int=0xB0000 + n)


def wants(
    n: int,
    *lines: tuple[str, int],
    version: int = 1,
    priority: int = 0,
    country: str = "",
    limits: Iterable[tuple[int, str, int]] = (),
    kept: Iterable[tuple[int, str, int]] = (),
    placed: int | None = None,
    kinds: Mapping[int, LineKind] | None = None,
) -> ReserveStock:
    """Order n, placed n minutes after nine, wants (sku, quantity) in lines 1, 2, ..., goods but for `kinds`."""
    return ReserveStock(
        order_id=order(n),
        version=version,
        placed_at=NOW + timedelta(minutes=n if placed is None else placed),
        priority=priority,
        country=country,
        wanted=tuple(
            Want(line_no=i, sku=sku, quantity=q, kind=(kinds or {}).get(i, "goods"))
            for i, (sku, q) in enumerate(lines, 1)
        ),
        limits=tuple(Limit(line_no=i, warehouse=w, most=q) for i, w, q in limits),
        kept=tuple(Kept(line_no=i, warehouse=w, used=q) for i, w, q in kept),
    )


def shipment(
    n: int,
    warehouse: str,
    *lines: tuple[int, str, int, int],
    shipment_no: int = 1,
    version: int = 4,
    state: Any = "dispatched",
    kind: type[ShipmentStatement] = ShipmentDispatched,
) -> ShipmentStatement:
    """(line, sku, shipped, short)"""
    return kind(
        order_id=order(n),
        version=version,
        shipment_id=thing(shipment_no),
        state=state,
        warehouse=warehouse,
        lines=tuple(
            ShipmentLine(line_no=i, sku=sku, planned=shipped + short, shipped=shipped, short=short)
            for i, sku, shipped, short in lines
        ),
    )


def returned(n: int, warehouse: str, *lines: tuple[int, str, int, int], version: int = 3) -> ReturnInspected:
    """(line, sku, restock, quarantine)"""
    return ReturnInspected(
        order_id=order(n),
        version=version,
        return_id=thing(99),
        shipment_id=thing(1),
        warehouse=warehouse,
        state="inspected",
        lines=tuple(
            ReturnLine(line_no=i, sku=sku, expected=a + b, received=a + b, accepted=a + b, restock=a, quarantine=b)
            for i, sku, a, b in lines
        ),
    )


def receipt(warehouse: str, sku: str, quantity: int, reference: str = "PO-1") -> ReceiveStock:
    return ReceiveStock(warehouse=warehouse, reference=reference, lines=(StockLine(sku=sku, quantity=quantity),))


@dataclass
class World:
    """The rows of one inventory. `tell` decides one message; `settle` lets due timers and look-ups run."""

    rows: dict[type[Row], dict[tuple[Any, ...], Row]] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    calls: list[FindHolders] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)
    now: datetime = NOW
    policy: Policy = field(default_factory=Policy)
    causes: int = 0
    written: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, *rows: Row, policy: Policy | None = None) -> "World":
        """Levels get the movement that explains them."""
        world = cls(policy=policy or Policy())
        for row in rows:
            world.put(row)
            if isinstance(row, Level):
                world.put(
                    Movement(
                        UUID(int=1), row.sku, row.warehouse, 0, "receipt", row.on_hand, row.quarantined,
                        "opening", "", "", NOW,
                    )
                )  # fmt: skip
            if isinstance(row, Item) and row.stocked:
                world.put(Queue(row.sku))
        return world

    def put(self, row: Row) -> None:
        known = self.rows.setdefault(type(row), {})
        if not row.GROUP:
            assert key_of(row) not in known, f"booked twice: {row}"
        known[key_of(row)] = row

    def all(self, kind: type[R]) -> list[R]:
        return list(self.rows.get(kind, {}).values())  # type: ignore[arg-type]

    def stored(self) -> list[Row]:
        """As the tables give them: places in the queue that wait no longer are not loaded."""
        return [
            row
            for kind in self.rows.values()
            for row in kind.values()
            if not (isinstance(row, Queued) and row.quantity == 0)
        ]

    def tell(self, m: Message) -> list[Effect]:
        self.causes += 1
        ctx = Context(self.now, lambda: UUID(int=7), self.policy, UUID(int=0xC0000 + self.causes), "anna")
        effects, _ = decide_alone(HANDLERS[type(m)], m, self.stored(), ctx)
        self.written = [e for e in effects if isinstance(e, Row)]
        keys = [(type(r), key_of(r)) for r in self.written]
        assert len(keys) == len(set(keys)), "a row was written twice by one decision"
        for effect in effects:
            if isinstance(effect, Row):
                self.put(effect)
            elif isinstance(effect, Timer):
                if effect.due_at is None:
                    self.timers.pop(effect.key, None)
                else:
                    self.timers[effect.key] = effect
            elif isinstance(effect, Call):
                assert isinstance(effect.message, FindHolders)
                self.calls.append(effect.message)
            elif isinstance(effect, Message):
                self.sent.append(effect)
        return effects

    def settle(self, limit: int = 1000) -> None:
        for _ in range(limit):
            if self.calls:
                call = self.calls.pop(0)
                holders = [
                    o.order_id
                    for o in sorted(self.all(StockOrder), key=lambda o: o.placed_at, reverse=True)
                    if any(r.order_id == o.order_id and r.sku == call.sku and r.reserved for r in self.all(Reservation))
                ]
                names = call.model_dump()
                self.tell(HoldersFound(**names, orders=tuple(holders)))
                continue
            due = [t for t in self.timers.values() if t.due_at is not None and t.due_at <= self.now]
            if not due:
                return
            timer = min(due, key=lambda t: (t.due_at, t.key))
            del self.timers[timer.key]
            assert timer.message is not None
            self.tell(timer.message)
        raise AssertionError("it never comes to rest")

    def level(self, sku: str, warehouse: str) -> Level:
        row = self.rows[Level][sku, warehouse]
        assert isinstance(row, Level)
        return row

    def news(self, n: int) -> StockStatement:
        """The newest statement about order n."""
        return [m for m in self.sent if isinstance(m, StockStatement) and m.order_id == order(n)][-1]

    def promises(self, n: int) -> dict[tuple[int, str], Promise]:
        return {(p.line_no, p.warehouse): p for p in self.news(n).promises}

    def reserved(self, n: int) -> int:
        return sum(r.reserved for r in self.all(Reservation) if r.order_id == order(n))

    def backordered(self, n: int) -> int:
        return sum(line.backordered for line in self.news(n).lines)


def reply(effects: list[Effect]) -> Reply:
    return next(e for e in effects if isinstance(e, Reply))


MUG = Item("mug", "Mug", True, True, 14)
PEN = Item("pen", "Pen", True, True, 3)
RARE = Item("rare", "Last of its kind", True, False, 0)
POST = Item("post", "Postage", False, True, 0)
NORTH = Warehouse("north", "North", "GB", 10)
SOUTH = Warehouse("south", "South", "FR", 20)
WEST = Warehouse("west", "West", "FR", 30)


def world(*levels: tuple[str, str, int], policy: Policy | None = None) -> World:
    """Three warehouses, the usual items, and (sku, warehouse, on hand)."""
    stock = [Level(sku, warehouse, on_hand) for sku, warehouse, on_hand in levels]
    return World.of(MUG, PEN, RARE, POST, NORTH, SOUTH, WEST, *stock, policy=policy)


def check(w: World) -> None:
    """I1 to I4 over everything there is, and that the queue is what the lines say."""
    levels = {(level.sku, level.warehouse): level for level in w.all(Level)}
    on_hand: dict[tuple[str, str], int] = {}
    quarantined: dict[tuple[str, str], int] = {}
    for m in w.all(Movement):
        on_hand[m.sku, m.warehouse] = on_hand.get((m.sku, m.warehouse), 0) + m.on_hand
        quarantined[m.sku, m.warehouse] = quarantined.get((m.sku, m.warehouse), 0) + m.quarantined
    reserved: dict[tuple[str, str], int] = {}
    for r in w.all(Reservation):
        assert min(r.reserved, r.issued, r.lost) >= 0, r
        if r.stocked:
            reserved[r.sku, r.warehouse] = reserved.get((r.sku, r.warehouse), 0) + r.reserved
    for key, level in levels.items():
        assert level.on_hand == on_hand.get(key, 0), f"I1 {key}: {level} is not the sum of its movements"
        assert level.quarantined == quarantined.get(key, 0), f"I1 {key}: quarantined"
        assert level.reserved == reserved.get(key, 0), f"I2 {key}: {level} {reserved.get(key)}"
        assert 0 <= level.reserved <= level.on_hand, f"I3 {key}: {level}"
    assert {key for key, pieces in reserved.items() if pieces} <= set(levels)
    from services.inventory.domain import Demand

    waiting = {(q.sku, q.order_id, q.line_no): q for q in w.all(Queued) if q.quantity}
    backordered = {(d.sku, d.order_id, d.line_no): d.backordered for d in w.all(Demand) if d.backordered}
    assert {key: q.quantity for key, q in waiting.items()} == backordered
    for queue in w.all(Queue):
        mine = [q for q in waiting.values() if q.sku == queue.sku]
        assert queue.waiting == sum(q.quantity for q in mine)
        assert set(queue.pages) == {q.page for q in mine}
        assert dict(queue.sums) == {page: sum(q.quantity for q in mine if q.page == page) for page in queue.pages}
    for d in w.all(Demand):
        held = [r for r in w.all(Reservation) if (r.order_id, r.line_no) == (d.order_id, d.line_no)]
        open_ = sum(r.reserved for r in held)
        target = max(0, d.wanted - sum(r.issued for r in held))
        assert open_ + d.backordered + d.rejected >= target, f"forgotten: {d}"
