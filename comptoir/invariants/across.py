"""Across services: I9 and I21. What a service keeps of another's data, and what a cancelled order may leave behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from comptoir.invariants.law import law
from shared.contracts.inventory import StockStatement
from shared.contracts.message import Statement


@dataclass(frozen=True, slots=True)
class Label:
    """The label of one shipment. `in_work`: its voiding waits for its next try or for a person."""

    shipment_id: UUID
    state: str
    in_work: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What the other services have of an order that is cancelled. `in_work`: a refund is under way."""

    name: str
    reserved: int
    captured: Decimal
    refunded: Decimal
    in_work: bool
    open_shipments: tuple[UUID, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Stocked:
    """What inventory would say of one order: (line, warehouse, reserved, issued, lost), and what is not promised."""

    version: int
    answers: int
    promises: tuple[tuple[Any, ...], ...]
    lines: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A statement as the order service heard it, beside the same statement made from its owner's rows now."""

    name: str
    heard: Statement | Stocked | None
    own: Statement | Stocked | None


NOT_TOLD = frozenset({"settled"})
"""Cash that the carrier holds unsettles an account without a statement; whoever acts on it hears the next one."""


@law("I9", "a cancelled order leaves nothing behind", at_rest=True)
def cancelled_leaves_nothing(left: Cancelled) -> Iterator[str]:
    if left.reserved:
        yield f"{left.name}: is cancelled, {left.reserved} pieces are still reserved instead of 0"
    if left.captured != left.refunded and not left.in_work:
        yield f"{left.name}: is cancelled, {left.captured:f} captured and {left.refunded:f} refunded"
    for shipment_id in left.open_shipments:
        yield f"{left.name}: is cancelled, its shipment {shipment_id} is still to be picked"
    for label in left.labels:
        if label.state in ("wanted", "bought", "void_wanted") and not label.in_work:
            yield f"{left.name}: is cancelled, the label of shipment {label.shipment_id} is {label.state}, not voided"


def stocked(heard: StockStatement) -> Stocked:
    """What inventory said, to be compared with its rows."""
    return Stocked(
        heard.version,
        heard.answers,
        tuple([(p.line_no, p.warehouse, p.reserved, p.issued, p.lost) for p in heard.promises]),
        tuple([(of.line_no, of.backordered, of.promised_on, of.rejected, of.reason) for of in heard.lines]),
    )


@law("I21", "no copy is newer than what it was copied from")
def no_copy_from_the_future(copy: Copy) -> Iterator[str]:
    """Holds at any moment if copies were read before their sources."""
    known, newest = copy.heard.version if copy.heard else 0, copy.own.version if copy.own else 0
    if known > newest:
        yield f"{copy.name}: version {known} was heard, its owner is at {newest}"


@law("I21", "what the order heard is what the owners know", at_rest=True)
def copy_is_the_newest(copy: Copy) -> Iterator[str]:
    heard, own = copy.heard, copy.own
    if heard == own or (heard is None and own is not None and not own.version):
        return
    if heard is None or own is None or heard.version != own.version:
        known, newest = ("nothing" if each is None else f"version {each.version}" for each in (heard, own))
        yield f"{copy.name}: {known} was heard, its owner has {newest}"
        return
    names = Stocked.__slots__ if isinstance(heard, Stocked) else tuple(type(heard).model_fields)
    for name in names:
        ours, theirs = getattr(heard, name), getattr(own, name)
        if ours != theirs and name not in NOT_TOLD:
            ours, theirs = _first_difference(ours, theirs)
            yield f"{copy.name}: {name} was heard as {ours}, its owner has {theirs}"


@law("I21", "no service keeps data of an order that does not exist", at_rest=True)
def owner_is_known(what: str, document: UUID, order_id: UUID, known: bool) -> Iterator[str]:
    if not known:
        yield f"{what} {document}: belongs to order {order_id}, of which the order service knows nothing"


def _first_difference(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Of two tuples only the first items that differ, so that a person sees it."""
    if not isinstance(ours, tuple) or not isinstance(theirs, tuple):
        return ours, theirs
    for a, b in zip(ours, theirs, strict=False):
        if a != b:
            return a, b
    return f"{len(ours)} items", f"{len(theirs)} items"
