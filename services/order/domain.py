"""Decisions of the order service: load the rows, let the saga react, yield what changed.

Nearly every message goes one way: `advance`. Placing makes the order (prices frozen here, R-07 and R-09); wishes of
people are checked first, so that whoever asks hears at once what cannot be.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from typing import Any, Literal, TypeVar, get_type_hints
from uuid import UUID

from services.order.facts import Edited, Trigger, not_returnable, promised_on
from services.order.preview import check_quote, in_one_line
from services.order.quantities import Order, priced
from services.order.rows import (
    Channel,
    Counter,
    Customer,
    External,
    Header,
    History,
    Line,
    Money,
    Product,
    Progress,
    Return,
    Shipment,
    Stock,
)
from services.order.saga import Ask, react, unanswered
from services.order.withdrawal import Terms, over, with_charges
from shared.contracts.message import Message
from shared.contracts.money import allocate, line_amount, rounded, totals, unit_of
from shared.contracts.order import (
    FINAL,
    AcceptDate,
    AnswerDue,
    CancelOrder,
    ConsentDue,
    EditOrder,
    HoldOrder,
    NewLine,
    OrderStatement,
    PayByDue,
    PlaceOrder,
    RegisterChannel,
    RegisterCustomers,
    RegisterProducts,
    ReleaseHold,
    ReturnGoods,
    WithdrawalReceived,
)
from shared.contracts.values import Address, LineQuantity
from shared.etag import check_match, etag_of
from shared.messaging.decision import Context, Effect, Needs, Refused, Reply, Row, Rows, Timer


@dataclass(frozen=True, slots=True)
class Policy:
    """How long the order waits, and what it does then (SAGA section 8)."""

    pay_by: dict[str, timedelta] = field(
        default_factory=lambda: {
            "card": timedelta(hours=24),
            "bank_transfer": timedelta(days=14),
            "terms": timedelta(hours=1),
        }
    )  # cash on delivery has no date
    ask_money_again: timedelta = timedelta(hours=1)  # pay_by came while the payment was unknown
    answer: timedelta = timedelta(minutes=15)
    answer_again: timedelta = timedelta(hours=1)
    consent: timedelta = timedelta(days=7)
    no_consent: Literal["wait", "cancel"] = "wait"
    postage_vat: Literal["own", "goods"] = "own"  # of postage whose rate the channel left open
    withdrawal: Terms = field(default_factory=Terms)


Ctx = Context[Policy]
R = TypeVar("R", bound=Row)

OF_AN_ORDER: tuple[type[Row], ...] = (Progress, Header, Line, Stock, Money, Shipment, Return)


# Rows to order and back


def to_order(m: Any) -> Needs:
    """All rows of the order that the message is about."""
    return [(kind, m.order_id) for kind in OF_AN_ORDER]


def find_order(rows: Rows, order_id: UUID) -> Order | None:
    progress = rows.find(Progress, order_id)
    if progress is None:
        return None
    return Order(
        header=rows.one(Header, order_id),
        lines=tuple(rows.group(Line, order_id)),
        progress=progress,
        stock=rows.one(Stock, order_id),
        money=rows.one(Money, order_id),
        shipments=tuple(rows.group(Shipment, order_id)),
        returns=tuple(rows.group(Return, order_id)),
    )


def load_order(rows: Rows, order_id: UUID) -> Order:
    """Missing when it is not here yet: a fact may overtake an import."""
    order = find_order(rows, order_id)
    if order is None:
        rows.one(Progress, order_id)
    assert order is not None
    return order


def rows_of(order: Order) -> list[Row]:
    return [
        order.progress,
        order.header,
        *order.lines,
        order.stock,
        order.money,
        *order.shipments,
        *order.returns,
    ]


# The way of nearly every message


def advance(m: Message, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A fact of another service, or the word of a person: the saga reacts."""
    order: Order = load_order(rows, m.order_id)  # type: ignore[attr-defined]
    after, asks = react(order, m)
    _, effects = settle(order, after, asks, m, ctx)
    yield from effects


