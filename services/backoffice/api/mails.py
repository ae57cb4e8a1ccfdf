"""E-mails to customers: what was sent, what was not and why, and trying once more."""

from typing import Annotated
from uuid import UUID

from fastapi.responses import RedirectResponse, Response

from services.backoffice.api.frame import Visit, allowed, pages
from services.backoffice.api.order import Name, order_called
from services.backoffice.views import mails as view
from shared.contracts.backoffice import SendMailAgain

router = pages()


@router.get("/orders/{name}/messages")
async def messages(visit: Annotated[Visit, allowed("orders")], name: Name) -> Response:
    """What the customer of one order was written."""
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
        page = await view.of_order(conn, visit.office.pages, visit.person, order_id)
    return visit.page("messages.html", "orders", page)


@router.post("/orders/{name}/messages/{mail_id}/again")
async def again(visit: Annotated[Visit, allowed("mail")], name: Name, mail_id: UUID) -> Response:
    """Tries to send an e-mail again that was given up; one that was sent meanwhile is left alone."""
    async with visit.office.reading() as conn:
        order_id = await order_called(conn, name)
    await visit.office.note(SendMailAgain(order_id=order_id, mail_id=mail_id, actor=visit.person.name))
    return RedirectResponse(f"/orders/{name}/messages", 303)


@router.post("/mails/{about}/{mail_id}/again")
async def staff_again(visit: Annotated[Visit, allowed("mail")], about: UUID, mail_id: UUID) -> Response:
    """The same with one that is about no order."""
    await visit.office.note(SendMailAgain(order_id=about, mail_id=mail_id, actor=visit.person.name))
    return RedirectResponse("/mails", 303)


@router.get("/mails")
async def parked(visit: Annotated[Visit, allowed("orders")]) -> Response:
    """E-mails that wait for a person."""
    async with visit.office.reading() as conn:
        page = await view.parked(conn, visit.office.pages, visit.person)
    return visit.page("messages.html", "mail", {**page, "number": "", "back": "/orders"})
