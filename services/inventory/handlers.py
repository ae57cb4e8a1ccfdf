"""Which decision answers which message."""

from services.inventory import domain
from shared.contracts.fulfilment import (
    ReturnClosed,
    ReturnExpected,
    ReturnInspected,
    ReturnReceived,
    ShipmentCancelled,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentPacked,
    ShipmentPicked,
    ShipmentRefused,
    ShipmentRejected,
)
from shared.contracts.inventory import (
    AdjustStock,
    AnnounceAvailability,
    CancelPurchaseOrder,
    ChangePurchaseOrder,
    ClosePurchaseOrder,
    CountStock,
    CreatePurchaseOrder,
    DraftProposed,
    EditPurchaseOrder,
    ExpectReceipt,
    HoldersFound,
    PlaceItem,
    PlaceItems,
    PromiseAgain,
    PromiseDue,
    ReceiveStock,
    RegisterItems,
    RegisterSupplier,
    RegisterWarehouse,
    ReserveStock,
    SendPurchaseOrder,
    ServeQueue,
    SetReorderRules,
)
from shared.messaging.decision import Handler, Handlers

ISSUE = Handler(domain.to_issue, domain.issue_stock, domain.to_issue_besides)
COUNT = Handler(domain.to_count, domain.count_stock, domain.to_count_besides)
TAKE_BACK = Handler(domain.to_take_back, domain.take_back)

HANDLERS: Handlers = {
    ReserveStock: Handler(domain.to_reserve, domain.reserve_stock, domain.to_reserve_besides),
    ShipmentPicked: ISSUE,  # ShipmentPlanned is not read: nothing has happened to the stock yet
    ShipmentPacked: ISSUE,
    ShipmentDispatched: ISSUE,
    ShipmentDelivered: ISSUE,
    ShipmentRefused: ISSUE,
    ShipmentCancelled: ISSUE,
    ShipmentRejected: ISSUE,
    ReturnExpected: TAKE_BACK,
    ReturnReceived: TAKE_BACK,
    ReturnInspected: TAKE_BACK,
    ReturnClosed: TAKE_BACK,
    RegisterItems: Handler(domain.to_register_items, domain.register_items),
    PlaceItem: Handler(domain.to_place_item, domain.place_item),
    PlaceItems: Handler(domain.to_place_items, domain.place_items),
    RegisterWarehouse: Handler(domain.to_register_warehouse, domain.register_warehouse),
    ReceiveStock: Handler(domain.to_take_in, domain.receive_stock, domain.to_take_in_besides),
    AdjustStock: Handler(domain.to_receive, domain.adjust_stock, domain.to_receive_besides),
    CountStock: COUNT,
    HoldersFound: COUNT,
    ExpectReceipt: Handler(domain.to_expect, domain.expect_receipt),
    RegisterSupplier: Handler(domain.to_register_supplier, domain.register_supplier),
    CreatePurchaseOrder: Handler(domain.to_draft, domain.create_purchase_order),
    EditPurchaseOrder: Handler(domain.to_draft, domain.edit_purchase_order),
    SendPurchaseOrder: Handler(domain.to_act, domain.send_purchase_order),
    ChangePurchaseOrder: Handler(domain.to_act, domain.change_purchase_order),
    ClosePurchaseOrder: Handler(domain.to_act, domain.close_purchase_order),
    CancelPurchaseOrder: Handler(domain.to_act, domain.cancel_purchase_order),
    SetReorderRules: Handler(domain.to_set_rules, domain.set_rules),
    DraftProposed: Handler(domain.to_draft_proposed, domain.draft_proposed),
    ServeQueue: Handler(domain.to_serve, domain.serve_queue, domain.to_serve_besides),
    PromiseDue: Handler(domain.to_promise_again, domain.promise_again, domain.to_promise_again_besides),
    AnnounceAvailability: Handler(domain.to_announce, domain.announce),
    PromiseAgain: Handler(domain.to_look_at_promises, domain.look_at_promises, domain.to_look_at_promises_besides),
}
