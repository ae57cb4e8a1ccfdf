"""What every decision of billing does after it has booked its fact: start the next operation, remind, tell."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from services.billing.domain import rule
from services.billing.domain.documents import INVOICES, invoice_for, next_number
from services.billing.domain.journal import BAD_DEBTS, CUSTODY, REVENUE, VAT, customer, entry
from services.billing.domain.rows import (
    ZERO,
    Account,
    Debtor,
    EarlyBill,
    Hold,
    Invoice,
    Operation,
    Policy,
    Sale,
    Series,
    changed,
)
from shared.contracts.billing import (
    CallProvider,
    DunningDue,
    Invoiced,
    MoneyStatement,
    OperationDue,
)
from shared.contracts.money import said
from shared.messaging.decision import Call, Context, Effect, Needs, Rows, Timer

Ctx = Context[Policy]
Facts = tuple[type[MoneyStatement], ...]


class OfOrder(Protocol):
    """A message about the money of one order."""

    @property
    def order_id(self) -> UUID: ...


def to_debtor(m: OfOrder, rows: Rows) -> Needs:
    """Of an order on terms, what its customer owes: no order that is paid otherwise waits for it."""
    account = rows.find(Account, m.order_id)
    if account is not None and account.debtor:
        yield Debtor, account.debtor


class Draft:
    """An account on its way through one decision, and what the decision yields beside it."""

    def __init__(self, account: Account, rows: Rows, ctx: Ctx) -> None:
        self.rows = rows
        self.before = self._account = account
        self._new: dict[str, Any] = {}
        self.ctx = ctx
        self.effects: list[Effect] = []
        self.started = False
        self._counted = False

    @property
    def account(self) -> Account:
        """The account as it is now. New values wait until somebody looks, for each account costs its thirty fields."""
        if self._new:
            self._account = changed(self._account, **self._new)
            self._new = {}
        return self._account

    def change(self, **fields: Any) -> None:
        """Takes over new values."""
        self._new.update(fields)

    def count(self) -> None:
        """Takes the number of the statement that this decision makes."""
        if not self._counted:
            self._counted = True
            self.change(version=self.before.version + 1)

    def add(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def advance(self) -> None:
        """Starts what the rule wants now."""
        self._check_credit()
        self._recover()
        self._forget_overtaken()
        a = self.account
        wish = rule.next_operation(a)
        if wish is not None:
            self._start(a, wish)
        self._remind(a)

    def finish(self, *facts: type[MoneyStatement]) -> list[Effect]:
        self.advance()
        return self.close(*facts)

    def tell_position(self) -> list[Effect]:
        """Starts what the rule wants now, then states where the money stands."""
        self.advance()
        return self.close(rule.position(self.account))

    def close(self, *facts: type[MoneyStatement]) -> list[Effect]:
        """Everything that the decision yields; each fact carries the same statement."""
        if facts:
            self.count()
        a = self.account
        if a.debtor:
            self._owe(a)
        told = [rule.statement(fact, a) for fact in dict.fromkeys(facts)]
        return [*([a] if a != self.before else []), *self.effects, *told]

    def _check_credit(self) -> None:
        """Goods on terms: what is due is granted, or declined with the reason."""
        a = self.account
        if a.method == "terms" and a.answers and a.due > a.granted and not a.declined:
            if why := self._no_credit(a):
                self.change(declined=True, declined_due=a.due, refusal=why)
            else:
                self.change(granted=a.due)

    def _no_credit(self, a: Account) -> str:
        """Why the customer gets no terms for what is due; empty when they do."""
        limit, others = self.ctx.policy.credit_limits.get(a.currency), ZERO
        if a.debtor:
            debtor = self._debtor(a)
            limit = limit if debtor.limit is None else debtor.limit
            others = debtor.owed - self._counted_before()
        if limit is None:
            return f"there are no terms for orders in {a.currency}"
        asked = rule.on_credit(changed(a, granted=a.due))
        if asked + others <= limit:
            return ""
        so_much = said(asked, a.currency) + (f" and {said(others, a.currency)} of other orders" if others else "")
        return f"{so_much} would be owed, {said(limit, a.currency)} may be"

    def _debtor(self, a: Account) -> Debtor:
        """The customer's row, as the decisions so far have left it."""
        known = (debtor for debtor in self.rows.group(Debtor, a.debtor) if debtor.currency == a.currency)
        return next(known, Debtor(a.debtor, a.currency))

    def _owe(self, a: Account) -> None:
        """Takes what this decision moved into the customer's sum.

        Never below 0: a copy of before there were sums may have moved an account without it.
        """
        by = rule.on_credit(a) - self._counted_before()
        if by:
            debtor = self._debtor(a)
            self.add(changed(debtor, owed=max(ZERO, debtor.owed + by)))

    def _counted_before(self) -> Decimal:
        """What of this order is in the customer's sum already."""
        return rule.on_credit(self.before) if self.before.debtor else ZERO

    def _recover(self) -> None:
        """Money that comes after all, and a credit, settle first what was written off, then what is open."""
        a = self.account
        if not a.written_off:
            return
        back = a.written_off - max(ZERO, a.invoiced - a.credited - rule.held(a))
        if back > 0:
            self.count()
            self.change(written_off=a.written_off - back)
            name = f"recovered:{a.order_id}:{self.account.version}"
            sides = [(BAD_DEBTS, -back), *customer(a, self.account)]
            self.add(*entry(name, "recovery", a.currency, sides, self.ctx.now, a))

    def _forget_overtaken(self) -> None:
        """What was refused blocks only itself: it is forgotten when it is not wanted any more."""
        a = self.account
        if a.blocked and not a.running:
            wish = rule.wanted(a)
            if wish is None or wish.kind != a.blocked:
                self.change(blocked="", attempts=0, parked="")

    def _start(self, a: Account, wish: rule.Wish) -> None:
        no = a.operations + 1
        operation = Operation(
            a.order_id,
            no,
            wish.kind,
            wish.amount,
            a.currency,
            wish.hold.operation_no if wish.hold else 0,
            wish.hold.reference if wish.hold else "",
            a.token if wish.kind == "authorise" else "",
            self.ctx.now,
        )
        self.change(
            operations=no,
            running=no,
            voiding=wish.amount if wish.kind == "void" else ZERO,
            refunding=wish.amount if wish.kind == "refund" else ZERO,
        )
        self.started = True
        self.add(operation, Call(call(operation)))

    def _remind(self, a: Account) -> None:
        """Money owed on goods that are out has dunning, whatever the method; the carrier answers for cash.

        `a` is the account before an operation was started, which changes nothing that is looked at here.
        """
        owed = rule.owed(a)
        overdue = owed > 0 and not (a.running or self.started) and a.method != "cash_on_delivery"
        if overdue and a.dunning_at is None and self.ctx.policy.dunning:
            at = self.ctx.now
            self.change(dunning_at=at, dunned=0)
            self.add(dunning_timer(a, 1, at + self.ctx.policy.dunning[0]))
        elif a.dunning_at is not None and not owed:
            parked = "" if a.parked.startswith("overdue") else a.parked
            self.change(dunning_at=None, dunned=0, parked=parked)
            self.add(Timer(f"dunning:{a.order_id}", None))


