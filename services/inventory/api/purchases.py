"""Suppliers and purchase orders. What they expect and what came of it is stock's; goods are received at /receipts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory import queries
from services.inventory.api.fields import (
    Cost,
    Found,
    Key,
    KeyFilter,
    KeyPath,
    Name,
    Pieces,
    Quote,
)
from services.inventory.preview import preview_purchase, turns
from services.inventory.queries import purchases
from shared.contracts.inventory import (
    MAX_PURCHASE_LINES,
    BoughtLine,
    CancelPurchaseOrder,
    ChangePurchaseOrder,
    ClosePurchaseOrder,
    CreatePurchaseOrder,
    EditPurchaseOrder,
    LineChange,
    PromiseAgain,
    PurchaseAct,
    RegisterSupplier,
    SendPurchaseOrder,
)
from shared.etag import etag_of
from shared.guard import needs
from shared.http import (
    Ask,
    Body,
    IfMatch,
    NotFound,
    Paging,
    Reader,
    Rehearse,
    Rehearser,
    Tell,
    answered,
    example,
    jsonable,
    page_of,
)

router = APIRouter()
State = Literal["draft", "sent", "partly_received", "received", "closed_short", "cancelled"]


class SupplierIn(Body):
    model_config = example(name="Mugs & Co", email="orders@mugs.example", lead_days=10, currency="EUR")

    name: Name = ""
    email: Annotated[str, Field(max_length=320, pattern=r"^([^\s@\x00<>]+@[^\s@\x00<>]+)?$")] = ""
    lead_days: Annotated[int, Field(ge=0, le=3650)] = 14
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "EUR"


class PurchaseLineIn(Body):
    sku: Key
    quantity: Pieces
    unit_cost: Cost = Decimal(0)
    expected_on: date


class PurchaseIn(Body):
    model_config = example(
        supplier="mugs",
        warehouse="north",
        lines=[{"sku": "MUG-01", "quantity": 40, "unit_cost": "2.35", "expected_on": "2027-03-01"}],
    )

    supplier: Key
    warehouse: Key
    note: Name = ""
    lines: Annotated[list[PurchaseLineIn], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]

    def fields(self, actor: str) -> Found:
        lines = tuple(BoughtLine(**line.model_dump()) for line in self.lines)
        return {
            "supplier": self.supplier,
            "warehouse": self.warehouse,
            "note": self.note,
            "lines": lines,
            "actor": actor,
        }


class ActIn(Body):
    model_config = example()

    quote: Quote = ""


class EndIn(Body):
    model_config = example(reason="The supplier does not have the rest.")

    reason: Name = ""
    quote: Quote = ""


class LineChangeIn(Body):
    sku: Key
    quantity: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    expected_on: date | None = None


class ChangeIn(Body):
    model_config = example(changes=[{"sku": "MUG-01", "expected_on": "2027-03-15"}])

    changes: Annotated[list[LineChangeIn], Field(min_length=1, max_length=MAX_PURCHASE_LINES)]
    quote: Quote = ""


@router.get("/suppliers", tags=["purchasing"])
@needs("purchasing:read")
async def get_suppliers(conn: Reader, paging: Paging) -> Found:
    """All suppliers, by code."""
    rows = await purchases.list_suppliers(conn, after=paging.place(str), limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["code"],))


@router.get("/suppliers/{code:path}", tags=["purchasing"])
@needs("purchasing:read")
async def get_supplier(code: KeyPath, conn: Reader) -> Response:
    """One supplier, with the entity tag that an edit names in If-Match."""
    row = await purchases.supplier(conn, code)
    if row is None:
        raise NotFound("supplier", code)
    etag = etag_of([row])
    return JSONResponse({**asdict(row), "etag": etag}, headers={"ETag": f'"{etag}"'})


@router.put("/suppliers/{code:path}", tags=["purchasing"])
@needs("purchasing:write")
async def put_supplier(code: KeyPath, body: SupplierIn, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes a supplier. Purchase orders that are there keep their currency."""
    return await tell(RegisterSupplier(code=code, **body.model_dump(), if_match=if_match))


@router.get("/purchase-orders", tags=["purchasing"])
@needs("purchasing:read")
async def get_purchases(
    conn: Reader,
    paging: Paging,
    state: Annotated[tuple[State, ...], Query(max_length=6)] = (),
    supplier: KeyFilter = None,
    warehouse: KeyFilter = None,
    sku: KeyFilter = None,
) -> Found:
    """Purchase orders, the newest first, with the sums of their lines. `cost`: of all that is ordered."""
    rows = await purchases.list_purchases(
        conn,
        states=state,
        supplier=supplier,
        warehouse=warehouse,
        sku=sku,
        after=paging.place(datetime, UUID),
        limit=paging.limit + 1,
    )
    return page_of(rows, paging, key=lambda row: (row["created_at"].isoformat(), row["purchase_id"]))


@router.post("/purchase-orders", tags=["purchasing"], status_code=201)
@needs("purchasing:write")
async def post_purchase(body: PurchaseIn, ask: Ask) -> Response:
    """A draft with the next number. Nothing is expected of it until it is sent."""
    return await ask(CreatePurchaseOrder(purchase_id=ask.key_id, **body.fields(ask.actor)))


@router.get("/purchase-orders/{number}", tags=["purchasing"])
@needs("purchasing:read")
async def get_purchase(number: KeyPath, conn: Reader) -> Response:
    """One purchase order with its lines."""
    found = await purchases.one_purchase(conn, number)
    if found is None:
        raise NotFound("purchase order", number)
    return JSONResponse(jsonable(found), headers={"ETag": f'"{found["etag"]}"'})


