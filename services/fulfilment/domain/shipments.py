"""What fulfilment decides about shipments: plan, pick, pack, label, hand over, cancel, follow.

One row per shipment. The hand-over to the carrier (packed -> dispatched) is the point of no return (R-37): this row is
the only judge of the race between cancelling and shipping. The label is an operation of its own beside the state.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from services.fulfilment.domain.returns import comes_back
from services.fulfilment.domain.rows import (
    NEWS,
    OPEN,
    Impossible,
    Policy,
    Return,
    Shipment,
    answered,
    known,
    noted,
    reply,
    statement,
    tell,
    told,
)
from shared.contracts.fulfilment import (
    OUT,
    CallCarrier,
    CancelShipment,
    DispatchShipment,
    LabelAnswered,
    PackShipment,
    ParcelDue,
    PickShipment,
    PlanShipment,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    RetryLabel,
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentPacked,
    ShipmentPicked,
    ShipmentPlanned,
    ShipmentRefused,
    ShipmentRejected,
    ShortLine,
    ShortWhy,
)
from shared.contracts.values import Address
from shared.messaging.decision import Call, Context, Effect, Missing, Needs, Refused, Rows, Timer

# Needs


def its_shipment(
    m: PlanShipment
    | CancelShipment
    | PickShipment
    | PackShipment
    | DispatchShipment
    | RejectShipment
    | ResumeLabel
    | RetryLabel
    | LabelAnswered
    | ParcelDue,
) -> Needs:
    yield Shipment, m.shipment_id


def its_shipment_and_returns(m: ReportTracking) -> Needs:
    yield Shipment, m.shipment_id
    yield Return, m.shipment_id


# The label: an operation of its own, always with the same key (R-35, SC-27)


def call(s: Shipment, operation: Literal["buy", "void"], label_id: str = "") -> Call:
    return Call(
        CallCarrier(
            shipment_id=s.shipment_id,
            operation=operation,
            idempotency_key=str(s.shipment_id),
            label_id=label_id,
            service_level=s.service_level,
            address=s.address,
            weight_g=s.weight_g,
        )
    )


def label_timer(s: Shipment, due_at: datetime | None) -> Timer:
    operation: Literal["buy", "void"] = "void" if s.label == "void_wanted" else "buy"
    message = None if due_at is None else RetryLabel(shipment_id=s.shipment_id, operation=operation)
    return Timer(f"label:{s.shipment_id}", due_at, message)


def without_label(s: Shipment) -> tuple[Shipment, list[Effect]]:
    """The shipment will not leave: its label must not survive it (I9). A purchase under way is awaited first."""
    if s.label == "bought":
        return replace(s, label="void_wanted", label_tries=0, parked=""), [call(s, "void", s.label_id)]
    if s.label == "refused":
        return replace(s, label="none", label_tries=0, parked=""), [label_timer(s, None)]
    if s.label == "wanted" and s.parked:  # nobody knows whether it exists: ask again with the same key, then void it
        return replace(s, label_tries=0, parked=""), [call(s, "buy")]
    return s, []


def label_answered(m: LabelAnswered, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """The carrier's answer to one label operation. Answers may come twice and late; only what is wanted counts."""
    s = rows.one(Shipment, m.shipment_id)
    if m.operation == "void":
        yield from void_answered(m, s, ctx)
    elif m.outcome == "ok" and (s.label in ("wanted", "refused") or (s.label == "none" and s.state not in OPEN)):
        yield from label_bought(m, s, ctx)
    elif m.outcome == "ok" and m.label_id != s.label_id:  # a second label of one parcel must not stay (F30)
        yield call(s, "void", m.label_id)
        yield noted(s, f"second label {m.label_id}: to be voided", ctx)
    elif m.outcome != "ok" and s.label in ("wanted", "refused") and not s.parked:
        if m.outcome == "refused" and s.state not in OPEN:
            s = replace(s, label="none", label_tries=0)
            yield s
            yield noted(s, "no label was bought", ctx)
        else:
            yield from try_again(m, replace(s, label="refused" if m.outcome == "refused" else "wanted"), ctx)


