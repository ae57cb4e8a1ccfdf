"""The order as one immutable value, and every quantity that can be derived from it.

Stored are only: what was ordered, what was cancelled, what was asked for, and the newest statements. Where each piece
is (reserved, released, shipped, ...) is computed here, so that no counter can drift.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID, uuid5

from services.order.rows import Header, Limits, Line, Money, Pieces, Progress, Return, Shipment, Stock
from shared.contracts.fulfilment import ShipmentLine
from shared.contracts.money import totals, unit_of
from shared.contracts.order import OrderStatement
from shared.contracts.values import PriceLine

T = TypeVar("T")


class once(Generic[T]):
    """A derived value, computed at first sight and then kept: functools.cached_property without its lock."""

    def __init__(self, derive: Callable[[Any], T]) -> None:
        self.derive, self.name, self.__doc__ = derive, derive.__name__, derive.__doc__

    def __get__(self, order: Any, kind: type | None = None) -> T:
        value = order.__dict__[self.name] = self.derive(order)
        return value


class Impossible(Exception):
    """A statement that cannot be true, or a law that does not hold: the message is parked, nothing is applied."""


class Count(NamedTuple):
    """Where the pieces of one line are. ordered = cancelled + waiting + backordered + reserved + released + shipped.

    A tuple, because every event makes one per line.
    """

    ordered: int
    cancelled: int
    waiting: int  # inventory has not answered for them
    backordered: int
    reserved: int  # promised at some warehouse and free to be released
    released: int  # in a shipment that is open
    shipped: int  # in a shipment that is out

    @property
    def unreleased(self) -> int:
        return self.waiting + self.backordered + self.reserved

    @property
    def open(self) -> int:
        """Neither shipped nor cancelled."""
        return self.unreleased + self.released


@dataclass(frozen=True)
class Order:
    """One order with all that is known about it. A change is a new value; what is derived is computed at most once."""

    header: Header
    lines: tuple[Line, ...]
    progress: Progress
    stock: Stock
    money: Money
    shipments: tuple[Shipment, ...] = ()  # oldest first
    returns: tuple[Return, ...] = ()
    news: tuple[tuple[type[OrderStatement], str], ...] = ()  # to be told by the last step, with the reason

    @property
    def id(self) -> UUID:
        return self.progress.order_id

    # Asked and answered

    @once
    def due(self) -> Decimal:
        """What the customer owes for everything that is not cancelled; what is shipped already counts as well."""
        known = self.money
        if known.due is not None and known.cancelled == self.progress.cancelled and known.lines == len(self.lines):
            return known.due  # asked for exactly this
        if known.lines == 0 and not self.progress.cancelled:
            return self.header.gross  # just placed: all lines as they were ordered
        return self.value({line.line_no: line.quantity - self.cancelled(line.line_no) for line in self.lines})

    @once
    def secured(self) -> bool:
        """Money covers what is due."""
        return self.money.secured >= self.due

    def value(self, quantities: Mapping[int, int]) -> Decimal:
        """What so many pieces of the frozen lines cost, VAT included (R-03 to R-05)."""
        header = self.header
        unit = unit_of(header.currency)
        return totals(priced(self.lines), quantities, inclusive=header.prices_include_vat, unit=unit).gross

    @once
    def wanted(self) -> Pieces:
        """What inventory should promise in all: pieces that are shipped already count, as they do in its answer."""
        cancelled = self._cancelled
        return tuple([(line.line_no, line.quantity - cancelled.get(line.line_no, 0)) for line in self.lines])

    @property
    def undecided(self) -> list[tuple[int, int]]:
        """(line number, pieces) that somebody wants cancelled and that are not decided yet."""
        cancelled = self._cancelled
        return [
            (line_no, wanted - cancelled.get(line_no, 0))
            for line_no, wanted in self.progress.cancel_wanted
            if wanted > cancelled.get(line_no, 0)
        ]

    # Quantities

    @once
    def _cancelled(self) -> dict[int, int]:
        return dict(self.progress.cancelled)

    def cancelled(self, line_no: int) -> int:
        return self._cancelled.get(line_no, 0)

    @once
    def used(self) -> dict[tuple[int, str], int]:
        """Per line and warehouse: planned in open shipments, shipped + short in ended ones."""
        used: dict[tuple[int, str], int] = {}
        for shipment in self.shipments:
            for line_no, quantity in used_by(shipment):
                used[line_no, shipment.warehouse] = used.get((line_no, shipment.warehouse), 0) + quantity
        return used

    @once
    def free(self) -> dict[tuple[int, str], int]:
        """Per line and warehouse: promised there and in no shipment yet. Gross, so that a dispatch changes nothing."""
        if self.stock.heard is None:
            return {}
        free, used = {}, self.used
        for promise in self.stock.heard.promises:
            key = (promise.line_no, promise.warehouse)
            if (left := promise.promised - used.get(key, 0)) > 0:
                free[key] = left
        return free

    @once
    def _free(self) -> dict[int, int]:
        """Per line, at all warehouses together."""
        free: dict[int, int] = {}
        for (line_no, _), quantity in self.free.items():
            free[line_no] = free.get(line_no, 0) + quantity
        return free

    @property
    def _backlog(self) -> dict[int, int]:
        return {} if self.stock.heard is None else {of.line_no: of.backordered for of in self.stock.heard.lines}

    @once
    def counts(self) -> dict[int, Count]:
        """Where the pieces of every line are; Impossible when they do not add up."""
        released: dict[int, int] = {}
        shipped: dict[int, int] = {}
        for shipment in self.shipments:
            if shipment.open:
                for line_no, quantity in released_by(shipment):
                    released[line_no] = released.get(line_no, 0) + quantity
            elif shipment.out:
                for line_no, quantity in shipped_by(shipment):
                    shipped[line_no] = shipped.get(line_no, 0) + quantity
        counts, given_up = {}, self._cancelled
        for line in self.lines:
            no = line.line_no
            cancelled, out, inside = given_up.get(no, 0), shipped.get(no, 0), released.get(no, 0)
            unreleased = line.quantity - cancelled - out - inside
            if unreleased < 0 or cancelled < 0:
                raise Impossible(
                    f"line {no}: {cancelled} cancelled + {inside} released + {out} shipped of {line.quantity} ordered"
                )
            reserved = backordered = 0
            if unreleased:  # seldom after the release
                reserved = min(unreleased, self._free.get(no, 0))
                backordered = min(unreleased - reserved, self._backlog.get(no, 0))
            waiting = unreleased - reserved - backordered
            counts[no] = Count(line.quantity, cancelled, waiting, backordered, reserved, inside, out)
        return counts

    @once
    def open(self) -> bool:
        """Something is neither shipped nor cancelled."""
        return any(count.unreleased or count.released for count in self.counts.values())

    @property
    def released(self) -> bool:
        return any(count.released for count in self.counts.values())

    @property
    def all_cancelled(self) -> bool:
        return bool(self.progress.cancelled) and all(count.cancelled == count.ordered for count in self.counts.values())

    def free_to_release(self) -> dict[str, dict[int, int]]:
        """Warehouse -> line -> pieces, from as few warehouses as can be and never more than is unreleased."""
        left = {no: count.unreleased for no, count in self.counts.items() if count.unreleased}
        if not left or not self.free:
            return {}
        at: dict[str, dict[int, int]] = {}
        for (line_no, warehouse), quantity in self.free.items():
            if line_no in left:
                at.setdefault(warehouse, {})[line_no] = quantity
        split: dict[str, dict[int, int]] = {}
        for warehouse in sorted(at, key=lambda w: (-sum(min(q, left[no]) for no, q in at[w].items()), w)):
            take = {no: min(quantity, left[no]) for no, quantity in sorted(at[warehouse].items()) if left[no]}
            if take:
                split[warehouse] = take
                for no, quantity in take.items():
                    left[no] -= quantity
        return split

    def only_charges(self, line_numbers: Iterable[int]) -> bool:
        """Nothing among these lines is goods: postage and services, which have nothing to travel with."""
        kinds = {line.line_no: line.kind for line in self.lines}
        return all(kinds[no] != "goods" for no in line_numbers)

    def line(self, line_no: int) -> Line:
        for line in self.lines:
            if line.line_no == line_no:
                return line
        raise Impossible(f"order {self.header.number} has no line {line_no}")

    def shipment(self, shipment_id: UUID) -> Shipment:
        for shipment in self.shipments:
            if shipment.shipment_id == shipment_id:
                return shipment
        raise Impossible(f"order {self.header.number} never planned shipment {shipment_id}")

    def return_of(self, return_id: UUID) -> Return:
        for goods in self.returns:
            if goods.return_id == return_id:
                return goods
        raise Impossible(f"order {self.header.number} has no return {return_id}")

    def returnable(self, shipment_id: UUID) -> dict[int, int]:
        """Per line: pieces of that shipment that are out and in no other return."""
        left = dict(shipped_by(self.shipment(shipment_id)))
        for other in self.returns:
            if other.shipment_id == shipment_id:
                for line_no, quantity in coming_back(other):
                    left[line_no] = left.get(line_no, 0) - quantity
        return left

    # New values

    def but(self, **changes: Any) -> "Order":
        """The same order with these fields changed. What does not derive from them is kept: an event changes little."""
        after = object.__new__(Order)
        after.__dict__.update(self.__dict__)
        for field in changes:
            for name in DERIVED_FROM[field]:
                after.__dict__.pop(name, None)
        after.__dict__.update(changes)
        return after

    def moved(self, **changes: Any) -> "Order":
        """The same order with these fields of its progress changed."""
        progress = replace(self.progress, **changes)
        if "cancelled" in changes:  # nothing else of the progress enters a quantity
            return self.but(progress=progress, lines=self.lines)
        return self.but(progress=progress)

    def telling(self, kind: type[OrderStatement], reason: str = "") -> "Order":
        return self.but(news=(*self.news, (kind, reason)))

    def with_shipment(self, shipment: Shipment) -> "Order":
        """With this one instead of the known one, or after all others: they are numbered as they are planned."""
        by_seq = {known.seq: known for known in self.shipments}
        by_seq[shipment.seq] = shipment
        return self.but(shipments=tuple(by_seq.values()))

    def with_return(self, goods: Return) -> "Order":
        others = tuple(known for known in self.returns if known.return_id != goods.return_id)
        return self.but(returns=tuple(sorted((*others, goods), key=lambda known: known.return_id)))

    def shipment_id(self, seq: int) -> UUID:
        """Made from the order and a running number: asked for twice, it is the same shipment (I11)."""
        return uuid5(self.id, f"shipment {seq}")


DERIVED_FROM: dict[str, tuple[str, ...]] = {
    "header": ("due", "secured", "status"),
    "lines": ("due", "secured", "wanted", "_cancelled", "used", "free", "_free", "counts", "open", "status"),
    "progress": ("status",),
    "stock": ("free", "_free", "counts", "open", "status"),
    "money": ("due", "secured", "status"),
    "shipments": ("used", "free", "_free", "counts", "open", "status"),
    "returns": ("status",),
    "news": (),
}
"""Field of an order -> what is derived from it and forgotten with it. A cancellation counts as a change of lines."""


def priced(lines: Sequence[Line]) -> Sequence[PriceLine]:
    """The lines for the arithmetic of money: a row has the same fields, so no message need be made of it."""
    return cast(Sequence[PriceLine], lines)


def used_by(shipment: Shipment) -> Pieces:
    """What a shipment takes of the promise at its warehouse."""
    if shipment.open:
        return shipment.planned
    return tuple((of.line_no, of.shipped + of.short) for of in _said(shipment))


def released_by(shipment: Shipment) -> Pieces:
    """Planned less short, of a shipment that is open."""
    short = {of.line_no: of.short for of in _said(shipment) if of.short}
    if not short:
        return shipment.planned
    return tuple((line_no, quantity - short.get(line_no, 0)) for line_no, quantity in shipment.planned)


def shipped_by(shipment: Shipment) -> Pieces:
    """What went out with a shipment; nothing before the hand-over."""
    return tuple([(of.line_no, of.shipped) for of in _said(shipment) if of.shipped]) if shipment.out else ()


def coming_back(goods: Return) -> Pieces:
    """What a return takes up of its shipment: all that may still come, or what was accepted in the end."""
    if goods.heard is None:
        return goods.wanted
    if goods.heard.state == "closed":
        return accepted_of(goods)
    return tuple((of.line_no, max(of.expected, of.received, of.accepted)) for of in goods.heard.lines)


def accepted_of(goods: Return) -> Pieces:
    """Pieces of a return that are to be refunded, in all."""
    if goods.heard is None:
        return ()
    return tuple(sorted((of.line_no, of.accepted) for of in goods.heard.lines if of.accepted))


def merged(*parts: Pieces) -> Pieces:
    """The sum per line, without zeros."""
    total: dict[int, int] = {}
    for part in parts:
        for line_no, quantity in part:
            total[line_no] = total.get(line_no, 0) + quantity
    return pieces(total)


def pieces(quantities: Mapping[int, int]) -> Pieces:
    """Sorted and without zeros, so that equal quantities are equal values."""
    return tuple(sorted((line_no, quantity) for line_no, quantity in quantities.items() if quantity))


def limited(limits: Limits, line_no: int, warehouse: str, most: int) -> Limits:
    """The limits with this one set."""
    kept = {(no, at): limit for no, at, limit in limits}
    kept[line_no, warehouse] = most
    return tuple(sorted((no, at, limit) for (no, at), limit in kept.items()))


def _said(shipment: Shipment) -> tuple[ShipmentLine, ...]:
    return () if shipment.heard is None else shipment.heard.lines
