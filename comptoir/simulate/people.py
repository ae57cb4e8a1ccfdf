"""The people around the suite: customers, staff, the bank, warehouses and who carries parcels.

They see what is committed and act on it some time later, through requests; whoever gets no answer asks again.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from comptoir.simulate.laws import Laws
from comptoir.simulate.machine import T0, Broken, Machine, run
from comptoir.simulate.outside import Carrier, Provider
from comptoir.simulate.plan import HOUR, MINUTE, SECOND, Bought, Case, Wish
from comptoir.simulate.snapshots import BILLING, FULFILMENT, ORDER
from services.billing.domain import rows as billing
from services.billing.domain import rule
from services.billing.domain.credits import left_of
from services.fulfilment.domain import rows as fulfilment
from services.order import rows as order
from services.order.kits import kits, per_kit
from shared.contracts.billing import (
    ApproveRefund,
    ApproveWriteOff,
    BankMoneyArrived,
    CashRemitted,
    PayAgain,
    RefundLine,
    RefuseRefund,
    RefuseWriteOff,
    RequestRefund,
    RequestWriteOff,
    ResumeOperation,
)
from shared.contracts.fulfilment import (
    CloseReturn,
    DispatchShipment,
    InspectedLine,
    InspectReturn,
    PackShipment,
    PickShipment,
    ReceiveReturn,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    ReturnedLine,
    ShortLine,
    ShortWhy,
)
from shared.contracts.message import Message
from shared.contracts.money import unit_of
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
from shared.messaging.decision import Handlers, Reply

ROOT = UUID("5eed0000-0000-5000-8000-000000000000")
CLERKS = {"Anna": "support", "Ben": "support", "Carla": "finance", "Dora": "finance"}
"""Who gives money back, and in which role; World says what each may do alone, and who approves."""
HOME = Address(name="A. Customer", street=("1 High Street",), postcode="10115", city="Berlin", country="DE")


class People(Machine):
    """The suite, and what people do when they see something."""

    def __init__(
        self,
        case: Case,
        services: Iterable[tuple[Handlers, Any, dict[Any, Any], dict[Any, Any]]],
        readers: dict[str, tuple[int, ...]],
    ) -> None:
        super().__init__(case, services, readers)
        self.provider, self.carrier = Provider(), Carrier()
        self.laws = Laws(self, self.provider, self.carrier)
        self.healing = False
        self.people = self.dice("people")
        self.busy: set[tuple[Any, ...]] = set()  # what somebody is about to do
        self.ids_of = {bought.n: uuid5(ROOT, f"{case.seed}/{bought.n}") for bought in self.plan.orders}
        self.numbers = {id: n for n, id in self.ids_of.items()}
        self.pays = {self.ids_of[bought.n]: bought.pays for bought in self.plan.orders}

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
                vat_category="S" if rate else "Z", vat_rate=rate,
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
        self.ask(ORDER, m, id, self.taken)
        if bought.external and self.tape.hit("request with other content"):
            again = m.model_copy(update={"order_id": uuid5(id, "again")})
            self.at(self.now + 10 * SECOND, self.place_again, again)

    def place_again(self, m: PlaceOrder) -> None:
        """The channel sends its order once more under another id: refused, once the first is known."""
        if self.laws.one(ORDER, order.Progress, self.ids_of[int(m.external_id[1:])]) is not None:
            self.ask(ORDER, m, None, self.refused)

    def taken(self, reply: Reply) -> None:
        """What customers order makes sense: a story without its orders would say nothing."""
        if reply.status >= 400:
            raise Broken(f"an order was refused: {reply.body}")

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
        one: tuple[LineQuantity, ...] = (LineQuantity(line_no=line.line_no, quantity=1),)
        if line.kit is not None and wish.pick * 100 % 1 < 0.8:  # some name a part of a kit alone
            parts = kits(found.lines)[line.kit.no]
            one = tuple(LineQuantity(line_no=part.line_no, quantity=per_kit(part)) for part in parts)
        m: Message | None = None
        service, kind = ORDER, wish.kind
        if kind == "refund":
            self.give_back(wish, tries)
            return
        if kind == "write off":
            self.give_up(wish, tries)
            return
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
                fee = Decimal("2.95") if invoice.gross > 5 else Decimal(0)
                self.tell("carrier", f"pays out {invoice.gross - fee} for order {self.numbers[id]} and keeps {fee}")
                m = CashRemitted(
                    order_id=id,
                    shipment_id=invoice.shipment_id,
                    amount=invoice.gross - fee,
                    fee=fee,
                    reference="payout",
                )
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

    # Money that the staff give back

    def give_back(self, wish: Wish, tries: int) -> None:
        """A clerk looks at what a refund would do and asks for it some time later; looks again when that is over."""
        id, of = self.ids_of[wish.order], self.dice(f"refund {wish.n}")
        asker = of.choice(list(CLERKS))
        m = self.some_money(id, asker, uuid5(id, f"refund {wish.n}"), of)
        looks = of.random() < 0.8
        shown = self.shown(m) if m and looks else None
        if m is None or (looks and (shown is None or shown.status >= 400)):
            if tries < 60 and not self.healing:
                self.at(self.now + 30 * MINUTE, self.wish, wish, tries + 1)
            return
        if shown:
            m = m.model_copy(update={"quote": shown.body["quote"]})
        self.tell("staff", f"{asker} asks for a refund of order {wish.order}")

        def heard(reply: Reply) -> None:
            if reply.status == 409 and "preview" in reply.body["title"]:
                self.wish(wish, tries + 1)

        at = self.now + int(of.choice((0, SECOND, 10 * MINUTE)) * of.random())
        self.at(at, self.ask, BILLING, m, None, heard)
        if of.random() < 0.2:  # the form is sent once more, as another request
            self.at(at + int(of.choice((0, MINUTE)) * of.random()), self.ask, BILLING, m)

    def some_money(self, id: UUID, asker: str, refund_id: UUID, of: Any) -> RequestRefund | None:
        """Pieces or an amount, of some lines of one invoice."""
        invoices = self.laws.of(BILLING, billing.Invoice, id)
        if not invoices:
            return None
        invoice = invoices[int(of.random() * len(invoices))]
        lines: list[RefundLine] = []
        for line_no, left in left_of(invoice, self.laws.of(BILLING, billing.CreditNote, id)).items():
            if left.amount <= 0 or (lines and of.random() < 0.5):
                continue
            if left.pieces and of.random() < 0.4:
                lines.append(RefundLine(line_no=line_no, quantity=1 + int(of.random() * left.pieces)))
            else:
                unit = unit_of(invoice.currency)
                some = left.amount * Decimal(of.choice((1, 5, 20, 50, 100))) / 100
                lines.append(RefundLine(line_no=line_no, amount=max(unit, some // unit * unit)))
        if not lines:
            return None
        return RequestRefund(
            order_id=id, refund_id=refund_id, invoice=invoice.number, lines=tuple(lines), reason="a scratch",
            actor=asker, roles=(CLERKS[asker],),
        )  # fmt: skip

    def shown(self, m: RequestRefund | ApproveRefund) -> Reply | None:
        """What a preview answers. None: the service is away."""
        billing = self.nodes[BILLING]
        return run(billing.unit.rehearse(m, m.actor)).answers[0][1] if billing.up else None

    def see_refund(self, r: billing.Refund) -> None:
        if r.state == "waiting":
            wait = int(self.people.random() * 2 * HOUR)
            self.soon(("decide", r.refund_id), wait, self.decide, r.order_id, r.refund_id)

    def decide(self, order_id: UUID, refund_id: UUID) -> None:
        """Who may, or may not, approves or refuses what waits; sometimes twice, or two people at the same time."""
        r = self.refund(order_id, refund_id)
        if r.state != "waiting":
            return
        of = self.people
        others = [name for name, role in CLERKS.items() if role == "finance" and name != r.asker]
        who, drawn = of.choice(others), of.random()
        if self.healing:
            drawn = 0.3 + 0.7 * drawn
        if drawn < 0.15:
            self.approve(r, r.asker)
        elif drawn < 0.3:
            self.approve(r, "Anna" if r.asker == "Ben" else "Ben")
        elif drawn < 0.8:
            self.approve(r, who)
            if drawn < 0.5:
                self.at(self.now + int(of.choice((0, SECOND, HOUR)) * of.random()), self.approve, r, of.choice(others))
            elif drawn < 0.6:
                self.refuse(r, of.choice(others))
        else:
            self.refuse(r, r.asker if drawn < 0.9 else who)

    def approve(self, r: billing.Refund, who: str) -> None:
        """Mostly of what a preview showed. What would come to something else by now is refused."""
        m = ApproveRefund(order_id=r.order_id, refund_id=r.refund_id, actor=who, roles=(CLERKS[who],))
        wait = 0
        if self.people.random() < 0.7:
            if (shown := self.shown(m)) and shown.status < 400:
                m = m.model_copy(update={"quote": shown.body["quote"]})
            wait = int(self.people.random() * 10 * MINUTE)

        def heard(reply: Reply) -> None:
            now = self.refund(r.order_id, r.refund_id)
            if reply.status == 409 and now.state == "waiting" and "preview" not in reply.body["title"]:
                self.refuse(now, who)
            self.see_refund(now)

        self.tell("staff", f"{who} approves {r.gross} for order {self.numbers[r.order_id]}, as {r.asker} asked")
        self.at(self.now + wait, self.ask, BILLING, m, None, heard)

    def refuse(self, r: billing.Refund, who: str) -> None:
        self.tell("staff", f"{who} refuses {r.gross} for order {self.numbers[r.order_id]}, for which {r.asker} asked")
        m = RefuseRefund(order_id=r.order_id, refund_id=r.refund_id, reason="too much", actor=who, roles=(CLERKS[who],))
        self.ask(BILLING, m, None, lambda _: self.see_refund(self.refund(r.order_id, r.refund_id)))

    def refund(self, order_id: UUID, refund_id: UUID) -> Any:
        return self.laws.rows[BILLING][billing.Refund][order_id, refund_id]

    # Debts that the staff give up

    def give_up(self, wish: Wish, tries: int) -> None:
        """A clerk asks for it while money is owed for goods that are out, now and then twice; it may come meanwhile."""
        id, of = self.ids_of[wish.order], self.dice(f"write-off {wish.n}")
        account = self.laws.one(BILLING, billing.Account, id)
        owed = rule.owed(account) if account is not None else Decimal(0)
        if account is None or not owed:
            if tries < 60 and not self.healing:
                self.at(self.now + 30 * MINUTE, self.wish, wish, tries + 1)
            return
        unit = unit_of(account.currency)
        some = max(unit, owed * Decimal(of.choice((10, 50, 100, 100))) / 100 // unit * unit)
        asker = of.choice(list(CLERKS))
        m = RequestWriteOff(
            order_id=id, write_off_id=uuid5(id, f"write-off {wish.n}"), amount=some, reason="bankrupt", actor=asker,
            roles=(CLERKS[asker],),
        )  # fmt: skip
        self.tell("staff", f"{asker} gives up {some} of order {wish.order}")
        at = self.now + int(of.choice((0, 0, HOUR)) * of.random())
        self.at(at, self.ask, BILLING, m)
        if of.random() < 0.3:  # the form is sent once more, as another request
            self.at(at + int(of.choice((0, MINUTE)) * of.random()), self.ask, BILLING, m)

    def see_write_off(self, w: billing.WriteOff) -> None:
        if w.state == "waiting":
            of = self.dice(f"decides {w.write_off_id} {self.now}")
            at = self.now + int(of.random() * 2 * HOUR)
            self.at(at, self.decide_write_off, w.order_id, w.write_off_id, of)

    def decide_write_off(self, order_id: UUID, write_off_id: UUID, of: Any) -> None:
        """Who may, or may not, approves or refuses what waits; who is refused finds somebody else."""
        w = self.write_off(order_id, write_off_id)
        if w.state != "waiting":
            return
        others = [name for name, role in CLERKS.items() if role == "finance" and name != w.asker]
        who, drawn = of.choice(others), of.random()
        actor = w.asker if drawn < 0.2 and not self.healing else who
        said: dict[str, Any] = {
            "order_id": order_id, "write_off_id": write_off_id, "actor": actor, "roles": (CLERKS[actor],)
        }  # fmt: skip
        m = RefuseWriteOff(reason="not yet", **said) if drawn > 0.8 else ApproveWriteOff(**said)

        def heard(reply: Reply) -> None:
            now = self.write_off(order_id, write_off_id)
            if reply.status == 409 and now.state == "waiting":  # less is owed by now
                again = {**said, "actor": who, "roles": (CLERKS[who],)}
                self.ask(
                    BILLING, RefuseWriteOff(reason="it was paid", **again), None, lambda _: self.see_write_off(now)
                )
            else:
                self.see_write_off(now)

        self.tell("staff", f"{actor} decides on {w.amount} for order {self.numbers[order_id]}, as {w.asker} asked")
        self.ask(BILLING, m, None, heard)

    def write_off(self, order_id: UUID, write_off_id: UUID) -> Any:
        return self.laws.rows[BILLING][billing.WriteOff][order_id, write_off_id]

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
        self.tell("warehouse", f"{in_short(m)} {self.of(s)}")
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


def in_short(m: Message) -> str:
    """A message for the story."""
    name = type(m).__name__
    for field in ("version", "answers", "state", "outcome", "kind", "reason", "short"):
        value = getattr(m, field, None)
        if value not in (None, "", ()):
            name += f" {field}={value}" if field in ("version", "answers") else f" {value}"
    return name
