"""The HTTP API of fulfilment: the worklists of the warehouse, its steps, returns, and the carrier's webhook."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.fulfilment import queries
from services.fulfilment.webhook import NotGenuine, verify
from shared.contracts.fulfilment import (
    CloseReturn,
    DispatchShipment,
    InspectedLine,
    InspectReturn,
    PackShipment,
    PickShipment,
    ReceiveReturn,
    RejectShipment,
    ReportTracking,
    ResumeLabel,
    ReturnedLine,
    ShipmentState,
    ShortLine,
)
from shared.guard import needs, signed
from shared.http import Ask, Asker, Body, NotFound, Paging, Reader, Tell, page_of

router = APIRouter()

LineNo = Annotated[int, Field(ge=0, le=1_000_000)]
Pieces = Annotated[int, Field(ge=1, le=1_000_000)]
Some = Annotated[int, Field(ge=0, le=1_000_000)]
Name = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
NOT_THERE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such document"}}
CONFLICT: dict[int | str, dict[str, Any]] = NOT_THERE | {409: {"description": "Its state does not allow it"}}


class WhyIn(Body):
    reason: Literal["not_there", "damaged", "wrong_product", "other"]
    note: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$", description="what `other` is")] = ""


class ShortIn(Body):
    line_no: LineNo
    quantity: Pieces
    why: WhyIn | None = None

    def value(self) -> ShortLine:
        return ShortLine(**self.model_dump())


class PickIn(Body):
    """What was not found, per line; nothing when all of it was."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"short": [{"line_no": 1, "quantity": 2, "why": {"reason": "damaged"}}]}, {}]}
    )
    short: Annotated[tuple[ShortIn, ...], Field(max_length=1000)] = ()


class PackIn(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"weight_g": 1200}]})
    weight_g: Annotated[int, Field(ge=0, le=10_000_000, description="grams")] = 0


class RejectIn(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "closed"}]})
    reason: Literal["closed", "address", "short"]


class TrackingIn(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "delivered", "at": "2026-03-02T14:05:00Z", "text": "front door"}]}
    )
    status: Literal["in_transit", "delivered", "refused", "lost"]
    at: AwareDatetime
    text: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


class CarrierSays(BaseModel):
    """The body of the carrier's webhook: `reference` is the shipment id that its label was bought under.

    Not a Body: the carrier may say more tomorrow than we read today.
    """

    reference: UUID
    status: Literal["in_transit", "delivered", "refused", "lost"]
    at: AwareDatetime
    text: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


class ReceivedIn(Body):
    line_no: LineNo
    quantity: Pieces


class ReceiveIn(Body):
    """How many more pieces arrived, per line."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": [{"line_no": 1, "quantity": 1}]}]})
    lines: Annotated[list[ReceivedIn], Field(min_length=1, max_length=1000)]


class GradedIn(Body):
    line_no: LineNo
    accepted: Some
    restock: Some = 0
    quarantine: Some = 0
    scrap: Some = 0


class InspectIn(Body):
    """How many more pieces were graded, per line; `accepted` of them are given back money for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"lines": [{"line_no": 1, "accepted": 1, "restock": 1}]}]}
    )
    lines: Annotated[list[GradedIn], Field(min_length=1, max_length=1000)]


class CloseIn(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"claimed": False}]})
    claimed: bool = Field(False, description="the carrier pays for what it lost: all of that counts as accepted")


# Shipments


@router.get("/shipments", tags=["shipments"])
@needs("shipments:read")
async def list_shipments(
    conn: Reader,
    paging: Paging,
    state: ShipmentState | None = None,
    warehouse: Name = None,
    order_id: UUID | None = None,
    parked: Annotated[bool, Query(description="only those that wait for a person")] = False,
    oldest: bool = False,
) -> dict[str, Any]:
    """Shipments, newest first; `oldest`: from the first one on."""
    after = paging.place(datetime, UUID)
    rows = await queries.list_shipments(
        conn, paging.limit, after, state=state, warehouse=warehouse, order_id=order_id, parked=parked, oldest=oldest
    )
    return page_of(rows, paging, lambda row: (row["planned_at"].isoformat(), row["shipment_id"]))


@router.get("/shipments/{shipment_id}", tags=["shipments"], responses=NOT_THERE)
@needs("shipments:read")
async def show_shipment(shipment_id: UUID, conn: Reader) -> dict[str, Any]:
    """One shipment with its returns and its history."""
    found = await queries.shipment(conn, shipment_id)
    if found is None:
        raise NotFound("shipment", shipment_id)
    return found


@router.get("/pick-list", tags=["shipments"])
@needs("shipments:read")
async def pick_list(
    conn: Reader, warehouse: Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
) -> dict[str, Any]:
    """What to fetch from the shelves of one warehouse now, most urgent first, and the totals per SKU."""
    return await queries.pick_list(conn, warehouse)


@router.post("/shipments/{shipment_id}/pick", tags=["shipments"], responses=CONFLICT)
@needs("shipments:write")
async def pick(shipment_id: UUID, body: PickIn, ask: Ask) -> Response:
    """Picked. Nothing found at all rejects the shipment as short."""
    short = tuple(line.value() for line in body.short)
    return await ask(PickShipment(shipment_id=shipment_id, short=short, actor=ask.actor))


@router.post("/shipments/{shipment_id}/pack", tags=["shipments"], responses=CONFLICT)
@needs("shipments:write")
async def pack(shipment_id: UUID, body: PackIn, ask: Ask) -> Response:
    """The parcel is closed; its label is asked for. It counts as packed when the carrier has answered."""
    return await ask(PackShipment(shipment_id=shipment_id, weight_g=body.weight_g, actor=ask.actor))


