"""Orders: I5 to I8, I10, I11 and I19, over one order with its history."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from comptoir.invariants.law import law
from services.order.kits import kits, per_kit
from services.order.quantities import Order, accepted_of, shipped_by
from services.order.rows import History
from services.order.saga import status_of, unanswered
from services.order.waits import waits
from shared.contracts.money import totals, unit_of
from shared.contracts.order import FINAL
from shared.contracts.values import PriceLine

TIMERS = ("pay_by", "consent_by", "answer_by", "refused_until")


@dataclass(frozen=True, slots=True)
class Case:
    """An order as the order service has it. `timers`: those of TIMERS that are set in the store for it.

    `parked`: one of its messages waits for a person, so a timer may be missing.
    """

    order: Order
    history: tuple[History, ...]
    timers: frozenset[str]
    parked: bool = False

    @property
    def name(self) -> str:
        return f"order {self.order.header.number}"


@dataclass(frozen=True, slots=True)
class Parts:
    """How many rows of each kind an order has that must be there once, and how many lines."""

    order_id: UUID
    headers: int
    stocks: int
    moneys: int
    lines: int


@dataclass(frozen=True, slots=True)
class ExternalId:
    """A channel's own number, the orders that carry it, and the order that the register names."""

    channel: str
    external_id: str
    orders: Sequence[UUID]
    registered: UUID | None


@dataclass(frozen=True, slots=True)
class Document:
    """A shipment or return of fulfilment beside its history."""

    kind: str
    document_id: UUID
    version: int
    state: str
    versions: int  # distinct ones in the history
    newest: int
    newest_state: str


@law("I5", "shipped within ordered less cancelled, returned in shipped")
def shipped_within_ordered(case: Case) -> Iterator[str]:
    """Summed over parcels and returns, never over events."""
    order = case.order
    shipped: dict[int, int] = {}
    left: dict[tuple[UUID, int], int] = {}
    for shipment in order.shipments:
        # a return may be heard of before the hand-over that it follows
        pieces = shipped_by(shipment) if shipment.out else shipment.planned
        for line_no, quantity in pieces:
            left[shipment.shipment_id, line_no] = quantity
            if shipment.out:
                shipped[line_no] = shipped.get(line_no, 0) + quantity
    for line in order.lines:
        out, cancelled = shipped.pop(line.line_no, 0), order.cancelled(line.line_no)
        if out > line.quantity - cancelled or cancelled < 0:
            yield f"{case.name} line {line.line_no}: {out} shipped, {line.quantity} ordered less {cancelled} cancelled"
    for line_no, quantity in shipped.items():
        yield f"{case.name} line {line_no}: {quantity} shipped, but there is no such line"
    returned: dict[tuple[UUID, int], int] = {}
    for goods in order.returns:
        for line_no, quantity in accepted_of(goods):
            key = goods.shipment_id, line_no
            returned[key] = returned.get(key, 0) + quantity
    for (shipment_id, line_no), quantity in returned.items():
        if quantity > (most := left.get((shipment_id, line_no), 0)):
            yield f"{case.name} line {line_no}: {quantity} returned of {most} in shipment {shipment_id}"


