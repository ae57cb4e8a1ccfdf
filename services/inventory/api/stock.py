"""SKUs, warehouses, stock, promises."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from services.inventory import domain, queries
from services.inventory.api.fields import (
    NO_ZERO_BYTE,
    Cost,
    Found,
    Key,
    KeyFilter,
    KeyPath,
    Name,
    Pieces,
    Quote,
    Sku,
    SkuPath,
)
from services.inventory.preview import Work, preview, turns
from services.inventory.queries import purchases as bought
from services.inventory.queries import transfers
from shared import clock
from shared.contracts.inventory import (
    AdjustStock,
    CountStock,
    ExpectReceipt,
    Item,
    Place,
    PlaceItem,
    PlaceItems,
    ReceiveStock,
    RegisterItems,
    RegisterWarehouse,
    ServeQueue,
    StockLine,
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


class ItemFields(Body):
    model_config = example(name="Mug", lead_days=7)

    name: Name = ""
    stocked: bool = True
    backorderable: bool = True
    lead_days: Annotated[int, Field(ge=0, le=3650)] = 14
    barcode: Annotated[
        str | None,
        Field(max_length=64, pattern=NO_ZERO_BYTE, description="GTIN or another code on the product; null: as it was"),
    ] = None


class ItemIn(ItemFields):
    sku: Sku


class ItemsIn(Body):
    model_config = example(items=[{"sku": "MUG-01", "name": "Mug", "lead_days": 7}])

    items: Annotated[list[ItemIn], Field(min_length=1, max_length=1000)]


class PlaceIn(Body):
    sku: Key
    warehouse: Key
    bin: Annotated[str, Field(max_length=64, pattern=NO_ZERO_BYTE)] = ""


class PlacesIn(Body):
    model_config = example(places=[{"sku": "MUG-01", "warehouse": "north", "bin": "B-04-12"}])

    places: Annotated[list[PlaceIn], Field(min_length=1, max_length=1000)]


class PlacementIn(Body):
    model_config = example(sku="MUG-01", warehouse="north", bin="B-04-12", barcode="4006381333931")

    sku: Key
    warehouse: Key
    bin: Annotated[str, Field(max_length=64, pattern=NO_ZERO_BYTE)] = ""
    barcode: Annotated[str, Field(max_length=64, pattern=NO_ZERO_BYTE)] = ""


class WarehouseIn(Body):
    model_config = example(name="Northern depot", country="GB", rank=10)

    name: Name = ""
    country: Annotated[str, Field(pattern="^([A-Z]{2})?$")] = ""
    rank: Annotated[int, Field(ge=0, le=1_000_000)] = 100


class ReceiptLineIn(Body):
    sku: Key
    quantity: Pieces
    unit_cost: Cost | None = None


class ReceiptIn(Body):
    model_config = example(
        warehouse="north", reference="PO-7", lines=[{"sku": "MUG-01", "quantity": 12, "unit_cost": "2.35"}]
    )

    warehouse: Key
    reference: Key
    lines: Annotated[list[ReceiptLineIn], Field(min_length=1, max_length=1000)]
    quote: Quote = ""
    over: bool = Field(
        False, description="more than was ordered is meant; asked only with a quote, or of a purchase order"
    )

    def command(self, actor: str, paper: Found, quote: str = "") -> ReceiveStock:
        return ReceiveStock(
            warehouse=self.warehouse,
            lines=stock_lines(self.lines),
            actor=actor,
            quote=quote,
            over=self.over,
            **paper,
        )


class AdjustmentLineIn(Body):
    sku: Key
    quantity: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
    unit_cost: Cost | None = None


class AdjustmentIn(Body):
    model_config = example(
        warehouse="north", reference="ADJ-3", reason="damaged", lines=[{"sku": "MUG-01", "quantity": -1}]
    )

    warehouse: Key
    reference: Key
    reason: Key
    lines: Annotated[list[AdjustmentLineIn], Field(min_length=1, max_length=1000)]
    quarantined: bool = False
    quote: Quote = ""

    def command(self, actor: str, quote: str = "") -> AdjustStock:
        return AdjustStock(
            warehouse=self.warehouse,
            reference=self.reference,
            reason=self.reason,
            lines=stock_lines(self.lines),
            quarantined=self.quarantined,
            actor=actor,
            quote=quote,
        )


class CountIn(Body):
    model_config = example(warehouse="north", reference="COUNT-1", reason="yearly count", sku="MUG-01", counted=11)

    warehouse: Key
    reference: Key
    reason: Key
    sku: Key
    counted: Annotated[int, Field(ge=0, le=1_000_000_000)]
    quote: Quote = ""

    def command(self, actor: str, quote: str = "", orders: tuple[UUID, ...] = ()) -> CountStock:
        return CountStock(
            warehouse=self.warehouse,
            reference=self.reference,
            sku=self.sku,
            counted=self.counted,
            reason=self.reason,
            orders=orders,
            actor=actor,
            quote=quote,
        )


class ExpectedReceiptIn(Body):
    model_config = example(warehouse="north", reference="PO-8", sku="MUG-01", quantity=40, expected_on="2027-03-01")

    warehouse: Key
    reference: Key
    sku: Key
    quantity: Annotated[int, Field(ge=0, le=1_000_000_000)]
    expected_on: date


def stock_lines(lines: list[ReceiptLineIn] | list[AdjustmentLineIn]) -> tuple[StockLine, ...]:
    return tuple(StockLine(sku=n.sku, quantity=n.quantity, unit_cost=n.unit_cost) for n in lines)


@router.put("/items", tags=["items"])
@needs("items:write")
async def put_items(body: ItemsIn, tell: Tell) -> Response:
    """An import: creates or changes up to 1,000 SKUs; the last one wins."""
    return await tell(RegisterItems(items=tuple(Item(**item.model_dump()) for item in body.items)))


@router.get("/items", tags=["items"])
@needs("stock:read")
async def get_items(conn: Reader, paging: Paging) -> Found:
    """SKUs and how they are kept."""
    rows = await queries.list_items(conn, after=paging.place(str), limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["sku"],))


@router.get("/items/{sku:path}", tags=["items"])
@needs("stock:read")
async def get_item(sku: SkuPath, conn: Reader) -> Response:
    """One SKU and how it is kept; its quantities are at /stock."""
    return tagged("SKU", sku, await queries.item(conn, sku))


def tagged(what: str, key: str, row: domain.Item | domain.Warehouse | None) -> Response:
    """The row with the entity tag that an edit names in If-Match."""
    if row is None:
        raise NotFound(what, key)
    shown = {name: value for name, value in asdict(row).items() if name != "realm"}
    return JSONResponse(shown, headers={"ETag": f'"{etag_of([row])}"'})


@router.put("/items/{sku:path}", tags=["items"])
@needs("items:write")
async def put_item(sku: SkuPath, body: ItemFields, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes one SKU."""
    return await tell(RegisterItems(items=(Item(sku=sku, **body.model_dump()),), if_match=if_match))


