"""Decisions about webhooks: who is told of a fact, what becomes of an attempt, what a person does to a webhook.

A delivery is a row that is written in the same unit of work as what the pages show of its fact. Its id is made of fact
and webhook, so that the same event again, a replay or a rebuild finds it there. Sending it is an outside call.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.backoffice.public import PUBLIC, TEST, TestData, fact_id, written
from services.backoffice.rows import (
    EVERYBODY,
    Attempt,
    Delivery,
    OfficeAct,
    Order,
    Subscriber,
    Undelivered,
    Webhook,
    WebhookFact,
)
from shared.contracts.backoffice import (
    ActOnWebhook,
    AddWebhook,
    ChangeWebhook,
    DeliveryAnswered,
    OfWebhook,
    Redeliver,
)
from shared.contracts.billing import MoneyStatement
from shared.contracts.inventory import AvailabilityChanged
from shared.contracts.message import Event
from shared.messaging.decision import Context, Effect, Handler, Needs, Refused, Reply, Rows

MOST = 50
"""Webhooks that there may be: each gets a copy of what it asks for."""
TOLD_FOR = timedelta(days=14)
"""What happened longer ago is told to nobody; shorter than deliveries are kept, so that nothing is told twice."""
SETTLES = timedelta(seconds=1)
"""How long a delivery waits for an elder of the same order that is still on the bus."""
PAUSES = tuple(
    timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600)
)
"""How long to wait after each try, give or take a fifth: about three days in all. Then the delivery is given up."""
PATIENT = 5
"""After so many failures in a row, of whatever, the receiver as a whole is left alone for a while."""
SHORTEST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(minutes=15)
ASKED_REST = timedelta(hours=1)
"""A receiver may ask to be left alone for so long."""
PAUSED_AFTER, PAUSED_TRIES = timedelta(days=3), 10
"""A receiver that took nothing for so long, in so many tries, is paused."""
BOTH = timedelta(hours=24)
"""How long the secret before signs beside a new one."""


# Who is told


def to_subscribers(m: Any) -> Needs:
    return [(Subscriber, EVERYBODY)]


def to_overtaken(m: AvailabilityChanged, rows: Rows) -> Needs:
    """What waits of the same SKU, where anybody is told of it."""
    return [(Undelivered, m.sku)] if _wanting(m, rows) else []


def told(m: Event, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """A delivery for each webhook that asks for facts of this kind, whether it is paused or not."""
    at = ctx.told_at or ctx.now
    wanting = [of for of in _wanting(m, rows) if at >= of.added_at]
    if not wanting or ctx.now - at > TOLD_FOR:
        return
    public = PUBLIC[type(m)]
    order = rows.find(Order, m.order_id) if isinstance(m, MoneyStatement) else None
    data = public.make(m, order.currency if order else "")
    id, version = fact_id(public, m), getattr(m, "version", 0)
    body = written(id, public.name, m.owner, m.subject, at, data)
    yield WebhookFact(id, public.name, m.subject, at, version, body, ctx.now)
    for of in wanting:
        if isinstance(m, AvailabilityChanged):
            waiting = [each for each in rows.group(Undelivered, m.sku) if each.webhook_id == of.webhook_id]
            if any(each.version >= version for each in waiting):
                continue
            for each in waiting:
                yield replace(each, state="overtaken", done_at=ctx.now)
        delivery_id = uuid5(of.webhook_id, str(id))
        yield Delivery(delivery_id, id, of.webhook_id, public.name, m.subject, at, version, ctx.now, ctx.now + SETTLES)


def _wanting(m: Event, rows: Rows) -> list[Subscriber]:
    name = PUBLIC[type(m)].name
    return [of for of in rows.group(Subscriber, EVERYBODY) if of.state in ("active", "paused") and name in of.kinds]


def telling(kind: type[Event], known: Handler | None = None) -> Handler:
    """The handler of a fact, and that others are told of it, if it is one that they may ask for."""
    if kind not in PUBLIC:
        assert known is not None
        return known
    more = to_overtaken if kind is AvailabilityChanged else None
    if known is None:
        return Handler(to_subscribers, told, more)
    own = known

    def needs(m: Any) -> Needs:
        return [*own.needs(m), (Subscriber, EVERYBODY)]

    def decide(m: Any, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
        yield from own.decide(m, rows, ctx)
        yield from told(m, rows, ctx)

    return Handler(needs, decide, more)


# What became of an attempt


def to_webhook(m: OfWebhook) -> Needs:
    return [(Webhook, m.webhook_id)]


def to_waiting(m: DeliveryAnswered, rows: Rows) -> Needs:
    return [(Undelivered, m.about)]


def answered(m: DeliveryAnswered, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The reply says how the delivery and its webhook stand now, for the log."""
    yield Attempt(m.attempt_id, m.delivery_id, m.began_at, m.took_ms, m.outcome, m.code, m.why, m.answer)
    hook = rows.find(Webhook, m.webhook_id)
    waiting = next((of for of in rows.group(Undelivered, m.about) if of.delivery_id == m.delivery_id), None)
    if hook is None:
        return
    was, hook = hook, _fared(m, hook, ctx.now)
    if hook != was:
        yield hook
    if waiting is not None:
        waiting = replace(waiting, tries=waiting.tries + 1, code=m.code, why=m.why, claimed_until=None)
        if m.outcome == "delivered":
            waiting = replace(waiting, state="delivered", done_at=ctx.now)
        elif m.outcome == "gone":
            waiting = replace(waiting, state="given_up", done_at=ctx.now)
        else:
            waiting = _later(waiting, hook, ctx.now)
        yield waiting
    yield Reply({"webhook": hook.state, "was": was.state, "delivery": waiting.state if waiting else ""})


