"""Goods that go from one warehouse to another."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.inventory.purchasing import MAX_PURCHASE_LINES
from shared.contracts.message import Command, Value
from shared.contracts.values import MAX_LINES, Code, ETag, Positive, Sku, Text

MAX_TRANSFER_LINES = MAX_PURCHASE_LINES


class MovedLine(Value):
    """So many pieces of a SKU that should go to another warehouse."""

    sku: Sku
    quantity: Positive


class TransferMessage(Command):
    """About one transfer between warehouses, which is known by its id; people know it by its number."""

    transfer_id: UUID
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.transfer_id)


class CreateTransfer(TransferMessage, key="inventory.create_transfer.v1"):
    """A draft, of which nothing moves yet. It gets the next number of its series; a SKU stands on one line."""

    source: Code
    destination: Code
    expected_on: date
    note: Text = ""
    lines: Annotated[tuple[MovedLine, ...], Field(min_length=1, max_length=MAX_TRANSFER_LINES)]


class EditTransfer(TransferMessage, key="inventory.edit_transfer.v1"):
    """Writes a draft anew. `if_match`: of what its author looked at; refused when somebody was faster."""

    source: Code
    destination: Code
    expected_on: date
    note: Text = ""
    lines: Annotated[tuple[MovedLine, ...], Field(min_length=1, max_length=MAX_TRANSFER_LINES)]
    if_match: ETag = ""


class TransferAct(TransferMessage):
    """A step of a transfer.

    `skus`: those of its lines, which are locked with it; refused when it has another one by now. `if_match`: of what
    was looked at; refused when it is another one now.
    """

    skus: Annotated[tuple[Sku, ...], Field(max_length=MAX_LINES)]
    if_match: ETag = ""


class SendTransfer(TransferAct, key="inventory.send_transfer.v1"):
    """Its pieces leave the source, as far as they are free, and are in transit until ReceiveStock says that they came.

    All or nothing: refused when one of its lines is not free. `quote`: of the preview that was looked at; refused when
    it would do something else now.
    """

    quote: ETag = ""


class CloseTransfer(TransferAct, key="inventory.close_transfer.v1"):
    """What is still in transit will not come: it is lost, for this reason."""

    reason: Code


class CancelTransfer(TransferAct, key="inventory.cancel_transfer.v1"):
    """A draft that will not be sent."""

    reason: Text = ""
