"""Money: I12 to I16, over one order's account, ledger entries, documents and series."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from comptoir.invariants.law import law
from services.billing.domain import rule
from services.billing.domain.documents import fingerprint
from services.billing.domain.journal import balance
from services.billing.domain.rows import Account, CreditNote, DocumentGroup, Invoice, Operation, Refund, WriteOff

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Purse:
    """The money of one order: its account beside all that explains it.

    `received`: by bank and from carriers. `invoiced` and `credited`: sums of the documents. `ledger`: what the journal
    says the customer owes. `booked`: money that the journal moved per operation number, in positive, out negative.
    `refunds` and `write_offs`: those of the staff. `bad_debts`: what the journal says was given up and not recovered.
    """

    name: str
    account: Account
    operations: tuple[Operation, ...]
    received: Decimal
    invoiced: Decimal
    credited: Decimal
    ledger: Decimal
    booked: Mapping[int, Decimal]
    refunds: tuple[Refund, ...]
    write_offs: tuple[WriteOff, ...] = ()
    bad_debts: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the journal, summed over its postings in one currency."""

    entry_id: str
    currency: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class Guard:
    """A table whose rows never change, and whether the database refuses it."""

    table: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Charge:
    """One operation in our book or the provider's: kind, amount, currency, and whether it was done."""

    kind: str
    amount: Decimal
    currency: str
    done: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.amount:f} {self.currency} {'done' if self.done else 'refused'}"


@dataclass(frozen=True, slots=True)
class Numbered:
    """One issued document in its series."""

    serial: int
    number: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """All documents of one series and year, by serial. `last`: the counter; None for a year that is over."""

    series: str
    year: int
    last: int | None
    documents: Sequence[Numbered]


@dataclass(frozen=True, slots=True)
class Credits:
    """One invoice and the sum of the credit notes that name it. `gross` is None when there is no such invoice."""

    invoice: str
    gross: Decimal | None
    credited: Decimal


@dataclass(frozen=True, slots=True)
class Debt:
    """What one customer owes on terms in one currency, by their own row and by the accounts of their orders."""

    customer_id: str
    currency: str
    owed: Decimal
    orders: Decimal


def done(purse: Purse, kind: str) -> Decimal:
    return sum((o.amount for o in purse.operations if o.kind == kind and o.state == "done"), ZERO)


@law("I12", "refunded within captured within authorised")
def refunded_within_captured(purse: Purse) -> Iterator[str]:
    """And each figure of the account is the sum of what explains it."""
    a, name = purse.account, purse.name
    if not 0 <= a.refunded <= a.captured:
        yield f"{name}: {a.refunded:f} refunded of {a.captured:f} captured"
    by_card, authorised, back = done(purse, "capture"), done(purse, "authorise"), done(purse, "refund")
    if by_card > authorised:
        yield f"{name}: {by_card:f} captured by card of {authorised:f} authorised"
    if a.captured != by_card + purse.received:
        yield f"{name}: {a.captured:f} captured, operations and receipts sum to {by_card + purse.received:f}"
    if a.refunded != back:
        yield f"{name}: {a.refunded:f} refunded, operations sum to {back:f}"
    if a.invoiced != purse.invoiced:
        yield f"{name}: {a.invoiced:f} invoiced, its invoices sum to {purse.invoiced:f}"
    if a.credited != purse.credited:
        yield f"{name}: {a.credited:f} credited, its credit notes sum to {purse.credited:f}"


@law("I12", "what we hold is what was invoiced less credited and given up", at_rest=True)
def held_is_billed(purse: Purse) -> Iterator[str]:
    """Unless somebody is known to act: an operation that waits for another try, the customer, the carrier, staff."""
    a = purse.account
    held, billed = rule.held(a), a.invoiced - a.credited - a.written_off
    in_work = bool(a.running or a.blocked or a.parked)
    if held > billed:
        ahead = a.method == "bank_transfer" and held <= rule.should_hold(a)
        in_work = in_work or ahead or not a.answers
    elif held < billed:
        in_work = in_work or a.declined or a.method != "card"
    if held != billed and not in_work:
        yield f"{purse.name}: {held:f} held, {billed:f} invoiced less credited and given up, and nothing is under way"


@law("I12", "a customer owes on terms what the accounts of their orders say")
def debt_is_what_orders_owe(debt: Debt) -> Iterator[str]:
    """Otherwise the limit of their credit is held against another sum."""
    if debt.owed != debt.orders:
        yield (
            f"customer {debt.customer_id}: {debt.owed:f} {debt.currency} owed on terms, the orders come to "
            f"{debt.orders:f} {debt.currency}"
        )


