"""Which occasions the histories came to: every step of the saga asked, answered, gone wrong and overdue, and so on."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from comptoir.simulate.machine import Node
from comptoir.simulate.plan import KINDS, SERVICES
from services.billing.domain import rows as billing
from services.billing.handlers import HANDLERS as BILLING
from services.fulfilment.domain import rows as fulfilment
from services.fulfilment.handlers import HANDLERS as FULFILMENT
from services.inventory.domain import rows as inventory
from services.inventory.handlers import HANDLERS as INVENTORY
from services.order import rows as order
from services.order.handlers import HANDLERS as ORDER
from services.order.kits import described
from services.order.quantities import Order
from services.order.saga import STEPS
from shared.contracts import billing as money
from shared.contracts import fulfilment as goods
from shared.contracts import inventory as stock
from shared.contracts import order as orders
from shared.contracts.message import Message
from shared.contracts.order import OrderStatus
from shared.messaging.decision import Reply
from shared.messaging.unit import LADDER, Outcome

ASKS: dict[type, str] = {
    stock.ReserveStock: "reserve",
    money.AuthorisePayment: "pay",
    goods.CancelShipment: "pull back",
    goods.PlanShipment: "release",
    money.BillShipment: "bill",
    goods.ExpectReturn: "return",
    money.RefundReturn: "refund",
}
ANSWERS: dict[type, str] = {
    stock.StockReserved: "reserve",
    money.PaymentAuthorised: "pay",
    goods.ShipmentCancelled: "pull back",
    goods.ShipmentDispatched: "release",
    goods.ShipmentDelivered: "release",
    money.InvoiceIssued: "bill",
    goods.ReturnClosed: "return",
    money.CreditNoteIssued: "refund",
}
WRONG: dict[type, str] = {
    stock.StockRejected: "reserve",
    money.PaymentDeclined: "pay",
    orders.CancellationRefused: "pull back",
    goods.ShipmentRejected: "release",
    money.CaptureFailed: "bill",
    money.RefundFailed: "refund",
}
ANNOUNCED = (
    orders.OrderPlaced, orders.OrderHeld, orders.OrderReleased, orders.OrderConfirmed, orders.CancellationRefused,
    orders.OrderExpired, orders.OrderCancelled, orders.OrderCompleted,
)  # fmt: skip
FACTS = (
    stock.StockReserved, stock.StockBackordered, stock.StockRejected, stock.StockReleased, stock.StockIssued,
    goods.ShipmentPlanned, goods.ShipmentPicked, goods.ShipmentPacked, goods.ShipmentDispatched,
    goods.ShipmentDelivered, goods.ShipmentRefused, goods.ShipmentCancelled, goods.ShipmentRejected,
    goods.ReturnExpected, goods.ReturnReceived, goods.ReturnInspected, goods.ReturnClosed,
    money.PaymentPending, money.PaymentAuthorised, money.PaymentDeclined, money.PaymentExpired, money.PaymentCaptured,
    money.PaymentRefunded, money.CaptureFailed, money.RefundFailed, money.InvoiceIssued, money.CreditNoteIssued,
    money.PaymentOverdue, money.RefundRequested, money.RefundGranted, money.RefundDenied,
    money.WriteOffRequested, money.DebtWrittenOff, money.WriteOffDenied,
)  # fmt: skip
REFUSALS = {
    "The preview went stale": "what the preview showed is another thing now",
    "The refund went stale": "it would come to something else now",
    "another person must": "approved by who asked",
    "your roles may not": "without the right",
    "was done already": "decided again when it was done",
    "was refused already": "decided again when it was refused",
    "is still owed": "of money that is still owed",
    "cannot be given back": "more than there is",
    "cannot be credited": "more than there is",
    "not credited yet": "more than there is",
    "is left to be given back": "more than there is",
}
"""What a refund of the staff is refused for, by a part of the answer."""
STALE = {
    "The preview went stale": "what the preview showed is another thing now",
    "was changed meanwhile": "changed by somebody else",
    "are free in": "more than is free",
    "more than": "more than was ordered",
    "are on their way with": "more than is on its way",
    "cancel it instead": "closed when nothing came",
    "close it instead": "cancelled when a part came",
    "receive what comes": "cancelled on its way",
    "came already": "less than came already",
    " already": "done already",
    "only a draft is written anew": "edited when it was sent",
    "nothing of it is on its way": "goods of what is over",
}
"""What a step of a purchase order or transfer is refused for, by a part of the answer."""
WHOLE = "which is changed as a whole"
PAPERS = {inventory.PurchaseOrder: "purchase order", inventory.Transfer: "transfer"}
STATES = ("draft", "sent", "partly_received", "received", "closed_short", "cancelled")
VALUED = ("receipt", "count", "issue", "loss", "found", "restock", "transfer", "transfer_loss")
"""Movements that have a value. Corrections by hand have no part in an order's way, and few returns are no good."""
PAID = {"done": "paid back", "refused": "refused by the provider"}
NOT_BY_MESSAGE = frozenset(
    {
        "order.register_customers.v1", "order.register_channel.v1",
        "billing.record_credit.v1", "inventory.adjust_stock.v1", "inventory.expect_receipt.v1",
        "inventory.place_item.v1", "inventory.place_items.v1", "fulfilment.parcel_due.v1",
        "inventory.set_reorder_rules.v1", "inventory.draft_proposed.v1", "inventory.change_cost.v1",
        "billing.set_credit_limit.v1",
    }
)  # fmt: skip
"""Master data, imports, rules for buying, costs and where things lie, which have no part in an order's way."""

