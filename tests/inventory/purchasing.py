"""Purchase orders of the tests: messages about them, and the laws that hold of them in a world."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from comptoir.invariants import purchases
from services.inventory.domain import Expected, Movement, PurchaseAct, PurchaseLine, PurchaseOrder
from shared.contracts.inventory import (
    BoughtLine,
    CancelPurchaseOrder,
    ChangePurchaseOrder,
    ClosePurchaseOrder,
    CreatePurchaseOrder,
    EditPurchaseOrder,
    LineChange,
    ReceiveStock,
    RegisterSupplier,
    SendPurchaseOrder,
    StockLine,
)
from tests.inventory.builders import NOW, World, world

TODAY = NOW.date()
MUGS = RegisterSupplier(code="mugs", name="Mugs & Co", email="orders@mugs.example", lead_days=10, currency="USD")


def bought(n: int) -> UUID:
    return UUID(int=0xD0000 + n)


def day(n: int) -> date:
    return TODAY + timedelta(days=n)


def line(sku: str, quantity: int, on: int = 5, cost: str = "2.50") -> BoughtLine:
    return BoughtLine(sku=sku, quantity=quantity, unit_cost=Decimal(cost), expected_on=day(on))


def create(n: int, *lines: BoughtLine, warehouse: str = "north") -> CreatePurchaseOrder:
    return CreatePurchaseOrder(purchase_id=bought(n), supplier="mugs", warehouse=warehouse, lines=lines)


def edit(n: int, *lines: BoughtLine, warehouse: str = "north", **more: Any) -> EditPurchaseOrder:
    return EditPurchaseOrder(purchase_id=bought(n), supplier="mugs", warehouse=warehouse, lines=lines, **more)


def send(n: int, *skus: str, **more: Any) -> SendPurchaseOrder:
    return SendPurchaseOrder(purchase_id=bought(n), skus=skus or ("mug",), **more)


def change(n: int, *changes: LineChange, skus: tuple[str, ...] = ("mug",), **more: Any) -> ChangePurchaseOrder:
    return ChangePurchaseOrder(purchase_id=bought(n), skus=skus, changes=changes, **more)


def moved(n: int, on: int, sku: str = "mug", **more: Any) -> ChangePurchaseOrder:
    return change(n, LineChange(sku=sku, expected_on=day(on)), **more)


def resized(n: int, quantity: int, sku: str = "mug", **more: Any) -> ChangePurchaseOrder:
    return change(n, LineChange(sku=sku, quantity=quantity), **more)


def close(n: int, *skus: str, **more: Any) -> ClosePurchaseOrder:
    return ClosePurchaseOrder(purchase_id=bought(n), skus=skus or ("mug",), reason="sold out", **more)


def cancel(n: int, *skus: str, **more: Any) -> CancelPurchaseOrder:
    return CancelPurchaseOrder(purchase_id=bought(n), skus=skus or ("mug",), **more)


def came(w: World, n: int, *lines: tuple[str, int], warehouse: str = "north", **more: Any) -> ReceiveStock:
    """Goods that came of purchase order n, as the API says it."""
    number = of(w, n).number
    stock = tuple(StockLine(sku=sku, quantity=quantity) for sku, quantity in lines)
    return ReceiveStock(warehouse=warehouse, reference=number, lines=stock, purchase_id=bought(n), **more)


def of(w: World, n: int) -> PurchaseOrder:
    row = w.rows[PurchaseOrder][(bought(n),)]
    assert isinstance(row, PurchaseOrder)
    return row


def received(w: World, n: int) -> dict[str, tuple[int, int]]:
    """(ordered, received) per SKU."""
    return {row.sku: (row.quantity, row.received) for row in w.all(PurchaseLine) if row.purchase_id == bought(n)}


def incoming(w: World, sku: str = "mug") -> int:
    return sum(row.incoming for row in w.all(Expected) if row.sku == sku)


def acts(w: World, n: int) -> list[str]:
    found = sorted((a for a in w.all(PurchaseAct) if a.purchase_id == bought(n)), key=lambda a: a.version)
    return [a.what for a in found]


def shop(*levels: tuple[str, str, int]) -> World:
    """A world with the supplier of the purchase orders above."""
    w = world(*levels)
    w.tell(MUGS)
    return w


def lawful(w: World) -> None:
    """I27 to I29 over all purchase orders of a world."""
    says: list[str] = []
    for order in w.all(PurchaseOrder):
        mine = [row for row in w.all(PurchaseLine) if row.purchase_id == order.purchase_id]
        done = [a for a in w.all(PurchaseAct) if a.purchase_id == order.purchase_id]
        causes = {a.cause for a in done if a.what == "received"}
        expected = {e.sku: e for e in w.all(Expected) if e.purchase_id == order.purchase_id}
        for row in mine:
            pieces = sum(
                m.on_hand for m in w.all(Movement) if m.kind == "receipt" and m.cause in causes and m.sku == row.sku
            )
            e = expected.pop(row.sku, None)
            seen = purchases.BoughtLine(
                order.number, order.state, row.sku, row.quantity, row.received, pieces, e.incoming if e else 0,
                row.expected_on, e.expected_on if e else None,
            )  # fmt: skip
            says += [
                *purchases.received_is_the_sum_of_receipts(seen),
                *purchases.incoming_is_what_is_left(seen),
            ]
        assert not expected, f"expected of lines that {order.number} does not have: {expected}"
        newest = max((a.version for a in done), default=0)
        left, got = sum(row.left for row in mine), sum(row.received for row in mine)
        whole = purchases.Bought(order.number, order.state, order.version, left, got, len(done), newest)
        says += purchases.state_is_what_came(whole)
    assert says == []
