"""What inventory obeys and tells, by subject. Others import from here: which file has it is nobody else's business."""

from shared.contracts.inventory.costs import ChangeCost
from shared.contracts.inventory.promises import (
    Kept,
    Limit,
    LineStock,
    Promise,
    PromiseAgain,
    PromiseDue,
    ReserveStock,
    ServeQueue,
    StockBackordered,
    StockIssued,
    StockRejected,
    StockReleased,
    StockReserved,
    StockStatement,
    Want,
)
from shared.contracts.inventory.purchasing import (
    MAX_PURCHASE_LINES,
    BoughtLine,
    CancelPurchaseOrder,
    ChangePurchaseOrder,
    ClosePurchaseOrder,
    CreatePurchaseOrder,
    EditPurchaseOrder,
    LineChange,
    PurchaseAct,
    PurchaseMessage,
    RegisterSupplier,
    SendPurchaseOrder,
)
from shared.contracts.inventory.reordering import (
    DraftProposed,
    ProposedLine,
    ProposedOrder,
    ReorderRule,
    SetReorderRules,
)
from shared.contracts.inventory.stock import (
    AdjustStock,
    AnnounceAvailability,
    Availability,
    AvailabilityChanged,
    CountStock,
    ExpectReceipt,
    FindHolders,
    HoldersFound,
    Item,
    Place,
    PlaceItem,
    PlaceItems,
    ReceiveStock,
    RegisterItems,
    RegisterWarehouse,
    StockChanged,
    StockLine,
)
from shared.contracts.inventory.transfers import (
    MAX_TRANSFER_LINES,
    CancelTransfer,
    CloseTransfer,
    CreateTransfer,
    EditTransfer,
    MovedLine,
    SendTransfer,
    TransferAct,
    TransferMessage,
)

__all__ = [
    "MAX_PURCHASE_LINES", "MAX_TRANSFER_LINES", "AdjustStock", "AnnounceAvailability", "Availability",
    "AvailabilityChanged", "BoughtLine", "CancelPurchaseOrder", "CancelTransfer", "ChangeCost", "ChangePurchaseOrder",
    "ClosePurchaseOrder", "CloseTransfer", "CountStock", "CreatePurchaseOrder", "CreateTransfer", "DraftProposed",
    "EditPurchaseOrder", "EditTransfer", "ExpectReceipt", "FindHolders", "HoldersFound", "Item", "Kept", "Limit",
    "LineChange", "LineStock", "MovedLine", "Place", "PlaceItem", "PlaceItems", "Promise", "PromiseAgain",
    "PromiseDue", "ProposedLine", "ProposedOrder", "PurchaseAct", "PurchaseMessage", "ReceiveStock", "RegisterItems",
    "RegisterSupplier", "RegisterWarehouse", "ReorderRule", "ReserveStock", "SendPurchaseOrder", "SendTransfer",
    "ServeQueue", "SetReorderRules", "StockBackordered", "StockChanged", "StockIssued", "StockLine", "StockRejected",
    "StockReleased", "StockReserved", "StockStatement", "TransferAct", "TransferMessage", "Want",
]  # fmt: skip
