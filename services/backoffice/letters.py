"""Decisions about e-mails to customers: which are due, who sends one, what becomes of it. Each is written once.

An e-mail is a row that its cause writes in the same unit of work as what the pages show. Its key says what it is about,
so that the same event again, a replay or a rebuild finds it there. Sending it is an outside call.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from services.backoffice.rows import Mail, Money, Order
from shared.contracts.backoffice import (
    ClaimMail,
    MailAnswered,
    MailDue,
    MailKind,
    OrderSummary,
    SendMail,
    SendMailAgain,
)
from shared.contracts.billing import MoneyStatement
from shared.contracts.fulfilment import ShipmentStatement
from shared.contracts.order import WithdrawalReceived
from shared.messaging.decision import Call, Context, Effect, Needs, Reply, Rows, Timer

NAMES = UUID("5b0f4c56-9f0e-4c53-9d4e-3c1f6f0f8f6a")
"""What the ids of e-mails are made in."""
LEASE = timedelta(minutes=5)
"""How long whoever took an e-mail has to say what became of it; longer than sending one may take."""
PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440))
"""How long to wait after each try; after the last one a person has to look."""
BUSY = timedelta(seconds=30)
DATED = ("backordered", "date_changed")


def mail_id(order_id: UUID, kind: str, thing: str, mark: str) -> UUID:
    """The same for the same e-mail, wherever and whenever it is asked; its Message-ID is made of it."""
    return uuid5(NAMES, f"{order_id}/{kind}/{thing}/{mark}")


def wanted(ctx: Context[Any]) -> bool:
    """Whether customers hear of what happens now: not of the past, nor of what was before e-mails were switched on."""
    policy, at = ctx.policy, ctx.told_at or ctx.now
    return bool(
        policy.mails and ctx.now - at <= policy.mail_age and (policy.mail_since is None or at >= policy.mail_since)
    )


def letter(
    order_id: UUID, kind: MailKind, thing: str, mark: str, facts: dict[str, Any], rows: Rows, ctx: Context[Any]
) -> Iterator[Effect]:
    """An e-mail that is due, unless it was due before."""
    if not wanted(ctx) or any((of.kind, of.thing, of.mark) == (kind, thing, mark) for of in rows.group(Mail, order_id)):
        return
    id = mail_id(order_id, kind, thing, mark)
    yield Mail(order_id, id, kind, thing, mark, ctx.told_at or ctx.now, ctx.now, facts)
    yield Call(SendMail(order_id=order_id, mail_id=id))


# What customers are told of


def confirmed(order_id: UUID, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    yield from letter(order_id, "confirmed", "order", "", {}, rows, ctx)


def moved(m: ShipmentStatement, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """A parcel is on its way, or there. `m` is the newest that is known of it."""
    if m.state not in ("dispatched", "delivered"):
        return
    kind: MailKind = "shipped" if m.state == "dispatched" else "delivered"
    lines = [[line.line_no, line.shipped] for line in m.lines if line.shipped]
    facts = {"lines": lines, "carrier": m.carrier, "tracking": m.tracking}
    yield from letter(m.order_id, kind, str(m.shipment_id), "", facts, rows, ctx)


def refunded(m: MoneyStatement, known: Money | None, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """Money went back: so much more than was known before."""
    more = m.refunded - (known.refunded if known else 0)
    if more > 0:
        yield from letter(m.order_id, "refunded", "money", f"{m.refunded:f}", {"amount": f"{more:f}"}, rows, ctx)


def withdrawn(m: WithdrawalReceived, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The customer's statement has come: what it said, and when, is owed back in a form that lasts (R-40)."""
    facts = {"lines": [[line.line_no, line.quantity] for line in m.lines], "reason": m.reason}
    yield from letter(m.order_id, "withdrawn", str(m.return_id), "", facts, rows, ctx)


