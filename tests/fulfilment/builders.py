"""A small warehouse for tests: the real handlers on rows in a dictionary, a clock that is moved by hand."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from services.fulfilment.domain import History, Policy, Return, Shipment
from services.fulfilment.handlers import HANDLERS
from shared.contracts.fulfilment import (
    CallCarrier,
    CancelShipment,
    CloseReturn,
    DispatchShipment,
    ExpectLine,
    ExpectReturn,
    InspectedLine,
    InspectReturn,
    LabelAnswered,
    PackShipment,
    PickShipment,
    PlanLine,
    PlanShipment,
    ReceiveReturn,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    ReturnedLine,
    ReturnStatement,
    ShipmentStatement,
    ShortLine,
)
from shared.contracts.message import Event, Internal, Message
from shared.contracts.values import Address
from shared.messaging.decision import Call, Context, Effect, Reply, Row, Timer, decide_alone, key_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORDER, SHIPMENT, RETURN = UUID(int=1), UUID(int=2), UUID(int=3)
BY_ITSELF = Policy(automatic=True)
AT_ONCE = Policy(automatic=True, call_carrier=False, deliver_after=timedelta(0))
M = TypeVar("M", bound=Message)


def goods(line_no: int = 1, quantity: int = 2, sku: str = "mug") -> PlanLine:
    return PlanLine(line_no=line_no, sku=sku, quantity=quantity)


POSTAGE = PlanLine(line_no=9, sku="postage", kind="shipping", quantity=1)


def plan(*lines: PlanLine, shipment: UUID = SHIPMENT, warehouse: str = "north") -> PlanShipment:
    return PlanShipment(
        order_id=ORDER,
        shipment_id=shipment,
        number="1001",
        warehouse=warehouse,
        lines=lines or (goods(),),
        address=Address(name="A. Buyer", city="Leiden", country="NL"),
    )


def cancel(shipment: UUID = SHIPMENT) -> CancelShipment:
    return CancelShipment(order_id=ORDER, shipment_id=shipment, reason="customer")


def pick(**short: int) -> PickShipment:
    """pick(l1=2): two of line 1 were not found."""
    lines = tuple(ShortLine(line_no=int(name[1:]), quantity=n) for name, n in short.items())
    return PickShipment(shipment_id=SHIPMENT, short=lines, actor="Piet")


PACK = PackShipment(shipment_id=SHIPMENT, weight_g=900)
DISPATCH = DispatchShipment(shipment_id=SHIPMENT)
REJECT = RejectShipment(shipment_id=SHIPMENT, reason="closed")
RESUME = ResumeLabel(shipment_id=SHIPMENT, actor="Rosa")


def label(outcome: str = "ok", operation: str = "buy", label_id: str = "L1", reason: str = "") -> LabelAnswered:
    said = {"label_id": label_id, "tracking": f"T-{label_id}"} if outcome == "ok" else {}
    return LabelAnswered.model_validate(
        {"shipment_id": SHIPMENT, "operation": operation, "outcome": outcome, "reason": reason, **said}
    )


def voided(outcome: str = "ok", reason: str = "") -> LabelAnswered:
    return label(outcome, "void", reason=reason)


def tracking(status: str, at: datetime = NOW) -> ReportTracking:
    return ReportTracking.model_validate({"shipment_id": SHIPMENT, "status": status, "at": at})


def expect(quantity: int = 2, line_no: int = 1, return_id: UUID = RETURN) -> ExpectReturn:
    line = ExpectLine(line_no=line_no, sku="mug", quantity=quantity)
    return ExpectReturn(order_id=ORDER, shipment_id=SHIPMENT, return_id=return_id, lines=(line,), reason="too small")


def receive(quantity: int, line_no: int = 1, return_id: UUID = RETURN) -> ReceiveReturn:
    lines = (ReturnedLine(line_no=line_no, quantity=quantity),)
    return ReceiveReturn(shipment_id=SHIPMENT, return_id=return_id, lines=lines)


def inspect(
    accepted: int, restock: int = 0, quarantine: int = 0, scrap: int = 0, line_no: int = 1, return_id: UUID = RETURN
) -> InspectReturn:
    line = InspectedLine(line_no=line_no, accepted=accepted, restock=restock, quarantine=quarantine, scrap=scrap)
    return InspectReturn(shipment_id=SHIPMENT, return_id=return_id, lines=(line,))


def close(claimed: bool = False, return_id: UUID = RETURN) -> CloseReturn:
    return CloseReturn(shipment_id=SHIPMENT, return_id=return_id, claimed=claimed)


@dataclass
class Warehouse:
    """Decides one message after the other as the unit of work would, and remembers everything that went out."""

    policy: Policy = field(default_factory=Policy)
    now: datetime = NOW
    rows: dict[Any, Row] = field(default_factory=dict)
    history: list[History] = field(default_factory=list)
    timers: dict[str, tuple[datetime, Internal]] = field(default_factory=dict)
    calls: list[CallCarrier] = field(default_factory=list)
    sent: list[Event] = field(default_factory=list)
    ids: int = 1000

    def say(self, *messages: Message) -> list[Effect]:
        """Decides them in turn; what the last one yielded."""
        effects: list[Effect] = []
        for m in messages:
            effects = self._decide(m)
        return effects

    def _decide(self, m: Message) -> list[Effect]:
        self.ids += 1
        ctx: Context[Policy] = Context(self.now, lambda: UUID(int=self.ids), self.policy, UUID(int=self.ids), "test")
        effects, rows = decide_alone(HANDLERS[type(m)], m, list(self.rows.values()), ctx)
        for changed in rows.changed.values():
            for row in changed.values():
                self.rows[type(row), key_of(row)] = row
        self.history.extend(x for x in effects if isinstance(x, History))
        for effect in effects:
            match effect:
                case Timer(key, None):
                    self.timers.pop(key, None)
                case Timer(key, due_at, message) if due_at is not None and message is not None:
                    self.timers[key] = due_at, message
                case Call(message):
                    assert isinstance(message, CallCarrier)
                    self.calls.append(message)
                case Event():
                    self.sent.append(effect)
        keys = [(h.document_id, h.cause) for h in self.history]
        assert len(keys) == len(set(keys)), "history would not be insertable"
        return effects

    def wait(self, how_long: timedelta) -> None:
        """Time passes; timers fire at their time."""
        end = self.now + how_long
        while due := [(at, key) for key, (at, _) in self.timers.items() if at <= end]:
            self.now, key = min(due)
            self.say(self.timers.pop(key)[1])
        self.now = end

    @property
    def shipment(self) -> Shipment:
        row = self.rows[Shipment, (SHIPMENT,)]
        assert isinstance(row, Shipment)
        return row

    def returned(self, return_id: UUID = RETURN) -> Return:
        row = self.rows[Return, (return_id,)]
        assert isinstance(row, Return)
        return row

    def last(self) -> ShipmentStatement:
        return [m for m in self.sent if isinstance(m, ShipmentStatement)][-1]

    def last_return(self) -> ReturnStatement:
        return [m for m in self.sent if isinstance(m, ReturnStatement)][-1]

    def news(self) -> list[str]:
        """The names of all facts so far, in order."""
        return [type(m).__name__ for m in self.sent]

    def with_policy(self, **changes: Any) -> "Warehouse":
        self.policy = replace(self.policy, **changes)
        return self


WAY: dict[str, tuple[Message, ...]] = {
    "planned": (),
    "picked": (pick(),),
    "packed": (pick(), PACK, label()),
    "dispatched": (pick(), PACK, label(), DISPATCH),
    "delivered": (pick(), PACK, label(), DISPATCH, tracking("delivered")),
    "refused": (pick(), PACK, label(), DISPATCH, tracking("refused")),
    "cancelled": (cancel(),),
    "rejected": (REJECT,),
}
"""By hand from planned to each state."""


def at(state: str, *lines: PlanLine, policy: Policy | None = None) -> Warehouse:
    warehouse = Warehouse(policy or Policy())
    warehouse.say(plan(*lines), *WAY[state])
    assert warehouse.shipment.state == state
    return warehouse


def kinds(effects: list[Effect]) -> list[str]:
    """What a decision yielded, without the answer to its caller."""
    return [type(e).__name__ for e in effects if not isinstance(e, Reply)]


def replies(effects: list[Effect]) -> Iterator[Any]:
    return (e.body for e in effects if isinstance(e, Reply))