@law("I13", "every entry of the journal sums to zero")
def entries_balance(entry: Entry) -> Iterator[str]:
    if entry.total:
        yield f"entry {entry.entry_id}: debits less credits are {entry.total:f} {entry.currency}, not 0"


@law("I13", "the trial balance is zero")
def trial_balances(currency: str, total: Decimal) -> Iterator[str]:
    if total:
        yield f"trial balance: {total:f} {currency}, not 0"


@law("I13", "the journal says of each customer what the account says")
def ledger_is_the_account(purse: Purse) -> Iterator[str]:
    if (owes := balance(purse.account)) != purse.ledger:
        yield f"{purse.name}: its account says {owes:f} is owed, the journal says {purse.ledger:f}"


@law("I13", "the database refuses to change what is issued or booked")
def guards_stand(guard: Guard) -> Iterator[str]:
    if not guard.enabled:
        yield f"table {guard.table}: its trigger against changes is not there or is switched off"


@law("I14", "no payment operation is left unknown", at_rest=True)
def nothing_is_unknown(purse: Purse) -> Iterator[str]:
    for operation in purse.operations:
        if operation.state not in ("done", "refused"):
            what = f"{operation.kind} {operation.no} of {operation.amount:f} {operation.currency}"
            yield f"{purse.name}: {what} is {operation.state} after {operation.attempts} tries"


@law("I14", "the provider's book and ours agree", at_rest=True)
def provider_agrees(key: str, ours: Charge | None, theirs: Charge | None) -> Iterator[str]:
    """By our operation's key. What both refused, or one side refused and the other never had, moved no money."""
    if ours != theirs and any(side is not None and side.done for side in (ours, theirs)):
        yield f"operation {key}: ours is {ours or 'none'}, the provider's is {theirs or 'none'}"


@law("I15", "each capture and refund is booked exactly once")
def booked_once(purse: Purse) -> Iterator[str]:
    booked = dict(purse.booked)
    for operation in purse.operations:
        moves = {"capture": operation.amount, "refund": -operation.amount}.get(operation.kind, ZERO)
        should, was = moves if operation.state == "done" else ZERO, booked.pop(operation.no, ZERO)
        if should != was:
            yield (
                f"{purse.name}: {operation.kind} {operation.no} of {operation.amount:f} is {operation.state}, so "
                f"{should:f} should be booked, {was:f} is"
            )
    for no, amount in booked.items():
        yield f"{purse.name}: {amount:f} is booked for operation {no}, which does not exist"


@law("I16", "document numbers run from 1 without hole or double")
def numbers_have_no_hole(run: Run) -> Iterator[str]:
    before: Numbered | None = None
    for n, document in enumerate(run.documents, 1):
        if document.serial != n:
            yield f"{run.series} {run.year}: {document.number} has serial {document.serial} where {n} should be"
            break
        if document.number != (text := f"{run.series}-{run.year}-{n:06d}"):
            yield f"{document.number}: serial {n} of {run.series} {run.year} should be called {text}"
        if before is not None and document.issued_at < before.issued_at:
            yield (
                f"{document.number}: issued at {document.issued_at.isoformat()}, before {before.number} at "
                f"{before.issued_at.isoformat()}"
            )
        before = document
    if run.last is not None and run.last != len(run.documents):
        yield f"{run.series} {run.year}: the counter says {run.last}, there are {len(run.documents)} documents"


@law("I16", "an issued document is as it was issued")
def document_is_as_issued(document: Invoice | CreditNote) -> Iterator[str]:
    """Its hash, recomputed over everything that is printed, and its own sums."""
    if (now := fingerprint(document)) != document.hash:
        yield f"{document.number}: its content has the hash {now[:16]}, it was issued with {document.hash[:16]}"
    lines = sum((line.net for line in document.lines), ZERO)
    base, vat = (sum((getattr(group, part) for group in document.groups), ZERO) for part in ("base", "vat"))
    if not lines == base == document.net or vat != document.vat or document.net + document.vat != document.gross:
        yield (
            f"{document.number}: {document.net:f} + {document.vat:f} = {document.gross:f}, its lines come to "
            f"{lines:f}, its VAT groups to {base:f} + {vat:f}"
        )


@law("I16", "no more is credited than was invoiced")
def credited_within_invoice(credits: Credits) -> Iterator[str]:
    if credits.gross is None:
        yield f"{credits.invoice}: {credits.credited:f} credited, but there is no such invoice"
    elif credits.credited > credits.gross:
        yield f"{credits.invoice}: {credits.credited:f} credited of {credits.gross:f} invoiced"


