"""What other programs are told of, by webhook: a contract of its own, apart from the messages of the suite.

A kind is named `<thing>.<what happened>.v<version>`. Within a version fields are only added. There are no names,
addresses, cards or bank accounts in it: whoever needs these asks the owner's API, with the right to.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from services.backoffice.words import N_
from shared.contracts import billing, fulfilment, inventory, order
from shared.contracts.message import Event, Value
from shared.contracts.values import Count, Money

CONTENT_TYPE = "application/cloudevents+json"
NAMES = UUID("2f0a7a1e-6d0b-4c39-9a0e-2a3c8f6d51b7")
"""What the ids of facts are made in."""


class OrderLine(Value):
    """Where the pieces of one line are."""

    line_no: int
    sku: str
    ordered: Count
    cancelled: Count
    backordered: Count
    shipped: Count
    returned: Count
    promised_on: date | None


class OrderData(Value):
    """The whole order as it stands, of `version`; a higher one is newer."""

    order_id: UUID
    version: int
    number: str
    status: str
    channel: str
    customer_id: str
    reason: str
    lines: tuple[OrderLine, ...]


class ShipmentLine(Value):
    """One line of a shipment: what was planned, what went out, what was not found."""

    line_no: int
    sku: str
    planned: Count
    shipped: Count
    short: Count


class ShipmentData(Value):
    """The whole shipment as it stands, of `version` of this shipment."""

    order_id: UUID
    shipment_id: UUID
    version: int
    state: str
    warehouse: str
    carrier: str
    tracking: str
    lines: tuple[ShipmentLine, ...]
    dispatched_at: datetime | None
    delivered_at: datetime | None


class ReturnLine(Value):
    """One line of a return; `accepted` pieces are paid back."""

    line_no: int
    sku: str
    expected: Count
    received: Count
    accepted: Count


class ReturnData(Value):
    """The whole return as it stands, of `version` of this return."""

    order_id: UUID
    return_id: UUID
    shipment_id: UUID
    version: int
    state: str
    warehouse: str
    reason: str
    lines: tuple[ReturnLine, ...]


class InvoiceTotals(Value):
    """One invoice of the order; the document itself is billing's `GET /invoices/{number}`."""

    number: str
    shipment_id: UUID
    net: Money
    vat: Money
    gross: Money


class CreditTotals(Value):
    """What was credited so far for one return or refund; documents are billing's `GET /credit-notes?order_id=`."""

    by: Literal["return", "refund"]
    id: UUID
    gross: Money


class MoneyData(Value):
    """All the money of the order as it stands, of `version` of the money. Amounts are text, in `currency`.

    `currency` is empty when it was not known yet. `invoices`: all of the order, the oldest first.
    """

    order_id: UUID
    version: int
    currency: str
    captured: Money
    refunded: Money
    owed: Money
    invoices: tuple[InvoiceTotals, ...]
    credits: tuple[CreditTotals, ...]


class RefundData(Value):
    """One refund by the staff, of `version` of this refund. Amounts are text, in `currency`."""

    order_id: UUID
    refund_id: UUID
    version: int
    state: str
    invoice: str
    currency: str
    net: Money
    vat: Money
    gross: Money
    reason: str
    credit_note: str


class WarehouseStock(Value):
    """What of the SKU can be sold from one warehouse."""

    warehouse: str
    available: Count


class StockData(Value):
    """What of a SKU can be sold; a higher `version` is newer. `backorderable`: also with nothing available."""

    sku: str
    version: int
    available: Count
    backorderable: bool
    warehouses: tuple[WarehouseStock, ...]


class TestData(Value):
    """A test that a person asked for; nothing happened."""

    webhook_id: UUID


def _like(kind: type[Value], m: Value, **more: Any) -> Any:
    """What the two have in common, and more."""
    common = {name: getattr(m, name) for name in kind.model_fields if name in type(m).model_fields}
    return kind(**{**common, **more})


def _order(m: Any, currency: str) -> OrderData:
    return OrderData(**_plain(OrderData, m), lines=tuple(_like(OrderLine, line) for line in m.lines))


def _plain(kind: type[Value], m: Value) -> dict[str, Any]:
    return {name: getattr(m, name) for name in kind.model_fields if name in type(m).model_fields and name != "lines"}


def _shipment(m: Any, currency: str) -> ShipmentData:
    return ShipmentData(**_plain(ShipmentData, m), lines=tuple(_like(ShipmentLine, line) for line in m.lines))


def _return(m: Any, currency: str) -> ReturnData:
    return ReturnData(**_plain(ReturnData, m), lines=tuple(_like(ReturnLine, line) for line in m.lines))


def _money(m: billing.MoneyStatement, currency: str) -> MoneyData:
    invoices = tuple(_like(InvoiceTotals, of) for of in m.invoiced)
    credits = tuple(CreditTotals(by=of.by, id=of.return_id, gross=of.gross) for of in m.credited)
    return MoneyData(**_plain(MoneyData, m), currency=currency, invoices=invoices, credits=credits)


def _refund(m: Any, currency: str) -> RefundData:
    return RefundData(**_plain(RefundData, m))


def _stock(m: inventory.AvailabilityChanged, currency: str) -> StockData:
    warehouses = tuple(_like(WarehouseStock, of) for of in m.warehouses)
    return StockData(**{**_plain(StockData, m), "warehouses": warehouses})


