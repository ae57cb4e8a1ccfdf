"""What to order: rules that people set, what is below them, drafts of it."""

from datetime import timedelta
from typing import Annotated
from uuid import uuid5

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import Field

from services.inventory.api.fields import Found, Key, KeyFilter, KeyPath, Pieces
from services.inventory.domain import Policy
from services.inventory.queries import item, reorder
from shared import clock
from shared.contracts.inventory import (
    MAX_PURCHASE_LINES,
    DraftProposed,
    ProposedLine,
    ProposedOrder,
    ReorderRule,
    SetReorderRules,
)
from shared.guard import needs
from shared.http import Ask, Body, NotFound, Paging, Reader, Tell, example, page_of, problem, wrong

router = APIRouter()


class RuleIn(Body):
    sku: Key
    warehouse: Key
    point: Annotated[int, Field(ge=0, le=1_000_000_000)]
    up_to: Annotated[int, Field(ge=0, le=1_000_000_000, description="above the point; 0: not bought by a rule")]
    supplier: Key


class RulesIn(Body):
    model_config = example(
        rules=[{"sku": "MUG-01", "warehouse": "north", "point": 20, "up_to": 80, "supplier": "mugs"}]
    )

    rules: Annotated[list[RuleIn], Field(min_length=1, max_length=1000)]


class ProposedIn(Body):
    sku: Key
    warehouse: Key
    quantity: Pieces
    version: int = Field(description="of the rule, as the advice showed it")


class DraftsIn(Body):
    model_config = example(lines=[{"sku": "MUG-01", "warehouse": "north", "quantity": 60, "version": 1}])

    lines: Annotated[list[ProposedIn], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]


async def _policy(request: Request) -> Policy:
    policy: Policy = request.app.state.running.desk.unit.policy
    return policy


Decided = Annotated[Policy, Depends(_policy)]
"""What the operator decided: how many weeks of demand a proposal looks at, and how safe it is."""


@router.put("/reorder-rules", tags=["purchasing"])
@needs("purchasing:write")
async def put_rules(body: RulesIn, tell: Tell) -> Response:
    """When and from whom SKUs are bought again, per warehouse; the last one wins."""
    rules = tuple(ReorderRule(**rule.model_dump()) for rule in body.rules)
    return await tell(SetReorderRules(rules=rules, actor=tell.actor))


@router.get("/reorder-rules/{sku:path}", tags=["purchasing"])
@needs("purchasing:read")
async def get_rules(sku: KeyPath, conn: Reader, policy: Decided) -> Found:
    """One SKU in every warehouse: its rule (`version` 0: none), its position, what the last weeks propose (R-29)."""
    known = await item(conn, sku)
    if known is None:
        raise NotFound("SKU", sku)
    rows = await reorder.rules_of(conn, sku, policy, clock.now().date())
    return {"sku": sku, "name": known.name, "items": rows}


@router.get("/reorder-advice", tags=["purchasing"])
@needs("purchasing:read")
async def get_advice(
    conn: Reader,
    paging: Paging,
    policy: Decided,
    supplier: KeyFilter = None,
    warehouse: KeyFilter = None,
    all: Annotated[bool, Query(description="also what is above its reorder point")] = False,
) -> Found:
    """What to order: position = on hand + incoming - reserved - waiting, with drafts, is at its point or below.

    `quantity`: up to the level. `order_by`: when it reaches the point if the demand goes on.
    """
    rows = await reorder.advice(
        conn,
        policy,
        clock.now().date(),
        supplier=supplier,
        warehouse=warehouse,
        all=all,
        after=paging.place(str, str),
        limit=paging.limit + 1,
    )
    return page_of(rows, paging, key=lambda row: (row["sku"], row["warehouse"]))


@router.post("/reorder-advice/drafts", tags=["purchasing"], status_code=201)
@needs("purchasing:write")
async def post_drafts(body: DraftsIn, conn: Reader, ask: Ask) -> Response:
    """Drafts of what is named, one per supplier and warehouse, all or none, at the last cost of each.

    409 when somebody made a draft by one of the rules since it was looked at.
    """
    found = await reorder.drafts(conn, [(line.sku, line.warehouse) for line in body.lines])
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    rules = {(row["sku"], row["warehouse"]): row for row in found}
    today = clock.now().date()
    orders: dict[tuple[str, str], list[ProposedLine]] = {}
    for n, line in enumerate(body.lines):
        rule = rules.get((line.sku, line.warehouse))
        if rule is None:
            said = f"there is no rule for {line.sku} in {line.warehouse}"
            return problem(422, said, [wrong(f"lines.{n}.sku", said)])
        orders.setdefault((rule["supplier"], line.warehouse), []).append(
            ProposedLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_cost=rule["unit_cost"],
                expected_on=today + timedelta(days=rule["lead_days"]),
                version=line.version,
            )
        )
    made = tuple(
        ProposedOrder(
            purchase_id=uuid5(ask.key_id, f"{supplier}/{warehouse}"),
            supplier=supplier,
            warehouse=warehouse,
            lines=tuple(lines),
        )
        for (supplier, warehouse), lines in orders.items()
    )
    return await ask(DraftProposed(orders=made, actor=ask.actor))
