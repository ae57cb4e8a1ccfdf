"""Credit of customers: what one may owe on terms, and owes."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import Field

from services.billing import queries
from services.billing.api.fields import Item, Line
from services.billing.domain import Policy
from services.billing.domain.debtors import told
from services.billing.domain.rows import Debtor
from shared.contracts.billing import SetCreditLimit
from shared.guard import needs
from shared.http import Body, Reader, Tell, example

router = APIRouter()
CustomerId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
Currency = Annotated[str, Path(pattern="^[A-Z]{3}$")]


class LimitIn(Body):
    """What a customer may owe on terms, open orders included; null: what everybody may."""

    model_config = example(limit="2500.00", reason="pays within a week since 2019")
    limit: Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=4)] | None
    reason: Line = ""


async def _policy(request: Request) -> Policy:
    policy: Policy = request.app.state.running.desk.unit.policy
    return policy


@router.get("/customers/{customer_id}/credit", tags=["credit"])
@needs("money:read")
async def credit(customer_id: CustomerId, conn: Reader, policy: Annotated[Policy, Depends(_policy)]) -> Item:
    """What a customer owes on terms, open orders included, what they may owe, and what is left of it, by currency.

    `own`: the limit is this customer's; otherwise it is the general one of the currency. Of a customer whom billing
    never heard of it is what everybody may owe.
    """
    known = {debtor.currency: debtor for debtor in await queries.debtors(conn, customer_id)}
    general = policy.credit_limits
    return {
        "customer_id": customer_id,
        "credit": [
            told(known.get(currency) or Debtor(customer_id, currency), general.get(currency))
            for currency in sorted({*known, *general})
        ],
    }


@router.put("/customers/{customer_id}/credit/{currency}", tags=["credit"])
@needs("money:write")
async def set_credit(customer_id: CustomerId, currency: Currency, body: LimitIn, tell: Tell) -> Response:
    """Sets what one customer may owe in one currency, before the general limit; null gives that back its place.

    What was granted stays. Orders that were declined are tried again by `POST /orders/{order_id}/pay-again`.
    """
    fields = body.model_dump()
    return await tell(SetCreditLimit(customer_id=customer_id, currency=currency, actor=tell.actor, **fields))
