"""Transfers between warehouses. What came of them is received at /receipts, as all goods are."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory.api.fields import Found, Key, KeyFilter, KeyPath, Name, Pieces, Quote
from services.inventory.api.purchases import looks_again
from services.inventory.preview import preview_transfer
from services.inventory.queries import transfers
from shared.contracts.inventory import (
    MAX_TRANSFER_LINES,
    CancelTransfer,
    CloseTransfer,
    CreateTransfer,
    EditTransfer,
    MovedLine,
    SendTransfer,
)
from shared.guard import needs
from shared.http import (
    Ask,
    Body,
    IfMatch,
    NotFound,
    Paging,
    Reader,
    Rehearse,
    Tell,
    answered,
    example,
    jsonable,
    page_of,
)

router = APIRouter()
State = Literal["draft", "sent", "partly_received", "received", "closed_short", "cancelled"]


class MovedLineIn(Body):
    sku: Key
    quantity: Pieces


class TransferIn(Body):
    model_config = example(
        source="north", destination="south", expected_on="2027-03-01", lines=[{"sku": "MUG-01", "quantity": 12}]
    )

    source: Key
    destination: Key
    expected_on: Annotated[date, Field(description="the day on which it should arrive; promises go by it once sent")]
    note: Name = ""
    lines: Annotated[list[MovedLineIn], Field(min_length=1, max_length=MAX_TRANSFER_LINES)]

    def fields(self, actor: str) -> Found:
        lines = tuple(MovedLine(**line.model_dump()) for line in self.lines)
        return {**self.model_dump(exclude={"lines"}), "lines": lines, "actor": actor}


class StepIn(Body):
    model_config = example()

    quote: Quote = ""


class LossIn(Body):
    model_config = example(reason="The pallet fell off the lorry.")

    reason: Annotated[Key, Field(description="why what is still in transit is lost")]


class ReasonIn(Body):
    model_config = example(reason="The south sells it well enough.")

    reason: Name = ""


@router.get("/transfers", tags=["transfers"])
@needs("warehouse:read")
async def get_transfers(
    conn: Reader,
    paging: Paging,
    state: Annotated[tuple[State, ...], Query(max_length=6)] = (),
    source: KeyFilter = None,
    destination: KeyFilter = None,
    sku: KeyFilter = None,
) -> Found:
    """Transfers, the newest first, with the sums of their lines. `in_transit`: sent, not received and not lost."""
    rows = await transfers.list_transfers(
        conn,
        states=state,
        source=source,
        destination=destination,
        sku=sku,
        after=paging.place(datetime, UUID),
        limit=paging.limit + 1,
    )
    return page_of(rows, paging, key=lambda row: (row["created_at"].isoformat(), row["transfer_id"]))


@router.post("/transfers", tags=["transfers"], status_code=201)
@needs("stock:write")
async def post_transfer(body: TransferIn, ask: Ask) -> Response:
    """A draft with the next number. Nothing moves until it is sent."""
    return await ask(CreateTransfer(transfer_id=ask.key_id, **body.fields(ask.actor)))


@router.get("/transfers/{number}", tags=["transfers"])
@needs("warehouse:read")
async def get_transfer(number: KeyPath, conn: Reader) -> Response:
    """One transfer with its lines."""
    found = await transfers.one_transfer(conn, number)
    if found is None:
        raise NotFound("transfer", number)
    return JSONResponse(jsonable(found), headers={"ETag": f'"{found["etag"]}"'})


@router.get("/transfers/{number}/history", tags=["transfers"])
@needs("warehouse:read")
async def get_transfer_history(number: KeyPath, conn: Reader, paging: Paging) -> Found:
    """What happened to it, the newest first: who, when, what."""
    transfer_id = await _id_of(conn, number)
    rows = await transfers.history(conn, transfer_id, after=paging.place(int), limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["version"],))


@router.put("/transfers/{number}", tags=["transfers"])
@needs("stock:write")
async def put_transfer(number: KeyPath, body: TransferIn, conn: Reader, tell: Tell, if_match: IfMatch) -> Response:
    """Writes a draft anew. 409 once it is sent."""
    transfer_id = await _id_of(conn, number)
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    return await tell(EditTransfer(transfer_id=transfer_id, **body.fields(tell.actor), if_match=if_match))


@router.post("/transfers/{number}/send", tags=["transfers"])
@needs("stock:write")
async def send_transfer(number: KeyPath, body: StepIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """Its pieces leave the source and are in transit. 409 names the line of which too little is free."""
    return await ask(SendTransfer(**await _of(conn, number, ask.actor, if_match), quote=body.quote))


@router.post("/transfers/{number}/send/preview", tags=["transfers"])
@needs("stock:write")
async def preview_send_transfer(
    number: KeyPath, body: StepIn, conn: Reader, rehearse: Rehearse, if_match: IfMatch
) -> Response:
    """What sending would do: what is left on the shelves, who is promised which day. Really decided, and undone."""
    wanted = SendTransfer(**await _of(conn, number, rehearse.actor, if_match))
    then = await looks_again(conn, wanted.skus, rehearse)
    outcome = await rehearse(wanted, *then)
    _, reply = outcome.answers[0]
    if reply.status >= 400:
        return answered(reply)
    return JSONResponse(jsonable(preview_transfer(outcome.rows, wanted)))


@router.post("/transfers/{number}/close", tags=["transfers"])
@needs("stock:write")
async def close_transfer(number: KeyPath, body: LossIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """What is still in transit will not come: it is lost, for a reason."""
    return await ask(CloseTransfer(**await _of(conn, number, ask.actor, if_match), reason=body.reason))


@router.post("/transfers/{number}/cancel", tags=["transfers"])
@needs("stock:write")
async def cancel_transfer(number: KeyPath, body: ReasonIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """A draft that will not be sent."""
    return await ask(CancelTransfer(**await _of(conn, number, ask.actor, if_match), reason=body.reason))


async def _id_of(conn: AsyncConnection, number: str) -> UUID:
    found = await transfers.id_of(conn, number)
    if found is None:
        raise NotFound("transfer", number)
    return found


async def _of(conn: AsyncConnection, number: str, actor: str, if_match: str) -> Found:
    """What every step says: the transfer, and the SKUs that are locked with it."""
    transfer_id = await _id_of(conn, number)
    skus = await transfers.skus_of(conn, transfer_id)
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    return {"transfer_id": transfer_id, "skus": skus, "actor": actor, "if_match": if_match}
