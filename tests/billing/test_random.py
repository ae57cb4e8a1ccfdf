"""Random lives of one order's money: whatever comes, in whatever order, nothing is charged or paid back twice."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.billing.domain import rule
from services.billing.domain.rows import Account, Operation, Policy
from shared.contracts.billing import BankMoneyArrived, CashRemitted, PayAgain, RequestWriteOff, ResumeOperation
from shared.contracts.fulfilment import ShipmentDelivered
from shared.contracts.message import Message
from shared.contracts.money import rounded, totals
from shared.messaging.decision import Missing, Refused
from tests.billing.book import ORDER, START, Book, answer, ask, give_back, line, ship

LINES = (line(1, "9.99", 3, rate="20", discount="0.50"), line(2, "0.35", 7, rate="5"), line(3, "12.345", 2, rate="20"))


class Shop:
    """The order's side of the story: what is ordered, out and back; asks as the saga would."""

    def __init__(self, method: str, inclusive: bool) -> None:
        self.book = Book(Policy(refund_limits={"finance": {"EUR": Decimal(10**9)}}))
        self.method, self.inclusive = method, inclusive
        self.live = {x.line_no: x.quantity for x in LINES}
        self.out: dict[int, dict[int, int]] = {}
        self.back: dict[int, tuple[int, dict[int, int]]] = {}
        self.version = 0
        self.heard: list[Message] = []
        self.transfers = self.given_up = 0

    @property
    def due(self) -> Decimal:
        return totals(LINES, self.live, inclusive=self.inclusive).gross

    def say(self, message: Message) -> None:
        self.heard.append(message)
        try:
            self.book.tell(message)
        except (Missing, Refused):
            self.heard.pop()
        self.book.check()

    def ask(self) -> None:
        self.version += 1
        self.say(
            ask(
                self.version,
                str(self.due),
                self.method,
                lines=LINES,
                prices_include_vat=self.inclusive,
                token="tok",
                customer_id="C1",
            )
        )

    def step(self, draw: st.DataObject) -> None:
        kind = draw.draw(
            st.sampled_from(
                [
                    "ask",
                    "cancel",
                    "ship",
                    "ship",
                    "return",
                    "answer",
                    "answer",
                    "answer",
                    "repeat",
                    "wait",
                    "bank",
                    "pay",
                    "give up",
                ]
            )
        )
        shipped = {no: sum(s.get(no, 0) for s in self.out.values()) for no in self.live}
        free = [no for no in self.live if self.live[no] > shipped[no]]
        if kind == "ask":
            self.ask()
        elif kind == "cancel" and free:
            no = draw.draw(st.sampled_from(free))
            self.live[no] -= draw.draw(st.integers(1, self.live[no] - shipped[no]))
            self.ask()
        elif kind == "ship" and free:
            pieces = {no: draw.draw(st.integers(0, self.live[no] - shipped[no])) for no in free}
            if any(pieces.values()):
                number = len(self.out) + 1
                self.out[number] = pieces
                self.say(ship(number, **{f"l{no}": n for no, n in pieces.items()}))
                self.deliver(number)
        elif kind == "return" and self.out:
            self.give_back(draw)
        elif kind == "answer" and self.book.calls:
            call = self.book.calls.pop(0)
            outcome = draw.draw(st.sampled_from(["ok", "ok", "ok", "refused", "unknown"]))
            reason = draw.draw(st.sampled_from(["", "expired"])) if outcome == "refused" else ""
            self.say(answer(call.operation_no, outcome, reason))
        elif kind == "repeat" and self.heard:
            self.say(draw.draw(st.sampled_from(self.heard)))
        elif kind == "wait":
            self.book.wait(hours=draw.draw(st.sampled_from([0.1, 1, 30, 400])))
        elif kind == "bank" and self.method in ("bank_transfer", "terms"):
            self.transfer(draw.draw(st.sampled_from(["5.00", str(self.due or 1), "100.00"])))
        elif kind == "pay":
            self.say(PayAgain(order_id=ORDER))
        elif kind == "give up" and self.out and self.version and (owed := rule.owed(self.book.account)):
            self.give_up(owed / 2 if draw.draw(st.booleans()) else owed)

    def give_up(self, amount: Decimal) -> None:
        self.given_up += 1
        self.say(
            RequestWriteOff(
                order_id=ORDER,
                write_off_id=UUID(int=400 + self.given_up),
                amount=rounded(amount),
                reason="bankrupt",
                actor="fay",
                roles=("finance",),
            )
        )

    def deliver(self, number: int) -> None:
        message = ShipmentDelivered(
            order_id=ORDER, version=3, shipment_id=UUID(int=100 + number), state="delivered", warehouse="A"
        )
        self.say(message)

    def give_back(self, draw: st.DataObject) -> None:
        shipment = draw.draw(st.sampled_from(sorted(self.out)))
        known = {no: sum(b.get(no, 0) for s, b in self.back.values() if s == shipment) for no in self.live}
        left = {no: n - known[no] for no, n in self.out[shipment].items() if n > known[no]}
        if not left:
            return
        number = draw.draw(
            st.sampled_from([len(self.back) + 1, *(n for n, (s, _) in self.back.items() if s == shipment)])
        )
        accepted = dict(self.back.get(number, (shipment, {}))[1])
        no = draw.draw(st.sampled_from(sorted(left)))
        accepted[no] = accepted.get(no, 0) + draw.draw(st.integers(1, left[no]))
        self.back[number] = (shipment, accepted)
        self.say(give_back(number, shipment, **{f"l{n}": q for n, q in accepted.items()}))

    def transfer(self, amount: str) -> None:
        self.transfers += 1
        self.say(
            BankMoneyArrived(
                entry_id=f"E{self.transfers}",
                order_id=ORDER,
                amount=Decimal(amount),
                currency="EUR",
                booked_on=START.date(),
            )
        )

    def heal(self) -> None:
        """The saga's asks come again, the provider is well, people press their buttons, and everybody pays."""
        shipped = {no: sum(s.get(no, 0) for s in self.out.values()) for no in self.live}
        self.live = shipped
        self.ask()
        for number, pieces in self.out.items():
            self.say(ship(number, **{f"l{no}": n for no, n in pieces.items()}))
            self.deliver(number)
        for number, (shipment, accepted) in self.back.items():
            self.say(give_back(number, shipment, **{f"l{n}": q for n, q in accepted.items()}))
        for _ in range(12):
            self.book.provide()
            self.book.wait(hours=2)
            self.say(PayAgain(order_id=ORDER))
            self.say(ResumeOperation(order_id=ORDER))
            self.book.provide()
            self.pay_rest()
        assert not self.book.calls

    def pay_rest(self) -> None:
        account = self.book.account
        if self.method in ("bank_transfer", "terms") and rule.held(account) < rule.should_hold(account):
            self.transfer(str(rule.should_hold(account) - rule.held(account)))
        if self.method == "cash_on_delivery":
            for invoice in account.invoices:
                self.say(
                    CashRemitted(order_id=ORDER, shipment_id=invoice.shipment_id, amount=invoice.gross, reference="P-1")
                )


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("method", ["card", "bank_transfer", "cash_on_delivery", "terms"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_i12_any_life_ends_settled_with_what_is_held_equal_to_what_was_invoiced_less_credited_and_given_up(
    method: str, inclusive: bool, data: st.DataObject
) -> None:
    shop = Shop(method, inclusive)
    for _ in range(data.draw(st.integers(1, 25))):
        shop.step(data)
    shop.heal()
    account: Account = shop.book.account
    assert rule.settled(account), account
    assert account.captured - account.refunded == account.invoiced - account.credited - account.written_off
    assert account.invoiced == totals(LINES, shop.live, inclusive=inclusive).gross, "parts sum to the whole"
    assert not rule.authorised(account)
    for operation in shop.book.rows(Operation):
        assert operation.state in ("done", "refused")
        assert operation.reference == f"ref-{operation.no}", "answered by its own answer"