@router.put("/places", tags=["warehouses"])
@needs("items:write")
async def put_places(body: PlacesIn, tell: Tell) -> Response:
    """In which bin of a warehouse each SKU lies; an empty bin: not known any more."""
    return await tell(PlaceItems(places=tuple(Place(**place.model_dump()) for place in body.places)))


@router.get("/places", tags=["warehouses"])
@needs("warehouse:read")
async def get_places(
    conn: Reader, warehouse: Key, sku: Annotated[list[Key], Query(min_length=1, max_length=200)]
) -> Found:
    """Where these SKUs lie in a warehouse, and what is printed on them; `bin` is empty where nobody said."""
    return {"items": await queries.places_of(conn, warehouse, sku)}


@router.get("/places/search", tags=["warehouses"])
@needs("warehouse:read")
async def find_places(
    conn: Reader,
    paging: Paging,
    warehouse: Key,
    search: Annotated[str | None, Query(max_length=200, pattern=NO_ZERO_BYTE)] = None,
) -> Found:
    """Stocked SKUs with their bin in a warehouse and their barcode.

    `search` finds the beginning of a SKU or of a bin, a part of a name, or a barcode.
    """
    after = paging.place(str)
    rows = await queries.find_places(conn, warehouse, search=search, after=after, limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["sku"],))


@router.post("/placements", tags=["warehouses"], status_code=201)
@needs("stock:write")
async def post_placement(body: PlacementIn, conn: Reader, ask: Ask) -> Response:
    """A person says where a SKU lies and what is printed on it. 409 when another SKU is known by that barcode."""
    said = await queries.meaning(conn, body.barcode) if body.barcode else {"items": []}
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    others = tuple(of["sku"] for of in said["items"] if of["sku"] != body.sku)
    return await ask(PlaceItem(**body.model_dump(), others=others, actor=ask.actor))


@router.get("/placements", tags=["warehouses"])
@needs("warehouse:read")
async def get_placements(conn: Reader, paging: Paging, sku: KeyFilter = None, warehouse: KeyFilter = None) -> Found:
    """Who changed bins and barcodes, from what to what, the newest first."""
    after = paging.place(datetime, UUID)
    rows = await queries.list_placements(conn, sku=sku, warehouse=warehouse, after=after, limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["at"].isoformat(), row["cause"]))