EXPECTED: tuple[str, ...] = (
    *(f"{step}: asked" for step in ASKS.values()),
    *(f"{step}: answered" for step in ASKS.values()),
    *(f"{step}: gone wrong" for step in ASKS.values()),
    *(f"{step}: overdue" for step in ASKS.values()),
    *(f"announced: {kind.__name__}" for kind in ANNOUNCED),
    *(f"told: {kind.__name__}" for kind in FACTS),
    *(f"status: {status}" for status in OrderStatus.__args__),  # type: ignore[attr-defined]
    "undone: stock given back", "undone: shipment cancelled", "undone: authorisation voided", "undone: money refunded",
    "undone: label voided", "undone: label claimed", "undone: cancelled before it was planned",
    "rejected: closed", "rejected: address", "rejected: short",
    "parked: unreadable", "parked: missing", "parked: impossible",
    "waits for staff: operation refused", "waits for staff: operation unknown", "waits for staff: overdue",
    *(f"staff refund: {how}" for how in (
        "waits", "done alone", "approved", "refused", "taken back", "paid back", "refused by the provider",
        "while the provider is silent", "while goods come back", "of an order of which a part was cancelled",
        "asked for again",
        *dict.fromkeys(REFUSALS.values()),
    )),
    *(f"write-off: {how}" for how in ("waiting", "done", "done alone", "refused", "taken back by what came after all")),
    *(f"kit: {how}" for how in (
        "delivered", "given up as a whole", "pieces of an incomplete one are out", "a part alone is refused",
    )),
    *(f"{paper}: {state}" for paper in PAPERS.values() for state in STATES),
    "purchase order: more came than was ordered", "purchase order: goods after its end", "transfer: some of it lost",
    *(f"bought or moved: {why}" for why in STALE.values()),
    *(f"value: {how}" for how in (
        *VALUED, "at a cost", "of unknown cost", "bought in another currency", "the last piece leaves",
        "more leaves than came", "what had left is made good", "comes back at another cost than that of today",
        "found late", "looks back", "more than one step",
        *(f"a cost is said when {there}" for there in ("all is there", "a part has left", "all has left")),
        "a cost is said again", *(f"a cost is said: {status}" for status in (201, 404, 409)),
    )),
    "waits for staff: label not voided", "waits for staff: label unknown",
    *(f"retried: {n + 1}" for n in range(len(LADDER))),
    *(
        f"handled: {service} {kind.key}"
        for service, handlers in zip(SERVICES, (ORDER, INVENTORY, FULFILMENT, BILLING), strict=True)
        for kind in handlers
        if kind.key not in NOT_BY_MESSAGE
    ),
    *(f"fault: {kind}" for kind in KINDS),
)  # fmt: skip
assert {step.name for step in STEPS} == {*ASKS.values(), "announce"}


