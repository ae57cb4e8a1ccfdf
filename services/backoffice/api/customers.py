"""Customers: the list, and one."""

from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.views import customers as customers_view
from shared.http import NotFound

router = pages()


@router.get("/customers")
async def customers(
    visit: Annotated[Visit, allowed("customers")],
    q: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """By number, or found by name, number, e-mail or one of their orders."""
    q, after = q.replace("\x00", "").strip(), after.replace("\x00", "")
    async with visit.office.reading() as conn:
        page = await customers_view.page(conn, visit.office.pages, q, after)
    return visit.page("customers.html", "customers", page)


@router.get("/customers/{customer_id:path}")
async def customer(
    visit: Annotated[Visit, allowed("customers")],
    customer_id: Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")],
) -> Response:
    """One customer: figures, addresses, orders."""
    office = visit.office
    page = await customers_view.one(office.reading, office.pages, office.owners, customer_id)
    if page is None:
        raise NotFound("customer", customer_id)
    return visit.page("customer.html", "customers", page)