@law("I16", "no line is credited beyond what was invoiced of it")
def lines_credited_within_invoice(invoice: Invoice, notes: Sequence[CreditNote]) -> Iterator[str]:
    """And no VAT rate beyond its VAT, whether pieces came back or a part of the price was given back."""
    mine = [note for note in notes if note.invoice == invoice.number]
    for line in invoice.lines:
        credited = sum((of.amount for note in mine for of in note.lines if of.line_no == line.line_no), ZERO)
        if abs(credited) > abs(line.amount) or credited * line.amount < 0:
            yield f"{invoice.number}: {credited:f} of {line.amount:f} of line {line.line_no} is credited"
    for group in invoice.groups:
        if any(line.amount < 0 for line in invoice.lines if (line.category, line.rate) == _rate(group)):
            continue  # lines of both signs have no order to keep
        vat = sum((of.vat for note in mine for of in note.groups if (of.category, of.rate) == _rate(group)), ZERO)
        if abs(vat) > abs(group.vat):
            yield f"{invoice.number}: {vat:f} of {group.vat:f} VAT at {group.rate:f}% is credited"


def _rate(group: DocumentGroup) -> tuple[str, Decimal]:
    return group.category, group.rate


@law("I16", "a refund of the staff is its credit note, approved by another person")
def refund_is_its_credit_note(refund: Refund, notes: Sequence[CreditNote]) -> Iterator[str]:
    """Both or neither (R-14), over the same figures; decided once, and approved by nobody who asked (S8)."""
    name = f"refund {refund.refund_id} of {refund.invoice}"
    mine = [note for note in notes if note.return_id == refund.refund_id]
    decided = 0 if refund.state == "waiting" or (refund.state == "done" and not refund.approver) else 1
    if refund.version != 1 + decided:
        yield f"{name}: is {refund.state} at version {refund.version}, so it was not decided once"
    if refund.state != "done":
        for note in mine:
            yield f"{name}: is {refund.state}, but {note.number} credits it"
        return
    said = [(note.number, note.invoice, note.net, note.vat, note.gross) for note in mine]
    should = (refund.credit_note, refund.invoice, refund.net, refund.vat, refund.gross)
    if said != [should]:
        yield f"{name}: {refund.gross:f} by {refund.credit_note}, its credit notes are {[note.number for note in mine]}"
    if refund.approver.strip().casefold() == refund.asker.strip().casefold():
        yield f"{name}: was asked for and approved by {refund.asker}"


@law("I16", "what a person gives back of an order alone is within the limit, in parts too")
def given_alone_within_limit(purse: Purse) -> Iterator[str]:
    """Roles may change, so it is the highest limit that counts (S8)."""
    alone: dict[str, list[Refund]] = {}
    for refund in purse.refunds:
        if refund.state == "done" and not refund.approver:
            alone.setdefault(refund.asker.strip().casefold(), []).append(refund)
    for mine in alone.values():
        total, limit = sum((r.gross for r in mine), ZERO), max(r.limit for r in mine)
        if total > limit:
            yield f"{purse.name}: {mine[0].asker} gave back {total:f} that nobody approved, the limit is {limit:f}"


@law("I12", "what is given up was asked for, is owed, and is booked")
def given_up_is_booked(purse: Purse) -> Iterator[str]:
    """And what came in after all took it back first: no more is given up than is billed and not here."""
    a, asked = purse.account, sum((w.amount for w in purse.write_offs if w.state == "done"), ZERO)
    if not 0 <= a.written_off <= asked:
        yield f"{purse.name}: {a.written_off:f} is written off, {asked:f} was asked for"
    if a.written_off != purse.bad_debts:
        yield f"{purse.name}: {a.written_off:f} is written off, the journal says {purse.bad_debts:f}"
    if a.written_off and a.written_off > (unpaid := a.invoiced - a.credited - rule.held(a)):
        yield f"{purse.name}: {a.written_off:f} is written off, {unpaid:f} is billed and not here"
    for w in purse.write_offs:
        if w.approver.strip().casefold() == w.asker.strip().casefold():
            yield f"{purse.name}: write-off {w.write_off_id} was asked for and approved by {w.asker}"


@law("I16", "the account credits each refund of the staff once, and no other")
def credits_are_refunds(purse: Purse) -> Iterator[str]:
    """So no money goes back in the name of a refund that nobody asked for; its credits come to what was credited."""
    told = {c.return_id: c.gross for c in purse.account.credits if c.by == "refund"}
    done = {r.refund_id: r.gross for r in purse.refunds if r.state == "done"}
    for id in dict.fromkeys((*told, *done)):
        credited, given = told.get(id, ZERO), done.get(id, ZERO)
        if credited != given:
            yield f"{purse.name}: refund {id}: {credited:f} is credited, {given:f} was given back"
    total = sum((c.gross for c in purse.account.credits), ZERO)
    if total != purse.account.credited:
        yield f"{purse.name}: {purse.account.credited:f} credited, its returns and refunds come to {total:f}"