def label_bought(m: LabelAnswered, s: Shipment, ctx: Context[Policy]) -> Iterator[Effect]:
    if s.label_tries:
        yield label_timer(s, None)
    bought: dict[str, Any] = {"label": "bought", "label_id": m.label_id, "label_tries": 0, "parked": ""}
    if s.state not in OPEN:  # cancelled while the carrier was asked
        after, effects = without_label(replace(s, **bought))
        yield from effects
        if s.parked:
            yield from told(after, "label bought after the end: to be voided", ctx, NEWS[s.state])
        else:
            yield after
            yield noted(after, "label bought after the end: to be voided", ctx)
        return
    bought |= {"carrier": ctx.policy.carrier, "tracking": m.tracking}
    if ctx.policy.runs_itself(s.warehouse):
        yield from hand_over(s, "labelled and handed over", ctx, **bought)
    else:
        yield from told(s, "labelled", ctx, ShipmentPacked, state="packed", **bought)


def void_answered(m: LabelAnswered, s: Shipment, ctx: Context[Policy]) -> Iterator[Effect]:
    if m.label_id and m.label_id != s.label_id:
        if m.outcome != "ok":
            parked = f"second label {m.label_id} not voided: {m.reason or m.outcome}"
            yield from told(replace(s, parked=parked), parked, ctx, NEWS[s.state])
        return
    if s.label != "void_wanted":
        return
    if m.outcome == "ok":
        if s.label_tries:
            yield label_timer(s, None)
        parked = s.parked
        label: Literal["claimed", "voided"] = "claimed" if m.reason == "claimed" else "voided"
        s = replace(s, label=label, label_tries=0, parked="")
        if parked:
            yield from told(s, f"label {label}", ctx, NEWS[s.state])
        else:
            yield s
            yield noted(s, f"label {label}", ctx)
    elif not s.parked:
        yield from try_again(m, s, ctx)


def try_again(m: LabelAnswered, s: Shipment, ctx: Context[Policy]) -> Iterator[Effect]:
    """The next step of the ladder; at its end, or when a void is refused outright, a person must look."""
    tries = s.label_tries
    ladder = ctx.policy.label_retries
    why = f"label {m.operation}: {m.outcome}{', ' if m.reason else ''}{m.reason}"[:2000]
    if tries < len(ladder) and not (m.operation == "void" and m.outcome == "refused"):
        s = replace(s, label_tries=tries + 1)
        yield s
        yield noted(s, why, ctx)
        yield label_timer(s, ctx.now + ladder[tries])
    else:
        yield from told(replace(s, parked=why), why, ctx, NEWS[s.state])


