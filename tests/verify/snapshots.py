"""Snapshots in which every invariant holds: one order shipped in two parcels, one piece returned; one order open."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from comptoir.invariants import across, messages, money, orders, stock
from services.billing.domain.documents import fingerprint
from services.billing.domain.rows import (
    Account,
    CreditNote,
    DocumentGroup,
    DocumentLine,
    Hold,
    Invoice,
    Operation,
    Refund,
)
from services.order.quantities import Order
from services.order.rows import Header, History, Line, Money, Progress, Return, Shipment, Stock
from shared.contracts.billing import Credited, Invoiced, MoneyStatement, RefundLine
from shared.contracts.fulfilment import ReturnLine, ReturnStatement, ShipmentLine, ShipmentStatement
from shared.contracts.inventory import Promise, StockStatement
from shared.contracts.values import Address, LineQuantity

ORDER = UUID(int=1)
OTHER = UUID(int=2)
RETURN = UUID(int=3)
FIRST, SECOND = (uuid5(ORDER, f"shipment {seq}") for seq in (1, 2))
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PACKET = UUID("019a0000-0000-7000-8000-000000000001")
EVENT = UUID("019a0000-0000-7000-8000-000000000002")

SHELF = stock.Shelf("MUG", "north", 10, 4, 1, 10, 1, 4)
LINE = stock.LineSums(ORDER, 1, "MUG", 5, 1, 0, 2, 2, 0, 2, 1, 2, 1)


def line(no: int, quantity: int, price: str) -> Line:
    return Line(ORDER, no, f"SKU-{no}", f"thing {no}", "goods", quantity, Decimal(price), Decimal(0), "S", Decimal(20))


HEADER = Header(
    ORDER, "C-1", "web", "X1", "anna", "GBP", False, "card", "tok", Address(), Address(), NOW, False, "standard", 0,
    Decimal("35.00"), Decimal("7.00"), Decimal("42.00"), "print",
)  # fmt: skip
LINES = (line(1, 3, "10.00"), line(2, 1, "5.00"))


def entry(version: int, before: str, after: str) -> History:
    cause = UUID(int=100 + version)
    return History(ORDER, version, NOW, before, after, "order.place_order.v1", cause, "", "")


def out(shipment_id: UUID, version: int, *pieces: tuple[int, int]) -> ShipmentStatement:
    return ShipmentStatement(
        order_id=ORDER,
        version=version,
        shipment_id=shipment_id,
        state="delivered",
        warehouse="north",
        lines=tuple(ShipmentLine(line_no=no, sku=f"SKU-{no}", planned=n, shipped=n) for no, n in pieces),
        dispatched_at=NOW,
        delivered_at=NOW,
    )


def shipment(seq: int, *pieces: tuple[int, int]) -> Shipment:
    id = uuid5(ORDER, f"shipment {seq}")
    return Shipment(ORDER, seq, id, "north", pieces, billed=True, heard=out(id, 1, *pieces))


BACK = Return(
    ORDER,
    RETURN,
    FIRST,
    ((1, 1),),
    "too small",
    True,
    ((1, 1),),
    ReturnStatement(
        order_id=ORDER,
        version=2,
        return_id=RETURN,
        shipment_id=FIRST,
        warehouse="north",
        state="closed",
        lines=(ReturnLine(line_no=1, sku="SKU-1", expected=1, received=1, accepted=1, restock=1),),
    ),
)


def invoiced(shipment_id: UUID, number: str, net: str, vat: str, gross: str) -> Invoiced:
    return Invoiced(shipment_id=shipment_id, number=number, net=Decimal(net), vat=Decimal(vat), gross=Decimal(gross))


SECURED = MoneyStatement(
    order_id=ORDER,
    version=5,
    answers=1,
    state="ok",
    secured=Decimal(42),
    captured=Decimal(42),
    refunded=Decimal(12),
    invoiced=(invoiced(FIRST, "INV-1", "20.00", "4.00", "24.00"), invoiced(SECOND, "INV-2", "15.00", "3.00", "18.00")),
    credited=(
        Credited(
            return_id=RETURN,
            shipment_id=FIRST,
            gross=Decimal("12.00"),
            lines=(LineQuantity(line_no=1, quantity=1),),
        ),
    ),
    settled=True,
)
ISSUED = StockStatement(
    order_id=ORDER,
    version=3,
    answers=1,
    promises=(
        Promise(line_no=1, warehouse="north", issued=3),
        Promise(line_no=2, warehouse="north", issued=1),
    ),
)
WANTED = ((1, 3), (2, 1))
DONE = orders.Case(
    Order(
        HEADER,
        LINES,
        Progress(ORDER, "completed", 3, confirmed=True),
        Stock(ORDER, 1, WANTED, (), ISSUED),
        Money(ORDER, 1, Decimal("42.00"), 2, (), SECURED),
        (shipment(1, (1, 2)), shipment(2, (1, 1), (2, 1))),
        (BACK,),
    ),
    (
        entry(1, "", "awaiting_stock"),
        entry(2, "awaiting_stock", "in_fulfilment"),
        entry(3, "in_fulfilment", "completed"),
    ),
    frozenset(),
)
"""Completed: everything went out, one piece came back."""

PLANNED = Shipment(
    ORDER,
    1,
    FIRST,
    "north",
    WANTED,
    heard=ShipmentStatement(order_id=ORDER, version=1, shipment_id=FIRST, state="planned", warehouse="north"),
)
RESERVED = StockStatement(
    order_id=ORDER,
    version=1,
    answers=1,
    promises=tuple(Promise(line_no=no, warehouse="north", reserved=n) for no, n in WANTED),
)
OPEN = orders.Case(
    Order(
        HEADER,
        LINES,
        Progress(ORDER, "in_fulfilment", 2, confirmed=True, answer_by=NOW),
        Stock(ORDER, 1, WANTED, (), RESERVED),
        Money(
            ORDER,
            1,
            Decimal("42.00"),
            2,
            (),
            MoneyStatement(order_id=ORDER, version=1, answers=1, state="ok", secured=Decimal(42)),
        ),
        (PLANNED,),
    ),
    (entry(1, "", "awaiting_stock"), entry(2, "awaiting_stock", "in_fulfilment")),
    frozenset({"answer_by"}),
)
"""In the warehouse, nothing is out."""


def order(case: orders.Case, **changes: Any) -> orders.Case:
    return replace(case, order=replace(case.order, **changes))


def progress(case: orders.Case, **changes: Any) -> orders.Case:
    return order(case, progress=replace(case.order.progress, **changes))


def operation(no: int, kind: str, amount: str, state: str = "done") -> Operation:
    return Operation(ORDER, no, kind, Decimal(amount), "GBP", 0, "", "", NOW, state)


ACCOUNT = Account(
    ORDER,
    version=5,
    answers=1,
    method="card",
    currency="GBP",
    due=Decimal(42),
    captured=Decimal(42),
    refunded=Decimal(12),
    invoiced=Decimal(42),
    credited=Decimal(12),
    holds=(Hold(1, "ref", Decimal(0), Decimal(42), Decimal(12)),),
    operations=3,
    credits=(Credited(return_id=RETURN, shipment_id=FIRST, gross=Decimal(12), lines=(), by="refund"),),
)
GIVEN = Refund(
    ORDER, RETURN, "INV-2026-000001", "C-1", "anna", (RefundLine(line_no=1, amount=Decimal(12)),), "GBP", Decimal(10),
    Decimal(2), Decimal(12), "a scratch", "sam", NOW, Decimal(15), 1, "done", "", "sam", NOW, "", "CN-2026-000001",
)  # fmt: skip
PURSE = money.Purse(
    "order C-1",
    ACCOUNT,
    (operation(1, "authorise", "42"), operation(2, "capture", "42"), operation(3, "refund", "12")),
    Decimal(0),
    Decimal(42),
    Decimal(12),
    Decimal(0),
    {2: Decimal(42), 3: Decimal(-12)},
    (GIVEN,),
)


def account(**changes: Any) -> money.Purse:
    return replace(PURSE, account=replace(ACCOUNT, **changes))


def _invoice() -> Invoice:
    drawn = Invoice(
        ORDER, FIRST, "INV-2026-000001", "INV", 2026, 1, NOW, date(2026, 3, 2), "C-1", "anna", "GBP", False,
        Decimal("20.00"), Decimal("4.00"), Decimal("24.00"),
        (DocumentLine(1, "SKU-1", "thing 1", 2, Decimal(10), Decimal("20.00"), Decimal("20.00"), "S", Decimal(20)),),
        (DocumentGroup("S", Decimal(20), Decimal("20.00"), Decimal("4.00")),),
        Address(),
    )  # fmt: skip
    return replace(drawn, hash=fingerprint(drawn))


INVOICE = _invoice()
NOTE = CreditNote(
    ORDER, RETURN, 1, FIRST, "INV-2026-000001", "CN-2026-000001", "CN", 2026, 1, NOW, "C-1", "anna", "GBP", False,
    INVOICE.net, INVOICE.vat, INVOICE.gross, INVOICE.lines, INVOICE.groups, Address(),
)  # fmt: skip
REFUND = Refund(
    ORDER, RETURN, "INV-2026-000001", "C-1", "anna", (RefundLine(line_no=1, quantity=2),), "GBP", INVOICE.net,
    INVOICE.vat, INVOICE.gross, "broken", "sam", NOW, Decimal(10), 2, "done", "flo", "flo", NOW, "", "CN-2026-000001",
)  # fmt: skip


def numbered(*serials: int) -> tuple[money.Numbered, ...]:
    return tuple(money.Numbered(n, f"INV-2026-{n:06d}", NOW + timedelta(minutes=n)) for n in serials)


RUN = money.Run("INV", 2026, 3, numbered(1, 2, 3))
CHARGE = money.Charge("capture", Decimal(42), "GBP", True)
COPY = across.Copy("money of order C-1", SECURED, SECURED)
STOCKED = across.stocked(ISSUED)
CANCELLED = across.Cancelled("order C-1", 0, Decimal(5), Decimal(5), False, (), (across.Label(FIRST, "voided", False),))
SENT = messages.Sent(PACKET, "inventory.reserve_stock.v1", "order", 0.0, ())
HANDLED = messages.Handled(PACKET, "inventory", True)
POISON = messages.Parked(PACKET, "order", "order.place_order.v1", EVENT, NOW, "bad", "{}", "replayed", NOW)
REQUEST = messages.Request(PACKET, "order", "abc", 201, "{")


@dataclass(frozen=True)
class Fault:
    """An invariant with arguments on which it holds, the same with one thing wrong, and words of the breach."""

    check: Callable[..., Any]
    good: tuple[Any, ...]
    bad: tuple[Any, ...]
    says: str