@law("I5", "kits are whole: their lines in proportion, given up together")
def kits_are_whole(case: Case) -> Iterator[str]:
    """What is given up of one component is given up of all, as far as it is not out."""
    order = case.order
    for no, lines in kits(order.lines).items():
        sold = {line.kit for line in lines}
        if len(sold) > 1 or lines[0].line_no != no:
            yield f"{case.name} kit {no}: its lines are not of one kit"
        elif any(line.kit is None or line.quantity % line.kit.count for line in lines):
            yield f"{case.name} kit {no}: its lines are no whole number of kits"
        else:
            wanted = dict(order.progress.cancel_wanted)
            sets = max(-(-wanted.get(line.line_no, 0) // per_kit(line)) for line in lines)
            for line in lines:
                most = line.quantity - order.counts[line.line_no].shipped
                if (gone := wanted.get(line.line_no, 0)) < min(sets * per_kit(line), most):
                    yield f"{case.name} line {line.line_no}: {gone} given up where {sets} of kit {no} are"


@law("I6", "the total is the sum of lines and VAT, invoices sum to it")
def the_total_adds_up(case: Case) -> Iterator[str]:
    """Whatever the split, the invoices are worth exactly what was shipped with them, to the minor unit."""
    order, header = case.order, case.order.header
    prices = cast(Sequence[PriceLine], order.lines)  # a row has the same fields, and there are very many
    whole = totals(prices, inclusive=header.prices_include_vat, unit=unit_of(header.currency))
    if (whole.net, whole.vat, whole.gross) != (header.net, header.vat, header.gross):
        yield (
            f"{case.name}: net {header.net:f} + VAT {header.vat:f} = {header.gross:f}, its lines come to "
            f"{whole.net:f} + {whole.vat:f} = {whole.gross:f}"
        )
    heard = order.money.heard
    if heard is None or not heard.invoiced:
        return
    invoiced = {of.shipment_id for of in heard.invoiced}
    quantities: dict[int, int] = {}
    for shipment in order.shipments:
        if shipment.shipment_id in invoiced:
            for line_no, quantity in shipped_by(shipment):
                quantities[line_no] = quantities.get(line_no, 0) + quantity
    everything = all(quantities.get(line.line_no, 0) == line.quantity for line in order.lines)
    worth = whole.gross if everything else order.value(quantities)
    billed = sum((of.gross for of in heard.invoiced), worth * 0)
    if billed != worth:
        yield f"{case.name}: {len(heard.invoiced)} invoices sum to {billed:f}, what they are for is worth {worth:f}"


@law("I7", "history has no hole and leads to the status")
def history_leads_to_the_status(case: Case) -> Iterator[str]:
    """Versions are 1 to n, each entry starts where the one before ended, final is final, the status is the fold."""
    order, progress, status = case.order, case.order.progress, ""
    for n, entry in enumerate(case.history, 1):
        if entry.version != n:
            yield f"{case.name}: history has version {entry.version} where {n} should be"
            return
        if entry.before != status:
            yield f"{case.name}: history version {n} starts from '{entry.before}', the one before ended in '{status}'"
        if status in FINAL and entry.after != status:
            yield f"{case.name}: was {status}, which is final, and became {entry.after} in version {n}"
        status = entry.after
    if progress.version != len(case.history):
        yield f"{case.name}: at version {progress.version}, its history has {len(case.history)}"
    if progress.status != status:
        yield f"{case.name}: is {progress.status}, its history ends in '{status}'"
    if (derived := status_of(order)) != progress.status:
        yield f"{case.name}: is {progress.status}, what is known of it makes it {derived}"


@law("I7", "shipments and returns have a history without hole")
def documents_have_their_history(document: Document) -> Iterator[str]:
    name = f"{document.kind} {document.document_id}"
    if not document.version == document.newest == document.versions:
        yield (
            f"{name}: at version {document.version}, its history has {document.versions} and ends with "
            f"{document.newest}"
        )
    elif document.state != document.newest_state:
        yield f"{name}: is {document.state}, its history ends in {document.newest_state}"


@law("I8", "no order is stuck: somebody must act, or a timer is set")
def nothing_is_stuck(case: Case) -> Iterator[str]:
    progress = case.order.progress
    if progress.status not in FINAL and not waits(case.order):
        yield f"{case.name}: is {progress.status} and waits for nobody"
    ask = next(unanswered(case.order), None)
    if ask is not None and progress.answer_by is None:
        yield f"{case.name}: {ask.key} is not answered, and no timer will ask again"
    if case.parked:
        return
    for timer in TIMERS:
        due_at = getattr(progress, timer)
        if due_at is not None and timer not in case.timers:
            yield f"{case.name}: {timer} says {due_at:%Y-%m-%d %H:%M:%S}, but the timer is not set"


@law("I10", "no order is both shipped and cancelled")
def never_shipped_and_cancelled(case: Case) -> Iterator[str]:
    if case.order.progress.status != "cancelled":
        return
    for shipment in case.order.shipments:
        if shipment.out and shipment.heard is not None:
            yield f"{case.name}: is cancelled, and its shipment {shipment.shipment_id} is {shipment.heard.state}"


@law("I11", "one saga per order")
def one_saga_per_order(parts: Parts) -> Iterator[str]:
    for what, count in (("header", parts.headers), ("stock", parts.stocks), ("money", parts.moneys)):
        if count != 1:
            yield f"order {parts.order_id}: has {count} rows of {what} instead of 1"
    if not parts.lines:
        yield f"order {parts.order_id}: has 0 lines, at least 1 was ordered"


@law("I11", "one order per channel and external id")
def one_order_per_external_id(known: ExternalId) -> Iterator[str]:
    name = f"{known.external_id} of {known.channel}"
    if len(known.orders) != 1:
        yield f"{name}: {len(known.orders)} orders carry it: {', '.join(map(str, known.orders))}"
    elif known.registered != known.orders[0]:
        yield f"{name}: is order {known.orders[0]}, registered is {known.registered}"


@law("I11", "one shipment per order and split number")
def one_shipment_per_split(case: Case) -> Iterator[str]:
    for n, shipment in enumerate(case.order.shipments, 1):
        if shipment.seq != n:
            yield f"{case.name}: has shipment {shipment.seq} where {n} should be"
        elif shipment.shipment_id != (made := case.order.shipment_id(n)):
            yield f"{case.name}: shipment {n} is {shipment.shipment_id}, it should be {made}"


@law("I19", "no message had its effect on an order twice")
def no_effect_twice(case: Case) -> Iterator[str]:
    seen: dict[UUID, int] = {}
    for entry in case.history:
        if (before := seen.setdefault(entry.cause, entry.version)) != entry.version:
            yield f"{case.name}: versions {before} and {entry.version} are both the effect of message {entry.cause}"