@router.post("/shipments/{shipment_id}/dispatch", tags=["shipments"], responses=CONFLICT)
@needs("shipments:write")
async def dispatch(shipment_id: UUID, ask: Ask) -> Response:
    """Handed over to the carrier: the point of no return. 409 when it was cancelled first or has no label yet."""
    return await ask(DispatchShipment(shipment_id=shipment_id, actor=ask.actor))


@router.post("/shipments/{shipment_id}/reject", tags=["shipments"], responses=CONFLICT)
@needs("shipments:write")
async def reject(shipment_id: UUID, body: RejectIn, ask: Ask) -> Response:
    """The warehouse cannot ship it."""
    return await ask(RejectShipment(shipment_id=shipment_id, reason=body.reason, actor=ask.actor))


@router.post("/shipments/{shipment_id}/tracking", tags=["shipments"], responses=NOT_THERE)
@needs("shipments:write")
async def tracking(shipment_id: UUID, body: TrackingIn, ask: Ask) -> Response:
    """What the carrier says of the parcel, typed in by a person. 404 also while the parcel is not closed yet."""
    return await ask(ReportTracking(shipment_id=shipment_id, status=body.status, at=body.at, text=body.text))


@router.post("/shipments/{shipment_id}/resume", tags=["shipments"], responses=CONFLICT)
@needs("shipments:write")
async def resume(shipment_id: UUID, ask: Ask) -> Response:
    """Somebody saw to what is parked: the label operation starts again."""
    return await ask(ResumeLabel(shipment_id=shipment_id, actor=ask.actor))


@router.post(
    "/webhooks/carrier",
    tags=["carrier"],
    responses={401: {"description": "Not signed by the carrier"}, 404: {"description": "Not known yet: send it later"}},
)
@signed
async def carrier_says(request: Request, tell: Tell) -> Response:
    """Tracking events, signed by the carrier (Standard Webhooks headers). The same webhook-id counts once."""
    running = request.app.state.running
    raw = await request.body()
    try:
        id = verify(running.service.settings.webhook_secrets(), request.headers, raw, running.now())
    except NotGenuine as error:
        raise HTTPException(401, str(error)) from None
    try:
        said = CarrierSays.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise HTTPException(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    told = Asker(tell.desk, f"carrier webhook {id}", "carrier", tell.traceparent, "")
    return await told(ReportTracking(shipment_id=said.reference, status=said.status, at=said.at, text=said.text))


# Returns


@router.get("/returns", tags=["returns"])
@needs("returns:read")
async def list_returns(
    conn: Reader,
    paging: Paging,
    state: Literal["expected", "received", "inspected", "closed"] | None = None,
    warehouse: Name = None,
    order_id: UUID | None = None,
    oldest: bool = False,
) -> dict[str, Any]:
    """Returns, newest first; `oldest`: from the first one on."""
    after = paging.place(datetime, UUID)
    rows = await queries.list_returns(
        conn, paging.limit, after, state=state, warehouse=warehouse, order_id=order_id, oldest=oldest
    )
    return page_of(rows, paging, lambda row: (row["opened_at"].isoformat(), row["return_id"]))


@router.get("/returns/{return_id}", tags=["returns"], responses=NOT_THERE)
@needs("returns:read")
async def show_return(return_id: UUID, conn: Reader) -> dict[str, Any]:
    """One return with its history."""
    found = await queries.one_return(conn, return_id)
    if found is None:
        raise NotFound("return", return_id)
    return found


@router.post("/returns/{return_id}/receive", tags=["returns"], responses=CONFLICT)
@needs("returns:write")
async def receive(return_id: UUID, body: ReceiveIn, conn: Reader, ask: Ask) -> Response:
    """Pieces arrived; they are not sellable before inspection."""
    lines = tuple(ReturnedLine(line_no=line.line_no, quantity=line.quantity) for line in body.lines)
    shipment_id = await shipment_of(conn, return_id)
    return await ask(ReceiveReturn(shipment_id=shipment_id, return_id=return_id, lines=lines, actor=ask.actor))


@router.post("/returns/{return_id}/inspect", tags=["returns"], responses=CONFLICT)
@needs("returns:write")
async def inspect(return_id: UUID, body: InspectIn, conn: Reader, ask: Ask) -> Response:
    """Pieces were graded. When all that is expected was, the return closes by itself."""
    lines = tuple(InspectedLine(**line.model_dump()) for line in body.lines)
    shipment_id = await shipment_of(conn, return_id)
    return await ask(InspectReturn(shipment_id=shipment_id, return_id=return_id, lines=lines, actor=ask.actor))


@router.post("/returns/{return_id}/close", tags=["returns"], responses=CONFLICT)
@needs("returns:write")
async def close(return_id: UUID, body: CloseIn, conn: Reader, ask: Ask) -> Response:
    """Nothing more will come."""
    shipment_id = await shipment_of(conn, return_id)
    return await ask(CloseReturn(shipment_id=shipment_id, return_id=return_id, claimed=body.claimed, actor=ask.actor))


async def shipment_of(conn: Reader, return_id: UUID) -> UUID:
    """A return is locked by its shipment, so the request must name it."""
    found = await queries.shipment_of_return(conn, return_id)
    await conn.rollback()  # the connection must not lie in a transaction while the desk decides
    if found is None:
        raise NotFound("return", return_id)
    return found