def settle(
    before: Order | None, after: Order, asks: Sequence[Ask], trigger: Trigger, ctx: Ctx
) -> tuple[Order, list[Effect]]:
    """Arms the timers, and gives the order as it is now with all that should become true: rows, history, messages."""
    after, timers = timed(after, asks, trigger, ctx)
    known = set() if before is None else set(map(id, rows_of(before)))
    effects: list[Effect] = [row for row in rows_of(after) if id(row) not in known]
    was = Progress(after.id) if before is None else before.progress
    now = after.progress
    if now is not was and now == was:
        effects.remove(now)
    if now.version != was.version:
        effects.append(
            History(
                order_id=after.id,
                version=now.version,
                at=ctx.now,
                before=was.status,
                after=now.status,
                trigger=trigger.key,
                cause=ctx.cause,
                actor=_said(trigger, "actor") or ctx.actor,
                note=_note(trigger, was, now),
            )
        )
    effects.extend(asks)
    effects.extend(timers)
    return after, effects


def _note(trigger: Trigger, was: Progress, now: Progress) -> str:
    said = _said(trigger, "note") or _said(trigger, "reason") or _said(trigger, "hold")
    return said or (now.reason if now.reason != was.reason else "")


def _said(trigger: Trigger, name: str) -> str:
    """A text that not every trigger has. Messages are asked for what they have only: a miss is slow there."""
    return str(getattr(trigger, name)) if name in _fields(type(trigger)) else ""  # type: ignore[arg-type]


@cache
def _fields(kind: type) -> frozenset[str]:
    return frozenset(get_type_hints(kind))


# Timers


def timed(order: Order, asks: Sequence[Ask], trigger: Trigger, ctx: Ctx) -> tuple[Order, list[Timer]]:
    """Arms and ends the three timers of an order; a timer that stands is left alone, it looks when it fires."""
    progress, policy, now = order.progress, ctx.policy, ctx.now
    final = progress.status in FINAL
    term = policy.pay_by.get(order.header.method)
    again = policy.ask_money_again if isinstance(trigger, PayByDue) else term
    unpaid = term is not None and not final and not order.secured and order.open
    day, accepted = promised_on(order), progress.accepted_on
    late = day is not None and accepted is not None and day > accepted
    late = late and not final and any(count.backordered for count in order.counts.values())
    asked = any(not isinstance(ask, OrderStatement) for ask in asks)
    wait = policy.answer_again if isinstance(trigger, AnswerDue) else policy.answer
    awaited = asked or (progress.answer_by is not None and not (final and next(unanswered(order), None) is None))
    timers: list[Timer] = []
    changes: dict[str, datetime | None] = {}
    for name, armed, needed, after, message in (
        ("pay_by", progress.pay_by, unpaid, again, PayByDue),
        ("consent_by", progress.consent_by, late, policy.consent, ConsentDue),
        ("answer_by", progress.answer_by, awaited, wait, AnswerDue),
    ):
        if needed and armed is None and after is not None:
            changes[name] = now + after
            timers.append(Timer(f"{name}:{order.id}", now + after, message(order_id=order.id)))
        elif not needed and armed is not None:
            changes[name] = None
            timers.append(Timer(f"{name}:{order.id}", None))
    if asked:
        changes["asked_at"] = now
    return (order.moved(**changes) if changes else order), timers