@router.get("/codes", tags=["warehouses"])
@needs("warehouse:read")
async def get_code(
    conn: Reader, code: Annotated[str, Query(min_length=1, max_length=64, pattern=NO_ZERO_BYTE)]
) -> Found:
    """What a scanned code stands for: SKUs with that name or barcode, and what lies in the bin of that name."""
    return await queries.meaning(conn, code)


@router.get("/warehouses", tags=["warehouses"])
@needs("warehouse:read")
async def get_warehouses(conn: Reader, paging: Paging) -> Found:
    """All warehouses, the preferred first."""
    rows = await queries.list_warehouses(conn, after=paging.place(int, str), limit=paging.limit + 1)
    return page_of(rows, paging, key=lambda row: (row["rank"], row["code"]))


@router.get("/warehouses/{code}", tags=["warehouses"])
@needs("warehouse:read")
async def get_warehouse(code: KeyPath, conn: Reader) -> Response:
    """One warehouse."""
    return tagged("warehouse", code, await queries.warehouse(conn, code))


@router.put("/warehouses/{code}", tags=["warehouses"])
@needs("items:write")
async def put_warehouse(code: KeyPath, body: WarehouseIn, tell: Tell, if_match: IfMatch) -> Response:
    """Creates or changes a warehouse."""
    return await tell(RegisterWarehouse(code=code, **body.model_dump(), if_match=if_match))


@router.post("/receipts", tags=["stock"], status_code=201)
@needs("stock:write")
async def post_receipt(body: ReceiptIn, conn: Reader, ask: Ask) -> Response:
    """Goods came in. Orders that wait for them are served first.

    `reference` may be the number of a purchase order, or of a transfer between warehouses: 409 when it was never sent.
    """
    return await ask(body.command(ask.actor, await _paper(conn, body.reference), body.quote))


async def _paper(conn: AsyncConnection, reference: str) -> Found:
    """The purchase order or the transfer of this number, however it is typed; else only the reference itself."""
    number = reference.strip().upper()
    found = {"purchase_id": await bought.id_of(conn, number), "transfer_id": await transfers.id_of(conn, number)}
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    return {"reference": number if any(found.values()) else reference, **found}


@router.post("/receipts/preview", tags=["stock"])
@needs("stock:write")
async def preview_receipt(body: ReceiptIn, conn: Reader, rehearse: Rehearse) -> Response:
    """What booking these goods would do: levels, the purchase order, who gets them. Really decided, and undone."""
    work = body.model_copy(update={"over": True}).command(rehearse.actor, await _paper(conn, body.reference))
    return await _previewed(work, conn, rehearse)


async def _previewed(work: Work, conn: Reader, rehearse: Rehearser) -> Response:
    skus = {work.sku: None} if isinstance(work, CountStock) else {line.sku: None for line in work.lines}
    then: list[ServeQueue] = []
    for sku in skus:
        line = await queries.first_in_line(conn, sku)
        then += turns(line, rehearse.unit.policy.serve_at_once, ServeQueue)
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    outcome = await rehearse(work, *then)
    _, reply = outcome.answers[0]
    if reply.status >= 400:
        return answered(reply)
    return JSONResponse(jsonable(preview(outcome.rows, work)))


@router.post("/adjustments", tags=["stock"], status_code=201)
@needs("stock:write")
async def post_adjustment(body: AdjustmentIn, ask: Ask) -> Response:
    """Corrects stock by a difference, with a reason. What is promised cannot be taken: count instead."""
    return await ask(body.command(ask.actor, body.quote))


@router.post("/adjustments/preview", tags=["stock"])
@needs("stock:write")
async def preview_adjustment(body: AdjustmentIn, conn: Reader, rehearse: Rehearse) -> Response:
    """What the correction would do: levels, and who gets what becomes free. Really decided, and undone."""
    return await _previewed(body.command(rehearse.actor), conn, rehearse)


@router.post(
    "/counts", tags=["stock"], status_code=201, responses={202: {"description": "promises are being taken back first"}}
)
@needs("stock:write")
async def post_count(body: CountIn, conn: Reader, ask: Ask) -> Response:
    """What was really on the shelf. Too little takes back the youngest promises."""
    orders = await _holders(body, conn) if body.quote else ()
    return await ask(body.command(ask.actor, body.quote, orders))


async def _holders(body: CountIn, conn: Reader) -> tuple[UUID, ...]:
    """Whose promises a count may take back."""
    found = await queries.youngest_holders(conn, body.sku, body.warehouse)
    await conn.rollback()  # the connection must not lie in a transaction while it is decided
    return tuple(found)