@router.get("/purchase-orders/{number}/history", tags=["purchasing"])
@needs("purchasing:read")
async def get_history(number: KeyPath, conn: Reader, paging: Paging) -> Found:
    """What happened to it, the newest first: who, when, what."""
    purchase_id = await _id_of(conn, number)
    rows = await purchases.history(conn, purchase_id, after=paging.place(int), limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["version"],))


@router.put("/purchase-orders/{number}", tags=["purchasing"])
@needs("purchasing:write")
async def put_purchase(number: KeyPath, body: PurchaseIn, conn: Reader, tell: Tell, if_match: IfMatch) -> Response:
    """Writes a draft anew. 409 once it is sent."""
    purchase_id = await _id_of(conn, number)
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    return await tell(EditPurchaseOrder(purchase_id=purchase_id, **body.fields(tell.actor), if_match=if_match))


@router.post("/purchase-orders/{number}/send", tags=["purchasing"])
@needs("purchasing:write")
async def send(number: KeyPath, body: ActIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """The supplier has it. From now on it is incoming, and promises go by its days."""
    return await ask(SendPurchaseOrder(**await _of(conn, number, ask.actor, if_match, body.quote)))


@router.post("/purchase-orders/{number}/send/preview", tags=["purchasing"])
@needs("purchasing:write")
async def preview_send(number: KeyPath, body: ActIn, conn: Reader, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What sending would do: who waits is promised which day. Really decided, and undone."""
    return await _previewed(SendPurchaseOrder(**await _of(conn, number, rehearse.actor, if_match)), conn, rehearse)


@router.post("/purchase-orders/{number}/changes", tags=["purchasing"])
@needs("purchasing:write")
async def change(number: KeyPath, body: ChangeIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """Other days or quantities of lines that are on their way. Whoever is promised another day by it is told."""
    return await ask(_change(body, await _of(conn, number, ask.actor, if_match, body.quote)))


@router.post("/purchase-orders/{number}/changes/preview", tags=["purchasing"])
@needs("purchasing:write")
async def preview_change(
    number: KeyPath, body: ChangeIn, conn: Reader, rehearse: Rehearse, if_match: IfMatch
) -> Response:
    """What the change would do: who waits is promised which day. Really decided, and undone."""
    return await _previewed(_change(body, await _of(conn, number, rehearse.actor, if_match)), conn, rehearse)


@router.post("/purchase-orders/{number}/close", tags=["purchasing"])
@needs("purchasing:write")
async def close(number: KeyPath, body: EndIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """What has not come will not come."""
    wanted = await _of(conn, number, ask.actor, if_match, body.quote)
    return await ask(ClosePurchaseOrder(**wanted, reason=body.reason))


@router.post("/purchase-orders/{number}/close/preview", tags=["purchasing"])
@needs("purchasing:write")
async def preview_close(number: KeyPath, body: EndIn, conn: Reader, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What closing it short would do: who waits is promised which day. Really decided, and undone."""
    wanted = ClosePurchaseOrder(**await _of(conn, number, rehearse.actor, if_match), reason=body.reason)
    return await _previewed(wanted, conn, rehearse)


@router.post("/purchase-orders/{number}/cancel", tags=["purchasing"])
@needs("purchasing:write")
async def cancel(number: KeyPath, body: EndIn, conn: Reader, ask: Ask, if_match: IfMatch) -> Response:
    """Calls it off before anything came."""
    return await ask(
        CancelPurchaseOrder(**await _of(conn, number, ask.actor, if_match, body.quote), reason=body.reason)
    )


@router.post("/purchase-orders/{number}/cancel/preview", tags=["purchasing"])
@needs("purchasing:write")
async def preview_cancel(number: KeyPath, body: EndIn, conn: Reader, rehearse: Rehearse, if_match: IfMatch) -> Response:
    """What cancelling would do: who waits is promised which day. Really decided, and undone."""
    wanted = CancelPurchaseOrder(**await _of(conn, number, rehearse.actor, if_match), reason=body.reason)
    return await _previewed(wanted, conn, rehearse)


async def _id_of(conn: AsyncConnection, number: str) -> UUID:
    found = await purchases.id_of(conn, number)
    if found is None:
        raise NotFound("purchase order", number)
    return found


async def _of(conn: AsyncConnection, number: str, actor: str, if_match: str, quote: str = "") -> Found:
    """What every act says: the order, and the SKUs that are locked with it."""
    purchase_id = await _id_of(conn, number)
    skus = await purchases.skus_of(conn, purchase_id)
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    return {"purchase_id": purchase_id, "skus": skus, "actor": actor, "quote": quote, "if_match": if_match}


def _change(body: ChangeIn, of: Found) -> ChangePurchaseOrder:
    return ChangePurchaseOrder(**of, changes=tuple(LineChange(**change.model_dump()) for change in body.changes))


async def _previewed(m: PurchaseAct, conn: AsyncConnection, rehearse: Rehearser) -> Response:
    outcome = await rehearse(m, *await looks_again(conn, m.skus, rehearse))
    _, reply = outcome.answers[0]
    if reply.status >= 400:
        return answered(reply)
    return JSONResponse(jsonable(preview_purchase(outcome.rows, m)))


async def looks_again(conn: AsyncConnection, skus: Sequence[str], rehearse: Rehearser) -> list[PromiseAgain]:
    """The looks at who waits for these, as they follow when what is expected changes."""
    then: list[PromiseAgain] = []
    for sku in skus:
        line = await queries.first_in_line(conn, sku)
        then += turns(line, rehearse.unit.policy.serve_at_once, PromiseAgain)
    await conn.rollback()  # as above
    return then