def call(operation: Operation, *, query: bool = False) -> CallProvider:
    return CallProvider(
        order_id=operation.order_id,
        operation_no=operation.no,
        kind=operation.kind,
        query=query,
        idempotency_key=f"{operation.order_id}:{operation.no}",
        amount=operation.amount,
        currency=operation.currency,
        token=operation.token,
        authorisation=operation.authorisation,
    )


def operation_timer(a: Account, no: int, at: datetime | None) -> Timer:
    message = OperationDue(order_id=a.order_id, operation_no=no) if at else None
    return Timer(f"operation:{a.order_id}", at, message)


def dunning_timer(a: Account, level: int, at: datetime) -> Timer:
    return Timer(f"dunning:{a.order_id}", at, DunningDue(order_id=a.order_id, level=level))


def on_hold(a: Account, no: int, **fields: Any) -> tuple[Hold, ...]:
    """The account's authorisations with one of them changed."""
    return tuple([changed(hold, **fields) if hold.operation_no == no else hold for hold in a.holds])


def hold_of(a: Account, no: int) -> Hold | None:
    return next((hold for hold in a.holds if hold.operation_no == no), None)


def bill(draft: Draft, sale: Sale, invoices: list[Invoice], series: Series | None, shipment: EarlyBill) -> Series:
    """Invoices one shipment: number, document, ledger and what it means for the money, all in this decision."""
    now, a = draft.ctx.now, draft.account
    number = next_number(series, INVOICES, now)
    invoice = invoice_for(a, sale, invoices, shipment, number, draft.ctx.policy)
    invoices.append(invoice)
    told = Invoiced(
        shipment_id=shipment.shipment_id,
        number=invoice.number,
        net=invoice.net,
        vat=invoice.vat,
        gross=invoice.gross,
    )
    draft.change(invoiced=a.invoiced + invoice.gross, invoices=(*a.invoices, told))
    sides = [*customer(a, draft.account), (REVENUE, -invoice.net)]
    sides += [(VAT, -group.vat) for group in invoice.groups]
    draft.add(invoice, *entry(invoice.number, "sale", a.currency, sides, now, a))
    if a.method == "cash_on_delivery" and shipment.shipment_id in a.delivered:
        collect(draft, told)
    return number.series


def collect(draft: Draft, invoice: Invoiced) -> None:
    """Cash on delivery, delivered: from here the carrier owes us the money, not the customer (R-19).

    Money on its way back to the customer pays for nothing; if the refund fails, the carrier's money is paid back.
    """
    a = draft.account
    amount = min(invoice.gross, max(ZERO, a.invoiced - a.credited - a.written_off - rule.staying(a) - a.custody))
    draft.change(custody=a.custody + amount)
    sides = [(CUSTODY, amount), *customer(a, draft.account)]
    draft.add(*entry(f"delivered:{invoice.shipment_id}", "delivery", a.currency, sides, draft.ctx.now, a))
