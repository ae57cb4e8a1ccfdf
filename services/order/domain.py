"""Decisions of the order service: load the rows, let the saga react, yield what changed.

Nearly every message goes one way: `advance`. placing.py makes an order, wishes.py checks first what people ask for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, get_type_hints
from uuid import UUID

from services.order.facts import Trigger, promised_on
from services.order.quantities import Order
from services.order.rows import (
    Header,
    History,
    Line,
    Money,
    Progress,
    Return,
    Shipment,
    Stock,
)
from services.order.saga import Ask, react, unanswered
from services.order.withdrawal import Terms
from shared.contracts.message import Message
from shared.contracts.order import (
    FINAL,
    AcceptDate,
    AnswerDue,
    ConsentDue,
    OrderStatement,
    PayByDue,
    RefusalDue,
)
from shared.messaging.decision import Context, Effect, Needs, Row, Rows, Timer


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
    ask_refused_again: timedelta = timedelta(hours=24)  # a warehouse that was closed
    postage_vat: Literal["own", "goods"] = "own"  # of postage whose rate the channel left open
    address_check: bool = True  # orders of goods with an incomplete address are held (OMS-14)
    withdrawal: Terms = field(default_factory=Terms)


Ctx = Context[Policy]

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
    held = ", ".join(reason for reason in now.holds if reason not in was.holds)
    said = _said(trigger, "note") or _said(trigger, "reason") or held
    return said or (now.reason if now.reason != was.reason else "")


def _said(trigger: Trigger, name: str) -> str:
    """A text that not every trigger has. Messages are asked for what they have only: a miss is slow there."""
    return str(getattr(trigger, name)) if name in _fields(type(trigger)) else ""  # type: ignore[arg-type]


@cache
def _fields(kind: type) -> frozenset[str]:
    return frozenset(get_type_hints(kind))


# Timers


def timed(order: Order, asks: Sequence[Ask], trigger: Trigger, ctx: Ctx) -> tuple[Order, list[Timer]]:
    """Arms and ends the four timers of an order; a timer that stands is left alone, it looks when it fires."""
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
    refused = bool(progress.limits) and not final and order.open
    timers: list[Timer] = []
    changes: dict[str, datetime | None] = {}
    for name, armed, needed, after, message in (
        ("pay_by", progress.pay_by, unpaid, again, PayByDue),
        ("consent_by", progress.consent_by, late, policy.consent, ConsentDue),
        ("answer_by", progress.answer_by, awaited, wait, AnswerDue),
        ("refused_until", progress.refused_until, refused, policy.ask_refused_again, RefusalDue),
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


def refusal_due(m: RefusalDue, rows: Rows, ctx: Ctx) -> Iterator[Effect]:
    """The warehouse that was closed is asked again: it may be open, and if it is not it refuses anew."""
    order = load_order(rows, m.order_id)
    if order.progress.refused_until is not None and ctx.now >= order.progress.refused_until:
        yield from _fired(order, order.moved(refused_until=None), m, ctx)


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
