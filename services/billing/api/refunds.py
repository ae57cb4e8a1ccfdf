"""Money that people give back: asked for, shown before it is done, approved or refused by another person."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from services.billing import queries
from services.billing.api.fields import FORBIDDEN, Code, Item, Line, Quote, Reason, RefusalIn, Roles, State
from services.billing.preview import credited, preview
from shared.clock import new_id
from shared.contracts.billing import ApproveRefund, RefundLine, RefundReturn, RefuseRefund, RequestRefund
from shared.contracts.values import MAX_LINES, LineQuantity
from shared.guard import needs
from shared.http import (
    Ask,
    Body,
    NotFound,
    Paging,
    Reader,
    Rehearse,
    Rehearser,
    answered,
    example,
    jsonable,
    page_of,
)
from shared.messaging.effects import effects

router = APIRouter()


class RefundLineIn(Body):
    """Of one invoice line: so many pieces, or an amount. Either the one or the other."""

    line_no: Annotated[int, Field(ge=1, le=1_000_000)]
    quantity: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    amount: Annotated[
        Decimal,
        Field(ge=0, max_digits=16, decimal_places=6, description="with VAT when the invoice's prices include it"),
    ] = Decimal(0)


class RefundIn(Body):
    """What is given back of one invoice without goods that come back; postage is a line like any other."""

    model_config = example(
        invoice="INV-2026-000001",
        lines=[{"line_no": 1, "amount": "5.00"}, {"line_no": 2, "quantity": 1}],
        reason="the cup had a scratch",
    )
    invoice: Code
    lines: Annotated[list[RefundLineIn], Field(min_length=1, max_length=MAX_LINES)]
    reason: Reason
    quote: Quote = ""

    def command(self, order_id: UUID, refund_id: UUID, actor: str, roles: tuple[str, ...]) -> RequestRefund:
        lines = tuple(RefundLine(**line.model_dump()) for line in self.lines)
        fields = self.model_dump(exclude={"lines"})
        return RequestRefund(order_id=order_id, refund_id=refund_id, lines=lines, actor=actor, roles=roles, **fields)


class PiecesIn(Body):
    line_no: Annotated[int, Field(ge=1, le=1_000_000)]
    quantity: Annotated[int, Field(gt=0, le=1_000_000)]


class ComesBackIn(Body):
    """Pieces of one shipment that may come back; postage that is given back with them is a line like any other."""

    model_config = example(shipment_id="0198a1b2-0000-7000-8000-000000000002", lines=[{"line_no": 1, "quantity": 1}])
    shipment_id: UUID
    lines: Annotated[list[PiecesIn], Field(min_length=1, max_length=MAX_LINES)]


class ApprovalIn(Body):
    model_config = example(note="she has been a customer for ten years")
    note: Line = ""
    quote: Quote = ""

    def command(self, order_id: UUID, refund_id: UUID, actor: str, roles: tuple[str, ...]) -> ApproveRefund:
        return ApproveRefund(order_id=order_id, refund_id=refund_id, actor=actor, roles=roles, **self.model_dump())


@router.get("/orders/{order_id}/refundable", tags=["refunds"])
@needs("money:read")
async def refundable(order_id: UUID, conn: Reader) -> Item:
    """What may still be given back: per line of each invoice, and the order's money that is here (`free`).

    `left` is what of a line is not credited yet, in the mode of the prices; `piece` is what one more piece comes to.
    """
    found = await queries.refundable(conn, order_id)
    if found is None:
        raise NotFound("money of order", order_id)
    return found


@router.post("/orders/{order_id}/returns/preview", tags=["refunds"])
@needs("refunds:write")
async def preview_return(order_id: UUID, body: ComesBackIn, rehearse: Rehearse) -> Response:
    """What the customer is credited once these pieces came back and were accepted. Really decided, and undone.

    `back` is the part of `gross` that is paid back; the rest was never paid.
    """
    accepted = tuple(LineQuantity(**line.model_dump()) for line in body.lines)
    m = RefundReturn(order_id=order_id, return_id=new_id(), shipment_id=body.shipment_id, accepted=accepted)
    outcome = await rehearse(m)
    ((_, reply),) = outcome.answers
    if reply.status >= 400:
        return answered(reply)
    return JSONResponse(jsonable(credited(outcome.rows, m)))


@router.post(
    "/orders/{order_id}/refunds",
    tags=["refunds"],
    status_code=201,
    responses={202: {"description": "kept until another person approves it"}},
)
@needs("refunds:write")
async def request_refund(order_id: UUID, body: RefundIn, ask: Ask, roles: Roles) -> Response:
    """Gives money back without goods that come back: credit note, ledger entry and refund at once (201).

    Above what the roles may give back of one order alone it waits for another person (202). Never more than was
    captured and not given back, nor than what of the line and of the invoice is not credited yet (409).
    """
    return await ask(body.command(order_id, ask.key_id, ask.actor, roles))


@router.post("/orders/{order_id}/refunds/preview", tags=["refunds"])
@needs("refunds:write")
async def preview_refund(order_id: UUID, body: RefundIn, rehearse: Rehearse, roles: Roles) -> Response:
    """What the refund would do: money, VAT, document, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, new_id(), rehearse.actor, roles), rehearse)


