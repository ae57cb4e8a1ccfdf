"""An order and its rows, on which decisions are made one after the other."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from services.order import rows as kinds_of_rows
from services.order.domain import Ctx, Policy, find_order, rows_of
from services.order.handlers import HANDLERS
from services.order.quantities import Order
from services.order.rows import Header, Line, Money, Product, Progress
from shared.contracts.message import Message
from shared.contracts.order import NewLine, PlaceOrder
from shared.contracts.values import Address
from shared.messaging.decision import Context, Effect, Row, Rows, Timer, decide_alone
from tests.order.builders import NOW, ORDER

MUG = Product("mug", "Blue mug", "Kitchen", "Delft", "goods", Decimal("12.50"), "S", Decimal(21))
HOME = Address(name="Anna", street=("Oudegracht 1",), city="Utrecht", country="NL")
POST = Product("post", "Postage", "", "", "shipping", Decimal("4.95"), "S", Decimal(21))


def ctx(now: datetime = NOW, **policy: Any) -> Ctx:
    numbers = count(100)
    return Context(now, lambda: UUID(int=next(numbers)), Policy(**policy), UUID(int=9), "anna")


class Book:
    """All rows of the service, as the messages so far have left them."""

    def __init__(self, *stored: Row, now: datetime = NOW, **policy: Any) -> None:
        self.stored: dict[tuple[Any, ...], Row] = {}
        self.keep(stored)
        self.now, self.policy = now, policy
        self.timers: dict[str, Timer] = {}
        self.effects: list[Effect] = []

    def keep(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.stored[(type(row), *(getattr(row, name) for name in row.KEY))] = row

    def do(self, m: Message) -> list[Effect]:
        self.effects, _ = decide_alone(HANDLERS[type(m)], m, self.stored.values(), ctx(self.now, **self.policy))
        self.keep(effect for effect in self.effects if isinstance(effect, Row))
        for timer in self.all(Timer):
            if timer.due_at is None:
                self.timers.pop(timer.key, None)
            else:
                self.timers[timer.key] = timer
        return self.effects

    def all(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def only(self, kind: type[Any]) -> Any:
        found = self.all(kind)
        assert len(found) == 1, self.effects
        return found[0]

    def rows(self, kind: type[Any]) -> list[Any]:
        return [row for row in self.stored.values() if isinstance(row, kind)]

    @property
    def order(self) -> Order:
        loaded = Rows()
        for kind in (Progress, Header, Line, kinds_of_rows.Stock, Money, kinds_of_rows.Shipment, kinds_of_rows.Return):
            loaded.declare(kind, ORDER)
            for row in self.rows(kind):
                loaded.loaded(row)
        found = find_order(loaded, ORDER)
        assert found is not None
        return found

    def fire(self, name: str) -> list[Effect]:
        timer = self.timers.pop(f"{name}:{ORDER}")
        assert timer.due_at is not None
        assert timer.message is not None
        self.now = max(self.now, timer.due_at)
        return self.do(timer.message)


def place(*lines: NewLine, ship_to: Address = HOME, **fields: Any) -> PlaceOrder:
    return PlaceOrder(order_id=ORDER, lines=lines or (NewLine(sku="mug", quantity=2),), ship_to=ship_to, **fields)


def placed(*lines: NewLine, **fields: Any) -> Book:
    book = Book(MUG, POST)
    book.do(place(*lines, **fields))
    return book


def book_of(order: Order, **policy: Any) -> Book:
    """An order in the middle of its life, its timers as they would be."""
    return Book(*rows_of(order), **policy)
