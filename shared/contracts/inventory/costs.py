"""What goods cost, as people say it later."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.message import Command
from shared.contracts.values import Code, Count, Money, Sku, Text


class ChangeCost(Command, key="inventory.change_cost.v1"):
    """What pieces that came in cost each, in the currency of the house: known late, or another than was thought.

    `arrival`, `sku`, `warehouse`, `line_no` and `kind` name the movement that brought them.
    """

    sku: Sku
    arrival: UUID
    warehouse: Code
    line_no: Count = 0
    kind: Code = "receipt"
    unit_cost: Annotated[Money, Field(ge=0)]
    reason: Text = ""
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.sku