def pay_by_due(m: PayByDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The customer had until now. A timer that was armed anew meanwhile is not over yet."""
    order = load_order(rows, m.order_id)
    if order.progress.pay_by is not None and ctx.now >= order.progress.pay_by:
        yield from _fired(order, order.moved(pay_by=None), m, ctx)


def consent_due(m: ConsentDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Silence means waiting on, or giving up the late part: the policy says which."""
    order = load_order(rows, m.order_id)
    if order.progress.consent_by is None or ctx.now < order.progress.consent_by:
        return
    silence: Message = m if ctx.policy.no_consent == "cancel" else AcceptDate(order_id=m.order_id)
    yield from _fired(order, order.moved(consent_by=None), silence, ctx)


def answer_due(m: AnswerDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Asks again what is unanswered for long enough, and looks again later; else the timer ends."""
    order = load_order(rows, m.order_id)
    progress = order.progress
    if progress.answer_by is None or ctx.now < progress.answer_by:
        return
    if next(unanswered(order), None) is None:
        yield replace(progress, answer_by=None)
        return
    fair = (progress.asked_at or ctx.now) + ctx.policy.answer
    if ctx.now < fair:  # the one that is open was asked for a short while ago
        yield replace(progress, answer_by=fair)
        yield Timer(f"answer_by:{order.id}", fair, m)
        return
    yield from _fired(order, order.moved(answer_by=None), m, ctx)


def _fired(order: Order, ended: Order, trigger: Message, ctx: Ctx) -> Iterator[Effect]:
    after, asks = react(ended, trigger)
    _, effects = settle(order, after, asks, trigger, ctx)
    yield from effects


# Placing


def to_place(m: PlaceOrder) -> Needs:
    yield from to_order(m)
    if m.external_id:
        yield External, _ref(m)
    if m.customer_id:
        yield Customer, m.customer_id
    yield from _products(m.lines)
    yield Counter, "order"


def _ref(m: PlaceOrder) -> str:
    return f"{m.channel}:{m.external_id}"


def _products(lines: Iterable[NewLine]) -> Needs:
    """Only what a line leaves open is looked up."""
    for line in lines:
        if _leaves_open(line):
            yield Product, line.sku


def _leaves_open(line: NewLine) -> bool:
    return (
        line.unit_price is None
        or line.text is None
        or line.kind is None
        or line.vat_category is None
        or line.vat_rate is None
    )


def place_order(m: PlaceOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Stored, numbered, prices frozen, and its saga begins. Sent again it gets the same answer."""
    fingerprint = _fingerprint(m)
    if known := find_order(rows, m.order_id):
        if known.header.fingerprint != fingerprint:
            raise Refused(f"Order {m.order_id} was placed before with other content.", field="order_id", status=409)
        yield Reply(placed(known), 201)
        return
    if m.external_id:
        external = rows.find(External, _ref(m))
        if external is not None:
            raise Refused(
                f"{m.channel} sent {m.external_id} before, as order {external.order_id}.",
                field="external_id",
                status=409,
            )
        yield External(_ref(m), m.order_id)
    customer = rows.find(Customer, m.customer_id) if m.customer_id else None
    ship_to = m.ship_to
    if customer is not None and ship_to == Address() and customer.addresses:
        ship_to = customer.addresses[0]
    lines = frozen(m.order_id, m.lines, rows, 1, m.currency)
    if ctx.policy.postage_vat == "goods":
        lines = with_vat_of_goods(m.lines, lines, m.currency)
    lines = discounted(lines, m.discount, m.currency)
    whole = totals(priced(lines), inclusive=m.prices_include_vat, unit=unit_of(m.currency))
    counter = rows.find(Counter, "order") or Counter("order", 0)
    counter = replace(counter, last=counter.last + 1)
    placed_at = m.placed_at or ctx.now
    header = Header(
        order_id=m.order_id,
        number=f"C-{counter.last}",
        channel=m.channel,
        external_id=m.external_id,
        customer_id=m.customer_id,
        currency=m.currency,
        prices_include_vat=m.prices_include_vat,
        method=m.payment_method,
        token=m.payment_token,
        ship_to=ship_to,
        bill_to=m.bill_to or ship_to,
        placed_at=placed_at if placed_at.tzinfo else placed_at.replace(tzinfo=UTC),
        ship_complete=m.ship_complete,
        service_level=m.service_level,
        priority=m.priority,
        net=whole.net,
        vat=whole.vat,
        gross=whole.gross,
        fingerprint=fingerprint,
    )
    new = Order(header, tuple(lines), Progress(m.order_id), Stock(m.order_id), Money(m.order_id))
    after, effects = settle(None, *react(new, m), m, ctx)
    yield from effects
    yield counter
    yield Reply(placed(after), 201)


def placed(order: Order) -> dict[str, Any]:
    header = order.header
    return {
        "id": str(order.id),
        "number": header.number,
        "status": order.progress.status,
        "currency": header.currency,
        "net": f"{header.net:f}",
        "vat": f"{header.vat:f}",
        "gross": f"{header.gross:f}",
    }


def _fingerprint(m: PlaceOrder) -> str:
    return blake2b(m.model_dump_json(exclude={"actor"}).encode(), digest_size=16).hexdigest()


def frozen(order_id: UUID, lines: Sequence[NewLine], rows: Rows, first_no: int, currency: str) -> list[Line]:
    """Copies what the channel left open from the catalogue; later changes there alter no order (R-09)."""
    unit = unit_of(currency)
    made = []
    for i, line in enumerate(lines):
        product = rows.find(Product, line.sku) if _leaves_open(line) else None
        if product is None and line.unit_price is None:
            raise Refused(f"{line.sku} is not in the catalogue and has no price.", field=f"lines[{i}].sku")
        known = product or UNKNOWN
        row = Line(
            order_id=order_id,
            line_no=first_no + i,
            sku=line.sku,
            text=known.name if line.text is None else line.text,
            kind=known.kind if line.kind is None else line.kind,
            quantity=line.quantity,
            unit_price=known.price if line.unit_price is None else line.unit_price,
            discount=line.discount,
            vat_category=known.vat_category if line.vat_category is None else line.vat_category,
            vat_rate=known.vat_rate if line.vat_rate is None else line.vat_rate,
        )
        if line_amount(priced([row])[0], unit) < 0:
            raise Refused(f"The discount of {line.sku} is more than its price.", field=f"lines[{i}].discount")
        made.append(row)
    return made


UNKNOWN = Product("", "", "", "", "goods", Decimal(0), "S", Decimal(0))
"""What is taken for a line whose SKU is not in the catalogue."""


def with_vat_of_goods(asked: Sequence[NewLine], lines: list[Line], currency: str) -> list[Line]:
    """Splits postage over the VAT rates of the goods by their amounts: where law takes it for part of the sale (R-07).

    Only postage whose rate the channel left open. Its parts are lines of their own, the first in its place and the
    others at the end; they sum to it exactly, and are refunded like any line.
    """
    unit = unit_of(currency)
    amounts = [line_amount(price, unit) for price in priced(lines)]
    worth: dict[tuple[str, Decimal], Decimal] = {}
    for line, amount in zip(lines, amounts, strict=True):
        if line.kind == "goods":
            key = (line.vat_category, line.vat_rate)
            worth[key] = worth.get(key, Decimal(0)) + amount
    if not any(worth.values()):
        return lines
    kept: list[Line] = []
    further: list[Line] = []
    for new, line, amount in zip(asked, lines, amounts, strict=True):
        if line.kind != "shipping" or new.vat_rate is not None:
            kept.append(line)
            continue
        if line.discount or line.unit_price % unit:  # only whole units can be spread so that parts sum to the whole
            line = replace(line, quantity=1, unit_price=amount, discount=Decimal(0))
        shares = zip(worth, allocate(line.unit_price, list(worth.values()), unit), strict=True)
        parts = [
            replace(line, unit_price=share, vat_category=category, vat_rate=rate)
            for (category, rate), share in shares
            if share or len(worth) == 1
        ]
        kept.append(parts[0] if parts else line)
        further += parts[1:]
    return kept + [replace(line, line_no=len(kept) + i) for i, line in enumerate(further, 1)]


def discounted(lines: list[Line], discount: Decimal, currency: str) -> list[Line]:
    """Spreads an order-level discount over the lines by their amounts, once and for good (R-07)."""
    unit = unit_of(currency)
    if not discount:
        return lines
    weights = [line_amount(price, unit) for price in priced(lines)]
    if discount < 0 or rounded(discount, unit) > sum(weights):
        raise Refused("The discount is more than the order is worth, or negative.", field="discount")
    shares = allocate(rounded(discount, unit), weights, unit)
    return [replace(line, discount=line.discount + share) for line, share in zip(lines, shares, strict=True)]


# Wishes


def state_of(order: Order) -> dict[str, Any]:
    """The answer to a wish: where the order is now."""
    progress = order.progress
    return {
        "id": str(order.id),
        "number": order.header.number,
        "status": progress.status,
        "version": progress.version,
        "etag": str(progress.version),
        "holds": list(progress.holds),
    }


def grant(order: Order, wish: Trigger, ctx: Ctx) -> Iterator[Effect]:
    after, effects = settle(order, *react(order, wish), wish, ctx)
    yield from effects
    yield Reply(state_of(after))


def cancel_order(m: CancelOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """Cancels what is not out. What is out already is refused, with the way back: a return (R-37)."""
    order = load_order(rows, m.order_id)
    check_quote(order, m.quote)
    _check_lines(order, m.lines, "lines")
    ordered = {line.line_no: line.quantity for line in order.lines}
    wanted = dict(order.progress.cancel_wanted)
    for i, of in enumerate(m.lines):
        wanted[of.line_no] = wanted.get(of.line_no, 0) + of.quantity
        if wanted[of.line_no] > ordered[of.line_no]:
            left = ordered[of.line_no] - wanted[of.line_no] + of.quantity
            raise Refused(f"Of line {of.line_no}, {left} can still be cancelled.", field=f"lines[{i}].quantity")
    if order.progress.status == "cancelled":
        yield Reply(state_of(order))
        return
    after, effects = settle(order, *react(order, m), m, ctx)
    yield from effects
    asked = _pieces(m.lines) or sum(count.ordered for count in order.counts.values())
    granted = sum(quantity for _, quantity in after.progress.cancel_wanted) - sum(
        quantity for _, quantity in order.progress.cancel_wanted
    )
    shipped = any(count.shipped for count in after.counts.values())
    if granted == 0 and asked and shipped:
        title = "Everything asked for was handed over to the carrier already; it can be returned."
        yield Reply({"title": title, **state_of(after), "state": after.progress.status, "status": 409}, 409)
    else:
        yield Reply({**state_of(after), "cancelling": granted})


def _pieces(lines: Iterable[LineQuantity]) -> int:
    return sum(of.quantity for of in lines)


def _check_lines(order: Order, lines: Sequence[LineQuantity], name: str) -> None:
    known = {line.line_no for line in order.lines}
    for i, of in enumerate(lines):
        if of.line_no not in known:
            raise Refused(f"The order has no line {of.line_no}.", field=f"{name}[{i}].line_no")


def _check_not_final(order: Order) -> None:
    if order.progress.status in FINAL:
        raise Refused(f"Order {order.header.number} is {order.progress.status}; that is final.", status=409)


def hold_order(m: HoldOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    order = load_order(rows, m.order_id)
    check_quote(order, m.quote)
    _check_not_final(order)
    if m.reason in order.progress.holds:
        yield Reply(state_of(order))
        return
    yield from grant(order, m, ctx)


def release_hold(m: ReleaseHold, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    order = load_order(rows, m.order_id)
    check_quote(order, m.quote)
    if m.reason not in order.progress.holds:
        holds = ", ".join(order.progress.holds) or "none"
        raise Refused(f"There is no hold '{m.reason}'; the holds are: {holds}.", field="reason", status=409)
    yield from grant(order, m, ctx)


def to_edit(m: EditOrder) -> Needs:
    yield from to_order(m)
    yield from _products(m.add)


def edit_order(m: EditOrder, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """More of a line becomes a line of its own at the same price, so that frozen shares of discounts stay frozen."""
    order = load_order(rows, m.order_id)
    progress, header = order.progress, order.header
    if m.version is not None and m.version != progress.version:
        reason = f"The order changed meanwhile: it is {progress.status} at version {progress.version}, not {m.version}."
        raise Refused(reason, field="version", status=412)
    check_quote(order, m.quote)
    _check_not_final(order)
    if order.all_cancelled:
        raise Refused(f"Order {header.number} is being cancelled.", status=409)
    _check_lines(order, m.more, "more")
    open_shipments = [shipment.seq for shipment in order.shipments if shipment.open]
    if m.ship_to is not None and open_shipments:
        raise Refused(
            f"Shipment {open_shipments[0]} is with the warehouse already: hold the order, change the address when the "
            "shipment is cancelled, then release the hold.",
            field="ship_to",
            status=409,
        )
    if m.ship_to is not None and not order.open and not m.more and not m.add:
        raise Refused(
            "Everything was handed over already: the address can change no more.", field="ship_to", status=409
        )
    next_no = 1 + max(line.line_no for line in order.lines)
    more = [
        replace(order.line(of.line_no), line_no=next_no + i, quantity=of.quantity, discount=Decimal(0))
        for i, of in enumerate(m.more)
        if of.quantity
    ]
    lines = more + frozen(order.id, m.add, rows, next_no + len(more), header.currency)
    edited = Edited(
        order_id=order.id,
        lines=tuple(lines),
        ship_to=m.ship_to,
        priority=m.priority,
        actor=m.actor,
        note=edit_in_words(order, m, lines),
    )
    after, asks = react(order, edited)
    if lines:
        whole = totals(priced(after.lines), inclusive=header.prices_include_vat, unit=unit_of(header.currency))
        after = after.but(header=replace(after.header, net=whole.net, vat=whole.vat, gross=whole.gross))
    after, effects = settle(order, after, asks, edited, ctx)
    yield from effects
    yield Reply(state_of(after))


def edit_in_words(order: Order, m: EditOrder, lines: Sequence[Line]) -> str:
    """What an edit changes, for the history: the order itself keeps only how it is now."""
    header = order.header
    said = [f"line {line.line_no}: {line.quantity} x {line.sku} more" for line in lines]
    if m.ship_to is not None and m.ship_to != header.ship_to:
        said.append(f"ship to {in_one_line(m.ship_to)} instead of {in_one_line(header.ship_to)}")
    if m.priority is not None and m.priority != header.priority:
        said.append(f"priority {m.priority} instead of {header.priority}")
    changes = "; ".join(said) or "nothing changed"
    return f"{m.reason}: {changes}" if m.reason else changes


def return_goods(m: ReturnGoods, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """A return of the customer; never more than was shipped and is not in another return (I5).

    The customer's own word holds only within the period of withdrawal (R-40); that of the staff always.
    """
    order = load_order(rows, m.order_id)
    _check_lines(order, m.lines, "lines")
    if not any(known.return_id == m.return_id for known in order.returns):
        check_quote(order, m.quote)
        said = m
        if m.withdrawal:
            if last := over(order, ctx.policy.withdrawal, ctx.now):
                raise Refused(f"The time to withdraw ended on {last}.", field="withdrawal", status=409)
            m = with_charges(order, m)
        if reason := not_returnable(order, m.shipment_id, m.lines):
            raise Refused(reason, field="lines", status=409)
        order, effects = settle(order, *react(order, m), m, ctx)
        yield from effects
        if said.withdrawal:
            yield WithdrawalReceived(
                order_id=said.order_id, return_id=said.return_id, lines=said.lines, reason=said.reason
            )
    yield Reply({**state_of(order), "return_id": str(m.return_id)}, 201)


def accept_date(m: AcceptDate, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    order = load_order(rows, m.order_id)
    _check_not_final(order)
    yield from grant(order, m, ctx)


# Catalogue, customers, channels


def to_register_products(m: RegisterProducts) -> Needs:
    return [(Product, product.sku) for product in m.products]


def register_products(m: RegisterProducts, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    yield from _registered([Product(**product.__dict__) for product in m.products], Product, m.if_match, rows)


def to_register_customers(m: RegisterCustomers) -> Needs:
    return [(Customer, customer.customer_id) for customer in m.customers]


def register_customers(m: RegisterCustomers, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    yield from _registered([Customer(**customer.__dict__) for customer in m.customers], Customer, m.if_match, rows)


def to_register_channel(m: RegisterChannel) -> Needs:
    return [(Channel, m.channel.code)]


def register_channel(m: RegisterChannel, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    yield from _registered([Channel(m.channel.code, m.channel.name)], Channel, m.if_match, rows)


def _registered(wanted: Sequence[R], kind: type[R], if_match: str, rows: Rows) -> Iterator[Effect]:
    """Master data as it should be from now on. Of a single thing the answer has its new entity tag."""
    for row in wanted:
        key = getattr(row, kind.GROUP)
        check_match(rows.find(kind, key), row, if_match, f"{kind.__name__.lower()} {key}")
    yield from wanted
    yield Reply({"registered": len(wanted)} | ({"etag": etag_of(wanted)} if len(wanted) == 1 else {}))