@router.post("/counts/preview", tags=["stock"])
@needs("stock:write")
async def preview_count(body: CountIn, conn: Reader, rehearse: Rehearse) -> Response:
    """What booking the count would do: levels, who loses a promise, who gets stock. Really decided, and undone."""
    return await _previewed(body.command(rehearse.actor, orders=await _holders(body, conn)), conn, rehearse)


@router.post("/expected-receipts", tags=["stock"], status_code=201)
@needs("stock:write")
async def post_expected(body: ExpectedReceiptIn, conn: Reader, ask: Ask) -> Response:
    """Goods that should come without a purchase order here. The same reference again changes it; 0 calls it off."""
    paper = await _paper(conn, body.reference)
    if paper["purchase_id"]:
        raise HTTPException(409, f"{body.reference} is a purchase order: change its line there")
    if paper["transfer_id"]:
        raise HTTPException(409, f"{body.reference} is a transfer between warehouses")
    return await ask(ExpectReceipt(**body.model_dump()))


@router.get("/expected-receipts", tags=["stock"])
@needs("warehouse:read")
async def get_expected(
    conn: Reader,
    paging: Paging,
    sku: KeyFilter = None,
    warehouse: KeyFilter = None,
    reference: KeyFilter = None,
    all: Annotated[bool, Query(description="also what came in full or was called off")] = False,
) -> Found:
    """What is expected and has not come in full, of purchase orders, transfers and others, the earliest day first."""
    after = paging.place(date, str, str, str)
    rows = await queries.list_expected(
        conn, sku=sku, warehouse=warehouse, reference=reference, all=all, after=after, limit=paging.limit + 1
    )
    return page_of(
        rows, paging, key=lambda row: (row["expected_on"].isoformat(), row["reference"], row["sku"], row["warehouse"])
    )


@router.get("/stock", tags=["stock"])
@needs("stock:read")
async def get_stock(
    conn: Reader,
    paging: Paging,
    sku: Annotated[tuple[Key, ...], Query(max_length=200)] = (),
    warehouse: KeyFilter = None,
    to_count: bool | None = None,
) -> Found:
    """Levels by SKU and warehouse: of these SKUs, if any are named. `to_count`: shelves that did not hold what the
    books said."""
    after = paging.place(str, str)
    rows = await queries.list_stock(
        conn, skus=sku, warehouse=warehouse, to_count=to_count, after=after, limit=paging.limit + 1
    )
    return page_of(rows, paging, key=lambda row: (row["sku"], row["warehouse"]))


@router.get("/stock/{sku:path}", tags=["stock"])
@needs("warehouse:read")
async def get_one_stock(sku: KeyPath, conn: Reader) -> Found:
    """One SKU: quantities by warehouse, incoming, and who waits."""
    found = await queries.one_stock(conn, sku)
    if found is None:
        raise NotFound("SKU", sku)
    return found


@router.get("/availability", tags=["stock"])
@needs("stock:read")
async def get_availability(conn: Reader, sku: Annotated[list[Key], Query(min_length=1, max_length=200)]) -> Found:
    """What may be offered now, and from which day more."""
    return {"items": await queries.availability(conn, sku, clock.now().date())}


@router.get("/movements", tags=["stock"])
@needs("warehouse:read")
async def get_movements(
    conn: Reader,
    paging: Paging,
    sku: KeyFilter = None,
    warehouse: KeyFilter = None,
    kind: KeyFilter = None,
    newest: Annotated[bool, Query(description="begin with the newest")] = False,
) -> Found:
    """Every change of stock, in the order of booking."""
    after = paging.place(datetime, UUID, str, str, int, str)
    rows = await queries.list_movements(
        conn, sku=sku, warehouse=warehouse, kind=kind, newest=newest, after=after, limit=paging.limit + 1
    )
    return page_of(
        rows,
        paging,
        key=lambda r: (r["at"].isoformat(), r["cause"], r["sku"], r["warehouse"], r["line_no"], r["kind"]),
    )


@router.get("/orders/{order_id}", tags=["promises"])
@needs("warehouse:read")
async def get_order(order_id: UUID, conn: Reader) -> Found:
    """What is promised to an order, and why from these warehouses."""
    found = await queries.one_order(conn, order_id)
    if found is None:
        raise NotFound("order", order_id)
    return found


@router.get("/backorders", tags=["promises"])
@needs("warehouse:read")
async def get_backorders(conn: Reader, paging: Paging, sku: KeyFilter = None) -> Found:
    """Who waits for stock, first in line first."""
    rows = await queries.list_backorders(conn, sku=sku, after=paging.place(str, str), limit=paging.limit + 1)
    found = page_of(rows, paging, key=lambda row: (row["page"], row["place"]))
    shown = ("sku", "order_id", "line_no", "quantity", "promised_on")
    return found | {"items": [{name: row[name] for name in shown} for row in found["items"]]}
