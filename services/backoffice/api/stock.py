"""Stock: levels, and one product."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import Response, StreamingResponse

from services.backoffice import queries
from services.backoffice.api.frame import Office, Visit, allowed, pages
from services.backoffice.views import stock as stock_view

router = pages()
Item = dict[str, Any]
Named = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/stock")
async def stock(
    visit: Annotated[Visit, allowed("stock")],
    sku: Annotated[str, Query(max_length=64)] = "",
    warehouse: Annotated[str, Query(max_length=64)] = "",
    view: Annotated[str, Query(max_length=20)] = "",
    brand: Named = "",
    category: Named = "",
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Levels, backorders, what is to be counted."""
    office = visit.office
    wanted = stock_view.Wanted(sku.strip(), warehouse, view, brand.strip(), category.strip())
    page = await stock_view.levels(office.owners, office.pages, wanted, after)
    if view == "backorders":
        await _name_orders(office, page["rows"])
    return visit.page("stock.html", "stock", page)


@router.get("/stock.csv")
async def stock_csv(
    visit: Annotated[Visit, allowed("stock")],
    sku: Annotated[str, Query(max_length=64)] = "",
    warehouse: Annotated[str, Query(max_length=64)] = "",
    view: Literal["", "count"] = "",
    brand: Named = "",
    category: Named = "",
) -> Response:
    """All levels of the filter."""
    wanted = stock_view.Wanted(sku.strip(), warehouse, view, brand.strip(), category.strip())
    lines = stock_view.as_csv(visit.office.owners, visit.office.pages, wanted)
    begun = await anext(lines)  # an owner that is away is told before the file begins

    async def all_lines() -> AsyncIterator[str]:
        yield begun
        async for more in lines:
            yield more

    headers = {"Content-Disposition": 'attachment; filename="stock.csv"'}
    return StreamingResponse(all_lines(), media_type="text/csv; charset=utf-8", headers=headers)


async def _name_orders(office: Office, rows: list[Item]) -> None:
    """Gives each row the number and the customer of its order."""
    async with office.reading() as conn:
        found = await queries.rows_of(conn, [UUID(str(row["order_id"])) for row in rows])
    names = {str(row["order_id"]): row for row in found}
    for row in rows:
        known = names.get(str(row["order_id"]), {})
        row |= {"number": known.get("number", ""), "name": known.get("name", "")}


@router.get("/stock/{sku:path}")
async def product(
    visit: Annotated[Visit, allowed("stock")],
    sku: Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")],
    after: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """One product: levels, what is coming, who waits, movements."""
    page = await stock_view.product(visit.office.reading, visit.office.owners, visit.office.pages, sku, after)
    await _name_orders(visit.office, page["queue"])
    return visit.page("product.html", "stock", page)