def dated(seen: OrderSummary, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The day that the late part is promised for, if it is another than the customer was told; empty: nobody knows it.

    Nothing before the order is confirmed, as until then it may all turn out otherwise (M-05).
    """
    if not seen.backordered:
        return
    mails = rows.group(Mail, seen.order_id)
    if not any(of.kind == "confirmed" for of in mails):
        return
    told = sorted((of for of in mails if of.kind in DATED), key=lambda of: int(of.mark))
    day = seen.promised_on.isoformat() if seen.promised_on else ""
    if told and told[-1].facts["day"] == day:
        return
    kind: MailKind = "date_changed" if told else "backordered"
    facts = {"day": day, "before": told[-1].facts["day"] if told else ""}
    yield from letter(seen.order_id, kind, "stock", str(len(told)), facts, rows, ctx)


# Sending


def to_mail(m: ClaimMail | MailAnswered | MailDue | SendMailAgain | WithdrawalReceived) -> Needs:
    return [(Order, m.order_id), (Mail, m.order_id)]


def _mail(m: Any, rows: Rows) -> Mail | None:
    return next((of for of in rows.group(Mail, m.order_id) if of.mail_id == m.mail_id), None)


def _due(mail: Mail, at: Any) -> Timer:
    return Timer(
        f"mail:{mail.mail_id}", at, None if at is None else MailDue(order_id=mail.order_id, mail_id=mail.mail_id)
    )


def claim_mail(m: ClaimMail, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """Whoever sends it takes it first: the same call may be made by two copies. Who dies over it is waited for."""
    mail = _mail(m, rows)
    if mail is None or mail.state not in ("waiting", "sending") or (mail.due_at is not None and ctx.now < mail.due_at):
        yield Reply({"taken": False})
        return
    until = ctx.now + LEASE
    yield replace(mail, state="sending", tries=mail.tries + 1, due_at=until)
    yield _due(mail, until)
    facts = {"kind": mail.kind, "thing": mail.thing, "facts": mail.facts, "at": mail.at.isoformat()}
    yield Reply({"taken": True, **facts})


def mail_due(m: MailDue, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The pause is over, or whoever took it never answered."""
    mail = _mail(m, rows)
    if mail is not None and mail.state in ("waiting", "sending") and mail.due_at is not None and mail.due_at <= ctx.now:
        yield replace(mail, state="waiting", due_at=None)
        yield Call(SendMail(order_id=m.order_id, mail_id=m.mail_id))


def mail_answered(m: MailAnswered, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """What the mail server said, or that it did not."""
    mail = _mail(m, rows)
    if mail is None or m.outcome == "taken" or mail.state in ("sent", "left"):
        return
    if m.outcome == "busy":
        if mail.state == "waiting" and mail.due_at is None:
            yield replace(mail, due_at=ctx.now + BUSY)
            yield _due(mail, ctx.now + BUSY)
        return
    said: dict[str, Any] = {"lang": m.lang, "sent_to": m.to, "subject": m.title, "body": m.body} if m.title else {}
    if m.outcome == "later" and mail.state == "sending" and mail.tries <= len(PAUSES):
        until = ctx.now + PAUSES[mail.tries - 1]
        yield replace(mail, state="waiting", due_at=until, why=m.why, **said)
        yield _due(mail, until)
        return
    state = {"sent": "sent", "left": "left"}.get(m.outcome, "parked")
    sent_at = ctx.now if m.outcome == "sent" else None
    yield replace(mail, state=state, due_at=None, sent_at=sent_at, why=m.why, **said)
    yield _due(mail, None)


def send_again(m: SendMailAgain, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """A person asks to try it once more, after the cause was put right."""
    mail = _mail(m, rows)
    if mail is None or mail.state not in ("parked", "left"):
        yield Reply({"title": "Only an e-mail that was not sent can be sent again.", "status": 409}, 409)
        return
    yield replace(mail, state="waiting", tries=0, due_at=None)
    yield Call(SendMail(order_id=m.order_id, mail_id=m.mail_id))
    yield Reply({"state": "waiting"})
