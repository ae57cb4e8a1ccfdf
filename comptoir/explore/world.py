"""What may happen from outside: people's wishes, the warehouse, the carrier, the provider, the bank, and timers.

A move without a cost happens sooner or later by itself; a wish or a fault may happen or not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import uuid5

from comptoir.explore.machine import BILLING_, FULFILMENT_, INVENTORY_, ORDER_, SERVICES, T0, Action, Machine
from comptoir.explore.setups import SetUp
from services.billing.domain import rows as billing
from services.billing.domain import rule
from services.fulfilment import domain as fulfilment
from services.inventory import domain as inventory
from services.order import rows as order
from services.order.domain import to_order
from services.order.quantities import Order, pieces
from shared.contracts.billing import (
    BankMoneyArrived,
    CallProvider,
    CashRemitted,
    PayAgain,
    ProviderAnswered,
    ResumeOperation,
)
from shared.contracts.fulfilment import (
    OUT,
    CallCarrier,
    CloseReturn,
    DispatchShipment,
    InspectedLine,
    InspectReturn,
    LabelAnswered,
    PackShipment,
    PickShipment,
    ReceiveReturn,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    ReturnedLine,
    ShortLine,
)
from shared.contracts.inventory import CountStock, FindHolders, HoldersFound, ReceiveStock, StockLine
from shared.contracts.order import AcceptDate, CancelOrder, EditOrder, HoldOrder, ReleaseHold, ReturnGoods
from shared.contracts.values import LineQuantity

CHECK = "check"


@dataclass(frozen=True, slots=True)
class Move:
    """Something from outside that may reach a service next."""

    service: int
    action: Action
    says: str
    wish: str = ""
    fault: str = ""


def moves(machine: Machine, setup: SetUp, service: int, local: int) -> tuple[Move, ...]:
    """All that may reach a service in this local state, besides messages. Depends on nothing else."""
    return tuple(_MOVES[service](machine, setup, local))


def order_of(machine: Machine, local: int, order_id: object) -> Order | None:
    """The order as its service sees it."""
    rows = machine.rows(local)
    progress = rows.get((order.Progress, order_id))
    if not progress:
        return None
    find = {kind: rows.get((kind, order_id), []) for kind, _ in to_order(progress[0])}
    return Order(
        header=find[order.Header][0],  # type: ignore[arg-type]
        lines=tuple(find[order.Line]),  # type: ignore[arg-type]
        progress=progress[0],  # type: ignore[arg-type]
        stock=find[order.Stock][0],  # type: ignore[arg-type]
        money=find[order.Money][0],  # type: ignore[arg-type]
        shipments=tuple(find[order.Shipment]),  # type: ignore[arg-type]
        returns=tuple(find[order.Return]),  # type: ignore[arg-type]
    )


def _timers(machine: Machine, service: int, local: int) -> Iterator[Move]:
    for number in machine.locals[local].timers:
        key, due, message = machine.things[number]
        kind = key.partition(":")[0]
        says = f"the timer {kind} of {SERVICES[service]} fires"
        move = Move(service, Action(message, timer=key), says)
        if kind == "expiry":
            yield Move(service, move.action, "the authorisation expires", fault="expired")
        elif kind == "promise":
            yield Move(service, Action(message, timer=key, now=due), "the promised day passes", wish="late")
        elif kind == "answer_by":
            yield Move(service, move.action, says, wish="ask again")
        else:
            yield move


# The customer and the staff


def _order_moves(machine: Machine, setup: SetUp, local: int) -> Iterator[Move]:
    wishes = dict(setup.wishes)
    for n in range(len(setup.orders)):
        of = order_of(machine, local, setup.order_id(n))
        if of is None:
            continue
        for reason in of.progress.holds:
            said = ReleaseHold(order_id=of.id, reason=reason, actor="staff")
            yield Move(ORDER_, Action(said), f"staff release the hold '{reason}'")
        if "cancel" in wishes:
            yield Move(ORDER_, Action(CancelOrder(order_id=of.id)), "the customer cancels everything", "cancel")
        if "cancel 1" in wishes:
            one = (LineQuantity(line_no=of.lines[0].line_no, quantity=1),)
            yield Move(ORDER_, Action(CancelOrder(order_id=of.id, lines=one)), "the customer cancels 1", "cancel 1")
        if "hold" in wishes and not of.progress.holds:
            yield Move(ORDER_, Action(HoldOrder(order_id=of.id, reason=CHECK)), "staff hold the order", "hold")
        if "edit" in wishes:
            more = (LineQuantity(line_no=of.lines[0].line_no, quantity=1),)
            yield Move(ORDER_, Action(EditOrder(order_id=of.id, more=more)), "the customer wants 1 more", "edit")
        if "accept" in wishes:
            yield Move(ORDER_, Action(AcceptDate(order_id=of.id)), "the customer accepts the date", "accept")
        if "return" in wishes:
            yield from _returns(of)
    yield from _timers(machine, ORDER_, local)


def _returns(of: Order) -> Iterator[Move]:
    for shipment in of.shipments:
        left = pieces(of.returnable(shipment.shipment_id)) if shipment.out else ()
        if left and left[0][1] > 0:
            said = ReturnGoods(
                order_id=of.id,
                return_id=uuid5(shipment.shipment_id, f"return {len(of.returns)}"),
                shipment_id=shipment.shipment_id,
                lines=(LineQuantity(line_no=left[0][0], quantity=1),),
            )
            yield Move(ORDER_, Action(said), f"the customer returns 1 of shipment {shipment.seq}", "return")


# The shelves


def _inventory_moves(machine: Machine, setup: SetUp, local: int) -> Iterator[Move]:
    wishes = dict(setup.wishes)
    if "receipt" in wishes:
        sku, place = setup.stock[0][0], setup.warehouses[-1]
        goods = ReceiveStock(warehouse=place, reference="later", lines=(StockLine(sku=sku, quantity=1),))
        yield Move(INVENTORY_, Action(goods), f"1 of {sku} arrives at {place}", "receipt")
    if "count" in setup.kinds and setup.faults:
        for level in machine.all(local, inventory.Level):
            if level.on_hand > 0:
                said = CountStock(
                    warehouse=level.warehouse, reference="count", sku=level.sku, counted=level.on_hand - 1
                )
                says = f"a count at {level.warehouse} finds {level.on_hand - 1} of {level.sku}"
                yield Move(INVENTORY_, Action(said), says, fault="count")
    for number in machine.locals[local].calls:
        call = machine.things[number]
        assert isinstance(call, FindHolders)
        orders = {row.order_id: row for row in machine.all(local, inventory.StockOrder)}
        holders = [
            r.order_id
            for r in machine.all(local, inventory.Reservation)
            if r.reserved and (r.sku, r.warehouse) == (call.sku, call.warehouse)
        ]
        youngest = sorted(dict.fromkeys(holders), key=lambda i: (orders[i].placed_at, i), reverse=True)
        found = HoldersFound(
            warehouse=call.warehouse,
            reference=call.reference,
            sku=call.sku,
            counted=call.counted,
            reason=call.reason,
            orders=tuple(youngest),
            attempt=call.attempt,
        )
        yield Move(INVENTORY_, Action(found, call=number), "who holds the missing goods is looked up")
    yield from _timers(machine, INVENTORY_, local)


# Warehouse and carrier


def _fulfilment_moves(machine: Machine, setup: SetUp, local: int) -> Iterator[Move]:
    for number in machine.locals[local].calls:
        call = machine.things[number]
        assert isinstance(call, CallCarrier)
        said = LabelAnswered(
            shipment_id=call.shipment_id, operation=call.operation, outcome="ok", label_id="label", tracking="1Z"
        )
        yield Move(FULFILMENT_, Action(said, call=number), f"the carrier: {call.operation} of the label is ok")
        if call.operation == "buy":
            unknown = said.model_copy(update={"outcome": "unknown", "label_id": "", "tracking": ""})
            yield Move(FULFILMENT_, Action(unknown, call=number), "the carrier does not answer", fault="label")
        else:
            failed = said.model_copy(update={"outcome": "refused", "tracking": ""})
            yield Move(FULFILMENT_, Action(failed, call=number), "the carrier does not void the label", fault="void")
    for s in machine.all(local, fulfilment.Shipment):
        yield from _shipment_moves(s)
    for goods in machine.all(local, fulfilment.Return):
        yield from _return_moves(goods)
    yield from _timers(machine, FULFILMENT_, local)


def _shipment_moves(s: fulfilment.Shipment) -> Iterator[Move]:
    def move(message: object, says: str, fault: str = "") -> Move:
        return Move(FULFILMENT_, Action(message), f"{says} ({s.warehouse})", fault=fault)  # type: ignore[arg-type]

    this = {"shipment_id": s.shipment_id}
    if s.parked:
        yield move(ResumeLabel(**this), "staff resume what is parked")
    if s.state == "planned":
        yield move(PickShipment(**this), "the warehouse picks")
        first = s.lines[0]
        missing = (ShortLine(line_no=first.line_no, quantity=1),)
        yield move(PickShipment(**this, short=missing), "the warehouse picks 1 short", "short")
    if s.state in ("planned", "packed"):
        yield move(RejectShipment(**this, reason="closed"), "the warehouse rejects: closed", "closed")
        yield move(RejectShipment(**this, reason="address"), "the warehouse rejects: address", "address")
    if s.state == "picked" and s.packed_at is None:
        yield move(PackShipment(**this), "the warehouse packs")
    if s.state == "packed":
        yield move(DispatchShipment(**this), "the parcel is handed over")
    if s.state == "dispatched":
        yield move(ReportTracking(**this, status="delivered", at=T0), "the parcel is delivered")
        yield move(ReportTracking(**this, status="refused", at=T0), "the parcel is refused at the door", "door")
        yield move(ReportTracking(**this, status="lost", at=T0), "the parcel is lost", "lost")


def _return_moves(goods: fulfilment.Return) -> Iterator[Move]:
    def move(message: object, says: str, fault: str = "") -> Move:
        return Move(FULFILMENT_, Action(message), f"{says} ({goods.reason or 'return'})", fault=fault)  # type: ignore[arg-type]

    this = {"shipment_id": goods.shipment_id, "return_id": goods.return_id}
    if goods.state == "closed":
        return
    if goods.reason == "lost":
        yield move(CloseReturn(**this, claimed=True), "the parcel is claimed from the carrier")
        return
    left = [(of.line_no, of.expected - of.received) for of in goods.lines if of.expected > of.received]
    if left:
        back = tuple(ReturnedLine(line_no=no, quantity=quantity) for no, quantity in left)
        yield move(ReceiveReturn(**this, lines=back), "the goods come back")
    waiting = [
        (of.line_no, of.received - of.restock - of.quarantine - of.scrap)
        for of in goods.lines
        if of.received > of.restock + of.quarantine + of.scrap
    ]
    if waiting:
        good = tuple(InspectedLine(line_no=no, accepted=q, restock=q) for no, q in waiting)
        yield move(InspectReturn(**this, lines=good), "the goods are inspected: good")
        bad = tuple(InspectedLine(line_no=no, accepted=0, scrap=q) for no, q in waiting)
        yield move(InspectReturn(**this, lines=bad), "the goods are inspected: nothing is accepted", "inspection")


# Provider, bank, and cash


def _billing_moves(machine: Machine, setup: SetUp, local: int) -> Iterator[Move]:
    wishes = dict(setup.wishes)
    for number in machine.locals[local].calls:
        call = machine.things[number]
        assert isinstance(call, CallProvider)
        yield from _provider(setup, call, number)
    accounts = {a.order_id: a for a in machine.all(local, billing.Account)}
    entries = {e.entry_id for e in machine.all(local, billing.BankEntry)}
    for n in range(len(setup.orders)):
        order_id = setup.order_id(n)
        if "transfer" in wishes and f"transfer {n}" not in entries:
            said = _transfer(order_id, f"transfer {n}", setup.worth(n))
            yield Move(BILLING_, Action(said), "the customer's transfer arrives", "transfer")
        a = accounts.get(order_id)
        if a is None or not a.answers:
            continue
        if "pay again" in wishes and a.declined:
            yield Move(BILLING_, Action(PayAgain(order_id=a.order_id)), "the customer pays again", "pay again")
        if a.declined and rule.owed(a) > 0:
            yield Move(BILLING_, Action(PayAgain(order_id=a.order_id)), "the reminded customer pays again")
        if a.parked and a.blocked:
            yield Move(BILLING_, Action(ResumeOperation(order_id=a.order_id)), "staff resume what is parked")
        if a.method == "terms" and rule.owed(a) > 0:
            paid = _transfer(a.order_id, f"paid {n} {a.captured}", rule.owed(a))
            yield Move(BILLING_, Action(paid), "the customer pays the invoice")
        if a.method == "cash_on_delivery" and a.custody:
            yield from _cash(machine, local, a)
    yield from _timers(machine, BILLING_, local)


def _cash(machine: Machine, local: int, a: billing.Account) -> Iterator[Move]:
    remitted = {r.shipment_id for r in machine.all(local, billing.Remittance)}
    for invoice in a.invoices:
        if invoice.shipment_id in a.delivered and invoice.shipment_id not in remitted:
            said = CashRemitted(
                order_id=a.order_id, shipment_id=invoice.shipment_id, amount=invoice.gross, reference="remitted"
            )
            yield Move(BILLING_, Action(said), "the carrier pays out the cash")


def _transfer(order_id: object, entry_id: str, amount: Decimal) -> BankMoneyArrived:
    return BankMoneyArrived(
        entry_id=entry_id,
        order_id=order_id,
        amount=amount,
        currency="EUR",
        booked_on=T0.date(),
    )


def _provider(setup: SetUp, call: CallProvider, number: int) -> Iterator[Move]:
    """Ok, or refused, or no answer: then it may have happened or not, so the same key is asked about until it is ok."""
    expires = "expired" in setup.kinds and setup.faults > 0 and call.kind == "authorise"
    said = ProviderAnswered(
        order_id=call.order_id,
        operation_no=call.operation_no,
        outcome="ok",
        reference="provider",
        expires_at=T0 + timedelta(days=7) if expires else None,
    )
    yield Move(BILLING_, Action(said, call=number), f"the provider: {call.kind} of {call.amount} is ok")
    no = said.model_copy(update={"outcome": "refused", "expires_at": None, "reference": ""})
    fault = "decline" if call.kind == "authorise" else "refused"
    yield Move(BILLING_, Action(no, call=number), f"the provider refuses: {call.kind} of {call.amount}", fault=fault)
    silence = no.model_copy(update={"outcome": "unknown"})
    yield Move(BILLING_, Action(silence, call=number), f"the provider is silent: {call.kind}", fault="time-out")
    if call.kind == "capture":
        gone = no.model_copy(update={"reason": "expired"})
        yield Move(BILLING_, Action(gone, call=number), "the provider: the authorisation has expired", fault="expired")


_MOVES = (_order_moves, _inventory_moves, _fulfilment_moves, _billing_moves)

__all__ = ["OUT", "Move", "moves", "order_of"]
