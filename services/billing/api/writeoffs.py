"""Debts that nobody will pay: given up, shown before it is done, approved or refused by another person."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from services.billing import queries
from services.billing.api.fields import FORBIDDEN, Item, Line, Quote, Reason, RefusalIn, Roles, State
from services.billing.preview import given_up
from shared.clock import new_id
from shared.contracts.billing import ApproveWriteOff, RefuseWriteOff, RequestWriteOff
from shared.guard import needs
from shared.http import Ask, Body, NotFound, Paging, Reader, Rehearse, answered, example, jsonable, page_of
from shared.messaging.effects import effects

router = APIRouter()


class WriteOffIn(Body):
    """How much of what is owed for goods that are out is given up, and why."""

    model_config = example(amount="40.00", reason="insolvent, the administrator pays nothing")
    amount: Annotated[Decimal, Field(gt=0, max_digits=16, decimal_places=6)]
    reason: Reason
    quote: Quote = ""

    def command(self, order_id: UUID, write_off_id: UUID, actor: str, roles: tuple[str, ...]) -> RequestWriteOff:
        return RequestWriteOff(
            order_id=order_id, write_off_id=write_off_id, actor=actor, roles=roles, **self.model_dump()
        )


class WriteOffApprovalIn(Body):
    model_config = example(note="as agreed with the accountant")
    note: Line = ""


@router.post(
    "/orders/{order_id}/write-offs",
    tags=["write-offs"],
    status_code=201,
    responses={202: {"description": "kept until another person approves it"}},
)
@needs("refunds:write")
async def request_write_off(order_id: UUID, body: WriteOffIn, ask: Ask, roles: Roles) -> Response:
    """Gives up money that is owed: an entry of the ledger at once (201), and nobody is reminded of it any more.

    Above what the roles may give up of one order alone it waits for another person (202). Never more than is owed for
    goods that are out (409). No document is issued and no VAT taken back; what is paid after all takes the loss back.
    """
    return await ask(body.command(order_id, ask.key_id, ask.actor, roles))


@router.post("/orders/{order_id}/write-offs/preview", tags=["write-offs"])
@needs("refunds:write")
async def preview_write_off(order_id: UUID, body: WriteOffIn, rehearse: Rehearse, roles: Roles) -> Response:
    """What the write-off would do: money, ledger, messages. Really decided, and undone."""
    m = body.command(order_id, new_id(), rehearse.actor, roles)
    outcome = await rehearse(m)
    ((_, reply),) = outcome.answers
    if reply.status >= 400:
        return answered(reply)
    shown = given_up(outcome.rows, m, reply.body["quote"], [event.data for event, _ in outcome.sent])
    return JSONResponse(jsonable({**shown, "effects": effects(outcome)}))


@router.get("/write-offs", tags=["write-offs"])
@needs("money:read")
async def write_offs(
    conn: Reader, paging: Paging, state: State = "", order_id: UUID | None = None, newest: bool = False
) -> Item:
    """Debts that were given up or are to be, with who asked, who decided, when and why; `newest`: from the last one
    back; state=waiting are those that another person must decide."""
    after = paging.place(datetime, UUID)
    rows = await queries.write_offs(conn, paging.limit, after, state=state, order_id=order_id, newest=newest)
    return page_of(rows, paging, key=lambda row: (row["asked_at"], row["write_off_id"]))


@router.get("/orders/{order_id}/write-offs/{write_off_id}", tags=["write-offs"])
@needs("money:read")
async def write_off(order_id: UUID, write_off_id: UUID, conn: Reader) -> Item:
    """One write-off: how much, by whom and why, and what was decided."""
    found = await queries.write_off(conn, order_id, write_off_id)
    if found is None:
        raise NotFound("write-off", write_off_id)
    return found


@router.post("/orders/{order_id}/write-offs/{write_off_id}/approve", tags=["write-offs"], responses=FORBIDDEN)
@needs("refunds:write")
async def approve_write_off(
    order_id: UUID, write_off_id: UUID, body: WriteOffApprovalIn, ask: Ask, roles: Roles
) -> Response:
    """Has a waiting write-off done exactly as it was asked for; never by who asked for it (403)."""
    return await ask(
        ApproveWriteOff(order_id=order_id, write_off_id=write_off_id, note=body.note, actor=ask.actor, roles=roles)
    )


@router.post("/orders/{order_id}/write-offs/{write_off_id}/refuse", tags=["write-offs"], responses=FORBIDDEN)
@needs("refunds:write")
async def refuse_write_off(order_id: UUID, write_off_id: UUID, body: RefusalIn, ask: Ask, roles: Roles) -> Response:
    """Refuses a waiting write-off, with the reason; who asked may take it back."""
    return await ask(
        RefuseWriteOff(order_id=order_id, write_off_id=write_off_id, reason=body.reason, actor=ask.actor, roles=roles)
    )
