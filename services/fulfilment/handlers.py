"""Which decision answers which message, from the bus, from people, from timers and from the carrier."""

from services.fulfilment import domain
from shared.contracts.fulfilment import (
    CancelShipment,
    CloseReturn,
    DispatchShipment,
    ExpectReturn,
    InspectReturn,
    LabelAnswered,
    PackShipment,
    ParcelDue,
    PickShipment,
    PlanShipment,
    ReceiveReturn,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    RetryLabel,
    ReturnDue,
)
from shared.messaging.decision import Handler, Handlers

HANDLERS: Handlers = {
    PlanShipment: Handler(domain.its_shipment, domain.plan_shipment),
    CancelShipment: Handler(domain.its_shipment, domain.cancel_shipment),
    PickShipment: Handler(domain.its_shipment, domain.pick_shipment),
    PackShipment: Handler(domain.its_shipment, domain.pack_shipment),
    DispatchShipment: Handler(domain.its_shipment, domain.dispatch_shipment),
    RejectShipment: Handler(domain.its_shipment, domain.reject_shipment),
    ReportTracking: Handler(domain.its_shipment_and_returns, domain.report_tracking),
    ParcelDue: Handler(domain.its_shipment, domain.parcel_due),
    LabelAnswered: Handler(domain.its_shipment, domain.label_answered),
    RetryLabel: Handler(domain.its_shipment, domain.retry_label),
    ResumeLabel: Handler(domain.its_shipment, domain.resume_label),
    ExpectReturn: Handler(domain.to_return, domain.expect_return),
    ReceiveReturn: Handler(domain.to_return, domain.receive_return),
    InspectReturn: Handler(domain.to_return, domain.inspect_return),
    CloseReturn: Handler(domain.to_return, domain.close_return),
    ReturnDue: Handler(domain.to_return, domain.return_due),
}
