"""Customers: the list, one, and what one may owe."""

from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from services.backoffice.api import shown
from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.owners import Said
from services.backoffice.views import credit as credit_view
from services.backoffice.views import customers as customers_view
from services.backoffice.views.lines import Mistyped
from shared.contracts.backoffice import NoteBought
from shared.http import NotFound

router = pages()
Item = dict[str, Any]
CustomerId = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
Done = Annotated[str, Query(max_length=20)]


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


@router.get("/customers/{customer_id:path}/credit")
async def credit(visit: Annotated[Visit, allowed("credit")], customer_id: CustomerId, done: Done = "") -> Response:
    """What one customer may owe on account, and owes, by currency."""
    return await _credit(visit, customer_id, {}, None, done)


async def _credit(visit: Visit, customer_id: str, form: Item, error: Item | None, done: str = "") -> Response:
    w = visit.office.pages.words
    page = await credit_view.page(visit.office.owners, w, customer_id, form, error)
    toast = w.say(credit_view.DONE[done]) if done in credit_view.DONE else ""
    return visit.page("credit.html", "customers", page, status=422 if error else 200, toast=toast)


@router.post("/customers/{customer_id:path}/credit")
async def set_credit(request: Request, visit: Annotated[Visit, allowed("credit")], customer_id: CustomerId) -> Response:
    """Set in the person's name; without an amount everybody's limit counts again."""
    form = {name: str(value) for name, value in (await request.form()).items()}
    office, w = visit.office, visit.office.pages.words
    try:
        currency, body = credit_view.typed(w, form)
        where = f"{credit_view.where(customer_id)}/{currency}"
        await office.owners.put("billing", where, body, actor=visit.person.name)
    except Mistyped as wrong:
        return await _credit(visit, customer_id, form, shown.nothing(w, str(wrong)))
    except Said as refused:
        return await _credit(visit, customer_id, form, shown.nothing(w, refused.title))
    noted = NoteBought(what="credit", name=customer_id, actor=visit.person.name)
    await office.running.desk.ask(noted, id=office.running.new_id())
    return RedirectResponse(f"{credit_view.where(customer_id)}?done=credit", 303)


@router.get("/customers/{customer_id:path}")
async def customer(
    visit: Annotated[Visit, allowed("customers")],
    customer_id: CustomerId,
) -> Response:
    """One customer: figures, addresses, orders, and what they owe on account."""
    office = visit.office
    page = await customers_view.one(office.reading, office.pages, office.owners, customer_id)
    if page is None:
        raise NotFound("customer", customer_id)
    return visit.page("customer.html", "customers", page)