def retry_label(m: RetryLabel, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    s = rows.one(Shipment, m.shipment_id)
    if s.parked:
        return
    if m.operation == "void" and s.label == "void_wanted":
        yield call(s, "void", s.label_id)
    elif m.operation == "buy" and s.label in ("wanted", "refused"):
        if s.label == "refused":
            yield replace(s, label="wanted")
        yield call(s, "buy")


def resume_label(m: ResumeLabel, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """A person saw to what is parked: the operation starts again from the first try; a mere note is taken down."""
    s = known(rows, m.shipment_id)
    if not s.parked:
        raise Refused("nothing of this shipment is parked", status=409)
    if s.label == "void_wanted":
        yield call(s, "void", s.label_id)
    elif s.label in ("wanted", "refused"):
        yield call(s, "buy")
        s = replace(s, label="wanted")
    s = replace(s, label_tries=0, parked="")
    yield from answered(told(s, "resumed", ctx, NEWS[s.state], actor=m.actor))


# The way of a shipment


def plan_shipment(m: PlanShipment, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """On the warehouse's list. A known id is ignored; a plan that meets its tombstone stays cancelled."""
    if rows.find(Shipment, m.shipment_id) is not None:
        return
    if len({line.line_no for line in m.lines}) < len(m.lines):
        raise Impossible(f"shipment {m.shipment_id} names a line twice")
    now = ctx.now
    if all(line.kind != "goods" for line in m.lines):  # shipping and services need no picking and no label
        s = planned(m, now, version=1, state="delivered", dispatched_at=now, delivered_at=now, ended_at=now)
        yield from tell(s, "nothing to carry: delivered", ctx, ShipmentDelivered)
    elif not ctx.policy.runs_itself(m.warehouse):
        yield from tell(planned(m, now, version=1), "planned", ctx, ShipmentPlanned)
    elif ctx.policy.call_carrier:
        s = planned(m, now, version=1, state="picked", label="wanted", picked_at=now, packed_at=now)
        yield from tell(s, "planned, picked and packed", ctx, ShipmentPlanned)
        yield call(s, "buy")
    else:
        s = planned(m, now, picked_at=now, packed_at=now)
        yield from hand_over(s, "planned, picked, packed and handed over", ctx)


def planned(m: PlanShipment, now: datetime, **progress: Any) -> Shipment:
    return Shipment(
        shipment_id=m.shipment_id,
        order_id=m.order_id,
        number=m.number,
        warehouse=m.warehouse,
        lines=m.lines,
        address=m.address,
        service_level=m.service_level,
        priority=m.priority,
        planned_at=now,
        **progress,
    )


def pick_shipment(m: PickShipment, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """Off the shelf (R-36). What was short goes on without; nothing found at all rejects the shipment."""
    s = known(rows, m.shipment_id)
    short = counted(m, s)
    if s.state != "planned":
        if s.state == "cancelled" or s.picked_at is None or short != s.short:
            raise Refused(f"the shipment is {s.state}", status=409)
        yield reply(s)
        return
    s = replace(s, short=short, picked_at=ctx.now)
    missing = {line.line_no: line.quantity for line in short}
    if all(missing.get(line.line_no) == line.quantity for line in s.lines if line.kind == "goods"):
        yield from answered(rejected(s, "short", ctx, m.actor))
        return
    what = ", ".join(["picked", *(_short_in_words(line) for line in short)])
    yield from answered(told(replace(s, state="picked"), what, ctx, ShipmentPicked, actor=m.actor))


def _short_in_words(line: ShortLine) -> str:
    return f"{line.quantity} short" + (f" ({line.why.text})" if line.why else "")


def counted(m: PickShipment, s: Shipment) -> tuple[ShortLine, ...]:
    """What is short per line, in the order of the lines: one entry each, never more than planned, goods only."""
    missing: dict[int, int] = {}
    whys: dict[int, ShortWhy | None] = {}
    for line in m.short:
        missing[line.line_no] = missing.get(line.line_no, 0) + line.quantity
        whys[line.line_no] = line.why or whys.get(line.line_no)
    planned = {line.line_no: line.quantity for line in s.lines if line.kind == "goods"}
    for line_no, quantity in missing.items():
        if quantity > planned.get(line_no, 0):
            reason = f"line {line_no}: {quantity} short of {planned.get(line_no, 0)} planned"
            raise Refused(reason, field="short")
    return tuple(ShortLine(line_no=no, quantity=quantity, why=whys[no]) for no, quantity in sorted(missing.items()))


def pack_shipment(m: PackShipment, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """The parcel is closed; it counts as packed when it has its label."""
    s = known(rows, m.shipment_id)
    if s.packed_at is not None and s.state not in ("cancelled", "rejected"):
        yield reply(s)
        return
    if s.state != "picked":
        raise Refused(f"the shipment is {s.state}, not picked", status=409)
    s = replace(s, packed_at=ctx.now, weight_g=m.weight_g)
    if not ctx.policy.call_carrier:
        yield from answered(told(replace(s, state="packed"), "packed", ctx, ShipmentPacked, actor=m.actor))
        return
    s = replace(s, label="wanted")
    yield s
    yield noted(s, "packed, label asked for", ctx, m.actor)
    yield call(s, "buy")
    yield reply(s)


def dispatch_shipment(m: DispatchShipment, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """THE point of no return: packed -> dispatched. After it there are only returns."""
    s = known(rows, m.shipment_id)
    if s.state in OUT:
        yield reply(s)
        return
    if s.state != "packed":
        why = "it has no label yet" if s.state == "picked" and s.packed_at else f"it is {s.state}"
        raise Refused(f"the shipment cannot leave: {why}", status=409)
    yield from answered(hand_over(s, "handed over", ctx, m.actor))


def hand_over(s: Shipment, what: str, ctx: Context[Policy], actor: str = "", **changes: Any) -> Iterator[Effect]:
    """Delivered in the same breath is told once, as delivered: every fact of a shipment carries the whole statement."""
    after = ctx.policy.deliver_after if ctx.policy.runs_itself(s.warehouse) else None
    changes["dispatched_at"] = ctx.now
    if after == timedelta(0):
        changes |= {"state": "delivered", "delivered_at": ctx.now, "ended_at": ctx.now}
        yield from told(s, f"{what}, delivered", ctx, ShipmentDelivered, actor=actor, **changes)
        return
    yield from told(s, what, ctx, ShipmentDispatched, actor=actor, state="dispatched", **changes)
    if after is not None:
        yield Timer(f"parcel:{s.shipment_id}", ctx.now + after, ParcelDue(shipment_id=s.shipment_id))


def parcel_due(m: ParcelDue, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    s = rows.one(Shipment, m.shipment_id)
    if s.state == "dispatched":
        s = replace(s, state="delivered", delivered_at=ctx.now, ended_at=ctx.now)
        yield from told(s, "delivered", ctx, ShipmentDelivered)


def cancel_shipment(m: CancelShipment, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """Before hand-over: cancelled. Too late, or ended already: stated again. Unknown: a tombstone waits for the plan.

    What picking found missing stays missing: stated as short, so inventory books the loss and gives back the rest.
    """
    s = rows.find(Shipment, m.shipment_id)
    if s is None:
        s = Shipment(m.shipment_id, m.order_id, "", "", (), Address(), "standard", 0, ctx.now)
        s = replace(s, state="cancelled", reason=m.reason, ended_at=ctx.now)
        yield from told(s, "cancelled before it was planned", ctx, ShipmentCancelled)
    elif s.state in OPEN:
        s, effects = without_label(s)
        yield from effects
        s = replace(s, state="cancelled", reason=m.reason, ended_at=ctx.now)
        yield from told(s, "cancelled", ctx, ShipmentCancelled)
    else:
        yield statement(s)


def reject_shipment(m: RejectShipment, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """The warehouse cannot do it, before hand-over. Rejected as short: nothing of it is there."""
    s = known(rows, m.shipment_id)
    if s.state == "rejected" and s.reason == m.reason:
        yield reply(s)
        return
    if s.state not in OPEN:
        raise Refused(f"the shipment is {s.state}", status=409)
    if m.reason == "short":
        everything = (ShortLine(line_no=x.line_no, quantity=x.quantity) for x in s.lines if x.kind == "goods")
        s = replace(s, short=tuple(sorted(everything, key=lambda line: line.line_no)))
    yield from answered(rejected(s, m.reason, ctx, m.actor))


def rejected(s: Shipment, reason: str, ctx: Context[Policy], actor: str) -> Iterator[Effect]:
    s, effects = without_label(s)
    yield from effects
    s = replace(s, state="rejected", reason=reason, ended_at=ctx.now)
    yield from told(s, f"rejected: {reason}", ctx, ShipmentRejected, actor=actor)


def report_tracking(m: ReportTracking, rows: Rows, ctx: Context[Policy]) -> Iterator[Effect]:
    """What the carrier says. Its scan proves the hand-over, so it may come before ours; the first end counts."""
    s = rows.one(Shipment, m.shipment_id)
    what = f"carrier: {m.status.replace('_', ' ')}{', ' if m.text else ''}{m.text}"
    if s.state in ("planned", "picked"):
        raise Missing(f"shipment {m.shipment_id} is {s.state}: its parcel is not closed yet")
    if s.state in ("cancelled", "rejected") or (s.state == "refused" and m.status == "delivered"):
        note = f"the carrier reports {m.status.replace('_', ' ')}, but the shipment is {s.state}"
        if s.parked:
            yield noted(s, note, ctx)
            yield reply(s)
        else:
            yield from answered(told(replace(s, parked=note), what, ctx, NEWS[s.state]))
        return
    if s.state not in ("packed", "dispatched"):
        yield noted(s, what, ctx)
        yield reply(s)
        return
    arrived = s.state == "packed"
    dispatched_at = s.dispatched_at or max(s.planned_at, min(m.at, ctx.now))
    s = replace(s, state="dispatched", dispatched_at=dispatched_at)
    if m.status == "delivered":
        at = max(dispatched_at, min(m.at, ctx.now))
        s = replace(s, state="delivered", delivered_at=at, ended_at=ctx.now)
        yield from answered(told(s, what, ctx, ShipmentDelivered))
    elif m.status in ("refused", "lost"):
        s = replace(s, state="refused", reason=m.status, ended_at=ctx.now)
        yield from answered(told(s, what, ctx, ShipmentRefused))
        yield from comes_back(s, m.status, rows, ctx)
    elif arrived:
        yield from answered(told(s, what, ctx, ShipmentDispatched))
    else:
        yield noted(s, what, ctx)
        yield reply(s)