class Reached:
    """Counts occasions of many histories."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def missing(self) -> list[str]:
        return [name for name in EXPECTED if not self.counts[name]]

    def committed(self, node: Node, outcome: Outcome) -> None:
        counts = self.counts
        overdue = False
        name = node.name
        for arrival in outcome.new:
            for event in arrival.envelopes:
                counts[_handled(name, type(event.data))] += 1
                overdue = overdue or type(event.data) is orders.AnswerDue
            if arrival.attempt and arrival.kind == "timer":
                counts[f"retried: {arrival.attempt}"] += 1
        for event, _ in outcome.sent:
            kind = type(event.data)
            for table, how in _SENT:
                if (step := table.get(kind)) is not None:
                    counts[f"{step}: {how}" if how != "told" else step] += 1
            if overdue and (step := ASKS.get(kind)) is not None:
                counts[f"{step}: overdue"] += 1
        for parked in outcome.parked:
            reason = parked.reason.partition(":")[0].lower()
            counts[f"parked: {reason}"] += 1
        changed = outcome.rows.changed
        if name == "order":
            for row in changed.get(order.Progress, {}).values():
                counts[f"status: {row.status}"] += 1  # type: ignore[attr-defined]
        elif name == "inventory":
            self._papers(changed, outcome)
        elif name == "fulfilment":
            self._goods(changed)
        elif name == "billing":
            self._money(changed)
            for posting in outcome.rows.inserted.get(billing.Posting, ()):
                if posting.kind == "recovery":  # type: ignore[attr-defined]
                    self.counts["write-off: taken back by what came after all"] = 1

    def _papers(self, changed: dict[Any, Any], outcome: Outcome) -> None:
        counts = self.counts
        for kind, name in PAPERS.items():
            for paper in changed.get(kind, {}).values():
                counts[f"{name}: {paper.state}"] += 1
        for line in changed.get(inventory.TransferLine, {}).values():
            counts["transfer: some of it lost"] += line.lost > 0
        for act in outcome.rows.inserted.get(inventory.PurchaseAct, ()):
            facts = act.facts  # type: ignore[attr-defined]
            if act.what == "received":  # type: ignore[attr-defined]
                counts["purchase order: more came than was ordered"] += any(of["over"] for of in facts["lines"])
                counts["purchase order: goods after its end"] += facts["state"] in ("closed_short",)

    def _goods(self, changed: dict[Any, Any]) -> None:
        counts = self.counts
        for s in changed.get(fulfilment.Shipment, {}).values():
            if s.state == "rejected":
                counts[f"rejected: {s.reason}"] += 1
            elif s.state == "cancelled" and not s.lines:
                counts["undone: cancelled before it was planned"] += 1
            elif s.state == "cancelled":
                counts["undone: shipment cancelled"] += 1
            if s.label in ("voided", "claimed"):
                counts[f"undone: label {s.label}"] += 1
            if s.parked.startswith("label void"):
                counts["waits for staff: label not voided"] += 1
            elif s.parked.startswith("label buy: unknown"):
                counts["waits for staff: label unknown"] += 1
        for r in changed.get(fulfilment.Return, {}).values():
            if r.state == "closed" and not any(line.accepted for line in r.lines):
                counts["return: gone wrong"] += 1

    def _money(self, changed: dict[Any, Any]) -> None:
        counts = self.counts
        for a in changed.get(billing.Account, {}).values():
            if a.parked:
                kind = a.parked.partition(":")[0]
                kind = kind if kind in ("overdue", "unknown") else "refused"
                counts[f"waits for staff: {'' if kind == 'overdue' else 'operation '}{kind}"] += 1
        for o in changed.get(billing.Operation, {}).values():
            account = changed.get(billing.Account, {}).get((o.order_id,)) if o.kind == "refund" else None
            if account and o.state in PAID and any(c.by == "refund" for c in account.credits):
                counts[f"staff refund: {PAID[o.state]}"] += 1
            if o.state == "done" and o.kind in ("void", "refund"):
                what = "authorisation voided" if o.kind == "void" else "money refunded"
                counts[f"undone: {what}"] += 1

    def kits(self, found: Iterable[Order]) -> None:
        """What became of the kits of orders that are at rest."""
        for of in found:
            for kit in described(of):
                self.counts["kit: delivered"] += kit["delivered"] > 0
                self.counts["kit: given up as a whole"] += any(
                    of.counts[part["line_no"]].cancelled for part in kit["lines"]
                )
                self.counts["kit: pieces of an incomplete one are out"] += bool(kit["leftovers"])

    def refund(self, r: Any, account: billing.Account, found: Order | None) -> None:
        """What became of a refund of the staff, and what else was under way for its order."""
        counts = self.counts
        if r.state == "waiting":
            counts["staff refund: waits"] += 1
        elif r.state == "refused":
            counts[f"staff refund: {'taken back' if r.decided_by == r.asker else 'refused'}"] += 1
        else:
            counts[f"staff refund: {'approved' if r.approver else 'done alone'}"] += 1
            if account.unknown:
                counts["staff refund: while the provider is silent"] += 1
            if found is None:
                return
            if any(goods.heard is None or goods.heard.state != "closed" for goods in found.returns):
                counts["staff refund: while goods come back"] += 1
            if any(count.cancelled for count in found.counts.values()):
                counts["staff refund: of an order of which a part was cancelled"] += 1

    def write_off(self, w: Any) -> None:
        """What became of a write-off."""
        alone = w.state == "done" and not w.approver
        self.counts[f"write-off: {'done alone' if alone else w.state}"] += 1

    def replied(self, m: Message, reply: Reply) -> None:
        """What was refused: a part of a kit, a step of a refund, a purchase order or a transfer."""
        if isinstance(m, orders.CancelOrder | orders.EditOrder):
            self.counts["kit: a part alone is refused"] += reply.status >= 400 and WHOLE in reply.body["title"]
            return
        if reply.status >= 400 and isinstance(m, stock.PurchaseMessage | stock.TransferMessage | stock.ReceiveStock):
            why = next((why for words, why in STALE.items() if words in reply.body["title"]), "")
            self.counts[f"bought or moved: {why or reply.body['title']}"] += 1
            return
        if not isinstance(m, money.RequestRefund | money.ApproveRefund | money.RefuseRefund):
            return
        if reply.status < 400:
            self.counts["staff refund: asked for again"] += type(m) is money.RequestRefund and "quote" not in reply.body
        else:
            for words, why in REFUSALS.items():
                if words in reply.body["title"]:
                    self.counts[f"staff refund: {why}"] += 1


_names: dict[tuple[str, type], str] = {}


def _handled(service: str, kind: type) -> str:
    name = _names.get((service, kind))
    if name is None:
        name = _names[service, kind] = f"handled: {service} {kind.key}"  # type: ignore[attr-defined]
    return name


_SENT = (
    (ASKS, "asked"),
    (ANSWERS, "answered"),
    (WRONG, "gone wrong"),
    ({kind: f"announced: {kind.__name__}" for kind in ANNOUNCED}, "told"),
    ({kind: f"told: {kind.__name__}" for kind in FACTS}, "told"),
    ({stock.StockReleased: "undone: stock given back"}, "told"),
)
