"""What must hold: after every decision, in every local state, in every state of the suite, and when all is at rest.

Numbers I3, I4, ... are those of the invariants that `comptoir verify` checks on live databases.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from comptoir.explore.machine import BILLING_, FULFILMENT_, INVENTORY_, ORDER_, Machine
from comptoir.explore.setups import SetUp
from comptoir.explore.world import order_of
from services.billing.domain import journal, rule
from services.billing.domain import rows as billing
from services.fulfilment import domain as fulfilment
from services.inventory import domain as inventory
from services.order.quantities import Impossible, Order, accepted_of, shipped_by
from services.order.rows import Money, Progress
from services.order.saga import status_of
from services.order.waits import waits
from shared.contracts.fulfilment import OUT, ShipmentStatement
from shared.contracts.message import Message
from shared.contracts.order import FINAL, OrderCancelled, OrderCompleted, OrderConfirmed, OrderExpired
from shared.messaging.decision import Effect

Breaches = Iterator[str]


# After one decision


def check_decision(
    machine: Machine, service: int, before: int, after: int, message: Message, effects: list[Effect]
) -> str:
    """The first law that one decision breaks, or nothing."""
    if service == ORDER_:
        found = _final_is_final(machine, before, after, effects)
    elif service == INVENTORY_:
        found = _movements(machine, before, after, message, effects)
    elif service == BILLING_:
        found = _ledger(machine, before, after, effects)
    else:
        found = iter(())
    return next(found, "")


def _final_is_final(machine: Machine, before: int, after: int, effects: list[Effect]) -> Breaches:
    was = {p.order_id: p for p in machine.all(before, Progress)}
    now = {p.order_id: p for p in machine.all(after, Progress)}
    for order_id, old in was.items():
        if old.status in FINAL and now[order_id].status != old.status:
            yield f"I7: the order was {old.status}, which is final, and is now {now[order_id].status}"
        if old.confirmed and any(isinstance(e, OrderConfirmed) and e.order_id == order_id for e in effects):
            yield "I7: the order is confirmed twice"
        said = any(isinstance(e, OrderCancelled | OrderCompleted) and e.order_id == order_id for e in effects)
        if said and old.status in FINAL:
            yield "I7: an end is announced twice"
        if now[order_id].status in FINAL and old.status not in FINAL and not said:
            yield f"I7: the order is {now[order_id].status} and nobody is told"
        if any(isinstance(e, OrderExpired) and e.order_id == order_id for e in effects):
            money = next(m for m in machine.all(before, Money) if m.order_id == order_id)
            if money.due is not None and money.secured >= money.due:
                yield "an order expires although its money is secured"


def _movements(machine: Machine, before: int, after: int, message: Message, effects: list[Effect]) -> Breaches:
    moved: Counter[tuple[str, str]] = Counter()
    for effect in effects:
        if isinstance(effect, inventory.Movement):
            moved[effect.sku, effect.warehouse] += effect.on_hand
    was = {(x.sku, x.warehouse): x.on_hand for x in machine.all(before, inventory.Level)}
    for x in machine.all(after, inventory.Level):
        if x.on_hand - was.get((x.sku, x.warehouse), 0) != moved[x.sku, x.warehouse]:
            yield f"I1: {x.sku} at {x.warehouse} changed by something else than its movements"
    if not isinstance(message, ShipmentStatement):
        return
    old = {(r.order_id, r.line_no, r.warehouse): r for r in machine.all(before, inventory.Reservation)}
    for r in machine.all(after, inventory.Reservation):
        held = old.get((r.order_id, r.line_no, r.warehouse))
        gone = r.issued + r.lost - (held.issued + held.lost if held else 0)
        if gone > (held.reserved if held else 0) and machine.strict:
            yield f"I4: {gone} of line {r.line_no} left {r.warehouse}, {held.reserved if held else 0} were reserved"


def _ledger(machine: Machine, before: int, after: int, effects: list[Effect]) -> Breaches:
    booked: Counter[Any] = Counter()
    for effect in effects:
        if isinstance(effect, billing.Posting) and effect.account in (journal.RECEIVABLE, journal.PREPAYMENTS):
            booked[effect.order_id] += effect.amount  # type: ignore[assignment]
    was = {a.order_id: journal.balance(a) for a in machine.all(before, billing.Account)}
    for a in machine.all(after, billing.Account):
        if journal.balance(a) - was.get(a.order_id, Decimal(0)) != booked[a.order_id]:
            yield "I13: what the customer owes changed by something else than postings"


# In one local state


def check_local(machine: Machine, setup: SetUp, service: int, local: int) -> tuple[str, ...]:
    """All that is wrong with the rows of one service."""
    return tuple(_LOCAL[service](machine, setup, local))


def _order(machine: Machine, setup: SetUp, local: int) -> Breaches:
    for n in range(len(setup.orders)):
        of = order_of(machine, local, setup.order_id(n))
        if of is None:
            continue
        try:
            counts = of.counts
        except Impossible as error:
            yield f"I5: {error}"
            continue
        if of.progress.status not in FINAL and not waits(of):
            yield f"I8: the order is {of.progress.status} and waits for nobody"
        if of.progress.status != status_of(of):
            yield f"I7: the order says {of.progress.status}, its rows say {status_of(of)}"
        returned: Counter[tuple[Any, int]] = Counter()
        for goods in of.returns:
            for no, quantity in accepted_of(goods):
                returned[goods.shipment_id, no] += quantity
        shipped = {(s.shipment_id, no): quantity for s in of.shipments for no, quantity in shipped_by(s)}
        for (shipment_id, no), quantity in returned.items():
            known = of.shipment(shipment_id)
            if known.out and quantity > shipped.get((shipment_id, no), 0):
                yield f"I5: line {no}: {quantity} returned of {shipped.get((shipment_id, no), 0)} shipped"
        for statement in _heard(of):
            again = machine.outcome(local, machine.message(ORDER_, statement, told=False))
            if again.breach or again.sent or again.local != local:
                yield f"hearing {type(statement).__name__} again is not nothing {again.breach}"
        cancelled = sum(count.cancelled for count in counts.values())
        if setup.most_cancelled is not None and cancelled > setup.most_cancelled:
            yield f"{cancelled} pieces are cancelled, nobody asked for more than {setup.most_cancelled}"
        if of.progress.status == "cancelled" and any(count.shipped for count in counts.values()):
            yield "I10: the order is cancelled and shipped"


def _heard(of: Order) -> Iterator[Message]:
    """Everything that the order was told last, as it was told."""
    for heard in (of.stock.heard, of.money.heard, *(s.heard for s in of.shipments), *(r.heard for r in of.returns)):
        if heard is not None:
            news = type(heard).__subclasses__()[0]  # which of the family does not matter
            yield news.model_construct(heard.model_fields_set, **heard.__dict__)


def _inventory(machine: Machine, setup: SetUp, local: int) -> Breaches:
    reserved: Counter[tuple[str, str]] = Counter()
    for r in machine.all(local, inventory.Reservation):
        if min(r.reserved, r.issued, r.lost) < 0:
            yield f"I3: a reservation is negative: {r}"
        if r.stocked:
            reserved[r.sku, r.warehouse] += r.reserved
    for x in machine.all(local, inventory.Level):
        if not 0 <= x.reserved <= x.on_hand:
            yield f"I3: {x.reserved} of {x.sku} are reserved at {x.warehouse}, {x.on_hand} are on hand"
        if x.reserved != reserved[x.sku, x.warehouse]:
            held = reserved[x.sku, x.warehouse]
            yield f"I2: {x.reserved} of {x.sku} are reserved at {x.warehouse}, orders hold {held}"
    waiting: Counter[str] = Counter()
    backordered: Counter[str] = Counter()
    for q in machine.all(local, inventory.Queued):
        waiting[q.sku] += q.quantity
    for d in machine.all(local, inventory.Demand):
        backordered[d.sku] += d.backordered
    for queue in machine.all(local, inventory.Queue):
        inside, wanted = waiting[queue.sku], backordered[queue.sku]
        if not queue.waiting == inside == wanted == sum(pieces for _, pieces in queue.sums):
            yield f"the queue of {queue.sku} says {queue.waiting}, holds {inside}, orders wait for {wanted}"


def _fulfilment(machine: Machine, setup: SetUp, local: int) -> Breaches:
    accepted: Counter[tuple[Any, int]] = Counter()
    for goods in machine.all(local, fulfilment.Return):
        for of in goods.lines:
            accepted[goods.shipment_id, of.line_no] += of.accepted
            if of.accepted > of.received and not goods.claimed:
                yield f"I5: {of.accepted} accepted of {of.received} received"
    for s in machine.all(local, fulfilment.Shipment):
        out = s.shipped()
        for line in s.lines:
            if accepted[s.shipment_id, line.line_no] > out.get(line.line_no, 0):
                yield f"I5: more of line {line.line_no} accepted back than was shipped"


def _billing(machine: Machine, setup: SetUp, local: int) -> Breaches:
    for a in machine.all(local, billing.Account):
        if not 0 <= a.refunded <= a.captured:
            yield f"I12: {a.refunded} refunded of {a.captured} captured"
        if any(hold.left < 0 or not 0 <= hold.refunded <= hold.captured for hold in a.holds):
            yield f"I12: an authorisation is overdrawn: {a.holds}"
        if a.credited > a.invoiced:
            yield f"I16: {a.credited} credited of {a.invoiced} invoiced"
        if rule.secured(a) < 0:
            yield f"I12: secured is {rule.secured(a)}"
        if a.method == "bank_transfer" and rule.owed(a) > 0:
            yield f"goods for {rule.owed(a)} are out that were to be paid in advance"
        if a.refunded > a.credited and a.captured - a.refunded < a.invoiced - a.credited:
            yield f"I12: {a.captured} in, {a.refunded} back for {a.invoiced} invoiced, {a.credited} credited"
        if len({i.shipment_id for i in a.invoices}) != len(a.invoices):
            yield "I16: a shipment is invoiced twice"


_LOCAL = (_order, _inventory, _fulfilment, _billing)


# In one state of the suite


class Summary:
    """What the laws over all services look at, computed once per local state."""

    __slots__ = ("cancelled", "held", "known", "out", "said")

    def __init__(self, machine: Machine, setup: SetUp, service: int, local: int) -> None:
        self.known: dict[Any, int] = {}  # thing -> version that the order knows
        self.said: dict[Any, int] = {}  # thing -> version that its owner is at
        self.cancelled: frozenset[Any] = frozenset()  # orders that are cancelled
        self.out: frozenset[Any] = frozenset()  # orders with goods out
        self.held: frozenset[Any] = frozenset()  # orders with shipments that are open
        if service == ORDER_:
            for n in range(len(setup.orders)):
                of = order_of(machine, local, setup.order_id(n))
                if of is None:
                    continue
                if of.progress.status == "cancelled":
                    self.cancelled |= {of.id}
                if of.stock.heard is not None:
                    self.known["stock", of.id] = of.stock.heard.version
                if of.money.heard is not None:
                    self.known["money", of.id] = of.money.heard.version
                for s in of.shipments:
                    if s.heard is not None:
                        self.known["shipment", s.shipment_id] = s.heard.version
                for r in of.returns:
                    if r.heard is not None:
                        self.known["return", r.return_id] = r.heard.version
        elif service == INVENTORY_:
            self.said = {("stock", o.order_id): o.version for o in machine.all(local, inventory.StockOrder)}
        elif service == FULFILMENT_:
            self.said = {("shipment", s.shipment_id): s.version for s in machine.all(local, fulfilment.Shipment)}
            self.said |= {("return", r.return_id): r.version for r in machine.all(local, fulfilment.Return)}
            shipments = machine.all(local, fulfilment.Shipment)
            self.out = frozenset(s.order_id for s in shipments if s.state in OUT)
            self.held = frozenset(s.order_id for s in shipments if s.state in fulfilment.OPEN)
        else:
            self.said = {("money", a.order_id): a.version for a in machine.all(local, billing.Account)}


def check_state(order: Summary, inventory: Summary, fulfilment: Summary, billing: Summary) -> str:
    """The laws between services that hold at every moment."""
    for thing, version in order.known.items():
        owner = inventory if thing[0] == "stock" else billing if thing[0] == "money" else fulfilment
        if version > owner.said.get(thing, 0):
            return f"I21: the order knows {thing[0]} {version}, its owner is at {owner.said.get(thing, 0)}"
    if order.cancelled:
        if order.cancelled & fulfilment.out:
            return "I10: the order is cancelled and its goods are out"
        if order.cancelled & fulfilment.held:
            return "I9: the order is cancelled and a shipment of it is open"
    return ""


# At rest


def check_rest(machine: Machine, setup: SetUp, state: tuple[int, int, int, int]) -> str:
    """What must hold when nothing more happens by itself."""
    return next(_at_rest(machine, setup, state), "")


def _at_rest(machine: Machine, setup: SetUp, state: tuple[int, int, int, int]) -> Breaches:
    armed = {machine.things[n][0] for n in machine.locals[state[INVENTORY_]].timers}
    accounts = {a.order_id: a for a in machine.all(state[BILLING_], billing.Account)}
    stock = {o.order_id: o for o in machine.all(state[INVENTORY_], inventory.StockOrder)}
    labels = machine.all(state[FULFILMENT_], fulfilment.Shipment)
    for n in range(len(setup.orders)):
        of = order_of(machine, state[ORDER_], setup.order_id(n))
        assert of is not None
        status = of.progress.status
        late = any(count.backordered for count in of.counts.values())
        if status not in FINAL and not (late and f"promise:{of.id}" in armed):
            why = "; ".join(wait.why for wait in waits(of))
            yield f"the order rests in {status} ({why})"
        account, held = accounts.get(of.id), stock.get(of.id)
        if account is None or held is None:
            yield "billing or inventory never heard of the order"
            continue
        if (of.stock.asked, of.money.asked) != (held.answers, account.answers):
            yield "I21: an ask was not heard by whom it was for"
        if of.stock.heard is None or of.stock.heard.version != held.version:
            yield "I21: the order does not know the newest word of inventory"
        if of.money.heard is None or of.money.heard.version != account.version:
            yield "I21: the order does not know the newest word of billing"
        yield from _goods_agree(machine, state, of)
        if status in FINAL:
            for r in machine.all(state[INVENTORY_], inventory.Reservation):
                if r.order_id == of.id and r.reserved:
                    yield f"I9: the order is {status} and {r.reserved} are reserved for it"
            if rule.held(account) != account.invoiced - account.credited:
                yield (
                    f"I12: {rule.held(account)} is held for {account.invoiced} invoiced, {account.credited} credited"
                )
            if rule.authorised(account) or account.running or account.custody:
                yield "I12: money is still authorised, on its way, or with the carrier"
        for s in labels:
            if s.order_id == of.id and s.state in ("cancelled", "rejected") and s.label in ("wanted", "bought"):
                yield f"I9: the label of a {s.state} shipment stays"
            if s.order_id == of.id and s.label == "void_wanted":
                yield "I9: a label was never voided"


def _goods_agree(machine: Machine, state: tuple[int, int, int, int], of: Any) -> Breaches:
    theirs = {s.shipment_id: s for s in machine.all(state[FULFILMENT_], fulfilment.Shipment) if s.order_id == of.id}
    for s in of.shipments:
        there = theirs.pop(s.shipment_id, None)
        if there is None or s.heard is None or s.heard.version != there.version:
            yield f"I21: order and fulfilment disagree on shipment {s.seq}"
    if theirs:
        yield "I11: fulfilment has a shipment that the order does not know"
    returns = {r.return_id: r.heard and r.heard.version for r in of.returns}
    for r in machine.all(state[FULFILMENT_], fulfilment.Return):
        if r.order_id == of.id and returns.get(r.return_id) != r.version:
            yield "I21: order and fulfilment disagree on a return"
    issued: Counter[int] = Counter()
    for r in machine.all(state[INVENTORY_], inventory.Reservation):
        if r.order_id == of.id:
            issued[r.line_no] += r.issued
    for no, count in of.counts.items():
        if issued[no] != count.shipped:
            yield f"line {no}: {count.shipped} shipped, {issued[no]} issued"
