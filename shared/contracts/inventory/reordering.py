"""When SKUs are bought again, and the drafts that are made of that."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from shared.contracts.inventory.purchasing import MAX_PURCHASE_LINES, BoughtLine
from shared.contracts.message import Command, Value
from shared.contracts.values import MAX_LINES, Code, Count, Sku


class ReorderRule(Value):
    """When a SKU is bought again for a warehouse: at `point` or below, up to `up_to`. `up_to` 0: not by a rule."""

    sku: Sku
    warehouse: Code
    point: Count
    up_to: Count
    supplier: Code


class SetReorderRules(Command, key="inventory.set_reorder_rules.v1"):
    """People set when and from whom SKUs are bought again; of the same place the last one counts."""

    rules: Annotated[tuple[ReorderRule, ...], Field(min_length=1, max_length=MAX_LINES)]
    actor: str = ""

    @property
    def subject(self) -> str:
        return self.rules[0].sku


class ProposedLine(BoughtLine):
    """A line that the reorder advice proposed. `version`: of the rule that was looked at."""

    version: int


class ProposedOrder(Value):
    """A draft for one supplier and warehouse."""

    purchase_id: UUID
    supplier: Code
    warehouse: Code
    lines: Annotated[tuple[ProposedLine, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


class DraftProposed(Command, key="inventory.draft_proposed.v1"):
    """Makes drafts of what the reorder advice proposed, all or none.

    Refused when somebody made a draft by one of the rules, or changed it, since they were looked at.
    """

    orders: Annotated[tuple[ProposedOrder, ...], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]
    actor: str = ""

    @property
    def subject(self) -> str:
        return str(self.orders[0].purchase_id)