def _fared(m: DeliveryAnswered, hook: Webhook, now: datetime) -> Webhook:
    """The webhook after the attempt. One that took anything is well again."""
    if m.outcome == "delivered":
        if hook.failures or hook.rests_until:
            return replace(hook, failures=0, failing_since=None, rests_until=None)
        return hook
    if m.outcome == "gone":
        return replace(hook, state="gone", why=m.why) if hook.state in ("active", "paused") else hook
    failures, since = hook.failures + 1, hook.failing_since or now
    rest = timedelta(0)
    if failures >= PATIENT:
        rest = min(LONGEST_REST, SHORTEST_REST * 2 ** min(failures - PATIENT, 10))
    rest = max(rest, min(ASKED_REST, timedelta(seconds=m.rest_s)))
    hook = replace(hook, failures=failures, failing_since=since, rests_until=now + rest if rest else None)
    if hook.state == "active" and failures >= PAUSED_TRIES and now - since >= PAUSED_AFTER:
        return replace(hook, state="paused", why=m.why, rests_until=None)
    return hook


def _later(waiting: Undelivered, hook: Webhook, now: datetime) -> Undelivered:
    """When it is tried again. While nothing at all is taken, it is the receiver that is at fault, not this delivery."""
    if hook.rests_until is not None or hook.state != "active":
        return replace(waiting, due_at=hook.rests_until or now)
    if waiting.rung == len(PAUSES):
        return replace(waiting, state="given_up", done_at=now)
    spread = 80 + uuid5(waiting.delivery_id, str(waiting.tries)).int % 41
    return replace(waiting, rung=waiting.rung + 1, due_at=now + PAUSES[waiting.rung] * spread / 100)


# What people do


def to_new(m: AddWebhook) -> Needs:
    return [(Webhook, m.webhook_id), (Subscriber, EVERYBODY)]


def add(m: AddWebhook, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    if rows.find(Webhook, m.webhook_id) is not None:
        raise Refused("There is this webhook already.", status=409)
    if sum(of.state != "removed" for of in rows.group(Subscriber, EVERYBODY)) >= MOST:
        raise Refused(f"There are {MOST} webhooks already; remove one first.", field="name", status=409)
    hook = Webhook(m.webhook_id, m.name, m.url, m.kinds, "active", "", m.actor, ctx.now, 1, m.made_of)
    yield hook
    yield _act(m, hook, ctx)


def change(m: ChangeWebhook, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    hook = _there(m, rows)
    changed = replace(hook, name=m.name, url=m.url, kinds=m.kinds)
    if changed != hook:
        yield changed
        yield _act(m, changed, ctx, was_url=hook.url, were=list(hook.kinds))


def act(m: ActOnWebhook, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """Done already: nothing is done, and nothing is refused."""
    hook = was = _there(m, rows)
    if m.act == "pause" and hook.state == "active":
        hook = replace(hook, state="paused", why="")
    elif m.act == "resume" and hook.state in ("paused", "gone"):
        hook = replace(hook, state="active", why="", failures=0, failing_since=None, rests_until=None)
    elif m.act == "remove":
        hook = replace(hook, state="removed", why="")
    elif m.act == "rotate":
        hook = replace(
            hook, generation=hook.generation + 1, made_of=m.made_of, old_made_of=hook.made_of, old_until=ctx.now + BOTH
        )
    elif m.act == "retire" and hook.old_until is not None:
        hook = replace(hook, old_made_of="", old_until=None)
    elif m.act == "test":
        if hook.state != "active":
            raise Refused("Nothing is sent to it now: resume it first.", status=409)
        yield from _test(hook, ctx)
    if hook != was:
        yield hook
    if hook != was or m.act == "test":
        yield _act(m, hook, ctx, act=m.act)
    yield Reply({"generation": hook.generation, "made_of": hook.made_of})


def _test(hook: Webhook, ctx: Context[Any]) -> Iterator[Effect]:
    id, about = ctx.new_id(), str(hook.webhook_id)
    body = written(id, TEST, "backoffice", about, ctx.now, TestData(webhook_id=hook.webhook_id))
    yield WebhookFact(id, TEST, about, ctx.now, 0, body, ctx.now)
    yield Delivery(uuid5(hook.webhook_id, str(id)), id, hook.webhook_id, TEST, about, ctx.now, 0, ctx.now, ctx.now)


def redeliver(m: Redeliver, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The same facts under the same ids, as deliveries of their own."""
    hook = _there(m, rows)
    for of in m.facts:
        id = redelivery_id(m.act_id, of.fact_id)
        yield Delivery(id, of.fact_id, hook.webhook_id, of.kind, of.about, of.at, of.version, ctx.now, ctx.now, m.actor)
    since = m.since.isoformat() if m.since else ""
    yield _act(m, hook, ctx, facts=len(m.facts), since=since, kind="" if m.since else m.facts[0].kind)


def redelivery_id(act_id: UUID, fact: UUID) -> UUID:
    return uuid5(act_id, str(fact))


def _there(m: OfWebhook, rows: Rows) -> Webhook:
    hook = rows.find(Webhook, m.webhook_id)
    if hook is None or hook.state == "removed":
        raise Refused("There is no such webhook.", status=404)
    return hook


def _act(m: OfWebhook, hook: Webhook, ctx: Context[Any], **more: Any) -> OfficeAct:
    """What is kept of it for the audit; never a secret."""
    facts = {"webhook": str(hook.webhook_id), "name": hook.name, "url": hook.url, "kinds": list(hook.kinds), **more}
    return OfficeAct(ctx.new_id(), ctx.now, m.key, m.actor, facts)
