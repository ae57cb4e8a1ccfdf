"""The list of orders, on a page and as a file."""

from typing import Annotated
from urllib.parse import quote

from fastapi.responses import RedirectResponse, Response, StreamingResponse

from services.backoffice import queries
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import bulk
from services.backoffice.views import orders as orders_view
from services.backoffice.views.scanning import product_with_barcode

router = pages()


@router.get("/orders")
async def orders(visit: Annotated[Visit, allowed("orders")]) -> Response:
    """The list; a search that can only mean one order opens it, the barcode of a product opens the product."""
    query = visit.request.query_params
    wanted, since = orders_view.asked(query, visit.office.pages)
    if wanted.q and "HX-Request" not in visit.request.headers:
        async with visit.office.reading() as conn:
            hit = await queries.exactly(conn, wanted.q)
        if hit is not None:
            return RedirectResponse(f"/orders/{hit['number']}", 303)
        # inventory is asked without a connection in hand, and only about what can be one barcode
        barcode = visit.person.may("stock") and len(wanted.q.split()) == 1 and "@" not in wanted.q
        if barcode and (sku := await product_with_barcode(visit.office.owners, wanted.q)):
            return RedirectResponse(f"/stock/{quote(sku, safe='')}", 303)
    async with visit.office.reading() as conn:
        page = await orders_view.page(conn, visit.office.pages, visit.person.name, visit.now, wanted, since, query)
    bar = bulk.bar(visit.office.pages, visit.person.may)
    return visit.page("orders.html", "orders", {**page, "bar": bar})


@router.get("/orders.csv")
async def orders_csv(visit: Annotated[Visit, allowed("export")]) -> Response:
    """The whole filter, streamed."""
    wanted, _ = orders_view.asked(visit.request.query_params, visit.office.pages)
    lines = orders_view.as_csv(visit.office.reading, visit.office.pages, wanted)
    headers = {"Content-Disposition": 'attachment; filename="orders.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)
