"""Suppliers, and purchase orders from the draft until the goods came or will not come."""

import operator
from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Command, Value
from shared.contracts.values import MAX_LINES, Code, Count, ETag, Money, Positive, Sku, Text

MAX_PURCHASE_LINES = 200
"""Lines of one purchase order: each is a SKU that is locked when it is sent or moved."""


class RegisterSupplier(Command, key="inventory.register_supplier.v1"):
    """Creates or changes a supplier. `currency`: of its costs; purchase orders that are there keep theirs."""

    code: Code
    name: Text = ""
    email: Text = ""
    lead_days: Count = 14  # from sending a purchase order until the goods come
    currency: str = "EUR"
    if_match: ETag = ""

    @property
    def subject(self) -> str:
        return self.code


class BoughtLine(Value):
    """So many pieces of a SKU that should come on that day, each at that cost in the currency of the order."""

    sku: Sku
    quantity: Positive
    unit_cost: Money = Decimal(0)
    expected_on: date


class PurchaseMessage(Command):
    """About one purchase order, which is known by its id; people know it by its number."""

    purchase_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.purchase_id)


class CreatePurchaseOrder(PurchaseMessage, key="inventory.create_purchase_order.v1"):
    """A draft, which expects nothing yet. It gets the next number of its series; a SKU stands on one line."""

    supplier: Code
    warehouse: Code
    note: Text = ""
    lines: Annotated[tuple[BoughtLine, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


class EditPurchaseOrder(PurchaseMessage, key="inventory.edit_purchase_order.v1"):
    """Writes a draft anew. `if_match`: of what its author looked at; refused when somebody was faster."""

    supplier: Code
    warehouse: Code
    note: Text = ""
    lines: Annotated[tuple[BoughtLine, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]
    if_match: ETag = ""


class PurchaseAct(PurchaseMessage):
    """A step of a purchase order that changes what is expected.

    `skus`: those of its lines, which are locked with it; refused when it has another one by now. `quote`: of the
    preview that was looked at; refused when it would do something else now. `if_match`: of what its author looked at.
    """

    skus: Annotated[tuple[Sku, ...], Field(max_length=MAX_LINES)]
    quote: ETag = ""
    if_match: Annotated[ETag, Field(exclude_if=operator.not_)] = ""


class SendPurchaseOrder(PurchaseAct, key="inventory.send_purchase_order.v1"):
    """The supplier has it: its lines are expected from now on, and promises go by them."""


class LineChange(Value):
    """What of a line is another from now on; None: as it was. A quantity of 0 calls it off."""

    sku: Sku
    quantity: Count | None = None
    expected_on: date | None = None


class ChangePurchaseOrder(PurchaseAct, key="inventory.change_purchase_order.v1"):
    """The supplier said another day or quantity. Whoever is promised another day by it is told."""

    changes: Annotated[tuple[LineChange, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


class ClosePurchaseOrder(PurchaseAct, key="inventory.close_purchase_order.v1"):
    """What has not come of it will not come: it is closed short."""

    reason: Text = ""


class CancelPurchaseOrder(PurchaseAct, key="inventory.cancel_purchase_order.v1"):
    """Nothing came of it, and nothing will."""

    reason: Text = ""
