"""A billing service in memory for tests: the real decisions on rows in a dictionary, and a willing provider."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from services.billing.domain import rule
from services.billing.domain.documents import fingerprint
from services.billing.domain.rows import Account, CreditNote, Debtor, Invoice, Operation, Policy, Posting, WriteOff
from services.billing.handlers import HANDLERS
from shared.contracts.billing import (
    AuthorisePayment,
    BillShipment,
    CallProvider,
    MoneyStatement,
    ProviderAnswered,
    RefundReturn,
)
from shared.contracts.message import Message
from shared.contracts.values import LineQuantity, PriceLine
from shared.messaging.decision import Call, Context, Effect, Reply, Row, Timer, decide_alone, key_of

ORDER = UUID(int=1)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
R = TypeVar("R", bound=Row)


def money(text: str | int) -> Decimal:
    return Decimal(text)


def line(no: int, price: str, quantity: int = 1, rate: str = "20", discount: str = "0", **more: Any) -> PriceLine:
    return PriceLine(
        line_no=no,
        sku=f"sku-{no}",
        quantity=quantity,
        unit_price=money(price),
        discount=money(discount),
        vat_rate=money(rate),
        **more,
    )


def quantities(**lines: int) -> tuple[LineQuantity, ...]:
    """quantities(l1=2, l3=1)"""
    return tuple(LineQuantity(line_no=int(name[1:]), quantity=n) for name, n in lines.items())


TEN = (line(1, "10.00", 10, rate="0"),)
"""Ten pieces at 10.00 without VAT: amounts that a reader can add up."""


def ask(version: int, due: str | int, method: str = "card", **more: Any) -> AuthorisePayment:
    fields: dict[str, Any] = {
        "order_id": ORDER,
        "version": version,
        "number": "O-1",
        "method": method,
        "due": money(due),
        "currency": "EUR",
        "lines": TEN,
    }
    return AuthorisePayment(**{**fields, **more})


def ship(no: int, order_id: UUID = ORDER, **lines: int) -> BillShipment:
    return BillShipment(
        order_id=order_id,
        shipment_id=UUID(int=100 + no),
        lines=quantities(**(lines or {"l1": 1})),
        dispatched_on=date(2026, 3, 2),
    )


def give_back(no: int, shipment: int, **lines: int) -> RefundReturn:
    return RefundReturn(
        order_id=ORDER,
        return_id=UUID(int=200 + no),
        shipment_id=UUID(int=100 + shipment),
        accepted=quantities(**(lines or {"l1": 1})),
    )


def answer(no: int, outcome: str = "ok", reason: str = "", **more: Any) -> ProviderAnswered:
    return ProviderAnswered(
        order_id=ORDER, operation_no=no, outcome=outcome, reference=f"ref-{no}", reason=reason, **more
    )


class Book:
    """What one billing database would hold, and what has left it."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.now = START
        self.stored: dict[tuple[Any, ...], Row] = {}
        self.postings: list[Posting] = []
        self.calls: list[CallProvider] = []
        self.told: list[MoneyStatement] = []
        self.timers: dict[str, Timer] = {}
        self.replies: list[Reply] = []
        self._ids = 0

    def tell(self, *messages: Message) -> list[Effect]:
        """Decides each message on what is stored; returns the effects of the last one."""
        effects: list[Effect] = []
        for message in messages:
            effects, rows = decide_alone(HANDLERS[type(message)], message, self._loadable(), self._context())
            for changed in rows.changed.values():
                for row in changed.values():
                    self.stored[(type(row), *key_of(row))] = row
            for inserted in rows.inserted.values():
                self.postings += [row for row in inserted if isinstance(row, Posting)]
            for effect in effects:
                if isinstance(effect, MoneyStatement):
                    self.told.append(effect)
                elif isinstance(effect, Call):
                    assert isinstance(effect.message, CallProvider)
                    self.calls.append(effect.message)
                elif isinstance(effect, Timer):
                    self.timers.pop(effect.key, None)
                    if effect.due_at:
                        self.timers[effect.key] = effect
                elif isinstance(effect, Reply):
                    self.replies.append(effect)
        return effects

    def wait(self, **time: float) -> None:
        """Lets time pass; timers that fall due are told in order."""
        end = self.now + timedelta(**time)
        while due := sorted((t.due_at, key) for key, t in self.timers.items() if t.due_at and t.due_at <= end):
            at, key = due[0]
            assert at is not None
            self.now = max(self.now, at)
            message = self.timers.pop(key).message
            assert message is not None
            self.tell(message)
        self.now = end

    def provide(self, outcome: Callable[[CallProvider], str] = lambda call: "ok") -> None:
        """The provider answers every call until there is none."""
        while self.calls:
            call = self.calls.pop(0)
            self.tell(answer(call.operation_no, outcome(call)))

    @property
    def account(self) -> Account:
        return self.rows(Account)[0]

    @property
    def owed(self) -> dict[str, Decimal]:
        """What customers owe on terms, by customer and currency."""
        return {f"{debtor.customer_id} {debtor.currency}": debtor.owed for debtor in self.rows(Debtor)}

    @property
    def last(self) -> MoneyStatement:
        return self.told[-1]

    def rows(self, kind: type[R]) -> list[R]:
        return [row for row in self.stored.values() if isinstance(row, kind)]

    def kinds(self) -> list[str]:
        return [type(told).__name__ for told in self.told]

    def check(self) -> None:
        """What must hold at any moment: I12, I13, I15, I16 and the agreement of account, documents and journal."""
        entries: dict[str, Decimal] = {}
        for posting in self.postings:
            entries[posting.entry_id] = entries.get(posting.entry_id, money(0)) + posting.amount
        assert not any(entries.values()), entries
        keys = [(posting.entry_id, posting.posting_no) for posting in self.postings]
        assert len(keys) == len(set(keys)), "an entry was booked twice"
        for account in self.rows(Account):
            self._check_account(account)
        owed: dict[tuple[str, str], Decimal] = {}
        for account in self.rows(Account):
            if account.debtor:
                by = account.debtor, account.currency
                owed[by] = owed.get(by, money(0)) + rule.on_credit(account)
        kept = {(debtor.customer_id, debtor.currency): debtor.owed for debtor in self.rows(Debtor)}
        assert {by: kept.get(by, 0) for by in owed} == owed, "a customer owes what their orders come to"
        for kind in (Invoice, CreditNote):
            documents = sorted(self.rows(kind), key=lambda d: (d.year, d.serial))
            for year in {d.year for d in documents}:
                assert [d.serial for d in documents if d.year == year] == list(
                    range(1, sum(d.year == year for d in documents) + 1)
                )
            assert [d.issued_at for d in documents] == sorted(d.issued_at for d in documents)
            assert all(d.hash == fingerprint(d) for d in documents)
        for invoice in self.rows(Invoice):
            notes = [n for n in self.rows(CreditNote) if n.invoice == invoice.number]
            assert sum((n.gross for n in notes), money(0)) <= invoice.gross
            assert sum((n.vat for n in notes), money(0)) <= invoice.vat

    def _check_account(self, a: Account) -> None:
        operations = [o for o in self.rows(Operation) if o.order_id == a.order_id]
        done = [o for o in operations if o.state == "done"]

        def total(kind: str) -> Decimal:
            return sum((o.amount for o in done if o.kind == kind), money(0))

        assert 0 <= a.refunded <= a.captured
        assert total("capture") <= total("authorise")
        assert total("refund") == a.refunded
        assert a.credited <= a.invoiced
        assert [o.no for o in sorted(operations, key=lambda o: o.no)] == list(range(1, a.operations + 1))
        in_flight = [o.no for o in operations if o.state in ("wanted", "unknown")]
        assert in_flight == ([a.running] if a.running else [])
        for hold in a.holds:
            assert hold.left >= 0
            assert 0 <= hold.refunded <= hold.captured
        mine = [p for p in self.postings if p.order_id == a.order_id]
        balance = sum((p.amount for p in mine if p.account in ("receivable", "customer_prepayments")), money(0))
        assert balance == a.invoiced - a.credited - a.captured + a.refunded - a.custody - a.written_off
        assert sum((p.amount for p in mine if p.account == "bad_debts"), money(0)) == a.written_off
        asked = sum((w.amount for w in self.rows(WriteOff) if w.state == "done"), money(0))
        assert 0 <= a.written_off <= min(asked, max(money(0), a.invoiced - a.credited - rule.held(a)))
        assert sum((p.amount for p in mine if p.account == "cod_in_custody"), money(0)) == a.custody
        versions = [told.version for told in self.told if told.order_id == a.order_id]
        assert versions == sorted(versions)

    def _loadable(self) -> Iterable[Row]:
        """As the database loads it: only operations in flight."""
        ended = ("done", "refused")
        return [r for r in self.stored.values() if not (isinstance(r, Operation) and r.state in ended)]

    def _context(self) -> Context[Policy]:
        self._ids += 1
        return Context(self.now, lambda: UUID(int=10_000 + self._ids), self.policy, UUID(int=self._ids))
