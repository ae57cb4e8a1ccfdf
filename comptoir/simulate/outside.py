"""Payment provider and carrier, with books of their own: what they did, whatever we were told."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.contracts.billing import CallProvider, ProviderAnswered
from shared.contracts.fulfilment import CallCarrier, LabelAnswered

ZERO = Decimal(0)


@dataclass
class Authorisation:
    amount: Decimal
    expires_at: datetime
    captured: Decimal = ZERO
    refunded: Decimal = ZERO
    state: str = "open"


@dataclass
class Done:
    """One operation in the provider's book, under our key."""

    call: CallProvider
    outcome: str
    reference: str
    reason: str = ""
    expires_at: datetime | None = None

    def answer(self) -> ProviderAnswered:
        return ProviderAnswered(
            order_id=self.call.order_id,
            operation_no=self.call.operation_no,
            outcome=self.outcome,
            reference=self.reference,
            reason=self.reason,
            expires_at=self.expires_at,
        )


class Provider:
    """Does each operation once, by its key; what is asked again gets the same answer."""

    def __init__(self) -> None:
        self.book: dict[str, Done] = {}
        self.authorisations: dict[str, Authorisation] = {}
        self.wrong: list[str] = []

    def perform(self, call: CallProvider, now: datetime, holds_for: timedelta, refuses: str) -> Done:
        known = self.book.get(call.idempotency_key)
        if known is not None:
            if (known.call.kind, known.call.amount) != (call.kind, call.amount):
                self.wrong.append(
                    f"I15: key {call.idempotency_key} was {known.call.kind} {known.call.amount} "
                    f"and is now {call.kind} {call.amount}"
                )
            return known
        reason = refuses or self._refusal(call, now)
        done = Done(call, "refused" if reason else "ok", f"psp_{call.idempotency_key}", reason)
        if not reason and call.kind == "authorise":
            done.expires_at = now + holds_for
            self.authorisations[done.reference] = Authorisation(call.amount, done.expires_at)
        self.book[call.idempotency_key] = done
        return done

    def _refusal(self, call: CallProvider, now: datetime) -> str:
        if call.kind == "authorise" or not call.authorisation:
            return "" if call.kind in ("authorise", "refund") else "no authorisation is named"
        found = self.authorisations.get(call.authorisation)
        if found is None:
            self.wrong.append(f"I14: {call.kind} on {call.authorisation}, which does not exist")
            return "unknown authorisation"
        if found.state == "open" and found.expires_at <= now:
            found.state = "expired"
        if call.kind == "refund":
            if found.refunded + call.amount > found.captured:
                self.wrong.append(f"I12: refund of {call.amount}, {found.captured - found.refunded} are left")
                return "more than captured"
            found.refunded += call.amount
        elif found.state != "open":
            return found.state
        elif call.kind == "void":
            found.state = "voided"
        elif found.captured + call.amount > found.amount:
            self.wrong.append(f"I12: capture of {call.amount}, {found.amount - found.captured} are authorised")
            return "more than authorised"
        else:
            found.captured += call.amount
        return ""


@dataclass
class Label:
    label_id: str
    tracking: str
    state: str = "bought"


@dataclass
class Carrier:
    """Sells one label per key."""

    labels: dict[str, Label] = field(default_factory=dict)

    def buy(self, call: CallCarrier) -> LabelAnswered:
        label = self.labels.get(call.idempotency_key)
        if label is None:
            n = len(self.labels) + 1
            label = self.labels[call.idempotency_key] = Label(f"LB{n:06d}", f"1Z{n:06d}")
        return said(call, "ok", label_id=label.label_id, tracking=label.tracking)

    def void(self, call: CallCarrier, claimed: bool) -> LabelAnswered:
        for label in self.labels.values():
            if label.label_id == call.label_id:
                if label.state == "bought":
                    label.state = "claimed" if claimed else "voided"
                return said(call, "ok", label.state if label.state == "claimed" else "", label_id=label.label_id)
        return said(call, "refused", "there is no such label")

    def label_of(self, shipment_id: UUID) -> Label | None:
        return self.labels.get(str(shipment_id))


def said(call: CallCarrier, outcome: Any, reason: str = "", label_id: str = "", tracking: str = "") -> LabelAnswered:
    return LabelAnswered(
        shipment_id=call.shipment_id,
        operation=call.operation,
        outcome=outcome,
        reason=reason,
        label_id=label_id or (call.label_id if call.operation == "void" else ""),
        tracking=tracking,
    )
