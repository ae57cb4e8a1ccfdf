"""Orders and statements for tests: real values, made short. `World` plays the three other services, honestly."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from services.order.facts import Trigger
from services.order.quantities import DERIVED_FROM, Order
from services.order.rows import Header, Line, Money, Progress, Stock
from services.order.saga import react, status_of
from shared.contracts.billing import AuthorisePayment, BillShipment, Credited, Invoiced, MoneyStatement, RefundReturn
from shared.contracts.fulfilment import (
    CancelShipment,
    ExpectReturn,
    PlanShipment,
    ReturnLine,
    ReturnStatement,
    ShipmentLine,
    ShipmentStatement,
)
from shared.contracts.inventory import LineStock, Promise, ReserveStock, StockStatement
from shared.contracts.message import Message
from shared.contracts.order import (
    CancelOrder,
    HoldOrder,
    OrderStatement,
    PlaceOrder,
    ReleaseHold,
    ReturnGoods,
)
from shared.contracts.values import Address, LineQuantity, PaymentMethod

ORDER = UUID(int=1)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = date(2026, 3, 20)
OTHER = uuid5(ORDER, "unknown")


def new_order(
    *quantities: int,
    method: PaymentMethod = "card",
    price: str = "10.00",
    ship_complete: bool = False,
    kinds: dict[int, Any] | None = None,
) -> Order:
    """An order that nothing happened to yet; one line per quantity, no VAT."""
    lines = tuple(
        Line(
            order_id=ORDER,
            line_no=no,
            sku=f"sku-{no}",
            text=f"thing {no}",
            kind=(kinds or {}).get(no, "goods"),
            quantity=quantity,
            unit_price=Decimal(price),
            discount=Decimal(0),
            vat_category="S",
            vat_rate=Decimal(0),
        )
        for no, quantity in enumerate(quantities or (1,), 1)
    )
    whole = sum((line.quantity * line.unit_price for line in lines), Decimal(0))
    header = Header(
        ORDER, "C-1", "web", "", "anna", "EUR", False, method, "tok", Address(city="Utrecht"), Address(), NOW,
        ship_complete, "standard", 0, whole, Decimal(0), whole, "",
    )  # fmt: skip
    return Order(header, lines, Progress(ORDER), Stock(ORDER), Money(ORDER))


def new(*quantities: int, **how: Any) -> Order:
    """Placed: stock and money are asked for."""
    return react(new_order(*quantities, **how), placing())[0]


def placing(**fields: Any) -> PlaceOrder:
    return PlaceOrder(order_id=ORDER, lines=({"sku": "sku-1", "quantity": 1},), **fields)


def after(order: Order, *triggers: Trigger) -> Order:
    for trigger in triggers:
        order, _ = react(order, trigger)
    return order


def asks_of(order: Order, *triggers: Trigger) -> list[Message]:
    """The asks of the last trigger."""
    asks: list[Message] = []
    for trigger in triggers:
        order, asks = react(order, trigger)
    return asks


def kinds(asks: Iterable[Message]) -> list[str]:
    return [type(ask).__name__ for ask in asks]


def of(no: int, quantity: int) -> LineQuantity:
    return LineQuantity(line_no=no, quantity=quantity)


# Statements


def stock(
    answers: int,
    *promises: tuple[int, str, int],
    version: int | None = None,
    issued: dict[tuple[int, str], int] | None = None,
    lost: dict[tuple[int, str], int] | None = None,
    backordered: dict[int, int] | None = None,
    rejected: dict[int, int] | None = None,
    day: date | None = LATER,
) -> StockStatement:
    """promises: (line, warehouse, reserved)."""
    reserved = {(no, at): quantity for no, at, quantity in promises}
    issued, lost = issued or {}, lost or {}
    late, none = backordered or {}, rejected or {}
    return StockStatement(
        order_id=ORDER,
        version=answers if version is None else version,
        answers=answers,
        promises=tuple(
            Promise(line_no=no, warehouse=at, reserved=reserved.get((no, at), 0), issued=issued.get((no, at), 0),
                    lost=lost.get((no, at), 0))
            for no, at in sorted({*reserved, *issued, *lost})
        ),
        lines=tuple(
            LineStock(line_no=no, backordered=late.get(no, 0), promised_on=day if no in late else None,
                      rejected=none.get(no, 0), reason="sold out" if no in none else "")
            for no in sorted({*late, *none})
        ),
    )  # fmt: skip


def money(
    answers: int,
    secured: str | int,
    *,
    version: int | None = None,
    state: Any = "ok",
    invoiced: Iterable[UUID] = (),
    credited: Iterable[Credited] = (),
    settled: bool = False,
    owed: str = "0",
    reason: str = "",
) -> MoneyStatement:
    return MoneyStatement(
        order_id=ORDER,
        version=answers if version is None else version,
        answers=answers,
        state=state,
        secured=Decimal(secured),
        invoiced=tuple(Invoiced(shipment_id=id, number="2026-1", net=10, vat=0, gross=10) for id in invoiced),
        credited=tuple(credited),
        settled=settled,
        owed=Decimal(owed),
        reason=reason,
    )


def shipment(
    order: Order,
    seq: int,
    state: Any,
    *,
    version: int = 1,
    short: dict[int, int] | None = None,
    reason: str = "",
) -> ShipmentStatement:
    """What fulfilment says of one planned shipment; out means: all of it but what is short."""
    row = order.shipments[seq - 1]
    missing = short or {}
    out = state in ("dispatched", "delivered", "refused")
    return ShipmentStatement(
        order_id=ORDER,
        shipment_id=row.shipment_id,
        version=version,
        state=state,
        warehouse=row.warehouse,
        lines=tuple(
            ShipmentLine(line_no=no, sku=f"sku-{no}", planned=quantity,
                         shipped=quantity - missing.get(no, 0) if out else 0, short=missing.get(no, 0))
            for no, quantity in row.planned
        ),
        reason=reason,
        dispatched_at=NOW if out else None,
    )  # fmt: skip


def goods_back(
    return_id: UUID, shipment_id: UUID, state: Any, *, version: int, expected: int, received: int = 0, accepted: int = 0
) -> ReturnStatement:
    return ReturnStatement(
        order_id=ORDER,
        return_id=return_id,
        shipment_id=shipment_id,
        version=version,
        warehouse="north",
        state=state,
        lines=(ReturnLine(line_no=1, sku="sku-1", expected=expected, received=received, accepted=accepted),),
    )


def cancel(*lines: LineQuantity, reason: str = "") -> CancelOrder:
    return CancelOrder(order_id=ORDER, lines=lines, reason=reason)


def hold(reason: str = "check") -> HoldOrder:
    return HoldOrder(order_id=ORDER, reason=reason)


def release(reason: str = "check") -> ReleaseHold:
    return ReleaseHold(order_id=ORDER, reason=reason)


def send_back(order: Order, return_id: UUID, *lines: LineQuantity, seq: int = 1) -> ReturnGoods:
    return ReturnGoods(
        order_id=ORDER, return_id=return_id, shipment_id=order.shipments[seq - 1].shipment_id, lines=lines
    )


def released(*quantities: int, warehouse: str = "north", **how: Any) -> Order:
    """Everything promised at one warehouse, money secured, one shipment planned."""
    order = new(*quantities, **how)
    promises = [(line.line_no, warehouse, line.quantity) for line in order.lines]
    return after(order, stock(1, *promises), money(1, str(order.due)))


def sent(*quantities: int, **how: Any) -> Order:
    """One shipment, handed over."""
    order = released(*quantities, **how)
    return after(order, shipment(order, 1, "dispatched", version=4))


# The other services


@dataclass
class World:
    """Inventory, fulfilment and billing, played by simple rules, and a bus that delivers in any order and twice.

    `on_hand`: pieces per (line, warehouse). `choices` decides whatever the specification leaves open.
    """

    order: Order
    on_hand: dict[tuple[int, str], int]
    asks: list[Message] = field(default_factory=list)
    facts: list[Message] = field(default_factory=list)
    told: list[OrderStatement] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    wish: ReserveStock | None = None
    held: dict[tuple[int, str], int] = field(default_factory=dict)
    gone: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)  # issued, lost
    seen: dict[UUID, ShipmentStatement] = field(default_factory=dict)
    stock_version: int = 0
    due: AuthorisePayment | None = None
    bills: dict[UUID, Decimal] = field(default_factory=dict)
    credits: dict[UUID, Credited] = field(default_factory=dict)
    money_version: int = 0
    pays: bool = True
    shipments: dict[UUID, ShipmentStatement] = field(default_factory=dict)
    returns: dict[UUID, ReturnStatement] = field(default_factory=dict)

    def tell(self, trigger: Trigger) -> None:
        """Something happens to the order."""
        self.order, asks = react(self.order, trigger)
        check_derived(self.order)
        self.statuses.append(self.order.progress.status)
        self.told += [ask for ask in asks if isinstance(ask, OrderStatement)]
        self.asks += [ask for ask in asks if not isinstance(ask, OrderStatement)]

    def hear(self, ask: Message) -> None:
        """One ask reaches its service."""
        match ask:
            case ReserveStock():
                if self.wish is None or ask.version > self.wish.version:
                    self.wish = ask
                    self.promise()
            case AuthorisePayment():
                if self.due is None or ask.version > self.due.version:
                    self.due = ask
                    self.state_money()
            case PlanShipment():
                if ask.shipment_id not in self.shipments:
                    lines = tuple(ShipmentLine(line_no=o.line_no, sku=o.sku, planned=o.quantity) for o in ask.lines)
                    self.state_shipment(
                        ShipmentStatement(
                            order_id=ORDER,
                            shipment_id=ask.shipment_id,
                            version=0,
                            state="planned",
                            warehouse=ask.warehouse,
                            lines=lines,
                        )
                    )
            case CancelShipment():
                known = self.shipments.get(ask.shipment_id) or ShipmentStatement(
                    order_id=ORDER, shipment_id=ask.shipment_id, version=0, state="cancelled", warehouse=""
                )
                if known.open or known.version == 0:
                    self.state_shipment(known.model_copy(update={"state": "cancelled"}))
                else:
                    self.facts.append(known)
            case BillShipment():
                self.bills.setdefault(ask.shipment_id, self.order.value({o.line_no: o.quantity for o in ask.lines}))
                self.state_money()
            case ExpectReturn():
                if ask.return_id not in self.returns:
                    self.returns[ask.return_id] = ReturnStatement(
                        order_id=ORDER, return_id=ask.return_id, shipment_id=ask.shipment_id, version=1,
                        warehouse="north", state="expected",
                        lines=tuple(ReturnLine(line_no=o.line_no, sku=o.sku, expected=o.quantity) for o in ask.lines),
                    )  # fmt: skip
                    self.facts.append(self.returns[ask.return_id])
            case RefundReturn():
                gross = self.order.value({o.line_no: o.quantity for o in ask.accepted})
                self.credits[ask.return_id] = Credited(
                    return_id=ask.return_id, shipment_id=ask.shipment_id, gross=gross, lines=ask.accepted
                )
                self.state_money()

    def promise(self) -> None:
        assert self.wish is not None
        kept = {(k.line_no, k.warehouse): k.used for k in self.wish.kept}
        limits = {(k.line_no, k.warehouse): k.most for k in self.wish.limits}
        late: dict[int, int] = {}
        for want in self.wish.wanted:
            places = [key for key in sorted(self.on_hand) if key[0] == want.line_no]
            taken = {key: sum(self.gone.get(key, (0, 0))) for key in places}
            target = want.quantity - sum(self.gone.get(key, (0, 0))[0] for key in places)
            for key in places:
                most = max(limits.get(key, 10**9) - taken[key], 0)
                self.held[key] = min(self.held.get(key, 0), max(most, 0))
            surplus = sum(self.held[key] for key in places) - target
            for key in places:
                less = max(0, min(surplus, self.held[key] - max(kept.get(key, 0) - taken[key], 0)))
                self.held[key] -= less
                surplus -= less
            for key in places:
                room = min(self.on_hand[key] - self.held[key], limits.get(key, 10**9) - taken[key] - self.held[key])
                more = max(0, min(-surplus, room))
                self.held[key] += more
                surplus += more
            if surplus < 0:
                late[want.line_no] = -surplus
        self.stock_version += 1
        self.facts.append(
            stock(
                self.wish.version,
                *((no, at, quantity) for (no, at), quantity in self.held.items()),
                version=self.stock_version,
                issued={key: issued for key, (issued, _) in self.gone.items()},
                lost={key: lost for key, (_, lost) in self.gone.items()},
                backordered=late,
            )
        )

    def move_stock(self, said: ShipmentStatement) -> None:
        before = self.seen.get(said.shipment_id)
        if before is not None and before.version >= said.version:
            return
        self.seen[said.shipment_id] = said
        was = {o.line_no: (o.shipped, o.short) for o in before.lines} if before else {}
        moved = False
        for o in said.lines:
            out, short = o.shipped - was.get(o.line_no, (0, 0))[0], o.short - was.get(o.line_no, (0, 0))[1]
            if out or short:
                key = (o.line_no, said.warehouse)
                assert self.held[key] >= out + short, "an issue without its reservation"
                self.held[key] -= out + short
                self.on_hand[key] -= out + short
                issued, lost = self.gone.get(key, (0, 0))
                self.gone[key] = (issued + out, lost + short)
                moved = True
        if moved:
            self.promise()

    def state_shipment(self, said: ShipmentStatement) -> None:
        said = said.model_copy(update={"version": said.version + 1})
        self.shipments[said.shipment_id] = said
        self.facts.append(said)

    def step_shipment(self, shipment_id: UUID, how: str) -> None:
        """The warehouse or the carrier does something; whatever cannot be now is ignored."""
        said = self.shipments[shipment_id]
        change: dict[str, Any] = {}
        if how == "out" and said.open:
            lines = tuple(o.model_copy(update={"shipped": o.planned - o.short}) for o in said.lines)
            change = {"state": "dispatched", "lines": lines, "dispatched_at": NOW}
        elif how == "short" and said.open and any(o.planned - o.short > 1 for o in said.lines):
            lines = tuple(o.model_copy(update={"short": o.short + (o.planned - o.short > 1)}) for o in said.lines)
            change = {"state": "picked", "lines": lines}
        elif how in ("closed", "address") and said.open:
            change = {"state": "rejected", "reason": how}
        elif how == "delivered" and said.state == "dispatched":
            change = {"state": "delivered"}
        if change:
            self.state_shipment(said.model_copy(update=change))
            self.move_stock(self.shipments[shipment_id])

    def state_money(self) -> None:
        if self.due is None:
            return
        self.money_version += 1
        self.facts.append(
            money(
                self.due.version,
                str(self.due.due if self.pays else 0),
                version=self.money_version,
                state="ok" if self.pays else "declined",
                invoiced=self.bills,
                credited=self.credits.values(),
                settled=True,
            )
        )

    def rest(self) -> None:
        """Everything on its way arrives, and everybody does their work, until nothing more happens."""
        for _ in range(500):
            if self.asks:
                self.hear(self.asks.pop(0))
            elif self.facts:
                self.tell(self.facts.pop(0))
            elif inside := [s for s in self.shipments.values() if s.open]:
                self.step_shipment(inside[0].shipment_id, "out")
            elif under_way := [s for s in self.shipments.values() if s.state == "dispatched"]:
                self.step_shipment(under_way[0].shipment_id, "delivered")
            else:
                return
        raise AssertionError("it never comes to rest")


def check_derived(order: Order) -> None:
    """What was kept from an earlier value of the order is what this value gives."""
    for name in {name for names in DERIVED_FROM.values() for name in names} - {"status"}:
        assert getattr(order, name) == getattr(replace(order), name), f"{name} was kept for too long"
    assert status_of(order) == status_of(replace(order)), "the status was kept for too long"


def world(*quantities: int, on_hand: dict[tuple[int, str], int] | None = None, **how: Any) -> World:
    order = new_order(*quantities, **how)
    there = on_hand if on_hand is not None else {(line.line_no, "north"): line.quantity for line in order.lines}
    made = World(order, dict(there))
    made.tell(placing())
    return made


def with_progress(order: Order, **changes: Any) -> Order:
    return replace(order, progress=replace(order.progress, **changes))