@dataclass(frozen=True, slots=True)
class Public:
    """A kind of event that can be subscribed to: its name, what it means, and how its data is made of a message."""

    name: str
    means: str
    data: type[Value]
    make: Callable[[Any, str], Value]
    thing: str  # the field of the message that names what it is about


PUBLIC: Mapping[type[Event], Public] = {
    order.OrderPlaced: Public(
        "order.placed.v1", N_("An order came in; it may still be refused or cancelled."), OrderData, _order, "order_id"
    ),
    order.OrderConfirmed: Public(
        "order.confirmed.v1", N_("The money is secured and the stock has answered."), OrderData, _order, "order_id"
    ),
    order.OrderHeld: Public("order.held.v1", N_("A hold was set; reason says which."), OrderData, _order, "order_id"),
    order.OrderReleased: Public(
        "order.released.v1", N_("The last hold is gone."), OrderData, _order, "order_id"
    ),
    order.CancellationRefused: Public(
        "order.cancellation_refused.v1", N_("Part of what should be cancelled was out already."), OrderData, _order,
        "order_id",
    ),
    order.OrderExpired: Public(
        "order.expired.v1", N_("Not paid in time: what is not out is being cancelled."), OrderData, _order, "order_id"
    ),
    order.OrderCancelled: Public(
        "order.cancelled.v1", N_("Everything is cancelled. Nothing follows."), OrderData, _order, "order_id"
    ),
    order.OrderCompleted: Public(
        "order.completed.v1", N_("Everything is delivered and settled."), OrderData, _order, "order_id"
    ),
    fulfilment.ShipmentDispatched: Public(
        "shipment.dispatched.v1", N_("A parcel was handed over to the carrier."), ShipmentData, _shipment,
        "shipment_id",
    ),
    fulfilment.ShipmentDelivered: Public(
        "shipment.delivered.v1", N_("The customer has the parcel."), ShipmentData, _shipment, "shipment_id"
    ),
    fulfilment.ShipmentRefused: Public(
        "shipment.refused.v1", N_("A parcel was refused at the door or lost; it comes back as a return."),
        ShipmentData, _shipment, "shipment_id",
    ),
    fulfilment.ReturnExpected: Public(
        "return.expected.v1", N_("Goods are announced to come back."), ReturnData, _return, "return_id"
    ),
    fulfilment.ReturnReceived: Public(
        "return.received.v1", N_("Goods came back; they are not inspected yet."), ReturnData, _return, "return_id"
    ),
    fulfilment.ReturnInspected: Public(
        "return.inspected.v1", N_("Goods that came back were looked at; accepted ones are paid back."), ReturnData,
        _return, "return_id",
    ),
    fulfilment.ReturnClosed: Public(
        "return.closed.v1", N_("Nothing more is expected of this return."), ReturnData, _return, "return_id"
    ),
    billing.InvoiceIssued: Public(
        "invoice.issued.v1", N_("A shipment has its invoice."), MoneyData, _money, "order_id"
    ),
    billing.CreditNoteIssued: Public(
        "credit_note.issued.v1", N_("A return or a refund has its credit note."), MoneyData, _money, "order_id"
    ),
    billing.PaymentCaptured: Public("payment.captured.v1", N_("Money came in."), MoneyData, _money, "order_id"),
    billing.PaymentDeclined: Public(
        "payment.declined.v1", N_("The payment was declined; the customer may pay again."), MoneyData, _money,
        "order_id",
    ),
    billing.PaymentOverdue: Public(
        "payment.overdue.v1", N_("Money for goods that are out is still owed."), MoneyData, _money, "order_id"
    ),
    billing.PaymentRefunded: Public("payment.refunded.v1", N_("Money went back."), MoneyData, _money, "order_id"),
    billing.RefundRequested: Public(
        "refund.requested.v1", N_("A refund waits for another person."), RefundData, _refund, "refund_id"
    ),
    billing.RefundGranted: Public(
        "refund.granted.v1", N_("A refund by the staff was done."), RefundData, _refund, "refund_id"
    ),
    billing.RefundDenied: Public(
        "refund.denied.v1", N_("A refund was refused or taken back."), RefundData, _refund, "refund_id"
    ),
    inventory.AvailabilityChanged: Public(
        "stock.available.v1",
        N_("What of a SKU can be sold now, some seconds after it changed; only the newest waits for a receiver."),
        StockData, _stock, "sku",
    ),
}  # fmt: skip
"""What can be subscribed to."""
KINDS = tuple(of.name for of in PUBLIC.values())
TEST = "webhook.test.v1"
"""Sent when a person asks for it, to the one webhook, whatever it subscribed to."""


def fact_id(told: Public, m: Event) -> UUID:
    """The same for the same fact, however often it is heard: of its kind, of what it is about, and of its version."""
    return uuid5(NAMES, f"{told.name}/{getattr(m, told.thing)}/{getattr(m, 'version', 0)}")


def written(id: UUID, kind: str, owner: str, subject: str, at: datetime, data: Value) -> str:
    """One event as it is sent: CloudEvents 1.0 in JSON. These bytes are signed."""
    head = {
        "specversion": "1.0",
        "id": str(id),
        "source": f"/comptoir/{owner}",
        "type": kind,
        "subject": subject,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
    }
    return f'{json.dumps(head)[:-1]}, "data": {data.model_dump_json()}}}'
