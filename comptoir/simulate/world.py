"""The world around the suite: customers, staff, warehouses, carrier, bank and provider; and what goes wrong there.

People see what is committed and act on it some time later, through requests; whoever gets no answer asks again. In the
healing phase nothing goes wrong any more, goods arrive, and everybody does what is expected of them.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from comptoir.simulate.laws import BILLING, FULFILMENT, INVENTORY, ORDER, Laws
from comptoir.simulate.machine import T0, Broken, Machine, Node
from comptoir.simulate.outside import Carrier, Provider, said
from comptoir.simulate.plan import HOUR, MINUTE, SECOND, SERVICES, SKUS, Bought, Case, Incident, Plan, Wish, plan_of
from comptoir.simulate.reach import Reached
from services.billing.domain import rows as billing
from services.billing.domain import rule
from services.billing.handlers import HANDLERS as BILLING_HANDLERS
from services.fulfilment.domain import rows as fulfilment
from services.fulfilment.handlers import HANDLERS as FULFILMENT_HANDLERS
from services.inventory.domain import rows as inventory
from services.inventory.handlers import HANDLERS as INVENTORY_HANDLERS
from services.order import rows as order
from services.order.domain import Policy as OrderPolicy
from services.order.handlers import HANDLERS as ORDER_HANDLERS
from shared.contracts.billing import (
    AuthorisePayment,
    BankMoneyArrived,
    CallProvider,
    CashRemitted,
    PayAgain,
    ProviderAnswered,
    ProviderWebhook,
    ResumeOperation,
)
from shared.contracts.fulfilment import (
    CallCarrier,
    CloseReturn,
    DispatchShipment,
    InspectedLine,
    InspectReturn,
    PackShipment,
    PickShipment,
    PlanLine,
    PlanShipment,
    ReceiveReturn,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    ReturnedLine,
    ShipmentDelivered,
    ShortLine,
    ShortWhy,
)
from shared.contracts.inventory import (
    CountStock,
    FindHolders,
    HoldersFound,
    Item,
    ReceiveStock,
    RegisterItems,
    RegisterWarehouse,
    StockLine,
)
from shared.contracts.message import Message
from shared.contracts.order import (
    FINAL,
    AcceptDate,
    CancelOrder,
    EditOrder,
    HoldOrder,
    NewLine,
    PlaceOrder,
    ReleaseHold,
    ReturnGoods,
)
from shared.contracts.values import Address, LineQuantity
from shared.messaging import topology
from shared.messaging.decision import Reply
from shared.messaging.envelope import Packet, envelope, write
from shared.messaging.unit import LADDER, Outcome

ROOT = UUID("5eed0000-0000-5000-8000-000000000000")
BUDGET = 30_000
"""Events after which a history is said to turn in circles."""
HEALED_BY = 240 * HOUR
"""So long after things stop going wrong everything must be at rest."""
CHECK_EVERY = 24
"""Steps between two looks at what was touched."""
LATER = "a new place"
REFUSED_BY_STORE = ("this conflicts with what is there", "a value of the request cannot be stored")
"""No request may come so far: the decision itself must say no."""
ZERO = Decimal(0)
HOME = Address(name="A. Customer", street=("1 High Street",), postcode="10115", city="Berlin", country="DE")


@cache
def readers() -> dict[str, tuple[int, ...]]:
    """Who reads what, by the numbers of the services."""
    found: dict[str, tuple[int, ...]] = {}
    handlers = (ORDER_HANDLERS, INVENTORY_HANDLERS, FULFILMENT_HANDLERS, BILLING_HANDLERS)
    for n, of in enumerate(handlers):
        for key in topology.handled_keys(of):
            found[key] = (*found.get(key, ()), n)
    return found


CHECKS: tuple[dict[Any, Callable[[Any], bool]], ...] = (
    {
        order.Progress: lambda r: r.version > 0,
        order.Header: lambda r: r.net + r.vat == r.gross,
        order.Line: lambda r: r.quantity > 0,
        order.Stock: lambda r: r.asked > 0,
        order.Money: lambda r: r.asked > 0 and r.due >= 0,
        order.Shipment: lambda r: r.seq > 0,
        order.Counter: lambda r: r.last > 0,
    },
    {
        inventory.Queue: lambda r: r.waiting >= 0,
        inventory.Level: lambda r: 0 <= r.reserved <= r.on_hand and r.quarantined >= 0,
        inventory.Demand: lambda r: r.wanted >= 0 and r.backordered >= 0 and r.rejected >= 0,
        inventory.Reservation: lambda r: r.reserved >= 0 and r.issued >= 0 and r.lost >= 0,
        inventory.Queued: lambda r: r.quantity >= 0,
    },
    {
        fulfilment.Shipment: lambda r: (
            r.version > 0
            and (r.state in ("dispatched", "delivered", "refused")) == (r.dispatched_at is not None)
            and (r.state == "delivered") == (r.delivered_at is not None)
        ),
        fulfilment.Return: lambda r: r.version > 0 and (r.state == "closed") == (r.closed_at is not None),
    },
    {
        billing.Account: lambda r: (
            0 <= r.refunded <= r.captured
            and 0 <= r.credited <= r.invoiced
            and r.custody >= 0
            and r.due >= 0
            and r.running in (0, r.operations)
        ),
        billing.Operation: lambda r: r.amount > 0,
        billing.Invoice: lambda r: r.net + r.vat == r.gross,
        billing.CreditNote: lambda r: r.net + r.vat == r.gross,
        billing.BankEntry: lambda r: r.amount > 0 and (r.state == "matched") == (r.order_id is not None),
        billing.Posting: lambda r: r.amount != 0,
    },
)
"""The CHECK constraints of the tables."""
SHOWN: tuple[dict[Any, Callable[[Any], bool]], ...] = (
    {},
    {inventory.Queued: lambda r: r.quantity > 0},
    {},
    {billing.Operation: lambda r: r.state in ("wanted", "unknown")},
)
"""Which rows the stores load, of kinds where that is not all."""


def services(plan: Plan) -> list[tuple[Any, Any, Any, Any]]:
    """Waits are shorter than a shop's, so that no history lasts for weeks; ladders are the shop's."""
    hours = timedelta(hours=1)
    policies = (
        OrderPolicy(
            pay_by={"card": 12 * hours, "bank_transfer": 36 * hours, "terms": hours},
            consent=4 * hours,
            no_consent=plan.no_consent,  # type: ignore[arg-type]
        ),
        inventory.Policy(serve_at_once=2, promise_grace_days=0),
        fulfilment.Policy(
            automatic_warehouses=plan.automatic,
            automatic_returns=plan.automatic_returns,
            call_carrier=plan.labels,
            deliver_after=2 * hours,
            return_within=36 * hours,
            return_look_again=6 * hours,
        ),
        billing.Policy(
            credit_limit=Decimal(300),
            dunning=(8 * hours, 16 * hours, 24 * hours),
            unknown_is_a_task_after=2 * hours,
        ),
    )
    handlers = (ORDER_HANDLERS, INVENTORY_HANDLERS, FULFILMENT_HANDLERS, BILLING_HANDLERS)
    return list(zip(handlers, policies, CHECKS, SHOWN, strict=True))


class World(Machine):
    """One history: the suite and everybody around it."""

    def __init__(self, case: Case, reached: Reached, every: int = CHECK_EVERY) -> None:
        super().__init__(case, services(plan_of(case.seed)), readers())
        self.reached, self.every = reached, every
        self.provider, self.carrier = Provider(), Carrier()
        self.laws = Laws(self, self.provider, self.carrier)
        self.healing = False
        self.people = self.dice("people")
        self.busy: set[tuple[Any, ...]] = set()  # what somebody is about to do
        self.ids_of = {bought.n: uuid5(ROOT, f"{case.seed}/{bought.n}") for bought in self.plan.orders}
        self.numbers = {id: n for n, id in self.ids_of.items()}
        self.pays = {self.ids_of[bought.n]: bought.pays for bought in self.plan.orders}
        self.since_check = 0
        self.poisoned = 0
        self.poisonous: list[UUID] = []

    # From the first order to rest

    def live(self) -> None:
        """Raises Broken when a law is broken."""
        self.begin()
        heap, until = self.heap, self.plan.until
        while heap and heap[0][0] <= until:
            self.advance()
        self.now = max(self.now, until)
        self.laws.check()
        self.heal()
        end = self.now + HEALED_BY
        while heap:
            if heap[0][0] > end:
                raise Broken(
                    f"I8: not at rest {HEALED_BY // HOUR} hours after things stopped going wrong: {self.next()}"
                )
            self.advance()
        self.laws.check()
        self.laws.check_rest()
        if (parked := self.unreadable_parked()) != self.poisoned:
            raise Broken(f"I22: {parked} unreadable messages are parked, {self.poisoned} were sent")
        held = {row.event_id: row for node in self.nodes for row in node.books.parked.values()}
        for id in self.poisonous:
            row = held.get(id)
            if row is None:
                raise Broken(f"I22: event {id}, which nobody can handle, is not parked")
            tries = 1 + len(LADDER) * row.reason.startswith("Missing")
            if row.attempts != tries:
                raise Broken(f"I22: event {id} was parked after {row.attempts} tries instead of {tries}: {row.reason}")

    def advance(self) -> None:
        self.step()
        if self.events > BUDGET:
            raise Broken(f"I8: {BUDGET} events and no rest: {self.next()}")
        if self.since_check >= self.every:
            self.since_check = 0
            self.laws.check()

    def next(self) -> str:
        upcoming = sorted(self.heap, key=lambda item: item[:2])[:3]
        return ", ".join(f"{what.__name__} {args[1:]}"[:160] for _, _, what, args in upcoming)

    def begin(self) -> None:
        plan, case = self.plan, self.case
        for n, place in enumerate(plan.places):
            self.ask(INVENTORY, RegisterWarehouse(code=place, country="DE" if n else "FR", rank=10 * n))
        items = [Item(sku=sku, backorderable=plan.backorderable, lead_days=1) for sku in SKUS]
        items.append(Item(sku="POSTAGE", stocked=False))
        self.ask(INVENTORY, RegisterItems(items=tuple(items)))
        for place in plan.places:
            lines = tuple(StockLine(sku=sku, quantity=n) for sku, at, n in plan.stock if at == place and n)
            if lines:
                self.ask(INVENTORY, ReceiveStock(warehouse=place, reference=f"first {place}", lines=lines))
        for n, (at, sku, place, pieces) in enumerate(plan.receipts):
            goods = ReceiveStock(warehouse=place, reference=f"r{n}", lines=(StockLine(sku=sku, quantity=pieces),))
            self.at(at, self.ask, INVENTORY, goods)
        for bought in plan.orders:
            if case.orders is None or bought.n in case.orders:
                self.at(5 * SECOND + bought.at, self.place, bought)
        for wish in plan.wishes:
            if case.wishes is None or wish.n in case.wishes:
                self.at(5 * SECOND + wish.at, self.wish, wish, 0)
        for incident in plan.incidents:
            if case.incidents is None or incident.n in case.incidents:
                self.at(incident.at, self.strike, incident)

    def heal(self) -> None:
        """Nothing goes wrong from here on, and goods come for everybody."""
        self.tell("world", "from here on nothing goes wrong any more")
        self.healing, self.tape.on = True, False
        self.outage_until = 0
        for node in self.nodes:
            node.clogged_until = 0
            if not node.up:
                node.back_at = self.now
                self.restart(node, node.life)
        self.ask(INVENTORY, RegisterWarehouse(code=LATER, country="DE", rank=99))
        for place in (*self.plan.places, LATER):
            lines = tuple(StockLine(sku=sku, quantity=30) for sku in SKUS)
            goods = ReceiveStock(warehouse=place, reference=f"plenty {place}", lines=lines)
            self.at(self.now + MINUTE, self.ask, INVENTORY, goods)
        for progress in list(self.laws.all(ORDER, order.Progress)):
            self.see_order(progress)
        for account in list(self.laws.all(BILLING, billing.Account)):
            self.see_account(account)
        for shipment in list(self.laws.all(FULFILMENT, fulfilment.Shipment)):
            self.see_shipment(shipment)
        for goods_back in list(self.laws.all(FULFILMENT, fulfilment.Return)):
            self.see_return(goods_back)

    def unreadable_parked(self) -> int:
        return sum(
            1
            for node in self.nodes
            for row in node.books.parked.values()
            if row.event_id is None and row.reason.startswith("Unreadable")
        )

    # What is seen, and by whom

    def committed(self, node: Node, outcome: Outcome) -> None:
        self.since_check += 1
        self.laws.committed(node, outcome)
        self.reached.committed(node, outcome)
        trace = self.trace
        for event, _ in outcome.sent:
            trace = (trace * 1_000_003 ^ event.id.int ^ len(event.type)) & 0xFFFF_FFFF_FFFF_FFFF
        self.trace = (trace * 1_000_003 ^ self.now) & 0xFFFF_FFFF_FFFF_FFFF
        if self.story is not None:
            self.narrate(node, outcome)
        changed = outcome.rows.changed
        if node.n == ORDER:
            for row in changed.get(order.Progress, {}).values():
                if row.holds:  # type: ignore[attr-defined]
                    self.see_order(row)
        elif node.n == FULFILMENT:
            for row in changed.get(fulfilment.Shipment, {}).values():
                self.see_shipment(row)
            for row in changed.get(fulfilment.Return, {}).values():
                self.see_return(row)
        elif node.n == BILLING:
            for row in changed.get(billing.Account, {}).values():
                self.see_account(row)

    def replied(self, node: Node, message: Message, reply: Reply) -> None:
        if reply.status >= 500 or (isinstance(reply.body, dict) and reply.body.get("title") in REFUSED_BY_STORE):
            raise Broken(f"{message.key} was answered {reply.status}: {reply.body}")
        if self.story is not None:
            said = reply.body.get("title", "") if isinstance(reply.body, dict) else ""
            self.tell(node.name, f"answers {_short(message)}: {reply.status} {said}".rstrip())

    def soon(self, key: tuple[Any, ...], wait: int, act: Callable[..., None], *args: Any) -> None:
        """Somebody will do this on the next round; nobody begins it twice."""
        if key in self.busy:
            return
        self.busy.add(key)
        lap = self.plan.round
        self.at((self.now + wait + lap) // lap * lap, self.do, key, act, args)

    def do(self, key: tuple[Any, ...], act: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.busy.discard(key)
        act(*args)

    # Customers

    def place(self, bought: Bought) -> None:
        id = self.ids_of[bought.n]
        lines = [
            NewLine(
                sku=sku, quantity=pieces, unit_price=price, discount=min(discount, price), text=sku, kind="goods",
                vat_category="S", vat_rate=rate,
            )
            for sku, pieces, price, discount, rate in bought.lines
        ]  # fmt: skip
        if bought.postage:
            lines.append(
                NewLine(
                    sku="POSTAGE", quantity=1, unit_price=Decimal("4.90"), text="Postage", kind="shipping",
                    vat_category="S", vat_rate=Decimal(19),
                )
            )  # fmt: skip
        m = PlaceOrder(
            order_id=id,
            external_id=f"X{bought.n}" if bought.external else "",
            prices_include_vat=bought.inclusive,
            payment_method=bought.method,
            payment_token=f"tok_{bought.n}",
            ship_to=HOME,
            lines=tuple(lines),
            ship_complete=bought.complete,
            priority=bought.priority,
            hold="check" if bought.held else "",
        )
        self.tell(
            "customer",
            f"places order {bought.n}: {bought.method}, {', '.join(f'{n} {s}' for s, n, *_ in bought.lines)}",
        )
        self.ask(ORDER, m, id)
        if bought.external and self.tape.hit("request with other content"):
            again = m.model_copy(update={"order_id": uuid5(id, "again")})
            self.at(self.now + 10 * SECOND, self.place_again, again)

    def place_again(self, m: PlaceOrder) -> None:
        """The channel sends its order once more under another id: refused, once the first is known."""
        if self.laws.one(ORDER, order.Progress, self.ids_of[int(m.external_id[1:])]) is not None:
            self.ask(ORDER, m, None, self.refused)

    def refused(self, reply: Reply) -> None:
        if reply.status < 400:
            raise Broken(f"I11: a second order with a known external id was answered {reply.status}")

    def wish(self, wish: Wish, tries: int) -> None:
        id = self.ids_of[wish.order]
        found = self.laws.order(id)
        if found is None:
            if tries < 5 and (self.case.orders is None or wish.order in self.case.orders):
                self.at(self.now + MINUTE, self.wish, wish, tries + 1)
            return
        line = found.lines[int(wish.pick * len(found.lines))]
        one = (LineQuantity(line_no=line.line_no, quantity=1),)
        m: Message | None = None
        service, kind = ORDER, wish.kind
        if kind == "cancel":
            m = CancelOrder(order_id=id)
        elif kind == "cancel 1":
            m = CancelOrder(order_id=id, lines=one)
        elif kind == "hold":
            m = HoldOrder(order_id=id, reason="check")
        elif kind == "edit" and found.progress.status not in FINAL:
            m = EditOrder(order_id=id, more=one)
        elif kind == "priority":
            m = EditOrder(order_id=id, priority=9)
        elif kind == "move":
            m = EditOrder(order_id=id, ship_to=HOME.model_copy(update={"street": ("2 Low Street",)}))
        elif kind == "accept":
            m = AcceptDate(order_id=id)
        elif kind == "pay again":
            service, m = BILLING, PayAgain(order_id=id, token=f"tok_again_{wish.n}")
        elif kind == "return":
            m = self.return_goods(wish, found)
            if m is None and tries < 40 and not self.healing and found.progress.status not in FINAL:
                self.at(self.now + 30 * MINUTE, self.wish, wish, tries + 1)
        if m is not None:
            self.tell("customer", f"wishes for order {wish.order}: {kind}")
            self.ask(service, m)

    def return_goods(self, wish: Wish, found: Any) -> Message | None:
        for shipment in found.shipments:
            there = shipment.heard is not None and shipment.heard.state == "delivered"
            if there or (shipment.out and not self.plan.automatic_returns):
                left = [(no, n) for no, n in found.returnable(shipment.shipment_id).items() if n > 0]
                if left:
                    no, pieces = left[int(wish.pick * len(left))]
                    return ReturnGoods(
                        order_id=found.id,
                        return_id=uuid5(found.id, f"return {wish.n}"),
                        shipment_id=shipment.shipment_id,
                        lines=(LineQuantity(line_no=no, quantity=1 + int(wish.pick * pieces) % pieces),),
                        reason="does not fit",
                        withdrawal=wish.pick < 0.5,
                    )
        return None

    def see_order(self, progress: Any) -> None:
        if progress.holds and progress.status not in FINAL:
            self.soon(
                ("hold", progress.order_id), int(self.people.random() * 2 * HOUR), self.release, progress.order_id
            )

    def release(self, id: UUID) -> None:
        for reason in self.laws.one(ORDER, order.Progress, id).holds:
            self.tell("staff", f"release the hold '{reason}' of order {self.numbers[id]}")
            self.ask(ORDER, ReleaseHold(order_id=id, reason=reason))

    # Money that comes by itself

    def see_account(self, a: Any) -> None:
        id = a.order_id
        if id not in self.pays or not a.answers:
            return
        wait = int(self.people.random() * 3 * HOUR)
        owed = rule.owed(a) > 0
        if a.method == "bank_transfer":
            if rule.held(a) < a.due - a.credited and (self.pays[id] or owed):
                self.soon(("transfer", id), wait, self.transfer, id)
        elif a.method == "terms" and owed:
            late = 30 * HOUR if not self.pays[id] else 0
            self.soon(("terms", id), wait + late, self.pay_invoice, id)
        elif a.method == "cash_on_delivery" and a.custody:
            self.soon(("cash", id), wait, self.remit, id)
        if a.declined and owed:
            self.soon(("remind", id), HOUR + wait, self.pay_after_all, id)
        if a.parked and a.blocked:
            self.soon(("resume", id), HOUR, self.resume, id)

    def transfer(self, id: UUID) -> None:
        a = self.laws.one(BILLING, billing.Account, id)
        amount = a.due - a.credited - rule.held(a)
        if amount > 0:
            self.bank(id, amount)

    def pay_invoice(self, id: UUID) -> None:
        a = self.laws.one(BILLING, billing.Account, id)
        if rule.owed(a) > 0:
            self.bank(id, rule.owed(a))

    def bank(self, id: UUID, amount: Decimal) -> None:
        self.ids += 1
        m = BankMoneyArrived(
            entry_id=f"entry {self.ids}", order_id=id, amount=amount, currency="EUR", booked_on=T0.date()
        )
        self.tell("bank", f"{amount} arrive for order {self.numbers[id]}")
        self.ask(BILLING, m, None, lambda reply: self.see_again(id))
        if self.tape.hit("bank entry twice"):
            self.tell("bank", "sends the same statement once more")
            self.at(self.now + HOUR, self.ask, BILLING, m)

    def see_again(self, id: UUID) -> None:
        self.see_account(self.laws.one(BILLING, billing.Account, id))

    def remit(self, id: UUID) -> None:
        a = self.laws.one(BILLING, billing.Account, id)
        paid = {r.shipment_id for r in self.laws.of(BILLING, billing.Remittance, id)}
        for invoice in a.invoices:
            if invoice.shipment_id in a.delivered and invoice.shipment_id not in paid:
                self.tell("carrier", f"pays out {invoice.gross} for order {self.numbers[id]}")
                m = CashRemitted(order_id=id, shipment_id=invoice.shipment_id, amount=invoice.gross, reference="payout")
                self.ask(BILLING, m)

    def pay_after_all(self, id: UUID) -> None:
        a = self.laws.one(BILLING, billing.Account, id)
        if a.declined and rule.owed(a) > 0:
            self.tell("customer", f"is reminded and pays order {self.numbers[id]} again")
            self.ask(BILLING, PayAgain(order_id=id), None, lambda reply: self.see_again(id))

    def resume(self, id: UUID) -> None:
        a = self.laws.one(BILLING, billing.Account, id)
        if a.parked and a.blocked and not a.running:
            self.tell("staff", f"resume the {a.blocked} of order {self.numbers[id]}")
            self.ask(BILLING, ResumeOperation(order_id=id))

    # Warehouse

    def see_shipment(self, s: Any) -> None:
        id = s.shipment_id
        if s.parked and s.order_id in self.pays:
            self.soon(("label", id), HOUR, self.resume_label, id)
        if s.warehouse in self.plan.automatic or s.order_id not in self.pays:
            return
        if s.state in ("planned", "picked", "packed"):
            self.soon(("work", id), int(self.people.random() * 30 * MINUTE), self.handle, id)
        elif s.state == "dispatched":
            self.soon(("road", id), int((1 + self.people.random()) * HOUR), self.arrive_at_door, id)

    def handle(self, id: UUID) -> None:
        """The next step of a shipment, whatever it is by now."""
        s = self.rows_of_shipment(id)
        hit = self.tape.hit
        m: Message
        if s.state not in fulfilment.OPEN:
            return
        if s.state in ("planned", "packed") and hit("closed"):
            m = RejectShipment(shipment_id=id, reason="closed")
        elif s.state in ("planned", "packed") and hit("address"):
            m = RejectShipment(shipment_id=id, reason="address")
        elif s.state == "planned":
            short: tuple[ShortLine, ...] = ()
            goods = [line for line in s.lines if line.kind == "goods"]
            if drawn := hit("short pick"):
                line = goods[int(drawn * len(goods)) % len(goods)]
                missing, why = 1 + int(drawn * 10) % line.quantity, ShortWhy(reason="damaged")
                short = (ShortLine(line_no=line.line_no, quantity=missing, why=why if drawn < 0.5 else None),)
            m = PickShipment(shipment_id=id, short=short)
        elif s.state == "picked" and s.packed_at is None:
            m = PackShipment(shipment_id=id, weight_g=500)
        elif s.state == "packed":
            m = DispatchShipment(shipment_id=id)
        else:
            return  # waits for its label
        self.tell("warehouse", f"{_short(m)} {self.of(s)}")
        self.ask(FULFILMENT, m, None, lambda reply: self.see_shipment(self.rows_of_shipment(id)))

    def arrive_at_door(self, id: UUID) -> None:
        s = self.rows_of_shipment(id)
        if s.state != "dispatched":
            return
        status = "delivered"
        if self.tape.hit("refused at the door"):
            status = "refused"
        elif self.tape.hit("parcel lost"):
            status = "lost"
        at = self.nodes[FULFILMENT].clock()
        self.tell("carrier", f"reports {status} {self.of(s)}")
        self.ask(FULFILMENT, ReportTracking(shipment_id=id, status=status, at=at))

    def resume_label(self, id: UUID) -> None:
        if self.rows_of_shipment(id).parked:
            self.ask(FULFILMENT, ResumeLabel(shipment_id=id))

    def return_of(self, id: UUID) -> Any:
        return self.laws.rows[FULFILMENT][fulfilment.Return][(id,)]

    def rows_of_shipment(self, id: UUID) -> Any:
        return self.laws.rows[FULFILMENT][fulfilment.Shipment][(id,)]

    def of(self, s: Any) -> str:
        return f"shipment {s.number} at {s.warehouse} of order {self.numbers.get(s.order_id, '?')}"

    def see_return(self, r: Any) -> None:
        if r.state != "closed" and not self.plan.automatic_returns:
            waits = any(line.received > line.restock + line.quarantine + line.scrap for line in r.lines)
            wait = 0 if waits else int(self.people.random() * HOUR)
            self.soon(("back", r.return_id), wait, self.goods_back, r.return_id)

    def goods_back(self, id: UUID) -> None:
        """The next step of a return, whatever it is by now."""
        r = self.return_of(id)
        if r.state == "closed":
            return
        if r.opened_by == "customer" and (s := self.rows_of_shipment(r.shipment_id)).state != "delivered":
            if s.state == "dispatched":  # nobody sends back what is still on the road to him
                self.soon(("back", id), HOUR, self.goods_back, id)
            return
        lines = self.goods_in(r)
        waiting = [(line.line_no, line.received - line.restock - line.quarantine - line.scrap) for line in lines]
        waiting = [(no, n) for no, n in waiting if n > 0]
        left = [(line.line_no, line.expected - line.received) for line in lines if line.expected > line.received]
        m: Message
        if waiting:
            m = self.graded(r, waiting)
        elif r.reason == "lost" and r.opened_by == "fulfilment":
            self.tell("carrier", "pays for what it lost")
            m = CloseReturn(shipment_id=r.shipment_id, return_id=id, claimed=True)
        elif r.reason == "lost" or not left:
            return  # nothing comes
        elif r.opened_by == "customer" and self.tape.hit("never sent back"):
            self.tell("customer", f"keeps what was to come back to {r.warehouse}")
            self.busy.add(("back", id))
            return
        else:
            if sum(n for _, n in left) > 1 and self.tape.hit("in two parts"):
                left = [(left[0][0], 1)]
            self.tell("warehouse", f"receives {sum(n for _, n in left)} pieces back")
            back = tuple(ReturnedLine(line_no=no, quantity=n) for no, n in left)
            m = ReceiveReturn(shipment_id=r.shipment_id, return_id=id, lines=back)
        self.ask(FULFILMENT, m, None, lambda _: self.see_return(self.return_of(id)))

    def graded(self, r: Any, waiting: list[tuple[int, int]]) -> InspectReturn:
        account = self.laws.one(BILLING, billing.Account, r.order_id)
        drawn = 0.0  # cash refused at the door and not accepted when back: for people to settle
        if r.opened_by == "customer" or account is None or account.method != "cash_on_delivery":
            drawn = self.tape.hit("inspection: nothing accepted")
        if drawn > 0.5:
            lines = tuple(InspectedLine(line_no=no, accepted=0, scrap=n) for no, n in waiting)
        elif drawn:
            lines = tuple(InspectedLine(line_no=no, accepted=n, quarantine=n) for no, n in waiting)
        else:
            lines = tuple(InspectedLine(line_no=no, accepted=n, restock=n) for no, n in waiting)
        self.tell("warehouse", f"inspects what came back{': nothing is accepted' if drawn > 0.5 else ''}")
        return InspectReturn(shipment_id=r.shipment_id, return_id=r.return_id, lines=lines)

    def goods_in(self, r: Any) -> list[Any]:
        s = self.rows_of_shipment(r.shipment_id)
        kinds = {line.line_no: line.kind for line in s.lines}
        return [line for line in r.lines if kinds[line.line_no] == "goods"]

    # Outside calls

    def perform(self, node: Node, call: Message) -> tuple[int, Message]:
        if isinstance(call, CallProvider):
            return self.perform_payment(node, call)
        if isinstance(call, CallCarrier):
            return self.perform_label(call)
        assert isinstance(call, FindHolders)
        orders = {row.order_id: row for row in self.laws.all(INVENTORY, inventory.StockOrder)}
        holders = [
            r.order_id
            for r in self.laws.all(INVENTORY, inventory.Reservation)
            if r.reserved and (r.sku, r.warehouse) == (call.sku, call.warehouse)
        ]
        youngest = sorted(dict.fromkeys(holders), key=lambda i: (orders[i].placed_at, i), reverse=True)
        found = HoldersFound(
            warehouse=call.warehouse, reference=call.reference, sku=call.sku, counted=call.counted,
            reason=call.reason, orders=tuple(youngest), actor=call.actor, attempt=call.attempt,
        )  # fmt: skip
        return 10_000, found

    def perform_payment(self, node: Node, call: CallProvider) -> tuple[int, Message]:
        hit = self.tape.hit
        unknown = ProviderAnswered(
            order_id=call.order_id, operation_no=call.operation_no, outcome="unknown", reason="no answer in time"
        )
        if hit("provider silent, not done"):
            self.tell("provider", f"is silent about {call.kind} {call.amount}, and did not do it")
            return 5 * SECOND, unknown
        refuses = ""
        if call.kind == "authorise":
            if call.idempotency_key not in self.provider.book and hit("declined"):
                refuses = "declined"
        elif call.idempotency_key not in self.provider.book and hit("operation refused"):
            refuses = "not now"
        # Shorter than the way through a warehouse, a hold would be renewed and the shipment pulled back for ever.
        holds_for = timedelta(microseconds=max(self.plan.holds_for, 24 * HOUR if self.healing else 0))
        if call.kind == "authorise" and (drawn := hit("authorisation ends early")):
            holds_for = timedelta(minutes=5 + 60 * drawn)
        new = call.idempotency_key not in self.provider.book
        now = T0 + timedelta(microseconds=self.now)
        done = self.provider.perform(call, now, holds_for, refuses)
        self.tell("provider", f"{call.kind} {call.amount}: {done.outcome} {done.reason}".rstrip())
        if new:
            if hit("webhook early"):
                self.at(self.now + 1000, self.webhook, done.answer(), 0)
            if drawn := hit("webhook late"):
                self.at(self.now + int(drawn * 4 * HOUR), self.webhook, done.answer(), 1)
        if hit("provider silent, done"):
            self.tell("provider", "… but its answer is lost")
            return 5 * SECOND, unknown
        if hit("provider answers at the time-out"):
            self.tell("provider", "… and answers as the time is over: its webhook and our time-out meet")
            self.at(self.now + 5 * SECOND, self.webhook, done.answer(), 2)
            return 5 * SECOND, unknown
        return 200_000, done.answer()

    def webhook(self, answer: ProviderAnswered, n: int) -> None:
        if answer.outcome == "unknown":
            return
        event_id = f"{answer.order_id}:{answer.operation_no}:{n}"
        m = ProviderWebhook(
            order_id=answer.order_id,
            operation_no=answer.operation_no,
            event_id=event_id,
            outcome=answer.outcome,
            reference=answer.reference,
            reason=answer.reason,
            expires_at=answer.expires_at,
            raw="{}",
        )
        self.tell("provider", f"sends a webhook: operation {answer.operation_no} {answer.outcome}")
        id = uuid5(ROOT, f"webhook:{event_id}")
        if id in self.nodes[BILLING].asked or id in self.nodes[BILLING].books.requests:
            return
        self.ask(BILLING, m, id)
        if self.tape.hit("webhook twice"):
            self.at(self.now + MINUTE, self.ask, BILLING, m, uuid5(id, "again"))

    def perform_label(self, call: CallCarrier) -> tuple[int, Message]:
        hit = self.tape.hit
        if hit("carrier silent, not done"):
            self.tell("carrier", f"is silent about a label: {call.operation}, not done")
            return 10 * SECOND, said(call, "unknown", "no answer")
        if call.operation == "buy":
            if self.carrier.label_of(call.shipment_id) is None and hit("carrier refuses"):
                return 100_000, said(call, "refused", "not now")
            answer = self.carrier.buy(call)
        elif hit("void refused"):
            return 100_000, said(call, "refused", "used already")
        else:
            answer = self.carrier.void(call, bool(hit("past the manifest")))
        if hit("carrier silent, done"):
            self.tell("carrier", f"is silent about a label: {call.operation}, but did it")
            return 10 * SECOND, said(call, "unknown", "no answer")
        return 100_000, answer

    # What goes wrong at a time of its own

    def strike(self, incident: Incident) -> None:
        if self.healing:
            return
        node = self.nodes[incident.target % 4]
        kind, length = incident.kind, incident.length
        self.reached.counts[f"fault: {kind}"] += 1
        seconds = length // SECOND
        if kind == "broker outage":
            self.tell("bus", f"is away for {seconds} s")
            self.outage_until = max(self.outage_until, self.now + length)
        elif kind == "service down":
            self.tell(node.name, f"is killed and stays away for {seconds} s")
            self.crash(node, length)
        elif kind == "clog":
            self.tell("bus", f"delivers nothing to {node.name} for {seconds} s")
            node.clogged_until = self.now + length
        elif kind == "swizzle":
            self.tell("bus", f"clogs its queues one by one and opens them in another order within {seconds} s")
            for n in range(4):
                self.at(self.now + n * length // 16, self.clog, self.nodes[(incident.target + n) % 4], length, n)
        elif kind == "purge":
            self.tell("bus", f"the queue of {node.name} is purged")
            node.generation += 1
            for packet in node.unacked.values():  # what the service has in hand is not in the queue
                self.at(self.now + HOUR, self.deliver, node, packet, node.generation)
            self.at(self.now + MINUTE + length, self.resend, node)
        elif kind == "count finds less":
            self.count(incident)
        elif kind == "clock skew":
            for n, of in enumerate(self.nodes):
                of.skew = ((incident.target * (n + 3)) % 241 - 120) * SECOND
            self.tell("world", f"clocks differ by {[of.skew // SECOND for of in self.nodes]} s")
        else:
            node.skew += (incident.target % 7200 - 3600) * SECOND
            self.tell(node.name, f"its clock jumps and is {node.skew // SECOND} s off")
            for timer in list(node.books.timers.values()):
                self.arm(node, timer)

    def clog(self, node: Node, length: int, n: int) -> None:
        if not self.healing:
            node.clogged_until = self.now + (length * (n * 7 % 5 + 1)) // 5

    def resend(self, node: Node) -> None:
        """`comptoir resend`: everything that was ever sent to this service goes out again; it knows most of it."""
        self.tell("staff", f"resend what was sent to {node.name}")
        for sender in self.nodes:
            for packet in list(sender.books.sent.values()):
                if node.n in self.readers.get(packet.key, ()):
                    self.at(self.now + self.plan.hops[node.n], self.deliver, node, packet, node.generation)

    def count(self, incident: Incident) -> None:
        levels = [level for level in self.laws.all(INVENTORY, inventory.Level) if level.on_hand > 0]
        if not levels:
            return
        promised = [level for level in levels if level.reserved]
        if promised and incident.target % 3:
            levels = promised
        level = levels[incident.target % len(levels)]
        counted = max(0, (level.reserved or level.on_hand) - 1 - incident.target // 3 % 2)
        self.tell("warehouse", f"counts {counted} of {level.sku} at {level.warehouse} instead of {level.on_hand}")
        m = CountStock(warehouse=level.warehouse, reference=f"count {incident.n}", sku=level.sku, counted=counted)
        self.ask(INVENTORY, m)

    def publish(self, packet: Packet) -> bool:
        hit = self.tape.hit
        if hit("unreadable"):
            self.inject_bytes(packet)
        if hit("unknown order"):
            stranger = self.new_id()
            fact = ShipmentDelivered(
                order_id=stranger, version=1, shipment_id=stranger, state="delivered", warehouse="north"
            )
            self.inject(BILLING, fact)
        if hit("impossible"):
            self.inject_impossible()
        return super().publish(packet)

    def inject_bytes(self, packet: Packet) -> None:
        """Somebody publishes rubbish to one of the queues."""
        n = self.poisoned % 4
        rubbish = replace(packet, id=self.new_id(), body="[rubbish]" if self.poisoned % 2 else '[{"id":1}]')
        self.poison.add(rubbish.id)
        self.poisoned += 1
        self.tell("somebody", f"publishes rubbish to {SERVICES[n]}")
        self.at(self.now + 1000, self.deliver_poison, self.nodes[n], rubbish)

    def inject(self, service: int, *data: Message) -> None:
        """Messages that can never be handled: parked, sooner or later."""
        for m in data:
            event = envelope(m, id=self.new_id(), source="/nowhere", now=T0)
            packet = Packet(self.new_id(), m.key, 1, f"[{write(event)}]")
            self.poison |= {event.id, packet.id}
            self.poisonous.append(event.id)
            self.tell("somebody", f"sends what cannot be: {m.key}")
            self.at(self.now + 1000, self.deliver_poison, self.nodes[service], packet)

    def inject_impossible(self) -> None:
        line = PlanLine(line_no=1, sku="MUG", quantity=1)
        plan = PlanShipment(
            order_id=self.new_id(), shipment_id=self.new_id(), warehouse="north", lines=(line, line), address=HOME
        )
        self.inject(FULFILMENT, plan)
        accounts = list(self.laws.all(BILLING, billing.Account))
        if accounts and accounts[0].currency:
            a = accounts[0]
            ask = AuthorisePayment(
                order_id=a.order_id, version=10_000, number="?", method="card", due=ZERO, currency="USD", lines=()
            )
            self.inject(BILLING, ask)

    def deliver_poison(self, node: Node, packet: Packet) -> None:
        """Comes again until it is handled, whatever happens to the queue: how often it is parked must be known."""
        self.deliver(node, packet, node.generation)
        self.at(self.now + 2 * HOUR, self.look_after_poison, node, packet)

    def look_after_poison(self, node: Node, packet: Packet) -> None:
        if packet.id not in node.books.inbox:
            self.deliver_poison(node, packet)

    # The story

    def narrate(self, node: Node, outcome: Outcome) -> None:
        for arrival in outcome.new:
            for event in arrival.envelopes:
                how = {"packet": "hears", "request": "is asked", "timer": "timer", "call": "is answered"}
                what = f"{how.get(arrival.kind, arrival.kind)} {_short(event.data)}{self.whose(event.data)}"
                if arrival.attempt:
                    what += f", try {arrival.attempt + 1}"
                self.tell(node.name, what)
        known = {arrival.id for arrival in outcome.new}
        again = sum(1 for arrival in outcome.arrivals if arrival.id not in known)
        if again:
            self.tell(node.name, f"has handled {again} of these before")
        for parked in outcome.parked:
            self.tell(node.name, f"PARKS {parked.key}: {parked.reason}")
        for event, _ in outcome.sent:
            self.tell(node.name, f"  sends {_short(event.data)}{self.whose(event.data)}")

    def whose(self, m: Message) -> str:
        n = self.numbers.get(getattr(m, "order_id", None))  # type: ignore[arg-type]
        return "" if n is None else f" of order {n}"


def _short(m: Message) -> str:
    name = type(m).__name__
    for field in ("version", "answers", "state", "outcome", "kind", "reason", "short"):
        value = getattr(m, field, None)
        if value not in (None, "", ()):
            name += f" {field}={value}" if field in ("version", "answers") else f" {value}"
    return name