async def _previewed(m: RequestRefund | ApproveRefund, rehearse: Rehearser) -> Response:
    outcome = await rehearse(m)
    ((_, reply),) = outcome.answers
    if reply.status >= 400:
        return answered(reply)
    shown = preview(outcome.rows, m, reply.body["quote"], [event.data for event, _ in outcome.sent])
    return JSONResponse(jsonable({**shown, "effects": effects(outcome)}))


@router.get("/refunds", tags=["refunds"])
@needs("money:read")
async def refunds(
    conn: Reader, paging: Paging, state: State = "", order_id: UUID | None = None, newest: bool = False
) -> Item:
    """Refunds by the staff as they were asked for, with who asked, who approved, when and why; `newest`: from the
    last one back; state=waiting are those that another person must decide."""
    after = paging.place(datetime, UUID)
    rows = await queries.refunds(conn, paging.limit, after, state=state, order_id=order_id, newest=newest)
    return page_of(rows, paging, key=lambda row: (row["asked_at"], row["refund_id"]))


@router.get("/orders/{order_id}/refunds/{refund_id}", tags=["refunds"])
@needs("money:read")
async def refund(order_id: UUID, refund_id: UUID, conn: Reader) -> Item:
    """One refund: what was asked for, by whom and why, and what was decided."""
    found = await queries.refund(conn, order_id, refund_id)
    if found is None:
        raise NotFound("refund", refund_id)
    return found


@router.post("/orders/{order_id}/refunds/{refund_id}/approve", tags=["refunds"], responses=FORBIDDEN)
@needs("refunds:write")
async def approve_refund(order_id: UUID, refund_id: UUID, body: ApprovalIn, ask: Ask, roles: Roles) -> Response:
    """Has a waiting refund done exactly as it was asked for; never by who asked for it (403)."""
    return await ask(body.command(order_id, refund_id, ask.actor, roles))


@router.post("/orders/{order_id}/refunds/{refund_id}/approve/preview", tags=["refunds"], responses=FORBIDDEN)
@needs("refunds:write")
async def preview_approval(
    order_id: UUID, refund_id: UUID, body: ApprovalIn, rehearse: Rehearse, roles: Roles
) -> Response:
    """What approving would do: money, VAT, document, messages. Really decided, and undone."""
    return await _previewed(body.command(order_id, refund_id, rehearse.actor, roles), rehearse)


@router.post("/orders/{order_id}/refunds/{refund_id}/refuse", tags=["refunds"], responses=FORBIDDEN)
@needs("refunds:write")
async def refuse_refund(order_id: UUID, refund_id: UUID, body: RefusalIn, ask: Ask, roles: Roles) -> Response:
    """Refuses a waiting refund, with the reason; who asked may take it back."""
    return await ask(
        RefuseRefund(order_id=order_id, refund_id=refund_id, reason=body.reason, actor=ask.actor, roles=roles)
    )
