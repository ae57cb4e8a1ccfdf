"""One history: the suite, the people around it, provider and carrier, and what goes wrong.

In the healing phase nothing goes wrong any more, goods arrive, and everybody does what is expected of them.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID, uuid5

from comptoir.simulate.buying import SUPPLIER, Buyers
from comptoir.simulate.machine import T0, Broken, Node
from comptoir.simulate.outside import said
from comptoir.simulate.people import HOME, ROOT, in_short
from comptoir.simulate.plan import (
    COMPONENTS,
    HOUR,
    KIT,
    MINUTE,
    SECOND,
    SERVICES,
    SKUS,
    Case,
    Incident,
    Plan,
    plan_of,
)
from comptoir.simulate.reach import Reached
from comptoir.simulate.snapshots import BILLING, FULFILMENT, INVENTORY, ORDER
from comptoir.simulate.valuing import Rounds, Tables
from comptoir.simulate.worths import WorthLaws
from services.billing.domain import rows as billing
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
    CallProvider,
    ProviderAnswered,
    ProviderWebhook,
)
from shared.contracts.fulfilment import (
    CallCarrier,
    PlanLine,
    PlanShipment,
    ShipmentDelivered,
)
from shared.contracts.inventory import (
    CountStock,
    FindHolders,
    HoldersFound,
    Item,
    ReceiveStock,
    RegisterItems,
    RegisterSupplier,
    RegisterWarehouse,
    StockLine,
)
from shared.contracts.message import Message
from shared.contracts.order import Component, Product, RegisterProducts
from shared.messaging import topology
from shared.messaging.decision import Reply
from shared.messaging.envelope import Packet, envelope, write
from shared.messaging.unit import LADDER, Outcome

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
        inventory.Expected: lambda r: r.quantity >= 0 and r.received >= 0,
        inventory.PurchaseLine: lambda r: r.quantity >= 0 and r.received >= 0 and r.unit_cost >= 0,
        inventory.Transfer: lambda r: r.source != r.destination,
        inventory.TransferLine: lambda r: (
            r.quantity >= 0 and r.received >= 0 and r.lost >= 0 and r.received + r.lost <= r.sent
        ),
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
            and 0 <= r.written_off <= r.invoiced - r.credited
            and r.custody >= 0
            and r.due >= 0
            and r.running in (0, r.operations)
        ),
        billing.Operation: lambda r: r.amount > 0,
        billing.Invoice: lambda r: r.net + r.vat == r.gross,
        billing.CreditNote: lambda r: r.net + r.vat == r.gross,
        billing.BankEntry: lambda r: r.amount > 0 and (r.state == "matched") == (r.order_id is not None),
        billing.Posting: lambda r: r.amount != 0,
        billing.WriteOff: lambda r: (
            r.amount > 0
            and r.asker != ""
            and (r.state == "waiting") == (r.decided_by == "")
            and r.approver.strip().lower() != r.asker.strip().lower()
        ),
        billing.Refund: lambda r: (
            r.gross > 0
            and r.net + r.vat == r.gross
            and r.asker != ""
            and (r.state == "waiting") == (r.decided_by == "")
            and (r.state == "done") == (r.credit_note != "")
            and r.approver.strip().lower() != r.asker.strip().lower()
        ),
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
            ask_refused_again=6 * hours,
            no_consent=plan.no_consent,  # type: ignore[arg-type]
        ),
        inventory.Policy(serve_at_once=2, promise_grace_days=0, announce_after=timedelta(seconds=5)),
        fulfilment.Policy(
            automatic_warehouses=plan.automatic,
            automatic_returns=plan.automatic_returns,
            call_carrier=plan.labels,
            deliver_after=2 * hours,
            return_within=36 * hours,
            return_look_again=6 * hours,
        ),
        billing.Policy(
            credit_limits={"EUR": Decimal(300)},
            dunning=(8 * hours, 16 * hours, 24 * hours),
            unknown_is_a_task_after=2 * hours,
            refund_limits={"support": {"EUR": Decimal(20)}, "finance": {"EUR": Decimal(80)}},
            refund_approvers=frozenset({"finance"}),
        ),
    )
    handlers = (ORDER_HANDLERS, INVENTORY_HANDLERS, FULFILMENT_HANDLERS, BILLING_HANDLERS)
    return list(zip(handlers, policies, CHECKS, SHOWN, strict=True))


class World(Buyers):
    """One history: the suite and everybody around it."""

    def __init__(self, case: Case, reached: Reached, every: int = CHECK_EVERY) -> None:
        super().__init__(case, services(plan_of(case.seed)), readers())
        self.reached, self.every = reached, every
        self.rounds: Rounds | None = None
        if self.plan.valuing is not None:
            node = self.nodes[INVENTORY]
            tables = Tables(node.books)
            self.laws.worths = WorthLaws(self.laws, tables, reached.counts)
            self.rounds = Rounds(self, node, self.plan.valuing, self.laws.worths, tables)
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
        if self.rounds is not None:
            self.trace ^= self.rounds.trace
        self.reached.kits(found for found in map(self.laws.order, self.numbers) if found is not None)
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
            lines = tuple(
                StockLine(sku=sku, quantity=n, unit_cost=plan.cost(sku, 0))
                for sku, at, n in plan.stock
                if at == place and n
            )
            if lines:
                self.ask(INVENTORY, ReceiveStock(warehouse=place, reference=f"first {place}", lines=lines))
        for n, (at, sku, place, pieces) in enumerate(plan.receipts):
            line = StockLine(sku=sku, quantity=pieces, unit_cost=plan.cost(sku, 1 + n))
            goods = ReceiveStock(warehouse=place, reference=f"r{n}", lines=(line,))
            self.at(at, self.ask, INVENTORY, goods)
        if any(line[0] == KIT for bought in plan.orders for line in bought.lines):
            self.sell_kits()
        if plan.errands:
            currency = plan.valuing.currency if plan.valuing else "EUR"
            self.ask(INVENTORY, RegisterSupplier(code=SUPPLIER, lead_days=2, currency=currency))
        for id, errand in self.errands.items():
            if case.errands is None or errand.n in case.errands:
                self.at(5 * SECOND + errand.at, self.begin_errand, id)
        for bought in plan.orders:
            if case.orders is None or bought.n in case.orders:
                self.at(5 * SECOND + bought.at, self.place, bought)
        for wish in plan.wishes:
            if case.wishes is None or wish.n in case.wishes:
                self.at(5 * SECOND + wish.at, self.wish, wish, 0)
        for incident in plan.incidents:
            if case.incidents is None or incident.n in case.incidents:
                self.at(incident.at, self.strike, incident)

    def sell_kits(self) -> None:
        """A kit in the catalogue; in some seeds it is another one later, or none at all."""
        of = self.dice("kits")
        parts = [Product(sku=sku, name=sku, price=Decimal(of.randint(1, 5000)) / 100) for sku, _ in COMPONENTS]
        components = tuple(Component(sku=sku, pieces=n) for sku, n in COMPONENTS)
        kit = Product(sku=KIT, price=Decimal(10), components=components)
        self.ask(ORDER, RegisterProducts(products=(*parts, kit)))
        if of.random() < 0.4:
            later = tuple(Component(sku=sku, pieces=n + 1) for sku, n in COMPONENTS) if of.random() < 0.7 else ()
            changed = RegisterProducts(products=(kit.model_copy(update={"components": later}),))
            self.at(int(self.plan.until * of.random() ** 3), self.ask, ORDER, changed)

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
            lines = tuple(StockLine(sku=sku, quantity=30, unit_cost=self.plan.cost(sku, 2)) for sku in SKUS)
            goods = ReceiveStock(warehouse=place, reference=f"plenty {place}", lines=lines)
            self.at(self.now + MINUTE, self.ask, INVENTORY, goods)
        for id in self.errands:
            self.see_paper(id)
        for progress in list(self.laws.all(ORDER, order.Progress)):
            self.see_order(progress)
        for account in list(self.laws.all(BILLING, billing.Account)):
            self.see_account(account)
        for shipment in list(self.laws.all(FULFILMENT, fulfilment.Shipment)):
            self.see_shipment(shipment)
        for goods_back in list(self.laws.all(FULFILMENT, fulfilment.Return)):
            self.see_return(goods_back)
        for refund in list(self.laws.all(BILLING, billing.Refund)):
            self.see_refund(refund)
        for write_off in list(self.laws.all(BILLING, billing.WriteOff)):
            self.see_write_off(write_off)

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
        elif node.n == INVENTORY:
            if self.rounds is not None and (moved := outcome.rows.inserted.get(inventory.Movement)):
                self.rounds.moved(moved)
        elif node.n == FULFILMENT:
            for row in changed.get(fulfilment.Shipment, {}).values():
                self.see_shipment(row)
            for row in changed.get(fulfilment.Return, {}).values():
                self.see_return(row)
        elif node.n == BILLING:
            for row in changed.get(billing.Account, {}).values():
                self.see_account(row)
            for row in changed.get(billing.Refund, {}).values():
                account = self.laws.one(BILLING, billing.Account, row.order_id)  # type: ignore[attr-defined]
                self.reached.refund(row, account, self.laws.order(account.order_id))
                self.see_refund(row)  # type: ignore[arg-type]
            for row in changed.get(billing.WriteOff, {}).values():
                self.reached.write_off(row)
                self.see_write_off(row)  # type: ignore[arg-type]

    def replied(self, node: Node, message: Message, reply: Reply) -> None:
        if reply.status >= 500 or (isinstance(reply.body, dict) and reply.body.get("title") in REFUSED_BY_STORE):
            raise Broken(f"{message.key} was answered {reply.status}: {reply.body}")
        self.reached.replied(message, reply)
        if self.story is not None:
            said = reply.body.get("title", "") if isinstance(reply.body, dict) else ""
            self.tell(node.name, f"answers {in_short(message)}: {reply.status} {said}".rstrip())

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
                what = f"{how.get(arrival.kind, arrival.kind)} {in_short(event.data)}{self.whose(event.data)}"
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
            self.tell(node.name, f"  sends {in_short(event.data)}{self.whose(event.data)}")

    def whose(self, m: Message) -> str:
        n = self.numbers.get(getattr(m, "order_id", None))  # type: ignore[arg-type]
        return "" if n is None else f" of order {n}"
