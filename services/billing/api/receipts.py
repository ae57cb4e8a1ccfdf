"""Money that comes in: through the provider, over the bank, from the carrier; and credits that belong to no order."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from services.billing import queries
from services.billing.api.fields import Code, Filter, Item, Line
from shared.contracts.billing import (
    BankMoneyArrived,
    CashRemitted,
    CreditLine,
    PayAgain,
    RecordCredit,
    ResumeOperation,
)
from shared.guard import needs
from shared.http import Ask, Body, Paging, Reader, Rehearse, example, page_of, refusal

router = APIRouter()
Amount = Annotated[Decimal, Field(gt=0, max_digits=16, decimal_places=6)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
MAX_PARCELS = 200
"""Of one payout: while it is looked at, nobody else changes their orders' money."""


class BankEntryIn(Body):
    """One credit entry of the bank statement. Without an order it is matched by its reference, the order's number."""

    model_config = example(
        entry_id="2026-03-02/17", reference="O-100045", amount="59.90", currency="EUR", booked_on="2026-03-02"
    )
    entry_id: Code
    order_id: UUID | None = None
    reference: Line = ""
    amount: Amount
    currency: Currency = "EUR"
    booked_on: date


class RemittanceIn(Body):
    """What the carrier paid out of what it collected at one door, and the fee that it kept of it."""

    model_config = example(
        order_id="0198a1b2-0000-7000-8000-000000000001",
        shipment_id="0198a1b2-0000-7000-8000-000000000002",
        amount="56.90",
        fee="3.00",
        reference="PAYOUT-7",
    )
    order_id: UUID
    shipment_id: UUID
    amount: Amount
    fee: Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)] = Decimal(0)
    reference: Code


class ParcelIn(Body):
    order_id: UUID
    shipment_id: UUID
    amount: Amount
    fee: Annotated[Decimal, Field(ge=0, max_digits=16, decimal_places=6)] = Decimal(0)


class PayoutIn(Body):
    """A carrier's payout: its number, and what was paid out and kept of each parcel."""

    model_config = example(
        reference="PAYOUT-7",
        parcels=[
            {
                "order_id": "0198a1b2-0000-7000-8000-000000000001",
                "shipment_id": "0198a1b2-0000-7000-8000-000000000002",
                "amount": "56.90",
                "fee": "3.00",
            }
        ],
    )
    reference: Code
    parcels: Annotated[tuple[ParcelIn, ...], Field(min_length=1, max_length=MAX_PARCELS)]

    def commands(self) -> list[CashRemitted]:
        return [CashRemitted(reference=self.reference, **parcel.model_dump()) for parcel in self.parcels]


class CreditLineIn(Body):
    sku: Code
    text: Line = ""
    quantity: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
    unit_price: Annotated[Decimal, Field(max_digits=16, decimal_places=6)]


class CreditIn(Body):
    """A credit that belongs to no order we know. It waits for review and pays nothing out."""

    model_config = example(
        reference="C536379",
        customer_id="14527",
        currency="GBP",
        amount="27.50",
        reason="discount",
        lines=[{"sku": "D", "quantity": 1, "unit_price": "27.50"}],
    )
    reference: Code
    customer_id: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] = ""
    currency: Currency = "EUR"
    amount: Annotated[Decimal, Field(max_digits=16, decimal_places=6)]
    reason: Line = ""
    lines: Annotated[list[CreditLineIn], Field(min_length=1, max_length=1000)]


class PayAgainIn(Body):
    model_config = example(token="tok_visa")
    token: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


@router.get("/payments", tags=["money"])
@needs("money:read")
async def payments(conn: Reader, paging: Paging, state: Filter = "", kind: Filter = "", newest: bool = False) -> Item:
    """Operations at the payment provider, by order; `newest`: from the last order back."""
    after = paging.place(UUID, int)
    rows = await queries.operations(conn, paging.limit, after, state=state, kind=kind, newest=newest)
    return page_of(rows, paging, key=lambda row: (row["order_id"], row["no"]))


@router.post("/bank-entries", tags=["receipts"], responses={202: {"description": "kept for review"}})
@needs("money:write")
async def bank_entry(body: BankEntryIn, ask: Ask, conn: Reader) -> Response:
    """Money on the bank account. Matched at once, or kept for review; sent again with an order it is matched to it."""
    order_id = body.order_id or await queries.order_of(conn, body.reference)
    fields = body.model_dump(exclude={"order_id"})
    return await ask(BankMoneyArrived(order_id=order_id, **fields))


@router.get("/bank-entries", tags=["receipts"])
@needs("money:read")
async def bank_entries(conn: Reader, paging: Paging, state: Filter = "", entry_id: Filter = "") -> Item:
    """Entries of the bank statement; state=review are those that wait for a person. `entry_id`: that one alone."""
    after = paging.place(str)
    rows = await queries.bank_entries(conn, paging.limit, after, state=state, entry_id=entry_id)
    return page_of(rows, paging, key=lambda row: (row["entry_id"],))


@router.post("/cash-remittances", tags=["receipts"])
@needs("money:write")
async def cash_remittance(body: RemittanceIn, ask: Ask) -> Response:
    """The carrier pays out what it collected, less its fee: the order is paid with both."""
    return await ask(CashRemitted(**body.model_dump()))


@router.post("/cash-remittances/batch", tags=["receipts"])
@needs("money:write")
async def cash_remittances(body: PayoutIn, ask: Ask) -> Response:
    """One payout of many parcels, each with its own outcome, in their order; the same parcel is booked once."""
    return await ask.each(body.commands())


@router.post("/cash-remittances/batch/preview", tags=["receipts"])
@needs("money:write")
async def preview_remittances(body: PayoutIn, rehearse: Rehearse) -> Item:
    """What each of them would come to: matched, known, or why not. Really decided in turn, and undone.

    `left`: what of the parcel's invoice the carrier has not paid out or kept then.
    """
    outcome = await rehearse(*body.commands())
    replies = [reply for _, reply in outcome.answers]
    return {"outcomes": [{"status": of.status, "body": refusal(of) if of.status >= 400 else of.body} for of in replies]}


@router.post("/credits", tags=["receipts"], status_code=201, responses={200: {"description": "known already"}})
@needs("money:write")
async def record_credit(body: CreditIn, ask: Ask) -> Response:
    """Keeps a credit without an order for review."""
    lines = tuple(CreditLine(**line.model_dump()) for line in body.lines)
    return await ask(RecordCredit(**body.model_dump(exclude={"lines"}), lines=lines))


@router.get("/credits", tags=["receipts"])
@needs("money:read")
async def credits(conn: Reader, paging: Paging, state: Filter = "") -> Item:
    """Credits without an order."""
    rows = await queries.credits(conn, paging.limit, paging.place(str), state=state)
    return page_of(rows, paging, key=lambda row: (row["reference"],))


@router.post("/orders/{order_id}/pay-again", tags=["money"], status_code=202)
@needs("money:write")
async def pay_again(order_id: UUID, body: PayAgainIn, ask: Ask) -> Response:
    """The customer tries again after a decline, perhaps with another card."""
    return await ask(PayAgain(order_id=order_id, token=body.token))


@router.post("/orders/{order_id}/resume", tags=["money"], status_code=202)
@needs("money:write")
async def resume(order_id: UUID, ask: Ask) -> Response:
    """Tries a parked operation again, or asks about an unknown one now."""
    return await ask(ResumeOperation(order_id=order_id, actor=ask.actor))
