"""Decisions about e-mails to suppliers: a purchase order goes to one as it is sent, and again when a person says so.

An e-mail is a row beside those to customers, under the id of the purchase order, and is sent, tried and parked as they
are (letters.py).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from services.backoffice.letters import mail_id
from services.backoffice.rows import Mail, OfficeAct
from shared.contracts.backoffice import MailSupplier, SendMail
from shared.messaging.decision import Call, Context, Effect, Needs, Refused, Reply, Rows, Timer

KIND: Final = "purchase"
INSTEAD: Final = "Another e-mail was sent in its place."


def first(purchase_id: UUID) -> UUID:
    """The e-mail of sending the order, below which all others about it stand."""
    return mail_id(purchase_id, KIND, KIND, "")


def to_supplier(m: MailSupplier) -> Needs:
    return [(Mail, m.purchase_id)]


def mail_supplier(m: MailSupplier, rows: Rows, ctx: Context[Any]) -> Iterator[Effect]:
    """The e-mail that is wanted, unless it was wanted before. One that could not be sent until now is tried no more."""
    if not ctx.policy.mails:
        raise Refused("E-mails are switched off.", status=409)
    known = rows.group(Mail, m.purchase_id)
    if any(of.mark == m.mark for of in known):
        yield Reply({"wanted": False})
        return
    if any(of.state == "sending" for of in known):
        raise Refused("An e-mail with it is being sent already.", status=409)
    for of in known:
        if of.state in ("waiting", "parked"):
            yield replace(of, state="left", due_at=None, why=INSTEAD)
            yield Timer(f"mail:{of.mail_id}", None, None)
    id = mail_id(m.purchase_id, KIND, KIND, m.mark)
    facts = {"number": m.number, "to": m.to, "lang": m.lang}
    yield Mail(m.purchase_id, id, KIND, KIND, m.mark, ctx.now, ctx.now, facts)
    yield Call(SendMail(order_id=m.purchase_id, mail_id=id))
    yield OfficeAct(ctx.new_id(), ctx.now, m.key, m.actor, {"name": m.number, "to": m.to})
    yield Reply({"wanted": True})
